#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# iot_status: what it says of a Redis that is there, is not, is there again,
# refuses or stalls; that any worker says it for all; and what reloads and
# crashes leave of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Load;
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes qw(sleep time);

my $redis = RedisLab::Redis->new->start;
my %store = (server => "127.0.0.1:$redis->{port}", timeout => '500ms');
my $number = 0;

create_registry_at("-p $redis->{port}", 'fleet');

my $nginx = Iot::Nginx->start(workers => 2, parts());

up();
every_worker_answers();
the_door();
classes();
stalled();
killed_and_restarted();
reloaded();
worker_killed();
worker_silent();

is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

configuration();

done_testing();


# ---- what is tested -------------------------------------------------------

sub up {
    ok(wait_until(sub { all_up(status()) }), 'up: both workers have a link');

    my ($code, $status) = status();

    is($code, 200, 'up: 200');
    is($status->{store}, 'main', 'up: name of the store');
    is($status->{probe}, 'ok', 'up: Redis has run a script');
    ok($status->{usable}, 'up: usable');

    my @workers = @{$status->{workers}};

    is_deeply([ sort map { $_->{pid} } @workers ], [ sort $nginx->workers ],
              'up: the workers that there are');
    is_deeply([ map { $_->{worker} } @workers ], [ 0, 1 ], 'up: by number');

    for my $worker (@workers) {
        my ($link, @others) = @{$worker->{links}};

        is($link->{server}, "127.0.0.1:$redis->{port}", 'up: server');
        is($link->{lane}, 'commands', 'up: lane');
        is($link->{connects}, 1, 'up: connected once');
        like($link->{since}, qr/^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$/,
             'up: since when');
        is_deeply([ map { "$_->{lane} $_->{state}" } @others ],
                  [ 'large idle' ], 'up: the lane that nobody has needed');

        is($worker->{queue}, 0, 'up: nothing waits');
        is($worker->{reconnects}, 0, 'up: never connected again');
        is(faults($worker), '', 'up: no errors');
    }
}


# $pid tells who answered; each names the same two

sub every_worker_answers {
    my %told;

    ok(wait_until(sub {
        my $answer = $nginx->request('GET', '/status');
        my $status = decode_json($answer->{body});

        $told{$answer->{headers}{'x-worker'}} =
            join ' ', sort map { $_->{alive} ? $_->{pid} : () }
                           @{$status->{workers}};

        return keys %told == 2;
    }), 'any worker: both have answered');

    is_deeply([ sort keys %told ], [ sort $nginx->workers ],
              'any worker: who they are');
    is($_, join(' ', sort $nginx->workers), 'any worker: tells of both')
        for values %told;
}


sub the_door {
    my $get = $nginx->request('GET', '/status', undef, Authorization => '');

    is($get->{status}, 200, 'door: no caller is needed');
    is($get->{headers}{'content-type'}, 'application/json', 'door: JSON');
    is($get->{headers}{'cache-control'}, 'no-store', 'door: not to be kept');
    like($get->{headers}{'x-request-id'}, qr/^[0-9a-f]{32}$/,
         'door: the id of the request');

    my $head = $nginx->send_request('HEAD', '/status');
    my $text = do { local $/; <$head> };

    like($text, qr{^HTTP/1.1 200 .*Content-Length: \d{3}.*\r\n\r\n\z}s,
         'door: HEAD');

    my $post = $nginx->request('POST', '/status', '{}');

    is($post->{status}, 405, 'door: POST');
    is($post->{headers}{allow}, 'GET, HEAD', 'door: Allow');
    is(answer($post->{body}), "12 METHOD_NOT_ALLOWED\n", 'door: reason');

    my $denied = $nginx->request('GET', '/denied');

    is($denied->{status}, 403, 'door: who is not let in');
    is(answer($denied->{body}), "7 ACCESS_DENIED\n",
       'door: is told so in the common form');
}


# error replies by their first word

