
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_sha1.h>

#include <hiredis/read.h>
#include <hiredis/hiredis.h>

#include "ngx_iot_resp.h"


/* what is given to hiredis at once: it rescans an unfinished line each time */
#define NGX_IOT_RESP_PIECE      65536

/* a line is a status, an error, a number or a length */
#define NGX_IOT_RESP_LINE       65536

/* a pool that grew beyond this is not kept for the next reply */
#define NGX_IOT_RESP_POOL_KEEP  65536
#define NGX_IOT_RESP_POOL_SIZE  4096


/* what hiredis says the length of an array with */
#if (HIREDIS_MAJOR >= 1)
typedef size_t  ngx_iot_resp_count_t;
#else
typedef int     ngx_iot_resp_count_t;
#endif


/* an error reply that tells that the command was not executed */

typedef struct {
    ngx_str_t               words;          /* the first */
    ngx_iot_resp_refusal_e  refusal;
    ngx_uint_t              in_script;      /* only before its first write */
} ngx_iot_resp_refusal_t;


struct ngx_iot_resp_s {
    redisReader                  *reader;
    const ngx_iot_resp_limits_t  *limits;
    ngx_pool_t                   *pool;
    ngx_log_t                    *log;

    /* of the reply being read */
    ngx_uint_t                    nodes;
    size_t                        size;        /* of its strings */
    size_t                        allocated;   /* from the pool */
    const char                   *refused;     /* why a limit stopped it */

    ngx_str_t                     reason;      /* in text */
    u_char                        text[NGX_IOT_RESP_QUOTE_LEN];

    unsigned                      delivered:1;
};


static size_t ngx_iot_resp_bulk_size(size_t len);
static u_char *ngx_iot_resp_write_bulk(u_char *p, const u_char *data,
    size_t len);
static u_char *ngx_iot_resp_write_script(u_char *p,
    const ngx_iot_resp_request_t *req, ngx_uint_t with_source);
static ngx_int_t ngx_iot_resp_renew_pool(ngx_iot_resp_t *resp);
static ngx_int_t ngx_iot_resp_check_pending(ngx_iot_resp_t *resp);
static char *ngx_iot_resp_line_end(char *p, size_t len);
static ngx_int_t ngx_iot_resp_fail(ngx_iot_resp_t *resp, const char *reason);

static ngx_uint_t ngx_iot_resp_in_script(ngx_str_t *text);
static ngx_uint_t ngx_iot_resp_begins_with(const ngx_str_t *text,
    const ngx_str_t *start);
static ngx_uint_t ngx_iot_resp_first_words_are(const ngx_str_t *text,
    const ngx_str_t *words);

static ngx_iot_resp_reply_t *ngx_iot_resp_add_node(const redisReadTask *task,
    ngx_iot_resp_type_e type);
static void *ngx_iot_resp_alloc(ngx_iot_resp_t *resp, size_t size);
static void *ngx_iot_resp_refuse(const redisReadTask *task,
    const char *reason);
static ngx_uint_t ngx_iot_resp_depth(const redisReadTask *task);

static void *ngx_iot_resp_create_string(const redisReadTask *task, char *str,
    size_t len);
static void *ngx_iot_resp_create_array(const redisReadTask *task,
    ngx_iot_resp_count_t nelts);
static void *ngx_iot_resp_create_integer(const redisReadTask *task,
    long long value);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_iot_resp_create_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_iot_resp_create_bool(const redisReadTask *task, int value);
#endif
static void *ngx_iot_resp_create_nil(const redisReadTask *task);
static void ngx_iot_resp_free_object(void *object);


static redisReplyObjectFunctions  ngx_iot_resp_functions = {
    .createString = ngx_iot_resp_create_string,
    .createArray = ngx_iot_resp_create_array,
    .createInteger = ngx_iot_resp_create_integer,
#if (HIREDIS_MAJOR >= 1)
    /* without these two hiredis hands out small integers as pointers */
    .createDouble = ngx_iot_resp_create_double,
    .createBool = ngx_iot_resp_create_bool,
#endif
    .createNil = ngx_iot_resp_create_nil,
    .freeObject = ngx_iot_resp_free_object
};


