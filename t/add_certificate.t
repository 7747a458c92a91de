# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# AddCertificate over HTTP: POST .../registries/{registryId}/certificates.
# What the answer holds, what Redis holds afterwards, and who is refused.  The
# body's JSON, the certificate's checks and the ways a body can arrive have
# files of their own.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

use POSIX ();
use Time::HiRes ();

plan tests => 312;

log_level('info');
no_long_string();

# "fleet" is in the shard 7e, which its keys and the ids of its operations carry

gateway(registries => ['fleet', 'plant-7']);
redis_start();

our $pem = certificate(key => 'rsa:2048');
our $other = certificate(key => 'ec:P-256');

our $uri = '/iot-devices/v1/registries/fleet/certificates';
our $began = time;


# ---- what is expected to vary ---------------------------------------------

sub fingerprint {
    my ($hash) = @_;

    my $text = qx{openssl x509 -noout -fingerprint -$hash << 'END'\n$pem\nEND};
    return lc $text =~ s/.*=|:|\s//gr;
}

our %name = (
    sha256 => fingerprint('sha256'),
    sha1 => fingerprint('sha1'),
    pem => json($pem) =~ s/\A"|"\z//gr,
);

# the claim's shard is in the first ten bits of the fingerprint
our $claim = do {
    my @digits = (0 .. 9, 'a' .. 'v');
    my $shard = hex(substr $name{sha256}, 0, 4) >> 6;
    "{$digits[$shard >> 5]$digits[$shard & 31]}:x:$name{sha256}";
};

our $record = "{7e}:c:fleet:$name{sha256}";

# The Operation of $pem as it is, but for what differs each time: a place name
# stands only for the right value.  Then one member a line.

our ($id, $created);

