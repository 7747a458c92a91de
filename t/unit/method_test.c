
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_method.h"
#include "ngx_iot_scripts.h"


/*
 * Methods without a server: bytes in, the request to the store out; a reply
 * in, the answer's JSON out.
 */


/* a P-256 certificate, CN=localhost, valid 2026-11-23 to 2126-10-30 */

#define PEM                                                                   \
    "-----BEGIN CERTIFICATE-----\n"                                           \
    "MIIBgDCCASWgAwIBAgIUZaz7Yi/Js94SHp1uJCOBjKiXktwwCgYIKoZIzj0EAwIw\n"      \
    "FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMzE2NDMwNloYDzIxMjYxMDMw\n"      \
    "MTY0MzA2WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO\n"      \
    "PQMBBwNCAAQJkwU0wOSvyk9yCSgnny8TTVgjrdoHzJg6zkFDrLQS543BjdZb12NE\n"      \
    "XwLKrA+P2GxgVdFTfyHPJFM6RUO4DfzKo1MwUTAdBgNVHQ4EFgQUWExubd0galT4\n"      \
    "O3WscpB1LITYoLowHwYDVR0jBBgwFoAUWExubd0galT4O3WscpB1LITYoLowDwYD\n"      \
    "VR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNJADBGAiEA/ErIZl4a9bB/zlCTQtmJ\n"      \
    "C0BxWGtSLB5i2QVH6xjmJlECIQC1Up9rj1H9B0onRaFdNyehCaBD1/BsO97aWQJE\n"      \
    "CnxtrA==\n"                                                              \
    "-----END CERTIFICATE-----\n"

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

#define FINGERPRINT                                                           \
    "24fccbdee7388e63dc0c767ea286523dd58980e71ca85e2062e51c9e06581b2a"

#define SHA256                                                                \
    "\x24\xfc\xcb\xde\xe7\x38\x8e\x63\xdc\x0c\x76\x7e\xa2\x86\x52\x3d"        \
    "\xd5\x89\x80\xe7\x1c\xa8\x5e\x20\x62\xe5\x1c\x9e\x06\x58\x1b\x2a"

#define SHA1                                                                  \
    "\x13\xb7\xf3\x1e\x1c\x3a\x43\x7f\xfe\x54\x22\xc6\x3f\x88\x2f\x13"        \
    "\xed\xd7\x7d\xb8"

/* 2026-11-24T06:00:00.123Z, its eight bytes, and an id made of it */

#define NOW           1795500000123
#define NOW_BYTES     "\0\0\x01\xa2\x0c\x23\xc3\x7b"
#define OPERATION_ID  "7e1k8627grr1081g8186"

#define DER_LEN       388

#define OPERATION_HEAD                                                        \
    "{\"id\":\"" OPERATION_ID "\",\"description\":\"Add registry certificate" \
    "\",\"createdAt\":\"2026-11-24T06:00:00.123Z\",\"createdBy\":\"alice\","  \
    "\"modifiedAt\":\"2026-11-24T06:00:00.123Z\",\"done\":true,"              \
    "\"metadata\":{\"@type\":\"type.googleapis.com/"                          \
    "yandex.cloud.iot.devices.v1.AddRegistryCertificateMetadata\","           \
    "\"registryId\":\"fleet\",\"fingerprint\":\"" FINGERPRINT "\"},"          \
    "\"response\":{\"@type\":\"type.googleapis.com/"                          \
    "yandex.cloud.iot.devices.v1.RegistryCertificate\","                      \
    "\"registryId\":\"fleet\",\"fingerprint\":\"" FINGERPRINT "\","

#define OPERATION_JSON                                                        \
    OPERATION_HEAD "\"certificateData\":\"" PEM_IN_JSON "\","                 \
    "\"createdAt\":\"2026-11-24T06:00:00.123Z\"}}"

#define OPERATION_JSON_DELETED                                                \
    OPERATION_HEAD "\"createdAt\":\"2026-11-24T06:00:00.123Z\"}}"


static ngx_iot_settings_t  settings = {
    { 2048, 65536, 0 },
    (ngx_iot_msec_t) 30 * 24 * 3600 * 1000,
    (ngx_iot_msec_t) 24 * 3600 * 1000,
    0, 0, 0, 0
};


static ngx_iot_call_t *
start(ngx_uint_t services, ngx_uint_t verb, const char *path,
    const char *body)
{
    ngx_str_t         uri;
    ngx_iot_call_t   *call;
    ngx_iot_route_t   route;
    ngx_pool_t       *pool;

    pool = unit_pool();
    call = ngx_pcalloc(pool, sizeof(ngx_iot_call_t));

    call->settings = &settings;
    call->pool = pool;
    call->log = &unit_log;
    call->store.pool = pool;
    call->store.log = &unit_log;
    call->store.open = settings.open;
    call->store.retention = settings.operation_retention;
    call->store.idempotency_retention = settings.idempotency_retention;
    ngx_str_set(&call->store.key_prefix, "gw:");
    call->now = NOW;
    ngx_memcpy(call->random, "\1\2\3\4\5\6", NGX_IOT_ID_RANDOM_LEN);
    ngx_str_set(&call->caller, "alice");
    call->body = unit_copy(pool, body, ngx_strlen(body));

    uri = unit_copy(pool, path, ngx_strlen(path));

    if (ngx_iot_method_find(services, verb, &uri, &route) == NGX_OK) {
        call->method = route.method;
        call->registry_id = route.registry_id;
        call->operation_id = route.operation_id;
    }

    return call;
}


static ngx_iot_call_t *
start_add(const char *body)
{
    return start(NGX_IOT_REGISTRY_SERVICE, NGX_IOT_POST,
                 "/iot-devices/v1/registries/fleet/certificates", body);
}


static ngx_iot_call_t *
start_get(const char *id)
{
    char  path[256];

    (void) ngx_sprintf((u_char *) path, "/operations/%s%Z", id);

    return start(NGX_IOT_OPERATION_SERVICE, NGX_IOT_GET, path, "");
}


static ngx_iot_resp_reply_t *
reply_string(ngx_iot_call_t *call, const char *data, size_t len)
{
    ngx_iot_resp_reply_t  *reply;

    reply = ngx_pcalloc(call->pool, sizeof(ngx_iot_resp_reply_t));

    if (data) {
        reply->type = NGX_IOT_RESP_STRING;
        reply->str = unit_copy(call->pool, data, len);
    }

    return reply;
}


