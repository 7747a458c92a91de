# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Who may do what: iot_caller, iot_access, the variables that they are made
# of, and nginx's own ways to authenticate around them.
#
# Sections of this file's own:
#
#     operation_of  a registry: an operation in it is made by another nginx,
#                   its id takes the place of OPERATION in the other sections
#     certificates  registries that hold certificates after each response
#     redis_calls   commands that ask for data, in the block so far
#     dbsize        how many keys Redis has after each response
#     spellings     lines of a status and a path, to which a certificate is
#                   posted each

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;
use Iot::Nginx;
use JSON::PP;

plan tests => 523;

no_root_location();

redis_start();

# callers and their registries, as conf/nginx.conf has them
our $Tenants = http_config(<<'_EOC_');
    map $iot_caller:$iot_registry_id $tenant {
        volatile;
        default 0;
        "~^alice:ours$" 1;
        "~^bob:theirs$" 1;
    }

    iot_access $tenant;
_EOC_

our $Gateway = <<'_EOC_';
    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_

my $adding = Iot::Nginx->start(http => http_config(), server => $Gateway);
my $number = 0;


# ---- for requests and expectations

sub add_to { return add_certificate($_[0], certificate()) }

sub created_by { return decode_json($_[0])->{createdBy} . "\n" }

# ids out of an answer: the operation's and the request's

sub no_ids {
    return $_[0] =~ s/"[0-9a-f]{32}"/"REQUEST"/r =~ s/"[0-9a-v]{20}"/"ID"/r;
}


# ---- the sections

sub new_operation {
    my ($registry) = @_;

    my $answer = $adding->request('POST',
        "/iot-devices/v1/registries/$registry/certificates",
        body(certificate(name => 'of an operation')));

    return decode_json($answer->{body})->{id} // die $answer->{body};
}

sub redis_calls {
    my $calls = 0;
    my $stats = redis('INFO', 'commandstats');

    $calls += $1 while $stats =~ /^cmdstat_(?:hmget|get|eval\w*):calls=(\d+)/mg;

    return $calls;
}

sub holders {
    my %found = map { /:c:([^:]+):/ ? ($1 => 1) : () } @{ redis('KEYS', '*') };

    return join ' ', sort keys %found;
}

# each block begins with two registries, and nothing else in Redis

add_block_preprocessor(sub {
    my ($block) = @_;

    redis('FLUSHALL');
    create_registry($_) for qw(ours theirs);

    if (defined $block->operation_of) {
        my $id = new_operation($block->operation_of);

        for my $section (qw(request config response_body)) {
            my $text = $block->$section // next;

            $block->set_value($section, ref $text
                ? [ map { s/OPERATION\b/$id/r } @$text ]
                : $text =~ s/OPERATION\b/$id/r);
        }
    }

    if (defined $block->spellings) {
        my (@requests, @codes);

        for (split /\n/, $block->spellings) {
            my ($code, $path) = /^(\d+) (.*)/ or die $_;

            push @codes, $code;
            push @requests, "POST $path\n"
                . body(certificate(name => $code == 200 ? ++$number : 'any'));
        }

        $block->set_value('request', \@requests);
        $block->set_value('error_code', \@codes);
    }

    my %default = (config => $Gateway, http_config => http_config(),
                   more_headers => 'Authorization: Bearer alice',
                   response_body_filters => \&answer);

    for my $section (keys %default) {
        $block->set_value($section, $default{$section})
            unless defined $block->$section;
    }

    redis('CONFIG', 'RESETSTAT');
});

add_response_body_check(sub {
    my ($block, $body, $request) = @_;

    if (defined $block->certificates) {
        my $expected = $block->certificates;

        is(holders(), ref $expected ? $expected->[$request] : $expected,
           $block->name . " - registries with certificates (req $request)");
    }

    if (defined $block->dbsize) {
        is(redis('DBSIZE'), $block->dbsize,
           $block->name . " - keys in Redis (req $request)");
    }

    if (defined $block->redis_calls) {
        is(redis_calls(), $block->redis_calls, $block->name . ' - calls');
    }
});

run_tests();

__DATA__

