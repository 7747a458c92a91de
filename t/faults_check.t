#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The checker of t/faults finds what it is there to find: each kind of
# violation is planted, in what clients have written down, in what the API
# showed, or in the store itself, and it is the one that is told.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::Bin/$_" } qw(faults/lib support redis-module/lib);

use Faults::Check;
use Faults::Client;
use Faults::Gateway;
use Faults::Journal;
use Faults::View;
use File::Temp;
use Iot qw(registry_tag);
use RedisLab;
use Storable qw(dclone);
use Test::More;
use Time::HiRes qw(time);

my $dir = File::Temp->newdir;
my $redis = RedisLab::Redis->new->start;
my $gateway = Faults::Gateway->start("server 127.0.0.1:$redis->{port};");
my @plants = map { $gateway->registry("plant-$_") } 1, 2;
my ($one, $two) = @plants;

my $client = Faults::Client->new(number => 1, seed => 1,
    nginx => $gateway->{nginx}, journal => "$dir/journal",
    registries => \@plants);

my $key = '6f1c7a52-8f0b-4c3a-9d59-0d1f3c1f7a11';
my %told = a_life();
my @entries = (Faults::Journal->read("$dir/journal"), map {
    { kind => 'create', client => 'runner', from => 0, to => 0, sent => 1,
      status => 0, folder => 'plants', created => $_ }
} @plants);
my %stored = stored();
my $view = look();

is_deeply([ violations(\@entries, $view) ], [], 'all is well');

in_what_was_told();
in_what_is_seen();
in_the_store();
in_the_log();

done_testing();


# ---- what is well ----------------------------------------------------------

# All kinds of requests, by name.

sub a_life {
    my %of;

    $of{add} = $client->add($one, 1, { key => $key });
    $of{again} = $client->add($one, 1, { key => $key });
    $of{elsewhere} = $client->add($two, 1);
    $of{moved} = $client->add($one, 2);
    $of{delete} = $client->delete($one, 2);
    $of{back} = $client->add($two, 2);
    $of{later} = $client->add($one, 3, { later => 1 });
    $client->finish($of{later}{operation});
    $of{dropped} = $client->add($one, 4, { later => 1 });
    $client->cancel($of{dropped}{operation});
    $of{waiting} = $client->add($one, 5, { later => 1 });
    $of{create} = $client->create('line', [ 6, 7 ]);
    $client->update($of{create}{created}, { description => 'first' });
    $of{update} = $client->update($of{create}{created},
                                  { description => 'last' });
    $of{gone} = $client->create(undef, [ 8 ]);
    $of{remove} = $client->remove($of{gone}{created});
    $of{poll} = $client->poll($of{add}{operation});
    $client->import_($two, 10, 11);
    $of{free} = $client->add($one, 9);
    $client->delete($one, 9);

    return %of;
}


sub look { return Faults::View->read($gateway->{nginx}, \@entries, @plants) }


sub violations {
    my ($entries, $seen, @of) = @_;

    return Faults::Check::violations($entries, $seen, lossless => 1, @of);
}


sub finds {
    my ($rule, $name, $entries, $seen) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 2;

    my @found = violations($entries, $seen);

    ok(scalar(grep { /^\Q$rule\E: / } @found), "$name: $rule")
        or diag(join "\n", 'but:', @found);
}


# ---- violations ------------------------------------------------------------

# Takes copies, changes them, and expects the rule.

sub planted {
    my ($rule, $name, $change) = @_;

    my ($copies, $seen) = @{dclone([ \@entries, $view ])};

    $change->($copies, $seen);
    finds($rule, $name, $copies, $seen);
}


# the copy of a request of a_life()

sub entry {
    my ($copies, $name) = @_;

    my ($entry) = grep { $_->{from} eq $told{$name}{from} } @$copies;

    return $entry;
}


sub like_that {
    my ($copies, $name, %change) = @_;

    push @$copies, { %{entry($copies, $name)}, from => time, to => time + 1,
                     %change };
}


