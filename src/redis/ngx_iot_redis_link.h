
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_LINK_H_INCLUDED_
#define _NGX_IOT_REDIS_LINK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_command.h"


/*
 * One socket to a Redis server: connects, greets, writes commands, matches
 * replies with them in order, breaks.  It can be connected anew afterwards.
 * Where writes have to be on replicas, each batch that has some ends with one
 * WAIT; their replies are held until its own, and nothing is written before.
 * What to do about a break is its owner's business.
 */

typedef struct ngx_iot_redis_link_s  ngx_iot_redis_link_t;


/* why a link is not there any more */

typedef struct {
    ngx_queue_t            sent;        /* commands that may be executed */
    ngx_queue_t            unsent;      /* commands that certainly were not */

    ngx_str_t              reason;      /* fit for a log */
    ngx_err_t              err;

    ngx_uint_t             was_up;
    ngx_uint_t             denied;      /* the next one will be, too */
    ngx_uint_t             other;       /* the server has another role */
    ngx_uint_t             exiting;     /* closed since the worker exits */
} ngx_iot_redis_break_t;


/*
 * What the owner is told, with the data that it gave.  Each of these may
 * connect the link or break it, but not destroy it.
 */

typedef struct {
    /* it has greeted, and asks for commands now */
    void  (*up)(void *data);

    /* the next command to be written; NULL: none.  It becomes the link's */
    ngx_iot_redis_command_t  *(*next)(void *data);

    /*
     * The command is the owner's again.  NULL: it was executed, but too few
     * replicas have what it wrote, as far as is known.
     */
    void  (*reply)(void *data, ngx_iot_redis_command_t *cmd,
        ngx_iot_resp_reply_t *reply);

    /* broken or closed, or the connect failed; the commands are the owner's */
    void  (*down)(void *data, ngx_iot_redis_break_t *brk);

    /*
     * Sees each reply before a command gets it.  NGX_OK: it was a message,
     * for which nobody had asked; NGX_DECLINED.  NULL: there are none.
     */
    ngx_int_t  (*message)(void *data, ngx_iot_resp_reply_t *reply);
} ngx_iot_redis_owner_t;


/*
 * NULL: no memory.  Memory that lives as long as the link is from the pool.
 * Name: of the server, for the log, until an address takes its place.
 */
ngx_iot_redis_link_t *ngx_iot_redis_link_create(ngx_pool_t *pool,
    const ngx_iot_redis_endpoint_t *endpoint, const ngx_str_t *name,
    const ngx_iot_redis_owner_t *owner, void *data, ngx_log_t *log);

/* the commands that it has are forgotten, nothing is called */
void ngx_iot_redis_link_destroy(ngx_iot_redis_link_t *link);

/*
 * Starts to connect; legal when it is not connected.  up() or down() follows,
 * the latter possibly from inside this call.  The address is the caller's, and
 * is not read any more after down().
 */
void ngx_iot_redis_link_connect(ngx_iot_redis_link_t *link, ngx_addr_t *addr);

/*
 * There are commands to write.  It asks for them at the end of this turn of
 * the loop, or somewhat later when many wait for replies already.
 */
void ngx_iot_redis_link_wake(ngx_iot_redis_link_t *link);

/* breaks it, if it is connected or connecting; calls down() */
void ngx_iot_redis_link_break(ngx_iot_redis_link_t *link, ngx_err_t err,
    const char *reason);

/*
 * No more commands are written, and the link breaks as soon as those in
 * flight are answered.  The reason is kept by reference.
 */
void ngx_iot_redis_link_leave(ngx_iot_redis_link_t *link, const char *reason);

/* the address that it was connected to last; at first the server's name */
const ngx_str_t *ngx_iot_redis_link_server(const ngx_iot_redis_link_t *link);

/* the time that a write is given for its replicas, which is in its timeout */
ngx_msec_t ngx_iot_redis_link_wait_time(
    const ngx_iot_redis_endpoint_t *endpoint);

/* a log whose messages tell store, server and what was being done */
ngx_log_t *ngx_iot_redis_link_log(ngx_iot_redis_link_t *link);


#endif /* _NGX_IOT_REDIS_LINK_H_INCLUDED_ */