=== the caller becomes createdBy
--- request eval: ::add_to('ours')
--- response_body_filters eval: \&::created_by
--- response_body
alice



=== another caller
--- request eval: ::add_to('ours')
--- more_headers
Authorization: Bearer bob
--- response_body_filters eval: \&::created_by
--- response_body
bob



=== iot_caller may be made of text and variables
--- http_config eval: ::http_config()
--- config
    iot_caller "$token at $remote_addr \"q\"";

    location /iot-devices/ {
        iot_api main;
    }
--- request eval: ::add_to('ours')
--- response_body_filters eval: \&::created_by
--- response_body
alice at 127.0.0.1 "q"



=== nobody: 401 with the scheme that is expected
--- request eval: ::add_to('ours')
--- more_headers
Authorization: none
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
Content-Type: application/json
--- response_body
16 CALLER_REQUIRED
--- dbsize: 2
--- redis_calls: 0



=== no iot_caller at all: everybody is nobody
--- http_config
    iot_store main {
        server $TEST_NGINX_REDIS;
    }
--- request eval: ::add_to('ours')
--- error_code: 401
--- response_body
16 CALLER_REQUIRED
--- error_log
a gateway location has no "iot_caller"
--- dbsize: 2



=== nobody is told nothing of paths and verbs
--- request eval
[
    "GET /iot-devices/v1/nothing",
    "DELETE /iot-devices/v1/registries/ours/certificates",
    "POST /iot-devices/v1/registries/ours/certificates\n{broken",
    "POST /iot-devices/v1/registries/ours/certificates\n" . 'x' x 1000000,
    "GET /operations/malformed",
    "GET /operations/7e1k8627grr1081g8186",
    "POST /operations/7e1k8627grr1081g8186",
]
--- more_headers
Authorization: none
--- error_code eval: [ (401) x 7 ]
--- response_headers eval: [ ("WWW-Authenticate: Bearer\n! Allow") x 7 ]
--- response_body eval: [ ("16 CALLER_REQUIRED\n") x 7 ]
--- dbsize: 2
--- redis_calls: 0



=== HEAD by nobody
--- request
HEAD /operations/7e1k8627grr1081g8186
--- more_headers
Authorization: none
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer
--- response_body:



=== auth_basic: its own challenge is kept
--- http_config eval: ::http_config()
--- config
    auth_basic devices;
    auth_basic_user_file ../html/passwords;
    iot_caller $remote_user;

    location /iot-devices/ {
        iot_api main;
    }
--- user_files
>>> passwords
carol:{PLAIN}secret
--- request eval: ::add_to('ours')
--- more_headers
Authorization: none
--- error_code: 401
--- response_headers
WWW-Authenticate: Basic realm="devices"
Content-Type: application/json
--- response_body
16 CALLER_REQUIRED



=== auth_basic: its user is the caller
--- http_config eval: ::http_config()
--- config
    auth_basic devices;
    auth_basic_user_file ../html/passwords;
    iot_caller $remote_user;

    location /iot-devices/ {
        iot_api main;
    }
--- user_files
>>> passwords
carol:{PLAIN}secret
--- request eval: ::add_to('ours')
--- more_headers
Authorization: Basic Y2Fyb2w6c2VjcmV0
--- response_body_filters eval: \&::created_by
--- response_body
carol



=== auth_request: who it names is the caller
--- http_config eval: ::http_config()
--- config
    location /iot-devices/ {
        auth_request /who;
        auth_request_set $who $upstream_http_x_caller;

        iot_caller $who;
        iot_api main;
    }

    location = /who {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/identity;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
    }

    location = /identity {
        add_header X-Caller dave;
        return 204;
    }
--- request eval: ::add_to('ours')
--- response_body_filters eval: \&::created_by
--- response_body
dave



=== auth_request: who it does not name is nobody
--- http_config eval: ::http_config()
--- config
    location /iot-devices/ {
        auth_request /who;
        auth_request_set $who $upstream_http_x_caller;

        iot_caller $who;
        iot_api main;
    }

    location = /who {
        return 204;
    }
--- request eval: ::add_to('ours')
--- error_code: 401
--- response_body
16 CALLER_REQUIRED



