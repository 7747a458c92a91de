
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_place.h"
#include "ngx_iot_redis_refresh.h"


/* without a reason */
#define NGX_IOT_REDIS_REFRESH_PERIOD  55000

/* pauses when there is one */
#define NGX_IOT_REDIS_REFRESH_MIN     1000
#define NGX_IOT_REDIS_REFRESH_MAX     30000

/* while somebody is missing: a replica may take its place any time */
#define NGX_IOT_REDIS_REFRESH_SOON    2000


struct ngx_iot_redis_refresh_s {
    ngx_iot_redis_t           *client;
    ngx_iot_redis_members_t   *members;

    ngx_iot_redis_refresh_pt   done;
    void                      *data;

    /* of the configuration; they have links only while they are asked */
    ngx_iot_redis_node_t     **seeds;
    ngx_uint_t                 nseeds;
    ngx_uint_t                 seed;        /* the next one */
    ngx_uint_t                 tried;       /* of them, this time */

    ngx_iot_redis_node_t      *asked;       /* NULL: nobody is */
    ngx_iot_redis_node_t      *preferred;   /* may not be there any more */
    ngx_msec_t                 started;
    ngx_msec_t                 pause;
    ngx_event_t                timer;

    unsigned                   wanted:1;    /* there is a reason */
    unsigned                   reasoned:1;  /* there was one, this time */
};


static ngx_int_t ngx_iot_redis_refresh_create_seeds(
    ngx_iot_redis_refresh_t *refresh);
static ngx_iot_redis_node_t *ngx_iot_redis_refresh_create_seed(
    ngx_iot_redis_t *client, const ngx_iot_redis_server_t *server);
static void ngx_iot_redis_refresh_timer_handler(ngx_event_t *ev);
static void ngx_iot_redis_refresh_begin(ngx_iot_redis_refresh_t *refresh);
static void ngx_iot_redis_refresh_ask_seed(ngx_iot_redis_refresh_t *refresh);
static void ngx_iot_redis_refresh_ask(ngx_iot_redis_refresh_t *refresh,
    ngx_iot_redis_node_t *node);
