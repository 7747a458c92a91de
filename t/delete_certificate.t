# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# DeleteCertificate: DELETE .../registries/{registryId}/certificates/
# {fingerprint}.  What is answered, what goes from Redis and what stays, and
# what becomes of the operations.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

use Digest::SHA qw(sha1_hex sha256_hex);
use POSIX ();
use Time::HiRes ();

plan tests => 272;

log_level('info');
no_long_string();

# "fleet" is in the shard 7e, which its keys and the ids of its operations carry

gateway(registries => ['fleet', 'plant-7']);
redis_start();

our $pem = certificate();
our $other = certificate(key => 'rsa:2048');

our $uri = '/iot-devices/v1/registries/fleet/certificates';
our $sha256 = sha256_hex(der($pem));
our $sha1 = sha1_hex(der($pem));
our $record = "{7e}:c:fleet:$sha256";
our $began = time;

# the claim's shard is in the first ten bits of the fingerprint
our $claim = do {
    my @digits = (0 .. 9, 'a' .. 'v');
    my $shard = hex(substr $sha256, 0, 4) >> 6;
    "{$digits[$shard >> 5]$digits[$shard & 31]}:x:$sha256";
};

sub colons { return $_[0] =~ s/..\K(?=.)/:/gr }

# A delete's Operation as it is, but for what differs each time: a place name
# stands only for the right value.  Then one member a line.

sub masked {
    my ($text) = @_;

    my ($id) = $text =~ /"id":"(7e[0-9a-v]{18})"/;
    my ($created) = $text =~ /"createdAt":"([^"]*)"/;

    my ($day, $time) = ($created // '')
        =~ /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.\d{3}Z$/;
    my $now = POSIX::strftime('%F %T', gmtime Time::HiRes::time);
    my $then = POSIX::strftime('%F %T', gmtime $began);

    return "not now: $text"
        unless $day && "$day $time" ge $then && "$day $time" le $now;

    my %place = (id => $id, time => $created, sha256 => $sha256);

    $text =~ s/"\Q$place{$_}\E"/"<$_>"/g for keys %place;

    return $text =~ s/([,{])"/$1\n"/gr . "\n";
}

sub read_again {
    my ($id) = @_;

    return converse("GET /operations/$id HTTP/1.1\r\nHost: a\r\n"
        . "Authorization: Bearer alice\r\nConnection: close\r\n\r\n")
        =~ s/.*?\r\n\r\n//sr;
}

# what an operation is when it is read again

sub polled {
    my ($text) = @_;

    my ($id) = $text =~ /"id":"(\w+)"/ or return $text;

    return read_again($id) eq $text ? "the same\n" : "another\n";
}

# What the first operation of the block is by the time of each response: the
# members that it has lost are left out.

our ($first, $first_text);

sub first_operation {
    my ($text) = @_;

    ($first) = $text =~ /"id":"(\w+)"/ and $first_text = $text
        if !defined $first;

    my $now = read_again($first);
    my $short = $first_text =~ s/"certificateData":"[^"]*",//r;

    return $now eq $first_text ? "whole\n"
         : $now eq $short ? "without certificateData\n" : $now;
}

# the answer, and whether Redis is as it was before the block's requests

our $before;

sub and_left {
    return answer($_[0]) . (snapshot() eq $before ? "as it was\n"
                            : "the certificate is in Redis\n");
}

add_response_body_check(sub {
    my ($block) = @_;

    is_str(snapshot(), $before, $block->name . ' - Redis is as it was')
        if defined $block->as_before;
});

run_tests();

__DATA__

=== TEST 1: the answer is the finished Operation, field by field in this order
--- init: ::put_certificate('fleet', $::pem);
--- request eval: "DELETE $::uri/$::sha256"
--- response_body_filters eval: \&::masked
--- response_body
{
"id":"<id>",
"description":"Delete registry certificate",
"createdAt":"<time>",
"createdBy":"alice",
"modifiedAt":"<time>",
"done":true,
"metadata":{
"@type":"type.googleapis.com/yandex.cloud.iot.devices.v1.DeleteRegistryCertificateMetadata",
"registryId":"fleet",
"fingerprint":"<sha256>"},
"response":{
"@type":"type.googleapis.com/google.protobuf.Empty"}}
--- response_headers
Content-Type: application/json
Cache-Control: no-store
! Transfer-Encoding
! Retry-After
! Allow
--- raw_response_headers_like chop
Content-Length: \d+\r\n.*x-request-id: [0-9a-f]{32}\r\n
--- no_error_log
[warn]
[error]



