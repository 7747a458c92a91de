
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * The promise of ngx_iot_x509_check(): what it accepts, d2i_X509() with
 * X509_get0_pubkey() accepts too.  Every call below goes through check(),
 * which tests just that, and that the error queue of OpenSSL is empty
 * afterwards.
 */


#include <dirent.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "unit.h"
#include "ngx_iot_x509.h"


#define MOZILLA        "/usr/share/ca-certificates/mozilla"

#define ACCEPT_ALL     (NGX_IOT_ACCEPT_EXPIRED | NGX_IOT_ACCEPT_NOT_YET_VALID \
                        | NGX_IOT_ACCEPT_WEAK_KEY)

#define MUTATIONS      1000
#define BASES_MAX      64
#define CURVES_MAX     256

/* 2026-01-01T00:00:00Z */
#define NOW            1767225600

#define OK             NGX_IOT_REASON_MAX


/* the parts of a certificate, each an encoding that can be replaced */

typedef struct {
    ngx_str_t    version;
    ngx_str_t    serial;
    ngx_str_t    inner;
    ngx_str_t    issuer;
    ngx_str_t    begin;
    ngx_str_t    end;
    ngx_str_t    subject;
    ngx_str_t    key;
    ngx_str_t    rest;
    ngx_str_t    outer;
    ngx_str_t    signature;
} parts_t;


static void init(void);
static void test_real_keys(void);
static void test_pss_generated(void);
static void test_rsa(void);
static void test_pss(void);
static void test_ec(void);
static void test_all_curves(void);
static void test_ed(void);
static void test_other_keys(void);
static void test_shapes(void);
static void test_der(void);
static void test_depth(void);
static void test_validity(void);
static void test_times(void);
static void test_order(void);
static void test_messages(void);
static void test_mozilla(void);
static void test_bit_flips(void);
static void test_truncations(void);
static void test_mutations(void);
static void test_no_memory(void);
static void test_fingerprints(void);
static void test_sha256_list(void);
static void test_init(void);

static ngx_uint_t check(const ngx_str_t *der, ngx_uint_t accept, time_t now);
static ngx_uint_t openssl_accepts(const u_char *data, size_t len);
static void expect(const ngx_str_t *der, ngx_uint_t accept,
    ngx_uint_t want, const char *name);
static void expect_key(ngx_str_t key, ngx_uint_t accept, ngx_uint_t want,
    const char *name);
static const char *reason_name(ngx_uint_t reason);
static void violation(const char *what, const ngx_str_t *der);

static ngx_str_t cat(ngx_uint_t n, ...);
static ngx_str_t tlv(ngx_uint_t tag, ngx_str_t value);
static ngx_str_t oid(int nid);
static ngx_str_t number(const char *hex);
static ngx_str_t spki(int nid, ngx_str_t params, ngx_str_t bits);
static ngx_str_t rsa_spki(ngx_str_t modulus, ngx_str_t exponent);
static ngx_str_t modulus(ngx_uint_t bits);
static ngx_str_t point(int nid, point_conversion_form_t form);
static ngx_str_t explicit_curve(int nid);
static ngx_str_t ec_spki(int nid, ngx_str_t point);
static ngx_str_t pkey_spki(EVP_PKEY *pkey);
static ngx_str_t pss_params(int hash, int mgf_hash, const char *salt,
    const char *trailer);
static ngx_str_t default_parts(parts_t *parts);
static ngx_str_t build(const parts_t *parts);
static ngx_str_t time_of(const char *text);
static ngx_str_t signed_certificate(EVP_PKEY *pkey, EVP_PKEY *signer,
    long version, ngx_uint_t names);
static void base(ngx_str_t der);
static uint32_t random32(void);
static void *no_memory_malloc(size_t size, const char *file, int line);
static void *no_memory_realloc(void *p, size_t size, const char *file,
    int line);
static void no_memory_free(void *p, const char *file, int line);


#define hex(text)      unit_copy(pool, text, sizeof(text) - 1)


static ngx_pool_t        *pool;
static ngx_str_t          empty;
static ngx_str_t          null_param;

static ngx_iot_error_t    err;
static ngx_uint_t         violations;
static ngx_uint_t         min_rsa_bits = 2048;

static ngx_str_t          bases[BASES_MAX];
static ngx_uint_t         nbases;

static EVP_PKEY          *rsa2048;
static ngx_str_t          rsa2048_spki;

static ngx_uint_t         openssl_countdown;
static ngx_uint_t         openssl_failed;

static uint64_t           random_state = 0x9e3779b97f4a7c15;


int
main(void)
{
    /* before OpenSSL allocates anything */

    CRYPTO_set_mem_functions(no_memory_malloc, no_memory_realloc,
                             no_memory_free);

    init();

    test_real_keys();
    test_pss_generated();
    test_rsa();
    test_pss();
    test_ec();
    test_all_curves();
    test_ed();
    test_other_keys();
    test_shapes();
    test_der();
    test_depth();
    test_validity();
    test_times();
    test_order();
    test_messages();
    test_mozilla();
    test_bit_flips();
    test_truncations();
    test_mutations();
    test_no_memory();
    test_fingerprints();
    test_sha256_list();
    test_init();

    unit_is_int(violations, 0, "all that is accepted, OpenSSL accepts too; "
                "no call left an error in its queue");

    EVP_PKEY_free(rsa2048);

    return unit_done();
}


static void
init(void)
{
    pool = unit_pool();
    null_param = hex("\x05\x00");

    unit_is_int(ngx_iot_x509_init(&unit_log), NGX_OK, "init");

    rsa2048 = EVP_RSA_gen(2048);
    rsa2048_spki = pkey_spki(rsa2048);
}


/* keys that OpenSSL made, in certificates that OpenSSL signed */
static void
test_real_keys(void)
{
    EVP_PKEY    *pkey;
    ngx_str_t    der;
    ngx_uint_t   i;

    static struct {
        const char  *type;
        const char  *group;
        size_t       bits;
        ngx_uint_t   want;
        ngx_uint_t   want_weak;
    } keys[] = {
        { "RSA", NULL, 512, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY, OK },
        { "RSA", NULL, 1024, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY, OK },
        { "RSA", NULL, 2048, OK, OK },
        { "RSA", NULL, 3072, OK, OK },
        { "RSA", NULL, 4096, OK, OK },
        { "EC", "P-256", 0, OK, OK },
        { "EC", "P-384", 0, OK, OK },
        { "EC", "P-521", 0, OK, OK },
        { "EC", "P-224", 0, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY, OK },
        { "EC", "secp256k1", 0, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY, OK },
        { "EC", "brainpoolP256r1", 0, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY,
          OK },
        { "ED25519", NULL, 0, OK, OK },
        { "ED448", NULL, 0, OK, OK },
        { "X25519", NULL, 0, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY,
          NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY },
        { "X448", NULL, 0, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY,
          NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY },
    };

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {

        if (ngx_strcmp(keys[i].type, "RSA") == 0) {
            pkey = EVP_RSA_gen(keys[i].bits);

        } else if (keys[i].group) {
            pkey = EVP_EC_gen(keys[i].group);

        } else {
            pkey = EVP_PKEY_Q_keygen(NULL, NULL, keys[i].type);
        }

        if (pkey == NULL) {
            unit_note("no %s %s here", keys[i].type,
                      keys[i].group ? keys[i].group : "");
            ERR_clear_error();
            continue;
        }

        der = signed_certificate(pkey, keys[i].type[0] == 'X' ? rsa2048 : pkey,
                                 X509_VERSION_3, 3);

        unit_ok(openssl_accepts(der.data, der.len),
                "%s %s %lu: OpenSSL's own reading", keys[i].type,
                keys[i].group ? keys[i].group : "",
                (unsigned long) keys[i].bits);

        expect(&der, 0, keys[i].want, "default policy");
        expect(&der, NGX_IOT_ACCEPT_WEAK_KEY, keys[i].want_weak, "weak_key");

        base(der);

        EVP_PKEY_free(pkey);
    }
}


