
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_method.h"
#include "ngx_iot_scripts.h"


/*
 * Operations that a backend finishes, without a server: bodies into requests,
 * replies into answers, and what the sweeper makes of members of its sets.
 */


#define OPERATION_ID  "7e1k8627grr1081g8186"
#define SHA256        "0123456789abcdef0123456789abcdef"
#define FINGERPRINT                                                           \
    "3031323334353637383961626364656630313233343536373839616263646566"
#define NOW           1795500000123ULL


static ngx_iot_settings_t  settings;


static const char  *waits[] = {
    "1", "1", "fleet", SHA256, "alice", "1795500000123", NULL, "0", NULL,
    NULL, NULL
};

static const char  *failed[] = {
    "1", "1", "fleet", SHA256, "alice", "1795500000123", "1795500000456", "1",
    "9", "no \"room\"", "[ 1 ]"
};

static const char  *deleted[] = {
    "1", "2", "fleet", SHA256, "alice", "1795500000123", "1795500000456", "1",
    NULL, NULL, NULL
};

static const char  *updated[] = {
    "1", "4", "fleet", "", "alice", "1795500000123", NULL, "0", NULL, NULL,
    NULL
};


static ngx_iot_call_t *
start(const char *body)
{
    ngx_str_t         uri;
    ngx_pool_t       *pool;
    ngx_iot_call_t   *call;
    ngx_iot_route_t   route;

    pool = unit_pool();
    call = ngx_pcalloc(pool, sizeof(ngx_iot_call_t));

    call->settings = &settings;
    call->pool = pool;
    call->log = &unit_log;
    call->store.pool = pool;
    call->store.log = &unit_log;
    call->store.retention = 2592000000ULL;
    ngx_str_set(&call->store.key_prefix, "gw:");
    call->now = NOW;
    ngx_str_set(&call->caller, "alice");
    call->body = unit_copy(pool, body, ngx_strlen(body));

    ngx_str_set(&uri, "/operations/" OPERATION_ID ":finish");

    if (ngx_iot_method_find(NGX_IOT_COMPLETION, NGX_IOT_POST, &uri, &route)
        == NGX_OK)
    {
        call->method = route.method;
        call->operation_id = route.operation_id;
    }

    return call;
}


static ngx_iot_resp_reply_t *
reply_of(ngx_iot_call_t *call, ngx_iot_resp_type_e type, ngx_uint_t nelts)
{
    ngx_iot_resp_reply_t  *reply;

    reply = ngx_pcalloc(call->pool, sizeof(ngx_iot_resp_reply_t));

    reply->type = type;
    reply->nelts = nelts;
    reply->elts = ngx_pcalloc(call->pool, (nelts + 1) * sizeof(void *));

    return reply;
}


static ngx_iot_resp_reply_t *
reply_string(ngx_iot_call_t *call, const char *text)
{
    ngx_iot_resp_reply_t  *reply;

    reply = reply_of(call, text ? NGX_IOT_RESP_STRING : NGX_IOT_RESP_NIL, 0);

    if (text) {
        reply->str = unit_copy(call->pool, text, ngx_strlen(text));
    }

    return reply;
}


static ngx_iot_resp_reply_t *
reply_array(ngx_iot_call_t *call, ngx_uint_t n, const char **strings)
{
    ngx_uint_t             i;
    ngx_iot_resp_reply_t  *reply;

    reply = reply_of(call, NGX_IOT_RESP_ARRAY, n);

    for (i = 0; i < n; i++) {
        reply->elts[i] = reply_string(call, strings[i]);
    }

    return reply;
}


/* of finish_operation.lua */
static ngx_iot_resp_reply_t *
reply_finished(ngx_iot_call_t *call, const char *word, const char **operation,
    const char *added_by)
{
    ngx_iot_resp_reply_t  *reply;

    reply = reply_of(call, NGX_IOT_RESP_ARRAY, 3);

    reply->elts[0] = reply_string(call, word);
    reply->elts[1] = reply_array(call, 11, operation);
    reply->elts[2] = reply_string(call, added_by);

    return reply;
}


static void
is_reason(ngx_iot_call_t *call, const char *reason, const char *what)
{
    const ngx_str_t  *name;

    name = ngx_iot_reason_name(call->error.reason);

    unit_is_str(name, reason, "%s", what);
}


static ngx_str_t
answer(ngx_iot_call_t *call)
{
    ngx_str_t  json;

    ngx_str_null(&json);

    (void) ngx_iot_out_render(call->pool, NGX_IOT_JSON, call->method->write,
                              call, &json);
    return json;
}


