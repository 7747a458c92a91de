
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_TOPOLOGY_H_INCLUDED_
#define _NGX_IOT_REDIS_TOPOLOGY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_command.h"
#include "ngx_iot_redis_report.h"


/*
 * Which servers there are, which of them a command goes to, and what is to be
 * done when that one refuses it.  The rest of the client does not know.
 */

typedef struct {
    /* begins to connect; NULL: no memory.  It lives in the client's pool */
    void  *(*create)(ngx_iot_redis_t *client);
    void  (*destroy)(void *servers);

    /* finds a queue for a command that stands in none, or completes it */
    void  (*route)(void *servers, ngx_iot_redis_command_t *cmd);

    /*
     * The server of cmd->lane refused the command, which stands in no queue:
     * it was certainly not executed.  NGX_OK: it is on another way; it has to
     * fail otherwise, NGX_DECLINED.  Cancelled commands come here, too, for
     * what they tell of the server, and are declined.
     */
    ngx_int_t  (*refused)(void *servers, ngx_iot_redis_command_t *cmd,
        ngx_iot_resp_refusal_e refusal, ngx_iot_resp_reply_t *reply);

    /* attempts to connect the node have failed; they go on */
    void  (*unreachable)(void *servers, ngx_iot_redis_node_t *node);

    /* tells of its nodes' lanes; returns whether no node needed is down */
    ngx_uint_t  (*status)(void *servers, ngx_iot_redis_report_t *report);
} ngx_iot_redis_topology_t;


/* one server that has everything, wherever sentinels say that it is */
extern const ngx_iot_redis_topology_t  ngx_iot_redis_single;

/* Redis Cluster: each server has some of the slots, and they move */
extern const ngx_iot_redis_topology_t  ngx_iot_redis_cluster;


#endif /* _NGX_IOT_REDIS_TOPOLOGY_H_INCLUDED_ */
