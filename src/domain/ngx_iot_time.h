
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_TIME_H_INCLUDED_
#define _NGX_IOT_TIME_H_INCLUDED_


#include "ngx_iot.h"


#define NGX_IOT_TIME_LEN  (sizeof("1970-01-01T00:00:00.000Z") - 1)

/* 9999-12-31T23:59:59.999Z, the last moment that RFC 3339 can write */
#define NGX_IOT_TIME_MAX  ((ngx_iot_msec_t) 253402300799999)


/*
 * RFC 3339 in UTC with exactly three fraction digits, as proto3 JSON writes a
 * google.protobuf.Timestamp.  Writes NGX_IOT_TIME_LEN bytes at p and returns
 * the end; years after 9999 are written as 9999-12-31T23:59:59.999Z.
 */
u_char *ngx_iot_time_format(u_char *p, ngx_iot_msec_t ms);

/*
 * Reads a time of RFC 3339, with any number of fraction digits, of which three
 * count, and any offset.  NGX_OK; NGX_DECLINED: it is not one, or is before
 * 1970, or after 9999 in UTC.
 */
ngx_int_t ngx_iot_time_parse(const ngx_str_t *text, ngx_iot_msec_t *ms);


#endif /* _NGX_IOT_TIME_H_INCLUDED_ */