static void
test_bodies(void)
{
    ngx_int_t        rc;
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    static const struct {
        const char  *body;
        ngx_uint_t   code;          /* 0: it succeeded; 99: refused */
        const char  *field;
    } bodies[] = {
        { "", 0, NULL },
        { "{}", 0, NULL },
        { "{\"error\":null}", 0, NULL },
        { "{\"error\":{\"code\":1}}", 1, NULL },
        { "{\"error\":{\"code\":16,\"code\":2}}", 2, NULL },
        { "{\"error\":{\"code\":16}}", 16, NULL },
        { "{\"error\":{\"code\":0}}", 99, "error.code" },
        { "{\"error\":{\"code\":17}}", 99, "error.code" },
        { "{\"error\":{\"code\":-1}}", 99, "error.code" },
        { "{\"error\":{\"code\":1e0}}", 99, "error.code" },
        { "{\"error\":{\"code\":99999999999999999999}}", 99, "error.code" },
        { "{\"error\":{\"code\":null}}", 99, "error.code" },
        { "{\"error\":{\"code\":\"1\"}}", 99, "error.code" },
        { "{\"error\":{\"code\":true}}", 99, "error.code" },
        { "{\"error\":{\"code\":1,\"message\":{}}}", 99, "error.message" },
        { "{\"error\":{\"code\":1,\"details\":1}}", 99, "error.details" },
        { "{\"error\":7}", 99, "error" },
        { "{\"error\":[]}", 99, "error" }
    };

    unit_note("what a backend says");

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        call = start(bodies[i].body);
        rc = call->method->prepare(call);

        if (bodies[i].field == NULL) {
            unit_is_int(rc, NGX_AGAIN, "%s", bodies[i].body);
            unit_is_int(call->finish.error.code, bodies[i].code, "... code");
            continue;
        }

        unit_is_int(rc, NGX_DECLINED, "%s", bodies[i].body);
        unit_is_str(&call->error.field, bodies[i].field, "... field");
    }
}


static void
test_request(void)
{
    ngx_str_t       *argv;
    ngx_uint_t       cluster;
    ngx_iot_call_t  *call;

    for (cluster = 0; cluster < 2; cluster++) {
        unit_note("the request that finishes%s", cluster ? ", cluster" : "");

        call = start("{\"error\":{\"code\":9,\"message\":\"no\"}}");
        call->store.cluster = cluster;

        (void) call->method->prepare(call);

        unit_is_int(ngx_iot_method_finish(call, reply_array(call, 11, waits)),
                    NGX_AGAIN, "the operation waits");
        unit_is_str(&call->registry_id, "fleet", "... its registry");
        unit_ok(call->request.script
                == &ngx_iot_scripts[NGX_IOT_SCRIPT_FINISH_OPERATION],
                "... the script");
        unit_is_int(call->request.nkeys, cluster ? 8 : 9, "... its keys");
        unit_ok(call->request.writes, "... it writes");

        argv = call->request.argv;

        unit_is_str(&argv[0], "gw:{7e}:o:" OPERATION_ID, "operation");
        unit_is_str(&argv[1], "gw:{7e}:y:fleet", "operations");
        unit_is_str(&argv[2], "gw:{7e}:p", "pending operations");
        unit_is_str(&argv[3], "gw:{7e}:e", "events");
        unit_is_str(&argv[4], "gw:{7e}:c:fleet:" FINGERPRINT, "certificate");
        unit_is_str(&argv[5], "gw:{7e}:z:fleet", "list");
        unit_is_str(&argv[6], "gw:{7e}:h:fleet", "aliases");
        unit_is_str(&argv[7], "gw:{7e}:w:fleet", "what waits");

        if (!cluster) {
            unit_is_str(&argv[8], "gw:{60}:x:" FINGERPRINT, "claim");
        }

        argv += call->request.nkeys;

        unit_is_str(&argv[0], "fleet", "registry id");
        unit_is_str(&argv[1], OPERATION_ID, "operation id");
        unit_is_str(&argv[2], SHA256, "SHA-256");
        unit_is_str(&argv[3], "1795500000123", "now");
        unit_is_str(&argv[4], "2592000000", "the operation's life");
        unit_is_str(&argv[5], "finish", "not cancelled");
        unit_is_str(&argv[6], "9", "code");
        unit_is_str(&argv[7], "no", "message");
        unit_is_str(&argv[8], "", "details");
        unit_is_str(&argv[9], "v", "the first field to answer");
        unit_is_str(&argv[19], "ed", "the last");
    }
}


