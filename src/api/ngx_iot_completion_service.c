
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_operation_service.h"
#include "ngx_iot_json.h"
#include "ngx_iot_page.h"
#include "ngx_iot_shard.h"


/* where a backend finishes operations, and finds those that wait for it */


#define NGX_IOT_STATUS_MESSAGE_MAX  1024
#define NGX_IOT_STATUS_DETAILS_MAX  8192

#define NGX_IOT_PENDING_PIECE       100
#define NGX_IOT_PENDING_DEFAULT     100

/* shard, time of the last delivery, operation id */
#define NGX_IOT_PENDING_PLACE_LEN   (2 + 6 + NGX_IOT_OPERATION_ID_LEN)


typedef struct {
    ngx_iot_page_t                  page;
    ngx_iot_store_pending_place_t   place;      /* where it goes on */
    ngx_uint_t                      reading;    /* unsigned  reading:1; */

    ngx_uint_t                      nids;
    ngx_uint_t                      n;
    ngx_str_t                       ids[NGX_IOT_PENDING_PIECE + 1];
    ngx_iot_store_pending_place_t   places[NGX_IOT_PENDING_PIECE + 1];
    ngx_iot_operation_t             operations[NGX_IOT_PENDING_PIECE];
} ngx_iot_pending_list_t;


static ngx_int_t ngx_iot_finish_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_finish_read_status(ngx_iot_call_t *call,
    const ngx_str_t *text);
static ngx_int_t ngx_iot_finish_refused(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_finish_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_finish_write(ngx_iot_out_t *out, const void *data);
static const char *ngx_iot_finish_found(const ngx_iot_call_t *call);

static ngx_int_t ngx_iot_list_pending_prepare(ngx_iot_call_t *call);
static void ngx_iot_list_pending_begin(ngx_iot_pending_list_t *list);
static ngx_int_t ngx_iot_list_pending_request(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_pending_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_pending_shard(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_pending_records(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_list_pending_next(ngx_iot_call_t *call);
static void ngx_iot_list_pending_end(ngx_iot_pending_list_t *list);
static ngx_int_t ngx_iot_list_pending_more(ngx_iot_call_t *call);
static void ngx_iot_list_pending_write(ngx_iot_out_t *out,
    const void *data);
static ngx_uint_t ngx_iot_list_pending_wanted(
    const ngx_iot_pending_list_t *list);


static const ngx_iot_param_t  ngx_iot_finish_params[] = {
    ngx_iot_path_param("operation_id", "operationId", 0, operation_id),
    ngx_iot_no_param
};


static const ngx_iot_param_t  ngx_iot_list_pending_params[] = {
    ngx_iot_query_param("page_size", "pageSize", 0, NGX_IOT_FIELD_NUMBER,
                        page.size),
    ngx_iot_query_param("page_token", "pageToken", 0, NGX_IOT_FIELD_STRING,
                        page.token),
    ngx_iot_no_param
};


static const ngx_iot_method_t  ngx_iot_finish_operation = {
    ngx_string("CompletionService.Finish"),
    NGX_IOT_COMPLETION,
    NGX_IOT_POST,
    ngx_string("/operations/{operation_id}:finish"),
    ngx_null_string,
    NGX_IOT_METHOD_BODY|NGX_IOT_METHOD_LATE|NGX_IOT_METHOD_MUTATION,
    ngx_iot_finish_params,
    ngx_iot_finish_prepare,
    ngx_iot_finish_finish,
    ngx_iot_finish_write,
    NULL,
    ngx_iot_operation_not_found
};


static const ngx_iot_method_t  ngx_iot_list_pending = {
    ngx_string("CompletionService.List"),
    NGX_IOT_COMPLETION,
    NGX_IOT_GET,
    ngx_string("/operations"),
    ngx_null_string,
    0,
    ngx_iot_list_pending_params,
    ngx_iot_list_pending_prepare,
    ngx_iot_list_pending_finish,
    ngx_iot_list_pending_write,
    ngx_iot_list_pending_more,
    NULL
};


ngx_iot_service_t  ngx_iot_completion_service[] = {
    &ngx_iot_finish_operation,
    &ngx_iot_list_pending,
    NULL
};


static ngx_int_t
ngx_iot_finish_prepare(ngx_iot_call_t *call)
{
    ngx_int_t  rc;
    ngx_str_t  error;

    ngx_iot_field_t  fields[] = {
        { ngx_string("error"), ngx_string("error"), 0, &error,
          NGX_IOT_FIELD_MESSAGE }
    };

    rc = ngx_iot_json_read(call->pool, &call->body, fields, 1, &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    if (error.data) {
        rc = ngx_iot_finish_read_status(call, &error);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_iot_operation_request(call);
}


static ngx_int_t
ngx_iot_finish_read_status(ngx_iot_call_t *call, const ngx_str_t *text)
{
    ngx_int_t          rc, number;
    ngx_str_t          code;
    ngx_iot_status_t  *status;

    status = &call->finish.error;

    ngx_iot_field_t  fields[] = {
        { ngx_string("code"), ngx_string("code"), 0, &code,
          NGX_IOT_FIELD_NUMBER },
        { ngx_string("message"), ngx_string("message"), 0, &status->message,
          NGX_IOT_FIELD_STRING },
        { ngx_string("details"), ngx_string("details"), 0, &status->details,
          NGX_IOT_FIELD_LIST }
    };

    rc = ngx_iot_json_read(call->pool, text, fields, 3, &call->error);
    if (rc != NGX_OK) {
        return (rc == NGX_DECLINED) ? ngx_iot_finish_refused(call) : rc;
    }

    number = code.data ? ngx_atoi(code.data, code.len) : NGX_ERROR;

    if (number < NGX_IOT_CANCELLED || number > NGX_IOT_UNAUTHENTICATED) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "error.code",
                            "an error's code is a google.rpc.Code, 1 to 16");
        return NGX_DECLINED;
    }

    if (status->message.len > NGX_IOT_STATUS_MESSAGE_MAX) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "error.message",
                            "an error's message has at most 1024 bytes");
        return NGX_DECLINED;
    }

    if (status->details.len > NGX_IOT_STATUS_DETAILS_MAX) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "error.details",
                            "an error's details have at most 8192 bytes");
        return NGX_DECLINED;
    }

    status->code = (ngx_uint_t) number;

    return NGX_OK;
}


