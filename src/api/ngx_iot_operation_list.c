
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_registry_service.h"
#include "ngx_iot_page.h"
#include "ngx_iot_store_registry.h"


/*
 * ListOperations: the ids of a piece of the list are read, then their records,
 * then the certificates that they answer and, if one answers it, the registry.
 */


#define NGX_IOT_OPERATIONS_PIECE    100
#define NGX_IOT_OPERATIONS_DEFAULT  100


typedef enum {
    NGX_IOT_OPERATIONS_IDS = 0,
    NGX_IOT_OPERATIONS_RECORDS,
    NGX_IOT_OPERATIONS_RESPONSES,
    NGX_IOT_OPERATIONS_REGISTRY
} ngx_iot_operations_step_e;


typedef struct {
    ngx_iot_page_t              page;
    ngx_iot_operations_step_e   step;       /* what the store is asked for */

    ngx_uint_t                  nids;
    ngx_uint_t                  n;
    ngx_str_t                   ids[NGX_IOT_OPERATIONS_PIECE + 1];
    ngx_iot_operation_t         operations[NGX_IOT_OPERATIONS_PIECE];
} ngx_iot_operation_list_t;


static ngx_int_t ngx_iot_list_operations_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_operations_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_operations_more(ngx_iot_call_t *call);
static void ngx_iot_list_operations_write(ngx_iot_out_t *out,
    const void *data);
