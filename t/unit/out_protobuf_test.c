
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_out.h"


#define FFFD  "\xef\xbf\xbd"


typedef struct {
    const char  *what;
    ngx_str_t    value;
    ngx_str_t    text;
} out_protobuf_string_t;


static const out_protobuf_string_t  strings[] = {

    { "text", ngx_string("text"), ngx_string("text") },
    { "what JSON escapes",
      ngx_string("\"\\\n\0\x1f\x7f"), ngx_string("\"\\\n\0\x1f\x7f") },
    { "each length of UTF-8",
      ngx_string("a\xc2\x80\xe2\x82\xac\xf0\x90\x80\x80 and eight more"),
      ngx_string("a\xc2\x80\xe2\x82\xac\xf0\x90\x80\x80 and eight more") },

    /* what is not UTF-8 */

    { "a byte that continues nothing",
      ngx_string("a\x80""b"), ngx_string("a" FFFD "b") },
    { "a cut sequence, of which U+FFFD has the length",
      ngx_string("\xf0\x9f\x98"), ngx_string(FFFD) },
    { "a surrogate", ngx_string("\xed\xa0\x80"), ngx_string(FFFD FFFD FFFD) },
    { "a cut sequence behind 8 bytes",
      ngx_string("12345678\xe2\x82"), ngx_string("12345678" FFFD) },
    { "in the middle of many",
      ngx_string("123456789\xff""123456789"),
      ngx_string("123456789" FFFD "123456789") }
};


static void test_values(void);
static void test_defaults(void);
static void test_nested(void);
static void test_parts(void);
static void test_strings(void);
static void test_no_memory(void);

static void is_hex(ngx_iot_out_pt write, const void *data, const char *hex,
    const char *what);
static ngx_str_t render(ngx_iot_out_pt write, const void *data);

static void write_values(ngx_iot_out_t *out, const void *data);
static void write_times(ngx_iot_out_t *out, const void *data);
static void write_defaults(ngx_iot_out_t *out, const void *data);
static void write_of_json(ngx_iot_out_t *out, const void *data);
static void write_empty(ngx_iot_out_t *out, const void *data);
static void write_any(ngx_iot_out_t *out, const void *data);
static void write_nested(ngx_iot_out_t *out, const void *data);
static void write_depth(ngx_iot_out_t *out, ngx_uint_t depth);
static void write_first_part(ngx_iot_out_t *out, const void *data);
static void write_last_part(ngx_iot_out_t *out, const void *data);
static void write_elements(ngx_iot_out_t *out);
static void write_string(ngx_iot_out_t *out, const void *data);
static void write_pair(ngx_iot_out_t *out, const void *data);


static const ngx_str_t  empty = ngx_null_string;
static const ngx_str_t  one = ngx_string("1");


int
main(void)
{
    test_values();
    test_defaults();
    test_nested();
    test_parts();
    test_strings();
    test_no_memory();

    return unit_done();
}


static void
test_values(void)
{
    is_hex(write_values, NULL,
           "0a0131"                             /* 1: "1" */
           "12026869"                           /* 2: "hi" */
           "1801"                               /* 3: true */
           "20ac02"                             /* 4: 300 */
           "2802"                               /* 5: 2 */
           "3a060a0131120131"                   /* 7: { "1": "1" } */
           "82010082010131",                    /* 16: "", "1" */
           "each kind of value");

    is_hex(write_times, NULL,
           "0a0b08d285d8cc0410c0a9d33a"
           "1200"
           "1a0d08ff82d1ffaf0710c08faedc03"
           "22020801",
           "times and durations");
}


/* proto3: a field with its default is not there, a message is */
static void
test_defaults(void)
{
    is_hex(write_defaults, NULL, "", "defaults are left out");
    is_hex(write_of_json, NULL, "", "what JSON alone has is left out");
    is_hex(write_empty, NULL, "0a0012001a040a001200",
           "an empty message, element and pair are written");
}


static void
test_nested(void)
{
    ngx_str_t  text;

    is_hex(write_any, NULL,
           "0a050a03742f6e"
           "120a0a03742f6e12030a0131",
           "Any: its value is left out when it is empty");

    /* many messages, one in the other: the length of a length is counted */

    text = render(write_nested, NULL);

    unit_is_int(text.data[0], 0x0a, "the outermost begins");
    unit_is_int(text.len, 700 + 3 + 100 * 3,
                "a hundred messages, each in the one before");
}


/* the parts of a list, one after the other, are the list */
static void
test_parts(void)
{
    is_hex(write_first_part, NULL, "0a030a01310a00", "the first part");
    is_hex(write_last_part, NULL, "0a030a01310a00120131", "the last part");
}


static void
test_strings(void)
{
    u_char                       *p;
    ngx_str_t                     value, text;
    ngx_uint_t                    i;
    ngx_pool_t                   *pool;
    const out_protobuf_string_t  *c;

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        c = &strings[i];

        pool = unit_pool();
        value = unit_copy(pool, c->value.data, c->value.len);

        (void) ngx_iot_out_render(pool, NGX_IOT_PROTOBUF, write_string,
                                  &value, &text);

        unit_is_int(text.len, c->text.len + 2, "%s: the length", c->what);
        unit_is_int(text.data[1], c->text.len, "%s: as it is told", c->what);

        text.data += 2;
        text.len -= 2;

        unit_is_mem(&text, c->text.data, c->text.len, "%s", c->what);

        pool = unit_pool();
        value = unit_copy(pool, c->value.data, c->value.len);

        (void) ngx_iot_out_render(pool, NGX_IOT_PROTOBUF, write_pair, &value,
                                  &text);

        p = text.data + 4;

        if (unit_is_int(text.len, 2 * c->text.len + 6, "%s: a pair", c->what))
        {
            unit_ok(ngx_memcmp(p, c->text.data, c->text.len) == 0
                    && ngx_memcmp(p + c->text.len + 2, c->text.data,
                                  c->text.len) == 0,
                    "%s: as key and value", c->what);
        }
    }
}


