-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Takes a job that is due: until then it is nobody else's.
--
-- KEYS  1 jobs
-- ARGV  1 the job  2 now, ms  3 until when, ms
--
-- Answers OK, or LOST: somebody else was first.

local due = redis.call('ZSCORE', KEYS[1], ARGV[1])

if not due or tonumber(due) > tonumber(ARGV[2]) then
    return {'LOST'}
end

redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])

return {'OK'}
