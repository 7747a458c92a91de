package Faults::View;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What is in the store when all is over, as the API shows it.
#
#     my $view = Faults::View->read($nginx, ENTRIES of the journal,
#                                   REGISTRIES that are always there);
#
#     {certificates}{REGISTRY}{FINGERPRINT}   its certificateData
#     {operations}{REGISTRY}{ID}              their contents, see
#                                             Faults::Journal::content
#     {registries}{ID}                        as answered, or undef
#     {folders}{FOLDER}                       ids of the registries in it
#     {names}{FOLDER}{NAME}                   the id that GetByName gives
#     {polled}{ID}                            the operation's content, or undef
#     {pending}                               ids of operations that wait
#     {claims}                                what more adds were told:
#                                             registry, fingerprint, status,
#                                             reason, operation, this
#
# Before that every operation that waits for a backend is finished.  Dies when
# an answer is none that a store at peace gives.

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Faults::Client;
use Faults::Journal;
use HTTP::Tiny;
use Iot qw(body der wait_until);
use Iot::Load ();
use Iot::Nginx;
use JSON::PP;
use Time::HiRes qw(sleep time);

my $REGISTRIES = $Faults::Client::REGISTRIES;

# seconds: a delete of a registry whose worker died is taken up by another
our $TAKEN_UP = 90;

# so many claims are tried out of those that are there, and of those not
our $CLAIMS = 1000;


sub read {
    my ($class, $nginx, $entries, @registries) = @_;

    my $self = bless {
        nginx => $nginx,
        http => HTTP::Tiny->new(keep_alive => 1, timeout => 30,
            default_headers => { Authorization => 'Bearer alice' }),
        map { $_ => {} } qw(certificates operations registries folders names
                            polled),
    }, $class;

    $self->finish_all($entries);
    $self->read_operations($entries);
    $self->read_folders($entries);
    $self->read_registries($entries, @registries);
    $self->try_claims($entries, @registries);

    delete @$self{qw(nginx http socket)};

    return $self;
}


# status and decoded body

sub ask {
    my ($self, $method, $uri, $body) = @_;

    my $answer = defined $body ? $self->post($uri, $body)
        : $self->{http}->request($method,
                                 "http://127.0.0.1:$self->{nginx}{port}$uri");

    # 599: HTTP::Tiny got no answer
    die "$method $uri: $answer->{status} $answer->{content}\n"
        if $answer->{status} =~ /^[05]/;

    return ($answer->{status}, decode_json($answer->{content}));
}


# in one packet, which HTTP::Tiny does not do

sub post {
    my ($self, $uri, $body) = @_;

    my $socket = $self->{socket} ||= $self->{nginx}->connection;

    print $socket Iot::Nginx::text('POST', $uri, $body,
                                   Connection => 'keep-alive');

    my $answer = Iot::Nginx::read_answer($socket);

    return { status => $answer->{status}, content => $answer->{body} };
}


# all pages of a list

sub list {
    my ($self, $uri, $name) = @_;

    my ($token, @list) = '';

    do {
        my $query = "pageSize=1000&pageToken=$token";
        my ($status, $page) = $self->ask('GET', $uri
            . ($uri =~ /\?/ ? '&' : '?') . $query);

        return undef if $status == 404;
        die "$uri: $status\n" if $status != 200;

        push @list, @{$page->{$name} || []};
        $token = $page->{nextPageToken} // '';
    } while ($token ne '');

    return \@list;
}


# ---- operations ------------------------------------------------------------

sub finish_all {
    my ($self, $entries) = @_;

    wait_until(sub {
        my $waiting = $self->list('/backend/operations', 'operations');

        $self->ask('POST', "/backend/operations/$_->{id}:finish", '{}')
            for @$waiting;
        return !@$waiting;
    }, 30);

    $self->{pending} = [ map { $_->{id} }
        @{$self->list('/backend/operations', 'operations')} ];
}


sub read_operations {
    my ($self, $entries) = @_;

    my %ids = map { $_->{operation} ? ($_->{operation} => 1) : () } @$entries;
    my $end = time() + $TAKEN_UP;

    for my $id (sort keys %ids) {
        my $content;

        do {
            sleep 0.5 if $content;
            $content = $self->operation($id);
        } while ($content && !$content->{done}
                 && $content->{method} eq 'DeleteRegistry' && time() < $end);

        $self->{polled}{$id} = $content;
    }
}


