
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_RESP_H_INCLUDED_
#define _NGX_IOT_RESP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The Redis protocol (RESP2) as a pure machine: requests into bytes, bytes
 * into replies.  No socket, no clock.  hiredis parses, behind this wall; its
 * types are seen nowhere else.
 */


/* a Lua script; sha1 is filled by ngx_iot_resp_script_init() */

typedef struct {
    ngx_str_t            name;          /* for logs */
    ngx_str_t            source;
    u_char               sha1[40];      /* lower-case hex */
} ngx_iot_resp_script_t;


/*
 * A request.  With a script argv holds its nkeys keys and then its arguments;
 * without one argv[0] is the command and argv[1] its key, if it has keys.
 */

typedef struct {
    ngx_iot_resp_script_t  *script;     /* or NULL */
    ngx_uint_t              nkeys;
    ngx_uint_t              argc;
    ngx_str_t              *argv;

    unsigned                writes:1;   /* it may change what is stored */
    unsigned                large:1;    /* its reply may be large */
} ngx_iot_resp_request_t;


typedef enum {
    NGX_IOT_RESP_NIL = 0,
    NGX_IOT_RESP_STATUS,
    NGX_IOT_RESP_ERROR,
    NGX_IOT_RESP_STRING,
    NGX_IOT_RESP_INTEGER,
    NGX_IOT_RESP_ARRAY
} ngx_iot_resp_type_e;


typedef struct ngx_iot_resp_reply_s  ngx_iot_resp_reply_t;

struct ngx_iot_resp_reply_s {
    ngx_iot_resp_type_e     type;
    ngx_str_t               str;        /* STATUS, ERROR, STRING */
    int64_t                 integer;
    ngx_uint_t              nelts;      /* ARRAY */
    ngx_iot_resp_reply_t  **elts;
};


/* what an error reply says of the command */

typedef enum {
    /* it may have been executed, or the reply is none of an error */
    NGX_IOT_RESP_NOT_REFUSED = 0,

    /* not executed: the state of the server forbids it */
    NGX_IOT_RESP_REFUSED,

    /* not executed: this server is not the master any more */
    NGX_IOT_RESP_READ_ONLY,

    /* not executed: this server has no data, as yet */
    NGX_IOT_RESP_NOT_READY,

    /* not executed: the script has to be sent whole */
    NGX_IOT_RESP_NO_SCRIPT,

    /* not executed: another server of the cluster has the slot */
    NGX_IOT_RESP_MOVED,

    /* not executed: another one takes the slot over, and has these keys */
    NGX_IOT_RESP_ASK,

    /* not executed: the slot is being moved, between its keys */
    NGX_IOT_RESP_TRY_AGAIN,

    /* not executed: nobody serves the slot now */
    NGX_IOT_RESP_CLUSTER_DOWN
} ngx_iot_resp_refusal_e;


/* a reply beyond these is a broken or hostile server: the link is dropped */

typedef struct {
    ngx_uint_t           depth;         /* nesting of arrays */
    ngx_uint_t           nodes;         /* elements of one reply, in all */
    size_t               size;          /* bytes of its strings, in all */
} ngx_iot_resp_limits_t;


/* ngx_iot_resp_quote() reads no more than this, and writes at most LEN */
#define NGX_IOT_RESP_QUOTE_MAX  200
#define NGX_IOT_RESP_QUOTE_LEN  (4 * NGX_IOT_RESP_QUOTE_MAX)

/* of a host that a server tells of */
#define NGX_IOT_RESP_HOST_MAX   255


typedef struct ngx_iot_resp_s  ngx_iot_resp_t;


void ngx_iot_resp_script_init(ngx_iot_resp_script_t *script);


/* how many bytes ngx_iot_resp_write() will write */
size_t ngx_iot_resp_size(const ngx_iot_resp_request_t *req,
    ngx_uint_t with_source);

/*
 * Writes the request as a RESP array of bulk strings at p, returns the end.
 * A script goes as EVALSHA, or as EVAL with_source.
 */
u_char *ngx_iot_resp_write(u_char *p, const ngx_iot_resp_request_t *req,
    ngx_uint_t with_source);


/*
 * A server's text made fit for a log: its first bytes, all that are not
 * printable ASCII as \xHH.  Returns the length of what was written at dst,
 * which has room for NGX_IOT_RESP_QUOTE_LEN bytes.
 */
size_t ngx_iot_resp_quote(u_char *dst, const u_char *text, size_t len);

/*
 * Whether the text, which may be empty, is no longer than a host may be and
 * has only what addresses and names consist of: it is fit for a log, too.
 */
ngx_uint_t ngx_iot_resp_is_host(const ngx_str_t *text);


/* writes: the request's; what only reads was refused in any case */
ngx_iot_resp_refusal_e ngx_iot_resp_refusal(
    const ngx_iot_resp_reply_t *reply, ngx_uint_t writes);

/* the same in another pool; NULL: no memory */
ngx_iot_resp_reply_t *ngx_iot_resp_copy(ngx_pool_t *pool,
    const ngx_iot_resp_reply_t *reply);

/*
 * The string of that name in an array that holds names and values by turns;
 * NULL: there is none.
 */
const ngx_str_t *ngx_iot_resp_field(const ngx_iot_resp_reply_t *reply,
    const char *name);


/*
 * A parser; limits is kept by reference, and may be changed between replies.
 * NULL: no memory.  Freed by ngx_iot_resp_destroy(), which takes NULL too.
 */
ngx_iot_resp_t *ngx_iot_resp_create(const ngx_iot_resp_limits_t *limits,
    ngx_log_t *log);
void ngx_iot_resp_destroy(ngx_iot_resp_t *resp);

/*
 * Adds bytes that arrived, at most 64 KB; all replies in them should be taken
 * by ngx_iot_resp_next() before more is added.  NGX_OK, or NGX_ERROR when too
 * much was added without that, or no memory; then only asking for the reason
 * and destroying it are legal.
 */
ngx_int_t ngx_iot_resp_feed(ngx_iot_resp_t *resp, const u_char *data,
    size_t len);

/*
 * NGX_OK     *reply is the next one; it lives until the next call for this
 *            parser (one pool, reset each time)
 * NGX_AGAIN  more bytes are needed
 * NGX_ERROR  the protocol was violated or a limit passed; only asking for
 *            the reason and destroying are legal
 *
 * An unfinished reply is refused as soon as one of its lines or strings is
 * seen to pass the limits.
 */
ngx_int_t ngx_iot_resp_next(ngx_iot_resp_t *resp,
    ngx_iot_resp_reply_t **reply);

/* why NGX_ERROR was returned, fit for a log; lives as long as the parser */
const ngx_str_t *ngx_iot_resp_reason(const ngx_iot_resp_t *resp);


#endif /* _NGX_IOT_RESP_H_INCLUDED_ */
