#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The deployments of README.md work as they stand there: what is to be pasted
# is read from it, gets addresses and folders of this machine, and is run.  So
# are backup and restore, and the way from one Redis to a cluster.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Authority;
use Iot::Cluster;
use Iot::Load;
use Iot::Nginx;
use Iot::Readme;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $number = 0;

one_redis();
tls_and_acl();
sentinel();
cluster();
backup_and_restore();
one_to_cluster();

done_testing();


# ---- what is tested -------------------------------------------------------

sub one_redis {
    my $redis = server(block('One Redis', ''));
    my $nginx = gateway_from(block('One Redis', 'nginx'),
                             '10.0.0.1:6379' => "127.0.0.1:$redis->{port}");

    works('one Redis', $nginx, "-p $redis->{port}");
    is(config($redis, 'appendfsync'), 'always', 'one Redis: as configured');

    is($nginx->stop, '', 'one Redis: nginx stops');
    $redis->stop;
}


sub tls_and_acl {
    my $ca = Iot::Authority->new('ca');
    my $path = $ca->certificate('redis', names => 'DNS:localhost');
    my $section = 'Redis with TLS and ACL';

    # people have a user of their own
    my $redis = server(block($section, '') . "user admin on >admin ~* +\@all\n",
        '/etc/redis/redis.pem' => "$path.pem",
        '/etc/redis/redis.key' => "$path.key",
        '/etc/redis/ca.pem' => $ca->file, '>PASSWORD' => '>long-enough');

    my $password = "$redis->{dir}/redis.password";
    write_file($password, "long-enough\n");

    my $nginx = gateway_from(block($section, 'nginx'),
        'redis.example.com:6379' => "localhost:$redis->{tls_port}",
        '/etc/nginx/redis.password' => $password,
        '/etc/nginx/redis-ca.pem' => $ca->file);

    works('TLS and ACL', $nginx, "--tls --cacert " . $ca->file
        . " -h localhost -p $redis->{tls_port} --user admin --pass admin"
        . ' --no-auth-warning');

    is($nginx->stop, '', 'TLS and ACL: nginx stops');
    $redis->stop;
}


sub sentinel {
    my $section = 'Redis Sentinel';
    my ($master, @replicas) = map { server(block($section, '')) } 0 .. 2;

    $_->command('REPLICAOF', '127.0.0.1', $master->{port}) for @replicas;

    my @sentinels = map {
        my $sentinel = RedisLab::Redis->new('--sentinel');

        $sentinel->{config} = "$sentinel->{dir}/sentinel.conf";
        write_file($sentinel->{config}, filled(block($section, '', 1),
            '10.0.0.1 6379' => "127.0.0.1 $master->{port}"));
        $sentinel->start;
    } 1 .. 3;

    my %addresses = map {
        ("10.0.0.$_:26379" => "127.0.0.1:$sentinels[$_ - 1]{port}")
    } 1 .. 3;

    # it takes nothing without a replica
    wait_until(sub { $master->info('min_slaves_good_slaves') == 2 }, 30);

    my $nginx = gateway_from(block($section, 'nginx'), %addresses);

    works('sentinel', $nginx, "-p $master->{port}");

    is($nginx->stop, '', 'sentinel: nginx stops');
    $_->stop for @sentinels, @replicas, $master;
}


sub cluster {
    my (@nodes, %ports);

    for my $n (1 .. 6) {
        my $port = Iot::Cluster::port_with_bus();

        $ports{"10.0.0.$n:6379"} = "127.0.0.1:$port";
        push @nodes, server(block('Redis Cluster', ''), 'port 6379' =>
                            "port $port");
    }

    my $create = block('Redis Cluster', 'sh');

    shell('cluster: created', $create =~ s/create/create --cluster-yes/r,
          %ports);

    ok(wait_until(sub {
        !grep { $_->command('CLUSTER', 'INFO') !~ /cluster_state:ok/ } @nodes
    }, 30), 'cluster: all servers say so');

    my $nginx = gateway_from(block('Redis Cluster', 'nginx'), %ports);

    works('cluster', $nginx, "-c -p $nodes[0]{port}");

    is($nginx->stop, '', 'cluster: nginx stops');
    $_->stop for @nodes;
}


