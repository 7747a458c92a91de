#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The door of gRPC, frame by frame: what a call may look like, what it is
# answered, and that it means what the same request over REST means.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256_hex);
use File::Temp;
use Iot;
use Iot::Grpc;
use Iot::H2 qw(frame hpack);
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

my $dir = File::Temp->newdir('iot-grpc-XXXXXX', TMPDIR => 1);
my ($plain, $small, $tls, $others) = map { free_port() } 1 .. 4;
my $service = 'yandex.cloud.iot.devices.v1.RegistryService';
my $prefix = '/iot-devices/v1/registries';
my $number = 0;

$SIG{PIPE} = 'IGNORE';

redis_start();
create_registry('fleet shop');
create_registry('other shop');
create_registry('large shop');

write_file('server.pem', certificate(name => 'gateway'));
write_file('server.key', private_key(name => 'gateway'));

my $locations = <<'_EOC_';
    location /yandex.cloud. {
        iot_grpc main;
    }

    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }

    location / {
        return 404;
    }
_EOC_

# what waits for the store waits for its deadline, not for the store's
my $http = http_config() =~ s/(?=server )/timeout 60s; /r;

my $nginx = Iot::Nginx->start(
    http => $http . <<'_EOC_',
    map $iot_method:$iot_registry_id:$iot_folder_id $may {
        volatile;
        default 1;
        "RegistryService.AddCertificate:other:" 0;
        "RegistryService.List::secret" 0;

        # of an operation: not before its registry is known
        "OperationService.Get::" 0;
        "OperationService.Get:large:" 0;
    }

    limit_req_zone $uri zone=requests:64k rate=1r/m;
    log_format calls "$iot_method|$iot_registry_id|$iot_fingerprint|"
        "$iot_operation_id|$iot_folder_id|$iot_caller|$iot_code|$status|"
        "$iot_store_time";
    iot_access $may;
_EOC_
    server => $locations . <<"_EOC_");
    }

    server {
        listen 127.0.0.1:$plain http2;
        client_max_body_size 1m;
        client_body_buffer_size 4k;
        keepalive_requests 1000000;
        iot_certificate_max_size 128k;
        gzip on;
        gzip_types *;
        gzip_min_length 1;
        access_log logs/calls.log calls;
        $locations
    }

    server {
        listen 127.0.0.1:$small http2;
        client_max_body_size 4k;
        keepalive_requests 1000000;
        iot_completion backend;

        location /yandex.cloud.iot. {
            iot_grpc main;
        }
    }

    server {
        listen 127.0.0.1:$tls ssl http2;
        ssl_certificate $dir/server.pem;
        ssl_certificate_key $dir/server.key;
        $locations
    }

    # what nginx itself refuses, in places with other directives
    server {
        listen 127.0.0.1:$others http2;
        error_page 402 =200 \@grpc;
        error_page 410 /page;

        location /yandex.cloud. {
            iot_grpc main;
        }

        location /denied {
            deny all;
            iot_grpc main;
        }

        location /busy {
            limit_req zone=requests;
            iot_grpc main;
        }

        location /rate {
            limit_req zone=requests;
            limit_req_status 429;
            iot_grpc main;
        }

        location /nobody {
            auth_request /no;
            iot_grpc main;
        }

        location = /no {
            internal;
            return 401;
        }

        location /gateway {
            grpc_pass 127.0.0.1:1;
        }

        location /own {
            return 402;
        }

        location /gone {
            return 410;
        }

        location /text {
            return 404 "not here";
        }

        location /broken {
            return 500;
        }

        location /page {
            return 200 "a page";
        }

        location \@grpc {
            default_type application/grpc;
            add_header grpc-status 9 always;
            return 200 "";
        }
_EOC_

my $h2 = Iot::H2->new($plain);

methods();
unknown_methods();
framing();
bodies_in_pieces();
sizes();
encodings();
other_protocols();
callers();
same_as_rest();
idempotency();
pending();
raised();
early_errors();
deadlines();
cancelled();
lists();
logged();
over_tls();
configurations();

# else nginx waits until the client closes
undef $h2;

is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# ---- what is tested -------------------------------------------------------

sub methods {
    my $pem = 'text around it' . "\r\n" . certificate(name => ++$number);
    my $fingerprint = sha256_hex(der($pem));
    my $before = time() - 1;

    my $add = call('AddCertificate', 1 => 'fleet', 3 => $pem);
    is(status($add), "ok\n", 'add');
    is($add->{headers}{'cache-control'}, 'no-store', 'add: cache-control');
    ok(!exists $add->{headers}{'x-operation-poll-interval'},
       'add: it is done, nothing to poll for');

    my $operation = unproto(substr $add->{data}, 5);

    like($operation->{1}[0], qr/\A[0-9a-v]{20}\z/, 'add: id');
    is($operation->{2}[0], 'Add registry certificate', 'add: description');
    is($operation->{4}[0], 'alice', 'add: created_by');
    is($operation->{6}[0], 1, 'add: done');
    is(join(' ', sort keys %$operation), '1 2 3 4 5 6 7 9', 'add: fields');

    my $at = unproto($operation->{3}[0]);
    cmp_ok($at->{1}[0], '>=', $before, 'add: created_at');

    my $metadata = unproto($operation->{7}[0]);
    is($metadata->{1}[0], 'type.googleapis.com/yandex.cloud.iot.devices.v1.'
        . 'AddRegistryCertificateMetadata', 'add: type of the metadata');
    is($metadata->{2}[0], proto(1 => 'fleet', 2 => $fingerprint),
       'add: metadata');

    my $response = unproto($operation->{9}[0]);
    is($response->{1}[0], 'type.googleapis.com/yandex.cloud.iot.devices.v1.'
        . 'RegistryCertificate', 'add: type of the response');

    my $certificate = unproto($response->{2}[0]);
    is($certificate->{1}[0], 'fleet', 'add: registry_id');
    is($certificate->{2}[0], $fingerprint, 'add: fingerprint');
    ok($certificate->{3}[0] eq $pem, 'add: certificate_data, byte for byte');

    my $get = call('/yandex.cloud.operation.OperationService/Get',
                   1 => $operation->{1}[0]);
    is(status($get), "ok\n", 'the operation is read');
    ok($get->{data} eq $add->{data}, 'the same again');

    my $list = call('ListCertificates', 1 => 'fleet');
    is(status($list), "ok\n", 'list');
    is_deeply(unproto(substr $list->{data}, 5), { 1 => [ $response->{2}[0] ] },
              'list: the one');

    my $delete = call('DeleteCertificate', 1 => 'fleet', 2 => $fingerprint);
    is(status($delete), "ok\n", 'delete');
    is(unproto(unproto(substr $delete->{data}, 5)->{9}[0])->{1}[0],
       'type.googleapis.com/google.protobuf.Empty', 'delete: response');

    my $empty = call('ListCertificates', 1 => 'fleet');
    is(status($empty), "ok\n", 'list: nothing');
    is($empty->{data}, "\0\0\0\0\0", 'list: an empty message');

    my $registry = call('Get', 1 => 'fleet');
    is(status($registry), "ok\n", 'a registry');
    is(unproto(substr $registry->{data}, 5)->{2}[0], 'shop',
       'a registry: its folder');
}


sub unknown_methods {
    my $unknown = "12 RPC_NOT_FOUND\n";

    for my $path ("/$service/Nothing", "/$service/addCertificate",
                  "/$service/AddCertificate/x", "/$service/", "/$service",
                  "/$service/GetCertificate",
                  '/yandex.cloud.iot.devices.v1.DeviceService/Get',
                  '/yandex.cloud.', '/yandex.cloud.operation.Operation/Get',
                  # outside of the location
                  '/grpc.health.v1.Health/Check', '/') {
        is(status(call($path)), $unknown, "unknown: $path");
    }

    is(status(call("/$service/AddPassword", 1 => 'fleet')),
       "12 PASSWORDS_NOT_SERVED\n", 'passwords');
}


sub framing {
    my $valid = proto(1 => 'fleet');
    my $malformed = "13 GRPC_MALFORMED\n";
    my $invalid = "13 INVALID_MESSAGE\nfield body\n";
    my $cardinality = "12 GRPC_NOT_UNARY\n";

    for (
        ['no message', '', $cardinality],
        ['two messages', message($valid) x 2, $cardinality],
        ['a message and a byte', message($valid) . 'x', $cardinality],
        ['the prefix is cut', "\0\0\0\0", $malformed],
        ['only a flag', "\0", $malformed],
        ['the message is cut', substr(message($valid), 0, -1), $malformed],
        ['4 GiB to come', "\0\xff\xff\xff\xff$valid", $malformed],
        ['flag 2', message($valid, 2), $malformed],
        ['flag 255', message($valid, 255), $malformed],
        ['compressed with nothing', message($valid, 1), $malformed],
        ['no fields', message(''), "3 INVALID_FIELD\nfield registry_id\n"],
        ['not protobuf', message("\xff\xff"), $invalid],
        ['a field that is cut', message("\x0a\x05fle"), $invalid],
        ['not UTF-8', message(proto(1 => "\xff")), $invalid],
    ) {
        my ($name, $body, $expected) = @$_;

        is(status(raw('ListCertificates', $body)), $expected, $name);
    }

    # nothing but HEADERS with END_STREAM
    my $stream = $h2->{next};
    $h2->open(grpc_fields('ListCertificates'));
    $h2->send(frame(0, 1, $stream, ''));
    is(status($h2->answer($stream)), $cardinality, 'an empty DATA');

    $stream = $h2->{next};
    $h2->{next} += 2;
    $h2->{answers}{$stream} = { status => 0, headers => {}, trailers => {},
                                data => '', frames => [] };
    $h2->send(frame(1, 5, $stream,
                    hpack(grpc_fields('ListCertificates'))));
    is(status($h2->answer($stream)), $cardinality, 'no DATA at all');
}


sub bodies_in_pieces {
    my $pem = certificate(name => ++$number);
    my $body = message(proto(1 => 'fleet', 3 => $pem));
    my %streams;

    # a byte at a time, in ten streams by turns; every third is reset
    for my $i (1 .. 10) {
        my $pem = certificate(name => ++$number);

        $streams{ $h2->open(grpc_fields('AddCertificate')) } =
            { bytes => message(proto(1 => 'fleet', 3 => $pem)), pem => $pem,
              reset => $i % 3 == 0 };
    }

    my @open = sort { $a <=> $b } keys %streams;

    while (@open) {
        for my $stream (@open) {
            my $of = $streams{$stream};
            my $length = $of->{reset} ? 40 : 7;
            my $piece = substr $of->{bytes}, 0, $length, '';

            $h2->data($stream, $piece, $of->{bytes} eq '');
            $h2->reset($stream) if $of->{bytes} eq '' && $of->{reset};
        }

        @open = grep { $streams{$_}{bytes} ne '' } @open;
    }

    my @kept = grep { !$streams{$_}{reset} } sort { $a <=> $b } keys %streams;
    my @answers = $h2->answers(@kept);
    my @wrong = grep {
        status($answers[$_]) ne "ok\n"
            || fingerprint($answers[$_])
               ne sha256_hex(der($streams{ $kept[$_] }{pem}))
    } 0 .. $#kept;

    is("@wrong", '', 'in pieces: each gets its own answer');

    # in files
    for my $size (5_000, 60_000, 125_000) {
        my $pem = "a line of text\n\n\n" x ($size / 17)
            . certificate(name => ++$number);
        my $add = call('AddCertificate', 1 => 'fleet', 3 => $pem);

        is(status($add), "ok\n", "$size bytes");
        ok(unproto(unproto(unproto(substr $add->{data}, 5)->{9}[0])->{2}[0])
           ->{3}[0] eq $pem, "$size bytes: all come back");
    }
}


sub sizes {
    my $large = "8 REQUEST_TOO_LARGE\n";

    # more than the method takes, more than nginx reads; declared and not
    is(status(call('AddCertificate', 1 => 'fleet', 3 => 'x' x 900_000)),
       $large, 'more than a certificate');
    is(status(call('AddCertificate', 1 => 'fleet', 3 => 'x' x 1_100_000)),
       $large, 'more than client_max_body_size');

    my $stream = $h2->open(grpc_fields('AddCertificate',
                                       'content-length' => 900_000));
    is(status($h2->answer($stream)), $large, 'more is declared');

    $stream = $h2->open(grpc_fields('AddCertificate',
                                    'content-length' => 2_000_000));
    is(status($h2->answer($stream)), $large, 'much more is declared');

    my $h2 = Iot::H2->new($small);
    is(status(Iot::Grpc->call($h2, 'AddCertificate',
                              proto(1 => 'fleet', 3 => 'x' x 4090))),
       $large, 'more than a small client_max_body_size');
    is(status(Iot::Grpc->call($h2, 'ListCertificates', proto(1 => 'fleet'))),
       "ok\n", 'the connection goes on');
}


sub encodings {
    my $body = message('zzzz', 1);

    for my $encoding (qw(gzip deflate snappy)) {
        my $answer = raw('ListCertificates', $body,
                         'grpc-encoding' => $encoding);

        is(status($answer), "12 GRPC_ENCODING\n", "compressed: $encoding");
        is($answer->{headers}{'grpc-accept-encoding'}, 'identity',
           "compressed: $encoding, what may be used");
    }

    is(status(raw('ListCertificates', $body, 'grpc-encoding' => 'identity')),
       "13 GRPC_MALFORMED\n", 'compressed: identity');

    # a client may say that it can, and not do it
    is(status(raw('ListCertificates', message(proto(1 => 'fleet')),
                  'grpc-encoding' => 'gzip',
                  'grpc-accept-encoding' => 'gzip,deflate')),
       "ok\n", 'not compressed');
    is(status(raw('ListCertificates', message(proto(1 => 'fleet')),
                  'accept-encoding' => 'gzip')),
       "ok\n", 'not compressed, though gzip is on');
}


sub other_protocols {
    for my $type (qw(application/grpc+proto application/grpc;charset=utf-8
                     application/grpc+proto;a=b Application/GRPC
                     application/grpc+PROTO), 'application/grpc ;a=b') {
        is(status(raw('ListCertificates', message(proto(1 => 'fleet')),
                      'content-type' => $type)), "ok\n", "type: $type");
    }

    for my $type (qw(application/grpc+json application/grpc+thrift
                     application/grpc+protobuf application/grpc+)) {
        is(status(raw('ListCertificates', message(proto(1 => 'fleet')),
                      'content-type' => $type)), "12 GRPC_ENCODING\n",
           "type: $type");
    }

    for my $type (qw(application/grpc-web application/grpc-web+proto
                     application/grpc-web-text application/grpcx
                     application/json application/x-protobuf text/plain),
                  undef, '') {
        my $name = $type // 'none';
        my $answer = raw('ListCertificates', message(proto(1 => 'fleet')),
                         'content-type' => $type);

        is($answer->{status}, 415, "type: $name");
        is($answer->{headers}{'content-type'}, 'application/json',
           "type: $name, in JSON");
        is(answer($answer->{data}), "12 GRPC_REQUIRED\n",
           "type: $name, reason");
    }

    my $get = raw('ListCertificates', '', ':method' => 'GET');
    is($get->{status}, 405, 'GET');
    is($get->{headers}{allow}, 'POST', 'GET: what is allowed');
    is(answer($get->{data}), "12 METHOD_NOT_ALLOWED\n", 'GET: reason');

    my $old = $nginx->request('POST', "/$service/ListCertificates",
        message(proto(1 => 'fleet')), 'Content-Type' => 'application/grpc');
    is($old->{status}, 505, 'HTTP/1.1');
    is(answer($old->{body}), "12 HTTP2_REQUIRED\n", 'HTTP/1.1: reason');

    # the doors of REST say as before that they are no others
    my $rest = raw("$prefix/fleet/certificates", message(''));
    is($rest->{status}, 501, 'gRPC to REST');
    is(answer($rest->{data}), "12 GRPC_NOT_SERVED\n", 'gRPC to REST: reason');
}


sub callers {
    my $nobody = "16 CALLER_REQUIRED\n";

    for my $path ("/$service/ListCertificates", "/$service/Nothing",
                  '/yandex.cloud.operation.OperationService/Get') {
        is(status(raw($path, message(''), authorization => undef)), $nobody,
           "nobody: $path");
    }

    is(status(raw('ListCertificates', "\0", authorization => 'Bearer x')),
       $nobody, 'nobody: before the body is looked at');
    is(raw('ListCertificates', '', 'content-type' => 'text/plain',
           authorization => undef)->{status}, 401,
       'nobody: not in gRPC either');

    my $denied = "7 ACCESS_DENIED\n";

    is(status(call('AddCertificate', 1 => 'other', 3 => 'no certificate')),
       $denied, 'access: by what the message says');
    is(status(call('ListCertificates', 1 => 'other')), "ok\n",
       'access: to others');
    is(status(call('List', 1 => 'secret')), $denied, 'access: by the folder');

    # the query of a call says nothing
    is(status(call("/$service/List?folderId=shop", 1 => 'secret')), $denied,
       'access: not by the query');
    is(status(call("/$service/List?folderId=secret")),
       "3 INVALID_FIELD\nfield folder_id\n", 'access: the query says nothing');
    is(status(call("/$service/ListCertificates?registryId=fleet")),
       "3 INVALID_FIELD\nfield registry_id\n", 'the query has no fields');

    my $id = operation_id(call('AddCertificate', 1 => 'large',
                               3 => certificate(name => ++$number)));
    is(status(call('/yandex.cloud.operation.OperationService/Get',
                   1 => $id)),
       "5 OPERATION_NOT_FOUND\n"
       . "resource yandex.cloud.operation.Operation $id\n",
       'access: by the registry of an operation');

    is(status(call("/yandex.cloud.endpoint.ApiEndpointService/List")),
       "ok\n", 'endpoints');
    is(status(raw('/yandex.cloud.endpoint.ApiEndpointService/List',
                  message(''), authorization => undef)), "ok\n",
       'endpoints: for everybody');
}


# Each request in both ways.  What the answers say has to be the same.

sub same_as_rest {
    my $pem = certificate(name => ++$number);
    my $fingerprint = sha256_hex(der($pem));
    my $other = certificate(name => ++$number);
    my $key = '00000000-0000-4000-8000-000000000000';

    call('AddCertificate', 1 => 'fleet', 3 => $pem);

    my @requests = (
        ['AddCertificate', [1 => 'fleet', 3 => $pem],
         POST => '/fleet/certificates', { certificateData => $pem }],
        ['AddCertificate', [1 => 'fleet'],
         POST => '/fleet/certificates', {}],
        ['AddCertificate', [1 => 'fleet', 3 => 'no certificate'],
         POST => '/fleet/certificates',
         { certificateData => 'no certificate' }],
        ['AddCertificate', [1 => 'fleet', 3 => private_key()],
         POST => '/fleet/certificates', { certificateData => private_key() }],
        ['AddCertificate', [1 => 'nowhere', 3 => $other],
         POST => '/nowhere/certificates', { certificateData => $other }],
        ['AddCertificate', [1 => 'a b', 3 => $other],
         POST => '/a%20b/certificates', { certificateData => $other }],
        ['DeleteCertificate', [1 => 'fleet', 2 => 'x'],
         DELETE => '/fleet/certificates/x'],
        ['DeleteCertificate', [1 => 'fleet', 2 => 'a' x 64],
         DELETE => '/fleet/certificates/' . 'a' x 64],
        ['DeleteCertificate', [1 => 'other', 2 => $fingerprint],
         DELETE => "/other/certificates/$fingerprint"],
        ['ListCertificates', [1 => 'nowhere'], GET => '/nowhere/certificates'],
        ['Get', [1 => 'nowhere'], GET => '/nowhere'],
        ['ListOperations', [1 => 'fleet', 2 => \1001],
         GET => '/fleet/operations?pageSize=1001'],
        ['ListOperations', [1 => 'fleet', 3 => 'x'],
         GET => '/fleet/operations?pageToken=x'],
        ['ListOperations', [1 => 'fleet', 4 => 'x'],
         GET => '/fleet/operations?filter=x'],
        ['List', [], GET => ''],
        ['Create', [1 => 'shop', 2 => 'no name'],
         POST => '', { folderId => 'shop', name => 'no name' }],
        ['Create', [1 => 'shop', 6 => 'x'],
         POST => '', { folderId => 'shop', password => 'x' }],
        ['Update', [1 => 'fleet', 2 => proto(1 => 'nothing')],
         PATCH => '/fleet', { updateMask => 'nothing' }],
        ['Enable', [1 => 'nowhere'], POST => '/nowhere:enable', {}],
    );

    for my $request (@requests) {
        my ($method, $fields, $verb, $path, $body) = @$request;
        my $rest = $nginx->request($verb, "$prefix$path",
                                   $body ? json($body) : undef);
        my $grpc = call($method, @$fields);

        is(status($grpc), answer($rest->{body}),
           "as over REST: $method "
           . substr join(' ', @$fields) =~ s/[^ -~]+/ /gr, 0, 30);
        cmp_ok(length join('', %{ $grpc->{headers} }), '<', 6000,
               "as over REST: $method, in few bytes");
    }

    my $rest = $nginx->request('GET', '/operations/7e1k8627grr1081g8186');
    is(status(call('/yandex.cloud.operation.OperationService/Get',
                   1 => '7e1k8627grr1081g8186')),
       answer($rest->{body}), 'as over REST: an unknown operation');
}


sub idempotency {
    my $pem = certificate(name => ++$number);
    my $key = '7d5c3b1e-8d1b-4d0a-9a8e-0123456789ab';
    my @add = ('AddCertificate', message(proto(1 => 'fleet', 3 => $pem)));

    my $first = raw(@add, 'idempotency-key' => $key);
    is(status($first), "ok\n", 'a key');

    my $again = raw(@add, 'idempotency-key' => $key);
    ok($again->{data} eq $first->{data}, 'a key: the same operation');

    my $rest = $nginx->request('POST', "$prefix/fleet/certificates",
                               body($pem), 'Idempotency-Key' => $key);
    is(decode_json($rest->{body})->{id}, operation_id($first),
       'a key: the same operation over REST');

    is(status(raw('AddCertificate',
                  message(proto(1 => 'fleet', 3 => certificate())),
                  'idempotency-key' => $key)),
       "3 IDEMPOTENCY_KEY_REUSED\nfield idempotency_key\n",
       'a key for something else');

    # log options are a message here, and text that is kept there
    $key =~ tr/7/8/;
    $first = raw('Create', message(proto(1 => 'shop',
                                         7 => proto(2 => 'g', 4 => \3))),
                 'idempotency-key' => $key);
    $rest = $nginx->request('POST', '/iot-devices/v1/registries',
        '{"logOptions": {"minLevel": "INFO", "log_group_id": "g"},'
        . '"folderId": "shop"}', 'Idempotency-Key' => $key);

    is(status($first), "ok\n", 'a key: log options');
    is(decode_json($rest->{body})->{id}, operation_id($first),
       'a key: the same log options over REST');

    is(status(raw(@add, 'idempotency-key' => 'no UUID')),
       "3 INVALID_FIELD\nfield idempotency_key\n", 'a key that is none');
    is(status(raw('ListCertificates', message(proto(1 => 'fleet')),
                  'idempotency-key' => 'no UUID')), "ok\n",
       'a key with a read');
}


sub pending {
    my $h2 = Iot::H2->new($small);
    my $add = Iot::Grpc->call($h2, 'AddCertificate',
        proto(1 => 'fleet', 3 => certificate(name => ++$number)));

    is(status($add), "ok\n", 'not done');
    is(unproto(substr $add->{data}, 5)->{6}, undef, 'not done: it says so');
    is($add->{headers}{'x-operation-poll-interval'}, 1,
       'not done: when to ask again');
}


sub raised {
    my $h2 = Iot::H2->new($others);
    my $call = sub {
        my $stream = $h2->open(grpc_fields(shift, @_));

        $h2->data($stream, message(''), 1);
        return $h2->answer($stream);
    };

    for (['/denied', "7 ACCESS_DENIED\n"],
         ['/nobody', "16 CALLER_REQUIRED\n"],
         ['/gateway', "14 SERVER_UNAVAILABLE\nretry 1s\n"],
         ['/gone', "9 REQUEST_REFUSED\n"],
         ['/broken', "13 INTERNAL_ERROR\n"],
         ['/nothing/at/all', "12 RPC_NOT_FOUND\n"]) {
        my ($path, $expected) = @$_;

        is(status($call->($path)), $expected, "raised: $path");
    }

    $call->('/busy');
    is(status($call->('/busy')), "14 SERVER_UNAVAILABLE\nretry 1s\n",
       'raised: limit_req');
    $call->('/rate');
    is(status($call->('/rate')), "8 RATE_LIMITED\nretry 1s\n",
       'raised: limit_req with 429');

    # pages of the user that speak gRPC, and texts that are no errors to nginx
    my $own = $call->('/own');
    is($own->{headers}{'grpc-status'}, 9, "raised: the user's own answer");

    is($call->('/text')->{data}, 'not here', "raised: the user's own text");

    # whoever does not speak gRPC has what it had
    is($call->('/nothing', 'content-type' => 'text/plain')->{status}, 404,
       'raised: not a call');
    is(answer($call->('/denied', ':method' => 'GET')->{data}),
       "7 ACCESS_DENIED\n", 'raised: not a call, to the gateway');
}


# before nginx has read that it is a call

sub early_errors {
    for (['a path with NUL', raw('/yandex.cloud.%00', '')],
         ['a host that is none', raw('Get', '', ':authority' => 'a b')]) {
        my ($name, $answer) = @$_;

        is($answer->{status}, 400, "early: $name");
        is(answer($answer->{data}), "3 MALFORMED_REQUEST\nfield request\n",
           "early: $name, in JSON");
    }
}


sub deadlines {
    my $over = "4 DEADLINE_PASSED\n";
    my $list = message(proto(1 => 'fleet'));

    for my $timeout (qw(60S 600000m 99999999u 99999999H 00000001M)) {
        is(status(raw('ListCertificates', $list,
                      'grpc-timeout' => $timeout)), "ok\n",
           "in time: $timeout");
    }

    for my $timeout ('', '1', 'S', '-1S', '1s', '1.5S', '123456789S', '1 S') {
        is(status(raw('ListCertificates', $list,
                      'grpc-timeout' => $timeout)), "13 GRPC_MALFORMED\n",
           "no time: \"$timeout\"");
    }

    is(status(raw('ListCertificates', $list, 'grpc-timeout' => '1S',
                  'grpc-timeout' => '2S')), "13 GRPC_MALFORMED\n",
       'no time: two');
    is(status(raw('ListCertificates', $list, 'grpc-timeout' => '0m')), $over,
       'over at once');

    # a body that does not come, and one that stops in the middle
    for my $piece ('', "\0\0\0") {
        my $stream = $h2->open(grpc_fields('AddCertificate',
                                           'grpc-timeout' => '50m'));
        $h2->data($stream, $piece) if $piece ne '';

        my $late = $h2->answer($stream);
        is(refused($late), $over, 'over while the body comes');

        # what comes after all is not looked at
        $h2->data($stream, 'x' x 100, 1);
        is(status(raw('ListCertificates', $list)), "ok\n",
           'over while the body comes: others go on');
    }

    my $pem = certificate(name => ++$number);
    my ($redis) = redis('INFO') =~ /^process_id:(\d+)/m;

    # long enough for a busy machine to have sent the commands
    kill 'STOP', $redis;
    my @streams = map {
        my ($method, $body) = @$_;
        my $stream = $h2->open(grpc_fields($method,
                                           'grpc-timeout' => '1500m'));
        $h2->data($stream, $body, 1);
        $stream;
    } ['ListCertificates', $list],
      ['AddCertificate', message(proto(1 => 'fleet', 3 => $pem))];
    my ($read, $add) = $h2->answers(@streams);
    kill 'CONT', $redis;

    is(status($read), $over, 'over while the store is read');

    my ($id) = status($add) =~ /^metadata operationId (\S+)$/m;
    $id //= '';
    is(status($add), "4 STORE_OUTCOME_UNKNOWN\nmetadata operationId $id\n"
        . "metadata outcome UNKNOWN\n", 'over while the store is changed');

    my $operation;

    ok(wait_until(sub {
        $operation = call('/yandex.cloud.operation.OperationService/Get',
                          1 => $id);
        status($operation) eq "ok\n"
    }), 'over while the store is changed: the operation tells');
    is(fingerprint($operation), sha256_hex(der($pem)),
       'over while the store is changed: it was made');
}


sub cancelled {
    my ($redis) = redis('INFO') =~ /^process_id:(\d+)/m;
    my @pems = map { certificate(name => ++$number) } 1 .. 4;

    kill 'STOP', $redis;

    my @streams = map {
        my $stream = $h2->open(grpc_fields('AddCertificate',
                                           'grpc-timeout' => '20S'));
        $h2->data($stream, message(proto(1 => 'fleet', 3 => $_)), 1);
        $stream;
    } @pems;

    $h2->ping;
    $h2->reset($_) for @streams[0, 2];
    $h2->ping;

    kill 'CONT', $redis;

    is(join('', map { status($_) } $h2->answers(@streams[1, 3])),
       "ok\nok\n", 'cancelled: the others are answered');
    is_deeply($h2->{answers}{ $streams[0] }{frames}, [],
              'cancelled: no answer');

    # the connection goes away with calls that wait, and with half a call
    kill 'STOP', $redis;

    my $gone = Iot::H2->new($plain);
    my $stream = $gone->open(grpc_fields('ListCertificates',
                                         'grpc-timeout' => '1S'));
    $gone->data($stream, message(proto(1 => 'fleet')), 1);
    $stream = $gone->open(grpc_fields('AddCertificate',
                                      'grpc-timeout' => '1S'));
    $gone->data($stream, "\0\0");
    $gone->ping;
    close $gone->{socket};

    kill 'CONT', $redis;

    is(status(call('ListCertificates', 1 => 'fleet')), "ok\n",
       'cancelled: a connection that goes away');
}


sub lists {
    # each with its DER in base64; some hundred more than fit into 4 MiB
    my $size = 3_000;
    my $each = 4_250;
    my $count = int(4 * 1024 * 1024 / $each);

    my @fingerprints = put_certificates('large', $count, size => $size);
    my $list = call('ListCertificates', 1 => 'large');
    my $length = length($list->{data}) - 5;

    is(status($list), "ok\n", 'a long list');
    cmp_ok($length, '<', 4 * 1024 * 1024, "a long list: $length bytes");
    cmp_ok($length, '>', 3.8 * 1024 * 1024, 'a long list: nearly all of them');

    my @got = map { unproto($_)->{2}[0] }
                  @{ unproto(substr $list->{data}, 5)->{1} };

    # but for the last one, which another test has added
    pop @got;
    is_deeply(\@got, \@fingerprints, 'a long list: all, and in order');

    # at once, with small windows of the client's: none mixes with another
    my @streams = map {
        my $stream = $h2->open(grpc_fields('ListCertificates'));
        $h2->data($stream, message(proto(1 => 'large')), 1);
        $stream;
    } 1 .. 5;

    is(scalar(grep { $_->{data} eq $list->{data} } $h2->answers(@streams)), 5,
       'a long list: five at once');

    put_certificates('large', 300, size => $size, from => $count);

    my $longer = call('ListCertificates', 1 => 'large');
    is(status($longer), "8 ANSWER_TOO_LARGE\n", 'a list that is too long');
    like($longer->{headers}{'grpc-message'},
         qr{GET /iot-devices/v1/registries/\{registry_id\}/certificates\?page},
         'a list that is too long: what else to do');

    my $page = $nginx->request('GET',
                               "$prefix/large/certificates?pageSize=100");
    is(scalar @{ decode_json($page->{body})->{certificates} }, 100,
       'a list that is too long: so it is read');
}


sub logged {
    my $pem = certificate(name => ++$number);
    my $fingerprint = sha256_hex(der($pem));
    my $skip = calls();
    my $add = call('AddCertificate', 1 => 'fleet', 3 => $pem);
    my $id = operation_id($add);

    call('/yandex.cloud.operation.OperationService/Get', 1 => $id);
    call('AddCertificate', 1 => 'fleet', 3 => $pem);
    call('DeleteCertificate', 1 => 'fleet', 2 => $fingerprint);
    call('AddCertificate', 1 => 'other', 3 => $pem);
    call('List', 1 => 'shop');
    raw('Get', message(''), authorization => undef);
    call('Nothing');
    raw('Get', '');
    call('AddCertificate', 1 => 'fleet', 3 => 'x' x 1_100_000);

    wait_until(sub { calls() >= $skip + 10 });

    my @lines = map { s/\|\d+\.\d{3}$/|time/r =~ s/^RegistryService\.//r }
                    (calls())[$skip .. $skip + 9];
    my $deleted = (split /\|/, $lines[3])[3];

    is(join("\n", @lines), <<"_EOC_" =~ s/\n\z//r, 'the access log');
AddCertificate|fleet|$fingerprint|$id|-|alice|OK|200|time
OperationService.Get|fleet|$fingerprint|$id|-|alice|OK|200|time
AddCertificate|fleet|$fingerprint|-|-|alice|ALREADY_EXISTS|200|time
DeleteCertificate|fleet|$fingerprint|$deleted|-|alice|OK|200|time
AddCertificate|other|-|-|-|alice|PERMISSION_DENIED|200|-
List|-|-|-|shop|alice|OK|200|time
Get|-|-|-|-|-|UNAUTHENTICATED|200|-
-|-|-|-|-|alice|UNIMPLEMENTED|200|-
Get|-|-|-|-|alice|UNIMPLEMENTED|200|-
AddCertificate|-|-|-|-|alice|RESOURCE_EXHAUSTED|413|-
_EOC_
}


sub over_tls {
    write_file('message', message(proto(1 => 'fleet', 3 => certificate())));

    system('curl', '-sS', '-k', '--http2', '--max-time', 60, '-H', 'Expect:',
        '-H', 'Authorization: Bearer alice', '-H', 'TE: trailers',
        '-H', 'Content-Type: application/grpc', '--data-binary',
        "\@$dir/message", '-o', "$dir/out", '-D', "$dir/headers",
        "https://127.0.0.1:$tls/$service/AddCertificate") == 0
        or diag("curl: $?");

    my $headers = read_file('headers');

    like($headers, qr{^HTTP/2 200}, 'TLS: HTTP/2');
    like($headers, qr{^grpc-status: 0\r$}m, 'TLS: the trailers');
    is(fingerprint({ data => read_file('out') }),
       sha256_hex(der(certificate())), 'TLS: a certificate is added');
}


sub configurations {
    for (
        ['location / { iot_grpc main; iot_grpc main; }',
         qr/"iot_grpc" directive is duplicate/],
        ['location / { iot_grpc main; iot_api main; }',
         qr/"iot_api" directive is in a location with another service/],
        ['location / { iot_operations main; iot_grpc main; }',
         qr/"iot_grpc" directive is in a location with another service/],
        ['location / { iot_status main; iot_grpc main; }',
         qr/"iot_grpc" directive is in a location with another service/],
        ['location / { iot_grpc; }',
         qr/invalid number of arguments in "iot_grpc"/],
        ['iot_grpc main;', qr/"iot_grpc" directive is not allowed here/],
        ['location / { iot_grpc nothing; }', qr/iot_store "nothing"/],
    ) {
        my ($server, $expected) = @$_;

        eval { Iot::Nginx->start(http => http_config(), server => $server) };
        like($@, $expected, $server);
    }

    # inside of an "if", and of limit_except, it is the same location
    my $h2c = free_port();
    my $nginx = Iot::Nginx->start(http => http_config(), server => <<"_EOC_");
        location / {
            iot_grpc main;
        }
    }

    server {
        listen 127.0.0.1:$h2c http2;

        location / {
            iot_grpc main;

            if (\$http_a) {
                set \$a b;
            }

            limit_except POST {
                deny all;
            }
        }
_EOC_
    my $h2 = Iot::H2->new($h2c);

    is(status(Iot::Grpc->call($h2, 'ListCertificates', proto(1 => 'fleet'),
                              a => 'b')), "ok\n", 'in an "if"');
    is(status(Iot::Grpc->call($h2, 'ListCertificates', proto(1 => 'fleet'))),
       "ok\n", 'with limit_except');
    undef $h2;
    is($nginx->stop, '', 'such an nginx stops');
}


# ---- calls ----------------------------------------------------------------

# call(method, fields ...), and with a body and headers of the test's own

sub call {
    my ($method, @fields) = @_;

    return Iot::Grpc->call($h2, $method, proto(@fields));
}


sub raw {
    my ($method, $body, @given) = @_;

    my $stream = $h2->open(grpc_fields($method, @given));

    $h2->data($stream, $body, 1);

    return $h2->answer($stream);
}


sub operation_id {
    my ($answer) = @_;

    return unproto(substr $answer->{data}, 5)->{1}[0];
}


# of the certificate that an operation has added

sub fingerprint {
    my ($answer) = @_;

    my $any = unproto(substr $answer->{data}, 5)->{9}[0] // return 'none';

    return unproto(unproto($any)->{2}[0])->{2}[0];
}


sub calls {
    open my $log, '<', $nginx->path('logs/calls.log') or return ();
    chomp(my @lines = <$log>);
    return @lines;
}


sub write_file {
    my ($name, $content) = @_;

    open my $file, '>:raw', "$dir/$name" or die "$name: $!";
    print $file $content;
    close $file or die "$name: $!";
}


sub read_file {
    my ($name) = @_;

    local $/;
    open my $file, '<:raw', "$dir/$name" or return '';
    return scalar(<$file>) // '';
}
