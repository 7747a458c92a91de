
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_operation.h"


#define ANY(type)  "{\"@type\":\"type.googleapis.com/google.rpc." type "\","


/* what Google's own library writes for the messages of the tests */

static const char  registry_hex[] =
    "0a01721201661a0b08e0cf94d80610c0a9d33a22016e2a02640a32050a01611200"
    "32060a016b12017638044a0608011a002004";

static const char  failed_hex[] =
    "0a016f12184164642072656769737472792063657274696669636174651a0b08e0"
    "cf94d80610c0a9d33a2201632a0608e1cf94d80630013a97010a4e747970652e67"
    "6f6f676c65617069732e636f6d2f79616e6465782e636c6f75642e696f742e6465"
    "76696365732e76312e416464526567697374727943657274696669636174654d65"
    "74616461746112450a017212406666666666666666666666666666666666666666"
    "666666666666666666666666666666666666666666666666666666666666666666"
    "6666666666666666666666429e01080912016d1a2c0a23747970652e676f6f676c"
    "65617069732e636f6d2f676f6f676c652e7270632e48656c7012050a031201751a"
    "360a28747970652e676f6f676c65617069732e636f6d2f676f6f676c652e727063"
    "2e5265747279496e666f120a0a0808011080cab5ee011a310a28747970652e676f"
    "6f676c65617069732e636f6d2f676f6f676c652e7270632e4465627567496e666f"
    "12050a000a0173";

static const char  status_hex[] =
    "080812016d1a310a2a747970652e676f6f676c65617069732e636f6d2f676f6f67"
    "6c652e7270632e52657175657374496e666f12030a01711a570a28747970652e67"
    "6f6f676c65617069732e636f6d2f676f6f676c652e7270632e4572726f72496e66"
    "6f122b0a0c524154455f4c494d4954454412136e67785f687474705f696f745f6d"
    "6f64756c651a060a016b1201761a350a29747970652e676f6f676c65617069732e"
    "636f6d2f676f6f676c652e7270632e4261645265717565737412080a060a016612"
    "016d1a350a2b747970652e676f6f676c65617069732e636f6d2f676f6f676c652e"
    "7270632e5265736f75726365496e666f12060a017412016e1a370a2b747970652e"
    "676f6f676c65617069732e636f6d2f676f6f676c652e7270632e51756f74614661"
    "696c75726512080a060a017312016d1a300a28747970652e676f6f676c65617069"
    "732e636f6d2f676f6f676c652e7270632e5265747279496e666f12040a020801";


typedef struct {
    const char  *what;
    const char  *text;
    size_t       n;             /* details that are in protobuf */
} answers_details_t;


static const answers_details_t  left_out[] = {
    { "none", "[]", 0 },
    { "a type that is not known", "[" ANY("None") "\"a\":1}]", 0 },
    { "no type", "[{\"reason\":\"r\"}]", 0 },
    { "a value of another type", "[" ANY("ErrorInfo") "\"reason\":1}]", 0 },
    { "one of another type within",
      "[" ANY("Help") "\"links\":[{\"url\":1}]}]", 0 },
    { "an element that is no object", "[1]", 0 },
    { "a duration without its unit",
      "[" ANY("RetryInfo") "\"retryDelay\":\"1\"}]", 0 },
    { "one that is too long",
      "[" ANY("RetryInfo") "\"retryDelay\":\"315576000001s\"}]", 0 },
    { "the others stay",
      "[" ANY("None") "\"a\":1}," ANY("ErrorInfo") "\"reason\":null}]", 1 }
};


static void test_registry(void);
static void test_failed(void);
static void test_left_out(void);
static void test_status(void);
static void test_no_memory(void);

static void set_failed(ngx_iot_operation_t *operation);
static void is_hex(ngx_iot_out_pt write, const void *data, const char *hex,
    const char *what);
static void write_registry(ngx_iot_out_t *out, const void *data);
static void write_operation(ngx_iot_out_t *out, const void *data);
static void write_status(ngx_iot_out_t *out, const void *data);


int
main(void)
{
    test_registry();
    test_failed();
    test_left_out();
    test_status();
    test_no_memory();

    return unit_done();
}


static void
test_registry(void)
{
    ngx_keyval_t        labels[2];
    ngx_iot_registry_t  registry;

    ngx_memzero(&registry, sizeof(ngx_iot_registry_t));
    ngx_memzero(labels, sizeof(labels));

    ngx_str_set(&labels[0].key, "a");
    ngx_str_set(&labels[1].key, "k");
    ngx_str_set(&labels[1].value, "v");

    ngx_str_set(&registry.id, "r");
    ngx_str_set(&registry.folder_id, "f");
    ngx_str_set(&registry.name, "n");
    ngx_str_set(&registry.description, "d\n");
    ngx_str_set(&registry.log_options, "{\"min_level\":\"WARN\","
                                       "\"folderId\":\"\","
                                       "\"disabled\":true}");

    registry.created_at = 1795500000123;
    registry.labels = labels;
    registry.nlabels = 2;
    registry.status = NGX_IOT_REGISTRY_DISABLED;

    is_hex(write_registry, &registry, registry_hex, "a registry");

    ngx_memzero(&registry, sizeof(ngx_iot_registry_t));

    ngx_str_set(&registry.id, "r");
    ngx_str_set(&registry.log_options, "{\"minLevel\":\"LOUD\"}");

    is_hex(write_registry, &registry, "0a0172",
           "log options that are none are left out");
}


