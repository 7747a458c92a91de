#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# conf/reconcile-claims on one Redis and on a cluster: what is wrong with the
# claims of certificates and of names is told, and with --fix mended, and what
# is right is left alone.  Needs no nginx.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha1 sha256_hex);
use Iot;
use Iot::Cluster;
use Test::More;
use Time::HiRes qw(time);

my $command = "$FindBin::Bin/../conf/reconcile-claims";
my @digits = (0 .. 9, 'a' .. 'v');
my $number = 0;

redis_start();
violations('one Redis', \&redis, '-s', redis_address() =~ s/^unix://r);
redis('FLUSHALL');
names('one Redis', \&redis, '-s', redis_address() =~ s/^unix://r);
many('-s', redis_address() =~ s/^unix://r);
redis_stop();

my $cluster = Iot::Cluster->start(masters => 3, replicas => 0);
my ($node) = $cluster->nodes;

my @cluster = (sub {
    my ($name, $key, @argv) = @_;

    return $cluster->on($key, $name, $key, @argv);
}, '-p', $node->{port});

violations('cluster', @cluster);
$cluster->flush;
names('cluster', @cluster);

refusals();

done_testing();


# Each case is a certificate; dry runs change nothing.

sub violations {
    my ($where, $run, @options) = @_;

    $node = { run => $run, options => \@options, prefix => '' };

    my $long_ago = operation('plant-1', time() - 7200);
    my $now = operation('plant-1', time());

    my $fine = certificate_in('plant-0', 'own');
    my $lost = certificate_in('plant-0', 'none');
    my $left = certificate_in('plant-0', "plant-1\x1f$long_ago");
    my $young = certificate_in('plant-0', "plant-1\x1f$now");
    my $again = certificate_in('plant-0', "plant-0\x1f"
                               . operation('plant-0', time() - 9999));
    my $twice = certificate_in('plant-0', 'none', at => 2000);
    certificate_in('plant-1', 'own', at => 1000, of => $twice);
    my $later = certificate_in('plant-0', 'none', at => 1000);
    certificate_in('plant-1', 'own', at => 2000, of => $later);

    $run->('HSET', registry_tag('gone') . ':r:gone', 'v', 1, 's', 3);
    my $deleted = certificate_in('gone', 'none');

    my @told = (
        "plant-0 $lost its claim is lost",
        "plant-0 $left its claim names plant-1, which has it not",
        "plant-0 $young is being added to plant-1, or was: try again in an"
        . ' hour',
        "plant-0 $again its claim names operation ????",
        "plant-1 $twice is in plant-0 as well, since later: to be deleted"
        . ' there',
        "plant-0 $later is in plant-1 as well, since later: to be deleted"
        . ' there',
    );

    my %before = claims();
    my ($status, @lines) = reconcile();

    is($status, 1, "$where: something is wrong");
    is(pop @lines, '9 certificates, 0 names, 0 mended, 6 left',
       "$where: a sum");
    is_deeply([ sort @lines ],
              [ sort map { /claim/ ? "$_, not mended" : $_ } @told ],
              "$where: all is told");
    is_deeply({ claims() }, \%before, "$where: and nothing mended");

    ($status, @lines) = reconcile('--fix');

    is($status, 1, "$where: not everything can be mended");
    is(pop @lines, '9 certificates, 0 names, 4 mended, 3 left',
       "$where: another sum");
    is_deeply([ sort @lines ], [ sort @told ], "$where: all is told again");

    my %after = claims();

    is($after{$lost}, claim('plant-0', $lost), "$where: a claim is set again");
    is($after{$left}, claim('plant-0', $left), "$where: a claim is taken over");
    is($after{$again}, claim('plant-0', $again),
       "$where: a claim names the operation that was stored");
    is($after{$later}, claim('plant-0', $later),
       "$where: who had it first has the claim");
    is($after{$_}, $before{$_}, "$where: a claim is as it was")
        for $fine, $young, $twice, $deleted;

    # what people do then

    remove('plant-0', $twice);
    remove('plant-1', $later);
    remove('plant-0', $young);

    ($status, @lines) = reconcile();
    is("$status @lines", '0 6 certificates, 0 names, 0 mended, 0 left',
       "$where: all is well then");
}


# The same of registries and their names in folders.

sub names {
    my ($where, $run, @options) = @_;

    $node = { run => $run, options => \@options, prefix => '' };

    my $long_ago = time() - 7200;
    my $op = operation('gone', $long_ago);
    my $stored = operation('gone', $long_ago - 1);
    my $young = operation('gone', time());

    $run->('HSET', "{$1}:o:$stored", 'v', 1) if $stored =~ /^(..)/;

    registry('fine', 'own');
    registry('lost', 'none');
    registry('left', "gone\x1f$op");
    registry('renamed', "gone\x1f$stored");
    registry('young', "gone\x1f$young");
    registry('again', "again\x1f" . operation('again', $long_ago - 1));
    registry('first', 'none', name => 'twice', at => $long_ago - 60);
    registry('second', 'own', name => 'twice');
    registry('deleting', 'none', status => 3);
    registry('deleted', 'own', status => 3);
    registry('unnamed', 'none', name => '');
    registry('unlisted', 'own', place => 'none');
    $run->('HSET', registry_tag('by-hand') . ':r:by-hand', 'v', 1, 's', 2,
           'f', 'north', 'c', 1790000000123);

    claim_name('was-fine', "fine\x1f" . operation('fine', $long_ago - 1));
    claim_name('nobody', "gone\x1f$op");
    claim_name('is-made', "gone\x1f$young");

    my @told = (
        'lost north/lost its claim is lost',
        'left north/left its claim names gone, which has it not',
        'renamed north/renamed its claim names gone, which has it not',
        'young north/young is being given to gone, or was: try again in an'
        . ' hour',
        'again north/again its claim names operation ????',
        'first north/twice is the name of second as well, since later: to be'
        . ' changed there',
        'unlisted north its place in the list is lost',
        'fine north/was-fine its claim is left over',
        'gone north/nobody its claim is left over',
    );

    my $fence = $op =~ /^(..)/ && "{$1}:a:$op";
    my %before = folder();
    my ($status, @lines) = reconcile();

    is($status, 1, "$where, names: something is wrong");
    is(pop @lines, '0 certificates, 9 names, 0 mended, 9 left',
       "$where, names: a sum");
    is_deeply([ sort @lines ],
              [ sort map { / its / ? "$_, not mended" : $_ } @told ],
              "$where, names: all is told");
    is_deeply({ folder() }, \%before, "$where, names: and nothing mended");
    is($run->('EXISTS', $fence), 0, "$where, names: nor fenced");

    ($status, @lines) = reconcile('--fix');

    is($status, 1, "$where, names: not everything can be mended");
    is(pop @lines, '0 certificates, 9 names, 8 mended, 2 left',
       "$where, names: another sum");
    is_deeply([ sort @lines ], [ sort @told ],
              "$where, names: all is told again");

    my %should = %before;

    $should{$_} = "\1$_\x1f" . operation_of($_)
        for qw(lost left renamed again);
    $should{twice} = "\1first\x1f" . operation_of('first');
    $should{'place of unlisted'} = 1;
    delete @should{qw(was-fine nobody)};

    is_deeply({ folder() }, \%should,
              "$where, names: the folder is as it should be");

    cmp_ok($run->('PTTL', $fence), '>', 3500_000,
           "$where, names: whose claim was taken will not be stored");
    is($run->('EXISTS', $fence =~ s/:a:.*/:a:$stored/r), 0,
       "$where, names: what is stored needs no fence");

    # what people do then

    $run->('HSET', registry_tag('second') . ':r:second', 'n', '');
    $run->('DEL', registry_tag('young') . ':r:young');

    ($status, @lines) = reconcile();
    is("$status @lines", '0 0 certificates, 7 names, 0 mended, 0 left',
       "$where, names: all is well then");

    $run->('HSET', registry_tag('fine') . ':r:fine', 'v', 2);
    ($status, @lines) = reconcile('--fix');
    is($status, 2, "$where, names: a newer gateway's registry");
}


# Many steps, a prefix, and no other keys than its own.

sub many {
    my (@options) = @_;

    redis('FLUSHALL');
    $node = { run => \&redis, options => \@options, prefix => 'a*b:' };

    my @all = map { certificate_in("r-$_", $_ % 100 ? 'own' : 'none') }
              1 .. 1000;

    $node->{prefix} = '';
    certificate_in('other', 'none');
    $node->{prefix} = 'a*b:';

    my ($status, @lines) = reconcile('--fix');
    is($status, 0, 'many: mended');
    is(pop @lines, '1000 certificates, 0 names, 10 mended, 0 left',
       'many: ten');
    is(scalar(grep { /its claim is lost$/ } @lines), 10, 'many: all told');
}


sub refusals {
    $node = { options => [ '-p', free_port() ], prefix => '' };

    my ($status, @lines) = reconcile();
    is($status, 2, 'no Redis: an error');

    $node->{prefix} = 'a{b}';
    ($status) = reconcile();
    is($status, 2, 'braces in the prefix: an error');
}


# ---- around it ------------------------------------------------------------

# exit status and lines

sub reconcile {
    my (@options) = @_;

    my @prefix = $node->{prefix} eq '' ? () : ('-p', $node->{prefix});

    open my $out, '-|', 'sh', '-c', 'exec "$0" "$@" 2>&1', $command, @options,
        @prefix, '--', @{$node->{options}} or die "reconcile-claims: $!";
    my @lines = map { s/operation \K\w{20}/????/r } <$out>;
    chomp @lines;
    close $out;

    return ($? >> 8, @lines);
}


my %operation_of;

# a record and a claim: "own", "none", or registry and operation

sub certificate_in {
    my ($registry, $claim, %of) = @_;

    my $fingerprint = $of{of} // sha256_hex(++$number);
    my $operation = operation($registry, time() - 7200);
    my $tag = registry_tag($registry);

    $operation_of{"$registry $fingerprint"} = $operation;
    $node->{run}->('SET', "$node->{prefix}$tag:c:$registry:$fingerprint",
        pack 'C Q> a20 a20 C a*', 1, $of{at} // 1790000000123, $operation,
        sha1($fingerprint), 1, 'x' x 300);
    $node->{run}->('SET', claim_key($fingerprint), $claim eq 'own'
        ? claim($registry, $fingerprint) : "\1$claim") if $claim ne 'none';

    return $fingerprint;
}


# a registry of the folder "north", its claim on its name and its place

sub registry {
    my ($id, $claim, %of) = @_;

    my $name = $of{name} // $id;
    my $operation = operation($id, $of{at} // time() - 7200);
    my $tag = registry_tag($id);

    $node->{run}->('HSET', "$tag:r:$id", 'v', 1, 's', $of{status} // 2,
        'f', 'north', 'n', $name, 'o', $operation, 'c', 1790000000123);

    claim_name($name, $claim eq 'own' ? "$id\x1f$operation" : $claim)
        if $claim ne 'none';

    $node->{run}->('ZADD', folder_key('g'), 0, place($id))
        if !$of{place};
}


sub operation_of {
    my ($registry) = @_;

    return $node->{run}->('HGET', registry_tag($registry) . ":r:$registry",
                          'o');
}


sub claim_name {
    my ($name, $claim) = @_;

    $node->{run}->('HSET', folder_key('n'), $name, "\1$claim");
}


sub folder_key { return registry_tag('north') . ":$_[0]:north" }


sub place { return substr(pack('Q>', 1790000000123), 2) . $_[0] }


# what the folder has: name => claim, and places

sub folder {
    my %claims = @{$node->{run}->('HGETALL', folder_key('n'))};
    my $places = $node->{run}->('ZRANGE', folder_key('g'), 0, -1);

    return (%claims, map { 'place of ' . substr($_, 6) => 1 } @$places);
}


sub remove {
    my ($registry, $fingerprint) = @_;

    $node->{run}->('DEL', registry_tag($registry)
                          . ":c:$registry:$fingerprint");
}


sub claim {
    my ($registry, $fingerprint) = @_;

    return "\1$registry\x1f" . $operation_of{"$registry $fingerprint"};
}


sub claim_key {
    my ($fingerprint) = @_;

    return $node->{prefix} . Iot::tag(hex(substr $fingerprint, 0, 4) >> 6)
           . ":x:$fingerprint";
}


# what is claimed: fingerprint => claim

sub claims {
    my %fingerprints = map { /(\w+)$/ => 1 } keys %operation_of;

    return map {
        my $claim = $node->{run}->('GET', claim_key($_)) // 'nil';
        $claim eq 'nil' ? () : ($_ => $claim);
    } keys %fingerprints;
}


# the id of one that began then

sub operation {
    my ($registry, $at) = @_;

    my ($ms, $id) = (int($at * 1000), '');

    for (1 .. 9) {
        $id = $digits[$ms % 32] . $id;
        $ms = int($ms / 32);
    }

    return registry_tag($registry) =~ s/[{}]//gr . $id . '000000000';
}
