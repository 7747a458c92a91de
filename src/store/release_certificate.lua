-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Takes a claim back, if it is still there.
--
-- KEYS  1 claim
-- ARGV  1 registry id  2 operation id that have claimed it
--
-- Answers OK.

-- include lib/registry.lua
-- include lib/claim.lua

if redis.call('GET', KEYS[1]) == claim_value(ARGV[1], ARGV[2]) then
    redis.call('DEL', KEYS[1])
end

return {'OK'}
