
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_CERTIFICATE_H_INCLUDED_
#define _NGX_IOT_CERTIFICATE_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"
#include "ngx_iot_out.h"
#include "ngx_iot_x509.h"


/* a certificate of a registry: RegistryCertificate of the proto */

typedef struct {
    ngx_str_t        registry_id;
    ngx_str_t        pem;               /* certificate_data, as it was sent */
    ngx_str_t        der;
    ngx_iot_msec_t   created_at;

    u_char           sha256[NGX_IOT_SHA256_LEN];
    u_char           sha1[NGX_IOT_SHA1_LEN];

    /* SHA-256 in lower-case hex: the fingerprint that clients see */
    u_char           fingerprint[NGX_IOT_FINGERPRINT_LEN];
} ngx_iot_certificate_t;


/*
 * Reads certificate_data: refuses what is too long or holds a private key,
 * takes the certificate out of its PEM, see ngx_iot_pem_read(), checks it, see
 * ngx_iot_x509_check(), and fingerprints it.
 *
 * NGX_OK: pem (the slice given), der (in pool), sha256, sha1 and fingerprint
 * are set; the other fields are left alone.
 * NGX_DECLINED fills err but for its field.
 */
ngx_int_t ngx_iot_certificate_read(ngx_pool_t *pool, const ngx_str_t *pem,
    const ngx_iot_certificate_policy_t *policy, time_t now,
    ngx_iot_certificate_t *certificate, ngx_iot_error_t *err);

/*
 * Reads a fingerprint as people write it: 64 hex digits (SHA-256) or 40
 * (SHA-1), in any case, with or without colons between the bytes.
 * Returns how many bytes it has, and sets sha256 and fingerprint, or sha1; 0
 * when it is not that.
 */
size_t ngx_iot_certificate_name(ngx_iot_certificate_t *certificate,
    const ngx_str_t *text);

/* writes the fields of a RegistryCertificate into the message that is open */
void ngx_iot_certificate_write(ngx_iot_out_t *out,
    const ngx_iot_certificate_t *certificate);


#endif /* _NGX_IOT_CERTIFICATE_H_INCLUDED_ */
