# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# ListCertificates: GET .../registries/{registryId}/certificates, whole and in
# pages.  Very long lists have a file of their own.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

use Compress::Zlib ();
use Digest::SHA qw(sha256 sha256_hex);
use MIME::Base64 qw(encode_base64url);

plan tests => 311;

log_level('info');
no_long_string();

# "fleet" is in the shard 7e, which its keys carry

gateway(registries => ['fleet', 'plant-7']);
redis_start();

our $uri = '/iot-devices/v1/registries/fleet/certificates';
our $pem = certificate();
our $other = certificate(key => 'rsa:2048');


# ---- certificates of a number ---------------------------------------------

# A list does not look into its certificates: any bytes do.  Number 7 is older
# than number 8.

our %number;

sub numbered { return pem("certificate $_[0]") }

sub put {
    for my $n (@_) {
        my $hex = put_certificate('fleet', numbered($n),
                                  at => 1790000000000 + $n);
        $number{$hex} = $n;
    }
}

sub fingerprint { return sha256_hex("certificate $_[0]") }

sub member {
    my ($n) = @_;

    return substr(pack('Q>', 1790000000000 + $n), 2)
        . sha256("certificate $n");
}

# as a delete does it; "half": its place is left, as a list may find it that
# was read just before

sub gone {
    my ($n, $half) = @_;

    redis('DEL', '{7e}:c:fleet:' . fingerprint($n));
    redis('ZREM', '{7e}:z:fleet', member($n)) unless $half;
}

sub token {
    my ($registry, $place) = @_;

    return encode_base64url(pack('N', Compress::Zlib::crc32($registry))
                            . $place);
}


# ---- lists in short -------------------------------------------------------

# "1 2 3", and " ..." when there is a token of a next page; whatever is not a
# list in the form of the API stays as it is

our $token;

sub listed {
    my ($text) = @_;

    return answer($text) if $text !~ /^\{"certificates":\[/;

    my @numbers;
    my $rest = substr $text, length '{"certificates":[';

    while ($rest =~ s/^(,?)(\{"registryId":"fleet","fingerprint":"(\w+)",.*?\})
                     (?=[\],])//x) {
        my ($comma, $json, $hex) = ($1, $2, $3);
        my $n = $number{$hex} // return "unknown: $text";

        return "not so: $text"
            if $json ne registry_certificate('fleet', numbered($n),
                                             1790000000000 + $n)
                || $comma ne (@numbers ? ',' : '');

        push @numbers, $n;
    }

    undef $token;

    $rest =~ s/^\](?:,"nextPageToken":"([\w-]{1,100})")?\}\z//
        or return "not a list: $text";

    $token = $1;

    return join(' ', ranges(@numbers), $token ? '...' : ()) . "\n";
}

# 1 2 3 5 as 1-3 5

sub ranges {
    my (@ranges);

    for my $n (@_) {
        if (@ranges && $ranges[-1][1] == $n - 1) {
            $ranges[-1][1] = $n;
        } else {
            push @ranges, [ $n, $n ];
        }
    }

    return map { $_->[0] == $_->[1] ? $_->[0] : "$_->[0]-$_->[1]" } @ranges;
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
    %number = ();

    $block->set_value('response_body_filters', \&listed)
        unless defined $block->response_body_filters
            && $block->response_body_filters ne \&answer;
});

run_tests();

__DATA__

=== TEST 1: the list, field by field in this order
--- init
::put_certificate('fleet', $::pem, at => 1790000000001);
::put_certificate('fleet', $::other, at => 1790000000000);
--- request eval: "GET $::uri"
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
'{"certificates":['
. ::registry_certificate('fleet', $::other, 1790000000000) . ','
. ::registry_certificate('fleet', $::pem, 1790000000001) . ']}'
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



=== TEST 2: a page ends with the token of the next one
--- init
::put_certificate('fleet', $::pem, at => 1790000000001);
::put_certificate('fleet', $::other, at => 1790000000000);
--- request eval: "GET $::uri?pageSize=1"
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
'{"certificates":['
. ::registry_certificate('fleet', $::other, 1790000000000)
. '],"nextPageToken":"'
. ::token('fleet', substr(pack('Q>', 1790000000000), 2)
                   . Digest::SHA::sha256(::der($::other))) . '"}'



