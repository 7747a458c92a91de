
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_IOT_METHOD_H_INCLUDED_
#define _NGX_IOT_METHOD_H_INCLUDED_


#include "ngx_iot.h"
#include "ngx_iot_error.h"
#include "ngx_iot_id.h"
#include "ngx_iot_message.h"
#include "ngx_iot_operation.h"
#include "ngx_iot_resp.h"
#include "ngx_iot_store.h"
#include "ngx_iot_store_purge.h"


/*
 * The methods of the API, as a table.  A method is a row and two pure
 * functions; doors own bytes and lifetimes, methods own meaning:
 *
 *     prepare    the request's message -> a request to the store
 *     finish     the store's reply -> the answer, or the next request
 *
 * Both return NGX_AGAIN when call->request is to be sent, NGX_OK when the
 * answer is complete and can be written, NGX_DECLINED when it is call->error,
 * and NGX_ERROR when the gateway failed.
 *
 * A long answer comes in parts: NGX_BUSY says that one can be written.  When
 * the client has taken it, more() makes the request for the next.  The pool of
 * the call is another one then; what was made from the former is gone.
 *
 * A long body comes in slices: NGX_DONE asks for the next one, with which
 * more() goes on in another turn of the event loop.
 */


typedef struct ngx_iot_call_s    ngx_iot_call_t;
typedef struct ngx_iot_claim_s   ngx_iot_claim_t;
typedef struct ngx_iot_method_s  ngx_iot_method_t;


/* the services that a location can serve */

#define NGX_IOT_REGISTRY_SERVICE   0x01
#define NGX_IOT_OPERATION_SERVICE  0x02
#define NGX_IOT_COMPLETION         0x08
#define NGX_IOT_ENDPOINT_SERVICE   0x10
#define NGX_IOT_ALL_SERVICES       0x1f

/* of the registry service: what iot_import allows */
#define NGX_IOT_IMPORT_SERVICE     0x04


/* HTTP verbs of the routes */

#define NGX_IOT_GET                0x01
#define NGX_IOT_POST               0x02
#define NGX_IOT_DELETE             0x04
#define NGX_IOT_PATCH              0x08


/* the answer depends on a body that is read and parsed */
#define NGX_IOT_METHOD_BODY        0x01

/* the store may be changed: an unanswered request has an unknown outcome */
#define NGX_IOT_METHOD_MUTATION    0x02

/*
 * What access is decided by is known from the body or from the stored record,
 * not from the path and the query.
 */
#define NGX_IOT_METHOD_LATE        0x04

/* the body may be of any length and comes in slices */
#define NGX_IOT_METHOD_SLICES      0x08

/* the body describes a registry */
#define NGX_IOT_METHOD_REGISTRY    0x10

/* with as many certificates as a new registry takes */
#define NGX_IOT_METHOD_CERTIFICATES  0x20


/*
 * A field of the request that REST has in the path or in the query, as far as
 * the method gives it a meaning, and gRPC in the message like all others.
 */

typedef struct {
    ngx_str_t              name;        /* as in the proto */
    ngx_str_t              json_name;
    ngx_uint_t             number;      /* in the proto; 0: in REST only */
    ngx_iot_field_type_e   type;
    size_t                 offset;      /* of an ngx_str_t in the call */
    ngx_uint_t             path;        /* unsigned  path:1; not the query */
} ngx_iot_param_t;

#define NGX_IOT_PARAMS_MAX  4

#define ngx_iot_path_param(name, json_name, number, field)                    \
    { ngx_string(name), ngx_string(json_name), number, NGX_IOT_FIELD_STRING,  \
      offsetof(ngx_iot_call_t, field), 1 }

#define ngx_iot_query_param(name, json_name, number, type, field)             \
    { ngx_string(name), ngx_string(json_name), number, type,                  \
      offsetof(ngx_iot_call_t, field), 0 }

#define ngx_iot_no_param                                                      \
    { ngx_null_string, ngx_null_string, 0, NGX_IOT_FIELD_STRING, 0, 0 }

/* for everybody: no caller is needed, and access is not asked */
#define NGX_IOT_METHOD_ANONYMOUS     0x100


struct ngx_iot_method_s {
    ngx_str_t      name;                /* $iot_method */
    ngx_uint_t     service;
    ngx_uint_t     verb;                /* or several of them */
    ngx_str_t      path;                /* with {field} for a segment */
    ngx_str_t      rpc;                 /* as in gRPC's path; empty: none */
    ngx_uint_t     flags;

