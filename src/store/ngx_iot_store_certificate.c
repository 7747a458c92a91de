
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_id.h"
#include "ngx_iot_pem.h"
#include "ngx_iot_shard.h"


/* offsets in a certificate's record */
#define NGX_IOT_RECORD_CREATED_AT   1
#define NGX_IOT_RECORD_SHA1                                                   \
    (NGX_IOT_RECORD_OPERATION + NGX_IOT_OPERATION_ID_LEN)
#define NGX_IOT_RECORD_ENCODING     (NGX_IOT_RECORD_SHA1 + NGX_IOT_SHA1_LEN)
#define NGX_IOT_RECORD_HEAD_LEN     (NGX_IOT_RECORD_ENCODING + 1)

/*
 * of a certificate in a registry: its record, the list, the aliases; what
 * waits, pending operations, events
 */
#define NGX_IOT_CERTIFICATE_KEYS    6


static ngx_int_t ngx_iot_store_change_certificate(
    const ngx_iot_store_t *store, const ngx_iot_operation_t *operation,
    ngx_iot_script_e script, ngx_uint_t nkeys, ngx_uint_t nargs,
    ngx_iot_resp_request_t *req);
static ngx_str_t ngx_iot_store_completion(
    const ngx_iot_operation_t *operation);
static ngx_int_t ngx_iot_store_encoding(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, u_char *encoding);
static ngx_int_t ngx_iot_store_pem(const ngx_iot_store_t *store,
    u_char encoding, ngx_str_t *data, ngx_str_t *pem);


