
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_out.h"
#include "ngx_iot_protobuf.h"
#include "ngx_iot_time.h"
#include "ngx_iot_utf8.h"


/*
 * The length of a message goes before it, so the counting pass keeps the
 * lengths for the other one.
 */


/* messages at first */
#define NGX_IOT_OUT_PB_NESTED  32


typedef struct {
    size_t       len;           /* while it is open: where it begins */
    ngx_uint_t   parent;        /* out->open before it */
    u_char      *data;          /* of what was converted */
} ngx_iot_out_pb_nested_t;


static void ngx_iot_out_pb_message(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number);
static void ngx_iot_out_pb_message_end(ngx_iot_out_t *out);
static void ngx_iot_out_pb_any(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const char *type);
static void ngx_iot_out_pb_any_end(ngx_iot_out_t *out);
static void ngx_iot_out_pb_begin(ngx_iot_out_t *out, const char *name);
static void ngx_iot_out_pb_end(ngx_iot_out_t *out);
static void ngx_iot_out_pb_pair(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *key, const ngx_str_t *value);
static void ngx_iot_out_pb_string(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_str_t *value);
static void ngx_iot_out_pb_oneof(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_str_t *value);
static void ngx_iot_out_pb_literal(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const char *value);
static void ngx_iot_out_pb_enum(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const char *value, ngx_int_t value_number);
static void ngx_iot_out_pb_number(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value);
static void ngx_iot_out_pb_bool(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value);
static void ngx_iot_out_pb_time(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_iot_msec_t value);
static void ngx_iot_out_pb_seconds(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value);
static void ngx_iot_out_pb_text(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_str_t *value, ngx_iot_out_convert_pt convert);

static void ngx_iot_out_pb_moment(ngx_iot_out_t *out, ngx_uint_t number,
    uint64_t seconds, uint64_t nanos);

static void ngx_iot_out_pb_convert(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *text, ngx_iot_out_convert_pt convert);
static void ngx_iot_out_pb_enter(ngx_iot_out_t *out);
static ngx_iot_out_pb_nested_t *ngx_iot_out_pb_push(ngx_iot_out_t *out);
static size_t ngx_iot_out_pb_leave(ngx_iot_out_t *out);
static const ngx_iot_out_pb_nested_t *ngx_iot_out_pb_next(
    ngx_iot_out_t *out);
static void ngx_iot_out_pb_field(ngx_iot_out_t *out, ngx_uint_t number,
    uint64_t value);
static size_t ngx_iot_out_pb_field_len(uint64_t value);
static void ngx_iot_out_pb_bytes(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *value);
static size_t ngx_iot_out_pb_bytes_len(const ngx_str_t *value);
static size_t ngx_iot_out_pb_utf8_len(const ngx_str_t *value);
static const u_char *ngx_iot_out_pb_valid(const u_char *p,
    const u_char *last);
static void ngx_iot_out_pb_tag(ngx_iot_out_t *out, ngx_uint_t number,
    ngx_uint_t type);
static void ngx_iot_out_pb_varint(ngx_iot_out_t *out, uint64_t value);
static size_t ngx_iot_out_pb_varint_len(uint64_t value);
static void ngx_iot_out_pb_append(ngx_iot_out_t *out, const void *data,
    size_t len);


const ngx_iot_out_encoding_t  ngx_iot_out_protobuf = {
    ngx_iot_out_pb_message,
    ngx_iot_out_pb_message_end,
    ngx_iot_out_pb_any,
    ngx_iot_out_pb_any_end,
    ngx_iot_out_pb_begin,
    ngx_iot_out_pb_end,
    ngx_iot_out_pb_begin,
    ngx_iot_out_pb_end,
    ngx_iot_out_pb_pair,
    ngx_iot_out_pb_string,
    ngx_iot_out_pb_oneof,
    ngx_iot_out_pb_literal,
    ngx_iot_out_pb_enum,
    ngx_iot_out_pb_bool,
    ngx_iot_out_pb_number,
    ngx_iot_out_pb_time,
    ngx_iot_out_pb_seconds,
    ngx_iot_out_pb_text
};


/* the message at the top is nothing but its fields */
static void
ngx_iot_out_pb_message(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number)
{
    if (number == 0) {
        return;
    }

    ngx_iot_out_pb_tag(out, number, NGX_IOT_PROTOBUF_LEN);

    if (out->pos) {
        ngx_iot_out_pb_varint(out, ngx_iot_out_pb_next(out)->len);
        return;
    }

    ngx_iot_out_pb_enter(out);
}


static void
ngx_iot_out_pb_message_end(ngx_iot_out_t *out)
{
    /* in the second pass none is open */

    if (out->open) {
        out->len += ngx_iot_out_pb_varint_len(ngx_iot_out_pb_leave(out));
    }
}


