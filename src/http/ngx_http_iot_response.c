
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


typedef struct {
    const ngx_iot_error_t  *error;
    ngx_str_t               request_id;
} ngx_http_iot_status_t;


static void ngx_http_iot_status_write(ngx_iot_out_t *out,
    const void *data);
static ngx_uint_t ngx_http_iot_error_page(ngx_http_request_t *r,
    ngx_uint_t status);
static ngx_uint_t ngx_http_iot_error_status(const ngx_iot_error_t *err);
static void ngx_http_iot_make_request_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v);
static ngx_uint_t ngx_http_iot_has_header(ngx_http_request_t *r,
    const char *key);


const ngx_http_iot_door_t  ngx_http_iot_rest_door = {
    ngx_http_iot_send_answer,
    ngx_http_iot_send_part,
    ngx_http_iot_send_error
};


ngx_int_t
ngx_http_iot_send_answer(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_str_t  json;

    if (ctx->parts) {
        return ngx_http_iot_send_last_part(r, ctx);
    }

    if (ngx_iot_out_render(r->pool, ctx->call.wire, ctx->call.method->write,
                           &ctx->call, &json)
        != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_iot_poll_interval(r, &ctx->call.operation) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answered = 1;
    ctx->code = NGX_IOT_OK;

    return ngx_http_iot_send(r, NGX_HTTP_OK, &json);
}


/* an operation that is not done says when to ask again */
ngx_int_t
ngx_http_iot_poll_interval(ngx_http_request_t *r,
    const ngx_iot_operation_t *operation)
{
    static ngx_str_t  seconds = ngx_string("1");

    if (operation->id.len == 0 || operation->done) {
        return NGX_OK;
    }

    return ngx_http_iot_add_header(r, "x-operation-poll-interval", &seconds)
           ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_http_iot_send_error(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx)
{
    ngx_str_t         json;
    ngx_uint_t        status;
    ngx_iot_error_t  *err;

    err = &ctx->call.error;
    status = ngx_http_iot_error_status(err);

    /* who waits for 100 Continue is not invited to send what is refused */

    r->expect_tested = 1;

    /* what is not read now would be taken for the next request */

    if (ngx_http_discard_request_body(r) != NGX_OK) {
        r->keepalive = 0;
    }

    if (ngx_http_iot_error_headers(r, err) != NGX_OK
        || ngx_http_iot_status(r, NGX_IOT_JSON, err, &json) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->answered = 1;
    ctx->code = ngx_iot_error_code(err);

    if (ngx_http_iot_error_page(r, status)) {
        return status;
    }

    return ngx_http_iot_send(r, status, &json);
}


/* as ngx_http_special_response_handler() looks for it */
static ngx_uint_t
ngx_http_iot_error_page(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->error_page || clcf->error_pages == NULL || r->uri_changes == 0) {
        return 0;
    }

    page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_iot_send(ngx_http_request_t *r, ngx_uint_t status, ngx_str_t *json)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    r->headers_out.status = status;
    ngx_http_iot_json_headers(r, json->len);

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = json->data;
    b->last = json->data + json->len;
    b->memory = 1;
    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_http_iot_status(ngx_http_request_t *r, ngx_iot_wire_e wire,
    const ngx_iot_error_t *err, ngx_str_t *text)
{
    ngx_http_iot_status_t  status;

    status.error = err;
    status.request_id = ngx_http_iot_request_id(r);

    return ngx_iot_out_render(r->pool, wire, ngx_http_iot_status_write,
                              &status, text);
}


static void
ngx_http_iot_status_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_http_iot_status_t  *status = data;

    ngx_iot_error_write(out, status->error, &status->request_id);
}


/* some reasons have an HTTP status that is more exact than their code's */
static ngx_uint_t
ngx_http_iot_error_status(const ngx_iot_error_t *err)
{
    switch (err->reason) {

    case NGX_IOT_REASON_METHOD_NOT_ALLOWED:
        return NGX_HTTP_NOT_ALLOWED;

    case NGX_IOT_REASON_REQUEST_TOO_LARGE:
        return NGX_HTTP_REQUEST_ENTITY_TOO_LARGE;

    case NGX_IOT_REASON_GRPC_REQUIRED:
        return NGX_HTTP_UNSUPPORTED_MEDIA_TYPE;

    case NGX_IOT_REASON_HTTP2_REQUIRED:
        return NGX_HTTP_VERSION_NOT_SUPPORTED;

    default:
        return ngx_iot_code_status(ngx_iot_error_code(err));
    }
}


ngx_int_t
ngx_http_iot_error_headers(ngx_http_request_t *r, const ngx_iot_error_t *err)
{
    ngx_table_elt_t  *h;

    static ngx_str_t  bearer = ngx_string("Bearer");
    static ngx_str_t  retry_after = ngx_string("1");

    if (ngx_iot_error_retryable(err)
        && !ngx_http_iot_has_header(r, "Retry-After")
        && ngx_http_iot_add_header(r, "Retry-After", &retry_after) == NULL)
    {
        return NGX_ERROR;
    }

    if (ngx_iot_error_code(err) == NGX_IOT_UNAUTHENTICATED
        && r->headers_out.www_authenticate == NULL)
    {
        h = ngx_http_iot_add_header(r, "WWW-Authenticate", &bearer);
        if (h == NULL) {
            return NGX_ERROR;
        }

        r->headers_out.www_authenticate = h;
    }

    return NGX_OK;
}


void
ngx_http_iot_json_headers(ngx_http_request_t *r, size_t len)
{
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    r->headers_out.content_length_n = len;
}


ngx_table_elt_t *
ngx_http_iot_add_header(ngx_http_request_t *r, const char *key,
    const ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
    h->key.data = (u_char *) key;
    h->key.len = ngx_strlen(key);
    h->value = *value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return h;
}


static ngx_uint_t
ngx_http_iot_has_header(ngx_http_request_t *r, const char *key)
{
    size_t            len;
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    len = ngx_strlen(key);

    for (part = &r->headers_out.headers.part; part; part = part->next) {
        h = part->elts;

        for (i = 0; i < part->nelts; i++) {
            if (h[i].hash
                && h[i].key.len == len
                && ngx_strncasecmp(h[i].key.data, (u_char *) key, len) == 0)
            {
                return 1;
            }
        }
    }

    return 0;
}


ngx_str_t
ngx_http_iot_request_id(ngx_http_request_t *r)
{
    ngx_str_t                   id;
    ngx_http_variable_value_t  *v;
    ngx_http_iot_main_conf_t   *imcf;

    imcf = ngx_http_get_module_main_conf(r, ngx_http_iot_module);

    v = &r->variables[imcf->request_id];

    if (!v->valid && !v->not_found) {
        ngx_http_iot_make_request_id(r, v);
    }

    ngx_str_null(&id);

    if (v->valid) {
        id.data = v->data;
        id.len = v->len;
    }

    return id;
}


/*
 * $request_id as nginx makes it, 16 random bytes in hex, for all who read the
 * variable after this; but without a call of RAND_bytes() for each request.
 */
static void
ngx_http_iot_make_request_id(ngx_http_request_t *r,
    ngx_http_variable_value_t *v)
{
    u_char  *id, random[16];

    id = ngx_pnalloc(r->pool, 2 * sizeof(random));

    if (id == NULL
        || ngx_http_iot_random(random, sizeof(random), r->connection->log)
           != NGX_OK)
    {
        return;
    }

    ngx_hex_dump(id, random, sizeof(random));

    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
    v->len = 2 * sizeof(random);
    v->data = id;
}
