-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Whether a registry has as many certificates as it may have.
-- list: of its certificates; limit: 0 for none.

local function limit_reached(list, limit)
    return limit ~= '0' and redis.call('ZCARD', list) >= tonumber(limit)
end
