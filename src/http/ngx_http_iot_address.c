
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_http_iot_module.h"


/*
 * Where the client can reach the gateway: what iot_endpoints says, else where
 * it has reached it now.
 */


static ngx_uint_t ngx_http_iot_has_port(const ngx_str_t *host);
static ngx_int_t ngx_http_iot_local_address(ngx_http_request_t *r,
    ngx_str_t *address);


ngx_int_t
ngx_http_iot_address(ngx_http_request_t *r, ngx_str_t *address)
{
    u_char                   *p;
    ngx_str_t                 host;
    const char               *port;
    ngx_http_iot_loc_conf_t  *ilcf;

    ilcf = ngx_http_get_module_loc_conf(r, ngx_http_iot_module);

    ngx_str_null(&host);

    if (ilcf->address
        && ngx_http_complex_value(r, ilcf->address, &host) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (host.len == 0 && r->headers_in.host) {
        host = r->headers_in.host->value;
    }

    if (host.len == 0) {
        return ngx_http_iot_local_address(r, address);
    }

    if (ngx_http_iot_has_port(&host)) {
        *address = host;
        return NGX_OK;
    }

    /* who names none has used that of the scheme, whatever came between */

    port = ":80";

#if (NGX_HTTP_SSL)
    if (r->connection->ssl) {
        port = ":443";
    }
#endif

    p = ngx_pnalloc(r->pool, host.len + sizeof(":443") - 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    address->data = p;
    address->len = ngx_sprintf(p, "%V%s", &host, port) - p;

    return NGX_OK;
}


/* an IPv6 address stands in brackets */
static ngx_uint_t
ngx_http_iot_has_port(const ngx_str_t *host)
{
    u_char  *p;

    for (p = host->data + host->len; p > host->data; p--) {

        if (p[-1] == ':') {
            return 1;
        }

        if (p[-1] == ']') {
            return 0;
        }
    }

    return 0;
}


/* HTTP/1.0 may have no Host */
static ngx_int_t
ngx_http_iot_local_address(ngx_http_request_t *r, ngx_str_t *address)
{
    address->len = NGX_SOCKADDR_STRLEN;

    address->data = ngx_pnalloc(r->pool, address->len);
    if (address->data == NULL) {
        return NGX_ERROR;
    }

    return ngx_connection_local_sockaddr(r->connection, address, 1);
}
