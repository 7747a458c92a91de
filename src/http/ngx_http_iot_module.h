
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _NGX_HTTP_IOT_MODULE_H_INCLUDED_
#define _NGX_HTTP_IOT_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_iot_method.h"
#include "ngx_iot_redis.h"
#include "ngx_iot_sweeper.h"


/* in place of services: the location shows how the store is */
#define NGX_HTTP_IOT_STATUS  0x100

/* beside services: they are served over gRPC */
#define NGX_HTTP_IOT_GRPC    0x200


/* the HTTP door: what a request needs from its configuration */

typedef struct {
    /* $request_id, which every answer carries */
    ngx_int_t                   request_id;

    /* of the stores that have a location with iot_complete */
    ngx_array_t                *sweepers;   /* ngx_iot_sweeper_conf_t */

    /* of ngx_iot_redis_conf_t *: the stores that hold registries */
    ngx_array_t                *stores;
} ngx_http_iot_main_conf_t;


typedef struct {
    /* a location here is a gateway's: errors before a location are ours too */
    ngx_uint_t                  gateway;    /* unsigned  gateway:1; */

    /* one of them speaks gRPC: so do errors that calls meet beside it */
    ngx_uint_t                  grpc;       /* unsigned  grpc:1; */
} ngx_http_iot_srv_conf_t;


typedef struct {
    /*
     * NGX_IOT_REGISTRY_SERVICE and others, with NGX_HTTP_IOT_GRPC or not, or
     * NGX_HTTP_IOT_STATUS; 0: not a gateway location
     */
    ngx_uint_t                  services;
    ngx_iot_redis_conf_t       *store;      /* NULL: they need none */

    ngx_http_complex_value_t   *caller;
    ngx_http_complex_value_t   *access;
    ngx_http_complex_value_t   *address;    /* of iot_endpoints; or NULL */
    ngx_iot_settings_t          settings;

    /* as the directives read them; settings has them merged */
    ngx_int_t                   min_rsa_bits;
    size_t                      max_size;
    ngx_int_t                   limit;
    ngx_uint_t                  accept;
    ngx_uint_t                  open;
    ngx_flag_t                  import;
    ngx_uint_t                  backend;
    ngx_msec_t                  redelivery;
    time_t                      retention;
    time_t                      idempotency_retention;
} ngx_http_iot_loc_conf_t;


/* one of several commands of a request */
typedef struct ngx_http_iot_shot_s  ngx_http_iot_shot_t;


typedef struct ngx_http_iot_ctx_s   ngx_http_iot_ctx_t;

typedef ngx_int_t (*ngx_http_iot_send_pt)(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);


/*
 * How a door says what became of a call.  The results are for
 * ngx_http_finalize_request(); that of part(), which goes on with the call, is
 * as that of ngx_http_iot_call_start().
 */

typedef struct {
    ngx_http_iot_send_pt        answer;     /* the whole, or what is left */
    ngx_http_iot_send_pt        part;
    ngx_http_iot_send_pt        error;
} ngx_http_iot_door_t;


/* the life of one request in the gateway */

struct ngx_http_iot_ctx_s {
    ngx_http_request_t         *request;
    const ngx_http_iot_door_t  *door;
    ngx_iot_route_t             route;
    ngx_iot_call_t              call;

    ngx_iot_redis_conf_t       *store;
    ngx_iot_redis_command_t    *command;    /* while it waits for the store */
    ngx_event_t                 delay;      /* before it is sent */
    ngx_msec_t                  sent;
    ngx_msec_t                  store_time;

    ngx_uint_t                  code;       /* google.rpc.Code of the answer */
    ngx_buf_t                  *page;       /* in place of nginx's own page */

    /* of the part of an answer that is made or sent, but for the first */
    ngx_pool_t                 *pool;

    /* several commands at once: all, those not answered, what went wrong */
    ngx_http_iot_shot_t        *shots;
    ngx_uint_t                  nshots;
    ngx_uint_t                  flying;
    ngx_int_t                   volley_rc;

    /* of a body in slices: the next turn, and the slice at hand */
    ngx_event_t                 turn;
    u_char                     *slice;

    /* of the parts by turns: filters look at one after it was sent */
    ngx_buf_t                  *bufs;

    /* gRPC: the deadline; the message of the answer as far as it is made */
    ngx_event_t                 deadline;
    ngx_chain_t                *message;
    ngx_chain_t                *message_last;
    size_t                      message_len;

    unsigned                    parts:1;    /* the header went out */
    unsigned                    odd:1;      /* whose turn it is */
    unsigned                    authorized:1;
    unsigned                    stored:1;   /* store_time is set */
    unsigned                    answered:1;
    unsigned                    replaced:1; /* page was sent */
};


extern ngx_module_t  ngx_http_iot_module;

