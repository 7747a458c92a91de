package Faults::Client;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A client that adds, deletes, creates and changes at random, resolves what it
# was told to be unknown, and writes all of it into a journal.  Certificates
# and registries are its own, but for certificates that all clients fight for.
#
#     my $client = Faults::Client->new(number => N, seed => S,
#         nginx => NGINX, journal => FILE, registries => [ ID, ... ],
#         rpc => PART of adds and deletes that is gRPC);
#     $client->run(sub { stop? }, sub { done(TIME it was sent) });
#
#     $client->call(KIND, { of the journal }, METHOD, URI, BODY)
#     $client->add(REGISTRY, NUMBER of a certificate, { later, key })
#     ...                             one request each; returns the entry,
#                                     with the answer's JSON in {json}

use strict;
use warnings;

use Digest::SHA qw(sha256_hex);
use Faults::Journal;
use IO::Select;
use Iot qw(body der json);
use Iot::Grpc qw(proto unproto);
use Iot::H2;
use Iot::Load ();
use Iot::Nginx;
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use Time::HiRes qw(sleep time);

our $REGISTRIES = '/iot-devices/v1/registries';

# seconds for an answer, whatever happens to the store
our $ANSWERED = 15;

my $CONTESTED = 0x7e000000;


sub new {
    my ($class, %of) = @_;

    return bless {
        live => [], ops => [], keyed => [], mine => [], next => 0,
        folder => "folder-$of{number}", rpc => 0, %of,
        journal => Faults::Journal->new($of{journal}),
    }, $class;
}


my @STEPS = (
    [ 30, \&step_add ], [ 8, \&step_duplicate ], [ 6, \&step_contested ],
    [ 14, \&step_delete ], [ 3, \&step_delete_none ], [ 10, \&step_poll ],
    [ 8, \&step_get ], [ 8, \&step_later ], [ 5, \&step_again ],
    [ 3, \&step_bad ], [ 3, \&step_create ], [ 2, \&step_update ],
    [ 1, \&step_remove ],
);

# of all steps; a worker deletes in batches of 200
my $LARGE = 1 / 400;
my $MANY = 900;


sub run {
    my ($self, $over, $done) = @_;

    local $SIG{PIPE} = 'IGNORE';
    srand $self->{seed} + 1 + $self->{number};
    $self->{told} = $done;

    my @steps = map { my ($times, $step) = @$_; ($step) x $times } @STEPS;

    until ($over->()) {
        if ($self->{large} && rand() < $LARGE) {
            $self->step_large;

        } else {
            $steps[rand @steps]->($self);
        }

        sleep 0.005 + rand 0.03;
    }
}


# ---- what a client does ----------------------------------------------------

sub number { return $_[0]{number} << 20 | $_[0]{next}++ }

sub any { return $_[rand @_] }


sub new_key {
    return undef if rand() < 0.5;
    return sprintf '%08x-%04x-4%03x-8%03x-%06x%06x',
        map { rand $_ } 2 ** 32, 2 ** 16, 2 ** 12, 2 ** 12, 2 ** 24, 2 ** 24;
}


sub registry { return any(@{$_[0]{registries}}) }


sub step_add {
    my ($self) = @_;

    my $number = $self->number;
    my $registry = $self->registry;

    $registry = any(@{$self->{mine}})->{id}
        if @{$self->{mine}} && rand() < 0.1;

    $self->settle(add => $registry, $number, { key => new_key() });
}


sub step_duplicate {
    my ($self) = @_;

    my $has = any(@{$self->{live}}) or return;

    $self->add(rand() < 0.5 ? $has->{registry} : $self->registry,
               $has->{number}, { key => new_key() });
}


# whoever is first

sub step_contested {
    my ($self) = @_;

    my $number = $CONTESTED + int(time() * 2) % 0x1000000;
    my $registry = $self->registry;
    my $entry = $self->add($registry, $number);

    $self->delete($registry, $number)
        if $entry->{status} == 200 && rand() < 0.5;
}


