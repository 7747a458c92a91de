
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"

#include "ngx_iot_resp.h"


#define TEXT_MAX     8192
#define DEPTH_LIMIT  4
#define NODES_LIMIT  10
#define SIZE_LIMIT   100


#define feed(resp, text)                                                      \
    ngx_iot_resp_feed(resp, (u_char *) text, sizeof(text) - 1)


typedef struct {
    const char   *name;
    const char   *input;
    const char   *want;         /* see read_replies() */
} resp_case_t;


typedef struct {
    const char              *name;
    const char              *error;
    ngx_iot_resp_refusal_e   want;
} refusal_case_t;


static const ngx_iot_resp_limits_t  limits = {
    DEPTH_LIMIT, NODES_LIMIT, SIZE_LIMIT
};


static const resp_case_t  replies[] = {

    { "nothing", "", "more" },
    { "status", "+OK\r\n", "+OK more" },
    { "empty status", "+\r\n", "+ more" },
    { "error", "-ERR what\r\n", "-ERR what more" },
    { "integer", ":42\r\n", ":42 more" },
    { "negative integer", ":-9223372036854775807\r\n",
      ":-9223372036854775807 more" },
    { "bulk string", "$3\r\nfoo\r\n", "$foo more" },
    { "empty bulk string", "$0\r\n\r\n", "$ more" },
    { "bulk string with CRLF and a reply inside", "$7\r\na\r\n+b\r\n\r\n",
      "$a\r\n+b\r\n more" },
    { "nil string", "$-1\r\n", "_ more" },
    { "nil array", "*-1\r\n", "_ more" },
    { "empty array", "*0\r\n", "*0() more" },
    { "array", "*3\r\n:1\r\n$1\r\na\r\n+b\r\n", "*3(:1 $a +b ) more" },
    { "array with nils", "*2\r\n$-1\r\n*-1\r\n", "*2(_ _ ) more" },
    { "array with an error", "*1\r\n-ERR x\r\n", "*1(-ERR x ) more" },
    { "nested arrays", "*2\r\n*1\r\n:1\r\n*2\r\n*0\r\n:2\r\n",
      "*2(*1(:1 ) *2(*0() :2 ) ) more" },
    { "two replies", "+a\r\n+b\r\n", "+a +b more" },
    { "reply and a half", "+a\r\n$5\r\nab", "+a more" },

    { "line that is cut", "+O", "more" },
    { "line that is cut in its CRLF", "+OK\r", "more" },
    { "bulk string that is cut", "$3\r\nfo", "more" },
    { "bulk string without its CRLF", "$3\r\nfoo", "more" },
    { "array that is cut", "*2\r\n:1\r\n", "more" },

    { "HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", "error" },
    { "unknown type", "?x\r\n", "error" },
    { "reply, then garbage", "+OK\r\nxx\r\n", "+OK error" },
    { "inline text", "PONG\r\n", "error" },
    { "NUL", "@", "error" },

    { "map of RESP3", "%1\r\n+a\r\n+b\r\n", "error" },
    { "set of RESP3", "~1\r\n+a\r\n", "error" },
    { "push of RESP3", ">1\r\n+a\r\n", "error" },
    { "double of RESP3", ",1.5\r\n", "error" },
    { "boolean of RESP3", "#t\r\n", "error" },
    { "nil of RESP3", "_\r\n", "error" },
    { "big number of RESP3", "(12345678901234567890\r\n", "error" },
    { "verbatim string of RESP3", "=7\r\ntxt:abc\r\n", "error" },

    { "array of 2e9 elements", "*2000000000\r\n", "error" },
    { "array of more elements than a size_t has", "*99999999999999999999\r\n",
      "error" },
    { "bulk string of 4 GB that has not come", "$4294967296\r\nabc", "more" },
    { "arrays nested without an end",
      "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "error" },
    { "deep array that is complete", "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
      "error" }
};


/* what Redis 7.0 and, where it says so, Redis 6 answer */

static const refusal_case_t  refusals[] = {

    { "NOSCRIPT", "NOSCRIPT No matching script. Please use EVAL.",
      NGX_IOT_RESP_NO_SCRIPT },
    { "LOADING", "LOADING Redis is loading the dataset in memory",
      NGX_IOT_RESP_NOT_READY },
    { "MASTERDOWN", "MASTERDOWN Link with MASTER is down",
      NGX_IOT_RESP_NOT_READY },
    { "BUSY", "BUSY Redis is busy running a script. You can only call "
      "SCRIPT KILL or SHUTDOWN NOSAVE.", NGX_IOT_RESP_REFUSED },
    { "READONLY", "READONLY You can't write against a read only replica.",
      NGX_IOT_RESP_READ_ONLY },
    { "OOM", "OOM command not allowed when used memory > 'maxmemory'.",
      NGX_IOT_RESP_REFUSED },
    { "MISCONF", "MISCONF Redis is configured to save RDB snapshots",
      NGX_IOT_RESP_REFUSED },
    { "NOREPLICAS", "NOREPLICAS Not enough good replicas to write.",
      NGX_IOT_RESP_REFUSED },
    { "CLUSTERDOWN", "CLUSTERDOWN Hash slot not served",
      NGX_IOT_RESP_CLUSTER_DOWN },
    { "TRYAGAIN", "TRYAGAIN Multiple keys request during rehashing of slot",
      NGX_IOT_RESP_TRY_AGAIN },
    { "MOVED", "MOVED 3999 127.0.0.1:6381", NGX_IOT_RESP_MOVED },
    { "ASK", "ASK 3999 127.0.0.1:6381", NGX_IOT_RESP_ASK },
    { "NOAUTH", "NOAUTH Authentication required.", NGX_IOT_RESP_REFUSED },
    { "NOPERM", "NOPERM this user has no permissions to run the 'set' command",
      NGX_IOT_RESP_REFUSED },
    { "WRONGPASS", "WRONGPASS invalid username-password pair",
      NGX_IOT_RESP_REFUSED },
    { "word alone", "BUSY", NGX_IOT_RESP_REFUSED },

    { "WRONGTYPE", "WRONGTYPE Operation against a key",
      NGX_IOT_RESP_NOT_REFUSED },
    { "ERR", "ERR syntax error", NGX_IOT_RESP_NOT_REFUSED },
    { "BUSYGROUP is not BUSY", "BUSYGROUP Consumer Group name already exists",
      NGX_IOT_RESP_NOT_REFUSED },
    { "word that is not the first", "ERR OOM x", NGX_IOT_RESP_NOT_REFUSED },
    { "lower case", "oom x", NGX_IOT_RESP_NOT_REFUSED },
    { "empty", "", NGX_IOT_RESP_NOT_REFUSED },

    { "OOM in a script", "OOM command not allowed when used memory > "
      "'maxmemory'. script: caeeee01384f6b04384c56d69c27aa65287fb306, "
      "on @user_script:1.", NGX_IOT_RESP_REFUSED },
    { "NOREPLICAS in a script", "NOREPLICAS Not enough good replicas to "
      "write. script: caeeee01384f6b04384c56d69c27aa65287fb306, "
      "on @user_script:1.", NGX_IOT_RESP_REFUSED },
    { "MISCONF in a script", "MISCONF Errors writing to the AOF file: No "
      "space left on device script: "
      "caeeee01384f6b04384c56d69c27aa65287fb306, on @user_script:1.",
      NGX_IOT_RESP_REFUSED },
    { "READONLY in a script", "READONLY You can't write against a read only "
      "replica. script: caeeee01384f6b04384c56d69c27aa65287fb306, "
      "on @user_script:1.", NGX_IOT_RESP_READ_ONLY },
    { "NOPERM in a script may come after a write", "NOPERM User u has no "
      "permissions to run the 'set' command script: "
      "caeeee01384f6b04384c56d69c27aa65287fb306, on @user_script:2.",
      NGX_IOT_RESP_NOT_REFUSED },
    { "permissions in a script of Redis 7.0", "ERR The user executing the "
      "script can't run this command or subcommand script: "
      "caeeee01384f6b04384c56d69c27aa65287fb306, on @user_script:2.",
      NGX_IOT_RESP_NOT_REFUSED },
    { "CLUSTERDOWN in a script may come after a write", "CLUSTERDOWN Hash "
      "slot not served script: caeeee01384f6b04384c56d69c27aa65287fb306, "
      "on @user_script:2.", NGX_IOT_RESP_NOT_REFUSED },

    { "OOM in a script of Redis 6", "ERR Error running script (call to "
      "f_caeeee01384f6b04384c56d69c27aa65287fb306): @user_script:1: "
      "-OOM command not allowed when used memory > 'maxmemory'.",
      NGX_IOT_RESP_REFUSED },
    { "OOM in a script of Redis 6.2", "ERR Error running script (call to "
      "f_caeeee01384f6b04384c56d69c27aa65287fb306): @user_script:1: "
      "@user_script: 1: -OOM command not allowed when used memory > "
      "'maxmemory'.", NGX_IOT_RESP_REFUSED },
    { "READONLY in a script of Redis 6", "ERR Error running script (call to "
      "f_caeeee01384f6b04384c56d69c27aa65287fb306): @user_script:12: "
      "READONLY You can't write against a read only replica.",
      NGX_IOT_RESP_READ_ONLY },
    { "WRONGTYPE in a script of Redis 6", "ERR Error running script (call to "
      "f_caeeee01384f6b04384c56d69c27aa65287fb306): @user_script:12: "
      "WRONGTYPE Operation against a key", NGX_IOT_RESP_NOT_REFUSED },
    { "place at the very end", "ERR Error running script @user_script:1",
      NGX_IOT_RESP_NOT_REFUSED }
};


static u_char  text[TEXT_MAX];


static u_char *
add_reply(u_char *p, const ngx_iot_resp_reply_t *reply)
{
    u_char      *last;
    ngx_uint_t   i;

    static const char  marks[] = "_+-$:*";

    last = text + TEXT_MAX;

    p = ngx_slprintf(p, last, "%c", marks[reply->type]);

    switch (reply->type) {

    case NGX_IOT_RESP_NIL:
        break;

    case NGX_IOT_RESP_INTEGER:
        p = ngx_slprintf(p, last, "%L", reply->integer);
        break;

    case NGX_IOT_RESP_ARRAY:
        p = ngx_slprintf(p, last, "%ui(", reply->nelts);

        for (i = 0; i < reply->nelts; i++) {
            p = add_reply(p, reply->elts[i]);
        }

        p = ngx_slprintf(p, last, ")");
        break;

    default:
        p = ngx_slprintf(p, last, "%V", &reply->str);
        break;
    }

    return ngx_slprintf(p, last, " ");
}


/*
 * The input, fed in pieces of that many bytes, as text: the replies, each as
 * its mark and value, then what the parser said in the end.
 */
static ngx_str_t
read_replies(const ngx_str_t *input, size_t piece,
    const ngx_iot_resp_limits_t *lim)
{
    size_t                 n, done;
    u_char                *p;
    ngx_int_t              rc;
    ngx_str_t              result;
    ngx_iot_resp_t        *resp;
    ngx_iot_resp_reply_t  *reply;

    p = text;
    rc = NGX_AGAIN;
    resp = ngx_iot_resp_create(lim, &unit_log);

    for (done = 0; done < input->len && rc == NGX_AGAIN; done += n) {
        n = ngx_min(piece, input->len - done);

        rc = ngx_iot_resp_feed(resp, input->data + done, n);

        while (rc == NGX_OK) {
            rc = ngx_iot_resp_next(resp, &reply);

            if (rc == NGX_OK) {
                p = add_reply(p, reply);
            }
        }
    }

    p = ngx_sprintf(p, rc == NGX_AGAIN ? "more" : "error");

    if (rc == NGX_ERROR && ngx_iot_resp_reason(resp)->len == 0) {
        p = ngx_sprintf(p, " without a reason");
    }

    ngx_iot_resp_destroy(resp);

    result.data = text;
    result.len = p - text;

    return result;
}


static void
test_replies(void)
{
    ngx_str_t           input, got;
    ngx_uint_t          i, n;
    ngx_pool_t         *pool;
    const resp_case_t  *c;

    n = sizeof(replies) / sizeof(replies[0]);

    for (i = 0; i < n; i++) {
        c = &replies[i];
        pool = unit_pool();

        input = unit_copy(pool, c->input, ngx_strlen(c->input));

        got = read_replies(&input, input.len + 1, &limits);
        unit_is_str(&got, c->want, "%s", c->name);

        got = read_replies(&input, 1, &limits);
        unit_is_str(&got, c->want, "%s, byte by byte", c->name);

        got = read_replies(&input, 3, &limits);
        unit_is_str(&got, c->want, "%s, by three bytes", c->name);
    }
}


/* input has n of what no more than max may be had of */
static void
test_limit(const char *what, ngx_str_t *input, ngx_uint_t n, ngx_uint_t max)
{
    ngx_str_t   got;
    ngx_uint_t  accepted;

    got = read_replies(input, 65536, &limits);
    accepted = ngx_strncmp(got.data, "error", got.len) != 0;

    unit_is_int(accepted, n <= max, "%lu %s of %lu", (unsigned long) n, what,
                (unsigned long) max);

    got = read_replies(input, 1, &limits);
    accepted = ngx_strncmp(got.data, "error", got.len) != 0;

    unit_is_int(accepted, n <= max, "%lu %s of %lu, byte by byte",
                (unsigned long) n, what, (unsigned long) max);
}


static u_char *
add_filler(u_char *p, size_t n)
{
    ngx_memset(p, 'x', n);

    return p + n;
}


static void
test_depth_limit(ngx_uint_t n)
{
    u_char      buf[4096], *p;
    ngx_str_t   input;
    ngx_uint_t  i;

    p = buf;

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, "*1\r\n");
    }

    p = ngx_sprintf(p, ":1\r\n");

    input = unit_copy(unit_pool(), buf, p - buf);
    test_limit("levels", &input, n, DEPTH_LIMIT);
}


