-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Changes fields of a registry: Update, Enable and Disable.
--
-- KEYS  1 to 4 as lib/operation.lua has them  5 the operation's fence
-- ARGV  1 to 9 as lib/operation.lua has them
--       10 kind of the operation
--       11 "claimed" when the operation has claimed the name, or needs none
--       12 … field and value by turns
--
-- Answers OK with the fields of the registry, the name that it had and the
-- operation that had claimed that, both '' when it keeps its name; SAME,
-- REUSED or TAKEN as lib/operation.lua has them, NO_REGISTRY, FENCED, RENAMED
-- (since it was read) or NEWER.

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua

local function done(name, operation)
    local fields = redis.call('HMGET', KEYS[1], 'v', 's', 'f', 'c', 'n', 'd',
                              'l', 'g')

    return {'OK', fields, name or '', operation or ''}
end

local answer = operation_begun(ARGV[10], '')

if answer then
    return answer[1] == 'OK' and done() or answer
end

answer = registry_refusal(KEYS[1], 'known', false)

if answer then
    return answer
end

if redis.call('EXISTS', KEYS[5]) == 1 then
    return {'FENCED'}
end

local was = redis.call('HMGET', KEYS[1], 'n', 'o')
local fields = {}
local renamed = false

for i = 12, #ARGV, 2 do
    fields[#fields + 1] = ARGV[i]
    fields[#fields + 1] = ARGV[i + 1]

    if ARGV[i] == 'n' and ARGV[i + 1] ~= (was[1] or '') then
        renamed = true
    end
end

if renamed then
    if ARGV[11] ~= 'claimed' then
        return {'RENAMED'}
    end

    fields[#fields + 1] = 'o'
    fields[#fields + 1] = ARGV[2]
end

redis.call('HSET', KEYS[1], unpack(fields))

operation_store(ARGV[10], '')

if renamed then
    return done(was[1], was[2])
end

return done()