sub classes {
    my %settings = (
        OOM => [ 'maxmemory', '1mb', 0 ],
        NOREPLICAS => [ 'min-replicas-to-write', 1, 0 ],
    );

    for my $class (sort keys %settings) {
        my ($name, $on, $off) = @{$settings{$class}};

        is(counted($class), 0, "classes: no $class");

        $redis->command('CONFIG', 'SET', $name, $on);
        is(add()->{status}, 503, "classes: $class refuses an add");
        $redis->command('CONFIG', 'SET', $name, $off);

        ok(wait_until(sub { counted($class) == 1 }), "classes: $class counts");
    }

    my $key = registry_tag('broken') . ':r:broken';

    $redis->command('SET', $key, 'not a hash');
    is(add('broken')->{status}, 500, 'classes: a reply that makes no sense');
    $redis->command('DEL', $key);

    ok(wait_until(sub { counted('other') == 1 }), 'classes: is another');
    is((status())[0], 200, 'classes: the store is usable again');
}


sub stalled {
    $redis->signal('STOP');

    my ($code, $status) = status();

    is($code, 503, 'stalled: 503');
    ok(!$status->{usable}, 'stalled: not usable');
    is($status->{probe}, 'timedOut', 'stalled: no answer in time');
    ok(wait_until(sub { counted('timedOut') >= 1 }), 'stalled: counts');

    $redis->signal('CONT');
    ok(wait_until(sub { all_up(status()) }), 'stalled: usable again');
}


sub killed_and_restarted {
    $redis->stop('KILL');

    ok(wait_until(sub {
        my (undef, $status) = status();
        return !grep { $_->{links}[0]{state} ne 'down' }
               @{$status->{workers}};
    }), 'killed: both workers say down');

    my ($code, $before) = status();

    is($code, 503, 'killed: 503');
    is($before->{probe}, 'unavailable', 'killed: nobody to ask');

    for my $worker (@{$before->{workers}}) {
        ok($worker->{alive}, 'killed: the worker is alive');
        ok(!$worker->{ready}, 'killed: and not ready');
    }

    ok(wait_until(sub {
        my (undef, $status) = status();
        return !grep { !$_->{errors}{connect} } @{$status->{workers}};
    }), 'killed: attempts to connect count');
    ok(counted('unavailable') >= 1, 'killed: commands that were not sent');

    $redis->start;

    ok(wait_until(sub { all_up(status()) }), 'restarted: both are up');
    is((status())[0], 200, 'restarted: 200');

    my (undef, $status) = status();

    for my $n (0, 1) {
        my ($was, $is) = map { $_->{workers}[$n] } $before, $status;

        is($is->{reconnects}, $was->{reconnects} + 1,
           'restarted: connected again');
        ok($is->{links}[0]{since} gt $was->{links}[0]{since},
           'restarted: since then');
    }

    create_registry_at("-p $redis->{port}", 'fleet');
}


# New workers go on with the counts; who is leaving does not stand in the way.

