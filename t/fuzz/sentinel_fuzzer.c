
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "replies.h"
#include "ngx_iot_redis_sentinel_list.h"


/*
 * Replies to SENTINEL SENTINELS are learned one after the other; an integer
 * among them promotes the sentinel of that turn, as if it had answered.
 *
 *     those of the configuration stay, no more are learned than there is room
 *     for, and each is an address, or a name if there is a resolver, with a
 *     port that is in no other place;
 *     each is tried once, the one that answered last first;
 *     what was learned does not depend on the memory of the reply, and is
 *     learned again as the same.
 *
 * A string is taken as the address of a master.
 */


#define FUZZ_SERVERS  2
#define FUZZ_LEARNED  16


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_servers(void);
static void fuzz_learn(ngx_iot_redis_sentinel_list_t *list, ngx_str_t *text);
static void fuzz_again(ngx_iot_redis_sentinel_list_t *list,
    const ngx_iot_resp_reply_t *reply);
static uint32_t fuzz_sum(ngx_iot_redis_sentinel_list_t *list);
static void fuzz_check_list(ngx_iot_redis_sentinel_list_t *list);
static void fuzz_check_learned(const ngx_iot_redis_sentinel_list_t *list,
    const ngx_iot_redis_sentinel_one_t *one);
static void fuzz_check_place(const ngx_iot_redis_sentinel_one_t *one);
static void fuzz_address(const ngx_str_t *ip);
static void fuzz_check(ngx_uint_t cond);


static ngx_resolver_t                 fuzz_resolver;
static ngx_iot_redis_server_t         fuzz_configured[FUZZ_SERVERS];
static ngx_iot_redis_sentinel_addr_t  fuzz_places[FUZZ_SERVERS];


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_str_t                       text;
    ngx_pool_t                     *pool;
    ngx_iot_redis_sentinel_list_t   list;

    fuzz_servers();

    pool = ngx_create_pool(16384, &unit_log);
    fuzz_check(pool != NULL);

    fuzz_check(ngx_iot_redis_sentinel_list_init(&list, pool, fuzz_configured,
                                                FUZZ_SERVERS)
               == NGX_OK);

    list.resolver = size & 1 ? &fuzz_resolver : NULL;
    list.resolver_timeout = 1;

    text.data = (u_char *) data;
    text.len = size;

    while (text.len) {
        fuzz_learn(&list, &text);
        fuzz_check_list(&list);
    }

    ngx_destroy_pool(pool);

    return 0;
}


static void
fuzz_servers(void)
{
    ngx_uint_t               i;
    ngx_iot_redis_server_t  *server;

    static ngx_str_t  ips[FUZZ_SERVERS] = {
        ngx_string("127.0.0.1"),
        ngx_string("::1")
    };

    if (fuzz_configured[0].naddrs) {
        return;
    }

    for (i = 0; i < FUZZ_SERVERS; i++) {
        server = &fuzz_configured[i];

        fuzz_check(ngx_iot_redis_sentinel_addr_set(&fuzz_places[i], &ips[i],
                                                   26379)
                   == NGX_OK);

        server->text = fuzz_places[i].addr.name;
        server->addrs = &fuzz_places[i].addr;
        server->naddrs = 1;
        server->host = ips[i];
    }
}


/* the reply is gone when it was learned */
static void
fuzz_learn(ngx_iot_redis_sentinel_list_t *list, ngx_str_t *text)
{
    ngx_pool_t            *pool;
    const ngx_str_t       *left;
    ngx_iot_resp_reply_t  *reply;

    pool = ngx_create_pool(4096, &unit_log);
    fuzz_check(pool != NULL);

    reply = fuzz_replies_next(pool, text);

    switch (reply->type) {

    case NGX_IOT_RESP_INTEGER:
        ngx_iot_redis_sentinel_list_promote(list,
            ngx_iot_redis_sentinel_list_get(list,
                                            reply->integer % list->nelts));
        break;

    case NGX_IOT_RESP_STRING:
        fuzz_address(&reply->str);
        break;

    default:
        left = ngx_iot_redis_sentinel_list_learn(list, reply);
        fuzz_check(left == NULL
                   || (list->resolver == NULL && left->len
                       && ngx_iot_resp_is_host(left)));
        fuzz_again(list, reply);
    }

    ngx_destroy_pool(pool);
}


