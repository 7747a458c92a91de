
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_NAMES_H_INCLUDED_
#define _NGX_IOT_REDIS_NAMES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_endpoint.h"


/*
 * The addresses of a server: those that were found with the configuration,
 * and, where it has a resolver, whatever the name stands for now; where it has
 * sentinels, what they say.
 */

typedef struct ngx_iot_redis_names_s  ngx_iot_redis_names_t;

/* failed: why nothing new was found, fit for a log, or NULL */
typedef void (*ngx_iot_redis_names_pt)(void *data, const char *failed);


struct ngx_iot_redis_names_s {
    const ngx_iot_redis_server_t  *server;
    ngx_iot_redis_names_pt         done;
    void                          *data;
    ngx_log_t                     *log;

    /* of the server or its sentinels, or of the pool */
    ngx_addr_t                    *addrs;
    ngx_uint_t                     naddrs;
    ngx_pool_t                    *pool;

    ngx_resolver_ctx_t            *ctx;     /* while it is asked */
};


void ngx_iot_redis_names_init(ngx_iot_redis_names_t *names,
    const ngx_iot_redis_server_t *server, ngx_iot_redis_names_pt done,
    void *data, ngx_log_t *log);

/*
 * Looks the name up, if that is wanted, and calls done, possibly from inside.
 * The addresses may be others then; after a failure they are the old ones,
 * but for a server of sentinels, which has none.
 */
void ngx_iot_redis_names_update(ngx_iot_redis_names_t *names);

/* done is not called any more */
void ngx_iot_redis_names_destroy(ngx_iot_redis_names_t *names);


#endif /* _NGX_IOT_REDIS_NAMES_H_INCLUDED_ */
