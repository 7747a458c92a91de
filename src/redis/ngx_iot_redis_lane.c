
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_node.h"


/* a link that broke sooner does not count as success */
#define NGX_IOT_REDIS_HEALTHY      1000

/* a link without commands for so long is asked for a sign of life */
#define NGX_IOT_REDIS_IDLE         30000


/* between attempts: from min up to what grows from first to max */

typedef struct {
    ngx_msec_t                   min;
    ngx_msec_t                   first;
    ngx_msec_t                   max;
} ngx_iot_redis_backoff_t;


struct ngx_iot_redis_lane_s {
    ngx_iot_redis_node_t        *node;
    ngx_iot_redis_t             *client;
    ngx_iot_redis_link_t        *link;

    ngx_iot_redis_lane_state_e   state;
    uint64_t                     changed;   /* when it did, for the status */
    ngx_uint_t                   connects;

    ngx_queue_t                  waiting;   /* commands */

    ngx_uint_t                   current;   /* of the node's addresses */
    ngx_uint_t                   tried;     /* in this attempt */

    ngx_event_t                  retry;
    ngx_msec_t                   backoff;
    ngx_msec_t                   since;     /* when the link came up */

    ngx_event_t                  idle;
    ngx_msec_t                   used;      /* the last command */

    unsigned                     keeps:1;
    unsigned                     finding:1; /* waits for addresses */
    unsigned                     closing:1;
    unsigned                     moving:1;
};


static void ngx_iot_redis_lane_turn(ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_lane_state_e state);
static void ngx_iot_redis_lane_find(ngx_iot_redis_lane_t *lane);
static void ngx_iot_redis_lane_connect(ngx_iot_redis_lane_t *lane);
static void ngx_iot_redis_lane_retry_handler(ngx_event_t *ev);
static void ngx_iot_redis_lane_idle_handler(ngx_event_t *ev);
static void ngx_iot_redis_lane_ping(ngx_iot_redis_lane_t *lane);
static void ngx_iot_redis_lane_ping_done(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);