static void
test_nodes_limit(ngx_uint_t n)
{
    u_char      buf[4096], *p;
    ngx_str_t   input;
    ngx_uint_t  i;

    p = ngx_sprintf(buf, "*%ui\r\n", n);

    for (i = 0; i < n; i++) {
        p = ngx_sprintf(p, ":1\r\n");
    }

    input = unit_copy(unit_pool(), buf, p - buf);
    test_limit("elements", &input, n, NODES_LIMIT);

    /* the outer array has two of them */

    p = ngx_sprintf(buf, "*2\r\n:1\r\n*%ui\r\n", n - 2);

    for (i = 0; i < n - 2; i++) {
        p = ngx_sprintf(p, ":1\r\n");
    }

    input = unit_copy(unit_pool(), buf, p - buf);
    test_limit("elements in two arrays", &input, n, NODES_LIMIT);
}


static void
test_size_limit(ngx_uint_t n)
{
    u_char     buf[4096], *p;
    ngx_str_t  input;

    p = ngx_sprintf(buf, "$%ui\r\n", n);
    p = add_filler(p, n);
    p = ngx_sprintf(p, "\r\n");

    input = unit_copy(unit_pool(), buf, p - buf);
    test_limit("bytes", &input, n, SIZE_LIMIT);

    p = ngx_sprintf(buf, "+");
    p = add_filler(p, n);
    p = ngx_sprintf(p, "\r\n");

    input = unit_copy(unit_pool(), buf, p - buf);
    test_limit("bytes in a line", &input, n, SIZE_LIMIT);

    p = ngx_sprintf(buf, "*2\r\n$50\r\n");
    p = add_filler(p, 50);
    p = ngx_sprintf(p, "\r\n$%ui\r\n", n - 50);
    p = add_filler(p, n - 50);
    p = ngx_sprintf(p, "\r\n");

    input = unit_copy(unit_pool(), buf, p - buf);
    test_limit("bytes in two strings", &input, n, SIZE_LIMIT);
}