/* an array of strings; NULL in it is nil */
static ngx_iot_resp_reply_t *
reply_array(ngx_iot_call_t *call, ngx_uint_t n, const char **strings)
{
    ngx_uint_t             i;
    ngx_iot_resp_reply_t  *reply;

    reply = ngx_pcalloc(call->pool, sizeof(ngx_iot_resp_reply_t));

    reply->type = NGX_IOT_RESP_ARRAY;
    reply->nelts = n;
    reply->elts = ngx_pcalloc(call->pool, n * sizeof(void *));

    for (i = 0; i < n; i++) {
        reply->elts[i] = reply_string(call, strings[i],
                                      strings[i] ? ngx_strlen(strings[i]) : 0);
    }

    return reply;
}


static ngx_str_t
answer(ngx_iot_call_t *call)
{
    ngx_str_t  json;

    ngx_str_null(&json);

    (void) ngx_iot_out_render(call->pool, NGX_IOT_JSON,
                              ngx_iot_method_write_operation, call, &json);

    return json;
}


static void
is_reason(ngx_iot_call_t *call, const char *reason, const char *name)
{
    unit_is_str(ngx_iot_reason_name(call->error.reason), reason, "%s", name);
}


static void
test_routes(void)
{
    ngx_str_t        path;
    ngx_uint_t       i;
    ngx_iot_route_t  route;

    static const struct {
        const char  *path;
        ngx_uint_t   verb;
        const char  *method;
        ngx_uint_t   allow;
    } routes[] = {
        { "/iot-devices/v1/registries/a/certificates", NGX_IOT_POST,
          "RegistryService.AddCertificate", 0 },
        { "/iot-devices/v1/registries/a/certificates/", NGX_IOT_POST,
          "RegistryService.AddCertificate", 0 },
        { "/operations/x", NGX_IOT_GET, "OperationService.Get", 0 },
        { "/operations/x/", NGX_IOT_GET, "OperationService.Get", 0 },

        { "/iot-devices/v1/registries/a/certificates", NGX_IOT_GET,
          "RegistryService.ListCertificates", 0 },
        { "/iot-devices/v1/registries/a/certificates/f", NGX_IOT_GET,
          "RegistryService.GetCertificate", 0 },
        { "/iot-devices/v1/registries/a/certificates/f", NGX_IOT_DELETE,
          "RegistryService.DeleteCertificate", 0 },

        { "/iot-devices/v1/registries/a/certificates", 0,
          NULL, NGX_IOT_GET|NGX_IOT_POST },
        { "/iot-devices/v1/registries/a/certificates/f", NGX_IOT_POST,
          NULL, NGX_IOT_GET|NGX_IOT_DELETE },
        { "/iot-devices/v1/registries/a/certificates/f/g", NGX_IOT_GET,
          NULL, 0 },
        { "/operations/x", NGX_IOT_POST, NULL, NGX_IOT_GET },

        { "/iot-devices/v1/registries/a/certificates//", NGX_IOT_POST,
          NULL, 0 },
        { "/iot-devices/v1/registries//certificates", NGX_IOT_POST, NULL, 0 },
        { "/iot-devices/v1/registries/a/b/certificates", NGX_IOT_POST,
          NULL, 0 },
        { "/iot-devices/v1/registries/a/certificate", NGX_IOT_POST, NULL, 0 },
        { "/iot-devices/v1/registries/a/certificatesx", NGX_IOT_POST,
          NULL, 0 },
        { "/iot-devices/v1/registries/a", NGX_IOT_POST,
          NULL, NGX_IOT_GET|NGX_IOT_PATCH|NGX_IOT_DELETE },
        { "/iot-devices/v1/registries", NGX_IOT_POST,
          "RegistryService.Create", 0 },
        { "/iot-devices/v1/registries/", NGX_IOT_GET,
          "RegistryService.List", 0 },
        { "/iot-devices/v1/registries:getByName", NGX_IOT_GET,
          "RegistryService.GetByName", 0 },
        { "/iot-devices/v1/registries/a", NGX_IOT_GET,
          "RegistryService.Get", 0 },
        { "/iot-devices/v1/registries/a", NGX_IOT_PATCH,
          "RegistryService.Update", 0 },
        { "/iot-devices/v1/registries/a", NGX_IOT_DELETE,
          "RegistryService.Delete", 0 },
        { "/iot-devices/v1/registries/a:enable", NGX_IOT_POST,
          "RegistryService.Enable", 0 },
        { "/iot-devices/v1/registries/a:disable/", NGX_IOT_POST,
          "RegistryService.Disable", 0 },
        { "/iot-devices/v1/registries/a:enable", NGX_IOT_GET,
          NULL, NGX_IOT_POST },
        { "/iot-devices/v1/registries/:enable", NGX_IOT_POST, NULL, 0 },
        { "/iot-devices/v1/registries/a:b:enable", NGX_IOT_POST, NULL, 0 },
        { "/iot-devices/v1/registries/a:enabled", NGX_IOT_POST, NULL, 0 },
        { "iot-devices/v1/registries/a/certificates", NGX_IOT_POST, NULL, 0 },
        { "/operations", NGX_IOT_GET, NULL, 0 },
        { "/operations/", NGX_IOT_GET, NULL, 0 },
        { "/operations/x/y", NGX_IOT_GET, NULL, 0 },
        { "/operations/x:cancel", NGX_IOT_GET, "OperationService.Cancel", 0 },
        { "/operations/x:cancel", NGX_IOT_POST, "OperationService.Cancel",
          0 },
        { "/operations/x:cancel", NGX_IOT_DELETE, NULL,
          NGX_IOT_GET|NGX_IOT_POST },
        { "/operations/x:finish", NGX_IOT_POST, NULL, 0 },
        { "/operations/:", NGX_IOT_GET, NULL, 0 },
        { "/iot-devices/v1/registries/a:b/certificates", NGX_IOT_POST,
          "RegistryService.AddCertificate", 0 },
        { "/iot-devices/v1/registries/a/certificates/f:0", NGX_IOT_GET,
          "RegistryService.GetCertificate", 0 },
        { "/", NGX_IOT_GET, NULL, 0 },
        { "", NGX_IOT_GET, NULL, 0 }
    };

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        path = unit_copy(unit_pool(), routes[i].path,
                         ngx_strlen(routes[i].path));

        (void) ngx_iot_method_find(NGX_IOT_REGISTRY_SERVICE
                                   |NGX_IOT_OPERATION_SERVICE,
                                   routes[i].verb, &path, &route);

        if (routes[i].method) {
            unit_ok(route.method != NULL
                    && ngx_strcmp(route.method->name.data, routes[i].method)
                       == 0,
                    "\"%s\" is %s", routes[i].path, routes[i].method);

        } else {
            unit_ok(route.method == NULL, "\"%s\" is no route",
                    routes[i].path);
        }

        unit_is_int(route.allow, routes[i].allow, "... its verbs");
    }

    ngx_str_set(&path, "/operations/x:finish");

    unit_is_int(ngx_iot_method_find(NGX_IOT_COMPLETION, NGX_IOT_POST, &path,
                                    &route),
                NGX_OK, "a backend's own service");

    ngx_str_set(&path, "/operations/x");

    unit_is_int(ngx_iot_method_find(NGX_IOT_REGISTRY_SERVICE, NGX_IOT_GET,
                                    &path, &route),
                NGX_DECLINED, "a location serves its own services only");
}


