# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# The HTTP/1.x side of the harness: makes requests out of their short notation,
# sends them in the packets asked for, and takes responses apart.  Deliberately
# thin: what goes over the wire must stay under the control of the test.

package Test::Nginx::Socket::Client;

use strict;
use warnings;

use Errno qw(EAGAIN EINTR EINPROGRESS);
use IO::Select;
use IO::Socket::INET;
use Socket qw(MSG_NOSIGNAL SOL_SOCKET SO_ERROR IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time sleep);


# build(spec, connection, headers): the packets of one request.  The spec is
# "METHOD [uri [version]]\nbody", whole or an arrayref of packets.  Dies with
# a message for the test's author.

sub build {
    my ($spec, $connection, $more_headers) = @_;

    die "Invalid syntax. A request is a string or an array of packets\n"
        if ref $spec && ref $spec ne 'ARRAY';

    my @packets = map { ref $_ eq 'HASH' ? { %$_ } : { value => $_ } }
                      ref $spec eq 'ARRAY' ? @$spec : $spec;

    my $first = defined $packets[0]{value} ? $packets[0]{value} : '';
    $first =~ s/\A(?:[ \t]*(?:#[^\n]*)?\r?\n)+//;

    my ($line, $body) = $first =~ /\A([^\n]*)\n?(.*)\z/s;
    $line =~ s/\r\z//;

    die "Request line should be non-empty\n" if $line !~ /\S/;

    $line =~ /^\s*(\S+)(?:\s+(\S+)(?:\s+(\S+))?)?\s*$/
        or die "Request line is not valid. Should be "
               . "'meth [url [version]]' but got \"$line\"\n";
    my ($method, $uri, $version) = ($1, $2, $3);

    $packets[0]{value} = $body;

    $uri = '/' if !defined $uri;
    $version = 'HTTP/1.1' if !defined $version;

    $packets[0]{value} = join "\r\n", "$method $uri $version",
                              _headers($connection, $more_headers, \@packets),
                              '', $packets[0]{value};

    return { packets => \@packets, head => $method eq 'HEAD' };
}


# A header given by the test takes the place of the one we would have sent.
# A body that the test frames itself is sent as it is; else the white space
# at its end is the layout of the test file.

sub _headers {
    my ($connection, $more_headers, $packets) = @_;
    my (@lines, %given);

    for (grep { /\S/ } split /\r?\n/, $more_headers) {
        my ($name, $value) = split /:\s*/, $_, 2;

        push @lines, "$name: " . (defined $value ? $value : '');
        $given{lc $name =~ s/\s//gr} = 1;
    }

    unshift @lines, "Connection: $connection" if !$given{connection};
    unshift @lines, 'Host: localhost' if !$given{host};

    my $has_body = grep { length $_->{value} } @$packets;

    if ($has_body && !$given{'content-length'} && !$given{'transfer-encoding'})
    {
        my $length = 0;

        $packets->[-1]{value} =~ s/\s+\z//;
        $length += length $_->{value} for @$packets;
        push @lines, "Content-Length: $length";
    }

    return @lines;
}


# exchange(%args): sends args{packets}, reads to the end of the connection.
# Returns the bytes read, and whether the client's timeout has passed.

sub exchange {
    my (%args) = @_;
    my $timeout = $args{timeout};
    my $sock = _connect($args{host}, $args{port}, $timeout);
    my $select = IO::Select->new($sock);
    my @packets = grep { length $_->{value} } @{ $args{packets} };
    my ($received, $n, $out, $not_before) = ('', 0, undef, 0);

    while (1) {
        if (!defined $out && @packets) {
            my $packet = shift @packets;
            my $delay = $packet->{delay_before};

            $delay = $args{delay} if !defined $delay && $n++;
            $not_before = time + ($delay || 0);
            $out = $packet->{value};
        }

        my $wait = $timeout;
        my $pause = defined $out ? $not_before - time : 0;
        my ($readable, $writable);

        if ($pause > 0) {
            # a delay of the test's own is no silence of the server
            ($readable) = IO::Select->select($select, undef, undef, $pause);
            next if !$readable;

        } else {
            ($readable, $writable) =
                IO::Select->select($select, defined $out ? $select : undef,
                                   undef, $wait);
            return ($received, 1) if !$readable;
        }

        if ($readable && @$readable) {
            my $got = sysread $sock, $received, 65536, length $received;

            next if !defined $got && ($!{EAGAIN} || $!{EINTR});
            return ($received, 0) if !$got;
        }

        if ($writable && @$writable) {
            my $sent = send $sock, $out, MSG_NOSIGNAL;

            if (defined $sent) {
                substr($out, 0, $sent) = '';

            } elsif (!$!{EAGAIN} && !$!{EINTR}) {
                # the server has closed early: its answer may yet be read
                $out = '';
                @packets = ();
            }

            if (!length $out) {
                $out = undef;
                shutdown $sock, $args{shutdown}
                    if !@packets && defined $args{shutdown};
            }
        }
    }
}


sub _connect {
    my ($host, $port, $timeout) = @_;
    my $deadline = time + $timeout;
    my $sock;

    until ($sock = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port,
                                         Proto => 'tcp', Timeout => $timeout))
    {
        die "cannot connect to $host:$port: $@\n" if time >= $deadline;
        sleep 0.005;
    }

    # packets of a test are to be packets on the wire
    setsockopt $sock, IPPROTO_TCP, TCP_NODELAY, 1;
    $sock->blocking(0);

    return $sock;
}


# parse(bytes, head): the first response of the bytes, as a hash of code,
# raw (the header block), headers (lower case name => [values]), body; rest
# is what follows, warning and error tell of malformed framing.

sub parse {
    my ($bytes, $head) = @_;
    my %res = (code => '', raw => '', headers => {}, body => '', rest => '');

    $bytes =~ /\AHTTP\/\d\.\d (\d+)/ or return \%res;
    $res{code} = $1;

    if ($bytes =~ s/\A(.*?\n)\r?\n//s) {
        $res{raw} = $1;

    } else {
        $res{raw} = $bytes;
        $bytes = '';
    }

    while ($res{raw} =~ /^([^:\s]+):[ \t]*([^\r\n]*?)[ \t]*\r?$/mg) {
        push @{ $res{headers}{lc $1} }, $2;
    }

    _body(\%res, $bytes, $head);

    return \%res;
}


sub _body {
    my ($res, $bytes, $head) = @_;
    my $encoding = join ',', @{ $res->{headers}{'transfer-encoding'} || [] };
    my ($length) = @{ $res->{headers}{'content-length'} || [] };

    if ($head || $res->{code} =~ /^(?:204|304)$/) {
        $res->{rest} = $bytes;

    } elsif ($encoding =~ /chunked/i) {
        _dechunk($res, $bytes);

    } elsif (defined $length) {
        $res->{body} = substr $bytes, 0, $length;
        $res->{rest} = length $bytes > $length ? substr $bytes, $length : '';

        my $got = length $res->{body};
        $res->{warning} = "response body truncated: $length expected, "
                          . "but got $got" if $got < $length;

    } else {
        $res->{body} = $bytes;
    }
}


sub _dechunk {
    my ($res, $bytes) = @_;

    while ($bytes =~ s/\A([0-9a-f]+)[ \t]*(?:;[^\r\n]*)?\r\n//i) {
        my $size = hex $1;

        if ($size == 0) {
            if ($bytes =~ s/\A(?:[^\r\n]+\r\n)*\r\n//) {
                $res->{rest} = $bytes;

            } else {
                $res->{error} = 'invalid chunked data received (no end)';
            }

            return;
        }

        if (length $bytes < $size + 2
            || substr($bytes, $size, 2) ne "\r\n")
        {
            $res->{error} = 'invalid chunked data received (chunk of '
                            . "$size bytes is cut short)";
            return;
        }

        $res->{body} .= substr $bytes, 0, $size;
        substr($bytes, 0, $size + 2) = '';
    }

    $res->{error} = "invalid chunked body received: $bytes";
}


1;
