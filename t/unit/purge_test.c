
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_id.h"
#include "ngx_iot_scripts.h"
#include "ngx_iot_store_key.h"
#include "ngx_iot_store_purge.h"


/*
 * The delete of a registry, step by step, without a server: what each reply
 * makes of it.
 */


#define OPERATION_ID  "7e1k8627grr1081g8186"
#define JOB           "fleet\37" OPERATION_ID
#define PLACE         "time-60123456789abcdef0123456789abcdef"


static ngx_pool_t             *pool;
static ngx_iot_msec_t          marked, now;
static ngx_iot_store_t         store;
static ngx_iot_purge_t         purge;
static ngx_iot_resp_request_t  request;


static ngx_iot_resp_reply_t *
string(const char *text)
{
    ngx_iot_resp_reply_t  *reply;

    reply = ngx_pcalloc(pool, sizeof(ngx_iot_resp_reply_t));
    reply->type = text ? NGX_IOT_RESP_STRING : NGX_IOT_RESP_NIL;

    if (text) {
        reply->str = unit_copy(pool, text, ngx_strlen(text));
    }

    return reply;
}


static ngx_iot_resp_reply_t *
array(ngx_uint_t n, const char **texts)
{
    ngx_uint_t             i;
    ngx_iot_resp_reply_t  *reply;

    reply = ngx_pcalloc(pool, sizeof(ngx_iot_resp_reply_t));

    reply->type = NGX_IOT_RESP_ARRAY;
    reply->nelts = n;
    reply->elts = ngx_pcalloc(pool, (n + 1) * sizeof(void *));

    for (i = 0; i < n; i++) {
        reply->elts[i] = string(texts[i]);
    }

    return reply;
}


static ngx_iot_resp_reply_t *
word(const char *text)
{
    return array(1, &text);
}


/* MORE, and the operations that have added what is in the batch */
static ngx_iot_resp_reply_t *
more(ngx_uint_t n, const char **tokens)
{
    ngx_iot_resp_reply_t  *reply;

    const char  *texts[] = { "MORE", NULL };

    reply = array(2, texts);
    reply->elts[1] = array(n, tokens);

    return reply;
}


static ngx_int_t
next(ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_purge_next(&purge, &store, now, reply, &request);
}


static void
is_command(const char *command, const char *what)
{
    unit_is_str(&request.argv[0], command, "%s", what);
}


static void
is_script(ngx_iot_script_e script, const char *what)
{
    unit_ok(request.script == &ngx_iot_scripts[script], "%s", what);
}


/* a purge that has asked for the record */
static void
begin(void)
{
    ngx_str_t  registry_id, operation_id;

    pool = unit_pool();

    ngx_memzero(&store, sizeof(ngx_iot_store_t));

    store.pool = pool;
    store.log = &unit_log;
    ngx_str_set(&store.key_prefix, "gw:");

    ngx_str_set(&registry_id, "fleet");
    ngx_str_set(&operation_id, OPERATION_ID);

    marked = ngx_iot_id_time(&operation_id);
    now = marked + 1;

    ngx_iot_purge_init(&purge, &registry_id, &operation_id);

    (void) next(NULL);
}


/* ... that has got it, with this folder */
static ngx_int_t
read_record(const char *folder_id)
{
    const char  *record[] = {
        "1", OPERATION_ID, folder_id, "1795500000123", "fleet",
        "7e1k8613grr1081g8186"
    };

    begin();

    return next(array(6, record));
}


/* ... that has the list; the first batch is one certificate */
static void
list(void)
{
    (void) read_record("house");
    (void) next(word("OK"));
    (void) next(word(PLACE));
}


static void
test_whole(void)
{
    const char  *token = "7e1k8613grr1081g8186";

    unit_note("from the mark to the end");

    begin();
    is_command("HMGET", "the record is read");

    unit_is_int(read_record("house"), NGX_AGAIN, "it is ours");
    is_script(NGX_IOT_SCRIPT_RELEASE_NAME, "... its name is released");

    unit_is_int(next(word("OK")), NGX_AGAIN, "then");
    is_command("ZRANGEBYLEX", "... the list is read");

    unit_is_int(next(word(PLACE)), NGX_AGAIN, "a certificate");
    is_script(NGX_IOT_SCRIPT_PURGE_REGISTRY, "... is looked at");

    unit_is_int(next(more(1, &token)), NGX_AGAIN, "its claim");
    is_script(NGX_IOT_SCRIPT_RELEASE_CLAIMS, "... is released");

    unit_is_int(next(word("OK")), NGX_AGAIN, "then it");
    is_script(NGX_IOT_SCRIPT_PURGE_REGISTRY, "... is removed");

    unit_is_int(next(word("MORE")), NGX_AGAIN, "there may be more");
    is_command("ZRANGEBYLEX", "... the list is read again");

    unit_is_int(next(array(0, NULL)), NGX_AGAIN, "it is empty");
    is_script(NGX_IOT_SCRIPT_PURGE_REGISTRY, "... the registry is removed");

    unit_is_int(next(word("DONE")), NGX_AGAIN, "then");
    is_command("ZREM", "... the job is");
    unit_is_str(&request.argv[1], "gw:{00}:j", "... of the list of jobs");
    unit_is_str(&request.argv[2], JOB, "... by registry and operation");

    unit_is_int(next(string("1")), NGX_OK, "it is done");
}


