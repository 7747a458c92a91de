
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_json.h"
#include "ngx_iot_out.h"
#include "ngx_iot_utf8.h"


#define FFFD  "\xef\xbf\xbd"


typedef struct {
    const char  *what;
    ngx_str_t    value;
    ngx_str_t    text;          /* as it is written, without the quotes */
} out_json_string_t;


#define same(what, value)  { what, ngx_string(value), ngx_string(value) }


static const out_json_string_t  strings[] = {

    { "an empty string", ngx_null_string, ngx_null_string },
    same("text", "text"),
    same("a slash is not escaped", "https://a/b"),
    same("delete is no control character for JSON", "\x7f"),

    { "a quotation mark", ngx_string("a\"b"), ngx_string("a\\\"b") },
    { "a backslash", ngx_string("a\\b"), ngx_string("a\\\\b") },
    { "lines", ngx_string("a\r\nb\n"), ngx_string("a\\r\\nb\\n") },
    { "the other short forms", ngx_string("\t\b\f"), ngx_string("\\t\\b\\f") },
    { "NUL", ngx_string("a\0""b"), ngx_string("a\\u0000b") },
    { "escape", ngx_string("\033"), ngx_string("\\u001b") },
    { "only escapes", ngx_string("\"\"\""), ngx_string("\\\"\\\"\\\"") },

    /* each length of UTF-8, the first and the last */

    same("2 bytes", "\xc2\x80 \xdf\xbf"),
    same("3 bytes", "\xe0\xa0\x80 \xef\xbf\xbf"),
    same("4 bytes", "\xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"),
    same("around the surrogates", "\xed\x9f\xbf \xee\x80\x80"),
    same("U+2028 and U+2029", "\xe2\x80\xa8\xe2\x80\xa9"),
    same("U+FFFD", FFFD),
    same("Cyrillic and a smile",
         "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87 \xf0\x9f\x98\x80"),

    /* what is not UTF-8 */

    { "a byte that continues nothing",
      ngx_string("a\x80""b"), ngx_string("a" FFFD "b") },
    { "bytes that are never used",
      ngx_string("\xfe\xff"), ngx_string(FFFD FFFD) },
    { "an overlong slash of 2 bytes",
      ngx_string("\xc0\xaf"), ngx_string(FFFD FFFD) },
    { "an overlong slash of 3 bytes",
      ngx_string("\xe0\x80\xaf"), ngx_string(FFFD FFFD FFFD) },
    { "an overlong slash of 4 bytes",
      ngx_string("\xf0\x80\x80\xaf"), ngx_string(FFFD FFFD FFFD FFFD) },
    { "an encoded surrogate",
      ngx_string("\xed\xa0\x80"), ngx_string(FFFD FFFD FFFD) },
    { "past U+10FFFF",
      ngx_string("\xf4\x90\x80\x80"), ngx_string(FFFD FFFD FFFD FFFD) },
    { "a cut sequence is one character",
      ngx_string("\xf0\x9f\x98"), ngx_string(FFFD) },
    { "a cut sequence before a quotation mark",
      ngx_string("\xe2\x82\""), ngx_string(FFFD "\\\"") },
    { "a cut sequence before a line feed",
      ngx_string("\xd0\n"), ngx_string(FFFD "\\n") },
    { "a whole sequence after a cut one",
      ngx_string("\xd0\xd0\xb0"), ngx_string(FFFD "\xd0\xb0") },

    /* the Unicode Standard, table 3-8 and those after it */

    { "Unicode's own example of maximal subparts",
      ngx_string("\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64"),
      ngx_string("a" FFFD FFFD FFFD "b" FFFD "c" FFFD FFFD "d") },
    { "Unicode's example of overlong forms",
      ngx_string("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41"),
      ngx_string(FFFD FFFD FFFD FFFD FFFD FFFD FFFD FFFD "A") },
    { "Unicode's example of truncated sequences",
      ngx_string("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41"),
      ngx_string(FFFD FFFD FFFD FFFD "A") }
};


static void test_values(void);
static void test_strings(void);
static void test_every_byte(void);
static void test_every_pair(void);
static void test_every_character(void);
static void test_long_string(void);
static void test_no_memory(void);

static ngx_str_t render(ngx_iot_out_pt write, const void *data);
static ngx_uint_t reads_back(ngx_str_t *text, const ngx_str_t *value);
static void encode(u_char *p, ngx_uint_t ch, ngx_uint_t len);

