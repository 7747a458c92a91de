
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"

#include "ngx_iot_slots.h"


#define RANGES_MAX  300
#define TEXT_MAX    64


typedef struct {
    const char   *key;
    ngx_uint_t    slot;
} key_case_t;

typedef struct {
    const char   *text;
    ngx_int_t     rc;
    ngx_uint_t    slot;
    const char   *host;
    ngx_uint_t    port;
} redirect_case_t;

typedef struct {
    const char   *name;
    const char   *bytes;            /* as Redis sends them */
} table_case_t;


static void test_keys(void);
static void test_requests(void);
static void test_redirects(void);
static void test_table(void);
static void test_bad_tables(void);
static void test_many_servers(void);
static ngx_int_t read_table(const char *bytes, size_t len);


/* what CLUSTER KEYSLOT says */

static const key_case_t  keys[] = {
    { "", 0 },
    { "foo", 12182 },
    { "123456789", 12739 },
    { "{user1000}.following", 3443 },
    { "user1000", 3443 },
    { "foo{}{bar}", 8363 },
    { "foo{{bar}}zap", 4015 },
    { "foo{bar}{zap}", 5061 },
    { "bar", 5061 },
    { "foo{bar", 15278 },
    { "{0a}:r:fleet", 14610 },
    { "0a", 14610 }
};


static const redirect_case_t  redirects[] = {
    { "MOVED 3999 127.0.0.1:6381", NGX_OK, 3999, "127.0.0.1", 6381 },
    { "ASK 0 127.0.0.1:6381", NGX_OK, 0, "127.0.0.1", 6381 },
    { "MOVED 16383 node-1.example.com:65535", NGX_OK, 16383,
      "node-1.example.com", 65535 },
    { "MOVED 1 ::1:6381", NGX_OK, 1, "::1", 6381 },
    { "MOVED 1 :6381", NGX_OK, 1, "", 6381 },

    { "MOVED", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED ", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1 ", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1 127.0.0.1", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1 127.0.0.1:", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1 127.0.0.1:0", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1 127.0.0.1:65536", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1 127.0.0.1:6381 more", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1 ?:6381", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 1 a\"b:6381", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 16384 127.0.0.1:6381", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED -1 127.0.0.1:6381", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED  127.0.0.1:6381", NGX_DECLINED, 0, NULL, 0 },
    { "MOVED 99999999999999999999 127.0.0.1:6381", NGX_DECLINED, 0, NULL, 0 }
};


#define MASTER(host, port)  "*2\r\n" host ":" port "\r\n"
#define LOCAL               "$9\r\n127.0.0.1\r\n"


static const char  three[] =
    "*4\r\n"
    "*4\r\n:0\r\n:5460\r\n"
        "*4\r\n" LOCAL ":7000\r\n$2\r\nid\r\n*2\r\n$8\r\nhostname\r\n+x\r\n"
        MASTER(LOCAL, "7003")
    "*3\r\n:5461\r\n:10922\r\n" MASTER("$0\r\n\r\n", "7001")
    "*3\r\n:10924\r\n:16382\r\n" MASTER("$-1\r\n", "7002")
    "*3\r\n:16383\r\n:16383\r\n" MASTER(LOCAL, "7000");


static const table_case_t  bad[] = {
    { "an error", "-ERR This instance has cluster support disabled\r\n" },
    { "a nil", "*-1\r\n" },
    { "ranges that are none", "*1\r\n:1\r\n" },
    { "an empty range", "*1\r\n*0\r\n" },
    { "a range without a server", "*1\r\n*2\r\n:0\r\n:1\r\n" },
    { "a slot that is none",
      "*1\r\n*3\r\n$1\r\n0\r\n:1\r\n" MASTER(LOCAL, "1") },
    { "a negative slot", "*1\r\n*3\r\n:-1\r\n:1\r\n" MASTER(LOCAL, "1") },
    { "a slot too many", "*1\r\n*3\r\n:0\r\n:16384\r\n" MASTER(LOCAL, "1") },
    { "a range that runs back",
      "*1\r\n*3\r\n:2\r\n:1\r\n" MASTER(LOCAL, "1") },
    { "ranges that overlap",
      "*2\r\n*3\r\n:0\r\n:2\r\n" MASTER(LOCAL, "1")
      "*3\r\n:2\r\n:3\r\n" MASTER(LOCAL, "2") },
    { "a server that is none", "*1\r\n*3\r\n:0\r\n:1\r\n:1\r\n" },
    { "a server without a port",
      "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n" LOCAL },
    { "a host that is none",
      "*1\r\n*3\r\n:0\r\n:1\r\n" MASTER(":1\r\n", "1") },
    { "a port that is none",
      "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n" LOCAL "$1\r\n1\r\n" },
    { "a negative port", "*1\r\n*3\r\n:0\r\n:1\r\n" MASTER(LOCAL, "-1") },
    { "a port that is too big",
      "*1\r\n*3\r\n:0\r\n:1\r\n" MASTER(LOCAL, "65536") },
    { "an odd host",
      "*1\r\n*3\r\n:0\r\n:1\r\n" MASTER("$3\r\na\nb\r\n", "1") }
};


static const ngx_iot_resp_limits_t  limits = { 4, 65536, 1048576 };

static ngx_iot_resp_t         *resp;
static ngx_iot_slots_table_t   table;


int
main(void)
{
    test_keys();
    test_requests();
    test_redirects();
    test_table();
    test_bad_tables();
    test_many_servers();

    ngx_iot_resp_destroy(resp);

    return unit_done();
}


static void
test_keys(void)
{
    ngx_str_t   key;
    ngx_uint_t  i;

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        key = unit_copy(unit_pool(), keys[i].key, ngx_strlen(keys[i].key));

        unit_is_int(ngx_iot_slots_of_key(&key), keys[i].slot, "key \"%s\"",
                    keys[i].key);
    }
}


