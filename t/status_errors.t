#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# iot_status: errors by class, each from a Redis that is really in that state,
# or from a server that says so; what is lost, and a queue that is full.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use File::Temp;
use Iot;
use Iot::Load;
use Iot::Nginx;
use JSON::PP;
use Test::More;

my $dir = File::Temp->newdir;
my $redis = RedisLab::Redis->new('--dir', "$dir")->start;
my $number = 0;
my $nginx;

create_registry_at("-p $redis->{port}", 'fleet');

$nginx = gateway_with("server 127.0.0.1:$redis->{port}; timeout 2s;");
ok(wait_until(sub { usable() }), 'usable');
is(join(' ', grep { status()->{workers}[0]{errors}{$_} }
             qw(NOPERM BUSY MISCONF READONLY lost queueFull)), '',
   'no errors yet');

noperm();
busy();
misconf();
readonly();
lost();

is($nginx->stop, '', 'nginx stops');

said();
full();

done_testing();


# ---- what is tested -------------------------------------------------------

sub noperm {
    must('ACL', 'SETUSER', 'default', '-evalsha');
    refused_as('NOPERM');
    must('ACL', 'SETUSER', 'default', '+evalsha');
    ok(wait_until(sub { usable() }), 'NOPERM: usable again');
}


sub busy {
    must('CONFIG', 'SET', 'lua-time-limit', 10);

    my $busy = IO::Socket::INET->new(
        PeerAddr => "127.0.0.1:$redis->{port}") or die "redis: $!";

    print $busy "EVAL 'while true do end' 0\r\n";
    $busy->flush;

    ok(wait_until(sub {
        add();
        counted('BUSY') > 0;
    }), 'BUSY: counts');
    must('SCRIPT', 'KILL');
    ok(wait_until(sub { usable() }), 'BUSY: usable again');
}


# it cannot save where there is no folder

sub misconf {
    must('CONFIG', 'SET', 'save', '3600 100000');
    rmdir "$dir" or die "$dir: $!";

    ok(wait_until(sub {
        $redis->command('BGSAVE');
        $redis->info('rdb_last_bgsave_status') eq 'err';
    }), 'MISCONF: not saved');
    refused_as('MISCONF');

    must('CONFIG', 'SET', 'save', '');
    is(add()->{status}, 200, 'MISCONF: usable again');
    mkdir "$dir" or die "$dir: $!";
}


sub readonly {
    must('REPLICAOF', '127.0.0.1', 1);
    refused_as('READONLY');
    must('REPLICAOF', 'NO', 'ONE');
    ok(wait_until(sub { add()->{status} == 200 }), 'READONLY: usable again');
}


sub lost {
    $redis->signal('STOP');

    my $pending = $nginx->send_request('POST', path(), new_body());

    # what was written to a server that hangs is in its socket

    my $port = sprintf '%04X', $redis->{port};

    ok(wait_until(sub {
        open my $tcp, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
        grep { /^\s*\d+: \w+:$port \w+:\w+ \w\w \w+:(\w+)/ && hex $1 } <$tcp>;
    }), 'lost: on its way');
    $redis->stop('KILL');
    is(Iot::Nginx::read_answer($pending)->{status}, 503, 'lost: 503');
    ok(wait_until(sub { counted('lost') > 0 }), 'lost: counts');

    $redis->start;
    ok(wait_until(sub { usable() }), 'lost: usable again');
    create_registry_at("-p $redis->{port}", 'fleet');
}


# what Redis says in states into which nobody gets it at will

sub said {
    for my $class (qw(LOADING MASTERDOWN CLUSTERDOWN TRYAGAIN)) {
        my $fake = RedisLab::Fake->new(sub {
            my ($socket) = @_;
            my @argv = RedisLab::Fake::greet($socket);

            while (@argv) {
                RedisLab::Fake::say_all($socket, "-$class not now\r\n");
                @argv = RedisLab::Fake::read_command($socket);
            }
        }, concurrent => 1);

        $nginx = gateway_with("server 127.0.0.1:$fake->{port}; timeout 500ms;");

        ok(wait_until(sub { counted($class) > 0 }), "$class: counts");
        is($nginx->request('GET', '/status')->{status}, 503, "$class: 503");

        is(scalar(grep { add()->{status} != 503 } 1 .. 10), 0,
           "$class: refuses adds");
        told_once($class, qr/refused a command: "$class /);

        # and what becomes of a link is said once for each
        cmp_ok(logged(qr/\[error\]/), '<=', 1 + $fake->connections,
               "$class: no line for each request");
        is($nginx->stop, '', "$class: nginx stops");
        $fake->stop;
    }
}


sub full {
    $nginx = gateway_with("server 127.0.0.1:$redis->{port}; timeout 30s; queue 3;");
    ok(wait_until(sub { usable() }), 'full: usable');

    $redis->signal('STOP');

    my @pending = map { $nginx->send_request('POST', path(), new_body()) }
        1 .. 3;

    my $status;

    ok(wait_until(sub {
        $status = status();
        $status->{workers}[0]{queue} == 3;
    }), 'full: three commands are on their way');
    ok(!$status->{usable}, 'full: not usable');
    cmp_ok(counted('queueFull'), '>', 0, 'full: counts');

    $redis->signal('CONT');
    is(Iot::Nginx::read_answer($_)->{status}, 200, 'full: answered')
        for @pending;
    ok(wait_until(sub { usable() && !status()->{workers}[0]{queue} }),
       'full: empty again');
    is($nginx->stop, '', 'full: nginx stops');
}


# ---- around it ------------------------------------------------------------

sub gateway_with {
    my ($store) = @_;

    my %parts = Iot::Load::gateway_parts($store);

    $parts{server} .= 'location = /status { iot_status main; }';

    return Iot::Nginx->start(%parts);
}


sub must {
    my (@command) = @_;

    is($redis->command(@command), 'OK', "@command[0 .. 1]");
}


sub refused_as {
    my ($class) = @_;

    is(scalar(grep { add()->{status} != 503 } 1 .. 10), 0,
       "$class: refuses adds");
    ok(wait_until(sub { counted($class) > 0 }), "$class: counts");
    told_once($class, qr/"$class |not the master any more|role is "replica"/);
}


# and by the probe of iot_status, but not for each request

sub told_once {
    my ($class, $pattern) = @_;

    cmp_ok(logged($pattern), '<=', 2, "$class: in the log, at most twice")
        or diag($nginx->error_log);
}


sub logged {
    my ($pattern) = @_;

    return scalar grep { /$pattern/ } split /\n/, $nginx->error_log;
}


sub status {
    return decode_json($nginx->request('GET', '/status')->{body});
}

sub usable { return $nginx->request('GET', '/status')->{status} == 200 }

sub counted { return status()->{workers}[0]{errors}{$_[0]} }


sub path { return '/iot-devices/v1/registries/fleet/certificates' }

sub new_body { return body(Iot::Load::certificate_of(++$number)) }

sub add { return $nginx->request('POST', path(), new_body()) }