static void write_values(ngx_iot_out_t *out, const void *data);
static void write_empty(ngx_iot_out_t *out, const void *data);
static void write_numbers(ngx_iot_out_t *out, const void *data);
static void write_pairs(ngx_iot_out_t *out, const void *data);
static void write_elements(ngx_iot_out_t *out, const void *data);
static void write_nothing(ngx_iot_out_t *out, const void *data);
static void write_string(ngx_iot_out_t *out, const void *data);
static void write_object(ngx_iot_out_t *out, const void *data);


static ngx_pool_t             *pool;
static ngx_str_t               found;

static const ngx_iot_field_t   field = {
    ngx_string("value"), ngx_string("value"), 0, &found, NGX_IOT_FIELD_STRING
};


int
main(void)
{
    test_values();
    test_strings();
    test_every_byte();
    test_every_pair();
    test_every_character();
    test_long_string();
    test_no_memory();

    return unit_done();
}


static void
test_values(void)
{
    ngx_str_t  text;

    text = render(write_values, NULL);
    unit_is_str(&text,
                "{\"id\":\"a\\nb\",\"@type\":\"x.y/z\",\"done\":false,"
                "\"ok\":true,\"code\":13,"
                "\"createdAt\":\"2009-02-13T23:31:30.123Z\","
                "\"delay\":\"1s\",\"status\":\"ACTIVE\","
                "\"any\":{\"@type\":\"t/n\",\"a\":\"1\"},\"text\":{\"b\": 1},"
                "\"list\":[{\"a\":\"1\"},{},[],\"s\",7],\"last\":\"z\"}",
                "each kind of value");

    text = render(write_empty, NULL);
    unit_is_str(&text, "{\"literal\":\"\",\"object\":{},\"array\":[\"\"]}",
                "an empty field is left out, all else is written");

    text = render(write_numbers, NULL);
    unit_is_str(&text, NGX_PTR_SIZE == 8 ? "[0,1,18446744073709551615]"
                                         : "[0,1,4294967295]",
                "the ends of numbers");

    text = render(write_pairs, NULL);
    unit_is_str(&text, "{\"k\\\"\":\"v\\n\",\"k" FFFD "\":\"\",\"\":\"v\"}",
                "pairs: the key is escaped, both may be empty");

    text = render(write_elements, NULL);
    unit_is_str(&text, "[[],[[]],{},{},\"\",true]", "commas");

    text = render(write_nothing, NULL);
    unit_is_int(text.len, 0, "a writer that writes nothing");
}


static void
test_strings(void)
{
    ngx_str_t                 value, text;
    ngx_uint_t                i;
    const out_json_string_t  *c;

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        c = &strings[i];

        pool = unit_pool();
        value = unit_copy(pool, c->value.data, c->value.len);

        ngx_iot_out_render(pool, NGX_IOT_JSON, write_string, &value, &text);

        if (!unit_ok(text.len >= 2 && text.data[0] == '"'
                     && text.data[text.len - 1] == '"',
                     "%s: quoted", c->what))
        {
            continue;
        }

        text.data++;
        text.len -= 2;

        unit_is_mem(&text, c->text.data, c->text.len, "%s", c->what);
    }
}


/* alone, at both ends and in the middle of a string */
static void
test_every_byte(void)
{
    u_char       data[5];
    ngx_str_t    value, text;
    ngx_uint_t   ch, i, wrong;

    wrong = 0;

    for (ch = 0; ch < 256; ch++) {
        for (i = 1; i <= sizeof(data); i++) {
            ngx_memset(data, 'x', sizeof(data));
            data[0] = data[i / 2] = data[i - 1] = (u_char) ch;

            pool = unit_pool();
            value = unit_copy(pool, data, i);

            ngx_iot_out_render(pool, NGX_IOT_JSON, write_object, &value,
                               &text);

            if (!reads_back(&text, &value)) {
                wrong++;
            }
        }
    }

    unit_is_int(wrong, 0, "every byte can be written and is read back");
}