static const ngx_iot_resp_refusal_t  ngx_iot_resp_refusals[] = {
    { ngx_string("NOSCRIPT"), NGX_IOT_RESP_NO_SCRIPT, 0 },
    { ngx_string("READONLY"), NGX_IOT_RESP_READ_ONLY, 1 },
    { ngx_string("OOM"), NGX_IOT_RESP_REFUSED, 1 },
    { ngx_string("MISCONF"), NGX_IOT_RESP_REFUSED, 1 },
    { ngx_string("NOREPLICAS"), NGX_IOT_RESP_REFUSED, 1 },
    { ngx_string("LOADING"), NGX_IOT_RESP_NOT_READY, 0 },
    { ngx_string("MASTERDOWN"), NGX_IOT_RESP_NOT_READY, 0 },
    { ngx_string("BUSY"), NGX_IOT_RESP_REFUSED, 0 },
    { ngx_string("CLUSTERDOWN"), NGX_IOT_RESP_CLUSTER_DOWN, 0 },
    { ngx_string("TRYAGAIN"), NGX_IOT_RESP_TRY_AGAIN, 0 },
    { ngx_string("MOVED"), NGX_IOT_RESP_MOVED, 0 },
    { ngx_string("ASK"), NGX_IOT_RESP_ASK, 0 },
    { ngx_string("NOAUTH"), NGX_IOT_RESP_REFUSED, 0 },
    { ngx_string("NOPERM"), NGX_IOT_RESP_REFUSED, 0 },
    { ngx_string("WRONGPASS"), NGX_IOT_RESP_REFUSED, 0 },

    /* NOPERM of a command in a script, as Redis 7.0 says it */
    { ngx_string("ERR The user executing the script can't run"),
      NGX_IOT_RESP_REFUSED, 0 },

    { ngx_null_string, NGX_IOT_RESP_NOT_REFUSED, 0 }
};


void
ngx_iot_resp_script_init(ngx_iot_resp_script_t *script)
{
    u_char      digest[20];
    ngx_sha1_t  sha1;

    ngx_sha1_init(&sha1);
    ngx_sha1_update(&sha1, script->source.data, script->source.len);
    ngx_sha1_final(digest, &sha1);

    ngx_hex_dump(script->sha1, digest, sizeof(digest));
}


size_t
ngx_iot_resp_size(const ngx_iot_resp_request_t *req, ngx_uint_t with_source)
{
    size_t      size;
    ngx_uint_t  i;

    size = sizeof("*" CRLF) - 1 + NGX_SIZE_T_LEN;

    if (req->script) {
        size += ngx_iot_resp_bulk_size(sizeof("EVALSHA") - 1)
                + ngx_iot_resp_bulk_size(with_source
                                         ? req->script->source.len
                                         : sizeof(req->script->sha1))
                + ngx_iot_resp_bulk_size(NGX_SIZE_T_LEN);
    }

    for (i = 0; i < req->argc; i++) {
        size += ngx_iot_resp_bulk_size(req->argv[i].len);
    }

    return size;
}


u_char *
ngx_iot_resp_write(u_char *p, const ngx_iot_resp_request_t *req,
    ngx_uint_t with_source)
{
    ngx_uint_t  i;

    p = ngx_sprintf(p, "*%ui" CRLF, req->argc + (req->script ? 3 : 0));

    if (req->script) {
        p = ngx_iot_resp_write_script(p, req, with_source);
    }

    for (i = 0; i < req->argc; i++) {
        p = ngx_iot_resp_write_bulk(p, req->argv[i].data, req->argv[i].len);
    }

    return p;
}


static u_char *
ngx_iot_resp_write_script(u_char *p, const ngx_iot_resp_request_t *req,
    ngx_uint_t with_source)
{
    u_char                 *last, nkeys[NGX_INT_T_LEN];
    ngx_iot_resp_script_t  *script;

    script = req->script;

    if (with_source) {
        p = ngx_iot_resp_write_bulk(p, (u_char *) "EVAL", sizeof("EVAL") - 1);
        p = ngx_iot_resp_write_bulk(p, script->source.data,
                                    script->source.len);

    } else {
        p = ngx_iot_resp_write_bulk(p, (u_char *) "EVALSHA",
                                    sizeof("EVALSHA") - 1);
        p = ngx_iot_resp_write_bulk(p, script->sha1, sizeof(script->sha1));
    }

    last = ngx_sprintf(nkeys, "%ui", req->nkeys);

    return ngx_iot_resp_write_bulk(p, nkeys, last - nkeys);
}


