
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_task.h"
#include "ngx_iot_store_purge.h"


/* ms between two looks for a job that is due; twice as long at most */
#define NGX_IOT_TASK_PURGE_PERIOD  5000


typedef struct {
    ngx_event_t             timer;
    ngx_iot_redis_conf_t   *conf;
    ngx_iot_store_t         store;
} ngx_iot_task_watch_t;


static ngx_int_t ngx_iot_task_purge_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_task_watch_handler(ngx_event_t *ev);
static ngx_int_t ngx_iot_task_find_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_task_take_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_task_job_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_task_find(ngx_iot_task_t *task);
static ngx_iot_msec_t ngx_iot_task_now(void);


void
ngx_iot_task_purge(ngx_iot_redis_conf_t *conf, const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *operation_id)
{
    ngx_iot_task_t   *task;
    ngx_iot_purge_t  *purge;

    task = ngx_iot_task_create(conf, store, "delete of a registry");
    if (task == NULL) {
        return;
    }

    purge = ngx_palloc(task->pool, sizeof(ngx_iot_purge_t));
    if (purge == NULL) {
        ngx_iot_task_destroy(task);
        return;
    }

    ngx_iot_purge_init(purge, registry_id, operation_id);

    task->data = purge;
    task->step = ngx_iot_task_purge_step;

    ngx_iot_task_start(task);
}


static ngx_int_t
ngx_iot_task_purge_step(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t  rc;

    rc = ngx_iot_purge_next(task->data, &task->store, ngx_iot_task_now(),
                            reply, &task->request);

    return (rc == NGX_DECLINED) ? NGX_OK : rc;
}


ngx_int_t
ngx_iot_task_watch(ngx_cycle_t *cycle, ngx_iot_redis_conf_t *conf,
    const ngx_iot_store_t *store)
{
    ngx_iot_task_watch_t  *watch;

    watch = ngx_pcalloc(cycle->pool, sizeof(ngx_iot_task_watch_t));
    if (watch == NULL) {
        return NGX_ERROR;
    }

    watch->conf = conf;
    watch->store = *store;

    watch->timer.handler = ngx_iot_task_watch_handler;
    watch->timer.data = watch;
    watch->timer.log = cycle->log;
    watch->timer.cancelable = 1;

    ngx_add_timer(&watch->timer, NGX_IOT_TASK_PURGE_PERIOD
                                 + ngx_random() % NGX_IOT_TASK_PURGE_PERIOD);

    return NGX_OK;
}


static void
ngx_iot_task_watch_handler(ngx_event_t *ev)
{
    ngx_iot_task_t        *task;
    ngx_iot_task_watch_t  *watch;

    if (ngx_exiting) {
        return;
    }

    watch = ev->data;

    ngx_add_timer(ev, NGX_IOT_TASK_PURGE_PERIOD
                      + ngx_random() % NGX_IOT_TASK_PURGE_PERIOD);

    task = ngx_iot_task_create(watch->conf, &watch->store,
                               "look for deletes that were broken off");
    if (task == NULL) {
        return;
    }

    task->data = ngx_palloc(task->pool, sizeof(ngx_iot_purge_t));
    if (task->data == NULL) {
        ngx_iot_task_destroy(task);
        return;
    }

    task->step = ngx_iot_task_find_step;

    ngx_iot_task_start(task);
}


static ngx_int_t
ngx_iot_task_find(ngx_iot_task_t *task)
{
    task->step = ngx_iot_task_find_step;

    return ngx_iot_store_find_job(&task->store, ngx_iot_task_now(),
                                  &task->request)
           == NGX_OK
           ? NGX_AGAIN : NGX_ERROR;
}


static ngx_int_t
ngx_iot_task_find_step(ngx_iot_task_t *task, const ngx_iot_resp_reply_t *reply)
{
    ngx_str_t                registry_id, operation_id;
    ngx_iot_purge_t         *purge;
    ngx_iot_store_result_e   result;

    if (reply == NULL) {
        return ngx_iot_task_find(task);
    }

    result = ngx_iot_store_job_found(&task->store, reply, &registry_id,
                                     &operation_id);

    if (result != NGX_IOT_STORE_OK) {
        return (result == NGX_IOT_STORE_NOT_FOUND) ? NGX_OK : NGX_ERROR;
    }

    purge = task->data;

    ngx_iot_purge_init(purge, &registry_id, &operation_id);

    task->step = ngx_iot_task_take_step;

    if (ngx_iot_store_take_job(&task->store, &purge->registry_id,
                               &purge->operation_id, ngx_iot_task_now(),
                               &task->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_task_take_step(ngx_iot_task_t *task, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_store_result_e  result;

    result = ngx_iot_store_job_taken(&task->store, reply);

    if (result != NGX_IOT_STORE_OK) {
        return (result == NGX_IOT_STORE_NOT_FOUND) ? ngx_iot_task_find(task)
                                                   : NGX_ERROR;
    }

    task->step = ngx_iot_task_job_step;

    return ngx_iot_task_job_step(task, NULL);
}


/*
 * One after the other, done or not: who is taken is not due for a while, so
 * there is an end, and one that cannot be done holds up no other.
 */
static ngx_int_t
ngx_iot_task_job_step(ngx_iot_task_t *task, const ngx_iot_resp_reply_t *reply)
{
    ngx_int_t  rc;

    rc = ngx_iot_purge_next(task->data, &task->store, ngx_iot_task_now(),
                            reply, &task->request);

    return (rc == NGX_AGAIN) ? NGX_AGAIN : ngx_iot_task_find(task);
}


static ngx_iot_msec_t
ngx_iot_task_now(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (ngx_iot_msec_t) tp->sec * 1000 + tp->msec;
}
