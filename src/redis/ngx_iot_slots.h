
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_SLOTS_H_INCLUDED_
#define _NGX_IOT_SLOTS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_resp.h"


/*
 * Redis Cluster as pure data: which slot a key is in, which server has a slot,
 * what a redirection says.  No socket, no clock.
 */


#define NGX_IOT_SLOTS           16384

/* a cluster with more masters is refused */
#define NGX_IOT_SLOTS_SERVERS   256

/* the owner of a slot that nobody serves */
#define NGX_IOT_SLOTS_NONE      0xffff


/* host: an address or a name; empty: that of the server which says so */

typedef struct {
    ngx_str_t               host;
    in_port_t               port;
} ngx_iot_slots_server_t;


typedef struct {
    uint16_t                owners[NGX_IOT_SLOTS];
    ngx_uint_t              nservers;
    ngx_iot_slots_server_t  servers[NGX_IOT_SLOTS_SERVERS];
} ngx_iot_slots_table_t;


typedef struct {
    ngx_uint_t              slot;
    ngx_iot_slots_server_t  server;
} ngx_iot_slots_redirect_t;


/* CRC-16/XMODEM */
uint16_t ngx_iot_slots_crc16(const u_char *data, size_t len);

/* the slot of a key: of what stands in its first braces, if anything does */
ngx_uint_t ngx_iot_slots_of_key(const ngx_str_t *key);

/* of a request: that of its first key, 0 if it has none */
ngx_uint_t ngx_iot_slots_of_request(const ngx_iot_resp_request_t *req);

/*
 * Reads the reply to CLUSTER SLOTS: the masters, and who of them has which
 * slot.  A master that does not know its own name ("?") has none.  Hosts are
 * slices of the reply.  NGX_OK; NGX_DECLINED: it is none, or beyond the
 * limits; *table is not to be used then.
 */
ngx_int_t ngx_iot_slots_read(ngx_iot_slots_table_t *table,
    const ngx_iot_resp_reply_t *reply);

/*
 * Reads "MOVED 3999 127.0.0.1:6381", or the same with ASK; the host is a slice
 * of it.  NGX_OK, or NGX_DECLINED: it is none.
 */
ngx_int_t ngx_iot_slots_read_redirect(ngx_iot_slots_redirect_t *redirect,
    const ngx_str_t *text);


#endif /* _NGX_IOT_SLOTS_H_INCLUDED_ */