static void
test_pss_generated(void)
{
    EVP_PKEY      *pkey;
    ngx_str_t      der;
    ngx_uint_t     restricted;
    EVP_PKEY_CTX  *ctx;

    for (restricted = 0; restricted < 2; restricted++) {
        pkey = NULL;

        ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA-PSS", NULL);
        EVP_PKEY_keygen_init(ctx);
        EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048);

        if (restricted) {
            EVP_PKEY_CTX_set_rsa_pss_keygen_md(ctx, EVP_sha256());
            EVP_PKEY_CTX_set_rsa_pss_keygen_mgf1_md(ctx, EVP_sha256());
            EVP_PKEY_CTX_set_rsa_pss_keygen_saltlen(ctx, 32);
        }

        EVP_PKEY_generate(ctx, &pkey);
        EVP_PKEY_CTX_free(ctx);

        der = signed_certificate(pkey, pkey, X509_VERSION_3, 1);
        expect(&der, 0, OK, restricted ? "RSA-PSS with parameters"
                                       : "RSA-PSS without parameters");
        base(der);

        EVP_PKEY_free(pkey);
    }

    ERR_clear_error();
}


static void
test_rsa(void)
{
    ngx_uint_t  i;
    ngx_str_t   n2048, e;

    static struct {
        ngx_uint_t   bits;
        ngx_uint_t   accept;
        ngx_uint_t   want;
    } sizes[] = {
        { 511, NGX_IOT_ACCEPT_WEAK_KEY, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY },
        { 512, NGX_IOT_ACCEPT_WEAK_KEY, OK },
        { 513, NGX_IOT_ACCEPT_WEAK_KEY, OK },
        { 1024, 0, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY },
        { 2047, 0, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY },
        { 2048, 0, OK },
        { 2049, 0, OK },
        { 16384, 0, OK },
        { 16385, 0, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY },
        { 32768, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY }
    };

    static struct {
        const char  *exponent;
        ngx_uint_t   want;
        const char  *name;
    } exponents[] = {
        { "03", OK, "exponent 3" },
        { "010001", OK, "exponent 65537" },
        { "01", NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "exponent 1" },
        { "00", NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "exponent 0" },
        { "010000", NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "even exponent" },
        { "FD", NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "negative exponent" },
        { "0003", NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
          "exponent with a zero in front" },
        { "00FFFFFFFFFFFFFFFF", OK, "exponent of 64 bits" },
        { "", NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "exponent of no bytes" }
    };

    e = number("010001");
    n2048 = modulus(2048);

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        unit_note("RSA %lu bits", (unsigned long) sizes[i].bits);
        expect_key(rsa_spki(modulus(sizes[i].bits), e), sizes[i].accept,
                   sizes[i].want, "RSA size");
    }

    for (i = 0; i < sizeof(exponents) / sizeof(exponents[0]); i++) {
        expect_key(rsa_spki(n2048, number(exponents[i].exponent)), 0,
                   exponents[i].want, exponents[i].name);
    }

    expect_key(rsa_spki(number("7FFFFFFFFFFFFFFE"), number("03")), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "even modulus");
    expect_key(rsa_spki(number("00"), number("03")), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "modulus 0");
    expect_key(rsa_spki(number("81"), number("03")), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "negative modulus");
    expect_key(rsa_spki(modulus(2048), modulus(2049)), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "exponent longer than the modulus");

    expect_key(spki(NID_rsaEncryption, null_param,
                    cat(2, tlv(0x30, cat(2, n2048, e)), hex("\x00"))),
               0, NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "a byte behind the RSA key");
    expect_key(spki(NID_rsaEncryption, null_param,
                    tlv(0x30, cat(3, n2048, e, e))),
               0, NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "three numbers");
    expect_key(spki(NID_rsaEncryption, null_param, tlv(0x30, n2048)),
               0, NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "one number");
    expect_key(spki(NID_rsaEncryption, null_param, empty),
               0, NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "no RSA key at all");
    expect_key(spki(NID_rsaEncryption, null_param,
                    cat(4, hex("\x30\x80"), n2048, e, hex("\x00\x00"))),
               0, NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "an RSA key in BER");

    expect_key(spki(NID_rsaEncryption, empty, tlv(0x30, cat(2, n2048, e))),
               0, OK, "RSA without parameters");
    expect_key(spki(NID_rsaEncryption, oid(NID_sha256),
                    tlv(0x30, cat(2, n2048, e))),
               0, NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "RSA with parameters that are not NULL");
    expect_key(spki(NID_rsa, null_param, tlv(0x30, cat(2, n2048, e))),
               0, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY,
               "RSA of X.500");

    min_rsa_bits = 3072;
    expect_key(rsa2048_spki, 0, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY,
               "min_rsa_bits 3072");
    expect_key(rsa2048_spki, NGX_IOT_ACCEPT_WEAK_KEY, OK,
               "min_rsa_bits 3072, weak_key");
    min_rsa_bits = 2048;
}


static void
test_pss(void)
{
    ngx_uint_t  i;
    ngx_str_t   key, params;

    static struct {
        int          hash;
        int          mgf_hash;
        const char  *salt;
        const char  *trailer;
        ngx_uint_t   want;
        const char  *name;
    } cases[] = {
        { 0, 0, NULL, NULL, OK, "defaults" },
        { NID_sha1, NID_sha1, "14", "01", OK, "SHA-1" },
        { NID_sha224, NID_sha224, "1C", NULL, OK, "SHA-224" },
        { NID_sha256, NID_sha256, "20", NULL, OK, "SHA-256" },
        { NID_sha384, NID_sha384, "30", NULL, OK, "SHA-384" },
        { NID_sha512, NID_sha512, "40", NULL, OK, "SHA-512" },
        { NID_sha512_256, NID_sha512_256, "20", NULL, OK, "SHA-512/256" },
        { NID_sha512_224, NID_sha512_224, "1C", NULL, OK, "SHA-512/224" },
        { NID_sha256, NID_sha1, "20", NULL, OK, "two hashes" },
        { NID_sha256, NID_sha256, "00", NULL, OK, "no salt" },
        { NID_sha256, NID_sha256, "00DE", NULL, OK, "longest salt" },
        { NID_sha256, NID_sha256, "00DF", NULL,
          NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "salt does not fit" },
        { NID_sha256, NID_sha256, "FF", NULL,
          NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "negative salt" },
        { NID_sha256, NID_sha256, "7FFFFFFFFFFFFFFFFFFF", NULL,
          NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "huge salt" },
        { NID_sha256, NID_sha256, "20", "02",
          NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "trailer 2" },
        { NID_sha256, NID_sha256, "20", "7FFFFFFFFFFFFFFFFFFF",
          NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "huge trailer" },
        { NID_md5, NID_sha256, NULL, NULL,
          NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "MD5" },
        { NID_sha256, NID_md5, NULL, NULL,
          NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "MGF1 with MD5" },
        { NID_rsaEncryption, NID_sha256, NULL, NULL,
          NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "a hash that is none" }
    };

    key = tlv(0x30, cat(2, modulus(2048), number("010001")));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        params = pss_params(cases[i].hash, cases[i].mgf_hash, cases[i].salt,
                            cases[i].trailer);

        unit_note("RSA-PSS: %s", cases[i].name);
        expect_key(spki(NID_rsassaPss, params, key), 0, cases[i].want,
                   cases[i].name);
    }

    expect_key(spki(NID_rsassaPss, empty, key), 0, OK,
               "RSA-PSS without parameters");
    expect_key(spki(NID_rsassaPss, null_param, key), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "RSA-PSS with NULL");
    expect_key(spki(NID_rsassaPss, tlv(0x30, number("01")), key), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "RSA-PSS with a number");

    params = tlv(0x30, tlv(0xa1, tlv(0x30, cat(2, oid(NID_sha256),
                                               null_param))));
    expect_key(spki(NID_rsassaPss, params, key), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "RSA-PSS with a mask function that is not MGF1");

    params = tlv(0x30, tlv(0xa1, tlv(0x30, oid(NID_mgf1))));
    expect_key(spki(NID_rsassaPss, params, key), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "RSA-PSS with MGF1 without a hash");

    params = tlv(0x30, tlv(0xa1, tlv(0x30, cat(2, oid(NID_mgf1),
                                               tlv(0x30, number("01"))))));
    expect_key(spki(NID_rsassaPss, params, key), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "RSA-PSS with MGF1 with a number");

    key = tlv(0x30, cat(2, modulus(1024), number("010001")));

    expect_key(spki(NID_rsassaPss, empty, key), 0,
               NGX_IOT_REASON_CERTIFICATE_WEAK_KEY, "RSA-PSS 1024 bits");
    expect_key(spki(NID_rsassaPss, empty, key), NGX_IOT_ACCEPT_WEAK_KEY, OK,
               "RSA-PSS 1024 bits, weak_key");
    expect_key(spki(NID_rsassaPss, empty, hex("\x30\x00")), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "RSA-PSS with no key");
}