    /* at most NGX_IOT_PARAMS_MAX, then ngx_iot_no_param */
    const ngx_iot_param_t  *params;

    ngx_int_t    (*prepare)(ngx_iot_call_t *call);
    ngx_int_t    (*finish)(ngx_iot_call_t *call,
                     const ngx_iot_resp_reply_t *reply);

    /* writes the answer, or a part of it; data is the call */
    void         (*write)(ngx_iot_out_t *out, const void *data);

    /* with parts or slices only */
    ngx_int_t    (*more)(ngx_iot_call_t *call);

    /*
     * With LATE: fills call->error for who may not know that it exists.  NULL:
     * access is denied as it is without LATE.
     */
    void         (*hide)(ngx_iot_call_t *call);
};


/* what a location's directives say about calls */

typedef struct {
    ngx_iot_certificate_policy_t   certificate;
    ngx_iot_msec_t                 operation_retention;
    ngx_iot_msec_t                 idempotency_retention;
    ngx_uint_t                     certificate_limit;
    ngx_uint_t                     open;        /* iot_registries open */
    ngx_uint_t                     backend;     /* iot_completion backend */
    ngx_uint_t                     import;      /* iot_import on */
} ngx_iot_settings_t;


/* what a request may say of a list; empty: not set */

typedef struct {
    ngx_str_t                      size;
    ngx_str_t                      token;
    ngx_str_t                      filter;
} ngx_iot_page_query_t;


/* what a path says; strings are slices of the path */

typedef struct {
    const ngx_iot_method_t        *method;
    ngx_str_t                      registry_id;
    ngx_str_t                      operation_id;
    ngx_str_t                      fingerprint;
    ngx_str_t                      endpoint_id;
    ngx_str_t                      password_id;

    /* verbs that the path has, when it has not this one */
    ngx_uint_t                     allow;

    /* it is gRPC's path: the rest stands in the message */
    ngx_uint_t                     rpc;     /* unsigned  rpc:1; */
} ngx_iot_route_t;


/* bytes for the id of an operation, and for one of a registry with its tag */
#define NGX_IOT_CALL_RANDOM_LEN  (2 * NGX_IOT_ID_RANDOM_LEN + 2)


/* one call, from a door's point of view: filled by it, but for the results */

struct ngx_iot_call_s {
    const ngx_iot_method_t        *method;
    ngx_iot_wire_e                 wire;        /* of body and answer */
    const ngx_iot_settings_t      *settings;
    ngx_iot_store_t                store;
    ngx_pool_t                    *pool;
    ngx_log_t                     *log;

    ngx_iot_msec_t                 now;
    u_char                         random[NGX_IOT_CALL_RANDOM_LEN];

    ngx_str_t                      caller;
    ngx_str_t                      registry_id;
    ngx_str_t                      operation_id;
    ngx_str_t                      fingerprint;
    ngx_str_t                      endpoint_id;
    ngx_str_t                      folder_id;
    ngx_str_t                      registry_name;
    ngx_str_t                      update_mask;
    ngx_str_t                      given_id;    /* of a new registry */
    ngx_iot_page_query_t           page;
    ngx_str_t                      idempotency_key;     /* data NULL: none */
    ngx_str_t                      dry_run;
    ngx_str_t                      address;     /* with ENDPOINT_SERVICE */
    ngx_str_t                      body;

    /* with SLICES: where the next one begins; body is the last one */
    off_t                          offset;
    ngx_uint_t                     last_slice;

    /* results */

    ngx_iot_resp_request_t         request;
    ngx_msec_t                     delay;       /* before it is sent */
    ngx_iot_operation_t            operation;
    ngx_iot_error_t                error;

    /*
     * What the door gives back: ngx_iot_store_claim_t's, and the name that a
     * registry had; NULL: none.
     */
    ngx_array_t                   *released;
    ngx_iot_store_name_t          *released_name;

    /* where a method of several steps is */

    /* takes the next reply in place of the method's finish() */
    ngx_int_t                    (*step)(ngx_iot_call_t *call,
                                     const ngx_iot_resp_reply_t *reply);

    /*
     * Several requests at once, in place of request; 0: none.  each() takes
     * the replies as they come, NGX_OK or NGX_ERROR; after the last of them
     * step() is called, without one.
     */
    ngx_uint_t                     nrequests;
    ngx_iot_resp_request_t        *requests;
    ngx_int_t                    (*each)(ngx_iot_call_t *call, ngx_uint_t n,
                                     const ngx_iot_resp_reply_t *reply);

