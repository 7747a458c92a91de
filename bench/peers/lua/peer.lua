-- Copyright (C) ngx_http_iot_module authors
-- SPDX-License-Identifier: BSD-2-Clause

-- The registry of certificates in nginx's Lua: libcrypto by FFI, cjson, and
-- lua-nginx-redis with its pool of connections.

local cjson = require 'cjson.safe'
local ffi = require 'ffi'
local redis = require 'nginx.redis'

local C = ffi.C

ffi.cdef [[
typedef struct bio_st BIO;
typedef struct x509_st X509;
typedef struct evp_pkey_st EVP_PKEY;
typedef struct evp_md_st EVP_MD;
typedef struct asn1_string_st ASN1_TIME;

BIO *BIO_new_mem_buf(const void *buf, int len);
int BIO_free(BIO *bio);
X509 *PEM_read_bio_X509(BIO *bio, X509 **x509, void *cb, void *u);
void X509_free(X509 *x509);
EVP_PKEY *X509_get0_pubkey(const X509 *x509);
const ASN1_TIME *X509_get0_notBefore(const X509 *x509);
const ASN1_TIME *X509_get0_notAfter(const X509 *x509);
int X509_cmp_current_time(const ASN1_TIME *time);
int X509_digest(const X509 *x509, const EVP_MD *type, unsigned char *md,
    unsigned int *len);
const EVP_MD *EVP_sha256(void);
int EVP_PKEY_get_base_id(const EVP_PKEY *key);
int EVP_PKEY_get_bits(const EVP_PKEY *key);
int EVP_PKEY_get_group_name(const EVP_PKEY *key, char *name, size_t size,
    size_t *len);
int RAND_bytes(unsigned char *buf, int len);
void ERR_clear_error(void);
]]

local RSA, EC, ED25519 = 6, 408, 1087
local CURVES = { prime256v1 = true, secp384r1 = true, secp521r1 = true }

local REGISTRY = '^/iot-devices/v1/registries/([\\w-]{1,50})/certificates'
                 .. '(?:/([^/]+))?$'
local DIGITS = '0123456789abcdefghijklmnopqrstuv'
local LIFE = 30 * 24 * 3600
local CONNECTIONS, IDLE = 256, 60000

local OPERATION = '{"id":"%s","description":"%s registry certificate",'
    .. '"createdAt":"%s","createdBy":%s,"modifiedAt":"%s","done":true,'
    .. '"metadata":{"@type":"type.googleapis.com/yandex.cloud.iot.devices.v1.'
    .. '%sRegistryCertificateMetadata","registryId":"%s","fingerprint":"%s"},'
    .. '"response":{"@type":"type.googleapis.com/%s}}'
local CERTIFICATE = '"registryId":"%s","fingerprint":"%s",'
    .. '"certificateData":%s,"createdAt":"%s"'
local ADDED = 'yandex.cloud.iot.devices.v1.RegistryCertificate",'
local DELETED = 'google.protobuf.Empty"'

local callers = { ['Bearer bench'] = 'bench' }

local md = ffi.new 'unsigned char[32]'
local random = ffi.new 'unsigned char[20]'
local name, name_len = ffi.new 'char[32]', ffi.new 'size_t[1]'

local socket
local scripts = {}

local peer = {}


-- Errors are tables of HTTP status, code and message.

local function fail(http, code, message)
    error({ http = http, code = code, message = message }, 0)
end


local function invalid(message)
    fail(400, 3, message)
end


local function store(what)
    local red = redis:new()

    red:set_timeout(2000)

    local ok, err = red:connect(socket)

    if not ok then
        error(err, 0)
    end

    local result

    result, err = what(red)

    if err then
        red:close()
        error(err, 0)
    end

    red:set_keepalive(IDLE, CONNECTIONS)

    return result
end


-- Runs a script by its hash, with its text where the server has lost it.