static ngx_int_t ngx_iot_list_operations_request(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_operations_ids(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_operations_records(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_operations_responses(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_operations_registry(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_operations_registry_read(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_operations_part(
    ngx_iot_operation_list_t *list);


static const ngx_iot_param_t  ngx_iot_list_operations_params[] = {
    ngx_iot_path_param("registry_id", "registryId", 1, registry_id),
    ngx_iot_query_param("page_size", "pageSize", 2, NGX_IOT_FIELD_NUMBER,
                        page.size),
    ngx_iot_query_param("page_token", "pageToken", 3, NGX_IOT_FIELD_STRING,
                        page.token),
    ngx_iot_query_param("filter", "filter", 4, NGX_IOT_FIELD_STRING,
                        page.filter),
    ngx_iot_no_param
};


const ngx_iot_method_t  ngx_iot_list_operations = {
    ngx_string("RegistryService.ListOperations"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_GET,
    ngx_string("/iot-devices/v1/registries/{registry_id}/operations"),
    ngx_string(NGX_IOT_REGISTRY_RPC "ListOperations"),
    0,
    ngx_iot_list_operations_params,
    ngx_iot_list_operations_prepare,
    ngx_iot_list_operations_finish,
    ngx_iot_list_operations_write,
    ngx_iot_list_operations_more,
    NULL
};


static ngx_int_t
ngx_iot_list_operations_prepare(ngx_iot_call_t *call)
{
    ngx_int_t                  rc;
    ngx_iot_operation_list_t  *list;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    if (call->page.filter.len) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "filter",
                            "operations cannot be filtered");
        return NGX_DECLINED;
    }

    list = ngx_pcalloc(call->pool, sizeof(ngx_iot_operation_list_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    call->list = list;

    rc = ngx_iot_page_read(call, NGX_IOT_OPERATION_ID_LEN,
                           NGX_IOT_OPERATIONS_DEFAULT, &list->page);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_iot_list_operations_request(call);
}


static ngx_int_t
ngx_iot_list_operations_more(ngx_iot_call_t *call)
{
    ngx_iot_operation_list_t  *list;

    list = call->list;

    ngx_iot_page_sent(&list->page, list->n);

    return ngx_iot_list_operations_request(call);
}


static ngx_int_t
ngx_iot_list_operations_request(ngx_iot_call_t *call)
{
    ngx_uint_t                 wanted;
    ngx_iot_operation_list_t  *list;

    list = call->list;
    wanted = ngx_iot_page_wanted(&list->page, NGX_IOT_OPERATIONS_PIECE);

    list->step = NGX_IOT_OPERATIONS_IDS;

    if (ngx_iot_store_list_operations(&call->store, &call->registry_id,
                                      &list->page.after, wanted + 1,
                                      &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_list_operations_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_operation_list_t  *list;

    list = call->list;

    switch (list->step) {

    case NGX_IOT_OPERATIONS_IDS:
        return ngx_iot_list_operations_ids(call, reply);

    case NGX_IOT_OPERATIONS_RECORDS:
        return ngx_iot_list_operations_records(call, reply);

    case NGX_IOT_OPERATIONS_RESPONSES:
        return ngx_iot_list_operations_responses(call, reply);

    default:    /* NGX_IOT_OPERATIONS_REGISTRY */
        return ngx_iot_list_operations_registry_read(call, reply);
    }
}


static ngx_int_t
ngx_iot_list_operations_ids(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t                 n, wanted;
    ngx_iot_store_result_e     result;
    ngx_iot_operation_list_t  *list;

    list = call->list;
    wanted = ngx_iot_page_wanted(&list->page, NGX_IOT_OPERATIONS_PIECE);
    n = wanted + 1;

    result = ngx_iot_store_operations_listed(&call->store, reply, list->ids,
                                             &n);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_certificate_refused(call, result);
    }

    list->nids = ngx_iot_page_piece(&list->page, n, wanted);

    if (list->nids == 0) {
        list->n = 0;
        return ngx_iot_list_operations_part(list);
    }

    list->step = NGX_IOT_OPERATIONS_RECORDS;

    if (ngx_iot_store_read_operations(&call->store, list->ids, list->nids,
                                      &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_list_operations_records(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t                  rc;
    ngx_iot_store_result_e     result;
    ngx_iot_operation_list_t  *list;

    list = call->list;
    list->n = list->nids;

    result = ngx_iot_store_operations(&call->store, reply, list->ids,
                                      &list->n, list->operations);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    list->step = NGX_IOT_OPERATIONS_RESPONSES;

    rc = ngx_iot_store_read_responses(&call->store, list->operations, list->n,
                                      &call->request);

    switch (rc) {

    case NGX_OK:
        return NGX_AGAIN;

    case NGX_DECLINED:
        return ngx_iot_list_operations_registry(call);

    default:
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_iot_list_operations_responses(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_store_result_e     result;
    ngx_iot_operation_list_t  *list;

    list = call->list;

    result = ngx_iot_store_responses(&call->store, reply, list->operations,
                                     list->n);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    return ngx_iot_list_operations_registry(call);
}


/* all that answer a registry answer the one of the path, as it is now */
static ngx_int_t
ngx_iot_list_operations_registry(ngx_iot_call_t *call)
{
    ngx_uint_t                 i;
    ngx_iot_operation_list_t  *list;

    list = call->list;

    for (i = 0; i < list->n; i++) {
        if (ngx_iot_operation_answers_registry(&list->operations[i])) {
            break;
        }
    }

    if (i == list->n) {
        return ngx_iot_list_operations_part(list);
    }

    list->step = NGX_IOT_OPERATIONS_REGISTRY;

    if (ngx_iot_store_get_registry(&call->store, &call->registry_id,
                                   &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_list_operations_registry_read(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t                 i;
    ngx_iot_registry_t         registry;
    ngx_iot_store_result_e     result;
    ngx_iot_operation_list_t  *list;

    list = call->list;

    ngx_memzero(&registry, sizeof(ngx_iot_registry_t));
    registry.id = call->registry_id;

    result = ngx_iot_store_registry_response(&call->store, reply, &registry);

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    for (i = 0; i < list->n; i++) {
        list->operations[i].registry = registry;
    }

    return ngx_iot_list_operations_part(list);
}


/* the piece was read: its part can be written */
static ngx_int_t
ngx_iot_list_operations_part(ngx_iot_operation_list_t *list)
{
    return ngx_iot_page_part(&list->page, list->ids, list->nids);
}


static void
ngx_iot_list_operations_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_uint_t                       i;
    const ngx_iot_operation_list_t  *list;

    list = call->list;

    ngx_iot_page_write_begin(out, &list->page, "operations");

    for (i = 0; i < list->n; i++) {
        ngx_iot_operation_write(out, NULL, 1, &list->operations[i]);
    }

    ngx_iot_page_write_end(out, &list->page, call);
}
