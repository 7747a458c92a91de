
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


/* the client as its own parts see it */


/* a worker's client for a store, which begins to connect; NULL: no memory */
ngx_iot_redis_t *ngx_iot_redis_create(ngx_iot_redis_conf_t *conf,
    ngx_log_t *log);

/* no command's done is called any more */
void ngx_iot_redis_destroy(ngx_iot_redis_t *client);


/*
 * For a command that stands in no queue.  The first tells its outcome later,
 * the second at once.
 */
void ngx_iot_redis_complete(ngx_iot_redis_command_t *cmd,
    ngx_iot_redis_outcome_e outcome);
void ngx_iot_redis_answer(ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_reply_t *reply);

ngx_uint_t ngx_iot_redis_expired(ngx_iot_redis_command_t *cmd);

/* a command begins to wait for being written, or ends to */
void ngx_iot_redis_enter(ngx_iot_redis_command_t *cmd);
void ngx_iot_redis_leave(ngx_iot_redis_command_t *cmd);


#endif /* _NGX_IOT_REDIS_CLIENT_H_INCLUDED_ */
