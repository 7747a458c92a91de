
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_SENTINEL_LIST_H_INCLUDED_
#define _NGX_IOT_REDIS_SENTINEL_LIST_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_endpoint.h"


/*
 * The sentinels of a store: those of the configuration, which always stay,
 * and those that one of them told of last.  They are tried in that order, but
 * for the one that answered last, which is the first.
 */


/* an address that was told at run time */

typedef struct {
    ngx_addr_t                      addr;
    ngx_sockaddr_t                  sockaddr;
    u_char                          text[NGX_SOCKADDR_STRLEN];
} ngx_iot_redis_sentinel_addr_t;


/* where one is that was told of: at an address, or what a name stands for */

typedef struct {
    ngx_iot_redis_server_t          server;
    ngx_iot_redis_sentinel_addr_t   place;
    u_char                          name[NGX_IOT_RESP_HOST_MAX
                                         + sizeof(":65535") - 1];
    uint32_t                        logged; /* what last, 0: nothing */
} ngx_iot_redis_sentinel_one_t;


typedef struct {
    ngx_iot_redis_sentinel_one_t   *elts;
    ngx_uint_t                      nelts;
    ngx_uint_t                      nconf;  /* of the configuration */
    ngx_uint_t                      first;

    ngx_resolver_t                 *resolver;   /* of names, or NULL */
    ngx_msec_t                      resolver_timeout;
} ngx_iot_redis_sentinel_list_t;


/*
 * NGX_OK, or NGX_DECLINED: ip is none, as a host name is not.  The place must
 * not be moved after that.
 */
ngx_int_t ngx_iot_redis_sentinel_addr_set(
    ngx_iot_redis_sentinel_addr_t *place, const ngx_str_t *ip,
    in_port_t port);

/*
 * NGX_OK, or NGX_ERROR: no memory.  The servers are copied.  The caller sets
 * the resolver.
 */
ngx_int_t ngx_iot_redis_sentinel_list_init(ngx_iot_redis_sentinel_list_t *list,
    ngx_pool_t *pool, const ngx_iot_redis_server_t *servers, ngx_uint_t n);

/* the one to be tried in that turn, from 0; NULL: all were */
ngx_iot_redis_sentinel_one_t *ngx_iot_redis_sentinel_list_get(
    ngx_iot_redis_sentinel_list_t *list, ngx_uint_t turn);

/* it has answered */
void ngx_iot_redis_sentinel_list_promote(ngx_iot_redis_sentinel_list_t *list,
    ngx_iot_redis_sentinel_one_t *one);

/*
 * Takes the others from the first one's reply to SENTINEL SENTINELS, in place
 * of those that were told of before.  Returns the name of one that was left
 * out, as there is no resolver, which is the reply's and fit for a log; or
 * NULL.
 */
const ngx_str_t *ngx_iot_redis_sentinel_list_learn(
    ngx_iot_redis_sentinel_list_t *list, const ngx_iot_resp_reply_t *reply);


#endif /* _NGX_IOT_REDIS_SENTINEL_LIST_H_INCLUDED_ */
