
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_UTF8_H_INCLUDED_
#define _NGX_IOT_UTF8_H_INCLUDED_


#include "ngx_iot.h"


/*
 * Moves *pos, which is before last, over one character of UTF-8 (RFC 3629).
 * NGX_DECLINED: there is none; *pos has moved over the bytes, at least one,
 * for which Unicode puts one U+FFFD (the maximal subpart of a character).
 */
ngx_int_t ngx_iot_utf8_next(const u_char **pos, const u_char *last);

/*
 * The end of the run of plain bytes at p: ASCII that JSON writes as it is,
 * that is no control byte, quote or backslash.
 */
const u_char *ngx_iot_utf8_plain(const u_char *p, const u_char *last);


#endif /* _NGX_IOT_UTF8_H_INCLUDED_ */
