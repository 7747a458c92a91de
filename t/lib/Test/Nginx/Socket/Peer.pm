# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# A one-shot TCP server in a child process (tcp_listen, tcp_reply, tcp_query):
# takes one connection, reads a query, sends the reply.  The query comes back
# through a pipe.

package Test::Nginx::Socket::Peer;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ();
use Time::HiRes qw(sleep);


# start(%args): listen (port or path of a socket), reply (string, arrayref of
# strings or code), reply_delay, query_len, no_close, shutdown.

sub start {
    my ($class, %args) = @_;
    my $self = bless { owner => $$ }, $class;
    my $listener;

    if ($args{listen} =~ /^\d+$/) {
        $listener = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $args{listen},
            Proto => 'tcp', Listen => 5, ReuseAddr => 1);

    } else {
        unlink $args{listen};
        $self->{path} = $args{listen};
        $listener = IO::Socket::UNIX->new(Local => $args{listen},
                                          Listen => 5);
    }

    die "cannot listen on $args{listen}: $!\n" if !$listener;

    pipe $self->{pipe}, my $writer or die "pipe: $!\n";

    $self->{pid} = fork;
    die "fork: $!\n" if !defined $self->{pid};

    if ($self->{pid} == 0) {
        $SIG{$_} = 'DEFAULT' for qw(HUP INT TERM);
        $SIG{PIPE} = 'IGNORE';
        eval { _serve($listener, $writer, %args); 1 } or warn "# peer: $@";
        POSIX::_exit(0);
    }

    return $self;
}


sub _serve {
    my ($listener, $writer, %args) = @_;
    my $sock = $listener->accept or return;

    shutdown $sock, $args{shutdown} if defined $args{shutdown};

    my $query = _read_query($sock, $args{query_len});
    syswrite $writer, $query;
    close $writer;

    my $reply = $args{reply};
    $reply = $reply->($query) if ref $reply eq 'CODE';

    sleep $args{reply_delay} if $args{reply_delay};
    syswrite $sock, $_ for ref $reply ? @$reply : $reply;

    # keep the connection until we are stopped
    sleep 60 if $args{no_close};
}


# without a length the query ends where the sender pauses

sub _read_query {
    my ($sock, $length) = @_;
    my $select = IO::Select->new($sock);
    my $query = '';

    until (defined $length && length $query >= $length) {
        last if !$select->can_read(length $query ? 0.1 : 3);
        sysread $sock, $query, 65536, length $query or last;
    }

    return $query;
}


# query(): what was received, '' if nobody has come

sub query {
    my ($self) = @_;
    my $query = '';

    IO::Select->new($self->{pipe})->can_read(0.3) or return '';
    1 while sysread $self->{pipe}, $query, 65536, length $query;

    return $query;
}


sub stop {
    my ($self) = @_;

    return if $self->{owner} != $$ || !$self->{pid};

    kill 'KILL', $self->{pid};
    waitpid $self->{pid}, 0;
    $self->{pid} = undef;
    unlink $self->{path} if defined $self->{path};
}


1;
