-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Operations that wait for a backend.  While one is pending
--
--     {t}:o:<operation>  has d = 0, s, the id of its event, and no TTL
--     {t}:p              has it with the time at which its event was delivered
--     {t}:w:<registry>   has what it is about, SHA-256 -> kind and operation,
--                        and in n how many of these are adds
--
-- and a certificate that is to be added has bit 7 of the byte at MARK set.

local EVENTS = 10000
local MARK, MARKED = 49, 128

local function pending_hex(bytes)
    return (bytes:gsub('.', function (byte)
        return string.format('%02x', byte:byte())
    end))
end

-- the member of {t}:p

local function pending_member(operation_id, registry_id, sha256)
    return operation_id .. ':' .. registry_id .. ':' .. pending_hex(sha256)
end

-- Puts an event on the shard's stream and returns its id.  event: "start" or
-- "cancel"; certificate: its bytes, or '' when it is not to be added.

local function pending_event(stream, event, operation_id, kind, registry_id,
                             sha256, by, created, certificate)
    local methods = {
        ['1'] = 'RegistryService.AddCertificate',
        ['2'] = 'RegistryService.DeleteCertificate'
    }

    return redis.call('XADD', stream, 'MAXLEN', '~', EVENTS, '*',
                      'event', event, 'operationId', operation_id,
                      'method', methods[kind], 'registryId', registry_id,
                      'fingerprint', pending_hex(sha256), 'createdBy', by,
                      'createdAt', created, 'certificate', certificate)
end

-- Begins to wait, in a script of a mutation: waiting, due, stream are {t}:w,
-- {t}:p and {t}:e.

local function pending_begin(waiting, due, stream, kind, sha256, certificate)
    local event = pending_event(stream, 'start', ARGV[2], kind, ARGV[1],
                                sha256, ARGV[4], ARGV[3], certificate)

    redis.call('HSET', waiting, sha256, kind .. ARGV[2])

    if kind == '1' then
        redis.call('HINCRBY', waiting, 'n', 1)
    end

    redis.call('ZADD', due, ARGV[3],
               pending_member(ARGV[2], ARGV[1], sha256))

    return event
end