static void ngx_iot_redis_lane_link_up(void *data);
static ngx_iot_redis_command_t *ngx_iot_redis_lane_link_next(void *data);
static ngx_uint_t ngx_iot_redis_lane_is_late(const ngx_iot_redis_lane_t *lane,
    const ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_lane_link_reply(void *data,
    ngx_iot_redis_command_t *cmd, ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_lane_link_down(void *data,
    ngx_iot_redis_break_t *brk);

static ngx_uint_t ngx_iot_redis_lane_take_sent(ngx_queue_t *sent);
static void ngx_iot_redis_lane_take_unsent(ngx_iot_redis_lane_t *lane,
    ngx_queue_t *unsent);
static void ngx_iot_redis_lane_lost(ngx_iot_redis_lane_t *lane);
static void ngx_iot_redis_lane_failed(ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_break_t *brk);
static void ngx_iot_redis_lane_give_up(ngx_iot_redis_lane_t *lane,
    const ngx_iot_redis_backoff_t *backoff);
static const ngx_iot_redis_backoff_t *ngx_iot_redis_lane_backoff(
    ngx_iot_redis_lane_t *lane, const ngx_iot_redis_break_t *brk);
static ngx_msec_t ngx_iot_redis_lane_pause(ngx_iot_redis_lane_t *lane,
    const ngx_iot_redis_backoff_t *backoff);
static void ngx_iot_redis_lane_closed(ngx_iot_redis_lane_t *lane);
static void ngx_iot_redis_lane_fail_waiting(ngx_iot_redis_lane_t *lane);
static ngx_iot_redis_command_t *ngx_iot_redis_lane_take(ngx_queue_t *waiting);


static const ngx_iot_redis_backoff_t  ngx_iot_redis_lane_usual =
    { 1, 50, 5000 };

/* the server denies what it was asked for */
static const ngx_iot_redis_backoff_t  ngx_iot_redis_lane_denied =
    { 5000, 10000, 30000 };

/* sentinels name a server that is not the master yet, or not any more */
static const ngx_iot_redis_backoff_t  ngx_iot_redis_lane_other =
    { 200, 500, 500 };


static const ngx_iot_redis_owner_t  ngx_iot_redis_lane_owner = {
    ngx_iot_redis_lane_link_up,
    ngx_iot_redis_lane_link_next,
    ngx_iot_redis_lane_link_reply,
    ngx_iot_redis_lane_link_down,
    NULL
};


ngx_iot_redis_lane_t *
ngx_iot_redis_lane_create(ngx_iot_redis_node_t *node, ngx_pool_t *pool,
    ngx_uint_t keeps, ngx_log_t *log)
{
    ngx_iot_redis_lane_t  *lane;

    lane = ngx_pcalloc(pool, sizeof(ngx_iot_redis_lane_t));
    if (lane == NULL) {
        return NULL;
    }

    lane->node = node;
    lane->client = ngx_iot_redis_node_client(node);
    lane->keeps = keeps;

    ngx_queue_init(&lane->waiting);

    lane->link = ngx_iot_redis_link_create(pool,
                                    ngx_iot_redis_node_endpoint(node),
                                    &ngx_iot_redis_node_server(node)->text,
                                    &ngx_iot_redis_lane_owner, lane, log);
    if (lane->link == NULL) {
        return NULL;
    }

    lane->retry.handler = ngx_iot_redis_lane_retry_handler;
    lane->retry.data = lane;
    lane->retry.log = ngx_iot_redis_link_log(lane->link);
    lane->retry.cancelable = 1;

    lane->idle.handler = ngx_iot_redis_lane_idle_handler;
    lane->idle.data = lane;
    lane->idle.log = ngx_iot_redis_link_log(lane->link);
    lane->idle.cancelable = 1;

    return lane;
}


void
ngx_iot_redis_lane_destroy(ngx_iot_redis_lane_t *lane)
{
    if (lane->retry.timer_set) {
        ngx_del_timer(&lane->retry);
    }

    if (lane->idle.timer_set) {
        ngx_del_timer(&lane->idle);
    }

    ngx_iot_redis_link_destroy(lane->link);
}


ngx_iot_redis_lane_state_e
ngx_iot_redis_lane_state(const ngx_iot_redis_lane_t *lane)
{
    return lane->state;
}


static void
ngx_iot_redis_lane_turn(ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_lane_state_e state)
{
    if (lane->state != state) {
        lane->state = state;
        lane->changed = ngx_iot_redis_status_time();
    }
}


void
ngx_iot_redis_lane_status(const ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_lane_status_t *status)
{
    ngx_iot_redis_report_name(&status->address,
                              ngx_iot_redis_link_server(lane->link));
    status->state = lane->state;
    status->since = lane->changed;
    status->connects = lane->connects;
}


ngx_iot_redis_node_t *
ngx_iot_redis_lane_node(const ngx_iot_redis_lane_t *lane)
{
    return lane->node;
}


ngx_log_t *
ngx_iot_redis_lane_log(ngx_iot_redis_lane_t *lane)
{
    return ngx_iot_redis_link_log(lane->link);
}


void
ngx_iot_redis_lane_start(ngx_iot_redis_lane_t *lane)
{
    ngx_iot_redis_lane_turn(lane, NGX_IOT_REDIS_LANE_CONNECTING);

    ngx_iot_redis_lane_find(lane);
}


void
ngx_iot_redis_lane_submit(ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_command_t *cmd)
{
    if (lane->state == NGX_IOT_REDIS_LANE_DOWN) {
        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
        return;
    }

    ngx_iot_redis_enter(cmd);
    ngx_queue_insert_tail(&lane->waiting, &cmd->queue);

    if (lane->state == NGX_IOT_REDIS_LANE_IDLE) {
        ngx_iot_redis_lane_start(lane);
        return;
    }

    ngx_iot_redis_link_wake(lane->link);
}


void
ngx_iot_redis_lane_resubmit(ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_command_t *cmd)
{
    ngx_iot_redis_enter(cmd);
    ngx_queue_insert_head(&lane->waiting, &cmd->queue);

    ngx_iot_redis_link_wake(lane->link);
}


void
ngx_iot_redis_lane_break(ngx_iot_redis_lane_t *lane, ngx_err_t err,
    const char *reason)
{
    ngx_iot_redis_link_break(lane->link, err, reason);
}


void
ngx_iot_redis_lane_leave(ngx_iot_redis_lane_t *lane, const char *reason)
{
    if (lane->state == NGX_IOT_REDIS_LANE_UP) {
        ngx_iot_redis_link_leave(lane->link, reason);
    }
}


void
ngx_iot_redis_lane_close(ngx_iot_redis_lane_t *lane)
{
    lane->closing = 1;

    if (lane->state == NGX_IOT_REDIS_LANE_UP) {
        ngx_iot_redis_link_leave(lane->link, "redis is not needed");
        return;
    }

    ngx_iot_redis_link_break(lane->link, 0, "redis is not needed");

    /* there was no link, not even one that tries */

    if (lane->closing) {
        ngx_iot_redis_lane_closed(lane);
    }
}


void
ngx_iot_redis_lane_moved(ngx_iot_redis_lane_t *lane)
{
    lane->moving = 1;

    ngx_iot_redis_link_break(lane->link, 0, "redis has moved");

    /* there was no link, but the time to make one has come */

    if (lane->moving && lane->retry.timer_set) {
        ngx_del_timer(&lane->retry);
        ngx_iot_redis_lane_lost(lane);
    }

    lane->moving = 0;
}


static void
ngx_iot_redis_lane_find(ngx_iot_redis_lane_t *lane)
{
    lane->tried = 0;
    lane->finding = 1;

    ngx_iot_redis_node_find(lane->node);
}


void
ngx_iot_redis_lane_found(ngx_iot_redis_lane_t *lane, const char *failed)
{
    ngx_uint_t  naddrs;

    if (!lane->finding) {
        return;
    }

    lane->finding = 0;

    ngx_iot_redis_node_log_name(lane->node, ngx_iot_redis_lane_log(lane),
                                failed);

    naddrs = ngx_iot_redis_node_names(lane->node)->naddrs;

    if (naddrs == 0) {
        ngx_iot_redis_lane_give_up(lane, &ngx_iot_redis_lane_usual);
        return;
    }

    lane->current %= naddrs;

    ngx_iot_redis_lane_connect(lane);
}


static void
ngx_iot_redis_lane_connect(ngx_iot_redis_lane_t *lane)
{
    const ngx_iot_redis_names_t  *names;

    names = ngx_iot_redis_node_names(lane->node);

    ngx_iot_redis_link_connect(lane->link, &names->addrs[lane->current]);
}


static void
ngx_iot_redis_lane_retry_handler(ngx_event_t *ev)
{
    ngx_iot_redis_lane_t  *lane;

    lane = ev->data;

    if (ngx_exiting || !lane->keeps) {
        ngx_iot_redis_lane_turn(lane, NGX_IOT_REDIS_LANE_IDLE);
        return;
    }

    ngx_iot_redis_lane_find(lane);
}


static void
ngx_iot_redis_lane_link_up(void *data)
{
    ngx_iot_redis_lane_t  *lane = data;

    ngx_iot_redis_node_log_up(lane->node, ngx_iot_redis_lane_log(lane));

    ngx_iot_redis_lane_turn(lane, NGX_IOT_REDIS_LANE_UP);
    lane->since = ngx_current_msec;
    lane->used = ngx_current_msec;

    if (lane->connects++ != 0) {
        lane->client->tally.reconnects++;
    }

    ngx_add_timer(&lane->idle, NGX_IOT_REDIS_IDLE);
}


static ngx_iot_redis_command_t *
ngx_iot_redis_lane_link_next(void *data)
{
    ngx_iot_redis_lane_t  *lane = data;

    ngx_iot_redis_command_t  *cmd;

    for ( ;; ) {
        cmd = ngx_iot_redis_lane_take(&lane->waiting);

        if (cmd == NULL) {
            return NULL;
        }

        if (!ngx_iot_redis_lane_is_late(lane, cmd)) {
            break;
        }

        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
    }

    cmd->state = NGX_IOT_REDIS_WRITTEN;
    cmd->lane = lane;

    lane->used = ngx_current_msec;

    return cmd;
}


/*
 * A write whose time would be over before replicas have it is not begun: its
 * outcome would be unknown, and that of all others on the link.
 */
static ngx_uint_t
ngx_iot_redis_lane_is_late(const ngx_iot_redis_lane_t *lane,
    const ngx_iot_redis_command_t *cmd)
{
    ngx_msec_t                       time;
    ngx_msec_int_t                   left;
    const ngx_iot_redis_endpoint_t  *endpoint;

    endpoint = ngx_iot_redis_node_endpoint(lane->node);

    if (!cmd->writes || endpoint->replicas == 0) {
        return 0;
    }

    left = (ngx_msec_int_t) (cmd->deadline - ngx_current_msec);
    time = 2 * ngx_iot_redis_link_wait_time(endpoint);

    return left < (ngx_msec_int_t) time;
}


static void
ngx_iot_redis_lane_link_reply(void *data, ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_reply_t *reply)
{
    if (reply == NULL) {
        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNREPLICATED);
        return;
    }

    ngx_iot_redis_answer(cmd, reply);
}


/*
 * A server or a network that has vanished says nothing.  A PING without an
 * answer breaks the link before a request has to find that out.
 */
static void
ngx_iot_redis_lane_idle_handler(ngx_event_t *ev)
{
    ngx_msec_t             idle;
    ngx_iot_redis_lane_t  *lane;

    lane = ev->data;

    if (ngx_exiting) {
        return;
    }

    idle = ngx_current_msec - lane->used;

    if (idle >= NGX_IOT_REDIS_IDLE) {
        ngx_iot_redis_lane_ping(lane);
        idle = 0;
    }

    ngx_add_timer(ev, NGX_IOT_REDIS_IDLE - idle);
}


static void
ngx_iot_redis_lane_ping(ngx_iot_redis_lane_t *lane)
{
    ngx_iot_redis_command_t  *cmd;

    static ngx_str_t                     argv[] = { ngx_string("PING") };
    static const ngx_iot_resp_request_t  ping = { NULL, 0, 1, argv, 0, 0 };

    cmd = ngx_iot_redis_command_create(lane->client, &ping,
                                       ngx_iot_redis_lane_ping_done, NULL);
    if (cmd) {
        cmd->pinned = 1;
        ngx_iot_redis_lane_submit(lane, cmd);
    }
}


/* that there was a reply is enough */
static void
ngx_iot_redis_lane_ping_done(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    /* void */
}


static void
ngx_iot_redis_lane_link_down(void *data, ngx_iot_redis_break_t *brk)
{
    ngx_iot_redis_lane_t  *lane = data;

    ngx_uint_t  lost;

    if (lane->idle.timer_set) {
        ngx_del_timer(&lane->idle);
    }

    lost = ngx_iot_redis_lane_take_sent(&brk->sent);
    ngx_iot_redis_lane_take_unsent(lane, &brk->unsent);

    if (lane->closing) {
        ngx_iot_redis_lane_closed(lane);
        return;
    }

    if (brk->exiting) {
        ngx_iot_redis_lane_turn(lane, NGX_IOT_REDIS_LANE_IDLE);
        ngx_iot_redis_lane_fail_waiting(lane);
        return;
    }

    ngx_iot_redis_node_log_break(lane->node, ngx_iot_redis_lane_log(lane),
                                 lane->current, brk, lost);

    if (!brk->was_up) {
        lane->client->tally.faults[NGX_IOT_REDIS_FAULT_CONNECT]++;
    }

    if (lane->moving
        || (brk->was_up
            && ngx_current_msec - lane->since >= NGX_IOT_REDIS_HEALTHY))
    {
        lane->moving = 0;
        ngx_iot_redis_lane_lost(lane);
        return;
    }

    ngx_iot_redis_lane_failed(lane, brk);
}


/* those that may have been executed; returns how many */
static ngx_uint_t
ngx_iot_redis_lane_take_sent(ngx_queue_t *sent)
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
ngx_iot_redis_lane_take_unsent(ngx_iot_redis_lane_t *lane, ngx_queue_t *unsent)
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
        ngx_queue_insert_head(&lane->waiting, q);
    }
}