static void
fuzz_again(ngx_iot_redis_sentinel_list_t *list,
    const ngx_iot_resp_reply_t *reply)
{
    uint32_t  sum;

    sum = fuzz_sum(list);

    (void) ngx_iot_redis_sentinel_list_learn(list, reply);

    fuzz_check(fuzz_sum(list) == sum);
}


static uint32_t
fuzz_sum(ngx_iot_redis_sentinel_list_t *list)
{
    uint32_t           sum;
    ngx_uint_t         i;
    const ngx_str_t   *text;

    ngx_crc32_init(sum);

    for (i = 0; i < list->nelts; i++) {
        text = &ngx_iot_redis_sentinel_list_get(list, i)->server.text;

        ngx_crc32_update(&sum, text->data, text->len);
    }

    return sum;
}


static void
fuzz_check_list(ngx_iot_redis_sentinel_list_t *list)
{
    ngx_uint_t                     i, k, seen[FUZZ_SERVERS + FUZZ_LEARNED];
    ngx_iot_redis_sentinel_one_t  *one, *other;

    fuzz_check(list->nelts >= FUZZ_SERVERS);
    fuzz_check(list->nelts <= FUZZ_SERVERS + FUZZ_LEARNED);
    fuzz_check(list->first < list->nelts);

    for (i = 0; i < FUZZ_SERVERS; i++) {
        fuzz_check(list->elts[i].server.addrs == fuzz_configured[i].addrs);
    }

    ngx_memzero(seen, sizeof(seen));

    for (i = 0; i < list->nelts; i++) {
        one = ngx_iot_redis_sentinel_list_get(list, i);

        fuzz_check(seen[one - list->elts]++ == 0);

        if (one - list->elts >= FUZZ_SERVERS) {
            fuzz_check_learned(list, one);
        }

        for (k = 0; k < i; k++) {
            other = ngx_iot_redis_sentinel_list_get(list, k);

            fuzz_check(one->server.text.len != other->server.text.len
                       || ngx_memcmp(one->server.text.data,
                                     other->server.text.data,
                                     one->server.text.len)
                          != 0);
        }
    }

    fuzz_check(ngx_iot_redis_sentinel_list_get(list, 0)
               == &list->elts[list->first]);
    fuzz_check(ngx_iot_redis_sentinel_list_get(list, list->nelts) == NULL);
}


static void
fuzz_check_learned(const ngx_iot_redis_sentinel_list_t *list,
    const ngx_iot_redis_sentinel_one_t *one)
{
    size_t                         i;
    const ngx_iot_redis_server_t  *server;

    server = &one->server;

    if (server->naddrs) {
        fuzz_check_place(one);

    } else {
        fuzz_check(server->resolver && server->resolver == list->resolver);
        fuzz_check(server->text.data == one->name);
        fuzz_check(server->text.len <= sizeof(one->name));
    }

    fuzz_check(server->port != 0);
    fuzz_check(server->host.data == server->text.data);
    fuzz_check(server->host.len < server->text.len);

    for (i = 0; i < server->text.len; i++) {
        fuzz_check(server->text.data[i] > 0x20
                   && server->text.data[i] < 0x7f);
    }
}


static void
fuzz_check_place(const ngx_iot_redis_sentinel_one_t *one)
{
    const ngx_iot_redis_server_t  *server;

    server = &one->server;

    fuzz_check(server->naddrs == 1 && server->addrs == &one->place.addr);
    fuzz_check(server->addrs->sockaddr == &one->place.sockaddr.sockaddr);
    fuzz_check(ngx_inet_get_port(server->addrs->sockaddr) == server->port);
    fuzz_check(server->resolver == NULL);

    fuzz_check(server->text.data == one->place.text);
    fuzz_check(server->text.len <= NGX_SOCKADDR_STRLEN);
}


static void
fuzz_address(const ngx_str_t *ip)
{
    ngx_iot_redis_sentinel_addr_t  place;

    if (ngx_iot_redis_sentinel_addr_set(&place, ip, 6379) == NGX_OK) {
        fuzz_check(place.addr.sockaddr == &place.sockaddr.sockaddr);
        fuzz_check(place.addr.name.len <= NGX_SOCKADDR_STRLEN);
        fuzz_check(ngx_inet_get_port(place.addr.sockaddr) == 6379);
    }
}


static void
fuzz_check(ngx_uint_t cond)
{
    if (!cond) {
        abort();
    }
}
