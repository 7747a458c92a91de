
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


#define NGX_HTTP_IOT_REGISTRY_ID   0
#define NGX_HTTP_IOT_OPERATION_ID  1
#define NGX_HTTP_IOT_FINGERPRINT   2

/* the longest name: a SHA-256 in hex with colons */
#define NGX_HTTP_IOT_NAME_LEN      95


/* where a name stands in ngx_iot_call_t and in ngx_iot_route_t */

typedef struct {
    size_t   call;
    size_t   route;
} ngx_http_iot_name_place_t;


static ngx_int_t ngx_http_iot_caller_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_iot_method_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_iot_name_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_iot_folder_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_iot_code_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_iot_store_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_http_iot_variable_route(ngx_http_request_t *r,
    ngx_iot_route_t *route);
static ngx_int_t ngx_http_iot_variable_name(ngx_http_variable_value_t *v,
    const ngx_str_t *name);
static ngx_int_t ngx_http_iot_variable_set(ngx_http_variable_value_t *v,
    const ngx_str_t *value);


static const ngx_http_iot_name_place_t  ngx_http_iot_name_places[] = {

    { offsetof(ngx_iot_call_t, registry_id),
      offsetof(ngx_iot_route_t, registry_id) },

    { offsetof(ngx_iot_call_t, operation_id),
      offsetof(ngx_iot_route_t, operation_id) },

    { offsetof(ngx_iot_call_t, fingerprint),
      offsetof(ngx_iot_route_t, fingerprint) }
};


/* the value of each may change while the request lives: none is cached */

static ngx_http_variable_t  ngx_http_iot_variables[] = {

    { ngx_string("iot_caller"), NULL, ngx_http_iot_caller_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("iot_method"), NULL, ngx_http_iot_method_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("iot_registry_id"), NULL, ngx_http_iot_name_variable,
      NGX_HTTP_IOT_REGISTRY_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("iot_folder_id"), NULL, ngx_http_iot_folder_id_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("iot_fingerprint"), NULL, ngx_http_iot_name_variable,
      NGX_HTTP_IOT_FINGERPRINT, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("iot_operation_id"), NULL, ngx_http_iot_name_variable,
      NGX_HTTP_IOT_OPERATION_ID, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("iot_code"), NULL, ngx_http_iot_code_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("iot_store_time"), NULL, ngx_http_iot_store_time_variable,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_iot_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_iot_variables; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


ngx_int_t
ngx_http_iot_caller(ngx_http_request_t *r, ngx_str_t *caller)
{
    ngx_http_iot_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    if (ilcf->caller == NULL) {
        ngx_str_null(caller);
        return NGX_OK;
    }

    return ngx_http_complex_value(r, ilcf->caller, caller);
}


static ngx_int_t
ngx_http_iot_caller_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            caller;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_iot_ctx(r);

    if (ctx && ctx->call.caller.len) {
        return ngx_http_iot_variable_set(v, &ctx->call.caller);
    }

    if (ngx_http_iot_caller(r->main, &caller) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_iot_variable_set(v, &caller);
}


static ngx_int_t
ngx_http_iot_method_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_iot_route_t  route;

    ngx_http_iot_variable_route(r, &route);

    return ngx_http_iot_variable_set(v, route.method ? &route.method->name
                                                     : NULL);
}


/*
 * What the call has found out, an operation's registry for one, else what the
 * path says.
 */
static ngx_int_t
ngx_http_iot_name_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_iot_route_t                   route;
    const ngx_str_t                  *name;
    ngx_http_iot_ctx_t               *ctx;
    const ngx_http_iot_name_place_t  *place;

    place = &ngx_http_iot_name_places[data];
    ctx = ngx_http_iot_ctx(r);

    if (ctx) {
        name = (ngx_str_t *) ((u_char *) &ctx->call + place->call);

        if (name->len) {
            return ngx_http_iot_variable_name(v, name);
        }
    }

    ngx_http_iot_variable_route(r, &route);

    name = (ngx_str_t *) ((u_char *) &route + place->route);

    return ngx_http_iot_variable_name(v, name);
}


/* what the call has found out, else what the query says */
static ngx_int_t
ngx_http_iot_folder_id_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t               folder_id;
    ngx_iot_route_t         route;
    ngx_http_iot_ctx_t     *ctx;
    const ngx_iot_param_t  *param;

    ctx = ngx_http_iot_ctx(r);

    if (ctx && ctx->call.folder_id.len) {
        return ngx_http_iot_variable_name(v, &ctx->call.folder_id);
    }

    ngx_http_iot_variable_route(r, &route);

    param = NULL;

    if (route.method && !route.rpc) {
        param = ngx_iot_method_param(route.method,
                                     offsetof(ngx_iot_call_t, folder_id));
    }

    if (param == NULL) {
        return ngx_http_iot_variable_set(v, NULL);
    }

    if (ngx_http_iot_query_param(r->main, param, &folder_id) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_iot_variable_name(v, &folder_id);
}


static ngx_int_t
ngx_http_iot_code_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_iot_ctx(r);

    if (ctx == NULL || !ctx->answered) {
        return ngx_http_iot_variable_set(v, NULL);
    }

    return ngx_http_iot_variable_set(v, ngx_iot_code_name(ctx->code));
}


/* seconds with milliseconds, as $upstream_response_time */
static ngx_int_t
ngx_http_iot_store_time_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t            value;
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_iot_ctx(r);

    if (ctx == NULL || !ctx->stored) {
        return ngx_http_iot_variable_set(v, NULL);
    }

    value.data = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(value.data, "%T.%03M",
                            (time_t) (ctx->store_time / 1000),
                            ctx->store_time % 1000)
                - value.data;

    return ngx_http_iot_variable_set(v, &value);
}


/*
 * The gateway's own reading of the path once it was made, else that of the
 * path as it is now: so maps and auth_request see in the rewrite phase what
 * the gateway will see, and the log sees what it saw.
 */
static void
ngx_http_iot_variable_route(ngx_http_request_t *r, ngx_iot_route_t *route)
{
    ngx_http_iot_ctx_t  *ctx;

    ctx = ngx_http_iot_ctx(r);

    if (ctx) {
        *route = ctx->route;
        return;
    }

    ngx_http_iot_guess_route(r->main, route);
}


/*
 * A name may come from a body, and whatever stands there in its place, such as
 * a private key, would go to the access log: what can be none is not shown.
 */
static ngx_int_t
ngx_http_iot_variable_name(ngx_http_variable_value_t *v, const ngx_str_t *name)
{
    u_char      ch;
    ngx_uint_t  i;

    if (name->len > NGX_HTTP_IOT_NAME_LEN) {
        return ngx_http_iot_variable_set(v, NULL);
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if ((ch < 'a' || ch > 'z') && (ch < 'A' || ch > 'Z')
            && (ch < '0' || ch > '9') && ch != '-' && ch != '_' && ch != ':')
        {
            return ngx_http_iot_variable_set(v, NULL);
        }
    }

    return ngx_http_iot_variable_set(v, name);
}


static ngx_int_t
ngx_http_iot_variable_set(ngx_http_variable_value_t *v, const ngx_str_t *value)
{
    if (value == NULL || value->len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = value->data;
    v->len = value->len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