static void
test_add_request(void)
{
    ngx_str_t       *argv, record;
    ngx_iot_call_t  *call;

    unit_note("AddCertificate: the request to the store");

    call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\"}");

    unit_is_int(call->method->prepare(call), NGX_AGAIN, "prepare");
    unit_ok(call->request.script
            == &ngx_iot_scripts[NGX_IOT_SCRIPT_ADD_CERTIFICATE],
            "the script");
    unit_is_int(call->request.nkeys, 12, "keys");
    unit_is_int(call->request.argc, 28, "keys and arguments");
    unit_ok(call->request.writes && !call->request.large,
            "it writes, its reply is small");

    argv = call->request.argv;

    unit_is_str(&argv[0], "gw:{7e}:r:fleet", "registry");
    unit_is_str(&argv[1], "gw:{7e}:o:" OPERATION_ID, "operation");
    unit_is_str(&argv[2], "gw:{7e}:y:fleet", "operations");
    unit_is_str(&argv[3], "gw:{7e}:o:" OPERATION_ID,
                "no Idempotency-Key: the operation again");
    unit_is_str(&argv[4], "gw:{7e}:c:fleet:" FINGERPRINT, "certificate");
    unit_is_str(&argv[5], "gw:{7e}:z:fleet", "list");
    unit_is_str(&argv[6], "gw:{7e}:h:fleet", "aliases");
    unit_is_str(&argv[7], "gw:{7e}:w:fleet", "what waits");
    unit_is_str(&argv[8], "gw:{7e}:p", "pending operations");
    unit_is_str(&argv[9], "gw:{7e}:e", "events");
    unit_is_str(&argv[10], "gw:{7e}:a:" OPERATION_ID, "fence");
    unit_is_str(&argv[11], "gw:{4j}:x:" FINGERPRINT, "claim");

    unit_is_str(&argv[12], "fleet", "registry id");
    unit_is_str(&argv[13], OPERATION_ID, "operation id");
    unit_is_str(&argv[14], "1795500000123", "now");
    unit_is_str(&argv[15], "alice", "createdBy");
    unit_is_str(&argv[16], "2592000000", "the operation's life");
    unit_is_str(&argv[17], "7e1k5oq9urr000000000", "operations before it");
    unit_is_str(&argv[18], "known", "the registry must exist");
    unit_is_str(&argv[19], "", "no Idempotency-Key: no hash");

    unit_is_mem(&argv[21], SHA256, 32, "SHA-256");
    unit_is_mem(&argv[22], SHA1, 20, "SHA-1");
    unit_is_mem(&argv[23], &(NOW_BYTES SHA256)[2], 38,
                "list member: six bytes of createdAt, SHA-256");

    record = argv[24];
    unit_is_int(record.len, 50 + DER_LEN, "record: head and DER");
    record.len = 50;
    unit_is_mem(&record, "\1" NOW_BYTES OPERATION_ID SHA1 "\1", 50,
                "record: format, createdAt, operation, SHA-1, PEM from DER");
    unit_is_str(&argv[27], "immediate", "nobody has to finish it");
}


/* what makes requests the same, and what a key counts for */
static void
test_idempotency(void)
{
    char             name[10 + 32], hash[8];
    ngx_str_t       *argv;
    ngx_iot_call_t  *call;

    unit_note("Idempotency-Key");

    call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\"}");
    ngx_str_set(&call->idempotency_key,
                "0F8FAD5B-d9cb-469f-a165-70867728950e");

    unit_is_int(ngx_iot_method_prepare(call), NGX_AGAIN, "a key");

    argv = call->request.argv;
    unit_is_int(argv[3].len, sizeof(name), "its record's name");
    unit_is_int(argv[19].len, sizeof(hash), "the request's hash");

    ngx_memcpy(name, argv[3].data, sizeof(name));
    ngx_memcpy(hash, argv[19].data, sizeof(hash));

    unit_is_str(&argv[20], "86400000", "the record's life");

    call = start_add(" { \"certificate_data\": \"" PEM_IN_JSON "\" } ");
    ngx_str_set(&call->idempotency_key,
                "0f8fad5b-d9cb-469f-a165-70867728950e");
    unit_is_int(ngx_iot_method_prepare(call), NGX_AGAIN, "in other bytes");

    argv = call->request.argv;
    unit_is_mem(&argv[3], name, sizeof(name), "... the same name");
    unit_is_mem(&argv[19], hash, sizeof(hash), "... the same hash");

    call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\\n\"}");
    ngx_str_set(&call->idempotency_key,
                "0f8fad5b-d9cb-469f-a165-70867728950e");
    (void) ngx_iot_method_prepare(call);

    argv = call->request.argv;
    unit_is_mem(&argv[3], name, sizeof(name), "another request: its name");
    unit_ok(ngx_memcmp(argv[19].data, hash, 8) != 0, "... another hash");

    call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\"}");
    ngx_str_set(&call->idempotency_key,
                "0f8fad5b-d9cb-469f-a165-70867728950e");
    ngx_str_set(&call->caller, "bob");
    (void) ngx_iot_method_prepare(call);

    unit_ok(ngx_memcmp(call->request.argv[3].data, name, sizeof(name)) != 0,
            "another caller: another name");

    call = start_add("{}");
    ngx_str_set(&call->idempotency_key, "1");
    unit_is_int(ngx_iot_method_prepare(call), NGX_DECLINED, "no UUID");
    unit_is_str(&call->error.field, "idempotency_key", "... its field");
}


