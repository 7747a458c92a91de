
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"


/* certificates by the batch, see import_certificates.lua */


#define NGX_IOT_IMPORT_KEYS         4
#define NGX_IOT_IMPORT_ARGS         6
#define NGX_IOT_IMPORT_ARGS_OF_ONE  4


static ngx_int_t ngx_iot_store_import_head(const ngx_iot_store_t *store,
    const ngx_iot_store_batch_t *batch, ngx_str_t *key, ngx_str_t *arg);
static ngx_int_t ngx_iot_store_import_one(const ngx_iot_store_t *store,
    const ngx_iot_store_batch_t *batch, const ngx_iot_store_import_t *one,
    ngx_str_t *key, ngx_str_t *arg);
static ngx_iot_store_result_e ngx_iot_store_imported_one(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_store_import_t *one);


static const ngx_iot_store_answer_t  ngx_iot_store_import_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "NO_REGISTRY", NGX_IOT_STORE_NO_REGISTRY },
    { "DISABLED", NGX_IOT_STORE_REGISTRY_DISABLED },
    { "FENCED", NGX_IOT_STORE_FENCED },
    { "EXISTS", NGX_IOT_STORE_EXISTS },
    { "HELD", NGX_IOT_STORE_HELD },
    { "LIMIT", NGX_IOT_STORE_LIMIT },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_import_make(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *import, ngx_iot_store_import_t *one)
{
    const ngx_iot_certificate_t  *certificate;

    certificate = &import->certificate;

    ngx_memcpy(one->sha256, certificate->sha256, NGX_IOT_SHA256_LEN);
    ngx_memcpy(one->sha1, certificate->sha1, NGX_IOT_SHA1_LEN);
    ngx_memcpy(one->fingerprint, certificate->fingerprint,
               NGX_IOT_FINGERPRINT_LEN);

    if (ngx_iot_store_list_member(store, certificate, &one->member) != NGX_OK
        || ngx_iot_store_make_record(store, import, &one->record) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_store_import(const ngx_iot_store_t *store,
    const ngx_iot_store_batch_t *batch, ngx_iot_resp_request_t *req)
{
    ngx_str_t   *key, *arg;
    ngx_uint_t   i, keys;

    keys = store->cluster ? 1 : 2;

    if (ngx_iot_store_change(store, batch->import,
                             NGX_IOT_SCRIPT_IMPORT_CERTIFICATES,
                             NGX_IOT_IMPORT_KEYS + batch->n * keys,
                             NGX_IOT_IMPORT_ARGS
                             + batch->n * NGX_IOT_IMPORT_ARGS_OF_ONE, req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->writes = (batch->n != 0 && !batch->dry_run);

    key = req->argv + NGX_IOT_CHANGE_KEYS;
    arg = req->argv + req->nkeys + NGX_IOT_CHANGE_ARGS;

    if (ngx_iot_store_import_head(store, batch, key, arg) != NGX_OK) {
        return NGX_ERROR;
    }

    key += NGX_IOT_IMPORT_KEYS;
    arg += NGX_IOT_IMPORT_ARGS;

    for (i = 0; i < batch->n; i++) {

        if (ngx_iot_store_import_one(store, batch, batch->all[i], key, arg)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        key += keys;
        arg += NGX_IOT_IMPORT_ARGS_OF_ONE;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_import_head(const ngx_iot_store_t *store,
    const ngx_iot_store_batch_t *batch, ngx_str_t *key, ngx_str_t *arg)
{
    const u_char     *tag;
    const ngx_str_t  *registry_id;

    static ngx_str_t  check = ngx_string("check");
    static ngx_str_t  write = ngx_string("write");
    static ngx_str_t  claim = ngx_string("claim");
    static ngx_str_t  claimed = ngx_string("claimed");
    static ngx_str_t  operation = ngx_string("operation");
    static ngx_str_t  none = ngx_null_string;

    tag = batch->import->id.data;
    registry_id = &batch->import->registry_id;

    arg[0] = batch->dry_run ? check : write;
    arg[1] = store->cluster ? claimed : claim;
    arg[5] = batch->operation ? operation : none;

    if (ngx_iot_store_key(store, &key[0], tag, 'z', registry_id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'h', registry_id, NULL)
        || ngx_iot_store_key(store, &key[2], tag, 'a', &batch->import->id,
                             NULL)
        || ngx_iot_store_key(store, &key[3], tag, 'w', registry_id, NULL)

        || ngx_iot_store_number(store, &arg[2], store->limit)
        || ngx_iot_store_number(store, &arg[3], batch->counted)
        || ngx_iot_store_number(store, &arg[4], NGX_IOT_STORE_FENCE_LIFE))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_import_one(const ngx_iot_store_t *store,
    const ngx_iot_store_batch_t *batch, const ngx_iot_store_import_t *one,
    ngx_str_t *key, ngx_str_t *arg)
{
    const ngx_iot_operation_t  *import;

    import = batch->import;

    arg[0].data = (u_char *) one->sha256;
    arg[0].len = NGX_IOT_SHA256_LEN;

    arg[1].data = (u_char *) one->sha1;
    arg[1].len = NGX_IOT_SHA1_LEN;

    arg[2] = one->member;
    arg[3] = one->record;

    /* the batch may have another id than when the record was made */

    ngx_memcpy(one->record.data + NGX_IOT_RECORD_OPERATION, import->id.data,
               NGX_IOT_OPERATION_ID_LEN);

    if (ngx_iot_store_key(store, &key[0], import->id.data, 'c',
                          &import->registry_id, one->fingerprint)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (store->cluster) {
        return NGX_OK;
    }

    return ngx_iot_store_claim_key(store, one->sha256, one->fingerprint,
                                   &key[1]);
}


ngx_iot_store_result_e
ngx_iot_store_imported(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_iot_store_batch_t *batch)
{
    ngx_uint_t              i;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_import_answers,
                                  "import_certificates");

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    if (reply->nelts != 1 + batch->n) {
        return ngx_iot_store_broken(store, reply, "import_certificates");
    }

    for (i = 0; i < batch->n; i++) {
        result = ngx_iot_store_imported_one(store, reply->elts[1 + i],
                                            batch->all[i]);

        if (result == NGX_IOT_STORE_ERROR) {
            return result;
        }

        batch->all[i]->result = result;
    }

    return NGX_IOT_STORE_OK;
}


static ngx_iot_store_result_e
ngx_iot_store_imported_one(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_import_t *one)
{
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_import_answers,
                                  "import_certificates");

    if (result != NGX_IOT_STORE_HELD) {
        return result;
    }

    return ngx_iot_store_answer_holder(store, reply, "import_certificates",
                                       &one->holder);
}