=== TEST 2: record, place, alias and claim are gone; those of others are there
--- init
::put_certificate('fleet', $::other);
::put_certificate('plant-7', ::certificate(name => 'third'));
$::before = ::snapshot();
::put_certificate('fleet', $::pem, at => 1790000000000);
--- request eval: "DELETE $::uri/$::sha256"
--- response_body
deleted from fleet
--- as_before
--- dbsize: 12



=== TEST 3: the last certificate leaves no empty keys
--- init
$::before = ::snapshot();
::put_certificate('fleet', $::pem);
--- request eval: "DELETE $::uri/$::sha256"
--- response_body
deleted from fleet
--- as_before
--- dbsize: 4



=== TEST 4: the operation is in the list of its registry and has its life
--- settings
iot_operation_retention 100s;
iot_idempotency_retention 100s;
--- init: ::put_certificate('fleet', $::pem);
--- request eval: "DELETE $::uri/$::sha256"
--- response_body
deleted from fleet
--- after
ZCARD {7e}:y:fleet
TTL {7e}:y:fleet
--- says
1
100



=== TEST 5: what an add has stored goes as well
--- init: $::before = ::snapshot();
--- request eval: [::add_certificate('fleet', $::pem), "DELETE $::uri/$::sha256"]
--- error_code eval: [200, 200]
--- response_body_filters eval: \&::and_left
--- response_body eval
["added to fleet\nthe certificate is in Redis\n",
 "deleted from fleet\nas it was\n"]



=== TEST 6: the certificate can be added again
--- request eval
[::add_certificate('fleet', $::pem), "DELETE $::uri/$::sha256",
 ::add_certificate('fleet', $::pem), "DELETE $::uri/$::sha256"]
--- error_code eval: [(200) x 4]
--- response_body eval: [("added to fleet\n", "deleted from fleet\n") x 2]



=== TEST 7: also to another registry
--- request eval
[::add_certificate('fleet', $::pem), ::add_certificate('plant-7', $::pem),
 "DELETE $::uri/$::sha256", ::add_certificate('plant-7', $::pem),
 ::add_certificate('fleet', $::pem)]
--- error_code eval: [200, 409, 200, 200, 409]
--- response_body_like eval
['^added to fleet$', '^6 CERTIFICATE_EXISTS', '^deleted from fleet$',
 '^added to plant-7$', '^6 CERTIFICATE_EXISTS']



=== TEST 8: twice: the second finds nothing
--- init: ::put_certificate('fleet', $::pem);
--- request eval: [("DELETE $::uri/$::sha256") x 2]
--- error_code eval: [200, 404]
--- response_body eval
["deleted from fleet\n", "5 CERTIFICATE_NOT_FOUND\n"
 . "resource yandex.cloud.iot.devices.v1.RegistryCertificate $::sha256\n"]
--- no_error_log
[error]



=== TEST 9: neither Get nor List shows it afterwards
--- init: ::put_certificate('fleet', $::pem);
--- request eval
["DELETE $::uri/$::sha256", "GET $::uri/$::sha256", "GET $::uri/$::sha1",
 "GET $::uri"]
--- error_code eval: [200, 404, 404, 200]
--- response_body_filters eval
sub { $_[0] eq '{"certificates":[]}' ? "none\n" : ::answer($_[0]) }
--- response_body_like eval
['^deleted', '^5 CERTIFICATE_NOT_FOUND', '^5 CERTIFICATE_NOT_FOUND', '^none$']



=== TEST 10: by its SHA-1, which the cloud service printed
--- init
$::before = ::snapshot();
::put_certificate('fleet', $::pem);
--- request eval: "DELETE $::uri/$::sha1"
--- response_body_filters eval: \&::masked
--- response_body_like eval
qr/DeleteRegistryCertificateMetadata",\n"registryId":"fleet",\n"fingerprint":"<sha256>"\}/
--- as_before



