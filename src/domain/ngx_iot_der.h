
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_DER_H_INCLUDED_
#define _NGX_IOT_DER_H_INCLUDED_


#include "ngx_iot.h"


/*
 * 1 when the lengths, tags, truth values and bit strings of len bytes are DER
 * (X.690, sections 8.1.2, 10.1, 10.2, 11.1 and 11.2), with nesting of at most
 * 32 levels.  What the elements mean is not looked at; tags above 30 are
 * refused, a certificate has none.
 */
ngx_uint_t ngx_iot_der_strict(const u_char *data, size_t len);

/*
 * 1 when the bytes are a Name (RFC 5280, section 4.1.2.4) whose values are
 * ASCII in a PrintableString, IA5String or UTF8String, as nearly all are.
 * 0 says nothing: another reader has to decide.
 */
ngx_uint_t ngx_iot_der_plain_name(const u_char *p, size_t len);

/*
 * A time of a certificate's validity (RFC 5280, sections 4.1.2.5.1 and
 * 4.1.2.5.2): YYMMDDHHMMSSZ when it is a UTCTime, else two digits more.
 * NGX_OK: its fields, and seconds since the epoch; NGX_ERROR: it is not that.
 */
ngx_int_t ngx_iot_der_time(const u_char *p, size_t len, ngx_uint_t utc_time,
    ngx_tm_t *tm, int64_t *sec);


#endif /* _NGX_IOT_DER_H_INCLUDED_ */
