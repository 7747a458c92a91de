
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_claim.h"


/* how often a claim is taken over under our hands */
#define NGX_IOT_CLAIM_TRIES  3

/* how often, and for how many ms, an operation that is on its way */
#define NGX_IOT_CLAIM_WAITS  4
#define NGX_IOT_CLAIM_WAIT   50


static ngx_int_t ngx_iot_claim_request(ngx_iot_call_t *call,
    const ngx_iot_store_holder_t *takes);
static ngx_int_t ngx_iot_claim_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_claim_resolved(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);


void
ngx_iot_claim_init(ngx_iot_claim_t *claim,
    const ngx_iot_certificate_t *certificate,
    const ngx_iot_operation_t *operation)
{
    ngx_memzero(claim, sizeof(ngx_iot_claim_t));

    claim->claim.registry_id = operation->registry_id;
    claim->claim.operation_id = operation->id;

    ngx_memcpy(claim->claim.sha256, certificate->sha256, NGX_IOT_SHA256_LEN);
    ngx_memcpy(claim->claim.fingerprint, certificate->fingerprint,
               NGX_IOT_FINGERPRINT_LEN);
}


ngx_int_t
ngx_iot_claim(ngx_iot_call_t *call)
{
    return ngx_iot_claim_request(call, NULL);
}


static ngx_int_t
ngx_iot_claim_request(ngx_iot_call_t *call,
    const ngx_iot_store_holder_t *takes)
{
    ngx_iot_claim_t  *claim;

    claim = call->claim;

    if (ngx_iot_store_claim_certificate(&call->store, &claim->claim, takes,
                                        &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    claim->asked = 1;

    call->certain = 1;
    call->step = ngx_iot_claim_finish;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_claim_finish(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_claim_t         *claim;
    ngx_iot_store_result_e   result;

    claim = call->claim;

    result = ngx_iot_store_certificate_claimed(&call->store, reply,
                                               &claim->holder);

    switch (result) {

    case NGX_IOT_STORE_OK:
        return claim->claimed(call);

    case NGX_IOT_STORE_HELD:
        claim->asked = 0;
        return ngx_iot_claim_held(call);

    default:
        return claim->refused(call, result);
    }
}


/* the registry of the claim tells what it is worth */
ngx_int_t
ngx_iot_claim_held(ngx_iot_call_t *call)
{
    ngx_iot_claim_t        *claim;
    ngx_iot_store_claim_t   other;

    claim = call->claim;

    other = claim->claim;
    other.registry_id = claim->holder.registry_id;
    other.operation_id = claim->holder.operation_id;

    if (ngx_iot_store_resolve_certificate(&call->store, &other, call->now, 0,
                                          &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->certain = 1;
    call->step = ngx_iot_claim_resolved;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_claim_resolved(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_claim_t         *claim;
    ngx_iot_store_result_e   result;

    claim = call->claim;

    result = ngx_iot_store_certificate_resolved(&call->store, reply);

    if (result == NGX_IOT_STORE_PENDING
        && claim->waits++ < NGX_IOT_CLAIM_WAITS)
    {
        call->delay = NGX_IOT_CLAIM_WAIT;
        return ngx_iot_claim_request(call, NULL);
    }

    if (result == NGX_IOT_STORE_OK && claim->tries++ == NGX_IOT_CLAIM_TRIES) {
        result = NGX_IOT_STORE_PENDING;
    }

    if (result != NGX_IOT_STORE_OK) {
        return claim->refused(call, result);
    }

    return ngx_iot_claim_request(call, &claim->holder);
}


void
ngx_iot_claim_abandon(ngx_iot_call_t *call)
{
    if (call->claim && call->claim->asked && !call->claim->shared) {
        call->claim->asked = 0;
        ngx_iot_claim_release(call, &call->claim->claim);
    }
}


/* without memory the claim stays, until somebody takes it over */
void
ngx_iot_claim_release(ngx_iot_call_t *call, const ngx_iot_store_claim_t *claim)
{
    ngx_iot_store_claim_t  *released;

    if (call->released == NULL) {
        call->released = ngx_array_create(call->pool, 1,
                                          sizeof(ngx_iot_store_claim_t));
        if (call->released == NULL) {
            return;
        }
    }

    released = ngx_array_push(call->released);

    if (released) {
        *released = *claim;
    }
}


void
ngx_iot_claim_release_added(ngx_iot_call_t *call, const ngx_str_t *added_by)
{
    ngx_iot_claim_t  claim;

    if (!call->store.cluster || added_by->len == 0) {
        return;
    }

    ngx_iot_claim_init(&claim, &call->operation.certificate, &call->operation);
    claim.claim.operation_id = *added_by;

    ngx_iot_claim_release(call, &claim.claim);
}
