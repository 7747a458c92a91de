-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Finds a certificate of a registry by the SHA-1 that the cloud service has
-- printed as its fingerprint.
--
-- KEYS  1 registry  2 SHA-1 aliases
--       3 idempotency record (the registry again when there is none)
-- ARGV  1 "known" or "open": whether the registry must have a record
--       2 SHA-1, raw  3 hash of the request, or '': a delete that is repeated
--         finds its alias gone, and is answered for all that
--
-- Answers OK and the raw SHA-256, SAME, REUSED, NO_REGISTRY, NOT_FOUND or
-- NEWER.

-- include lib/registry.lua
-- include lib/idempotency.lua

local answer = idempotency_answer(KEYS[3], ARGV[3])
               or registry_refusal(KEYS[1], ARGV[1], false)

if answer then
    return answer
end

local sha256 = redis.call('HGET', KEYS[2], ARGV[2])

return sha256 and {'OK', sha256} or {'NOT_FOUND'}
