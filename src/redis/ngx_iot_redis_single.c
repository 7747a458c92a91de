
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_node.h"
#include "ngx_iot_redis_sentinel.h"


typedef struct {
    ngx_iot_redis_node_t      *node;
    ngx_iot_redis_sentinel_t  *sentinel;    /* NULL: it is where it is */
} ngx_iot_redis_single_t;


static void *ngx_iot_redis_single_create(ngx_iot_redis_t *client);
static ngx_iot_redis_node_t *ngx_iot_redis_single_create_node(
    ngx_iot_redis_single_t *single, ngx_iot_redis_t *client);
static void ngx_iot_redis_single_destroy(void *servers);
static void ngx_iot_redis_single_moved(void *data);
static void ngx_iot_redis_single_route(void *servers,
    ngx_iot_redis_command_t *cmd);
static ngx_int_t ngx_iot_redis_single_refused(void *servers,
    ngx_iot_redis_command_t *cmd, ngx_iot_resp_refusal_e refusal,
    ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_redis_single_read_only(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_single_unreachable(void *servers,
    ngx_iot_redis_node_t *node);
static ngx_uint_t ngx_iot_redis_single_status(void *servers,
    ngx_iot_redis_report_t *report);


const ngx_iot_redis_topology_t  ngx_iot_redis_single = {
    ngx_iot_redis_single_create,
    ngx_iot_redis_single_destroy,
    ngx_iot_redis_single_route,
    ngx_iot_redis_single_refused,
    ngx_iot_redis_single_unreachable,
    ngx_iot_redis_single_status
};


static void *
ngx_iot_redis_single_create(ngx_iot_redis_t *client)
{
    ngx_iot_redis_single_t  *single;

    single = ngx_pcalloc(client->pool, sizeof(ngx_iot_redis_single_t));
    if (single == NULL) {
        return NULL;
    }

    if (client->conf->topology == NGX_IOT_REDIS_SENTINEL) {
        single->sentinel = ngx_iot_redis_sentinel_create(client->pool,
                                                  client->conf,
                                                  ngx_iot_redis_single_moved,
                                                  single, client->log);
        if (single->sentinel == NULL) {
            return NULL;
        }
    }

    single->node = ngx_iot_redis_single_create_node(single, client);
    if (single->node == NULL) {
        return NULL;
    }

    ngx_iot_redis_node_start(single->node);

    return single;
}


static ngx_iot_redis_node_t *
ngx_iot_redis_single_create_node(ngx_iot_redis_single_t *single,
    ngx_iot_redis_t *client)
{
    const ngx_iot_redis_server_t    *server;
    const ngx_iot_redis_endpoint_t  *endpoint;

    if (single->sentinel) {
        server = ngx_iot_redis_sentinel_server(single->sentinel);
        endpoint = ngx_iot_redis_sentinel_endpoint(single->sentinel);

    } else {
        server = &client->conf->servers[0];
        endpoint = &client->conf->endpoint;
    }

    return ngx_iot_redis_node_create(client, client->pool, endpoint, server,
                                     client->log);
}


static void
ngx_iot_redis_single_destroy(void *servers)
{
    ngx_iot_redis_single_t  *single = servers;

    ngx_iot_redis_node_destroy(single->node);

    if (single->sentinel) {
        ngx_iot_redis_sentinel_destroy(single->sentinel);
    }
}


static void
ngx_iot_redis_single_moved(void *data)
{
    ngx_iot_redis_single_t  *single = data;

    ngx_iot_redis_node_moved(single->node);
}


static void
ngx_iot_redis_single_route(void *servers, ngx_iot_redis_command_t *cmd)
{
    ngx_iot_redis_single_t  *single = servers;

    ngx_iot_redis_node_submit(single->node, cmd);
}


static ngx_int_t
ngx_iot_redis_single_refused(void *servers, ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_refusal_e refusal, ngx_iot_resp_reply_t *reply)
{
    ngx_iot_redis_single_t  *single = servers;

    switch (refusal) {

    case NGX_IOT_RESP_READ_ONLY:
        return ngx_iot_redis_single_read_only(single->node, cmd);

    case NGX_IOT_RESP_NOT_READY:

        /* its greeting will show when it is */

        ngx_iot_redis_node_leave(single->node, "redis is not ready");
        return NGX_DECLINED;

    default:
        return NGX_DECLINED;
    }
}


/* the server that is found next may be the master */
static ngx_int_t
ngx_iot_redis_single_read_only(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd)
{
    ngx_iot_redis_node_leave(node, "redis is not the master any more");

    if (cmd->done == NULL || cmd->retried) {
        return NGX_DECLINED;
    }

    cmd->retried = 1;

    ngx_iot_redis_lane_resubmit(cmd->lane, cmd);

    return NGX_OK;
}


/* there is no other */
static void
ngx_iot_redis_single_unreachable(void *servers, ngx_iot_redis_node_t *node)
{
    /* void */
}


static ngx_uint_t
ngx_iot_redis_single_status(void *servers, ngx_iot_redis_report_t *report)
{
    ngx_iot_redis_single_t  *single = servers;

    ngx_iot_redis_node_status(single->node, report);

    if (single->sentinel) {
        ngx_iot_redis_sentinel_status(single->sentinel, report);
    }

    /* a master that is there serves also while no sentinel does */

    return !ngx_iot_redis_node_is_down(single->node);
}