sub in_what_was_told {
    my $none = '0' x 20;

    planted('lost operation', 'an answer that nothing is left of', sub {
        like_that($_[0], 'add', operation => $none);
    });

    planted('wrong answer', 'what a client did not like', sub {
        entry($_[0], 'add')->{wrong} = 'not what was sent';
    });

    planted('unexpected answer', 'an error of no such kind', sub {
        like_that($_[0], 'elsewhere', status => 500,
                  reason => 'INTERNAL_ERROR');
    });

    planted('no answer in time', 'a client that waited', sub {
        like_that($_[0], 'add', status => 0, from => 1, to => 100);
    });

    planted('unknown without an operation', 'no way to ask', sub {
        like_that($_[0], 'add', status => 503, operation => undef,
                  reason => 'STORE_OUTCOME_UNKNOWN');
    });

    planted('operation not found', 'a poll that found nothing', sub {
        like_that($_[0], 'poll', status => 404, content => undef);
    });

    planted('refused but done', 'an add that was answered 503', sub {
        %{entry($_[0], 'free')} = (%{entry($_[0], 'free')}, status => 503,
            reason => 'STORE_UNAVAILABLE', operation => undef);
    });

    planted('refused but done', 'an add whose body was cut off', sub {
        %{entry($_[0], 'free')} = (%{entry($_[0], 'free')}, status => 0,
            sent => 0, operation => undef);
    });

    planted('nobody asked for', 'an add without a client', sub {
        @{$_[0]} = grep { $_->{from} ne $told{free}{from} } @{$_[0]};
    });

    planted('nobody asked for', 'one silent client, two adds', sub {
        my ($copies, $seen) = @_;

        @$copies = grep { $_->{from} ne $told{free}{from} } @$copies;
        like_that($copies, 'moved', status => 0, operation => undef,
                  fingerprint => $told{free}{fingerprint});
        $seen->{operations}{$one}{$none} =
            dclone($seen->{operations}{$one}{$told{free}{operation}});
    });

    planted('key of two operations', 'a repeated request done twice', sub {
        entry($_[0], 'moved')->{key} = $key;
    });

    planted('key of two operations', 'an unknown one that was done', sub {
        %{entry($_[0], 'moved')} = (%{entry($_[0], 'moved')}, key => $key,
            status => 504, reason => 'STORE_OUTCOME_UNKNOWN');
    });

    planted('wrong description', 'an update that is not there', sub {
        like_that($_[0], 'update', description => 'newer');
        $_[0][-1]{operation} = $none;
    });

    planted('lost registry', 'a Create that nothing is left of', sub {
        like_that($_[0], 'create', created => $none);
    });

    planted('registry nobody asked for', 'a Create without a client', sub {
        @{$_[0]} = grep { $_->{from} ne $told{create}{from} } @{$_[0]};
    });

    planted('registry should not be there', 'a Delete that did nothing', sub {
        like_that($_[0], 'remove', registry => $told{create}{created});
    });

    # an outcome that nobody knows is none of these
    my ($copies, $seen) = @{dclone([ \@entries, $view ])};

    like_that($copies, 'moved', status => 504, operation => $none,
              reason => 'STORE_OUTCOME_UNKNOWN');
    like_that($copies, 'moved', status => 0, operation => undef);
    is_deeply([ violations($copies, $seen) ], [],
              'unknown and not done is no violation');

    %{entry($copies, 'free')} = (%{entry($copies, 'free')}, status => 504,
        reason => 'STORE_OUTCOME_UNKNOWN');
    is_deeply([ violations($copies, $seen) ], [],
              'unknown and done is none');
}


sub in_what_is_seen {
    my $id = $told{add}{operation};

    planted('operation undone', 'done before, and not now', sub {
        $_[1]{polled}{$id}{done} = 0;
    });

    planted('not done', 'an operation without an end', sub {
        $_[1]{polled}{$told{waiting}{operation}}{done} = 0;
    });

    planted('stuck', 'an operation that does not let itself be finished', sub {
        $_[1]{pending} = [ $id ];
    });

    planted('changed operation', "another response", sub {
        $_[1]{polled}{$id}{rest} = 'other';
    });

    planted('changed operation', 'another certificate', sub {
        $_[1]{polled}{$id}{data} = 'other';
    });

    planted('operation not in its list', 'missing there', sub {
        delete $_[1]{operations}{$one}{$id};
    });

    planted('operation listed only', 'missing elsewhere', sub {
        $_[1]{polled}{$id} = undef;
    });

    planted('operation of another', 'the same id for a delete', sub {
        $_[1]{operations}{$one}{$id}{method} = 'DeleteRegistryCertificate';
    });

    planted('added twice', 'two adds and no delete', sub {
        $_[1]{operations}{$one}{copy} = dclone($_[1]{operations}{$one}{$id});
    });

    planted('deleted twice', 'two deletes and one add', sub {
        my $list = $_[1]{operations}{$one};
        $list->{copy} = dclone($list->{$told{delete}{operation}});
    });

    planted('registry not in its folder', 'a list without it', sub {
        $_[1]{folders}{'folder-1'} = [];
    });

    planted('registry in its folder only', 'a list with more', sub {
        push @{$_[1]{folders}{'folder-1'}}, 'none';
    });

    planted('name of two registries', 'one name, two registries', sub {
        push @{$_[1]{folders}{'folder-1'}}, $one;
        $_[1]{registries}{$one}{name} = 'line';
    });

    planted('name leads elsewhere', 'a name of another', sub {
        $_[1]{names}{'folder-1'}{line} = $one;
    });

    planted('certificate not free', 'a claim of nobody', sub {
        my ($free) = grep { $_->{status} == 200 } @{$_[1]{claims}};
        $free->{status} = 409;
    });

    planted('certificate of an unknown operation', 'a claim of none', sub {
        my ($owned) = grep { $_->{this} } @{$_[1]{claims}};
        $owned->{operation} = 'none';
    });
}


