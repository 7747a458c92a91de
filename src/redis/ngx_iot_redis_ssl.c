
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_ssl.h"


#if (NGX_SSL)

#define NGX_IOT_REDIS_SSL_POOL_SIZE  512
#define NGX_IOT_REDIS_SSL_DEPTH      8

#endif


static ngx_int_t ngx_iot_redis_ssl_unused(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);

#if (NGX_SSL)

static ngx_int_t ngx_iot_redis_ssl_complete(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static ngx_int_t ngx_iot_redis_ssl_complete_name(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static ngx_int_t ngx_iot_redis_ssl_check_hosts(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static ngx_uint_t ngx_iot_redis_ssl_is_address(u_char *name, size_t len);
static ngx_int_t ngx_iot_redis_ssl_create(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static ngx_int_t ngx_iot_redis_ssl_set_sni(
    const ngx_iot_redis_endpoint_t *endpoint, ngx_connection_t *c);
static ngx_uint_t ngx_iot_redis_ssl_matches(
    const ngx_iot_redis_endpoint_t *endpoint, ngx_connection_t *c);
static void ngx_iot_redis_ssl_log_init(ngx_iot_redis_ssl_said_t *said,
    ngx_log_t *parent);
static void ngx_iot_redis_ssl_log_writer(ngx_log_t *log, ngx_uint_t level,
    u_char *buf, size_t len);

#endif


ngx_int_t
ngx_iot_redis_ssl_init(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    ngx_uint_t  unset;

    /* sentinels are not less secret than what they tell of */

    unset = (store->ssl == NGX_CONF_UNSET);

    ngx_conf_init_value(store->ssl, 0);
    ngx_conf_init_value(store->sentinel_ssl, store->ssl);

    if (!store->ssl && !store->sentinel_ssl) {
        return unset ? ngx_iot_redis_ssl_unused(cf, store) : NGX_OK;
    }

    ngx_conf_init_value(store->endpoint.ssl_verify, 1);
    store->sentinel.ssl_verify = store->endpoint.ssl_verify;

#if (NGX_SSL)

    if (ngx_iot_redis_ssl_complete(cf, store) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_iot_redis_ssl_create(cf, store);

#else

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"ssl\" in iot_store \"%V\" requires nginx with SSL",
                       &store->name);
    return NGX_ERROR;

#endif
}


/* who forgot "ssl on" would send the password in the clear */
static ngx_int_t
ngx_iot_redis_ssl_unused(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    const char  *name;

    name = store->endpoint.ssl_verify != NGX_CONF_UNSET ? "ssl_verify"
           : store->ssl_name.len ? "ssl_name"
           : store->ssl_trusted_certificate.len ? "ssl_trusted_certificate"
           : store->ssl_certificate.len ? "ssl_certificate"
           : store->ssl_certificate_key.len ? "ssl_certificate_key"
           : NULL;

    if (name == NULL) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" without \"ssl on\" in iot_store \"%V\"",
                       name, &store->name);

    return NGX_ERROR;
}


#if (NGX_SSL)


static ngx_int_t
ngx_iot_redis_ssl_complete(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    if (store->endpoint.ssl_verify && store->ssl_trusted_certificate.len == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ssl on\" without \"ssl_trusted_certificate\" "
                           "or \"ssl_verify off\" in iot_store \"%V\"",
                           &store->name);
        return NGX_ERROR;
    }

    if (store->ssl_certificate.len && store->ssl_certificate_key.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ssl_certificate\" without "
                           "\"ssl_certificate_key\" in iot_store \"%V\"",
                           &store->name);
        return NGX_ERROR;
    }

    if (store->ssl_certificate_key.len && store->ssl_certificate.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"ssl_certificate_key\" without "
                           "\"ssl_certificate\" in iot_store \"%V\"",
                           &store->name);
        return NGX_ERROR;
    }

    return ngx_iot_redis_ssl_complete_name(cf, store);
}


/* one that is not written is that of the one server, or known later */
static ngx_int_t
ngx_iot_redis_ssl_complete_name(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    u_char     *buf;
    ngx_str_t  *name;

    if (ngx_iot_redis_ssl_check_hosts(cf, store) != NGX_OK) {
        return NGX_ERROR;
    }

    name = &store->ssl_name;

    if (name->len == 0 && store->topology == NGX_IOT_REDIS_SINGLE) {
        name = &store->servers[0].host;
    }

    if (name->len == 0) {
        return NGX_OK;
    }

    buf = ngx_pnalloc(cf->pool, name->len + 1);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    ngx_iot_redis_ssl_set_name(&store->endpoint, name, buf);

    return NGX_OK;
}


