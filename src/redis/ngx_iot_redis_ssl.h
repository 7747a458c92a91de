
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_SSL_H_INCLUDED_
#define _NGX_IOT_REDIS_SSL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_conf.h"


/*
 * TLS to a Redis server, through nginx's own layer.  nginx logs what fails at
 * once and for each attempt; here it is kept, so that the owner of the link
 * can tell it once.
 */


#define NGX_IOT_REDIS_SSL_TEXT_LEN  256


typedef struct {
    ngx_log_t    log;               /* of the connection */
    ngx_log_t   *parent;

    /* what went wrong first, empty: nothing */
    char         text[NGX_IOT_REDIS_SSL_TEXT_LEN + 1];
} ngx_iot_redis_ssl_said_t;


/*
 * Checks and completes the directives of a whole block, makes the context.
 * NGX_ERROR, which was logged.
 */
ngx_int_t ngx_iot_redis_ssl_init(ngx_conf_t *cf, ngx_iot_redis_conf_t *store);


#if (NGX_SSL)

/*
 * Sets the name that the certificate has to have, as it is written in an
 * address.  It is copied to buf, which has room for one byte more.
 */
void ngx_iot_redis_ssl_set_name(ngx_iot_redis_endpoint_t *endpoint,
    const ngx_str_t *host, u_char *buf);

/*
 * Prepares a connected socket for ngx_ssl_handshake(); c->pool and c->ssl are
 * the caller's to destroy, also after NGX_ERROR.
 */
ngx_int_t ngx_iot_redis_ssl_open(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_iot_redis_ssl_said_t *said, ngx_connection_t *c);

/*
 * After the handshake: is it the server that is wanted?  NGX_OK, or
 * NGX_DECLINED: said->text tells why.
 */
ngx_int_t ngx_iot_redis_ssl_check(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_iot_redis_ssl_said_t *said, ngx_connection_t *c);

#endif


#endif /* _NGX_IOT_REDIS_SSL_H_INCLUDED_ */