/* the first request's operation is read, and what is read starts nothing */
static void
test_idempotency_answers(void)
{
    ngx_str_t        json;
    ngx_iot_call_t  *call;

    static const char  *same[] = { "SAME", OPERATION_ID };
    static const char  *broken[] = { "SAME", "7e1k8627grr1081g818" };
    static const char  *reused[] = { "REUSED" };

    static const char  *record[] = {
        "1", "1", "fleet", "0123456789abcdef0123456789abcdef", "alice",
        "1795500000123", NULL, "0", NULL, NULL, NULL
    };

    call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\"}");
    (void) ngx_iot_method_prepare(call);

    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 2, same)),
                NGX_AGAIN, "SAME");
    unit_is_str(&call->request.argv[1], "gw:{7e}:o:" OPERATION_ID,
                "... reads the operation");
    unit_is_str(&call->operation_id, OPERATION_ID, "... names it");

    ngx_iot_call_timed_out(call);
    is_reason(call, "STORE_UNAVAILABLE", "... and that changes nothing");

    (void) ngx_iot_method_finish(call, reply_array(call, 11, record));

    json = answer(call);
    unit_ok(ngx_strnstr(json.data, "\"done\":false", json.len) != NULL,
            "... as it is now");

    call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\"}");
    (void) ngx_iot_method_prepare(call);

    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 2, broken)),
                NGX_DECLINED, "SAME with what is no id");
    is_reason(call, "INTERNAL_ERROR", "... its reason");

    call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\"}");
    (void) ngx_iot_method_prepare(call);

    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 1, reused)),
                NGX_DECLINED, "REUSED");
    is_reason(call, "IDEMPOTENCY_KEY_REUSED", "... its reason");
    unit_is_str(&call->error.field, "idempotency_key", "... its field");
    unit_is_int(call->operation_id.len, 0, "... no operation");
}


/* an id of {g5}, made when the claim's operation was begun */
#define OTHER_OLD    "g5" "1k86275oo" "000000000"
#define OTHER_YOUNG  "g5" "1k8627grr" "000000000"


static ngx_iot_call_t *
start_claim(ngx_uint_t cluster)
{
    ngx_iot_call_t  *call;

    call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\"}");
    call->store.cluster = cluster;

    (void) ngx_iot_method_prepare(call);

    return call;
}


static ngx_int_t
tell(ngx_iot_call_t *call, const char *word, const char *registry_id,
    const char *operation_id)
{
    const char  *words[3];

    words[0] = word;
    words[1] = registry_id;
    words[2] = operation_id;

    return ngx_iot_method_finish(call, reply_array(call, registry_id ? 3 : 1,
                                                   words));
}


static void
is_script(ngx_iot_call_t *call, ngx_iot_script_e script, const char *name)
{
    unit_ok(call->request.script == &ngx_iot_scripts[script], "%s", name);
}


static void
is_released(ngx_iot_call_t *call, const char *operation_id)
{
    ngx_iot_store_claim_t  *claim;

    unit_is_int(call->released ? call->released->nelts : 0,
                operation_id ? 1 : 0, "... claims to release");

    if (operation_id && call->released) {
        claim = call->released->elts;

        unit_is_str(&claim->operation_id, operation_id, "... the operation");
        unit_is_str(&claim->registry_id, "fleet", "... the registry");
        unit_ok(ngx_memcmp(claim->fingerprint, FINGERPRINT, 64) == 0,
                "... the certificate");
    }
}


static void
test_claim(void)
{
    ngx_str_t       *argv;
    ngx_iot_call_t  *call;

    unit_note("a certificate is claimed, then stored");

    call = start_claim(1);
    argv = call->request.argv;

    is_script(call, NGX_IOT_SCRIPT_CLAIM_CERTIFICATE, "cluster: a claim");
    unit_is_int(call->request.nkeys, 1, "... of one slot");
    unit_is_str(&argv[0], "gw:{4j}:x:" FINGERPRINT, "... the fingerprint's");
    unit_is_str(&argv[1], "fleet", "... for the registry");
    unit_is_str(&argv[2], OPERATION_ID, "... by the operation");
    unit_is_str(&argv[4], "", "... over nobody's");
    unit_ok(call->request.writes, "... it writes");

    unit_is_int(tell(call, "OK", NULL, NULL), NGX_AGAIN, "claimed");
    is_script(call, NGX_IOT_SCRIPT_ADD_CERTIFICATE, "... it is stored");
    unit_is_int(call->request.nkeys, 11, "... without the claim's key");
    unit_is_str(&call->request.argv[10], "gw:{7e}:a:" OPERATION_ID,
                "... but the fence's");

    unit_is_int(tell(call, "OK", NULL, NULL), NGX_OK, "stored");
    is_released(call, NULL);
}


/* what another's claim is worth */
static void
test_claim_held(void)
{
    ngx_str_t       *argv;
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    call = start_claim(1);

    unit_is_int(tell(call, "HELD", "plant-7", OTHER_OLD), NGX_AGAIN,
                "a claim that another has");
    is_script(call, NGX_IOT_SCRIPT_RESOLVE_CERTIFICATE,
              "... its registry is asked");

    argv = call->request.argv;

    unit_is_str(&argv[0], "gw:{g5}:r:plant-7", "... the registry");
    unit_is_str(&argv[1], "gw:{g5}:c:plant-7:" FINGERPRINT,
                "... its certificate");
    unit_is_str(&argv[2], "gw:{g5}:o:" OTHER_OLD, "... the operation");
    unit_is_str(&argv[3], "gw:{g5}:a:" OTHER_OLD, "... its fence");
    unit_is_str(&argv[4], "old", "... which is not on its way any more");

    unit_is_int(tell(call, "FREE", NULL, NULL), NGX_AGAIN, "worth nothing");
    is_script(call, NGX_IOT_SCRIPT_CLAIM_CERTIFICATE, "... it is taken over");

    argv = call->request.argv;

    unit_is_str(&argv[3], "plant-7", "... from that registry");
    unit_is_str(&argv[4], OTHER_OLD, "... and operation only");

    unit_is_int(tell(call, "OK", NULL, NULL), NGX_AGAIN, "taken over");
    is_script(call, NGX_IOT_SCRIPT_ADD_CERTIFICATE, "... it is stored");

    /* a member of another registry, one of this, one that may become it */

    call = start_claim(1);
    (void) tell(call, "HELD", "plant-7", OTHER_OLD);
    unit_is_int(tell(call, "MEMBER", NULL, NULL), NGX_AGAIN, "a member");
    is_script(call, NGX_IOT_SCRIPT_CHECK_CERTIFICATE,
              "... there may be a better reason");
    unit_is_str(&call->request.argv[1], "gw:{7e}:c:fleet:" FINGERPRINT,
                "... here");
    unit_is_int(tell(call, "OK", NULL, NULL), NGX_DECLINED, "there is none");
    is_reason(call, "CERTIFICATE_EXISTS", "... another's");
    unit_is_str(&call->error.metadata[0].value, "another", "... not named");
    is_released(call, NULL);

    call = start_claim(1);
    (void) tell(call, "HELD", "fleet", OTHER_OLD);
    (void) tell(call, "MEMBER", NULL, NULL);
    unit_is_int(tell(call, "NO_REGISTRY", NULL, NULL), NGX_DECLINED,
                "a better reason");
    is_reason(call, "REGISTRY_NOT_FOUND", "... it is said");

    call = start_claim(1);
    (void) tell(call, "HELD", "plant-7", OTHER_YOUNG);
    unit_is_str(&call->request.argv[4], "young", "a claim just made");

    for (i = 0; i < 4; i++) {
        unit_is_int(tell(call, "PENDING", NULL, NULL), NGX_AGAIN,
                    "... pending");
        is_script(call, NGX_IOT_SCRIPT_CLAIM_CERTIFICATE, "... once more");
        unit_is_int(call->delay, 50, "... a little later");
        unit_is_str(&call->request.argv[3], "", "... over nobody's");

        call->delay = 0;
        (void) tell(call, "HELD", "plant-7", OTHER_YOUNG);
    }

    unit_is_int(tell(call, "PENDING", NULL, NULL), NGX_AGAIN, "... enough");
    unit_is_int(call->delay, 0, "... now");
    unit_is_int(tell(call, "OK", NULL, NULL), NGX_DECLINED, "... refused");
    is_reason(call, "CERTIFICATE_BUSY", "... for now");
    unit_is_int(call->operation_id.len, 0, "... no operation was started");
}


