-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- What a claim is worth: whether its registry has the certificate, and if not,
-- sees to it that the claim's operation will never be stored.
--
-- KEYS  1 registry  2 certificate in it  3 operation  4 the operation's fence
-- ARGV  1 "young" or "old": the claim; "look": change nothing
--       2 life of a fence, ms
--
-- Answers MEMBER, PENDING (the operation may yet be stored, ask again later),
-- FREE or NEWER.

-- include lib/registry.lua
-- include lib/fence.lua

local registry = redis.call('HMGET', KEYS[1], 'v', 's')

if registry[1] and tonumber(registry[1]) > FORMAT then
    return {'NEWER'}
end

-- what a registry has that is being deleted is free for others

if registry[2] ~= DELETING and redis.call('EXISTS', KEYS[2]) == 1 then
    return {'MEMBER'}
end

-- what is stored or fenced will not be stored any more

if ARGV[1] == 'young' and redis.call('EXISTS', KEYS[3], KEYS[4]) == 0 then
    return {'PENDING'}
end

if ARGV[1] ~= 'look' then
    fence_set(KEYS[4], ARGV[2])
end

return {'FREE'}
