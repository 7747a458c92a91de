
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"


#define UNIT_SHOWN_MAX  400


void *__real_ngx_alloc(size_t size, ngx_log_t *log);
void *__wrap_ngx_alloc(size_t size, ngx_log_t *log);

static ngx_uint_t unit_result(ngx_uint_t passed, const char *fmt,
    va_list args);
static void unit_show(const char *what, const u_char *data, size_t len);


static ngx_pool_t  *unit_current_pool;
static ngx_uint_t   unit_alloc_countdown;
static ngx_uint_t   unit_alloc_has_failed;
static ngx_uint_t   unit_tests;
static ngx_uint_t   unit_failures;


ngx_pool_t *
unit_pool(void)
{
    if (unit_current_pool) {
        ngx_destroy_pool(unit_current_pool);
    }

    unit_current_pool = ngx_create_pool(4096, &unit_log);

    if (unit_current_pool == NULL) {
        abort();
    }

    return unit_current_pool;
}


ngx_str_t
unit_copy(ngx_pool_t *pool, const void *data, size_t len)
{
    ngx_str_t  copy;

    copy.len = len;
    copy.data = ngx_pnalloc(pool, len);

    if (copy.data == NULL) {
        abort();
    }

    if (len) {
        ngx_memcpy(copy.data, data, len);
    }

    return copy;
}


void
unit_fail_alloc(ngx_uint_t n)
{
    unit_alloc_countdown = n;
    unit_alloc_has_failed = 0;
}


ngx_uint_t
unit_alloc_failed(void)
{
    return unit_alloc_has_failed;
}


/* the linker puts this in place of ngx_alloc(), see build.sh */
void *
__wrap_ngx_alloc(size_t size, ngx_log_t *log)
{
    if (unit_alloc_countdown && --unit_alloc_countdown == 0) {
        unit_alloc_has_failed = 1;
        return NULL;
    }

    return __real_ngx_alloc(size, log);
}


ngx_uint_t
unit_ok(ngx_uint_t cond, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    unit_result(cond, fmt, args);
    va_end(args);

    return cond;
}


ngx_uint_t
unit_is_int(intmax_t got, intmax_t want, const char *fmt, ...)
{
    va_list  args;

    va_start(args, fmt);
    unit_result(got == want, fmt, args);
    va_end(args);

    if (got != want) {
        printf("#      got: %jd\n# expected: %jd\n", got, want);
    }

    return got == want;
}


ngx_uint_t
unit_is_str(const ngx_str_t *got, const char *want, const char *fmt, ...)
{
    va_list     args;
    ngx_uint_t  same;

    same = got->len == ngx_strlen(want)
           && (got->len == 0 || ngx_memcmp(got->data, want, got->len) == 0);

    va_start(args, fmt);
    unit_result(same, fmt, args);
    va_end(args);

    if (!same) {
        unit_show("     got", got->data, got->len);
        unit_show("expected", (const u_char *) want, ngx_strlen(want));
    }

    return same;
}


ngx_uint_t
unit_is_mem(const ngx_str_t *got, const void *want, size_t len,
    const char *fmt, ...)
{
    va_list     args;
    ngx_uint_t  same;

    same = got->len == len
           && (len == 0 || ngx_memcmp(got->data, want, len) == 0);

    va_start(args, fmt);
    unit_result(same, fmt, args);
    va_end(args);

    if (!same) {
        unit_show("     got", got->data, got->len);
        unit_show("expected", want, len);
    }

    return same;
}


void
unit_note(const char *fmt, ...)
{
    va_list  args;

    printf("# ");

    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);

    printf("\n");
}


int
unit_done(void)
{
    if (unit_current_pool) {
        ngx_destroy_pool(unit_current_pool);
        unit_current_pool = NULL;
    }

    printf("1..%lu\n", (unsigned long) unit_tests);

    if (unit_failures) {
        unit_note("%lu of %lu tests failed", (unsigned long) unit_failures,
                  (unsigned long) unit_tests);
    }

    return (unit_failures || unit_tests == 0) ? 1 : 0;
}


static ngx_uint_t
unit_result(ngx_uint_t passed, const char *fmt, va_list args)
{
    unit_tests++;

    if (!passed) {
        unit_failures++;
    }

    printf("%sok %lu - ", passed ? "" : "not ", (unsigned long) unit_tests);
    vprintf(fmt, args);
    printf("\n");

    fflush(stdout);

    return passed;
}


/* one line, whatever the bytes are: TAP is made of lines */
static void
unit_show(const char *what, const u_char *data, size_t len)
{
    size_t  i;

    printf("# %s (%lu bytes): ", what, (unsigned long) len);

    for (i = 0; i < len && i < UNIT_SHOWN_MAX; i++) {

        if (data[i] >= 0x20 && data[i] < 0x7f && data[i] != '\\') {
            printf("%c", data[i]);
            continue;
        }

        printf("\\x%02x", data[i]);
    }

    printf("%s\n", i < len ? "..." : "");
}
