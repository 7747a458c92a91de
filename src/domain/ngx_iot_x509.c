
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <openssl/asn1t.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "ngx_iot_x509.h"
#include "ngx_iot_der.h"


/*
 * d2i_X509() spends nine tenths of its time in the provider decoders that it
 * starts for the key.  So the certificate is decoded by OpenSSL's own ASN.1
 * engine with the template below, which has the key as an algorithm and a bit
 * string, and the key is then checked by its type with calls that cost little.
 *
 * The checks come in this order, the first that fails is the answer:
 *
 *     1. the DER and the version
 *     2. nothing follows
 *     3. the key
 *     4. the validity, its end first
 *
 * As d2i_X509() does, and unlike some others, these let through: version v1
 * and FALSE written out though they are defaults, extensions and unique ids in
 * any version, GeneralizedTime before 2050, an inner signature algorithm that
 * differs from the outer.  Devices have such certificates, and their meaning
 * is clear.
 */


#define NGX_IOT_X509_RSA_BITS_MAX  OPENSSL_RSA_MAX_MODULUS_BITS

#define NGX_IOT_X509_ED25519_LEN   32
#define NGX_IOT_X509_ED448_LEN     57


/* SubjectPublicKeyInfo */

typedef struct {
    X509_ALGOR                *algorithm;
    ASN1_BIT_STRING           *bits;
} ngx_iot_x509_key_t;


/* TBSCertificate */

typedef struct {
    ASN1_INTEGER              *version;
    ASN1_INTEGER              *serial;
    X509_ALGOR                *signature;
    ASN1_STRING               *issuer;
    X509_VAL                  *validity;
    ASN1_STRING               *subject;
    ngx_iot_x509_key_t        *key;
    ASN1_BIT_STRING           *issuer_uid;
    ASN1_BIT_STRING           *subject_uid;
    STACK_OF(X509_EXTENSION)  *extensions;
} ngx_iot_x509_tbs_t;


/* Certificate */

typedef struct {
    ngx_iot_x509_tbs_t        *tbs;
    X509_ALGOR                *algorithm;
    ASN1_BIT_STRING           *signature;
} ngx_iot_x509_t;


/* RSAPublicKey */

typedef struct {
    ASN1_INTEGER              *modulus;
    ASN1_INTEGER              *exponent;
} ngx_iot_x509_rsa_t;


ASN1_SEQUENCE(ngx_iot_x509_key_t) = {
    ASN1_SIMPLE(ngx_iot_x509_key_t, algorithm, X509_ALGOR),
    ASN1_SIMPLE(ngx_iot_x509_key_t, bits, ASN1_BIT_STRING)
} static_ASN1_SEQUENCE_END(ngx_iot_x509_key_t)

ASN1_SEQUENCE(ngx_iot_x509_tbs_t) = {
    ASN1_EXP_OPT(ngx_iot_x509_tbs_t, version, ASN1_INTEGER, 0),
    ASN1_SIMPLE(ngx_iot_x509_tbs_t, serial, ASN1_INTEGER),
    ASN1_SIMPLE(ngx_iot_x509_tbs_t, signature, X509_ALGOR),
    ASN1_SIMPLE(ngx_iot_x509_tbs_t, issuer, ASN1_SEQUENCE),
    ASN1_SIMPLE(ngx_iot_x509_tbs_t, validity, X509_VAL),
    ASN1_SIMPLE(ngx_iot_x509_tbs_t, subject, ASN1_SEQUENCE),
    ASN1_SIMPLE(ngx_iot_x509_tbs_t, key, ngx_iot_x509_key_t),
    ASN1_IMP_OPT(ngx_iot_x509_tbs_t, issuer_uid, ASN1_BIT_STRING, 1),
    ASN1_IMP_OPT(ngx_iot_x509_tbs_t, subject_uid, ASN1_BIT_STRING, 2),
    ASN1_EXP_SEQUENCE_OF_OPT(ngx_iot_x509_tbs_t, extensions,
                             X509_EXTENSION, 3)
} static_ASN1_SEQUENCE_END(ngx_iot_x509_tbs_t)

