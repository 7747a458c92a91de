
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_store_registry.h"
#include "ngx_iot_id.h"
#include "ngx_iot_json.h"
#include "ngx_iot_shard.h"


static ngx_int_t ngx_iot_store_created_with(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation,
    const ngx_iot_certificate_t *certificate, ngx_str_t *key, ngx_str_t *arg);
static ngx_int_t ngx_iot_store_optional(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *elt, ngx_str_t *value);
static ngx_str_t *ngx_iot_store_field(ngx_str_t *arg, const char *name,
    const ngx_str_t *value);


/* in the order of ngx_iot_store_registry() */

static ngx_str_t  ngx_iot_store_registry_fields[] = {
    ngx_string("v"),
    ngx_string("s"),
    ngx_string("f"),
    ngx_string("c"),
    ngx_string("n"),
    ngx_string("d"),
    ngx_string("l"),
    ngx_string("g")
};

#define NGX_IOT_STORE_REGISTRY_FIELDS                                         \
    (sizeof(ngx_iot_store_registry_fields) / sizeof(ngx_str_t))


static const ngx_iot_store_answer_t  ngx_iot_store_registry_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "SAME", NGX_IOT_STORE_SAME },
    { "REUSED", NGX_IOT_STORE_REUSED },
    { "NO_REGISTRY", NGX_IOT_STORE_NO_REGISTRY },
    { "EXISTS", NGX_IOT_STORE_EXISTS },
    { "DELETING", NGX_IOT_STORE_PENDING },
    { "FENCED", NGX_IOT_STORE_FENCED },
    { "RENAMED", NGX_IOT_STORE_RENAMED },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_create_registry(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation,
    const ngx_iot_certificate_t *certificates, ngx_uint_t n,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t                 *key, *arg;
    ngx_uint_t                 i;
    const u_char              *tag;
    const ngx_str_t           *id;
    const ngx_iot_registry_t  *registry;

    if (ngx_iot_store_change(store, operation, NGX_IOT_SCRIPT_CREATE_REGISTRY,
                             3 + n, 5 + 4 * n, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    key = req->argv + NGX_IOT_CHANGE_KEYS;
    arg = req->argv + req->nkeys + NGX_IOT_CHANGE_ARGS;

    tag = operation->id.data;
    id = &operation->registry_id;
    registry = &operation->registry;

    arg[0] = registry->folder_id;
    arg[1] = registry->name;
    arg[2] = registry->description;
    arg[4] = registry->log_options;

    if (ngx_iot_registry_pack_labels(store->pool, registry, &arg[3])
        || ngx_iot_store_key(store, &key[0], tag, 'a', &operation->id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'z', id, NULL)
        || ngx_iot_store_key(store, &key[2], tag, 'h', id, NULL))
    {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        if (ngx_iot_store_created_with(store, operation, &certificates[i],
                                       &key[3 + i], &arg[5 + 4 * i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the key and the arguments of one certificate of a new registry */
static ngx_int_t
ngx_iot_store_created_with(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation,
    const ngx_iot_certificate_t *certificate, ngx_str_t *key, ngx_str_t *arg)
{
    ngx_iot_operation_t  add;

    add = *operation;
    add.certificate = *certificate;
    add.certificate.registry_id = operation->registry_id;
    add.certificate.created_at = operation->created_at;

    arg[0].data = (u_char *) certificate->sha256;
    arg[0].len = NGX_IOT_SHA256_LEN;
    arg[1].data = (u_char *) certificate->sha1;
    arg[1].len = NGX_IOT_SHA1_LEN;

    if (ngx_iot_store_key(store, key, operation->id.data, 'c',
                          &operation->registry_id, certificate->fingerprint)
        || ngx_iot_store_list_member(store, &add.certificate, &arg[2])
        || ngx_iot_store_make_record(store, &add, &arg[3]))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_registry_created(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_registry_answers,
                                "create_registry");
}


ngx_int_t
ngx_iot_store_update_registry(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_uint_t fields,
    ngx_uint_t claimed, ngx_iot_resp_request_t *req)
{
    ngx_str_t                  labels, *arg, *own;
    ngx_iot_msec_t             kind;
    const ngx_iot_registry_t  *registry;

    static ngx_str_t  statuses[] = {
        ngx_null_string, ngx_null_string,
        ngx_string("2"), ngx_string("3"), ngx_string("4")
    };

    registry = &operation->registry;

    if (ngx_iot_store_change(store, operation, NGX_IOT_SCRIPT_UPDATE_REGISTRY,
                             1, 2 + 2 * 5, req)
        != NGX_OK
        || ngx_iot_store_key(store, &req->argv[NGX_IOT_CHANGE_KEYS],
                             operation->id.data, 'a', &operation->id, NULL)
           != NGX_OK
        || ngx_iot_registry_pack_labels(store->pool, registry, &labels)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    own = req->argv + req->nkeys + NGX_IOT_CHANGE_ARGS;
    kind = operation->kind;

    if (ngx_iot_store_number(store, &own[0], kind) != NGX_OK) {
        return NGX_ERROR;
    }

    if (claimed) {
        ngx_str_set(&own[1], "claimed");

    } else {
        ngx_str_set(&own[1], "");
    }

    arg = own + 2;

    if (registry->status) {
        arg = ngx_iot_store_field(arg, "s", &statuses[registry->status]);
    }

    if (fields & NGX_IOT_REGISTRY_NAME) {
        arg = ngx_iot_store_field(arg, "n", &registry->name);
    }

    if (fields & NGX_IOT_REGISTRY_DESCRIPTION) {
        arg = ngx_iot_store_field(arg, "d", &registry->description);
    }

    if (fields & NGX_IOT_REGISTRY_LABELS) {
        arg = ngx_iot_store_field(arg, "l", &labels);
    }

    if (fields & NGX_IOT_REGISTRY_LOG_OPTIONS) {
        arg = ngx_iot_store_field(arg, "g", &registry->log_options);
    }

    req->argc = arg - req->argv;

    return NGX_OK;
}


static ngx_str_t *
ngx_iot_store_field(ngx_str_t *arg, const char *name, const ngx_str_t *value)
{
    arg[0].data = (u_char *) name;
    arg[0].len = 1;
    arg[1] = *value;

    return arg + 2;
}


ngx_iot_store_result_e
ngx_iot_store_registry_updated(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_registry_t *registry,
    ngx_iot_store_change_t *change)
{
    ngx_iot_resp_reply_t    **elts;
    ngx_iot_store_result_e    result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_registry_answers,
                                  "update_registry");
    elts = reply->elts;

    switch (result) {

    case NGX_IOT_STORE_SAME:
        return ngx_iot_store_answer_id(store, reply, result,
                                       "update_registry",
                                       &change->operation_id);

    case NGX_IOT_STORE_OK:

        if (reply->nelts != 4
            || ngx_iot_store_optional(store, elts[2], &change->name) != NGX_OK
            || ngx_iot_store_optional(store, elts[3], &change->operation_id)
               != NGX_OK)
        {
            return NGX_IOT_STORE_ERROR;
        }

        return ngx_iot_store_registry(store, elts[1], registry);

    default:
        return result;
    }
}


ngx_int_t
ngx_iot_store_get_registry(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, ngx_iot_resp_request_t *req)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    static ngx_str_t  hmget = ngx_string("HMGET");

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(registry_id));

    if (ngx_iot_store_request(store, req, 2 + NGX_IOT_STORE_REGISTRY_FIELDS)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->argv[0] = hmget;

    ngx_memcpy(&req->argv[2], ngx_iot_store_registry_fields,
               sizeof(ngx_iot_store_registry_fields));

    return ngx_iot_store_key(store, &req->argv[1], tag, 'r', registry_id,
                             NULL);
}


ngx_iot_store_result_e
ngx_iot_store_registry(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_registry_t *registry)
{
    ngx_str_t               labels;
    ngx_iot_msec_t          format, status;
    ngx_iot_resp_reply_t  **elts;

    if (reply->type != NGX_IOT_RESP_ARRAY
        || reply->nelts != NGX_IOT_STORE_REGISTRY_FIELDS)
    {
        return ngx_iot_store_broken(store, reply, "registry");
    }

    elts = reply->elts;

    if (elts[0]->type == NGX_IOT_RESP_NIL) {
        return NGX_IOT_STORE_NO_REGISTRY;
    }

    if (ngx_iot_store_parse_number(elts[0], &format) != NGX_OK) {
        return ngx_iot_store_broken(store, elts[0], "registry's format");
    }

    if (format > NGX_IOT_STORE_FORMAT) {
        return NGX_IOT_STORE_NEWER;
    }

    if (ngx_iot_store_parse_number(elts[1], &status) != NGX_OK
        || ngx_iot_store_parse_number(elts[3], &registry->created_at)
           != NGX_OK)
    {
        return ngx_iot_store_broken(store, reply, "registry");
    }

    if (status != NGX_IOT_REGISTRY_ACTIVE
        && status != NGX_IOT_REGISTRY_DISABLED)
    {
        return NGX_IOT_STORE_NO_REGISTRY;
    }

    registry->status = (ngx_iot_registry_status_e) status;

    if (ngx_iot_store_optional(store, elts[2], &registry->folder_id)
        || ngx_iot_store_optional(store, elts[4], &registry->name)
        || ngx_iot_store_optional(store, elts[5], &registry->description)
        || ngx_iot_store_optional(store, elts[6], &labels)
        || ngx_iot_store_optional(store, elts[7], &registry->log_options))
    {
        return NGX_IOT_STORE_ERROR;
    }

    if (registry->log_options.len
        && !ngx_iot_json_is(store->pool, &registry->log_options,
                            NGX_IOT_FIELD_MESSAGE))
    {
        return ngx_iot_store_broken(store, NULL, "registry's log options");
    }

    if (ngx_iot_registry_unpack_labels(store->pool, &labels, registry)
        != NGX_OK)
    {
        return ngx_iot_store_broken(store, NULL, "registry's labels");
    }

    return NGX_IOT_STORE_OK;
}


ngx_iot_store_result_e
ngx_iot_store_registry_response(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_registry_t *registry)
{
    ngx_str_t               id;
    ngx_iot_store_result_e  result;

    id = registry->id;

    result = ngx_iot_store_registry(store, reply, registry);

    if (result != NGX_IOT_STORE_NO_REGISTRY) {
        return result;
    }

    ngx_memzero(registry, sizeof(ngx_iot_registry_t));
    registry->id = id;

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_read_registries(const ngx_iot_store_t *store,
    const ngx_str_t *places, ngx_uint_t n, ngx_iot_resp_request_t *req)
{
    u_char      tag[NGX_IOT_TAG_LEN];
    ngx_str_t   id;
    ngx_uint_t  i;

    if (ngx_iot_store_request(store, req, n + NGX_IOT_STORE_REGISTRY_FIELDS)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_READ_HASHES];
    req->nkeys = n;
    req->large = (n > 1);

    for (i = 0; i < n; i++) {
        id = ngx_iot_store_place_id(&places[i]);

        ngx_iot_id_tag(tag, ngx_iot_shard_registry(&id));

        if (ngx_iot_store_key(store, &req->argv[i], tag, 'r', &id, NULL)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_memcpy(&req->argv[n], ngx_iot_store_registry_fields,
               sizeof(ngx_iot_store_registry_fields));

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_registries(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_str_t *places, ngx_uint_t n,
    ngx_iot_registry_t *registries)
{
    ngx_uint_t               i;
    ngx_iot_registry_t      *registry;
    ngx_iot_store_result_e   result;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts != n) {
        return ngx_iot_store_broken(store, reply, "read_hashes");
    }

    for (i = 0; i < n; i++) {
        registry = &registries[i];

        ngx_memzero(registry, sizeof(ngx_iot_registry_t));

        result = ngx_iot_store_registry(store, reply->elts[i], registry);

        if (result == NGX_IOT_STORE_NO_REGISTRY) {
            registry->created_at = 0;

        } else if (result != NGX_IOT_STORE_OK) {
            return result;
        }

        registry->id = ngx_iot_store_place_id(&places[i]);
    }

    return NGX_IOT_STORE_OK;
}


/* a field that a record need not have */
static ngx_int_t
ngx_iot_store_optional(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *elt, ngx_str_t *value)
{
    ngx_str_null(value);

    if (elt->type != NGX_IOT_RESP_STRING) {
        return NGX_OK;
    }

    return ngx_iot_store_copy(store, value, elt->str.data, elt->str.len);
}
