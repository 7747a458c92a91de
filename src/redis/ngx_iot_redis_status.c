
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_client.h"


/* servers whose lanes have room: of a cluster, and else in a change of them */
#define NGX_IOT_REDIS_STATUS_NODES    32
#define NGX_IOT_REDIS_STATUS_SERVERS  4

/* lanes of a server beside those for commands */
#define NGX_IOT_REDIS_STATUS_LANES    2

/* a worker that writes nothing for so long, in ms, is not alive */
#define NGX_IOT_REDIS_STATUS_SILENCE  5000

/* a report that goes on changing while it is read is read as it is */
#define NGX_IOT_REDIS_STATUS_TRIES    16


struct ngx_iot_redis_report_s {
    ngx_atomic_t                  version;      /* odd while it is written */
    ngx_uint_t                    room;         /* lanes */
    ngx_iot_redis_worker_t        worker;
    ngx_iot_redis_lane_status_t   lanes[1];
};


/* the zone's contents; the reports follow */

typedef struct {
    ngx_uint_t                    nreports;
    size_t                        size;         /* of a report */
} ngx_iot_redis_table_t;


static size_t ngx_iot_redis_report_size(const ngx_iot_redis_conf_t *conf);
static ngx_uint_t ngx_iot_redis_report_room(const ngx_iot_redis_conf_t *conf);
static ngx_int_t ngx_iot_redis_status_init_zone(ngx_shm_zone_t *zone,
    void *data);
static ngx_iot_redis_report_t *ngx_iot_redis_status_report(
    const ngx_iot_redis_table_t *table, ngx_uint_t n);
static void ngx_iot_redis_report_begin(ngx_iot_redis_report_t *report);
static void ngx_iot_redis_report_end(ngx_iot_redis_report_t *report);
static void ngx_iot_redis_status_copy(const ngx_iot_redis_report_t *report,
    ngx_iot_redis_worker_status_t *status);
static ngx_uint_t ngx_iot_redis_status_alive(
    const ngx_iot_redis_worker_t *worker);


#define ngx_iot_redis_fault_string(name, text)  ngx_string(text),

static const ngx_str_t  ngx_iot_redis_faults[] = {
    NGX_IOT_REDIS_FAULTS(ngx_iot_redis_fault_string)
};


ngx_int_t
ngx_iot_redis_status_use(ngx_conf_t *cf, ngx_iot_redis_conf_t *conf)
{
    ngx_str_t  name;

    if (conf->status) {
        return NGX_OK;
    }

    name.len = sizeof("iot_store:") - 1 + conf->name.len;

    name.data = ngx_pnalloc(cf->pool, name.len);
    if (name.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(name.data, "iot_store:%V", &conf->name);

    conf->status = ngx_shared_memory_add(cf, &name, 0, &ngx_iot_redis_module);
    if (conf->status == NULL) {
        return NGX_ERROR;
    }

    conf->status->init = ngx_iot_redis_status_init_zone;
    conf->status->data = conf;

    return NGX_OK;
}


/* a zone of other dimensions has another name, so that none is mistaken */
ngx_int_t
ngx_iot_redis_report_zone(ngx_cycle_t *cycle, ngx_iot_redis_conf_t *conf)
{
    size_t            size;
    ngx_str_t        *name;
    ngx_core_conf_t  *ccf;

    if (conf->status == NULL) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    conf->workers = ccf->worker_processes;

    size = sizeof(ngx_iot_redis_table_t)
           + conf->workers * ngx_iot_redis_report_size(conf);

    /* the allocator keeps some pages for itself, and some bytes for each */

    conf->status->shm.size = ngx_align(size + size / 64, ngx_pagesize)
                             + 8 * ngx_pagesize;

    name = &conf->status->shm.name;

    name->data = ngx_pnalloc(cycle->pool,
                             sizeof("iot_store::x") - 1 + conf->name.len
                             + 2 * NGX_INT_T_LEN);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "iot_store:%V:%uix%ui", &conf->name,
                            conf->workers, ngx_iot_redis_report_room(conf))
                - name->data;

    return NGX_OK;
}


