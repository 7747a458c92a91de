#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What clients are told of changes that have to be on replicas: with the rights
# that README.md gives, with a replica that hangs, and with a master that dies
# under load, where nothing that was answered 200 may be lost.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Load;
use Iot::Nginx;
use Iot::Sentinels;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $PATH = '/iot-devices/v1/registries/plant-0/certificates';
my $number = 0;

one_replica();
failover();

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
    is(add($nginx, $pem)->{status}, 200, 'an add');
    ok($replica->command('DBSIZE') > 1, 'the replica has it');

    $replica->signal('STOP');

    $pem = new_certificate();
    my $answer = add($nginx, $pem);
    is($answer->{status}, 504, 'the replica hangs: 504');

    my $error = decode_json($answer->{body});
    my ($info) = grep { $_->{'@type'} =~ /ErrorInfo/ } @{$error->{details}};
    is($error->{code}, 4, 'DEADLINE_EXCEEDED');
    is($info->{reason}, 'STORE_OUTCOME_UNKNOWN', 'reason');
    like($error->{message}, qr/too few replicas/, 'message');

    my $id = $info->{metadata}{operationId};
    my $operation = decode_json(
        $nginx->request('GET', "/operations/$id")->{body});
    ok($operation->{done}, 'the operation tells that it was done');
    is($operation->{response}{certificateData}, $pem, 'all of it');
    is($nginx->request('GET', $PATH)->{status}, 200, 'reads go on');

    $replica->signal('CONT');
    ok(wait_until(sub { $master->command('WAIT', 1, 100) == 1 }),
       'the replica goes on');

    $answer = decode_json(add($nginx, $pem)->{body});
    ($info) = grep { $_->{'@type'} =~ /ErrorInfo/ } @{$answer->{details}};
    is($answer->{code}, 6, 'the same again: ALREADY_EXISTS');
    is($info->{metadata}{operationId}, $id, 'by that operation');

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


sub add {
    my ($nginx, $pem) = @_;

    return $nginx->request('POST', $PATH, body($pem));
}

sub new_certificate {
    return certificate(name => 'device-' . ++$number);
}

sub slurp { RedisLab::slurp(@_) }
