#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# ImportCertificates: POST .../registries/{registryId}/certificates:import.
# What a body may be, what becomes of each of its entries, what is answered and
# what Redis holds then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha1_hex sha256_hex);
use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes ();

redis_start();

my $locations = <<'_EOC_';
    client_max_body_size 4m;

    location /iot-devices/ {
        iot_api main;
    }

    location = /iot-devices/v1/registries {
        iot_api main;
        iot_import on;
        iot_access $may;
    }

    location ~ ^/iot-devices/v1/registries/[^/]+/certificates:import$ {
        iot_api main;
        iot_import on;

        location ~ "/registries/loose/" {
            iot_api main;
            iot_certificate_accept expired not_yet_valid weak_key;
        }

        location ~ "/registries/small/" {
            iot_api main;
            iot_certificate_max_size 1k;
        }

        location ~ "/registries/limited/" {
            iot_api main;
            iot_certificate_limit 3;
        }

        location ~ "/registries/denied/" {
            iot_api main;
            iot_access 0;
        }

        location ~ "/registries/anything/" {
            iot_api main;
            iot_registries open;
        }
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_

my $http = http_config(<<'_EOC_');
    map $iot_method:$iot_registry_id $may {
        volatile;
        default 1;
        "~^RegistryService.Create:not-this-one$" 0;
    }
_EOC_

my $nginx = Iot::Nginx->start(http => $http, server => $locations);

my $a = certificate(name => 'a');
my $b = certificate(name => 'b');
my $rsa = certificate(key => 'rsa:2048');
my $weak = certificate(key => 'rsa:1024');
my $expired = dated($a, utc_time(1e9), utc_time(1.1e9));
my $future = dated($a, utc_time(2e9), utc_time(2.1e9));
my $key = private_key(name => 'a');

my $prefix = '/iot-devices/v1/registries';

routes();
requests();
bodies();
rows();
formats();
created_at();
byte_for_byte();
repeats();
dry_run();
of_several_batches();
operations();
limits();
claims();
registries();
old_ids();
files();

is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# ---- what is tested -------------------------------------------------------

# the route is there only where iot_import is on

sub routes {
    begin();

    my $path = "$prefix/fleet/certificates:import";

    is(short($nginx->request('GET', $path)),
       "405 12 METHOD_NOT_ALLOWED", 'GET of the route');
    is($nginx->request('GET', $path)->{headers}{allow}, 'POST',
       'which has POST alone');

    my $off = Iot::Nginx->start(http => http_config(), server => <<'_EOC_');
        location /iot-devices/ {
            iot_api main;
            iot_import off;
        }

        location /on/ {
            iot_import on;
            rewrite ^/on(/.*)$ $1 break;

            location /on/iot-devices/ {
                rewrite ^/on(/.*)$ $1 break;
                iot_api main;
            }

            location /on/operations/ {
                rewrite ^/on(/.*)$ $1 break;
                iot_operations main;
            }
        }
_EOC_

    is(short($off->request('POST', $path, '[]')), '404 5 ROUTE_NOT_FOUND',
       'no such route where it is off');
    is(short($off->request('GET', $path)), '404 5 ROUTE_NOT_FOUND',
       'nor for another verb');
    is(import_answer($off->send_request('POST', "/on$path", '[]'))->{status},
       200, 'a location inherits iot_import');
    is(short($off->request('POST', "/on/operations$path", '[]')),
       '404 5 ROUTE_NOT_FOUND', 'operations have no such route');
    is($off->stop, '', 'nginx stops');
}


# what is refused before the body is looked at

sub requests {
    for (['a caller', '401 16 CALLER_REQUIRED', 'fleet', '[',
          Authorization => 'none'],
         ['access', '403 7 ACCESS_DENIED', 'denied', '['],
         ['a registry id', '400 3 INVALID_FIELD registry_id', 'a.b', '['],
         ['a length', '413 3 REQUEST_TOO_LARGE body', 'fleet', '[',
          'Content-Length' => 5e6],
         ['dryRun', '400 3 INVALID_FIELD dry_run', 'fleet?dryRun=yes', '['],
         ['dry_run', '400 3 INVALID_FIELD dry_run', 'fleet?dry_run=1', '['],
         ['an Idempotency-Key', '400 3 INVALID_FIELD idempotency_key', 'fleet',
          '[', 'Idempotency-Key' => 'x'])
    {
        my ($what, $expected, $registry, $body, @headers) = @$_;

        begin();
        is(short(import_into($registry, $body, @headers)), $expected,
           "refused: $what");
    }
}


# a body that is not an array of objects changes nothing, wherever it breaks

sub bodies {
    my $entry = entry($a);

    for (['nothing', ''],
         ['white space', " \n"],
         ['an object', '{}'],
         ['an answer of the API', "{\"certificates\":[$entry]}"],
         ['null', 'null'],
         ['a word', 'certificates'],
         ['no end', '['],
         ['no end after an entry', "[$entry"],
         ['no end after a comma', "[$entry,"],
         ['no end inside of an entry', "[$entry,{\"a\":1"],
         ['a comma too many', "[$entry,]"],
         ['no comma', "[$entry $entry]"],
         ['an entry that is none', "[$entry,7]"],
         ['null for an entry', "[$entry,null]"],
         ['more after the end', "[$entry]]"],
         ['a second array', "[$entry]\n[$entry]"],
         ['an entry that is no JSON', "[$entry,{\"a\"}]"],
         ['brackets that do not match', "[$entry,{\"a\":[}]"],
         ['a number that is none', "[$entry,{\"a\":01}]"],
         ['invalid UTF-8', "[$entry,{\"a\":\"\xff\"}]"],
         ['a lone surrogate', "[$entry,{\"a\":\"\\uD800\"}]"],
         ['a control byte', "[$entry,{\"a\":\"\n\"}]"],
         ['nesting', "[$entry,{\"a\":" . '[' x 101 . ']' x 101 . '}]'],
         ['something far behind', '[' . "$entry," x 200 . '{]'])
    {
        my ($what, $body) = @$_;

        begin();
        is(short(import_into('fleet', $body)), '400 3 INVALID_JSON body',
           "body: $what");
        is(redis('DBSIZE'), 1, "body: $what - nothing is written");
    }

    begin();
    my $got = import_into('small', '[' . entry($a) . ',{"a":"' . 'b' x 14337
                              . '"}]');
    is(short($got), '413 3 REQUEST_TOO_LARGE body', 'body: a large entry');
    like($got->{body}, qr/entry 1 of the array has more than 14336 bytes/,
         'body: a large entry is told');
    is(redis('DBSIZE'), 1, 'body: a large entry - nothing is written');

    $got = import_into('fleet', "[$entry,{\"a\":\"\xff\"}]");
    like($got->{body}, qr/"entry 1 of the array: the body is not valid UTF-8"/,
         'body: the entry is named');

    begin();
    is(rows_of('fleet', '[]'), "0 0 0 0\n", 'an empty array');
    is(rows_of('fleet', " \r\n[\t]\n"), "0 0 0 0\n", 'with white space');
    is(redis('DBSIZE'), 1, 'an empty array writes nothing');
}


# each entry by itself, after one that is imported and before another

sub rows {
    my $mismatch = ' is not that of the certificate';
    my $other = sha256_hex(der($b));

    for (['nothing', '{}', '3 CERTIFICATE_REQUIRED'],
         ['null', '{"certificate_data":null}', '3 CERTIFICATE_REQUIRED'],
         ['fields that are not known',
          entry($rsa, owner => { a => [1] }, status => 'ACTIVE'), 'IMPORTED'],
         ['null for all the rest', entry($rsa, fingerprint => undef,
              registry_id => undef, created_at => undef, device_id => undef),
          'IMPORTED'],
         ['empty strings for all the rest', entry($rsa, fingerprint => '',
              registry_id => '', created_at => '', device_id => ''),
          'IMPORTED'],
         ['the path\'s registry', entry($rsa, registry_id => 'fleet'),
          'IMPORTED'],
         ['another registry', entry($rsa, registry_id => 'flee'),
          '3 IMPORT_OF_OTHER_REGISTRY'],
         ['another registry in camel case', entry($rsa, registryId => 'Fleet'),
          '3 IMPORT_OF_OTHER_REGISTRY'],
         ['a device', entry($rsa, device_id => 'are1'), '3 IMPORT_OF_DEVICE'],
         ['a device in camel case', entry($rsa, deviceId => 'are1'),
          '3 IMPORT_OF_DEVICE'],
         ['a number for a registry', entry($rsa, registry_id => 7),
          '3 INVALID_FIELD'],
         ['a number for a text', '{"certificate_data":7}', '3 INVALID_FIELD'],
         ['a number for a time', entry($rsa, created_at => 7),
          '3 INVALID_FIELD'],
         ['an object for a time',
          entry($rsa, created_at => { seconds => 7 }), '3 INVALID_FIELD'],

         ['SHA-256', entry($rsa, fingerprint => sha256_hex(der($rsa))),
          'IMPORTED'],
         ['SHA-256 in capitals',
          entry($rsa, fingerprint => uc sha256_hex(der($rsa))), 'IMPORTED'],
         ['SHA-256 with colons',
          entry($rsa, fingerprint => colons(sha256_hex(der($rsa)))),
          'IMPORTED'],
         ['SHA-1', entry($rsa, fingerprint => sha1_hex(der($rsa))),
          'IMPORTED'],
         ['SHA-1 in capitals with colons',
          entry($rsa, fingerprint => uc colons(sha1_hex(der($rsa)))),
          'IMPORTED'],
         ['another SHA-256', entry($rsa, fingerprint => $other),
          '3 FINGERPRINT_MISMATCH'],
         ['another SHA-1', entry($rsa, fingerprint => sha1_hex(der($b))),
          '3 FINGERPRINT_MISMATCH'],
         ['32 digits', entry($rsa, fingerprint => substr $other, 0, 32),
          '3 INVALID_FIELD'],
         ['no digits', entry($rsa, fingerprint => 'abcdefgh' x 8),
          '3 INVALID_FIELD'],

         ['an expired one', entry($expired), '3 CERTIFICATE_EXPIRED'],
         ['one that is not valid yet', entry($future),
          '3 CERTIFICATE_NOT_YET_VALID'],
         ['a weak key', entry($weak), '3 CERTIFICATE_WEAK_KEY'],
         ['a private key', entry("$rsa$key"), '3 PRIVATE_KEY_IN_BODY'],
         ['two certificates', entry("$rsa$b"), '3 CERTIFICATE_SEVERAL_PEM'],
         ['no PEM', entry('MIIB'), '3 CERTIFICATE_NO_PEM'],
         ['a text that is too long', entry($rsa . ' ' x 65536),
          '3 CERTIFICATE_TOO_LARGE'])
    {
        my ($what, $entry, $expected) = @$_;

        begin();

        my $result = $expected eq 'IMPORTED' ? $expected
                                             : "REFUSED $expected";
        my $counts = $expected eq 'IMPORTED' ? '3 3 0 0' : '3 2 0 1';

        is(rows_of('fleet', '[' . join(',', entry($a), $entry, entry($b))
                                . ']'),
           "0 IMPORTED\n1 $result\n2 IMPORTED\n$counts\n", "entry: $what");
    }

    begin();
    is(rows_of('loose', '[' . join(',', map { entry($_) } $expired, $future,
                                   $weak) . ']'),
       "0 IMPORTED\n1 IMPORTED\n2 IMPORTED\n3 3 0 0\n",
       'a location may accept what is not accepted elsewhere');

    # a refused row has the fingerprint that is known of it

    my $stated = uc colons(sha1_hex('nothing'));
    my @rows = @{ decode_json(import_into('fleet', '[' . join(',',
        entry('no PEM', fingerprint => $stated),
        entry('no PEM', fingerprint => 'nothing'),
        entry('no PEM'),
        entry($rsa, fingerprint => $other)) . ']')->{body})->{rows} };

    is_deeply([ map { $_->{fingerprint} } @rows ],
              [ sha1_hex('nothing'), undef, undef, sha256_hex(der($rsa)) ],
              'fingerprints of refused rows');

    is(json($rows[3]), json({ index => 3, result => 'REFUSED', code => 3,
        fingerprint => sha256_hex(der($rsa)), reason => 'FINGERPRINT_MISMATCH',
        message => '"fingerprint" is not that of the certificate' }),
       'a refused row');

    # what the entry says is quoted nowhere

    my $got = import_into('fleet', '[' . entry("$rsa$key", registry_id => 'fleet')
                              . ']');
    my ($secret) = $key =~ /\n(\S{32})/;

    unlike($got->{body} . $nginx->error_log, qr/\Q$secret\E/,
           'a private key is neither answered nor logged');
}


# both of what yc writes, byte for byte as far as that is known

sub formats {
    my $fingerprint = sha1_hex(der($a));
    my $text = $a =~ s/\n/\\n/gr;

    my $json = <<"_EOC_";
[
  {
    "registry_id": "fleet",
    "fingerprint": "$fingerprint",
    "certificate_data": "$text",
    "created_at": "2019-05-20T10:01:02.123456789Z"
  }
]
_EOC_

    my $rest = <<"_EOC_";
[
 {
  "registryId": "fleet",
  "fingerprint": "$fingerprint",
  "certificateData": "$text",
  "createdAt": "2019-05-20T10:01:02.123456789Z"
 }
]
_EOC_

    for (['json', $json], ['json-rest', $rest]) {
        my ($name, $body) = @$_;

        begin();
        is(rows_of('fleet', $body), "0 IMPORTED\n1 1 0 0\n",
           "$name: it is imported");

        my $got = $nginx->request('GET',
                                  "$prefix/fleet/certificates/$fingerprint");

        is($got->{body}, registry_certificate('fleet', $a, 1558346462123),
           "$name: and is a certificate like others, found by its SHA-1");
        is(list('fleet'), "{\"certificates\":[$got->{body}]}",
           "$name: the only one of the list");
    }

    # the answer as it is, and the order of its members

    begin();
    my $sha256 = sha256_hex(der($a));

    is(import_into('fleet', $json)->{body}
           =~ s/("operationId":)"7e[0-9a-v]{18}"/$1"…"/r,
       '{"registryId":"fleet","rows":[{"index":0,"fingerprint":"' . $sha256
       . '","result":"IMPORTED"}],"operationId":"…","counts":{"entries":1,'
       . '"imported":1,"existing":0,"refused":0}}', 'the answer');

    # duplicates of a name: the last wins

    begin();
    is(rows_of('fleet', "[{\"certificate_data\":\"no\","
                        . "\"registry_id\":\"other\","
                        . "\"certificateData\":\"$text\","
                        . "\"registryId\":\"fleet\"}]"),
       "0 IMPORTED\n1 1 0 0\n", 'the last of duplicates wins');
}


sub created_at {
    my $now = int(time);

    for (['2019-05-20T10:01:02Z', '2019-05-20T10:01:02.000Z'],
         ['2019-05-20T10:01:02.9999999Z', '2019-05-20T10:01:02.999Z'],
         ['2019-05-20T10:01:02.5+03:00', '2019-05-20T07:01:02.500Z'],
         ['1970-01-01T00:00:00Z', '1970-01-01T00:00:00.000Z'],
         ['2100-01-01T00:00:00Z', '2100-01-01T00:00:00.000Z'])
    {
        my ($text, $expected) = @$_;

        begin();
        is(rows_of('fleet', '[' . entry($a, created_at => $text) . ']'),
           "0 IMPORTED\n1 1 0 0\n", "created_at $text");
        like(list('fleet'), qr/"createdAt":"\Q$expected\E"/, "is $expected");
    }

    for ('yesterday', '2019-05-20', '2019-05-20 10:01:02Z', '1558346462',
         '1969-12-31T23:59:59Z', '2019-02-29T00:00:00Z')
    {
        begin();
        my $got = import_into('fleet', '[' . entry($a, created_at => $_) . ']');

        is(rows_of_answer($got), "0 REFUSED 3 INVALID_FIELD\n1 0 0 1\n",
           "created_at $_");
        like($got->{body}, qr/\\"created_at\\" must be a time/, 'is told');
    }

    # oldest first, whatever the order of the body

    begin();
    import_into('fleet', '[' . join(',',
        entry($a, created_at => '2021-01-01T00:00:00Z'),
        entry($b, created_at => '2019-01-01T00:00:00Z'),
        entry($rsa)) . ']');

    my @found = list('fleet') =~ /"fingerprint":"(\w+)"/g;

    is("@found", join(' ', map { sha256_hex(der($_)) } $b, $a, $rsa),
       'the list has them in the order of their times');

    my ($at) = (list('fleet') =~ /"createdAt":"([^"]*)"/g)[2];
    cmp_ok($at, 'ge', POSIX::strftime('%FT%T', gmtime $now), 'absent: now');
}


