-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- What add_certificate.lua would say, for an operation that cannot claim its
-- certificate.  Only reads.
--
-- KEYS  1 registry  2 certificate
--       3 idempotency record (the registry again when there is none)
-- ARGV  1 "known" or "open": whether the registry must have a record
--       2 hash of the request, or ''
--
-- Answers OK, SAME, REUSED, NO_REGISTRY, DISABLED, EXISTS or NEWER.

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/member.lua

return idempotency_answer(KEYS[3], ARGV[2])
       or registry_refusal(KEYS[1], ARGV[1], true)
       or member_refusal(KEYS[2])
       or {'OK'}
