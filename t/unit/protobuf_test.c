
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_log_options.h"
#include "ngx_iot_protobuf.h"


/*
 * What a protobuf request may look like.  Every message is read with one field
 * of each type, from memory of exactly its size.
 */


#define bytes(text)  { sizeof(text) - 1, (u_char *) text }

#define TEN  "aaaaaaaaaa"

/* tags of fields 1 to 6 with the wire type that they have, see fields[] */

#define STRING   "\x0a"
#define NUMBER   "\x10"
#define MESSAGE  "\x1a"
#define MAP      "\x22"
#define LIST     "\x2a"
#define MASK     "\x32"

/* tags of field 15, which is not known */

#define VARINT_15     "\x78"
#define I64_15        "\x79"
#define LEN_15        "\x7a"
#define GROUP_15      "\x7b"
#define GROUP_END_15  "\x7c"
#define I32_15        "\x7d"

#define EIGHT         "\1\2\3\4\5\6\7\10"


static ngx_str_t  string, number, message, map, list, mask;

static const ngx_iot_field_t  fields[] = {
    { ngx_string("string"), ngx_string("string"), 1, &string,
      NGX_IOT_FIELD_STRING },
    { ngx_string("number"), ngx_string("number"), 2, &number,
      NGX_IOT_FIELD_NUMBER },
    { ngx_string("message"), ngx_string("message"), 3, &message,
      NGX_IOT_FIELD_MESSAGE },
    { ngx_string("map"), ngx_string("map"), 4, &map, NGX_IOT_FIELD_MAP },
    { ngx_string("list"), ngx_string("list"), 5, &list, NGX_IOT_FIELD_LIST },
    { ngx_string("update_mask"), ngx_string("updateMask"), 6, &mask,
      NGX_IOT_FIELD_MASK }
};

#define NFIELDS  6


typedef struct {
    const char  *what;
    ngx_str_t    message;
    ngx_str_t    value;         /* of its only field; NULL: not set */
} protobuf_value_t;


typedef struct {
    const char  *what;
    ngx_str_t    message;
    ngx_uint_t   valid;
} protobuf_verdict_t;


static const protobuf_value_t  strings[] = {

    { "an empty message", ngx_null_string, ngx_null_string },
    { "a string", bytes(STRING "\1a"), bytes("a") },
    { "an empty string", bytes(STRING "\0"), bytes("") },
    { "a string with NUL", bytes(STRING "\3a\0b"), bytes("a\0b") },
    { "the last of two strings", bytes(STRING "\1a" STRING "\1b"),
      bytes("b") },
    { "an empty one after it", bytes(STRING "\1a" STRING "\0"), bytes("") },
    { "a string of two bytes a character", bytes(STRING "\2\xd0\xb4"),
      bytes("\xd0\xb4") },
    { "U+10FFFF", bytes(STRING "\4\xf4\x8f\xbf\xbf"),
      bytes("\xf4\x8f\xbf\xbf") },

    { "a tag of two bytes", bytes("\x8a\0\1a"), bytes("a") },
    { "a tag of five bytes", bytes("\x8a\x80\x80\x80\0\1a"), bytes("a") },
    { "a length of five bytes", bytes(STRING "\x81\x80\x80\x80\0a"),
      bytes("a") },

    { "a varint in its place", bytes("\x08\1"), ngx_null_string },
    { "a varint after it", bytes(STRING "\1a" "\x08\1"), bytes("a") },
    { "64 bits in its place", bytes("\x09" EIGHT), ngx_null_string },
    { "32 bits in its place", bytes("\x0d\1\2\3\4"), ngx_null_string },
    { "a group in its place", bytes("\x0b" STRING "\1a\x0c"),
      ngx_null_string },
    { "itself in an unknown group",
      bytes(GROUP_15 STRING "\1a" GROUP_END_15), ngx_null_string }
};


