
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_sentinel_list.h"


/* how many are kept of those that were told of */
#define NGX_IOT_REDIS_SENTINEL_LEARNED  16


static socklen_t ngx_iot_redis_sentinel_addr_read(ngx_sockaddr_t *sa,
    const ngx_str_t *ip);
static ngx_int_t ngx_iot_redis_sentinel_list_add(
    ngx_iot_redis_sentinel_list_t *list, const ngx_str_t *host,
    in_port_t port);
static void ngx_iot_redis_sentinel_list_keep_first(
    ngx_iot_redis_sentinel_list_t *list);
static ngx_uint_t ngx_iot_redis_sentinel_list_has(
    const ngx_iot_redis_sentinel_list_t *list,
    const ngx_iot_redis_server_t *other);
static ngx_uint_t ngx_iot_redis_sentinel_list_at(
    const ngx_iot_redis_server_t *server, const ngx_str_t *address);
static void ngx_iot_redis_sentinel_list_set(ngx_iot_redis_sentinel_one_t *one);
static void ngx_iot_redis_sentinel_list_set_name(
    const ngx_iot_redis_sentinel_list_t *list,
    ngx_iot_redis_sentinel_one_t *one, const ngx_str_t *host, in_port_t port);


ngx_int_t
ngx_iot_redis_sentinel_addr_set(ngx_iot_redis_sentinel_addr_t *place,
    const ngx_str_t *ip, in_port_t port)
{
    ngx_addr_t  *addr;

    ngx_memzero(&place->sockaddr, sizeof(ngx_sockaddr_t));

    addr = &place->addr;
    addr->sockaddr = &place->sockaddr.sockaddr;
    addr->socklen = ngx_iot_redis_sentinel_addr_read(&place->sockaddr, ip);

    if (addr->socklen == 0) {
        return NGX_DECLINED;
    }

    ngx_inet_set_port(addr->sockaddr, port);

    addr->name.data = place->text;
    addr->name.len = ngx_sock_ntop(addr->sockaddr, addr->socklen, place->text,
                                   NGX_SOCKADDR_STRLEN, 1);

    return NGX_OK;
}


/* 0: it is no address */
static socklen_t
ngx_iot_redis_sentinel_addr_read(ngx_sockaddr_t *sa, const ngx_str_t *ip)
{
    in_addr_t  inaddr;

    inaddr = ngx_inet_addr(ip->data, ip->len);

    if (inaddr != INADDR_NONE) {
        sa->sockaddr_in.sin_family = AF_INET;
        sa->sockaddr_in.sin_addr.s_addr = inaddr;

        return sizeof(struct sockaddr_in);
    }

#if (NGX_HAVE_INET6)

    if (ngx_inet6_addr(ip->data, ip->len,
                       sa->sockaddr_in6.sin6_addr.s6_addr)
        == NGX_OK)
    {
        sa->sockaddr_in6.sin6_family = AF_INET6;

        return sizeof(struct sockaddr_in6);
    }

#endif

    return 0;
}


ngx_int_t
ngx_iot_redis_sentinel_list_init(ngx_iot_redis_sentinel_list_t *list,
    ngx_pool_t *pool, const ngx_iot_redis_server_t *servers, ngx_uint_t n)
{
    ngx_uint_t  i;

    list->elts = ngx_pcalloc(pool, (n + NGX_IOT_REDIS_SENTINEL_LEARNED)
                                   * sizeof(ngx_iot_redis_sentinel_one_t));
    if (list->elts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        list->elts[i].server = servers[i];
    }

    list->nelts = n;
    list->nconf = n;
    list->first = 0;

    return NGX_OK;
}


ngx_iot_redis_sentinel_one_t *
ngx_iot_redis_sentinel_list_get(ngx_iot_redis_sentinel_list_t *list,
    ngx_uint_t turn)
{
    if (turn >= list->nelts) {
        return NULL;
    }

    if (turn == 0) {
        return &list->elts[list->first];
    }

    return &list->elts[turn <= list->first ? turn - 1 : turn];
}


void
ngx_iot_redis_sentinel_list_promote(ngx_iot_redis_sentinel_list_t *list,
    ngx_iot_redis_sentinel_one_t *one)
{
    list->first = one - list->elts;
    one->logged = 0;
}


