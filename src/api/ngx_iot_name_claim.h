
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_NAME_CLAIM_H_INCLUDED_
#define _NGX_IOT_NAME_CLAIM_H_INCLUDED_


#include "ngx_iot_method.h"
#include "ngx_iot_store_registry.h"


/*
 * The steps by which a call claims a name in a folder, and takes back what it
 * has claimed.  They set call->step, and return as a method's finish() does.
 * call->work begins with an ngx_iot_name_claim_t.
 */

typedef struct {
    ngx_iot_store_name_t      name;
    ngx_iot_store_holder_t    holder;       /* who is in the way */
    ngx_uint_t                tries;

    /* what comes when it is claimed */
    ngx_int_t               (*claimed)(ngx_iot_call_t *call);

    /*
     * Of a Create: it came before under its Idempotency-Key, with the ids that
     * are in holder now.
     */
    ngx_int_t               (*same)(ngx_iot_call_t *call);

    /*
     * Another registry has the name, or another request is giving it to one:
     * the call has its error, with which it ends when this is NULL.
     */
    ngx_int_t               (*refused)(ngx_iot_call_t *call);

    /* of a Create: the operation is fenced, more can be given back; or NULL */
    void                    (*fenced)(ngx_iot_call_t *call);

    /* the operation that is answered in place of the call's error, if set */
    ngx_str_t                 answer;
} ngx_iot_name_claim_t;


ngx_int_t ngx_iot_name_claim(ngx_iot_call_t *call);

/*
 * The operation will not be stored: it is fenced and what it has claimed is
 * released, then the call ends with claim->answer, or with the error that it
 * has.  If the operation was stored for another request meanwhile, it ends
 * with that.
 */
ngx_int_t ngx_iot_name_unclaim(ngx_iot_call_t *call);


#endif /* _NGX_IOT_NAME_CLAIM_H_INCLUDED_ */
