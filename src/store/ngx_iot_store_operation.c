
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"


ngx_int_t
ngx_iot_store_get_operation(const ngx_iot_store_t *store,
    const ngx_str_t *operation_id, ngx_iot_resp_request_t *req)
{
    ngx_uint_t  i;

    static ngx_str_t  hmget = ngx_string("HMGET");

    /* in the order of ngx_iot_store_operation() */

    static ngx_str_t  fields[] = {
        ngx_string("v"),
        ngx_string("k"),
        ngx_string("r"),
        ngx_string("f"),
        ngx_string("b"),
        ngx_string("c"),
        ngx_string("m"),
        ngx_string("d")
    };

    if (ngx_iot_store_request(store, req,
                              2 + sizeof(fields) / sizeof(ngx_str_t))
        != NGX_OK
        || ngx_iot_store_key(store, &req->argv[1], operation_id->data, 'o',
                             operation_id, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->argv[0] = hmget;

    for (i = 2; i < req->argc; i++) {
        req->argv[i] = fields[i - 2];
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_operation(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operation)
{
    ngx_iot_msec_t           format, kind, done;
    ngx_iot_certificate_t   *certificate;
    ngx_iot_resp_reply_t   **elts;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts != 8) {
        return ngx_iot_store_broken(store, reply, "operation");
    }

    elts = reply->elts;

    if (elts[0]->type == NGX_IOT_RESP_NIL) {
        return NGX_IOT_STORE_NOT_FOUND;
    }

    if (ngx_iot_store_parse_number(elts[0], &format) != NGX_OK) {
        return ngx_iot_store_broken(store, elts[0], "operation's format");
    }

    if (format > NGX_IOT_STORE_FORMAT) {
        return NGX_IOT_STORE_NEWER;
    }

    if (elts[6]->type == NGX_IOT_RESP_NIL) {
        /* it has not changed since it was created */
        elts[6] = elts[5];
    }

    if (ngx_iot_store_parse_number(elts[1], &kind) != NGX_OK
        || !ngx_iot_operation_kind_known((ngx_uint_t) kind)
        || elts[2]->type != NGX_IOT_RESP_STRING
        || elts[2]->str.len == 0
        || elts[3]->type != NGX_IOT_RESP_STRING
        || elts[3]->str.len != NGX_IOT_SHA256_LEN
        || elts[4]->type != NGX_IOT_RESP_STRING
        || ngx_iot_store_parse_number(elts[5], &operation->created_at)
           != NGX_OK
        || ngx_iot_store_parse_number(elts[6], &operation->modified_at)
           != NGX_OK
        || ngx_iot_store_parse_number(elts[7], &done) != NGX_OK)
    {
        return ngx_iot_store_broken(store, reply, "operation");
    }

    operation->kind = (ngx_iot_operation_kind_e) kind;
    operation->done = (ngx_uint_t) done;

    certificate = &operation->certificate;
    certificate->created_at = operation->created_at;

    ngx_memcpy(certificate->sha256, elts[3]->str.data, NGX_IOT_SHA256_LEN);
    ngx_hex_dump(certificate->fingerprint, certificate->sha256,
                 NGX_IOT_SHA256_LEN);

    if (ngx_iot_store_copy(store, &operation->registry_id,
                           elts[2]->str.data, elts[2]->str.len)
        != NGX_OK
        || ngx_iot_store_copy(store, &operation->created_by,
                              elts[4]->str.data, elts[4]->str.len)
           != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    certificate->registry_id = operation->registry_id;

    return NGX_IOT_STORE_OK;
}
