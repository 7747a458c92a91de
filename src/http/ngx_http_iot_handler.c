
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


static ngx_int_t ngx_http_iot_admit(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_int_t ngx_http_iot_no_route(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
static ngx_uint_t ngx_http_iot_grpc(ngx_http_request_t *r);
static ngx_int_t ngx_http_iot_query(ngx_http_request_t *r,
    ngx_iot_call_t *call);
static void ngx_http_iot_body_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_iot_body_ready(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);


ngx_int_t
ngx_http_iot_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_iot_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->door = &ngx_http_iot_rest_door;

    /* an answer is not a document: If-None-Match and the like mean nothing */

    r->disable_not_modified = 1;

    rc = ngx_http_iot_admit(r, ctx);

    if (rc == NGX_DECLINED) {
        return ngx_http_iot_send_error(r, ctx);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!(ctx->call.method->flags & NGX_IOT_METHOD_BODY)) {

        rc = ngx_http_discard_request_body(r);
        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_http_iot_call_start(r, ctx);

        if (rc == NGX_DONE) {
            /* the content phase drops one reference, the completion another */
            r->main->count++;
        }

        return rc;
    }

    if (ctx->call.method->flags & NGX_IOT_METHOD_SLICES) {
        ngx_http_iot_slices_init(r);

    } else {
        r->request_body_in_single_buf = 1;
    }

    rc = ngx_http_read_client_request_body(r, ngx_http_iot_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/*
 * The contract's order of checks: caller, route and verb, access, size.
 * NGX_DECLINED: refused, the error is in the call.
 */
static ngx_int_t
ngx_http_iot_admit(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_int_t                 rc;
    ngx_iot_call_t           *call;
    ngx_http_iot_loc_conf_t  *ilcf;

    call = &ctx->call;
    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    if (ngx_http_iot_call_init(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (call->caller.len == 0
        && ilcf->services != NGX_IOT_ENDPOINT_SERVICE)
    {
        ngx_iot_error(&call->error, CALLER_REQUIRED,
                      "the request carries no valid credentials");
        return NGX_DECLINED;
    }

    if (ngx_http_iot_route(r, ilcf->services, &ctx->route) != NGX_OK) {
        return ngx_http_iot_no_route(r, ctx);
    }

    call->method = ctx->route.method;
    call->registry_id = ctx->route.registry_id;
    call->operation_id = ctx->route.operation_id;
    call->fingerprint = ctx->route.fingerprint;
    call->endpoint_id = ctx->route.endpoint_id;

    if (ngx_http_iot_grpc(r)) {
        ngx_iot_error(&call->error, GRPC_NOT_SERVED,
                      "this location speaks REST with JSON, not gRPC");
        return NGX_DECLINED;
    }

    if (ngx_http_iot_query(r, call) != NGX_OK) {
        return NGX_ERROR;
    }

    if (!(call->method->flags & NGX_IOT_METHOD_LATE)) {

        rc = ngx_http_iot_authorize(r, ctx);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_http_iot_header(r, "idempotency-key", &call->idempotency_key);

    if (call->method->flags & NGX_IOT_METHOD_SLICES) {
        return NGX_OK;
    }

    if ((call->method->flags & NGX_IOT_METHOD_BODY)
        && r->headers_in.content_length_n
           > (off_t) ngx_iot_method_body_limit(call))
    {
        ngx_iot_field_error(&call->error, REQUEST_TOO_LARGE, "body",
                            "the request body is too large");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_iot_no_route(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_error_t  *err;

    err = &ctx->call.error;

    if (ctx->route.allow) {
        ngx_iot_error(err, METHOD_NOT_ALLOWED,
                      "the path does not serve this HTTP method");

        if (ngx_http_iot_allow(r, ctx->route.allow) != NGX_OK) {
            return NGX_ERROR;
        }

        return NGX_DECLINED;
    }

    ngx_iot_error(err, ROUTE_NOT_FOUND, "the API has no such path");

    ngx_str_set(&err->resource_type, "path");
    err->resource_name = r->uri;

    return NGX_DECLINED;
}


ngx_int_t
ngx_http_iot_allow(ngx_http_request_t *r, ngx_uint_t verbs)
{
    u_char     *p;
    ngx_str_t   allow;

    p = ngx_pnalloc(r->pool, sizeof("GET, HEAD, POST, DELETE, PATCH, ") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    allow.data = p;

    if (verbs & NGX_IOT_GET) {
        p = ngx_cpymem(p, "GET, HEAD, ", sizeof("GET, HEAD, ") - 1);
    }

    if (verbs & NGX_IOT_POST) {
        p = ngx_cpymem(p, "POST, ", sizeof("POST, ") - 1);
    }

    if (verbs & NGX_IOT_DELETE) {
        p = ngx_cpymem(p, "DELETE, ", sizeof("DELETE, ") - 1);
    }

    if (verbs & NGX_IOT_PATCH) {
        p = ngx_cpymem(p, "PATCH, ", sizeof("PATCH, ") - 1);
    }

    allow.len = p - allow.data - (sizeof(", ") - 1);

    return ngx_http_iot_add_header(r, "Allow", &allow) ? NGX_OK : NGX_ERROR;
}


static ngx_uint_t
ngx_http_iot_grpc(ngx_http_request_t *r)
{
    ngx_table_elt_t  *type;

    type = r->headers_in.content_type;

    return type != NULL
           && type->value.len >= sizeof("application/grpc") - 1
           && ngx_strncasecmp(type->value.data, (u_char *) "application/grpc",
                              sizeof("application/grpc") - 1)
              == 0;
}


/* what the query says, as far as the method gives it a meaning */
static ngx_int_t
ngx_http_iot_query(ngx_http_request_t *r, ngx_iot_call_t *call)
{
    ngx_str_t              *value;
    const ngx_iot_param_t  *param;

    for (param = call->method->params; param->name.len; param++) {

        if (param->path) {
            continue;
        }

        value = (ngx_str_t *) ((u_char *) call + param->offset);

        if (ngx_http_iot_query_param(r, param, value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_iot_query_param(ngx_http_request_t *r, const ngx_iot_param_t *param,
    ngx_str_t *value)
{
    u_char           *src, *dst;
    ngx_str_t         raw;
    const ngx_str_t  *name, *json_name;

    name = &param->name;
    json_name = &param->json_name;

    if (ngx_http_arg(r, json_name->data, json_name->len, &raw) != NGX_OK
        && ngx_http_arg(r, name->data, name->len, &raw) != NGX_OK)
    {
        ngx_str_null(value);
        return NGX_OK;
    }

    dst = ngx_pnalloc(r->pool, raw.len);
    if (dst == NULL) {
        return NGX_ERROR;
    }

    value->data = dst;
    src = raw.data;

    ngx_unescape_uri(&dst, &src, raw.len, 0);

    value->len = dst - value->data;

    return NGX_OK;
}


static void
ngx_http_iot_body_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_http_iot_module);

    rc = ngx_http_iot_body_ready(r, ctx);

    if (rc != NGX_DONE) {
        ngx_http_finalize_request(r, rc);
    }

    /* else the reader's reference to the request goes to the completion */
}


static ngx_int_t
ngx_http_iot_body_ready(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_int_t        rc;
    ngx_iot_call_t  *call;

    call = &ctx->call;

    if (call->method->flags & NGX_IOT_METHOD_SLICES) {
        return ngx_http_iot_call_start(r, ctx);
    }

    rc = ngx_http_iot_body(r, ngx_iot_method_body_limit(call), &call->body);

    if (rc == NGX_DECLINED) {
        ngx_iot_field_error(&call->error, REQUEST_TOO_LARGE, "body",
                            "the request body is too large");
        return ngx_http_iot_send_error(r, ctx);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_iot_call_start(r, ctx);
}
