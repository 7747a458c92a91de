#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The Redis client with a real Redis Cluster: which server a command goes to,
# slots that move, servers that die.  Needs what t/redis_client.t needs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/redis-module/lib", "$FindBin::Bin/support";

use Iot::Authority;
use Iot::Cluster;
use RedisLab;
use Test::More;
use Time::HiRes qw(sleep time);

my $SLOW = $RedisLab::SLOW;

# KB; a sanitizer keeps what was freed for a while
my $GROWTH_MAX = $ENV{ASAN_OPTIONS} || $SLOW > 1 ? 500_000 : 10_000;

my (%tests, @names, @nginxes, $cluster);


sub test {
    my ($name, $code) = @_;
    push @names, $name;
    $tests{$name} = $code;
}

# a cluster of three masters with a replica each; tests leave it whole
sub cluster {
    $cluster ||= Iot::Cluster->start(timeout => 1000 * $SLOW);
    return $cluster;
}

# an nginx with a store "main" at those servers, and /redis for it
sub nginx {
    my ($servers, %part) = @_;
    my $timeout = delete $part{timeout} || 1000 * $SLOW . 'ms';
    my $directives = delete $part{store} || '';

    my $nginx = RedisLab::Nginx->new(
        http => "iot_store main { topology cluster; server $servers;"
            . " timeout $timeout; connect_timeout ${\(500 * $SLOW)}ms;"
            . " $directives }",
        server => 'location /redis { redis_test main; }',
        %part
    );

    push @nginxes, $nginx;
    return $nginx->start;
}

sub seeds { join ' ', map { "127.0.0.1:$_->{port}" } cluster()->masters }

sub get { $_[0]->get("/redis?cmd=$_[1]") }

sub stop_nginx {
    my ($nginx) = @_;
    is $nginx->quit, 0, 'nginx exits in good order';
    is join('', $nginx->complaints), '', 'nothing bad in its log';
}

# the links of nginx workers to all servers that run
sub links { map { $_->links } cluster()->alive }

# how often the masters were asked that since the statistics were reset
sub calls {
    my ($command, $how) = @_;
    my $sum = 0;

    for my $node (cluster()->masters) {
        my $stat = $node->info("cmdstat_$command") || '';
        $sum += $1 if $stat =~ /\b${\($how || 'calls')}=(\d+)/;
    }

    return $sum;
}

sub reset_calls { $_->command('CONFIG', 'RESETSTAT') for cluster()->alive }

# a key of each master, in a slot that has no other
sub keys_of {
    my %keys;

    for (my $n = 0; keys %keys < cluster()->masters; $n++) {
        $keys{cluster()->owner("{k$n}")->{port}} ||= "{k$n}";
    }

    return map { $keys{$_->{port}} } cluster()->masters;
}


test 'routing' => sub {
    my @masters = cluster()->masters;
    my $nginx = nginx(seeds());

    for my $n (1 .. 30) {
        my $answer = get($nginx, "SET+{r$n}+$n");
        is $answer, "REPLIED +OK\n", "{r$n}" if $answer ne "REPLIED +OK\n";
    }

    my @sizes = map { $_->command('DBSIZE') } @masters;
    is scalar(grep { $_ } @sizes), 3, "30 keys: @sizes on three masters";
    is get($nginx, '{r1}+1&script=add&keys=1'), "REPLIED :2\n", 'a script';
    is get($nginx, 'PING'), "REPLIED +PONG\n", 'a command without a key';
    is calls('get') + calls('set'), 30, 'without a redirection';
    is scalar(links()), 3, 'one link to each of the three';

    for (cluster()->masters) {
        $_->command('SCRIPT', 'FLUSH');
    }

    for my $key (keys_of()) {
        is get($nginx, "$key+1&script=add&keys=1"), "REPLIED :1\n",
            'a script that the server has lost';
    }

    stop_nginx($nginx);
    is scalar(links()), 0, 'no link is left';
    cluster()->flush;
};


