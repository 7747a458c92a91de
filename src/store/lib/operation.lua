-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Operations, and the head that the scripts of all mutations have in common:
--
-- KEYS  1 registry       2 operation    3 list of operations
--       4 idempotency record (the operation again when there is none)
-- ARGV  1 registry id    2 operation id 3 now, ms     4 createdBy
--       5 operation's life, ms          6 operations that sort before this
--         are past it
--       7 "known" or "open": whether the registry must have a record
--       8 hash of the request, raw ('' when it has no Idempotency-Key)
--       9 life of an idempotency record, ms

local TRIM = '16'

-- Whether the operation was begun before: nil, or the answer.  SAME, REUSED
-- and NEWER as lib/idempotency.lua has them.  The same bytes may arrive twice
-- (a retry after an unknown outcome): OK when the operation is this one, TAKEN
-- when its id belongs to another, since random numbers repeated.

-- kind: the operation's number; subject: the raw SHA-256 of the certificate
-- that it is about, or ''

local function operation_begun(kind, subject)
    local answer = idempotency_answer(KEYS[4], ARGV[8])

    if answer and answer[2] ~= ARGV[2] then
        return answer
    end

    local operation = redis.call('HMGET', KEYS[2], 'v', 'k', 'f')

    if not operation[1] then
        return nil
    end

    if tonumber(operation[1]) > FORMAT then
        return {'NEWER'}
    end

    if operation[2] == kind and operation[3] == subject then
        return {'OK'}
    end

    return {'TAKEN'}
end

-- Stores the operation, its place in the list and its idempotency record.  It
-- is done, but when a backend has to finish it: event is its event's id then.

local function operation_store(kind, subject, event)
    redis.call('HSET', KEYS[2], 'v', FORMAT_TEXT, 'k', kind, 'r', ARGV[1],
               'f', subject, 'b', ARGV[4], 'c', ARGV[3],
               'd', event and '0' or '1')

    if event then
        redis.call('HSET', KEYS[2], 's', event)
    else
        redis.call('PEXPIRE', KEYS[2], ARGV[5])
    end

    redis.call('ZADD', KEYS[3], '0', ARGV[2])
    redis.call('PEXPIRE', KEYS[3], ARGV[5])

    -- bounded: who finds many old ones leaves the rest to the next

    local old = redis.call('ZRANGEBYLEX', KEYS[3], '-', '(' .. ARGV[6],
                           'LIMIT', '0', TRIM)
    if #old > 0 then
        redis.call('ZREM', KEYS[3], unpack(old))
    end

    if ARGV[8] ~= '' then
        redis.call('SET', KEYS[4],
                   string.char(FORMAT) .. ARGV[2] .. ARGV[8], 'PX', ARGV[9])
    end
end
