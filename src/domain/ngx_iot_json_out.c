
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_json_out.h"
#include "ngx_iot_time.h"
#include "ngx_iot_utf8.h"


static void ngx_iot_json_out_begin(ngx_iot_json_out_t *out, const char *key);
static void ngx_iot_json_out_quoted(ngx_iot_json_out_t *out,
    const ngx_str_t *value);
static void ngx_iot_json_out_escape(ngx_iot_json_out_t *out, u_char ch);
static void ngx_iot_json_out_append(ngx_iot_json_out_t *out, const void *data,
    size_t len);


/*
 * How a byte goes into a string: 0 as it is, 'm' begins or continues a
 * sequence of several bytes, 'u' as \u00XX, another letter after a backslash.
 */

static const u_char  ngx_iot_json_out_classes[256] = {
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


ngx_int_t
ngx_iot_json_out_render(ngx_pool_t *pool, ngx_iot_json_out_pt write,
    const void *data, ngx_str_t *text)
{
    ngx_iot_json_out_t  out;

    ngx_memzero(&out, sizeof(ngx_iot_json_out_t));

    write(&out, data);

    text->len = out.len;
    text->data = ngx_pnalloc(pool, out.len);

    if (text->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&out, sizeof(ngx_iot_json_out_t));
    out.pos = text->data;

    write(&out, data);

    return NGX_OK;
}


void
ngx_iot_json_out_object(ngx_iot_json_out_t *out, const char *key)
{
    ngx_iot_json_out_begin(out, key);
    ngx_iot_json_out_append(out, "{", 1);
    out->comma = 0;
}


void
ngx_iot_json_out_object_end(ngx_iot_json_out_t *out)
{
    ngx_iot_json_out_append(out, "}", 1);
    out->comma = 1;
}


void
ngx_iot_json_out_array(ngx_iot_json_out_t *out, const char *key)
{
    ngx_iot_json_out_begin(out, key);
    ngx_iot_json_out_append(out, "[", 1);
    out->comma = 0;
}


void
ngx_iot_json_out_array_end(ngx_iot_json_out_t *out)
{
    ngx_iot_json_out_append(out, "]", 1);
    out->comma = 1;
}


void
ngx_iot_json_out_string(ngx_iot_json_out_t *out, const char *key,
    const ngx_str_t *value)
{
    if (value->len == 0 && key != NULL) {
        return;
    }

    ngx_iot_json_out_begin(out, key);
    ngx_iot_json_out_quoted(out, value);
}


void
ngx_iot_json_out_literal(ngx_iot_json_out_t *out, const char *key,
    const char *value)
{
    ngx_iot_json_out_begin(out, key);
    ngx_iot_json_out_append(out, "\"", 1);
    ngx_iot_json_out_append(out, value, ngx_strlen(value));
    ngx_iot_json_out_append(out, "\"", 1);
}


void
ngx_iot_json_out_bool(ngx_iot_json_out_t *out, const char *key,
    ngx_uint_t value)
{
    ngx_iot_json_out_begin(out, key);

    if (value) {
        ngx_iot_json_out_append(out, "true", 4);

    } else {
        ngx_iot_json_out_append(out, "false", 5);
    }
}


void
ngx_iot_json_out_number(ngx_iot_json_out_t *out, const char *key,
    ngx_uint_t value)
{
    u_char  *end;
    u_char   buf[NGX_INT_T_LEN];

    end = ngx_sprintf(buf, "%ui", value);

    ngx_iot_json_out_begin(out, key);
    ngx_iot_json_out_append(out, buf, end - buf);
}


void
ngx_iot_json_out_time(ngx_iot_json_out_t *out, const char *key,
    ngx_iot_msec_t value)
{
    u_char  buf[NGX_IOT_TIME_LEN];

    (void) ngx_iot_time_format(buf, value);

    ngx_iot_json_out_begin(out, key);
    ngx_iot_json_out_append(out, "\"", 1);
    ngx_iot_json_out_append(out, buf, NGX_IOT_TIME_LEN);
    ngx_iot_json_out_append(out, "\"", 1);
}


void
ngx_iot_json_out_pair(ngx_iot_json_out_t *out, const ngx_str_t *key,
    const ngx_str_t *value)
{
    ngx_iot_json_out_begin(out, NULL);
    ngx_iot_json_out_quoted(out, key);
    ngx_iot_json_out_append(out, ":", 1);
    ngx_iot_json_out_quoted(out, value);
}


void
ngx_iot_json_out_raw(ngx_iot_json_out_t *out, const char *key,
    const ngx_str_t *value)
{
    ngx_iot_json_out_begin(out, key);
    ngx_iot_json_out_append(out, value->data, value->len);
}


/* what goes before a value: the comma after the one before, and the key */
static void
ngx_iot_json_out_begin(ngx_iot_json_out_t *out, const char *key)
{
    if (out->comma) {
        ngx_iot_json_out_append(out, ",", 1);
    }

    out->comma = 1;

    if (key) {
        ngx_iot_json_out_append(out, "\"", 1);
        ngx_iot_json_out_append(out, key, ngx_strlen(key));
        ngx_iot_json_out_append(out, "\":", 2);
    }
}


static void
ngx_iot_json_out_quoted(ngx_iot_json_out_t *out, const ngx_str_t *value)
{
    u_char         how;
    const u_char  *p, *last, *run, *special;

    ngx_iot_json_out_append(out, "\"", 1);

    p = value->data;
    last = value->data + value->len;

    /* bytes that stay as they are wait in the run until one that does not */

    run = p;

    for ( ;; ) {
        p = ngx_iot_utf8_plain(p, last);

        if (p == last) {
            break;
        }

        how = ngx_iot_json_out_classes[*p];

        if (how == 0) {
            p++;
            continue;
        }

        special = p;

        if (how == 'm') {

            if (ngx_iot_utf8_next(&p, last) == NGX_OK) {
                continue;
            }

            ngx_iot_json_out_append(out, run, special - run);
            ngx_iot_json_out_append(out, "\xef\xbf\xbd", 3);

        } else {
            ngx_iot_json_out_append(out, run, special - run);
            ngx_iot_json_out_escape(out, *p++);
        }

        run = p;
    }

    ngx_iot_json_out_append(out, run, p - run);
    ngx_iot_json_out_append(out, "\"", 1);
}


static void
ngx_iot_json_out_escape(ngx_iot_json_out_t *out, u_char ch)
{
    u_char             buf[6];
    static const char  hex[] = "0123456789abcdef";

    buf[0] = '\\';
    buf[1] = ngx_iot_json_out_classes[ch];

    if (buf[1] != 'u') {
        ngx_iot_json_out_append(out, buf, 2);
        return;
    }

    buf[2] = '0';
    buf[3] = '0';
    buf[4] = hex[ch >> 4];
    buf[5] = hex[ch & 0xf];

    ngx_iot_json_out_append(out, buf, 6);
}


static void
ngx_iot_json_out_append(ngx_iot_json_out_t *out, const void *data, size_t len)
{
    out->len += len;

    /* a string that was never set has no data that could be copied */

    if (out->pos && len) {
        out->pos = ngx_cpymem(out->pos, data, len);
    }
}
