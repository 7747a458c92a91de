
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_json_array.h"
#include "ngx_iot_utf8.h"


/* what the buffer begins with; it doubles up to the limit */
#define NGX_IOT_JSON_ARRAY_BUFFER  4096


typedef enum {
    NGX_IOT_JSON_ARRAY_START = 0,       /* "[" comes */
    NGX_IOT_JSON_ARRAY_FIRST,           /* "{" or "]" */
    NGX_IOT_JSON_ARRAY_NEXT,            /* "{" */
    NGX_IOT_JSON_ARRAY_OBJECT,          /* inside of one */
    NGX_IOT_JSON_ARRAY_AFTER,           /* "," or "]" */
    NGX_IOT_JSON_ARRAY_ENDED
} ngx_iot_json_array_state_e;


static ngx_int_t ngx_iot_json_array_between(ngx_iot_json_array_t *array,
    u_char ch, ngx_iot_error_t *err);
static u_char *ngx_iot_json_array_object(ngx_iot_json_array_t *array,
    u_char *p, u_char *last);
static ngx_int_t ngx_iot_json_array_take(ngx_iot_json_array_t *array,
    ngx_str_t *part, ngx_iot_error_t *err);
static ngx_int_t ngx_iot_json_array_keep(ngx_iot_json_array_t *array,
    const ngx_str_t *part);


void
ngx_iot_json_array_init(ngx_iot_json_array_t *array, ngx_pool_t *pool,
    size_t limit)
{
    ngx_memzero(array, sizeof(ngx_iot_json_array_t));

    array->pool = pool;
    array->limit = limit;
}


void
ngx_iot_json_array_rewind(ngx_iot_json_array_t *array)
{
    array->n = 0;
    array->state = NGX_IOT_JSON_ARRAY_START;
    array->depth = 0;
    array->string = 0;
    array->escape = 0;
    array->len = 0;
}


ngx_int_t
ngx_iot_json_array_next(ngx_iot_json_array_t *array, ngx_str_t *slice,
    ngx_str_t *object, ngx_iot_error_t *err)
{
    u_char     *p, *last;
    ngx_int_t   rc;

    p = slice->data;
    last = slice->data + slice->len;

    while (array->state != NGX_IOT_JSON_ARRAY_OBJECT) {

        if (p == last) {
            slice->data = p;
            slice->len = 0;
            return NGX_AGAIN;
        }

        rc = ngx_iot_json_array_between(array, *p, err);

        if (rc != NGX_OK) {
            return rc;
        }

        if (array->state != NGX_IOT_JSON_ARRAY_OBJECT) {
            p++;
        }
    }

    object->data = p;
    p = ngx_iot_json_array_object(array, p, last);
    object->len = p - object->data;

    slice->data = p;
    slice->len = last - p;

    rc = ngx_iot_json_array_take(array, object, err);

    if (rc != NGX_OK) {
        return rc;
    }

    if (array->depth) {
        return NGX_AGAIN;
    }

    array->state = NGX_IOT_JSON_ARRAY_AFTER;
    array->len = 0;
    array->n++;

    return NGX_OK;
}


ngx_int_t
ngx_iot_json_array_end(const ngx_iot_json_array_t *array, ngx_iot_error_t *err)
{
    if (array->state == NGX_IOT_JSON_ARRAY_ENDED) {
        return NGX_OK;
    }

    if (array->state == NGX_IOT_JSON_ARRAY_START) {
        ngx_iot_field_error(err, INVALID_JSON, "body",
                            "the body must be a JSON array");

    } else {
        ngx_iot_field_error(err, INVALID_JSON, "body",
                            "the array of the body has no end");
    }

    return NGX_DECLINED;
}


