
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_REPORT_H_INCLUDED_
#define _NGX_IOT_REDIS_REPORT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_conf.h"
#include "ngx_iot_redis_status.h"


/* the writing half of the status, for the client */


/* a worker's part of the shared memory */
typedef struct ngx_iot_redis_report_s  ngx_iot_redis_report_t;


/* when the number of workers is known; NGX_OK or NGX_ERROR */
ngx_int_t ngx_iot_redis_report_zone(ngx_cycle_t *cycle,
    ngx_iot_redis_conf_t *conf);

/*
 * The report of this worker, and in *tally the counts of the one before; NULL:
 * the status is not used, or there are more workers than reports.
 */
ngx_iot_redis_report_t *ngx_iot_redis_report_attach(ngx_iot_redis_conf_t *conf,
    ngx_iot_redis_tally_t *tally);
void ngx_iot_redis_report_detach(ngx_iot_redis_report_t *report);

/*
 * Writes what the client has to tell; its topology calls
 * ngx_iot_redis_report_lane() for each lane.  NGX_DECLINED: the report is
 * another worker's by now.
 */
ngx_int_t ngx_iot_redis_report_write(ngx_iot_redis_report_t *report,
    ngx_iot_redis_t *client);

/* room for one more lane, its server and use set; NULL: there is none */
ngx_iot_redis_lane_status_t *ngx_iot_redis_report_lane(
    ngx_iot_redis_report_t *report, const ngx_str_t *server,
    ngx_iot_redis_lane_use_e use);

/* cut when there is no room for all of it */
void ngx_iot_redis_report_name(ngx_iot_redis_lane_name_t *name,
    const ngx_str_t *text);

/* the class of an error reply */
ngx_iot_redis_fault_e ngx_iot_redis_fault(const ngx_str_t *text);

/* now, in ms since the epoch */
uint64_t ngx_iot_redis_status_time(void);


#endif /* _NGX_IOT_REDIS_REPORT_H_INCLUDED_ */
