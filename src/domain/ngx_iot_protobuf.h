
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_PROTOBUF_H_INCLUDED_
#define _NGX_IOT_PROTOBUF_H_INCLUDED_


#include "ngx_iot_message.h"


/* messages and groups within each other; the limit of other parsers too */
#define NGX_IOT_PROTOBUF_DEPTH_MAX  100


/* wire types */

#define NGX_IOT_PROTOBUF_VARINT     0
#define NGX_IOT_PROTOBUF_I64        1
#define NGX_IOT_PROTOBUF_LEN        2
#define NGX_IOT_PROTOBUF_GROUP      3
#define NGX_IOT_PROTOBUF_GROUP_END  4
#define NGX_IOT_PROTOBUF_I32        5


/* a message while it is read, and the field at hand */

typedef struct {
    const u_char   *pos;
    const u_char   *last;
    ngx_uint_t      depth;          /* of the message: 1 for a request */

    ngx_uint_t      number;
    ngx_uint_t      type;           /* VARINT or LEN */
    uint64_t        value;          /* of a VARINT */
    ngx_str_t       bytes;          /* of a LEN; a slice */
} ngx_iot_protobuf_t;


void ngx_iot_protobuf_begin(ngx_iot_protobuf_t *pb, const ngx_str_t *bytes,
    ngx_uint_t depth);

/*
 * Moves to the next field; those of other wire types, which no message here
 * has, are passed over.
 *
 * NGX_OK        there is one
 * NGX_DONE      the message has ended
 * NGX_DECLINED  this is no message
 */
ngx_int_t ngx_iot_protobuf_next(ngx_iot_protobuf_t *pb);

/* 1 when the field at hand is a LEN in valid UTF-8 */
ngx_uint_t ngx_iot_protobuf_utf8(const ngx_iot_protobuf_t *pb);

/* fills err for what is no message; NGX_DECLINED */
ngx_int_t ngx_iot_protobuf_refuse(ngx_iot_error_t *err);


/*
 * Reads a request message (https://protobuf.dev/programming-guides/encoding/):
 * a field that comes with another wire type is an unknown one, messages that
 * come more than once are merged.
 *
 * Refused as INVALID_MESSAGE on field "body": what is cut off, varints and
 * tags out of range, field number 0, groups that do not match or are nested
 * too deeply, strings of known fields that are not UTF-8, and any of that in
 * the messages within.  Refused as INVALID_FIELD, naming the field: a mask
 * with a path that is empty or has a comma, which its text could not show.
 */
ngx_int_t ngx_iot_protobuf_read(ngx_pool_t *pool, const ngx_str_t *bytes,
    const ngx_iot_field_t *fields, ngx_uint_t nfields, ngx_iot_error_t *err);

/* as ngx_iot_message_read_map(): *field->value is the message that has it */
ngx_int_t ngx_iot_protobuf_read_map(ngx_pool_t *pool,
    const ngx_iot_field_t *field, ngx_keyval_t *pairs, ngx_uint_t *n,
    ngx_iot_error_t *err);

/* as ngx_iot_message_read_list(), likewise */
ngx_int_t ngx_iot_protobuf_read_list(ngx_pool_t *pool,
    const ngx_iot_field_t *field, ngx_str_t *elements, ngx_uint_t *n,
    ngx_iot_error_t *err);


#endif /* _NGX_IOT_PROTOBUF_H_INCLUDED_ */
