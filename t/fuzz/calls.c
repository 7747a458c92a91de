
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "calls.h"
#include "ngx_iot_json.h"
#include "ngx_iot_protobuf.h"
#include "ngx_iot_slots.h"


#define FUZZ_CALLS_PREFIX  "gw:"
#define FUZZ_CALLS_NOW     1795500000123


static ngx_uint_t fuzz_call_find(ngx_str_t *line, ngx_iot_route_t *route);
static ngx_uint_t fuzz_call_verb(ngx_str_t *line);
static void fuzz_call_check_route(const ngx_iot_route_t *route,
    ngx_uint_t verb, const ngx_str_t *path);
static void fuzz_call_set(fuzz_call_t *fuzz, ngx_pool_t *pool,
    ngx_uint_t flags);
static void fuzz_call_query(ngx_iot_call_t *call, const ngx_str_t *query);
static void fuzz_call_query_field(ngx_iot_call_t *call,
    const ngx_str_t *field);
static ngx_uint_t fuzz_call_same(const ngx_str_t *a, const ngx_str_t *b);
static void fuzz_call_unescape(ngx_pool_t *pool, ngx_str_t *value,
    const ngx_str_t *text);

static void fuzz_call_check_request(const ngx_iot_call_t *call,
    const ngx_iot_resp_request_t *request);
static void fuzz_call_check_keys(const ngx_iot_call_t *call,
    const ngx_iot_resp_request_t *request);
static void fuzz_call_check_error(fuzz_call_t *fuzz);
static void fuzz_call_write_error(ngx_iot_out_t *out, const void *data);
static void fuzz_call_render(fuzz_call_t *fuzz, ngx_iot_out_pt write);
static void fuzz_call_check_text(fuzz_call_t *fuzz);
static void fuzz_call_require(ngx_uint_t cond);


fuzz_call_t *
fuzz_call_create(ngx_pool_t *pool, const ngx_str_t *line, ngx_uint_t flags)
{
    fuzz_call_t      *fuzz;
    ngx_str_t         query;
    ngx_iot_route_t   route;

    query = *line;

    if (!fuzz_call_find(&query, &route)) {
        return NULL;
    }

    fuzz = ngx_pcalloc(pool, sizeof(fuzz_call_t));
    fuzz_call_require(fuzz != NULL);

    fuzz->call.method = route.method;
    fuzz->call.registry_id = route.registry_id;
    fuzz->call.operation_id = route.operation_id;
    fuzz->call.fingerprint = route.fingerprint;

    fuzz_call_set(fuzz, pool, flags);
    fuzz_call_query(&fuzz->call, &query);

    return fuzz;
}


/* leaves the query in line */
static ngx_uint_t
fuzz_call_find(ngx_str_t *line, ngx_iot_route_t *route)
{
    ngx_str_t    path;
    ngx_int_t    rc;
    ngx_uint_t   verb, allow;

    verb = fuzz_call_verb(line);

    path = *line;

    while (line->len && *line->data != '?') {
        line->data++;
        line->len--;
    }

    path.len -= line->len;

    rc = ngx_iot_method_find(NGX_IOT_ALL_SERVICES, verb, &path, route);

    if (rc != NGX_OK) {
        fuzz_call_require(rc == NGX_DECLINED);
        fuzz_call_require(!(route->allow & verb));

        allow = route->allow & ~(route->allow - 1);

        if (allow == 0) {
            return 0;
        }

        verb = allow;
        rc = ngx_iot_method_find(NGX_IOT_ALL_SERVICES, verb, &path, route);
        fuzz_call_require(rc == NGX_OK);
    }

    fuzz_call_check_route(route, verb, &path);

    return 1;
}


static ngx_uint_t
fuzz_call_verb(ngx_str_t *line)
{
    ngx_uint_t  i;

    static const struct {
        ngx_str_t   name;
        ngx_uint_t  verb;
    } verbs[] = {
        { ngx_string("GET "), NGX_IOT_GET },
        { ngx_string("POST "), NGX_IOT_POST },
        { ngx_string("PATCH "), NGX_IOT_PATCH },
        { ngx_string("DELETE "), NGX_IOT_DELETE }
    };

    for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {

        if (line->len >= verbs[i].name.len
            && ngx_memcmp(line->data, verbs[i].name.data, verbs[i].name.len)
               == 0)
        {
            line->data += verbs[i].name.len;
            line->len -= verbs[i].name.len;

            return verbs[i].verb;
        }
    }

    return NGX_IOT_GET;
}


