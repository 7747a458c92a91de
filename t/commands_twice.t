#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What a gateway sends to Redis may arrive once more, at any later time: the
# bytes of every change are taken down and sent again, at once and after other
# changes.  On one Redis and on a cluster.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support", "$FindBin::Bin/redis-module/lib";

use Digest::SHA qw(sha256_hex);
use IO::Socket::INET;
use IO::Socket::UNIX;
use Iot;
use Iot::Cluster;
use Iot::Load;
use Iot::Nginx;
use JSON::PP;
use RedisLab ();
use Test::More;

my $KEY = '0f8fad5b-d9cb-469f-a165-70867728950e';
my $API = '/iot-devices/v1/registries';

my ($lab, $nginx, $cluster, @nodes);
my $number = 0;

redis_start();
run('one Redis', redis_address() =~ s/^unix://r);
redis_stop();

$cluster = Iot::Cluster->start(masters => 3, replicas => 0,
                               timeout => 60_000);
on_cluster($cluster);
run('cluster', $cluster->addresses);

done_testing();


sub run {
    ($lab, @nodes) = ($_[0], map { node($_) } @_[1 .. $#_]);

    $nginx = Iot::Nginx->start(http => http_config(), server => <<'_EOC_');
    location /iot-devices/ {
        iot_api main;
    }

    location /backend/iot-devices/ {
        rewrite ^/backend(.*)$ $1 break;
        iot_api main;
        iot_completion backend;
    }

    location /operations/ {
        iot_operations main;
    }

    location ~ :finish$ {
        iot_complete main;
    }
_EOC_

    at_once();
    certificates_later();
    registries_later();

    is($nginx->stop, '', "$lab: nginx stops");
}


# ---- what is tested -------------------------------------------------------

sub at_once {
    my ($id, $pending);
    my $pem = new_certificate();

    redis('FLUSHALL');

    twice('Create', sub {
        my $answer = ask(POST => $API, fields(folderId => 'north',
            name => 'pump', certificates => [ { certificateData =>
            new_certificate() } ]), 'Idempotency-Key' => $KEY);

        $id = $answer->{metadata}{registryId};
        return $answer;
    });

    twice('a Create without a name', sub {
        ask(POST => $API, fields(folderId => 'north'));
    });
    twice('a rename', sub {
        ask(PATCH => "$API/$id",
            fields(updateMask => 'name', name => 'valve'));
    }, sub { !redis('HEXISTS', folder('n'), 'pump') });
    twice('Update', sub {
        ask(PATCH => "$API/$id", fields(updateMask => 'labels',
            labels => { a => 'b' }), 'Idempotency-Key' => $KEY);
    });
    twice($_, sub { ask(POST => "$API/$id:" . lc $_) }) for qw(Disable Enable);

    twice('AddCertificate', sub { add($id, $pem) });
    twice('AddCertificate with a key', sub {
        add($id, new_certificate(), 'Idempotency-Key' => $KEY);
    });
    twice('DeleteCertificate', sub { remove($id, $pem) },
          sub { !redis('EXISTS', claim_key($pem)) });

    twice('an add that waits', sub {
        $pending = ask(POST => "/backend$API/$id/certificates", body($pem));
    });
    twice('its end', sub {
        ask(POST => "/operations/$pending->{id}:finish", '{}');
    });
    twice('a delete that waits', sub {
        $pending = ask(DELETE => "/backend$API/$id/certificates/"
                                 . fingerprint($pem));
    });
    twice('its cancel', sub {
        ask(POST => "/operations/$pending->{id}:cancel");
    });

    twice('Delete', sub { ask(DELETE => "$API/$id") },
          sub { !redis('EXISTS', record_key($id)) });
}


# What is added again is not what was added and deleted before.

sub certificates_later {
    my $pem = new_certificate();
    my @old;

    redis('FLUSHALL');
    create_registry($_) for qw(fleet plant-7);

    push @old, taken_down(sub { add('fleet', $pem) });
    push @old, taken_down(sub {
        remove('fleet', $pem);
        wait_until(sub { !redis('EXISTS', claim_key($pem)) });
    });

    my $added = add('fleet', $pem);
    my $before = state();

    send_again(@old);
    is(state(), $before, "$lab: an add and a delete come after another add");
    is(redis('GET', claim_key($pem)), "\1fleet\x1f$added->{id}",
       '... which keeps its claim');

    remove('fleet', $pem);
    wait_until(sub { !redis('EXISTS', claim_key($pem)) });
    send_again(@old);

    is(redis('EXISTS', certificate_key('fleet', $pem)), 0,
       "$lab: an add comes after the delete");
    is(add('plant-7', $pem)->{done}, JSON::PP::true,
       '... another registry may have the certificate');
}


sub registries_later {
    my ($id, @old);

    redis('FLUSHALL');

    push @old, taken_down(sub {
        $id = ask(POST => $API, fields(folderId => 'north', name => 'pump'))
            ->{metadata}{registryId};
    });
    push @old, taken_down(sub {
        ask(PATCH => "$API/$id",
            fields(updateMask => 'name', name => 'valve'));
        wait_until(sub { !redis('HEXISTS', folder('n'), 'pump') });
    });

    ask(PATCH => "$API/$id", fields(updateMask => 'name', name => 'fan'));
    wait_until(sub { !redis('HEXISTS', folder('n'), 'valve') });
    send_again(@old);
    is(redis('HGET', record_key($id), 'n'), 'fan',
       "$lab: a rename comes after another");

    push @old, taken_down(sub {
        ask(DELETE => "$API/$id");
        wait_until(sub { !redis('EXISTS', record_key($id)) });
    });
    send_again(@old);
    is(redis('EXISTS', record_key($id)), 0,
       "$lab: a Create comes after the delete");

    for my $name (qw(pump valve fan)) {
        my $created = ask(POST => $API, fields(folderId => 'north',
                                             name => $name));
        is($created->{response}{name}, $name, "... \"$name\" can be had");
    }
}


# ---- commands -------------------------------------------------------------

# Sends what the change sent once more.

sub twice {
    my ($name, $change, $ended) = @_;
    my $answer;

    my @commands = taken_down(sub {
        $answer = $change->();
        wait_until($ended) if $ended;
    });

    ok($answer->{id} || $answer->{operation}, "$lab: $name")
        or diag explain $answer;
    ok(scalar @commands, '... sent ' . @commands . ' commands');

    my $before = state();

    send_again(@commands);
    is(state(), $before, '... and once more, which changes nothing');
}


sub taken_down {
    my ($code) = @_;

    $code->();
    $number++;

    my @commands;

    for my $node (@nodes) {
        RedisLab::Redis::write_command($node->{socket}, 'ECHO', "end $number");
        RedisLab::Redis::read_reply($node->{socket});

        while (defined(my $line = readline $node->{monitor})) {
            last if $line =~ /"ECHO" "end $number"/;

            # not what scripts do
            my ($time, $text) = $line =~ /^\+(\S+) \[\d+ (?!lua)\S+\] (.*)\r\n/
                or next;
            my @argv = map { unquoted($_) } $text =~ /"((?:[^"\\]|\\.)*)"/g;

            push @commands, { node => $node, time => $time, argv => \@argv }
                if $argv[0] =~ /^(?:EVAL|EVALSHA|ZADD|ZREM)$/;
        }
    }

    return sort { $a->{time} <=> $b->{time} } @commands;
}


