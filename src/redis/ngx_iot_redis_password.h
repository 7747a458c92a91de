
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REDIS_PASSWORD_H_INCLUDED_
#define _NGX_IOT_REDIS_PASSWORD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


#define NGX_IOT_REDIS_PASSWORD_MAX  512


/*
 * Reads the first line of the file, whose name becomes a full one, without
 * its line break.  The password lives as long as the configuration and is
 * wiped with it.  NGX_ERROR: there is none, which was logged.
 */
ngx_int_t ngx_iot_redis_password_read(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *password);

/* whether the text repeats the password; an empty one is never found */
ngx_uint_t ngx_iot_redis_password_in(const ngx_str_t *password,
    const ngx_str_t *text);


#endif /* _NGX_IOT_REDIS_PASSWORD_H_INCLUDED_ */
