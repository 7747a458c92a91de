
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_der.h"


#define NGX_IOT_DER_DEPTH          32

/* identifier octets (X.690, section 8.1.2) */
#define NGX_IOT_DER_CONSTRUCTED    0x20
#define NGX_IOT_DER_CLASS          0xc0
#define NGX_IOT_DER_UNIVERSAL      0x00
#define NGX_IOT_DER_LONG_TAG       0x1f
#define NGX_IOT_DER_BOOLEAN        0x01
#define NGX_IOT_DER_BIT_STRING     0x03
#define NGX_IOT_DER_OBJECT         0x06
#define NGX_IOT_DER_UTF8_STRING    0x0c
#define NGX_IOT_DER_PRINTABLE      0x13
#define NGX_IOT_DER_IA5_STRING     0x16
#define NGX_IOT_DER_SEQUENCE       0x10
#define NGX_IOT_DER_SET            0x11


static ngx_uint_t ngx_iot_der_elements(const u_char *p, const u_char *end,
    ngx_uint_t depth);
static ngx_uint_t ngx_iot_der_contents(ngx_uint_t tag, const u_char *p,
    size_t len);
static ngx_uint_t ngx_iot_der_plain_pair(const u_char *p, const u_char *end);
static ngx_uint_t ngx_iot_der_object(const u_char *p, size_t len);
static ngx_uint_t ngx_iot_der_ascii(const u_char *p, size_t len);
static const u_char *ngx_iot_der_enter(const u_char *p, const u_char *end,
    u_char identifier, size_t *len);
static const u_char *ngx_iot_der_length(const u_char *p, const u_char *end,
    size_t *len);
static ngx_int_t ngx_iot_der_time_fields(const ngx_int_t *field,
    ngx_tm_t *tm, int64_t *sec);


ngx_uint_t
ngx_iot_der_strict(const u_char *data, size_t len)
{
    return ngx_iot_der_elements(data, data + len, 0);
}


static ngx_uint_t
ngx_iot_der_elements(const u_char *p, const u_char *end, ngx_uint_t depth)
{
    size_t      len;
    ngx_uint_t  tag, constructed;

    if (depth > NGX_IOT_DER_DEPTH) {
        return 0;
    }

    while (p < end) {
        constructed = *p & NGX_IOT_DER_CONSTRUCTED;
        tag = *p & ~NGX_IOT_DER_CONSTRUCTED;

        if ((tag & NGX_IOT_DER_LONG_TAG) == NGX_IOT_DER_LONG_TAG) {
            return 0;
        }

        /* of the universal types only SEQUENCE and SET have parts */

        if ((tag & NGX_IOT_DER_CLASS) == NGX_IOT_DER_UNIVERSAL
            && (constructed != 0)
               != (tag == NGX_IOT_DER_SEQUENCE || tag == NGX_IOT_DER_SET))
        {
            return 0;
        }

        p = ngx_iot_der_length(p + 1, end, &len);
        if (p == NULL) {
            return 0;
        }

        if (constructed ? !ngx_iot_der_elements(p, p + len, depth + 1)
                        : !ngx_iot_der_contents(tag, p, len))
        {
            return 0;
        }

        p += len;
    }

    return 1;
}


/* X.690, sections 11.1 and 11.2: TRUE is 0xff, unused bits are zero */
static ngx_uint_t
ngx_iot_der_contents(ngx_uint_t tag, const u_char *p, size_t len)
{
    switch (tag) {

    case NGX_IOT_DER_BOOLEAN:
        return len == 1 && (*p == 0 || *p == 0xff);

    case NGX_IOT_DER_BIT_STRING:

        if (len == 0 || *p > 7) {
            return 0;
        }

        return *p == 0 || (len > 1 && (p[len - 1] & ((1 << *p) - 1)) == 0);

    default:
        return 1;
    }
}


ngx_uint_t
ngx_iot_der_plain_name(const u_char *p, size_t len)
{
    size_t         size;
    const u_char  *end, *set;

    end = p + len;

    p = ngx_iot_der_enter(p, end,
                          NGX_IOT_DER_SEQUENCE|NGX_IOT_DER_CONSTRUCTED, &size);

    if (p == NULL || p + size != end) {
        return 0;
    }

    while (p < end) {
        p = ngx_iot_der_enter(p, end, NGX_IOT_DER_SET|NGX_IOT_DER_CONSTRUCTED,
                              &size);

        if (p == NULL || size == 0) {
            return 0;
        }

        for (set = p + size; p < set; p += size) {
            p = ngx_iot_der_enter(p, set,
                                  NGX_IOT_DER_SEQUENCE|NGX_IOT_DER_CONSTRUCTED,
                                  &size);

            if (p == NULL || !ngx_iot_der_plain_pair(p, p + size)) {
                return 0;
            }
        }
    }

    return 1;
}


