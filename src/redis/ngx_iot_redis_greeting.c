
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_greeting.h"


static ngx_int_t ngx_iot_redis_greeting_check_hello(
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason);
static ngx_int_t ngx_iot_redis_greeting_check_script(
    const ngx_iot_resp_script_t *script, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *reason);
static const ngx_str_t *ngx_iot_redis_greeting_field(
    const ngx_iot_resp_reply_t *reply, const char *name);
static ngx_int_t ngx_iot_redis_greeting_decline(ngx_str_t *reason,
    const char *what, const ngx_str_t *said);
static ngx_uint_t ngx_iot_redis_greeting_is(const ngx_str_t *str,
    const char *text);


ngx_int_t
ngx_iot_redis_greeting_write(const ngx_iot_redis_conf_t *conf,
    ngx_iot_redis_output_t *output)
{
    u_char                  name[sizeof("ngx-iot-") + NGX_INT64_LEN];
    ngx_str_t               argv[4];
    ngx_uint_t              i;
    ngx_iot_resp_request_t  req;

    req.script = NULL;
    req.nkeys = 0;
    req.argv = argv;

    ngx_str_set(&argv[0], "HELLO");
    ngx_str_set(&argv[1], "2");
    ngx_str_set(&argv[2], "SETNAME");

    argv[3].data = name;
    argv[3].len = ngx_sprintf(name, "ngx-iot-%P", ngx_pid) - name;

    req.argc = 4;

    if (ngx_iot_redis_output_add(output, &req, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "SCRIPT");
    ngx_str_set(&argv[1], "LOAD");

    req.argc = 3;

    for (i = 0; i < conf->nscripts; i++) {
        argv[2] = conf->scripts[i].source;

        if (ngx_iot_redis_output_add(output, &req, 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_redis_greeting_check(const ngx_iot_redis_conf_t *conf, ngx_uint_t n,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason)
{
    if (n == 0) {
        return ngx_iot_redis_greeting_check_hello(reply, reason);
    }

    return ngx_iot_redis_greeting_check_script(&conf->scripts[n - 1], reply,
                                               reason);
}


static ngx_int_t
ngx_iot_redis_greeting_check_hello(const ngx_iot_resp_reply_t *reply,
    ngx_str_t *reason)
{
    const ngx_str_t  *mode, *role;

    static const ngx_str_t  unknown = ngx_string("unknown");

    if (reply->type == NGX_IOT_RESP_ERROR) {
        return ngx_iot_redis_greeting_decline(reason, "redis refused HELLO",
                                              &reply->str);
    }

    mode = ngx_iot_redis_greeting_field(reply, "mode");
    role = ngx_iot_redis_greeting_field(reply, "role");

    if (mode == NULL || !ngx_iot_redis_greeting_is(mode, "standalone")) {
        return ngx_iot_redis_greeting_decline(reason,
                          "redis is not in \"standalone\" mode, its mode is",
                          mode ? mode : &unknown);
    }

    if (role == NULL || !ngx_iot_redis_greeting_is(role, "master")) {
        return ngx_iot_redis_greeting_decline(reason,
                          "redis is not a \"master\", its role is",
                          role ? role : &unknown);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_redis_greeting_check_script(const ngx_iot_resp_script_t *script,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason)
{
    static const ngx_str_t  other = ngx_string("an unexpected reply");

    if (reply->type == NGX_IOT_RESP_STRING
        && reply->str.len == sizeof(script->sha1)
        && ngx_memcmp(reply->str.data, script->sha1, sizeof(script->sha1))
           == 0)
    {
        return NGX_OK;
    }

    return ngx_iot_redis_greeting_decline(reason, "redis refused a script",
                          reply->type == NGX_IOT_RESP_ERROR ? &reply->str
                                                            : &other);
}


/* HELLO answers names and values by turns */
static const ngx_str_t *
ngx_iot_redis_greeting_field(const ngx_iot_resp_reply_t *reply,
    const char *name)
{
    ngx_uint_t                   i;
    const ngx_iot_resp_reply_t  *key, *value;

    if (reply->type != NGX_IOT_RESP_ARRAY) {
        return NULL;
    }

    for (i = 0; i + 1 < reply->nelts; i += 2) {
        key = reply->elts[i];
        value = reply->elts[i + 1];

        if (key->type == NGX_IOT_RESP_STRING
            && value->type == NGX_IOT_RESP_STRING
            && ngx_iot_redis_greeting_is(&key->str, name))
        {
            return &value->str;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_iot_redis_greeting_decline(ngx_str_t *reason, const char *what,
    const ngx_str_t *said)
{
    size_t  len;
    u_char  text[NGX_IOT_RESP_QUOTE_LEN];

    len = ngx_iot_resp_quote(text, said->data, said->len);

    reason->len = ngx_snprintf(reason->data, NGX_IOT_REDIS_REASON_LEN,
                               "%s \"%*s\"", what, len, text)
                  - reason->data;

    return NGX_DECLINED;
}


static ngx_uint_t
ngx_iot_redis_greeting_is(const ngx_str_t *str, const char *text)
{
    return str->len == ngx_strlen(text)
           && ngx_strncmp(str->data, text, str->len) == 0;
}
