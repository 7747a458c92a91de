package Faults::Deployment;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What a gateway can stand before, and what can happen to it.
#
#     my $deployment = Faults::Deployment->start('single');
#
#     $deployment->store              directives for iot_store
#     $deployment->lossless           no failover can lose anything
#     $deployment->KIND(DICE ...)     a fault, with _ for -; it is over, and
#                                     all is as it was, when it returns; it
#                                     returns the time since when that is so
#     $deployment->steady             waits until it is ready for the next
#     $deployment->nodes              each a RedisLab::Redis
#     $deployment->stop
#
# Dies when real servers do not do what they should.

use strict;
use warnings;

use RedisLab ();
use Time::HiRes qw(sleep time);

my %CLASS = (single => 'Single', link => 'Link', sentinel => 'Sentinel',
             cluster => 'Cluster');

# what is written is in the files of a Redis that is killed
our @EVERYSEC = ('--appendonly', 'yes', '--appendfsync', 'everysec');
our @ALWAYS = ('--appendonly', 'yes', '--appendfsync', 'always');


sub start {
    my ($class, $name) = @_;

    # a full disk, see fill(), is an error and no signal
    local $SIG{XFSZ} = 'IGNORE';

    my $self = bless {}, "Faults::Deployment::$CLASS{$name}";

    $self->up;

    return $self;
}


sub lossless { return 0 }
sub steady { }


sub must {
    my ($what, $reply) = @_;

    die "$what\n" if !$reply;

    return $reply;
}


# ---- what can happen to a Redis --------------------------------------------

# a Redis that was killed starts again with its files

sub again {
    my ($node, @options) = @_;

    local $SIG{XFSZ} = 'IGNORE';

    $node->start(@options);
}


sub hang {
    my ($node, $seconds) = @_;

    $node->signal('STOP');
    sleep $seconds;
    $node->signal('CONT');
}


# From now on its files cannot grow: to its disk, that is full.  A Redis that
# hangs may be asked for nothing.

sub fill {
    my ($node, $room) = @_;

    my $size = 0;

    for (glob "$node->{dir}/appendonlydir/*.incr.aof") {
        $size = -s if -s > $size;
    }

    limit($node, $size + $room);
}


sub limit {
    my ($node, $size) = @_;

    must("prlimit of $node->{pid}", system('prlimit', '--pid', $node->{pid},
                                           "--fsize=$size:unlimited") == 0);
}


# With everysec it goes on to answer reads, and refuses what it cannot write.

sub full_for_a_while {
    my ($node, @dice) = @_;

    fill($node, int $dice[0] * 4000);

    my $full = RedisLab::wait_for(sub {
        $node->info('aof_last_write_status') eq 'err';
    });

    sleep 0.3 + 0.7 * $dice[1];
    limit($node, 'unlimited');

    my $since = time;

    must('the disk was never full', $full);
    must('the disk stays full', RedisLab::wait_for(sub {
        $node->info('aof_last_write_status') eq 'ok';
    }));

    rewrite($node);

    return $since;
}


# Redis 7.0.15 cuts off what it had written of a record where the file before
# this one had its end: README.md says what to do.

sub rewrite {
    my ($node) = @_;

    must('no rewrite', RedisLab::wait_for(sub {
        $node->command('BGREWRITEAOF') =~ /^Background/;
    }));
    must('the rewrite does not end', RedisLab::wait_for(sub {
        $node->info('aof_rewrite_in_progress') == 0
            && $node->info('aof_rewrite_scheduled') == 0
            && $node->info('aof_last_bgrewrite_status') eq 'ok';
    }));
}


# ---- one Redis -------------------------------------------------------------

package Faults::Deployment::Single;

use Time::HiRes qw(sleep time);

our @ISA = 'Faults::Deployment';


sub up {
    my ($self) = @_;

    $self->{redis} = RedisLab::Redis->new(@Faults::Deployment::ALWAYS)->start;
}


sub store { return "server 127.0.0.1:$_[0]{redis}{port};" }
sub lossless { return 1 }
sub nodes { return $_[0]{redis} }
sub stop { $_[0]{redis}->stop }


sub redis_kill {
    my ($self, @dice) = @_;

    $self->{redis}->stop('KILL');
    sleep $dice[0];
    Faults::Deployment::again($self->{redis});

    return time;
}