static void
test_limits(void)
{
    int  i;

    for (i = -1; i <= 1; i++) {
        test_depth_limit(DEPTH_LIMIT + i);
        test_nodes_limit(NODES_LIMIT + i);
        test_size_limit(SIZE_LIMIT + i);
    }
}


/* feeds piece until the parser refuses; returns how many bytes it took */
static size_t
feed_until_error(const char *start, const u_char *piece, size_t len,
    size_t max)
{
    size_t                 total;
    ngx_int_t              rc;
    ngx_iot_resp_t        *resp;
    ngx_iot_resp_reply_t  *reply;

    static const ngx_iot_resp_limits_t  big = { 4, 65536, 1024 * 1024 };

    resp = ngx_iot_resp_create(&big, &unit_log);
    rc = ngx_iot_resp_feed(resp, (u_char *) start, ngx_strlen(start));

    for (total = 0; rc == NGX_OK && total < max; total += len) {
        rc = ngx_iot_resp_feed(resp, piece, len);

        if (rc == NGX_OK && ngx_iot_resp_next(resp, &reply) == NGX_ERROR) {
            rc = NGX_ERROR;
        }
    }

    ngx_iot_resp_destroy(resp);

    return total;
}


static void
test_hostile(void)
{
    size_t      n;
    u_char     *piece;
    ngx_str_t   got, input;

    piece = ngx_palloc(unit_pool(), 65536);
    ngx_memset(piece, 'x', 65536);

    n = feed_until_error("+", piece, 65536, 16 * 1024 * 1024);
    unit_ok(n <= 2 * 65536, "a line without an end is refused after 64 KB");

    n = feed_until_error("$4294967296\r\n", piece, 65536, 16 * 1024 * 1024);
    unit_ok(n > 1024 * 1024 - 65536 && n <= 1024 * 1024 + 2 * 65536,
            "a string of 4 GB is refused after the limit of 1 MB");

    n = feed_until_error("$1", (u_char *) "1", 1, 1024 * 1024);
    unit_ok(n <= 65536, "a length without an end is refused after 64 KB");

    n = feed_until_error("", (u_char *) "*1\r\n", 4, 4 * 200000);
    unit_ok(n <= 4 * 5, "200,000 nested arrays are refused at the fifth");

    /* the quoted type byte of a protocol error */

    input = unit_copy(unit_pool(), "\x1b[2J", 4);
    got = read_replies(&input, 4, &limits);
    unit_is_str(&got, "error", "an escape sequence is an error");
}


