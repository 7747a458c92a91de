-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- A claim is one byte of format, the registry's id, 0x1f, the operation's id.

local function claim_value(registry_id, operation_id)
    return string.char(FORMAT) .. registry_id .. '\31' .. operation_id
end

-- HELD and whose it is, or NEWER

local function claim_refusal(claim)
    if claim:byte() > FORMAT then
        return {'NEWER'}
    end

    return {'HELD', claim:match('^.(.*)\31(.*)$')}
end
