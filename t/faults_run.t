#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# One fault of each kind, in random order, under load; "make faults" is the
# same for longer.  SEED=... repeats a run.

use strict;
use warnings;

use FindBin;
use lib map { "$FindBin::Bin/$_" } qw(faults/lib support redis-module/lib);

use Faults::Run;
use Test::More;

plan skip_all => 'times of a run are not those of valgrind'
    if $ENV{TEST_NGINX_USE_VALGRIND};

my $run = Faults::Run->new(seed => $ENV{SEED} || time, seconds => 60,
    keep => "$FindBin::Bin/../build/faults", say => sub { diag(@_) },
    count => scalar keys %Faults::Plan::KINDS);

$SIG{$_} = sub { $run->{interrupted} = 1; die "interrupted\n" }
    for qw(INT TERM HUP);

$run->all;
diag($run->report);

is(join("\n", $run->violations), '',
   'what was answered is what is stored, after all of it');

# what there was no time for is said
for my $kind (sort keys %Faults::Plan::KINDS) {
    SKIP: {
        skip "no time for $kind", 1
            if !$run->{injected}{$kind} && $run->{took} > 60;
        ok($run->{injected}{$kind}, "$kind: has happened");
    }
}

cmp_ok($run->{told}{$_} // 0, '>', 0, "some changes were $_")
    for qw(acknowledged refused);

done_testing();
