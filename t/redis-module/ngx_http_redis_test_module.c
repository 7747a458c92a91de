
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_iot_redis.h"


/*
 * A location that runs one command at a store and answers what became of it:
 *
 *     redis_test STORE;
 *
 *     GET /?cmd=SET+key+value
 *     GET /?script=NAME&keys=1&cmd=key+argument
 *     GET /?cmd=SET+key&fill=100000     one more argument, of that many bytes
 *     GET /?copies=N&cmd=...              N times at once
 *     GET /?large=1&cmd=...               says that the reply is large
 *     GET /?writes=0&script=...           or that nothing is written
 *
 * The answer is one line for each: the outcome and the reply; 429 when the
 * client is busy, 503 when there is none.
 */


#define NGX_HTTP_REDIS_TEST_ARGS    32
#define NGX_HTTP_REDIS_TEST_LINE    4096


typedef struct {
    ngx_iot_redis_conf_t  *store;
} ngx_http_redis_test_loc_conf_t;


typedef struct ngx_http_redis_test_ctx_s  ngx_http_redis_test_ctx_t;

typedef struct {
    ngx_http_redis_test_ctx_t  *ctx;
    ngx_iot_redis_command_t    *command;
} ngx_http_redis_test_call_t;

struct ngx_http_redis_test_ctx_s {
    ngx_http_request_t          *request;
    ngx_iot_resp_request_t       req;
    ngx_str_t                    argv[NGX_HTTP_REDIS_TEST_ARGS];

    ngx_http_redis_test_call_t  *calls;
    ngx_uint_t                   ncalls;
    ngx_uint_t                   left;

    ngx_chain_t                 *out;
    ngx_chain_t                **last;
    off_t                        size;
};


static ngx_int_t ngx_http_redis_test_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_redis_test_parse(ngx_http_redis_test_ctx_t *ctx);
static ngx_uint_t ngx_http_redis_test_number(ngx_http_request_t *r,
    const char *name, ngx_uint_t none);
