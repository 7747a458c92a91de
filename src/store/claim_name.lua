-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Claims the name of a registry in its folder, for a Create or a rename that
-- is not stored yet: its operation is in another slot.  A Create also takes
-- its place in the folder's list and fixes its ids under its Idempotency-Key.
--
-- KEYS  1 names of the folder  2 list of the folder
--       3 idempotency record (the names again when there is none)
-- ARGV  1 registry id  2 operation id  3 name, may be ''
--       4 list member ('' with a rename)
--       5 the claim that may be taken over, '' for none
--       6 hash of the request, raw ('' when it has no Idempotency-Key)
--       7 life of an idempotency record, ms
--
-- A claim is one byte of format, registry id, 0x1f, operation id.  The
-- idempotency record is one byte of format, twenty of operation id, eight of
-- the hash, then the registry id.
--
-- Answers OK; SAME, registry id and operation id of the request that came
-- before under this Idempotency-Key; REUSED when that was another; HELD,
-- registry id and operation id of the claim that is there; NEWER.

local FORMAT = 1

local claim = string.char(FORMAT) .. ARGV[1] .. '\31' .. ARGV[2]

if ARGV[6] ~= '' then
    local record = redis.call('GET', KEYS[3])

    if record then
        if record:byte() > FORMAT then
            return {'NEWER'}
        end

        if record:sub(22, 29) ~= ARGV[6] then
            return {'REUSED'}
        end

        if record:sub(2, 21) ~= ARGV[2] then
            return {'SAME', record:sub(30), record:sub(2, 21)}
        end
    end
end

if ARGV[3] ~= '' then
    local held = redis.call('HGET', KEYS[1], ARGV[3])

    if held and held ~= claim and held ~= ARGV[5] then
        if held:byte() > FORMAT then
            return {'NEWER'}
        end

        return {'HELD', held:match('^.(.*)\31(.*)$')}
    end

    redis.call('HSET', KEYS[1], ARGV[3], claim)
end

if ARGV[4] ~= '' then
    redis.call('ZADD', KEYS[2], 0, ARGV[4])
end

if ARGV[6] ~= '' then
    redis.call('SET', KEYS[3],
               string.char(FORMAT) .. ARGV[2] .. ARGV[6] .. ARGV[1],
               'PX', ARGV[7])
end

return {'OK'}
