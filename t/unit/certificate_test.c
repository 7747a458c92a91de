
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "unit.h"
#include "ngx_iot_certificate.h"
#include "ngx_iot_pem.h"


#define OK        NGX_IOT_REASON_MAX

/* inside of the validity of the certificate below: 2030-01-01 */
#define NOW       1893456000

/* stands in what is refused; no message may repeat it */
#define MARKER    "SeCrEt4711"

#define BEGIN     "-----BEGIN CERTIFICATE-----\n"
#define END       "-----END CERTIFICATE-----\n"

/* Ed25519, CN=localhost, 2026 to 2046 */

#define BODY_1                                                                \
    "MIIBPDCB76ADAgECAhQA4/GZgcZB1E3lTzSAbZ6d8RKlQTAFBgMrZXAwFDESMBAG\n"      \
    "A1UEAwwJbG9jYWxob3N0MB4XDTI2MTEyMzE2NTM0MVoXDTQ2MTExODE2NTM0MVow\n"      \
    "FDESMBAGA1UEAwwJbG9jYWxob3N0MCowBQYDK2VwAyEAWPxeqn+YRqllqJBt6IS8\n"
#define BODY_2                                                                \
    "2VI3d5t9t7y6Um/tpsstW52jUzBRMB0GA1UdDgQWBBQro9WydQmeW0bphq69CEl9\n"      \
    "gs4hlDAfBgNVHSMEGDAWgBQro9WydQmeW0bphq69CEl9gs4hlDAPBgNVHRMBAf8E\n"      \
    "BTADAQH/MAUGAytlcANBAJqfAiMn9L5ie2v4CvsBNAUveHQkglZjRb0d5tm2mWUE\n"
#define BODY_3                                                                \
    "tezy80SqzOFyg2+My8edFgpptoMlEp3ZZJvXHKAdTgI"
#define BODY      BODY_1 BODY_2 BODY_3 "=\n"
#define PEM       BEGIN BODY END

#define block(label, body)                                                    \
    "-----BEGIN " label "-----\n" body "-----END " label "-----\n"

#define SHA256    "e842186e870f75cd8411517c5a1504def4e2e82803edcf05cef22568a" \
                  "a19bea4"
#define SHA1      "6a7c3da3aea26fd81bc7742c66140a0b995942c7"


static void test_read(void);
static void test_shapes(void);
static void test_private_keys(void);
static void test_private_key_first(void);
static void test_base64(void);
static void test_size(void);
static void test_messages(void);
static void test_policy(void);
static void test_pem_and_der(void);
static void test_round_trip(void);
static void test_write(void);
static void test_no_memory(void);
static void test_long_texts(void);

static ngx_uint_t read_text(const char *data, size_t len);
static ngx_uint_t read_string(const char *text);
static void expect(const char *text, ngx_uint_t want, const char *name);
static const char *reason_name(ngx_uint_t reason);
static ngx_uint_t repeats(const ngx_str_t *text, const char *part);
static char *crlf(const char *text, const char *eol);
static void write_certificate(ngx_iot_out_t *out, const void *data);


static ngx_iot_certificate_policy_t  policy = { 2048, 65536, 0 };
static ngx_iot_certificate_t         certificate;
static ngx_iot_error_t               err;
static ngx_uint_t                    leaks;


int
main(void)
{
    unit_is_int(ngx_iot_x509_init(&unit_log), NGX_OK, "init");

    test_read();
    test_shapes();
    test_private_keys();
    test_private_key_first();
    test_base64();
    test_size();
    test_messages();
    test_policy();
    test_pem_and_der();
    test_round_trip();
    test_write();
    test_no_memory();
    test_long_texts();

    unit_is_int(leaks, 0, "no message repeats what was sent");

    ngx_iot_x509_done();

    return unit_done();
}


