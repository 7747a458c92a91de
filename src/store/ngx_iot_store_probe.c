
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_store.h"
#include "ngx_iot_store_key.h"
#include "ngx_iot_id.h"
#include "ngx_iot_scripts.h"


ngx_int_t
ngx_iot_store_probe(const ngx_iot_store_t *store, ngx_uint_t shard,
    ngx_iot_resp_request_t *req)
{
    u_char  tag[NGX_IOT_TAG_LEN];

    /* no registry's id is empty */
    static const ngx_str_t  nobody = ngx_string("");

    if (ngx_iot_store_request(store, req, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    req->script = &ngx_iot_scripts[NGX_IOT_SCRIPT_PROBE];

    ngx_iot_id_tag(tag, shard);

    return ngx_iot_store_key(store, &req->argv[0], tag, 'r', &nobody, NULL);
}


ngx_iot_store_result_e
ngx_iot_store_probed(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply)
{
    static const ngx_iot_store_answer_t  answers[] = {
        { "OK", NGX_IOT_STORE_OK },
        { NULL, NGX_IOT_STORE_ERROR }
    };

    return ngx_iot_store_answer(store, reply, answers, "probe");
}
