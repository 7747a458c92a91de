# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# GetCertificate: GET .../registries/{registryId}/certificates/{fingerprint}.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

use Digest::SHA qw(sha1_hex sha256_hex);

plan tests => 301;

log_level('info');
no_long_string();

# "fleet" is in the shard 7e, which its keys carry

gateway(registries => ['fleet', 'plant-7', 'third']);
redis_start();

our $pem = certificate();
our $other = certificate(key => 'rsa:2048');

our $uri = '/iot-devices/v1/registries/fleet/certificates';
our $sha256 = sha256_hex(der($pem));
our $sha1 = sha1_hex(der($pem));
our $record = "{7e}:c:fleet:$sha256";

sub colons { return $_[0] =~ s/..\K(?=.)/:/gr }

# a RegistryCertificate that is what it should be: its registry's name

our %known = map { registry_certificate($_, $pem) => "$_\n" }
                 'fleet', 'plant-7';

sub read_certificate { return $known{$_[0]} // answer($_[0]) }

# the add's response and what is read later are the same but for the @type

our $added;

sub same_as_added {
    my ($text) = @_;

    if ($text =~ /"response":\{"\@type":"[^"]*RegistryCertificate",(.*)\}\}$/) {
        $added = "{$1}";
        return "added\n";
    }

    return $text eq $added ? "the same\n" : $text;
}

# scripts that Redis ran since the block began

sub scripts {
    my ($calls) = redis('INFO', 'commandstats')
        =~ /^cmdstat_evalsha:calls=(\d+)/m;

    return $calls // 0;
}

add_response_body_check(sub {
    my ($block) = @_;

    is_str(scripts(), $block->scripts, $block->name . ' - scripts')
        if defined $block->scripts;
});

run_tests();

__DATA__

=== TEST 1: the certificate, field by field in this order
--- init: ::put_certificate('fleet', $::pem);
--- request eval: "GET $::uri/$::sha256"
--- response_body_filters eval: sub { $_[0] }
--- response_body eval: ::registry_certificate('fleet', $::pem)
--- response_headers
Content-Type: application/json
Cache-Control: no-store
! Transfer-Encoding
! Retry-After
! Allow
--- raw_response_headers_like chop
Content-Length: \d+\r\n.*x-request-id: [0-9a-f]{32}\r\n
--- dbsize: 7
--- no_error_log
[warn]
[error]



=== TEST 2: what the add has answered
--- request eval: [::add_certificate('fleet', $::pem), "GET $::uri/$::sha256"]
--- error_code eval: [200, 200]
--- response_body_filters eval: \&::same_as_added
--- response_body eval: ["added\n", "the same\n"]



=== TEST 3: certificateData comes back byte for byte, however it is kept
As DER, as DER of a text without its last newline, as the text that was sent.
--- init
::put_certificate('fleet', $::pem);
::put_certificate('plant-7', $::pem =~ s/\n\z//r);
::put_certificate('third', "a \"\\\r\n\t$::pem" =~ s/\n/\r\n/gr);
--- request eval
[map { "GET /iot-devices/v1/registries/$_/certificates/$::sha256" }
 'fleet', 'plant-7', 'third']
--- error_code eval: [(200) x 3]
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
[::registry_certificate('fleet', $::pem),
 ::registry_certificate('plant-7', $::pem =~ s/\n\z//r),
 ::registry_certificate('third', "a \"\\\r\n\t$::pem" =~ s/\n/\r\n/gr)]



=== TEST 4: so it does after an add
--- request eval
[::add_certificate('fleet', $::pem =~ s/\n/\r\n/gr), "GET $::uri/$::sha256",
 ::add_certificate('fleet', $::other =~ s/\n\z//r),
 "GET $::uri/" . ::sha256_hex(::der($::other))]
--- error_code eval: [(200) x 4]
--- response_body_filters eval: \&::same_as_added
--- response_body eval: ["added\n", "the same\n", "added\n", "the same\n"]



=== TEST 5: digits in any case, colons between the bytes
--- init: ::put_certificate('fleet', $::pem);
--- request eval
[map { "GET $::uri/$_" } $::sha256, uc $::sha256, ucfirst $::sha256,
 ::colons($::sha256), ::colons(uc $::sha256), $::sha256 =~ s/^../$&:/r,
 $::sha256 =~ s/(?=..$)/:/r, $::sha256 =~ s/^./sprintf '%%%x', ord $&/er,
 ::colons($::sha256) =~ s/:/%3A/gr]
--- error_code eval: [(200) x 9]
--- response_body_filters eval: \&::read_certificate
--- response_body eval: [("fleet\n") x 9]



=== TEST 6: by its SHA-1, which the cloud service printed
--- init: ::put_certificate('fleet', $::pem);
--- request eval
[map { "GET $::uri/$_" } $::sha1, uc $::sha1, ::colons($::sha1),
 ::colons(uc $::sha1)]
--- error_code eval: [(200) x 4]
--- response_body_filters eval: \&::read_certificate
--- response_body eval: [("fleet\n") x 4]



=== TEST 7: one script by SHA-256
--- init
::put_certificate('fleet', $::pem);
::redis('CONFIG', 'RESETSTAT');
--- request eval: "GET $::uri/$::sha256"
--- response_body_filters eval: \&::read_certificate
--- response_body
fleet
--- scripts: 1



=== TEST 8: two by SHA-1
--- init
::put_certificate('fleet', $::pem);
::redis('CONFIG', 'RESETSTAT');
--- request eval: "GET $::uri/$::sha1"
--- response_body_filters eval: \&::read_certificate
--- response_body
fleet
--- scripts: 2



=== TEST 9: after an add its SHA-1 is known as well
--- request eval: [::add_certificate('fleet', $::pem), "GET $::uri/$::sha1"]
--- error_code eval: [200, 200]
--- response_body_filters eval: \&::same_as_added
--- response_body eval: ["added\n", "the same\n"]



=== TEST 10: other forms are no fingerprint: Redis is not asked
--- init
::put_certificate('fleet', $::pem);
::redis('CONFIG', 'RESETSTAT');
--- request eval
[map { "GET $::uri/$_" } 'x', '0', '00', $::sha256 =~ s/.$//r, "${main::sha256}0",
 "${main::sha256}00", $::sha256 =~ s/..$//r, $::sha1 =~ s/.$//r,
 "${main::sha1}0", "${main::sha1}00", 'g' x 64, $::sha256 =~ s/^./g/r,
 $::sha256 =~ s/.$/g/r, ":$::sha256", "$::sha256:", "$::sha1:",
 $::sha256 =~ s/^../$&::/r, $::sha256 =~ s/^./$&:/r,
 $::sha256 =~ s/^../$&-/r, "$::sha256%20", "%20$::sha256", "0x$::sha256",
 "sha256:$::sha256", "$::sha256%0a", '%c3%a9' x 32, '-1', '*', 'a' x 900,
 $::sha256 =~ s/^../%2b1/r]
--- error_code eval: [(400) x 29]
--- response_body eval: [("3 INVALID_FIELD\nfield fingerprint\n") x 29]
--- scripts: 0
--- no_error_log
[error]



=== TEST 11: an unknown one is not found, and named
--- init: ::put_certificate('fleet', $::pem);
--- request eval
["GET $::uri/" . 'Ab' x 32, "GET $::uri/" . ::colons('Ab' x 32),
 "GET $::uri/" . 'Ab' x 20]
--- error_code eval: [(404) x 3]
--- response_body eval
[map { "5 CERTIFICATE_NOT_FOUND\nresource "
       . "yandex.cloud.iot.devices.v1.RegistryCertificate $_\n" }
 'ab' x 32, 'ab' x 32, 'Ab' x 20]
--- no_error_log
[error]



=== TEST 12: the error as it is, byte by byte
--- request eval: "GET $::uri/" . 'ab' x 32
--- error_code: 404
--- response_body_filters eval
sub { $_[0] =~ s/"[0-9a-f]{32}"/"<id>"/r =~ s/([,{])"/$1\n"/gr }
--- response_body chomp
{
"code":5,
"message":"the registry has no certificate of that fingerprint",
"details":[{
"@type":"type.googleapis.com/google.rpc.RequestInfo",
"requestId":"<id>"},{
"@type":"type.googleapis.com/google.rpc.ErrorInfo",
"reason":"CERTIFICATE_NOT_FOUND",
"domain":"ngx_http_iot_module"},{
"@type":"type.googleapis.com/google.rpc.ResourceInfo",
"resourceType":"yandex.cloud.iot.devices.v1.RegistryCertificate",
"resourceName":"abababababababababababababababababababababababababababababababab"}]}



=== TEST 13: a certificate of another registry is not found in this one
--- init: ::put_certificate('plant-7', $::pem);
--- request eval: ["GET $::uri/$::sha256", "GET $::uri/$::sha1"]
--- error_code eval: [404, 404]
--- response_body_like eval: ['^5 CERTIFICATE_NOT_FOUND', '^5 CERTIFICATE_NOT_FOUND']
--- raw_response_headers_unlike eval: ['plant-7', 'plant-7']



=== TEST 14: a registry without a record does not exist
--- init: ::put_certificate('nowhere', $::pem);
--- request eval
[map { "GET /iot-devices/v1/registries/nowhere/certificates/$_" } $::sha256,
 $::sha1]
--- error_code eval: [404, 404]
--- response_body eval
[("5 REGISTRY_NOT_FOUND\n"
  . "resource yandex.cloud.iot.devices.v1.Registry nowhere\n") x 2]



=== TEST 15: with "open" it does
--- settings
iot_registries open;
--- init: ::put_certificate('nowhere', $::pem);
--- request eval
[map { "GET /iot-devices/v1/registries/nowhere/certificates/$_" } $::sha256,
 $::sha1, 'ab' x 32]
--- error_code eval: [200, 200, 404]
--- response_body_filters eval: sub { $_[0] =~ /^\{"registryId":"nowhere"/ ? 'it' : ::answer($_[0]) }
--- response_body_like eval: ['^it$', '^it$', '^5 CERTIFICATE_NOT_FOUND']



=== TEST 16: an id that no registry can have
--- request eval
[map { "GET /iot-devices/v1/registries/$_/certificates/x" } 'a.b', 'a' x 51]
--- error_code eval: [400, 400]
--- response_body eval: [("3 INVALID_FIELD\nfield registry_id\n") x 2]



=== TEST 17: of a disabled registry they can be read
--- init
::put_certificate('fleet', $::pem);
::redis('HSET', '{7e}:r:fleet', 's', 4);
--- request eval: ["GET $::uri/$::sha256", "GET $::uri/$::sha1"]
--- error_code eval: [200, 200]
--- response_body_filters eval: \&::read_certificate
--- response_body eval: ["fleet\n", "fleet\n"]



=== TEST 18: a registry that is being deleted is not there any more
--- init
::put_certificate('fleet', $::pem);
::redis('HSET', '{7e}:r:fleet', 's', 3);
--- request eval: ["GET $::uri/$::sha256", "GET $::uri/$::sha1"]
--- error_code eval: [404, 404]
--- response_body_like eval: ['^5 REGISTRY_NOT_FOUND', '^5 REGISTRY_NOT_FOUND']



=== TEST 19: nor with "open"
--- settings
iot_registries open;
--- init
::put_certificate('fleet', $::pem);
::redis('HSET', '{7e}:r:fleet', 's', 3);
--- request eval: "GET $::uri/$::sha256"
--- error_code: 404
--- response_body_like: ^5 REGISTRY_NOT_FOUND



=== TEST 20: a registry of a newer format is not guessed at
--- init
::put_certificate('fleet', $::pem);
::redis('HSET', '{7e}:r:fleet', 'v', 2);
--- request eval: ["GET $::uri/$::sha256", "GET $::uri/$::sha1"]
--- error_code eval: [503, 503]
--- response_headers eval: ['Retry-After: 1', 'Retry-After: 1']
--- response_body eval: [("14 STORE_NEWER_FORMAT\nretry 1s\n") x 2]



=== TEST 21: nor is a certificate of a newer format
--- init: ::put_certificate('fleet', $::pem, format => 2);
--- request eval: "GET $::uri/$::sha256"
--- error_code: 503
--- response_body
14 STORE_NEWER_FORMAT
retry 1s
--- error_log
a record has a newer format



=== TEST 22: a record that makes no sense is broken
--- init
::put_certificate('fleet', $::pem);
::redis('SET', $::record, "\1a secret");
--- request eval: "GET $::uri/$::sha256"
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for certificate
--- no_error_log
a secret



=== TEST 23: an alias that makes no sense is broken
--- init
::put_certificate('fleet', $::pem);
::redis('HSET', '{7e}:h:fleet', pack('H*', $::sha1), 'a secret');
--- request eval: "GET $::uri/$::sha1"
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for find_certificate
--- no_error_log
a secret



=== TEST 24: an alias of a certificate that is gone finds nothing
--- init
::put_certificate('fleet', $::pem);
::redis('DEL', $::record);
--- request eval: "GET $::uri/$::sha1"
--- error_code: 404
--- response_body eval
"5 CERTIFICATE_NOT_FOUND\n"
. "resource yandex.cloud.iot.devices.v1.RegistryCertificate $::sha256\n"



=== TEST 25: HEAD is GET without its body
--- init: ::put_certificate('fleet', $::pem);
--- request eval: "HEAD $::uri/$::sha256"
--- response_headers eval
'Content-Length: ' . length ::registry_certificate('fleet', $::pem)
--- response_body:



=== TEST 26: the path has no other method
--- request eval
[map { "$_ $::uri/$::sha256" } qw(POST PUT PATCH OPTIONS PROPFIND)]
--- error_code eval: [(405) x 5]
--- response_headers eval: [('Allow: GET, HEAD, DELETE') x 5]
--- response_body eval: [("12 METHOD_NOT_ALLOWED\n") x 5]



=== TEST 27: a trailing slash is accepted, a query ignored
--- init: ::put_certificate('fleet', $::pem);
--- request eval
["GET $::uri/$::sha256/", "GET $::uri/$::sha256?pageSize=x&fingerprint=y"]
--- error_code eval: [200, 200]
--- response_body_filters eval: \&::read_certificate
--- response_body eval: ["fleet\n", "fleet\n"]



=== TEST 28: a segment more is no path of the API
--- request eval: "GET $::uri/$::sha256/x"
--- error_code: 404
--- response_body_like: ^5 ROUTE_NOT_FOUND



=== TEST 29: a body is ignored, and the connection goes on
--- init: ::put_certificate('fleet', $::pem);
--- pipelined_requests eval
["GET $::uri/$::sha256\n{broken", "GET $::uri/$::sha256\n" . 'x' x 100000,
 "GET $::uri/$::sha256"]
--- error_code eval: [200, 200, 200]
--- response_body_filters eval: \&::read_certificate
--- response_body eval: [("fleet\n") x 3]



=== TEST 30: who is nobody learns nothing
--- init: ::put_certificate('fleet', $::pem);
--- request eval: ["GET $::uri/$::sha256", "GET $::uri/x", "GET $::uri/$::sha1"]
--- more_headers
Authorization: none
--- error_code eval: [(401) x 3]
--- response_body eval: [("16 CALLER_REQUIRED\n") x 3]



=== TEST 31: access by method
--- http_config eval
::http_config(<<'END')
map $iot_caller:$iot_method $may {
    default 0;
    alice:RegistryService.GetCertificate 1;
}

iot_access $may;
END
--- init: ::put_certificate('fleet', $::pem);
--- request eval
["GET $::uri/$::sha256", "DELETE $::uri/$::sha256", "GET $::uri",
 "GET $::uri/$::sha1"]
--- error_code eval: [200, 403, 403, 200]
--- response_body_filters eval: \&::read_certificate
--- response_body eval
["fleet\n", ("7 ACCESS_DENIED\n") x 2, "fleet\n"]



=== TEST 32: access comes before the form of the fingerprint
--- settings
iot_access 0;
--- request eval: ["GET $::uri/x", "GET $::uri/$::sha256"]
--- error_code eval: [403, 403]
--- response_body eval: [("7 ACCESS_DENIED\n") x 2]



=== TEST 33: variables in the rewrite phase tell what is in the path
--- config
    location /iot-devices/ {
        set $seen "$iot_method $iot_registry_id $iot_fingerprint.";
        return 200 "$seen\n";
    }
--- request eval: ["GET $::uri/Ab:cd", "DELETE $::uri/Ab:cd", "GET $::uri"]
--- error_code eval: [(200) x 3]
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
["RegistryService.GetCertificate fleet Ab:cd.\n",
 "RegistryService.DeleteCertificate fleet Ab:cd.\n",
 "RegistryService.ListCertificates fleet .\n"]



=== TEST 34: the access log has the SHA-256, however the certificate was named
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_method $iot_registry_id '
                   '$iot_caller $iot_fingerprint $iot_operation_id.';
})
--- settings
access_log logs/access.log iot;
--- init: ::put_certificate('fleet', $::pem);
--- request eval: "GET $::uri/$::sha1"
--- response_body_filters eval: \&::read_certificate
--- response_body
fleet
--- access_log eval
qr/^200 OK RegistryService\.GetCertificate fleet alice $::sha256 -?\.$/



=== TEST 35: of what was not found it has what was asked for
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_fingerprint $iot_operation_id.';
})
--- settings
access_log logs/access.log iot;
--- request eval: "GET $::uri/" . uc $::sha1
--- error_code: 404
--- response_body_like: ^5 CERTIFICATE_NOT_FOUND
--- access_log eval
"404 NOT_FOUND " . uc($::sha1) . ' '
