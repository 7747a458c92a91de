
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_id.h"


#define NGX_IOT_ID_TAG_LEN     2
#define NGX_IOT_ID_NUMBER_LEN  9

/* what NGX_IOT_ID_NUMBER_LEN characters hold; as a time, the year 3084 */
#define NGX_IOT_ID_NUMBER_MAX  (((uint64_t) 1 << 45) - 1)


static u_char *ngx_iot_id_prefix(u_char *p, ngx_uint_t shard,
    ngx_iot_msec_t time);
static u_char *ngx_iot_id_encode(u_char *p, uint64_t number, ngx_uint_t len);


u_char *
ngx_iot_id_tag(u_char *p, ngx_uint_t shard)
{
    return ngx_iot_id_encode(p, shard, NGX_IOT_ID_TAG_LEN);
}


u_char *
ngx_iot_id_make(u_char *p, ngx_uint_t shard, ngx_iot_msec_t now,
    const u_char *random)
{
    uint64_t    number;
    ngx_uint_t  i;

    number = 0;

    for (i = 0; i < NGX_IOT_ID_RANDOM_LEN; i++) {
        number = number << 8 | random[i];
    }

    p = ngx_iot_id_prefix(p, shard, now);

    /* of the 48 bits, 45 fit */

    return ngx_iot_id_encode(p, number, NGX_IOT_ID_NUMBER_LEN);
}


u_char *
ngx_iot_id_lower_bound(u_char *p, ngx_uint_t shard, ngx_iot_msec_t time)
{
    p = ngx_iot_id_prefix(p, shard, time);

    return ngx_iot_id_encode(p, 0, NGX_IOT_ID_NUMBER_LEN);
}


ngx_iot_msec_t
ngx_iot_id_time(const ngx_str_t *id)
{
    u_char          ch;
    ngx_uint_t      i;
    ngx_iot_msec_t  time;

    time = 0;

    for (i = 0; i < NGX_IOT_ID_NUMBER_LEN; i++) {
        ch = id->data[NGX_IOT_ID_TAG_LEN + i];
        time = time << 5 | (ch <= '9' ? ch - '0' : ch - 'a' + 10);
    }

    return time;
}


ngx_uint_t
ngx_iot_id_valid(const ngx_str_t *id)
{
    u_char      ch;
    ngx_uint_t  i;

    if (id->len != NGX_IOT_OPERATION_ID_LEN) {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        ch = id->data[i];

        if ((ch < '0' || ch > '9') && (ch < 'a' || ch > 'v')) {
            return 0;
        }
    }

    return 1;
}


ngx_uint_t
ngx_iot_id_resource_valid(const ngx_str_t *id)
{
    u_char      ch;
    ngx_uint_t  i;

    if (id->len == 0 || id->len > NGX_IOT_RESOURCE_ID_MAX) {
        return 0;
    }

    for (i = 0; i < id->len; i++) {
        ch = id->data[i];

        if ((ch < '0' || ch > '9') && (ch < 'A' || ch > 'Z')
            && (ch < 'a' || ch > 'z') && ch != '-' && ch != '_')
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_iot_id_uuid(const ngx_str_t *text, u_char *uuid)
{
    ngx_int_t      byte;
    ngx_uint_t     i;
    const u_char  *p;

    /* where each byte's digits are */

    static const u_char  places[NGX_IOT_UUID_LEN] = {
        0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34
    };

    p = text->data;

    if (text->len != 36
        || p[8] != '-' || p[13] != '-' || p[18] != '-' || p[23] != '-')
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_IOT_UUID_LEN; i++) {
        byte = ngx_hextoi((u_char *) p + places[i], 2);

        if (byte == NGX_ERROR) {
            return NGX_DECLINED;
        }

        uuid[i] = (u_char) byte;
    }

    return NGX_OK;
}


static u_char *
ngx_iot_id_prefix(u_char *p, ngx_uint_t shard, ngx_iot_msec_t time)
{
    p = ngx_iot_id_tag(p, shard);

    /* what does not fit must not come out smaller */

    time = ngx_min(time, NGX_IOT_ID_NUMBER_MAX);

    return ngx_iot_id_encode(p, time, NGX_IOT_ID_NUMBER_LEN);
}


/* the low 5 * len bits of number, the highest first */
static u_char *
ngx_iot_id_encode(u_char *p, uint64_t number, ngx_uint_t len)
{
    ngx_uint_t           i;
    static const u_char  digits[] = "0123456789abcdefghijklmnopqrstuv";

    for (i = len; i > 0; i--) {
        p[i - 1] = digits[number & 0x1f];
        number >>= 5;
    }

    return p + len;
}
