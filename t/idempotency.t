#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Idempotency-Key: the same request under the same key is done once and
# answered with its one operation, as it is now; another request under that
# key is refused.  On one Redis and on a cluster.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha1_hex sha256 sha256_hex);
use Iot;
use Iot::Cluster;
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

my $key = '0f8fad5b-d9cb-469f-a165-70867728950e';
my $other_key = '7c9e6679-7425-40de-944b-e07fc1f90ae7';
my $template = der(certificate());
my $number = 0;

my ($cluster, $nginx, $short);

redis_start();
subtest('one Redis' => \&all);
redis_stop();

$cluster = Iot::Cluster->start(masters => 3, replicas => 0,
                               timeout => 60_000);
subtest('a cluster' => \&all);

done_testing();


sub all {
    $nginx = gateway_with('');
    $short = gateway_with('iot_idempotency_retention 1s;
                           iot_operation_retention 3s;');

    one_operation();
    forms_of_a_key();
    another_request();
    scopes();
    reads();
    errors_are_forgotten();
    deletes();
    the_operation_as_it_is_now();
    certificates_that_went();
    registries_that_went();
    records();
    newer_records();
    retention();
    outcome_unknown();
    two_workers();

    is($_->stop, '', 'nginx stops, and its log has nothing to complain of')
        for $nginx, $short;
}


# ---- what is tested -------------------------------------------------------

sub one_operation {
    fresh('fleet');

    my $pem = new_certificate();
    my $first = add('fleet', $pem, $key);
    my $again = add('fleet', $pem, $key);

    is($first->{status}, 200, 'an add under a key');
    is($again->{status}, 200, 'the same again');
    is($again->{body}, $first->{body}, '... is the same operation');
    is(operations('fleet'), 1, '... which is the only one');

    my $without = add('fleet', $pem);
    is($without->{status}, 409, 'without the key it is another request');

    my $third = add('fleet', new_certificate());
    is($third->{status}, 200, 'adds without a key');
    is(records_of('fleet'), 1, '... leave no record');
}


sub forms_of_a_key {
    fresh('fleet');

    my $pem = new_certificate();
    my $first = add('fleet', $pem, $key);
    my $upper = add('fleet', $pem, uc $key);

    is($upper->{body}, $first->{body}, 'the case of a key says nothing');

    my %wrong = (
        'no UUID' => 'key', 'one digit less' => substr($key, 0, -1),
        'one digit more' => "${key}0", 'no digit' => $key =~ s/0/g/r,
        'no hyphens' => $key =~ s/-//gr, 'in braces' => "{$key}",
        'hyphens elsewhere' => '0f8fad5bd-9cb-469f-a165-70867728950e',
        'empty' => '', 'two of them' => "$key, $other_key",
    );

    for my $what (sort keys %wrong) {
        is(answer(add('fleet', $pem, $wrong{$what})->{body}),
           "3 INVALID_FIELD\nfield idempotency_key\n", "a key: $what");
    }

    my $body = body($pem);
    my $socket = $nginx->connection;

    print $socket "POST " . path('fleet') . " HTTP/1.1\r\nHost: a\r\n"
        . "Authorization: Bearer alice\r\nConnection: close\r\n"
        . "Idempotency-Key: $key\r\nIdempotency-Key: $key\r\n"
        . 'Content-Length: ' . length($body) . "\r\n\r\n$body";

    is(answer(Iot::Nginx::read_answer($socket)->{body}),
       "3 INVALID_FIELD\nfield idempotency_key\n", 'a key sent twice');
}


sub another_request {
    fresh('fleet');

    my $pem = new_certificate();

    add('fleet', $pem, $key);

    is(refusal('fleet', new_certificate(), $key), reused(),
       'another certificate under the key');
    is(refusal('fleet', $pem =~ s/\n\z//r, $key), reused(),
       'the same certificate in another text');
    is(operations('fleet'), 1, 'neither started an operation');
}


# caller, method and resource

sub scopes {
    fresh('fleet', 'plant-7');

    my $pem = new_certificate();
    my $sha256 = sha256_hex(der($pem));

    my %id = (
        add => id(add('fleet', $pem, $key)),
        elsewhere => id(add('plant-7', new_certificate(), $key)),
        bob => id(add('fleet', new_certificate(), $key,
                      Authorization => 'Bearer bob')),
        delete => id(remove('fleet', $sha256, $key)),
    );

    is(scalar(grep { $_ } values %id), 4,
       'caller, method and registry have keys of their own');
    is(records_of('fleet') + records_of('plant-7'), 4, '... and records');
}


sub reads {
    fresh('fleet');

    my $pem = new_certificate();
    my $id = id(add('fleet', $pem));
    my $sha256 = sha256_hex(der($pem));

    for my $uri (path('fleet'), path('fleet') . "/$sha256",
                 "/operations/$id") {
        for my $value ($key, 'no UUID') {
            is($nginx->request('GET', $uri, undef,
                               'Idempotency-Key' => $value)->{status},
               200, "$uri does not look at \"$value\"");
        }
    }

    is(records_of('fleet'), 0, 'reads leave no record');
}


sub errors_are_forgotten {
    fresh('fleet');

    my $pem = new_certificate();

    is(refusal('plant-7', $pem, $key), "5 REGISTRY_NOT_FOUND\n"
       . "resource yandex.cloud.iot.devices.v1.Registry plant-7\n",
       'a refusal under a key');
    create('plant-7');
    is(add('plant-7', $pem, $key)->{status}, 200,
       '... is not remembered');

    $pem = new_certificate();
    is(add('fleet', 'nonsense', $other_key)->{status}, 400,
       'a refused field under a key');
    is(add('fleet', $pem, $other_key)->{status}, 200,
       '... is not remembered');
}


sub deletes {
    my $pem = new_certificate();
    my %name = ('SHA-256' => sha256_hex(der($pem)),
                'SHA-1' => sha1_hex(der($pem)));

    for my $form (sort keys %name) {
        fresh('fleet');
        add('fleet', $pem);

        my $first = remove('fleet', $name{$form}, $key);
        my $again = remove('fleet', $name{$form}, $key);
        my $spelled = remove('fleet', uc($name{$form} =~ s/..\K(?=.)/:/gr),
                             $key);

        is($first->{status}, 200, "a delete by $form under a key");
        is($again->{body}, $first->{body}, '... again: the same operation');
        is($spelled->{body}, $first->{body},
           '... the fingerprint in another spelling');
        is(remove('fleet', $name{$form})->{status}, 404,
           '... without the key: it is gone');
        is(answer(remove('fleet', 'ab' x 32, $key)->{body}), reused(),
           '... the key for another one');
        is(answer(remove('fleet', 'ab' x 20, $key)->{body}), reused(),
           '... the key for another one by SHA-1');
        is(operations('fleet'), 2, '... the add and one delete');

        # added again: the key does not delete that one
        add('fleet', $pem);
        is(remove('fleet', $name{$form}, $key)->{body}, $first->{body},
           '... the same operation also when it was added again');
        is(get('fleet', $name{$form}), 200, '... which stays');
    }
}


# what OperationService.Get answers, not what was answered before

sub the_operation_as_it_is_now {
    fresh('fleet');

    my $pem = new_certificate();
    my $first = decode_json(add('fleet', $pem, $key)->{body});

    remove('fleet', sha256_hex(der($pem)));

    my $now = add('fleet', $pem, $key)->{body};

    is($now, $nginx->request('GET', "/operations/$first->{id}")->{body},
       'an add whose certificate was deleted: as the operation is now');
    unlike($now, qr/certificateData/, '... without certificateData');
    is(get('fleet', sha256_hex(der($pem))), 404,
       '... it is not added again');

    store('HSET', registry_tag('fleet') . ":o:$first->{id}", 'b', 'carol');
    is(decode_json(add('fleet', $pem, $key)->{body})->{createdBy}, 'carol',
       'what is stored is read, not remembered');
}


sub certificates_that_went {
    fresh('fleet', 'plant-7');

    my $pem = new_certificate();
    my $first = add('fleet', $pem, $key);

    remove('fleet', sha256_hex(der($pem)));
    add('plant-7', $pem);

    is(id(add('fleet', $pem, $key)), id($first),
       'an add whose certificate is in another registry by now');
}


sub registries_that_went {
    fresh('fleet');

    my $pem = new_certificate();
    my $first = add('fleet', $pem, $key);

    store('HSET', registry_tag('fleet') . ':r:fleet', 's', 4);
    is(add('fleet', $pem, $key)->{body}, $first->{body},
       'an add whose registry is disabled by now');

    store('DEL', registry_tag('fleet') . ':r:fleet');
    is(add('fleet', $pem, $key)->{body}, $first->{body},
       'an add whose registry is gone');
}


sub records {
    fresh('fleet');

    my $id = id(add('fleet', new_certificate(), $key));
    my ($name) = names('*:i:*');
    my $tag = registry_tag('fleet');

    like($name, qr/^\Q$tag\E:i:[0-9a-f]{32}$/, 'the name of a record');
    is(substr(store('GET', $name), 0, 21), "\1$id",
       'its format and its operation');
    is(length store('GET', $name), 29, '... and eight bytes of hash');
    cmp_ok(store('PTTL', $name), '>', 86_000_000, 'it lives for a day');
    cmp_ok(store('PTTL', $name), '<=', 86_400_000, '... and not longer');
}


sub newer_records {
    fresh('fleet');

    my $pem = new_certificate();
    add('fleet', $pem, $key);

    my ($name) = names('*:i:*');
    store('SET', $name, "\2later");

    is(refusal('fleet', $pem, $key), "14 STORE_NEWER_FORMAT\nretry 1s\n",
       'a record of a newer gateway');
    is(answer(remove('fleet', sha1_hex(der($pem)), $key)->{body}),
       "deleted from fleet\n", '... which is not this method\'s');
}


sub retention {
    fresh('fleet');

    my $pem = new_certificate();
    my $first = add_at($short, 'fleet', $pem, $key);

    is(add_at($short, 'fleet', $pem, $key)->{body}, $first->{body},
       'a short life: a repeated request');
    ok(wait_until(sub { !records_of('fleet') }), 'the record expires');
    is($short->request('GET', '/operations/' . id($first))->{status}, 200,
       '... before its operation');
    is(add_at($short, 'fleet', $pem, $key)->{status}, 409,
       '... and then it is a new request');
    is(add_at($short, 'fleet', new_certificate(), $key)->{status}, 200,
       '... or any other');
}


# the client does not know whether it was done, and asks again

sub outcome_unknown {
    fresh('fleet');

    my $hasty = gateway_with('', 'timeout 300ms');
    my $pem = $cluster ? claimed_elsewhere() : new_certificate();
    my $redis = $cluster ? $cluster->owner(registry_tag('fleet') . ':r')->{pid}
        : (redis('INFO', 'server') =~ /^process_id:(\d+)/m)[0];

    # its links are there
    add_at($hasty, 'fleet', $_) for map { new_certificate() } 1 .. 20;

    my $before = operations('fleet');

    kill 'STOP', $redis;
    my $unknown = add_at($hasty, 'fleet', $pem, $key);
    kill 'CONT', $redis;

    is($unknown->{status}, 504, 'no answer in time');

    my $id = decode_json($unknown->{body})->{details}[1]{metadata}
        {operationId};

    ok(wait_until(sub { operations('fleet') > $before }),
       '... it was done later');
    ok(wait_until(sub {
        id(add_at($hasty, 'fleet', $pem, $key)) eq $id
    }), '... and the same request is answered with the operation');

    # what is only read starts nothing: its outcome is certain

    kill 'STOP', $redis;
    $unknown = add_at($hasty, 'fleet', $pem, $key);
    kill 'CONT', $redis;

    like($unknown->{status}, qr/^50[34]$/, 'no answer to the script');
    is($hasty->stop, '', '... nginx stops');
}


# Clients that send the same at the same moment, to both workers.

sub two_workers {
    my $pair = gateway_with('', '', workers => 2);
    my (%workers, @wrong);

    for my $round (1 .. 40) {
        fresh('fleet');

        my $pem = new_certificate();
        my @sockets = map {
            $pair->send_request('POST', path('fleet'), body($pem),
                                'Idempotency-Key' => $key)
        } 1 .. 6;
        my @answers = map { Iot::Nginx::read_answer($_) } @sockets;

        # on a cluster who met the first in the middle of its work may have
        # to come again

        for my $answer (@answers) {
            next if answer($answer->{body}) ne "10 CERTIFICATE_BUSY\n";

            $answer = $pair->request('POST', path('fleet'), body($pem),
                                     'Idempotency-Key' => $key);
        }

        my %ids = map { id($_) => 1 } @answers;

        $workers{$_->{headers}{'x-worker'}}++ for @answers;

        push @wrong, "round $round: "
            . join ' ', map { $_->{status} } @answers
            if keys %ids != 1 || $ids{''} || operations('fleet') != 1
               || records_of('fleet') != 1;
    }

    is(scalar keys %workers, 2, 'two workers: both took part');
    is_deeply(\@wrong, [], '... one certificate, one operation each time');
    is($pair->stop, '', '... nginx stops');
}


# ---- helpers --------------------------------------------------------------

sub gateway_with {
    my ($settings, $store, @options) = @_;

    $store = defined $store && $store ne '' ? "$store;" : '';

    my $servers = $cluster
        ? 'topology cluster; server ' . join(' ', $cluster->addresses) . ';'
        : 'server $TEST_NGINX_REDIS;';

    return Iot::Nginx->start(
        http => http_config() =~ s/server [^;]*;/$servers $store/r,
        server => <<"_EOC_", @options);
    add_header X-Worker \$pid always;
    $settings

    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_
}


sub fresh {
    $cluster ? $cluster->flush : redis('FLUSHALL');
    create(@_);
}

sub create {
    for my $id (@_) {
        $cluster ? $cluster->create_registry($id) : create_registry($id);
    }
}


# a command whose second word is the key

sub store {
    my ($name, $key_name, @rest) = @_;

    return $cluster ? $cluster->on($key_name, $name, $key_name, @rest)
                    : redis($name, $key_name, @rest);
}

sub names {
    return $cluster ? $cluster->keys($_[0]) : @{ redis('KEYS', $_[0]) };
}


sub new_certificate {
    return pem(substr($template, 0, -4) . pack 'N', $number++);
}


# one whose claim is not where registry "fleet" is

sub claimed_elsewhere {
    my $fleet = $cluster->owner(registry_tag('fleet') . ':r');
    my $pem;

    do {
        $pem = new_certificate();
    } while $cluster->owner(Iot::tag(unpack('n', sha256(der($pem))) >> 6)
                            . ':x') == $fleet;

    return $pem;
}


sub path { return "/iot-devices/v1/registries/$_[0]/certificates" }

sub add_at {
    my ($at, $registry, $pem, $idempotency_key, @headers) = @_;

    return $at->request('POST', path($registry), body($pem), @headers,
        defined $idempotency_key ? ('Idempotency-Key' => $idempotency_key)
                                 : ());
}

sub add { return add_at($nginx, @_) }

sub refusal { return answer(add(@_)->{body}) }

sub remove {
    my ($registry, $name, $idempotency_key) = @_;

    return $nginx->request('DELETE', path($registry) . "/$name", undef,
        defined $idempotency_key ? ('Idempotency-Key' => $idempotency_key)
                                 : ());
}

sub get {
    my ($registry, $name) = @_;

    return $nginx->request('GET', path($registry) . "/$name")->{status};
}

sub id {
    my $value = eval { decode_json($_[0]{body}) } || {};

    return $value->{id} // '';
}

sub reused {
    return "3 IDEMPOTENCY_KEY_REUSED\nfield idempotency_key\n";
}

sub operations {
    return store('ZCARD', registry_tag($_[0]) . ":y:$_[0]");
}

sub records_of {
    return scalar(() = names(registry_tag($_[0]) . ':i:*'));
}
