
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_members.h"
#include "ngx_iot_redis_place.h"


#define NGX_IOT_REDIS_MEMBER_POOL_SIZE  4096

/* those of a table, and as many that it takes the place of */
#define NGX_IOT_REDIS_MEMBERS_MAX       (2 * NGX_IOT_SLOTS_SERVERS)

/* how often those that are gone are looked after */
#define NGX_IOT_REDIS_MEMBERS_SWEEP     100


struct ngx_iot_redis_members_s {
    ngx_iot_redis_t         *client;

    uint16_t                 owners[NGX_IOT_SLOTS];

    ngx_uint_t               n;
    ngx_iot_redis_member_t  *all[NGX_IOT_REDIS_MEMBERS_MAX];

    ngx_queue_t              gone;
    ngx_event_t              sweep;
};


static ngx_int_t ngx_iot_redis_members_take_servers(
    ngx_iot_redis_members_t *members, const ngx_iot_slots_table_t *table,
    ngx_iot_redis_node_t *from, ngx_iot_redis_member_t **servers);
static ngx_int_t ngx_iot_redis_members_take_owners(
    ngx_iot_redis_members_t *members, const ngx_iot_slots_table_t *table,
    ngx_iot_redis_member_t **servers);
static ngx_iot_redis_member_t *ngx_iot_redis_members_find(
    const ngx_iot_redis_members_t *members, const ngx_str_t *host,
    in_port_t port);
static ngx_iot_redis_member_t *ngx_iot_redis_members_add(
    ngx_iot_redis_members_t *members, const ngx_str_t *host, in_port_t port,
    ngx_iot_redis_node_t *from);
static ngx_int_t ngx_iot_redis_members_add_node(
    ngx_iot_redis_members_t *members, ngx_iot_redis_member_t *member,
    ngx_iot_redis_node_t *from);
static void ngx_iot_redis_members_retire(ngx_iot_redis_members_t *members);
static void ngx_iot_redis_members_remove(ngx_iot_redis_members_t *members,
    ngx_iot_redis_member_t *member);
static void ngx_iot_redis_members_sweep_handler(ngx_event_t *ev);
static void ngx_iot_redis_members_destroy_member(
    ngx_iot_redis_member_t *member);


ngx_iot_redis_members_t *
ngx_iot_redis_members_create(ngx_iot_redis_t *client)
{
    ngx_uint_t                i;
    ngx_iot_redis_members_t  *members;

    members = ngx_pcalloc(client->pool, sizeof(ngx_iot_redis_members_t));
    if (members == NULL) {
        return NULL;
    }

    members->client = client;

    for (i = 0; i < NGX_IOT_SLOTS; i++) {
        members->owners[i] = NGX_IOT_SLOTS_NONE;
    }

    ngx_queue_init(&members->gone);

    members->sweep.handler = ngx_iot_redis_members_sweep_handler;
    members->sweep.data = members;
    members->sweep.log = client->log;
    members->sweep.cancelable = 1;

    return members;
}


void
ngx_iot_redis_members_destroy(ngx_iot_redis_members_t *members)
{
    ngx_uint_t               i;
    ngx_queue_t             *q;
    ngx_iot_redis_member_t  *member;

    if (members->sweep.timer_set) {
        ngx_del_timer(&members->sweep);
    }

    for (i = 0; i < members->n; i++) {
        ngx_iot_redis_members_destroy_member(members->all[i]);
    }

    while (!ngx_queue_empty(&members->gone)) {
        q = ngx_queue_head(&members->gone);
        member = ngx_queue_data(q, ngx_iot_redis_member_t, queue);

        ngx_queue_remove(q);
        ngx_iot_redis_members_destroy_member(member);
    }
}


