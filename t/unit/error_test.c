
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_error.h"


#define TYPE  "{\"@type\":\"type.googleapis.com/google.rpc."

#define REQUEST_INFO  TYPE "RequestInfo\",\"requestId\":\"8f2a\"}"

#define ERROR_INFO(reason, more)                                              \
    TYPE "ErrorInfo\",\"reason\":\"" reason "\","                             \
    "\"domain\":\"ngx_http_iot_module\"" more "}"


typedef struct {
    const ngx_iot_error_t  *err;
    const ngx_str_t        *request_id;
} error_answer_t;


/* google/rpc/code.proto in github.com/googleapis/googleapis */

static const struct {
    const char  *name;
    ngx_uint_t   status;
} codes[] = {
    { "OK", 200 },
    { "CANCELLED", 499 },
    { "UNKNOWN", 500 },
    { "INVALID_ARGUMENT", 400 },
    { "DEADLINE_EXCEEDED", 504 },
    { "NOT_FOUND", 404 },
    { "ALREADY_EXISTS", 409 },
    { "PERMISSION_DENIED", 403 },
    { "RESOURCE_EXHAUSTED", 429 },
    { "FAILED_PRECONDITION", 400 },
    { "ABORTED", 409 },
    { "OUT_OF_RANGE", 400 },
    { "UNIMPLEMENTED", 501 },
    { "INTERNAL", 500 },
    { "UNAVAILABLE", 503 },
    { "DATA_LOSS", 500 },
    { "UNAUTHENTICATED", 401 }
};


static void test_codes(void);
static void test_reasons(void);
static void test_retryable(void);
static void test_fill(void);
static void test_metadata(void);
static void test_answers(void);
static void test_untrusted(void);

static void is_retryable(ngx_iot_reason_e reason, ngx_uint_t expected);
static ngx_str_t render(const ngx_iot_error_t *err, const char *request_id);
static void write_answer(ngx_iot_out_t *out, const void *data);


int
main(void)
{
    test_codes();
    test_reasons();
    test_retryable();
    test_fill();
    test_metadata();
    test_answers();
    test_untrusted();

    return unit_done();
}


static void
test_codes(void)
{
    ngx_uint_t  code;

    for (code = 0; code < sizeof(codes) / sizeof(codes[0]); code++) {
        unit_is_str(ngx_iot_code_name(code), codes[code].name,
                    "code %lu is %s", (unsigned long) code, codes[code].name);
        unit_is_int(ngx_iot_code_status(code), codes[code].status,
                    "%s is HTTP %lu", codes[code].name,
                    (unsigned long) codes[code].status);
    }

    unit_is_int(code, NGX_IOT_UNAUTHENTICATED + 1, "no code is missing");

    unit_is_str(ngx_iot_code_name(code), "UNKNOWN", "code 17 is UNKNOWN");
    unit_is_int(ngx_iot_code_status(code), 500, "code 17 is HTTP 500");
    unit_is_str(ngx_iot_code_name((ngx_uint_t) -1), "UNKNOWN",
                "code -1 is UNKNOWN");
}


/* names are UPPER_SNAKE and unique, but for two pairs: one each to a client */
static void
test_reasons(void)
{
    u_char            ch;
    ngx_uint_t        i, n, upper, same;
    ngx_iot_error_t   err;
    const ngx_str_t  *name, *other;

    ngx_memzero(&err, sizeof(ngx_iot_error_t));

    for (i = 0; i < NGX_IOT_REASON_MAX; i++) {
        err.reason = i;
        name = ngx_iot_reason_name(i);

        upper = name->len > 0;

        for (n = 0; n < name->len; n++) {
            ch = name->data[n];

            if ((ch < 'A' || ch > 'Z') && (ch < '0' || ch > '9')
                && ch != '_')
            {
                upper = 0;
            }
        }

        unit_ok(upper, "%.*s is UPPER_SNAKE", (int) name->len, name->data);

        unit_ok(ngx_iot_error_code(&err) > NGX_IOT_OK
                && ngx_iot_error_code(&err) <= NGX_IOT_UNAUTHENTICATED,
                "%.*s has a code", (int) name->len, name->data);

        same = 0;

        for (n = 0; n < i; n++) {
            other = ngx_iot_reason_name(n);

            if (name->len == other->len
                && ngx_memcmp(name->data, other->data, name->len) == 0)
            {
                same++;
            }
        }

        unit_is_int(same, i == NGX_IOT_REASON_STORE_LOST_UNKNOWN
                          || i == NGX_IOT_REASON_MESSAGE_TOO_LARGE,
                    "%.*s is not taken", (int) name->len, name->data);
    }

    unit_is_str(ngx_iot_reason_name(NGX_IOT_REASON_STORE_TIMEOUT_UNKNOWN),
                "STORE_OUTCOME_UNKNOWN", "an unknown outcome on a timeout");
    unit_is_str(ngx_iot_reason_name(NGX_IOT_REASON_STORE_LOST_UNKNOWN),
                "STORE_OUTCOME_UNKNOWN", "an unknown outcome on a lost link");
}


