
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_page.h"
#include "ngx_iot_registry_service.h"
#include "ngx_iot_store_registry.h"


/*
 * List: the places of a piece of the folder's list are read, then their
 * registries, which tell whether they are there.
 */


#define NGX_IOT_REGISTRIES_PIECE    100
#define NGX_IOT_REGISTRIES_DEFAULT  100


typedef struct {
    ngx_iot_page_t           page;
    ngx_uint_t               nplaces;
    ngx_uint_t               nread;
    ngx_uint_t               n;
    ngx_str_t                places[NGX_IOT_REGISTRIES_PIECE + 1];
    ngx_iot_registry_t       registries[NGX_IOT_REGISTRIES_PIECE];
} ngx_iot_registry_list_t;


static ngx_int_t ngx_iot_list_registries_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_registries_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_registries_more(ngx_iot_call_t *call);
static void ngx_iot_list_registries_write(ngx_iot_out_t *out,
    const void *data);
static ngx_int_t ngx_iot_list_registries_request(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_registries_read(ngx_iot_call_t *call);
static ngx_uint_t ngx_iot_list_registries_step(const ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_registries_records(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_registries_clean(ngx_iot_call_t *call);
static ngx_uint_t ngx_iot_list_registries_there(const ngx_iot_call_t *call,
    ngx_uint_t i);
static ngx_int_t ngx_iot_list_registries_cleaned(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_registries_part(ngx_iot_call_t *call);


static const ngx_iot_param_t  ngx_iot_list_registries_params[] = {
    ngx_iot_query_param("folder_id", "folderId", 1, NGX_IOT_FIELD_STRING,
                        folder_id),
    ngx_iot_query_param("page_size", "pageSize", 2, NGX_IOT_FIELD_NUMBER,
                        page.size),
    ngx_iot_query_param("page_token", "pageToken", 3, NGX_IOT_FIELD_STRING,
                        page.token),
    ngx_iot_no_param
};


const ngx_iot_method_t  ngx_iot_list_registries = {
    ngx_string("RegistryService.List"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_GET,
    ngx_string(NGX_IOT_REGISTRIES),
    ngx_string(NGX_IOT_REGISTRY_RPC "List"),
    0,
    ngx_iot_list_registries_params,
    ngx_iot_list_registries_prepare,
    ngx_iot_list_registries_finish,
    ngx_iot_list_registries_write,
    ngx_iot_list_registries_more,
    NULL
};


static ngx_int_t
ngx_iot_list_registries_prepare(ngx_iot_call_t *call)
{
    ngx_int_t                 rc;
    ngx_iot_registry_list_t  *list;

    rc = ngx_iot_folder_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    list = ngx_pcalloc(call->pool, sizeof(ngx_iot_registry_list_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    call->list = list;

    rc = ngx_iot_page_read(call, 0, NGX_IOT_REGISTRIES_DEFAULT, &list->page);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_iot_list_registries_request(call);
}


static ngx_int_t
ngx_iot_list_registries_more(ngx_iot_call_t *call)
{
    ngx_iot_registry_list_t  *list;

    list = call->list;

    ngx_iot_page_sent(&list->page, list->n);

    return ngx_iot_list_registries_request(call);
}


static ngx_int_t
ngx_iot_list_registries_request(ngx_iot_call_t *call)
{
    ngx_uint_t                wanted;
    ngx_iot_registry_list_t  *list;

    list = call->list;
    wanted = ngx_iot_page_wanted(&list->page, NGX_IOT_REGISTRIES_PIECE);

    call->step = NULL;

    if (ngx_iot_store_list_folder(&call->store, &call->folder_id,
                                  &list->page.after, wanted + 1,
                                  &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_list_registries_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t                n, wanted;
    ngx_iot_store_result_e    result;
    ngx_iot_registry_list_t  *list;

    list = call->list;
    wanted = ngx_iot_page_wanted(&list->page, NGX_IOT_REGISTRIES_PIECE);
    n = wanted + 1;

    result = ngx_iot_store_folder_listed(&call->store, reply, list->places,
                                         &n);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    list->nplaces = ngx_iot_page_piece(&list->page, n, wanted);
    list->nread = 0;
    list->n = 0;

    if (list->nplaces == 0) {
        return ngx_iot_list_registries_part(call);
    }

    return ngx_iot_list_registries_read(call);
}


static ngx_int_t
ngx_iot_list_registries_read(ngx_iot_call_t *call)
{
    ngx_iot_registry_list_t  *list;

    list = call->list;

    if (ngx_iot_store_read_registries(&call->store,
                                      &list->places[list->nread],
                                      ngx_iot_list_registries_step(call),
                                      &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->step = ngx_iot_list_registries_records;

    return NGX_AGAIN;
}


/* how many are read at once: they are in many slots */
static ngx_uint_t
ngx_iot_list_registries_step(const ngx_iot_call_t *call)
{
    const ngx_iot_registry_list_t  *list;

    list = call->list;

    return call->store.cluster ? 1 : list->nplaces - list->nread;
}


static ngx_int_t
ngx_iot_list_registries_records(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t                n;
    ngx_iot_store_result_e    result;
    ngx_iot_registry_list_t  *list;

    list = call->list;
    n = ngx_iot_list_registries_step(call);

    result = ngx_iot_store_registries(&call->store, reply,
                                      &list->places[list->nread], n,
                                      &list->registries[list->nread]);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    list->nread += n;

    return (list->nread < list->nplaces) ? ngx_iot_list_registries_read(call)
                                         : ngx_iot_list_registries_clean(call);
}


/*
 * Keeps the registries that are there.  A place is taken before its registry
 * is created and given back after it was deleted: one that is old and has none
 * is what a lost step has left.
 */
static ngx_int_t
ngx_iot_list_registries_clean(ngx_iot_call_t *call)
{
    ngx_str_t                *old;
    ngx_uint_t                i, nold;
    ngx_iot_registry_list_t  *list;

    list = call->list;
    nold = 0;

    old = ngx_palloc(call->pool, list->nplaces * sizeof(ngx_str_t));
    if (old == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < list->nplaces; i++) {

        if (ngx_iot_list_registries_there(call, i)) {
            list->registries[list->n++] = list->registries[i];

        } else if (ngx_iot_store_place_time(&list->places[i])
                   + NGX_IOT_STORE_FENCE_LIFE
                   < call->now)
        {
            old[nold++] = list->places[i];
        }
    }

    if (nold == 0) {
        return ngx_iot_list_registries_part(call);
    }

    if (ngx_iot_store_forget_places(&call->store, &call->folder_id, old, nold,
                                    &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->step = ngx_iot_list_registries_cleaned;

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_iot_list_registries_there(const ngx_iot_call_t *call, ngx_uint_t i)
{
    const ngx_iot_registry_t       *registry;
    const ngx_iot_registry_list_t  *list;

    list = call->list;
    registry = &list->registries[i];

    return registry->created_at == ngx_iot_store_place_time(&list->places[i])
           && registry->folder_id.len == call->folder_id.len
           && ngx_memcmp(registry->folder_id.data, call->folder_id.data,
                         call->folder_id.len)
              == 0;
}


static ngx_int_t
ngx_iot_list_registries_cleaned(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_list_registries_part(call);
}


/* the piece was read: its part can be written */
static ngx_int_t
ngx_iot_list_registries_part(ngx_iot_call_t *call)
{
    ngx_iot_registry_list_t  *list;

    list = call->list;

    return ngx_iot_page_part(&list->page, list->places, list->nplaces);
}


static void
ngx_iot_list_registries_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_uint_t                      i;
    const ngx_iot_registry_list_t  *list;

    list = call->list;

    ngx_iot_page_write_begin(out, &list->page, "registries");

    for (i = 0; i < list->n; i++) {
        ngx_iot_out_message(out, NULL, 1);
        ngx_iot_registry_write(out, &list->registries[i]);
        ngx_iot_out_message_end(out);
    }

    ngx_iot_page_write_end(out, &list->page, call);
}
