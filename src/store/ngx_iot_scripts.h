
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_SCRIPTS_H_INCLUDED_
#define _NGX_IOT_SCRIPTS_H_INCLUDED_


#include "ngx_iot_resp.h"


/* the scripts of this folder's .lua files, which the build embeds */

typedef enum {
    NGX_IOT_SCRIPT_ADD_CERTIFICATE = 0,
    NGX_IOT_SCRIPT_CHECK_CERTIFICATE,
    NGX_IOT_SCRIPT_CLAIM_CERTIFICATE,
    NGX_IOT_SCRIPT_CLAIM_NAME,
    NGX_IOT_SCRIPT_CREATE_REGISTRY,
    NGX_IOT_SCRIPT_DELETE_CERTIFICATE,
    NGX_IOT_SCRIPT_FENCE_OPERATION,
    NGX_IOT_SCRIPT_FIND_CERTIFICATE,
    NGX_IOT_SCRIPT_FINISH_OPERATION,
    NGX_IOT_SCRIPT_GET_CERTIFICATE,
    NGX_IOT_SCRIPT_IMPORT_CERTIFICATES,
    NGX_IOT_SCRIPT_LIST_CERTIFICATES,
    NGX_IOT_SCRIPT_LIST_OPERATIONS,
    NGX_IOT_SCRIPT_LIST_PENDING,
    NGX_IOT_SCRIPT_PROBE,
    NGX_IOT_SCRIPT_READ_HASHES,
    NGX_IOT_SCRIPT_REDELIVER_EVENT,
    NGX_IOT_SCRIPT_RELEASE_CERTIFICATE,
    NGX_IOT_SCRIPT_RELEASE_NAME,
    NGX_IOT_SCRIPT_RESOLVE_CERTIFICATE,
    NGX_IOT_SCRIPT_RESOLVE_NAME,
    NGX_IOT_SCRIPT_SWEEP_TURN,
    NGX_IOT_SCRIPT_UPDATE_REGISTRY,
    NGX_IOT_SCRIPT_MAX
} ngx_iot_script_e;


/*
 * NGX_IOT_SCRIPT_MAX scripts, indexed by the enumeration; usable after
 * ngx_iot_scripts_init(), which is called while the configuration is read.
 */
extern ngx_iot_resp_script_t  ngx_iot_scripts[];

void ngx_iot_scripts_init(void);


#endif /* _NGX_IOT_SCRIPTS_H_INCLUDED_ */
