
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_command.h"
#include "ngx_iot_redis_link.h"
#include "ngx_iot_redis_sentinel.h"
#include "ngx_iot_redis_sentinel_list.h"
#include "ngx_iot_redis_ssl.h"


/* to connect, to greet and to be answered; then the next one is asked */
#define NGX_IOT_REDIS_SENTINEL_ANSWER  300

/* while listening: between two signs of life, and to wait for one */
#define NGX_IOT_REDIS_SENTINEL_PING    10000
#define NGX_IOT_REDIS_SENTINEL_PONG    1000

/* without anybody to listen to: by chance up to this */
#define NGX_IOT_REDIS_SENTINEL_PAUSE   5000

#define NGX_IOT_REDIS_SENTINEL_ARGS    3


typedef enum {
    /* no link */
    NGX_IOT_REDIS_SENTINEL_IDLE = 0,

    /* one sentinel after the other is asked for the master */
    NGX_IOT_REDIS_SENTINEL_ASKING,

    /* one has named it, and is listened to */
    NGX_IOT_REDIS_SENTINEL_LISTENING,

    /* no link, until the timer tells to ask again */
    NGX_IOT_REDIS_SENTINEL_PAUSED
} ngx_iot_redis_sentinel_state_e;


/* one command that is sent again and again; never twice at a time */

typedef struct {
    ngx_iot_redis_command_t          command;
    ngx_iot_resp_request_t           req;
    ngx_str_t                        argv[NGX_IOT_REDIS_SENTINEL_ARGS];
} ngx_iot_redis_sentinel_command_t;


/* where the master is, as it was told last */

typedef struct {
    ngx_str_t                        host;      /* empty: was never told */
    u_char                           text[NGX_IOT_RESP_HOST_MAX];
    in_port_t                        port;

    ngx_uint_t                       moved;     /* and nobody knows yet */

    ngx_iot_redis_sentinel_addr_t    place;     /* host is an address */

    ngx_iot_redis_server_t           server;    /* host is a name */
    ngx_iot_redis_names_t            names;
    ngx_uint_t                       resolving;
} ngx_iot_redis_sentinel_master_t;


struct ngx_iot_redis_sentinel_s {
    const ngx_iot_redis_conf_t       *conf;
    ngx_iot_redis_sentinel_pt         moved;
    void                             *data;

    ngx_iot_redis_sentinel_state_e    state;
    ngx_log_t                        *log;

    ngx_iot_redis_names_t            *told;     /* where answers go */
    ngx_iot_redis_names_t            *asker;    /* the same, if it waits */
    ngx_uint_t                        telling;
    ngx_uint_t                        failed;   /* all, which was logged */
    ngx_uint_t                        left;     /* out, which was logged */

    /* the sentinels, and the one that is asked or listened to */
    ngx_iot_redis_sentinel_list_t     list;
    ngx_uint_t                        turn;
    ngx_iot_redis_sentinel_one_t     *one;
    ngx_iot_redis_names_t             names;
    ngx_uint_t                        current;  /* of its addresses */

    ngx_iot_redis_link_t             *link;
    ngx_iot_redis_endpoint_t          endpoint;
    u_char                           *ssl_name;

    ngx_event_t                       timer;
    ngx_queue_t                       waiting;  /* commands */
    ngx_uint_t                        pinged;

    /* what the status tells: up from the answer on, down when none came */
    ngx_iot_redis_lane_state_e        seen;
    uint64_t                          changed;
    ngx_uint_t                        connects;

    ngx_iot_redis_sentinel_command_t  ask;
    ngx_iot_redis_sentinel_command_t  others;
    ngx_iot_redis_sentinel_command_t  subscribe;
    ngx_iot_redis_sentinel_command_t  ping;

    /* what the node is given */
    ngx_iot_redis_server_t            server;
    ngx_iot_redis_endpoint_t          master_endpoint;
    u_char                  master_ssl_name[NGX_IOT_RESP_HOST_MAX + 1];
    ngx_iot_redis_sentinel_master_t   master;
};


static ngx_int_t ngx_iot_redis_sentinel_init(
    ngx_iot_redis_sentinel_t *sentinel, ngx_pool_t *pool, ngx_log_t *log);
static void ngx_iot_redis_sentinel_init_commands(
    ngx_iot_redis_sentinel_t *sentinel);
