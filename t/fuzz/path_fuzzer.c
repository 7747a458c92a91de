
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "calls.h"


/*
 * After a byte of flags a line with a verb, a path and a query, as calls.h has
 * it: fields of requests in the path, the query and the body.
 *
 *     a path is found with the verbs that it is said to have, with a slash at
 *     its end as without, and what it names is in it;
 *     what the method makes of it is a request that can be sent, the answer,
 *     or an error that can be written.
 */


int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static ngx_int_t fuzz_prepare(ngx_iot_call_t *call, ngx_uint_t flags);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    if (ngx_iot_x509_init(&unit_log) != NGX_OK) {
        abort();
    }

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t     line;
    ngx_pool_t   *pool;
    fuzz_call_t  *fuzz;

    if (size == 0) {
        return 0;
    }

    pool = ngx_create_pool(4096, &unit_log);

    if (pool == NULL) {
        return 0;
    }

    /* a copy, as the path of a request has no memory behind it either */

    line.len = size - 1;
    line.data = ngx_pnalloc(pool, line.len);

    ngx_memcpy(line.data, data + 1, line.len);

    fuzz = fuzz_call_create(pool, &line, data[0]);

    if (fuzz) {
        fuzz_call_check(fuzz, fuzz_prepare(&fuzz->call, data[0]));
        fuzz_call_done(fuzz);
    }

    ngx_destroy_pool(pool);

    return 0;
}


/* gRPC has what is in the path and the query in the message */
static ngx_int_t
fuzz_prepare(ngx_iot_call_t *call, ngx_uint_t flags)
{
    ngx_int_t  rc;

    if (flags & FUZZ_CALLS_PROTOBUF) {
        call->wire = NGX_IOT_PROTOBUF;

        rc = ngx_iot_method_read_params(call);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_iot_method_prepare(call);
}