=== TEST 3: an empty registry has an empty list
--- request eval: ["GET $::uri", "GET $::uri?pageSize=10"]
--- error_code eval: [200, 200]
--- response_body_filters eval: sub { $_[0] }
--- response_body eval: ['{"certificates":[]}', '{"certificates":[]}']
--- response_headers eval: ['Content-Length: 19', 'Content-Length: 19']



=== TEST 4: what was added is listed, in the order of time
--- request eval
[::add_certificate('fleet', $::pem), "GET $::uri",
 ::add_certificate('fleet', $::other), "GET $::uri"]
--- error_code eval: [(200) x 4]
--- response_body_filters eval
sub { $_[0] =~ /^\{"id"/ ? ::answer($_[0])
      : join ' ', map { $_ eq ::sha256_hex(::der($::pem)) ? 'pem' : 'other' }
                      $_[0] =~ /"fingerprint":"(\w+)"/g }
--- response_body eval
["added to fleet\n", 'pem', "added to fleet\n",
 'pem other']



=== TEST 5: of the same millisecond in the order of fingerprints
--- init
$::number{::put_certificate('fleet', ::numbered($_), at => 1790000000000)} = $_
    for 1 .. 20;
--- request eval: "GET $::uri"
--- response_body_filters eval
sub { join ' ', map { $::number{$_} } $_[0] =~ /"fingerprint":"(\w+)"/g }
--- response_body eval
join ' ', sort { ::fingerprint($a) cmp ::fingerprint($b) } 1 .. 20



=== TEST 6: the three ways in which a text is kept
--- init
::put_certificate('fleet', $::pem, at => 1);
::put_certificate('fleet', $::other =~ s/\n\z//r, at => 2);
::put_certificate('fleet', "a \"\\\r\n\t" . ::numbered(1), at => 3);
--- request eval: "GET $::uri"
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
'{"certificates":['
. join(',', ::registry_certificate('fleet', $::pem, 1),
       ::registry_certificate('fleet', $::other =~ s/\n\z//r, 2),
       ::registry_certificate('fleet', "a \"\\\r\n\t" . ::numbered(1), 3))
. ']}'



=== TEST 7: certificates of others are not in it
--- init
::put(1 .. 3);
::put_certificate('plant-7', $::pem);
--- request eval: "GET $::uri"
--- response_body
1-3
--- dbsize: 14



=== TEST 8: without a size, or with 0, everything
--- init: ::put(1 .. 3);
--- request eval
[map { "GET $::uri$_" } '', '?', '?pageSize=0', '?page_size=0', '?pageSize=',
 '?pageSize', '?pageToken=', '?page_token=&page_size=', '/?pageSize=000']
--- error_code eval: [(200) x 9]
--- response_body eval: [("1-3\n") x 9]



=== TEST 9: pages
--- init: ::put(1 .. 3);
--- request eval
[map { "GET $::uri?$_" } 'pageSize=1', 'page_size=1', 'pageSize=2',
 'pageSize=3', 'pageSize=4', 'pageSize=1000', 'pageSize=%31', 'x=y&pageSize=2',
 'pageSize=2&filter=x&', 'pageSize=1&page_size=2']
--- error_code eval: [(200) x 10]
--- response_body eval
["1 ...\n", "1 ...\n", "1-2 ...\n", ("1-3\n") x 3, "1 ...\n",
 ("1-2 ...\n") x 2, "1 ...\n"]



=== TEST 10: other sizes are refused, in either spelling
--- init: ::put(1 .. 3);
--- request eval
[map { "GET $::uri?$_" } 'pageSize=1001', 'page_size=1001', 'pageSize=-1',
 'pageSize=x', 'pageSize=1.5', 'pageSize=%201', 'pageSize=1%20', 'pageSize=+1',
 'pageSize=0x1', 'pageSize=1e1', 'pageSize=99999999999999999999999',
 'pageSize=%00', 'pageSize=1,2', 'page_size=null']
--- error_code eval: [(400) x 14]
--- response_body eval: [("3 INVALID_FIELD\nfield page_size\n") x 14]



=== TEST 11: Redis is not asked for a page of a size or a token that is refused
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request eval: ["GET $::uri?pageSize=x", "GET $::uri?pageToken=x"]
--- error_code eval: [400, 400]
--- response_body eval
[map { "3 INVALID_FIELD\nfield $_\n" } 'page_size', 'page_token']
--- after eval: [['EVAL', 'local s = redis.call("INFO", "commandstats"); return s:find("cmdstat_evalsha", 1, true) and 1 or 0', 1, '{7e}:r:fleet']]
--- says
0



=== TEST 12: page by page everything comes once, and in order
--- init: ::put(1 .. 7);
--- request eval: "GET $::uri?pageSize=3"
--- response_body_filters eval: sub { ::paged(3, $_[0]) }
--- response_body
1-3 ...
4-6 ...
7



=== TEST 13: one by one
--- init: ::put(1 .. 5);
--- request eval: "GET $::uri?pageSize=1"
--- response_body_filters eval: sub { ::paged(1, $_[0]) }
--- response_body
1 ...
2 ...
3 ...
4 ...
5



=== TEST 14: a last page that is full has no token
--- init: ::put(1 .. 6);
--- request eval: "GET $::uri?pageSize=3"
--- response_body_filters eval: sub { ::paged(3, $_[0]) }
--- response_body
1-3 ...
4-6



=== TEST 15: the rest after a page without a size
--- init: ::put(1 .. 250);
--- request eval
["GET $::uri?pageToken=" . ::token('fleet', ::member(2)),
 "GET $::uri?page_token=" . ::token('fleet', ::member(249)) . '&pageSize=0']
--- error_code eval: [200, 200]
--- response_body eval: ["3-250\n", "250\n"]



=== TEST 16: a place behind the last one
--- init: ::put(1 .. 3);
--- request eval
"GET $::uri?pageToken=" . ::token('fleet', ::member(3))
--- response_body eval: "\n"



=== TEST 17: parts: as many as there are
--- init: ::put(1 .. 99);
--- request eval: "GET $::uri"
--- response_body
1-99
--- response_headers
! Transfer-Encoding



=== TEST 18: one part exactly
--- init: ::put(1 .. 100);
--- request eval: "GET $::uri"
--- response_body
1-100
--- response_headers
! Transfer-Encoding



=== TEST 19: and one more
--- init: ::put(1 .. 101);
--- request eval: "GET $::uri"
--- response_body
1-101
--- response_headers
Transfer-Encoding: chunked
Content-Type: application/json
Cache-Control: no-store
! Content-Length
--- raw_response_headers_like: x-request-id: [0-9a-f]{32}\r\n



=== TEST 20: several
--- init: ::put(1 .. 301);
--- request eval
["GET $::uri", map { "GET $::uri?pageSize=$_" } 99, 100, 101, 199, 200, 201,
 300, 301, 302, 1000]
--- error_code eval: [(200) x 11]
--- response_body eval
["1-301\n", map({ "1-$_ ...\n" } 99, 100, 101, 199, 200, 201, 300),
 ("1-301\n") x 3]



=== TEST 21: large pages page by page
--- init: ::put(1 .. 301);
--- request eval: "GET $::uri?pageSize=150"
--- response_body_filters eval: sub { ::paged(150, $_[0]) }
--- response_body
1-150 ...
151-300 ...
301



=== TEST 22: while others add and delete nothing that stays is lost or repeated
--- init
::put(map { 10 * $_ } 1 .. 8);
@::between = (
    # what was seen, what the token names, what is next; newer ones come
    sub { ::gone(10); ::gone(20); ::gone(30); ::put(90, 100) },
    # before and behind the place
    sub { ::put(15, 65) },
    sub { ::gone(100) },
);
--- request eval: "GET $::uri?pageSize=2"
--- response_body_filters eval: sub { ::paged(2, $_[0]) }
--- response_body
10 20 ...
40 50 ...
60 65 ...
70 80 ...
90



=== TEST 23: all that is left is deleted between two pages
--- init
::put(1 .. 4);
@::between = (sub { ::gone($_) for 1 .. 4 });
--- request eval: "GET $::uri?pageSize=2"
--- response_body_filters eval: sub { ::paged(2, $_[0]) }
--- response_body eval
"1-2 ...\n\n"



=== TEST 24: a certificate that goes while its page is read is left out
--- init
::put(1 .. 5);
::gone($_, 'half') for 1, 3, 5;
--- request eval: ["GET $::uri", "GET $::uri?pageSize=1", "GET $::uri?pageSize=4"]
--- error_code eval: [(200) x 3]
--- response_body eval: ["2 4\n", "...\n", "2 4 ...\n"]



=== TEST 25: pages go on behind those
--- init
::put(1 .. 5);
::gone($_, 'half') for 1, 3, 5;
--- request eval: "GET $::uri?pageSize=1"
--- response_body_filters eval: sub { ::paged(1, $_[0]) }
--- response_body eval
"...\n2 ...\n...\n4 ...\n\n"



=== TEST 26: whole parts that are gone leave the list in its form: the first
--- init
::put(1 .. 301);
::gone($_, 'half') for 1 .. 100;
--- request eval: "GET $::uri"
--- response_body
101-301



=== TEST 27: one in the middle
--- init
::put(1 .. 301);
::gone($_, 'half') for 101 .. 200;
--- request eval: "GET $::uri"
--- response_body
1-100 201-301



=== TEST 28: the last
--- init
::put(1 .. 201);
::gone($_, 'half') for 101 .. 201;
--- request eval: "GET $::uri"
--- response_body
1-100



=== TEST 29: all
--- init
::put(1 .. 201);
::gone($_, 'half') for 1 .. 201;
--- request eval: "GET $::uri"
--- response_body eval: "\n"



=== TEST 30: tokens that are not of this list
--- init: ::put(1 .. 3);
--- request eval
my $good = ::token('fleet', ::member(1));
[map { "GET $::uri?pageSize=1&pageToken=$_" }
 ::token('plant-7', ::member(1)), ::token('Fleet', ::member(1)), 'x', '0',
 'garbage!', '%00', '%ff', substr($good, 0, -1), substr($good, 0, -4),
 "${good}A", "${good}AAAA", "%20$good", $good =~ s/^./-/r,
 'A' x 100, 'A' x 101, 'A' x 1000, ::token('fleet', ''),
 ::token('fleet', ::member(1) . 'x'), ::token('fleet', 'x' x 20)]
--- error_code eval: [(400) x 19]
--- response_body eval: [("3 INVALID_FIELD\nfield page_token\n") x 19]



=== TEST 31: a token may be spelled with escapes, and either way
--- init: ::put(1 .. 3);
--- request eval
my $good = ::token('fleet', ::member(1));
["GET $::uri?page_token=$good&page_size=1",
 "GET $::uri?pageToken=" . $good =~ s/(.)/sprintf '%%%02x', ord $1/ger]
--- error_code eval: [200, 200]
--- response_body eval: ["2 ...\n", "2-3\n"]



=== TEST 32: the size is looked at first, and both after the registry's id
--- request eval
["GET $::uri?pageSize=x&pageToken=x",
 "GET /iot-devices/v1/registries/a.b/certificates?pageSize=x&pageToken=x"]
--- error_code eval: [400, 400]
--- response_body eval
["3 INVALID_FIELD\nfield page_size\n", "3 INVALID_FIELD\nfield registry_id\n"]



=== TEST 33: a registry without a record does not exist
--- request
GET /iot-devices/v1/registries/nowhere/certificates
--- error_code: 404
--- response_body
5 REGISTRY_NOT_FOUND
resource yandex.cloud.iot.devices.v1.Registry nowhere



=== TEST 34: with "open" it is empty
--- settings
iot_registries open;
--- request
GET /iot-devices/v1/registries/nowhere/certificates
--- response_body_filters eval: sub { $_[0] }
--- response_body: {"certificates":[]}



=== TEST 35: a disabled registry has its list
--- init
::put(1 .. 3);
::redis('HSET', '{7e}:r:fleet', 's', 4);
--- request eval: "GET $::uri"
--- response_body
1-3



=== TEST 36: one that is being deleted has none
--- init
::put(1 .. 3);
::redis('HSET', '{7e}:r:fleet', 's', 3);
--- request eval: "GET $::uri"
--- error_code: 404
--- response_body_like: ^5 REGISTRY_NOT_FOUND



=== TEST 37: a registry of a newer format is not guessed at
--- init
::put(1 .. 3);
::redis('HSET', '{7e}:r:fleet', 'v', 2);
--- request eval: "GET $::uri"
--- error_code: 503
--- response_body
14 STORE_NEWER_FORMAT
retry 1s
--- error_log
a record has a newer format



=== TEST 38: nor is a certificate of a newer format in the first part
--- init
::put(1 .. 301);
::redis('SETRANGE', '{7e}:c:fleet:' . ::fingerprint(100), 0, "\2");
--- request eval: ["GET $::uri", "GET $::uri?pageSize=99"]
--- error_code eval: [503, 200]
--- response_body eval
["14 STORE_NEWER_FORMAT\nretry 1s\n", "1-99 ...\n"]



=== TEST 39: a record that makes no sense is broken
--- init
::put(1 .. 3);
::redis('SET', '{7e}:c:fleet:' . ::fingerprint(2), "\1a secret");
--- request eval: "GET $::uri"
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for certificate
--- no_error_log
a secret



=== TEST 40: so is a place that makes no sense
--- init
::put(1 .. 3);
::redis('ZADD', '{7e}:z:fleet', 0, 'a secret');
--- request eval: "GET $::uri"
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for list_certificates



=== TEST 41: a list of another type: Redis' own words are logged
--- init: ::redis('SET', '{7e}:z:fleet', 'a secret');
--- request eval: "GET $::uri"
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
WRONGTYPE
--- no_error_log
a secret



=== TEST 42: later parts: an answer that has begun breaks off, in HTTP/1.1 chunks
The last chunk is missing, so that no client takes it for a whole list.
--- init
::put(1 .. 301);
::redis('SETRANGE', '{7e}:c:fleet:' . ::fingerprint(101), 0, "\2");
--- request
GET /up
--- response_body_filters eval
sub {
    my $got = ::converse("GET $::uri HTTP/1.1\r\nHost: a\r\n"
                         . "Authorization: Bearer alice\r\n\r\n");
    my ($head, $body) = split /\r\n\r\n/, $got, 2;

    join "\n", $head =~ /^HTTP\/1.1 (\d+)/,
        scalar(() = $body =~ /"fingerprint"/g),
        $body =~ /\r\n0\r\n|\]/ ? 'an end' : 'no end', ''
}
--- response_body
200
100
no end
--- error_log
iot: an answer broke off in the middle: the store holds a record of a newer



=== TEST 43: and in HTTP/1.0 without the end of the JSON
--- init
::put(1 .. 301);
::redis('SETRANGE', '{7e}:c:fleet:' . ::fingerprint(201), 0, "\2");
--- request
GET /up
--- response_body_filters eval
sub {
    my $body = ::get('');

    join ' ', scalar(() = $body =~ /"fingerprint"/g),
        $body =~ /\]/ ? 'an end' : 'no end'
}
--- response_body: 200 no end
--- error_log
iot: an answer broke off in the middle



=== TEST 44: HEAD is GET without its body
--- init: ::put(1 .. 3);
--- request eval: "HEAD $::uri"
--- response_headers eval
'Content-Length: ' . (19 + 2 + 3 * length ::registry_certificate('fleet',
                                                   ::numbered(1)))
--- response_body:



=== TEST 45: of a long list only the first part is read for it
--- init
::put(1 .. 301);
::redis('CONFIG', 'RESETSTAT');
--- request eval: "HEAD $::uri"
--- response_headers
! Content-Length
--- response_body:
--- after eval: [['EVAL', 'return redis.call("INFO", "commandstats"):match("cmdstat_mget:calls=(%d+)")', 1, '{7e}:r:fleet']]
--- says
1



=== TEST 46: the connection goes on after lists of one and of many parts
--- init: ::put(1 .. 201);
--- pipelined_requests eval
["GET $::uri", "GET $::uri?pageSize=2", "GET $::uri", "GET $::uri?pageSize=x",
 "GET $::uri\n" . 'x' x 100000, "GET $::uri\n{"]
--- error_code eval: [(200) x 3, 400, 200, 200]
--- response_body eval
["1-201\n", "1-2 ...\n", "1-201\n", "3 INVALID_FIELD\nfield page_size\n",
 "1-201\n", "1-201\n"]



=== TEST 47: the path has no other method
--- request eval
[map { "$_ $::uri" } qw(PUT DELETE PATCH OPTIONS PROPFIND)]
--- error_code eval: [(405) x 5]
--- response_headers eval: [('Allow: GET, HEAD, POST') x 5]
--- response_body eval: [("12 METHOD_NOT_ALLOWED\n") x 5]



=== TEST 48: who is nobody learns nothing
--- init: ::put(1 .. 3);
--- more_headers
Authorization: none
--- request eval: ["GET $::uri", "GET $::uri?pageSize=x"]
--- error_code eval: [401, 401]
--- response_body eval: [("16 CALLER_REQUIRED\n") x 2]



=== TEST 49: access comes before size and token
--- settings
iot_access 0;
--- request eval: ["GET $::uri", "GET $::uri?pageSize=x", "GET $::uri?pageToken=x"]
--- error_code eval: [(403) x 3]
--- response_body eval: [("7 ACCESS_DENIED\n") x 3]



=== TEST 50: access log
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_method $iot_registry_id '
                   '$iot_caller $iot_fingerprint $iot_store_time.';
})
--- settings
access_log logs/access.log iot;
--- init: ::put(1 .. 201);
--- request eval: "GET $::uri"
--- response_body
1-201
--- access_log eval
qr/^200 OK RegistryService\.ListCertificates fleet alice -? \d+\.\d{3}\.$/