static void
test_ec(void)
{
    ngx_str_t  p256, off;

    p256 = point(NID_X9_62_prime256v1, POINT_CONVERSION_UNCOMPRESSED);

    expect_key(ec_spki(NID_X9_62_prime256v1, p256), 0, OK, "P-256");
    expect_key(ec_spki(NID_secp384r1,
                       point(NID_secp384r1, POINT_CONVERSION_UNCOMPRESSED)),
               0, OK, "P-384");
    expect_key(ec_spki(NID_secp521r1,
                       point(NID_secp521r1, POINT_CONVERSION_UNCOMPRESSED)),
               0, OK, "P-521");

    expect_key(ec_spki(NID_X9_62_prime256v1,
                       point(NID_X9_62_prime256v1,
                             POINT_CONVERSION_COMPRESSED)),
               0, OK, "P-256, compressed");
    expect_key(ec_spki(NID_secp521r1,
                       point(NID_secp521r1, POINT_CONVERSION_COMPRESSED)),
               0, OK, "P-521, compressed");
    expect_key(ec_spki(NID_X9_62_prime256v1,
                       point(NID_X9_62_prime256v1, POINT_CONVERSION_HYBRID)),
               0, NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "P-256, hybrid");

    off = unit_copy(pool, p256.data, p256.len);
    off.data[64] ^= 1;
    expect_key(ec_spki(NID_X9_62_prime256v1, off), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "a point off the curve");

    off = point(NID_X9_62_prime256v1, POINT_CONVERSION_COMPRESSED);
    ngx_memset(off.data + 1, 0xff, off.len - 1);
    expect_key(ec_spki(NID_X9_62_prime256v1, off), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "a compressed point beyond the field");

    expect_key(ec_spki(NID_secp384r1, p256), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "a point of another curve");
    expect_key(ec_spki(NID_X9_62_prime256v1, hex("\x00")), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "infinity");
    expect_key(ec_spki(NID_X9_62_prime256v1, empty), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "no point");
    expect_key(ec_spki(NID_X9_62_prime256v1, hex("\x04")), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "the first byte alone");
    expect_key(ec_spki(NID_X9_62_prime256v1, cat(2, p256, hex("\x00"))),
               ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "a byte behind the point");

    expect_key(spki(NID_X9_62_id_ecPublicKey, null_param, p256), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY, "implicit curve");
    expect_key(spki(NID_X9_62_id_ecPublicKey, empty, p256), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY, "no curve");
    expect_key(spki(NID_X9_62_id_ecPublicKey, oid(NID_sha256), p256),
               ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY,
               "a curve that is none");
    expect_key(spki(NID_X9_62_id_ecPublicKey,
                    hex("\x06\x05\x2a\x03\x04\x05\x06"), p256),
               0, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY,
               "a curve that nobody knows");

    expect_key(spki(NID_X9_62_id_ecPublicKey,
                    explicit_curve(NID_X9_62_prime256v1), p256),
               ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY,
               "explicit parameters");
}


/* each curve that this OpenSSL knows, by the point that it is built on */
static void
test_all_curves(void)
{
    int         nid;
    size_t      i, n;
    parts_t     parts;
    ngx_str_t   der;
    ngx_uint_t  listed, wrong, got, weak, accepted, openssl;

    static EC_builtin_curve  curves[CURVES_MAX];

    n = EC_get_builtin_curves(curves, CURVES_MAX);
    n = ngx_min(n, CURVES_MAX);

    wrong = 0;
    accepted = 0;
    openssl = 0;

    for (i = 0; i < n; i++) {
        nid = curves[i].nid;

        if (OBJ_length(OBJ_nid2obj(nid)) == 0) {
            continue;                           /* Oakley: no OID */
        }

        default_parts(&parts);
        parts.key = ec_spki(nid, point(nid, POINT_CONVERSION_UNCOMPRESSED));
        der = build(&parts);

        listed = nid == NID_X9_62_prime256v1 || nid == NID_secp384r1
                 || nid == NID_secp521r1;

        got = check(&der, 0, NOW);
        weak = check(&der, NGX_IOT_ACCEPT_WEAK_KEY, NOW);

        if (got != (listed ? OK : NGX_IOT_REASON_CERTIFICATE_WEAK_KEY)) {
            unit_note("%s: %s", OBJ_nid2sn(nid), reason_name(got));
            wrong++;
        }

        accepted += weak == OK;
        openssl += openssl_accepts(der.data, der.len);

        if (weak != OK) {
            unit_note("%s with weak_key: %s", OBJ_nid2sn(nid),
                      reason_name(weak));
        }
    }

    unit_is_int(wrong, 0, "curves outside of the list are weak, %lu curves",
                (unsigned long) n);
    unit_is_int(accepted, openssl,
                "with weak_key each curve that OpenSSL reads");
    unit_ok(accepted > 3, "with weak_key %lu curves",
            (unsigned long) accepted);
}


static void
test_ed(void)
{
    u_char      bytes[64];
    ngx_uint_t  i;

    static struct {
        int          nid;
        size_t       len;
        ngx_uint_t   want;
    } cases[] = {
        { NID_ED25519, 32, OK },
        { NID_ED25519, 31, NGX_IOT_REASON_CERTIFICATE_BAD_KEY },
        { NID_ED25519, 33, NGX_IOT_REASON_CERTIFICATE_BAD_KEY },
        { NID_ED25519, 0, NGX_IOT_REASON_CERTIFICATE_BAD_KEY },
        { NID_ED448, 57, OK },
        { NID_ED448, 56, NGX_IOT_REASON_CERTIFICATE_BAD_KEY },
        { NID_ED448, 58, NGX_IOT_REASON_CERTIFICATE_BAD_KEY }
    };

    ngx_memset(bytes, 0x5a, sizeof(bytes));

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        unit_note("%s, %lu bytes", OBJ_nid2sn(cases[i].nid),
                  (unsigned long) cases[i].len);
        expect_key(spki(cases[i].nid, empty,
                        unit_copy(pool, bytes, cases[i].len)),
                   0, cases[i].want, "length of an Edwards key");
    }

    expect_key(spki(NID_ED25519, null_param, unit_copy(pool, bytes, 32)), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "Ed25519 with NULL");
    expect_key(spki(NID_ED448, null_param, unit_copy(pool, bytes, 57)), 0,
               NGX_IOT_REASON_CERTIFICATE_BAD_KEY, "Ed448 with NULL");
}


static void
test_other_keys(void)
{
    ngx_str_t  params, bits;

    params = tlv(0x30, cat(3, number("07"), number("03"), number("02")));

    expect_key(spki(NID_dsa, params, number("04")), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY, "DSA");
    expect_key(spki(NID_dhKeyAgreement, params, number("04")), ACCEPT_ALL,
               NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY, "DH");

    bits = point(NID_X9_62_prime256v1, POINT_CONVERSION_UNCOMPRESSED);
    params = tlv(0x30, cat(2, hex("\x06\x05\x2a\x03\x04\x05\x06"), empty));

    expect_key(tlv(0x30, cat(2, params, tlv(0x03, cat(2, hex("\x00"), bits)))),
               ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY,
               "a type that nobody knows");

    params = tlv(0x30, oid(NID_ED25519));
    bits = unit_str(pool, "an Ed25519 key may be any bytes ");

    expect_key(tlv(0x30, cat(2, params, tlv(0x03, cat(2, hex("\x00"), bits)))),
               0, OK, "a key of whole bytes");
    expect_key(tlv(0x30, cat(2, params, tlv(0x03, cat(2, hex("\x01"), bits)))),
               ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_KEY,
               "a key with a bit less than whole bytes");
}


