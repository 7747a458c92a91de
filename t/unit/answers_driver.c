
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_operation.h"


/*
 * Writes messages for answers_oracle, which compares the two encodings of
 * each.  A line of the standard input is the name of a message and NAME=HEX of
 * its values; a number is in decimal, and the certificate of an operation is
 * made up.  For each one line goes to the standard output: the protobuf and
 * the JSON, both in hex.
 */


#define DRIVER_LINE_MAX  1048576


typedef struct {
    const char  *name;
    ngx_str_t   *value;
} driver_string_t;


typedef struct {
    const char  *name;
    uint64_t    *value;
} driver_number_t;


static void read_line(char *line);
static void read_value(const char *name, char *text);
static ngx_uint_t read_string(const char *name, char *text);
static ngx_uint_t read_number(const char *name, const char *text);
static ngx_str_t unhex(char *text);
static void use_numbers(void);
static void print(ngx_iot_wire_e wire, ngx_iot_out_pt write, int end);

static void write_operation(ngx_iot_out_t *out, const void *data);
static void write_registry(ngx_iot_out_t *out, const void *data);
static void write_certificate(ngx_iot_out_t *out, const void *data);
static void write_status(ngx_iot_out_t *out, const void *data);


static ngx_pool_t             *pool;
static ngx_iot_operation_t     operation;
static ngx_iot_registry_t     *registry = &operation.registry;
static ngx_iot_certificate_t  *certificate = &operation.certificate;
static ngx_iot_error_t         err;
static ngx_str_t               request_id;
static ngx_keyval_t            labels[NGX_IOT_REGISTRY_LABELS_MAX];

static uint64_t                kind, created_at, modified_at, done, code;
static uint64_t                status, reason;


static const driver_string_t   strings[] = {
    { "id", &operation.id },
    { "created_by", &operation.created_by },
    { "registry_id", &operation.registry_id },
    { "details", &operation.error.details },
    { "pem", &operation.certificate.pem },
    { "folder_id", &operation.registry.folder_id },
    { "name", &operation.registry.name },
    { "description", &operation.registry.description },
    { "log_options", &operation.registry.log_options },
    { "message", &err.message },
    { "field", &err.field },
    { "resource_type", &err.resource_type },
    { "resource_name", &err.resource_name },
    { "quota_subject", &err.quota_subject },
    { "request_id", &request_id }
};

static const driver_number_t   numbers[] = {
    { "kind", &kind },
    { "created_at", &created_at },
    { "modified_at", &modified_at },
    { "done", &done },
    { "code", &code },
    { "status", &status },
    { "reason", &reason }
};


int
main(void)
{
    char            *line;
    ngx_iot_out_pt   write;

    line = malloc(DRIVER_LINE_MAX);

    if (line == NULL) {
        abort();
    }

    while (fgets(line, DRIVER_LINE_MAX, stdin)) {
        pool = unit_pool();

        read_line(line);
        use_numbers();

        switch (line[0]) {

        case 'o':
            write = write_operation;
            break;

        case 'r':
            write = write_registry;
            break;

        case 'c':
            write = write_certificate;
            break;

        default:
            write = write_status;
        }

        print(NGX_IOT_PROTOBUF, write, ' ');
        print(NGX_IOT_JSON, write, '\n');

        fflush(stdout);
    }

    free(line);

    return 0;
}


static void
read_line(char *line)
{
    char        *p, *value;
    ngx_uint_t   i;

    ngx_memzero(&operation, sizeof(ngx_iot_operation_t));
    ngx_memzero(&err, sizeof(ngx_iot_error_t));
    ngx_str_null(&request_id);

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        *numbers[i].value = 0;
    }

    registry->labels = labels;

    line[strcspn(line, "\n")] = '\0';

    (void) strtok(line, " ");

    for (p = strtok(NULL, " "); p; p = strtok(NULL, " ")) {
        value = strchr(p, '=');

        if (value == NULL) {
            abort();
        }

        *value++ = '\0';

        read_value(p, value);
    }
}


static void
read_value(const char *name, char *text)
{
    if (strcmp(name, "key") == 0) {
        labels[registry->nlabels].key = unhex(text);
        return;
    }

    if (strcmp(name, "value") == 0) {
        labels[registry->nlabels++].value = unhex(text);
        return;
    }

    if (strcmp(name, "metadata") == 0) {
        err.metadata[err.nmetadata].value = unhex(text);
        ngx_str_set(&err.metadata[err.nmetadata].key, "key");
        err.metadata[err.nmetadata].key.len += err.nmetadata - 1;
        err.nmetadata++;
        return;
    }

    if (!read_string(name, text) && !read_number(name, text)) {
        abort();
    }
}


static ngx_uint_t
read_string(const char *name, char *text)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        if (strcmp(name, strings[i].name) == 0) {
            *strings[i].value = unhex(text);
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
read_number(const char *name, const char *text)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (strcmp(name, numbers[i].name) == 0) {
            *numbers[i].value = strtoull(text, NULL, 10);
            return 1;
        }
    }

    return 0;
}


/* exactly as long, so that sanitizers see a read past the end */
static ngx_str_t
unhex(char *text)
{
    size_t     i, len;
    ngx_str_t  value;

    len = strlen(text) / 2;

    for (i = 0; i < len; i++) {
        text[i] = (char) ngx_hextoi((u_char *) text + 2 * i, 2);
    }

    value = unit_copy(pool, text, len);

    return value;
}


static void
use_numbers(void)
{
    operation.kind = (ngx_iot_operation_kind_e) kind;
    operation.created_at = created_at;
    operation.modified_at = modified_at;
    operation.done = (ngx_uint_t) done;
    operation.error.code = (ngx_uint_t) code;
    operation.error.message = err.message;

    certificate->registry_id = operation.registry_id;
    certificate->created_at = created_at;
    ngx_memset(certificate->fingerprint, 'f', NGX_IOT_FINGERPRINT_LEN);

    registry->id = operation.registry_id;
    registry->created_at = created_at;
    registry->status = (ngx_iot_registry_status_e) status;

    err.reason = (ngx_iot_reason_e) (reason % NGX_IOT_REASON_MAX);
}


static void
print(ngx_iot_wire_e wire, ngx_iot_out_pt write, int end)
{
    size_t     i;
    ngx_str_t  text;

    if (ngx_iot_out_render(pool, wire, write, NULL, &text) != NGX_OK) {
        abort();
    }

    for (i = 0; i < text.len; i++) {
        printf("%02x", text.data[i]);
    }

    putchar(end);
}


static void
write_operation(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_operation_write(out, NULL, 0, &operation);
}


static void
write_registry(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_registry_write(out, registry);
    ngx_iot_out_message_end(out);
}


static void
write_certificate(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_certificate_write(out, certificate);
    ngx_iot_out_message_end(out);
}


static void
write_status(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_error_write(out, &err, &request_id);
}
