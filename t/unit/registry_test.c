
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_registry.h"


/* what a registry may be, and how requests say it */


#define TEN      "aaaaaaaaaa"
#define FIFTY    TEN TEN TEN TEN TEN
#define SIXTY    FIFTY TEN
/* characters of two bytes */
#define D4       "\xd0\xb4\xd0\xb4\xd0\xb4\xd0\xb4"
#define D8       D4 D4
#define D64      D8 D8 D8 D8 D8 D8 D8 D8
#define D256     D64 D64 D64 D64


typedef struct {
    const char  *what;
    const char  *body;
    const char  *field;                 /* NULL: accepted */
} registry_verdict_t;


static const registry_verdict_t  verdicts[] = {

    { "nothing", "{}", NULL },
    { "unknown fields", "{\"x\":[{}],\"updateMask\":1,\"registryId\":2}",
      NULL },
    { "null everywhere",
      "{\"folderId\":null,\"name\":null,\"description\":null,\"labels\":null,"
      "\"certificates\":null,\"password\":null,\"logOptions\":null}", NULL },

    { "a name", "{\"name\":\"aZ09_-\"}", NULL },
    { "a name of 50", "{\"name\":\"" FIFTY "\"}", NULL },
    { "a name of 51", "{\"name\":\"" FIFTY "a\"}", "name" },
    { "a name with a blank", "{\"name\":\"a b\"}", "name" },
    { "a name with a dot", "{\"name\":\"a.b\"}", "name" },
    { "a name with NUL", "{\"name\":\"a\\u0000\"}", "name" },
    { "a name that is not ASCII", "{\"name\":\"\xd0\xb4\"}", "name" },
    { "a name that is a number", "{\"name\":1}", "name" },

    { "a description of 256 characters",
      "{\"description\":\"" D256 "\"}", NULL },
    { "a description of 257 characters",
      "{\"description\":\"" D256 "d\"}", "description" },

    { "an empty label", "{\"labels\":{\"a\":\"\"}}", NULL },
    { "a label of every character", "{\"labels\":{\"a-_0z\":\"-_0az\"}}",
      NULL },
    { "the longest label",
      "{\"labels\":{\"" SIXTY "aaa\":\"" SIXTY "aaa\"}}", NULL },
    { "a label's key of 64", "{\"labels\":{\"" SIXTY "aaaa\":\"\"}}",
      "labels" },
    { "a label's value of 64", "{\"labels\":{\"a\":\"" SIXTY "aaaa\"}}",
      "labels" },
    { "a label without a key", "{\"labels\":{\"\":\"\"}}", "labels" },
    { "a label's key that begins with a digit", "{\"labels\":{\"0\":\"\"}}",
      "labels" },
    { "a label's key that begins with a dash", "{\"labels\":{\"-\":\"\"}}",
      "labels" },
    { "a label's key in capitals", "{\"labels\":{\"A\":\"\"}}", "labels" },
    { "a label's value in capitals", "{\"labels\":{\"a\":\"A\"}}", "labels" },
    { "a label's value with a blank", "{\"labels\":{\"a\":\"a b\"}}",
      "labels" },
    { "labels that are a list", "{\"labels\":[]}", "labels" },
    { "a label's value that is a number", "{\"labels\":{\"a\":1}}", "labels" },

    { "log options", "{\"logOptions\":{\"logGroupId\":\"a\"}}", NULL },
    { "log options that are a string", "{\"log_options\":\"a\"}",
      "log_options" },

    { "an empty password", "{\"password\":\"\"}", NULL },
    { "a password", "{\"password\":\"secret\"}", "password" }
};


static void test_verdicts(void);
static void test_limits(void);
static void test_create(void);
static void test_update(void);
static void test_certificates(void);
static void test_masks(void);
static void test_write(void);

static ngx_int_t read_create(ngx_pool_t *pool, const char *text);
static void write_registry(ngx_iot_out_t *out, const void *data);


static ngx_iot_registry_message_t  message;
static ngx_iot_error_t             err;


int
main(void)
{
    test_verdicts();
    test_limits();
    test_create();
    test_update();
    test_certificates();
    test_masks();
    test_write();

    return unit_done();
}


static void
test_verdicts(void)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    const registry_verdict_t  *c;

    for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        c = &verdicts[i];

        rc = read_create(unit_pool(), c->body);

        if (c->field == NULL) {
            unit_is_int(rc, NGX_OK, "%s", c->what);
            continue;
        }

        unit_is_int(rc, NGX_DECLINED, "%s: refused", c->what);
        unit_is_str(&err.field, c->field, "%s: the field", c->what);
        unit_is_int(err.reason, NGX_IOT_REASON_INVALID_FIELD,
                    "%s: the reason", c->what);
    }
}


