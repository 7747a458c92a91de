package Iot::Load;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Clients that add, read and delete certificates without a break, each in a
# process of its own, and write down what they were told; and what that says
# about the gateway and the store.
#
#     my $load = Iot::Load->start($nginx, clients => 4,
#                                 registries => [ 'plant-0', 'plant-1' ]);
#     $load->more(50) or ...          each client has that many adds more done
#     $load->stop;
#
#     $load->complaints(NODE ...)     wrong answers, and where the store, which
#                                     is on those RedisLab::Redis, is not what
#                                     the answers said; '' when all is well
#     $load->lost                     after complaints(), what comes of changes
#                                     that were acknowledged and are lost: no
#                                     complaints with losses => 1
#     $load->tally                    "add 200" => how many, "add 503 REASON"
#     $load->recovery(TIME)           seconds from then until every client and
#                                     every worker has done an add again
#     $load->workers                  pids of the workers that have answered
#
# Tests say what they do meanwhile, and have all of that checked:
#
#     my $nginx = load_gateway('server 127.0.0.1:6379; timeout 1s;');
#     settle($nginx);                 what it needs is what it needs then
#     my $load = under_load('full', $nginx, [ NODE ... ], sub { ... }, ...);
#     recovers($load, 'full'), wait_for_errors($load, 8), in that sub
#     back_to_normal($nginx ...)
#
# keepalive => 0: a connection for each request; unanswered => 1: a request may
# end without an answer; pause: seconds between adds of a client.  Client n
# adds to registry n modulo their number.  Every certificate is its own, but
# for some that all try to add at about the same time: one of them may.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha256_hex);
use File::Basename qw(dirname);
use File::Temp;
use Iot qw(body certificate der http_config pem wait_until);
use Iot::Child qw(die_with_parent);
use Iot::Nginx;
use JSON::PP;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);

use lib dirname(abs_path(__FILE__)) . '/../../redis-module/lib';
use RedisLab ();

use base 'Exporter';
our @EXPORT = qw(load_gateway settle under_load recovers wait_for_errors
                 back_to_normal instrumented);

my $SHARED = 0x7f000000;
my $template;
my $loads = 0;


sub start {
    my ($class, $nginx, %of) = @_;

    my $self = bless {
        nginx => $nginx, clients => 4, registries => [ 'plant-0', 'plant-1' ],
        dir => File::Temp->newdir('iot-load-XXXXXX', TMPDIR => 1),
        number => ++$loads, keepalive => 1, unanswered => 0,
        losses => 0, pause => 0, %of
    }, $class;

    certificate_of(0);

    for my $n (0 .. $self->{clients} - 1) {
        my $parent = $$;
        my $pid = fork() // die "fork: $!";

        if ($pid == 0) {
            die_with_parent($parent, POSIX::SIGKILL());
            eval { $self->client($n) };
            warn $@ if $@;
            POSIX::_exit($@ ? 1 : 0);
        }

        push @{$self->{pids}}, $pid;
    }

    return $self;
}


sub journal { return "$_[0]{dir}/client.$_[1]" }


sub stop {
    my ($self) = @_;

    open my $file, '>', "$self->{dir}/stop";
    close $file;

    waitpid $_, 0 for splice @{$self->{pids}};

    return $self;
}


# ---- a client -------------------------------------------------------------

sub client {
    my ($self, $n) = @_;

    local $SIG{PIPE} = 'IGNORE';

    open my $journal, '>', $self->journal($n) or die "journal: $!";
    $journal->autoflush(1);

    my $of = {
        load => $self, journal => $journal,
        registry => $self->{registries}[$n % @{$self->{registries}}],
    };

    # one in four stays, to be deleted later

    my @kept;
    my $number = $self->{number} << 24 | $n << 18;

    for (my $i = 0; !-e "$self->{dir}/stop"; $i++) {
        my $added = add($of, 'add', $number + $i);

        get($of, $number + $i, $added) if $added;
        push @kept, $number + $i if $added && $i % 4 == 0;

        remove($of, shift @kept) if @kept > 2;
        add($of, 'shared', $SHARED + ($self->{number} << 18) + $i / 4)
            if $i % 4 == 3;

        sleep $self->{pause} if $self->{pause};
    }
}


sub certificate_of {
    my ($n) = @_;

    $template ||= der(certificate());

    return pem(substr($template, 0, -4) . pack 'N', $n);
}