static void
test_reason(void)
{
    ngx_uint_t             i;
    ngx_iot_resp_t        *resp;
    const ngx_str_t       *reason;
    ngx_iot_resp_reply_t  *reply;

    resp = ngx_iot_resp_create(&limits, &unit_log);

    (void) feed(resp, "\x01\xff\r\n");
    unit_is_int(ngx_iot_resp_next(resp, &reply), NGX_ERROR, "garbage");

    reason = ngx_iot_resp_reason(resp);
    unit_ok(reason->len > 0, "it has a reason");

    for (i = 0; i < reason->len; i++) {
        if (reason->data[i] < 0x20 || reason->data[i] > 0x7e) {
            break;
        }
    }

    unit_ok(i == reason->len, "the reason is printable");

    unit_is_int(feed(resp, "+OK\r\n"), NGX_ERROR,
                "nothing can be fed after an error");
    unit_is_int(ngx_iot_resp_next(resp, &reply), NGX_ERROR,
                "and there is no reply");

    ngx_iot_resp_destroy(resp);

    resp = ngx_iot_resp_create(&limits, &unit_log);

    (void) feed(resp, "*11\r\n");
    unit_is_int(ngx_iot_resp_next(resp, &reply), NGX_ERROR, "too long");
    unit_is_str(ngx_iot_resp_reason(resp), "reply has too many elements",
                "the reason is the limit, not hiredis's \"Out of memory\"");

    ngx_iot_resp_destroy(resp);
    ngx_iot_resp_destroy(NULL);
}


