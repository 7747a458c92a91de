
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_OUTPUT_H_INCLUDED_
#define _NGX_IOT_REDIS_OUTPUT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_resp.h"


/*
 * The bytes that a link has still to send: a chain of blocks, which never
 * move.  Positions count from the link's first byte, as c->sent does.
 */

typedef struct ngx_iot_redis_block_s  ngx_iot_redis_block_t;

typedef struct {
    ngx_chain_t              *chain;
    ngx_iot_redis_block_t    *last;         /* of the chain */

    ngx_iot_redis_block_t    *free;
    ngx_uint_t                nfree;

    off_t                     written;      /* position after all of it */
    ngx_log_t                *log;
} ngx_iot_redis_output_t;


void ngx_iot_redis_output_init(ngx_iot_redis_output_t *output,
    ngx_log_t *log);

/*
 * Appends a request, whose end output->written is then.
 * NGX_OK, or NGX_ERROR: no memory, nothing was appended.
 */
ngx_int_t ngx_iot_redis_output_add(ngx_iot_redis_output_t *output,
    const ngx_iot_resp_request_t *req, ngx_uint_t with_source);

/* what was appended last is wiped from memory as soon as it was sent */
void ngx_iot_redis_output_conceal(ngx_iot_redis_output_t *output);

/*
 * Sends what the socket takes now.  NGX_OK: all of it; NGX_AGAIN: c->write
 * has to become ready first; NGX_ERROR: the connection is broken.
 */
ngx_int_t ngx_iot_redis_output_send(ngx_iot_redis_output_t *output,
    ngx_connection_t *c);

/* forgets everything, for the next connection; keeps some free blocks */
void ngx_iot_redis_output_reset(ngx_iot_redis_output_t *output);

void ngx_iot_redis_output_destroy(ngx_iot_redis_output_t *output);


#endif /* _NGX_IOT_REDIS_OUTPUT_H_INCLUDED_ */
