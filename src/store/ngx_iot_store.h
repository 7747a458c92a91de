
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_STORE_H_INCLUDED_
#define _NGX_IOT_STORE_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_operation.h"
#include "ngx_iot_resp.h"


/*
 * The Redis schema: the only place that spells a key, a field or a format.
 * Requests are made from domain values, replies become domain values; nothing
 * is sent here.
 *
 * {t} is the tag of the registry's shard, {f} of the fingerprint's.
 *
 *   {t}:r:<registry>                HASH    v format, s status, f folder id,
 *                                           c createdAt
 *   {t}:c:<registry>:<fingerprint>  STRING  the certificate's record, below
 *   {t}:z:<registry>                ZSET    score 0, 6 bytes of createdAt, ms,
 *                                           and 32 of SHA-256: oldest first
 *   {t}:h:<registry>                HASH    SHA-1 -> SHA-256, raw: the alias
 *                                           that the cloud service printed
 *   {t}:o:<operation>               HASH    v format, k kind, r registry id,
 *                                           f SHA-256, b createdBy, c created
 *                                           and m modified (when they differ),
 *                                           ms, d done; expires
 *   {t}:y:<registry>                ZSET    score 0, operation ids; expires
 *   {f}:x:<fingerprint>             STRING  1 byte format, registry id, 0x1f,
 *                                           operation id: the claim that makes
 *                                           a certificate one registry's own
 *
 * A certificate's record:
 *
 *   1 byte   format
 *   8 bytes  createdAt, ms, big endian
 *  20 bytes  id of the operation that added it
 *  20 bytes  SHA-1, so that who deletes the record finds its alias
 *   1 byte   how certificate_data is kept: NGX_IOT_STORE_TEXT as it was sent,
 *            NGX_IOT_STORE_PEM as DER, when the usual PEM of the DER is what
 *            was sent, NGX_IOT_STORE_PEM_OPEN the same without its last "\n"
 *   the rest the text or the DER
 */

#define NGX_IOT_STORE_FORMAT    1

#define NGX_IOT_STORE_TEXT      0
#define NGX_IOT_STORE_PEM       1
#define NGX_IOT_STORE_PEM_OPEN  2


/* what the store made of a request */

typedef enum {
    NGX_IOT_STORE_OK = 0,
    NGX_IOT_STORE_NOT_FOUND,            /* no registry, operation, … */
    NGX_IOT_STORE_REGISTRY_DISABLED,
    NGX_IOT_STORE_EXISTS,               /* in this registry */
    NGX_IOT_STORE_HELD,                 /* by another registry */
    NGX_IOT_STORE_NEWER,                /* a record of a newer format */
    NGX_IOT_STORE_ERROR                 /* not a reply of ours; logged */
} ngx_iot_store_result_e;


/* how requests are made; by value, the prefix is not copied */

typedef struct {
    ngx_pool_t      *pool;              /* of requests and of what is read */
    ngx_log_t       *log;
    ngx_str_t        key_prefix;
} ngx_iot_store_t;


/*
 * Adds operation->certificate to its registry and stores the operation, which
 * is done.  retention: life of the operation, ms.  open: the registry needs no
 * record.  The request points to memory of the pool and to the operation.
 */
ngx_int_t ngx_iot_store_add_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_msec_t retention,
    ngx_uint_t open, ngx_iot_resp_request_t *req);

/*
 * OK, NOT_FOUND (the registry), REGISTRY_DISABLED, EXISTS (*added_by is the id
 * of the operation that added it, copied into the pool), HELD, NEWER, ERROR.
 */
ngx_iot_store_result_e ngx_iot_store_certificate_added(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *added_by);


/* reads the operation of that id, which ngx_iot_id_valid() has accepted */
ngx_int_t ngx_iot_store_get_operation(const ngx_iot_store_t *store,
    const ngx_str_t *operation_id, ngx_iot_resp_request_t *req);

/*
 * OK, NOT_FOUND, NEWER, ERROR.  With OK everything of the operation is set but
 * the text of its certificate, which is read next.
 */
ngx_iot_store_result_e ngx_iot_store_operation(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operation);


/* reads the record of the certificate with that registry id and fingerprint */
ngx_int_t ngx_iot_store_get_certificate(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_iot_resp_request_t *req);

/*
 * OK, NOT_FOUND, NEWER, ERROR.  With OK sets pem and created_at of certificate
 * and *added_by, in the pool.
 */
ngx_iot_store_result_e ngx_iot_store_certificate(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_certificate_t *certificate,
    ngx_str_t *added_by);


#endif /* _NGX_IOT_STORE_H_INCLUDED_ */
