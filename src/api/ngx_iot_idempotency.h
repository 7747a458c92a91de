
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_IDEMPOTENCY_H_INCLUDED_
#define _NGX_IOT_IDEMPOTENCY_H_INCLUDED_


#include "ngx_iot_method.h"


/*
 * Idempotency-Key: the same mutation under the same key is done once, and
 * answered with the one operation.  A key counts for its caller, method and
 * resource.  What makes requests the same are their decoded fields, so that
 * every door agrees.
 */


/*
 * Checks call->idempotency_key, if there is one.  NGX_OK, or NGX_DECLINED with
 * the field named in call->error.
 */
ngx_int_t ngx_iot_idempotency_check(ngx_iot_call_t *call);

/*
 * Says what the call's mutation is about, when its fields were read and before
 * its request to the store is made: the id of the resource that it changes (of
 * the parent when it adds to one), and the values of its n fields, at most
 * NGX_IOT_IDEMPOTENCY_FIELDS_MAX, in an order that never changes; an empty
 * string for what is not set.  NGX_OK or NGX_ERROR.
 */
#define NGX_IOT_IDEMPOTENCY_FIELDS_MAX  128

ngx_int_t ngx_iot_idempotency_scope(ngx_iot_call_t *call,
    const ngx_str_t *resource, const ngx_str_t *fields, ngx_uint_t n);


#endif /* _NGX_IOT_IDEMPOTENCY_H_INCLUDED_ */