static void
test_read(void)
{
    u_char       hex[NGX_IOT_FINGERPRINT_LEN];
    ngx_str_t    got, text;
    ngx_pool_t  *pool;

    pool = unit_pool();
    text = unit_str(pool, PEM);

    certificate.created_at = 4711;
    ngx_str_set(&certificate.registry_id, "kept");

    unit_is_int(ngx_iot_certificate_read(pool, &text, &policy, NOW,
                                         &certificate, &err),
                NGX_OK, "a certificate");
    unit_ok(certificate.pem.data == text.data
            && certificate.pem.len == text.len, "the text is not copied");
    unit_is_int(certificate.der.len, 320, "the length of the DER");

    got.data = certificate.fingerprint;
    got.len = sizeof(certificate.fingerprint);
    unit_is_str(&got, SHA256, "the fingerprint");

    got.data = hex;
    got.len = ngx_hex_dump(hex, certificate.sha256, NGX_IOT_SHA256_LEN) - hex;
    unit_is_str(&got, SHA256, "SHA-256");

    got.len = ngx_hex_dump(hex, certificate.sha1, NGX_IOT_SHA1_LEN) - hex;
    unit_is_str(&got, SHA1, "SHA-1");

    unit_is_str(&certificate.registry_id, "kept",
                "the registry is left alone");
    unit_is_int(certificate.created_at, 4711, "and so is the time");
}


