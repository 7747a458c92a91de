#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The Redis client in a real nginx, against real Redis servers and against
# ones that misbehave. It drives the location of t/redis-module:
#
#     TEST_NGINX_BINARY=/usr/sbin/nginx \
#     TEST_NGINX_REDIS_MODULE=/path/to/ngx_http_redis_test_module.so \
#         prove t/redis_client.t
#
# Without the second variable the module is expected to be linked in. Names
# of tests as arguments (perl t/redis_client.t 'full queue') select those.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/redis-module/lib";

use RedisLab;
use Test::More;
use Time::HiRes qw(sleep time);

my $SLOW = $RedisLab::SLOW;
my $TIMEOUT = 0.5 * $SLOW;

# KB; a sanitizer keeps what was freed for a while
my $GROWTH_MAX = $ENV{ASAN_OPTIONS} || $SLOW > 1 ? 500_000 : 50_000;

my (%tests, @names, @nginxes);


sub test {
    my ($name, $code) = @_;
    push @names, $name;
    $tests{$name} = $code;
}

# an nginx with a store "main" at that server, and /redis for it
sub nginx {
    my ($server, %part) = @_;
    my $connect = delete $part{connect} || 500 * $SLOW . 'ms';
    my $timeout = delete $part{timeout} || 500 * $SLOW . 'ms';
    my $directives = delete $part{store} || '';

    my $nginx = RedisLab::Nginx->new(
        http => "iot_store main { server $server; timeout $timeout;"
            . " connect_timeout $connect; $directives }",
        server => 'location /redis { redis_test main; }',
        %part
    );

    push @nginxes, $nginx;
    return $nginx;
}

sub redis { RedisLab::Redis->new(@_)->start }
sub fake { RedisLab::Fake->new(@_) }
sub address { "127.0.0.1:$_[0]{port}" }

# until the store answers
sub up {
    my ($nginx) = @_;
    return wait_for(sub { $nginx->get('/redis?cmd=PING') =~ /PONG/ });
}

sub stop_nginx {
    my ($nginx) = @_;
    is $nginx->quit, 0, 'nginx exits in good order';
    is join('', $nginx->complaints), '', 'nothing bad in its log';
}

sub timed {
    my ($code) = @_;
    my $start = time;
    my @result = $code->();
    return (time - $start, @result);
}


test 'configuration' => sub {
    my @cases = (
        ['iot_store a { server 127.0.0.1:1; }', 'redis_test b;',
            qr/unknown iot_store "b" in "redis_test" directive in \S+:\d+/],
        ['iot_store a { server 127.0.0.1; } iot_store a { server 127.0.0.2; }',
            '', qr/duplicate iot_store "a" in/],
        ['iot_store "" { server 127.0.0.1; }', '', qr/empty name in/],
        ['iot_store a { }', '',
            qr/no "server" directive in iot_store "a" in/],
        ['iot_store a { server 127.0.0.1; server 127.0.0.2; }', '',
            qr/"server" directive is duplicate in/],
        ['iot_store a { server 127.0.0.1:0; }', '',
            qr/invalid value "127.0.0.1:0" in "server" directive, invalid p/],
        ['iot_store a { server no.such.host.invalid; }', '',
            qr/in "server" directive, host not found in/],
        ['iot_store a { server unix:; }', '',
            qr/invalid value "unix:" in "server" directive, no path/],
        ['iot_store a { server a b; }', '',
            qr/more than one address in "server" directive with "topology/],
        ['iot_store a { nosuch 1; }', '',
            qr/unknown directive "nosuch" in "iot_store" block in/],
        ['iot_store a { server 127.0.0.1; timeout 0; }', '',
            qr/invalid value "0" in "timeout" directive, expected a time/],
        ['iot_store a { server 127.0.0.1; timeout soon; }', '',
            qr/invalid value "soon" in "timeout" directive, expected a time/],
        ['iot_store a { server 127.0.0.1; connect_timeout 0s; }', '',
            qr/invalid value "0s" in "connect_timeout" directive/],
        ['iot_store a { server 127.0.0.1; timeout 1s; timeout 1s; }', '',
            qr/"timeout" directive is duplicate/],
        ['iot_store a { server 127.0.0.1; queue 0; }', '',
            qr/invalid value "0" in "queue" directive, expected a number/],
        ['iot_store a { server 127.0.0.1; queue -1; }', '',
            qr/invalid value "-1" in "queue" directive, expected a number/],
        ['iot_store a { server 127.0.0.1; queue 1; queue 1; }', '',
            qr/"queue" directive is duplicate/],
        ['iot_store a { server 127.0.0.1; key_prefix "a{b}"; }', '',
            qr/invalid value "a\{b\}" in "key_prefix" directive, expected/],
        ['iot_store a { server 127.0.0.1; key_prefix "a b"; }', '',
            qr/in "key_prefix" directive, expected printable ASCII/],
        ['iot_store a { server 127.0.0.1; key_prefix ' . 'x' x 65 . '; }', '',
            qr/in "key_prefix" directive, expected at most 64 bytes/],
        ['iot_store a { server 127.0.0.1; key_prefix a; key_prefix a; }', '',
            qr/"key_prefix" directive is duplicate/],
        ['iot_store a { server 127.0.0.1; x { } }', '', qr/unexpected "\{"/],

        ['iot_store a { server 127.0.0.1; }', 'redis_test a;', qr/successful/],
        ['iot_store a { server localhost; }', 'redis_test a;', qr/successful/],
        ['iot_store a { server [::1]:7000; }', '', qr/successful/],
        ['iot_store a { server unix:/no/such/socket; key_prefix '
            . 'x' x 64 . '; connect_timeout 1ms; timeout 1d; queue 1; }',
            'redis_test a;', qr/successful/]
    );

    for my $case (@cases) {
        my ($store, $location, $expected) = @$case;

        my $nginx = RedisLab::Nginx->new(http => $store,
            server => "location / { $location }");
        like $nginx->test, $expected, substr $store . $location, 0, 60;
    }

    my $file = lab_dir() . '/store.conf';
    open my $fh, '>', $file;
    print $fh 'server 127.0.0.1; timeout no;';
    close $fh;

    my $nginx = RedisLab::Nginx->new(main => "iot_store a { include $file; }");
    like $nginx->test, qr/"no" in "timeout" directive, .* in \Q$file\E:1/,
        'an included file';

    $nginx = RedisLab::Nginx->new(main => 'iot_store a { server ::1; }');
    like $nginx->test, qr/in "server" directive/, 'at the top level, too';

    $nginx = RedisLab::Nginx->new(
        main => 'iot_store a { server 127.0.0.1; }',
        http => 'iot_store a { server 127.0.0.1; }');
    like $nginx->test, qr/duplicate iot_store "a"/, 'one name space';

    $nginx = RedisLab::Nginx->new(server => 'location / { redis_test a; }');
    $nginx->write_conf(main => '',
        server => $nginx->{server} . "} } iot_store a { server 127.0.0.1; }\n"
            . 'types { } http { server { server_name x;');
    unlike $nginx->test, qr/unknown iot_store/, 'a forward reference';
};


test 'commands' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    my $get = sub { $nginx->get("/redis?cmd=$_[0]") };

    is $get->('SET+a+b'), "REPLIED +OK\n", 'a status';
    is $get->('GET+a'), "REPLIED \$b\n", 'a string';
    is $get->('GET+none'), "REPLIED _\n", 'a nil';
    is $get->('STRLEN+a'), "REPLIED :1\n", 'an integer';
    is $get->('MGET+a+none'), "REPLIED *2 \$b _\n", 'an array';
    like $get->('LPUSH+a+x'), qr/^REPLIED -WRONGTYPE /, 'an error';

    like $get->('n+x&script=add&keys=1'),
        qr/^REPLIED -ERR .*value is not an integer/, 'an error of a script';

    is $get->('n+2&script=add&keys=1'), "REPLIED :2\n", 'a script';
    is $get->('n+3&script=add&keys=1'), "REPLIED :5\n", 'and again';

    is $get->('SET+big&fill=1000000'), "REPLIED +OK\n", 'a big request';
    is $get->('GET+big'), "REPLIED \$1000000 bytes\n", 'a big reply';

    my $many = $get->('INCR+m&copies=3000');
    is $many, join('', map { "REPLIED :$_\n" } 1 .. 3000),
        '3,000 commands at once, in order';

    is scalar($redis->links), 1, 'all on one link';
    stop_nginx($nginx);
    is scalar($redis->links), 0, 'which is closed';
};


