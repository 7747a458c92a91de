
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_method.h"


/*
 * Reads messages for protobuf_oracle, which compares what was read with what
 * Google's parser says.  For each message of the standard input, which comes
 * as a letter for its type and four bytes of length before it, one line goes
 * to the standard output: the reason of a refusal and its field, or "OK" and
 * NAME=HEX of each value that is set.
 */


#define DRIVER_SIZE_MAX  1048576

#define LABELS           { ngx_string("labels"), ngx_string("labels"),        \
                           message.labels_number, &message.labels,            \
                           NGX_IOT_FIELD_MAP }


static ngx_uint_t next_message(int *type, ngx_str_t *text);
static ngx_int_t read_registry(const ngx_str_t *text, ngx_uint_t create);
static ngx_int_t read_certificates(void);
static ngx_int_t read_params(const ngx_str_t *text, const char *path);
static void print_value(const char *name, const ngx_str_t *value);


static ngx_pool_t                  *pool;
static ngx_iot_error_t              err;
static ngx_iot_registry_message_t   message;

/* what is said when it is known that all is accepted */
static char                         line[4 * DRIVER_SIZE_MAX];
static size_t                       len;


int
main(void)
{
    int        type;
    ngx_int_t  rc;
    ngx_str_t  text;

    while (next_message(&type, &text)) {
        len = 0;

        switch (type) {

        case 'c':
            rc = read_registry(&text, 1);
            break;

        case 'u':
            rc = read_registry(&text, 0);
            break;

        default:    /* 'l' */
            rc = read_params(&text, "/yandex.cloud.iot.devices.v1."
                                    "RegistryService/ListOperations");
        }

        if (rc == NGX_OK) {
            printf("OK%.*s\n", (int) len, line);

        } else {
            printf("%s %.*s\n", ngx_iot_reason_name(err.reason)->data,
                   (int) err.field.len, err.field.data);
        }

        fflush(stdout);
    }

    return 0;
}


/* in memory of exactly its size */
static ngx_uint_t
next_message(int *type, ngx_str_t *text)
{
    u_char  head[5];

    static u_char  buf[DRIVER_SIZE_MAX];

    if (fread(head, 1, 5, stdin) != 5) {
        return 0;
    }

    *type = head[0];
    text->len = (size_t) head[1] << 24 | head[2] << 16 | head[3] << 8
                | head[4];

    if (text->len > sizeof(buf)
        || fread(buf, 1, text->len, stdin) != text->len)
    {
        return 0;
    }

    pool = unit_pool();
    *text = unit_copy(pool, buf, text->len);

    return 1;
}


static ngx_int_t
read_registry(const ngx_str_t *text, ngx_uint_t create)
{
    ngx_int_t      rc;
    ngx_uint_t     i, n;
    ngx_keyval_t   pairs[NGX_IOT_REGISTRY_LABELS_MAX];

    rc = create ? ngx_iot_registry_read_create(pool, NGX_IOT_PROTOBUF, text,
                                               &message, &err)
                : ngx_iot_registry_read_update(pool, NGX_IOT_PROTOBUF, text,
                                               &message, &err);
    if (rc != NGX_OK) {
        return rc;
    }

    print_value("folder_id", &message.registry.folder_id);
    print_value("name", &message.registry.name);
    print_value("description", &message.registry.description);
    print_value("password", &message.password);
    print_value("update_mask", &message.update_mask);
    print_value("log_options", &message.registry.log_options);

    if (message.labels.data) {
        const ngx_iot_field_t  labels = LABELS;

        n = NGX_IOT_REGISTRY_LABELS_MAX;

        rc = ngx_iot_message_read_map(pool, NGX_IOT_PROTOBUF, &labels, pairs,
                                      &n, &err);
        if (rc != NGX_OK) {
            return rc;
        }

        for (i = 0; i < n; i++) {
            print_value("key", &pairs[i].key);
            print_value("value", &pairs[i].value);
        }
    }

    return read_certificates();
}


static ngx_int_t
read_certificates(void)
{
    ngx_int_t    rc;
    ngx_str_t   *certificates;
    ngx_uint_t   i, n;

    rc = ngx_iot_registry_certificates(pool, &message, &certificates, &n,
                                       &err);
    if (rc != NGX_OK) {
        return rc;
    }

    for (i = 0; i < n; i++) {

        if (certificates[i].data == NULL) {
            ngx_str_set(&certificates[i], "");
        }

        print_value("certificate", &certificates[i]);
    }

    return NGX_OK;
}


static ngx_int_t
read_params(const ngx_str_t *text, const char *path)
{
    ngx_int_t        rc;
    ngx_str_t        name;
    ngx_iot_call_t   call;

    ngx_memzero(&call, sizeof(ngx_iot_call_t));

    name.data = (u_char *) path;
    name.len = ngx_strlen(path);

    call.pool = pool;
    call.wire = NGX_IOT_PROTOBUF;
    call.body = *text;

    (void) ngx_iot_method_find_rpc(NGX_IOT_REGISTRY_SERVICE, &name,
                                   &call.method);

    rc = ngx_iot_method_read_params(&call);
    if (rc != NGX_OK) {
        err = call.error;
        return rc;
    }

    print_value("registry_id", &call.registry_id);
    print_value("page_size", &call.page.size);
    print_value("page_token", &call.page.token);
    print_value("filter", &call.page.filter);

    return NGX_OK;
}


static void
print_value(const char *name, const ngx_str_t *value)
{
    size_t  i;

    if (value->data == NULL) {
        return;
    }

    len += sprintf(line + len, " %s=", name);

    for (i = 0; i < value->len; i++) {
        len += sprintf(line + len, "%02x", value->data[i]);
    }
}
