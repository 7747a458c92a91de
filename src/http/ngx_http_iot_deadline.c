
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"
#include "ngx_iot_grpc.h"


/*
 * The deadline of a call, grpc-timeout: from the moment when the request began
 * to the moment when its answer does.
 */


static void ngx_http_iot_deadline_handler(ngx_event_t *ev);
static void ngx_http_iot_deadline_stop_reading(ngx_http_request_t *r);
static void ngx_http_iot_deadline_cleanup(void *data);


ngx_int_t
ngx_http_iot_deadline_start(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_str_t            value;
    ngx_msec_t           timeout;
    ngx_time_t          *tp;
    ngx_event_t         *deadline;
    ngx_msec_int_t       elapsed;
    ngx_http_cleanup_t  *cln;

    ngx_http_iot_header(r, "grpc-timeout", &value);

    if (value.data == NULL) {
        return NGX_OK;
    }

    if (ngx_iot_grpc_timeout(&value, &timeout, &ctx->call.error) != NGX_OK) {
        return NGX_DECLINED;
    }

    /* what auth_request and others took of it */

    tp = ngx_timeofday();

    elapsed = (ngx_msec_int_t) (tp->sec - r->start_sec) * 1000
              + ((ngx_msec_int_t) tp->msec - (ngx_msec_int_t) r->start_msec);
    elapsed = ngx_max(elapsed, 0);

    if ((ngx_msec_t) elapsed >= timeout) {
        ngx_iot_call_expired(&ctx->call);
        return NGX_DECLINED;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_iot_deadline_cleanup;
    cln->data = ctx;

    deadline = &ctx->deadline;

    deadline->handler = ngx_http_iot_deadline_handler;
    deadline->data = ctx;
    deadline->log = ngx_cycle->log;

    ngx_add_timer(deadline, timeout - elapsed);

    return NGX_OK;
}


void
ngx_http_iot_deadline_stop(ngx_http_iot_ctx_t *ctx)
{
    if (ctx->deadline.timer_set) {
        ngx_del_timer(&ctx->deadline);
    }
}


static void
ngx_http_iot_deadline_handler(ngx_event_t *ev)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    /* nginx's own answer is on its way */

    if (r->header_sent) {
        return;
    }

    ngx_http_set_log_request(c->log, r);

    ngx_http_iot_deadline_stop_reading(r);
    ngx_http_iot_call_stop(ctx);
    ngx_iot_call_expired(&ctx->call);

    rc = ctx->door->error(r, ctx);

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


/* the body may still come */
static void
ngx_http_iot_deadline_stop_reading(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    r->read_event_handler = ngx_http_block_reading;

    if (rev->timer_set) {
        ngx_del_timer(rev);
    }

#if (NGX_HTTP_V2)
    if (r->stream) {
        r->stream->skip_data = 1;
    }
#endif
}


static void
ngx_http_iot_deadline_cleanup(void *data)
{
    ngx_http_iot_deadline_stop(data);
}
