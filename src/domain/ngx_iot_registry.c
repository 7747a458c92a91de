
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_registry.h"
#include "ngx_iot_log_options.h"
#include "ngx_iot_message.h"


static ngx_int_t ngx_iot_registry_read(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *body, ngx_iot_registry_message_t *message,
    ngx_uint_t create, ngx_iot_error_t *err);
static ngx_int_t ngx_iot_registry_log_options(ngx_pool_t *pool,
    ngx_iot_registry_message_t *message, ngx_iot_error_t *err);
static ngx_int_t ngx_iot_registry_check_labels(ngx_pool_t *pool,
    ngx_iot_registry_message_t *message, ngx_iot_error_t *err);
static ngx_uint_t ngx_iot_registry_label_valid(const ngx_keyval_t *label);
static ngx_uint_t ngx_iot_registry_label_chars(const ngx_str_t *text);
static ngx_int_t ngx_libc_cdecl ngx_iot_registry_compare_labels(
    const void *one, const void *two);
static u_char *ngx_iot_registry_pack(u_char *p, const ngx_str_t *text);
static u_char *ngx_iot_registry_unpack(u_char *p, u_char *last,
    ngx_str_t *text);
static ngx_int_t ngx_iot_registry_certificate(ngx_pool_t *pool,
    ngx_iot_wire_e wire, const ngx_str_t *element, ngx_uint_t index,
    ngx_str_t *certificate, ngx_iot_error_t *err);
static ngx_uint_t ngx_iot_registry_path(const ngx_str_t *path);
static void ngx_iot_registry_write_labels(ngx_iot_out_t *out,
    const ngx_iot_registry_t *registry);


static const char  *const ngx_iot_registry_statuses[] = {
    NULL, NULL, "ACTIVE", "DELETING", "DISABLED"
};


ngx_int_t
ngx_iot_registry_read_create(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *body, ngx_iot_registry_message_t *message,
    ngx_iot_error_t *err)
{
    return ngx_iot_registry_read(pool, wire, body, message, 1, err);
}


ngx_int_t
ngx_iot_registry_read_update(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *body, ngx_iot_registry_message_t *message,
    ngx_iot_error_t *err)
{
    return ngx_iot_registry_read(pool, wire, body, message, 0, err);
}


static ngx_int_t
ngx_iot_registry_read(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *body, ngx_iot_registry_message_t *message,
    ngx_uint_t create, ngx_iot_error_t *err)
{
    ngx_int_t            rc;
    ngx_str_t            registry_id;
    ngx_iot_registry_t  *registry;

    registry = &message->registry;

    /* registry_id in the body must be a string, but the path's one wins */

    ngx_iot_field_t  fields[] = {

        /* of Create */

        { ngx_string("folder_id"), ngx_string("folderId"), 1,
          &registry->folder_id, NGX_IOT_FIELD_STRING },
        { ngx_string("certificates"), ngx_string("certificates"), 5,
          &message->certificates, NGX_IOT_FIELD_LIST },
        { ngx_string("password"), ngx_string("password"), 6,
          &message->password, NGX_IOT_FIELD_STRING },

        /* of both */

        { ngx_string("name"), ngx_string("name"), create ? 2 : 3,
          &registry->name, NGX_IOT_FIELD_STRING },
        { ngx_string("description"), ngx_string("description"), create ? 3 : 4,
          &registry->description, NGX_IOT_FIELD_STRING },
        { ngx_string("labels"), ngx_string("labels"), create ? 4 : 5,
          &message->labels, NGX_IOT_FIELD_MAP },
        { ngx_string("log_options"), ngx_string("logOptions"), create ? 7 : 6,
          &registry->log_options, NGX_IOT_FIELD_MESSAGE },

        /* of Update */

        { ngx_string("update_mask"), ngx_string("updateMask"), 2,
          &message->update_mask, NGX_IOT_FIELD_MASK },
        { ngx_string("registry_id"), ngx_string("registryId"), 1,
          &registry_id, NGX_IOT_FIELD_STRING }
    };

    ngx_memzero(message, sizeof(ngx_iot_registry_message_t));

    message->wire = wire;
    message->labels_number = create ? 4 : 5;

    rc = create
         ? ngx_iot_message_read(pool, wire, body, fields, 7, err)
         : ngx_iot_message_read(pool, wire, body, fields + 3, 6, err);

    return (rc == NGX_OK)
           ? ngx_iot_registry_log_options(pool, message, err) : rc;
}