# the text comes back as it was sent

sub byte_for_byte {
    for (['usual', $a],
         ['without the last newline', $a =~ s/\n\z//r],
         ['CRLF', $a =~ s/\n/\r\n/gr],
         ['text around it', "Bag Attributes\n$a\x{20ac}\n"])
    {
        my ($what, $pem) = @$_;

        begin();
        import_into('fleet', '[' . entry($pem) . ']');

        my $got = $nginx->request('GET', "$prefix/fleet/certificates/"
                                         . sha256_hex(der($pem)));

        ok(decode_json($got->{body})->{certificateData} eq $pem,
           "certificate_data, $what");
    }
}


sub repeats {
    begin();

    my $body = '[' . join(',', map { entry($_) } $a, $b, $expired) . ']';
    my $refused = 'REFUSED 3 CERTIFICATE_EXPIRED';

    is(rows_of('fleet', $body), "0 IMPORTED\n1 IMPORTED\n2 $refused\n"
       . "3 2 0 1\n", 'the first time');

    my $before = stored();

    is(rows_of('fleet', $body), "0 EXISTS\n1 EXISTS\n2 $refused\n3 0 2 1\n",
       'the second time');
    is(stored(), $before, 'changes nothing');

    is(rows_of('fleet', '[' . join(',', entry($a, created_at =>
           '2019-05-20T10:01:02Z'), entry($rsa), entry($rsa)) . ']'),
       "0 EXISTS\n1 IMPORTED\n2 EXISTS\n3 1 2 0\n",
       'more of them, with one twice');

    # what was added is there already, what was imported is found by an add

    is(short($nginx->request('POST', "$prefix/fleet/certificates",
                             json({ certificateData => $a }))),
       '409 6 CERTIFICATE_EXISTS', 'an add finds what was imported');

    begin();
    $nginx->request('POST', "$prefix/fleet/certificates",
                    json({ certificateData => $a }));
    $before = stored();

    is(rows_of('fleet', '[' . entry($a) . ']'), "0 EXISTS\n1 0 1 0\n",
       'an import finds what was added');
    is(stored(), $before, 'and leaves it as it is');

    # another registry's

    is(rows_of('plant-7', '[' . join(',', entry($a), entry($b)) . ']'),
       "0 REFUSED 6 CERTIFICATE_EXISTS\n1 IMPORTED\n2 1 0 1\n",
       'what another registry has is refused');
    like(stored(), qr/^\Q$_\E$/m, 'and stays as it is')
        for grep { !/plant-7/ } split /\n/, $before;

    # deleted, it can be imported again

    $nginx->request('DELETE', "$prefix/fleet/certificates/"
                              . sha256_hex(der($a)));
    is(rows_of('plant-7', '[' . entry($a) . ']'), "0 IMPORTED\n1 1 0 0\n",
       'and can be imported when it was deleted there');

    # under an Idempotency-Key, which means nothing to it

    begin();
    is(rows_of('fleet', $body, 'Idempotency-Key' =>
               '7f6f1f3c-0a0b-4c0d-8e0f-000000000002') =~ s/.*\n(?=.)//gsr,
       "3 2 0 1\n", 'with an Idempotency-Key');
    unlike(stored(), qr/\}:i:/, 'which leaves no record');

    # a record of a newer gateway

    begin();
    put_certificate('fleet', $a, format => 2);
    is(rows_of('fleet', '[' . join(',', entry($a), entry($b)) . ']'),
       "0 REFUSED 14 STORE_NEWER_FORMAT\n1 IMPORTED\n2 1 0 1\n",
       'what a newer gateway has stored is refused');
}