=== auth_request: its 401 and challenge
--- http_config eval: ::http_config()
--- config
    location /iot-devices/ {
        auth_request /who;
        iot_api main;
    }

    location = /who {
        internal;
        proxy_pass http://127.0.0.1:$TEST_NGINX_SERVER_PORT/identity;
        proxy_pass_request_body off;
        proxy_set_header Content-Length "";
    }

    location = /identity {
        add_header WWW-Authenticate "Bearer realm=plant" always;
        return 401;
    }
--- request eval: ::add_to('ours')
--- error_code: 401
--- response_headers
WWW-Authenticate: Bearer realm=plant
--- response_body
16 CALLER_REQUIRED
--- dbsize: 2



=== auth_request: its 403
--- http_config eval: ::http_config()
--- config
    location /iot-devices/ {
        auth_request /who;
        iot_api main;
    }

    location = /who {
        return 403;
    }
--- request eval: ::add_to('ours')
--- error_code: 403
--- response_body
7 ACCESS_DENIED
--- dbsize: 2



=== auth_request: its failure
--- http_config eval: ::http_config()
--- config
    location /iot-devices/ {
        auth_request /who;
        iot_api main;
    }

    location = /who {
        return 404;
    }
--- request eval: ::add_to('ours')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- dbsize: 2



=== auth_request sees what the request is about
--- http_config eval: ::http_config()
--- config
    location /iot-devices/ {
        auth_request /who;
        iot_api main;
    }

    location = /who {
        set $about "$iot_caller $iot_method $iot_registry_id";

        if ($about = "alice RegistryService.AddCertificate ours") {
            return 204;
        }

        return 403;
    }
--- request eval: [ ::add_to('ours'), ::add_to('theirs') ]
--- error_code eval: [ 200, 403 ]
--- response_body eval: [ "added to ours\n", "7 ACCESS_DENIED\n" ]
--- certificates: ours



=== auth_request that asks the gateway itself: an operation that is there
--- http_config eval: ::http_config()
--- config
    location = /index.html {
        auth_request /operations/OPERATION;
        root html;
    }

    location /operations/ {
        iot_operations main;
    }
--- operation_of: ours
--- request
GET /index.html
--- response_body_filters: length
--- response_body_like: ^[1-9]
--- no_error_log
[alert]



=== auth_request that asks the gateway itself: an operation that is not
--- http_config eval: ::http_config()
--- config
    location = /index.html {
        auth_request /operations/7e1k8627grr1081g8186;
        root html;
    }

    location /operations/ {
        iot_operations main;
    }
--- request
GET /index.html
--- response_body_filters: length
--- error_code: 500
--- error_log
auth request unexpected status: 404
--- no_error_log
[alert]



=== auth_request that asks the gateway itself: nobody
--- http_config eval: ::http_config()
--- config
    location = /index.html {
        auth_request /operations/7e1k8627grr1081g8186;
        root html;
    }

    location /operations/ {
        iot_operations main;
    }
--- request
GET /index.html
--- more_headers
Authorization: none
--- response_body_filters: length
--- error_code: 401



=== access: each caller has its registries
--- http_config eval: $::Tenants
--- request eval: [ ::add_to('ours'), ::add_to('theirs') ]
--- error_code eval: [ 200, 403 ]
--- response_body eval: [ "added to ours\n", "7 ACCESS_DENIED\n" ]
--- certificates: ours



=== access: and the other has the others
--- http_config eval: $::Tenants
--- request eval: [ ::add_to('ours'), ::add_to('theirs') ]
--- more_headers
Authorization: Bearer bob
--- error_code eval: [ 403, 200 ]
--- response_body eval: [ "7 ACCESS_DENIED\n", "added to theirs\n" ]
--- certificates eval: [ '', 'theirs' ]



=== access: a refusal is in the contract's form
--- http_config eval: $::Tenants
--- request eval: ::add_to('theirs')
--- error_code: 403
--- response_headers
Content-Type: application/json
Cache-Control: no-store
! WWW-Authenticate
! Retry-After
--- response_body
7 ACCESS_DENIED
--- dbsize: 2
--- redis_calls: 0



