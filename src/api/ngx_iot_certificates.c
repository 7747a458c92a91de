
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_registry_service.h"
#include "ngx_iot_claim.h"
#include "ngx_iot_idempotency.h"
#include "ngx_iot_message.h"


/* the methods of one certificate: Add, Get and Delete */


static ngx_int_t ngx_iot_add_certificate_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_add_certificate_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_add_certificate_claimed(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_add_certificate_request(ngx_iot_call_t *call,
    ngx_uint_t claimed);
static ngx_int_t ngx_iot_add_certificate_refused(ngx_iot_call_t *call,
    ngx_iot_store_result_e result);
static ngx_int_t ngx_iot_add_certificate_held(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_add_certificate_busy(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_add_certificate_answer(ngx_iot_call_t *call,
    ngx_iot_store_result_e result, const ngx_iot_store_holder_t *holder);
static ngx_int_t ngx_iot_add_certificate_read(ngx_iot_call_t *call,
    ngx_str_t *certificate_data);
static ngx_int_t ngx_iot_certificate_exists(ngx_iot_call_t *call,
    const ngx_str_t *added_by);

static ngx_int_t ngx_iot_get_certificate_request(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_get_certificate_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_get_certificate_write(ngx_iot_out_t *out,
    const void *data);

static ngx_int_t ngx_iot_delete_certificate_request(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_delete_certificate_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_certificate_pending(ngx_iot_call_t *call,
    const ngx_str_t *operation_id);

static ngx_int_t ngx_iot_get_certificate_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_delete_certificate_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_certificate_named(ngx_iot_call_t *call,
    ngx_int_t (*request)(ngx_iot_call_t *call));
static ngx_int_t ngx_iot_certificate_found(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply,
    ngx_int_t (*request)(ngx_iot_call_t *call));
static ngx_int_t ngx_iot_certificate_operation(ngx_iot_call_t *call,
    ngx_iot_operation_kind_e kind);


#define NGX_IOT_CERTIFICATES                                                  \
    "/iot-devices/v1/registries/{registry_id}/certificates"


static const ngx_iot_param_t  ngx_iot_certificate_params[] = {
    ngx_iot_path_param("registry_id", "registryId", 1, registry_id),
    ngx_iot_path_param("fingerprint", "fingerprint", 2, fingerprint),
    ngx_iot_no_param
};


const ngx_iot_method_t  ngx_iot_add_certificate = {
    ngx_string("RegistryService.AddCertificate"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_POST,
    ngx_string(NGX_IOT_CERTIFICATES),
    ngx_string(NGX_IOT_REGISTRY_RPC "AddCertificate"),
    NGX_IOT_METHOD_BODY|NGX_IOT_METHOD_MUTATION,
    ngx_iot_registry_params,
    ngx_iot_add_certificate_prepare,
    ngx_iot_add_certificate_finish,
    ngx_iot_method_write_operation,
    NULL,
    NULL
};


const ngx_iot_method_t  ngx_iot_get_certificate = {
    ngx_string("RegistryService.GetCertificate"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_GET,
    ngx_string(NGX_IOT_CERTIFICATES "/{fingerprint}"),
    ngx_null_string,
    0,
    ngx_iot_certificate_params,
    ngx_iot_get_certificate_prepare,
    ngx_iot_get_certificate_finish,
    ngx_iot_get_certificate_write,
    NULL,
    NULL
};


const ngx_iot_method_t  ngx_iot_delete_certificate = {
    ngx_string("RegistryService.DeleteCertificate"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_DELETE,
    ngx_string(NGX_IOT_CERTIFICATES "/{fingerprint}"),
    ngx_string(NGX_IOT_REGISTRY_RPC "DeleteCertificate"),
    NGX_IOT_METHOD_MUTATION,
    ngx_iot_certificate_params,
    ngx_iot_delete_certificate_prepare,
    ngx_iot_delete_certificate_finish,
    ngx_iot_method_write_operation,
    NULL,
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

    if (ngx_iot_idempotency_scope(call, &call->registry_id, &certificate_data,
                                  1)
        != NGX_OK
        || ngx_iot_certificate_operation(call, NGX_IOT_ADD_CERTIFICATE)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->claim = ngx_palloc(call->pool, sizeof(ngx_iot_claim_t));
    if (call->claim == NULL) {
        return NGX_ERROR;
    }

    ngx_iot_claim_init(call->claim, certificate, &call->operation);

    call->claim->claimed = ngx_iot_add_certificate_claimed;
    call->claim->refused = ngx_iot_add_certificate_refused;

    /* where a script reaches both, it claims the certificate as well */

    return call->store.cluster ? ngx_iot_claim(call)
                               : ngx_iot_add_certificate_request(call, 0);
}


static ngx_int_t
ngx_iot_add_certificate_claimed(ngx_iot_call_t *call)
{
    return ngx_iot_add_certificate_request(call, 1);
}


static ngx_int_t
ngx_iot_add_certificate_request(ngx_iot_call_t *call, ngx_uint_t claimed)
{
    if (ngx_iot_store_add_certificate(&call->store, &call->operation, claimed,
                                      &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->certain = 0;
    call->step = NULL;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_add_certificate_read(ngx_iot_call_t *call, ngx_str_t *certificate_data)
{
    ngx_int_t  rc;
    ngx_str_t  registry_id;

    /* registry_id in the body must be a string, but the path's one wins */

    ngx_iot_field_t  fields[] = {
        { ngx_string("registry_id"), ngx_string("registryId"), 1,
          &registry_id, NGX_IOT_FIELD_STRING },
        { ngx_string("certificate_data"), ngx_string("certificateData"), 3,
          certificate_data, NGX_IOT_FIELD_STRING }
    };

    rc = ngx_iot_message_read(call->pool, call->wire, &call->body, fields, 2,
                              &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_iot_registry_id_check(call);
}


static ngx_int_t
ngx_iot_add_certificate_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_store_holder_t  holder;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_certificate_added(&call->store, reply, &holder);

    switch (result) {

    case NGX_IOT_STORE_OK:
        call->claim->asked = 0;
        return NGX_OK;

    case NGX_IOT_STORE_HELD:
        call->claim->holder = holder;
        return ngx_iot_claim_held(call);

    default:
        ngx_iot_claim_abandon(call);
        return ngx_iot_add_certificate_answer(call, result, &holder);
    }
}


/*
 * The certificate cannot be claimed.  There may be a better reason: the first
 * request under the Idempotency-Key, or the registry itself.
 */
static ngx_int_t
ngx_iot_add_certificate_refused(ngx_iot_call_t *call,
    ngx_iot_store_result_e result)
{
    switch (result) {

    case NGX_IOT_STORE_EXISTS:
        call->step = ngx_iot_add_certificate_held;
        break;

    case NGX_IOT_STORE_PENDING:
        call->step = ngx_iot_add_certificate_busy;
        break;

    default:
        ngx_iot_claim_abandon(call);
        return ngx_iot_certificate_refused(call, result);
    }

    if (ngx_iot_store_check_certificate(&call->store, &call->operation,
                                        &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_add_certificate_held(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_store_holder_t  holder;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_certificate_added(&call->store, reply, &holder);

    if (result == NGX_IOT_STORE_OK) {
        result = NGX_IOT_STORE_HELD;
    }

    return ngx_iot_add_certificate_answer(call, result, &holder);
}


static ngx_int_t
ngx_iot_add_certificate_busy(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_store_holder_t  holder;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_certificate_added(&call->store, reply, &holder);

    if (result == NGX_IOT_STORE_OK) {
        result = NGX_IOT_STORE_PENDING;
    }

    return ngx_iot_add_certificate_answer(call, result, &holder);
}


static ngx_int_t
ngx_iot_add_certificate_answer(ngx_iot_call_t *call,
    ngx_iot_store_result_e result, const ngx_iot_store_holder_t *holder)
{
    switch (result) {

    case NGX_IOT_STORE_SAME:
        return ngx_iot_operation_read(call, &holder->operation_id);

    case NGX_IOT_STORE_EXISTS:
    case NGX_IOT_STORE_HELD:
        return ngx_iot_certificate_exists(call, &holder->operation_id);

    default:
        return ngx_iot_certificate_refused(call, result);
    }
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


static ngx_int_t
ngx_iot_get_certificate_prepare(ngx_iot_call_t *call)
{
    return ngx_iot_certificate_named(call, ngx_iot_get_certificate_request);
}


static ngx_int_t
ngx_iot_get_certificate_request(ngx_iot_call_t *call)
{
    if (ngx_iot_store_get_certificate(&call->store,
                                      &call->operation.certificate,
                                      &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_get_certificate_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_store_result_e  result;

    if (call->alias) {
        return ngx_iot_certificate_found(call, reply,
                                         ngx_iot_get_certificate_request);
    }

    result = ngx_iot_store_certificate_got(&call->store, reply,
                                           &call->operation.certificate);

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_certificate_refused(call, result);
    }

    return NGX_OK;
}


static void
ngx_iot_get_certificate_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_certificate_write(out, &call->operation.certificate);
    ngx_iot_out_message_end(out);
}


static ngx_int_t
ngx_iot_delete_certificate_prepare(ngx_iot_call_t *call)
{
    return ngx_iot_certificate_named(call, ngx_iot_delete_certificate_request);
}


static ngx_int_t
ngx_iot_delete_certificate_request(ngx_iot_call_t *call)
{
    if (ngx_iot_certificate_operation(call, NGX_IOT_DELETE_CERTIFICATE)
        != NGX_OK
        || ngx_iot_store_delete_certificate(&call->store, &call->operation,
                                            &call->request)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_delete_certificate_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_str_t               operation_id;
    ngx_iot_store_result_e  result;

    if (call->alias) {
        return ngx_iot_certificate_found(call, reply,
                                         ngx_iot_delete_certificate_request);
    }

    result = ngx_iot_store_certificate_deleted(&call->store, reply,
                                               &operation_id);

    switch (result) {

    case NGX_IOT_STORE_OK:
        ngx_iot_claim_release_added(call, &operation_id);
        return NGX_OK;

    case NGX_IOT_STORE_SAME:
        return ngx_iot_operation_read(call, &operation_id);

    case NGX_IOT_STORE_WAITS:
        return ngx_iot_certificate_pending(call, &operation_id);

    default:
        return ngx_iot_certificate_refused(call, result);
    }
}


/* one operation at a time: this one was not started */
static ngx_int_t
ngx_iot_certificate_pending(ngx_iot_call_t *call,
    const ngx_str_t *operation_id)
{
    ngx_str_null(&call->operation_id);

    ngx_iot_error(&call->error, OPERATION_PENDING,
                  "an operation on the certificate is not finished yet");
    ngx_iot_error_metadata(&call->error, "operationId", operation_id);

    return NGX_DECLINED;
}


/* the certificate of the path; by its SHA-1 it has to be found first */
static ngx_int_t
ngx_iot_certificate_named(ngx_iot_call_t *call,
    ngx_int_t (*request)(ngx_iot_call_t *call))
{
    ngx_int_t               rc;
    ngx_str_t               name;
    ngx_iot_certificate_t  *certificate;

    certificate = &call->operation.certificate;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    certificate->registry_id = call->registry_id;

    name.len = ngx_iot_certificate_name(certificate, &call->fingerprint);

    if (name.len == 0) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "fingerprint",
                            "a fingerprint has 64 hex digits (SHA-256) or 40 "
                            "(SHA-1); colons may stand between bytes");
        return NGX_DECLINED;
    }

    call->alias = (name.len == NGX_IOT_SHA1_LEN);
    name.data = call->alias ? certificate->sha1 : certificate->sha256;

    if (ngx_iot_idempotency_scope(call, &call->registry_id, &name, 1)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!call->alias) {
        call->fingerprint.data = certificate->fingerprint;
        call->fingerprint.len = NGX_IOT_FINGERPRINT_LEN;

        return request(call);
    }

    if (ngx_iot_store_find_certificate(&call->store, certificate,
                                       &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_certificate_found(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply,
    ngx_int_t (*request)(ngx_iot_call_t *call))
{
    ngx_str_t                operation_id;
    ngx_iot_certificate_t   *certificate;
    ngx_iot_store_result_e   result;

    certificate = &call->operation.certificate;

    result = ngx_iot_store_certificate_found(&call->store, reply, certificate,
                                             &operation_id);

    if (result == NGX_IOT_STORE_SAME) {
        return ngx_iot_operation_read(call, &operation_id);
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_certificate_refused(call, result);
    }

    call->alias = 0;
    call->fingerprint.data = certificate->fingerprint;
    call->fingerprint.len = NGX_IOT_FINGERPRINT_LEN;

    return request(call);
}


/* born done, but when a backend has to finish it */
static ngx_int_t
ngx_iot_certificate_operation(ngx_iot_call_t *call,
    ngx_iot_operation_kind_e kind)
{
    ngx_iot_certificate_t  *certificate;

    certificate = &call->operation.certificate;

    certificate->registry_id = call->registry_id;
    certificate->created_at = call->now;

    if (ngx_iot_registry_operation(call, kind) != NGX_OK) {
        return NGX_ERROR;
    }

    call->operation.done = !call->settings->backend;

    return NGX_OK;
}
