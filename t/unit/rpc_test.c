
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_method.h"
#include "ngx_iot_scripts.h"
#include "ngx_iot_x509.h"


/*
 * Methods in gRPC: how they are found, what their messages say, and that they
 * ask of the store what REST asks of it.
 */


#define bytes(text)  { sizeof(text) - 1, (u_char *) text }

#define REGISTRY   "/yandex.cloud.iot.devices.v1.RegistryService/"
#define OPERATION  "/yandex.cloud.operation.OperationService/"

#define ENDPOINT   "/yandex.cloud.endpoint.ApiEndpointService/"

#define ALL        NGX_IOT_ALL_SERVICES

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

/* its length as a varint, and that of a message that has nothing else */

#define PEM_LEN      "\xc7\4"
#define ELEMENT_LEN  "\xca\4"

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

#define NOW  1795500000123


typedef struct {
    const char  *path;
    const char  *method;                /* NULL: none */
    ngx_uint_t   services;
} rpc_route_t;


typedef struct {
    const char  *method;
    ngx_str_t    message;

    /* NULL: not set */
    const char  *registry_id;
    const char  *operation_id;
    const char  *fingerprint;
    const char  *folder_id;
    const char  *registry_name;
    const char  *size;
    const char  *token;
    const char  *filter;
} rpc_params_t;


/* the same request in both formats; one that is refused names the field */

typedef struct {
    const char  *what;
    const char  *method;
    ngx_str_t    message;

    ngx_uint_t   verb;
    const char  *path;
    ngx_str_t    body;
    const char  *field;
} rpc_same_t;


static const rpc_route_t  routes[] = {

    { REGISTRY "Get", "RegistryService.Get", ALL },
    { REGISTRY "GetByName", "RegistryService.GetByName", ALL },
    { REGISTRY "List", "RegistryService.List", ALL },
    { REGISTRY "Create", "RegistryService.Create", ALL },
    { REGISTRY "Update", "RegistryService.Update", ALL },
    { REGISTRY "Delete", "RegistryService.Delete", ALL },
    { REGISTRY "Enable", "RegistryService.Enable", ALL },
    { REGISTRY "Disable", "RegistryService.Disable", ALL },
    { REGISTRY "AddCertificate", "RegistryService.AddCertificate", ALL },
    { REGISTRY "ListCertificates", "RegistryService.ListCertificates", ALL },
    { REGISTRY "DeleteCertificate", "RegistryService.DeleteCertificate",
      ALL },
    { REGISTRY "ListOperations", "RegistryService.ListOperations", ALL },
    { REGISTRY "ListPasswords", "RegistryService.ListPasswords", ALL },
    { REGISTRY "AddPassword", "RegistryService.AddPassword", ALL },
    { REGISTRY "DeletePassword", "RegistryService.DeletePassword", ALL },
    { OPERATION "Get", "OperationService.Get", ALL },
    { OPERATION "Cancel", "OperationService.Cancel", ALL },
    { ENDPOINT "Get", "ApiEndpointService.Get", ALL },
    { ENDPOINT "List", "ApiEndpointService.List", ALL },

    /* what no proto has */

    { REGISTRY "GetCertificate", NULL, ALL },
    { REGISTRY "ImportCertificates", NULL, ALL },
    { OPERATION "List", NULL, ALL },
    { OPERATION "Finish", NULL, ALL },

    { REGISTRY "get", NULL, ALL },
    { REGISTRY "Get/", NULL, ALL },
    { REGISTRY "", NULL, ALL },
    { OPERATION "GetByName", NULL, ALL },
    { "/yandex.cloud.iot.devices.v2.RegistryService/Get", NULL, ALL },
    { "/RegistryService/Get", NULL, ALL },
    { "RegistryService.Get", NULL, ALL },
    { "/iot-devices/v1/registries", NULL, ALL },
    { "/", NULL, ALL },
    { "", NULL, ALL },

    { REGISTRY "Get", NULL, NGX_IOT_OPERATION_SERVICE },
    { OPERATION "Get", NULL, NGX_IOT_REGISTRY_SERVICE },
    { OPERATION "Get", "OperationService.Get", NGX_IOT_OPERATION_SERVICE }
};


