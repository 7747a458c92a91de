
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_registry_service.h"
#include "ngx_iot_json.h"
#include "ngx_iot_json_array.h"
#include "ngx_iot_shard.h"
#include "ngx_iot_time.h"


/*
 * ImportCertificates: what "yc iot registry certificate list --format json"
 * has written.  The body is read twice, in slices: first to see that all of it
 * is an array of objects, while nothing is written; then entry by entry, which
 * are stored by the batch.  Each batch is a part of the answer, and the next
 * one waits until the client has taken it.  So any number of certificates
 * takes bounded memory, and bounded work at a time.
 *
 * A batch goes through rounds.  In each its certificates are claimed, where no
 * script reaches the claims, then it is stored, under an id that stands for
 * that of an operation, as in ngx_iot_claim.h; the claims that were in the way
 * are resolved, and those that are worth nothing are taken over in the next
 * round, under another id.
 */


/* of one batch: entries, and about how many bytes of records */
#define NGX_IOT_IMPORT_BATCH  50
#define NGX_IOT_IMPORT_BYTES  262144

/* then what is in the way is taken for a request that is at work */
#define NGX_IOT_IMPORT_ROUNDS  4


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
    ngx_str_t                 registry_id;
    ngx_str_t                 device_id;
    ngx_str_t                 fingerprint;
    ngx_str_t                 certificate_data;
    ngx_str_t                 created_at;
} ngx_iot_import_entry_t;


