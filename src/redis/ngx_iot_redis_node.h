
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_NODE_H_INCLUDED_
#define _NGX_IOT_REDIS_NODE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_command.h"


/*
 * A server through time: has a link to it whenever that is possible, and the
 * commands that wait for the link.  While the first connect is in progress,
 * or the one after a link broke that had been good, commands wait.  After a
 * failed attempt they fail at once, and attempts go on with growing pauses.
 */

typedef struct ngx_iot_redis_node_s  ngx_iot_redis_node_t;


/* NULL: no memory.  Endpoint and server are kept by reference. */
ngx_iot_redis_node_t *ngx_iot_redis_node_create(ngx_iot_redis_t *client,
    ngx_pool_t *pool, const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_redis_server_t *server, ngx_log_t *log);
void ngx_iot_redis_node_destroy(ngx_iot_redis_node_t *node);

/* begins to connect */
void ngx_iot_redis_node_start(ngx_iot_redis_node_t *node);

/* the command waits, or is completed as unavailable */
void ngx_iot_redis_node_submit(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd);

/* before all that wait; for one that the server asked to have again */
void ngx_iot_redis_node_resubmit(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd);

/* breaks the link, if there is one; it will be made anew */
void ngx_iot_redis_node_break(ngx_iot_redis_node_t *node, ngx_err_t err,
    const char *reason);

/* the same when what is in flight was answered; reason kept by reference */
void ngx_iot_redis_node_leave(ngx_iot_redis_node_t *node, const char *reason);

ngx_log_t *ngx_iot_redis_node_log(ngx_iot_redis_node_t *node);


#endif /* _NGX_IOT_REDIS_NODE_H_INCLUDED_ */
