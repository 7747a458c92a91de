
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_node.h"


#define NGX_IOT_REDIS_POOL_SIZE     4096

/* bytes of requests that wait to be written */
#define NGX_IOT_REDIS_SIZE_MAX      67108864

/* a link without commands for so long is asked for a sign of life */
#define NGX_IOT_REDIS_IDLE          30000

/* refused commands: seconds between two messages of a kind, and the kinds */
#define NGX_IOT_REDIS_LOG_INTERVAL  60
#define NGX_IOT_REDIS_LOG_KINDS     16


typedef struct {
    uint32_t               kind;            /* 0: none */
    time_t                 logged;
} ngx_iot_redis_refusal_t;


struct ngx_iot_redis_s {
    ngx_iot_redis_conf_t    *conf;
    ngx_iot_redis_node_t    *node;
    ngx_pool_t              *pool;
    ngx_log_t               *log;

    ngx_queue_t              all;           /* commands, by deadline */
    ngx_uint_t               n;             /* of them */
    size_t                   size;          /* of those that wait */
    ngx_event_t              deadline;      /* of the first */

    ngx_queue_t              completed;     /* whose outcome is to be told */
    ngx_event_t              completion;

    ngx_queue_t              free;

    ngx_msec_t               submitted;     /* the last command */
    ngx_event_t              idle;

    ngx_iot_redis_refusal_t  refusals[NGX_IOT_REDIS_LOG_KINDS];
};


static ngx_iot_redis_command_t *ngx_iot_redis_get_command(
    ngx_iot_redis_t *client);
