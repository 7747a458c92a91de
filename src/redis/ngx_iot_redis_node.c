
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_link.h"
#include "ngx_iot_redis_names.h"
#include "ngx_iot_redis_node.h"


#define NGX_IOT_REDIS_BACKOFF_MIN  50
#define NGX_IOT_REDIS_BACKOFF_MAX  5000

/* when the server denies what it was asked for */
#define NGX_IOT_REDIS_DENIED_MIN   5000
#define NGX_IOT_REDIS_DENIED_MAX   30000

/* addresses whose failures are told apart */
#define NGX_IOT_REDIS_NODE_LOGGED  16

/* a link that broke sooner does not count as success */
#define NGX_IOT_REDIS_HEALTHY      1000


typedef enum {
    /* no link, and none was tried: the worker exits */
    NGX_IOT_REDIS_NODE_IDLE = 0,

    /* the first attempt: commands wait for it */
    NGX_IOT_REDIS_NODE_CONNECTING,

    NGX_IOT_REDIS_NODE_UP,

    /* an attempt has failed; the next is awaited, or in progress */
    NGX_IOT_REDIS_NODE_DOWN
} ngx_iot_redis_node_state_e;


struct ngx_iot_redis_node_s {
    ngx_iot_redis_t             *client;
    ngx_iot_redis_link_t        *link;

    ngx_iot_redis_names_t        names;
    ngx_uint_t                   current;   /* of its addresses */
    ngx_uint_t                   tried;     /* in this attempt */

    ngx_iot_redis_node_state_e   state;
    ngx_queue_t                  waiting;   /* commands */

    ngx_event_t                  retry;
    ngx_msec_t                   backoff;
    ngx_msec_t                   since;     /* when the link came up */

    /* for each address what was logged last, 0: nothing */
    uint32_t                     logged[NGX_IOT_REDIS_NODE_LOGGED];
    const char                  *nameless;  /* the same for the name */
    ngx_uint_t                   failed;    /* something was */
};


static void ngx_iot_redis_node_named(void *data, const char *failed);
static void ngx_iot_redis_node_connect(ngx_iot_redis_node_t *node);
static void ngx_iot_redis_node_retry_handler(ngx_event_t *ev);

static void ngx_iot_redis_node_link_up(void *data);
static ngx_iot_redis_command_t *ngx_iot_redis_node_link_next(void *data);
static void ngx_iot_redis_node_link_reply(void *data,
    ngx_iot_redis_command_t *cmd, ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_node_link_down(void *data,
    ngx_iot_redis_break_t *brk);

static ngx_uint_t ngx_iot_redis_node_take_sent(ngx_queue_t *sent);
static void ngx_iot_redis_node_take_unsent(ngx_iot_redis_node_t *node,
    ngx_queue_t *unsent);
static void ngx_iot_redis_node_failed(ngx_iot_redis_node_t *node,
    ngx_iot_redis_break_t *brk);
static void ngx_iot_redis_node_give_up(ngx_iot_redis_node_t *node,
    ngx_uint_t denied);
static ngx_msec_t ngx_iot_redis_node_pause(ngx_iot_redis_node_t *node,
    ngx_uint_t denied);
static void ngx_iot_redis_node_fail_waiting(ngx_iot_redis_node_t *node);
static void ngx_iot_redis_node_log_break(ngx_iot_redis_node_t *node,
    ngx_iot_redis_break_t *brk, ngx_uint_t lost);


static const ngx_iot_redis_owner_t  ngx_iot_redis_node_owner = {
    ngx_iot_redis_node_link_up,
    ngx_iot_redis_node_link_next,
    ngx_iot_redis_node_link_reply,
    ngx_iot_redis_node_link_down
};


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

    ngx_queue_init(&node->waiting);

    node->link = ngx_iot_redis_link_create(pool, endpoint, &server->text,
                                           &ngx_iot_redis_node_owner, node,
                                           log);
    if (node->link == NULL) {
        return NULL;
    }

    ngx_iot_redis_names_init(&node->names, server, ngx_iot_redis_node_named,
                             node, ngx_iot_redis_link_log(node->link));

    node->retry.handler = ngx_iot_redis_node_retry_handler;
    node->retry.data = node;
    node->retry.log = ngx_iot_redis_link_log(node->link);
    node->retry.cancelable = 1;

    return node;
}


void
ngx_iot_redis_node_destroy(ngx_iot_redis_node_t *node)
{
    if (node->retry.timer_set) {
        ngx_del_timer(&node->retry);
    }

    ngx_iot_redis_names_destroy(&node->names);
    ngx_iot_redis_link_destroy(node->link);
}


