
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_registry_service.h"
#include "ngx_iot_page.h"


/*
 * ListCertificates: the places of a piece of the list are read, then their
 * certificates.  Without a size the page is the whole list.
 */


#define NGX_IOT_LIST_PIECE  100


typedef struct {
    ngx_iot_page_t           page;
    ngx_uint_t               reading;   /* unsigned  reading:1; certificates */

    ngx_uint_t               nplaces;
    ngx_uint_t               n;
    ngx_str_t                places[NGX_IOT_LIST_PIECE + 1];
    ngx_iot_certificate_t    certificates[NGX_IOT_LIST_PIECE];
} ngx_iot_certificate_list_t;


static ngx_int_t ngx_iot_list_certificates_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_certificates_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_certificates_more(ngx_iot_call_t *call);
static void ngx_iot_list_certificates_write(ngx_iot_out_t *out,
    const void *data);
static ngx_int_t ngx_iot_list_certificates_request(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_certificates_places(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_certificates_records(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);


/* paging is of this gateway only: the proto has none */

static const ngx_iot_param_t  ngx_iot_list_certificates_params[] = {
    ngx_iot_path_param("registry_id", "registryId", 1, registry_id),
    ngx_iot_query_param("page_size", "pageSize", 0, NGX_IOT_FIELD_NUMBER,
                        page.size),
    ngx_iot_query_param("page_token", "pageToken", 0, NGX_IOT_FIELD_STRING,
                        page.token),
    ngx_iot_no_param
};


const ngx_iot_method_t  ngx_iot_list_certificates = {
    ngx_string("RegistryService.ListCertificates"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_GET,
    ngx_string("/iot-devices/v1/registries/{registry_id}/certificates"),
    ngx_string(NGX_IOT_REGISTRY_RPC "ListCertificates"),
    0,
    ngx_iot_list_certificates_params,
    ngx_iot_list_certificates_prepare,
    ngx_iot_list_certificates_finish,
    ngx_iot_list_certificates_write,
    ngx_iot_list_certificates_more,
    NULL
};


static ngx_int_t
ngx_iot_list_certificates_prepare(ngx_iot_call_t *call)
{
    ngx_int_t                    rc;
    ngx_iot_certificate_list_t  *list;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    list = ngx_pcalloc(call->pool, sizeof(ngx_iot_certificate_list_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    call->list = list;

    rc = ngx_iot_page_read(call, NGX_IOT_LIST_MEMBER_LEN, NGX_IOT_PAGE_WHOLE,
                           &list->page);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_iot_list_certificates_request(call);
}


static ngx_int_t
ngx_iot_list_certificates_more(ngx_iot_call_t *call)
{
    ngx_iot_certificate_list_t  *list;

    list = call->list;

    ngx_iot_page_sent(&list->page, list->n);

    return ngx_iot_list_certificates_request(call);
}


static ngx_int_t
ngx_iot_list_certificates_request(ngx_iot_call_t *call)
{
    ngx_uint_t                   wanted;
    ngx_iot_certificate_list_t  *list;

    list = call->list;
    wanted = ngx_iot_page_wanted(&list->page, NGX_IOT_LIST_PIECE);

    if (ngx_iot_store_list_certificates(&call->store, &call->registry_id,
                                        &list->page.after, wanted + 1,
                                        &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_list_certificates_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_certificate_list_t  *list;

    list = call->list;

    if (!list->reading) {
        return ngx_iot_list_certificates_places(call, reply);
    }

    return ngx_iot_list_certificates_records(call, reply);
}


static ngx_int_t
ngx_iot_list_certificates_places(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t                   n, wanted;
    ngx_iot_store_result_e       result;
    ngx_iot_certificate_list_t  *list;

    list = call->list;
    wanted = ngx_iot_page_wanted(&list->page, NGX_IOT_LIST_PIECE);
    n = wanted + 1;

    result = ngx_iot_store_certificates_listed(&call->store, reply,
                                               list->places, &n);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_certificate_refused(call, result);
    }

    list->nplaces = ngx_iot_page_piece(&list->page, n, wanted);

    if (list->nplaces == 0) {
        list->n = 0;
        return ngx_iot_page_part(&list->page, NULL, 0);
    }

    list->reading = 1;

    if (ngx_iot_store_read_records(&call->store, &call->registry_id,
                                   list->places, list->nplaces,
                                   &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_list_certificates_records(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t                   i;
    ngx_iot_store_result_e       result;
    ngx_iot_certificate_list_t  *list;

    list = call->list;
    list->n = list->nplaces;

    result = ngx_iot_store_records(&call->store, reply, list->places,
                                   &list->n, list->certificates);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_certificate_refused(call, result);
    }

    for (i = 0; i < list->n; i++) {
        list->certificates[i].registry_id = call->registry_id;
    }

    list->reading = 0;

    return ngx_iot_page_part(&list->page, list->places, list->nplaces);
}


static void
ngx_iot_list_certificates_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_uint_t                         i;
    const ngx_iot_certificate_list_t  *list;

    list = call->list;

    ngx_iot_page_write_begin(out, &list->page, "certificates");

    for (i = 0; i < list->n; i++) {
        ngx_iot_out_message(out, NULL, 1);
        ngx_iot_certificate_write(out, &list->certificates[i]);
        ngx_iot_out_message_end(out);
    }

    ngx_iot_page_write_end(out, &list->page, call);
}
