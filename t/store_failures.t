#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A Redis that stalls, dies, is full, busy, or refuses, while clients of two
# workers go on adding, reading and deleting.  Each part ends with a comparison
# of what they were told and what is stored.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Nginx;
use Iot::Load;
use Test::More;
use Time::HiRes qw(sleep time);

my $redis = RedisLab::Redis->new('--appendonly', 'yes', '--appendfsync',
    'always', '--auto-aof-rewrite-percentage', 0)->start;

my $number = 0;
my $hasty = gateway_with('timeout 500ms; connect_timeout 500ms');
my $patient = gateway_with('timeout 20s');

create_registries();

settle($hasty, $patient);

comparison_works();
scripts_lost();
stalled();
killed_and_loading();
memory_full();
not_saved();
no_replicas();
busy();

back_to_normal($hasty, $patient);
is(scalar $redis->links, 4, 'one link for each worker');

is($_->stop, '', 'nginx stops, and its log has nothing to complain of')
    for $hasty, $patient;

done_testing();


# ---- what is tested -------------------------------------------------------

# That it would be seen if a certificate were lost, stored twice, or there in
# spite of what was said.

sub comparison_works {
    my $load = Iot::Load->start($patient);
    $load->more(8);
    $load->stop;

    my ($fingerprint) = map { $_->[2] } grep {
        "@{$_}[0, 1, 3]" eq 'add plant-0 200'
    } reverse $load->entries(0);
    my ($key) = @{$redis->command('KEYS', "*:c:plant-0:$fingerprint")};
    my $record = $redis->command('GET', $key);

    $redis->command('DEL', $key);
    like($load->complaints($redis), qr/^lost: plant-0 $fingerprint/m,
         'comparison: a lost certificate is seen');

    $redis->command('SET', $key, $record);
    $redis->command('SET', $key =~ s/plant-0/plant-1/r, $record);
    like($load->complaints($redis), qr/$fingerprint is stored twice/,
         'comparison: one that is stored twice is seen');

    $redis->command('DEL', $key =~ s/plant-0/plant-1/r);
    is($load->complaints($redis), '', 'comparison: all is well again');
}


# The scripts are sent again, whoever is asking, and nobody notices.

sub scripts_lost {
    my $load = under_load('scripts lost', $patient, [ $redis ], sub {
        my ($load) = @_;

        for (1 .. 20) {
            $redis->command('SCRIPT', 'FLUSH');
            $load->more(3);
        }
    });

    is(join(' ', refused($load)), '', 'scripts lost: no error');
}


sub stalled {
    my $load = under_load('stalled', $hasty, [ $redis ], sub {
        my ($load) = @_;

        for (1 .. 2) {
            $redis->signal('STOP');
            wait_for_errors($load, 8);
            $redis->signal('CONT');
            recovers($load, 'stalled');
        }
    });

    my $tally = $load->tally;

    ok($tally->{'add 504 STORE_OUTCOME_UNKNOWN'}
       || $tally->{'delete 504 STORE_OUTCOME_UNKNOWN'},
       'stalled: an outcome was unknown');
    ok($tally->{'add 503 STORE_UNAVAILABLE'},
       'stalled: then adds were refused at once');
}


# A file of commands that takes a while to read.