static const ngx_iot_store_answer_t  ngx_iot_store_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "NO_REGISTRY", NGX_IOT_STORE_NO_REGISTRY },
    { "DISABLED", NGX_IOT_STORE_REGISTRY_DISABLED },
    { "NOT_FOUND", NGX_IOT_STORE_NOT_FOUND },
    { "EXISTS", NGX_IOT_STORE_EXISTS },
    { "HELD", NGX_IOT_STORE_HELD },
    { "FENCED", NGX_IOT_STORE_FENCED },
    { "LIMIT", NGX_IOT_STORE_LIMIT },
    { "SAME", NGX_IOT_STORE_SAME },
    { "REUSED", NGX_IOT_STORE_REUSED },
    { "PENDING", NGX_IOT_STORE_WAITS },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_add_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_uint_t claimed,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t                    *key, *arg;
    const ngx_iot_certificate_t  *certificate;

    certificate = &operation->certificate;

    if (ngx_iot_store_change_certificate(store, operation,
                                         NGX_IOT_SCRIPT_ADD_CERTIFICATE,
                                         claimed ? 1 : 2, 6, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    key = req->argv + NGX_IOT_CHANGE_KEYS + NGX_IOT_CERTIFICATE_KEYS;
    arg = req->argv + req->nkeys + NGX_IOT_CHANGE_ARGS;

    arg[1].data = (u_char *) certificate->sha1;
    arg[1].len = NGX_IOT_SHA1_LEN;

    if (ngx_iot_store_key(store, &key[0], operation->id.data, 'a',
                          &operation->id, NULL)
        || (!claimed
            && ngx_iot_store_claim_key(store, certificate->sha256,
                                       certificate->fingerprint, &key[1]))

        || ngx_iot_store_list_member(store, certificate, &arg[2])
        || ngx_iot_store_make_record(store, operation, &arg[3])
        || ngx_iot_store_number(store, &arg[4], store->limit)
        || ngx_iot_store_number(store, &arg[5], NGX_IOT_STORE_FENCE_LIFE))
    {
        return NGX_ERROR;
    }

    if (!operation->done) {
        arg[3].data[NGX_IOT_RECORD_ENCODING] |= NGX_IOT_STORE_MARK;
    }

    arg[6] = ngx_iot_store_completion(operation);

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_certificate_added(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_holder_t *holder)
{
    ngx_iot_store_result_e  result;

    ngx_memzero(holder, sizeof(ngx_iot_store_holder_t));

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_answers,
                                  "add_certificate");

    switch (result) {

    case NGX_IOT_STORE_EXISTS:
    case NGX_IOT_STORE_SAME:
        return ngx_iot_store_answer_id(store, reply, result, "add_certificate",
                                       &holder->operation_id);

    case NGX_IOT_STORE_HELD:
        return ngx_iot_store_answer_holder(store, reply, "add_certificate",
                                           holder);

    default:
        return result;
    }
}


ngx_int_t
ngx_iot_store_check_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_resp_request_t *req)
{
    ngx_str_t     *key, *arg;
    const u_char  *tag;

    if (ngx_iot_store_request(store, req, 3 + 2) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_CHECK_CERTIFICATE];
    req->nkeys = 3;

    key = req->argv;
    arg = key + req->nkeys;

    tag = operation->id.data;

    arg[0] = ngx_iot_store_mode(store);

    if (ngx_iot_store_key(store, &key[0], tag, 'r', &operation->registry_id,
                          NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'c', &operation->registry_id,
                             operation->certificate.fingerprint)
        || ngx_iot_store_idempotency(store, tag, &key[0], &key[2], &arg[1]))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_delete_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_resp_request_t *req)
{
    ngx_str_t                    *key;
    const ngx_iot_certificate_t  *certificate;

    if (ngx_iot_store_change_certificate(store, operation,
                                         NGX_IOT_SCRIPT_DELETE_CERTIFICATE,
                                         store->cluster ? 0 : 1, 1, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->argv[req->nkeys + NGX_IOT_CHANGE_ARGS + 1] =
                                           ngx_iot_store_completion(operation);

    if (store->cluster) {
        return NGX_OK;
    }

    certificate = &operation->certificate;
    key = req->argv + NGX_IOT_CHANGE_KEYS + NGX_IOT_CERTIFICATE_KEYS;

    return ngx_iot_store_claim_key(store, certificate->sha256,
                                   certificate->fingerprint, key);
}


ngx_iot_store_result_e
ngx_iot_store_certificate_deleted(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *operation_id)
{
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_answers,
                                  "delete_certificate");

    if (result != NGX_IOT_STORE_SAME
        && result != NGX_IOT_STORE_WAITS
        && (result != NGX_IOT_STORE_OK || reply->nelts == 1))
    {
        ngx_str_null(operation_id);
        return result;
    }

    return ngx_iot_store_answer_id(store, reply, result, "delete_certificate",
                                   operation_id);
}


/* "backend" when one has to finish it, as scripts know it */
static ngx_str_t
ngx_iot_store_completion(const ngx_iot_operation_t *operation)
{
    static const ngx_str_t  immediate = ngx_string("immediate");
    static const ngx_str_t  backend = ngx_string("backend");

    return operation->done ? immediate : backend;
}


/*
 * The certificate's keys and its SHA-256 after what all mutations have; nkeys
 * and nargs more follow.
 */
static ngx_int_t
ngx_iot_store_change_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_script_e script,
    ngx_uint_t nkeys, ngx_uint_t nargs, ngx_iot_resp_request_t *req)
{
    ngx_str_t                    *key, *arg;
    const u_char                 *tag, *hex;
    const ngx_str_t              *registry_id;
    const ngx_iot_certificate_t  *certificate;

    if (ngx_iot_store_change(store, operation, script,
                             NGX_IOT_CERTIFICATE_KEYS + nkeys, 1 + nargs, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    certificate = &operation->certificate;
    registry_id = &operation->registry_id;

    key = req->argv + NGX_IOT_CHANGE_KEYS;
    arg = req->argv + req->nkeys + NGX_IOT_CHANGE_ARGS;

    tag = operation->id.data;
    hex = certificate->fingerprint;

    if (ngx_iot_store_key(store, &key[0], tag, 'c', registry_id, hex)
        || ngx_iot_store_key(store, &key[1], tag, 'z', registry_id, NULL)
        || ngx_iot_store_key(store, &key[2], tag, 'h', registry_id, NULL)
        || ngx_iot_store_key(store, &key[3], tag, 'w', registry_id, NULL)
        || ngx_iot_store_key(store, &key[4], tag, 'p', NULL, NULL)
        || ngx_iot_store_key(store, &key[5], tag, 'e', NULL, NULL))
    {
        return NGX_ERROR;
    }

    arg[0].data = (u_char *) certificate->sha256;
    arg[0].len = NGX_IOT_SHA256_LEN;

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_get_certificate(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_iot_resp_request_t *req)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(&certificate->registry_id));

    if (ngx_iot_store_lookup(store, &certificate->registry_id,
                             NGX_IOT_SCRIPT_GET_CERTIFICATE, 1, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_store_key(store, &req->argv[1], tag, 'c',
                             &certificate->registry_id,
                             certificate->fingerprint);
}


ngx_iot_store_result_e
ngx_iot_store_certificate_got(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_certificate_t *certificate)
{
    ngx_str_t               added_by;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_answers,
                                  "get_certificate");

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    if (reply->nelts != 2) {
        return ngx_iot_store_broken(store, reply, "get_certificate");
    }

    return ngx_iot_store_record(store, reply->elts[1], certificate, &added_by);
}


ngx_int_t
ngx_iot_store_find_certificate(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_iot_resp_request_t *req)
{
    u_char      tag[NGX_IOT_TAG_LEN];
    ngx_str_t  *key, *arg;

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(&certificate->registry_id));

    if (ngx_iot_store_request(store, req, 6) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_FIND_CERTIFICATE];
    req->nkeys = 3;

    key = req->argv;
    arg = key + req->nkeys;

    arg[0] = ngx_iot_store_mode(store);
    arg[1].data = (u_char *) certificate->sha1;
    arg[1].len = NGX_IOT_SHA1_LEN;

    if (ngx_iot_store_key(store, &key[0], tag, 'r', &certificate->registry_id,
                          NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'h',
                             &certificate->registry_id, NULL))
    {
        return NGX_ERROR;
    }

    return ngx_iot_store_idempotency(store, tag, &key[0], &key[2], &arg[2]);
}


ngx_iot_store_result_e
ngx_iot_store_certificate_found(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_certificate_t *certificate,
    ngx_str_t *operation_id)
{
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_answers,
                                  "find_certificate");

    if (result == NGX_IOT_STORE_SAME) {
        return ngx_iot_store_answer_id(store, reply, result,
                                       "find_certificate", operation_id);
    }

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    if (reply->nelts != 2
        || reply->elts[1]->type != NGX_IOT_RESP_STRING
        || reply->elts[1]->str.len != NGX_IOT_SHA256_LEN)
    {
        return ngx_iot_store_broken(store, reply, "find_certificate");
    }

    ngx_memcpy(certificate->sha256, reply->elts[1]->str.data,
               NGX_IOT_SHA256_LEN);
    ngx_hex_dump(certificate->fingerprint, certificate->sha256,
                 NGX_IOT_SHA256_LEN);

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_list_certificates(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *after, ngx_uint_t count,
    ngx_iot_resp_request_t *req)
{
    u_char      tag[NGX_IOT_TAG_LEN];
    ngx_str_t  *arg;

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(registry_id));

    if (ngx_iot_store_lookup(store, registry_id,
                             NGX_IOT_SCRIPT_LIST_CERTIFICATES, 3, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    arg = req->argv + req->nkeys;

    if (ngx_iot_store_behind(store, &arg[1], after, "-") != NGX_OK
        || ngx_iot_store_number(store, &arg[2], count) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_store_key(store, &req->argv[1], tag, 'z', registry_id,
                             NULL);
}


ngx_iot_store_result_e
ngx_iot_store_certificates_listed(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *members, ngx_uint_t *n)
{
    ngx_uint_t               i;
    ngx_iot_resp_reply_t    *list, *elt;
    ngx_iot_store_result_e   result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_answers,
                                  "list_certificates");

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    if (reply->nelts != 2
        || reply->elts[1]->type != NGX_IOT_RESP_ARRAY
        || reply->elts[1]->nelts > *n)
    {
        return ngx_iot_store_broken(store, reply, "list_certificates");
    }

    list = reply->elts[1];
    *n = list->nelts;

    for (i = 0; i < *n; i++) {
        elt = list->elts[i];

        if (elt->type != NGX_IOT_RESP_STRING
            || elt->str.len != NGX_IOT_LIST_MEMBER_LEN)
        {
            return ngx_iot_store_broken(store, elt, "list_certificates");
        }

        if (ngx_iot_store_copy(store, &members[i], elt->str.data,
                               elt->str.len)
            != NGX_OK)
        {
            return NGX_IOT_STORE_ERROR;
        }
    }

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_read_records(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *members, ngx_uint_t n,
    ngx_iot_resp_request_t *req)
{
    u_char      tag[NGX_IOT_TAG_LEN], hex[NGX_IOT_FINGERPRINT_LEN];
    ngx_uint_t  i;

    static ngx_str_t  mget = ngx_string("MGET");

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(registry_id));

    if (ngx_iot_store_request(store, req, 1 + n) != NGX_OK) {
        return NGX_ERROR;
    }

    req->large = 1;
    req->argv[0] = mget;

    for (i = 0; i < n; i++) {
        ngx_hex_dump(hex, members[i].data + NGX_IOT_LIST_TIME_LEN,
                     NGX_IOT_SHA256_LEN);

        if (ngx_iot_store_key(store, &req->argv[1 + i], tag, 'c', registry_id,
                              hex)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_records(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_str_t *members,
    ngx_uint_t *n, ngx_iot_certificate_t *certificates)
{
    ngx_str_t                added_by;
    ngx_uint_t               i;
    ngx_iot_certificate_t   *certificate;
    ngx_iot_store_result_e   result;

    if (reply->type != NGX_IOT_RESP_ARRAY || reply->nelts != *n) {
        return ngx_iot_store_broken(store, reply, "certificates");
    }

    certificate = certificates;

    for (i = 0; i < reply->nelts; i++) {

        result = ngx_iot_store_record(store, reply->elts[i], certificate,
                                      &added_by);

        if (result == NGX_IOT_STORE_NOT_FOUND) {
            /* deleted since the list was read */
            continue;
        }

        if (result != NGX_IOT_STORE_OK) {
            return result;
        }

        ngx_hex_dump(certificate->fingerprint,
                     members[i].data + NGX_IOT_LIST_TIME_LEN,
                     NGX_IOT_SHA256_LEN);
        certificate++;
    }

    *n = certificate - certificates;

    return NGX_IOT_STORE_OK;
}


ngx_int_t
ngx_iot_store_read_record(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_iot_resp_request_t *req)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    static ngx_str_t  get = ngx_string("GET");

    ngx_iot_id_tag(tag, ngx_iot_shard_registry(&certificate->registry_id));

    if (ngx_iot_store_request(store, req, 2) != NGX_OK
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
ngx_iot_store_record(const ngx_iot_store_t *store,
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

    if (record[NGX_IOT_RECORD_ENCODING] & NGX_IOT_STORE_MARK) {
        /* as far as readers are concerned it is not there yet */
        return NGX_IOT_STORE_NOT_FOUND;
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


ngx_int_t
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

    p = ngx_iot_store_big_endian(p, NGX_IOT_LIST_TIME_LEN,
                                 certificate->created_at);
    ngx_memcpy(p, certificate->sha256, NGX_IOT_SHA256_LEN);

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_make_record(const ngx_iot_store_t *store,
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
