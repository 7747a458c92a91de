
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"
#include "ngx_iot_redis_status.h"
#include "ngx_iot_scripts.h"


#define NGX_HTTP_IOT_ACCEPT_NONE  0x0010

/* in seconds; Redis refuses a time that does not fit its own */
#define NGX_HTTP_IOT_RETENTION_MAX  ((time_t) 100 * 365 * 24 * 60 * 60)

/* in milliseconds */
#define NGX_HTTP_IOT_REDELIVERY_MAX  (24 * 60 * 60 * 1000)

/* so many certificates at once are less than the store's client takes */
#define NGX_HTTP_IOT_MAX_SIZE     (128 * 1024)


static ngx_int_t ngx_http_iot_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_iot_postconfiguration(ngx_conf_t *cf);
static void *ngx_http_iot_create_main_conf(ngx_conf_t *cf);
static void *ngx_http_iot_create_srv_conf(ngx_conf_t *cf);
static void *ngx_http_iot_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_iot_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void ngx_http_iot_inherit_service(ngx_conf_t *cf,
    ngx_http_iot_loc_conf_t *prev, ngx_http_iot_loc_conf_t *conf);
static char *ngx_http_iot_add_sweeper(ngx_conf_t *cf,
    ngx_http_iot_loc_conf_t *conf);
static char *ngx_http_iot_check_settings(ngx_conf_t *cf,
    ngx_http_iot_loc_conf_t *conf);

