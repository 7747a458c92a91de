
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_refresh.h"


#define NGX_IOT_REDIS_HOPS_MAX        5

/* milliseconds: while a slot is moved, and after its server has failed */
#define NGX_IOT_REDIS_TRY_AGAIN_MIN   20
#define NGX_IOT_REDIS_TRY_AGAIN_MAX   200
#define NGX_IOT_REDIS_RETRY_MIN       100
#define NGX_IOT_REDIS_RETRY_MAX       200


typedef struct {
    ngx_iot_redis_t          *client;
    ngx_iot_redis_members_t  *members;
    ngx_iot_redis_refresh_t  *refresh;

    /* commands, until it is known who is there, or that nobody is */
    ngx_queue_t               waiting;
    ngx_uint_t                known;
    ngx_uint_t                failed;
} ngx_iot_redis_cluster_t;


static void *ngx_iot_redis_cluster_create(ngx_iot_redis_t *client);
static void ngx_iot_redis_cluster_destroy(void *servers);
static void ngx_iot_redis_cluster_refreshed(void *data, ngx_uint_t failed);

static void ngx_iot_redis_cluster_route(void *servers,
    ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_cluster_route_unknown(
    ngx_iot_redis_cluster_t *cluster, ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_cluster_route_unassigned(
    ngx_iot_redis_cluster_t *cluster, ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_cluster_submit(ngx_iot_redis_member_t *member,
    ngx_iot_redis_command_t *cmd);

static ngx_int_t ngx_iot_redis_cluster_refused(void *servers,
    ngx_iot_redis_command_t *cmd, ngx_iot_resp_refusal_e refusal,
    ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_redis_cluster_redirected(
    ngx_iot_redis_cluster_t *cluster, ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_refusal_e refusal, ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_cluster_moved(ngx_iot_redis_cluster_t *cluster,
    ngx_uint_t slot, ngx_iot_redis_member_t *member,
    ngx_iot_redis_node_t *from);
static ngx_int_t ngx_iot_redis_cluster_again(ngx_iot_redis_command_t *cmd);
static ngx_int_t ngx_iot_redis_cluster_retry(ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_cluster_leave(ngx_iot_redis_cluster_t *cluster,
    ngx_iot_redis_command_t *cmd, const char *reason);
static void ngx_iot_redis_cluster_unreachable(void *servers,
    ngx_iot_redis_node_t *node);
static ngx_uint_t ngx_iot_redis_cluster_status(void *servers,
    ngx_iot_redis_report_t *report);


const ngx_iot_redis_topology_t  ngx_iot_redis_cluster = {
    ngx_iot_redis_cluster_create,
    ngx_iot_redis_cluster_destroy,
    ngx_iot_redis_cluster_route,
    ngx_iot_redis_cluster_refused,
    ngx_iot_redis_cluster_unreachable,
    ngx_iot_redis_cluster_status
};


static void *
ngx_iot_redis_cluster_create(ngx_iot_redis_t *client)
{
    ngx_iot_redis_cluster_t  *cluster;

    cluster = ngx_pcalloc(client->pool, sizeof(ngx_iot_redis_cluster_t));
    if (cluster == NULL) {
        return NULL;
    }

    cluster->client = client;

    ngx_queue_init(&cluster->waiting);

    cluster->members = ngx_iot_redis_members_create(client);
    if (cluster->members == NULL) {
        return NULL;
    }

    cluster->refresh = ngx_iot_redis_refresh_create(client, cluster->members,
                                     ngx_iot_redis_cluster_refreshed, cluster);
    if (cluster->refresh == NULL) {
        return NULL;
    }

    return cluster;
}


static void
ngx_iot_redis_cluster_destroy(void *servers)
{
    ngx_iot_redis_cluster_t  *cluster = servers;

    ngx_iot_redis_refresh_destroy(cluster->refresh);
    ngx_iot_redis_members_destroy(cluster->members);
}


static void
ngx_iot_redis_cluster_refreshed(void *data, ngx_uint_t failed)
{
    ngx_iot_redis_cluster_t  *cluster = data;

    ngx_queue_t              *q, waiting;
    ngx_iot_redis_command_t  *cmd;

    cluster->failed = failed;
    cluster->known |= !failed;

    ngx_queue_init(&waiting);
    ngx_queue_add(&waiting, &cluster->waiting);
    ngx_queue_init(&cluster->waiting);

    while (!ngx_queue_empty(&waiting)) {
        q = ngx_queue_head(&waiting);
        cmd = ngx_iot_redis_command(q);

        ngx_queue_remove(q);
        ngx_iot_redis_leave(cmd);
        ngx_iot_redis_route(cmd);
    }
}


static void
ngx_iot_redis_cluster_route(void *servers, ngx_iot_redis_command_t *cmd)
{
    ngx_iot_redis_cluster_t  *cluster = servers;

    ngx_uint_t               slot;
    ngx_iot_redis_member_t  *member;

    cmd->asking = 0;

    if (!cluster->known) {
        ngx_iot_redis_cluster_route_unknown(cluster, cmd);
        return;
    }

    slot = ngx_iot_slots_of_request(cmd->req);
    member = ngx_iot_redis_members_owner(cluster->members, slot);

    if (member == NULL) {
        ngx_iot_redis_cluster_route_unassigned(cluster, cmd);
        return;
    }

    ngx_iot_redis_cluster_submit(member, cmd);
}


static void
ngx_iot_redis_cluster_route_unknown(ngx_iot_redis_cluster_t *cluster,
    ngx_iot_redis_command_t *cmd)
{
    if (cluster->failed) {
        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
        return;
    }

    ngx_iot_redis_enter(cmd);
    ngx_queue_insert_tail(&cluster->waiting, &cmd->queue);
}


static void
ngx_iot_redis_cluster_route_unassigned(ngx_iot_redis_cluster_t *cluster,
    ngx_iot_redis_command_t *cmd)
{
    static ngx_str_t  kind = ngx_string("unassigned");

    ngx_iot_redis_refresh_start(cluster->refresh);

    if (ngx_iot_redis_cluster_retry(cmd) == NGX_OK) {
        return;
    }

    if (!ngx_iot_redis_was_logged(cluster->client, &kind)) {
        ngx_log_error(NGX_LOG_ERR, cluster->client->log, 0,
                      "slot %ui of the redis cluster is served by nobody, "
                      "store: \"%V\"", ngx_iot_slots_of_request(cmd->req),
                      &cluster->client->conf->name);
    }

    ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
}


static void
ngx_iot_redis_cluster_submit(ngx_iot_redis_member_t *member,
    ngx_iot_redis_command_t *cmd)
{
    if (member->node == NULL) {
        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
        return;
    }

    ngx_iot_redis_node_submit(member->node, cmd);
}


static ngx_int_t
ngx_iot_redis_cluster_refused(void *servers, ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_refusal_e refusal, ngx_iot_resp_reply_t *reply)
{
    ngx_iot_redis_cluster_t  *cluster = servers;

    switch (refusal) {

    case NGX_IOT_RESP_MOVED:
    case NGX_IOT_RESP_ASK:
        return ngx_iot_redis_cluster_redirected(cluster, cmd, refusal, reply);

    case NGX_IOT_RESP_TRY_AGAIN:
        return ngx_iot_redis_cluster_again(cmd);

    case NGX_IOT_RESP_CLUSTER_DOWN:
        ngx_iot_redis_refresh_start(cluster->refresh);
        return ngx_iot_redis_cluster_retry(cmd);

    case NGX_IOT_RESP_READ_ONLY:
        ngx_iot_redis_cluster_leave(cluster, cmd,
                                    "redis is not the master any more");
        return ngx_iot_redis_cluster_retry(cmd);

    case NGX_IOT_RESP_NOT_READY:
        ngx_iot_redis_cluster_leave(cluster, cmd, "redis is not ready");
        return NGX_DECLINED;

    default:
        return NGX_DECLINED;
    }
}


static ngx_int_t
ngx_iot_redis_cluster_redirected(ngx_iot_redis_cluster_t *cluster,
    ngx_iot_redis_command_t *cmd, ngx_iot_resp_refusal_e refusal,
    ngx_iot_resp_reply_t *reply)
{
    ngx_iot_redis_node_t      *from;
    ngx_iot_redis_member_t    *member;
    ngx_iot_slots_redirect_t   redirect;

    from = ngx_iot_redis_lane_node(cmd->lane);

    if (cmd->done == NULL
        || cmd->hops++ == NGX_IOT_REDIS_HOPS_MAX
        || ngx_iot_slots_read_redirect(&redirect, &reply->str) != NGX_OK
        || redirect.slot != ngx_iot_slots_of_request(cmd->req))
    {
        return NGX_DECLINED;
    }

    member = ngx_iot_redis_members_get(cluster->members, &redirect.server,
                                       from);
    if (member == NULL) {
        return NGX_DECLINED;
    }

    cmd->asking = (refusal == NGX_IOT_RESP_ASK);

    if (refusal == NGX_IOT_RESP_MOVED) {
        ngx_iot_redis_cluster_moved(cluster, redirect.slot, member, from);
    }

    ngx_iot_redis_cluster_submit(member, cmd);

    return NGX_OK;
}


/* other slots may have moved with it; until that is known this one is */
static void
ngx_iot_redis_cluster_moved(ngx_iot_redis_cluster_t *cluster, ngx_uint_t slot,
    ngx_iot_redis_member_t *member, ngx_iot_redis_node_t *from)
{
    if (ngx_iot_redis_members_owner(cluster->members, slot) == member) {
        ngx_iot_redis_refresh_start(cluster->refresh);
        return;
    }

    ngx_iot_redis_members_give(cluster->members, slot, member);
    ngx_iot_redis_refresh_restart(cluster->refresh, from);
}


/* until its deadline: the keys of a slot take their time to move */
static ngx_int_t
ngx_iot_redis_cluster_again(ngx_iot_redis_command_t *cmd)
{
    if (cmd->done == NULL) {
        return NGX_DECLINED;
    }

    cmd->hops = 0;

    ngx_iot_redis_pause(cmd, NGX_IOT_REDIS_TRY_AGAIN_MIN,
                        NGX_IOT_REDIS_TRY_AGAIN_MAX);
    return NGX_OK;
}


/* once: what has failed takes longer to come back than a request can wait */
static ngx_int_t
ngx_iot_redis_cluster_retry(ngx_iot_redis_command_t *cmd)
{
    if (cmd->done == NULL || cmd->retried) {
        return NGX_DECLINED;
    }

    cmd->retried = 1;

    ngx_iot_redis_pause(cmd, NGX_IOT_REDIS_RETRY_MIN, NGX_IOT_REDIS_RETRY_MAX);

    return NGX_OK;
}


static void
ngx_iot_redis_cluster_leave(ngx_iot_redis_cluster_t *cluster,
    ngx_iot_redis_command_t *cmd, const char *reason)
{
    ngx_iot_redis_node_leave(ngx_iot_redis_lane_node(cmd->lane), reason);
    ngx_iot_redis_refresh_start(cluster->refresh);
}


static void
ngx_iot_redis_cluster_unreachable(void *servers, ngx_iot_redis_node_t *node)
{
    ngx_iot_redis_cluster_t  *cluster = servers;

    ngx_iot_redis_refresh_start(cluster->refresh);
}


static ngx_uint_t
ngx_iot_redis_cluster_status(void *servers, ngx_iot_redis_report_t *report)
{
    ngx_iot_redis_cluster_t  *cluster = servers;

    if (!cluster->known) {
        return !cluster->failed;
    }

    return ngx_iot_redis_members_status(cluster->members, report);
}
