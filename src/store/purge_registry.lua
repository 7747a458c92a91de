-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Looks at some certificates of a registry that is being deleted, or removes
-- them and, with the last of them, the registry itself; then the operation is
-- done.
--
-- KEYS  1 registry  2 operation  3 list of certificates  4 SHA-1 aliases
--       5 what waits for a backend  6 … the certificates
-- ARGV  1 registry id  2 operation id  3 now, ms  4 'look' or 'remove'
--       5 … the certificates' places in the list
--
-- Answers MORE or DONE, and for each certificate the operation that has
-- claimed it ('' when it was not there); GONE when the operation does not
-- delete this registry (any more); NEWER.

-- include lib/registry.lua

local registry = redis.call('HMGET', KEYS[1], 'v', 's', 'x', 'e')

if not registry[1] then
    return {'GONE'}
end

if tonumber(registry[1]) > FORMAT then
    return {'NEWER'}
end

if registry[2] ~= DELETING or registry[3] ~= ARGV[2] then
    return {'GONE'}
end

local claims, sha1s, places, keys = {}, {}, {}, {}

for i = 6, #KEYS do

    -- one byte of format, eight of createdAt, twenty of operation id, twenty
    -- of SHA-1
    local record = redis.call('GETRANGE', KEYS[i], 0, 48)

    claims[#claims + 1] = record:sub(10, 29)
    sha1s[#sha1s + 1] = record:sub(30, 49)
    places[#places + 1] = ARGV[i - 1]
    keys[#keys + 1] = KEYS[i]
end

if ARGV[4] == 'look' then
    return {'MORE', claims}
end

if #keys > 0 then
    redis.call('DEL', unpack(keys))
    redis.call('ZREM', KEYS[3], unpack(places))
    redis.call('HDEL', KEYS[4], unpack(sha1s))
end

if redis.call('EXISTS', KEYS[3]) == 1 then
    return {'MORE', claims}
end

redis.call('DEL', KEYS[1], KEYS[4], KEYS[5])

-- clocks of gateways differ

local created = redis.call('HGET', KEYS[2], 'c') or ARGV[3]
local now = tonumber(ARGV[3]) > tonumber(created) and ARGV[3] or created

redis.call('HSET', KEYS[2], 'd', 1, 'm', now)
redis.call('PEXPIRE', KEYS[2], registry[4])

return {'DONE', claims}
