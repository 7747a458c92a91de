package Faults::Plan;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What is done to whom in a run, from its seed alone.
#
#     my @rounds = Faults::Plan::rounds(SEED, COUNT);
#
# A round is { deployment, faults => [ { kind, dice }, ... ] }: one deployment,
# started anew, and what it goes through.  Of each kind there are as many, to
# one; dice are numbers from 0 up to 1 for whatever the fault leaves open.
# Rounds and faults are in random order.

use strict;
use warnings;

# where a kind can happen

our %KINDS = (
    'redis-kill'        => [ 'single' ],
    'redis-stop'        => [ 'single' ],
    'disk-full'         => [ qw(single sentinel cluster) ],
    'link-cut'          => [ 'link' ],
    'link-reset'        => [ 'link' ],

    'replica-kill'      => [ qw(sentinel cluster) ],
    'replica-stop'      => [ qw(sentinel cluster) ],
    'sentinel-failover' => [ 'sentinel' ],
    'master-kill'       => [ 'sentinel' ],
    'master-stop'       => [ 'sentinel' ],
    'cluster-kill'      => [ 'cluster' ],
    'cluster-stop'      => [ 'cluster' ],

    'worker-kill'       => [ qw(single link sentinel cluster) ],
    'reload'            => [ qw(single link sentinel cluster) ],
    'quit'              => [ qw(single link sentinel cluster) ],

    'client-abort'      => [ qw(single link sentinel cluster) ],
    'client-drip'       => [ qw(single link sentinel cluster) ],
    'client-unread'     => [ qw(single link sentinel cluster) ],
);

# a round is over, and checked, after so many
our $ROUND = 60;


sub rounds {
    my ($seed, $count) = @_;

    srand $seed;

    my (%faults, @rounds);
    my @kinds = sort keys %KINDS;

    for my $n (0 .. $count - 1) {
        my $kind = $kinds[$n % @kinds];
        my @where = @{$KINDS{$kind}};

        push @{$faults{$where[int($n / @kinds) % @where]}},
            { kind => $kind, dice => [ map { rand } 1 .. 4 ] };
    }

    for my $deployment (sort keys %faults) {
        my @of = shuffled(@{$faults{$deployment}});
        my $parts = int((@of + $ROUND - 1) / $ROUND);
        my $size = int((@of + $parts - 1) / $parts);

        push @rounds, { deployment => $deployment,
                        faults => [ splice @of, 0, $size ] } while @of;
    }

    return shuffled(@rounds);
}


sub shuffled {
    my (@list) = @_;

    for (my $i = $#list; $i > 0; $i--) {
        my $j = int rand($i + 1);
        @list[$i, $j] = @list[$j, $i];
    }

    return @list;
}

1;
