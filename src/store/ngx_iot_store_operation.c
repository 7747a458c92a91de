
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_id.h"
#include "ngx_iot_json.h"
#include "ngx_iot_shard.h"


/* in the order of ngx_iot_store_operation() */

const ngx_str_t
    ngx_iot_store_operation_fields[NGX_IOT_STORE_OPERATION_FIELDS] =
{
    ngx_string("v"),
    ngx_string("k"),
    ngx_string("r"),
    ngx_string("f"),
    ngx_string("b"),
    ngx_string("c"),
    ngx_string("m"),
    ngx_string("d"),
    ngx_string("ec"),
    ngx_string("em"),
    ngx_string("ed")
};


static ngx_int_t ngx_iot_store_operation_parse(ngx_iot_resp_reply_t **elts,
    ngx_iot_operation_t *operation);
static ngx_int_t ngx_iot_store_operation_certificate(
    const ngx_iot_resp_reply_t *sha256, ngx_iot_operation_t *operation);
static ngx_iot_store_result_e ngx_iot_store_operation_error(
    const ngx_iot_store_t *store, ngx_iot_resp_reply_t **elts,
    ngx_iot_status_t *error);


static const ngx_iot_store_answer_t  ngx_iot_store_operation_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "NO_REGISTRY", NGX_IOT_STORE_NO_REGISTRY },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_get_operation(const ngx_iot_store_t *store,
    const ngx_str_t *operation_id, ngx_iot_resp_request_t *req)
{
    static ngx_str_t  hmget = ngx_string("HMGET");

    if (ngx_iot_store_request(store, req, 2 + NGX_IOT_STORE_OPERATION_FIELDS)
        != NGX_OK
        || ngx_iot_store_key(store, &req->argv[1], operation_id->data, 'o',
                             operation_id, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->argv[0] = hmget;

    ngx_memcpy(&req->argv[2], ngx_iot_store_operation_fields,
               sizeof(ngx_iot_store_operation_fields));

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_operation(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operation)
{
    ngx_iot_msec_t           format;
    ngx_iot_resp_reply_t   **elts;

    if (reply->type != NGX_IOT_RESP_ARRAY
        || reply->nelts != NGX_IOT_STORE_OPERATION_FIELDS)
    {
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

    if (ngx_iot_store_operation_parse(elts, operation) != NGX_OK) {
        return ngx_iot_store_broken(store, reply, "operation");
    }

    if (ngx_iot_store_copy(store, &operation->registry_id,
                           elts[2]->str.data, elts[2]->str.len)
        != NGX_OK
        || ngx_iot_store_copy(store, &operation->created_by,
                              elts[4]->str.data, elts[4]->str.len)
           != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    operation->registry.id = operation->registry_id;

    if (!ngx_iot_operation_has_certificate(operation)) {
        return NGX_IOT_STORE_OK;
    }

    if (ngx_iot_store_operation_certificate(elts[3], operation) != NGX_OK) {
        return ngx_iot_store_broken(store, reply, "operation");
    }

    return ngx_iot_store_operation_error(store, &elts[8], &operation->error);
}


/* the numbers; and that the others are there.  NGX_OK or NGX_ERROR */
static ngx_int_t
ngx_iot_store_operation_parse(ngx_iot_resp_reply_t **elts,
    ngx_iot_operation_t *operation)
{
    ngx_iot_msec_t  kind, done;

    if (elts[6]->type == NGX_IOT_RESP_NIL) {
        /* it has not changed since it was created */
        elts[6] = elts[5];
    }

    if (ngx_iot_store_parse_number(elts[1], &kind) != NGX_OK
        || !ngx_iot_operation_kind_known((ngx_uint_t) kind)
        || elts[2]->type != NGX_IOT_RESP_STRING
        || elts[2]->str.len == 0
        || elts[4]->type != NGX_IOT_RESP_STRING
        || ngx_iot_store_parse_number(elts[5], &operation->created_at)
           != NGX_OK
        || ngx_iot_store_parse_number(elts[6], &operation->modified_at)
           != NGX_OK
        || ngx_iot_store_parse_number(elts[7], &done) != NGX_OK)
    {
        return NGX_ERROR;
    }

    operation->kind = (ngx_iot_operation_kind_e) kind;
    operation->done = (ngx_uint_t) done;

    return NGX_OK;
}


/* what its certificate was; NGX_OK or NGX_ERROR */
static ngx_int_t
ngx_iot_store_operation_certificate(const ngx_iot_resp_reply_t *sha256,
    ngx_iot_operation_t *operation)
{
    ngx_iot_certificate_t  *certificate;

    if (sha256->type != NGX_IOT_RESP_STRING
        || sha256->str.len != NGX_IOT_SHA256_LEN)
    {
        return NGX_ERROR;
    }

    certificate = &operation->certificate;

    certificate->created_at = operation->created_at;
    certificate->registry_id = operation->registry_id;

    ngx_memcpy(certificate->sha256, sha256->str.data, NGX_IOT_SHA256_LEN);
    ngx_hex_dump(certificate->fingerprint, certificate->sha256,
                 NGX_IOT_SHA256_LEN);

    return NGX_OK;
}


/* code, message and details; an operation that did not fail has none */
static ngx_iot_store_result_e
ngx_iot_store_operation_error(const ngx_iot_store_t *store,
    ngx_iot_resp_reply_t **elts, ngx_iot_status_t *error)
{
    ngx_iot_msec_t  code;

    if (elts[0]->type == NGX_IOT_RESP_NIL) {
        return NGX_IOT_STORE_OK;
    }

    if (ngx_iot_store_parse_number(elts[0], &code) != NGX_OK
        || elts[1]->type != NGX_IOT_RESP_STRING
        || elts[2]->type != NGX_IOT_RESP_STRING
        || (elts[2]->str.len
            && !ngx_iot_json_is(store->pool, &elts[2]->str,
                                NGX_IOT_FIELD_LIST)))
    {
        return ngx_iot_store_broken(store, NULL, "operation's error");
    }

    error->code = (ngx_uint_t) code;

    if (ngx_iot_store_copy(store, &error->message, elts[1]->str.data,
                           elts[1]->str.len)
        != NGX_OK
        || ngx_iot_store_copy(store, &error->details, elts[2]->str.data,
                              elts[2]->str.len)
           != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_list_operations(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *after, ngx_uint_t count,
    ngx_iot_resp_request_t *req)
{
    u_char      tag[NGX_IOT_TAG_LEN];
    ngx_str_t  *arg;

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(registry_id));

    if (ngx_iot_store_lookup(store, registry_id,
                             NGX_IOT_SCRIPT_LIST_OPERATIONS, 3, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    arg = req->argv + req->nkeys;

    if (ngx_iot_store_behind(store, &arg[1], after, "+") != NGX_OK
        || ngx_iot_store_number(store, &arg[2], count) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_store_key(store, &req->argv[1], tag, 'y', registry_id,
                             NULL);
}


ngx_iot_store_result_e
ngx_iot_store_operations_listed(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *ids, ngx_uint_t *n)
{
    ngx_uint_t               i;
    ngx_iot_resp_reply_t    *list, *elt;
    ngx_iot_store_result_e   result;

    result = ngx_iot_store_answer(store, reply,
                                  ngx_iot_store_operation_answers,
                                  "list_operations");

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    if (reply->nelts != 2
        || reply->elts[1]->type != NGX_IOT_RESP_ARRAY
        || reply->elts[1]->nelts > *n)
    {
        return ngx_iot_store_broken(store, reply, "list_operations");
    }

    list = reply->elts[1];
    *n = list->nelts;

    for (i = 0; i < *n; i++) {
        elt = list->elts[i];

        if (elt->type != NGX_IOT_RESP_STRING || !ngx_iot_id_valid(&elt->str)) {
            return ngx_iot_store_broken(store, elt, "list_operations");
        }

        if (ngx_iot_store_copy(store, &ids[i], elt->str.data, elt->str.len)
            != NGX_OK)
        {
            return NGX_IOT_STORE_ERROR;
        }
    }

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_read_operations(const ngx_iot_store_t *store,
    const ngx_str_t *ids, ngx_uint_t n, ngx_iot_resp_request_t *req)
{
    ngx_uint_t  i;

    if (ngx_iot_store_request(store, req, n + NGX_IOT_STORE_OPERATION_FIELDS)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_READ_HASHES];
    req->nkeys = n;

    /* each may have failed with details of some kilobytes */
    req->large = (n > 1);

    for (i = 0; i < n; i++) {
        if (ngx_iot_store_key(store, &req->argv[i], ids[i].data, 'o', &ids[i],
                              NULL)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_memcpy(&req->argv[n], ngx_iot_store_operation_fields,
               sizeof(ngx_iot_store_operation_fields));

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_operations(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_str_t *ids, ngx_uint_t *n,
    ngx_iot_operation_t *operations)
{
    ngx_uint_t               i;
    ngx_iot_operation_t     *operation;
    ngx_iot_store_result_e   result;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts != *n) {
        return ngx_iot_store_broken(store, reply, "read_hashes");
    }

    operation = operations;

    for (i = 0; i < reply->nelts; i++) {

        ngx_memzero(operation, sizeof(ngx_iot_operation_t));

        result = ngx_iot_store_operation(store, reply->elts[i], operation);

        if (result == NGX_IOT_STORE_NOT_FOUND) {
            /* it has expired, its place in the list has not been cleared */
            continue;
        }

        if (result != NGX_IOT_STORE_OK) {
            return result;
        }

        operation->id = ids[i];
        operation++;
    }

    *n = operation - operations;

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_read_responses(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operations, ngx_uint_t n,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t                    *arg;
    ngx_uint_t                    i;
    const ngx_iot_certificate_t  *certificate;

    static ngx_str_t  mget = ngx_string("MGET");

    if (ngx_iot_store_request(store, req, 1 + n) != NGX_OK) {
        return NGX_ERROR;
    }

    arg = req->argv;
    *arg++ = mget;

    for (i = 0; i < n; i++) {

        if (!ngx_iot_operation_answers_certificate(&operations[i])) {
            continue;
        }

        certificate = &operations[i].certificate;

        if (ngx_iot_store_key(store, arg++, operations[i].id.data, 'c',
                              &certificate->registry_id,
                              certificate->fingerprint)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    req->argc = arg - req->argv;
    req->large = 1;

    return (req->argc > 1) ? NGX_OK : NGX_DECLINED;
}


ngx_iot_store_result_e
ngx_iot_store_responses(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operations,
    ngx_uint_t n)
{
    ngx_uint_t               i, k;
    ngx_iot_store_result_e   result;

    if (reply->type != NGX_IOT_RESP_ARRAY) {
        return ngx_iot_store_broken(store, reply, "certificates");
    }

    k = 0;

    for (i = 0; i < n; i++) {

        if (!ngx_iot_operation_answers_certificate(&operations[i])) {
            continue;
        }

        if (k == reply->nelts) {
            return ngx_iot_store_broken(store, reply, "certificates");
        }

        result = ngx_iot_store_response(store, reply->elts[k++],
                                        &operations[i]);
        if (result != NGX_IOT_STORE_OK) {
            return result;
        }
    }

    return NGX_IOT_STORE_OK;
}


ngx_iot_store_result_e
ngx_iot_store_response(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operation)
{
    ngx_str_t               added_by;
    ngx_iot_certificate_t   stored;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_record(store, reply, &stored, &added_by);

    if (result == NGX_IOT_STORE_NOT_FOUND) {
        /* deleted since: registry, fingerprint and createdAt are left */
        return NGX_IOT_STORE_OK;
    }

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    /* deleted and added again: that is another operation's certificate */

    if (added_by.len == operation->id.len
        && ngx_memcmp(added_by.data, operation->id.data, added_by.len) == 0)
    {
        operation->certificate.pem = stored.pem;
    }

    return NGX_IOT_STORE_OK;
}