/* the value is a field of bytes, which is left out when it is empty */
static void
ngx_iot_out_pb_any(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    const char *type)
{
    size_t  len;

    ngx_iot_out_pb_message(out, name, number);
    ngx_iot_out_pb_literal(out, "typeUrl", 1, type);

    if (out->pos == NULL) {
        ngx_iot_out_pb_enter(out);
        return;
    }

    len = ngx_iot_out_pb_next(out)->len;

    if (len) {
        ngx_iot_out_pb_tag(out, 2, NGX_IOT_PROTOBUF_LEN);
        ngx_iot_out_pb_varint(out, len);
    }
}


static void
ngx_iot_out_pb_any_end(ngx_iot_out_t *out)
{
    size_t  len;

    if (out->open) {
        len = ngx_iot_out_pb_leave(out);

        if (len) {
            out->len += 1 + ngx_iot_out_pb_varint_len(len);
        }
    }

    ngx_iot_out_pb_message_end(out);
}


static void
ngx_iot_out_pb_begin(ngx_iot_out_t *out, const char *name)
{
}


static void
ngx_iot_out_pb_end(ngx_iot_out_t *out)
{
}


/* an entry of a map is a message of two fields */
static void
ngx_iot_out_pb_pair(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *key, const ngx_str_t *value)
{
    ngx_iot_out_pb_tag(out, number, NGX_IOT_PROTOBUF_LEN);
    ngx_iot_out_pb_varint(out, ngx_iot_out_pb_bytes_len(key)
                               + ngx_iot_out_pb_bytes_len(value));

    ngx_iot_out_pb_bytes(out, 1, key);
    ngx_iot_out_pb_bytes(out, 2, value);
}


static void
ngx_iot_out_pb_string(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_str_t *value)
{
    if (number && (value->len || name == NULL)) {
        ngx_iot_out_pb_bytes(out, number, value);
    }
}


static void
ngx_iot_out_pb_oneof(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    const ngx_str_t *value)
{
    if (number) {
        ngx_iot_out_pb_bytes(out, number, value);
    }
}


static void
ngx_iot_out_pb_literal(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const char *value)
{
    size_t  len;

    if (number == 0) {
        return;
    }

    len = ngx_strlen(value);

    ngx_iot_out_pb_tag(out, number, NGX_IOT_PROTOBUF_LEN);
    ngx_iot_out_pb_varint(out, len);
    ngx_iot_out_pb_append(out, value, len);
}


static void
ngx_iot_out_pb_enum(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    const char *value, ngx_int_t value_number)
{
    ngx_iot_out_pb_field(out, number, (uint64_t) (int64_t) value_number);
}


static void
ngx_iot_out_pb_bool(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    ngx_uint_t value)
{
    ngx_iot_out_pb_field(out, number, value != 0);
}


static void
ngx_iot_out_pb_number(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value)
{
    ngx_iot_out_pb_field(out, number, value);
}


static void
ngx_iot_out_pb_time(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    ngx_iot_msec_t value)
{
    value = ngx_min(value, NGX_IOT_TIME_MAX);

    ngx_iot_out_pb_moment(out, number, value / 1000,
                          value % 1000 * 1000000);
}


static void
ngx_iot_out_pb_seconds(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value)
{
    ngx_iot_out_pb_moment(out, number, value, 0);
}


static void
ngx_iot_out_pb_text(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    const ngx_str_t *value, ngx_iot_out_convert_pt convert)
{
    const ngx_iot_out_pb_nested_t  *nested;

    if (number == 0) {
        return;
    }

    if (out->pos == NULL) {
        ngx_iot_out_pb_convert(out, number, value, convert);
        return;
    }

    nested = ngx_iot_out_pb_next(out);

    ngx_iot_out_pb_append(out, nested->data, nested->len);
}


/* once: the second pass takes the bytes that the first one has made */
static void
ngx_iot_out_pb_convert(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *text, ngx_iot_out_convert_pt convert)
{
    ngx_int_t                 rc;
    ngx_str_t                 bytes;
    ngx_iot_out_pb_nested_t  *nested;

    ngx_str_null(&bytes);

    rc = convert(out->pool, number, text, &bytes);

    nested = ngx_iot_out_pb_push(out);

    if (rc == NGX_ERROR || nested == NULL) {
        out->failed = 1;
        return;
    }

    nested->len = bytes.len;
    nested->data = bytes.data;

    out->len += bytes.len;
}


/* Timestamp and Duration: seconds and nanos */
static void
ngx_iot_out_pb_moment(ngx_iot_out_t *out, ngx_uint_t number,
    uint64_t seconds, uint64_t nanos)
{
    if (number == 0) {
        return;
    }

    ngx_iot_out_pb_tag(out, number, NGX_IOT_PROTOBUF_LEN);
    ngx_iot_out_pb_varint(out, ngx_iot_out_pb_field_len(seconds)
                               + ngx_iot_out_pb_field_len(nanos));

    ngx_iot_out_pb_field(out, 1, seconds);
    ngx_iot_out_pb_field(out, 2, nanos);
}


/* a message begins behind what is counted so far */
static void
ngx_iot_out_pb_enter(ngx_iot_out_t *out)
{
    ngx_iot_out_pb_nested_t  *nested;

    nested = ngx_iot_out_pb_push(out);
    if (nested == NULL) {
        out->failed = 1;
        return;
    }

    nested->len = out->len;
    nested->parent = out->open;

    out->open = out->nested.nelts;
}


