-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- What the claim of a name is worth: whether its registry has that name, and
-- if not, sees to it that the claim's operation will never be stored.
--
-- KEYS  1 registry of the claim  2 operation of the claim  3 its fence
-- ARGV  1 name  2 "young" or "old": the claim  3 life of a fence, ms
--       4 folder id: of that id there may be a registry in another, by now
--
-- Answers MEMBER, PENDING (the operation may yet be stored, ask again later),
-- FREE or NEWER.

-- include lib/registry.lua

local registry = redis.call('HMGET', KEYS[1], 'v', 's', 'n', 'f')

if registry[1] and tonumber(registry[1]) > FORMAT then
    return {'NEWER'}
end

if registry[3] == ARGV[1] and registry[4] == ARGV[4]
   and not registry_refusal(KEYS[1], 'known', false)
then
    return {'MEMBER'}
end

if redis.call('EXISTS', KEYS[2]) == 0 then
    if ARGV[2] == 'young' then
        return {'PENDING'}
    end

    redis.call('SET', KEYS[3], '', 'PX', ARGV[3])
end

return {'FREE'}