ngx_log_t *
ngx_iot_redis_node_log(ngx_iot_redis_node_t *node)
{
    return ngx_iot_redis_link_log(node->link);
}


void
ngx_iot_redis_node_start(ngx_iot_redis_node_t *node)
{
    node->state = NGX_IOT_REDIS_NODE_CONNECTING;
    node->tried = 0;

    ngx_iot_redis_names_update(&node->names);
}


void
ngx_iot_redis_node_submit(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd)
{
    if (node->state == NGX_IOT_REDIS_NODE_DOWN) {
        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
        return;
    }

    ngx_iot_redis_enter(cmd);
    ngx_queue_insert_tail(&node->waiting, &cmd->queue);

    if (node->state == NGX_IOT_REDIS_NODE_IDLE) {
        ngx_iot_redis_node_start(node);
        return;
    }

    ngx_iot_redis_link_wake(node->link);
}


void
ngx_iot_redis_node_resubmit(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd)
{
    ngx_iot_redis_enter(cmd);
    ngx_queue_insert_head(&node->waiting, &cmd->queue);

    ngx_iot_redis_link_wake(node->link);
}


void
ngx_iot_redis_node_break(ngx_iot_redis_node_t *node, ngx_err_t err,
    const char *reason)
{
    ngx_iot_redis_link_break(node->link, err, reason);
}


void
ngx_iot_redis_node_leave(ngx_iot_redis_node_t *node, const char *reason)
{
    ngx_iot_redis_link_leave(node->link, reason);
}


/* the addresses are known as well as they can be */
static void
ngx_iot_redis_node_named(void *data, const char *failed)
{
    ngx_iot_redis_node_t  *node = data;

    if (failed && failed != node->nameless) {
        node->failed = 1;
        ngx_log_error(NGX_LOG_ERR, ngx_iot_redis_node_log(node), 0,
                      "the name of redis could not be resolved (%s)", failed);
    }

    node->nameless = failed;

    if (node->names.naddrs == 0) {
        ngx_iot_redis_node_give_up(node, 0);
        return;
    }

    node->current %= node->names.naddrs;

    ngx_iot_redis_node_connect(node);
}


static void
ngx_iot_redis_node_connect(ngx_iot_redis_node_t *node)
{
    ngx_iot_redis_link_connect(node->link, &node->names.addrs[node->current]);
}


static void
ngx_iot_redis_node_retry_handler(ngx_event_t *ev)
{
    ngx_iot_redis_node_t  *node;

    node = ev->data;

    if (ngx_exiting) {
        node->state = NGX_IOT_REDIS_NODE_IDLE;
        return;
    }

    node->tried = 0;

    ngx_iot_redis_names_update(&node->names);
}


static void
ngx_iot_redis_node_link_up(void *data)
{
    ngx_iot_redis_node_t  *node = data;

    ngx_uint_t  level;

    level = node->failed ? NGX_LOG_NOTICE : NGX_LOG_INFO;

    ngx_log_error(level, ngx_iot_redis_node_log(node), 0,
                  "redis is available%s", node->failed ? " again" : "");

    ngx_memzero(node->logged, sizeof(node->logged));

    node->failed = 0;
    node->since = ngx_current_msec;
    node->state = NGX_IOT_REDIS_NODE_UP;
}


static ngx_iot_redis_command_t *
ngx_iot_redis_node_link_next(void *data)
{
    ngx_iot_redis_node_t  *node = data;

    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    if (ngx_queue_empty(&node->waiting)) {
        return NULL;
    }

    q = ngx_queue_head(&node->waiting);
    cmd = ngx_iot_redis_command(q);

    ngx_queue_remove(q);
    ngx_iot_redis_leave(cmd);

    return cmd;
}


static void
ngx_iot_redis_node_link_reply(void *data, ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_reply_t *reply)
{
    ngx_iot_redis_answer(cmd, reply);
}


static void
ngx_iot_redis_node_link_down(void *data, ngx_iot_redis_break_t *brk)
{
    ngx_iot_redis_node_t  *node = data;

    ngx_uint_t  lost;

    lost = ngx_iot_redis_node_take_sent(&brk->sent);
    ngx_iot_redis_node_take_unsent(node, &brk->unsent);

    if (brk->exiting) {
        node->state = NGX_IOT_REDIS_NODE_IDLE;
        ngx_iot_redis_node_fail_waiting(node);
        return;
    }

    ngx_iot_redis_node_log_break(node, brk, lost);

    if (!brk->was_up || ngx_current_msec - node->since < NGX_IOT_REDIS_HEALTHY)
    {
        ngx_iot_redis_node_failed(node, brk);
        return;
    }

    node->backoff = 0;

    if (ngx_exiting && ngx_queue_empty(&node->waiting)) {
        node->state = NGX_IOT_REDIS_NODE_IDLE;
        return;
    }

    ngx_iot_redis_node_start(node);
}