/* AttributeTypeAndValue */
static ngx_uint_t
ngx_iot_der_plain_pair(const u_char *p, const u_char *end)
{
    u_char  identifier;
    size_t  len;

    p = ngx_iot_der_enter(p, end, NGX_IOT_DER_OBJECT, &len);

    if (p == NULL || !ngx_iot_der_object(p, len)) {
        return 0;
    }

    p += len;

    if (p == end) {
        return 0;
    }

    identifier = *p;

    p = ngx_iot_der_enter(p, end, identifier, &len);

    if (p == NULL || p + len != end) {
        return 0;
    }

    switch (identifier) {

    case NGX_IOT_DER_PRINTABLE:
    case NGX_IOT_DER_IA5_STRING:
    case NGX_IOT_DER_UTF8_STRING:
        return ngx_iot_der_ascii(p, len);

    default:
        return 0;
    }
}


/* X.690, section 8.19: numbers of seven bits an octet, none starts by 0x80 */
static ngx_uint_t
ngx_iot_der_object(const u_char *p, size_t len)
{
    size_t      i;
    ngx_uint_t  first;

    first = 1;

    for (i = 0; i < len; i++) {

        if (first && p[i] == 0x80) {
            return 0;
        }

        first = (p[i] < 0x80);
    }

    return len && first;
}


static ngx_uint_t
ngx_iot_der_ascii(const u_char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if (p[i] >= 0x80) {
            return 0;
        }
    }

    return 1;
}


/* the contents of the element at p; NULL: it has another identifier */
static const u_char *
ngx_iot_der_enter(const u_char *p, const u_char *end, u_char identifier,
    size_t *len)
{
    if (p == end || *p != identifier) {
        return NULL;
    }

    return ngx_iot_der_length(p + 1, end, len);
}


/* the contents, len bytes of them before end; NULL: the length is not DER */
static const u_char *
ngx_iot_der_length(const u_char *p, const u_char *end, size_t *len)
{
    ngx_uint_t  n;

    if (p == end) {
        return NULL;
    }

    *len = *p++;

    if (*len >= 0x80) {
        n = *len & 0x7f;

        if (n == 0 || n > sizeof(uint32_t) || n > (size_t) (end - p)
            || *p == 0)
        {
            return NULL;
        }

        for (*len = 0; n; n--) {
            *len = *len << 8 | *p++;
        }

        if (*len < 0x80) {
            return NULL;
        }
    }

    if (*len > (size_t) (end - p)) {
        return NULL;
    }

    return p;
}


ngx_int_t
ngx_iot_der_time(const u_char *p, size_t len, ngx_uint_t utc_time,
    ngx_tm_t *tm, int64_t *sec)
{
    ngx_int_t   field[7];
    ngx_uint_t  i, first;

    first = utc_time ? 1 : 0;

    if (len != (7 - first) * 2 + 1) {
        return NGX_ERROR;
    }

    for (i = first; i < 7; i++) {
        field[i] = ngx_atoi((u_char *) p, 2);

        if (field[i] == NGX_ERROR) {
            return NGX_ERROR;
        }

        p += 2;
    }

    if (*p != 'Z') {
        return NGX_ERROR;
    }

    if (first) {
        field[0] = (field[1] < 50) ? 20 : 19;
    }

    return ngx_iot_der_time_fields(field, tm, sec);
}


static ngx_int_t
ngx_iot_der_time_fields(const ngx_int_t *field, ngx_tm_t *tm, int64_t *sec)
{
    int64_t     days, year, month;
    ngx_uint_t  leap;

    static u_char  mday[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };

    year = field[0] * 100 + field[1];
    month = field[2];

    leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    if (month < 1 || month > 12 || field[3] < 1
        || field[3] > mday[month - 1] + (ngx_int_t) (leap && month == 2)
        || field[4] > 23 || field[5] > 59 || field[6] > 59)
    {
        return NGX_ERROR;
    }

    tm->ngx_tm_year = (int) year;
    tm->ngx_tm_mon = (int) month;
    tm->ngx_tm_mday = (int) field[3];
    tm->ngx_tm_hour = (int) field[4];
    tm->ngx_tm_min = (int) field[5];
    tm->ngx_tm_sec = (int) field[6];

    /* Gauss' formula for days since March 1, 1 BC, as nginx has it */

    month -= 2;

    if (month <= 0) {
        month += 12;
        year -= 1;
    }

    days = 365 * year + year / 4 - year / 100 + year / 400
           + 367 * month / 12 - 30 + field[3] - 1 + 31 + 28 - 719527;

    *sec = days * 86400 + field[4] * 3600 + field[5] * 60 + field[6];

    return NGX_OK;
}
