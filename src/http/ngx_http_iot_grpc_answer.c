
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"
#include "ngx_iot_grpc.h"


/*
 * The length of a message goes before it, so that the parts of a long answer,
 * which make one message when they stand in a row, are kept until the last.
 */


static ngx_int_t ngx_http_iot_grpc_collect(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_grpc_append(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx, u_char *data, size_t len);
static ngx_int_t ngx_http_iot_grpc_begin(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_grpc_failed(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx, ngx_int_t rc);
static ngx_int_t ngx_http_iot_grpc_trailer(ngx_http_request_t *r);


ngx_int_t
ngx_http_iot_grpc_send_answer(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_buf_t  *last;

    rc = ngx_http_iot_grpc_collect(r, ctx);

    if (rc != NGX_OK) {
        return ngx_http_iot_grpc_failed(r, ctx, rc);
    }

    ngx_http_iot_deadline_stop(ctx);

    if (ngx_http_iot_poll_interval(r, &ctx->call.operation) != NGX_OK
        || ngx_http_iot_grpc_trailer(r) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answered = 1;
    ctx->code = NGX_IOT_OK;

    ngx_iot_grpc_prefix(ctx->message->buf->pos, ctx->message_len);

    last = ctx->message_last->buf;
    last->last_buf = 1;
    last->last_in_chain = 1;

    ngx_http_iot_grpc_headers(r);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, ctx->message);
}


ngx_int_t
ngx_http_iot_grpc_send_part(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_http_iot_grpc_collect(r, ctx);

    if (rc != NGX_OK) {
        return ngx_http_iot_grpc_failed(r, ctx, rc);
    }

    return ngx_http_iot_parts_next(r, ctx);
}


/* NGX_DECLINED: the message would be longer than clients take */
static ngx_int_t
ngx_http_iot_grpc_collect(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_str_t        part;
    ngx_iot_call_t  *call;

    call = &ctx->call;

    if (ctx->message == NULL && ngx_http_iot_grpc_begin(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_iot_out_render(r->pool, call->wire, call->method->write, call,
                           &part)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (part.len > NGX_IOT_GRPC_MESSAGE_MAX - ctx->message_len) {
        ngx_iot_error_format(r->pool, &call->error,
                             NGX_IOT_REASON_ANSWER_TOO_LARGE,
                             "the answer is longer than the 4 MiB that gRPC "
                             "clients take; read it in pages over REST: "
                             "GET %V?pageSize=100", &call->method->path);
        return NGX_DECLINED;
    }

    if (part.len == 0) {
        return NGX_OK;
    }

    ctx->message_len += part.len;

    return ngx_http_iot_grpc_append(r, ctx, part.data, part.len);
}


static ngx_int_t
ngx_http_iot_grpc_append(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx,
    u_char *data, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NGX_ERROR;
    }

    b->pos = data;
    b->last = data + len;
    b->memory = 1;

    cl->buf = b;
    cl->next = NULL;

    if (ctx->message) {
        ctx->message_last->next = cl;

    } else {
        ctx->message = cl;
    }

    ctx->message_last = cl;

    return NGX_OK;
}


/* room for the prefix, which is written when the length is known */
static ngx_int_t
ngx_http_iot_grpc_begin(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    u_char  *prefix;

    prefix = ngx_pnalloc(r->pool, NGX_IOT_GRPC_PREFIX_LEN);

    if (prefix == NULL || ngx_http_iot_parts_init(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_iot_grpc_append(r, ctx, prefix, NGX_IOT_GRPC_PREFIX_LEN);
}


static ngx_int_t
ngx_http_iot_grpc_failed(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx,
    ngx_int_t rc)
{
    return (rc == NGX_DECLINED) ? ngx_http_iot_grpc_send_error(r, ctx)
                                : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* HTTP/2 puts it behind the last buffer */
static ngx_int_t
ngx_http_iot_grpc_trailer(ngx_http_request_t *r)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.trailers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    ngx_str_set(&h->key, "grpc-status");
    ngx_str_set(&h->value, "0");
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    /* else the headers of an empty body would end the stream */

    r->expect_trailers = 1;

    return NGX_OK;
}
