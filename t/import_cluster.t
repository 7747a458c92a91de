#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Imports on a Redis Cluster of three masters: claims in the slots of the
# fingerprints, records in that of the registry, whatever is in the way.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256_hex);
use Iot;
use Iot::Cluster;
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes ();

$SIG{PIPE} = 'IGNORE';

my $cluster = Iot::Cluster->start(masters => 3, replicas => 0);
my $servers = join ' ', $cluster->addresses;

my $nginx = Iot::Nginx->start(http => <<"_EOC_", server => <<'_EOC_');
    iot_store main {
        server $servers;
        topology cluster;
    }

    iot_caller alice;
_EOC_
    client_max_body_size 20m;

    location /iot-devices/ {
        iot_api main;
        iot_import on;

        location ~ /registries/limited/ {
            iot_api main;
            iot_certificate_limit 10;
        }
    }
_EOC_

my $prefix = '/iot-devices/v1/registries';
my $der = substr der(certificate()), 0, -2;
my @all = map { pem($der . pack 'n', $_) } 1 .. 3000;

all_of_them();
in_the_way();
of_another();
a_limit();
two_at_once();
a_master_that_dies();

is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# ---- what is tested -------------------------------------------------------

sub all_of_them {
    begin();

    my @some = @all[0 .. 179];

    is(counts('fleet?dryRun=true', @some), '180 180 0 0', 'a dry run');
    is(scalar $cluster->keys('*'), 2, 'changes nothing');

    is(counts('fleet', @some), '180 180 0 0', 'all are imported');
    is(members('fleet'), 180, 'all are in the list');
    is(scalar(grep { claim($_) =~ /^\x01fleet\x1f/ } @some), 180,
       'all are claimed, each in its slot');

    my %masters = map { $cluster->owner(claim_key($_))->{port} => 1 } @some;

    is(scalar keys %masters, 3, 'on every master');

    is(scalar(grep { substr(claim($_), 7) eq substr record($_), 9, 20 } @some),
       180, 'by the id that their records have');

    is(counts('fleet', @some), '180 0 180 0', 'a repeat changes nothing');
    is(counts('fleet?dryRun=true', @some), '180 0 180 0',
       'as does a dry run of it');
    is(counts('fleet', @some[0, 0], $all[180], @some[1, 2], $all[180]),
       '6 1 5 0', 'some twice');
    is($nginx->request('DELETE', "$prefix/fleet/certificates/"
                                 . sha256_hex(der($some[0])))->{status},
       200, 'what was imported can be deleted');
    is(counts('fleet', @some), '180 1 179 0', 'and imported again');
}


# claims that nobody has stored under

sub in_the_way {
    begin();

    my @some = @all[0 .. 69];
    my $tag = substr registry_tag('plant-7'), 1, 2;
    my $old = "\1plant-7\x1f${tag}0000000001082g8186";
    my $young = "\1plant-7\x1f$tag"
                . base32(int(Time::HiRes::time() * 1000), 9) . 'aaaaaaaaa';

    set_claim($_, $old) for @some[0 .. 9];
    set_claim($some[10], $young);
    set_claim($some[11], "\2newer");

    # as if it had been added, but the claim was lost

    is(counts('fleet?dryRun=true', @some[0 .. 9]), '10 10 0 0',
       'old claims: a dry run');
    is(claim($some[0]), $old, 'old claims: it leaves them');

    my $got = import_into('fleet', @some);
    my %reason = map { $_->{index} => $_->{reason} }
                     grep { $_->{reason} } @{ $got->{rows} };

    is_deeply(\%reason, { 10 => 'CERTIFICATE_BUSY',
                          11 => 'STORE_NEWER_FORMAT' },
              'a young claim and a newer one are in the way, old ones are not');
    is(members('fleet'), 68, 'all others are imported');
    is(scalar(grep { substr(claim($_), 7) eq substr record($_), 9, 20 }
                   @some[0 .. 9]), 10, 'the claims are those of the import');
    is($cluster->on("{$tag}", EXISTS => "{$tag}:a:${tag}0000000001082g8186"),
       1, 'the operation of the old ones can never be stored');
}