=== access: an unknown registry is refused as a foreign one is
--- http_config eval: $::Tenants
--- request eval: ::add_to('nowhere')
--- error_code: 403
--- response_body
7 ACCESS_DENIED
--- redis_calls: 0



=== access comes before size, JSON and fields
--- http_config eval: $::Tenants
--- request eval
[ map { "POST /iot-devices/v1/registries/theirs/certificates\n$_" }
      '{broken', '{}', 'x' x 1000000 ]
--- error_code eval: [ (403) x 3 ]
--- response_body eval: [ ("7 ACCESS_DENIED\n") x 3 ]



=== the same to a registry of one's own
--- http_config eval: $::Tenants
--- request eval
[ map { "POST /iot-devices/v1/registries/ours/certificates\n$_" }
      '{broken', '{}', 'x' x 1000000 ]
--- error_code eval: [ 400, 400, 413 ]



=== route and verb come before access
--- http_config eval: $::Tenants
--- request eval
[
    'PUT /iot-devices/v1/registries/theirs/certificates',
    'GET /iot-devices/v1/registries/theirs/nothing',
    'GET /iot-devices/v2/registries/theirs/certificates',
    'PUT /operations/7e1k8627grr1081g8186',
]
--- error_code eval: [ 405, 404, 404, 405 ]



=== an empty iot_access refuses
--- config
    location /iot-devices/ {
        iot_access "";
        iot_api main;
    }
--- request eval: ::add_to('ours')
--- error_code: 403
--- dbsize: 2



=== iot_access 0 refuses
--- config
    location /iot-devices/ {
        iot_access 0;
        iot_api main;
    }
--- request eval: ::add_to('ours')
--- error_code: 403
--- dbsize: 2



=== anything else lets pass
--- config
    location /iot-devices/ {
        iot_access yes;
        iot_api main;
    }
--- request eval: ::add_to('ours')
--- response_body
added to ours



=== also 00, which is not 0
--- config
    location /iot-devices/ {
        iot_access 00;
        iot_api main;
    }
--- request eval: ::add_to('ours')
--- response_body
added to ours



=== an operation of one's own registry
--- http_config eval: $::Tenants
--- operation_of: ours
--- request
GET /operations/OPERATION
--- response_body
added to ours