static void
test_retryable(void)
{
    is_retryable(NGX_IOT_REASON_STORE_UNAVAILABLE, 1);
    is_retryable(NGX_IOT_REASON_STORE_QUEUE_FULL, 1);
    is_retryable(NGX_IOT_REASON_STORE_LOST_UNKNOWN, 1);
    is_retryable(NGX_IOT_REASON_STORE_NEWER_FORMAT, 1);
    is_retryable(NGX_IOT_REASON_SERVER_UNAVAILABLE, 1);
    is_retryable(NGX_IOT_REASON_RATE_LIMITED, 1);

    is_retryable(NGX_IOT_REASON_STORE_TIMEOUT, 0);
    is_retryable(NGX_IOT_REASON_STORE_TIMEOUT_UNKNOWN, 0);
    is_retryable(NGX_IOT_REASON_INVALID_JSON, 0);
    is_retryable(NGX_IOT_REASON_CERTIFICATE_EXISTS, 0);
    is_retryable(NGX_IOT_REASON_INTERNAL_ERROR, 0);
}


static void
test_fill(void)
{
    ngx_str_t         name;
    ngx_pool_t       *pool;
    ngx_iot_error_t   err;

    ngx_memset(&err, 0xa5, sizeof(ngx_iot_error_t));
    ngx_iot_error(&err, CALLER_REQUIRED, "who are you?");

    unit_is_int(ngx_iot_error_code(&err), NGX_IOT_UNAUTHENTICATED,
                "ngx_iot_error(): code");
    unit_is_str(&err.message, "who are you?", "ngx_iot_error(): message");
    unit_ok(err.field.len == 0 && err.resource_type.len == 0
            && err.nmetadata == 0, "ngx_iot_error(): nothing else");

    ngx_iot_field_error(&err, INVALID_FIELD, "page_size", "too big");
    unit_is_str(&err.field, "page_size", "ngx_iot_field_error(): field");

    pool = unit_pool();
    ngx_str_set(&name, "page_size");

    ngx_iot_error_format(pool, &err, NGX_IOT_REASON_INVALID_FIELD,
                         "\"%V\" is not in %d-%d", &name, 0, 1000);
    unit_is_str(&err.message, "\"page_size\" is not in 0-1000",
                "ngx_iot_error_format(): message");
    unit_is_int(err.reason, NGX_IOT_REASON_INVALID_FIELD,
                "ngx_iot_error_format(): reason");
    unit_ok(err.field.len == 0, "ngx_iot_error_format(): nothing else");

    /* what is formatted may come from the error itself */

    ngx_iot_error_format(pool, &err, NGX_IOT_REASON_INTERNAL_ERROR,
                         "it said: %V", &err.message);
    unit_is_str(&err.message, "it said: \"page_size\" is not in 0-1000",
                "ngx_iot_error_format(): of its own message");

    name.len = 2 * NGX_MAX_ERROR_STR;
    name.data = ngx_pnalloc(pool, name.len);

    if (name.data == NULL) {
        abort();
    }

    ngx_memset(name.data, 'x', name.len);

    ngx_iot_error_format(pool, &err, NGX_IOT_REASON_INVALID_FIELD,
                         "%V", &name);
    unit_is_int(err.message.len, NGX_MAX_ERROR_STR,
                "ngx_iot_error_format(): the message is limited");

    unit_fail_alloc(1);
    ngx_iot_error_format(pool, &err, NGX_IOT_REASON_STORE_TIMEOUT, "%d", 1);
    unit_fail_alloc(0);

    unit_is_int(err.reason, NGX_IOT_REASON_STORE_TIMEOUT,
                "ngx_iot_error_format(): no memory, the reason is there");
    unit_is_int(err.message.len, 0,
                "ngx_iot_error_format(): no memory, the message is empty");
}