=== TEST 11: in any case, with colons
--- request eval
[map { (::add_certificate('fleet', $::pem), "DELETE $::uri/$_") }
 uc $::sha256, ::colons($::sha256), ::colons(uc $::sha256), uc $::sha1,
 ::colons($::sha1), ::colons(uc $::sha1)]
--- error_code eval: [(200) x 12]
--- response_body eval: [("added to fleet\n", "deleted from fleet\n") x 6]



=== TEST 12: other forms are no fingerprint
--- init
::put_certificate('fleet', $::pem);
$::before = ::snapshot();
--- request eval
[map { "DELETE $::uri/$_" } 'x', $::sha256 =~ s/.$//r, "${main::sha256}0",
 $::sha1 =~ s/..$//r, "${main::sha1}00", 'g' x 64, "$::sha256:",
 $::sha256 =~ s/^./$&:/r, "sha256:$::sha256", '*']
--- error_code eval: [(400) x 10]
--- response_body eval: [("3 INVALID_FIELD\nfield fingerprint\n") x 10]
--- as_before
--- dbsize: 6



=== TEST 13: an unknown one is not found: no operation is made
--- init
::put_certificate('fleet', $::pem);
$::before = ::snapshot();
--- request eval
["DELETE $::uri/" . 'Ab' x 32, "DELETE $::uri/" . 'Ab' x 20]
--- error_code eval: [404, 404]
--- response_body eval
[map { "5 CERTIFICATE_NOT_FOUND\nresource "
       . "yandex.cloud.iot.devices.v1.RegistryCertificate $_\n" }
 'ab' x 32, 'Ab' x 20]
--- as_before
--- dbsize: 6



=== TEST 14: a certificate of another registry is not this one's to delete
--- init
::put_certificate('plant-7', $::pem);
$::before = ::snapshot();
--- request eval: ["DELETE $::uri/$::sha256", "DELETE $::uri/$::sha1"]
--- error_code eval: [404, 404]
--- response_body_like eval: [('^5 CERTIFICATE_NOT_FOUND') x 2]
--- as_before
--- dbsize: 6



=== TEST 15: an alias that belongs to another certificate of the same SHA-1 stays
--- init
::put_certificate('fleet', $::pem);
::redis('HSET', '{7e}:h:fleet', pack('H*', $::sha1), 'x' x 32);
--- request eval: "DELETE $::uri/$::sha256"
--- response_body
deleted from fleet
--- after eval: [['HGET', '{7e}:h:fleet', pack 'H*', $::sha1]]
--- says eval: 'x' x 32 . "\n"



=== TEST 16: a claim that belongs to another registry stays
--- init
::put_certificate('fleet', $::pem);
::redis('SET', $::claim, "\1plant-7\x1f7e1k8627grr1081g8186");
--- request eval: "DELETE $::uri/$::sha256"
--- response_body
deleted from fleet
--- after eval: [['GET', $::claim]]
--- says eval: "\1plant-7\x1f7e1k8627grr1081g8186\n"



=== TEST 17: so does one of a registry whose name begins alike
--- init
::put_certificate('fleet', $::pem);
::redis('SET', $::claim, "\1fleet2\x1f7e1k8627grr1081g8186");
--- request eval: "DELETE $::uri/$::sha256"
--- response_body
deleted from fleet
--- after eval: [['EXISTS', $::claim]]
--- says
1



=== TEST 18: without alias and claim, as a loss may leave it, it goes all the same
--- init
$::before = ::snapshot();
::put_certificate('fleet', $::pem);
::redis('DEL', $_) for $::claim, '{7e}:h:fleet', '{7e}:z:fleet';
--- request eval: "DELETE $::uri/$::sha256"
--- response_body
deleted from fleet
--- as_before



=== TEST 19: its operation can be polled
--- init: ::put_certificate('fleet', $::pem);
--- request eval: "DELETE $::uri/$::sha256"
--- response_body_filters eval: \&::polled
--- response_body
the same



=== TEST 20: the add's operation has no certificateData afterwards
--- init: undef $::first;
--- request eval
[::add_certificate('fleet', $::pem), "DELETE $::uri/$::sha256",
 ::add_certificate('fleet', $::pem)]
--- error_code eval: [(200) x 3]
--- response_body_filters eval: \&::first_operation
--- response_body eval: ["whole\n", ("without certificateData\n") x 2]