/* those that may have been executed; returns how many */
static ngx_uint_t
ngx_iot_redis_node_take_sent(ngx_queue_t *sent)
{
    ngx_uint_t                n;
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    for (n = 0; !ngx_queue_empty(sent); n++) {
        q = ngx_queue_head(sent);
        cmd = ngx_iot_redis_command(q);

        ngx_queue_remove(q);

        if (ngx_iot_redis_expired(cmd)) {
            ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_TIMED_OUT);

        } else {
            ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_LOST);
        }
    }

    return n;
}


/* those that were not executed stand first again, in their order */
static void
ngx_iot_redis_node_take_unsent(ngx_iot_redis_node_t *node, ngx_queue_t *unsent)
{
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    while (!ngx_queue_empty(unsent)) {
        q = ngx_queue_last(unsent);
        cmd = ngx_iot_redis_command(q);

        ngx_queue_remove(q);

        if (cmd->done == NULL || ngx_iot_redis_expired(cmd)) {
            ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
            continue;
        }

        ngx_iot_redis_enter(cmd);
        ngx_queue_insert_head(&node->waiting, q);
    }
}


/* an attempt is over when all addresses were tried */
static void
ngx_iot_redis_node_failed(ngx_iot_redis_node_t *node,
    ngx_iot_redis_break_t *brk)
{
    node->current = (node->current + 1) % node->names.naddrs;
    node->tried++;

    if (!brk->was_up && node->tried < node->names.naddrs) {
        ngx_iot_redis_node_connect(node);
        return;
    }

    ngx_iot_redis_node_give_up(node, brk->denied);
}


/* for now */
static void
ngx_iot_redis_node_give_up(ngx_iot_redis_node_t *node, ngx_uint_t denied)
{
    node->state = NGX_IOT_REDIS_NODE_DOWN;

    ngx_iot_redis_node_fail_waiting(node);

    ngx_add_timer(&node->retry, ngx_iot_redis_node_pause(node, denied));
}


/* with jitter: all workers of all gateways have failed together */
static ngx_msec_t
ngx_iot_redis_node_pause(ngx_iot_redis_node_t *node, ngx_uint_t denied)
{
    ngx_msec_t  min, max, first;

    min = denied ? NGX_IOT_REDIS_DENIED_MIN : 1;
    max = denied ? NGX_IOT_REDIS_DENIED_MAX : NGX_IOT_REDIS_BACKOFF_MAX;
    first = denied ? NGX_IOT_REDIS_DENIED_MIN * 2 : NGX_IOT_REDIS_BACKOFF_MIN;

    node->backoff = ngx_max(node->backoff * 2, first);
    node->backoff = ngx_min(node->backoff, max);

    return min + ngx_random() % (node->backoff - min + 1);
}


static void
ngx_iot_redis_node_fail_waiting(ngx_iot_redis_node_t *node)
{
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    while (!ngx_queue_empty(&node->waiting)) {
        q = ngx_queue_head(&node->waiting);
        cmd = ngx_iot_redis_command(q);

        ngx_queue_remove(q);
        ngx_iot_redis_leave(cmd);
        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
    }
}


/* a failure that is like the last one at this address is not told again */
static void
ngx_iot_redis_node_log_break(ngx_iot_redis_node_t *node,
    ngx_iot_redis_break_t *brk, ngx_uint_t lost)
{
    uint32_t  hash, *logged;

    hash = ngx_crc32_short(brk->reason.data, brk->reason.len)
           ^ (uint32_t) brk->err;

    /* 0 is taken */
    hash |= 1;

    logged = &node->logged[node->current % NGX_IOT_REDIS_NODE_LOGGED];

    if (*logged == hash) {
        return;
    }

    *logged = hash;
    node->failed = 1;

    if (brk->was_up) {
        ngx_log_error(NGX_LOG_ERR, ngx_iot_redis_node_log(node), brk->err,
                      "%V, %ui commands lost", &brk->reason, lost);

    } else {
        ngx_log_error(NGX_LOG_ERR, ngx_iot_redis_node_log(node), brk->err,
                      "%V", &brk->reason);
    }
}
