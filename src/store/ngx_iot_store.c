
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store.h"
#include "ngx_iot_id.h"
#include "ngx_iot_pem.h"
#include "ngx_iot_scripts.h"
#include "ngx_iot_shard.h"


#define NGX_IOT_TAG_LEN             2

/* "{tt}:k:" */
#define NGX_IOT_KEY_HEAD_LEN        (NGX_IOT_TAG_LEN + 5)

#define NGX_IOT_LIST_MEMBER_LEN     (6 + NGX_IOT_SHA256_LEN)

/* offsets in a certificate's record */
#define NGX_IOT_RECORD_CREATED_AT   1
#define NGX_IOT_RECORD_OPERATION    9
#define NGX_IOT_RECORD_SHA1         (9 + NGX_IOT_OPERATION_ID_LEN)
#define NGX_IOT_RECORD_ENCODING     (NGX_IOT_RECORD_SHA1 + NGX_IOT_SHA1_LEN)
#define NGX_IOT_RECORD_HEAD_LEN     (NGX_IOT_RECORD_ENCODING + 1)


typedef struct {
    const char              *name;
    ngx_iot_store_result_e   result;
} ngx_iot_store_answer_t;


static ngx_int_t ngx_iot_store_request(ngx_pool_t *pool,
    ngx_iot_resp_request_t *req, ngx_uint_t argc);
static ngx_int_t ngx_iot_store_key(const ngx_iot_store_t *store,
    ngx_str_t *key, const u_char *tag, u_char kind, const ngx_str_t *name,
    const u_char *fingerprint);
static ngx_int_t ngx_iot_store_record(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_str_t *record);
static ngx_int_t ngx_iot_store_encoding(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, u_char *encoding);
static ngx_int_t ngx_iot_store_list_member(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_str_t *member);
static ngx_int_t ngx_iot_store_lower_bound(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_msec_t retention,
    ngx_str_t *id);
static ngx_int_t ngx_iot_store_number(const ngx_iot_store_t *store,
    ngx_str_t *text, ngx_iot_msec_t value);
static u_char *ngx_iot_store_big_endian(u_char *p, ngx_uint_t bytes,
    uint64_t value);

static ngx_int_t ngx_iot_store_pem(const ngx_iot_store_t *store,
    u_char encoding, ngx_str_t *data, ngx_str_t *pem);
static ngx_int_t ngx_iot_store_copy(const ngx_iot_store_t *store,
    ngx_str_t *dst, const u_char *data, size_t len);
static ngx_int_t ngx_iot_store_parse_number(
    const ngx_iot_resp_reply_t *reply, ngx_iot_msec_t *value);
static ngx_iot_store_result_e ngx_iot_store_broken(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    const char *what);


