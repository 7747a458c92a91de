
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_json.h"
#include "ngx_iot_json_array.h"


/*
 * A text is read as an array of objects: in one slice, in slices of one byte,
 * and in slices whose lengths the text's own bytes give.
 *
 *     all three see the same objects and end alike;
 *     when it is accepted, the reader of messages accepts it as a value;
 *     what that accepts, a text of such objects, is accepted here.
 */


#define FUZZ_LIMIT  4096


typedef struct {
    ngx_int_t         rc;
    ngx_uint_t        n;
    uint32_t          crc;          /* of the objects, in turn */
    ngx_iot_error_t   err;
} fuzz_result_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_read(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_uint_t sizes, fuzz_result_t *result);
static size_t fuzz_slice_size(const ngx_str_t *text, size_t pos,
    ngx_uint_t sizes);
static ngx_int_t fuzz_read_slice(ngx_pool_t *pool,
    ngx_iot_json_array_t *array, const u_char *data, size_t len,
    fuzz_result_t *result);
static void fuzz_as_value(ngx_pool_t *pool, const ngx_str_t *text,
    const fuzz_result_t *result);
static void fuzz_as_object(ngx_pool_t *pool, const ngx_str_t *text);
static ngx_str_t fuzz_concat(ngx_pool_t *pool, const char *before,
    const ngx_str_t *text, const char *between, const char *after);
static void fuzz_check(ngx_uint_t cond);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t      text;
    ngx_uint_t     sizes;
    ngx_pool_t    *pool;
    fuzz_result_t  whole, cut;

    pool = ngx_create_pool(4096, &unit_log);

    if (pool == NULL) {
        return 0;
    }

    text.len = size;
    text.data = (u_char *) data;

    fuzz_read(pool, &text, 0, &whole);

    for (sizes = 1; sizes <= 2; sizes++) {
        fuzz_read(pool, &text, sizes, &cut);

        fuzz_check(cut.rc == whole.rc);
        fuzz_check(cut.n == whole.n);
        fuzz_check(cut.crc == whole.crc);
        fuzz_check(cut.err.reason == whole.err.reason);
        fuzz_check(cut.err.message.len == whole.err.message.len);
    }

    fuzz_as_value(pool, &text, &whole);
    fuzz_as_object(pool, &text);

    ngx_destroy_pool(pool);

    return 0;
}


/* as an import does: each object goes to the reader of messages */
static void
fuzz_read(ngx_pool_t *pool, const ngx_str_t *text, ngx_uint_t sizes,
    fuzz_result_t *result)
{
    size_t                pos, len;
    ngx_iot_json_array_t  array;

    ngx_memzero(result, sizeof(fuzz_result_t));

    ngx_iot_json_array_init(&array, pool, FUZZ_LIMIT);

    result->rc = NGX_AGAIN;

    for (pos = 0; pos < text->len && result->rc == NGX_AGAIN; pos += len) {
        len = fuzz_slice_size(text, pos, sizes);
        result->rc = fuzz_read_slice(pool, &array, text->data + pos, len,
                                     result);
    }

    if (result->rc == NGX_AGAIN) {
        result->rc = ngx_iot_json_array_end(&array, &result->err);
    }

    fuzz_check(result->rc == NGX_OK || result->rc == NGX_DECLINED);
    fuzz_check(result->rc == NGX_OK || result->err.message.len);
    fuzz_check(result->rc == NGX_OK || result->err.field.len);
}


static size_t
fuzz_slice_size(const ngx_str_t *text, size_t pos, ngx_uint_t sizes)
{
    size_t  len;

    switch (sizes) {

    case 0:
        return text->len;

    case 1:
        return 1;

    default:
        len = 1 + text->data[pos] % 61;
        return ngx_min(len, text->len - pos);
    }
}


/* the slice is in memory of its size, and gone when it was read */
static ngx_int_t
fuzz_read_slice(ngx_pool_t *pool, ngx_iot_json_array_t *array,
    const u_char *data, size_t len, fuzz_result_t *result)
{
    u_char     *copy;
    ngx_int_t   rc;
    ngx_str_t   slice, object;

    copy = ngx_alloc(len, &unit_log);
    fuzz_check(copy != NULL);
    ngx_memcpy(copy, data, len);

    slice.data = copy;
    slice.len = len;

    for ( ;; ) {
        rc = ngx_iot_json_array_next(array, &slice, &object, &result->err);

        if (rc != NGX_OK) {
            break;
        }

        fuzz_check(object.len <= FUZZ_LIMIT);

        rc = ngx_iot_json_read(pool, &object, NULL, 0, &result->err);

        if (rc != NGX_OK) {
            break;
        }

        result->n++;
        result->crc = ngx_crc32_long(object.data, object.len)
                      ^ (result->crc << 1);
    }

    ngx_free(copy);

    return rc;
}


static void
fuzz_as_value(ngx_pool_t *pool, const ngx_str_t *text,
    const fuzz_result_t *result)
{
    ngx_str_t        message;
    ngx_iot_error_t  err;

    if (result->rc != NGX_OK) {
        return;
    }

    message = fuzz_concat(pool, "{\"a\":", text, "", "}");

    /* two levels deeper than each was by itself */

    if (ngx_iot_json_read(pool, &message, NULL, 0, &err) != NGX_OK) {
        fuzz_check(err.message.len
                   == sizeof("the body is nested too deeply") - 1);
    }
}


static void
fuzz_as_object(ngx_pool_t *pool, const ngx_str_t *text)
{
    ngx_str_t        array;
    fuzz_result_t    result;
    ngx_iot_error_t  err;

    if (text->len == 0
        || text->len > FUZZ_LIMIT
        || ngx_iot_json_read(pool, text, NULL, 0, &err) != NGX_OK)
    {
        return;
    }

    array = fuzz_concat(pool, " [\t", text, "\r\n,", "\n]");

    fuzz_read(pool, &array, 2, &result);

    fuzz_check(result.rc == NGX_OK);
    fuzz_check(result.n == 2);
}


/* the text twice, with something between */
static ngx_str_t
fuzz_concat(ngx_pool_t *pool, const char *before, const ngx_str_t *text,
    const char *between, const char *after)
{
    u_char      *p;
    ngx_str_t    whole;
    ngx_uint_t   twice;

    twice = (*between != '\0');

    whole.data = ngx_pnalloc(pool, ngx_strlen(before) + 2 * text->len
                                   + ngx_strlen(between) + ngx_strlen(after));
    fuzz_check(whole.data != NULL);

    p = ngx_cpymem(whole.data, before, ngx_strlen(before));
    p = ngx_cpymem(p, text->data, text->len);

    if (twice) {
        p = ngx_cpymem(p, between, ngx_strlen(between));
        p = ngx_cpymem(p, text->data, text->len);
    }

    p = ngx_cpymem(p, after, ngx_strlen(after));

    whole.len = p - whole.data;

    return whole;
}


static void
fuzz_check(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
