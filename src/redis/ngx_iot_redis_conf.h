
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_CONF_H_INCLUDED_
#define _NGX_IOT_REDIS_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis.h"
#include "ngx_iot_redis_endpoint.h"


/* the client's own; users of it need ngx_iot_redis.h only */


typedef struct ngx_iot_redis_s  ngx_iot_redis_t;


typedef enum {
    NGX_IOT_REDIS_SINGLE = 0,
    NGX_IOT_REDIS_SENTINEL,
    NGX_IOT_REDIS_CLUSTER
} ngx_iot_redis_topology_e;


struct ngx_iot_redis_conf_s {
    ngx_str_t                  name;

    /* where a directive asked for it, until the block was seen */
    ngx_str_t                  user;
    ngx_str_t                  file;
    ngx_uint_t                 line;

    ngx_uint_t                 topology;    /* ngx_iot_redis_topology_e */

    /* the one, the sentinels, or the first ones of a cluster */
    ngx_iot_redis_server_t    *servers;
    ngx_uint_t                 nservers;

    ngx_resolver_t            *resolver;    /* or NULL */
    ngx_msec_t                 resolver_timeout;

    ngx_iot_redis_endpoint_t   endpoint;

    ngx_str_t                  master;      /* what sentinels call it */
    ngx_iot_redis_endpoint_t   sentinel;
    ngx_flag_t                 sentinel_ssl;

    ngx_flag_t                 ssl;
    ngx_str_t                  ssl_trusted_certificate;
    ngx_str_t                  ssl_certificate;
    ngx_str_t                  ssl_certificate_key;
    ngx_str_t                  ssl_name;    /* as written */

    ngx_uint_t                 connections; /* to a server, for commands */
    ngx_uint_t                 queue;
    ngx_str_t                  key_prefix;

    ngx_shm_zone_t            *status;      /* NULL: nobody reads it */
    ngx_uint_t                 workers;     /* that it has reports for */

    /* run time: this worker's own, NULL in the master */
    ngx_iot_redis_t           *client;

    unsigned                   defined:1;
    unsigned                   used:1;
};


typedef struct {
    ngx_array_t                stores;      /* ngx_iot_redis_conf_t * */

    ngx_iot_resp_script_t     *scripts;
    ngx_uint_t                 nscripts;
} ngx_iot_redis_main_conf_t;


/* both are the core module's */

void *ngx_iot_redis_conf_create(ngx_cycle_t *cycle);

/* refuses stores that are used and were never defined */
char *ngx_iot_redis_conf_init(ngx_cycle_t *cycle, void *conf);


extern ngx_module_t  ngx_iot_redis_module;


#endif /* _NGX_IOT_REDIS_CONF_H_INCLUDED_ */