static size_t
ngx_iot_redis_report_size(const ngx_iot_redis_conf_t *conf)
{
    return sizeof(ngx_iot_redis_report_t)
           + ngx_iot_redis_report_room(conf)
             * sizeof(ngx_iot_redis_lane_status_t);
}


static ngx_uint_t
ngx_iot_redis_report_room(const ngx_iot_redis_conf_t *conf)
{
    ngx_uint_t  servers;

    servers = ngx_iot_redis_conf_cluster(conf) ? NGX_IOT_REDIS_STATUS_NODES
                                               : NGX_IOT_REDIS_STATUS_SERVERS;

    return servers * (conf->connections + NGX_IOT_REDIS_STATUS_LANES);
}


/* after a reload the table is the one that was */
static ngx_int_t
ngx_iot_redis_status_init_zone(ngx_shm_zone_t *zone, void *data)
{
    ngx_uint_t              i;
    ngx_slab_pool_t        *pool;
    ngx_iot_redis_conf_t   *conf;
    ngx_iot_redis_table_t  *table;

    if (data) {
        zone->data = data;
        return NGX_OK;
    }

    conf = zone->data;
    pool = (ngx_slab_pool_t *) zone->shm.addr;

    table = ngx_slab_calloc(pool, sizeof(ngx_iot_redis_table_t)
                                  + conf->workers
                                    * ngx_iot_redis_report_size(conf));
    if (table == NULL) {
        return NGX_ERROR;
    }

    table->nreports = conf->workers;
    table->size = ngx_iot_redis_report_size(conf);

    for (i = 0; i < table->nreports; i++) {
        ngx_iot_redis_status_report(table, i)->room =
                                             ngx_iot_redis_report_room(conf);
    }

    zone->data = table;

    return NGX_OK;
}


static ngx_iot_redis_report_t *
ngx_iot_redis_status_report(const ngx_iot_redis_table_t *table, ngx_uint_t n)
{
    u_char  *first;

    first = (u_char *) (table + 1);

    return (ngx_iot_redis_report_t *) (first + n * table->size);
}


ngx_iot_redis_report_t *
ngx_iot_redis_report_attach(ngx_iot_redis_conf_t *conf,
    ngx_iot_redis_tally_t *tally)
{
    ngx_iot_redis_table_t   *table;
    ngx_iot_redis_report_t  *report;

    if (conf->status == NULL) {
        return NULL;
    }

    table = conf->status->data;

    if (ngx_worker >= table->nreports) {
        return NULL;
    }

    report = ngx_iot_redis_status_report(table, ngx_worker);

    report->worker.pid = ngx_pid;
    *tally = report->worker.tally;

    return report;
}


void
ngx_iot_redis_report_detach(ngx_iot_redis_report_t *report)
{
    if (report->worker.pid == ngx_pid) {
        report->worker.pid = 0;
    }
}


ngx_int_t
ngx_iot_redis_report_write(ngx_iot_redis_report_t *report,
    ngx_iot_redis_t *client)
{
    ngx_iot_redis_worker_t  *worker;

    worker = &report->worker;

    if (worker->pid != ngx_pid) {
        return NGX_DECLINED;
    }

    ngx_iot_redis_report_begin(report);

    worker->seen = ngx_iot_redis_status_time();
    worker->queue = client->n;
    worker->tally = client->tally;
    worker->nlanes = 0;
    worker->nhidden = 0;

    worker->ready = client->topology->status(client->servers, report);

    ngx_iot_redis_report_end(report);

    return NGX_OK;
}


/* the worker before this one may be at it, too, or have died while it was */
static void
ngx_iot_redis_report_begin(ngx_iot_redis_report_t *report)
{
    report->version |= 1;

    ngx_memory_barrier();
}


static void
ngx_iot_redis_report_end(ngx_iot_redis_report_t *report)
{
    ngx_memory_barrier();

    report->version = (report->version | 1) + 1;
}


