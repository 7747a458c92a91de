package Iot::Grpc;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Calls of gRPC over Iot::H2, and as much of protobuf as the tests need.

use strict;
use warnings;

use Iot qw(json);
use Iot::H2;
use JSON::PP;
use MIME::Base64 qw(decode_base64);

use base 'Exporter';
our @EXPORT = qw(message proto unproto text grpc_fields status refused);

my $SERVICE = '/yandex.cloud.iot.devices.v1.RegistryService/';


# ---- calls ----------------------------------------------------------------

# The headers of a call: a method of RegistryService, or a whole path.  Those
# given replace the usual ones; undef: it has none of that name.

sub grpc_fields {
    my ($method, @given) = @_;

    my @usual = (':method' => 'POST', ':scheme' => 'http',
        ':path' => $method =~ m{^/} ? $method : "$SERVICE$method",
        ':authority' => 'localhost', 'content-type' => 'application/grpc',
        te => 'trailers', authorization => 'Bearer alice');
    my (%given, @fields);

    for (my $i = 0; $i < @given; $i += 2) {
        $given{ $given[$i] } = 1;
    }

    while (my ($name, $value) = splice @usual, 0, 2) {
        push @fields, $name, $value unless $given{$name};
    }

    while (my ($name, $value) = splice @given, 0, 2) {
        next unless defined $value;

        # those of HTTP/2 itself come first
        if ($name =~ /^:/) {
            unshift @fields, $name, $value;
        } else {
            push @fields, $name, $value;
        }
    }

    return @fields;
}


# a message as it stands in a body; flag: in place of 0

sub message {
    my ($bytes, $flag) = @_;

    return pack('CN', $flag // 0, length $bytes) . $bytes;
}


# call(h2, method, proto, headers ...): the answer; see status() and text()

sub call {
    my ($class, $h2, $method, $proto, @given) = @_;

    my $stream = $h2->open(grpc_fields($method, @given));

    $h2->data($stream, message($proto), 1);

    return $h2->answer($stream);
}


# What an answer comes to, in short: as answer() of Iot.pm has it, an error in
# its form of REST, whose code has to be that of the status; what is not in the
# form of gRPC is told.

sub status {
    my ($answer) = @_;

    my $odd = form($answer);

    return "$odd\n" if $odd ne '';
    return refused($answer) unless %{ $answer->{trailers} };
    return "ok\n";
}


sub form {
    my ($answer) = @_;

    my $headers = $answer->{headers};

    return "reset $answer->{reset}" if defined $answer->{reset};
    return "HTTP $answer->{status}" if $answer->{status} != 200;
    return "content-type $headers->{'content-type'}"
        if $headers->{'content-type'} ne 'application/grpc';
    return 'content-length' if exists $headers->{'content-length'};
    return 'no x-request-id'
        if ($headers->{'x-request-id'} // '') !~ /\A[0-9a-f]{32}\z/;

    my $frames = join ' ', @{ $answer->{frames} };

    if (exists $headers->{'grpc-status'}) {
        return $frames eq 'HEADERS+' ? '' : "frames of an error: $frames";
    }

    return "frames: $frames" if $frames !~ /\AHEADERS( DATA)+ HEADERS\+\z/;
    return "trailers: " . json($answer->{trailers})
        if json($answer->{trailers}) ne '{"grpc-status":"0"}';
    return 'not one message'
        if length $answer->{data} < 5 || $answer->{data} ne
            message(substr $answer->{data}, 5);
    return '';
}


sub refused {
    my ($answer) = @_;

    my $headers = $answer->{headers};
    my $bytes = decode_base64($headers->{'grpc-status-details-bin'}
                              =~ tr/-_/+\//r);
    my $status = rpc_status($bytes);
    my $message = $headers->{'grpc-message'} =~ s/%(..)/chr hex $1/ger;
    my $id = $status->{details}[0]{requestId} // '';

    return "grpc-status $headers->{'grpc-status'}, but $status->{code}\n"
        if $headers->{'grpc-status'} != $status->{code};
    return "grpc-message $message\n" if $message ne $status->{message};
    return "request id $id\n" if $headers->{'x-request-id'} ne $id;
    return "padded\n" if $headers->{'grpc-status-details-bin'} =~ /=/;

    return Iot::answer(JSON::PP->new->encode($status));
}


# google.rpc.Status and its details as REST writes them

sub rpc_status {
    my ($bytes) = @_;

    my $status = unproto($bytes);

    return { code => $status->{1}[0], message => $status->{2}[0],
             details => [ map { detail($_) } @{ $status->{3} || [] } ] };
}


sub detail {
    my ($bytes) = @_;

    my $any = unproto($bytes);
    my $type = $any->{1}[0];
    my $of = unproto($any->{2}[0] // '');
    my ($name) = $type =~ /(\w+)\z/;
    my $list = sub {
        my @names = @_;

        return map { my $field = unproto($_);
                     +{ map { $names[$_ - 1] => $field->{$_}[0] }
                        sort keys %$field } } @{ $of->{1} || [] };
    };
    my %detail = ('@type' => $type);

    if ($name eq 'RequestInfo') {
        $detail{requestId} = $of->{1}[0];

    } elsif ($name eq 'ErrorInfo') {
        @detail{qw(reason domain)} = ($of->{1}[0], $of->{2}[0]);
        $detail{metadata}{ unproto($_)->{1}[0] } = unproto($_)->{2}[0]
            for @{ $of->{3} || [] };

    } elsif ($name eq 'BadRequest') {
        $detail{fieldViolations} = [ $list->(qw(field description)) ];

    } elsif ($name eq 'ResourceInfo') {
        @detail{qw(resourceType resourceName)} = ($of->{1}[0], $of->{2}[0]);

    } elsif ($name eq 'QuotaFailure') {
        $detail{violations} = [ $list->(qw(subject description)) ];

    } elsif ($name eq 'RetryInfo') {
        $detail{retryDelay} = unproto($of->{1}[0])->{1}[0] . 's';
    }

    return \%detail;
}


# ---- protobuf -------------------------------------------------------------

# proto(1 => 'bytes', 2 => \7, ...): strings and messages, \: a number

sub proto {
    my (@fields) = @_;

    my $bytes = '';

    while (my ($number, $value) = splice @fields, 0, 2) {
        $bytes .= ref $value ? varint($number << 3) . varint($$value)
            : varint($number << 3 | 2) . varint(length $value) . $value;
    }

    return $bytes;
}


sub varint {
    my ($value) = @_;

    my $bytes = '';

    for (; $value >= 128; $value >>= 7) {
        $bytes .= chr($value & 127 | 128);
    }

    return $bytes . chr $value;
}


# { number => [ values ] } of a message

sub unproto {
    my ($bytes) = @_;

    my %fields;

    while (length $bytes) {
        my $tag = unvarint(\$bytes);
        my $type = $tag & 7;

        push @{ $fields{$tag >> 3} },
            $type == 0 ? unvarint(\$bytes)
            : $type == 2 ? substr $bytes, 0, unvarint(\$bytes), ''
            : die "wire type $type\n";
    }

    return \%fields;
}


sub unvarint {
    my ($bytes) = @_;

    my ($value, $shift) = (0, 0);

    while (1) {
        die "no number\n" if $$bytes eq '';

        my $byte = ord substr $$bytes, 0, 1, '';

        $value |= ($byte & 127) << $shift;
        $shift += 7;
        return $value unless $byte & 128;
    }
}

1;