/* whoever is always quicker */
static void
test_claim_lost(void)
{
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    call = start_claim(0);

    is_script(call, NGX_IOT_SCRIPT_ADD_CERTIFICATE, "one server: one script");

    for (i = 0; i < 3; i++) {
        unit_is_int(tell(call, "HELD", "plant-7", OTHER_OLD), NGX_AGAIN,
                    "claimed by another");
        is_script(call, NGX_IOT_SCRIPT_RESOLVE_CERTIFICATE, "... is it?");
        unit_is_int(tell(call, "FREE", NULL, NULL), NGX_AGAIN, "... no");
    }

    (void) tell(call, "HELD", "plant-7", OTHER_OLD);
    unit_is_int(tell(call, "FREE", NULL, NULL), NGX_AGAIN, "a fourth time");
    is_script(call, NGX_IOT_SCRIPT_CHECK_CERTIFICATE, "... it is enough");
    unit_is_int(tell(call, "OK", NULL, NULL), NGX_DECLINED, "... refused");
    is_reason(call, "CERTIFICATE_BUSY", "... its reason");
}


/* what was claimed is given back, unless the operation may be stored */
static void
test_claim_given_back(void)
{
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    static const struct {
        void       (*event)(ngx_iot_call_t *call);
        const char  *claiming;          /* reasons */
        const char  *storing;
        ngx_uint_t   released;          /* the second */
    } events[] = {
        { ngx_iot_call_timed_out, "STORE_UNAVAILABLE",
          "STORE_OUTCOME_UNKNOWN", 0 },
        { ngx_iot_call_link_lost, "STORE_UNAVAILABLE",
          "STORE_OUTCOME_UNKNOWN", 0 },
        { ngx_iot_call_unavailable, "STORE_UNAVAILABLE",
          "STORE_UNAVAILABLE", 1 },
        { ngx_iot_call_queue_full, "STORE_QUEUE_FULL",
          "STORE_QUEUE_FULL", 1 },
        { ngx_iot_call_aborted, NULL, NULL, 0 }
    };

    for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
        unit_note("unanswered %d", (int) i);

        call = start_claim(1);
        events[i].event(call);

        if (events[i].claiming) {
            is_reason(call, events[i].claiming, "while it is claimed");
        }

        is_released(call, OPERATION_ID);

        call = start_claim(1);
        (void) tell(call, "OK", NULL, NULL);
        events[i].event(call);

        if (events[i].storing) {
            is_reason(call, events[i].storing, "while it is stored");
        }

        is_released(call, events[i].released ? OPERATION_ID : NULL);
    }

    call = start_claim(1);
    (void) tell(call, "OK", NULL, NULL);
    unit_is_int(tell(call, "NO_REGISTRY", NULL, NULL), NGX_DECLINED,
                "refused when it was claimed");
    is_released(call, OPERATION_ID);

    call = start_claim(1);
    (void) tell(call, "OK", NULL, NULL);
    (void) tell(call, "OK", NULL, NULL);
    ngx_iot_call_aborted(call);
    unit_ok(1, "the client leaves after all was done");
    is_released(call, NULL);
}


/* a delete that did not reach the claim leaves it to be released */
static void
test_delete_releases(void)
{
    ngx_uint_t       cluster;
    ngx_iot_call_t  *call;

    static const char  *done[] = { "OK", OTHER_OLD };
    static const char  *before[] = { "OK" };

    for (cluster = 0; cluster < 2; cluster++) {
        call = start(NGX_IOT_REGISTRY_SERVICE, NGX_IOT_DELETE,
                     "/iot-devices/v1/registries/fleet/certificates/"
                     FINGERPRINT, "");
        ngx_str_set(&call->fingerprint, FINGERPRINT);
        call->store.cluster = cluster;

        unit_is_int(ngx_iot_method_prepare(call), NGX_AGAIN, "a delete");
        unit_is_int(call->request.nkeys, cluster ? 10 : 11, "... its keys");
        unit_is_int(ngx_iot_method_finish(call, reply_array(call, 2, done)),
                    NGX_OK, "... is done");
        is_released(call, cluster ? OTHER_OLD : NULL);
    }

    call = start(NGX_IOT_REGISTRY_SERVICE, NGX_IOT_DELETE,
                 "/iot-devices/v1/registries/fleet/certificates/" FINGERPRINT,
                 "");
    ngx_str_set(&call->fingerprint, FINGERPRINT);
    call->store.cluster = 1;

    (void) ngx_iot_method_prepare(call);
    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 1, before)),
                NGX_OK, "a delete that was done before");
    is_released(call, NULL);
}


/* what was sent comes back byte for byte, in whatever form it is kept */
static void
test_record_forms(void)
{
    u_char                *body;
    ngx_str_t              text, json, *record;
    ngx_uint_t             i;
    ngx_iot_call_t        *call;
    ngx_iot_certificate_t  certificate;

    static const struct {
        const char  *what;
        const char  *text;              /* as JSON */
        ngx_uint_t   form;
    } forms[] = {
        { "the usual PEM", PEM_IN_JSON, NGX_IOT_STORE_PEM },
        { "text before it", "x\\n" PEM_IN_JSON, NGX_IOT_STORE_TEXT },
        { "text after it", PEM_IN_JSON "x", NGX_IOT_STORE_TEXT },
        { "two last newlines", PEM_IN_JSON "\\n", NGX_IOT_STORE_TEXT }
    };

    unit_note("certificate_data in the store, and back");

    for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        body = ngx_alloc(8192, &unit_log);
        ngx_sprintf(body, "{\"certificateData\":\"%s\"}%Z", forms[i].text);

        call = start_add((char *) body);
        unit_is_int(call->method->prepare(call), NGX_AGAIN, "%s",
                    forms[i].what);
        ngx_free(body);

        record = &call->request.argv[24];
        unit_is_int(record->data[49], forms[i].form, "... its form");

        text = call->operation.certificate.pem;
        certificate = call->operation.certificate;
        ngx_str_null(&certificate.pem);

        unit_is_int(ngx_iot_store_record(&call->store,
                        reply_string(call, (char *) record->data, record->len),
                        &certificate, &json),
                    NGX_IOT_STORE_OK, "... is read");
        unit_is_mem(&certificate.pem, text.data, text.len, "... the same");
        unit_is_int(certificate.created_at, NOW, "... createdAt");
        unit_is_str(&json, OPERATION_ID, "... added by");
    }
}


