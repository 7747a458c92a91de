
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_out.h"
#include "ngx_iot_protobuf.h"

#include "fuzz_message.pb-c.h"


/*
 * For every message:
 *
 *     what is read is in the message, or was made for it;
 *     when it is accepted, so it is with itself behind it, as the same but
 *     with every entry of a list twice;
 *     when it is accepted, what was read can be written, as long as it was
 *     told, and that is read as the same by both;
 *     when it is accepted, and protobuf-c accepts it too, both have read the
 *     same.
 *
 * What only one of them accepts is for t/unit/protobuf_oracle: protobuf-c does
 * not check UTF-8, knows no groups, refuses a known field of another wire type
 * and takes an unknown field that is cut off.  Its strings end at a NUL, and
 * of messages that are merged it takes the last one's numbers alone.
 */


#define FUZZ_ENTRIES  16


typedef struct {
    ngx_int_t       rc;
    ngx_str_t       text;
    ngx_str_t       number;
    ngx_str_t       part;
    ngx_str_t       map;
    ngx_str_t       list;
    ngx_str_t       mask;

    ngx_int_t       map_rc;
    ngx_uint_t      npairs;
    ngx_keyval_t    pairs[FUZZ_ENTRIES];

    ngx_int_t       list_rc;
    ngx_uint_t      nelements;
    ngx_str_t       elements[2 * FUZZ_ENTRIES];
} fuzz_read_t;


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_read(ngx_pool_t *pool, const ngx_str_t *message,
    ngx_uint_t elements, fuzz_read_t *result);
static void fuzz_twice(ngx_pool_t *pool, const ngx_str_t *message,
    const fuzz_read_t *once);
static void fuzz_again(ngx_pool_t *pool, const fuzz_read_t *once);
static void fuzz_write(ngx_iot_out_t *out, const void *data);
static void fuzz_compare(ngx_pool_t *pool, const ngx_str_t *message,
    const fuzz_read_t *result, const FuzzMessage *theirs);
static void fuzz_same_part(ngx_pool_t *pool, const ngx_str_t *bytes,
    const FuzzMessage__Part *theirs);
static void fuzz_same_map(const fuzz_read_t *result,
    const FuzzMessage *theirs);
static void fuzz_same_mask(const ngx_str_t *mask,
    const FuzzMessage__Mask *theirs);
static void fuzz_same_text(const ngx_str_t *ours, const char *theirs);
static void fuzz_same_number(const ngx_str_t *ours, int64_t theirs);
static ngx_uint_t fuzz_is_within(const ngx_str_t *part,
    const ngx_str_t *message);
static ngx_uint_t fuzz_same(const ngx_str_t *a, const ngx_str_t *b);
static ngx_uint_t fuzz_has_nul(const ngx_str_t *text);
static void fuzz_check(ngx_uint_t cond);


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t     message;
    ngx_pool_t   *pool;
    fuzz_read_t   result;
    FuzzMessage  *theirs;

    pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, &unit_log);
    fuzz_check(pool != NULL);

    message.data = (u_char *) data;
    message.len = size;

    fuzz_read(pool, &message, FUZZ_ENTRIES, &result);

    if (result.rc == NGX_OK) {
        fuzz_twice(pool, &message, &result);
        fuzz_again(pool, &result);

        theirs = fuzz_message__unpack(NULL, size, data);

        if (theirs) {
            fuzz_compare(pool, &message, &result, theirs);
            fuzz_message__free_unpacked(theirs, NULL);
        }
    }

    ngx_destroy_pool(pool);

    return 0;
}


static void
fuzz_read(ngx_pool_t *pool, const ngx_str_t *message, ngx_uint_t elements,
    fuzz_read_t *result)
{
    ngx_iot_error_t  err;

    const ngx_iot_field_t  fields[] = {
        { ngx_string("text"), ngx_string("text"), 1, &result->text,
          NGX_IOT_FIELD_STRING },
        { ngx_string("number"), ngx_string("number"), 2, &result->number,
          NGX_IOT_FIELD_NUMBER },
        { ngx_string("part"), ngx_string("part"), 3, &result->part,
          NGX_IOT_FIELD_MESSAGE },
        { ngx_string("map"), ngx_string("map"), 4, &result->map,
          NGX_IOT_FIELD_MAP },
        { ngx_string("list"), ngx_string("list"), 5, &result->list,
          NGX_IOT_FIELD_LIST },
        { ngx_string("mask"), ngx_string("mask"), 6, &result->mask,
          NGX_IOT_FIELD_MASK }
    };

    ngx_memzero(result, sizeof(fuzz_read_t));

    result->rc = ngx_iot_protobuf_read(pool, message, fields, 6, &err);

    if (result->rc != NGX_OK) {
        fuzz_check(result->rc == NGX_DECLINED && err.field.len != 0);
        return;
    }

    fuzz_check(result->text.data == NULL
               || fuzz_is_within(&result->text, message));

    if (result->map.data) {
        result->npairs = FUZZ_ENTRIES;
        result->map_rc = ngx_iot_protobuf_read_map(pool, &fields[3],
                                                   result->pairs,
                                                   &result->npairs, &err);
        fuzz_check(result->map_rc != NGX_ERROR);
    }

    if (result->list.data) {
        result->nelements = elements;
        result->list_rc = ngx_iot_protobuf_read_list(pool, &fields[4],
                                                     result->elements,
                                                     &result->nelements,
                                                     &err);
        fuzz_check(result->list_rc != NGX_ERROR);
    }
}


