
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"

#include <openssl/rand.h>


/* bytes that the generator is asked for at once; RAND_bytes() costs a call */
#define NGX_HTTP_IOT_RANDOM_SIZE  4096


static void ngx_http_iot_ctx_cleanup(void *data);


ngx_http_iot_ctx_t *
ngx_http_iot_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_iot_module);

    if (ctx == NULL && r != r->main) {
        r = r->main;
        ctx = ngx_http_get_module_ctx(r, ngx_http_iot_module);
    }

    if (ctx || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_iot_ctx_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


ngx_http_iot_ctx_t *
ngx_http_iot_ctx_create(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t  *cln;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_iot_ctx(r);

    if (ctx == NULL || ctx->request != r) {

        ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_iot_ctx_t));
        if (ctx == NULL) {
            return NULL;
        }

        ctx->request = r;

        /* for the log of what is refused before the gateway is asked */

        ngx_http_iot_guess_route(r, &ctx->route);

        if (r == r->main) {
            cln = ngx_pool_cleanup_add(r->pool, 0);
            if (cln == NULL) {
                return NULL;
            }

            cln->handler = ngx_http_iot_ctx_cleanup;
            cln->data = ctx;
        }
    }

    ngx_http_set_ctx(r, ctx, ngx_http_iot_module);

    return ctx;
}


/* nothing to clean: the handler's address is what finds the context */
static void
ngx_http_iot_ctx_cleanup(void *data)
{
}


ngx_int_t
ngx_http_iot_preaccess_handler(ngx_http_request_t *r)
{
    ngx_http_iot_ctx_t       *ctx;
    ngx_http_iot_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    if (ilcf->services == 0 || r != r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_iot_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    (void) ngx_http_iot_route(r, ilcf->services, &ctx->route);

    /* after an internal redirect: what the variables told of another path */

    ngx_str_null(&ctx->call.caller);
    ngx_str_null(&ctx->call.registry_id);
    ngx_str_null(&ctx->call.operation_id);
    ngx_str_null(&ctx->call.fingerprint);
    ngx_str_null(&ctx->call.folder_id);

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_iot_route(ngx_http_request_t *r, ngx_uint_t services,
    ngx_iot_route_t *route)
{
    ngx_uint_t  verb;

    if (services & NGX_HTTP_IOT_GRPC) {
        ngx_memzero(route, sizeof(ngx_iot_route_t));
        route->rpc = 1;

        return ngx_iot_method_find_rpc(services, &r->uri, &route->method);
    }

    switch (r->method) {

    case NGX_HTTP_GET:
    case NGX_HTTP_HEAD:
        verb = NGX_IOT_GET;
        break;

    case NGX_HTTP_POST:
        verb = NGX_IOT_POST;
        break;

    case NGX_HTTP_DELETE:
        verb = NGX_IOT_DELETE;
        break;

    case NGX_HTTP_PATCH:
        verb = NGX_IOT_PATCH;
        break;

    default:
        verb = 0;
    }

    return ngx_iot_method_find(services, verb, &r->uri, route);
}


void
ngx_http_iot_guess_route(ngx_http_request_t *r, ngx_iot_route_t *route)
{
    if (ngx_http_iot_route(r, NGX_IOT_ALL_SERVICES, route) == NGX_OK
        || route->allow)
    {
        return;
    }

    (void) ngx_http_iot_route(r, NGX_IOT_ALL_SERVICES|NGX_HTTP_IOT_GRPC,
                              route);
}


/* a request may come here again by an internal redirect: all is set anew */
ngx_int_t
ngx_http_iot_call_init(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_call_t           *call;
    ngx_http_iot_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);
    call = &ctx->call;

    ngx_memzero(call, sizeof(ngx_iot_call_t));
    ctx->authorized = 0;
    ctx->answered = 0;
    ctx->parts = 0;
    ctx->message = NULL;
    ctx->message_len = 0;

    call->settings = &ilcf->settings;
    call->pool = r->pool;
    call->log = r->connection->log;
    call->now = ngx_http_iot_now();

    call->store.pool = r->pool;
    call->store.log = r->connection->log;

    if (ilcf->store) {
        call->store.key_prefix = *ngx_iot_redis_conf_key_prefix(ilcf->store);
        call->store.cluster = ngx_iot_redis_conf_cluster(ilcf->store);
    }

    call->store.limit = ilcf->settings.certificate_limit;
    call->store.open = ilcf->settings.open;
    call->store.retention = ilcf->settings.operation_retention;
    call->store.idempotency_retention = ilcf->settings.idempotency_retention;

    if (ngx_http_iot_random(call->random, NGX_IOT_CALL_RANDOM_LEN, call->log)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_iot_caller(r, &call->caller);
}


void
ngx_http_iot_header(ngx_http_request_t *r, const char *name, ngx_str_t *value)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    ngx_str_null(value);

    len = ngx_strlen(name);
    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {

            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != len
            || ngx_strncasecmp(h[i].key.data, (u_char *) name, len) != 0)
        {
            continue;
        }

        if (value->data) {
            ngx_str_set(value, ", ");
            return;
        }

        *value = h[i].value;
    }
}


ngx_iot_msec_t
ngx_http_iot_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (ngx_iot_msec_t) tp->sec * 1000 + tp->msec;
}


/* each byte is given out once */
ngx_int_t
ngx_http_iot_random(u_char *random, size_t len, ngx_log_t *log)
{
    static u_char  pool[NGX_HTTP_IOT_RANDOM_SIZE];
    static size_t  left;

    if (left < len) {
        if (RAND_bytes(pool, sizeof(pool)) != 1) {
            ngx_log_error(NGX_LOG_ALERT, log, 0, "RAND_bytes() failed");
            return NGX_ERROR;
        }

        left = sizeof(pool);
    }

    left -= len;

    ngx_memcpy(random, &pool[left], len);
    ngx_explicit_memzero(&pool[left], len);

    return NGX_OK;
}
