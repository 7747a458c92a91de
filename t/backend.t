#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The backend of conf/ finishes operations, on one Redis and on a cluster of
# three masters, beside another one and after one that has died.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256_hex);
use Iot;
use Iot::Child qw(die_with_parent);
use Iot::Cluster;
use Iot::Nginx;
use JSON::PP;
use POSIX ();
use Test::More;

my (%backend, $redis, $nginx, $cluster);

{
    my $port = free_port();

    redis_start('--port', $port);
    $redis = "127.0.0.1:$port";

    try_it('single', "server $redis;", sub { redis(@_[1 .. $#_]) },
           sub { create_registry(@_) });
}

{
    $cluster = Iot::Cluster->start(masters => 3);
    ($redis) = $cluster->addresses;

    try_it('cluster', "topology cluster; server $redis;",
           sub { $cluster->on(@_) }, sub { $cluster->create_registry(@_) });
}

done_testing();


sub try_it {
    my ($lab, $store, $on, $create) = @_;

    my @registries = map { "fleet-$_" } 1 .. 9;

    $create->($_) for @registries;

    # what is not delivered again is finished because it was read

    $nginx = Iot::Nginx->start(workers => 2, http => http($store),
        server => server('1d'));

    my $first = backend();

    # one certificate in each registry, then out again

    my @pems = map { certificate(name => $_) } @registries;
    my @ids = map { change('POST', $registries[$_], $pems[$_]) } 0 .. 8;

    is(outcome(@ids), 'succeeded', "$lab: adds");

    for my $i (0 .. 8) {
        is(call('GET', certificates($registries[$i], $pems[$i]))
           ->{certificateData}, $pems[$i], "$lab: $registries[$i] has it");
    }

    @ids = map { change('DELETE', $registries[$_], $pems[$_]) } 0 .. 8;
    is(outcome(@ids), 'succeeded', "$lab: deletes");

    # in the hands of one that has died

    stop($first);

    my $tag = registry_tag($registries[0]);
    my $id = change('POST', $registries[0], $pems[0]);

    my $read = $on->("$tag:e", 'XREADGROUP', 'GROUP', 'backend', 'dead',
                     'COUNT', 10, 'STREAMS', "$tag:e", '>');

    is({ @{ $read->[0][1][0][1] } }->{operationId}, $id,
       "$lab: another has read an event");

    # two go on

    my @both = (backend(), backend());

    is(outcome($id), 'succeeded', "$lab: what another had read");

    @ids = map { change('POST', $registries[$_], $pems[$_]) } 1 .. 8;
    is(outcome(@ids), 'succeeded', "$lab: with two of them");

    # streams that are deleted come again

    $nginx->configure(workers => 2, http => http($store),
        server => server('1s'));
    ok($nginx->reload, "$lab: a reload");

    $id = change('DELETE', $registries[1], $pems[1]);
    $on->(registry_tag($registries[1]) . ':e', 'DEL',
          registry_tag($registries[1]) . ':e');
    is(outcome($id), 'succeeded', "$lab: after a stream was deleted");

    if ($lab eq 'cluster') {
        my $slot = $cluster->slot("$tag:e");
        my ($to) = grep { $_ != $cluster->owner($slot) } $cluster->masters;

        $cluster->move($slot, $to);

        $id = change('DELETE', $registries[0], $pems[0]);
        is(outcome($id), 'succeeded', "$lab: after a slot has moved");
    }

    is($on->("$tag:p", 'ZCARD', "$tag:p"), 0, "$lab: nothing waits");

    stop($_) for @both;
    is($nginx->stop, '', "$lab: nginx ends well");
}


sub http {
    my ($store) = @_;

    return http_config() =~ s/server \$TEST_NGINX_REDIS;/$store/r;
}


sub server {
    my ($redelivery) = @_;

    return <<'_EOC_' =~ s/REDELIVERY/$redelivery/r;
    location /iot-devices/ {
        iot_api main;
        iot_completion backend;
    }

    location /operations {
        iot_complete main;
        iot_completion_redelivery REDELIVERY;
    }

    location /poll/ {
        rewrite ^/poll(/.*)$ $1 break;
        iot_operations main;
    }
_EOC_
}


sub call {
    my $answer = $nginx->request(@_);

    return decode_json($answer->{body});
}


sub certificates {
    my ($registry, $pem) = @_;

    return "/iot-devices/v1/registries/$registry/certificates/"
        . sha256_hex(der($pem));
}


# starts an operation and returns its id

sub change {
    my ($verb, $registry, $pem) = @_;

    my $operation = $verb eq 'POST'
        ? call($verb, "/iot-devices/v1/registries/$registry/certificates",
               body($pem))
        : call($verb, certificates($registry, $pem));

    return $operation->{id} // die json($operation);
}


# of all of them, once they are done

sub outcome {
    my %left = map { $_ => 1 } @_;
    my $error;

    wait_until(sub {
        for my $id (keys %left) {
            my $operation = call('GET', "/poll/operations/$id");

            next unless $operation->{done};

            $error //= json($operation) if !$operation->{response};
            delete $left{$id};
        }

        return !%left;
    }, 60) or return 'waits: ' . join ' ', keys %left;

    return $error // 'succeeded';
}


# what it prints goes nowhere

sub backend {
    my $parent = $$;
    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        die_with_parent($parent);
        open STDOUT, '>', '/dev/null';
        open STDERR, '>&', \*STDOUT;
        $ENV{TOKEN} = 'alice';
        $ENV{IDLE} = 1000;
        exec $^X, "$FindBin::Bin/../conf/backend", $redis,
            'http://127.0.0.1:' . $nginx->port
            or POSIX::_exit(127);
    }

    $backend{$pid} = $$;

    return $pid;
}


sub stop {
    my ($pid) = @_;

    kill 'TERM', $pid;
    waitpid $pid, 0;
    delete $backend{$pid};
}


END {
    my $status = $?;

    stop($_) for grep { $backend{$_} == $$ } keys %backend;
    $? = $status;
}