static ngx_iot_call_t *
waiting(ngx_uint_t cluster)
{
    ngx_iot_call_t  *call;

    call = start("{}");
    call->store.cluster = cluster;

    (void) call->method->prepare(call);
    (void) ngx_iot_method_finish(call, reply_array(call, 11, waits));

    return call;
}


static void
test_answers(void)
{
    ngx_str_t                     json;
    ngx_iot_call_t               *call;
    const ngx_iot_store_claim_t  *claim;

    unit_note("what became of it");

    call = waiting(0);
    unit_is_int(ngx_iot_method_finish(call,
                    reply_finished(call, "PENDING", failed, OPERATION_ID)),
                NGX_OK, "it fails now");
    unit_ok(call->released == NULL, "... the script has released its claim");

    json = answer(call);
    unit_is_str(&json,
        "{\"found\":\"PENDING\",\"operation\":{\"id\":\"" OPERATION_ID "\","
        "\"description\":\"Add registry certificate\","
        "\"createdAt\":\"2026-11-24T06:00:00.123Z\",\"createdBy\":\"alice\","
        "\"modifiedAt\":\"2026-11-24T06:00:00.456Z\",\"done\":true,"
        "\"metadata\":{\"@type\":\"type.googleapis.com/yandex.cloud.iot."
        "devices.v1.AddRegistryCertificateMetadata\",\"registryId\":\"fleet\","
        "\"fingerprint\":\"" FINGERPRINT "\"},\"error\":{\"code\":9,"
        "\"message\":\"no \\\"room\\\"\",\"details\":[ 1 ]}}}",
        "... the answer");

    call = waiting(1);
    (void) ngx_iot_method_finish(call, reply_finished(call, "PENDING", failed,
                                                      OPERATION_ID));
    unit_is_int(call->released ? call->released->nelts : 0, 1,
                "on a cluster the claim is released after it");

    if (call->released) {
        claim = call->released->elts;
        unit_is_str(&claim->operation_id, OPERATION_ID, "... its operation");
    }

    call = waiting(1);
    (void) ngx_iot_method_finish(call,
                                 reply_finished(call, "PENDING", deleted, ""));
    unit_ok(call->released == NULL, "... if there is one");

    call = waiting(0);
    unit_is_int(ngx_iot_method_finish(call,
                                      reply_finished(call, "DONE", failed,
                                                     "")),
                NGX_OK, "it has failed before");
    json = answer(call);
    unit_ok(ngx_strncmp(json.data, "{\"found\":\"FAILED\",", 18) == 0,
            "... which is said");

    call = waiting(0);
    (void) ngx_iot_method_finish(call,
                                 reply_finished(call, "DONE", deleted, ""));
    json = answer(call);
    unit_ok(ngx_strncmp(json.data, "{\"found\":\"SUCCEEDED\",", 21) == 0,
            "so is that it has succeeded");

    call = start("{}");
    (void) call->method->prepare(call);
    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 11, failed)),
                NGX_OK, "done before: no more is asked");

    call = start("{}");
    (void) call->method->prepare(call);
    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 11, updated)),
                NGX_DECLINED, "not a backend's");
    is_reason(call, "OPERATION_OF_GATEWAY", "... its reason");
}


static void
test_broken_answers(void)
{
    ngx_iot_call_t        *call;
    ngx_iot_resp_reply_t  *reply;

    static const char  *gone[] = { "NOT_FOUND" };
    static const char  *newer[] = { "NEWER" };
    static const char  *other[] = { "PONG" };
    static const char  *empty[] = { "DONE" };

    unit_note("replies that are not so");

    call = waiting(0);
    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 1, gone)),
                NGX_DECLINED, "expired meanwhile");
    is_reason(call, "OPERATION_NOT_FOUND", "... its reason");

    call = waiting(0);
    (void) ngx_iot_method_finish(call, reply_array(call, 1, newer));
    is_reason(call, "STORE_NEWER_FORMAT", "a newer record");

    call = waiting(0);
    (void) ngx_iot_method_finish(call, reply_array(call, 1, other));
    is_reason(call, "INTERNAL_ERROR", "another word");

    call = waiting(0);
    (void) ngx_iot_method_finish(call, reply_array(call, 1, empty));
    is_reason(call, "INTERNAL_ERROR", "a word alone");

    call = waiting(0);
    (void) ngx_iot_method_finish(call, reply_string(call, "DONE"));
    is_reason(call, "INTERNAL_ERROR", "no array");

    call = waiting(0);
    reply = reply_finished(call, "DONE", failed, "");
    reply->elts[1]->nelts = 10;
    (void) ngx_iot_method_finish(call, reply);
    is_reason(call, "INTERNAL_ERROR", "a field too few");

    call = waiting(0);
    reply = reply_finished(call, "DONE", failed, NULL);
    (void) ngx_iot_method_finish(call, reply);
    is_reason(call, "INTERNAL_ERROR", "no claim, not even none");
}


