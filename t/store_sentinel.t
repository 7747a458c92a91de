#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A master with two replicas and three sentinels: failovers, wanted and not,
# while clients of two workers go on adding, reading and deleting.  Each part
# ends with a comparison of what they were told and what the master has then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Load;
use Iot::Nginx;
use Iot::Readme;
use Iot::Sentinels;
use Test::More;
use Time::HiRes qw(sleep time);

# as README.md has it: a master that lost its replicas takes nothing more

my $lab = Iot::Sentinels->start(options => [ '--appendonly', 'yes',
    '--min-replicas-to-write', 1, '--min-replicas-max-lag', 10 ]);
my $nginx = load_gateway('topology sentinel ' . $lab->name . '; server '
    . join(' ', $lab->sentinel_addresses)
    . '; timeout 1s; connect_timeout 500ms;');

create_registry_at('-p ' . $lab->master->{port}, $_) for qw(plant-0 plant-1);
settle($nginx);

all_well();
switched();
master_dies();
master_hangs();
sentinels_die();

back_to_normal($nginx);
is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# ---- what is tested -------------------------------------------------------

sub all_well {
    my $load = load('all well', sub { $_[0]->more(50) });

    is(errors($load), '', 'all well: no error');
}


# As README.md has it for a switch that is wanted: the old master takes nothing
# more, and nothing is lost.

sub switched {
    my $old = $lab->master;
    my $switch = block('Redis Sentinel', 'sh');
    my %of = ('10.0.0.1' => '127.0.0.1', '-p 6379' => "-p $old->{port}",
              '-p 26379' => '-p ' . ($lab->sentinels)[0]{port});

    $switch =~ s/\Q$_\E/$of{$_}/g for keys %of;

    failover('switched', sub {
        is(qx{( $switch ) 2>&1}, "OK\nOK\n", 'switched: Redis does it');
    }, sub {
        $old->command('CONFIG', 'SET', 'min-replicas-to-write', 1);
    }, losses => 0);
}


sub master_dies {
    my $old = $lab->master;

    failover('master dies', sub { $old->stop('KILL') }, sub { $old->start });
}


sub master_hangs {
    my $old = $lab->master;

    failover('master hangs', sub { $old->signal('STOP') },
             sub { $old->signal('CONT') });
}


# One sentinel of three is enough to find the master, none to stay with it.

sub sentinels_die {
    my @sentinels = $lab->sentinels;

    my $load = load('sentinels die', sub {
        my ($load) = @_;

        for (@sentinels) {
            $_->stop('KILL');
            $load->more(20);
        }
    }, nodes => [ $lab->master ]);

    is(errors($load), '', 'sentinels die: nobody notices');
}


# What had not reached the replica that was chosen is lost.

sub failover {
    my ($name, $fail, $heal, %of) = @_;

    my $old = $lab->master;

    my $load = load($name, sub {
        my ($load) = @_;

        my $since = time();

        $fail->();
        ok($lab->failed_over($old), "$name: there is another master");
        diag(sprintf '%s: failover in %.1f s', $name, time() - $since);

        recovers($load, $name);

        $heal->();
        ok($lab->in_step, "$name: the others follow it");
    }, losses => 1, %of);

    diag("$name: " . scalar($load->lost) . ' acknowledged changes lost');
    is(errors($load, qr/50[34]\ STORE_(?:UNAVAILABLE|OUTCOME_UNKNOWN|TIMEOUT)
                        |404\ CERTIFICATE_NOT_FOUND/x),
       '', "$name: errors say what is known");
}


# ---- around it ------------------------------------------------------------

sub load {
    my ($name, $code, %of) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return under_load($name, $nginx, $of{nodes} // sub { $lab->master }, $code,
                      pause => 0.02, %of);
}


# answers that are none of what is expected

sub errors {
    my ($load, $expected) = @_;

    return join ', ', grep { !/ (?:200|409 CERTIFICATE_EXISTS)$/
                             && (!$expected || !/$expected/) }
                      sort keys %{$load->tally};
}
