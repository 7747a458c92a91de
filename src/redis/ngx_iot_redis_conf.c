
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_conf.h"
#include "ngx_iot_redis_password.h"
#include "ngx_iot_redis_ssl.h"
#include "ngx_iot_redis_report.h"


#define NGX_IOT_REDIS_PORT             6379
#define NGX_IOT_REDIS_SENTINEL_PORT    26379

#define NGX_IOT_REDIS_CONNECT_TIMEOUT  1000
#define NGX_IOT_REDIS_TIMEOUT          2000
#define NGX_IOT_REDIS_QUEUE            4096
#define NGX_IOT_REDIS_RESOLVER_TIMEOUT 2000

#define NGX_IOT_REDIS_KEY_PREFIX_MAX   64


/* a sentinel that takes longer is passed over for the next one */
#define NGX_IOT_REDIS_SENTINEL_CONNECT 300
#define NGX_IOT_REDIS_SENTINEL_TIMEOUT 1000


/* of a number, and what is said of another one */

typedef struct {
    ngx_int_t                         min;
    ngx_int_t                         max;
    const char                       *expected;
} ngx_iot_redis_bounds_t;


/* a directive of the block; offset is that of its field in the store */

typedef struct ngx_iot_redis_directive_s  ngx_iot_redis_directive_t;

typedef char *(*ngx_iot_redis_directive_pt)(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);

struct ngx_iot_redis_directive_s {
    ngx_str_t                         name;
    ngx_iot_redis_directive_pt        set;
    size_t                            offset;
    const ngx_iot_redis_bounds_t     *bounds;
};


static ngx_iot_redis_conf_t *ngx_iot_redis_conf_find(ngx_conf_t *cf,
    ngx_str_t *name);
static ngx_iot_redis_conf_t *ngx_iot_redis_conf_add(ngx_conf_t *cf,
    ngx_str_t *name);
