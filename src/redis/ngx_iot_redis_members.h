
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_MEMBERS_H_INCLUDED_
#define _NGX_IOT_REDIS_MEMBERS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_iot_redis_node.h"
#include "ngx_iot_slots.h"


/*
 * The servers of a cluster that are known, and who of them has which slot.
 * Those that stay keep their links; those that are not told of any more answer
 * what they were asked, and are gone then.
 */

typedef struct ngx_iot_redis_members_s  ngx_iot_redis_members_t;

/* node: NULL if nobody knows where it is */

typedef struct {
    ngx_iot_redis_node_t  *node;
    ngx_uint_t             index;
    ngx_uint_t             stays;

    ngx_str_t              host;
    in_port_t              port;

    ngx_pool_t            *pool;
    ngx_queue_t            queue;           /* when it is gone */
} ngx_iot_redis_member_t;


/* NULL: no memory */
ngx_iot_redis_members_t *ngx_iot_redis_members_create(
    ngx_iot_redis_t *client);
void ngx_iot_redis_members_destroy(ngx_iot_redis_members_t *members);

/*
 * Takes a table that the server of that node has told.  NGX_OK: it was news;
 * NGX_DECLINED: all of it was known; NGX_ERROR: no memory.
 */
ngx_int_t ngx_iot_redis_members_take(ngx_iot_redis_members_t *members,
    const ngx_iot_slots_table_t *table, ngx_iot_redis_node_t *from);

/* the one that has the slot; NULL: nobody */
ngx_iot_redis_member_t *ngx_iot_redis_members_owner(
    const ngx_iot_redis_members_t *members, ngx_uint_t slot);

/* the one at that place, a new one if need be; NULL: too many, or no memory */
ngx_iot_redis_member_t *ngx_iot_redis_members_get(
    ngx_iot_redis_members_t *members, const ngx_iot_slots_server_t *server,
    ngx_iot_redis_node_t *from);

/* the slot is its own now */
void ngx_iot_redis_members_give(ngx_iot_redis_members_t *members,
    ngx_uint_t slot, ngx_iot_redis_member_t *member);

/*
 * Any of those that have a link, best the preferred one, which may be NULL or
 * not there any more; NULL: none has.
 */
ngx_iot_redis_node_t *ngx_iot_redis_members_any_up(
    const ngx_iot_redis_members_t *members,
    const ngx_iot_redis_node_t *preferred);

/* whether one of them can not be reached */
ngx_uint_t ngx_iot_redis_members_any_down(
    const ngx_iot_redis_members_t *members);

/* tells of all lanes; returns whether no slot misses its server */
ngx_uint_t ngx_iot_redis_members_status(
    const ngx_iot_redis_members_t *members, ngx_iot_redis_report_t *report);


#endif /* _NGX_IOT_REDIS_MEMBERS_H_INCLUDED_ */
