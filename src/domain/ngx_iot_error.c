
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_error.h"


#define NGX_IOT_RPC_TYPE  "type.googleapis.com/google.rpc."


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   code;
} ngx_iot_error_reason_t;


typedef struct {
    ngx_str_t    name;
    ngx_uint_t   status;
} ngx_iot_error_code_t;


static const ngx_iot_error_code_t *ngx_iot_error_find_code(ngx_uint_t code);

static void ngx_iot_error_request_info(ngx_iot_out_t *out,
    const ngx_str_t *request_id);
static void ngx_iot_error_error_info(ngx_iot_out_t *out,
    const ngx_iot_error_t *err);
static void ngx_iot_error_bad_request(ngx_iot_out_t *out,
    const ngx_iot_error_t *err);
static void ngx_iot_error_resource_info(ngx_iot_out_t *out,
    const ngx_iot_error_t *err);
static void ngx_iot_error_quota_failure(ngx_iot_out_t *out,
    const ngx_iot_error_t *err);
static void ngx_iot_error_retry_info(ngx_iot_out_t *out);


#define ngx_iot_error_reason_row(id, name, code)                              \
    { ngx_string(name), NGX_IOT_##code },

static const ngx_iot_error_reason_t  ngx_iot_error_reasons[] = {
    NGX_IOT_REASONS(ngx_iot_error_reason_row)
};

#undef ngx_iot_error_reason_row


/* google/rpc/code.proto, indexed by the code */

static const ngx_iot_error_code_t  ngx_iot_error_codes[] = {
    { ngx_string("OK"), 200 },
    { ngx_string("CANCELLED"), 499 },
    { ngx_string("UNKNOWN"), 500 },
    { ngx_string("INVALID_ARGUMENT"), 400 },
    { ngx_string("DEADLINE_EXCEEDED"), 504 },
    { ngx_string("NOT_FOUND"), 404 },
    { ngx_string("ALREADY_EXISTS"), 409 },
    { ngx_string("PERMISSION_DENIED"), 403 },
    { ngx_string("RESOURCE_EXHAUSTED"), 429 },
    { ngx_string("FAILED_PRECONDITION"), 400 },
    { ngx_string("ABORTED"), 409 },
    { ngx_string("OUT_OF_RANGE"), 400 },
    { ngx_string("UNIMPLEMENTED"), 501 },
    { ngx_string("INTERNAL"), 500 },
    { ngx_string("UNAVAILABLE"), 503 },
    { ngx_string("DATA_LOSS"), 500 },
    { ngx_string("UNAUTHENTICATED"), 401 }
};


void
ngx_iot_error_format(ngx_pool_t *pool, ngx_iot_error_t *err,
    ngx_iot_reason_e reason, const char *fmt, ...)
{
    u_char     *last;
    va_list     args;
    ngx_str_t   message;
    u_char      buf[NGX_MAX_ERROR_STR];

    va_start(args, fmt);
    last = ngx_vslprintf(buf, buf + NGX_MAX_ERROR_STR, fmt, args);
    va_end(args);

    message.len = last - buf;
    message.data = buf;

    ngx_memzero(err, sizeof(ngx_iot_error_t));

    err->reason = reason;
    err->message.data = ngx_pstrdup(pool, &message);

    if (err->message.data) {
        err->message.len = message.len;
    }
}


void
ngx_iot_error_metadata(ngx_iot_error_t *err, const char *key,
    const ngx_str_t *value)
{
    ngx_keyval_t  *pair;

    if (err->nmetadata == NGX_IOT_ERROR_METADATA_MAX) {
        return;
    }

    pair = &err->metadata[err->nmetadata++];

    pair->key.len = ngx_strlen(key);
    pair->key.data = (u_char *) key;
    pair->value = *value;
}


ngx_uint_t
ngx_iot_error_code(const ngx_iot_error_t *err)
{
    return ngx_iot_error_reasons[err->reason].code;
}


const ngx_str_t *
ngx_iot_reason_name(ngx_iot_reason_e reason)
{
    return &ngx_iot_error_reasons[reason].name;
}


ngx_uint_t
ngx_iot_error_retryable(const ngx_iot_error_t *err)
{
    /* of what is exhausted, only the rate comes back by itself */

    return ngx_iot_error_code(err) == NGX_IOT_UNAVAILABLE
           || err->reason == NGX_IOT_REASON_RATE_LIMITED;
}


const ngx_str_t *
ngx_iot_code_name(ngx_uint_t code)
{
    return &ngx_iot_error_find_code(code)->name;
}


ngx_uint_t
ngx_iot_code_status(ngx_uint_t code)
{
    return ngx_iot_error_find_code(code)->status;
}


/* a code may come from a stored record; one that is not known is UNKNOWN */
static const ngx_iot_error_code_t *
ngx_iot_error_find_code(ngx_uint_t code)
{
    if (code >= sizeof(ngx_iot_error_codes) / sizeof(ngx_iot_error_code_t)) {
        code = NGX_IOT_UNKNOWN;
    }

    return &ngx_iot_error_codes[code];
}


void
ngx_iot_error_write(ngx_iot_out_t *out, const ngx_iot_error_t *err,
    const ngx_str_t *request_id)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_number(out, "code", 1, ngx_iot_error_code(err));
    ngx_iot_out_string(out, "message", 2, &err->message);

    ngx_iot_out_list(out, "details");

    ngx_iot_error_request_info(out, request_id);
    ngx_iot_error_error_info(out, err);

    if (err->field.len) {
        ngx_iot_error_bad_request(out, err);
    }

    if (err->resource_type.len) {
        ngx_iot_error_resource_info(out, err);
    }

    if (err->quota_subject.len) {
        ngx_iot_error_quota_failure(out, err);
    }

    if (ngx_iot_error_retryable(err)) {
        ngx_iot_error_retry_info(out);
    }

    ngx_iot_out_list_end(out);
    ngx_iot_out_message_end(out);
}