static ngx_int_t ngx_http_redis_test_fill(ngx_http_redis_test_ctx_t *ctx);
static ngx_iot_resp_script_t *ngx_http_redis_test_script(ngx_str_t *name);
static ngx_int_t ngx_http_redis_test_submit(ngx_http_redis_test_ctx_t *ctx);
static void ngx_http_redis_test_cleanup(void *data);
static void ngx_http_redis_test_done(void *data,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_http_redis_test_add(ngx_http_redis_test_ctx_t *ctx,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static u_char *ngx_http_redis_test_format(u_char *p, u_char *last,
    ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_http_redis_test_send(ngx_http_redis_test_ctx_t *ctx);

static void *ngx_http_redis_test_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_redis_test(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static ngx_int_t ngx_http_redis_test_init(ngx_conf_t *cf);


static ngx_iot_resp_script_t  ngx_http_redis_test_scripts[] = {

    { ngx_string("add"),
      ngx_string("return redis.call('INCRBY', KEYS[1], ARGV[1])"), { 0 } },

    { ngx_string("fail"),
      ngx_string("redis.call('SET', KEYS[1], 'x') "
                 "return redis.call('LPUSH', KEYS[1], ARGV[1])"), { 0 } }
};


static ngx_command_t  ngx_http_redis_test_commands[] = {

    { ngx_string("iot_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_iot_redis_conf_block,
      0,
      0,
      NULL },

    { ngx_string("redis_test"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_redis_test,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_redis_test_module_ctx = {
    NULL,                                  /* preconfiguration */
    ngx_http_redis_test_init,              /* postconfiguration */

    NULL,                                  /* create main configuration */
    NULL,                                  /* init main configuration */

    NULL,                                  /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_redis_test_create_loc_conf,   /* create location configuration */
    NULL                                   /* merge location configuration */
};


ngx_module_t  ngx_http_redis_test_module = {
    NGX_MODULE_V1,
    &ngx_http_redis_test_module_ctx,       /* module context */
    ngx_http_redis_test_commands,          /* module directives */
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
ngx_http_redis_test_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_http_cleanup_t         *cln;
    ngx_http_redis_test_ctx_t  *ctx;

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_redis_test_ctx_t));
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->last = &ctx->out;

    rc = ngx_http_redis_test_parse(ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    cln->handler = ngx_http_redis_test_cleanup;
    cln->data = ctx;

    rc = ngx_http_redis_test_submit(ctx);
    if (rc != NGX_OK) {
        return rc;
    }

    r->main->count++;
    r->read_event_handler = ngx_http_test_reading;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_redis_test_parse(ngx_http_redis_test_ctx_t *ctx)
{
    u_char                  *p, *dst, *src, *last;
    ngx_str_t                cmd, name;
    ngx_uint_t               n;
    ngx_http_request_t      *r;
    ngx_iot_resp_request_t  *req;

    r = ctx->request;
    req = &ctx->req;
    req->argv = ctx->argv;

    if (ngx_http_arg(r, (u_char *) "cmd", 3, &cmd) != NGX_OK) {
        return NGX_HTTP_BAD_REQUEST;
    }

    if (ngx_http_arg(r, (u_char *) "script", 6, &name) == NGX_OK) {
        req->script = ngx_http_redis_test_script(&name);
        req->nkeys = ngx_http_redis_test_number(r, "keys", 0);

        if (req->script == NULL) {
            return NGX_HTTP_BAD_REQUEST;
        }
    }

    p = ngx_pnalloc(r->pool, cmd.len);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    src = cmd.data;
    last = cmd.data + cmd.len;

    for (n = 0; src < last && n < NGX_HTTP_REDIS_TEST_ARGS - 1; n++) {
        dst = p;

        while (src < last && *src != '+') {
            *dst++ = *src++;
        }

        req->argv[n].data = p;
        req->argv[n].len = dst - p;

        p = dst;
        src++;
    }

    req->argc = n;
    req->writes = ngx_http_redis_test_number(r, "writes", 1);
    req->large = ngx_http_redis_test_number(r, "large", 0);

    return ngx_http_redis_test_fill(ctx);
}


static ngx_int_t
ngx_http_redis_test_fill(ngx_http_redis_test_ctx_t *ctx)
{
    ngx_str_t   *arg;
    ngx_uint_t   n;

    n = ngx_http_redis_test_number(ctx->request, "fill", 0);

    if (n == 0) {
        return NGX_OK;
    }

    arg = &ctx->argv[ctx->req.argc++];

    arg->len = n;
    arg->data = ngx_pnalloc(ctx->request->pool, n);

    if (arg->data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memset(arg->data, 'x', n);

    return NGX_OK;
}


static ngx_uint_t
ngx_http_redis_test_number(ngx_http_request_t *r, const char *name,
    ngx_uint_t none)
{
    ngx_int_t  n;
    ngx_str_t  value;

    if (ngx_http_arg(r, (u_char *) name, ngx_strlen(name), &value) != NGX_OK) {
        return none;
    }

    n = ngx_atoi(value.data, value.len);

    return (n == NGX_ERROR) ? none : (ngx_uint_t) n;
}


static ngx_iot_resp_script_t *
ngx_http_redis_test_script(ngx_str_t *name)
{
    size_t                  n, i;
    ngx_iot_resp_script_t  *script;

    script = ngx_http_redis_test_scripts;
    n = sizeof(ngx_http_redis_test_scripts) / sizeof(ngx_iot_resp_script_t);

    for (i = 0; i < n; i++) {

        if (script[i].name.len == name->len
            && ngx_strncmp(script[i].name.data, name->data, name->len) == 0)
        {
            return &script[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_http_redis_test_submit(ngx_http_redis_test_ctx_t *ctx)
{
    ngx_uint_t                       busy, i, n;
    ngx_http_request_t              *r;
    ngx_http_redis_test_call_t      *call;
    ngx_http_redis_test_loc_conf_t  *rlcf;

    r = ctx->request;
    rlcf = ngx_http_get_module_loc_conf(r, ngx_http_redis_test_module);

    n = ngx_http_redis_test_number(r, "copies", 1);

    ctx->calls = ngx_pcalloc(r->pool, n * sizeof(ngx_http_redis_test_call_t));
    if (ctx->calls == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->ncalls = n;

    for (i = 0; i < n; i++) {
        call = &ctx->calls[i];
        call->ctx = ctx;

        call->command = ngx_iot_redis_submit(rlcf->store, &ctx->req,
                                             ngx_http_redis_test_done, call,
                                             &busy);
        if (call->command == NULL) {
            ngx_http_redis_test_cleanup(ctx);
            return busy ? NGX_HTTP_TOO_MANY_REQUESTS
                        : NGX_HTTP_SERVICE_UNAVAILABLE;
        }

        ctx->left++;
    }

    return NGX_OK;
}


static void
ngx_http_redis_test_cleanup(void *data)
{
    ngx_http_redis_test_ctx_t  *ctx = data;

    ngx_uint_t  i;

    for (i = 0; i < ctx->ncalls; i++) {

        if (ctx->calls[i].command) {
            ngx_iot_redis_cancel(ctx->calls[i].command);
            ctx->calls[i].command = NULL;
        }
    }
}


static void
ngx_http_redis_test_done(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    ngx_http_redis_test_call_t  *call = data;

    ngx_int_t                   rc;
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_http_redis_test_ctx_t  *ctx;

    ctx = call->ctx;
    r = ctx->request;
    c = r->connection;

    call->command = NULL;

    ngx_http_set_log_request(c->log, r);

    rc = ngx_http_redis_test_add(ctx, outcome, reply);

    if (rc == NGX_OK && --ctx->left) {
        return;
    }

    ngx_http_redis_test_cleanup(ctx);

    if (rc == NGX_OK) {
        rc = ngx_http_redis_test_send(ctx);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_redis_test_add(ngx_http_redis_test_ctx_t *ctx,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply)
{
    u_char       *last;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    static const char  *names[] = {
        "REPLIED", "UNAVAILABLE", "TIMED_OUT", "LOST", "UNREPLICATED"
    };

    b = ngx_create_temp_buf(ctx->request->pool, NGX_HTTP_REDIS_TEST_LINE);
    cl = ngx_alloc_chain_link(ctx->request->pool);

    if (b == NULL || cl == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    last = b->end - 1;

    b->last = ngx_slprintf(b->last, last, "%s", names[outcome]);

    if (reply) {
        b->last = ngx_http_redis_test_format(b->last, last, reply);
    }

    *b->last++ = LF;

    ctx->size += b->last - b->pos;

    cl->buf = b;
    cl->next = NULL;

    *ctx->last = cl;
    ctx->last = &cl->next;

    return NGX_OK;
}


static u_char *
ngx_http_redis_test_format(u_char *p, u_char *last,
    ngx_iot_resp_reply_t *reply)
{
    ngx_str_t   str;
    ngx_uint_t  i;

    static const char  marks[] = "_+-$:*";

    p = ngx_slprintf(p, last, " %c", marks[reply->type]);

    switch (reply->type) {

    case NGX_IOT_RESP_NIL:
        return p;

    case NGX_IOT_RESP_INTEGER:
        return ngx_slprintf(p, last, "%L", reply->integer);

    case NGX_IOT_RESP_ARRAY:
        p = ngx_slprintf(p, last, "%ui", reply->nelts);

        for (i = 0; i < reply->nelts; i++) {
            p = ngx_http_redis_test_format(p, last, reply->elts[i]);
        }

        return p;

    default:
        str = reply->str;

        if (str.len > 200) {
            return ngx_slprintf(p, last, "%uz bytes", str.len);
        }

        return ngx_slprintf(p, last, "%V", &str);
    }
}


static ngx_int_t
ngx_http_redis_test_send(ngx_http_redis_test_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_chain_t         *cl;
    ngx_http_request_t  *r;

    r = ctx->request;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = ctx->size;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    for (cl = ctx->out; cl->next; cl = cl->next) { /* void */ }

    cl->buf->last_buf = (r == r->main);
    cl->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, ctx->out);
}


static void *
ngx_http_redis_test_create_loc_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_redis_test_loc_conf_t));
}


static char *
ngx_http_redis_test(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_redis_test_loc_conf_t  *rlcf = conf;

    ngx_str_t                 *value;
    ngx_http_core_loc_conf_t  *clcf;

    value = cf->args->elts;

    rlcf->store = ngx_iot_redis_conf_use(cf, &value[1]);
    if (rlcf->store == NULL) {
        return NGX_CONF_ERROR;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_redis_test_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_redis_test_init(ngx_conf_t *cf)
{
    size_t  i, n;

    n = sizeof(ngx_http_redis_test_scripts) / sizeof(ngx_iot_resp_script_t);

    for (i = 0; i < n; i++) {
        ngx_iot_resp_script_init(&ngx_http_redis_test_scripts[i]);
    }

    ngx_iot_redis_conf_scripts(cf, ngx_http_redis_test_scripts, n);

    return NGX_OK;
}
