
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * The input is a certificate in DER.  If ngx_iot_x509_check() accepts it, then
 * so do d2i_X509() and X509_get0_pubkey(), encoding it again gives the same
 * bytes, and what a strict policy accepts the loosest accepts too.
 *
 * Inputs are mutated by their elements.  How many were accepted so far is
 * printed at the end.
 */


#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "asn1.h"
#include "ngx_iot_x509.h"


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
    unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
    const uint8_t *data2, size_t size2, uint8_t *out, size_t max,
    unsigned seed);

static void print_counts(void);
static ngx_int_t check(ngx_str_t *der, ngx_uint_t accept);
static void compare(const ngx_str_t *der);
static void require(ngx_uint_t cond);


static struct {
    ngx_uint_t  inputs;
    ngx_uint_t  der;
    ngx_uint_t  key;
} counts;


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    require(ngx_iot_x509_init(&unit_log) == NGX_OK);

    atexit(print_counts);

    return 0;
}


static void
print_counts(void)
{
    fprintf(stderr, "inputs: %lu, past DER: %lu, past the key check: %lu\n",
            (unsigned long) counts.inputs, (unsigned long) counts.der,
            (unsigned long) counts.key);
}


size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return fuzz_asn1_mutate(data, size, max, seed);
}


size_t
LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1,
    const uint8_t *data2, size_t size2, uint8_t *out, size_t max,
    unsigned seed)
{
    size1 = ngx_min(size1, max);

    ngx_memcpy(out, data1, size1);

    return fuzz_asn1_graft(out, size1, max, data2, size2, seed);
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_int_t  loose, strict;
    ngx_str_t  der;

    der.len = size;
    der.data = malloc(size);
    require(der.data != NULL || size == 0);

    if (size) {
        ngx_memcpy(der.data, data, size);
    }

    counts.inputs++;

    loose = check(&der, NGX_IOT_ACCEPT_EXPIRED | NGX_IOT_ACCEPT_NOT_YET_VALID
                        | NGX_IOT_ACCEPT_WEAK_KEY);
    strict = check(&der, 0);

    require(strict != NGX_OK || loose == NGX_OK);

    if (loose == NGX_OK) {
        counts.key++;
        fuzz_asn1_keep(der.data, der.len);
        compare(&der);
    }

    free(der.data);

    return 0;
}


static ngx_int_t
check(ngx_str_t *der, ngx_uint_t accept)
{
    ngx_int_t                      rc;
    ngx_pool_t                    *pool;
    ngx_iot_error_t                err;
    ngx_iot_certificate_policy_t   policy;

    pool = ngx_create_pool(1024, &unit_log);

    policy.min_rsa_bits = 2048;
    policy.max_size = 65536;
    policy.accept = accept;

    /* 2030-01-01 */

    rc = ngx_iot_x509_check(pool, der, &policy, 1893456000, &err);

    require(rc == NGX_OK || rc == NGX_DECLINED);
    require(rc == NGX_OK || err.message.len != 0);
    require(ERR_peek_error() == 0);

    ngx_destroy_pool(pool);

    if (accept && (rc == NGX_OK
                   || (err.reason != NGX_IOT_REASON_CERTIFICATE_BAD_DER
                       && err.reason
                          != NGX_IOT_REASON_CERTIFICATE_TRAILING_BYTES)))
    {
        counts.der++;
    }

    return rc;
}


static void
compare(const ngx_str_t *der)
{
    X509          *x509;
    u_char        *again;
    u_char         sha256[NGX_IOT_SHA256_LEN], sha1[NGX_IOT_SHA1_LEN];
    u_char         digest[EVP_MAX_MD_SIZE];
    size_t         len;
    unsigned       n;
    const u_char  *p;

    p = der->data;

    x509 = d2i_X509(NULL, &p, der->len);

    require(x509 != NULL);
    require(p == der->data + der->len);
    require(X509_get0_pubkey(x509) != NULL);

    /* d2i_X509() keeps the bytes of what was signed: do not take those */

    again = NULL;
    i2d_re_X509_tbs(x509, &again);
    OPENSSL_free(again);

    again = NULL;
    len = i2d_X509(x509, &again);

    require(len == der->len);
    require(ngx_memcmp(again, der->data, len) == 0);

    OPENSSL_free(again);

    require(ngx_iot_x509_fingerprints(der, sha256, sha1) == NGX_OK);

    X509_digest(x509, EVP_sha256(), digest, &n);
    require(n == sizeof(sha256) && ngx_memcmp(digest, sha256, n) == 0);

    X509_digest(x509, EVP_sha1(), digest, &n);
    require(n == sizeof(sha1) && ngx_memcmp(digest, sha1, n) == 0);

    X509_free(x509);
    ERR_clear_error();
}


static void
require(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
