-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Adds a certificate to a registry: its record, its place in the list, its
-- SHA-1 alias, its claim, and the finished operation, all of them or none.
--
-- Every check comes before the first write, and only commands follow that
-- cannot fail on what they find: Redis does not undo a script that fails.
-- The same bytes may arrive twice (a retry after an unknown outcome): the
-- operation's record tells, and nothing is written again.
--
-- KEYS  1 registry      2 certificate  3 list of certificates
--       4 SHA-1 aliases 5 operation    6 list of operations 7 claim
-- ARGV  1 registry id   2 operation id 3 createdAt, ms  4 certificate record
--       5 list member   6 SHA-1, raw   7 SHA-256, raw   8 createdBy
--       9 operation's life, ms
--      10 operations that sort before this are past it
--      11 "known" or "open": whether the registry must have a record
--
-- Answers OK, NO_REGISTRY, DISABLED, EXISTS and the operation that added it,
-- HELD (by another registry), NEWER (a record of a newer gateway) or TAKEN
-- (the operation id belongs to another add: the random numbers repeated).

local FORMAT = 1
local ACTIVE, DISABLED = '2', '4'
local TRIM = 16

local registry_id, operation_id = ARGV[1], ARGV[2]
local sha256 = ARGV[7]

local registry = redis.call('HMGET', KEYS[1], 'v', 's')

if registry[1] then
    if tonumber(registry[1]) > FORMAT then
        return {'NEWER'}
    end

    if registry[2] == DISABLED then
        return {'DISABLED'}
    end

    if registry[2] ~= ACTIVE then
        return {'NO_REGISTRY'}
    end

elseif ARGV[11] ~= 'open' then
    return {'NO_REGISTRY'}
end

local operation = redis.call('HMGET', KEYS[5], 'v', 'f')

if operation[1] then
    if tonumber(operation[1]) > FORMAT then
        return {'NEWER'}
    end

    return {operation[2] == sha256 and 'OK' or 'TAKEN'}
end

-- one byte of format, eight of createdAt, twenty of operation id
local record = redis.call('GETRANGE', KEYS[2], 0, 28)

if record ~= '' then
    if record:byte() > FORMAT then
        return {'NEWER'}
    end

    return {'EXISTS', record:sub(10, 29)}
end

local claim = redis.call('GET', KEYS[7])

if claim then
    if claim:byte() > FORMAT then
        return {'NEWER'}
    end

    if claim:match('^.(.*)\31') ~= registry_id then
        return {'HELD'}
    end
end

redis.call('SET', KEYS[2], ARGV[4])
redis.call('ZADD', KEYS[3], 0, ARGV[5])
redis.call('HSETNX', KEYS[4], ARGV[6], sha256)
redis.call('SET', KEYS[7],
           string.char(FORMAT) .. registry_id .. '\31' .. operation_id)

redis.call('HSET', KEYS[5], 'v', FORMAT, 'k', 1, 'r', registry_id,
           'f', sha256, 'b', ARGV[8], 'c', ARGV[3], 'd', 1)
redis.call('PEXPIRE', KEYS[5], ARGV[9])

redis.call('ZADD', KEYS[6], 0, operation_id)
redis.call('PEXPIRE', KEYS[6], ARGV[9])

-- bounded: an add that finds many old ones leaves the rest to the next
local old = redis.call('ZRANGEBYLEX', KEYS[6], '-', '(' .. ARGV[10],
                       'LIMIT', 0, TRIM)
if #old > 0 then
    redis.call('ZREM', KEYS[6], unpack(old))
end

return {'OK'}
