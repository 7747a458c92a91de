# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# GET /operations/{operationId}.  Operations are added by another nginx at the
# same Redis, each one with a certificate of its own; the blocks read them.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;
use Iot::Nginx;
use JSON::PP;

plan tests => 125;

no_root_location();

redis_start();
create_registry('fleet');

our $Gateway = <<'_EOC_';
    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_

my $adding = Iot::Nginx->start(http => http_config(), server => $Gateway);
my %added;


# the operation that added the certificate of that name: id, key, text of the
# answer, and the key of the certificate's record

sub added {
    my ($name) = @_;

    return $added{$name} //= do {
        my $answer = $adding->request('POST',
            '/iot-devices/v1/registries/fleet/certificates',
            body(certificate(name => $name)));

        die "cannot add $name: $answer->{body}" if $answer->{status} != 200;

        my $operation = decode_json($answer->{body});
        my $tag = '{' . substr($operation->{id}, 0, 2) . '}';

        +{ id => $operation->{id}, text => $answer->{body},
           key => "$tag:o:$operation->{id}",
           certificate => "$tag:c:fleet:$operation->{metadata}{fingerprint}" };
    };
}

sub get { return 'GET /operations/' . added($_[0])->{id} }

# the answer when the certificate is not there any more

sub without_certificate {
    return added($_[0])->{text} =~ s/"certificateData":"[^"]*",//r;
}

# commands that ask for data, since the statistics were reset

sub redis_calls {
    my $stats = redis('INFO', 'commandstats');
    my $calls = 0;

    $calls += $1 while $stats =~ /^cmdstat_(?:hmget|get|eval\w*):calls=(\d+)/mg;

    return $calls;
}

add_block_preprocessor(sub {
    my ($block) = @_;

    my %default = (config => $Gateway, http_config => http_config(),
                   more_headers => 'Authorization: Bearer alice');

    for my $section (keys %default) {
        $block->set_value($section, $default{$section})
            unless defined $block->$section;
    }

    my $code = $block->error_code // 200;

    if (!ref $code && $code != 200) {
        $block->set_value('response_body_filters', \&answer);
    }
});

add_response_body_check(sub {
    my ($block) = @_;

    if (defined $block->redis_calls) {
        is(redis_calls(), $block->redis_calls, $block->name . ' - calls');
    }
});

run_tests();

__DATA__

=== an operation is read as the add has answered it, byte for byte
--- request eval: ::get('plain')
--- response_headers
Content-Type: application/json
Cache-Control: no-store
--- response_body eval: ::added('plain')->{text}



=== the answer has a request id
--- request eval: ::get('plain')
--- response_headers_like
x-request-id: [0-9a-f]{32}



=== it can be read again and again
--- request eval: [ (::get('plain')) x 3 ]
--- error_code eval: [ (200) x 3 ]
--- response_body eval: [ (::added('plain')->{text}) x 3 ]



=== any caller may read it when nothing else is configured
--- request eval: ::get('plain')
--- more_headers
Authorization: Bearer bob
--- response_body eval: ::added('plain')->{text}



=== two reads of the store: the operation and its certificate
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request eval: ::get('plain')
--- redis_calls: 2



=== HEAD is GET without its body
--- request eval: ::get('plain') =~ s/GET/HEAD/r
--- response_headers eval
'Content-Length: ' . length ::added('plain')->{text}
--- response_body:



=== a trailing slash is accepted
--- request eval: ::get('plain') . '/'
--- response_body eval: ::added('plain')->{text}



=== a query string is ignored
--- request eval: ::get('plain') . '?view=FULL&x'
--- response_body eval: ::added('plain')->{text}



=== encoded letters of an id are the letters
--- request eval
'GET /operations/'
. ::added('plain')->{id} =~ s/(.)/sprintf '%%%02x', ord $1/ger
--- response_body eval: ::added('plain')->{text}



=== a body is ignored
--- request eval
::get('plain') . "\n{broken"
--- response_body eval: ::added('plain')->{text}



=== a large body is ignored, and the connection can be used after it
--- pipelined_requests eval
[ ::get('plain') . "\n" . 'x' x 100000, ::get('plain') ]
--- error_code eval: [ 200, 200 ]
--- response_body eval: [ (::added('plain')->{text}) x 2 ]