static void
test_metadata(void)
{
    ngx_str_t        value;
    ngx_uint_t       i;
    ngx_iot_error_t  err;

    ngx_iot_error(&err, CERTIFICATE_EXISTS, "m");
    ngx_str_set(&value, "v");

    for (i = 0; i <= NGX_IOT_ERROR_METADATA_MAX; i++) {
        ngx_iot_error_metadata(&err, i ? "other" : "first", &value);
    }

    unit_is_int(err.nmetadata, NGX_IOT_ERROR_METADATA_MAX,
                "metadata that does not fit is left out");
    unit_is_str(&err.metadata[0].key, "first", "the first key is kept");
    unit_is_str(&err.metadata[0].value, "v", "the first value is kept");
}


static void
test_answers(void)
{
    ngx_str_t        text, value;
    ngx_iot_error_t  err;

    ngx_iot_error(&err, INTERNAL_ERROR, "internal error");
    text = render(&err, "8f2a");
    unit_is_str(&text,
                "{\"code\":13,\"message\":\"internal error\",\"details\":["
                REQUEST_INFO ","
                ERROR_INFO("INTERNAL_ERROR", "")
                "]}",
                "an error without details of its own");

    ngx_iot_field_error(&err, CERTIFICATE_EXPIRED, "certificate_data",
                        "the certificate has expired");
    text = render(&err, "8f2a");
    unit_is_str(&text,
                "{\"code\":3,\"message\":\"the certificate has expired\","
                "\"details\":["
                REQUEST_INFO ","
                ERROR_INFO("CERTIFICATE_EXPIRED", "") ","
                TYPE "BadRequest\",\"fieldViolations\":["
                "{\"field\":\"certificate_data\","
                "\"description\":\"the certificate has expired\"}]}"
                "]}",
                "an error that names a field");

    ngx_iot_error(&err, REGISTRY_NOT_FOUND, "registry are1 not found");
    ngx_str_set(&err.resource_type, "yandex.cloud.iot.devices.v1.Registry");
    ngx_str_set(&err.resource_name, "are1");
    text = render(&err, "8f2a");
    unit_is_str(&text,
                "{\"code\":5,\"message\":\"registry are1 not found\","
                "\"details\":["
                REQUEST_INFO ","
                ERROR_INFO("REGISTRY_NOT_FOUND", "") ","
                TYPE "ResourceInfo\","
                "\"resourceType\":\"yandex.cloud.iot.devices.v1.Registry\","
                "\"resourceName\":\"are1\"}"
                "]}",
                "an error that names a resource");

    ngx_iot_error(&err, CERTIFICATE_EXISTS, "already there");
    ngx_str_set(&err.resource_type, "RegistryCertificate");
    ngx_str_set(&value, "this");
    ngx_iot_error_metadata(&err, "registry", &value);
    ngx_str_set(&value, "g51j8ubdf00000000000");
    ngx_iot_error_metadata(&err, "operationId", &value);
    text = render(&err, "8f2a");
    unit_is_str(&text,
                "{\"code\":6,\"message\":\"already there\",\"details\":["
                REQUEST_INFO ","
                ERROR_INFO("CERTIFICATE_EXISTS",
                           ",\"metadata\":{\"registry\":\"this\","
                           "\"operationId\":\"g51j8ubdf00000000000\"}") ","
                TYPE "ResourceInfo\","
                "\"resourceType\":\"RegistryCertificate\"}"
                "]}",
                "an error with metadata");

    ngx_iot_error(&err, STORE_UNAVAILABLE, "the store is down");
    text = render(&err, "8f2a");
    unit_is_str(&text,
                "{\"code\":14,\"message\":\"the store is down\",\"details\":["
                REQUEST_INFO ","
                ERROR_INFO("STORE_UNAVAILABLE", "") ","
                TYPE "RetryInfo\",\"retryDelay\":\"1s\"}"
                "]}",
                "an error that passes by itself");

    ngx_iot_field_error(&err, INVALID_FIELD, "f", "m");
    ngx_str_set(&err.resource_type, "t");
    ngx_str_set(&err.resource_name, "n");
    err.reason = NGX_IOT_REASON_RATE_LIMITED;
    text = render(&err, "8f2a");
    unit_is_str(&text,
                "{\"code\":8,\"message\":\"m\",\"details\":["
                REQUEST_INFO ","
                ERROR_INFO("RATE_LIMITED", "") ","
                TYPE "BadRequest\",\"fieldViolations\":["
                "{\"field\":\"f\",\"description\":\"m\"}]},"
                TYPE "ResourceInfo\",\"resourceType\":\"t\","
                "\"resourceName\":\"n\"},"
                TYPE "RetryInfo\",\"retryDelay\":\"1s\"}"
                "]}",
                "all details, in their order");

    ngx_memzero(&err, sizeof(ngx_iot_error_t));
    err.reason = NGX_IOT_REASON_REQUEST_REFUSED;
    text = render(&err, "");
    unit_is_str(&text,
                "{\"code\":9,\"details\":["
                TYPE "RequestInfo\"},"
                ERROR_INFO("REQUEST_REFUSED", "")
                "]}",
                "neither a message nor a request id");
}