static size_t
ngx_iot_resp_bulk_size(size_t len)
{
    return sizeof("$" CRLF CRLF) - 1 + NGX_SIZE_T_LEN + len;
}


static u_char *
ngx_iot_resp_write_bulk(u_char *p, const u_char *data, size_t len)
{
    p = ngx_sprintf(p, "$%uz" CRLF, len);

    if (len) {
        p = ngx_cpymem(p, data, len);
    }

    *p++ = CR;
    *p++ = LF;

    return p;
}


/* as deep as the limits let it be */
ngx_iot_resp_reply_t *
ngx_iot_resp_copy(ngx_pool_t *pool, const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t             i;
    ngx_iot_resp_reply_t  *copy;

    copy = ngx_palloc(pool, sizeof(ngx_iot_resp_reply_t));
    if (copy == NULL) {
        return NULL;
    }

    *copy = *reply;

    if (reply->str.len) {
        copy->str.data = ngx_pstrdup(pool, (ngx_str_t *) &reply->str);
        if (copy->str.data == NULL) {
            return NULL;
        }
    }

    if (reply->nelts == 0) {
        return copy;
    }

    copy->elts = ngx_palloc(pool,
                            reply->nelts * sizeof(ngx_iot_resp_reply_t *));
    if (copy->elts == NULL) {
        return NULL;
    }

    for (i = 0; i < reply->nelts; i++) {
        copy->elts[i] = ngx_iot_resp_copy(pool, reply->elts[i]);
        if (copy->elts[i] == NULL) {
            return NULL;
        }
    }

    return copy;
}


const ngx_str_t *
ngx_iot_resp_field(const ngx_iot_resp_reply_t *reply, const char *name)
{
    size_t                       len;
    ngx_uint_t                   i;
    const ngx_iot_resp_reply_t  *key, *value;

    if (reply->type != NGX_IOT_RESP_ARRAY) {
        return NULL;
    }

    len = ngx_strlen(name);

    for (i = 0; i + 1 < reply->nelts; i += 2) {
        key = reply->elts[i];
        value = reply->elts[i + 1];

        if (key->type == NGX_IOT_RESP_STRING
            && value->type == NGX_IOT_RESP_STRING
            && key->str.len == len
            && ngx_strncmp(key->str.data, name, len) == 0)
        {
            return &value->str;
        }
    }

    return NULL;
}


ngx_iot_resp_t *
ngx_iot_resp_create(const ngx_iot_resp_limits_t *limits, ngx_log_t *log)
{
    ngx_iot_resp_t  *resp;

    resp = ngx_calloc(sizeof(ngx_iot_resp_t), log);
    if (resp == NULL) {
        return NULL;
    }

    resp->limits = limits;
    resp->log = log;

    resp->pool = ngx_create_pool(NGX_IOT_RESP_POOL_SIZE, log);
    if (resp->pool == NULL) {
        goto failed;
    }

    resp->reader = redisReaderCreateWithFunctions(&ngx_iot_resp_functions);
    if (resp->reader == NULL) {
        goto failed;
    }

    resp->reader->privdata = resp;

    return resp;

failed:

    ngx_iot_resp_destroy(resp);

    return NULL;
}


void
ngx_iot_resp_destroy(ngx_iot_resp_t *resp)
{
    if (resp == NULL) {
        return;
    }

    if (resp->reader) {
        redisReaderFree(resp->reader);
    }

    if (resp->pool) {
        ngx_destroy_pool(resp->pool);
    }

    ngx_free(resp);
}


