
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_DETAILS_H_INCLUDED_
#define _NGX_IOT_DETAILS_H_INCLUDED_


#include "ngx_iot.h"


/*
 * The details of a google.rpc.Status, which a backend gave as JSON: an array
 * of objects with "@type".  As an ngx_iot_out_convert_pt: an Any for each that
 * is of a type of google/rpc/error_details.proto; the others are left out, for
 * only who has their proto could say them in protobuf.
 */
ngx_int_t ngx_iot_details_convert(ngx_pool_t *pool, ngx_uint_t number,
    const ngx_str_t *text, ngx_str_t *bytes);


#endif /* _NGX_IOT_DETAILS_H_INCLUDED_ */
