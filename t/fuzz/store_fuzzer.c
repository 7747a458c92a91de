
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "calls.h"
#include "replies.h"


/*
 * What is read back from the store.  The first byte picks a call, the second
 * one how the store is, and what follows the line are the replies to the
 * call's requests, in turn, as replies.h has them.  Whatever they are,
 *
 *     each step of the call returns what it may, see calls.h;
 *     an answer is a message of its format.
 *
 * When there are no more replies, the connection is lost.
 */


#define FUZZ_STEPS  64

#define REGISTRY     "/iot-devices/v1/registries/fleet"
#define FINGERPRINT                                                           \
    "24fccbdee7388e63dc0c767ea286523dd58980e71ca85e2062e51c9e06581b2a"
#define ALIAS        "13b7f31e1c3a437ffe5422c63f882f13edd77db8"

/* in the shard of fleet */
#define OPERATION    "7e1k8627grr1081g8186"


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_run(fuzz_call_t *fuzz, ngx_uint_t flags, ngx_pool_t *part,
    ngx_str_t *replies);
static ngx_int_t fuzz_step(ngx_iot_call_t *call, ngx_pool_t *pool,
    ngx_str_t *replies);
static ngx_int_t fuzz_volley(ngx_iot_call_t *call, ngx_pool_t *pool,
    ngx_str_t *replies);
static ngx_int_t fuzz_lost(ngx_iot_call_t *call);
static void fuzz_purge(fuzz_call_t *fuzz, ngx_pool_t *pool,
    ngx_str_t *replies);


static const ngx_str_t  fuzz_lines[] = {
    ngx_string("GET " REGISTRY "/certificates?pageSize=3"),
    ngx_string("GET " REGISTRY "/certificates/" FINGERPRINT),
    ngx_string("GET " REGISTRY "/certificates/" ALIAS),
    ngx_string("DELETE " REGISTRY "/certificates/" FINGERPRINT),
    ngx_string("DELETE " REGISTRY "/certificates/" ALIAS),
    ngx_string("GET " REGISTRY "/operations?pageSize=3"),
    ngx_string("GET /operations/" OPERATION),
    ngx_string("POST /operations/" OPERATION ":cancel"),
    ngx_string("POST /operations/" OPERATION ":finish?B={}"),
    ngx_string("POST /operations/" OPERATION ":finish?B={\"error\":"
               "{\"code\":9,\"message\":\"no\"}}"),
    ngx_string("GET /operations?pageSize=3"),
    ngx_string("GET " REGISTRY),
    ngx_string("GET /iot-devices/v1/registries:getByName?folderId=house"
               "&registryName=fleet"),
    ngx_string("GET /iot-devices/v1/registries?folderId=house&pageSize=3"),
    ngx_string("POST /iot-devices/v1/registries?B={\"folderId\":\"house\","
               "\"name\":\"fleet\",\"labels\":{\"a\":\"b\"}}"),
    ngx_string("PATCH " REGISTRY "?B={\"name\":\"other\"}&updateMask=name"),
    ngx_string("PATCH " REGISTRY "?B={\"description\":\"d\","
               "\"updateMask\":\"description,labels\"}"),
    ngx_string("POST " REGISTRY ":enable"),
    ngx_string("DELETE " REGISTRY)
};


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    if (ngx_iot_x509_init(&unit_log) != NGX_OK) {
        abort();
    }

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t         text;
    ngx_pool_t       *pool, *part;
    fuzz_call_t      *fuzz;
    const ngx_str_t  *line;

    if (size < 2) {
        return 0;
    }

    pool = ngx_create_pool(16384, &unit_log);
    part = ngx_create_pool(16384, &unit_log);

    text.data = (u_char *) data;
    text.len = size;

    (void) fuzz_replies_line(&text);

    line = &fuzz_lines[data[0] % (sizeof(fuzz_lines) / sizeof(ngx_str_t))];

    fuzz = fuzz_call_create(pool, line, data[1]);

    if (fuzz == NULL) {
        abort();
    }

    fuzz_run(fuzz, data[1], part, &text);
    fuzz_call_done(fuzz);

    ngx_destroy_pool(part);
    ngx_destroy_pool(pool);

    return 0;
}


/*
 * The requests are JSON, which is what these messages are; parts have a pool
 * of their own, as those of the door have.
 */
static void
fuzz_run(fuzz_call_t *fuzz, ngx_uint_t flags, ngx_pool_t *part,
    ngx_str_t *replies)
{
    ngx_int_t        rc;
    ngx_uint_t       steps;
    ngx_iot_call_t  *call;

    call = &fuzz->call;

    rc = ngx_iot_method_prepare(call);

    if (flags & FUZZ_CALLS_PROTOBUF) {
        call->wire = NGX_IOT_PROTOBUF;
    }

    for (steps = 0; steps < FUZZ_STEPS; steps++) {
        fuzz_call_check(fuzz, rc);

        switch (rc) {

        case NGX_AGAIN:
            rc = fuzz_step(call, part, replies);
            break;

        case NGX_BUSY:
            call->pool = part;
            call->store.pool = part;

            rc = call->method->more(call);
            break;

        default:
            fuzz_purge(fuzz, part, replies);
            return;
        }
    }
}


static ngx_int_t
fuzz_step(ngx_iot_call_t *call, ngx_pool_t *pool, ngx_str_t *replies)
{
    ngx_iot_resp_reply_t  *reply;

    if (call->nrequests) {
        return fuzz_volley(call, pool, replies);
    }

    reply = fuzz_replies_next(pool, replies);

    if (reply == NULL) {
        return fuzz_lost(call);
    }

    return ngx_iot_method_finish(call, reply);
}


static ngx_int_t
fuzz_volley(ngx_iot_call_t *call, ngx_pool_t *pool, ngx_str_t *replies)
{
    ngx_uint_t             i, n;
    ngx_iot_resp_reply_t  *reply;

    n = call->nrequests;
    call->nrequests = 0;

    for (i = 0; i < n; i++) {
        reply = fuzz_replies_next(pool, replies);

        if (reply == NULL || call->each(call, i, reply) != NGX_OK) {
            return fuzz_lost(call);
        }
    }

    return ngx_iot_method_finish(call, NULL);
}


static ngx_int_t
fuzz_lost(ngx_iot_call_t *call)
{
    ngx_iot_call_link_lost(call);

    return NGX_DECLINED;
}


/* as the task does that the door starts when the call has ended */
static void
fuzz_purge(fuzz_call_t *fuzz, ngx_pool_t *pool, ngx_str_t *replies)
{
    ngx_int_t              rc;
    ngx_uint_t             steps;
    ngx_iot_call_t        *call;
    ngx_iot_purge_t        purge;
    ngx_iot_resp_reply_t  *reply;

    call = &fuzz->call;

    if (call->purge == NULL) {
        return;
    }

    ngx_iot_purge_init(&purge, &call->purge->registry_id,
                       &call->purge->operation_id);
    reply = NULL;

    for (steps = 0; steps < FUZZ_STEPS; steps++) {
        rc = ngx_iot_purge_next(&purge, &call->store, call->now, reply,
                                &call->request);

        if (rc != NGX_AGAIN) {
            return;
        }

        fuzz_call_check(fuzz, rc);

        reply = fuzz_replies_next(pool, replies);

        if (reply == NULL) {
            return;
        }
    }
}
