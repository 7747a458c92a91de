
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"
#include "ngx_iot_redis_node.h"


/* refused commands: seconds between two messages of a kind */
#define NGX_IOT_REDIS_LOG_INTERVAL  60


static void ngx_iot_redis_answer_count(ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_refusal_e refusal, ngx_iot_resp_reply_t *reply);
static ngx_uint_t ngx_iot_redis_answer_again(ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_refusal_e refusal, ngx_iot_resp_reply_t *reply);
static ngx_uint_t ngx_iot_redis_answer_source(ngx_iot_redis_command_t *cmd);
static void ngx_iot_redis_answer_tell(ngx_iot_redis_command_t *cmd,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply);
static void ngx_iot_redis_answer_log(ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_reply_t *reply);


void
ngx_iot_redis_answer(ngx_iot_redis_command_t *cmd, ngx_iot_resp_reply_t *reply)
{
    ngx_iot_resp_refusal_e  refusal;

    refusal = ngx_iot_resp_refusal(reply, cmd->writes);

    ngx_iot_redis_answer_count(cmd, refusal, reply);

    if (refusal != NGX_IOT_RESP_NOT_REFUSED
        && ngx_iot_redis_answer_again(cmd, refusal, reply))
    {
        return;
    }

    if (refusal == NGX_IOT_RESP_NOT_REFUSED
        || refusal == NGX_IOT_RESP_NO_SCRIPT)
    {
        ngx_iot_redis_answer_tell(cmd, NGX_IOT_REDIS_REPLIED, reply);
        return;
    }

    ngx_iot_redis_answer_log(cmd, reply);
    ngx_iot_redis_answer_tell(cmd, NGX_IOT_REDIS_UNAVAILABLE, NULL);
}


/* those that show a way are no fault of anybody's */
static void
ngx_iot_redis_answer_count(ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_refusal_e refusal, ngx_iot_resp_reply_t *reply)
{
    if (reply->type == NGX_IOT_RESP_ERROR
        && refusal != NGX_IOT_RESP_NO_SCRIPT
        && refusal != NGX_IOT_RESP_MOVED
        && refusal != NGX_IOT_RESP_ASK)
    {
        cmd->client->tally.faults[ngx_iot_redis_fault(&reply->str)]++;
    }
}


/* certainly not executed: there may be another way */
static ngx_uint_t
ngx_iot_redis_answer_again(ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_refusal_e refusal, ngx_iot_resp_reply_t *reply)
{
    ngx_iot_redis_t  *client;

    if (refusal == NGX_IOT_RESP_NO_SCRIPT) {
        return ngx_iot_redis_answer_source(cmd);
    }

    if (refusal == NGX_IOT_RESP_REFUSED || cmd->pinned) {
        return 0;
    }

    client = cmd->client;

    return client->topology->refused(client->servers, cmd, refusal, reply)
           == NGX_OK;
}


/* the server has lost its scripts */
static ngx_uint_t
ngx_iot_redis_answer_source(ngx_iot_redis_command_t *cmd)
{
    if (cmd->req == NULL || cmd->req->script == NULL || cmd->with_source) {
        return 0;
    }

    cmd->with_source = 1;
    cmd->size = ngx_iot_resp_size(cmd->req, 1);

    ngx_iot_redis_lane_resubmit(cmd->lane, cmd);

    return 1;
}


static void
ngx_iot_redis_answer_tell(ngx_iot_redis_command_t *cmd,
    ngx_iot_redis_outcome_e outcome, ngx_iot_resp_reply_t *reply)
{
    void                   *data;
    ngx_iot_redis_done_pt   done;

    done = cmd->done;
    data = cmd->data;

    ngx_iot_redis_command_free(cmd);

    if (done) {
        done(data, outcome, reply);
    }
}


static void
ngx_iot_redis_answer_log(ngx_iot_redis_command_t *cmd,
    ngx_iot_resp_reply_t *reply)
{
    size_t  len;
    u_char  text[NGX_IOT_RESP_QUOTE_LEN];

    if (ngx_iot_redis_was_logged(cmd->client, &reply->str)) {
        return;
    }

    len = ngx_iot_resp_quote(text, reply->str.data, reply->str.len);

    ngx_log_error(NGX_LOG_ERR, ngx_iot_redis_lane_log(cmd->lane), 0,
                  "redis refused a command: \"%*s\"", len, text);
}


ngx_uint_t
ngx_iot_redis_was_logged(ngx_iot_redis_t *client, const ngx_str_t *text)
{
    size_t                    len;
    u_char                   *p;
    uint32_t                  kind;
    ngx_uint_t                i;
    ngx_iot_redis_refusal_t  *refusal;

    p = ngx_strlchr(text->data, text->data + text->len, ' ');
    len = p ? (size_t) (p - text->data) : text->len;

    kind = ngx_crc32_short(text->data, len);

    for (i = 0; i < NGX_IOT_REDIS_REFUSALS; i++) {
        refusal = &client->refusals[i];

        if (refusal->kind != kind && refusal->kind != 0) {
            continue;
        }

        if (refusal->kind == kind
            && ngx_time() - refusal->logged < NGX_IOT_REDIS_LOG_INTERVAL)
        {
            return 1;
        }

        refusal->kind = kind;
        refusal->logged = ngx_time();

        return 0;
    }

    return 1;
}
