
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_registry_service.h"
#include "ngx_iot_shard.h"


ngx_iot_service_t  ngx_iot_registry_service[] = {
    &ngx_iot_add_certificate,
    &ngx_iot_list_certificates,
    &ngx_iot_get_certificate,
    &ngx_iot_delete_certificate,
    &ngx_iot_import_certificates,
    &ngx_iot_list_operations,
    &ngx_iot_list_registries,
    &ngx_iot_create_registry,
    &ngx_iot_get_registry_by_name,
    &ngx_iot_get_registry,
    &ngx_iot_update_registry,
    &ngx_iot_delete_registry,
    &ngx_iot_enable_registry,
    &ngx_iot_disable_registry,
    &ngx_iot_list_passwords,
    &ngx_iot_add_password,
    &ngx_iot_delete_password,
    NULL
};


const ngx_iot_param_t  ngx_iot_registry_params[] = {
    ngx_iot_path_param("registry_id", "registryId", 1, registry_id),
    ngx_iot_no_param
};


static ngx_int_t ngx_iot_registry_not_found(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_certificate_not_found(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_certificate_limit(ngx_iot_call_t *call);


ngx_int_t
ngx_iot_registry_id_check(ngx_iot_call_t *call)
{
    if (ngx_iot_id_resource_valid(&call->registry_id)) {
        return NGX_OK;
    }

    ngx_iot_field_error(&call->error, INVALID_FIELD, "registry_id",
                        "a registry id has 1 to 50 characters of "
                        "A-Z, a-z, 0-9, \"_\" and \"-\"");

    return NGX_DECLINED;
}


ngx_int_t
ngx_iot_folder_id_check(ngx_iot_call_t *call)
{
    if (ngx_iot_id_resource_valid(&call->folder_id)) {
        return NGX_OK;
    }

    ngx_iot_field_error(&call->error, INVALID_FIELD, "folder_id",
                        "a folder id has 1 to 50 characters of "
                        "A-Z, a-z, 0-9, \"_\" and \"-\"");

    return NGX_DECLINED;
}


/* what is asked for is done when the answer says so: born done */
ngx_int_t
ngx_iot_registry_operation(ngx_iot_call_t *call,
    ngx_iot_operation_kind_e kind)
{
    ngx_iot_operation_t  *operation;

    operation = &call->operation;

    operation->id.data = ngx_pnalloc(call->pool, NGX_IOT_OPERATION_ID_LEN);
    if (operation->id.data == NULL) {
        return NGX_ERROR;
    }

    operation->id.len = NGX_IOT_OPERATION_ID_LEN;

    if (operation->registry_id.len == 0) {
        operation->registry_id = call->registry_id;
    }

    ngx_iot_id_make(operation->id.data,
                    ngx_iot_shard_registry(&operation->registry_id),
                    call->now, call->random);

    operation->kind = kind;
    operation->created_by = call->caller;
    operation->created_at = call->now;
    operation->modified_at = call->now;
    operation->done = 1;

    call->operation_id = operation->id;

    return NGX_OK;
}


ngx_int_t
ngx_iot_registry_refused(ngx_iot_call_t *call, ngx_iot_store_result_e result)
{
    /* an operation of this call was not started */
    ngx_str_null(&call->operation_id);

    switch (result) {

    case NGX_IOT_STORE_NO_REGISTRY:
        return ngx_iot_registry_not_found(call);

    case NGX_IOT_STORE_EXISTS:
        ngx_iot_error(&call->error, REGISTRY_EXISTS,
                      "there is a registry of that id already");
        ngx_str_set(&call->error.resource_type,
                    "yandex.cloud.iot.devices.v1.Registry");
        call->error.resource_name = call->operation.registry_id;
        return NGX_DECLINED;

    case NGX_IOT_STORE_PENDING:
        ngx_iot_error(&call->error, REGISTRY_DELETING,
                      "a registry of that id is being deleted");
        return NGX_DECLINED;

    case NGX_IOT_STORE_WAITS:
        ngx_iot_error(&call->error, REGISTRY_IN_USE,
                      "operations on certificates of the registry wait for "
                      "the backend; let them finish or cancel them");
        return NGX_DECLINED;

    case NGX_IOT_STORE_FENCED:
    case NGX_IOT_STORE_RENAMED:
        ngx_iot_error(&call->error, REGISTRY_NAME_BUSY,
                      "another request has changed the name meanwhile; try "
                      "again");
        return NGX_DECLINED;

    default:
        return ngx_iot_call_store_failed(call, result);
    }
}


ngx_int_t
ngx_iot_certificate_refused(ngx_iot_call_t *call,
    ngx_iot_store_result_e result)
{
    /* an operation of this call was not started */
    ngx_str_null(&call->operation_id);

    switch (result) {

    case NGX_IOT_STORE_NO_REGISTRY:
        return ngx_iot_registry_not_found(call);

    case NGX_IOT_STORE_REGISTRY_DISABLED:
        ngx_iot_error(&call->error, REGISTRY_DISABLED,
                      "the registry is disabled");
        return NGX_DECLINED;

    case NGX_IOT_STORE_NOT_FOUND:
        return ngx_iot_certificate_not_found(call);

    case NGX_IOT_STORE_PENDING:
    case NGX_IOT_STORE_FENCED:
        ngx_iot_error(&call->error, CERTIFICATE_BUSY,
                      "the certificate is being registered by another "
                      "request; try again in some seconds");
        return NGX_DECLINED;

    case NGX_IOT_STORE_LIMIT:
        return ngx_iot_certificate_limit(call);

    default:
        return ngx_iot_call_store_failed(call, result);
    }
}


static ngx_int_t
ngx_iot_registry_not_found(ngx_iot_call_t *call)
{
    ngx_iot_error(&call->error, REGISTRY_NOT_FOUND,
                  "there is no registry of that id");

    ngx_str_set(&call->error.resource_type,
                "yandex.cloud.iot.devices.v1.Registry");
    call->error.resource_name = call->registry_id;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_iot_certificate_not_found(ngx_iot_call_t *call)
{
    ngx_iot_error(&call->error, CERTIFICATE_NOT_FOUND,
                  "the registry has no certificate of that fingerprint");

    ngx_str_set(&call->error.resource_type,
                "yandex.cloud.iot.devices.v1.RegistryCertificate");
    call->error.resource_name = call->fingerprint;

    return NGX_DECLINED;
}


/* a registry that is to be created may have no id yet */
static ngx_int_t
ngx_iot_certificate_limit(ngx_iot_call_t *call)
{
    ngx_str_t        *subject;
    const char       *form;
    const ngx_str_t  *id;

    ngx_iot_error_format(call->pool, &call->error,
                         NGX_IOT_REASON_CERTIFICATE_LIMIT,
                         "the registry may have no more than %ui "
                         "certificates", call->store.limit);

    if (call->registry_id.len) {
        form = "registry:%V";
        id = &call->registry_id;

    } else {
        form = "folder:%V";
        id = &call->folder_id;
    }

    subject = &call->error.quota_subject;

    subject->data = ngx_pnalloc(call->pool, sizeof("registry:") - 1 + id->len);
    if (subject->data == NULL) {
        return NGX_ERROR;
    }

    subject->len = ngx_sprintf(subject->data, form, id) - subject->data;

    return NGX_DECLINED;
}
