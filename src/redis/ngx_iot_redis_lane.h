
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_LANE_H_INCLUDED_
#define _NGX_IOT_REDIS_LANE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_command.h"
#include "ngx_iot_redis_status.h"


/*
 * A link through time, and the commands that wait for it.  The link is made
 * when the first command asks for it.  While that attempt is in progress, or
 * the one after a link broke that had been good, commands wait.  After a
 * failed attempt they fail at once, and attempts go on with growing pauses.
 */

/*
 * NULL: no memory.  With keeps it makes a link again whenever it has none,
 * from its first command on; without, only when a command needs one.
 */
ngx_iot_redis_lane_t *ngx_iot_redis_lane_create(ngx_iot_redis_node_t *node,
    ngx_pool_t *pool, ngx_uint_t keeps, ngx_log_t *log);

/* the commands that it has are forgotten */
void ngx_iot_redis_lane_destroy(ngx_iot_redis_lane_t *lane);

/* begins to connect; legal when it is idle */
void ngx_iot_redis_lane_start(ngx_iot_redis_lane_t *lane);

/* the node has looked for its addresses; failed: why in vain, or NULL */
void ngx_iot_redis_lane_found(ngx_iot_redis_lane_t *lane, const char *failed);

/* the command waits, or is completed as unavailable */
void ngx_iot_redis_lane_submit(ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_command_t *cmd);

/* before all that wait; for one that goes to the same server once more */
void ngx_iot_redis_lane_resubmit(ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_command_t *cmd);

/* breaks the link, if there is one; it will be made anew */
void ngx_iot_redis_lane_break(ngx_iot_redis_lane_t *lane, ngx_err_t err,
    const char *reason);

/*
 * The server is elsewhere: the link is of no use, and what has failed so far
 * says nothing of the next one.
 */
void ngx_iot_redis_lane_moved(ngx_iot_redis_lane_t *lane);

/* as a break, when what is in flight was answered; reason kept by reference */
void ngx_iot_redis_lane_leave(ngx_iot_redis_lane_t *lane, const char *reason);

/*
 * The same, and no new link is made before a command asks for it.  Commands
 * that wait look for another way.
 */
void ngx_iot_redis_lane_close(ngx_iot_redis_lane_t *lane);

ngx_iot_redis_lane_state_e ngx_iot_redis_lane_state(
    const ngx_iot_redis_lane_t *lane);
void ngx_iot_redis_lane_status(const ngx_iot_redis_lane_t *lane,
    ngx_iot_redis_lane_status_t *status);
ngx_iot_redis_node_t *ngx_iot_redis_lane_node(
    const ngx_iot_redis_lane_t *lane);
ngx_log_t *ngx_iot_redis_lane_log(ngx_iot_redis_lane_t *lane);


#endif /* _NGX_IOT_REDIS_LANE_H_INCLUDED_ */
