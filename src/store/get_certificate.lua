-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Reads a certificate of a registry.
--
-- KEYS  1 registry  2 certificate
-- ARGV  1 "known" or "open": whether the registry must have a record
--
-- Answers OK and the record, NO_REGISTRY, NOT_FOUND or NEWER (the registry is;
-- who asked looks at the certificate's format).

-- include lib/registry.lua

local answer = registry_refusal(KEYS[1], ARGV[1], false)

if answer then
    return answer
end

local record = redis.call('GET', KEYS[2])

return record and {'OK', record} or {'NOT_FOUND'}