sub killed_and_loading {
    fill($_) for 1 .. 100;

    my ($refused, $seen);

    my $load = under_load('killed', $hasty, [ $redis ], sub {
        my ($load) = @_;

        $redis->stop('KILL');
        wait_for_errors($load, 8);

        $redis->start('--key-load-delay', -10);

        # as long as it loads before and after the answer
        wait_until(sub {
            return 1 if !loading();
            $refused = add($hasty);
            return $seen = loading();
        });

        wait_until(sub { !loading() }, 60);
        recovers($load, 'loading');
    });

    ok($seen, 'loading: Redis was still loading');
    is($refused->{status}, 503, 'loading: an add');
    is(answer($refused->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       'loading: reason');
    is($refused->{headers}{'retry-after'}, 1, 'loading: Retry-After');

    # that of the whole time, with a Redis that was away and one that loaded
    is(logged($hasty, qr/\[crit\]/), 0, 'loading: nothing critical in the log');
}


sub memory_full {
    my $load = under_load('memory full', $hasty, [ $redis ], sub {
        my ($load) = @_;

        $redis->command('CONFIG', 'SET', 'maxmemory', '1mb');
        wait_for_errors($load, 8);
        reads_go_on('memory full');
        $redis->command('CONFIG', 'SET', 'maxmemory', 0);
        recovers($load, 'memory full');
    });

    is_refused($load, 'memory full');
    told_once('memory full', qr/refused a command: "OOM /);
}


# Where its file should be is a folder.

sub not_saved {
    my $folder = "$redis->{dir}/dump.rdb";
    mkdir $folder or die "$folder: $!";
    open my $file, '>', "$folder/file";
    close $file;

    my $load = under_load('not saved', $hasty, [ $redis ], sub {
        my ($load) = @_;

        $redis->command('CONFIG', 'SET', 'save', '3600 1');
        $redis->command('BGSAVE');
        wait_until(sub { $redis->info('rdb_last_bgsave_status') eq 'err' });

        wait_for_errors($load, 8);
        reads_go_on('not saved');
        $redis->command('CONFIG', 'SET', 'save', '');
        recovers($load, 'not saved');
    });

    is_refused($load, 'not saved');
    told_once('not saved', qr/refused a command: "MISCONF /);
}


sub no_replicas {
    my $load = under_load('no replicas', $hasty, [ $redis ], sub {
        my ($load) = @_;

        $redis->command('CONFIG', 'SET', 'min-replicas-to-write', 1);
        wait_for_errors($load, 8);
        reads_go_on('no replicas');
        $redis->command('CONFIG', 'SET', 'min-replicas-to-write', 0);
        recovers($load, 'no replicas');
    });

    is_refused($load, 'no replicas');
    told_once('no replicas', qr/refused a command: "NOREPLICAS /);
}


# Somebody else's script that does not end.  It is first a Redis that stalls,
# and then one that answers BUSY.

sub busy {
    $redis->command('CONFIG', 'SET', 'lua-time-limit', 50);

    my $load = under_load('busy', $hasty, [ $redis ], sub {
        my ($load) = @_;

        my $pid = RedisLab::spawn('/dev/null', sub {
            $redis->command('EVAL', 'while true do end', 0);
        });

        wait_for_errors($load, 8);
        is($redis->command('SCRIPT', 'KILL'), 'OK', 'busy: Redis was');
        RedisLab::reap($pid);
        recovers($load, 'busy');
    });

    ok($load->tally->{'add 503 STORE_UNAVAILABLE'}, 'busy: adds were refused');
}


# ---- around it ------------------------------------------------------------

sub refused { return grep { !/ (?:200|409 \w+)$/ } sort keys %{$_[0]->tally} }


# certainly not executed, and nothing else

sub is_refused {
    my ($load, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @refused = refused($load);

    ok(scalar @refused, "$name: there were refusals");
    is(join(', ', grep { !/^(?:add|shared|delete) 503 STORE_UNAVAILABLE$/ }
                  @refused), '', "$name: 503, and of writes only");
}


sub reads_go_on {
    my ($name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($hasty->request('GET', path())->{status}, 200, "$name: reads go on");
    is(add($hasty)->{headers}{'retry-after'}, 1, "$name: Retry-After");
}


# by each worker, not for each request

sub told_once {
    my ($name, $pattern) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $count = logged($hasty, $pattern);

    ok($count > 0 && $count <= 4, "$name: in the log, and not for each request")
        or diag("$count times");
}


sub logged {
    my ($nginx, $pattern) = @_;

    return scalar grep { /$pattern/ } split /\n/, $nginx->error_log;
}


sub gateway_with {
    my ($settings) = @_;

    return load_gateway("server 127.0.0.1:$redis->{port}; $settings;");
}


sub create_registries {
    create_registry_at("-p $redis->{port}", $_) for qw(plant-0 plant-1 fleet);
}


sub path { return '/iot-devices/v1/registries/fleet/certificates' }


sub add {
    my ($nginx) = @_;

    return $nginx->request('POST', path(),
        body(Iot::Load::certificate_of(++$number)));
}


sub loading { return ($redis->info('loading') // '') eq '1' }


# a thousand keys that nobody asks for

sub fill {
    my ($n) = @_;

    $redis->command('EVAL', <<'_EOC_', 0, $n * 1000);
for i = 1, 1000 do
    redis.call('SET', 'filler:' .. ARGV[1] + i, string.rep('x', 200))
end
_EOC_
}
