
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_PAGE_H_INCLUDED_
#define _NGX_IOT_PAGE_H_INCLUDED_


#include "ngx_iot_method.h"


/*
 * Pages of a list (AIP-158).  A token is base64url of four bytes that bind it
 * to the registry, or to the folder, and of the place behind which the page
 * begins.
 */

#define NGX_IOT_PAGE_SIZE_MAX   1000
#define NGX_IOT_PAGE_PLACE_MAX  64
#define NGX_IOT_PAGE_TOKEN_MAX  100


typedef struct {
    ngx_uint_t    size;             /* 0: not said */
    ngx_str_t     after;            /* empty: from the first */
    u_char        place[NGX_IOT_PAGE_PLACE_MAX];
} ngx_iot_page_t;


/*
 * Reads call->page; len: of a place in this list, 0 when they differ.
 * NGX_OK, or NGX_DECLINED with the field named in call->error.
 */
ngx_int_t ngx_iot_page_read(ngx_iot_call_t *call, size_t len,
    ngx_iot_page_t *page);

/* sets the place behind which the list goes on */
void ngx_iot_page_set(ngx_iot_page_t *page, const ngx_str_t *place);

/*
 * Closes the array and the object of a list.  page: whose token tells where
 * the next one begins; NULL: there is none.
 */
void ngx_iot_page_write_end(ngx_iot_out_t *out,
    const ngx_iot_call_t *call, const ngx_iot_page_t *page);


#endif /* _NGX_IOT_PAGE_H_INCLUDED_ */
