#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A delete of a registry whose folder is on a master that is gone: it has
# begun, so it is answered as an operation that goes on, not as an error.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Cluster;
use Iot::Load;
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep);

my $R = '/iot-devices/v1/registries';
my $JOBS = '{00}:j';

my $cluster = Iot::Cluster->start(masters => 3, replicas => 0,
    timeout => 60_000, options => [ '--appendonly', 'yes',
        '--cluster-require-full-coverage', 'no' ]);
my $nginx = load_gateway('topology cluster; server '
    . join(' ', $cluster->addresses) . '; timeout 1s; connect_timeout 500ms;');

# where the folder is, nothing else that the delete begins with is

my ($folder) = grep { $cluster->owner(registry_tag($_))
                      != $cluster->owner($JOBS) } map { "folder-$_" } 1 .. 99;
my $gone = $cluster->owner(registry_tag($folder));
my ($id, $name);

for (1 .. 99) {
    $name = "name-$_";
    $id = call('POST', $R, json({ folderId => $folder, name => $name }))
        ->{metadata}{registryId};
    last if $cluster->owner(registry_tag($id)) != $gone;
}

$gone->stop('KILL');

my $deleted = call('DELETE', "$R/$id");

is($deleted->{metadata}{registryId}, $id, 'an operation, not an error')
    or diag(json($deleted));
is($deleted->{done}, JSON::PP::false, 'which is not done');
is(call('GET', "$R/$id")->{code}, 5, 'the registry is not shown');
is(call('GET', "/operations/$deleted->{id}")->{done}, JSON::PP::false,
   'the operation can be polled');

$gone->start;

# Many others before it are due, whose registry was never marked: what is due
# is looked at one after the other, not one at each look.  Then the lease of
# who has begun is over.

$cluster->on($JOBS, 'ZADD', $JOBS, 1, "none-$_\x1f" . substr $id, 0, 20)
    for 1 .. 60;

ok(wait_until(sub {
    $cluster->on($JOBS, 'ZADD', $JOBS, 'XX', 2, "$id\x1f$deleted->{id}");
    sleep 0.2;
    return call('GET', "/operations/$deleted->{id}")->{done};
}, 60), 'it is done when the master is back');

is(call('GET', "$R:getByName?folderId=$folder&registryName=$name")->{code}, 5,
   'the name is free');
is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


sub call {
    my ($method, $uri, $body) = @_;

    my $answer = $nginx->request($method, $uri, $body);

    return eval { decode_json($answer->{body}) } || {};
}
