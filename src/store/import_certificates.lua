-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Imports certificates into a registry: of each its record, its place in the
-- list, its SHA-1 alias and its claim, all of them or none; what is there
-- already stays as it is.  With no certificate: whether the registry can be
-- imported into.
--
-- KEYS  1 to 4 as lib/operation.lua has them
--       5 list of certificates  6 SHA-1 aliases
--       then of each certificate: its record, its claim
-- ARGV  1 to 9 as lib/operation.lua has them
--       10 "write" or "check": whether to leave it at the checks
--       then of each certificate: SHA-256, raw; SHA-1, raw; list member;
--       record
--
-- Answers NO_REGISTRY, DISABLED, NEWER (the registry), or OK and for each
-- certificate OK, EXISTS, HELD (by another registry) or NEWER.

-- include lib/registry.lua

local refusal = registry_refusal(KEYS[1], ARGV[7], true)

if refusal then
    return refusal
end

local seen = {}

local function check(record_key, claim_key, sha256)
    local record = redis.call('GETRANGE', record_key, 0, 0)

    if record ~= '' then
        return record:byte() > FORMAT and 'NEWER' or 'EXISTS'
    end

    local claim = redis.call('GET', claim_key)

    if claim then
        if claim:byte() > FORMAT then
            return 'NEWER'
        end

        if claim:match('^.(.*)\31') ~= ARGV[1] then
            return 'HELD'
        end
    end

    if seen[sha256] then
        return 'EXISTS'
    end

    seen[sha256] = true

    return 'OK'
end

local answer = {'OK'}

for i = 1, (#KEYS - 6) / 2 do
    answer[1 + i] = check(KEYS[5 + 2 * i], KEYS[6 + 2 * i], ARGV[7 + 4 * i])
end

if ARGV[10] == 'check' then
    return answer
end

local claim = string.char(FORMAT) .. ARGV[1] .. '\31' .. ARGV[2]

for i = 1, #answer - 1 do
    if answer[1 + i] == 'OK' then
        local arg = 6 + 4 * i

        redis.call('SET', KEYS[5 + 2 * i], ARGV[arg + 4])
        redis.call('ZADD', KEYS[5], 0, ARGV[arg + 3])
        redis.call('HSETNX', KEYS[6], ARGV[arg + 2], ARGV[arg + 1])
        redis.call('SET', KEYS[6 + 2 * i], claim)
    end
end

return answer
