
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_node.h"


/* how often the status is written */
#define NGX_IOT_REDIS_REPORT     1000

#define NGX_IOT_REDIS_POOL_SIZE  4096

/* bytes of requests that wait to be written */
#define NGX_IOT_REDIS_SIZE_MAX   67108864


static void ngx_iot_redis_event_init(ngx_event_t *ev,
    ngx_event_handler_pt handler, ngx_iot_redis_t *client);
static void ngx_iot_redis_report_handler(ngx_event_t *ev);
static void ngx_iot_redis_pause_handler(ngx_event_t *ev);
static void ngx_iot_redis_unpause(ngx_iot_redis_command_t *cmd);
static ngx_iot_redis_fault_e ngx_iot_redis_outcome_fault(
    ngx_iot_redis_outcome_e outcome);
static void ngx_iot_redis_completion_handler(ngx_event_t *ev);
static void ngx_iot_redis_deadline_handler(ngx_event_t *ev);
static ngx_iot_redis_command_t *ngx_iot_redis_expire(ngx_iot_redis_t *client);
static void ngx_iot_redis_give_up(ngx_iot_redis_command_t *cmd);


ngx_iot_redis_t *
ngx_iot_redis_create(ngx_iot_redis_conf_t *conf, ngx_log_t *log)
{
    ngx_pool_t       *pool;
    ngx_iot_redis_t  *client;

    pool = ngx_create_pool(NGX_IOT_REDIS_POOL_SIZE, log);
    if (pool == NULL) {
        return NULL;
    }

    client = ngx_pcalloc(pool, sizeof(ngx_iot_redis_t));
    if (client == NULL) {
        goto failed;
    }

    client->conf = conf;
    client->pool = pool;
    client->log = log;

    ngx_queue_init(&client->all);
    ngx_queue_init(&client->completed);
    ngx_queue_init(&client->free);

    ngx_queue_init(&client->paused);

    ngx_iot_redis_event_init(&client->deadline,
                             ngx_iot_redis_deadline_handler, client);
    ngx_iot_redis_event_init(&client->completion,
                             ngx_iot_redis_completion_handler, client);

    client->topology = ngx_iot_redis_conf_cluster(conf)
                       ? &ngx_iot_redis_cluster : &ngx_iot_redis_single;

    client->servers = client->topology->create(client);
    if (client->servers == NULL) {
        goto failed;
    }

    client->report = ngx_iot_redis_report_attach(conf, &client->tally);

    if (client->report) {
        ngx_iot_redis_event_init(&client->reporting,
                                 ngx_iot_redis_report_handler, client);
        client->reporting.cancelable = 1;

        ngx_iot_redis_report_handler(&client->reporting);
    }

    return client;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


static void
ngx_iot_redis_event_init(ngx_event_t *ev, ngx_event_handler_pt handler,
    ngx_iot_redis_t *client)
{
    ev->handler = handler;
    ev->data = client;
    ev->log = client->log;
}


void
ngx_iot_redis_destroy(ngx_iot_redis_t *client)
{
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    client->topology->destroy(client->servers);

    if (client->report) {
        ngx_iot_redis_report_detach(client->report);
    }

    if (client->reporting.timer_set) {
        ngx_del_timer(&client->reporting);
    }

    while (!ngx_queue_empty(&client->paused)) {
        q = ngx_queue_head(&client->paused);
        cmd = ngx_iot_redis_command(q);
        ngx_iot_redis_unpause(cmd);
    }

    if (client->deadline.timer_set) {
        ngx_del_timer(&client->deadline);
    }

    if (client->completion.posted) {
        ngx_delete_posted_event(&client->completion);
    }

    ngx_destroy_pool(client->pool);
}


ngx_iot_redis_command_t *
ngx_iot_redis_submit(ngx_iot_redis_conf_t *conf,
    const ngx_iot_resp_request_t *req, ngx_iot_redis_done_pt done, void *data,
    ngx_uint_t *busy)
{
    ngx_iot_redis_t          *client;
    ngx_iot_redis_command_t  *cmd;

    *busy = 0;

    client = conf->client;
    if (client == NULL) {
        return NULL;
    }

    if (client->n >= conf->queue
        || client->size + ngx_iot_resp_size(req, 0) > NGX_IOT_REDIS_SIZE_MAX)
    {
        *busy = 1;
        client->tally.faults[NGX_IOT_REDIS_FAULT_QUEUE_FULL]++;
        return NULL;
    }

    cmd = ngx_iot_redis_command_create(client, req, done, data);
    if (cmd == NULL) {
        return NULL;
    }

    ngx_iot_redis_route(cmd);

    return cmd;
}


void
ngx_iot_redis_cancel(ngx_iot_redis_command_t *cmd)
{
    cmd->done = NULL;
    cmd->req = NULL;

    switch (cmd->state) {

    case NGX_IOT_REDIS_WRITTEN:
        return;

    case NGX_IOT_REDIS_WAITING:
        ngx_queue_remove(&cmd->queue);
        ngx_iot_redis_leave(cmd);
        break;

    case NGX_IOT_REDIS_PAUSED:
        ngx_iot_redis_unpause(cmd);
        break;

    case NGX_IOT_REDIS_COMPLETED:
        ngx_queue_remove(&cmd->queue);
        break;
    }

    ngx_iot_redis_command_free(cmd);
}


ngx_iot_redis_command_t *
ngx_iot_redis_command_create(ngx_iot_redis_t *client,
    const ngx_iot_resp_request_t *req, ngx_iot_redis_done_pt done, void *data)
{
    ngx_msec_t                timeout;
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    if (ngx_queue_empty(&client->free)) {
        cmd = ngx_palloc(client->pool, sizeof(ngx_iot_redis_command_t));
        if (cmd == NULL) {
            return NULL;
        }

    } else {
        q = ngx_queue_head(&client->free);
        cmd = ngx_iot_redis_command(q);
        ngx_queue_remove(q);
    }

    ngx_memzero(cmd, sizeof(ngx_iot_redis_command_t));

    timeout = client->conf->endpoint.timeout;

    cmd->client = client;
    cmd->req = req;
    cmd->done = done;
    cmd->data = data;
    cmd->size = ngx_iot_resp_size(req, 0);
    cmd->writes = req->writes;
    cmd->large = req->large;
    cmd->deadline = ngx_current_msec + timeout;

    /* the timeout is one for all: this deadline is the last */

    ngx_queue_insert_tail(&client->all, &cmd->all);
    client->n++;

    if (!client->deadline.timer_set) {
        ngx_add_timer(&client->deadline, timeout);
    }

    return cmd;
}


void
ngx_iot_redis_command_free(ngx_iot_redis_command_t *cmd)
{
    ngx_iot_redis_t  *client;

    client = cmd->client;

    ngx_queue_remove(&cmd->all);
    ngx_queue_insert_head(&client->free, &cmd->queue);

    client->n--;

    /* an earlier timer than needed does no harm, but none may stay */

    if (client->n == 0 && client->deadline.timer_set) {
        ngx_del_timer(&client->deadline);
    }
}


static void
ngx_iot_redis_report_handler(ngx_event_t *ev)
{
    ngx_iot_redis_t  *client;

    client = ev->data;

    if (ngx_iot_redis_report_write(client->report, client) != NGX_OK) {
        client->report = NULL;
        return;
    }

    ngx_add_timer(ev, NGX_IOT_REDIS_REPORT);
}


void
ngx_iot_redis_route(ngx_iot_redis_command_t *cmd)
{
    cmd->client->topology->route(cmd->client->servers, cmd);
}


void
ngx_iot_redis_unreachable(ngx_iot_redis_t *client, ngx_iot_redis_node_t *node)
{
    client->topology->unreachable(client->servers, node);
}


void
ngx_iot_redis_pause(ngx_iot_redis_command_t *cmd, ngx_msec_t min,
    ngx_msec_t max)
{
    ngx_event_t  *ev;

    cmd->state = NGX_IOT_REDIS_PAUSED;
    ngx_queue_insert_tail(&cmd->client->paused, &cmd->queue);

    ev = &cmd->pause;

    ngx_memzero(ev, sizeof(ngx_event_t));

    ev->handler = ngx_iot_redis_pause_handler;
    ev->data = cmd;
    ev->log = cmd->client->log;

    ngx_add_timer(ev, min + ngx_random() % (max - min + 1));
}


static void
ngx_iot_redis_pause_handler(ngx_event_t *ev)
{
    ngx_iot_redis_command_t  *cmd;

    cmd = ev->data;

    ngx_iot_redis_unpause(cmd);
    ngx_iot_redis_route(cmd);
}


static void
ngx_iot_redis_unpause(ngx_iot_redis_command_t *cmd)
{
    ngx_queue_remove(&cmd->queue);

    if (cmd->pause.timer_set) {
        ngx_del_timer(&cmd->pause);
    }
}


void
ngx_iot_redis_enter(ngx_iot_redis_command_t *cmd)
{
    cmd->state = NGX_IOT_REDIS_WAITING;
    cmd->client->size += cmd->size;
}


void
ngx_iot_redis_leave(ngx_iot_redis_command_t *cmd)
{
    cmd->client->size -= cmd->size;
}


ngx_uint_t
ngx_iot_redis_expired(ngx_iot_redis_command_t *cmd)
{
    return (ngx_msec_int_t) (cmd->deadline - ngx_current_msec) <= 0;
}


void
ngx_iot_redis_complete(ngx_iot_redis_command_t *cmd,
    ngx_iot_redis_outcome_e outcome)
{
    ngx_iot_redis_t  *client;

    if (cmd->done == NULL) {
        ngx_iot_redis_command_free(cmd);
        return;
    }

    client = cmd->client;

    client->tally.faults[ngx_iot_redis_outcome_fault(outcome)]++;

    cmd->state = NGX_IOT_REDIS_COMPLETED;
    cmd->outcome = outcome;

    ngx_queue_insert_tail(&client->completed, &cmd->queue);

    /*
     * Not in this turn of the loop: whoever is told may submit again, to be
     * told the same.  Until then the timer of deadlines, which runs as long
     * as there are commands, keeps an exiting worker.
     */

    ngx_post_event(&client->completion, &ngx_posted_next_events);
}


static ngx_iot_redis_fault_e
ngx_iot_redis_outcome_fault(ngx_iot_redis_outcome_e outcome)
{
    switch (outcome) {

    case NGX_IOT_REDIS_TIMED_OUT:
        return NGX_IOT_REDIS_FAULT_TIMED_OUT;

    case NGX_IOT_REDIS_LOST:
        return NGX_IOT_REDIS_FAULT_LOST;

    case NGX_IOT_REDIS_UNREPLICATED:
        return NGX_IOT_REDIS_FAULT_UNREPLICATED;

    default:
        return NGX_IOT_REDIS_FAULT_UNAVAILABLE;
    }
}


static void
ngx_iot_redis_completion_handler(ngx_event_t *ev)
{
    void                     *data;
    ngx_queue_t              *q, completed;
    ngx_iot_redis_t          *client;
    ngx_iot_redis_done_pt     done;
    ngx_iot_redis_outcome_e   outcome;
    ngx_iot_redis_command_t  *cmd;

    client = ev->data;

    ngx_queue_init(&completed);
    ngx_queue_add(&completed, &client->completed);
    ngx_queue_init(&client->completed);

    while (!ngx_queue_empty(&completed)) {
        q = ngx_queue_head(&completed);
        cmd = ngx_iot_redis_command(q);

        ngx_queue_remove(q);

        done = cmd->done;
        data = cmd->data;
        outcome = cmd->outcome;

        ngx_iot_redis_command_free(cmd);

        done(data, outcome, NULL);
    }
}


/*
 * A link whose server owes a reply beyond its time is broken, so that there
 * is no need to ask before with a PING whether the server still lives.
 */
static void
ngx_iot_redis_deadline_handler(ngx_event_t *ev)
{
    ngx_queue_t              *q;
    ngx_msec_int_t            left;
    ngx_iot_redis_t          *client;
    ngx_iot_redis_command_t  *cmd;

    client = ev->data;

    while ((cmd = ngx_iot_redis_expire(client)) != NULL) {
        ngx_iot_redis_lane_break(cmd->lane, NGX_ETIMEDOUT,
                                 "redis did not reply in time");
    }

    if (client->n == 0 || ev->timer_set) {
        return;
    }

    q = ngx_queue_head(&client->all);
    cmd = ngx_queue_data(q, ngx_iot_redis_command_t, all);

    left = (ngx_msec_int_t) (cmd->deadline - ngx_current_msec);

    ngx_add_timer(ev, (ngx_msec_t) ngx_max(left, 1));
}


/*
 * Gives up those that are not on their way.  Returns the first that is late on
 * a link, or NULL.
 */
static ngx_iot_redis_command_t *
ngx_iot_redis_expire(ngx_iot_redis_t *client)
{
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    q = ngx_queue_head(&client->all);

    while (q != ngx_queue_sentinel(&client->all)) {
        cmd = ngx_queue_data(q, ngx_iot_redis_command_t, all);
        q = ngx_queue_next(q);

        if (!ngx_iot_redis_expired(cmd)) {
            break;
        }

        if (cmd->state == NGX_IOT_REDIS_WRITTEN) {
            return cmd;
        }

        ngx_iot_redis_give_up(cmd);
    }

    return NULL;
}


static void
ngx_iot_redis_give_up(ngx_iot_redis_command_t *cmd)
{
    switch (cmd->state) {

    case NGX_IOT_REDIS_WAITING:
        ngx_queue_remove(&cmd->queue);
        ngx_iot_redis_leave(cmd);
        break;

    case NGX_IOT_REDIS_PAUSED:
        ngx_iot_redis_unpause(cmd);
        break;

    default:

        /* its outcome is known */

        return;
    }

    ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
}
