
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_grpc.h"


#define NGX_IOT_GRPC_TIMEOUT_DIGITS  8

/*
 * The message stands in an error twice or three times, once percent-encoded,
 * and the details are in base64: with these the headers stay below 6 KB.
 */
#define NGX_IOT_GRPC_TEXT_MAX  512
#define NGX_IOT_GRPC_NAME_MAX  256


static ngx_int_t ngx_iot_grpc_cut(ngx_pool_t *pool, ngx_str_t *text,
    size_t max);


ngx_int_t
ngx_iot_grpc_message(const ngx_str_t *body, ngx_str_t *message,
    ngx_iot_error_t *err)
{
    u_char  *p;
    size_t   len, left;

    p = body->data;

    /* as gRPC's own list of status codes has it for the wrong number */

    if (body->len == 0) {
        ngx_iot_error(err, GRPC_NOT_UNARY,
                      "the call has no message, the method takes one");
        return NGX_DECLINED;
    }

    if (p[0] > 1) {
        ngx_iot_error(err, GRPC_MALFORMED,
                      "the message begins with an unknown flag");
        return NGX_DECLINED;
    }

    if (body->len < NGX_IOT_GRPC_PREFIX_LEN) {
        goto truncated;
    }

    if (p[0]) {
        ngx_iot_error(err, GRPC_ENCODING,
                      "the message is compressed, which is not supported");
        return NGX_DECLINED;
    }

    len = (size_t) p[1] << 24 | p[2] << 16 | p[3] << 8 | p[4];
    left = body->len - NGX_IOT_GRPC_PREFIX_LEN;

    if (len > left) {
        goto truncated;
    }

    if (len < left) {
        ngx_iot_error(err, GRPC_NOT_UNARY,
                      "the call has more than one message");
        return NGX_DECLINED;
    }

    message->data = p + NGX_IOT_GRPC_PREFIX_LEN;
    message->len = len;

    return NGX_OK;

truncated:

    ngx_iot_error(err, GRPC_MALFORMED,
                  "the call ends in the middle of its message");

    return NGX_DECLINED;
}


u_char *
ngx_iot_grpc_prefix(u_char *p, size_t len)
{
    *p++ = 0;
    *p++ = (u_char) (len >> 24);
    *p++ = (u_char) (len >> 16);
    *p++ = (u_char) (len >> 8);
    *p++ = (u_char) len;

    return p;
}


/* a malformed one is INTERNAL, as grpc-go answers it */
ngx_int_t
ngx_iot_grpc_timeout(const ngx_str_t *value, ngx_msec_t *timeout,
    ngx_iot_error_t *err)
{
    size_t     len;
    uint64_t   ns;
    ngx_int_t  n;

    if (value->len < 2) {
        goto malformed;
    }

    len = value->len - 1;
    n = ngx_atoi(value->data, len);

    if (n == NGX_ERROR || len > NGX_IOT_GRPC_TIMEOUT_DIGITS) {
        goto malformed;
    }

    ns = n;

    /* eight digits of hours in nanoseconds would not fit */

    switch (value->data[len]) {

    case 'H':
        ns = ngx_min(ns, 24) * 3600 * 1000000000;
        break;

    case 'M':
        ns = ns * 60 * 1000000000;
        break;

    case 'S':
        ns = ns * 1000000000;
        break;

    case 'm':
        ns = ns * 1000000;
        break;

    case 'u':
        ns = ns * 1000;
        break;

    case 'n':
        break;

    default:
        goto malformed;
    }

    *timeout = (ngx_msec_t) ngx_min((ns + 999999) / 1000000,
                                    NGX_IOT_GRPC_TIMEOUT_MAX);

    return NGX_OK;

malformed:

    ngx_iot_error(err, GRPC_MALFORMED,
                  "the grpc-timeout is not up to eight digits and a unit");

    return NGX_DECLINED;
}


u_char *
ngx_iot_grpc_escape(u_char *dst, const ngx_str_t *src)
{
    u_char  *p, *last;

    static const u_char  hex[] = "0123456789ABCDEF";

    last = src->data + src->len;

    for (p = src->data; p < last; p++) {

        if (*p >= 0x20 && *p <= 0x7e && *p != '%') {
            *dst++ = *p;
            continue;
        }

        *dst++ = '%';
        *dst++ = hex[*p >> 4];
        *dst++ = hex[*p & 0xf];
    }

    return dst;
}


ngx_int_t
ngx_iot_grpc_trim(ngx_pool_t *pool, ngx_iot_error_t *err)
{
    ngx_uint_t  i;

    if (ngx_iot_grpc_cut(pool, &err->message, NGX_IOT_GRPC_TEXT_MAX) != NGX_OK
        || ngx_iot_grpc_cut(pool, &err->field, NGX_IOT_GRPC_NAME_MAX) != NGX_OK
        || ngx_iot_grpc_cut(pool, &err->resource_name, NGX_IOT_GRPC_NAME_MAX)
           != NGX_OK
        || ngx_iot_grpc_cut(pool, &err->quota_subject, NGX_IOT_GRPC_NAME_MAX)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < err->nmetadata; i++) {

        if (ngx_iot_grpc_cut(pool, &err->metadata[i].value,
                             NGX_IOT_GRPC_NAME_MAX)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* at the end of a character */
static ngx_int_t
ngx_iot_grpc_cut(ngx_pool_t *pool, ngx_str_t *text, size_t max)
{
    u_char  *p;
    size_t   len;

    if (text->len <= max) {
        return NGX_OK;
    }

    len = max - (sizeof("...") - 1);

    while (len && (text->data[len] & 0xc0) == 0x80) {
        len--;
    }

    p = ngx_pnalloc(pool, max);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(p, text->data, len), "...", sizeof("...") - 1);

    text->data = p;
    text->len = len + sizeof("...") - 1;

    return NGX_OK;
}