static void
test_limits(void)
{
    char         text[8192], *p;
    ngx_uint_t   i, n;

    for (n = 64; n <= 65; n++) {
        p = (char *) ngx_sprintf((u_char *) text, "{\"labels\":{");

        for (i = 0; i < n; i++) {
            p = (char *) ngx_sprintf((u_char *) p, "%s\"k%ui\":\"v\"",
                                     i ? "," : "", i);
        }

        (void) ngx_sprintf((u_char *) p, "}}%Z");

        unit_is_int(read_create(unit_pool(), text),
                    n == 64 ? NGX_OK : NGX_DECLINED, "%lu labels",
                    (unsigned long) n);
    }

    for (n = 4096; n <= 4097; n++) {
        p = (char *) ngx_sprintf((u_char *) text, "{\"logOptions\":{");

        ngx_memset(p, ' ', n - 2);
        p += n - 2;

        (void) ngx_sprintf((u_char *) p, "}}%Z");

        unit_is_int(read_create(unit_pool(), text),
                    n == 4096 ? NGX_OK : NGX_DECLINED,
                    "log options of %lu bytes", (unsigned long) n);
    }
}


static void
test_create(void)
{
    ngx_iot_registry_t  *registry;

    registry = &message.registry;

    unit_is_int(read_create(unit_pool(),
                    "{\"folder_id\":\"f\",\"name\":\"n\",\"description\":"
                    "\"d\\n\",\"labels\":{\"b\":\"2\",\"a-\":\"3\",\"a\":\"1\""
                    "},\"log_options\":{ \"x\" : 1e3 }}"),
                NGX_OK, "a whole CreateRegistryRequest");

    unit_is_str(&registry->folder_id, "f", "folder_id");
    unit_is_str(&registry->name, "n", "name");
    unit_is_str(&registry->description, "d\n", "description");
    unit_is_str(&registry->log_options, "{ \"x\" : 1e3 }", "log_options");

    if (unit_is_int(registry->nlabels, 3, "labels")) {
        unit_is_str(&registry->labels[0].key, "a", "the first label");
        unit_is_str(&registry->labels[0].value, "1", "its value");
        unit_is_str(&registry->labels[1].key, "a-", "the second label");
        unit_is_str(&registry->labels[2].key, "b", "the third label");
    }
}


static void
test_update(void)
{
    ngx_str_t    body;
    ngx_pool_t  *pool;

    pool = unit_pool();

    body = unit_str(pool, "{\"updateMask\":\"name\",\"name\":\"n\","
                          "\"registryId\":\"other\",\"folderId\":1,"
                          "\"password\":2,\"certificates\":3}");

    unit_is_int(ngx_iot_registry_read_update(pool, NGX_IOT_JSON, &body,
                                             &message, &err),
                NGX_OK, "an UpdateRegistryRequest, with fields of another");
    unit_is_str(&message.update_mask, "name", "update_mask");
    unit_is_str(&message.registry.name, "n", "name");
    unit_ok(message.registry.folder_id.data == NULL, "no folder_id");

    body = unit_str(pool, "{\"registryId\":1}");

    unit_is_int(ngx_iot_registry_read_update(pool, NGX_IOT_JSON, &body,
                                             &message, &err),
                NGX_DECLINED, "registry_id that is a number");
    unit_is_str(&err.field, "registry_id", "... is named");
}


static void
test_certificates(void)
{
    ngx_str_t   *certificates;
    ngx_uint_t   i, n;
    ngx_pool_t  *pool;

    static const struct {
        const char  *body;
        const char  *field;
    } bad[] = {
        { "{\"certificates\":[{},{\"certificateData\":1}]}",
          "certificates[1].certificate_data" },
        { "{\"certificates\":[{},{},\"pem\"]}", "certificates[2]" },
        { "{\"certificates\":[null]}", "certificates[0]" }
    };

    pool = unit_pool();

    (void) read_create(pool, "{\"certificates\":[{\"certificateData\":\"a\\n\""
                             "},{\"x\":{}},{\"certificate_data\":\"b\"}]}");

    unit_is_int(ngx_iot_registry_certificates(pool, &message, &certificates,
                                              &n, &err),
                NGX_OK, "certificates");

    if (unit_is_int(n, 3, "... how many")) {
        unit_is_str(&certificates[0], "a\n", "... the first");
        unit_ok(certificates[1].data == NULL, "... none in the second");
        unit_is_str(&certificates[2], "b", "... the third");
    }

    (void) read_create(pool, "{}");

    unit_is_int(ngx_iot_registry_certificates(pool, &message, &certificates,
                                              &n, &err),
                NGX_OK, "no certificates");
    unit_is_int(n, 0, "... how many");

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        (void) read_create(pool, bad[i].body);

        unit_is_int(ngx_iot_registry_certificates(pool, &message,
                                                  &certificates, &n, &err),
                    NGX_DECLINED, "%s", bad[i].body);
        unit_is_str(&err.field, bad[i].field, "... the field");
    }
}


