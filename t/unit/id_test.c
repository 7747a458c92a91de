
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_id.h"


typedef struct {
    ngx_uint_t       shard;
    ngx_iot_msec_t   now;
    const char      *random;
    const char      *id;
} id_case_t;


typedef struct {
    const char      *what;
    ngx_str_t        id;
    ngx_uint_t       valid;
} id_validity_t;


/*    shard, time, random                      tag  time  random     */

static const id_case_t  ids[] = {

    { 0, 0, "\0\0\0\0\0\0",                    "00000000000000000000" },
    { 1, 2, "\0\0\0\0\0\3",                    "01000000002000000003" },
    { 31, 31, "\0\0\0\0\0\37",                 "0v00000000v00000000v" },
    { 32, 32, "\0\0\0\0\0\40",                 "10000000010000000010" },
    { 1023, 1, "\0\0\0\0\1\0",                 "vv000000001000000080" },

    /* 2025-11-01T00:00:00.000Z */

    { 517, 1761955200000, "\1\2\3\4\5\6",      "g51j8ubdf001081g8186" },

    /* of the 48 bits of random, 3 are not used */

    { 0, 0, "\xe0\0\0\0\0\0",                  "00000000000000000000" },
    { 0, 0, "\x1f\xff\xff\xff\xff\xff",        "00000000000vvvvvvvvv" },
    { 0, 0, "\xff\xff\xff\xff\xff\xff",        "00000000000vvvvvvvvv" },

    /* the end of the times that fit, in 3084, and what is after it */

    { 0, 35184372088830, "\0\0\0\0\0\0",       "00vvvvvvvvu000000000" },
    { 0, 35184372088831, "\0\0\0\0\0\0",       "00vvvvvvvvv000000000" },
    { 0, 35184372088832, "\0\0\0\0\0\0",       "00vvvvvvvvv000000000" },
    { 0, (ngx_iot_msec_t) -1, "\0\0\0\0\0\0",  "00vvvvvvvvv000000000" }
};


static const id_validity_t  operation_ids[] = {

    { "digits", ngx_string("01234567890123456789"), 1 },
    { "letters", ngx_string("abcdefghijklmnopqrst"), 1 },
    { "the last letters", ngx_string("uvuvuvuvuvuvuvuvuvuv"), 1 },

    { "empty", ngx_null_string, 0 },
    { "19 characters", ngx_string("0123456789012345678"), 0 },
    { "21 characters", ngx_string("012345678901234567890"), 0 },
    { "w", ngx_string("0123456789012345678w"), 0 },
    { "a capital", ngx_string("A1234567890123456789"), 0 },
    { "before 0", ngx_string("/1234567890123456789"), 0 },
    { "after 9", ngx_string("0123456789:123456789"), 0 },
    { "before a", ngx_string("0123456789`123456789"), 0 },
    { "a dash", ngx_string("0123456789-123456789"), 0 },
    { "a NUL", ngx_string("0123456789\0""123456789"), 0 },
    { "a NUL at the end", ngx_string("0123456789012345678\0"), 0 },
    { "a byte with the high bit", ngx_string("\xb0""1234567890123456789"), 0 }
};


#define FIFTY  "12345678901234567890123456789012345678901234567890"


