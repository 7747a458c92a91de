#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# iot_status of a Redis with sentinels: where the master is, and is after a
# failover; and which sentinel a worker listens to, without which the store is
# usable all the same.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Nginx;
use Iot::Sentinels;
use JSON::PP;
use Test::More;

my $lab = Iot::Sentinels->start(replicas => 1, sentinels => 3);
my $old = $lab->master;

my $nginx = Iot::Nginx->start(workers => 2,
    http => 'iot_store main { topology sentinel iot; server '
        . join(' ', $lab->sentinel_addresses) . '; }',
    server => 'location = /status { iot_status main; }');

ok(until_status(sub { leads_to($_[1], $old) }), 'up: to the master');
is((status())[0], 200, 'up: usable');

my (undef, $status) = status();

is($_->{links}[0]{server}, 'iot', 'up: the name of the master')
    for @{$status->{workers}};

$old->stop('KILL');

ok(until_status(sub {
    $_[0] == 503 && !grep { $_->{ready} } @{$_[1]{workers}};
}), 'failover: both workers miss the master');

my $new = $lab->failed_over($old);

ok($new, 'failover: a replica has taken over');
ok(until_status(sub { $_[0] == 200 && leads_to($_[1], $new) }),
   'failover: usable, and both lead to the new master');

sentinel_dies();
sentinels_die();

is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


sub status {
    my $answer = $nginx->request('GET', '/status');

    return ($answer->{status}, decode_json($answer->{body}));
}


sub until_status {
    my ($condition) = @_;

    return wait_until(sub { $condition->(status()) }, $Iot::Nginx::PATIENCE);
}


# the links for commands of both workers are up, and to that node

sub leads_to {
    my ($status, $node) = @_;

    return 2 == grep {
        my $link = $_->{links}[0];

        $link->{state} eq 'up' && $link->{address} eq "127.0.0.1:$node->{port}";
    } @{$status->{workers}};
}


# to which each worker has one link

sub sentinel_links {
    my ($status) = @_;

    return map { grep { $_->{lane} eq 'sentinel' } @{$_->{links}} }
           @{$status->{workers}};
}


sub listening {
    my ($status, @before) = @_;

    my @links = sentinel_links($status);

    return 2 == grep {
        $links[$_]{state} eq 'up'
            && (!@before || $links[$_]{connects} > $before[$_]{connects});
    } 0 .. $#links;
}


sub sentinel_dies {
    ok(until_status(sub { listening($_[1]) }), 'sentinels: both workers listen');

    my ($link) = sentinel_links((status())[1]);
    my ($name, $connects) = @$link{qw(server connects)};
    my ($sentinel) = grep { $name eq "127.0.0.1:$_->{port}" } $lab->sentinels;

    ok($sentinel, 'sentinels: to one of those of the configuration');
    ok($link->{since}, 'sentinels: for some time');
    $sentinel->stop('KILL');

    ok(until_status(sub {
        my ($now) = sentinel_links($_[1]);
        $now->{state} eq 'up' && $now->{server} ne $name
            && $now->{connects} == $connects + 1;
    }), 'sentinels: to another one when it dies, a link more');

    $sentinel->start;
}


sub sentinels_die {
    ok(until_status(sub { listening($_[1]) }), 'no sentinel: both listen');

    my @before = sentinel_links((status())[1]);
    $_->stop('KILL') for $lab->sentinels;

    my ($code, $status);

    ok(until_status(sub {
        ($code, $status) = @_;
        2 == grep { $_->{state} eq 'down' } sentinel_links($status);
    }), 'no sentinel: both workers tell of it');

    is($code, 200, 'no sentinel: the store is usable');
    is(scalar(grep { $_->{ready} } @{$status->{workers}}), 2,
       'no sentinel: both workers are ready');
    $_->start for $lab->sentinels;

    ok(until_status(sub { listening($_[1], @before) }),
       'no sentinel: they listen again when there are some');
}
