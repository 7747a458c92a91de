#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What clients are told of changes that have to be on replicas: with the rights
# that README.md gives, with a replica that hangs, and with a master that dies
# under load, where nothing that was answered 200 may be lost; with sentinels,
# and in a cluster whose masters have a replica each.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256 sha256_hex);
use Iot;
use Iot::Cluster;
use Iot::Load;
use Iot::Nginx;
use Iot::Sentinels;
use JSON::PP;
use List::Util qw(uniq);
use Test::More;
use Time::HiRes qw(sleep time);

my $number = 0;

one_replica();
failover();
cluster();

done_testing();


sub one_replica {
    my $master = RedisLab::Redis->new('--repl-diskless-sync-delay', 0)->start;
    my $replica = RedisLab::Redis->new('--replicaof', '127.0.0.1',
                                       $master->{port})->start;

    my ($rights) = slurp("$FindBin::Bin/../README.md")
        =~ /^user iot on >PASSWORD (.*)$/m;

    is($master->command('ACL', 'SETUSER', 'iot', 'on', '>secret',
                        split(' ', $rights), '+wait'), 'OK', 'a user');

    my $password = File::Temp->new;
    print $password "secret\n";
    $password->flush;

    create_registry_at("-p $master->{port}", 'plant-0');

    wait_until(sub { $replica->command('DBSIZE') == 1 })
        or die 'the replica does not follow';

    my $nginx = load_gateway("server 127.0.0.1:$master->{port}; replicas 1; "
        . "username iot; password_file $password; timeout 2s;");

    my $pem = new_certificate();
    is(add($nginx, 'plant-0', $pem)->{status}, 200, 'an add');
    ok($replica->command('DBSIZE') > 1, 'the replica has it');

    $replica->signal('STOP');

    $pem = new_certificate();
    my $id = add_in_vain('the replica hangs', $nginx, 'plant-0', $pem);
    is($nginx->request('GET', path('plant-0'))->{status}, 200, 'reads go on');

    $replica->signal('CONT');
    ok(wait_until(sub { $master->command('WAIT', 1, 100) == 1 }),
       'the replica goes on');

    exists_by($id, $nginx, 'plant-0', $pem);

    is($nginx->stop, '', 'nginx stops, its log is clean');
    $_->stop for $master, $replica;
}


sub failover {
    my $lab = Iot::Sentinels->start;
    my $nginx = load_gateway('topology sentinel ' . $lab->name . '; server '
        . join(' ', $lab->sentinel_addresses)
        . '; replicas 2; timeout 2s; connect_timeout 500ms;');

    create_registry_at('-p ' . $lab->master->{port}, $_)
        for qw(plant-0 plant-1);
    settle($nginx);

    my $old = $lab->master;

    # with one replica less nobody is answered 200; the third is back first

    under_load('failover', $nginx, sub { $lab->master }, sub {
        my ($load) = @_;

        $old->stop('KILL');
        ok($lab->failed_over($old), 'failover: another master');
        $old->start;
        ok($lab->in_step, 'failover: the old one follows');
        recovers($load, 'failover');
    });

    back_to_normal($nginx);
    is($nginx->stop, '', 'nginx stops after the failover');
}


# ---- a cluster -------------------------------------------------------------

sub cluster {
    my $lab = Iot::Cluster->start;
    my $nginx = load_gateway('topology cluster; server '
        . join(' ', $lab->addresses)
        . '; replicas 1; timeout 2s; connect_timeout 500ms;');

    # plant-0 and plant-1, the load's, on different masters as well

    my $master = $lab->owner(registry_tag('plant-0'));
    my ($away) = grep { $lab->owner(registry_tag($_)) != $master }
                 map { "plant-$_" } 1 .. 100;

    $lab->create_registry($_) for uniq('plant-0', 'plant-1', $away);
    ok($lab->ready, 'cluster: the replicas are in step');
    wait_until(sub { add($nginx, 'plant-0', new_certificate())->{status}
                     == 200 });
    settle($nginx);

    one_of_three_hangs($lab, $nginx, $master, $away);
    one_of_three_dies($lab, $nginx, $master, $away);

    back_to_normal($nginx);
    is($nginx->stop, '', 'cluster: nginx stops, its log is clean');
}