static void
ngx_iot_error_request_info(ngx_iot_out_t *out,
    const ngx_str_t *request_id)
{
    ngx_iot_out_any(out, NULL, 3, NGX_IOT_RPC_TYPE "RequestInfo");
    ngx_iot_out_string(out, "requestId", 1, request_id);
    ngx_iot_out_any_end(out);
}


static void
ngx_iot_error_error_info(ngx_iot_out_t *out, const ngx_iot_error_t *err)
{
    ngx_uint_t           i;
    const ngx_keyval_t  *pair;

    ngx_iot_out_any(out, NULL, 3, NGX_IOT_RPC_TYPE "ErrorInfo");
    ngx_iot_out_string(out, "reason", 1, ngx_iot_reason_name(err->reason));
    ngx_iot_out_literal(out, "domain", 2, NGX_IOT_ERROR_DOMAIN);

    if (err->nmetadata) {
        ngx_iot_out_map(out, "metadata");

        for (i = 0; i < err->nmetadata; i++) {
            pair = &err->metadata[i];
            ngx_iot_out_pair(out, 3, &pair->key, &pair->value);
        }

        ngx_iot_out_map_end(out);
    }

    ngx_iot_out_any_end(out);
}


static void
ngx_iot_error_bad_request(ngx_iot_out_t *out, const ngx_iot_error_t *err)
{
    ngx_iot_out_any(out, NULL, 3, NGX_IOT_RPC_TYPE "BadRequest");

    ngx_iot_out_list(out, "fieldViolations");
    ngx_iot_out_message(out, NULL, 1);
    ngx_iot_out_string(out, "field", 1, &err->field);
    ngx_iot_out_string(out, "description", 2, &err->message);
    ngx_iot_out_message_end(out);
    ngx_iot_out_list_end(out);

    ngx_iot_out_any_end(out);
}


static void
ngx_iot_error_resource_info(ngx_iot_out_t *out,
    const ngx_iot_error_t *err)
{
    ngx_iot_out_any(out, NULL, 3, NGX_IOT_RPC_TYPE "ResourceInfo");
    ngx_iot_out_string(out, "resourceType", 1, &err->resource_type);
    ngx_iot_out_string(out, "resourceName", 2, &err->resource_name);
    ngx_iot_out_any_end(out);
}


static void
ngx_iot_error_quota_failure(ngx_iot_out_t *out,
    const ngx_iot_error_t *err)
{
    ngx_iot_out_any(out, NULL, 3, NGX_IOT_RPC_TYPE "QuotaFailure");

    ngx_iot_out_list(out, "violations");
    ngx_iot_out_message(out, NULL, 1);
    ngx_iot_out_string(out, "subject", 1, &err->quota_subject);
    ngx_iot_out_string(out, "description", 2, &err->message);
    ngx_iot_out_message_end(out);
    ngx_iot_out_list_end(out);

    ngx_iot_out_any_end(out);
}


static void
ngx_iot_error_retry_info(ngx_iot_out_t *out)
{
    ngx_iot_out_any(out, NULL, 3, NGX_IOT_RPC_TYPE "RetryInfo");
    ngx_iot_out_seconds(out, "retryDelay", 1, NGX_IOT_RETRY_DELAY);
    ngx_iot_out_any_end(out);
}
