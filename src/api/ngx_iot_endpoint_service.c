
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_method.h"


/*
 * yandex.cloud.endpoint.ApiEndpointService: where clients find the services.
 * All of them are here, at the address that the client has used itself.
 */


#define NGX_IOT_ENDPOINT_RPC  "/yandex.cloud.endpoint.ApiEndpointService/"


static ngx_int_t ngx_iot_get_endpoint_prepare(ngx_iot_call_t *call);
static void ngx_iot_get_endpoint_write(ngx_iot_out_t *out, const void *data);
static ngx_int_t ngx_iot_list_endpoints_prepare(ngx_iot_call_t *call);
static void ngx_iot_list_endpoints_write(ngx_iot_out_t *out,
    const void *data);
static void ngx_iot_endpoint_write(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *id, const ngx_str_t *address);


/*
 * What clients look for at their start: some refuse to begin without "iam",
 * one knows the registries as "iotbroker".
 */

static const ngx_str_t  ngx_iot_endpoints[] = {
    ngx_string("endpoint"),
    ngx_string("iam"),
    ngx_string("operation"),
    ngx_string("iot-devices"),
    ngx_string("iotbroker"),
    ngx_string("iot-data"),
    ngx_string("resource-manager")
};

#define NGX_IOT_ENDPOINTS  (sizeof(ngx_iot_endpoints) / sizeof(ngx_str_t))


static const ngx_iot_param_t  ngx_iot_get_endpoint_params[] = {
    ngx_iot_path_param("api_endpoint_id", "apiEndpointId", 1, endpoint_id),
    ngx_iot_no_param
};


static const ngx_iot_param_t  ngx_iot_list_endpoints_params[] = {
    ngx_iot_no_param
};


static const ngx_iot_method_t  ngx_iot_get_endpoint = {
    ngx_string("ApiEndpointService.Get"),
    NGX_IOT_ENDPOINT_SERVICE,
    NGX_IOT_GET,
    ngx_string("/endpoints/{endpoint_id}"),
    ngx_string(NGX_IOT_ENDPOINT_RPC "Get"),
    NGX_IOT_METHOD_ANONYMOUS,
    ngx_iot_get_endpoint_params,
    ngx_iot_get_endpoint_prepare,
    NULL,
    ngx_iot_get_endpoint_write,
    NULL,
    NULL
};


static const ngx_iot_method_t  ngx_iot_list_endpoints = {
    ngx_string("ApiEndpointService.List"),
    NGX_IOT_ENDPOINT_SERVICE,
    NGX_IOT_GET,
    ngx_string("/endpoints"),
    ngx_string(NGX_IOT_ENDPOINT_RPC "List"),
    NGX_IOT_METHOD_ANONYMOUS,
    ngx_iot_list_endpoints_params,
    ngx_iot_list_endpoints_prepare,
    NULL,
    ngx_iot_list_endpoints_write,
    NULL,
    NULL
};


ngx_iot_service_t  ngx_iot_endpoint_service[] = {
    &ngx_iot_get_endpoint,
    &ngx_iot_list_endpoints,
    NULL
};


static ngx_int_t
ngx_iot_get_endpoint_prepare(ngx_iot_call_t *call)
{
    ngx_uint_t        i;
    const ngx_str_t  *id;

    for (i = 0; i < NGX_IOT_ENDPOINTS; i++) {
        id = &ngx_iot_endpoints[i];

        if (id->len == call->endpoint_id.len
            && ngx_memcmp(id->data, call->endpoint_id.data, id->len) == 0)
        {
            return NGX_OK;
        }
    }

    ngx_iot_error(&call->error, ENDPOINT_NOT_FOUND,
                  "there is no endpoint of that id");

    ngx_str_set(&call->error.resource_type,
                "yandex.cloud.endpoint.ApiEndpoint");
    call->error.resource_name = call->endpoint_id;

    return NGX_DECLINED;
}


static void
ngx_iot_get_endpoint_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_iot_endpoint_write(out, 0, &call->endpoint_id, &call->address);
}


/* all are given at once: as in the proto, pages mean nothing here */
static ngx_int_t
ngx_iot_list_endpoints_prepare(ngx_iot_call_t *call)
{
    return NGX_OK;
}


static void
ngx_iot_list_endpoints_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_uint_t  i;

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_list(out, "endpoints");

    for (i = 0; i < NGX_IOT_ENDPOINTS; i++) {
        ngx_iot_endpoint_write(out, 1, &ngx_iot_endpoints[i], &call->address);
    }

    ngx_iot_out_list_end(out);
    ngx_iot_out_message_end(out);
}


static void
ngx_iot_endpoint_write(ngx_iot_out_t *out, ngx_uint_t number,
    const ngx_str_t *id, const ngx_str_t *address)
{
    ngx_iot_out_message(out, NULL, number);
    ngx_iot_out_string(out, "id", 1, id);
    ngx_iot_out_string(out, "address", 2, address);
    ngx_iot_out_message_end(out);
}