/* stored and answered as JSON, whatever they came as */
static ngx_int_t
ngx_iot_registry_log_options(ngx_pool_t *pool,
    ngx_iot_registry_message_t *message, ngx_iot_error_t *err)
{
    ngx_str_t  *log_options;

    log_options = &message->registry.log_options;

    if (message->wire == NGX_IOT_JSON || log_options->data == NULL) {
        return NGX_OK;
    }

    return ngx_iot_log_options_read(pool, log_options, err);
}


ngx_int_t
ngx_iot_registry_check(ngx_pool_t *pool, ngx_iot_registry_message_t *message,
    ngx_iot_error_t *err)
{
    ngx_iot_registry_t  *registry;

    registry = &message->registry;

    if (!ngx_iot_registry_name_valid(&registry->name)) {
        ngx_iot_field_error(err, INVALID_FIELD, "name",
                            "a name has at most 50 characters of "
                            "A-Z, a-z, 0-9, \"_\" and \"-\"");
        return NGX_DECLINED;
    }

    if (ngx_utf8_length(registry->description.data, registry->description.len)
        > NGX_IOT_REGISTRY_DESCRIPTION_MAX)
    {
        ngx_iot_field_error(err, INVALID_FIELD, "description",
                            "a description has at most 256 characters");
        return NGX_DECLINED;
    }

    if (registry->log_options.len > NGX_IOT_REGISTRY_LOG_OPTIONS_MAX) {
        ngx_iot_field_error(err, INVALID_FIELD, "log_options",
                            "log options have at most 4096 bytes");
        return NGX_DECLINED;
    }

    if (message->password.len) {
        ngx_iot_field_error(err, INVALID_FIELD, "password",
                            "passwords are not supported");
        return NGX_DECLINED;
    }

    return ngx_iot_registry_check_labels(pool, message, err);
}


static ngx_int_t
ngx_iot_registry_check_labels(ngx_pool_t *pool,
    ngx_iot_registry_message_t *message, ngx_iot_error_t *err)
{
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_iot_registry_t  *registry;

    ngx_iot_field_t  field = {
        ngx_string("labels"), ngx_string("labels"), message->labels_number,
        &message->labels, NGX_IOT_FIELD_MAP
    };

    registry = &message->registry;

    if (message->labels.len == 0) {
        return NGX_OK;
    }

    registry->labels = ngx_palloc(pool, NGX_IOT_REGISTRY_LABELS_MAX
                                        * sizeof(ngx_keyval_t));
    if (registry->labels == NULL) {
        return NGX_ERROR;
    }

    registry->nlabels = NGX_IOT_REGISTRY_LABELS_MAX;

    rc = ngx_iot_message_read_map(pool, message->wire, &field,
                                  registry->labels, &registry->nlabels, err);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < registry->nlabels; i++) {

        if (!ngx_iot_registry_label_valid(&registry->labels[i])) {
            ngx_iot_field_error(err, INVALID_FIELD, "labels",
                                "a label's key has 1 to 63 characters of "
                                "a-z, 0-9, \"_\" and \"-\" and begins with a "
                                "letter, its value has at most 63 of them");
            return NGX_DECLINED;
        }
    }

    ngx_sort(registry->labels, registry->nlabels, sizeof(ngx_keyval_t),
             ngx_iot_registry_compare_labels);

    return NGX_OK;
}


static ngx_uint_t
ngx_iot_registry_label_valid(const ngx_keyval_t *label)
{
    return label->key.len > 0
           && label->key.data[0] >= 'a' && label->key.data[0] <= 'z'
           && ngx_iot_registry_label_chars(&label->key)
           && ngx_iot_registry_label_chars(&label->value);
}


