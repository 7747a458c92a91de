-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Whose turn it is to look for events that nobody finished, and at which
-- shards: one worker does it, as long as it comes back in time.
--
-- KEYS  1 sweeper: HASH with h, who holds the turn, and n, the next shard
-- ARGV  1 who asks  2 for how long, ms  3 how many shards a turn has
--       4 how many there are
--
-- Answers OK and the first shard, or BUSY.

local sweeper = redis.call('HMGET', KEYS[1], 'h', 'n')

if sweeper[1] and sweeper[1] ~= ARGV[1] then
    return {'BUSY'}
end

local first = tonumber(sweeper[2] or 0) % ARGV[4]

redis.call('HSET', KEYS[1], 'h', ARGV[1], 'n', (first + ARGV[3]) % ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[2])

return {'OK', tostring(first)}
