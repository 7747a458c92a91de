
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "ngx_iot_json.h"
#include "ngx_iot_utf8.h"

#include <yajl/yajl_parse.h>


/*
 * What yajl 2 allocates for a text: two buffers of 2048 bytes or more, which
 * it doubles until each holds its token, and some small blocks.  The buffers
 * are for the escaped string at hand and for the token that the end of the
 * text cuts off, so together they hold no more than the text.
 */
#define ngx_iot_json_arena_size(len)  (2 * (len) + 8192)

/* goes before every block of the arena and holds its size */
#define NGX_IOT_JSON_BLOCK_HEAD       NGX_ALIGNMENT


/* of a value; but for a string, which is decoded, a field has its text */

typedef enum {
    NGX_IOT_JSON_STRING = 0,
    NGX_IOT_JSON_NUMBER,
    NGX_IOT_JSON_OBJECT,
    NGX_IOT_JSON_ARRAY,

    /* of a field: a string, a number or a bool */
    NGX_IOT_JSON_SCALAR,

    /* of a value only */
    NGX_IOT_JSON_BOOL,
    NGX_IOT_JSON_NULL
} ngx_iot_json_type_e;


/*
 * yajl does not check what its allocator returns, so all that it can need is
 * taken from the pool before it starts, and given back when it is done.
 */

typedef struct {
    u_char                       *pos;
    u_char                       *end;
} ngx_iot_json_arena_t;


typedef struct {
    ngx_pool_t                   *pool;
    const ngx_str_t              *text;
    const ngx_iot_field_t        *fields;
    ngx_uint_t                    nfields;
    ngx_iot_error_t              *err;

    /* in place of fields: where the entries of a map or a list go */
    ngx_keyval_t                 *pairs;
    ngx_str_t                    *elements;
    ngx_uint_t                    n;
    ngx_uint_t                    max;

    /* of such an entry */
    ngx_iot_field_t               entry;

    yajl_handle                   handle;
    ngx_uint_t                    depth;

    /* of the root: whose value comes next, NULL for an unknown name */
    const ngx_iot_field_t        *field;

    /* where the object or array begins that is its value */
    u_char                       *begin;

    /* the first of another type; told if the text is valid JSON */
    const ngx_iot_field_t        *mismatch;

    /* why a callback made yajl stop */
    ngx_int_t                     rc;
} ngx_iot_json_parser_t;


static ngx_int_t ngx_iot_json_check(const ngx_str_t *text,
    ngx_iot_error_t *err);
static ngx_int_t ngx_iot_json_check_escape(const u_char **pos,
    const u_char *last);
static ngx_int_t ngx_iot_json_code_unit(const u_char *p, const u_char *last);

static ngx_int_t ngx_iot_json_read_elements(ngx_pool_t *pool,
    const ngx_str_t *text, const ngx_str_t *field, ngx_iot_field_type_e type,
    ngx_str_t *elements, ngx_uint_t *n, ngx_iot_error_t *err);
static ngx_int_t ngx_iot_json_parse(ngx_iot_json_parser_t *parser);
static yajl_status ngx_iot_json_run(ngx_iot_json_parser_t *parser,
    ngx_iot_json_arena_t *arena);

static int ngx_iot_json_null(void *ctx);
static int ngx_iot_json_boolean(void *ctx, int value);
static int ngx_iot_json_number(void *ctx, const char *data, size_t len);
static int ngx_iot_json_string(void *ctx, const u_char *data, size_t len);
static int ngx_iot_json_map_start(void *ctx);
static int ngx_iot_json_map_key(void *ctx, const u_char *data, size_t len);
static int ngx_iot_json_array_start(void *ctx);
static int ngx_iot_json_end(void *ctx);

static int ngx_iot_json_scalar(ngx_iot_json_parser_t *parser,
    ngx_iot_json_type_e type, const u_char *data, size_t len);
static int ngx_iot_json_open(ngx_iot_json_parser_t *parser,
    ngx_iot_json_type_e type);
static u_char *ngx_iot_json_pos(ngx_iot_json_parser_t *parser);
static int ngx_iot_json_value(ngx_iot_json_parser_t *parser,
    ngx_iot_json_type_e type);
static ngx_uint_t ngx_iot_json_wanted(ngx_iot_json_parser_t *parser,
    ngx_iot_json_type_e type);
