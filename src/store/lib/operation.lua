-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Operations that are born done.  The same bytes may arrive twice (a retry
-- after an unknown outcome): the operation's record tells, and nothing is
-- written again.

local TRIM = 16

-- nil when there is none of that key yet, else the answer: OK when it is this
-- one, TAKEN when its id belongs to another, since random numbers repeated

local function operation_replay(key, kind, sha256)
    local operation = redis.call('HMGET', key, 'v', 'k', 'f')

    if not operation[1] then
        return nil
    end

    if tonumber(operation[1]) > FORMAT then
        return {'NEWER'}
    end

    if operation[2] == kind and operation[3] == sha256 then
        return {'OK'}
    end

    return {'TAKEN'}
end

-- key, list: the operation's and the list's; life in ms; those that sort
-- before the id "past" are past it

local function operation_store(key, list, id, kind, registry_id, sha256, by,
                               created, life, past)
    redis.call('HSET', key, 'v', FORMAT, 'k', kind, 'r', registry_id,
               'f', sha256, 'b', by, 'c', created, 'd', 1)
    redis.call('PEXPIRE', key, life)

    redis.call('ZADD', list, 0, id)
    redis.call('PEXPIRE', list, life)

    -- bounded: who finds many old ones leaves the rest to the next

    local old = redis.call('ZRANGEBYLEX', list, '-', '(' .. past,
                           'LIMIT', 0, TRIM)
    if #old > 0 then
        redis.call('ZREM', list, unpack(old))
    end
end
