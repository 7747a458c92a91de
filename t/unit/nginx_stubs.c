
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * What nginx's core objects want from the rest of nginx.  The list is short,
 * and it must stay so: a symbol of the event or http floor that is missing
 * here is code that has left its floor, not a stub to add.
 */


#include <ngx_config.h>
#include <ngx_core.h>


static void unit_start(void) __attribute__((constructor));


static ngx_open_file_t   unit_log_file = { .fd = STDERR_FILENO };

ngx_log_t                unit_log = {
    .log_level = NGX_LOG_STDERR,
    .file = &unit_log_file
};

static ngx_cycle_t       unit_cycle = { .log = &unit_log };

volatile ngx_cycle_t    *ngx_cycle = &unit_cycle;
ngx_pid_t                ngx_pid;


static void
unit_start(void)
{
    ngx_pid = getpid();
    ngx_pagesize = getpagesize();
    ngx_cacheline_size = NGX_CPU_CACHE_LINE;

    if (getenv("UNIT_VERBOSE")) {
        unit_log.log_level = NGX_LOG_DEBUG;
    }

    ngx_time_init();
}


void ngx_cdecl
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    abort();
}


ngx_open_file_t *
ngx_conf_open_file(ngx_cycle_t *cycle, ngx_str_t *name)
{
    abort();
}


char *
ngx_syslog_process_conf(ngx_conf_t *cf, ngx_syslog_peer_t *peer)
{
    abort();
}


void
ngx_syslog_writer(ngx_log_t *log, ngx_uint_t level, u_char *buf, size_t len)
{
    abort();
}
