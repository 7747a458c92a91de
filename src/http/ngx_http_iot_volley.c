
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


/* a request of several that are on their way at once */

struct ngx_http_iot_shot_s {
    ngx_http_iot_ctx_t        *ctx;
    ngx_iot_redis_command_t   *command;
};


static void ngx_http_iot_volley_done(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_http_iot_volley_take(ngx_http_iot_ctx_t *ctx,
    ngx_uint_t n, ngx_iot_redis_outcome_e outcome,
    const ngx_iot_resp_reply_t *reply);


ngx_int_t
ngx_http_iot_volley(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_uint_t                i, n, busy;
    ngx_iot_call_t           *call;
    ngx_http_iot_shot_t      *shot;
    ngx_http_iot_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    call = &ctx->call;
    n = call->nrequests;

    ctx->shots = ngx_pcalloc(call->pool, n * sizeof(ngx_http_iot_shot_t));
    if (ctx->shots == NULL) {
        return NGX_ERROR;
    }

    ctx->nshots = n;
    ctx->flying = 0;
    ctx->volley_rc = NGX_OK;

    for (i = 0; i < n; i++) {
        shot = &ctx->shots[i];

        shot->ctx = ctx;
        shot->command = ngx_iot_redis_submit(ilcf->store, &call->requests[i],
                                             ngx_http_iot_volley_done, shot,
                                             &busy);
        if (shot->command == NULL) {
            ngx_http_iot_volley_cancel(ctx);

            if (busy) {
                ngx_iot_call_queue_full(call);

            } else {
                ngx_iot_call_unavailable(call);
            }

            return NGX_DECLINED;
        }

        ctx->flying++;
    }

    ctx->sent = ngx_current_msec;

    if (ngx_http_iot_call_wait(r) != NGX_DONE) {
        ngx_http_iot_volley_cancel(ctx);
        return NGX_ERROR;
    }

    return NGX_DONE;
}


void
ngx_http_iot_volley_cancel(ngx_http_iot_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = 0; i < ctx->nshots; i++) {
        if (ctx->shots[i].command) {
            ngx_iot_redis_cancel(ctx->shots[i].command);
            ctx->shots[i].command = NULL;
        }
    }

    ctx->nshots = 0;
    ctx->flying = 0;
}


/* what one of them says is taken at once; the call goes on after the last */
static void
ngx_http_iot_volley_done(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    ngx_int_t             rc;
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_iot_ctx_t   *ctx;
    ngx_http_iot_shot_t  *shot;

    shot = data;
    ctx = shot->ctx;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    shot->command = NULL;

    rc = ngx_http_iot_volley_take(ctx, shot - ctx->shots, outcome, reply);

    if (rc != NGX_OK) {
        ctx->volley_rc = rc;
    }

    if (--ctx->flying) {
        return;
    }

    ctx->nshots = 0;
    ctx->store_time += ngx_current_msec - ctx->sent;
    ctx->stored = 1;

    rc = ctx->volley_rc;

    if (rc == NGX_OK) {
        rc = ngx_iot_method_finish(&ctx->call, NULL);
    }

    rc = ngx_http_iot_call_step(r, ctx, rc);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_iot_volley_take(ngx_http_iot_ctx_t *ctx, ngx_uint_t n,
    ngx_iot_redis_outcome_e outcome, const ngx_iot_resp_reply_t *reply)
{
    if (outcome == NGX_IOT_REDIS_REPLIED) {
        return ctx->call.each(&ctx->call, n, reply);
    }

    return ngx_http_iot_call_outcome(ctx, outcome, NULL);
}
