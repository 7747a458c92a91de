
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_sweeper.h"
#include "ngx_iot_shard.h"


/* between two turns of the one who has them, in milliseconds */
#define NGX_IOT_SWEEPER_INTERVAL_MIN  50
#define NGX_IOT_SWEEPER_INTERVAL_MAX  1000

/* who does not come back for so long, beyond two intervals, is replaced */
#define NGX_IOT_SWEEPER_GRACE         5000

/* events that are read at once, and how often of one shard in a turn */
#define NGX_IOT_SWEEPER_PIECE         32
#define NGX_IOT_SWEEPER_PIECES        4

#define NGX_IOT_SWEEPER_HOLDER_LEN    (NGX_MAXHOSTNAMELEN + 64)


typedef struct {
    const ngx_iot_sweeper_conf_t  *conf;
    ngx_event_t                    timer;
    ngx_uint_t                     busy;    /* unsigned  busy:1; has a turn */
    ngx_msec_t                     interval;
    ngx_msec_t                     ttl;
    ngx_uint_t                     shards;  /* of a turn */
    ngx_str_t                      holder;
    u_char                         name[NGX_IOT_SWEEPER_HOLDER_LEN];
} ngx_iot_sweeper_t;


typedef enum {
    NGX_IOT_SWEEPER_ASK = 0,
    NGX_IOT_SWEEPER_READ,
    NGX_IOT_SWEEPER_DELIVER
} ngx_iot_sweeper_step_e;


/* the state of a turn */

typedef struct {
    ngx_iot_sweeper_t             *sweeper;
    ngx_iot_sweeper_step_e         step;    /* what the reply is of */
    ngx_uint_t                     shard;
    ngx_uint_t                     shards;  /* left, this one too */
    ngx_uint_t                     pieces;  /* of this shard */
    ngx_iot_msec_t                 now;
    ngx_iot_msec_t                 due;

    ngx_uint_t                     n;
    ngx_uint_t                     next;
    ngx_str_t                      members[NGX_IOT_SWEEPER_PIECE];
    u_char                         bytes[NGX_IOT_SWEEPER_PIECE]
                                        [NGX_IOT_PENDING_MEMBER_MAX];
} ngx_iot_sweeper_turn_t;


static void ngx_iot_sweeper_start(ngx_iot_sweeper_t *sweeper,
    ngx_cycle_t *cycle);