static const rpc_params_t  params[] = {

    { REGISTRY "Get", bytes("\x0a\1r"),
      "r", NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "Get", ngx_null_string,
      NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "GetByName", bytes("\x0a\1f\x12\1n"),
      NULL, NULL, NULL, "f", "n", NULL, NULL, NULL },
    { REGISTRY "List", bytes("\x0a\1f\x10\xe8\7\x1a\1t"),
      NULL, NULL, NULL, "f", NULL, "1000", "t", NULL },
    { REGISTRY "List", bytes("\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
      NULL, NULL, NULL, NULL, NULL, "-1", NULL, NULL },
    { REGISTRY "Create", bytes("\x0a\1f\x12\1n"),
      NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "Update", bytes("\x0a\1r\x12\3\x0a\1n"),
      "r", NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "Delete", bytes("\x0a\1r"),
      "r", NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "Enable", bytes("\x0a\1r"),
      "r", NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "Disable", bytes("\x0a\1r"),
      "r", NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "AddCertificate", bytes("\x0a\1r\x1a\1c"),
      "r", NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "ListCertificates", bytes("\x0a\1r\x10\1\x1a\1t"),
      "r", NULL, NULL, NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "DeleteCertificate", bytes("\x0a\1r\x12\1p"),
      "r", NULL, "p", NULL, NULL, NULL, NULL, NULL },
    { REGISTRY "ListOperations", bytes("\x0a\1r\x10\0\x1a\1t\x22\1f"),
      "r", NULL, NULL, NULL, NULL, "0", "t", "f" },
    { OPERATION "Get", bytes("\x0a\1o"),
      NULL, "o", NULL, NULL, NULL, NULL, NULL, NULL },
    { OPERATION "Cancel", bytes("\x0a\1o"),
      NULL, "o", NULL, NULL, NULL, NULL, NULL, NULL }
};


#define CREATE  REGISTRY "Create"
#define UPDATE  REGISTRY "Update"

#define REGISTRIES  "/iot-devices/v1/registries"


static const rpc_same_t  same[] = {

    { "AddCertificate", REGISTRY "AddCertificate",
      bytes("\x0a\5fleet\x1a" PEM_LEN PEM),
      NGX_IOT_POST, REGISTRIES "/fleet/certificates",
      bytes("{\"certificateData\":\"" PEM_IN_JSON "\"}"), NULL },
    { "... without a certificate", REGISTRY "AddCertificate",
      bytes("\x0a\5fleet"),
      NGX_IOT_POST, REGISTRIES "/fleet/certificates", bytes("{}"),
      "certificate_data" },
    { "... in a bad registry", REGISTRY "AddCertificate",
      bytes("\x0a\3a b"),
      NGX_IOT_POST, REGISTRIES "/a b/certificates", bytes("{}"),
      "registry_id" },

    { "Create", CREATE,
      bytes("\x0a\3f-1\x12\1n\x1a\1d"
            "\x22\6\x0a\1k\x12\1v" "\x22\6\x0a\1a\x12\1b"
            "\x3a\5\x12\1g\x20\3" "\x3a\2\x08\1"
            "\x2a" ELEMENT_LEN "\x0a" PEM_LEN PEM),
      NGX_IOT_POST, REGISTRIES,
      bytes("{\"folderId\":\"f-1\",\"name\":\"n\",\"description\":\"d\","
            "\"labels\":{\"a\":\"b\",\"k\":\"v\"},\"logOptions\":"
            "{\"disabled\":true,\"logGroupId\":\"g\",\"minLevel\":\"INFO\"},"
            "\"certificates\":[{\"certificateData\":\"" PEM_IN_JSON "\"}]}"),
      NULL },
    { "... without a folder", CREATE, bytes("\x12\1n"),
      NGX_IOT_POST, REGISTRIES, bytes("{\"name\":\"n\"}"), "folder_id" },
    { "... with a bad name", CREATE, bytes("\x0a\1f\x12\1 "),
      NGX_IOT_POST, REGISTRIES, bytes("{\"folderId\":\"f\",\"name\":\" \"}"),
      "name" },
    { "... with a bad label", CREATE, bytes("\x0a\1f\x22\3\x0a\1K"),
      NGX_IOT_POST, REGISTRIES,
      bytes("{\"folderId\":\"f\",\"labels\":{\"K\":\"\"}}"), "labels" },
    { "... with a password", CREATE, bytes("\x0a\1f\x32\1p"),
      NGX_IOT_POST, REGISTRIES,
      bytes("{\"folderId\":\"f\",\"password\":\"p\"}"), "password" },
    { "... with an empty certificate", CREATE, bytes("\x0a\1f\x2a\0"),
      NGX_IOT_POST, REGISTRIES,
      bytes("{\"folderId\":\"f\",\"certificates\":[{}]}"),
      "certificates[0].certificate_data" },
    { "... with a bad one behind a good one", CREATE,
      bytes("\x0a\1f" "\x2a" ELEMENT_LEN "\x0a" PEM_LEN PEM
            "\x2a\3\x0a\1x"),
      NGX_IOT_POST, REGISTRIES,
      bytes("{\"folderId\":\"f\",\"certificates\":[{\"certificateData\":\""
            PEM_IN_JSON "\"},{\"certificateData\":\"x\"}]}"),
      "certificates[1].certificate_data" },

    { "Update of two fields", UPDATE,
      bytes("\x0a\1r" "\x12\x15\x0a\6labels\x0a\x0b" "log_options"
            "\x22\1d" "\x2a\6\x0a\1k\x12\1v" "\x32\3\x1a\1f"),
      NGX_IOT_PATCH, REGISTRIES "/r",
      bytes("{\"updateMask\":\"labels,log_options\",\"description\":\"d\","
            "\"labels\":{\"k\":\"v\"},\"logOptions\":{\"folderId\":\"f\"}}"),
      NULL },
    { "Update of everything", UPDATE, bytes("\x0a\1r\x1a\1n\x12\0"),
      NGX_IOT_PATCH, REGISTRIES "/r", bytes("{\"name\":\"n\"}"), NULL },
    { "... of a field that is none", UPDATE, bytes("\x0a\1r\x12\3\x0a\1x"),
      NGX_IOT_PATCH, REGISTRIES "/r", bytes("{\"updateMask\":\"x\"}"),
      "update_mask" },

    { "Enable", REGISTRY "Enable", bytes("\x0a\1r"),
      NGX_IOT_POST, REGISTRIES "/r:enable", ngx_null_string, NULL },
    { "Delete", REGISTRY "Delete", bytes("\x0a\1r"),
      NGX_IOT_DELETE, REGISTRIES "/r", ngx_null_string, NULL },
    { "Get", REGISTRY "Get", bytes("\x0a\1r"),
      NGX_IOT_GET, REGISTRIES "/r", ngx_null_string, NULL },
    { "ListCertificates", REGISTRY "ListCertificates", bytes("\x0a\1r"),
      NGX_IOT_GET, REGISTRIES "/r/certificates", ngx_null_string, NULL },
    { "DeleteCertificate", REGISTRY "DeleteCertificate",
      bytes("\x0a\1r\x12\1p"),
      NGX_IOT_DELETE, REGISTRIES "/r/certificates/p", ngx_null_string,
      "fingerprint" }
};


static ngx_iot_settings_t  settings = {
    { 2048, 65536, 0 },
    (ngx_iot_msec_t) 30 * 24 * 3600 * 1000,
    (ngx_iot_msec_t) 24 * 3600 * 1000,
    0, 0, 0, 0
};


static void test_routes(void);
static void test_params(void);
static void test_bad_message(void);
static void test_page_size(void);
static void test_same(void);
static ngx_iot_call_t *start(void);
static ngx_iot_call_t *start_rpc(const char *path, const ngx_str_t *message);
static ngx_iot_call_t *start_rest(const rpc_same_t *c);
static void is_param(const ngx_str_t *got, const char *want,
    const char *name);
static ngx_uint_t same_request(const ngx_iot_resp_request_t *one,
    const ngx_iot_resp_request_t *two);


static ngx_pool_t  *pool;


int
main(void)
{
    ngx_iot_scripts_init();

    if (ngx_iot_x509_init(&unit_log) != NGX_OK) {
        return 2;
    }

    test_routes();
    test_params();
    test_bad_message();
    test_page_size();
    test_same();

    return unit_done();
}


static void
test_routes(void)
{
    ngx_str_t                path;
    ngx_uint_t               i;
    const rpc_route_t       *c;
    const ngx_iot_method_t  *method;

    for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        c = &routes[i];

        path = unit_copy(unit_pool(), c->path, ngx_strlen(c->path));

        if (c->method == NULL) {
            unit_is_int(ngx_iot_method_find_rpc(c->services, &path, &method),
                        NGX_DECLINED, "\"%s\" is no method", c->path);
            continue;
        }

        unit_is_int(ngx_iot_method_find_rpc(c->services, &path, &method),
                    NGX_OK, "\"%s\"", c->path);
        unit_is_str(&method->name, c->method, "... is that");
    }
}


