
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * The floor: what AddCertificate and GET of an operation cost before anything
 * is thought about.  Two locations take the gateway's own requests:
 *
 *     bench_floor_add STORE REGISTRY CALLER;
 *     bench_floor_get STORE REGISTRY CALLER;
 *
 * In it: nginx with its reading of headers and body; the gateway's own Redis
 * client with its shared writes, timers and reply parser; the gateway's script
 * with arguments of the same number and sizes, and new keys for each request,
 * so that Redis does the same work; for the GET the same two reads, one after
 * the other; an answer with the same headers and as many bytes.
 *
 * Not in it: JSON, PEM, base64, ASN.1, digests, random numbers of quality,
 * request ids, callers and access, the method table, checks of any kind.
 * Where the gateway computes, bytes of the right length are copied: the record
 * is a slice of the body, a fingerprint comes from a counter, the answer was
 * made when the configuration was read.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_iot_redis.h"
#include "ngx_iot_scripts.h"


#define NGX_HTTP_BENCH_ARGC      28
#define NGX_HTTP_BENCH_NKEYS     12

/* of them that of the certificate */
#define NGX_HTTP_BENCH_CERTIFICATE  4

#define NGX_HTTP_BENCH_ID        20
#define NGX_HTTP_BENCH_SHA1      20
#define NGX_HTTP_BENCH_SHA256    32
#define NGX_HTTP_BENCH_HEX       64

/* what a certificate's record has before its DER */
#define NGX_HTTP_BENCH_RECORD    50

/* the longest answer */
#define NGX_HTTP_BENCH_ANSWER    65536

/* a line of 64 characters and its end as \n inside a JSON string */
#define NGX_HTTP_BENCH_LINE      66

#define NGX_HTTP_BENCH_BEGIN                                                  \
    (sizeof("-----BEGIN CERTIFICATE-----\\n") - 1)
#define NGX_HTTP_BENCH_END                                                    \
    (sizeof("-----END CERTIFICATE-----\\n") - 1)

/* what the request's body has around the escaped PEM */
#define NGX_HTTP_BENCH_OPEN                                                   \
    (sizeof("{\"certificateData\":\"") - 1)
#define NGX_HTTP_BENCH_CLOSE                                                  \
    (sizeof("\"}") - 1)


typedef struct {
    ngx_iot_redis_conf_t     *store;

    /* argv as it is at rest, all in block, but for the record */
    ngx_str_t                 argv[NGX_HTTP_BENCH_ARGC];
    ngx_str_t                 block;

    /* an Operation, then blanks; and the length without a PEM */
    u_char                   *answer;
    size_t                    base;
} ngx_http_bench_loc_conf_t;


typedef struct {
    ngx_http_request_t       *request;
    ngx_iot_redis_command_t  *command;
    ngx_iot_resp_request_t    query;
    ngx_str_t                 argv[NGX_HTTP_BENCH_ARGC];
    size_t                    answer;
} ngx_http_bench_ctx_t;


static ngx_int_t ngx_http_bench_add_handler(ngx_http_request_t *r);
static void ngx_http_bench_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_bench_add(ngx_http_request_t *r,
    ngx_http_bench_ctx_t *ctx);
static ngx_int_t ngx_http_bench_body(ngx_http_request_t *r, ngx_str_t *body);
static ngx_int_t ngx_http_bench_argv(ngx_http_request_t *r,
    ngx_http_bench_ctx_t *ctx, ngx_str_t *body, size_t der);
static void ngx_http_bench_added(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply);

