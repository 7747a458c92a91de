
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_LOG_OPTIONS_H_INCLUDED_
#define _NGX_IOT_LOG_OPTIONS_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"


/*
 * yandex.cloud.iot.devices.v1.LogOptions, which the gateway keeps for its
 * clients as JSON.  This turns text, a protobuf message, into the JSON that
 * proto3 has for it.  NGX_OK; NGX_DECLINED: it is no such message; NGX_ERROR.
 */
ngx_int_t ngx_iot_log_options_read(ngx_pool_t *pool, ngx_str_t *text,
    ngx_iot_error_t *err);

/* the other way, as an ngx_iot_out_convert_pt */
ngx_int_t ngx_iot_log_options_convert(ngx_pool_t *pool, ngx_uint_t number,
    const ngx_str_t *text, ngx_str_t *bytes);

/*
 * For comparing: bytes, in pool, that are the same for the same options,
 * however their JSON is spelled; text itself when it is no LogOptions, and
 * nothing when it is empty.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_iot_log_options_canonical(ngx_pool_t *pool,
    const ngx_str_t *text, ngx_str_t *bytes);


#endif /* _NGX_IOT_LOG_OPTIONS_H_INCLUDED_ */
