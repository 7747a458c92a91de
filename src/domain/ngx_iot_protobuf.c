
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_protobuf.h"
#include "ngx_iot_utf8.h"


static ngx_int_t ngx_iot_protobuf_tag(ngx_iot_protobuf_t *pb);
static ngx_int_t ngx_iot_protobuf_value(ngx_iot_protobuf_t *pb);
static ngx_int_t ngx_iot_protobuf_varint(ngx_iot_protobuf_t *pb,
    ngx_uint_t bits, uint64_t *value);
static ngx_int_t ngx_iot_protobuf_skip(ngx_iot_protobuf_t *pb, uint64_t len);
static ngx_int_t ngx_iot_protobuf_skip_group(ngx_iot_protobuf_t *pb);
static ngx_uint_t ngx_iot_protobuf_valid(const ngx_str_t *bytes);

static const ngx_iot_field_t *ngx_iot_protobuf_find(
    const ngx_iot_field_t *fields, ngx_uint_t nfields,
    const ngx_iot_protobuf_t *pb);
static ngx_int_t ngx_iot_protobuf_keep(ngx_pool_t *pool,
    const ngx_iot_field_t *field, const ngx_iot_protobuf_t *pb,
    const ngx_str_t *message);
static ngx_int_t ngx_iot_protobuf_keep_number(ngx_pool_t *pool,
    ngx_str_t *value, const ngx_iot_protobuf_t *pb);
static ngx_int_t ngx_iot_protobuf_keep_message(ngx_pool_t *pool,
    ngx_str_t *value, const ngx_iot_protobuf_t *pb, const ngx_str_t *message);
static ngx_int_t ngx_iot_protobuf_masks(ngx_pool_t *pool,
    const ngx_iot_field_t *fields, ngx_uint_t nfields, ngx_iot_error_t *err);
static ngx_int_t ngx_iot_protobuf_mask(ngx_pool_t *pool,
    const ngx_iot_field_t *field, ngx_iot_error_t *err);
static ngx_int_t ngx_iot_protobuf_pair(ngx_pool_t *pool,
    const ngx_str_t *entry, ngx_keyval_t *pair, ngx_iot_error_t *err);
static ngx_keyval_t *ngx_iot_protobuf_find_pair(ngx_keyval_t *pairs,
    ngx_uint_t n, const ngx_str_t *key);


void
ngx_iot_protobuf_begin(ngx_iot_protobuf_t *pb, const ngx_str_t *bytes,
    ngx_uint_t depth)
{
    ngx_memzero(pb, sizeof(ngx_iot_protobuf_t));

    pb->pos = bytes->data;
    pb->last = bytes->data + bytes->len;
    pb->depth = depth;
}


ngx_int_t
ngx_iot_protobuf_next(ngx_iot_protobuf_t *pb)
{
    ngx_int_t  rc;

    while (pb->pos < pb->last) {

        if (ngx_iot_protobuf_tag(pb) != NGX_OK) {
            return NGX_DECLINED;
        }

        rc = (pb->type == NGX_IOT_PROTOBUF_GROUP)
             ? ngx_iot_protobuf_skip_group(pb) : ngx_iot_protobuf_value(pb);

        if (rc != NGX_OK
            || pb->type == NGX_IOT_PROTOBUF_VARINT
            || pb->type == NGX_IOT_PROTOBUF_LEN)
        {
            return rc;
        }
    }

    return NGX_DONE;
}


/* of 32 bits: no number is above 2^29 - 1 */
static ngx_int_t
ngx_iot_protobuf_tag(ngx_iot_protobuf_t *pb)
{
    uint64_t  tag;

    if (ngx_iot_protobuf_varint(pb, 32, &tag) != NGX_OK) {
        return NGX_DECLINED;
    }

    pb->number = (ngx_uint_t) (tag >> 3);
    pb->type = (ngx_uint_t) (tag & 7);

    return pb->number ? NGX_OK : NGX_DECLINED;
}