=== a foreign operation looks as if it did not exist
--- http_config eval: $::Tenants
--- operation_of: theirs
--- request eval
[ 'GET /operations/OPERATION', 'GET /operations/7e1k8627grr1081g8186' ]
--- error_code eval: [ 404, 404 ]
--- response_body_filters eval: \&::no_ids
--- response_body eval
my $type = '"@type":"type.googleapis.com/google.rpc';
[ (qq({"code":5,"message":"there is no operation of that id","details":[)
   . qq({$type.RequestInfo","requestId":"REQUEST"},)
   . qq({$type.ErrorInfo","reason":"OPERATION_NOT_FOUND",)
   . qq("domain":"ngx_http_iot_module"},)
   . qq({$type.ResourceInfo",)
   . qq("resourceType":"yandex.cloud.operation.Operation",)
   . qq("resourceName":"ID"}]})) x 2 ]
--- raw_response_headers_like eval
[ ('\AHTTP/1\.1 404 Not Found\r\nServer: [^\r]+\r\nDate: [^\r]+\r\n'
   . 'Content-Type: application/json\r\nContent-Length: 428\r\n'
   . 'Connection: close\r\nx-request-id: [0-9a-f]{32}\r\n'
   . 'Cache-Control: no-store(?:\r\n)*\z') x 2 ]



=== the certificate of a foreign operation is not even read
--- http_config eval: $::Tenants
--- operation_of: theirs
--- request
GET /operations/OPERATION
--- error_code: 404
--- redis_calls: 1



=== its owner reads it
--- http_config eval: $::Tenants
--- operation_of: theirs
--- request
GET /operations/OPERATION
--- more_headers
Authorization: Bearer bob
--- response_body
added to theirs



=== a volatile map is asked again when the registry is known
--- http_config eval: $::Tenants
--- config
    location /operations/ {
        set $early "$tenant";
        add_header X-Early $early;
        add_header X-Late $tenant;

        iot_operations main;
    }
--- operation_of: ours
--- request
GET /operations/OPERATION
--- response_headers
X-Early: 0
X-Late: 1
--- response_body
added to ours



=== access may depend on the method
--- http_config eval
::http_config(<<'_EOC_');
    map $iot_method $may {
        volatile;
        OperationService.Get  1;
        default               0;
    }

    iot_access $may;
_EOC_
--- operation_of: ours
--- request eval: [ 'GET /operations/OPERATION', ::add_to('theirs') ]
--- error_code eval: [ 200, 403 ]



=== variables in the rewrite phase
--- config
    location / {
        set $seen "$iot_caller $iot_method $iot_registry_id $iot_operation_id";
        return 200 "$seen.$iot_code.$iot_fingerprint.$iot_store_time.\n";
    }
--- request eval
[
    ::add_to('ours'),
    'GET /operations/7e1k8627grr1081g8186',
    'GET /iot-devices/v1/registries/ours/certificates',
    'GET /elsewhere/ours',
]
--- error_code eval: [ (200) x 4 ]
--- response_body_filters eval: sub { $_[0] }
--- response_body eval
[
    "alice RegistryService.AddCertificate ours ....\n",
    "alice OperationService.Get  7e1k8627grr1081g8186....\n",
    "alice RegistryService.ListCertificates ours ....\n",
    "alice   ....\n",
]



=== "if" on a variable in front of the gateway
--- config
    location /iot-devices/ {
        if ($iot_registry_id = theirs) {
            return 403;
        }

        iot_api main;
    }
--- request eval: [ ::add_to('ours'), ::add_to('theirs') ]
--- error_code eval: [ 200, 403 ]
--- response_body eval: [ "added to ours\n", "7 ACCESS_DENIED\n" ]
--- certificates: ours



=== "if" that only sets something: the location still serves
--- config
    location /iot-devices/ {
        if ($http_x_trace) {
            set $trace on;
        }

        iot_api main;
    }
--- request eval: ::add_to('ours')
--- more_headers
Authorization: Bearer alice
X-Trace: yes
--- response_body
added to ours



=== limit_except: what it lets pass is served
--- config
    location /iot-devices/ {
        limit_except POST {
            deny all;
        }

        iot_api main;
    }
--- request eval
[ ::add_to('ours'), 'GET /iot-devices/v1/registries/ours/certificates' ]
--- error_code eval: [ 200, 403 ]
--- response_body eval: [ "added to ours\n", "7 ACCESS_DENIED\n" ]



=== limit_except: what passes inside it is served too
--- http_config eval: $::Tenants
--- config
    location /iot-devices/ {
        limit_except GET {
            allow all;
        }

        iot_api main;
    }
--- request eval: [ ::add_to('ours'), ::add_to('theirs') ]
--- error_code eval: [ 200, 403 ]
--- response_body eval: [ "added to ours\n", "7 ACCESS_DENIED\n" ]
--- certificates: ours



=== the answer's variables in headers
--- config
    location /iot-devices/ {
        add_header X-Seen "$iot_code $iot_fingerprint $iot_operation_id" always;
        iot_api main;
    }
--- request eval: ::add_to('ours')
--- response_headers_like
X-Seen: OK [0-9a-f]{64} [0-9a-v]{20}



=== a path after a rewrite is the one that counts
--- http_config eval: $::Tenants
--- config
    location /v1/ {
        rewrite ^/v1/(\w+)$ /iot-devices/v1/registries/$1/certificates last;
    }

    location /iot-devices/ {
        iot_api main;
    }
--- request eval
[ map { "POST /v1/$_\n" . ::body(::certificate()) } qw(ours theirs) ]
--- error_code eval: [ 200, 403 ]
--- response_body eval: [ "added to ours\n", "7 ACCESS_DENIED\n" ]
--- certificates: ours



=== a rewrite inside the location changes it as well
--- http_config eval: $::Tenants
--- config
    location /iot-devices/ {
        rewrite ^(.*/registries/)ours/(.*)$ $1theirs/$2 break;
        iot_api main;
    }
--- request eval: ::add_to('ours')
--- error_code: 403
--- certificates:



=== in a named location, by try_files
--- http_config eval: $::Tenants
--- config
    location / {
        try_files /none @gateway;
    }

    location @gateway {
        iot_api main;
    }
--- request eval: [ ::add_to('ours'), ::add_to('theirs') ]
--- error_code eval: [ 200, 403 ]
--- response_body eval: [ "added to ours\n", "7 ACCESS_DENIED\n" ]
--- certificates: ours



=== in a named location, by error_page
--- http_config eval: $::Tenants
--- config
    location / {
        error_page 418 = @gateway;
        return 418;
    }

    location @gateway {
        iot_api main;
    }
--- request eval: [ ::add_to('ours'), ::add_to('theirs') ]
--- error_code eval: [ 200, 403 ]
--- response_body eval: [ "added to ours\n", "7 ACCESS_DENIED\n" ]
--- certificates: ours



=== after a redirect to an error page, variables are those of the request
--- config
    location /iot-devices/ {
        deny all;
        error_page 403 /denied;
        iot_api main;
    }

    location = /denied {
        internal;
        return 403 "$iot_caller, $iot_method, $iot_registry_id\n";
    }
--- request eval: ::add_to('ours')
--- error_code: 403
--- response_body_filters eval: sub { $_[0] }
--- response_body
alice, RegistryService.AddCertificate, ours



=== and in the access log after it
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_caller $iot_method $iot_registry_id.';
})
--- config
    access_log logs/access.log iot;

    location /iot-devices/ {
        deny all;
        error_page 403 /denied;
        iot_api main;
    }

    location = /denied {
        internal;
        return 403 "no\n";
    }
--- request eval: ::add_to('ours')
--- error_code: 403
--- response_body_filters eval: sub { $_[0] }
--- response_body
no
--- access_log
403 alice RegistryService.AddCertificate ours.



=== the access log of an add
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_caller $iot_method '
        '$iot_registry_id $iot_fingerprint $iot_operation_id $iot_store_time.';
})
--- config eval: "access_log logs/access.log iot; $::Gateway"
--- request eval: ::add_to('ours')
--- access_log eval
qr/^200 OK alice RegistryService\.AddCertificate ours [0-9a-f]{64} [0-9a-v]{20} \d\.\d{3}\.$/



