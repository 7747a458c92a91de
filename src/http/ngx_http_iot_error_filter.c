
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


/*
 * The headers that every answer of a gateway location carries, and the
 * contract's JSON in place of the pages of errors that nginx itself raises,
 * without error_page; one that the user has set wins.
 *
 * To a call of gRPC, anywhere in a server with a location for them, it is a
 * status: a page means nothing to it, unless the user's speaks gRPC itself.
 */


typedef struct {
    ngx_uint_t         status;
    ngx_iot_reason_e   reason;
    ngx_str_t          field;
    ngx_str_t          message;
} ngx_http_iot_raised_t;


static ngx_int_t ngx_http_iot_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_iot_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_uint_t ngx_http_iot_concerned(ngx_http_request_t *r);
static ngx_uint_t ngx_http_iot_call_concerned(ngx_http_request_t *r);
static ngx_uint_t ngx_http_iot_raised(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_replace(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_replace_page(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx, const ngx_iot_error_t *err);
static void ngx_http_iot_raised_error(ngx_http_request_t *r,
    ngx_iot_error_t *err);
static void ngx_http_iot_raised_status(ngx_iot_error_t *err);


static const ngx_http_iot_raised_t  ngx_http_iot_raised_errors[] = {

    { NGX_HTTP_BAD_REQUEST, NGX_IOT_REASON_MALFORMED_REQUEST,
      ngx_string("request"),
      ngx_string("the request is malformed, or its headers are too large") },

    { NGX_HTTP_UNAUTHORIZED, NGX_IOT_REASON_CALLER_REQUIRED,
      ngx_null_string,
      ngx_string("the request carries no valid credentials") },

    { NGX_HTTP_FORBIDDEN, NGX_IOT_REASON_ACCESS_DENIED,
      ngx_null_string,
      ngx_string("the caller may not do this here") },

    { NGX_HTTP_NOT_FOUND, NGX_IOT_REASON_ROUTE_NOT_FOUND,
      ngx_null_string,
      ngx_string("the API has no such path") },

    { NGX_HTTP_NOT_ALLOWED, NGX_IOT_REASON_METHOD_NOT_ALLOWED,
      ngx_null_string,
      ngx_string("the path does not serve this HTTP method") },

    { NGX_HTTP_REQUEST_ENTITY_TOO_LARGE, NGX_IOT_REASON_REQUEST_TOO_LARGE,
      ngx_string("body"),
      ngx_string("the request body is too large") },

    { NGX_HTTP_REQUEST_URI_TOO_LARGE, NGX_IOT_REASON_URI_TOO_LONG,
      ngx_string("uri"),
      ngx_string("the request line is too long") },

    { NGX_HTTP_TOO_MANY_REQUESTS, NGX_IOT_REASON_RATE_LIMITED,
      ngx_null_string,
      ngx_string("too many requests") },

    { NGX_HTTP_NOT_IMPLEMENTED, NGX_IOT_REASON_HTTP_NOT_IMPLEMENTED,
      ngx_null_string,
      ngx_string("the server does not implement this kind of request") },

    { NGX_HTTP_BAD_GATEWAY, NGX_IOT_REASON_SERVER_UNAVAILABLE,
      ngx_null_string,
      ngx_string("the server is not available") },

    { NGX_HTTP_SERVICE_UNAVAILABLE, NGX_IOT_REASON_SERVER_UNAVAILABLE,
      ngx_null_string,
      ngx_string("the server is not available, or a limit was reached") },

    { NGX_HTTP_GATEWAY_TIME_OUT, NGX_IOT_REASON_SERVER_TIMEOUT,
      ngx_null_string,
      ngx_string("the server did not answer in time") },

    { NGX_HTTP_VERSION_NOT_SUPPORTED, NGX_IOT_REASON_HTTP_NOT_IMPLEMENTED,
      ngx_null_string,
      ngx_string("the server does not support this version of HTTP") }
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


void
ngx_http_iot_error_filter_init(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_iot_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_iot_body_filter;
}


static ngx_int_t
ngx_http_iot_header_filter(ngx_http_request_t *r)
{
    ngx_str_t            id;
    ngx_http_iot_ctx_t  *ctx;

    static ngx_str_t  no_store = ngx_string("no-store");

    if (!ngx_http_iot_concerned(r)) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_iot_ctx_create(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ngx_http_iot_raised(r, ctx)
        && ngx_http_iot_replace(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    id = ngx_http_iot_request_id(r);

    if (ngx_http_iot_add_header(r, "x-request-id", &id) == NULL
        || ngx_http_iot_add_header(r, "Cache-Control", &no_store) == NULL)
    {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* the page of nginx is dropped, ours goes out once in its place */
static ngx_int_t
ngx_http_iot_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t          out, *cl;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_iot_module);

    if (ctx == NULL || ctx->page == NULL || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    for (cl = in; cl; cl = cl->next) {
        cl->buf->pos = cl->buf->last;
    }

    if (ctx->replaced) {
        return NGX_OK;
    }

    ctx->replaced = 1;

    out.buf = ctx->page;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


/*
 * Gateway locations; and, in servers that have one, what nginx refuses before
 * a location is chosen.  405 is not among the latter: nginx answers TRACE and
 * CONNECT itself.
 */
static ngx_uint_t
ngx_http_iot_concerned(ngx_http_request_t *r)
{
    ngx_http_iot_loc_conf_t   *ilcf;
    ngx_http_iot_srv_conf_t   *iscf;
    ngx_http_core_srv_conf_t  *cscf;

    if (r != r->main) {
        return 0;
    }

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    if (ilcf->services) {
        return 1;
    }

    iscf = ngx_http_get_module_srv_conf(r, ngx_http_iot_module);
    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    if (r->err_status && ngx_http_iot_call_concerned(r)) {
        return 1;
    }

    if (!iscf->gateway || r->loc_conf != cscf->ctx->loc_conf) {
        return 0;
    }

    switch (r->err_status) {

    case NGX_HTTP_BAD_REQUEST:
    case NGX_HTTP_REQUEST_URI_TOO_LARGE:
    case NGX_HTTP_NOT_IMPLEMENTED:
    case NGX_HTTP_VERSION_NOT_SUPPORTED:
        return 1;

    default:
        return 0;
    }
}


static ngx_uint_t
ngx_http_iot_call_concerned(ngx_http_request_t *r)
{
    ngx_str_t                *type;
    ngx_http_iot_srv_conf_t  *iscf;

    static ngx_str_t  grpc = ngx_string("application/grpc");

    iscf = ngx_http_get_module_srv_conf(r, ngx_http_iot_module);

    if (!iscf->grpc || !ngx_http_iot_grpc_call(r)) {
        return 0;
    }

    type = &r->headers_out.content_type;

    return type->len < grpc.len
           || ngx_strncasecmp(type->data, grpc.data, grpc.len) != 0;
}


/*
 * err_status is set by ngx_http_special_response_handler() alone; it stays
 * over an internal redirect to the user's error_page.
 */
static ngx_uint_t
ngx_http_iot_raised(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    return r->err_status >= NGX_HTTP_BAD_REQUEST
           && (!ctx->answered || r->filter_finalize);
}


static ngx_int_t
ngx_http_iot_replace(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_error_t  err;

    ngx_http_iot_raised_error(r, &err);

    if (ngx_http_iot_call_concerned(r)) {
        ngx_http_iot_raised_status(&err);

        if (ngx_http_iot_grpc_status(r, &err) != NGX_OK) {
            return NGX_ERROR;
        }

    } else if (ngx_http_iot_replace_page(r, ctx, &err) != NGX_OK) {
        return NGX_ERROR;
    }

    ctx->answered = 1;
    ctx->code = ngx_iot_error_code(&err);

    return NGX_OK;
}


static ngx_int_t
ngx_http_iot_replace_page(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx,
    const ngx_iot_error_t *err)
{
    ngx_buf_t  *b;
    ngx_str_t   json;

    if (ngx_http_iot_status(r, NGX_IOT_JSON, err, &json) != NGX_OK
        || ngx_http_iot_error_headers(r, err) != NGX_OK)
    {
        return NGX_ERROR;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = json.data;
    b->last = json.data + json.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    ctx->page = b;

    ngx_http_iot_json_headers(r, json.len);

    return NGX_OK;
}


static void
ngx_http_iot_raised_error(ngx_http_request_t *r, ngx_iot_error_t *err)
{
    ngx_uint_t                    i, n;
    const ngx_http_iot_raised_t  *raised;

    n = sizeof(ngx_http_iot_raised_errors) / sizeof(ngx_http_iot_raised_t);

    for (i = 0; i < n; i++) {
        raised = &ngx_http_iot_raised_errors[i];

        if (raised->status == r->err_status) {
            ngx_memzero(err, sizeof(ngx_iot_error_t));

            err->reason = raised->reason;
            err->field = raised->field;
            err->message = raised->message;

            if (ngx_iot_error_code(err) == NGX_IOT_NOT_FOUND) {
                ngx_str_set(&err->resource_type, "path");
                err->resource_name = r->uri;
            }

            return;
        }
    }

    if (r->err_status < NGX_HTTP_INTERNAL_SERVER_ERROR) {
        ngx_iot_error(err, REQUEST_REFUSED, "the server refused the request");

    } else {
        ngx_iot_error(err, INTERNAL_ERROR,
                      "the gateway failed; its error log tells more");
    }
}


/* of two errors gRPC has other codes than REST */
static void
ngx_http_iot_raised_status(ngx_iot_error_t *err)
{
    switch (err->reason) {

    case NGX_IOT_REASON_ROUTE_NOT_FOUND:
        ngx_iot_error(err, RPC_NOT_FOUND, "the API has no such method");
        break;

    case NGX_IOT_REASON_REQUEST_TOO_LARGE:
        ngx_iot_error(err, MESSAGE_TOO_LARGE, "the message is too large");
        break;

    default:
        break;
    }
}
