
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_certificate.h"
#include "ngx_iot_pem.h"


ngx_int_t
ngx_iot_certificate_read(ngx_pool_t *pool, const ngx_str_t *pem,
    const ngx_iot_certificate_policy_t *policy, time_t now,
    ngx_iot_certificate_t *certificate, ngx_iot_error_t *err)
{
    ngx_int_t  rc;

    if (pem->len == 0) {
        ngx_iot_error(err, CERTIFICATE_REQUIRED,
                      "a certificate in PEM is required");
        return NGX_DECLINED;
    }

    if (ngx_iot_pem_has_private_key(pem)) {
        ngx_iot_error(err, PRIVATE_KEY_IN_BODY,
                      "a private key was sent; send the certificate alone. "
                      "The key was not kept, yet it has left its place: "
                      "consider replacing it");
        return NGX_DECLINED;
    }

    if (pem->len > policy->max_size) {
        ngx_iot_error_format(pool, err, NGX_IOT_REASON_CERTIFICATE_TOO_LARGE,
                             "the certificate has %uz bytes, at most %uz are "
                             "accepted", pem->len, policy->max_size);
        return NGX_DECLINED;
    }

    rc = ngx_iot_pem_read(pool, pem, &certificate->der, err);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_iot_x509_check(pool, &certificate->der, policy, now, err);
    if (rc != NGX_OK) {
        return rc;
    }

    certificate->pem = *pem;

    if (ngx_iot_x509_fingerprints(&certificate->der, certificate->sha256,
                                  certificate->sha1)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_CRIT, pool->log, 0,
                      "OpenSSL failed to compute a fingerprint");
        return NGX_ERROR;
    }

    ngx_hex_dump(certificate->fingerprint, certificate->sha256,
                 NGX_IOT_SHA256_LEN);

    return NGX_OK;
}


void
ngx_iot_certificate_write(ngx_iot_json_out_t *out,
    const ngx_iot_certificate_t *certificate)
{
    ngx_str_t  fingerprint;

    fingerprint.len = sizeof(certificate->fingerprint);
    fingerprint.data = (u_char *) certificate->fingerprint;

    ngx_iot_json_out_string(out, "registryId", &certificate->registry_id);
    ngx_iot_json_out_string(out, "fingerprint", &fingerprint);
    ngx_iot_json_out_string(out, "certificateData", &certificate->pem);
    ngx_iot_json_out_time(out, "createdAt", certificate->created_at);
}
