-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Sees to it that an operation will never be stored, unless it is already.
--
-- KEYS  1 operation  2 its fence
-- ARGV  1 life of a fence, ms
--
-- Answers OK or, when it is stored, DONE.

if redis.call('EXISTS', KEYS[1]) == 1 then
    return {'DONE'}
end

redis.call('SET', KEYS[2], '', 'PX', ARGV[1])

return {'OK'}