test 'one write for all' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    up($nginx);

    # connections are accepted one by one, so these are there before

    my @sockets = map { IO::Socket::INET->new(
        PeerAddr => "127.0.0.1:$nginx->{port}") } 1 .. 64;
    $nginx->settle;

    my ($worker) = $nginx->workers;
    my $before = $redis->info('total_reads_processed');

    # what has gathered while the worker did nothing comes in one turn

    kill STOP => $worker;
    http_send($_, '/redis?cmd=SET+a+b') for @sockets;
    kill CONT => $worker;

    is scalar(grep { (http_finish($_))[1] eq "REPLIED +OK\n" } @sockets), 64,
        '64 requests';

    my $reads = $redis->info('total_reads_processed') - $before;
    cmp_ok $reads, '<=', 8, "in few reads of the server ($reads)";

    stop_nginx($nginx);
};


test 'a busy server' => sub {

    # it answers nothing before it has all

    my $fake = fake(sub {
        my ($socket) = @_;
        my @argv = RedisLab::Fake::greet($socket);
        my $n = 0;

        while (@argv) {
            $n++;
            RedisLab::Fake::say_all($socket, ":$n\r\n") if $n == 1;
            RedisLab::Fake::say_all($socket, map { ":$_\r\n" } 2 .. 41)
                if $n == 41;
            @argv = RedisLab::Fake::read_command($socket);
        }
    });

    my $nginx = nginx(address($fake))->start;
    is $nginx->get('/redis?cmd=A'), "REPLIED :1\n", 'the first command';

    my $first = $nginx->begin('/redis?cmd=A&copies=20');
    $nginx->settle;

    is $nginx->get('/redis?cmd=A&copies=20'),
        join('', map { "REPLIED :$_\n" } 22 .. 41),
        'what waits for its replies leaves without them';
    is((http_finish($first))[1], join('', map { "REPLIED :$_\n" } 2 .. 21),
        'the others have theirs');

    stop_nginx($nginx);
};