static void ngx_iot_redis_sentinel_init_command(
    ngx_iot_redis_sentinel_command_t *cmd, ngx_uint_t argc);

static void ngx_iot_redis_sentinel_turn(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_lane_state_e seen);

static void ngx_iot_redis_sentinel_begin(ngx_iot_redis_sentinel_t *sentinel);
static void ngx_iot_redis_sentinel_next(ngx_iot_redis_sentinel_t *sentinel);
static void ngx_iot_redis_sentinel_named(void *data, const char *failed);
static void ngx_iot_redis_sentinel_connect(ngx_iot_redis_sentinel_t *sentinel);
static void ngx_iot_redis_sentinel_give_up(ngx_iot_redis_sentinel_t *sentinel);
static void ngx_iot_redis_sentinel_pause(ngx_iot_redis_sentinel_t *sentinel);
static void ngx_iot_redis_sentinel_set_timer(
    ngx_iot_redis_sentinel_t *sentinel, ngx_msec_t msec);
static void ngx_iot_redis_sentinel_timer_handler(ngx_event_t *ev);
static void ngx_iot_redis_sentinel_ping(ngx_iot_redis_sentinel_t *sentinel);

static void ngx_iot_redis_sentinel_link_up(void *data);
static ngx_iot_redis_command_t *ngx_iot_redis_sentinel_link_next(void *data);
static void ngx_iot_redis_sentinel_link_reply(void *data,
    ngx_iot_redis_command_t *cmd, ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_sentinel_link_down(void *data,
    ngx_iot_redis_break_t *brk);
static ngx_int_t ngx_iot_redis_sentinel_link_message(void *data,
    ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_sentinel_failed(ngx_iot_redis_sentinel_t *sentinel,
    ngx_err_t err, ngx_str_t *reason);

static void ngx_iot_redis_sentinel_send(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_sentinel_command_t *cmd);
static void ngx_iot_redis_sentinel_answer(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_sentinel_refused(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_sentinel_learn(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_sentinel_subscribed(
    ngx_iot_redis_sentinel_t *sentinel, ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_sentinel_ponged(ngx_iot_redis_sentinel_t *sentinel);

static ngx_int_t ngx_iot_redis_sentinel_read(
    const ngx_iot_resp_reply_t *reply, ngx_str_t *host, in_port_t *port);
static ngx_uint_t ngx_iot_redis_sentinel_reachable(
    ngx_iot_redis_sentinel_t *sentinel, const ngx_str_t *host);
static void ngx_iot_redis_sentinel_take(ngx_iot_redis_sentinel_t *sentinel,
    const ngx_str_t *host, in_port_t port);
static void ngx_iot_redis_sentinel_set_master(
    ngx_iot_redis_sentinel_t *sentinel, const ngx_str_t *host, in_port_t port);
static void ngx_iot_redis_sentinel_listen(ngx_iot_redis_sentinel_t *sentinel);
static void ngx_iot_redis_sentinel_resolve(ngx_iot_redis_sentinel_t *sentinel);
static void ngx_iot_redis_sentinel_resolved(void *data, const char *failed);
static void ngx_iot_redis_sentinel_tell(ngx_iot_redis_sentinel_t *sentinel,
    ngx_addr_t *addrs, ngx_uint_t naddrs);


static const ngx_iot_redis_owner_t  ngx_iot_redis_sentinel_owner = {
    ngx_iot_redis_sentinel_link_up,
    ngx_iot_redis_sentinel_link_next,
    ngx_iot_redis_sentinel_link_reply,
    ngx_iot_redis_sentinel_link_down,
    ngx_iot_redis_sentinel_link_message
};


ngx_iot_redis_sentinel_t *
ngx_iot_redis_sentinel_create(ngx_pool_t *pool,
    const ngx_iot_redis_conf_t *conf, ngx_iot_redis_sentinel_pt moved,
    void *data, ngx_log_t *log)
{
    ngx_iot_redis_sentinel_t  *sentinel;

    sentinel = ngx_pcalloc(pool, sizeof(ngx_iot_redis_sentinel_t));
    if (sentinel == NULL) {
        return NULL;
    }

    sentinel->conf = conf;
    sentinel->moved = moved;
    sentinel->data = data;
    sentinel->log = log;

    if (ngx_iot_redis_sentinel_init(sentinel, pool, log) != NGX_OK) {
        return NULL;
    }

    ngx_iot_redis_sentinel_init_commands(sentinel);

    sentinel->server.text = conf->master;
    sentinel->server.sentinel = sentinel;
    sentinel->master_endpoint = conf->endpoint;

    return sentinel;
}


/* what is needed to speak with sentinels */
static ngx_int_t
ngx_iot_redis_sentinel_init(ngx_iot_redis_sentinel_t *sentinel,
    ngx_pool_t *pool, ngx_log_t *log)
{
    size_t                       len;
    ngx_uint_t                   i;
    const ngx_iot_redis_conf_t  *conf;

    conf = sentinel->conf;
    len = NGX_IOT_RESP_HOST_MAX;

    for (i = 0; i < conf->nservers; i++) {
        len = ngx_max(len, conf->servers[i].host.len);
    }

    sentinel->endpoint = conf->sentinel;
    sentinel->ssl_name = ngx_pnalloc(pool, len + 1);

    sentinel->link = ngx_iot_redis_link_create(pool, &sentinel->endpoint,
                                               &conf->servers[0].text,
                                               &ngx_iot_redis_sentinel_owner,
                                               sentinel, log);

    if (sentinel->ssl_name == NULL
        || sentinel->link == NULL
        || ngx_iot_redis_sentinel_list_init(&sentinel->list, pool,
                                            conf->servers, conf->nservers)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    sentinel->list.resolver = conf->resolver;
    sentinel->list.resolver_timeout = conf->resolver_timeout;

    sentinel->one = ngx_iot_redis_sentinel_list_get(&sentinel->list, 0);

    ngx_iot_redis_names_init(&sentinel->names, &sentinel->one->server,
                             ngx_iot_redis_sentinel_named, sentinel, log);
    ngx_iot_redis_names_init(&sentinel->master.names,
                             &sentinel->master.server,
                             ngx_iot_redis_sentinel_resolved, sentinel, log);

    ngx_queue_init(&sentinel->waiting);

    sentinel->timer.handler = ngx_iot_redis_sentinel_timer_handler;
    sentinel->timer.data = sentinel;
    sentinel->timer.log = ngx_iot_redis_link_log(sentinel->link);
    sentinel->timer.cancelable = 1;

    return NGX_OK;
}


static void
ngx_iot_redis_sentinel_init_commands(ngx_iot_redis_sentinel_t *sentinel)
{
    ngx_str_t  *argv;

    ngx_iot_redis_sentinel_init_command(&sentinel->ask, 3);
    argv = sentinel->ask.argv;

    ngx_str_set(&argv[0], "SENTINEL");
    ngx_str_set(&argv[1], "GET-MASTER-ADDR-BY-NAME");
    argv[2] = sentinel->conf->master;

    ngx_iot_redis_sentinel_init_command(&sentinel->others, 3);
    argv = sentinel->others.argv;

    ngx_str_set(&argv[0], "SENTINEL");
    ngx_str_set(&argv[1], "SENTINELS");
    argv[2] = sentinel->conf->master;

    ngx_iot_redis_sentinel_init_command(&sentinel->subscribe, 2);
    argv = sentinel->subscribe.argv;

    ngx_str_set(&argv[0], "SUBSCRIBE");
    ngx_str_set(&argv[1], "+switch-master");

    ngx_iot_redis_sentinel_init_command(&sentinel->ping, 1);
    argv = sentinel->ping.argv;

    ngx_str_set(&argv[0], "PING");
}


static void
ngx_iot_redis_sentinel_init_command(ngx_iot_redis_sentinel_command_t *cmd,
    ngx_uint_t argc)
{
    cmd->command.req = &cmd->req;

    cmd->req.argc = argc;
    cmd->req.argv = cmd->argv;
}


void
ngx_iot_redis_sentinel_destroy(ngx_iot_redis_sentinel_t *sentinel)
{
    if (sentinel->timer.timer_set) {
        ngx_del_timer(&sentinel->timer);
    }

    ngx_iot_redis_names_destroy(&sentinel->names);
    ngx_iot_redis_names_destroy(&sentinel->master.names);
    ngx_iot_redis_link_destroy(sentinel->link);
}


const ngx_iot_redis_server_t *
ngx_iot_redis_sentinel_server(const ngx_iot_redis_sentinel_t *sentinel)
{
    return &sentinel->server;
}


const ngx_iot_redis_endpoint_t *
ngx_iot_redis_sentinel_endpoint(const ngx_iot_redis_sentinel_t *sentinel)
{
    return &sentinel->master_endpoint;
}


void
ngx_iot_redis_sentinel_find(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_names_t *names)
{
    sentinel->told = names;
    sentinel->asker = names;

    /* the answer that is awaited, or is being told, will do */

    if (sentinel->state == NGX_IOT_REDIS_SENTINEL_ASKING
        || sentinel->master.resolving
        || sentinel->telling)
    {
        return;
    }

    ngx_iot_redis_sentinel_begin(sentinel);
}


void
ngx_iot_redis_sentinel_forget(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_names_t *names)
{
    sentinel->told = NULL;
    sentinel->asker = NULL;
}


void
ngx_iot_redis_sentinel_status(const ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_report_t *report)
{
    ngx_iot_redis_lane_status_t  *status;

    status = ngx_iot_redis_report_lane(report, &sentinel->one->server.text,
                                       NGX_IOT_REDIS_LANE_SENTINEL);
    if (status == NULL) {
        return;
    }

    ngx_iot_redis_report_name(&status->address,
                              ngx_iot_redis_link_server(sentinel->link));
    status->state = sentinel->seen;
    status->since = sentinel->changed;
    status->connects = sentinel->connects;
}


static void
ngx_iot_redis_sentinel_turn(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_lane_state_e seen)
{
    if (sentinel->seen != seen) {
        sentinel->seen = seen;
        sentinel->changed = ngx_iot_redis_status_time();
    }
}


static void
ngx_iot_redis_sentinel_begin(ngx_iot_redis_sentinel_t *sentinel)
{
    /* who is listened to can not be asked: a subscriber may only subscribe */

    sentinel->state = NGX_IOT_REDIS_SENTINEL_IDLE;
    ngx_iot_redis_link_break(sentinel->link, 0, "sentinels are asked again");

    sentinel->state = NGX_IOT_REDIS_SENTINEL_ASKING;
    sentinel->turn = 0;

    if (sentinel->seen != NGX_IOT_REDIS_LANE_DOWN) {
        ngx_iot_redis_sentinel_turn(sentinel, NGX_IOT_REDIS_LANE_CONNECTING);
    }

    ngx_iot_redis_sentinel_next(sentinel);
}


static void
ngx_iot_redis_sentinel_next(ngx_iot_redis_sentinel_t *sentinel)
{
    ngx_iot_redis_sentinel_one_t  *one;

    one = ngx_iot_redis_sentinel_list_get(&sentinel->list, sentinel->turn++);

    if (one == NULL) {
        ngx_iot_redis_sentinel_give_up(sentinel);
        return;
    }

    sentinel->one = one;

    ngx_iot_redis_names_destroy(&sentinel->names);
    ngx_iot_redis_names_init(&sentinel->names, &one->server,
                             ngx_iot_redis_sentinel_named, sentinel,
                             sentinel->log);
    ngx_iot_redis_names_update(&sentinel->names);
}


static void
ngx_iot_redis_sentinel_named(void *data, const char *failed)
{
    ngx_iot_redis_sentinel_t  *sentinel = data;

    if (sentinel->names.naddrs == 0) {
        ngx_log_error(NGX_LOG_INFO, sentinel->log, 0,
                      "the name of sentinel \"%V\" could not be resolved "
                      "(%s)", &sentinel->one->server.text, failed);

        ngx_iot_redis_sentinel_next(sentinel);
        return;
    }

    sentinel->current = 0;

    ngx_iot_redis_sentinel_connect(sentinel);
}


static void
ngx_iot_redis_sentinel_connect(ngx_iot_redis_sentinel_t *sentinel)
{
    ngx_queue_init(&sentinel->waiting);

#if (NGX_SSL)

    if (sentinel->endpoint.ssl) {
        ngx_iot_redis_ssl_set_name(&sentinel->endpoint,
                                   &sentinel->one->server.host,
                                   sentinel->ssl_name);
    }

#endif

    ngx_iot_redis_sentinel_set_timer(sentinel, NGX_IOT_REDIS_SENTINEL_ANSWER);

    ngx_iot_redis_link_connect(sentinel->link,
                               &sentinel->names.addrs[sentinel->current]);
}


/* for now */
static void
ngx_iot_redis_sentinel_give_up(ngx_iot_redis_sentinel_t *sentinel)
{
    if (!sentinel->failed) {
        sentinel->failed = 1;

        ngx_log_error(NGX_LOG_ERR, sentinel->log, 0,
                      "no sentinel of iot_store \"%V\" names the master "
                      "\"%V\"", &sentinel->conf->name,
                      &sentinel->conf->master);
    }

    ngx_iot_redis_sentinel_pause(sentinel);
    ngx_iot_redis_sentinel_tell(sentinel, NULL, 0);
}


static void
ngx_iot_redis_sentinel_pause(ngx_iot_redis_sentinel_t *sentinel)
{
    if (ngx_exiting) {
        sentinel->state = NGX_IOT_REDIS_SENTINEL_IDLE;

        if (sentinel->timer.timer_set) {
            ngx_del_timer(&sentinel->timer);
        }

        return;
    }

    sentinel->state = NGX_IOT_REDIS_SENTINEL_PAUSED;
    ngx_iot_redis_sentinel_turn(sentinel, NGX_IOT_REDIS_LANE_DOWN);

    ngx_iot_redis_sentinel_set_timer(sentinel,
                             1 + ngx_random() % NGX_IOT_REDIS_SENTINEL_PAUSE);
}


/* exactly: a timer that is set already would keep its time if that is near */
static void
ngx_iot_redis_sentinel_set_timer(ngx_iot_redis_sentinel_t *sentinel,
    ngx_msec_t msec)
{
    if (sentinel->timer.timer_set) {
        ngx_del_timer(&sentinel->timer);
    }

    ngx_add_timer(&sentinel->timer, msec);
}


static void
ngx_iot_redis_sentinel_timer_handler(ngx_event_t *ev)
{
    ngx_iot_redis_sentinel_t  *sentinel;

    sentinel = ev->data;

    switch (sentinel->state) {

    case NGX_IOT_REDIS_SENTINEL_ASKING:
        ngx_iot_redis_link_break(sentinel->link, NGX_ETIMEDOUT,
                                 "sentinel did not answer in time");
        return;

    case NGX_IOT_REDIS_SENTINEL_LISTENING:
        ngx_iot_redis_sentinel_ping(sentinel);
        return;

    case NGX_IOT_REDIS_SENTINEL_PAUSED:

        if (ngx_exiting) {
            sentinel->state = NGX_IOT_REDIS_SENTINEL_IDLE;
            return;
        }

        ngx_iot_redis_sentinel_begin(sentinel);
        return;

    default:
        return;
    }
}


static void
ngx_iot_redis_sentinel_ping(ngx_iot_redis_sentinel_t *sentinel)
{
    if (sentinel->pinged) {
        ngx_iot_redis_link_break(sentinel->link, NGX_ETIMEDOUT,
                                 "sentinel did not answer in time");
        return;
    }

    sentinel->pinged = 1;

    ngx_iot_redis_sentinel_send(sentinel, &sentinel->ping);
    ngx_iot_redis_sentinel_set_timer(sentinel, NGX_IOT_REDIS_SENTINEL_PONG);
}


static void
ngx_iot_redis_sentinel_link_up(void *data)
{
    ngx_iot_redis_sentinel_t  *sentinel = data;

    ngx_iot_redis_sentinel_send(sentinel, &sentinel->ask);
}


static ngx_iot_redis_command_t *
ngx_iot_redis_sentinel_link_next(void *data)
{
    ngx_iot_redis_sentinel_t  *sentinel = data;

    ngx_queue_t  *q;

    if (ngx_queue_empty(&sentinel->waiting)) {
        return NULL;
    }

    q = ngx_queue_head(&sentinel->waiting);
    ngx_queue_remove(q);

    return ngx_iot_redis_command(q);
}


static void
ngx_iot_redis_sentinel_send(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_sentinel_command_t *cmd)
{
    ngx_queue_insert_tail(&sentinel->waiting, &cmd->command.queue);
    ngx_iot_redis_link_wake(sentinel->link);
}


static void
ngx_iot_redis_sentinel_link_reply(void *data, ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_reply_t *reply)
{
    ngx_iot_redis_sentinel_t  *sentinel = data;

    if (cmd == &sentinel->ask.command) {
        ngx_iot_redis_sentinel_answer(sentinel, reply);

    } else if (cmd == &sentinel->others.command) {
        ngx_iot_redis_sentinel_learn(sentinel, reply);

    } else if (cmd == &sentinel->subscribe.command) {
        ngx_iot_redis_sentinel_subscribed(sentinel, reply);

    } else {
        ngx_iot_redis_sentinel_ponged(sentinel);
    }
}


static void
ngx_iot_redis_sentinel_link_down(void *data, ngx_iot_redis_break_t *brk)
{
    ngx_iot_redis_sentinel_t  *sentinel = data;

    sentinel->pinged = 0;

    switch (sentinel->state) {

    case NGX_IOT_REDIS_SENTINEL_ASKING:

        if (!brk->exiting) {
            ngx_iot_redis_sentinel_failed(sentinel, brk->err, &brk->reason);
            return;
        }

        ngx_iot_redis_sentinel_pause(sentinel);
        ngx_iot_redis_sentinel_tell(sentinel, NULL, 0);
        return;

    case NGX_IOT_REDIS_SENTINEL_LISTENING:

        if (!brk->exiting) {
            ngx_log_error(NGX_LOG_INFO,
                          ngx_iot_redis_link_log(sentinel->link), brk->err,
                          "%V, looking for a sentinel again", &brk->reason);
        }

        ngx_iot_redis_sentinel_pause(sentinel);
        return;

    default:
        return;
    }
}


/* what is like the last failure of this sentinel is not told again */
static void
ngx_iot_redis_sentinel_failed(ngx_iot_redis_sentinel_t *sentinel,
    ngx_err_t err, ngx_str_t *reason)
{
    uint32_t  hash;

    hash = (ngx_crc32_short(reason->data, reason->len) ^ (uint32_t) err) | 1;

    if (sentinel->one->logged != hash) {
        sentinel->one->logged = hash;

        ngx_log_error(NGX_LOG_WARN, ngx_iot_redis_link_log(sentinel->link),
                      err, "%V", reason);
    }

    if (++sentinel->current < sentinel->names.naddrs) {
        ngx_iot_redis_sentinel_connect(sentinel);
        return;
    }

    ngx_iot_redis_sentinel_next(sentinel);
}


/*
 * A hint, which anybody who may publish there can give: it makes the sentinel
 * be asked, what it says is not believed.
 */
static ngx_int_t
ngx_iot_redis_sentinel_link_message(void *data, ngx_iot_resp_reply_t *reply)
{
    ngx_iot_redis_sentinel_t  *sentinel = data;

    ngx_str_t        *payload;
    const ngx_str_t  *master;

    static const ngx_str_t  message = ngx_string("message");

    if (sentinel->state != NGX_IOT_REDIS_SENTINEL_LISTENING
        || reply->type != NGX_IOT_RESP_ARRAY
        || reply->nelts != 3
        || reply->elts[0]->type != NGX_IOT_RESP_STRING
        || reply->elts[0]->str.len != message.len
        || ngx_strncmp(reply->elts[0]->str.data, message.data, message.len)
           != 0
        || reply->elts[2]->type != NGX_IOT_RESP_STRING)
    {
        return NGX_DECLINED;
    }

    master = &sentinel->conf->master;
    payload = &reply->elts[2]->str;

    if (payload->len > master->len
        && payload->data[master->len] == ' '
        && ngx_strncmp(payload->data, master->data, master->len) == 0)
    {
        ngx_iot_redis_sentinel_begin(sentinel);
    }

    return NGX_OK;
}


static void
ngx_iot_redis_sentinel_answer(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_resp_reply_t *reply)
{
    u_char     reason[NGX_IOT_RESP_QUOTE_LEN];
    size_t     len;
    ngx_str_t  host;
    in_port_t  port;

    if (reply->type == NGX_IOT_RESP_ERROR) {
        ngx_iot_redis_sentinel_refused(sentinel, reply);
        return;
    }

    if (reply->type == NGX_IOT_RESP_NIL) {
        len = ngx_min(sentinel->conf->master.len, NGX_IOT_RESP_QUOTE_MAX);

        (void) ngx_snprintf(reason, sizeof(reason), "sentinel does not know "
                            "the master \"%*s\"%Z", len,
                            sentinel->conf->master.data);

        ngx_iot_redis_link_break(sentinel->link, 0, (char *) reason);
        return;
    }

    if (ngx_iot_redis_sentinel_read(reply, &host, &port) != NGX_OK) {
        ngx_iot_redis_link_break(sentinel->link, 0, "sentinel named no "
                                 "address of the master");
        return;
    }

    if (!ngx_iot_redis_sentinel_reachable(sentinel, &host)) {
        ngx_iot_redis_link_break(sentinel->link, 0, "sentinel named the "
                                 "master by a host name, and there is no "
                                 "\"resolver\"");
        return;
    }

    ngx_iot_redis_sentinel_take(sentinel, &host, port);
}


static void
ngx_iot_redis_sentinel_refused(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_resp_reply_t *reply)
{
    size_t  len;
    u_char  text[NGX_IOT_RESP_QUOTE_LEN], reason[NGX_IOT_RESP_QUOTE_LEN + 64];

    len = ngx_iot_resp_quote(text, reply->str.data, reply->str.len);

    (void) ngx_snprintf(reason, sizeof(reason),
                        "sentinel refused to name the master \"%*s\"%Z", len,
                        text);

    ngx_iot_redis_link_break(sentinel->link, 0, (char *) reason);
}


static void
ngx_iot_redis_sentinel_learn(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_resp_reply_t *reply)
{
    const ngx_str_t  *left;

    left = ngx_iot_redis_sentinel_list_learn(&sentinel->list, reply);

    sentinel->one = ngx_iot_redis_sentinel_list_get(&sentinel->list, 0);

    if (left && !sentinel->left) {
        sentinel->left = 1;

        ngx_log_error(NGX_LOG_WARN, ngx_iot_redis_link_log(sentinel->link), 0,
                      "sentinel told of another one at \"%V\", which can not "
                      "be found without a \"resolver\"", left);
    }
}


/* without a right to it the master is found all the same, only later */
static void
ngx_iot_redis_sentinel_subscribed(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_resp_reply_t *reply)
{
    size_t  len;
    u_char  text[NGX_IOT_RESP_QUOTE_LEN];

    if (reply->type != NGX_IOT_RESP_ERROR) {
        return;
    }

    len = ngx_iot_resp_quote(text, reply->str.data, reply->str.len);

    ngx_log_error(NGX_LOG_WARN, ngx_iot_redis_link_log(sentinel->link), 0,
                  "sentinel refused to be listened to \"%*s\"", len, text);

    ngx_del_timer(&sentinel->timer);

    sentinel->state = NGX_IOT_REDIS_SENTINEL_IDLE;
    ngx_iot_redis_sentinel_turn(sentinel, NGX_IOT_REDIS_LANE_IDLE);
    ngx_iot_redis_link_break(sentinel->link, 0, "no right to listen");
}


static void
ngx_iot_redis_sentinel_ponged(ngx_iot_redis_sentinel_t *sentinel)
{
    sentinel->pinged = 0;

    ngx_iot_redis_sentinel_set_timer(sentinel, NGX_IOT_REDIS_SENTINEL_PING);
}


static ngx_int_t
ngx_iot_redis_sentinel_read(const ngx_iot_resp_reply_t *reply, ngx_str_t *host,
    in_port_t *port)
{
    ngx_int_t                    n;
    const ngx_iot_resp_reply_t  *number;

    if (reply->type != NGX_IOT_RESP_ARRAY
        || reply->nelts != 2
        || reply->elts[0]->type != NGX_IOT_RESP_STRING
        || reply->elts[1]->type != NGX_IOT_RESP_STRING)
    {
        return NGX_DECLINED;
    }

    *host = reply->elts[0]->str;
    number = reply->elts[1];

    if (host->len == 0 || !ngx_iot_resp_is_host(host)) {
        return NGX_DECLINED;
    }

    n = ngx_atoi(number->str.data, number->str.len);

    if (n < 1 || n > 65535) {
        return NGX_DECLINED;
    }

    *port = (in_port_t) n;

    return NGX_OK;
}


static ngx_uint_t
ngx_iot_redis_sentinel_reachable(ngx_iot_redis_sentinel_t *sentinel,
    const ngx_str_t *host)
{
    ngx_iot_redis_sentinel_addr_t  place;

    return sentinel->conf->resolver != NULL
           || ngx_iot_redis_sentinel_addr_set(&place, host, 1) == NGX_OK;
}


static void
ngx_iot_redis_sentinel_take(ngx_iot_redis_sentinel_t *sentinel,
    const ngx_str_t *host, in_port_t port)
{
    ngx_iot_redis_sentinel_addr_t  *place;

    sentinel->state = NGX_IOT_REDIS_SENTINEL_LISTENING;
    sentinel->failed = 0;
    sentinel->connects++;
    ngx_iot_redis_sentinel_turn(sentinel, NGX_IOT_REDIS_LANE_UP);

    ngx_iot_redis_sentinel_list_promote(&sentinel->list, sentinel->one);
    ngx_iot_redis_sentinel_set_master(sentinel, host, port);
    ngx_iot_redis_sentinel_listen(sentinel);

    place = &sentinel->master.place;

    if (ngx_iot_redis_sentinel_addr_set(place, &sentinel->master.host, port)
        == NGX_OK)
    {
        ngx_iot_redis_sentinel_tell(sentinel, &place->addr, 1);

    } else {
        ngx_iot_redis_sentinel_resolve(sentinel);
    }
}


static void
ngx_iot_redis_sentinel_set_master(ngx_iot_redis_sentinel_t *sentinel,
    const ngx_str_t *host, in_port_t port)
{
    ngx_iot_redis_sentinel_master_t  *master;

    master = &sentinel->master;

    if (master->port == port
        && master->host.len == host->len
        && ngx_memcmp(master->text, host->data, host->len) == 0)
    {
        return;
    }

    if (master->host.len) {
        master->moved = 1;

        ngx_log_error(NGX_LOG_NOTICE, sentinel->log, 0,
                      "the master \"%V\" of iot_store \"%V\" has moved",
                      &sentinel->conf->master, &sentinel->conf->name);
    }

    ngx_memcpy(master->text, host->data, host->len);

    master->host.data = master->text;
    master->host.len = host->len;
    master->port = port;

#if (NGX_SSL)

    if (sentinel->conf->ssl_name.len == 0) {
        ngx_iot_redis_ssl_set_name(&sentinel->master_endpoint, &master->host,
                                   sentinel->master_ssl_name);
    }

#endif
}


static void
ngx_iot_redis_sentinel_listen(ngx_iot_redis_sentinel_t *sentinel)
{
    if (ngx_exiting) {
        ngx_del_timer(&sentinel->timer);
        return;
    }

    ngx_iot_redis_sentinel_send(sentinel, &sentinel->others);
    ngx_iot_redis_sentinel_send(sentinel, &sentinel->subscribe);

    ngx_iot_redis_sentinel_set_timer(sentinel, NGX_IOT_REDIS_SENTINEL_PING);
}


/* "sentinel announce-hostnames yes" */
static void
ngx_iot_redis_sentinel_resolve(ngx_iot_redis_sentinel_t *sentinel)
{
    ngx_iot_redis_sentinel_master_t  *master;

    master = &sentinel->master;

    master->server.text = master->host;
    master->server.host = master->host;
    master->server.port = master->port;
    master->server.resolver = sentinel->conf->resolver;
    master->server.resolver_timeout = sentinel->conf->resolver_timeout;

    master->resolving = 1;

    /* what the name stood for before says nothing */

    master->names.naddrs = 0;

    ngx_iot_redis_names_update(&master->names);
}


static void
ngx_iot_redis_sentinel_resolved(void *data, const char *failed)
{
    ngx_iot_redis_sentinel_t  *sentinel = data;

    ngx_iot_redis_sentinel_master_t  *master;

    master = &sentinel->master;
    master->resolving = 0;

    if (master->names.naddrs == 0) {
        ngx_log_error(NGX_LOG_ERR, sentinel->log, 0,
                      "the name \"%V\" of the master \"%V\" could not be "
                      "resolved (%s)", &master->host, &sentinel->conf->master,
                      failed);
    }

    ngx_iot_redis_sentinel_tell(sentinel, master->names.addrs,
                                master->names.naddrs);
}


static void
ngx_iot_redis_sentinel_tell(ngx_iot_redis_sentinel_t *sentinel,
    ngx_addr_t *addrs, ngx_uint_t naddrs)
{
    ngx_iot_redis_names_t  *asker;

    if (sentinel->told) {
        sentinel->told->addrs = addrs;
        sentinel->told->naddrs = naddrs;
    }

    if (sentinel->master.moved) {
        sentinel->master.moved = 0;

        /* links that break now ask for the answer which is there */

        sentinel->telling = 1;
        sentinel->moved(sentinel->data);
        sentinel->telling = 0;
    }

    asker = sentinel->asker;
    sentinel->asker = NULL;

    if (asker) {
        asker->done(asker->data, NULL);
    }
}