/* what is named is in the path, which is found with a slash at its end too */
static void
fuzz_call_check_route(const ngx_iot_route_t *route, ngx_uint_t verb,
    const ngx_str_t *path)
{
    u_char            slashed[512];
    ngx_str_t         text;
    ngx_uint_t        i;
    ngx_iot_route_t   again;
    const ngx_str_t  *names[3];

    fuzz_call_require((route->method->verb & verb) != 0);

    names[0] = &route->registry_id;
    names[1] = &route->operation_id;
    names[2] = &route->fingerprint;

    for (i = 0; i < 3; i++) {
        if (names[i]->data == NULL) {
            fuzz_call_require(names[i]->len == 0);
            continue;
        }

        fuzz_call_require(names[i]->data > path->data
                          && names[i]->data + names[i]->len
                             <= path->data + path->len);
        fuzz_call_require(names[i]->len == 0
                          || ngx_strlchr(names[i]->data,
                                         names[i]->data + names[i]->len, '/')
                             == NULL);
    }

    if (path->len >= sizeof(slashed) || path->data[path->len - 1] == '/') {
        return;
    }

    ngx_memcpy(slashed, path->data, path->len);
    slashed[path->len] = '/';

    text.data = slashed;
    text.len = path->len + 1;

    fuzz_call_require(ngx_iot_method_find(NGX_IOT_ALL_SERVICES, verb, &text,
                                          &again)
                      == NGX_OK);
    fuzz_call_require(again.method == route->method);
}


static void
fuzz_call_set(fuzz_call_t *fuzz, ngx_pool_t *pool, ngx_uint_t flags)
{
    ngx_iot_call_t      *call;
    ngx_iot_settings_t  *settings;

    call = &fuzz->call;
    settings = &fuzz->settings;

    settings->certificate.min_rsa_bits = 2048;
    settings->certificate.max_size = 65536;
    settings->operation_retention = (ngx_iot_msec_t) 30 * 24 * 3600 * 1000;
    settings->idempotency_retention = (ngx_iot_msec_t) 24 * 3600 * 1000;
    settings->certificate_limit = (flags & FUZZ_CALLS_LIMIT) ? 10 : 0;
    settings->open = ((flags & FUZZ_CALLS_OPEN) != 0);
    settings->backend = ((flags & FUZZ_CALLS_BACKEND) != 0);
    settings->import = 1;

    call->settings = settings;
    call->pool = pool;
    call->log = &unit_log;
    call->now = FUZZ_CALLS_NOW;

    ngx_memset(call->random, 0xa5, NGX_IOT_CALL_RANDOM_LEN);
    ngx_str_set(&call->caller, "alice");

    call->store.pool = pool;
    call->store.log = &unit_log;
    call->store.open = settings->open;
    call->store.limit = settings->certificate_limit;
    call->store.cluster = ((flags & FUZZ_CALLS_CLUSTER) != 0);
    call->store.retention = settings->operation_retention;
    call->store.idempotency_retention = settings->idempotency_retention;
    ngx_str_set(&call->store.key_prefix, FUZZ_CALLS_PREFIX);

    if (flags & FUZZ_CALLS_KEY) {
        ngx_str_set(&call->idempotency_key,
                    "123e4567-e89b-12d3-a456-426614174000");
    }
}


static void
fuzz_call_query(ngx_iot_call_t *call, const ngx_str_t *query)
{
    u_char     *p, *last, *end;
    ngx_str_t   field;

    p = query->data;
    last = p + query->len;

    while (p < last) {
        field.data = ++p;

        end = ngx_strlchr(p, last, '&');
        end = end ? end : last;

        field.len = end - p;
        p = end;

        fuzz_call_query_field(call, &field);
    }
}


/* a parameter of the method, or one of ours, which have capitals */
static void
fuzz_call_query_field(ngx_iot_call_t *call, const ngx_str_t *field)
{
    u_char                 *last, *equals;
    ngx_str_t               name, text;
    const ngx_iot_param_t  *param;

    last = field->data + field->len;
    equals = ngx_strlchr(field->data, last, '=');

    if (equals == NULL) {
        return;
    }

    name.data = field->data;
    name.len = equals - field->data;

    text.data = equals + 1;
    text.len = last - text.data;

    for (param = call->method->params; param->name.len; param++) {

        if (!param->path
            && (fuzz_call_same(&name, &param->name)
                || fuzz_call_same(&name, &param->json_name)))
        {
            fuzz_call_unescape(call->pool,
                               (ngx_str_t *) ((u_char *) call + param->offset),
                               &text);
        }
    }

    if (name.len != 1) {
        return;
    }

    switch (name.data[0]) {

    case 'K':
        fuzz_call_unescape(call->pool, &call->idempotency_key, &text);
        break;

    case 'D':
        fuzz_call_unescape(call->pool, &call->dry_run, &text);
        break;

    case 'B':
        fuzz_call_unescape(call->pool, &call->body, &text);
        break;
    }
}


static ngx_uint_t
fuzz_call_same(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}


/* as the door does it */
static void
fuzz_call_unescape(ngx_pool_t *pool, ngx_str_t *value, const ngx_str_t *text)
{
    u_char  *src, *dst;

    dst = ngx_pnalloc(pool, text->len);
    fuzz_call_require(dst != NULL);

    value->data = dst;
    src = text->data;

    ngx_unescape_uri(&dst, &src, text->len, 0);

    value->len = dst - value->data;
}


