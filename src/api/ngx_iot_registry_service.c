
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_method.h"
#include "ngx_iot_json.h"
#include "ngx_iot_shard.h"


/* yandex.cloud.iot.devices.v1.RegistryService */


static ngx_int_t ngx_iot_add_certificate_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_add_certificate_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_add_certificate_read(ngx_iot_call_t *call,
    ngx_str_t *certificate_data);
static ngx_int_t ngx_iot_add_certificate_start(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_registry_not_found(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_certificate_exists(ngx_iot_call_t *call,
    const ngx_str_t *added_by);


static const ngx_iot_method_t  ngx_iot_add_certificate = {
    ngx_string("RegistryService.AddCertificate"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_POST,
    ngx_string("/iot-devices/v1/registries/{registry_id}/certificates"),
    NGX_IOT_METHOD_BODY|NGX_IOT_METHOD_MUTATION,
    ngx_iot_add_certificate_prepare,
    ngx_iot_add_certificate_finish,
    NULL
};


ngx_iot_service_t  ngx_iot_registry_service[] = {
    &ngx_iot_add_certificate,
    NULL
};


static ngx_int_t
ngx_iot_add_certificate_prepare(ngx_iot_call_t *call)
{
    ngx_int_t               rc;
    ngx_str_t               certificate_data;
    ngx_iot_certificate_t  *certificate;

    rc = ngx_iot_add_certificate_read(call, &certificate_data);
    if (rc != NGX_OK) {
        return rc;
    }

    certificate = &call->operation.certificate;

    rc = ngx_iot_certificate_read(call->pool, &certificate_data,
                                  &call->settings->certificate,
                                  (time_t) (call->now / 1000), certificate,
                                  &call->error);
    if (rc != NGX_OK) {
        ngx_str_set(&call->error.field, "certificate_data");
        return rc;
    }

    call->fingerprint.data = certificate->fingerprint;
    call->fingerprint.len = NGX_IOT_FINGERPRINT_LEN;

    if (ngx_iot_add_certificate_start(call) != NGX_OK
        || ngx_iot_store_add_certificate(&call->store, &call->operation,
                                         call->settings->operation_retention,
                                         call->settings->open, &call->request)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_add_certificate_read(ngx_iot_call_t *call, ngx_str_t *certificate_data)
{
    ngx_int_t  rc;
    ngx_str_t  registry_id;

    /* registry_id in the body must be a string, but the path's one wins */

    ngx_iot_json_field_t  fields[] = {
        { ngx_string("registry_id"), ngx_string("registryId"), &registry_id },
        { ngx_string("certificate_data"), ngx_string("certificateData"),
          certificate_data }
    };

    rc = ngx_iot_json_read(call->pool, &call->body, fields, 2, &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    if (!ngx_iot_id_resource_valid(&call->registry_id)) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "registry_id",
                            "a registry id has 1 to 50 characters of "
                            "A-Z, a-z, 0-9, \"_\" and \"-\"");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* the certificate is stored when the answer says so: born done */
static ngx_int_t
ngx_iot_add_certificate_start(ngx_iot_call_t *call)
{
    ngx_uint_t            shard;
    ngx_iot_operation_t  *operation;

    operation = &call->operation;

    operation->id.data = ngx_pnalloc(call->pool, NGX_IOT_OPERATION_ID_LEN);
    if (operation->id.data == NULL) {
        return NGX_ERROR;
    }

    operation->id.len = NGX_IOT_OPERATION_ID_LEN;

    shard = ngx_iot_shard_registry(&call->registry_id);
    ngx_iot_id_make(operation->id.data, shard, call->now, call->random);

    operation->kind = NGX_IOT_ADD_CERTIFICATE;
    operation->created_by = call->caller;
    operation->created_at = call->now;
    operation->modified_at = call->now;
    operation->done = 1;

    operation->certificate.registry_id = call->registry_id;
    operation->certificate.created_at = call->now;

    call->operation_id = operation->id;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_add_certificate_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_str_t               added_by;
    ngx_iot_store_result_e  result;

    ngx_str_null(&added_by);

    result = ngx_iot_store_certificate_added(&call->store, reply, &added_by);

    switch (result) {

    case NGX_IOT_STORE_OK:
        return NGX_OK;

    case NGX_IOT_STORE_NOT_FOUND:
        return ngx_iot_registry_not_found(call);

    case NGX_IOT_STORE_REGISTRY_DISABLED:
        ngx_iot_error(&call->error, REGISTRY_DISABLED,
                      "the registry is disabled");
        return NGX_DECLINED;

    case NGX_IOT_STORE_EXISTS:
    case NGX_IOT_STORE_HELD:
        return ngx_iot_certificate_exists(call, &added_by);

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


/* added_by: the operation, when the certificate is in this registry */
static ngx_int_t
ngx_iot_certificate_exists(ngx_iot_call_t *call, const ngx_str_t *added_by)
{
    static ngx_str_t  in_this = ngx_string("this");
    static ngx_str_t  in_another = ngx_string("another");

    if (added_by->len) {
        ngx_iot_error(&call->error, CERTIFICATE_EXISTS,
                      "the certificate is in this registry already");
        ngx_iot_error_metadata(&call->error, "registry", &in_this);
        ngx_iot_error_metadata(&call->error, "operationId", added_by);

    } else {
        ngx_iot_error(&call->error, CERTIFICATE_EXISTS,
                      "the certificate belongs to another registry");
        ngx_iot_error_metadata(&call->error, "registry", &in_another);
    }

    ngx_str_set(&call->error.resource_type,
                "yandex.cloud.iot.devices.v1.RegistryCertificate");
    call->error.resource_name = call->fingerprint;

    /* the operation of this call was not started */
    ngx_str_null(&call->operation_id);

    return NGX_DECLINED;
}
