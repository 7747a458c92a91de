package Faults::Rude;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Clients that go away, are slow, or do not read; what they ask for stands in
# the journal as well.  Each function is one fault and takes the dice of it.
#
#     my $rude = Faults::Rude->new(nginx => NGINX, journal => FILE,
#                                  number => N, registries => [ID, ...]);
#     $rude->abort(DICE ...), ->drip(...), ->unread(...)

use strict;
use warnings;

use Faults::Client;
use Faults::Journal;
use Iot qw(body);
use Iot::Load ();
use Iot::Nginx;
use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);
use Time::HiRes qw(sleep time);

my $REGISTRIES = $Faults::Client::REGISTRIES;


sub new {
    my ($class, %of) = @_;

    return bless { next => 0, %of,
                   journal => Faults::Journal->new($of{journal}) }, $class;
}


# the text of an add, and its entry

sub add {
    my ($self, $dice) = @_;

    my $number = $self->{number} << 20 | $self->{next}++;
    my $registry = $self->{registries}[$dice * @{$self->{registries}}];
    my $text = Iot::Nginx::text('POST',
        "$REGISTRIES/$registry/certificates",
        body(Iot::Load::certificate_of($number)));

    return ($text, {
        kind => 'add', client => $self->{number}, from => time(), sent => 1,
        status => 0, registry => $registry, number => $number,
        fingerprint => Faults::Client::fingerprint($number) });
}


sub note {
    my ($self, $entry) = @_;

    $self->{journal}->write({ to => time(), %$entry });
}


# Some leave in the middle of the body, some after it, with FIN or RST.

sub abort {
    my ($self, @dice) = @_;

    for my $n (1 .. 12) {
        my ($text, $entry) = $self->add($dice[0]);
        my $part = $n % 3 ? length $text : int $dice[1] * length $text;
        my $socket = $self->{nginx}->connection;

        print $socket substr $text, 0, $part;
        sleep $dice[2] * 0.004 if $n % 4 == 0;

        setsockopt $socket, SOL_SOCKET, SO_LINGER, pack 'ii', 1, 0
            if $n % 2;
        close $socket;

        $entry->{sent} = $part == length $text ? 1 : 0;
        $self->note($entry);
    }
}


# All at the same time, in pieces of a few bytes; they are answered.

sub drip {
    my ($self, @dice) = @_;

    my @clients = map {
        my ($text, $entry) = $self->add($dice[0]);
        { socket => $self->{nginx}->connection, text => $text,
          entry => $entry };
    } 1 .. 8;

    my $piece = 20 + int 40 * $dice[1];

    while (grep { length $_->{text} } @clients) {
        for (grep { length $_->{text} } @clients) {
            print {$_->{socket}} substr $_->{text}, 0, $piece, '';
        }

        sleep 0.005 + 0.01 * $dice[2];
    }

    for my $client (@clients) {
        my $answer = Iot::Nginx::read_answer($client->{socket},
                                             $Faults::Client::ANSWERED);
        my $entry = { %{$client->{entry}}, to => time(),
                      status => $answer->{status} };

        Faults::Client::understand($self, $entry, $answer);
        $self->note({ %$entry, json => undef });
    }
}


# Lists that nobody reads, behind adds that nobody reads, on narrow
# connections.

sub unread {
    my ($self, @dice) = @_;

    my (@sockets, @entries);

    for (1 .. 8) {
        my ($text, $entry) = $self->add($dice[0]);
        my $socket = $self->{nginx}->connection;

        setsockopt $socket, SOL_SOCKET, SO_RCVBUF, 2048;

        my $list = Iot::Nginx::text('GET',
            "$REGISTRIES/$entry->{registry}/certificates", undef,
            Connection => 'keep-alive');

        $text =~ s/Connection: close/Connection: keep-alive/;
        syswrite $socket, $text . $list x 3;
        push @sockets, $socket;
        push @entries, $entry;
    }

    sleep 0.2 + 0.5 * $dice[1];
    close $_ for @sockets;
    $self->note($_) for @entries;
}

1;
