
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_name_claim.h"


/* of a claim that others take over under our hands */
#define NGX_IOT_NAME_CLAIM_TRIES  3


static ngx_int_t ngx_iot_name_claim_request(ngx_iot_call_t *call,
    const ngx_iot_store_holder_t *takes);
static ngx_int_t ngx_iot_name_claim_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_name_claim_held(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_name_claim_resolved(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_name_exists(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_name_busy(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_name_fenced(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_name_released(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);


ngx_int_t
ngx_iot_name_claim(ngx_iot_call_t *call)
{
    return ngx_iot_name_claim_request(call, NULL);
}


static ngx_int_t
ngx_iot_name_claim_request(ngx_iot_call_t *call,
    const ngx_iot_store_holder_t *takes)
{
    ngx_iot_name_claim_t  *claim;

    claim = call->work;

    if (ngx_iot_store_claim_name(&call->store, &claim->name, takes,
                                 &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->certain = 1;
    call->step = ngx_iot_name_claim_finish;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_name_claim_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_name_claim_t    *claim;
    ngx_iot_store_result_e   result;

    claim = call->work;

    result = ngx_iot_store_name_claimed(&call->store, &claim->name, reply,
                                        &claim->holder);

    switch (result) {

    case NGX_IOT_STORE_OK:
        return claim->claimed(call);

    case NGX_IOT_STORE_SAME:
        return claim->same(call);

    case NGX_IOT_STORE_HELD:
        return ngx_iot_name_claim_held(call);

    default:
        return ngx_iot_call_store_failed(call, result);
    }
}


/* the registry that holds the name tells whether it has it */
static ngx_int_t
ngx_iot_name_claim_held(ngx_iot_call_t *call)
{
    ngx_iot_name_claim_t  *claim;

    claim = call->work;

    if (claim->tries++ == NGX_IOT_NAME_CLAIM_TRIES) {
        return ngx_iot_name_busy(call);
    }

    if (ngx_iot_store_resolve_name(&call->store, &claim->name, &claim->holder,
                                   call->now, &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->step = ngx_iot_name_claim_resolved;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_name_claim_resolved(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_name_claim_t    *claim;
    ngx_iot_store_result_e   result;

    claim = call->work;

    result = ngx_iot_store_name_resolved(&call->store, reply);

    switch (result) {

    case NGX_IOT_STORE_OK:
        return ngx_iot_name_claim_request(call, &claim->holder);

    case NGX_IOT_STORE_EXISTS:
        return ngx_iot_name_exists(call);

    case NGX_IOT_STORE_PENDING:
        return ngx_iot_name_busy(call);

    default:
        return ngx_iot_call_store_failed(call, result);
    }
}


static ngx_int_t
ngx_iot_name_exists(ngx_iot_call_t *call)
{
    ngx_iot_name_claim_t  *claim;

    claim = call->work;

    ngx_iot_error(&call->error, REGISTRY_NAME_EXISTS,
                  "the folder has a registry of that name already");

    ngx_str_set(&call->error.resource_type,
                "yandex.cloud.iot.devices.v1.Registry");
    call->error.resource_name = claim->name.name;

    ngx_str_null(&call->operation_id);

    return claim->refused ? claim->refused(call) : NGX_DECLINED;
}


static ngx_int_t
ngx_iot_name_busy(ngx_iot_call_t *call)
{
    ngx_iot_name_claim_t  *claim;

    claim = call->work;

    ngx_iot_error(&call->error, REGISTRY_NAME_BUSY,
                  "another request is giving that name to a registry; try "
                  "again in some seconds");

    ngx_str_null(&call->operation_id);

    return claim->refused ? claim->refused(call) : NGX_DECLINED;
}


/*
 * A request may be on its way twice, and a Create's Idempotency-Key may have
 * brought another that goes on with the same ids: so the operation is
 * forbidden before its claims are given up.
 */
ngx_int_t
ngx_iot_name_unclaim(ngx_iot_call_t *call)
{
    ngx_iot_name_claim_t  *claim;

    claim = call->work;

    if (ngx_iot_store_fence(&call->store, &claim->name.operation_id,
                            &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->certain = 1;
    call->step = ngx_iot_name_fenced;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_name_fenced(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_name_claim_t    *claim;
    ngx_iot_store_result_e   result;

    claim = call->work;

    result = ngx_iot_store_fenced(&call->store, reply);

    switch (result) {

    case NGX_IOT_STORE_OK:
        break;

    case NGX_IOT_STORE_EXISTS:
        return ngx_iot_operation_read(call, &claim->name.operation_id);

    default:
        return ngx_iot_call_store_failed(call, result);
    }

    if (claim->fenced) {
        claim->fenced(call);
    }

    if (ngx_iot_store_release_name(&call->store, &claim->name, &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->step = ngx_iot_name_released;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_name_released(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_name_claim_t  *claim;

    claim = call->work;

    (void) ngx_iot_store_name_released(&call->store, reply);

    if (claim->answer.len) {
        return ngx_iot_operation_read(call, &claim->answer);
    }

    /* the call has its error */

    return NGX_DECLINED;
}
