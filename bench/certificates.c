
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * certificates KEY COUNT PATH > requests
 *
 * Writes COUNT requests "POST PATH", each with a certificate of its own, in
 * the form that load reads: four bytes of length in the machine's order, then
 * the request as it goes over the wire.  KEY is rsa (2048 bits) or p256.
 *
 * The certificates are what a CA gives to devices.  All have one public key,
 * which is the CA's too, as making keys takes longest; serial, subject,
 * subjectAltName and signature differ.
 */


#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>


#define BENCH_DAY  86400L


typedef struct {
    int          nid;
    const char  *value;
} bench_extension_t;


static X509 *bench_certificate(EVP_PKEY *key, X509_NAME *issuer, long n);
static int bench_name(X509_NAME *name, const char *cn);
static int bench_extensions(X509 *x509, long n);
static int bench_extension(X509 *x509, int nid, const char *value);
static int bench_write(X509 *x509, const char *path);
static size_t bench_escape(char *dst, const char *src, size_t len);
static void bench_fail(const char *what);


int
main(int argc, char **argv)
{
    X509       *x509;
    long        n, count;
    EVP_PKEY   *key;
    X509_NAME  *issuer;

    if (argc != 4
        || (strcmp(argv[1], "rsa") != 0 && strcmp(argv[1], "p256") != 0))
    {
        fprintf(stderr, "usage: %s rsa|p256 COUNT PATH > FILE\n", argv[0]);
        return 2;
    }

    count = atol(argv[2]);

    key = (strcmp(argv[1], "rsa") == 0) ? EVP_RSA_gen(2048)
                                        : EVP_EC_gen("P-256");
    issuer = X509_NAME_new();

    if (key == NULL
        || issuer == NULL
        || !bench_name(issuer, "Bench Device CA"))
    {
        bench_fail("key");
    }

    for (n = 0; n < count; n++) {

        x509 = bench_certificate(key, issuer, n);

        if (x509 == NULL || bench_write(x509, argv[3]) != 0) {
            bench_fail("certificate");
        }

        X509_free(x509);
    }

    X509_NAME_free(issuer);
    EVP_PKEY_free(key);

    if (fflush(stdout) != 0) {
        perror("stdout");
        return 1;
    }

    return 0;
}


static X509 *
bench_certificate(EVP_PKEY *key, X509_NAME *issuer, long n)
{
    X509           *x509;
    BIGNUM         *bn;
    char            cn[32];
    unsigned char   serial[16];

    snprintf(cn, sizeof(cn), "device-%08ld", n);

    /* the first byte is not 0 nor negative, so that all are of one length */

    memset(serial, 0x5a, sizeof(serial));
    memcpy(serial + 8, &n, sizeof(n));

    x509 = X509_new();
    bn = BN_bin2bn(serial, sizeof(serial), NULL);

    if (x509 == NULL
        || bn == NULL
        || !X509_set_version(x509, X509_VERSION_3)
        || BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(x509)) == NULL
        || !X509_set_issuer_name(x509, issuer)
        || X509_gmtime_adj(X509_getm_notBefore(x509), -BENCH_DAY) == NULL
        || X509_gmtime_adj(X509_getm_notAfter(x509), 3650 * BENCH_DAY) == NULL
        || !X509_set_pubkey(x509, key)
        || !bench_name(X509_get_subject_name(x509), cn)
        || !bench_extensions(x509, n)
        || !X509_sign(x509, key, EVP_sha256()))
    {
        return NULL;
    }

    BN_free(bn);

    return x509;
}


static int
bench_name(X509_NAME *name, const char *cn)
{
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_ASC,
                           (const unsigned char *) "Bench Works", -1, -1, 0)
           && X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                         (const unsigned char *) cn, -1, -1,
                                         0);
}


static int
bench_extensions(X509 *x509, long n)
{
    char    name[64];
    size_t  i;

    static const bench_extension_t  extensions[] = {
        { NID_basic_constraints, "critical,CA:FALSE" },
        { NID_key_usage, "critical,digitalSignature" },
        { NID_ext_key_usage, "clientAuth" },
        { NID_subject_key_identifier, "hash" }
    };

    for (i = 0; i < sizeof(extensions) / sizeof(bench_extension_t); i++) {
        if (!bench_extension(x509, extensions[i].nid, extensions[i].value)) {
            return 0;
        }
    }

    snprintf(name, sizeof(name), "DNS:device-%08ld.bench.example", n);

    return bench_extension(x509, NID_subject_alt_name, name);
}


static int
bench_extension(X509 *x509, int nid, const char *value)
{
    X509V3_CTX       ctx;
    X509_EXTENSION  *extension;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x509, x509, NULL, NULL, 0);

    extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);

    if (extension == NULL || !X509_add_ext(x509, extension, -1)) {
        return 0;
    }

    X509_EXTENSION_free(extension);

    return 1;
}


static int
bench_write(X509 *x509, const char *path)
{
    BIO       *bio;
    long       pem_len;
    char      *pem;
    size_t     len;
    uint32_t   length;

    static char  escaped[32768], request[36864];

    bio = BIO_new(BIO_s_mem());

    if (bio == NULL || !PEM_write_bio_X509(bio, x509)) {
        return -1;
    }

    pem_len = BIO_get_mem_data(bio, &pem);

    if ((size_t) pem_len > sizeof(escaped) / 2) {
        return -1;
    }

    len = bench_escape(escaped, pem, pem_len);

    BIO_free(bio);

    length = snprintf(request, sizeof(request),
                      "POST %s HTTP/1.1\r\n"
                      "Host: bench\r\n"
                      "Authorization: Bearer bench\r\n"
                      "Content-Type: application/json\r\n"
                      "Content-Length: %zu\r\n"
                      "\r\n"
                      "{\"certificateData\":\"%.*s\"}",
                      path, len + sizeof("{\"certificateData\":\"\"}") - 1,
                      (int) len, escaped);

    return fwrite(&length, sizeof(length), 1, stdout) == 1
           && fwrite(request, length, 1, stdout) == 1 ? 0 : -1;
}


/* PEM has nothing else that JSON escapes */
static size_t
bench_escape(char *dst, const char *src, size_t len)
{
    char    *p;
    size_t   i;

    p = dst;

    for (i = 0; i < len; i++) {

        if (src[i] == '\n') {
            *p++ = '\\';
            *p++ = 'n';

        } else {
            *p++ = src[i];
        }
    }

    return p - dst;
}


static void
bench_fail(const char *what)
{
    fprintf(stderr, "certificates: %s failed\n", what);
    exit(1);
}