=== the access log of a refused add
--- http_config eval
$::Tenants . q{
    log_format iot '$status $iot_code $iot_caller $iot_registry_id '
        '"$iot_operation_id" "$iot_store_time"';
}
--- config eval: "access_log logs/access.log iot; $::Gateway"
--- request eval: ::add_to('theirs')
--- error_code: 403
--- access_log
403 PERMISSION_DENIED alice theirs "-" "-"



=== the access log of a refused read: the registry that it was about
--- http_config eval
$::Tenants . q{
    log_format iot '$status $iot_code $iot_caller "$iot_registry_id"';
}
--- config eval: "access_log logs/access.log iot; $::Gateway"
--- operation_of: theirs
--- request
GET /operations/OPERATION
--- error_code: 404
--- access_log
404 NOT_FOUND alice "theirs"



=== the access log of nobody
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code "$iot_caller" $iot_registry_id';
})
--- config eval: "access_log logs/access.log iot; $::Gateway"
--- request eval: ::add_to('ours')
--- more_headers
Authorization: none
--- error_code: 401
--- access_log
401 UNAUTHENTICATED "-" ours



=== the access log of what nginx refused
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_caller $iot_method';
})
--- config
    access_log logs/access.log iot;

    location /iot-devices/ {
        deny all;
        iot_api main;
    }
--- request eval: ::add_to('ours')
--- error_code: 403
--- access_log
403 PERMISSION_DENIED alice RegistryService.AddCertificate



=== spellings of a registry that the map did not allow
--- http_config eval: $::Tenants
--- spellings
403 /iot-devices/v1/registries/theirs/certificates
403 /iot-devices/v1/registries/theirs/certificates/
403 /iot-devices/v1/registries/theirs/certificates//
403 /iot-devices/v1/registries/theirs/certificates?registryId=ours
403 /iot-devices/v1/registries/theirs/certificates?/registries/ours/certificates
403 /iot-devices/v1/registries/theirs/certificates#/registries/ours/certificates
403 http://localhost/iot-devices/v1/registries/theirs/certificates
403 http://ours/iot-devices/v1/registries/theirs/certificates
--- certificates:
--- dbsize: 2



