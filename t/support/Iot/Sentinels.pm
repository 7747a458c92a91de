package Iot::Sentinels;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A master, its replicas, and sentinels that watch over them: real servers on
# free ports, gone with the test.
#
#     my $lab = Iot::Sentinels->start(replicas => 2, sentinels => 3);
#
#     $lab->sentinel_addresses        "127.0.0.1:port" of each sentinel
#     $lab->name                      of the master in the sentinels' eyes
#     $lab->redises, ->sentinels      all of them, RedisLab::Redis
#     $lab->master                    the one that the sentinels name
#     $lab->replicas                  the others that run
#     $lab->failed_over(NODE)         waits until the sentinels, or those of
#                                     them that run, agree on another master
#                                     than this: that one; undef when none is
#     $lab->in_step                   waits until every replica that runs
#                                     follows the master
#
#     $node->stop('KILL'), ->start, ->signal('STOP' or 'CONT'),
#     ->command(...), ->{port}
#
# Options: down_after and failover_timeout (ms), name, options (of
# redis-server, not of sentinels), settings (lines of sentinels' own).
#
#     user, password                  of Redis, for gateways and sentinels;
#                                     without a user it is requirepass
#     sentinel_user, sentinel_password  of the sentinels, the same
#     tls (path of a certificate, see Iot::Authority), ca, for Redis;
#     sentinel_tls => 1 for sentinels too.  Their ports are {tls_port} then,
#                                     and those are what addresses say

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);

use lib dirname(abs_path(__FILE__)) . '/../../redis-module/lib';
use RedisLab ();

# seconds: sentinels wait before they make a master that returns a replica
our $TAKEN_BACK = 60;


sub start {
    my ($class, %of) = @_;

    my $self = bless {
        replicas => 2, sentinels => 3, down_after => 1000,
        failover_timeout => 6000, name => 'iot', options => [],
        settings => [], %of
    }, $class;

    $self->start_redises;
    $self->start_sentinels;

    return $self;
}


sub start_redises {
    my ($self) = @_;

    my ($master, @replicas) = map { $self->new_redis } 0 .. $self->{replicas};

    $_->start for $master, @replicas;
    $self->{redises} = [ $master, @replicas ];

    # the first role is given at run time: who starts again is told by the
    # sentinels, as it is when a configuration was rewritten

    must($_, 'REPLICAOF', '127.0.0.1', port($master)) for @replicas;

    follow($_) for @replicas;
}


sub new_redis {
    my ($self) = @_;

    my $node = RedisLab::Redis->new('--repl-diskless-sync-delay', 0,
        '--repl-ping-replica-period', 1, @{$self->{options}});

    $self->secure($node, $self->{user}, $self->{password}, $self->{tls});

    push @{$node->{options}}, '--tls-replication', 'yes' if $self->{tls};

    if (defined $self->{password}) {
        push @{$node->{options}}, '--masterauth', $self->{password},
            defined $self->{user} ? ('--masteruser', $self->{user}) : ();
    }

    return $node;
}


# The test itself logs in as "default", with the password or, when there is a
# user, without one.

sub secure {
    my ($self, $node, $user, $password, $tls) = @_;

    if (defined $user) {
        push @{$node->{options}}, '--user', $user, 'on', ">$password", '~*',
            '&*', '+@all';

    } elsif (defined $password) {
        push @{$node->{options}}, '--requirepass', $password;
        $node->{password} = $password;
    }

    $node->tls($tls, '--tls-ca-cert-file', $self->{ca}) if $tls;
}


sub start_sentinels {
    my ($self) = @_;

    $self->{sentinel_nodes} = [
        map { $self->new_sentinel } 1 .. $self->{sentinels} ];

    $_->start for $self->sentinels;

    RedisLab::wait_for(sub {
        !grep { !$self->watches($_) } $self->sentinels;
    }) or die 'the sentinels do not find each other: '
        . RedisLab::slurp(($self->sentinels)[0]{dir} . '/log');
}


sub new_sentinel {
    my ($self) = @_;

    my $node = RedisLab::Redis->new('--sentinel');
    my $tls = $self->{sentinel_tls} ? $self->{tls} : undef;

    # what a sentinel uses towards Redis is one setting with its own ports
    if ($self->{tls}) {
        $node->tls($self->{tls}, '--tls-ca-cert-file', $self->{ca},
                   '--tls-replication', 'yes');
        delete $node->{tls_port} if !$tls;
    }

    $self->secure($node, $self->{sentinel_user}, $self->{sentinel_password});

    $node->{config} = "$node->{dir}/sentinel.conf";

    open my $file, '>', $node->{config} or die "$node->{config}: $!";
    print $file map { "$_\n" } $self->sentinel_settings;
    close $file;

    return $node;
}