static const protobuf_value_t  numbers[] = {

    { "no number", bytes(STRING "\1a"), ngx_null_string },
    { "0", bytes(NUMBER "\0"), bytes("0") },
    { "1", bytes(NUMBER "\1"), bytes("1") },
    { "127", bytes(NUMBER "\x7f"), bytes("127") },
    { "128", bytes(NUMBER "\x80\1"), bytes("128") },
    { "the last of three", bytes(NUMBER "\1" NUMBER "\x80\1" NUMBER "\2"),
      bytes("2") },
    { "1 in ten bytes",
      bytes(NUMBER "\x81\x80\x80\x80\x80\x80\x80\x80\x80\0"), bytes("1") },
    { "-1", bytes(NUMBER "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
      bytes("-1") },
    { "the largest",
      bytes(NUMBER "\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
      bytes("9223372036854775807") },
    { "the least",
      bytes(NUMBER "\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"),
      bytes("-9223372036854775808") },
    { "a string in its place", bytes("\x12\1a"), ngx_null_string },
    { "64 bits in its place", bytes("\x11" EIGHT), ngx_null_string }
};


static const protobuf_value_t  messages[] = {

    { "an empty message in it", bytes(MESSAGE "\0"), bytes("") },
    { "a message in it", bytes(MESSAGE "\3\x0a\1a"), bytes("\x0a\1a") },
    { "two of them", bytes(MESSAGE "\3\x0a\1a" MESSAGE "\2\x10\1"),
      bytes("\x0a\1a\x10\1") },
    { "three of them, with others between",
      bytes(MESSAGE "\2\x10\1" STRING "\1a" MESSAGE "\2\x10\2" NUMBER "\7"
            MESSAGE "\2\x10\3"),
      bytes("\x10\1\x10\2\x10\3") },
    { "two of them, both empty", bytes(MESSAGE "\0" MESSAGE "\0"),
      bytes("") },
    { "empty ones around one",
      bytes(MESSAGE "\0" MESSAGE "\0" MESSAGE "\2\x10\1" MESSAGE "\0"),
      bytes("\x10\1") },
    { "a varint in its place", bytes("\x18\1"), ngx_null_string }
};


static const protobuf_value_t  masks[] = {

    { "no mask", bytes(STRING "\1a"), ngx_null_string },
    { "an empty mask", bytes(MASK "\0"), bytes("") },
    { "a mask of one path", bytes(MASK "\3\x0a\1a"), bytes("a") },
    { "of two", bytes(MASK "\6\x0a\1a\x0a\1b"), bytes("a,b") },
    { "of two in two masks", bytes(MASK "\3\x0a\1a" MASK "\4\x0a\2bc"),
      bytes("a,bc") },
    { "of one among unknown fields",
      bytes(MASK "\x0d\x12\1x\x0a\1a\x08\1\x7d\1\2\3\4"), bytes("a") }
};


static const protobuf_verdict_t  verdicts[] = {

    /* unknown fields */

    { "an unknown varint", bytes(VARINT_15 "\1"), 1 },
    { "an unknown varint of 10 bytes",
      bytes(VARINT_15 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 1 },
    { "64 unknown bits", bytes(I64_15 EIGHT), 1 },
    { "an unknown length", bytes(LEN_15 "\3abc"), 1 },
    { "an unknown length that is not UTF-8", bytes(LEN_15 "\1\xff"), 1 },
    { "32 unknown bits", bytes(I32_15 "\1\2\3\4"), 1 },
    { "an unknown group", bytes(GROUP_15 GROUP_END_15), 1 },
    { "a group with fields of every type",
      bytes(GROUP_15 "\x08\1" "\x11" EIGHT "\x1a\3abc" "\x25\1\2\3\4"
            "\x2b\x2c" GROUP_END_15), 1 },
    { "the highest number",
      bytes("\xf8\xff\xff\xff\x0f\1"), 1 },

    /* numbers */

    { "number 0, a varint", bytes("\0\1"), 0 },
    { "number 0, a length", bytes("\2\0"), 0 },
    { "number 0, a group", bytes("\3\4"), 0 },
    { "number 0 in two bytes", bytes("\x80\0"), 0 },
    { "a number of 2^29", bytes("\x80\x80\x80\x80\x10\1"), 0 },
    { "a tag of six bytes", bytes("\xf8\x80\x80\x80\x80\0\1"), 0 },
    { "a number 0 in a group", bytes(GROUP_15 "\0\1" GROUP_END_15), 0 },

    /* wire types */

    { "wire type 6", bytes("\x0e"), 0 },
    { "wire type 7", bytes("\x0f"), 0 },
    { "wire type 6, not known", bytes("\x7e\1"), 0 },
    { "wire type 7 in a group", bytes(GROUP_15 "\x0f" GROUP_END_15), 0 },

    /* varints */

    { "a varint without its end", bytes(VARINT_15), 0 },
    { "a varint cut off", bytes(VARINT_15 "\x80"), 0 },
    { "a tag cut off", bytes("\x80"), 0 },
    { "a varint of 11 bytes",
      bytes(VARINT_15 "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\0"), 0 },
    { "a varint of 65 bits",
      bytes(VARINT_15 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"), 0 },
    { "a known varint of 65 bits",
      bytes(NUMBER "\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"), 0 },

    /* lengths */

    { "a length without its bytes", bytes(STRING "\1"), 0 },
    { "a length with one too few", bytes(STRING "\3ab"), 0 },
    { "a length that is not there", bytes(STRING), 0 },
    { "a length cut off", bytes(STRING "\x80"), 0 },
    { "an unknown length with one too few", bytes(LEN_15 "\3ab"), 0 },
    { "a length of 2^31", bytes(LEN_15 "\x80\x80\x80\x80\x08"), 0 },
    { "a length of 2^32 - 1", bytes(LEN_15 "\xff\xff\xff\xff\x0f"), 0 },
    { "a length of 33 bits", bytes(LEN_15 "\x81\x80\x80\x80\x10" "a"), 0 },
    { "a length of six bytes", bytes(LEN_15 "\x81\x80\x80\x80\x80\0a"), 0 },
    { "a length of 2^64 - 1",
      bytes(LEN_15 "\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), 0 },

    /* of a fixed size */

    { "64 bits with one byte too few", bytes(I64_15 "\1\2\3\4\5\6\7"), 0 },
    { "32 bits with one byte too few", bytes(I32_15 "\1\2\3"), 0 },

    /* groups */

    { "a group without its end", bytes(GROUP_15), 0 },
    { "the end of no group", bytes(GROUP_END_15), 0 },
    { "a group with another's end", bytes(GROUP_15 "\x74"), 0 },
    { "groups that cross", bytes(GROUP_15 "\x73" GROUP_END_15 "\x74"), 0 },
    { "two ends", bytes(GROUP_15 GROUP_END_15 GROUP_END_15), 0 },
    { "a field in a group that is cut off",
      bytes(GROUP_15 "\x0a\3a" GROUP_END_15), 0 },

    /* UTF-8 */

    { "a string of 0xff", bytes(STRING "\1\xff"), 0 },
    { "a string cut in a character", bytes(STRING "\1\xd0"), 0 },
    { "an overlong form", bytes(STRING "\2\xc0\x80"), 0 },
    { "a surrogate", bytes(STRING "\3\xed\xa0\x80"), 0 },
    { "U+110000", bytes(STRING "\4\xf4\x90\x80\x80"), 0 },
    { "a bad string before a good one", bytes(STRING "\1\xff" STRING "\1a"),
      0 },
    { "a mask with a bad path", bytes(MASK "\3\x0a\1\xff"), 0 },

    /* messages within */

    { "a message that is cut off", bytes(MESSAGE "\2\x0a\2" ), 0 },
    { "two halves of a message", bytes(MESSAGE "\1\x10" MESSAGE "\1\1"), 0 },
    { "a map's entry that is cut off", bytes(MAP "\2\x0a\1"), 0 },
    { "a list's element that is cut off", bytes(LIST "\1\x0a"), 0 },
    { "a mask that is cut off", bytes(MASK "\2\x0a\1"), 0 },
    { "a message with a number 0", bytes(MESSAGE "\2\0\1"), 0 },
    { "a group that ends outside of its message",
      bytes(MESSAGE "\1\x7b" GROUP_END_15), 0 },
    { "what is no message under a number that is not known",
      bytes(LEN_15 "\2\x0a\2"), 1 }
};


static void test_values(const protobuf_value_t *cases, ngx_uint_t n,
    const ngx_str_t *value);
static void test_verdicts(void);
static void test_truncated(void);
static void test_depth(void);
static void test_hostile_length(void);
static void test_merge_bounded(void);
static void test_map(void);
static void test_list(void);
static void test_mask_paths(void);
static void test_log_options(void);
static void test_log_options_canonical(void);
static void test_json(void);
static void test_out_of_memory(void);

static ngx_int_t read_message(const ngx_str_t *text);
static ngx_str_t groups(ngx_pool_t *p, ngx_uint_t n, ngx_uint_t within);
static ngx_uint_t blocks(ngx_pool_t *p);


static ngx_pool_t       *pool;
static ngx_iot_error_t   err;


#define N(table)  (sizeof(table) / sizeof(table[0]))


int
main(void)
{
    test_values(strings, N(strings), &string);
    test_values(numbers, N(numbers), &number);
    test_values(messages, N(messages), &message);
    test_values(masks, N(masks), &mask);
    test_verdicts();
    test_truncated();
    test_depth();
    test_hostile_length();
    test_merge_bounded();
    test_map();
    test_list();
    test_mask_paths();
    test_log_options();
    test_log_options_canonical();
    test_json();
    test_out_of_memory();

    return unit_done();
}


static void
test_values(const protobuf_value_t *cases, ngx_uint_t n,
    const ngx_str_t *value)
{
    ngx_uint_t               i;
    const protobuf_value_t  *c;

    for (i = 0; i < n; i++) {
        c = &cases[i];

        unit_is_int(read_message(&c->message), NGX_OK, "%s", c->what);

        if (c->value.data == NULL) {
            unit_ok(value->data == NULL, "... is not set");

        } else {
            unit_is_mem(value, c->value.data, c->value.len, "... its value");
            unit_ok(value->data != NULL, "... is set");
        }
    }
}


static void
test_verdicts(void)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    const protobuf_verdict_t  *c;

    for (i = 0; i < N(verdicts); i++) {
        c = &verdicts[i];

        rc = read_message(&c->message);

        if (c->valid) {
            unit_is_int(rc, NGX_OK, "%s", c->what);
            continue;
        }

        unit_is_int(rc, NGX_DECLINED, "%s", c->what);
        unit_is_int(err.reason, NGX_IOT_REASON_INVALID_MESSAGE,
                    "... its reason");
        unit_is_str(&err.field, "body", "... its field");
    }
}


/* whatever is cut off is refused, but for what ends between two fields */
static void
test_truncated(void)
{
    size_t      len;
    ngx_str_t   part;
    ngx_uint_t  bad;

    static ngx_str_t  whole = bytes(
        STRING "\2ab" VARINT_15 "\xff\1" I64_15 EIGHT LEN_15 "\1x" I32_15
        "\1\2\3\4" GROUP_15 "\x08\1" GROUP_END_15 MESSAGE "\3\x0a\1a" MASK
        "\3\x0a\1a");

    static const char  ends[] = "\0\4\7\20\23\30\34\41\46";

    bad = 0;

    for (len = 0; len <= whole.len; len++) {
        part.data = whole.data;
        part.len = len;

        if ((read_message(&part) == NGX_OK)
            != (memchr(ends, (int) len, sizeof(ends) - 1) != NULL))
        {
            unit_note("%u bytes", (unsigned) len);
            bad++;
        }
    }

    unit_is_int(bad, 0, "a message cut off anywhere");
}


static void
test_depth(void)
{
    ngx_str_t  text;

    pool = unit_pool();

    text = groups(pool, 100, 0);
    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_OK, "100 groups");

    text = groups(pool, 101, 0);
    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_DECLINED, "101 groups");

    text = groups(pool, 99, 1);
    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_OK, "99 groups in a message");

    text = groups(pool, 100, 1);
    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_DECLINED, "100 groups in a message");
}


/* n groups in each other, of a message that is within the first one, or not */
static ngx_str_t
groups(ngx_pool_t *p, ngx_uint_t n, ngx_uint_t within)
{
    u_char     *d;
    ngx_str_t   text;

    text = unit_copy(p, "", 0);
    text.len = 2 * n + (within ? 3 : 0);
    text.data = ngx_pnalloc(p, text.len);

    d = text.data;

    if (within) {
        *d++ = 0x1a;
        *d++ = (u_char) (2 * n % 128 + 128);
        *d++ = (u_char) (2 * n / 128);
    }

    ngx_memset(d, 0x7b, n);
    ngx_memset(d + n, 0x7c, n);

    return text;
}


/* nothing is made ready for bytes that are not there */
static void
test_hostile_length(void)
{
    ngx_uint_t  i;
    ngx_str_t   text;

    static ngx_str_t  hostile[] = {
        bytes(STRING "\xff\xff\xff\xff\7"),
        bytes(MESSAGE "\0" MESSAGE "\xff\xff\xff\xff\7"),
        bytes(MAP "\xff\xff\xff\xff\7"),
        bytes(MASK "\xff\xff\xff\xff\7")
    };

    for (i = 0; i < N(hostile); i++) {
        pool = unit_pool();
        text = unit_copy(pool, hostile[i].data, hostile[i].len);

        unit_fail_alloc(1);

        unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                    NGX_DECLINED, "a length of 2 GB, %u", (unsigned) i);
        unit_ok(!unit_alloc_failed(), "... and no memory was asked for");

        unit_fail_alloc(0);
    }
}


/* however many there are, they are put together in one piece of memory */
static void
test_merge_bounded(void)
{
    ngx_str_t   text;
    ngx_uint_t  i, before;

    pool = unit_pool();

    text.len = 4 * 10000;
    text.data = ngx_pnalloc(pool, text.len);

    for (i = 0; i < text.len; i += 4) {
        ngx_memcpy(text.data + i, MESSAGE "\2\x10\1", 4);
    }

    before = blocks(pool);

    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_OK, "10000 messages to merge");
    unit_is_int(message.len, 2 * 10000, "... all are there");
    unit_is_int(blocks(pool), before + 1, "... in one piece of memory");
}