# A backup is taken, then more is added and deleted; what is restored is what
# was there before.

sub backup_and_restore {
    my $redis = RedisLab::Redis->new('--appendonly', 'yes')->start;
    my $nginx = load_gateway("server 127.0.0.1:$redis->{port};",
                             workers => 1);

    create_registry_at("-p $redis->{port}", 'fleet');

    my @operations = map { operation_of(add($nginx)) } 1 .. 20;
    my $before = list($nginx);
    my $rdb = "$redis->{dir}/iot.rdb";

    shell('backup: taken', block('Backup and restore', 'sh'),
          'redis-cli' => "redis-cli -p $redis->{port}", 'iot.rdb' => $rdb);

    operation_of(add($nginx)) for 1 .. 5;
    $nginx->request('DELETE', path() . "/$_") for first_of($before);
    isnt(list($nginx), $before, 'backup: then other things are done');

    $redis->stop;
    rename "$redis->{dir}/appendonlydir", "$redis->{dir}/away" or die $!;
    rename $rdb, "$redis->{dir}/dump.rdb" or die $!;

    # as README.md has it, but for the place
    my ($start, $then) = split /\n/, block('Backup and restore', 'sh', 1);
    my @options = split ' ', $start =~ s/^redis-server redis.conf (.*) &/$1/r;

    $redis->start(@options);
    is($redis->command(split ' ', $then =~ s/^redis-cli //r), 'OK',
       'restore: append-only files are written again');
    wait_until(sub { $redis->info('aof_rewrite_in_progress') eq '0'
                     && $redis->info('aof_rewrite_scheduled') eq '0' });

    $redis->stop;
    unlink "$redis->{dir}/dump.rdb";
    $redis->start;

    # each lane finds it in its own time
    wait_until(sub { $nginx->request('GET', "/operations/$operations[0]")
                     ->{status} != 503 });
    wait_until(sub { $nginx->request('GET', path())->{status} != 503 });
    is(list($nginx), $before, 'restore: what was there is there again');
    is(scalar(grep {
        $nginx->request('GET', "/operations/$_")->{status} == 200
    } @operations), 20, 'restore: and its operations');

    is($nginx->stop, '', 'restore: nginx stops');
    $redis->stop;
}


sub one_to_cluster {
    my $redis = RedisLab::Redis->new->start;
    my $cluster = Iot::Cluster->start(masters => 3, replicas => 0);
    my ($node) = $cluster->nodes;
    my $section = 'From one Redis to a cluster';
    my %addresses = ('10.0.0.1:6379' => "127.0.0.1:$node->{port}",
                     '10.0.0.9:6379' => "127.0.0.1:$redis->{port}");

    my $old = "server 127.0.0.1:$redis->{port};";
    my $nginx = load_gateway($old);

    my @registries = map { "plant-$_" } 1 .. 10;

    for my $registry (@registries) {
        create_registry_at("-p $redis->{port}", $registry);
        operation_of(add($nginx, $registry)) for 1 .. 5;
    }

    my %before = map { $_ => list($nginx, $_) } @registries;

    # what is read only says so, and not in HTML

    my %parts = Iot::Load::gateway_parts($old);
    my $only = block($section, 'nginx');

    $nginx->configure(%parts, server => $parts{server}
        =~ s/(?=iot_api)/$only/r);
    $nginx->reload;
    wait_until(sub { 2 == $nginx->workers });

    my $add = add($nginx, 'plant-1');
    is($add->{status}, 503, 'to a cluster: adds are refused');
    is((eval { decode_json($add->{body}) } || {})->{code}, 14,
       'to a cluster: in JSON');
    is(list($nginx, 'plant-1'), $before{'plant-1'},
       'to a cluster: reads go on');

    my $dump = dump_of($redis);

    shell('to a cluster: copied', block($section, 'sh'), %addresses);
    is_deeply(dump_of($cluster->masters), $dump,
              'to a cluster: every key is there, as it was');

    my $said = shell('to a cluster: claims are compared',
        "$FindBin::Bin/../conf/reconcile-claims -- -p $node->{port}");
    is($said, "50 certificates, 0 names, 0 mended, 0 left\n",
       'to a cluster: and in order');

    %parts = Iot::Load::gateway_parts("topology cluster; server "
        . join(' ', $cluster->addresses) . ';');
    $nginx->configure(%parts);
    $nginx->reload;
    wait_until(sub { 2 == $nginx->workers });
    $redis->stop;

    is_deeply({ map { $_ => list($nginx, $_) } @registries }, \%before,
              'to a cluster: the same lists');

    is($nginx->stop, '', 'to a cluster: nginx stops');
    $_->stop for $cluster->nodes;
}


# ---- around it ------------------------------------------------------------

sub filled {
    my ($text, %of) = @_;

    $text =~ s/\Q$_\E/$of{$_}/g for sort { length $b <=> length $a } keys %of;

    return $text;
}


# a Redis with that configuration

sub server {
    my ($text, %of) = @_;

    my $redis = RedisLab::Redis->new;
    my ($port) = filled($text, %of) =~ /^port (\d+)/m;

    # the one of a cluster is chosen with its bus
    $redis->{port} = $port if $port && $port != 6379;

    # what the command line says has the last word: port, bind, dir and socket;
    # the test asks on the port that the configuration switches off

    if ($text =~ /^tls-port/m) {
        $redis->{tls_port} = RedisLab::free_port();
        $of{'tls-port 6379'} = "tls-port $redis->{tls_port}";
    }

    $redis->{config} = "$redis->{dir}/redis.conf";
    write_file($redis->{config}, filled($text, %of)
               =~ s{/var/lib/redis}{$redis->{dir}}r =~ s/10\.0\.0\.1/127.0.0.1/r);

    return $redis->start;
}


sub config { return $_[0]->command('CONFIG', 'GET', $_[1])->[1] }


sub write_file {
    my ($name, $text) = @_;

    open my $file, '>', $name or die "$name: $!";
    print $file $text;
    close $file;
}


# the gateway of the other tests with that iot_store

sub gateway_from {
    my ($store, %of) = @_;

    my %parts = Iot::Load::gateway_parts('server none;');
    $store = filled($store, %of);

    $parts{http} =~ s/^\s*iot_store main \{.*?\}\n/$store/ms;

    return Iot::Nginx->start(workers => 2, %parts);
}


sub shell {
    my ($name, $command, %of) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $said = qx{(@{[ filled($command, %of) ]}) 2>&1};

    is($?, 0, $name) or diag $said;

    return $said;
}


# registries in several slots

sub works {
    my ($name, $nginx, $redis_cli) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for my $registry (qw(fleet plant-1 plant-2)) {
        create_registry_at($redis_cli, $registry);

        wait_until(sub { $nginx->request('GET', path($registry))
                         ->{status} == 200 });

        my $add = add($nginx, $registry);
        is($add->{status}, 200, "$name: $registry takes a certificate")
            or diag $add->{body};
        like(list($nginx, $registry), qr/^.{300}/,
             "$name: and $registry lists it");
    }
}


sub path { return '/iot-devices/v1/registries/' . ($_[0] // 'fleet')
                  . '/certificates' }


sub add {
    my ($nginx, $registry) = @_;

    return $nginx->request('POST', path($registry),
        body(Iot::Load::certificate_of(++$number)));
}


sub operation_of {
    my ($answer) = @_;

    die "not added: $answer->{body}" if $answer->{status} != 200;

    return decode_json($answer->{body})->{id};
}


# the text of the list, pages being told their length

sub list {
    my ($nginx, $registry) = @_;

    my $page = $nginx->request('GET', path($registry) . '?pageSize=100');

    return $page->{body};
}


sub first_of {
    return map { $_->{fingerprint} }
           @{decode_json($_[0])->{certificates}}[0 .. 2];
}


# all keys, with what they hold and whether they expire

sub dump_of {
    my (@nodes) = @_;

    my %dump;

    for my $node (@nodes) {
        for my $key (@{$node->command('KEYS', '*')}) {
            $dump{$key} = unpack('H*', $node->command('DUMP', $key))
                . ($node->command('PTTL', $key) > 0 ? ' expires' : '');
        }
    }

    return \%dump;
}