static void ngx_iot_redis_refresh_replied(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_redis_refresh_take(ngx_iot_redis_refresh_t *refresh,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_refresh_end(ngx_iot_redis_refresh_t *refresh,
    ngx_int_t rc);
static void ngx_iot_redis_refresh_after(ngx_iot_redis_refresh_t *refresh,
    ngx_msec_t pause);


ngx_iot_redis_refresh_t *
ngx_iot_redis_refresh_create(ngx_iot_redis_t *client,
    ngx_iot_redis_members_t *members, ngx_iot_redis_refresh_pt done,
    void *data)
{
    ngx_iot_redis_refresh_t  *refresh;

    refresh = ngx_pcalloc(client->pool, sizeof(ngx_iot_redis_refresh_t));
    if (refresh == NULL) {
        return NULL;
    }

    refresh->client = client;
    refresh->members = members;
    refresh->done = done;
    refresh->data = data;
    refresh->pause = NGX_IOT_REDIS_REFRESH_MIN;

    refresh->timer.handler = ngx_iot_redis_refresh_timer_handler;
    refresh->timer.data = refresh;
    refresh->timer.log = client->log;
    refresh->timer.cancelable = 1;

    if (ngx_iot_redis_refresh_create_seeds(refresh) != NGX_OK) {
        return NULL;
    }

    ngx_add_timer(&refresh->timer, 1);

    return refresh;
}


static ngx_int_t
ngx_iot_redis_refresh_create_seeds(ngx_iot_redis_refresh_t *refresh)
{
    ngx_uint_t                   i;
    ngx_iot_redis_t             *client;
    const ngx_iot_redis_conf_t  *conf;

    client = refresh->client;
    conf = client->conf;

    refresh->seeds = ngx_palloc(client->pool,
                               conf->nservers
                               * sizeof(ngx_iot_redis_node_t *));
    if (refresh->seeds == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < conf->nservers; i++) {
        refresh->seeds[i] = ngx_iot_redis_refresh_create_seed(client,
                                                          &conf->servers[i]);
        if (refresh->seeds[i] == NULL) {
            return NGX_ERROR;
        }
    }

    refresh->nseeds = conf->nservers;

    /* workers and gateways do not all ask the same one */

    refresh->seed = ngx_random() % refresh->nseeds;

    return NGX_OK;
}


/* it may be a replica, and no script will be called there */
static ngx_iot_redis_node_t *
ngx_iot_redis_refresh_create_seed(ngx_iot_redis_t *client,
    const ngx_iot_redis_server_t *server)
{
    ngx_iot_redis_place_t  *place;

    place = ngx_pcalloc(client->pool, sizeof(ngx_iot_redis_place_t));
    if (place == NULL) {
        return NULL;
    }

    if (ngx_iot_redis_place_init(place, client->pool, client->conf,
                                 &server->host, server->port, server)
        == NGX_ERROR)
    {
        return NULL;
    }

    place->endpoint.role = NULL;
    place->endpoint.nscripts = 0;

    return ngx_iot_redis_node_create(client, client->pool, &place->endpoint,
                                     server, client->log);
}


void
ngx_iot_redis_refresh_destroy(ngx_iot_redis_refresh_t *refresh)
{
    ngx_uint_t  i;

    if (refresh->timer.timer_set) {
        ngx_del_timer(&refresh->timer);
    }

    for (i = 0; i < refresh->nseeds; i++) {
        ngx_iot_redis_node_destroy(refresh->seeds[i]);
    }
}


void
ngx_iot_redis_refresh_restart(ngx_iot_redis_refresh_t *refresh,
    ngx_iot_redis_node_t *node)
{
    refresh->preferred = node;
    refresh->pause = NGX_IOT_REDIS_REFRESH_MIN;

    ngx_iot_redis_refresh_start(refresh);
}


void
ngx_iot_redis_refresh_start(ngx_iot_redis_refresh_t *refresh)
{
    ngx_msec_t  passed;

    if (refresh->asked || ngx_exiting) {
        return;
    }

    refresh->wanted = 1;

    passed = ngx_current_msec - refresh->started;

    /* it has been quiet */

    if (passed >= 2 * refresh->pause) {
        refresh->pause = NGX_IOT_REDIS_REFRESH_MIN;
    }

    if (passed >= refresh->pause) {
        ngx_iot_redis_refresh_begin(refresh);
        return;
    }

    ngx_iot_redis_refresh_after(refresh, refresh->pause - passed);
}


static void
ngx_iot_redis_refresh_timer_handler(ngx_event_t *ev)
{
    if (!ngx_exiting) {
        ngx_iot_redis_refresh_begin(ev->data);
    }
}


static void
ngx_iot_redis_refresh_begin(ngx_iot_redis_refresh_t *refresh)
{
    ngx_iot_redis_node_t  *node;

    refresh->started = ngx_current_msec;
    refresh->tried = 0;
    refresh->reasoned = refresh->wanted;
    refresh->wanted = 0;

    node = ngx_iot_redis_members_any_up(refresh->members, refresh->preferred);

    refresh->preferred = NULL;

    if (node) {
        ngx_iot_redis_refresh_ask(refresh, node);

    } else {
        ngx_iot_redis_refresh_ask_seed(refresh);
    }
}


static void
ngx_iot_redis_refresh_ask_seed(ngx_iot_redis_refresh_t *refresh)
{
    ngx_iot_redis_node_t  *node;

    if (refresh->tried == refresh->nseeds) {
        ngx_iot_redis_refresh_end(refresh, NGX_ERROR);
        return;
    }

    node = refresh->seeds[refresh->seed];

    refresh->seed = (refresh->seed + 1) % refresh->nseeds;
    refresh->tried++;

    ngx_iot_redis_refresh_ask(refresh, node);
}


static void
ngx_iot_redis_refresh_ask(ngx_iot_redis_refresh_t *refresh,
    ngx_iot_redis_node_t *node)
{
    ngx_iot_redis_command_t  *cmd;

    static ngx_str_t  argv[] = { ngx_string("CLUSTER"), ngx_string("SLOTS") };

    static const ngx_iot_resp_request_t  slots = { NULL, 0, 2, argv, 0, 1 };

    cmd = ngx_iot_redis_command_create(refresh->client, &slots,
                                       ngx_iot_redis_refresh_replied, refresh);
    if (cmd == NULL) {
        ngx_iot_redis_refresh_end(refresh, NGX_ERROR);
        return;
    }

    cmd->pinned = 1;
    refresh->asked = node;

    ngx_iot_redis_node_ask(node, cmd);
}


static void
ngx_iot_redis_refresh_replied(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    ngx_iot_redis_refresh_t  *refresh = data;

    ngx_int_t  rc;

    rc = NGX_ERROR;

    if (outcome == NGX_IOT_REDIS_REPLIED) {
        rc = ngx_iot_redis_refresh_take(refresh, reply);
    }

    refresh->asked = NULL;

    if (rc == NGX_ERROR) {
        ngx_iot_redis_refresh_ask_seed(refresh);
        return;
    }

    ngx_iot_redis_refresh_end(refresh, rc);
}


/* NGX_OK: it was news; NGX_DECLINED: it was not; NGX_ERROR: of no use */
static ngx_int_t
ngx_iot_redis_refresh_take(ngx_iot_redis_refresh_t *refresh,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t               rc;
    ngx_iot_slots_table_t  *table;

    static ngx_str_t  kind = ngx_string("CLUSTER SLOTS");

    table = ngx_alloc(sizeof(ngx_iot_slots_table_t), refresh->client->log);
    if (table == NULL) {
        return NGX_ERROR;
    }

    /* one that was thrown out of the cluster knows of no slots */

    if (ngx_iot_slots_read(table, reply) == NGX_OK && table->nservers) {
        rc = ngx_iot_redis_members_take(refresh->members, table,
                                        refresh->asked);

    } else {
        rc = NGX_ERROR;

        if (!ngx_iot_redis_was_logged(refresh->client, &kind)) {
            ngx_log_error(NGX_LOG_ERR, refresh->client->log, 0,
                          "redis told of no slots of its cluster, "
                          "store: \"%V\", server: \"%V\"",
                          &refresh->client->conf->name,
                          &ngx_iot_redis_node_server(refresh->asked)->text);
        }
    }

    ngx_free(table);

    return rc;
}


static void
ngx_iot_redis_refresh_end(ngx_iot_redis_refresh_t *refresh, ngx_int_t rc)
{
    ngx_msec_t  max;
    ngx_uint_t  i, missing;

    for (i = 0; i < refresh->nseeds; i++) {
        ngx_iot_redis_node_close(refresh->seeds[i]);
    }

    missing = (rc == NGX_ERROR
               || ngx_iot_redis_members_any_down(refresh->members));

    max = missing ? NGX_IOT_REDIS_REFRESH_SOON : NGX_IOT_REDIS_REFRESH_MAX;

    if (rc == NGX_OK || !(refresh->reasoned || missing)) {
        refresh->pause = NGX_IOT_REDIS_REFRESH_MIN;

    } else {
        refresh->pause = ngx_min(refresh->pause * 2, max);
    }

    ngx_iot_redis_refresh_after(refresh, missing ? refresh->pause
                                         : NGX_IOT_REDIS_REFRESH_PERIOD);

    refresh->done(refresh->data, rc == NGX_ERROR);
}


/* and a little more: all workers of all gateways have begun together */
static void
ngx_iot_redis_refresh_after(ngx_iot_redis_refresh_t *refresh, ngx_msec_t pause)
{
    if (refresh->timer.timer_set) {
        ngx_del_timer(&refresh->timer);
    }

    ngx_add_timer(&refresh->timer, pause + ngx_random() % (pause / 5 + 1));
}
