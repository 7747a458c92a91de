# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# The test harness tested with nginx's own directives: the same tests must
# pass, in the same number, with t/lib and with the CPAN module of its name.

use Test::Nginx::Socket;

repeat_each(2);

# the second term: what is tested once a block, after nginx has stopped
plan tests => repeat_each() * (blocks() * 2 + 43) + 2;

no_root_location();
no_long_string();
env_to_nginx('HARNESS_A=1', 'HARNESS_B');

$ENV{TEST_NGINX_HARNESS_WORD} = 'expanded';

# assigned after blocks() has been called: eval filters are to see it
our $HttpConfig = <<'_EOC_';
    map $arg_v $mapped {
        default  none;
        ~^\d+$   number;
    }
_EOC_

sub shout { return map { uc } @_ }

add_block_preprocessor(sub {
    my $block = shift;

    if (!defined $block->request && !defined $block->raw_request
        && !defined $block->pipelined_requests)
    {
        $block->set_value('request', 'GET /t');
    }
});

add_response_body_check(sub {
    my ($block, $body, $req, $repeat) = @_;

    if (defined $block->body_length) {
        is_str(length $body, $block->body_length,
               $block->name . " - body length (req $repeat)");
    }
});

run_tests();

__DATA__

=== TEST 1: status 200 is the default
--- config
    location = /t {
        return 200 "hello\n";
    }
--- response_body
hello
--- no_error_log
[error]
[alert]



=== TEST 2: another status, and a body in one line
--- config
    location = /t {
        return 404 "nothing here";
    }
--- error_code: 404
--- response_body chomp
nothing here



=== TEST 3: error_code_like
--- config
    location = /t {
        return 204;
    }
--- error_code_like: ^20[04]$
--- response_body



=== TEST 4: the connection is closed without an answer
--- config
    location = /t {
        return 444;
    }
--- error_code:
--- response_body



=== TEST 5: what is sent, and a default for the section request
--- config
    location = /t {
        return 200 "$request|$http_host|$http_connection|$http_x_a|$args\n";
    }
--- more_headers
X-A: 1
--- response_body
GET /t HTTP/1.1|localhost|close|1|



=== TEST 6: headers of the test's own
--- config
    location = /t {
        return 200 "$request|$http_host|$http_connection\n";
    }
--- request
# the version is the test's choice, too

GET /t HTTP/1.0
--- more_headers
Host: example.com
Connection: Keep-Alive
--- response_body
GET /t HTTP/1.0|example.com|Keep-Alive
--- response_headers
Connection: keep-alive
--- timeout: 200ms
--- abort