static void
test_shapes(void)
{
    char        *text;
    ngx_uint_t   i;

    static struct {
        const char  *text;
        ngx_uint_t   want;
        const char  *name;
    } shapes[] = {
        { PEM, OK, "as tools write it" },
        { BEGIN BODY "-----END CERTIFICATE-----", OK, "no last newline" },
        { "\n\n" PEM "\n\n", OK, "empty lines around" },
        { "subject=CN = localhost\n" PEM "some more text", OK, "text around" },
        { "-----\n--\n-a-\n" PEM "-----", OK, "dashes around" },
        { "-----BEGIN OF THE LIST\n" PEM, OK, "a line that begins nothing" },
        { "-----BEGIN  \t \n" PEM, OK, "a line with dashes and BEGIN alone" },
        { "-----BEGIN CERTIFICATE-----  \t\n" BODY
          "-----END CERTIFICATE----- \n", OK, "blanks at the ends of lines" },
        { BEGIN " \t" BODY_1 "  " BODY_2 "\f\v" BODY_3 " =\t\n" END, OK,
          "white space inside" },
        { BEGIN "\n" BODY END, OK, "an empty line before the base64" },
        { BEGIN BODY " \n\n" END, OK, "empty lines behind the base64" },
        { PEM block("PUBLIC KEY", "MCo=\n"), OK, "a public key behind" },
        { block("DH PARAMETERS", "MCo=\n") PEM, OK, "DH parameters before" },
        { block("CERTIFICATE REQUEST", "MCo=\n") PEM, OK, "a CSR before" },
        { "-----BEGIN PUBLIC KEY-----\n" PEM, OK,
          "a public key that does not end" },
        { "the private key is kept elsewhere\n" PEM, OK,
          "a text on private keys" },
        { block("PRIVATE USE KEY", "MCo=\n") PEM, OK,
          "a key for private use" },
        { "-----BEGIN-----\nPRIVATE KEY\n" PEM, OK,
          "a text on private keys in the next line" },

        { "", NGX_IOT_REASON_CERTIFICATE_REQUIRED, "nothing" },

        { " ", NGX_IOT_REASON_CERTIFICATE_NO_PEM, "a blank" },
        { MARKER, NGX_IOT_REASON_CERTIFICATE_NO_PEM, "a text" },
        { "-", NGX_IOT_REASON_CERTIFICATE_NO_PEM, "a dash" },
        { "-----", NGX_IOT_REASON_CERTIFICATE_NO_PEM, "five dashes" },
        { "-----BEGIN ", NGX_IOT_REASON_CERTIFICATE_NO_PEM, "BEGIN" },
        { BODY, NGX_IOT_REASON_CERTIFICATE_NO_PEM, "base64 alone" },
        { block("CERTIFICATE REQUEST", MARKER "\n"),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "a CSR" },
        { block("NEW CERTIFICATE REQUEST", MARKER "\n"),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "a CSR of old tools" },
        { block("PUBLIC KEY", MARKER "\n"),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "a public key" },
        { block("RSA PUBLIC KEY", MARKER "\n"),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "an RSA public key" },
        { block("PKCS7", MARKER "\n"),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "PKCS #7" },
        { block("DH PARAMETERS", MARKER "\n"),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "DH parameters" },
        { block(MARKER, MARKER "\n"),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "a block that nobody knows" },
        { block("", MARKER "\n"),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "a block without a label" },
        { block("X509 CERTIFICATE", BODY), NGX_IOT_REASON_CERTIFICATE_NO_PEM,
          "X509 CERTIFICATE" },
        { block("TRUSTED CERTIFICATE", BODY),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "TRUSTED CERTIFICATE" },
        { PEM block("TRUSTED CERTIFICATE", BODY),
          NGX_IOT_REASON_CERTIFICATE_NO_PEM,
          "TRUSTED CERTIFICATE behind a CERTIFICATE" },
        { block("certificate", BODY), NGX_IOT_REASON_CERTIFICATE_NO_PEM,
          "a label in lower case" },
        { "-----begin CERTIFICATE-----\n" BODY "-----end CERTIFICATE-----\n",
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "begin in lower case" },
        { block(" CERTIFICATE", BODY), NGX_IOT_REASON_CERTIFICATE_NO_PEM,
          "two blanks before the label" },
        { "----BEGIN CERTIFICATE----\n" BODY "----END CERTIFICATE----\n",
          NGX_IOT_REASON_CERTIFICATE_NO_PEM, "four dashes" },
        { "------BEGIN CERTIFICATE-----\n" BODY END,
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "six dashes before BEGIN" },
        { " " BEGIN BODY " " END, NGX_IOT_REASON_CERTIFICATE_BAD_PEM,
          "not in the first column" },
        { BEGIN BODY " " END, NGX_IOT_REASON_CERTIFICATE_BAD_PEM,
          "END not in the first column" },
        { "\xef\xbb\xbf" PEM, NGX_IOT_REASON_CERTIFICATE_BAD_PEM,
          "a byte order mark before it" },
        { "a text: " BEGIN BODY END PEM, NGX_IOT_REASON_CERTIFICATE_BAD_PEM,
          "another one within a line of text" },
        { "-----BEGIN X----- -----BEGIN CERTIFICATE-----\n" PEM,
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "two BEGINs in a line" },

        { PEM PEM, NGX_IOT_REASON_CERTIFICATE_SEVERAL_PEM, "two" },
        { PEM "text\n" BEGIN, NGX_IOT_REASON_CERTIFICATE_SEVERAL_PEM,
          "one and the begin of another" },

        { BEGIN, NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "BEGIN alone" },
        { BEGIN BODY, NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "no END" },
        { BEGIN BODY "-----END", NGX_IOT_REASON_CERTIFICATE_BAD_PEM,
          "END is cut" },
        { BEGIN BODY "-----END CERTIFICATE----\n",
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "END with four dashes" },
        { BEGIN BODY "-----END CERTIFICATE------\n",
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "END with six dashes" },
        { BEGIN BODY "-----END CERTIFICATE-----" MARKER,
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "text behind END" },
        { BEGIN BODY "-----END " MARKER "-----\n",
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "END of something else" },
        { BEGIN BODY_1 BODY_2 BODY_3 "=-----END CERTIFICATE-----\n",
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "END in the line of base64" },
        { BEGIN BODY BEGIN BODY END, NGX_IOT_REASON_CERTIFICATE_BAD_PEM,
          "BEGIN twice" },
        { "-----BEGIN CERTIFICATE----- " MARKER "\n" BODY END,
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "text behind BEGIN" },
        { "-----BEGIN CERTIFICATE----- " BODY_3 " -----END CERTIFICATE-----",
          NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "all in one line" },
        { "-----BEGIN CERTIFICATE-----\\n" BODY_3 "\\n"
          "-----END CERTIFICATE-----\\n", NGX_IOT_REASON_CERTIFICATE_BAD_PEM,
          "escaped twice" },
        { BODY END, NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "no BEGIN" },
        { PEM END, NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "END twice" },
        { BEGIN END, NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "empty" },
        { BEGIN "\n \n" END, NGX_IOT_REASON_CERTIFICATE_BAD_PEM, "blank" },

        { BEGIN BODY_1 "\n" BODY_2 BODY_3 "=\n" END,
          NGX_IOT_REASON_CERTIFICATE_BAD_BASE64, "an empty line inside" },
        { BEGIN BODY_1 " \t\n" BODY_2 BODY_3 "=\n" END,
          NGX_IOT_REASON_CERTIFICATE_BAD_BASE64, "a blank line inside" },
        { BEGIN "-----\n" BODY END, NGX_IOT_REASON_CERTIFICATE_BAD_BASE64,
          "dashes inside" },
        { BEGIN "Proc-Type: 4,ENCRYPTED\n\n" BODY END,
          NGX_IOT_REASON_CERTIFICATE_BAD_BASE64, "headers of RFC 1421" },

        { BEGIN BODY_1 END, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
          "the first lines" },
        { BEGIN "U2VDckV0NDcxMQ==\n" END, NGX_IOT_REASON_CERTIFICATE_BAD_DER,
          "base64 of a text" },
        { BEGIN BODY_1 BODY_2 BODY_3 "A\n" END,
          NGX_IOT_REASON_CERTIFICATE_TRAILING_BYTES, "a byte more" }
    };

    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        expect(shapes[i].text, shapes[i].want, shapes[i].name);

        text = crlf(shapes[i].text, "\r\n");
        unit_is_int(read_string(text), shapes[i].want, "%s, with CRLF",
                    shapes[i].name);
        free(text);

        text = crlf(shapes[i].text, "\r");
        unit_is_int(read_string(text), shapes[i].want, "%s, with CR",
                    shapes[i].name);
        free(text);
    }
}


