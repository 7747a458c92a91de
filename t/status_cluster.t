#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# iot_status of a Redis Cluster: the links to all masters, a master that dies
# and the replica that takes its place.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Cluster;
use Iot::Nginx;
use JSON::PP;
use Test::More;

my $cluster = Iot::Cluster->start(timeout => 1000);
my @masters = $cluster->masters;

my $nginx = Iot::Nginx->start(workers => 2,
    http => "iot_store main { topology cluster; server 127.0.0.1:"
        . "$masters[0]{port} 127.0.0.1:$masters[1]{port}; }",
    server => 'location = /status { iot_status main; }');

all_masters();
failover();

is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# each request asks another shard, so that in time a worker has all links

sub all_masters {
    ok(until_status(sub {
        !grep { join(' ', up($_)) ne ports(@masters) }
            @{$_[1]{workers}};
    }), 'all masters: both workers have links to them');

    my ($code, $status) = status();

    is($code, 200, 'all masters: usable');
    is($status->{probe}, 'ok', 'all masters: probe');
}


# From the first moment on: a health check does not wait for a request that
# happens to come to the shard.

sub failover {
    my $dead = $masters[1];

    $dead->stop('KILL');

    ok(until_status(sub {
        !grep { $_->{ready} || !grep { server($_) == $dead->{port}
                                       && $_->{state} eq 'down' }
                                     @{$_->{links}} }
            @{$_[1]{workers}};
    }), 'failover: both workers miss a master');

    is((status())[0], 503, 'failover: 503');

    my $new = $cluster->failed_over($dead);
    ok($new, 'failover: a replica has taken over');

    ok(until_status(sub { $_[0] == 200 }), 'failover: usable again');

    ok(until_status(sub {
        !grep { join(' ', up($_)) ne ports(grep { $_ != $dead } @masters, $new) }
            @{$_[1]{workers}};
    }), 'failover: links to the new master, none shown to the old one');
}


sub status {
    my $answer = $nginx->request('GET', '/status');

    return ($answer->{status}, decode_json($answer->{body}));
}


sub until_status {
    my ($condition) = @_;

    return wait_until(sub { $condition->(status()) }, $Iot::Nginx::PATIENCE);
}


sub server { return $_[0]{server} =~ /:(\d+)$/ ? $1 : 0 }


# ports of the servers that a worker has a link to

sub up {
    my ($worker) = @_;

    return sort map { server($_) } grep {
        $_->{lane} eq 'commands' && $_->{state} eq 'up'
    } @{$worker->{links}};
}


sub ports { return join ' ', sort map { $_->{port} } @_ }
