#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Every directive, variable and reason of the code stands in README.md, and
# README.md names none that is not in the code.

use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;

chdir dirname(__FILE__) . '/..' or die "chdir: $!\n";


sub slurp {
    my ($file) = @_;

    open my $in, '<', $file or die "$file: $!\n";
    local $/;

    return scalar <$in>;
}


# the text of "## NAME" up to the next heading of that level

sub section {
    my ($text, $name) = @_;

    return $text =~ /^## \Q$name\E[ \t]*\n(.*?)(?=^## |\z)/ms ? $1 : undef;
}


sub same {
    my ($what, $code, $readme) = @_;
    my %code = map { $_ => 1 } @$code;
    my %readme = map { $_ => 1 } @$readme;

    cmp_ok(scalar keys %code, '>', 0, "$what: the code has some");

    my @missing = grep { !$readme{$_} } sort keys %code;
    my @extra = grep { !$code{$_} } sort keys %readme;

    ok(!@missing, "$what: all of the code are in README.md");
    diag("not in README.md: $_") for @missing;

    ok(!@extra, "$what: all of README.md are in the code");
    diag("not in the code: $_") for @extra;

    my %count;
    $count{$_}++ for @$readme;

    my @twice = grep { $count{$_} > 1 } sort keys %count;

    ok(!@twice, "$what: none stands twice in README.md");
    diag("twice in README.md: $_") for @twice;
}


my @sources = glob 'src/*/*.c';
my $code = join '', map { slurp($_) } @sources;

my $headers = slurp('src/domain/ngx_iot_error.h');

my $readme = slurp('README.md');

# examples are not entries
(my $prose = $readme) =~ s/^```.*?^```[ \t]*$//gms;


# Directives: the rows of the ngx_command_t tables.  Those that do not begin
# with iot_ stand inside an iot_store block.

my @commands;

while ($code =~ /\bngx_command_t\s+\w+\[\]\s*=\s*\{(.*?)ngx_null_command/gs) {
    my $table = $1;

    push @commands, $table =~ /\{\s*ngx_string\("(\w+)"\)/g;
}

my %seen;
@commands = grep { !$seen{$_}++ } @commands;

same('directives', [ grep { /^iot_/ } @commands ],
     [ $prose =~ /^### (iot_\w+)[ \t]*$/gm ]);


# Parameters of iot_store: "#### name" in the entry of iot_store.  They may be
# a table of ngx_command_t, or of another kind that has a name first.

my $store = $prose =~ /^### iot_store[ \t]*\n(.*?)(?=^#{1,3} |\z)/ms ? $1 : '';

my @parameters = grep { !/^iot_/ } @commands;

if (!@parameters) {
    my $conf = slurp('src/redis/ngx_iot_redis_conf.c');

    @parameters = $conf =~ /^\s+\{ ngx_string\("(\w+)"\),/gm;
    @parameters = grep { !/^iot_/ } @parameters;
}

same('parameters of iot_store', \@parameters,
     [ $store =~ /^#### (\w+)[ \t]*$/gm ]);


# Variables

my ($variables) = join '', map { slurp($_) }
                           glob 'src/http/ngx_http_iot_variables.c';

my $table = section($readme, 'Variables');

ok(defined $table, 'README.md has a section "Variables"');

same('variables', [ $variables =~ /ngx_string\("(iot_\w+)"\)/g ],
     [ ($table || '') =~ /^\|\s*`\$(iot_\w+)`/gm ]);


# Reasons: two rows may share a name

my @reasons = $headers =~ /\brow\(\s*\w+,\s*"([A-Z_]+)"/g;

%seen = ();
@reasons = grep { !$seen{$_}++ } @reasons;

$table = section($readme, 'Error reasons');

ok(defined $table, 'README.md has a section "Error reasons"');

same('reasons', \@reasons, [ ($table || '') =~ /^\|\s*`([A-Z_]+)`/gm ]);


# Messages: what the tables of the error log quote, without what differs from
# time to time.  Those of nginx and OpenSSL begin with a function, or are cut.

(my $strings = $code) =~ s/"\s*\n\s*"//g;

my @messages = grep { !/^(?:\w+\(\)|…)/ }
               map { /`([^`]+)`/g }
               map { /^\| ([^|]+) \|/mg }
               $prose =~ /^\| (?:the log says|message) \|.*\n((?:\|.*\n)+)/mg;
my @unknown;

cmp_ok(scalar @messages, '>', 30, 'messages: README.md tells of some');

for my $message (@messages) {
    my @parts = map { s/^\s+|\s+$//gr } split /"[^"]*"?|\(.*|…/, $message;

    push @unknown, $message
        if grep { length > 4 && index($strings, $_) < 0 } @parts;
}

ok(!@unknown, 'messages: all of README.md are in the code');
diag("not in the code: $_") for @unknown;

done_testing();
