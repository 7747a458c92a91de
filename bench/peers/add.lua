-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Adds a certificate, for all peers: its record, its place in the registry's
-- list, and the finished operation with its place and its life, all of them or
-- none.  Whoever has the certificate already is answered with its operation.
--
-- KEYS  1 certificate  2 list of the registry's certificates
--       3 operation    4 list of the registry's operations
-- ARGV  1 list member  2 certificate, JSON  3 operation id  4 operation, JSON
--       5 operation's life, seconds  6 now, ms
--       7 operations older than this are past it, ms

local first = redis.call('HGET', KEYS[1], 'operation')

if first then
    return first
end

redis.call('HSET', KEYS[1], 'operation', ARGV[3], 'certificate', ARGV[2])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[5])
redis.call('ZADD', KEYS[4], ARGV[6], ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', ARGV[7])

return false
