
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>

#include "ngx_iot_redis_greeting.h"
#include "ngx_iot_redis_link.h"
#include "ngx_iot_redis_output.h"
#include "ngx_iot_redis_ssl.h"


#define NGX_IOT_REDIS_READ_SIZE      65536

/* work for one event: the other connections of the worker wait meanwhile */
#define NGX_IOT_REDIS_READS_MAX      16
#define NGX_IOT_REDIS_REPLIES_MAX    256

/*
 * A server that has so many commands to answer gets more of them when it has
 * fewer left, in one write; or when ms have passed.
 */
#define NGX_IOT_REDIS_BUSY           16
#define NGX_IOT_REDIS_EASY           8
#define NGX_IOT_REDIS_HOLD           1

/* commands are written out so far ahead of the socket */
#define NGX_IOT_REDIS_AHEAD          262144

/*
 * An array in HELLO's reply, that of modules, has arrays of arrays.  A table
 * of the slots of a cluster, which is a large reply, has 17 elements for each
 * run of slots, or more.
 */
#define NGX_IOT_REDIS_REPLY_DEPTH    4
#define NGX_IOT_REDIS_REPLY_NODES    65536
#define NGX_IOT_REDIS_REPLY_SIZE     1048576
#define NGX_IOT_REDIS_LARGE_NODES    524288
#define NGX_IOT_REDIS_LARGE_SIZE     16777216
#define NGX_IOT_REDIS_GREETING_SIZE  65536

/* of the replies that wait for replicas */
#define NGX_IOT_REDIS_HELD_POOL      4096

/* a part of the timeout: the server needs some of it, and so does the queue */
#define NGX_IOT_REDIS_WAIT_PART      4

#define NGX_IOT_REDIS_KEEPIDLE       30
#define NGX_IOT_REDIS_KEEPINTVL      5
#define NGX_IOT_REDIS_KEEPCNT        3


typedef enum {
    NGX_IOT_REDIS_LINK_DOWN = 0,
    NGX_IOT_REDIS_LINK_CONNECTING,
    NGX_IOT_REDIS_LINK_HANDSHAKING,
    NGX_IOT_REDIS_LINK_GREETING,
    NGX_IOT_REDIS_LINK_UP
} ngx_iot_redis_link_state_e;


struct ngx_iot_redis_link_s {
    const ngx_iot_redis_endpoint_t  *endpoint;
    const ngx_iot_redis_owner_t     *owner;
    void                            *data;

    ngx_log_t                        log;
    ngx_addr_t                      *addr;
    ngx_str_t                        server;     /* for the log */
    u_char                           text[NGX_SOCKADDR_STRLEN];
    ngx_connection_t                *connection;
    ngx_uint_t                       number;     /* of the connection */

    ngx_iot_redis_link_state_e       state;
    ngx_uint_t                       greeted;    /* replies to this */
    ngx_uint_t                       denied;
    ngx_uint_t                       other;

    ngx_iot_resp_t                  *resp;
    ngx_iot_resp_limits_t            limits;

    ngx_iot_redis_output_t           output;
    ngx_event_t                      flush;      /* by its timer when busy */
    ngx_queue_t                      written;    /* commands, in order */
    ngx_uint_t                       nwritten;
    const char                      *leaving;    /* when all are replied */

    /* replicas: the WAIT that was written, and what it is for */
    ngx_iot_redis_command_t          wait;
    ngx_uint_t                       waiting;
    ngx_queue_t                      held;       /* answered commands */
    ngx_pool_t                      *pool;       /* of their replies */

#if (NGX_SSL)
    ngx_iot_redis_ssl_said_t         said;
#endif
};


static ngx_int_t ngx_iot_redis_link_open(ngx_iot_redis_link_t *link,
    ngx_err_t *err);
static void ngx_iot_redis_link_set_options(ngx_iot_redis_link_t *link);
static void ngx_iot_redis_link_set_option(ngx_iot_redis_link_t *link,
    int option, int value, const char *name);
static void ngx_iot_redis_link_connected(ngx_iot_redis_link_t *link);
static ngx_err_t ngx_iot_redis_link_connect_error(ngx_connection_t *c);
#if (NGX_SSL)
static void ngx_iot_redis_link_secure(ngx_iot_redis_link_t *link);
static void ngx_iot_redis_link_handshake_handler(ngx_connection_t *c);
#endif
static void ngx_iot_redis_link_greet(ngx_iot_redis_link_t *link);

