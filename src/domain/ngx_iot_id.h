
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_ID_H_INCLUDED_
#define _NGX_IOT_ID_H_INCLUDED_


#include "ngx_iot.h"


/*
 * Ids that the gateway makes: base32hex in lower case (RFC 4648, section 7),
 * which sorts as the numbers it encodes.
 *
 *     2 characters   shard of the registry, 10 bits
 *     9 characters   time of creation, 45 bits of milliseconds
 *     9 characters   random, 45 bits
 *
 * So the shard's keys are found from the id alone, and within a shard the
 * order of ids is the order of time.  An id is a name, never a permission.
 */

#define NGX_IOT_ID_RANDOM_LEN  6        /* bytes that make one id */


/* writes 2 characters at p and returns the end; shard < 1024 */
u_char *ngx_iot_id_tag(u_char *p, ngx_uint_t shard);

/*
 * Writes NGX_IOT_OPERATION_ID_LEN bytes at p and returns the end.
 * random: NGX_IOT_ID_RANDOM_LEN bytes from a cryptographic source.
 */
u_char *ngx_iot_id_make(u_char *p, ngx_uint_t shard, ngx_iot_msec_t now,
    const u_char *random);

/*
 * The smallest id of the shard at that time, to compare with: no id that was
 * made before sorts after it.  Writes as ngx_iot_id_make() does.
 */
u_char *ngx_iot_id_lower_bound(u_char *p, ngx_uint_t shard,
    ngx_iot_msec_t time);

/* when an id that ngx_iot_id_valid() has accepted was made */
ngx_iot_msec_t ngx_iot_id_time(const ngx_str_t *id);

/* 1 when an id of ours can look like this */
ngx_uint_t ngx_iot_id_valid(const ngx_str_t *id);

/* 1 for 1-50 of [A-Za-z0-9_-]: the id of a registry or a folder */
ngx_uint_t ngx_iot_id_resource_valid(const ngx_str_t *id);

/*
 * Reads a UUID as it is written, 8-4-4-4-12 hex digits of any case, into
 * NGX_IOT_UUID_LEN bytes.  NGX_DECLINED: it is not that.
 */
ngx_int_t ngx_iot_id_uuid(const ngx_str_t *text, u_char *uuid);


#endif /* _NGX_IOT_ID_H_INCLUDED_ */