/* odd certificates that exist, and that OpenSSL reads */
static void
test_shapes(void)
{
    u_char     *p;
    parts_t     parts;
    ngx_str_t   der, name, names;

    der = signed_certificate(rsa2048, rsa2048, X509_VERSION_1, 1);
    expect(&der, 0, OK, "v1");
    base(der);

    der = signed_certificate(rsa2048, rsa2048, X509_VERSION_3, 1);
    expect(&der, 0, OK, "v3");
    base(der);

    der = signed_certificate(rsa2048, rsa2048, X509_VERSION_3, 1000);
    expect(&der, 0, OK, "a SAN of a thousand names");

    der = default_parts(&parts);
    expect(&der, 0, OK, "v3 without extensions");
    base(der);

    parts.version = tlv(0xa0, number("01"));
    der = build(&parts);
    expect(&der, 0, OK, "v2");

    parts.version = tlv(0xa0, number("00"));
    der = build(&parts);
    expect(&der, 0, OK, "v1 written out");

    parts.version = tlv(0xa0, number("03"));
    der = build(&parts);
    expect(&der, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER, "v4");

    parts.version = tlv(0xa0, number("FF"));
    der = build(&parts);
    expect(&der, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER, "v0");

    parts.version = tlv(0xa0, number("7FFFFFFFFFFFFFFFFFFFFF"));
    der = build(&parts);
    expect(&der, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a huge version");

    default_parts(&parts);
    parts.serial = number("FB");
    der = build(&parts);
    expect(&der, 0, OK, "negative serial");
    base(der);

    parts.serial = number("00");
    der = build(&parts);
    expect(&der, 0, OK, "serial 0");

    parts.serial =
            number("7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF");
    der = build(&parts);
    expect(&der, 0, OK, "a serial of 25 bytes");

    default_parts(&parts);
    parts.subject = hex("\x30\x00");
    parts.issuer = hex("\x30\x00");
    der = build(&parts);
    expect(&der, 0, OK, "empty names");

    name = tlv(0x30, cat(2, oid(NID_commonName),
                         tlv(0x0c, unit_str(pool, "\xd0\xb4\xd0\xb0\xd1\x87"
                                                  " \xe6\xb8\xa9\xe5\xba\xa6"
                                                  " \xf0\x9f\x8c\xa1"))));
    default_parts(&parts);
    parts.subject = tlv(0x30, tlv(0x31, name));
    der = build(&parts);
    expect(&der, 0, OK, "a name in UTF-8");
    base(der);

    name = tlv(0x30, cat(2, oid(NID_commonName), tlv(0x0c, hex("\xff\xfe"))));
    parts.subject = tlv(0x30, tlv(0x31, name));
    der = build(&parts);
    expect(&der, 0, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a name in UTF-8 that is none");

    name = tlv(0x30, cat(2, oid(NID_commonName), tlv(0x1e, hex("\x00\x41"))));
    names = cat(2, name, tlv(0x30, cat(2, oid(NID_organizationName),
                                       tlv(0x14, hex("\xe9")))));
    parts.subject = tlv(0x30, tlv(0x31, names));
    der = build(&parts);
    expect(&der, 0, OK, "two names in one set, BMP and T61");
    base(der);

    default_parts(&parts);
    parts.outer = tlv(0x30, oid(NID_ED25519));
    der = build(&parts);
    expect(&der, 0, OK, "inner and outer signature algorithms differ");

    default_parts(&parts);
    parts.rest = cat(2, hex("\x81\x02\x00\x01"), hex("\x82\x02\x00\x02"));
    der = build(&parts);
    expect(&der, 0, OK, "unique ids");
    base(der);

    parts.rest = hex("\xa3\x02\x30\x00");
    der = build(&parts);
    expect(&der, 0, OK, "an empty list of extensions");

    parts.rest = tlv(0xa3, tlv(0x30, tlv(0x30, cat(3,
                     hex("\x06\x03\x55\x1d\x13"), hex("\x01\x01\x00"),
                     tlv(0x04, hex("no ASN.1"))))));
    der = build(&parts);
    expect(&der, 0, OK, "an extension with FALSE written out and no contents");
    base(der);

    parts.version = empty;
    der = build(&parts);
    expect(&der, 0, OK, "extensions in v1");

    parts.rest = tlv(0xa3, tlv(0x30, tlv(0x30, hex("\x06\x03\x55\x1d\x13"))));
    der = build(&parts);
    expect(&der, 0, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "an extension without a value");

    /* an extension of 60,000 bytes */

    p = ngx_pcalloc(pool, 60000);
    parts.rest = tlv(0xa3, tlv(0x30, tlv(0x30, cat(2,
                     hex("\x06\x03\x55\x1d\x13"),
                     tlv(0x04, unit_copy(pool, p, 60000))))));
    der = build(&parts);
    expect(&der, 0, OK, "an extension of 60,000 bytes");
}


static void
test_der(void)
{
    size_t      len;
    parts_t     parts;
    ngx_str_t   der, tbs, bytes, changed;

    der = default_parts(&parts);

    bytes.len = 0x81;
    bytes.data = ngx_pcalloc(pool, bytes.len);

    expect(&empty, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "no bytes");

    changed = hex("\x30\x00");
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "an empty sequence");

    changed = hex("\x30\x80\x00\x00");
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "an empty sequence of unknown length");

    changed = hex("-----BEGIN CERTIFICATE-----");
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a text");

    changed = rsa2048_spki;
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a public key");

    changed = cat(2, der, hex("\x00"));
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_TRAILING_BYTES,
           "a byte behind");

    changed = cat(2, der, hex("\n"));
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_TRAILING_BYTES,
           "a line feed behind");

    changed = cat(2, der, der);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_TRAILING_BYTES,
           "the certificate twice");

    /* the header of default_parts() is 30 82 xx xx */

    len = der.len - 4;
    changed = cat(3, hex("\x30\x80"), unit_copy(pool, der.data + 4, len),
                  hex("\x00\x00"));
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: unknown length");

    changed = cat(3, hex("\x30\x83\x00"), unit_copy(pool, der.data + 2, 2),
                  unit_copy(pool, der.data + 4, len));
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: a length with a zero in front");

    parts.signature = hex("\x23\x09\x03\x02\x00\x01\x03\x03\x04\x10\x20");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: a bit string in pieces");

    parts.signature = hex("\x03\x02\x04\x1f");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: unused bits that are set");

    parts.signature = hex("\x03\x02\x04\x10");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, OK, "a signature of four bits");

    parts.signature = hex("\x03\x01\x00");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, OK, "a signature of no bits");

    parts.signature = hex("\x03\x00");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a bit string of nothing");

    default_parts(&parts);
    parts.serial = hex("\x02\x02\x00\x01");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: a serial with a zero in front");

    parts.serial = hex("\x02\x00");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a serial of no bytes");

    /* what keeps its bytes when it is decoded */

    default_parts(&parts);
    parts.subject = hex("\x30\x81\x00");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: a name with a long length");

    parts.subject = hex("\x30\x10\x31\x0e\x30\x0c\x06\x03\x55\x04\x03"
                        "\x2c\x05\x0c\x03" "abc");
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: a name in pieces");

    default_parts(&parts);
    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                                hex("\x30\x81\x02\x05\x00")));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: parameters with a long length");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                                hex("\x30\x80\x05\x00\x00\x00")));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: parameters of unknown length");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                                tlv(0x30, cat(2, hex("\x04\x82\x00\x81"),
                                              bytes))));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "BER: parameters with a zero before a length");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                                tlv(0x30, cat(2, hex("\x04\x89\x01\x00\x00"
                                              "\x00\x00\x00\x00\x00\x81"),
                                              bytes))));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a length that is too long for 64 bits");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                                tlv(0x30, cat(2, hex("\x9f\x1f\x1e"),
                                              unit_copy(pool, bytes.data,
                                                        30)))));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a tag above 30");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                                hex("\x30\x02\x10\x00")));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a sequence that is not constructed");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss), hex("\x30\x02\x05")));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "parameters that end early");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss), hex("\x30\x01\x05")));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a tag without a length");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                                hex("\x30\x02\x04\x82")));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a length without its bytes");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                    hex("\x30\x0b\x04\x89\x01\x01\x01\x01\x01\x01\x01\x01"
                        "\x01")));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a length of nine bytes");

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss),
                                hex("\x30\x02\x04\x02")));
    changed = build(&parts);
    expect(&changed, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "contents that are longer than their parent");

    /* one certificate inside the other */

    tbs = tlv(0x30, cat(3, der, parts.inner, parts.signature));
    expect(&tbs, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a certificate in place of its contents");
}


