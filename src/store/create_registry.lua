-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Creates a registry under a name that its operation has claimed, with
-- certificates that it has claimed as well.
--
-- KEYS  1 to 4 as lib/operation.lua has them  5 the operation's fence
--       6 list of certificates  7 SHA-1 aliases  8 … the certificates
-- ARGV  1 to 9 as lib/operation.lua has them
--       10 folder id  11 name  12 description  13 labels  14 log options
--       15 … of each certificate SHA-256, SHA-1, list member and record
--
-- Answers OK, TAKEN or NEWER as lib/operation.lua has them, FENCED, EXISTS (a
-- registry of that id) or DELETING (it is not gone yet).

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua

local answer = operation_begun('3', '')

if answer then
    return answer
end

if redis.call('EXISTS', KEYS[5]) == 1 then
    return {'FENCED'}
end

local registry = redis.call('HMGET', KEYS[1], 'v', 's')

if registry[1] then
    if tonumber(registry[1]) > FORMAT then
        return {'NEWER'}
    end

    return {registry[2] == DELETING and 'DELETING' or 'EXISTS'}
end

redis.call('HSET', KEYS[1], 'v', FORMAT, 's', ACTIVE, 'f', ARGV[10],
           'c', ARGV[3], 'n', ARGV[11], 'o', ARGV[2], 'd', ARGV[12],
           'l', ARGV[13], 'g', ARGV[14])

for i = 8, #KEYS do
    local sha256, sha1, member, record = unpack(ARGV, 4 * i - 17, 4 * i - 14)

    redis.call('SET', KEYS[i], record)
    redis.call('ZADD', KEYS[6], 0, member)
    redis.call('HSETNX', KEYS[7], sha1, sha256)
end

operation_store('3', '')

return {'OK'}