static ngx_iot_out_pb_nested_t *
ngx_iot_out_pb_push(ngx_iot_out_t *out)
{
    if (out->nested.elts == NULL
        && ngx_array_init(&out->nested, out->pool, NGX_IOT_OUT_PB_NESTED,
                          sizeof(ngx_iot_out_pb_nested_t))
           != NGX_OK)
    {
        return NULL;
    }

    return ngx_array_push(&out->nested);
}


/* the length of the innermost message, which ends here */
static size_t
ngx_iot_out_pb_leave(ngx_iot_out_t *out)
{
    ngx_iot_out_pb_nested_t  *nested;

    nested = out->nested.elts;
    nested += out->open - 1;

    nested->len = out->len - nested->len;
    out->open = nested->parent;

    return nested->len;
}


/* what comes next, as it was counted */
static const ngx_iot_out_pb_nested_t *
ngx_iot_out_pb_next(ngx_iot_out_t *out)
{
    const ngx_iot_out_pb_nested_t  *nested;

    nested = out->nested.elts;

    return &nested[out->next++];
}


static void
ngx_iot_out_pb_field(ngx_iot_out_t *out, ngx_uint_t number, uint64_t value)
{
    if (number && value) {
        ngx_iot_out_pb_tag(out, number, NGX_IOT_PROTOBUF_VARINT);
        ngx_iot_out_pb_varint(out, value);
    }
}


/* of a field whose number is less than 16 */
static size_t
ngx_iot_out_pb_field_len(uint64_t value)
{
    return value ? 1 + ngx_iot_out_pb_varint_len(value) : 0;
}


static void
ngx_iot_out_pb_bytes(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *value)
{
    size_t         len;
    const u_char  *p, *run, *last;

    len = ngx_iot_out_pb_utf8_len(value);

    ngx_iot_out_pb_tag(out, number, NGX_IOT_PROTOBUF_LEN);
    ngx_iot_out_pb_varint(out, len);

    if (out->pos == NULL) {
        out->len += len;
        return;
    }

    p = value->data;
    last = value->data + value->len;

    for ( ;; ) {
        run = p;
        p = ngx_iot_out_pb_valid(p, last);

        ngx_iot_out_pb_append(out, run, p - run);

        if (p == last) {
            return;
        }

        (void) ngx_iot_utf8_next(&p, last);

        ngx_iot_out_pb_append(out, "\xef\xbf\xbd", 3);
    }
}


/* of a field whose number is less than 16 */
static size_t
ngx_iot_out_pb_bytes_len(const ngx_str_t *value)
{
    size_t  len;

    len = ngx_iot_out_pb_utf8_len(value);

    return 1 + ngx_iot_out_pb_varint_len(len) + len;
}


/* with U+FFFD in place of what is not UTF-8 */
static size_t
ngx_iot_out_pb_utf8_len(const ngx_str_t *value)
{
    size_t         len;
    const u_char  *p, *run, *last;

    len = 0;

    p = value->data;
    last = value->data + value->len;

    for ( ;; ) {
        run = p;
        p = ngx_iot_out_pb_valid(p, last);
        len += p - run;

        if (p == last) {
            return len;
        }

        (void) ngx_iot_utf8_next(&p, last);

        len += 3;
    }
}


/* the end of the run of UTF-8 at p */
static const u_char *
ngx_iot_out_pb_valid(const u_char *p, const u_char *last)
{
    uint64_t       w;
    const u_char  *end;

    while (p < last) {

        if (last - p >= 8) {
            ngx_memcpy(&w, p, 8);

            if ((w & 0x8080808080808080) == 0) {
                p += 8;
                continue;
            }
        }

        if (*p < 0x80) {
            p++;
            continue;
        }

        end = p;

        if (ngx_iot_utf8_next(&end, last) != NGX_OK) {
            break;
        }

        p = end;
    }

    return p;
}


static void
ngx_iot_out_pb_tag(ngx_iot_out_t *out, ngx_uint_t number, ngx_uint_t type)
{
    ngx_iot_out_pb_varint(out, number << 3 | type);
}


static void
ngx_iot_out_pb_varint(ngx_iot_out_t *out, uint64_t value)
{
    if (out->pos == NULL) {
        out->len += ngx_iot_out_pb_varint_len(value);
        return;
    }

    while (value >= 0x80) {
        *out->pos++ = (u_char) (value | 0x80);
        value >>= 7;
    }

    *out->pos++ = (u_char) value;
}


static size_t
ngx_iot_out_pb_varint_len(uint64_t value)
{
    size_t  len;

    for (len = 1; value >= 0x80; len++) {
        value >>= 7;
    }

    return len;
}


static void
ngx_iot_out_pb_append(ngx_iot_out_t *out, const void *data, size_t len)
{
    if (out->pos == NULL) {
        out->len += len;

    } else if (len) {
        out->pos = ngx_cpymem(out->pos, data, len);
    }
}
