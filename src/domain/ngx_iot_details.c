
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_details.h"
#include "ngx_iot_json.h"
#include "ngx_iot_out.h"


#define NGX_IOT_DETAIL_FIELDS_MAX    8

/* seconds; of google.protobuf.Duration */
#define NGX_IOT_DETAIL_DURATION_MAX  315576000000


typedef struct ngx_iot_detail_type_s  ngx_iot_detail_type_t;


typedef enum {
    NGX_IOT_DETAIL_STRING = 0,
    NGX_IOT_DETAIL_INT64,
    NGX_IOT_DETAIL_DURATION,
    NGX_IOT_DETAIL_MESSAGE,
    NGX_IOT_DETAIL_STRINGS,         /* repeated */
    NGX_IOT_DETAIL_MESSAGES,
    NGX_IOT_DETAIL_PAIRS            /* a map of strings */
} ngx_iot_detail_kind_e;


/* the number of a field is its place in the table, from 1 */

typedef struct {
    ngx_str_t                      name;
    ngx_str_t                      json_name;
    ngx_iot_detail_kind_e          kind;
    const ngx_iot_detail_type_t   *type;        /* of a message */
} ngx_iot_detail_field_t;


struct ngx_iot_detail_type_s {
    const char                    *url;         /* NULL: only within others */
    const ngx_iot_detail_field_t  *fields;
    ngx_uint_t                     nfields;
};


/* a message that was read; of each field what its kind has */

typedef struct ngx_iot_detail_s  ngx_iot_detail_t;

typedef struct {
    ngx_str_t                      text;        /* data NULL: not set */
    uint64_t                       number;      /* INT64; seconds */
    uint64_t                       nanos;
    ngx_uint_t                     n;
    ngx_str_t                     *strings;
    ngx_keyval_t                  *pairs;
    ngx_iot_detail_t              *messages;
} ngx_iot_detail_value_t;

struct ngx_iot_detail_s {
    const ngx_iot_detail_type_t   *type;
    ngx_iot_detail_value_t        *values;      /* as many as fields */
};


typedef struct {
    ngx_uint_t                     number;
    ngx_uint_t                     n;
    ngx_iot_detail_t              *details;
} ngx_iot_details_t;


/* ngx_iot_json_read_list() or ngx_iot_json_read_strings() */
typedef ngx_int_t (*ngx_iot_detail_elements_pt)(ngx_pool_t *pool,
    const ngx_str_t *text, const ngx_str_t *field, ngx_str_t *elements,
    ngx_uint_t *n, ngx_iot_error_t *err);


static ngx_int_t ngx_iot_detail_read_any(ngx_pool_t *pool,
    const ngx_str_t *text, ngx_iot_detail_t *detail);
static const ngx_iot_detail_type_t *ngx_iot_detail_find(
    const ngx_str_t *url);
static ngx_int_t ngx_iot_detail_read(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_iot_detail_type_t *type, ngx_iot_detail_t *detail);
static ngx_int_t ngx_iot_detail_read_value(ngx_pool_t *pool,
    const ngx_iot_detail_field_t *field, ngx_iot_detail_value_t *value);
static ngx_int_t ngx_iot_detail_read_int64(ngx_iot_detail_value_t *value);
static ngx_int_t ngx_iot_detail_read_duration(ngx_iot_detail_value_t *value);
static ngx_int_t ngx_iot_detail_read_elements(ngx_pool_t *pool,
    ngx_iot_detail_value_t *value, ngx_iot_detail_elements_pt read);
static ngx_int_t ngx_iot_detail_read_messages(ngx_pool_t *pool,
    const ngx_iot_detail_field_t *field, ngx_iot_detail_value_t *value);
static ngx_int_t ngx_iot_detail_read_pairs(ngx_pool_t *pool,
    ngx_iot_detail_value_t *value);

static void ngx_iot_details_write(ngx_iot_out_t *out, const void *data);
static void ngx_iot_detail_write(ngx_iot_out_t *out,
    const ngx_iot_detail_t *detail);
static void ngx_iot_detail_write_value(ngx_iot_out_t *out,
    const ngx_iot_detail_field_t *field, ngx_uint_t number,
    const ngx_iot_detail_value_t *value);


/* google/rpc/error_details.proto */

