
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_log_options.h"
#include "ngx_iot_json.h"
#include "ngx_iot_out.h"
#include "ngx_iot_protobuf.h"


#define NGX_IOT_LOG_DISABLED      1
#define NGX_IOT_LOG_LOG_GROUP_ID  2
#define NGX_IOT_LOG_FOLDER_ID     3
#define NGX_IOT_LOG_MIN_LEVEL     4


typedef struct {
    ngx_uint_t    number;           /* of the field that is converted to */

    ngx_uint_t    disabled;         /* unsigned  disabled:1; */
    ngx_str_t     log_group_id;     /* data NULL: not set */
    ngx_str_t     folder_id;
    int32_t       level;
} ngx_iot_log_options_t;


static ngx_int_t ngx_iot_log_options_field(const ngx_iot_protobuf_t *pb,
    ngx_iot_log_options_t *options);
static ngx_int_t ngx_iot_log_options_destination(const ngx_iot_protobuf_t *pb,
    ngx_str_t *id, ngx_str_t *other);
static ngx_int_t ngx_iot_log_options_scalars(ngx_iot_log_options_t *options,
    const ngx_str_t *disabled, const ngx_str_t *level);
static void ngx_iot_log_options_write(ngx_iot_out_t *out, const void *data);


/* yandex.cloud.logging.v1.LogLevel.Level */

static const char  *const ngx_iot_log_levels[] = {
    "LEVEL_UNSPECIFIED", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"
};

#define NGX_IOT_LOG_LEVELS                                                    \
    (sizeof(ngx_iot_log_levels) / sizeof(ngx_iot_log_levels[0]))


ngx_int_t
ngx_iot_log_options_read(ngx_pool_t *pool, ngx_str_t *text,
    ngx_iot_error_t *err)
{
    ngx_int_t              rc;
    ngx_iot_protobuf_t     pb;
    ngx_iot_log_options_t  options;

    ngx_memzero(&options, sizeof(ngx_iot_log_options_t));

    ngx_iot_protobuf_begin(&pb, text, 2);

    do {
        rc = ngx_iot_protobuf_next(&pb);

        if (rc == NGX_OK) {
            rc = ngx_iot_log_options_field(&pb, &options);
        }

    } while (rc == NGX_OK);

    if (rc != NGX_DONE) {
        return ngx_iot_protobuf_refuse(err);
    }

    return ngx_iot_out_render(pool, NGX_IOT_JSON, ngx_iot_log_options_write,
                              &options, text);
}


static ngx_int_t
ngx_iot_log_options_field(const ngx_iot_protobuf_t *pb,
    ngx_iot_log_options_t *options)
{
    switch (pb->number << 3 | pb->type) {

    case NGX_IOT_LOG_DISABLED << 3 | NGX_IOT_PROTOBUF_VARINT:
        options->disabled = (pb->value != 0);
        return NGX_OK;

    case NGX_IOT_LOG_LOG_GROUP_ID << 3 | NGX_IOT_PROTOBUF_LEN:
        return ngx_iot_log_options_destination(pb,
                                               &options->log_group_id,
                                               &options->folder_id);

    case NGX_IOT_LOG_FOLDER_ID << 3 | NGX_IOT_PROTOBUF_LEN:
        return ngx_iot_log_options_destination(pb,
                                               &options->folder_id,
                                               &options->log_group_id);

    case NGX_IOT_LOG_MIN_LEVEL << 3 | NGX_IOT_PROTOBUF_VARINT:
        options->level = (int32_t) (uint32_t) pb->value;
        return NGX_OK;

    default:
        return NGX_OK;
    }
}


/* a oneof: the last of its fields is the one that is set */
static ngx_int_t
ngx_iot_log_options_destination(const ngx_iot_protobuf_t *pb, ngx_str_t *id,
    ngx_str_t *other)
{
    if (!ngx_iot_protobuf_utf8(pb)) {
        return NGX_DECLINED;
    }

    *id = pb->bytes;
    ngx_str_null(other);

    return NGX_OK;
}


