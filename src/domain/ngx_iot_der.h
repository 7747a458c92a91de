
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_DER_H_INCLUDED_
#define _NGX_IOT_DER_H_INCLUDED_


#include "ngx_iot.h"


/*
 * 1 when the lengths and tags of len bytes are DER (X.690, sections 8.1.2,
 * 10.1 and 10.2), with nesting of at most 32 levels.  What the elements mean
 * is not looked at; tags above 30 are refused, a certificate has none.
 */
ngx_uint_t ngx_iot_der_strict(const u_char *data, size_t len);

/*
 * A time of a certificate's validity (RFC 5280, sections 4.1.2.5.1 and
 * 4.1.2.5.2): YYMMDDHHMMSSZ when it is a UTCTime, else two digits more.
 * NGX_OK: its fields, and seconds since the epoch; NGX_ERROR: it is not that.
 */
ngx_int_t ngx_iot_der_time(const u_char *p, size_t len, ngx_uint_t utc_time,
    ngx_tm_t *tm, int64_t *sec);


#endif /* _NGX_IOT_DER_H_INCLUDED_ */
