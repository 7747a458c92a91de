-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- nil when the registry has no certificate of that key, else EXISTS and the
-- operation that added it, or NEWER.

local function member_refusal(key)

    -- one byte of format, eight of createdAt, twenty of operation id
    local record = redis.call('GETRANGE', key, '0', '28')

    if record == '' then
        return nil
    end

    if record:byte() > FORMAT then
        return {'NEWER'}
    end

    return {'EXISTS', record:sub(10, 29)}
end
