#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The labs of the other tests: a Redis Cluster and a Redis with sentinels do
# what the tests take for granted.  Needs no nginx.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot::Authority;
use Iot::Cluster;
use Iot::Sentinels;
use Test::More;
use Time::HiRes qw(time);

cluster();
cluster_tls();
sentinels();
sentinels_secured();

done_testing();


sub cluster {
    my $start = time;
    my $cluster = Iot::Cluster->start;
    diag sprintf 'cluster of six: formed in %.1f s', time - $start;

    my @masters = $cluster->masters;

    is(scalar @masters, 3, 'cluster: three masters');
    is_deeply([ map { scalar $cluster->replicas($_) } @masters ], [ 1, 1, 1 ],
              'cluster: with a replica each');

    $cluster->on("{a}$_", 'SET', "{a}$_", $_) for 1 .. 3;
    $cluster->create_registry('fleet');
    is(scalar $cluster->keys, 4, 'cluster: keys on their nodes');

    my $slot = $cluster->slot('{a}');
    my $from = $cluster->owner($slot);
    my ($to) = grep { $_ != $from } @masters;

    $cluster->move_begin($slot, $to);
    is($cluster->move_keys($slot, $to, 1), 1, 'cluster: one key moves');

    my %said = map { ($_ // '') =~ s/ .*//r => 1 }
               map { $from->command('GET', "{a}$_") } 1 .. 3;
    ok($said{'-ASK'}, 'cluster: the old owner says ASK for it');
    like($from->command('MGET', '{a}1', '{a}2', '{a}3'), qr/^-TRYAGAIN/,
         'cluster: and TRYAGAIN for all of them');

    is($cluster->move_keys($slot, $to), 2, 'cluster: the others move');
    $cluster->move_end($slot, $to);
    is($cluster->owner($slot), $to, 'cluster: the slot has moved');
    like($from->command('GET', '{a}1'), qr/^-MOVED $slot 127.0.0.1:$to->{port}/,
         'cluster: the old owner says MOVED');
    is($cluster->on('{a}1', 'GET', '{a}1'), 1, 'cluster: nothing is lost');
    ok($cluster->ready, 'cluster: all agree');

    my ($replica) = $cluster->replicas($to);
    RedisLab::wait_for(sub { $replica->command('DBSIZE')
                             == $to->command('DBSIZE') });

    $start = time;
    $to->stop('KILL');
    is($cluster->failed_over($to), $replica,
       'cluster: the replica takes over');
    diag sprintf 'cluster: failover in %.1f s', time - $start;
    is($cluster->on('{a}1', 'GET', '{a}1'), 1, 'cluster: with the keys');

    $to->start;
    ok($cluster->ready, 'cluster: the old one comes back');
    is($to->info('role'), 'slave', 'cluster: as a replica');

    $cluster->flush;
    is(scalar $cluster->keys, 0, 'cluster: flushed');

    $_->stop for $cluster->nodes;
}


sub cluster_tls {
    my $ca = Iot::Authority->new('ca');
    my $cluster = Iot::Cluster->start(masters => 3, replicas => 0,
        tls => $ca->certificate('node'), ca => $ca->file);
    my ($node) = $cluster->nodes;

    is(($cluster->addresses)[0], "127.0.0.1:$node->{tls_port}",
       'cluster with TLS: its addresses');
    is($cluster->on('x', 'SET', 'x', 1), 'OK', 'cluster with TLS: serves');

    $_->stop for $cluster->nodes;
}


sub sentinels {
    my $start = time;
    my $lab = Iot::Sentinels->start;
    diag sprintf 'sentinels: ready in %.1f s', time - $start;

    my $old = $lab->master;

    is($old, ($lab->redises)[0], 'sentinels: they name the master');
    is(scalar $lab->replicas, 2, 'sentinels: two replicas');

    $old->command('SET', 'x', 1);
    is($old->command('WAIT', 2, 5000), 2, 'sentinels: replicas follow');

    $start = time;
    $old->stop('KILL');
    my $new = $lab->failed_over($old);
    ok($new, 'sentinels: another master');
    diag sprintf 'sentinels: failover in %.1f s', time - $start;
    is($new->command('GET', 'x'), 1, 'sentinels: it has the data');

    $old->start;
    ok($lab->in_step, 'sentinels: the old one follows');
    is($old->info('role'), 'slave', 'sentinels: as a replica');

    $_->stop for $lab->redises, $lab->sentinels;
}


sub sentinels_secured {
    my $ca = Iot::Authority->new('ca');
    my $lab = Iot::Sentinels->start(tls => $ca->certificate('redis'),
        ca => $ca->file, sentinel_tls => 1, user => 'iot', password => 'one',
        sentinel_user => 'gateway', sentinel_password => 'two');
    my $old = $lab->master;

    is(($lab->sentinel_addresses)[0],
       '127.0.0.1:' . ($lab->sentinels)[0]{tls_port},
       'secured sentinels: their addresses');

    $old->stop('KILL');
    ok($lab->failed_over($old), 'secured sentinels: another master');

    $_->stop for $lab->redises, $lab->sentinels;
}
