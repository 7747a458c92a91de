-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Adds a certificate to a registry: its record, its place in the list, its
-- SHA-1 alias, its claim, and the finished operation, all of them or none.
--
-- Every check comes before the first write, and only commands follow that
-- cannot fail on what they find: Redis does not undo a script that fails.
--
-- KEYS  1 registry      2 certificate  3 list of certificates
--       4 SHA-1 aliases 5 operation    6 list of operations 7 claim
-- ARGV  1 registry id   2 operation id 3 createdAt, ms  4 createdBy
--       5 operation's life, ms
--       6 operations that sort before this are past it
--       7 "known" or "open": whether the registry must have a record
--       8 SHA-256, raw  9 SHA-1, raw  10 list member  11 certificate record
--
-- Answers OK, NO_REGISTRY, DISABLED, EXISTS and the operation that added it,
-- HELD (by another registry), NEWER (a record of a newer gateway) or TAKEN
-- (the operation id belongs to another).

-- include lib/registry.lua
-- include lib/operation.lua

local registry_id, operation_id, sha256 = ARGV[1], ARGV[2], ARGV[8]

local answer = registry_refusal(KEYS[1], ARGV[7], true)
               or operation_replay(KEYS[5], '1', sha256)

if answer then
    return answer
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

redis.call('SET', KEYS[2], ARGV[11])
redis.call('ZADD', KEYS[3], 0, ARGV[10])
redis.call('HSETNX', KEYS[4], ARGV[9], sha256)
redis.call('SET', KEYS[7],
           string.char(FORMAT) .. registry_id .. '\31' .. operation_id)

operation_store(KEYS[5], KEYS[6], operation_id, '1', registry_id, sha256,
                ARGV[4], ARGV[3], ARGV[5], ARGV[6])

return {'OK'}