static void ngx_iot_redis_link_read_handler(ngx_event_t *rev);
static void ngx_iot_redis_link_write_handler(ngx_event_t *wev);
static void ngx_iot_redis_link_flush_handler(ngx_event_t *ev);
static void ngx_iot_redis_link_settle(ngx_iot_redis_link_t *link);

static ngx_int_t ngx_iot_redis_link_read(ngx_iot_redis_link_t *link);
static ngx_int_t ngx_iot_redis_link_recv(ngx_iot_redis_link_t *link);
static ngx_int_t ngx_iot_redis_link_replies(ngx_iot_redis_link_t *link,
    ngx_uint_t *n);
static void ngx_iot_redis_link_limit(ngx_iot_redis_link_t *link);
static ngx_int_t ngx_iot_redis_link_reply(ngx_iot_redis_link_t *link,
    ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_redis_link_greeting(ngx_iot_redis_link_t *link,
    ngx_iot_resp_reply_t *reply);

static void ngx_iot_redis_link_hold(ngx_iot_redis_link_t *link,
    ngx_iot_redis_command_t *cmd, ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_link_waited(ngx_iot_redis_link_t *link,
    ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_redis_link_write_wait(ngx_iot_redis_link_t *link);
static void ngx_iot_redis_link_send(ngx_iot_redis_link_t *link);
static ngx_int_t ngx_iot_redis_link_write(ngx_iot_redis_link_t *link);
static ngx_int_t ngx_iot_redis_link_write_command(
    ngx_iot_redis_output_t *output, ngx_iot_redis_command_t *cmd);

static void ngx_iot_redis_link_end(ngx_iot_redis_link_t *link, ngx_err_t err,
    const char *reason, ngx_uint_t exiting);
static void ngx_iot_redis_link_fail(ngx_iot_redis_link_t *link, ngx_err_t err,
    const char *reason);
static void ngx_iot_redis_link_close(ngx_iot_redis_link_t *link,
    ngx_iot_redis_break_t *brk);
static void ngx_iot_redis_link_close_connection(ngx_connection_t *c);
static u_char *ngx_iot_redis_link_log_handler(ngx_log_t *log, u_char *buf,
    size_t len);


ngx_iot_redis_link_t *
ngx_iot_redis_link_create(ngx_pool_t *pool,
    const ngx_iot_redis_endpoint_t *endpoint, const ngx_str_t *name,
    const ngx_iot_redis_owner_t *owner, void *data, ngx_log_t *log)
{
    ngx_iot_redis_link_t  *link;

    link = ngx_pcalloc(pool, sizeof(ngx_iot_redis_link_t));
    if (link == NULL) {
        return NULL;
    }

    link->endpoint = endpoint;
    link->server = *name;
    link->owner = owner;
    link->data = data;

    link->log = *log;
    link->log.handler = ngx_iot_redis_link_log_handler;
    link->log.data = link;

    link->limits.depth = NGX_IOT_REDIS_REPLY_DEPTH;

    ngx_iot_redis_output_init(&link->output, &link->log);
    ngx_queue_init(&link->written);
    ngx_queue_init(&link->held);

    link->flush.handler = ngx_iot_redis_link_flush_handler;
    link->flush.data = link;
    link->flush.log = &link->log;

    return link;
}


void
ngx_iot_redis_link_destroy(ngx_iot_redis_link_t *link)
{
    ngx_iot_redis_break_t  brk;

    if (link->state != NGX_IOT_REDIS_LINK_DOWN) {
        ngx_iot_redis_link_close(link, &brk);
    }

    ngx_iot_redis_output_destroy(&link->output);
}


const ngx_str_t *
ngx_iot_redis_link_server(const ngx_iot_redis_link_t *link)
{
    return &link->server;
}


ngx_log_t *
ngx_iot_redis_link_log(ngx_iot_redis_link_t *link)
{
    return &link->log;
}


void
ngx_iot_redis_link_connect(ngx_iot_redis_link_t *link, ngx_addr_t *addr)
{
    ngx_int_t          rc;
    ngx_err_t          err;
    ngx_connection_t  *c;

    link->addr = addr;
    link->server.len = ngx_min(addr->name.len, sizeof(link->text));
    link->server.data = link->text;
    ngx_memcpy(link->text, addr->name.data, link->server.len);

    link->state = NGX_IOT_REDIS_LINK_CONNECTING;
    link->greeted = 0;
    link->denied = 0;
    link->other = 0;
    link->leaving = NULL;
    link->number++;

    link->log.action = "connecting to redis";

    link->resp = ngx_iot_resp_create(&link->limits, &link->log);

    if (link->resp == NULL
        || ngx_iot_redis_greeting_write(link->endpoint, &link->output)
           != NGX_OK)
    {
        ngx_iot_redis_link_break(link, NGX_ENOMEM, "greeting failed");
        return;
    }

    rc = ngx_iot_redis_link_open(link, &err);

    if (rc == NGX_ERROR) {
        ngx_iot_redis_link_break(link, err, "connect() failed");
        return;
    }

    c = link->connection;

    c->write->cancelable = 1;
    ngx_add_timer(c->write, link->endpoint->connect_timeout);

    ngx_iot_redis_link_set_options(link);

    if (rc == NGX_OK) {
        ngx_iot_redis_link_connected(link);
    }
}


/* NGX_OK: connected; NGX_AGAIN: wait for the socket; NGX_ERROR with *err */
static ngx_int_t
ngx_iot_redis_link_open(ngx_iot_redis_link_t *link, ngx_err_t *err)
{
    ngx_int_t              rc;
    ngx_uint_t             level;
    ngx_connection_t      *c;
    ngx_peer_connection_t  peer;

    ngx_memzero(&peer, sizeof(ngx_peer_connection_t));

    peer.sockaddr = link->addr->sockaddr;
    peer.socklen = link->addr->socklen;
    peer.name = &link->addr->name;
    peer.get = ngx_event_get_peer;
    peer.log = &link->log;
    peer.log_error = NGX_ERROR_INFO;
    peer.so_keepalive = (peer.sockaddr->sa_family != AF_UNIX);

    /*
     * A connect() that fails at once, as that of a unix socket does, is
     * logged by each attempt; our own log tells it once.
     */

    level = link->log.log_level;
    link->log.log_level = ngx_min(level, NGX_LOG_ALERT);

    rc = ngx_event_connect_peer(&peer);

    *err = ngx_socket_errno;
    link->log.log_level = level;

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        return NGX_ERROR;
    }

    c = peer.connection;

    c->data = link;
    c->log = &link->log;
    c->log->connection = c->number;

    c->read->handler = ngx_iot_redis_link_read_handler;
    c->write->handler = ngx_iot_redis_link_write_handler;

    link->connection = c;

    return rc;
}


static void
ngx_iot_redis_link_set_options(ngx_iot_redis_link_t *link)
{
#ifdef TCP_USER_TIMEOUT
    ngx_msec_t  timeout;
#endif

    if (link->addr->sockaddr->sa_family == AF_UNIX) {
        return;
    }

    (void) ngx_tcp_nodelay(link->connection);

    /*
     * A server that vanished is noticed by commands after their timeout;
     * these notice it while nothing is in flight, and when what was sent
     * gets no acknowledgement.
     */

#if (NGX_HAVE_KEEPALIVE_TUNABLE)
    ngx_iot_redis_link_set_option(link, TCP_KEEPIDLE, NGX_IOT_REDIS_KEEPIDLE,
                                  "TCP_KEEPIDLE");
    ngx_iot_redis_link_set_option(link, TCP_KEEPINTVL, NGX_IOT_REDIS_KEEPINTVL,
                                  "TCP_KEEPINTVL");
    ngx_iot_redis_link_set_option(link, TCP_KEEPCNT, NGX_IOT_REDIS_KEEPCNT,
                                  "TCP_KEEPCNT");
#endif

#ifdef TCP_USER_TIMEOUT
    timeout = ngx_min(link->endpoint->timeout, NGX_MAX_INT32_VALUE / 2);

    ngx_iot_redis_link_set_option(link, TCP_USER_TIMEOUT, (int) timeout * 2,
                                  "TCP_USER_TIMEOUT");
#endif
}


static void
ngx_iot_redis_link_set_option(ngx_iot_redis_link_t *link, int option,
    int value, const char *name)
{
    if (setsockopt(link->connection->fd, IPPROTO_TCP, option, &value,
                   sizeof(int))
        == -1)
    {
        ngx_log_error(NGX_LOG_INFO, &link->log, ngx_socket_errno,
                      "setsockopt(%s) failed, ignored", name);
    }
}


static void
ngx_iot_redis_link_connected(ngx_iot_redis_link_t *link)
{
    ngx_err_t  err;

    err = ngx_iot_redis_link_connect_error(link->connection);

    if (err) {
        ngx_iot_redis_link_break(link, err, "connect() failed");
        return;
    }

#if (NGX_SSL)

    if (link->endpoint->ssl) {
        ngx_iot_redis_link_secure(link);
        return;
    }

#endif

    ngx_iot_redis_link_greet(link);
}


static ngx_err_t
ngx_iot_redis_link_connect_error(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

#if (NGX_HAVE_KQUEUE)

    if (ngx_event_flags & NGX_USE_KQUEUE_EVENT) {

        if (c->write->pending_eof) {
            return c->write->kq_errno;
        }

        return c->read->pending_eof ? c->read->kq_errno : 0;
    }

#endif

    err = 0;
    len = sizeof(int);

    /*
     * BSDs and Linux return 0 and set a pending error in err
     * Solaris returns -1 and sets errno
     */

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    return err;
}


#if (NGX_SSL)


static void
ngx_iot_redis_link_secure(ngx_iot_redis_link_t *link)
{
    ngx_connection_t  *c;

    c = link->connection;

    link->state = NGX_IOT_REDIS_LINK_HANDSHAKING;
    link->log.action = "handshaking with redis";

    if (ngx_iot_redis_ssl_open(link->endpoint, &link->said, c) != NGX_OK) {
        ngx_iot_redis_link_fail(link, NGX_ENOMEM, "SSL failed");
        return;
    }

    if (ngx_ssl_handshake(c) == NGX_AGAIN) {
        c->ssl->handler = ngx_iot_redis_link_handshake_handler;
        return;
    }

    ngx_iot_redis_link_handshake_handler(c);
}


/* nothing leaves before the server has proved who it is */
static void
ngx_iot_redis_link_handshake_handler(ngx_connection_t *c)
{
    ngx_iot_redis_link_t  *link;

    link = c->data;

    if (c->write->timedout) {
        ngx_iot_redis_link_break(link, NGX_ETIMEDOUT,
                                 "SSL handshake timed out");
        return;
    }

    if (!c->ssl->handshaked
        || ngx_iot_redis_ssl_check(link->endpoint, &link->said, c) != NGX_OK)
    {
        ngx_iot_redis_link_fail(link, 0, "SSL handshake failed");
        return;
    }

    c->read->handler = ngx_iot_redis_link_read_handler;
    c->write->handler = ngx_iot_redis_link_write_handler;

    /* bytes that OpenSSL has read already cause no event */

    ngx_post_event(c->read, &ngx_posted_events);

    ngx_iot_redis_link_greet(link);
}

#endif


static void
ngx_iot_redis_link_greet(ngx_iot_redis_link_t *link)
{
    link->state = NGX_IOT_REDIS_LINK_GREETING;
    link->log.action = "greeting redis";

    ngx_iot_redis_link_send(link);
}


static void
ngx_iot_redis_link_read_handler(ngx_event_t *rev)
{
    ngx_uint_t             number;
    ngx_connection_t      *c;
    ngx_iot_redis_link_t  *link;

    c = rev->data;
    link = c->data;

    if (c->close && c->error) {
        ngx_iot_redis_link_end(link, 0, "worker shutdown timed out", 1);
        return;
    }

    number = link->number;

    if (link->state == NGX_IOT_REDIS_LINK_CONNECTING) {
        ngx_iot_redis_link_connected(link);

        if (link->number != number
            || link->state == NGX_IOT_REDIS_LINK_HANDSHAKING)
        {
            return;
        }
    }

    if (ngx_iot_redis_link_read(link) == NGX_OK) {
        ngx_iot_redis_link_settle(link);
    }
}


static void
ngx_iot_redis_link_write_handler(ngx_event_t *wev)
{
    ngx_connection_t      *c;
    ngx_iot_redis_link_t  *link;

    c = wev->data;
    link = c->data;

    if (wev->timedout) {
        ngx_iot_redis_link_break(link, NGX_ETIMEDOUT, "connect timed out");
        return;
    }

    if (link->state == NGX_IOT_REDIS_LINK_CONNECTING) {
        ngx_iot_redis_link_connected(link);
        return;
    }

    ngx_iot_redis_link_send(link);
}


void
ngx_iot_redis_link_wake(ngx_iot_redis_link_t *link)
{
    if (link->state != NGX_IOT_REDIS_LINK_UP || link->flush.timer_set) {
        return;
    }

    if (link->nwritten >= NGX_IOT_REDIS_BUSY) {
        ngx_add_timer(&link->flush, NGX_IOT_REDIS_HOLD);
        return;
    }

    ngx_post_event(&link->flush, &ngx_posted_events);
}


/* runs after all that this turn of the loop has brought: one write for all */
static void
ngx_iot_redis_link_flush_handler(ngx_event_t *ev)
{
    ngx_uint_t             number;
    ngx_iot_redis_link_t  *link;

    link = ev->data;
    number = link->number;

    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_iot_redis_link_send(link);

    if (link->number == number) {
        ngx_iot_redis_link_settle(link);
    }
}


/* with nothing in flight a link can be given up */
static void
ngx_iot_redis_link_settle(ngx_iot_redis_link_t *link)
{
    if (link->state != NGX_IOT_REDIS_LINK_UP
        || !ngx_queue_empty(&link->written))
    {
        return;
    }

    if (link->leaving) {
        ngx_iot_redis_link_break(link, 0, link->leaving);
        return;
    }

    /* an exiting worker needs no link but for commands */

    if ((link->connection->close || ngx_exiting) && !link->flush.posted) {
        ngx_iot_redis_link_end(link, 0, "worker exits", 1);
    }
}


/* NGX_OK: the link stands; NGX_DONE: it was broken meanwhile */
static ngx_int_t
ngx_iot_redis_link_read(ngx_iot_redis_link_t *link)
{
    ngx_int_t     rc;
    ngx_uint_t    reads, replies;
    ngx_event_t  *rev;

    rev = link->connection->read;

    reads = 0;
    replies = 0;

    do {
        if (ngx_iot_redis_link_replies(link, &replies) != NGX_OK) {
            return NGX_DONE;
        }

        if (replies == NGX_IOT_REDIS_REPLIES_MAX
            || reads++ == NGX_IOT_REDIS_READS_MAX)
        {
            ngx_post_event(rev, &ngx_posted_next_events);
            return NGX_OK;
        }

        rc = ngx_iot_redis_link_recv(link);

    } while (rc == NGX_OK);

    if (rc == NGX_DONE) {
        return NGX_DONE;
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ngx_iot_redis_link_break(link, 0, "no read event");
        return NGX_DONE;
    }

    return NGX_OK;
}


/* NGX_OK: the parser got bytes; NGX_AGAIN: none are there; NGX_DONE: broken */
static ngx_int_t
ngx_iot_redis_link_recv(ngx_iot_redis_link_t *link)
{
    ssize_t            n;
    ngx_err_t          err;
    ngx_connection_t  *c;

    /* the parser copies: one for all links of the worker */
    static u_char  buffer[NGX_IOT_REDIS_READ_SIZE];

    c = link->connection;

    if (!c->read->ready) {
        return NGX_AGAIN;
    }

    n = c->recv(c, buffer, NGX_IOT_REDIS_READ_SIZE);
    err = ngx_socket_errno;

    if (n == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (n == 0) {
        ngx_iot_redis_link_break(link, 0, "redis closed the connection");
        return NGX_DONE;
    }

    if (n < 0) {
        ngx_iot_redis_link_fail(link, err, "recv() failed");
        return NGX_DONE;
    }

    if (ngx_iot_resp_feed(link->resp, buffer, n) != NGX_OK) {
        ngx_iot_redis_link_break(link, 0, NULL);
        return NGX_DONE;
    }

    return NGX_OK;
}


/* takes the replies that are there, until *n is NGX_IOT_REDIS_REPLIES_MAX */
static ngx_int_t
ngx_iot_redis_link_replies(ngx_iot_redis_link_t *link, ngx_uint_t *n)
{
    ngx_int_t              rc;
    ngx_uint_t             number;
    ngx_iot_resp_reply_t  *reply;

    number = link->number;

    while (*n < NGX_IOT_REDIS_REPLIES_MAX) {

        ngx_iot_redis_link_limit(link);

        rc = ngx_iot_resp_next(link->resp, &reply);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc == NGX_ERROR) {
            ngx_iot_redis_link_break(link, 0, NULL);
            return NGX_DONE;
        }

        if (ngx_iot_redis_link_reply(link, reply) != NGX_OK) {
            return NGX_DONE;
        }

        /* whoever was told may have broken the link, even connected again */

        if (link->number != number) {
            return NGX_DONE;
        }

        (*n)++;
    }

    return NGX_OK;
}


/* of the next reply, or the one of which a part is there: who waits for it? */
static void
ngx_iot_redis_link_limit(ngx_iot_redis_link_t *link)
{
    ngx_queue_t              *q;
    ngx_iot_resp_limits_t    *limits;
    ngx_iot_redis_command_t  *cmd;

    limits = &link->limits;

    limits->nodes = NGX_IOT_REDIS_REPLY_NODES;
    limits->size = NGX_IOT_REDIS_REPLY_SIZE;

    if (link->state != NGX_IOT_REDIS_LINK_UP) {
        limits->size = NGX_IOT_REDIS_GREETING_SIZE;
        return;
    }

    if (ngx_queue_empty(&link->written)) {
        return;
    }

    q = ngx_queue_head(&link->written);
    cmd = ngx_iot_redis_command(q);

    if (cmd->large) {
        limits->nodes = NGX_IOT_REDIS_LARGE_NODES;
        limits->size = NGX_IOT_REDIS_LARGE_SIZE;
    }
}


/* NGX_DONE: it broke the link */
static ngx_int_t
ngx_iot_redis_link_reply(ngx_iot_redis_link_t *link,
    ngx_iot_resp_reply_t *reply)
{
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    if (link->state == NGX_IOT_REDIS_LINK_GREETING) {
        return ngx_iot_redis_link_greeting(link, reply);
    }

    if (link->owner->message
        && link->owner->message(link->data, reply) == NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_queue_empty(&link->written)) {
        ngx_iot_redis_link_break(link, 0, "redis sent an unexpected reply");
        return NGX_DONE;
    }

    q = ngx_queue_head(&link->written);
    cmd = ngx_iot_redis_command(q);

    if (cmd->unasked) {
        cmd->unasked = 0;
        return NGX_OK;
    }

    if (cmd->end > link->connection->sent) {
        ngx_iot_redis_link_break(link, 0, "redis sent a reply too early");
        return NGX_DONE;
    }

    ngx_queue_remove(q);
    link->nwritten--;

    if (link->nwritten <= NGX_IOT_REDIS_EASY && link->flush.timer_set) {
        ngx_post_event(&link->flush, &ngx_posted_events);
    }

    if (cmd == &link->wait) {
        ngx_iot_redis_link_waited(link, reply);

    } else if (link->waiting && cmd->writes
               && reply->type != NGX_IOT_RESP_ERROR)
    {
        ngx_iot_redis_link_hold(link, cmd, reply);

    } else {
        link->owner->reply(link->data, cmd, reply);
    }

    return NGX_OK;
}


/* the reply that it gets is lost with the next one */
static void
ngx_iot_redis_link_hold(ngx_iot_redis_link_t *link,
    ngx_iot_redis_command_t *cmd, ngx_iot_resp_reply_t *reply)
{
    cmd->reply = NULL;

    if (link->pool == NULL) {
        link->pool = ngx_create_pool(NGX_IOT_REDIS_HELD_POOL, &link->log);
    }

    if (link->pool) {
        cmd->reply = ngx_iot_resp_copy(link->pool, reply);
    }

    ngx_queue_insert_tail(&link->held, &cmd->queue);
}


static void
ngx_iot_redis_link_waited(ngx_iot_redis_link_t *link,
    ngx_iot_resp_reply_t *reply)
{
    ngx_pool_t               *pool;
    ngx_uint_t                enough;
    ngx_queue_t              *q, held;
    ngx_iot_redis_command_t  *cmd;

    enough = reply->type == NGX_IOT_RESP_INTEGER
             && reply->integer >= (int64_t) link->endpoint->replicas;

    /* who is told may break the link, and it may be used again meanwhile */

    pool = link->pool;

    ngx_queue_init(&held);

    if (!ngx_queue_empty(&link->held)) {
        ngx_queue_add(&held, &link->held);
        ngx_queue_init(&link->held);
    }

    link->pool = NULL;
    link->waiting = 0;

    ngx_iot_redis_link_wake(link);

    while (!ngx_queue_empty(&held)) {
        q = ngx_queue_head(&held);
        cmd = ngx_iot_redis_command(q);

        ngx_queue_remove(q);

        link->owner->reply(link->data, cmd, enough ? cmd->reply : NULL);
    }

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


static ngx_int_t
ngx_iot_redis_link_greeting(ngx_iot_redis_link_t *link,
    ngx_iot_resp_reply_t *reply)
{
    u_char      buf[NGX_IOT_REDIS_REASON_LEN + 1];
    ngx_int_t   rc;
    ngx_str_t   reason;

    reason.data = buf;

    rc = ngx_iot_redis_greeting_check(link->endpoint, link->greeted, reply,
                                      &reason);
    if (rc != NGX_OK) {
        link->denied = (rc == NGX_ABORT);
        link->other = (rc == NGX_BUSY);
        buf[reason.len] = '\0';
        ngx_iot_redis_link_break(link, 0, (char *) buf);
        return NGX_DONE;
    }

    link->greeted++;

    if (link->greeted < ngx_iot_redis_greeting_replies(link->endpoint)) {
        return NGX_OK;
    }

    ngx_del_timer(link->connection->write);

    link->connection->idle = 1;
    link->state = NGX_IOT_REDIS_LINK_UP;
    link->log.action = NULL;

    link->owner->up(link->data);

    ngx_iot_redis_link_wake(link);

    return NGX_OK;
}


static void
ngx_iot_redis_link_send(ngx_iot_redis_link_t *link)
{
    ngx_int_t  rc, written;
    ngx_err_t  err;

    do {
        written = ngx_iot_redis_link_write(link);

        if (written == NGX_ERROR) {
            ngx_iot_redis_link_break(link, NGX_ENOMEM, "writing failed");
            return;
        }

        rc = ngx_iot_redis_output_send(&link->output, link->connection);
        err = ngx_socket_errno;

        if (rc == NGX_ERROR) {
            ngx_iot_redis_link_fail(link, err, "send() failed");
            return;
        }

    } while (rc == NGX_OK && written == NGX_AGAIN);

    if (ngx_handle_write_event(link->connection->write, 0) != NGX_OK) {
        ngx_iot_redis_link_break(link, 0, "no write event");
    }
}


/*
 * Takes commands and writes them out, no more than the socket may take soon:
 * the others can still be cancelled.  NGX_OK: there are no more; NGX_AGAIN:
 * there may be; NGX_ERROR: no memory.
 */
static ngx_int_t
ngx_iot_redis_link_write(ngx_iot_redis_link_t *link)
{
    ngx_int_t                 rc;
    ngx_uint_t                writes;
    ngx_iot_redis_output_t   *output;
    ngx_iot_redis_command_t  *cmd;

    output = &link->output;

    if (link->state != NGX_IOT_REDIS_LINK_UP || link->leaving
        || link->waiting)
    {
        return NGX_OK;
    }

    writes = 0;

    while (output->written - link->connection->sent < NGX_IOT_REDIS_AHEAD) {

        cmd = link->owner->next(link->data);
        if (cmd == NULL) {
            return writes ? ngx_iot_redis_link_write_wait(link) : NGX_OK;
        }

        rc = ngx_iot_redis_link_write_command(output, cmd);

        /* without memory it counts as not sent, since nothing is behind it */

        cmd->end = output->written + (rc == NGX_OK ? 0 : 1);
        ngx_queue_insert_tail(&link->written, &cmd->queue);
        link->nwritten++;

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        writes |= (cmd->writes && link->endpoint->replicas);
    }

    return writes ? ngx_iot_redis_link_write_wait(link) : NGX_AGAIN;
}


/*
 * The server does nothing behind a WAIT before it is over: what is not
 * written until then is certainly not executed.
 */
static ngx_int_t
ngx_iot_redis_link_write_wait(ngx_iot_redis_link_t *link)
{
    u_char                  number[NGX_INT_T_LEN], msec[NGX_INT_T_LEN];
    ngx_int_t               rc;
    ngx_str_t               argv[3];
    ngx_iot_resp_request_t  req;

    ngx_memzero(&req, sizeof(ngx_iot_resp_request_t));

    req.argc = 3;
    req.argv = argv;

    ngx_str_set(&argv[0], "WAIT");

    argv[1].data = number;
    argv[1].len = ngx_sprintf(number, "%ui", link->endpoint->replicas)
                  - number;

    argv[2].data = msec;
    argv[2].len = ngx_sprintf(msec, "%M",
                              ngx_iot_redis_link_wait_time(link->endpoint))
                  - msec;

    rc = ngx_iot_redis_output_add(&link->output, &req, 0);
    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    link->waiting = 1;
    link->wait.end = link->output.written;
    ngx_queue_insert_tail(&link->written, &link->wait.queue);
    link->nwritten++;

    return NGX_OK;
}


ngx_msec_t
ngx_iot_redis_link_wait_time(const ngx_iot_redis_endpoint_t *endpoint)
{
    ngx_msec_t  time;

    time = endpoint->timeout / NGX_IOT_REDIS_WAIT_PART;

    /* 0 would be for ever */

    return ngx_max(time, 1);
}


/* ASKING is for the one command that follows, so nothing comes between */
static ngx_int_t
ngx_iot_redis_link_write_command(ngx_iot_redis_output_t *output,
    ngx_iot_redis_command_t *cmd)
{
    static ngx_str_t                     argv[] = { ngx_string("ASKING") };
    static const ngx_iot_resp_request_t  asking = { NULL, 0, 1, argv, 0, 0 };

    if (cmd->asking
        && ngx_iot_redis_output_add(output, &asking, 0) != NGX_OK)
    {
        return NGX_ERROR;
    }

    cmd->unasked = cmd->asking;

    return ngx_iot_redis_output_add(output, cmd->req, cmd->with_source);
}


void
ngx_iot_redis_link_leave(ngx_iot_redis_link_t *link, const char *reason)
{
    link->leaving = reason;

    if (link->state == NGX_IOT_REDIS_LINK_UP) {
        ngx_post_event(&link->flush, &ngx_posted_events);
    }
}


void
ngx_iot_redis_link_break(ngx_iot_redis_link_t *link, ngx_err_t err,
    const char *reason)
{
    ngx_iot_redis_link_end(link, err, reason, 0);
}


/* of OpenSSL's reason and ours, its own says more */
static void
ngx_iot_redis_link_fail(ngx_iot_redis_link_t *link, ngx_err_t err,
    const char *reason)
{
#if (NGX_SSL)

    if (link->endpoint->ssl && link->said.text[0]) {
        ngx_iot_redis_link_break(link, 0, link->said.text);
        return;
    }

#endif

    ngx_iot_redis_link_break(link, err, reason);
}


/* exiting: the worker needs no link any more; not a failure of the server's */
static void
ngx_iot_redis_link_end(ngx_iot_redis_link_t *link, ngx_err_t err,
    const char *reason, ngx_uint_t exiting)
{
    u_char                 buf[NGX_IOT_REDIS_REASON_LEN];
    const ngx_str_t       *why;
    ngx_iot_redis_break_t  brk;

    if (link->state == NGX_IOT_REDIS_LINK_DOWN) {
        return;
    }

    brk.err = err;
    brk.was_up = (link->state == NGX_IOT_REDIS_LINK_UP);
    brk.denied = link->denied;
    brk.other = link->other;
    brk.exiting = exiting;
    brk.reason.data = buf;

    if (reason) {
        brk.reason.len = ngx_cpystrn(buf, (u_char *) reason, sizeof(buf))
                         - buf;

    } else {
        why = ngx_iot_resp_reason(link->resp);
        brk.reason.len = ngx_snprintf(buf, sizeof(buf),
                                      "redis sent an invalid reply, %V", why)
                         - buf;
    }

    ngx_iot_redis_link_close(link, &brk);

    link->owner->down(link->data, &brk);
}


static void
ngx_iot_redis_link_close(ngx_iot_redis_link_t *link,
    ngx_iot_redis_break_t *brk)
{
    off_t                     sent;
    ngx_queue_t              *q;
    ngx_iot_redis_command_t  *cmd;

    sent = 0;

    link->state = NGX_IOT_REDIS_LINK_DOWN;
    link->number++;

    if (link->connection) {
        sent = link->connection->sent;
        ngx_iot_redis_link_close_connection(link->connection);
        link->connection = NULL;
    }

    if (link->flush.posted) {
        ngx_delete_posted_event(&link->flush);
    }

    if (link->flush.timer_set) {
        ngx_del_timer(&link->flush);
    }

    ngx_iot_redis_output_reset(&link->output);

    ngx_iot_resp_destroy(link->resp);
    link->resp = NULL;

    /* a server does nothing before it has the last byte of a command */

    ngx_queue_init(&brk->sent);
    ngx_queue_init(&brk->unsent);

    if (!ngx_queue_empty(&link->held)) {
        ngx_queue_add(&brk->sent, &link->held);
        ngx_queue_init(&link->held);
    }

    if (link->pool) {
        ngx_destroy_pool(link->pool);
        link->pool = NULL;
    }

    link->waiting = 0;
    link->nwritten = 0;

    while (!ngx_queue_empty(&link->written)) {
        q = ngx_queue_head(&link->written);
        cmd = ngx_iot_redis_command(q);

        ngx_queue_remove(q);

        if (cmd == &link->wait) {
            continue;
        }

        ngx_queue_insert_tail(cmd->end <= sent ? &brk->sent : &brk->unsent,
                              q);
    }
}


static void
ngx_iot_redis_link_close_connection(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

    pool = c->pool;

#if (NGX_SSL)

    if (c->ssl) {
        (void) ngx_ssl_shutdown(c);
    }

#endif

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


static u_char *
ngx_iot_redis_link_log_handler(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char                *p;
    ngx_iot_redis_link_t  *link;

    link = log->data;
    p = buf;

    if (log->action) {
        p = ngx_snprintf(buf, len, " while %s", log->action);
        len -= p - buf;
    }

    return ngx_snprintf(p, len, ", store: \"%V\", server: \"%V\"",
                        &link->endpoint->store, &link->server);
}
