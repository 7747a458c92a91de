-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Takes back what claim_name.lua has left in a folder, as far as it is still
-- there.
--
-- KEYS  1 to 3 as claim_name.lua has them
-- ARGV  1 registry id  2 operation id  3 name, may be ''
--       4 list member ('' when it stays)
--       5 hash of the request, raw ('' when the idempotency record stays)
--
-- Answers OK.

local FORMAT = 1

local claim = string.char(FORMAT) .. ARGV[1] .. '\31' .. ARGV[2]

if ARGV[3] ~= '' and redis.call('HGET', KEYS[1], ARGV[3]) == claim then
    redis.call('HDEL', KEYS[1], ARGV[3])
end

if ARGV[4] ~= '' then
    redis.call('ZREM', KEYS[2], ARGV[4])
end

if ARGV[5] ~= ''
   and redis.call('GET', KEYS[3])
       == string.char(FORMAT) .. ARGV[2] .. ARGV[5] .. ARGV[1]
then
    redis.call('DEL', KEYS[3])
end

return {'OK'}
