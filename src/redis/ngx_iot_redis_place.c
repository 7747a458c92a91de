
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_place.h"
#include "ngx_iot_redis_ssl.h"


static ngx_int_t ngx_iot_redis_place_text(ngx_iot_redis_server_t *server,
    ngx_pool_t *pool);
static ngx_int_t ngx_iot_redis_place_find(ngx_iot_redis_place_t *place,
    ngx_pool_t *pool, const ngx_iot_redis_conf_t *conf,
    const ngx_iot_redis_server_t *from);
static ngx_int_t ngx_iot_redis_place_address(ngx_iot_redis_server_t *server,
    ngx_pool_t *pool);
static ngx_int_t ngx_iot_redis_place_copy(ngx_iot_redis_server_t *server,
    ngx_pool_t *pool, const ngx_iot_redis_server_t *from);
static ngx_int_t ngx_iot_redis_place_set_port(ngx_pool_t *pool,
    ngx_addr_t *addr, in_port_t port);


ngx_int_t
ngx_iot_redis_place_init(ngx_iot_redis_place_t *place, ngx_pool_t *pool,
    const ngx_iot_redis_conf_t *conf, const ngx_str_t *host, in_port_t port,
    const ngx_iot_redis_server_t *from)
{
#if (NGX_SSL)
    u_char  *buf;
#endif

    ngx_memzero(&place->server, sizeof(ngx_iot_redis_server_t));

    place->server.host = *host;
    place->server.port = port;
    place->endpoint = conf->endpoint;

#if (NGX_SSL)

    if (conf->endpoint.ssl && conf->ssl_name.len == 0) {
        buf = ngx_pnalloc(pool, host->len + 1);
        if (buf == NULL) {
            return NGX_ERROR;
        }

        ngx_iot_redis_ssl_set_name(&place->endpoint, host, buf);
    }

#endif

    if (ngx_iot_redis_place_text(&place->server, pool) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_iot_redis_place_find(place, pool, conf, from);
}


static ngx_int_t
ngx_iot_redis_place_text(ngx_iot_redis_server_t *server, ngx_pool_t *pool)
{
    u_char      *p;
    ngx_str_t   *host;
    const char  *form;

    host = &server->host;

    p = ngx_pnalloc(pool, host->len + sizeof("[]:65535") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    form = ngx_strlchr(host->data, host->data + host->len, ':')
           && host->data[0] != '[' ? "[%V]:%ui" : "%V:%ui";

    server->text.data = p;
    server->text.len = ngx_sprintf(p, form, host, (ngx_uint_t) server->port)
                       - p;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_redis_place_find(ngx_iot_redis_place_t *place, ngx_pool_t *pool,
    const ngx_iot_redis_conf_t *conf, const ngx_iot_redis_server_t *from)
{
    ngx_int_t                rc;
    ngx_iot_redis_server_t  *server;

    server = &place->server;

    rc = ngx_iot_redis_place_address(server, pool);

    if (rc != NGX_DECLINED || server->host.len == 0) {
        return rc;
    }

    if (conf->resolver) {
        server->resolver = conf->resolver;
        server->resolver_timeout = conf->resolver_timeout;

        return NGX_OK;
    }

    if (from->host.len == server->host.len
        && ngx_strncmp(from->host.data, server->host.data, from->host.len)
           == 0)
    {
        return ngx_iot_redis_place_copy(server, pool, from);
    }

    return NGX_DECLINED;
}


/* NGX_DECLINED: the host is none */
static ngx_int_t
ngx_iot_redis_place_address(ngx_iot_redis_server_t *server, ngx_pool_t *pool)
{
    ngx_int_t    rc;
    ngx_str_t    host;
    ngx_addr_t  *addr;

    host = server->host;

    if (host.len > 2 && host.data[0] == '[') {
        host.data++;
        host.len -= 2;
    }

    addr = ngx_pcalloc(pool, sizeof(ngx_addr_t));
    if (addr == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_parse_addr(pool, addr, host.data, host.len);

    if (rc != NGX_OK) {
        return rc;
    }

    server->addrs = addr;
    server->naddrs = 1;

    return ngx_iot_redis_place_set_port(pool, addr, server->port);
}


/* another port where the one that is known is */
static ngx_int_t
ngx_iot_redis_place_copy(ngx_iot_redis_server_t *server, ngx_pool_t *pool,
    const ngx_iot_redis_server_t *from)
{
    ngx_uint_t   i;
    ngx_addr_t  *addr;

    addr = ngx_palloc(pool, from->naddrs * sizeof(ngx_addr_t));
    if (addr == NULL) {
        return NGX_ERROR;
    }

    server->addrs = addr;
    server->naddrs = from->naddrs;

    for (i = 0; i < from->naddrs; i++) {
        addr[i].socklen = from->addrs[i].socklen;
        addr[i].sockaddr = ngx_palloc(pool, addr[i].socklen);

        if (addr[i].sockaddr == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(addr[i].sockaddr, from->addrs[i].sockaddr, addr[i].socklen);

        if (ngx_iot_redis_place_set_port(pool, &addr[i], server->port)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_redis_place_set_port(ngx_pool_t *pool, ngx_addr_t *addr,
    in_port_t port)
{
    addr->name.data = ngx_pnalloc(pool, NGX_SOCKADDR_STRLEN);
    if (addr->name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_inet_set_port(addr->sockaddr, port);

    addr->name.len = ngx_sock_ntop(addr->sockaddr, addr->socklen,
                                   addr->name.data, NGX_SOCKADDR_STRLEN, 1);

    return NGX_OK;
}
