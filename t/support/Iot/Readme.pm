package Iot::Readme;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What README.md tells people to paste, for tests that do it.
#
#     block('One Redis', 'nginx')     the first such block below that heading;
#                                     with a third argument the n-th, from 0

use strict;
use warnings;

use Cwd qw(abs_path);

use base 'Exporter';
our @EXPORT = qw(block);

my $readme;


sub block {
    my ($heading, $language, $n) = @_;

    $readme //= read_it();

    # one # alone is a comment in a block
    my ($section) = $readme =~ /^##+ \Q$heading\E\n(.*?)(?=^##+ |\z)/ms
        or die "README.md has no \"$heading\"\n";

    my @blocks = $section =~ /^```\Q$language\E\n(.*?)^```$/msg;
    my $block = $blocks[$n // 0];

    die "README.md has no such block below \"$heading\"\n" if !defined $block;

    return $block;
}


sub read_it {
    my $file = abs_path(__FILE__) =~ s{t/support/.*}{README.md}r;

    local $/;
    open my $in, '<', $file or die "$file: $!";
    return scalar <$in>;
}

1;