static char *ngx_http_iot_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
static char *ngx_http_iot_operations(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_grpc(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_status_location(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_complete(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_endpoints(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_set_completion(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_set_registries(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_set_rsa_bits(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_set_accept(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static char *ngx_http_iot_serve(ngx_conf_t *cf,
    ngx_http_iot_loc_conf_t *ilcf, ngx_uint_t services);
static char *ngx_http_iot_serve_without(ngx_conf_t *cf,
    ngx_http_iot_loc_conf_t *ilcf, ngx_uint_t services);
static ngx_http_handler_pt ngx_http_iot_content_handler(ngx_uint_t services);

static ngx_int_t ngx_http_iot_watch_store(ngx_conf_t *cf,
    ngx_iot_redis_conf_t *store);

static ngx_int_t ngx_http_iot_init_process(ngx_cycle_t *cycle);
static ngx_int_t ngx_http_iot_watch(ngx_cycle_t *cycle);
static void ngx_http_iot_exit_process(ngx_cycle_t *cycle);


static ngx_conf_enum_t  ngx_http_iot_registries[] = {
    { ngx_string("known"), 0 },
    { ngx_string("open"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_iot_completion[] = {
    { ngx_string("immediate"), 0 },
    { ngx_string("backend"), 1 },
    { ngx_null_string, 0 }
};


static ngx_conf_bitmask_t  ngx_http_iot_accept[] = {
    { ngx_string("expired"), NGX_IOT_ACCEPT_EXPIRED },
    { ngx_string("not_yet_valid"), NGX_IOT_ACCEPT_NOT_YET_VALID },
    { ngx_string("weak_key"), NGX_IOT_ACCEPT_WEAK_KEY },
    { ngx_string("none"), NGX_HTTP_IOT_ACCEPT_NONE },
    { ngx_null_string, 0 }
};


static ngx_conf_num_bounds_t  ngx_http_iot_rsa_bits_bounds = {
    ngx_conf_check_num_bounds, NGX_IOT_RSA_BITS_MIN, 16384
};


static ngx_command_t  ngx_http_iot_commands[] = {

    { ngx_string("iot_store"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_iot_redis_conf_block,
      0,
      0,
      NULL },

    { ngx_string("iot_api"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_iot_api,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("iot_operations"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_iot_operations,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("iot_grpc"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_iot_grpc,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("iot_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_iot_status_location,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("iot_complete"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_iot_complete,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("iot_endpoints"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_http_iot_endpoints,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, address),
      NULL },

    { ngx_string("iot_caller"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, caller),
      NULL },

    { ngx_string("iot_access"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_set_complex_value_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, access),
      NULL },

    { ngx_string("iot_registries"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_iot_set_registries,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, open),
      &ngx_http_iot_registries },

    { ngx_string("iot_import"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, import),
      NULL },

    { ngx_string("iot_completion"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_iot_set_completion,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, backend),
      &ngx_http_iot_completion },

    { ngx_string("iot_completion_redelivery"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, redelivery),
      NULL },

    { ngx_string("iot_operation_retention"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, retention),
      NULL },

    { ngx_string("iot_idempotency_retention"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, idempotency_retention),
      NULL },

    { ngx_string("iot_certificate_min_rsa_bits"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_iot_set_rsa_bits,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, min_rsa_bits),
      &ngx_http_iot_rsa_bits_bounds },

    { ngx_string("iot_certificate_max_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, max_size),
      NULL },

    { ngx_string("iot_certificate_limit"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_num_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, limit),
      NULL },

    { ngx_string("iot_certificate_accept"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_iot_set_accept,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_iot_loc_conf_t, accept),
      &ngx_http_iot_accept },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_iot_module_ctx = {
    ngx_http_iot_preconfiguration,         /* preconfiguration */
    ngx_http_iot_postconfiguration,        /* postconfiguration */

    ngx_http_iot_create_main_conf,         /* create main configuration */
    NULL,                                  /* init main configuration */

    ngx_http_iot_create_srv_conf,          /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_http_iot_create_loc_conf,          /* create location configuration */
    ngx_http_iot_merge_loc_conf            /* merge location configuration */
};


ngx_module_t  ngx_http_iot_module = {
    NGX_MODULE_V1,
    &ngx_http_iot_module_ctx,              /* module context */
    ngx_http_iot_commands,                 /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_http_iot_init_process,             /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_http_iot_exit_process,             /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_iot_preconfiguration(ngx_conf_t *cf)
{
    return ngx_http_iot_add_variables(cf);
}


static ngx_int_t
ngx_http_iot_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_iot_main_conf_t   *imcf;
    ngx_http_core_main_conf_t  *cmcf;

    static ngx_str_t  request_id = ngx_string("request_id");

    imcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_iot_module);
    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    imcf->request_id = ngx_http_get_variable_index(cf, &request_id);
    if (imcf->request_id == NGX_ERROR) {
        return NGX_ERROR;
    }

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PREACCESS_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_iot_preaccess_handler;

    ngx_http_iot_error_filter_init();

    ngx_iot_scripts_init();
    ngx_iot_redis_conf_scripts(cf, ngx_iot_scripts, NGX_IOT_SCRIPT_MAX);

    return NGX_OK;
}


static void *
ngx_http_iot_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_iot_main_conf_t));
}


static void *
ngx_http_iot_create_srv_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_iot_srv_conf_t));
}


static void *
ngx_http_iot_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_iot_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_http_iot_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     conf->services = 0;
     *     conf->store = NULL;
     *     conf->address = NULL;
     *     conf->settings = { 0 };
     *     conf->accept = 0;
     */

    conf->caller = NGX_CONF_UNSET_PTR;
    conf->access = NGX_CONF_UNSET_PTR;
    conf->min_rsa_bits = NGX_CONF_UNSET;
    conf->max_size = NGX_CONF_UNSET_SIZE;
    conf->limit = NGX_CONF_UNSET;
    conf->open = NGX_CONF_UNSET_UINT;
    conf->import = NGX_CONF_UNSET;
    conf->backend = NGX_CONF_UNSET_UINT;
    conf->redelivery = NGX_CONF_UNSET_MSEC;
    conf->retention = NGX_CONF_UNSET;
    conf->idempotency_retention = NGX_CONF_UNSET;

    return conf;
}


static char *
ngx_http_iot_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_iot_loc_conf_t  *prev = parent;
    ngx_http_iot_loc_conf_t  *conf = child;

    ngx_iot_settings_t  *settings;

    ngx_http_iot_inherit_service(cf, prev, conf);

    ngx_conf_merge_ptr_value(conf->caller, prev->caller, NULL);
    ngx_conf_merge_ptr_value(conf->access, prev->access, NULL);
    ngx_conf_merge_uint_value(conf->open, prev->open, 0);
    ngx_conf_merge_value(conf->import, prev->import, 0);
    ngx_conf_merge_uint_value(conf->backend, prev->backend, 0);
    ngx_conf_merge_msec_value(conf->redelivery, prev->redelivery, 60 * 1000);
    ngx_conf_merge_value(conf->min_rsa_bits, prev->min_rsa_bits, 2048);
    ngx_conf_merge_size_value(conf->max_size, prev->max_size, 64 * 1024);
    ngx_conf_merge_value(conf->limit, prev->limit, 0);
    ngx_conf_merge_sec_value(conf->retention, prev->retention,
                             30 * 24 * 60 * 60);
    ngx_conf_merge_sec_value(conf->idempotency_retention,
                             prev->idempotency_retention, 24 * 60 * 60);
    ngx_conf_merge_bitmask_value(conf->accept, prev->accept,
                                 (NGX_CONF_BITMASK_SET
                                  |NGX_HTTP_IOT_ACCEPT_NONE));

    conf->services &= ~NGX_IOT_IMPORT_SERVICE;

    if (conf->import && (conf->services & NGX_IOT_REGISTRY_SERVICE)) {
        conf->services |= NGX_IOT_IMPORT_SERVICE;
    }

    settings = &conf->settings;

    settings->open = conf->open;
    settings->import = conf->import;
    settings->backend = conf->backend;
    settings->operation_retention = (ngx_iot_msec_t) conf->retention * 1000;
    settings->idempotency_retention =
                         (ngx_iot_msec_t) conf->idempotency_retention * 1000;
    settings->certificate_limit = conf->limit;
    settings->certificate.min_rsa_bits = conf->min_rsa_bits;
    settings->certificate.max_size = conf->max_size;
    settings->certificate.accept = conf->accept;

    if (ngx_http_iot_check_settings(cf, conf) != NGX_CONF_OK) {
        return NGX_CONF_ERROR;
    }

    return (conf->services & NGX_IOT_COMPLETION)
           ? ngx_http_iot_add_sweeper(cf, conf) : NGX_CONF_OK;
}


/* one for each store; of several locations the shortest time counts */
static char *
ngx_http_iot_add_sweeper(ngx_conf_t *cf, ngx_http_iot_loc_conf_t *conf)
{
    ngx_uint_t                 i;
    ngx_iot_sweeper_conf_t    *sweeper;
    ngx_http_iot_main_conf_t  *imcf;

    imcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_iot_module);

    if (imcf->sweepers == NULL) {
        imcf->sweepers = ngx_array_create(cf->pool, 1,
                                          sizeof(ngx_iot_sweeper_conf_t));
        if (imcf->sweepers == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    sweeper = imcf->sweepers->elts;

    for (i = 0; i < imcf->sweepers->nelts; i++) {

        if (sweeper[i].conf == conf->store) {
            sweeper[i].redelivery = ngx_min(sweeper[i].redelivery,
                                            conf->redelivery);
            return NGX_CONF_OK;
        }
    }

    sweeper = ngx_array_push(imcf->sweepers);
    if (sweeper == NULL) {
        return NGX_CONF_ERROR;
    }

    sweeper->conf = conf->store;
    sweeper->redelivery = conf->redelivery;
    sweeper->retention = conf->settings.operation_retention;

    return NGX_CONF_OK;
}


/* an "if" or a "limit_except" inside a location serves what it serves */
static void
ngx_http_iot_inherit_service(ngx_conf_t *cf, ngx_http_iot_loc_conf_t *prev,
    ngx_http_iot_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (conf->services || !(clcf->noname || clcf->lmt_excpt)) {
        return;
    }

    conf->services = prev->services;
    conf->store = prev->store;
    conf->address = prev->address;

    if (conf->services && clcf->lmt_excpt && clcf->handler == NULL) {
        clcf->handler = ngx_http_iot_content_handler(conf->services);
    }
}


static char *
ngx_http_iot_check_settings(ngx_conf_t *cf, ngx_http_iot_loc_conf_t *conf)
{
    if (conf->retention <= 0 || conf->retention > NGX_HTTP_IOT_RETENTION_MAX) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"iot_operation_retention\" must be at least 1s and at "
                      "most 100y");
        return NGX_CONF_ERROR;
    }

    if (conf->idempotency_retention <= 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"iot_idempotency_retention\" must be at least 1s");
        return NGX_CONF_ERROR;
    }

    /* a key would be answered with an operation that is not there any more */

    if (conf->idempotency_retention > conf->retention) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"iot_operation_retention\" (%Ts) must not be below "
                      "\"iot_idempotency_retention\" (%Ts)",
                      conf->retention, conf->idempotency_retention);
        return NGX_CONF_ERROR;
    }

    if (conf->redelivery < 1000
        || conf->redelivery > NGX_HTTP_IOT_REDELIVERY_MAX)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"iot_completion_redelivery\" must be at least 1s and "
                      "at most 1d");
        return NGX_CONF_ERROR;
    }

    if (conf->max_size == 0 || conf->max_size > NGX_HTTP_IOT_MAX_SIZE) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"iot_certificate_max_size\" must be at least 1 and at "
                      "most 128k");
        return NGX_CONF_ERROR;
    }

    if ((conf->accept & NGX_HTTP_IOT_ACCEPT_NONE)
        && (conf->accept & ~(NGX_CONF_BITMASK_SET|NGX_HTTP_IOT_ACCEPT_NONE)))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"none\" in \"iot_certificate_accept\" excludes the "
                      "other parameters");
        return NGX_CONF_ERROR;
    }

    if (conf->services && conf->services != NGX_HTTP_IOT_STATUS
        && conf->services != NGX_IOT_ENDPOINT_SERVICE
        && conf->caller == NULL)
    {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "a gateway location has no \"iot_caller\": every "
                      "request to it will be refused with 401");
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_iot_api(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_iot_serve(cf, conf, NGX_IOT_REGISTRY_SERVICE);
}


static char *
ngx_http_iot_operations(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_iot_serve(cf, conf, NGX_IOT_OPERATION_SERVICE);
}


static char *
ngx_http_iot_grpc(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
#if (NGX_HTTP_V2)

    ngx_http_iot_loc_conf_t  *ilcf = conf;

    ngx_http_iot_srv_conf_t  *iscf;

    iscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_iot_module);
    iscf->grpc = 1;

    /* what iot_endpoints has said before is the address alone */

    if (ilcf->services == NGX_IOT_ENDPOINT_SERVICE) {
        ilcf->services = 0;
    }

    return ngx_http_iot_serve(cf, ilcf, NGX_IOT_REGISTRY_SERVICE
                                        |NGX_IOT_OPERATION_SERVICE
                                        |NGX_IOT_ENDPOINT_SERVICE
                                        |NGX_HTTP_IOT_GRPC);

#else

    return "needs an nginx that was built with HTTP/2, which gRPC is part of";

#endif
}


