
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_claim.h"
#include "ngx_iot_idempotency.h"


/* labels and log options, and room for a description in escapes */
#define NGX_IOT_METHOD_REGISTRY_BODY  65536


static ngx_uint_t ngx_iot_method_path(const ngx_iot_method_t *method,
    const ngx_str_t *path, ngx_iot_route_t *route);
static ngx_uint_t ngx_iot_method_match(const ngx_str_t *expected,
    const ngx_str_t *segment, ngx_uint_t last, ngx_iot_route_t *route);
static ngx_str_t *ngx_iot_method_field(const ngx_str_t *segment,
    ngx_iot_route_t *route);
static ngx_str_t ngx_iot_method_segment(u_char *p, u_char *last);
static ngx_uint_t ngx_iot_call_may_have_changed(const ngx_iot_call_t *call);
static void ngx_iot_call_outcome_unknown(ngx_iot_call_t *call);


static ngx_iot_service_t  *const ngx_iot_services[] = {
    ngx_iot_registry_service,
    ngx_iot_operation_service,
    ngx_iot_completion_service,
    ngx_iot_endpoint_service
};


ngx_int_t
ngx_iot_method_find(ngx_uint_t services, ngx_uint_t verb,
    const ngx_str_t *path, ngx_iot_route_t *route)
{
    ngx_str_t                name;
    ngx_uint_t               i;
    ngx_iot_route_t          found;
    ngx_iot_service_t       *row;
    const ngx_iot_method_t  *method;

    ngx_memzero(route, sizeof(ngx_iot_route_t));

    name = *path;

    if (name.len > 1 && name.data[name.len - 1] == '/') {
        name.len--;
    }

    for (i = 0; i < sizeof(ngx_iot_services) / sizeof(row); i++) {

        for (row = ngx_iot_services[i]; *row; row++) {
            method = *row;

            if (!(method->service & services)
                || !ngx_iot_method_path(method, &name, &found))
            {
                continue;
            }

            if (method->verb & verb) {
                found.method = method;
                *route = found;
                return NGX_OK;
            }

            found.allow = route->allow | method->verb;
            *route = found;
        }
    }

    return NGX_DECLINED;
}


/* compares segment by segment */
static ngx_uint_t
ngx_iot_method_path(const ngx_iot_method_t *method, const ngx_str_t *path,
    ngx_iot_route_t *route)
{
    u_char     *t, *p, *t_last, *p_last;
    ngx_str_t   expected, found;

    ngx_memzero(route, sizeof(ngx_iot_route_t));

    t = method->path.data;
    t_last = t + method->path.len;

    p = path->data;
    p_last = p + path->len;

    while (t < t_last && p < p_last) {

        if (*t++ != '/' || *p++ != '/') {
            return 0;
        }

        expected = ngx_iot_method_segment(t, t_last);
        found = ngx_iot_method_segment(p, p_last);

        if (!ngx_iot_method_match(&expected, &found, p + found.len == p_last,
                                  route))
        {
            return 0;
        }

        t += expected.len;
        p += found.len;
    }

    return t == t_last && p == p_last;
}


/*
 * {registry_id} and the like take any segment; what follows the brace is the
 * verb of a method: {registry_id}:enable.  A colon in the last segment begins
 * a verb, but for a fingerprint, which may have some itself.
 */
static ngx_uint_t
ngx_iot_method_match(const ngx_str_t *expected, const ngx_str_t *segment,
    ngx_uint_t last, ngx_iot_route_t *route)
{
    u_char     *verb, *end;
    size_t      len;
    ngx_str_t  *field;

    field = ngx_iot_method_field(expected, route);

    if (field == NULL) {
        return expected->len == segment->len
               && ngx_memcmp(expected->data, segment->data, segment->len) == 0;
    }

    end = expected->data + expected->len;
    verb = ngx_strlchr(expected->data, end, '}') + 1;
    len = end - verb;

    if (segment->len <= len
        || ngx_memcmp(segment->data + segment->len - len, verb, len) != 0)
    {
        return 0;
    }

    field->data = segment->data;
    field->len = segment->len - len;

    return !last || field == &route->fingerprint
           || ngx_strlchr(field->data, field->data + field->len, ':') == NULL;
}