static void
test_params(void)
{
    ngx_uint_t           i;
    ngx_iot_call_t      *call;
    const rpc_params_t  *c;

    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        c = &params[i];

        pool = unit_pool();
        call = start_rpc(c->method, &c->message);

        unit_is_int(ngx_iot_method_read_params(call), NGX_OK, "%s", c->method);

        is_param(&call->registry_id, c->registry_id, "registry_id");
        is_param(&call->operation_id, c->operation_id, "operation_id");
        is_param(&call->fingerprint, c->fingerprint, "fingerprint");
        is_param(&call->folder_id, c->folder_id, "folder_id");
        is_param(&call->registry_name, c->registry_name, "registry_name");
        is_param(&call->page.size, c->size, "page_size");
        is_param(&call->page.token, c->token, "page_token");
        is_param(&call->page.filter, c->filter, "filter");
        is_param(&call->given_id, NULL, "registry_id of a new one");
        is_param(&call->update_mask, NULL, "update_mask of a query");
        is_param(&call->dry_run, NULL, "dry_run");
    }
}


static void
test_bad_message(void)
{
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    static const ngx_str_t  cases[] = {
        bytes("\x0a\2r"), bytes("\x0a\1\xff"), bytes("\x0f"), bytes("\x7c")
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pool = unit_pool();
        call = start_rpc(REGISTRY "Get", &cases[i]);

        unit_is_int(ngx_iot_method_read_params(call), NGX_DECLINED,
                    "what is no message, %u", (unsigned) i);
        unit_is_int(ngx_iot_error_code(&call->error), NGX_IOT_INTERNAL,
                    "... its code");
        unit_is_str(ngx_iot_reason_name(call->error.reason),
                    "INVALID_MESSAGE", "... its reason");
    }
}