sub reloaded {
    # a request that is not sent to its end keeps a worker, which goes on
    my $socket = $nginx->connection;
    print $socket "POST /iot-devices/v1/registries/fleet/certificates"
        . " HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer alice\r\n"
        . "Content-Length: 10\r\n\r\n{";

    my %old = map { $_ => 1 } $nginx->workers;
    my %counts = map { $_ => counted($_) } qw(OOM NOREPLICAS other);

    ok($nginx->reload, 'reload');

    ok(wait_until(sub { all_up(status()) && $nginx->workers == 3 }),
       'reload: the new workers are up, an old one is there');

    my (undef, $status) = status();

    is_deeply([ sort map { $_->{pid} } @{$status->{workers}} ],
              [ sort grep { !$old{$_} } $nginx->workers ],
              'reload: the new ones have taken over');

    my ($seen, %seconds) = 0;

    ok(wait_until(sub {
        (undef, $status) = status();
        $seen += grep { $old{$_->{pid}} } @{$status->{workers}};
        $seconds{$status->{workers}[0]{reportedAt} =~ s/\..*//r} = 1;

        return keys %seconds > 3;
    }), 'reload: reports go on');
    is($seen, 0, 'reload: and none is the old one\'s');

    close $socket;
    is(counted($_), $counts{$_}, "reload: $_ counts on") for sort keys %counts;
    is($status->{workers}[0]{links}[0]{connects}, 1,
       'reload: their links are new');

    # in other dimensions all begins anew

    $nginx->{workers} = 3;
    $nginx->configure(parts());

    ok($nginx->reload, 'reload: one more worker');
    ok(wait_until(sub { all_up(status()) && $nginx->workers == 3 }),
       'reload: all three are up');
    is(counted('OOM'), 0, 'reload: counts of three workers');

    $nginx->{workers} = 2;
    $nginx->configure(parts());

    ok($nginx->reload, 'reload: two again');
    ok(wait_until(sub { all_up(status()) && $nginx->workers == 2 }),
       'reload: both are up');
}


sub worker_killed {
    my (undef, $before) = status();
    my $victim = $before->{workers}[1]{pid};

    kill 'KILL', $victim;

    ok(wait_until(sub {
        my (undef, $status) = status();
        my $worker = $status->{workers}[1];

        return $worker->{alive} && $worker->{pid} != $victim
            && $worker->{links}[0]{state} eq 'up';
    }), 'killed worker: another has its place');

    my (undef, $status) = status();

    is($status->{workers}[0]{pid}, $before->{workers}[0]{pid},
       'killed worker: the other one has its own');

    # what the test has done is no complaint

    my $log = $nginx->path('logs/error.log');
    my $text = $nginx->error_log =~ s/^.*exited on signal 9.*\n//gmr;

    open my $file, '>', $log or die "$log: $!";
    print $file $text;
    close $file;
}


# One that does not turn its loop is not there, and does not spoil the rest.

sub worker_silent {
    my (undef, $before) = status();
    my $victim = $before->{workers}[1]{pid};

    # with a last word that says that it misses its server
    $redis->stop;

    ok(wait_until(sub {
        my (undef, $status) = status();
        return !grep { $_->{ready} } @{$status->{workers}};
    }), 'silent worker: Redis is down');

    kill 'STOP', $victim;
    $redis->start;

    # it has its share of new connections all the same
    my $status = patient_status(sub {
        !$_[0]{workers}[1]{alive} && $_[0]{usable};
    });

    ok($status, 'silent worker: not alive, and the store is usable');
    ok(!exists $status->{workers}[1]{links}, 'silent worker: no links shown');

    kill 'CONT', $victim;

    ok(wait_until(sub { all_up(status()) }), 'silent worker: alive again');
}


sub configuration {
    like(refused('location = /status { iot_status; }'),
         qr/invalid number of arguments in "iot_status"/,
         'configuration: no store');
    like(refused('location = /status { iot_status other; }'),
         qr/unknown iot_store "other" in "iot_status"/,
         'configuration: unknown store');
    like(refused('location = /status { iot_status main; iot_status main; }'),
         qr/"iot_status" directive is duplicate/, 'configuration: twice');
    like(refused('location = /status { iot_status main; iot_api main; }'),
         qr/"iot_api" directive is in a location with another service/,
         'configuration: with a service');
}


# ---- around it ------------------------------------------------------------

sub parts {
    my $store = join ' ', map { "$_ $store{$_};" } sort keys %store;

    my %parts = Iot::Load::gateway_parts($store);

    $parts{server} .= <<'_EOC_';
    location = /status {
        iot_status main;
    }

    location = /denied {
        iot_status main;
        deny all;
    }
_EOC_

    return %parts;
}


sub status {
    my $answer = $nginx->request('GET', '/status');

    return ($answer->{status}, decode_json($answer->{body}));
}


# as status(), of a server one of whose workers does not answer

sub patient_status {
    my ($condition) = @_;

    my $found;

    wait_until(sub {
        my $socket = $nginx->send_request('GET', '/status');
        my $answer = Iot::Nginx::read_answer($socket, 1);

        return 0 if !$answer->{status};

        my $status = decode_json($answer->{body});
        $found = $status if $condition->($status);

        return $found;
    }, $Iot::Nginx::PATIENCE);

    return $found;
}


sub all_up {
    my ($code, $status) = @_;

    return !grep {
        !$_->{alive} || $_->{links}[0]{state} ne 'up'
    } @{$status->{workers}};
}


# of both workers

sub counted {
    my ($class) = @_;

    my (undef, $status) = status();
    my $sum = 0;

    $sum += $_->{errors}{$class} for @{$status->{workers}};

    return $sum;
}


sub faults {
    my ($worker) = @_;

    my $errors = $worker->{errors};

    return join ' ', grep { $errors->{$_} } sort keys %$errors;
}


sub add {
    my ($registry) = @_;

    $registry //= 'fleet';

    return $nginx->request('POST',
        "/iot-devices/v1/registries/$registry/certificates",
        body(Iot::Load::certificate_of(++$number)));
}


# what nginx says of a configuration

sub refused {
    my ($server) = @_;

    eval { Iot::Nginx->start(parts(), server => $server) };

    return $@;
}