sub unquoted {
    my ($text) = @_;
    my %byte = (n => "\n", r => "\r", t => "\t", a => "\a", b => "\b");

    return $text =~ s{\\(x([0-9a-f]{2})|.)}
                     {defined $2 ? chr hex $2 : $byte{$1} // $1}gser;
}


# what was on its way, as it was; its answers reach nobody

sub send_again {
    for (@_) {
        RedisLab::Redis::write_command($_->{node}{socket}, @{$_->{argv}});

        my $reply = RedisLab::Redis::read_reply($_->{node}{socket});
        fail("$lab: @{$_->{argv}}[0 .. 3]: $reply")
            if !ref $reply && $reply =~ /^-/;
    }

    # nor is it taken for what the gateway sends
    $number++;

    for my $node (@nodes) {
        RedisLab::Redis::write_command($node->{socket}, 'ECHO', "end $number");
        RedisLab::Redis::read_reply($node->{socket});

        while (defined(my $line = readline $node->{monitor})) {
            last if $line =~ /"ECHO" "end $number"/;
        }
    }
}


sub node {
    my ($address) = @_;

    my %node = map {
        $_ => $address =~ m{^/} ? IO::Socket::UNIX->new($address)
                                : IO::Socket::INET->new($address)
    } qw(socket monitor);

    RedisLab::Redis::write_command($node{monitor}, 'MONITOR');
    RedisLab::Redis::read_reply($node{monitor});

    return \%node;
}


# All that there is, but fences, and who sweeps: a fence may be set again.

sub state {
    return join '', map { "$_ " . unpack('H*', redis('DUMP', $_)) . "\n" }
        sort grep { !/\}:a:|^\{00\}:s$/ } @{ redis('KEYS', '*') };
}


# ---- requests -------------------------------------------------------------

sub ask {
    my ($method, $path, $body, %headers) = @_;

    my $answer = $nginx->request($method, $path, $body,
                                 Authorization => 'Bearer alice', %headers);

    return decode_json($answer->{body});
}


sub add {
    my ($registry, $pem, %headers) = @_;

    return ask(POST => "$API/$registry/certificates", body($pem), %headers);
}


sub remove {
    my ($registry, $pem) = @_;

    return ask(DELETE => "$API/$registry/certificates/" . fingerprint($pem));
}


sub fields { return encode_json({ @_ }) }

sub new_certificate { return Iot::Load::certificate_of(++$number) }

sub fingerprint { return sha256_hex(der($_[0])) }

sub folder { return registry_tag('north') . ":$_[0]:north" }

sub record_key { return registry_tag($_[0]) . ":r:$_[0]" }

sub claim_key {
    my $fingerprint = fingerprint($_[0]);

    return Iot::tag(hex(substr $fingerprint, 0, 4) >> 6) . ":x:$fingerprint";
}

sub certificate_key {
    my ($registry, $pem) = @_;

    return registry_tag($registry) . ":c:$registry:" . fingerprint($pem);
}
