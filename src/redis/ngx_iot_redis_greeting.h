
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_GREETING_H_INCLUDED_
#define _NGX_IOT_REDIS_GREETING_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_endpoint.h"
#include "ngx_iot_redis_output.h"


/*
 * What is said first on a link, in one round trip: HELLO, which logs in and
 * tells whether this is the server that is wanted, then the choice of the
 * database if it is not the first one, then WAIT for no replica, if it will be
 * used, to see whether that is allowed, then the scripts.
 */


/* how many replies there will be */
#define ngx_iot_redis_greeting_replies(endpoint)                              \
    (1 + ((endpoint)->database != 0) + ((endpoint)->replicas != 0)            \
     + (endpoint)->nscripts)

/* room for the reason of a refusal */
#define NGX_IOT_REDIS_REASON_LEN  (NGX_IOT_RESP_QUOTE_LEN + 128)


/* NGX_OK, or NGX_ERROR: no memory */
ngx_int_t ngx_iot_redis_greeting_write(
    const ngx_iot_redis_endpoint_t *endpoint, ngx_iot_redis_output_t *output);

/*
 * Checks the n-th reply, from 0.  NGX_OK; NGX_DECLINED: the link is of no use;
 * NGX_ABORT: nor will another one be, until somebody changes something;
 * NGX_BUSY: the server has another role.
 * Reason, whose data has room for NGX_IOT_REDIS_REASON_LEN, says why; it
 * never holds the password.
 */
ngx_int_t ngx_iot_redis_greeting_check(
    const ngx_iot_redis_endpoint_t *endpoint, ngx_uint_t n,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *reason);


#endif /* _NGX_IOT_REDIS_GREETING_H_INCLUDED_ */
