-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Begins to delete a registry: from here on it is not shown, takes nothing and
-- has nothing.  What it held is removed in batches by purge_registry.lua,
-- which finishes the operation.
--
-- KEYS  1 to 4 as lib/operation.lua has them
--       5 what waits for a backend
-- ARGV  1 to 9 as lib/operation.lua has them
--
-- Answers OK, SAME, REUSED or TAKEN as lib/operation.lua has them,
-- NO_REGISTRY, WAITS (operations of its certificates wait for a backend) or
-- NEWER.

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua

local answer = operation_begun('5', '')
               or registry_refusal(KEYS[1], 'known', false)

if answer then
    return answer
end

if redis.call('HLEN', KEYS[5]) > redis.call('HEXISTS', KEYS[5], 'n') then
    return {'WAITS'}
end

redis.call('HSET', KEYS[1], 's', DELETING, 'x', ARGV[2], 'e', ARGV[5])

operation_store('5', '')

redis.call('HSET', KEYS[2], 'd', 0)
redis.call('PERSIST', KEYS[2])

return {'OK'}
