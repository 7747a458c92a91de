
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_out.h"


ngx_int_t
ngx_iot_out_render(ngx_pool_t *pool, ngx_iot_wire_e wire, ngx_iot_out_pt write,
    const void *data, ngx_str_t *text)
{
    ngx_iot_out_t  out;

    ngx_memzero(&out, sizeof(ngx_iot_out_t));

    out.encoding = (wire == NGX_IOT_PROTOBUF) ? &ngx_iot_out_protobuf
                                              : &ngx_iot_out_json;
    out.pool = pool;

    write(&out, data);

    if (out.failed) {
        return NGX_ERROR;
    }

    text->len = out.len;
    text->data = ngx_pnalloc(pool, out.len);

    if (text->data == NULL) {
        return NGX_ERROR;
    }

    out.pos = text->data;
    out.len = 0;
    out.comma = 0;

    write(&out, data);

    return NGX_OK;
}
