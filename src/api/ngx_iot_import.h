
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_IMPORT_H_INCLUDED_
#define _NGX_IOT_IMPORT_H_INCLUDED_


#include "ngx_iot_json_array.h"
#include "ngx_iot_method.h"


/* ImportCertificates: what reading the entries and storing them share */


/* entries of one batch */
#define NGX_IOT_IMPORT_BATCH  50


typedef enum {
    NGX_IOT_IMPORT_OPEN = 0,
    NGX_IOT_IMPORT_CLAIMED,             /* by the batch's id */
    NGX_IOT_IMPORT_HELD,                /* another's claim is in the way */
    NGX_IOT_IMPORT_FREE,                /* and is worth nothing */
    NGX_IOT_IMPORT_SETTLED,             /* the result is final */
    NGX_IOT_IMPORT_REFUSED              /* by error */
} ngx_iot_import_state_e;


typedef struct {
    ngx_uint_t                index;
    ngx_str_t                 fingerprint;
    u_char                    stated[NGX_IOT_FINGERPRINT_LEN];

    ngx_iot_import_state_e    state;
    ngx_uint_t                release;  /* unsigned  release:1; its claim */
    ngx_iot_store_import_t    one;
    ngx_iot_error_t           error;
} ngx_iot_import_row_t;


typedef struct {
    ngx_iot_json_array_t      entries;
    ngx_pool_t               *pool;         /* of the first reading */
    ngx_uint_t                dry_run;

    /* of this round, the one before, and the import's operation */
    u_char                    id[NGX_IOT_OPERATION_ID_LEN];
    u_char                    former[NGX_IOT_OPERATION_ID_LEN];
    u_char                    stored[NGX_IOT_OPERATION_ID_LEN];
    ngx_iot_msec_t            time;

    /* whose certificate is that of the entry at hand */
    ngx_iot_operation_t       operation;

    ngx_uint_t                writing;      /* unsigned  writing:1; 2nd time */
    ngx_uint_t                part;         /* unsigned  part:1; one is out */
    ngx_uint_t                begun;        /* unsigned  begun:1; the first */
    ngx_uint_t                filled;       /* unsigned  filled:1; with rows */
    ngx_uint_t                ended;        /* unsigned  ended:1; the body */

    ngx_uint_t                imported;
    ngx_uint_t                existing;
    ngx_uint_t                refused;

    ngx_uint_t                round;
    ngx_uint_t                nrows;
    size_t                    size;
    ngx_iot_import_row_t      rows[NGX_IOT_IMPORT_BATCH];

    /* those that a request, or each of several, is about */
    ngx_uint_t                n;
    ngx_iot_import_row_t     *asked[NGX_IOT_IMPORT_BATCH];
    ngx_iot_store_import_t   *all[NGX_IOT_IMPORT_BATCH];
    ngx_iot_store_batch_t     batch;
} ngx_iot_import_t;


/* ngx_iot_import_batch.c; these return as a method's finish() does */

/* gives the next round an id of its own */
void ngx_iot_import_new_id(ngx_iot_call_t *call);

/* stores the rows that are open; then their part of the answer can go out */
ngx_int_t ngx_iot_import_round(ngx_iot_call_t *call);

/* asks the store to import what import->all has, or nothing */
ngx_int_t ngx_iot_import_request(ngx_iot_call_t *call);

/* goes on with its reply, which is OK or FENCED */
ngx_int_t ngx_iot_import_stored(ngx_iot_call_t *call,
    ngx_iot_store_result_e result);


#endif /* _NGX_IOT_IMPORT_H_INCLUDED_ */
