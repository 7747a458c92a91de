#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# The tests of methods that are written for one Redis, on a Redis Cluster of
# three masters, where a certificate's claim and its registry are in different
# slots.  Each file is a process and a test, its own TAP is indented.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/support";

use Iot;
use Iot::Cluster;

my @names = qw(add_certificate get_certificate list_certificates
               delete_certificate operation list_operations limit redelivery);
my $cluster = Iot::Cluster->start(masters => 3, replicas => 0,
                                  timeout => 60_000);
my $number = 0;

on_cluster($cluster);

$| = 1;
print '1..' . @names . "\n";

for my $name (@names) {
    # each has an empty store, as it has alone
    redis('FLUSHALL');

    my $pid = open(my $tap, '-|') // die "fork: $!";

    if ($pid == 0) {
        # Test::Nginx::Socket reads its blocks from there
        $0 = "$FindBin::Bin/$name.t";
        do $0;
        die $@ if $@;
        exit;
    }

    print "    $_" while <$tap>;

    print close $tap ? '' : 'not ', 'ok ', ++$number, " - $name.t\n";
}
