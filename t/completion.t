#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Operations that a backend finishes: what an add and a delete leave in Redis,
# what others see of it, how finishing and cancelling end it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256 sha256_hex sha1_hex);
use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;

my $types = 'type.googleapis.com/';
my $fleet = '/iot-devices/v1/registries/fleet';

redis_start();

my $nginx = Iot::Nginx->start(workers => 2, http => http_config(),
    listen => 'reuseport', server => <<'_EOC_');
    add_header x-worker $pid always;

    location /iot-devices/ {
        iot_api main;
        iot_completion backend;
    }

    location /now/ {
        rewrite ^/now(/.*)$ $1 break;
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
        iot_operation_retention 1h;
        iot_idempotency_retention 1h;
    }

    location /backend/ {
        rewrite ^/backend(/.*)$ $1 break;
        iot_complete main;
        iot_operation_retention 1h;
        iot_idempotency_retention 1h;
    }

    location /short/ {
        iot_operation_retention 1s;
        iot_idempotency_retention 1s;

        location /short/iot-devices/ {
            rewrite ^/short(/.*)$ $1 break;
            iot_api main;
            iot_completion backend;
        }

        location /short/operations/ {
            rewrite ^/short(/.*)$ $1 break;
            iot_complete main;
        }
    }

    location /one-tenant/ {
        rewrite ^/one-tenant(/.*)$ $1 break;
        iot_complete main;
        iot_access $iot_registry_id;
    }

    location /other-tenant/ {
        rewrite ^/other-tenant(/.*)$ $1 break;
        iot_complete main;
        iot_access "";
    }
_EOC_


# ---- requests in short ----------------------------------------------------

my $answer;

# the decoded answer; its status is in $answer

sub call {
    $answer = $nginx->request(@_);

    return eval { decode_json($answer->{body}) } // $answer->{body};
}

