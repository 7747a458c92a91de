-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Reads fields of several hashes: records of operations or of registries.
--
-- KEYS  the hashes
-- ARGV  the fields
--
-- Answers for each hash what HMGET does.

local hashes = {}

for i, key in ipairs(KEYS) do
    hashes[i] = redis.call('HMGET', key, unpack(ARGV))
end

return hashes
