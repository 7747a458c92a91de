
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"
#include "ngx_iot_redis_status.h"
#include "ngx_iot_shard.h"


/*
 * How the store is, for health checks and operators: the store runs a small
 * script for each request, and the workers' own reports tell the rest.
 */


typedef struct {
    const ngx_str_t                *store;
    const char                     *probe;      /* what became of it */
    ngx_uint_t                      usable;

    ngx_iot_redis_worker_status_t  *workers;
    ngx_uint_t                      n;
} ngx_http_iot_report_t;


static ngx_int_t ngx_http_iot_status_admit(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_status_probe(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static void ngx_http_iot_status_done(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static const char *ngx_http_iot_status_outcome(ngx_http_iot_ctx_t *ctx,
    ngx_iot_redis_outcome_e outcome, const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_http_iot_status_send(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx, const char *probe);
static ngx_int_t ngx_http_iot_status_read(ngx_http_request_t *r,
    ngx_http_iot_report_t *report);
static void ngx_http_iot_status_report(ngx_iot_out_t *out,
    const void *data);
static void ngx_http_iot_status_worker(ngx_iot_out_t *out, ngx_uint_t n,
    const ngx_iot_redis_worker_status_t *status);
static void ngx_http_iot_status_lane(ngx_iot_out_t *out,
    const ngx_iot_redis_lane_status_t *lane);
static ngx_str_t ngx_http_iot_status_name(
    const ngx_iot_redis_lane_name_t *name);
static void ngx_http_iot_status_faults(ngx_iot_out_t *out,
    const ngx_iot_redis_tally_t *tally);


static const char *const  ngx_http_iot_lane_uses[] = {
    "commands",
    "reads",
    "large",
    "sentinel"
};


static const char *const  ngx_http_iot_lane_states[] = {
    "idle",
    "connecting",
    "up",
    "down"
};


ngx_int_t
ngx_http_iot_status_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_iot_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->disable_not_modified = 1;

    ngx_memzero(&ctx->call, sizeof(ngx_iot_call_t));
    ctx->answered = 0;

    rc = ngx_http_iot_status_admit(r, ctx);

    if (rc == NGX_DECLINED) {
        return ngx_http_iot_send_error(r, ctx);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_iot_status_probe(r, ctx);

    if (rc == NGX_DONE) {
        /* the content phase drops one reference, the completion another */
        r->main->count++;
    }

    return rc;
}


static ngx_int_t
ngx_http_iot_status_admit(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    if (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) {
        return ngx_http_discard_request_body(r);
    }

    ngx_iot_error(&ctx->call.error, METHOD_NOT_ALLOWED,
                  "the path does not serve this HTTP method");

    if (ngx_http_iot_allow(r, NGX_IOT_GET) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DECLINED;
}


/* of a cluster each request asks another server */
static ngx_int_t
ngx_http_iot_status_probe(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_uint_t                busy;
    ngx_iot_call_t           *call;
    ngx_http_iot_loc_conf_t  *ilcf;

    call = &ctx->call;
    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    call->store.pool = r->pool;
    call->store.log = r->connection->log;
    call->store.key_prefix = *ngx_iot_redis_conf_key_prefix(ilcf->store);

    if (ngx_http_iot_cleanup_add(r, ctx) != NGX_OK
        || ngx_iot_store_probe(&call->store, ngx_random() % NGX_IOT_SHARDS,
                               &call->request)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->command = ngx_iot_redis_submit(ilcf->store, &call->request,
                                        ngx_http_iot_status_done, ctx, &busy);
    if (ctx->command == NULL) {
        return ngx_http_iot_status_send(r, ctx,
                                        busy ? "queueFull" : "unavailable");
    }

    ctx->sent = ngx_current_msec;

    if (ngx_http_iot_call_wait(r) != NGX_DONE) {
        ngx_iot_redis_cancel(ctx->command);
        ctx->command = NULL;

        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DONE;
}


static void
ngx_http_iot_status_done(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    const char          *probe;
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

    probe = ngx_http_iot_status_outcome(ctx, outcome, reply);

    ngx_http_finalize_request(r, ngx_http_iot_status_send(r, ctx, probe));

    ngx_http_run_posted_requests(c);
}


static const char *
ngx_http_iot_status_outcome(ngx_http_iot_ctx_t *ctx,
    ngx_iot_redis_outcome_e outcome, const ngx_iot_resp_reply_t *reply)
{
    switch (outcome) {

    case NGX_IOT_REDIS_REPLIED:
        return ngx_iot_store_probed(&ctx->call.store, reply)
               == NGX_IOT_STORE_OK ? "ok" : "error";

    case NGX_IOT_REDIS_TIMED_OUT:
        return "timedOut";

    case NGX_IOT_REDIS_LOST:
        return "lost";

    default:    /* NGX_IOT_REDIS_UNAVAILABLE */
        return "unavailable";
    }
}


static ngx_int_t
ngx_http_iot_status_send(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx,
    const char *probe)
{
    ngx_str_t              json;
    ngx_http_iot_report_t  report;

    report.probe = probe;

    if (ngx_http_iot_status_read(r, &report) != NGX_OK
        || ngx_iot_out_render(r->pool, NGX_IOT_JSON,
                              ngx_http_iot_status_report, &report, &json)
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answered = 1;
    ctx->code = report.usable ? NGX_IOT_OK : NGX_IOT_UNAVAILABLE;

    return ngx_http_iot_send(r, report.usable ? NGX_HTTP_OK
                                              : NGX_HTTP_SERVICE_UNAVAILABLE,
                             &json);
}


/*
 * Usable: the probe succeeded, and no worker that is alive misses a server,
 * since requests come to all of them.
 */
static ngx_int_t
ngx_http_iot_status_read(ngx_http_request_t *r, ngx_http_iot_report_t *report)
{
    ngx_uint_t                      i;
    ngx_http_iot_loc_conf_t        *ilcf;
    ngx_iot_redis_worker_status_t  *worker;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    report->store = ngx_iot_redis_conf_name(ilcf->store);
    report->n = ngx_iot_redis_status_workers(ilcf->store);
    report->usable = (ngx_strcmp(report->probe, "ok") == 0);

    worker = ngx_palloc(r->pool,
                        report->n * sizeof(ngx_iot_redis_worker_status_t));
    if (worker == NULL) {
        return NGX_ERROR;
    }

    report->workers = worker;

    for (i = 0; i < report->n; i++) {

        if (ngx_iot_redis_status_read(ilcf->store, i, r->pool, &worker[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (worker[i].alive && !worker[i].worker.ready) {
            report->usable = 0;
        }
    }

    return NGX_OK;
}


static void
ngx_http_iot_status_report(ngx_iot_out_t *out, const void *data)
{
    const ngx_http_iot_report_t  *report = data;

    ngx_uint_t  i;

    ngx_iot_out_message(out, NULL, 0);

    ngx_iot_out_string(out, "store", 0, report->store);
    ngx_iot_out_bool(out, "usable", 0, report->usable);
    ngx_iot_out_literal(out, "probe", 0, report->probe);

    ngx_iot_out_list(out, "workers");

    for (i = 0; i < report->n; i++) {
        ngx_http_iot_status_worker(out, i, &report->workers[i]);
    }

    ngx_iot_out_list_end(out);
    ngx_iot_out_message_end(out);
}


static void
ngx_http_iot_status_worker(ngx_iot_out_t *out, ngx_uint_t n,
    const ngx_iot_redis_worker_status_t *status)
{
    ngx_uint_t                     i;
    const ngx_iot_redis_worker_t  *worker;

    worker = &status->worker;

    ngx_iot_out_message(out, NULL, 0);

    ngx_iot_out_number(out, "worker", 0, n);
    ngx_iot_out_bool(out, "alive", 0, status->alive);

    if (status->alive) {
        ngx_iot_out_number(out, "pid", 0, worker->pid);
        ngx_iot_out_bool(out, "ready", 0, worker->ready);
        ngx_iot_out_number(out, "queue", 0, worker->queue);
        ngx_iot_out_time(out, "reportedAt", 0, worker->seen);

        ngx_iot_out_list(out, "links");

        for (i = 0; i < worker->nlanes; i++) {
            ngx_http_iot_status_lane(out, &status->lanes[i]);
        }

        ngx_iot_out_list_end(out);
        ngx_iot_out_number(out, "linksNotShown", 0, worker->nhidden);
    }

    ngx_iot_out_number(out, "reconnects", 0, worker->tally.reconnects);
    ngx_http_iot_status_faults(out, &worker->tally);

    ngx_iot_out_message_end(out);
}


static void
ngx_http_iot_status_lane(ngx_iot_out_t *out,
    const ngx_iot_redis_lane_status_t *lane)
{
    ngx_str_t  server, address;

    server = ngx_http_iot_status_name(&lane->server);
    address = ngx_http_iot_status_name(&lane->address);

    ngx_iot_out_message(out, NULL, 0);

    ngx_iot_out_string(out, "server", 0, &server);

    if (address.len != server.len
        || ngx_memcmp(address.data, server.data, server.len) != 0)
    {
        ngx_iot_out_string(out, "address", 0, &address);
    }

    ngx_iot_out_literal(out, "lane", 0, ngx_http_iot_lane_uses[lane->use]);
    ngx_iot_out_literal(out, "state", 0,
                             ngx_http_iot_lane_states[lane->state]);

    if (lane->since) {
        ngx_iot_out_time(out, "since", 0, lane->since);
    }

    ngx_iot_out_number(out, "connects", 0, lane->connects);

    ngx_iot_out_message_end(out);
}


static ngx_str_t
ngx_http_iot_status_name(const ngx_iot_redis_lane_name_t *name)
{
    ngx_str_t  text;

    text.data = (u_char *) name->text;
    text.len = name->len;

    return text;
}


static void
ngx_http_iot_status_faults(ngx_iot_out_t *out,
    const ngx_iot_redis_tally_t *tally)
{
    ngx_uint_t  i;

    ngx_iot_out_message(out, "errors", 0);

    for (i = 0; i < NGX_IOT_REDIS_FAULT_MAX; i++) {
        ngx_iot_out_number(out,
                           (const char *) ngx_iot_redis_fault_name(i)->data, 0,
                           tally->faults[i]);
    }

    ngx_iot_out_message_end(out);
}