static char *ngx_iot_redis_conf_verify(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static char *ngx_iot_redis_conf_verify_topology(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static char *ngx_iot_redis_conf_verify_cluster(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static char *ngx_iot_redis_conf_verify_sentinel(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static char *ngx_iot_redis_conf_verify_user(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static char *ngx_iot_redis_conf_complete(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);
static char *ngx_iot_redis_conf_resolve(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store, ngx_iot_redis_server_t *server);

static char *ngx_iot_redis_conf_directive(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_iot_redis_conf_topology(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_server(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_address(ngx_conf_t *cf, ngx_str_t *text,
    ngx_iot_redis_server_t *server);
static char *ngx_iot_redis_conf_resolver(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_string(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_password_file(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_flag(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_msec(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_number(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_prefix(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field);
static char *ngx_iot_redis_conf_invalid(ngx_conf_t *cf, const char *expected);


static const ngx_iot_redis_bounds_t  ngx_iot_redis_database_bounds =
    { 0, NGX_MAX_INT32_VALUE, "expected a number" };

static const ngx_iot_redis_bounds_t  ngx_iot_redis_connections_bounds =
    { 1, 16, "expected a number, not zero, at most 16" };

static const ngx_iot_redis_bounds_t  ngx_iot_redis_replicas_bounds =
    { 0, 16, "expected 0 to 16" };

static const ngx_iot_redis_bounds_t  ngx_iot_redis_queue_bounds =
    { 1, NGX_MAX_INT_T_VALUE, "expected a number, not zero" };


static ngx_iot_redis_directive_t  ngx_iot_redis_directives[] = {

    { ngx_string("topology"),
      ngx_iot_redis_conf_topology,
      0, NULL },

    { ngx_string("server"),
      ngx_iot_redis_conf_server,
      0, NULL },

    { ngx_string("resolver"),
      ngx_iot_redis_conf_resolver,
      offsetof(ngx_iot_redis_conf_t, resolver), NULL },

    { ngx_string("resolver_timeout"),
      ngx_iot_redis_conf_msec,
      offsetof(ngx_iot_redis_conf_t, resolver_timeout), NULL },

    { ngx_string("username"),
      ngx_iot_redis_conf_string,
      offsetof(ngx_iot_redis_conf_t, endpoint.username), NULL },

    { ngx_string("password_file"),
      ngx_iot_redis_conf_password_file,
      offsetof(ngx_iot_redis_conf_t, endpoint), NULL },

    { ngx_string("sentinel_username"),
      ngx_iot_redis_conf_string,
      offsetof(ngx_iot_redis_conf_t, sentinel.username), NULL },

    { ngx_string("sentinel_password_file"),
      ngx_iot_redis_conf_password_file,
      offsetof(ngx_iot_redis_conf_t, sentinel), NULL },

    { ngx_string("sentinel_ssl"),
      ngx_iot_redis_conf_flag,
      offsetof(ngx_iot_redis_conf_t, sentinel_ssl), NULL },

    { ngx_string("database"),
      ngx_iot_redis_conf_number,
      offsetof(ngx_iot_redis_conf_t, endpoint.database),
      &ngx_iot_redis_database_bounds },

    { ngx_string("ssl"),
      ngx_iot_redis_conf_flag,
      offsetof(ngx_iot_redis_conf_t, ssl), NULL },

    { ngx_string("ssl_trusted_certificate"),
      ngx_iot_redis_conf_string,
      offsetof(ngx_iot_redis_conf_t, ssl_trusted_certificate), NULL },

    { ngx_string("ssl_certificate"),
      ngx_iot_redis_conf_string,
      offsetof(ngx_iot_redis_conf_t, ssl_certificate), NULL },

    { ngx_string("ssl_certificate_key"),
      ngx_iot_redis_conf_string,
      offsetof(ngx_iot_redis_conf_t, ssl_certificate_key), NULL },

    { ngx_string("ssl_name"),
      ngx_iot_redis_conf_string,
      offsetof(ngx_iot_redis_conf_t, ssl_name), NULL },

    { ngx_string("ssl_verify"),
      ngx_iot_redis_conf_flag,
      offsetof(ngx_iot_redis_conf_t, endpoint.ssl_verify), NULL },

    { ngx_string("connections"),
      ngx_iot_redis_conf_number,
      offsetof(ngx_iot_redis_conf_t, connections),
      &ngx_iot_redis_connections_bounds },

    { ngx_string("replicas"),
      ngx_iot_redis_conf_number,
      offsetof(ngx_iot_redis_conf_t, endpoint.replicas),
      &ngx_iot_redis_replicas_bounds },

    { ngx_string("connect_timeout"),
      ngx_iot_redis_conf_msec,
      offsetof(ngx_iot_redis_conf_t, endpoint.connect_timeout), NULL },

    { ngx_string("timeout"),
      ngx_iot_redis_conf_msec,
      offsetof(ngx_iot_redis_conf_t, endpoint.timeout), NULL },

    { ngx_string("queue"),
      ngx_iot_redis_conf_number,
      offsetof(ngx_iot_redis_conf_t, queue),
      &ngx_iot_redis_queue_bounds },

    { ngx_string("key_prefix"),
      ngx_iot_redis_conf_prefix,
      offsetof(ngx_iot_redis_conf_t, key_prefix), NULL },

    { ngx_null_string, NULL, 0, NULL }
};


void *
ngx_iot_redis_conf_create(ngx_cycle_t *cycle)
{
    ngx_iot_redis_main_conf_t  *rmcf;

    /*
     * set by ngx_pcalloc():
     *
     *     rmcf->scripts = NULL;
     *     rmcf->nscripts = 0;
     */

    rmcf = ngx_pcalloc(cycle->pool, sizeof(ngx_iot_redis_main_conf_t));
    if (rmcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&rmcf->stores, cycle->pool, 4,
                       sizeof(ngx_iot_redis_conf_t *))
        != NGX_OK)
    {
        return NULL;
    }

    return rmcf;
}


char *
ngx_iot_redis_conf_init(ngx_cycle_t *cycle, void *conf)
{
    ngx_iot_redis_main_conf_t  *rmcf = conf;

    ngx_uint_t              i;
    ngx_iot_redis_conf_t  **store;

    store = rmcf->stores.elts;

    for (i = 0; i < rmcf->stores.nelts; i++) {

        if (!store[i]->defined) {
            ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                          "unknown iot_store \"%V\" in \"%V\" directive "
                          "in %V:%ui", &store[i]->name, &store[i]->user,
                          &store[i]->file, store[i]->line);
            return NGX_CONF_ERROR;
        }

        if (ngx_iot_redis_report_zone(cycle, store[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }

        store[i]->endpoint.scripts = rmcf->scripts;
        store[i]->endpoint.nscripts = rmcf->nscripts;
    }

    return NGX_CONF_OK;
}


void
ngx_iot_redis_conf_scripts(ngx_conf_t *cf, ngx_iot_resp_script_t *scripts,
    ngx_uint_t n)
{
    ngx_iot_redis_main_conf_t  *rmcf;

    rmcf = (ngx_iot_redis_main_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                      ngx_iot_redis_module);
    rmcf->scripts = scripts;
    rmcf->nscripts = n;
}


const ngx_str_t *
ngx_iot_redis_conf_name(const ngx_iot_redis_conf_t *conf)
{
    return &conf->name;
}


const ngx_str_t *
ngx_iot_redis_conf_key_prefix(const ngx_iot_redis_conf_t *conf)
{
    return &conf->key_prefix;
}


ngx_uint_t
ngx_iot_redis_conf_cluster(const ngx_iot_redis_conf_t *conf)
{
    return conf->topology == NGX_IOT_REDIS_CLUSTER;
}


ngx_iot_redis_conf_t *
ngx_iot_redis_conf_use(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_str_t             *value;
    ngx_iot_redis_conf_t  *store;

    store = ngx_iot_redis_conf_find(cf, name);

    if (store == NULL) {
        store = ngx_iot_redis_conf_add(cf, name);
        if (store == NULL) {
            return NULL;
        }

        value = cf->args->elts;

        store->user = value[0];
        store->file = cf->conf_file->file.name;
        store->line = cf->conf_file->line;
    }

    store->used = 1;

    return store;
}


static ngx_iot_redis_conf_t *
ngx_iot_redis_conf_find(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_iot_redis_conf_t      **store;
    ngx_iot_redis_main_conf_t  *rmcf;

    rmcf = (ngx_iot_redis_main_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                      ngx_iot_redis_module);
    store = rmcf->stores.elts;

    for (i = 0; i < rmcf->stores.nelts; i++) {

        if (store[i]->name.len == name->len
            && ngx_strncmp(store[i]->name.data, name->data, name->len) == 0)
        {
            return store[i];
        }
    }

    return NULL;
}


static ngx_iot_redis_conf_t *
ngx_iot_redis_conf_add(ngx_conf_t *cf, ngx_str_t *name)
{
    ngx_iot_redis_conf_t       *store, **p;
    ngx_iot_redis_main_conf_t  *rmcf;

    rmcf = (ngx_iot_redis_main_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                                      ngx_iot_redis_module);

    /*
     * set by ngx_pcalloc():
     *
     *     store->servers = NULL;
     *     store->nservers = 0;
     *     store->resolver = NULL;
     *     store->endpoint.username = { 0, NULL };
     *     store->endpoint.password_file = { 0, NULL };
     *     store->endpoint.password = { 0, NULL };
     *     store->endpoint.ssl = NULL;
     *     store->endpoint.ssl_name = { 0, NULL };
     *     store->endpoint.ssl_name_is_address = 0;
     *     store->endpoint.scripts = NULL;
     *     store->endpoint.nscripts = 0;
     *     store->master = { 0, NULL };
     *     store->sentinel = { 0 };
     *     store->ssl_trusted_certificate = { 0, NULL };
     *     store->ssl_certificate = { 0, NULL };
     *     store->ssl_certificate_key = { 0, NULL };
     *     store->ssl_name = { 0, NULL };
     *     store->key_prefix = { 0, NULL };
     *     store->status = NULL;
     *     store->workers = 0;
     *     store->client = NULL;
     *     store->defined = 0;
     *     store->used = 0;
     */

    store = ngx_pcalloc(cf->pool, sizeof(ngx_iot_redis_conf_t));
    if (store == NULL) {
        return NULL;
    }

    store->name = *name;
    store->topology = NGX_CONF_UNSET_UINT;
    store->resolver_timeout = NGX_CONF_UNSET_MSEC;
    store->sentinel_ssl = NGX_CONF_UNSET;
    store->ssl = NGX_CONF_UNSET;
    store->connections = NGX_CONF_UNSET_UINT;
    store->queue = NGX_CONF_UNSET_UINT;

    store->endpoint.store = *name;
    store->endpoint.mode = "standalone";
    store->endpoint.role = "master";
    store->endpoint.database = NGX_CONF_UNSET_UINT;
    store->endpoint.ssl_verify = NGX_CONF_UNSET;
    store->endpoint.connect_timeout = NGX_CONF_UNSET_MSEC;
    store->endpoint.timeout = NGX_CONF_UNSET_MSEC;
    store->endpoint.replicas = NGX_CONF_UNSET_UINT;

    store->sentinel.store = *name;
    store->sentinel.mode = "sentinel";
    store->sentinel.connect_timeout = NGX_IOT_REDIS_SENTINEL_CONNECT;
    store->sentinel.timeout = NGX_IOT_REDIS_SENTINEL_TIMEOUT;

    p = ngx_array_push(&rmcf->stores);
    if (p == NULL) {
        return NULL;
    }

    *p = store;

    return store;
}


char *
ngx_iot_redis_conf_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                  *rv;
    ngx_str_t             *value, name;
    ngx_conf_t             save;
    ngx_iot_redis_conf_t  *store;

    value = cf->args->elts;
    name = value[1];

    if (name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "empty name in \"iot_store\" directive");
        return NGX_CONF_ERROR;
    }

    store = ngx_iot_redis_conf_find(cf, &name);

    if (store == NULL) {
        store = ngx_iot_redis_conf_add(cf, &name);
        if (store == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (store->defined) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate iot_store \"%V\"", &name);
        return NGX_CONF_ERROR;
    }

    store->defined = 1;

    save = *cf;
    cf->handler = ngx_iot_redis_conf_directive;
    cf->handler_conf = (char *) store;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_iot_redis_conf_verify(cf, store);
}


static char *
ngx_iot_redis_conf_verify(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    if (store->nservers == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"server\" directive in iot_store \"%V\"",
                           &store->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_iot_redis_conf_verify_topology(cf, store) != NGX_CONF_OK
        || ngx_iot_redis_conf_verify_sentinel(cf, store) != NGX_CONF_OK
        || ngx_iot_redis_conf_verify_user(cf, store) != NGX_CONF_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_iot_redis_ssl_init(cf, store) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_iot_redis_conf_complete(cf, store);
}


static char *
ngx_iot_redis_conf_verify_topology(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    ngx_conf_init_uint_value(store->topology, NGX_IOT_REDIS_SINGLE);

    if (store->topology == NGX_IOT_REDIS_SINGLE && store->nservers > 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "more than one address in \"server\" directive "
                           "with \"topology single\" in iot_store \"%V\"",
                           &store->name);
        return NGX_CONF_ERROR;
    }

    return store->topology == NGX_IOT_REDIS_CLUSTER
           ? ngx_iot_redis_conf_verify_cluster(cf, store) : NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_verify_cluster(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    ngx_uint_t  i;

    if (store->endpoint.database != NGX_CONF_UNSET_UINT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"database\" with \"topology cluster\" in "
                           "iot_store \"%V\", a cluster has one only",
                           &store->name);
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < store->nservers; i++) {

        if (store->servers[i].host.len) {
            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" in \"server\" directive with \"topology "
                           "cluster\" in iot_store \"%V\", a cluster's "
                           "servers are not on one machine's sockets",
                           &store->servers[i].text, &store->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* what is said of sentinels where there are none */
static char *
ngx_iot_redis_conf_verify_sentinel(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    const char  *name;

    if (store->topology == NGX_IOT_REDIS_SENTINEL) {
        return NGX_CONF_OK;
    }

    name = store->sentinel.username.len ? "sentinel_username"
           : store->sentinel.password_file.len ? "sentinel_password_file"
           : store->sentinel_ssl != NGX_CONF_UNSET ? "sentinel_ssl"
           : NULL;

    if (name == NULL) {
        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "\"%s\" without \"topology sentinel\" in iot_store "
                       "\"%V\"", name, &store->name);

    return NGX_CONF_ERROR;
}


static char *
ngx_iot_redis_conf_verify_user(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    if (store->endpoint.username.len && store->endpoint.password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"username\" without \"password_file\" "
                           "in iot_store \"%V\"", &store->name);
        return NGX_CONF_ERROR;
    }

    if (store->sentinel.username.len && store->sentinel.password.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"sentinel_username\" without "
                           "\"sentinel_password_file\" in iot_store \"%V\"",
                           &store->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_complete(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    ngx_uint_t                 i;
    ngx_iot_redis_endpoint_t  *endpoint;

    endpoint = &store->endpoint;

    if (store->topology == NGX_IOT_REDIS_CLUSTER) {
        endpoint->mode = "cluster";
    }

    ngx_conf_init_uint_value(endpoint->database, 0);
    ngx_conf_init_msec_value(store->resolver_timeout,
                             NGX_IOT_REDIS_RESOLVER_TIMEOUT);
    ngx_conf_init_msec_value(endpoint->connect_timeout,
                             NGX_IOT_REDIS_CONNECT_TIMEOUT);
    ngx_conf_init_msec_value(endpoint->timeout, NGX_IOT_REDIS_TIMEOUT);
    ngx_conf_init_uint_value(endpoint->replicas, 0);
    ngx_conf_init_uint_value(store->connections, 1);
    ngx_conf_init_uint_value(store->queue, NGX_IOT_REDIS_QUEUE);

    for (i = 0; i < store->nservers; i++) {

        if (ngx_iot_redis_conf_resolve(cf, store, &store->servers[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_resolve(ngx_conf_t *cf, ngx_iot_redis_conf_t *store,
    ngx_iot_redis_server_t *server)
{
    ngx_url_t   url;
    ngx_uint_t  later;

    /* addresses that are there already were written as such */

    if (server->naddrs == 0) {
        server->resolver = store->resolver;
        server->resolver_timeout = store->resolver_timeout;
    }

    ngx_memzero(&url, sizeof(ngx_url_t));

    url.url = server->text;
    url.default_port = store->topology == NGX_IOT_REDIS_SENTINEL
                       ? NGX_IOT_REDIS_SENTINEL_PORT : NGX_IOT_REDIS_PORT;

    if (ngx_parse_url(cf->pool, &url) == NGX_OK) {
        server->addrs = url.addrs;
        server->naddrs = url.naddrs;
        server->port = url.port;

        return NGX_CONF_OK;
    }

    later = (server->resolver != NULL);
    server->port = url.port;

    ngx_conf_log_error(later ? NGX_LOG_WARN : NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"server\" directive, %s",
                       &server->text, url.err ? url.err : "no memory");

    return later ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* a line of the block */
static char *
ngx_iot_redis_conf_directive(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    char                       *rv;
    ngx_str_t                  *value;
    ngx_iot_redis_directive_t  *directive;

    value = cf->args->elts;

    if (ngx_strcmp(value[0].data, "include") == 0) {
        return ngx_conf_include(cf, dummy, conf);
    }

    directive = ngx_iot_redis_directives;

    while (directive->name.len
           && ngx_strcmp(value[0].data, directive->name.data) != 0)
    {
        directive++;
    }

    if (directive->name.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown directive \"%V\" in \"iot_store\" block",
                           &value[0]);
        return NGX_CONF_ERROR;
    }

    if (cf->args->nelts < 2
        || (cf->args->nelts > 2
            && directive->set != ngx_iot_redis_conf_topology
            && directive->set != ngx_iot_redis_conf_server
            && directive->set != ngx_iot_redis_conf_resolver))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number of arguments in \"%V\" directive",
                           &value[0]);
        return NGX_CONF_ERROR;
    }

    rv = directive->set(cf, directive, (char *) conf + directive->offset);

    if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" directive %s",
                       &value[0], rv);

    return NGX_CONF_ERROR;
}


static char *
ngx_iot_redis_conf_topology(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field)
{
    ngx_iot_redis_conf_t  *store = field;

    ngx_str_t   *value;
    ngx_uint_t   n;

    if (store->topology != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = 2;

    if (ngx_strcmp(value[1].data, "single") == 0) {
        store->topology = NGX_IOT_REDIS_SINGLE;

    } else if (ngx_strcmp(value[1].data, "cluster") == 0) {
        store->topology = NGX_IOT_REDIS_CLUSTER;

    } else if (ngx_strcmp(value[1].data, "sentinel") == 0) {

        if (cf->args->nelts == 2 || value[2].len == 0) {
            return "lacks the name that sentinels have for the master";
        }

        store->topology = NGX_IOT_REDIS_SENTINEL;
        store->master = value[2];
        n = 3;

    } else {
        return ngx_iot_redis_conf_invalid(cf, "expected \"single\", "
                                          "\"sentinel\" or \"cluster\"");
    }

    return cf->args->nelts == n ? NGX_CONF_OK : "has too many parameters";
}


static char *
ngx_iot_redis_conf_server(ngx_conf_t *cf, ngx_iot_redis_directive_t *directive,
    void *field)
{
    ngx_iot_redis_conf_t  *store = field;

    ngx_str_t               *value;
    ngx_uint_t               i, n;
    ngx_iot_redis_server_t  *servers;

    if (store->nservers) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = cf->args->nelts - 1;

    servers = ngx_pcalloc(cf->pool, n * sizeof(ngx_iot_redis_server_t));
    if (servers == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 0; i < n; i++) {

        if (ngx_iot_redis_conf_address(cf, &value[i + 1], &servers[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    store->servers = servers;
    store->nservers = n;

    return NGX_CONF_OK;
}


/* names are resolved when the whole block was read */
static char *
ngx_iot_redis_conf_address(ngx_conf_t *cf, ngx_str_t *text,
    ngx_iot_redis_server_t *server)
{
    ngx_url_t  url;

    ngx_memzero(&url, sizeof(ngx_url_t));

    url.url = *text;
    url.default_port = NGX_IOT_REDIS_PORT;
    url.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &url) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid value \"%V\" in \"server\" directive, %s",
                           text, url.err ? url.err : "no memory");
        return NGX_CONF_ERROR;
    }

    server->text = *text;
    server->naddrs = url.naddrs;

    if (url.family != AF_UNIX) {
        server->host = url.host;
    }

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_resolver(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field)
{
    ngx_resolver_t  **resolver = field;

    ngx_str_t  *value;

    if (*resolver) {
        return "is duplicate";
    }

    value = cf->args->elts;

    *resolver = ngx_resolver_create(cf, &value[1], cf->args->nelts - 1);

    return *resolver ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_iot_redis_conf_string(ngx_conf_t *cf, ngx_iot_redis_directive_t *directive,
    void *field)
{
    ngx_str_t  *str = field;

    ngx_str_t  *value;

    if (str->data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return ngx_iot_redis_conf_invalid(cf, "expected not an empty one");
    }

    *str = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_password_file(ngx_conf_t *cf,
    ngx_iot_redis_directive_t *directive, void *field)
{
    ngx_iot_redis_endpoint_t  *endpoint = field;

    char  *rv;

    rv = ngx_iot_redis_conf_string(cf, directive, &endpoint->password_file);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_iot_redis_password_read(cf, &endpoint->password_file,
                                    &endpoint->password)
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_flag(ngx_conf_t *cf, ngx_iot_redis_directive_t *directive,
    void *field)
{
    ngx_flag_t  *flag = field;

    ngx_str_t  *value;

    if (*flag != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "on") == 0) {
        *flag = 1;

    } else if (ngx_strcmp(value[1].data, "off") == 0) {
        *flag = 0;

    } else {
        return ngx_iot_redis_conf_invalid(cf, "expected \"on\" or \"off\"");
    }

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_msec(ngx_conf_t *cf, ngx_iot_redis_directive_t *directive,
    void *field)
{
    ngx_msec_t  *msec = field;

    ngx_str_t  *value;
    ngx_int_t   n;

    if (*msec != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    n = ngx_parse_time(&value[1], 0);

    if (n == NGX_ERROR || n == 0) {
        return ngx_iot_redis_conf_invalid(cf, "expected a time, not zero");
    }

    *msec = n;

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_number(ngx_conf_t *cf, ngx_iot_redis_directive_t *directive,
    void *field)
{
    ngx_uint_t  *number = field;

    ngx_int_t                      n;
    ngx_str_t                     *value;
    const ngx_iot_redis_bounds_t  *bounds;

    if (*number != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    bounds = directive->bounds;

    n = ngx_atoi(value[1].data, value[1].len);

    if (n == NGX_ERROR || n < bounds->min || n > bounds->max) {
        return ngx_iot_redis_conf_invalid(cf, bounds->expected);
    }

    *number = n;

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_prefix(ngx_conf_t *cf, ngx_iot_redis_directive_t *directive,
    void *field)
{
    ngx_str_t  *prefix = field;

    u_char      ch;
    ngx_str_t  *value;
    ngx_uint_t  i;

    if (prefix->data) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len > NGX_IOT_REDIS_KEY_PREFIX_MAX) {
        return ngx_iot_redis_conf_invalid(cf, "expected at most 64 bytes");
    }

    for (i = 0; i < value[1].len; i++) {
        ch = value[1].data[i];

        /* braces would take the place of the keys' own hash tags */

        if (ch <= ' ' || ch >= 0x7f || ch == '{' || ch == '}') {
            return ngx_iot_redis_conf_invalid(cf, "expected printable ASCII "
                                              "without spaces and braces");
        }
    }

    *prefix = value[1];

    return NGX_CONF_OK;
}


static char *
ngx_iot_redis_conf_invalid(ngx_conf_t *cf, const char *expected)
{
    ngx_str_t  *value;

    value = cf->args->elts;

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"%V\" directive, %s",
                       &value[1], &value[0], expected);

    return NGX_CONF_ERROR;
}
