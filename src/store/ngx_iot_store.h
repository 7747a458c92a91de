
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_STORE_H_INCLUDED_
#define _NGX_IOT_STORE_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_operation.h"
#include "ngx_iot_resp.h"


/*
 * The Redis schema: the only place that spells a key, a field or a format.
 * Requests are made from domain values, replies become domain values; nothing
 * is sent here.
 *
 * {t} is the tag of the registry's shard, {f} of the fingerprint's.
 *
 *   {t}:r:<registry>                HASH    v format, s status, f folder id,
 *                                           c createdAt, n name, o operation
 *                                           that claimed it, d description,
 *                                           l labels, g log options; of one
 *                                           made by hand v, s, f and c only
 *   {t}:c:<registry>:<fingerprint>  STRING  the certificate's record, below
 *   {t}:z:<registry>                ZSET    score 0, 6 bytes of createdAt, ms,
 *                                           and 32 of SHA-256: oldest first
 *   {t}:h:<registry>                HASH    SHA-1 -> SHA-256, raw: the alias
 *                                           that the cloud service printed
 *   {t}:o:<operation>               HASH    v format, k kind, r registry id,
 *                                           f SHA-256, b createdBy, c created
 *                                           and m modified (when they differ),
 *                                           ms, d done, ec, em and ed code,
 *                                           message and details of its error,
 *                                           s event that waits for a backend;
 *                                           expires when it is done
 *   {t}:y:<registry>                ZSET    score 0, operation ids; expires
 *   {t}:i:<32 hex digits>           STRING  1 byte format, operation id,
 *                                           8 bytes of request hash: what
 *                                           an Idempotency-Key stands for;
 *                                           expires
 *   {t}:a:<operation>               STRING  empty: a fence, the operation will
 *                                           never be stored; expires
 *   {t}:e                           STREAM  events for backends
 *   {t}:p                           ZSET    operations that wait for one:
 *                                           <operation>:<registry>:<sha256>,
 *                                           score: when its event was
 *                                           delivered last, ms
 *   {t}:w:<registry>                HASH    SHA-256 -> kind and operation that
 *                                           it waits for; n how many of them
 *                                           are adds
 *   {00}:s                          HASH    h who sweeps the shards for events
 *                                           that nobody finished, n the next
 *                                           shard; expires
 *   {f}:x:<fingerprint>             STRING  1 byte format, registry id, 0x1f,
 *                                           operation id: the claim that makes
 *                                           a certificate one registry's own
 *
 * A certificate's record:
 *
 *   1 byte   format
 *   8 bytes  createdAt, ms, big endian
 *  20 bytes  id of the operation that added it
 *  20 bytes  SHA-1, so that who deletes the record finds its alias
 *   1 byte   how certificate_data is kept: NGX_IOT_STORE_TEXT as it was sent,
 *            NGX_IOT_STORE_PEM as DER, when the usual PEM of the DER is what
 *            was sent, NGX_IOT_STORE_PEM_OPEN the same without its last "\n"
 *   the rest the text or the DER
 */

#define NGX_IOT_STORE_FORMAT    1

#define NGX_IOT_STORE_TEXT      0
#define NGX_IOT_STORE_PEM       1
#define NGX_IOT_STORE_PEM_OPEN  2

#define NGX_IOT_STORE_MARK      0x80


/* a member of a registry's list, which is also a place in it */
#define NGX_IOT_LIST_TIME_LEN    6
#define NGX_IOT_LIST_MEMBER_LEN  (NGX_IOT_LIST_TIME_LEN + NGX_IOT_SHA256_LEN)


/* ms that a claim is not doubted: its operation may be on its way */
#define NGX_IOT_STORE_CLAIM_PATIENCE  5000

/* ms; much longer than any request is on its way */
#define NGX_IOT_STORE_FENCE_LIFE      3600000

#define NGX_IOT_IDEMPOTENCY_NAME_LEN  16
#define NGX_IOT_IDEMPOTENCY_HASH_LEN  8


/* what the store made of a request */