sub masked {
    my ($text) = @_;

    ($id) = $text =~ /"id":"(7e[0-9a-v]{18})"/;
    ($created) = $text =~ /"createdAt":"([^"]*)"/;

    my ($day, $time, $ms) =
        ($created // '') =~ /^(\S{10})T(\d\d:\d\d:\d\d)\.(\d{3})Z$/;
    my $now = POSIX::strftime('%F %T', gmtime Time::HiRes::time);
    my $then = POSIX::strftime('%F %T', gmtime $began);

    return "not now: $text"
        unless $ms && "$day $time" ge $then && "$day $time" le $now;

    my %place = (id => $id, time => $created, %name);

    $text =~ s/\Q"$place{$_}"\E/"<$_>"/g for keys %place;

    return $text =~ s/([,{])"/$1\n"/gr . "\n";
}

# the same for a look into Redis; for the answer itself as others have it

sub seen {
    my ($text) = @_;

    masked($text);
    return answer($text);
}

# certificateData, from the answer and from the operation when it is read again

sub certificate_data {
    my ($text) = @_;

    my ($operation) = $text =~ /"id":"(\w+)"/ or return $text;
    my $again = converse("GET /operations/$operation HTTP/1.1\r\nHost: a\r\n"
        . "Authorization: Bearer alice\r\nConnection: close\r\n\r\n")
        =~ s/.*?\r\n\r\n//sr;

    return "read again as $again" if $again ne $text;

    return JSON::PP->new->utf8->decode($text)->{response}{certificateData}
        =~ s/(.*)/my $text = $1; utf8::encode($text); $text/ser;
}

# refusals, with the id of the block's first operation named

our $first;

sub first_named {
    my ($text) = @_;

    $first = $1 if $text =~ /^\{"id":"(\w+)"/;
    return answer($text) =~ s/\Q$first\E/<first>/r;
}

# Everything in Redis but the registries, after $pem was added to "fleet" and
# answered as masked() has seen it: key, type, life in seconds, and values with
# names in place of what the certificate and the operation say.

sub stored {
    my $ms = $created =~ /\.(\d+)/ ? $1 : 0;
    my ($y, $m, $d, $H, $M, $S) = $created =~ /(\d+)/g;

    $ms += 1000 * qx{date -u -d '$y-$m-$d $H:$M:$S' +%s};

    my @place = (
        [der => der($pem)], [text => $pem],
        [sha256 => $name{sha256}], ['raw sha256' => pack 'H*', $name{sha256}],
        ['raw sha1' => pack 'H*', $name{sha1}], [id => $id],
        [ms => $ms], ['8 ms' => pack 'Q>', $ms],
        ['6 ms' => substr pack('Q>', $ms), 2],
    );

    my %text;

    for my $key (@{ redis('KEYS', '*') }) {
        next if $key =~ /:r:/;

        my $type = redis('TYPE', $key);
        my $life = redis('TTL', $key);
        my @value = $type eq 'string' ? redis('GET', $key)
            : $type eq 'hash' ? @{ redis('HGETALL', $key) }
            : @{ redis('ZRANGE', $key, 0, -1, 'WITHSCORES') };

        $key =~ s/\Q$claim\E/<claim>/;

        for my $word ($key, @value) {
            $word =~ s/\Q$_->[1]\E/<$_->[0]>/g for @place;
            $word =~ s/([^ -~])/sprintf '\x%02x', ord $1/ge;
        }

        if ($type eq 'hash') {
            my %of = @value;
            @value = map { "$_=$of{$_}" } sort keys %of;
        }

        $text{$key} = "$key $type" . ($life < 0 ? '' : ", $life s") . "\n"
            . join '', map { "    $_\n" } @value;
    }

    return join '', map { $text{$_} } sort keys %text;
}

add_response_body_check(sub {
    my ($block) = @_;

    is_str(stored(), $block->stored, $block->name . ' - stored')
        if defined $block->stored;
});

run_tests();

__DATA__

=== TEST 1: the answer is the finished Operation, field by field in this order
--- request eval
::add_certificate('fleet', $::pem)
--- response_body_filters eval
\&::masked
--- response_body
{
"id":"<id>",
"description":"Add registry certificate",
"createdAt":"<time>",
"createdBy":"alice",
"modifiedAt":"<time>",
"done":true,
"metadata":{
"@type":"type.googleapis.com/yandex.cloud.iot.devices.v1.AddRegistryCertificateMetadata",
"registryId":"fleet",
"fingerprint":"<sha256>"},
"response":{
"@type":"type.googleapis.com/yandex.cloud.iot.devices.v1.RegistryCertificate",
"registryId":"fleet",
"fingerprint":"<sha256>",
"certificateData":"<pem>",
"createdAt":"<time>"}}
--- no_error_log
[warn]
[error]
[crit]
[alert]



=== TEST 2: headers of the answer
--- request eval
::add_certificate('fleet', $::pem)
--- response_body
added to fleet
--- response_headers
Content-Type: application/json
Cache-Control: no-store
! Transfer-Encoding
! Location
! Retry-After
! Allow
--- raw_response_headers_like chop
Content-Length: \d+\r\n.*x-request-id: [0-9a-f]{32}\r\n



=== TEST 3: x-request-id is nginx's $request_id
--- http_config eval
::http_config('log_format id "$status $request_id $sent_http_x_request_id";')
--- settings
access_log logs/access.log id;
--- request eval
::add_certificate('fleet', $::pem)
--- response_body
added to fleet
--- access_log eval
qr/^200 ([0-9a-f]{32}) \1$/



=== TEST 4: an error carries it too, in its header and in its details
--- http_config eval
::http_config('log_format id "$status $request_id $sent_http_x_request_id";')
--- settings
access_log logs/access.log id;
--- talk eval
["PUT $::uri HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer alice\r\n"
 . "Connection: close\r\n\r\n"]
--- heard
405
12 METHOD_NOT_ALLOWED
--- access_log eval
qr/^405 ([0-9a-f]{32}) \1$/



=== TEST 5: an error as it is, byte by byte
--- request eval
"PUT $::uri"
--- error_code: 405
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body_filters eval
sub { $_[0] =~ s/"[0-9a-f]{32}"/"<id>"/r =~ s/([,{])"/$1\n"/gr }
--- response_body chomp
{
"code":12,
"message":"the path does not serve this HTTP method",
"details":[{
"@type":"type.googleapis.com/google.rpc.RequestInfo",
"requestId":"<id>"},{
"@type":"type.googleapis.com/google.rpc.ErrorInfo",
"reason":"METHOD_NOT_ALLOWED",
"domain":"ngx_http_iot_module"}]}



=== TEST 6: certificateData comes back byte for byte: as openssl writes it
--- request eval
::add_certificate('fleet', $::pem)
--- response_body_filters eval
\&::certificate_data
--- response_body eval
$::pem



=== TEST 7: without the last newline, as "$(cat device.pem)" gives it
--- request eval
::add_certificate('fleet', $::pem =~ s/\n\z//r)
--- response_body_filters eval
\&::certificate_data
--- response_body eval
$::pem =~ s/\n\z//r



=== TEST 8: with CRLF
--- request eval
::add_certificate('fleet', $::pem =~ s/\n/\r\n/gr)
--- response_body_filters eval
\&::certificate_data
--- response_body eval
$::pem =~ s/\n/\r\n/gr



=== TEST 9: in lines of another length
--- request eval
::add_certificate('fleet', $::pem =~ s/^(\S{32})(\S{32})$/$1\n$2/gmr)
--- response_body_filters eval
\&::certificate_data
--- response_body eval
$::pem =~ s/^(\S{32})(\S{32})$/$1\n$2/gmr



=== TEST 10: with text around it, and all that JSON has to escape
--- request eval
::add_certificate('fleet', qq{a "\\/\b\f\t\x01\x7f\n$::pem\n\nthe end})
--- response_body_filters eval
\&::certificate_data
--- response_body eval
qq{a "\\/\b\f\t\x01\x7f\n$::pem\n\nthe end}



=== TEST 11: with a NUL in the text around
--- request eval
::add_certificate('fleet', "a\0b\n$::pem\0")
--- response_body_filters eval
\&::certificate_data
--- response_body eval
"a\0b\n$::pem\0"



=== TEST 12: with UTF-8 in the text around, in and beyond the BMP
--- request eval
::add_certificate('fleet',
    "\xd0\xb4\xe2\x82\xac\xf0\x9f\x94\x91\xf4\x8f\xbf\xbf\n$::pem")
--- response_body_filters eval
\&::certificate_data
--- response_body eval
"\xd0\xb4\xe2\x82\xac\xf0\x9f\x94\x91\xf4\x8f\xbf\xbf\n$::pem"



=== TEST 13: every character of it may be sent as an escape
--- request eval
"POST $::uri\n" . '{"certificateData":"'
    . $::pem =~ s/(.)/sprintf '\u%04x', ord $1/gesr . '"}'
--- response_body_filters eval
\&::certificate_data
--- response_body eval
$::pem



=== TEST 14: surrogate pairs and short escapes are read, UTF-8 comes back
--- request eval
my $text = ::json($::pem) =~ s/\A"|"\z//gr;
"POST $::uri\n" . '{"certificateData":"\ud83d\udd11\u00e9\/\b\f\r\t\"\\\\\n'
    . $text . '"}'
--- response_body_filters eval
\&::certificate_data
--- response_body eval
"\xf0\x9f\x94\x91\xc3\xa9/\b\f\r\t\"\\\n$::pem"



=== TEST 15: what Redis has afterwards, and nothing else
Record of the certificate: format 1, createdAt, operation, 1 for "as DER".
--- request eval
::add_certificate('fleet', $::pem)
--- response_body_filters eval
\&::seen
--- response_body
added to fleet
--- stored
<claim> string
    \x01fleet\x1f<id>
{7e}:c:fleet:<sha256> string
    \x01<8 ms><id><raw sha1>\x01<der>
{7e}:h:fleet hash
    <raw sha1>=<raw sha256>
{7e}:o:<id> hash, 2592000 s
    b=alice
    c=<ms>
    d=1
    f=<raw sha256>
    k=1
    r=fleet
    v=1
{7e}:y:fleet zset, 2592000 s
    <id>
    0
{7e}:z:fleet zset
    <6 ms><raw sha256>
    0
--- dbsize: 8



=== TEST 16: a text that the DER does not give again is kept as it is
The byte after format, createdAt, operation and SHA-1 says which: 0, as it was sent.
--- request eval
::add_certificate('fleet', "a\n$::pem")
--- response_body
added to fleet
--- after eval
[['GETRANGE', $::record, 49, -1]]
--- says eval
"\0a\n$::pem\n"



=== TEST 17: of the usual text without its last newline the DER is enough
--- request eval
::add_certificate('fleet', $::pem =~ s/\n\z//r)
--- response_body
added to fleet
--- after eval
[['GETRANGE', $::record, 49, -1]]
--- says eval
"\2" . ::der($::pem) . "\n"



=== TEST 18: iot_operation_retention is the life of the operation and its index
--- settings
iot_operation_retention 2h;
iot_idempotency_retention 1h;
--- request eval
::add_certificate('fleet', $::pem)
--- response_body_filters eval
\&::seen
--- response_body
added to fleet
--- stored
<claim> string
    \x01fleet\x1f<id>
{7e}:c:fleet:<sha256> string
    \x01<8 ms><id><raw sha1>\x01<der>
{7e}:h:fleet hash
    <raw sha1>=<raw sha256>
{7e}:o:<id> hash, 7200 s
    b=alice
    c=<ms>
    d=1
    f=<raw sha256>
    k=1
    r=fleet
    v=1
{7e}:y:fleet zset, 7200 s
    <id>
    0
{7e}:z:fleet zset
    <6 ms><raw sha256>
    0



=== TEST 19: entries of the operations' index that are past it go
Characters 3 to 11 of an id are its time: these two are of 1970.
--- before
ZADD {7e}:y:fleet 0 7e000000000000000000 0 7e00000000vvvvvvvvvv
--- request eval
::add_certificate('fleet', $::pem)
--- response_body
added to fleet
--- after
ZCARD {7e}:y:fleet
ZCOUNT {7e}:y:fleet 0 0
ZLEXCOUNT {7e}:y:fleet - [7e00000000vvvvvvvvvv
--- says
1
1
0



=== TEST 20: an entry that is not past it stays
--- before
ZADD {7e}:y:fleet 0 7evvvvvvvvv000000000
--- request eval
::add_certificate('fleet', $::pem)
--- response_body
added to fleet
--- after
ZCARD {7e}:y:fleet
--- says
2



=== TEST 21: at most 16 old entries go with one add
--- before eval
[map { ['ZADD', '{7e}:y:fleet', 0, sprintf '7e0000000000%08d', $_] } 1 .. 20]
--- request eval
::add_certificate('fleet', $::pem)
--- response_body
added to fleet
--- after
ZCARD {7e}:y:fleet
--- says
5



=== TEST 22: a certificate that is in the registry already names its operation
--- request eval
[(::add_certificate('fleet', $::pem)) x 3]
--- error_code eval
[200, 409, 409]
--- response_body_filters eval
\&::first_named
--- response_body eval
my $exists = <<"END";
6 CERTIFICATE_EXISTS
resource yandex.cloud.iot.devices.v1.RegistryCertificate $::name{sha256}
metadata operationId <first>
metadata registry this
END
["added to fleet\n", $exists, $exists]



=== TEST 23: the same certificate in another text is the same certificate
--- request eval
[::add_certificate('fleet', $::pem),
 ::add_certificate('fleet', "again\r\n" . $::pem =~ s/\n/\r\n/gr)]
--- error_code eval
[200, 409]
--- response_body_filters eval
\&::first_named
--- response_body eval
["added to fleet\n", <<"END"]
6 CERTIFICATE_EXISTS
resource yandex.cloud.iot.devices.v1.RegistryCertificate $::name{sha256}
metadata operationId <first>
metadata registry this
END



=== TEST 24: a certificate of another registry does not tell which
--- request eval
[::add_certificate('plant-7', $::pem),
 ::add_certificate('fleet', $::pem)]
--- error_code eval
[200, 409]
--- response_body_filters eval
[sub { $_[0] =~ /"code":.*(?:plant-7|"[0-9a-v]{20}")/ ? 'it tells' : $_[0] },
 \&::answer]
--- response_body eval
["added to plant-7\n", <<"END"]
6 CERTIFICATE_EXISTS
resource yandex.cloud.iot.devices.v1.RegistryCertificate $::name{sha256}
metadata registry another
END
--- raw_response_headers_unlike eval
['plant-7', 'plant-7']
--- dbsize: 8



=== TEST 25: with "open" too
--- settings
iot_registries open;
--- request eval
[::add_certificate('a', $::pem), ::add_certificate('b', $::pem)]
--- error_code eval
[200, 409]
--- response_body eval
["added to a\n", <<"END"]
6 CERTIFICATE_EXISTS
resource yandex.cloud.iot.devices.v1.RegistryCertificate $::name{sha256}
metadata registry another
END



=== TEST 26: a registry without a record does not exist
--- request eval
::add_certificate('nowhere', $::pem)
--- error_code: 404
--- response_body
5 REGISTRY_NOT_FOUND
resource yandex.cloud.iot.devices.v1.Registry nowhere
--- dbsize: 2



=== TEST 27: ids are compared with regard to case
--- request eval
::add_certificate('Fleet', $::pem)
--- error_code: 404
--- response_body
5 REGISTRY_NOT_FOUND
resource yandex.cloud.iot.devices.v1.Registry Fleet
--- dbsize: 2



=== TEST 28: with iot_registries open it needs no record, and gets none
--- settings
iot_registries open;
--- before
DEL {7e}:r:fleet
--- request eval
::add_certificate('fleet', $::pem)
--- response_body
added to fleet
--- after
EXISTS {7e}:r:fleet
--- says
0
--- dbsize: 7



=== TEST 29: a disabled registry accepts no certificates
--- before
HSET {7e}:r:fleet s 4
--- request eval
::add_certificate('fleet', $::pem)
--- error_code: 400
--- response_body
9 REGISTRY_DISABLED
--- dbsize: 2



=== TEST 30: with "open" neither
--- settings
iot_registries open;
--- before
HSET {7e}:r:fleet s 4
--- request eval
::add_certificate('fleet', $::pem)
--- error_code: 400
--- response_body
9 REGISTRY_DISABLED
--- dbsize: 2



=== TEST 31: a registry that is being deleted does not exist any more
--- before
HSET {7e}:r:fleet s 3
--- request eval
::add_certificate('fleet', $::pem)
--- error_code: 404
--- response_body
5 REGISTRY_NOT_FOUND
resource yandex.cloud.iot.devices.v1.Registry fleet
--- dbsize: 2



=== TEST 32: with "open" neither
--- settings
iot_registries open;
--- before
HSET {7e}:r:fleet s 3
--- request eval
::add_certificate('fleet', $::pem)
--- error_code: 404
--- response_body
5 REGISTRY_NOT_FOUND
resource yandex.cloud.iot.devices.v1.Registry fleet
--- dbsize: 2



=== TEST 33: a registry of a newer format
--- before
HSET {7e}:r:fleet v 2
--- request eval
::add_certificate('fleet', $::pem)
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body
14 STORE_NEWER_FORMAT
retry 1s
--- dbsize: 2



=== TEST 34: which is logged once, however often it is met
--- before
HSET {7e}:r:fleet v 2
--- talk eval
my ($line, $body) = split /\n/, ::add_certificate('fleet', $::pem), 2;
my $request = "$line HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer alice\r\n"
    . 'Content-Length: ' . length($body);
["$request\r\n\r\n$body", qr/"retryDelay":"1s"}]}/,
 "$request\r\nConnection: close\r\n\r\n$body"]
--- heard
503
14 STORE_NEWER_FORMAT
retry 1s
503
14 STORE_NEWER_FORMAT
retry 1s
--- grep_error_log: a newer format
--- grep_error_log_out
a newer format



=== TEST 35: a certificate of a newer format
--- before eval
[['SET', $::record, "\x02whatever"]]
--- request eval
::add_certificate('fleet', $::pem)
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body
14 STORE_NEWER_FORMAT
retry 1s
--- dbsize: 3



=== TEST 36: a claim of a newer format
--- before eval
[['SET', $::claim, "\x02whatever"]]
--- request eval
::add_certificate('fleet', $::pem)
--- error_code: 503
--- response_body
14 STORE_NEWER_FORMAT
retry 1s
--- dbsize: 3



=== TEST 37: key_prefix goes before every key
--- http_config eval
::http_config() =~ s/iot_store main \{\K/ key_prefix gw-1:;/r
--- init
Iot::create_registry('fleet', '-p', 'gw-1:');
--- request eval
::add_certificate('fleet', $::pem)
--- response_body_filters eval
\&::seen
--- response_body
added to fleet
--- stored
gw-1:<claim> string
    \x01fleet\x1f<id>
gw-1:{7e}:c:fleet:<sha256> string
    \x01<8 ms><id><raw sha1>\x01<der>
gw-1:{7e}:h:fleet hash
    <raw sha1>=<raw sha256>
gw-1:{7e}:o:<id> hash, 2592000 s
    b=alice
    c=<ms>
    d=1
    f=<raw sha256>
    k=1
    r=fleet
    v=1
gw-1:{7e}:y:fleet zset, 2592000 s
    <id>
    0
gw-1:{7e}:z:fleet zset
    <6 ms><raw sha256>
    0
--- dbsize: 9



=== TEST 38: registries without the prefix are others
--- http_config eval
::http_config() =~ s/iot_store main \{\K/ key_prefix gw-1:;/r
--- request eval
::add_certificate('fleet', $::pem)
--- error_code: 404
--- response_body
5 REGISTRY_NOT_FOUND
resource yandex.cloud.iot.devices.v1.Registry fleet
--- dbsize: 2



=== TEST 39: a trailing slash and a query are accepted
--- request eval
"POST $::uri/?registryId=plant-7&x=%00\n" . ::body($::pem)
--- response_body
added to fleet



=== TEST 40: the path is decoded once, as nginx does it
--- request eval
"POST //iot-devices/./v1/x/../registries/%66leet/certificates%2F\n"
    . ::body($::pem)
--- response_body
added to fleet



=== TEST 41: the registry of the path wins over one in the body
--- request eval
"POST $::uri\n"
    . ::json({ registryId => 'plant-7', certificateData => $::pem })
--- response_body_filters eval
[sub { ::body($::pem); $_[0] }, \&::answer]
--- response_body
added to fleet
--- after
EXISTS {31}:z:plant-7
--- says
0



=== TEST 42: a registry id has 1 to 50 characters
--- settings
iot_registries open;
--- request eval
[::add_certificate('a', $::pem),
 ::add_certificate('_' x 50, $::other),
 ::add_certificate('a' x 51, $::pem)]
--- error_code eval
[200, 200, 400]
--- response_body eval
["added to a\n", 'added to ' . '_' x 50 . "\n", <<'END']
3 INVALID_FIELD
field registry_id
END



=== TEST 43: of A-Z, a-z, 0-9, "_" and "-"
--- settings
iot_registries open;
--- request eval
::add_certificate('-aZ09_', $::pem)
--- response_body
added to -aZ09_



=== TEST 44: an id with other characters is refused
--- request eval
[map { ::add_certificate($_, $::pem) }
 'a.b', 'a:b', 'a%20b', '%7B7e%7D', 'a%0Ab', '%C3%A9', 'a+b', '*', 'a,b']
--- error_code eval
[(400) x 9]
--- response_body eval
[("3 INVALID_FIELD\nfield registry_id\n") x 9]
--- dbsize: 2



=== TEST 45: with "open" too
--- settings
iot_registries open;
--- request eval
[map { ::add_certificate($_, $::pem) }
 'a.b', 'a:b', 'a%20b', '%7B7e%7D', 'a%0Ab', '%C3%A9', 'a+b', '*', 'a,b']
--- error_code eval
[(400) x 9]
--- response_body eval
[("3 INVALID_FIELD\nfield registry_id\n") x 9]
--- dbsize: 2



=== TEST 46: the path has no other method
--- request eval
[map { "$_ $::uri" } qw(PUT DELETE PATCH OPTIONS PROPFIND XYZ)]
--- error_code eval
[(405) x 6]
--- response_headers eval
[("Allow: GET, HEAD, POST\nContent-Type: application/json") x 6]
--- response_body eval
[("12 METHOD_NOT_ALLOWED\n") x 6]
--- dbsize: 2



=== TEST 47: a path that the API has not is not found
--- request eval
[map { "POST /iot-devices/$_\n{}" }
 '', 'v1', 'v1/registry', 'v1/registry/fleet',
 'v1/registry//certificates', 'v1/registries/fleet/certificate',
 'v1/registries/fleet/certificatess', 'v1/registries/fleet/Certificates',
 'v1/registries/a%2Fb/certificates', 'v1/registries/fleet/certificates/x/y',
 'v2/registries/fleet/certificates']
--- error_code eval
[(404) x 11]
--- response_body eval
[map { "5 ROUTE_NOT_FOUND\nresource path /iot-devices/$_\n" }
 '', 'v1', 'v1/registry', 'v1/registry/fleet',
 'v1/registry/certificates', 'v1/registries/fleet/certificate',
 'v1/registries/fleet/certificatess', 'v1/registries/fleet/Certificates',
 'v1/registries/a/b/certificates', 'v1/registries/fleet/certificates/x/y',
 'v2/registries/fleet/certificates']
--- no_error_log
[error]



=== TEST 48: what another service has is not found here
--- request
GET /iot-devices/v1/operations/7e000000000000000000
--- error_code: 404
--- response_body
5 ROUTE_NOT_FOUND
resource path /iot-devices/v1/operations/7e000000000000000000



=== TEST 49: gRPC is told that it is at the wrong door
--- request eval
[(::add_certificate('fleet', $::pem)) x 4]
--- more_headers eval
[map { "Content-Type: $_" } 'application/grpc', 'application/grpc+proto',
 'Application/GRPC-web; charset=x', 'application/grpc ']
--- error_code eval
[(501) x 4]
--- response_body eval
[("12 GRPC_NOT_SERVED\n") x 4]
--- dbsize: 2



=== TEST 50: any other Content-Type is read as JSON
--- request eval
[map { ::add_certificate('fleet', ::dated($::pem,
       "200101000000Z", "4${_}0101000000Z")) } 0 .. 8]
--- more_headers eval
[map { "Content-Type: $_" } 'application/json', 'text/plain',
 'application/x-www-form-urlencoded', 'application/grp', 'x-application/grpc',
 'multipart/form-data', '', ';', 'APPLICATION/JSON; charset=utf-16']
--- error_code eval
[(200) x 9]
--- response_body eval
[("added to fleet\n") x 9]



=== TEST 51: two adds over one connection, one after the other
--- pipelined_requests eval
[::add_certificate('fleet', $::pem),
 ::add_certificate('fleet', $::other)]
--- error_code eval
[200, 200]
--- response_body eval
[("added to fleet\n") x 2]



=== TEST 52: each answer of a pipeline belongs to its request
--- pipelined_requests eval
[::add_certificate('fleet', $::pem),
 ::add_certificate('plant-7', $::pem),
 "PUT $::uri",
 ::add_certificate('plant-7', $::other),
 "POST $::uri\n{"]
--- error_code eval
[200, 409, 405, 200, 400]
--- response_body eval
["added to fleet\n", <<"END", "12 METHOD_NOT_ALLOWED\n",
6 CERTIFICATE_EXISTS
resource yandex.cloud.iot.devices.v1.RegistryCertificate $::name{sha256}
metadata registry another
END
 "added to plant-7\n", "3 INVALID_JSON\nfield body\n"]



=== TEST 53: conditional headers do not turn what was done into 304 or 412
--- request eval
[::add_certificate('fleet', $::pem), ::add_certificate('fleet', $::other)]
--- more_headers eval
["Authorization: Bearer alice\nIf-None-Match: *",
 "Authorization: Bearer alice\nIf-Match: \"x\""]
--- error_code eval
[200, 200]
--- response_body eval
["added to fleet\n", "added to fleet\n"]
