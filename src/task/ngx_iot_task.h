
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_TASK_H_INCLUDED_
#define _NGX_IOT_TASK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis.h"
#include "ngx_iot_store.h"
#include "ngx_iot_store_registry.h"


/*
 * Work for the store that no client waits for.  A task outlives the request
 * that began it: it has a pool of its own, into which it copies what it needs.
 * It is a chain of requests, made one after the other by a step function.
 *
 * Tasks are best effort: there is a bound to their number in a worker, one
 * that fails is not tried again, and one that has not ended when the worker
 * exits is dropped.  Whatever they do, somebody else must be able to do later.
 */

#define NGX_IOT_TASK_MAX  1024


typedef struct ngx_iot_task_s  ngx_iot_task_t;


/*
 * reply: of the request made before, NULL in the first call.
 *
 * NGX_AGAIN: task->request is to be sent, made in the pool of task->store,
 * which is emptied before each call; NGX_OK: done; NGX_ERROR: failed, logged.
 */
typedef ngx_int_t (*ngx_iot_task_step_pt)(ngx_iot_task_t *task,
    const ngx_iot_resp_reply_t *reply);


struct ngx_iot_task_s {
    const char               *name;         /* for logs: "release of claims" */
    ngx_pool_t               *pool;
    ngx_log_t                *log;
    ngx_iot_store_t           store;
    ngx_iot_resp_request_t    request;

    ngx_iot_task_step_pt      step;
    void                     *data;         /* the step's own, in the pool */

    /* of ngx_iot_task.c */
    ngx_iot_redis_conf_t     *conf;
    ngx_iot_redis_command_t  *command;
    ngx_queue_t               queue;
};


/*
 * A task for that store, with the settings of the store given, but for its
 * pool and its Idempotency-Key.  name is a constant.  NULL: there are too many
 * or there is no memory; logged.
 */
ngx_iot_task_t *ngx_iot_task_create(ngx_iot_redis_conf_t *conf,
    const ngx_iot_store_t *store, const char *name);

/* Runs the first step.  From here on the task ends by itself. */
void ngx_iot_task_start(ngx_iot_task_t *task);

/* Ends a task that was not started. */
void ngx_iot_task_destroy(ngx_iot_task_t *task);

/* Drops all tasks of this worker; called when it exits. */
void ngx_iot_task_exit(void);


/* ngx_iot_task_release.c */

/*
 * Gives back claims on certificates; they are copied.  One that is not given
 * back is taken over by the next who wants the certificate.
 */
void ngx_iot_task_release(ngx_iot_redis_conf_t *conf,
    const ngx_iot_store_t *store, const ngx_iot_store_claim_t *claims,
    ngx_uint_t n);

/* The same for a name that a registry does not have any more. */
void ngx_iot_task_release_name(ngx_iot_redis_conf_t *conf,
    const ngx_iot_store_t *store, const ngx_iot_store_name_t *name);


/* ngx_iot_task_purge.c */

/* Goes on with the delete of a registry that was marked; ids are copied. */
void ngx_iot_task_purge(ngx_iot_redis_conf_t *conf,
    const ngx_iot_store_t *store, const ngx_str_t *registry_id,
    const ngx_str_t *operation_id);

/*
 * From now on this worker looks every some seconds whether a delete in that
 * store was broken off, and goes on with it.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_iot_task_watch(ngx_cycle_t *cycle, ngx_iot_redis_conf_t *conf,
    const ngx_iot_store_t *store);


#endif /* _NGX_IOT_TASK_H_INCLUDED_ */