typedef enum {
    NGX_IOT_STORE_OK = 0,
    NGX_IOT_STORE_NO_REGISTRY,
    NGX_IOT_STORE_REGISTRY_DISABLED,
    NGX_IOT_STORE_NOT_FOUND,            /* the operation, the certificate */
    NGX_IOT_STORE_EXISTS,               /* in this registry */
    NGX_IOT_STORE_HELD,                 /* claimed by another operation */
    NGX_IOT_STORE_PENDING,              /* another operation may be stored */
    NGX_IOT_STORE_FENCED,               /* it may not be stored any more */
    NGX_IOT_STORE_LIMIT,                /* iot_certificate_limit */
    NGX_IOT_STORE_SAME,                 /* the Idempotency-Key's operation */
    NGX_IOT_STORE_REUSED,               /* another request had its key */
    NGX_IOT_STORE_RENAMED,              /* since the name was read */
    NGX_IOT_STORE_WAITS,                /* for a backend */
    NGX_IOT_STORE_BUSY,                 /* another worker does it */
    NGX_IOT_STORE_NEWER,                /* a record of a newer format */
    NGX_IOT_STORE_ERROR                 /* not a reply of ours; logged */
} ngx_iot_store_result_e;


/* of a mutation under an Idempotency-Key */

typedef struct {
    ngx_uint_t       given;             /* unsigned  given:1; */
    u_char           name[NGX_IOT_IDEMPOTENCY_NAME_LEN];
    u_char           hash[NGX_IOT_IDEMPOTENCY_HASH_LEN];
} ngx_iot_store_idempotency_t;


/* how requests are made; by value, the prefix is not copied */

typedef struct {
    ngx_pool_t      *pool;              /* of requests and of what is read */
    ngx_log_t       *log;
    ngx_str_t        key_prefix;
    ngx_uint_t       cluster;           /* no script reaches two shards */
    ngx_uint_t       open;              /* registries need no record */
    ngx_uint_t       limit;             /* certificates of a registry; 0 */
    ngx_iot_msec_t   retention;         /* life of operations */
    ngx_iot_msec_t   idempotency_retention;

    ngx_iot_store_idempotency_t  idempotency;
} ngx_iot_store_t;


/* a registry and one of its operations, which have claimed something */

typedef struct {
    ngx_str_t        registry_id;
    ngx_str_t        operation_id;
} ngx_iot_store_holder_t;


/* a claim on a certificate */

typedef struct {
    ngx_str_t        registry_id;
    ngx_str_t        operation_id;
    u_char           sha256[NGX_IOT_SHA256_LEN];
    u_char           fingerprint[NGX_IOT_FINGERPRINT_LEN];
} ngx_iot_store_claim_t;


/*
 * Requests point to memory of the pool and to what they are given.  Every
 * function that makes one returns NGX_OK or NGX_ERROR; every function that
 * reads a reply may return NEWER or ERROR beside what is said of it.
 *
 * A mutation under an Idempotency-Key may also be SAME, with *operation_id of
 * the operation that the key's first request has started, in the pool, or
 * REUSED.
 */


/*
 * Adds operation->certificate to its registry, and the operation; when that is
 * not done the certificate waits for it.  claimed: the operation has claimed
 * it, else the script does so.
 * OK, NO_REGISTRY, REGISTRY_DISABLED, LIMIT, FENCED; EXISTS and SAME with an
 * operation in holder, HELD with the registry and the operation that have
 * claimed it, in the pool.
 */
ngx_int_t ngx_iot_store_add_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_uint_t claimed,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_certificate_added(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_store_holder_t *holder);

/*
 * Reads what stands in the way of operation->certificate but for claims.
 * OK: nothing; else as above.
 */
ngx_int_t ngx_iot_store_check_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_resp_request_t *req);

/*
 * Claims a certificate, also when takes, if it is not NULL, still has it.
 * OK, or HELD with whose it is.
 */