/* where the value of a {field} goes; NULL: the segment is a literal */
static ngx_str_t *
ngx_iot_method_field(const ngx_str_t *segment, ngx_iot_route_t *route)
{
    if (segment->len == 0 || segment->data[0] != '{') {
        return NULL;
    }

    switch (segment->data[1]) {

    case 'e':
        return &route->endpoint_id;

    case 'f':
        return &route->fingerprint;

    case 'p':
        return &route->password_id;

    case 'r':
        return &route->registry_id;

    default:    /* {operation_id} */
        return &route->operation_id;
    }
}


static ngx_str_t
ngx_iot_method_segment(u_char *p, u_char *last)
{
    u_char     *slash;
    ngx_str_t   segment;

    slash = ngx_strlchr(p, last, '/');

    segment.data = p;
    segment.len = (slash ? slash : last) - p;

    return segment;
}


ngx_int_t
ngx_iot_method_find_rpc(ngx_uint_t services, const ngx_str_t *path,
    const ngx_iot_method_t **method)
{
    ngx_uint_t          i;
    const ngx_str_t    *rpc;
    ngx_iot_service_t  *row;

    for (i = 0; i < sizeof(ngx_iot_services) / sizeof(row); i++) {

        for (row = ngx_iot_services[i]; *row; row++) {
            rpc = &(*row)->rpc;

            if (((*row)->service & services)
                && rpc->len
                && rpc->len == path->len
                && ngx_memcmp(rpc->data, path->data, rpc->len) == 0)
            {
                *method = *row;
                return NGX_OK;
            }
        }
    }

    return NGX_DECLINED;
}


ngx_int_t
ngx_iot_method_read_params(ngx_iot_call_t *call)
{
    ngx_uint_t              n;
    ngx_iot_field_t         fields[NGX_IOT_PARAMS_MAX];
    const ngx_iot_param_t  *param;

    n = 0;

    for (param = call->method->params; param->name.len; param++) {

        if (param->number == 0) {
            continue;
        }

        fields[n].name = param->name;
        fields[n].json_name = param->json_name;
        fields[n].number = param->number;
        fields[n].value = (ngx_str_t *) ((u_char *) call + param->offset);
        fields[n].type = param->type;
        n++;
    }

    return ngx_iot_message_read(call->pool, call->wire, &call->body, fields, n,
                                &call->error);
}


const ngx_iot_param_t *
ngx_iot_method_param(const ngx_iot_method_t *method, size_t offset)
{
    const ngx_iot_param_t  *param;

    for (param = method->params; param->name.len; param++) {
        if (param->offset == offset) {
            return param;
        }
    }

    return NULL;
}