ngx_iot_redis_lane_status_t *
ngx_iot_redis_report_lane(ngx_iot_redis_report_t *report,
    const ngx_str_t *server, ngx_iot_redis_lane_use_e use)
{
    ngx_iot_redis_lane_status_t  *lane;

    if (report->worker.nlanes == report->room) {
        report->worker.nhidden++;
        return NULL;
    }

    lane = &report->lanes[report->worker.nlanes++];

    ngx_iot_redis_report_name(&lane->server, server);

    lane->use = use;

    return lane;
}


void
ngx_iot_redis_report_name(ngx_iot_redis_lane_name_t *name,
    const ngx_str_t *text)
{
    name->len = ngx_min(text->len, NGX_IOT_REDIS_LANE_NAME_LEN);

    ngx_memcpy(name->text, text->data, name->len);
}


ngx_uint_t
ngx_iot_redis_status_workers(ngx_iot_redis_conf_t *conf)
{
    ngx_iot_redis_table_t  *table;

    table = conf->status->data;

    return table->nreports;
}


ngx_int_t
ngx_iot_redis_status_read(ngx_iot_redis_conf_t *conf, ngx_uint_t n,
    ngx_pool_t *pool, ngx_iot_redis_worker_status_t *status)
{
    ngx_uint_t               i;
    ngx_atomic_uint_t        version;
    ngx_iot_redis_report_t  *report;

    report = ngx_iot_redis_status_report(conf->status->data, n);

    if (conf->client && conf->client->report == report) {
        (void) ngx_iot_redis_report_write(report, conf->client);
    }

    status->lanes = ngx_palloc(pool, report->room
                                     * sizeof(ngx_iot_redis_lane_status_t));
    if (status->lanes == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < NGX_IOT_REDIS_STATUS_TRIES; i++) {
        version = report->version;

        ngx_memory_barrier();

        ngx_iot_redis_status_copy(report, status);

        ngx_memory_barrier();

        if (version == report->version && !(version & 1)) {
            break;
        }
    }

    status->alive = ngx_iot_redis_status_alive(&status->worker);

    return NGX_OK;
}


static void
ngx_iot_redis_status_copy(const ngx_iot_redis_report_t *report,
    ngx_iot_redis_worker_status_t *status)
{
    status->worker = report->worker;

    if (status->worker.nlanes > report->room) {
        status->worker.nlanes = report->room;
    }

    ngx_memcpy(status->lanes, report->lanes,
               status->worker.nlanes * sizeof(ngx_iot_redis_lane_status_t));
}


/* a crash leaves its pid behind; a loop that does not turn is no better */
static ngx_uint_t
ngx_iot_redis_status_alive(const ngx_iot_redis_worker_t *worker)
{
    if (worker->pid == 0) {
        return 0;
    }

    if (kill(worker->pid, 0) == -1 && ngx_errno == ESRCH) {
        return 0;
    }

    return worker->seen + NGX_IOT_REDIS_STATUS_SILENCE
           > ngx_iot_redis_status_time();
}


ngx_iot_redis_fault_e
ngx_iot_redis_fault(const ngx_str_t *text)
{
    size_t            len;
    u_char           *p;
    ngx_uint_t        i;
    const ngx_str_t  *name;

    p = ngx_strlchr(text->data, text->data + text->len, ' ');
    len = p ? (size_t) (p - text->data) : text->len;

    for (i = NGX_IOT_REDIS_FAULT_READONLY; i < NGX_IOT_REDIS_FAULT_MAX; i++)
    {
        name = &ngx_iot_redis_faults[i];

        if (name->len == len && ngx_memcmp(name->data, text->data, len) == 0) {
            return i;
        }
    }

    return NGX_IOT_REDIS_FAULT_OTHER;
}


const ngx_str_t *
ngx_iot_redis_fault_name(ngx_iot_redis_fault_e fault)
{
    return &ngx_iot_redis_faults[fault];
}


uint64_t
ngx_iot_redis_status_time(void)
{
    ngx_time_t  *tp;

    tp = ngx_timeofday();

    return (uint64_t) tp->sec * 1000 + tp->msec;
}
