#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# All of delete_registry.t on a Redis Cluster of three masters, where a folder, its
# registries and the claims of their certificates are in different slots.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/support";

use Iot;
use Iot::Cluster;

my $cluster = Iot::Cluster->start(masters => 3, replicas => 0,
                                  timeout => 60_000);

on_cluster($cluster);

do "$FindBin::Bin/delete_registry.t";

die $@ if $@;
