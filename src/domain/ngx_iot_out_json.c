
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_out.h"
#include "ngx_iot_time.h"
#include "ngx_iot_utf8.h"


static void ngx_iot_out_json_object(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number);
static void ngx_iot_out_json_object_end(ngx_iot_out_t *out);
static void ngx_iot_out_json_any(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const char *type);
static void ngx_iot_out_json_array(ngx_iot_out_t *out, const char *name);
static void ngx_iot_out_json_array_end(ngx_iot_out_t *out);
static void ngx_iot_out_json_map(ngx_iot_out_t *out, const char *name);
static void ngx_iot_out_json_pair(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *key, const ngx_str_t *value);
static void ngx_iot_out_json_string(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_str_t *value);
static void ngx_iot_out_json_oneof(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_str_t *value);
static void ngx_iot_out_json_literal(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const char *value);
static void ngx_iot_out_json_enum(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const char *value, ngx_int_t value_number);
static void ngx_iot_out_json_bool(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value);
static void ngx_iot_out_json_number(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value);
static void ngx_iot_out_json_time(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_iot_msec_t value);
static void ngx_iot_out_json_seconds(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value);
static void ngx_iot_out_json_text(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_str_t *value, ngx_iot_out_convert_pt convert);

static void ngx_iot_out_json_begin(ngx_iot_out_t *out, const char *name);
static void ngx_iot_out_json_quoted(ngx_iot_out_t *out,
    const ngx_str_t *value);
static void ngx_iot_out_json_escape(ngx_iot_out_t *out, u_char ch);
static void ngx_iot_out_json_append(ngx_iot_out_t *out, const void *data,
    size_t len);


/*
 * How a byte goes into a string: 0 as it is, 'm' begins or continues a
 * sequence of several bytes, 'u' as \u00XX, another letter after a backslash.
 */

static const u_char  ngx_iot_out_json_classes[256] = {
    'u',  'u',  'u',  'u',  'u',  'u',  'u',  'u',
    'b',  't',  'n',  'u',  'f',  'r',  'u',  'u',
    'u',  'u',  'u',  'u',  'u',  'u',  'u',  'u',
    'u',  'u',  'u',  'u',  'u',  'u',  'u',  'u',

    0,    0,    '"',  0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,

    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    '\\', 0,    0,    0,

    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,
    0,    0,    0,    0,    0,    0,    0,    0,

    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',

    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',

    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',

    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm',
    'm',  'm',  'm',  'm',  'm',  'm',  'm',  'm'
};


const ngx_iot_out_encoding_t  ngx_iot_out_json = {
    ngx_iot_out_json_object,
    ngx_iot_out_json_object_end,
    ngx_iot_out_json_any,
    ngx_iot_out_json_object_end,
    ngx_iot_out_json_array,
    ngx_iot_out_json_array_end,
    ngx_iot_out_json_map,
    ngx_iot_out_json_object_end,
    ngx_iot_out_json_pair,
    ngx_iot_out_json_string,
    ngx_iot_out_json_oneof,
    ngx_iot_out_json_literal,
    ngx_iot_out_json_enum,
    ngx_iot_out_json_bool,
    ngx_iot_out_json_number,
    ngx_iot_out_json_time,
    ngx_iot_out_json_seconds,
    ngx_iot_out_json_text
};


static void
ngx_iot_out_json_object(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number)
{
    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_append(out, "{", 1);
    out->comma = 0;
}


static void
ngx_iot_out_json_object_end(ngx_iot_out_t *out)
{
    ngx_iot_out_json_append(out, "}", 1);
    out->comma = 1;
}


static void
ngx_iot_out_json_any(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    const char *type)
{
    ngx_iot_out_json_object(out, name, number);
    ngx_iot_out_json_literal(out, "@type", 0, type);
}


static void
ngx_iot_out_json_array(ngx_iot_out_t *out, const char *name)
{
    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_append(out, "[", 1);
    out->comma = 0;
}


static void
ngx_iot_out_json_array_end(ngx_iot_out_t *out)
{
    ngx_iot_out_json_append(out, "]", 1);
    out->comma = 1;
}


static void
ngx_iot_out_json_map(ngx_iot_out_t *out, const char *name)
{
    ngx_iot_out_json_object(out, name, 0);
}


static void
ngx_iot_out_json_pair(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *key, const ngx_str_t *value)
{
    ngx_iot_out_json_begin(out, NULL);
    ngx_iot_out_json_quoted(out, key);
    ngx_iot_out_json_append(out, ":", 1);
    ngx_iot_out_json_quoted(out, value);
}


static void
ngx_iot_out_json_string(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_str_t *value)
{
    if (value->len == 0 && name != NULL) {
        return;
    }

    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_quoted(out, value);
}


