package Faults::Proxy;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What stands between a gateway and its Redis, and cuts connections in the
# middle of a reply.
#
#     my $proxy = Faults::Proxy->start(PORT of Redis);
#     $proxy->{port}
#     $proxy->cut(BYTES, RESET)   after so many bytes of replies from now on,
#                                 with RST or FIN; false if it has not come to
#                                 that
#     $proxy->stop

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use RedisLab ();
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM SOL_SOCKET SO_LINGER);


sub start {
    my ($class, $to) = @_;

    my $self = bless { port => RedisLab::free_port(), to => $to }, $class;
    my $listen = IO::Socket::INET->new(Listen => 64, ReuseAddr => 1,
        LocalAddr => "127.0.0.1:$self->{port}") or die "listen: $!";
    my ($ours, $theirs) = IO::Socket::UNIX->socketpair(AF_UNIX, SOCK_STREAM,
        PF_UNSPEC) or die "socketpair: $!";

    $self->{pid} = RedisLab::spawn(
        RedisLab::lab_dir() . "/proxy$self->{port}", sub {
            $SIG{PIPE} = 'IGNORE';
            close $ours;
            $self->serve($listen, $theirs);
        });

    close $theirs;
    close $listen;
    $ours->autoflush(1);
    $self->{control} = $ours;

    return $self;
}


sub stop { RedisLab::finish($_[0]{pid}, 'KILL') }


sub cut {
    my ($self, $bytes, $reset) = @_;

    my $control = $self->{control};

    print $control "$bytes $reset\n";

    return IO::Select->new($control)->can_read(10)
           && defined readline $control;
}


# ---- the process -----------------------------------------------------------

sub serve {
    my ($self, $listen, $control) = @_;

    my $select = IO::Select->new($listen, $control);

    $self->{select} = $select;
    $self->{peer} = {};
    $self->{server} = {};

    while (my @ready = $select->can_read) {
        for my $socket (@ready) {
            if ($socket == $listen) {
                $self->accept($listen);

            } elsif ($socket == $control) {
                sysread $control, my $command, 100 or return;
                @$self{qw(left reset)} = split ' ', $command;
                $self->{control} = $control;

            } elsif ($self->{peer}{$socket}) {
                $self->pass($socket);
            }
        }
    }
}


sub accept {
    my ($self, $listen) = @_;

    my $client = $listen->accept or return;
    my $server = IO::Socket::INET->new("127.0.0.1:$self->{to}");

    if (!$server) {
        close $client;
        return;
    }

    $self->{peer}{$client} = $server;
    $self->{peer}{$server} = $client;
    $self->{server}{$server} = 1;
    $self->{select}->add($client, $server);
}


sub pass {
    my ($self, $from) = @_;

    my $to = $self->{peer}{$from};
    my $bytes = '';

    if (!sysread $from, $bytes, 65536) {
        $self->end($from, $to);
        return;
    }

    my $reply = $self->{server}{$from};
    my $cut = $reply && defined $self->{left}
              && $self->{left} < length $bytes;

    $bytes = substr $bytes, 0, $self->{left} if $cut;
    $self->{left} -= length $bytes if $reply && defined $self->{left};

    $self->end($from, $to), return if !send_all($to, $bytes);

    if ($cut) {
        setsockopt $to, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
            if $self->{reset};
        $self->end($from, $to);
        delete $self->{left};
        syswrite $self->{control}, "cut\n";
    }
}


sub send_all {
    my ($socket, $bytes) = @_;

    while (length $bytes) {
        my $n = syswrite $socket, $bytes or return 0;
        substr $bytes, 0, $n, '';
    }

    return 1;
}


sub end {
    my ($self, @sockets) = @_;

    for my $socket (@sockets) {
        $self->{select}->remove($socket);
        delete $self->{peer}{$socket};
        delete $self->{server}{$socket};
        close $socket;
    }
}

1;