=== TEST 51: an answer that broke off is in it with its code
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_method.';
})
--- settings
access_log logs/access.log iot;
--- init
::put(1 .. 301);
::redis('SETRANGE', '{7e}:c:fleet:' . ::fingerprint(201), 0, "\2");
--- request
GET /up
--- response_body_filters eval: sub { ::get('') =~ /\]/ ? 'an end' : 'no end' }
--- response_body: no end
--- access_log
200 UNAVAILABLE RegistryService.ListCertificates.



=== TEST 52: compressed
--- settings
gzip on;
gzip_types *;
--- more_headers
Accept-Encoding: gzip
--- init: ::put(1 .. 301);
--- request eval: "GET $::uri"
--- response_headers
Content-Encoding: gzip
--- response_body_filters eval
sub { ::listed(Compress::Zlib::memGunzip($_[0]) // 'no gzip') }
--- response_body
1-301



=== TEST 53: keys with a prefix
--- http_config eval
::http_config() =~ s/server \S+;\K/ key_prefix gw:;/r
--- settings
iot_registries open;
--- request eval
[::add_certificate('fleet', $::pem), "GET $::uri"]
--- error_code eval: [200, 200]
--- response_body_filters eval
sub { scalar(() = $_[0] =~ /"registryId":"fleet"/g) }
--- response_body eval: ['2', '1']



=== TEST 54: the connection goes on after HEAD of a long list
--- init: ::put(1 .. 201);
--- request
GET /up
--- response_body_filters eval
sub {
    my @lines = ("Host: a", "Authorization: Bearer alice");
    my $got = ::converse(
        join("\r\n", "HEAD $::uri HTTP/1.1", @lines, '', ''), qr/\r\n\r\n/,
        join("\r\n", "GET $::uri?pageSize=2 HTTP/1.1", @lines,
             'Connection: close', '', ''));
    my ($head, $next, $list) = split /\r\n\r\n/, $got;

    join ' ', map({ /^HTTP\/1.1 (\d+)/ } $head, $next), ::listed($list);
}
--- response_body
200 200 1-2 ...
