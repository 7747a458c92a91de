
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_ERROR_H_INCLUDED_
#define _NGX_IOT_ERROR_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_out.h"


/*
 * Every reason (google.rpc.ErrorInfo.reason) that an answer can carry, with
 * its google.rpc.Code.  A reason is a promise: programs branch on it, the
 * README lists it, a test compares the two lists.
 *
 *   enumerator, name shown to the client, code
 */

#define NGX_IOT_REASONS(row)                                                  \
    row(INVALID_JSON, "INVALID_JSON", INVALID_ARGUMENT)                       \
    row(INVALID_MESSAGE, "INVALID_MESSAGE", INTERNAL)                         \
    row(INVALID_FIELD, "INVALID_FIELD", INVALID_ARGUMENT)                     \
    row(IDEMPOTENCY_KEY_REUSED, "IDEMPOTENCY_KEY_REUSED", INVALID_ARGUMENT)   \
    row(MALFORMED_REQUEST, "MALFORMED_REQUEST", INVALID_ARGUMENT)             \
    row(URI_TOO_LONG, "URI_TOO_LONG", INVALID_ARGUMENT)                       \
    row(REQUEST_TOO_LARGE, "REQUEST_TOO_LARGE", INVALID_ARGUMENT)             \
                                                                              \
    row(PRIVATE_KEY_IN_BODY, "PRIVATE_KEY_IN_BODY", INVALID_ARGUMENT)         \
    row(CERTIFICATE_REQUIRED, "CERTIFICATE_REQUIRED", INVALID_ARGUMENT)       \
    row(CERTIFICATE_TOO_LARGE, "CERTIFICATE_TOO_LARGE", INVALID_ARGUMENT)     \
    row(CERTIFICATE_NO_PEM, "CERTIFICATE_NO_PEM", INVALID_ARGUMENT)           \
    row(CERTIFICATE_SEVERAL_PEM, "CERTIFICATE_SEVERAL_PEM", INVALID_ARGUMENT) \
    row(CERTIFICATE_BAD_PEM, "CERTIFICATE_BAD_PEM", INVALID_ARGUMENT)         \
    row(CERTIFICATE_BAD_BASE64, "CERTIFICATE_BAD_BASE64", INVALID_ARGUMENT)   \
    row(CERTIFICATE_BAD_DER, "CERTIFICATE_BAD_DER", INVALID_ARGUMENT)         \
    row(CERTIFICATE_TRAILING_BYTES, "CERTIFICATE_TRAILING_BYTES",             \
        INVALID_ARGUMENT)                                                     \
    row(CERTIFICATE_UNSUPPORTED_KEY, "CERTIFICATE_UNSUPPORTED_KEY",           \
        INVALID_ARGUMENT)                                                     \
    row(CERTIFICATE_BAD_KEY, "CERTIFICATE_BAD_KEY", INVALID_ARGUMENT)         \
    row(CERTIFICATE_WEAK_KEY, "CERTIFICATE_WEAK_KEY", INVALID_ARGUMENT)       \
    row(CERTIFICATE_EXPIRED, "CERTIFICATE_EXPIRED", INVALID_ARGUMENT)         \
    row(CERTIFICATE_NOT_YET_VALID, "CERTIFICATE_NOT_YET_VALID",               \
        INVALID_ARGUMENT)                                                     \
    row(FINGERPRINT_MISMATCH, "FINGERPRINT_MISMATCH", INVALID_ARGUMENT)       \
    row(IMPORT_OF_DEVICE, "IMPORT_OF_DEVICE", INVALID_ARGUMENT)               \
    row(IMPORT_OF_OTHER_REGISTRY, "IMPORT_OF_OTHER_REGISTRY",                 \
        INVALID_ARGUMENT)                                                     \
                                                                              \
    row(CALLER_REQUIRED, "CALLER_REQUIRED", UNAUTHENTICATED)                  \
    row(ACCESS_DENIED, "ACCESS_DENIED", PERMISSION_DENIED)                    \
    row(ROUTE_NOT_FOUND, "ROUTE_NOT_FOUND", NOT_FOUND)                        \
    row(METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", UNIMPLEMENTED)              \
    row(GRPC_NOT_SERVED, "GRPC_NOT_SERVED", UNIMPLEMENTED)                    \
    row(PASSWORDS_NOT_SERVED, "PASSWORDS_NOT_SERVED", UNIMPLEMENTED)          \
    row(ENDPOINT_NOT_FOUND, "ENDPOINT_NOT_FOUND", NOT_FOUND)                  \
    row(GRPC_REQUIRED, "GRPC_REQUIRED", UNIMPLEMENTED)                        \
    row(HTTP2_REQUIRED, "HTTP2_REQUIRED", UNIMPLEMENTED)                      \
    row(GRPC_ENCODING, "GRPC_ENCODING", UNIMPLEMENTED)                        \
    row(GRPC_NOT_UNARY, "GRPC_NOT_UNARY", UNIMPLEMENTED)                      \
    row(GRPC_MALFORMED, "GRPC_MALFORMED", INTERNAL)                           \
    row(RPC_NOT_FOUND, "RPC_NOT_FOUND", UNIMPLEMENTED)                        \
    row(MESSAGE_TOO_LARGE, "REQUEST_TOO_LARGE", RESOURCE_EXHAUSTED)           \
    row(ANSWER_TOO_LARGE, "ANSWER_TOO_LARGE", RESOURCE_EXHAUSTED)             \
    row(DEADLINE_PASSED, "DEADLINE_PASSED", DEADLINE_EXCEEDED)                \
                                                                              \
    row(REGISTRY_NOT_FOUND, "REGISTRY_NOT_FOUND", NOT_FOUND)                  \
    row(REGISTRY_DISABLED, "REGISTRY_DISABLED", FAILED_PRECONDITION)          \
    row(REGISTRY_EXISTS, "REGISTRY_EXISTS", ALREADY_EXISTS)                   \
    row(REGISTRY_NAME_EXISTS, "REGISTRY_NAME_EXISTS", ALREADY_EXISTS)         \
    row(REGISTRY_NAME_BUSY, "REGISTRY_NAME_BUSY", ABORTED)                    \
    row(REGISTRY_DELETING, "REGISTRY_DELETING", ABORTED)                      \
    row(REGISTRY_IN_USE, "REGISTRY_IN_USE", FAILED_PRECONDITION)              \
    row(OPERATION_NOT_FOUND, "OPERATION_NOT_FOUND", NOT_FOUND)                \
    row(OPERATION_PENDING, "OPERATION_PENDING", ABORTED)                      \
    row(OPERATION_OF_GATEWAY, "OPERATION_OF_GATEWAY", FAILED_PRECONDITION)    \
    row(CERTIFICATE_EXISTS, "CERTIFICATE_EXISTS", ALREADY_EXISTS)             \
    row(CERTIFICATE_BUSY, "CERTIFICATE_BUSY", ABORTED)                        \
    row(CERTIFICATE_LIMIT, "CERTIFICATE_LIMIT", RESOURCE_EXHAUSTED)           \
    row(CERTIFICATE_NOT_FOUND, "CERTIFICATE_NOT_FOUND", NOT_FOUND)            \
                                                                              \
    row(STORE_UNAVAILABLE, "STORE_UNAVAILABLE", UNAVAILABLE)                  \
    row(STORE_QUEUE_FULL, "STORE_QUEUE_FULL", UNAVAILABLE)                    \
    row(STORE_TIMEOUT, "STORE_TIMEOUT", DEADLINE_EXCEEDED)                    \
    row(STORE_TIMEOUT_UNKNOWN, "STORE_OUTCOME_UNKNOWN", DEADLINE_EXCEEDED)    \
    row(STORE_LOST_UNKNOWN, "STORE_OUTCOME_UNKNOWN", UNAVAILABLE)             \
    row(STORE_NEWER_FORMAT, "STORE_NEWER_FORMAT", UNAVAILABLE)                \
                                                                              \
    row(RATE_LIMITED, "RATE_LIMITED", RESOURCE_EXHAUSTED)                     \
    row(HTTP_NOT_IMPLEMENTED, "HTTP_NOT_IMPLEMENTED", UNIMPLEMENTED)          \
    row(SERVER_UNAVAILABLE, "SERVER_UNAVAILABLE", UNAVAILABLE)                \
    row(SERVER_TIMEOUT, "SERVER_TIMEOUT", DEADLINE_EXCEEDED)                  \
    row(REQUEST_REFUSED, "REQUEST_REFUSED", FAILED_PRECONDITION)              \
    row(INTERNAL_ERROR, "INTERNAL_ERROR", INTERNAL)


#define ngx_iot_reason_enumerator(id, name, code)  NGX_IOT_REASON_##id,

typedef enum {
    NGX_IOT_REASONS(ngx_iot_reason_enumerator)
    NGX_IOT_REASON_MAX
} ngx_iot_reason_e;

#undef ngx_iot_reason_enumerator


#define NGX_IOT_ERROR_DOMAIN        "ngx_http_iot_module"

#define NGX_IOT_ERROR_METADATA_MAX  2

/* seconds; goes into RetryInfo and into Retry-After */
#define NGX_IOT_RETRY_DELAY         1


/*
 * An error as the client will see it: google.rpc.Status with its details.
 * The strings are not copied: they are constants, or live in the pool of the
 * call.  None of them may quote the body of a request.
 */

typedef struct {
    ngx_iot_reason_e      reason;
    ngx_str_t             message;

    /* BadRequest; snake_case; empty: no violation is named */
    ngx_str_t             field;

    /* ResourceInfo, with NOT_FOUND and ALREADY_EXISTS */
    ngx_str_t             resource_type;
    ngx_str_t             resource_name;

    /* QuotaFailure; empty: no quota is named */
    ngx_str_t             quota_subject;

    /* ErrorInfo.metadata */
    ngx_uint_t            nmetadata;
    ngx_keyval_t          metadata[NGX_IOT_ERROR_METADATA_MAX];
} ngx_iot_error_t;


/* fills err; message is a string constant */
#define ngx_iot_error(err, why, text)                                         \
    do {                                                                      \
        ngx_memzero(err, sizeof(ngx_iot_error_t));                            \
        (err)->reason = NGX_IOT_REASON_##why;                                 \
        ngx_str_set(&(err)->message, text);                                   \
    } while (0)

/* the same, and names the field; both are string constants */
#define ngx_iot_field_error(err, why, name, text)                             \
    do {                                                                      \
        ngx_iot_error(err, why, text);                                        \
        ngx_str_set(&(err)->field, name);                                     \
    } while (0)


/*
 * As ngx_iot_error() with a message made by ngx_vslprintf() in pool, at most
 * NGX_MAX_ERROR_STR bytes.  When there is no memory the message is empty.
 */
void ngx_iot_error_format(ngx_pool_t *pool, ngx_iot_error_t *err,
    ngx_iot_reason_e reason, const char *fmt, ...);

/* adds a pair to ErrorInfo.metadata; key is a constant, value not copied */
void ngx_iot_error_metadata(ngx_iot_error_t *err, const char *key,
    const ngx_str_t *value);

/* google.rpc.Code of the reason */
ngx_uint_t ngx_iot_error_code(const ngx_iot_error_t *err);

/* ErrorInfo.reason as the client sees it */
const ngx_str_t *ngx_iot_reason_name(ngx_iot_reason_e reason);

/* 1 when the answer carries RetryInfo and Retry-After: 503 and rate limits */
ngx_uint_t ngx_iot_error_retryable(const ngx_iot_error_t *err);

/* the name of a google.rpc.Code, "OK" … "UNAUTHENTICATED" */
const ngx_str_t *ngx_iot_code_name(ngx_uint_t code);

/* the HTTP status that google/rpc/code.proto gives to a google.rpc.Code */
ngx_uint_t ngx_iot_code_status(ngx_uint_t code);

/*
 * Writes {"code", "message", "details"}: RequestInfo always, then ErrorInfo,
 * BadRequest, ResourceInfo, QuotaFailure and RetryInfo as the error has them.
 */
void ngx_iot_error_write(ngx_iot_out_t *out, const ngx_iot_error_t *err,
    const ngx_str_t *request_id);


#endif /* _NGX_IOT_ERROR_H_INCLUDED_ */
