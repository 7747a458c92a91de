
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_json.h"
#include "ngx_iot_out.h"
#include "ngx_iot_utf8.h"


/*
 * For every text:
 *
 *     read twice, it gives the same twice;
 *     when it is accepted, what was read, written again, is read as the same;
 *     when it is accepted, it is accepted between whitespace, and refused
 *     before anything else;
 *     as the value of a string it can be written, and is read back;
 *     what is taken as the text of an object or an array is in the text, can
 *     be read again, and its entries are in it.
 */


#define FUZZ_FIELDS   2
#define FUZZ_ENTRIES  4


typedef struct {
    ngx_int_t         rc;
    ngx_str_t         values[FUZZ_FIELDS];
    ngx_iot_error_t   err;
} fuzz_result_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_message(ngx_pool_t *pool, const ngx_str_t *text);
static void fuzz_string(ngx_pool_t *pool, const ngx_str_t *value);
static void fuzz_texts(ngx_pool_t *pool, const ngx_str_t *text);
static void fuzz_map(ngx_pool_t *pool, const ngx_str_t *text);
static void fuzz_list(ngx_pool_t *pool, const ngx_str_t *text);
static void fuzz_within(const ngx_str_t *part, const ngx_str_t *text);

static ngx_str_t fuzz_concat(ngx_pool_t *pool, const char *before,
    const ngx_str_t *text, const char *after);
static void fuzz_read(ngx_pool_t *pool, const ngx_str_t *text,
    fuzz_result_t *result);
static ngx_str_t fuzz_write(ngx_pool_t *pool, const fuzz_result_t *result);
static void fuzz_write_message(ngx_iot_out_t *out, const void *data);

static void fuzz_same_values(const fuzz_result_t *a, const fuzz_result_t *b);
static void fuzz_same(const ngx_str_t *a, const ngx_str_t *b);
static ngx_uint_t fuzz_is_utf8(const ngx_str_t *text);
static void fuzz_check(ngx_uint_t cond);


static const ngx_str_t  fuzz_names[FUZZ_FIELDS] = {
    ngx_string("certificate_data"),
    ngx_string("a")
};


static const ngx_str_t  fuzz_json_names[FUZZ_FIELDS] = {
    ngx_string("certificateData"),
    ngx_string("b")
};


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t    text;
    ngx_pool_t  *pool;

    pool = ngx_create_pool(4096, &unit_log);

    if (pool == NULL) {
        return 0;
    }

    text.len = size;
    text.data = (u_char *) data;

    text = fuzz_concat(pool, "", &text, "");

    fuzz_message(pool, &text);
    fuzz_string(pool, &text);
    fuzz_texts(pool, &text);

    ngx_destroy_pool(pool);

    return 0;
}


static void
fuzz_message(ngx_pool_t *pool, const ngx_str_t *text)
{
    ngx_str_t      other;
    fuzz_result_t  result, again;

    fuzz_read(pool, text, &result);
    fuzz_read(pool, text, &again);

    fuzz_check(result.rc == again.rc);

    if (result.rc != NGX_OK) {
        fuzz_check(result.rc == NGX_DECLINED);
        fuzz_check(result.err.reason == again.err.reason);
        fuzz_check(result.err.message.len != 0);
        fuzz_check(result.err.field.len != 0);
        fuzz_same(&result.err.message, &again.err.message);
        return;
    }

    fuzz_same_values(&result, &again);
    fuzz_check(fuzz_is_utf8(text));

    other = fuzz_write(pool, &result);
    fuzz_read(pool, &other, &again);
    fuzz_check(again.rc == NGX_OK);
    fuzz_same_values(&result, &again);

    if (text->len == 0) {
        return;
    }

    other = fuzz_concat(pool, " \t", text, "\r\n");
    fuzz_read(pool, &other, &again);
    fuzz_check(again.rc == NGX_OK);
    fuzz_same_values(&result, &again);

    other = fuzz_concat(pool, "", text, "\"");
    fuzz_read(pool, &other, &again);
    fuzz_check(again.rc == NGX_DECLINED);

    other = fuzz_concat(pool, "", text, text->len & 1 ? "}" : "1");
    fuzz_read(pool, &other, &again);
    fuzz_check(again.rc == NGX_DECLINED);
}


static void
fuzz_string(ngx_pool_t *pool, const ngx_str_t *value)
{
    ngx_str_t      text;
    fuzz_result_t  result, again;

    ngx_memzero(&result, sizeof(fuzz_result_t));

    result.values[0] = *value;

    text = fuzz_write(pool, &result);
    fuzz_check(fuzz_is_utf8(&text));

    fuzz_read(pool, &text, &again);
    fuzz_check(again.rc == NGX_OK);

    if (fuzz_is_utf8(value)) {
        fuzz_same_values(&result, &again);
    }
}


static void
fuzz_texts(ngx_pool_t *pool, const ngx_str_t *text)
{
    ngx_str_t        object, array;
    ngx_iot_error_t  err;

    const ngx_iot_field_t  fields[] = {
        { ngx_string("a"), ngx_string("labels"), 0, &object,
          NGX_IOT_FIELD_MESSAGE },
        { ngx_string("b"), ngx_string("certificates"), 0, &array,
          NGX_IOT_FIELD_LIST }
    };

    if (ngx_iot_json_read(pool, text, fields, 2, &err) != NGX_OK) {
        return;
    }

    if (object.data) {
        fuzz_within(&object, text);
        fuzz_check(ngx_iot_json_read(pool, &object, NULL, 0, &err) == NGX_OK);
        fuzz_map(pool, &object);
    }

    if (array.data) {
        fuzz_within(&array, text);
        fuzz_check(array.data[0] == '[' && array.data[array.len - 1] == ']');
        fuzz_list(pool, &array);
    }
}