static void
test_every_pair(void)
{
    u_char       data[4];
    ngx_str_t    value, text;
    ngx_uint_t   i, wrong;

    wrong = 0;
    data[3] = 0x80;

    for (i = 0; i < 65536; i++) {
        data[0] = (u_char) (i >> 8);
        data[1] = (u_char) i;
        data[2] = (i & 1) ? 0xbf : 'x';

        pool = unit_pool();
        value = unit_copy(pool, data, 4);

        ngx_iot_out_render(pool, NGX_IOT_JSON, write_object, &value, &text);

        if (!reads_back(&text, &value)) {
            wrong++;
        }
    }

    unit_is_int(wrong, 0, "every pair of bytes gives valid JSON");
}


/*
 * An encoder that knows nothing of what is allowed makes all forms of all
 * numbers: the shortest of a character is accepted, nothing else is.
 */
static void
test_every_character(void)
{
    u_char         buf[4];
    ngx_int_t      rc, expected;
    ngx_uint_t     ch, len, shortest, wrong;
    const u_char  *p;

    wrong = 0;

    for (ch = 0; ch < 0x200000; ch++) {
        shortest = (ch < 0x80) ? 1 : (ch < 0x800) ? 2 : (ch < 0x10000) ? 3 : 4;

        for (len = shortest; len <= 4; len++) {
            encode(buf, ch, len);

            expected = (len == shortest && ch <= 0x10ffff
                        && (ch < 0xd800 || ch > 0xdfff))
                       ? NGX_OK : NGX_DECLINED;

            p = buf;
            rc = ngx_iot_utf8_next(&p, buf + len);

            if (rc != expected || (rc == NGX_OK && p != buf + len)
                || p == buf || p > buf + len)
            {
                wrong++;
            }

            if (rc == NGX_OK && len > 1) {
                p = buf;

                if (ngx_iot_utf8_next(&p, buf + len - 1) != NGX_DECLINED
                    || p != buf + len - 1)
                {
                    wrong++;
                }
            }
        }
    }

    unit_is_int(wrong, 0, "every form of every number up to 21 bits");
}


/* a PEM, as it goes into certificateData */
static void
test_long_string(void)
{
    u_char      *p;
    ngx_str_t    value, text;
    ngx_uint_t   i;

    pool = unit_pool();

    value.data = ngx_pnalloc(pool, 65 * 30);

    if (value.data == NULL) {
        abort();
    }

    p = value.data;

    for (i = 0; i < 30; i++) {
        ngx_memset(p, (int) ('a' + i % 26), 64);
        p += 64;
        *p++ = '\n';
    }

    value.len = p - value.data;

    ngx_iot_out_render(pool, NGX_IOT_JSON, write_object, &value, &text);

    unit_is_int(text.len, value.len + 30 + sizeof("{\"value\":\"\"}") - 1,
                "30 lines take 30 bytes more");
    unit_ok(reads_back(&text, &value), "a long string is read back");
}


static void
test_no_memory(void)
{
    ngx_str_t  value, text;

    pool = unit_pool();
    ngx_str_set(&value, "value");

    unit_fail_alloc(1);
    unit_is_int(ngx_iot_out_render(pool, NGX_IOT_JSON, write_object, &value,
                                   &text),
                NGX_ERROR, "no memory");
    unit_fail_alloc(0);
}


/* renders, and checks that both passes have the same length */
static ngx_str_t
render(ngx_iot_out_pt write, const void *data)
{
    ngx_str_t      text;
    ngx_iot_out_t  out;

    pool = unit_pool();

    ngx_memzero(&out, sizeof(ngx_iot_out_t));
    out.encoding = &ngx_iot_out_json;
    write(&out, data);

    if (ngx_iot_out_render(pool, NGX_IOT_JSON, write, data, &text) != NGX_OK) {
        abort();
    }

    unit_is_int(text.len, out.len, "what is written has the counted length");

    return text;
}


/*
 * 1 if text, which write_object() has made, is valid JSON with that value; of
 * a value that is not UTF-8 only the former is asked.
 */
static ngx_uint_t
reads_back(ngx_str_t *text, const ngx_str_t *value)
{
    ngx_int_t         rc;
    const u_char     *p, *last;
    ngx_iot_error_t   err;

    rc = ngx_iot_json_read(pool, text, &field, 1, &err);

    if (rc != NGX_OK || found.data == NULL) {
        return 0;
    }

    p = value->data;
    last = value->data + value->len;

    while (p < last) {
        if (ngx_iot_utf8_next(&p, last) != NGX_OK) {
            return 1;
        }
    }

    return found.len == value->len
           && ngx_memcmp(found.data, value->data, value->len) == 0;
}