static void
ngx_iot_out_json_oneof(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    const ngx_str_t *value)
{
    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_quoted(out, value);
}


static void
ngx_iot_out_json_literal(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const char *value)
{
    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_append(out, "\"", 1);
    ngx_iot_out_json_append(out, value, ngx_strlen(value));
    ngx_iot_out_json_append(out, "\"", 1);
}


static void
ngx_iot_out_json_enum(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    const char *value, ngx_int_t value_number)
{
    u_char  *end;
    u_char   buf[NGX_INT_T_LEN];

    if (value) {
        ngx_iot_out_json_literal(out, name, number, value);
        return;
    }

    end = ngx_sprintf(buf, "%i", value_number);

    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_append(out, buf, end - buf);
}


static void
ngx_iot_out_json_bool(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    ngx_uint_t value)
{
    ngx_iot_out_json_begin(out, name);

    if (value) {
        ngx_iot_out_json_append(out, "true", 4);

    } else {
        ngx_iot_out_json_append(out, "false", 5);
    }
}


static void
ngx_iot_out_json_number(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value)
{
    u_char  *end;
    u_char   buf[NGX_INT_T_LEN];

    end = ngx_sprintf(buf, "%ui", value);

    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_append(out, buf, end - buf);
}


static void
ngx_iot_out_json_time(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    ngx_iot_msec_t value)
{
    u_char  buf[NGX_IOT_TIME_LEN];

    (void) ngx_iot_time_format(buf, value);

    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_append(out, "\"", 1);
    ngx_iot_out_json_append(out, buf, NGX_IOT_TIME_LEN);
    ngx_iot_out_json_append(out, "\"", 1);
}


static void
ngx_iot_out_json_seconds(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, ngx_uint_t value)
{
    u_char  *end;
    u_char   buf[NGX_INT_T_LEN + sizeof("\"s\"") - 1];

    end = ngx_sprintf(buf, "\"%uis\"", value);

    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_append(out, buf, end - buf);
}


static void
ngx_iot_out_json_text(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
    const ngx_str_t *value, ngx_iot_out_convert_pt convert)
{
    ngx_iot_out_json_begin(out, name);
    ngx_iot_out_json_append(out, value->data, value->len);
}


/* what goes before a value: the comma after the one before, and the name */
static void
ngx_iot_out_json_begin(ngx_iot_out_t *out, const char *name)
{
    if (out->comma) {
        ngx_iot_out_json_append(out, ",", 1);
    }

    out->comma = 1;

    if (name) {
        ngx_iot_out_json_append(out, "\"", 1);
        ngx_iot_out_json_append(out, name, ngx_strlen(name));
        ngx_iot_out_json_append(out, "\":", 2);
    }
}


static void
ngx_iot_out_json_quoted(ngx_iot_out_t *out, const ngx_str_t *value)
{
    u_char         how;
    const u_char  *p, *last, *run, *special;

    ngx_iot_out_json_append(out, "\"", 1);

    p = value->data;
    last = value->data + value->len;

    /* bytes that stay as they are wait in the run until one that does not */

    run = p;

    for ( ;; ) {
        p = ngx_iot_utf8_plain(p, last);

        if (p == last) {
            break;
        }

        how = ngx_iot_out_json_classes[*p];

        if (how == 0) {
            p++;
            continue;
        }

        special = p;

        if (how == 'm') {

            if (ngx_iot_utf8_next(&p, last) == NGX_OK) {
                continue;
            }

            ngx_iot_out_json_append(out, run, special - run);
            ngx_iot_out_json_append(out, "\xef\xbf\xbd", 3);

        } else {
            ngx_iot_out_json_append(out, run, special - run);
            ngx_iot_out_json_escape(out, *p++);
        }

        run = p;
    }

    ngx_iot_out_json_append(out, run, p - run);
    ngx_iot_out_json_append(out, "\"", 1);
}


static void
ngx_iot_out_json_escape(ngx_iot_out_t *out, u_char ch)
{
    u_char             buf[6];
    static const char  hex[] = "0123456789abcdef";

    buf[0] = '\\';
    buf[1] = ngx_iot_out_json_classes[ch];

    if (buf[1] != 'u') {
        ngx_iot_out_json_append(out, buf, 2);
        return;
    }

    buf[2] = '0';
    buf[3] = '0';
    buf[4] = hex[ch >> 4];
    buf[5] = hex[ch & 0xf];

    ngx_iot_out_json_append(out, buf, 6);
}


static void
ngx_iot_out_json_append(ngx_iot_out_t *out, const void *data, size_t len)
{
    out->len += len;

    /* a string that was never set has no data that could be copied */

    if (out->pos && len) {
        out->pos = ngx_cpymem(out->pos, data, len);
    }
}