ngx_int_t ngx_iot_store_claim_certificate(const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claim, const ngx_iot_store_holder_t *takes,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_certificate_claimed(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_store_holder_t *holder);

/* Reads the claim on a certificate.  OK: there is none; HELD with whose. */
ngx_int_t ngx_iot_store_read_claim(const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claim, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_claim(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_store_holder_t *holder);

/* Takes a claim back, if it is still there.  OK. */
ngx_int_t ngx_iot_store_release_certificate(const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claim, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_certificate_released(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);

/*
 * Asks the registry of a claim.  EXISTS: it has the certificate; PENDING: the
 * claim's operation may yet be stored; OK: it never will, the claim may be
 * taken.  look: only to see, nothing is changed; it may yet be stored then.
 */
ngx_int_t ngx_iot_store_resolve_certificate(const ngx_iot_store_t *store,
    const ngx_iot_store_claim_t *claim, ngx_iot_msec_t now,
    ngx_uint_t look, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_certificate_resolved(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);

/*
 * Deletes the certificate that operation->certificate names by registry id,
 * sha256 and fingerprint; adds the operation; when that is not done the
 * certificate stays until it is.
 * NO_REGISTRY or NOT_FOUND; OK with the operation whose claim is to be
 * released, empty when there is none; WAITS with the operation that the
 * certificate waits for, in the pool.
 */
ngx_int_t ngx_iot_store_delete_certificate(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_certificate_deleted(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *operation_id);

/*
 * Reads the certificate of that registry id and fingerprint.
 * OK: pem and created_at are set; NO_REGISTRY or NOT_FOUND.
 */
ngx_int_t ngx_iot_store_get_certificate(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_certificate_got(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_certificate_t *certificate);

/*
 * Finds the certificate of that registry id and sha1, also for a mutation.
 * OK: sha256 and fingerprint are set; NO_REGISTRY or NOT_FOUND.
 */
ngx_int_t ngx_iot_store_find_certificate(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_certificate_found(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_certificate_t *certificate, ngx_str_t *operation_id);

/*
 * Reads the places of at most count certificates behind the place after, or
 * from the first when that is empty, oldest first.
 * OK: *n, in: how many members has room for, out: how many there are;
 * NO_REGISTRY.
 */
ngx_int_t ngx_iot_store_list_certificates(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *after, ngx_uint_t count,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_certificates_listed(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *members, ngx_uint_t *n);

/*
 * Reads the certificates at n places.
 * OK: fingerprint, pem and created_at of *n certificates are set, fewer than
 * before when some were deleted meanwhile.
 */
ngx_int_t ngx_iot_store_read_records(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *members, ngx_uint_t n,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_records(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_str_t *members,
    ngx_uint_t *n, ngx_iot_certificate_t *certificates);

/*
 * Reads the record of a certificate, whatever became of its registry.
 * OK: pem and created_at of certificate and *added_by are set, in the pool;
 * NOT_FOUND.
 */
ngx_int_t ngx_iot_store_read_record(const ngx_iot_store_t *store,
    const ngx_iot_certificate_t *certificate, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_record(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_certificate_t *certificate,
    ngx_str_t *added_by);


/* what an import stores of a certificate, and what became of it */

typedef struct {
    u_char                     sha256[NGX_IOT_SHA256_LEN];
    u_char                     sha1[NGX_IOT_SHA1_LEN];
    u_char                     fingerprint[NGX_IOT_FINGERPRINT_LEN];
    ngx_str_t                  member;
    ngx_str_t                  record;

    ngx_iot_store_result_e     result;
    ngx_iot_store_holder_t     holder;      /* with HELD */
} ngx_iot_store_import_t;


/* some of them, which are stored in one step */

typedef struct {
    /* registry and caller; its id stands for that of an operation */
    const ngx_iot_operation_t  *import;

    ngx_uint_t                  dry_run;
    ngx_uint_t                  operation;  /* it is stored if any is new */
    ngx_uint_t                  counted;    /* by a dry run, before these */
    ngx_uint_t                  n;
    ngx_iot_store_import_t    **all;
} ngx_iot_store_batch_t;


/* Makes one of import->certificate, whose text and DER are copied. */
ngx_int_t ngx_iot_store_import_make(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *import, ngx_iot_store_import_t *one);

/*
 * Imports a batch into its registry, once under its id; with none of them it
 * asks whether the registry can be imported into.  With a cluster they were
 * claimed before, under the id.  dry_run: nothing is changed.
 * OK: the result of each is set: OK, EXISTS (in this registry), LIMIT, NEWER,
 * or HELD with whose claim is in the way; NO_REGISTRY, REGISTRY_DISABLED,
 * FENCED.
 */
ngx_int_t ngx_iot_store_import(const ngx_iot_store_t *store,
    const ngx_iot_store_batch_t *batch, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_imported(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_iot_store_batch_t *batch);


/*
 * Reads the operation of that id, which ngx_iot_id_valid() has accepted.
 * OK: everything is set but the text of its certificate; NOT_FOUND.
 */
ngx_int_t ngx_iot_store_get_operation(const ngx_iot_store_t *store,
    const ngx_str_t *operation_id, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_operation(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operation);

/*
 * Fills in what the record of the operation's certificate has to say, when the
 * operation answers it and it is still that of the operation.  OK.
 */
ngx_iot_store_result_e ngx_iot_store_response(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operation);

/*
 * Reads the ids of at most count operations that are older than the one of the
 * id after, or the newest when that is empty, newest first.
 * OK: *n, in: how many ids has room for, out: how many there are;
 * NO_REGISTRY.
 */
ngx_int_t ngx_iot_store_list_operations(const ngx_iot_store_t *store,
    const ngx_str_t *registry_id, const ngx_str_t *after, ngx_uint_t count,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_operations_listed(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_str_t *ids, ngx_uint_t *n);

/*
 * Reads n operations of one shard.
 * OK: *n of them are set but for the texts of their certificates, fewer than
 * before when some have expired.
 */
ngx_int_t ngx_iot_store_read_operations(const ngx_iot_store_t *store,
    const ngx_str_t *ids, ngx_uint_t n, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_operations(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, const ngx_str_t *ids, ngx_uint_t *n,
    ngx_iot_operation_t *operations);

/*
 * Reads the certificates that these operations of one shard answer; also
 * NGX_DECLINED: none of them answers one.  OK.
 */
ngx_int_t ngx_iot_store_read_responses(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operations, ngx_uint_t n,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_responses(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_iot_operation_t *operations,
    ngx_uint_t n);


/*
 * Has the server of that shard run a script that reads nothing of use.
 * OK: it did.
 */
ngx_int_t ngx_iot_store_probe(const ngx_iot_store_t *store, ngx_uint_t shard,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_probed(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply);


/* operations that wait for a backend */

#define NGX_IOT_PENDING_MEMBER_MAX                                            \
    (NGX_IOT_OPERATION_ID_LEN + 1 + NGX_IOT_RESOURCE_ID_MAX + 1               \
     + NGX_IOT_FINGERPRINT_LEN)


typedef struct {
    ngx_uint_t        cancel;           /* unsigned  cancel:1; not finished */
    ngx_iot_status_t  error;            /* code 0: it succeeded */
    ngx_iot_msec_t    now;
} ngx_iot_store_finish_t;


/* where a list of them goes on: behind this one */

typedef struct {
    ngx_uint_t        shard;
    ngx_iot_msec_t    delivered;
    u_char            id[NGX_IOT_OPERATION_ID_LEN];
} ngx_iot_store_pending_place_t;


/*
 * Finishes the operation, which names a certificate by registry id, sha256 and
 * fingerprint, or cancels it.
 * OK: it was done before, WAITS: it did, and is done now; either way it is set
 * as by ngx_iot_store_operation(), and with WAITS *added_by, in the pool, when
 * a claim of that operation is still to be released; NOT_FOUND.
 */
ngx_int_t ngx_iot_store_finish_operation(const ngx_iot_store_t *store,
    const ngx_iot_operation_t *operation,
    const ngx_iot_store_finish_t *finish, ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_operation_finished(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_iot_operation_t *operation, ngx_str_t *added_by);

/*
 * Reads at most n operations of a shard that wait, behind the place.
 * OK: *n ids, and places of them; n in: how many there is room for.
 */
ngx_int_t ngx_iot_store_list_pending(const ngx_iot_store_t *store,
    const ngx_iot_store_pending_place_t *after, ngx_uint_t n,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_pending_listed(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply,
    ngx_uint_t shard, ngx_str_t *ids, ngx_iot_store_pending_place_t *places,
    ngx_uint_t *n);

/*
 * Asks for a turn of n shards, and for ttl milliseconds that nobody else is
 * given one.  OK: *first of the shards; BUSY.
 */
ngx_int_t ngx_iot_store_sweep_turn(const ngx_iot_store_t *store,
    const ngx_str_t *holder, ngx_msec_t ttl, ngx_uint_t n,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_swept(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_uint_t *first);

/*
 * Reads which events of a shard were delivered last at that time or before.
 * OK: *n members, in the pool; n in: how many at most.
 */
ngx_int_t ngx_iot_store_due_events(const ngx_iot_store_t *store,
    ngx_uint_t shard, ngx_iot_msec_t time, ngx_uint_t n,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_events_due(const ngx_iot_store_t *store,
    const ngx_iot_resp_reply_t *reply, ngx_str_t *members, ngx_uint_t *n);

/*
 * Delivers the event of that member again, unless that was done after time;
 * also NGX_DECLINED: it is not a member of ours; logged.  OK.
 */
ngx_int_t ngx_iot_store_redeliver_event(const ngx_iot_store_t *store,
    const ngx_str_t *member, ngx_iot_msec_t now, ngx_iot_msec_t time,
    ngx_iot_resp_request_t *req);
ngx_iot_store_result_e ngx_iot_store_event_redelivered(
    const ngx_iot_store_t *store, const ngx_iot_resp_reply_t *reply);


#endif /* _NGX_IOT_STORE_H_INCLUDED_ */
