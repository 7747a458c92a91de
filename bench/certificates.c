
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * certificates [-f FIRST] [-g] [-i] [-k] [-r REGISTRIES] KEY COUNT PATH
 *
 * Writes COUNT requests "POST PATH", each with a certificate of its own, in
 * the form that load reads: four bytes of length in the machine's order, then
 * the request as it goes over the wire.  KEY is rsa (2048 bits) or p256.
 *
 * -f FIRST: the number of the first one.
 * -g: not requests, but messages of gRPC for the registry PATH.
 * -i: not requests, but one array of JSON to be imported.
 * -k: each request has an Idempotency-Key.
 * -r REGISTRIES: PATH ends in a registry's id, to which a number below
 *     REGISTRIES is appended, and "/certificates"; in turn.
 *
 * The certificates are what a CA gives to devices.  One is signed: the others
 * are its copies with another serial number, since nobody here verifies them.
 */


#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>


#define BENCH_DAY  86400L


typedef struct {
    int          nid;
    const char  *value;
} bench_extension_t;


static void bench_options(int argc, char **argv);
static void bench_first(const char *kind);
static X509 *bench_certificate(EVP_PKEY *key, X509_NAME *issuer);
static int bench_name(X509_NAME *name, const char *cn);
static int bench_extensions(X509 *x509);
static int bench_extension(X509 *x509, int nid, const char *value);
static void bench_next(long n);
static int bench_write(const char *path, long n);
static int bench_write_request(const char *path, long n);
static int bench_write_entry(long n);
static int bench_write_message(const char *registry);
static size_t bench_field(char *dst, int number, const char *value,
    size_t len);
static size_t bench_pem(char *dst, const char *eol);
static void bench_fail(const char *what);


static long            bench_from, bench_registries;
static int             bench_grpc, bench_import, bench_keys;

static unsigned char  *bench_der;
static unsigned char  *bench_serial;        /* what changes in it */
static int             bench_der_len;
static char            bench_text[32768], bench_request[36864];


int
main(int argc, char **argv)
{
    long  n, count;

    bench_options(argc, argv);
    bench_first(argv[optind]);

    count = atol(argv[optind + 1]);

    for (n = bench_from; n < bench_from + count; n++) {
        bench_next(n);

        if (bench_write(argv[optind + 2], n) != 0) {
            bench_fail("certificate");
        }
    }

    if (bench_import) {
        printf("]\n");
    }

    if (fflush(stdout) != 0) {
        perror("stdout");
        return 1;
    }

    return 0;
}


static void
bench_options(int argc, char **argv)
{
    int          opt;
    const char  *key;

    while ((opt = getopt(argc, argv, "f:gikr:")) != -1) {

        switch (opt) {

        case 'f':
            bench_from = atol(optarg);
            break;

        case 'g':
            bench_grpc = 1;
            break;

        case 'i':
            bench_import = 1;
            break;

        case 'k':
            bench_keys = 1;
            break;

        case 'r':
            bench_registries = atol(optarg);
            break;

        default:
            exit(2);
        }
    }

    key = argv[optind];

    if (argc - optind != 3
        || (strcmp(key, "rsa") != 0 && strcmp(key, "p256") != 0))
    {
        fprintf(stderr, "usage: %s [-f FIRST] [-g] [-i] [-k] [-r REGISTRIES] "
                "rsa|p256 COUNT PATH > FILE\n", argv[0]);
        exit(2);
    }
}


static void
bench_first(const char *kind)
{
    X509       *x509;
    EVP_PKEY   *key;
    X509_NAME  *issuer;

    key = (strcmp(kind, "rsa") == 0) ? EVP_RSA_gen(2048)
                                     : EVP_EC_gen("P-256");
    issuer = X509_NAME_new();

    if (key == NULL
        || issuer == NULL
        || !bench_name(issuer, "Bench Device CA"))
    {
        bench_fail("key");
    }

    x509 = bench_certificate(key, issuer);

    if (x509 == NULL) {
        bench_fail("certificate");
    }

    bench_der_len = i2d_X509(x509, &bench_der);

    if (bench_der_len <= 0) {
        bench_fail("certificate");
    }

    bench_serial = memmem(bench_der, bench_der_len, "ZZZZZZZZ", 8);
    if (bench_serial == NULL) {
        bench_fail("serial");
    }

    bench_serial += 8;

    X509_free(x509);
    X509_NAME_free(issuer);
    EVP_PKEY_free(key);
}