test 'slot that has moved' => sub {
    my ($key, $other) = keys_of();
    my ($from, $to) = cluster()->masters;
    my $slot = cluster()->slot($key);
    my $nginx = nginx(seeds());

    is get($nginx, "SET+$key+a"), "REPLIED +OK\n", 'before';

    cluster()->move($slot, $to);
    reset_calls();

    my $answer = get($nginx, "APPEND+$key+b&copies=20");
    is $answer, join('', map { "REPLIED :$_\n" } 2 .. 21), 'after';
    ok wait_for(sub { calls('cluster|slots') }), 'a table was asked for';

    is get($nginx, "APPEND+$key+c"), "REPLIED :22\n", 'and again';
    is calls('append', 'rejected_calls'), 20, 'without a redirection';
    is calls('append'), 21, 'each was executed once';
    cmp_ok calls('cluster|slots'), '<=', 1, 'for one table';

    # the other slots of both are where they were

    is get($nginx, "SET+$other+x"), "REPLIED +OK\n", 'another slot';
    is $nginx->log_count(qr/\[(error|warn)\]/), 0, 'all that without a word';

    cluster()->move($slot, $from);
    is get($nginx, "STRLEN+$key"), "REPLIED :22\n", 'and back again';

    stop_nginx($nginx);
    cluster()->flush;
};


test 'slot that is being moved' => sub {
    my ($key) = keys_of();
    my ($from, $to) = cluster()->masters;
    my $slot = cluster()->slot($key);
    my $nginx = nginx(seeds());
    my $stat = sub { ($from->info("errorstat_$_[0]") || '') =~ /(\d+)/ && $1 };

    get($nginx, "SET+$key$_+$_") for 1 .. 4;
    cluster()->move_begin($slot, $to);
    cluster()->move_keys($slot, $to, 2);
    reset_calls();

    is join('', map { get($nginx, "GET+$key$_") } 1 .. 4),
        join('', map { "REPLIED \$$_\n" } 1 .. 4),
        'keys of both servers are read';
    is $stat->('ASK'), 2, 'those that have moved, at the other one';

    is get($nginx, "APPEND+${key}new+x&copies=20"),
        join('', map { "REPLIED :$_\n" } 1 .. 20), 'new keys are made there';
    is get($nginx, "${key}n+1&script=add&keys=1"), "REPLIED :1\n",
        'by scripts, too';

    $to->command('SCRIPT', 'FLUSH');
    is get($nginx, "${key}n+1&script=add&keys=1"), "REPLIED :2\n",
        'also when they have to be sent whole';
    is calls('cluster|slots'), 0, 'nothing of this changes the table';

    # keys on both sides at once

    is get($nginx, "MGET+${key}1+${key}2+${key}3+${key}4"), "UNAVAILABLE\n",
        'a command for keys of both does not wait longer than others';
    is $nginx->log_count(qr/\[error\]/), 0, 'and that is not an error';

    $from->command('CONFIG', 'RESETSTAT');
    my $request = $nginx->begin("/redis?cmd=MGET+${key}1+${key}4");
    wait_for(sub { $stat->('TRYAGAIN') });
    cluster()->move_keys($slot, $to);
    cluster()->move_end($slot, $to);
    is((http_finish($request))[1], "REPLIED *2 \$1 \$4\n",
        'but may see the end of the move');

    cluster()->move($slot, $from);
    stop_nginx($nginx);
    cluster()->flush;
};


test 'slot that nobody serves' => sub {
    my ($key, $other) = keys_of();
    my $slot = cluster()->slot($key);
    my $owner = cluster()->owner($key);
    my @nodes = cluster()->alive;
    my $coverage = 'cluster-require-full-coverage';

    $_->command('CONFIG', 'SET', $coverage, 'no') for @nodes;

    my $nginx = nginx(seeds());
    is get($nginx, "SET+$key+a"), "REPLIED +OK\n", 'before';

    # who has heard of it from the owner meanwhile forgets it again
    my $forgotten = sub {
        $_->command('CLUSTER', 'DELSLOTS', $slot) for $owner, @nodes;
        return get($nginx, "GET+$key") =~ /^UNAVAILABLE/
            && $nginx->log =~ /slot $slot of the redis cluster is served/;
    };

    ok wait_for($forgotten), 'it is unavailable, and the log says why';
    like get($nginx, "GET+$key"), qr/^UNAVAILABLE/, 'so is the next command';
    is scalar(() = $nginx->log =~ /is served by nobody/g), 1, '... once';
    is get($nginx, "SET+$other+b"), "REPLIED +OK\n", 'other slots go on';

    $owner->command('CLUSTER', 'ADDSLOTS', $slot);
    ok wait_for(sub { get($nginx, "SET+$key+c") eq "REPLIED +OK\n" }),
        'until it is served again';

    $_->command('CONFIG', 'SET', $coverage, 'yes') for @nodes;
    ok wait_for(sub { !grep { $_->command('CLUSTER', 'INFO')
                              !~ /cluster_slots_ok:16384/ } @nodes }),
        'the cluster is whole';

    $nginx->quit;
    cluster()->flush;
};


