#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What goes wrong in the life of a gateway: clients that go away, a Redis that
# is slow, full, dead or no master, reloads under load.  What was acknowledged
# stays, what was refused was not done, and what is unknown can be asked for.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha1_hex sha256_hex);
use Iot;
use Iot::Nginx;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

my $prefix = '/iot-devices/v1/registries/fleet/certificates';

# a sanitizer keeps what is freed for a while
my $instrumented = $ENV{ASAN_OPTIONS} || $ENV{TEST_NGINX_USE_VALGRIND};

my $locations = <<'_EOC_';
    keepalive_requests 1000000;

    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_

my $number = 0;
my $template = der(certificate());

$SIG{PIPE} = 'IGNORE';

redis_up();
create_registry('fleet');

# one that waits for a slow Redis, and one that soon has enough
my $patient = gateway_with('timeout 20s');
my $hasty = gateway_with('timeout 300ms; connect_timeout 300ms');

client_leaves();
store_down();
store_stalls();
store_stalls_for_deletes();
store_killed();
store_restarts();
scripts_lost();
memory_full();
no_master();
queue_full();
reload_in_flight();
reload_under_load();
quit_in_flight();
two_workers();
memory_stays();

is($_->stop, '', 'nginx stops, and its log has nothing to complain of')
    for $patient, $hasty;

done_testing();


# ---- what is tested -------------------------------------------------------

sub client_leaves {
    my $pem = certificate_of($number++);

    # in the headers, and in the body
    my $socket = $patient->connection;
    print $socket "POST $prefix HTTP/1.1\r\nHost: lo";
    close $socket;

    $socket = $patient->connection;
    print $socket substr Iot::Nginx::text('POST', $prefix, body($pem)), 0, -10;
    settled($patient);
    close $socket;
    settled($patient);

    # while the store has the command
    my $redis = stall();

    my @pending = map { adding($patient) } 1 .. 8;
    settled($patient);

    close $pending[$_]{socket} for 0, 3, 4, 7;
    settled($patient);

    kill 'CONT', $redis;

    is_added($pending[$_], "client leaves: answer $_ of those who stay")
        for 1, 2, 5, 6;

    is_added(adding($patient), 'client leaves: the next one');
    is_added(adding($patient, $pem),
             'client leaves: a body that was cut off was not taken');
}