sub add {
    my ($pem, $where, @header) = @_;

    return call('POST', ($where // '') . "$fleet/certificates", body($pem),
                @header);
}

sub name { return sha256_hex(der($_[0])) }

sub delete_ { return call('DELETE', "$fleet/certificates/" . name($_[0])) }
sub get { return call('GET', "$fleet/certificates/" . name($_[0])) }
sub operation { return call('GET', "/operations/$_[0]") }
sub cancel { return call($_[1] // 'POST', "/operations/$_[0]:cancel") }

sub finish {
    my ($id, $body, $where) = @_;

    return call('POST', ($where // '/backend') . "/operations/$id:finish",
                $body // '{}');
}

sub failed {
    my ($code, $message, @details) = @_;

    return json({ error => { code => $code, message => $message,
                             @details ? (details => \@details) : () } });
}

# "404 CERTIFICATE_NOT_FOUND", and the operation that is named, if one is

sub refused {
    my ($value) = @_;

    my ($info) = grep { $_->{'@type'} =~ /ErrorInfo$/ } @{ $value->{details} };

    return join ' ', $answer->{status}, $info->{reason},
        $info->{metadata}{operationId} // ();
}

sub listed {
    my $list = call('GET', "$fleet/certificates");

    return join ' ', map { $_->{fingerprint} } @{ $list->{certificates} };
}

# the shard's events, oldest first, as hashes

sub events {
    my @events;

    for my $entry (@{ redis('XRANGE', '{7e}:e', '-', '+') }) {
        push @events, { id => $entry->[0], @{ $entry->[1] } };
    }

    return @events;
}

# all that Redis holds, but for operations and turns

sub held { return snapshot() =~ s/^\{00\}:s .*\n//mr }

sub claim { return redis('EXISTS', claim_key($_[0])) }

sub claim_key {
    my @digits = (0 .. 9, 'a' .. 'v');
    my $shard = unpack('n', sha256(der($_[0]))) >> 6;

    return '{' . $digits[$shard >> 5] . $digits[$shard & 31] . '}:x:'
        . name($_[0]);
}

# what waits: pending operations, what they are about, the count of adds

sub waits {
    return join ' ', redis('ZCARD', '{7e}:p'), redis('HLEN', '{7e}:w:fleet'),
        redis('HGET', '{7e}:w:fleet', 'n') // '-';
}

sub begin {
    redis('FLUSHALL');
    create_registry($_) for qw(fleet plant-7);
}

my $pem = certificate();
my $other = certificate(name => 'other');


# ---- an add ---------------------------------------------------------------

subtest 'an add is answered before it is done' => sub {
    begin();

    my $operation = add($pem);

    is($answer->{status}, 200, 'status');
    is($answer->{headers}{'x-operation-poll-interval'}, 1, 'when to ask');
    like($answer->{body}, qr/^\{"id":"\w{20}",
        "description":"Add\ registry\ certificate","createdAt":"[^"]+",
        "createdBy":"alice","modifiedAt":"[^"]+","done":false,
        "metadata":\{"\@type":"[^"]+[.]AddRegistryCertificateMetadata",
        "registryId":"fleet","fingerprint":"\w{64}"\}\}$/x, 'its form');

    my $text = $answer->{body};

    is(operation($operation->{id})->{done}, JSON::PP::false, 'is polled');
    is($answer->{body}, $text, 'byte for byte');
    is($answer->{headers}{'x-operation-poll-interval'}, 1, 'when to ask');
    is(redis('PTTL', "{7e}:o:$operation->{id}"), -1, 'does not expire');

    is(refused(get($pem)), '404 CERTIFICATE_NOT_FOUND', 'it is not shown');
    is(refused(call('GET', "$fleet/certificates/" . sha1_hex(der($pem)))),
       '404 CERTIFICATE_NOT_FOUND', 'nor by its SHA-1');
    is(listed(), '', 'nor listed');
    is(claim($pem), 1, 'it is claimed');
    is(waits(), '1 2 1', 'it waits');

    my $list = call('GET', "$fleet/operations");

    is(json($list->{operations}), json([ decode_json($text) ]),
       'the operation is listed');

    my ($event) = events();
    my $at = redis('HGET', "{7e}:o:$operation->{id}", 'c');

    delete $event->{id};
    is(json($event), json({ event => 'start', operationId => $operation->{id},
        method => 'RegistryService.AddCertificate', registryId => 'fleet',
        fingerprint => name($pem), createdBy => 'alice', createdAt => "$at",
        certificate => der($pem) }), 'the event');

    is(refused(add($pem)), "409 CERTIFICATE_EXISTS $operation->{id}",
       'it is not added twice');
    is(refused(add($pem, '/now')), "409 CERTIFICATE_EXISTS $operation->{id}",
       'in neither way');
    is(refused(call('POST', '/iot-devices/v1/registries/plant-7/certificates',
                    body($pem))), '409 CERTIFICATE_EXISTS', 'nor elsewhere');
    is(refused(delete_($pem)), "409 OPERATION_PENDING $operation->{id}",
       'nor deleted');
    is(refused(call('DELETE', "/now$fleet/certificates/" . name($pem))),
       "409 OPERATION_PENDING $operation->{id}", 'in neither way');
    is(scalar events(), 1, 'no other event');
};


subtest 'an add that succeeds' => sub {
    begin();

    my $id = add($pem)->{id};
    my $finished = finish($id);

    is($answer->{status}, 200, 'status');
    ok(!exists $answer->{headers}{'x-operation-poll-interval'}, 'is done');
    is($finished->{found}, 'PENDING', 'it was pending');

    my $operation = $finished->{operation};

    is($operation->{done}, JSON::PP::true, 'it is done');
    is($operation->{response}{certificateData}, $pem, 'with its response');
    ok(!exists $operation->{error}, 'without an error');
    cmp_ok($operation->{modifiedAt}, 'ge', $operation->{createdAt}, 'later');
    is($operation->{response}{createdAt}, $operation->{createdAt},
       'createdAt is that of the request');

    is(json(operation($id)), json($operation), 'as it is polled');
    is(get($pem)->{certificateData}, $pem, 'the certificate is there');
    is(listed(), name($pem), 'and listed');
    is(claim($pem), 1, 'it is claimed');
    is(waits(), '0 1 0', 'nothing waits');
    is(scalar events(), 0, 'the event is gone');

    my $ttl = redis('PTTL', "{7e}:o:$id");

    cmp_ok($ttl, '>', 3500_000, 'it expires now');
    cmp_ok($ttl, '<=', 3600_000, 'by the retention');
};


subtest 'an add that fails' => sub {
    begin();

    my $id = add($pem)->{id};
    my $finished = finish($id, '{"error":{"code":9,"message":"no \"room\"",'
                          . '"details": [ {"@type":"x/y","b":[1, {}]} ]}}');

    is($finished->{found}, 'PENDING', 'it was pending');
    is($answer->{body} =~ /("error":.*)\}\}$/ ? $1 : $answer->{body},
       '"error":{"code":9,"message":"no \"room\"",'
       . '"details":[ {"@type":"x/y","b":[1, {}]} ]}', 'the error as it came');
    ok(!exists $finished->{operation}{response}, 'without a response');
    is(json(operation($id)), json($finished->{operation}), 'as it is polled');

    is(refused(get($pem)), '404 CERTIFICATE_NOT_FOUND', 'it is not there');
    is(claim($pem), 0, 'it is free');
    is(redis('EXISTS', '{7e}:h:fleet'), 0, 'so is its alias');
    is(waits(), '0 1 0', 'nothing waits');
    is(scalar events(), 0, 'the event is gone');

    add($pem, '/now');
    is($answer->{status}, 200, 'it can be added again');
    is(operation($id)->{error}{code}, 9, 'the first has failed for all that');
};


# ---- a delete -------------------------------------------------------------

subtest 'a delete' => sub {
    begin();
    add($pem, '/now');

    my $operation = delete_($pem);
    my $id = $operation->{id};

    is($answer->{status}, 200, 'status');
    is($operation->{done}, JSON::PP::false, 'is not done');
    is($answer->{headers}{'x-operation-poll-interval'}, 1, 'when to ask');
    is(get($pem)->{certificateData}, $pem, 'the certificate is still there');
    is(listed(), name($pem), 'and listed');
    is(waits(), '1 1 -', 'it waits');

    my ($event) = events();

    is($event->{method}, 'RegistryService.DeleteCertificate', 'the event');
    is($event->{certificate}, '', 'has no certificate');

    is(refused(delete_($pem)), "409 OPERATION_PENDING $id", 'not twice');
    like(refused(add($pem)), qr/^409 CERTIFICATE_EXISTS/, 'nor is it added');

    my $finished = finish($id);

    is($finished->{found}, 'PENDING', 'it was pending');
    is(json($finished->{operation}{response}),
       qq({"\@type":"${types}google.protobuf.Empty"}), 'it is done');
    is(refused(get($pem)), '404 CERTIFICATE_NOT_FOUND', 'it is gone');
    is(listed(), '', 'from the list');
    is(claim($pem), 0, 'and free');
    is(waits(), '0 0 -', 'nothing waits');
    is(scalar events(), 0, 'no event is left');
};


subtest 'a delete that fails' => sub {
    begin();
    add($pem, '/now');

    my $id = delete_($pem)->{id};

    is(finish($id, failed(13, 'broken'))->{operation}{error}{message},
       'broken', 'it has failed');
    is(get($pem)->{certificateData}, $pem, 'the certificate stays');
    is(claim($pem), 1, 'claimed');
    is(waits(), '0 0 -', 'nothing waits');

    delete_($pem);
    is($answer->{status}, 200, 'it can be deleted again');
};


# ---- cancelling -----------------------------------------------------------

subtest 'an add is cancelled' => sub {
    for my $verb (qw(GET POST)) {
        begin();

        my $id = add($pem)->{id};
        my $operation = cancel($id, $verb);

        is($answer->{status}, 200, "$verb: status");
        is($operation->{done}, JSON::PP::true, 'it is done');
        is(json($operation->{error}), '{"code":1,"message":'
           . '"the operation was cancelled"}', 'with CANCELLED');
        is(json(operation($id)), json($operation), 'as it is polled');
        is(claim($pem), 0, 'the certificate is free');
        is(waits(), '0 1 0', 'nothing waits');

        my @events = events();

        is(scalar @events, 1, 'one event');
        is("$events[0]{event} $events[0]{operationId}", "cancel $id",
           'tells of it');

        is(json(cancel($id)), json($operation), 'again: unchanged');
        is(scalar events(), 1, 'no other event');

        is(finish($id)->{found}, 'CANCELLED', 'it cannot be finished');
        is(json(operation($id)), json($operation), 'and stays as it is');
        is(refused(get($pem)), '404 CERTIFICATE_NOT_FOUND', 'not there');
    }
};


subtest 'a delete is cancelled' => sub {
    begin();
    add($pem, '/now');

    my $id = delete_($pem)->{id};

    is(cancel($id)->{error}{code}, 1, 'CANCELLED');
    is(get($pem)->{certificateData}, $pem, 'the certificate stays');
    is(claim($pem), 1, 'claimed');
    is((events())[0]{event}, 'cancel', 'an event tells of it');
    is(finish($id)->{found}, 'CANCELLED', 'too late to finish');
    is(get($pem)->{certificateData}, $pem, 'the certificate stays');
};


subtest 'what is done is not cancelled' => sub {
    begin();

    my $id = add($pem, '/now')->{id};
    my $text = $answer->{body};

    for my $verb (qw(GET POST)) {
        cancel($id, $verb);
        is($answer->{status}, 200, "$verb: status");
        is($answer->{body}, $text, 'unchanged');
    }

    is(scalar events(), 0, 'no event');

    $id = add($other)->{id};
    finish($id);
    is(cancel($id)->{response}{certificateData}, $other, 'nor what finished');

    $id = delete_($other)->{id};
    finish($id, failed(5, 'gone'));
    is(cancel($id)->{error}{code}, 5, 'nor what failed');

    is(refused(cancel('7e1k8627grr1081g8186')), '404 OPERATION_NOT_FOUND',
       'none');
    is(refused(cancel('x')), '404 OPERATION_NOT_FOUND', 'no id');
    is(refused(call('DELETE', "/operations/$id:cancel")),
       '405 METHOD_NOT_ALLOWED', 'another verb');
    is($answer->{headers}{allow}, 'GET, HEAD, POST', 'those there are');
};


# ---- finishing ------------------------------------------------------------

subtest 'to finish twice is harmless, and says so' => sub {
    begin();

    my $id = add($pem)->{id};

    finish($id);

    my $first = json(operation($id));

    for my $body ('{}', '', failed(3, 'late')) {
        my $finished = finish($id, $body);

        is($finished->{found}, 'SUCCEEDED', 'it had succeeded');
        is(json($finished->{operation}), $first, 'and is unchanged');
    }

    is(get($pem)->{certificateData}, $pem, 'so is the certificate');
    is(waits(), '0 1 0', 'and what waits');

    $id = delete_($pem)->{id};
    finish($id, failed(3, 'first'));

    my $finished = finish($id);

    is($finished->{found}, 'FAILED', 'it had failed');
    is($finished->{operation}{error}{message}, 'first', 'the first wins');
    is(get($pem)->{certificateData}, $pem, 'the certificate stays');

    $id = add($other, '/now')->{id};
    is(finish($id, failed(3, 'x'))->{found}, 'SUCCEEDED', 'born done');
    is(get($other)->{certificateData}, $other, 'stays so');
};


subtest 'what is no error' => sub {
    begin();

    my $id = add($pem)->{id};

    my %refused = (
        '{' => 'INVALID_JSON', '[]' => 'INVALID_JSON', '1' => 'INVALID_JSON',
        '{"error":1}' => 'INVALID_FIELD', '{"error":"x"}' => 'INVALID_FIELD',
        '{"error":[]}' => 'INVALID_FIELD', '{"error":{}}' => 'INVALID_FIELD',
        failed(0, 'x') => 'INVALID_FIELD', failed(17, 'x') => 'INVALID_FIELD',
        failed(-1, 'x') => 'INVALID_FIELD',
        failed(1.5, 'x') => 'INVALID_FIELD',
        failed('3', 'x') => 'INVALID_FIELD',
        failed(3, 1) => 'INVALID_FIELD',
        failed(3, 'x' x 1025) => 'INVALID_FIELD',
        failed(3, 'x', 'x' x 8192) => 'INVALID_FIELD',
        '{"error":{"code":3,"details":{}}}' => 'INVALID_FIELD',
    );

    for my $body (sort keys %refused) {
        is(refused(finish($id, $body)), "400 $refused{$body}",
           'body ' . substr $body, 0, 40);
    }

    is(waits(), '1 2 1', 'it waits still');

    is(finish($id, '{"error":null,"x":{"error":1}}')->{found}, 'PENDING',
       'null is no error');
    is(operation($id)->{response}{certificateData}, $pem, 'it has succeeded');

    $id = delete_($pem)->{id};
    is(finish($id, '{"error":{"code":16}}')->{operation}{error}{code}, 16,
       'a message is not needed');
    is(json(operation($id)->{error}), '{"code":16}', 'nor shown');

    $id = delete_($pem)->{id};
    is(length finish($id, failed(3, 'x' x 1024, 'x' x 8188))
       ->{operation}{error}{details}[0], 8188, 'the largest');

    is(refused(finish('7e1k8627grr1081g8186')), '404 OPERATION_NOT_FOUND',
       'none');
    is(refused(finish('x')), '404 OPERATION_NOT_FOUND', 'no id');
    is(refused(call('GET', "/backend/operations/$id:finish")),
       '405 METHOD_NOT_ALLOWED', 'another verb');
    is(refused(call('GET', "/backend/operations/$id")),
       '404 ROUTE_NOT_FOUND', 'other methods have their own location');
    is(refused(call('POST', "/operations/$id:finish", '{}')),
       '404 ROUTE_NOT_FOUND', 'and this one its own');
};


subtest 'who may finish' => sub {
    begin();

    my $id = add($pem)->{id};

    is(refused(call('POST', "/backend/operations/$id:finish", '{}',
                    Authorization => 'Bearer nobody')),
       '401 CALLER_REQUIRED', 'nobody may not');
    is(refused(finish($id, '{}', '/other-tenant')),
       '404 OPERATION_NOT_FOUND', 'who has no access');
    is(refused(finish($id, failed(3, 'x'), '/other-tenant')),
       '404 OPERATION_NOT_FOUND', 'in neither way');
    is(waits(), '1 2 1', 'it waits still');
    is(finish($id, '{}', '/one-tenant')->{found}, 'PENDING', 'who has');
};


# ---- the first wins -------------------------------------------------------

subtest 'finish and cancel at the same moment' => sub {
    begin();

    my (%seen, %workers);
    my $deadline = time + 60;
    my $n = 0;

    # until each has won over the other, and both workers have taken part

    until (keys %seen == 4 && keys %workers == 2 || time > $deadline) {
        my $kind = ++$n % 2;
        my $id = $kind ? add($pem)->{id} : delete_($pem)->{id};

        my @requests = ([ 'POST', "/backend/operations/$id:finish", '{}' ],
                        [ 'POST', "/operations/$id:cancel" ]);
        my @order = int($n / 2) % 2 ? (1, 0) : (0, 1);
        my @sockets;

        $sockets[$_] = $nginx->send_request(@{ $requests[$_] }) for @order;

        my ($finished, $cancelled) = map { Iot::Nginx::read_answer($_) }
                                         @sockets;

        $workers{$_->{headers}{'x-worker'}} = 1 for $finished, $cancelled;

        my $found = decode_json($finished->{body});
        my $operation = decode_json($cancelled->{body});
        my $winner = $found->{found} eq 'PENDING' ? 'finish' : 'cancel';

        $seen{"$kind $winner"}++;

        my $there = $kind ? $winner eq 'finish' : $winner eq 'cancel';

        my $code = ($operation->{error} || {})->{code} // 0;
        my $state = join ' ', $found->{found}, $code,
            json($found->{operation}) eq json($operation) ? 'same' : 'other',
            claim($pem), redis('EXISTS', '{7e}:c:fleet:' . name($pem)),
            redis('ZCARD', '{7e}:p');
        my $expected = ($winner eq 'finish' ? 'PENDING 0' : 'CANCELLED 1')
            . ' same ' . ($there ? '1 1' : '0 0') . ' 0';

        if ($state ne $expected) {
            is($state, $expected, "$kind: $winner");
            last;
        }

        # the next one begins with what this one is about

        add($pem, '/now') if $kind && !$there;
        call('DELETE', "/now$fleet/certificates/" . name($pem))
            if !$kind && $there;
    }

    is(join(', ', sort keys %seen), '0 cancel, 0 finish, 1 cancel, 1 finish',
       "each has won, of $n");
    is(scalar keys %workers, 2, 'in both workers');
};


# ---- the list of certificates ---------------------------------------------

subtest 'pages while certificates become active' => sub {
    begin();

    my @pems = map { certificate(name => "n$_") } 1 .. 4;
    my @ids;

    # 1 and 3 are there, 2 and 4 wait

    for my $i (0 .. 3) {
        push @ids, add($pems[$i], $i % 2 ? '' : '/now')->{id};
        select undef, undef, undef, 0.002;
    }

    is(listed(), join(' ', map { name($pems[$_]) } 0, 2), 'two are listed');

    my $page = call('GET', "$fleet/certificates?pageSize=1");

    is($page->{certificates}[0]{fingerprint}, name($pems[0]), 'the first');

    finish($_) for @ids[3, 1];

    is(listed(), join(' ', map { name($_) } @pems), 'by createdAt');

    my @seen;

    while (my $token = $page->{nextPageToken}) {
        $page = call('GET', "$fleet/certificates?pageSize=1&pageToken=$token");
        push @seen, map { $_->{fingerprint} } @{ $page->{certificates} };
    }

    is("@seen", join(' ', map { name($_) } @pems[1 .. 3]),
       'those behind the place');
};


# ---- what waits, for those who look after it ------------------------------

sub pending {
    my ($query) = @_;

    my $list = call('GET', '/backend/operations' . ($query // ''));

    return ($list->{nextPageToken}, map { $_->{id} } @{ $list->{operations} });
}

subtest 'the list of what waits' => sub {
    begin();

    is(json([ pending() ]), '[null]', 'nothing');

    my $first = add($pem)->{id};
    my $text = $answer->{body};

    call('GET', '/backend/operations');
    is($answer->{body}, qq({"operations":[$text]}), 'as it was answered');

    my @ids = ($first, map { add(certificate(name => "n$_"))->{id} } 1 .. 4);

    # registries of other shards

    for my $registry (qw(plant-7 plant-8 plant-9)) {
        create_registry($registry) unless $registry eq 'plant-7';
        push @ids, call('POST', "/iot-devices/v1/registries/$registry/"
            . 'certificates', body(certificate(name => $registry)))->{id};
    }

    is(join(' ', sort((pending())[1 .. 8])), join(' ', sort @ids), 'all');

    for my $size (1 .. 9) {
        my ($token, @seen) = pending("?pageSize=$size");
        my $most = @seen;

        while ($token) {
            ($token, my @page) = pending("?pageSize=$size&pageToken=$token");
            $most = @page if @page > $most;
            push @seen, @page;
        }

        is(join(' ', sort @seen), join(' ', sort @ids), "pages of $size");
        cmp_ok($most, '<=', $size, 'not larger');
    }

    my ($token, @page) = pending('?pageSize=2');

    finish($_) for @page;

    my (undef, @rest) = pending("?pageToken=$token");

    is(@rest, 6, 'a place stays good when it is gone');

    is(refused(call('GET', '/backend/operations?pageToken=x')),
       '400 INVALID_FIELD', 'a token that is none');
    is(refused(call('GET', '/backend/operations?pageSize=1001')),
       '400 INVALID_FIELD', 'a size that is none');
    is(refused(call('GET', '/other-tenant/operations')), '403 ACCESS_DENIED',
       'who has no access');
};

subtest 'a long list of what waits' => sub {
    begin();

    for my $n (1 .. 250) {
        my $id = sprintf '7e1k8627g%011d', $n;

        redis('HSET', "{7e}:o:$id", v => 1, k => 2, r => 'fleet',
              f => sha256($n), b => 'alice', c => 1790000000000 + $n, d => 0);
        redis('ZADD', '{7e}:p', 1790000000000 + int($n / 10),
              "$id:fleet:" . sha256_hex($n));
    }

    my $body = $nginx->request('GET', '/backend/operations?pageSize=1000',
                               undef, Connection => 'close')->{headers};

    is($body->{'transfer-encoding'}, 'chunked', 'goes out in parts');

    my ($token, @seen) = pending();

    is(@seen, 100, 'a page has 100');

    while ($token) {
        ($token, my @page) = pending("?pageSize=70&pageToken=$token");
        push @seen, @page;
    }

    is(join(' ', @seen),
       join(' ', map { sprintf '7e1k8627g%011d', $_ } 1 .. 250), 'in order');
};


# ---- under an Idempotency-Key ---------------------------------------------

subtest 'the same request again' => sub {
    begin();

    my $key = '8b1a9953-c461-4a2f-8f3e-0123456789ab';
    my $id = add($pem, '', 'Idempotency-Key' => $key)->{id};

    is(add($pem, '', 'Idempotency-Key' => $key)->{id}, $id, 'is the same');
    is($answer->{headers}{'x-operation-poll-interval'}, 1, 'as it stands');
    is(scalar events(), 1, 'one event');

    finish($id);

    my $again = add($pem, '', 'Idempotency-Key' => $key);

    is("$again->{id} $again->{done}", "$id 1", 'as it stands then');
    is($again->{response}{certificateData}, $pem, 'with its response');
};


# ---- lives ----------------------------------------------------------------

subtest 'what waits does not expire, what is done does' => sub {
    begin();

    my $id = add($pem, '/short')->{id};

    # its place in the list is all that there was

    ok(wait_until(sub { !redis('EXISTS', '{7e}:y:fleet') }),
       'longer than the retention');
    is(operation($id)->{done}, JSON::PP::false, 'it waits');

    is(finish($id, '{}', '/short')->{found}, 'PENDING', 'it is finished');
    is(redis('ZCARD', '{7e}:y:fleet'), 1, 'it is listed again');
    ok(wait_until(sub { operation($id); $answer->{status} == 404 }),
       'and its life has begun');
    is(refused(operation($id)), '404 OPERATION_NOT_FOUND', 'it is over');
    is(get($pem)->{certificateData}, $pem, 'the certificate stays');
};


# ---- operations of the gateway's own --------------------------------------

subtest 'an operation that the gateway goes on with' => sub {
    begin();

    my $id = add($pem, '/now')->{id};

    redis('HSET', "{7e}:o:$id", k => 5, d => 0, f => '');

    my $operation = operation($id);

    is($operation->{done}, JSON::PP::false, 'is not done');
    is($answer->{headers}{'x-operation-poll-interval'}, 1, 'when to ask');
    is(refused(finish($id)), '400 OPERATION_OF_GATEWAY', 'not a backend\'s');
    is(json(cancel($id)), json($operation), 'nor is it cancelled');
};


# ---- records ---------------------------------------------------------------

subtest 'records that are not ours to touch' => sub {
    begin();

    my $id = add($pem)->{id};
    my $record = '{7e}:c:fleet:' . name($pem);

    redis('SETRANGE', $record, 0, "\2");

    my $before = held();

    is(refused(finish($id)), '503 STORE_NEWER_FORMAT', 'a newer certificate');
    is(refused(cancel($id)), '503 STORE_NEWER_FORMAT', 'is not cancelled');
    is(held(), $before, 'nothing has changed');

    redis('SETRANGE', $record, 0, "\1");
    redis('HSET', "{7e}:o:$id", 'v', 2);

    is(refused(finish($id)), '503 STORE_NEWER_FORMAT', 'a newer operation');
    is(refused(cancel($id)), '503 STORE_NEWER_FORMAT', 'is not cancelled');

    redis('HSET', "{7e}:o:$id", 'v', 1);
    redis('SETRANGE', claim_key($pem), 0, "\2");
    is(refused(finish($id)), '503 STORE_NEWER_FORMAT', 'a newer claim');
};


is($nginx->stop, '', 'nginx ends well');

done_testing();
