
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


/* in place of a size: the page is the rest of the list */
#define NGX_IOT_PAGE_WHOLE      NGX_MAX_INT_T_VALUE


/*
 * A page is read from the store in pieces, and each piece goes out as a part
 * of the answer: so a list of any length takes bounded memory, and bounded
 * work at a time.
 */

typedef struct {
    ngx_uint_t    left;             /* places that it may still take */
    ngx_str_t     after;            /* the last one; empty: from the first */
    u_char        place[NGX_IOT_PAGE_PLACE_MAX];

    unsigned      more:1;           /* the list goes on behind the piece */
    unsigned      begun:1;          /* parts went out */
    unsigned      filled:1;         /* with elements */
    unsigned      last:1;           /* the part at hand is the last one */
} ngx_iot_page_t;


/*
 * Reads call->page.  len: of a place in this list, 0 when they differ; usual:
 * the size when none is said, or 0.  NGX_OK, or NGX_DECLINED with the field
 * named in call->error.
 */
ngx_int_t ngx_iot_page_read(ngx_iot_call_t *call, size_t len,
    ngx_uint_t usual, ngx_iot_page_t *page);

/*
 * How many places the next piece has, at most max.  The store is asked for one
 * more, which tells whether the list goes on.
 */
ngx_uint_t ngx_iot_page_wanted(const ngx_iot_page_t *page, ngx_uint_t max);

/* the store gave n places for so many wanted; returns those of the piece */
ngx_uint_t ngx_iot_page_piece(ngx_iot_page_t *page, ngx_uint_t n,
    ngx_uint_t wanted);

/*
 * The piece of n places was read.  NGX_OK: its part is the last one, NGX_BUSY:
 * it can be written, and others follow.
 */
ngx_int_t ngx_iot_page_part(ngx_iot_page_t *page, const ngx_str_t *places,
    ngx_uint_t n);

/* a part with that many elements went out */
void ngx_iot_page_sent(ngx_iot_page_t *page, ngx_uint_t n);

/* sets the place behind which the list goes on */
void ngx_iot_page_set(ngx_iot_page_t *page, const ngx_str_t *place);

/*
 * What stands around the elements of a part: in the first one the message and
 * its list open, in the last one they close, with the token of the next page.
 */
void ngx_iot_page_write_begin(ngx_iot_out_t *out, const ngx_iot_page_t *page,
    const char *list);
void ngx_iot_page_write_end(ngx_iot_out_t *out, const ngx_iot_page_t *page,
    const ngx_iot_call_t *call);


#endif /* _NGX_IOT_PAGE_H_INCLUDED_ */
