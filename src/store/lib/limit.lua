-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Whether a registry has as many certificates as it may have.
-- list: of its certificates; waiting: what waits for a backend, adds too;
-- limit: 0 for none.

local function limit_reached(list, waiting, limit)
    if limit == '0' then
        return false
    end

    local adds = redis.call('HGET', waiting, 'n') or 0

    return redis.call('ZCARD', list) + adds >= tonumber(limit)
end
