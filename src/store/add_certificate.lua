-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Adds a certificate to a registry: its record, its place in the list, its
-- SHA-1 alias and the finished operation, all of them or none.
--
-- Either its claim is among the keys and made here, or it was made before, by
-- this operation: then a refusal forbids the operation for ever.
--
-- Every check comes before the first write, and only commands follow that
-- cannot fail on what they find: Redis does not undo a script that fails.
--
-- KEYS  1 to 4 as lib/operation.lua has them
--       5 certificate  6 list of certificates  7 SHA-1 aliases
--       8 what waits  9 pending operations  10 stream of events
--       11 the operation's fence  12 claim, unless it was made before
-- ARGV  1 to 9 as lib/operation.lua has them
--       10 SHA-256, raw  11 SHA-1, raw  12 list member  13 certificate record
--       14 how many certificates the registry may have, 0: any number
--       15 life of a fence, ms
--       16 "immediate", or "backend": the record has the mark then, and the
--         operation waits
--
-- Answers OK, SAME, REUSED or TAKEN as lib/operation.lua has them,
-- NO_REGISTRY, DISABLED, FENCED, EXISTS and the operation that added it, HELD
-- with registry and operation that have claimed it, LIMIT, or NEWER (a record
-- of a newer gateway).

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua
-- include lib/claim.lua
-- include lib/fence.lua
-- include lib/limit.lua
-- include lib/member.lua
-- include lib/pending.lua

local sha256, claim_key = ARGV[10], KEYS[12]
local claimed = claim_value(ARGV[1], ARGV[2])

local function refusal()
    local answer = fence_answer(KEYS[11])
                   or registry_refusal(KEYS[1], ARGV[7], true)
                   or member_refusal(KEYS[5])

    if answer then
        return answer
    end

    local claim = claim_key and redis.call('GET', claim_key)

    if claim and claim ~= claimed then
        return claim_refusal(claim)
    end

    return limit_reached(KEYS[6], KEYS[8], ARGV[14]) and {'LIMIT'} or nil
end

local answer = operation_begun('1', sha256) or refusal()

if answer then
    if not claim_key and answer[1] ~= 'OK' then
        fence_set(KEYS[11], ARGV[15])
    end

    return answer
end

local event

redis.call('SET', KEYS[5], ARGV[13])

if ARGV[16] == 'backend' then
    event = pending_begin(KEYS[8], KEYS[9], KEYS[10], '1', sha256,
                          ARGV[13]:sub(MARK + 2))
else
    redis.call('ZADD', KEYS[6], '0', ARGV[12])
end

redis.call('HSETNX', KEYS[7], ARGV[11], sha256)

if claim_key then
    redis.call('SET', claim_key, claimed)
end

operation_store('1', sha256, event)

return {'OK'}
