#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Events that nobody finishes are delivered again, by one worker of those that
# there are.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;

redis_start();

my $nginx = Iot::Nginx->start(workers => 2, http => http_config(),
    server => <<'_EOC_');
    iot_completion_redelivery 1s;

    location /iot-devices/ {
        iot_api main;
        iot_completion backend;
    }

    location /operations {
        iot_complete main;
        iot_operation_retention 1h;
        iot_idempotency_retention 1h;
    }
_EOC_

sub add {
    my ($registry, $name) = @_;

    my $answer = $nginx->request('POST',
        "/iot-devices/v1/registries/$registry/certificates",
        body(certificate(name => $name)));

    die "add: $answer->{body}" if $answer->{status} != 200;

    return decode_json($answer->{body})->{id};
}

sub finish {
    my ($id) = @_;

    return decode_json($nginx->request('POST', "/operations/$id:finish", '{}')
                       ->{body})->{found};
}

# the events of a registry's shard, without their ids: [ id, fields ] in JSON

sub events {
    my ($registry) = @_;

    return @{ redis('XRANGE', registry_tag($registry) . ':e', '-', '+') };
}

sub ids {
    return map { my %event = @{ $_->[1] }; $event{operationId} } events(@_);
}

sub holder { return redis('HGET', '{00}:s', 'h') }


# a script of the store's as the build embeds it

sub script {
    my ($name) = @_;

    my $store = "$FindBin::Bin/../src/store";

    return slurp("$store/$name.lua")
        =~ s{^-- include (\S+)}{slurp("$store/$1")}gemr;
}

sub slurp {
    my ($name) = @_;

    local $/;
    open my $file, '<', $name or die "$name: $!";
    return scalar <$file>;
}


create_registry('fleet');

my $id = add('fleet', 'first');
my ($event) = events('fleet');

# as MAXLEN may do it

redis('XTRIM', '{7e}:e', 'MAXLEN', 0);
redis('DEL', '{7e}:y:fleet');

ok(wait_until(sub { events('fleet') == 1 }, 30), 'what is lost comes again');

my ($again) = events('fleet');

is(json($again->[1]), json($event->[1]), 'as it was');
is(join(' ', @{ redis('ZRANGE', '{7e}:y:fleet', 0, -1) }), $id,
   'the list of operations has it again');
cmp_ok(redis('PTTL', '{7e}:y:fleet'), '>', 3500_000, 'and lives on');

ok(wait_until(sub {
    my @events = events('fleet');

    return @events == 1 && $events[0][0] ne $again->[0];
}, 30), 'it comes once more, in place of the one before');

my ($delivered) = redis('ZRANGE', '{7e}:p', 0, -1, 'WITHSCORES')->[1];

ok(wait_until(sub { redis('ZRANGE', '{7e}:p', 0, -1, 'WITHSCORES')->[1]
                    - $delivered >= 1000 }, 30),
   'after the time at least');


# Who reads that an event is due may be late: another has delivered it since.

{
    my ($member, $at) = @{ redis('ZRANGE', '{7e}:p', 0, -1, 'WITHSCORES') };
    my $hex = $member =~ s/.*://r;
    my @keys = ('{7e}:p', '{7e}:e', "{7e}:o:$id", '{7e}:y:fleet',
                "{7e}:c:fleet:$hex");

    # a time in which the gateway leaves it alone
    redis('ZADD', '{7e}:p', $at + 1e7, $member);

    my ($before) = events('fleet');

    for my $early (1, 0) {
        redis('EVAL', script('redeliver_event'), 5, @keys, $member,
              $at + 2e7, $at + 1e7 - $early, 'fleet', $id, pack('H*', $hex),
              3600_000);

        my ($after) = events('fleet');

        is($after->[0] eq $before->[0] ? 'no' : 'yes', $early ? 'no' : 'yes',
           'delivered again' . ($early ? ', but when it was meanwhile' : ''));
    }

    redis('ZADD', '{7e}:p', $at, $member);
}


# many, in many shards; the first that are no operations of ours

redis('ZADD', '{7e}:p', 1, 'garbage', 2, '7e1k8627grr1081g8186:fleet:'
      . 'ab' x 32);

my %id;

for my $n (1 .. 12) {
    create_registry("fleet-$n");
    $id{"fleet-$n"} = add("fleet-$n", "n$n");
    redis('XTRIM', registry_tag("fleet-$n") . ':e', 'MAXLEN', 0);
}

for my $registry (sort keys %id) {
    ok(wait_until(sub { join(' ', ids($registry)) eq $id{$registry} }, 30),
       "$registry: its event comes again");
}

is(redis('ZSCORE', '{7e}:p', '7e1k8627grr1081g8186:fleet:' . 'ab' x 32),
   undef, 'what is no operation any more is forgotten');
redis('ZREM', '{7e}:p', 'garbage');

for my $registry (sort keys %id) {
    is(finish($id{$registry}), 'PENDING', "$registry: finished");
    is(scalar ids($registry), 0, 'its event is gone');
}


# one of both workers; when it is gone the other, or who comes after it

my ($pid) = holder() =~ /:(\d+):/;
my $first = holder();

ok(scalar(grep { $_ == $pid } $nginx->workers), 'a worker has the turns');

my $constant = 1;
my $turns = 0;
my $next = redis('HGET', '{00}:s', 'n');

wait_until(sub {
    my $now = redis('HGET', '{00}:s', 'n');

    $turns++ if $now != $next;
    $next = $now;
    $constant = 0 if holder() ne $first;

    return $turns == 20;
}, 30);

ok($constant && $turns == 20, 'the same for many of them');

kill 'KILL', $pid;

ok(wait_until(sub { (holder() // $first) ne $first }, 30), 'then another one');

redis('XTRIM', '{7e}:e', 'MAXLEN', 0);
ok(wait_until(sub { events('fleet') == 1 }, 30), 'which delivers as well');

is(finish($id), 'PENDING', 'finished');
is(redis('ZCARD', '{7e}:p'), 0, 'nothing waits');


# Redis goes away and comes back

$id = add('fleet', 'second');

my $lost = events('fleet') ? (events('fleet'))[0][0] : '';

redis('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
redis('SCRIPT', 'FLUSH');

ok(wait_until(sub {
    my @events = events('fleet');

    return @events == 1 && $events[0][0] ne $lost;
}, 30), 'a broken link is no end of it');


ok($nginx->reload, 'a reload');

my ($before) = (events('fleet'))[0][0];

ok(wait_until(sub { (events('fleet'))[0][0] ne $before }, 30),
   'is no end of it either');

# the worker that was killed is in the log

is($nginx->stop =~ s/^.*exited on signal 9.*\n//mr, '', 'nginx ends well');

done_testing();
