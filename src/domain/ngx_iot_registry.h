
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_REGISTRY_H_INCLUDED_
#define _NGX_IOT_REGISTRY_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"
#include "ngx_iot_out.h"


#define NGX_IOT_REGISTRY_NAME_MAX         50
#define NGX_IOT_REGISTRY_DESCRIPTION_MAX  256       /* characters */
#define NGX_IOT_REGISTRY_LABELS_MAX       64
#define NGX_IOT_REGISTRY_LABEL_MAX        63        /* of key and of value */
#define NGX_IOT_REGISTRY_LOG_OPTIONS_MAX  4096
#define NGX_IOT_REGISTRY_CERTIFICATES_MAX 100


/* Registry.Status; the numbers are stored and never change */

typedef enum {
    NGX_IOT_REGISTRY_ACTIVE = 2,
    NGX_IOT_REGISTRY_DELETING = 3,
    NGX_IOT_REGISTRY_DISABLED = 4
} ngx_iot_registry_status_e;


/* what an update may change */

#define NGX_IOT_REGISTRY_NAME             0x01
#define NGX_IOT_REGISTRY_DESCRIPTION      0x02
#define NGX_IOT_REGISTRY_LABELS           0x04
#define NGX_IOT_REGISTRY_LOG_OPTIONS      0x08
#define NGX_IOT_REGISTRY_FIELDS           0x0f


/* yandex.cloud.iot.devices.v1.Registry */

typedef struct {
    ngx_str_t                   id;
    ngx_str_t                   folder_id;
    ngx_iot_msec_t              created_at;     /* 0: not known */
    ngx_str_t                   name;
    ngx_str_t                   description;

    ngx_keyval_t               *labels;         /* in the order of the keys */
    ngx_uint_t                  nlabels;

    ngx_iot_registry_status_e   status;         /* 0: not known */
    ngx_str_t                   log_options;    /* a JSON object */
} ngx_iot_registry_t;


/*
 * CreateRegistryRequest and UpdateRegistryRequest, decoded: registry has
 * folder_id (of the one), name, description and log_options; what is left is
 * as it was sent.
 */

typedef struct {
    ngx_iot_registry_t          registry;
    ngx_iot_wire_e              wire;
    ngx_str_t                   labels;         /* an ngx_iot_field_t's */
    ngx_uint_t                  labels_number;
    ngx_str_t                   certificates;   /* likewise */
    ngx_str_t                   password;
    ngx_str_t                   update_mask;
} ngx_iot_registry_message_t;


/* decode the body of a request; NGX_OK, NGX_DECLINED or NGX_ERROR */

ngx_int_t ngx_iot_registry_read_create(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *body, ngx_iot_registry_message_t *message,
    ngx_iot_error_t *err);
ngx_int_t ngx_iot_registry_read_update(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *body, ngx_iot_registry_message_t *message,
    ngx_iot_error_t *err);

/*
 * Checks name, description, labels, log_options and password, and sets the
 * labels of message->registry.
 */
ngx_int_t ngx_iot_registry_check(ngx_pool_t *pool,
    ngx_iot_registry_message_t *message, ngx_iot_error_t *err);

/*
 * The values of certificate_data in message->certificates, *n of them, in
 * pool.  The name of each in errors is ngx_iot_registry_certificate_field().
 */
ngx_int_t ngx_iot_registry_certificates(ngx_pool_t *pool,
    const ngx_iot_registry_message_t *message, ngx_str_t **certificates,
    ngx_uint_t *n, ngx_iot_error_t *err);

/* "certificates[index].certificate_data"; NGX_OK or NGX_ERROR */
ngx_int_t ngx_iot_registry_certificate_field(ngx_pool_t *pool,
    ngx_uint_t index, ngx_str_t *field);

/* *fields: what the mask names, everything when it is empty */
ngx_int_t ngx_iot_registry_mask(const ngx_str_t *mask, ngx_uint_t *fields,
    ngx_iot_error_t *err);

/*
 * The labels as bytes and back: for each label, key and value with a byte of
 * length before.  NGX_OK, or NGX_ERROR: no memory, or not such bytes.  What is
 * unpacked are slices of text.
 */
ngx_int_t ngx_iot_registry_pack_labels(ngx_pool_t *pool,
    const ngx_iot_registry_t *registry, ngx_str_t *text);
ngx_int_t ngx_iot_registry_unpack_labels(ngx_pool_t *pool,
    const ngx_str_t *text, ngx_iot_registry_t *registry);

/* 1 when it can be the name of a registry, or is empty */
ngx_uint_t ngx_iot_registry_name_valid(const ngx_str_t *name);

/* writes the fields of a Registry into the message that is open */
void ngx_iot_registry_write(ngx_iot_out_t *out,
    const ngx_iot_registry_t *registry);


#endif /* _NGX_IOT_REGISTRY_H_INCLUDED_ */
