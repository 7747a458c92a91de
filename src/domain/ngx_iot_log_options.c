
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_log_options.h"
#include "ngx_iot_out.h"
#include "ngx_iot_protobuf.h"


#define NGX_IOT_LOG_DISABLED      1
#define NGX_IOT_LOG_LOG_GROUP_ID  2
#define NGX_IOT_LOG_FOLDER_ID     3
#define NGX_IOT_LOG_MIN_LEVEL     4


typedef struct {
    ngx_uint_t    disabled;         /* unsigned  disabled:1; */
    ngx_str_t    *destination;      /* name of the field; NULL: not set */
    ngx_str_t     id;               /* of the destination */
    int32_t       level;
} ngx_iot_log_options_t;


static ngx_int_t ngx_iot_log_options_field(const ngx_iot_protobuf_t *pb,
    ngx_iot_log_options_t *options);
static ngx_int_t ngx_iot_log_options_destination(const ngx_iot_protobuf_t *pb,
    ngx_iot_log_options_t *options, ngx_str_t *name);
static void ngx_iot_log_options_write(ngx_iot_out_t *out, const void *data);
static void ngx_iot_log_options_write_level(ngx_iot_out_t *out,
    int32_t level);


static ngx_str_t  ngx_iot_log_group_id = ngx_string("logGroupId");
static ngx_str_t  ngx_iot_log_folder_id = ngx_string("folderId");


/* yandex.cloud.logging.v1.LogLevel.Level */

static const char  *const ngx_iot_log_levels[] = {
    NULL, "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"
};


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
        return ngx_iot_log_options_destination(pb, options,
                                               &ngx_iot_log_group_id);

    case NGX_IOT_LOG_FOLDER_ID << 3 | NGX_IOT_PROTOBUF_LEN:
        return ngx_iot_log_options_destination(pb, options,
                                               &ngx_iot_log_folder_id);

    case NGX_IOT_LOG_MIN_LEVEL << 3 | NGX_IOT_PROTOBUF_VARINT:
        options->level = (int32_t) (uint32_t) pb->value;
        return NGX_OK;

    default:
        return NGX_OK;
    }
}


/* a oneof: the last of its fields is the one that is set */
static ngx_int_t
ngx_iot_log_options_destination(const ngx_iot_protobuf_t *pb,
    ngx_iot_log_options_t *options, ngx_str_t *name)
{
    if (!ngx_iot_protobuf_utf8(pb)) {
        return NGX_DECLINED;
    }

    options->destination = name;
    options->id = pb->bytes;

    return NGX_OK;
}


static void
ngx_iot_log_options_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_log_options_t  *options = data;

    ngx_iot_out_message(out, NULL, 0);

    if (options->disabled) {
        ngx_iot_out_bool(out, "disabled", 1, 1);
    }

    /* what is in a oneof is written also when it is empty */

    if (options->destination) {
        ngx_iot_out_pair(out, 0, options->destination, &options->id);
    }

    if (options->level) {
        ngx_iot_log_options_write_level(out, options->level);
    }

    ngx_iot_out_message_end(out);
}


/* one that is not known is a number */
static void
ngx_iot_log_options_write_level(ngx_iot_out_t *out, int32_t level)
{
    u_char     buf[NGX_INT32_LEN];
    ngx_str_t  number;

    if (level > 0
        && level < (int32_t) (sizeof(ngx_iot_log_levels) / sizeof(char *)))
    {
        ngx_iot_out_literal(out, "minLevel", 4, ngx_iot_log_levels[level]);
        return;
    }

    number.data = buf;
    number.len = ngx_sprintf(buf, "%D", level) - buf;

    ngx_iot_out_text(out, "minLevel", 4, &number);
}
