
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_json.h"
#include "ngx_iot_json_array.h"


/*
 * Arrays that come in slices.  Every text is cut in every way that two cuts
 * can, and into single bytes; each slice is in memory of exactly its size,
 * which is gone when the next one comes.
 */


#define LIMIT  64


typedef struct {
    const char  *what;
    ngx_str_t    text;

    /* the objects, each with a newline; then a message, when it is refused */
    const char  *objects;
    const char  *message;
} array_case_t;


static const array_case_t  cases[] = {

    { "an empty array", ngx_string("[]"), "", NULL },
    { "whitespace of every kind", ngx_string(" \t\r\n[ \t\r\n] \t\r\n"), "",
      NULL },
    { "one object", ngx_string("[{}]"), "{}\n", NULL },
    { "three", ngx_string("[{\"a\":1},{} , {\"b\":\"c\"}]\n"),
      "{\"a\":1}\n{}\n{\"b\":\"c\"}\n", NULL },
    { "brackets inside",
      ngx_string("[{\"a\":[{\"b\":[]},[[1]]]},{\"a\":{}}]"),
      "{\"a\":[{\"b\":[]},[[1]]]}\n{\"a\":{}}\n", NULL },
    { "brackets and quotation marks in strings",
      ngx_string("[{\"a\":\"}]\\\"}\\\\\"},{\"{[\\\\\":\"\\\"\"}]"),
      "{\"a\":\"}]\\\"}\\\\\"}\n{\"{[\\\\\":\"\\\"\"}\n", NULL },
    { "UTF-8", ngx_string("[{\"a\":\"\xd0\xba\"},{}]"),
      "{\"a\":\"\xd0\xba\"}\n{}\n", NULL },
    { "whitespace inside of an object",
      ngx_string("[\n  {\n    \"a\": \"b\"\n  },\n  {}\n]\n"),
      "{\n    \"a\": \"b\"\n  }\n{}\n", NULL },

    /* 64 bytes with the braces, and 65 */

    { "as large as can be",
      ngx_string("[{},{\"a\":\"0123456789012345678901234567890123456789"
                 "0123456789012345\"}]"),
      "{}\n{\"a\":\"0123456789012345678901234567890123456789"
      "0123456789012345\"}\n", NULL },
    { "larger",
      ngx_string("[{},{\"a\":\"0123456789012345678901234567890123456789"
                 "01234567890123456\"}]"),
      "{}\n", "entry 1 of the array has more than 64 bytes" },
    { "larger by an end that never comes",
      ngx_string("[{\"a\":\"0123456789012345678901234567890123456789"
                 "012345678901234567890123456789"),
      "", "entry 0 of the array has more than 64 bytes" },

    { "nothing", ngx_null_string, "", "the body must be a JSON array" },
    { "whitespace alone", ngx_string(" \n"), "",
      "the body must be a JSON array" },
    { "an object", ngx_string("{}"), "", "the body must be a JSON array" },
    { "a string", ngx_string("\"[]\""), "", "the body must be a JSON array" },
    { "null", ngx_string("null"), "", "the body must be a JSON array" },
    { "a byte order mark", ngx_string("\xef\xbb\xbf[]"), "",
      "the body must be a JSON array" },
    { "form feed", ngx_string("\f[]"), "", "the body must be a JSON array" },

    { "no end", ngx_string("["), "", "the array of the body has no end" },
    { "no end after a comma", ngx_string("[{},"), "{}\n",
      "the array of the body has no end" },
    { "no end after an object", ngx_string("[{} "), "{}\n",
      "the array of the body has no end" },
    { "no end inside an object", ngx_string("[{},{\"a\":"), "{}\n",
      "the array of the body has no end" },
    { "no end inside a string", ngx_string("[{\"a\":\"}]"), "",
      "the array of the body has no end" },

    { "a number", ngx_string("[{},1]"), "{}\n",
      "entry 1 of the array is not a JSON object" },
    { "a string in it", ngx_string("[\"{}\"]"), "",
      "entry 0 of the array is not a JSON object" },
    { "null in it", ngx_string("[null]"), "",
      "entry 0 of the array is not a JSON object" },
    { "an array in it", ngx_string("[[]]"), "",
      "entry 0 of the array is not a JSON object" },
    { "a comma alone", ngx_string("[,]"), "",
      "entry 0 of the array is not a JSON object" },
    { "a comma at the end", ngx_string("[{},]"), "{}\n",
      "entry 1 of the array is not a JSON object" },
    { "two commas", ngx_string("[{},,{}]"), "{}\n",
      "entry 1 of the array is not a JSON object" },
    { "the wrong end", ngx_string("[{}}"), "{}\n",
      "a comma or the array's end is missing before entry 1" },
    { "no comma", ngx_string("[{} {}]"), "{}\n",
      "a comma or the array's end is missing before entry 1" },
    { "a colon", ngx_string("[{}:{}]"), "{}\n",
      "a comma or the array's end is missing before entry 1" },
    { "a second array", ngx_string("[][]"), "",
      "something follows the array" },
    { "text after it", ngx_string("[{}] x"), "{}\n",
      "something follows the array" },
    { "a NUL after it", ngx_string("[{}]\0"), "{}\n",
      "something follows the array" },

    /* what an object is, is not for this reader to say, as long as it ends */

    { "not quite an object", ngx_string("[{a],{\"\\\":]}\"}]"),
      "{a]\n{\"\\\":]}\"}\n", NULL }
};


