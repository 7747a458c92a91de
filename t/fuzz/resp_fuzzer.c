
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_resp.h"


/*
 * For every sequence of bytes that a server may send:
 *
 *     fed whole, byte by byte and in pieces it gives the same replies, and
 *     ends the same way;
 *     no reply goes beyond the limits;
 *     a refusal has a reason, which is printable.
 */


/* more would only be slow: unfinished lines are searched anew by each byte */
#define FUZZ_INPUT_MAX  4096

#define FUZZ_DEPTH      3
#define FUZZ_NODES      50
#define FUZZ_SIZE       500


typedef struct {
    u_char      *data;
    size_t       len;
    size_t       allocated;
    ngx_uint_t   nodes;         /* of the reply that is being added */
    size_t       size;
} fuzz_replies_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_feed(const uint8_t *data, size_t size, size_t piece,
    fuzz_replies_t *replies);
static void fuzz_add_reply(fuzz_replies_t *replies,
    const ngx_iot_resp_reply_t *reply, ngx_uint_t depth);
static void fuzz_add(fuzz_replies_t *replies, const void *data, size_t len);
static void fuzz_check_reason(const ngx_str_t *reason);
static void fuzz_check(ngx_uint_t cond);


static const ngx_iot_resp_limits_t  fuzz_limits = {
    FUZZ_DEPTH, FUZZ_NODES, FUZZ_SIZE
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_uint_t       i;
    fuzz_replies_t   whole, pieces;

    static const size_t  sizes[] = { 1, 7 };

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    fuzz_feed(data, size, FUZZ_INPUT_MAX, &whole);

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fuzz_feed(data, size, sizes[i], &pieces);

        fuzz_check(pieces.len == whole.len);
        fuzz_check(ngx_memcmp(pieces.data, whole.data, whole.len) == 0);

        free(pieces.data);
    }

    free(whole.data);

    return 0;
}


static void
fuzz_feed(const uint8_t *data, size_t size, size_t piece,
    fuzz_replies_t *replies)
{
    size_t                 n;
    ngx_int_t              rc;
    ngx_iot_resp_t        *resp;
    ngx_iot_resp_reply_t  *reply;

    ngx_memzero(replies, sizeof(fuzz_replies_t));

    resp = ngx_iot_resp_create(&fuzz_limits, &unit_log);
    fuzz_check(resp != NULL);

    rc = NGX_AGAIN;

    for ( /* void */ ; size && rc == NGX_AGAIN; size -= n, data += n) {
        n = ngx_min(piece, size);

        rc = ngx_iot_resp_feed(resp, data, n);

        while (rc == NGX_OK) {
            rc = ngx_iot_resp_next(resp, &reply);

            if (rc == NGX_OK) {
                replies->nodes = 0;
                replies->size = 0;
                fuzz_add_reply(replies, reply, 1);
            }
        }
    }

    if (rc == NGX_ERROR) {
        fuzz_check_reason(ngx_iot_resp_reason(resp));
    }

    fuzz_add(replies, &rc, sizeof(rc));

    ngx_iot_resp_destroy(resp);
}


static void
fuzz_add_reply(fuzz_replies_t *replies, const ngx_iot_resp_reply_t *reply,
    ngx_uint_t depth)
{
    ngx_uint_t  i;

    fuzz_add(replies, &reply->type, sizeof(reply->type));
    fuzz_add(replies, &reply->integer, sizeof(reply->integer));
    fuzz_add(replies, &reply->str.len, sizeof(reply->str.len));
    fuzz_add(replies, reply->str.data, reply->str.len);
    fuzz_add(replies, &reply->nelts, sizeof(reply->nelts));

    replies->nodes += reply->nelts;
    replies->size += reply->str.len;

    fuzz_check(replies->nodes <= FUZZ_NODES);
    fuzz_check(replies->size <= FUZZ_SIZE);

    if (reply->type == NGX_IOT_RESP_ARRAY) {
        fuzz_check(depth <= FUZZ_DEPTH);
    }

    for (i = 0; i < reply->nelts; i++) {
        fuzz_add_reply(replies, reply->elts[i], depth + 1);
    }
}


static void
fuzz_add(fuzz_replies_t *replies, const void *data, size_t len)
{
    if (replies->len + len > replies->allocated) {
        replies->allocated = 2 * (replies->len + len);
        replies->data = realloc(replies->data, replies->allocated);
        fuzz_check(replies->data != NULL);
    }

    if (len) {
        ngx_memcpy(replies->data + replies->len, data, len);
        replies->len += len;
    }
}


static void
fuzz_check_reason(const ngx_str_t *reason)
{
    size_t  i;

    fuzz_check(reason->len > 0);
    fuzz_check(reason->len <= NGX_IOT_RESP_QUOTE_LEN);

    for (i = 0; i < reason->len; i++) {
        fuzz_check(reason->data[i] >= 0x20 && reason->data[i] < 0x7f);
    }
}


static void
fuzz_check(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
