
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_idempotency.h"
#include "ngx_iot_log_options.h"
#include "ngx_iot_name_claim.h"
#include "ngx_iot_registry_service.h"


/* the methods of one registry: Get, GetByName, Update, Enable and Disable */


typedef struct {
    ngx_iot_name_claim_t   claim;
    ngx_uint_t             fields;
    ngx_uint_t             claimed;
} ngx_iot_registry_update_t;


static ngx_int_t ngx_iot_get_registry_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_get_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_registry_write_answer(ngx_iot_out_t *out,
    const void *data);

static ngx_int_t ngx_iot_get_by_name_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_get_by_name_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_get_by_name_registry(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_name_not_found(ngx_iot_call_t *call);
static ngx_uint_t ngx_iot_registry_same(const ngx_str_t *one,
    const ngx_str_t *two);

static ngx_int_t ngx_iot_update_registry_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_update_registry_read(ngx_iot_call_t *call,
    ngx_uint_t *fields);
static ngx_int_t ngx_iot_update_registry_scope(ngx_iot_call_t *call,
    ngx_uint_t fields);
static ngx_int_t ngx_iot_update_registry_was(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_update_registry_taken(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_update_registry_told(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_update_registry_store(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_update_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_update_registry_release(ngx_iot_call_t *call,
    const ngx_iot_store_change_t *change);
static ngx_int_t ngx_iot_update_registry_same(ngx_iot_call_t *call,
    const ngx_str_t *operation_id);
static ngx_int_t ngx_iot_update_registry_refused(ngx_iot_call_t *call);

static ngx_int_t ngx_iot_enable_registry_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_disable_registry_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_registry_set_status(ngx_iot_call_t *call,
    ngx_iot_operation_kind_e kind, ngx_iot_registry_status_e status);


static const ngx_iot_param_t  ngx_iot_get_by_name_params[] = {
    ngx_iot_query_param("folder_id", "folderId", 1, NGX_IOT_FIELD_STRING,
                        folder_id),
    ngx_iot_query_param("registry_name", "registryName", 2,
                        NGX_IOT_FIELD_STRING, registry_name),
    ngx_iot_no_param
};


/* a message has its mask with the fields that it is of */

static const ngx_iot_param_t  ngx_iot_update_registry_params[] = {
    ngx_iot_path_param("registry_id", "registryId", 1, registry_id),
    ngx_iot_query_param("update_mask", "updateMask", 0, NGX_IOT_FIELD_MASK,
                        update_mask),
    ngx_iot_no_param
};


const ngx_iot_method_t  ngx_iot_get_registry = {
    ngx_string("RegistryService.Get"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_GET,
    ngx_string(NGX_IOT_REGISTRIES "/{registry_id}"),
    ngx_string(NGX_IOT_REGISTRY_RPC "Get"),
    0,
    ngx_iot_registry_params,
    ngx_iot_get_registry_prepare,
    ngx_iot_get_registry_finish,
    ngx_iot_registry_write_answer,
    NULL,
    NULL
};


const ngx_iot_method_t  ngx_iot_get_registry_by_name = {
    ngx_string("RegistryService.GetByName"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_GET,
    ngx_string(NGX_IOT_REGISTRIES ":getByName"),
    ngx_string(NGX_IOT_REGISTRY_RPC "GetByName"),
    NGX_IOT_METHOD_LATE,
    ngx_iot_get_by_name_params,
    ngx_iot_get_by_name_prepare,
    ngx_iot_get_by_name_finish,
    ngx_iot_registry_write_answer,
    NULL,
    ngx_iot_name_not_found
};


const ngx_iot_method_t  ngx_iot_update_registry = {
    ngx_string("RegistryService.Update"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_PATCH,
    ngx_string(NGX_IOT_REGISTRIES "/{registry_id}"),
    ngx_string(NGX_IOT_REGISTRY_RPC "Update"),
    NGX_IOT_METHOD_BODY|NGX_IOT_METHOD_MUTATION|NGX_IOT_METHOD_REGISTRY,
    ngx_iot_update_registry_params,
    ngx_iot_update_registry_prepare,
    ngx_iot_update_registry_finish,
    ngx_iot_method_write_operation,
    NULL,
    NULL
};


const ngx_iot_method_t  ngx_iot_enable_registry = {
    ngx_string("RegistryService.Enable"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_POST,
    ngx_string(NGX_IOT_REGISTRIES "/{registry_id}:enable"),
    ngx_string(NGX_IOT_REGISTRY_RPC "Enable"),
    NGX_IOT_METHOD_MUTATION,
    ngx_iot_registry_params,
    ngx_iot_enable_registry_prepare,
    ngx_iot_update_registry_finish,
    ngx_iot_method_write_operation,
    NULL,
    NULL
};


const ngx_iot_method_t  ngx_iot_disable_registry = {
    ngx_string("RegistryService.Disable"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_POST,
    ngx_string(NGX_IOT_REGISTRIES "/{registry_id}:disable"),
    ngx_string(NGX_IOT_REGISTRY_RPC "Disable"),
    NGX_IOT_METHOD_MUTATION,
    ngx_iot_registry_params,
    ngx_iot_disable_registry_prepare,
    ngx_iot_update_registry_finish,
    ngx_iot_method_write_operation,
    NULL,
    NULL
};


static ngx_int_t
ngx_iot_get_registry_prepare(ngx_iot_call_t *call)
{
    ngx_int_t  rc;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_iot_store_get_registry(&call->store, &call->registry_id,
                                   &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_get_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_registry_t      *registry;
    ngx_iot_store_result_e   result;

    registry = &call->operation.registry;

    result = ngx_iot_store_registry(&call->store, reply, registry);

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_registry_refused(call, result);
    }

    registry->id = call->registry_id;
    call->folder_id = registry->folder_id;

    return NGX_OK;
}


static void
ngx_iot_registry_write_answer(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_registry_write(out, &call->operation.registry);
    ngx_iot_out_message_end(out);
}


static ngx_int_t
ngx_iot_get_by_name_prepare(ngx_iot_call_t *call)
{
    ngx_int_t  rc;

    rc = ngx_iot_folder_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    if (call->registry_name.len == 0
        || !ngx_iot_registry_name_valid(&call->registry_name))
    {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "registry_name",
                            "a registry's name has 1 to 50 characters of "
                            "A-Z, a-z, 0-9, \"_\" and \"-\"");
        return NGX_DECLINED;
    }

    if (ngx_iot_store_find_name(&call->store, &call->folder_id,
                                &call->registry_name, &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_get_by_name_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_store_holder_t  holder;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_name_found(&call->store, reply, &holder);

    if (result == NGX_IOT_STORE_NOT_FOUND) {
        ngx_iot_name_not_found(call);
        return NGX_DECLINED;
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    if (ngx_iot_store_get_registry(&call->store, &holder.registry_id,
                                   &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->operation.registry.id = holder.registry_id;
    call->step = ngx_iot_get_by_name_registry;

    return NGX_AGAIN;
}


/* the claim of a name may be one that its registry does not have (any more) */
static ngx_int_t
ngx_iot_get_by_name_registry(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_registry_t      *registry;
    ngx_iot_store_result_e   result;

    registry = &call->operation.registry;

    result = ngx_iot_store_registry(&call->store, reply, registry);

    if (result == NGX_IOT_STORE_NO_REGISTRY
        || (result == NGX_IOT_STORE_OK
            && (!ngx_iot_registry_same(&registry->name, &call->registry_name)
                || !ngx_iot_registry_same(&registry->folder_id,
                                          &call->folder_id))))
    {
        ngx_iot_name_not_found(call);
        return NGX_DECLINED;
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    call->registry_id = registry->id;

    return NGX_OK;
}


static void
ngx_iot_name_not_found(ngx_iot_call_t *call)
{
    ngx_iot_error(&call->error, REGISTRY_NOT_FOUND,
                  "the folder has no registry of that name");

    ngx_str_set(&call->error.resource_type,
                "yandex.cloud.iot.devices.v1.Registry");
    call->error.resource_name = call->registry_name;

    ngx_str_null(&call->registry_id);
}


static ngx_uint_t
ngx_iot_registry_same(const ngx_str_t *one, const ngx_str_t *two)
{
    return one->len == two->len
           && ngx_memcmp(one->data, two->data, one->len) == 0;
}


/*
 * Update: when it names a name, the registry is read first, and a name that it
 * does not have yet is claimed before it is stored.
 */
static ngx_int_t
ngx_iot_update_registry_prepare(ngx_iot_call_t *call)
{
    ngx_int_t                   rc;
    ngx_uint_t                  fields;
    ngx_iot_registry_update_t  *update;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_iot_update_registry_read(call, &fields);
    if (rc != NGX_OK) {
        return rc;
    }

    update = ngx_pcalloc(call->pool, sizeof(ngx_iot_registry_update_t));
    if (update == NULL) {
        return NGX_ERROR;
    }

    call->work = update;
    update->fields = fields;

    if (ngx_iot_update_registry_scope(call, fields) != NGX_OK
        || ngx_iot_registry_operation(call, NGX_IOT_UPDATE_REGISTRY) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!(fields & NGX_IOT_REGISTRY_NAME)) {
        return ngx_iot_update_registry_store(call);
    }

    call->certain = 1;
    call->step = ngx_iot_update_registry_was;

    if (ngx_iot_store_get_registry(&call->store, &call->registry_id,
                                   &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* the mask may stand in the query as well: there are clients that put it so */
static ngx_int_t
ngx_iot_update_registry_read(ngx_iot_call_t *call, ngx_uint_t *fields)
{
    ngx_int_t                    rc;
    const ngx_str_t             *mask;
    ngx_iot_registry_message_t   message;

    rc = ngx_iot_registry_read_update(call->pool, call->wire, &call->body,
                                      &message, &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    mask = message.update_mask.data ? &message.update_mask
                                    : &call->update_mask;

    rc = ngx_iot_registry_mask(mask, fields, &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_iot_registry_check(call->pool, &message, &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    call->operation.registry = message.registry;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_update_registry_scope(ngx_iot_call_t *call, ngx_uint_t fields)
{
    u_char                     mask;
    ngx_str_t                  parts[5];
    const ngx_iot_registry_t  *registry;

    registry = &call->operation.registry;

    mask = (u_char) fields;

    parts[0].data = &mask;
    parts[0].len = 1;
    parts[1] = registry->name;
    parts[2] = registry->description;

    if (ngx_iot_registry_pack_labels(call->pool, registry, &parts[3])
        != NGX_OK
        || ngx_iot_log_options_canonical(call->pool, &registry->log_options,
                                         &parts[4])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_idempotency_scope(call, &call->registry_id, parts, 5);
}


static ngx_int_t
ngx_iot_update_registry_was(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_registry_t          was;
    const ngx_iot_registry_t   *registry;
    ngx_iot_store_name_t       *name;
    ngx_iot_store_result_e      result;
    ngx_iot_registry_update_t  *update;

    ngx_memzero(&was, sizeof(ngx_iot_registry_t));

    update = call->work;
    registry = &call->operation.registry;

    result = ngx_iot_store_registry(&call->store, reply, &was);

    /* an Idempotency-Key may know of what was there */

    if (result == NGX_IOT_STORE_NO_REGISTRY
        || (result == NGX_IOT_STORE_OK
            && ngx_iot_registry_same(&was.name, &registry->name)))
    {
        return ngx_iot_update_registry_store(call);
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_registry_refused(call, result);
    }

    update->claimed = 1;

    if (registry->name.len == 0) {
        return ngx_iot_update_registry_store(call);
    }

    name = &update->claim.name;

    name->folder_id = was.folder_id;
    name->name = registry->name;
    name->registry_id = call->registry_id;
    name->operation_id = call->operation.id;

    update->claim.claimed = ngx_iot_update_registry_store;
    update->claim.refused = ngx_iot_update_registry_taken;

    return ngx_iot_name_claim(call);
}


/* the first request under the Idempotency-Key goes before the refusal */
static ngx_int_t
ngx_iot_update_registry_taken(ngx_iot_call_t *call)
{
    ngx_int_t                   rc;
    ngx_iot_registry_update_t  *update;

    if (!call->store.idempotency.given) {
        return NGX_DECLINED;
    }

    update = call->work;
    update->claimed = 0;

    /* nothing is claimed that would have to be released */
    ngx_str_null(&update->claim.name.name);

    rc = ngx_iot_update_registry_store(call);

    call->step = ngx_iot_update_registry_told;

    return rc;
}


/* without the claim a rename is not stored: then the refusal holds */
static ngx_int_t
ngx_iot_update_registry_told(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_registry_t       registry;
    ngx_iot_store_change_t   change;
    ngx_iot_store_result_e   result;

    ngx_memzero(&registry, sizeof(ngx_iot_registry_t));

    result = ngx_iot_store_registry_updated(&call->store, reply, &registry,
                                            &change);

    if (result == NGX_IOT_STORE_RENAMED) {
        return NGX_DECLINED;
    }

    call->operation_id = call->operation.id;

    return ngx_iot_update_registry_finish(call, reply);
}


static ngx_int_t
ngx_iot_update_registry_store(ngx_iot_call_t *call)
{
    ngx_iot_registry_update_t  *update;

    update = call->work;

    call->certain = 0;
    call->step = NULL;

    if (ngx_iot_store_update_registry(&call->store, &call->operation,
                                      update->fields, update->claimed,
                                      &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* of Enable and Disable too */
static ngx_int_t
ngx_iot_update_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_registry_t      *registry;
    ngx_iot_store_change_t   change;
    ngx_iot_store_result_e   result;

    registry = &call->operation.registry;

    result = ngx_iot_store_registry_updated(&call->store, reply, registry,
                                            &change);

    switch (result) {

    case NGX_IOT_STORE_OK:
        registry->id = call->registry_id;
        call->folder_id = registry->folder_id;
        ngx_iot_update_registry_release(call, &change);
        return NGX_OK;

    case NGX_IOT_STORE_SAME:
        return ngx_iot_update_registry_same(call, &change.operation_id);

    default:
        (void) ngx_iot_registry_refused(call, result);
        return ngx_iot_update_registry_refused(call);
    }
}


/* the name that it had, if that was another: others may have it */
static void
ngx_iot_update_registry_release(ngx_iot_call_t *call,
    const ngx_iot_store_change_t *change)
{
    ngx_iot_store_name_t  *name;

    if (change->name.len == 0) {
        return;
    }

    name = ngx_pcalloc(call->pool, sizeof(ngx_iot_store_name_t));
    if (name == NULL) {
        return;
    }

    name->folder_id = call->folder_id;
    name->name = change->name;
    name->registry_id = call->registry_id;
    name->operation_id = change->operation_id;

    call->released_name = name;
}


static ngx_int_t
ngx_iot_update_registry_same(ngx_iot_call_t *call,
    const ngx_str_t *operation_id)
{
    ngx_iot_registry_update_t  *update;

    update = call->work;

    if (update && update->claim.name.name.len) {
        update->claim.answer = *operation_id;
        return ngx_iot_name_unclaim(call);
    }

    return ngx_iot_operation_read(call, operation_id);
}


/* what was claimed is of no use any more; the call has its error */
static ngx_int_t
ngx_iot_update_registry_refused(ngx_iot_call_t *call)
{
    ngx_iot_registry_update_t  *update;

    update = call->work;

    if (update && update->claim.name.name.len) {
        return ngx_iot_name_unclaim(call);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_iot_enable_registry_prepare(ngx_iot_call_t *call)
{
    return ngx_iot_registry_set_status(call, NGX_IOT_ENABLE_REGISTRY,
                                       NGX_IOT_REGISTRY_ACTIVE);
}


static ngx_int_t
ngx_iot_disable_registry_prepare(ngx_iot_call_t *call)
{
    return ngx_iot_registry_set_status(call, NGX_IOT_DISABLE_REGISTRY,
                                       NGX_IOT_REGISTRY_DISABLED);
}


static ngx_int_t
ngx_iot_registry_set_status(ngx_iot_call_t *call,
    ngx_iot_operation_kind_e kind, ngx_iot_registry_status_e status)
{
    ngx_int_t  rc;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    call->operation.registry.status = status;

    if (ngx_iot_idempotency_scope(call, &call->registry_id, NULL, 0) != NGX_OK
        || ngx_iot_registry_operation(call, kind) != NGX_OK
        || ngx_iot_store_update_registry(&call->store, &call->operation, 0, 0,
                                         &call->request)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}