=== TEST 21: the delete's own is the same after the certificate is back
--- init
undef $::first;
::put_certificate('fleet', $::pem);
--- request eval
["DELETE $::uri/$::sha256", ::add_certificate('fleet', $::pem),
 ::add_certificate('fleet', $::other)]
--- error_code eval: [(200) x 3]
--- response_body_filters eval: \&::first_operation
--- response_body eval: [("whole\n") x 3]



=== TEST 22: a registry without a record does not exist
--- init
::put_certificate('nowhere', $::pem);
$::before = ::snapshot();
--- request eval
[map { "DELETE /iot-devices/v1/registries/nowhere/certificates/$_" }
 $::sha256, $::sha1]
--- error_code eval: [404, 404]
--- response_body eval
[("5 REGISTRY_NOT_FOUND\n"
  . "resource yandex.cloud.iot.devices.v1.Registry nowhere\n") x 2]
--- as_before
--- dbsize: 6



=== TEST 23: with "open" it does
--- settings
iot_registries open;
--- init
$::before = ::snapshot();
::put_certificate('nowhere', $::pem);
--- request eval
[map { "DELETE /iot-devices/v1/registries/nowhere/certificates/$::sha256" } 1, 2]
--- error_code eval: [200, 404]
--- response_body_like eval: ['^deleted from nowhere$', '^5 CERTIFICATE_NOT_FOUND']
--- as_before



=== TEST 24: an id that no registry can have
--- request eval
[map { "DELETE /iot-devices/v1/registries/$_/certificates/x" } 'a.b', 'a' x 51]
--- error_code eval: [400, 400]
--- response_body eval: [("3 INVALID_FIELD\nfield registry_id\n") x 2]



=== TEST 25: a disabled registry lets its certificates go
--- init
::redis('HSET', '{7e}:r:fleet', 's', 4);
$::before = ::snapshot();
::put_certificate('fleet', $::pem);
--- request eval: "DELETE $::uri/$::sha256"
--- response_body
deleted from fleet
--- as_before



=== TEST 26: by SHA-1 as well
--- init
::redis('HSET', '{7e}:r:fleet', 's', 4);
$::before = ::snapshot();
::put_certificate('fleet', $::pem);
--- request eval: "DELETE $::uri/$::sha1"
--- response_body
deleted from fleet
--- as_before



=== TEST 27: a registry that is being deleted is not there any more
--- init
::put_certificate('fleet', $::pem);
::redis('HSET', '{7e}:r:fleet', 's', 3);
$::before = ::snapshot();
--- request eval: ["DELETE $::uri/$::sha256", "DELETE $::uri/$::sha1"]
--- error_code eval: [404, 404]
--- response_body_like eval: [('^5 REGISTRY_NOT_FOUND') x 2]
--- as_before
--- dbsize: 6



=== TEST 28: a registry of a newer format: nothing is changed
--- init
::put_certificate('fleet', $::pem);
::redis('HSET', '{7e}:r:fleet', 'v', 2);
$::before = ::snapshot();
--- request eval: ["DELETE $::uri/$::sha256", "DELETE $::uri/$::sha1"]
--- error_code eval: [503, 503]
--- response_body eval: [("14 STORE_NEWER_FORMAT\nretry 1s\n") x 2]
--- as_before
--- dbsize: 6



=== TEST 29: so with a certificate of a newer format
--- init
::put_certificate('fleet', $::pem, format => 2);
$::before = ::snapshot();
--- request eval: ["DELETE $::uri/$::sha256", "DELETE $::uri/$::sha1"]
--- error_code eval: [503, 503]
--- response_body eval: [("14 STORE_NEWER_FORMAT\nretry 1s\n") x 2]
--- as_before
--- dbsize: 6



=== TEST 30: and with a claim of a newer format
On a cluster the certificate is gone before its claim is looked at.
--- skip_eval: 5: Iot::clustered() || ()
--- init
::put_certificate('fleet', $::pem);
::redis('SET', $::claim, "\2who knows");
$::before = ::snapshot();
--- request eval: "DELETE $::uri/$::sha256"
--- error_code: 503
--- response_body
14 STORE_NEWER_FORMAT
retry 1s
--- as_before
--- dbsize: 6
--- error_log
a record has a newer format