/* a reply lives until the next is asked for, whatever is fed meanwhile */
static void
test_lifetime(void)
{
    u_char                *line;
    ngx_uint_t             i;
    ngx_iot_resp_t        *resp;
    ngx_iot_resp_reply_t  *first, *second;

    static const ngx_iot_resp_limits_t  big = { 4, 65536, 1024 * 1024 };

    resp = ngx_iot_resp_create(&big, &unit_log);

    (void) feed(resp, "$5\r\nfirst\r\n$6\r\nsec");

    unit_is_int(ngx_iot_resp_next(resp, &first), NGX_OK, "first reply");

    (void) feed(resp, "ond\r\n");

    unit_is_str(&first->str, "first", "it is still there after a feed");
    unit_is_int(ngx_iot_resp_next(resp, &second), NGX_OK, "second reply");
    unit_is_str(&second->str, "second", "which is whole");

    /* a big one makes the pool be replaced */

    line = ngx_palloc(unit_pool(), 65536);
    ngx_memset(line, 'y', 65536);

    (void) feed(resp, "*40000\r\n");

    for (i = 0; i < 40000; i++) {
        (void) feed(resp, "$3\r\nabc\r\n");
        if (ngx_iot_resp_next(resp, &first) != NGX_AGAIN) {
            break;
        }
    }

    unit_is_int(i, 39999, "an array of 40,000");
    unit_is_int(first->nelts, 40000, "has them all");
    unit_is_str(&first->elts[39999]->str, "abc", "to the last");

    (void) feed(resp, ":7\r\n");
    unit_is_int(ngx_iot_resp_next(resp, &first), NGX_OK, "one after it");
    unit_is_int(first->integer, 7, "is right");

    ngx_iot_resp_destroy(resp);
}


