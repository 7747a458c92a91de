
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_id.h"
#include "ngx_iot_shard.h"


/* certificates by the batch, see import_certificates.lua */


#define NGX_IOT_IMPORT_KEYS    2
#define NGX_IOT_IMPORT_ARGS    1

/* of each certificate */
#define NGX_IOT_IMPORT_KEYS_OF_ONE  2
#define NGX_IOT_IMPORT_ARGS_OF_ONE  4


static ngx_int_t ngx_iot_store_import_one(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *import, const ngx_iot_store_import_t *one,
    ngx_str_t *key, ngx_str_t *arg);


static const ngx_iot_store_answer_t  ngx_iot_store_import_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "NO_REGISTRY", NGX_IOT_STORE_NO_REGISTRY },
    { "DISABLED", NGX_IOT_STORE_REGISTRY_DISABLED },
    { "EXISTS", NGX_IOT_STORE_EXISTS },
    { "HELD", NGX_IOT_STORE_HELD },
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
    const ngx_iot_operation_t *import, ngx_iot_store_import_t **all,
    ngx_uint_t n, ngx_uint_t dry_run, ngx_iot_resp_request_t *req)
{
    u_char           *tag;
    ngx_str_t        *key, *arg;
    ngx_uint_t        i;
    const ngx_str_t  *registry_id;

    if (ngx_iot_store_change(store, import, NGX_IOT_SCRIPT_IMPORT_CERTIFICATES,
                             NGX_IOT_IMPORT_KEYS
                             + n * NGX_IOT_IMPORT_KEYS_OF_ONE,
                             NGX_IOT_IMPORT_ARGS
                             + n * NGX_IOT_IMPORT_ARGS_OF_ONE,
                             req)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    req->writes = (n != 0 && !dry_run);

    tag = import->id.data;
    registry_id = &import->registry_id;

    key = req->argv + NGX_IOT_CHANGE_KEYS;
    arg = req->argv + req->nkeys + NGX_IOT_CHANGE_ARGS;

    if (ngx_iot_store_key(store, &key[0], tag, 'z', registry_id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'h', registry_id, NULL))
    {
        return NGX_ERROR;
    }

    if (dry_run) {
        ngx_str_set(&arg[0], "check");

    } else {
        ngx_str_set(&arg[0], "write");
    }

    key += NGX_IOT_IMPORT_KEYS;
    arg += NGX_IOT_IMPORT_ARGS;

    for (i = 0; i < n; i++) {

        if (ngx_iot_store_import_one(store, import, all[i], key, arg)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        key += NGX_IOT_IMPORT_KEYS_OF_ONE;
        arg += NGX_IOT_IMPORT_ARGS_OF_ONE;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_store_import_one(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *import, const ngx_iot_store_import_t *one,
    ngx_str_t *key, ngx_str_t *arg)
{
    u_char  claim_tag[NGX_IOT_TAG_LEN];

    ngx_iot_id_tag(claim_tag, ngx_iot_shard_fingerprint(one->sha256));

    arg[0].data = (u_char *) one->sha256;
    arg[0].len = NGX_IOT_SHA256_LEN;

    arg[1].data = (u_char *) one->sha1;
    arg[1].len = NGX_IOT_SHA1_LEN;

    arg[2] = one->member;
    arg[3] = one->record;

    if (ngx_iot_store_key(store, &key[0], import->id.data, 'c',
                          &import->registry_id, one->fingerprint)
        || ngx_iot_store_key(store, &key[1], claim_tag, 'x', NULL,
                             one->fingerprint))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_imported(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_import_t **all,
    ngx_uint_t n)
{
    ngx_uint_t              i;
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_import_answers,
                                  "import_certificates");

    if (result != NGX_IOT_STORE_OK) {
        return result;
    }

    if (reply->nelts != 1 + n) {
        return ngx_iot_store_broken(store, reply, "import_certificates");
    }

    for (i = 0; i < n; i++) {
        result = ngx_iot_store_word(store, reply->elts[1 + i],
                                    ngx_iot_store_import_answers,
                                    "import_certificates");

        if (result == NGX_IOT_STORE_ERROR) {
            return result;
        }

        all[i]->result = result;
    }

    return NGX_IOT_STORE_OK;
}
