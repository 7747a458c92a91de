
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


/*
 * The n-th allocation of a worker fails, when a test says so: linked into the
 * builds for sanitizers with --wrap, so that nginx, the module, hiredis, yajl
 * and, by its own hooks, libcrypto come here.  Without IOT_ALLOC_FAULT in the
 * environment nothing is different.
 *
 * The variable names a file, which all processes map: what the test writes
 * into it they see at once, and the other way round.
 */


#define _GNU_SOURCE

#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/crypto.h>


#define IOT_FAULT_FRAMES  24
#define IOT_FAULT_SITES   4096


typedef struct {
    uint64_t   countdown;                   /* 1: the next one; 0: none */
    uint64_t   injected;                    /* how many failed so far */
    uint64_t   nframes;                     /* of the last one's stack */
    uint64_t   frames[IOT_FAULT_FRAMES];
    uint64_t   nsites;
    uint64_t   sites[IOT_FAULT_SITES];      /* that the countdown passed */
} iot_fault_t;


void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
int __real_posix_memalign(void **p, size_t alignment, size_t size);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
int __wrap_posix_memalign(void **p, size_t alignment, size_t size);


/* NGX_PROCESS_WORKER is 3 in every version of nginx; 0: one process for all */
extern uintptr_t  ngx_process;

static iot_fault_t  *iot_fault;
static uintptr_t     iot_fault_base;    /* where the program was loaded */


/* a site is known by its stack */
static void
iot_fault_passed(void **frames, int n)
{
    int       i;
    uint64_t  hash;

    if (iot_fault->nsites == IOT_FAULT_SITES) {
        return;
    }

    hash = 14695981039346656037U;

    for (i = 0; i < n; i++) {
        hash ^= (uintptr_t) frames[i] - iot_fault_base;
        hash *= 1099511628211U;
    }

    iot_fault->sites[iot_fault->nsites++] = hash;
}


static int
iot_fault_now(void)
{
    int    i, n;
    void  *frames[IOT_FAULT_FRAMES];

    if (iot_fault == NULL || iot_fault->countdown == 0
        || (ngx_process != 3 && ngx_process != 0))
    {
        return 0;
    }

    n = backtrace(frames, IOT_FAULT_FRAMES);

    iot_fault_passed(frames, n);

    if (--iot_fault->countdown > 0) {
        return 0;
    }

    for (i = 0; i < n; i++) {
        iot_fault->frames[i] = (uintptr_t) frames[i] - iot_fault_base;
    }

    iot_fault->nframes = n;
    iot_fault->injected++;

    return 1;
}


void *
__wrap_malloc(size_t size)
{
    if (iot_fault_now()) {
        errno = ENOMEM;
        return NULL;
    }

    return __real_malloc(size);
}


void *
__wrap_calloc(size_t n, size_t size)
{
    if (iot_fault_now()) {
        errno = ENOMEM;
        return NULL;
    }

    return __real_calloc(n, size);
}


void *
__wrap_realloc(void *p, size_t size)
{
    if (iot_fault_now()) {
        errno = ENOMEM;
        return NULL;
    }

    return __real_realloc(p, size);
}


int
__wrap_posix_memalign(void **p, size_t alignment, size_t size)
{
    if (iot_fault_now()) {
        return ENOMEM;
    }

    return __real_posix_memalign(p, alignment, size);
}


static void *
iot_fault_crypto_malloc(size_t size, const char *file, int line)
{
    return size ? __wrap_malloc(size) : NULL;
}


static void *
iot_fault_crypto_realloc(void *p, size_t size, const char *file, int line)
{
    return __wrap_realloc(p, size);
}


static void
iot_fault_crypto_free(void *p, const char *file, int line)
{
    free(p);
}


/* the program itself is the first object of all */
static int
iot_fault_program(struct dl_phdr_info *info, size_t size, void *data)
{
    iot_fault_base = info->dlpi_addr;

    return 1;
}


static void __attribute__((constructor))
iot_fault_init(void)
{
    int          fd;
    void        *frames[1];
    const char  *name;

    name = getenv("IOT_ALLOC_FAULT");
    if (name == NULL) {
        return;
    }

    /* the first call allocates */
    (void) backtrace(frames, 1);
    (void) dl_iterate_phdr(iot_fault_program, NULL);

    fd = open(name, O_RDWR);
    if (fd == -1) {
        abort();
    }

    iot_fault = mmap(NULL, sizeof(iot_fault_t), PROT_READ|PROT_WRITE,
                     MAP_SHARED, fd, 0);

    if (iot_fault == MAP_FAILED
        || !CRYPTO_set_mem_functions(iot_fault_crypto_malloc,
                                     iot_fault_crypto_realloc,
                                     iot_fault_crypto_free))
    {
        abort();
    }

    (void) close(fd);
}
