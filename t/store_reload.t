#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What an operator does to a gateway that is in use: reloads, also with a Redis
# that is down or stalls and with a configuration that is none, and changes of
# Redis' users.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use File::Temp;
use Iot;
use Iot::Load;
use Iot::Nginx;
use Test::More;
use Time::HiRes qw(sleep time);

my $redis = RedisLab::Redis->new('--appendonly', 'yes')->start;
my $number = 0;

create_registry_at("-p $redis->{port}", $_) for qw(plant-0 plant-1 fleet);

reloads_under_load();
reload_while_down();
shutdown_timeout();
user_deleted();
rights_taken();
password_changed();

done_testing();


# ---- what is tested -------------------------------------------------------

# Five that succeed and two that do not; no request is lost with any of them.

sub reloads_under_load {
    my %parts = Iot::Load::gateway_parts(store('timeout 20s'));
    my $nginx = load_gateway(store('timeout 20s'));

    my $master = descriptors_of($nginx->pid);

    my $load = under_load('reloads', $nginx, [ $redis ], sub {
        my ($load) = @_;

        for my $n (1 .. 5) {
            ok($nginx->reload, "reload $n: new workers");
            $load->more(10);

            next if $n % 2;

            my @workers = $nginx->workers;

            $nginx->configure(%parts, http => "$parts{http} nonsense$n;");
            $nginx->signal('HUP');
            ok(wait_until(sub {
                $nginx->error_log =~ /unknown directive "nonsense$n"/
            }), "reload $n: one more fails");
            $load->more(10);

            my %now = map { $_ => 1 } $nginx->workers;
            is(scalar(grep { $now{$_} } @workers), 2,
               "reload $n: and changes nothing");

            $nginx->configure(%parts);
        }
    }, keepalive => 0, reloads => 1);

    is(join(' ', grep { !/ (?:200|409 \w+)$/ } sort keys %{$load->tally}), '',
       'reloads: each request got what it asked for');
    cmp_ok(scalar $load->workers, '>', 2, 'reloads: from many workers');
    ok(wait_until(sub { 2 == $nginx->workers }), 'reloads: the old have ended');
    ok(wait_until(sub { 2 == $redis->links }), 'reloads: with their links');
    is(descriptors_of($nginx->pid), $master,
       'reloads: the master has as many descriptors as before');

    is($nginx->stop =~ s/^.*\[emerg\].*"nonsense\d".*\n//mgr, '',
       'reloads: the log has nothing to complain of');
}