test 'master that hands over' => sub {
    my ($old) = cluster()->masters;
    my ($new) = cluster()->replicas($old);
    my ($key) = keys_of();

    # longer than what is asked takes
    my $nginx = nginx(seeds(), timeout => 5000 * $SLOW . 'ms');

    is get($nginx, "INCR+$key"), "REPLIED :1\n", 'before';
    is scalar($old->links), 1, 'a link to the master';

    my ($worker) = $nginx->workers;
    my $fds = () = glob "/proc/$worker/fd/*";

    my $request = $nginx->begin("/redis?cmd=BLPOP+${key}list+1&large=1");
    wait_for(sub { $old->links == 2 });

    $new->command('CLUSTER', 'FAILOVER');
    wait_for(sub { $new->info('role') eq 'master' });
    wait_for(sub { $old->info('role') eq 'slave' });

    is get($nginx, "INCR+$key"), "REPLIED :2\n", 'after';
    ok wait_for(sub { !$old->links }), 'links to the old master are closed';
    like((http_finish($request))[1], qr/^(REPLIED|UNAVAILABLE)/,
        'what it was asked is answered');
    is scalar($new->links), 1, 'the new one has one';
    unlike $nginx->log, qr/[1-9]\d* commands lost/, 'nothing is lost';

    $old->command('CLUSTER', 'FAILOVER');
    wait_for(sub { $old->info('role') eq 'master' });
    wait_for(sub { $new->info('role') eq 'slave' });
    ok wait_for(sub { get($nginx, "GET+$key") eq "REPLIED \$2\n" }),
        'and back again';
    ok wait_for(sub { !$new->links }), 'without links to the other';
    is scalar(() = glob "/proc/$worker/fd/*"), $fds, 'descriptors';
    ok cluster()->ready, 'the cluster is whole';

    stop_nginx($nginx);
    cluster()->flush;
};


# processes that count up keys until they are told to stop; each prints what
# went wrong, how often, and how far it came
sub load {
    my ($nginx, @keys) = @_;
    my $end = lab_dir() . '/load' . $nginx->{port};
    my @children;

    for my $key (@keys) {
        my $pid = RedisLab::spawn("$end.$key", sub {
            my ($n, %bad) = (0);

            while (!-e $end) {
                my $answer = get($nginx, "$key+1&script=add&keys=1");
                $answer =~ /^REPLIED :(\d+)/ ? $n = $1 : $bad{$answer}++;
            }

            print map { "$bad{$_} $_" } sort keys %bad;
            print "total $n\n";
        });
        push @children, [$pid, "$end.$key"];
    }

    return sub {
        open my $fh, '>', $end;
        return map { RedisLab::reap($_->[0]); slurp($_->[1]) } @children;
    };
}


sub counted {
    my ($key) = @_;
    my $n = cluster()->on($key, 'GET', $key);
    return defined $n && $n =~ /^\d+$/ ? $n : 0;
}


