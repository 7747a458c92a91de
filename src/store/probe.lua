-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Shows that the server runs scripts and that they may read.
--
-- KEYS  1 the record of a registry that cannot be
--
-- Answers OK.

redis.call('HMGET', KEYS[1], 'v')

return {'OK'}
