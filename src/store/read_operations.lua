-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Reads the records of several operations.
--
-- KEYS  the operations
-- ARGV  the fields
--
-- Answers for each operation what HMGET does.

local operations = {}

for i, key in ipairs(KEYS) do
    operations[i] = redis.call('HMGET', key, unpack(ARGV))
end

return operations
