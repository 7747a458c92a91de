
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_greeting.h"
#include "ngx_iot_redis_password.h"


/* more than what is wrong with a server needs */
#define NGX_IOT_REDIS_GREETING_WHAT  64


static ngx_int_t ngx_iot_redis_greeting_write_hello(
    const ngx_iot_redis_endpoint_t *endpoint, ngx_iot_redis_output_t *output);
static ngx_int_t ngx_iot_redis_greeting_write_select(
    const ngx_iot_redis_endpoint_t *endpoint, ngx_iot_redis_output_t *output);
static ngx_int_t ngx_iot_redis_greeting_write_wait(
    ngx_iot_redis_output_t *output);
static ngx_int_t ngx_iot_redis_greeting_write_scripts(
    const ngx_iot_redis_endpoint_t *endpoint, ngx_iot_redis_output_t *output);
static ngx_int_t ngx_iot_redis_greeting_check_hello(
    const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason);
static ngx_int_t ngx_iot_redis_greeting_check_server(
    const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason);
static ngx_int_t ngx_iot_redis_greeting_check_select(
    const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason);
static ngx_int_t ngx_iot_redis_greeting_check_wait(
    const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason);
static ngx_int_t ngx_iot_redis_greeting_check_script(
    const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_script_t *script, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *reason);
static ngx_int_t ngx_iot_redis_greeting_refused(
    const ngx_iot_redis_endpoint_t *endpoint, const char *what,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason);
static ngx_uint_t ngx_iot_redis_greeting_denied(const ngx_str_t *said);
static ngx_int_t ngx_iot_redis_greeting_decline(ngx_str_t *reason,
    const char *what, const ngx_str_t *said);
static ngx_uint_t ngx_iot_redis_greeting_is(const ngx_str_t *str,
    const char *text);


/* errors that stay until the configuration of either side is changed */

static const ngx_str_t  ngx_iot_redis_greeting_denials[] = {
    ngx_string("WRONGPASS "),
    ngx_string("NOAUTH "),
    ngx_string("NOPERM "),
    ngx_string("DENIED "),
    ngx_string("ERR unknown "),
    ngx_string("ERR DB index "),
    ngx_null_string
};


