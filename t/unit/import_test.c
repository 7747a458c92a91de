
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_registry_service.h"
#include "ngx_iot_scripts.h"


/*
 * An import without a server: what it asks of the store, and how it goes on
 * when the id of a batch was fenced by others.
 */


#define PEM_IN_JSON                                                           \
    "-----BEGIN CERTIFICATE-----\\n"                                          \
    "MIIBgDCCASWgAwIBAgIUZaz7Yi/Js94SHp1uJCOBjKiXktwwCgYIKoZIzj0EAwIw\\n"     \
    "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzE2NDMwNloYDzIxMjYxMDMw\\n"     \
    "MTY0MzA2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\\n"     \
    "PQMBBwNCAAQJkwU0wOSvyk9yCSgnny8TTVgjrdoHzJg6zkFDrLQS543BjdZb12NE\\n"     \
    "XwLKrA+P2GxgVdFTfyHPJFM6RUO4DfzKo1MwUTAdBgNVHQ4EFgQUWExubd0galT4\\n"     \
    "O3WscpB1LITYoLowHwYDVR0jBBgwFoAUWExubd0galT4O3WscpB1LITYoLowDwYD\\n"     \
    "VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA/ErIZl4a9bB/zlCTQtmJ\\n"     \
    "C0BxWGtSLB5i2QVH6xjmJlECIQC1Up9rj1H9B0onRaFdNyehCaBD1/BsO97aWQJE\\n"     \
    "CnxtrA==\\n"                                                             \
    "-----END CERTIFICATE-----\\n"


#define BODY  "[{\"certificate_data\":\"" PEM_IN_JSON "\"}]"


static void test_fenced(void);
static void test_fenced_for_ever(void);
static void test_fenced_in_a_cluster(void);

static ngx_iot_call_t *start(ngx_uint_t cluster);
static ngx_int_t finish(ngx_iot_call_t *call, const char *word,
    const char *of_one);
static ngx_iot_resp_reply_t *reply(ngx_iot_call_t *call, const char *word);
static ngx_str_t batch_id(ngx_iot_call_t *call);
static ngx_uint_t is_same(const ngx_str_t *a, const ngx_str_t *b);


static ngx_iot_settings_t  settings = {
    { 2048, 65536, 0 },
    (ngx_iot_msec_t) 30 * 24 * 3600 * 1000,
    (ngx_iot_msec_t) 24 * 3600 * 1000,
    0, 0, 0, 1
};


int
main(void)
{
    if (ngx_iot_x509_init(&unit_log) != NGX_OK) {
        return 1;
    }

    ngx_iot_scripts_init();

    test_fenced();
    test_fenced_for_ever();
    test_fenced_in_a_cluster();

    ngx_iot_x509_done();

    return unit_done();
}


static void
test_fenced(void)
{
    ngx_str_t        first, second, *record, json;
    ngx_iot_call_t  *call;

    call = start(0);
    first = batch_id(call);

    unit_is_int(finish(call, "FENCED", NULL), NGX_AGAIN,
                "the batch's id is fenced: it is sent once more");

    second = batch_id(call);

    unit_ok(!is_same(&first, &second), "under another id");

    record = &call->request.argv[call->request.argc - 1];
    record->data += 9;

    unit_ok(ngx_memcmp(record->data, second.data, second.len) == 0,
            "which its record has");

    unit_is_int(finish(call, "OK", "OK"), NGX_OK, "then it is stored");
    unit_ok(is_same(&call->operation_id, &second), "with its operation");

    (void) ngx_iot_out_render(call->pool, NGX_IOT_JSON, call->method->write,
                              call, &json);

    unit_ok(json.len > 100
            && ngx_strnstr(json.data, "\"result\":\"IMPORTED\"", json.len),
            "and the row says so");
}


static void
test_fenced_for_ever(void)
{
    ngx_int_t        rc;
    ngx_str_t        json;
    ngx_uint_t       n;
    ngx_iot_call_t  *call;

    call = start(0);

    for (n = 0; n < 10; n++) {
        rc = finish(call, "FENCED", NULL);

        if (rc != NGX_AGAIN) {
            break;
        }
    }

    unit_is_int(n, 3, "it is sent four times in all");
    unit_is_int(rc, NGX_OK, "then the row is refused");

    (void) ngx_iot_out_render(call->pool, NGX_IOT_JSON, call->method->write,
                              call, &json);

    unit_ok(ngx_strnstr(json.data, "\"reason\":\"CERTIFICATE_BUSY\"",
                        json.len)
            != NULL,
            "as busy");
    unit_is_int(call->operation_id.len, 0, "and there is no operation");
}