/* the field is one of the error */
static ngx_int_t
ngx_iot_finish_refused(ngx_iot_call_t *call)
{
    u_char     *p;
    ngx_str_t  *field;

    field = &call->error.field;

    p = ngx_pnalloc(call->pool, sizeof("error.") - 1 + field->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    field->len = ngx_sprintf(p, "error.%V", field) - p;
    field->data = p;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_iot_finish_finish(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t             rc;
    ngx_iot_operation_t  *operation;

    operation = &call->operation;

    rc = ngx_iot_operation_record(call, reply);
    if (rc != NGX_OK) {
        return rc;
    }

    if (operation->done) {
        call->found = 1;
        return ngx_iot_operation_response(call);
    }

    if (!ngx_iot_operation_has_certificate(operation)) {
        ngx_iot_error(&call->error, OPERATION_OF_GATEWAY,
                      "the gateway itself finishes this operation");
        return NGX_DECLINED;
    }

    return ngx_iot_operation_finish(call);
}


static void
ngx_iot_finish_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_literal(out, "found", 0, ngx_iot_finish_found(call));
    ngx_iot_operation_write(out, "operation", 0, &call->operation);
    ngx_iot_out_message_end(out);
}


/* the state in which the request found the operation */
static const char *
ngx_iot_finish_found(const ngx_iot_call_t *call)
{
    if (!call->found) {
        return "PENDING";
    }

    switch (call->operation.error.code) {

    case NGX_IOT_OK:
        return "SUCCEEDED";

    case NGX_IOT_CANCELLED:
        return "CANCELLED";

    default:
        return "FAILED";
    }
}


static ngx_int_t
ngx_iot_list_pending_prepare(ngx_iot_call_t *call)
{
    ngx_int_t                rc;
    ngx_iot_pending_list_t  *list;

    list = ngx_pcalloc(call->pool, sizeof(ngx_iot_pending_list_t));
    if (list == NULL) {
        return NGX_ERROR;
    }

    call->list = list;

    rc = ngx_iot_page_read(call, NGX_IOT_PENDING_PLACE_LEN,
                           NGX_IOT_PENDING_DEFAULT, &list->page);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_iot_list_pending_begin(list);

    return ngx_iot_list_pending_request(call);
}


static void
ngx_iot_list_pending_begin(ngx_iot_pending_list_t *list)
{
    u_char                         *p;
    ngx_uint_t                      i;
    ngx_iot_store_pending_place_t  *place;

    place = &list->place;

    if (list->page.after.len == 0) {
        ngx_memset(place->id, '0', NGX_IOT_OPERATION_ID_LEN);
        return;
    }

    p = list->page.after.data;

    place->shard = (p[0] << 8 | p[1]) % NGX_IOT_SHARDS;
    p += 2;

    for (i = 0; i < 6; i++) {
        place->delivered = place->delivered << 8 | *p++;
    }

    ngx_memcpy(place->id, p, NGX_IOT_OPERATION_ID_LEN);
}


/* asks the shard for one more than is wanted: whether it has more */
static ngx_int_t
ngx_iot_list_pending_request(ngx_iot_call_t *call)
{
    ngx_iot_pending_list_t  *list;

    list = call->list;
    list->reading = 0;

    if (ngx_iot_store_list_pending(&call->store, &list->place,
                                   ngx_iot_list_pending_wanted(list) + 1,
                                   &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_uint_t
ngx_iot_list_pending_wanted(const ngx_iot_pending_list_t *list)
{
    return ngx_iot_page_wanted(&list->page, NGX_IOT_PENDING_PIECE - list->n);
}


static ngx_int_t
ngx_iot_list_pending_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_pending_list_t  *list;

    list = call->list;

    if (!list->reading) {
        return ngx_iot_list_pending_shard(call, reply);
    }

    return ngx_iot_list_pending_records(call, reply);
}


static ngx_int_t
ngx_iot_list_pending_shard(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t               n, wanted;
    ngx_iot_pending_list_t  *list;
    ngx_iot_store_result_e   result;

    list = call->list;
    wanted = ngx_iot_list_pending_wanted(list);
    n = wanted + 1;

    result = ngx_iot_store_pending_listed(&call->store, reply,
                                          list->place.shard, list->ids,
                                          list->places, &n);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    list->nids = ngx_iot_page_piece(&list->page, n, wanted);

    if (list->nids == 0) {
        return ngx_iot_list_pending_next(call);
    }

    list->reading = 1;

    if (ngx_iot_store_read_operations(&call->store, list->ids, list->nids,
                                      &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_list_pending_records(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t               n;
    ngx_iot_pending_list_t  *list;
    ngx_iot_store_result_e   result;

    list = call->list;
    n = list->nids;

    result = ngx_iot_store_operations(&call->store, reply, list->ids, &n,
                                      list->operations + list->n);
    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_call_store_failed(call, result);
    }

    list->n += n;
    list->page.left -= list->nids;
    list->place = list->places[list->nids - 1];

    return ngx_iot_list_pending_next(call);
}


/* the shard was read as far as was wanted: it goes on there or with another */
static ngx_int_t
ngx_iot_list_pending_next(ngx_iot_call_t *call)
{
    ngx_uint_t               shard;
    ngx_iot_pending_list_t  *list;

    list = call->list;

    if (!list->page.more) {
        shard = list->place.shard + 1;

        if (shard == NGX_IOT_SHARDS) {
            list->page.last = 1;
            return NGX_OK;
        }

        ngx_memzero(&list->place, sizeof(ngx_iot_store_pending_place_t));
        ngx_memset(list->place.id, '0', NGX_IOT_OPERATION_ID_LEN);
        list->place.shard = shard;
    }

    if (list->page.left == 0) {
        ngx_iot_list_pending_end(list);
        return NGX_OK;
    }

    if (list->n == NGX_IOT_PENDING_PIECE) {
        return NGX_BUSY;
    }

    return ngx_iot_list_pending_request(call);
}


/* the page ends here, and another begins behind the place */
static void
ngx_iot_list_pending_end(ngx_iot_pending_list_t *list)
{
    u_char      *p, bytes[NGX_IOT_PENDING_PLACE_LEN];
    ngx_str_t    text;
    ngx_uint_t   i;

    p = bytes;

    *p++ = (u_char) (list->place.shard >> 8);
    *p++ = (u_char) list->place.shard;

    for (i = 6; i > 0; i--) {
        *p++ = (u_char) (list->place.delivered >> 8 * (i - 1));
    }

    ngx_memcpy(p, list->place.id, NGX_IOT_OPERATION_ID_LEN);

    text.data = bytes;
    text.len = NGX_IOT_PENDING_PLACE_LEN;

    ngx_iot_page_set(&list->page, &text);

    list->page.more = 1;
    list->page.last = 1;
}


static ngx_int_t
ngx_iot_list_pending_more(ngx_iot_call_t *call)
{
    ngx_iot_pending_list_t  *list;

    list = call->list;

    ngx_iot_page_sent(&list->page, list->n);
    list->n = 0;

    return ngx_iot_list_pending_request(call);
}


static void
ngx_iot_list_pending_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_uint_t                     i;
    const ngx_iot_pending_list_t  *list;

    list = call->list;

    ngx_iot_page_write_begin(out, &list->page, "operations");

    for (i = 0; i < list->n; i++) {
        ngx_iot_operation_write(out, NULL, 1, &list->operations[i]);
    }

    ngx_iot_page_write_end(out, &list->page, call);
}
