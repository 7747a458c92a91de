
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_JSON_H_INCLUDED_
#define _NGX_IOT_JSON_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"


/* nesting that is accepted, in unknown fields too; protobuf's own limit */
#define NGX_IOT_JSON_DEPTH_MAX  100


/* one string field of a request message */

typedef struct {
    ngx_str_t    name;          /* as in the proto: "certificate_data" */
    ngx_str_t    json_name;     /* lowerCamelCase: "certificateData" */
    ngx_str_t   *value;         /* out; data == NULL: not set */
} ngx_iot_json_field_t;


/*
 * Reads a request message by the rules of proto3 JSON
 * (https://protobuf.dev/programming-guides/json/): both spellings of a name,
 * null means unset, unknown fields are skipped, the last of duplicates wins,
 * also when they are spelled differently.  An empty text is {}.
 *
 * Refused as INVALID_JSON on field "body": what is not one JSON object, bytes
 * after it, invalid UTF-8 and lone surrogates (yajl lets both through, so they
 * are checked on the raw bytes before it), nesting deeper than the limit.
 * Refused as INVALID_FIELD, naming the first such field: a value that is not a
 * string, even if a duplicate after it is one.  No error quotes the text.
 *
 * Values are slices of text, or live in pool when they had escapes.  They are
 * of use with NGX_OK only.
 */
ngx_int_t ngx_iot_json_read(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_iot_json_field_t *fields, ngx_uint_t nfields,
    ngx_iot_error_t *err);


#endif /* _NGX_IOT_JSON_H_INCLUDED_ */
