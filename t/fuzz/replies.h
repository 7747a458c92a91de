
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#ifndef _FUZZ_REPLIES_H_INCLUDED_
#define _FUZZ_REPLIES_H_INCLUDED_


#include "unit.h"
#include "ngx_iot_resp.h"


/*
 * Replies of a server as lines of text, so that most of what a mutation makes
 * are replies too:
 *
 *     =string  +status  -error  :integer  [  its elements  ]
 *
 * and anything else is nil.  A line |more goes on with the string before it,
 * after a newline.
 */


/*
 * Moves text behind its first reply and returns that, in pool; NULL: there is
 * none.
 */
ngx_iot_resp_reply_t *fuzz_replies_next(ngx_pool_t *pool, ngx_str_t *text);

/* moves text behind its first line and returns that */
ngx_str_t fuzz_replies_line(ngx_str_t *text);

/* a copy in memory of its own size, which sanitizers watch */
ngx_str_t fuzz_replies_copy(ngx_pool_t *pool, const ngx_str_t *text);


#endif /* _FUZZ_REPLIES_H_INCLUDED_ */
