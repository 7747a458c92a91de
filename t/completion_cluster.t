#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Operations that a backend finishes, on a Redis Cluster: the claim of a
# certificate is in another slot than its registry, and is given back after
# the operation has ended.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256 sha256_hex);
use Iot;
use Iot::Cluster;
use Iot::Nginx;
use JSON::PP;
use Test::More;

my $cluster = Iot::Cluster->start(masters => 3);
my $addresses = join ' ', $cluster->addresses;

$cluster->create_registry($_) for qw(fleet plant-7 plant-8);

my $nginx = Iot::Nginx->start(workers => 2,
    http => http_config() =~ s/server \$TEST_NGINX_REDIS;/topology cluster;
        server $addresses;/r,
    server => <<'_EOC_');
    location /iot-devices/ {
        iot_api main;
        iot_completion backend;
        iot_certificate_limit 3;
    }

    location /operations/ {
        iot_operations main;
    }

    location /backend/ {
        rewrite ^/backend(/.*)$ $1 break;
        iot_complete main;
    }
_EOC_

my $answer;

sub call {
    $answer = $nginx->request(@_);

    return eval { decode_json($answer->{body}) } // {};
}

sub certificates { return "/iot-devices/v1/registries/$_[0]/certificates" }

sub add { return call('POST', certificates($_[0]), body($_[1]))->{id} }

sub get {
    call('GET', certificates($_[0]) . '/' . sha256_hex(der($_[1])));

    return $answer->{status};
}

sub delete_ {
    return call('DELETE', certificates($_[0]) . '/'
                . sha256_hex(der($_[1])))->{id};
}

sub finish {
    my ($id, $body) = @_;

    return call('POST', "/backend/operations/$id:finish", $body // '{}')
        ->{found};
}

sub reason {
    my ($info) = grep { $_->{'@type'} =~ /ErrorInfo$/ }
                      @{ decode_json($answer->{body})->{details} };

    return "$answer->{status} $info->{reason}";
}

sub claimed {
    my ($pem) = @_;

    my @digits = (0 .. 9, 'a' .. 'v');
    my $shard = unpack('n', sha256(der($pem))) >> 6;
    my $key = '{' . $digits[$shard >> 5] . $digits[$shard & 31] . '}:x:'
        . sha256_hex(der($pem));

    return $cluster->on($key, 'EXISTS', $key);
}


for my $n (1 .. 6) {
    my $pem = certificate(name => "n$n");
    my $id = add('fleet', $pem);

    is($answer->{status}, 200, "$n: an add waits");
    is(get('fleet', $pem), 404, 'it is not there');
    is(claimed($pem), 1, 'it is claimed');

    add('plant-7', $pem);
    is(reason(), '409 CERTIFICATE_EXISTS', 'it is not for others');

    # fails, is cancelled, succeeds

    if ($n % 3 == 1) {
        is(finish($id, '{"error":{"code":9}}'), 'PENDING', 'it fails');

    } elsif ($n % 3 == 2) {
        is(call('POST', "/operations/$id:cancel")->{error}{code}, 1,
           'it is cancelled');

    } else {
        is(finish($id), 'PENDING', 'it succeeds');
        is(get('fleet', $pem), 200, 'it is there');

        $id = delete_('fleet', $pem);
        is(get('fleet', $pem), 200, 'it is there while a delete waits');

        call('GET', "/operations/$id:cancel");
        is(get('fleet', $pem), 200, 'and when that is cancelled');
        is(claimed($pem), 1, 'claimed');

        $id = delete_('fleet', $pem);
        is(finish($id), 'PENDING', 'a delete succeeds');
        is(get('fleet', $pem), 404, 'it is gone');
    }

    ok(wait_until(sub { !claimed($pem) }), 'the claim is given back');

    $id = add('plant-7', $pem);
    is($answer->{status}, 200, 'it is for others');
    finish($id);
    finish(delete_('plant-7', $pem));
}


# what waits counts

my @ids = map { add('plant-8', certificate(name => "m$_")) } 1 .. 3;

add('plant-8', certificate(name => 'm4'));
is(reason(), '429 CERTIFICATE_LIMIT', 'what waits counts for the limit');

finish($ids[0]);
add('plant-8', certificate(name => 'm4'));
is(reason(), '429 CERTIFICATE_LIMIT', 'so does what is there');

finish($ids[1], '{"error":{"code":9}}');
my $id = add('plant-8', certificate(name => 'm4'));
is($answer->{status}, 200, 'what has failed does not');

call('POST', "/operations/$id:cancel");
$id = add('plant-8', certificate(name => 'm5'));
is($answer->{status}, 200, 'nor what was cancelled');


# the list of what waits goes over all masters

my $list = call('GET', '/backend/operations');

is(join(' ', sort map { $_->{id} } @{ $list->{operations} }),
   join(' ', sort $ids[2], $id), 'the list');

is($nginx->stop, '', 'nginx ends well');

done_testing();
