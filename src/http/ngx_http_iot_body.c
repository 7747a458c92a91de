
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


/* a spilled body is read in pieces of this size */
#define NGX_HTTP_IOT_BODY_PIECE  65536


static ngx_int_t ngx_http_iot_body_join(ngx_http_request_t *r,
    ngx_chain_t *chain, ngx_str_t *body);
static u_char *ngx_http_iot_body_read_file(ngx_buf_t *buf, u_char *p);


ngx_int_t
ngx_http_iot_body(ngx_http_request_t *r, size_t limit, ngx_str_t *body)
{
    off_t         len;
    ngx_chain_t  *bufs, *cl;

    ngx_str_null(body);

    bufs = r->request_body ? r->request_body->bufs : NULL;
    len = 0;

    for (cl = bufs; cl; cl = cl->next) {
        len += ngx_buf_size(cl->buf);
    }

    if (len > (off_t) limit) {
        return NGX_DECLINED;
    }

    if (len == 0) {
        return NGX_OK;
    }

    if (bufs->next == NULL && !bufs->buf->in_file) {
        body->data = bufs->buf->pos;
        body->len = (size_t) len;
        return NGX_OK;
    }

    body->len = (size_t) len;

    return ngx_http_iot_body_join(r, bufs, body);
}


static ngx_int_t
ngx_http_iot_body_join(ngx_http_request_t *r, ngx_chain_t *chain,
    ngx_str_t *body)
{
    u_char     *p;
    ngx_buf_t  *buf;

    p = ngx_pnalloc(r->pool, body->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;

    for ( /* void */ ; chain; chain = chain->next) {
        buf = chain->buf;

        if (!buf->in_file) {
            p = ngx_cpymem(p, buf->pos, buf->last - buf->pos);
            continue;
        }

        p = ngx_http_iot_body_read_file(buf, p);
        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static u_char *
ngx_http_iot_body_read_file(ngx_buf_t *buf, u_char *p)
{
    off_t    pos;
    size_t   size;
    ssize_t  n;

    for (pos = buf->file_pos; pos < buf->file_last; pos += n) {

        size = (size_t) ngx_min(buf->file_last - pos, NGX_HTTP_IOT_BODY_PIECE);

        n = ngx_read_file(buf->file, p, size, pos);

        if (n == NGX_ERROR || n == 0) {
            return NULL;
        }

        p += n;
    }

    return p;
}