void
fuzz_call_check(fuzz_call_t *fuzz, ngx_int_t rc)
{
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    call = &fuzz->call;

    switch (rc) {

    case NGX_AGAIN:

        if (call->nrequests == 0) {
            fuzz_call_check_request(call, &call->request);
        }

        for (i = 0; i < call->nrequests; i++) {
            fuzz_call_check_request(call, &call->requests[i]);
        }

        return;

    case NGX_OK:
        fuzz_call_render(fuzz, call->method->write);
        fuzz_call_check_text(fuzz);
        return;

    case NGX_BUSY:
        fuzz_call_require(call->method->more != NULL);
        fuzz_call_render(fuzz, call->method->write);
        return;

    case NGX_DECLINED:
        fuzz_call_check_error(fuzz);
        return;

    case NGX_ERROR:
        fuzz_call_require(call->purge != NULL);
        return;

    default:
        fuzz_call_require(rc == NGX_DONE
                          && (call->method->flags & NGX_IOT_METHOD_SLICES));
    }
}


static void
fuzz_call_check_request(const ngx_iot_call_t *call,
    const ngx_iot_resp_request_t *request)
{
    size_t   size;
    u_char  *p;

    fuzz_call_require(request->argc != 0 && request->argv != NULL);
    fuzz_call_require(request->argc >= request->nkeys);

    size = ngx_iot_resp_size(request, 0);

    p = ngx_alloc(size, &unit_log);
    fuzz_call_require(p != NULL);
    fuzz_call_require(ngx_iot_resp_write(p, request, 0) <= p + size);
    ngx_free(p);

    if (request->script) {
        fuzz_call_check_keys(call, request);
    }
}


static void
fuzz_call_check_keys(const ngx_iot_call_t *call,
    const ngx_iot_resp_request_t *request)
{
    ngx_uint_t        i;
    const ngx_str_t  *key;

    for (i = 0; i < request->nkeys; i++) {
        key = &request->argv[i];

        fuzz_call_require(key->len >= sizeof(FUZZ_CALLS_PREFIX)
                          && ngx_memcmp(key->data, FUZZ_CALLS_PREFIX "{",
                                        sizeof(FUZZ_CALLS_PREFIX))
                             == 0);

        fuzz_call_require(!call->store.cluster
                          || !request->writes
                          || ngx_iot_slots_of_key(key)
                             == ngx_iot_slots_of_key(&request->argv[0]));
    }
}


/* an answer that has begun is cut off by it; else it is the answer */
static void
fuzz_call_check_error(fuzz_call_t *fuzz)
{
    fuzz_call_require(fuzz->call.error.message.len != 0);
    fuzz_call_require(fuzz->call.error.reason < NGX_IOT_REASON_MAX);

    fuzz_call_done(fuzz);
    fuzz_call_render(fuzz, fuzz_call_write_error);
    fuzz_call_check_text(fuzz);
}


static void
fuzz_call_write_error(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    static const ngx_str_t  request_id = ngx_string("0123456789abcdef");

    ngx_iot_error_write(out, &call->error, &request_id);
}


/* after the parts that came before */
static void
fuzz_call_render(fuzz_call_t *fuzz, ngx_iot_out_pt write)
{
    u_char     *p;
    ngx_str_t   part;

    fuzz_call_require(ngx_iot_out_render(fuzz->call.pool, fuzz->call.wire,
                                         write, &fuzz->call, &part)
                      == NGX_OK);

    p = realloc(fuzz->text.data, fuzz->text.len + part.len + 1);
    fuzz_call_require(p != NULL);

    ngx_memcpy(p + fuzz->text.len, part.data, part.len);

    fuzz->text.data = p;
    fuzz->text.len += part.len;
}


/* an empty message has no bytes */
static void
fuzz_call_check_text(fuzz_call_t *fuzz)
{
    ngx_int_t            rc;
    ngx_iot_error_t      err;
    ngx_iot_protobuf_t   pb;

    if (fuzz->call.wire == NGX_IOT_PROTOBUF) {
        ngx_iot_protobuf_begin(&pb, &fuzz->text, 1);

        do {
            rc = ngx_iot_protobuf_next(&pb);
        } while (rc == NGX_OK);

        fuzz_call_require(rc == NGX_DONE);
        return;
    }

    fuzz_call_require(fuzz->text.len != 0);
    fuzz_call_require(ngx_iot_json_read(fuzz->call.pool, &fuzz->text, NULL, 0,
                                        &err)
                      == NGX_OK);
}


void
fuzz_call_done(fuzz_call_t *fuzz)
{
    free(fuzz->text.data);
    ngx_str_null(&fuzz->text);
}


static void
fuzz_call_require(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
