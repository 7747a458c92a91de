-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- A piece of the list of a registry's certificates, oldest first.
--
-- KEYS  1 registry  2 list of certificates
-- ARGV  1 "known" or "open": whether the registry must have a record
--       2 where it begins, as ZRANGEBYLEX has it  3 how many at most
--
-- Answers OK and the members, NO_REGISTRY or NEWER.

-- include lib/registry.lua

local answer = registry_refusal(KEYS[1], ARGV[1], false)

if answer then
    return answer
end

return {'OK', redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], '+',
                         'LIMIT', 0, ARGV[3])}
