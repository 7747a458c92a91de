-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- A fence forbids that an operation is stored: whoever takes over what it has
-- claimed sets one first, and so does a commit that refuses, since its claim
-- is given back and it may arrive once more.
-- key: the operation's fence; life in ms, longer than a request is on its way.

local function fence_set(key, life)
    redis.call('SET', key, '', 'PX', life)
end

local function fence_answer(key)
    return redis.call('EXISTS', key) == 1 and {'FENCED'} or nil
end
