-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- What an earlier request left under the same Idempotency-Key: nil, or the
-- answer.  SAME and the id of the operation that it started; REUSED when it
-- was another request; NEWER.
--
-- key: the record, one byte of format, twenty of operation id, eight of the
-- request's hash; hash: of this request, '' when it has no Idempotency-Key.

local function idempotency_answer(key, hash)
    local record = hash ~= '' and redis.call('GET', key)

    if not record then
        return nil
    end

    if record:byte() > FORMAT then
        return {'NEWER'}
    end

    if record:sub(22) ~= hash then
        return {'REUSED'}
    end

    return {'SAME', record:sub(2, 21)}
end
