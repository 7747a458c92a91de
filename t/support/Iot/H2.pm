package Iot::H2;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# HTTP/2 in the clear, frame by frame: a client that can send what no client
# would, and that sees the frames of an answer as they came.

use strict;
use warnings;

use IO::Socket::INET;
use Iot::Nginx;

use base 'Exporter';
our @EXPORT_OK = qw(frame hpack DATA HEADERS RST_STREAM SETTINGS PING GOAWAY
                    WINDOW_UPDATE CONTINUATION END_STREAM END_HEADERS);

use constant {
    DATA => 0, HEADERS => 1, RST_STREAM => 3, SETTINGS => 4, PING => 6,
    GOAWAY => 7, WINDOW_UPDATE => 8, CONTINUATION => 9,
    END_STREAM => 1, END_HEADERS => 4,
};

my $PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
my $WINDOW = 0x7fffffff;


# a connection to a port of this machine; the windows of what comes are wide

sub new {
    my ($class, $port) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $port) or die "connect: $!";

    binmode $socket;

    my $self = bless { socket => $socket, next => 1, answers => {},
        dynamic => [], initial => 65535, window => 65535, windows => {},
        goaway => undef }, $class;

    $self->send($PREFACE, frame(SETTINGS, 0, 0, pack 'nN', 4, $WINDOW),
                frame(WINDOW_UPDATE, 0, 0, pack 'N', $WINDOW - 65535));

    return $self;
}


# ---- sending --------------------------------------------------------------

sub send {
    my ($self, @bytes) = @_;

    local $SIG{PIPE} = 'IGNORE';
    print { $self->{socket} } @bytes;
    $self->{socket}->flush;
}


# begins a stream with the headers: NAME => VALUE, ...; returns its id

sub open {
    my ($self, @fields) = @_;

    my $stream = $self->{next};

    $self->{next} += 2;
    $self->{windows}{$stream} = $self->{initial};
    $self->{answers}{$stream} = { status => 0, headers => {}, trailers => {},
                                  data => '', frames => [] };
    $self->send(frame(HEADERS, END_HEADERS, $stream, hpack(@fields)));

    return $stream;
}


# a piece of the body, as far as the windows let it; last: it ends the stream

sub data {
    my ($self, $stream, $bytes, $last) = @_;

    while (1) {
        my $room = 16384;

        for ($self->{window}, $self->{windows}{$stream}) {
            $room = $_ if $_ < $room;
        }

        if ($room <= 0 && length $bytes) {
            return if $self->{answers}{$stream}{ended};
            $self->receive;
            next;
        }

        my $piece = substr $bytes, 0, $room, '';
        my $end = $bytes eq '';

        $self->{window} -= length $piece;
        $self->{windows}{$stream} -= length $piece;
        $self->send(frame(DATA, $last && $end ? END_STREAM : 0, $stream,
                          $piece));
        return if $end;
    }
}