    /* of a mutation: request does not start its operation */
    ngx_uint_t                     certain;

    /* with LATE: access can be decided; so it can when registry_id is set */
    ngx_uint_t                     known;

    u_char                         uuid[NGX_IOT_UUID_LEN];
    ngx_iot_claim_t               *claim;
    ngx_iot_store_finish_t         finish;      /* of an operation */
    ngx_uint_t                     found;       /* unsigned  found:1; done */
    ngx_uint_t                     alias;       /* a SHA-1 is looked up */
    void                          *list;        /* of a method with parts */
    void                          *work;        /* of other methods */

    /* a delete that the door goes on with when the call has ended; or NULL */
    ngx_iot_purge_t               *purge;
};


/* the rows of a service; a NULL ends them */
typedef const ngx_iot_method_t  *const ngx_iot_service_t;

extern ngx_iot_service_t  ngx_iot_registry_service[];
extern ngx_iot_service_t  ngx_iot_operation_service[];
extern ngx_iot_service_t  ngx_iot_completion_service[];
extern ngx_iot_service_t  ngx_iot_endpoint_service[];


/*
 * Finds the method for a path, already decoded and normalised, and a verb.
 * services: what the location serves.  A trailing slash is accepted.
 *
 * NGX_OK        route->method is set, and what the path names
 * NGX_DECLINED  no such path, or not with this verb: then route->allow is set
 */
ngx_int_t ngx_iot_method_find(ngx_uint_t services, ngx_uint_t verb,
    const ngx_str_t *path, ngx_iot_route_t *route);

/*
 * Finds the method for gRPC's path, such as
 * "/yandex.cloud.operation.OperationService/Get".
 * NGX_OK; NGX_DECLINED: there is none.
 */
ngx_int_t ngx_iot_method_find_rpc(ngx_uint_t services, const ngx_str_t *path,
    const ngx_iot_method_t **method);

/*
 * Sets those fields of the call that the method's parameters are, from the
 * message in call->body.  NGX_OK; NGX_DECLINED, with call->error; NGX_ERROR.
 */
ngx_int_t ngx_iot_method_read_params(ngx_iot_call_t *call);

/* the method's parameter that sets the ngx_str_t at offset; NULL: none does */
const ngx_iot_param_t *ngx_iot_method_param(const ngx_iot_method_t *method,
    size_t offset);

/* checks what every call has, then prepares it; returns as prepare() does */
ngx_int_t ngx_iot_method_prepare(ngx_iot_call_t *call);

/* gives a reply to the step that waits for it; returns as finish() does */
ngx_int_t ngx_iot_method_finish(ngx_iot_call_t *call,
    const ngx_iot_resp_reply_t *reply);

/* the largest body that the call's method can make use of */
size_t ngx_iot_method_body_limit(const ngx_iot_call_t *call);


/* writes call->operation; the write() of many methods */
void ngx_iot_method_write_operation(ngx_iot_out_t *out,
    const void *data);


/*
 * Reads that operation as OperationService.Get does, in place of what the call
 * was about; what finish() returns.
 */
ngx_int_t ngx_iot_operation_read(ngx_iot_call_t *call,
    const ngx_str_t *operation_id);


/* fill call->error when the store gave no reply */

/* certainly not executed */
void ngx_iot_call_unavailable(ngx_iot_call_t *call);
void ngx_iot_call_queue_full(ngx_iot_call_t *call);

/* sent; the outcome of a mutation is unknown, the operation will tell */
void ngx_iot_call_timed_out(ngx_iot_call_t *call);
void ngx_iot_call_link_lost(ngx_iot_call_t *call);
void ngx_iot_call_unreplicated(ngx_iot_call_t *call);

/* the client's deadline passed; what was sent may have been done */
void ngx_iot_call_expired(ngx_iot_call_t *call);

/* nobody waits for the call any more */
void ngx_iot_call_aborted(ngx_iot_call_t *call);

/* fills call->error for what every method's finish may meet; NGX_DECLINED */
ngx_int_t ngx_iot_call_store_failed(ngx_iot_call_t *call,
    ngx_iot_store_result_e result);


#endif /* _NGX_IOT_METHOD_H_INCLUDED_ */
