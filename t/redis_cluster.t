#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The Redis client with a real Redis Cluster: which server a command goes to,
# slots that move, servers that die.  Needs what t/redis_client.t needs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/redis-module/lib", "$FindBin::Bin/support";

use Iot::Cluster;
use RedisLab;
use Test::More;
use Time::HiRes qw(sleep time);

my $SLOW = $RedisLab::SLOW;

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
