
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_shard.h"


/* the shards of stored data never change: these were computed elsewhere */

static const struct {
    ngx_str_t    registry_id;
    ngx_uint_t   shard;
} registries[] = {
    { ngx_string(""), 0 },
    { ngx_string("a"), 135 },
    { ngx_string("fleet"), 238 },
    { ngx_string("b91ki5qsh7cq5ucklaoh"), 164 },
    { ngx_string("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"), 927 },

    /* the check value of CRC-16/XMODEM, 0x31c3 */
    { ngx_string("123456789"), 0x31c3 % NGX_IOT_SHARDS }
};


int
main(void)
{
    ngx_uint_t  i;

    u_char  sha256[NGX_IOT_SHA256_LEN] = { 0x24, 0xfc };
    u_char  last[NGX_IOT_SHA256_LEN] = { 0xff, 0xff };

    for (i = 0; i < sizeof(registries) / sizeof(registries[0]); i++) {
        unit_is_int(ngx_iot_shard_registry(&registries[i].registry_id),
                    registries[i].shard, "registry \"%s\"",
                    registries[i].registry_id.data);
    }

    unit_is_int(ngx_iot_shard_fingerprint(sha256), 147,
                "fingerprint 24fc: 0010 0100 11");
    unit_is_int(ngx_iot_shard_fingerprint(last), 1023, "fingerprint ffff");

    return unit_done();
}
