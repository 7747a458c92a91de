
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_CLAIM_H_INCLUDED_
#define _NGX_IOT_CLAIM_H_INCLUDED_


#include "ngx_iot_method.h"


/*
 * The steps by which a call claims a certificate for its operation.  They set
 * call->step, and return as a method's finish() does.
 *
 * A claim says that its operation may be about to store the certificate; the
 * certificate in a registry is the truth.  Who meets another's claim asks the
 * registry that has made it.  When that has not the certificate, it forbids
 * the claim's operation for ever, and only then the claim is taken over: so
 * nobody ever stores a certificate under a claim that is not its own.
 *
 * A claim that was just made is waited for a little: as a rule its operation
 * is stored by then, or has given it back.
 *
 * Nothing of this starts the operation: whatever is not answered, its outcome
 * is certain.
 */


struct ngx_iot_claim_s {
    ngx_iot_store_claim_t     claim;
    ngx_iot_store_holder_t    holder;       /* who is in the way */
    ngx_uint_t                tries;
    ngx_uint_t                waits;
    ngx_uint_t                asked;        /* it may be ours */

    /* another call may be at the same operation: it is fenced, or it stays */
    ngx_uint_t                shared;

    /* what follows when it is claimed */
    ngx_int_t               (*claimed)(ngx_iot_call_t *call);

    /*
     * What follows when it is not.  EXISTS: a registry has the certificate;
     * PENDING: another operation may be about to store it.
     */
    ngx_int_t               (*refused)(ngx_iot_call_t *call,
                                ngx_iot_store_result_e result);
};


/* fills the claim of that operation on that certificate */
void ngx_iot_claim_init(ngx_iot_claim_t *claim,
    const ngx_iot_certificate_t *certificate,
    const ngx_iot_operation_t *operation);

/* Claims call->claim. */
ngx_int_t ngx_iot_claim(ngx_iot_call_t *call);

/* As ngx_iot_claim(), when call->claim->holder is known to hold it. */
ngx_int_t ngx_iot_claim_held(ngx_iot_call_t *call);

/*
 * The operation was refused, or will not be sent: what call->claim has claimed
 * is given back when the call ends.
 */
void ngx_iot_claim_abandon(ngx_iot_call_t *call);

/* Gives back a claim when the call ends; it is copied. */
void ngx_iot_claim_release(ngx_iot_call_t *call,
    const ngx_iot_store_claim_t *claim);

/*
 * The same for what added_by claimed when it added the certificate that
 * call->operation is about, where the script did not reach that claim.
 */
void ngx_iot_claim_release_added(ngx_iot_call_t *call,
    const ngx_str_t *added_by);


#endif /* _NGX_IOT_CLAIM_H_INCLUDED_ */