static X509 *
bench_certificate(EVP_PKEY *key, X509_NAME *issuer)
{
    X509           *x509;
    BIGNUM         *bn;
    unsigned char   serial[16];

    /* the first byte is not 0 nor negative, so that all are of one length */

    memset(serial, 'Z', sizeof(serial));

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
        || !bench_name(X509_get_subject_name(x509), "device-00000000")
        || !bench_extensions(x509)
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
bench_extensions(X509 *x509)
{
    size_t  i;

    static const bench_extension_t  extensions[] = {
        { NID_basic_constraints, "critical,CA:FALSE" },
        { NID_key_usage, "critical,digitalSignature" },
        { NID_ext_key_usage, "clientAuth" },
        { NID_subject_key_identifier, "hash" },
        { NID_subject_alt_name, "DNS:device-00000000.bench.example" }
    };

    for (i = 0; i < sizeof(extensions) / sizeof(bench_extension_t); i++) {
        if (!bench_extension(x509, extensions[i].nid, extensions[i].value)) {
            return 0;
        }
    }

    return 1;
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


static void
bench_next(long n)
{
    memcpy(bench_serial, &n, sizeof(n));
}


static int
bench_write(const char *path, long n)
{
    char  registry[256];

    if (bench_import) {
        return bench_write_entry(n);
    }

    if (bench_grpc) {
        return bench_write_message(path);
    }

    if (bench_registries) {
        snprintf(registry, sizeof(registry), "%s%06ld/certificates", path,
                 n % bench_registries);
        path = registry;
    }

    return bench_write_request(path, n);
}


static int
bench_write_request(const char *path, long n)
{
    char      key[80];
    size_t    len;
    uint32_t  length;

    len = bench_pem(bench_text, "\\n");
    key[0] = '\0';

    if (bench_keys) {
        snprintf(key, sizeof(key),
                 "Idempotency-Key: 00000000-0000-4000-8000-%012lx\r\n", n);
    }

    length = snprintf(bench_request, sizeof(bench_request),
                      "POST %s HTTP/1.1\r\n"
                      "Host: bench\r\n"
                      "Authorization: Bearer bench\r\n"
                      "%s"
                      "Content-Type: application/json\r\n"
                      "Content-Length: %zu\r\n"
                      "\r\n"
                      "{\"certificateData\":\"%.*s\"}",
                      path, key,
                      len + sizeof("{\"certificateData\":\"\"}") - 1,
                      (int) len, bench_text);

    return fwrite(&length, sizeof(length), 1, stdout) == 1
           && fwrite(bench_request, length, 1, stdout) == 1 ? 0 : -1;
}


static int
bench_write_entry(long n)
{
    size_t  len;

    len = bench_pem(bench_text, "\\n");

    return printf("%s{\"certificate_data\":\"%.*s\"}\n",
                  n == bench_from ? "[" : ",", (int) len, bench_text) > 0
           ? 0 : -1;
}


/* a prefix of five bytes: not compressed, and the message's length */
static int
bench_write_message(const char *registry)
{
    char      *p;
    size_t     len;
    uint32_t   length;

    p = bench_request + 5;

    len = bench_pem(bench_text, "\n");

    p += bench_field(p, 1, registry, strlen(registry));
    p += bench_field(p, 3, bench_text, len);

    length = p - bench_request;
    len = length - 5;

    bench_request[0] = 0;
    bench_request[1] = 0;
    bench_request[2] = len >> 16;
    bench_request[3] = len >> 8;
    bench_request[4] = len;

    return fwrite(&length, sizeof(length), 1, stdout) == 1
           && fwrite(bench_request, length, 1, stdout) == 1 ? 0 : -1;
}


static size_t
bench_field(char *dst, int number, const char *value, size_t len)
{
    char    *p;
    size_t   rest;

    p = dst;
    *p++ = number << 3 | 2;

    for (rest = len; rest > 127; rest >>= 7) {
        *p++ = rest | 0x80;
    }

    *p++ = rest;

    memcpy(p, value, len);

    return p + len - dst;
}


static size_t
bench_pem(char *dst, const char *eol)
{
    int    i, n;
    char  *p;

    p = dst + sprintf(dst, "-----BEGIN CERTIFICATE-----%s", eol);

    for (i = 0; i < bench_der_len; i += 48) {
        n = bench_der_len - i < 48 ? bench_der_len - i : 48;

        p += EVP_EncodeBlock((unsigned char *) p, bench_der + i, n);
        p = stpcpy(p, eol);
    }

    return sprintf(p, "-----END CERTIFICATE-----%s", eol) + p - dst;
}


static void
bench_fail(const char *what)
{
    fprintf(stderr, "certificates: %s failed\n", what);
    exit(1);
}