/* recursion has an end long before the stack has one */
static void
test_depth(void)
{
    parts_t     parts;
    ngx_str_t   der, nested;
    ngx_uint_t  i;

    nested = null_param;

    for (i = 0; i < 20; i++) {
        nested = tlv(0x30, nested);
    }

    default_parts(&parts);
    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss), nested));
    der = build(&parts);
    expect(&der, 0, OK, "parameters of 20 levels");

    for ( /* void */ ; i < 5000; i++) {
        nested = tlv(0x30, nested);
    }

    parts.outer = tlv(0x30, cat(2, oid(NID_rsassaPss), nested));
    der = build(&parts);
    expect(&der, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "parameters of 5000 levels");
}


static void
test_validity(void)
{
    parts_t    parts;
    ngx_str_t  der;

    /* begins at NOW - 100, ends at NOW + 100 */

    default_parts(&parts);
    parts.begin = time_of("251231235820Z");
    parts.end = time_of("260101000140Z");
    der = build(&parts);

    unit_is_int(check(&der, 0, NOW - 101),
                NGX_IOT_REASON_CERTIFICATE_NOT_YET_VALID,
                "a second before the first");
    unit_is_int(check(&der, 0, NOW - 100), OK, "the first second");
    unit_is_int(check(&der, 0, NOW - 99), OK, "the second second");
    unit_is_int(check(&der, 0, NOW + 99), OK, "the last but one");
    unit_is_int(check(&der, 0, NOW + 100), OK, "the last second");
    unit_is_int(check(&der, 0, NOW + 101),
                NGX_IOT_REASON_CERTIFICATE_EXPIRED,
                "a second after the last");

    unit_is_int(check(&der, NGX_IOT_ACCEPT_EXPIRED, NOW + 101), OK,
                "accept expired");
    unit_is_int(check(&der, NGX_IOT_ACCEPT_NOT_YET_VALID, NOW - 101), OK,
                "accept not_yet_valid");
    unit_is_int(check(&der, NGX_IOT_ACCEPT_NOT_YET_VALID
                            | NGX_IOT_ACCEPT_WEAK_KEY, NOW + 101),
                NGX_IOT_REASON_CERTIFICATE_EXPIRED,
                "accept the others: still expired");
    unit_is_int(check(&der, NGX_IOT_ACCEPT_EXPIRED | NGX_IOT_ACCEPT_WEAK_KEY,
                      NOW - 101),
                NGX_IOT_REASON_CERTIFICATE_NOT_YET_VALID,
                "accept the others: still not yet valid");

    parts.begin = time_of("260101000140Z");
    parts.end = time_of("251231235820Z");
    der = build(&parts);

    expect(&der, 0, NGX_IOT_REASON_CERTIFICATE_EXPIRED,
           "ends before it begins");
    expect(&der, NGX_IOT_ACCEPT_EXPIRED,
           NGX_IOT_REASON_CERTIFICATE_NOT_YET_VALID,
           "ends before it begins, accept expired");
    expect(&der, ACCEPT_ALL, OK, "ends before it begins, accept all");
}


/* each time as the end: the second it stands for, or -1 */
static void
test_times(void)
{
    parts_t     parts;
    ngx_str_t   der;
    ngx_uint_t  i, last, next;

    static struct {
        const char  *text;
        int64_t      sec;
    } times[] = {
        { "700101000000Z", 0 },
        { "700101000001Z", 1 },
        { "991231235959Z", 946684799 },
        { "000101000000Z", 946684800 },
        { "000228235959Z", 951782399 },
        { "000229000000Z", 951782400 },
        { "000301000000Z", 951868800 },
        { "380119031408Z", 2147483648 },
        { "491231235959Z", 2524607999 },
        { "20500101000000Z", 2524608000 },
        { "20491231235959Z", 2524607999 },
        { "21000301000000Z", 4107542400 },
        { "99991231235959Z", 253402300799 },
        { "20240229120000Z", 1709208000 },

        { "500101000000Z", -631152000 },
        { "19691231235959Z", -1 },
        { "00010101000000Z", -62135596800 },

        { "", INT64_MAX },
        { "Z", INT64_MAX },
        { "2601010000Z", INT64_MAX },
        { "260101000000", INT64_MAX },
        { "260101000000z", INT64_MAX },
        { "2601010000000", INT64_MAX },
        { "260101000000+0000", INT64_MAX },
        { "20260101000000+0000", INT64_MAX },
        { "20260101000000.5Z", INT64_MAX },
        { "202601010000Z", INT64_MAX },
        { "2026010100Z", INT64_MAX },
        { "020260101000000Z", INT64_MAX },
        { "260001000000Z", INT64_MAX },
        { "261301000000Z", INT64_MAX },
        { "260100000000Z", INT64_MAX },
        { "260132000000Z", INT64_MAX },
        { "260229000000Z", INT64_MAX },
        { "21000229000000Z", INT64_MAX },
        { "260431000000Z", INT64_MAX },
        { "260101240000Z", INT64_MAX },
        { "260101006000Z", INT64_MAX },
        { "260101000060Z", INT64_MAX },
        { "26 101000000Z", INT64_MAX },
        { "26-101000000Z", INT64_MAX },
        { "2\xb2" "0101000000Z", INT64_MAX }
    };

    for (i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        default_parts(&parts);
        parts.begin = time_of("00000101000000Z");
        parts.end = time_of(times[i].text);
        der = build(&parts);

        if (times[i].sec == INT64_MAX) {
            unit_is_int(check(&der, ACCEPT_ALL, NOW),
                        NGX_IOT_REASON_CERTIFICATE_BAD_DER,
                        "time %lu is no time", (unsigned long) i);
            continue;
        }

        last = check(&der, 0, (time_t) times[i].sec);
        next = check(&der, 0, (time_t) times[i].sec + 1);

        unit_ok(last == OK && next == NGX_IOT_REASON_CERTIFICATE_EXPIRED,
                "%s is the second %jd", times[i].text,
                (intmax_t) times[i].sec);

        if (last != OK || next != NGX_IOT_REASON_CERTIFICATE_EXPIRED) {
            unit_note("%s, then %s", reason_name(last), reason_name(next));
        }
    }

    default_parts(&parts);
    parts.begin = tlv(0x17, unit_str(pool, "bad"));
    der = build(&parts);
    expect(&der, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a begin that is no time");

    parts.begin = tlv(0x0c, unit_str(pool, "250101000000Z"));
    der = build(&parts);
    expect(&der, ACCEPT_ALL, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "a begin that is a text");
}


/* DER, trailing bytes, key, validity */
static void
test_order(void)
{
    parts_t    parts;
    ngx_str_t  der, changed;

    default_parts(&parts);
    parts.key = rsa_spki(modulus(1024), number("03"));
    parts.end = time_of("200101000000Z");
    der = build(&parts);

    changed = cat(2, der, hex("x"));
    expect(&changed, 0, NGX_IOT_REASON_CERTIFICATE_TRAILING_BYTES,
           "trailing bytes before the key");
    expect(&der, 0, NGX_IOT_REASON_CERTIFICATE_WEAK_KEY,
           "the key before the validity");
    expect(&der, NGX_IOT_ACCEPT_WEAK_KEY, NGX_IOT_REASON_CERTIFICATE_EXPIRED,
           "then the validity");

    parts.version = tlv(0xa0, number("05"));
    der = build(&parts);
    changed = cat(2, der, hex("x"));
    expect(&changed, 0, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
           "the version before trailing bytes");
}


static void
test_messages(void)
{
    parts_t    parts;
    ngx_str_t  der;

    default_parts(&parts);
    parts.begin = time_of("200102030405Z");
    parts.end = time_of("240131010203Z");
    der = build(&parts);

    (void) check(&der, 0, NOW);
    unit_is_str(&err.message, "the certificate expired on "
                "2024-01-31T01:02:03Z, it is now 2026-01-01T00:00:00Z",
                "message of an expired certificate");

    (void) check(&der, 0, 1);
    unit_is_str(&err.message, "the certificate is not valid before "
                "2020-01-02T03:04:05Z, it is now 1970-01-01T00:00:01Z",
                "message of a certificate that is not valid yet");

    default_parts(&parts);
    parts.key = rsa_spki(modulus(1024), number("03"));
    der = build(&parts);

    (void) check(&der, 0, NOW);
    unit_is_str(&err.message, "the RSA key has 1024 bits, at least 2048 are "
                "required", "message of a weak RSA key");

    parts.key = rsa_spki(modulus(16385), number("03"));
    der = build(&parts);

    (void) check(&der, 0, NOW);
    unit_is_str(&err.message, "the RSA key has 16385 bits, at most 16384 are "
                "supported", "message of an RSA key that is too long");

    parts.key = ec_spki(NID_secp224r1,
                        point(NID_secp224r1, POINT_CONVERSION_UNCOMPRESSED));
    der = build(&parts);

    (void) check(&der, 0, NOW);
    unit_is_str(&err.message, "the EC key is on the curve secp224r1; P-256, "
                "P-384 and P-521 are accepted", "message of a weak curve");
}


static void
test_mozilla(void)
{
    DIR            *dir;
    X509           *x509;
    BIO            *bio;
    u_char         *data;
    ngx_str_t       der;
    ngx_uint_t      total, accepted, strict, reason;
    struct dirent  *entry;
    char            path[1024];

    total = 0;
    accepted = 0;
    strict = 0;

    dir = opendir(MOZILLA);

    while (dir && (entry = readdir(dir)) != NULL) {

        (void) snprintf(path, sizeof(path), "%s/%s", MOZILLA, entry->d_name);

        bio = BIO_new_file(path, "r");
        if (bio == NULL) {
            continue;
        }

        x509 = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);

        if (x509 == NULL) {
            continue;
        }

        data = NULL;
        der.len = i2d_X509(x509, &data);
        der = unit_copy(pool, data, der.len);

        OPENSSL_free(data);
        X509_free(x509);

        if (!openssl_accepts(der.data, der.len)) {
            continue;
        }

        total++;
        reason = check(&der, ACCEPT_ALL, NOW);

        if (reason == OK) {
            accepted++;

        } else {
            strict++;
            unit_note("%s: %s", entry->d_name, reason_name(reason));
        }

        if (nbases < BASES_MAX - 8 && total % 8 == 0) {
            base(der);
        }
    }

    if (dir) {
        closedir(dir);
    }

    ERR_clear_error();

    if (total == 0) {
        unit_ok(1, "certificates of Mozilla # SKIP not installed");
        return;
    }

    unit_note("Mozilla: %lu certificates, %lu accepted, %lu refused",
              (unsigned long) total, (unsigned long) accepted,
              (unsigned long) strict);
    unit_is_int(strict, 0, "all certificates of Mozilla are accepted");
}