static const id_validity_t  resource_ids[] = {

    { "one character", ngx_string("a"), 1 },
    { "one dash", ngx_string("-"), 1 },
    { "one underscore", ngx_string("_"), 1 },
    { "an id of the cloud", ngx_string("are1234567890abcdefg"), 1 },
    { "the ends of the ranges", ngx_string("azAZ09_-"), 1 },
    { "50 characters", ngx_string(FIFTY), 1 },

    { "empty", ngx_null_string, 0 },
    { "51 characters", ngx_string(FIFTY "1"), 0 },
    { "a dot", ngx_string("a.b"), 0 },
    { "a slash", ngx_string("a/b"), 0 },
    { "a colon", ngx_string("a:b"), 0 },
    { "braces", ngx_string("{a}"), 0 },
    { "a space", ngx_string("a b"), 0 },
    { "a percent sign", ngx_string("a%62"), 0 },
    { "before A", ngx_string("@"), 0 },
    { "after Z", ngx_string("["), 0 },
    { "before a", ngx_string("`"), 0 },
    { "after z", ngx_string("{"), 0 },
    { "before 0", ngx_string("/"), 0 },
    { "after 9", ngx_string(":"), 0 },
    { "a NUL", ngx_string("a\0"), 0 },
    { "a line feed", ngx_string("a\n"), 0 },
    { "UTF-8", ngx_string("\xd0\xb0"), 0 }
};


static const id_validity_t  uuids[] = {

    { "digits", ngx_string("00112233-4455-6677-8899-aabbccddeeff"), 1 },
    { "capitals", ngx_string("00112233-4455-6677-8899-AABBCCDDEEFF"), 1 },

    { "empty", ngx_string(""), 0 },
    { "35 characters", ngx_string("00112233-4455-6677-8899-aabbccddeef"), 0 },
    { "37 characters", ngx_string("00112233-4455-6677-8899-aabbccddeeff0"),
      0 },
    { "no hyphens", ngx_string("00112233445566778899aabbccddeeffffff"), 0 },
    { "a hyphen elsewhere",
      ngx_string("0011223-34455-6677-8899-aabbccddeeff"), 0 },
    { "g", ngx_string("00112233-4455-6677-8899-aabbccddeefg"), 0 },
    { "a hyphen for a digit",
      ngx_string("00112233-4455-6677-8899-aabbccddee-f"), 0 },
    { "in braces", ngx_string("{00112233-4455-6677-8899-aabbccddee}"), 0 }
};


static void test_values(void);
static void test_uuids(void);
static void test_tags(void);
static void test_order(void);
static void test_lower_bound(void);
static void test_validity(void);
static void make(ngx_str_t *id, ngx_uint_t shard, ngx_iot_msec_t now,
    u_char fill);


int
main(void)
{
    test_values();
    test_tags();
    test_order();
    test_lower_bound();
    test_validity();
    test_uuids();

    return unit_done();
}


static void
test_values(void)
{
    u_char           *end, buf[NGX_IOT_OPERATION_ID_LEN];
    ngx_str_t         id;
    ngx_uint_t        i;
    const id_case_t  *c;

    for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        c = &ids[i];

        end = ngx_iot_id_make(buf, c->shard, c->now,
                              (const u_char *) c->random);

        id.len = end - buf;
        id.data = buf;

        unit_is_str(&id, c->id, "shard %lu at %ju ms is %s",
                    (unsigned long) c->shard, (uintmax_t) c->now, c->id);

        unit_ok(ngx_iot_id_valid(&id), "%s is valid", c->id);
        unit_ok(ngx_iot_id_time(&id) == ngx_min(c->now, 35184372088831),
                "... and knows its time");
    }
}


/* the tag is what the id begins with, and sorts as the shard does */
static void
test_tags(void)
{
    u_char      *end, tag[2], before[2], buf[NGX_IOT_OPERATION_ID_LEN];
    ngx_str_t    id;
    ngx_uint_t   shard, wrong;

    id.data = buf;
    wrong = 0;

    for (shard = 0; shard < 1024; shard++) {
        end = ngx_iot_id_tag(tag, shard);
        make(&id, shard, 1761955200000, 0x5a);

        if (end != tag + 2 || ngx_memcmp(tag, id.data, 2) != 0) {
            wrong++;
        }

        if (shard && ngx_memcmp(before, tag, 2) >= 0) {
            wrong++;
        }

        ngx_memcpy(before, tag, 2);
    }

    unit_is_int(wrong, 0, "the tags of all 1024 shards");
}


