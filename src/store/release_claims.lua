-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Takes back the claims on certificates of a registry, as far as they are
-- still there.
--
-- KEYS  the claims
-- ARGV  1 registry id  2 … of each claim the operation that has made it
--
-- Answers OK.

local FORMAT = 1

for i, key in ipairs(KEYS) do
    local claim = string.char(FORMAT) .. ARGV[1] .. '\31' .. ARGV[i + 1]

    if redis.call('GET', key) == claim then
        redis.call('DEL', key)
    end
end

return {'OK'}
