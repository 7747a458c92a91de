
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


static ngx_int_t ngx_http_iot_parts_header(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_parts_output(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx, ngx_uint_t last);
static void ngx_http_iot_parts_free(void *data);
static ngx_int_t ngx_http_iot_parts_wait(ngx_http_request_t *r);
static void ngx_http_iot_parts_handler(ngx_http_request_t *r);


ngx_int_t
ngx_http_iot_send_part(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (!ctx->parts) {
        rc = ngx_http_iot_parts_header(r, ctx);

        if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
            return rc;
        }
    }

    rc = ngx_http_iot_parts_output(r, ctx, 0);

    if (rc == NGX_ERROR) {
        return ngx_http_iot_break_off(r, ctx);
    }

    if (rc == NGX_AGAIN) {
        return ngx_http_iot_parts_wait(r);
    }

    return ngx_http_iot_parts_next(r, ctx);
}


ngx_int_t
ngx_http_iot_send_last_part(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    /* what is left is sent by nginx, after the part's pool would be gone */

    ctx->call.pool = r->pool;

    return ngx_http_iot_parts_output(r, ctx, 1);
}


ngx_int_t
ngx_http_iot_break_off(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_error_t  *err;

    err = &ctx->call.error;

    if (err->message.len == 0) {
        ngx_iot_error(err, INTERNAL_ERROR, "the gateway failed");
    }

    ctx->code = ngx_iot_error_code(err);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "iot: an answer broke off in the middle: %V",
                  &err->message);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_iot_parts_header(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ctx->bufs = ngx_palloc(r->pool, 2 * sizeof(ngx_buf_t));

    if (ctx->bufs == NULL || ngx_http_iot_parts_init(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->parts = 1;
    ctx->answered = 1;
    ctx->code = NGX_IOT_OK;

    r->headers_out.status = NGX_HTTP_OK;

    ngx_http_iot_json_headers(r, 0);
    ngx_http_clear_content_length(r);

    return ngx_http_send_header(r);
}


ngx_int_t
ngx_http_iot_parts_init(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_pool_cleanup_t  *cln;

    /* not sooner than the request: HTTP/2 may send a frame after its end */

    cln = ngx_pool_cleanup_add(r->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_iot_parts_free;
    cln->data = ctx;

    return NGX_OK;
}


/* NGX_OK: the client has it all; NGX_AGAIN: the memory is still needed */
static ngx_int_t
ngx_http_iot_parts_output(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx,
    ngx_uint_t last)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_str_t     json;
    ngx_uint_t    held;
    ngx_pool_t   *pool;
    ngx_chain_t   out;

    /* behind another subrequest's output all of it waits, and must stay */

    held = (r != r->connection->data || r->postponed);
    pool = held ? r->pool : ctx->call.pool;

    if (ngx_iot_out_render(pool, ctx->call.wire, ctx->call.method->write,
                           &ctx->call, &json)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    b = held ? ngx_palloc(pool, sizeof(ngx_buf_t)) : &ctx->bufs[ctx->odd];
    if (b == NULL) {
        return NGX_ERROR;
    }

    ctx->odd ^= 1;

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->pos = json.data;
    b->last = json.data + json.len;

    /* of a part whose elements are gone only the flush is left */
    b->memory = (json.len != 0);

    if (last) {
        b->last_buf = (r == r->main) ? 1 : 0;
        b->last_in_chain = 1;

    } else {
        b->flush = 1;
    }

    out.buf = b;
    out.next = NULL;

    rc = ngx_http_output_filter(r, &out);

    if (last || rc == NGX_ERROR) {
        return rc;
    }

    return (rc == NGX_AGAIN || r->buffered || r->connection->buffered)
           ? NGX_AGAIN : NGX_OK;
}


ngx_int_t
ngx_http_iot_parts_next(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_call_t  *call;

    call = &ctx->call;

    ngx_http_iot_parts_free(ctx);

    ctx->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, r->connection->log);
    if (ctx->pool == NULL) {
        return ngx_http_iot_break_off(r, ctx);
    }

    call->pool = ctx->pool;
    call->store.pool = ctx->pool;

    return ngx_http_iot_call_step(r, ctx, call->method->more(call));
}


static void
ngx_http_iot_parts_free(void *data)
{
    ngx_http_iot_ctx_t  *ctx = data;

    if (ctx->pool) {
        ngx_destroy_pool(ctx->pool);
        ctx->pool = NULL;
    }
}


static ngx_int_t
ngx_http_iot_parts_wait(ngx_http_request_t *r)
{
    ngx_event_t               *wev;
    ngx_http_core_loc_conf_t  *clcf;

    wev = r->connection->write;
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;
    }

    r->write_event_handler = ngx_http_iot_parts_handler;

    if (!wev->delayed) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_DONE;
}


static void
ngx_http_iot_parts_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_event_t         *wev;
    ngx_connection_t    *c;
    ngx_http_iot_ctx_t  *ctx;

    c = r->connection;
    wev = c->write;
    ctx = ngx_http_get_module_ctx(r, ngx_http_iot_module);

    if (wev->timedout) {
        ngx_log_error(NGX_LOG_INFO, c->log, NGX_ETIMEDOUT,
                      "client timed out");
        c->timedout = 1;

        ngx_http_finalize_request(r, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    rc = ngx_http_output_filter(r, NULL);

    if (rc == NGX_ERROR) {
        ngx_http_finalize_request(r, NGX_ERROR);
        return;
    }

    if (rc == NGX_AGAIN || r->buffered || c->buffered) {
        rc = ngx_http_iot_parts_wait(r);

    } else {
        if (wev->timer_set && !wev->delayed) {
            ngx_del_timer(wev);
        }

        rc = ngx_http_iot_parts_next(r, ctx);
    }

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}
