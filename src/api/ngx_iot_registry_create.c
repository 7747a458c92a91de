
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_claim.h"
#include "ngx_iot_idempotency.h"
#include "ngx_iot_log_options.h"
#include "ngx_iot_name_claim.h"
#include "ngx_iot_registry_service.h"
#include "ngx_iot_shard.h"


/*
 * Create: the name is claimed in the folder's slot, with the ids of registry
 * and operation, so that a retry under the same Idempotency-Key goes on with
 * them; then its certificates are claimed, one after the other; then one
 * script stores all in the registry's slot.  A refusal forbids the operation
 * and gives back what was claimed.
 */


typedef struct {
    ngx_iot_name_claim_t     name;          /* call->work begins with it */

    ngx_iot_certificate_t   *certificates;
    ngx_iot_claim_t         *claims;
    ngx_uint_t               n;
    ngx_uint_t               claimed;
} ngx_iot_registry_create_t;


static ngx_int_t ngx_iot_create_registry_prepare(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_read(ngx_iot_call_t *call,
    ngx_iot_registry_message_t *message);
static ngx_int_t ngx_iot_create_registry_given_id(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_certificates(ngx_iot_call_t *call,
    const ngx_iot_registry_message_t *message);
static ngx_int_t ngx_iot_create_registry_certificate(ngx_iot_call_t *call,
    const ngx_str_t *pem, ngx_uint_t index);
static ngx_int_t ngx_iot_create_registry_name_field(ngx_iot_call_t *call,
    ngx_uint_t index);
static ngx_int_t ngx_iot_create_registry_scope(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_ids(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_claim(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_same(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_begun(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);
static ngx_int_t ngx_iot_create_registry_next(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_claimed(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_held(ngx_iot_call_t *call,
    ngx_iot_store_result_e result);
static void ngx_iot_create_registry_fenced(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_store(ngx_iot_call_t *call);
static ngx_int_t ngx_iot_create_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);


/* an id can be given by REST only: the proto has none */

static const ngx_iot_param_t  ngx_iot_create_registry_params[] = {
    ngx_iot_query_param("registry_id", "registryId", 0, NGX_IOT_FIELD_STRING,
                        given_id),
    ngx_iot_no_param
};


const ngx_iot_method_t  ngx_iot_create_registry = {
    ngx_string("RegistryService.Create"),
    NGX_IOT_REGISTRY_SERVICE,
    NGX_IOT_POST,
    ngx_string(NGX_IOT_REGISTRIES),
    ngx_string(NGX_IOT_REGISTRY_RPC "Create"),
    NGX_IOT_METHOD_BODY|NGX_IOT_METHOD_MUTATION|NGX_IOT_METHOD_LATE
        |NGX_IOT_METHOD_REGISTRY|NGX_IOT_METHOD_CERTIFICATES,
    ngx_iot_create_registry_params,
    ngx_iot_create_registry_prepare,
    ngx_iot_create_registry_finish,
    ngx_iot_method_write_operation,
    NULL,
    NULL
};


static ngx_int_t
ngx_iot_create_registry_prepare(ngx_iot_call_t *call)
{
    ngx_int_t                    rc;
    ngx_iot_registry_message_t   message;

    rc = ngx_iot_create_registry_read(call, &message);
    if (rc != NGX_OK) {
        return rc;
    }

    call->operation.registry = message.registry;

    call->work = ngx_pcalloc(call->pool, sizeof(ngx_iot_registry_create_t));
    if (call->work == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_iot_create_registry_certificates(call, &message);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_iot_create_registry_scope(call) != NGX_OK
        || ngx_iot_create_registry_ids(call) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_create_registry_claim(call);
}


static ngx_int_t
ngx_iot_create_registry_read(ngx_iot_call_t *call,
    ngx_iot_registry_message_t *message)
{
    ngx_int_t  rc;

    rc = ngx_iot_registry_read_create(call->pool, call->wire, &call->body,
                                      message, &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    call->folder_id = message->registry.folder_id;

    rc = ngx_iot_folder_id_check(call);
    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_iot_create_registry_given_id(call);
    if (rc != NGX_OK) {
        return rc;
    }

    call->known = 1;

    return ngx_iot_registry_check(call->pool, message, &call->error);
}


/* who moves registries here keeps their ids */
static ngx_int_t
ngx_iot_create_registry_given_id(ngx_iot_call_t *call)
{
    if (call->given_id.len == 0) {
        return NGX_OK;
    }

    if (!call->settings->import) {
        ngx_iot_field_error(&call->error, INVALID_FIELD, "registry_id",
                            "an id can be given to a new registry only where "
                            "\"iot_import\" is on");
        return NGX_DECLINED;
    }

    call->registry_id = call->given_id;

    return ngx_iot_registry_id_check(call);
}


static ngx_int_t
ngx_iot_create_registry_certificates(ngx_iot_call_t *call,
    const ngx_iot_registry_message_t *message)
{
    ngx_int_t                   rc;
    ngx_str_t                  *pem;
    ngx_uint_t                  i, n, limit;
    ngx_iot_registry_create_t  *create;

    create = call->work;

    rc = ngx_iot_registry_certificates(call->pool, message, &pem, &n,
                                       &call->error);
    if (rc != NGX_OK || n == 0) {
        return rc;
    }

    limit = call->settings->certificate_limit;

    if (limit && n > limit) {
        return ngx_iot_certificate_refused(call, NGX_IOT_STORE_LIMIT);
    }

    create->certificates = ngx_pcalloc(call->pool,
                                       n * sizeof(ngx_iot_certificate_t));
    create->claims = ngx_pcalloc(call->pool, n * sizeof(ngx_iot_claim_t));

    if (create->certificates == NULL || create->claims == NULL) {
        return NGX_ERROR;
    }

    create->n = n;

    for (i = 0; i < n; i++) {
        rc = ngx_iot_create_registry_certificate(call, &pem[i], i);

        if (rc == NGX_DECLINED) {
            return ngx_iot_create_registry_name_field(call, i);
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_iot_create_registry_certificate(ngx_iot_call_t *call,
    const ngx_str_t *pem, ngx_uint_t index)
{
    ngx_int_t                   rc;
    ngx_uint_t                  i;
    ngx_iot_certificate_t      *certificates;
    ngx_iot_registry_create_t  *create;

    create = call->work;
    certificates = create->certificates;

    rc = ngx_iot_certificate_read(call->pool, pem,
                                  &call->settings->certificate,
                                  (time_t) (call->now / 1000),
                                  &certificates[index], &call->error);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < index; i++) {
        if (ngx_memcmp(certificates[i].sha256, certificates[index].sha256,
                       NGX_IOT_SHA256_LEN)
            == 0)
        {
            ngx_iot_error_format(call->pool, &call->error,
                                 NGX_IOT_REASON_INVALID_FIELD,
                                 "the certificate is the same as "
                                 "certificates[%ui]", i);
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


/* the call's error is about that certificate */
static ngx_int_t
ngx_iot_create_registry_name_field(ngx_iot_call_t *call, ngx_uint_t index)
{
    return ngx_iot_registry_certificate_field(call->pool, index,
                                              &call->error.field)
           == NGX_OK
           ? NGX_DECLINED : NGX_ERROR;
}


static ngx_int_t
ngx_iot_create_registry_scope(ngx_iot_call_t *call)
{
    ngx_str_t                        *parts;
    ngx_uint_t                        i;
    const ngx_iot_registry_t         *registry;
    const ngx_iot_registry_create_t  *create;

    create = call->work;
    registry = &call->operation.registry;

    parts = ngx_palloc(call->pool, (5 + create->n) * sizeof(ngx_str_t));
    if (parts == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < create->n; i++) {
        parts[5 + i] = create->certificates[i].pem;
    }

    parts[0] = registry->name;
    parts[1] = registry->description;
    parts[4] = call->given_id;

    if (ngx_iot_registry_pack_labels(call->pool, registry, &parts[2])
        != NGX_OK
        || ngx_iot_log_options_canonical(call->pool, &registry->log_options,
                                         &parts[3])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_iot_idempotency_scope(call, &call->folder_id, parts,
                                     5 + create->n);
}


/* a registry's id has no shard: where it is follows from the whole of it */
static ngx_int_t
ngx_iot_create_registry_ids(ngx_iot_call_t *call)
{
    u_char      *p;
    ngx_uint_t   chance;
    ngx_str_t   *id;

    id = &call->operation.registry_id;

    if (call->given_id.len) {
        *id = call->given_id;
        return ngx_iot_registry_operation(call, NGX_IOT_CREATE_REGISTRY);
    }

    p = call->random + NGX_IOT_ID_RANDOM_LEN;
    chance = (p[0] << 8 | p[1]) % NGX_IOT_SHARDS;

    id->len = NGX_IOT_OPERATION_ID_LEN;
    id->data = ngx_pnalloc(call->pool, NGX_IOT_OPERATION_ID_LEN);

    if (id->data == NULL) {
        return NGX_ERROR;
    }

    ngx_iot_id_make(id->data, chance, call->now, p + 2);

    return ngx_iot_registry_operation(call, NGX_IOT_CREATE_REGISTRY);
}


static ngx_int_t
ngx_iot_create_registry_claim(ngx_iot_call_t *call)
{
    ngx_iot_operation_t   *operation;
    ngx_iot_name_claim_t  *claim;
    ngx_iot_store_name_t  *name;

    claim = call->work;
    operation = &call->operation;

    claim->claimed = ngx_iot_create_registry_next;
    claim->fenced = ngx_iot_create_registry_fenced;
    claim->same = ngx_iot_create_registry_same;

    name = &claim->name;

    name->folder_id = call->folder_id;
    name->name = operation->registry.name;
    name->registry_id = operation->registry_id;
    name->operation_id = operation->id;
    name->create = 1;
    name->created_at = operation->created_at;

    return ngx_iot_name_claim(call);
}


/* the ids are those of the first request: has it come to its end? */
static ngx_int_t
ngx_iot_create_registry_same(ngx_iot_call_t *call)
{
    ngx_iot_operation_t   *operation;
    ngx_iot_name_claim_t  *claim;

    claim = call->work;
    operation = &call->operation;

    operation->id = claim->holder.operation_id;
    operation->registry_id = claim->holder.registry_id;
    operation->created_at = ngx_iot_id_time(&operation->id);
    operation->modified_at = operation->created_at;

    call->operation_id = operation->id;

    if (ngx_iot_store_get_operation(&call->store, &operation->id,
                                    &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->step = ngx_iot_create_registry_begun;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_create_registry_begun(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_operation_t      stored;
    ngx_iot_name_claim_t    *claim;
    ngx_iot_store_result_e   result;

    claim = call->work;

    ngx_memzero(&stored, sizeof(ngx_iot_operation_t));

    result = ngx_iot_store_operation(&call->store, reply, &stored);

    switch (result) {

    case NGX_IOT_STORE_NOT_FOUND:
        return ngx_iot_create_registry_claim(call);

    case NGX_IOT_STORE_OK:
        return ngx_iot_operation_read(call, &claim->holder.operation_id);

    default:
        return ngx_iot_call_store_failed(call, result);
    }
}


/* the next certificate is claimed; when all are, they are stored */
static ngx_int_t
ngx_iot_create_registry_next(ngx_iot_call_t *call)
{
    ngx_iot_claim_t            *claim;
    ngx_iot_registry_create_t  *create;

    create = call->work;

    if (create->claimed == create->n) {
        call->claim = NULL;
        return ngx_iot_create_registry_store(call);
    }

    claim = &create->claims[create->claimed];

    ngx_iot_claim_init(claim, &create->certificates[create->claimed],
                       &call->operation);

    claim->shared = 1;
    claim->claimed = ngx_iot_create_registry_claimed;
    claim->refused = ngx_iot_create_registry_held;

    call->claim = claim;

    return ngx_iot_claim(call);
}


static ngx_int_t
ngx_iot_create_registry_claimed(ngx_iot_call_t *call)
{
    ngx_iot_registry_create_t  *create;

    create = call->work;
    create->claimed++;

    return ngx_iot_create_registry_next(call);
}


static ngx_int_t
ngx_iot_create_registry_held(ngx_iot_call_t *call,
    ngx_iot_store_result_e result)
{
    ngx_iot_certificate_t      *certificate;
    ngx_iot_registry_create_t  *create;

    static ngx_str_t  in_another = ngx_string("another");

    create = call->work;
    certificate = &create->certificates[create->claimed];

    call->claim = NULL;

    if (result == NGX_IOT_STORE_EXISTS) {
        ngx_iot_error(&call->error, CERTIFICATE_EXISTS,
                      "the certificate belongs to another registry");
        ngx_iot_error_metadata(&call->error, "registry", &in_another);

        ngx_str_set(&call->error.resource_type,
                    "yandex.cloud.iot.devices.v1.RegistryCertificate");
        call->error.resource_name.data = certificate->fingerprint;
        call->error.resource_name.len = NGX_IOT_FINGERPRINT_LEN;

    } else {
        (void) ngx_iot_certificate_refused(call, result);
    }

    ngx_str_null(&call->operation_id);

    if (ngx_iot_create_registry_name_field(call, create->claimed)
        != NGX_DECLINED)
    {
        return NGX_ERROR;
    }

    return ngx_iot_name_unclaim(call);
}


static void
ngx_iot_create_registry_fenced(ngx_iot_call_t *call)
{
    ngx_uint_t                  i;
    ngx_iot_registry_create_t  *create;

    create = call->work;

    for (i = 0; i < create->claimed; i++) {
        ngx_iot_claim_release(call, &create->claims[i].claim);
    }
}


static ngx_int_t
ngx_iot_create_registry_store(ngx_iot_call_t *call)
{
    ngx_iot_store_t             store;
    ngx_iot_registry_create_t  *create;

    create = call->work;

    /* the Idempotency-Key has its record in the folder's slot */

    store = call->store;
    store.idempotency.given = 0;

    if (ngx_iot_store_create_registry(&store, &call->operation,
                                      create->certificates, create->n,
                                      &call->request)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    call->certain = 0;
    call->step = NULL;

    return NGX_AGAIN;
}


static ngx_int_t
ngx_iot_create_registry_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply)
{
    ngx_iot_operation_t     *operation;
    ngx_iot_registry_t      *registry;
    ngx_iot_store_result_e   result;

    result = ngx_iot_store_registry_created(&call->store, reply);

    if (result != NGX_IOT_STORE_OK) {
        (void) ngx_iot_registry_refused(call, result);
        return ngx_iot_name_unclaim(call);
    }

    operation = &call->operation;
    registry = &operation->registry;

    registry->id = operation->registry_id;
    registry->created_at = operation->created_at;
    registry->status = NGX_IOT_REGISTRY_ACTIVE;

    call->registry_id = operation->registry_id;

    return NGX_OK;
}
