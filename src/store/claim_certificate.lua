-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Claims a certificate for an operation, when nobody has a claim on it, or
-- still the one that was found to be worth nothing.
--
-- KEYS  1 claim
-- ARGV  1 registry id  2 operation id
--       3 registry id  4 operation id of the claim that may go, or ''
--
-- Answers OK, HELD with registry and operation that have claimed it, or NEWER.

-- include lib/registry.lua
-- include lib/claim.lua

local claim = redis.call('GET', KEYS[1])
local claimed = claim_value(ARGV[1], ARGV[2])

if claim and claim ~= claimed and claim ~= claim_value(ARGV[3], ARGV[4]) then
    return claim_refusal(claim)
end

redis.call('SET', KEYS[1], claimed)

return {'OK'}