test 'lanes' => sub {
    my $release = lab_dir() . '/release';

    # each connection is served by itself; a large reply is sent by halves,
    # the second when it is released

    my $fake = fake(sub {
        my ($socket) = @_;
        my @argv = RedisLab::Fake::greet($socket);

        while (@argv) {

            if ($argv[0] eq 'LARGE') {
                RedisLab::Fake::say_all($socket, "*2\r\n:1\r\n");
                sleep 0.01 while !-e $release && getppid() != 1;
            }

            RedisLab::Fake::say_all($socket, ":2\r\n");
            @argv = RedisLab::Fake::read_command($socket);
        }
    }, concurrent => 1);

    my $nginx = nginx(address($fake))->start;
    is $nginx->get('/redis?cmd=SMALL'), "REPLIED :2\n", 'a small reply';
    is $fake->connections, 1, 'on the first link';

    my $large = $nginx->begin('/redis?cmd=LARGE&large=1');
    ok wait_for(sub { $fake->connections == 2 }), 'a large one on the next';

    is $nginx->get('/redis?cmd=SMALL'), "REPLIED :2\n",
        'holds up no small read';
    is $nginx->get('/redis?cmd=SMALL&writes=1'), "REPLIED :2\n",
        'and no write';
    is((http_finish($large))[1], "TIMED_OUT\n", 'it has its own time');
    is $nginx->get('/redis?cmd=SMALL'), "REPLIED :2\n", 'and goes alone';
    is $fake->connections, 2, 'the first link is the same';
    like $nginx->log, qr/redis did not reply in time, 1 commands lost/,
        'the other one was broken';

    open my $file, '>', $release;
    ok wait_for(sub {
        $nginx->get('/redis?cmd=LARGE&large=1&copies=2')
            eq "REPLIED *2 :1 :2\n" x 2
    }), 'which is made again when it is needed';

    stop_nginx($nginx);
    $fake->stop;

    my $redis = redis();
    $nginx = nginx(address($redis), store => 'connections 3;')->start;
    up($nginx);
    is scalar($redis->links), 1, 'links are made when they are used';
    $nginx->get('/redis?cmd=INCR+n&copies=9');
    is $redis->command('GET', 'n'), 9, 'nine commands';
    is scalar($redis->links), 3, 'on three connections';
    stop_nginx($nginx);
};


test 'client that is gone' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    up($nginx);

    $redis->signal('STOP');
    my @sockets = map { $nginx->begin("/redis?cmd=INCRBY+n+$_") } 1 .. 15;
    $nginx->settle;

    close $_ for @sockets;
    $nginx->settle;

    my $next = $nginx->begin('/redis?cmd=ECHO+mine');
    $nginx->settle;
    $redis->signal('CONT');

    is((http_finish($next))[1], "REPLIED \$mine\n",
        'the next one has its own reply');
    is $redis->command('GET', 'n'), 120, 'the 15 were executed';

    # more than the socket takes: what is behind it has not left

    $redis->signal('STOP');
    my @big = map { $nginx->begin('/redis?cmd=ECHO&large=1&fill=4000000') }
        1 .. 4;
    $nginx->settle;

    my $small = $nginx->begin('/redis?cmd=SET+late+x&large=1');
    $nginx->settle;
    close $small;
    $nginx->settle;
    $redis->signal('CONT');

    is scalar(grep { (http_finish($_))[1] eq "REPLIED \$4000000 bytes\n" }
        @big), 4, 'the big ones are answered';
    is $redis->command('GET', 'late'), 'nil',
        'the one that was cancelled before it was written is not executed';

    stop_nginx($nginx);
};


test 'server that stands still' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    up($nginx);

    $redis->signal('STOP');
    my $first = $nginx->begin('/redis?cmd=INCR+n');
    sleep $TIMEOUT / 2;
    my $second = $nginx->begin('/redis?cmd=INCR+n');

    my ($seconds, undef, $outcome) = timed(sub { http_finish($first) });

    is $outcome, "TIMED_OUT\n", 'the first command has timed out';
    cmp_ok abs($seconds - $TIMEOUT / 2), '<', 0.4 * $SLOW, 'when it was time';
    is((http_finish($second))[1], "LOST\n", 'the second is lost with it');

    # the connect to a stopped server succeeds, its greeting does not

    wait_for(sub { $nginx->get('/redis?cmd=GET+n') eq "UNAVAILABLE\n" });
    like $nginx->log, qr/redis did not reply in time, 2 commands lost \(110/,
        'it is logged';
    like $nginx->log, qr/, store: "main", server: "127\.0\.0\.1:\d+"$/m,
        'with its place';

    $redis->signal('CONT');
    ok up($nginx), 'it recovers';
    is $redis->command('GET', 'n'), 2, 'both were executed in truth';
    like $nginx->log, qr/\[notice\].*redis is available again/,
        'the recovery is logged';

    stop_nginx($nginx);
};


test 'server that dies' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    up($nginx);
    sleep 1.1;

    $redis->signal('STOP');
    my $request = $nginx->begin('/redis?cmd=INCR+n');
    $nginx->settle;
    $redis->stop('KILL');

    is((http_finish($request))[1], "LOST\n", 'what was sent is lost');
    ok wait_for(sub { $nginx->get('/redis?cmd=PING') eq "UNAVAILABLE\n" }),
        'then it is unavailable';

    my ($seconds) = timed(sub { $nginx->get('/redis?cmd=PING') });
    cmp_ok $seconds, '<', 0.3 * $SLOW, 'which is told at once';

    sleep 0.5;
    is $nginx->log_count(qr/connect\(\) failed \(111/), 1,
        'the failed attempts are logged once';
    is $nginx->log_count(qr/\[error\]/), 2, 'after the loss';

    $redis->start;
    ok up($nginx), 'it recovers';
    stop_nginx($nginx);
};


test 'server that was down at the start' => sub {
    my $redis = RedisLab::Redis->new;
    my $nginx = nginx(address($redis))->start;

    is $nginx->get('/redis?cmd=PING'), "UNAVAILABLE\n", 'unavailable';
    is $nginx->log_count(qr/\[error\].*connect\(\) failed/), 1, 'logged once';

    $redis->start;
    ok up($nginx), 'available when it is there';
    is $nginx->log_count(qr/redis is available again/), 1, 'logged once';
    stop_nginx($nginx);
};


test 'lost scripts' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    up($nginx);

    $redis->command('SCRIPT', 'FLUSH');
    $redis->command('CONFIG', 'RESETSTAT');

    is $nginx->get('/redis?cmd=n+1&script=add&keys=1&copies=5'),
        join('', map { "REPLIED :$_\n" } 1 .. 5), 'scripts are sent whole';
    is $nginx->get('/redis?cmd=n+1&script=add&keys=1'), "REPLIED :6\n",
        'and known then';

    like $redis->command('INFO', 'commandstats'),
        qr/cmdstat_eval:calls=5,/, 'once for each';

    # one whose caller is gone is not sent again

    $redis->command('SCRIPT', 'FLUSH');
    $redis->signal('STOP');
    my $request = $nginx->begin('/redis?cmd=n+100&script=add&keys=1');
    $nginx->settle;
    close $request;
    $nginx->settle;
    $redis->signal('CONT');
    up($nginx);
    is $redis->command('GET', 'n'), 6, 'but not for a caller that is gone';

    stop_nginx($nginx);
};