static void
fuzz_twice(ngx_pool_t *pool, const ngx_str_t *message,
    const fuzz_read_t *once)
{
    ngx_uint_t   i;
    ngx_str_t    both;
    fuzz_read_t  twice;

    both.len = 2 * message->len;
    both.data = ngx_pnalloc(pool, both.len);
    fuzz_check(both.data != NULL);

    if (message->len) {
        ngx_memcpy(both.data, message->data, message->len);
        ngx_memcpy(both.data + message->len, message->data, message->len);
    }

    fuzz_read(pool, &both, 2 * FUZZ_ENTRIES, &twice);

    fuzz_check(twice.rc == NGX_OK);
    fuzz_check(fuzz_same(&once->text, &twice.text));
    fuzz_check(fuzz_same(&once->number, &twice.number));
    fuzz_check(twice.part.len == 2 * once->part.len);
    fuzz_check(twice.map_rc == once->map_rc);
    fuzz_check(twice.list_rc == once->list_rc);

    if (once->map_rc == NGX_OK) {
        fuzz_check(twice.npairs == once->npairs);
    }

    if (once->list_rc == NGX_OK) {
        fuzz_check(twice.nelements == 2 * once->nelements);

        for (i = 0; i < once->nelements; i++) {
            fuzz_check(fuzz_is_within(&once->elements[i], message));
            fuzz_check(fuzz_same(&once->elements[i], &twice.elements[i]));
        }
    }
}


static void
fuzz_again(ngx_pool_t *pool, const fuzz_read_t *once)
{
    ngx_str_t     written;
    ngx_uint_t    i;
    fuzz_read_t   again;
    FuzzMessage  *theirs;

    fuzz_check(ngx_iot_out_render(pool, NGX_IOT_PROTOBUF, fuzz_write, once,
                                  &written)
               == NGX_OK);

    fuzz_read(pool, &written, FUZZ_ENTRIES, &again);

    fuzz_check(again.rc == NGX_OK);
    fuzz_check(again.text.len == once->text.len);
    fuzz_check(once->text.len == 0 || fuzz_same(&again.text, &once->text));

    if (once->map.data && once->map_rc == NGX_OK) {
        fuzz_check(again.npairs == once->npairs);

        for (i = 0; i < once->npairs; i++) {
            fuzz_check(fuzz_same(&again.pairs[i].key, &once->pairs[i].key));
            fuzz_check(fuzz_same(&again.pairs[i].value,
                                 &once->pairs[i].value));
        }
    }

    fuzz_check(again.nelements
               == (once->map_rc == NGX_OK ? once->npairs : 0));

    theirs = fuzz_message__unpack(NULL, written.len, written.data);
    fuzz_check(theirs != NULL);

    fuzz_compare(pool, &written, &again, theirs);
    fuzz_message__free_unpacked(theirs, NULL);
}


/* the list has an element for each pair of the map */
static void
fuzz_write(ngx_iot_out_t *out, const void *data)
{
    const fuzz_read_t  *result = data;

    ngx_uint_t  i, n;

    n = (result->map_rc == NGX_OK) ? result->npairs : 0;

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_string(out, "text", 1, &result->text);
    ngx_iot_out_number(out, "number", 2, result->text.len);

    ngx_iot_out_message(out, "part", 3);
    ngx_iot_out_string(out, "text", 1, &result->text);
    ngx_iot_out_message_end(out);

    ngx_iot_out_map(out, "map");

    for (i = 0; i < n; i++) {
        ngx_iot_out_pair(out, 4, &result->pairs[i].key,
                         &result->pairs[i].value);
    }

    ngx_iot_out_map_end(out);

    ngx_iot_out_list(out, "list");

    for (i = 0; i < n; i++) {
        ngx_iot_out_message(out, NULL, 5);
        ngx_iot_out_string(out, "text", 1, &result->pairs[i].key);
        ngx_iot_out_number(out, "number", 2, result->pairs[i].key.len);
        ngx_iot_out_message_end(out);
    }

    ngx_iot_out_list_end(out);
    ngx_iot_out_message_end(out);
}