static void
fuzz_map(ngx_pool_t *pool, const ngx_str_t *text)
{
    ngx_int_t         rc;
    ngx_uint_t        i, k, n;
    ngx_keyval_t      pairs[FUZZ_ENTRIES];
    ngx_iot_error_t   err;

    n = FUZZ_ENTRIES;
    rc = ngx_iot_json_read_map(pool, text, &fuzz_names[0], pairs, &n, &err);

    if (rc != NGX_OK) {
        fuzz_check(rc == NGX_DECLINED && err.field.len != 0);
        return;
    }

    fuzz_check(n <= FUZZ_ENTRIES);

    for (i = 0; i < n; i++) {
        for (k = 0; k < i; k++) {
            fuzz_check(pairs[i].key.len != pairs[k].key.len
                       || ngx_memcmp(pairs[i].key.data, pairs[k].key.data,
                                     pairs[i].key.len)
                          != 0);
        }
    }
}


static void
fuzz_list(ngx_pool_t *pool, const ngx_str_t *text)
{
    ngx_int_t        rc;
    ngx_str_t        elements[FUZZ_ENTRIES];
    ngx_uint_t       i, n;
    ngx_iot_error_t  err;

    n = FUZZ_ENTRIES;
    rc = ngx_iot_json_read_list(pool, text, &fuzz_names[0], elements, &n,
                                &err);

    if (rc != NGX_OK) {
        fuzz_check(rc == NGX_DECLINED && err.field.len != 0);
        return;
    }

    fuzz_check(n <= FUZZ_ENTRIES);

    for (i = 0; i < n; i++) {
        fuzz_within(&elements[i], text);
        fuzz_check(ngx_iot_json_read(pool, &elements[i], NULL, 0, &err)
                   == NGX_OK);
    }
}


static void
fuzz_within(const ngx_str_t *part, const ngx_str_t *text)
{
    fuzz_check(part->len >= 2
               && part->data >= text->data
               && part->data + part->len <= text->data + text->len);
}


/* the result has a memory of exactly its size */
static ngx_str_t
fuzz_concat(ngx_pool_t *pool, const char *before, const ngx_str_t *text,
    const char *after)
{
    u_char     *p;
    ngx_str_t   whole;

    whole.len = ngx_strlen(before) + text->len + ngx_strlen(after);
    whole.data = ngx_pnalloc(pool, whole.len);

    fuzz_check(whole.data != NULL);

    p = ngx_cpymem(whole.data, before, ngx_strlen(before));

    if (text->len) {
        p = ngx_cpymem(p, text->data, text->len);
    }

    ngx_memcpy(p, after, ngx_strlen(after));

    return whole;
}


static void
fuzz_read(ngx_pool_t *pool, const ngx_str_t *text, fuzz_result_t *result)
{
    ngx_uint_t       i;
    ngx_iot_field_t  fields[FUZZ_FIELDS];

    ngx_memzero(result, sizeof(fuzz_result_t));

    for (i = 0; i < FUZZ_FIELDS; i++) {
        fields[i].name = fuzz_names[i];
        fields[i].json_name = fuzz_json_names[i];
        fields[i].number = 0;
        fields[i].value = &result->values[i];
        fields[i].type = NGX_IOT_FIELD_STRING;
    }

    result->rc = ngx_iot_json_read(pool, text, fields, FUZZ_FIELDS,
                                   &result->err);
}


static ngx_str_t
fuzz_write(ngx_pool_t *pool, const fuzz_result_t *result)
{
    ngx_str_t  text;

    fuzz_check(ngx_iot_out_render(pool, NGX_IOT_JSON, fuzz_write_message,
                                  result, &text)
               == NGX_OK);

    return text;
}


static void
fuzz_write_message(ngx_iot_out_t *out, const void *data)
{
    const fuzz_result_t  *result = data;

    ngx_uint_t  i;

    ngx_iot_out_message(out, NULL, 0);

    for (i = 0; i < FUZZ_FIELDS; i++) {

        if (result->values[i].data) {
            ngx_iot_out_pair(out, 0, &fuzz_json_names[i],
                                  &result->values[i]);
        }
    }

    ngx_iot_out_message_end(out);
}


static void
fuzz_same_values(const fuzz_result_t *a, const fuzz_result_t *b)
{
    ngx_uint_t  i;

    for (i = 0; i < FUZZ_FIELDS; i++) {
        fuzz_same(&a->values[i], &b->values[i]);
    }
}


static void
fuzz_same(const ngx_str_t *a, const ngx_str_t *b)
{
    fuzz_check((a->data == NULL) == (b->data == NULL));
    fuzz_check(a->len == b->len);
    fuzz_check(a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0);
}


static ngx_uint_t
fuzz_is_utf8(const ngx_str_t *text)
{
    const u_char  *p, *last;

    p = text->data;
    last = text->data + text->len;

    while (p < last) {
        if (ngx_iot_utf8_next(&p, last) != NGX_OK) {
            return 0;
        }
    }

    return 1;
}


static void
fuzz_check(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
