-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Imports certificates into a registry: of each its record, its place in the
-- list and its SHA-1 alias, all of them or none; what is there already stays
-- as it is.  With no certificate: whether the registry can be imported into.
--
-- Either the claims are among the keys and made here, or they were made
-- before, by the id of this batch, which stands for that of an operation.  The
-- batch fences itself: should it arrive once more, it changes nothing.
--
-- KEYS  1 to 4 as lib/operation.lua has them
--       5 list of certificates  6 SHA-1 aliases  7 the batch's fence
--       8 what waits for a backend
--       then of each certificate: its record; its claim, unless it was made
--       before
-- ARGV  1 to 9 as lib/operation.lua has them
--       10 "write" or "check": whether to leave it at the checks
--       11 "claim" or "claimed": whether the claims are among the keys
--       12 how many certificates the registry may have, 0: any number
--       13 how many of these a dry run has counted before
--       14 life of a fence, ms
--       15 "operation" or '': whether to store one when there is something new
--       then of each certificate: SHA-256, raw; SHA-1, raw; list member;
--       record
--
-- Answers NO_REGISTRY, DISABLED, NEWER (the registry), FENCED, or OK and for
-- each certificate OK, EXISTS, LIMIT, NEWER, or HELD with registry and
-- operation that have claimed it.

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua
-- include lib/claim.lua
-- include lib/fence.lua
-- include lib/member.lua

local FIRST_KEY, FIRST_ARG, ARGS = 9, 16, 4

local refusal = fence_answer(KEYS[7])
                or registry_refusal(KEYS[1], ARGV[7], true)

if refusal then
    return refusal
end

local keys = ARGV[11] == 'claim' and 2 or 1
local n = (#KEYS - FIRST_KEY + 1) / keys
local claimed = claim_value(ARGV[1], ARGV[2])

local room = math.huge

if ARGV[12] ~= '0' then
    room = tonumber(ARGV[12]) - ARGV[13] - redis.call('ZCARD', KEYS[5])
           - (redis.call('HGET', KEYS[8], 'n') or 0)
end

local seen = {}

local function check(key, arg)
    local answer = member_refusal(KEYS[key])

    if answer then
        return answer
    end

    if seen[ARGV[arg]] then
        return {'EXISTS'}
    end

    local claim = keys == 2 and redis.call('GET', KEYS[key + 1])

    if claim and claim ~= claimed then
        return claim_refusal(claim)
    end

    if room <= 0 then
        return {'LIMIT'}
    end

    room = room - 1
    seen[ARGV[arg]] = true

    return {'OK'}
end

local answer = {'OK'}

for i = 0, n - 1 do
    answer[2 + i] = check(FIRST_KEY + i * keys, FIRST_ARG + i * ARGS)
end

if n == 0 or ARGV[10] == 'check' then
    return answer
end

local changed = false

for i = 0, n - 1 do
    if answer[2 + i][1] == 'OK' then
        changed = true

        local key, arg = FIRST_KEY + i * keys, FIRST_ARG + i * ARGS

        redis.call('SET', KEYS[key], ARGV[arg + 3])
        redis.call('ZADD', KEYS[5], '0', ARGV[arg + 2])
        redis.call('HSETNX', KEYS[6], ARGV[arg + 1], ARGV[arg])

        if keys == 2 then
            redis.call('SET', KEYS[key + 1], claimed)
        end
    end
end

if changed and ARGV[15] == 'operation' then
    operation_store('8', '')
end

fence_set(KEYS[7], ARGV[14])

return answer
