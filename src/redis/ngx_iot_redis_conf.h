
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_CONF_H_INCLUDED_
#define _NGX_IOT_REDIS_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis.h"


/* the client's own; users of it need ngx_iot_redis.h only */


typedef struct ngx_iot_redis_s  ngx_iot_redis_t;


struct ngx_iot_redis_conf_s {
    ngx_str_t                name;

    /* where a directive asked for it, until the block was seen */
    ngx_str_t                user;
    ngx_str_t                file;
    ngx_uint_t               line;

    ngx_str_t                server;
    ngx_addr_t              *addrs;
    ngx_uint_t               naddrs;
    ngx_str_t                host;          /* as written; empty: none */
    in_port_t                port;

    ngx_resolver_t          *resolver;      /* or NULL */
    ngx_msec_t               resolver_timeout;

    ngx_str_t                username;
    ngx_str_t                password_file;
    ngx_str_t                password;      /* empty: none */
    ngx_uint_t               database;

    ngx_flag_t               ssl;
    ngx_flag_t               ssl_verify;
    ngx_str_t                ssl_trusted_certificate;
    ngx_str_t                ssl_certificate;
    ngx_str_t                ssl_certificate_key;
    ngx_str_t                ssl_name;      /* or of server; ends with a 0 */
    ngx_ssl_t               *ssl_context;

    ngx_msec_t               connect_timeout;
    ngx_msec_t               timeout;
    ngx_uint_t               queue;
    ngx_str_t                key_prefix;

    /* all stores load the same scripts */
    ngx_iot_resp_script_t   *scripts;
    ngx_uint_t               nscripts;

    /* run time: this worker's own, NULL in the master */
    ngx_iot_redis_t         *client;

    unsigned                 ssl_name_is_address:1;
    unsigned                 resolve:1;     /* host, at each connect */
    unsigned                 defined:1;
    unsigned                 used:1;
};


typedef struct {
    ngx_array_t              stores;        /* ngx_iot_redis_conf_t * */

    ngx_iot_resp_script_t   *scripts;
    ngx_uint_t               nscripts;
} ngx_iot_redis_main_conf_t;


/* both are the core module's */

void *ngx_iot_redis_conf_create(ngx_cycle_t *cycle);

/* refuses stores that are used and were never defined */
char *ngx_iot_redis_conf_init(ngx_cycle_t *cycle, void *conf);


extern ngx_module_t  ngx_iot_redis_module;


#endif /* _NGX_IOT_REDIS_CONF_H_INCLUDED_ */