/* the form of ch in len bytes, whether it is allowed or not */
static void
encode(u_char *p, ngx_uint_t ch, ngx_uint_t len)
{
    ngx_uint_t           i;
    static const u_char  lead[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };

    for (i = len - 1; i > 0; i--) {
        p[i] = 0x80 | (ch & 0x3f);
        ch >>= 6;
    }

    p[0] = (u_char) (lead[len] | ch);
}


static void
write_values(ngx_iot_out_t *out, const void *data)
{
    static const ngx_str_t  id = ngx_string("a\nb");
    static const ngx_str_t  one = ngx_string("1");
    static const ngx_str_t  s = ngx_string("s");
    static const ngx_str_t  text = ngx_string("{\"b\": 1}");

    ngx_iot_out_message(out, NULL, 0);

    ngx_iot_out_string(out, "id", 0, &id);
    ngx_iot_out_literal(out, "@type", 0, "x.y/z");
    ngx_iot_out_bool(out, "done", 0, 0);
    ngx_iot_out_bool(out, "ok", 0, 2);
    ngx_iot_out_number(out, "code", 0, 13);
    ngx_iot_out_time(out, "createdAt", 0, 1234567890123);
    ngx_iot_out_seconds(out, "delay", 0, 1);
    ngx_iot_out_enum(out, "status", 0, "ACTIVE", 2);
    ngx_iot_out_any(out, "any", 0, "t/n");
    ngx_iot_out_string(out, "a", 0, &one);
    ngx_iot_out_any_end(out);
    ngx_iot_out_text(out, "text", 0, &text, NULL);

    ngx_iot_out_list(out, "list");
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_string(out, "a", 0, &one);
    ngx_iot_out_message_end(out);
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_message_end(out);
    ngx_iot_out_list(out, NULL);
    ngx_iot_out_list_end(out);
    ngx_iot_out_string(out, NULL, 0, &s);
    ngx_iot_out_number(out, NULL, 0, 7);
    ngx_iot_out_list_end(out);

    ngx_iot_out_literal(out, "last", 0, "z");

    ngx_iot_out_message_end(out);
}


static void
write_empty(ngx_iot_out_t *out, const void *data)
{
    static const ngx_str_t  empty = ngx_null_string;

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_string(out, "string", 0, &empty);
    ngx_iot_out_literal(out, "literal", 0, "");
    ngx_iot_out_message(out, "object", 0);
    ngx_iot_out_string(out, "string", 0, &empty);
    ngx_iot_out_message_end(out);
    ngx_iot_out_list(out, "array");
    ngx_iot_out_string(out, NULL, 0, &empty);
    ngx_iot_out_list_end(out);
    ngx_iot_out_message_end(out);
}


static void
write_numbers(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_list(out, NULL);
    ngx_iot_out_number(out, NULL, 0, 0);
    ngx_iot_out_number(out, NULL, 0, 1);
    ngx_iot_out_number(out, NULL, 0, (ngx_uint_t) -1);
    ngx_iot_out_list_end(out);
}


static void
write_pairs(ngx_iot_out_t *out, const void *data)
{
    static const ngx_str_t  key1 = ngx_string("k\"");
    static const ngx_str_t  value1 = ngx_string("v\n");
    static const ngx_str_t  key2 = ngx_string("k\xff");
    static const ngx_str_t  value2 = ngx_string("v");
    static const ngx_str_t  empty = ngx_null_string;

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_pair(out, 0, &key1, &value1);
    ngx_iot_out_pair(out, 0, &key2, &empty);
    ngx_iot_out_pair(out, 0, &empty, &value2);
    ngx_iot_out_message_end(out);
}


static void
write_elements(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_list(out, NULL);

    ngx_iot_out_list(out, NULL);
    ngx_iot_out_list_end(out);

    ngx_iot_out_list(out, NULL);
    ngx_iot_out_list(out, NULL);
    ngx_iot_out_list_end(out);
    ngx_iot_out_list_end(out);

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_message_end(out);
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_message_end(out);

    ngx_iot_out_literal(out, NULL, 0, "");
    ngx_iot_out_bool(out, NULL, 0, 1);

    ngx_iot_out_list_end(out);
}


static void
write_nothing(ngx_iot_out_t *out, const void *data)
{
}


static void
write_string(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_string(out, NULL, 0, data);
}


static void
write_object(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_string(out, "value", 0, data);
    ngx_iot_out_message_end(out);
}