test 'full queue' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis), store => 'queue 4;')->start;
    up($nginx);

    is $nginx->get('/redis?cmd=PING&copies=5'), 'status 429', 'five of four';
    is $nginx->get('/redis?cmd=PING&copies=4'), "REPLIED +PONG\n" x 4,
        'four of four';

    $redis->signal('STOP');
    my @sockets = map { $nginx->begin('/redis?cmd=PING') } 1 .. 4;
    $nginx->settle;

    my ($seconds, $answer) = timed(sub { $nginx->get('/redis?cmd=PING') });
    is $answer, 'status 429', 'the fifth is refused';
    cmp_ok $seconds, '<', 0.3 * $SLOW, 'at once';

    close $_ for @sockets;
    $nginx->settle;
    is $nginx->get('/redis?cmd=PING'), 'status 429',
        'commands whose callers are gone still count';

    $redis->signal('CONT');
    ok up($nginx), 'it goes on';

    # a limit of bytes, too: these two cannot both wait

    is $nginx->get('/redis?cmd=SET+k&fill=40000000&copies=2'), 'status 429',
        'more than 64 MB waiting';
    stop_nginx($nginx);
};


test 'unix socket' => sub {
    my $redis = redis();
    my $nginx = nginx("unix:$redis->{unix}")->start;
    ok up($nginx), 'works';

    $redis->stop;
    wait_for(sub { $nginx->get('/redis?cmd=PING') eq "UNAVAILABLE\n" });
    sleep 0.5;
    is $nginx->log_count(qr/connect\(\)/), 1, 'its failure is logged once';
    is join('', $nginx->complaints), '', 'and by us only';

    unlink $redis->{unix};
    $redis->start;
    ok up($nginx), 'recovers';
    stop_nginx($nginx);
};


test 'name with several addresses' => sub {
    my $redis = redis();
    my $nginx = nginx("localhost:$redis->{port}")->start;
    is $nginx->get('/redis?cmd=PING'), "REPLIED +PONG\n",
        'the one that answers is found by the first attempt';
    stop_nginx($nginx);

    # 127.0.0.1 comes first

    $redis = RedisLab::Redis->new;
    $redis->{host} = '::1';

    if (!eval { $redis->start } || `getent ahosts localhost` !~ /^::1/m) {
        note 'localhost is not ::1 here';
        return;
    }

    $nginx = nginx("localhost:$redis->{port}")->start;
    is $nginx->get('/redis?cmd=PING'), "REPLIED +PONG\n", 'and so is ::1';
    stop_nginx($nginx);

    $nginx = nginx("[::1]:$redis->{port}")->start;
    is $nginx->get('/redis?cmd=PING'), "REPLIED +PONG\n", 'which has a form';
    stop_nginx($nginx);
};


test 'refusals of the server' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    my $get = sub { $nginx->get("/redis?cmd=$_[0]") };
    up($nginx);

    $redis->command('CONFIG', 'SET', 'maxmemory', '1');
    is $get->('SET+secretkey+secretvalue'), "UNAVAILABLE\n", 'no memory';
    is $get->('n+1&script=add&keys=1'), "UNAVAILABLE\n", 'in a script';
    is $get->('GET+a'), "REPLIED _\n", 'reads go on';
    $redis->command('CONFIG', 'SET', 'maxmemory', '0');

    is $nginx->log_count(qr/redis refused a command: "OOM /), 1,
        'logged once';

    $redis->command('CONFIG', 'SET', 'min-replicas-to-write', '1');
    is $get->('SET+a+b'), "UNAVAILABLE\n", 'no replicas';
    is $get->('n+1&script=add&keys=1'), "UNAVAILABLE\n", 'in a script';
    $redis->command('CONFIG', 'SET', 'min-replicas-to-write', '0');

    like $get->('k+1&script=fail&keys=1'), qr/^REPLIED -WRONGTYPE/,
        'a script that failed after a write is answered';

    unlike $nginx->log, qr/secret/, 'no key and no value is in the log';
    stop_nginx($nginx);
};


test 'master that is demoted' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    up($nginx);
    sleep 1.1;

    $redis->command('REPLICAOF', '127.0.0.1', free_port());
    is $nginx->get('/redis?cmd=SET+a+b&copies=3'), "UNAVAILABLE\n" x 3,
        'writes are certainly not executed';

    ok wait_for(sub { $nginx->get('/redis?cmd=GET+a') eq "UNAVAILABLE\n" }),
        'the link is given up';
    ok wait_for(sub {
        $nginx->log =~ /is not a "master", its role is "replica"/
    }), 'a replica is refused';
    like $nginx->log, qr/redis is not the master any more/, 'it is logged';

    $redis->command('REPLICAOF', 'NO', 'ONE');
    ok up($nginx), 'a master is accepted again';
    stop_nginx($nginx);
};