static void
test_private_keys(void)
{
    int          len;
    ngx_uint_t   i, j, wrong;
    char         text[4096];

    static const char  *labels[] = {
        "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "DSA PRIVATE KEY",
        "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY", "ANY PRIVATE KEY",
        "SSH2 ENCRYPTED PRIVATE KEY", "TSS2 PRIVATE KEY",
        "private key", "Rsa Private Key", "RSA PRIVATE  KEY",
        "RSA\tPRIVATE\tKEY", " PRIVATE KEY ", "RSA-PRIVATE-KEY",
        "RSA_PRIVATE_KEY", "RSAPRIVATEKEY", "PRIV PRIVATE KEY",
        "PRIVATE KEY BLOCK", "PGP PRIVATE KEY BLOCK"
    };

    /* %s is the label */

    static const char  *shapes[] = {
        "-----BEGIN %s-----\n" MARKER "\n-----END %s-----\n",
        PEM "-----BEGIN %s-----\n" MARKER "\n-----END %s-----\n",
        "-----BEGIN %s-----\n" MARKER "\n-----END %s-----\n" PEM,
        BEGIN "-----BEGIN %s-----\n" MARKER "\n-----END %s-----\n" BODY END,
        BEGIN BODY "-----BEGIN %s-----\n" MARKER "\n",
        "-----BEGIN %s-----\n" MARKER "\n" PEM,
        "-----BEGIN %s-----",
        "-----BEGIN %s",
        MARKER "\n-----END %s-----\n" PEM,
        PEM "   -----BEGIN %s-----\n" MARKER "\n",
        PEM "key: -----BEGIN %s-----\n" MARKER "\n",
        PEM "key: \"-----BEGIN %s-----\\n" MARKER "\\n-----END %s-----\"",
        PEM "---- BEGIN %s ----\n" MARKER "\n---- END %s ----\n",
        PEM "-----begin %s-----\n" MARKER "\n",
        PEM "-----  Begin  %s-----\n" MARKER "\n",
        PEM "-----BEGIN%s-----\n" MARKER "\n",
        PEM "- - -BEGIN %s\n" MARKER "\n",
        PEM "-----BEGIN %s-----\r" MARKER "\r",
        "-----BEGIN CERTIFICATE-----" "-----BEGIN %s-----\n",
        PEM PEM "-----BEGIN %s-----\n" MARKER "\n",
        "-----BEGIN X-----BEGIN %s-----\n"
    };

    for (i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        wrong = 0;

        for (j = 0; j < sizeof(shapes) / sizeof(shapes[0]); j++) {
            len = snprintf(text, sizeof(text), shapes[j], labels[i],
                           labels[i]);

            if (read_text(text, len) != NGX_IOT_REASON_PRIVATE_KEY_IN_BODY) {
                wrong++;
                unit_note("shape %lu", (unsigned long) j);
            }
        }

        unit_is_int(wrong, 0, "%s in %lu shapes", labels[i],
                    (unsigned long) j);
    }
}


