
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_JSON_H_INCLUDED_
#define _NGX_IOT_JSON_H_INCLUDED_


#include "ngx_iot_message.h"


/* nesting that is accepted, in unknown fields too; protobuf's own limit */
#define NGX_IOT_JSON_DEPTH_MAX  100


/*
 * Reads a request message by the rules of proto3 JSON
 * (https://protobuf.dev/programming-guides/json/): both spellings of a name,
 * null means unset, unknown fields are skipped, the last of duplicates wins,
 * also when they are spelled differently.  An empty text is {}.
 *
 * Refused as INVALID_JSON on field "body": what is not one JSON object, bytes
 * after it, invalid UTF-8 and lone surrogates (yajl lets both through, so they
 * are checked on the raw bytes before it), nesting deeper than the limit.
 * Refused as INVALID_FIELD, naming the first such field: a value of another
 * type, even if a duplicate after it is right.  No error quotes the text.
 *
 * Values are slices of text, or live in pool when they had escapes.  They are
 * of use with NGX_OK only.
 */
ngx_int_t ngx_iot_json_read(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_iot_field_t *fields, ngx_uint_t nfields,
    ngx_iot_error_t *err);

/*
 * Reads the text of an object that ngx_iot_json_read() has taken as a map of
 * strings; of duplicate keys the last wins.  *n, in: how many pairs has room
 * for, out: how many there are.  Refused as INVALID_FIELD, naming the field:
 * more of them, and a value that is not a string.
 */
ngx_int_t ngx_iot_json_read_map(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_str_t *field, ngx_keyval_t *pairs, ngx_uint_t *n,
    ngx_iot_error_t *err);

/*
 * Reads the text of an array as the texts of its elements, which are objects.
 * *n as above.  Refused as INVALID_FIELD: more of them, and an element that is
 * something else, which is named as field[index].
 */
ngx_int_t ngx_iot_json_read_list(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_str_t *field, ngx_str_t *elements, ngx_uint_t *n,
    ngx_iot_error_t *err);

/* the same with strings, which are decoded */
ngx_int_t ngx_iot_json_read_strings(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_str_t *field, ngx_str_t *elements, ngx_uint_t *n,
    ngx_iot_error_t *err);

/*
 * 1 when text, all of it, is one value of that type, a MESSAGE or a LIST: it
 * can be written into an answer as it is.
 */
ngx_uint_t ngx_iot_json_is(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_iot_field_type_e type);

/* "field[index]", as an error names an element; NGX_OK or NGX_ERROR */
ngx_int_t ngx_iot_json_element_name(ngx_pool_t *pool, const ngx_str_t *field,
    ngx_uint_t index, ngx_str_t *name);


#endif /* _NGX_IOT_JSON_H_INCLUDED_ */