test 'server that is not ready' => sub {
    my $loading = 'LOADING Redis is loading the dataset in memory';

    # the first link is refused a command, the next one is good

    for my $refusal ('READONLY You can not write against a replica', $loading) {
        my $fake = fake(sub {
            my ($socket, $n) = @_;
            RedisLab::Fake::greet($socket);
            RedisLab::Fake::say_all($socket, "+PONG\r\n");

            while (RedisLab::Fake::read_command($socket)) {
                RedisLab::Fake::say_all($socket,
                    $n == 1 ? "-$refusal\r\n" : "+OK\r\n");
            }
        });

        my $nginx = nginx(address($fake))->start;
        is $nginx->get('/redis?cmd=PING'), "REPLIED +PONG\n", 'a link';
        sleep 1.1;
        my $answer = $nginx->get('/redis?cmd=SET+a+b&copies=2');

        if ($refusal eq $loading) {
            is $answer, "UNAVAILABLE\n" x 2, 'LOADING fails at once';

        } else {
            is $answer, "REPLIED +PONG\nREPLIED +OK\n",
                'READONLY is tried once more';
        }

        ok wait_for(sub { $fake->connections == 2 }), 'on another link';
        ok wait_for(sub {
            $nginx->get('/redis?cmd=SET+a+b') eq "REPLIED +OK\n"
        }), 'which is good';
        like $nginx->log, qr/redis is not (ready|the master any more), 0 com/,
            'it is logged';
        stop_nginx($nginx);
        $fake->stop;
    }

    # even PING is refused then: another link would not be better

    my $redis = redis('--lua-time-limit', '50');
    my $nginx = nginx(address($redis))->start;
    up($nginx);
    my $pid = RedisLab::spawn(lab_dir() . '/busy', sub {
        $redis->command('EVAL', 'while true do end', 0);
    });

    ok wait_for(sub { $nginx->log =~ /redis refused a command: "BUSY / ||
        $nginx->get('/redis?cmd=GET+a') eq 'never' }), 'a script that hangs';
    is $nginx->get('/redis?cmd=GET+a'), "UNAVAILABLE\n", 'unavailable';
    $redis->command('SCRIPT', 'KILL');
    ok wait_for(sub { $nginx->get('/redis?cmd=GET+a') eq "REPLIED _\n" }),
        'until it is killed';
    is $nginx->log_count(qr/redis is available/), 1, 'on the same link';
    is $nginx->log_count(qr/\[error\]/), 1, 'logged once';
    RedisLab::reap($pid);
    stop_nginx($nginx);
};


test 'servers of another kind' => sub {
    my $redis = redis('--requirepass', 'secret');
    my $nginx = nginx(address($redis))->start;
    is $nginx->get('/redis?cmd=PING'), "UNAVAILABLE\n", 'with a password';
    like $nginx->log, qr/\[error\].*redis refused HELLO "NOAUTH /,
        'which is told';
    sleep 0.5;
    is $nginx->log_count(qr/NOAUTH/), 1, 'once';
    stop_nginx($nginx);

    $redis = redis('--cluster-enabled', 'yes');
    $nginx = nginx(address($redis))->start;
    is $nginx->get('/redis?cmd=PING'), "UNAVAILABLE\n", 'in cluster mode';
    like $nginx->log, qr/not in "standalone" mode, its mode is "cluster"/,
        'which is told';
    stop_nginx($nginx);

    $redis = RedisLab::Redis->new;
    $redis->{config} = "$redis->{dir}/sentinel.conf";
    open my $fh, '>', $redis->{config};
    close $fh;
    $redis->start('--sentinel');
    $nginx = nginx(address($redis))->start;
    is $nginx->get('/redis?cmd=PING'), "UNAVAILABLE\n", 'a sentinel';
    like $nginx->log, qr/not in "standalone" mode, its mode is "sentinel"/,
        'which is told';
    stop_nginx($nginx);

    for my $reply ("-ERR unknown command `HELLO`, with args beginning with:",
        '-LOADING Redis is loading the dataset in memory', '+OK', ':1', '*0',
        '*-1', "*2\r\n\$4\r\nmode\r\n:1", "-\x1b[2Jx")
    {
        my $fake = fake(sub {
            my ($socket) = @_;
            RedisLab::Fake::read_command($socket);
            RedisLab::Fake::say_all($socket, "$reply\r\n");
            RedisLab::Fake::read_command($socket);
        });

        my $name = $reply =~ s/[^ -~]+/ /gr;
        $nginx = nginx(address($fake))->start;
        is $nginx->get('/redis?cmd=PING'), "UNAVAILABLE\n",
            "HELLO answered with $name";
        ok wait_for(sub { $fake->connections > 1 }), 'it is tried again';
        is $nginx->log_count(qr/\[error\]/), 1, 'logged once';
        unlike $nginx->log, qr/\x1b/, 'without control characters';
        stop_nginx($nginx);
        $fake->stop;
    }
};