static void
test_fenced_in_a_cluster(void)
{
    ngx_str_t        first, *argv;
    ngx_iot_call_t  *call;

    call = start(1);

    unit_is_int(call->nrequests, 1, "in a cluster it is claimed first");
    unit_is_int(call->each(call, 0, reply(call, "OK")), NGX_OK, "claimed");
    unit_is_int(ngx_iot_method_finish(call, NULL), NGX_AGAIN, "then stored");

    first = batch_id(call);

    unit_is_int(call->request.nkeys, 9, "without the claim among the keys");
    unit_is_int(finish(call, "FENCED", NULL), NGX_AGAIN, "fenced");
    unit_is_int(call->nrequests, 1, "it is claimed again");

    argv = call->requests[0].argv;

    unit_ok(!is_same(&argv[2], &first), "by another id");
    unit_is_str(&argv[3], "fleet", "which takes over the claim");
    unit_ok(is_same(&argv[4], &first), "of the former");
}


/* as far as the first request of the first batch */
static ngx_iot_call_t *
start(ngx_uint_t cluster)
{
    ngx_str_t         path;
    ngx_pool_t       *pool;
    ngx_iot_call_t   *call;
    ngx_iot_route_t   route;

    pool = unit_pool();
    call = ngx_pcalloc(pool, sizeof(ngx_iot_call_t));

    ngx_str_set(&path, "/iot-devices/v1/registries/fleet/certificates:import");

    (void) ngx_iot_method_find(NGX_IOT_REGISTRY_SERVICE|NGX_IOT_IMPORT_SERVICE,
                               NGX_IOT_POST, &path, &route);

    call->method = route.method;
    call->registry_id = route.registry_id;
    call->settings = &settings;
    call->pool = pool;
    call->log = &unit_log;
    call->now = 1795500000123;
    ngx_str_set(&call->caller, "alice");

    call->store.pool = pool;
    call->store.log = &unit_log;
    call->store.cluster = cluster;

    unit_is_int(ngx_iot_method_prepare(call), NGX_DONE, "the body is wanted");

    call->body = unit_str(pool, BODY);
    call->last_slice = 1;

    unit_is_int(call->method->more(call), NGX_AGAIN, "it is an array");
    unit_is_int(finish(call, "OK", NULL), NGX_BUSY, "the registry is there");
    unit_is_int(call->method->more(call), NGX_DONE, "the body once more");

    call->body = unit_str(pool, BODY);
    call->last_slice = 1;

    unit_is_int(call->method->more(call), NGX_AGAIN, "the batch");

    return call;
}


/* of_one: what became of the certificate, when there is one */
static ngx_int_t
finish(ngx_iot_call_t *call, const char *word, const char *of_one)
{
    ngx_iot_resp_reply_t  *whole;

    whole = reply(call, word);

    if (of_one) {
        whole->elts[1] = reply(call, of_one);
        whole->nelts = 2;
    }

    return ngx_iot_method_finish(call, whole);
}


/* an array of that word, with room for one element more */
static ngx_iot_resp_reply_t *
reply(ngx_iot_call_t *call, const char *word)
{
    ngx_iot_resp_reply_t  *array, *string;

    array = ngx_pcalloc(call->pool, sizeof(ngx_iot_resp_reply_t));
    string = ngx_pcalloc(call->pool, sizeof(ngx_iot_resp_reply_t));

    string->type = NGX_IOT_RESP_STRING;
    string->str = unit_copy(call->pool, word, ngx_strlen(word));

    array->type = NGX_IOT_RESP_ARRAY;
    array->nelts = 1;
    array->elts = ngx_pcalloc(call->pool, 2 * sizeof(void *));
    array->elts[0] = string;

    return array;
}


/* of the batch that is to be sent */
static ngx_str_t
batch_id(ngx_iot_call_t *call)
{
    ngx_str_t  *id;

    id = &call->request.argv[call->request.nkeys + 1];

    return unit_copy(call->pool, id->data, id->len);
}


static ngx_uint_t
is_same(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && ngx_memcmp(a->data, b->data, a->len) == 0;
}
