
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * The input is a text with a certificate in PEM.  If it is accepted, then it
 * has no private key, OpenSSL finds no other certificate in it, and its DER
 * written as PEM is accepted as the same certificate.
 */


#include <openssl/err.h>
#include <openssl/pem.h>

#include "ngx_iot_certificate.h"
#include "ngx_iot_pem.h"


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare_openssl(const ngx_str_t *pem, const ngx_str_t *der);
static void compare_again(ngx_pool_t *pool,
    const ngx_iot_certificate_t *certificate);
static void compare_decoding(ngx_pool_t *pool, const ngx_str_t *pem);
static void require(ngx_uint_t cond);


extern ngx_log_t  unit_log;

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

    return 0;
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

    require(ERR_peek_error() == 0);
    require(rc == NGX_OK || rc == NGX_DECLINED);
    require(rc == NGX_OK || err.message.len != 0);

    if (rc == NGX_OK) {
        compare_openssl(&pem, &certificate.der);
        compare_again(pool, &certificate);

    } else if (err.reason != NGX_IOT_REASON_PRIVATE_KEY_IN_BODY) {
        compare_decoding(pool, &pem);
    }

    free(pem.data);
    ngx_destroy_pool(pool);

    return 0;
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
