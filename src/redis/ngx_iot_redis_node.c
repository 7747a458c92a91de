
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_node.h"


/* addresses whose failures are told apart */
#define NGX_IOT_REDIS_NODE_LOGGED  16


struct ngx_iot_redis_node_s {
    ngx_iot_redis_t                 *client;
    const ngx_iot_redis_endpoint_t  *endpoint;

    ngx_iot_redis_names_t            names;
    ngx_uint_t                       finding;

    /* writes first, then the others, which may be of those */
    ngx_iot_redis_lane_t           **lanes;
    ngx_uint_t                       nlanes;

    ngx_uint_t                       nwrites;
    ngx_uint_t                       next;      /* of them, by turns */
    ngx_iot_redis_lane_t            *reads;     /* NULL: with the writes */
    ngx_iot_redis_lane_t            *large;

    /* for each address what was logged last, 0: nothing */
    uint32_t                         logged[NGX_IOT_REDIS_NODE_LOGGED];
    const char                      *nameless;  /* the same for the name */
    ngx_uint_t                       failed;    /* something was */
};


static ngx_int_t ngx_iot_redis_node_create_lanes(ngx_iot_redis_node_t *node,
    ngx_pool_t *pool, ngx_log_t *log);
static void ngx_iot_redis_node_named(void *data, const char *failed);
static ngx_iot_redis_lane_t *ngx_iot_redis_node_lane(
    ngx_iot_redis_node_t *node, const ngx_iot_resp_request_t *req);
static ngx_iot_redis_lane_t *ngx_iot_redis_node_lane_up(
    const ngx_iot_redis_node_t *node);


ngx_iot_redis_node_t *
ngx_iot_redis_node_create(ngx_iot_redis_t *client, ngx_pool_t *pool,
    const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_redis_server_t *server, ngx_log_t *log)
{
    ngx_iot_redis_node_t  *node;

    node = ngx_pcalloc(pool, sizeof(ngx_iot_redis_node_t));
    if (node == NULL) {
        return NULL;
    }

    node->client = client;
    node->endpoint = endpoint;

    ngx_iot_redis_names_init(&node->names, server, ngx_iot_redis_node_named,
                             node, log);

    if (ngx_iot_redis_node_create_lanes(node, pool, log) != NGX_OK) {
        return NULL;
    }

    return node;
}


/* the first one shows whether the server is there */
static ngx_int_t
ngx_iot_redis_node_create_lanes(ngx_iot_redis_node_t *node, ngx_pool_t *pool,
    ngx_log_t *log)
{
    ngx_uint_t                   i;
    const ngx_iot_redis_conf_t  *conf;

    conf = node->client->conf;

    node->nwrites = conf->connections;
    node->nlanes = node->nwrites + (conf->endpoint.replicas != 0) + 1;

    node->lanes = ngx_palloc(pool,
                             node->nlanes * sizeof(ngx_iot_redis_lane_t *));
    if (node->lanes == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < node->nlanes; i++) {
        node->lanes[i] = ngx_iot_redis_lane_create(node, pool, i == 0, log);
        if (node->lanes[i] == NULL) {
            return NGX_ERROR;
        }
    }

    node->reads = conf->endpoint.replicas ? node->lanes[node->nwrites] : NULL;
    node->large = node->lanes[node->nlanes - 1];

    return NGX_OK;
}


void
ngx_iot_redis_node_destroy(ngx_iot_redis_node_t *node)
{
    ngx_uint_t  i;

    ngx_iot_redis_names_destroy(&node->names);

    for (i = 0; i < node->nlanes; i++) {
        ngx_iot_redis_lane_destroy(node->lanes[i]);
    }
}


void
ngx_iot_redis_node_start(ngx_iot_redis_node_t *node)
{
    ngx_iot_redis_lane_start(node->lanes[0]);
}


void
ngx_iot_redis_node_submit(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd)
{
    ngx_iot_redis_lane_t  *lane;

    lane = ngx_iot_redis_node_lane(node, cmd->req);

    /* it would find out for itself, but not at once */

    if (ngx_iot_redis_lane_state(lane) == NGX_IOT_REDIS_LANE_IDLE
        && ngx_iot_redis_node_is_down(node))
    {
        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
        return;
    }

    ngx_iot_redis_lane_submit(lane, cmd);
}


static ngx_iot_redis_lane_t *
ngx_iot_redis_node_lane(ngx_iot_redis_node_t *node,
    const ngx_iot_resp_request_t *req)
{
    ngx_iot_redis_lane_t  *lane;

    if (req->large) {
        return node->large;
    }

    if (node->reads && !req->writes) {
        return node->reads;
    }

    lane = node->lanes[node->next];

    node->next = (node->next + 1) % node->nwrites;

    return lane;
}


void
ngx_iot_redis_node_ask(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd)
{
    ngx_iot_redis_lane_t  *lane;

    lane = ngx_iot_redis_node_lane_up(node);

    ngx_iot_redis_lane_submit(lane ? lane : node->lanes[0], cmd);
}


