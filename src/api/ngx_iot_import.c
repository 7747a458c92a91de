
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_import.h"
#include "ngx_iot_json.h"
#include "ngx_iot_registry_service.h"
#include "ngx_iot_time.h"


/*
 * ImportCertificates: what "yc iot registry certificate list --format json"
 * has written.  The body is read twice, in slices: first to see that all of it
 * is an array of objects, while nothing is written; then entry by entry, which
 * are stored by the batch.  Each batch is a part of the answer, and the next
 * one waits until the client has taken it.  So any number of certificates
 * takes bounded memory, and bounded work at a time.
 */


/* a batch is full with so many bytes of records, too */
#define NGX_IOT_IMPORT_BYTES  262144


typedef struct {
    ngx_str_t                 registry_id;
    ngx_str_t                 device_id;
    ngx_str_t                 fingerprint;
    ngx_str_t                 certificate_data;
    ngx_str_t                 created_at;
} ngx_iot_import_entry_t;


static ngx_int_t ngx_iot_import_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_import_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_import_more(ngx_iot_call_t *call);
static void ngx_iot_import_write(ngx_iot_out_t *out, const void *data);

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

static void ngx_iot_import_write_row(ngx_iot_out_t *out,
    const ngx_iot_import_row_t *row);
static void ngx_iot_import_write_counts(ngx_iot_out_t *out,
    const ngx_iot_import_t *import);


static const ngx_iot_param_t  ngx_iot_import_params[] = {
    ngx_iot_path_param("registry_id", "registryId", 0, registry_id),
    ngx_iot_query_param("dry_run", "dryRun", 0, NGX_IOT_FIELD_STRING, dry_run),
    ngx_iot_no_param
};


const ngx_iot_method_t  ngx_iot_import_certificates = {
    ngx_string("RegistryService.ImportCertificates"),
    NGX_IOT_IMPORT_SERVICE,
    NGX_IOT_POST,
    ngx_string("/iot-devices/v1/registries/{registry_id}/certificates:import"),
    ngx_null_string,
    NGX_IOT_METHOD_BODY|NGX_IOT_METHOD_SLICES|NGX_IOT_METHOD_MUTATION,
    ngx_iot_import_params,
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

    operation->kind = NGX_IOT_IMPORT_CERTIFICATES;
    operation->registry_id = call->registry_id;
    operation->created_by = call->caller;
    operation->created_at = call->now;
    operation->done = 1;
    operation->id.len = NGX_IOT_OPERATION_ID_LEN;
    operation->id.data = import->id;

    import->batch.import = operation;
    import->batch.all = import->all;

    call->list = import;

    /* its operation is none that a repeated request would be answered */
    call->store.idempotency.given = 0;

    ngx_iot_import_new_id(call);

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

    if (import->writing
        && (result == NGX_IOT_STORE_OK || result == NGX_IOT_STORE_FENCED))
    {
        return ngx_iot_import_stored(call, result);
    }

    if (result != NGX_IOT_STORE_OK) {
        return ngx_iot_certificate_refused(call, result);
    }

    return ngx_iot_import_begin(call);
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

    ngx_iot_field_t  fields[] = {
        { ngx_string("registry_id"), ngx_string("registryId"), 0,
          &entry.registry_id, NGX_IOT_FIELD_STRING },
        { ngx_string("device_id"), ngx_string("deviceId"), 0,
          &entry.device_id, NGX_IOT_FIELD_STRING },
        { ngx_string("fingerprint"), ngx_string("fingerprint"), 0,
          &entry.fingerprint, NGX_IOT_FIELD_STRING },
        { ngx_string("certificate_data"), ngx_string("certificateData"), 0,
          &entry.certificate_data, NGX_IOT_FIELD_STRING },
        { ngx_string("created_at"), ngx_string("createdAt"), 0,
          &entry.created_at, NGX_IOT_FIELD_STRING }
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


static void
ngx_iot_import_write(ngx_iot_out_t *out, const void *data)
{
    const ngx_iot_call_t  *call = data;

    ngx_uint_t               i;
    const ngx_iot_import_t  *import;

    import = call->list;

    if (!import->begun) {
        ngx_iot_out_message(out, NULL, 0);
        ngx_iot_out_string(out, "registryId", 0, &call->registry_id);

        if (import->dry_run) {
            ngx_iot_out_bool(out, "dryRun", 0, 1);
        }

        ngx_iot_out_list(out, "rows");
        return;
    }

    ngx_iot_out_resume(out, import->filled);

    for (i = 0; i < import->nrows; i++) {
        ngx_iot_import_write_row(out, &import->rows[i]);
    }

    if (import->ended) {
        ngx_iot_out_list_end(out);
        ngx_iot_out_string(out, "operationId", 0, &call->operation_id);
        ngx_iot_import_write_counts(out, import);
        ngx_iot_out_message_end(out);
    }
}


static void
ngx_iot_import_write_row(ngx_iot_out_t *out,
    const ngx_iot_import_row_t *row)
{
    const ngx_iot_error_t  *err;

    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_out_number(out, "index", 0, row->index);
    ngx_iot_out_string(out, "fingerprint", 0, &row->fingerprint);

    if (row->state == NGX_IOT_IMPORT_REFUSED) {
        err = &row->error;

        ngx_iot_out_literal(out, "result", 0, "REFUSED");
        ngx_iot_out_number(out, "code", 0, ngx_iot_error_code(err));
        ngx_iot_out_string(out, "reason", 0,
                           ngx_iot_reason_name(err->reason));
        ngx_iot_out_string(out, "message", 0, &err->message);

    } else if (row->one.result == NGX_IOT_STORE_EXISTS) {
        ngx_iot_out_literal(out, "result", 0, "EXISTS");

    } else {
        ngx_iot_out_literal(out, "result", 0, "IMPORTED");
    }

    ngx_iot_out_message_end(out);
}


static void
ngx_iot_import_write_counts(ngx_iot_out_t *out,
    const ngx_iot_import_t *import)
{
    ngx_iot_out_message(out, "counts", 0);

    ngx_iot_out_number(out, "entries", 0, import->entries.n);
    ngx_iot_out_number(out, "imported", 0, import->imported);
    ngx_iot_out_number(out, "existing", 0, import->existing);
    ngx_iot_out_number(out, "refused", 0, import->refused);

    ngx_iot_out_message_end(out);
}