/* an int64, with the limits that REST has */
static void
test_page_size(void)
{
    ngx_uint_t       i;
    ngx_iot_call_t  *call;

    static const struct {
        const char  *what;
        ngx_str_t    message;
        ngx_uint_t   valid;
    } cases[] = {
        { "no page size", bytes("\x0a\1f"), 1 },
        { "a page size of 0", bytes("\x0a\1f\x10\0"), 1 },
        { "a page size of 1000", bytes("\x0a\1f\x10\xe8\7"), 1 },
        { "a page size of 1001", bytes("\x0a\1f\x10\xe9\7"), 0 },
        { "a page size of -1",
          bytes("\x0a\1f\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 0 },
        { "a page size of 2^32",
          bytes("\x0a\1f\x10\x80\x80\x80\x80\x10"), 0 },
        { "the largest int64",
          bytes("\x0a\1f\x10\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), 0 },
        { "the least int64",
          bytes("\x0a\1f\x10\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"), 0 }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pool = unit_pool();
        call = start_rpc(REGISTRY "List", &cases[i].message);

        unit_is_int(ngx_iot_method_read_params(call), NGX_OK, "%s",
                    cases[i].what);
        unit_is_int(ngx_iot_method_prepare(call),
                    cases[i].valid ? NGX_AGAIN : NGX_DECLINED, "... is %s",
                    cases[i].valid ? "taken" : "refused");

        if (!cases[i].valid) {
            unit_is_str(&call->error.field, "page_size", "... by name");
        }
    }
}


static void
test_same(void)
{
    ngx_int_t          rc;
    ngx_uint_t         i;
    ngx_iot_call_t    *rpc, *rest;
    const rpc_same_t  *c;

    for (i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        c = &same[i];

        pool = unit_pool();

        rpc = start_rpc(c->method, &c->message);
        rest = start_rest(c);

        unit_is_int(ngx_iot_method_read_params(rpc), NGX_OK,
                    "%s: its message", c->what);

        rc = ngx_iot_method_prepare(rpc);

        unit_is_int(ngx_iot_method_prepare(rest), rc,
                    "... goes as far as REST");

        if (c->field == NULL) {
            unit_is_int(rc, NGX_AGAIN, "... to the store");
            unit_ok(same_request(&rpc->request, &rest->request),
                    "... with the same request");
            continue;
        }

        unit_is_int(rc, NGX_DECLINED, "... is refused");
        unit_is_str(&rpc->error.field, c->field, "... and names the field");
        unit_is_str(&rest->error.field, c->field, "... REST too");
        unit_is_int(rpc->error.reason, rest->error.reason,
                    "... for the same reason");
        unit_is_mem(&rpc->error.message, rest->error.message.data,
                    rest->error.message.len, "... in the same words");
    }
}


static ngx_iot_call_t *
start(void)
{
    ngx_iot_call_t  *call;

    call = ngx_pcalloc(pool, sizeof(ngx_iot_call_t));

    call->settings = &settings;
    call->pool = pool;
    call->log = &unit_log;
    call->store.pool = pool;
    call->store.log = &unit_log;
    call->store.retention = settings.operation_retention;
    call->store.idempotency_retention = settings.idempotency_retention;
    ngx_str_set(&call->store.key_prefix, "gw:");
    call->now = NOW;
    ngx_memcpy(call->random, "\1\2\3\4\5\6", NGX_IOT_ID_RANDOM_LEN);
    ngx_str_set(&call->caller, "alice");

    return call;
}


static ngx_iot_call_t *
start_rpc(const char *path, const ngx_str_t *message)
{
    ngx_str_t        name;
    ngx_iot_call_t  *call;

    call = start();
    call->wire = NGX_IOT_PROTOBUF;
    call->body = unit_copy(pool, message->data, message->len);

    name = unit_copy(pool, path, ngx_strlen(path));
    (void) ngx_iot_method_find_rpc(ALL, &name, &call->method);

    return call;
}


static ngx_iot_call_t *
start_rest(const rpc_same_t *c)
{
    ngx_str_t         path;
    ngx_iot_call_t   *call;
    ngx_iot_route_t   route;

    call = start();
    call->body = unit_copy(pool, c->body.data, c->body.len);

    path = unit_copy(pool, c->path, ngx_strlen(c->path));
    (void) ngx_iot_method_find(ALL, c->verb, &path, &route);

    call->method = route.method;
    call->registry_id = route.registry_id;
    call->operation_id = route.operation_id;
    call->fingerprint = route.fingerprint;

    return call;
}


static void
is_param(const ngx_str_t *got, const char *want, const char *name)
{
    if (want) {
        unit_is_str(got, want, "... %s", name);

    } else {
        unit_ok(got->len == 0, "... no %s", name);
    }
}


static ngx_uint_t
same_request(const ngx_iot_resp_request_t *one,
    const ngx_iot_resp_request_t *two)
{
    ngx_uint_t  i;

    if (one->script != two->script || one->argc != two->argc) {
        return 0;
    }

    for (i = 0; i < one->argc; i++) {

        if (one->argv[i].len != two->argv[i].len
            || ngx_memcmp(one->argv[i].data, two->argv[i].data,
                          one->argv[i].len)
               != 0)
        {
            unit_note("argument %u", (unsigned) i);
            return 0;
        }
    }

    return 1;
}
