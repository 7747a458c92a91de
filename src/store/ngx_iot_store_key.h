
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_STORE_KEY_H_INCLUDED_
#define _NGX_IOT_STORE_KEY_H_INCLUDED_


#include "ngx_iot_scripts.h"
#include "ngx_iot_store.h"


/* how the schema's requests and replies are put together; of this room only */

#define NGX_IOT_TAG_LEN  2

/* where a certificate's record has the id of its operation */
#define NGX_IOT_RECORD_OPERATION  9

/* keys and arguments with which the script of every mutation begins */
#define NGX_IOT_CHANGE_KEYS  4
#define NGX_IOT_CHANGE_ARGS  9


/* what ngx_iot_store_operation() reads of an operation's record */

#define NGX_IOT_STORE_OPERATION_FIELDS  11

extern const ngx_str_t  ngx_iot_store_operation_fields[];


typedef struct {
    const char              *word;
    ngx_iot_store_result_e   result;
} ngx_iot_store_answer_t;


/* a request of argc arguments, a plain command as yet, in the store's pool */
ngx_int_t ngx_iot_store_request(const ngx_iot_store_t *store,
    ngx_iot_resp_request_t *req, ngx_uint_t argc);

/*
 * A request that runs the script of a mutation, its first keys and arguments
 * set from operation, which it starts, as lib/operation.lua has them.  The
 * script's own, nkeys and nargs of them, follow at req->argv
 * + NGX_IOT_CHANGE_KEYS and req->argv + req->nkeys + NGX_IOT_CHANGE_ARGS.
 */
ngx_int_t ngx_iot_store_change(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_script_e script,
    ngx_uint_t nkeys, ngx_uint_t nargs, ngx_iot_resp_request_t *req);

/*
 * The key of the idempotency record and the hash for its script, or the key
 * other and '' when the call has no Idempotency-Key.
 */
ngx_int_t ngx_iot_store_idempotency(const ngx_iot_store_t *store,
    const u_char *tag, const ngx_str_t *other, ngx_str_t *key,
    ngx_str_t *hash);

/*
 * PREFIX{tag}:kind:name, :name:fingerprint or :fingerprint, with NULL for
 * what a key has not.
 */
ngx_int_t ngx_iot_store_key(const ngx_iot_store_t *store, ngx_str_t *key,
    const u_char *tag, u_char kind, const ngx_str_t *name,
    const u_char *fingerprint);

/*
 * A script that reads: KEYS are the registry's, which is set, and another,
 * ARGV the mode, which is set, and more; nargs of them in all.
 */
ngx_int_t ngx_iot_store_lookup(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, ngx_iot_script_e script, ngx_uint_t nargs,
    ngx_iot_resp_request_t *req);

/* a bound of ...BYLEX: behind the place, or first, "-" or "+", if empty */
ngx_int_t ngx_iot_store_behind(const ngx_iot_store_t *store,
    ngx_str_t *bound, const ngx_str_t *place, const char *first);

/* of a certificate's claim */
ngx_int_t ngx_iot_store_claim_key(const ngx_iot_store_t *store,
    const u_char *sha256, const u_char *fingerprint, ngx_str_t *key);

/* "open" or "known", as scripts know it */
ngx_str_t ngx_iot_store_mode(const ngx_iot_store_t *store);

/* value in decimal */
ngx_int_t ngx_iot_store_number(const ngx_iot_store_t *store, ngx_str_t *text,
    ngx_iot_msec_t value);

u_char *ngx_iot_store_big_endian(u_char *p, ngx_uint_t bytes, uint64_t value);

ngx_int_t ngx_iot_store_copy(const ngx_iot_store_t *store, ngx_str_t *dst,
    const u_char *data, size_t len);

/* a decimal number of ours; NGX_DECLINED: it is not that */
ngx_int_t ngx_iot_store_parse_number(const ngx_iot_resp_reply_t *reply,
    ngx_iot_msec_t *value);

/*
 * What the first word of a script's answer means by the table, whose last word
 * is NULL; what is not in it is an ERROR, and logged.
 */
ngx_iot_store_result_e ngx_iot_store_answer(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_iot_store_answer_t *answers,
    const char *script);

/*
 * The operation id that is the second word of a script's answer, copied; what
 * that answer is by its first word, or ERROR, logged.
 */
ngx_iot_store_result_e ngx_iot_store_answer_id(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_result_e result,
    const char *script, ngx_str_t *operation_id);

/* the member of its registry's list that certificate is */
ngx_int_t ngx_iot_store_list_member(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_str_t *member);

/* the record of the certificate that operation adds */
ngx_int_t ngx_iot_store_make_record(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_str_t *record);

/*
 * The registry and the operation that are the second and third words of a
 * script's answer, copied; HELD, or ERROR, logged.
 */
ngx_iot_store_result_e ngx_iot_store_answer_holder(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    const char *script, ngx_iot_store_holder_t *holder);

/* logs that reply, or a part of it, makes no sense; NGX_IOT_STORE_ERROR */
ngx_iot_store_result_e ngx_iot_store_broken(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const char *what);


#endif /* _NGX_IOT_STORE_KEY_H_INCLUDED_ */