sub sentinel_settings {
    my ($self) = @_;

    my $name = $self->{name};
    my $quorum = int($self->{sentinels} / 2) + 1;
    my ($user, $password) = @$self{qw(sentinel_user sentinel_password)};

    return (
        @{$self->{settings}},
        "sentinel monitor $name 127.0.0.1 " . port($self->{redises}[0])
            . " $quorum",
        "sentinel down-after-milliseconds $name $self->{down_after}",
        "sentinel failover-timeout $name $self->{failover_timeout}",
        "sentinel parallel-syncs $name 2",
        defined $self->{user} ? "sentinel auth-user $name $self->{user}" : (),
        defined $self->{password}
            ? "sentinel auth-pass $name $self->{password}" : (),
        defined $user ? "sentinel sentinel-user $user" : (),
        defined $password ? "sentinel sentinel-pass $password" : (),
    );
}


# ---- who is what ----------------------------------------------------------

sub port { return $_[0]{tls_port} || $_[0]{port} }

sub name { return $_[0]{name} }
sub redises { return @{$_[0]{redises}} }
sub sentinels { return @{$_[0]{sentinel_nodes}} }

sub sentinel_addresses { return map { '127.0.0.1:' . port($_) }
                                    $_[0]->sentinels }

sub alive { return grep { $_->{pid} } @_ }


sub named {
    my ($self, $sentinel) = @_;

    my $address = $sentinel->command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME',
                                     $self->{name});

    return undef if ref $address ne 'ARRAY';

    my ($node) = grep { port($_) == $address->[1] } $self->redises;
    return $node;
}


sub master {
    my ($self) = @_;

    for my $sentinel (alive($self->sentinels)) {
        my $node = $self->named($sentinel);
        return $node if $node;
    }

    return undef;
}


sub replicas {
    my ($self) = @_;

    my $master = $self->master;

    return grep { $_ != $master } alive($self->redises);
}


# it knows the other sentinels and the replicas, and talks to them

sub watches {
    my ($self, $sentinel) = @_;

    my %of = @{$sentinel->command('SENTINEL', 'MASTER', $self->{name}) || []};

    return ($of{flags} // '') eq 'master'
           && $of{'num-other-sentinels'} == $self->{sentinels} - 1
           && $of{'num-slaves'} == $self->{replicas}
           && ($sentinel->command('SENTINEL', 'CKQUORUM', $self->{name})
               // '') =~ /^OK/;
}


sub must {
    my ($node, @argv) = @_;

    my $reply = $node->command(@argv) // 'no answer';
    die "@argv: $reply\n" if $reply =~ /^-|^no answer/;

    return $reply;
}


# ---- waiting --------------------------------------------------------------

sub follow {
    my ($node) = @_;

    RedisLab::wait_for(sub {
        ($node->info('role') // '') eq 'slave'
            && ($node->info('master_link_status') // '') eq 'up';
    }) or die 'a replica does not follow: '
        . RedisLab::slurp("$node->{dir}/log");
}


# sentinels that were stopped by a signal do not answer: nobody asks them

sub failed_over {
    my ($self, $old, @sentinels) = @_;

    my $new;

    @sentinels = alive($self->sentinels) if !@sentinels;

    RedisLab::wait_for(sub {
        my %named = map { $_ ? ($_->{port} => $_) : ('none' => 0) }
                    map { $self->named($_) } @sentinels;

        ($new) = CORE::keys %named == 1 ? CORE::values %named : ();

        return $new && $new != $old
               && ($new->info('role') // '') eq 'master';
    });

    return $new && $new != $old ? $new : undef;
}


sub in_step {
    my ($self) = @_;

    # a second failover may follow the first

    return RedisLab::wait_for(sub {
        my $port = port($self->master);

        return !grep {
            ($_->info('role') // '') ne 'slave'
                || ($_->info('master_port') // '') != $port
                || ($_->info('master_link_status') // '') ne 'up'
        } $self->replicas;
    }, $TAKEN_BACK * $RedisLab::SLOW);
}

1;
