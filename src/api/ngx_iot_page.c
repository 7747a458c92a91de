
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_page.h"


#define NGX_IOT_PAGE_BIND_LEN  4


static ngx_int_t ngx_iot_page_read_size(ngx_iot_call_t *call,
    ngx_uint_t usual, ngx_iot_page_t *page);
static ngx_int_t ngx_iot_page_read_token(ngx_iot_call_t *call, size_t len,
    ngx_iot_page_t *page);
static ngx_str_t ngx_iot_page_token(const ngx_iot_call_t *call,
    const ngx_iot_page_t *page, u_char *buf);
static void ngx_iot_page_bind(const ngx_iot_call_t *call, u_char *p);


ngx_int_t
ngx_iot_page_read(ngx_iot_call_t *call, size_t len, ngx_uint_t usual,
    ngx_iot_page_t *page)
{
    ngx_int_t  rc;

    ngx_memzero(page, sizeof(ngx_iot_page_t));

    rc = ngx_iot_page_read_size(call, usual, page);

    if (rc == NGX_OK && call->page.token.len) {
        rc = ngx_iot_page_read_token(call, len, page);
    }

    return rc;
}


static ngx_int_t
ngx_iot_page_read_size(ngx_iot_call_t *call, ngx_uint_t usual,
    ngx_iot_page_t *page)
{
    ngx_int_t         n;
    const ngx_str_t  *size;

    page->left = usual;
    size = &call->page.size;

    if (size->len == 0) {
        return NGX_OK;
    }

    n = ngx_atoi(size->data, size->len);

    if (n == NGX_ERROR || n > NGX_IOT_PAGE_SIZE_MAX) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "page_size",
                            "a page size is a number from 0 to 1000");
        return NGX_DECLINED;
    }

    if (n) {
        page->left = (ngx_uint_t) n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_page_read_token(ngx_iot_call_t *call, size_t len,
    ngx_iot_page_t *page)
{
    u_char            bind[NGX_IOT_PAGE_BIND_LEN];
    u_char            buf[NGX_IOT_PAGE_TOKEN_MAX];
    ngx_str_t         src, dst, place;
    const ngx_str_t  *token;

    token = &call->page.token;

    if (token->len <= NGX_IOT_PAGE_TOKEN_MAX) {
        src = *token;
        dst.data = buf;

        ngx_iot_page_bind(call, bind);

        if (ngx_decode_base64url(&dst, &src) == NGX_OK
            && dst.len > NGX_IOT_PAGE_BIND_LEN
            && dst.len <= NGX_IOT_PAGE_BIND_LEN + NGX_IOT_PAGE_PLACE_MAX
            && (len == 0 || dst.len == NGX_IOT_PAGE_BIND_LEN + len)
            && ngx_memcmp(buf, bind, NGX_IOT_PAGE_BIND_LEN) == 0)
        {
            place.data = buf + NGX_IOT_PAGE_BIND_LEN;
            place.len = dst.len - NGX_IOT_PAGE_BIND_LEN;

            ngx_iot_page_set(page, &place);

            return NGX_OK;
        }
    }

    ngx_iot_field_error(&call->error, INVALID_FIELD, "page_token",
                        "the page token is not one of this list");

    return NGX_DECLINED;
}


ngx_uint_t
ngx_iot_page_wanted(const ngx_iot_page_t *page, ngx_uint_t max)
{
    return ngx_min(page->left, max);
}


ngx_uint_t
ngx_iot_page_piece(ngx_iot_page_t *page, ngx_uint_t n, ngx_uint_t wanted)
{
    page->more = (n > wanted);

    return ngx_min(n, wanted);
}


ngx_int_t
ngx_iot_page_part(ngx_iot_page_t *page, const ngx_str_t *places, ngx_uint_t n)
{
    if (n) {
        ngx_iot_page_set(page, &places[n - 1]);
        page->left -= n;
    }

    page->last = (!page->more || page->left == 0);

    return page->last ? NGX_OK : NGX_BUSY;
}


void
ngx_iot_page_sent(ngx_iot_page_t *page, ngx_uint_t n)
{
    page->begun = 1;

    if (n) {
        page->filled = 1;
    }
}


void
ngx_iot_page_set(ngx_iot_page_t *page, const ngx_str_t *place)
{
    ngx_memcpy(page->place, place->data, place->len);

    page->after.data = page->place;
    page->after.len = place->len;
}


void
ngx_iot_page_write_begin(ngx_iot_out_t *out, const ngx_iot_page_t *page,
    const char *list)
{
    if (page->begun) {
        ngx_iot_out_resume(out, page->filled);
        return;
    }

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_list(out, list);
}


void
ngx_iot_page_write_end(ngx_iot_out_t *out, const ngx_iot_page_t *page,
    const ngx_iot_call_t *call)
{
    u_char     buf[NGX_IOT_PAGE_TOKEN_MAX];
    ngx_str_t  token;

    if (!page->last) {
        return;
    }

    ngx_iot_out_list_end(out);

    if (page->more) {
        token = ngx_iot_page_token(call, page, buf);
        ngx_iot_out_string(out, "nextPageToken", 2, &token);
    }

    ngx_iot_out_message_end(out);
}


/* of that place; buf has NGX_IOT_PAGE_TOKEN_MAX bytes */
static ngx_str_t
ngx_iot_page_token(const ngx_iot_call_t *call, const ngx_iot_page_t *page,
    u_char *buf)
{
    u_char     bytes[NGX_IOT_PAGE_BIND_LEN + NGX_IOT_PAGE_PLACE_MAX];
    ngx_str_t  src, token;

    ngx_iot_page_bind(call, bytes);
    ngx_memcpy(bytes + NGX_IOT_PAGE_BIND_LEN, page->after.data,
               page->after.len);

    src.data = bytes;
    src.len = NGX_IOT_PAGE_BIND_LEN + page->after.len;

    token.data = buf;

    ngx_encode_base64url(&token, &src);

    return token;
}


/* a token of another registry or folder is a mistake that is worth an error */
static void
ngx_iot_page_bind(const ngx_iot_call_t *call, u_char *p)
{
    uint32_t          crc;
    const ngx_str_t  *id;

    id = call->registry_id.len ? &call->registry_id : &call->folder_id;

    crc = ngx_crc32_long(id->data, id->len);

    *p++ = (u_char) (crc >> 24);
    *p++ = (u_char) (crc >> 16);
    *p++ = (u_char) (crc >> 8);
    *p = (u_char) crc;
}
