
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


static ngx_int_t ngx_http_iot_call_submit(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_call_delay(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static void ngx_http_iot_call_delay_handler(ngx_event_t *ev);
static void ngx_http_iot_call_done(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_http_iot_call_authorize_late(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static void ngx_http_iot_call_release(ngx_http_iot_ctx_t *ctx);
static void ngx_http_iot_cleanup(void *data);


ngx_int_t
ngx_http_iot_call_start(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_http_iot_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    ctx->store = ilcf->store;

    if (ngx_http_iot_cleanup_add(r, ctx) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ctx->call.method->service == NGX_IOT_ENDPOINT_SERVICE
        && ngx_http_iot_address(r, &ctx->call.address) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_iot_method_prepare(&ctx->call);

    return ngx_http_iot_call_step(r, ctx, rc);
}


ngx_int_t
ngx_http_iot_call_step(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx,
    ngx_int_t rc)
{
    ngx_int_t  access;

    if (rc != NGX_ERROR) {
        access = ngx_http_iot_call_authorize_late(r, ctx);

        if (access != NGX_OK) {
            rc = access;
        }
    }

    if (rc == NGX_AGAIN) {
        rc = ctx->call.delay ? ngx_http_iot_call_delay(r, ctx)
                             : ngx_http_iot_call_submit(r, ctx);

    } else if (rc == NGX_DONE) {
        rc = ngx_http_iot_slices_next(r, ctx);

    } else if ((rc == NGX_OK || rc == NGX_BUSY) && !ctx->authorized) {
        /* a record without its registry: nobody was asked */
        rc = NGX_ERROR;
    }

    if (rc == NGX_DECLINED && ctx->call.purge) {
        /* the store fails after the change was made: a task goes on with it */
        ngx_memzero(&ctx->call.error, sizeof(ngx_iot_error_t));
        rc = NGX_OK;
    }

    if (ctx->parts && (rc == NGX_DECLINED || rc == NGX_ERROR)) {
        return ngx_http_iot_break_off(r, ctx);
    }

    switch (rc) {

    case NGX_OK:
        return ctx->door->answer(r, ctx);

    case NGX_BUSY:
        return ctx->door->part(r, ctx);

    case NGX_DONE:
        return NGX_DONE;

    case NGX_DECLINED:
        return ctx->door->error(r, ctx);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


/* NGX_DONE: waits, and then sends the request */
static ngx_int_t
ngx_http_iot_call_delay(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ctx->delay.handler = ngx_http_iot_call_delay_handler;
    ctx->delay.data = ctx;
    ctx->delay.log = ngx_cycle->log;

    ngx_add_timer(&ctx->delay, ctx->call.delay);

    return ngx_http_iot_call_wait(r);
}


static void
ngx_http_iot_call_delay_handler(ngx_event_t *ev)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->call.delay = 0;

    rc = ngx_http_iot_call_step(r, ctx, NGX_AGAIN);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


/* NGX_DONE: waits; NGX_DECLINED: the queue did not take it */
static ngx_int_t
ngx_http_iot_call_submit(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_uint_t                busy;
    ngx_http_iot_loc_conf_t  *ilcf;

    if (ctx->call.nrequests) {
        return ngx_http_iot_volley(r, ctx);
    }

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    ctx->command = ngx_iot_redis_submit(ilcf->store, &ctx->call.request,
                                        ngx_http_iot_call_done, ctx, &busy);

    if (ctx->command) {
        ctx->sent = ngx_current_msec;

        if (ngx_http_iot_call_wait(r) == NGX_DONE) {
            return NGX_DONE;
        }

        ngx_iot_redis_cancel(ctx->command);
        ctx->command = NULL;

        return NGX_ERROR;
    }

    if (busy) {
        ngx_iot_call_queue_full(&ctx->call);

    } else {
        ngx_iot_call_unavailable(&ctx->call);
    }

    return NGX_DECLINED;
}


/* meanwhile the client may go away: events are edge triggered */
ngx_int_t
ngx_http_iot_call_wait(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    r->write_event_handler = ngx_http_request_empty_handler;

    /* a body that is being discarded is read by its own handler */

    if (r->discard_body) {
        return NGX_DONE;
    }

    r->read_event_handler = ngx_http_test_reading;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_DONE;
}


static void
ngx_http_iot_call_done(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;
    ngx_http_iot_ctx_t  *ctx;

    ctx = data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->command = NULL;
    ctx->store_time += ngx_current_msec - ctx->sent;
    ctx->stored = 1;

    rc = ngx_http_iot_call_outcome(ctx, outcome, reply);
    rc = ngx_http_iot_call_step(r, ctx, rc);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_http_iot_call_outcome(ngx_http_iot_ctx_t *ctx,
    ngx_iot_redis_outcome_e outcome, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_call_t  *call;

    call = &ctx->call;

    switch (outcome) {

    case NGX_IOT_REDIS_REPLIED:
        return ngx_iot_method_finish(call, reply);

    case NGX_IOT_REDIS_TIMED_OUT:
        ngx_iot_call_timed_out(call);
        return NGX_DECLINED;

    case NGX_IOT_REDIS_LOST:
        ngx_iot_call_link_lost(call);
        return NGX_DECLINED;

    case NGX_IOT_REDIS_UNREPLICATED:
        ngx_iot_call_unreplicated(call);
        return NGX_DECLINED;

    default:    /* NGX_IOT_REDIS_UNAVAILABLE */
        ngx_iot_call_unavailable(call);
        return NGX_DECLINED;
    }
}


/*
 * As soon as the registry is known from the record, or the folder from the
 * body, and before anything more is read.  A caller without access to a record
 * learns the same as of an unknown one.
 */
static ngx_int_t
ngx_http_iot_call_authorize_late(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->authorized
        || !(ctx->call.known || ctx->call.registry_id.len))
    {
        return NGX_OK;
    }

    rc = ngx_http_iot_authorize(r, ctx);

    if (rc == NGX_DECLINED && ctx->call.method->hide) {
        ctx->call.method->hide(&ctx->call);
    }

    return rc;
}


ngx_int_t
ngx_http_iot_authorize(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_str_t                 value;
    ngx_http_iot_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    if (ilcf->access
        && !(ctx->call.method->flags & NGX_IOT_METHOD_ANONYMOUS))
    {

        if (ngx_http_complex_value(r, ilcf->access, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        if (value.len == 0 || (value.len == 1 && value.data[0] == '0')) {
            ngx_iot_error(&ctx->call.error, ACCESS_DENIED,
                          "the caller may not do this here");
            return NGX_DECLINED;
        }
    }

    ctx->authorized = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_iot_cleanup_add(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_iot_cleanup;
    cln->data = ctx;

    return NGX_OK;
}


/* the client is gone, or the request ends in another way */
static void
ngx_http_iot_cleanup(void *data)
{
    ngx_http_iot_ctx_t  *ctx = data;

    if (ctx->command) {
        ngx_iot_call_aborted(&ctx->call);
    }

    ngx_http_iot_call_stop(ctx);
    ngx_http_iot_call_release(ctx);
}


void
ngx_http_iot_call_stop(ngx_http_iot_ctx_t *ctx)
{
    if (ctx->command) {
        ngx_iot_redis_cancel(ctx->command);
        ctx->command = NULL;
    }

    if (ctx->delay.timer_set) {
        ngx_del_timer(&ctx->delay);
    }

    ngx_http_iot_volley_cancel(ctx);
    ngx_http_iot_slices_cancel(ctx);
}


/* nobody waits for that */
static void
ngx_http_iot_call_release(ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_call_t  *call;

    call = &ctx->call;

    if (call->purge) {
        ngx_iot_task_purge(ctx->store, &call->store,
                           &call->purge->registry_id,
                           &call->purge->operation_id);
        call->purge = NULL;
    }

    if (call->released) {
        ngx_iot_task_release(ctx->store, &call->store, call->released->elts,
                             call->released->nelts);
        call->released = NULL;
    }

    if (call->released_name) {
        ngx_iot_task_release_name(ctx->store, &call->store,
                                  call->released_name);
        call->released_name = NULL;
    }
}
