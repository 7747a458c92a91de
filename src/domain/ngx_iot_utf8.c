
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_utf8.h"


/*
 * The Unicode Standard, table 3-7: only the second byte of a sequence has a
 * range of its own, which keeps out overlong forms, surrogates and all that is
 * past U+10FFFF.
 */
ngx_int_t
ngx_iot_utf8_next(const u_char **pos, const u_char *last)
{
    u_char         ch, low, high;
    ngx_uint_t     n;
    const u_char  *p;

    p = *pos;
    ch = *p++;

    if (ch <= 0x7f) {
        n = 0;

    } else if (ch >= 0xc2 && ch <= 0xdf) {
        n = 1;

    } else if (ch >= 0xe0 && ch <= 0xef) {
        n = 2;

    } else if (ch >= 0xf0 && ch <= 0xf4) {
        n = 3;

    } else {
        *pos = p;
        return NGX_DECLINED;
    }

    low = (ch == 0xe0) ? 0xa0 : (ch == 0xf0) ? 0x90 : 0x80;
    high = (ch == 0xed) ? 0x9f : (ch == 0xf4) ? 0x8f : 0xbf;

    while (n--) {

        if (p == last || *p < low || *p > high) {
            *pos = p;
            return NGX_DECLINED;
        }

        p++;

        low = 0x80;
        high = 0xbf;
    }

    *pos = p;

    return NGX_OK;
}


/*
 * Eight bytes at a time: subtracting sets the high bit of a byte that is less
 * than 0x20, or equal to a quote or a backslash once these are turned into
 * zero.  A borrow may point at a byte too many, never at one too few.
 */
const u_char *
ngx_iot_utf8_plain(const u_char *p, const u_char *last)
{
    uint64_t  w, ones;

    ones = 0x0101010101010101;

    for ( /* void */ ; last - p >= 8; p += 8) {
        ngx_memcpy(&w, p, 8);

        w |= (w - 0x20 * ones) | ((w ^ '"' * ones) - ones)
             | ((w ^ '\\' * ones) - ones);

        if (w & 0x80 * ones) {
            break;
        }
    }

    while (p < last && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\') {
        p++;
    }

    return p;
}
