
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_STORE_REGISTRY_H_INCLUDED_
#define _NGX_IOT_STORE_REGISTRY_H_INCLUDED_


#include "ngx_iot_store.h"
#include "ngx_iot_registry.h"


/*
 * Registries.  A registry's record is in its own shard {t}, its name and its
 * place in the list of its folder are in the folder's {u}:
 *
 *   {u}:n:<folder>              HASH    name -> 1 byte format, registry id,
 *                                       0x1f, operation id: a claim
 *   {u}:g:<folder>              ZSET    score 0, 6 bytes of createdAt, ms, and
 *                                       the registry id: oldest first
 *   {u}:i:<32 hex digits>       STRING  what an Idempotency-Key of a Create
 *                                       stands for, see claim_name.lua
 *
 * So a Create and a rename are several steps: they claim, then they store
 * their operation with the registry in one script, then they release what they
 * have replaced.  The registry's record is the truth: a claim whose registry
 * has not that name is worth nothing, a place in the list whose registry is
 * not there is passed over.  When a step is lost, the claim is taken over by
 * the next who wants the name, after it has fenced the claim's operation; the
 * place in the list is removed by a List that finds it old.
 */


/* a place in the list of a folder */
#define NGX_IOT_STORE_PLACE_MAX                                               \
    (NGX_IOT_LIST_TIME_LEN + NGX_IOT_RESOURCE_ID_MAX)


/* a name in a folder for a registry, by an operation */

typedef struct {
    ngx_str_t            folder_id;
    ngx_str_t            name;              /* may be empty */
    ngx_str_t            registry_id;
    ngx_str_t            operation_id;

    /* of a Create: claims a place in the list as well, and its ids */
    ngx_uint_t           create;            /* unsigned  create:1; */
    ngx_iot_msec_t       created_at;
} ngx_iot_store_name_t;


/*
 * Claims the name, also when takes, if it is not NULL, holds it.
 * OK; SAME with the ids of the Create that came before under its
 * Idempotency-Key, or HELD with those of who has the name, in holder; REUSED.
 */
ngx_int_t ngx_iot_store_claim_name(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, const ngx_iot_store_holder_t *takes,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_name_claimed(
    const ngx_iot_store_t *store, const ngx_iot_store_name_t *name,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_holder_t *holder);

/* Takes the same back.  OK. */
ngx_int_t ngx_iot_store_release_name(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_name_released(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);

/*
 * Asks the registry that holds the folder's name.  EXISTS: it has that name
 * there; PENDING: its operation may yet be stored; OK: the name may be taken
 * over.
 */
ngx_int_t ngx_iot_store_resolve_name(const ngx_iot_store_t *store,
    const ngx_iot_store_name_t *name, const ngx_iot_store_holder_t *holder,
    ngx_iot_msec_t now, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_name_resolved(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);

/*
 * Forbids an operation for ever.  OK, or EXISTS: it is stored.
 */
ngx_int_t ngx_iot_store_fence(const ngx_iot_store_t *store,
    const ngx_str_t *operation_id, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_fenced(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply);

/* Finds who has a name in a folder.  OK with holder, or NOT_FOUND. */
ngx_int_t ngx_iot_store_find_name(const ngx_iot_store_t *store,
    const ngx_str_t *folder_id, const ngx_str_t *name,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_name_found(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_holder_t *holder);

/*
 * Reads at most count places of a folder behind the place after, or from the
 * first when that is empty, oldest first.
 * OK: *n, in: how many places has room for, out: how many there are.
 */
ngx_int_t ngx_iot_store_list_folder(const ngx_iot_store_t *store,
    const ngx_str_t *folder_id, const ngx_str_t *after, ngx_uint_t count,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_folder_listed(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *places, ngx_uint_t *n);

/* what a place says; the id is a slice of it */
ngx_str_t ngx_iot_store_place_id(const ngx_str_t *place);
ngx_iot_msec_t ngx_iot_store_place_time(const ngx_str_t *place);

/* Removes places from the list of a folder; whatever is answered is OK. */
ngx_int_t ngx_iot_store_forget_places(const ngx_iot_store_t *store,
    const ngx_str_t *folder_id, const ngx_str_t *places, ngx_uint_t n,
    ngx_iot_resp_request_t *req);


/*
 * Creates operation->registry under the name that the operation has claimed,
 * with n certificates that it has claimed.
 * OK; PENDING: a registry of that id is being deleted; EXISTS: a registry of
 * that id; FENCED: something that was claimed was taken over.
 */
ngx_int_t ngx_iot_store_create_registry(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation,
    const ngx_iot_certificate_t *certificates, ngx_uint_t n,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_registry_created(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);

/*
 * Gives the registry those fields of operation->registry, and its status when
 * that is set.  claimed: the operation has claimed the name.
 * OK with registry as it is now, and, when it has another name now, that which
 * it had and the operation that had claimed it, in change; SAME with the
 * operation in change; REUSED, NO_REGISTRY; FENCED: the name was taken over;
 * RENAMED: the name is not what it was when it was read.
 */
typedef struct {
    ngx_str_t            name;
    ngx_str_t            operation_id;
} ngx_iot_store_change_t;

ngx_int_t ngx_iot_store_update_registry(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_uint_t fields,
    ngx_uint_t claimed, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_registry_updated(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_registry_t *registry, ngx_iot_store_change_t *change);

/* Reads a registry.  OK or NO_REGISTRY, also when it is being deleted. */
ngx_int_t ngx_iot_store_get_registry(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_registry(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_registry_t *registry);

/*
 * Reads the reply of ngx_iot_store_get_registry() as the response of an
 * operation.  OK; registry has its id only when it is not there any more.
 */
ngx_iot_store_result_e ngx_iot_store_registry_response(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_registry_t *registry);

/*
 * Reads the registries at n places, all of one slot when the store is a
 * cluster.  OK: each id is set, and with it what the registry has; created_at
 * is 0 when it is not there.
 */
ngx_int_t ngx_iot_store_read_registries(const ngx_iot_store_t *store,
    const ngx_str_t *places, ngx_uint_t n, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_registries(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_str_t *places, ngx_uint_t n,
    ngx_iot_registry_t *registries);


#endif /* _NGX_IOT_STORE_REGISTRY_H_INCLUDED_ */