sub of_another {
    begin();

    is(counts('plant-7', @all[0 .. 59]), '60 60 0 0', 'another registry');

    my $dry = import_into('fleet?dryRun=true', @all[30 .. 89]);
    my $got = import_into('fleet', @all[30 .. 89]);

    is(json($dry->{rows}), json($got->{rows}), 'a dry run says what will be');
    is(join(' ', map { $_->{reason} // '-' } @{ $got->{rows} }),
       join(' ', ('CERTIFICATE_EXISTS') x 30, ('-') x 30),
       'what another registry has is refused');
    is(members('fleet'), 30, 'the others are imported');
    is(scalar(grep { claim($_) =~ /^\x01plant-7\x1f/ } @all[0 .. 59]), 60,
       'the other registry keeps its claims');
}


# the claims of what is refused are given back

sub a_limit {
    begin();
    $cluster->create_registry('limited');

    is(counts('limited?dryRun=true', @all[0 .. 79]), '80 10 0 70',
       'a limit: a dry run');
    is(counts('limited', @all[0 .. 79]), '80 10 0 70', 'a limit');
    is(scalar $cluster->keys('*:x:*'), 10, 'a limit: as many claims');
    is(counts('fleet', @all[10 .. 79]), '70 70 0 0',
       'a limit: what was refused is free for others');
}


# the same certificates into two registries

sub two_at_once {
    begin();

    my @sockets = map { send_import($_, @all[0 .. 999]) } qw(fleet plant-7);
    my @got = map { read_import($_) } @sockets;
    my %owner;

    for my $i (0, 1) {
        for my $row (@{ $got[$i]{rows} }) {
            push @{ $owner{$row->{fingerprint}} }, $i
                if $row->{result} eq 'IMPORTED';
        }
    }

    is(scalar(grep { @$_ > 1 } values %owner), 0, 'two at once: no certificate '
       . 'has two owners');
    is(members('fleet') + members('plant-7'), scalar keys %owner,
       'two at once: what was said is what there is');

    my $left = 1000 - keys %owner;
    my $busy = grep { ($_->{reason} // '') eq 'CERTIFICATE_BUSY' }
                    map { @{ $_->{rows} } } @got;

    cmp_ok($left, '<=', $busy, "two at once: $left were in each other's way");
}


# its slots are not served: the answer breaks off, and a repeat completes it

sub a_master_that_dies {
    begin();

    my $node = $cluster->owner(claim_key($all[2999]));
    my $socket = send_import('fleet', @all);

    ok(wait_until(sub { $cluster->keys('*:x:*') > 100 }, 30), 'it imports');
    $node->stop('KILL');

    my $got = read_import($socket);

    ok(!$got->{counts}, 'a master dies: the answer has no counts');
    ok(!$got->{whole}, 'a master dies: and no end');

    $node->start;
    ok($cluster->ready, 'it is back, with nothing in it');

    $cluster->create_registry('fleet');

    ok(wait_until(sub {
        my $again = import_into('fleet', @all);

        return $again->{counts}
               && $again->{counts}{imported} + $again->{counts}{existing}
                  == @all;
    }, 60), 'a repeat completes it');
    is(members('fleet'), scalar @all, 'all are there');
}


# ---- helpers --------------------------------------------------------------

sub begin {
    $cluster->flush;
    $cluster->create_registry($_) for qw(fleet plant-7);
}


sub members {
    my $key = registry_tag($_[0]) . ":z:$_[0]";

    return $cluster->on($key, ZCARD => $key);
}


sub claim {
    my $key = claim_key($_[0]);

    return $cluster->on($key, GET => $key) // '';
}


sub set_claim {
    my ($pem, $value) = @_;

    my $key = claim_key($pem);

    $cluster->on($key, SET => $key, $value);
}


sub record {
    my $key = registry_tag('fleet') . ':c:fleet:' . sha256_hex(der($_[0]));

    return $cluster->on($key, GET => $key) // '';
}


sub claim_key {
    my $sha256 = sha256_hex(der($_[0]));

    return '{' . base32(hex(substr $sha256, 0, 4) >> 6, 2) . "}:x:$sha256";
}


sub base32 {
    my ($number, $length) = @_;

    return join '', map { (0 .. 9, 'a' .. 'v')[$number >> 5 * $_ & 31] }
        reverse 0 .. $length - 1;
}


sub counts {
    my $got = import_into(@_);

    return join ' ', map { $got->{counts}{$_} // 'none' }
                         qw(entries imported existing refused);
}


sub import_into { return read_import(send_import(@_)) }


sub send_import {
    my ($registry, @certificates) = @_;

    my $path = $registry =~ s{^([^?]*)}{$prefix/$1/certificates:import}r;
    my $body = encode_json([ map { { certificate_data => $_ } }
                                 @certificates ]);

    return $nginx->send_request(POST => $path, $body);
}


# the answer as far as it came, with "whole" when it has its last chunk

sub read_import {
    my ($socket) = @_;

    my $bytes = do { local $/; <$socket> } // '';
    my (undef, $rest) = split /\r\n\r\n/, $bytes, 2;
    my $body = '';

    $rest //= '';

    while ($rest =~ s/^([0-9a-f]+)\r\n//i && hex $1) {
        $body .= substr $rest, 0, hex $1, '';
        $rest =~ s/^\r\n//;
    }

    my $answer = eval { decode_json($body) } || {};

    return { %$answer, whole => $rest eq "\r\n" };
}
