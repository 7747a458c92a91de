
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_message.h"
#include "ngx_iot_json.h"
#include "ngx_iot_protobuf.h"


ngx_int_t
ngx_iot_message_read(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *bytes, const ngx_iot_field_t *fields, ngx_uint_t nfields,
    ngx_iot_error_t *err)
{
    if (wire == NGX_IOT_PROTOBUF) {
        return ngx_iot_protobuf_read(pool, bytes, fields, nfields, err);
    }

    return ngx_iot_json_read(pool, bytes, fields, nfields, err);
}


ngx_int_t
ngx_iot_message_read_map(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_iot_field_t *field, ngx_keyval_t *pairs, ngx_uint_t *n,
    ngx_iot_error_t *err)
{
    if (wire == NGX_IOT_PROTOBUF) {
        return ngx_iot_protobuf_read_map(pool, field, pairs, n, err);
    }

    return ngx_iot_json_read_map(pool, field->value, &field->name, pairs, n,
                                 err);
}


ngx_int_t
ngx_iot_message_read_list(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_iot_field_t *field, ngx_str_t *elements, ngx_uint_t *n,
    ngx_iot_error_t *err)
{
    if (wire == NGX_IOT_PROTOBUF) {
        return ngx_iot_protobuf_read_list(pool, field, elements, n, err);
    }

    return ngx_iot_json_read_list(pool, field->value, &field->name, elements,
                                  n, err);
}


ngx_int_t
ngx_iot_message_too_many(ngx_pool_t *pool, const ngx_str_t *field,
    ngx_uint_t max, ngx_iot_error_t *err)
{
    ngx_iot_error_format(pool, err, NGX_IOT_REASON_INVALID_FIELD,
                         "\"%V\" has more than %ui entries", field, max);
    err->field = *field;

    return NGX_DECLINED;
}