/* every bit of two certificates */
static void
test_bit_flips(void)
{
    size_t       i, bit;
    parts_t      parts;
    ngx_str_t    der;
    ngx_uint_t   ec, accepted;

    for (ec = 0; ec < 2; ec++) {
        default_parts(&parts);

        if (ec) {
            parts.key = ec_spki(NID_X9_62_prime256v1,
                                point(NID_X9_62_prime256v1,
                                      POINT_CONVERSION_UNCOMPRESSED));
        }

        der = build(&parts);
        accepted = 0;

        for (i = 0; i < der.len; i++) {
            for (bit = 1; bit < 0x100; bit <<= 1) {
                der.data[i] ^= bit;
                accepted += check(&der, ACCEPT_ALL, NOW) == OK;
                der.data[i] ^= bit;
            }
        }

        unit_ok(accepted < der.len * 8,
                "%lu of %lu certificates with a bit flipped are accepted",
                (unsigned long) accepted, (unsigned long) der.len * 8);
    }
}


static void
test_truncations(void)
{
    size_t      len;
    ngx_str_t   der, cut;
    ngx_uint_t  i, accepted;

    accepted = 0;

    for (i = 0; i < nbases; i++) {
        der = bases[i];

        for (len = 0; len < der.len; len += 1 + (der.len > 1000) * 7) {
            cut.data = der.data;
            cut.len = len;
            accepted += check(&cut, ACCEPT_ALL, NOW) == OK;
        }
    }

    unit_is_int(accepted, 0, "no certificate that was cut is accepted");
}


static void
test_mutations(void)
{
    u_char      *p;
    size_t       pos, len;
    ngx_str_t    der;
    ngx_uint_t   i, n, changes, accepted, total;
    u_char       buf[65536];

    static u_char  odd[] = { 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x30,
                             0x31, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xa0, 0xff };

    accepted = 0;
    total = 0;

    for (i = 0; i < nbases; i++) {

        for (n = 0; n < MUTATIONS; n++) {
            len = bases[i].len;
            p = ngx_cpymem(buf, bases[i].data, len) - len;

            for (changes = 1 + random32() % 3; changes; changes--) {
                pos = random32() % len;

                switch (random32() % 6) {

                case 0:
                    p[pos] ^= 1 << random32() % 8;
                    break;

                case 1:
                    p[pos] = (u_char) random32();
                    break;

                case 2:
                    p[pos] = odd[random32() % sizeof(odd)];
                    break;

                case 3:
                    p[pos] += (random32() % 2) ? 1 : -1;
                    break;

                case 4:
                    ngx_memmove(p + pos + 1, p + pos, len - pos);
                    p[pos] = odd[random32() % sizeof(odd)];
                    len++;
                    break;

                default:
                    ngx_memmove(p + pos, p + pos + 1, len - pos - 1);
                    len--;
                    break;
                }
            }

            der.data = p;
            der.len = len;

            total++;
            accepted += check(&der, ACCEPT_ALL, NOW) == OK;
        }
    }

    unit_ok(accepted > 0 && accepted < total,
            "%lu of %lu mutations of %lu certificates are accepted",
            (unsigned long) accepted, (unsigned long) total,
            (unsigned long) nbases);
}


/* a lack of memory in OpenSSL is never the fault of the certificate */
static void
test_no_memory(void)
{
    ngx_str_t                     der;
    ngx_int_t                     rc;
    ngx_uint_t                    i, n, blamed, failed, pending;
    ngx_iot_certificate_policy_t  policy;

    policy.min_rsa_bits = 2048;
    policy.max_size = 65536;
    policy.accept = ACCEPT_ALL;

    blamed = 0;
    failed = 0;
    pending = 0;

    for (i = 0; i < nbases && i < 24; i++) {
        der = bases[i];

        if (check(&der, ACCEPT_ALL, NOW) != OK) {
            continue;
        }

        for (n = 1; n < 1000; n++) {
            openssl_failed = 0;
            openssl_countdown = n;

            rc = ngx_iot_x509_check(pool, &der, &policy, NOW, &err);

            openssl_countdown = 0;

            pending += ERR_peek_error() != 0;

            if (!openssl_failed) {
                break;
            }

            failed++;

            if (rc == NGX_DECLINED) {
                blamed++;
                unit_note("base %lu, allocation %lu: %.*s",
                          (unsigned long) i, (unsigned long) n,
                          (int) err.message.len, err.message.data);
            }
        }
    }

    unit_is_int(blamed, 0, "%lu failed allocations, none is blamed on the "
                "certificate", (unsigned long) failed);
    unit_is_int(pending, 0, "nor does one leave an error in the queue");
}