local function run(script, ...)
    local arguments, n = { ... }, select('#', ...)

    return store(function (red)
        local result, err = red:evalsha(script.sha1, 4,
                                        unpack(arguments, 1, n))

        if err and err:find('NOSCRIPT', 1, true) then
            return red:eval(script.text, 4, unpack(arguments, 1, n))
        end

        return result, err
    end)
end


local function string_json(text)
    return (cjson.encode(text):gsub('\\/', '/'))
end


local function key_refusal(key)
    local kind = C.EVP_PKEY_get_base_id(key)

    if kind == RSA then
        return C.EVP_PKEY_get_bits(key) < 2048 and 'has a weak key'
    end

    if kind == EC then
        local known = C.EVP_PKEY_get_group_name(key, name, 32, name_len) == 1
                      and CURVES[ffi.string(name, name_len[0])]

        return not known and 'has a weak key'
    end

    return kind ~= ED25519 and 'has an unsupported key'
end


local function refusal(x509)
    local key = C.X509_get0_pubkey(x509)

    if key == nil then
        return 'has an unsupported key'
    end

    return key_refusal(key)
           or (C.X509_cmp_current_time(C.X509_get0_notBefore(x509)) >= 0
               or C.X509_cmp_current_time(C.X509_get0_notAfter(x509)) <= 0)
              and 'is not valid now'
end


-- The fingerprint of a PEM with one certificate that may be registered.

