
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_time.h"


static u_char *ngx_iot_time_digits(u_char *p, ngx_uint_t len,
    ngx_uint_t number, u_char end);
static const u_char *ngx_iot_time_template(const u_char *p, const u_char *last,
    const char *template, ngx_uint_t *fields);
static const u_char *ngx_iot_time_fraction(const u_char *p,
    const u_char *last, ngx_iot_msec_t *ms);
static ngx_int_t ngx_iot_time_offset(const u_char *p, const u_char *last,
    int64_t *seconds);
static ngx_int_t ngx_iot_time_days(const ngx_uint_t *date, int64_t *days);


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


ngx_int_t
ngx_iot_time_parse(const ngx_str_t *text, ngx_iot_msec_t *ms)
{
    int64_t         days, offset, seconds;
    const u_char   *p, *last;
    ngx_uint_t      date[3], time[3];
    ngx_iot_msec_t  fraction;

    p = text->data;
    last = text->data + text->len;

    p = ngx_iot_time_template(p, last, "0000-00-00", date);

    if (p == NULL || p == last || (*p != 'T' && *p != 't')) {
        return NGX_DECLINED;
    }

    p = ngx_iot_time_template(p + 1, last, "00:00:00", time);

    if (p == NULL || time[0] > 23 || time[1] > 59 || time[2] > 59) {
        return NGX_DECLINED;
    }

    p = ngx_iot_time_fraction(p, last, &fraction);

    if (p == NULL
        || ngx_iot_time_offset(p, last, &offset) != NGX_OK
        || ngx_iot_time_days(date, &days) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    seconds = days * 86400 + time[0] * 3600 + time[1] * 60 + time[2] - offset;

    if (seconds < 0 || seconds > (int64_t) (NGX_IOT_TIME_MAX / 1000)) {
        return NGX_DECLINED;
    }

    *ms = (ngx_iot_msec_t) seconds * 1000 + fraction;

    return NGX_OK;
}


/*
 * Reads a number for each run of zeros in the template, whose other characters
 * stand for themselves.  The end of what was read; NULL: it is not like that.
 */
static const u_char *
ngx_iot_time_template(const u_char *p, const u_char *last,
    const char *template, ngx_uint_t *fields)
{
    *fields = 0;

    for ( /* void */ ; *template; template++, p++) {

        if (p == last) {
            return NULL;
        }

        if (*template == '0') {

            if (*p < '0' || *p > '9') {
                return NULL;
            }

            *fields = *fields * 10 + (*p - '0');
            continue;
        }

        if (*p != (u_char) *template) {
            return NULL;
        }

        *++fields = 0;
    }

    return p;
}


/* ".5" is 500 ms; a time may have none */
static const u_char *
ngx_iot_time_fraction(const u_char *p, const u_char *last, ngx_iot_msec_t *ms)
{
    ngx_uint_t     unit;
    const u_char  *begin;

    *ms = 0;

    if (p == last || *p != '.') {
        return p;
    }

    begin = ++p;

    for (unit = 100; p < last && *p >= '0' && *p <= '9'; p++) {
        *ms += unit * (*p - '0');
        unit /= 10;
    }

    return (p > begin) ? p : NULL;
}


/* what is east of UTC is ahead of it */
static ngx_int_t
ngx_iot_time_offset(const u_char *p, const u_char *last, int64_t *seconds)
{
    u_char      sign;
    ngx_uint_t  offset[2];

    *seconds = 0;

    if (p == last) {
        return NGX_DECLINED;
    }

    sign = *p++;

    if (sign == 'Z' || sign == 'z') {
        return (p == last) ? NGX_OK : NGX_DECLINED;
    }

    if ((sign != '+' && sign != '-')
        || ngx_iot_time_template(p, last, "00:00", offset) != last
        || offset[0] > 23
        || offset[1] > 59)
    {
        return NGX_DECLINED;
    }

    *seconds = offset[0] * 3600 + offset[1] * 60;

    if (sign == '-') {
        *seconds = -*seconds;
    }

    return NGX_OK;
}


/* since 1970-01-01; years begin in March, so that leap days are their last */
static ngx_int_t
ngx_iot_time_days(const ngx_uint_t *date, int64_t *days)
{
    ngx_uint_t  year, month, day, leap;

    static const u_char  lengths[] =
        { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    year = date[0];
    month = date[1];
    day = date[2];

    leap = (year % 4 == 0 && (year % 100 != 0 || year % 400 == 0));

    if (month < 1
        || month > 12
        || day < 1
        || day > (ngx_uint_t) lengths[month - 1] + (month == 2 && leap))
    {
        return NGX_DECLINED;
    }

    if (month < 3) {
        month += 12;

        if (year-- == 0) {
            return NGX_DECLINED;
        }
    }

    /* 719468 days from 0000-03-01 to 1970-01-01 */

    *days = 365 * (int64_t) year + year / 4 - year / 100 + year / 400
            + (153 * (month - 3) + 2) / 5 + day - 1 - 719468;

    return NGX_OK;
}