static char *
ngx_http_iot_status_location(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_iot_loc_conf_t  *ilcf = conf;

    char  *rv;

    rv = ngx_http_iot_serve(cf, ilcf, NGX_HTTP_IOT_STATUS);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    if (ngx_iot_redis_status_use(cf, ilcf->store) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_iot_complete(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    return ngx_http_iot_serve(cf, conf, NGX_IOT_COMPLETION);
}


/* next to iot_grpc, which serves them as well, it says the address alone */
static char *
ngx_http_iot_endpoints(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_iot_loc_conf_t  *ilcf = conf;

    char  *rv;

    if (!(ilcf->services & NGX_HTTP_IOT_GRPC)) {

        rv = ngx_http_iot_serve_without(cf, ilcf, NGX_IOT_ENDPOINT_SERVICE);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return (cf->args->nelts == 1) ? NGX_CONF_OK
                             : ngx_http_set_complex_value_slot(cf, cmd, conf);
}


/*
 * nginx's own setters name the value that they refuse, but not the directive
 * nor what it expects.
 */
static char *
ngx_http_iot_set_registries(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rv;

    rv = ngx_conf_set_enum_slot(cf, cmd, conf);

    return (rv == NGX_CONF_ERROR) ? "expects \"known\" or \"open\"" : rv;
}


static char *
ngx_http_iot_set_completion(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rv;

    rv = ngx_conf_set_enum_slot(cf, cmd, conf);

    return (rv == NGX_CONF_ERROR) ? "expects \"immediate\" or \"backend\""
                                  : rv;
}


static char *
ngx_http_iot_set_rsa_bits(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rv;

    rv = ngx_conf_set_num_slot(cf, cmd, conf);

    return (rv == NGX_CONF_ERROR) ? "expects a number from 512 to 16384" : rv;
}


static char *
ngx_http_iot_set_accept(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char  *rv;

    rv = ngx_conf_set_bitmask_slot(cf, cmd, conf);

    return (rv == NGX_CONF_ERROR) ? "expects \"none\", or some of "
                                    "\"expired\", \"not_yet_valid\" and "
                                    "\"weak_key\""
                                  : rv;
}


static char *
ngx_http_iot_serve(ngx_conf_t *cf, ngx_http_iot_loc_conf_t *ilcf,
    ngx_uint_t services)
{
    char       *rv;
    ngx_str_t  *value;

    rv = ngx_http_iot_serve_without(cf, ilcf, services);
    if (rv != NGX_CONF_OK) {
        return rv;
    }

    value = cf->args->elts;

    ilcf->store = ngx_iot_redis_conf_use(cf, &value[1]);
    if (ilcf->store == NULL) {
        return NGX_CONF_ERROR;
    }

    if ((services & NGX_IOT_REGISTRY_SERVICE)
        && ngx_http_iot_watch_store(cf, ilcf->store) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* a service that needs no store */
static char *
ngx_http_iot_serve_without(ngx_conf_t *cf, ngx_http_iot_loc_conf_t *ilcf,
    ngx_uint_t services)
{
    ngx_http_iot_srv_conf_t   *iscf;
    ngx_http_core_loc_conf_t  *clcf;

    if (ilcf->services) {
        return (ilcf->services == services) ? "is duplicate"
                                  : "is in a location with another service";
    }

    ilcf->services = services;

    iscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_iot_module);
    iscf->gateway = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_iot_content_handler(services);

    return NGX_CONF_OK;
}


static ngx_http_handler_pt
ngx_http_iot_content_handler(ngx_uint_t services)
{
    if (services == NGX_HTTP_IOT_STATUS) {
        return ngx_http_iot_status_handler;
    }

    return (services & NGX_HTTP_IOT_GRPC) ? ngx_http_iot_grpc_handler
                                          : ngx_http_iot_handler;
}


/* once for each store */
static ngx_int_t
ngx_http_iot_watch_store(ngx_conf_t *cf, ngx_iot_redis_conf_t *store)
{
    ngx_uint_t                  i;
    ngx_iot_redis_conf_t      **stores;
    ngx_http_iot_main_conf_t   *imcf;

    imcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_iot_module);

    if (imcf->stores == NULL) {
        imcf->stores = ngx_array_create(cf->pool, 1, sizeof(void *));
        if (imcf->stores == NULL) {
            return NGX_ERROR;
        }
    }

    stores = imcf->stores->elts;

    for (i = 0; i < imcf->stores->nelts; i++) {
        if (stores[i] == store) {
            return NGX_OK;
        }
    }

    stores = ngx_array_push(imcf->stores);
    if (stores == NULL) {
        return NGX_ERROR;
    }

    *stores = store;

    return NGX_OK;
}


static ngx_int_t
ngx_http_iot_init_process(ngx_cycle_t *cycle)
{
    ngx_array_t               *sweepers;
    ngx_http_iot_main_conf_t  *imcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    imcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_iot_module);
    sweepers = imcf ? imcf->sweepers : NULL;

    if (sweepers
        && ngx_iot_sweeper_init(cycle, sweepers->elts, sweepers->nelts)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_iot_watch(cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_iot_x509_init(cycle->log);
}


static ngx_int_t
ngx_http_iot_watch(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_iot_store_t             store;
    ngx_iot_redis_conf_t      **stores;
    ngx_http_iot_main_conf_t   *imcf;

    imcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_iot_module);

    if (imcf == NULL || imcf->stores == NULL) {
        return NGX_OK;
    }

    stores = imcf->stores->elts;

    for (i = 0; i < imcf->stores->nelts; i++) {

        ngx_memzero(&store, sizeof(ngx_iot_store_t));

        store.key_prefix = *ngx_iot_redis_conf_key_prefix(stores[i]);
        store.cluster = ngx_iot_redis_conf_cluster(stores[i]);

        if (ngx_iot_task_watch(cycle, stores[i], &store) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_http_iot_exit_process(ngx_cycle_t *cycle)
{
    ngx_iot_task_exit();
    ngx_iot_x509_done();
}