typedef struct {
    ngx_iot_json_array_t      entries;
    ngx_pool_t               *pool;         /* of the first reading */
    ngx_uint_t                dry_run;

    /* of this round and the one before; the first one names the import */
    u_char                    id[NGX_IOT_OPERATION_ID_LEN];
    u_char                    former[NGX_IOT_OPERATION_ID_LEN];
    u_char                    first[NGX_IOT_OPERATION_ID_LEN];
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


/* NGX_OK: req was made; NGX_DECLINED: the row needs none; NGX_ERROR */
typedef ngx_int_t (*ngx_iot_import_request_pt)(ngx_iot_call_t *call,
    ngx_iot_import_row_t *row, ngx_iot_resp_request_t *req);


static ngx_int_t ngx_iot_import_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_import_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_import_more(ngx_iot_call_t *call);
static void ngx_iot_import_write(ngx_iot_json_out_t *out, const void *data);

static ngx_int_t ngx_iot_import_dry_run(ngx_iot_call_t *call,
    ngx_uint_t *dry_run);
static ngx_int_t ngx_iot_import_create(ngx_iot_call_t *call);
static void ngx_iot_import_cleanup(void *data);

static ngx_int_t ngx_iot_import_check(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_import_check_slice(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_import_begin(ngx_iot_call_t *call);

static ngx_int_t ngx_iot_import_collect(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_import_entry(ngx_iot_call_t *call,
    const ngx_str_t *object);
static ngx_int_t ngx_iot_import_read(ngx_iot_call_t *call,
    const ngx_str_t *object, ngx_iot_import_row_t *row);
static ngx_int_t ngx_iot_import_name(const ngx_str_t *text,
    ngx_iot_certificate_t *stated, ngx_iot_import_row_t *row, size_t *len);
static ngx_int_t ngx_iot_import_belongs(ngx_iot_call_t *call,
    const ngx_iot_import_entry_t *entry, ngx_iot_error_t *err);
static ngx_int_t ngx_iot_import_verify(const ngx_iot_certificate_t *stated,
    size_t len, const ngx_iot_certificate_t *certificate,
    ngx_iot_error_t *err);

static ngx_int_t ngx_iot_import_round(ngx_iot_call_t *call);
static void ngx_iot_import_new_id(ngx_iot_call_t *call);
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
static ngx_int_t ngx_iot_import_request(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_import_stored(ngx_iot_call_t *call);
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

static void ngx_iot_import_write_row(ngx_iot_json_out_t *out,
    const ngx_iot_import_row_t *row);
static void ngx_iot_import_write_counts(ngx_iot_json_out_t *out,
    const ngx_iot_import_t *import);


const ngx_iot_method_t  ngx_iot_import_certificates = {
    ngx_string("RegistryService.ImportCertificates"),
    NGX_IOT_IMPORT_SERVICE,
    NGX_IOT_POST,
    ngx_string("/iot-devices/v1/registries/{registry_id}/certificates:import"),
    NGX_IOT_METHOD_BODY|NGX_IOT_METHOD_SLICES|NGX_IOT_METHOD_MUTATION,
    ngx_iot_import_prepare,
    ngx_iot_import_finish,
    ngx_iot_import_write,
    ngx_iot_import_more,
    NULL
};


static ngx_int_t
ngx_iot_import_prepare(ngx_iot_call_t *call)
{
    ngx_int_t          rc;
    ngx_uint_t         dry_run;
    ngx_iot_import_t  *import;

    rc = ngx_iot_registry_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_iot_import_dry_run(call, &dry_run);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_iot_import_create(call) != NGX_OK) {
        return NGX_ERROR;
    }

    import = call->list;
    import->dry_run = dry_run;

    return NGX_DONE;
}


static ngx_int_t
ngx_iot_import_dry_run(ngx_iot_call_t *call, ngx_uint_t *dry_run)
{
    const ngx_str_t  *value;

    value = &call->dry_run;
    *dry_run = 0;

    if (value->len == 0
        || (value->len == 5 && ngx_strncmp(value->data, "false", 5) == 0))
    {
        return NGX_OK;
    }

    if (value->len == 4 && ngx_strncmp(value->data, "true", 4) == 0) {
        *dry_run = 1;
        return NGX_OK;
    }

    ngx_iot_field_error(&call->error, INVALID_FIELD, "dry_run",
                        "\"dry_run\" must be \"true\" or \"false\"");

    return NGX_DECLINED;
}


static ngx_int_t
ngx_iot_import_create(ngx_iot_call_t *call)
{
    ngx_iot_import_t     *import;
    ngx_pool_cleanup_t   *cln;
    ngx_iot_operation_t  *operation;

    import = ngx_pcalloc(call->pool, sizeof(ngx_iot_import_t));
    if (import == NULL) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(call->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    import->pool = ngx_create_pool(NGX_DEFAULT_POOL_SIZE, call->log);
    if (import->pool == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_iot_import_cleanup;
    cln->data = import;

    ngx_iot_json_array_init(&import->entries, call->pool,
                            ngx_iot_method_body_limit(call));

    operation = &import->operation;

    operation->registry_id = call->registry_id;
    operation->created_by = call->caller;
    operation->created_at = call->now;
    operation->done = 1;
    operation->id.len = NGX_IOT_OPERATION_ID_LEN;
    operation->id.data = import->id;

    import->batch.import = operation;
    import->batch.all = import->all;

    call->list = import;

    ngx_iot_import_new_id(call);
    ngx_memcpy(import->first, import->id, NGX_IOT_OPERATION_ID_LEN);

    return NGX_OK;
}


static void
ngx_iot_import_cleanup(void *data)
{
    ngx_iot_import_t  *import = data;

    ngx_destroy_pool(import->pool);
}


/* with another slice of the body, or when the client has taken a part */
static ngx_int_t
ngx_iot_import_more(ngx_iot_call_t *call)
{
    ngx_iot_import_t  *import;

    import = call->list;

    if (!import->writing) {
        return ngx_iot_import_check(call);
    }

    if (import->part) {
        import->part = 0;
        import->begun = 1;
        import->filled |= (import->nrows != 0);

        import->nrows = 0;
        import->size = 0;
        import->round = 0;
    }

    return ngx_iot_import_collect(call);
}


/* the first reading; its end asks for the registry */
static ngx_int_t
ngx_iot_import_check(ngx_iot_call_t *call)
{
    ngx_int_t          rc;
    ngx_iot_import_t  *import;

    import = call->list;

    rc = ngx_iot_import_check_slice(call);

    ngx_reset_pool(import->pool);

    if (rc == NGX_AGAIN) {

        if (!call->last_slice) {
            return NGX_DONE;
        }

        rc = ngx_iot_json_array_end(&import->entries, &call->error);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_iot_import_request(call);
}


static ngx_int_t
ngx_iot_import_check_slice(ngx_iot_call_t *call)
{
    ngx_int_t          rc;
    ngx_str_t          object, message;
    ngx_iot_import_t  *import;

    import = call->list;

    do {
        rc = ngx_iot_json_array_next(&import->entries, &call->body, &object,
                                     &call->error);

        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_iot_json_read(import->pool, &object, NULL, 0, &call->error);

    } while (rc == NGX_OK);

    if (rc == NGX_DECLINED) {
        message = call->error.message;

        ngx_iot_error_format(call->pool, &call->error, call->error.reason,
                             "entry %ui of the array: %V",
                             import->entries.n - 1, &message);
        ngx_str_set(&call->error.field, "body");
    }

    return rc;
}


static ngx_int_t
ngx_iot_import_finish(ngx_iot_call_t *call, const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_import_t        *import;
    ngx_iot_store_result_e   result;

    import = call->list;

    result = ngx_iot_store_imported(&call->store, reply, &import->batch);

    if (result == NGX_IOT_STORE_FENCED) {
        ngx_iot_import_fenced(call);
        return ngx_iot_import_resolve(call);
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_certificate_refused(call, result);
    }

    return import->writing ? ngx_iot_import_stored(call)
                           : ngx_iot_import_begin(call);
}


/*
 * The answer begins before the first batch is written: from then on only its
 * end says that all went well.
 */
static ngx_int_t
ngx_iot_import_begin(ngx_iot_call_t *call)
{
    ngx_iot_import_t  *import;

    import = call->list;
    import->writing = 1;
    import->part = 1;

    ngx_iot_json_array_rewind(&import->entries);

    ngx_str_null(&call->body);
    call->offset = 0;
    call->last_slice = 0;

    if (!import->dry_run) {
        call->operation_id.data = import->first;
        call->operation_id.len = NGX_IOT_OPERATION_ID_LEN;
    }

    return NGX_BUSY;
}


/* the second reading, until a batch is full or the slice is used up */
static ngx_int_t
ngx_iot_import_collect(ngx_iot_call_t *call)
{
    ngx_int_t          rc;
    ngx_str_t          object;
    ngx_iot_import_t  *import;

    import = call->list;

    while (import->nrows < NGX_IOT_IMPORT_BATCH
           && import->size < NGX_IOT_IMPORT_BYTES)
    {
        rc = ngx_iot_json_array_next(&import->entries, &call->body, &object,
                                     &call->error);

        if (rc == NGX_AGAIN) {

            if (!call->last_slice) {
                return NGX_DONE;
            }

            import->ended = 1;
            break;
        }

        if (rc != NGX_OK || ngx_iot_import_entry(call, &object) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_iot_import_round(call);
}


static ngx_int_t
ngx_iot_import_entry(ngx_iot_call_t *call, const ngx_str_t *object)
{
    ngx_int_t              rc;
    ngx_iot_import_t      *import;
    ngx_iot_import_row_t  *row;

    import = call->list;
    row = &import->rows[import->nrows++];

    ngx_memzero(row, sizeof(ngx_iot_import_row_t));
    row->index = import->entries.n - 1;

    rc = ngx_iot_import_read(call, object, row);

    if (rc == NGX_DECLINED) {
        row->state = NGX_IOT_IMPORT_REFUSED;
        return NGX_OK;
    }

    if (rc != NGX_OK
        || ngx_iot_store_import_make(&call->store, &import->operation,
                                     &row->one)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    import->size += row->one.record.len;

    return NGX_OK;
}


/* NGX_OK: the certificate of import->operation is that of the entry */
static ngx_int_t
ngx_iot_import_read(ngx_iot_call_t *call, const ngx_str_t *object,
    ngx_iot_import_row_t *row)
{
    size_t                   len;
    ngx_int_t                rc;
    ngx_iot_error_t         *err;
    ngx_iot_import_t        *import;
    ngx_iot_certificate_t   *certificate, stated;
    ngx_iot_import_entry_t   entry;

    ngx_iot_json_field_t  fields[] = {
        { ngx_string("registry_id"), ngx_string("registryId"),
          &entry.registry_id, NGX_IOT_JSON_STRING },
        { ngx_string("device_id"), ngx_string("deviceId"), &entry.device_id,
          NGX_IOT_JSON_STRING },
        { ngx_string("fingerprint"), ngx_string("fingerprint"),
          &entry.fingerprint, NGX_IOT_JSON_STRING },
        { ngx_string("certificate_data"), ngx_string("certificateData"),
          &entry.certificate_data, NGX_IOT_JSON_STRING },
        { ngx_string("created_at"), ngx_string("createdAt"),
          &entry.created_at, NGX_IOT_JSON_STRING }
    };

    import = call->list;
    certificate = &import->operation.certificate;
    err = &row->error;

    rc = ngx_iot_json_read(call->pool, object, fields, 5, err);

    if (rc != NGX_OK
        || (rc = ngx_iot_import_name(&entry.fingerprint, &stated, row, &len))
           != NGX_OK
        || (rc = ngx_iot_import_belongs(call, &entry, err)) != NGX_OK)
    {
        return rc;
    }

    rc = ngx_iot_certificate_read(call->pool, &entry.certificate_data,
                                  &call->settings->certificate,
                                  (time_t) (call->now / 1000), certificate,
                                  err);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memcpy(row->one.fingerprint, certificate->fingerprint,
               NGX_IOT_FINGERPRINT_LEN);
    row->fingerprint.data = row->one.fingerprint;
    row->fingerprint.len = NGX_IOT_FINGERPRINT_LEN;

    if (entry.created_at.len == 0) {
        certificate->created_at = call->now;

    } else if (ngx_iot_time_parse(&entry.created_at, &certificate->created_at)
               != NGX_OK)
    {
        ngx_iot_error(err, INVALID_FIELD,
                      "\"created_at\" must be a time as RFC 3339 writes it, "
                      "from 1970 on");
        return NGX_DECLINED;
    }

    return ngx_iot_import_verify(&stated, len, certificate, err);
}


/*
 * The fingerprint that the entry states names its row for as long as the
 * certificate was not read.  *len: its bytes, 0 when it states none.
 */
static ngx_int_t
ngx_iot_import_name(const ngx_str_t *text, ngx_iot_certificate_t *stated,
    ngx_iot_import_row_t *row, size_t *len)
{
    *len = 0;

    if (text->len == 0) {
        return NGX_OK;
    }

    *len = ngx_iot_certificate_name(stated, text);

    if (*len == 0) {
        ngx_iot_error(&row->error, INVALID_FIELD,
                      "\"fingerprint\" must have 64 hex digits (SHA-256) or "
                      "40 (SHA-1)");
        return NGX_DECLINED;
    }

    ngx_hex_dump(row->stated,
                 (*len == NGX_IOT_SHA1_LEN) ? stated->sha1 : stated->sha256,
                 *len);

    row->fingerprint.data = row->stated;
    row->fingerprint.len = 2 * *len;

    return NGX_OK;
}


/* an entry without a registry is taken for one of this */
static ngx_int_t
ngx_iot_import_belongs(ngx_iot_call_t *call,
    const ngx_iot_import_entry_t *entry, ngx_iot_error_t *err)
{
    if (entry->device_id.len) {
        ngx_iot_error(err, IMPORT_OF_DEVICE,
                      "the certificate is a device's, not a registry's");
        return NGX_DECLINED;
    }

    if (entry->registry_id.len == 0
        || (entry->registry_id.len == call->registry_id.len
            && ngx_memcmp(entry->registry_id.data, call->registry_id.data,
                          call->registry_id.len) == 0))
    {
        return NGX_OK;
    }

    ngx_iot_error(err, IMPORT_OF_OTHER_REGISTRY,
                  "\"registry_id\" is not that of the path");

    return NGX_DECLINED;
}


static ngx_int_t
ngx_iot_import_verify(const ngx_iot_certificate_t *stated, size_t len,
    const ngx_iot_certificate_t *certificate, ngx_iot_error_t *err)
{
    if (len == 0
        || (len == NGX_IOT_SHA256_LEN
            && ngx_memcmp(stated->sha256, certificate->sha256, len) == 0)
        || (len == NGX_IOT_SHA1_LEN
            && ngx_memcmp(stated->sha1, certificate->sha1, len) == 0))
    {
        return NGX_OK;
    }

    ngx_iot_error(err, FINGERPRINT_MISMATCH,
                  "\"fingerprint\" is not that of the certificate");

    return NGX_DECLINED;
}


static ngx_int_t
ngx_iot_import_round(ngx_iot_call_t *call)
{
    ngx_iot_import_new_id(call);

    return ngx_iot_import_volley(call, ngx_iot_import_claim,
                                 ngx_iot_import_claimed,
                                 ngx_iot_import_store);
}


/* all ids of an import end alike, with the random part; their times differ */
static void
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


static ngx_int_t
ngx_iot_import_request(ngx_iot_call_t *call)
{
    ngx_iot_import_t       *import;
    ngx_iot_store_batch_t  *batch;

    import = call->list;
    batch = &import->batch;

    batch->n = import->n;
    batch->dry_run = import->dry_run;
    batch->counted = import->dry_run ? import->imported : 0;

    if (ngx_iot_store_import(&call->store, batch, &call->request) != NGX_OK) {
        return NGX_ERROR;
    }

    call->nrequests = 0;
    call->step = NULL;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_import_stored(ngx_iot_call_t *call)
{
    ngx_uint_t             i;
    ngx_iot_import_t      *import;
    ngx_iot_import_row_t  *row;

    import = call->list;

    for (i = 0; i < import->n; i++) {
        row = import->asked[i];

        if (row->one.result == NGX_IOT_STORE_HELD) {
            row->state = NGX_IOT_IMPORT_HELD;
            continue;
        }

        row->release = (row->state == NGX_IOT_IMPORT_CLAIMED
                        && row->one.result != NGX_IOT_STORE_OK
                        && !import->dry_run);

        ngx_iot_import_settle(row, row->one.result);
    }

    return ngx_iot_import_resolve(call);
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


static void
ngx_iot_import_write(ngx_iot_json_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_uint_t               i;
    const ngx_iot_import_t  *import;

    import = call->list;

    if (!import->begun) {
        ngx_iot_json_out_object(out, NULL);
        ngx_iot_json_out_string(out, "registryId", &call->registry_id);

        if (import->dry_run) {
            ngx_iot_json_out_bool(out, "dryRun", 1);
        }

        ngx_iot_json_out_array(out, "rows");
        return;
    }

    out->comma = (import->filled != 0);

    for (i = 0; i < import->nrows; i++) {
        ngx_iot_import_write_row(out, &import->rows[i]);
    }

    if (import->ended) {
        ngx_iot_json_out_array_end(out);
        ngx_iot_import_write_counts(out, import);
        ngx_iot_json_out_object_end(out);
    }
}


static void
ngx_iot_import_write_row(ngx_iot_json_out_t *out,
    const ngx_iot_import_row_t *row)
{
    const ngx_iot_error_t  *err;

    ngx_iot_json_out_object(out, NULL);
    ngx_iot_json_out_number(out, "index", row->index);
    ngx_iot_json_out_string(out, "fingerprint", &row->fingerprint);

    if (row->state == NGX_IOT_IMPORT_REFUSED) {
        err = &row->error;

        ngx_iot_json_out_literal(out, "result", "REFUSED");
        ngx_iot_json_out_number(out, "code", ngx_iot_error_code(err));
        ngx_iot_json_out_string(out, "reason",
                                ngx_iot_reason_name(err->reason));
        ngx_iot_json_out_string(out, "message", &err->message);

    } else if (row->one.result == NGX_IOT_STORE_EXISTS) {
        ngx_iot_json_out_literal(out, "result", "EXISTS");

    } else {
        ngx_iot_json_out_literal(out, "result", "IMPORTED");
    }

    ngx_iot_json_out_object_end(out);
}


static void
ngx_iot_import_write_counts(ngx_iot_json_out_t *out,
    const ngx_iot_import_t *import)
{
    ngx_iot_json_out_object(out, "counts");

    ngx_iot_json_out_number(out, "entries", import->entries.n);
    ngx_iot_json_out_number(out, "imported", import->imported);
    ngx_iot_json_out_number(out, "existing", import->existing);
    ngx_iot_json_out_number(out, "refused", import->refused);

    ngx_iot_json_out_object_end(out);
}