ngx_int_t
ngx_iot_redis_greeting_write(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_iot_redis_output_t *output)
{
    if (ngx_iot_redis_greeting_write_hello(endpoint, output) != NGX_OK) {
        return NGX_ERROR;
    }

    if (endpoint->database
        && ngx_iot_redis_greeting_write_select(endpoint, output) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (endpoint->replicas
        && ngx_iot_redis_greeting_write_wait(output) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_redis_greeting_write_scripts(endpoint, output);
}


static ngx_int_t
ngx_iot_redis_greeting_write_hello(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_iot_redis_output_t *output)
{
    u_char                  name[sizeof("ngx-iot-") + NGX_INT64_LEN];
    ngx_str_t               argv[7], *arg;
    ngx_iot_resp_request_t  req;

    arg = argv;

    ngx_str_set(arg, "HELLO");
    arg++;
    ngx_str_set(arg, "2");
    arg++;

    if (endpoint->password.len) {
        ngx_str_set(arg, "AUTH");
        arg++;

        if (endpoint->username.len) {
            *arg++ = endpoint->username;

        } else {
            ngx_str_set(arg, "default");
            arg++;
        }

        *arg++ = endpoint->password;
    }

    ngx_str_set(arg, "SETNAME");
    arg++;

    arg->data = name;
    arg->len = ngx_sprintf(name, "ngx-iot-%P", ngx_pid) - name;
    arg++;

    req.script = NULL;
    req.nkeys = 0;
    req.argc = arg - argv;
    req.argv = argv;

    if (ngx_iot_redis_output_add(output, &req, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    if (endpoint->password.len) {
        ngx_iot_redis_output_conceal(output);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_redis_greeting_write_select(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_iot_redis_output_t *output)
{
    u_char                  number[NGX_INT_T_LEN];
    ngx_str_t               argv[2];
    ngx_iot_resp_request_t  req;

    req.script = NULL;
    req.nkeys = 0;
    req.argc = 2;
    req.argv = argv;

    ngx_str_set(&argv[0], "SELECT");

    argv[1].data = number;
    argv[1].len = ngx_sprintf(number, "%ui", endpoint->database) - number;

    return ngx_iot_redis_output_add(output, &req, 0);
}


/* who waits for none does not wait */
static ngx_int_t
ngx_iot_redis_greeting_write_wait(ngx_iot_redis_output_t *output)
{
    ngx_iot_resp_request_t  req;

    static ngx_str_t  argv[] = {
        ngx_string("WAIT"), ngx_string("0"), ngx_string("1")
    };

    ngx_memzero(&req, sizeof(ngx_iot_resp_request_t));

    req.argc = 3;
    req.argv = argv;

    return ngx_iot_redis_output_add(output, &req, 0);
}


static ngx_int_t
ngx_iot_redis_greeting_write_scripts(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_iot_redis_output_t *output)
{
    ngx_str_t               argv[3];
    ngx_uint_t              i;
    ngx_iot_resp_request_t  req;

    req.script = NULL;
    req.nkeys = 0;
    req.argc = 3;
    req.argv = argv;

    ngx_str_set(&argv[0], "SCRIPT");
    ngx_str_set(&argv[1], "LOAD");

    for (i = 0; i < endpoint->nscripts; i++) {
        argv[2] = endpoint->scripts[i].source;

        if (ngx_iot_redis_output_add(output, &req, 0) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_redis_greeting_check(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_uint_t n, const ngx_iot_resp_reply_t *reply, ngx_str_t *reason)
{
    if (n-- == 0) {
        return ngx_iot_redis_greeting_check_hello(endpoint, reply, reason);
    }

    if (endpoint->database && n-- == 0) {
        return ngx_iot_redis_greeting_check_select(endpoint, reply, reason);
    }

    if (endpoint->replicas && n-- == 0) {
        return ngx_iot_redis_greeting_check_wait(endpoint, reply, reason);
    }

    return ngx_iot_redis_greeting_check_script(endpoint,
                                               &endpoint->scripts[n], reply,
                                               reason);
}


static ngx_int_t
ngx_iot_redis_greeting_check_hello(const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason)
{
    if (reply->type == NGX_IOT_RESP_ERROR) {
        return ngx_iot_redis_greeting_refused(endpoint, "redis refused HELLO",
                                              reply, reason);
    }

    return ngx_iot_redis_greeting_check_server(endpoint, reply, reason);
}


static ngx_int_t
ngx_iot_redis_greeting_check_server(const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason)
{
    u_char            what[NGX_IOT_REDIS_GREETING_WHAT];
    const ngx_str_t  *mode, *role;

    static const ngx_str_t  unknown = ngx_string("unknown");

    mode = ngx_iot_resp_field(reply, "mode");
    role = ngx_iot_resp_field(reply, "role");

    if (mode == NULL || !ngx_iot_redis_greeting_is(mode, endpoint->mode)) {
        (void) ngx_snprintf(what, sizeof(what), "redis is not in \"%s\" mode, "
                            "its mode is%Z", endpoint->mode);

        return ngx_iot_redis_greeting_decline(reason, (char *) what,
                                              mode ? mode : &unknown);
    }

    if (endpoint->role == NULL) {
        return NGX_OK;
    }

    if (role == NULL || !ngx_iot_redis_greeting_is(role, endpoint->role)) {
        (void) ngx_snprintf(what, sizeof(what), "redis is not a \"%s\", "
                            "its role is%Z", endpoint->role);

        (void) ngx_iot_redis_greeting_decline(reason, (char *) what,
                                              role ? role : &unknown);
        return NGX_BUSY;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_redis_greeting_check_select(const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason)
{
    if (reply->type == NGX_IOT_RESP_STATUS) {
        return NGX_OK;
    }

    return ngx_iot_redis_greeting_refused(endpoint,
                                          "redis refused the database",
                                          reply, reason);
}


static ngx_int_t
ngx_iot_redis_greeting_check_wait(const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason)
{
    if (reply->type == NGX_IOT_RESP_INTEGER) {
        return NGX_OK;
    }

    return ngx_iot_redis_greeting_refused(endpoint, "redis refused WAIT",
                                          reply, reason);
}


static ngx_int_t
ngx_iot_redis_greeting_check_script(const ngx_iot_redis_endpoint_t *endpoint,
    const ngx_iot_resp_script_t *script, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *reason)
{
    if (reply->type == NGX_IOT_RESP_STRING
        && reply->str.len == sizeof(script->sha1)
        && ngx_memcmp(reply->str.data, script->sha1, sizeof(script->sha1))
           == 0)
    {
        return NGX_OK;
    }

    return ngx_iot_redis_greeting_refused(endpoint, "redis refused a script",
                                          reply, reason);
}


/* a reply that is not the one that was hoped for, mostly an error */
static ngx_int_t
ngx_iot_redis_greeting_refused(const ngx_iot_redis_endpoint_t *endpoint,
    const char *what, const ngx_iot_resp_reply_t *reply, ngx_str_t *reason)
{
    const ngx_str_t  *said;

    static const ngx_str_t  other = ngx_string("an unexpected reply");
    static const ngx_str_t  unknown = ngx_string("ERR unknown command");
    static const ngx_str_t  hidden = ngx_string("(the text has the password)");

    if (reply->type != NGX_IOT_RESP_ERROR) {
        return ngx_iot_redis_greeting_decline(reason, what, &other);
    }

    said = &reply->str;

    /* a server that does not know HELLO repeats what stood behind it */

    if (said->len > unknown.len
        && ngx_strncmp(said->data, unknown.data, unknown.len) == 0)
    {
        said = &unknown;

    } else if (ngx_iot_redis_password_in(&endpoint->password, said)) {
        said = &hidden;
    }

    (void) ngx_iot_redis_greeting_decline(reason, what, said);

    return ngx_iot_redis_greeting_denied(&reply->str) ? NGX_ABORT
                                                      : NGX_DECLINED;
}


static ngx_uint_t
ngx_iot_redis_greeting_denied(const ngx_str_t *said)
{
    const ngx_str_t  *denial;

    for (denial = ngx_iot_redis_greeting_denials; denial->len; denial++) {

        if (said->len >= denial->len
            && ngx_strncmp(said->data, denial->data, denial->len) == 0)
        {
            return 1;
        }
    }

    return 0;
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