#define ngx_iot_detail_string(name, json_name)                                \
    { ngx_string(name), ngx_string(json_name), NGX_IOT_DETAIL_STRING, NULL }

#define ngx_iot_detail_type(url, fields)                                      \
    { url, fields, sizeof(fields) / sizeof(ngx_iot_detail_field_t) }

#define NGX_IOT_DETAIL_URL  "type.googleapis.com/google.rpc."


static const ngx_iot_detail_field_t  ngx_iot_error_info[] = {
    ngx_iot_detail_string("reason", "reason"),
    ngx_iot_detail_string("domain", "domain"),
    { ngx_string("metadata"), ngx_string("metadata"), NGX_IOT_DETAIL_PAIRS,
      NULL }
};

static const ngx_iot_detail_field_t  ngx_iot_retry_info[] = {
    { ngx_string("retry_delay"), ngx_string("retryDelay"),
      NGX_IOT_DETAIL_DURATION, NULL }
};

static const ngx_iot_detail_field_t  ngx_iot_debug_info[] = {
    { ngx_string("stack_entries"), ngx_string("stackEntries"),
      NGX_IOT_DETAIL_STRINGS, NULL },
    ngx_iot_detail_string("detail", "detail")
};

static const ngx_iot_detail_field_t  ngx_iot_quota_violation[] = {
    ngx_iot_detail_string("subject", "subject"),
    ngx_iot_detail_string("description", "description"),
    ngx_iot_detail_string("api_service", "apiService"),
    ngx_iot_detail_string("quota_metric", "quotaMetric"),
    ngx_iot_detail_string("quota_id", "quotaId"),
    { ngx_string("quota_dimensions"), ngx_string("quotaDimensions"),
      NGX_IOT_DETAIL_PAIRS, NULL },
    { ngx_string("quota_value"), ngx_string("quotaValue"),
      NGX_IOT_DETAIL_INT64, NULL },
    { ngx_string("future_quota_value"), ngx_string("futureQuotaValue"),
      NGX_IOT_DETAIL_INT64, NULL }
};

static const ngx_iot_detail_field_t  ngx_iot_precondition_violation[] = {
    ngx_iot_detail_string("type", "type"),
    ngx_iot_detail_string("subject", "subject"),
    ngx_iot_detail_string("description", "description")
};

static const ngx_iot_detail_field_t  ngx_iot_localized_message[] = {
    ngx_iot_detail_string("locale", "locale"),
    ngx_iot_detail_string("message", "message")
};

static const ngx_iot_detail_field_t  ngx_iot_link[] = {
    ngx_iot_detail_string("description", "description"),
    ngx_iot_detail_string("url", "url")
};

static const ngx_iot_detail_type_t
    ngx_iot_detail_quota_violation =
        ngx_iot_detail_type(NULL, ngx_iot_quota_violation),
    ngx_iot_detail_precondition_violation =
        ngx_iot_detail_type(NULL, ngx_iot_precondition_violation),
    ngx_iot_detail_localized_message =
        ngx_iot_detail_type(NULL, ngx_iot_localized_message),
    ngx_iot_detail_link = ngx_iot_detail_type(NULL, ngx_iot_link);

static const ngx_iot_detail_field_t  ngx_iot_field_violation[] = {
    ngx_iot_detail_string("field", "field"),
    ngx_iot_detail_string("description", "description"),
    ngx_iot_detail_string("reason", "reason"),
    { ngx_string("localized_message"), ngx_string("localizedMessage"),
      NGX_IOT_DETAIL_MESSAGE, &ngx_iot_detail_localized_message }
};

static const ngx_iot_detail_type_t
    ngx_iot_detail_field_violation =
        ngx_iot_detail_type(NULL, ngx_iot_field_violation);

static const ngx_iot_detail_field_t  ngx_iot_quota_failure[] = {
    { ngx_string("violations"), ngx_string("violations"),
      NGX_IOT_DETAIL_MESSAGES, &ngx_iot_detail_quota_violation }
};

static const ngx_iot_detail_field_t  ngx_iot_precondition_failure[] = {
    { ngx_string("violations"), ngx_string("violations"),
      NGX_IOT_DETAIL_MESSAGES, &ngx_iot_detail_precondition_violation }
};

