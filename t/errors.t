# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Errors that nginx itself raises: in the contract's JSON where a gateway is
# concerned, untouched everywhere else.  There is no Redis here at all.
#
#     --- status
#     3 MALFORMED_REQUEST
#     field request
#
# expects a google.rpc.Status that answer() of Iot.pm reads like this, with
# the headers of every answer; three tests with error_code.  Blocks without it
# show what is not touched.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Compress::Zlib ();
use IO::Socket::INET;
use Iot;

plan tests => 265;

no_root_location();

$ENV{TEST_NGINX_REDIS} = '127.0.0.1:1';

our $Add = '/iot-devices/v1/registries/fleet/certificates';

our $Gateway = <<'_EOC_';
    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }

    location /elsewhere {
        return 404;
    }
_EOC_

# a gateway location with more in it
sub with { return "location /iot-devices/ { iot_api main; $_[0] }" }

# an HTTP/1.1 request of which the test knows every byte
sub raw {
    my ($line, @headers) = @_;

    return join "\r\n", $line, 'Host: localhost', 'Connection: close',
                        @headers, '', '';
}

# a connection whose request has begun and goes on for the rest of the block
my $held;

sub hold {
    $held = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => server_port_for_client()) or die "connect: $!";

    print $held "POST $main::Add HTTP/1.1\r\nHost: localhost\r\n"
        . "Authorization: Bearer alice\r\nContent-Length: 1000\r\n\r\n{";
    $held->flush;
}

