
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_X509_H_INCLUDED_
#define _NGX_IOT_X509_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"


/* iot_certificate_accept */

#define NGX_IOT_ACCEPT_EXPIRED        0x0002
#define NGX_IOT_ACCEPT_NOT_YET_VALID  0x0004
#define NGX_IOT_ACCEPT_WEAK_KEY       0x0008

/* the floor below which even weak_key does not go */
#define NGX_IOT_RSA_BITS_MIN          512


typedef struct {
    ngx_uint_t   min_rsa_bits;
    size_t       max_size;              /* bytes of certificate_data */
    ngx_uint_t   accept;                /* NGX_IOT_ACCEPT_… */
} ngx_iot_certificate_policy_t;


/*
 * Fetches the algorithms and curves once per process, so that no request does
 * (OpenSSL 3 looks providers up at each implicit fetch).  Called in every
 * process before the first check; NGX_ERROR: OpenSSL lacks one, logged.
 */
ngx_int_t ngx_iot_x509_init(ngx_log_t *log);

/* gives back what ngx_iot_x509_init() took; may be called without it */
void ngx_iot_x509_done(void);

/*
 * Checks that der is one X.509 certificate (RFC 5280, v1 to v3) in DER, that
 * nothing follows it, that policy accepts its key, and that now (seconds) is
 * inside its validity.  Accepts a strict subset of what d2i_X509() with
 * X509_get0_pubkey() accepts.  The signature is not verified: trust is by
 * registration.
 *
 * NGX_DECLINED fills err but for its field, which the caller knows; a message
 * with numbers in it lives in pool.  The OpenSSL error queue is empty on
 * return, always.
 */
ngx_int_t ngx_iot_x509_check(ngx_pool_t *pool, const ngx_str_t *der,
    const ngx_iot_certificate_policy_t *policy, time_t now,
    ngx_iot_error_t *err);

/*
 * SHA-256 and SHA-1 of the DER, the fingerprints of the certificate.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_iot_x509_fingerprints(const ngx_str_t *der,
    u_char sha256[NGX_IOT_SHA256_LEN], u_char sha1[NGX_IOT_SHA1_LEN]);

/*
 * SHA-256 of n strings, each after its length (eight bytes, big endian), so
 * that no two lists of strings are the same bytes.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_iot_x509_sha256_list(const ngx_str_t *strings, ngx_uint_t n,
    u_char sha256[NGX_IOT_SHA256_LEN]);


#endif /* _NGX_IOT_X509_H_INCLUDED_ */
