
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_SENTINEL_H_INCLUDED_
#define _NGX_IOT_REDIS_SENTINEL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_conf.h"
#include "ngx_iot_redis_names.h"
#include "ngx_iot_redis_report.h"


/*
 * Who knows the master: each time it is looked for, sentinels are asked one
 * after the other until one names it.  That one is then listened to, for a
 * hint that the master has moved; the hint makes it be asked again.
 */


/* the master is at another address than it was; links to that are of no use */
typedef void (*ngx_iot_redis_sentinel_pt)(void *data);


/* NULL: no memory */
ngx_iot_redis_sentinel_t *ngx_iot_redis_sentinel_create(ngx_pool_t *pool,
    const ngx_iot_redis_conf_t *conf, ngx_iot_redis_sentinel_pt moved,
    void *data, ngx_log_t *log);
void ngx_iot_redis_sentinel_destroy(ngx_iot_redis_sentinel_t *sentinel);

/* the master, and how to speak with it; they live as long as the sentinel */
const ngx_iot_redis_server_t *ngx_iot_redis_sentinel_server(
    const ngx_iot_redis_sentinel_t *sentinel);
const ngx_iot_redis_endpoint_t *ngx_iot_redis_sentinel_endpoint(
    const ngx_iot_redis_sentinel_t *sentinel);

/* tells of its link, in one lane, whichever sentinel that leads to */
void ngx_iot_redis_sentinel_status(const ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_report_t *report);


/* for the names of that server, of which there is one set */

/* sets its addresses, none if nobody knows them, and calls its done */
void ngx_iot_redis_sentinel_find(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_names_t *names);

/* does not */
void ngx_iot_redis_sentinel_forget(ngx_iot_redis_sentinel_t *sentinel,
    ngx_iot_redis_names_t *names);


#endif /* _NGX_IOT_REDIS_SENTINEL_H_INCLUDED_ */
