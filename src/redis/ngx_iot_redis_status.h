
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_STATUS_H_INCLUDED_
#define _NGX_IOT_REDIS_STATUS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis.h"


/*
 * What the clients of all workers have to tell, in shared memory, so that any
 * worker can answer for all.  A worker writes to the report of its number,
 * each second.  The next worker of that number, after a crash or a reload,
 * goes on with the report and its counts; the one before notices and leaves it
 * alone.
 */


/*
 * What went wrong with commands and links.  The last rows are error replies,
 * which are told by their first word; also those that were tried again.
 */

#define NGX_IOT_REDIS_FAULTS(row)                                             \
    row(TIMED_OUT, "timedOut")          /* sent, no answer in time */         \
    row(LOST, "lost")                   /* sent, then the link broke */       \
    row(UNREPLICATED, "unreplicated")   /* done, replicas are missing */      \
    row(UNAVAILABLE, "unavailable")     /* not sent: no link */               \
    row(QUEUE_FULL, "queueFull")        /* not even queued */                 \
    row(CONNECT, "connect")             /* an attempt to connect */           \
    row(READONLY, "READONLY")                                                 \
    row(LOADING, "LOADING")                                                   \
    row(MASTERDOWN, "MASTERDOWN")                                             \
    row(BUSY, "BUSY")                                                         \
    row(OOM, "OOM")                                                           \
    row(MISCONF, "MISCONF")                                                   \
    row(NOREPLICAS, "NOREPLICAS")                                             \
    row(CLUSTERDOWN, "CLUSTERDOWN")                                           \
    row(TRYAGAIN, "TRYAGAIN")                                                 \
    row(NOAUTH, "NOAUTH")                                                     \
    row(NOPERM, "NOPERM")                                                     \
    row(OTHER, "other")                 /* any other error reply */

#define NGX_IOT_REDIS_FAULT_VALUE(name, text)  NGX_IOT_REDIS_FAULT_##name,

typedef enum {
    NGX_IOT_REDIS_FAULTS(NGX_IOT_REDIS_FAULT_VALUE)
    NGX_IOT_REDIS_FAULT_MAX
} ngx_iot_redis_fault_e;


typedef struct {
    ngx_uint_t                   faults[NGX_IOT_REDIS_FAULT_MAX];
    ngx_uint_t                   reconnects;
} ngx_iot_redis_tally_t;


/* lanes: what links are for, and whether there is one */

typedef enum {
    NGX_IOT_REDIS_LANE_COMMANDS = 0,
    NGX_IOT_REDIS_LANE_READS,           /* where writes wait for replicas */
    NGX_IOT_REDIS_LANE_LARGE,
    NGX_IOT_REDIS_LANE_SENTINEL         /* to the one that is listened to */
} ngx_iot_redis_lane_use_e;


typedef enum {
    /* no link, and none was tried */
    NGX_IOT_REDIS_LANE_IDLE = 0,

    /* the first attempt: commands wait for it */
    NGX_IOT_REDIS_LANE_CONNECTING,

    NGX_IOT_REDIS_LANE_UP,

    /* an attempt has failed; the next is awaited, or in progress */
    NGX_IOT_REDIS_LANE_DOWN
} ngx_iot_redis_lane_state_e;


#define NGX_IOT_REDIS_LANE_NAME_LEN  64

typedef struct {
    u_char                       text[NGX_IOT_REDIS_LANE_NAME_LEN];
    size_t                       len;
} ngx_iot_redis_lane_name_t;


typedef struct {
    ngx_iot_redis_lane_name_t    server;
    ngx_iot_redis_lane_name_t    address;       /* that the server is at */

    ngx_iot_redis_lane_use_e     use;
    ngx_iot_redis_lane_state_e   state;
    uint64_t                     since;         /* ms; 0: it never changed */
    ngx_uint_t                   connects;      /* how often it came up */
} ngx_iot_redis_lane_status_t;


typedef struct {
    ngx_pid_t                    pid;           /* 0: there is none */
    uint64_t                     seen;          /* ms: when it wrote this */

    ngx_uint_t                   ready;         /* no server needed is down */
    ngx_uint_t                   queue;         /* commands on their way */
    ngx_iot_redis_tally_t        tally;

    ngx_uint_t                   nlanes;
    ngx_uint_t                   nhidden;       /* more, that had no room */
} ngx_iot_redis_worker_t;


/* a worker and its lanes as they are read, in the reader's memory */

typedef struct {
    ngx_iot_redis_worker_t       worker;
    ngx_iot_redis_lane_status_t *lanes;
    ngx_uint_t                   alive;
} ngx_iot_redis_worker_status_t;


/* configuration time: somebody will read the status.  NGX_OK or NGX_ERROR */
ngx_int_t ngx_iot_redis_status_use(ngx_conf_t *cf, ngx_iot_redis_conf_t *conf);


/* what a fault is called, which ends in a NUL */
const ngx_str_t *ngx_iot_redis_fault_name(ngx_iot_redis_fault_e fault);

/* run time, in a worker; of a store whose status is used */

/* how many reports there are */
ngx_uint_t ngx_iot_redis_status_workers(ngx_iot_redis_conf_t *conf);

/* reads report n, this worker's own as it is now; NGX_OK or NGX_ERROR */
ngx_int_t ngx_iot_redis_status_read(ngx_iot_redis_conf_t *conf, ngx_uint_t n,
    ngx_pool_t *pool, ngx_iot_redis_worker_status_t *status);


#endif /* _NGX_IOT_REDIS_STATUS_H_INCLUDED_ */