static const ngx_iot_detail_field_t  ngx_iot_bad_request[] = {
    { ngx_string("field_violations"), ngx_string("fieldViolations"),
      NGX_IOT_DETAIL_MESSAGES, &ngx_iot_detail_field_violation }
};

static const ngx_iot_detail_field_t  ngx_iot_request_info[] = {
    ngx_iot_detail_string("request_id", "requestId"),
    ngx_iot_detail_string("serving_data", "servingData")
};

static const ngx_iot_detail_field_t  ngx_iot_resource_info[] = {
    ngx_iot_detail_string("resource_type", "resourceType"),
    ngx_iot_detail_string("resource_name", "resourceName"),
    ngx_iot_detail_string("owner", "owner"),
    ngx_iot_detail_string("description", "description")
};

static const ngx_iot_detail_field_t  ngx_iot_help[] = {
    { ngx_string("links"), ngx_string("links"), NGX_IOT_DETAIL_MESSAGES,
      &ngx_iot_detail_link }
};


static const ngx_iot_detail_type_t  ngx_iot_detail_types[] = {
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "ErrorInfo", ngx_iot_error_info),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "RetryInfo", ngx_iot_retry_info),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "DebugInfo", ngx_iot_debug_info),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "QuotaFailure",
                        ngx_iot_quota_failure),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "PreconditionFailure",
                        ngx_iot_precondition_failure),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "BadRequest",
                        ngx_iot_bad_request),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "RequestInfo",
                        ngx_iot_request_info),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "ResourceInfo",
                        ngx_iot_resource_info),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "Help", ngx_iot_help),
    ngx_iot_detail_type(NGX_IOT_DETAIL_URL "LocalizedMessage",
                        ngx_iot_localized_message),
    { NULL, NULL, 0 }
};


ngx_int_t
ngx_iot_details_convert(ngx_pool_t *pool, ngx_uint_t number,
    const ngx_str_t *text, ngx_str_t *bytes)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_iot_details_t       details;
    ngx_iot_detail_value_t  list;

    ngx_memzero(&list, sizeof(ngx_iot_detail_value_t));
    list.text = *text;

    rc = ngx_iot_detail_read_elements(pool, &list, ngx_iot_json_read_list);
    if (rc != NGX_OK) {
        return rc;
    }

    details.number = number;
    details.n = 0;
    details.details = ngx_palloc(pool, list.n * sizeof(ngx_iot_detail_t));

    if (details.details == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < list.n; i++) {
        rc = ngx_iot_detail_read_any(pool, &list.strings[i],
                                     &details.details[details.n]);

        if (rc == NGX_ERROR) {
            return rc;
        }

        if (rc == NGX_OK) {
            details.n++;
        }
    }

    return ngx_iot_out_render(pool, NGX_IOT_PROTOBUF, ngx_iot_details_write,
                              &details, bytes);
}


static ngx_int_t
ngx_iot_detail_read_any(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_iot_detail_t *detail)
{
    ngx_int_t                     rc;
    ngx_str_t                     url;
    ngx_iot_error_t               err;
    const ngx_iot_detail_type_t  *type;

    ngx_iot_field_t  field = {
        ngx_string("@type"), ngx_string("@type"), 1, &url,
        NGX_IOT_FIELD_STRING
    };

    rc = ngx_iot_json_read(pool, text, &field, 1, &err);
    if (rc != NGX_OK) {
        return rc;
    }

    type = ngx_iot_detail_find(&url);

    return type ? ngx_iot_detail_read(pool, text, type, detail) : NGX_DECLINED;
}


static const ngx_iot_detail_type_t *
ngx_iot_detail_find(const ngx_str_t *url)
{
    const ngx_iot_detail_type_t  *type;

    for (type = ngx_iot_detail_types; type->url; type++) {
        if (url->len == ngx_strlen(type->url)
            && ngx_memcmp(url->data, type->url, url->len) == 0)
        {
            return type;
        }
    }

    return NULL;
}


