
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_slots.h"


static ngx_int_t ngx_iot_slots_read_range(ngx_iot_slots_table_t *table,
    const ngx_iot_resp_reply_t *range);
static ngx_int_t ngx_iot_slots_read_server(
    const ngx_iot_resp_reply_t *reply, ngx_iot_slots_server_t *server);
static ngx_int_t ngx_iot_slots_add_server(ngx_iot_slots_table_t *table,
    const ngx_iot_slots_server_t *server);
static ngx_uint_t ngx_iot_slots_is_slot(const ngx_iot_resp_reply_t *reply);
static ngx_uint_t ngx_iot_slots_is_unknown(const ngx_str_t *host);


uint16_t
ngx_iot_slots_crc16(const u_char *data, size_t len)
{
    size_t      i;
    uint16_t    crc;
    ngx_uint_t  bit;

    crc = 0;

    for (i = 0; i < len; i++) {
        crc ^= (uint16_t) (data[i] << 8);

        for (bit = 0; bit < 8; bit++) {
            crc = (uint16_t) ((crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1);
        }
    }

    return crc;
}


ngx_uint_t
ngx_iot_slots_of_key(const ngx_str_t *key)
{
    u_char  *open, *close, *last;

    last = key->data + key->len;

    open = ngx_strlchr(key->data, last, '{');

    if (open) {
        open++;
        close = ngx_strlchr(open, last, '}');

        if (close && close != open) {
            return ngx_iot_slots_crc16(open, close - open) % NGX_IOT_SLOTS;
        }
    }

    return ngx_iot_slots_crc16(key->data, key->len) % NGX_IOT_SLOTS;
}


ngx_uint_t
ngx_iot_slots_of_request(const ngx_iot_resp_request_t *req)
{
    if (req->script) {
        return req->nkeys ? ngx_iot_slots_of_key(&req->argv[0]) : 0;
    }

    return req->argc > 1 ? ngx_iot_slots_of_key(&req->argv[1]) : 0;
}


ngx_int_t
ngx_iot_slots_read(ngx_iot_slots_table_t *table,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t  i;

    if (reply->type != NGX_IOT_RESP_ARRAY) {
        return NGX_DECLINED;
    }

    table->nservers = 0;

    for (i = 0; i < NGX_IOT_SLOTS; i++) {
        table->owners[i] = NGX_IOT_SLOTS_NONE;
    }

    for (i = 0; i < reply->nelts; i++) {
        if (ngx_iot_slots_read_range(table, reply->elts[i]) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* first slot, last slot, master, replicas */
static ngx_int_t
ngx_iot_slots_read_range(ngx_iot_slots_table_t *table,
    const ngx_iot_resp_reply_t *range)
{
    int64_t                 slot, last;
    ngx_int_t               rc, n;
    ngx_iot_slots_server_t  server;

    if (range->type != NGX_IOT_RESP_ARRAY
        || range->nelts < 3
        || !ngx_iot_slots_is_slot(range->elts[0])
        || !ngx_iot_slots_is_slot(range->elts[1])
        || range->elts[0]->integer > range->elts[1]->integer)
    {
        return NGX_DECLINED;
    }

    rc = ngx_iot_slots_read_server(range->elts[2], &server);

    if (rc != NGX_OK) {
        return rc == NGX_DONE ? NGX_OK : NGX_DECLINED;
    }

    n = ngx_iot_slots_add_server(table, &server);

    if (n == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    last = range->elts[1]->integer;

    for (slot = range->elts[0]->integer; slot <= last; slot++) {

        if (table->owners[slot] != NGX_IOT_SLOTS_NONE) {
            return NGX_DECLINED;
        }

        table->owners[slot] = (uint16_t) n;
    }

    return NGX_OK;
}


/*
 * Host, port, and more that is of no interest.  NGX_DONE: where it is cannot
 * be said.  A host that is nil, as one that is empty, is the one which was
 * asked: "cluster-preferred-endpoint-type unknown-endpoint" says so behind a
 * balancer.
 */
static ngx_int_t
ngx_iot_slots_read_server(const ngx_iot_resp_reply_t *reply,
    ngx_iot_slots_server_t *server)
{
    const ngx_iot_resp_reply_t  *host, *port;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts < 2) {
        return NGX_DECLINED;
    }

    host = reply->elts[0];
    port = reply->elts[1];

    if ((host->type != NGX_IOT_RESP_STRING && host->type != NGX_IOT_RESP_NIL)
        || port->type != NGX_IOT_RESP_INTEGER
        || port->integer < 0
        || port->integer > 65535)
    {
        return NGX_DECLINED;
    }

    server->host = host->str;
    server->port = (in_port_t) port->integer;

    if (server->port == 0 || ngx_iot_slots_is_unknown(&server->host)) {
        return NGX_DONE;
    }

    return ngx_iot_resp_is_host(&server->host) ? NGX_OK : NGX_DECLINED;
}


/* its index, or NGX_DECLINED: there are too many */
static ngx_int_t
ngx_iot_slots_add_server(ngx_iot_slots_table_t *table,
    const ngx_iot_slots_server_t *server)
{
    ngx_uint_t               i;
    ngx_iot_slots_server_t  *known;

    for (i = 0; i < table->nservers; i++) {
        known = &table->servers[i];

        if (known->port == server->port
            && known->host.len == server->host.len
            && ngx_memcmp(known->host.data, server->host.data,
                          server->host.len)
               == 0)
        {
            return i;
        }
    }

    if (table->nservers == NGX_IOT_SLOTS_SERVERS) {
        return NGX_DECLINED;
    }

    table->servers[table->nservers] = *server;

    return table->nservers++;
}


static ngx_uint_t
ngx_iot_slots_is_slot(const ngx_iot_resp_reply_t *reply)
{
    return reply->type == NGX_IOT_RESP_INTEGER
           && reply->integer >= 0
           && reply->integer < NGX_IOT_SLOTS;
}


static ngx_uint_t
ngx_iot_slots_is_unknown(const ngx_str_t *host)
{
    return host->len == 1 && host->data[0] == '?';
}


ngx_int_t
ngx_iot_slots_read_redirect(ngx_iot_slots_redirect_t *redirect,
    const ngx_str_t *text)
{
    u_char     *p, *last, *colon;
    ngx_int_t   slot, port;
    ngx_str_t  *host;

    last = text->data + text->len;

    p = ngx_strlchr(text->data, last, ' ');
    if (p == NULL) {
        return NGX_DECLINED;
    }

    host = &redirect->server.host;

    host->data = ngx_strlchr(++p, last, ' ');
    if (host->data == NULL) {
        return NGX_DECLINED;
    }

    slot = ngx_atoi(p, host->data - p);

    host->data++;

    /* an address of IPv6 has colons of its own, and no brackets */

    for (colon = last; colon > host->data && colon[-1] != ':'; colon--) {
        /* void */
    }

    if (colon == host->data) {
        return NGX_DECLINED;
    }

    host->len = colon - 1 - host->data;
    port = ngx_atoi(colon, last - colon);

    if (slot == NGX_ERROR || slot >= NGX_IOT_SLOTS
        || port == NGX_ERROR || port == 0 || port > 65535
        || ngx_iot_slots_is_unknown(host)
        || !ngx_iot_resp_is_host(host))
    {
        return NGX_DECLINED;
    }

    redirect->slot = slot;
    redirect->server.port = (in_port_t) port;

    return NGX_OK;
}
