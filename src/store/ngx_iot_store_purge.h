
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_STORE_PURGE_H_INCLUDED_
#define _NGX_IOT_STORE_PURGE_H_INCLUDED_


#include "ngx_iot_store_registry.h"


/*
 * The delete of a registry.  One script marks it DELETING, in its record
 *
 *   x   the operation that deletes it
 *   e   life of that operation when it is done, ms
 *
 * then its name and its place are released, and the claims of its certificates
 * and they themselves are removed in batches, so that no script keeps the
 * server long.  Claims go first, since only a record tells of its claim.  Who
 * is at it may end at any time: before the mark a job is left in
 *
 *   {00}:j   ZSET   registry id, 0x1f, operation id; score: when it is due, ms
 *
 * which another takes when it is due.  All steps may be repeated, and several
 * may be at the same registry.
 */

#define NGX_IOT_PURGE_BATCH    200

/* ms for which a job is its taker's, and after which it is renewed */
#define NGX_IOT_PURGE_LEASE    30000
#define NGX_IOT_PURGE_RENEWAL  10000


typedef enum {
    NGX_IOT_PURGE_BEGIN = 0,
    NGX_IOT_PURGE_READ,
    NGX_IOT_PURGE_NAME,
    NGX_IOT_PURGE_RENEW,
    NGX_IOT_PURGE_LIST,
    NGX_IOT_PURGE_LOOK,
    NGX_IOT_PURGE_CLAIMS,
    NGX_IOT_PURGE_REMOVE,
    NGX_IOT_PURGE_JOB
} ngx_iot_purge_step_e;


/* where a delete is; it holds all that is kept between two steps */

typedef struct {
    ngx_iot_purge_step_e   step;            /* what the store is asked for */
    ngx_uint_t             done;            /* the registry is gone */
    ngx_uint_t             batches;
    ngx_iot_msec_t         renewed;

    ngx_uint_t             n;               /* of the batch */
    ngx_uint_t             released;
    ngx_str_t              places[NGX_IOT_PURGE_BATCH];
    ngx_str_t              claims[NGX_IOT_PURGE_BATCH];

    ngx_str_t              registry_id;
    ngx_str_t              operation_id;

    u_char                 id_bytes[NGX_IOT_RESOURCE_ID_MAX];
    u_char                 operation_bytes[NGX_IOT_OPERATION_ID_LEN];
    u_char                 place_bytes[NGX_IOT_PURGE_BATCH]
                                      [NGX_IOT_LIST_MEMBER_LEN];
    u_char                 claim_bytes[NGX_IOT_PURGE_BATCH]
                                      [NGX_IOT_OPERATION_ID_LEN];
} ngx_iot_purge_t;


/*
 * Leaves the job of operation, which deletes operation->registry_id; due when
 * a lease is over.  Takes it back.  Whatever is answered is OK.
 */
ngx_int_t ngx_iot_store_leave_job(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_resp_request_t *req);
ngx_int_t ngx_iot_store_remove_job(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *operation_id,
    ngx_iot_resp_request_t *req);

/*
 * Marks operation->registry_id as being deleted.
 * OK; SAME with *operation_id; REUSED, NO_REGISTRY; WAITS: operations of its
 * certificates wait for a backend.
 */
ngx_int_t ngx_iot_store_delete_registry(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_registry_deleted(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *operation_id);


/* ids that are not longer than such ids can be; they are copied */
void ngx_iot_purge_init(ngx_iot_purge_t *purge, const ngx_str_t *registry_id,
    const ngx_str_t *operation_id);

/*
 * The next step of a delete that was marked.  reply: of the request made
 * before, NULL in the first call.
 *
 * NGX_AGAIN     req is to be sent
 * NGX_OK        the delete has come to its end, its job is removed
 * NGX_DECLINED  there is nothing to delete, or not yet
 * NGX_ERROR     it failed; logged
 */
ngx_int_t ngx_iot_purge_next(ngx_iot_purge_t *purge,
    const ngx_iot_store_t *store, ngx_iot_msec_t now,
    const ngx_iot_resp_reply_t *reply, ngx_iot_resp_request_t *req);


/*
 * Asks for a job that is due at that time.  OK: its ids are slices of the
 * reply; NOT_FOUND.
 */
ngx_int_t ngx_iot_store_find_job(const ngx_iot_store_t *store,
    ngx_iot_msec_t now, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_job_found(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *registry_id,
    ngx_str_t *operation_id);

/* Takes it.  OK, or NOT_FOUND: somebody else was first. */
ngx_int_t ngx_iot_store_take_job(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *operation_id,
    ngx_iot_msec_t now, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_job_taken(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply);


#endif /* _NGX_IOT_STORE_PURGE_H_INCLUDED_ */
