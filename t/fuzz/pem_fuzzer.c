
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * The input is a text with a certificate in PEM.  If it is accepted, then it
 * has no private key, OpenSSL finds no other certificate in it, and its DER
 * written as PEM is accepted as the same certificate; d2i_X509() and
 * X509_get0_pubkey() take it too, and X509_digest() is its fingerprint.
 *
 * Most mutations are of the certificate's elements, below the base64.  How
 * many inputs got how far is printed at the end.
 */


#include "asn1.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "ngx_iot_certificate.h"
#include "ngx_iot_pem.h"


#define BEGIN  "-----BEGIN CERTIFICATE-----"
#define LINE   64


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max,
    unsigned seed);

static void print_counts(void);
static void count(ngx_int_t rc, ngx_iot_reason_e reason);
static size_t find_base64(const uint8_t *data, size_t size, size_t *pos,
    ngx_str_t *der);
static size_t write_base64(uint8_t *data, size_t size, size_t max, size_t pos,
    size_t end, ngx_str_t *der);

static void compare_openssl(const ngx_str_t *pem, const ngx_str_t *der);
static void compare_x509(const ngx_iot_certificate_t *certificate);
static void compare_again(ngx_pool_t *pool,
    const ngx_iot_certificate_t *certificate);
static void compare_decoding(ngx_pool_t *pool, const ngx_str_t *pem);
static void require(ngx_uint_t cond);


static struct {
    ngx_uint_t  inputs;
    ngx_uint_t  pem;
    ngx_uint_t  der;
    ngx_uint_t  key;
} counts;

/* 2030-01-01 */
static time_t                        now = 1893456000;

static ngx_iot_certificate_policy_t  policy = {
    2048, 65536,
    NGX_IOT_ACCEPT_EXPIRED|NGX_IOT_ACCEPT_NOT_YET_VALID|NGX_IOT_ACCEPT_WEAK_KEY
};


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
    fprintf(stderr, "inputs: %lu, past PEM: %lu, past DER: %lu, past the key "
            "check: %lu\n", (unsigned long) counts.inputs,
            (unsigned long) counts.pem, (unsigned long) counts.der,
            (unsigned long) counts.key);
}


size_t
LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    size_t     pos, end;
    ngx_str_t  der;

    static u_char  buf[FUZZ_ASN1_MAX];

    der.data = buf;

    if (seed % 8 == 0 || size > FUZZ_ASN1_MAX) {
        return LLVMFuzzerMutate(data, size, max);
    }

    end = find_base64(data, size, &pos, &der);

    if (end == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }

    der.len = fuzz_asn1_mutate(der.data, der.len, FUZZ_ASN1_MAX, seed / 8);

    return write_base64(data, size, max, pos, end, &der);
}


/* what is between the first label and the next dash, decoded; 0: nothing */
static size_t
find_base64(const uint8_t *data, size_t size, size_t *pos, ngx_str_t *der)
{
    u_char         *p;
    size_t          i;
    ngx_str_t       text;
    const uint8_t  *begin;

    static u_char  buf[FUZZ_ASN1_MAX];

    begin = memmem(data, size, BEGIN, sizeof(BEGIN) - 1);

    if (begin == NULL) {
        return 0;
    }

    i = begin - data + sizeof(BEGIN) - 1;
    *pos = i;

    for (p = buf; i < size && data[i] != '-'; i++) {
        if (data[i] > ' ') {
            *p++ = data[i];
        }
    }

    text.data = buf;
    text.len = p - buf;

    return ngx_decode_base64(der, &text) == NGX_OK ? i : 0;
}


/* in place of what was there; nothing is changed when there is no room */
static size_t
write_base64(uint8_t *data, size_t size, size_t max, size_t pos, size_t end,
    ngx_str_t *der)
{
    u_char     *p;
    size_t      i, len;
    ngx_str_t   text;

    static u_char  buf[ngx_base64_encoded_length(FUZZ_ASN1_MAX)];

    text.data = buf;

    ngx_encode_base64(&text, der);

    len = text.len + (text.len + LINE - 1) / LINE + 1;

    if (size - (end - pos) + len > max) {
        return size;
    }

    ngx_memmove(data + pos + len, data + end, size - end);

    p = data + pos;
    *p++ = '\n';

    for (i = 0; i < text.len; i++) {
        *p++ = buf[i];

        if (i % LINE == LINE - 1 || i + 1 == text.len) {
            *p++ = '\n';
        }
    }

    return size - (end - pos) + len;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_int_t               rc;
    ngx_str_t               pem;
    ngx_pool_t             *pool;
    ngx_iot_error_t         err;
    ngx_iot_certificate_t   certificate;

    pool = ngx_create_pool(1024, &unit_log);

    pem.len = size;
    pem.data = malloc(size);

    if (size) {
        ngx_memcpy(pem.data, data, size);
    }

    rc = ngx_iot_certificate_read(pool, &pem, &policy, now, &certificate,
                                  &err);

    count(rc, err.reason);

    require(ERR_peek_error() == 0);
    require(rc == NGX_OK || rc == NGX_DECLINED);
    require(rc == NGX_OK || err.message.len != 0);

    if (rc == NGX_OK) {
        compare_openssl(&pem, &certificate.der);
        fuzz_asn1_keep(certificate.der.data, certificate.der.len);
        compare_x509(&certificate);
        compare_again(pool, &certificate);

    } else if (err.reason != NGX_IOT_REASON_PRIVATE_KEY_IN_BODY) {
        compare_decoding(pool, &pem);
    }

    free(pem.data);
    ngx_destroy_pool(pool);

    return 0;
}


