
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_MESSAGE_H_INCLUDED_
#define _NGX_IOT_MESSAGE_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"


/* what a field is in the proto; where it says so, JSON has a text of it */

typedef enum {
    NGX_IOT_FIELD_STRING = 0,
    NGX_IOT_FIELD_NUMBER,       /* int64; in decimal in either format */
    NGX_IOT_FIELD_MESSAGE,      /* JSON: an object; else its bytes */
    NGX_IOT_FIELD_MAP,          /* of strings; see below */
    NGX_IOT_FIELD_LIST,         /* of messages; see below */
    NGX_IOT_FIELD_MASK,         /* a FieldMask: "a,b" in either format */
    NGX_IOT_FIELD_SCALAR        /* JSON only: a string, a number or a bool */
} ngx_iot_field_type_e;


/* one field of a request message */

typedef struct {
    ngx_str_t              name;        /* as in the proto: "log_options" */
    ngx_str_t              json_name;   /* lowerCamelCase: "logOptions" */
    ngx_uint_t             number;      /* in the proto; 0: in JSON only */
    ngx_str_t             *value;       /* out; data == NULL: not set */
    ngx_iot_field_type_e   type;
} ngx_iot_field_t;


/*
 * Reads a request message in either wire format, see ngx_iot_json_read() and
 * ngx_iot_protobuf_read() for the rules of each.  Unknown fields are skipped,
 * the last of duplicates wins.  Values are slices of bytes, or live in pool;
 * those of a map and a list are for the functions below only.  They are of use
 * with NGX_OK only.
 */
ngx_int_t ngx_iot_message_read(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *bytes, const ngx_iot_field_t *fields, ngx_uint_t nfields,
    ngx_iot_error_t *err);

/*
 * Reads what ngx_iot_message_read() has taken as the value of the field, a
 * map; of duplicate keys the last wins.  *n, in: how many pairs has room for,
 * out: how many there are.  More of them are refused as INVALID_FIELD, naming
 * the field.
 */
ngx_int_t ngx_iot_message_read_map(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_iot_field_t *field, ngx_keyval_t *pairs, ngx_uint_t *n,
    ngx_iot_error_t *err);

/* the same with a list: the bytes of each message in it */
ngx_int_t ngx_iot_message_read_list(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_iot_field_t *field, ngx_str_t *elements, ngx_uint_t *n,
    ngx_iot_error_t *err);

/* fills err for more entries than max; NGX_DECLINED */
ngx_int_t ngx_iot_message_too_many(ngx_pool_t *pool, const ngx_str_t *field,
    ngx_uint_t max, ngx_iot_error_t *err);


#endif /* _NGX_IOT_MESSAGE_H_INCLUDED_ */