# some of them shorter than a timeout

sub redis_stop {
    my ($self, @dice) = @_;

    Faults::Deployment::hang($self->{redis}, 0.1 + 2.5 * $dice[0]);

    return time;
}


# with appendfsync always Redis ends itself

sub disk_full {
    my ($self, @dice) = @_;

    my $redis = $self->{redis};

    Faults::Deployment::fill($redis, int $dice[0] * 4000);

    Faults::Deployment::must('the disk was never full',
                             defined RedisLab::reap(delete $redis->{pid}));
    sleep 0.5 * $dice[1];
    Faults::Deployment::again($redis);

    return time;
}


# ---- one Redis, by way of a proxy ------------------------------------------

package Faults::Deployment::Link;

use Faults::Proxy;
use Time::HiRes qw(time);

our @ISA = 'Faults::Deployment::Single';


sub up {
    my ($self) = @_;

    $self->SUPER::up;
    $self->{proxy} = Faults::Proxy->start($self->{redis}{port});
}


sub store { return "server 127.0.0.1:$_[0]{proxy}{port};" }


sub stop {
    my ($self) = @_;

    $self->{proxy}->stop;
    $self->SUPER::stop;
}


sub link_cut { return shift->cut(0, @_) }
sub link_reset { return shift->cut(1, @_) }


sub cut {
    my ($self, $reset, @dice) = @_;

    for (1 .. 1 + int 3 * $dice[1]) {
        Faults::Deployment::must('nothing was cut',
            $self->{proxy}->cut(int 3000 * $dice[0] ** 2, $reset));
    }

    return time;
}


# ---- a master, a replica and sentinels -------------------------------------

package Faults::Deployment::Sentinel;

use Iot::Readme;
use Iot::Sentinels;
use Time::HiRes qw(sleep time);

our @ISA = 'Faults::Deployment';


sub up {
    my ($self) = @_;

    $self->{lab} = Iot::Sentinels->start(replicas => 1,
        failover_timeout => 3000, options => [
            @Faults::Deployment::EVERYSEC, '--min-replicas-to-write', 1,
            '--min-replicas-max-lag', 10 ]);
}


sub store {
    my ($self) = @_;

    my $lab = $self->{lab};

    return 'topology sentinel ' . $lab->name . '; server '
        . join(' ', $lab->sentinel_addresses) . '; replicas 1;';
}


sub nodes { return $_[0]{lab}->sentinels, $_[0]{lab}->redises }
sub stop { $_->stop('KILL') for $_[0]->nodes }


sub steady {
    my ($self) = @_;

    my $lab = $self->{lab};

    Faults::Deployment::must('the replica does not follow', $lab->in_step);
    Faults::Deployment::must('sentinels do not see the replica',
        RedisLab::wait_for(sub {
            !grep { !$self->sees($_) } $lab->sentinels;
        }, $Iot::Sentinels::TAKEN_BACK));
}


sub sees {
    my ($self, $sentinel) = @_;

    my $lab = $self->{lab};
    my $replicas = $sentinel->command('SENTINEL', 'REPLICAS', $lab->name);
    my %of = @{$replicas->[0] || []};
    my %master = @{$sentinel->command('SENTINEL', 'MASTER', $lab->name)};

    return @$replicas == 1 && $of{flags} eq 'slave'
           && $master{flags} eq 'master'
           && $master{port} == $lab->master->{port};
}


sub replica_kill {
    my ($self, @dice) = @_;

    my ($replica) = $self->{lab}->replicas;

    $replica->stop('KILL');
    sleep 0.2 + $dice[0];
    Faults::Deployment::again($replica, '--replicaof', '127.0.0.1',
                              $self->{lab}->master->{port});

    return time;
}


sub replica_stop {
    my ($self, @dice) = @_;

    my ($replica) = $self->{lab}->replicas;

    Faults::Deployment::hang($replica, 0.2 + 1.5 * $dice[0]);

    return time;
}


sub disk_full {
    my ($self, @dice) = @_;

    return Faults::Deployment::full_for_a_while($self->{lab}->master, @dice);
}


# As README.md has it.  Sentinels make the old master a replica after some
# seconds; until then there is no replica that could confirm, so it is told.