ASN1_SEQUENCE(ngx_iot_x509_t) = {
    ASN1_SIMPLE(ngx_iot_x509_t, tbs, ngx_iot_x509_tbs_t),
    ASN1_SIMPLE(ngx_iot_x509_t, algorithm, X509_ALGOR),
    ASN1_SIMPLE(ngx_iot_x509_t, signature, ASN1_BIT_STRING)
} static_ASN1_SEQUENCE_END(ngx_iot_x509_t)

ASN1_SEQUENCE(ngx_iot_x509_rsa_t) = {
    ASN1_SIMPLE(ngx_iot_x509_rsa_t, modulus, ASN1_INTEGER),
    ASN1_SIMPLE(ngx_iot_x509_rsa_t, exponent, ASN1_INTEGER)
} static_ASN1_SEQUENCE_END(ngx_iot_x509_rsa_t)


/* what the checks of one certificate share */

typedef struct {
    ngx_pool_t                          *pool;
    const ngx_iot_certificate_policy_t  *policy;
    time_t                               now;
    ngx_iot_error_t                     *err;
} ngx_iot_x509_check_t;


typedef struct {
    EVP_MD                              *md;
    EVP_MD_CTX                          *ctx;
} ngx_iot_x509_md_t;


typedef struct {
    int                                  nid;
    EC_GROUP                            *group;
    EC_POINT                            *point;
} ngx_iot_x509_curve_t;


static ngx_int_t ngx_iot_x509_check_decoded(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_t *x509, const ngx_str_t *der, size_t len);
static ngx_uint_t ngx_iot_x509_uids_strict(const ngx_iot_x509_t *x509,
    const u_char *data, size_t len);
static ngx_uint_t ngx_iot_x509_name_valid(const ASN1_STRING *name);
static ngx_uint_t ngx_iot_x509_version_known(const ASN1_INTEGER *version);
static ngx_int_t ngx_iot_x509_check_key(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key);
static int ngx_iot_x509_nid(const X509_ALGOR *algorithm);
static ngx_int_t ngx_iot_x509_check_rsa(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key);
static ngx_int_t ngx_iot_x509_check_pss(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key);
static ngx_int_t ngx_iot_x509_check_rsa_bits(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key, ngx_uint_t *bits);
static ngx_int_t ngx_iot_x509_rsa_bits(const ngx_iot_x509_key_t *key,
    ngx_uint_t *bits);
static ngx_uint_t ngx_iot_x509_odd_bits(const ASN1_INTEGER *number);
static ngx_uint_t ngx_iot_x509_pss_valid(const ASN1_STRING *sequence,
    ngx_uint_t bits);
static ngx_uint_t ngx_iot_x509_pss_fits(const RSA_PSS_PARAMS *pss,
    ngx_uint_t bits);
static ngx_uint_t ngx_iot_x509_mgf_valid(const X509_ALGOR *mgf);
static ngx_uint_t ngx_iot_x509_mgf_hash_valid(const ASN1_STRING *sequence);
static ngx_uint_t ngx_iot_x509_hash_len(const X509_ALGOR *hash);
static ngx_int_t ngx_iot_x509_check_ec(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key);
static ngx_int_t ngx_iot_x509_check_weak_ec(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key, int nid);
static ngx_int_t ngx_iot_x509_check_point(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key, const ngx_iot_x509_curve_t *curve);
static ngx_int_t ngx_iot_x509_check_ed(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key, int len);
static ngx_int_t ngx_iot_x509_check_validity(ngx_iot_x509_check_t *check,
    const X509_VAL *validity);
static ngx_int_t ngx_iot_x509_time(const ASN1_TIME *time, ngx_tm_t *tm,
    int64_t *sec);
static ngx_int_t ngx_iot_x509_refuse_time(ngx_iot_x509_check_t *check,
    ngx_iot_reason_e reason, const char *what, const ngx_tm_t *tm);
static ngx_int_t ngx_iot_x509_refusal(ngx_iot_x509_check_t *check);
static ngx_int_t ngx_iot_x509_curve_open(ngx_iot_x509_curve_t *curve);
static void ngx_iot_x509_curve_close(ngx_iot_x509_curve_t *curve);
static ngx_int_t ngx_iot_x509_md_open(ngx_iot_x509_md_t *md,
    const char *name);
static void ngx_iot_x509_md_close(ngx_iot_x509_md_t *md);
static ngx_int_t ngx_iot_x509_digest(const ngx_iot_x509_md_t *md,
    const ngx_str_t *data, u_char *out);


