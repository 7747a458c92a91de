
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REGISTRY_SERVICE_H_INCLUDED_
#define _NGX_IOT_REGISTRY_SERVICE_H_INCLUDED_


#include "ngx_iot_method.h"


/* yandex.cloud.iot.devices.v1.RegistryService: what its methods share */


extern const ngx_iot_method_t  ngx_iot_add_certificate;
extern const ngx_iot_method_t  ngx_iot_get_certificate;
extern const ngx_iot_method_t  ngx_iot_delete_certificate;
extern const ngx_iot_method_t  ngx_iot_list_certificates;
extern const ngx_iot_method_t  ngx_iot_import_certificates;
extern const ngx_iot_method_t  ngx_iot_list_operations;
extern const ngx_iot_method_t  ngx_iot_get_registry;
extern const ngx_iot_method_t  ngx_iot_get_registry_by_name;
extern const ngx_iot_method_t  ngx_iot_list_registries;
extern const ngx_iot_method_t  ngx_iot_create_registry;
extern const ngx_iot_method_t  ngx_iot_update_registry;
extern const ngx_iot_method_t  ngx_iot_delete_registry;
extern const ngx_iot_method_t  ngx_iot_enable_registry;
extern const ngx_iot_method_t  ngx_iot_disable_registry;
extern const ngx_iot_method_t  ngx_iot_list_passwords;
extern const ngx_iot_method_t  ngx_iot_add_password;
extern const ngx_iot_method_t  ngx_iot_delete_password;


#define NGX_IOT_REGISTRIES    "/iot-devices/v1/registries"

#define NGX_IOT_REGISTRY_RPC                                                  \
    "/yandex.cloud.iot.devices.v1.RegistryService/"


/* of a method that names a registry and nothing else */
extern const ngx_iot_param_t  ngx_iot_registry_params[];


/* NGX_OK, or NGX_DECLINED with the field named in call->error */
ngx_int_t ngx_iot_registry_id_check(ngx_iot_call_t *call);
ngx_int_t ngx_iot_folder_id_check(ngx_iot_call_t *call);

/*
 * Makes call->operation one of that kind, which is done, for its registry: the
 * call's, when it has none yet.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_iot_registry_operation(ngx_iot_call_t *call,
    ngx_iot_operation_kind_e kind);

/*
 * Fills call->error for what the methods of registries have in common.
 * NGX_DECLINED.
 */
ngx_int_t ngx_iot_registry_refused(ngx_iot_call_t *call,
    ngx_iot_store_result_e result);

/*
 * Fills call->error for what the methods of certificates have in common: no
 * registry, a disabled one, no certificate, and what the store cannot do.
 * NGX_DECLINED.
 */
ngx_int_t ngx_iot_certificate_refused(ngx_iot_call_t *call,
    ngx_iot_store_result_e result);


#endif /* _NGX_IOT_REGISTRY_SERVICE_H_INCLUDED_ */