/* NGX_DECLINED: a value is not what its field has */
static ngx_int_t
ngx_iot_detail_read(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_iot_detail_type_t *type, ngx_iot_detail_t *detail)
{
    ngx_int_t         rc;
    ngx_uint_t        i;
    ngx_iot_error_t   err;
    ngx_iot_field_t   fields[NGX_IOT_DETAIL_FIELDS_MAX];

    static const ngx_iot_field_type_e  types[] = {
        NGX_IOT_FIELD_STRING, NGX_IOT_FIELD_SCALAR, NGX_IOT_FIELD_STRING,
        NGX_IOT_FIELD_MESSAGE, NGX_IOT_FIELD_LIST, NGX_IOT_FIELD_LIST,
        NGX_IOT_FIELD_MAP
    };

    detail->type = type;
    detail->values = ngx_pcalloc(pool, type->nfields
                                       * sizeof(ngx_iot_detail_value_t));
    if (detail->values == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < type->nfields; i++) {
        fields[i].name = type->fields[i].name;
        fields[i].json_name = type->fields[i].json_name;
        fields[i].number = i + 1;
        fields[i].value = &detail->values[i].text;
        fields[i].type = types[type->fields[i].kind];
    }

    rc = ngx_iot_json_read(pool, text, fields, type->nfields, &err);

    for (i = 0; rc == NGX_OK && i < type->nfields; i++) {
        if (detail->values[i].text.data) {
            rc = ngx_iot_detail_read_value(pool, &type->fields[i],
                                           &detail->values[i]);
        }
    }

    return rc;
}


static ngx_int_t
ngx_iot_detail_read_value(ngx_pool_t *pool,
    const ngx_iot_detail_field_t *field, ngx_iot_detail_value_t *value)
{
    switch (field->kind) {

    case NGX_IOT_DETAIL_INT64:
        return ngx_iot_detail_read_int64(value);

    case NGX_IOT_DETAIL_DURATION:
        return ngx_iot_detail_read_duration(value);

    case NGX_IOT_DETAIL_MESSAGE:

        value->messages = ngx_palloc(pool, sizeof(ngx_iot_detail_t));
        if (value->messages == NULL) {
            return NGX_ERROR;
        }

        return ngx_iot_detail_read(pool, &value->text, field->type,
                                   value->messages);

    case NGX_IOT_DETAIL_STRINGS:
        return ngx_iot_detail_read_elements(pool, value,
                                            ngx_iot_json_read_strings);

    case NGX_IOT_DETAIL_MESSAGES:
        return ngx_iot_detail_read_messages(pool, field, value);

    case NGX_IOT_DETAIL_PAIRS:
        return ngx_iot_detail_read_pairs(pool, value);

    default:    /* NGX_IOT_DETAIL_STRING */
        return NGX_OK;
    }
}


/* in decimal, a number or a string */
static ngx_int_t
ngx_iot_detail_read_int64(ngx_iot_detail_value_t *value)
{
    off_t       n;
    ngx_str_t  *text;
    ngx_uint_t  minus;

    text = &value->text;
    minus = (text->len > 1 && text->data[0] == '-');

    n = ngx_atoof(text->data + minus, text->len - minus);

    if (n == NGX_ERROR) {
        return NGX_DECLINED;
    }

    value->number = minus ? 0 - (uint64_t) n : (uint64_t) n;

    return NGX_OK;
}


