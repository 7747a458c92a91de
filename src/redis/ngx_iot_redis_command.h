
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_COMMAND_H_INCLUDED_
#define _NGX_IOT_REDIS_COMMAND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_conf.h"


typedef struct ngx_iot_redis_node_s  ngx_iot_redis_node_t;
typedef struct ngx_iot_redis_lane_s  ngx_iot_redis_lane_t;


/*
 * A command from its submit until done was called.  It always stands in
 * exactly one queue besides the client's list of all: in its lane's of those
 * that wait, in its link's of those that were written, in the client's of
 * those that pause before the next attempt, or of those whose outcome is known
 * and not told yet.
 */

typedef enum {
    NGX_IOT_REDIS_WAITING = 0,
    NGX_IOT_REDIS_WRITTEN,
    NGX_IOT_REDIS_PAUSED,
    NGX_IOT_REDIS_COMPLETED
} ngx_iot_redis_state_e;


struct ngx_iot_redis_command_s {
    ngx_queue_t                    queue;
    ngx_queue_t                    all;     /* in order of deadlines */

    ngx_iot_redis_t               *client;
    ngx_iot_redis_lane_t          *lane;    /* that wrote it last, or NULL */

    const ngx_iot_resp_request_t  *req;     /* NULL when cancelled */
    ngx_iot_redis_done_pt          done;    /* NULL when cancelled */
    void                          *data;

    ngx_msec_t                     deadline;
    size_t                         size;    /* what waits to be written */
    off_t                          end;     /* WRITTEN: its end in the link */
    ngx_iot_resp_reply_t          *reply;   /* WRITTEN: replicas lack it yet */

    ngx_iot_redis_state_e          state;
    ngx_iot_redis_outcome_e        outcome; /* COMPLETED */
    ngx_event_t                    pause;   /* PAUSED */

    ngx_uint_t                     hops;    /* redirections in a row */

    unsigned                       writes:1;    /* req does, or did */
    unsigned                       large:1;     /* its reply may be */
    unsigned                       with_source:1;
    unsigned                       asking:1;    /* ASKING goes before it */
    unsigned                       unasked:1;   /* and is not answered yet */
    unsigned                       retried:1;   /* no second time */
    unsigned                       pinned:1;    /* it is for this node only */
};


#define ngx_iot_redis_command(q)                                              \
    ngx_queue_data(q, ngx_iot_redis_command_t, queue)


#endif /* _NGX_IOT_REDIS_COMMAND_H_INCLUDED_ */