ngx_int_t
ngx_iot_method_prepare(ngx_iot_call_t *call)
{
    ngx_int_t  rc;

    if (call->method->flags & NGX_IOT_METHOD_MUTATION) {
        rc = ngx_iot_idempotency_check(call);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return call->method->prepare(call);
}


ngx_int_t
ngx_iot_method_finish(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    if (call->step) {
        return call->step(call, reply);
    }

    return call->method->finish(call, reply);
}


/*
 * certificate_data is the only large field.  JSON may write each of its bytes
 * as \u00XX; some room is left for other fields and white space.
 */
size_t
ngx_iot_method_body_limit(const ngx_iot_call_t *call)
{
    size_t  size;

    size = 6 * call->settings->certificate.max_size;

    if (call->method->flags & NGX_IOT_METHOD_CERTIFICATES) {
        return NGX_IOT_REGISTRY_CERTIFICATES_MAX * (size + 64)
               + NGX_IOT_METHOD_REGISTRY_BODY;
    }

    if (call->method->flags & NGX_IOT_METHOD_REGISTRY) {
        return NGX_IOT_METHOD_REGISTRY_BODY;
    }

    return size + 8192;
}


void
ngx_iot_method_write_operation(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_iot_operation_write(out, NULL, 0, &call->operation);
}


void
ngx_iot_call_unavailable(ngx_iot_call_t *call)
{
    ngx_iot_claim_abandon(call);

    ngx_iot_error(&call->error, STORE_UNAVAILABLE,
                  "the store is not available, nothing was changed");
}


void
ngx_iot_call_queue_full(ngx_iot_call_t *call)
{
    ngx_iot_claim_abandon(call);

    ngx_iot_error(&call->error, STORE_QUEUE_FULL,
                  "too many requests wait for the store, nothing was changed");
}


void
ngx_iot_call_timed_out(ngx_iot_call_t *call)
{
    if (ngx_iot_call_may_have_changed(call)) {
        ngx_iot_error(&call->error, STORE_TIMEOUT_UNKNOWN,
                      "the store did not answer in time; the operation tells "
                      "whether the change was made");
        ngx_iot_call_outcome_unknown(call);
        return;
    }

    ngx_iot_claim_abandon(call);

    if (call->certain) {
        ngx_iot_error(&call->error, STORE_UNAVAILABLE,
                      "the store did not answer in time, nothing was changed");
        return;
    }

    ngx_iot_error(&call->error, STORE_TIMEOUT,
                  "the store did not answer in time");
}


/* the change stays, unless a failover loses it */
void
ngx_iot_call_unreplicated(ngx_iot_call_t *call)
{
    if (!ngx_iot_call_may_have_changed(call)) {
        ngx_iot_call_timed_out(call);
        return;
    }

    ngx_iot_error(&call->error, STORE_TIMEOUT_UNKNOWN,
                  "too few replicas of the store have the change as yet; the "
                  "operation tells whether it was made");
    ngx_iot_call_outcome_unknown(call);
}


void
ngx_iot_call_link_lost(ngx_iot_call_t *call)
{
    if (ngx_iot_call_may_have_changed(call)) {
        ngx_iot_error(&call->error, STORE_LOST_UNKNOWN,
                      "the connection to the store broke; the operation tells "
                      "whether the change was made");
        ngx_iot_call_outcome_unknown(call);
        return;
    }

    ngx_iot_claim_abandon(call);

    ngx_iot_error(&call->error, STORE_UNAVAILABLE,
                  "the connection to the store broke");
}


void
ngx_iot_call_expired(ngx_iot_call_t *call)
{
    if (ngx_iot_call_may_have_changed(call)) {
        ngx_iot_error(&call->error, STORE_TIMEOUT_UNKNOWN,
                      "the deadline of the call passed before the store "
                      "answered; the operation tells whether the change was "
                      "made");
        ngx_iot_call_outcome_unknown(call);
        return;
    }

    ngx_iot_claim_abandon(call);

    ngx_iot_error(&call->error, DEADLINE_PASSED,
                  "the deadline of the call passed");
}


void
ngx_iot_call_aborted(ngx_iot_call_t *call)
{
    if (call->claim && !ngx_iot_call_may_have_changed(call)) {
        ngx_iot_claim_abandon(call);
    }
}


/* what a mutation reads first, before it has an operation, changes nothing */
static ngx_uint_t
ngx_iot_call_may_have_changed(const ngx_iot_call_t *call)
{
    return (call->method->flags & NGX_IOT_METHOD_MUTATION)
           && call->operation.id.len
           && !call->certain;
}


static void
ngx_iot_call_outcome_unknown(ngx_iot_call_t *call)
{
    static ngx_str_t  unknown = ngx_string("UNKNOWN");

    ngx_iot_error_metadata(&call->error, "operationId", &call->operation.id);
    ngx_iot_error_metadata(&call->error, "outcome", &unknown);
}


ngx_int_t
ngx_iot_call_store_failed(ngx_iot_call_t *call, ngx_iot_store_result_e result)
{
    static ngx_uint_t  told;

    if (result == NGX_IOT_STORE_NEWER) {
        ngx_iot_error(&call->error, STORE_NEWER_FORMAT,
                      "the store holds a record of a newer version of this "
                      "gateway; nothing was changed");

        /* once per process: one such record may be met by every request */

        if (!told) {
            told = 1;
            ngx_log_error(NGX_LOG_ERR, call->log, 0,
                          "iot store: a record has a newer format than this "
                          "version of the gateway knows, requests that need "
                          "such records are refused");
        }

    } else if (result == NGX_IOT_STORE_REUSED) {
        ngx_iot_field_error(&call->error, IDEMPOTENCY_KEY_REUSED,
                            "idempotency_key",
                            "another request was made under this "
                            "Idempotency-Key");

    } else {
        ngx_iot_error(&call->error, INTERNAL_ERROR,
                      "the store gave an answer that makes no sense here");
    }

    return NGX_DECLINED;
}
