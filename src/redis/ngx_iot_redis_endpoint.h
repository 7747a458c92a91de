
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_ENDPOINT_H_INCLUDED_
#define _NGX_IOT_REDIS_ENDPOINT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_resp.h"


typedef struct ngx_iot_redis_sentinel_s  ngx_iot_redis_sentinel_t;


/* where a server is */

typedef struct {
    ngx_str_t                  text;        /* as written, for the log */

    ngx_addr_t                *addrs;       /* found with the configuration */
    ngx_uint_t                 naddrs;

    ngx_str_t                  host;        /* empty: a unix socket */
    in_port_t                  port;

    ngx_resolver_t            *resolver;    /* of host, or NULL */
    ngx_msec_t                 resolver_timeout;

    ngx_iot_redis_sentinel_t  *sentinel;    /* asked at run time, or NULL */
} ngx_iot_redis_server_t;


/*
 * What a link has to know to speak with a server.  It is kept by reference
 * and read at each connect; servers that differ in one thing, as the name in
 * their certificate, have copies that differ in that.
 */

typedef struct {
    ngx_str_t               store;          /* its name, for the log */

    /* what HELLO has to say of the server; role NULL: anything */
    const char             *mode;
    const char             *role;

    ngx_str_t               username;
    ngx_str_t               password_file;
    ngx_str_t               password;       /* empty: none */
    ngx_uint_t              database;

    ngx_ssl_t              *ssl;            /* NULL: no TLS */
    ngx_flag_t              ssl_verify;
    ngx_str_t               ssl_name;       /* ends with a 0 */

    ngx_msec_t              connect_timeout;
    ngx_msec_t              timeout;

    ngx_uint_t              replicas;       /* that have each write, or 0 */

    ngx_iot_resp_script_t  *scripts;
    ngx_uint_t              nscripts;

    unsigned                ssl_name_is_address:1;
} ngx_iot_redis_endpoint_t;


#endif /* _NGX_IOT_REDIS_ENDPOINT_H_INCLUDED_ */
