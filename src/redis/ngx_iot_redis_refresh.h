
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_REFRESH_H_INCLUDED_
#define _NGX_IOT_REDIS_REFRESH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_members.h"


/*
 * Asks a cluster who has which slot: first the servers of the configuration,
 * then one of its members, now and then and whenever there is a reason to.
 * One server is asked at a time, and no more than once in a second; the pauses
 * grow as long as there is no news.
 */

typedef struct ngx_iot_redis_refresh_s  ngx_iot_redis_refresh_t;

/* members have taken a table; or nobody has told one, failed */
typedef void (*ngx_iot_redis_refresh_pt)(void *data, ngx_uint_t failed);


/* begins to ask, later; NULL: no memory */
ngx_iot_redis_refresh_t *ngx_iot_redis_refresh_create(ngx_iot_redis_t *client,
    ngx_iot_redis_members_t *members, ngx_iot_redis_refresh_pt done,
    void *data);
void ngx_iot_redis_refresh_destroy(ngx_iot_redis_refresh_t *refresh);

/* as soon as it may be; done is called later */
void ngx_iot_redis_refresh_start(ngx_iot_redis_refresh_t *refresh);

/*
 * The same, since that node has told of a change.  It is asked first, as it
 * knows, and pauses are short again.
 */
void ngx_iot_redis_refresh_restart(ngx_iot_redis_refresh_t *refresh,
    ngx_iot_redis_node_t *node);


#endif /* _NGX_IOT_REDIS_REFRESH_H_INCLUDED_ */