/* whatever else is wrong with the text */
static void
test_private_key_first(void)
{
    char    *text;
    size_t   len, at;

    static const char  key[] = "\n-----BEGIN PRIVATE KEY-----\n" MARKER "\n";

    expect(BEGIN MARKER "\n-----BEGIN PRIVATE KEY-----",
           NGX_IOT_REASON_PRIVATE_KEY_IN_BODY, "a key in broken PEM");
    expect(BEGIN "?\n" END "-----BEGIN PRIVATE KEY-----",
           NGX_IOT_REASON_PRIVATE_KEY_IN_BODY, "a key and broken base64");
    expect(BEGIN "AAAA\n" END "-----BEGIN PRIVATE KEY-----",
           NGX_IOT_REASON_PRIVATE_KEY_IN_BODY, "a key and broken DER");

    len = 200000;
    text = malloc(len);

    for (at = 0; at < len - sizeof(key); at += 49999) {
        ngx_memset(text, 'A', len);
        ngx_memcpy(text + at, key, sizeof(key) - 1);

        unit_is_int(read_text(text, len), NGX_IOT_REASON_PRIVATE_KEY_IN_BODY,
                    "a key at %lu of a text that is too long",
                    (unsigned long) at);
    }

    /* NUL does not end the search */

    ngx_memset(text, '\0', len);
    ngx_memcpy(text + 1000, key, sizeof(key) - 1);
    unit_is_int(read_text(text, len), NGX_IOT_REASON_PRIVATE_KEY_IN_BODY,
                "a key behind NULs");

    free(text);
}


static void
test_base64(void)
{
    char             text[256];
    ngx_int_t        rc;
    ngx_str_t        pem, der;
    ngx_uint_t       i;
    ngx_pool_t      *pool;
    ngx_iot_error_t  err;

    static struct {
        const char  *base64;
        const char  *want;          /* NULL: refused */
    } cases[] = {
        { "YQ==", "a" },
        { "YWI=", "ab" },
        { "YWJj", "abc" },
        { "YWJjZA==", "abcd" },
        { " Y W J j Z A = = ", "abcd" },
        { "YWJjZ\nA=\n=\n", "abcd" },
        { "YWJj\r\nZA==\r\n", "abcd" },
        { "+/+/", "\xfb\xff\xbf" },
        { "Y", NULL },
        { "YQ", NULL },
        { "YQ=", NULL },
        { "YQ===", NULL },
        { "YQ====", NULL },
        { "Y===", NULL },
        { "YWI", NULL },
        { "YWI==", NULL },
        { "YWJj=", NULL },
        { "YWJj==", NULL },
        { "YWJj====", NULL },
        { "=", NULL },
        { "====", NULL },
        { "=YWJj", NULL },
        { "YQ==YQ==", NULL },
        { "YQ=Q", NULL },
        { "Y=Q=", NULL },
        { "YWJjYQ==YWJj", NULL },
        { "YR==", NULL },
        { "YX==", NULL },
        { "YWJ=", NULL },
        { "-_-_", NULL },
        { "YW.j", NULL },
        { "YWJ\x80", NULL },
        { "\xffWJj", NULL },
        { "YWJj!", NULL },
        { "YWJj" MARKER "*", NULL }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void) snprintf(text, sizeof(text), BEGIN "%s\n" END,
                        cases[i].base64);
        pool = unit_pool();
        pem = unit_copy(pool, text, ngx_strlen(text));

        rc = ngx_iot_pem_read(pool, &pem, &der, &err);

        if (cases[i].want == NULL) {
            unit_is_int(rc, NGX_DECLINED, "base64 %lu is refused",
                        (unsigned long) i);
            expect(text, NGX_IOT_REASON_CERTIFICATE_BAD_BASE64, "and named");
            continue;
        }

        if (unit_is_int(rc, NGX_OK, "base64 %lu", (unsigned long) i)) {
            unit_is_str(&der, cases[i].want, "and its bytes");
        }
    }
}