sub sentinel_failover {
    my ($self) = @_;

    my $lab = $self->{lab};
    my $old = $lab->master;
    my $switch = block('Redis Sentinel', 'sh');
    my %of = ('10.0.0.1' => '127.0.0.1', '-p 6379' => "-p $old->{port}",
              '-p 26379' => '-p ' . ($lab->sentinels)[0]{port});

    $switch =~ s/\Q$_\E/$of{$_}/g for keys %of;

    # a sentinel may not yet know the replica that well
    Faults::Deployment::must('no failover is begun', RedisLab::wait_for(sub {
        qx{( $switch ) 2>&1} eq "OK\nOK\n";
    }));

    my $new = Faults::Deployment::must('no failover', $lab->failed_over($old));

    $old->command('CONFIG', 'SET', 'min-replicas-to-write', 1);
    $old->command('REPLICAOF', '127.0.0.1', $new->{port});

    return time;
}


sub master_kill {
    my ($self) = @_;

    my $lab = $self->{lab};
    my $old = $lab->master;

    $old->stop('KILL');

    my $new = Faults::Deployment::must('no failover', $lab->failed_over($old));

    Faults::Deployment::again($old, '--replicaof', '127.0.0.1', $new->{port});

    return time;
}


# It comes back as a master, until it is told.

sub master_stop {
    my ($self, @dice) = @_;

    my $lab = $self->{lab};
    my $old = $lab->master;

    $old->signal('STOP');

    my $new = $lab->failed_over($old);

    $old->signal('CONT');
    Faults::Deployment::must('no failover', $new);
    sleep $dice[0];
    $old->command('REPLICAOF', '127.0.0.1', $new->{port});

    return time;
}


# ---- a cluster -------------------------------------------------------------

package Faults::Deployment::Cluster;

use Iot::Cluster;
use Time::HiRes qw(sleep time);

our @ISA = 'Faults::Deployment';


sub up {
    my ($self) = @_;

    $self->{lab} = Iot::Cluster->start(masters => 3, replicas => 1,
        timeout => 1500, options => [ @Faults::Deployment::EVERYSEC,
            '--cluster-require-full-coverage', 'no' ]);
}


sub store {
    my ($self) = @_;

    return 'topology cluster; server ' . join(' ', $self->{lab}->addresses)
        . '; replicas 1;';
}


sub nodes { return $_[0]{lab}->nodes }
sub stop { $_->stop('KILL') for $_[0]->nodes }


sub steady {
    my ($self) = @_;

    Faults::Deployment::must('the cluster is not whole again',
                             $self->{lab}->ready);
}


sub some_master {
    my ($self, $dice) = @_;

    my @masters = sort { $a->{port} <=> $b->{port} } $self->{lab}->masters;

    return $masters[$dice * @masters];
}


sub some_replica {
    my ($self, $dice) = @_;

    my ($replica) = $self->{lab}->replicas($self->some_master($dice));

    return Faults::Deployment::must('a master has no replica', $replica);
}


sub replica_kill {
    my ($self, @dice) = @_;

    my $replica = $self->some_replica($dice[1]);

    $replica->stop('KILL');
    sleep 0.2 + $dice[0];
    Faults::Deployment::again($replica);

    return time;
}


sub replica_stop {
    my ($self, @dice) = @_;

    Faults::Deployment::hang($self->some_replica($dice[1]),
                             0.2 + 1.0 * $dice[0]);

    return time;
}


sub disk_full {
    my ($self, @dice) = @_;

    return Faults::Deployment::full_for_a_while($self->some_master($dice[2]),
                                                @dice);
}


sub cluster_kill {
    my ($self, @dice) = @_;

    my $old = $self->some_master($dice[0]);

    $old->stop('KILL');
    Faults::Deployment::must('no replica takes over',
                             $self->{lab}->failed_over($old));
    Faults::Deployment::again($old);

    return time;
}


sub cluster_stop {
    my ($self, @dice) = @_;

    my $old = $self->some_master($dice[0]);

    $old->signal('STOP');

    my $new = $self->{lab}->failed_over($old);

    $old->signal('CONT');
    Faults::Deployment::must('no replica takes over', $new);

    return time;
}

1;
