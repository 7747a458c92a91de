
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_task.h"


#define NGX_IOT_TASK_POOL_SIZE  1024


/* seconds in which one failure is logged */
#define NGX_IOT_TASK_LOG_PERIOD  60


static void ngx_iot_task_run(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_task_done(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply);
static void ngx_iot_task_failed(const char *name, const char *why);


/* those of this worker */

static ngx_queue_t  ngx_iot_tasks;
static ngx_uint_t   ngx_iot_tasks_n;


ngx_iot_task_t *
ngx_iot_task_create(ngx_iot_redis_conf_t *conf, const ngx_iot_store_t *store,
    const char *name)
{
    ngx_pool_t      *pool;
    ngx_iot_task_t  *task;

    if (ngx_iot_tasks_n == 0) {
        ngx_queue_init(&ngx_iot_tasks);
    }

    if (ngx_iot_tasks_n == NGX_IOT_TASK_MAX) {
        ngx_iot_task_failed(name, "there are too many tasks");
        return NULL;
    }

    pool = ngx_create_pool(NGX_IOT_TASK_POOL_SIZE, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    task = ngx_pcalloc(pool, sizeof(ngx_iot_task_t));
    if (task == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    task->store = *store;
    task->store.idempotency.given = 0;
    task->store.log = ngx_cycle->log;
    task->store.pool = ngx_create_pool(NGX_IOT_TASK_POOL_SIZE,
                                       ngx_cycle->log);

    if (task->store.pool == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    task->name = name;
    task->pool = pool;
    task->log = ngx_cycle->log;
    task->conf = conf;

    ngx_queue_insert_tail(&ngx_iot_tasks, &task->queue);
    ngx_iot_tasks_n++;

    return task;
}


void
ngx_iot_task_start(ngx_iot_task_t *task)
{
    ngx_iot_task_run(task, NULL);
}


static void
ngx_iot_task_run(ngx_iot_task_t *task, const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t   rc;
    ngx_uint_t  busy;

    ngx_reset_pool(task->store.pool);

    rc = task->step(task, reply);

    if (rc == NGX_AGAIN) {
        task->command = ngx_iot_redis_submit(task->conf, &task->request,
                                             ngx_iot_task_done, task, &busy);
        if (task->command) {
            return;
        }

        ngx_iot_task_failed(task->name, "the store takes no more commands");
    }

    ngx_iot_task_destroy(task);
}


static void
ngx_iot_task_done(void *data, ngx_iot_redis_outcome_e outcome,
    ngx_iot_resp_reply_t *reply)
{
    ngx_iot_task_t *task = data;

    task->command = NULL;

    if (outcome != NGX_IOT_REDIS_REPLIED) {
        ngx_iot_task_failed(task->name, "the store did not answer");
        ngx_iot_task_destroy(task);
        return;
    }

    ngx_iot_task_run(task, reply);
}


/* a store that is down fails many of them */
static void
ngx_iot_task_failed(const char *name, const char *why)
{
    static time_t  told;

    if (told && ngx_time() - told < NGX_IOT_TASK_LOG_PERIOD) {
        return;
    }

    told = ngx_time();

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "iot store: a task was given up, %s: %s", name, why);
}


void
ngx_iot_task_destroy(ngx_iot_task_t *task)
{
    if (task->command) {
        ngx_iot_redis_cancel(task->command);
    }

    ngx_queue_remove(&task->queue);
    ngx_iot_tasks_n--;

    ngx_destroy_pool(task->store.pool);
    ngx_destroy_pool(task->pool);
}


void
ngx_iot_task_exit(void)
{
    ngx_queue_t  *q;

    while (ngx_iot_tasks_n) {
        q = ngx_queue_head(&ngx_iot_tasks);
        ngx_iot_task_destroy(ngx_queue_data(q, ngx_iot_task_t, queue));
    }
}
