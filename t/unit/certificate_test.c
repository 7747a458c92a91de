
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "unit.h"
#include "ngx_iot_certificate.h"


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
static void write_certificate(ngx_iot_json_out_t *out, const void *data);


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
    u_char      hex[NGX_IOT_FINGERPRINT_LEN];
    ngx_str_t   got, text;

    certificate.created_at = 4711;
    ngx_str_set(&certificate.registry_id, "kept");

    text = unit_str(unit_pool(), PEM);

    unit_is_int(ngx_iot_certificate_read(ngx_create_pool(4096, &unit_log),
                                         &text, &policy, NOW, &certificate,
                                         &err),
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
