
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_H_INCLUDED_
#define _NGX_IOT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The vocabulary that every room shares: types and constants, no code.
 *
 * Functions of the domain return
 *
 *     NGX_OK        done
 *     NGX_DECLINED  the input is not acceptable; the ngx_iot_error_t is filled
 *     NGX_ERROR     the gateway failed (out of memory and the like); logged
 */


/* google.rpc.Code */

#define NGX_IOT_OK                   0
#define NGX_IOT_CANCELLED            1
#define NGX_IOT_UNKNOWN              2
#define NGX_IOT_INVALID_ARGUMENT     3
#define NGX_IOT_DEADLINE_EXCEEDED    4
#define NGX_IOT_NOT_FOUND            5
#define NGX_IOT_ALREADY_EXISTS       6
#define NGX_IOT_PERMISSION_DENIED    7
#define NGX_IOT_RESOURCE_EXHAUSTED   8
#define NGX_IOT_FAILED_PRECONDITION  9
#define NGX_IOT_ABORTED              10
#define NGX_IOT_OUT_OF_RANGE         11
#define NGX_IOT_UNIMPLEMENTED        12
#define NGX_IOT_INTERNAL             13
#define NGX_IOT_UNAVAILABLE          14
#define NGX_IOT_DATA_LOSS            15
#define NGX_IOT_UNAUTHENTICATED      16


/* the wire formats of requests and answers */

typedef enum {
    NGX_IOT_JSON = 0,
    NGX_IOT_PROTOBUF
} ngx_iot_wire_e;


/* milliseconds since the epoch, from the gateway's own clock */
typedef uint64_t  ngx_iot_msec_t;


#define NGX_IOT_SHA256_LEN           32
#define NGX_IOT_SHA1_LEN             20

#define NGX_IOT_FINGERPRINT_LEN      (2 * NGX_IOT_SHA256_LEN)
#define NGX_IOT_OPERATION_ID_LEN     20

#define NGX_IOT_UUID_LEN             16

/* a registry's or folder's id: 1-50 of [A-Za-z0-9_-] */
#define NGX_IOT_RESOURCE_ID_MAX      50


#endif /* _NGX_IOT_H_INCLUDED_ */