/* "1.5s", as proto3 JSON has it; a delay is not negative */
static ngx_int_t
ngx_iot_detail_read_duration(ngx_iot_detail_value_t *value)
{
    u_char     *p, *last;
    off_t       n;
    ngx_uint_t  digits;

    p = value->text.data;
    last = p + value->text.len - 1;

    if (value->text.len < 2 || *last != 's') {
        return NGX_DECLINED;
    }

    p = ngx_strlchr(value->text.data, last, '.');

    if (p == NULL) {
        p = last;
    }

    n = ngx_atoof(value->text.data, p - value->text.data);

    if (n == NGX_ERROR || n > NGX_IOT_DETAIL_DURATION_MAX) {
        return NGX_DECLINED;
    }

    value->number = (uint64_t) n;

    for (digits = 0; p < last && ++p < last; digits++) {

        if (*p < '0' || *p > '9' || digits == 9) {
            return NGX_DECLINED;
        }

        value->nanos = value->nanos * 10 + (*p - '0');
    }

    while (digits++ < 9) {
        value->nanos *= 10;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_detail_read_elements(ngx_pool_t *pool, ngx_iot_detail_value_t *value,
    ngx_iot_detail_elements_pt read)
{
    ngx_str_t        name;
    ngx_iot_error_t  err;

    /* each has two bytes or more, and a comma or a bracket before it */

    value->n = value->text.len / 3;

    value->strings = ngx_palloc(pool, value->n * sizeof(ngx_str_t));
    if (value->strings == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&name, "details");

    return read(pool, &value->text, &name, value->strings, &value->n, &err);
}


static ngx_int_t
ngx_iot_detail_read_messages(ngx_pool_t *pool,
    const ngx_iot_detail_field_t *field, ngx_iot_detail_value_t *value)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    rc = ngx_iot_detail_read_elements(pool, value, ngx_iot_json_read_list);
    if (rc != NGX_OK) {
        return rc;
    }

    value->messages = ngx_palloc(pool, value->n * sizeof(ngx_iot_detail_t));
    if (value->messages == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; rc == NGX_OK && i < value->n; i++) {
        rc = ngx_iot_detail_read(pool, &value->strings[i], field->type,
                                 &value->messages[i]);
    }

    return rc;
}


static ngx_int_t
ngx_iot_detail_read_pairs(ngx_pool_t *pool, ngx_iot_detail_value_t *value)
{
    ngx_str_t        name;
    ngx_iot_error_t  err;

    /* each has five bytes or more, and a comma or a bracket before it */

    value->n = value->text.len / 6;

    value->pairs = ngx_palloc(pool, value->n * sizeof(ngx_keyval_t));
    if (value->pairs == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&name, "details");

    return ngx_iot_json_read_map(pool, &value->text, &name, value->pairs,
                                 &value->n, &err);
}


static void
ngx_iot_details_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_details_t  *details = data;

    ngx_uint_t               i;
    const ngx_iot_detail_t  *detail;

    for (i = 0; i < details->n; i++) {
        detail = &details->details[i];

        ngx_iot_out_any(out, NULL, details->number, detail->type->url);
        ngx_iot_detail_write(out, detail);
        ngx_iot_out_any_end(out);
    }
}


static void
ngx_iot_detail_write(ngx_iot_out_t *out, const ngx_iot_detail_t *detail)
{
    ngx_uint_t  i;

    for (i = 0; i < detail->type->nfields; i++) {
        if (detail->values[i].text.data) {
            ngx_iot_detail_write_value(out, &detail->type->fields[i], i + 1,
                                       &detail->values[i]);
        }
    }
}


static void
ngx_iot_detail_write_value(ngx_iot_out_t *out,
    const ngx_iot_detail_field_t *field, ngx_uint_t number,
    const ngx_iot_detail_value_t *value)
{
    ngx_uint_t   i;
    const char  *name;

    name = (const char *) field->json_name.data;

    switch (field->kind) {

    case NGX_IOT_DETAIL_STRING:
        ngx_iot_out_string(out, name, number, &value->text);
        break;

    case NGX_IOT_DETAIL_INT64:
        ngx_iot_out_number(out, name, number, (ngx_uint_t) value->number);
        break;

    case NGX_IOT_DETAIL_DURATION:
        ngx_iot_out_message(out, name, number);
        ngx_iot_out_number(out, "seconds", 1, (ngx_uint_t) value->number);
        ngx_iot_out_number(out, "nanos", 2, (ngx_uint_t) value->nanos);
        ngx_iot_out_message_end(out);
        break;

    case NGX_IOT_DETAIL_MESSAGE:
        ngx_iot_out_message(out, name, number);
        ngx_iot_detail_write(out, value->messages);
        ngx_iot_out_message_end(out);
        break;

    case NGX_IOT_DETAIL_STRINGS:

        for (i = 0; i < value->n; i++) {
            ngx_iot_out_string(out, NULL, number, &value->strings[i]);
        }

        break;

    case NGX_IOT_DETAIL_MESSAGES:

        for (i = 0; i < value->n; i++) {
            ngx_iot_out_message(out, NULL, number);
            ngx_iot_detail_write(out, &value->messages[i]);
            ngx_iot_out_message_end(out);
        }

        break;

    default:    /* NGX_IOT_DETAIL_PAIRS */

        for (i = 0; i < value->n; i++) {
            ngx_iot_out_pair(out, number, &value->pairs[i].key,
                             &value->pairs[i].value);
        }
    }
}
