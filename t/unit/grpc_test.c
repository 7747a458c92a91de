
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_grpc.h"


typedef struct {
    const char        *body;
    size_t             len;
    ngx_iot_reason_e   reason;
} grpc_refused_t;


#define refused(body, reason)                                                 \
    { body, sizeof(body) - 1, NGX_IOT_REASON_##reason }

static const grpc_refused_t  refused_bodies[] = {

    /* no message, several, and a piece of another one */

    refused("", GRPC_NOT_UNARY),
    refused("\0\0\0\0\0\0\0\0\0\0", GRPC_NOT_UNARY),
    refused("\0\0\0\0\1a\0\0\0\0\1b", GRPC_NOT_UNARY),
    refused("\0\0\0\0\1ab", GRPC_NOT_UNARY),

    /* it ends too early */

    refused("\0", GRPC_MALFORMED),
    refused("\0\0\0\0", GRPC_MALFORMED),
    refused("\1\0\0\0", GRPC_MALFORMED),
    refused("\0\0\0\0\1", GRPC_MALFORMED),
    refused("\0\0\0\0\3ab", GRPC_MALFORMED),
    refused("\0\377\377\377\377ab", GRPC_MALFORMED),
    refused("\0\1\0\0\0a", GRPC_MALFORMED),
    refused("\0\0\1\0\0a", GRPC_MALFORMED),
    refused("\0\0\0\1\0a", GRPC_MALFORMED),

    /* flags */

    refused("\1\0\0\0\0", GRPC_ENCODING),
    refused("\1\0\0\0\1a", GRPC_ENCODING),
    refused("\2\0\0\0\0", GRPC_MALFORMED),
    refused("\377\0\0\0\1a", GRPC_MALFORMED),
    refused("\3", GRPC_MALFORMED)
};


typedef struct {
    const char  *value;
    ngx_msec_t   ms;
} grpc_timeout_t;


static const grpc_timeout_t  timeouts[] = {
    { "0S", 0 },
    { "0n", 0 },
    { "1n", 1 },
    { "999999n", 1 },
    { "1000000n", 1 },
    { "1000001n", 2 },
    { "99999999n", 100 },
    { "1u", 1 },
    { "1000u", 1 },
    { "1001u", 2 },
    { "99999999u", 100000 },
    { "1m", 1 },
    { "250m", 250 },
    { "00000250m", 250 },
    { "99999999m", NGX_IOT_GRPC_TIMEOUT_MAX },
    { "1S", 1000 },
    { "86400S", NGX_IOT_GRPC_TIMEOUT_MAX },
    { "99999999S", NGX_IOT_GRPC_TIMEOUT_MAX },
    { "1M", 60000 },
    { "99999999M", NGX_IOT_GRPC_TIMEOUT_MAX },
    { "1H", 3600000 },
    { "24H", NGX_IOT_GRPC_TIMEOUT_MAX },
    { "25H", NGX_IOT_GRPC_TIMEOUT_MAX },
    { "99999999H", NGX_IOT_GRPC_TIMEOUT_MAX }
};


static const char *const  bad_timeouts[] = {
    "", "S", "1", "10", "1s", "1h", "1us", "-1S", "+1S", " 1S", "1 S", "1S ",
    "1.5S", "0x1S", "100000000m", "000000001S", "1S, 2S", ", ", "SS", "1\303S"
};


static void
messages(void)
{
    ngx_int_t        rc;
    ngx_str_t        body, message;
    ngx_uint_t       i;
    ngx_pool_t      *pool;
    ngx_iot_error_t  err;

    pool = unit_pool();

    body = unit_str(pool, "\0\0\0\0\0");
    rc = ngx_iot_grpc_message(&body, &message, &err);

    unit_is_int(rc, NGX_OK, "an empty message");
    unit_is_int(message.len, 0, "an empty message has no bytes");

    body = unit_str(pool, "\0\0\0\0\3a\0b");
    rc = ngx_iot_grpc_message(&body, &message, &err);

    unit_is_int(rc, NGX_OK, "a message");
    unit_is_mem(&message, "a\0b", 3, "its bytes");

    body.len = 5 + 0x010203;
    body.data = ngx_pcalloc(pool, body.len);
    ngx_iot_grpc_prefix(body.data, 0x010203);
    rc = ngx_iot_grpc_message(&body, &message, &err);

    unit_is_int(rc, NGX_OK, "a long message");
    unit_is_int(message.len, 0x010203, "its length");

    for (i = 0; i < sizeof(refused_bodies) / sizeof(grpc_refused_t); i++) {
        body = unit_copy(pool, refused_bodies[i].body, refused_bodies[i].len);
        rc = ngx_iot_grpc_message(&body, &message, &err);

        unit_is_int(rc, NGX_DECLINED, "refused body %d", (int) i);
        unit_is_int(err.reason, refused_bodies[i].reason,
                    "refused body %d: reason", (int) i);
    }
}


static void
prefixes(void)
{
    u_char     buf[NGX_IOT_GRPC_PREFIX_LEN];
    ngx_str_t  prefix;

    prefix.data = buf;
    prefix.len = ngx_iot_grpc_prefix(buf, 0x01020304) - buf;

    unit_is_mem(&prefix, "\0\1\2\3\4", 5, "a prefix");
}


static void
deadlines(void)
{
    ngx_int_t        rc;
    ngx_str_t        value;
    ngx_uint_t       i;
    ngx_msec_t       ms;
    ngx_pool_t      *pool;
    ngx_iot_error_t  err;

    pool = unit_pool();

    for (i = 0; i < sizeof(timeouts) / sizeof(grpc_timeout_t); i++) {
        value = unit_copy(pool, timeouts[i].value,
                          ngx_strlen(timeouts[i].value));
        rc = ngx_iot_grpc_timeout(&value, &ms, &err);

        if (unit_is_int(rc, NGX_OK, "%s", timeouts[i].value)) {
            unit_is_int(ms, timeouts[i].ms, "%s: ms", timeouts[i].value);
        }
    }

    for (i = 0; i < sizeof(bad_timeouts) / sizeof(char *); i++) {
        value = unit_copy(pool, bad_timeouts[i], ngx_strlen(bad_timeouts[i]));
        rc = ngx_iot_grpc_timeout(&value, &ms, &err);

        if (unit_is_int(rc, NGX_DECLINED, "\"%s\"", bad_timeouts[i])) {
            unit_is_int(err.reason, NGX_IOT_REASON_GRPC_MALFORMED,
                        "\"%s\": reason", bad_timeouts[i]);
        }
    }
}


static void
escapes(void)
{
    u_char       dst[3 * 64];
    ngx_str_t    src, text;
    ngx_pool_t  *pool;

    pool = unit_pool();
    text.data = dst;

    src = unit_str(pool, " !\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~");
    text.len = ngx_iot_grpc_escape(dst, &src) - dst;
    unit_is_str(&text, " !\"#$&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
                "what is kept");

    src = unit_str(pool, "100%\r\n\t\177\xd0\x96\0");
    text.len = ngx_iot_grpc_escape(dst, &src) - dst;
    unit_is_str(&text, "100%25%0D%0A%09%7F%D0%96%00", "what is escaped");

    src = unit_str(pool, "");
    text.len = ngx_iot_grpc_escape(dst, &src) - dst;
    unit_is_int(text.len, 0, "nothing");
}


static void
trimmed(void)
{
    u_char           text[4096];
    ngx_str_t        value;
    ngx_pool_t      *pool;
    ngx_iot_error_t  err;

    pool = unit_pool();
    ngx_memset(text, 'x', sizeof(text));

    ngx_iot_field_error(&err, INVALID_FIELD, "name", "short");
    value.data = text;
    value.len = 256;
    ngx_iot_error_metadata(&err, "a", &value);
    value.len = 257;
    ngx_iot_error_metadata(&err, "b", &value);
    err.resource_name.data = text;
    err.resource_name.len = sizeof(text);

    unit_is_int(ngx_iot_grpc_trim(pool, &err), NGX_OK, "an error is trimmed");
    unit_is_str(&err.message, "short", "what is short stays");
    unit_is_str(&err.field, "name", "so does the field");
    unit_is_int(err.metadata[0].value.len, 256, "and what just fits");
    unit_is_int(err.metadata[1].value.len, 256, "what is longer is cut");
    unit_is_int(err.resource_name.len, 256, "of all names");
    unit_ok(ngx_memcmp(err.resource_name.data + 250, "xxx...", 6) == 0,
            "an ellipsis tells");

    /* 512 - 3 is in the middle of this character */

    ngx_memcpy(&text[507], "\xe2\x82\xac", 3);
    err.message.data = text;
    err.message.len = 513;

    unit_is_int(ngx_iot_grpc_trim(pool, &err), NGX_OK, "a long message");
    unit_is_int(err.message.len, 510, "a long message is cut");
    unit_ok(ngx_memcmp(err.message.data + 504, "xxx...", 6) == 0,
            "not in the middle of a character");

    ngx_memset(text, 0x80, sizeof(text));
    err.message.data = text;
    err.message.len = sizeof(text);

    unit_is_int(ngx_iot_grpc_trim(pool, &err), NGX_OK, "no text at all");
    unit_is_str(&err.message, "...", "only the ellipsis");
}


int
main(void)
{
    messages();
    prefixes();
    deadlines();
    escapes();
    trimmed();

    return unit_done();
}