/* another takes the job of who does not renew it */
static void
test_renewal(void)
{
    u_char  due[NGX_INT64_LEN + 1];

    unit_note("a delete that takes long");

    (void) read_record("house");
    now += NGX_IOT_PURGE_RENEWAL;

    unit_is_int(next(word("OK")), NGX_AGAIN, "time has passed");
    is_command("ZADD", "... the job is renewed");

    *ngx_sprintf(due, "%uL", now + NGX_IOT_PURGE_LEASE) = '\0';

    unit_is_str(&request.argv[2], "XX", "... if it is still there");
    unit_is_str(&request.argv[3], (char *) due, "... for a lease from now");
    unit_is_str(&request.argv[4], JOB, "... by registry and operation");

    unit_is_int(next(string("0")), NGX_AGAIN, "then it goes on");
    is_command("ZRANGEBYLEX", "... with the list");
}


static void
test_no_mark(void)
{
    const char  *record[] = { NULL, NULL, NULL, NULL, NULL, NULL };

    unit_note("a registry that has no mark of this operation");

    begin();
    unit_is_int(next(array(6, record)), NGX_DECLINED, "it may be on its way");

    begin();
    now = marked + NGX_IOT_STORE_FENCE_LIFE;

    unit_is_int(next(array(6, record)), NGX_AGAIN, "but not for ever");
    is_command("ZREM", "... the job is removed");
    unit_is_int(next(string("1")), NGX_DECLINED, "nothing was deleted");
}


static void
test_records(void)
{
    const char  *newer[] = {
        "2", OPERATION_ID, "house", "1795500000123", "fleet", ""
    };

    unit_note("other records");

    unit_is_int(read_record(""), NGX_AGAIN, "one made by hand, in no folder");
    is_command("ZRANGEBYLEX", "... has no name to release");

    begin();
    unit_is_int(next(array(6, newer)), NGX_DECLINED, "of a newer format");

    newer[0] = "1";
    newer[3] = "yesterday";

    begin();
    unit_is_int(next(array(6, newer)), NGX_DECLINED, "of no time");

    begin();
    unit_is_int(next(array(5, newer)), NGX_ERROR, "a field too few");
}


/* several may be at the same registry */
static void
test_another(void)
{
    const char  *token = "7e1k8613grr1081g8186";

    unit_note("another has come to the end");

    list();
    unit_is_int(next(word("GONE")), NGX_DECLINED, "before it was looked at");

    list();
    (void) next(more(1, &token));
    (void) next(word("OK"));
    unit_is_int(next(word("GONE")), NGX_DECLINED, "before it was removed");
}


static void
test_broken(void)
{
    const char  *tokens[] = { "7e1k8613grr1081g8186", "7" };

    unit_note("replies that our scripts do not make");

    (void) read_record("house");
    (void) next(word("OK"));
    unit_is_int(next(word("short")), NGX_ERROR, "a place that is none");

    (void) read_record("house");
    (void) next(word("OK"));
    unit_is_int(next(string(PLACE)), NGX_ERROR, "a list that is none");

    list();
    unit_is_int(next(word("DONE")), NGX_ERROR, "a look that removes");

    list();
    unit_is_int(next(word("WHAT")), NGX_ERROR, "a word");

    list();
    unit_is_int(next(more(2, tokens)), NGX_ERROR, "a claim too many");

    list();
    unit_is_int(next(word("MORE")), NGX_ERROR, "no claims");

    list();
    (void) next(more(1, tokens));
    unit_is_int(next(word("NEWER")), NGX_ERROR, "claims of a newer format");

    list();
    (void) next(more(1, tokens));
    (void) next(word("OK"));
    unit_is_int(next(word("NEWER")), NGX_ERROR, "a newer format");
}


int
main(void)
{
    test_whole();
    test_renewal();
    test_no_mark();
    test_records();
    test_another();
    test_broken();

    return unit_done();
}