static void ngx_iot_redis_free_command(ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_completion_handler(ngx_event_t *ev);
static void ngx_iot_redis_deadline_handler(ngx_event_t *ev);
static ngx_uint_t ngx_iot_redis_expire(ngx_iot_redis_t *client);
static void ngx_iot_redis_idle_handler(ngx_event_t *ev);
static void ngx_iot_redis_ping_done(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static ngx_uint_t ngx_iot_redis_send_source(ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_log_refusal(ngx_iot_redis_t *client,
    ngx_iot_resp_reply_t *reply);
static ngx_uint_t ngx_iot_redis_was_logged(ngx_iot_redis_t *client,
    ngx_str_t *text);


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

    client->deadline.handler = ngx_iot_redis_deadline_handler;
    client->deadline.data = client;
    client->deadline.log = log;

    client->completion.handler = ngx_iot_redis_completion_handler;
    client->completion.data = client;
    client->completion.log = log;

    client->idle.handler = ngx_iot_redis_idle_handler;
    client->idle.data = client;
    client->idle.log = log;
    client->idle.cancelable = 1;

    client->node = ngx_iot_redis_node_create(client, pool, &conf->endpoint,
                                             &conf->servers[0], log);
    if (client->node == NULL) {
        goto failed;
    }

    ngx_iot_redis_node_start(client->node);

    client->submitted = ngx_current_msec;
    ngx_add_timer(&client->idle, NGX_IOT_REDIS_IDLE);

    return client;

failed:

    ngx_destroy_pool(pool);

    return NULL;
}


void
ngx_iot_redis_destroy(ngx_iot_redis_t *client)
{
    ngx_iot_redis_node_destroy(client->node);

    if (client->deadline.timer_set) {
        ngx_del_timer(&client->deadline);
    }

    if (client->idle.timer_set) {
        ngx_del_timer(&client->idle);
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
    size_t                    size;
    ngx_iot_redis_t          *client;
    ngx_iot_redis_command_t  *cmd;

    *busy = 0;

    client = conf->client;
    if (client == NULL) {
        return NULL;
    }

    size = ngx_iot_resp_size(req, 0);

    if (client->n >= conf->queue
        || client->size + size > NGX_IOT_REDIS_SIZE_MAX)
    {
        *busy = 1;
        return NULL;
    }

    cmd = ngx_iot_redis_get_command(client);
    if (cmd == NULL) {
        return NULL;
    }

    cmd->req = req;
    cmd->done = done;
    cmd->data = data;
    cmd->size = size;
    cmd->deadline = ngx_current_msec + conf->endpoint.timeout;

    client->submitted = ngx_current_msec;

    if (!client->deadline.timer_set) {
        ngx_add_timer(&client->deadline, conf->endpoint.timeout);
    }

    ngx_iot_redis_node_submit(client->node, cmd);

    return cmd;
}


void
ngx_iot_redis_cancel(ngx_iot_redis_command_t *cmd)
{
    cmd->done = NULL;
    cmd->req = NULL;

    if (cmd->state == NGX_IOT_REDIS_WRITTEN) {
        return;
    }

    ngx_queue_remove(&cmd->queue);

    if (cmd->state == NGX_IOT_REDIS_WAITING) {
        ngx_iot_redis_leave(cmd);
    }

    ngx_iot_redis_free_command(cmd);
}


static ngx_iot_redis_command_t *
ngx_iot_redis_get_command(ngx_iot_redis_t *client)
{
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

    cmd->client = client;

    /* the timeout is one for all: this deadline is the last */

    ngx_queue_insert_tail(&client->all, &cmd->all);
    client->n++;

    return cmd;
}


static void
ngx_iot_redis_free_command(ngx_iot_redis_command_t *cmd)
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


void
ngx_iot_redis_enter(ngx_iot_redis_command_t *cmd)
{
    cmd->state = NGX_IOT_REDIS_WAITING;
    cmd->client->size += cmd->size;
}


void
ngx_iot_redis_leave(ngx_iot_redis_command_t *cmd)
{
    cmd->state = NGX_IOT_REDIS_WRITTEN;
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
        ngx_iot_redis_free_command(cmd);
        return;
    }

    client = cmd->client;

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

        ngx_iot_redis_free_command(cmd);

        done(data, outcome, NULL);
    }
}


static void
ngx_iot_redis_deadline_handler(ngx_event_t *ev)
{
    ngx_queue_t              *q;
    ngx_msec_int_t            left;
    ngx_iot_redis_t          *client;
    ngx_iot_redis_command_t  *cmd;

    client = ev->data;

    if (ngx_iot_redis_expire(client)) {
        ngx_iot_redis_node_break(client->node, NGX_ETIMEDOUT,
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


/* completes those that wait in vain; returns whether written ones are late */
static ngx_uint_t
ngx_iot_redis_expire(ngx_iot_redis_t *client)
{
    ngx_uint_t                late;
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    late = 0;
    q = ngx_queue_head(&client->all);

    while (q != ngx_queue_sentinel(&client->all)) {
        cmd = ngx_queue_data(q, ngx_iot_redis_command_t, all);
        q = ngx_queue_next(q);

        if (!ngx_iot_redis_expired(cmd)) {
            break;
        }

        if (cmd->state == NGX_IOT_REDIS_WRITTEN) {
            late = 1;

        } else if (cmd->state == NGX_IOT_REDIS_WAITING) {
            ngx_queue_remove(&cmd->queue);
            ngx_iot_redis_leave(cmd);
            ngx_iot_redis_complete(cmd, NGX_IOT_REDIS_UNAVAILABLE);
        }
    }

    return late;
}


/*
 * A server or a network that has vanished says nothing.  A PING without an
 * answer breaks the link before a request has to find that out.
 */
static void
ngx_iot_redis_idle_handler(ngx_event_t *ev)
{
    ngx_uint_t        busy;
    ngx_msec_t        idle;
    ngx_iot_redis_t  *client;

    static ngx_str_t                     argv[] = { ngx_string("PING") };
    static const ngx_iot_resp_request_t  ping = { NULL, 0, 1, argv, 0, 0 };

    client = ev->data;

    if (ngx_exiting) {
        return;
    }

    idle = ngx_current_msec - client->submitted;

    if (idle >= NGX_IOT_REDIS_IDLE) {
        (void) ngx_iot_redis_submit(client->conf, &ping,
                                    ngx_iot_redis_ping_done, NULL, &busy);
        idle = 0;
    }

    ngx_add_timer(ev, NGX_IOT_REDIS_IDLE - idle);
}


/* that there was a reply is enough */
static void
ngx_iot_redis_ping_done(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    /* void */
}


void
ngx_iot_redis_answer(ngx_iot_redis_command_t *cmd, ngx_iot_resp_reply_t *reply)
{
    void                    *data;
    ngx_iot_redis_t         *client;
    ngx_iot_redis_done_pt    done;
    ngx_iot_redis_outcome_e  outcome;
    ngx_iot_resp_refusal_e   refusal;

    client = cmd->client;
    outcome = NGX_IOT_REDIS_REPLIED;

    refusal = ngx_iot_resp_refusal(reply);

    if (refusal == NGX_IOT_RESP_NO_SCRIPT && ngx_iot_redis_send_source(cmd)) {
        return;
    }

    if (refusal == NGX_IOT_RESP_REFUSED || refusal == NGX_IOT_RESP_READ_ONLY) {
        ngx_iot_redis_log_refusal(client, reply);
        outcome = NGX_IOT_REDIS_UNAVAILABLE;
        reply = NULL;
    }

    done = cmd->done;
    data = cmd->data;

    ngx_iot_redis_free_command(cmd);

    if (done) {
        done(data, outcome, reply);
    }

    if (refusal == NGX_IOT_RESP_READ_ONLY) {
        ngx_iot_redis_node_leave(client->node,
                                 "redis is not the master any more");
    }
}


/* the server has lost its scripts: nothing was executed */
static ngx_uint_t
ngx_iot_redis_send_source(ngx_iot_redis_command_t *cmd)
{
    if (cmd->req == NULL || cmd->req->script == NULL || cmd->with_source) {
        return 0;
    }

    cmd->with_source = 1;
    cmd->size = ngx_iot_resp_size(cmd->req, 1);

    ngx_iot_redis_node_resubmit(cmd->client->node, cmd);

    return 1;
}


static void
ngx_iot_redis_log_refusal(ngx_iot_redis_t *client, ngx_iot_resp_reply_t *reply)
{
    size_t  len;
    u_char  text[NGX_IOT_RESP_QUOTE_LEN];

    if (ngx_iot_redis_was_logged(client, &reply->str)) {
        return;
    }

    len = ngx_iot_resp_quote(text, reply->str.data, reply->str.len);

    ngx_log_error(NGX_LOG_ERR, ngx_iot_redis_node_log(client->node), 0,
                  "redis refused a command: \"%*s\"", len, text);
}


/* lately; if not, it is now.  The kinds of refusals are told by one word */
static ngx_uint_t
ngx_iot_redis_was_logged(ngx_iot_redis_t *client, ngx_str_t *text)
{
    size_t                    len;
    u_char                   *p;
    uint32_t                  kind;
    ngx_uint_t                i;
    ngx_iot_redis_refusal_t  *refusal;

    p = ngx_strlchr(text->data, text->data + text->len, ' ');
    len = p ? (size_t) (p - text->data) : text->len;

    kind = ngx_crc32_short(text->data, len);

    for (i = 0; i < NGX_IOT_REDIS_LOG_KINDS; i++) {
        refusal = &client->refusals[i];

        if (refusal->kind != kind && refusal->kind != 0) {
            continue;
        }

        if (refusal->kind == kind
            && ngx_time() - refusal->logged < NGX_IOT_REDIS_LOG_INTERVAL)
        {
            return 1;
        }

        refusal->kind = kind;
        refusal->logged = ngx_time();

        return 0;
    }

    return 1;
}