test 'master that dies under load' => sub {
    my @keys = keys_of();
    my ($dead) = cluster()->masters;
    my $nginx = nginx(seeds(), workers => 2);

    get($nginx, "SET+{warm}$_+x") for 1 .. 20;
    my $rss = $nginx->rss;
    my $stop = load($nginx, @keys);
    ok wait_for(sub { counted($_) > 20 }), "load $_" for @keys;

    my %pids = map { /name=ngx-iot-(\d+)/ ? ($1 => 1) : () } links();
    is_deeply [sort keys %pids], [sort $nginx->workers],
        'both workers take part';

    reset_calls();
    my $start = time;
    $dead->stop('KILL');

    ok cluster()->failed_over($dead), 'a replica takes over';
    my $promoted = time - $start;
    ok wait_for(sub { get($nginx, "GET+$keys[0]") =~ /^REPLIED/ }),
        'its slots are served again';
    my $took = time - $start;
    diag sprintf 'master killed: promotion %.1f s, recovery %.1f s after it',
        $promoted, $took - $promoted;

    # CLUSTER SLOTS: the throttle of each worker

    my $asked = calls('cluster|slots');
    cmp_ok $asked, '<=', 2 * (2 + $took), "$asked tables asked for";

    my @before = map { counted($_) } @keys;
    ok wait_for(sub { counted($keys[$_]) > $before[$_] + 20 }),
        "$keys[$_] goes on" for 0 .. 2;

    my @result = $stop->();

    for (@result) {
        unlike $_, qr/^\d+ (?!UNAVAILABLE|LOST|TIMED_OUT)/m,
            'nothing but honest outcomes: ' . s/\n/ /gr;
    }

    is scalar(() = $nginx->log =~ /redis refused a command: "CLUSTERDOWN/g)
        <= 2 * 2, 1, 'messages are few';
    cmp_ok $nginx->rss - $rss, '<', $GROWTH_MAX, 'memory is what it was';

    $dead->start;
    ok cluster()->ready, 'the cluster is whole again';
    ok wait_for(sub { !$dead->links }), 'a replica has no links';
    stop_nginx($nginx);
    cluster()->flush;
};


test 'master that hangs' => sub {
    my ($hung) = cluster()->masters;
    my ($key, $other) = keys_of();
    my $nginx = nginx(seeds());

    get($nginx, "SET+$_+a") for $key, $other;
    sleep 1.1;
    $hung->signal('STOP');

    is get($nginx, "SET+$key+b"), "TIMED_OUT\n", 'no reply in time';
    is get($nginx, "GET+$other"), "REPLIED \$a\n", 'others have theirs'
        if cluster()->failed_over($hung);
    ok wait_for(sub { get($nginx, "SET+$key+c") eq "REPLIED +OK\n" }),
        'its slots are served again';
    like $nginx->log, qr/redis did not reply in time, 1 commands lost/,
        'logged';

    $hung->signal('CONT');
    ok cluster()->ready, 'the cluster is whole again';
    ok wait_for(sub { !$hung->links }), 'it has no links';
    is get($nginx, "GET+$key"), "REPLIED \$c\n", 'nothing is confused';
    stop_nginx($nginx);
    cluster()->flush;
};


test 'cluster that is restarted' => sub {
    my @keys = keys_of();
    my $nginx = nginx(seeds());

    get($nginx, "SET+$_+a") for @keys;
    my @nodes = cluster()->alive;
    $_->stop('KILL') for @nodes;

    ok wait_for(sub { get($nginx, "GET+$keys[0]") eq "UNAVAILABLE\n" }),
        'unavailable';
    sleep 3;
    cmp_ok $nginx->log_count(qr/\[error\]/), '<=', 12, 'messages are few'
        or diag $nginx->log;

    $_->start for @nodes;
    ok cluster()->ready, 'it is back';
    my $start = time;

    for my $key (@keys) {
        ok wait_for(sub { get($nginx, "SET+$key+b") eq "REPLIED +OK\n" }),
            "and so is $key";
    }

    diag sprintf 'cluster restarted: recovery %.1f s after it', time - $start;
    stop_nginx($nginx);
    cluster()->flush;
};


test 'reload under load' => sub {
    my @keys = keys_of();
    my $nginx = nginx(seeds(), workers => 2);
    my $stop = load($nginx, @keys);

    for (1 .. 3) {
        ok $nginx->reload, "reload $_";
    }

    like $_, qr/\Atotal [1-9]\d*\n\z/, 'each was executed: ' . s/\n//r
        for $stop->();

    ok wait_for(sub { links() <= 6 }), 'the old links are gone';
    stop_nginx($nginx);
    cluster()->flush;
};


test 'slot of nobody' => sub {
    my ($key, $other) = keys_of();
    my ($from) = cluster()->masters;
    my $slot = cluster()->slot($key);
    my $nginx = nginx(seeds());

    $_->command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no')
        for cluster()->alive;
    get($nginx, "SET+$key+a");

    $_->command('CLUSTER', 'DELSLOTS', $slot) for cluster()->alive;
    is get($nginx, "GET+$key&copies=3"), "UNAVAILABLE\n" x 3, 'unavailable';
    is get($nginx, "SET+$other+b"), "REPLIED +OK\n", 'others are served';
    get($nginx, "GET+$key") for 1 .. 3;
    cmp_ok $nginx->log_count(qr/\[error\]/), '<=', 2, 'logged once'
        or diag $nginx->log;
    like $nginx->log, qr/CLUSTERDOWN|slot $slot of the redis cluster is serv/,
        'with its reason';

    $from->command('CLUSTER', 'ADDSLOTS', $slot);
    ok wait_for(sub { get($nginx, "GET+$key") =~ /^REPLIED/ }),
        'until somebody has it';

    $_->command('CONFIG', 'SET', 'cluster-require-full-coverage', 'yes')
        for cluster()->alive;
    ok cluster()->ready, 'the cluster is whole again';
    stop_nginx($nginx);
    cluster()->flush;
};


test 'servers of the configuration' => sub {
    my ($replica) = cluster()->replicas((cluster()->masters)[0]);
    my ($key) = keys_of();

    my $nginx = nginx("127.0.0.1:$replica->{port}");
    is get($nginx, "SET+$key+a"), "REPLIED +OK\n", 'a replica tells of all';
    is scalar($replica->links), 0, 'and is left alone then';
    stop_nginx($nginx);

    $nginx = nginx('127.0.0.1:' . free_port() . ' 127.0.0.1:' . free_port()
        . ' ' . seeds());
    is get($nginx, "SET+$key+b"), "REPLIED +OK\n", 'some may be down';
    stop_nginx($nginx);

    my $port = free_port();
    $nginx = nginx("127.0.0.1:$port");
    is get($nginx, 'PING'), "UNAVAILABLE\n", 'all of them';
    ok wait_for(sub { get($nginx, 'PING&copies=5') eq "UNAVAILABLE\n" x 5 }),
        'which is told at once';
    is $nginx->log_count(qr/\[error\]/), 1, 'logged once';

    my $redis = RedisLab::Redis->new;
    $redis->{port} = $port;
    $redis->start;
    ok wait_for(sub {
        $nginx->log =~ /not in "cluster" mode, its mode is "standalone"/
    }), 'a server that is none of a cluster';
    stop_nginx($nginx);
    $redis->stop;
    cluster()->flush;
};


test 'servers that have names' => sub {
    my $dns = RedisLab::Dns->new('127.0.0.1');
    my @keys = keys_of();

    for (cluster()->alive) {
        $_->command('CONFIG', 'SET', 'cluster-announce-hostname',
            "node$_->{port}.example.com");
        $_->command('CONFIG', 'SET', 'cluster-preferred-endpoint-type',
            'hostname');
    }

    my ($first) = cluster()->masters;
    ok wait_for(sub {
        !grep { $_->[2][0] !~ /example/ }
            @{$first->command('CLUSTER', 'SLOTS')}
    }), 'names are known';

    my $nginx = nginx("127.0.0.1:$first->{port}",
        store => "resolver 127.0.0.1:$dns->{port} ipv6=off;");
    is get($nginx, "SET+$_+a"), "REPLIED +OK\n", $_ for @keys;
    stop_nginx($nginx);

    $nginx = nginx("127.0.0.1:$first->{port}");
    is get($nginx, "SET+$keys[0]+a&copies=3"), "UNAVAILABLE\n" x 3,
        'without a resolver';
    like $nginx->log, qr/server."node\d+\.example\.com:\d+".of.its.cluster,
        .which.can.not.be.found.without.a."resolver"/x, 'logged';
    stop_nginx($nginx);

    for (cluster()->alive) {
        $_->command('CONFIG', 'SET', 'cluster-preferred-endpoint-type',
            'unknown-endpoint');
    }

    $nginx = nginx("localhost:$first->{port}");
    is get($nginx, "SET+$_+a"), "REPLIED +OK\n", "$_, at the host we asked"
        for @keys;
    stop_nginx($nginx);

    for (cluster()->alive) {
        $_->command('CONFIG', 'SET', 'cluster-preferred-endpoint-type', 'ip');
        $_->command('CONFIG', 'SET', 'cluster-announce-hostname', '');
    }

    $dns->stop if $dns->can('stop');
    cluster()->flush;
};


# what README.md says of the rights that a gateway needs
sub rights {
    my $readme = slurp("$FindBin::Bin/../README.md");
    my ($line) = $readme =~ /^user iot (.*)$/m;
    my ($more) = $readme =~ /In a cluster the user needs `([^`]+)`/;

    return split ' ', "$line $more" =~ s/>\S+/>secret/r;
}


test 'TLS and ACL' => sub {
    my $ca = Iot::Authority->new('cluster');
    my $secured = Iot::Cluster->start(masters => 3, replicas => 0,
        tls => $ca->certificate('node'), ca => $ca->file);
    my ($first) = $secured->addresses;

    my $file = lab_dir() . '/cluster.password';
    open my $fh, '>', $file;
    print $fh "secret\n";
    close $fh;

    for my $node ($secured->alive) {
        is $node->command('ACL', 'SETUSER', 'iot', rights()), 'OK', 'a user';
    }

    my $ssl = 'ssl on; ssl_trusted_certificate ' . $ca->file . ';'
        . " username iot; password_file $file;";
    my $nginx = nginx($first, store => $ssl);

    for my $n (1 .. 9) {
        is get($nginx, "SET+{r$n}+$n"), "REPLIED +OK\n", "{r$n}";
    }

    my $slot = $secured->slot('{r1}x');
    my $from = $secured->owner($slot);
    my ($to) = grep { $_ != $from } $secured->masters;

    $secured->move_begin($slot, $to);
    is get($nginx, 'SET+{r1}x+1'), "REPLIED +OK\n", 'ASKING';
    is $nginx->log_count(qr/\[error\]/), 0, 'no right is missing'
        or diag $nginx->log;
    stop_nginx($nginx);

    $nginx = nginx($first, store => "$ssl ssl_name node.example.com;");
    is get($nginx, 'PING'), "UNAVAILABLE\n", 'another name';
    like $nginx->log, qr/certificate does not match "node\.example\.com"/,
        'is refused';
    stop_nginx($nginx);

    $_->stop for $secured->alive;
};


# one that says what it is told to: to CLUSTER SLOTS, and to everything else
sub fake {
    my ($slots, $other) = @_;

    return RedisLab::Fake->new(sub {
        my ($socket) = @_;
        my $port = $socket->sockport;

        while (my @argv = RedisLab::Fake::read_command($socket)) {
            my $reply = $argv[0] eq 'HELLO' ? join '', "*4\r\n",
                RedisLab::Fake::bulk(qw(mode cluster role master))
                : $argv[0] eq 'SCRIPT'
                ? join '', RedisLab::Fake::bulk(
                    RedisLab::Fake::sha1_hex($argv[2]))
                : $argv[0] eq 'CLUSTER' ? $slots : $other;

            print "asked $argv[0]\n";
            RedisLab::Fake::say_all($socket, $reply =~ s/PORT/$port/gr);
        }
    });
}

sub asked {
    my ($fake, $command) = @_;
    return scalar(() = slurp($fake->{log}) =~ /^asked $command$/mg);
}


test 'hostile servers' => sub {
    my $slots = "*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n\$9\r\n127.0.0.1\r\n"
        . ":PORT\r\n";
    my $fake = fake($slots, "-MOVED 0 127.0.0.1:PORT\r\n");
    my $nginx = nginx("127.0.0.1:$fake->{port}");

    is get($nginx, 'PING'), "UNAVAILABLE\n", 'MOVED without an end';
    is asked($fake, 'PING'), 6, 'is followed five times'
        or diag slurp($fake->{log});
    cmp_ok asked($fake, 'CLUSTER'), '<=', 2, 'and makes no storm';
    is get($nginx, 'PING'), "UNAVAILABLE\n", 'again';
    is $nginx->log_count(qr/redis refused a command: "MOVED/), 1,
        'logged once';
    stop_nginx($nginx);
    $fake->stop;

    $fake = fake($slots, "+OK\r\n-ASK 0 127.0.0.1:PORT\r\n");
    $nginx = nginx("127.0.0.1:$fake->{port}");
    like get($nginx, 'PING'), qr/^(REPLIED|UNAVAILABLE|LOST)/,
        'replies that nobody asked for';
    stop_nginx($nginx);
    $fake->stop;

    for ("-ERR no\r\n", "+OK\r\n", "*0\r\n", "*1\r\n*0\r\n", "*-1\r\n",
        "*1\r\n*3\r\n:0\r\n:99999\r\n*2\r\n\$1\r\nx\r\n:1\r\n",
        "-MOVED 1 127.0.0.1:PORT\r\n", "*1000000\r\n")
    {
        $fake = fake($_, "+PONG\r\n");
        $nginx = nginx("127.0.0.1:$fake->{port}");

        is get($nginx, 'PING'), "UNAVAILABLE\n", 'CLUSTER SLOTS: '
            . s/\r\n/ /gr;
        is $nginx->log_count(qr/\[error\]/), 1, 'logged once'
            or diag $nginx->log;
        stop_nginx($nginx);
        $fake->stop;
    }

    # the largest table that there can be, and one beyond

    my $range = sub {
        my ($from, $to, $port) = @_;
        return "*4\r\n:$from\r\n:$to\r\n" . join '', map {
            "*4\r\n\$9\r\n127.0.0.1\r\n:$_\r\n\$40\r\n" . 'a' x 40
                . "\r\n*2\r\n+hostname\r\n+\r\n"
        } $port, 1;
    };

    $fake = fake(join('', "*16384\r\n",
        map { $range->($_, $_, 'PORT') } 0 .. 16383), "+PONG\r\n");
    $nginx = nginx("127.0.0.1:$fake->{port}");
    is get($nginx, 'PING'), "REPLIED +PONG\n", '16384 runs of slots';
    stop_nginx($nginx);
    $fake->stop;

    $fake = fake(join('', "*257\r\n",
        map { $range->($_, $_, $_ + 1) } 0 .. 256), "+PONG\r\n");
    $nginx = nginx("127.0.0.1:$fake->{port}");
    is get($nginx, 'PING'), "UNAVAILABLE\n", '257 masters';
    stop_nginx($nginx);
    $fake->stop;

    # a master that is none any more

    $fake = fake($slots, "-READONLY You can not write against a replica\r\n");
    $nginx = nginx("127.0.0.1:$fake->{port}");
    is get($nginx, 'PING'), "UNAVAILABLE\n", 'READONLY';
    is asked($fake, 'PING'), 2, 'is tried once more';
    is asked($fake, 'HELLO'), 3, 'on another link';
    like $nginx->log, qr/redis is not the master any more/, 'logged';
    stop_nginx($nginx);
    $fake->stop;

    # redirections to where nobody is, or that are none

    for ('MOVED 0 127.0.0.1:1', 'ASK 0 127.0.0.1:1', 'MOVED 1 127.0.0.1:PORT',
        'MOVED 0 no.such.host:1', 'MOVED 0 ?:1', 'MOVED x', 'ASK')
    {
        $fake = fake($slots, "-$_\r\n");
        $nginx = nginx("127.0.0.1:$fake->{port}");
        is get($nginx, 'PING'), "UNAVAILABLE\n", $_;
        stop_nginx($nginx);
        $fake->stop;
    }
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
    kill TERM => $_ for map { delete $_->{pid} || () } @nginxes;
}

unlike join('', map { $_->log } @nginxes), qr/open socket #\d+ left/,
    'no socket was left open';

done_testing;
