
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "replies.h"


#define FUZZ_REPLIES_DEPTH  4
#define FUZZ_REPLIES_ELTS   128


static ngx_iot_resp_reply_t *fuzz_replies_read(ngx_pool_t *pool,
    ngx_str_t *text, ngx_uint_t depth);
static void fuzz_replies_array(ngx_pool_t *pool, ngx_str_t *text,
    ngx_uint_t depth, ngx_iot_resp_reply_t *reply);
static ngx_str_t fuzz_replies_string(ngx_pool_t *pool, ngx_str_t line,
    ngx_str_t *text);


ngx_iot_resp_reply_t *
fuzz_replies_next(ngx_pool_t *pool, ngx_str_t *text)
{
    return fuzz_replies_read(pool, text, 1);
}


/* NULL: the text or the array has ended */
static ngx_iot_resp_reply_t *
fuzz_replies_read(ngx_pool_t *pool, ngx_str_t *text, ngx_uint_t depth)
{
    ngx_str_t              line;
    ngx_iot_resp_reply_t  *reply;

    if (text->len == 0) {
        return NULL;
    }

    line = fuzz_replies_line(text);

    if (depth > 1 && line.len && line.data[0] == ']') {
        return NULL;
    }

    reply = ngx_pcalloc(pool, sizeof(ngx_iot_resp_reply_t));

    if (line.len == 0) {
        return reply;
    }

    switch (line.data[0]) {

    case '=':
        reply->type = NGX_IOT_RESP_STRING;
        reply->str = fuzz_replies_string(pool, line, text);
        break;

    case '+':
        reply->type = NGX_IOT_RESP_STATUS;
        reply->str = fuzz_replies_string(pool, line, text);
        break;

    case '-':
        reply->type = NGX_IOT_RESP_ERROR;
        reply->str = fuzz_replies_string(pool, line, text);
        break;

    case ':':
        reply->type = NGX_IOT_RESP_INTEGER;
        reply->integer = ngx_atoi(line.data + 1, line.len - 1);
        break;

    case '[':
        fuzz_replies_array(pool, text, depth, reply);
        break;
    }

    return reply;
}


static void
fuzz_replies_array(ngx_pool_t *pool, ngx_str_t *text, ngx_uint_t depth,
    ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t             n;
    ngx_iot_resp_reply_t  *elts[FUZZ_REPLIES_ELTS];

    if (depth == FUZZ_REPLIES_DEPTH) {
        return;
    }

    for (n = 0; n < FUZZ_REPLIES_ELTS; n++) {
        elts[n] = fuzz_replies_read(pool, text, depth + 1);

        if (elts[n] == NULL) {
            break;
        }
    }

    reply->type = NGX_IOT_RESP_ARRAY;
    reply->nelts = n;

    if (n) {
        reply->elts = ngx_palloc(pool, n * sizeof(elts[0]));
        ngx_memcpy(reply->elts, elts, n * sizeof(elts[0]));
    }
}


/* what follows the first character of the line, and of those that go on */
static ngx_str_t
fuzz_replies_string(ngx_pool_t *pool, ngx_str_t line, ngx_str_t *text)
{
    u_char     *p;
    ngx_str_t   more, string;

    string.data = line.data + 1;
    string.len = line.len - 1;

    string = fuzz_replies_copy(pool, &string);

    while (text->len && text->data[0] == '|') {
        more = fuzz_replies_line(text);

        p = ngx_pnalloc(pool, string.len + more.len);

        if (string.len) {
            ngx_memcpy(p, string.data, string.len);
        }

        ngx_memcpy(p + string.len, more.data, more.len);
        p[string.len] = '\n';

        string.data = p;
        string.len += more.len;
    }

    return string;
}


ngx_str_t
fuzz_replies_line(ngx_str_t *text)
{
    u_char     *end, *last;
    ngx_str_t   line;

    last = text->data + text->len;
    end = text->len ? ngx_strlchr(text->data, last, '\n') : NULL;

    line.data = text->data;
    line.len = (end ? end : last) - text->data;

    text->data = end ? end + 1 : last;
    text->len = last - text->data;

    return line;
}


ngx_str_t
fuzz_replies_copy(ngx_pool_t *pool, const ngx_str_t *text)
{
    ngx_str_t  copy;

    copy.len = text->len;
    copy.data = ngx_pnalloc(pool, text->len);

    if (text->len) {
        ngx_memcpy(copy.data, text->data, text->len);
    }

    return copy;
}