static void ngx_iot_sweeper_handler(ngx_event_t *ev);
static ngx_int_t ngx_iot_sweeper_take_turn(ngx_iot_sweeper_t *sweeper);
static void ngx_iot_sweeper_ended(void *data);
static ngx_int_t ngx_iot_sweeper_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_sweeper_asked(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_sweeper_read(ngx_iot_task_t *task);
static ngx_int_t ngx_iot_sweeper_keep(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_sweeper_deliver(ngx_iot_task_t *task);


ngx_int_t
ngx_iot_sweeper_init(ngx_cycle_t *cycle, const ngx_iot_sweeper_conf_t *conf,
    ngx_uint_t n)
{
    ngx_uint_t          i;
    ngx_iot_sweeper_t  *sweeper;

    sweeper = ngx_pcalloc(cycle->pool, n * sizeof(ngx_iot_sweeper_t));
    if (sweeper == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        sweeper[i].conf = &conf[i];
        ngx_iot_sweeper_start(&sweeper[i], cycle);
    }

    return NGX_OK;
}


static void
ngx_iot_sweeper_start(ngx_iot_sweeper_t *sweeper, ngx_cycle_t *cycle)
{
    ngx_iot_msec_t  interval, redelivery;

    redelivery = sweeper->conf->redelivery;

    interval = redelivery / 128;
    interval = ngx_max(interval, NGX_IOT_SWEEPER_INTERVAL_MIN);
    interval = ngx_min(interval, NGX_IOT_SWEEPER_INTERVAL_MAX);

    sweeper->interval = (ngx_msec_t) interval;
    sweeper->ttl = 2 * sweeper->interval + NGX_IOT_SWEEPER_GRACE;
    sweeper->shards = (ngx_uint_t) (2 * NGX_IOT_SHARDS * interval / redelivery)
                      + 1;

    sweeper->holder.data = sweeper->name;
    sweeper->holder.len = ngx_snprintf(sweeper->name,
                                       NGX_IOT_SWEEPER_HOLDER_LEN,
                                       "%V:%P:%xi", &cycle->hostname, ngx_pid,
                                       (ngx_int_t) ngx_random())
                          - sweeper->name;

    sweeper->timer.handler = ngx_iot_sweeper_handler;
    sweeper->timer.data = sweeper;
    sweeper->timer.log = cycle->log;
    sweeper->timer.cancelable = 1;

    /* workers that start together do not ask together */

    ngx_add_timer(&sweeper->timer,
                  1 + (ngx_msec_t) ngx_random() % sweeper->interval);
}


static void
ngx_iot_sweeper_handler(ngx_event_t *ev)
{
    ngx_iot_sweeper_t  *sweeper;

    sweeper = ev->data;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    if (ngx_iot_sweeper_take_turn(sweeper) != NGX_OK) {
        ngx_add_timer(ev, sweeper->ttl);
    }
}


static ngx_int_t
ngx_iot_sweeper_take_turn(ngx_iot_sweeper_t *sweeper)
{
    ngx_time_t              *tp;
    ngx_iot_task_t          *task;
    ngx_iot_store_t          store;
    ngx_pool_cleanup_t      *cln;
    ngx_iot_sweeper_turn_t  *turn;

    ngx_memzero(&store, sizeof(ngx_iot_store_t));

    store.key_prefix = *ngx_iot_redis_conf_key_prefix(sweeper->conf->conf);
    store.cluster = ngx_iot_redis_conf_cluster(sweeper->conf->conf);
    store.retention = sweeper->conf->retention;

    task = ngx_iot_task_create(sweeper->conf->conf, &store,
                               "redelivery of events");
    if (task == NULL) {
        return NGX_ERROR;
    }

    turn = ngx_pcalloc(task->pool, sizeof(ngx_iot_sweeper_turn_t));
    cln = ngx_pool_cleanup_add(task->pool, 0);

    if (turn == NULL || cln == NULL) {
        ngx_iot_task_destroy(task);
        return NGX_ERROR;
    }

    cln->handler = ngx_iot_sweeper_ended;
    cln->data = sweeper;

    tp = ngx_timeofday();

    turn->sweeper = sweeper;
    turn->now = (ngx_iot_msec_t) tp->sec * 1000 + tp->msec;
    turn->due = turn->now - sweeper->conf->redelivery;

    sweeper->busy = 0;

    task->data = turn;
    task->step = ngx_iot_sweeper_step;

    ngx_iot_task_start(task);

    return NGX_OK;
}


/* the task is over, whatever it came to: there will be another */
static void
ngx_iot_sweeper_ended(void *data)
{
    ngx_iot_sweeper_t *sweeper = data;

    if (ngx_exiting || ngx_quit || ngx_terminate) {
        return;
    }

    ngx_add_timer(&sweeper->timer, sweeper->busy ? sweeper->interval
                                                 : sweeper->ttl);
}


static ngx_int_t
ngx_iot_sweeper_step(ngx_iot_task_t *task, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_sweeper_t       *sweeper;
    ngx_iot_sweeper_turn_t  *turn;

    turn = task->data;
    sweeper = turn->sweeper;

    if (reply == NULL) {

        if (ngx_iot_store_sweep_turn(&task->store, &sweeper->holder,
                                     sweeper->ttl, sweeper->shards,
                                     &task->request)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        return NGX_AGAIN;
    }

    switch (turn->step) {

    case NGX_IOT_SWEEPER_ASK:
        return ngx_iot_sweeper_asked(task, reply);

    case NGX_IOT_SWEEPER_READ:
        return ngx_iot_sweeper_keep(task, reply);

    default:    /* NGX_IOT_SWEEPER_DELIVER */
        (void) ngx_iot_store_event_redelivered(&task->store, reply);

        return ngx_iot_sweeper_deliver(task);
    }
}


static ngx_int_t
ngx_iot_sweeper_asked(ngx_iot_task_t *task, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_sweeper_turn_t  *turn;
    ngx_iot_store_result_e   result;

    turn = task->data;

    result = ngx_iot_store_swept(&task->store, reply, &turn->shard);

    if (result != NGX_IOT_STORE_OK) {
        return (result == NGX_IOT_STORE_BUSY) ? NGX_OK : NGX_ERROR;
    }

    turn->sweeper->busy = 1;
    turn->shards = turn->sweeper->shards;

    return ngx_iot_sweeper_read(task);
}


static ngx_int_t
ngx_iot_sweeper_read(ngx_iot_task_t *task)
{
    ngx_iot_sweeper_turn_t  *turn;

    turn = task->data;
    turn->step = NGX_IOT_SWEEPER_READ;

    if (ngx_iot_store_due_events(&task->store, turn->shard, turn->due,
                                 NGX_IOT_SWEEPER_PIECE, &task->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* the members outlive the pool that they were read into */
static ngx_int_t
ngx_iot_sweeper_keep(ngx_iot_task_t *task, const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t               i;
    ngx_str_t                members[NGX_IOT_SWEEPER_PIECE];
    ngx_iot_sweeper_turn_t  *turn;

    turn = task->data;
    turn->step = NGX_IOT_SWEEPER_DELIVER;
    turn->n = NGX_IOT_SWEEPER_PIECE;
    turn->next = 0;

    if (ngx_iot_store_events_due(&task->store, reply, members, &turn->n)
        != NGX_IOT_STORE_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i < turn->n; i++) {
        turn->members[i].data = turn->bytes[i];
        turn->members[i].len = members[i].len;
        ngx_memcpy(turn->bytes[i], members[i].data, members[i].len);
    }

    return ngx_iot_sweeper_deliver(task);
}


/*
 * Delivers the next event of the piece, or goes on: with the same shard when
 * that had a whole piece, else with the next one.  A shard with very many does
 * not keep others waiting.
 */
static ngx_int_t
ngx_iot_sweeper_deliver(ngx_iot_task_t *task)
{
    ngx_int_t                rc;
    ngx_iot_sweeper_turn_t  *turn;

    turn = task->data;

    while (turn->next < turn->n) {
        rc = ngx_iot_store_redeliver_event(&task->store,
                                           &turn->members[turn->next++],
                                           turn->now, turn->due,
                                           &task->request);

        if (rc != NGX_DECLINED) {
            return (rc == NGX_OK) ? NGX_AGAIN : NGX_ERROR;
        }
    }

    turn->pieces++;

    if (turn->n < NGX_IOT_SWEEPER_PIECE
        || turn->pieces == NGX_IOT_SWEEPER_PIECES)
    {
        turn->pieces = 0;

        if (--turn->shards == 0) {
            return NGX_OK;
        }

        turn->shard = (turn->shard + 1) % NGX_IOT_SHARDS;
    }

    return ngx_iot_sweeper_read(task);
}