sub store_down {
    my $operation = added($hasty)->{id};

    redis_stop();

    my $add = add($hasty);
    is($add->{status}, 503, 'store down: an add');
    is(answer($add->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       'store down: an add, reason');
    is($add->{headers}{'retry-after'}, 1, 'store down: Retry-After');

    my $get = $hasty->request('GET', "/operations/$operation");
    is($get->{status}, 503, 'store down: a read');
    is(answer($get->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       'store down: a read, reason');

    my $refused = $hasty->request('POST', $prefix, '{broken');
    is($refused->{status}, 400, 'store down: what needs no store goes on');

    redis_up();
    ok(back($hasty), 'store down: it comes back by itself');
    is($hasty->request('GET', "/operations/$operation")->{status}, 200,
       'store down: what was added before is there');
}


# The outcome is unknown, and reading the operation tells it.

sub store_stalls {
    my $known = added($hasty)->{id};
    my $redis = stall();
    my $get = $hasty->request('GET', "/operations/$known");

    is($get->{status}, 504, 'store stalls: a read');
    is(answer($get->{body}), "4 STORE_TIMEOUT\n",
       'store stalls: a read has no outcome to know');

    kill 'CONT', $redis;
    ok(back($hasty), 'store stalls: it goes on');

    stall();

    my $pem = certificate_of($number++);
    my $add = add($hasty, $pem);

    is($add->{status}, 504, 'store stalls: an add');
    my $operation = unknown_outcome($add, 4, 'store stalls');

    # meanwhile the link is gone: nothing is sent any more
    ok(wait_until(sub {
        answer($hasty->request('POST', $prefix,
                               body(certificate_of($number)))->{body})
            eq "14 STORE_UNAVAILABLE\nretry 1s\n"
    }), 'store stalls: the next ones are refused at once');

    kill 'CONT', $redis;
    ok(back($hasty), 'store stalls: it goes on again');

    # the bytes were in the socket: Redis has executed them
    my $read = $hasty->request('GET', "/operations/$operation");
    is($read->{status}, 200, 'store stalls: the operation tells: done');
    is(answer($read->{body}), "added to fleet\n",
       'store stalls: the certificate with it');

    my $again = add($hasty, $pem);
    is($again->{status}, 409, 'store stalls: a retry');
    is(detail($again, 'ErrorInfo')->{metadata}{operationId}, $operation,
       'store stalls: a retry is told the operation that did it');

    is(add($hasty, certificate_of($number++))->{status}, 200,
       'store stalls: what was refused had not been sent');
}


sub store_stalls_for_deletes {
    my ($pem, $kept) = map { certificate_of($number++) } 1, 2;
    my ($gone, $sha1) = (sha256_hex(der($pem)), sha1_hex(der($kept)));

    add($hasty, $_) for $pem, $kept;

    my $redis = stall();

    my $delete = $hasty->request('DELETE', "$prefix/$gone");

    is($delete->{status}, 504, 'store stalls: a delete');
    my $operation = unknown_outcome($delete, 4, 'store stalls, delete');

    kill 'CONT', $redis;
    ok(back($hasty), 'store stalls: it goes on after a delete');

    my $read = $hasty->request('GET', "/operations/$operation");
    is(answer($read->{body}), "deleted from fleet\n",
       'store stalls: the operation tells: deleted');
    is($hasty->request('GET', "$prefix/$gone")->{status}, 404,
       'store stalls: and so it is');

    # the first step finds the certificate, and changes nothing
    stall();

    $delete = $hasty->request('DELETE', "$prefix/$sha1");

    is($delete->{status}, 504, 'store stalls: a delete by SHA-1');
    is(answer($delete->{body}), "4 STORE_TIMEOUT\n",
       'store stalls: a delete that had not begun has no outcome to know');

    kill 'CONT', $redis;
    ok(back($hasty), 'store stalls: it goes on after a delete by SHA-1');

    is($hasty->request('GET', "$prefix/$sha1")->{status}, 200,
       'store stalls: it did nothing');
}


sub store_killed {
    my $known = added($patient)->{id};
    stall();

    my $pem = certificate_of($number++);
    my $add = $patient->send_request('POST', $prefix, body($pem));
    my $get = $patient->send_request('GET', "/operations/$known");
    settled($patient);

    redis_stop('KILL');

    $add = Iot::Nginx::read_answer($add);
    $get = Iot::Nginx::read_answer($get);

    is($add->{status}, 503, 'store killed: an add');
    my $operation = unknown_outcome($add, 14, 'store killed');
    is($add->{headers}{'retry-after'}, 1, 'store killed: Retry-After');

    is($get->{status}, 503, 'store killed: a read');
    is(answer($get->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       'store killed: a read, reason');

    redis_up();
    ok(back($patient), 'store killed: back again');

    is($patient->request('GET', "/operations/$operation")->{status}, 404,
       'store killed: the operation tells: not done');
    is(add($patient, $pem)->{status}, 200, 'store killed: a retry does it');
}


sub store_restarts {
    my @operations = map { added($patient) } 1 .. 20;

    redis_stop('KILL');
    redis_up();
    ok(back($_), 'store restarts: back again') for $patient, $hasty;

    my @lost = grep {
        my $read = $patient->request('GET', "/operations/$_->{id}");
        $read->{body} ne $_->{text};
    } @operations;

    is(scalar @lost, 0, 'store restarts: what was acknowledged is there');
}


sub scripts_lost {
    redis('SCRIPT', 'FLUSH');

    my @pending = map { adding($patient) } 1 .. 5;
    is_added($_, 'scripts lost: they are sent again') for @pending;
}


sub memory_full {
    my $known = added($hasty)->{id};
    my $keys = redis('DBSIZE');

    redis('CONFIG', 'SET', 'maxmemory', '100kb');

    my $add = add($hasty);
    is($add->{status}, 503, 'memory full: an add');
    is(answer($add->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       'memory full: reason');
    is(redis('DBSIZE'), $keys, 'memory full: nothing was written');
    is($hasty->request('GET', "/operations/$known")->{status}, 200,
       'memory full: reads go on');
    like($hasty->error_log, qr/redis refused a command: "OOM /,
         'memory full: Redis\' words are in the log');

    redis('CONFIG', 'SET', 'maxmemory', 0);
    is(add($hasty)->{status}, 200, 'memory full: over');
}


sub no_master {
    my $keys = redis('DBSIZE');

    redis('REPLICAOF', '127.0.0.1', 1);

    my $add = add($hasty);
    is($add->{status}, 503, 'no master: an add');
    is(answer($add->{body}), "14 STORE_UNAVAILABLE\nretry 1s\n",
       'no master: reason');
    is(redis('DBSIZE'), $keys, 'no master: nothing was written');

    redis('REPLICAOF', 'NO', 'ONE');
    ok(back($hasty), 'no master: master again');
}


sub queue_full {
    my $nginx = gateway_with('timeout 20s; queue 3');
    my $redis = stall();

    my @pending = map { adding($nginx) } 1 .. 3;
    settled($nginx);

    for (1 .. 2) {
        my $answer = add($nginx);

        is($answer->{status}, 503, 'queue full: one too many');
        is(answer($answer->{body}), "14 STORE_QUEUE_FULL\nretry 1s\n",
           'queue full: reason');
    }

    # who goes away before the answer leaves the command in the queue
    close $pending[0]{socket};
    settled($nginx);
    is(add($nginx)->{status}, 503, 'queue full: until it is answered');

    kill 'CONT', $redis;

    is_added($_, 'queue full: those in it are answered') for @pending[1, 2];
    is_added(adding($nginx), 'queue full: over');

    is($nginx->stop, '', 'queue full: nginx stops');
}


sub reload_in_flight {
    my ($old) = $patient->workers;
    my $redis = stall();

    my @pending = map { adding($patient) } 1 .. 5;
    settled($patient);

    ok($patient->reload, 'reload in flight: a new worker is there');

    kill 'CONT', $redis;

    is_added($_, 'reload in flight: the old one answers') for @pending;
    ok(wait_until(sub { !grep { $_ == $old } $patient->workers }, 30),
       'reload in flight: and ends');
    is_added(adding($patient), 'reload in flight: the new one works');
}


# Clients add and read without a break while nginx reloads five times.

sub reload_under_load {
    my $stop = $patient->path('stop');
    my @clients;

    for my $client (1 .. 3) {
        my $base = $number;
        my $parent = $$;
        my $pid = fork() // die "fork: $!";

        if ($pid == 0) {
            Iot::Nginx::die_with_parent($parent);
            load_client($base, $stop, $patient->path("client.$client"));
            POSIX::_exit(0);
        }

        $number += 100_000;
        push @clients, { pid => $pid, log => $patient->path("client.$client") };
    }

    for (1 .. 5) {
        my %size = map { $_->{log} => -s $_->{log} || 0 } @clients;

        # each client gets some more answers in between
        wait_until(sub {
            !grep { (-s $_->{log} || 0) < $size{$_->{log}} + 500 } @clients;
        }, 60) or last;

        ok($patient->reload, 'reload under load: new workers');
    }

    open my $file, '>', $stop;
    close $file;
    waitpid $_->{pid}, 0 for @clients;

    my (@bad, @operations);

    for my $client (@clients) {
        for my $line (split /\n/, Iot::Nginx::slurp($client->{log})) {
            my ($add, $get, $id) = split ' ', $line;

            push @bad, $line if $add != 200 || $get != 200;
            push @operations, $id // ();
        }
    }

    is("@bad", '', 'reload under load: each request got its answer');
    cmp_ok(scalar @operations, '>', 50, 'reload under load: there was a load');

    my $unreadable = grep {
        $patient->request('GET', "/operations/$_")->{status} != 200
    } @operations;

    is($unreadable, 0, 'reload under load: every operation can be read');

    ok(wait_until(sub { 1 == $patient->workers }, 30),
       'reload under load: old workers have ended');
    ok(wait_until(sub { links() == 2 }),
       'reload under load: and closed their links');
}


sub load_client {
    my ($n, $stop, $log) = @_;

    open my $file, '>', $log;
    $file->autoflush(1);

    until (-e $stop) {
        my $add = eval { add($patient, certificate_of($n++)) };
        my $id = $add && $add->{body} =~ /^\{"id":"(\w+)"/ ? $1 : 'none';
        my $get = eval { $patient->request('GET', "/operations/$id") };

        printf $file "%d %d %s\n", $add ? $add->{status} : 0,
            $get ? $get->{status} : 0, $id;
    }
}


sub quit_in_flight {
    my $nginx = gateway_with('timeout 20s');
    my $redis = stall();

    my @pending = map { adding($nginx) } 1 .. 5;
    settled($nginx);

    $nginx->signal('QUIT');
    ok(wait_until(sub {
        $nginx->error_log =~ /gracefully shutting down/
    }), 'quit in flight: the worker has heard it');

    kill 'CONT', $redis;

    is_added($_, 'quit in flight: the answers come') for @pending;
    is($nginx->stop, '', 'quit in flight: nginx ends');
}


sub two_workers {
    my $nginx = gateway_with('timeout 20s', workers => 2);

    my @pending = map { adding($nginx) } 1 .. 60;
    my @wrong = grep { !answered($_) } @pending;

    is(scalar @wrong, 0, 'two workers: all get their own answers');
    ok(wait_until(sub { links() == 4 }), 'two workers: one link for each');

    is($nginx->stop, '', 'two workers: nginx stops');
    ok(wait_until(sub { links() == 2 }), 'two workers: links are closed');
}


# Answers of every kind on one connection: what a request takes is given back.

sub memory_stays {
    # six thousand adds: the disk is not what is tested
    redis('CONFIG', 'SET', 'appendfsync', 'no');

    my $nginx = gateway_with('timeout 20s');
    my $socket = $nginx->connection;
    my $total = $instrumented ? 2_000 : 20_000;
    my $warm = $total / 4;
    my $pem = certificate_of($number++);
    my $known = decode_json(add($nginx, $pem)->{body})->{id};
    my ($before, %status);

    my @others = map { Iot::Nginx::text(@$_, Connection => 'keep-alive') } (
        [ 'GET', "/operations/$known", undef ],
        [ 'GET', '/operations/7e1k8627grr1081g8186', undef ],
        [ 'POST', $prefix, '{broken' ],
        [ 'POST', $prefix, body($pem) ],
        [ 'POST', $prefix, 'x' x 5000 ],
        [ 'PUT', $prefix, undef ],
        [ 'GET', '/operations/', undef ],
    );

    for (my $n = 0; $n < $total; $n += 20) {
        $before = $nginx->memory if !$before && $n >= $warm;

        my @batch = map { Iot::Nginx::text('POST', $prefix,
            body(certificate_of($number++)), Connection => 'keep-alive')
        } 1 .. 6;

        print $socket @batch, @others, @others;

        for (1 .. @batch + 2 * @others) {
            $status{Iot::Nginx::read_answer($socket)->{status}}++;
        }
    }

    my $grown = $nginx->memory - $before;
    my $batches = $total / 20;

    is_deeply(\%status, { 200 => 8 * $batches, 409 => 2 * $batches,
                          400 => 4 * $batches, 404 => 4 * $batches,
                          405 => 2 * $batches },
              'memory: all answers came');

    if (!$instrumented) {
        cmp_ok($grown, '<', 1024, "memory: grown by $grown KB in "
               . ($total - $warm) . ' requests');
    }

    is($nginx->stop, '', 'memory: nginx stops');
}


# ---- helpers --------------------------------------------------------------

sub gateway_with {
    my ($settings, @options) = @_;

    return Iot::Nginx->start(
        http => http_config() =~ s/(server [^;]*;)/$1 $settings;/r,
        server => $locations, @options);
}


sub redis_up {
    redis_start('--appendonly', 'yes', '--appendfsync', 'always');
}


# Redis does nothing until it gets CONT

sub stall {
    my ($pid) = redis('INFO', 'server') =~ /^process_id:(\d+)/m;

    kill 'STOP', $pid;

    return $pid;
}


# The worker has one loop: when it answers this, which needs no store, it has
# read all that was sent to it before.

sub settled {
    my ($nginx) = @_;

    $nginx->request('GET', '/operations/x');
}


# adds go through again

sub back {
    my ($nginx) = @_;

    my $pem = certificate_of($number++);

    return wait_until(sub { add($nginx, $pem)->{status} =~ /^(200|409)$/ }, 30);
}


# connections that gateways have to Redis

sub links {
    return scalar grep { !/cmd=client/ } split /\n/, redis('CLIENT', 'LIST');
}


# the n-th certificate: the signature is not looked at

sub certificate_of {
    my ($n) = @_;

    return pem(substr($template, 0, -4) . pack 'N', $n);
}


sub add {
    my ($nginx, $pem) = @_;

    return $nginx->request('POST', $prefix,
                           body($pem // certificate_of($number++)));
}


# an add whose answer has not been read

sub adding {
    my ($nginx, $pem) = @_;

    $pem //= certificate_of($number++);

    return { pem => $pem,
             socket => $nginx->send_request('POST', $prefix, body($pem)) };
}


sub answered {
    my ($pending) = @_;

    my $answer = Iot::Nginx::read_answer($pending->{socket});
    close $pending->{socket};

    my $operation = eval { decode_json($answer->{body}) } || {};

    return $answer->{status} == 200
           && ($operation->{response}{certificateData} // '')
              eq $pending->{pem}
           && $operation->{metadata}{fingerprint}
              eq sha256_hex(der($pending->{pem}));
}


sub is_added {
    my ($pending, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(answered($pending), $name);
}


# adds one: its operation's id, and the text of the answer

sub added {
    my ($nginx) = @_;

    my $answer = add($nginx);

    die "not added: $answer->{status} $answer->{body}"
        if $answer->{status} != 200;

    return { id => decode_json($answer->{body})->{id},
             text => $answer->{body} };
}


sub detail {
    my ($answer, $name) = @_;

    my $status = eval { decode_json($answer->{body}) } || {};
    my ($detail) = grep { $_->{'@type'} =~ /\.$name$/ }
                   @{ $status->{details} || [] };

    return $detail || {};
}


# the operation that will tell

sub unknown_outcome {
    my ($answer, $code, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    like(answer($answer->{body}), qr/^$code STORE_OUTCOME_UNKNOWN\n/,
         "$name: the outcome is unknown");

    my $id = detail($answer, 'ErrorInfo')->{metadata}{operationId} // '';

    like($id, qr/^[0-9a-v]{20}$/, "$name: it names the operation");

    return $id;
}