static ngx_uint_t ngx_iot_json_fits(const ngx_iot_field_t *field,
    ngx_iot_json_type_e type);
static int ngx_iot_json_root(ngx_iot_json_parser_t *parser,
    ngx_iot_json_type_e type);
static int ngx_iot_json_entry(ngx_iot_json_parser_t *parser,
    ngx_iot_json_type_e type);
static int ngx_iot_json_pair(ngx_iot_json_parser_t *parser, const u_char *key,
    size_t len);
static int ngx_iot_json_refuse_entry(ngx_iot_json_parser_t *parser);
static int ngx_iot_json_too_many(ngx_iot_json_parser_t *parser);
static int ngx_iot_json_nested(ngx_iot_json_parser_t *parser);
static ngx_int_t ngx_iot_json_keep(ngx_iot_json_parser_t *parser,
    const u_char *data, size_t len, ngx_str_t *value);
static ngx_uint_t ngx_iot_json_name_is(const ngx_str_t *name,
    const u_char *data, size_t len);

static void *ngx_iot_json_arena_malloc(void *ctx, size_t size);
static void *ngx_iot_json_arena_realloc(void *ctx, void *data, size_t size);
static void ngx_iot_json_arena_free(void *ctx, void *data);


static const char  *const ngx_iot_json_types[] = {
    "a string",
    "a number",
    "an object",
    "an array",
    "a scalar"
};


/* what JSON has for an ngx_iot_field_type_e */

static const ngx_iot_json_type_e  ngx_iot_json_field_types[] = {
    NGX_IOT_JSON_STRING,
    NGX_IOT_JSON_NUMBER,
    NGX_IOT_JSON_OBJECT,
    NGX_IOT_JSON_OBJECT,
    NGX_IOT_JSON_ARRAY,
    NGX_IOT_JSON_STRING,
    NGX_IOT_JSON_SCALAR
};


#define ngx_iot_json_field_type(field)  ngx_iot_json_field_types[(field)->type]


static const yajl_callbacks  ngx_iot_json_callbacks = {
    ngx_iot_json_null,
    ngx_iot_json_boolean,
    NULL,                              /* integer: see number */
    NULL,                              /* double: see number */
    ngx_iot_json_number,               /* as text, so that none is too big */
    ngx_iot_json_string,
    ngx_iot_json_map_start,
    ngx_iot_json_map_key,
    ngx_iot_json_end,
    ngx_iot_json_array_start,
    ngx_iot_json_end
};


ngx_int_t
ngx_iot_json_read(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_iot_field_t *fields, ngx_uint_t nfields,
    ngx_iot_error_t *err)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    ngx_iot_json_parser_t  parser;

    for (i = 0; i < nfields; i++) {
        ngx_str_null(fields[i].value);
    }

    if (text->len == 0) {
        return NGX_OK;
    }

    rc = ngx_iot_json_check(text, err);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_memzero(&parser, sizeof(ngx_iot_json_parser_t));

    parser.pool = pool;
    parser.text = text;
    parser.fields = fields;
    parser.nfields = nfields;
    parser.err = err;

    rc = ngx_iot_json_parse(&parser);

    if (rc != NGX_OK || parser.mismatch == NULL) {
        return rc;
    }

    ngx_iot_error_format(pool, err, NGX_IOT_REASON_INVALID_FIELD,
                         "\"%V\" must be %s", &parser.mismatch->name,
                         ngx_iot_json_types[
                             ngx_iot_json_field_type(parser.mismatch)]);
    err->field = parser.mismatch->name;

    return NGX_DECLINED;
}


ngx_int_t
ngx_iot_json_read_map(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_str_t *field, ngx_keyval_t *pairs, ngx_uint_t *n,
    ngx_iot_error_t *err)
{
    ngx_int_t              rc;
    ngx_iot_json_parser_t  parser;

    ngx_memzero(&parser, sizeof(ngx_iot_json_parser_t));

    parser.pool = pool;
    parser.text = text;
    parser.pairs = pairs;
    parser.max = *n;
    parser.err = err;
    parser.entry.name = *field;
    parser.entry.type = NGX_IOT_FIELD_STRING;

    rc = ngx_iot_json_parse(&parser);

    *n = parser.n;

    return rc;
}