test 'scripts that are not accepted' => sub {
    for my $reply ("-BUSY Redis is busy running a script.\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n", "+OK\r\n",
        "\$40\r\n" . '0' x 40 . "\r\n")
    {
        my $fake = fake(sub { RedisLab::Fake::greet($_[0], $reply) });
        my $nginx = nginx(address($fake))->start;
        my $name = substr $reply =~ s/\s+/ /gr, 0, 20;

        is $nginx->get('/redis?cmd=PING'), "UNAVAILABLE\n", $name;
        ok wait_for(sub { $fake->connections > 2 }), 'it is tried again';
        is $nginx->log_count(qr/redis refused a script "/), 1, 'logged once';
        stop_nginx($nginx);
        $fake->stop;
    }
};


test 'commands that wait in vain' => sub {
    my $fake = fake(sub { sysread $_[0], my $hello, 65536; sleep 1000 });
    my $nginx = nginx(address($fake), timeout => '300ms',
        connect => '5s')->start;

    my ($seconds, $answer) = timed(sub { $nginx->get('/redis?cmd=PING') });
    is $answer, "UNAVAILABLE\n", 'for a link';
    cmp_ok $seconds, '<', 1 * $SLOW, 'until their timeout';
    stop_nginx($nginx);
    $fake->stop;

    my $redis = redis();
    $nginx = nginx(address($redis))->start;
    up($nginx);
    $redis->signal('STOP');
    my $big = $nginx->begin('/redis?cmd=ECHO&fill=30000000');
    $nginx->settle;
    my $small = $nginx->begin('/redis?cmd=PING');
    $nginx->settle;

    is((http_finish($big))[1], "UNAVAILABLE\n", 'for being sent whole');
    is((http_finish($small))[1], "UNAVAILABLE\n", 'for being written');
    $redis->signal('CONT');
    ok up($nginx), 'it recovers';

    # one of which a part was sent, and whose caller is gone

    $redis->signal('STOP');
    $big = $nginx->begin('/redis?cmd=ECHO&fill=30000000');
    $nginx->settle;
    close $big;
    $nginx->settle;
    my $lost = $nginx->log_count(qr/commands lost/);
    ok wait_for(sub { $nginx->log_count(qr/commands lost/) > $lost }),
        'an orphan cannot block the link either';
    $redis->signal('CONT');
    ok up($nginx), 'it recovers';
    stop_nginx($nginx);
};


test 'commands wait for the first link and for the next' => sub {
    my $fake = fake(sub {
        my ($socket, $n) = @_;

        # the first link is slow, and does not read after its greeting

        sleep 0.2 if $n == 1;
        RedisLab::Fake::greet($socket);

        if ($n == 1) {
            RedisLab::Fake::say_all($socket, "+PONG\r\n");
            sleep 1.3;
            return;
        }

        do {
            RedisLab::Fake::say_all($socket, "+OK\r\n");
        } while (RedisLab::Fake::read_command($socket));
    });

    my $nginx = nginx(address($fake), timeout => '10s')->start;
    is $nginx->get('/redis?cmd=PING'), "REPLIED +PONG\n",
        'a command waits for the first link';

    sleep 0.9;
    my @requests = map { $nginx->begin('/redis?cmd=SET+k&fill=15000000') }
        1 .. 4;
    my @outcomes = map { (http_finish($_))[1] } @requests;

    is_deeply \@outcomes, ["REPLIED +OK\n", "REPLIED +OK\n", "REPLIED +OK\n",
        "REPLIED +OK\n"], 'what had not left is sent on the next link';
    is $nginx->log_count(qr/0 commands lost/), 1, 'nothing was lost';
    stop_nginx($nginx);
    $fake->stop;
};


test 'hostile servers' => sub {
    my $say = \&RedisLab::Fake::say_all;
    my %cases = (
        'HTTP before the greeting' => [0, sub {
            $say->($_[0], "HTTP/1.1 400 Bad Request\r\n\r\n");
        }],
        'endless line before the greeting' => [0, sub {
            $say->($_[0], '+');
            $say->($_[0], 'x' x 65536) for 1 .. 1000;
        }],
        'HTTP' => [1, sub {
            $say->($_[0], "HTTP/1.1 400 Bad Request\r\n\r\n");
        }],
        'endless line' => [1, sub {
            $say->($_[0], '+');
            $say->($_[0], 'x' x 65536) for 1 .. 1000;
        }],
        'endless length' => [1, sub {
            $say->($_[0], '$');
            $say->($_[0], '1' x 65536) for 1 .. 1000;
        }],
        'array of 2e9 elements' => [1, sub {
            $say->($_[0], "*2000000000\r\n");
            $say->($_[0], ":1\r\n" x 16384) for 1 .. 1000;
        }],
        'string of 4 GB' => [1, sub {
            $say->($_[0], "\$4294967296\r\n");
            $say->($_[0], 'x' x 65536) for 1 .. 1000;
        }],
        'open nested arrays' => [1, sub { $say->($_[0], "*1\r\n" x 200000) }],
        'complete nested arrays' => [1, sub {
            $say->($_[0], "*1\r\n" x 400000, ":1\r\n");
        }],
        'unexpected reply' => [1, sub { $say->($_[0], "+a\r\n+b\r\n") }],
        'types of RESP3' => [1, sub { $say->($_[0], "%1\r\n+a\r\n+b\r\n") }],
        'reply before its command' => [2, sub { $say->($_[0], "+a\r\n") }],
        'script that is answered twice' => [1, sub {
            $say->($_[0], "+a\r\n-NOSCRIPT x\r\n");
        }]
    );

    for my $name (sort keys %cases) {
        my ($greets, $code) = @{$cases{$name}};

        my $fake = fake(sub {
            my ($socket) = @_;

            if ($greets == 2) {
                RedisLab::Fake::greet_only($socket);

            } elsif ($greets) {
                RedisLab::Fake::greet($socket) or return;
            }

            $code->($socket);
            1 while sysread $socket, my $rest, 65536;
        });

        my $nginx = nginx(address($fake))->start;
        my ($worker) = $nginx->workers;
        my $rss = $nginx->rss;

        my $outcome = $nginx->get('/redis?cmd=PING');
        like $outcome, qr/^(LOST|UNAVAILABLE|REPLIED \+a)$/, $name;

        ok wait_for(sub {
            $nginx->get('/redis?cmd=PING');
            $fake->connections > 2;
        }), 'the link is dropped';

        my $grown = $nginx->rss - $rss;
        cmp_ok $grown, '<', $GROWTH_MAX, "memory is bounded ($grown KB)";
        is +($nginx->workers)[0], $worker, 'the worker lives';
        stop_nginx($nginx);
        $fake->stop;
    }
};


# how much one reply may be; a greeting has its own limit

test 'replies that are too big' => sub {
    my %said = (
        'a small reply' => ['', 1_000_000, 1_100_000],
        'a large one' => ['&large=1', 16_000_000, 17_000_000],
        'a greeting' => [undef, 60_000, 70_000],
    );

    for my $name (sort keys %said) {
        my ($args, $fits, $exceeds) = @{$said{$name}};
        my $text = sub { "\$$_[0]\r\n" . 'x' x $_[0] . "\r\n" };

        my $fake = fake(sub {
            my ($socket) = @_;

            if (!defined $args) {
                RedisLab::Fake::read_command($socket);
                RedisLab::Fake::say_all($socket, $text->($exceeds));
            }

            my @argv = RedisLab::Fake::greet($socket);

            while (@argv) {
                RedisLab::Fake::say_all($socket, $text->($argv[1]));
                @argv = RedisLab::Fake::read_command($socket);
            }
        }, concurrent => 1);

        my $nginx = nginx(address($fake))->start;

        if (defined $args) {
            is $nginx->get("/redis?cmd=SAY+$fits$args"),
                "REPLIED \$$fits bytes\n", "$name, no more than it may be";
            is $nginx->get("/redis?cmd=SAY+$exceeds$args"), "LOST\n",
                'and more';
        }

        ok wait_for(sub { $nginx->log =~ /invalid reply, reply is too big/ }),
            "$name: the link is dropped";
        stop_nginx($nginx);
        $fake->stop;
    }
};


test 'reply before the whole command' => sub {
    my $fake = fake(sub {
        my ($socket) = @_;
        RedisLab::Fake::greet_only($socket);
        sysread $socket, my $start, 10;
        RedisLab::Fake::say_all($socket, "+early\r\n");
        sleep 1;
    });

    my $nginx = nginx(address($fake))->start;
    sleep 0.3;
    is $nginx->get('/redis?cmd=SET+k&fill=30000000'), "UNAVAILABLE\n",
        'is not taken for its reply';
    like $nginx->log, qr/redis sent a reply too early/, 'is logged';
    stop_nginx($nginx);
    $fake->stop;
};


test 'slow reply' => sub {
    my $fake = fake(sub {
        my ($socket) = @_;
        RedisLab::Fake::greet($socket) or return;

        do {
            for my $byte (split //, "*2\r\n\$3\r\nabc\r\n:5\r\n") {
                RedisLab::Fake::say_all($socket, $byte);
                sleep 0.005;
            }
        } while (RedisLab::Fake::read_command($socket));
    });

    my $nginx = nginx(address($fake))->start;
    is $nginx->get('/redis?cmd=X'), "REPLIED *2 \$abc :5\n", 'byte by byte';
    is $nginx->get('/redis?cmd=X'), "REPLIED *2 \$abc :5\n", 'and again';
    stop_nginx($nginx);
    $fake->stop;
};


test 'greeting that does not end' => sub {
    my $fake = fake(sub { sysread $_[0], my $hello, 65536; sleep 1000 });
    my $nginx = nginx(address($fake))->start;

    my ($seconds, $answer) = timed(sub { $nginx->get('/redis?cmd=PING') });
    is $answer, "UNAVAILABLE\n", 'a command that waits for it';
    cmp_ok $seconds, '<', 1.5 * $SLOW, 'does not wait long';
    ok wait_for(sub { $nginx->log =~ /timed out .*greeting redis/ }),
        'it is given up';
    stop_nginx($nginx);
    $fake->stop;
};


test 'reload' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis), workers => 2)->start;
    up($nginx);

    my $results = lab_dir() . '/load';
    my $end = lab_dir() . '/load.end';

    my @load = map {
        my $me = $_;
        RedisLab::spawn("$results.$me", sub {
            my $n = 0;
            while (!-e $end) {
                my $answer = http_get($nginx->{port}, '/redis?cmd=n'
                    . "$me+1&script=add&keys=1");
                $n++;
                print "bad: $answer" if $answer ne "REPLIED :$n\n";
            }
            print "total $n\n";
        });
    } 1 .. 2;

    for (1 .. 5) {
        ok $nginx->reload, "reload $_ under load";
    }

    open my $fh, '>', $end;
    close $fh;

    for my $me (1, 2) {
        RedisLab::reap($load[$me - 1]);
        my $result = slurp("$results.$me");
        unlike $result, qr/bad/, 'every request was executed once';
        like $result, qr/total [1-9]/, "$result" =~ s/\n//r;
    }

    ok wait_for(sub { $nginx->workers == 2 }), 'the old workers are gone';
    ok wait_for(sub { $redis->links == 2 }), 'and their links';

    # a configuration that is not accepted changes nothing

    my $server = $nginx->{server};
    $nginx->write_conf(server => "$server redis_test nosuch;");
    kill HUP => $nginx->{pid};
    ok wait_for(sub { $nginx->log =~ /\[emerg\].*redis_test/ }), 'bad reload';
    is $nginx->get('/redis?cmd=PING'), "REPLIED +PONG\n", 'it goes on';

    $nginx->write_conf(server => "$server location /x { redis_test none; }");
    kill HUP => $nginx->{pid};
    ok wait_for(sub { $nginx->log =~ /\[emerg\].*unknown iot_store "none"/ }),
        'bad reload with an unknown store';
    is $nginx->get('/redis?cmd=PING'), "REPLIED +PONG\n", 'it goes on';

    # reload while Redis is down

    $nginx->write_conf(server => $server);
    $redis->stop;
    my $count = $nginx->log_count('connect\(\) failed');
    kill HUP => $nginx->{pid};
    ok wait_for(sub { $nginx->log_count('connect\(\) failed') >= $count + 2 }),
        'reload while redis is down';
    is $nginx->get('/redis?cmd=PING'), "UNAVAILABLE\n", 'unavailable';
    $redis->start;
    ok up($nginx), 'it recovers';

    is $nginx->quit, 0, 'nginx exits in good order';
    is join('', grep { !/\[emerg\]/ } $nginx->complaints), '',
        'nothing bad in its log';
};