static void
test_no_memory(void)
{
    ngx_str_t    text;
    ngx_int_t    rc;
    ngx_uint_t   i, failed;
    ngx_pool_t  *pool;

    failed = 0;

    for (i = 1; i < 32; i++) {
        pool = unit_pool();

        unit_fail_alloc(i);
        rc = ngx_iot_out_render(pool, NGX_IOT_PROTOBUF, write_nested, NULL,
                                &text);

        if (!unit_alloc_failed()) {
            break;
        }

        unit_fail_alloc(0);
        failed += (rc != NGX_ERROR);
    }

    unit_fail_alloc(0);

    unit_ok(i > 2 && i < 32, "memory was short %d times", (int) i - 1);
    unit_is_int(failed, 0, "each time that was told");
}


static void
is_hex(ngx_iot_out_pt write, const void *data, const char *hex,
    const char *what)
{
    ngx_str_t  text, dump;

    text = render(write, data);

    dump.len = 2 * text.len;
    dump.data = malloc(dump.len + 1);

    if (dump.data == NULL) {
        abort();
    }

    (void) ngx_hex_dump(dump.data, text.data, text.len);

    unit_is_str(&dump, hex, "%s", what);

    free(dump.data);
}


static ngx_str_t
render(ngx_iot_out_pt write, const void *data)
{
    ngx_str_t  text;

    if (ngx_iot_out_render(unit_pool(), NGX_IOT_PROTOBUF, write, data, &text)
        != NGX_OK)
    {
        abort();
    }

    return text;
}


static void
write_values(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);

    ngx_iot_out_string(out, "a", 1, &one);
    ngx_iot_out_literal(out, "b", 2, "hi");
    ngx_iot_out_bool(out, "c", 3, 2);
    ngx_iot_out_number(out, "d", 4, 300);
    ngx_iot_out_enum(out, "e", 5, "ACTIVE", 2);

    ngx_iot_out_map(out, "g");
    ngx_iot_out_pair(out, 7, &one, &one);
    ngx_iot_out_map_end(out);

    ngx_iot_out_list(out, "h");
    ngx_iot_out_string(out, NULL, 16, &empty);
    ngx_iot_out_string(out, NULL, 16, &one);
    ngx_iot_out_list_end(out);

    ngx_iot_out_message_end(out);
}


static void
write_times(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_time(out, "a", 1, 1234567890123);
    ngx_iot_out_time(out, "b", 2, 0);
    ngx_iot_out_time(out, "c", 3, (ngx_iot_msec_t) -1);
    ngx_iot_out_seconds(out, "d", 4, 1);
}


static void
write_defaults(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_string(out, "a", 1, &empty);
    ngx_iot_out_bool(out, "b", 2, 0);
    ngx_iot_out_number(out, "c", 3, 0);
    ngx_iot_out_enum(out, "d", 4, "UNSPECIFIED", 0);
    ngx_iot_out_message_end(out);
}


static void
write_of_json(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_string(out, "a", 0, &one);
    ngx_iot_out_literal(out, "b", 0, "b");
    ngx_iot_out_bool(out, "c", 0, 1);
    ngx_iot_out_number(out, "d", 0, 1);
    ngx_iot_out_time(out, "e", 0, 1);
    ngx_iot_out_text(out, "f", 0, &one, NULL);
}


static void
write_empty(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, "a", 1);
    ngx_iot_out_message_end(out);

    ngx_iot_out_list(out, "b");
    ngx_iot_out_message(out, NULL, 2);
    ngx_iot_out_message_end(out);
    ngx_iot_out_list_end(out);

    ngx_iot_out_pair(out, 3, &empty, &empty);
}


static void
write_any(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_any(out, "a", 1, "t/n");
    ngx_iot_out_any_end(out);

    ngx_iot_out_any(out, "b", 2, "t/n");
    ngx_iot_out_string(out, "a", 1, &one);
    ngx_iot_out_any_end(out);
}


static void
write_nested(ngx_iot_out_t *out, const void *data)
{
    write_depth(out, 100);
}


static void
write_depth(ngx_iot_out_t *out, ngx_uint_t depth)
{
    u_char     buf[700];
    ngx_str_t  value;

    if (depth == 0) {
        value.data = buf;
        value.len = sizeof(buf);
        ngx_memset(buf, 'x', sizeof(buf));

        ngx_iot_out_string(out, "a", 1, &value);
        return;
    }

    ngx_iot_out_message(out, "a", 1);
    write_depth(out, depth - 1);
    ngx_iot_out_message_end(out);
}


static void
write_first_part(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_list(out, "a");
    write_elements(out);
}


static void
write_last_part(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_resume(out, 1);
    write_elements(out);
    ngx_iot_out_list_end(out);
    ngx_iot_out_string(out, "next", 2, &one);
    ngx_iot_out_message_end(out);
}


static void
write_elements(ngx_iot_out_t *out)
{
    ngx_iot_out_message(out, NULL, 1);
    ngx_iot_out_string(out, "a", 1, &one);
    ngx_iot_out_message_end(out);

    ngx_iot_out_message(out, NULL, 1);
    ngx_iot_out_message_end(out);
}


static void
write_string(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_string(out, "a", 1, data);
}


static void
write_pair(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_pair(out, 1, data, data);
}
