
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_import.h"
#include "ngx_iot_shard.h"


/*
 * A batch goes through rounds.  In each its certificates are claimed, where no
 * script reaches the claims, then it is stored, under an id that stands for
 * that of an operation, as in ngx_iot_claim.h; the claims that were in the way
 * are resolved, and those that are worth nothing are taken over in the next
 * round, under another id.
 */


/* then what is in the way is taken for a request that is at work */
#define NGX_IOT_IMPORT_ROUNDS  4


/* NGX_OK: req was made; NGX_DECLINED: the row needs none; NGX_ERROR */
typedef ngx_int_t (*ngx_iot_import_request_pt)(ngx_iot_call_t *call,
    ngx_iot_import_row_t *row, ngx_iot_resp_request_t *req);


static ngx_int_t ngx_iot_import_volley(ngx_iot_call_t *call,
    ngx_iot_import_request_pt make,
    ngx_int_t (*each)(ngx_iot_call_t *call, ngx_uint_t n,
        const ngx_iot_resp_reply_t *reply),
    ngx_int_t (*next)(ngx_iot_call_t *call,
        const ngx_iot_resp_reply_t *reply));
static void ngx_iot_import_claim_of(const ngx_iot_import_t *import,
    const ngx_iot_import_row_t *row, ngx_iot_store_claim_t *claim);