/* a context that changes its algorithm would be made anew each time */

static ngx_iot_x509_md_t      ngx_iot_x509_sha256;
static ngx_iot_x509_md_t      ngx_iot_x509_sha1;
static BN_CTX                *ngx_iot_x509_bn_ctx;

static ngx_iot_x509_curve_t   ngx_iot_x509_curves[] = {
    { NID_X9_62_prime256v1, NULL, NULL },
    { NID_secp384r1, NULL, NULL },
    { NID_secp521r1, NULL, NULL }
};

#define NGX_IOT_X509_CURVES                                                   \
    (sizeof(ngx_iot_x509_curves) / sizeof(ngx_iot_x509_curve_t))


ngx_int_t
ngx_iot_x509_init(ngx_log_t *log)
{
    ngx_uint_t  i, ready;

    ready = ngx_iot_x509_md_open(&ngx_iot_x509_sha256, "SHA256") == NGX_OK;

    if (ngx_iot_x509_md_open(&ngx_iot_x509_sha1, "SHA1") != NGX_OK) {
        ready = 0;
    }

    ngx_iot_x509_bn_ctx = BN_CTX_new();

    if (ngx_iot_x509_bn_ctx == NULL) {
        ready = 0;
    }

    for (i = 0; i < NGX_IOT_X509_CURVES; i++) {
        if (ngx_iot_x509_curve_open(&ngx_iot_x509_curves[i]) != NGX_OK) {
            ready = 0;
        }
    }

    ERR_clear_error();

    if (!ready) {
        ngx_log_error(NGX_LOG_EMERG, log, 0,
                      "OpenSSL lacks SHA-256, SHA-1, P-256, P-384 or P-521");
        ngx_iot_x509_done();
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_iot_x509_done(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_IOT_X509_CURVES; i++) {
        ngx_iot_x509_curve_close(&ngx_iot_x509_curves[i]);
    }

    BN_CTX_free(ngx_iot_x509_bn_ctx);
    ngx_iot_x509_bn_ctx = NULL;

    ngx_iot_x509_md_close(&ngx_iot_x509_sha1);
    ngx_iot_x509_md_close(&ngx_iot_x509_sha256);
}


ngx_int_t
ngx_iot_x509_check(ngx_pool_t *pool, const ngx_str_t *der,
    const ngx_iot_certificate_policy_t *policy, time_t now,
    ngx_iot_error_t *err)
{
    ngx_int_t              rc;
    const u_char          *p;
    ngx_iot_x509_t        *x509;
    ngx_iot_x509_check_t   check;

    check.pool = pool;
    check.policy = policy;
    check.now = now;
    check.err = err;

    p = der->data;

    x509 = (void *) ASN1_item_d2i(NULL, &p, (long) der->len,
                                  ASN1_ITEM_rptr(ngx_iot_x509_t));
    if (x509 == NULL) {
        ngx_iot_error(err, CERTIFICATE_BAD_DER,
                      "the data is not an X.509 certificate, "
                      "or it is damaged");
        rc = ngx_iot_x509_refusal(&check);

    } else {
        rc = ngx_iot_x509_check_decoded(&check, x509, der, p - der->data);
    }

    ASN1_item_free((ASN1_VALUE *) x509, ASN1_ITEM_rptr(ngx_iot_x509_t));

    ERR_clear_error();

    return rc;
}


static ngx_int_t
ngx_iot_x509_check_decoded(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_t *x509, const ngx_str_t *der, size_t len)
{
    ngx_int_t  rc;

    if (!ngx_iot_der_strict(der->data, len)
        || !ngx_iot_x509_uids_strict(x509, der->data, len))
    {
        ngx_iot_error(check->err, CERTIFICATE_BAD_DER,
                      "the certificate is encoded in BER, only DER is "
                      "accepted");
        return ngx_iot_x509_refusal(check);
    }

    if (!ngx_iot_x509_name_valid(x509->tbs->issuer)
        || !ngx_iot_x509_name_valid(x509->tbs->subject))
    {
        ngx_iot_error(check->err, CERTIFICATE_BAD_DER,
                      "the issuer or the subject of the certificate is "
                      "damaged");
        return ngx_iot_x509_refusal(check);
    }

    if (!ngx_iot_x509_version_known(x509->tbs->version)) {
        ngx_iot_error(check->err, CERTIFICATE_BAD_DER,
                      "the version of the certificate is not v1, v2 or v3");
        return NGX_DECLINED;
    }

    if (len != der->len) {
        ngx_iot_error(check->err, CERTIFICATE_TRAILING_BYTES,
                      "bytes follow the certificate inside its PEM block");
        return NGX_DECLINED;
    }

    rc = ngx_iot_x509_check_key(check, x509->tbs->key);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_iot_x509_check_validity(check, x509->tbs->validity);
}


/*
 * The unique ids are bit strings whose tags do not say so; by encoding them
 * again their unused bits are compared.  Hardly a certificate has them.
 */
static ngx_uint_t
ngx_iot_x509_uids_strict(const ngx_iot_x509_t *x509, const u_char *data,
    size_t len)
{
    int         n;
    u_char     *again;
    ngx_uint_t  same;

    if (x509->tbs->issuer_uid == NULL && x509->tbs->subject_uid == NULL) {
        return 1;
    }

    again = NULL;

    n = ASN1_item_i2d((const ASN1_VALUE *) x509, &again,
                      ASN1_ITEM_rptr(ngx_iot_x509_t));

    same = n > 0 && (size_t) n == len && ngx_memcmp(again, data, len) == 0;

    OPENSSL_free(again);

    return same;
}


/*
 * X509_NAME would cost a quarter of the whole check, nearly all of it for a
 * canonical form that nobody here asks for.
 */
static ngx_uint_t
ngx_iot_x509_name_valid(const ASN1_STRING *name)
{
    size_t         len;
    X509_NAME     *decoded;
    const u_char  *p;

    p = ASN1_STRING_get0_data(name);
    len = (size_t) ASN1_STRING_length(name);

    if (ngx_iot_der_plain_name(p, len)) {
        return 1;
    }

    decoded = d2i_X509_NAME(NULL, &p, (long) len);
    X509_NAME_free(decoded);

    return decoded != NULL;
}


static ngx_uint_t
ngx_iot_x509_version_known(const ASN1_INTEGER *version)
{
    int64_t  n;

    if (version == NULL) {
        return 1;
    }

    return ASN1_INTEGER_get_int64(&n, version) && n >= 0 && n <= 2;
}


static ngx_int_t
ngx_iot_x509_check_key(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key)
{
    /* RFC 5280, section 4.1.2.7: all of these keys are whole octets */

    if (key->bits->flags & 0x07) {
        ngx_iot_error(check->err, CERTIFICATE_BAD_KEY,
                      "the public key is not made of whole bytes");
        return NGX_DECLINED;
    }

    switch (ngx_iot_x509_nid(key->algorithm)) {

    case NID_rsaEncryption:
        return ngx_iot_x509_check_rsa(check, key);

    case NID_rsassaPss:
        return ngx_iot_x509_check_pss(check, key);

    case NID_X9_62_id_ecPublicKey:
        return ngx_iot_x509_check_ec(check, key);

    case NID_ED25519:
        return ngx_iot_x509_check_ed(check, key, NGX_IOT_X509_ED25519_LEN);

    case NID_ED448:
        return ngx_iot_x509_check_ed(check, key, NGX_IOT_X509_ED448_LEN);

    default:
        ngx_iot_error(check->err, CERTIFICATE_UNSUPPORTED_KEY,
                      "the type of the public key is not supported; RSA, EC, "
                      "Ed25519 and Ed448 are");
        return NGX_DECLINED;
    }
}


static int
ngx_iot_x509_nid(const X509_ALGOR *algorithm)
{
    const ASN1_OBJECT  *object;

    X509_ALGOR_get0(&object, NULL, NULL, algorithm);

    return OBJ_obj2nid(object);
}


static ngx_int_t
ngx_iot_x509_check_rsa(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key)
{
    int         type;
    ngx_uint_t  bits;

    X509_ALGOR_get0(NULL, &type, NULL, key->algorithm);

    /* RFC 3279, section 2.3.1: NULL; some leave it out */

    if (type != V_ASN1_NULL && type != V_ASN1_UNDEF) {
        ngx_iot_error(check->err, CERTIFICATE_BAD_KEY,
                      "the RSA key has parameters that no RSA key has");
        return NGX_DECLINED;
    }

    return ngx_iot_x509_check_rsa_bits(check, key, &bits);
}


static ngx_int_t
ngx_iot_x509_check_pss(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key)
{
    int          type;
    ngx_int_t    rc;
    ngx_uint_t   bits;
    const void  *value;

    rc = ngx_iot_x509_check_rsa_bits(check, key, &bits);
    if (rc != NGX_OK) {
        return rc;
    }

    X509_ALGOR_get0(NULL, &type, &value, key->algorithm);

    /* RFC 4055, section 3.1: without parameters nothing is restricted */

    if (type == V_ASN1_UNDEF
        || (type == V_ASN1_SEQUENCE && ngx_iot_x509_pss_valid(value, bits)))
    {
        return NGX_OK;
    }

    ngx_iot_error(check->err, CERTIFICATE_BAD_KEY,
                  "the RSASSA-PSS parameters of the RSA key are not valid");
    return ngx_iot_x509_refusal(check);
}


static ngx_int_t
ngx_iot_x509_check_rsa_bits(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key, ngx_uint_t *bits)
{
    ngx_uint_t  min;

    if (ngx_iot_x509_rsa_bits(key, bits) != NGX_OK) {
        ngx_iot_error(check->err, CERTIFICATE_BAD_KEY,
                      "the RSA key is damaged: its modulus and exponent are "
                      "not odd numbers that fit together");
        return ngx_iot_x509_refusal(check);
    }

    if (*bits > NGX_IOT_X509_RSA_BITS_MAX) {
        ngx_iot_error_format(check->pool, check->err,
                             NGX_IOT_REASON_CERTIFICATE_UNSUPPORTED_KEY,
                             "the RSA key has %ui bits, at most %d are "
                             "supported", *bits, NGX_IOT_X509_RSA_BITS_MAX);
        return NGX_DECLINED;
    }

    min = (check->policy->accept & NGX_IOT_ACCEPT_WEAK_KEY)
          ? NGX_IOT_RSA_BITS_MIN : check->policy->min_rsa_bits;

    if (*bits < min) {
        ngx_iot_error_format(check->pool, check->err,
                             NGX_IOT_REASON_CERTIFICATE_WEAK_KEY,
                             "the RSA key has %ui bits, at least %ui are "
                             "required", *bits, min);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* RFC 8017, section 3.1 */
static ngx_int_t
ngx_iot_x509_rsa_bits(const ngx_iot_x509_key_t *key, ngx_uint_t *bits)
{
    int                  len;
    ngx_uint_t           exponent;
    const u_char        *p, *data;
    ngx_iot_x509_rsa_t  *rsa;

    data = ASN1_STRING_get0_data(key->bits);
    len = ASN1_STRING_length(key->bits);
    p = data;

    rsa = (void *) ASN1_item_d2i(NULL, &p, len,
                                 ASN1_ITEM_rptr(ngx_iot_x509_rsa_t));
    if (rsa == NULL) {
        return NGX_ERROR;
    }

    *bits = ngx_iot_x509_odd_bits(rsa->modulus);
    exponent = ngx_iot_x509_odd_bits(rsa->exponent);

    ASN1_item_free((ASN1_VALUE *) rsa, ASN1_ITEM_rptr(ngx_iot_x509_rsa_t));

    if (exponent <= 1 || exponent > *bits
        || p != data + len
        || !ngx_iot_der_strict(data, p - data))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the length of an odd number above zero, 0 for others */
static ngx_uint_t
ngx_iot_x509_odd_bits(const ASN1_INTEGER *number)
{
    int            len;
    u_char         high;
    ngx_uint_t     bits;
    const u_char  *p;

    p = ASN1_STRING_get0_data(number);
    len = ASN1_STRING_length(number);

    if (ASN1_STRING_type(number) != V_ASN1_INTEGER || len == 0
        || (p[len - 1] & 1) == 0)
    {
        return 0;
    }

    /* DER has no zero byte in front, and OpenSSL keeps none */

    bits = (ngx_uint_t) (len - 1) * 8;

    for (high = p[0]; high; high >>= 1) {
        bits++;
    }

    return bits;
}


/* RFC 4055, section 3.1 */
static ngx_uint_t
ngx_iot_x509_pss_valid(const ASN1_STRING *sequence, ngx_uint_t bits)
{
    ngx_uint_t       valid;
    const u_char    *p;
    RSA_PSS_PARAMS  *pss;

    p = ASN1_STRING_get0_data(sequence);

    pss = d2i_RSA_PSS_PARAMS(NULL, &p, ASN1_STRING_length(sequence));
    if (pss == NULL) {
        return 0;
    }

    valid = ngx_iot_x509_mgf_valid(pss->maskGenAlgorithm)
            && ngx_iot_x509_pss_fits(pss, bits);

    RSA_PSS_PARAMS_free(pss);

    return valid;
}


/* RFC 8017, section 9.1.1: a signature has to have room for hash and salt */
static ngx_uint_t
ngx_iot_x509_pss_fits(const RSA_PSS_PARAMS *pss, ngx_uint_t bits)
{
    int64_t     salt, trailer;
    ngx_uint_t  hash, room;

    salt = 20;
    trailer = 1;

    if (pss->saltLength && !ASN1_INTEGER_get_int64(&salt, pss->saltLength)) {
        return 0;
    }

    if (pss->trailerField
        && !ASN1_INTEGER_get_int64(&trailer, pss->trailerField))
    {
        return 0;
    }

    hash = ngx_iot_x509_hash_len(pss->hashAlgorithm);
    room = (bits + 6) / 8;

    return trailer == 1 && hash && hash + 2 <= room
           && salt >= 0 && (uint64_t) salt <= room - hash - 2;
}


static ngx_uint_t
ngx_iot_x509_mgf_valid(const X509_ALGOR *mgf)
{
    int          type;
    const void  *value;

    if (mgf == NULL) {
        return 1;
    }

    X509_ALGOR_get0(NULL, &type, &value, mgf);

    return ngx_iot_x509_nid(mgf) == NID_mgf1
           && type == V_ASN1_SEQUENCE
           && ngx_iot_x509_mgf_hash_valid(value);
}


static ngx_uint_t
ngx_iot_x509_mgf_hash_valid(const ASN1_STRING *sequence)
{
    X509_ALGOR    *hash;
    ngx_uint_t     valid;
    const u_char  *p;

    p = ASN1_STRING_get0_data(sequence);

    hash = d2i_X509_ALGOR(NULL, &p, ASN1_STRING_length(sequence));
    if (hash == NULL) {
        return 0;
    }

    valid = ngx_iot_x509_hash_len(hash) != 0;

    X509_ALGOR_free(hash);

    return valid;
}


/* 0: not a hash that RSASSA-PSS is used with; NULL is its default, SHA-1 */
static ngx_uint_t
ngx_iot_x509_hash_len(const X509_ALGOR *hash)
{
    if (hash == NULL) {
        return 20;
    }

    switch (ngx_iot_x509_nid(hash)) {

    case NID_sha1:
        return 20;

    case NID_sha224:
    case NID_sha512_224:
        return 28;

    case NID_sha256:
    case NID_sha512_256:
        return 32;

    case NID_sha384:
        return 48;

    case NID_sha512:
        return 64;

    default:
        return 0;
    }
}


/* RFC 5480, section 2.1.1 */
static ngx_int_t
ngx_iot_x509_check_ec(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key)
{
    int          type, nid;
    ngx_uint_t   i;
    const void  *value;

    X509_ALGOR_get0(NULL, &type, &value, key->algorithm);

    if (type != V_ASN1_OBJECT) {
        ngx_iot_error(check->err, CERTIFICATE_UNSUPPORTED_KEY,
                      "the EC key does not name its curve; explicit curve "
                      "parameters are not supported");
        return NGX_DECLINED;
    }

    nid = OBJ_obj2nid(value);

    for (i = 0; i < NGX_IOT_X509_CURVES; i++) {
        if (ngx_iot_x509_curves[i].nid == nid) {
            return ngx_iot_x509_check_point(check, key,
                                            &ngx_iot_x509_curves[i]);
        }
    }

    return ngx_iot_x509_check_weak_ec(check, key, nid);
}


static ngx_int_t
ngx_iot_x509_check_weak_ec(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key, int nid)
{
    ngx_int_t             rc;
    ngx_iot_x509_curve_t  curve;

    curve.nid = nid;

    if (ngx_iot_x509_curve_open(&curve) != NGX_OK) {
        ngx_iot_error(check->err, CERTIFICATE_UNSUPPORTED_KEY,
                      "the EC key is on a curve that is not supported; P-256, "
                      "P-384 and P-521 are");
        rc = ngx_iot_x509_refusal(check);

    } else if (check->policy->accept & NGX_IOT_ACCEPT_WEAK_KEY) {
        rc = ngx_iot_x509_check_point(check, key, &curve);

    } else {
        ngx_iot_error_format(check->pool, check->err,
                             NGX_IOT_REASON_CERTIFICATE_WEAK_KEY,
                             "the EC key is on the curve %s; P-256, P-384 and "
                             "P-521 are accepted", OBJ_nid2sn(nid));
        rc = NGX_DECLINED;
    }

    ngx_iot_x509_curve_close(&curve);

    return rc;
}


/*
 * RFC 5480, section 2.2: compressed points are optional, hybrid ones must not
 * be used.  EC_POINT_oct2point() refuses a point that is not on the curve.
 */
static ngx_int_t
ngx_iot_x509_check_point(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key, const ngx_iot_x509_curve_t *curve)
{
    int            len;
    const u_char  *p;

    p = ASN1_STRING_get0_data(key->bits);
    len = ASN1_STRING_length(key->bits);

    /* a zero in front would be the point at infinity, which is no key */

    if (len
        && p[0] >= POINT_CONVERSION_COMPRESSED
        && p[0] <= POINT_CONVERSION_UNCOMPRESSED
        && EC_POINT_oct2point(curve->group, curve->point, p, len,
                              ngx_iot_x509_bn_ctx))
    {
        return NGX_OK;
    }

    ngx_iot_error(check->err, CERTIFICATE_BAD_KEY,
                  "the EC key is damaged: it is not a point on its curve");
    return ngx_iot_x509_refusal(check);
}


/* RFC 8410, sections 3 and 4 */
static ngx_int_t
ngx_iot_x509_check_ed(ngx_iot_x509_check_t *check,
    const ngx_iot_x509_key_t *key, int len)
{
    int  type;

    X509_ALGOR_get0(NULL, &type, NULL, key->algorithm);

    if (type != V_ASN1_UNDEF || ASN1_STRING_length(key->bits) != len) {
        ngx_iot_error(check->err, CERTIFICATE_BAD_KEY,
                      "the Ed25519 or Ed448 key is damaged: it has parameters "
                      "or a wrong length");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* RFC 5280, section 4.1.2.5: both ends are inside */
static ngx_int_t
ngx_iot_x509_check_validity(ngx_iot_x509_check_t *check,
    const X509_VAL *validity)
{
    int64_t   begin, end;
    ngx_tm_t  begin_tm, end_tm;

    if (ngx_iot_x509_time(validity->notBefore, &begin_tm, &begin) != NGX_OK
        || ngx_iot_x509_time(validity->notAfter, &end_tm, &end) != NGX_OK)
    {
        ngx_iot_error(check->err, CERTIFICATE_BAD_DER,
                      "the validity of the certificate is not a pair of times "
                      "in UTC with seconds");
        return NGX_DECLINED;
    }

    if (check->now > end
        && !(check->policy->accept & NGX_IOT_ACCEPT_EXPIRED))
    {
        return ngx_iot_x509_refuse_time(check,
                                       NGX_IOT_REASON_CERTIFICATE_EXPIRED,
                                       "expired on", &end_tm);
    }

    if (check->now < begin
        && !(check->policy->accept & NGX_IOT_ACCEPT_NOT_YET_VALID))
    {
        return ngx_iot_x509_refuse_time(check,
                                    NGX_IOT_REASON_CERTIFICATE_NOT_YET_VALID,
                                    "is not valid before", &begin_tm);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_x509_time(const ASN1_TIME *time, ngx_tm_t *tm, int64_t *sec)
{
    return ngx_iot_der_time(ASN1_STRING_get0_data(time),
                            (size_t) ASN1_STRING_length(time),
                            ASN1_STRING_type(time) == V_ASN1_UTCTIME,
                            tm, sec);
}


static ngx_int_t
ngx_iot_x509_refuse_time(ngx_iot_x509_check_t *check, ngx_iot_reason_e reason,
    const char *what, const ngx_tm_t *tm)
{
    ngx_tm_t  now;

    ngx_gmtime(check->now, &now);

    ngx_iot_error_format(check->pool, check->err, reason,
                         "the certificate %s %04d-%02d-%02dT%02d:%02d:%02dZ, "
                         "it is now %04d-%02d-%02dT%02d:%02d:%02dZ", what,
                         tm->ngx_tm_year, tm->ngx_tm_mon, tm->ngx_tm_mday,
                         tm->ngx_tm_hour, tm->ngx_tm_min, tm->ngx_tm_sec,
                         now.ngx_tm_year, now.ngx_tm_mon, now.ngx_tm_mday,
                         now.ngx_tm_hour, now.ngx_tm_min, now.ngx_tm_sec);

    return NGX_DECLINED;
}


/*
 * OpenSSL says "failed" also when it had no memory; that must not be told to
 * the client as a fault of the certificate.  The first error is the cause.
 */
static ngx_int_t
ngx_iot_x509_refusal(ngx_iot_x509_check_t *check)
{
    if (ERR_GET_REASON(ERR_peek_error()) != ERR_R_MALLOC_FAILURE) {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_CRIT, check->pool->log, 0,
                  "OpenSSL had no memory to check a certificate");

    return NGX_ERROR;
}


static ngx_int_t
ngx_iot_x509_curve_open(ngx_iot_x509_curve_t *curve)
{
    curve->point = NULL;

    curve->group = EC_GROUP_new_by_curve_name(curve->nid);
    if (curve->group == NULL) {
        return NGX_ERROR;
    }

    curve->point = EC_POINT_new(curve->group);
    if (curve->point == NULL) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_iot_x509_curve_close(ngx_iot_x509_curve_t *curve)
{
    EC_POINT_free(curve->point);
    EC_GROUP_free(curve->group);

    curve->point = NULL;
    curve->group = NULL;
}


static ngx_int_t
ngx_iot_x509_md_open(ngx_iot_x509_md_t *md, const char *name)
{
    md->md = EVP_MD_fetch(NULL, name, NULL);
    md->ctx = EVP_MD_CTX_new();

    return (md->md && md->ctx) ? NGX_OK : NGX_ERROR;
}


static void
ngx_iot_x509_md_close(ngx_iot_x509_md_t *md)
{
    EVP_MD_CTX_free(md->ctx);
    EVP_MD_free(md->md);

    md->ctx = NULL;
    md->md = NULL;
}


ngx_int_t
ngx_iot_x509_fingerprints(const ngx_str_t *der,
    u_char sha256[NGX_IOT_SHA256_LEN], u_char sha1[NGX_IOT_SHA1_LEN])
{
    ngx_int_t  rc;

    rc = ngx_iot_x509_digest(&ngx_iot_x509_sha256, der, sha256);

    if (rc == NGX_OK) {
        rc = ngx_iot_x509_digest(&ngx_iot_x509_sha1, der, sha1);
    }

    ERR_clear_error();

    return rc;
}


static ngx_int_t
ngx_iot_x509_digest(const ngx_iot_x509_md_t *md, const ngx_str_t *data,
    u_char *out)
{
    if (!EVP_DigestInit_ex2(md->ctx, md->md, NULL)
        || !EVP_DigestUpdate(md->ctx, data->data, data->len)
        || !EVP_DigestFinal_ex(md->ctx, out, NULL))
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_x509_sha256_list(const ngx_str_t *strings, ngx_uint_t n,
    u_char sha256[NGX_IOT_SHA256_LEN])
{
    u_char                    len[8];
    ngx_int_t                 rc;
    ngx_uint_t                i, k;
    const ngx_iot_x509_md_t  *md;

    md = &ngx_iot_x509_sha256;
    rc = EVP_DigestInit_ex2(md->ctx, md->md, NULL);

    for (i = 0; i < n && rc; i++) {

        for (k = 0; k < 8; k++) {
            len[k] = (u_char) ((uint64_t) strings[i].len >> 8 * (7 - k));
        }

        rc = EVP_DigestUpdate(md->ctx, len, 8)
             && EVP_DigestUpdate(md->ctx, strings[i].data, strings[i].len);
    }

    rc = rc && EVP_DigestFinal_ex(md->ctx, sha256, NULL);

    ERR_clear_error();

    return rc ? NGX_OK : NGX_ERROR;
}
