
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_idempotency.h"
#include "ngx_iot_name_claim.h"
#include "ngx_iot_registry_service.h"
#include "ngx_iot_shard.h"


/*
 * Create: the name is claimed in the folder's slot, with the ids of registry
 * and operation, so that a retry under the same Idempotency-Key goes on with
 * them; then one script stores all in the registry's slot.
 */


static ngx_int_t ngx_iot_create_registry_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_read(ngx_iot_call_t *call,
    ngx_iot_registry_message_t *message);
static ngx_int_t ngx_iot_create_registry_given_id(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_scope(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_ids(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_claim(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_same(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_begun(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_create_registry_store(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);


const ngx_iot_method_t  ngx_iot_create_registry = {
    ngx_string("RegistryService.Create"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_POST,
    ngx_string(NGX_IOT_REGISTRIES),
    NGX_IOT_METHOD_BODY|NGX_IOT_METHOD_MUTATION|NGX_IOT_METHOD_LATE
        |NGX_IOT_METHOD_REGISTRY,
    ngx_iot_create_registry_prepare,
    ngx_iot_create_registry_finish,
    ngx_iot_method_write_operation,
    NULL,
    NULL
};


static ngx_int_t
ngx_iot_create_registry_prepare(ngx_iot_call_t *call)
{
    ngx_int_t                    rc;
    ngx_iot_registry_message_t   message;

    rc = ngx_iot_create_registry_read(call, &message);
    if (rc != NGX_OK) {
        return rc;
    }

    call->operation.registry = message.registry;

    call->work = ngx_pcalloc(call->pool, sizeof(ngx_iot_name_claim_t));

    if (call->work == NULL
        || ngx_iot_create_registry_scope(call) != NGX_OK
        || ngx_iot_create_registry_ids(call) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_create_registry_claim(call);
}


static ngx_int_t
ngx_iot_create_registry_read(ngx_iot_call_t *call,
    ngx_iot_registry_message_t *message)
{
    ngx_int_t  rc;

    rc = ngx_iot_registry_read_create(call->pool, &call->body, message,
                                      &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    call->folder_id = message->registry.folder_id;

    rc = ngx_iot_folder_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_iot_create_registry_given_id(call);
    if (rc != NGX_OK) {
        return rc;
    }

    call->known = 1;

    rc = ngx_iot_registry_check(call->pool, message, &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    if (message->certificates.len) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "certificates",
                            "certificates are not supported here yet");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* who moves registries here keeps their ids */
static ngx_int_t
ngx_iot_create_registry_given_id(ngx_iot_call_t *call)
{
    if (call->given_id.len == 0) {
        return NGX_OK;
    }

    if (!call->settings->import) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "registry_id",
                            "an id can be given to a new registry only where "
                            "\"iot_import\" is on");
        return NGX_DECLINED;
    }

    call->registry_id = call->given_id;

    return ngx_iot_registry_id_check(call);
}


static ngx_int_t
ngx_iot_create_registry_scope(ngx_iot_call_t *call)
{
    ngx_str_t                  parts[5];
    const ngx_iot_registry_t  *registry;

    registry = &call->operation.registry;

    parts[0] = registry->name;
    parts[1] = registry->description;
    parts[3] = registry->log_options;
    parts[4] = call->given_id;

    if (ngx_iot_registry_pack_labels(call->pool, registry, &parts[2])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_idempotency_scope(call, &call->folder_id, parts, 5);
}


/* a registry's id has no shard: where it is follows from the whole of it */
static ngx_int_t
ngx_iot_create_registry_ids(ngx_iot_call_t *call)
{
    u_char      *p;
    ngx_uint_t   chance;
    ngx_str_t   *id;

    id = &call->operation.registry_id;

    if (call->given_id.len) {
        *id = call->given_id;
        return ngx_iot_registry_operation(call, NGX_IOT_CREATE_REGISTRY);
    }

    p = call->random + NGX_IOT_ID_RANDOM_LEN;
    chance = (p[0] << 8 | p[1]) % NGX_IOT_SHARDS;

    id->len = NGX_IOT_OPERATION_ID_LEN;
    id->data = ngx_pnalloc(call->pool, NGX_IOT_OPERATION_ID_LEN);

    if (id->data == NULL) {
        return NGX_ERROR;
    }

    ngx_iot_id_make(id->data, chance, call->now, p + 2);

    return ngx_iot_registry_operation(call, NGX_IOT_CREATE_REGISTRY);
}


static ngx_int_t
ngx_iot_create_registry_claim(ngx_iot_call_t *call)
{
    ngx_iot_operation_t   *operation;
    ngx_iot_name_claim_t  *claim;
    ngx_iot_store_name_t  *name;

    claim = call->work;
    operation = &call->operation;

    claim->claimed = ngx_iot_create_registry_store;
    claim->same = ngx_iot_create_registry_same;

    name = &claim->name;

    name->folder_id = call->folder_id;
    name->name = operation->registry.name;
    name->registry_id = operation->registry_id;
    name->operation_id = operation->id;
    name->create = 1;
    name->created_at = operation->created_at;

    return ngx_iot_name_claim(call);
}


/* the ids are those of the first request: has it come to its end? */
static ngx_int_t
ngx_iot_create_registry_same(ngx_iot_call_t *call)
{
    ngx_iot_operation_t   *operation;
    ngx_iot_name_claim_t  *claim;

    claim = call->work;
    operation = &call->operation;

    operation->id = claim->holder.operation_id;
    operation->registry_id = claim->holder.registry_id;
    operation->created_at = ngx_iot_id_time(&operation->id);
    operation->modified_at = operation->created_at;

    call->operation_id = operation->id;

    if (ngx_iot_store_get_operation(&call->store, &operation->id,
                                    &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->step = ngx_iot_create_registry_begun;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_create_registry_begun(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_operation_t      stored;
    ngx_iot_name_claim_t    *claim;
    ngx_iot_store_result_e   result;

    claim = call->work;

    ngx_memzero(&stored, sizeof(ngx_iot_operation_t));

    result = ngx_iot_store_operation(&call->store, reply, &stored);

    switch (result) {

    case NGX_IOT_STORE_NOT_FOUND:
        return ngx_iot_create_registry_claim(call);

    case NGX_IOT_STORE_OK:
        return ngx_iot_operation_read(call, &claim->holder.operation_id);

    default:
        return ngx_iot_call_store_failed(call, result);
    }
}


static ngx_int_t
ngx_iot_create_registry_store(ngx_iot_call_t *call)
{
    ngx_iot_store_t  store;

    /* the Idempotency-Key has its record in the folder's slot */

    store = call->store;
    store.idempotency.given = 0;

    if (ngx_iot_store_create_registry(&store, &call->operation, &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->certain = 0;
    call->step = NULL;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_create_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_operation_t     *operation;
    ngx_iot_registry_t      *registry;
    ngx_iot_store_result_e   result;

    result = ngx_iot_store_registry_created(&call->store, reply);

    if (result != NGX_IOT_STORE_OK) {
        (void) ngx_iot_registry_refused(call, result);
        return ngx_iot_name_unclaim(call);
    }

    operation = &call->operation;
    registry = &operation->registry;

    registry->id = operation->registry_id;
    registry->created_at = operation->created_at;
    registry->status = NGX_IOT_REGISTRY_ACTIVE;

    call->registry_id = operation->registry_id;

    return NGX_OK;
}