ngx_int_t
ngx_iot_resp_feed(ngx_iot_resp_t *resp, const u_char *data, size_t len)
{
    size_t        pending;
    redisReader  *reader;

    reader = resp->reader;
    pending = reader->len - reader->pos;

    /*
     * The exact limits are kept by ngx_iot_resp_next(); this one holds
     * memory down whatever a caller does between two feeds.
     */

    if (len > NGX_IOT_RESP_PIECE
        || pending > resp->limits->size + NGX_IOT_RESP_LINE)
    {
        return ngx_iot_resp_fail(resp, "reply is too big");
    }

    if (redisReaderFeed(reader, (const char *) data, len) != REDIS_OK) {
        return ngx_iot_resp_fail(resp, reader->errstr);
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_resp_next(ngx_iot_resp_t *resp, ngx_iot_resp_reply_t **reply)
{
    void  *object;

    if (resp->delivered && ngx_iot_resp_renew_pool(resp) != NGX_OK) {
        return ngx_iot_resp_fail(resp, "no memory");
    }

    object = NULL;

    if (redisReaderGetReply(resp->reader, &object) != REDIS_OK) {
        return ngx_iot_resp_fail(resp, resp->refused ? resp->refused
                                                     : resp->reader->errstr);
    }

    if (object == NULL) {
        return ngx_iot_resp_check_pending(resp);
    }

    resp->delivered = 1;
    *reply = object;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_resp_renew_pool(ngx_iot_resp_t *resp)
{
    ngx_pool_t  *pool;

    if (resp->allocated <= NGX_IOT_RESP_POOL_KEEP) {
        ngx_reset_pool(resp->pool);

    } else {
        pool = ngx_create_pool(NGX_IOT_RESP_POOL_SIZE, resp->log);
        if (pool == NULL) {
            return NGX_ERROR;
        }

        ngx_destroy_pool(resp->pool);
        resp->pool = pool;
    }

    resp->nodes = 0;
    resp->size = 0;
    resp->allocated = 0;
    resp->delivered = 0;

    return NGX_OK;
}


/*
 * What hiredis holds when it asks for more begins with an unfinished line,
 * or with the line of an unfinished bulk string's length.  It would collect
 * either without an end, and search the former anew with each piece.
 */
static ngx_int_t
ngx_iot_resp_check_pending(ngx_iot_resp_t *resp)
{
    char         *start, *end;
    size_t        pending;
    redisReader  *reader;

    reader = resp->reader;
    pending = reader->len - reader->pos;

    if (pending == 0) {
        return NGX_AGAIN;
    }

    start = reader->buf + reader->pos;
    end = ngx_iot_resp_line_end(start, ngx_min(pending, NGX_IOT_RESP_LINE));

    if (end == NULL) {
        if (pending >= NGX_IOT_RESP_LINE) {
            return ngx_iot_resp_fail(resp, "line is too long");
        }

        return NGX_AGAIN;
    }

    pending -= end - start;

    if (pending > resp->limits->size + sizeof(CRLF) - 1) {
        return ngx_iot_resp_fail(resp, "reply is too big");
    }

    return NGX_AGAIN;
}


/* behind its CRLF; NULL: there is none in these bytes */
static char *
ngx_iot_resp_line_end(char *p, size_t len)
{
    char  *last;

    last = p + len;

    while ((p = memchr(p, CR, last - p)) != NULL) {
        p++;

        if (p < last && *p == LF) {
            return p + 1;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_iot_resp_fail(ngx_iot_resp_t *resp, const char *reason)
{
    /* hiredis may quote bytes of the server */

    resp->reason.data = resp->text;
    resp->reason.len = ngx_iot_resp_quote(resp->text, (u_char *) reason,
                                          ngx_strlen(reason));

    return NGX_ERROR;
}


const ngx_str_t *
ngx_iot_resp_reason(const ngx_iot_resp_t *resp)
{
    return &resp->reason;
}


/*
 * An error that a command raised inside of a script reads
 *
 *     OOM command not allowed ... script: <sha1>, on @user_script:1.
 *
 * since Redis 7, and before
 *
 *     ERR Error running script (call to f_<sha1>): @user_script:1: -OOM ...
 *
 * The script may have written before, but for the codes that a server gives
 * to a script's first write only.
 */
ngx_iot_resp_refusal_e
ngx_iot_resp_refusal(const ngx_iot_resp_reply_t *reply, ngx_uint_t writes)
{
    ngx_str_t                      text;
    ngx_uint_t                     in_script;
    const ngx_iot_resp_refusal_t  *refusal;

    if (reply->type != NGX_IOT_RESP_ERROR) {
        return NGX_IOT_RESP_NOT_REFUSED;
    }

    text = reply->str;
    in_script = ngx_iot_resp_in_script(&text);

    for (refusal = ngx_iot_resp_refusals; refusal->words.len; refusal++) {

        if (ngx_iot_resp_first_words_are(&text, &refusal->words)
            && (!in_script || !writes || refusal->in_script))
        {
            return refusal->refusal;
        }
    }

    return NGX_IOT_RESP_NOT_REFUSED;
}


/* text becomes what the command inside of the script said */
static ngx_uint_t
ngx_iot_resp_in_script(ngx_str_t *text)
{
    u_char     *p, *last;
    ngx_str_t   rest;

    static const ngx_str_t  redis6 = ngx_string("ERR Error running script");
    static const ngx_str_t  place = ngx_string("@user_script:");

    last = text->data + text->len;

    p = ngx_strlcasestrn(text->data, last, place.data, place.len - 1);
    if (p == NULL) {
        return 0;
    }

    if (!ngx_iot_resp_begins_with(text, &redis6)) {
        return 1;
    }

    /* the place with its line's number may be there twice */

    rest.data = p;
    rest.len = last - p;

    while (ngx_iot_resp_begins_with(&rest, &place)) {
        p = rest.data + place.len;

        while (p < last && (*p == ' ' || *p == ':'
                            || (*p >= '0' && *p <= '9')))
        {
            p++;
        }

        rest.data = p;
        rest.len = last - p;
    }

    if (rest.len && rest.data[0] == '-') {
        rest.data++;
        rest.len--;
    }

    *text = rest;

    return 1;
}


static ngx_uint_t
ngx_iot_resp_begins_with(const ngx_str_t *text, const ngx_str_t *start)
{
    return text->len >= start->len
           && ngx_strncmp(text->data, start->data, start->len) == 0;
}


static ngx_uint_t
ngx_iot_resp_first_words_are(const ngx_str_t *text, const ngx_str_t *words)
{
    return ngx_iot_resp_begins_with(text, words)
           && (text->len == words->len || text->data[words->len] == ' ');
}


size_t
ngx_iot_resp_quote(u_char *dst, const u_char *text, size_t len)
{
    u_char  *p;
    size_t   i;

    p = dst;

    for (i = 0; i < len && i < NGX_IOT_RESP_QUOTE_MAX; i++) {

        if (text[i] >= ' ' && text[i] < 0x7f) {
            *p++ = text[i];

        } else {
            p = ngx_sprintf(p, "\\x%02Xd", text[i]);
        }
    }

    return p - dst;
}


/* it is compared, resolved, verified and logged: nothing odd is let in */
ngx_uint_t
ngx_iot_resp_is_host(const ngx_str_t *text)
{
    u_char  ch;
    size_t  i;

    if (text->len > NGX_IOT_RESP_HOST_MAX) {
        return 0;
    }

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if (!((ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z')
              || (ch >= 'A' && ch <= 'Z') || ch == '.' || ch == '-'
              || ch == '_' || ch == ':'))
        {
            return 0;
        }
    }

    return 1;
}


/* what follows is called by hiredis as it parses; NULL stops it for good */
static void *
ngx_iot_resp_create_string(const redisReadTask *task, char *str, size_t len)
{
    ngx_iot_resp_t        *resp;
    ngx_iot_resp_reply_t  *node;

    resp = task->privdata;

    if (len > resp->limits->size - resp->size) {
        return ngx_iot_resp_refuse(task, "reply is too big");
    }

    switch (task->type) {

    case REDIS_REPLY_STRING:
        node = ngx_iot_resp_add_node(task, NGX_IOT_RESP_STRING);
        break;

    case REDIS_REPLY_STATUS:
        node = ngx_iot_resp_add_node(task, NGX_IOT_RESP_STATUS);
        break;

    case REDIS_REPLY_ERROR:
        node = ngx_iot_resp_add_node(task, NGX_IOT_RESP_ERROR);
        break;

    default:
        return ngx_iot_resp_refuse(task, "string is not of RESP2");
    }

    if (node == NULL) {
        return NULL;
    }

    resp->size += len;

    node->str.len = len;
    node->str.data = ngx_iot_resp_alloc(resp, len + 1);

    if (node->str.data == NULL) {
        return NULL;
    }

    *ngx_cpymem(node->str.data, str, len) = '\0';

    return node;
}


static void *
ngx_iot_resp_create_array(const redisReadTask *task,
    ngx_iot_resp_count_t nelts)
{
    size_t                 size;
    ngx_uint_t             n;
    ngx_iot_resp_t        *resp;
    ngx_iot_resp_reply_t  *node;

    n = (ngx_uint_t) nelts;
    resp = task->privdata;

    if (task->type != REDIS_REPLY_ARRAY) {
        return ngx_iot_resp_refuse(task, "aggregate is not of RESP2");
    }

    if (ngx_iot_resp_depth(task) > resp->limits->depth) {
        return ngx_iot_resp_refuse(task, "arrays are nested too deep");
    }

    if (n > resp->limits->nodes - resp->nodes) {
        return ngx_iot_resp_refuse(task, "reply has too many elements");
    }

    node = ngx_iot_resp_add_node(task, NGX_IOT_RESP_ARRAY);
    if (node == NULL) {
        return NULL;
    }

    resp->nodes += n;

    if (n == 0) {
        return node;
    }

    size = n * sizeof(ngx_iot_resp_reply_t *);

    node->elts = ngx_iot_resp_alloc(resp, size);
    if (node->elts == NULL) {
        return NULL;
    }

    ngx_memzero(node->elts, size);
    node->nelts = n;

    return node;
}


static void *
ngx_iot_resp_create_integer(const redisReadTask *task, long long value)
{
    ngx_iot_resp_reply_t  *node;

    node = ngx_iot_resp_add_node(task, NGX_IOT_RESP_INTEGER);

    if (node) {
        node->integer = value;
    }

    return node;
}


static void *
ngx_iot_resp_create_nil(const redisReadTask *task)
{
    /* a nil of RESP2 is a string or an array of length -1 */

    if (task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_ARRAY) {
        return ngx_iot_resp_refuse(task, "nil is not of RESP2");
    }

    return ngx_iot_resp_add_node(task, NGX_IOT_RESP_NIL);
}


#if (HIREDIS_MAJOR >= 1)
static void *
ngx_iot_resp_create_double(const redisReadTask *task, double value, char *str,
    size_t len)
{
    return ngx_iot_resp_refuse(task, "double is not of RESP2");
}


static void *
ngx_iot_resp_create_bool(const redisReadTask *task, int value)
{
    return ngx_iot_resp_refuse(task, "boolean is not of RESP2");
}
#endif


static void
ngx_iot_resp_free_object(void *object)
{
    /* the pool is reset as a whole */
}


static ngx_iot_resp_reply_t *
ngx_iot_resp_add_node(const redisReadTask *task, ngx_iot_resp_type_e type)
{
    ngx_iot_resp_reply_t  *node, *parent;

    node = ngx_iot_resp_alloc(task->privdata, sizeof(ngx_iot_resp_reply_t));
    if (node == NULL) {
        return NULL;
    }

    ngx_memzero(node, sizeof(ngx_iot_resp_reply_t));

    node->type = type;

    if (task->parent) {
        parent = task->parent->obj;
        parent->elts[task->idx] = node;
    }

    return node;
}


static void *
ngx_iot_resp_alloc(ngx_iot_resp_t *resp, size_t size)
{
    resp->allocated += size;

    return ngx_palloc(resp->pool, size);
}


static void *
ngx_iot_resp_refuse(const redisReadTask *task, const char *reason)
{
    ngx_iot_resp_t  *resp;

    resp = task->privdata;
    resp->refused = reason;

    return NULL;
}


static ngx_uint_t
ngx_iot_resp_depth(const redisReadTask *task)
{
    ngx_uint_t  depth;

    for (depth = 1; task->parent; task = task->parent) {
        depth++;
    }

    return depth;
}
