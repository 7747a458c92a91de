#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A Redis Cluster of six whose slots move and whose masters die, while clients
# of two workers go on adding, reading and deleting in registries of several
# slots.  Each part ends with a comparison of what they were told and what is
# stored.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Cluster;
use Iot::Load;
use Iot::Nginx;
use Test::More;
use Time::HiRes qw(sleep time);

my @registries = map { "plant-$_" } 0 .. 5;
my $cluster = Iot::Cluster->start(options => [ '--appendonly', 'yes' ]);
my $nginx = load_gateway('topology cluster; server '
    . join(' ', $cluster->addresses) . '; timeout 1s; connect_timeout 500ms;');

$cluster->create_registry($_) for @registries;
wait_until(sub { 200 == $nginx->request('GET', '/iot-devices/v1/registries/'
                                        . 'plant-0/certificates')->{status} });

my %masters = map { $cluster->owner(registry_tag($_))->{port} => 1 }
              @registries;
cmp_ok(scalar keys %masters, '>', 1, 'registries are on several masters');

settle($nginx);

nothing_happens();
slots_move();
master_dies();
master_hangs();

back_to_normal($nginx);
is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# ---- what is tested -------------------------------------------------------

sub nothing_happens {
    my $load = load('all well', sub { $_[0]->more(50) });

    is(errors($load), '', 'all well: no error');
}


# There and back, a few keys at a time, the slots of a registry and of claims.

sub slots_move {
    my @slots = map { $cluster->slot($_) }
                map { registry_tag("plant-$_") } 0, 1;

    $_->command('CONFIG', 'RESETSTAT') for $cluster->alive;

    my $load = load('slots move', sub {
        my ($load) = @_;

        for my $slot (@slots, reverse @slots) {
            my $from = $cluster->owner($slot);
            my ($to) = grep { $_ != $from } $cluster->masters;
            my $moved = 0;

            $cluster->move_begin($slot, $to);

            while (my $count = $cluster->move_keys($slot, $to, 20)) {
                $moved += $count;
                sleep 0.01;
            }

            $cluster->move_end($slot, $to);

            recovers($load, "slot $slot, $moved keys");
        }
    });

    is(errors($load, qr/503 STORE_UNAVAILABLE/), '',
       'slots move: what is not done is certainly not done');
    told_of($load, 'slots move');

    # that it was what it should be

    for my $class (qw(MOVED ASK TRYAGAIN)) {
        my $count = 0;

        $count += /(\d+)/ && $1
            for map { $_->info("errorstat_$class") // () } $cluster->alive;
        cmp_ok($count, '>', 0, "slots move: $count $class");
    }
}


sub master_dies {
    my $old = $cluster->owner(registry_tag('plant-0'));

    failover('master dies', $old, sub { $old->stop('KILL') },
             sub { $old->start });
}


sub master_hangs {
    my $old = $cluster->owner(registry_tag('plant-1'));

    failover('master hangs', $old, sub { $old->signal('STOP') },
             sub { $old->signal('CONT') });
}


# What had not reached the replica is lost; its claims are mended.

sub failover {
    my ($name, $old, $fail, $heal) = @_;

    my $load = load($name, sub {
        my ($load) = @_;

        my $since = time();
        $fail->();
        wait_for_errors($load, 4);

        ok($cluster->failed_over($old), "$name: a replica takes over");
        diag(sprintf '%s: failover in %.1f s', $name, time() - $since);

        recovers($load, $name);

        $heal->();
        ok($cluster->ready, "$name: it comes back as a replica");
    }, losses => 1, nodes => sub {
        my ($node) = $cluster->alive;

        my $command = "$FindBin::Bin/../conf/reconcile-claims";

        diag("$name: $_")
            for split /\n/, qx{$command --fix -- -p $node->{port} 2>&1};
        return $cluster->masters;
    });

    diag("$name: " . scalar($load->lost) . ' acknowledged changes lost');
    told_of($load, $name);

    is(errors($load, qr/50[34] STORE_(?:UNAVAILABLE|OUTCOME_UNKNOWN|TIMEOUT)/),
       '', "$name: errors say what is known");
}


# ---- around it ------------------------------------------------------------

sub load {
    my ($name, $code, %of) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return under_load($name, $nginx, $of{nodes}
                      // sub { $cluster->masters }, $code, clients => 6,
                      pause => 0.02, registries => \@registries, %of);
}


# answers that are none of what is expected

sub errors {
    my ($load, $expected) = @_;

    return join ', ', grep { !/ (?:200|409 CERTIFICATE_(?:EXISTS|BUSY))$/
                             && (!$expected || !/$expected/) }
                      sort keys %{$load->tally};
}


# the longest time that a client had to wait for its next add

sub told_of {
    my ($load, $name) = @_;

    my $longest = 0;

    for my $n (0 .. $load->{clients} - 1) {
        my @at = map { $_->[7] } grep { $_->[0] eq 'add' && $_->[3] == 200 }
                                 $load->entries($n);

        for (1 .. $#at) {
            my $gap = $at[$_] - $at[$_ - 1];
            $longest = $gap if $gap > $longest;
        }
    }

    diag(sprintf '%s: longest without an add of a client: %.2f s', $name,
         $longest);
}