=== double slashes
--- http_config eval: $::Tenants
--- spellings
403 //iot-devices/v1/registries/theirs/certificates
403 /iot-devices//v1/registries/theirs/certificates
403 /iot-devices/v1/registries///theirs/certificates
403 /iot-devices/v1/registries/theirs//certificates
405 /iot-devices/v1/registries//certificates
403 /iot-devices/v1/registries/%2Ftheirs%2f%2fcertificates
--- certificates:
--- dbsize: 2



=== double slashes with merge_slashes off
--- http_config eval: $::Tenants
--- config eval: "merge_slashes off; $::Gateway"
--- spellings
404 //iot-devices/v1/registries/theirs/certificates
404 /iot-devices//v1/registries/theirs/certificates
404 /iot-devices/v1/registries//theirs/certificates
404 /iot-devices/v1/registries/theirs//certificates
404 /iot-devices/v1/registries/theirs/certificates//
404 /iot-devices/v1/registries//certificates
404 /iot-devices/v1/registries/ours//theirs/certificates
403 /iot-devices/v1/registries/theirs/certificates
--- certificates:
--- dbsize: 2



=== dot segments
--- http_config eval: $::Tenants
--- spellings
403 /iot-devices/./v1/registries/./theirs/certificates
403 /iot-devices/v1/registries/ours/../theirs/certificates
403 /iot-devices/v1/registries/ours/%2e%2e/theirs/certificates
403 /iot-devices/v1/registries/ours/.%2E/theirs/certificates
403 /iot-devices/v1/registries/ours%2f..%2ftheirs/certificates
403 /iot-devices/v1/registries/ours/certificates/../../theirs/certificates
403 /iot-devices/v1/registries/ours/certificates%2f..%2f..%2ftheirs%2fcertificates
403 /operations/../iot-devices/v1/registries/theirs/certificates
404 /iot-devices/v1/registries/.../certificates/../theirs
400 /../iot-devices/v1/registries/theirs/certificates
400 /iot-devices/../../iot-devices/v1/registries/theirs/certificates
404 /iot-devices/v1/registries/ours/..;/theirs/../../theirs/certificates
--- certificates:
--- dbsize: 2



=== encoded letters and slashes are decoded once, before the map sees them
--- http_config eval: $::Tenants
--- spellings
403 /iot-devices/v1/registries/%74heirs/certificates
403 /iot-devices/v1/registries/%74%68%65%69%72%73/certificates
403 /%69ot-devices/v1/registries/theirs/%63ertificates
403 /iot-devices/v1/registries/theirs%2Fcertificates
403 /iot-devices%2fv1%2fregistries%2ftheirs%2fcertificates
400 %2fiot-devices/v1/registries/theirs/certificates
403 /iot-devices/v1/registries/%2574heirs/certificates
405 /iot-devices/v1/registries/ours%252ftheirs/certificate%73/x
403 /iot-devices/v1/registries/ours%252f..%252ftheirs/certificates
405 /iot-devices/v1/registries/theirs%3fcertificates
--- certificates:
--- dbsize: 2



=== other letters, other registries
--- http_config eval: $::Tenants
--- spellings
403 /iot-devices/v1/registries/THEIRS/certificates
403 /iot-devices/v1/registries/Theirs/certificates
403 /iot-devices/v1/registries/OURS/certificates
404 /IOT-DEVICES/v1/registries/theirs/certificates
404 /iot-devices/V1/registries/theirs/certificates
404 /iot-devices/v1/Registries/theirs/certificates
404 /iot-devices/v1/registries/theirs/CERTIFICATES
403 /iot-devices/v1/registries/theirs;ours/certificates
403 /iot-devices/v1/registries/ours;theirs/certificates
404 /iot-devices/v1/registries/theirs/certificates;x
404 /iot-devices;x/v1/registries/theirs/certificates
403 /iot-devices/v1/registries/theirs%20/certificates
403 /iot-devices/v1/registries/theirs%0a/certificates
403 /iot-devices/v1/registries/theirs+/certificates
403 /iot-devices/v1/registries/ours,theirs/certificates
403 /iot-devices/v1/registries/alice:ours/certificates
403 /iot-devices/v1/registries/ours%0aalice:theirs/certificates
403 /iot-devices/v1/registries/th%c3%a9irs/certificates
403 /iot-devices/v1/registries/theirs%c0%af/certificates
--- certificates:
--- dbsize: 2