static ngx_uint_t
blocks(ngx_pool_t *p)
{
    ngx_uint_t         n;
    ngx_pool_large_t  *large;

    n = 0;

    for (large = p->large; large; large = large->next) {
        n++;
    }

    return n;
}


static void
test_map(void)
{
    ngx_str_t     text;
    ngx_uint_t    n;
    ngx_keyval_t  pairs[3];

    pool = unit_pool();

    text = unit_str(pool, MAP "\6\x0a\1a\x12\1b" STRING "\1x"
                          MAP "\6\x12\1d\x0a\1c"
                          MAP "\4\x0a\0\x12\0" "\x20\1"
                          MAP "\6\x0a\1a\x12\1B");

    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_OK, "a map");

    n = 3;
    unit_is_int(ngx_iot_protobuf_read_map(pool, &fields[3], pairs, &n, &err),
                NGX_OK, "... is read");
    unit_is_int(n, 3, "... its pairs");
    unit_is_str(&pairs[0].key, "a", "... a key");
    unit_is_str(&pairs[0].value, "B", "... of two values the last");
    unit_is_str(&pairs[1].key, "c", "... a key behind its value");
    unit_is_str(&pairs[1].value, "d", "... and that");
    unit_is_str(&pairs[2].key, "", "... an empty key");

    n = 2;
    unit_is_int(ngx_iot_protobuf_read_map(pool, &fields[3], pairs, &n, &err),
                NGX_DECLINED, "more pairs than there may be");
    unit_is_str(&err.field, "map", "... the field");
    unit_is_str(&err.message, "\"map\" has more than 2 entries",
                "... the message");

    text = unit_str(pool, MAP "\0" MAP "\3\x12\1v" MAP "\5\x0a\1k\x78\1");

    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_OK, "a map of what is not complete");

    n = 3;
    unit_is_int(ngx_iot_protobuf_read_map(pool, &fields[3], pairs, &n, &err),
                NGX_OK, "... is read");
    unit_is_int(n, 2, "... no key is an empty key");
    unit_is_str(&pairs[0].value, "v", "... its last value");
    unit_is_str(&pairs[1].key, "k", "... no value");
    unit_is_str(&pairs[1].value, "", "... is an empty one");
    unit_ok(pairs[1].value.data != NULL, "... that is somewhere");

    text = unit_str(pool, MAP "\3\x12\1\xff");

    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_OK, "a map with a value that is not UTF-8");

    n = 3;
    unit_is_int(ngx_iot_protobuf_read_map(pool, &fields[3], pairs, &n, &err),
                NGX_DECLINED, "... is refused");
    unit_is_int(err.reason, NGX_IOT_REASON_INVALID_MESSAGE, "... its reason");
}