/* of any field but a group */
static ngx_int_t
ngx_iot_protobuf_value(ngx_iot_protobuf_t *pb)
{
    uint64_t  len;

    switch (pb->type) {

    case NGX_IOT_PROTOBUF_VARINT:
        return ngx_iot_protobuf_varint(pb, 64, &pb->value);

    case NGX_IOT_PROTOBUF_I64:
        return ngx_iot_protobuf_skip(pb, 8);

    case NGX_IOT_PROTOBUF_LEN:

        if (ngx_iot_protobuf_varint(pb, 32, &len) != NGX_OK) {
            return NGX_DECLINED;
        }

        pb->bytes.data = (u_char *) pb->pos;
        pb->bytes.len = (size_t) len;

        return ngx_iot_protobuf_skip(pb, len);

    case NGX_IOT_PROTOBUF_I32:
        return ngx_iot_protobuf_skip(pb, 4);

    default:
        return NGX_DECLINED;
    }
}


/* it may have more bytes than it needs, but not more than its bits need */
static ngx_int_t
ngx_iot_protobuf_varint(ngx_iot_protobuf_t *pb, ngx_uint_t bits,
    uint64_t *value)
{
    u_char      ch;
    ngx_uint_t  shift;

    *value = 0;

    for (shift = 0; pb->pos < pb->last; shift += 7) {
        ch = *pb->pos++;

        if (bits - shift < 7 && ch >> (bits - shift)) {
            break;
        }

        *value |= (uint64_t) (ch & 0x7f) << shift;

        if (ch < 0x80) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_iot_protobuf_skip(ngx_iot_protobuf_t *pb, uint64_t len)
{
    if (len > (uint64_t) (pb->last - pb->pos)) {
        return NGX_DECLINED;
    }

    pb->pos += len;

    return NGX_OK;
}


/* the field at hand is the group when it is done */
static ngx_int_t
ngx_iot_protobuf_skip_group(ngx_iot_protobuf_t *pb)
{
    ngx_uint_t  n;
    ngx_uint_t  numbers[NGX_IOT_PROTOBUF_DEPTH_MAX];

    n = 0;

    for ( ;; ) {

        if (pb->type == NGX_IOT_PROTOBUF_GROUP) {

            if (pb->depth + n > NGX_IOT_PROTOBUF_DEPTH_MAX) {
                return NGX_DECLINED;
            }

            numbers[n++] = pb->number;

        } else if (pb->type == NGX_IOT_PROTOBUF_GROUP_END) {

            if (pb->number != numbers[--n]) {
                return NGX_DECLINED;
            }

            if (n == 0) {
                return NGX_OK;
            }

        } else if (ngx_iot_protobuf_value(pb) != NGX_OK) {
            return NGX_DECLINED;
        }

        if (ngx_iot_protobuf_tag(pb) != NGX_OK) {
            return NGX_DECLINED;
        }
    }
}


/* of a message within a request, which other parsers read at once */
static ngx_uint_t
ngx_iot_protobuf_valid(const ngx_str_t *bytes)
{
    ngx_int_t           rc;
    ngx_iot_protobuf_t  pb;

    ngx_iot_protobuf_begin(&pb, bytes, 2);

    do {
        rc = ngx_iot_protobuf_next(&pb);
    } while (rc == NGX_OK);

    return rc == NGX_DONE;
}


ngx_uint_t
ngx_iot_protobuf_utf8(const ngx_iot_protobuf_t *pb)
{
    const u_char  *p, *last;

    p = pb->bytes.data;
    last = p + pb->bytes.len;

    for ( ;; ) {
        p = ngx_iot_utf8_plain(p, last);

        if (p == last) {
            return 1;
        }

        if (ngx_iot_utf8_next(&p, last) != NGX_OK) {
            return 0;
        }
    }
}


ngx_int_t
ngx_iot_protobuf_refuse(ngx_iot_error_t *err)
{
    ngx_iot_field_error(err, INVALID_MESSAGE, "body",
                        "the request is not a valid protobuf message");

    return NGX_DECLINED;
}


ngx_int_t
ngx_iot_protobuf_read(ngx_pool_t *pool, const ngx_str_t *bytes,
    const ngx_iot_field_t *fields, ngx_uint_t nfields, ngx_iot_error_t *err)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_iot_protobuf_t      pb;
    const ngx_iot_field_t  *field;

    for (i = 0; i < nfields; i++) {
        ngx_str_null(fields[i].value);
    }

    ngx_iot_protobuf_begin(&pb, bytes, 1);

    do {
        rc = ngx_iot_protobuf_next(&pb);

        if (rc == NGX_OK) {
            field = ngx_iot_protobuf_find(fields, nfields, &pb);

            if (field) {
                rc = ngx_iot_protobuf_keep(pool, field, &pb, bytes);
            }
        }

    } while (rc == NGX_OK);

    switch (rc) {

    case NGX_DONE:
        return ngx_iot_protobuf_masks(pool, fields, nfields, err);

    case NGX_DECLINED:
        return ngx_iot_protobuf_refuse(err);

    default:
        return NGX_ERROR;
    }
}


/* NULL: an unknown field, or a known one that comes with another wire type */
static const ngx_iot_field_t *
ngx_iot_protobuf_find(const ngx_iot_field_t *fields, ngx_uint_t nfields,
    const ngx_iot_protobuf_t *pb)
{
    ngx_uint_t  i, type;

    for (i = 0; i < nfields; i++) {

        if (fields[i].number == pb->number) {
            type = (fields[i].type == NGX_IOT_FIELD_NUMBER)
                   ? NGX_IOT_PROTOBUF_VARINT : NGX_IOT_PROTOBUF_LEN;

            return (type == pb->type) ? &fields[i] : NULL;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_iot_protobuf_keep(ngx_pool_t *pool, const ngx_iot_field_t *field,
    const ngx_iot_protobuf_t *pb, const ngx_str_t *message)
{
    if (field->type == NGX_IOT_FIELD_NUMBER) {
        return ngx_iot_protobuf_keep_number(pool, field->value, pb);
    }

    if (field->type == NGX_IOT_FIELD_STRING) {
        *field->value = pb->bytes;
        return ngx_iot_protobuf_utf8(pb) ? NGX_OK : NGX_DECLINED;
    }

    if (!ngx_iot_protobuf_valid(&pb->bytes)) {
        return NGX_DECLINED;
    }

    if (field->type == NGX_IOT_FIELD_MAP || field->type == NGX_IOT_FIELD_LIST)
    {
        *field->value = *message;
        return NGX_OK;
    }

    return ngx_iot_protobuf_keep_message(pool, field->value, pb, message);
}


static ngx_int_t
ngx_iot_protobuf_keep_number(ngx_pool_t *pool, ngx_str_t *value,
    const ngx_iot_protobuf_t *pb)
{
    uint64_t     number;
    const char  *sign;

    if (value->data == NULL) {

        value->data = ngx_pnalloc(pool, NGX_INT64_LEN);
        if (value->data == NULL) {
            return NGX_ERROR;
        }
    }

    number = pb->value;
    sign = "";

    if (number >> 63) {
        number = 0 - number;
        sign = "-";
    }

    value->len = ngx_sprintf(value->data, "%s%uL", sign, number) - value->data;

    return NGX_OK;
}


/*
 * Messages are merged by putting one behind the other; all that come have less
 * bytes than the message that has them.
 */
static ngx_int_t
ngx_iot_protobuf_keep_message(ngx_pool_t *pool, ngx_str_t *value,
    const ngx_iot_protobuf_t *pb, const ngx_str_t *message)
{
    u_char     *last;
    ngx_str_t   first;

    if (value->data == NULL) {
        *value = pb->bytes;
        return NGX_OK;
    }

    last = message->data + message->len;
    first = *value;

    /* this is the second one: the first is a slice yet */

    if (first.data >= message->data && first.data < last) {

        value->data = ngx_pnalloc(pool, message->len);
        if (value->data == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(value->data, first.data, first.len);
    }

    ngx_memcpy(value->data + value->len, pb->bytes.data, pb->bytes.len);
    value->len += pb->bytes.len;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_protobuf_masks(ngx_pool_t *pool, const ngx_iot_field_t *fields,
    ngx_uint_t nfields, ngx_iot_error_t *err)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = 0; i < nfields; i++) {

        if (fields[i].type != NGX_IOT_FIELD_MASK
            || fields[i].value->len == 0)
        {
            continue;
        }

        rc = ngx_iot_protobuf_mask(pool, &fields[i], err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


/* google.protobuf.FieldMask: each path had a tag and a length, then a comma */
static ngx_int_t
ngx_iot_protobuf_mask(ngx_pool_t *pool, const ngx_iot_field_t *field,
    ngx_iot_error_t *err)
{
    u_char              *p;
    ngx_str_t           *path;
    ngx_iot_protobuf_t   pb;

    ngx_iot_protobuf_begin(&pb, field->value, 2);

    p = ngx_pnalloc(pool, field->value->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    field->value->data = p;
    path = &pb.bytes;

    while (ngx_iot_protobuf_next(&pb) == NGX_OK) {

        if (pb.number != 1 || pb.type != NGX_IOT_PROTOBUF_LEN) {
            continue;
        }

        if (!ngx_iot_protobuf_utf8(&pb)) {
            return ngx_iot_protobuf_refuse(err);
        }

        if (path->len == 0
            || ngx_strlchr(path->data, path->data + path->len, ','))
        {
            ngx_iot_error_format(pool, err, NGX_IOT_REASON_INVALID_FIELD,
                                 "\"%V\" has a path that names no field",
                                 &field->name);
            err->field = field->name;
            return NGX_DECLINED;
        }

        p = ngx_cpymem(p, path->data, path->len);
        *p++ = ',';
    }

    field->value->len = p - field->value->data;

    if (field->value->len) {
        field->value->len--;
    }

    return NGX_OK;
}


ngx_int_t
ngx_iot_protobuf_read_map(ngx_pool_t *pool, const ngx_iot_field_t *field,
    ngx_keyval_t *pairs, ngx_uint_t *n, ngx_iot_error_t *err)
{
    ngx_int_t            rc;
    ngx_uint_t           max;
    ngx_keyval_t         pair, *known;
    ngx_iot_protobuf_t   pb;

    max = *n;
    *n = 0;

    ngx_iot_protobuf_begin(&pb, field->value, 1);

    while (ngx_iot_protobuf_next(&pb) == NGX_OK) {

        if (ngx_iot_protobuf_find(field, 1, &pb) == NULL) {
            continue;
        }

        rc = ngx_iot_protobuf_pair(pool, &pb.bytes, &pair, err);
        if (rc != NGX_OK) {
            return rc;
        }

        known = ngx_iot_protobuf_find_pair(pairs, *n, &pair.key);

        if (known) {
            known->value = pair.value;
            continue;
        }

        if (*n == max) {
            return ngx_iot_message_too_many(pool, &field->name, max, err);
        }

        pairs[(*n)++] = pair;
    }

    return NGX_OK;
}


/* a key or a value that is not there is "" */
static ngx_int_t
ngx_iot_protobuf_pair(ngx_pool_t *pool, const ngx_str_t *entry,
    ngx_keyval_t *pair, ngx_iot_error_t *err)
{
    ngx_int_t  rc;

    ngx_iot_field_t  fields[] = {
        { ngx_string("key"), ngx_string("key"), 1, &pair->key,
          NGX_IOT_FIELD_STRING },
        { ngx_string("value"), ngx_string("value"), 2, &pair->value,
          NGX_IOT_FIELD_STRING }
    };

    rc = ngx_iot_protobuf_read(pool, entry, fields, 2, err);

    if (pair->key.data == NULL) {
        ngx_str_set(&pair->key, "");
    }

    if (pair->value.data == NULL) {
        ngx_str_set(&pair->value, "");
    }

    return rc;
}


static ngx_keyval_t *
ngx_iot_protobuf_find_pair(ngx_keyval_t *pairs, ngx_uint_t n,
    const ngx_str_t *key)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (pairs[i].key.len == key->len
            && ngx_memcmp(pairs[i].key.data, key->data, key->len) == 0)
        {
            return &pairs[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_iot_protobuf_read_list(ngx_pool_t *pool, const ngx_iot_field_t *field,
    ngx_str_t *elements, ngx_uint_t *n, ngx_iot_error_t *err)
{
    ngx_uint_t          max;
    ngx_iot_protobuf_t  pb;

    max = *n;
    *n = 0;

    ngx_iot_protobuf_begin(&pb, field->value, 1);

    while (ngx_iot_protobuf_next(&pb) == NGX_OK) {

        if (ngx_iot_protobuf_find(field, 1, &pb) == NULL) {
            continue;
        }

        if (*n == max) {
            return ngx_iot_message_too_many(pool, &field->name, max, err);
        }

        elements[(*n)++] = pb.bytes;
    }

    return NGX_OK;
}
