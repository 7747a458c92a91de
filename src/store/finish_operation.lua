-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Finishes an operation that waits for a backend, or cancels it.  Whatever
-- comes first is done; who comes later is told what he found.
--
-- KEYS  1 operation              2 list of operations  3 pending operations
--       4 stream of events       5 certificate         6 list of certificates
--       7 SHA-1 aliases          8 what waits          9 claim, where it is in
--         this script's reach
-- ARGV  1 registry id  2 operation id  3 SHA-256, raw  4 now, ms
--       5 operation's life, ms         6 "finish" or "cancel"
--       7 google.rpc.Code (0: it succeeded)  8 message  9 details
--       10 ... the fields to answer
--
-- Answers PENDING (it was, and is finished now) or DONE (before), with what
-- HMGET says of the operation, and in the first case with the operation whose
-- claim is to be released, if one is; NOT_FOUND; NEWER (a record of a newer
-- gateway).

-- include lib/registry.lua
-- include lib/claim.lua
-- include lib/certificate.lua
-- include lib/pending.lua

local registry_id, operation_id, sha256 = ARGV[1], ARGV[2], ARGV[3]
local failed = ARGV[7] ~= '0'

local function answer(word, added_by)
    return {word, redis.call('HMGET', KEYS[1], unpack(ARGV, 10)), added_by}
end

local operation = redis.call('HMGET', KEYS[1], 'v', 'd', 'k', 'b', 'c', 's')

if not operation[1] then
    return {'NOT_FOUND'}
end

if tonumber(operation[1]) > FORMAT then
    return {'NEWER'}
end

if operation[2] ~= '0' then
    return answer('DONE', '')
end

local record = redis.call('GETRANGE', KEYS[5], 0, MARK)
local claim = KEYS[9] and redis.call('GET', KEYS[9])

if record ~= '' and record:byte() > FORMAT
   or claim and claim:byte() > FORMAT then
    return {'NEWER'}
end

local kind, by, created, event = operation[3], operation[4], operation[5],
                                 operation[6]
local adds = kind == '1'
local added_by = ''

if adds and not failed then
    local mark = record:byte(MARK + 1)

    if mark and mark >= MARKED then
        redis.call('SETRANGE', KEYS[5], MARK, string.char(mark - MARKED))
        redis.call('ZADD', KEYS[6], 0, record:sub(4, 9) .. sha256)
    end

elseif (adds or not failed) and record ~= '' then
    added_by = record:sub(10, 29)

    certificate_remove(KEYS[5], KEYS[6], KEYS[7], record, sha256)

    if claim == claim_value(registry_id, added_by) then
        redis.call('DEL', KEYS[9])
    end
end

if redis.call('HDEL', KEYS[8], sha256) == 1 and adds then
    redis.call('HINCRBY', KEYS[8], 'n', -1)
end

redis.call('ZREM', KEYS[3], pending_member(operation_id, registry_id, sha256))

if event then
    redis.call('XDEL', KEYS[4], event)
end

if ARGV[6] == 'cancel' then
    pending_event(KEYS[4], 'cancel', operation_id, kind, registry_id, sha256,
                  by, created, '')
end

-- clocks of gateways differ

local now = tonumber(ARGV[4]) > tonumber(created) and ARGV[4] or created

redis.call('HDEL', KEYS[1], 's')
redis.call('HSET', KEYS[1], 'd', 1, 'm', now)

if failed then
    redis.call('HSET', KEYS[1], 'ec', ARGV[7], 'em', ARGV[8], 'ed', ARGV[9])
end

redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('ZADD', KEYS[2], 0, operation_id)
redis.call('PEXPIRE', KEYS[2], ARGV[5])

return answer('PENDING', added_by)