static void
test_fingerprints(void)
{
    u_char     sha256[NGX_IOT_SHA256_LEN], sha1[NGX_IOT_SHA1_LEN];
    ngx_str_t  data, got;

    data = unit_str(pool, "abc");

    unit_is_int(ngx_iot_x509_fingerprints(&data, sha256, sha1), NGX_OK,
                "fingerprints");

    got.data = sha256;
    got.len = sizeof(sha256);
    unit_is_mem(&got, "\xba\x78\x16\xbf\x8f\x01\xcf\xea\x41\x41\x40\xde\x5d"
                "\xae\x22\x23\xb0\x03\x61\xa3\x96\x17\x7a\x9c\xb4\x10\xff\x61"
                "\xf2\x00\x15\xad", 32, "SHA-256 of FIPS 180");

    got.data = sha1;
    got.len = sizeof(sha1);
    unit_is_mem(&got, "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e\x25\x71\x78"
                "\x50\xc2\x6c\x9c\xd0\xd8\x9d", 20, "SHA-1 of FIPS 180");

    unit_is_int(ngx_iot_x509_fingerprints(&empty, sha256, sha1), NGX_OK,
                "fingerprints of nothing");
    unit_is_int(ERR_peek_error(), 0, "no errors in the queue");
}


/* as Python's hashlib has it, with struct.pack('>Q', len) before each */
static void
test_sha256_list(void)
{
    u_char     digest[NGX_IOT_SHA256_LEN];
    ngx_str_t  got;

    ngx_str_t  list[] = {
        ngx_string("abc"), ngx_string(""), ngx_string("d")
    };

    got.data = digest;
    got.len = NGX_IOT_SHA256_LEN;

    unit_is_int(ngx_iot_x509_sha256_list(list, 3, digest), NGX_OK,
                "SHA-256 of a list");
    unit_is_mem(&got,
                "\x99\x2b\xdd\xbe\xbc\xe6\x28\x90"
                "\x3c\xa6\x1a\x83\x14\x5f\x97\x2c"
                "\x69\x16\xa7\x60\xa6\x97\x5a\xbc"
                "\x00\x49\x31\x9a\xe4\xed\xc4\x96",
                NGX_IOT_SHA256_LEN, "... each string after its length");
    unit_is_int(ERR_peek_error(), 0, "... no error is left");
}


static void
test_init(void)
{
    ngx_uint_t  n, failed;

    ngx_iot_x509_done();
    ngx_iot_x509_done();

    failed = 0;

    for (n = 1; n < 10000; n++) {
        openssl_failed = 0;
        openssl_countdown = n;

        if (ngx_iot_x509_init(&unit_log) != NGX_OK) {
            failed++;

        } else if (!openssl_failed) {
            openssl_countdown = 0;
            break;
        }

        openssl_countdown = 0;
        ngx_iot_x509_done();
    }

    unit_ok(failed > 0 && n < 10000, "init without memory, %lu times",
            (unsigned long) failed);
    unit_is_int(ERR_peek_error(), 0, "no errors in the queue");

    ngx_iot_x509_done();
}


/* the reason of a refusal, or OK */
static ngx_uint_t
check(const ngx_str_t *der, ngx_uint_t accept, time_t now)
{
    ngx_int_t                      rc;
    ngx_str_t                      copy;
    ngx_pool_t                    *temp;
    ngx_iot_certificate_policy_t   policy;

    static u_char  message[NGX_MAX_ERROR_STR];

    temp = ngx_create_pool(1024, &unit_log);
    copy = unit_copy(temp, der->data, der->len);

    policy.min_rsa_bits = min_rsa_bits;
    policy.max_size = 65536;
    policy.accept = accept;

    err.reason = OK;

    rc = ngx_iot_x509_check(temp, &copy, &policy, now, &err);

    if (ERR_peek_error()) {
        violation("an error is left in the queue", der);
        ERR_clear_error();
    }

    if (rc == NGX_OK && !openssl_accepts(copy.data, copy.len)) {
        violation("accepted, but not by OpenSSL", der);
    }

    if (rc == NGX_ERROR) {
        violation("failed", der);
    }

    if (rc == NGX_DECLINED && err.message.len == 0) {
        violation("refused without a message", der);
    }

    if (rc != NGX_OK) {
        ngx_memcpy(message, err.message.data, err.message.len);
        err.message.data = message;
    }

    ngx_destroy_pool(temp);

    return (rc == NGX_OK) ? OK : err.reason;
}


static ngx_uint_t
openssl_accepts(const u_char *data, size_t len)
{
    X509           *x509;
    ngx_uint_t      accepts;
    const u_char   *p;

    p = data;

    x509 = d2i_X509(NULL, &p, len);

    accepts = x509 && p == data + len && X509_get0_pubkey(x509);

    X509_free(x509);
    ERR_clear_error();

    return accepts;
}


static void
expect(const ngx_str_t *der, ngx_uint_t accept, ngx_uint_t want,
    const char *name)
{
    ngx_uint_t  got;

    got = check(der, accept, NOW);

    unit_ok(got == want, "%s: %s", name, reason_name(want));

    if (got != want) {
        unit_note("got %s: %.*s", reason_name(got),
                  (got == OK) ? 0 : (int) err.message.len, err.message.data);
    }
}


static void
expect_key(ngx_str_t key, ngx_uint_t accept, ngx_uint_t want,
    const char *name)
{
    parts_t    parts;
    ngx_str_t  der;

    default_parts(&parts);
    parts.key = key;
    der = build(&parts);

    expect(&der, accept, want, name);

    if (nbases < BASES_MAX - 24) {
        base(der);
    }
}


static const char *
reason_name(ngx_uint_t reason)
{
    if (reason == OK) {
        return "OK";
    }

    return (const char *) ngx_iot_reason_name(reason)->data;
}


static void
violation(const char *what, const ngx_str_t *der)
{
    size_t  i;

    if (violations++ >= 10) {
        return;
    }

    printf("# %s: ", what);

    for (i = 0; i < der->len; i++) {
        printf("%02x", der->data[i]);
    }

    printf("\n");
}


static ngx_str_t
cat(ngx_uint_t n, ...)
{
    u_char      *p;
    va_list      args;
    ngx_str_t    part, sum;
    ngx_uint_t   i;

    sum.len = 0;

    va_start(args, n);

    for (i = 0; i < n; i++) {
        sum.len += va_arg(args, ngx_str_t).len;
    }

    va_end(args);

    sum.data = ngx_pnalloc(pool, sum.len);
    p = sum.data;

    va_start(args, n);

    for (i = 0; i < n; i++) {
        part = va_arg(args, ngx_str_t);

        if (part.len) {
            p = ngx_cpymem(p, part.data, part.len);
        }
    }

    va_end(args);

    return sum;
}


static ngx_str_t
tlv(ngx_uint_t tag, ngx_str_t value)
{
    u_char      header[4];
    ngx_uint_t  n;

    header[0] = (u_char) tag;

    if (value.len < 0x80) {
        header[1] = (u_char) value.len;
        n = 2;

    } else if (value.len < 0x100) {
        header[1] = 0x81;
        header[2] = (u_char) value.len;
        n = 3;

    } else {
        header[1] = 0x82;
        header[2] = (u_char) (value.len >> 8);
        header[3] = (u_char) value.len;
        n = 4;
    }

    return cat(2, unit_copy(pool, header, n), value);
}


static ngx_str_t
oid(int nid)
{
    u_char     *data;
    ngx_str_t   der;

    data = NULL;
    der.len = i2d_ASN1_OBJECT(OBJ_nid2obj(nid), &data);
    der = unit_copy(pool, data, der.len);

    OPENSSL_free(data);

    return der;
}


/* INTEGER with just these contents */
static ngx_str_t
number(const char *text)
{
    size_t  i, len;
    u_char  bytes[64];

    len = ngx_strlen(text) / 2;

    for (i = 0; i < len; i++) {
        bytes[i] = (u_char) ngx_hextoi((u_char *) text + 2 * i, 2);
    }

    return tlv(0x02, unit_copy(pool, bytes, len));
}


