
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_OPERATION_SERVICE_H_INCLUDED_
#define _NGX_IOT_OPERATION_SERVICE_H_INCLUDED_


#include "ngx_iot_method.h"


/* what methods of one operation share; all return as finish() does */


/* asks for the record of call->operation_id */
ngx_int_t ngx_iot_operation_request(ngx_iot_call_t *call);

/* NGX_OK: call->operation is set from it, and what a call is about */
ngx_int_t ngx_iot_operation_record(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);

/* asks for the certificate or registry that call->operation answers */
ngx_int_t ngx_iot_operation_response(ngx_iot_call_t *call);

/*
 * Finishes or cancels call->operation as call->finish says, and answers it as
 * it stands then; call->found: it had been done before.
 */
ngx_int_t ngx_iot_operation_finish(ngx_iot_call_t *call);

/* fills call->error */
void ngx_iot_operation_not_found(ngx_iot_call_t *call);


#endif /* _NGX_IOT_OPERATION_SERVICE_H_INCLUDED_ */
