
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _FUZZ_CALLS_H_INCLUDED_
#define _FUZZ_CALLS_H_INCLUDED_


#include "unit.h"
#include "ngx_iot_method.h"


/*
 * Calls of methods without a door: how they are made, and what is true of each
 * of their steps.
 */


/* how the store and the location are; bits of the argument of a call */

#define FUZZ_CALLS_OPEN     0x01
#define FUZZ_CALLS_BACKEND  0x02
#define FUZZ_CALLS_CLUSTER  0x04
#define FUZZ_CALLS_KEY      0x08
#define FUZZ_CALLS_LIMIT    0x10

/* of the message and the answer; for who makes the call */
#define FUZZ_CALLS_PROTOBUF  0x20


typedef struct {
    ngx_iot_call_t       call;
    ngx_iot_settings_t   settings;
    ngx_str_t            text;          /* of the parts so far, malloc()ed */
} fuzz_call_t;


/*
 * A call of the method that a path and a query name, "POST /operations?a=b".
 * In the query K is the Idempotency-Key, D is dry_run, and B the body.  NULL:
 * no method is named so.
 */
fuzz_call_t *fuzz_call_create(ngx_pool_t *pool, const ngx_str_t *line,
    ngx_uint_t flags);

/*
 * Checks what a step has returned:
 *
 *     NGX_AGAIN     the request can be written, its keys are the store's, and
 *                   of one slot when they have to be; but not when they are
 *                   read by ids that came from the store
 *     NGX_OK,
 *     NGX_BUSY      the answer, or its next part, can be written
 *     NGX_DECLINED  the error has a reason, a message, and can be written
 *     NGX_ERROR     a delete cannot go on; a task takes it up
 *
 * and what was written is a message of its format when it is complete.
 */
void fuzz_call_check(fuzz_call_t *fuzz, ngx_int_t rc);

void fuzz_call_done(fuzz_call_t *fuzz);


#endif /* _FUZZ_CALLS_H_INCLUDED_ */
