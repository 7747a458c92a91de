-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Creates a registry under a name that its operation has claimed.
--
-- KEYS  1 to 4 as lib/operation.lua has them  5 the operation's fence
-- ARGV  1 to 9 as lib/operation.lua has them
--       10 folder id  11 name  12 description  13 labels  14 log options
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

operation_store('3', '')

return {'OK'}
