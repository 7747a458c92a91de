
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_operation_service.h"
#include "ngx_iot_claim.h"
#include "ngx_iot_store_registry.h"


/* yandex.cloud.operation.OperationService */


#define NGX_IOT_OPERATION_RPC  "/yandex.cloud.operation.OperationService/"


static ngx_int_t ngx_iot_get_operation_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_cancel_operation_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_operation_responded(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_operation_finished(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);


static const ngx_iot_param_t  ngx_iot_operation_params[] = {
    ngx_iot_path_param("operation_id", "operationId", 1, operation_id),
    ngx_iot_no_param
};


static const ngx_iot_method_t  ngx_iot_get_operation = {
    ngx_string("OperationService.Get"),
    NGX_IOT_OPERATION_SERVICE,
    NGX_IOT_GET,
    ngx_string("/operations/{operation_id}"),
    ngx_string(NGX_IOT_OPERATION_RPC "Get"),
    NGX_IOT_METHOD_LATE,
    ngx_iot_operation_params,
    ngx_iot_operation_request,
    ngx_iot_get_operation_finish,
    ngx_iot_method_write_operation,
    NULL,
    ngx_iot_operation_not_found
};


static const ngx_iot_method_t  ngx_iot_cancel_operation = {
    ngx_string("OperationService.Cancel"),
    NGX_IOT_OPERATION_SERVICE,
    NGX_IOT_GET|NGX_IOT_POST,
    ngx_string("/operations/{operation_id}:cancel"),
    ngx_string(NGX_IOT_OPERATION_RPC "Cancel"),
    NGX_IOT_METHOD_LATE|NGX_IOT_METHOD_MUTATION,
    ngx_iot_operation_params,
    ngx_iot_operation_request,
    ngx_iot_cancel_operation_finish,
    ngx_iot_method_write_operation,
    NULL,
    ngx_iot_operation_not_found
};


ngx_iot_service_t  ngx_iot_operation_service[] = {
    &ngx_iot_get_operation,
    &ngx_iot_cancel_operation,
    NULL
};


ngx_int_t
ngx_iot_operation_request(ngx_iot_call_t *call)
{
    if (!ngx_iot_id_valid(&call->operation_id)) {
        ngx_iot_operation_not_found(call);
        return NGX_DECLINED;
    }

    if (ngx_iot_store_get_operation(&call->store, &call->operation_id,
                                    &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


ngx_int_t
ngx_iot_operation_read(ngx_iot_call_t *call, const ngx_str_t *operation_id)
{
    ngx_memzero(&call->operation, sizeof(ngx_iot_operation_t));

    call->operation_id = *operation_id;
    call->certain = 1;
    call->step = ngx_iot_get_operation_finish;

    return ngx_iot_operation_request(call);
}


/* two reads: the operation's record, then the record of what it answers */
static ngx_int_t
ngx_iot_get_operation_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t  rc;

    rc = ngx_iot_operation_record(call, reply);

    return (rc == NGX_OK) ? ngx_iot_operation_response(call) : rc;
}


/* what cannot be cancelled is answered as it stands */
static ngx_int_t
ngx_iot_cancel_operation_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t             rc;
    ngx_iot_operation_t  *operation;

    operation = &call->operation;

    rc = ngx_iot_operation_record(call, reply);
    if (rc != NGX_OK) {
        return rc;
    }

    if (operation->done || !ngx_iot_operation_has_certificate(operation)) {
        return ngx_iot_operation_response(call);
    }

    call->finish.cancel = 1;
    call->finish.error.code = NGX_IOT_CANCELLED;
    ngx_str_set(&call->finish.error.message, "the operation was cancelled");

    return ngx_iot_operation_finish(call);
}


ngx_int_t
ngx_iot_operation_record(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_operation_t     *operation;
    ngx_iot_store_result_e   result;

    operation = &call->operation;

    result = ngx_iot_store_operation(&call->store, reply, operation);

    if (result == NGX_IOT_STORE_NOT_FOUND) {
        ngx_iot_operation_not_found(call);
        return NGX_DECLINED;
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    operation->id = call->operation_id;

    call->registry_id = operation->registry_id;

    if (ngx_iot_operation_has_certificate(operation)) {
        call->fingerprint.data = operation->certificate.fingerprint;
        call->fingerprint.len = NGX_IOT_FINGERPRINT_LEN;
    }

    return NGX_OK;
}


/* what it answers, if it answers something that has a record */
ngx_int_t
ngx_iot_operation_response(ngx_iot_call_t *call)
{
    ngx_int_t             rc;
    ngx_iot_operation_t  *operation;

    operation = &call->operation;

    if (ngx_iot_operation_answers_certificate(operation)) {
        rc = ngx_iot_store_read_record(&call->store, &operation->certificate,
                                       &call->request);

    } else if (ngx_iot_operation_answers_registry(operation)) {
        rc = ngx_iot_store_get_registry(&call->store, &operation->registry_id,
                                        &call->request);

    } else {
        return NGX_OK;
    }

    call->step = ngx_iot_operation_responded;

    return (rc == NGX_OK) ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_iot_operation_responded(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_operation_t     *operation;
    ngx_iot_store_result_e   result;

    operation = &call->operation;

    if (ngx_iot_operation_answers_registry(operation)) {
        result = ngx_iot_store_registry_response(&call->store, reply,
                                                 &operation->registry);
        call->folder_id = operation->registry.folder_id;

    } else {
        result = ngx_iot_store_response(&call->store, reply, operation);
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_operation_finish(ngx_iot_call_t *call)
{
    call->finish.now = call->now;
    call->step = ngx_iot_operation_finished;

    if (ngx_iot_store_finish_operation(&call->store, &call->operation,
                                       &call->finish, &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_operation_finished(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_str_t               added_by;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_operation_finished(&call->store, reply,
                                              &call->operation, &added_by);

    switch (result) {

    case NGX_IOT_STORE_OK:
        call->found = 1;
        break;

    case NGX_IOT_STORE_WAITS:
        ngx_iot_claim_release_added(call, &added_by);
        break;

    case NGX_IOT_STORE_NOT_FOUND:
        ngx_iot_operation_not_found(call);
        return NGX_DECLINED;

    default:
        return ngx_iot_call_store_failed(call, result);
    }

    call->registry_id = call->operation.registry_id;

    return ngx_iot_operation_response(call);
}


void
ngx_iot_operation_not_found(ngx_iot_call_t *call)
{
    ngx_iot_error(&call->error, OPERATION_NOT_FOUND,
                  "there is no operation of that id");

    ngx_str_set(&call->error.resource_type,
                "yandex.cloud.operation.Operation");
    call->error.resource_name = call->operation_id;
}
