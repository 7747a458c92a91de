-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Adds a certificate to a registry: its record, its place in the list, its
-- SHA-1 alias, its claim, and the finished operation, all of them or none.
--
-- Every check comes before the first write, and only commands follow that
-- cannot fail on what they find: Redis does not undo a script that fails.
--
-- KEYS  1 to 4 as lib/operation.lua has them
--       5 certificate  6 list of certificates  7 SHA-1 aliases  8 claim
-- ARGV  1 to 9 as lib/operation.lua has them
--       10 SHA-256, raw  11 SHA-1, raw  12 list member  13 certificate record
--
-- Answers OK, SAME, REUSED or TAKEN as lib/operation.lua has them,
-- NO_REGISTRY, DISABLED, EXISTS and the operation that added it, HELD (by
-- another registry) or NEWER (a record of a newer gateway).

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua

local registry_id, operation_id, sha256 = ARGV[1], ARGV[2], ARGV[10]

local answer = operation_begun('1', sha256)
               or registry_refusal(KEYS[1], ARGV[7], true)

if answer then
    return answer
end

-- one byte of format, eight of createdAt, twenty of operation id
local record = redis.call('GETRANGE', KEYS[5], 0, 28)

if record ~= '' then
    if record:byte() > FORMAT then
        return {'NEWER'}
    end

    return {'EXISTS', record:sub(10, 29)}
end

local claim = redis.call('GET', KEYS[8])

if claim then
    if claim:byte() > FORMAT then
        return {'NEWER'}
    end

    if claim:match('^.(.*)\31') ~= registry_id then
        return {'HELD'}
    end
end

redis.call('SET', KEYS[5], ARGV[13])
redis.call('ZADD', KEYS[6], 0, ARGV[12])
redis.call('HSETNX', KEYS[7], ARGV[11], sha256)
redis.call('SET', KEYS[8],
           string.char(FORMAT) .. registry_id .. '\31' .. operation_id)

operation_store('1', sha256)

return {'OK'}
