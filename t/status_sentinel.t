#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# iot_status of a Redis with sentinels: where the master is, and is after a
# failover.

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