ngx_int_t
ngx_iot_json_read_list(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_str_t *field, ngx_str_t *elements, ngx_uint_t *n,
    ngx_iot_error_t *err)
{
    return ngx_iot_json_read_elements(pool, text, field, NGX_IOT_FIELD_MESSAGE,
                                      elements, n, err);
}


ngx_int_t
ngx_iot_json_read_strings(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_str_t *field, ngx_str_t *elements, ngx_uint_t *n,
    ngx_iot_error_t *err)
{
    return ngx_iot_json_read_elements(pool, text, field, NGX_IOT_FIELD_STRING,
                                      elements, n, err);
}


static ngx_int_t
ngx_iot_json_read_elements(ngx_pool_t *pool, const ngx_str_t *text,
    const ngx_str_t *field, ngx_iot_field_type_e type, ngx_str_t *elements,
    ngx_uint_t *n, ngx_iot_error_t *err)
{
    ngx_int_t              rc;
    ngx_iot_json_parser_t  parser;

    ngx_memzero(&parser, sizeof(ngx_iot_json_parser_t));

    parser.pool = pool;
    parser.text = text;
    parser.elements = elements;
    parser.max = *n;
    parser.err = err;
    parser.entry.name = *field;
    parser.entry.type = type;

    rc = ngx_iot_json_parse(&parser);

    *n = parser.n;

    return rc;
}


/*
 * Refuses what yajl lets through: ill-formed UTF-8, of which it knows only
 * the outline, lone surrogates, which it turns into "?", vertical tab and form
 * feed as whitespace, and a string after the object that has no end.
 */