sub step_delete {
    my ($self) = @_;

    my $live = $self->{live};
    my $has = @$live > 10 ? splice @$live, rand @$live, 1 : return;

    $self->settle(delete => $has->{registry}, $has->{number},
                  { key => new_key() });
}


sub step_delete_none {
    my ($self) = @_;

    $self->delete($self->registry, $self->number);
}


sub step_poll {
    my ($self) = @_;

    $self->poll(any(@{$self->{ops}})) if @{$self->{ops}};
}


sub step_get {
    my ($self) = @_;

    my $has = any(@{$self->{live}}) or return;
    my $fingerprint = fingerprint($has->{number});
    my $entry = $self->call('get', { registry => $has->{registry},
                                     fingerprint => $fingerprint },
        'GET', "$REGISTRIES/$has->{registry}/certificates/$fingerprint");

    return if $entry->{status} =~ /^(?:0|50[34])$/;

    $self->wrong($entry, 'not the certificate that was added')
        if ($entry->{json}{certificateData} // '')
           ne Iot::Load::certificate_of($has->{number});
}


# one that a backend has to finish, or its client cancels, or nobody ends

sub step_later {
    my ($self) = @_;

    my $number = $self->number;
    my $registry = $self->registry;
    my $entry = $self->add($registry, $number, { later => 1,
                                                 key => new_key() });

    return if $entry->{status} != 200;

    my $dice = rand;
    my $id = $entry->{operation};

    $self->finish($id, $dice < 0.1) if $dice < 0.5;
    $self->cancel($id) if $dice >= 0.45 && $dice < 0.75;
}


# the same request under the same key

sub step_again {
    my ($self) = @_;

    my $before = any(@{$self->{keyed}}) or return;

    $self->call(@$before);
}


sub step_bad {
    my ($self) = @_;

    my $pem = Iot::Load::certificate_of($self->number);

    substr $pem, 40 + rand 200, 1, any('!', '-', "\0");

    my $registry = $self->registry;
    my $entry = $self->call('add', { registry => $registry,
                                     fingerprint => 'none' },
        'POST', "$REGISTRIES/$registry/certificates", body($pem));

    $self->wrong($entry, 'not refused')
        if $entry->{status} !~ /^(?:0|400|50[34])$/;
}


sub step_create {
    my ($self) = @_;

    return $self->step_remove if @{$self->{mine}} > 4;

    my @numbers = map { $self->number } 1 .. rand 3;
    my $name = rand() < 0.7
        ? "name-$self->{number}-" . $self->{next}++ : undef;
    my $key = new_key();

    for (1 .. 4) {
        my $entry = $self->resolve($self->create($name, \@numbers, $key));
        my $id = $entry->{created};

        if ($id) {
            push @{$self->{mine}}, { id => $id };
            push @{$self->{live}},
                map { { registry => $id, number => $_ } } @numbers;
        }

        return if decided($entry);
    }
}


sub step_update {
    my ($self) = @_;

    my $registry = any(@{$self->{mine}}) or return;
    my %change = (description => "text-$self->{number}-" . $self->{next}++);

    $change{name} = "name-$self->{number}-" . $self->{next}++
        if rand() < 0.3;

    $self->resolve($self->update($registry->{id}, \%change, new_key()));
}


sub step_remove {
    my ($self) = @_;

    my $registry = shift @{$self->{mine}} or return;
    my $id = $registry->{id};
    my $key = new_key();

    $self->{live} = [ grep { $_->{registry} ne $id } @{$self->{live}} ];

    for (1 .. 4) {
        return if decided($self->resolve($self->remove($id, $key)));
    }
}


# A registry whose delete goes on after its answer, whatever becomes of the
# worker that is at it.

sub step_large {
    my ($self) = @_;

    my $entry = $self->resolve($self->create(undef, [], new_key()));
    my $id = $entry->{created} or return;

    $self->import_($id, map { $self->number } 1 .. $MANY);
    push @{$self->{mine}}, { id => $id };
    sleep rand 0.5;
    @{$self->{mine}} = sort { ($b->{id} eq $id) <=> ($a->{id} eq $id) }
                       @{$self->{mine}};
    $self->step_remove;
}


# ---- until the outcome is known --------------------------------------------

sub unknown {
    my ($entry) = @_;

    return !$entry->{status} && $entry->{sent}
           || ($entry->{reason} // '') eq 'STORE_OUTCOME_UNKNOWN';
}


sub decided { return $_[0]{status} && $_[0]{status} !~ /^50/ }


# polls what was unknown; the entry of the request, or that of the poll that
# found the operation

sub resolve {
    my ($self, $entry) = @_;

    return $entry if !unknown($entry) || !$entry->{operation};

    for (1 .. 3) {
        sleep 0.1 + rand 0.3;

        my $poll = $self->poll($entry->{operation});

        return { %$poll, created => $poll->{content}{registry} }
            if $poll->{status} == 200;
        return $entry if $poll->{status} == 404;
    }

    return $entry;
}


# an add or a delete of an own certificate, and what it comes to

sub settle {
    my ($self, $kind, $registry, $number, $of) = @_;

    for my $try (1 .. 4) {
        my $entry = $self->resolve($self->$kind($registry, $number, $of));

        if (decided($entry)) {
            push @{$self->{live}}, { registry => $registry, number => $number }
                if $kind eq 'add'
                   && ($entry->{status} == 200 || $entry->{this});
            last;
        }

        # who repeats without the key is told as well
        delete $of->{key} if rand() < 0.3;
        sleep 0.05 * $try;
    }

    splice @{$self->{live}}, 0, 1 if @{$self->{live}} > 200;
}


# ---- requests --------------------------------------------------------------

sub fingerprint { return sha256_hex(der(Iot::Load::certificate_of($_[0]))) }

sub keyed {
    my ($key) = @_;

    return defined $key ? ('Idempotency-Key' => $key) : ();
}


sub add {
    my ($self, $registry, $number, $of) = @_;

    my $later = $of->{later} ? 1 : 0;
    my $pem = Iot::Load::certificate_of($number);
    my @request = !$later && rand() < $self->{rpc}
        ? ('GRPC', 'AddCertificate', proto(1 => $registry, 3 => $pem))
        : ('POST', ($later ? '/later' : '')
                   . "$REGISTRIES/$registry/certificates", body($pem));
    my $entry = $self->call('add',
        { registry => $registry, fingerprint => fingerprint($number),
          number => $number, later => $later, key => $of->{key} },
        @request, keyed($of->{key}));

    if ($entry->{status} == 200 && !$later) {
        my $data = $entry->{json}{response}{certificateData};

        # a key may have been used for one that is deleted since
        $self->wrong($entry, 'not what was sent')
            if defined $data ? $data ne $pem : !defined $of->{key};
    }

    return $entry;
}


sub delete {
    my ($self, $registry, $number, $of) = @_;

    my $fingerprint = fingerprint($number);
    my @request = rand() < $self->{rpc}
        ? ('GRPC', 'DeleteCertificate', proto(1 => $registry,
                                              2 => $fingerprint))
        : ('DELETE', "$REGISTRIES/$registry/certificates/$fingerprint", undef);

    return $self->call('delete',
        { registry => $registry, fingerprint => $fingerprint,
          number => $number, key => $of->{key} },
        @request, keyed($of->{key}));
}


sub create {
    my ($self, $name, $numbers, $key) = @_;

    my %body = (folderId => $self->{folder},
        defined $name ? (name => $name) : (),
        certificates => [
            map { { certificateData => Iot::Load::certificate_of($_) } }
                @$numbers ]);

    return $self->call('create',
        { folder => $self->{folder}, name => $name, key => $key,
          numbers => $numbers,
          certificates => [ map { fingerprint($_) } @$numbers ] },
        'POST', $REGISTRIES, json(\%body), keyed($key));
}


sub update {
    my ($self, $registry, $change, $key) = @_;

    return $self->call('update',
        { registry => $registry, folder => $self->{folder}, key => $key,
          %$change },
        'PATCH', "$REGISTRIES/$registry",
        json({ %$change, updateMask => join ',', sort keys %$change }),
        keyed($key));
}


sub remove {
    my ($self, $registry, $key) = @_;

    return $self->call('remove', { registry => $registry, key => $key },
        'DELETE', "$REGISTRIES/$registry", undef, keyed($key));
}


# The rows of the answer say what was imported; of one that is not whole
# nobody knows.

sub import_ {
    my ($self, $registry, @numbers) = @_;

    return $self->call('import',
        { registry => $registry,
          imported => [ map { fingerprint($_) } @numbers ] },
        'POST', "/import$REGISTRIES/$registry/certificates:import",
        json([ map {
            { certificateData => Iot::Load::certificate_of($_) }
        } @numbers ]));
}


sub finish {
    my ($self, $id, $failed) = @_;

    return $self->call('finish', { of => $id }, 'POST',
        "/backend/operations/$id:finish",
        $failed ? '{"error":{"code":9,"message":"no"}}' : '{}');
}


sub cancel {
    my ($self, $id) = @_;

    return $self->call('cancel', { of => $id }, 'POST',
                       "/operations/$id:cancel");
}


sub poll {
    my ($self, $id) = @_;

    return $self->call('poll', { of => $id }, 'GET', "/operations/$id");
}


# ---- one request -----------------------------------------------------------

sub call {
    my ($self, $kind, $of, @request) = @_;

    my $entry = { %$of, kind => $kind, client => $self->{number},
                  from => time(), sent => 0 };
    my $answer = $self->exchange($entry, @request);

    $entry->{to} = time();
    $entry->{status} = $answer->{status};
    $self->understand($entry, $answer);

    $self->{journal}->write({ %$entry, json => undef });
    $self->remember($entry, $kind, $of, @request);

    # a store that is away is not asked a thousand times a second
    sleep 0.02 if $entry->{status} =~ /^(?:0|50\d)$/;

    return $entry;
}


sub exchange {
    my ($self, $entry, $method, $uri, $body, %header) = @_;

    return $self->exchange_rpc($entry, $uri, $body, %header)
        if $method eq 'GRPC';

    my $socket = $self->{socket} ||= eval { $self->{nginx}->connection };
    my $answer = { status => 0, headers => {}, body => '' };

    if ($socket) {
        $entry->{sent} = 1;
        print $socket Iot::Nginx::text($method, $uri, $body, %header,
                                       Connection => 'keep-alive');
        $answer = Iot::Nginx::read_answer($socket, $ANSWERED);
        read_chunks($answer, $socket)
            if ($answer->{headers}{'transfer-encoding'} // '') eq 'chunked';
    }

    # some on one connection, so that all workers get some of them
    delete $self->{socket}
        if !$answer->{status} || ++$self->{requests} % 20 == 0
           || ($answer->{headers}{connection} // '') eq 'close';

    return $answer;
}


# In the form of REST: the status of HTTP that goes with the code, and of an
# operation its id and certificate.

my %STATUS = (3 => 400, 4 => 504, 5 => 404, 6 => 409, 8 => 429, 9 => 400,
              10 => 409, 13 => 500, 14 => 503);

sub exchange_rpc {
    my ($self, $entry, $method, $bytes, %header) = @_;

    my $h2 = $self->{h2} ||= eval {
        Iot::H2->new($self->{nginx}{rpc_port});
    };
    my $answer;

    if ($h2) {
        $entry->{sent} = 1;
        $answer = eval {
            Iot::Grpc->call($h2, $method, $bytes,
                            map { (lc, $header{$_}) } keys %header);
        };
    }

    delete $self->{h2}
        if !$answer || defined $h2->{goaway} || ++$self->{calls} % 20 == 0;

    $entry->{rpc} = 1;

    return { status => 0, headers => {}, body => '' }
        if !$answer || defined $answer->{reset};

    my $code = $answer->{headers}{'grpc-status'};

    return { status => $STATUS{$code} // 500, headers => {},
             body => json(Iot::Grpc::rpc_status(decode_base64(
                 $answer->{headers}{'grpc-status-details-bin'}
                     =~ tr/-_/+\//r))) } if $code;

    my $operation = unproto(substr $answer->{data}, 5);
    my $any = unproto($operation->{9}[0] // '');
    my $response = unproto($any->{2}[0] // '');

    return { status => 200, headers => {}, body => json({
        id => $operation->{1}[0],
        response => { certificateData => $response->{3}[0] } }) };
}


# nothing is left on the connection that could be read as the next answer

sub read_chunks {
    my ($answer, $socket) = @_;

    my $bytes = delete ${*$socket}{iot_rest};
    my $select = IO::Select->new($socket);
    my $end = time() + $ANSWERED;

    until ($bytes =~ /\r\n0\r\n\r\n\z/) {
        last if time() > $end || !$select->can_read($end - time())
                || !sysread $socket, $bytes, 65536, length $bytes;
    }

    if ($bytes !~ /\r\n0\r\n\r\n\z/) {
        $answer->{status} = 0;
        return;
    }

    while ($bytes =~ s/\A([0-9a-f]+)\r\n//i && hex $1) {
        $answer->{body} .= substr $bytes, 0, hex $1, '';
        $bytes =~ s/\A\r\n//;
    }
}


sub understand {
    my ($self, $entry, $answer) = @_;

    return if !$entry->{status};

    my $json = eval { decode_json($answer->{body}) };

    if (ref $json ne 'HASH') {
        $entry->{wrong} = 'not JSON';
        return;
    }

    $entry->{json} = $json;

    if ($entry->{status} != 200) {
        my ($info) = grep { $_->{'@type'} =~ /ErrorInfo$/ }
                     @{$json->{details} || []};

        $entry->{reason} = $info->{reason};
        $entry->{operation} = $info->{metadata}{operationId};
        $entry->{this} = 1
            if ($info->{metadata}{registry} // '') eq 'this';
        return;
    }

    return if $entry->{kind} eq 'get';

    # what was imported is what rows say that are there
    if ($entry->{kind} eq 'import') {
        $entry->{imported} = [ map { $_->{fingerprint} }
            grep { $_->{result} eq 'IMPORTED' } @{$json->{rows}} ]
            if $json->{counts};
        $entry->{whole} = $json->{counts} ? 1 : 0;
        return;
    }

    my $operation = $entry->{kind} eq 'finish' ? $json->{operation} : $json;

    $entry->{operation} = $operation->{id};
    return if $entry->{rpc};

    $entry->{content} = Faults::Journal::content($operation);
    $entry->{created} = $entry->{content}{registry}
        if $entry->{kind} eq 'create';
}


# a change that was made says that the store is back

sub remember {
    my ($self, $entry, @call) = @_;

    return if $entry->{status} != 200;

    my $change = $entry->{kind} =~ /^(?:add|delete|create|update|remove)$/;

    $self->{told}->($entry->{from}) if $change && $self->{told};
    push @{$self->{ops}}, $entry->{operation} if $change;
    push @{$self->{keyed}}, \@call if $change && defined $entry->{key};

    for (@$self{qw(ops keyed)}) {
        shift @$_ if @$_ > 40;
    }
}


# told beside the entry, which has been written

sub wrong {
    my ($self, $entry, $what) = @_;

    $self->{journal}->write({ %$entry, kind => 'wrong', of => $entry->{kind},
                              wrong => $what, json => undef });
}

1;