/* ids and names come from the request */
static void
test_untrusted(void)
{
    ngx_str_t        text, value;
    ngx_iot_error_t  err;

    ngx_iot_error(&err, OPERATION_NOT_FOUND, "no \"such\"\noperation \xff");
    ngx_str_set(&err.field, "a\"b");
    ngx_str_set(&err.resource_type, "t\\");
    ngx_str_set(&err.resource_name, "n\0m");
    ngx_str_set(&value, "\"}]}");
    ngx_iot_error_metadata(&err, "operationId", &value);

    text = render(&err, "\"");
    unit_is_str(&text,
                "{\"code\":5,"
                "\"message\":\"no \\\"such\\\"\\noperation \xef\xbf\xbd\","
                "\"details\":["
                TYPE "RequestInfo\",\"requestId\":\"\\\"\"},"
                ERROR_INFO("OPERATION_NOT_FOUND",
                           ",\"metadata\":{\"operationId\":\"\\\"}]}\"}") ","
                TYPE "BadRequest\",\"fieldViolations\":["
                "{\"field\":\"a\\\"b\",\"description\":"
                "\"no \\\"such\\\"\\noperation \xef\xbf\xbd\"}]},"
                TYPE "ResourceInfo\",\"resourceType\":\"t\\\\\","
                "\"resourceName\":\"n\\u0000m\"}"
                "]}",
                "all that is data is escaped");
}


static void
is_retryable(ngx_iot_reason_e reason, ngx_uint_t expected)
{
    ngx_iot_error_t   err;
    const ngx_str_t  *name;

    ngx_memzero(&err, sizeof(ngx_iot_error_t));

    err.reason = reason;
    name = ngx_iot_reason_name(reason);

    unit_is_int(ngx_iot_error_retryable(&err), expected,
                "%.*s with code %lu is %sto be retried", (int) name->len,
                name->data, (unsigned long) ngx_iot_error_code(&err),
                expected ? "" : "not ");
}


static ngx_str_t
render(const ngx_iot_error_t *err, const char *request_id)
{
    ngx_str_t       text, id;
    error_answer_t  answer;

    id.len = ngx_strlen(request_id);
    id.data = (u_char *) request_id;

    answer.err = err;
    answer.request_id = &id;

    if (ngx_iot_out_render(unit_pool(), NGX_IOT_JSON, write_answer, &answer,
                           &text)
        != NGX_OK)
    {
        abort();
    }

    return text;
}


static void
write_answer(ngx_iot_out_t *out, const void *data)
{
    const error_answer_t  *answer = data;

    ngx_iot_error_write(out, answer->err, answer->request_id);
}
