
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_iot_redis_password.h"


static ngx_int_t ngx_iot_redis_password_load(ngx_conf_t *cf, ngx_str_t *file,
    u_char *buf, size_t *len);
static ngx_int_t ngx_iot_redis_password_line(ngx_conf_t *cf, ngx_str_t *file,
    u_char *buf, size_t *len);
static ngx_int_t ngx_iot_redis_password_keep(ngx_conf_t *cf,
    ngx_str_t *password, const u_char *buf, size_t len);
static void ngx_iot_redis_password_wipe(void *data);


ngx_int_t
ngx_iot_redis_password_read(ngx_conf_t *cf, ngx_str_t *file,
    ngx_str_t *password)
{
    size_t     len;
    ngx_int_t  rc;

    /* a line break of two bytes, and one byte more than is allowed */
    u_char     buf[NGX_IOT_REDIS_PASSWORD_MAX + 3];

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    len = sizeof(buf);

    rc = ngx_iot_redis_password_load(cf, file, buf, &len);

    if (rc == NGX_OK) {
        rc = ngx_iot_redis_password_line(cf, file, buf, &len);
    }

    if (rc == NGX_OK) {
        rc = ngx_iot_redis_password_keep(cf, password, buf, len);
    }

    ngx_explicit_memzero(buf, sizeof(buf));

    return rc;
}


/* *len: room in buf, then what was read */
static ngx_int_t
ngx_iot_redis_password_load(ngx_conf_t *cf, ngx_str_t *file, u_char *buf,
    size_t *len)
{
    ssize_t          n;
    ngx_fd_t         fd;
    ngx_err_t        err;
    ngx_file_info_t  fi;

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", file);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR && (fi.st_mode & S_IROTH)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "password file \"%V\" is readable by everyone",
                           file);
    }

    n = ngx_read_fd(fd, buf, *len);
    err = ngx_errno;

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", file);
    }

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, err,
                           ngx_read_fd_n " \"%V\" failed", file);
        return NGX_ERROR;
    }

    *len = n;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_redis_password_line(ngx_conf_t *cf, ngx_str_t *file, u_char *buf,
    size_t *len)
{
    u_char  *p;
    size_t   n;

    p = ngx_strlchr(buf, buf + *len, LF);
    n = p ? (size_t) (p - buf) : *len;

    if (n && buf[n - 1] == CR) {
        n--;
    }

    if (n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no password in the first line of \"%V\"", file);
        return NGX_ERROR;
    }

    if (n > NGX_IOT_REDIS_PASSWORD_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "too long password in \"%V\", expected at most "
                           "%d bytes", file, NGX_IOT_REDIS_PASSWORD_MAX);
        return NGX_ERROR;
    }

    *len = n;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_redis_password_keep(ngx_conf_t *cf, ngx_str_t *password,
    const u_char *buf, size_t len)
{
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    password->data = ngx_pnalloc(cf->pool, len);
    if (password->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(password->data, buf, len);
    password->len = len;

    cln->handler = ngx_iot_redis_password_wipe;
    cln->data = password;

    return NGX_OK;
}


static void
ngx_iot_redis_password_wipe(void *data)
{
    ngx_str_t  *password = data;

    ngx_explicit_memzero(password->data, password->len);
}


ngx_uint_t
ngx_iot_redis_password_in(const ngx_str_t *password, const ngx_str_t *text)
{
    size_t  i;

    if (password->len == 0) {
        return 0;
    }

    for (i = 0; i + password->len <= text->len; i++) {

        if (ngx_memcmp(text->data + i, password->data, password->len) == 0) {
            return 1;
        }
    }

    return 0;
}
