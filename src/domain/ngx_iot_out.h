
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_OUT_H_INCLUDED_
#define _NGX_IOT_OUT_H_INCLUDED_


#include "ngx_iot.h"


/*
 * Writes a message, as compact JSON or as protobuf, in two passes over the
 * same writer function: the first counts, the second encodes into a buffer of
 * exactly that size.
 *
 * A field is written with its name, which is that of JSON, and its number,
 * which is that of the proto: a writer reads like the proto, and writes fields
 * in the order of their numbers.  A field of number 0 is JSON's alone.
 *
 * A name is a NUL-terminated constant that needs no escaping; NULL for an
 * element of a list and at the top.  An element has the number of its list,
 * the message at the top has 0.
 *
 * Bytes of strings that are not UTF-8 become U+FFFD, so that the output is
 * valid whatever the input was.
 */

typedef struct ngx_iot_out_s  ngx_iot_out_t;

typedef void (*ngx_iot_out_pt)(ngx_iot_out_t *out, const void *data);

/*
 * Makes protobuf of a text of JSON: the field of that number, with its tag, as
 * often as it repeats.  NGX_OK, bytes in pool; NGX_DECLINED: the text holds no
 * such message, the field is left out; NGX_ERROR.
 */
typedef ngx_int_t (*ngx_iot_out_convert_pt)(ngx_pool_t *pool,
    ngx_uint_t number, const ngx_str_t *text, ngx_str_t *bytes);


/* what an encoding can write; what each does is told below */

typedef struct {
    void  (*message)(ngx_iot_out_t *out, const char *name, ngx_uint_t number);
    void  (*message_end)(ngx_iot_out_t *out);
    void  (*any)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              const char *type);
    void  (*any_end)(ngx_iot_out_t *out);
    void  (*list)(ngx_iot_out_t *out, const char *name);
    void  (*list_end)(ngx_iot_out_t *out);
    void  (*map)(ngx_iot_out_t *out, const char *name);
    void  (*map_end)(ngx_iot_out_t *out);
    void  (*pair)(ngx_iot_out_t *out, ngx_uint_t number, const ngx_str_t *key,
              const ngx_str_t *value);
    void  (*string)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              const ngx_str_t *value);
    void  (*oneof)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              const ngx_str_t *value);
    void  (*literal)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              const char *value);
    void  (*enumerator)(ngx_iot_out_t *out, const char *name,
              ngx_uint_t number, const char *value, ngx_int_t value_number);
    void  (*boolean)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              ngx_uint_t value);
    void  (*integer)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              ngx_uint_t value);
    void  (*time)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              ngx_iot_msec_t value);
    void  (*seconds)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              ngx_uint_t value);
    void  (*text)(ngx_iot_out_t *out, const char *name, ngx_uint_t number,
              const ngx_str_t *value, ngx_iot_out_convert_pt convert);
} ngx_iot_out_encoding_t;


struct ngx_iot_out_s {
    const ngx_iot_out_encoding_t  *encoding;

    u_char                        *pos;     /* NULL: the counting pass */
    size_t                         len;     /* bytes so far */

    /* JSON: a comma goes before the next value */
    unsigned                       comma:1;

    /*
     * Protobuf: the messages inside of others, in the order in which they are
     * opened, and what was converted; the innermost open one from 1, 0 is the
     * message at the top; and, in the second pass, the next one.
     */
    ngx_pool_t                    *pool;
    ngx_array_t                    nested;
    ngx_uint_t                     open;
    ngx_uint_t                     next;
    ngx_uint_t                     failed;  /* unsigned  failed:1; memory */
};


extern const ngx_iot_out_encoding_t  ngx_iot_out_json;
extern const ngx_iot_out_encoding_t  ngx_iot_out_protobuf;


/*
 * Runs write twice; it must write the same both times.
 * NGX_OK, text in pool; NGX_ERROR: no memory.
 */
ngx_int_t ngx_iot_out_render(ngx_pool_t *pool, ngx_iot_wire_e wire,
    ngx_iot_out_pt write, const void *data, ngx_str_t *text);


/* a message that is there is written also when it is empty */
#define ngx_iot_out_message(out, name, number)                                \
    (out)->encoding->message(out, name, number)
#define ngx_iot_out_message_end(out)                                          \
    (out)->encoding->message_end(out)

/*
 * google.protobuf.Any with the fields of a message of that type, a constant,
 * between the two
 */
#define ngx_iot_out_any(out, name, number, type)                              \
    (out)->encoding->any(out, name, number, type)
#define ngx_iot_out_any_end(out)                                              \
    (out)->encoding->any_end(out)

/* around the elements, which carry the number; protobuf has nothing there */
#define ngx_iot_out_list(out, name)                                           \
    (out)->encoding->list(out, name)
#define ngx_iot_out_list_end(out)                                             \
    (out)->encoding->list_end(out)

/*
 * In place of a message and its list that a former part has opened; filled: 1
 * when it wrote elements too.
 */
#define ngx_iot_out_resume(out, filled)                                       \
    (out)->comma = ((filled) != 0)

/* around pairs, as a list */
#define ngx_iot_out_map(out, name)                                            \
    (out)->encoding->map(out, name)
#define ngx_iot_out_map_end(out)                                              \
    (out)->encoding->map_end(out)

/* the key is data, as the value is; written also when empty */
#define ngx_iot_out_pair(out, number, key, value)                             \
    (out)->encoding->pair(out, number, key, value)

/*
 * A field with an empty value is left out: proto3 writes no defaults.  An
 * element of a list, which has no name, is written.
 */
#define ngx_iot_out_string(out, name, number, value)                          \
    (out)->encoding->string(out, name, number, value)

/* a string that is set, as a member of a oneof: written also when empty */
#define ngx_iot_out_oneof(out, name, number, value)                           \
    (out)->encoding->oneof(out, name, number, value)

/* a string constant, not empty, that needs no escaping */
#define ngx_iot_out_literal(out, name, number, value)                         \
    (out)->encoding->literal(out, name, number, value)

/* a value of an enum, which JSON has as a constant; NULL: by its number too */
#define ngx_iot_out_enum(out, name, number, value, value_number)              \
    (out)->encoding->enumerator(out, name, number, value, value_number)

/* JSON writes false and 0 too, protobuf does not */
#define ngx_iot_out_bool(out, name, number, value)                            \
    (out)->encoding->boolean(out, name, number, value)
#define ngx_iot_out_number(out, name, number, value)                          \
    (out)->encoding->integer(out, name, number, value)

/* google.protobuf.Timestamp, see ngx_iot_time_format() */
#define ngx_iot_out_time(out, name, number, value)                            \
    (out)->encoding->time(out, name, number, value)

/* google.protobuf.Duration */
#define ngx_iot_out_seconds(out, name, number, value)                         \
    (out)->encoding->seconds(out, name, number, value)

/* a value that is JSON already */
#define ngx_iot_out_text(out, name, number, value, convert)                   \
    (out)->encoding->text(out, name, number, value, convert)


#endif /* _NGX_IOT_OUT_H_INCLUDED_ */