static void
test_order(void)
{
    u_char           buf[2][NGX_IOT_OPERATION_ID_LEN];
    ngx_str_t        earlier, later;
    ngx_uint_t       wrong;
    ngx_iot_msec_t   now, step;

    earlier.data = buf[0];
    later.data = buf[1];

    wrong = 0;
    now = 1;

    for (step = 1; now < 35184372088831; step = step * 3 / 2 + 1) {

        /* the most that random can do against the order */

        make(&earlier, 1023, now - 1, 0xff);
        make(&later, 1023, now, 0x00);

        if (ngx_memcmp(earlier.data, later.data, later.len) >= 0) {
            wrong++;
        }

        now += step;
    }

    unit_is_int(wrong, 0, "within a shard ids sort as their times");
}


static void
test_lower_bound(void)
{
    u_char     *end, buf[2][NGX_IOT_OPERATION_ID_LEN];
    ngx_str_t   id, bound;

    id.data = buf[0];
    bound.data = buf[1];

    end = ngx_iot_id_lower_bound(bound.data, 517, 1761955200000);
    bound.len = end - bound.data;

    unit_is_str(&bound, "g51j8ubdf00000000000", "a lower bound");

    make(&id, 517, 1761955199999, 0xff);
    unit_ok(ngx_memcmp(id.data, bound.data, id.len) < 0,
            "the last id of the millisecond before is less");

    make(&id, 517, 1761955200000, 0x00);
    unit_ok(ngx_memcmp(id.data, bound.data, id.len) == 0,
            "the first id of the millisecond is equal");

    make(&id, 516, 1761955200001, 0xff);
    unit_ok(ngx_memcmp(id.data, bound.data, id.len) < 0,
            "all ids of the shard before are less");
}


static void
test_validity(void)
{
    ngx_str_t             id;
    ngx_uint_t            i;
    const id_validity_t  *c;

    for (i = 0; i < sizeof(operation_ids) / sizeof(operation_ids[0]); i++) {
        c = &operation_ids[i];
        id = unit_copy(unit_pool(), c->id.data, c->id.len);

        unit_is_int(ngx_iot_id_valid(&id), c->valid,
                    "id of an operation: %s", c->what);
    }

    for (i = 0; i < sizeof(resource_ids) / sizeof(resource_ids[0]); i++) {
        c = &resource_ids[i];
        id = unit_copy(unit_pool(), c->id.data, c->id.len);

        unit_is_int(ngx_iot_id_resource_valid(&id), c->valid,
                    "id of a resource: %s", c->what);
    }
}


static void
make(ngx_str_t *id, ngx_uint_t shard, ngx_iot_msec_t now, u_char fill)
{
    u_char  *end, random[NGX_IOT_ID_RANDOM_LEN];

    ngx_memset(random, fill, NGX_IOT_ID_RANDOM_LEN);

    end = ngx_iot_id_make(id->data, shard, now, random);
    id->len = end - id->data;
}


static void
test_uuids(void)
{
    u_char      uuid[NGX_IOT_UUID_LEN];
    ngx_str_t   bytes;
    ngx_uint_t  i;

    bytes.data = uuid;
    bytes.len = NGX_IOT_UUID_LEN;

    for (i = 0; i < sizeof(uuids) / sizeof(uuids[0]); i++) {
        ngx_memzero(uuid, NGX_IOT_UUID_LEN);

        unit_is_int(ngx_iot_id_uuid(&uuids[i].id, uuid),
                    uuids[i].valid ? NGX_OK : NGX_DECLINED,
                    "UUID: %s", uuids[i].what);

        if (uuids[i].valid) {
            unit_is_mem(&bytes, "\0\x11\x22\x33\x44\x55\x66\x77"
                                "\x88\x99\xaa\xbb\xcc\xdd\xee\xff",
                        NGX_IOT_UUID_LEN, "... its bytes");
        }
    }
}
