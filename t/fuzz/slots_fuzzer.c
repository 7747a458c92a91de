
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_slots.h"


/*
 * For every reply that a server may send to CLUSTER SLOTS, and every text of
 * a redirection:
 *
 *     a table that is accepted has an owner or nobody for each slot, owners
 *     are among its servers, and these have hosts that can be logged;
 *     a redirection that is accepted names a slot, a host and a port;
 *     every key is in a slot.
 */


#define FUZZ_INPUT_MAX  4096


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_table(const uint8_t *data, size_t size);
static void fuzz_check_table(const ngx_iot_slots_table_t *table);
static void fuzz_check_server(const ngx_iot_slots_server_t *server);
static void fuzz_redirect(const ngx_str_t *text);
static void fuzz_check(ngx_uint_t cond);


static const ngx_iot_resp_limits_t  fuzz_limits = { 4, 1000, FUZZ_INPUT_MAX };


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t  text;

    if (size > FUZZ_INPUT_MAX) {
        return 0;
    }

    text.len = size;
    text.data = (u_char *) data;

    fuzz_check(ngx_iot_slots_of_key(&text) < NGX_IOT_SLOTS);

    fuzz_redirect(&text);
    fuzz_table(data, size);

    return 0;
}


static void
fuzz_table(const uint8_t *data, size_t size)
{
    ngx_iot_resp_t        *resp;
    ngx_iot_resp_reply_t  *reply;

    static ngx_iot_slots_table_t  table;

    resp = ngx_iot_resp_create(&fuzz_limits, &unit_log);
    fuzz_check(resp != NULL);

    if (ngx_iot_resp_feed(resp, data, size) == NGX_OK
        && ngx_iot_resp_next(resp, &reply) == NGX_OK
        && ngx_iot_slots_read(&table, reply) == NGX_OK)
    {
        fuzz_check_table(&table);
    }

    ngx_iot_resp_destroy(resp);
}


static void
fuzz_check_table(const ngx_iot_slots_table_t *table)
{
    ngx_uint_t  i;

    fuzz_check(table->nservers <= NGX_IOT_SLOTS_SERVERS);

    for (i = 0; i < table->nservers; i++) {
        fuzz_check_server(&table->servers[i]);
    }

    for (i = 0; i < NGX_IOT_SLOTS; i++) {
        fuzz_check(table->owners[i] == NGX_IOT_SLOTS_NONE
                   || table->owners[i] < table->nservers);
    }
}


static void
fuzz_check_server(const ngx_iot_slots_server_t *server)
{
    size_t  i;

    fuzz_check(server->port != 0);
    fuzz_check(server->host.len <= NGX_IOT_RESP_HOST_MAX);

    for (i = 0; i < server->host.len; i++) {
        fuzz_check(server->host.data[i] > 0x20
                   && server->host.data[i] < 0x7f);
    }
}


static void
fuzz_redirect(const ngx_str_t *text)
{
    ngx_iot_slots_redirect_t  redirect;

    if (ngx_iot_slots_read_redirect(&redirect, text) == NGX_OK) {
        fuzz_check(redirect.slot < NGX_IOT_SLOTS);
        fuzz_check_server(&redirect.server);
    }
}


static void
fuzz_check(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