sub dry_run {
    for my $query ('dryRun=true', 'dry_run=true', 'a=b&dryRun=true&c') {
        begin();
        put_certificate('fleet', $b);
        put_certificate('plant-7', $rsa, operation =>
            substr(registry_tag('plant-7'), 1, 2) . '1k8627grr1081g8186');

        my $before = stored();
        my $got = import_into("fleet?$query", '[' . join(',',
            map { entry($_) } $a, $b, $rsa, $expired) . ']');

        is(rows_of_answer($got), "0 IMPORTED\n1 EXISTS\n"
           . "2 REFUSED 6 CERTIFICATE_EXISTS\n3 REFUSED 3 CERTIFICATE_EXPIRED"
           . "\n4 1 1 2\n", "$query: what would be");
        like($got->{body}, qr/^\{"registryId":"fleet","dryRun":true,"rows":/,
             "$query: the answer says that it is one");
        is(stored(), $before, "$query: nothing is changed");
    }

    begin();
    is(rows_of('fleet?dryRun=false', '[' . entry($a) . ']'),
       "0 IMPORTED\n1 1 0 0\n", 'dryRun=false is none');
    isnt(redis('DBSIZE'), 1, 'and imports');
}


# in as many parts as there are batches, in their order

sub of_several_batches {
    for my $n (49, 50, 51, 100, 101, 180) {
        begin();

        my @serial = map { substr(der($a), 0, -8) . pack 'Q>', $_ } 1 .. $n;
        my $body = '[' . join(",\n", map { entry(pem($_)) } @serial) . ']';
        my $got = import_into('fleet', $body);
        my @rows = @{ decode_json($got->{body})->{rows} };

        is($got->{whole}, 1, "$n entries: the answer is whole");
        is(join(' ', map { "$_->{index} $_->{fingerprint}" } @rows),
           join(' ', map { $_ . ' ' . sha256_hex($serial[$_]) } 0 .. $n - 1),
           "$n entries: a row for each");
        is(redis('ZCARD', registry_tag('fleet') . ':z:fleet'), $n,
           "$n entries: all are there");
    }

    # batches in which there is nothing to store

    begin();
    is(rows_of('fleet', '[' . join(',', ('{}') x 120, entry($a),
                                   ('{}') x 120) . ']')
           =~ s/^\d+\ REFUSED.*\n//gmr,
       "120 IMPORTED\n241 1 0 240\n", 'one among many that are refused');

    # an empty last batch is no comma

    is(import_into('fleet', '[' . join(',', ('{}') x 50) . ']')->{whole}, 1,
       'a batch that the body ends');
}


# one for the whole import, when it has brought anything

sub operations {
    begin();

    my @many = map { entry(pem(substr(der($a), 0, -1) . chr)) } 1 .. 120;
    my $body = '[' . join(',', ('{}') x 60, @many) . ']';

    is(decode_json(import_into('fleet?dryRun=true', $body)->{body})
           ->{operationId}, undef, 'a dry run makes no operation');
    is(decode_json(import_into('fleet', '[{}]')->{body})->{operationId},
       undef, 'nor does one that brings nothing');

    my $id = decode_json(import_into('fleet', $body, Authorization =>
                             'Bearer bob')->{body})->{operationId};
    my $operation = decode_json($nginx->request('GET',
                                                "/operations/$id")->{body});

    my $at = delete $operation->{createdAt};

    is(delete $operation->{modifiedAt}, $at, 'an import has an operation');
    is(json($operation), json({ id => $id, createdBy => 'bob', done =>
        JSON::PP::true, description => 'Import registry certificates',
        metadata => { registryId => 'fleet', '@type' => 'type.googleapis.com/'
            . 'yandex.cloud.iot.devices.v1.AddRegistryCertificateMetadata' },
        response => { '@type' =>
            'type.googleapis.com/google.protobuf.Empty' } }),
       'which says who has imported into what');

    my $list = $nginx->request('GET', "$prefix/fleet/operations")->{body};

    is(join(' ', map { $_->{id} } @{ decode_json($list)->{operations} }), $id,
       'it is the only one of the registry');

    is(decode_json(import_into('fleet', $body)->{body})->{operationId}, undef,
       'a repeat changes nothing and makes none');

    my $added = $nginx->request('POST', "$prefix/fleet/certificates",
        json({ certificateData => decode_json($many[0])->{certificate_data}
             }));
    like($added->{body}, qr/"operationId":"$id"/,
         'an add of a certificate of the first batch names it');
}


# what is there counts, and what the import has brought so far

sub limits {
    my $limit = 'REFUSED 8 CERTIFICATE_LIMIT';
    my @many = map { entry(pem(substr(der($a), 0, -1) . chr)) } 1 .. 60;

    for my $query ('', '?dryRun=true') {
        begin();
        create_registry('limited');
        put_certificate('limited', $b, operation =>
            substr(registry_tag('limited'), 1, 2) . '1k8627grr1081g8186');

        is(rows_of("limited$query", '[' . join(',', entry($b), @many[0 .. 3],
                                               entry($b)) . ']'),
           "0 EXISTS\n1 IMPORTED\n2 IMPORTED\n3 $limit\n4 $limit\n"
           . "5 EXISTS\n6 2 2 2\n", "limit$query: what is there counts");
    }

    begin();
    create_registry('limited');

    my $first = join ',', ('{}') x 48, @many[0, 1];

    is(rows_of('limited?dryRun=true', "[$first,$many[2],$many[3]]")
           =~ s/^\d+\ REFUSED\ 3.*\n//gmr,
       "48 IMPORTED\n49 IMPORTED\n50 IMPORTED\n51 $limit\n52 3 0 49\n",
       'limit: a dry run counts over batches');
    is(rows_of('limited', "[$first,$many[2],$many[3]]")
           =~ s/^\d+\ REFUSED\ 3.*\n//gmr,
       "48 IMPORTED\n49 IMPORTED\n50 IMPORTED\n51 $limit\n52 3 0 49\n",
       'limit: and so it is');
}


# a claim without a certificate is no owner: it is taken over when it is old

sub claims {
    my $claim = claim_key($a);
    my $tag = substr registry_tag('plant-7'), 1, 2;
    my $old = "\1plant-7\x1f${tag}0000000001082g8186";
    my $body = '[' . join(',', entry($a), entry($b)) . ']';

    begin();
    redis('SET', $claim, $old);
    is(rows_of('fleet?dryRun=true', $body),
       "0 IMPORTED\n1 IMPORTED\n2 2 0 0\n", 'an old claim: a dry run');
    is(redis('GET', $claim), $old, 'an old claim: it leaves it');
    is(rows_of('fleet', $body), "0 IMPORTED\n1 IMPORTED\n2 2 0 0\n",
       'an old claim: it is taken over');

    my $operation = substr redis('GET', $claim), 7;

    is(substr(redis('GET', record_key($a)), 9, 20), $operation,
       'an old claim: claim and record have the same id');
    is(redis('EXISTS', "{$tag}:a:${tag}0000000001082g8186"), 1,
       'an old claim: its operation is fenced');

    # the two rounds of the batch: either may arrive once more

    my @fences = sort @{ redis('KEYS', registry_tag('fleet') . ':a:*') };

    is(scalar @fences, 2, 'a batch that was stored fences its id');
    is($fences[1], registry_tag('fleet') . ":a:$operation",
       'which its records have');
    cmp_ok(redis('PTTL', $fences[1]), '>', 3_000_000, 'for an hour');

    # the ids of an import end alike

    is(substr($operation, 11), substr(redis('GET', record_key($b)), 20, 9),
       'batches of an import have ids that end alike');

    begin();
    redis('SET', $claim, "\1plant-7\x1f" . young($tag));
    is(rows_of('fleet', $body), "0 REFUSED 10 CERTIFICATE_BUSY\n1 IMPORTED\n"
       . "2 1 0 1\n", 'a young claim: its request may be at work');
    is(redis('EXISTS', record_key($a)), 0, 'a young claim: nothing is written');

    # of this registry

    begin();
    redis('SET', $claim, "\1fleet\x1f" . substr(registry_tag('fleet'), 1, 2)
                         . '0000000001082g8186');
    is(rows_of('fleet', $body), "0 IMPORTED\n1 IMPORTED\n2 2 0 0\n",
       'an old claim of the same registry');

    begin();
    redis('SET', $claim, "\2whatever");
    is(rows_of('fleet', $body), "0 REFUSED 14 STORE_NEWER_FORMAT\n"
       . "1 IMPORTED\n2 1 0 1\n", 'a claim of a newer gateway');
}


sub registries {
    begin();
    is(short(import_into('nowhere', '[' . entry($a) . ']')),
       '404 5 REGISTRY_NOT_FOUND', 'a registry that is not there');
    is(short(import_into('nowhere', '[]')), '404 5 REGISTRY_NOT_FOUND',
       'nor for an empty array');
    is(short(import_into('nowhere?dryRun=true', '[]')), '404 5 REGISTRY_NOT_FOUND',
       'nor for a dry run');
    is(redis('DBSIZE'), 1, 'nothing is written');

    is(rows_of('anything', '[' . entry($a) . ']'), "0 IMPORTED\n1 1 0 0\n",
       'iot_registries open: it need not be there');

    begin();
    redis('HSET', registry_tag('fleet') . ':r:fleet', 's', 4);
    is(short(import_into('fleet', '[' . entry($a) . ']')),
       '400 9 REGISTRY_DISABLED', 'a disabled registry');
    is(redis('DBSIZE'), 1, 'nothing is written');
}


# registries are created under the ids that they had elsewhere

sub old_ids {
    begin();

    my $body = '{"folderId":"f1","name":"old"}';
    my $id = 'arenou2oj4ct42eq8g3n';
    my $got = $nginx->request('POST', "$prefix?registryId=$id", $body);
    my $operation = decode_json($got->{body});

    is($operation->{metadata}{registryId}, $id, 'Create under an old id');
    is($operation->{response}{id}, $id, 'is what it answers');
    is(decode_json($nginx->request('GET', "$prefix/$id")->{body})->{name},
       'old', 'and where the registry is');
    is(rows_of($id, '[' . entry($a) . ']'), "0 IMPORTED\n1 1 0 0\n",
       'it can be imported into');

    is(short($nginx->request('POST', "$prefix?registryId=$id",
                             '{"folderId":"f1","name":"other"}')),
       '409 6 REGISTRY_EXISTS', 'an id is given once');
    is(short($nginx->request('GET', "$prefix:getByName?folderId=f1"
                                    . '&registryName=other')),
       '404 5 REGISTRY_NOT_FOUND', 'and the name is free again');

    # the rest of a registry may still be on its way out
    my ($key) = grep { /:r:\Q$id\E$/ } @{ redis('KEYS', '*') };
    redis('HSET', $key, 's', 3);
    is(short($nginx->request('POST', "$prefix?registryId=$id",
                             '{"folderId":"f1","name":"again"}')),
       '409 10 REGISTRY_DELETING', 'nor before the last of it is deleted');
    redis('HSET', $key, 's', 2);

    $got = $nginx->request('POST', "$prefix?registry_id=Plant_9",
                           '{"folderId":"f1"}');
    is(decode_json($got->{body})->{metadata}{registryId}, 'Plant_9',
       'registry_id does as well');

    $got = $nginx->request('POST', "$prefix?registryId=", '{"folderId":"f1"}');
    like(decode_json($got->{body})->{metadata}{registryId},
         qr/^[0-9a-v]{20}$/, 'an empty one is none');

    for (['a.b', 'a form that is none'], ['a' x 51, 'too long'],
         ['a%2Fb', 'a slash'])
    {
        is(short($nginx->request('POST', "$prefix?registryId=$_->[0]", $body)),
           '400 3 INVALID_FIELD registry_id', "registryId: $_->[1]");
    }

    is(short($nginx->request('POST', "$prefix/?registryId=$id-2", $body)),
       '400 3 INVALID_FIELD registry_id', 'not where iot_import is off');
    is(short($nginx->request('GET', "$prefix/$id-2")),
       '404 5 REGISTRY_NOT_FOUND', 'and then no registry is created');
    is(short($nginx->request('POST', "$prefix?registryId=not-this-one",
                             $body)),
       '403 7 ACCESS_DENIED', 'access knows the id');

    my @key = ('Idempotency-Key' => '7f6f1f3c-0a0b-4c0d-8e0f-000000000001');
    my @answers = map {
        $nginx->request('POST', "$prefix?registryId=$_", '{"folderId":"f2"}',
                        @key)
    } 'again', 'again', 'again-2';

    is($answers[1]{body}, $answers[0]{body}, 'a retry under a key');
    is(short($answers[2]), '400 3 INVALID_FIELD idempotency_key'
                           =~ s/INVALID_FIELD/IDEMPOTENCY_KEY_REUSED/r,
       'another id is another request');
}


# a body's file is gone when its request is

sub files {
    my @files = glob $nginx->path('client_body/*');

    is("@files", '', 'no file of a body is left');
}


# ---- helpers --------------------------------------------------------------

sub begin {
    redis('FLUSHALL');
    create_registry('fleet');
    create_registry('plant-7')
        if (caller(1))[3] =~ /repeats|dry_run|claims/;
    create_registry('loose') if (caller(1))[3] =~ /rows/;
}


sub entry {
    my ($pem, %more) = @_;

    return encode_json({ certificate_data => $pem, %more });
}


# all that Redis holds, but for operations and fences of imports

sub stored { return snapshot() =~ s/^\S+\}:a:.*\n//gmr }


sub record_key {
    return registry_tag('fleet') . ':c:fleet:' . sha256_hex(der($_[0]));
}


# the shard of a claim is in the first ten bits of the fingerprint

sub claim_key {
    my $sha256 = sha256_hex(der($_[0]));

    return '{' . base32(hex(substr $sha256, 0, 4) >> 6, 2) . "}:x:$sha256";
}


# an id that is made now, of the shard with that tag

sub young {
    my ($tag) = @_;

    return $tag . base32(int(Time::HiRes::time() * 1000), 9) . 'aaaaaaaaa';
}


sub base32 {
    my ($number, $length) = @_;

    return join '', map { (0 .. 9, 'a' .. 'v')[$number >> 5 * $_ & 31] }
        reverse 0 .. $length - 1;
}


sub colons { return $_[0] =~ s/..\K(?=.)/:/gr }


sub import_into {
    my ($registry, $body, @headers) = @_;

    my $path = $registry =~ s{^([^?]*)}{$prefix/$1/certificates:import}r;

    return import_answer($nginx->send_request('POST', $path, $body, @headers));
}


# { status, body, whole }: all that comes until the connection ends

sub import_answer {
    my ($socket) = @_;

    my $bytes = do { local $/; <$socket> } // '';
    my ($head, $rest) = split /\r\n\r\n/, $bytes, 2;
    my ($status) = ($head // '') =~ m{^HTTP/1\.1 (\d+)};

    return { status => $status, body => $rest, whole => 1 }
        if ($head // '') !~ /^Transfer-Encoding: chunked\r?$/mi;

    my $body = '';

    while ($rest =~ s/^([0-9a-f]+)\r\n//i && hex $1) {
        $body .= substr $rest, 0, hex $1, '';
        $rest =~ s/^\r\n//;
    }

    return { status => $status, body => $body, whole => $rest eq "\r\n" };
}


# an error: status, code, reason and field

sub short {
    my ($got) = @_;

    my $error = eval { decode_json($got->{body}) } || {};
    my %said = map { $_->{'@type'} =~ s/.*\.//r => $_ }
                   @{ $error->{details} || [] };

    return join ' ', grep { defined } $got->{status}, $error->{code},
        $said{ErrorInfo}{reason},
        $said{BadRequest} && $said{BadRequest}{fieldViolations}[0]{field};
}


sub rows_of { return rows_of_answer(import_into(@_)) }


# an answer: a line for each row, and one for the counts

sub rows_of_answer {
    my ($got) = @_;

    my $answer = eval { decode_json($got->{body}) };

    return "$got->{status} $got->{body}"
        unless $got->{status} == 200 && $got->{whole} && $answer->{counts};

    my $counts = $answer->{counts};

    return join '', map { "$_\n" }
        map({ join ' ', grep { defined } @$_{qw(index result code reason)} }
            @{ $answer->{rows} }),
        "@$counts{qw(entries imported existing refused)}";
}


# the body of a list

sub list {
    my ($registry) = @_;

    return import_answer($nginx->send_request('GET',
        "$prefix/$registry/certificates"))->{body};
}