static const ngx_iot_store_answer_t  ngx_iot_store_added_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "NO_REGISTRY", NGX_IOT_STORE_NOT_FOUND },
    { "DISABLED", NGX_IOT_STORE_REGISTRY_DISABLED },
    { "EXISTS", NGX_IOT_STORE_EXISTS },
    { "HELD", NGX_IOT_STORE_HELD },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_add_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_msec_t retention,
    ngx_uint_t open, ngx_iot_resp_request_t *req)
{
    u_char                       *hex, claim_tag[NGX_IOT_TAG_LEN];
    ngx_str_t                    *key, *arg;
    const u_char                 *tag;
    const ngx_str_t              *registry_id;
    const ngx_iot_certificate_t  *certificate;

    certificate = &operation->certificate;
    registry_id = &certificate->registry_id;

    if (ngx_iot_store_request(store->pool, req, 7 + 11) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_ADD_CERTIFICATE];
    req->nkeys = 7;

    key = req->argv;
    arg = key + req->nkeys;

    tag = operation->id.data;
    hex = (u_char *) certificate->fingerprint;

    ngx_iot_id_tag(claim_tag, ngx_iot_shard_fingerprint(certificate->sha256));

    if (ngx_iot_store_key(store, &key[0], tag, 'r', registry_id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'c', registry_id, hex)
        || ngx_iot_store_key(store, &key[2], tag, 'z', registry_id, NULL)
        || ngx_iot_store_key(store, &key[3], tag, 'h', registry_id, NULL)
        || ngx_iot_store_key(store, &key[4], tag, 'o', &operation->id, NULL)
        || ngx_iot_store_key(store, &key[5], tag, 'y', registry_id, NULL)
        || ngx_iot_store_key(store, &key[6], claim_tag, 'x', NULL, hex)

        || ngx_iot_store_number(store, &arg[2], operation->created_at)
        || ngx_iot_store_record(store, operation, &arg[3])
        || ngx_iot_store_list_member(store, certificate, &arg[4])
        || ngx_iot_store_number(store, &arg[8], retention)
        || ngx_iot_store_lower_bound(store, operation, retention, &arg[9]))
    {
        return NGX_ERROR;
    }

    arg[0] = *registry_id;
    arg[1] = operation->id;

    arg[5].data = (u_char *) certificate->sha1;
    arg[5].len = NGX_IOT_SHA1_LEN;

    arg[6].data = (u_char *) certificate->sha256;
    arg[6].len = NGX_IOT_SHA256_LEN;

    arg[7] = operation->created_by;

    if (open) {
        ngx_str_set(&arg[10], "open");

    } else {
        ngx_str_set(&arg[10], "known");
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_certificate_added(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *added_by)
{
    const ngx_str_t               *word, *id;
    const ngx_iot_store_answer_t  *answer;

    if (reply->type != NGX_IOT_RESP_ARRAY
        || reply->nelts == 0
        || reply->elts[0]->type != NGX_IOT_RESP_STRING)
    {
        return ngx_iot_store_broken(store, reply, "add_certificate");
    }

    word = &reply->elts[0]->str;

    for (answer = ngx_iot_store_added_answers; answer->name; answer++) {
        if (ngx_strlen(answer->name) == word->len
            && ngx_memcmp(answer->name, word->data, word->len) == 0)
        {
            break;
        }
    }

    if (answer->name == NULL) {
        return ngx_iot_store_broken(store, reply->elts[0], "add_certificate");
    }

    if (answer->result != NGX_IOT_STORE_EXISTS) {
        return answer->result;
    }

    if (reply->nelts != 2 || reply->elts[1]->type != NGX_IOT_RESP_STRING) {
        return ngx_iot_store_broken(store, reply, "add_certificate");
    }

    id = &reply->elts[1]->str;

    if (ngx_iot_store_copy(store, added_by, id->data, id->len) != NGX_OK) {
        return NGX_IOT_STORE_ERROR;
    }

    return NGX_IOT_STORE_EXISTS;
}


ngx_int_t
ngx_iot_store_get_operation(const ngx_iot_store_t *store,
    const ngx_str_t *operation_id, ngx_iot_resp_request_t *req)
{
    ngx_uint_t  i;

    static ngx_str_t  hmget = ngx_string("HMGET");

    /* in the order of ngx_iot_store_operation() */

    static ngx_str_t  fields[] = {
        ngx_string("v"),
        ngx_string("k"),
        ngx_string("r"),
        ngx_string("f"),
        ngx_string("b"),
        ngx_string("c"),
        ngx_string("m"),
        ngx_string("d")
    };

    if (ngx_iot_store_request(store->pool, req,
                              2 + sizeof(fields) / sizeof(ngx_str_t))
        != NGX_OK
        || ngx_iot_store_key(store, &req->argv[1], operation_id->data, 'o',
                             operation_id, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->argv[0] = hmget;

    for (i = 2; i < req->argc; i++) {
        req->argv[i] = fields[i - 2];
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_operation(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operation)
{
    ngx_iot_msec_t           format, kind, done;
    ngx_iot_certificate_t   *certificate;
    ngx_iot_resp_reply_t   **elts;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts != 8) {
        return ngx_iot_store_broken(store, reply, "operation");
    }

    elts = reply->elts;

    if (elts[0]->type == NGX_IOT_RESP_NIL) {
        return NGX_IOT_STORE_NOT_FOUND;
    }

    if (ngx_iot_store_parse_number(elts[0], &format) != NGX_OK) {
        return ngx_iot_store_broken(store, elts[0], "operation's format");
    }

    if (format > NGX_IOT_STORE_FORMAT) {
        return NGX_IOT_STORE_NEWER;
    }

    if (elts[6]->type == NGX_IOT_RESP_NIL) {
        /* it has not changed since it was created */
        elts[6] = elts[5];
    }

    if (ngx_iot_store_parse_number(elts[1], &kind) != NGX_OK
        || !ngx_iot_operation_kind_known((ngx_uint_t) kind)
        || elts[2]->type != NGX_IOT_RESP_STRING
        || elts[3]->type != NGX_IOT_RESP_STRING
        || elts[3]->str.len != NGX_IOT_SHA256_LEN
        || elts[4]->type != NGX_IOT_RESP_STRING
        || ngx_iot_store_parse_number(elts[5], &operation->created_at)
           != NGX_OK
        || ngx_iot_store_parse_number(elts[6], &operation->modified_at)
           != NGX_OK
        || ngx_iot_store_parse_number(elts[7], &done) != NGX_OK)
    {
        return ngx_iot_store_broken(store, reply, "operation");
    }

    operation->kind = (ngx_iot_operation_kind_e) kind;
    operation->done = (ngx_uint_t) done;

    certificate = &operation->certificate;
    certificate->created_at = operation->created_at;

    ngx_memcpy(certificate->sha256, elts[3]->str.data, NGX_IOT_SHA256_LEN);
    ngx_hex_dump(certificate->fingerprint, certificate->sha256,
                 NGX_IOT_SHA256_LEN);

    if (ngx_iot_store_copy(store, &certificate->registry_id,
                           elts[2]->str.data, elts[2]->str.len)
        != NGX_OK
        || ngx_iot_store_copy(store, &operation->created_by,
                              elts[4]->str.data, elts[4]->str.len)
           != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_get_certificate(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_iot_resp_request_t *req)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    static ngx_str_t  get = ngx_string("GET");

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(&certificate->registry_id));

    if (ngx_iot_store_request(store->pool, req, 2) != NGX_OK
        || ngx_iot_store_key(store, &req->argv[1], tag, 'c',
                             &certificate->registry_id,
                             certificate->fingerprint)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->argv[0] = get;

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_certificate(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_certificate_t *certificate,
    ngx_str_t *added_by)
{
    u_char          *record;
    ngx_str_t        data;
    ngx_uint_t       i;
    ngx_iot_msec_t   created_at;

    if (reply->type == NGX_IOT_RESP_NIL) {
        return NGX_IOT_STORE_NOT_FOUND;
    }

    if (reply->type != NGX_IOT_RESP_STRING || reply->str.len == 0) {
        return ngx_iot_store_broken(store, reply, "certificate");
    }

    record = reply->str.data;

    if (record[0] > NGX_IOT_STORE_FORMAT) {
        return NGX_IOT_STORE_NEWER;
    }

    if (reply->str.len <= NGX_IOT_RECORD_HEAD_LEN) {
        return ngx_iot_store_broken(store, NULL, "certificate");
    }

    created_at = 0;

    for (i = NGX_IOT_RECORD_CREATED_AT; i < NGX_IOT_RECORD_OPERATION; i++) {
        created_at = created_at << 8 | record[i];
    }

    data.data = record + NGX_IOT_RECORD_HEAD_LEN;
    data.len = reply->str.len - NGX_IOT_RECORD_HEAD_LEN;

    if (ngx_iot_store_pem(store, record[NGX_IOT_RECORD_ENCODING], &data,
                          &certificate->pem)
        != NGX_OK)
    {
        return ngx_iot_store_broken(store, NULL, "certificate");
    }

    certificate->created_at = created_at;

    if (ngx_iot_store_copy(store, added_by,
                           record + NGX_IOT_RECORD_OPERATION,
                           NGX_IOT_OPERATION_ID_LEN)
        != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    return NGX_IOT_STORE_OK;
}


static ngx_int_t
ngx_iot_store_request(ngx_pool_t *pool, ngx_iot_resp_request_t *req,
    ngx_uint_t argc)
{
    req->script = NULL;
    req->nkeys = 1;
    req->argc = argc;

    req->argv = ngx_palloc(pool, argc * sizeof(ngx_str_t));

    return req->argv ? NGX_OK : NGX_ERROR;
}


/* PREFIX{tag}:kind:name, :name:fingerprint or :fingerprint */
static ngx_int_t
ngx_iot_store_key(const ngx_iot_store_t *store, ngx_str_t *key,
    const u_char *tag, u_char kind, const ngx_str_t *name,
    const u_char *fingerprint)
{
    u_char  *p;
    size_t   len;

    len = store->key_prefix.len + NGX_IOT_KEY_HEAD_LEN;

    if (name) {
        len += name->len + 1;
    }

    if (fingerprint) {
        len += NGX_IOT_FINGERPRINT_LEN + 1;
    }

    p = ngx_pnalloc(store->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key->data = p;

    p = ngx_cpymem(p, store->key_prefix.data, store->key_prefix.len);

    *p++ = '{';
    p = ngx_cpymem(p, tag, NGX_IOT_TAG_LEN);
    *p++ = '}';
    *p++ = ':';
    *p++ = kind;

    if (name) {
        *p++ = ':';
        p = ngx_cpymem(p, name->data, name->len);
    }

    if (fingerprint) {
        *p++ = ':';
        p = ngx_cpymem(p, fingerprint, NGX_IOT_FINGERPRINT_LEN);
    }

    key->len = p - key->data;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_record(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_str_t *record)
{
    u_char                       *p, encoding;
    const ngx_str_t              *data;
    const ngx_iot_certificate_t  *certificate;

    certificate = &operation->certificate;

    if (ngx_iot_store_encoding(store, certificate, &encoding) != NGX_OK) {
        return NGX_ERROR;
    }

    data = (encoding == NGX_IOT_STORE_TEXT) ? &certificate->pem
                                            : &certificate->der;

    p = ngx_pnalloc(store->pool, NGX_IOT_RECORD_HEAD_LEN + data->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    record->data = p;

    *p++ = NGX_IOT_STORE_FORMAT;
    p = ngx_iot_store_big_endian(p, 8, certificate->created_at);
    p = ngx_cpymem(p, operation->id.data, NGX_IOT_OPERATION_ID_LEN);
    p = ngx_cpymem(p, certificate->sha1, NGX_IOT_SHA1_LEN);
    *p++ = encoding;
    p = ngx_cpymem(p, data->data, data->len);

    record->len = p - record->data;

    return NGX_OK;
}


/*
 * Whether the text can be made again from the DER.  Shells drop the last
 * newline ("$(cat cert.pem)"), so that form is worth a code of its own.
 */
static ngx_int_t
ngx_iot_store_encoding(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, u_char *encoding)
{
    ngx_str_t         pem;
    const ngx_str_t  *text;

    text = &certificate->pem;

    if (ngx_iot_pem_write(store->pool, &certificate->der, &pem)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    *encoding = NGX_IOT_STORE_TEXT;

    if (text->len != pem.len && text->len != pem.len - 1) {
        return NGX_OK;
    }

    if (ngx_memcmp(text->data, pem.data, text->len) == 0) {
        *encoding = (text->len == pem.len) ? NGX_IOT_STORE_PEM
                                           : NGX_IOT_STORE_PEM_OPEN;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_list_member(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_str_t *member)
{
    u_char  *p;

    p = ngx_pnalloc(store->pool, NGX_IOT_LIST_MEMBER_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    member->data = p;
    member->len = NGX_IOT_LIST_MEMBER_LEN;

    p = ngx_iot_store_big_endian(p, 6, certificate->created_at);
    ngx_memcpy(p, certificate->sha256, NGX_IOT_SHA256_LEN);

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_lower_bound(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_msec_t retention,
    ngx_str_t *id)
{
    ngx_uint_t      shard;
    ngx_iot_msec_t  past;

    id->data = ngx_pnalloc(store->pool, NGX_IOT_OPERATION_ID_LEN);
    if (id->data == NULL) {
        return NGX_ERROR;
    }

    id->len = NGX_IOT_OPERATION_ID_LEN;

    past = operation->created_at;
    past = (past > retention) ? past - retention : 0;

    shard = ngx_iot_shard_registry(&operation->certificate.registry_id);

    ngx_iot_id_lower_bound(id->data, shard, past);

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_number(const ngx_iot_store_t *store, ngx_str_t *text,
    ngx_iot_msec_t value)
{
    text->data = ngx_pnalloc(store->pool, NGX_INT64_LEN);
    if (text->data == NULL) {
        return NGX_ERROR;
    }

    text->len = ngx_sprintf(text->data, "%uL", value) - text->data;

    return NGX_OK;
}


static u_char *
ngx_iot_store_big_endian(u_char *p, ngx_uint_t bytes, uint64_t value)
{
    while (bytes--) {
        *p++ = (u_char) (value >> 8 * bytes);
    }

    return p;
}


static ngx_int_t
ngx_iot_store_pem(const ngx_iot_store_t *store, u_char encoding,
    ngx_str_t *data, ngx_str_t *pem)
{
    switch (encoding) {

    case NGX_IOT_STORE_TEXT:
        return ngx_iot_store_copy(store, pem, data->data, data->len);

    case NGX_IOT_STORE_PEM:
        return ngx_iot_pem_write(store->pool, data, pem);

    case NGX_IOT_STORE_PEM_OPEN:

        if (ngx_iot_pem_write(store->pool, data, pem) != NGX_OK) {
            return NGX_ERROR;
        }

        pem->len--;

        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


static ngx_int_t
ngx_iot_store_copy(const ngx_iot_store_t *store, ngx_str_t *dst,
    const u_char *data, size_t len)
{
    dst->len = len;
    dst->data = ngx_pnalloc(store->pool, len);

    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst->data, data, len);

    return NGX_OK;
}


/* a number of ours has at most 15 digits: 45 bits of milliseconds */
static ngx_int_t
ngx_iot_store_parse_number(const ngx_iot_resp_reply_t *reply,
    ngx_iot_msec_t *value)
{
    size_t  i;

    if (reply->type != NGX_IOT_RESP_STRING
        || reply->str.len == 0
        || reply->str.len > 15)
    {
        return NGX_DECLINED;
    }

    *value = 0;

    for (i = 0; i < reply->str.len; i++) {
        if (reply->str.data[i] < '0' || reply->str.data[i] > '9') {
            return NGX_DECLINED;
        }

        *value = *value * 10 + (reply->str.data[i] - '0');
    }

    return NGX_OK;
}


/* an error of the server is worth its text; data of a record is not shown */
static ngx_iot_store_result_e
ngx_iot_store_broken(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const char *what)
{
    ngx_str_t  text;

    ngx_str_null(&text);

    if (reply && reply->type == NGX_IOT_RESP_ERROR) {
        text = reply->str;
        text.len = ngx_min(text.len, 200);
    }

    ngx_log_error(NGX_LOG_ERR, store->log, 0,
                  "iot store: not a reply of this schema for %s: \"%V\"",
                  what, &text);

    return NGX_IOT_STORE_ERROR;
}