local function check(pem)
    if type(pem) ~= 'string' then
        invalid 'certificate_data is not a string'
    end

    local _, first = pem:find('-----BEGIN CERTIFICATE-----', 1, true)

    if not first or pem:find('-----BEGIN ', first, true) then
        invalid 'certificate_data has not one certificate'
    end

    local bio = C.BIO_new_mem_buf(pem, #pem)
    local x509 = C.PEM_read_bio_X509(bio, nil, nil, nil)

    C.BIO_free(bio)

    if x509 == nil then
        C.ERR_clear_error()
        invalid 'certificate_data cannot be parsed'
    end

    local refused = refusal(x509)
    local digested = C.X509_digest(x509, C.EVP_sha256(), md, nil) == 1

    C.X509_free(x509)
    C.ERR_clear_error()

    if refused or not digested then
        invalid('certificate_data ' .. (refused or 'has no digest'))
    end

    return (ffi.string(md, 32):gsub('.', function (byte)
        return ('%02x'):format(byte:byte())
    end))
end


local function operation_id()
    local id = {}

    C.RAND_bytes(random, 20)

    for i = 1, 20 do
        local digit = random[i - 1] % 32 + 1
        id[i] = DIGITS:sub(digit, digit)
    end

    return table.concat(id)
end


local function timestamp(now)
    return os.date('!%Y-%m-%dT%H:%M:%S', now)
           .. ('.%03dZ'):format(now * 1000 % 1000)
end


-- The keys and arguments that both scripts have, around two of their own.

local function finish(script, registry, fingerprint, id, one, two, operation)
    local now = ngx.now() * 1000

    return run(script, 'certificate:' .. fingerprint,
               'registry:' .. registry .. ':certificates',
               'operation:' .. id, 'registry:' .. registry .. ':operations',
               one, two, id, operation, LIFE, ('%.0f'):format(now),
               ('%.0f'):format(now - LIFE * 1000))
end


local function add_certificate(caller, registry)
    ngx.req.read_body()

    local body = ngx.req.get_body_data()
    local message = body and cjson.decode(body)

    if type(message) ~= 'table' then
        invalid 'the body is not JSON'
    end

    local pem = message.certificateData
    local fingerprint = check(pem)
    local id, at = operation_id(), timestamp(ngx.now())
    local certificate = CERTIFICATE:format(registry, fingerprint,
                                           string_json(pem), at)
    local answer = OPERATION:format(id, 'Add', at, string_json(caller), at,
                                    'Add', registry, fingerprint,
                                    ADDED .. certificate)

    local first = finish(scripts.add, registry, fingerprint, id,
                         at .. ':' .. fingerprint, '{' .. certificate .. '}',
                         answer)

    if first ~= ngx.null then
        fail(409, 6, 'exists, added by operation ' .. first)
    end

    return answer
end


local function delete_certificate(caller, registry, fingerprint)
    if not fingerprint:match('^%x+$') or #fingerprint ~= 64 then
        invalid 'fingerprint is not a fingerprint'
    end

    fingerprint = fingerprint:lower()

    local id, at = operation_id(), timestamp(ngx.now())
    local answer = OPERATION:format(id, 'Delete', at, string_json(caller), at,
                                    'Delete', registry, fingerprint, DELETED)

    if finish(scripts.delete, registry, fingerprint, id, registry,
              fingerprint, answer) == 0
    then
        fail(404, 5, 'there is no such certificate')
    end

    return answer
end


local function list_certificates(registry)
    local query = ngx.req.get_uri_args()
    local size, token = tonumber(query.pageSize or 100), query.pageToken

    if not size or size < 1 or size > 1000 then
        invalid 'page_size is not from 1 to 1000'
    end

    return store(function (red)
        local members, err = red:zrangebylex(
            'registry:' .. registry .. ':certificates',
            token and '(' .. token or '-', '+', 'LIMIT', 0, size + 1)

        if not members then
            return nil, err
        end

        local n = math.min(#members, size)
        local more = ''

        if #members > size then
            more = ',"nextPageToken":' .. string_json(members[size])
        end

        if n == 0 then
            return '{"certificates":[]}'
        end

        red:init_pipeline(n)

        for i = 1, n do
            red:hget('certificate:' .. members[i]:match('[^:]*$'),
                     'certificate')
        end

        local records

        records, err = red:commit_pipeline()

        return records and '{"certificates":[' .. table.concat(records, ',')
                           .. ']' .. more .. '}', err
    end)
end


local function get_operation(id)
    local answer = store(function (red)
        return red:get('operation:' .. id)
    end)

    if answer == ngx.null then
        fail(404, 5, 'there is no such operation')
    end

    return answer
end


local function route(caller)
    local method, uri = ngx.req.get_method(), ngx.var.uri
    local id = uri:match('^/operations/(.+)$')

    if id then
        return get_operation(id)
    end

    local part = ngx.re.match(uri, REGISTRY, 'jo')

    if not part then
        fail(404, 5, 'there is no such method')
    end

    if part[2] and method == 'DELETE' then
        return delete_certificate(caller, part[1], part[2])
    end

    if not part[2] and method == 'POST' then
        return add_certificate(caller, part[1])
    end

    if not part[2] and method == 'GET' then
        return list_certificates(part[1])
    end

    fail(405, 12, 'the method is not allowed')
end


local function script(file, sha1)
    local stream = assert(io.open(file))
    local text = stream:read('*a')

    stream:close()

    return { text = text, sha1 = sha1 }
end


-- redis: the path of its socket; folder: of the scripts; then their SHA-1

function peer.init(redis_socket, folder, add, delete)
    require 'resty.core'

    socket = 'unix:' .. redis_socket
    scripts.add = script(folder .. '/add.lua', add)
    scripts.delete = script(folder .. '/delete.lua', delete)
end


function peer.handle()
    local caller = callers[ngx.var.http_authorization]
    local ok, answer

    if caller then
        ok, answer = pcall(route, caller)
    else
        answer = { http = 401, code = 16, message = 'the caller is not known' }
    end

    if not ok then
        if type(answer) ~= 'table' then
            ngx.log(ngx.ERR, answer)
            answer = { http = 503, code = 14,
                       message = 'the store is not available' }
        end

        ngx.status = answer.http
        answer = cjson.encode { code = answer.code, message = answer.message }
    end

    ngx.header['Content-Type'] = 'application/json'
    ngx.header['Content-Length'] = #answer
    ngx.header['Cache-Control'] = 'no-store'
    ngx.header['x-request-id'] = ngx.var.request_id
    ngx.print(answer)
end


return peer
