-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Deletes a certificate of a registry, for all peers, and stores the finished
-- operation.  Answers 1, or 0 when the registry has no such certificate.
--
-- KEYS  1 certificate  2 list of the registry's certificates
--       3 operation    4 list of the registry's operations
-- ARGV  1 registry id  2 fingerprint        3 operation id
--       4 operation, JSON  5 operation's life, seconds  6 now, ms
--       7 operations older than this are past it, ms

local record = redis.call('HGET', KEYS[1], 'certificate')
local certificate = record and cjson.decode(record)

if not certificate or certificate.registryId ~= ARGV[1] then
    return 0
end

redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], certificate.createdAt .. ':' .. ARGV[2])
redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[5])
redis.call('ZADD', KEYS[4], ARGV[6], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', ARGV[7])

return 1
