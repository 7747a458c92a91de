
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_SHARD_H_INCLUDED_
#define _NGX_IOT_SHARD_H_INCLUDED_


#include "ngx_iot.h"


/*
 * Everything of one registry is in one of 1024 shards, whose two-character tag
 * (ngx_iot_id_tag()) stands as {tag} in its keys, so that one shard is one
 * Redis Cluster slot.  The number is fixed for the life of the data.
 */

#define NGX_IOT_SHARDS  1024


/* the shard of a registry: CRC-16/XMODEM of its id, modulo NGX_IOT_SHARDS */
ngx_uint_t ngx_iot_shard_registry(const ngx_str_t *registry_id);

/* the shard of a certificate's claim: the first 10 bits of its SHA-256 */
ngx_uint_t ngx_iot_shard_fingerprint(const u_char *sha256);


#endif /* _NGX_IOT_SHARD_H_INCLUDED_ */