test 'exit with commands in flight' => sub {
    my $redis = redis();

    # the server answers in time

    my $nginx = nginx(address($redis))->start;
    up($nginx);
    $redis->signal('STOP');
    my $request = $nginx->begin('/redis?cmd=ECHO+last');
    $nginx->settle;
    kill QUIT => $nginx->{pid};
    wait_for(sub { $nginx->log =~ /gracefully shutting down/ });
    $redis->signal('CONT');
    is((http_finish($request))[1], "REPLIED \$last\n",
        'a quitting worker waits for the reply');
    is RedisLab::reap($nginx->{pid}), 0, 'then exits';
    is join('', $nginx->complaints), '', 'nothing bad in its log';

    # it does not

    $nginx = nginx(address($redis))->start;
    up($nginx);
    $redis->signal('STOP');
    $request = $nginx->begin('/redis?cmd=PING');
    $nginx->settle;
    my ($seconds, $status) = timed(sub { $nginx->quit });
    is $status, 0, 'it exits when the server does not answer';
    cmp_ok $seconds, '<', 3 * $SLOW, 'after the timeout';
    is((http_finish($request))[1], "TIMED_OUT\n", 'and tells it');
    is join('', $nginx->complaints), '', 'nothing bad in its log';
    $redis->signal('CONT');

    # nor may it wait so long

    $nginx = nginx(address($redis), timeout => '10s',
        main => 'worker_shutdown_timeout 300ms;')->start;
    up($nginx);
    $redis->signal('STOP');
    $request = $nginx->begin('/redis?cmd=PING');
    $nginx->settle;
    ($seconds, $status) = timed(sub { $nginx->quit });
    is $status, 0, 'it exits after worker_shutdown_timeout';
    cmp_ok $seconds, '<', 3 * $SLOW, 'soon';
    is join('', $nginx->complaints), '', 'nothing bad in its log';
    $redis->signal('CONT');

    # fast; nginx itself leaves requests as they are then, which is a leak

    return if $ENV{TEST_NGINX_USE_VALGRIND};

    $nginx = nginx(address($redis))->start;
    up($nginx);
    $redis->signal('STOP');
    $request = $nginx->begin('/redis?cmd=PING');
    $nginx->settle;
    kill TERM => $nginx->{pid};
    is RedisLab::reap($nginx->{pid}), 0, 'it exits at once on TERM';
    is join('', $nginx->complaints), '', 'nothing bad in its log';
    $redis->signal('CONT');
};


