
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_operation.h"
#include "ngx_iot_details.h"


typedef struct {
    const char   *description;
    const char   *metadata_type;
    const char   *response_type;
    void        (*metadata)(ngx_iot_out_t *out,
                    const ngx_iot_operation_t *operation);
    void        (*response)(ngx_iot_out_t *out,
                    const ngx_iot_operation_t *operation);
} ngx_iot_operation_form_t;


static void ngx_iot_operation_result(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation,
    const ngx_iot_operation_form_t *form);
static void ngx_iot_operation_certificate_name(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation);
static void ngx_iot_operation_certificate(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation);
static void ngx_iot_operation_registry_name(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation);
static void ngx_iot_operation_registry(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation);
static void ngx_iot_operation_empty(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation);


#define NGX_IOT_TYPE(name)                                                    \
    "type.googleapis.com/yandex.cloud.iot.devices.v1." name

#define NGX_IOT_EMPTY  "type.googleapis.com/google.protobuf.Empty"

#define NGX_IOT_REGISTRY_FORM(verb)                                           \
    { verb " device registry",                                                \
      NGX_IOT_TYPE(verb "RegistryMetadata"),                                  \
      NGX_IOT_TYPE("Registry"),                                               \
      ngx_iot_operation_registry_name,                                        \
      ngx_iot_operation_registry }


static const ngx_iot_operation_form_t
    ngx_iot_operation_forms[NGX_IOT_OPERATION_KIND_MAX] =
{
    { NULL, NULL, NULL, NULL, NULL },

    { "Add registry certificate",
      NGX_IOT_TYPE("AddRegistryCertificateMetadata"),
      NGX_IOT_TYPE("RegistryCertificate"),
      ngx_iot_operation_certificate_name,
      ngx_iot_operation_certificate },

    { "Delete registry certificate",
      NGX_IOT_TYPE("DeleteRegistryCertificateMetadata"),
      NGX_IOT_EMPTY,
      ngx_iot_operation_certificate_name,
      ngx_iot_operation_empty },

    NGX_IOT_REGISTRY_FORM("Create"),
    NGX_IOT_REGISTRY_FORM("Update"),

    { "Delete device registry",
      NGX_IOT_TYPE("DeleteRegistryMetadata"),
      NGX_IOT_EMPTY,
      ngx_iot_operation_registry_name,
      ngx_iot_operation_empty },

    NGX_IOT_REGISTRY_FORM("Enable"),
    NGX_IOT_REGISTRY_FORM("Disable"),

    /* not of the proto: in types that its clients know */

    { "Import registry certificates",
      NGX_IOT_TYPE("AddRegistryCertificateMetadata"),
      NGX_IOT_EMPTY,
      ngx_iot_operation_registry_name,
      ngx_iot_operation_empty }
};


ngx_uint_t
ngx_iot_operation_kind_known(ngx_uint_t kind)
{
    return kind > 0 && kind < NGX_IOT_OPERATION_KIND_MAX;
}


ngx_uint_t
ngx_iot_operation_answers_certificate(const ngx_iot_operation_t *operation)
{
    return operation->done
           && operation->error.code == 0
           && ngx_iot_operation_forms[operation->kind].response
              == ngx_iot_operation_certificate;
}


ngx_uint_t
ngx_iot_operation_answers_registry(const ngx_iot_operation_t *operation)
{
    return operation->done
           && operation->error.code == 0
           && ngx_iot_operation_forms[operation->kind].response
              == ngx_iot_operation_registry;
}


ngx_uint_t
ngx_iot_operation_has_certificate(const ngx_iot_operation_t *operation)
{
    return ngx_iot_operation_forms[operation->kind].metadata
           == ngx_iot_operation_certificate_name;
}


void
ngx_iot_operation_write(ngx_iot_out_t *out, const char *name,
    ngx_uint_t number, const ngx_iot_operation_t *operation)
{
    const ngx_iot_operation_form_t  *form;

    form = &ngx_iot_operation_forms[operation->kind];

    ngx_iot_out_message(out, name, number);

    ngx_iot_out_string(out, "id", 1, &operation->id);
    ngx_iot_out_literal(out, "description", 2, form->description);
    ngx_iot_out_time(out, "createdAt", 3, operation->created_at);
    ngx_iot_out_string(out, "createdBy", 4, &operation->created_by);
    ngx_iot_out_time(out, "modifiedAt", 5, operation->modified_at);
    ngx_iot_out_bool(out, "done", 6, operation->done);

    ngx_iot_out_any(out, "metadata", 7, form->metadata_type);
    form->metadata(out, operation);
    ngx_iot_out_any_end(out);

    if (operation->done) {
        ngx_iot_operation_result(out, operation, form);
    }

    ngx_iot_out_message_end(out);
}


static void
ngx_iot_operation_result(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation, const ngx_iot_operation_form_t *form)
{
    const ngx_iot_status_t  *error;

    error = &operation->error;

    if (error->code) {
        ngx_iot_out_message(out, "error", 8);
        ngx_iot_out_number(out, "code", 1, error->code);
        ngx_iot_out_string(out, "message", 2, &error->message);

        if (error->details.len) {
            ngx_iot_out_text(out, "details", 3, &error->details,
                             ngx_iot_details_convert);
        }

        ngx_iot_out_message_end(out);
        return;
    }

    ngx_iot_out_any(out, "response", 9, form->response_type);
    form->response(out, operation);
    ngx_iot_out_any_end(out);
}


static void
ngx_iot_operation_certificate_name(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation)
{
    ngx_str_t  fingerprint;

    fingerprint.data = (u_char *) operation->certificate.fingerprint;
    fingerprint.len = NGX_IOT_FINGERPRINT_LEN;

    ngx_iot_out_string(out, "registryId", 1, &operation->registry_id);
    ngx_iot_out_string(out, "fingerprint", 2, &fingerprint);
}


static void
ngx_iot_operation_certificate(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation)
{
    ngx_iot_certificate_write(out, &operation->certificate);
}


static void
ngx_iot_operation_registry_name(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation)
{
    ngx_iot_out_string(out, "registryId", 1, &operation->registry_id);
}


static void
ngx_iot_operation_registry(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation)
{
    ngx_iot_registry_write(out, &operation->registry);
}


static void
ngx_iot_operation_empty(ngx_iot_out_t *out,
    const ngx_iot_operation_t *operation)
{
}
