
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_GRPC_H_INCLUDED_
#define _NGX_IOT_GRPC_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"


/* What gRPC puts around messages: bytes only, no connection. */


/* a flag and the length, before each message */
#define NGX_IOT_GRPC_PREFIX_LEN   5

/* of an answer: clients refuse more than 4 MiB unless they are told to */
#define NGX_IOT_GRPC_MESSAGE_MAX  (4 * 1024 * 1024 - NGX_IOT_GRPC_PREFIX_LEN)

/* in milliseconds: a deadline that is further away is cut to that */
#define NGX_IOT_GRPC_TIMEOUT_MAX  (24 * 60 * 60 * 1000)


/*
 * The message of a unary call's body; a slice of it.
 * NGX_OK; NGX_DECLINED: it is not exactly one, whole and uncompressed.
 */
ngx_int_t ngx_iot_grpc_message(const ngx_str_t *body, ngx_str_t *message,
    ngx_iot_error_t *err);

/* writes what stands before a message of len bytes; returns the end of it */
u_char *ngx_iot_grpc_prefix(u_char *p, size_t len);

/*
 * Reads a grpc-timeout into milliseconds, rounded up: what is not over must
 * not be called so.  NGX_OK or NGX_DECLINED.
 */
ngx_int_t ngx_iot_grpc_timeout(const ngx_str_t *value, ngx_msec_t *timeout,
    ngx_iot_error_t *err);

/*
 * Writes src as a grpc-message has it, percent-encoded; dst has room for
 * 3 * src->len bytes.  Returns the end of it.
 */
u_char *ngx_iot_grpc_escape(u_char *dst, const ngx_str_t *src);

/*
 * Cuts what is long in err, so that its headers fit into the 8 KB that clients
 * take; an ellipsis tells.  NGX_OK, or NGX_ERROR: no memory.
 */
ngx_int_t ngx_iot_grpc_trim(ngx_pool_t *pool, ngx_iot_error_t *err);


#endif /* _NGX_IOT_GRPC_H_INCLUDED_ */
