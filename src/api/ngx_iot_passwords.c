
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_registry_service.h"
#include "ngx_iot_store_registry.h"


/*
 * The passwords of registries: there are none, as nothing here could check
 * one.  Clients list them in passing, so that the list is an empty one.
 */


static ngx_int_t ngx_iot_list_passwords_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_list_passwords_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_list_passwords_write(ngx_iot_out_t *out,
    const void *data);
static ngx_int_t ngx_iot_passwords_refuse(ngx_iot_call_t *call);


const ngx_iot_method_t  ngx_iot_list_passwords = {
    ngx_string("RegistryService.ListPasswords"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_GET,
    ngx_string(NGX_IOT_REGISTRIES "/{registry_id}/passwords"),
    ngx_string(NGX_IOT_REGISTRY_RPC "ListPasswords"),
    0,
    ngx_iot_registry_params,
    ngx_iot_list_passwords_prepare,
    ngx_iot_list_passwords_finish,
    ngx_iot_list_passwords_write,
    NULL,
    NULL
};


/* without BODY: a password that came all the same is not even read */

const ngx_iot_method_t  ngx_iot_add_password = {
    ngx_string("RegistryService.AddPassword"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_POST,
    ngx_string(NGX_IOT_REGISTRIES "/{registry_id}/passwords"),
    ngx_string(NGX_IOT_REGISTRY_RPC "AddPassword"),
    0,
    ngx_iot_registry_params,
    ngx_iot_passwords_refuse,
    NULL,
    NULL,
    NULL,
    NULL
};


const ngx_iot_method_t  ngx_iot_delete_password = {
    ngx_string("RegistryService.DeletePassword"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_DELETE,
    ngx_string(NGX_IOT_REGISTRIES "/{registry_id}/passwords/{password_id}"),
    ngx_string(NGX_IOT_REGISTRY_RPC "DeletePassword"),
    0,
    ngx_iot_registry_params,
    ngx_iot_passwords_refuse,
    NULL,
    NULL,
    NULL,
    NULL
};


static ngx_int_t
ngx_iot_list_passwords_prepare(ngx_iot_call_t *call)
{
    ngx_int_t  rc;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_iot_store_get_registry(&call->store, &call->registry_id,
                                   &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* with iot_registries open a registry need not have a record */
static ngx_int_t
ngx_iot_list_passwords_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_registry_t      *registry;
    ngx_iot_store_result_e   result;

    registry = &call->operation.registry;

    result = ngx_iot_store_registry(&call->store, reply, registry);

    if (result == NGX_IOT_STORE_NO_REGISTRY && call->settings->open) {
        return NGX_OK;
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_registry_refused(call, result);
    }

    call->folder_id = registry->folder_id;

    return NGX_OK;
}


static void
ngx_iot_list_passwords_write(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_list(out, "passwords");
    ngx_iot_out_list_end(out);
    ngx_iot_out_message_end(out);
}


static ngx_int_t
ngx_iot_passwords_refuse(ngx_iot_call_t *call)
{
    ngx_iot_error(&call->error, PASSWORDS_NOT_SERVED,
                  "registries have no passwords here: devices are known by "
                  "their certificates");

    return NGX_DECLINED;
}