static ngx_uint_t
ngx_iot_registry_label_chars(const ngx_str_t *text)
{
    u_char      ch;
    ngx_uint_t  i;

    if (text->len > NGX_IOT_REGISTRY_LABEL_MAX) {
        return 0;
    }

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if ((ch < 'a' || ch > 'z') && (ch < '0' || ch > '9')
            && ch != '-' && ch != '_')
        {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t ngx_libc_cdecl
ngx_iot_registry_compare_labels(const void *one, const void *two)
{
    const ngx_keyval_t  *first = one;
    const ngx_keyval_t  *second = two;

    return ngx_memn2cmp(first->key.data, second->key.data, first->key.len,
                        second->key.len);
}


ngx_int_t
ngx_iot_registry_pack_labels(ngx_pool_t *pool,
    const ngx_iot_registry_t *registry, ngx_str_t *text)
{
    u_char      *p;
    size_t       len;
    ngx_uint_t   i;

    len = 0;

    for (i = 0; i < registry->nlabels; i++) {
        len += 2 + registry->labels[i].key.len + registry->labels[i].value.len;
    }

    p = ngx_pnalloc(pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = len;

    for (i = 0; i < registry->nlabels; i++) {
        p = ngx_iot_registry_pack(p, &registry->labels[i].key);
        p = ngx_iot_registry_pack(p, &registry->labels[i].value);
    }

    return NGX_OK;
}


static u_char *
ngx_iot_registry_pack(u_char *p, const ngx_str_t *text)
{
    *p++ = (u_char) text->len;

    return ngx_cpymem(p, text->data, text->len);
}


ngx_int_t
ngx_iot_registry_unpack_labels(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_iot_registry_t *registry)
{
    u_char        *p, *last;
    ngx_keyval_t  *label;

    registry->nlabels = 0;

    if (text->len == 0) {
        return NGX_OK;
    }

    registry->labels = ngx_palloc(pool, NGX_IOT_REGISTRY_LABELS_MAX
                                        * sizeof(ngx_keyval_t));
    if (registry->labels == NULL) {
        return NGX_ERROR;
    }

    p = text->data;
    last = p + text->len;

    while (p < last) {

        if (registry->nlabels == NGX_IOT_REGISTRY_LABELS_MAX) {
            return NGX_ERROR;
        }

        label = &registry->labels[registry->nlabels++];

        p = ngx_iot_registry_unpack(p, last, &label->key);
        p = p ? ngx_iot_registry_unpack(p, last, &label->value) : NULL;

        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static u_char *
ngx_iot_registry_unpack(u_char *p, u_char *last, ngx_str_t *text)
{
    if (p == last || *p > last - p - 1) {
        return NULL;
    }

    text->len = *p++;
    text->data = p;

    return p + text->len;
}


ngx_uint_t
ngx_iot_registry_name_valid(const ngx_str_t *name)
{
    u_char      ch;
    ngx_uint_t  i;

    if (name->len > NGX_IOT_REGISTRY_NAME_MAX) {
        return 0;
    }

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if ((ch < '0' || ch > '9') && (ch < 'A' || ch > 'Z')
            && (ch < 'a' || ch > 'z') && ch != '-' && ch != '_')
        {
            return 0;
        }
    }

    return 1;
}


ngx_int_t
ngx_iot_registry_certificates(ngx_pool_t *pool,
    const ngx_iot_registry_message_t *message, ngx_str_t **certificates,
    ngx_uint_t *n, ngx_iot_error_t *err)
{
    ngx_int_t   rc;
    ngx_str_t  *texts, list;
    ngx_uint_t  i;

    ngx_iot_field_t  field = {
        ngx_string("certificates"), ngx_string("certificates"), 5,
        &list, NGX_IOT_FIELD_LIST
    };

    *n = 0;
    list = message->certificates;

    if (list.len == 0) {
        return NGX_OK;
    }

    texts = ngx_palloc(pool, NGX_IOT_REGISTRY_CERTIFICATES_MAX
                             * sizeof(ngx_str_t));
    if (texts == NULL) {
        return NGX_ERROR;
    }

    *n = NGX_IOT_REGISTRY_CERTIFICATES_MAX;

    rc = ngx_iot_message_read_list(pool, message->wire, &field, texts, n, err);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < *n; i++) {
        rc = ngx_iot_registry_certificate(pool, message->wire, &texts[i], i,
                                          &texts[i], err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    *certificates = texts;

    return NGX_OK;
}


static ngx_int_t
ngx_iot_registry_certificate(ngx_pool_t *pool, ngx_iot_wire_e wire,
    const ngx_str_t *element, ngx_uint_t index, ngx_str_t *certificate,
    ngx_iot_error_t *err)
{
    ngx_int_t  rc;
    ngx_str_t  text;

    ngx_iot_field_t  field = {
        ngx_string("certificate_data"), ngx_string("certificateData"), 1,
        certificate, NGX_IOT_FIELD_STRING
    };

    text = *element;

    rc = ngx_iot_message_read(pool, wire, &text, &field, 1, err);

    if (rc == NGX_DECLINED
        && ngx_iot_registry_certificate_field(pool, index, &err->field)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return rc;
}


ngx_int_t
ngx_iot_registry_certificate_field(ngx_pool_t *pool, ngx_uint_t index,
    ngx_str_t *field)
{
    u_char  *p;

    static const char  form[] = "certificates[%ui].certificate_data";

    p = ngx_pnalloc(pool, sizeof(form) + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    field->data = p;
    field->len = ngx_sprintf(p, form, index) - p;

    return NGX_OK;
}


ngx_int_t
ngx_iot_registry_mask(const ngx_str_t *mask, ngx_uint_t *fields,
    ngx_iot_error_t *err)
{
    u_char      *p, *last, *comma;
    ngx_str_t    path;
    ngx_uint_t   field;

    *fields = mask->len ? 0 : NGX_IOT_REGISTRY_FIELDS;

    p = mask->data;
    last = mask->data + mask->len;

    while (mask->len) {
        comma = ngx_strlchr(p, last, ',');

        path.data = p;
        path.len = (comma ? comma : last) - p;

        field = ngx_iot_registry_path(&path);

        if (field == 0) {
            ngx_iot_field_error(err, INVALID_FIELD, "update_mask",
                                "an update mask names, with commas between, "
                                "some of name, description, labels and "
                                "log_options");
            return NGX_DECLINED;
        }

        *fields |= field;

        if (comma == NULL) {
            break;
        }

        p = comma + 1;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_iot_registry_path(const ngx_str_t *path)
{
    ngx_uint_t  i;

    static const struct {
        ngx_str_t    name;
        ngx_uint_t   field;
    } paths[] = {
        { ngx_string("name"), NGX_IOT_REGISTRY_NAME },
        { ngx_string("description"), NGX_IOT_REGISTRY_DESCRIPTION },
        { ngx_string("labels"), NGX_IOT_REGISTRY_LABELS },
        { ngx_string("log_options"), NGX_IOT_REGISTRY_LOG_OPTIONS },
        { ngx_string("logOptions"), NGX_IOT_REGISTRY_LOG_OPTIONS }
    };

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (paths[i].name.len == path->len
            && ngx_memcmp(paths[i].name.data, path->data, path->len) == 0)
        {
            return paths[i].field;
        }
    }

    return 0;
}


void
ngx_iot_registry_write(ngx_iot_out_t *out,
    const ngx_iot_registry_t *registry)
{
    ngx_iot_out_string(out, "id", 1, &registry->id);
    ngx_iot_out_string(out, "folderId", 2, &registry->folder_id);

    if (registry->created_at) {
        ngx_iot_out_time(out, "createdAt", 3, registry->created_at);
    }

    ngx_iot_out_string(out, "name", 4, &registry->name);
    ngx_iot_out_string(out, "description", 5, &registry->description);

    if (registry->nlabels) {
        ngx_iot_registry_write_labels(out, registry);
    }

    if (registry->status) {
        ngx_iot_out_enum(out, "status", 7,
                         ngx_iot_registry_statuses[registry->status],
                         registry->status);
    }

    if (registry->log_options.len) {
        ngx_iot_out_text(out, "logOptions", 9, &registry->log_options,
                         ngx_iot_log_options_convert);
    }
}


static void
ngx_iot_registry_write_labels(ngx_iot_out_t *out,
    const ngx_iot_registry_t *registry)
{
    ngx_uint_t  i;

    ngx_iot_out_map(out, "labels");

    for (i = 0; i < registry->nlabels; i++) {
        ngx_iot_out_pair(out, 6, &registry->labels[i].key,
                         &registry->labels[i].value);
    }

    ngx_iot_out_map_end(out);
}
