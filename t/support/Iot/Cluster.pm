package Iot::Cluster;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A Redis Cluster of real servers on free ports, gone with the test.
#
#     my $cluster = Iot::Cluster->start(masters => 3, replicas => 1);
#
#     $cluster->addresses             "127.0.0.1:port" of each node
#     $cluster->on(KEY, COMMAND ...)  a command on the master that has the key
#     $cluster->owner(SLOT or KEY)    that node, a RedisLab::Redis
#     $cluster->masters, ->replicas(NODE)
#     $cluster->keys(PATTERN)         of all masters
#     $cluster->flush                 of all masters
#     $cluster->create_registry(ID)
#
#     $cluster->move_begin(SLOT, NODE), ->move_keys(SLOT, NODE),
#     ->move_end(SLOT, NODE)          the three steps of ->move(SLOT, NODE)
#
#     $node->stop('KILL'), ->start, ->signal('STOP' or 'CONT'),
#     ->command(...), ->{port}
#     $cluster->failed_over(NODE)     waits until a replica has its slots:
#                                     that replica, undef when none has; who
#                                     is whose is what ready() saw last
#     $cluster->ready                 waits until all that run agree and serve
#
# Options: timeout (cluster-node-timeout, ms; a smaller one makes a failover
# quicker and a false one on a busy machine likelier), tls (the path of a
# certificate, see Iot::Authority) and ca: every node has a port for TLS then,
# $node->{tls_port}, and it is the one that addresses() gives and the nodes
# tell; options: of redis-server.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use IO::Socket::INET;
use Iot ();
use Time::HiRes qw(sleep time);

use lib dirname(abs_path(__FILE__)) . '/../../redis-module/lib';
use RedisLab ();

my $SLOTS = 16384;


sub start {
    my ($class, %of) = @_;

    my $self = bless {
        masters => 3, replicas => 1, timeout => 2000, options => [], %of
    }, $class;

    my $count = $self->{masters} * (1 + $self->{replicas});

    $self->{nodes} = [ map { $self->new_node } 1 .. $count ];
    $_->start for @{$self->{nodes}};
    $self->form;

    return $self;
}


sub new_node {
    my ($self) = @_;

    my $node = RedisLab::Redis->new('--cluster-enabled', 'yes',
        '--cluster-node-timeout', $self->{timeout},
        '--cluster-config-file', 'nodes.conf',
        '--repl-diskless-sync-delay', 0, @{$self->{options}});

    $node->{port} = port_with_bus();

    if ($self->{tls}) {
        $node->tls($self->{tls}, '--tls-ca-cert-file', $self->{ca},
                   '--tls-cluster', 'yes', '--tls-replication', 'yes');
        $node->{options} = [ map { $_ eq $node->{tls_port}
            ? $node->{tls_port} = port_with_bus() : $_
        } @{$node->{options}} ];
    }

    return $node;
}


# the bus is 10000 above, in every version of Redis

my %taken;

sub port_with_bus {
    for (1 .. 1000) {
        my $port = 12000 + int rand 10000;
        my @sockets = map { listens($_) } $port, $port + 10000;

        return $port if !$taken{$port}++ && @sockets == 2;
    }

    die "no free ports for a cluster: $!";
}


sub listens {
    my ($port) = @_;

    return IO::Socket::INET->new(Listen => 1, ReuseAddr => 1,
        LocalAddr => '127.0.0.1', LocalPort => $port) || ();
}


# the port that nodes tell each other

sub port { return $_[0]{tls_port} || $_[0]{port} }


sub form {
    my ($self) = @_;

    my @nodes = @{$self->{nodes}};
    my @masters = @nodes[0 .. $self->{masters} - 1];

    for my $n (0 .. $#nodes) {
        $nodes[$n]{id} = $nodes[$n]->command('CLUSTER', 'MYID');
        must($nodes[$n], 'CLUSTER', 'SET-CONFIG-EPOCH', $n + 1);
    }

    for my $n (0 .. $#masters) {
        my ($from, $end) = map { int($_ * $SLOTS / @masters) } $n, $n + 1;

        must($masters[$n], 'CLUSTER', 'ADDSLOTS', $from .. $end - 1);
    }

    for my $node (@nodes) {
        must($node, 'CLUSTER', 'MEET', '127.0.0.1', port($_))
            for grep { $_ != $node } @nodes;
    }

    wait_until(sub { !grep { known($_) < @nodes } @nodes },
               'the nodes do not meet');

    for my $n (@masters .. $#nodes) {
        my $master = $masters[($n - @masters) % @masters];

        must($nodes[$n], 'CLUSTER', 'REPLICATE', $master->{id});
    }

    $self->ready or die "the cluster does not form: "
        . $nodes[0]->command('CLUSTER', 'NODES');
}


# how many nodes it knows, those that still shake hands not among them

sub known {
    my ($node) = @_;

    my $nodes = $node->command('CLUSTER', 'NODES') // '';

    return scalar grep { $_ ne '' && !/handshake/ } split /\n/, $nodes;
}


sub must {
    my ($node, @argv) = @_;

    my $reply = $node->command(@argv) // 'no answer';
    die "@argv[0 .. ($#argv < 3 ? $#argv : 3)]: $reply\n"
        if $reply =~ /^-|^no answer/;

    return $reply;
}


sub wait_until {
    my ($condition, $complaint) = @_;

    RedisLab::wait_for($condition) or die "$complaint\n";
}


# ---- who is what ----------------------------------------------------------

