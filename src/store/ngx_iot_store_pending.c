
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_id.h"
#include "ngx_iot_shard.h"


/* keys and arguments of finish_operation.lua, but for the claim and fields */
#define NGX_IOT_FINISH_KEYS  8
#define NGX_IOT_FINISH_ARGS  9


/* what a member of the pending operations says */

typedef struct {
    ngx_str_t   id;
    ngx_str_t   registry_id;
    ngx_str_t   fingerprint;
    u_char     *sha256;
} ngx_iot_store_member_t;


static ngx_int_t ngx_iot_store_finish_keys(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_str_t *key);
static ngx_int_t ngx_iot_store_parse_member(const ngx_iot_store_t *store,
    const ngx_str_t *text, ngx_iot_store_member_t *member);
static ngx_int_t ngx_iot_store_shard_key(const ngx_iot_store_t *store,
    ngx_str_t *key, ngx_uint_t shard, u_char kind);


static const ngx_iot_store_answer_t  ngx_iot_store_pending_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "DONE", NGX_IOT_STORE_OK },
    { "PENDING", NGX_IOT_STORE_WAITS },
    { "BUSY", NGX_IOT_STORE_BUSY },
    { "NOT_FOUND", NGX_IOT_STORE_NOT_FOUND },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_finish_operation(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation,
    const ngx_iot_store_finish_t *finish, ngx_iot_resp_request_t *req)
{
    ngx_str_t                    *arg;
    ngx_uint_t                    nkeys;
    const ngx_iot_status_t       *error;
    const ngx_iot_certificate_t  *certificate;

    static ngx_str_t  finished = ngx_string("finish");
    static ngx_str_t  cancelled = ngx_string("cancel");

    certificate = &operation->certificate;
    error = &finish->error;

    nkeys = NGX_IOT_FINISH_KEYS + (store->cluster ? 0 : 1);

    if (ngx_iot_store_request(store, req,
                              nkeys + NGX_IOT_FINISH_ARGS
                              + NGX_IOT_STORE_OPERATION_FIELDS)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_FINISH_OPERATION];
    req->nkeys = nkeys;
    req->writes = 1;

    arg = req->argv + nkeys;

    if (ngx_iot_store_finish_keys(store, operation, req->argv) != NGX_OK
        || ngx_iot_store_number(store, &arg[3], finish->now) != NGX_OK
        || ngx_iot_store_number(store, &arg[4], store->retention) != NGX_OK
        || ngx_iot_store_number(store, &arg[6], error->code) != NGX_OK)
    {
        return NGX_ERROR;
    }

    arg[0] = operation->registry_id;
    arg[1] = operation->id;
    arg[2].data = (u_char *) certificate->sha256;
    arg[2].len = NGX_IOT_SHA256_LEN;
    arg[5] = finish->cancel ? cancelled : finished;
    arg[7] = error->message;
    arg[8] = error->details;

    ngx_memcpy(&arg[9], ngx_iot_store_operation_fields,
               NGX_IOT_STORE_OPERATION_FIELDS * sizeof(ngx_str_t));

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_finish_keys(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_str_t *key)
{
    const u_char                 *tag, *hex;
    const ngx_str_t              *registry_id;
    const ngx_iot_certificate_t  *certificate;

    certificate = &operation->certificate;

    tag = operation->id.data;
    registry_id = &operation->registry_id;
    hex = certificate->fingerprint;

    if (ngx_iot_store_key(store, &key[0], tag, 'o', &operation->id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'y', registry_id, NULL)
        || ngx_iot_store_key(store, &key[2], tag, 'p', NULL, NULL)
        || ngx_iot_store_key(store, &key[3], tag, 'e', NULL, NULL)
        || ngx_iot_store_key(store, &key[4], tag, 'c', registry_id, hex)
        || ngx_iot_store_key(store, &key[5], tag, 'z', registry_id, NULL)
        || ngx_iot_store_key(store, &key[6], tag, 'h', registry_id, NULL)
        || ngx_iot_store_key(store, &key[7], tag, 'w', registry_id, NULL))
    {
        return NGX_ERROR;
    }

    return store->cluster ? NGX_OK
           : ngx_iot_store_claim_key(store, certificate->sha256, hex, &key[8]);
}


ngx_iot_store_result_e
ngx_iot_store_operation_finished(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operation,
    ngx_str_t *added_by)
{
    ngx_str_t               id, *claimed;
    ngx_iot_store_result_e  result, said;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_pending_answers,
                                  "finish_operation");

    if (result != NGX_IOT_STORE_OK && result != NGX_IOT_STORE_WAITS) {
        return result;
    }

    if (reply->nelts != 3 || reply->elts[2]->type != NGX_IOT_RESP_STRING) {
        return ngx_iot_store_broken(store, reply, "finish_operation");
    }

    claimed = &reply->elts[2]->str;

    if (ngx_iot_store_copy(store, added_by, claimed->data, claimed->len)
        != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    id = operation->id;
    ngx_memzero(operation, sizeof(ngx_iot_operation_t));
    operation->id = id;

    said = ngx_iot_store_operation(store, reply->elts[1], operation);

    return (said == NGX_IOT_STORE_OK) ? result : said;
}


ngx_int_t
ngx_iot_store_list_pending(const ngx_iot_store_t *store,
    const ngx_iot_store_pending_place_t *after, ngx_uint_t n,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t  *arg;

    if (ngx_iot_store_request(store, req, 4) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_LIST_PENDING];
    arg = &req->argv[1];

    arg[1].data = (u_char *) after->id;
    arg[1].len = NGX_IOT_OPERATION_ID_LEN;

    if (ngx_iot_store_shard_key(store, &req->argv[0], after->shard, 'p')
        != NGX_OK
        || ngx_iot_store_number(store, &arg[0], after->delivered) != NGX_OK
        || ngx_iot_store_number(store, &arg[2], n) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_pending_listed(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_uint_t shard, ngx_str_t *ids,
    ngx_iot_store_pending_place_t *places, ngx_uint_t *n)
{
    ngx_uint_t               i;
    ngx_iot_resp_reply_t    *list, *elt;
    ngx_iot_store_result_e   result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_pending_answers,
                                  "list_pending");

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    if (reply->nelts != 2
        || reply->elts[1]->type != NGX_IOT_RESP_ARRAY
        || reply->elts[1]->nelts > 2 * *n
        || reply->elts[1]->nelts % 2)
    {
        return ngx_iot_store_broken(store, reply, "list_pending");
    }

    list = reply->elts[1];
    *n = list->nelts / 2;

    for (i = 0; i < *n; i++) {
        elt = list->elts[2 * i];

        if (elt->type != NGX_IOT_RESP_STRING
            || elt->str.len <= NGX_IOT_OPERATION_ID_LEN
            || ngx_iot_store_parse_number(list->elts[2 * i + 1],
                                          &places[i].delivered)
               != NGX_OK)
        {
            return ngx_iot_store_broken(store, elt, "list_pending");
        }

        if (ngx_iot_store_copy(store, &ids[i], elt->str.data,
                               NGX_IOT_OPERATION_ID_LEN)
            != NGX_OK)
        {
            return NGX_IOT_STORE_ERROR;
        }

        if (!ngx_iot_id_valid(&ids[i])) {
            return ngx_iot_store_broken(store, NULL, "list_pending");
        }

        places[i].shard = shard;
        ngx_memcpy(places[i].id, ids[i].data, NGX_IOT_OPERATION_ID_LEN);
    }

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_sweep_turn(const ngx_iot_store_t *store,
    const ngx_str_t *holder, ngx_msec_t ttl, ngx_uint_t n,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t  *arg;

    if (ngx_iot_store_request(store, req, 5) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_SWEEP_TURN];
    req->writes = 1;
    arg = &req->argv[1];

    arg[0] = *holder;

    if (ngx_iot_store_shard_key(store, &req->argv[0], 0, 's') != NGX_OK
        || ngx_iot_store_number(store, &arg[1], ttl) != NGX_OK
        || ngx_iot_store_number(store, &arg[2], n) != NGX_OK
        || ngx_iot_store_number(store, &arg[3], NGX_IOT_SHARDS) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_swept(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_uint_t *first)
{
    ngx_iot_msec_t          shard;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_pending_answers,
                                  "sweep_turn");

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    if (reply->nelts != 2
        || ngx_iot_store_parse_number(reply->elts[1], &shard) != NGX_OK
        || shard >= NGX_IOT_SHARDS)
    {
        return ngx_iot_store_broken(store, reply, "sweep_turn");
    }

    *first = (ngx_uint_t) shard;

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_due_events(const ngx_iot_store_t *store, ngx_uint_t shard,
    ngx_iot_msec_t time, ngx_uint_t n, ngx_iot_resp_request_t *req)
{
    ngx_str_t  *arg;

    if (ngx_iot_store_request(store, req, 7) != NGX_OK) {
        return NGX_ERROR;
    }

    arg = req->argv;

    ngx_str_set(&arg[0], "ZRANGEBYSCORE");
    ngx_str_set(&arg[2], "-inf");
    ngx_str_set(&arg[4], "LIMIT");
    ngx_str_set(&arg[5], "0");

    if (ngx_iot_store_shard_key(store, &arg[1], shard, 'p') != NGX_OK
        || ngx_iot_store_number(store, &arg[3], time) != NGX_OK
        || ngx_iot_store_number(store, &arg[6], n) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_events_due(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *members, ngx_uint_t *n)
{
    ngx_uint_t             i;
    ngx_iot_resp_reply_t  *elt;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts > *n) {
        return ngx_iot_store_broken(store, reply, "pending operations");
    }

    *n = reply->nelts;

    for (i = 0; i < *n; i++) {
        elt = reply->elts[i];

        if (elt->type != NGX_IOT_RESP_STRING
            || elt->str.len > NGX_IOT_PENDING_MEMBER_MAX)
        {
            return ngx_iot_store_broken(store, elt, "pending operations");
        }

        if (ngx_iot_store_copy(store, &members[i], elt->str.data,
                               elt->str.len)
            != NGX_OK)
        {
            return NGX_IOT_STORE_ERROR;
        }
    }

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_redeliver_event(const ngx_iot_store_t *store,
    const ngx_str_t *member, ngx_iot_msec_t now, ngx_iot_msec_t time,
    ngx_iot_resp_request_t *req)
{
    u_char                  *tag, *hex;
    ngx_int_t                rc;
    ngx_str_t               *key, *arg;
    ngx_iot_store_member_t   named;

    rc = ngx_iot_store_parse_member(store, member, &named);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_iot_store_request(store, req, 5 + 7) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_REDELIVER_EVENT];
    req->nkeys = 5;
    req->writes = 1;

    key = req->argv;
    arg = key + req->nkeys;

    tag = named.id.data;
    hex = named.fingerprint.data;

    if (ngx_iot_store_key(store, &key[0], tag, 'p', NULL, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'e', NULL, NULL)
        || ngx_iot_store_key(store, &key[2], tag, 'o', &named.id, NULL)
        || ngx_iot_store_key(store, &key[3], tag, 'y', &named.registry_id,
                             NULL)
        || ngx_iot_store_key(store, &key[4], tag, 'c', &named.registry_id, hex)

        || ngx_iot_store_number(store, &arg[1], now)
        || ngx_iot_store_number(store, &arg[2], time)
        || ngx_iot_store_number(store, &arg[6], store->retention))
    {
        return NGX_ERROR;
    }

    arg[0] = *member;
    arg[3] = named.registry_id;
    arg[4] = named.id;
    arg[5].data = named.sha256;
    arg[5].len = NGX_IOT_SHA256_LEN;

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_event_redelivered(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_pending_answers,
                                "redeliver_event");
}


/* <operation>:<registry>:<sha256 in hex> */
static ngx_int_t
ngx_iot_store_parse_member(const ngx_iot_store_t *store, const ngx_str_t *text,
    ngx_iot_store_member_t *member)
{
    u_char     *p, *last;
    ngx_int_t   byte;
    ngx_uint_t  i;

    if (text->len > NGX_IOT_PENDING_MEMBER_MAX
        || text->len <= NGX_IOT_OPERATION_ID_LEN + 2 + NGX_IOT_FINGERPRINT_LEN)
    {
        goto broken;
    }

    p = text->data;
    last = p + text->len;

    member->id.data = p;
    member->id.len = NGX_IOT_OPERATION_ID_LEN;

    member->registry_id.data = p + NGX_IOT_OPERATION_ID_LEN + 1;
    member->registry_id.len = text->len - NGX_IOT_OPERATION_ID_LEN - 2
                              - NGX_IOT_FINGERPRINT_LEN;

    member->fingerprint.data = last - NGX_IOT_FINGERPRINT_LEN;
    member->fingerprint.len = NGX_IOT_FINGERPRINT_LEN;

    if (!ngx_iot_id_valid(&member->id)
        || !ngx_iot_id_resource_valid(&member->registry_id))
    {
        goto broken;
    }

    member->sha256 = ngx_pnalloc(store->pool, NGX_IOT_SHA256_LEN);
    if (member->sha256 == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_IOT_SHA256_LEN; i++) {
        byte = ngx_hextoi(member->fingerprint.data + 2 * i, 2);

        if (byte == NGX_ERROR) {
            goto broken;
        }

        member->sha256[i] = (u_char) byte;
    }

    return NGX_OK;

broken:

    (void) ngx_iot_store_broken(store, NULL, "pending operations");

    return NGX_DECLINED;
}


/* a key that each shard has one of */
static ngx_int_t
ngx_iot_store_shard_key(const ngx_iot_store_t *store, ngx_str_t *key,
    ngx_uint_t shard, u_char kind)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    ngx_iot_id_tag(tag, shard);

    return ngx_iot_store_key(store, key, tag, kind, NULL, NULL);
}