static void
test_members(void)
{
    ngx_str_t                member;
    ngx_uint_t               i;
    ngx_iot_call_t          *call;
    ngx_iot_resp_request_t   req;

    static const char  *broken[] = {
        "",
        OPERATION_ID,
        OPERATION_ID ":fleet",
        OPERATION_ID "::" FINGERPRINT,
        OPERATION_ID ":fl}eet:" FINGERPRINT,
        "7E1k8627grr1081g8186:fleet:" FINGERPRINT,
        OPERATION_ID ":fleet:x031323334353637383961626364656630313233343536"
            "373839616263646566",
        OPERATION_ID ":123456789012345678901234567890123456789012345678901:"
            FINGERPRINT
    };

    unit_note("members of the pending operations");

    call = start("{}");

    ngx_str_set(&member, OPERATION_ID ":fleet:" FINGERPRINT);

    unit_is_int(ngx_iot_store_redeliver_event(&call->store, &member, 3000,
                                              2000, &req),
                NGX_OK, "one of ours");
    unit_is_int(req.nkeys, 5, "... its keys");
    unit_is_str(&req.argv[2], "gw:{7e}:o:" OPERATION_ID, "... operation");
    unit_is_str(&req.argv[3], "gw:{7e}:y:fleet", "... operations");
    unit_is_str(&req.argv[4], "gw:{7e}:c:fleet:" FINGERPRINT,
                "... certificate");
    unit_is_str(&req.argv[6], "3000", "... now");
    unit_is_str(&req.argv[7], "2000", "... if not since");
    unit_is_str(&req.argv[8], "fleet", "... registry");
    unit_is_str(&req.argv[10], SHA256, "... SHA-256");

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        member = unit_copy(call->pool, broken[i], ngx_strlen(broken[i]));

        unit_is_int(ngx_iot_store_redeliver_event(&call->store, &member, 3000,
                                                  2000, &req),
                    NGX_DECLINED, "\"%s\" is none", broken[i]);
    }
}


static void
test_turns(void)
{
    ngx_uint_t       first;
    ngx_iot_call_t  *call;

    static const char  *ok[] = { "OK", "1023" };
    static const char  *beyond[] = { "OK", "1024" };
    static const char  *busy[] = { "BUSY" };

    unit_note("turns");

    call = start("{}");

    unit_is_int(ngx_iot_store_swept(&call->store, reply_array(call, 2, ok),
                                    &first),
                NGX_IOT_STORE_OK, "given");
    unit_is_int(first, 1023, "... at that shard");
    unit_is_int(ngx_iot_store_swept(&call->store, reply_array(call, 1, busy),
                                    &first),
                NGX_IOT_STORE_BUSY, "another's");
    unit_is_int(ngx_iot_store_swept(&call->store, reply_array(call, 2, beyond),
                                    &first),
                NGX_IOT_STORE_ERROR, "no such shard");
    unit_is_int(ngx_iot_store_swept(&call->store, reply_array(call, 1, ok),
                                    &first),
                NGX_IOT_STORE_ERROR, "no shard");
}


/* memory fails at each allocation in turn: never a crash, never a success */
static void
test_no_memory(void)
{
    ngx_int_t              rc;
    ngx_uint_t             n;
    ngx_iot_call_t        *call;
    ngx_iot_resp_reply_t  *record, *finished;

    for (n = 1; n < 1000; n++) {
        call = start("{\"error\":{\"code\":9,\"message\":\"\\u00e4\"}}");
        record = reply_array(call, 11, waits);
        finished = reply_finished(call, "PENDING", failed, OPERATION_ID);

        unit_fail_alloc(n);

        rc = call->method->prepare(call);

        if (rc == NGX_AGAIN) {
            rc = ngx_iot_method_finish(call, record);
        }

        if (rc == NGX_AGAIN) {
            rc = ngx_iot_method_finish(call, finished);
        }

        if (!unit_alloc_failed()) {
            break;
        }

        if (rc == NGX_OK) {
            unit_ok(0, "allocation %d failed, it was finished", (int) n);
            break;
        }
    }

    unit_fail_alloc(0);
    unit_ok(n > 1 && n < 1000, "each of %d allocations failed once",
            (int) n - 1);
}


int
main(void)
{
    ngx_iot_scripts_init();

    test_bodies();
    test_request();
    test_answers();
    test_broken_answers();
    test_members();
    test_turns();
    test_no_memory();

    return unit_done();
}