/* without "ssl_name", and for sentinels, it is the host that is verified */
static ngx_int_t
ngx_iot_redis_ssl_check_hosts(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    ngx_uint_t  i, wanted;

    wanted = store->topology == NGX_IOT_REDIS_SENTINEL
             ? (ngx_uint_t) store->sentinel_ssl : store->ssl_name.len == 0;

    if (!wanted || !store->endpoint.ssl_verify) {
        return NGX_OK;
    }

    for (i = 0; i < store->nservers; i++) {

        if (store->servers[i].host.len) {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no name to verify for \"%V\" in iot_store "
                           "\"%V\", a unix socket has none",
                           &store->servers[i].text, &store->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


void
ngx_iot_redis_ssl_set_name(ngx_iot_redis_endpoint_t *endpoint,
    const ngx_str_t *host, u_char *buf)
{
    ngx_str_t  name;

    name = *host;

    if (name.len > 2 && name.data[0] == '[') {
        name.data++;
        name.len -= 2;
    }

    /* OpenSSL wants it to end with a zero */

    (void) ngx_cpystrn(buf, name.data, name.len + 1);

    endpoint->ssl_name.len = name.len;
    endpoint->ssl_name.data = buf;
    endpoint->ssl_name_is_address = ngx_iot_redis_ssl_is_address(buf,
                                                                 name.len);
}


static ngx_uint_t
ngx_iot_redis_ssl_is_address(u_char *name, size_t len)
{
#if (NGX_HAVE_INET6)
    u_char  addr[16];

    if (ngx_inet6_addr(name, len, addr) == NGX_OK) {
        return 1;
    }

#endif

    return ngx_inet_addr(name, len) != INADDR_NONE;
}


static ngx_int_t
ngx_iot_redis_ssl_create(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (ssl == NULL) {
        return NGX_ERROR;
    }

    ssl->log = cf->log;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    store->endpoint.ssl = store->ssl ? ssl : NULL;
    store->sentinel.ssl = store->sentinel_ssl ? ssl : NULL;

    if (store->ssl_certificate.len
        && ngx_ssl_certificate(cf, ssl, &store->ssl_certificate,
                               &store->ssl_certificate_key, NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!store->endpoint.ssl_verify) {
        return NGX_OK;
    }

    return ngx_ssl_trusted_certificate(cf, ssl,
                                       &store->ssl_trusted_certificate,
                                       NGX_IOT_REDIS_SSL_DEPTH);
}


ngx_int_t
ngx_iot_redis_ssl_open(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_iot_redis_ssl_said_t *said, ngx_connection_t *c)
{
    ngx_iot_redis_ssl_log_init(said, c->log);

    c->log = &said->log;

    c->pool = ngx_create_pool(NGX_IOT_REDIS_SSL_POOL_SIZE, c->log);
    if (c->pool == NULL) {
        return NGX_ERROR;
    }

    if (ngx_ssl_create_connection(endpoint->ssl, c, NGX_SSL_CLIENT)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* closing never waits */

    c->ssl->no_wait_shutdown = 1;
    c->ssl->no_send_shutdown = 1;

    /*
     * c->sent has to grow with each record that has left: what is behind it
     * counts as not executed.
     */

    (void) SSL_set_mode(c->ssl->connection, SSL_MODE_ENABLE_PARTIAL_WRITE);

    return ngx_iot_redis_ssl_set_sni(endpoint, c);
}


/* SNI */
static ngx_int_t
ngx_iot_redis_ssl_set_sni(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_connection_t *c)
{
    if (endpoint->ssl_name.len == 0 || endpoint->ssl_name_is_address) {
        return NGX_OK;
    }

    if (SSL_set_tlsext_host_name(c->ssl->connection,
                                 (char *) endpoint->ssl_name.data)
        == 0)
    {
        ngx_ssl_error(NGX_LOG_ERR, c->log, 0,
                      "SSL_set_tlsext_host_name(\"%V\") failed",
                      &endpoint->ssl_name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_redis_ssl_check(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_iot_redis_ssl_said_t *said, ngx_connection_t *c)
{
    long     rc;
    u_char  *p, *last;

    if (!endpoint->ssl_verify) {
        return NGX_OK;
    }

    p = (u_char *) said->text;
    last = p + NGX_IOT_REDIS_SSL_TEXT_LEN;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        p = ngx_slprintf(p, last, "redis SSL certificate verify error: "
                         "(%l:%s)", rc, X509_verify_cert_error_string(rc));
        *p = '\0';

        return NGX_DECLINED;
    }

    if (!ngx_iot_redis_ssl_matches(endpoint, c)) {
        p = ngx_slprintf(p, last, "redis SSL certificate does not match "
                         "\"%V\"", &endpoint->ssl_name);
        *p = '\0';

        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_iot_redis_ssl_matches(const ngx_iot_redis_endpoint_t *endpoint,
    ngx_connection_t *c)
{
    X509       *cert;
    ngx_str_t   name;
    ngx_uint_t  matches;

    if (!endpoint->ssl_name_is_address) {
        name = endpoint->ssl_name;
        return ngx_ssl_check_host(c, &name) == NGX_OK;
    }

    cert = SSL_get_peer_certificate(c->ssl->connection);
    if (cert == NULL) {
        return 0;
    }

    matches = (X509_check_ip_asc(cert, (char *) endpoint->ssl_name.data, 0)
               == 1);

    X509_free(cert);
    ERR_clear_error();

    return matches;
}


static void
ngx_iot_redis_ssl_log_init(ngx_iot_redis_ssl_said_t *said, ngx_log_t *parent)
{
    said->parent = parent;
    said->text[0] = '\0';

    ngx_memzero(&said->log, sizeof(ngx_log_t));

    said->log.log_level = NGX_LOG_INFO;
    said->log.writer = ngx_iot_redis_ssl_log_writer;
    said->log.wdata = said;
}


static void
ngx_iot_redis_ssl_log_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len)
{
    u_char                    *p, *last;
    ngx_iot_redis_ssl_said_t  *said;

    said = log->wdata;

    last = buf + len - NGX_LINEFEED_SIZE;

    /* time, level and process stand before it: "... [info] 10#10: text" */

    p = ngx_strlchr(buf, last, '#');
    p = p ? ngx_strlchr(p, last, ' ') : NULL;
    p = p ? p + 1 : buf;

    if (level <= NGX_LOG_ALERT) {
        ngx_log_error(level, said->parent, 0, "%*s", (size_t) (last - p), p);
        return;
    }

    if (said->text[0] == '\0') {
        len = ngx_min((size_t) (last - p), NGX_IOT_REDIS_SSL_TEXT_LEN);
        (void) ngx_cpystrn((u_char *) said->text, p, len + 1);
    }
}

#endif
