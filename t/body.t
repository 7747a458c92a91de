# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# How the body of a request arrives: in pieces, chunked, in memory or through
# a file, at and over each limit; and what becomes of the connection when the
# request is refused.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

plan tests => 156;

no_long_string();

gateway(settings => 'iot_registries open;');
redis_start();

our $uri = '/iot-devices/v1/registries/fleet/certificates';
our $pem = certificate();
our $body = body($pem);

# a body of so many bytes: white space after the JSON, or text in the PEM

sub padded { return $body . ' ' x ($_[0] - length $body) }

sub long { return body($pem . 'x' x $_[0]) }

# in chunks of at most so many bytes

sub chunked {
    my ($text, $size) = @_;

    return $text =~ s/(.{1,$size})/sprintf "%x\r\n%s\r\n", length $1, $1/gesr
        . "0\r\n\r\n";
}

# a request for talk, with headers

sub post {
    my ($text, @headers) = @_;

    return CORE::join("\r\n", "POST $uri HTTP/1.1", 'Host: a',
        'Authorization: Bearer alice', @headers, '', $text);
}

sub with_length { return 'Content-Length: ' . length $_[0] }

# with iot_certificate_max_size as large as the certificate needs
our $limit = 6 * length($pem) + 8192;
our $least = 'iot_registries open; iot_certificate_max_size ' . length($pem)
    . ';';

run_tests();

__DATA__

=== TEST 1: in one packet with the head
--- talk eval
[::post($::body, ::with_length($::body), 'Connection: close')]
--- heard
200
added to fleet



=== TEST 2: in packets of its own
--- talk eval
[::post('', ::with_length($::body), 'Connection: close'),
 $::body =~ /.{1,100}/gs]
--- heard
200
added to fleet