static void
test_list(void)
{
    ngx_str_t   text, elements[3];
    ngx_uint_t  n;

    pool = unit_pool();

    text = unit_str(pool, LIST "\3\x0a\1a" STRING "\1x" LIST "\0" "\x28\1"
                          LIST "\2\x08\1");

    unit_is_int(ngx_iot_protobuf_read(pool, &text, fields, NFIELDS, &err),
                NGX_OK, "a list");

    n = 3;
    unit_is_int(ngx_iot_protobuf_read_list(pool, &fields[4], elements, &n,
                                           &err),
                NGX_OK, "... is read");
    unit_is_int(n, 3, "... its elements");
    unit_is_str(&elements[0], "\x0a\1a", "... the first");
    unit_is_str(&elements[1], "", "... an empty one");
    unit_is_str(&elements[2], "\x08\1", "... the last");

    n = 2;
    unit_is_int(ngx_iot_protobuf_read_list(pool, &fields[4], elements, &n,
                                           &err),
                NGX_DECLINED, "more elements than there may be");
    unit_is_str(&err.field, "list", "... the field");
    unit_is_str(&err.message, "\"list\" has more than 2 entries",
                "... the message");
}


static void
test_mask_paths(void)
{
    ngx_uint_t  i;

    static const struct {
        const char  *what;
        ngx_str_t    message;
    } cases[] = {
        { "an empty path", bytes(MASK "\2\x0a\0") },
        { "an empty path behind another", bytes(MASK "\5\x0a\1a\x0a\0") },
        { "a path with a comma", bytes(MASK "\5\x0a\3a,b") }
    };

    for (i = 0; i < N(cases); i++) {
        unit_is_int(read_message(&cases[i].message), NGX_DECLINED, "%s",
                    cases[i].what);
        unit_is_int(err.reason, NGX_IOT_REASON_INVALID_FIELD,
                    "... its reason");
        unit_is_str(&err.field, "update_mask", "... its field");
    }
}


