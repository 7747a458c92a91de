-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Whether a registry can be used: nil, or the refusal to answer.
-- key: the registry's record; mode: "known" or "open", whether it must have
-- one; adds: a disabled registry takes nothing new.

-- numbers that go to Redis are text: Lua's take Redis longest to write

local FORMAT, FORMAT_TEXT = 1, '1'
local ACTIVE, DELETING, DISABLED = '2', '3', '4'

local function registry_refusal(key, mode, adds)
    local registry = redis.call('HMGET', key, 'v', 's')

    if not registry[1] then
        return mode ~= 'open' and {'NO_REGISTRY'} or nil
    end

    if tonumber(registry[1]) > FORMAT then
        return {'NEWER'}
    end

    if registry[2] == DISABLED then
        return adds and {'DISABLED'} or nil
    end

    return registry[2] ~= ACTIVE and {'NO_REGISTRY'} or nil
end
