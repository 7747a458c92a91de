
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_shard.h"
#include "ngx_iot_slots.h"


ngx_uint_t
ngx_iot_shard_registry(const ngx_str_t *registry_id)
{
    return ngx_iot_slots_crc16(registry_id->data, registry_id->len)
           % NGX_IOT_SHARDS;
}


ngx_uint_t
ngx_iot_shard_fingerprint(const u_char *sha256)
{
    return (ngx_uint_t) sha256[0] << 2 | sha256[1] >> 6;
}