sub operation {
    my ($self, $id) = @_;

    my ($status, $operation) = $self->ask('GET', "/operations/$id");

    return $status == 200 ? Faults::Journal::content($operation) : undef;
}


# ---- registries ------------------------------------------------------------

sub read_folders {
    my ($self, $entries) = @_;

    my %folders = map { $_->{folder} ? ($_->{folder} => 1) : () } @$entries;

    for my $folder (sort keys %folders) {
        my $list = $self->list("$REGISTRIES?folderId=$folder", 'registries');

        $self->{folders}{$folder} = [ map { $_->{id} } @$list ];

        for (grep { defined $_->{name} } @$list) {
            my ($status, $found) = $self->ask('GET', "$REGISTRIES:getByName"
                . "?folderId=$folder&registryName=$_->{name}");

            $self->{names}{$folder}{$_->{name}} = $found->{id};
        }
    }
}


sub read_registries {
    my ($self, $entries, @registries) = @_;

    my %ids = map { $_ => 1 } @registries,
        (map { @$_ } values %{$self->{folders}}),
        (map { $_->{created} // () } @$entries),
        map { $_->{method} eq 'CreateRegistry' ? $_->{registry} : () }
        grep { defined } values %{$self->{polled}};

    for my $id (sort keys %ids) {
        my ($status, $registry) = $self->ask('GET', "$REGISTRIES/$id");

        $self->{registries}{$id} = $status == 200 ? $registry : undef;
        $self->read_registry($id) if $status == 200;
    }
}


sub read_registry {
    my ($self, $id) = @_;

    my $certificates = $self->list("$REGISTRIES/$id/certificates",
                                   'certificates');
    my $operations = $self->list("$REGISTRIES/$id/operations", 'operations');

    $self->{certificates}{$id} = { map {
        $_->{fingerprint} => $_->{certificateData}
    } @$certificates };

    $self->{operations}{$id} = { map {
        $_->{id} => Faults::Journal::content($_)
    } @$operations };

    # and of those that nobody was told of
    $self->{polled}{$_} //= $self->operation($_)
        for keys %{$self->{operations}{$id}};
}


# ---- claims ----------------------------------------------------------------

# Whether a certificate is free can be told by who may add it.

sub try_claims {
    my ($self, $entries, $first, $second) = @_;

    my $there = $self->{certificates};
    my (%number, %owner);

    for my $entry (@$entries) {
        my @numbers = @{$entry->{numbers} || []};

        $number{$entry->{fingerprint}} = $entry->{number}
            if defined $entry->{number};
        @number{@{$entry->{certificates}}} = @numbers if @numbers;
    }

    for my $registry (sort keys %$there) {
        $owner{$_} = $registry for keys %{$there->{$registry}};
    }

    my @owned = grep { $owner{$_} } sort keys %number;
    my @free = grep { !$owner{$_} } sort keys %number;

    for (some(@owned)) {
        my $other = $owner{$_} eq $first ? $second : $first;
        $self->try_claim($other, $_, $number{$_});
        $self->try_claim($owner{$_}, $_, $number{$_});
    }

    $self->try_claim($first, $_, $number{$_}) for some(@free);
}


sub some { return @_ > $CLAIMS ? @_[0 .. $CLAIMS - 1] : @_ }


sub try_claim {
    my ($self, $registry, $fingerprint, $number) = @_;

    my $pem = Iot::Load::certificate_of($number);
    my $claim = { registry => $registry, fingerprint => $fingerprint };

    # that of an add which was lost is kept for some seconds
    wait_until(sub {
        my ($status, $answer) = $self->ask('POST',
            "$REGISTRIES/$registry/certificates", body($pem));
        my ($info) = grep { $_->{'@type'} =~ /ErrorInfo$/ }
                     @{$answer->{details} || []};

        %$claim = (%$claim, status => $status, reason => $info->{reason},
                   operation => $info->{metadata}{operationId},
                   this => ($info->{metadata}{registry} // '') eq 'this'
                       ? 1 : 0);
        sleep 0.2 if ($info->{reason} // '') eq 'CERTIFICATE_BUSY';
        return ($info->{reason} // '') ne 'CERTIFICATE_BUSY';
    }, 20);

    push @{$self->{claims}}, $claim;
}

1;