static void
test_log_options(void)
{
    ngx_str_t   text;
    ngx_uint_t  i;

    static const struct {
        const char  *what;
        ngx_str_t    message;
        const char  *json;              /* NULL: refused */
    } cases[] = {
        { "no options", ngx_null_string, "{}" },
        { "all of them", bytes("\x08\1\x12\1g\x20\3"),
          "{\"disabled\":true,\"logGroupId\":\"g\",\"minLevel\":\"INFO\"}" },
        { "defaults", bytes("\x08\0\x20\0"), "{}" },
        { "disabled by a large number", bytes("\x08\x80\x80\x80\x80\x10"),
          "{\"disabled\":true}" },
        { "a folder", bytes("\x1a\1f"), "{\"folderId\":\"f\"}" },
        { "a folder after a group", bytes("\x12\1g\x1a\1f"),
          "{\"folderId\":\"f\"}" },
        { "a group after a folder", bytes("\x1a\1f\x12\1g"),
          "{\"logGroupId\":\"g\"}" },
        { "an empty group after a folder", bytes("\x1a\1f\x12\0"),
          "{\"logGroupId\":\"\"}" },
        { "what JSON escapes", bytes("\x12\4\"\\\n\1"),
          "{\"logGroupId\":\"\\\"\\\\\\n\\u0001\"}" },
        { "the first level", bytes("\x20\1"), "{\"minLevel\":\"TRACE\"}" },
        { "the last level", bytes("\x20\6"), "{\"minLevel\":\"FATAL\"}" },
        { "a level to come", bytes("\x20\7"), "{\"minLevel\":7}" },
        { "a level below 0",
          bytes("\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"),
          "{\"minLevel\":-1}" },
        { "a level of 33 bits", bytes("\x20\x81\x80\x80\x80\x10"),
          "{\"minLevel\":\"TRACE\"}" },
        { "fields of other types", bytes("\x0a\1x\x10\1\x18\1\x22\1x"),
          "{}" },
        { "unknown fields", bytes("\x78\1"), "{}" },
        { "a group id that is not UTF-8", bytes("\x12\1\xff"), NULL },
        { "a folder id that is not UTF-8", bytes("\x1a\1\xff"), NULL },
        { "cut off", bytes("\x12\2g"), NULL }
    };

    for (i = 0; i < N(cases); i++) {
        pool = unit_pool();
        text = unit_copy(pool, cases[i].message.data, cases[i].message.len);

        if (cases[i].json == NULL) {
            unit_is_int(ngx_iot_log_options_read(pool, &text, &err),
                        NGX_DECLINED, "log options: %s", cases[i].what);
            unit_is_int(err.reason, NGX_IOT_REASON_INVALID_MESSAGE,
                        "... the reason");
            continue;
        }

        unit_is_int(ngx_iot_log_options_read(pool, &text, &err), NGX_OK,
                    "log options: %s", cases[i].what);
        unit_is_str(&text, cases[i].json, "... the JSON");
    }
}