test 'exit while the server is away' => sub {
    my $redis = RedisLab::Redis->new;
    my $nginx = nginx(address($redis))->start;
    is $nginx->get('/redis?cmd=PING'), "UNAVAILABLE\n", 'unavailable';
    my ($seconds) = timed(sub { stop_nginx($nginx) });
    cmp_ok $seconds, '<', 2 * $SLOW, 'attempts to connect keep no worker';

    my $fake = fake(sub { sysread $_[0], my $hello, 65536; sleep 1000 });
    $nginx = nginx(address($fake))->start;
    wait_for(sub { $fake->connections });
    ($seconds) = timed(sub { stop_nginx($nginx) });
    cmp_ok $seconds, '<', 2 * $SLOW, 'nor does one in progress';
    $fake->stop;
};


test 'request that submits while its worker exits' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis))->start;
    up($nginx);

    my $slow = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$nginx->{port}");
    $slow->syswrite("GET /redis?cmd=ECHO+late HTTP/1.1\r\nHost: x\r\n");
    $nginx->settle;

    kill QUIT => $nginx->{pid};
    ok wait_for(sub { !$redis->links }), 'the idle link is closed at once';

    $slow->syswrite("Connection: close\r\n\r\n");
    is((http_finish($slow))[1], "REPLIED \$late\n",
        'a link is made for a late command');
    is RedisLab::reap($nginx->{pid}), 0, 'then it exits';
    is join('', $nginx->complaints), '', 'nothing bad in its log';
};


test 'single process' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis), main => 'master_process off;')->start;
    ok up($nginx), 'works without a master';
    stop_nginx($nginx);
};


test 'processes of the cache' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis));
    $nginx->write_conf(http => $nginx->{http}
        . " proxy_cache_path $nginx->{dir}/cache keys_zone=x:1m;");
    $nginx->start;
    up($nginx);
    cmp_ok scalar($nginx->workers), '>', 1, 'there is one';
    is scalar($redis->links), 1, 'only the worker has a link';

    kill QUIT => $nginx->{pid};
    RedisLab::reap($nginx->{pid});
    is join('', $nginx->complaints), '', 'nothing bad in its log';
};


test 'stores that nobody uses' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis),
        main => 'iot_store other { server ' . address($redis) . '; }')->start;
    up($nginx);
    is scalar($redis->links), 1, 'have no link';
    stop_nginx($nginx);
};


test 'backoff' => sub {
    my $fake = fake(sub { });
    my $nginx = nginx(address($fake))->start;
    sleep 3;
    my $n = $fake->connections;
    cmp_ok $n, '>', 3, "a server that closes is tried again ($n times in 3 s)";
    cmp_ok $n, '<', 40, 'with growing pauses';
    stop_nginx($nginx);
    $fake->stop;

    # nor is one that breaks each link after its greeting hammered

    $fake = fake(sub { RedisLab::Fake::greet_only($_[0]) });
    $nginx = nginx(address($fake))->start;
    sleep 3;
    $n = $fake->connections;
    cmp_ok $n, '<', 40, "a server that closes after the greeting ($n times)";
    stop_nginx($nginx);
    $fake->stop;
};


my $probe = RedisLab::Nginx->new(http => 'iot_store a { server 127.0.0.1; }',
    server => 'location / { redis_test a; }');

if ($probe->test !~ /successful/) {
    plan skip_all => 'no nginx with t/redis-module: ' . $probe->test;
}

if (system('redis-server --version >/dev/null 2>&1') != 0) {
    plan skip_all => 'no redis-server';
}

for my $name (@ARGV ? @ARGV : @names) {
    subtest $name => $tests{$name} || sub { fail "no such test" };
    RedisLab::stop_all();
}

unlike join('', map { $_->log } @nginxes), qr/open socket #\d+ left/,
    'no socket was left open';

done_testing;
