
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


size_t
ngx_iot_certificate_name(ngx_iot_certificate_t *certificate,
    const ngx_str_t *text)
{
    u_char     *p, *last, bytes[NGX_IOT_SHA256_LEN];
    size_t      n;
    ngx_int_t   byte;

    p = text->data;
    last = text->data + text->len;

    for (n = 0; n < NGX_IOT_SHA256_LEN && last - p >= 2; n++) {

        byte = ngx_hextoi(p, 2);
        if (byte == NGX_ERROR) {
            return 0;
        }

        bytes[n] = (u_char) byte;
        p += 2;

        if (last - p >= 3 && *p == ':') {
            p++;
        }
    }

    if (p != last) {
        return 0;
    }

    switch (n) {

    case NGX_IOT_SHA256_LEN:
        ngx_memcpy(certificate->sha256, bytes, n);
        ngx_hex_dump(certificate->fingerprint, bytes, n);
        return n;

    case NGX_IOT_SHA1_LEN:
        ngx_memcpy(certificate->sha1, bytes, n);
        return n;

    default:
        return 0;
    }
}


void
ngx_iot_certificate_write(ngx_iot_out_t *out,
    const ngx_iot_certificate_t *certificate)
{
    ngx_str_t  fingerprint;

    fingerprint.len = sizeof(certificate->fingerprint);
    fingerprint.data = (u_char *) certificate->fingerprint;

    ngx_iot_out_string(out, "registryId", 1, &certificate->registry_id);
    ngx_iot_out_string(out, "fingerprint", 2, &fingerprint);
    ngx_iot_out_string(out, "certificateData", 3, &certificate->pem);
    ngx_iot_out_time(out, "createdAt", 4, certificate->created_at);
}