extern const ngx_http_iot_door_t  ngx_http_iot_rest_door;


/* ngx_http_iot_context.c: what every call begins with */

/*
 * The context of a request, also after an internal redirect, which clears
 * r->ctx.  A subrequest has its own where it is served by a gateway location,
 * else it sees the main request's.  NULL: there is none.
 */
ngx_http_iot_ctx_t *ngx_http_iot_ctx(ngx_http_request_t *r);

/* the request's own context, made when it has none; NULL: no memory */
ngx_http_iot_ctx_t *ngx_http_iot_ctx_create(ngx_http_request_t *r);

/*
 * Preaccess handler: creates the context in gateway locations, so that the
 * variables outlive an internal redirect by another module's refusal.
 */
ngx_int_t ngx_http_iot_preaccess_handler(ngx_http_request_t *r);

/*
 * What the path of the request names among services; see
 * ngx_iot_method_find(), and ngx_iot_method_find_rpc() with NGX_HTTP_IOT_GRPC.
 */
ngx_int_t ngx_http_iot_route(ngx_http_request_t *r, ngx_uint_t services,
    ngx_iot_route_t *route);

/* the same before it is known which location serves the request */
void ngx_http_iot_guess_route(ngx_http_request_t *r, ngx_iot_route_t *route);

/* what the call has before its method is known; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_iot_call_init(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/*
 * The value of a header of the request, data NULL: it has none; a list of
 * nothing when there are several, which is no value of ours.
 */
void ngx_http_iot_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value);

/* the time of day as the event loop has it */
ngx_iot_msec_t ngx_http_iot_now(void);

/* len bytes, at most 1024, from OpenSSL's generator; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_iot_random(u_char *random, size_t len, ngx_log_t *log);


/* ngx_http_iot_handler.c: the door of REST */

/* the content handler of its locations */
ngx_int_t ngx_http_iot_handler(ngx_http_request_t *r);

/*
 * A method's parameter in the query, in either spelling, unescaped, in the
 * request's pool; empty when it is not there.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_iot_query_param(ngx_http_request_t *r,
    const ngx_iot_param_t *param, ngx_str_t *value);

/* the header Allow of verbs, as the method table has them */
ngx_int_t ngx_http_iot_allow(ngx_http_request_t *r, ngx_uint_t verbs);


/* ngx_http_iot_address.c */

/*
 * The host:port at which the client can reach the gateway, in the request's
 * pool or that of the configuration.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_iot_address(ngx_http_request_t *r, ngx_str_t *address);


/* ngx_http_iot_body.c */

/*
 * The request's body, read before, as one slice: the buffer itself when it is
 * one, else a copy in the pool, with what was spilled to a file.
 * NGX_OK; NGX_DECLINED: more than limit bytes; NGX_ERROR.
 */
ngx_int_t ngx_http_iot_body(ngx_http_request_t *r, size_t limit,
    ngx_str_t *body);


/* ngx_http_iot_volley.c: several commands at once */

/* sends the call's requests; NGX_DONE, NGX_DECLINED: call->error, NGX_ERROR */
ngx_int_t ngx_http_iot_volley(ngx_http_request_t *r, ngx_http_iot_ctx_t *ctx);

/* the request ends: their replies are not waited for */
void ngx_http_iot_volley_cancel(ngx_http_iot_ctx_t *ctx);


/* ngx_http_iot_slices.c: bodies of any length */

/* makes nginx write the body that is to be read into a temporary file */
void ngx_http_iot_slices_init(ngx_http_request_t *r);

/*
 * Gives the method the next slice, in another turn of the event loop.
 * NGX_DONE, or NGX_ERROR.
 */
