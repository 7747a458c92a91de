#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# iot_certificate_limit: how many certificates a registry may have.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256_hex);
use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;

my $key = '0f8fad5b-d9cb-469f-a165-70867728950e';
my $template = der(certificate());
my $number = 0;
my $reached = "8 CERTIFICATE_LIMIT\nquota registry:fleet\n";

redis_start();

my $nginx = gateway_with('iot_certificate_limit 3;');

reached();
with_a_registry();
other_reasons_first();
deleted_and_added();
lowered();
idempotency();
race();

is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# ---- what is tested -------------------------------------------------------

sub reached {
    fresh('fleet', 'plant-7');

    is(add('fleet')->{status}, 200, "certificate $_ of 3") for 1 .. 3;

    my $before = snapshot();
    my $refused = add('fleet');

    is($refused->{status}, 429, 'the fourth');
    is(answer($refused->{body}), $reached, '... its reason');
    is($refused->{headers}{'retry-after'}, undef,
       '... waiting does not help');

    my $after = snapshot();

    # on a cluster a claim is given back a little later, and leaves a fence
    wait_until(sub {
        ($after = snapshot() =~ s/^\S+\}:a:.*\n//gmr) eq $before;
    }, 2) if clustered();
    is($after, $before, '... leaves nothing');
    is(add('plant-7')->{status}, 200, 'another registry has a limit of its own');
}


sub with_a_registry {
    my $refused = $nginx->request('POST', '/iot-devices/v1/registries', json({
        folderId => 'f1',
        certificates => [ map { { certificateData => new_certificate() } }
                          1 .. 4 ] }));

    is($refused->{status}, 429, 'a new registry with four');
    is(answer($refused->{body}), $reached =~ s/registry:fleet/folder:f1/r,
       '... has no id yet');
    unlike($refused->{body}, qr/already/, '... and none of them');
}


sub other_reasons_first {
    fresh('fleet', 'plant-7');

    my $here = new_certificate();
    my $there = new_certificate();

    add('fleet', $here);
    add('plant-7', $there);
    add('fleet') for 1, 2;

    like(answer(add('fleet', $here)->{body}), qr/^6 CERTIFICATE_EXISTS\n/,
         'a certificate that is in the registry');
    like(answer(add('fleet', $there)->{body}), qr/^6 CERTIFICATE_EXISTS\n/,
         '... or in another');
}


sub deleted_and_added {
    fresh('fleet');

    my $pem = new_certificate();

    add('fleet', $pem);
    add('fleet') for 1, 2;

    is(answer(add('fleet')->{body}), $reached, 'full');

    $nginx->request('DELETE', path('fleet') . '/' . sha256_hex(der($pem)));

    is(add('fleet')->{status}, 200, 'one deleted: there is room');
    is(answer(add('fleet')->{body}), $reached, '... for one');
}


sub lowered {
    fresh('fleet');

    my $lower = gateway_with('iot_certificate_limit 1;');
    my $none = gateway_with('');

    add('fleet') for 1 .. 3;

    is(answer(add_at($lower, 'fleet')->{body}), $reached,
       'a limit below what there is');
    is(scalar @{ decode_json($lower->request('GET', path('fleet'))->{body})
                 ->{certificates} }, 3, '... takes nothing away');
    is(add_at($none, 'fleet')->{status}, 200, 'no limit');

    is($_->stop, '', '... nginx stops') for $lower, $none;
}


sub idempotency {
    fresh('fleet');

    my $pem = new_certificate();
    my $first = add('fleet', $pem, 'Idempotency-Key' => $key);

    add('fleet') for 1, 2;

    is(add('fleet', $pem, 'Idempotency-Key' => $key)->{body}, $first->{body},
       'a repeated request is not one more certificate');
}


# as many as there is room for, whoever asks

sub race {
    my $pair = gateway_with('iot_certificate_limit 3;', workers => 2);
    my (%workers, @wrong);

    for my $round (1 .. 20) {
        fresh('fleet');

        my @sockets = map {
            $pair->send_request('POST', path('fleet'),
                                body(new_certificate()))
        } 1 .. 8;
        my @answers = map { Iot::Nginx::read_answer($_) } @sockets;
        my @added = grep { $_->{status} == 200 } @answers;
        my @refused = grep { $_->{status} == 429 } @answers;

        $workers{$_->{headers}{'x-worker'}}++ for @answers;
        push @wrong, $round if @added != 3 || @refused != 5
            || redis('ZCARD', registry_tag('fleet') . ':z:fleet') != 3;
    }

    is(scalar keys %workers, 2, 'two workers: both took part');
    is_deeply(\@wrong, [], '... never more than the limit');
    is($pair->stop, '', '... nginx stops');
}


# ---- helpers --------------------------------------------------------------

sub gateway_with {
    my ($settings, @options) = @_;

    return Iot::Nginx->start(http => http_config(), server => <<"_EOC_",
    add_header X-Worker \$pid always;
    $settings

    location /iot-devices/ {
        iot_api main;
    }
_EOC_
        @options);
}


sub fresh {
    redis('FLUSHALL');
    create_registry($_) for @_;
}


sub new_certificate {
    return pem(substr($template, 0, -4) . pack 'N', $number++);
}


sub path { return "/iot-devices/v1/registries/$_[0]/certificates" }

sub add_at {
    my ($at, $registry, $pem, @headers) = @_;

    return $at->request('POST', path($registry),
                        body($pem // new_certificate()), @headers);
}

sub add { return add_at($nginx, @_) }
