-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Deletes a certificate: its record, its place in the list, its SHA-1 alias
-- and its claim go, the finished operation comes, all of it or nothing.  With
-- "backend" the certificate stays until the operation is finished.
--
-- KEYS are those of add_certificate.lua, and ARGV 1 to 10.
-- ARGV  11 "immediate" or "backend"
--
-- Answers OK, SAME, REUSED, TAKEN, NO_REGISTRY, NOT_FOUND, PENDING and the
-- operation that the certificate waits for, or NEWER.

-- include lib/registry.lua
-- include lib/idempotency.lua
-- include lib/operation.lua
-- include lib/certificate.lua
-- include lib/pending.lua

local registry_id, sha256 = ARGV[1], ARGV[10]

local answer = operation_begun('2', sha256)
               or registry_refusal(KEYS[1], ARGV[7], false)

if answer then
    return answer
end

local record = redis.call('GETRANGE', KEYS[5], 0, 48)

if record == '' then
    return {'NOT_FOUND'}
end

local claim = redis.call('GET', KEYS[8])

if record:byte() > FORMAT or claim and claim:byte() > FORMAT then
    return {'NEWER'}
end

local waits = redis.call('HGET', KEYS[9], sha256)

if waits then
    return {'PENDING', waits:sub(2)}
end

local event

if ARGV[11] == 'backend' then
    event = pending_begin(KEYS[9], KEYS[10], KEYS[11], '2', sha256, '')

else
    certificate_remove(KEYS[5], KEYS[6], KEYS[7], record, sha256)

    if claim and claim:match('^.(.*)\31') == registry_id then
        redis.call('DEL', KEYS[8])
    end
end

operation_store('2', sha256, event)

return {'OK'}