/* a link that had been good */
static void
ngx_iot_redis_lane_lost(ngx_iot_redis_lane_t *lane)
{
    lane->backoff = 0;

    if (ngx_queue_empty(&lane->waiting) && (ngx_exiting || !lane->keeps)) {
        ngx_iot_redis_lane_turn(lane, NGX_IOT_REDIS_LANE_IDLE);
        return;
    }

    ngx_iot_redis_lane_start(lane);
}


/* an attempt is over when all addresses were tried */
static void
ngx_iot_redis_lane_failed(ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_break_t *brk)
{
    ngx_uint_t  naddrs;

    /* sentinels may have lost sight of it meanwhile: none */

    naddrs = ngx_iot_redis_node_names(lane->node)->naddrs;

    lane->current = naddrs ? (lane->current + 1) % naddrs : 0;
    lane->tried++;

    if (!brk->was_up && lane->tried < naddrs) {
        ngx_iot_redis_lane_connect(lane);
        return;
    }

    ngx_iot_redis_lane_give_up(lane, ngx_iot_redis_lane_backoff(lane, brk));
}


/* for now */
static void
ngx_iot_redis_lane_give_up(ngx_iot_redis_lane_t *lane,
    const ngx_iot_redis_backoff_t *backoff)
{
    ngx_iot_redis_lane_turn(lane, NGX_IOT_REDIS_LANE_DOWN);

    ngx_iot_redis_lane_fail_waiting(lane);

    ngx_add_timer(&lane->retry, ngx_iot_redis_lane_pause(lane, backoff));

    if (lane->keeps) {
        ngx_iot_redis_unreachable(lane->client, lane->node);
    }
}


