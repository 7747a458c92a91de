
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_names.h"
#include "ngx_iot_redis_sentinel.h"


#define NGX_IOT_REDIS_NAMES_POOL_SIZE  1024


static void ngx_iot_redis_names_handler(ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_iot_redis_names_take(ngx_iot_redis_names_t *names,
    ngx_resolver_ctx_t *ctx);
static ngx_int_t ngx_iot_redis_names_copy(ngx_pool_t *pool, ngx_addr_t *addr,
    const ngx_resolver_addr_t *found, in_port_t port);


void
ngx_iot_redis_names_init(ngx_iot_redis_names_t *names,
    const ngx_iot_redis_server_t *server, ngx_iot_redis_names_pt done,
    void *data, ngx_log_t *log)
{
    names->server = server;
    names->done = done;
    names->data = data;
    names->log = log;

    names->addrs = server->addrs;
    names->naddrs = server->naddrs;
    names->pool = NULL;
    names->ctx = NULL;
}


void
ngx_iot_redis_names_update(ngx_iot_redis_names_t *names)
{
    ngx_resolver_ctx_t            *ctx;
    const ngx_iot_redis_server_t  *server;

    server = names->server;

    if (server->sentinel) {
        ngx_iot_redis_sentinel_find(server->sentinel, names);
        return;
    }

    if (server->resolver == NULL) {
        names->done(names->data, NULL);
        return;
    }

    /* a master that moves again: its old name is of no interest any more */

    if (names->ctx) {
        ngx_resolve_name_done(names->ctx);
        names->ctx = NULL;
    }

    ctx = ngx_resolve_start(server->resolver, NULL);

    /* NGX_NO_RESOLVER: the directive does not allow none */

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        names->done(names->data, "no memory");
        return;
    }

    ctx->name = server->host;
    ctx->handler = ngx_iot_redis_names_handler;
    ctx->data = names;
    ctx->timeout = server->resolver_timeout;
    ctx->cancelable = 1;

    names->ctx = ctx;

    if (ngx_resolve_name(ctx) != NGX_OK) {
        names->ctx = NULL;
        names->done(names->data, "no memory");
    }
}


static void
ngx_iot_redis_names_handler(ngx_resolver_ctx_t *ctx)
{
    const char             *failed;
    ngx_iot_redis_names_t  *names;

    names = ctx->data;
    names->ctx = NULL;

    failed = NULL;

    if (ctx->state) {
        failed = ngx_resolver_strerror(ctx->state);

    } else if (ngx_iot_redis_names_take(names, ctx) != NGX_OK) {
        failed = "no memory";
    }

    ngx_resolve_name_done(ctx);

    names->done(names->data, failed);
}


static ngx_int_t
ngx_iot_redis_names_take(ngx_iot_redis_names_t *names, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t   i;
    ngx_pool_t  *pool;
    ngx_addr_t  *addrs;

    pool = ngx_create_pool(NGX_IOT_REDIS_NAMES_POOL_SIZE, names->log);
    if (pool == NULL) {
        return NGX_ERROR;
    }

    addrs = ngx_palloc(pool, ctx->naddrs * sizeof(ngx_addr_t));
    if (addrs == NULL) {
        goto failed;
    }

    for (i = 0; i < ctx->naddrs; i++) {

        if (ngx_iot_redis_names_copy(pool, &addrs[i], &ctx->addrs[i],
                                     names->server->port)
            != NGX_OK)
        {
            goto failed;
        }
    }

    if (names->pool) {
        ngx_destroy_pool(names->pool);
    }

    names->pool = pool;
    names->addrs = addrs;
    names->naddrs = ctx->naddrs;

    return NGX_OK;

failed:

    ngx_destroy_pool(pool);

    return NGX_ERROR;
}


static ngx_int_t
ngx_iot_redis_names_copy(ngx_pool_t *pool, ngx_addr_t *addr,
    const ngx_resolver_addr_t *found, in_port_t port)
{
    addr->socklen = found->socklen;
    addr->sockaddr = ngx_palloc(pool, found->socklen);
    addr->name.data = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);

    if (addr->sockaddr == NULL || addr->name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(addr->sockaddr, found->sockaddr, found->socklen);
    ngx_inet_set_port(addr->sockaddr, port);

    addr->name.len = ngx_sock_ntop(addr->sockaddr, addr->socklen,
                                   addr->name.data, NGX_SOCKADDR_STRLEN, 1);

    return NGX_OK;
}


void
ngx_iot_redis_names_destroy(ngx_iot_redis_names_t *names)
{
    if (names->server->sentinel) {
        ngx_iot_redis_sentinel_forget(names->server->sentinel, names);
    }

    if (names->ctx) {
        ngx_resolve_name_done(names->ctx);
        names->ctx = NULL;
    }

    if (names->pool) {
        ngx_destroy_pool(names->pool);
        names->pool = NULL;
    }
}