typedef struct {
    ngx_int_t         rc;
    u_char            objects[1024];
    size_t            len;
    ngx_iot_error_t   err;
} array_result_t;


static void test_cases(void);
static void test_rewind(void);
static void test_long_objects(void);
static void test_no_memory(void);

static void read_cut(const ngx_str_t *text, size_t first, size_t second,
    array_result_t *result);
static ngx_int_t read_slice(ngx_iot_json_array_t *array,
    const u_char *data, size_t len, array_result_t *result);
static ngx_uint_t as_expected(const array_case_t *expected,
    const array_result_t *result);


int
main(void)
{
    test_cases();
    test_rewind();
    test_long_objects();
    test_no_memory();

    return unit_done();
}


static void
test_cases(void)
{
    size_t               first, second;
    ngx_uint_t           i, differ;
    array_result_t       result;
    const array_case_t  *c;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        c = &cases[i];
        differ = 0;

        for (first = 0; first <= c->text.len; first++) {
            for (second = first; second <= c->text.len; second++) {
                read_cut(&c->text, first, second, &result);
                differ += !as_expected(c, &result);
            }
        }

        unit_is_int(differ, 0, "%s", c->what);
    }
}


static void
test_rewind(void)
{
    ngx_uint_t            i;
    ngx_str_t             slice, object;
    ngx_pool_t           *pool;
    ngx_iot_error_t       err;
    ngx_iot_json_array_t  array;

    pool = unit_pool();
    ngx_iot_json_array_init(&array, pool, LIMIT);

    for (i = 0; i < 2; i++) {
        slice = unit_str(pool, "[{\"a\":1},{\"b\":\"");

        unit_is_int(ngx_iot_json_array_next(&array, &slice, &object, &err),
                    NGX_OK, "the first object");
        unit_is_str(&object, "{\"a\":1}", "is whole");
        unit_is_int(ngx_iot_json_array_next(&array, &slice, &object, &err),
                    NGX_AGAIN, "then half of one");

        ngx_iot_json_array_rewind(&array);
    }
}