sub gunzip { return answer(Compress::Zlib::memGunzip($_[0]) // 'no gzip') }

my $headers = qr{^Content-Type:[ ]application/json\r$
    .*^x-request-id:[ ][0-9a-f]{32}\r$
    .*^Cache-Control:[ ]no-store\r?$}xms;

add_block_preprocessor(sub {
    my ($block) = @_;

    my %default = (config => $Gateway, http_config => http_config(),
                   more_headers => 'Authorization: Bearer alice');

    if (defined(my $status = $block->status)) {
        $default{response_body} = $status;
        $default{response_body_filters} = \&answer;
        $default{raw_response_headers_like} =
            ref $status ? [ map { $headers } @$status ] : $headers;
    }

    for my $section (keys %default) {
        $block->set_value($section, $default{$section})
            unless defined $block->$section;
    }
});

run_tests();

__DATA__

=== a request line that is none, before a location is chosen
--- raw_request eval: "G\x01T / HTTP/1.1\r\nHost: localhost\r\n\r\n"
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== bytes of another protocol
--- raw_request eval: "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== a path with a broken escape
--- raw_request eval: ::raw('GET /operations/%zz HTTP/1.1')
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== a path with a zero
--- raw_request eval: ::raw('GET /operations/%00 HTTP/1.1')
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== a path above the root
--- raw_request eval: ::raw('GET /../operations/x HTTP/1.1')
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== a header with a zero
--- raw_request eval: ::raw("GET /operations/x HTTP/1.1", "X-A: a\0b")
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== HTTP/1.1 without Host
--- raw_request eval: "GET /operations/x HTTP/1.1\r\nConnection: close\r\n\r\n"
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== two Host headers
--- raw_request eval: ::raw('GET /operations/x HTTP/1.1', 'Host: other')
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== a Content-Length that is no number
--- raw_request eval: ::raw("POST $::Add HTTP/1.1", 'Content-Length: many')
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== Content-Length and Transfer-Encoding together
--- raw_request eval
::raw("POST $::Add HTTP/1.1", 'Content-Length: 2', 'Transfer-Encoding: chunked')
. '{}'
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== a broken chunk, inside a gateway location
--- raw_request eval
::raw("POST $::Add HTTP/1.1", 'Transfer-Encoding: chunked',
      'Authorization: Bearer alice') . "zz\r\n"
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== a request line beyond the buffers
--- raw_request eval: ::raw('GET /operations/' . 'a' x 9000 . ' HTTP/1.1')
--- error_code: 414
--- status
3 URI_TOO_LONG
field uri



=== headers beyond the buffers
--- raw_request eval
::raw('GET /operations/x HTTP/1.1', 'X-Long: ' . 'a' x 9000)
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== a transfer coding that nginx does not know
--- raw_request eval
::raw("POST $::Add HTTP/1.1", 'Transfer-Encoding: gzip')
--- error_code: 501
--- status
12 HTTP_NOT_IMPLEMENTED



=== a version of HTTP that is none yet
--- raw_request eval: ::raw('GET /operations/x HTTP/9.1')
--- error_code: 505
--- status
12 HTTP_NOT_IMPLEMENTED



=== plain HTTP to a port with TLS
--- config
    listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1 ssl;
    ssl_certificate ../html/server.pem;
    ssl_certificate_key ../html/server.key;

    location /iot-devices/ {
        iot_api main;
    }

    location = /plain {
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1;
    }
--- user_files eval
[ [ 'server.pem' => ::certificate() ], [ 'server.key' => ::private_key() ] ]
--- request
GET /plain
--- error_code: 400
--- status
3 MALFORMED_REQUEST
field request



=== HTTP/0.9: the JSON alone
--- config eval: ::with('return 404;')
--- raw_request eval: "GET $::Add\r\n"
--- http09
--- response_body_filters eval: \&::answer
--- response_body eval: "5 ROUTE_NOT_FOUND\nresource path $::Add\n"



=== a declared body beyond client_max_body_size
--- config eval: ::with('client_max_body_size 10;')
--- request eval: "POST $::Add\n01234567890"
--- error_code: 413
--- status
3 REQUEST_TOO_LARGE
field body



=== a chunked body beyond client_max_body_size
--- config eval: ::with('client_max_body_size 10;')
--- raw_request eval
::raw("POST $::Add HTTP/1.1", 'Transfer-Encoding: chunked',
      'Authorization: Bearer alice') . "b\r\n01234567890\r\n0\r\n\r\n"
--- error_code: 413
--- status
3 REQUEST_TOO_LARGE
field body



=== what "return" says with a number alone
--- config eval
CORE::join '', map { "location /$_ { iot_api main; return $_; }" }
             qw(400 401 402 403 404 408 409 410 413 414 418 421 429 499
                500 501 502 503 504 505 507)
--- request eval
[ map { "GET /$_" } qw(400 401 402 403 404 409 410 413 414 418 421 429
                       500 501 502 503 504 505 507) ]
--- error_code eval
[ qw(400 401 402 403 404 409 410 413 414 418 421 429
     500 501 502 503 504 505 507) ]
--- status eval
my $retry = "retry 1s\n";
[
    "3 MALFORMED_REQUEST\nfield request\n",
    "16 CALLER_REQUIRED\n",
    "9 REQUEST_REFUSED\n",
    "7 ACCESS_DENIED\n",
    "5 ROUTE_NOT_FOUND\nresource path /404\n",
    "9 REQUEST_REFUSED\n",
    "9 REQUEST_REFUSED\n",
    "3 REQUEST_TOO_LARGE\nfield body\n",
    "3 URI_TOO_LONG\nfield uri\n",
    "9 REQUEST_REFUSED\n",
    "9 REQUEST_REFUSED\n",
    "8 RATE_LIMITED\n$retry",
    "13 INTERNAL_ERROR\n",
    "12 HTTP_NOT_IMPLEMENTED\n",
    "14 SERVER_UNAVAILABLE\n$retry",
    "14 SERVER_UNAVAILABLE\n$retry",
    "4 SERVER_TIMEOUT\n",
    "12 HTTP_NOT_IMPLEMENTED\n",
    "13 INTERNAL_ERROR\n",
]



=== 401 by nginx names the scheme
--- config eval: ::with('return 401;')
--- request eval: "GET $::Add"
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
--- status
16 CALLER_REQUIRED



=== 503 and 429 by nginx say when to come again
--- config
    location /503 { iot_api main; return 503; }
    location /502 { iot_api main; return 502; }
    location /429 { iot_api main; return 429; }
    location /403 { iot_api main; return 403; }
--- request eval: [ map { "GET /$_" } qw(503 502 429 403) ]
--- error_code eval: [ qw(503 502 429 403) ]
--- response_headers eval
[ ('Retry-After: 1') x 3, '! Retry-After' ]



=== deny
--- config eval: ::with('deny all;')
--- request eval: "GET $::Add"
--- error_code: 403
--- status
7 ACCESS_DENIED



=== an address that no certificate is asked of: try_files without success
--- config eval: ::with('try_files /none =404;')
--- request eval: "GET $::Add"
--- error_code: 404
--- status eval
"5 ROUTE_NOT_FOUND\nresource path $::Add\n"



=== limit_req
--- http_config eval
::http_config('limit_req_zone $server_name zone=rate:1m rate=1r/m;')
--- config eval: ::with('limit_req zone=rate;')
--- request eval: [ ("PUT $::Add") x 2 ]
--- error_code eval: [ 405, 503 ]
--- response_headers eval: [ '! Retry-After', 'Retry-After: 1' ]
--- status eval
[ "12 METHOD_NOT_ALLOWED\n", "14 SERVER_UNAVAILABLE\nretry 1s\n" ]



=== limit_req_status 429
--- http_config eval
::http_config('limit_req_zone $server_name zone=rate:1m rate=1r/m;')
--- config eval: ::with('limit_req zone=rate; limit_req_status 429;')
--- request eval: [ ("PUT $::Add") x 2 ]
--- error_code eval: [ 405, 429 ]
--- response_headers eval: [ '! Retry-After', 'Retry-After: 1' ]
--- status eval
[ "12 METHOD_NOT_ALLOWED\n", "8 RATE_LIMITED\nretry 1s\n" ]



=== limit_conn
--- http_config eval
::http_config('limit_conn_zone $server_name zone=connections:1m;')
--- config eval: ::with('limit_conn connections 1;')
--- init: ::hold();
--- request eval: "GET $::Add"
--- error_code: 503
--- response_headers
Retry-After: 1
--- status
14 SERVER_UNAVAILABLE
retry 1s



=== an upstream that is not there, in an auth_request
--- config
    location /iot-devices/ {
        auth_request /who;
        iot_api main;
    }

    location = /who {
        proxy_pass http://127.0.0.1:1;
    }
--- request eval: "GET $::Add"
--- error_code: 500
--- status
13 INTERNAL_ERROR



=== HEAD tells the length of the JSON that GET would bring
--- config eval: ::with('deny all;')
--- request eval: [ "GET $::Add", "HEAD $::Add" ]
--- error_code eval: [ 403, 403 ]
--- response_body_filters: length
--- response_headers eval: [ ('Content-Length: 277') x 2 ]
--- response_body eval: [ 277, 0 ]



=== TRACE is nginx's own affair
--- raw_request eval: ::raw("TRACE $::Add HTTP/1.1")
--- error_code: 405
--- response_headers
Content-Type: text/html
! x-request-id
--- response_body_like: ^<html>



=== so is CONNECT
--- raw_request eval: ::raw('CONNECT localhost:80 HTTP/1.1')
--- error_code_like: ^40[05]$
--- response_body_like: .



=== other locations of the server keep their pages
--- request eval: [ 'GET /elsewhere', 'GET /nowhere' ]
--- error_code eval: [ 404, 404 ]
--- response_headers eval: [ ("Content-Type: text/html\n! x-request-id") x 2 ]
--- response_body_like eval: [ ('^<html>') x 2 ]



=== a 400 of another location is not the gateway's
--- config
    location /iot-devices/ {
        iot_api main;
    }

    location /elsewhere {
        return 400;
    }
--- request
GET /elsewhere
--- error_code: 400
--- response_headers
Content-Type: text/html
--- response_body_like: ^<html>



=== a server without a gateway keeps its pages
--- http_config eval
::http_config(q{
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;

        location /iot-devices/ {
            iot_api main;
        }
    }
})
--- config
    location / {
        return 404;
    }
--- request
GET /iot-devices/
--- error_code: 404
--- response_headers
Content-Type: text/html
! x-request-id
--- response_body_like: ^<html>



=== also for what it cannot read
--- http_config eval
::http_config(q{
    server {
        listen 127.0.0.1:$TEST_NGINX_RAND_PORT_1;

        location /iot-devices/ {
            iot_api main;
        }
    }
})
--- config
    location / {
        return 404;
    }
--- raw_request eval: "G\x01T / HTTP/1.1\r\nHost: localhost\r\n\r\n"
--- error_code: 400
--- response_headers
Content-Type: text/html
! x-request-id
--- response_body_like: ^<html>



=== the user's error_page wins: a path
--- config
    location /iot-devices/ {
        deny all;
        error_page 403 /mine;
        iot_api main;
    }

    location = /mine {
        internal;
        return 403 "mine\n";
    }
--- request eval: "GET $::Add"
--- error_code: 403
--- response_headers
Content-Type: text/plain
! x-request-id
--- response_body
mine



=== a file
--- config
    location /iot-devices/ {
        deny all;
        error_page 403 /mine.json;
        iot_api main;
    }

    location = /mine.json {
        root html;
    }
--- user_files
>>> mine.json
{"mine": true}
--- request eval: "GET $::Add"
--- error_code: 403
--- response_body
{"mine": true}



=== a named location
--- config
    location /iot-devices/ {
        deny all;
        error_page 403 @mine;
        iot_api main;
    }

    location @mine {
        return 403 "mine\n";
    }
--- request eval: "GET $::Add"
--- error_code: 403
--- response_body
mine



=== another status
--- config
    location /iot-devices/ {
        deny all;
        error_page 403 =404 /mine;
        iot_api main;
    }

    location = /mine {
        return 200 "mine\n";
    }
--- request eval: "GET $::Add"
--- error_code: 404
--- response_body
mine



=== another site
--- config
    location /iot-devices/ {
        deny all;
        error_page 403 https://example.com/help;
        iot_api main;
    }
--- request eval: "GET $::Add"
--- error_code: 302
--- response_headers
Location: https://example.com/help
Content-Type: text/html
--- response_body_like: ^<html>



=== for what is refused before a location
--- config eval
"error_page 400 414 /mine; location = /mine { return 200 'mine'; } $::Gateway"
--- raw_request eval: "G\x01T / HTTP/1.1\r\nHost: localhost\r\n\r\n"
--- error_code: 400
--- response_headers
! x-request-id
--- response_body: mine



=== also over the errors of the gateway itself
--- config
    location /iot-devices/ {
        error_page 404 405 =404 /mine;
        iot_api main;
    }

    location = /mine {
        internal;
        return 200 "mine: $iot_code\n";
    }
--- request eval: ["GET /iot-devices/v1/nothing", "PUT $::Add"]
--- more_headers
Authorization: Bearer alice
--- error_code eval: [404, 404]
--- response_body eval
["mine: NOT_FOUND\n", "mine: UNIMPLEMENTED\n"]



=== for another status than the one at hand it does not
--- config
    location /iot-devices/ {
        deny all;
        error_page 404 /mine;
        iot_api main;
    }

    location = /mine {
        return 200 "mine\n";
    }
--- request eval: "GET $::Add"
--- error_code: 403
--- status
7 ACCESS_DENIED



=== "return" with a text is the user's own answer
--- config eval: ::with('return 403 "mine\n";')
--- request eval: "GET $::Add"
--- error_code: 403
--- response_headers
Content-Type: text/plain
Cache-Control: no-store
--- response_headers_like
x-request-id: [0-9a-f]{32}
--- response_body
mine



=== "return 200" too
--- config eval: ::with('return 200 "mine\n";')
--- request eval: "GET $::Add"
--- response_body
mine



=== a redirect stays a redirect
--- config eval: ::with('return 301 https://example.com/;')
--- request eval: "GET $::Add"
--- error_code: 301
--- response_headers
Location: https://example.com/
Content-Type: text/html
--- response_body_like: ^<html>



=== 204 stays empty
--- config eval: ::with('return 204;')
--- request eval: "GET $::Add"
--- error_code: 204
--- response_body:



=== gzip
--- config eval: ::with('deny all; gzip on; gzip_types *; gzip_min_length 1;')
--- request eval: "GET $::Add"
--- more_headers
Accept-Encoding: gzip
--- error_code: 403
--- response_headers
Content-Encoding: gzip
Content-Type: application/json
! Content-Length
--- response_body_filters eval: \&::gunzip
--- response_body
7 ACCESS_DENIED



=== gzip of what the gateway itself answers
--- config eval: ::with('gzip on; gzip_types *; gzip_min_length 1;')
--- request eval: "POST $::Add/x/y"
--- more_headers
Authorization: Bearer alice
Accept-Encoding: gzip
--- error_code: 404
--- response_headers
Content-Encoding: gzip
--- response_body_filters eval: \&::gunzip
--- response_body eval
"5 ROUTE_NOT_FOUND\nresource path $::Add/x/y\n"



=== add_header always
--- config eval: ::with('deny all; add_header X-More yes always;')
--- request eval: "GET $::Add"
--- error_code: 403
--- response_headers
X-More: yes
--- status
7 ACCESS_DENIED



=== SSI, charset and sub_filter
--- config eval
::with('deny all; ssi on; ssi_types *; charset utf-8; sub_filter_types *;
        sub_filter mine yours;')
--- request eval: "GET $::Add"
--- error_code: 403
--- status
7 ACCESS_DENIED



=== large_client_header_buffers and msie_padding
--- config eval: ::with('deny all; msie_padding on;')
--- request eval: "GET $::Add"
--- more_headers
User-Agent: Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)
--- error_code: 403
--- status
7 ACCESS_DENIED



=== a connection goes on after errors that nginx lets it survive
--- config eval
::with('deny all;') . q{
    location /404/ { iot_api main; return 404; }
    location /503/ { iot_api main; return 503; }
    location /429/ { iot_api main; return 429; }
    location /operations/ { iot_operations main; }
}
--- pipelined_requests eval
[ "GET $::Add", 'GET /404/', "POST $::Add\n{}", 'GET /503/', 'GET /429/',
  'GET /operations/x', 'PUT /operations/x', 'GET /404/' ]
--- error_code eval: [ 403, 404, 403, 503, 429, 404, 405, 404 ]



=== a connection goes on after the gateway's own errors, whatever the body
--- pipelined_requests eval
[
    "POST $::Add\n{broken",
    "POST $::Add\n" . 'x' x 600000,
    "PUT $::Add\n" . 'x' x 60000,
    "POST $::Add/x/y\n" . 'x' x 60000,
    'GET /operations/x',
]
--- error_code eval: [ 400, 413, 405, 404, 404 ]



=== a connection goes on after 401, whatever the body
--- more_headers
Authorization: none
--- pipelined_requests eval
[ "POST $::Add\n" . 'x' x 600000, "GET $::Add", 'GET /operations/x' ]
--- error_code eval: [ 401, 401, 401 ]



=== a body that is announced and refused at once: no 100 Continue
--- raw_request eval
::raw("POST $::Add HTTP/1.1", 'Content-Length: 600', 'Expect: 100-continue')
. 'x' x 600
--- error_code: 401
--- status
16 CALLER_REQUIRED



=== every error has a request id of its own, the one of the log
--- http_config eval
::http_config(q{ log_format id '$status $request_id $sent_http_x_request_id'; })
--- config eval
'access_log logs/access.log id; ' . ::with('deny all;')
--- request eval: "GET $::Add"
--- error_code: 403
--- access_log eval
qr/^403 ([0-9a-f]{32}) \1$/



=== a refusal whose body is broken as well stays the refusal
--- config eval: $::Gateway
--- raw_request eval
"POST $::Add HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n"
--- error_code: 401
--- response_body_like: "code":16,.*CALLER_REQUIRED



=== what the rewrite phase refused is in the log with its method and registry
--- http_config eval
::http_config('log_format iot "$iot_method $iot_registry_id $iot_code";')
--- config eval
"access_log logs/access.log iot;" . ::with('if ($http_x_bad) { return 403; }')
--- request eval: "POST $::Add"
--- more_headers
X-Bad: 1
--- error_code: 403
--- response_body_like: ACCESS_DENIED
--- access_log eval
qr/^RegistryService.AddCertificate \S+ PERMISSION_DENIED/