static void
test_size(void)
{
    policy.max_size = sizeof(PEM) - 1;
    expect(PEM, OK, "a text of max_size");

    policy.max_size = sizeof(PEM) - 2;
    expect(PEM, NGX_IOT_REASON_CERTIFICATE_TOO_LARGE, "a byte more");
    unit_is_str(&err.message, "the certificate has 489 bytes, at most 488 are "
                "accepted", "the message of it");

    expect("\n-----BEGIN PRIVATE KEY-----\n" PEM,
           NGX_IOT_REASON_PRIVATE_KEY_IN_BODY, "a key comes first");

    policy.max_size = 65536;
}


static void
test_messages(void)
{
    (void) read_string("text\r\n" BEGIN "AAAA\nAA.A\n" END);
    unit_is_str(&err.message, "the base64 of the PEM block is broken in line "
                "4 of the text", "the line of broken base64");

    (void) read_string(BEGIN "AAAA\nAAA\n" END "text\n");
    unit_is_str(&err.message, "the base64 of the PEM block is broken in line "
                "4 of the text", "the line of missing padding");

    (void) read_string(block("CERTIFICATE REQUEST", "MCo=\n"));
    unit_is_str(&err.message, "the PEM block is a request for a certificate "
                "(CSR), not a certificate", "what was sent");

    (void) read_string(block("X", "MCo=\n"));
    unit_is_str(&err.message, "the text has a PEM block, but no CERTIFICATE",
                "not what was sent");

    (void) read_string("x");
    unit_is_str(&err.message, "the text has no line "
                "\"-----BEGIN CERTIFICATE-----\"", "what is missing");
}


static void
test_policy(void)
{
    ngx_str_t    text;
    ngx_uint_t   accept;
    ngx_pool_t  *pool;

    /* the end, 2046-11-18T16:53:41Z */

    static time_t  end = 2426172821;

    for (accept = 0; accept < 2; accept++) {
        policy.accept = accept ? NGX_IOT_ACCEPT_EXPIRED : 0;

        pool = unit_pool();
        text = unit_str(pool, PEM);

        unit_is_int(ngx_iot_certificate_read(pool, &text, &policy, end,
                                             &certificate, &err),
                    NGX_OK, "the last second");

        unit_is_int(ngx_iot_certificate_read(pool, &text, &policy, end + 1,
                                             &certificate, &err),
                    accept ? NGX_OK : NGX_DECLINED,
                    "a second later, expired is %s",
                    accept ? "accepted" : "refused");
    }

    policy.accept = 0;
}