=== a body beyond client_max_body_size is nginx's own refusal
--- config eval
$::Gateway =~ s/iot_operations main;/$& client_max_body_size 1k;/r
--- request eval
::get('plain') . "\n" . 'x' x 1025
--- error_code: 413
--- response_body
3 REQUEST_TOO_LARGE
field body



=== POST is not for operations
--- request eval
::get('plain') =~ s/GET/POST/r . "\n{}"
--- error_code: 405
--- response_headers
Allow: GET, HEAD
--- response_body
12 METHOD_NOT_ALLOWED



=== nor are other verbs
--- request eval
[ map { ::get('plain') =~ s/GET/$_/r } qw(PUT DELETE PATCH OPTIONS) ]
--- error_code eval: [ (405) x 4 ]
--- response_headers eval: [ ("Allow: GET, HEAD") x 4 ]



=== an unknown id is NOT_FOUND and names the operation
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request
GET /operations/7e1k8627grr1081g8186
--- error_code: 404
--- response_body
5 OPERATION_NOT_FOUND
resource yandex.cloud.operation.Operation 7e1k8627grr1081g8186
--- redis_calls: 1



=== HEAD of an unknown id tells the length of GET's answer
--- request
HEAD /operations/7e1k8627grr1081g8186
--- error_code: 404
--- response_headers_like
Content-Length: [1-9]\d\d
--- response_body:



=== an id of 19 characters cannot exist: no read
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request
GET /operations/7e1k8627grr1081g818
--- error_code: 404
--- response_body
5 OPERATION_NOT_FOUND
resource yandex.cloud.operation.Operation 7e1k8627grr1081g818
--- redis_calls: 0



=== an id of 21 characters cannot exist: no read
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request
GET /operations/7e1k8627grr1081g81860
--- error_code: 404
--- response_body
5 OPERATION_NOT_FOUND
resource yandex.cloud.operation.Operation 7e1k8627grr1081g81860
--- redis_calls: 0



=== letters after v are not in an id: no read
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request
GET /operations/7e1k8627grr1081g818w
--- error_code: 404
--- response_body
5 OPERATION_NOT_FOUND
resource yandex.cloud.operation.Operation 7e1k8627grr1081g818w
--- redis_calls: 0



=== ids are of lower case: no read
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request eval: 'GET /operations/' . uc ::added('plain')->{id}
--- error_code: 404
--- response_body eval
"5 OPERATION_NOT_FOUND\n"
. 'resource yandex.cloud.operation.Operation '
. uc(::added('plain')->{id}) . "\n"
--- redis_calls: 0



=== braces and line ends do not get into a key: no read
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request
GET /operations/%7baa%7d.o.7e1k8%0d%0agrr1
--- error_code: 404
--- response_body eval
"5 OPERATION_NOT_FOUND\n"
. "resource yandex.cloud.operation.Operation {aa}.o.7e1k8\r\ngrr1\n"
--- redis_calls: 0



=== a very long id: no read
--- init: ::redis('CONFIG', 'RESETSTAT');
--- request eval: 'GET /operations/' . 'a' x 900
--- error_code: 404
--- response_body_like: ^5 OPERATION_NOT_FOUND
--- redis_calls: 0



=== bytes that are no UTF-8 in an id do not break the JSON
--- request
GET /operations/%ff%c0%af
--- error_code: 404
--- response_body_like: ^5 OPERATION_NOT_FOUND\nresource yandex.cloud.operation.Operation



=== another verb is no path of the API
--- request eval: ::get('plain') . ':undo'
--- error_code: 404
--- response_body_like: ^5 ROUTE_NOT_FOUND



=== no id at all is no path of the API
--- request
GET /operations/
--- error_code: 404
--- response_body
5 ROUTE_NOT_FOUND
resource path /operations/



=== a segment too many is no path of the API
--- request eval: ::get('plain') . '/certificates'
--- error_code: 404
--- response_body_like: ^5 ROUTE_NOT_FOUND



=== an expired operation is NOT_FOUND; its certificate stays
--- init
::redis('PEXPIRE', ::added('expired')->{key}, 1);
::wait_until(sub { !::redis('EXISTS', ::added('expired')->{key}) });
--- request eval: ::get('expired')
--- error_code: 404
--- response_body eval
"5 OPERATION_NOT_FOUND\n"
. 'resource yandex.cloud.operation.Operation ' . ::added('expired')->{id} . "\n"