static ngx_iot_redis_lane_t *
ngx_iot_redis_node_lane_up(const ngx_iot_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < node->nlanes; i++) {

        if (ngx_iot_redis_lane_state(node->lanes[i])
            == NGX_IOT_REDIS_LANE_UP)
        {
            return node->lanes[i];
        }
    }

    return NULL;
}


void
ngx_iot_redis_node_leave(ngx_iot_redis_node_t *node, const char *reason)
{
    ngx_uint_t  i;

    for (i = 0; i < node->nlanes; i++) {
        ngx_iot_redis_lane_leave(node->lanes[i], reason);
    }
}


void
ngx_iot_redis_node_close(ngx_iot_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < node->nlanes; i++) {
        ngx_iot_redis_lane_close(node->lanes[i]);
    }
}


void
ngx_iot_redis_node_status(const ngx_iot_redis_node_t *node,
    ngx_iot_redis_report_t *report)
{
    ngx_uint_t                    i;
    ngx_iot_redis_lane_use_e      use;
    ngx_iot_redis_lane_status_t  *status;

    for (i = 0; i < node->nlanes; i++) {

        use = i < node->nwrites ? NGX_IOT_REDIS_LANE_COMMANDS
              : node->lanes[i] == node->reads ? NGX_IOT_REDIS_LANE_READS
                                              : NGX_IOT_REDIS_LANE_LARGE;

        status = ngx_iot_redis_report_lane(report, &node->names.server->text,
                                           use);
        if (status) {
            ngx_iot_redis_lane_status(node->lanes[i], status);
        }
    }
}


void
ngx_iot_redis_node_moved(ngx_iot_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < node->nlanes; i++) {
        ngx_iot_redis_lane_moved(node->lanes[i]);
    }
}


ngx_uint_t
ngx_iot_redis_node_is_up(const ngx_iot_redis_node_t *node)
{
    return ngx_iot_redis_node_lane_up(node) != NULL;
}


ngx_uint_t
ngx_iot_redis_node_is_down(const ngx_iot_redis_node_t *node)
{
    return ngx_iot_redis_lane_state(node->lanes[0])
           == NGX_IOT_REDIS_LANE_DOWN;
}


ngx_uint_t
ngx_iot_redis_node_is_idle(const ngx_iot_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; i < node->nlanes; i++) {

        if (ngx_iot_redis_lane_state(node->lanes[i])
            != NGX_IOT_REDIS_LANE_IDLE)
        {
            return 0;
        }
    }

    return 1;
}


ngx_iot_redis_t *
ngx_iot_redis_node_client(const ngx_iot_redis_node_t *node)
{
    return node->client;
}


const ngx_iot_redis_endpoint_t *
ngx_iot_redis_node_endpoint(const ngx_iot_redis_node_t *node)
{
    return node->endpoint;
}


const ngx_iot_redis_server_t *
ngx_iot_redis_node_server(const ngx_iot_redis_node_t *node)
{
    return node->names.server;
}


const ngx_iot_redis_names_t *
ngx_iot_redis_node_names(const ngx_iot_redis_node_t *node)
{
    return &node->names;
}


void
ngx_iot_redis_node_find(ngx_iot_redis_node_t *node)
{
    if (node->finding) {
        return;
    }

    node->finding = 1;

    ngx_iot_redis_names_update(&node->names);
}


/* the addresses are known as well as they can be */
static void
ngx_iot_redis_node_named(void *data, const char *failed)
{
    ngx_iot_redis_node_t  *node = data;

    ngx_uint_t  i;

    node->finding = 0;

    for (i = 0; i < node->nlanes; i++) {
        ngx_iot_redis_lane_found(node->lanes[i], failed);
    }
}


void
ngx_iot_redis_node_log_up(ngx_iot_redis_node_t *node, ngx_log_t *log)
{
    ngx_uint_t  level;

    level = node->failed ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, log, 0, "redis is available%s",
                  node->failed ? " again" : "");

    ngx_memzero(node->logged, sizeof(node->logged));

    node->failed = 0;
}


void
ngx_iot_redis_node_log_break(ngx_iot_redis_node_t *node, ngx_log_t *log,
    ngx_uint_t address, const ngx_iot_redis_break_t *brk, ngx_uint_t lost)
{
    uint32_t  hash, *logged;

    hash = ngx_crc32_short(brk->reason.data, brk->reason.len)
           ^ (uint32_t) brk->err;

    /* 0 is taken */
    hash |= 1;

    logged = &node->logged[address % NGX_IOT_REDIS_NODE_LOGGED];

    if (*logged == hash) {
        return;
    }

    *logged = hash;
    node->failed = 1;

    if (brk->was_up) {
        ngx_log_error(NGX_LOG_ERR, log, brk->err, "%V, %ui commands lost",
                      &brk->reason, lost);

    } else {
        ngx_log_error(NGX_LOG_ERR, log, brk->err, "%V", &brk->reason);
    }
}


void
ngx_iot_redis_node_log_name(ngx_iot_redis_node_t *node, ngx_log_t *log,
    const char *failed)
{
    if (failed && failed != node->nameless) {
        node->failed = 1;
        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "the name of redis could not be resolved (%s)", failed);
    }

    node->nameless = failed;
}