static void
test_memory(void)
{
    ngx_uint_t             n;
    ngx_int_t              rc;
    ngx_iot_resp_t        *resp;
    ngx_iot_resp_reply_t  *reply;

    static u_char  input[] = "*2\r\n$3\r\nfoo\r\n*1\r\n:1\r\n";

    for (n = 1; n < 100; n++) {
        unit_fail_alloc(n);

        rc = NGX_ERROR;
        resp = ngx_iot_resp_create(&limits, &unit_log);

        if (resp) {
            rc = ngx_iot_resp_feed(resp, input, sizeof(input) - 1);

            if (rc == NGX_OK) {
                rc = ngx_iot_resp_next(resp, &reply);
            }

            if (rc == NGX_OK) {
                rc = ngx_iot_resp_next(resp, &reply);
            }

            ngx_iot_resp_destroy(resp);
        }

        if (!unit_alloc_failed()) {
            break;
        }

        unit_is_int(rc, NGX_ERROR, "allocation %lu fails",
                    (unsigned long) n);
    }

    unit_fail_alloc(0);
    unit_is_int(rc, NGX_AGAIN, "with memory it passes");
}


static void
test_request(const char *name, ngx_iot_resp_request_t *req,
    ngx_uint_t with_source, const char *want)
{
    size_t      size;
    u_char     *p;
    ngx_str_t   got;

    size = ngx_iot_resp_size(req, with_source);

    p = ngx_pnalloc(unit_pool(), size);

    got.data = p;
    got.len = ngx_iot_resp_write(p, req, with_source) - p;

    unit_ok(got.len <= size, "%s fits the size that was told", name);
    unit_is_str(&got, want, "%s", name);
}


static void
test_requests(void)
{
    ngx_str_t               argv[3];
    ngx_iot_resp_script_t   script;
    ngx_iot_resp_request_t  req;

    ngx_memzero(&script, sizeof(ngx_iot_resp_script_t));

    ngx_str_set(&argv[0], "GET");
    ngx_str_set(&argv[1], "key");
    ngx_str_null(&argv[2]);

    req.script = NULL;
    req.nkeys = 0;
    req.argc = 2;
    req.argv = argv;

    test_request("a command", &req, 0,
                 "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n");

    req.argc = 3;

    test_request("an empty argument", &req, 0,
                 "*3\r\n$3\r\nGET\r\n$3\r\nkey\r\n$0\r\n\r\n");

    req.argc = 1;
    ngx_str_set(&argv[0], "a\r\n*1\r\n");

    test_request("an argument that looks like protocol", &req, 0,
                 "*1\r\n$7\r\na\r\n*1\r\n\r\n");

    ngx_str_set(&script.name, "one");
    ngx_str_set(&script.source, "return 1");
    ngx_iot_resp_script_init(&script);

    unit_ok(ngx_memcmp(script.sha1,
                       "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", 40) == 0,
            "the SHA-1 is what SCRIPT LOAD answers");

    ngx_str_set(&argv[0], "k");
    ngx_str_set(&argv[1], "v");

    req.script = &script;
    req.nkeys = 1;
    req.argc = 2;

    test_request("a script by its name", &req, 0,
                 "*5\r\n$7\r\nEVALSHA\r\n"
                 "$40\r\ne0e1f9fabfc9d4800c877a703b823ac0578ff8db\r\n"
                 "$1\r\n1\r\n$1\r\nk\r\n$1\r\nv\r\n");

    test_request("a script with its source", &req, 1,
                 "*5\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n"
                 "$1\r\n1\r\n$1\r\nk\r\n$1\r\nv\r\n");

    req.nkeys = 0;
    req.argc = 0;

    test_request("a script without arguments", &req, 1,
                 "*3\r\n$4\r\nEVAL\r\n$8\r\nreturn 1\r\n$1\r\n0\r\n");
}


