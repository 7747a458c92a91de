-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- A piece of the list of a registry's operations, newest first.
--
-- KEYS  1 registry  2 list of operations
-- ARGV  1 "known" or "open": whether the registry must have a record
--       2 where it begins, as ZREVRANGEBYLEX has it  3 how many at most
--
-- Answers OK and the ids, NO_REGISTRY or NEWER.

-- include lib/registry.lua

local answer = registry_refusal(KEYS[1], ARGV[1], false)

if answer then
    return answer
end

return {'OK', redis.call('ZREVRANGEBYLEX', KEYS[2], ARGV[2], '-',
                         'LIMIT', 0, ARGV[3])}
