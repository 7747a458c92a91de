
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_task.h"


typedef struct {
    ngx_iot_store_claim_t  *claims;
    ngx_uint_t              n;
    ngx_uint_t              next;
} ngx_iot_task_release_t;


static ngx_int_t ngx_iot_task_release_copy(ngx_iot_task_t *task,
    const ngx_iot_store_claim_t *claims, ngx_uint_t n);
static ngx_int_t ngx_iot_task_release_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static ngx_iot_store_name_t *ngx_iot_task_release_name_copy(ngx_pool_t *pool,
    const ngx_iot_store_name_t *name);
static ngx_int_t ngx_iot_task_release_name_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);


void
ngx_iot_task_release(ngx_iot_redis_conf_t *conf, const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claims, ngx_uint_t n)
{
    ngx_iot_task_t  *task;

    task = ngx_iot_task_create(conf, store, "release of claims");
    if (task == NULL) {
        return;
    }

    if (ngx_iot_task_release_copy(task, claims, n) != NGX_OK) {
        ngx_iot_task_destroy(task);
        return;
    }

    ngx_iot_task_start(task);
}


static ngx_int_t
ngx_iot_task_release_copy(ngx_iot_task_t *task,
    const ngx_iot_store_claim_t *claims, ngx_uint_t n)
{
    ngx_uint_t               i;
    ngx_iot_store_claim_t   *claim;
    ngx_iot_task_release_t  *release;

    release = ngx_pcalloc(task->pool, sizeof(ngx_iot_task_release_t));
    if (release == NULL) {
        return NGX_ERROR;
    }

    claim = ngx_palloc(task->pool, n * sizeof(ngx_iot_store_claim_t));
    if (claim == NULL) {
        return NGX_ERROR;
    }

    release->claims = claim;
    release->n = n;

    for (i = 0; i < n; i++, claim++) {
        *claim = claims[i];

        claim->registry_id.data = ngx_pstrdup(task->pool,
                                              &claim->registry_id);
        claim->operation_id.data = ngx_pstrdup(task->pool,
                                               &claim->operation_id);

        if (claim->registry_id.data == NULL
            || claim->operation_id.data == NULL)
        {
            return NGX_ERROR;
        }
    }

    task->step = ngx_iot_task_release_step;
    task->data = release;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_task_release_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_task_release_t  *release;

    release = task->data;

    /* whatever became of one, the others can be given back */

    if (reply) {
        (void) ngx_iot_store_certificate_released(&task->store, reply);
    }

    if (release->next == release->n) {
        return NGX_OK;
    }

    if (ngx_iot_store_release_certificate(&task->store,
                                          &release->claims[release->next++],
                                          &task->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


void
ngx_iot_task_release_name(ngx_iot_redis_conf_t *conf,
    const ngx_iot_store_t *store, const ngx_iot_store_name_t *name)
{
    ngx_iot_task_t  *task;

    task = ngx_iot_task_create(conf, store, "release of a name");
    if (task == NULL) {
        return;
    }

    task->data = ngx_iot_task_release_name_copy(task->pool, name);
    if (task->data == NULL) {
        ngx_iot_task_destroy(task);
        return;
    }

    task->step = ngx_iot_task_release_name_step;

    ngx_iot_task_start(task);
}


static ngx_iot_store_name_t *
ngx_iot_task_release_name_copy(ngx_pool_t *pool,
    const ngx_iot_store_name_t *name)
{
    ngx_iot_store_name_t  *copy;

    copy = ngx_palloc(pool, sizeof(ngx_iot_store_name_t));
    if (copy == NULL) {
        return NULL;
    }

    *copy = *name;

    copy->folder_id.data = ngx_pstrdup(pool, &copy->folder_id);
    copy->name.data = ngx_pstrdup(pool, &copy->name);
    copy->registry_id.data = ngx_pstrdup(pool, &copy->registry_id);
    copy->operation_id.data = ngx_pstrdup(pool, &copy->operation_id);

    if (copy->folder_id.data == NULL
        || copy->name.data == NULL
        || copy->registry_id.data == NULL
        || copy->operation_id.data == NULL)
    {
        return NULL;
    }

    return copy;
}


static ngx_int_t
ngx_iot_task_release_name_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_store_result_e  result;

    if (reply) {
        result = ngx_iot_store_name_released(&task->store, reply);

        return (result == NGX_IOT_STORE_OK) ? NGX_OK : NGX_ERROR;
    }

    if (ngx_iot_store_release_name(&task->store, task->data, &task->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}