/* "$(cat cert.pem)" loses the last newline */
static void
test_record_form_open(void)
{
    ngx_str_t               pem, added_by, *record;
    ngx_iot_call_t         *call;
    ngx_iot_certificate_t   certificate;

    call = start_add("");
    pem = unit_copy(call->pool, PEM, sizeof(PEM) - 2);

    ngx_str_set(&call->body, "{\"certificateData\":\"" PEM_IN_JSON "\"}");

    /* drops \n before the closing quote */
    call->body = unit_copy(call->pool, call->body.data, call->body.len - 2);
    ngx_memcpy(call->body.data + call->body.len - 2, "\"}", 2);

    unit_is_int(call->method->prepare(call), NGX_AGAIN, "no last newline");

    record = &call->request.argv[24];
    unit_is_int(record->data[49], NGX_IOT_STORE_PEM_OPEN, "... its form");
    unit_is_int(ngx_iot_store_record(&call->store,
                    reply_string(call, (char *) record->data, record->len),
                    &certificate, &added_by),
                NGX_IOT_STORE_OK, "... is read");
    unit_is_mem(&certificate.pem, pem.data, pem.len, "... the same");
}


static void
test_add_answers(void)
{
    ngx_uint_t       i;
    ngx_str_t        json;
    ngx_iot_call_t  *call;

    static const char  *ok[] = { "OK" };

    static const struct {
        ngx_uint_t   n;
        const char  *reply[2];
        const char  *reason;
    } refusals[] = {
        { 1, { "NO_REGISTRY", NULL }, "REGISTRY_NOT_FOUND" },
        { 1, { "DISABLED", NULL }, "REGISTRY_DISABLED" },
        { 2, { "EXISTS", "7e1k5oq9urr000000000" }, "CERTIFICATE_EXISTS" },
        { 1, { "FENCED", NULL }, "CERTIFICATE_BUSY" },
        { 1, { "LIMIT", NULL }, "CERTIFICATE_LIMIT" },
        { 1, { "HELD", NULL }, "INTERNAL_ERROR" },
        { 2, { "HELD", "plant-7" }, "INTERNAL_ERROR" },
        { 1, { "NEWER", NULL }, "STORE_NEWER_FORMAT" },
        { 1, { "TAKEN", NULL }, "INTERNAL_ERROR" },
        { 1, { "", NULL }, "INTERNAL_ERROR" },
        { 1, { "OKAY", NULL }, "INTERNAL_ERROR" },
        { 1, { "O", NULL }, "INTERNAL_ERROR" },
        { 1, { NULL, NULL }, "INTERNAL_ERROR" },
        { 1, { "EXISTS", NULL }, "INTERNAL_ERROR" },
        { 2, { "EXISTS", NULL }, "INTERNAL_ERROR" },
        { 0, { NULL, NULL }, "INTERNAL_ERROR" }
    };

    unit_note("AddCertificate: the store's reply to the answer");

    call = start_add("{\"certificate_data\":\"" PEM_IN_JSON "\"}");
    (void) call->method->prepare(call);

    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 1, ok)), NGX_OK,
                "OK");

    json = answer(call);
    unit_is_str(&json, OPERATION_JSON, "the finished Operation");

    for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        call = start_add("{\"certificate_data\":\"" PEM_IN_JSON "\"}");
        (void) call->method->prepare(call);

        unit_is_int(ngx_iot_method_finish(call,
                        reply_array(call, refusals[i].n,
                                    (const char **) refusals[i].reply)),
                    NGX_DECLINED, "%s",
                    refusals[i].reply[0] ? refusals[i].reply[0] : "nil");
        is_reason(call, refusals[i].reason, "... its reason");
    }

    call = start_add("{\"certificate_data\":\"" PEM_IN_JSON "\"}");
    (void) call->method->prepare(call);

    unit_is_int(ngx_iot_method_finish(call, reply_string(call, "OK", 2)),
                NGX_DECLINED, "not an array");
    is_reason(call, "INTERNAL_ERROR", "... its reason");
}


static void
test_add_refused(void)
{
    ngx_iot_call_t  *call;

    unit_note("AddCertificate: refused before the store");

    call = start_add("{");
    unit_is_int(call->method->prepare(call), NGX_DECLINED, "broken JSON");
    is_reason(call, "INVALID_JSON", "... its reason");
    unit_is_str(&call->error.field, "body", "... its field");

    call = start_add("");
    unit_is_int(call->method->prepare(call), NGX_DECLINED, "empty body");
    is_reason(call, "CERTIFICATE_REQUIRED", "... its reason");
    unit_is_str(&call->error.field, "certificate_data", "... its field");

    call = start_add("{\"registryId\":1,\"certificateData\":\"x\"}");
    unit_is_int(call->method->prepare(call), NGX_DECLINED,
                "a number as registry id");
    unit_is_str(&call->error.field, "registry_id", "... its field");

    call = start(NGX_IOT_REGISTRY_SERVICE, NGX_IOT_POST,
                 "/iot-devices/v1/registries/a b/certificates", "{}");
    unit_is_int(call->method->prepare(call), NGX_DECLINED, "a bad id");
    is_reason(call, "INVALID_FIELD", "... its reason");
    unit_is_str(&call->error.field, "registry_id", "... its field");

    call = start_add("{\"registryId\":\"other\",\"certificateData\":\""
                     PEM_IN_JSON "\"}");
    unit_is_int(call->method->prepare(call), NGX_AGAIN,
                "another registry id in the body");
    unit_is_str(&call->request.argv[12], "fleet", "... the path's wins");
}


static const char  *operation_reply[] = {
    "1", "1", "fleet", SHA256, "alice", "1795500000123", NULL, "1", NULL,
    NULL, NULL
};


