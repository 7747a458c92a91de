
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_JSON_ARRAY_H_INCLUDED_
#define _NGX_IOT_JSON_ARRAY_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"


/*
 * Takes the objects out of a JSON array whose text comes in slices, cut
 * anywhere.  It finds only where an object begins and ends; that each is one
 * is for ngx_iot_json_read() to say.  Both together accept exactly the JSON
 * arrays of objects.  No more than one object is held at a time.
 */

typedef struct {
    ngx_pool_t   *pool;             /* of the buffer */
    size_t        limit;            /* bytes of an object */

    ngx_uint_t    n;                /* objects that were given out */
    ngx_uint_t    state;
    ngx_uint_t    depth;            /* inside an object: brackets open */

    unsigned      string:1;
    unsigned      escape:1;

    /* the beginning of an object that the last slice has cut off */
    u_char       *buf;
    size_t        len;
    size_t        size;
} ngx_iot_json_array_t;


void ngx_iot_json_array_init(ngx_iot_json_array_t *array, ngx_pool_t *pool,
    size_t limit);

/* as after the init, for another text; keeps the buffer */
void ngx_iot_json_array_rewind(ngx_iot_json_array_t *array);

/*
 * NGX_OK        *object is the next one: bytes of the slice, or of the buffer,
 *               which the next call may overwrite
 * NGX_AGAIN     the slice is used up
 * NGX_DECLINED  not an array of objects, or an object is too large: err
 * NGX_ERROR     no memory
 *
 * The slice moves over what was taken.
 */
ngx_int_t ngx_iot_json_array_next(ngx_iot_json_array_t *array,
    ngx_str_t *slice, ngx_str_t *object, ngx_iot_error_t *err);

/*
 * There are no more slices.  NGX_OK, or NGX_DECLINED when the array has not
 * ended.
 */
ngx_int_t ngx_iot_json_array_end(const ngx_iot_json_array_t *array,
    ngx_iot_error_t *err);


#endif /* _NGX_IOT_JSON_ARRAY_H_INCLUDED_ */