static ngx_int_t
ngx_iot_json_check(const ngx_str_t *text, ngx_iot_error_t *err)
{
    ngx_uint_t     string;
    const u_char  *p, *last;

    string = 0;

    p = text->data;
    last = text->data + text->len;

    while (p < last) {

        if (string) {
            p = ngx_iot_utf8_plain(p, last);

            if (p == last) {
                break;
            }
        }

        if (*p >= 0x80) {

            if (ngx_iot_utf8_next(&p, last) != NGX_OK) {
                ngx_iot_field_error(err, INVALID_JSON, "body",
                                    "the body is not valid UTF-8");
                return NGX_DECLINED;
            }

            continue;
        }

        if (*p == '\\' && string) {

            if (ngx_iot_json_check_escape(&p, last) != NGX_OK) {
                ngx_iot_field_error(err, INVALID_JSON, "body",
                                    "the body has a lone surrogate");
                return NGX_DECLINED;
            }

            continue;
        }

        if (*p == '\v' || *p == '\f') {
            break;
        }

        if (*p++ == '"') {
            string = !string;
        }
    }

    if (p < last || string) {
        ngx_iot_field_error(err, INVALID_JSON, "body",
                            "the body is not valid JSON");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* moves over an escape, or over a pair of them that is one character */
static ngx_int_t
ngx_iot_json_check_escape(const u_char **pos, const u_char *last)
{
    ngx_int_t      high, low;
    const u_char  *p;

    p = *pos;

    high = ngx_iot_json_code_unit(p, last);

    if (high >= 0xd800 && high <= 0xdfff) {
        low = ngx_iot_json_code_unit(p + 6, last);

        *pos = p + 12;

        return (high <= 0xdbff && low >= 0xdc00 && low <= 0xdfff)
               ? NGX_OK : NGX_DECLINED;
    }

    p++;

    /* neither ends the string nor begins an escape */

    if (p < last && (*p == '"' || *p == '\\')) {
        p++;
    }

    *pos = p;

    return NGX_OK;
}


/* the value of \uXXXX at p, or NGX_ERROR when there is none */
static ngx_int_t
ngx_iot_json_code_unit(const u_char *p, const u_char *last)
{
    if (last - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return NGX_ERROR;
    }

    return ngx_hextoi((u_char *) p + 2, 4);
}


static ngx_int_t
ngx_iot_json_parse(ngx_iot_json_parser_t *parser)
{
    size_t                size;
    u_char               *block;
    yajl_status           status;
    ngx_iot_json_arena_t  arena;

    size = ngx_iot_json_arena_size(parser->text->len);

    block = ngx_palloc(parser->pool, size);
    if (block == NULL) {
        return NGX_ERROR;
    }

    arena.pos = block;
    arena.end = block + size;

    status = ngx_iot_json_run(parser, &arena);

    ngx_pfree(parser->pool, block);

    if (parser->rc != NGX_OK) {
        return parser->rc;
    }

    if (status != yajl_status_ok) {
        ngx_iot_field_error(parser->err, INVALID_JSON, "body",
                            "the body is not valid JSON");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static yajl_status
ngx_iot_json_run(ngx_iot_json_parser_t *parser, ngx_iot_json_arena_t *arena)
{
    yajl_handle       handle;
    yajl_status       status;
    yajl_alloc_funcs  funcs;

    funcs.malloc = ngx_iot_json_arena_malloc;
    funcs.realloc = ngx_iot_json_arena_realloc;
    funcs.free = ngx_iot_json_arena_free;
    funcs.ctx = arena;

    handle = yajl_alloc(&ngx_iot_json_callbacks, &funcs, parser);
    parser->handle = handle;

    /* ngx_iot_json_check() was stricter */

    yajl_config(handle, yajl_dont_validate_strings, 1);

    status = yajl_parse(handle, parser->text->data, parser->text->len);

    if (status == yajl_status_ok) {
        status = yajl_complete_parse(handle);
    }

    yajl_free(handle);

    return status;
}


static int
ngx_iot_json_null(void *ctx)
{
    return ngx_iot_json_value(ctx, NGX_IOT_JSON_NULL);
}


static int
ngx_iot_json_boolean(void *ctx, int value)
{
    const char  *text;

    text = value ? "true" : "false";

    return ngx_iot_json_scalar(ctx, NGX_IOT_JSON_BOOL, (u_char *) text,
                               ngx_strlen(text));
}


static int
ngx_iot_json_number(void *ctx, const char *data, size_t len)
{
    return ngx_iot_json_scalar(ctx, NGX_IOT_JSON_NUMBER, (u_char *) data, len);
}


static int
ngx_iot_json_string(void *ctx, const u_char *data, size_t len)
{
    return ngx_iot_json_scalar(ctx, NGX_IOT_JSON_STRING, data, len);
}


static int
ngx_iot_json_scalar(ngx_iot_json_parser_t *parser, ngx_iot_json_type_e type,
    const u_char *data, size_t len)
{
    if (!ngx_iot_json_value(parser, type)) {
        return 0;
    }

    if (ngx_iot_json_wanted(parser, type)) {
        parser->rc = ngx_iot_json_keep(parser, data, len,
                                       parser->field->value);
    }

    return parser->rc == NGX_OK;
}


static int
ngx_iot_json_map_start(void *ctx)
{
    return ngx_iot_json_open(ctx, NGX_IOT_JSON_OBJECT);
}


static int
ngx_iot_json_map_key(void *ctx, const u_char *data, size_t len)
{
    ngx_iot_json_parser_t  *parser = ctx;

    ngx_uint_t                   i;
    const ngx_iot_field_t  *field;

    if (parser->depth > 1) {
        return 1;
    }

    if (parser->pairs) {
        return ngx_iot_json_pair(parser, data, len);
    }

    parser->field = NULL;

    for (i = 0; i < parser->nfields; i++) {
        field = &parser->fields[i];

        if (ngx_iot_json_name_is(&field->name, data, len)
            || ngx_iot_json_name_is(&field->json_name, data, len))
        {
            parser->field = field;
            break;
        }
    }

    return 1;
}


static int
ngx_iot_json_array_start(void *ctx)
{
    return ngx_iot_json_open(ctx, NGX_IOT_JSON_ARRAY);
}


static int
ngx_iot_json_end(void *ctx)
{
    ngx_iot_json_parser_t  *parser = ctx;

    parser->depth--;

    if (parser->depth == 1 && parser->begin) {
        parser->field->value->data = parser->begin;
        parser->field->value->len = ngx_iot_json_pos(parser) - parser->begin;
        parser->begin = NULL;
    }

    return 1;
}


static int
ngx_iot_json_open(ngx_iot_json_parser_t *parser, ngx_iot_json_type_e type)
{
    if (!ngx_iot_json_value(parser, type)) {
        return 0;
    }

    if (ngx_iot_json_wanted(parser, type)) {
        parser->begin = ngx_iot_json_pos(parser) - 1;
    }

    return ngx_iot_json_nested(parser);
}


/* behind the token at hand */
static u_char *
ngx_iot_json_pos(ngx_iot_json_parser_t *parser)
{
    return parser->text->data + yajl_get_bytes_consumed(parser->handle);
}


/* a value begins: whether it may be there, and may be of this type */
static int
ngx_iot_json_value(ngx_iot_json_parser_t *parser, ngx_iot_json_type_e type)
{
    if (parser->depth == 0) {
        return ngx_iot_json_root(parser, type);
    }

    if (parser->depth > 1) {
        return 1;
    }

    if (parser->pairs || parser->elements) {
        return ngx_iot_json_entry(parser, type);
    }

    if (parser->field == NULL) {
        return 1;
    }

    if (type == NGX_IOT_JSON_NULL) {
        ngx_str_null(parser->field->value);

    } else if (!ngx_iot_json_fits(parser->field, type)
               && parser->mismatch == NULL)
    {
        parser->mismatch = parser->field;
    }

    return 1;
}


/* whether the value at hand is to be kept */
static ngx_uint_t
ngx_iot_json_wanted(ngx_iot_json_parser_t *parser, ngx_iot_json_type_e type)
{
    return parser->depth == 1
           && parser->field
           && ngx_iot_json_fits(parser->field, type);
}


/* whether a value of this type can be that of the field */
static ngx_uint_t
ngx_iot_json_fits(const ngx_iot_field_t *field, ngx_iot_json_type_e type)
{
    ngx_iot_json_type_e  expected;

    expected = ngx_iot_json_field_type(field);

    return expected == type
           || (expected == NGX_IOT_JSON_SCALAR
               && (type == NGX_IOT_JSON_STRING || type == NGX_IOT_JSON_NUMBER
                   || type == NGX_IOT_JSON_BOOL));
}


/* a map and a list were seen to be that when they were taken as text */
static int
ngx_iot_json_root(ngx_iot_json_parser_t *parser, ngx_iot_json_type_e type)
{
    if (type == NGX_IOT_JSON_OBJECT || parser->elements) {
        return 1;
    }

    ngx_iot_field_error(parser->err, INVALID_JSON, "body",
                        "the body must be a JSON object");
    parser->rc = NGX_DECLINED;

    return 0;
}


/* an entry of a map, whose key was seen, or of a list; null is none */
static int
ngx_iot_json_entry(ngx_iot_json_parser_t *parser, ngx_iot_json_type_e type)
{
    if (parser->elements) {

        if (parser->n == parser->max) {
            return ngx_iot_json_too_many(parser);
        }

        parser->entry.value = &parser->elements[parser->n];
        parser->field = &parser->entry;
    }

    if (!ngx_iot_json_fits(&parser->entry, type)) {
        return ngx_iot_json_refuse_entry(parser);
    }

    if (parser->elements) {
        parser->n++;
    }

    return 1;
}


static int
ngx_iot_json_pair(ngx_iot_json_parser_t *parser, const u_char *key, size_t len)
{
    ngx_uint_t     i;
    ngx_keyval_t  *pair;

    for (i = 0; i < parser->n; i++) {
        if (ngx_iot_json_name_is(&parser->pairs[i].key, key, len)) {
            break;
        }
    }

    if (i == parser->max) {
        return ngx_iot_json_too_many(parser);
    }

    pair = &parser->pairs[i];

    if (i == parser->n) {
        parser->n++;
        parser->rc = ngx_iot_json_keep(parser, key, len, &pair->key);
    }

    parser->entry.value = &pair->value;
    parser->field = &parser->entry;

    return parser->rc == NGX_OK;
}


static int
ngx_iot_json_refuse_entry(ngx_iot_json_parser_t *parser)
{
    ngx_str_t    field, *name;
    ngx_pool_t  *pool;

    name = &parser->entry.name;
    pool = parser->pool;

    if (parser->pairs) {
        field = *name;
        ngx_iot_error_format(pool, parser->err, NGX_IOT_REASON_INVALID_FIELD,
                             "each value of \"%V\" must be a string", name);

    } else if (ngx_iot_json_element_name(pool, name, parser->n, &field)
               != NGX_OK)
    {
        parser->rc = NGX_ERROR;
        return 0;

    } else {
        ngx_iot_error_format(pool, parser->err, NGX_IOT_REASON_INVALID_FIELD,
                             "\"%V\" must be %s", &field,
                             ngx_iot_json_types[
                                 ngx_iot_json_field_type(&parser->entry)]);
    }

    parser->err->field = field;
    parser->rc = NGX_DECLINED;

    return 0;
}


static int
ngx_iot_json_too_many(ngx_iot_json_parser_t *parser)
{
    parser->rc = ngx_iot_message_too_many(parser->pool, &parser->entry.name,
                                          parser->max, parser->err);

    return 0;
}


static int
ngx_iot_json_nested(ngx_iot_json_parser_t *parser)
{
    if (parser->depth == NGX_IOT_JSON_DEPTH_MAX) {
        ngx_iot_field_error(parser->err, INVALID_JSON, "body",
                            "the body is nested too deeply");
        parser->rc = NGX_DECLINED;
        return 0;
    }

    parser->depth++;

    return 1;
}


/* what yajl has decoded is overwritten by the next string with escapes */
static ngx_int_t
ngx_iot_json_keep(ngx_iot_json_parser_t *parser, const u_char *data,
    size_t len, ngx_str_t *value)
{
    const ngx_str_t  *text;

    text = parser->text;

    value->len = len;

    if (data >= text->data && data < text->data + text->len) {
        value->data = (u_char *) data;
        return NGX_OK;
    }

    value->data = ngx_pnalloc(parser->pool, len);

    if (value->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(value->data, data, len);

    return NGX_OK;
}


/* as a field of a message, beyond whose value there is nothing */
ngx_uint_t
ngx_iot_json_is(ngx_pool_t *pool, const ngx_str_t *text,
    ngx_iot_field_type_e type)
{
    u_char           *p;
    ngx_str_t         value, message;
    ngx_iot_error_t   err;

    const ngx_iot_field_t  field = {
        ngx_string("a"), ngx_string("a"), 0, &value, type
    };

    message.len = sizeof("{\"a\":}") - 1 + text->len;
    message.data = ngx_pnalloc(pool, message.len);

    if (message.data == NULL) {
        return 0;
    }

    p = ngx_cpymem(message.data, "{\"a\":", sizeof("{\"a\":") - 1);
    p = ngx_cpymem(p, text->data, text->len);
    *p = '}';

    return ngx_iot_json_read(pool, &message, &field, 1, &err) == NGX_OK
           && value.data == message.data + sizeof("{\"a\":") - 1
           && value.len == text->len;
}


ngx_int_t
ngx_iot_json_element_name(ngx_pool_t *pool, const ngx_str_t *field,
    ngx_uint_t index, ngx_str_t *name)
{
    name->data = ngx_pnalloc(pool, field->len + NGX_INT_T_LEN + 2);

    if (name->data == NULL) {
        return NGX_ERROR;
    }

    name->len = ngx_sprintf(name->data, "%V[%ui]", field, index) - name->data;

    return NGX_OK;
}


static ngx_uint_t
ngx_iot_json_name_is(const ngx_str_t *name, const u_char *data, size_t len)
{
    return name->len == len && ngx_memcmp(name->data, data, len) == 0;
}


static void *
ngx_iot_json_arena_malloc(void *ctx, size_t size)
{
    ngx_iot_json_arena_t  *arena = ctx;

    u_char  *block;

    size = ngx_align(NGX_IOT_JSON_BLOCK_HEAD + size, NGX_IOT_JSON_BLOCK_HEAD);

    /* a yajl that needs more than is known of it stops here */

    if ((size_t) (arena->end - arena->pos) < size) {
        return NULL;
    }

    block = arena->pos;
    arena->pos += size;

    *(size_t *) block = size;

    return block + NGX_IOT_JSON_BLOCK_HEAD;
}


static void *
ngx_iot_json_arena_realloc(void *ctx, void *data, size_t size)
{
    ngx_iot_json_arena_t  *arena = ctx;

    void    *new;
    size_t   old;
    u_char  *block;

    if (data == NULL) {
        return ngx_iot_json_arena_malloc(arena, size);
    }

    block = (u_char *) data - NGX_IOT_JSON_BLOCK_HEAD;
    old = *(size_t *) block;

    /* the last block grows where it is */

    if (block + old == arena->pos) {
        arena->pos = block;
    }

    new = ngx_iot_json_arena_malloc(arena, size);

    if (new && new != data) {
        ngx_memcpy(new, data, ngx_min(old - NGX_IOT_JSON_BLOCK_HEAD, size));
    }

    return new;
}


/* the arena is given back as a whole */
static void
ngx_iot_json_arena_free(void *ctx, void *data)
{
}