=== TEST 3: every byte of head and body alone
--- talk eval
[split //, ::post($::body, ::with_length($::body), 'Connection: close')]
--- heard
200
added to fleet



=== TEST 4: larger than a socket's buffer and nginx's
--- settings
iot_registries open;
client_body_buffer_size 128k;
--- bodies eval
[::long(60000)]
--- response_body
added to fleet
--- no_error_log
a client request body is buffered to a temporary file
--- files: 0



=== TEST 5: spilled to a file, of which nothing is left
--- settings
iot_registries open;
client_body_buffer_size 1k;
--- bodies eval
[::long(5000), ::long(60000)]
--- error_code eval
[200, 409]
--- response_body_filters eval
sub { $_[0] =~ /"code":6/ ? "exists\n" : ::answer($_[0]) }
--- response_body eval
["added to fleet\n", "exists\n"]
--- error_log
a client request body is buffered to a temporary file
--- files: 0



=== TEST 6: in a file that is read in several pieces
--- settings
iot_registries open;
client_body_buffer_size 1k;
--- bodies eval
[' ' x 150000 . $::body]
--- response_body
added to fleet
--- files: 0



=== TEST 7: part in memory, part in a file
--- settings
iot_registries open;
client_body_buffer_size 1k;
--- talk eval
my $body = ::long(60000);
[::post(substr($body, 0, 500), ::with_length($body), 'Connection: close'),
 substr($body, 500)]
--- heard
200
added to fleet
--- files: 0



=== TEST 8: always in a file
--- settings
iot_registries open;
client_body_in_file_only clean;
--- bodies eval
[$::body]
--- response_body
added to fleet
--- files: 0



=== TEST 9: in a file that the user wants to keep
--- settings
iot_registries open;
client_body_in_file_only on;
--- bodies eval
[$::body]
--- response_body
added to fleet
--- files: 1



=== TEST 10: an empty body is no file
--- settings
iot_registries open;
client_body_in_file_only on;
--- bodies eval
['']
--- error_code: 400
--- response_body
3 CERTIFICATE_REQUIRED
field certificate_data



=== TEST 11: chunked, in one chunk
--- request eval
"POST $::uri\n" . ::chunked($::body, 9999)
--- more_headers
Transfer-Encoding: chunked
--- response_body
added to fleet



=== TEST 12: in chunks of one byte
--- request eval
"POST $::uri\n" . ::chunked($::body, 1)
--- more_headers
Transfer-Encoding: chunked
--- response_body
added to fleet



=== TEST 13: chunks and packets that do not fit each other
--- talk eval
my $text = ::post(::chunked($::body, 7), 'Transfer-Encoding: chunked',
    'Connection: close');
[$text =~ /.{1,11}/gs]
--- heard
200
added to fleet



=== TEST 14: chunks with extensions, hex in capitals, and a trailer
--- request eval
my $chunk = sprintf "%08X ; name=\"value\"\r\n%s\r\n", length $::body, $::body;
"POST $::uri\n${chunk}0;last\r\nX-Trailer: 1\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- response_body
added to fleet



=== TEST 15: chunked through a file
--- settings
iot_registries open;
client_body_buffer_size 1k;
--- request eval
"POST $::uri\n" . ::chunked(::long(60000), 1000)
--- more_headers
Transfer-Encoding: chunked
--- response_body
added to fleet
--- error_log
a client request body is buffered to a temporary file
--- files: 0



=== TEST 16: no chunk at all is an empty body
--- request eval
"POST $::uri\n0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- error_code: 400
--- response_body
3 CERTIFICATE_REQUIRED
field certificate_data



=== TEST 17: chunks that are none
--- request eval
"POST $::uri\nxyz\r\n$::body\r\n0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- error_code: 400
--- response_body
3 MALFORMED_REQUEST
field request
--- response_headers
Connection: close
--- dbsize: 0



=== TEST 18: Content-Length: 0, and neither length nor chunks
--- talk eval
[::post('', 'Content-Length: 0'), ::post('', 'Connection: close')]
--- heard
400
3 CERTIFICATE_REQUIRED
field certificate_data
400
3 CERTIFICATE_REQUIRED
field certificate_data



=== TEST 19: a length that is none
--- talk eval
[::post('', 'Content-Length: x')]
--- heard
400
3 MALFORMED_REQUEST
field request



=== TEST 20: a length and chunks
--- talk eval
[::post(::chunked($::body, 100), 'Content-Length: 5',
        'Transfer-Encoding: chunked')]
--- heard
400
3 MALFORMED_REQUEST
field request
--- dbsize: 0



=== TEST 21: a transfer coding that nginx does not know
--- talk eval
[::post('', 'Transfer-Encoding: gzip')]
--- heard
501
12 HTTP_NOT_IMPLEMENTED
--- dbsize: 0



=== TEST 22: HTTP/1.0
--- request eval
"POST $::uri HTTP/1.0\n$::body"
--- response_body
added to fleet
--- response_headers
Connection: close
! Transfer-Encoding



=== TEST 23: HTTP/1.0 without a length has no body
--- raw_request eval
"POST $::uri HTTP/1.0\r\nAuthorization: Bearer alice\r\n\r\n$::body"
--- error_code: 400
--- response_body
3 CERTIFICATE_REQUIRED
field certificate_data
--- dbsize: 0



=== TEST 24: client_max_body_size: a declared length of as much
--- settings eval
'iot_registries open; client_max_body_size ' . length($::body) . ';'
--- bodies eval
[$::body]
--- response_body
added to fleet



=== TEST 25: one byte more is refused before it is read, and the line closed
--- settings eval
'iot_registries open; lingering_timeout 50ms; client_max_body_size '
    . length($::body) . ';'
--- talk eval
[::post('', ::with_length("$::body "))]
--- heard
413
3 REQUEST_TOO_LARGE
field body
--- dbsize: 0



=== TEST 26: the same, as an answer of nginx with the gateway's headers
--- settings eval
'iot_registries open; client_max_body_size ' . length($::body) . ';'
--- bodies eval
["$::body "]
--- error_code: 413
--- response_body
3 REQUEST_TOO_LARGE
field body
--- response_headers
Content-Type: application/json
Cache-Control: no-store
Connection: close
--- raw_response_headers_like chop
x-request-id: [0-9a-f]{32}\r\n



=== TEST 27: in chunks as much
--- settings eval
'iot_registries open; client_max_body_size ' . length($::body) . ';'
--- request eval
"POST $::uri\n" . ::chunked($::body, 100)
--- more_headers
Transfer-Encoding: chunked
--- response_body
added to fleet



=== TEST 28: in chunks one byte more
--- settings eval
'iot_registries open; client_max_body_size ' . length($::body) . ';'
--- request eval
"POST $::uri\n" . ::chunked("$::body ", 100)
--- more_headers
Transfer-Encoding: chunked
--- error_code: 413
--- response_body
3 REQUEST_TOO_LARGE
field body
--- dbsize: 0



=== TEST 29: what a certificate of iot_certificate_max_size can need is read
Every byte of it as \u00XX, and 8k for the rest.
--- settings eval
$::least
--- bodies eval
[::padded($::limit)]
--- response_body
added to fleet



=== TEST 30: one byte more is refused
--- settings eval
$::least
--- bodies eval
[::padded($::limit + 1)]
--- error_code: 413
--- response_body
3 REQUEST_TOO_LARGE
field body
--- dbsize: 0



=== TEST 31: before it is read
--- settings eval
$::least
--- talk eval
[::post('', "Content-Length: " . ($::limit + 1), 'Connection: close'),
 qr/"field":"body"/, ' ' x ($::limit + 1)]
--- heard
413
3 REQUEST_TOO_LARGE
field body
--- dbsize: 0



=== TEST 32: in chunks as much
--- settings eval
$::least
--- request eval
"POST $::uri\n" . ::chunked(::padded($::limit), 1000)
--- more_headers
Transfer-Encoding: chunked
--- response_body
added to fleet



=== TEST 33: in chunks one byte more
--- settings eval
$::least
--- request eval
"POST $::uri\n" . ::chunked(::padded($::limit + 1), 1000)
--- more_headers
Transfer-Encoding: chunked
--- error_code: 413
--- response_body
3 REQUEST_TOO_LARGE
field body
--- dbsize: 0



=== TEST 34: a length that overflows no number
--- settings
iot_registries open;
lingering_timeout 50ms;
--- talk eval
[::post('', 'Content-Length: 9223372036854775807')]
--- heard
413
3 REQUEST_TOO_LARGE
field body
--- dbsize: 0



=== TEST 35: Expect: 100-continue
--- talk eval
[::post('', ::with_length($::body), 'Expect: 100-continue',
        'Connection: close'),
 qr/100 Continue\r\n\r\n/, $::body]
--- heard
100
200
added to fleet



=== TEST 36: who sends the body without waiting is answered too
--- talk eval
[::post($::body, ::with_length($::body), 'Expect: 100-continue',
      'Connection: close')]
--- heard
100
200
added to fleet



=== TEST 37: a body over client_max_body_size is not asked for
--- settings
iot_registries open;
client_max_body_size 10;
lingering_timeout 50ms;
--- talk eval
[::post('', ::with_length($::body), 'Expect: 100-continue')]
--- heard
413
3 REQUEST_TOO_LARGE
field body



=== TEST 38: nor one that the method has no use for; if it comes it is dropped
--- settings eval
$::least
--- talk eval
[::post('', 'Content-Length: ' . ($::limit + 1), 'Expect: 100-continue'),
 qr/"field":"body"/, ' ' x ($::limit + 1),
 ::post($::body, ::with_length($::body), 'Connection: close')]
--- heard
413
3 REQUEST_TOO_LARGE
field body
200
added to fleet



=== TEST 39: after a refusal the connection goes on, the body is not a request
Wrong JSON, wrong certificate, wrong route, method and type, and too large.
--- settings eval
$::least
--- pipelined_requests eval
["POST $::uri\nPOST", "POST $::uri\n" . ::body('POST / HTTP/1.1'),
 "POST $::uri/x/y\n$::body", "PUT $::uri\n$::body", "PATCH $::uri\n$::body",
 "POST $::uri\n$::body", "POST $::uri\n{" . ' ' x $::limit . '}',
 "POST $::uri\n$::body"]
--- more_headers eval
[('X: 1') x 5, 'Content-Type: application/grpc', ('X: 1') x 2]
--- error_code eval
[400, 400, 404, 405, 405, 501, 413, 200]
--- response_body eval
["3 INVALID_JSON\nfield body\n",
 "3 CERTIFICATE_NO_PEM\nfield certificate_data\n",
 "5 ROUTE_NOT_FOUND\nresource path $::uri/x/y\n",
 ("12 METHOD_NOT_ALLOWED\n") x 2,
 "12 GRPC_NOT_SERVED\n",
 "3 REQUEST_TOO_LARGE\nfield body\n",
 "added to fleet\n"]
--- response_headers eval
[('Connection: keep-alive') x 7, 'Connection: close']



=== TEST 40: so it is with chunks
--- settings eval
$::least
--- pipelined_requests eval
["POST $::uri\n" . ::chunked('POST', 1),
 "POST $::uri/x/y\n" . ::chunked($::body, 50),
 "PUT $::uri\n" . ::chunked($::body, 50),
 "POST $::uri\n" . ::chunked(::padded($::limit + 1), 9000),
 "POST $::uri\n" . ::chunked($::body, 50)]
--- more_headers
Transfer-Encoding: chunked
--- error_code eval
[400, 404, 405, 413, 200]
--- response_body eval
["3 INVALID_JSON\nfield body\n",
 "5 ROUTE_NOT_FOUND\nresource path $::uri/x/y\n",
 "12 METHOD_NOT_ALLOWED\n",
 "3 REQUEST_TOO_LARGE\nfield body\n",
 "added to fleet\n"]
--- response_headers eval
[('Connection: keep-alive') x 4, 'Connection: close']



=== TEST 41: and when the caller is unknown
--- pipelined_requests eval
[("POST $::uri\n$::body") x 2]
--- more_headers eval
['Authorization: none', 'X: 1']
--- error_code eval
[401, 200]
--- response_body eval
["16 CALLER_REQUIRED\n", "added to fleet\n"]



=== TEST 42: a client that goes away in the middle has done nothing
--- raw_request eval
::post(substr($::body, 0, 100), ::with_length($::body))
--- shutdown: 1
--- error_code:
--- response_body
--- dbsize: 0



=== TEST 43: one that stalls is closed by nginx, without an answer
--- settings
iot_registries open;
client_body_timeout 100ms;
--- talk eval
[::post(substr($::body, 0, 100), ::with_length($::body))]
--- heard eval
''
--- dbsize: 0