sub reset {
    my ($self, $stream, $code) = @_;

    $self->send(frame(RST_STREAM, 0, $stream, pack 'N', $code // 8));
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
        . pack('CCN', $type, $flags, $stream) . $payload;
}


# literals that are not indexed, without Huffman's code

sub hpack {
    my (@fields) = @_;

    my $block = '';

    while (my ($name, $value) = splice @fields, 0, 2) {
        $block .= "\0" . join '', map { integer(length, 7) . $_ } $name,
                                                                  $value;
    }

    return $block;
}


sub integer {
    my ($value, $bits) = @_;

    my $most = (1 << $bits) - 1;

    return chr $value if $value < $most;

    my $bytes = chr $most;

    for ($value -= $most; $value >= 128; $value >>= 7) {
        $bytes .= chr($value & 127 | 128);
    }

    return $bytes . chr $value;
}


# ---- receiving ------------------------------------------------------------

# what the streams were answered, when all of them have ended: each a hash with
# status, headers, trailers, data, reset (a code, or undef) and frames, their
# types with "+" where one ends the stream; dies when it takes too long

sub answers {
    my ($self, @streams) = @_;

    local $SIG{ALRM} = sub { die "no answer\n" };
    alarm $Iot::Nginx::PATIENCE;

    my $done = eval {
        $self->receive while grep { !$self->{answers}{$_}{ended} } @streams;
        1;
    };

    alarm 0;
    die $@ unless $done;

    return map { $self->{answers}{$_} } @streams;
}


sub answer { return ($_[0]->answers($_[1]))[0] }


# reads until a PING that is sent now comes back: what was sent before it has
# been looked at

sub ping {
    my ($self) = @_;

    local $SIG{ALRM} = sub { die "no answer\n" };
    alarm $Iot::Nginx::PATIENCE;

    $self->send(frame(PING, 0, 0, 'are here'));
    my $done = eval {
        1 until $self->receive == PING;
        1;
    };

    alarm 0;
    die $@ unless $done;
}


# one frame; returns its type

sub receive {
    my ($self) = @_;

    my ($type, $flags, $stream, $payload) = $self->next_frame;
    my $answer = $self->{answers}{$stream};

    if ($type == SETTINGS && !($flags & 1)) {
        $self->settings($payload);

    } elsif ($type == WINDOW_UPDATE) {
        my $more = unpack 'N', $payload;

        if ($stream) {
            $self->{windows}{$stream} += $more;
        } else {
            $self->{window} += $more;
        }

    } elsif ($type == GOAWAY) {
        $self->{goaway} = unpack 'x4N', $payload;

    } elsif ($type == HEADERS) {
        $self->headers($answer, $flags, $payload);

    } elsif ($type == DATA) {
        $answer->{data} .= $payload;

    } elsif ($type == RST_STREAM) {
        $answer->{reset} = unpack 'N', $payload;
    }

    return $type unless $stream && $type <= RST_STREAM;

    my $end = $type != RST_STREAM && $flags & END_STREAM;

    push @{ $answer->{frames} },
        qw(DATA HEADERS PRIORITY RST_STREAM)[$type] . ($end ? '+' : '');
    $answer->{ended} = 1 if $end || $type == RST_STREAM;

    return $type;
}


sub settings {
    my ($self, $payload) = @_;

    while (my ($id, $value) = unpack 'nN', substr $payload, 0, 6, '') {
        next if $id != 4;

        $_ += $value - $self->{initial} for values %{ $self->{windows} };
        $self->{initial} = $value;
    }

    $self->send(frame(SETTINGS, 1, 0, ''));
}


sub headers {
    my ($self, $answer, $flags, $block) = @_;

    until ($flags & END_HEADERS) {
        (my $type, $flags, my $stream, my $more) = $self->next_frame;
        die "no CONTINUATION\n" if $type != CONTINUATION;
        $block .= $more;
    }

    my $into = $answer->{status} ? 'trailers' : 'headers';

    for my $field ($self->unhpack($block)) {
        my ($name, $value) = @$field;

        if ($name eq ':status') {
            $answer->{status} = $value;
        } else {
            $answer->{$into}{$name} = $value;
        }
    }
}


sub next_frame {
    my ($self) = @_;

    my $head = $self->bytes(9);
    my $length = unpack 'N', "\0" . substr $head, 0, 3;
    my ($type, $flags, $stream) = unpack 'CCN', substr $head, 3;

    return ($type, $flags, $stream, $self->bytes($length));
}


# read() is undef when the connection was reset

sub bytes {
    my ($self, $length) = @_;

    my $n = read($self->{socket}, my $bytes, $length);
    die "closed\n" if !defined $n || $n != $length;

    return $bytes;
}


# RFC 7541.  The values of the static table, but for the status, are of no use
# in answers.

my @STATIC = map { [ split /=/, $_, 2 ] } qw(
    :authority :method :method :path :path :scheme :scheme :status=200
    :status=204 :status=206 :status=304 :status=400 :status=404 :status=500
    accept-charset accept-encoding accept-language accept-ranges accept
    access-control-allow-origin age allow authorization cache-control
    content-disposition content-encoding content-language content-length
    content-location content-range content-type cookie date etag expect
    expires from host if-match if-modified-since if-none-match if-range
    if-unmodified-since last-modified link location max-forwards
    proxy-authenticate proxy-authorization range referer refresh retry-after
    server set-cookie strict-transport-security transfer-encoding user-agent
    vary via www-authenticate);

sub unhpack {
    my ($self, $block) = @_;

    my @fields;

    while (length $block) {
        my $first = ord $block;

        if ($first & 0x80) {
            push @fields, $self->entry(unpack_integer(\$block, 7));
            next;
        }

        if (($first & 0xe0) == 0x20) {
            unpack_integer(\$block, 5);
            next;
        }

        my $index = unpack_integer(\$block, $first & 0x40 ? 6 : 4);
        my $name = $index ? $self->entry($index)->[0]
                          : unpack_string(\$block);
        my $field = [ $name, unpack_string(\$block) ];

        unshift @{ $self->{dynamic} }, $field if $first & 0x40;
        push @fields, $field;
    }

    return @fields;
}


sub entry {
    my ($self, $index) = @_;

    return ($index <= @STATIC ? $STATIC[$index - 1]
                              : $self->{dynamic}[$index - @STATIC - 1])
        // die "no header $index\n";
}


sub unpack_integer {
    my ($block, $bits) = @_;

    my $most = (1 << $bits) - 1;
    my $value = ord(substr $$block, 0, 1, '') & $most;
    my $shift = 0;

    return $value if $value < $most;

    while (1) {
        my $byte = ord substr $$block, 0, 1, '';

        $value += ($byte & 127) << $shift;
        $shift += 7;
        return $value unless $byte & 128;
    }
}


sub unpack_string {
    my ($block) = @_;

    my $huffman = ord($$block) & 0x80;
    my $bytes = substr $$block, 0, unpack_integer($block, 7), '';

    return $huffman ? unhuffman($bytes) : $bytes;
}


# the length of each octet's code, "A" is 5; the codes follow from it, shorter
# ones first, those of one length in the order of the octets

my $LENGTHS = join '', qw(
    ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHF
    IBCCCCCCCCCCCCCCCCCCCCCCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIX
    PRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRS
    VVPORSRUVVVWWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWV);

my %octet;

{
    my @length = map { ord() - 60 } split //, $LENGTHS;
    my ($code, $length) = (0, 5);

    for my $octet (sort { $length[$a] <=> $length[$b] || $a <=> $b }
                   0 .. 255) {
        $code <<= $length[$octet] - $length;
        $length = $length[$octet];
        $octet{ sprintf '%0*b', $length, $code++ } = chr $octet;
    }
}

sub unhuffman {
    my ($bytes) = @_;

    my ($text, $code) = ('', '');

    for my $bit (split //, unpack 'B*', $bytes) {
        $code .= $bit;
        next unless exists $octet{$code};

        $text .= $octet{$code};
        $code = '';
    }

    die "not Huffman's code\n" if $code !~ /\A1{0,7}\z/;

    return $text;
}

1;
