package Iot::Child;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# In a child of a test: prctl(PR_SET_PDEATHSIG), where its number is known.  A
# test that is killed then leaves nothing that runs.

use strict;
use warnings;

use POSIX ();

use base 'Exporter';
our @EXPORT_OK = qw(die_with_parent);


# parent: the pid that the test had before the fork

sub die_with_parent {
    my ($parent, $signal) = @_;

    my ($os, $machine) = (POSIX::uname())[0, 4];
    my $prctl = { x86_64 => 157, aarch64 => 167 }->{$machine};

    return if $os ne 'Linux' || !$prctl;

    syscall $prctl, 1, $signal // POSIX::SIGTERM(), 0, 0, 0;
    POSIX::_exit(127) if getppid() != $parent;
}

1;
