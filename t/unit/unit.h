
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _UNIT_H_INCLUDED_
#define _UNIT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Unit tests: a main() that calls the functions below and returns
 * unit_done().  The output is TAP, the formats are those of printf().
 */


/* where the code under test logs; silent unless UNIT_VERBOSE is set */
extern ngx_log_t  unit_log;


/* a new pool; the one that was returned before is destroyed */
ngx_pool_t *unit_pool(void);

/* a copy of exactly len bytes, so that sanitizers see a read past the end */
ngx_str_t unit_copy(ngx_pool_t *pool, const void *data, size_t len);

/* a string constant as unit_copy() does it */
#define unit_str(pool, text)                                                  \
    unit_copy(pool, text, sizeof(text) - 1)

/* the n-th ngx_alloc() from now on fails, and only that one; 0: none does */
void unit_fail_alloc(ngx_uint_t n);

/* 1 when the failure that was asked for has happened */
ngx_uint_t unit_alloc_failed(void);


/* each is one test; all return 1 when it has passed */

ngx_uint_t unit_ok(ngx_uint_t cond, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

ngx_uint_t unit_is_int(intmax_t got, intmax_t want, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

ngx_uint_t unit_is_str(const ngx_str_t *got, const char *want,
    const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

ngx_uint_t unit_is_mem(const ngx_str_t *got, const void *want, size_t len,
    const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));


/* a line of comment in the output */
void unit_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* prints the plan; returns the exit status of the program */
int unit_done(void);


#endif /* _UNIT_H_INCLUDED_ */
