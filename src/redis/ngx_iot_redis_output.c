
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_output.h"


#define NGX_IOT_REDIS_BLOCK_SIZE  16384
#define NGX_IOT_REDIS_BLOCK_KEEP  16


/* the chain link comes first: it is what nginx hands back */

struct ngx_iot_redis_block_s {
    ngx_chain_t             link;
    ngx_buf_t               buf;
    ngx_iot_redis_block_t  *next;           /* when free */
    ngx_uint_t              concealed;
};


static ngx_iot_redis_block_t *ngx_iot_redis_output_block(
    ngx_iot_redis_output_t *output, size_t size);
static void ngx_iot_redis_output_release(ngx_iot_redis_output_t *output,
    ngx_chain_t *end);


void
ngx_iot_redis_output_init(ngx_iot_redis_output_t *output, ngx_log_t *log)
{
    ngx_memzero(output, sizeof(ngx_iot_redis_output_t));

    output->log = log;
}


ngx_int_t
ngx_iot_redis_output_add(ngx_iot_redis_output_t *output,
    const ngx_iot_resp_request_t *req, ngx_uint_t with_source)
{
    size_t                  size;
    u_char                 *last;
    ngx_buf_t              *b;
    ngx_iot_redis_block_t  *block;

    size = ngx_iot_resp_size(req, with_source);

    block = output->last;

    if (block == NULL || (size_t) (block->buf.end - block->buf.last) < size) {
        block = ngx_iot_redis_output_block(output, size);
        if (block == NULL) {
            return NGX_ERROR;
        }
    }

    b = &block->buf;

    last = ngx_iot_resp_write(b->last, req, with_source);

    output->written += last - b->last;
    b->last = last;

    return NGX_OK;
}


void
ngx_iot_redis_output_conceal(ngx_iot_redis_output_t *output)
{
    output->last->concealed = 1;
}


/* a block with room for size more bytes, at the end of the chain */
static ngx_iot_redis_block_t *
ngx_iot_redis_output_block(ngx_iot_redis_output_t *output, size_t size)
{
    ngx_buf_t              *b;
    ngx_iot_redis_block_t  *block;

    if (size <= NGX_IOT_REDIS_BLOCK_SIZE && output->free) {
        block = output->free;
        output->free = block->next;
        output->nfree--;

    } else {
        size = ngx_max(size, NGX_IOT_REDIS_BLOCK_SIZE);

        block = ngx_alloc(sizeof(ngx_iot_redis_block_t) + size, output->log);
        if (block == NULL) {
            return NULL;
        }

        ngx_memzero(block, sizeof(ngx_iot_redis_block_t));

        b = &block->buf;

        b->start = (u_char *) block + sizeof(ngx_iot_redis_block_t);
        b->end = b->start + size;
        b->temporary = 1;
    }

    b = &block->buf;

    b->pos = b->start;
    b->last = b->start;

    block->concealed = 0;
    block->link.buf = b;
    block->link.next = NULL;

    if (output->last) {
        output->last->link.next = &block->link;

    } else {
        output->chain = &block->link;
    }

    output->last = block;

    return block;
}


ngx_int_t
ngx_iot_redis_output_send(ngx_iot_redis_output_t *output, ngx_connection_t *c)
{
    ngx_chain_t  *rest;

    if (output->chain == NULL) {
        return NGX_OK;
    }

    rest = c->send_chain(c, output->chain, 0);

    if (rest == NGX_CHAIN_ERROR) {
        return NGX_ERROR;
    }

    ngx_iot_redis_output_release(output, rest);

    return rest ? NGX_AGAIN : NGX_OK;
}


void
ngx_iot_redis_output_reset(ngx_iot_redis_output_t *output)
{
    ngx_iot_redis_output_release(output, NULL);

    output->written = 0;
}


void
ngx_iot_redis_output_destroy(ngx_iot_redis_output_t *output)
{
    ngx_iot_redis_block_t  *block;

    ngx_iot_redis_output_release(output, NULL);

    while (output->free) {
        block = output->free;
        output->free = block->next;
        ngx_free(block);
    }

    output->nfree = 0;
}


/* takes the blocks before end from the chain; NULL: all */
static void
ngx_iot_redis_output_release(ngx_iot_redis_output_t *output, ngx_chain_t *end)
{
    ngx_buf_t              *b;
    ngx_iot_redis_block_t  *block;

    while (output->chain != end) {
        block = (ngx_iot_redis_block_t *) output->chain;
        b = &block->buf;

        output->chain = output->chain->next;

        if (block->concealed) {
            ngx_explicit_memzero(b->start, b->last - b->start);
        }

        if (b->end - b->start == NGX_IOT_REDIS_BLOCK_SIZE
            && output->nfree < NGX_IOT_REDIS_BLOCK_KEEP)
        {
            block->next = output->free;
            output->free = block;
            output->nfree++;
            continue;
        }

        ngx_free(block);
    }

    if (end == NULL) {
        output->last = NULL;
    }
}