static void
test_get_operation(void)
{
    u_char           record[50 + 4096];
    ngx_str_t        json;
    ngx_iot_call_t  *call;

    unit_note("Operation.Get: two reads");

    call = start_get(OPERATION_ID);

    unit_is_int(call->method->prepare(call), NGX_AGAIN, "prepare");
    unit_ok(call->request.script == NULL, "a plain command");
    unit_is_str(&call->request.argv[0], "HMGET", "HMGET");
    unit_is_str(&call->request.argv[1], "gw:{7e}:o:" OPERATION_ID, "its key");

    unit_is_int(ngx_iot_method_finish(call,
                                     reply_array(call, 11, operation_reply)),
                NGX_AGAIN, "the operation is there");
    unit_is_str(&call->registry_id, "fleet", "its registry, for iot_access");
    unit_is_str(&call->request.argv[0], "GET", "GET");
    unit_is_str(&call->request.argv[1], "gw:{7e}:c:fleet:" FINGERPRINT,
                "the certificate's key");

    ngx_memcpy(record, "\1" NOW_BYTES OPERATION_ID SHA1 "\0", 50);
    ngx_memcpy(record + 50, PEM, sizeof(PEM) - 1);

    unit_is_int(ngx_iot_method_finish(call,
                    reply_string(call, (char *) record,
                                 50 + sizeof(PEM) - 1)),
                NGX_OK, "the certificate is there");

    json = answer(call);
    unit_is_str(&json, OPERATION_JSON, "the same Operation again");

    /* deleted since */

    call = start_get(OPERATION_ID);
    (void) call->method->prepare(call);
    (void) ngx_iot_method_finish(call, reply_array(call, 11, operation_reply));

    unit_is_int(ngx_iot_method_finish(call, reply_string(call, NULL, 0)),
                NGX_OK, "the certificate was deleted");

    json = answer(call);
    unit_is_str(&json, OPERATION_JSON_DELETED, "... no certificateData");

    /* deleted, and added again by another operation */

    call = start_get(OPERATION_ID);
    (void) call->method->prepare(call);
    (void) ngx_iot_method_finish(call, reply_array(call, 11, operation_reply));

    record[9] = '0';

    unit_is_int(ngx_iot_method_finish(call,
                    reply_string(call, (char *) record,
                                 50 + sizeof(PEM) - 1)),
                NGX_OK, "another operation's certificate");

    json = answer(call);
    unit_is_str(&json, OPERATION_JSON_DELETED, "... no certificateData");
}


static void
test_get_operation_refused(void)
{
    ngx_uint_t       i;
    const char      *reply[11];
    ngx_iot_call_t  *call;

    static const char  *bad_ids[] = {
        "x", "7e1k8627grr1081g818", "7e1k8627grr1081g81866",
        "7e1k8627grr1081g818w", "7E1K8627GRR1081G8186"
    };

    static const struct {
        ngx_uint_t   field;
        const char  *value;
        const char  *reason;
    } broken[] = {
        { 0, NULL, "OPERATION_NOT_FOUND" },
        { 0, "2", "STORE_NEWER_FORMAT" },
        { 0, "x", "INTERNAL_ERROR" },
        { 0, "", "INTERNAL_ERROR" },
        { 0, "1234567890123456", "INTERNAL_ERROR" },
        { 1, "0", "INTERNAL_ERROR" },
        { 1, "99", "INTERNAL_ERROR" },
        { 2, NULL, "INTERNAL_ERROR" },
        { 3, "short", "INTERNAL_ERROR" },
        { 4, NULL, "INTERNAL_ERROR" },
        { 5, NULL, "INTERNAL_ERROR" },
        { 6, "-1", "INTERNAL_ERROR" },
        { 7, NULL, "INTERNAL_ERROR" },
        { 8, "x", "INTERNAL_ERROR" },
        { 8, "3", "INTERNAL_ERROR" }
    };

    for (i = 0; i < sizeof(bad_ids) / sizeof(bad_ids[0]); i++) {
        call = start_get(bad_ids[i]);
        unit_is_int(call->method->prepare(call), NGX_DECLINED,
                    "\"%s\" cannot be an id: the store is not asked",
                    bad_ids[i]);
        is_reason(call, "OPERATION_NOT_FOUND", "... its reason");
    }

    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        ngx_memcpy(reply, operation_reply, sizeof(reply));
        reply[broken[i].field] = broken[i].value;

        call = start_get(OPERATION_ID);
        (void) call->method->prepare(call);

        unit_is_int(ngx_iot_method_finish(call, reply_array(call, 11, reply)),
                    NGX_DECLINED, "field %d is \"%s\"", (int) broken[i].field,
                    broken[i].value ? broken[i].value : "nil");
        is_reason(call, broken[i].reason, "... its reason");
    }

    call = start_get(OPERATION_ID);
    (void) call->method->prepare(call);
    unit_is_int(ngx_iot_method_finish(call,
                                     reply_array(call, 7, operation_reply)),
                NGX_DECLINED, "a field too few");
}


/* the id of the operation is a part of a key */
static void
test_update_same(void)
{
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    static const struct {
        const char  *id;
        ngx_int_t    rc;
    } same[] = {
        { OPERATION_ID, NGX_AGAIN },
        { NULL, NGX_DECLINED },
        { "", NGX_DECLINED },
        { "7", NGX_DECLINED },
        { "7e1k8627grr1081g818", NGX_DECLINED }
    };

    for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        const char  *reply[] = { "SAME", same[i].id };

        call = start(NGX_IOT_REGISTRY_SERVICE, NGX_IOT_PATCH,
                     "/iot-devices/v1/registries/fleet",
                     "{\"description\":\"d\",\"updateMask\":\"description\"}");

        unit_is_int(call->method->prepare(call), NGX_AGAIN, "an update");
        unit_is_int(ngx_iot_method_finish(call, reply_array(call, 2, reply)),
                    same[i].rc, "SAME with \"%s\"",
                    same[i].id ? same[i].id : "nil");

        if (same[i].rc == NGX_DECLINED) {
            is_reason(call, "INTERNAL_ERROR", "... its reason");
        }
    }
}


/* a rename claims without an Idempotency-Key */
static void
test_rename_same(void)
{
    ngx_iot_call_t  *call;

    const char  *registry[] = {
        "1", "2", "house", "1795500000123", "fleet", NULL, NULL, NULL
    };

    const char  *same[] = { "SAME", "other", OPERATION_ID };

    call = start(NGX_IOT_REGISTRY_SERVICE, NGX_IOT_PATCH,
                 "/iot-devices/v1/registries/fleet",
                 "{\"name\":\"other\",\"updateMask\":\"name\"}");

    unit_is_int(call->method->prepare(call), NGX_AGAIN, "a rename");
    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 8, registry)),
                NGX_AGAIN, "it claims the name");
    unit_is_int(ngx_iot_method_finish(call, reply_array(call, 3, same)),
                NGX_DECLINED, "SAME is no answer to that");
    is_reason(call, "INTERNAL_ERROR", "... its reason");
}