/* a byte that is not inside an object */
static ngx_int_t
ngx_iot_json_array_between(ngx_iot_json_array_t *array, u_char ch,
    ngx_iot_error_t *err)
{
    if (ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r') {
        return NGX_OK;
    }

    switch (array->state) {

    case NGX_IOT_JSON_ARRAY_START:

        if (ch == '[') {
            array->state = NGX_IOT_JSON_ARRAY_FIRST;
            return NGX_OK;
        }

        ngx_iot_field_error(err, INVALID_JSON, "body",
                            "the body must be a JSON array");
        return NGX_DECLINED;

    case NGX_IOT_JSON_ARRAY_FIRST:

        if (ch == ']') {
            array->state = NGX_IOT_JSON_ARRAY_ENDED;
            return NGX_OK;
        }

        /* fall through */

    case NGX_IOT_JSON_ARRAY_NEXT:

        if (ch == '{') {
            array->state = NGX_IOT_JSON_ARRAY_OBJECT;
            return NGX_OK;
        }

        ngx_iot_error_format(array->pool, err, NGX_IOT_REASON_INVALID_JSON,
                             "entry %ui of the array is not a JSON object",
                             array->n);
        break;

    case NGX_IOT_JSON_ARRAY_AFTER:

        if (ch == ',') {
            array->state = NGX_IOT_JSON_ARRAY_NEXT;
            return NGX_OK;
        }

        if (ch == ']') {
            array->state = NGX_IOT_JSON_ARRAY_ENDED;
            return NGX_OK;
        }

        ngx_iot_error_format(array->pool, err, NGX_IOT_REASON_INVALID_JSON,
                             "a comma or the array's end is missing before "
                             "entry %ui", array->n);
        break;

    default:    /* NGX_IOT_JSON_ARRAY_ENDED */

        ngx_iot_error(err, INVALID_JSON, "something follows the array");
    }

    ngx_str_set(&err->field, "body");

    return NGX_DECLINED;
}


/* the end of the object, whose depth is 0 then, or of the slice */
static u_char *
ngx_iot_json_array_object(ngx_iot_json_array_t *array, u_char *p, u_char *last)
{
    while (p < last) {

        if (array->escape) {
            array->escape = 0;
            p++;
            continue;
        }

        if (array->string) {
            p = (u_char *) ngx_iot_utf8_plain(p, last);

            if (p == last) {
                break;
            }

            array->string = (*p != '"');
            array->escape = (*p == '\\');
            p++;
            continue;
        }

        switch (*p++) {

        case '"':
            array->string = 1;
            break;

        case '{':
        case '[':
            array->depth++;
            break;

        case '}':
        case ']':

            if (--array->depth == 0) {
                return p;
            }
        }
    }

    return p;
}


/*
 * The part of an object that this slice has: makes it the whole object when
 * it began in a former slice, and keeps it when it does not end here.
 */
static ngx_int_t
ngx_iot_json_array_take(ngx_iot_json_array_t *array, ngx_str_t *part,
    ngx_iot_error_t *err)
{
    if (part->len > array->limit - array->len) {
        ngx_iot_error_format(array->pool, err,
                             NGX_IOT_REASON_REQUEST_TOO_LARGE,
                             "entry %ui of the array has more than %uz bytes",
                             array->n, array->limit);
        ngx_str_set(&err->field, "body");
        return NGX_DECLINED;
    }

    if (array->len == 0 && array->depth == 0) {
        return NGX_OK;
    }

    if (ngx_iot_json_array_keep(array, part) != NGX_OK) {
        return NGX_ERROR;
    }

    part->data = array->buf;
    part->len = array->len;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_json_array_keep(ngx_iot_json_array_t *array, const ngx_str_t *part)
{
    u_char  *buf;
    size_t   size;

    if (part->len > array->size - array->len) {

        size = ngx_max(array->size, NGX_IOT_JSON_ARRAY_BUFFER / 2);

        do {
            size *= 2;
        } while (size < array->len + part->len);

        buf = ngx_palloc(array->pool, size);
        if (buf == NULL) {
            return NGX_ERROR;
        }

        if (array->len) {
            ngx_memcpy(buf, array->buf, array->len);
        }

        if (array->buf) {
            (void) ngx_pfree(array->pool, array->buf);
        }

        array->buf = buf;
        array->size = size;
    }

    ngx_memcpy(array->buf + array->len, part->data, part->len);
    array->len += part->len;

    return NGX_OK;
}