sub reload_while_down {
    my $nginx = load_gateway(store('timeout 500ms; connect_timeout 500ms'));

    ok(works($nginx), 'down: works before');
    $redis->stop;
    is(add($nginx)->{status}, 503, 'down: not any more');

    for (1 .. 2) {
        ok($nginx->reload, 'down: new workers');
        ok(wait_until(sub { 2 == $nginx->workers }), 'down: the old have ended');
        is(answer(add($nginx)->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
           'down: the new ones say so');
    }

    my $load = Iot::Load->start($nginx);

    $redis->start;
    recovers($load, 'down');
    $load->stop;

    is($load->complaints($redis), '', 'down: what was said is what is stored');
    is($nginx->stop, '', 'down: the log has nothing to complain of');
}


# Old workers do not wait longer than they are told to; those who had sent
# something are told that nobody knows, or nothing.

sub shutdown_timeout {
    my $nginx = load_gateway(store('timeout 60s'),
                             main => 'worker_shutdown_timeout 1s;');
    my @old = $nginx->workers;

    ok(works($nginx), 'shutdown timeout: works before');
    $redis->signal('STOP');

    my @pending = map {
        $nginx->send_request('POST', path(), new_body())
    } 1 .. 16;

    # each worker has read what it was sent
    wait_until(sub { waiting($nginx) == 0 });

    my $since = time();

    ok($nginx->reload, 'shutdown timeout: new workers');
    ok(wait_until(sub {
        my %now = map { $_ => 1 } $nginx->workers;
        !grep { $now{$_} } @old;
    }, 30), 'shutdown timeout: the old ones end');
    diag(sprintf 'shutdown timeout of 1 s: ended in %.2f s', time() - $since);

    my @answers = map { Iot::Nginx::read_answer($_, 10) } @pending;
    my @wrong = grep {
        $_->{status} && answer($_->{body})
            !~ /^(?:14|4) STORE_OUTCOME_UNKNOWN\n.*metadata operationId/s
    } @answers;

    is(scalar @wrong, 0, 'shutdown timeout: no answer says more than is known')
        or diag $wrong[0]{body};

    $redis->signal('CONT');
    ok(wait_until(sub { works($nginx) }, 30),
       'shutdown timeout: the new ones work');
    is($nginx->stop, '',
       'shutdown timeout: the log has nothing to complain of');
}


sub user_deleted {
    my ($nginx, $password) = with_user();

    my $load = under_load('user deleted', $nginx, [ $redis ], sub {
        my ($load) = @_;

        $redis->command('ACL', 'DELUSER', 'iot');
        wait_for_errors($load, 8);
        set_user('secret');
        recovers($load, 'user deleted');
    });

    ok($load->tally->{'add 503 STORE_UNAVAILABLE'},
       'user deleted: adds were refused');
    like($nginx->error_log, qr/redis refused HELLO "WRONGPASS/,
         'user deleted: the log says why');
    unlike($nginx->error_log, qr/secret/, 'user deleted: without the password');
    is($nginx->stop, '',
       'user deleted: the log has nothing to complain of');
}


sub rights_taken {
    my ($nginx) = with_user();

    my $load = under_load('rights taken', $nginx, [ $redis ], sub {
        my ($load) = @_;

        $redis->command('ACL', 'SETUSER', 'iot', '-evalsha', '-eval');
        wait_for_errors($load, 8);
        $redis->command('ACL', 'SETUSER', 'iot', '+evalsha', '+eval');
        recovers($load, 'rights taken');
    });

    is(join(', ', grep { !/ (?:200|409 \w+|503 STORE_UNAVAILABLE)$/ }
                  sort keys %{$load->tally}), '',
       'rights taken: what is refused was not done');

    # one for each worker and kind of link
    my $told = () = $nginx->error_log =~ /redis refused a command: "NOPERM /g;
    ok($told > 0 && $told <= 4,
       'rights taken: the log says why, not for each request')
        or diag("$told times");
    is($nginx->stop, '',
       'rights taken: the log has nothing to complain of');
}


# It is read at each reload.

sub password_changed {
    my ($nginx, $password) = with_user();

    my $load = under_load('password changed', $nginx, [ $redis ], sub {
        my ($load) = @_;

        set_user('another');
        $load->more(10);

        $redis->command('CLIENT', 'KILL', 'USER', 'iot');
        wait_for_errors($load, 8);

        write_password($password, 'another');
        ok($nginx->reload, 'password changed: new workers');
        recovers($load, 'password changed');
    }, reloads => 1, keepalive => 0);

    unlike($nginx->error_log, qr/secret|another/,
           'password changed: the log has neither');
    is($nginx->stop, '',
       'password changed: the log has nothing to complain of');
}


# ---- around it ------------------------------------------------------------

sub descriptors_of { return scalar(() = glob "/proc/$_[0]/fd/*") }


sub store {
    my ($settings) = @_;

    return "server 127.0.0.1:$redis->{port}; $settings;";
}


# with the rights that README.md gives

sub set_user {
    my ($password) = @_;

    open my $in, '<', "$FindBin::Bin/../README.md" or die "README.md: $!";
    my ($line) = grep { /^user iot / } <$in>;
    my (undef, undef, @rights) = split ' ', $line;

    my $said = $redis->command('ACL', 'SETUSER', 'iot', 'reset',
        map { s/^>.*/>$password/r } @rights);
    die "ACL: $said" if $said ne 'OK';
}


sub with_user {
    my $password = File::Temp->new;

    write_password($password, 'secret');
    set_user('secret');

    my $nginx = load_gateway(store('timeout 500ms; username iot; '
                                   . "password_file $password"));
    settle($nginx);

    return ($nginx, $password);
}


sub write_password {
    my ($file, $password) = @_;

    open my $out, '>', "$file" or die "$file: $!";
    print $out "$password\n";
    close $out;
}


# bytes that nginx has not read, of all connections

sub waiting {
    my ($nginx) = @_;

    my $port = sprintf '%04X', $nginx->port;
    my $sum = 0;

    $sum += hex for Iot::Nginx::slurp('/proc/net/tcp')
        =~ /^\s*\d+: \w+:$port \w+:\w+ 0[18] \w+:(\w+)/mg;

    return $sum;
}


sub path { return '/iot-devices/v1/registries/fleet/certificates' }

sub new_body { return body(Iot::Load::certificate_of(++$number)) }

sub add { return $_[0]->request('POST', path(), new_body()) }

sub works { return add($_[0])->{status} == 200 }
