-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Deletes a certificate: its record, its place in the list, its SHA-1 alias
-- and its claim go, the finished operation comes, all of it or nothing.
--
-- KEYS and ARGV 1 to 8 are those of add_certificate.lua.
--
-- Answers OK, NO_REGISTRY, NOT_FOUND, NEWER or TAKEN.

-- include lib/registry.lua
-- include lib/operation.lua

local registry_id, sha256 = ARGV[1], ARGV[8]

local answer = registry_refusal(KEYS[1], ARGV[7], false)
               or operation_replay(KEYS[5], '2', sha256)

if answer then
    return answer
end

-- format, eight bytes of createdAt, twenty of operation id, twenty of SHA-1
local record = redis.call('GETRANGE', KEYS[2], 0, 48)

if record == '' then
    return {'NOT_FOUND'}
end

if record:byte() > FORMAT then
    return {'NEWER'}
end

local sha1 = record:sub(30, 49)
local alias = redis.call('HGET', KEYS[4], sha1)
local claim = redis.call('GET', KEYS[7])

if claim and claim:byte() > FORMAT then
    return {'NEWER'}
end

redis.call('DEL', KEYS[2])
redis.call('ZREM', KEYS[3], record:sub(4, 9) .. sha256)

-- two certificates of one SHA-1 can be made: the alias may be the other's

if alias == sha256 then
    redis.call('HDEL', KEYS[4], sha1)
end

if claim and claim:match('^.(.*)\31') == registry_id then
    redis.call('DEL', KEYS[7])
end

operation_store(KEYS[5], KEYS[6], ARGV[2], '2', registry_id, sha256, ARGV[4],
                ARGV[3], ARGV[5], ARGV[6])

return {'OK'}
