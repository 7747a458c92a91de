
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_id.h"
#include "ngx_iot_shard.h"


/* "{tt}:k" */
#define NGX_IOT_KEY_HEAD_LEN  (NGX_IOT_TAG_LEN + 4)


static ngx_int_t ngx_iot_store_lower_bound(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_str_t *id);


ngx_int_t
ngx_iot_store_request(const ngx_iot_store_t *store,
    ngx_iot_resp_request_t *req, ngx_uint_t argc)
{
    ngx_memzero(req, sizeof(ngx_iot_resp_request_t));

    req->nkeys = 1;
    req->argc = argc;

    req->argv = ngx_palloc(store->pool, argc * sizeof(ngx_str_t));

    return req->argv ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_iot_store_change(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_script_e script,
    ngx_uint_t nkeys, ngx_uint_t nargs, ngx_iot_resp_request_t *req)
{
    ngx_str_t        *key, *arg;
    const u_char     *tag;
    const ngx_str_t  *registry_id;

    nkeys += NGX_IOT_CHANGE_KEYS;
    nargs += NGX_IOT_CHANGE_ARGS;

    if (ngx_iot_store_request(store, req, nkeys + nargs) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[script];
    req->nkeys = nkeys;
    req->writes = 1;

    key = req->argv;
    arg = key + nkeys;

    tag = operation->id.data;
    registry_id = &operation->registry_id;

    if (ngx_iot_store_key(store, &key[0], tag, 'r', registry_id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'o', &operation->id, NULL)
        || ngx_iot_store_key(store, &key[2], tag, 'y', registry_id, NULL)

        || ngx_iot_store_idempotency(store, tag, &key[1], &key[3], &arg[7])

        || ngx_iot_store_number(store, &arg[2], operation->created_at)
        || ngx_iot_store_number(store, &arg[4], store->retention)
        || ngx_iot_store_number(store, &arg[8], store->idempotency_retention)
        || ngx_iot_store_lower_bound(store, operation, &arg[5]))
    {
        return NGX_ERROR;
    }

    arg[0] = *registry_id;
    arg[1] = operation->id;
    arg[3] = operation->created_by;
    arg[6] = ngx_iot_store_mode(store);

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_idempotency(const ngx_iot_store_t *store, const u_char *tag,
    const ngx_str_t *other, ngx_str_t *key, ngx_str_t *hash)
{
    u_char     hex[2 * NGX_IOT_IDEMPOTENCY_NAME_LEN];
    ngx_str_t  name;

    if (!store->idempotency.given) {
        *key = *other;
        ngx_str_set(hash, "");
        return NGX_OK;
    }

    hash->data = (u_char *) store->idempotency.hash;
    hash->len = NGX_IOT_IDEMPOTENCY_HASH_LEN;

    ngx_hex_dump(hex, (u_char *) store->idempotency.name,
                 NGX_IOT_IDEMPOTENCY_NAME_LEN);

    name.data = hex;
    name.len = sizeof(hex);

    return ngx_iot_store_key(store, key, tag, 'i', &name, NULL);
}


/* the smallest id of an operation that is not past its life */
static ngx_int_t
ngx_iot_store_lower_bound(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_str_t *id)
{
    ngx_iot_msec_t  past;

    id->data = ngx_pnalloc(store->pool, NGX_IOT_OPERATION_ID_LEN);
    if (id->data == NULL) {
        return NGX_ERROR;
    }

    id->len = NGX_IOT_OPERATION_ID_LEN;

    past = operation->created_at;
    past = (past > store->retention) ? past - store->retention : 0;

    ngx_iot_id_lower_bound(id->data,
                           ngx_iot_shard_registry(&operation->registry_id),
                           past);

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_key(const ngx_iot_store_t *store, ngx_str_t *key,
    const u_char *tag, u_char kind, const ngx_str_t *name,
    const u_char *fingerprint)
{
    u_char  *p;
    size_t   len;

    len = store->key_prefix.len + NGX_IOT_KEY_HEAD_LEN;

    if (name) {
        len += name->len + 1;
    }

    if (fingerprint) {
        len += NGX_IOT_FINGERPRINT_LEN + 1;
    }

    p = ngx_pnalloc(store->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;

    p = ngx_cpymem(p, store->key_prefix.data, store->key_prefix.len);

    *p++ = '{';
    p = ngx_cpymem(p, tag, NGX_IOT_TAG_LEN);
    *p++ = '}';
    *p++ = ':';
    *p++ = kind;

    if (name) {
        *p++ = ':';
        p = ngx_cpymem(p, name->data, name->len);
    }

    if (fingerprint) {
        *p++ = ':';
        p = ngx_cpymem(p, fingerprint, NGX_IOT_FINGERPRINT_LEN);
    }

    key->len = p - key->data;

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_lookup(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, ngx_iot_script_e script, ngx_uint_t nargs,
    ngx_iot_resp_request_t *req)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(registry_id));

    if (ngx_iot_store_request(store, req, 2 + nargs) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[script];
    req->nkeys = 2;
    req->argv[2] = ngx_iot_store_mode(store);

    return ngx_iot_store_key(store, &req->argv[0], tag, 'r', registry_id,
                             NULL);
}


ngx_int_t
ngx_iot_store_claim_key(const ngx_iot_store_t *store, const u_char *sha256,
    const u_char *fingerprint, ngx_str_t *key)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    ngx_iot_id_tag(tag, ngx_iot_shard_fingerprint(sha256));

    return ngx_iot_store_key(store, key, tag, 'x', NULL, fingerprint);
}


ngx_str_t
ngx_iot_store_mode(const ngx_iot_store_t *store)
{
    static const ngx_str_t  open = ngx_string("open");
    static const ngx_str_t  known = ngx_string("known");

    return store->open ? open : known;
}


ngx_int_t
ngx_iot_store_behind(const ngx_iot_store_t *store, ngx_str_t *bound,
    const ngx_str_t *place, const char *first)
{
    u_char  *p;

    if (place->len == 0) {
        bound->data = (u_char *) first;
        bound->len = ngx_strlen(first);
        return NGX_OK;
    }

    p = ngx_pnalloc(store->pool, 1 + place->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    bound->data = p;
    bound->len = 1 + place->len;

    *p++ = '(';
    ngx_memcpy(p, place->data, place->len);

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_number(const ngx_iot_store_t *store, ngx_str_t *text,
    ngx_iot_msec_t value)
{
    text->data = ngx_pnalloc(store->pool, NGX_INT64_LEN);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sprintf(text->data, "%uL", value) - text->data;

    return NGX_OK;
}


u_char *
ngx_iot_store_big_endian(u_char *p, ngx_uint_t bytes, uint64_t value)
{
    while (bytes--) {
        *p++ = (u_char) (value >> 8 * bytes);
    }

    return p;
}


ngx_int_t
ngx_iot_store_copy(const ngx_iot_store_t *store, ngx_str_t *dst,
    const u_char *data, size_t len)
{
    dst->len = len;
    dst->data = ngx_pnalloc(store->pool, len);

    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, data, len);

    return NGX_OK;
}


/* a number of ours has at most 15 digits: 45 bits of milliseconds */
ngx_int_t
ngx_iot_store_parse_number(const ngx_iot_resp_reply_t *reply,
    ngx_iot_msec_t *value)
{
    size_t  i;

    if (reply->type != NGX_IOT_RESP_STRING
        || reply->str.len == 0
        || reply->str.len > 15)
    {
        return NGX_DECLINED;
    }

    *value = 0;

    for (i = 0; i < reply->str.len; i++) {
        if (reply->str.data[i] < '0' || reply->str.data[i] > '9') {
            return NGX_DECLINED;
        }

        *value = *value * 10 + (reply->str.data[i] - '0');
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_answer(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_iot_store_answer_t *answers,
    const char *script)
{
    const ngx_str_t               *word;
    const ngx_iot_store_answer_t  *answer;

    if (reply->type != NGX_IOT_RESP_ARRAY
        || reply->nelts == 0
        || reply->elts[0]->type != NGX_IOT_RESP_STRING)
    {
        return ngx_iot_store_broken(store, reply, script);
    }

    word = &reply->elts[0]->str;

    for (answer = answers; answer->word; answer++) {
        if (ngx_strlen(answer->word) == word->len
            && ngx_memcmp(answer->word, word->data, word->len) == 0)
        {
            return answer->result;
        }
    }

    return ngx_iot_store_broken(store, reply->elts[0], script);
}


ngx_iot_store_result_e
ngx_iot_store_answer_id(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_result_e result,
    const char *script, ngx_str_t *operation_id)
{
    const ngx_str_t  *id;

    if (reply->nelts != 2 || reply->elts[1]->type != NGX_IOT_RESP_STRING) {
        return ngx_iot_store_broken(store, reply, script);
    }

    id = &reply->elts[1]->str;

    if (!ngx_iot_id_valid(id)) {
        return ngx_iot_store_broken(store, reply, script);
    }

    if (ngx_iot_store_copy(store, operation_id, id->data, id->len) != NGX_OK) {
        return NGX_IOT_STORE_ERROR;
    }

    return result;
}


ngx_iot_store_result_e
ngx_iot_store_answer_holder(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const char *script,
    ngx_iot_store_holder_t *holder)
{
    const ngx_str_t  *registry_id, *operation_id;

    if (reply->nelts != 3
        || reply->elts[1]->type != NGX_IOT_RESP_STRING
        || reply->elts[2]->type != NGX_IOT_RESP_STRING)
    {
        return ngx_iot_store_broken(store, reply, script);
    }

    registry_id = &reply->elts[1]->str;
    operation_id = &reply->elts[2]->str;

    if (!ngx_iot_id_resource_valid(registry_id)
        || !ngx_iot_id_valid(operation_id))
    {
        return ngx_iot_store_broken(store, reply, script);
    }

    if (ngx_iot_store_copy(store, &holder->registry_id, registry_id->data,
                           registry_id->len)
        || ngx_iot_store_copy(store, &holder->operation_id, operation_id->data,
                              operation_id->len))
    {
        return NGX_IOT_STORE_ERROR;
    }

    return NGX_IOT_STORE_HELD;
}


/* an error of the server is worth its text; data of a record is not shown */
ngx_iot_store_result_e
ngx_iot_store_broken(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const char *what)
{
    size_t  len;
    u_char  text[NGX_IOT_RESP_QUOTE_LEN];

    len = 0;

    if (reply && reply->type == NGX_IOT_RESP_ERROR) {
        len = ngx_iot_resp_quote(text, reply->str.data, reply->str.len);
    }

    ngx_log_error(NGX_LOG_ERR, store->log, 0,
                  "iot store: not a reply of this schema for %s: \"%*s\"",
                  what, len, text);

    return NGX_IOT_STORE_ERROR;
}
