
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_idempotency.h"
#include "ngx_iot_registry_service.h"
#include "ngx_iot_store_purge.h"


/*
 * Delete: a job is left, the registry is marked, then what it held is removed.
 * The call itself does that for one batch; when there is more, it answers the
 * operation as it is, and a task goes on.
 */


static ngx_int_t ngx_iot_delete_registry_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_delete_registry_mark(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_delete_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_delete_registry_purge(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_delete_registry_unmarked(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_delete_registry_end(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);


const ngx_iot_method_t  ngx_iot_delete_registry = {
    ngx_string("RegistryService.Delete"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_DELETE,
    ngx_string(NGX_IOT_REGISTRIES "/{registry_id}"),
    ngx_string(NGX_IOT_REGISTRY_RPC "Delete"),
    NGX_IOT_METHOD_MUTATION,
    ngx_iot_registry_params,
    ngx_iot_delete_registry_prepare,
    ngx_iot_delete_registry_finish,
    ngx_iot_method_write_operation,
    NULL,
    NULL
};


static ngx_int_t
ngx_iot_delete_registry_prepare(ngx_iot_call_t *call)
{
    ngx_int_t  rc;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_iot_idempotency_scope(call, &call->registry_id, NULL, 0) != NGX_OK
        || ngx_iot_registry_operation(call, NGX_IOT_DELETE_REGISTRY) != NGX_OK
        || ngx_iot_store_leave_job(&call->store, &call->operation,
                                   &call->request)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->operation.done = 0;

    call->certain = 1;
    call->step = ngx_iot_delete_registry_mark;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_delete_registry_mark(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    if (reply->type == NGX_IOT_RESP_ERROR) {
        return ngx_iot_call_store_failed(call, NGX_IOT_STORE_ERROR);
    }

    if (ngx_iot_store_delete_registry(&call->store, &call->operation,
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
ngx_iot_delete_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_str_t               operation_id;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_registry_deleted(&call->store, reply,
                                            &operation_id);

    if (result == NGX_IOT_STORE_SAME) {
        call->work = ngx_pcalloc(call->pool, sizeof(ngx_str_t));
        if (call->work == NULL) {
            return NGX_ERROR;
        }

        *(ngx_str_t *) call->work = operation_id;

        return ngx_iot_delete_registry_unmarked(call);
    }

    if (result != NGX_IOT_STORE_OK) {
        (void) ngx_iot_registry_refused(call, result);
        return ngx_iot_delete_registry_unmarked(call);
    }

    call->purge = ngx_palloc(call->pool, sizeof(ngx_iot_purge_t));
    if (call->purge == NULL) {
        return NGX_ERROR;
    }

    ngx_iot_purge_init(call->purge, &call->registry_id, &call->operation.id);

    call->step = ngx_iot_delete_registry_purge;

    return ngx_iot_delete_registry_purge(call, NULL);
}


static ngx_int_t
ngx_iot_delete_registry_purge(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t         rc;
    ngx_iot_purge_t  *purge;

    purge = call->purge;

    rc = ngx_iot_purge_next(purge, &call->store, call->now, reply,
                            &call->request);

    switch (rc) {

    case NGX_AGAIN:

        if (purge->batches && purge->step == NGX_IOT_PURGE_LIST) {
            /* a task goes on */
            return NGX_OK;
        }

        return NGX_AGAIN;

    case NGX_OK:
        call->purge = NULL;
        call->operation.done = 1;
        return NGX_OK;

    case NGX_DECLINED:
        /* another has come to the end */
        call->purge = NULL;
        return ngx_iot_operation_read(call, &call->operation_id);

    default:
        return NGX_ERROR;
    }
}


/* the job is of no use */
static ngx_int_t
ngx_iot_delete_registry_unmarked(ngx_iot_call_t *call)
{
    if (ngx_iot_store_remove_job(&call->store, &call->operation.registry_id,
                                 &call->operation.id, &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->certain = 1;
    call->step = ngx_iot_delete_registry_end;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_delete_registry_end(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    if (call->work) {
        return ngx_iot_operation_read(call, call->work);
    }

    /* the call has its error */

    return NGX_DECLINED;
}