static void
test_masks(void)
{
    ngx_str_t   mask;
    ngx_uint_t  i, fields;

    static const struct {
        const char  *mask;
        ngx_uint_t   fields;            /* 0: refused */
    } masks[] = {
        { "", NGX_IOT_REGISTRY_FIELDS },
        { "name", NGX_IOT_REGISTRY_NAME },
        { "labels,name", NGX_IOT_REGISTRY_NAME|NGX_IOT_REGISTRY_LABELS },
        { "description,description", NGX_IOT_REGISTRY_DESCRIPTION },
        { "log_options", NGX_IOT_REGISTRY_LOG_OPTIONS },
        { "logOptions", NGX_IOT_REGISTRY_LOG_OPTIONS },
        { "name,description,labels,logOptions", NGX_IOT_REGISTRY_FIELDS },
        { "folder_id", 0 },
        { "name,", 0 },
        { ",", 0 },
        { "name,,labels", 0 },
        { "name, labels", 0 },
        { "labels.a", 0 },
        { "Name", 0 },
        { "*", 0 }
    };

    for (i = 0; i < sizeof(masks) / sizeof(masks[0]); i++) {
        mask = unit_copy(unit_pool(), masks[i].mask,
                         ngx_strlen(masks[i].mask));

        if (masks[i].fields == 0) {
            unit_is_int(ngx_iot_registry_mask(&mask, &fields, &err),
                        NGX_DECLINED, "mask \"%s\"", masks[i].mask);
            unit_is_str(&err.field, "update_mask", "... the field");
            continue;
        }

        unit_is_int(ngx_iot_registry_mask(&mask, &fields, &err), NGX_OK,
                    "mask \"%s\"", masks[i].mask);
        unit_is_int(fields, masks[i].fields, "... its fields");
    }
}


static void
test_write(void)
{
    ngx_str_t            json;
    ngx_keyval_t         label;
    ngx_iot_registry_t   registry;

    ngx_memzero(&registry, sizeof(ngx_iot_registry_t));

    ngx_str_set(&registry.id, "r");

    (void) ngx_iot_out_render(unit_pool(), NGX_IOT_JSON, write_registry,
                              &registry, &json);
    unit_is_str(&json, "{\"id\":\"r\"}", "what is not known is left out");

    ngx_str_set(&registry.folder_id, "f");
    ngx_str_set(&registry.name, "n");
    ngx_str_set(&registry.description, "d\n");
    ngx_str_set(&registry.log_options, "{ }");
    ngx_str_set(&label.key, "k");
    ngx_str_null(&label.value);
    registry.created_at = 1795500000123;
    registry.labels = &label;
    registry.nlabels = 1;
    registry.status = NGX_IOT_REGISTRY_DISABLED;

    (void) ngx_iot_out_render(unit_pool(), NGX_IOT_JSON, write_registry,
                              &registry, &json);
    unit_is_str(&json, "{\"id\":\"r\",\"folderId\":\"f\",\"createdAt\":"
                "\"2026-11-24T06:00:00.123Z\",\"name\":\"n\",\"description\":"
                "\"d\\n\",\"labels\":{\"k\":\"\"},\"status\":\"DISABLED\","
                "\"logOptions\":{ }}", "a whole Registry");
}


static ngx_int_t
read_create(ngx_pool_t *pool, const char *text)
{
    ngx_int_t  rc;
    ngx_str_t  body;

    body = unit_copy(pool, text, ngx_strlen(text));

    rc = ngx_iot_registry_read_create(pool, NGX_IOT_JSON, &body, &message,
                                      &err);

    return (rc == NGX_OK) ? ngx_iot_registry_check(pool, &message, &err) : rc;
}


static void
write_registry(ngx_iot_out_t *out, const void *data)
{
    ngx_iot_out_message(out, NULL, 0);
    ngx_iot_registry_write(out, data);
    ngx_iot_out_message_end(out);
}
