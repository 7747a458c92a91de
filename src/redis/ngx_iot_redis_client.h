
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_CLIENT_H_INCLUDED_
#define _NGX_IOT_REDIS_CLIENT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_command.h"
#include "ngx_iot_redis_topology.h"


/* the client as its own parts see it */


#define NGX_IOT_REDIS_REFUSALS  16


typedef struct {
    uint32_t                         kind;      /* 0: none */
    time_t                           logged;
} ngx_iot_redis_refusal_t;


struct ngx_iot_redis_s {
    ngx_iot_redis_conf_t            *conf;
    ngx_pool_t                      *pool;
    ngx_log_t                       *log;

    const ngx_iot_redis_topology_t  *topology;
    void                            *servers;   /* the topology's */

    ngx_queue_t                      all;       /* commands, by deadline */
    ngx_uint_t                       n;         /* of them */
    size_t                           size;      /* of those that wait */
    ngx_event_t                      deadline;  /* of the first */

    ngx_queue_t                      paused;
    ngx_queue_t                      completed; /* outcome is to be told */
    ngx_event_t                      completion;

    ngx_queue_t                      free;

    ngx_iot_redis_report_t          *report;    /* NULL: nobody reads it */
    ngx_iot_redis_tally_t            tally;
    ngx_event_t                      reporting;

    ngx_iot_redis_refusal_t          refusals[NGX_IOT_REDIS_REFUSALS];
};


/* a worker's client for a store, which begins to connect; NULL: no memory */
ngx_iot_redis_t *ngx_iot_redis_create(ngx_iot_redis_conf_t *conf,
    ngx_log_t *log);

/* no command's done is called any more */
void ngx_iot_redis_destroy(ngx_iot_redis_t *client);


/*
 * A command that stands in no queue yet; req, done and data as in
 * ngx_iot_redis_submit().  NULL: no memory.
 */
ngx_iot_redis_command_t *ngx_iot_redis_command_create(ngx_iot_redis_t *client,
    const ngx_iot_resp_request_t *req, ngx_iot_redis_done_pt done, void *data);

/* it was answered, or nobody waits for it */
void ngx_iot_redis_command_free(ngx_iot_redis_command_t *cmd);


/* what follows is for a command that stands in no queue */

/* finds one for it */
void ngx_iot_redis_route(ngx_iot_redis_command_t *cmd);

/* the same after a while, by chance between min and max, in milliseconds */
void ngx_iot_redis_pause(ngx_iot_redis_command_t *cmd, ngx_msec_t min,
    ngx_msec_t max);

/* tells its outcome later */
void ngx_iot_redis_complete(ngx_iot_redis_command_t *cmd,
    ngx_iot_redis_outcome_e outcome);

/* the reply of the server of cmd->lane; tells its outcome, or tries again */
void ngx_iot_redis_answer(ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_reply_t *reply);

ngx_uint_t ngx_iot_redis_expired(ngx_iot_redis_command_t *cmd);

/* it begins to wait for being written, or ends to */
void ngx_iot_redis_enter(ngx_iot_redis_command_t *cmd);
void ngx_iot_redis_leave(ngx_iot_redis_command_t *cmd);


/*
 * Whether a message of that kind, which the first word of the text tells, was
 * logged lately; if not, it is now.
 */
ngx_uint_t ngx_iot_redis_was_logged(ngx_iot_redis_t *client,
    const ngx_str_t *text);

/* attempts to connect the node have failed */
void ngx_iot_redis_unreachable(ngx_iot_redis_t *client,
    ngx_iot_redis_node_t *node);


#endif /* _NGX_IOT_REDIS_CLIENT_H_INCLUDED_ */
