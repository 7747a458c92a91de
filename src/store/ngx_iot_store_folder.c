
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_store_registry.h"
#include "ngx_iot_id.h"
#include "ngx_iot_shard.h"


static ngx_int_t ngx_iot_store_name_request(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, ngx_iot_script_e script,
    ngx_uint_t nargs, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_store_name_idempotency(const ngx_iot_store_t *store,
    const u_char *tag, ngx_str_t *key, ngx_str_t *hash);
static ngx_int_t ngx_iot_store_claim_value(const ngx_iot_store_t *store,
    const ngx_iot_store_holder_t *holder, ngx_str_t *value);
static ngx_int_t ngx_iot_store_place(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, ngx_str_t *place);
static ngx_iot_store_result_e ngx_iot_store_holder(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_store_holder_t *holder);


static const ngx_iot_store_answer_t  ngx_iot_store_name_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "SAME", NGX_IOT_STORE_SAME },
    { "REUSED", NGX_IOT_STORE_REUSED },
    { "HELD", NGX_IOT_STORE_HELD },
    { "MEMBER", NGX_IOT_STORE_EXISTS },
    { "PENDING", NGX_IOT_STORE_PENDING },
    { "FREE", NGX_IOT_STORE_OK },
    { "DONE", NGX_IOT_STORE_EXISTS },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_claim_name(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, const ngx_iot_store_holder_t *takes,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t  *arg;

    if (ngx_iot_store_name_request(store, name, NGX_IOT_SCRIPT_CLAIM_NAME, 7,
                                   req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    arg = req->argv + req->nkeys;

    arg[5] = arg[4];
    ngx_str_set(&arg[4], "");

    if (takes
        && ngx_iot_store_claim_value(store, takes, &arg[4]) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_store_number(store, &arg[6],
                                store->idempotency_retention);
}


ngx_iot_store_result_e
ngx_iot_store_name_claimed(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, const ngx_iot_resp_reply_t *reply,
    ngx_iot_store_holder_t *holder)
{
    ngx_iot_resp_reply_t    **elts;
    ngx_iot_store_result_e    result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_name_answers,
                                  "claim_name");

    if (result != NGX_IOT_STORE_SAME && result != NGX_IOT_STORE_HELD) {
        return result;
    }

    elts = reply->elts;

    /* only a Create's Idempotency-Key is looked at */

    if ((result == NGX_IOT_STORE_SAME && !name->create)
        || reply->nelts != 3
        || elts[1]->type != NGX_IOT_RESP_STRING
        || elts[2]->type != NGX_IOT_RESP_STRING
        || !ngx_iot_id_resource_valid(&elts[1]->str)
        || !ngx_iot_id_valid(&elts[2]->str))
    {
        return ngx_iot_store_broken(store, reply, "claim_name");
    }

    if (ngx_iot_store_copy(store, &holder->registry_id, elts[1]->str.data,
                           elts[1]->str.len)
        != NGX_OK
        || ngx_iot_store_copy(store, &holder->operation_id,
                              elts[2]->str.data, elts[2]->str.len)
           != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    return result;
}


ngx_int_t
ngx_iot_store_release_name(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, ngx_iot_resp_request_t *req)
{
    return ngx_iot_store_name_request(store, name, NGX_IOT_SCRIPT_RELEASE_NAME,
                                      5, req);
}


ngx_iot_store_result_e
ngx_iot_store_name_released(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_name_answers,
                                "release_name");
}


/* the keys and the first five arguments of what claims and what releases */
static ngx_int_t
ngx_iot_store_name_request(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, ngx_iot_script_e script,
    ngx_uint_t nargs, ngx_iot_resp_request_t *req)
{
    u_char            tag[NGX_IOT_TAG_LEN];
    ngx_str_t        *key, *arg;
    const ngx_str_t  *folder_id;

    if (ngx_iot_store_request(store, req, 3 + nargs) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[script];
    req->nkeys = 3;
    req->writes = 1;

    key = req->argv;
    arg = req->argv + req->nkeys;

    folder_id = &name->folder_id;

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(folder_id));

    if (ngx_iot_store_key(store, &key[0], tag, 'n', folder_id, NULL) != NGX_OK
        || ngx_iot_store_key(store, &key[1], tag, 'g', folder_id, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    key[2] = key[0];

    arg[0] = name->registry_id;
    arg[1] = name->operation_id;
    arg[2] = name->name;
    ngx_str_set(&arg[3], "");
    ngx_str_set(&arg[4], "");

    if (!name->create) {
        return NGX_OK;
    }

    if (ngx_iot_store_place(store, name, &arg[3]) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_iot_store_name_idempotency(store, tag, &key[2], &arg[4]);
}


static ngx_int_t
ngx_iot_store_name_idempotency(const ngx_iot_store_t *store,
    const u_char *tag, ngx_str_t *key, ngx_str_t *hash)
{
    u_char     hex[2 * NGX_IOT_IDEMPOTENCY_NAME_LEN];
    ngx_str_t  name;

    if (!store->idempotency.given) {
        return NGX_OK;
    }

    name.data = hex;
    name.len = ngx_hex_dump(hex, (u_char *) store->idempotency.name,
                            NGX_IOT_IDEMPOTENCY_NAME_LEN)
               - hex;

    hash->data = (u_char *) store->idempotency.hash;
    hash->len = NGX_IOT_IDEMPOTENCY_HASH_LEN;

    return ngx_iot_store_key(store, key, tag, 'i', &name, NULL);
}


static ngx_int_t
ngx_iot_store_claim_value(const ngx_iot_store_t *store,
    const ngx_iot_store_holder_t *holder, ngx_str_t *value)
{
    u_char  *p;

    p = ngx_pnalloc(store->pool, 2 + holder->registry_id.len
                                 + holder->operation_id.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value->data = p;

    *p++ = NGX_IOT_STORE_FORMAT;
    p = ngx_cpymem(p, holder->registry_id.data, holder->registry_id.len);
    *p++ = 0x1f;
    p = ngx_cpymem(p, holder->operation_id.data, holder->operation_id.len);

    value->len = p - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_place(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, ngx_str_t *place)
{
    u_char  *p;

    place->len = NGX_IOT_LIST_TIME_LEN + name->registry_id.len;
    place->data = ngx_pnalloc(store->pool, place->len);

    if (place->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_iot_store_big_endian(place->data, NGX_IOT_LIST_TIME_LEN,
                                 name->created_at);
    ngx_memcpy(p, name->registry_id.data, name->registry_id.len);

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_resolve_name(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, const ngx_iot_store_holder_t *holder,
    ngx_iot_msec_t now, ngx_iot_resp_request_t *req)
{
    const u_char     *tag;
    ngx_str_t        *key, *arg;
    const ngx_str_t  *operation_id;
    ngx_iot_msec_t    claimed_at;

    if (ngx_iot_store_request(store, req, 3 + 4) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_RESOLVE_NAME];
    req->nkeys = 3;
    req->writes = 1;

    key = req->argv;
    arg = req->argv + req->nkeys;

    operation_id = &holder->operation_id;
    tag = operation_id->data;

    claimed_at = ngx_iot_id_time(operation_id);

    arg[0] = name->name;
    arg[3] = name->folder_id;

    if (now < claimed_at + NGX_IOT_STORE_CLAIM_PATIENCE) {
        ngx_str_set(&arg[1], "young");

    } else {
        ngx_str_set(&arg[1], "old");
    }

    if (ngx_iot_store_key(store, &key[0], tag, 'r', &holder->registry_id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'o', operation_id, NULL)
        || ngx_iot_store_key(store, &key[2], tag, 'a', operation_id, NULL)
        || ngx_iot_store_number(store, &arg[2], NGX_IOT_STORE_FENCE_LIFE))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_name_resolved(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_name_answers,
                                "resolve_name");
}


ngx_int_t
ngx_iot_store_fence(const ngx_iot_store_t *store,
    const ngx_str_t *operation_id, ngx_iot_resp_request_t *req)
{
    const u_char  *tag;

    if (ngx_iot_store_request(store, req, 2 + 1) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_FENCE_OPERATION];
    req->nkeys = 2;
    req->writes = 1;

    tag = operation_id->data;

    if (ngx_iot_store_key(store, &req->argv[0], tag, 'o', operation_id, NULL)
        || ngx_iot_store_key(store, &req->argv[1], tag, 'a', operation_id,
                             NULL)
        || ngx_iot_store_number(store, &req->argv[2],
                                NGX_IOT_STORE_FENCE_LIFE))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_fenced(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_name_answers,
                                "fence_operation");
}


ngx_int_t
ngx_iot_store_find_name(const ngx_iot_store_t *store,
    const ngx_str_t *folder_id, const ngx_str_t *name,
    ngx_iot_resp_request_t *req)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    static ngx_str_t  hget = ngx_string("HGET");

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(folder_id));

    if (ngx_iot_store_request(store, req, 3) != NGX_OK) {
        return NGX_ERROR;
    }

    req->argv[0] = hget;
    req->argv[2] = *name;

    return ngx_iot_store_key(store, &req->argv[1], tag, 'n', folder_id, NULL);
}


ngx_iot_store_result_e
ngx_iot_store_name_found(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_holder_t *holder)
{
    if (reply->type == NGX_IOT_RESP_NIL) {
        return NGX_IOT_STORE_NOT_FOUND;
    }

    return ngx_iot_store_holder(store, reply, holder);
}


static ngx_iot_store_result_e
ngx_iot_store_holder(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_holder_t *holder)
{
    u_char  *p, *last, *mark;

    if (reply->type != NGX_IOT_RESP_STRING || reply->str.len == 0) {
        return ngx_iot_store_broken(store, reply, "name");
    }

    p = reply->str.data;
    last = p + reply->str.len;

    if (*p++ > NGX_IOT_STORE_FORMAT) {
        return NGX_IOT_STORE_NEWER;
    }

    mark = ngx_strlchr(p, last, 0x1f);

    if (mark == NULL || mark == p || mark - p > NGX_IOT_RESOURCE_ID_MAX) {
        return ngx_iot_store_broken(store, NULL, "name");
    }

    if (ngx_iot_store_copy(store, &holder->registry_id, p, mark - p) != NGX_OK
        || ngx_iot_store_copy(store, &holder->operation_id, mark + 1,
                              last - mark - 1)
           != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_list_folder(const ngx_iot_store_t *store,
    const ngx_str_t *folder_id, const ngx_str_t *after, ngx_uint_t count,
    ngx_iot_resp_request_t *req)
{
    u_char      tag[NGX_IOT_TAG_LEN];
    ngx_str_t  *arg;

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(folder_id));

    if (ngx_iot_store_request(store, req, 7) != NGX_OK) {
        return NGX_ERROR;
    }

    arg = req->argv;

    ngx_str_set(&arg[0], "ZRANGEBYLEX");
    ngx_str_set(&arg[3], "+");
    ngx_str_set(&arg[4], "LIMIT");
    ngx_str_set(&arg[5], "0");

    if (ngx_iot_store_key(store, &arg[1], tag, 'g', folder_id, NULL)
        || ngx_iot_store_behind(store, &arg[2], after, "-")
        || ngx_iot_store_number(store, &arg[6], count))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_folder_listed(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *places, ngx_uint_t *n)
{
    ngx_uint_t             i;
    ngx_iot_resp_reply_t  *elt;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts > *n) {
        return ngx_iot_store_broken(store, reply, "folder");
    }

    *n = reply->nelts;

    for (i = 0; i < *n; i++) {
        elt = reply->elts[i];

        if (elt->type != NGX_IOT_RESP_STRING
            || elt->str.len <= NGX_IOT_LIST_TIME_LEN
            || elt->str.len > NGX_IOT_STORE_PLACE_MAX)
        {
            return ngx_iot_store_broken(store, elt, "folder");
        }

        if (ngx_iot_store_copy(store, &places[i], elt->str.data, elt->str.len)
            != NGX_OK)
        {
            return NGX_IOT_STORE_ERROR;
        }
    }

    return NGX_IOT_STORE_OK;
}


ngx_str_t
ngx_iot_store_place_id(const ngx_str_t *place)
{
    ngx_str_t  id;

    id.data = place->data + NGX_IOT_LIST_TIME_LEN;
    id.len = place->len - NGX_IOT_LIST_TIME_LEN;

    return id;
}


ngx_iot_msec_t
ngx_iot_store_place_time(const ngx_str_t *place)
{
    ngx_uint_t      i;
    ngx_iot_msec_t  time;

    time = 0;

    for (i = 0; i < NGX_IOT_LIST_TIME_LEN; i++) {
        time = time << 8 | place->data[i];
    }

    return time;
}


ngx_int_t
ngx_iot_store_forget_places(const ngx_iot_store_t *store,
    const ngx_str_t *folder_id, const ngx_str_t *places, ngx_uint_t n,
    ngx_iot_resp_request_t *req)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    static ngx_str_t  zrem = ngx_string("ZREM");

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(folder_id));

    if (ngx_iot_store_request(store, req, 2 + n) != NGX_OK) {
        return NGX_ERROR;
    }

    req->writes = 1;
    req->argv[0] = zrem;
    ngx_memcpy(&req->argv[2], places, n * sizeof(ngx_str_t));

    return ngx_iot_store_key(store, &req->argv[1], tag, 'g', folder_id, NULL);
}