ngx_int_t
ngx_iot_log_options_convert(ngx_pool_t *pool, ngx_uint_t number,
    const ngx_str_t *text, ngx_str_t *bytes)
{
    ngx_int_t              rc;
    ngx_str_t              disabled, level;
    ngx_iot_error_t        err;
    ngx_iot_log_options_t  options;

    ngx_iot_field_t  fields[] = {
        { ngx_string("disabled"), ngx_string("disabled"), 1, &disabled,
          NGX_IOT_FIELD_SCALAR },
        { ngx_string("log_group_id"), ngx_string("logGroupId"), 2,
          &options.log_group_id, NGX_IOT_FIELD_STRING },
        { ngx_string("folder_id"), ngx_string("folderId"), 3,
          &options.folder_id, NGX_IOT_FIELD_STRING },
        { ngx_string("min_level"), ngx_string("minLevel"), 4, &level,
          NGX_IOT_FIELD_SCALAR }
    };

    ngx_memzero(&options, sizeof(ngx_iot_log_options_t));

    rc = ngx_iot_json_read(pool, text, fields, 4, &err);

    if (rc == NGX_OK) {
        rc = ngx_iot_log_options_scalars(&options, &disabled, &level);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    options.number = number;

    return ngx_iot_out_render(pool, NGX_IOT_PROTOBUF,
                              ngx_iot_log_options_write, &options, bytes);
}


/* as a field, of which empty options leave a trace */
ngx_int_t
ngx_iot_log_options_canonical(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_str_t *bytes)
{
    ngx_int_t  rc;

    *bytes = *text;

    if (text->len == 0) {
        return NGX_OK;
    }

    rc = ngx_iot_log_options_convert(pool, 1, text, bytes);

    return (rc == NGX_DECLINED) ? NGX_OK : rc;
}


/* a level may come by its name or by its number */
static ngx_int_t
ngx_iot_log_options_scalars(ngx_iot_log_options_t *options,
    const ngx_str_t *disabled, const ngx_str_t *level)
{
    ngx_int_t   n;
    ngx_uint_t  i, minus;

    options->disabled = (disabled->len == 4
                         && ngx_strncmp(disabled->data, "true", 4) == 0);

    for (i = 0; i < NGX_IOT_LOG_LEVELS; i++) {
        if (level->len == ngx_strlen(ngx_iot_log_levels[i])
            && ngx_strncmp(level->data, ngx_iot_log_levels[i], level->len)
               == 0)
        {
            options->level = (int32_t) i;
            return NGX_OK;
        }
    }

    if (level->len == 0) {
        return NGX_OK;
    }

    minus = (level->data[0] == '-');

    n = ngx_atoi(level->data + minus, level->len - minus);

    if (n == NGX_ERROR || n > NGX_MAX_INT32_VALUE) {
        return NGX_DECLINED;
    }

    options->level = (int32_t) (minus ? -n : n);

    return NGX_OK;
}


static void
ngx_iot_log_options_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_log_options_t  *options = data;

    const char  *level;

    ngx_iot_out_message(out, NULL, options->number);

    if (options->disabled) {
        ngx_iot_out_bool(out, "disabled", 1, 1);
    }

    if (options->log_group_id.data) {
        ngx_iot_out_oneof(out, "logGroupId", 2, &options->log_group_id);

    } else if (options->folder_id.data) {
        ngx_iot_out_oneof(out, "folderId", 3, &options->folder_id);
    }

    if (options->level) {
        level = NULL;

        if (options->level > 0
            && (size_t) options->level < NGX_IOT_LOG_LEVELS)
        {
            level = ngx_iot_log_levels[options->level];
        }

        ngx_iot_out_enum(out, "minLevel", 4, level, options->level);
    }

    ngx_iot_out_message_end(out);
}
