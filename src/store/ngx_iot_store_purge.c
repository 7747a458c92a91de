
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_store_purge.h"
#include "ngx_iot_id.h"
#include "ngx_iot_shard.h"


static ngx_int_t ngx_iot_purge_read(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_name(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    const ngx_iot_resp_reply_t *reply, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_list(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_renew(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_listed(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    const ngx_iot_resp_reply_t *reply, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_batch(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    ngx_iot_purge_step_e step, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_places(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_purge_looked(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    const ngx_iot_resp_reply_t *reply, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_released(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    const ngx_iot_resp_reply_t *reply, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_removed(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    const ngx_iot_resp_reply_t *reply, ngx_iot_resp_request_t *req);
static ngx_iot_store_result_e ngx_iot_purge_answer(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_purge_tokens(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_purge_claims(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_purge_job(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_store_job_request(const ngx_iot_store_t *store,
    const char *command, ngx_uint_t argc, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_store_job_member(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *operation_id,
    ngx_str_t *member);


static const ngx_iot_store_answer_t  ngx_iot_store_purge_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "SAME", NGX_IOT_STORE_SAME },
    { "REUSED", NGX_IOT_STORE_REUSED },
    { "NO_REGISTRY", NGX_IOT_STORE_NO_REGISTRY },
    { "WAITS", NGX_IOT_STORE_WAITS },
    { "MORE", NGX_IOT_STORE_PENDING },
    { "DONE", NGX_IOT_STORE_OK },
    { "GONE", NGX_IOT_STORE_NOT_FOUND },
    { "LOST", NGX_IOT_STORE_NOT_FOUND },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_leave_job(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_resp_request_t *req)
{
    if (ngx_iot_store_job_request(store, "ZADD", 4, req) != NGX_OK
        || ngx_iot_store_number(store, &req->argv[2],
                                operation->created_at + NGX_IOT_PURGE_LEASE)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_store_job_member(store, &operation->registry_id,
                                    &operation->id, &req->argv[3]);
}


ngx_int_t
ngx_iot_store_remove_job(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *operation_id,
    ngx_iot_resp_request_t *req)
{
    if (ngx_iot_store_job_request(store, "ZREM", 3, req) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_iot_store_job_member(store, registry_id, operation_id,
                                    &req->argv[2]);
}


ngx_int_t
ngx_iot_store_delete_registry(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_resp_request_t *req)
{
    if (ngx_iot_store_change(store, operation, NGX_IOT_SCRIPT_DELETE_REGISTRY,
                             1, 0, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_store_key(store, &req->argv[NGX_IOT_CHANGE_KEYS],
                             operation->id.data, 'w', &operation->registry_id,
                             NULL);
}


ngx_iot_store_result_e
ngx_iot_store_registry_deleted(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *operation_id)
{
    const ngx_str_t         *id;
    ngx_iot_store_result_e   result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_purge_answers,
                                  "delete_registry");

    if (result != NGX_IOT_STORE_SAME) {
        return result;
    }

    if (reply->nelts != 2 || reply->elts[1]->type != NGX_IOT_RESP_STRING) {
        return ngx_iot_store_broken(store, reply, "delete_registry");
    }

    id = &reply->elts[1]->str;

    if (ngx_iot_store_copy(store, operation_id, id->data, id->len) != NGX_OK) {
        return NGX_IOT_STORE_ERROR;
    }

    return NGX_IOT_STORE_SAME;
}


void
ngx_iot_purge_init(ngx_iot_purge_t *purge, const ngx_str_t *registry_id,
    const ngx_str_t *operation_id)
{
    ngx_memzero(purge, sizeof(ngx_iot_purge_t));

    ngx_memcpy(purge->id_bytes, registry_id->data, registry_id->len);
    ngx_memcpy(purge->operation_bytes, operation_id->data, operation_id->len);

    purge->registry_id.data = purge->id_bytes;
    purge->registry_id.len = registry_id->len;
    purge->operation_id.data = purge->operation_bytes;
    purge->operation_id.len = operation_id->len;
}


ngx_int_t
ngx_iot_purge_next(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, const ngx_iot_resp_reply_t *reply,
    ngx_iot_resp_request_t *req)
{
    switch (purge->step) {

    case NGX_IOT_PURGE_BEGIN:
        purge->renewed = now;
        return ngx_iot_purge_read(purge, store, req);

    case NGX_IOT_PURGE_READ:
        return ngx_iot_purge_name(purge, store, now, reply, req);

    case NGX_IOT_PURGE_NAME:
    case NGX_IOT_PURGE_RENEW:
        return ngx_iot_purge_list(purge, store, now, req);

    case NGX_IOT_PURGE_LIST:
        return ngx_iot_purge_listed(purge, store, now, reply, req);

    case NGX_IOT_PURGE_LOOK:
        return ngx_iot_purge_looked(purge, store, now, reply, req);

    case NGX_IOT_PURGE_CLAIMS:
        return ngx_iot_purge_released(purge, store, now, reply, req);

    case NGX_IOT_PURGE_REMOVE:
        return ngx_iot_purge_removed(purge, store, now, reply, req);

    default:    /* NGX_IOT_PURGE_JOB */
        return purge->done ? NGX_OK : NGX_DECLINED;
    }
}


static ngx_int_t
ngx_iot_purge_read(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_resp_request_t *req)
{
    ngx_uint_t  i;

    static ngx_str_t  hmget = ngx_string("HMGET");

    /* in the order of ngx_iot_purge_name() */

    static ngx_str_t  fields[] = {
        ngx_string("v"),
        ngx_string("x"),
        ngx_string("f"),
        ngx_string("c"),
        ngx_string("n"),
        ngx_string("o")
    };

    if (ngx_iot_store_request(store, req, 8) != NGX_OK
        || ngx_iot_store_key(store, &req->argv[1], purge->operation_id.data,
                             'r', &purge->registry_id, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->argv[0] = hmget;

    for (i = 0; i < 6; i++) {
        req->argv[2 + i] = fields[i];
    }

    purge->step = NGX_IOT_PURGE_READ;

    return NGX_AGAIN;
}


/* gives the name and the place in the folder free */
static ngx_int_t
ngx_iot_purge_name(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, const ngx_iot_resp_reply_t *reply,
    ngx_iot_resp_request_t *req)
{
    const ngx_str_t        *id;
    ngx_iot_msec_t          format;
    ngx_iot_store_name_t    name;
    ngx_iot_resp_reply_t  **elts;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts != 6) {
        (void) ngx_iot_store_broken(store, reply, "registry");
        return NGX_ERROR;
    }

    elts = reply->elts;
    id = &purge->operation_id;

    if (elts[1]->type != NGX_IOT_RESP_STRING
        || elts[1]->str.len != id->len
        || ngx_memcmp(elts[1]->str.data, id->data, id->len) != 0)
    {
        /* the mark may be on its way, but not for ever */

        if (now < ngx_iot_id_time(id) + NGX_IOT_STORE_FENCE_LIFE) {
            return NGX_DECLINED;
        }

        return ngx_iot_purge_job(purge, store, req);
    }

    ngx_memzero(&name, sizeof(ngx_iot_store_name_t));

    if (ngx_iot_store_parse_number(elts[0], &format) != NGX_OK
        || format > NGX_IOT_STORE_FORMAT
        || ngx_iot_store_parse_number(elts[3], &name.created_at) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (elts[2]->str.len == 0) {
        /* made by hand, in no folder */
        return ngx_iot_purge_list(purge, store, now, req);
    }

    name.registry_id = purge->registry_id;
    name.create = 1;

    if (ngx_iot_store_copy(store, &name.folder_id, elts[2]->str.data,
                           elts[2]->str.len)
        || ngx_iot_store_copy(store, &name.name, elts[4]->str.data,
                              elts[4]->str.len)
        || ngx_iot_store_copy(store, &name.operation_id, elts[5]->str.data,
                              elts[5]->str.len)
        || ngx_iot_store_release_name(store, &name, req))
    {
        return NGX_ERROR;
    }

    purge->step = NGX_IOT_PURGE_NAME;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_purge_list(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, ngx_iot_resp_request_t *req)
{
    ngx_str_t  *arg;

    if (now >= purge->renewed + NGX_IOT_PURGE_RENEWAL) {
        return ngx_iot_purge_renew(purge, store, now, req);
    }

    if (ngx_iot_store_request(store, req, 7) != NGX_OK) {
        return NGX_ERROR;
    }

    arg = req->argv;

    ngx_str_set(&arg[0], "ZRANGEBYLEX");
    ngx_str_set(&arg[2], "-");
    ngx_str_set(&arg[3], "+");
    ngx_str_set(&arg[4], "LIMIT");
    ngx_str_set(&arg[5], "0");

    if (ngx_iot_store_number(store, &arg[6], NGX_IOT_PURGE_BATCH) != NGX_OK) {
        return NGX_ERROR;
    }

    purge->step = NGX_IOT_PURGE_LIST;

    if (ngx_iot_store_key(store, &arg[1], purge->operation_id.data, 'z',
                          &purge->registry_id, NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_purge_renew(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, ngx_iot_resp_request_t *req)
{
    if (ngx_iot_store_job_request(store, "ZADD", 5, req) != NGX_OK
        || ngx_iot_store_number(store, &req->argv[3],
                                now + NGX_IOT_PURGE_LEASE)
           != NGX_OK
        || ngx_iot_store_job_member(store, &purge->registry_id,
                                    &purge->operation_id, &req->argv[4])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* another may have come to the end and removed it */

    ngx_str_set(&req->argv[2], "XX");

    purge->renewed = now;
    purge->step = NGX_IOT_PURGE_RENEW;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_purge_listed(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, const ngx_iot_resp_reply_t *reply,
    ngx_iot_resp_request_t *req)
{
    if (ngx_iot_purge_places(purge, store, reply) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_iot_purge_batch(purge, store, now,
                               purge->n ? NGX_IOT_PURGE_LOOK
                                        : NGX_IOT_PURGE_REMOVE,
                               req);
}


/* looks at the batch, or removes it */
static ngx_int_t
ngx_iot_purge_batch(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, ngx_iot_purge_step_e step,
    ngx_iot_resp_request_t *req)
{
    u_char            hex[NGX_IOT_FINGERPRINT_LEN];
    ngx_str_t        *key, *arg;
    ngx_uint_t        i;
    const u_char     *tag;
    const ngx_str_t  *id;

    if (ngx_iot_store_request(store, req, 5 + 4 + 2 * purge->n) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_PURGE_REGISTRY];
    req->nkeys = 5 + purge->n;
    req->writes = 1;

    key = req->argv;
    arg = req->argv + req->nkeys;

    id = &purge->registry_id;
    tag = purge->operation_id.data;

    arg[0] = purge->registry_id;
    arg[1] = purge->operation_id;

    if (step == NGX_IOT_PURGE_LOOK) {
        ngx_str_set(&arg[3], "look");

    } else {
        ngx_str_set(&arg[3], "remove");
    }

    if (ngx_iot_store_key(store, &key[0], tag, 'r', id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'o', &purge->operation_id,
                             NULL)
        || ngx_iot_store_key(store, &key[2], tag, 'z', id, NULL)
        || ngx_iot_store_key(store, &key[3], tag, 'h', id, NULL)
        || ngx_iot_store_key(store, &key[4], tag, 'w', id, NULL)
        || ngx_iot_store_number(store, &arg[2], now))
    {
        return NGX_ERROR;
    }

    for (i = 0; i < purge->n; i++) {
        ngx_hex_dump(hex, purge->places[i].data + NGX_IOT_LIST_TIME_LEN,
                     NGX_IOT_SHA256_LEN);

        arg[4 + i] = purge->places[i];

        if (ngx_iot_store_key(store, &key[5 + i], tag, 'c', id, hex)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    purge->step = step;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_purge_places(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t             i;
    ngx_iot_resp_reply_t  *elt;

    if (reply->type != NGX_IOT_RESP_ARRAY
        || reply->nelts > NGX_IOT_PURGE_BATCH)
    {
        (void) ngx_iot_store_broken(store, reply, "certificates");
        return NGX_ERROR;
    }

    purge->n = reply->nelts;

    for (i = 0; i < purge->n; i++) {
        elt = reply->elts[i];

        if (elt->type != NGX_IOT_RESP_STRING
            || elt->str.len != NGX_IOT_LIST_MEMBER_LEN)
        {
            (void) ngx_iot_store_broken(store, elt, "certificates");
            return NGX_ERROR;
        }

        ngx_memcpy(purge->place_bytes[i], elt->str.data, elt->str.len);

        purge->places[i].data = purge->place_bytes[i];
        purge->places[i].len = NGX_IOT_LIST_MEMBER_LEN;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_purge_looked(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, const ngx_iot_resp_reply_t *reply,
    ngx_iot_resp_request_t *req)
{
    switch (ngx_iot_purge_answer(store, reply)) {

    case NGX_IOT_STORE_PENDING:
        break;

    case NGX_IOT_STORE_NOT_FOUND:
        /* another has come to the end */
        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }

    if (ngx_iot_purge_tokens(purge, store, reply) != NGX_OK) {
        return NGX_ERROR;
    }

    purge->released = 0;

    return ngx_iot_purge_claims(purge, store, now, req);
}


/* a claim that may still be there keeps its record, and the job */
static ngx_int_t
ngx_iot_purge_released(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, const ngx_iot_resp_reply_t *reply,
    ngx_iot_resp_request_t *req)
{
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_purge_answers,
                                  "release_claims");

    if (result != NGX_IOT_STORE_OK) {
        return NGX_ERROR;
    }

    return ngx_iot_purge_claims(purge, store, now, req);
}


static ngx_int_t
ngx_iot_purge_removed(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, const ngx_iot_resp_reply_t *reply,
    ngx_iot_resp_request_t *req)
{
    switch (ngx_iot_purge_answer(store, reply)) {

    case NGX_IOT_STORE_OK:
        purge->done = 1;
        return ngx_iot_purge_job(purge, store, req);

    case NGX_IOT_STORE_PENDING:
        purge->batches++;
        return ngx_iot_purge_list(purge, store, now, req);

    case NGX_IOT_STORE_NOT_FOUND:
        return NGX_DECLINED;

    default:
        return NGX_ERROR;
    }
}


static ngx_iot_store_result_e
ngx_iot_purge_answer(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_purge_answers,
                                "purge_registry");
}


static ngx_int_t
ngx_iot_purge_tokens(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    size_t                 len;
    ngx_uint_t             i;
    ngx_iot_resp_reply_t  *elt;

    if (reply->nelts != 2
        || reply->elts[1]->type != NGX_IOT_RESP_ARRAY
        || reply->elts[1]->nelts != purge->n)
    {
        (void) ngx_iot_store_broken(store, reply, "purge_registry");
        return NGX_ERROR;
    }

    for (i = 0; i < purge->n; i++) {
        elt = reply->elts[1]->elts[i];

        len = ngx_min(elt->str.len, NGX_IOT_OPERATION_ID_LEN);

        ngx_memcpy(purge->claim_bytes[i], elt->str.data, len);

        purge->claims[i].data = purge->claim_bytes[i];
        purge->claims[i].len = len;
    }

    return NGX_OK;
}


/* the claims of the batch: all at once where one script reaches them */
static ngx_int_t
ngx_iot_purge_claims(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_msec_t now, ngx_iot_resp_request_t *req)
{
    u_char      *sha256;
    u_char       hex[NGX_IOT_FINGERPRINT_LEN], tag[NGX_IOT_TAG_LEN];
    ngx_uint_t   i, n, first;

    first = purge->released;

    if (first == purge->n) {
        return ngx_iot_purge_batch(purge, store, now, NGX_IOT_PURGE_REMOVE,
                                   req);
    }

    n = store->cluster ? 1 : purge->n - first;

    if (ngx_iot_store_request(store, req, 2 * n + 1) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_RELEASE_CLAIMS];
    req->nkeys = n;
    req->writes = 1;
    req->argv[n] = purge->registry_id;

    for (i = 0; i < n; i++) {
        sha256 = purge->places[first + i].data + NGX_IOT_LIST_TIME_LEN;

        ngx_hex_dump(hex, sha256, NGX_IOT_SHA256_LEN);
        ngx_iot_id_tag(tag, ngx_iot_shard_fingerprint(sha256));

        req->argv[n + 1 + i] = purge->claims[first + i];

        if (ngx_iot_store_key(store, &req->argv[i], tag, 'x', NULL, hex)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    purge->released += n;
    purge->step = NGX_IOT_PURGE_CLAIMS;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_purge_job(ngx_iot_purge_t *purge, const ngx_iot_store_t *store,
    ngx_iot_resp_request_t *req)
{
    purge->step = NGX_IOT_PURGE_JOB;

    if (ngx_iot_store_remove_job(store, &purge->registry_id,
                                 &purge->operation_id, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_iot_store_find_job(const ngx_iot_store_t *store, ngx_iot_msec_t now,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t  *arg;

    if (ngx_iot_store_job_request(store, "ZRANGEBYSCORE", 7, req) != NGX_OK) {
        return NGX_ERROR;
    }

    req->writes = 0;

    arg = req->argv;

    ngx_str_set(&arg[2], "-inf");
    ngx_str_set(&arg[4], "LIMIT");
    ngx_str_set(&arg[5], "0");
    ngx_str_set(&arg[6], "1");

    return ngx_iot_store_number(store, &arg[3], now);
}


ngx_iot_store_result_e
ngx_iot_store_job_found(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *registry_id,
    ngx_str_t *operation_id)
{
    u_char                *p, *last, *mark;
    ngx_iot_resp_reply_t  *elt;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts > 1) {
        return ngx_iot_store_broken(store, reply, "jobs");
    }

    if (reply->nelts == 0) {
        return NGX_IOT_STORE_NOT_FOUND;
    }

    elt = reply->elts[0];

    p = elt->str.data;
    last = p + elt->str.len;
    mark = ngx_strlchr(p, last, 0x1f);

    if (elt->type != NGX_IOT_RESP_STRING || mark == NULL) {
        return ngx_iot_store_broken(store, elt, "jobs");
    }

    registry_id->data = p;
    registry_id->len = mark - p;
    operation_id->data = mark + 1;
    operation_id->len = last - mark - 1;

    if (!ngx_iot_id_resource_valid(registry_id)
        || !ngx_iot_id_valid(operation_id))
    {
        return ngx_iot_store_broken(store, elt, "jobs");
    }

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_take_job(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *operation_id,
    ngx_iot_msec_t now, ngx_iot_resp_request_t *req)
{
    if (ngx_iot_store_request(store, req, 4) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_TAKE_JOB];
    req->writes = 1;

    if (ngx_iot_store_key(store, &req->argv[0], (u_char *) "00", 'j', NULL,
                          NULL)
        || ngx_iot_store_job_member(store, registry_id, operation_id,
                                    &req->argv[1])
        || ngx_iot_store_number(store, &req->argv[2], now)
        || ngx_iot_store_number(store, &req->argv[3],
                                now + NGX_IOT_PURGE_LEASE))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_job_taken(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_purge_answers,
                                "take_job");
}


/* a plain command on the jobs, of which the name and the key are set */
static ngx_int_t
ngx_iot_store_job_request(const ngx_iot_store_t *store, const char *command,
    ngx_uint_t argc, ngx_iot_resp_request_t *req)
{
    if (ngx_iot_store_request(store, req, argc) != NGX_OK) {
        return NGX_ERROR;
    }

    req->writes = 1;
    req->argv[0].data = (u_char *) command;
    req->argv[0].len = ngx_strlen(command);

    return ngx_iot_store_key(store, &req->argv[1], (u_char *) "00", 'j', NULL,
                             NULL);
}


static ngx_int_t
ngx_iot_store_job_member(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *operation_id,
    ngx_str_t *member)
{
    u_char  *p;

    p = ngx_pnalloc(store->pool, registry_id->len + 1 + operation_id->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    member->data = p;

    p = ngx_cpymem(p, registry_id->data, registry_id->len);
    *p++ = 0x1f;
    p = ngx_cpymem(p, operation_id->data, operation_id->len);

    member->len = p - member->data;

    return NGX_OK;
}