/* certificate_pem() and certificate_der() are each other's reverse */
static void
test_round_trip(void)
{
    BIO             *bio;
    char            *data;
    u_char           bytes[4096];
    ngx_str_t        der, pem, again, want;
    ngx_uint_t       len, wrong;
    ngx_pool_t      *pool;
    ngx_iot_error_t  err;

    for (len = 0; len < sizeof(bytes); len++) {
        bytes[len] = (u_char) (len * 151 + (len >> 8));
    }

    wrong = 0;

    for (len = 1; len < sizeof(bytes); len += 1 + len / 200) {
        pool = unit_pool();
        der = unit_copy(pool, bytes, len);

        bio = BIO_new(BIO_s_mem());
        PEM_write_bio(bio, "CERTIFICATE", "", bytes, len);
        want.len = BIO_get_mem_data(bio, &data);
        want.data = (u_char *) data;

        if (ngx_iot_pem_write(pool, &der, &pem) != NGX_OK
            || pem.len != want.len
            || ngx_memcmp(pem.data, want.data, pem.len) != 0
            || ngx_iot_pem_read(pool, &pem, &again, &err) != NGX_OK
            || again.len != der.len
            || ngx_memcmp(again.data, der.data, der.len) != 0)
        {
            unit_note("%lu bytes", (unsigned long) len);
            wrong++;
        }

        BIO_free(bio);
    }

    unit_is_int(wrong, 0, "PEM as OpenSSL writes it, and back");
}


static void
test_pem_and_der(void)
{
    BIO             *bio;
    char            *data;
    X509            *x509;
    ngx_str_t        der, pem, text;
    ngx_pool_t      *pool;
    const u_char    *p;
    ngx_iot_error_t  err;

    pool = unit_pool();
    text = unit_str(pool, "text\r\n" PEM "text");

    unit_is_int(ngx_iot_pem_read(pool, &text, &der, &err), NGX_OK,
                "the DER inside of a text");

    p = der.data;
    x509 = d2i_X509(NULL, &p, der.len);

    bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x509);
    X509_free(x509);

    pem.len = BIO_get_mem_data(bio, &data);
    text = unit_copy(pool, data, pem.len);
    BIO_free(bio);

    unit_is_int(ngx_iot_pem_write(pool, &der, &pem), NGX_OK,
                "the PEM of a certificate");
    unit_is_mem(&pem, text.data, text.len,
                "is that of PEM_write_bio_X509()");
    unit_is_str(&pem, PEM, "and that which was read");

    text = unit_str(pool, PEM PEM);
    unit_is_int(ngx_iot_pem_read(pool, &text, &der, &err), NGX_DECLINED,
                "the DER inside of two");

    ngx_str_null(&text);
    unit_is_int(ngx_iot_pem_read(pool, &text, &der, &err), NGX_DECLINED,
                "the DER inside of nothing");
}


static void
test_write(void)
{
    ngx_str_t    text, json;
    ngx_pool_t  *pool;

    pool = unit_pool();
    text = unit_str(pool, PEM);

    unit_is_int(ngx_iot_certificate_read(pool, &text, &policy, NOW,
                                         &certificate, &err),
                NGX_OK, "a certificate");

    ngx_str_set(&certificate.registry_id, "aoek49ghmknnpj1ll45e");
    ngx_str_set(&certificate.pem, "a\nb");
    certificate.created_at = 1767225600123;

    unit_is_int(ngx_iot_out_render(pool, NGX_IOT_JSON, write_certificate,
                                   &certificate, &json),
                NGX_OK, "written");
    unit_is_str(&json, "{\"registryId\":\"aoek49ghmknnpj1ll45e\","
                "\"fingerprint\":\"" SHA256 "\","
                "\"certificateData\":\"a\\nb\","
                "\"createdAt\":\"2026-01-01T00:00:00.123Z\"}",
                "RegistryCertificate");

    ngx_str_null(&certificate.pem);

    (void) ngx_iot_out_render(pool, NGX_IOT_JSON, write_certificate,
                              &certificate, &json);
    unit_is_str(&json, "{\"registryId\":\"aoek49ghmknnpj1ll45e\","
                "\"fingerprint\":\"" SHA256 "\","
                "\"createdAt\":\"2026-01-01T00:00:00.123Z\"}",
                "without its text");
}


static void
write_certificate(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_certificate_write(out, data);
    ngx_iot_out_message_end(out);
}