static void
test_log_options_canonical(void)
{
    ngx_str_t   text, bytes;
    ngx_uint_t  i;

    static const struct {
        ngx_str_t  text;
        ngx_str_t  canonical;
    } cases[] = {
        { ngx_null_string, ngx_null_string },
        { ngx_string("{}"), bytes("\x0a\0") },
        { ngx_string("{ \"disabled\" : false }"), bytes("\x0a\0") },
        { ngx_string("{\"minLevel\":\"WARN\",\"disabled\":true}"),
          bytes("\x0a\4\x08\1\x20\4") },
        { ngx_string("{\"disabled\":true,\n\"min_level\":4,\"x\":[]}"),
          bytes("\x0a\4\x08\1\x20\4") },
        { ngx_string("{\"minLevel\":\"LOUD\"}"),
          bytes("{\"minLevel\":\"LOUD\"}") }
    };

    for (i = 0; i < N(cases); i++) {
        pool = unit_pool();
        text = cases[i].text;

        unit_is_int(ngx_iot_log_options_canonical(pool, &text, &bytes), NGX_OK,
                    "log options to compare: %.*s", (int) text.len,
                    text.data);
        unit_is_mem(&bytes, cases[i].canonical.data, cases[i].canonical.len,
                    "... the bytes");
    }
}