=== TEST 31: a registry of another type: Redis' own words are logged
--- init
::redis('DEL', '{7e}:r:fleet');
::redis('SET', '{7e}:r:fleet', 'a secret');
$::before = ::snapshot();
--- request eval: "DELETE $::uri/$::sha256"
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- as_before
--- error_log
WRONGTYPE
--- no_error_log
a secret



=== TEST 32: keys with a prefix
--- http_config eval
::http_config() =~ s/server \S+;\K/ key_prefix gw:;/r
--- settings
iot_registries open;
--- request eval
[::add_certificate('fleet', $::pem), "DELETE $::uri/$::sha1"]
--- init: $::before = ::snapshot();
--- error_code eval: [200, 200]
--- response_body_filters eval: \&::and_left
--- response_body eval
["added to fleet\nthe certificate is in Redis\n",
 "deleted from fleet\nas it was\n"]



=== TEST 33: a trailing slash is accepted, a query ignored
--- request eval
[::add_certificate('fleet', $::pem), "DELETE $::uri/$::sha256/",
 ::add_certificate('fleet', $::pem), "DELETE $::uri/$::sha256?x=y"]
--- error_code eval: [(200) x 4]
--- response_body eval: [("added to fleet\n", "deleted from fleet\n") x 2]



=== TEST 34: a body is ignored, and the connection goes on
--- init
::put_certificate('fleet', $::pem);
::put_certificate('fleet', $::other);
--- pipelined_requests eval
["DELETE $::uri/$::sha256\n{broken",
 "DELETE $::uri/" . ::sha256_hex(::der($::other)) . "\n" . 'x' x 100000,
 "DELETE $::uri/$::sha256\n{}"]
--- error_code eval: [200, 200, 404]
--- response_body_like eval
['^deleted from fleet$', '^deleted from fleet$', '^5 CERTIFICATE_NOT_FOUND']



=== TEST 35: who is nobody deletes nothing
--- init
::put_certificate('fleet', $::pem);
$::before = ::snapshot();
--- request eval: ["DELETE $::uri/$::sha256", "DELETE $::uri/$::sha1"]
--- more_headers
Authorization: none
--- error_code eval: [401, 401]
--- response_body eval: [("16 CALLER_REQUIRED\n") x 2]
--- as_before
--- dbsize: 6



=== TEST 36: nor does who may not
--- settings
iot_access 0;
--- init
::put_certificate('fleet', $::pem);
$::before = ::snapshot();
--- request eval: ["DELETE $::uri/$::sha256", "DELETE $::uri/$::sha1"]
--- error_code eval: [403, 403]
--- response_body eval: [("7 ACCESS_DENIED\n") x 2]
--- as_before
--- dbsize: 6



=== TEST 37: the collection cannot be deleted
--- request eval: ["DELETE $::uri", "DELETE $::uri/"]
--- error_code eval: [405, 405]
--- response_headers eval: [('Allow: GET, HEAD, POST') x 2]
--- response_body eval: [("12 METHOD_NOT_ALLOWED\n") x 2]



=== TEST 38: who has deleted it is in the operation
--- init: ::put_certificate('fleet', $::pem);
--- more_headers
Authorization: Bearer bob
--- request eval: "DELETE $::uri/$::sha256"
--- response_body_filters eval: sub { $_[0] =~ /"createdBy":"(\w+)"/; $1 }
--- response_body: bob



=== TEST 39: access log
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_method $iot_registry_id '
                   '$iot_caller $iot_fingerprint $iot_operation_id.';
})
--- settings
access_log logs/access.log iot;
--- init: ::put_certificate('fleet', $::pem);
--- request eval: "DELETE $::uri/$::sha1"
--- response_body
deleted from fleet
--- access_log eval
qr/^200 OK RegistryService\.DeleteCertificate fleet alice $::sha256 7e[0-9a-v]{18}\.$/



=== TEST 40: of a delete that found nothing no operation is logged
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_fingerprint $iot_operation_id.';
})
--- settings
access_log logs/access.log iot;
--- request eval: "DELETE $::uri/$::sha256"
--- error_code: 404
--- response_body_like: ^5 CERTIFICATE_NOT_FOUND
--- access_log eval
qr/^404 NOT_FOUND $::sha256 -?\.$/
