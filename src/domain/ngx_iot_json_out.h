
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_JSON_OUT_H_INCLUDED_
#define _NGX_IOT_JSON_OUT_H_INCLUDED_


#include "ngx_iot.h"


/*
 * Writes compact JSON in two passes over the same writer function: the first
 * counts, the second encodes into a buffer of exactly that size.
 *
 * A key is a NUL-terminated constant that needs no escaping; NULL inside an
 * array and at the top.  Values are escaped; bytes that are not UTF-8 become
 * U+FFFD, so that the output is valid JSON whatever the input was.
 */

typedef struct {
    u_char      *pos;           /* NULL: the counting pass */
    size_t       len;           /* bytes so far */

    unsigned     comma:1;       /* one goes before the next value */
} ngx_iot_json_out_t;

typedef void (*ngx_iot_json_out_pt)(ngx_iot_json_out_t *out, const void *data);


/*
 * Runs write twice; it must write the same both times.
 * NGX_OK, text in pool; NGX_ERROR: no memory.
 */
ngx_int_t ngx_iot_json_out_render(ngx_pool_t *pool, ngx_iot_json_out_pt write,
    const void *data, ngx_str_t *text);

void ngx_iot_json_out_object(ngx_iot_json_out_t *out, const char *key);
void ngx_iot_json_out_object_end(ngx_iot_json_out_t *out);

void ngx_iot_json_out_array(ngx_iot_json_out_t *out, const char *key);
void ngx_iot_json_out_array_end(ngx_iot_json_out_t *out);

/*
 * A field with an empty value is left out: proto3 JSON writes no defaults.
 * An element of an array, which has no key, is written.
 */
void ngx_iot_json_out_string(ngx_iot_json_out_t *out, const char *key,
    const ngx_str_t *value);

/* a string constant, written also when empty; not escaped */
void ngx_iot_json_out_literal(ngx_iot_json_out_t *out, const char *key,
    const char *value);

void ngx_iot_json_out_bool(ngx_iot_json_out_t *out, const char *key,
    ngx_uint_t value);

void ngx_iot_json_out_number(ngx_iot_json_out_t *out, const char *key,
    ngx_uint_t value);

/* google.protobuf.Timestamp, see ngx_iot_time_format() */
void ngx_iot_json_out_time(ngx_iot_json_out_t *out, const char *key,
    ngx_iot_msec_t value);

/*
 * "key":"value" with a key that is data and is escaped too (map entries);
 * written also when empty.
 */
void ngx_iot_json_out_pair(ngx_iot_json_out_t *out, const ngx_str_t *key,
    const ngx_str_t *value);

/* a value that is JSON already; written as it is */
void ngx_iot_json_out_raw(ngx_iot_json_out_t *out, const char *key,
    const ngx_str_t *value);


#endif /* _NGX_IOT_JSON_OUT_H_INCLUDED_ */