static void
test_refusals(void)
{
    ngx_uint_t             i, n;
    ngx_iot_resp_reply_t   reply;
    const refusal_case_t  *c;

    n = sizeof(refusals) / sizeof(refusals[0]);

    for (i = 0; i < n; i++) {
        c = &refusals[i];

        ngx_memzero(&reply, sizeof(ngx_iot_resp_reply_t));

        reply.type = NGX_IOT_RESP_ERROR;
        reply.str = unit_copy(unit_pool(), c->error, ngx_strlen(c->error));

        unit_is_int(ngx_iot_resp_refusal(&reply, 1), c->want, "%s", c->name);
    }

    reply.type = NGX_IOT_RESP_STRING;
    reply.str = unit_str(unit_pool(), "OOM is here a value");

    unit_is_int(ngx_iot_resp_refusal(&reply, 1), NGX_IOT_RESP_NOT_REFUSED,
                "a string is no error");

    /* what does not write cannot have written before */

    reply.type = NGX_IOT_RESP_ERROR;
    reply.str = unit_str(unit_pool(), "ERR The user executing the script "
                         "can't run this command or subcommand script: "
                         "caeeee01384f6b04384c56d69c27aa65287fb306, "
                         "on @user_script:2.");

    unit_is_int(ngx_iot_resp_refusal(&reply, 0), NGX_IOT_RESP_REFUSED,
                "permissions in a script that reads");

    reply.str = unit_str(unit_pool(), "NOPERM User u has no permissions to "
                         "run the 'get' command script: "
                         "caeeee01384f6b04384c56d69c27aa65287fb306, "
                         "on @user_script:2.");

    unit_is_int(ngx_iot_resp_refusal(&reply, 0), NGX_IOT_RESP_REFUSED,
                "the same as Redis 7.2 says it");

    reply.str = unit_str(unit_pool(), "WRONGTYPE Operation against a key");

    unit_is_int(ngx_iot_resp_refusal(&reply, 0), NGX_IOT_RESP_NOT_REFUSED,
                "an error is an error of what reads, too");
}


static void
test_quote(void)
{
    u_char      buf[NGX_IOT_RESP_QUOTE_LEN];
    ngx_str_t   got, in;
    ngx_uint_t  i;

    in = unit_str(unit_pool(), "a\r\n\t\x00\x7f\xe4z");

    got.data = buf;
    got.len = ngx_iot_resp_quote(buf, in.data, in.len);

    unit_is_str(&got, "a\\x0D\\x0A\\x09\\x00\\x7F\\xE4z", "a quoted text");

    in.data = ngx_palloc(unit_pool(), 1000);
    in.len = 1000;

    for (i = 0; i < in.len; i++) {
        in.data[i] = '\n';
    }

    got.len = ngx_iot_resp_quote(buf, in.data, in.len);

    unit_is_int(got.len, NGX_IOT_RESP_QUOTE_LEN, "no more than 200 bytes");
}


static void
test_hosts(void)
{
    u_char      ch;
    ngx_str_t   text;
    ngx_uint_t  i, n;

    unit_ok(ngx_iot_resp_is_host(&(ngx_str_t) ngx_null_string), "no host");

    text.data = &ch;
    text.len = 1;

    for (i = 0, n = 0; i < 256; i++) {
        ch = (u_char) i;
        n += ngx_iot_resp_is_host(&text);
    }

    unit_is_int(n, 26 + 26 + 10 + 4, "letters, digits and four more");

    text.len = NGX_IOT_RESP_HOST_MAX + 1;
    text.data = ngx_palloc(unit_pool(), text.len);
    ngx_memset(text.data, 'a', text.len);

    unit_ok(!ngx_iot_resp_is_host(&text), "a host that is too long");

    text.len--;
    unit_ok(ngx_iot_resp_is_host(&text), "one that is not");

    text.data[text.len - 1] = '\n';
    unit_ok(!ngx_iot_resp_is_host(&text), "the end of a line in a host");
}


int
main(void)
{
    test_replies();
    test_limits();
    test_hostile();
    test_reason();
    test_lifetime();
    test_memory();
    test_requests();
    test_refusals();
    test_quote();
    test_hosts();

    return unit_done();
}
