
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_idempotency.h"
#include "ngx_iot_x509.h"


ngx_int_t
ngx_iot_idempotency_check(ngx_iot_call_t *call)
{
    if (call->idempotency_key.data == NULL) {
        return NGX_OK;
    }

    if (ngx_iot_id_uuid(&call->idempotency_key, call->uuid) == NGX_OK) {
        call->store.idempotency.given = 1;
        return NGX_OK;
    }

    ngx_iot_field_error(&call->error, INVALID_FIELD, "idempotency_key",
                        "an Idempotency-Key is one UUID, 8-4-4-4-12 hex "
                        "digits");

    return NGX_DECLINED;
}


ngx_int_t
ngx_iot_idempotency_scope(ngx_iot_call_t *call, const ngx_str_t *resource,
    const ngx_str_t *fields, ngx_uint_t n)
{
    u_char                        digest[NGX_IOT_SHA256_LEN];
    ngx_str_t                     parts[1 + NGX_IOT_IDEMPOTENCY_FIELDS_MAX];
    ngx_iot_store_idempotency_t  *idempotency;

    idempotency = &call->store.idempotency;

    if (!idempotency->given) {
        return NGX_OK;
    }

    parts[0] = call->caller;
    parts[1] = call->method->name;
    parts[2] = *resource;
    parts[3].data = call->uuid;
    parts[3].len = NGX_IOT_UUID_LEN;

    if (ngx_iot_x509_sha256_list(parts, 4, digest) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(idempotency->name, digest, NGX_IOT_IDEMPOTENCY_NAME_LEN);

    parts[0] = call->method->name;
    ngx_memcpy(&parts[1], fields, n * sizeof(ngx_str_t));

    if (ngx_iot_x509_sha256_list(parts, 1 + n, digest) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(idempotency->hash, digest, NGX_IOT_IDEMPOTENCY_HASH_LEN);

    return NGX_OK;
}
