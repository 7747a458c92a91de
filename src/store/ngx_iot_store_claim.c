
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store_key.h"
#include "ngx_iot_id.h"


static const ngx_iot_store_answer_t  ngx_iot_store_claim_answers[] = {
    { "OK", NGX_IOT_STORE_OK },
    { "HELD", NGX_IOT_STORE_HELD },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


static const ngx_iot_store_answer_t  ngx_iot_store_resolve_answers[] = {
    { "MEMBER", NGX_IOT_STORE_EXISTS },
    { "PENDING", NGX_IOT_STORE_PENDING },
    { "FREE", NGX_IOT_STORE_OK },
    { "NEWER", NGX_IOT_STORE_NEWER },
    { NULL, NGX_IOT_STORE_ERROR }
};


ngx_int_t
ngx_iot_store_claim_certificate(const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claim, const ngx_iot_store_holder_t *takes,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t  *arg;

    if (ngx_iot_store_request(store, req, 1 + 4) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_CLAIM_CERTIFICATE];
    req->writes = 1;

    arg = req->argv + req->nkeys;

    arg[0] = claim->registry_id;
    arg[1] = claim->operation_id;

    if (takes) {
        arg[2] = takes->registry_id;
        arg[3] = takes->operation_id;

    } else {
        ngx_str_set(&arg[2], "");
        ngx_str_set(&arg[3], "");
    }

    return ngx_iot_store_claim_key(store, claim->sha256, claim->fingerprint,
                                   &req->argv[0]);
}


ngx_iot_store_result_e
ngx_iot_store_certificate_claimed(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_holder_t *holder)
{
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_answer(store, reply, ngx_iot_store_claim_answers,
                                  "claim_certificate");

    if (result != NGX_IOT_STORE_HELD) {
        return result;
    }

    return ngx_iot_store_answer_holder(store, reply, "claim_certificate",
                                       holder);
}


ngx_int_t
ngx_iot_store_read_claim(const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claim, ngx_iot_resp_request_t *req)
{
    static ngx_str_t  get = ngx_string("GET");

    if (ngx_iot_store_request(store, req, 2) != NGX_OK) {
        return NGX_ERROR;
    }

    req->argv[0] = get;

    return ngx_iot_store_claim_key(store, claim->sha256, claim->fingerprint,
                                   &req->argv[1]);
}


/* one byte of format, registry id, 0x1f, operation id */
ngx_iot_store_result_e
ngx_iot_store_claim(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_holder_t *holder)
{
    u_char  *p, *id;

    if (reply->type == NGX_IOT_RESP_NIL) {
        return NGX_IOT_STORE_OK;
    }

    if (reply->type != NGX_IOT_RESP_STRING || reply->str.len == 0) {
        return ngx_iot_store_broken(store, reply, "claim");
    }

    if (reply->str.data[0] > NGX_IOT_STORE_FORMAT) {
        return NGX_IOT_STORE_NEWER;
    }

    if (reply->str.len < 2 + NGX_IOT_OPERATION_ID_LEN) {
        return ngx_iot_store_broken(store, NULL, "claim");
    }

    p = reply->str.data + 1;
    id = reply->str.data + reply->str.len - NGX_IOT_OPERATION_ID_LEN;

    if (ngx_iot_store_copy(store, &holder->registry_id, p, id - 1 - p)
        != NGX_OK
        || ngx_iot_store_copy(store, &holder->operation_id, id,
                              NGX_IOT_OPERATION_ID_LEN)
           != NGX_OK)
    {
        return NGX_IOT_STORE_ERROR;
    }

    return NGX_IOT_STORE_HELD;
}


ngx_int_t
ngx_iot_store_release_certificate(const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claim, ngx_iot_resp_request_t *req)
{
    if (ngx_iot_store_request(store, req, 1 + 2) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_RELEASE_CERTIFICATE];
    req->writes = 1;

    req->argv[1] = claim->registry_id;
    req->argv[2] = claim->operation_id;

    return ngx_iot_store_claim_key(store, claim->sha256, claim->fingerprint,
                                   &req->argv[0]);
}


ngx_iot_store_result_e
ngx_iot_store_certificate_released(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_claim_answers,
                                "release_certificate");
}


ngx_int_t
ngx_iot_store_resolve_certificate(const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claim, ngx_iot_msec_t now, ngx_uint_t look,
    ngx_iot_resp_request_t *req)
{
    ngx_str_t        *key, *arg;
    const u_char     *tag, *hex;
    const ngx_str_t  *operation_id;

    if (ngx_iot_store_request(store, req, 4 + 2) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_RESOLVE_CERTIFICATE];
    req->nkeys = 4;
    req->writes = !look;

    key = req->argv;
    arg = key + req->nkeys;

    operation_id = &claim->operation_id;
    tag = operation_id->data;
    hex = claim->fingerprint;

    if (look) {
        ngx_str_set(&arg[0], "look");

    } else if (now < ngx_iot_id_time(operation_id)
                     + NGX_IOT_STORE_CLAIM_PATIENCE)
    {
        ngx_str_set(&arg[0], "young");

    } else {
        ngx_str_set(&arg[0], "old");
    }

    if (ngx_iot_store_key(store, &key[0], tag, 'r', &claim->registry_id, NULL)
        || ngx_iot_store_key(store, &key[1], tag, 'c', &claim->registry_id,
                             hex)
        || ngx_iot_store_key(store, &key[2], tag, 'o', operation_id, NULL)
        || ngx_iot_store_key(store, &key[3], tag, 'a', operation_id, NULL)
        || ngx_iot_store_number(store, &arg[1], NGX_IOT_STORE_FENCE_LIFE))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_iot_store_result_e
ngx_iot_store_certificate_resolved(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_store_answer(store, reply, ngx_iot_store_resolve_answers,
                                "resolve_certificate");
}