static void
test_failed(void)
{
    ngx_iot_operation_t  operation;

    set_failed(&operation);

    is_hex(write_operation, &operation, failed_hex, "a failed operation");
}


static void
test_left_out(void)
{
    size_t                    len, any;
    ngx_str_t                 text;
    ngx_uint_t                i;
    ngx_iot_operation_t       operation;
    const answers_details_t  *c;

    set_failed(&operation);
    ngx_str_null(&operation.error.details);

    (void) ngx_iot_out_render(unit_pool(), NGX_IOT_PROTOBUF, write_operation,
                              &operation, &text);

    len = text.len;
    any = sizeof("type.googleapis.com/google.rpc.ErrorInfo") - 1 + 4;

    for (i = 0; i < sizeof(left_out) / sizeof(left_out[0]); i++) {
        c = &left_out[i];

        operation.error.details.data = (u_char *) c->text;
        operation.error.details.len = ngx_strlen(c->text);

        (void) ngx_iot_out_render(unit_pool(), NGX_IOT_PROTOBUF,
                                  write_operation, &operation, &text);

        unit_is_int(text.len, len + c->n * any, "details: %s", c->what);
    }
}


static void
test_status(void)
{
    ngx_str_t        value;
    ngx_iot_error_t  err;

    ngx_iot_field_error(&err, RATE_LIMITED, "f", "m");

    ngx_str_set(&value, "v");
    ngx_iot_error_metadata(&err, "k", &value);

    ngx_str_set(&err.resource_type, "t");
    ngx_str_set(&err.resource_name, "n");
    ngx_str_set(&err.quota_subject, "s");

    is_hex(write_status, &err, status_hex, "an error with every detail");
}


static void
test_no_memory(void)
{
    ngx_int_t             rc;
    ngx_str_t             text;
    ngx_uint_t            i, wrong;
    ngx_pool_t           *pool;
    ngx_iot_operation_t   operation;

    set_failed(&operation);
    wrong = 0;

    for (i = 1; i < 200; i++) {
        pool = unit_pool();

        unit_fail_alloc(i);
        rc = ngx_iot_out_render(pool, NGX_IOT_PROTOBUF, write_operation,
                                &operation, &text);

        if (!unit_alloc_failed()) {
            break;
        }

        wrong += (rc != NGX_ERROR);
    }

    unit_fail_alloc(0);

    unit_ok(i > 10 && i < 200, "memory was short %d times", (int) i - 1);
    unit_is_int(wrong, 0, "each time that was told");
}


static void
set_failed(ngx_iot_operation_t *operation)
{
    ngx_memzero(operation, sizeof(ngx_iot_operation_t));

    operation->kind = NGX_IOT_ADD_CERTIFICATE;
    ngx_str_set(&operation->id, "o");
    ngx_str_set(&operation->registry_id, "r");
    ngx_str_set(&operation->created_by, "c");
    operation->created_at = 1795500000123;
    operation->modified_at = 1795500001000;
    operation->done = 1;
    operation->error.code = NGX_IOT_FAILED_PRECONDITION;
    ngx_str_set(&operation->error.message, "m");
    ngx_str_set(&operation->error.details,
                "[" ANY("Help") "\"links\":[{\"url\":\"u\"}]}, "
                ANY("RetryInfo") "\"retry_delay\":\"1.5s\"}, "
                ANY("DebugInfo") "\"stackEntries\":[\"\",\"\\u0073\"]}]");

    ngx_memset(operation->certificate.fingerprint, 'f',
               NGX_IOT_FINGERPRINT_LEN);
}


static void
is_hex(ngx_iot_out_pt write, const void *data, const char *hex,
    const char *what)
{
    ngx_str_t    text, dump;
    ngx_pool_t  *pool;

    pool = unit_pool();

    if (ngx_iot_out_render(pool, NGX_IOT_PROTOBUF, write, data, &text)
        != NGX_OK)
    {
        abort();
    }

    dump.len = 2 * text.len;
    dump.data = ngx_pnalloc(pool, dump.len);

    if (dump.data == NULL) {
        abort();
    }

    (void) ngx_hex_dump(dump.data, text.data, text.len);

    unit_is_str(&dump, hex, "%s", what);
}


static void
write_registry(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_registry_write(out, data);
    ngx_iot_out_message_end(out);
}


static void
write_operation(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_operation_write(out, NULL, 0, data);
}


static void
write_status(ngx_iot_out_t *out, const void *data)
{
    static const ngx_str_t  request_id = ngx_string("q");

    ngx_iot_error_write(out, data, &request_id);
}