ngx_int_t
ngx_iot_redis_members_take(ngx_iot_redis_members_t *members,
    const ngx_iot_slots_table_t *table, ngx_iot_redis_node_t *from)
{
    ngx_int_t                rc;
    ngx_iot_redis_member_t  *servers[NGX_IOT_SLOTS_SERVERS];

    if (ngx_iot_redis_members_take_servers(members, table, from, servers)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    rc = ngx_iot_redis_members_take_owners(members, table, servers);

    ngx_iot_redis_members_retire(members);

    return rc;
}


static ngx_int_t
ngx_iot_redis_members_take_servers(ngx_iot_redis_members_t *members,
    const ngx_iot_slots_table_t *table, ngx_iot_redis_node_t *from,
    ngx_iot_redis_member_t **servers)
{
    ngx_uint_t  i;

    for (i = 0; i < table->nservers; i++) {
        servers[i] = ngx_iot_redis_members_get(members, &table->servers[i],
                                               from);
        if (servers[i] == NULL) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < members->n; i++) {
        members->all[i]->stays = 0;
    }

    for (i = 0; i < table->nservers; i++) {
        servers[i]->stays = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_redis_members_take_owners(ngx_iot_redis_members_t *members,
    const ngx_iot_slots_table_t *table, ngx_iot_redis_member_t **servers)
{
    uint16_t    owner;
    ngx_int_t   rc;
    ngx_uint_t  slot;

    rc = NGX_DECLINED;

    for (slot = 0; slot < NGX_IOT_SLOTS; slot++) {
        owner = table->owners[slot];

        if (owner != NGX_IOT_SLOTS_NONE) {
            owner = (uint16_t) servers[owner]->index;
        }

        if (members->owners[slot] != owner) {
            members->owners[slot] = owner;
            rc = NGX_OK;
        }
    }

    return rc;
}


ngx_iot_redis_member_t *
ngx_iot_redis_members_owner(const ngx_iot_redis_members_t *members,
    ngx_uint_t slot)
{
    uint16_t  owner;

    owner = members->owners[slot];

    return owner == NGX_IOT_SLOTS_NONE ? NULL : members->all[owner];
}


void
ngx_iot_redis_members_give(ngx_iot_redis_members_t *members, ngx_uint_t slot,
    ngx_iot_redis_member_t *member)
{
    members->owners[slot] = (uint16_t) member->index;
}


ngx_iot_redis_member_t *
ngx_iot_redis_members_get(ngx_iot_redis_members_t *members,
    const ngx_iot_slots_server_t *server, ngx_iot_redis_node_t *from)
{
    ngx_str_t                host;
    ngx_iot_redis_member_t  *member;

    host = server->host.len ? server->host
                            : ngx_iot_redis_node_server(from)->host;

    member = ngx_iot_redis_members_find(members, &host, server->port);

    if (member) {
        return member;
    }

    return ngx_iot_redis_members_add(members, &host, server->port, from);
}


static ngx_iot_redis_member_t *
ngx_iot_redis_members_find(const ngx_iot_redis_members_t *members,
    const ngx_str_t *host, in_port_t port)
{
    ngx_uint_t               i;
    ngx_iot_redis_member_t  *member;

    for (i = 0; i < members->n; i++) {
        member = members->all[i];

        if (member->port == port
            && member->host.len == host->len
            && ngx_strncmp(member->host.data, host->data, host->len) == 0)
        {
            return member;
        }
    }

    return NULL;
}


static ngx_iot_redis_member_t *
ngx_iot_redis_members_add(ngx_iot_redis_members_t *members,
    const ngx_str_t *host, in_port_t port, ngx_iot_redis_node_t *from)
{
    ngx_pool_t              *pool;
    ngx_iot_redis_member_t  *member;

    if (members->n == NGX_IOT_REDIS_MEMBERS_MAX) {
        return NULL;
    }

    pool = ngx_create_pool(NGX_IOT_REDIS_MEMBER_POOL_SIZE,
                           members->client->log);
    if (pool == NULL) {
        return NULL;
    }

    member = ngx_pcalloc(pool, sizeof(ngx_iot_redis_member_t));
    if (member == NULL) {
        goto failed;
    }

    member->pool = pool;
    member->port = port;
    member->host.len = host->len;
    member->host.data = ngx_pstrdup(pool, (ngx_str_t *) host);

    if (member->host.data == NULL
        || ngx_iot_redis_members_add_node(members, member, from) != NGX_OK)
    {
        goto failed;
    }

    member->index = members->n;
    members->all[members->n++] = member;

    return member;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


static ngx_int_t
ngx_iot_redis_members_add_node(ngx_iot_redis_members_t *members,
    ngx_iot_redis_member_t *member, ngx_iot_redis_node_t *from)
{
    ngx_int_t               rc;
    ngx_iot_redis_t        *client;
    ngx_iot_redis_place_t  *place;

    client = members->client;

    place = ngx_pcalloc(member->pool, sizeof(ngx_iot_redis_place_t));
    if (place == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_iot_redis_place_init(place, member->pool, client->conf,
                                  &member->host, member->port,
                                  ngx_iot_redis_node_server(from));

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, client->log, 0,
                      "redis told of a server \"%V\" of its cluster, which "
                      "can not be found without a \"resolver\", "
                      "store: \"%V\"", &place->server.text,
                      &client->conf->name);
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    member->node = ngx_iot_redis_node_create(client, member->pool,
                                             &place->endpoint, &place->server,
                                             client->log);

    return member->node ? NGX_OK : NGX_ERROR;
}


static void
ngx_iot_redis_members_retire(ngx_iot_redis_members_t *members)
{
    ngx_uint_t               i;
    ngx_iot_redis_member_t  *member;

    for (i = members->n; i > 0; i--) {
        member = members->all[i - 1];

        if (member->stays) {
            continue;
        }

        ngx_iot_redis_members_remove(members, member);
        ngx_queue_insert_tail(&members->gone, &member->queue);

        if (member->node) {
            ngx_iot_redis_node_close(member->node);
        }
    }

    if (!ngx_queue_empty(&members->gone) && !members->sweep.timer_set) {
        ngx_add_timer(&members->sweep, NGX_IOT_REDIS_MEMBERS_SWEEP);
    }
}


/* it has no slots; the last one takes its index */
static void
ngx_iot_redis_members_remove(ngx_iot_redis_members_t *members,
    ngx_iot_redis_member_t *member)
{
    ngx_uint_t               slot;
    ngx_iot_redis_member_t  *last;

    last = members->all[--members->n];

    if (last == member) {
        return;
    }

    for (slot = 0; slot < NGX_IOT_SLOTS; slot++) {
        if (members->owners[slot] == last->index) {
            members->owners[slot] = (uint16_t) member->index;
        }
    }

    last->index = member->index;
    members->all[last->index] = last;
}


/* none is destroyed while one of its own functions may still run */
static void
ngx_iot_redis_members_sweep_handler(ngx_event_t *ev)
{
    ngx_queue_t              *q;
    ngx_iot_redis_member_t   *member;
    ngx_iot_redis_members_t  *members;

    members = ev->data;
    q = ngx_queue_head(&members->gone);

    while (q != ngx_queue_sentinel(&members->gone)) {
        member = ngx_queue_data(q, ngx_iot_redis_member_t, queue);
        q = ngx_queue_next(q);

        if (member->node == NULL || ngx_iot_redis_node_is_idle(member->node)) {
            ngx_queue_remove(&member->queue);
            ngx_iot_redis_members_destroy_member(member);
        }
    }

    if (!ngx_queue_empty(&members->gone)) {
        ngx_add_timer(ev, NGX_IOT_REDIS_MEMBERS_SWEEP);
    }
}


static void
ngx_iot_redis_members_destroy_member(ngx_iot_redis_member_t *member)
{
    if (member->node) {
        ngx_iot_redis_node_destroy(member->node);
    }

    ngx_destroy_pool(member->pool);
}


ngx_iot_redis_node_t *
ngx_iot_redis_members_any_up(const ngx_iot_redis_members_t *members,
    const ngx_iot_redis_node_t *preferred)
{
    ngx_uint_t             i, first;
    ngx_iot_redis_node_t  *node, *up;

    up = NULL;
    first = members->n ? ngx_random() % members->n : 0;

    for (i = 0; i < members->n; i++) {
        node = members->all[(first + i) % members->n]->node;

        if (node == NULL || !ngx_iot_redis_node_is_up(node)) {
            continue;
        }

        if (node == preferred) {
            return node;
        }

        up = up ? up : node;
    }

    return up;
}


ngx_uint_t
ngx_iot_redis_members_any_down(const ngx_iot_redis_members_t *members)
{
    ngx_uint_t             i;
    ngx_iot_redis_node_t  *node;

    for (i = 0; i < members->n; i++) {
        node = members->all[i]->node;

        if (node && ngx_iot_redis_node_is_down(node)) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_iot_redis_members_status(const ngx_iot_redis_members_t *members,
    ngx_iot_redis_report_t *report)
{
    ngx_uint_t             i, slot;
    ngx_iot_redis_node_t  *node;

    for (i = 0; i < members->n; i++) {
        node = members->all[i]->node;

        if (node) {
            ngx_iot_redis_node_status(node, report);
        }
    }

    for (slot = 0; slot < NGX_IOT_SLOTS; slot++) {

        if (members->owners[slot] == NGX_IOT_SLOTS_NONE) {
            return 0;
        }

        node = members->all[members->owners[slot]]->node;

        if (node == NULL || ngx_iot_redis_node_is_down(node)) {
            return 0;
        }
    }

    return 1;
}