/* the same table reads JSON */
static void
test_json(void)
{
    ngx_str_t     text, element;
    ngx_uint_t    n;
    ngx_keyval_t  pair;

    pool = unit_pool();

    text = unit_str(pool, "{\"string\":\"s\",\"number\":7,\"message\":{},"
                          "\"map\":{\"k\":\"v\"},\"list\":[{}],"
                          "\"updateMask\":\"a,b\"}");

    unit_is_int(ngx_iot_message_read(pool, NGX_IOT_JSON, &text, fields,
                                     NFIELDS, &err),
                NGX_OK, "a message in JSON");
    unit_is_str(&string, "s", "... a string");
    unit_is_str(&number, "7", "... a number");
    unit_is_str(&message, "{}", "... a message");
    unit_is_str(&mask, "a,b", "... a mask");

    n = 1;
    unit_is_int(ngx_iot_message_read_map(pool, NGX_IOT_JSON, &fields[3], &pair,
                                         &n, &err),
                NGX_OK, "... a map");
    unit_is_str(&pair.value, "v", "... its value");

    n = 1;
    unit_is_int(ngx_iot_message_read_list(pool, NGX_IOT_JSON, &fields[4],
                                          &element, &n, &err),
                NGX_OK, "... a list");
    unit_is_str(&element, "{}", "... its element");
}


static void
test_out_of_memory(void)
{
    ngx_str_t   text;
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 1; i < 10; i++) {
        pool = unit_pool();
        text = unit_str(pool, NUMBER "\1" MESSAGE "\0" MESSAGE "\2\x10\1" MASK
                              "\3\x0a\1a");

        unit_fail_alloc(i);
        rc = ngx_iot_message_read(pool, NGX_IOT_PROTOBUF, &text, fields,
                                  NFIELDS, &err);

        if (!unit_alloc_failed()) {
            unit_fail_alloc(0);
            break;
        }

        unit_is_int(rc, NGX_ERROR, "without memory, %u", (unsigned) i);
    }

    unit_is_int(rc, NGX_OK, "with memory");
    unit_is_int(i, 4, "three were asked for");
}


static ngx_int_t
read_message(const ngx_str_t *text)
{
    ngx_str_t  copy;

    pool = unit_pool();
    copy = unit_copy(pool, text->data, text->len);

    return ngx_iot_protobuf_read(pool, &copy, fields, NFIELDS, &err);
}
