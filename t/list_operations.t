# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# ListOperations: GET .../registries/{registryId}/operations, newest first, in
# pages.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

use Compress::Zlib ();
use Digest::SHA qw(sha256 sha256_hex);
use JSON::PP;
use MIME::Base64 qw(encode_base64url);
use POSIX ();

plan tests => 186;

log_level('info');
no_long_string();

# "fleet" is in the shard 7e, which its keys carry

gateway(registries => ['fleet', 'plant-7']);
redis_start();

our $uri = '/iot-devices/v1/registries/fleet/operations';
our $certificates = '/iot-devices/v1/registries/fleet/certificates';
our $pem = certificate();
our $other = certificate(key => 'rsa:2048');


# ---- operations of a number -----------------------------------------------

# Operation 7 was created in the millisecond after operation 6, and deleted a
# certificate, but when it is said to have added one.

my @digits = (0 .. 9, 'a' .. 'v');

sub at { return 1790000000000 + $_[0] }

sub id {
    my ($n, $tag) = @_;

    my ($at, $text) = (at($n), '');

    for (1 .. 9) {
        $text = $digits[$at % 32] . $text;
        $at = int($at / 32);
    }

    return ($tag // '7e') . $text . '123456789';
}

sub put {
    for my $n (@_) {
        put_operation($n, 2, sha256("certificate $n"));
    }
}

sub put_operation {
    my ($n, $kind, $sha256) = @_;

    redis('HSET', '{7e}:o:' . id($n), v => 1, k => $kind, r => 'fleet',
          f => $sha256, b => 'alice', c => at($n), d => 1);
    redis('ZADD', '{7e}:y:fleet', 0, id($n));
}

# operation $n that added the certificate $n, which is there

sub put_added {
    for my $n (@_) {
        my $certificate = pem("certificate $n");

        put_certificate('fleet', $certificate, at => at($n),
                        operation => id($n));
        put_operation($n, 1, sha256("certificate $n"));
    }
}

# "half": its place is left, as a list may find it that was read just before,
# or that nobody has cleared yet

sub gone {
    my ($n, $half) = @_;

    redis('DEL', '{7e}:o:' . id($n));
    redis('ZREM', '{7e}:y:fleet', id($n)) unless $half;
}

sub text {
    my ($n) = @_;

    my $time = POSIX::strftime('%FT%T', gmtime at($n) / 1000)
        . sprintf '.%03dZ', at($n) % 1000;
    my $type = 'type.googleapis.com/';

    return '{"id":"' . id($n) . '","description":"Delete registry certificate"'
        . qq(,"createdAt":"$time","createdBy":"alice","modifiedAt":"$time")
        . qq(,"done":true,"metadata":{"\@type":"${type}yandex.cloud.iot.)
        . 'devices.v1.DeleteRegistryCertificateMetadata","registryId":"fleet"'
        . ',"fingerprint":"' . sha256_hex("certificate $n") . '"},"response":'
        . qq({"\@type":"${type}google.protobuf.Empty"}});
}

sub token {
    my ($registry, $place) = @_;

    return encode_base64url(pack('N', Compress::Zlib::crc32($registry))
                            . $place);
}


# ---- lists in short -------------------------------------------------------

# "3-1", and " ..." when there is a token of a next page; those that added a
# certificate as "+3", as "+3?" when they do not show it any more.  Whatever is
# not a list in the form of the API stays as it is.

our $token;

sub listed {
    my ($text) = @_;

    undef $token;

    return answer($text)
        if $text !~ /^\{"operations":\[.*\](?:,"nextPageToken":"[\w-]{1,100}")?\}\z/s;

    my $value = eval { decode_json($text) } // return "not JSON: $text";
    my @names;

    for my $operation (@{ $value->{operations} }) {
        my $n = number($operation->{id}) // return "unknown: $text";
        my $added = $operation->{description} =~ /^Add/;

        return "not so: $text"
            if !$added && index($text, text($n)) < 0;

        push @names, $added ? '+' . $n . (shows($operation, $n) ? '' : '?')
                            : $n;
    }

    $token = $value->{nextPageToken};

    return join(' ', ranges(@names), $token ? '...' : ()) . "\n";
}

sub number {
    my ($id) = @_;

    my $at = 0;
    $at = $at * 32 + index join('', @digits), $_
        for split //, substr $id, 2, 9;

    my $n = $at - at(0);

    return id($n) eq $id ? $n : undef;
}

sub shows {
    my ($operation, $n) = @_;

    return ($operation->{response}{certificateData} // '')
        eq pem("certificate $n");
}

# 5 4 3 1 as 5-3 1

sub ranges {
    my (@ranges);

    for my $n (@_) {
        if (@ranges && $n =~ /^\d+$/ && $ranges[-1][1] =~ /^\d+$/
            && $ranges[-1][1] == $n + 1) {
            $ranges[-1][1] = $n;
        } else {
            push @ranges, [ $n, $n ];
        }
    }

    return map { $_->[0] eq $_->[1] ? $_->[0] : "$_->[0]-$_->[1]" } @ranges;
}

# HTTP/1.0: no chunks

sub get {
    my ($query) = @_;

    return converse("GET $uri$query HTTP/1.0\r\nHost: a\r\n"
        . "Authorization: Bearer alice\r\n\r\n") =~ s/.*?\r\n\r\n//sr;
}

# All pages after the answer, each in a line.  between: what happens before
# page 2, 3, ...

our @between;

sub paged {
    my ($size, $text) = @_;

    my $pages = listed($text);

    while ($token) {
        (shift @between)->() if @between;
        $pages .= listed(get("?pageSize=$size&pageToken=$token"));
    }

    return $pages;
}

add_block_preprocessor(sub {
    my ($block) = @_;

    @between = ();

    $block->set_value('response_body_filters', \&listed)
        unless defined $block->response_body_filters
            && $block->response_body_filters ne \&answer;
});

run_tests();

__DATA__

=== TEST 1: the list, in this form
--- init: ::put(1, 2);
--- request eval: "GET $::uri"
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
'{"operations":[' . ::text(2) . ',' . ::text(1) . ']}'
--- response_headers
Content-Type: application/json
Cache-Control: no-store
! Transfer-Encoding
--- raw_response_headers_like: x-request-id: [0-9a-f]{32}\r\n
--- no_error_log
[warn]
[error]



=== TEST 2: a page ends with the token of the next one
--- init: ::put(1, 2);
--- request eval: "GET $::uri?pageSize=1"
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
'{"operations":[' . ::text(2) . '],"nextPageToken":"'
. ::token('fleet', ::id(2)) . '"}'



=== TEST 3: a registry where nothing happened
--- request eval: ["GET $::uri", "GET $::uri?pageSize=10"]
--- error_code eval: [200, 200]
--- response_body_filters eval: sub { $_[0] }
--- response_body eval: [('{"operations":[]}') x 2]
--- response_headers eval: ['Content-Length: 17', 'Content-Length: 17']



=== TEST 4: each operation as it was answered, byte for byte, newest first
--- request eval
[::add_certificate('fleet', $::pem), ::add_certificate('fleet', $::other),
 "DELETE $::certificates/" . ::sha256_hex(::der($::other)), "GET $::uri",
 ::add_certificate('plant-7', $::other), "GET $::uri"]
--- error_code eval: [(200) x 6]
--- response_body_filters eval
sub {
    my ($text) = @_;

    if ($text =~ /^\{"id"/) {
        push @::answered, $text;
        return '';
    }

    # of what was deleted the add does not show the text

    my @expected = @::answered[0 .. 2];
    $expected[1] =~ s/"certificateData":"[^"]*",//;

    # an id begins with its time; within a millisecond the rest decides
    @expected = sort { $b cmp $a } @expected;

    return $text eq '{"operations":[' . join(',', @expected) . ']}'
        ? "as answered\n" : $text;
}
--- response_body eval
['', '', '', "as answered\n", '', "as answered\n"]



=== TEST 5: certificates are shown by those that added them
--- init
::put_added(1 .. 3);
::put(4);
::redis('DEL', '{7e}:c:fleet:' . ::sha256_hex('certificate 2'));
::redis('SETRANGE', '{7e}:c:fleet:' . ::sha256_hex('certificate 3'), 9,
        '7e1k8627grr1081g8186');
--- request eval: "GET $::uri"
--- response_body
4 +3? +2? +1



=== TEST 6: without a size, or with 0, a page has 100
--- init: ::put(1 .. 101);
--- request eval
[map { "GET $::uri$_" } '', '?', '?pageSize=0', '?page_size=0', '?pageSize=',
 '?pageSize', '?pageToken=', '?page_token=&page_size=', '/?pageSize=000']
--- error_code eval: [(200) x 9]
--- response_body eval: [("101-2 ...\n") x 9]



=== TEST 7: pages of other sizes
--- init: ::put(1 .. 301);
--- request eval
["GET $::uri?page_size=2", map { "GET $::uri?pageSize=$_" } 1, 99, 100, 101,
 199, 200, 201, 300, 301, 302, 1000]
--- error_code eval: [(200) x 12]
--- response_body eval
["301-300 ...\n", "301 ...\n",
 map({ '301-' . (302 - $_) . " ...\n" } 99, 100, 101, 199, 200, 201, 300),
 ("301-1\n") x 3]



=== TEST 8: a long page goes out in parts
--- init: ::put_added(1 .. 101);
--- request eval: "GET $::uri?pageSize=200"
--- response_headers
Transfer-Encoding: chunked
Content-Type: application/json
Cache-Control: no-store
! Content-Length
--- response_body eval
join(' ', map { "+$_" } reverse 1 .. 101) . "\n"



=== TEST 9: other sizes are refused, in either spelling
--- request eval
[map { "GET $::uri?$_" } 'pageSize=1001', 'page_size=1001', 'pageSize=-1',
 'pageSize=x', 'pageSize=1.5', 'pageSize=99999999999999999999999']
--- error_code eval: [(400) x 6]
--- response_body eval: [("3 INVALID_FIELD\nfield page_size\n") x 6]



=== TEST 10: there are no filters yet: one that is sent is not ignored
--- init: ::put(1);
--- request eval
["GET $::uri?filter=done%3Dfalse", "GET $::uri?pageSize=x&filter=a",
 "GET $::uri?filter=", "GET $::uri?filter"]
--- error_code eval: [400, 400, 200, 200]
--- response_body eval
[("3 INVALID_FIELD\nfield filter\n") x 2, "1\n", "1\n"]



=== TEST 11: page by page everything comes once, and in order
--- init: ::put(1 .. 7);
--- request eval: "GET $::uri?pageSize=3"
--- response_body_filters eval: sub { ::paged(3, $_[0]) }
--- response_body
7-5 ...
4-2 ...
1



=== TEST 12: a last page that is full has no token
--- init: ::put(1 .. 6);
--- request eval: "GET $::uri?pageSize=3"
--- response_body_filters eval: sub { ::paged(3, $_[0]) }
--- response_body
6-4 ...
3-1



=== TEST 13: while others come and go nothing that stays is lost or repeated
--- init
::put(map { 10 * $_ } 1 .. 8);
@::between = (
    # what was seen, what the token names, what is next; newer ones come
    sub { ::gone(80); ::gone(70); ::gone(60); ::put(90, 100) },
    # before and behind the place
    sub { ::put(75, 25) },
    sub { ::gone(10) },
);
--- request eval: "GET $::uri?pageSize=2"
--- response_body_filters eval: sub { ::paged(2, $_[0]) }
--- response_body
80 70 ...
50 40 ...
30 25 ...
20



=== TEST 14: those that have expired are left out, and do not end the list
--- init
::put(1 .. 6);
::gone($_, 'half') for 1, 3, 5, 6;
--- request eval
["GET $::uri", "GET $::uri?pageSize=1", "GET $::uri?pageSize=5"]
--- error_code eval: [(200) x 3]
--- response_body eval: ["4 2\n", "...\n", "4 2 ...\n"]



=== TEST 15: pages go on behind those
--- init
::put(1 .. 6);
::gone($_, 'half') for 1, 3, 5, 6;
--- request eval: "GET $::uri?pageSize=2"
--- response_body_filters eval: sub { ::paged(2, $_[0]) }
--- response_body eval
"...\n4 ...\n2\n"



=== TEST 16: whole parts of them leave the list in its form
--- init
::put(1 .. 301);
::gone($_, 'half') for 202 .. 301;
--- request eval: "GET $::uri?pageSize=1000"
--- response_body
201-1



=== TEST 17: in the middle
--- init
::put(1 .. 301);
::gone($_, 'half') for 102 .. 201;
--- request eval: "GET $::uri?pageSize=1000"
--- response_body
301-202 101-1



=== TEST 18: at the end
--- init
::put(1 .. 201);
::gone($_, 'half') for 1 .. 101;
--- request eval: "GET $::uri?pageSize=1000"
--- response_body
201-102



=== TEST 19: Redis expires them
--- settings: iot_operation_retention 1s; iot_idempotency_retention 1s;
--- request eval: [::add_certificate('fleet', $::pem), "GET $::uri"]
--- error_code eval: [200, 200]
--- response_body_filters eval
sub {
    my ($text) = @_;

    return 'added' if $text =~ /^\{"id"/;

    main::wait_until(sub { ::get('') eq '{"operations":[]}' });
    return ::get('');
}
--- response_body eval: ['added', '{"operations":[]}']



=== TEST 20: tokens that are not of this list
--- init: ::put(1 .. 3);
--- request eval
my $good = ::token('fleet', ::id(2));
[map { "GET $::uri?pageToken=$_" }
 ::token('plant-7', ::id(2)), 'x', '%00', substr($good, 0, -1), "${good}A",
 'A' x 1000, ::token('fleet', ''), ::token('fleet', 'x' x 38)]
--- error_code eval: [(400) x 8]
--- response_body eval: [("3 INVALID_FIELD\nfield page_token\n") x 8]



=== TEST 21: a token of the list of certificates is not one of this list
--- init
::put_added(1, 2);
::put(3);
--- request eval
["GET $::certificates?pageToken=" . ::token('fleet', ::id(2)),
 "GET $::uri?pageToken=" . ::token('fleet', 'x' x 38)]
--- error_code eval: [400, 400]
--- response_body eval: [("3 INVALID_FIELD\nfield page_token\n") x 2]



=== TEST 22: a registry without a record, with a bad id, being deleted
--- init: ::redis('HSET', '{7e}:r:fleet', 's', 3);
--- request eval
["GET /iot-devices/v1/registries/nowhere/operations",
 "GET /iot-devices/v1/registries/a.b/operations", "GET $::uri"]
--- error_code eval: [404, 400, 404]
--- response_body eval
["5 REGISTRY_NOT_FOUND\n"
 . "resource yandex.cloud.iot.devices.v1.Registry nowhere\n",
 "3 INVALID_FIELD\nfield registry_id\n",
 "5 REGISTRY_NOT_FOUND\n"
 . "resource yandex.cloud.iot.devices.v1.Registry fleet\n"]



=== TEST 23: a disabled one has its list
--- init
::put(1 .. 3);
::redis('HSET', '{7e}:r:fleet', 's', 4);
--- request eval: "GET $::uri"
--- response_body
3-1



=== TEST 24: with "open" a registry needs no record
--- settings
iot_registries open;
--- request
GET /iot-devices/v1/registries/nowhere/operations
--- response_body_filters eval: sub { $_[0] }
--- response_body: {"operations":[]}



=== TEST 25: records of a newer format are not guessed at
--- init
::put(1 .. 3);
::redis('HSET', '{7e}:o:' . ::id(2), 'v', 2);
--- request eval: ["GET $::uri", "GET $::uri?pageSize=1"]
--- error_code eval: [503, 200]
--- response_body eval: ["14 STORE_NEWER_FORMAT\nretry 1s\n", "3 ...\n"]



=== TEST 26: nor are certificates
--- init
::put_added(1 .. 3);
::redis('SETRANGE', '{7e}:c:fleet:' . ::sha256_hex('certificate 2'), 0, "\2");
--- request eval: "GET $::uri"
--- error_code: 503
--- response_body
14 STORE_NEWER_FORMAT
retry 1s



=== TEST 27: a record that makes no sense is broken, and not shown in the log
--- init
::put(1 .. 3);
::redis('HSET', '{7e}:o:' . ::id(2), 'f', 'a secret');
--- request eval: "GET $::uri"
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for operation
--- no_error_log
a secret



=== TEST 28: so is an id that makes no sense
--- init
::put(1 .. 3);
::redis('ZADD', '{7e}:y:fleet', 0, '7e}:a secret of 20..');
--- request eval: "GET $::uri"
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for list_operations
--- no_error_log
a secret



=== TEST 29: an answer that has begun breaks off
--- init
::put(1 .. 301);
::redis('HSET', '{7e}:o:' . ::id(150), 'v', 2);
--- request
GET /up
--- response_body_filters eval
sub {
    my $got = ::converse("GET $::uri?pageSize=1000 HTTP/1.1\r\nHost: a\r\n"
                         . "Authorization: Bearer alice\r\n\r\n");
    my ($head, $body) = split /\r\n\r\n/, $got, 2;

    join "\n", $head =~ /^HTTP\/1.1 (\d+)/,
        scalar(() = $body =~ /"id"/g),
        $body =~ /\r\n0\r\n|\]/ ? 'an end' : 'no end', ''
}
--- response_body
200
100
no end
--- error_log
iot: an answer broke off in the middle



=== TEST 30: three requests to Redis for a part, two without certificates
--- init
::put_added(1 .. 5);
::redis('CONFIG', 'RESETSTAT');
--- request eval: "GET $::uri"
--- response_body
+5 +4 +3 +2 +1
--- after eval: [['EVAL', 'local s = redis.call("INFO", "commandstats"); return s:match("cmdstat_evalsha:calls=(%d+)") .. " " .. s:match("cmdstat_mget:calls=(%d+)")', 1, '{7e}:r:fleet']]
--- says
2 1



=== TEST 31: HEAD, a body, other verbs
--- init: ::put(1);
--- request eval: ["HEAD $::uri", "GET $::uri\n{broken", "POST $::uri\n{}"]
--- error_code eval: [200, 200, 405]
--- response_headers eval
['Content-Length: ' . (17 + length ::text(1)), 'Content-Type: application/json',
 'Allow: GET, HEAD']
--- response_body eval: ['', "1\n", "12 METHOD_NOT_ALLOWED\n"]



=== TEST 32: who has no access to the registry
--- settings
iot_access "";
--- request eval: "GET $::uri"
--- error_code: 403
--- response_body
7 ACCESS_DENIED



=== TEST 33: the method's name in the log
--- http_config eval
::http_config(q{log_format iot '$status $iot_method $iot_registry_id.';})
--- settings
access_log logs/access.log iot;
--- request eval: "GET $::uri"
--- response_body eval: "\n"
--- access_log eval
qr/^200 RegistryService\.ListOperations fleet\.$/
