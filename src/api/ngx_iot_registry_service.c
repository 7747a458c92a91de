
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_registry_service.h"


ngx_iot_service_t  ngx_iot_registry_service[] = {
    &ngx_iot_add_certificate,
    &ngx_iot_list_certificates,
    &ngx_iot_get_certificate,
    &ngx_iot_delete_certificate,
    &ngx_iot_import_certificates,
    &ngx_iot_list_operations,
    NULL
};


static ngx_int_t ngx_iot_registry_not_found(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_certificate_not_found(ngx_iot_call_t *call);


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
