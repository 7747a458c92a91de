
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_conf.h"
#include "ngx_iot_redis_client.h"


static ngx_int_t ngx_iot_redis_init_process(ngx_cycle_t *cycle);
static void ngx_iot_redis_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_iot_redis_commands[] = {

    { ngx_string("iot_store"),
      NGX_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_iot_redis_conf_block,
      0,
      0,
      NULL },

      ngx_null_command
};


static ngx_core_module_t  ngx_iot_redis_module_ctx = {
    ngx_string("iot_redis"),
    ngx_iot_redis_conf_create,
    ngx_iot_redis_conf_init
};


ngx_module_t  ngx_iot_redis_module = {
    NGX_MODULE_V1,
    &ngx_iot_redis_module_ctx,             /* module context */
    ngx_iot_redis_commands,                /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_iot_redis_init_process,            /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_iot_redis_exit_process,            /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_iot_redis_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_iot_redis_conf_t      **store;
    ngx_iot_redis_main_conf_t  *rmcf;

    /* the cache manager and loader come here too */

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    rmcf = (ngx_iot_redis_main_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                      ngx_iot_redis_module);
    store = rmcf->stores.elts;

    for (i = 0; i < rmcf->stores.nelts; i++) {

        if (!store[i]->used) {
            continue;
        }

        store[i]->client = ngx_iot_redis_create(store[i], cycle->log);
        if (store[i]->client == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static void
ngx_iot_redis_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t                  i;
    ngx_iot_redis_conf_t      **store;
    ngx_iot_redis_main_conf_t  *rmcf;

    rmcf = (ngx_iot_redis_main_conf_t *) ngx_get_conf(cycle->conf_ctx,
                                                      ngx_iot_redis_module);
    store = rmcf->stores.elts;

    for (i = 0; i < rmcf->stores.nelts; i++) {

        if (store[i]->client) {
            ngx_iot_redis_destroy(store[i]->client);
            store[i]->client = NULL;
        }
    }
}