static ngx_int_t ngx_iot_import_claim(ngx_iot_call_t *call,
    ngx_iot_import_row_t *row, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_import_claimed(ngx_iot_call_t *call, ngx_uint_t n,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_import_store(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_import_operation(ngx_iot_call_t *call);
static void ngx_iot_import_fenced(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_import_resolve(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_import_ask(ngx_iot_call_t *call,
    ngx_iot_import_row_t *row, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_import_resolved(ngx_iot_call_t *call, ngx_uint_t n,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_import_release(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_import_give_back(ngx_iot_call_t *call,
    ngx_iot_import_row_t *row, ngx_iot_resp_request_t *req);
static ngx_int_t ngx_iot_import_released(ngx_iot_call_t *call, ngx_uint_t n,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_import_again(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static void ngx_iot_import_settle(ngx_iot_import_row_t *row,
    ngx_iot_store_result_e result);
static ngx_int_t ngx_iot_import_part(ngx_iot_import_t *import);
static void ngx_iot_import_refusal(ngx_iot_import_row_t *row);


ngx_int_t
ngx_iot_import_round(ngx_iot_call_t *call)
{
    ngx_iot_import_new_id(call);

    return ngx_iot_import_volley(call, ngx_iot_import_claim,
                                 ngx_iot_import_claimed,
                                 ngx_iot_import_store);
}


/* all ids of an import end alike, with the random part; their times differ */
void
ngx_iot_import_new_id(ngx_iot_call_t *call)
{
    ngx_iot_import_t  *import;

    import = call->list;
    import->time = ngx_max(call->now, import->time + 1);

    ngx_memcpy(import->former, import->id, NGX_IOT_OPERATION_ID_LEN);

    ngx_iot_id_make(import->id, ngx_iot_shard_registry(&call->registry_id),
                    import->time, call->random);
}


/* a request for each row that needs one, all at once; then what comes next */
static ngx_int_t
ngx_iot_import_volley(ngx_iot_call_t *call, ngx_iot_import_request_pt make,
    ngx_int_t (*each)(ngx_iot_call_t *call, ngx_uint_t n,
        const ngx_iot_resp_reply_t *reply),
    ngx_int_t (*next)(ngx_iot_call_t *call,
        const ngx_iot_resp_reply_t *reply))
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_iot_import_t        *import;
    ngx_iot_resp_request_t  *req;

    import = call->list;
    import->n = 0;

    req = ngx_palloc(call->pool, NGX_IOT_IMPORT_BATCH
                                 * sizeof(ngx_iot_resp_request_t));
    if (req == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < import->nrows; i++) {

        rc = make(call, &import->rows[i], &req[import->n]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            import->asked[import->n++] = &import->rows[i];
        }
    }

    if (import->n == 0) {
        return next(call, NULL);
    }

    call->requests = req;
    call->nrequests = import->n;
    call->each = each;
    call->step = next;

    return NGX_AGAIN;
}


static void
ngx_iot_import_claim_of(const ngx_iot_import_t *import,
    const ngx_iot_import_row_t *row, ngx_iot_store_claim_t *claim)
{
    claim->registry_id = import->operation.registry_id;
    claim->operation_id = import->operation.id;

    ngx_memcpy(claim->sha256, row->one.sha256, NGX_IOT_SHA256_LEN);
    ngx_memcpy(claim->fingerprint, row->one.fingerprint,
               NGX_IOT_FINGERPRINT_LEN);
}


static ngx_int_t
ngx_iot_import_claim(ngx_iot_call_t *call, ngx_iot_import_row_t *row,
    ngx_iot_resp_request_t *req)
{
    ngx_iot_import_t        *import;
    ngx_iot_store_claim_t    claim;
    ngx_iot_store_holder_t  *takes;

    import = call->list;
    takes = (row->state == NGX_IOT_IMPORT_FREE) ? &row->one.holder : NULL;

    if (takes == NULL
        && (row->state != NGX_IOT_IMPORT_OPEN || !call->store.cluster))
    {
        return NGX_DECLINED;
    }

    ngx_iot_import_claim_of(import, row, &claim);

    if (import->dry_run) {
        return ngx_iot_store_read_claim(&call->store, &claim, req);
    }

    return ngx_iot_store_claim_certificate(&call->store, &claim, takes, req);
}


static ngx_int_t
ngx_iot_import_claimed(ngx_iot_call_t *call, ngx_uint_t n,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_import_t        *import;
    ngx_iot_import_row_t    *row;
    ngx_iot_store_result_e   result;

    import = call->list;
    row = import->asked[n];

    if (import->dry_run) {
        result = ngx_iot_store_claim(&call->store, reply, &row->one.holder);

    } else {
        result = ngx_iot_store_certificate_claimed(&call->store, reply,
                                                   &row->one.holder);
    }

    switch (result) {

    case NGX_IOT_STORE_OK:
        row->state = NGX_IOT_IMPORT_CLAIMED;
        return NGX_OK;

    case NGX_IOT_STORE_HELD:
        row->state = NGX_IOT_IMPORT_HELD;
        return NGX_OK;

    case NGX_IOT_STORE_NEWER:
        ngx_iot_import_settle(row, result);
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


/* a script claims what was not claimed, where it reaches the claims */
static ngx_int_t
ngx_iot_import_store(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t             i;
    ngx_iot_import_t      *import;
    ngx_iot_import_row_t  *row;

    import = call->list;
    import->n = 0;

    for (i = 0; i < import->nrows; i++) {
        row = &import->rows[i];

        if (row->state == NGX_IOT_IMPORT_CLAIMED
            || (row->state == NGX_IOT_IMPORT_OPEN && !call->store.cluster))
        {
            import->asked[import->n] = row;
            import->all[import->n++] = &row->one;
        }
    }

    if (import->n == 0) {
        return ngx_iot_import_resolve(call);
    }

    return ngx_iot_import_request(call);
}


ngx_int_t
ngx_iot_import_request(ngx_iot_call_t *call)
{
    ngx_iot_import_t       *import;
    ngx_iot_store_batch_t  *batch;

    import = call->list;
    batch = &import->batch;

    batch->n = import->n;
    batch->dry_run = import->dry_run;
    batch->operation = (call->operation_id.len == 0);
    batch->counted = import->dry_run ? import->imported : 0;

    if (ngx_iot_store_import(&call->store, batch, &call->request) != NGX_OK) {
        return NGX_ERROR;
    }

    call->nrequests = 0;
    call->step = NULL;

    return NGX_AGAIN;
}


ngx_int_t
ngx_iot_import_stored(ngx_iot_call_t *call, ngx_iot_store_result_e result)
{
    ngx_uint_t             i;
    ngx_iot_import_t      *import;
    ngx_iot_import_row_t  *row;

    import = call->list;

    if (result == NGX_IOT_STORE_FENCED) {
        ngx_iot_import_fenced(call);
        return ngx_iot_import_resolve(call);
    }

    for (i = 0; i < import->n; i++) {
        row = import->asked[i];

        if (row->one.result == NGX_IOT_STORE_HELD) {
            row->state = NGX_IOT_IMPORT_HELD;
            continue;
        }

        if (row->one.result == NGX_IOT_STORE_OK) {
            ngx_iot_import_operation(call);
        }

        row->release = (row->state == NGX_IOT_IMPORT_CLAIMED
                        && row->one.result != NGX_IOT_STORE_OK
                        && !import->dry_run);

        ngx_iot_import_settle(row, row->one.result);
    }

    return ngx_iot_import_resolve(call);
}


/* the first batch that brought something has stored one, with its own id */
static void
ngx_iot_import_operation(ngx_iot_call_t *call)
{
    ngx_iot_import_t  *import;

    import = call->list;

    if (import->dry_run || call->operation_id.len) {
        return;
    }

    ngx_memcpy(import->stored, import->id, NGX_IOT_OPERATION_ID_LEN);

    call->operation_id.data = import->stored;
    call->operation_id.len = NGX_IOT_OPERATION_ID_LEN;
}


/* nothing can be stored under the batch's id, which has claimed them */
static void
ngx_iot_import_fenced(ngx_iot_call_t *call)
{
    ngx_uint_t               i;
    ngx_iot_import_t        *import;
    ngx_iot_store_holder_t  *holder;

    import = call->list;

    for (i = 0; i < import->n; i++) {

        if (import->asked[i]->state == NGX_IOT_IMPORT_CLAIMED) {
            import->asked[i]->state = NGX_IOT_IMPORT_FREE;

            holder = &import->asked[i]->one.holder;

            holder->registry_id = call->registry_id;
            holder->operation_id.data = import->former;
            holder->operation_id.len = NGX_IOT_OPERATION_ID_LEN;
        }
    }
}


static ngx_int_t
ngx_iot_import_resolve(ngx_iot_call_t *call)
{
    return ngx_iot_import_volley(call, ngx_iot_import_ask,
                                 ngx_iot_import_resolved,
                                 ngx_iot_import_release);
}


/* the registry of a claim tells what it is worth */
static ngx_int_t
ngx_iot_import_ask(ngx_iot_call_t *call, ngx_iot_import_row_t *row,
    ngx_iot_resp_request_t *req)
{
    ngx_iot_import_t       *import;
    ngx_iot_store_claim_t   claim;

    if (row->state != NGX_IOT_IMPORT_HELD) {
        return NGX_DECLINED;
    }

    import = call->list;

    ngx_iot_import_claim_of(import, row, &claim);

    claim.registry_id = row->one.holder.registry_id;
    claim.operation_id = row->one.holder.operation_id;

    return ngx_iot_store_resolve_certificate(&call->store, &claim, call->now,
                                             import->dry_run, req);
}


static ngx_int_t
ngx_iot_import_resolved(ngx_iot_call_t *call, ngx_uint_t n,
    const ngx_iot_resp_reply_t *reply)
{
    const ngx_str_t         *holder;
    ngx_iot_import_t        *import;
    ngx_iot_import_row_t    *row;
    ngx_iot_store_result_e   result;

    import = call->list;
    row = import->asked[n];
    holder = &row->one.holder.registry_id;

    result = ngx_iot_store_certificate_resolved(&call->store, reply);

    switch (result) {

    case NGX_IOT_STORE_OK:

        if (import->dry_run) {
            ngx_iot_import_settle(row, result);

        } else {
            row->state = NGX_IOT_IMPORT_FREE;
        }

        return NGX_OK;

    case NGX_IOT_STORE_EXISTS:

        if (holder->len != call->registry_id.len
            || ngx_memcmp(holder->data, call->registry_id.data, holder->len)
               != 0)
        {
            result = NGX_IOT_STORE_HELD;
        }

        /* fall through */

    case NGX_IOT_STORE_PENDING:
    case NGX_IOT_STORE_NEWER:
        ngx_iot_import_settle(row, result);
        return NGX_OK;

    default:
        return NGX_ERROR;
    }
}


/*
 * The claims of what was refused.  The batch has fenced itself: it cannot be
 * stored once more without them.
 */
static ngx_int_t
ngx_iot_import_release(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    return ngx_iot_import_volley(call, ngx_iot_import_give_back,
                                 ngx_iot_import_released,
                                 ngx_iot_import_again);
}


static ngx_int_t
ngx_iot_import_give_back(ngx_iot_call_t *call, ngx_iot_import_row_t *row,
    ngx_iot_resp_request_t *req)
{
    ngx_iot_store_claim_t  claim;

    if (!row->release) {
        return NGX_DECLINED;
    }

    row->release = 0;

    ngx_iot_import_claim_of(call->list, row, &claim);

    return ngx_iot_store_release_certificate(&call->store, &claim, req);
}


static ngx_int_t
ngx_iot_import_released(ngx_iot_call_t *call, ngx_uint_t n,
    const ngx_iot_resp_reply_t *reply)
{
    /* if it is still there the next who wants the certificate takes it */

    (void) ngx_iot_store_certificate_released(&call->store, reply);

    return NGX_OK;
}


static ngx_int_t
ngx_iot_import_again(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    ngx_uint_t             i, open;
    ngx_iot_import_t      *import;
    ngx_iot_import_row_t  *row;

    import = call->list;
    import->round++;

    open = 0;

    for (i = 0; i < import->nrows; i++) {
        row = &import->rows[i];

        if (row->state >= NGX_IOT_IMPORT_SETTLED) {
            continue;
        }

        if (import->round == NGX_IOT_IMPORT_ROUNDS) {
            ngx_iot_import_settle(row, NGX_IOT_STORE_PENDING);

        } else {
            open = 1;
        }
    }

    return open ? ngx_iot_import_round(call) : ngx_iot_import_part(import);
}


static void
ngx_iot_import_settle(ngx_iot_import_row_t *row, ngx_iot_store_result_e result)
{
    row->state = NGX_IOT_IMPORT_SETTLED;
    row->one.result = result;
}


/* counts the rows, whose results are known now, and lets them go out */
static ngx_int_t
ngx_iot_import_part(ngx_iot_import_t *import)
{
    ngx_uint_t             i;
    ngx_iot_import_row_t  *row;

    for (i = 0; i < import->nrows; i++) {
        row = &import->rows[i];

        if (row->state == NGX_IOT_IMPORT_SETTLED) {
            ngx_iot_import_refusal(row);
        }

        if (row->state == NGX_IOT_IMPORT_REFUSED) {
            import->refused++;

        } else if (row->one.result == NGX_IOT_STORE_EXISTS) {
            import->existing++;

        } else {
            import->imported++;
        }
    }

    import->part = 1;

    return import->ended ? NGX_OK : NGX_BUSY;
}


/* what the store has refused */
static void
ngx_iot_import_refusal(ngx_iot_import_row_t *row)
{
    switch (row->one.result) {

    case NGX_IOT_STORE_OK:
    case NGX_IOT_STORE_EXISTS:
        return;

    case NGX_IOT_STORE_HELD:
        ngx_iot_error(&row->error, CERTIFICATE_EXISTS,
                      "the certificate belongs to another registry");
        break;

    case NGX_IOT_STORE_PENDING:
        ngx_iot_error(&row->error, CERTIFICATE_BUSY,
                      "the certificate is being registered by another "
                      "request; try again in some seconds");
        break;

    case NGX_IOT_STORE_LIMIT:
        ngx_iot_error(&row->error, CERTIFICATE_LIMIT,
                      "the registry has as many certificates as it may have");
        break;

    default:    /* NGX_IOT_STORE_NEWER */
        ngx_iot_error(&row->error, STORE_NEWER_FORMAT,
                      "the store holds a record of a newer version of this "
                      "gateway; nothing was changed");
    }

    row->state = NGX_IOT_IMPORT_REFUSED;
}