/* an odd INTEGER of so many bits */
static ngx_str_t
modulus(ngx_uint_t bits)
{
    ngx_str_t  bytes;

    bytes.len = bits / 8 + 1;
    bytes.data = ngx_pcalloc(pool, bytes.len);

    bytes.data[0] = (u_char) (1 << bits % 8) - 1;
    ngx_memset(bytes.data + 1, 0xa5, bytes.len - 1);

    if (bits % 8 == 0) {
        bytes.data[1] |= 0x80;
    }

    return tlv(0x02, bytes);
}


static ngx_str_t
spki(int nid, ngx_str_t params, ngx_str_t bits)
{
    return tlv(0x30, cat(2, tlv(0x30, cat(2, oid(nid), params)),
                         tlv(0x03, cat(2, hex("\x00"), bits))));
}


static ngx_str_t
rsa_spki(ngx_str_t n, ngx_str_t e)
{
    return spki(NID_rsaEncryption, null_param, tlv(0x30, cat(2, n, e)));
}


/* the generator of a curve */
static ngx_str_t
point(int nid, point_conversion_form_t form)
{
    EC_GROUP  *group;
    size_t     len;
    u_char     buf[256];

    group = EC_GROUP_new_by_curve_name(nid);

    len = EC_POINT_point2oct(group, EC_GROUP_get0_generator(group), form, buf,
                             sizeof(buf), NULL);

    EC_GROUP_free(group);

    return unit_copy(pool, buf, len);
}


static ngx_str_t
explicit_curve(int nid)
{
    u_char     *der;
    ngx_str_t   params;
    EC_GROUP   *group;

    group = EC_GROUP_new_by_curve_name(nid);
    EC_GROUP_set_asn1_flag(group, OPENSSL_EC_EXPLICIT_CURVE);

    der = NULL;
    params.len = i2d_ECPKParameters(group, &der);
    params = unit_copy(pool, der, params.len);

    OPENSSL_free(der);
    EC_GROUP_free(group);

    return params;
}


static ngx_str_t
ec_spki(int nid, ngx_str_t bits)
{
    return spki(NID_X9_62_id_ecPublicKey, oid(nid), bits);
}


static ngx_str_t
pkey_spki(EVP_PKEY *pkey)
{
    u_char     *data;
    ngx_str_t   der;

    data = NULL;
    der.len = i2d_PUBKEY(pkey, &data);
    der = unit_copy(pool, data, der.len);

    OPENSSL_free(data);

    return der;
}


static ngx_str_t
pss_params(int hash, int mgf_hash, const char *salt, const char *trailer)
{
    ngx_str_t  h, m, s, t;

    h = empty;
    m = empty;
    s = empty;
    t = empty;

    if (hash) {
        h = tlv(0xa0, tlv(0x30, cat(2, oid(hash), null_param)));
    }

    if (mgf_hash) {
        m = tlv(0x30, cat(2, oid(mgf_hash), null_param));
        m = tlv(0xa1, tlv(0x30, cat(2, oid(NID_mgf1), m)));
    }

    if (salt) {
        s = tlv(0xa2, number(salt));
    }

    if (trailer) {
        t = tlv(0xa3, number(trailer));
    }

    return tlv(0x30, cat(4, h, m, s, t));
}


/* v3, RSA 2048, valid from 2025 to 2035; the signature is of no interest */
static ngx_str_t
default_parts(parts_t *parts)
{
    ngx_str_t  name;

    name = tlv(0x30, tlv(0x31, tlv(0x30, cat(2, oid(NID_commonName),
                             tlv(0x0c, unit_str(pool, "localhost"))))));

    parts->version = tlv(0xa0, number("02"));
    parts->serial = number("0A");
    parts->inner = tlv(0x30, cat(2, oid(NID_sha256WithRSAEncryption),
                                 null_param));
    parts->issuer = name;
    parts->begin = time_of("250101000000Z");
    parts->end = time_of("350101000000Z");
    parts->subject = name;
    parts->key = rsa2048_spki;
    parts->rest = empty;
    parts->outer = parts->inner;
    parts->signature = hex("\x03\x05\x00\x01\x02\x03\x04");

    return build(parts);
}


static ngx_str_t
build(const parts_t *parts)
{
    ngx_str_t  tbs;

    tbs = tlv(0x30, cat(8, parts->version, parts->serial, parts->inner,
                        parts->issuer,
                        tlv(0x30, cat(2, parts->begin, parts->end)),
                        parts->subject, parts->key, parts->rest));

    return tlv(0x30, cat(3, tbs, parts->outer, parts->signature));
}


/* UTCTime, or GeneralizedTime where the year has four digits */
static ngx_str_t
time_of(const char *text)
{
    size_t  len;

    len = ngx_strlen(text);

    return tlv((len >= 15 && text[12] != '+') ? 0x18 : 0x17,
               unit_copy(pool, text, len));
}


static ngx_str_t
signed_certificate(EVP_PKEY *pkey, EVP_PKEY *signer, long version,
    ngx_uint_t names)
{
    X509            *x509;
    u_char          *data;
    ngx_str_t        der;
    X509_NAME       *name;
    ngx_uint_t       i;
    GENERAL_NAME    *general;
    GENERAL_NAMES   *list;
    const EVP_MD    *md;
    ASN1_IA5STRING  *dns;
    char             text[64];

    x509 = X509_new();
    name = X509_get_subject_name(x509);

    X509_set_version(x509, version);
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 4711);
    ASN1_TIME_set(X509_getm_notBefore(x509), NOW - 86400);
    ASN1_TIME_set(X509_getm_notAfter(x509), NOW + 50L * 365 * 86400);

    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                               (u_char *) "An Example", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               (u_char *) "localhost", -1, -1, 0);
    X509_set_issuer_name(x509, name);
    X509_set_pubkey(x509, pkey);

    if (version == X509_VERSION_3) {
        list = sk_GENERAL_NAME_new_null();

        for (i = 0; i < names; i++) {
            (void) snprintf(text, sizeof(text), "device-%lu.example.org",
                            (unsigned long) i);

            dns = ASN1_IA5STRING_new();
            ASN1_STRING_set(dns, text, -1);

            general = GENERAL_NAME_new();
            GENERAL_NAME_set0_value(general, GEN_DNS, dns);
            sk_GENERAL_NAME_push(list, general);
        }

        X509_add1_ext_i2d(x509, NID_subject_alt_name, list, 0, 0);
        GENERAL_NAMES_free(list);
    }

    md = EVP_sha256();

    if (EVP_PKEY_is_a(signer, "ED25519") || EVP_PKEY_is_a(signer, "ED448")) {
        md = NULL;
    }

    if (X509_sign(x509, signer, md) == 0) {
        /* RSA of 512 bits has no room for SHA-256 and its header */
        X509_sign(x509, rsa2048, EVP_sha256());
    }

    data = NULL;
    der.len = i2d_X509(x509, &data);
    der = unit_copy(pool, data, der.len);

    OPENSSL_free(data);
    X509_free(x509);
    ERR_clear_error();

    return der;
}


/* a certificate to be mutated later */
static void
base(ngx_str_t der)
{
    if (nbases < BASES_MAX && der.len < 8192) {
        bases[nbases++] = der;
    }
}


/* xorshift64*: the same numbers in every run */
static uint32_t
random32(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;

    return (uint32_t) ((random_state * 0x2545f4914f6cdd1d) >> 32);
}


static void *
no_memory_malloc(size_t size, const char *file, int line)
{
    if (openssl_countdown && --openssl_countdown == 0) {
        openssl_failed = 1;
        return NULL;
    }

    return malloc(size);
}


static void *
no_memory_realloc(void *p, size_t size, const char *file, int line)
{
    if (openssl_countdown && --openssl_countdown == 0) {
        openssl_failed = 1;
        return NULL;
    }

    return realloc(p, size);
}


static void
no_memory_free(void *p, const char *file, int line)
{
    free(p);
}
