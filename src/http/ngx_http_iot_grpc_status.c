
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"
#include "ngx_iot_grpc.h"


static ngx_int_t ngx_http_iot_grpc_add_code(ngx_http_request_t *r,
    ngx_uint_t code);
static ngx_int_t ngx_http_iot_grpc_add_message(ngx_http_request_t *r,
    const ngx_str_t *message);
static ngx_int_t ngx_http_iot_grpc_add_details(ngx_http_request_t *r,
    const ngx_iot_error_t *err);


ngx_int_t
ngx_http_iot_grpc_send_error(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_iot_error_t  *err;

    err = &ctx->call.error;

    ngx_http_iot_deadline_stop(ctx);

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    if (ngx_http_iot_grpc_status(r, err) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answered = 1;
    ctx->code = ngx_iot_error_code(err);

    return ngx_http_send_header(r);
}


/*
 * Headers that end the stream, "Trailers-Only": the nodejs SDK makes of an
 * error in trailers that follow headers one without its code.
 */
ngx_int_t
ngx_http_iot_grpc_status(ngx_http_request_t *r, const ngx_iot_error_t *err)
{
    ngx_iot_error_t  trimmed;

    trimmed = *err;

    if (ngx_iot_grpc_trim(r->pool, &trimmed) != NGX_OK
        || ngx_http_iot_grpc_add_code(r, ngx_iot_error_code(err)) != NGX_OK
        || ngx_http_iot_grpc_add_message(r, &trimmed.message) != NGX_OK
        || ngx_http_iot_grpc_add_details(r, &trimmed) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_http_iot_grpc_headers(r);

    r->header_only = 1;

    return NGX_OK;
}


void
ngx_http_iot_grpc_headers(ngx_http_request_t *r)
{
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.status_line.len = 0;

    ngx_str_set(&r->headers_out.content_type, "application/grpc");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    ngx_str_null(&r->headers_out.charset);

    ngx_http_clear_content_length(r);

    /* gRPC has its own way to say that a message is compressed */

#if (NGX_HTTP_GZIP)
    r->gzip_tested = 1;
    r->gzip_ok = 0;
#endif
}


static ngx_int_t
ngx_http_iot_grpc_add_code(ngx_http_request_t *r, ngx_uint_t code)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, NGX_INT_T_LEN);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%ui", code) - value.data;

    return ngx_http_iot_add_header(r, "grpc-status", &value) ? NGX_OK
                                                             : NGX_ERROR;
}


static ngx_int_t
ngx_http_iot_grpc_add_message(ngx_http_request_t *r, const ngx_str_t *message)
{
    ngx_str_t  value;

    value.data = ngx_pnalloc(r->pool, 3 * message->len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_iot_grpc_escape(value.data, message) - value.data;

    return ngx_http_iot_add_header(r, "grpc-message", &value) ? NGX_OK
                                                              : NGX_ERROR;
}


/* google.rpc.Status in base64, without padding */
static ngx_int_t
ngx_http_iot_grpc_add_details(ngx_http_request_t *r,
    const ngx_iot_error_t *err)
{
    ngx_str_t  status, value;

    if (ngx_http_iot_status(r, NGX_IOT_PROTOBUF, err, &status) != NGX_OK) {
        return NGX_ERROR;
    }

    value.data = ngx_pnalloc(r->pool, ngx_base64_encoded_length(status.len));
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64(&value, &status);

    while (value.len && value.data[value.len - 1] == '=') {
        value.len--;
    }

    return ngx_http_iot_add_header(r, "grpc-status-details-bin", &value)
           ? NGX_OK : NGX_ERROR;
}