sub nodes { return @{$_[0]{nodes}} }

sub alive { return grep { $_->{pid} } $_[0]->nodes }

sub addresses { return map { '127.0.0.1:' . port($_) } $_[0]->nodes }


# the nodes as one of those that answer sees them: id => [ flags, master's id,
# link, slots ... ]

sub view {
    my ($self, @from) = @_;

    for my $node (@from ? @from : $self->alive) {
        my $text = $node->command('CLUSTER', 'NODES') // '-';
        next if $text =~ /^-/;

        my %view;

        for (split /\n/, $text) {
            my ($id, undef, $flags, $master, undef, undef, undef, $link,
                @slots) = split ' ';
            $view{$id} = [ $flags, $master, $link, grep { !/^\[/ } @slots ];
        }

        return \%view;
    }

    die "no node of the cluster answers\n";
}


sub masters {
    my ($self) = @_;

    my $view = $self->view;

    return grep {
        my $seen = $view->{$_->{id}};
        $seen && $seen->[0] =~ /master/ && $seen->[0] !~ /fail|noaddr/
            && @$seen > 3;
    } $self->alive;
}


sub replicas {
    my ($self, $master) = @_;

    my $view = $self->view;

    return grep { ($view->{$_->{id}} || ['', ''])->[1] eq $master->{id} }
           $self->alive;
}


sub slot {
    my ($self, $key) = @_;

    my ($node) = $self->alive;

    return $key if $key =~ /^\d+\z/;
    return $node->command('CLUSTER', 'KEYSLOT', $key);
}


sub owner {
    my ($self, $key) = @_;

    my $slot = $self->slot($key);

    for my $node ($self->masters) {
        my $view = $self->view($node);
        my (undef, undef, undef, @ranges) = @{$view->{$node->{id}}};

        for (@ranges) {
            my ($from, $to) = split /-/;
            return $node if $slot >= $from && $slot <= ($to // $from);
        }
    }

    return undef;
}


sub on {
    my ($self, $key, @argv) = @_;

    my $node = $self->owner($key) or die "nobody has the slot of $key\n";

    return $node->command(@argv);
}


sub keys {
    my ($self, $pattern) = @_;

    return map { @{$_->command('KEYS', $pattern // '*')} } $self->masters;
}


sub flush { must($_, 'FLUSHALL') for $_[0]->masters }


sub create_registry {
    my ($self, $id, @options) = @_;

    my ($node) = $self->masters;

    Iot::create_registry_at("-c -p $node->{port}", $id, @options);
}


# ---- slots that move ------------------------------------------------------

sub move_begin {
    my ($self, $slot, $to) = @_;

    my $from = $self->owner($slot);

    must($to, 'CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $from->{id});
    must($from, 'CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $to->{id});
}


# count: at most so many keys, all by default; how many have moved

sub move_keys {
    my ($self, $slot, $to, $count) = @_;

    my $from = $self->owner($slot);
    my $moved = 0;

    while (!defined $count || $moved < $count) {
        my $keys = $from->command('CLUSTER', 'GETKEYSINSLOT', $slot,
            defined $count ? $count - $moved : 100);

        last if !@$keys;

        must($from, 'MIGRATE', '127.0.0.1', port($to), '', 0, 5000, 'KEYS',
             @$keys);
        $moved += @$keys;
    }

    return $moved;
}


# the new owner first, or the old one would answer that nobody has the slot

sub move_end {
    my ($self, $slot, $to) = @_;

    my $from = $self->owner($slot);

    must($_, 'CLUSTER', 'SETSLOT', $slot, 'NODE', $to->{id})
        for $to, $from, grep { $_ != $to && $_ != $from } $self->masters;
}


sub move {
    my ($self, $slot, $to) = @_;

    $self->move_begin($slot, $to);
    $self->move_keys($slot, $to);
    $self->move_end($slot, $to);
}


# ---- waiting --------------------------------------------------------------

# a replica that took over a node that died or hangs

sub failed_over {
    my ($self, $old) = @_;

    my $new;
    my @others = grep { $_ != $old } $self->alive;

    RedisLab::wait_for(sub {
        my $view = $self->view(@others);

        ($new) = grep {
            my $seen = $view->{$_->{id}};
            $_->{follows} eq $old->{id} && $seen->[0] =~ /master/
                && @$seen > 3;
        } @others;

        return $new && serves($new);
    });

    return $new;
}


sub serves {
    my ($node) = @_;

    return ($node->command('CLUSTER', 'INFO') // '') =~ /cluster_state:ok/;
}


# all slots served, every replica in step, and the same in all eyes

sub ready {
    my ($self) = @_;

    my @nodes = $self->alive;

    my $ready = RedisLab::wait_for(sub {
        return 0 if grep { !serves($_) } @nodes;

        my @views = map { $self->view($_) } @nodes;
        my %seen = map { picture($_) => 1 } @views;

        return 0 if CORE::keys %seen > 1;

        return !grep {
            ($_->info('role') // '') eq 'slave'
                && ($_->info('master_link_status') // '') ne 'up'
        } @nodes;
    });

    my $view = $self->view;
    $_->{follows} = $view->{$_->{id}}[1] for @nodes;

    return $ready;
}


sub picture {
    my ($view) = @_;

    return join "\n", map {
        my ($flags, $master, undef, @slots) = @{$view->{$_}};
        $flags =~ s/myself,//;
        "$_ $flags $master @slots";
    } sort { $a cmp $b } CORE::keys %$view;
}

1;