static ngx_int_t ngx_http_bench_get_handler(ngx_http_request_t *r);
static void ngx_http_bench_operation(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_http_bench_get_certificate(ngx_http_request_t *r,
    ngx_http_bench_ctx_t *ctx, ngx_iot_resp_reply_t *reply);
static void ngx_http_bench_certificate(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);

static ngx_http_bench_ctx_t *ngx_http_bench_create_ctx(ngx_http_request_t *r);
static ngx_int_t ngx_http_bench_submit(ngx_http_request_t *r,
    ngx_http_bench_ctx_t *ctx, ngx_iot_redis_done_pt done);
static void ngx_http_bench_finalize(ngx_http_request_t *r, ngx_int_t rc);
static ngx_int_t ngx_http_bench_send(ngx_http_request_t *r, size_t len);
static ngx_int_t ngx_http_bench_header(ngx_http_request_t *r, ngx_str_t *key,
    ngx_str_t *value);
static void ngx_http_bench_cleanup(void *data);

static size_t ngx_http_bench_der_len(const ngx_str_t *body);
static size_t ngx_http_bench_pem_len(size_t der);
static void ngx_http_bench_unique(u_char *sha256, u_char *hex, u_char *id);
static uint64_t ngx_http_bench_random(void);
static void ngx_http_bench_digits(u_char *p, uint64_t number);

static void *ngx_http_bench_create_loc_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_bench_postconfiguration(ngx_conf_t *cf);
static char *ngx_http_bench_floor(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_bench_block(ngx_conf_t *cf,
    ngx_http_bench_loc_conf_t *blcf, ngx_str_t *registry, ngx_str_t *caller);
static ngx_int_t ngx_http_bench_answer(ngx_conf_t *cf,
    ngx_http_bench_loc_conf_t *blcf, ngx_str_t *registry, ngx_str_t *caller);


static ngx_command_t  ngx_http_bench_commands[] = {

    { ngx_string("bench_floor_add"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE3,
      ngx_http_bench_floor,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_bench_add_handler },

    { ngx_string("bench_floor_get"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE3,
      ngx_http_bench_floor,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_bench_get_handler },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_bench_floor_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_bench_postconfiguration,      /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_bench_create_loc_conf,        /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_bench_floor_module = {
    NGX_MODULE_V1,
    &ngx_http_bench_floor_module_ctx,      /* module context */
    ngx_http_bench_commands,               /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_bench_add_handler(ngx_http_request_t *r)
{
    ngx_int_t  rc;

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_bench_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


static void
ngx_http_bench_body_handler(ngx_http_request_t *r)
{
    ngx_int_t              rc;
    ngx_http_bench_ctx_t  *ctx;

    ctx = ngx_http_bench_create_ctx(r);

    rc = ctx ? ngx_http_bench_add(r, ctx) : NGX_ERROR;

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }

    /* else the reader's reference to the request goes to the completion */
}


static ngx_int_t
ngx_http_bench_add(ngx_http_request_t *r, ngx_http_bench_ctx_t *ctx)
{
    size_t                      der;
    ngx_str_t                   body;
    ngx_http_bench_loc_conf_t  *blcf;

    if (ngx_http_bench_body(r, &body) != NGX_OK) {
        return NGX_ERROR;
    }

    der = ngx_http_bench_der_len(&body);
    if (der == 0) {
        return NGX_ERROR;
    }

    blcf = ngx_http_get_module_loc_conf(r, ngx_http_bench_floor_module);

    ctx->answer = blcf->base
                  + body.len - NGX_HTTP_BENCH_OPEN - NGX_HTTP_BENCH_CLOSE;

    if (ngx_http_bench_argv(r, ctx, &body, der) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_bench_submit(r, ctx, ngx_http_bench_added);
}


/* as the gateway does it: one slice, copied when the body has two buffers */
static ngx_int_t
ngx_http_bench_body(ngx_http_request_t *r, ngx_str_t *body)
{
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    cl = r->request_body->bufs;

    if (cl == NULL || r->request_body->temp_file) {
        return NGX_ERROR;
    }

    if (cl->next == NULL) {
        b = cl->buf;
        body->data = b->pos;
        body->len = b->last - b->pos;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, r->headers_in.content_length_n);
    if (p == NULL) {
        return NGX_ERROR;
    }

    body->data = p;

    for ( /* void */ ; cl; cl = cl->next) {
        b = cl->buf;
        p = ngx_cpymem(p, b->pos, b->last - b->pos);
    }

    body->len = p - body->data;

    return NGX_OK;
}


static ngx_int_t
ngx_http_bench_argv(ngx_http_request_t *r, ngx_http_bench_ctx_t *ctx,
    ngx_str_t *body, size_t der)
{
    u_char                     *p, *sha256, *hex, *id;
    ngx_str_t                  *key, *arg;
    ngx_uint_t                  i;
    ngx_http_bench_loc_conf_t  *blcf;

    blcf = ngx_http_get_module_loc_conf(r, ngx_http_bench_floor_module);

    p = ngx_pnalloc(r->pool, blcf->block.len + NGX_HTTP_BENCH_RECORD + der);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, blcf->block.data, blcf->block.len);

    for (i = 0; i < NGX_HTTP_BENCH_ARGC; i++) {
        ctx->argv[i].data = p + (blcf->argv[i].data - blcf->block.data);
        ctx->argv[i].len = blcf->argv[i].len;
    }

    key = ctx->argv;
    arg = key + NGX_HTTP_BENCH_NKEYS;

    sha256 = arg[9].data;
    hex = key[4].data + key[4].len - NGX_HTTP_BENCH_HEX;
    id = arg[1].data;

    ngx_http_bench_unique(sha256, hex, id);

    ngx_memcpy(key[1].data + key[1].len - NGX_HTTP_BENCH_ID, id,
               NGX_HTTP_BENCH_ID);
    key[3] = key[1];

    ngx_memcpy(key[10].data + key[10].len - NGX_HTTP_BENCH_ID, id,
               NGX_HTTP_BENCH_ID);
    ngx_memcpy(key[11].data + key[11].len - NGX_HTTP_BENCH_HEX, hex,
               NGX_HTTP_BENCH_HEX);
    ngx_memcpy(arg[10].data, sha256, NGX_HTTP_BENCH_SHA1);

    /* the list's member: what sorts it, as the gateway's does, is the time */

    ngx_memcpy(arg[11].data, id + 5, 6);
    ngx_memcpy(arg[11].data + 6, sha256, NGX_HTTP_BENCH_SHA256);

    p += blcf->block.len;

    arg[12].data = p;
    arg[12].len = NGX_HTTP_BENCH_RECORD + der;

    *p++ = 1;
    p = ngx_cpymem(p, id + 2, 8);
    p = ngx_cpymem(p, id, NGX_HTTP_BENCH_ID);
    p = ngx_cpymem(p, id, NGX_HTTP_BENCH_ID);
    *p++ = 1;
    ngx_memcpy(p, body->data, der);

    ctx->query.script = &ngx_iot_scripts[NGX_IOT_SCRIPT_ADD_CERTIFICATE];
    ctx->query.nkeys = NGX_HTTP_BENCH_NKEYS;
    ctx->query.argc = NGX_HTTP_BENCH_ARGC;
    ctx->query.argv = ctx->argv;
    ctx->query.writes = 1;
    ctx->query.large = 0;

    return NGX_OK;
}


static void
ngx_http_bench_added(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    ngx_http_bench_ctx_t *ctx = data;

    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = ctx->request;
    ctx->command = NULL;

    if (outcome == NGX_IOT_REDIS_REPLIED
        && reply->type == NGX_IOT_RESP_ARRAY
        && reply->nelts == 1
        && reply->elts[0]->str.len == 2)
    {
        rc = ngx_http_bench_send(r, ctx->answer);

    } else {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_bench_finalize(r, rc);
}


static ngx_int_t
ngx_http_bench_get_handler(ngx_http_request_t *r)
{
    u_char                *p, *id;
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_http_bench_ctx_t  *ctx;

    static ngx_str_t  argv[] = {
        ngx_string("HMGET"),
        ngx_null_string,
        ngx_string("v"),
        ngx_string("k"),
        ngx_string("r"),
        ngx_string("f"),
        ngx_string("b"),
        ngx_string("c"),
        ngx_string("m"),
        ngx_string("d"),
        ngx_string("ec"),
        ngx_string("em"),
        ngx_string("ed")
    };

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_bench_create_ctx(r);

    if (ctx == NULL || r->uri.len <= NGX_HTTP_BENCH_ID) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    id = r->uri.data + r->uri.len - NGX_HTTP_BENCH_ID;

    ctx->query.script = NULL;
    ctx->query.writes = 0;
    ctx->query.large = 0;
    ctx->query.nkeys = 1;
    ctx->query.argc = sizeof(argv) / sizeof(ngx_str_t);
    ctx->query.argv = ctx->argv;

    for (i = 0; i < ctx->query.argc; i++) {
        ctx->argv[i] = argv[i];
    }

    p = ngx_pnalloc(r->pool, sizeof("{00}:o:") - 1 + NGX_HTTP_BENCH_ID);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->argv[1].data = p;
    ctx->argv[1].len = sizeof("{00}:o:") - 1 + NGX_HTTP_BENCH_ID;

    *p++ = '{';
    p = ngx_cpymem(p, id, 2);
    p = ngx_cpymem(p, "}:o:", 4);
    ngx_memcpy(p, id, NGX_HTTP_BENCH_ID);

    if (ngx_http_bench_submit(r, ctx, ngx_http_bench_operation) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    /* the content phase drops one reference, the completion another */

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_http_bench_operation(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    ngx_http_bench_ctx_t *ctx = data;

    ctx->command = NULL;

    if (outcome != NGX_IOT_REDIS_REPLIED
        || ngx_http_bench_get_certificate(ctx->request, ctx, reply) != NGX_OK)
    {
        ngx_http_bench_finalize(ctx->request, NGX_HTTP_INTERNAL_SERVER_ERROR);
    }
}


/* the second key needs the first reply: the fingerprint is in it, raw */
static ngx_int_t
ngx_http_bench_get_certificate(ngx_http_request_t *r,
    ngx_http_bench_ctx_t *ctx, ngx_iot_resp_reply_t *reply)
{
    u_char                     *p;
    ngx_str_t                  *key;
    ngx_http_bench_loc_conf_t  *blcf;

    blcf = ngx_http_get_module_loc_conf(r, ngx_http_bench_floor_module);

    if (reply->type != NGX_IOT_RESP_ARRAY
        || reply->nelts != 11
        || reply->elts[3]->str.len != NGX_HTTP_BENCH_SHA256)
    {
        return NGX_ERROR;
    }

    /* the key of a certificate, as the add knows it */

    key = &blcf->argv[NGX_HTTP_BENCH_CERTIFICATE];

    p = ngx_pnalloc(r->pool, key->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, key->data, key->len - NGX_HTTP_BENCH_HEX);
    ngx_memcpy(p + 1, ctx->argv[1].data + 1, 2);
    ngx_hex_dump(p + key->len - NGX_HTTP_BENCH_HEX, reply->elts[3]->str.data,
                 NGX_HTTP_BENCH_SHA256);

    ngx_str_set(&ctx->argv[0], "GET");
    ctx->argv[1].data = p;
    ctx->argv[1].len = key->len;
    ctx->query.argc = 2;

    return ngx_http_bench_submit(r, ctx, ngx_http_bench_certificate);
}


static void
ngx_http_bench_certificate(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    ngx_http_bench_ctx_t *ctx = data;

    size_t                      len;
    ngx_int_t                   rc;
    ngx_http_request_t         *r;
    ngx_http_bench_loc_conf_t  *blcf;

    r = ctx->request;
    ctx->command = NULL;

    if (outcome == NGX_IOT_REDIS_REPLIED
        && reply->type == NGX_IOT_RESP_STRING
        && reply->str.len > NGX_HTTP_BENCH_RECORD)
    {
        blcf = ngx_http_get_module_loc_conf(r, ngx_http_bench_floor_module);

        len = reply->str.len - NGX_HTTP_BENCH_RECORD;
        rc = ngx_http_bench_send(r, blcf->base + ngx_http_bench_pem_len(len));

    } else {
        rc = NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_http_bench_finalize(r, rc);
}


static ngx_http_bench_ctx_t *
ngx_http_bench_create_ctx(ngx_http_request_t *r)
{
    ngx_http_cleanup_t    *cln;
    ngx_http_bench_ctx_t  *ctx;

    ctx = ngx_palloc(r->pool, sizeof(ngx_http_bench_ctx_t));
    if (ctx == NULL) {
        return NULL;
    }

    ctx->request = r;
    ctx->command = NULL;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_bench_cleanup;
    cln->data = ctx;

    return ctx;
}


/* as the gateway does, it goes on watching the client */
static ngx_int_t
ngx_http_bench_submit(ngx_http_request_t *r, ngx_http_bench_ctx_t *ctx,
    ngx_iot_redis_done_pt done)
{
    ngx_uint_t                  busy;
    ngx_event_t                *rev;
    ngx_http_bench_loc_conf_t  *blcf;

    blcf = ngx_http_get_module_loc_conf(r, ngx_http_bench_floor_module);

    ctx->command = ngx_iot_redis_submit(blcf->store, &ctx->query, done, ctx,
                                        &busy);
    if (ctx->command == NULL) {
        return NGX_ERROR;
    }

    rev = r->connection->read;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);
        return NGX_OK;
    }

    return ngx_handle_read_event(rev, 0);
}


static void
ngx_http_bench_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_bench_send(ngx_http_request_t *r, size_t len)
{
    ngx_int_t                   rc;
    ngx_buf_t                  *b;
    ngx_chain_t                 out;
    ngx_http_bench_loc_conf_t  *blcf;

    static ngx_str_t  request_id = ngx_string("x-request-id");
    static ngx_str_t  any_id = ngx_string("00000000000000000000000000000000");
    static ngx_str_t  cache_control = ngx_string("Cache-Control");
    static ngx_str_t  no_store = ngx_string("no-store");

    if (len > NGX_HTTP_BENCH_ANSWER
        || ngx_http_bench_header(r, &request_id, &any_id) != NGX_OK
        || ngx_http_bench_header(r, &cache_control, &no_store) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_length_n = len;
    r->headers_out.status = NGX_HTTP_OK;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    blcf = ngx_http_get_module_loc_conf(r, ngx_http_bench_floor_module);

    b->pos = blcf->answer;
    b->last = blcf->answer + len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


static ngx_int_t
ngx_http_bench_header(ngx_http_request_t *r, ngx_str_t *key, ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = *key;
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


static void
ngx_http_bench_cleanup(void *data)
{
    ngx_http_bench_ctx_t *ctx = data;

    if (ctx->command) {
        ngx_iot_redis_cancel(ctx->command);
        ctx->command = NULL;
    }
}


/* the length of the DER by that of the body, which has one PEM, escaped */
static size_t
ngx_http_bench_der_len(const ngx_str_t *body)
{
    u_char  *last;
    size_t   around, text, base64;

    around = NGX_HTTP_BENCH_OPEN + NGX_HTTP_BENCH_BEGIN + NGX_HTTP_BENCH_END
             + NGX_HTTP_BENCH_CLOSE;

    if (body->len < around + NGX_HTTP_BENCH_LINE) {
        return 0;
    }

    text = body->len - around;
    base64 = text - 2 * ((text + NGX_HTTP_BENCH_LINE - 1)
                         / NGX_HTTP_BENCH_LINE);

    /* before the last \n */

    last = body->data + body->len - NGX_HTTP_BENCH_CLOSE - NGX_HTTP_BENCH_END
           - 2;

    return base64 / 4 * 3 - (last[-1] == '=') - (last[-2] == '=');
}


static size_t
ngx_http_bench_pem_len(size_t der)
{
    size_t  base64;

    base64 = (der + 2) / 3 * 4;

    return NGX_HTTP_BENCH_BEGIN + base64 + 2 * ((base64 + 63) / 64)
           + NGX_HTTP_BENCH_END;
}


/* the id's shard stays, "00" */
static void
ngx_http_bench_unique(u_char *sha256, u_char *hex, u_char *id)
{
    uint64_t     random[4];
    ngx_uint_t   i;
    ngx_time_t  *tp;

    for (i = 0; i < 4; i++) {
        random[i] = ngx_http_bench_random();
    }

    ngx_memcpy(sha256, random, NGX_HTTP_BENCH_SHA256);
    ngx_hex_dump(hex, sha256, NGX_HTTP_BENCH_SHA256);

    tp = ngx_timeofday();

    ngx_http_bench_digits(id + 2, (uint64_t) tp->sec * 1000 + tp->msec);
    ngx_http_bench_digits(id + 11, random[0]);
}


/* splitmix64 */
static uint64_t
ngx_http_bench_random(void)
{
    uint64_t         z;
    static uint64_t  state;

    if (state == 0) {
        state = (uint64_t) ngx_time() << 32 | (uint64_t) ngx_pid;
    }

    state += 0x9e3779b97f4a7c15;

    z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


static void
ngx_http_bench_digits(u_char *p, uint64_t number)
{
    ngx_uint_t           i;
    static const u_char  digits[] = "0123456789abcdefghijklmnopqrstuv";

    for (i = 9; i > 0; i--) {
        p[i - 1] = digits[number & 0x1f];
        number >>= 5;
    }
}


static void *
ngx_http_bench_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_bench_loc_conf_t));
}


static ngx_int_t
ngx_http_bench_postconfiguration(ngx_conf_t *cf)
{
    ngx_iot_scripts_init();
    ngx_iot_redis_conf_scripts(cf, ngx_iot_scripts, NGX_IOT_SCRIPT_MAX);

    return NGX_OK;
}


static char *
ngx_http_bench_floor(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_bench_loc_conf_t *blcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    if (blcf->store) {
        return "is duplicate";
    }

    value = cf->args->elts;

    blcf->store = ngx_iot_redis_conf_use(cf, &value[1]);

    if (blcf->store == NULL
        || ngx_http_bench_block(cf, blcf, &value[2], &value[3]) != NGX_OK
        || ngx_http_bench_answer(cf, blcf, &value[2], &value[3]) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = (ngx_http_handler_pt) cmd->post;

    return NGX_CONF_OK;
}


/*
 * The script's keys and arguments in its order.  In these forms %R is the
 * registry, %C the caller; what is new in each request is written over.
 */
static ngx_int_t
ngx_http_bench_block(ngx_conf_t *cf, ngx_http_bench_loc_conf_t *blcf,
    ngx_str_t *registry, ngx_str_t *caller)
{
    u_char      *p;
    size_t       size;
    ngx_str_t   *arg;
    ngx_uint_t   i;
    const char  *form;

#define NGX_HTTP_BENCH_8   "00000000"
#define NGX_HTTP_BENCH_20  NGX_HTTP_BENCH_8 NGX_HTTP_BENCH_8 "0000"
#define NGX_HTTP_BENCH_32                                                     \
    NGX_HTTP_BENCH_8 NGX_HTTP_BENCH_8 NGX_HTTP_BENCH_8 NGX_HTTP_BENCH_8
#define NGX_HTTP_BENCH_64  NGX_HTTP_BENCH_32 NGX_HTTP_BENCH_32

    static const char  *const forms[NGX_HTTP_BENCH_ARGC] = {
        "{00}:r:%R",
        "{00}:o:" NGX_HTTP_BENCH_20,
        "{00}:y:%R",
        "{00}:o:" NGX_HTTP_BENCH_20,
        "{00}:c:%R:" NGX_HTTP_BENCH_64,
        "{00}:z:%R",
        "{00}:h:%R",
        "{00}:w:%R",
        "{00}:p",
        "{00}:e",
        "{00}:a:" NGX_HTTP_BENCH_20,
        "{00}:x:" NGX_HTTP_BENCH_64,

        "%R",
        NGX_HTTP_BENCH_20,
        "1700000000000",
        "%C",
        "2592000000",
        NGX_HTTP_BENCH_20,
        "open",
        "",
        "0",
        NGX_HTTP_BENCH_32,
        NGX_HTTP_BENCH_20,
        "000000" NGX_HTTP_BENCH_32,
        "",                                /* the record */
        "0",
        "3600000",
        "immediate"
    };

    size = 0;

    for (i = 0; i < NGX_HTTP_BENCH_ARGC; i++) {
        size += ngx_strlen(forms[i]) + registry->len + caller->len;
    }

    p = ngx_pnalloc(cf->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    blcf->block.data = p;

    for (i = 0; i < NGX_HTTP_BENCH_ARGC; i++) {
        blcf->argv[i].data = p;

        for (form = forms[i]; *form; form++) {

            if (*form != '%') {
                *p++ = *form;
                continue;
            }

            arg = (*++form == 'R') ? registry : caller;
            p = ngx_cpymem(p, arg->data, arg->len);
        }

        blcf->argv[i].len = p - blcf->argv[i].data;
    }

    blcf->block.len = p - blcf->block.data;

    return NGX_OK;
}


/* blanks after an Operation stand for the certificate inside the gateway's */
static ngx_int_t
ngx_http_bench_answer(ngx_conf_t *cf, ngx_http_bench_loc_conf_t *blcf,
    ngx_str_t *registry, ngx_str_t *caller)
{
    u_char  *p;

    p = ngx_pnalloc(cf->pool, NGX_HTTP_BENCH_ANSWER);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memset(p, ' ', NGX_HTTP_BENCH_ANSWER);

    blcf->answer = p;

    p = ngx_snprintf(p, NGX_HTTP_BENCH_ANSWER,
            "{\"id\":\"" NGX_HTTP_BENCH_20 "\","
            "\"description\":\"Add registry certificate\","
            "\"createdAt\":\"2024-01-01T00:00:00.000Z\","
            "\"createdBy\":\"%V\","
            "\"modifiedAt\":\"2024-01-01T00:00:00.000Z\","
            "\"done\":true,"
            "\"metadata\":{\"@type\":\"type.googleapis.com/"
            "yandex.cloud.iot.devices.v1.AddRegistryCertificateMetadata\","
            "\"registryId\":\"%V\","
            "\"fingerprint\":\"" NGX_HTTP_BENCH_64 "\"},"
            "\"response\":{\"@type\":\"type.googleapis.com/"
            "yandex.cloud.iot.devices.v1.RegistryCertificate\","
            "\"registryId\":\"%V\","
            "\"fingerprint\":\"" NGX_HTTP_BENCH_64 "\","
            "\"certificateData\":\"\","
            "\"createdAt\":\"2024-01-01T00:00:00.000Z\"}}",
            caller, registry, registry);

    blcf->base = p - blcf->answer;

    return NGX_OK;
}