# ---- the store -------------------------------------------------------------

sub stored {
    return map { $_ => $redis->command('DUMP', $_) }
           @{$redis->command('KEYS', '*')};
}


# the store as it was, but for the change

sub damaged {
    my ($rule, $name, $change) = @_;

    $redis->command('FLUSHALL');
    $redis->command('RESTORE', $_, 0, $stored{$_}) for sort keys %stored;
    $change->();
    finds($rule, $name, \@entries, look());
}


sub key_of { return registry_tag($_[1]) . ":$_[0]:$_[1]" }

sub operation_key {
    return '{' . substr($_[0], 0, 2) . "}:o:$_[0]";
}


sub in_the_store {
    my $fingerprint = $told{add}{fingerprint};
    my $record = key_of('c', $one) . ":$fingerprint";
    my ($member) = grep { substr($_, 6) eq pack 'H*', $fingerprint }
        @{$redis->command('ZRANGE', key_of('z', $one), 0, -1)};
    my ($claim) = grep { /:x:$fingerprint/ } keys %stored;

    damaged('lost certificate', 'a record is lost', sub {
        $redis->command('DEL', $record);
        $redis->command('ZREM', key_of('z', $one), $member);
    });

    damaged('two owners', 'another registry has it too', sub {
        $redis->command('SET', key_of('c', $two) . ":$fingerprint",
                        $redis->command('GET', $record));
        $redis->command('ZADD', key_of('z', $two), 0, $member);
    });

    damaged('certificate not claimed', 'a claim is lost', sub {
        $redis->command('DEL', $claim);
    });

    damaged('lost operation', 'an operation is lost', sub {
        $redis->command('DEL', operation_key($told{add}{operation}));
    });

    damaged('changed operation', 'an operation is another', sub {
        $redis->command('HSET', operation_key($told{add}{operation}),
                        'b', 'mallory');
    });

    damaged('operation not in its list', 'a list is lost', sub {
        $redis->command('DEL', key_of('y', $two));
    });

    damaged('lost registry', 'a registry is lost', sub {
        $redis->command('DEL', key_of('r', $told{create}{created}));
    });

    my $stranger = Faults::Client->new(number => 2, seed => 1,
        nginx => $gateway->{nginx}, journal => "$dir/nobody",
        registries => \@plants);

    damaged('certificate should not be there', 'an add came back', sub {
        my $deleted = $told{moved}{fingerprint};

        $stranger->add($one, 100);
        $redis->command('RENAME', key_of('c', $one) . ':'
            . Faults::Client::fingerprint(100),
            key_of('c', $one) . ":$deleted");
        $redis->command('ZADD', key_of('z', $one), 0,
            substr($member, 0, 6) . pack 'H*', $deleted);
    });

    damaged('nobody asked for', 'an add of a stranger', sub {
        $stranger->add($one, 101);
    });

    damaged('wrong description', 'an update of a stranger', sub {
        $stranger->update($told{create}{created}, { description => 'x' });
    });
}


# ---- nginx -----------------------------------------------------------------

sub in_the_log {
    my ($first) = sort { $a <=> $b } $gateway->{nginx}->workers;

    $gateway->worker_kill(0);
    kill 'KILL', ($gateway->{nginx}->workers)[0];

    ok(Iot::wait_until(sub {
        2 <= (() = $gateway->{nginx}->error_log =~ /exited on signal/g);
    }), 'two workers die');

    my @said = $gateway->stop;

    is(scalar @said, 1, 'the one that was not to be killed is told');
    like($said[0], qr/exited on signal 9/, 'with its words');
    unlike($said[0], qr/process $first /, 'the other is not');
}
