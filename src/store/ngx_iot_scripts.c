
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_scripts.h"

/* made by embed.sh from the .lua files beside */
#include "ngx_iot_scripts.inc"


#define ngx_iot_script(name)                                                  \
    { ngx_string(#name),                                                      \
      { sizeof(ngx_iot_script_##name##_source) - 1,                           \
        (u_char *) ngx_iot_script_##name##_source },                          \
      { 0 } }


ngx_iot_resp_script_t  ngx_iot_scripts[NGX_IOT_SCRIPT_MAX] = {
    ngx_iot_script(add_certificate),
    ngx_iot_script(check_certificate),
    ngx_iot_script(claim_certificate),
    ngx_iot_script(claim_name),
    ngx_iot_script(create_registry),
    ngx_iot_script(delete_certificate),
    ngx_iot_script(delete_registry),
    ngx_iot_script(fence_operation),
    ngx_iot_script(find_certificate),
    ngx_iot_script(finish_operation),
    ngx_iot_script(get_certificate),
    ngx_iot_script(import_certificates),
    ngx_iot_script(list_certificates),
    ngx_iot_script(list_operations),
    ngx_iot_script(list_pending),
    ngx_iot_script(probe),
    ngx_iot_script(purge_registry),
    ngx_iot_script(read_hashes),
    ngx_iot_script(redeliver_event),
    ngx_iot_script(release_certificate),
    ngx_iot_script(release_claims),
    ngx_iot_script(release_name),
    ngx_iot_script(resolve_certificate),
    ngx_iot_script(resolve_name),
    ngx_iot_script(sweep_turn),
    ngx_iot_script(take_job),
    ngx_iot_script(update_registry)
};


void
ngx_iot_scripts_init(void)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_IOT_SCRIPT_MAX; i++) {
        ngx_iot_resp_script_init(&ngx_iot_scripts[i]);
    }
}
