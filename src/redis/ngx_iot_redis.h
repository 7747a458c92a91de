
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_H_INCLUDED_
#define _NGX_IOT_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_resp.h"


/*
 * A Redis client inside nginx's event loop.  It knows nothing of what is
 * stored.  An iot_store block describes a deployment; every worker has its own
 * client for it, with one pipelined link; commands of concurrent requests
 * leave in shared writes.
 */


/* what became of a command */

typedef enum {
    /* answered; the reply may be an error that the server gave */
    NGX_IOT_REDIS_REPLIED = 0,

    /* certainly not executed: no link, refused by the server's state */
    NGX_IOT_REDIS_UNAVAILABLE,

    /* sent, not answered within the timeout: may have been executed */
    NGX_IOT_REDIS_TIMED_OUT,

    /* sent, then the link broke: may have been executed */
    NGX_IOT_REDIS_LOST,

    /* executed, but too few replicas are known to have what it wrote */
    NGX_IOT_REDIS_UNREPLICATED
} ngx_iot_redis_outcome_e;


/* an iot_store block: configuration, in the cycle's pool */
typedef struct ngx_iot_redis_conf_s  ngx_iot_redis_conf_t;

/* a command on its way; owned by the client, valid until done or cancelled */
typedef struct ngx_iot_redis_command_s  ngx_iot_redis_command_t;

/* reply: with REPLIED only, and for the time of the call */
typedef void (*ngx_iot_redis_done_pt)(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);


/* configuration time */

/*
 * The store of that name, for directives that use one.  It need not have been
 * seen yet: names are resolved when the whole configuration was read, and one
 * that was never defined is refused then, naming the directive and the place
 * where it was used.  NULL: no memory.
 */
ngx_iot_redis_conf_t *ngx_iot_redis_conf_use(ngx_conf_t *cf, ngx_str_t *name);

/*
 * Parses "iot_store NAME { … }"; a command handler that both the core module
 * and the http module name in their tables, so that the block is accepted at
 * the top level and inside http, in one name space.
 */
char *ngx_iot_redis_conf_block(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/*
 * The scripts that each new link of every store loads before it is up.
 * The table stays with the caller, who has initialised it.
 */
void ngx_iot_redis_conf_scripts(ngx_conf_t *cf,
    ngx_iot_resp_script_t *scripts, ngx_uint_t n);

const ngx_str_t *ngx_iot_redis_conf_name(const ngx_iot_redis_conf_t *conf);

/* key_prefix of the store; the schema puts it before each key */
const ngx_str_t *ngx_iot_redis_conf_key_prefix(
    const ngx_iot_redis_conf_t *conf);

/* whether keys of different slots can not meet in one script */
ngx_uint_t ngx_iot_redis_conf_cluster(const ngx_iot_redis_conf_t *conf);


/* run time, in a worker */

/*
 * Queues req.  With NULL returned nothing was queued and done will not be
 * called: the queue is full (*busy = 1) or there is no memory or no client
 * (*busy = 0).  Else done is called exactly once, later, never from inside
 * this function, unless the command is cancelled or the worker ends first.
 * It may submit and cancel others.
 *
 * req with all it points to must stay until then: it is read again when the
 * server has lost its scripts (NOSCRIPT), and when a link broke before the
 * command was wholly sent and there is time left to use the next one.
 */
ngx_iot_redis_command_t *ngx_iot_redis_submit(ngx_iot_redis_conf_t *conf,
    const ngx_iot_resp_request_t *req, ngx_iot_redis_done_pt done,
    void *data, ngx_uint_t *busy);

/*
 * The caller is gone: done will not be called, req is not read any more.
 * What was written to the link stays in its queue, so that its reply is not
 * taken for another's.
 */
void ngx_iot_redis_cancel(ngx_iot_redis_command_t *cmd);


#endif /* _NGX_IOT_REDIS_H_INCLUDED_ */