ngx_int_t ngx_http_iot_slices_next(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/* the request ends: there is no other turn */
void ngx_http_iot_slices_cancel(ngx_http_iot_ctx_t *ctx);


/* ngx_http_iot_call.c: from the body to the answer */

/*
 * Runs the call.  The result is for ngx_http_finalize_request(); NGX_DONE:
 * it waits for the store, one reference to the request is held.
 */
ngx_int_t ngx_http_iot_call_start(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/* goes on with what the method said; the result is as that of _start() */
ngx_int_t ngx_http_iot_call_step(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx, ngx_int_t rc);

/* whatever ends the request, ctx->command is cancelled; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_iot_cleanup_add(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/* what the store's outcome means for the call; reply: with REPLIED only */
ngx_int_t ngx_http_iot_call_outcome(ngx_http_iot_ctx_t *ctx,
    ngx_iot_redis_outcome_e outcome, const ngx_iot_resp_reply_t *reply);

/* lets the client go away while the call waits; NGX_DONE or NGX_ERROR */
ngx_int_t ngx_http_iot_call_wait(ngx_http_request_t *r);

/* what the call waits for is not waited for any more */
void ngx_http_iot_call_stop(ngx_http_iot_ctx_t *ctx);

/* evaluates iot_access; NGX_OK, NGX_DECLINED with call->error, NGX_ERROR */
ngx_int_t ngx_http_iot_authorize(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);


/* ngx_http_iot_response.c */

/* both answer the request; the result is for ngx_http_finalize_request() */
ngx_int_t ngx_http_iot_send_answer(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
ngx_int_t ngx_http_iot_send_error(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/* answers with that HTTP status and JSON; the result is as of the two above */
ngx_int_t ngx_http_iot_send(ngx_http_request_t *r, ngx_uint_t status,
    ngx_str_t *json);

/* an operation that is not done says when to ask again; NGX_OK, NGX_ERROR */
ngx_int_t ngx_http_iot_poll_interval(ngx_http_request_t *r,
    const ngx_iot_operation_t *operation);

/* the google.rpc.Status of err in the request's pool */
ngx_int_t ngx_http_iot_status(ngx_http_request_t *r, ngx_iot_wire_e wire,
    const ngx_iot_error_t *err, ngx_str_t *text);

/* the headers that go with err but for Allow: Retry-After, WWW-Authenticate */
ngx_int_t ngx_http_iot_error_headers(ngx_http_request_t *r,
    const ngx_iot_error_t *err);

/* Content-Type and Content-Length of a JSON answer */
void ngx_http_iot_json_headers(ngx_http_request_t *r, size_t len);

/* key is a constant; value's bytes are not copied; NULL: no memory */
ngx_table_elt_t *ngx_http_iot_add_header(ngx_http_request_t *r,
    const char *key, const ngx_str_t *value);

/* $request_id; empty when there is no memory */
ngx_str_t ngx_http_iot_request_id(ngx_http_request_t *r);


/* ngx_http_iot_parts.c: answers that come in parts */

/*
 * Sends the part that the method can write, and asks it for the next when the
 * client has taken it.  The result is as that of ngx_http_iot_call_start().
 */
ngx_int_t ngx_http_iot_send_part(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/* sends the last one; the result is for ngx_http_finalize_request() */
ngx_int_t ngx_http_iot_send_last_part(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/* what is allocated for parts ends with the request; NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_iot_parts_init(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/* asks for the next part; the result is as that of _call_start() */
ngx_int_t ngx_http_iot_parts_next(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/*
 * The answer cannot be completed: the connection ends without a last chunk,
 * so that nobody takes it for the whole.  NGX_ERROR.
 */
ngx_int_t ngx_http_iot_break_off(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);


/* ngx_http_iot_grpc.c: the door of gRPC */

/* the content handler of its locations */
ngx_int_t ngx_http_iot_grpc_handler(ngx_http_request_t *r);

/* 1: the request is a call, whatever its location is */
ngx_uint_t ngx_http_iot_grpc_call(ngx_http_request_t *r);


/* ngx_http_iot_grpc_answer.c; see ngx_http_iot_door_t */

ngx_int_t ngx_http_iot_grpc_send_answer(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);
ngx_int_t ngx_http_iot_grpc_send_part(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);


/* ngx_http_iot_grpc_status.c */

ngx_int_t ngx_http_iot_grpc_send_error(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/*
 * Makes the header that is about to be sent the whole answer, with the status
 * that err is.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_iot_grpc_status(ngx_http_request_t *r,
    const ngx_iot_error_t *err);

/* what every answer in gRPC has */
void ngx_http_iot_grpc_headers(ngx_http_request_t *r);


/* ngx_http_iot_deadline.c */

/*
 * Answers the call when the time of its grpc-timeout is over.  NGX_OK;
 * NGX_DECLINED: it is over, or malformed, the error is in the call; NGX_ERROR.
 */
ngx_int_t ngx_http_iot_deadline_start(ngx_http_request_t *r,
    ngx_http_iot_ctx_t *ctx);

/* the answer begins */
void ngx_http_iot_deadline_stop(ngx_http_iot_ctx_t *ctx);


/* ngx_http_iot_status.c */

/* the content handler of locations with iot_status */
ngx_int_t ngx_http_iot_status_handler(ngx_http_request_t *r);


/* ngx_http_iot_error_filter.c */

/* puts the filters into the chains; called when the configuration was read */
void ngx_http_iot_error_filter_init(void);


/* ngx_http_iot_variables.c */

ngx_int_t ngx_http_iot_add_variables(ngx_conf_t *cf);

/* iot_caller of the request; empty: nobody.  NGX_OK or NGX_ERROR */
ngx_int_t ngx_http_iot_caller(ngx_http_request_t *r, ngx_str_t *caller);


#endif /* _NGX_HTTP_IOT_MODULE_H_INCLUDED_ */
