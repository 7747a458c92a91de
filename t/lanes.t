#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What waits in Redis for something large, or for replicas, holds up nothing
# else of the same worker.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support", "$FindBin::Bin/redis-module/lib";

use File::Temp;
use IO::Select;
use IO::Socket::INET;
use Iot;
use Iot::Load;
use Iot::Nginx;
use POSIX ();
use RedisLab ();
use Test::More;
use Time::HiRes qw(sleep);

my $number = 0;

large_reply();
replicas();

done_testing();


# The way to Redis holds back half of what a list gets, until it is released.

sub large_reply {
    my $dir = File::Temp->newdir;
    my $redis = RedisLab::Redis->new->start;
    my $way = RedisLab::Fake->new(sub {
        lead_to($redis, $_[0], "$dir/held", "$dir/release");
    }, concurrent => 1);

    create_registry_at("-p $redis->{port}", 'fleet');

    my $nginx = load_gateway("server 127.0.0.1:$way->{port}; timeout 20s;",
                             workers => 1);
    my $answer;

    ok(wait_until(sub { ($answer = add($nginx, 'fleet'))->{status} == 200 }),
       'an add');
    my ($id) = $answer->{body} =~ /"id":\s*"(\w+)"/;

    my $list = $nginx->send_request('GET', path('fleet'));
    ok(wait_until(sub { -e "$dir/held" }), 'half of a list is there');

    is(add($nginx, 'fleet')->{status}, 200, 'an add does not wait for it');
    is($nginx->request('GET', "/operations/$id")->{status}, 200,
       'nor does a small read');
    ok(!IO::Select->new($list)->can_read(0), 'the list is not there yet');

    open my $file, '>', "$dir/release";
    is(Iot::Nginx::read_answer($list)->{status}, 200, 'then it is');

    is($nginx->stop, '', 'nginx stops, its log is clean');
    $_->stop for $way, $redis;
}


sub lead_to {
    my ($redis, $gateway, $held, $release) = @_;

    my $server = IO::Socket::INET->new("127.0.0.1:$redis->{port}")
        or die "redis: $!";
    my $select = IO::Select->new($gateway, $server);
    my $list = 0;

    for (;;) {
        for my $from ($select->can_read) {
            sysread $from, my $bytes, 65536 or return;

            if ($from == $gateway) {
                $list ||= $bytes =~ /\bMGET\b/i;
                RedisLab::Fake::say_all($server, $bytes);
                next;
            }

            if ($list && !-e $release) {
                RedisLab::Fake::say_all($gateway, substr $bytes, 0, 9, '');
                open my $file, '>', $held;
                sleep 0.01 while !-e $release && getppid() != 1;
            }

            RedisLab::Fake::say_all($gateway, $bytes);
        }
    }
}


sub replicas {
    my $master = RedisLab::Redis->new('--repl-diskless-sync-delay', 0)->start;
    my $replica = RedisLab::Redis->new('--replicaof', '127.0.0.1',
                                       $master->{port})->start;

    create_registry_at("-p $master->{port}", 'fleet');
    wait_until(sub { $replica->command('DBSIZE') == 1 })
        or die 'the replica does not follow';

    my $nginx = load_gateway("server 127.0.0.1:$master->{port}; replicas 1; "
                             . 'timeout 20s;', workers => 1);
    my $answer = add($nginx, 'fleet');

    is($answer->{status}, 200, 'an add that a replica has');
    my ($id) = $answer->{body} =~ /"id":\s*"(\w+)"/;

    $replica->signal('STOP');

    my $keys = $master->command('DBSIZE');
    my $add = $nginx->send_request('POST', path('fleet'), new_body());
    ok(wait_until(sub { $master->command('DBSIZE') > $keys }),
       'an add waits for a replica that hangs');

    is($nginx->request('GET', "/operations/$id")->{status}, 200,
       'a small read does not wait for it');
    is($nginx->request('GET', path('fleet'))->{status}, 200,
       'nor does a list');
    ok(!IO::Select->new($add)->can_read(0), 'the add is waiting');

    $replica->signal('CONT');
    is(Iot::Nginx::read_answer($add)->{status}, 200,
       'until the replica goes on');

    is($nginx->stop, '', 'nginx stops, its log is clean');
    $_->stop for $master, $replica;
}


sub path { return "/iot-devices/v1/registries/$_[0]/certificates" }

sub new_body { return body(Iot::Load::certificate_of(++$number)) }

sub add { return $_[0]->request('POST', path($_[1]), new_body()) }
