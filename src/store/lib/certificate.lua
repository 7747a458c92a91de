-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- Removes a certificate: its record, its place in the list, its SHA-1 alias.
-- record: the record's first 49 bytes, which are format, eight bytes of
-- createdAt, twenty of operation id, twenty of SHA-1.

local function certificate_remove(key, list, aliases, record, sha256)
    local sha1 = record:sub(30, 49)
    local alias = redis.call('HGET', aliases, sha1)

    redis.call('DEL', key)
    redis.call('ZREM', list, record:sub(4, 9) .. sha256)

    -- two certificates of one SHA-1 can be made: the alias may be the other's

    if alias == sha256 then
        redis.call('HDEL', aliases, sha1)
    end
end