static void
test_requests(void)
{
    ngx_str_t               argv[] = { ngx_string("foo"), ngx_string("bar") };
    ngx_iot_resp_script_t   script;
    ngx_iot_resp_request_t  req;

    ngx_memzero(&req, sizeof(ngx_iot_resp_request_t));

    req.argv = argv;
    req.argc = 2;

    unit_is_int(ngx_iot_slots_of_request(&req), 5061, "key of a command");

    req.argc = 1;

    unit_is_int(ngx_iot_slots_of_request(&req), 0, "a command without one");

    req.script = &script;
    req.argc = 2;
    req.nkeys = 2;

    unit_is_int(ngx_iot_slots_of_request(&req), 12182, "key of a script");

    req.nkeys = 0;

    unit_is_int(ngx_iot_slots_of_request(&req), 0, "a script without one");
}


static void
test_redirects(void)
{
    ngx_str_t                  text;
    ngx_uint_t                 i;
    const redirect_case_t     *c;
    ngx_iot_slots_redirect_t   redirect;

    for (i = 0; i < sizeof(redirects) / sizeof(redirects[0]); i++) {
        c = &redirects[i];

        text = unit_copy(unit_pool(), c->text, ngx_strlen(c->text));

        unit_is_int(ngx_iot_slots_read_redirect(&redirect, &text), c->rc,
                    "\"%s\"", c->text);

        if (c->rc == NGX_OK) {
            unit_is_int(redirect.slot, c->slot, "its slot");
            unit_is_str(&redirect.server.host, c->host, "its host");
            unit_is_int(redirect.server.port, c->port, "its port");
        }
    }
}


static void
test_table(void)
{
    static const char  unknown[] =
        "*3\r\n"
        "*3\r\n:0\r\n:1\r\n" MASTER("$1\r\n?\r\n", "7000")
        "*3\r\n:2\r\n:3\r\n" MASTER(LOCAL, "0")
        "*3\r\n:4\r\n:4\r\n" MASTER("$3\r\n::1\r\n", "7000");

    unit_is_int(read_table("*0\r\n", 4), NGX_OK, "an empty table");
    unit_is_int(table.nservers, 0, "has no servers");
    unit_is_int(table.owners[0], NGX_IOT_SLOTS_NONE, "for a slot");

    unit_is_int(read_table(three, sizeof(three) - 1), NGX_OK, "a table");
    unit_is_int(table.nservers, 3, "has three servers");

    unit_is_int(table.owners[0], 0, "first slot");
    unit_is_int(table.owners[5460], 0, "last slot of the first");
    unit_is_int(table.owners[5461], 1, "first slot of the second");
    unit_is_int(table.owners[10923], NGX_IOT_SLOTS_NONE, "slot of nobody");
    unit_is_int(table.owners[10924], 2, "first slot of the third");
    unit_is_int(table.owners[16383], 0, "another range of the first");

    unit_is_str(&table.servers[0].host, "127.0.0.1", "host of the first");
    unit_is_int(table.servers[0].port, 7000, "port of the first");
    unit_is_str(&table.servers[1].host, "", "an empty host");
    unit_is_int(table.servers[1].port, 7001, "port of the second");
    unit_is_str(&table.servers[2].host, "", "a host that is nil");
    unit_is_int(table.servers[2].port, 7002, "port of the third");

    unit_is_int(read_table(unknown, sizeof(unknown) - 1), NGX_OK,
                "a table with servers that do not know where they are");
    unit_is_int(table.owners[0], NGX_IOT_SLOTS_NONE, "nobody's without host");
    unit_is_int(table.owners[2], NGX_IOT_SLOTS_NONE, "nobody's without port");
    unit_is_int(table.owners[4], 0, "the others are there");
    unit_is_str(&table.servers[0].host, "::1", "with an address of IPv6");
}


static void
test_bad_tables(void)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unit_is_int(read_table(bad[i].bytes, ngx_strlen(bad[i].bytes)),
                    NGX_DECLINED, "%s", bad[i].name);
    }
}


static void
test_many_servers(void)
{
    char       *p;
    ngx_uint_t  i, n;

    static char  text[RANGES_MAX * TEXT_MAX];

    for (n = NGX_IOT_SLOTS_SERVERS; n <= NGX_IOT_SLOTS_SERVERS + 1; n++) {

        p = text + sprintf(text, "*%u\r\n", (unsigned) n);

        for (i = 0; i < n; i++) {
            p += sprintf(p, "*3\r\n:%u\r\n:%u\r\n" MASTER(LOCAL, "%u"),
                         (unsigned) i, (unsigned) i, (unsigned) i + 1);
        }

        unit_is_int(read_table(text, p - text),
                    n <= NGX_IOT_SLOTS_SERVERS ? NGX_OK : NGX_DECLINED,
                    "%u servers", (unsigned) n);
    }
}


static ngx_int_t
read_table(const char *bytes, size_t len)
{
    ngx_iot_resp_reply_t  *reply;

    ngx_iot_resp_destroy(resp);

    resp = ngx_iot_resp_create(&limits, &unit_log);

    if (ngx_iot_resp_feed(resp, (u_char *) bytes, len) != NGX_OK
        || ngx_iot_resp_next(resp, &reply) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_slots_read(&table, reply);
}
