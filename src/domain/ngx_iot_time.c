
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_time.h"


/* 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write */
#define NGX_IOT_TIME_MAX  ((ngx_iot_msec_t) 253402300799999)


static u_char *ngx_iot_time_digits(u_char *p, ngx_uint_t len,
    ngx_uint_t number, u_char end);


u_char *
ngx_iot_time_format(u_char *p, ngx_iot_msec_t ms)
{
    ngx_tm_t  tm;

    ms = ngx_min(ms, NGX_IOT_TIME_MAX);

    ngx_gmtime((time_t) (ms / 1000), &tm);

    p = ngx_iot_time_digits(p, 4, tm.ngx_tm_year, '-');
    p = ngx_iot_time_digits(p, 2, tm.ngx_tm_mon, '-');
    p = ngx_iot_time_digits(p, 2, tm.ngx_tm_mday, 'T');
    p = ngx_iot_time_digits(p, 2, tm.ngx_tm_hour, ':');
    p = ngx_iot_time_digits(p, 2, tm.ngx_tm_min, ':');
    p = ngx_iot_time_digits(p, 2, tm.ngx_tm_sec, '.');

    return ngx_iot_time_digits(p, 3, (ngx_uint_t) (ms % 1000), 'Z');
}


/* an answer has up to six times: ngx_sprintf() would cost as much as JSON */
static u_char *
ngx_iot_time_digits(u_char *p, ngx_uint_t len, ngx_uint_t number, u_char end)
{
    ngx_uint_t  i;

    for (i = len; i > 0; i--) {
        p[i - 1] = (u_char) ('0' + number % 10);
        number /= 10;
    }

    p[len] = end;

    return p + len + 1;
}
