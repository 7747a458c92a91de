
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_PLACE_H_INCLUDED_
#define _NGX_IOT_REDIS_PLACE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_conf.h"


/*
 * A server that another one has told of: where it is, and what a link to it
 * has to know.
 */

typedef struct {
    ngx_iot_redis_server_t    server;
    ngx_iot_redis_endpoint_t  endpoint;
} ngx_iot_redis_place_t;


/*
 * Host is an address, or a name, which the store's resolver finds; without
 * one it can only be that of the server which said so.  It is kept by
 * reference.  The certificate has to have the store's ssl_name, or the host.
 *
 * NGX_OK; NGX_DECLINED: it can not be found, only the server's text is set;
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_iot_redis_place_init(ngx_iot_redis_place_t *place,
    ngx_pool_t *pool, const ngx_iot_redis_conf_t *conf, const ngx_str_t *host,
    in_port_t port, const ngx_iot_redis_server_t *from);


#endif /* _NGX_IOT_REDIS_PLACE_H_INCLUDED_ */