=== a deleted operation is NOT_FOUND
--- init: ::redis('DEL', ::added('deleted')->{key});
--- request eval: ::get('deleted')
--- error_code: 404
--- response_body_like: ^5 OPERATION_NOT_FOUND



=== with its certificate gone, the response keeps the rest
--- init: ::redis('DEL', ::added('gone')->{certificate});
--- request eval: ::get('gone')
--- response_body eval: ::without_certificate('gone')



=== a certificate that was deleted and added again is another operation's
--- init
::redis('SETRANGE', ::added('again')->{certificate}, 9, '7e1k8627grr1081g8186');
--- request eval: ::get('again')
--- response_body eval: ::without_certificate('again')



=== a change after the add shows in modifiedAt
--- init: ::redis('HSET', ::added('modified')->{key}, 'm', 4102444800123);
--- request eval: ::get('modified')
--- response_body_like: "modifiedAt":"2100-01-01T00:00:00\.123Z","done":true,



=== an operation that is not done has no response
--- init: ::redis('HSET', ::added('pending')->{key}, 'd', 0);
--- request eval: ::get('pending')
--- response_body_like: "done":false,"metadata":\{[^{}]*\}\}$



=== an operation of a newer format is not guessed at
--- init: ::redis('HSET', ::added('newer')->{key}, 'v', 2);
--- request eval: ::get('newer')
--- error_code: 503
--- response_headers
Retry-After: 1
--- response_body
14 STORE_NEWER_FORMAT
retry 1s



=== a certificate of a newer format is not guessed at
--- init: ::redis('SETRANGE', ::added('newer text')->{certificate}, 0, "\2");
--- request eval: ::get('newer text')
--- error_code: 503
--- response_body
14 STORE_NEWER_FORMAT
retry 1s



=== an operation without its registry is broken: logged, without its data
--- init
::redis('HDEL', ::added('no registry')->{key}, 'r');
::redis('HSET', ::added('no registry')->{key}, 'b', 'a secret');
--- request eval: ::get('no registry')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for operation
--- no_error_log
a secret



=== an operation of a kind that no gateway makes is broken
--- init: ::redis('HSET', ::added('kind')->{key}, 'k', 77);
--- request eval: ::get('kind')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for operation



=== an operation without its kind is broken
--- init: ::redis('HDEL', ::added('no kind')->{key}, 'k');
--- request eval: ::get('no kind')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR



=== a format that is no number is broken
--- init: ::redis('HSET', ::added('format')->{key}, 'v', 'a secret');
--- request eval: ::get('format')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for operation's format
--- no_error_log
a secret



=== a fingerprint of the wrong length is broken
--- init: ::redis('HSET', ::added('fingerprint')->{key}, 'f', 'short');
--- request eval: ::get('fingerprint')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR



=== times that are no numbers are broken
--- init: ::redis('HSET', ::added('time')->{key}, 'c', 'yesterday');
--- request eval: ::get('time')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR



=== a record of another type is broken: Redis' own words are logged
--- init
::redis('DEL', ::added('type')->{key});
::redis('SET', ::added('type')->{key}, 'a secret');
--- request eval: ::get('type')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for operation: "WRONGTYPE
--- no_error_log
a secret



=== a certificate's record that ends early is broken
--- init: ::redis('SET', ::added('short')->{certificate}, "\1a secret");
--- request eval: ::get('short')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for certificate
--- no_error_log
a secret



=== an empty certificate's record is broken
--- init: ::redis('SET', ::added('empty')->{certificate}, '');
--- request eval: ::get('empty')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR



=== a certificate kept in a way that is not known is broken
--- init: ::redis('SETRANGE', ::added('encoding')->{certificate}, 49, "\x63");
--- request eval: ::get('encoding')
--- error_code: 500
--- response_body
13 INTERNAL_ERROR
--- error_log
iot store: not a reply of this schema for certificate



=== access log: what was asked for, and what the answer was
--- http_config eval
::http_config(q{
    log_format iot '$status $iot_code $iot_method $iot_registry_id '
                   '$iot_caller $iot_store_time.';
})
--- config eval: "access_log logs/access.log iot; $::Gateway"
--- request eval: ::get('plain')
--- access_log eval
qr/^200 OK OperationService\.Get fleet alice \d+\.\d{3}\.$/
