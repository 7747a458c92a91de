
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_time.h"


/* 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write */
#define NGX_IOT_TIME_MAX  ((ngx_iot_msec_t) 253402300799999)


u_char *
ngx_iot_time_format(u_char *p, ngx_iot_msec_t ms)
{
    ngx_tm_t  tm;

    ms = ngx_min(ms, NGX_IOT_TIME_MAX);

    ngx_gmtime((time_t) (ms / 1000), &tm);

    return ngx_sprintf(p, "%04d-%02d-%02dT%02d:%02d:%02d.%03uLZ",
                       tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                       tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec,
                       ms % 1000);
}