# What an add writes is at the master of the registry, and of the claim.

sub one_of_three_hangs {
    my ($lab, $nginx, $master, $away) = @_;

    my ($replica) = $lab->replicas($master);
    my $claimed_at = sub {
        my ($here) = @_;

        for (1 .. 100) {
            my $pem = new_certificate();
            my $first = unpack('n', sha256(der($pem))) >> 6;
            my $owner = $lab->owner(Iot::tag($first) . ':x');

            return $pem if ($owner == $master) == $here;
        }
    };

    my $keys = sub { join ' ', sort @{$_[0]->command('KEYS', '*')} };

    is(add($nginx, 'plant-0', $claimed_at->(1))->{status}, 200,
       'cluster: an add at one master');
    is($keys->($replica), $keys->($master), 'cluster: its replica has it');

    $replica->signal('STOP');

    my $pem = $claimed_at->(0);
    my $id = add_in_vain('cluster: a replica hangs', $nginx, 'plant-0', $pem);

    # a claim that may get lost is no reason to go on
    my $claim = $claimed_at->(1);
    is(error_info(add($nginx, $away, $claim))->{reason}, 'STORE_UNAVAILABLE',
       'cluster: where only the claim is there');
    is($nginx->request('GET', path($away) . '/' . sha256_hex(der($claim)))
           ->{status}, 404, 'cluster: the certificate is not');
    is(add($nginx, $away, $claimed_at->(0))->{status}, 200,
       'cluster: what is at the other masters goes on');
    is($nginx->request('GET', path('plant-0'))->{status}, 200,
       'cluster: reads go on');

    $replica->signal('CONT');
    ok(wait_until(sub { $master->command('WAIT', 1, 100) == 1 })
       && $lab->ready, 'cluster: the replica goes on');

    exists_by($id, $nginx, 'plant-0', $pem);
}


# A replica that takes over has none itself until the old master is back.

sub one_of_three_dies {
    my ($lab, $nginx, $old, $away) = @_;

    my $load = under_load('cluster: master dies', $nginx,
                          sub { $lab->masters }, sub {
        my ($load) = @_;

        $old->stop('KILL');
        ok($lab->failed_over($old), 'cluster: a replica takes over');
        wait_for_errors($load, 4);
        $old->start;
        ok($lab->ready, 'cluster: the old master follows');
        recovers($load, 'cluster');
    }, clients => 4, pause => 0.01, registries => [ 'plant-0', $away ]);

    is(scalar($load->lost), 0, 'cluster: nothing acknowledged is lost');
}


# ---- adds ------------------------------------------------------------------

sub add {
    my ($nginx, $registry, $pem) = @_;

    return $nginx->request('POST', path($registry), body($pem));
}


# It is done, and who asked can know that only from the operation: its id.

sub add_in_vain {
    my ($name, $nginx, $registry, $pem) = @_;

    my $answer = add($nginx, $registry, $pem);
    my $info = error_info($answer);
    my $error = decode_json($answer->{body});

    is($answer->{status}, 504, "$name: 504");
    is($error->{code}, 4, "$name: DEADLINE_EXCEEDED");
    is($info->{reason}, 'STORE_OUTCOME_UNKNOWN', "$name: reason");
    like($error->{message}, qr/too few replicas/, "$name: message");

    my $id = $info->{metadata}{operationId};
    my $operation = decode_json(
        $nginx->request('GET', "/operations/$id")->{body});
    ok($operation->{done}, "$name: the operation tells that it was done");
    is($operation->{response}{certificateData}, $pem, "$name: all of it");

    return $id;
}


sub exists_by {
    my ($id, @add) = @_;

    my $answer = add(@add);

    is(decode_json($answer->{body})->{code}, 6,
       'the same again: ALREADY_EXISTS');
    is(error_info($answer)->{metadata}{operationId}, $id, 'by that operation');
}


sub error_info {
    my $error = decode_json($_[0]{body});
    my ($info) = grep { $_->{'@type'} =~ /ErrorInfo/ } @{$error->{details}};

    return $info || {};
}

sub new_certificate {
    return certificate(name => 'device-' . ++$number);
}

sub path { return "/iot-devices/v1/registries/$_[0]/certificates" }

sub slurp { RedisLab::slurp(@_) }