/* what is stored as JSON, and answered as it is */
static void
test_broken_texts(void)
{
    ngx_uint_t       i;
    const char      *operation[11];
    ngx_iot_call_t  *call;

    const char  *registry[] = {
        "1", "2", "house", "1795500000123", "fleet", NULL, NULL, NULL
    };

    static const struct {
        const char  *text;
        ngx_int_t    list;
        ngx_int_t    object;
    } texts[] = {
        { "[]", NGX_OK, NGX_DECLINED },
        { "[{\"a\":[1]}]", NGX_OK, NGX_DECLINED },
        { "{}", NGX_DECLINED, NGX_OK },
        { "{\"a\":{}}", NGX_DECLINED, NGX_OK },
        { "1", NGX_DECLINED, NGX_DECLINED },
        { "null", NGX_DECLINED, NGX_DECLINED },
        { "[", NGX_DECLINED, NGX_DECLINED },
        { "[]]", NGX_DECLINED, NGX_DECLINED },
        { "{}}", NGX_DECLINED, NGX_DECLINED },
        { "[],\"b\":1", NGX_DECLINED, NGX_DECLINED },
        { "{},\"b\":1", NGX_DECLINED, NGX_DECLINED },
        { "[],\"a\":[]", NGX_DECLINED, NGX_DECLINED },
        { "[\"\xff\"]", NGX_DECLINED, NGX_DECLINED }
    };

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ngx_memcpy(operation, operation_reply, sizeof(operation));

        operation[8] = "9";
        operation[9] = "no";
        operation[10] = texts[i].text;

        call = start_get(OPERATION_ID);
        (void) call->method->prepare(call);

        unit_is_int(ngx_iot_method_finish(call,
                                          reply_array(call, 11, operation)),
                    texts[i].list, "details are %s", texts[i].text);

        registry[7] = texts[i].text;

        call = start(NGX_IOT_REGISTRY_SERVICE, NGX_IOT_GET,
                     "/iot-devices/v1/registries/fleet", "");
        (void) call->method->prepare(call);

        unit_is_int(ngx_iot_method_finish(call,
                                          reply_array(call, 8, registry)),
                    texts[i].object, "log options are %s", texts[i].text);
    }
}


static void
test_broken_records(void)
{
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    static const struct {
        const char  *what;
        const char  *record;
        size_t       len;
        const char  *reason;
    } records[] = {
        { "empty", "", 0, "INTERNAL_ERROR" },
        { "a newer format", "\2", 1, "STORE_NEWER_FORMAT" },
        { "a head only", "\1" NOW_BYTES OPERATION_ID SHA1 "\1", 50,
          "INTERNAL_ERROR" },
        { "an unknown form", "\1" NOW_BYTES OPERATION_ID SHA1 "\3x", 51,
          "INTERNAL_ERROR" }
    };

    unit_note("certificate records that this version cannot read");

    for (i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        call = start_get(OPERATION_ID);
        (void) call->method->prepare(call);
        (void) ngx_iot_method_finish(call,
                                    reply_array(call, 11, operation_reply));

        unit_is_int(ngx_iot_method_finish(call,
                        reply_string(call, records[i].record,
                                     records[i].len)),
                    NGX_DECLINED, "%s", records[i].what);
        is_reason(call, records[i].reason, "... its reason");
    }
}


/* a mutation that got no reply names its operation, a read needs not */
static void
test_unanswered(void)
{
    ngx_iot_call_t  *call;

    unit_note("no reply from the store");

    call = start_add("{\"certificate_data\":\"" PEM_IN_JSON "\"}");
    (void) call->method->prepare(call);

    ngx_iot_call_timed_out(call);
    is_reason(call, "STORE_OUTCOME_UNKNOWN", "add, timed out");
    unit_is_int(ngx_iot_error_code(&call->error), NGX_IOT_DEADLINE_EXCEEDED,
                "... its code");
    unit_is_int(call->error.nmetadata, 2, "... its metadata");
    unit_is_str(&call->error.metadata[0].value, OPERATION_ID,
                "... the operation");
    unit_is_str(&call->error.metadata[1].value, "UNKNOWN", "... the outcome");

    ngx_iot_call_link_lost(call);
    is_reason(call, "STORE_OUTCOME_UNKNOWN", "add, link lost");
    unit_is_int(ngx_iot_error_code(&call->error), NGX_IOT_UNAVAILABLE,
                "... its code");

    ngx_iot_call_unavailable(call);
    is_reason(call, "STORE_UNAVAILABLE", "add, not executed");
    unit_is_int(call->error.nmetadata, 0, "... nothing to ask for");

    call = start_get(OPERATION_ID);
    (void) call->method->prepare(call);

    ngx_iot_call_timed_out(call);
    is_reason(call, "STORE_TIMEOUT", "get, timed out");

    ngx_iot_call_link_lost(call);
    is_reason(call, "STORE_UNAVAILABLE", "get, link lost");
}


/* memory fails at each allocation in turn: never a crash, never a success */
static void
test_no_memory(void)
{
    ngx_int_t        rc;
    ngx_uint_t       n;
    ngx_iot_call_t  *call;

    for (n = 1; n < 1000; n++) {
        call = start_add("{\"certificateData\":\"" PEM_IN_JSON "\"}");

        unit_fail_alloc(n);
        rc = call->method->prepare(call);

        if (!unit_alloc_failed()) {
            break;
        }

        if (rc != NGX_ERROR) {
            unit_ok(0, "allocation %d failed, prepare said %d", (int) n,
                    (int) rc);
        }
    }

    unit_fail_alloc(0);
    unit_ok(n > 5 && n < 1000, "each of %d allocations failed once",
            (int) n - 1);
}


int
main(void)
{
    ngx_iot_scripts_init();

    if (ngx_iot_x509_init(&unit_log) != NGX_OK) {
        return 2;
    }

    test_routes();
    test_add_request();
    test_idempotency();
    test_idempotency_answers();
    test_claim();
    test_claim_held();
    test_claim_lost();
    test_claim_given_back();
    test_delete_releases();
    test_record_forms();
    test_record_form_open();
    test_add_answers();
    test_add_refused();
    test_get_operation();
    test_get_operation_refused();
    test_update_same();
    test_rename_same();
    test_broken_texts();
    test_broken_records();
    test_unanswered();
    test_no_memory();

    ngx_iot_x509_done();

    return unit_done();
}
