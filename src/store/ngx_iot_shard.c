
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_shard.h"


ngx_uint_t
ngx_iot_shard_registry(const ngx_str_t *registry_id)
{
    size_t      i;
    uint16_t    crc;
    ngx_uint_t  bit;

    crc = 0;

    for (i = 0; i < registry_id->len; i++) {
        crc ^= (uint16_t) (registry_id->data[i] << 8);

        for (bit = 0; bit < 8; bit++) {
            crc = (uint16_t) ((crc & 0x8000) ? (crc << 1) ^ 0x1021 : crc << 1);
        }
    }

    return crc % NGX_IOT_SHARDS;
}


ngx_uint_t
ngx_iot_shard_fingerprint(const u_char *sha256)
{
    return (ngx_uint_t) sha256[0] << 2 | sha256[1] >> 6;
}