sub path { return "/iot-devices/v1/registries/$_[0]/certificates" }


# the id of the operation when it was done

sub add {
    my ($of, $kind, $n) = @_;

    my $pem = certificate_of($n);
    my $fingerprint = sha256_hex(der($pem));
    my $answer = request($of, 'POST', path($of->{registry}), body($pem));
    my $id = told($of, $kind, $fingerprint, $answer);

    return undef if $answer->{status} != 200;

    my $told = $answer->{json};

    wrong($of, "$kind: not what was sent", $answer)
        if ($told->{response}{certificateData} // '') ne $pem
           || ($told->{metadata}{fingerprint} // '') ne $fingerprint
           || ($told->{response}{registryId} // '') ne $of->{registry};

    return $id;
}


# the operation and the certificate, in turn

sub get {
    my ($of, $n, $id) = @_;

    my $fingerprint = sha256_hex(der(certificate_of($n)));
    my $operation = $n % 2;
    my $answer = request($of, 'GET', $operation ? "/operations/$id"
        : path($of->{registry}) . "/$fingerprint");

    told($of, 'get', $fingerprint, $answer);
    return if $answer->{status} != 200;

    my $told = $answer->{json};
    my $record = $operation ? $told->{response} : $told;

    wrong($of, 'get: another operation', $answer)
        if $operation && ($told->{id} // '') ne $id;
    wrong($of, 'get: not what was sent', $answer)
        if ($record->{certificateData} // '') ne certificate_of($n)
           || ($record->{fingerprint} // '') ne $fingerprint;
}


sub remove {
    my ($of, $n) = @_;

    my $fingerprint = sha256_hex(der(certificate_of($n)));
    my $answer = request($of, 'DELETE', path($of->{registry})
                                        . "/$fingerprint");

    told($of, 'delete', $fingerprint, $answer);

    wrong($of, 'delete: of another certificate', $answer)
        if $answer->{status} == 200
           && ($answer->{json}{metadata}{fingerprint} // '') ne $fingerprint;
}


# some on one connection, so that both workers get some of the connections

sub request {
    my ($of, @request) = @_;

    my $socket = $of->{socket} ||= eval { $of->{load}{nginx}->connection };
    my $answer = { status => 0, headers => {}, body => '' };

    if ($socket) {
        print $socket Iot::Nginx::text(@request[0 .. 2], Connection =>
            $of->{load}{keepalive} ? 'keep-alive' : 'close');
        $answer = Iot::Nginx::read_answer($socket);
    }

    delete $of->{socket}
        if !$answer->{status} || ++$of->{requests} % 10 == 0
           || ($answer->{headers}{connection} // '') eq 'close';

    $answer->{json} = eval { decode_json($answer->{body}) } || {};

    # a store that is away is not asked a thousand times a second
    sleep 0.01 if $answer->{status} !~ /^(?:200|409)$/;

    return $answer;
}


# writes down what was answered; the id of the operation, if there is one

sub told {
    my ($of, $kind, $fingerprint, $answer) = @_;

    my $json = $answer->{json};
    my ($info) = grep { $_->{'@type'} =~ /ErrorInfo$/ }
                 @{$json->{details} || []};
    my $id = $answer->{status} == 200 && $kind ne 'get' ? $json->{id}
        : $info ? $info->{metadata}{operationId} : undef;

    printf {$of->{journal}} "%s %s %s %d %s %s %s %.3f\n", $kind,
        $of->{registry}, $fingerprint, $answer->{status},
        $info ? $info->{reason} : '-', $id // '-',
        $answer->{headers}{'x-worker'} // 0, time();

    return $id;
}


sub wrong {
    my ($of, $what, $answer) = @_;

    my $text = "$answer->{status} $answer->{body}" =~ s/\s+/ /gr;
    my $worker = $answer->{headers}{'x-worker'} // 0;

    print {$of->{journal}} "! $what: $text\n";
}


# ---- the journals ---------------------------------------------------------

sub lines {
    my ($self, $n) = @_;

    my $text = Iot::Nginx::slurp($self->journal($n));

    # what is being written is not read
    return split /\n/, $text =~ s/[^\n]*\z//r;
}


sub entries {
    my ($self, @clients) = @_;

    @clients = 0 .. $self->{clients} - 1 if !@clients;

    return map { [ split ' ' ] } grep { !/^!/ }
           map { $self->lines($_) } @clients;
}


sub done { return scalar grep { $_->[0] eq 'add' && $_->[3] == 200 } @_ }


sub more {
    my ($self, $count, $seconds) = @_;

    my @clients = 0 .. $self->{clients} - 1;
    my @had = map { done($self->entries($_)) } @clients;

    return wait_until(sub {
        sleep 0.1;
        !grep { done($self->entries($_)) < $had[$_] + $count } @clients;
    }, $seconds // 2 * $Iot::Nginx::PATIENCE);
}


sub tally {
    my ($self) = @_;

    my %tally;

    for ($self->entries) {
        my ($kind, $status, $reason) = @{$_}[0, 3, 4];
        $tally{"$kind $status" . ($reason eq '-' ? '' : " $reason")}++;
    }

    return \%tally;
}


# for diag()

sub summary {
    my ($self) = @_;

    my $tally = $self->tally;

    return join ', ', map { "$_: $tally->{$_}" } sort keys %$tally;
}


# until every client has had an add done again, and every worker has done one

sub recovery {
    my ($self, $since) = @_;

    my %first = map { $_ => undef } $self->{nginx}->workers;

    for my $n (0 .. $self->{clients} - 1) {
        my @done = grep { $_->[0] eq 'add' && $_->[3] == 200
                          && $_->[7] > $since } $self->entries($n);

        $first{"client $n"} = $done[0] && $done[0][7];

        for (@done) {
            my ($worker, $at) = @{$_}[6, 7];
            $first{$worker} = $at if ($first{$worker} // $at) >= $at;
        }
    }

    return 'never' if grep { !defined } values %first;

    my ($last) = sort { $b <=> $a } values %first;
    return sprintf '%.2f', $last - $since;
}


sub workers {
    my ($self) = @_;

    my %workers = map { $_->[6] => 1 } $self->entries;
    delete $workers{0};

    my @workers = sort { $a <=> $b } keys %workers;
    return @workers;
}


# ---- the journals and the store -------------------------------------------

sub complaints {
    my ($self, @nodes) = @_;

    my $store = Iot::Load::Store->read(@nodes);
    my @complaints = map { grep { /^!/ } $self->lines($_) }
                     0 .. $self->{clients} - 1;

    push @complaints, $store->complaints;

    my %history;
    push @{$history{"$_->[1] $_->[2]"}}, $_
        for grep { $_->[0] ne 'get' } $self->entries;

    $self->{lost} = [];

    for my $name (sort keys %history) {
        push @complaints, $self->compare($store, $name, @{$history{$name}});
    }

    push @{$self->{lost}}, $self->shared, grep { /stored twice/ } @complaints;
    @complaints = grep { !/stored twice/ } @complaints;
    push @complaints, @{$self->{lost}} if !$self->{losses};

    return join "\n", @complaints[0 .. ($#complaints < 9 ? $#complaints : 9)];
}


sub lost { return @{$_[0]{lost}} }


# What one certificate has gone through in one registry, and whether it should
# be there: 1, 0, or undef when nobody can tell.

sub compare {
    my ($self, $store, $name, @entries) = @_;

    my $expected = 0;
    my @complaints;

    for (@entries) {
        my ($kind, undef, undef, $status, $reason, $id) = @$_;
        my $after = $kind eq 'delete' ? 0 : 1;
        my $unknown = $status == 0 || $reason eq 'STORE_OUTCOME_UNKNOWN';

        push @complaints, "$kind of $name was not answered"
            if $status == 0 && !$self->{unanswered};

        if ($status == 200) {
            $expected = $after;

        } elsif ($unknown && $id ne '-') {
            $expected = $store->{operations}{$id} ? $after : $expected;

        } elsif ($unknown) {
            undef $expected;

        } elsif ($kind eq 'shared' && $status == 409) {
            # another's, or its own of before

        } elsif ($status !~ /^50[034]$/) {
            push @{$reason eq 'CERTIFICATE_NOT_FOUND' ? $self->{lost}
                                                      : \@complaints},
                "$kind of $name was answered $status $reason";
        }
    }

    my $there = $store->{members}{$name} ? 1 : 0;

    if (defined $expected && $expected != $there) {
        my $said = join ', ', map { "@{$_}[0, 3 .. 5]" } @entries;

        # a delete that was acknowledged can be lost, too
        push @{$expected || $said =~ /delete 200/ ? $self->{lost}
                                                  : \@complaints},
            ($expected ? 'lost: ' : 'should not be there: ') . "$name: $said";
    }

    return @complaints;
}


# of those that all try to add, one is told that it did

sub shared {
    my ($self) = @_;

    my %winners;
    push @{$winners{$_->[2]}}, $_->[1]
        for grep { $_->[0] eq 'shared' && $_->[3] == 200 } $self->entries;

    return map { "$_ was added to @{$winners{$_}}" }
           grep { @{$winners{$_}} > 1 } sort keys %winners;
}


# ---- what tests do with it -------------------------------------------------

# a sanitizer keeps what is freed for a while, and all takes longer

sub instrumented { return $ENV{ASAN_OPTIONS} || $ENV{TEST_NGINX_USE_VALGRIND} }


# store: directives of the block; the rest is what Iot::Nginx->start takes

sub load_gateway {
    my ($store, %of) = @_;

    return Iot::Nginx->start(workers => 2, gateway_parts($store), %of);
}


sub gateway_parts {
    my ($store) = @_;

    return (http => http_config() =~ s/server [^;]*;/$store/r,
            server => <<'_EOC_');
    keepalive_requests 1000000;
    add_header x-worker $pid always;

    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_
}


# What workers have and need once they have had something to do.

my %settled;

sub settle {
    my (@nginxes) = @_;

    for my $nginx (@nginxes) {
        my $load = Iot::Load->start($nginx);

        $load->more(instrumented() ? 20 : 200);
        $load->stop;

        # a list has a link of its own
        my %listed;
        wait_until(sub {
            $listed{$nginx->request('GET', path('plant-0'))
                ->{headers}{'x-worker'} // 0}++;
            return $nginx->{workers} == grep { $listed{$_} } $nginx->workers;
        });
    }

    for my $nginx (@nginxes) {
        wait_until(sub { !connections($nginx) });
        $settled{$_} = { memory => memory_of($_),
                         descriptors => descriptors($_) }
            for $nginx->workers;
    }
}


# of clients, that are not closed on both sides

sub connections {
    my ($nginx) = @_;

    my $port = sprintf '%04X', $nginx->port;

    return scalar grep { /^\s*\d+: \w+:$port \w+:\w+ 0[^A6]/ }
                  split /\n/, Iot::Nginx::slurp('/proc/net/tcp');
}


sub descriptors { return scalar(() = glob "/proc/$_[0]/fd/*") }


sub memory_of {
    return Iot::Nginx::slurp("/proc/$_[0]/status") =~ /^VmRSS:\s+(\d+)/m
        ? $1 : 0;
}


# Runs the code while clients are at it; adds are done before and after.  The
# workers stay those that they were unless reloads => 1.

sub under_load {
    my ($name, $nginx, $nodes, $code, %of) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @workers = sort { $a <=> $b } $nginx->workers;
    my $load = Iot::Load->start($nginx, %of);

    ok($load->more(10), "$name: adds go through before");
    $code->($load);
    ok($load->more(10), "$name: and after");

    # the kernel decides who gets a connection
    wait_until(sub { sleep 0.1; $load->workers > 1 });
    $load->stop;

    diag("$name: " . $load->summary);

    # those that are masters now
    is($load->complaints(ref $nodes eq 'CODE' ? $nodes->() : @$nodes), '',
       "$name: what was answered is what is stored");

    if (!$of{reloads}) {
        is_deeply([ $load->workers ], \@workers,
                  "$name: two workers took part");
        is_deeply([ sort { $a <=> $b } $nginx->workers ], \@workers,
                  "$name: and both are alive");
        ok(wait_until(sub {
            !grep { descriptors($_) > $settled{$_}{descriptors} } @workers;
        }), "$name: nothing stays open");
    }

    return $load;
}


sub recovers {
    my ($load, $name) = @_;

    my $since = time();

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok(wait_until(sub {
        sleep 0.1;
        $load->recovery($since) ne 'never';
    }, 2 * $Iot::Nginx::PATIENCE), "$name: adds go through again");
    diag("$name: recovered in " . $load->recovery($since) . ' s');
}


# until so many requests more were not served

sub wait_for_errors {
    my ($load, $count) = @_;

    my $had = refusals($load);

    wait_until(sub {
        sleep 0.1;
        refusals($load) >= $had + $count;
    }, $Iot::Nginx::PATIENCE) or die "no error is answered\n";
}


sub refusals { return scalar grep { $_->[3] !~ /^(?:200|409)$/ }
                             $_[0]->entries }


# the memory of all workers that settle() has seen

sub back_to_normal {
    my (@nginxes) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my @workers = map { $_->workers } @nginxes;
    my $grown = 0;

    $grown += memory_of($_) - $settled{$_}{memory} for @workers;

    diag('memory: ' . @workers . " workers, grown by $grown KB");

    SKIP: {
        skip 'memory under a sanitizer', 1 if instrumented();
        cmp_ok($grown, '<', 1024 * @workers, 'memory: as it was');
    }
}


# What is in the store, on one node or several.

package Iot::Load::Store;

use IO::Socket::INET;

sub read {
    my ($class, @nodes) = @_;

    my $self = bless { map { $_ => {} } qw(members lists aliases claims
                                           operations) }, $class;

    $self->read_node($_) for @nodes;

    return $self;
}


my %command = (c => [ 'GETRANGE', 0, 48 ], z => [ 'ZRANGE', 0, -1 ],
               h => [ 'HGETALL' ], x => [ 'GET' ], o => [ 'EXISTS' ]);

sub read_node {
    my ($self, $node) = @_;

    my $socket = IO::Socket::INET->new("127.0.0.1:$node->{port}")
        or die "redis: $!";
    my $ask = sub {
        RedisLab::Redis::write_command($socket, @$_) for @_;
        return map { RedisLab::Redis::read_reply($socket) } @_;
    };

    $ask->([ 'AUTH', $node->{password} ]) if defined $node->{password};

    my @keys = grep { /\}:[czhxo]:/ } @{($ask->([ 'KEYS', '*' ]))[0]};

    while (my @part = splice @keys, 0, 200) {
        my @replies = $ask->(map {
            my ($type) = /\}:(.):/;
            my ($name, @more) = @{$command{$type}};
            [ $name, $_, @more ];
        } @part);

        $self->record($_, shift @replies) for @part;
    }
}


sub record {
    my ($self, $key, $value) = @_;

    my ($type, $name) = $key =~ /\}:(.):(.*)/;

    if ($type eq 'c') {
        my ($registry, $fingerprint) = split /:/, $name;

        $self->{members}{"$registry $fingerprint"} = {
            operation => substr($value, 9, 20), at => substr($value, 3, 6),
            sha1 => unpack('H*', substr $value, 29, 20) };

    } elsif ($type eq 'z') {
        $self->{lists}{"$name " . unpack 'H*', substr $_, 6}
            = substr $_, 0, 6 for @$value;

    } elsif ($type eq 'h') {
        my %aliases = @$value;
        $self->{aliases}{"$name " . unpack 'H*', $aliases{$_}}
            = unpack 'H*', $_ for keys %aliases;

    } elsif ($type eq 'x') {
        $self->{claims}{$name} = [ split /\x1f/, substr $value, 1 ];

    } else {
        $self->{operations}{$name} = 1;
    }
}


# what no history explains

sub complaints {
    my ($self) = @_;

    my $members = $self->{members};
    my (%registries, @complaints);

    for (sort keys %$members) {
        my ($registry, $fingerprint) = split ' ';
        my $claim = $self->{claims}{$fingerprint} || [ 'nobody', '' ];

        push @{$registries{$fingerprint}}, $registry;

        push @complaints, "$_ is not in its list"
            if ($self->{lists}{$_} // '') ne $members->{$_}{at};
        push @complaints, "$_ has no alias"
            if ($self->{aliases}{$_} // '') ne $members->{$_}{sha1};
        push @complaints, "$_ is claimed by @$claim"
            if $claim->[0] ne $registry
               || $claim->[1] ne $members->{$_}{operation};
    }

    push @complaints, map { "$_ is stored twice: @{$registries{$_}}" }
        grep { @{$registries{$_}} > 1 } sort keys %registries;

    for my $of (qw(lists aliases)) {
        push @complaints, map { "$_ is in $of only" }
            grep { !$members->{$_} } sort keys %{$self->{$of}};
    }

    return @complaints;
}

1;
