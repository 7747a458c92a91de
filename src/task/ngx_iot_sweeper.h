
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_SWEEPER_H_INCLUDED_
#define _NGX_IOT_SWEEPER_H_INCLUDED_


#include "ngx_iot_task.h"


/*
 * Delivers the events of operations again that no backend has finished in
 * time.  Each worker asks for turns; the store gives them to one of all
 * workers of all gateways, until that one stops to come back for the next.
 *
 * A turn looks at a few of the shards, so that all have been seen in half of
 * the time after which an event is delivered again: with 1024 shards that is
 * a handful of small reads a second, and no index that has to be kept true.
 */


/* configuration: of which store, in the cycle's pool */

typedef struct {
    ngx_iot_redis_conf_t     *conf;
    ngx_iot_msec_t            redelivery;
    ngx_iot_msec_t            retention;    /* life of operations */
} ngx_iot_sweeper_conf_t;


/*
 * Starts them in a worker; conf has to stay as long as the cycle does.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_iot_sweeper_init(ngx_cycle_t *cycle,
    const ngx_iot_sweeper_conf_t *conf, ngx_uint_t n);


#endif /* _NGX_IOT_SWEEPER_H_INCLUDED_ */