const ngx_str_t *
ngx_iot_redis_sentinel_list_learn(ngx_iot_redis_sentinel_list_t *list,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t         port;
    ngx_uint_t        i, max;
    const ngx_str_t  *host, *number, *left;

    left = NULL;

    if (reply->type != NGX_IOT_RESP_ARRAY) {
        return NULL;
    }

    ngx_iot_redis_sentinel_list_keep_first(list);

    max = list->nconf + NGX_IOT_REDIS_SENTINEL_LEARNED;

    for (i = 0; i < reply->nelts && list->nelts < max; i++) {

        host = ngx_iot_resp_field(reply->elts[i], "ip");
        number = ngx_iot_resp_field(reply->elts[i], "port");

        if (host == NULL || number == NULL
            || host->len == 0 || !ngx_iot_resp_is_host(host))
        {
            continue;
        }

        port = ngx_atoi(number->data, number->len);

        if (port < 1 || port > 65535) {
            continue;
        }

        if (ngx_iot_redis_sentinel_list_add(list, host, (in_port_t) port)
            != NGX_OK)
        {
            left = host;
        }
    }

    return left;
}


/* NGX_OK, also for one that is there; NGX_DECLINED: nobody finds it */
static ngx_int_t
ngx_iot_redis_sentinel_list_add(ngx_iot_redis_sentinel_list_t *list,
    const ngx_str_t *host, in_port_t port)
{
    ngx_iot_redis_sentinel_one_t  *one;

    one = &list->elts[list->nelts];

    if (ngx_iot_redis_sentinel_addr_set(&one->place, host, port) == NGX_OK) {
        ngx_iot_redis_sentinel_list_set(one);

    } else if (list->resolver) {
        ngx_iot_redis_sentinel_list_set_name(list, one, host, port);

    } else {
        return NGX_DECLINED;
    }

    if (!ngx_iot_redis_sentinel_list_has(list, &one->server)) {
        list->nelts++;
    }

    return NGX_OK;
}


/* who tells of the others does not tell of itself */
static void
ngx_iot_redis_sentinel_list_keep_first(ngx_iot_redis_sentinel_list_t *list)
{
    ngx_iot_redis_sentinel_one_t  *one, *first;

    if (list->first < list->nconf) {
        list->nelts = list->nconf;
        return;
    }

    first = &list->elts[list->first];
    one = &list->elts[list->nconf];

    if (first == one) {
        /* void */

    } else if (first->server.resolver) {
        ngx_iot_redis_sentinel_list_set_name(list, one, &first->server.host,
                                             first->server.port);

    } else {
        one->place = first->place;
        one->place.addr.sockaddr = &one->place.sockaddr.sockaddr;
        one->place.addr.name.data = one->place.text;
        ngx_iot_redis_sentinel_list_set(one);
    }

    list->first = list->nconf;
    list->nelts = list->nconf + 1;
}


/* by its host, or where that is an address as one of those of a name */
static ngx_uint_t
ngx_iot_redis_sentinel_list_has(const ngx_iot_redis_sentinel_list_t *list,
    const ngx_iot_redis_server_t *other)
{
    ngx_uint_t               i;
    ngx_iot_redis_server_t  *server;

    for (i = 0; i < list->nelts; i++) {
        server = &list->elts[i].server;

        if ((server->port == other->port
             && server->host.len == other->host.len
             && ngx_memcmp(server->host.data, other->host.data,
                           other->host.len)
                == 0)
            || ngx_iot_redis_sentinel_list_at(server, &other->text))
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_iot_redis_sentinel_list_at(const ngx_iot_redis_server_t *server,
    const ngx_str_t *address)
{
    ngx_str_t   *name;
    ngx_uint_t   n;

    for (n = 0; n < server->naddrs; n++) {
        name = &server->addrs[n].name;

        if (name->len == address->len
            && ngx_memcmp(name->data, address->data, address->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* of its place */
static void
ngx_iot_redis_sentinel_list_set(ngx_iot_redis_sentinel_one_t *one)
{
    ngx_str_t               *name;
    ngx_iot_redis_server_t  *server;

    server = &one->server;
    name = &one->place.addr.name;

    ngx_memzero(server, sizeof(ngx_iot_redis_server_t));

    server->text = *name;
    server->addrs = &one->place.addr;
    server->naddrs = 1;
    server->port = ngx_inet_get_port(one->place.addr.sockaddr);

    /* what is before the last colon, in brackets or not */

    server->host.data = name->data;
    server->host.len = name->len;

    while (server->host.data[--server->host.len] != ':') { /* void */ }

    one->logged = 0;
}


/* it has no address before it is looked up */
static void
ngx_iot_redis_sentinel_list_set_name(const ngx_iot_redis_sentinel_list_t *list,
    ngx_iot_redis_sentinel_one_t *one, const ngx_str_t *host, in_port_t port)
{
    ngx_iot_redis_server_t  *server;

    server = &one->server;

    ngx_memzero(server, sizeof(ngx_iot_redis_server_t));

    server->text.data = one->name;
    server->text.len = ngx_sprintf(one->name, "%V:%ui", host,
                                   (ngx_uint_t) port)
                       - one->name;

    server->host.data = one->name;
    server->host.len = host->len;
    server->port = port;

    server->resolver = list->resolver;
    server->resolver_timeout = list->resolver_timeout;

    one->logged = 0;
}
