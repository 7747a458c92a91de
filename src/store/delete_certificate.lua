-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Deletes a certificate: its record, its place in the list, its SHA-1 alias
-- and its claim go, the finished operation comes, all of it or nothing.
--
-- KEYS are those of add_certificate.lua, and ARGV 1 to 10.
--
-- Answers OK, SAME, REUSED, TAKEN, NO_REGISTRY, NOT_FOUND or NEWER.

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua

local registry_id, sha256 = ARGV[1], ARGV[10]

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

local sha1 = record:sub(30, 49)
local alias = redis.call('HGET', KEYS[7], sha1)
local claim = redis.call('GET', KEYS[8])

if claim and claim:byte() > FORMAT then
    return {'NEWER'}
end

redis.call('DEL', KEYS[5])
redis.call('ZREM', KEYS[6], record:sub(4, 9) .. sha256)

-- two certificates of one SHA-1 can be made: the alias may be the other's

if alias == sha256 then
    redis.call('HDEL', KEYS[7], sha1)
end

if claim and claim:match('^.(.*)\31') == registry_id then
    redis.call('DEL', KEYS[8])
end

operation_store('2', sha256)

return {'OK'}
