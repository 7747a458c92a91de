
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"
#include "ngx_iot_grpc.h"


/*
 * The gRPC door: unary calls over HTTP/2
 * (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md).
 */


#define NGX_HTTP_IOT_GRPC_TYPE  "application/grpc"


static ngx_int_t ngx_http_iot_grpc_admit(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_grpc_not_spoken(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_uint_t ngx_http_iot_grpc_codec(ngx_http_request_t *r);
static ngx_int_t ngx_http_iot_grpc_too_large(ngx_http_iot_ctx_t *ctx);
static void ngx_http_iot_grpc_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_iot_grpc_body_ready(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_grpc_read(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx, const ngx_str_t *body);
static ngx_int_t ngx_http_iot_grpc_message(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx, const ngx_str_t *body);


static const ngx_http_iot_door_t  ngx_http_iot_grpc_door = {
    ngx_http_iot_grpc_send_answer,
    ngx_http_iot_grpc_send_part,
    ngx_http_iot_grpc_send_error
};


ngx_int_t
ngx_http_iot_grpc_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_iot_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->disable_not_modified = 1;

    /* who does not speak gRPC would take a status in HTTP's 200 for success */

    ctx->door = ngx_http_iot_grpc_call(r) ? &ngx_http_iot_grpc_door
                                          : &ngx_http_iot_rest_door;

    rc = ngx_http_iot_grpc_admit(r, ctx);

    if (rc == NGX_DECLINED) {
        return ctx->door->error(r, ctx);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->request_body_in_single_buf = 1;

    rc = ngx_http_read_client_request_body(r, ngx_http_iot_grpc_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/*
 * Caller, protocol, method, size, deadline; what access is decided by stands
 * in the message.  NGX_DECLINED: refused, the error is in the call.
 */
static ngx_int_t
ngx_http_iot_grpc_admit(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    size_t                    limit;
    ngx_int_t                 rc;
    ngx_iot_call_t           *call;
    ngx_http_iot_loc_conf_t  *ilcf;

    call = &ctx->call;
    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    if (ngx_http_iot_call_init(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    call->wire = NGX_IOT_PROTOBUF;

    rc = ngx_http_iot_route(r, ilcf->services, &ctx->route);

    if (call->caller.len == 0
        && !(rc == NGX_OK
             && (ctx->route.method->flags & NGX_IOT_METHOD_ANONYMOUS)))
    {
        ngx_iot_error(&call->error, CALLER_REQUIRED,
                      "the request carries no valid credentials");
        return NGX_DECLINED;
    }

    if (!ngx_http_iot_grpc_call(r)) {
        return ngx_http_iot_grpc_not_spoken(r, ctx);
    }

    if (!ngx_http_iot_grpc_codec(r)) {
        ngx_iot_error(&call->error, GRPC_ENCODING,
                      "messages are encoded as protobuf here");
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        ngx_iot_error(&call->error, RPC_NOT_FOUND,
                      "the API has no such method");
        return NGX_DECLINED;
    }

    call->method = ctx->route.method;

    ngx_http_iot_header(r, "idempotency-key", &call->idempotency_key);

    limit = NGX_IOT_GRPC_PREFIX_LEN + ngx_iot_method_body_limit(call);

    if (r->headers_in.content_length_n > (off_t) limit) {
        return ngx_http_iot_grpc_too_large(ctx);
    }

    return ngx_http_iot_deadline_start(r, ctx);
}


ngx_uint_t
ngx_http_iot_grpc_call(ngx_http_request_t *r)
{
    u_char     *p;
    size_t      len;
    ngx_str_t  *type;

    len = sizeof(NGX_HTTP_IOT_GRPC_TYPE) - 1;

    /* error_page makes a GET of it */

    if (r != r->main
        || r->http_version != NGX_HTTP_VERSION_20
        || (r->method != NGX_HTTP_POST && !r->internal)
        || r->headers_in.content_type == NULL)
    {
        return 0;
    }

    type = &r->headers_in.content_type->value;
    p = type->data;

    return type->len >= len
           && ngx_strncasecmp(p, (u_char *) NGX_HTTP_IOT_GRPC_TYPE, len) == 0
           && (type->len == len || p[len] == '+' || p[len] == ';'
               || p[len] == ' ');
}


/*
 * As the servers of gRPC answer other kinds of requests: in HTTP, not as the
 * status of a call.  grpc-web needs a proxy that translates it.
 */
static ngx_int_t
ngx_http_iot_grpc_not_spoken(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_error_t  *err;

    err = &ctx->call.error;

    if (r->http_version != NGX_HTTP_VERSION_20) {
        ngx_iot_error(err, HTTP2_REQUIRED,
                      "this location speaks gRPC, which needs HTTP/2");
        return NGX_DECLINED;
    }

    if (r->method != NGX_HTTP_POST) {
        ngx_iot_error(err, METHOD_NOT_ALLOWED, "calls of gRPC are POST");

        return (ngx_http_iot_allow(r, NGX_IOT_POST) == NGX_OK) ? NGX_DECLINED
                                                               : NGX_ERROR;
    }

    ngx_iot_error(err, GRPC_REQUIRED,
                  "this location speaks gRPC: the content-type must be "
                  NGX_HTTP_IOT_GRPC_TYPE);

    return NGX_DECLINED;
}


/* application/grpc alone means protobuf too */
static ngx_uint_t
ngx_http_iot_grpc_codec(ngx_http_request_t *r)
{
    size_t      len;
    u_char     *p;
    ngx_str_t  *type;

    type = &r->headers_in.content_type->value;

    p = type->data + sizeof(NGX_HTTP_IOT_GRPC_TYPE) - 1;
    len = type->len - (sizeof(NGX_HTTP_IOT_GRPC_TYPE) - 1);

    if (len == 0 || *p != '+') {
        return 1;
    }

    if (len < sizeof("+proto") - 1
        || ngx_strncasecmp(p, (u_char *) "+proto", sizeof("+proto") - 1) != 0)
    {
        return 0;
    }

    p += sizeof("+proto") - 1;
    len -= sizeof("+proto") - 1;

    return len == 0 || *p == ';' || *p == ' ';
}


static ngx_int_t
ngx_http_iot_grpc_too_large(ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_error(&ctx->call.error, MESSAGE_TOO_LARGE,
                  "the message is too large");

    return NGX_DECLINED;
}


static void
ngx_http_iot_grpc_body_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_iot_module);

    rc = ngx_http_iot_grpc_body_ready(r, ctx);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }
}


static ngx_int_t
ngx_http_iot_grpc_body_ready(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    size_t      limit;
    ngx_int_t   rc;
    ngx_str_t   body;

    limit = NGX_IOT_GRPC_PREFIX_LEN + ngx_iot_method_body_limit(&ctx->call);

    rc = ngx_http_iot_body(r, limit, &body);

    if (rc == NGX_DECLINED) {
        rc = ngx_http_iot_grpc_too_large(ctx);

    } else if (rc == NGX_OK) {
        rc = ngx_http_iot_grpc_read(r, ctx, &body);
    }

    switch (rc) {

    case NGX_OK:
        return ngx_http_iot_call_start(r, ctx);

    case NGX_DECLINED:
        return ctx->door->error(r, ctx);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


static ngx_int_t
ngx_http_iot_grpc_read(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx,
    const ngx_str_t *body)
{
    ngx_int_t  rc;

    rc = ngx_http_iot_grpc_message(r, ctx, body);

    if (rc == NGX_OK) {
        rc = ngx_iot_method_read_params(&ctx->call);
    }

    if (rc != NGX_OK || (ctx->call.method->flags & NGX_IOT_METHOD_LATE)) {
        return rc;
    }

    return ngx_http_iot_authorize(r, ctx);
}


static ngx_int_t
ngx_http_iot_grpc_message(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx,
    const ngx_str_t *body)
{
    ngx_int_t         rc;
    ngx_str_t         encoding;
    ngx_iot_error_t  *err;

    static ngx_str_t  identity = ngx_string("identity");

    err = &ctx->call.error;

    rc = ngx_iot_grpc_message(body, &ctx->call.body, err);

    if (rc == NGX_OK || err->reason != NGX_IOT_REASON_GRPC_ENCODING) {
        return rc;
    }

    ngx_http_iot_header(r, "grpc-encoding", &encoding);

    if (encoding.len == 0
        || (encoding.len == identity.len
            && ngx_memcmp(encoding.data, identity.data, identity.len) == 0))
    {
        ngx_iot_error(err, GRPC_MALFORMED,
                      "the message is compressed, but grpc-encoding does not "
                      "say how");
        return NGX_DECLINED;
    }

    /* what the client may use the next time */

    return ngx_http_iot_add_header(r, "grpc-accept-encoding", &identity)
           ? NGX_DECLINED : NGX_ERROR;
}