static void
test_no_memory(void)
{
    ngx_int_t    rc;
    ngx_str_t    text, pem;
    ngx_uint_t   n;
    ngx_pool_t  *pool;

    pool = unit_pool();
    text = unit_str(pool, PEM);

    for (n = 1; n < 100; n++) {
        unit_fail_alloc(n);
        rc = ngx_iot_certificate_read(pool, &text, &policy, NOW, &certificate,
                                      &err);

        if (!unit_alloc_failed()) {
            break;
        }

        unit_is_int(rc, NGX_ERROR, "no memory to read, allocation %lu",
                    (unsigned long) n);
    }

    unit_ok(n > 1 && rc == NGX_OK, "then there is enough");

    unit_fail_alloc(1);
    unit_is_int(ngx_iot_pem_write(pool, &text, &pem), NGX_ERROR,
                "no memory for a PEM");

    /* a refusal stays one, without its words */

    policy.max_size = 10;

    unit_fail_alloc(1);
    unit_is_int(ngx_iot_certificate_read(pool, &text, &policy, NOW,
                                         &certificate, &err),
                NGX_DECLINED, "no memory for a message");
    unit_is_int(err.reason, NGX_IOT_REASON_CERTIFICATE_TOO_LARGE,
                "the reason is there");

    policy.max_size = 65536;

    unit_fail_alloc(0);
}


/* the time is linear in the length, also for texts that look like PEM */
static void
test_long_texts(void)
{
    char        *text;
    size_t       len, i, part;
    clock_t      start;
    ngx_uint_t   n;

    static const char  *parts[] = {
        "-", "-----", "-BEGIN", "-----BEGIN ", "\n-----BEGIN ", "\n-",
        "-----END P", "\n-----BEGIN X-----", "-beginprivateke", "- "
    };

    len = 4 * 1024 * 1024;
    text = malloc(len);

    policy.max_size = len;

    for (n = 0; n < sizeof(parts) / sizeof(parts[0]); n++) {
        part = ngx_strlen(parts[n]);

        for (i = 0; i < len; i++) {
            text[i] = parts[n][i % part];
        }

        start = clock();

        unit_is_int(read_text(text, len), NGX_IOT_REASON_CERTIFICATE_NO_PEM,
                    "a long text, %lu", (unsigned long) n);
        unit_ok(clock() - start < 10 * CLOCKS_PER_SEC, "in no long time");
    }

    policy.max_size = 65536;

    free(text);
}


/* the reason of a refusal, or OK */
static ngx_uint_t
read_text(const char *data, size_t len)
{
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_pool_t  *pool;

    pool = unit_pool();
    text = unit_copy(pool, data, len);

    err.reason = OK;

    rc = ngx_iot_certificate_read(pool, &text, &policy, NOW, &certificate,
                                  &err);

    if (rc == NGX_OK) {
        return OK;
    }

    if (rc != NGX_DECLINED || err.message.len == 0
        || repeats(&err.message, MARKER) || repeats(&err.message, "MII")
        || err.field.len || err.nmetadata || ERR_peek_error())
    {
        leaks++;
        unit_note("%.*s", (int) err.message.len, err.message.data);
    }

    return err.reason;
}


static ngx_uint_t
read_string(const char *text)
{
    return read_text(text, ngx_strlen(text));
}


static void
expect(const char *text, ngx_uint_t want, const char *name)
{
    ngx_uint_t  got;

    got = read_string(text);

    unit_ok(got == want, "%s: %s", name, reason_name(want));

    if (got != want) {
        unit_note("got %s", reason_name(got));
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


static ngx_uint_t
repeats(const ngx_str_t *text, const char *part)
{
    return ngx_strlcasestrn(text->data, text->data + text->len,
                            (u_char *) part, ngx_strlen(part) - 1)
           != NULL;
}


/* a copy with other ends of lines */
static char *
crlf(const char *text, const char *eol)
{
    char  *p, *copy;

    copy = malloc(2 * ngx_strlen(text) + 1);

    for (p = copy; *text; text++) {

        if (*text != '\n') {
            *p++ = *text;
            continue;
        }

        p = (char *) ngx_cpymem(p, eol, ngx_strlen(eol));
    }

    *p = '\0';

    return copy;
}