static void
count(ngx_int_t rc, ngx_iot_reason_e reason)
{
    counts.inputs++;

    if (rc == NGX_OK) {
        counts.key++;
        counts.der++;
        counts.pem++;
        return;
    }

    switch (reason) {

    case NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY:
    case NGX_IOT_REASON_CERTIFICATE_BAD_KEY:
        counts.der++;

        /* fall through */

    case NGX_IOT_REASON_CERTIFICATE_BAD_DER:
    case NGX_IOT_REASON_CERTIFICATE_TRAILING_BYTES:
        counts.pem++;
        break;

    default:
        break;
    }
}


static void
compare_openssl(const ngx_str_t *pem, const ngx_str_t *der)
{
    BIO     *bio;
    char    *name, *header;
    long     len;
    u_char  *data;

    bio = BIO_new_mem_buf(pem->data, pem->len);

    while (BIO_pending(bio)) {

        if (!PEM_read_bio(bio, &name, &header, &data, &len)) {
            continue;
        }

        require(ngx_strstr(name, "PRIVATE KEY") == NULL);
        require(ngx_strcmp(name, PEM_STRING_X509_OLD) != 0);
        require(ngx_strcmp(name, PEM_STRING_X509_TRUSTED) != 0);

        if (ngx_strcmp(name, PEM_STRING_X509) == 0) {
            require((size_t) len == der->len
                    && ngx_memcmp(data, der->data, len) == 0);
        }

        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(data);
    }

    BIO_free(bio);
    ERR_clear_error();
}


static void
compare_x509(const ngx_iot_certificate_t *certificate)
{
    X509          *x509;
    u_char         digest[EVP_MAX_MD_SIZE];
    unsigned       n;
    const u_char  *p;

    p = certificate->der.data;

    x509 = d2i_X509(NULL, &p, certificate->der.len);

    require(x509 != NULL);
    require(p == certificate->der.data + certificate->der.len);
    require(X509_get0_pubkey(x509) != NULL);

    require(X509_digest(x509, EVP_sha256(), digest, &n) == 1);
    require(ngx_memcmp(digest, certificate->sha256, n) == 0);

    require(X509_digest(x509, EVP_sha1(), digest, &n) == 1);
    require(ngx_memcmp(digest, certificate->sha1, n) == 0);

    X509_free(x509);
    ERR_clear_error();
}


static void
compare_again(ngx_pool_t *pool, const ngx_iot_certificate_t *certificate)
{
    ngx_str_t               pem, der;
    ngx_iot_error_t         err;
    ngx_iot_certificate_t   again;

    require(ngx_iot_pem_read(pool, &certificate->pem, &der, &err) == NGX_OK);
    require(der.len == certificate->der.len);
    require(ngx_memcmp(der.data, certificate->der.data, der.len) == 0);

    require(ngx_iot_pem_write(pool, &der, &pem) == NGX_OK);
    require(ngx_iot_certificate_read(pool, &pem, &policy, now, &again, &err)
            == NGX_OK);

    require(again.der.len == der.len);
    require(ngx_memcmp(again.der.data, der.data, der.len) == 0);
    require(ngx_memcmp(again.fingerprint, certificate->fingerprint,
                       NGX_IOT_FINGERPRINT_LEN)
            == 0);
}


/* any bytes in a block come back through ngx_iot_pem_write() */
static void
compare_decoding(ngx_pool_t *pool, const ngx_str_t *pem)
{
    ngx_str_t        der, text, again;
    ngx_iot_error_t  err;

    if (ngx_iot_pem_read(pool, pem, &der, &err) != NGX_OK) {
        return;
    }

    require(ngx_iot_pem_write(pool, &der, &text) == NGX_OK);
    require(ngx_iot_pem_read(pool, &text, &again, &err) == NGX_OK);

    require(again.len == der.len);
    require(ngx_memcmp(again.data, der.data, der.len) == 0);

    compare_openssl(&text, &der);
}


static void
require(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
