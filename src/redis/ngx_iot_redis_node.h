
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_NODE_H_INCLUDED_
#define _NGX_IOT_REDIS_NODE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_lane.h"
#include "ngx_iot_redis_link.h"
#include "ngx_iot_redis_names.h"
#include "ngx_iot_redis_report.h"


/*
 * A server: where it is, and the lanes to it.  Large replies have a lane of
 * their own, and where writes wait for replicas so have reads: neither holds
 * up what is small and quick.
 */


/*
 * NULL: no memory.  Endpoint and server are kept by reference.  It makes no
 * link before it is started or a command asks for it.
 */
ngx_iot_redis_node_t *ngx_iot_redis_node_create(ngx_iot_redis_t *client,
    ngx_pool_t *pool, const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_redis_server_t *server, ngx_log_t *log);
void ngx_iot_redis_node_destroy(ngx_iot_redis_node_t *node);

/* begins to connect; legal at first only */
void ngx_iot_redis_node_start(ngx_iot_redis_node_t *node);

/* to the lane that the command belongs on, which see */
void ngx_iot_redis_node_submit(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd);

/* to a lane that has a link, if there is one */
void ngx_iot_redis_node_ask(ngx_iot_redis_node_t *node,
    ngx_iot_redis_command_t *cmd);

/* all lanes; see there */
void ngx_iot_redis_node_leave(ngx_iot_redis_node_t *node, const char *reason);
void ngx_iot_redis_node_close(ngx_iot_redis_node_t *node);
void ngx_iot_redis_node_moved(ngx_iot_redis_node_t *node);

/* tells of its lanes */
void ngx_iot_redis_node_status(const ngx_iot_redis_node_t *node,
    ngx_iot_redis_report_t *report);

/* has a link */
ngx_uint_t ngx_iot_redis_node_is_up(const ngx_iot_redis_node_t *node);

/* commands fail at once */
ngx_uint_t ngx_iot_redis_node_is_down(const ngx_iot_redis_node_t *node);

/* has no link, and none is being made */
ngx_uint_t ngx_iot_redis_node_is_idle(const ngx_iot_redis_node_t *node);

const ngx_iot_redis_server_t *ngx_iot_redis_node_server(
    const ngx_iot_redis_node_t *node);


/* for lanes */

ngx_iot_redis_t *ngx_iot_redis_node_client(const ngx_iot_redis_node_t *node);
const ngx_iot_redis_endpoint_t *ngx_iot_redis_node_endpoint(
    const ngx_iot_redis_node_t *node);

/* looks for the addresses, then calls ngx_iot_redis_lane_found() */
void ngx_iot_redis_node_find(ngx_iot_redis_node_t *node);
const ngx_iot_redis_names_t *ngx_iot_redis_node_names(
    const ngx_iot_redis_node_t *node);

/* messages; what lanes have in common is told once */

void ngx_iot_redis_node_log_up(ngx_iot_redis_node_t *node, ngx_log_t *log);

/* a failure that is like the last one at this address is not told again */
void ngx_iot_redis_node_log_break(ngx_iot_redis_node_t *node, ngx_log_t *log,
    ngx_uint_t address, const ngx_iot_redis_break_t *brk, ngx_uint_t lost);

/* failed: NULL, or why the name could not be resolved */
void ngx_iot_redis_node_log_name(ngx_iot_redis_node_t *node, ngx_log_t *log,
    const char *failed);


#endif /* _NGX_IOT_REDIS_NODE_H_INCLUDED_ */
