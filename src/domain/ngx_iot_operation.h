
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_OPERATION_H_INCLUDED_
#define _NGX_IOT_OPERATION_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_certificate.h"
#include "ngx_iot_out.h"
#include "ngx_iot_registry.h"


/* what an operation does; the numbers are stored and never change */

typedef enum {
    NGX_IOT_ADD_CERTIFICATE = 1,
    NGX_IOT_DELETE_CERTIFICATE = 2,
    NGX_IOT_CREATE_REGISTRY = 3,
    NGX_IOT_UPDATE_REGISTRY = 4,
    NGX_IOT_DELETE_REGISTRY = 5,
    NGX_IOT_ENABLE_REGISTRY = 6,
    NGX_IOT_DISABLE_REGISTRY = 7,
    NGX_IOT_IMPORT_CERTIFICATES = 8,
    NGX_IOT_OPERATION_KIND_MAX
} ngx_iot_operation_kind_e;


/* google.rpc.Status: why an operation failed */

typedef struct {
    ngx_uint_t                 code;        /* google.rpc.Code; 0: none */
    ngx_str_t                  message;
    ngx_str_t                  details;     /* a JSON array, or empty */
} ngx_iot_status_t;


/* yandex.cloud.operation.Operation */

typedef struct {
    ngx_iot_operation_kind_e   kind;
    ngx_str_t                  id;
    ngx_str_t                  registry_id;
    ngx_str_t                  created_by;
    ngx_iot_msec_t             created_at;
    ngx_iot_msec_t             modified_at;
    ngx_uint_t                 done;
    ngx_iot_status_t           error;       /* with done only */

    /*
     * The certificate that the operation is about, if it is about one: its
     * fingerprint is metadata, the whole the response once it is done.  After
     * the certificate was deleted its pem is empty.
     */
    ngx_iot_certificate_t      certificate;

    /*
     * Of what changes a registry: the response, as the registry is now.  After
     * it was deleted it has its id only.
     */
    ngx_iot_registry_t         registry;
} ngx_iot_operation_t;


/* 1 when kind, as it was read from the store, is one that is known here */
ngx_uint_t ngx_iot_operation_kind_known(ngx_uint_t kind);

/* 1 when it has a response, and that is the certificate */
ngx_uint_t ngx_iot_operation_answers_certificate(
    const ngx_iot_operation_t *operation);

/* 1 when it has a response, and that is the registry */
ngx_uint_t ngx_iot_operation_answers_registry(
    const ngx_iot_operation_t *operation);

/*
 * 1 when it is about a certificate, not about the registry itself: those are
 * the operations that a backend finishes, if one is to
 */
ngx_uint_t ngx_iot_operation_has_certificate(
    const ngx_iot_operation_t *operation);

/* writes an Operation as that field, see ngx_iot_out.h */
void ngx_iot_operation_write(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_iot_operation_t *operation);


#endif /* _NGX_IOT_OPERATION_H_INCLUDED_ */
