-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- A piece of a shard's pending operations, those first whose events were
-- delivered longest ago.
--
-- KEYS  1 pending operations
-- ARGV  1 and 2 the time and the operation id behind which it begins
--       3 how many at most
--
-- Answers OK, the members and their times, in turn.

local after, id = ARGV[1], ARGV[2]

-- of one time they stand in the order of ids

local same = redis.call('ZCOUNT', KEYS[1], after, after)
local found = redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf', 'WITHSCORES',
                         'LIMIT', 0, same + ARGV[3])
local piece = {}

for i = 1, #found, 2 do
    if #piece == 2 * ARGV[3] then
        break
    end

    if tonumber(found[i + 1]) > tonumber(after) or found[i]:sub(1, 20) > id
    then
        piece[#piece + 1] = found[i]
        piece[#piece + 1] = found[i + 1]
    end
end

return {'OK', piece}