/* the buffer grows with them */
static void
test_long_objects(void)
{
    size_t                size, pos, len;
    u_char               *text;
    ngx_str_t             slice, object;
    ngx_uint_t            n;
    ngx_pool_t           *pool;
    ngx_iot_error_t       err;
    ngx_iot_json_array_t  array;

    pool = unit_pool();
    ngx_iot_json_array_init(&array, pool, 100000);

    size = 3 * 90002 + 3;
    text = ngx_palloc(pool, size);

    ngx_memset(text, 'x', size);
    text[0] = '[';

    for (n = 0; n < 3; n++) {
        text[1 + n * 90002] = '{';
        text[1 + n * 90002 + 89999] = '}';
        text[1 + n * 90002 + 90000] = (n == 2) ? ']' : ',';
        text[1 + n * 90002 + 90001] = ' ';
    }

    n = 0;

    for (pos = 0; pos < size - 1; pos += len) {
        len = ngx_min(size - 1 - pos, 1000);
        slice.data = text + pos;
        slice.len = len;

        while (ngx_iot_json_array_next(&array, &slice, &object, &err)
               == NGX_OK)
        {
            n += (object.len == 90000 && object.data[0] == '{'
                  && object.data[89998] == 'x' && object.data[89999] == '}');
        }
    }

    unit_is_int(n, 3, "three objects of 90 slices each");
    unit_is_int(ngx_iot_json_array_end(&array, &err), NGX_OK, "to the end");
}


static void
test_no_memory(void)
{
    ngx_str_t             slice, object;
    ngx_pool_t           *pool;
    ngx_iot_error_t       err;
    ngx_iot_json_array_t  array;

    pool = unit_pool();
    ngx_iot_json_array_init(&array, pool, LIMIT);
    slice = unit_str(pool, "[{\"a\":");

    unit_fail_alloc(1);
    unit_is_int(ngx_iot_json_array_next(&array, &slice, &object, &err),
                NGX_ERROR, "no memory for half an object");
    unit_ok(unit_alloc_failed(), "it was asked for");
    unit_fail_alloc(0);
}


/* three slices, the first two of which may be empty */
static void
read_cut(const ngx_str_t *text, size_t first, size_t second,
    array_result_t *result)
{
    ngx_iot_json_array_t  array;

    ngx_memzero(result, sizeof(array_result_t));
    ngx_iot_json_array_init(&array, unit_pool(), LIMIT);

    if (read_slice(&array, text->data, first, result) == NGX_AGAIN
        && read_slice(&array, text->data + first, second - first, result)
           == NGX_AGAIN
        && read_slice(&array, text->data + second, text->len - second, result)
           == NGX_AGAIN)
    {
        result->rc = ngx_iot_json_array_end(&array, &result->err);
    }
}


static ngx_int_t
read_slice(ngx_iot_json_array_t *array, const u_char *data, size_t len,
    array_result_t *result)
{
    u_char     *copy;
    ngx_str_t   slice, object;

    copy = ngx_alloc(len + 1, &unit_log);

    if (len) {
        ngx_memcpy(copy, data, len);
    }

    slice.data = copy;
    slice.len = len;

    for ( ;; ) {
        result->rc = ngx_iot_json_array_next(array, &slice, &object,
                                             &result->err);

        if (result->rc != NGX_OK) {
            break;
        }

        ngx_memcpy(result->objects + result->len, object.data, object.len);
        result->len += object.len;
        result->objects[result->len++] = '\n';
    }

    ngx_free(copy);

    return result->rc;
}


static ngx_uint_t
as_expected(const array_case_t *expected, const array_result_t *result)
{
    if (result->len != ngx_strlen(expected->objects)
        || ngx_memcmp(result->objects, expected->objects, result->len) != 0)
    {
        return 0;
    }

    if (expected->message == NULL) {
        return result->rc == NGX_OK;
    }

    return result->rc == NGX_DECLINED
           && result->err.message.len == ngx_strlen(expected->message)
           && ngx_memcmp(result->err.message.data, expected->message,
                         result->err.message.len) == 0
           && result->err.field.len == 4;
}
