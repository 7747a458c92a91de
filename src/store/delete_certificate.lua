-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Deletes a certificate: its record, its place in the list, its SHA-1 alias
-- and its claim go, the finished operation comes, all of it or nothing.  With
-- "backend" the certificate stays until the operation is finished.
--
-- KEYS  1 to 4 as lib/operation.lua has them
--       5 certificate  6 list of certificates  7 SHA-1 aliases
--       8 what waits  9 pending operations  10 stream of events
--       11 claim, when it is in the same slot
-- ARGV  1 to 9 as lib/operation.lua has them  10 SHA-256, raw
--       11 "immediate" or "backend"
--
-- Answers OK with the operation that had claimed it (without, when this has
-- been done before or is to be done by a backend), SAME, REUSED, TAKEN,
-- NO_REGISTRY, NOT_FOUND, PENDING and the operation that the certificate waits
-- for, or NEWER.

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua
-- include lib/claim.lua
-- include lib/certificate.lua
-- include lib/pending.lua

local registry_id, sha256, claim_key = ARGV[1], ARGV[10], KEYS[11]

local answer = operation_begun('2', sha256)
               or registry_refusal(KEYS[1], ARGV[7], false)

if answer then
    return answer
end

local record = redis.call('GETRANGE', KEYS[5], '0', '48')

if record == '' then
    return {'NOT_FOUND'}
end

if record:byte() > FORMAT then
    return {'NEWER'}
end

local claim = claim_key and redis.call('GET', claim_key)

if claim and claim:byte() > FORMAT then
    return {'NEWER'}
end

local waits = redis.call('HGET', KEYS[8], sha256)

if waits then
    return {'PENDING', waits:sub(2)}
end

if ARGV[11] == 'backend' then
    operation_store('2', sha256, pending_begin(KEYS[8], KEYS[9], KEYS[10],
                                               '2', sha256, ''))

    return {'OK'}
end

local added_by = record:sub(10, 29)

certificate_remove(KEYS[5], KEYS[6], KEYS[7], record, sha256)

if claim == claim_value(registry_id, added_by) then
    redis.call('DEL', claim_key)
end

operation_store('2', sha256)

return {'OK', added_by}
