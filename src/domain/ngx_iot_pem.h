
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_PEM_H_INCLUDED_
#define _NGX_IOT_PEM_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"


/*
 * The DER of the one CERTIFICATE block in text (RFC 7468), made in pool.  Text
 * around the block, blocks of other kinds beside it, CRLF and a missing last
 * newline are fine.  Its BEGIN and END lines start in the first column, and no
 * empty line is inside: other readers would find something else in the text.
 *
 * NGX_DECLINED fills err but for its field; no error quotes the text.
 */
ngx_int_t ngx_iot_pem_read(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_str_t *der, ngx_iot_error_t *err);

/*
 * The text that tools write for der: lines of 64 characters, "\n", the last
 * line ended too.  pem is made in pool; NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_iot_pem_write(ngx_pool_t *pool, const ngx_str_t *der,
    ngx_str_t *pem);

/* 1 when the text holds, or seems to hold, a private key of any kind */
ngx_uint_t ngx_iot_pem_has_private_key(const ngx_str_t *text);


#endif /* _NGX_IOT_PEM_H_INCLUDED_ */
