-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Deletes a certificate: its record, its place in the list, its SHA-1 alias
-- and its claim go, the finished operation comes, all of it or nothing.
--
-- KEYS  1 to 4 as lib/operation.lua has them
--       5 certificate  6 list of certificates  7 SHA-1 aliases
--       8 claim, when it is in the same slot
-- ARGV  1 to 9 as lib/operation.lua has them  10 SHA-256, raw
--
-- Answers OK with the operation that had claimed it (without, when this has
-- been done before), SAME, REUSED, TAKEN, NO_REGISTRY, NOT_FOUND or NEWER.

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua
-- include lib/claim.lua

local registry_id, sha256, claim_key = ARGV[1], ARGV[10], KEYS[8]

local answer = operation_begun('2', sha256)
               or registry_refusal(KEYS[1], ARGV[7], false)

if answer then
    return answer
end

-- format, eight bytes of createdAt, twenty of operation id, twenty of SHA-1
local record = redis.call('GETRANGE', KEYS[5], 0, 48)

if record == '' then
    return {'NOT_FOUND'}
end

if record:byte() > FORMAT then
    return {'NEWER'}
end

local added_by, sha1 = record:sub(10, 29), record:sub(30, 49)
local alias = redis.call('HGET', KEYS[7], sha1)
local claim = claim_key and redis.call('GET', claim_key)

if claim and claim:byte() > FORMAT then
    return {'NEWER'}
end

redis.call('DEL', KEYS[5])
redis.call('ZREM', KEYS[6], record:sub(4, 9) .. sha256)

-- two certificates of one SHA-1 can be made: the alias may be the other's

if alias == sha256 then
    redis.call('HDEL', KEYS[7], sha1)
end

if claim == claim_value(registry_id, added_by) then
    redis.call('DEL', claim_key)
end

operation_store('2', sha256)

return {'OK', added_by}
