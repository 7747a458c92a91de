#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Writes that wait for replicas: a real one that is there, hangs, or is gone.
# Needs what t/redis_client.t needs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/redis-module/lib";

use RedisLab;
use Test::More;
use Time::HiRes qw(sleep time);

my $SLOW = $RedisLab::SLOW;

my ($master, $replica, $nginx) = start();

one_wait_for_many();
reads();
replica_hangs();
errors();
clients_leave();
many_writes();
replica_returns();
master_dies();

is $nginx->quit, 0, 'nginx exits in good order';
is join('', $nginx->complaints), '', 'nothing bad in its log';

no_right();
no_replica();

done_testing();


sub start {
    my $master = RedisLab::Redis->new('--repl-diskless-sync-delay', 0)->start;
    my $replica = RedisLab::Redis->new('--replicaof', '127.0.0.1',
                                       $master->{port})->start;

    wait_for(sub { $master->command('WAIT', 1, 100) == 1
                   && $replica->info('master_link_status') eq 'up' })
        or die 'the replica does not follow';

    return ($master, $replica, nginx($master));
}

sub nginx {
    my ($redis, $directives) = @_;

    my $nginx = RedisLab::Nginx->new(
        http => "iot_store main { server 127.0.0.1:$redis->{port}; "
            . 'replicas 1; timeout ' . 1000 * $SLOW . 'ms; '
            . ($directives // '') . ' }',
        server => 'location /redis { redis_test main; }')->start;

    return $nginx;
}

sub get { $nginx->get("/redis?$_[0]") }
sub up { wait_for(sub { get('cmd=SET+up+1') eq "REPLIED +OK\n" }) }

sub waits {
    return $master->command('INFO', 'commandstats')
        =~ /cmdstat_wait:calls=(\d+)/ ? $1 : 0;
}

# while the code runs the replica does nothing
sub hanging {
    my ($code) = @_;

    $replica->signal('STOP');
    $code->();
    $replica->signal('CONT');
    ok up(), '... and then goes on';
}


sub one_wait_for_many {
    ok up(), 'works';

    my $before = waits();
    is get('copies=100&cmd=INCR+n'),
        join('', map { "REPLIED :$_\n" } 1 .. 100), 'many at once';
    is waits() - $before, 1, 'one WAIT for all of them';
    is $replica->command('GET', 'n'), 100, 'the replica has them';

    $before = waits();
    is get('keys=1&script=add&cmd=n+1'), "REPLIED :101\n", 'a script';
    is waits() - $before, 1, 'with its WAIT';
}


sub reads {
    my $before = waits();

    is get('writes=0&cmd=GET+n'), "REPLIED \$101\n", 'a read';
    is waits() - $before, 1, 'without one but for the new link that it has'
        or diag waits() - $before;
}


sub replica_hangs {
    hanging(sub {
        my $write = $nginx->begin('/redis?cmd=SET+a+b');

        is get('writes=0&cmd=GET+n'), "REPLIED \$101\n",
            'the replica hangs: a read does not wait';

        my ($status, $body) = RedisLab::http_finish($write);
        is $body, "UNREPLICATED\n", 'a write waits in vain';
        is $master->command('GET', 'a'), 'b', 'but is there';
        is get('cmd=SET+a+c'), "UNREPLICATED\n", 'the next one, too';
    });

    is $nginx->log_count(qr/\[error\]/), 0, 'the link stays';
    ok wait_for(sub { $replica->command('GET', 'a') eq 'c' }),
        'the replica gets it later';
}


sub errors {
    hanging(sub {
        like get('cmd=LPUSH+a+b'), qr/^REPLIED -WRONGTYPE/,
            'an error does not wait';
    });
}


sub clients_leave {
    hanging(sub {
        for (1 .. 10) {
            my $socket = $nginx->begin('/redis?cmd=INCR+left');
            $nginx->settle;
            close $socket;
        }

        ok wait_for(sub { ($master->command('GET', 'left') // 0) >= 1 }),
            'clients that do not wait';
    });
}


# what could not be confirmed in time any more is not begun
sub many_writes {
    hanging(sub {
        my (@sockets, %count);

        for (1 .. 60) {
            push @sockets, $nginx->begin('/redis?cmd=INCR+many');
            sleep 0.05 * $SLOW;
        }

        $count{(RedisLab::http_finish($_))[1]}++ for @sockets;

        my $done = $count{"UNREPLICATED\n"} // 0;
        my $not = $count{"UNAVAILABLE\n"} // 0;

        is $done + $not, 60, 'many writes, one after the other'
            or diag explain \%count;
        is $master->command('GET', 'many'), $done,
            'those that are not available were not executed';
    });

    is $nginx->log_count(qr/\[error\]/), 0, 'the link stays';
}


sub replica_returns {
    $replica->stop('KILL');
    is get('cmd=SET+a+d'), "UNREPLICATED\n", 'a replica that is gone';
    $replica->start;
    ok up(), 'comes back';
}


sub master_dies {
    $replica->signal('STOP');

    my $write = $nginx->begin('/redis?cmd=INCR+dead');
    wait_for(sub { $master->command('GET', 'dead') });
    $master->stop('KILL');

    is((RedisLab::http_finish($write))[1], "LOST\n",
       'a master that dies while its replica is waited for');

    $replica->signal('CONT');
    $master->start;
    ok up(), 'comes back';
}


sub no_right {
    $master->command('ACL', 'SETUSER', 'iot', 'on', '>x', '~*', '+@all',
                     '-wait');

    my $file = lab_dir() . '/password';
    open my $fh, '>', $file;
    print $fh "x\n";
    close $fh;
    chmod 0600, $file;

    $nginx = nginx($master, "username iot; password_file $file;");
    ok wait_for(sub { $nginx->log =~ /redis refused WAIT "NOPERM / }),
        'no right to WAIT is noticed at once';
    is get('cmd=SET+a+b'), "UNAVAILABLE\n", 'and nothing is written';
    is $nginx->quit, 0, 'nginx exits in good order';
}


sub no_replica {
    my $single = RedisLab::Redis->new->start;
    $nginx = nginx($single);

    ok wait_for(sub { get('cmd=SET+a+b') eq "UNREPLICATED\n" }),
        'a Redis without replicas';
    is $nginx->quit, 0, 'nginx exits in good order';
}