static void
fuzz_compare(ngx_pool_t *pool, const ngx_str_t *message,
    const fuzz_read_t *result, const FuzzMessage *theirs)
{
    ngx_uint_t  i;

    fuzz_same_text(&result->text, theirs->text);
    fuzz_same_number(&result->number, theirs->number);

    fuzz_check((result->part.data == NULL) == (theirs->part == NULL));
    fuzz_check((result->mask.data == NULL) == (theirs->mask == NULL));

    /* in memory of its own it is a merged one */

    if (theirs->part && fuzz_is_within(&result->part, message)) {
        fuzz_same_part(pool, &result->part, theirs->part);
    }

    if (theirs->mask) {
        fuzz_same_mask(&result->mask, theirs->mask);
    }

    if (result->map_rc == NGX_OK) {
        fuzz_same_map(result, theirs);
    }

    if (result->list_rc == NGX_OK) {
        fuzz_check(result->nelements == theirs->n_list);

        for (i = 0; i < result->nelements; i++) {
            fuzz_same_part(pool, &result->elements[i], theirs->list[i]);
        }
    }
}


/* one that is refused has a string that is not UTF-8 */
static void
fuzz_same_part(ngx_pool_t *pool, const ngx_str_t *bytes,
    const FuzzMessage__Part *theirs)
{
    ngx_str_t        text, number;
    ngx_iot_error_t  err;

    const ngx_iot_field_t  fields[] = {
        { ngx_string("text"), ngx_string("text"), 1, &text,
          NGX_IOT_FIELD_STRING },
        { ngx_string("number"), ngx_string("number"), 2, &number,
          NGX_IOT_FIELD_NUMBER }
    };

    if (ngx_iot_protobuf_read(pool, bytes, fields, 2, &err) == NGX_OK) {
        fuzz_same_text(&text, theirs->text);
        fuzz_same_number(&number, theirs->number);
    }
}


/* theirs is a list of all the entries: the last of a key is the one */
static void
fuzz_same_map(const fuzz_read_t *result, const FuzzMessage *theirs)
{
    ngx_uint_t                    i, k;
    const ngx_keyval_t           *pair;
    const FuzzMessage__MapEntry  *entry;

    fuzz_check((result->npairs == 0) == (theirs->n_map == 0));

    for (i = 0; i < result->npairs; i++) {
        if (fuzz_has_nul(&result->pairs[i].key)) {
            return;
        }
    }

    for (i = 0; i < result->npairs; i++) {
        pair = &result->pairs[i];
        entry = NULL;

        for (k = 0; k < theirs->n_map; k++) {
            if (ngx_strlen(theirs->map[k]->key) == pair->key.len
                && ngx_memcmp(theirs->map[k]->key, pair->key.data,
                              pair->key.len)
                   == 0)
            {
                entry = theirs->map[k];
            }
        }

        fuzz_check(entry != NULL);
        fuzz_same_text(&pair->value, entry->value);
    }
}


static void
fuzz_same_mask(const ngx_str_t *mask, const FuzzMessage__Mask *theirs)
{
    u_char      *p, *last, *comma;
    ngx_str_t    path;
    ngx_uint_t   i;

    p = mask->data;
    last = p + mask->len;

    for (i = 0; i < theirs->n_paths; i++) {
        fuzz_check(p < last);

        comma = memchr(p, ',', last - p);

        path.data = p;
        path.len = (comma ? comma : last) - p;

        fuzz_same_text(&path, theirs->paths[i]);

        p += path.len + 1;
    }

    fuzz_check(theirs->n_paths ? p == last + 1 : mask->len == 0);
}


static void
fuzz_same_text(const ngx_str_t *ours, const char *theirs)
{
    size_t  len;

    len = ngx_strlen(theirs);

    fuzz_check(len <= ours->len
               && (len == 0 || ngx_memcmp(ours->data, theirs, len) == 0));
    fuzz_check(len == ours->len || ours->data[len] == '\0');
}


static void
fuzz_same_number(const ngx_str_t *ours, int64_t theirs)
{
    char  text[sizeof("-9223372036854775808")];

    if (ours->data == NULL) {
        fuzz_check(theirs == 0);
        return;
    }

    (void) snprintf(text, sizeof(text), "%lld", (long long) theirs);

    fuzz_check(ngx_strlen(text) == ours->len
               && ngx_memcmp(text, ours->data, ours->len) == 0);
}


static ngx_uint_t
fuzz_is_within(const ngx_str_t *part, const ngx_str_t *message)
{
    return part->data >= message->data
           && part->data + part->len <= message->data + message->len;
}


static ngx_uint_t
fuzz_same(const ngx_str_t *a, const ngx_str_t *b)
{
    return (a->data == NULL) == (b->data == NULL)
           && a->len == b->len
           && (a->len == 0 || ngx_memcmp(a->data, b->data, a->len) == 0);
}


static ngx_uint_t
fuzz_has_nul(const ngx_str_t *text)
{
    return text->len && memchr(text->data, '\0', text->len) != NULL;
}


static void
fuzz_check(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
