
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


/* what is read, and looked at, in one turn of the event loop */
#define NGX_HTTP_IOT_SLICE_SIZE  32768

/*
 * A worker that was told to end waits for timers, not for posted events.  The
 * turn comes long before.
 */
#define NGX_HTTP_IOT_TURN_TIMEOUT  60000


static void ngx_http_iot_slices_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_iot_slices_read(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);


void
ngx_http_iot_slices_init(ngx_http_request_t *r)
{
    r->request_body_in_file_only = 1;
    r->request_body_in_clean_file = 1;
    r->request_body_file_log_level = NGX_LOG_INFO;
}


ngx_int_t
ngx_http_iot_slices_next(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_event_t  *turn;

    turn = &ctx->turn;

    turn->handler = ngx_http_iot_slices_handler;
    turn->data = ctx;
    turn->log = r->connection->log;

    if (ngx_http_iot_call_wait(r) != NGX_DONE) {
        return NGX_ERROR;
    }

    ngx_add_timer(turn, NGX_HTTP_IOT_TURN_TIMEOUT);
    ngx_post_event(turn, &ngx_posted_next_events);

    return NGX_DONE;
}


void
ngx_http_iot_slices_cancel(ngx_http_iot_ctx_t *ctx)
{
    ngx_event_t  *turn;

    turn = &ctx->turn;

    if (turn->timer_set) {
        ngx_del_timer(turn);
    }

    if (turn->posted) {
        ngx_delete_posted_event(turn);
    }
}


static void
ngx_http_iot_slices_handler(ngx_event_t *ev)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_http_iot_slices_cancel(ctx);

    rc = ngx_http_iot_slices_read(r, ctx);

    if (rc == NGX_OK) {
        rc = ctx->call.method->more(&ctx->call);
    }

    rc = ngx_http_iot_call_step(r, ctx, rc);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_iot_slices_read(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    off_t                     left;
    size_t                    size;
    ssize_t                   n;
    ngx_file_t               *file;
    ngx_iot_call_t           *call;
    ngx_http_request_body_t  *rb;

    call = &ctx->call;
    rb = r->request_body;

    call->now = ngx_http_iot_now();

    ngx_str_null(&call->body);
    call->last_slice = 1;

    if (rb == NULL || rb->temp_file == NULL) {
        return NGX_OK;
    }

    if (ctx->slice == NULL) {
        ctx->slice = ngx_palloc(r->pool, NGX_HTTP_IOT_SLICE_SIZE);
        if (ctx->slice == NULL) {
            return NGX_ERROR;
        }
    }

    file = &rb->temp_file->file;
    left = rb->temp_file->offset - call->offset;
    size = (size_t) ngx_min(left, NGX_HTTP_IOT_SLICE_SIZE);

    if (size == 0) {
        return NGX_OK;
    }

    n = ngx_read_file(file, ctx->slice, size, call->offset);

    if (n == NGX_ERROR || n == 0) {
        return NGX_ERROR;
    }

    call->body.data = ctx->slice;
    call->body.len = n;
    call->offset += n;
    call->last_slice = (n == left);

    return NGX_OK;
}