static const ngx_iot_redis_backoff_t *
ngx_iot_redis_lane_backoff(ngx_iot_redis_lane_t *lane,
    const ngx_iot_redis_break_t *brk)
{
    if (brk->denied) {
        return &ngx_iot_redis_lane_denied;
    }

    if (brk->other && ngx_iot_redis_node_server(lane->node)->sentinel) {
        return &ngx_iot_redis_lane_other;
    }

    return &ngx_iot_redis_lane_usual;
}


/* with jitter: all workers of all gateways have failed together */
static ngx_msec_t
ngx_iot_redis_lane_pause(ngx_iot_redis_lane_t *lane,
    const ngx_iot_redis_backoff_t *backoff)
{
    lane->backoff = ngx_max(lane->backoff * 2, backoff->first);
    lane->backoff = ngx_min(lane->backoff, backoff->max);

    return backoff->min + ngx_random() % (lane->backoff - backoff->min + 1);
}


static void
ngx_iot_redis_lane_closed(ngx_iot_redis_lane_t *lane)
{
    ngx_queue_t               waiting;
    ngx_iot_redis_command_t  *cmd;

    ngx_iot_redis_lane_turn(lane, NGX_IOT_REDIS_LANE_IDLE);
    lane->closing = 0;
    lane->finding = 0;

    if (lane->retry.timer_set) {
        ngx_del_timer(&lane->retry);
    }

    /* their way may lead here again */

    ngx_queue_init(&waiting);
    ngx_queue_add(&waiting, &lane->waiting);
    ngx_queue_init(&lane->waiting);

    while ((cmd = ngx_iot_redis_lane_take(&waiting)) != NULL) {

        if (cmd->pinned) {
            ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);

        } else {
            ngx_iot_redis_route(cmd);
        }
    }
}


static void
ngx_iot_redis_lane_fail_waiting(ngx_iot_redis_lane_t *lane)
{
    ngx_iot_redis_command_t  *cmd;

    while ((cmd = ngx_iot_redis_lane_take(&lane->waiting)) != NULL) {
        ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
    }
}


/* the first, which stands in no queue then, or NULL */
static ngx_iot_redis_command_t *
ngx_iot_redis_lane_take(ngx_queue_t *waiting)
{
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    if (ngx_queue_empty(waiting)) {
        return NULL;
    }

    q = ngx_queue_head(waiting);
    cmd = ngx_iot_redis_command(q);

    ngx_queue_remove(q);
    ngx_iot_redis_leave(cmd);

    return cmd;
}