=== backslashes are letters
--- http_config eval: $::Tenants
--- spellings
404 /iot-devices\v1\registries\theirs\certificates
405 /iot-devices/v1/registries/theirs\certificates
403 /iot-devices/v1/registries/theirs\/certificates
403 /iot-devices/v1/registries/ours\..\theirs/certificates
403 /iot-devices/v1/registries/ours%5c..%5ctheirs/certificates
--- certificates:
--- dbsize: 2



=== zeros and broken escapes do not get past nginx
--- http_config eval: $::Tenants
--- spellings
400 /iot-devices/v1/registries/theirs%00/certificates
400 /iot-devices/v1/registries/ours%00theirs/certificates
400 /iot-devices/v1/registries/theirs/certificates%00
400 /iot-devices/v1/registries/theirs%zz/certificates
400 /iot-devices/v1/registries/%u0074heirs/certificates
400 /iot-devices/v1/registries/theirs/certificates%2
--- certificates:
--- dbsize: 2



=== paths around the one
--- http_config eval: $::Tenants
--- spellings
404 /iot-devices
404 /iot-devices/
405 /iot-devices/v1/registries/theirs
405 /iot-devices/v1/registries/theirs/
405 /iot-devices/v1/registries/theirs/certificates/x
404 /iot-devices/v1/registries/theirs/certificates/x/y
404 /iot-devices/v1/registries/ours/theirs/certificates
404 /iot-devices/v1/registries/theirs/ours/certificates
405 /iot-devices/v1/registries/certificates
404 /iot-devices/v1/x/registries/theirs/certificates
404 /operations/iot-devices/v1/registries/theirs/certificates
--- certificates:
--- dbsize: 2



=== an id that no registry can have is refused after the map has let it pass
--- http_config eval
::http_config(q{ iot_access 1; iot_registries open; })
--- spellings
400 /iot-devices/v1/registries/ours%0a/certificates
400 /iot-devices/v1/registries/ours;/certificates
400 /iot-devices/v1/registries/a.b/certificates
400 /iot-devices/v1/registries/%7bours%7d/certificates
400 /iot-devices/v1/registries/ours%20/certificates
400 /iot-devices/v1/registries/%c3%a9/certificates
400 /iot-devices/v1/registries/.../certificates
400 /iot-devices/v1/registries/a23456789012345678901234567890123456789012345678901/certificates
--- certificates:
--- dbsize: 2



=== spellings of a registry that the map allows reach only that one
--- http_config eval: $::Tenants
--- spellings
200 /iot-devices/v1/registries/ours/certificates
200 /iot-devices/v1/registries/ours/certificates/
200 /iot-devices/v1/registries/ours/certificates?registryId=theirs
200 /iot-devices/v1/registries/ours/certificates?/../../theirs/certificates
200 /iot-devices/v1/registries/ours/certificates#/../../theirs/certificates
200 //iot-devices//v1/registries/ours//certificates
200 /iot-devices/v1/registries/theirs/../ours/certificates
200 /iot-devices/v1/registries/theirs/%2e%2e/ours/certificates
200 /iot-devices/v1/registries/%6furs%2fcertificates
200 http://localhost/iot-devices/v1/registries/ours/certificates
200 http://theirs/iot-devices/v1/registries/ours/certificates
--- certificates: ours



=== a registry in the body does not count
--- http_config eval: $::Tenants
--- request eval
"POST /iot-devices/v1/registries/ours/certificates\n"
. ::json({ registryId => 'theirs', certificateData => ::certificate() })
--- response_body
added to ours
--- certificates: ours
