-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Delivers the event of a pending operation again, when that is due.
--
-- KEYS  1 pending operations  2 stream of events  3 operation
--       4 list of operations  5 certificate
-- ARGV  1 member of the pending operations  2 now, ms
--       3 when it has to have been delivered last, at the latest, ms
--       4 registry id  5 operation id  6 SHA-256, raw
--       7 operation's life, ms
--
-- Answers OK or NEWER.

-- include lib/registry.lua
-- include lib/pending.lua

local delivered = redis.call('ZSCORE', KEYS[1], ARGV[1])

if not delivered or tonumber(delivered) > tonumber(ARGV[3]) then
    return {'OK'}
end

local operation = redis.call('HMGET', KEYS[3], 'v', 'd', 'k', 'b', 'c', 's')

if operation[1] and tonumber(operation[1]) > FORMAT then
    return {'NEWER'}
end

if operation[2] ~= '0' then
    redis.call('ZREM', KEYS[1], ARGV[1])
    return {'OK'}
end

if operation[6] then
    redis.call('XDEL', KEYS[2], operation[6])
end

local certificate = operation[3] == '1'
                    and redis.call('GETRANGE', KEYS[5], MARK + 1, -1) or ''

local event = pending_event(KEYS[2], 'start', ARGV[5], operation[3], ARGV[4],
                            ARGV[6], operation[4], operation[5], certificate)

redis.call('HSET', KEYS[3], 's', event)
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])

-- the list of operations lives on while one of them waits

redis.call('ZADD', KEYS[4], 0, ARGV[5])
redis.call('PEXPIRE', KEYS[4], ARGV[7])

return {'OK'}