=== TEST 7: the request's body and its length
--- config
    location = /t {
        proxy_set_header X-Body $request_body;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /echo {
        return 200 "$content_length $http_x_body\n";
    }
--- request
POST /t
abc=def
--- response_body
7 abc=def



=== TEST 8: a body in packets
--- config
    location = /t {
        proxy_set_header X-Body $request_body;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /echo {
        return 200 "$content_length $http_x_body\n";
    }
--- request eval
[["POST /t\nab", "cd", { value => "ef", delay_before => 0.05 }], "GET /echo"]
--- response_body eval
["6 abcdef\n", " \n"]



=== TEST 9: a body of the test's own framing
--- config
    location = /t {
        proxy_set_header X-Body $request_body;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /echo {
        return 200 "$content_length $http_x_body\n";
    }
--- request eval
"POST /t\n3\r\nabc\r\n0\r\n\r\n"
--- more_headers
Transfer-Encoding: chunked
--- response_body
3 abc



=== TEST 10: several requests, all with expectations of their own
--- config
    location = /a {
        add_header X-Req a always;
        return 200 "a $http_x\n";
    }
    location = /b {
        return 403 "b $http_x\n";
    }
--- request eval
["GET /a", "GET /b"]
--- more_headers eval
["X: 1", "X: 2"]
--- error_code eval
[200, 403]
--- response_headers eval
["X-Req: a", "! X-Req\nContent-Type: text/plain"]
--- response_body eval
["a 1\n", qr/^b 2$/]



=== TEST 11: pipelined requests
--- config
    location / {
        return 200 "$uri $http_connection $connection_requests\n";
    }
--- pipelined_requests eval
["GET /a", "POST /b\nabc", "GET /c"]
--- response_body eval
["/a keep-alive 1\n", "/b keep-alive 2\n", "/c close 3\n"]
--- error_log eval
[]
--- no_error_log
[alert]



=== TEST 12: HEAD
--- config
    location = /t {
        return 200 "$request_method\n";
    }
--- request
HEAD /t
--- response_body
--- response_headers
Content-Length: 5



=== TEST 13: raw request
--- config
    location = /t {
        return 200 "x";
    }
--- raw_request eval
"GET /t HTTP/1.1\r\nNo-Host: 1\r\n\r\n"
--- error_code: 400
--- response_body_like: 400 Bad Request
--- error_log
client sent HTTP/1.1 request without "Host" header



=== TEST 14: raw request in packets
--- config
    location = /t {
        return 200 "$http_x_a\n";
    }
--- raw_request eval
["GET /t HTTP/1.1\r\nHost: a\r\nConn", "ection: close\r\nX-A: b",
 "c\r\n\r\n"]
--- raw_request_middle_delay: 0.03
--- response_body
bc



=== TEST 15: HTTP/0.9
--- config
    location = /t {
        return 200 "old\n";
    }
--- raw_request eval
"GET /t\r\n"
--- http09
--- response_body
old



=== TEST 16: response headers
--- config
    location = /t {
        add_header X-A 1;
        add_header X-A 2;
        add_header X-B "a: b";
        return 200 "x";
    }
--- response_headers
X-A: 1, 2
x-b: a: b
X-C:
! X-D
--- raw_response_headers_like: X-A: 1\r\nX-A: 2\r\n
--- raw_response_headers_unlike: X-[CD]
--- response_body chop
x



=== TEST 17: response_headers_like
--- config
    location = /t {
        return 200 "x";
    }
--- response_headers_like
Server: nginx/?[\d.]*
Content-Length: \d
--- response_body_like: x



=== TEST 18: a body of chunks
--- config
    location = /t {
        sub_filter_once off;
        sub_filter b bbb;
        sub_filter_types *;
        return 200 "abcabc\n";
    }
--- response_headers
Transfer-Encoding: chunked
! Content-Length
--- response_body
abbbcabbbc
--- body_length: 11



=== TEST 19: response_body_unlike
--- config
    location = /t {
        return 200 "abc\n";
    }
--- response_body_unlike: ^x



=== TEST 20: the first section on the body has it
--- config
    location = /t {
        return 200 "abc\n";
    }
--- response_body_unlike: abc
--- response_body_like: never looked at
--- response_body
abc



=== TEST 21: filters of the body
--- config
    location = /t {
        return 200 "abc\n";
    }
--- response_body_filters
uc md5_hex length
--- response_body chomp
32



=== TEST 22: code for a filter
--- config
    location = /t {
        return 200 "abc\n";
    }
--- response_body_filters eval
sub { scalar reverse $_[0] }
--- response_body eval
"\ncba"



=== TEST 23: filters of sections, one of them of this file
--- http_config eval: $::HttpConfig
--- config eval
"    location = /t { return 200 \"\$mapped " . (6 * 7) . "\\n\"; }"
--- request
GET /t?v=17
--- response_body_filters: uc
--- response_body shout
number 42



=== TEST 24: files
--- config
    location /files/ {
        alias html/;
    }
--- user_files
>>> a.txt
one

two
>>> sub/b.txt 199801171935.33
three
--- request eval
["GET /files/a.txt", "GET /files/sub/b.txt", "GET /files/none"]
--- error_code eval
[200, 200, 404]
--- response_headers_like eval
["Last-Modified: .*", "Last-Modified: \\w+, \\d+ Jan 1998 .*:33 GMT", ""]
--- response_body_like eval
["^one\n\ntwo\n\$", "^three\n\$", "404 Not Found"]



=== TEST 25: files as data
--- config
    location /files/ {
        alias html/;
    }
--- user_files eval
[["a.bin" => "\x00\r\n\xff"]]
--- request
GET /files/a.bin
--- response_body eval
"\x00\r\n\xff"



=== TEST 26: error_log
--- config
    location = /t {
        return 200 "$args";
    }
--- request
GET /t?q=1
--- error_log eval
["http args: \"q=1\"", qr/http cl:-?\d+ max/]
--- no_error_log eval
[qr/\[(?:crit|emerg)\]/, "no such line"]



=== TEST 27: left out
--- config
    location = /t {
        no such thing;
    }
--- SKIP



=== TEST 28: grep_error_log
--- config
    location = /t {
        return 200 "";
    }
--- request
GET /t?v=1
--- grep_error_log eval
qr/http (?:args|exten): \S+/
--- grep_error_log_out
http args: "v=1"
http exten: ""



=== TEST 29: grep_error_log, nothing to be found
--- config
    location = /t {
        return 200 "";
    }
--- grep_error_log chomp
no such text
--- grep_error_log_out



=== TEST 30: access_log
--- config
    location = /t {
        return 200 "";
    }
--- access_log
"GET /t HTTP/1.1" 200
--- no_access_log
POST



=== TEST 31: log_level, and the log after the end
--- config
    location = /t {
        return 200 "";
    }
--- log_level: notice
--- no_error_log
[debug]
[info]
--- shutdown_error_log
exit
--- no_shutdown_error_log
[alert]



=== TEST 32: a bad configuration
--- config
    location = /t {
        retur 200 "";
    }
--- must_die
--- error_log
unknown directive "retur"
--- suppress_stderr



=== TEST 33: a bad configuration, the exit code
--- config
    location = /t {
        return a b c;
    }
--- must_die: 1
--- error_log eval
qr/\[emerg\].*invalid number of arguments in "return" directive/
--- no_error_log
[crit]
--- suppress_stderr



=== TEST 34: the client gives up
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /echo {
        return 200 "x";
    }
--- request
POST /t
--- more_headers
Content-Length: 10
--- timeout: 150ms
--- abort
--- error_code:
--- wait: 0.1
--- error_log
client prematurely closed connection



=== TEST 35: no look at the answer
--- config
    location = /t {
        return 500 "x";
    }
--- request
GET /t?ignored
--- ignore_response
--- error_log
http args: "ignored"
--- grep_error_log: POST
--- grep_error_log_out



=== TEST 36: the client shuts down its sending side
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/echo;
    }
    location = /echo {
        return 200 "x";
    }
--- request
POST /t
--- more_headers
Content-Length: 10
--- shutdown: 1
--- error_code_like: ^(?:400)?$
--- error_log
client prematurely closed connection



=== TEST 37: variables of the environment, and of the harness
--- main_config
    env TEST_NGINX_UNUSED=$TEST_NGINX_HARNESS_WORD;
--- config
    set $a $TEST_NGINX_RAND_PORT_1;
    set $b $TEST_NGINX_RAND_PORT_1;
    set $c $TEST_NGINX_RAND_PORT_2;
    set $d "";

    if ($a = $b) {
        set $d same;
    }

    if ($a != $c) {
        set $d "$d other";
    }

    if ($server_port = $TEST_NGINX_SERVER_PORT) {
        set $d "$d port";
    }

    location = /t {
        return 200 "$TEST_NGINX_HARNESS_WORD $d\n";
    }
--- response_body
expanded same other port



=== TEST 38: server_name, post_main_config, init, skip_nginx not met
the text before the first section is the block's description
--- main_config
    pcre_jit on;
--- config
    location = /t {
        return 200 "$server_name\n";
    }
--- post_main_config
    timer_resolution 100ms;
--- server_name: foo.example
--- init
die "nginx is not up" if !-s server_root() . '/logs/nginx.pid';
die "html_dir" if html_dir() ne server_root() . '/html';
--- response_body
foo.example
--- skip_nginx
2: < 0.1.0
--- some_section_nobody_knows
ignored



=== TEST 39: skipped for this version of nginx
--- config
    location = /t {
        return 200 "x";
    }
--- skip_nginx
2: >= 0.1.0
--- response_body
y



=== TEST 40: skipped by code
--- config
    location = /t {
        return 200 "x";
    }
--- skip_eval: 2: 1 + 1 == 2
--- response_body
y



=== TEST 41: to do
--- config
    location = /t {
        return 200 "x";
    }
--- todo
2: an example
--- response_body
y



=== TEST 42: a TCP peer
--- config
    location = /t {
        proxy_pass http://127.0.0.1:$TEST_NGINX_RAND_PORT_1/up;
    }
--- tcp_listen: $TEST_NGINX_RAND_PORT_1
--- tcp_reply eval
["HTTP/1.0 200 OK\r\n", "\r\n", "pe", "er"]
--- tcp_query eval
qr{\AGET /up HTTP/1.0\r\n}
--- response_body chomp
peer
