package Faults::Run;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A run: rounds of faults under load, each checked, and the report.
#
#     my $run = Faults::Run->new(seed => N, count => N, seconds => N,
#                                say => sub { a line of progress });
#     $run->all;
#     $run->violations                lines; none when all is well
#     $run->report                    text
#     $run->{injected}{KIND}          how many there were
#
# large => 1: clients also delete registries that are so large that it takes
# a while; if a worker dies over one, the round takes a minute longer.
#
# When the seconds are over no fault is begun any more; what the round has
# begun is checked.  keep => DIR: journals and logs of rounds with violations
# are left there.

use strict;
use warnings;

use Faults::Check;
use Faults::Client;
use Faults::Deployment;
use Faults::Gateway;
use Faults::Journal;
use Faults::Plan;
use Faults::Rude;
use Faults::View;
use File::Copy qw(copy);
use File::Path qw(make_path);
use File::Temp;
use Iot qw(wait_until);
use Iot::Child qw(die_with_parent);
use Iot::Load ();
use Iot::Nginx;
use List::Util qw(max min sum0);
use POSIX ();
use Time::HiRes qw(sleep time);

my $CLIENTS = 6;
my $REGISTRIES = 6;

# the rude ones have a journal after those of the clients
my $RUDE = $CLIENTS;

# seconds until every client must have had a change done again
our $RECOVERY = $ENV{ASAN_OPTIONS} ? 120 : 60;


sub new {
    my ($class, %of) = @_;

    return bless { count => 18, seconds => 1800, say => sub { }, %of,
                   injected => {}, recovery => {}, told => {},
                   violations => [] }, $class;
}


sub violations { return @{$_[0]{violations}} }


sub all {
    my ($self) = @_;

    my $begin = time;

    $self->{end} = $begin + $self->{seconds};

    Iot::Load::certificate_of(0);

    for my $round (Faults::Plan::rounds($self->{seed}, $self->{count})) {
        last if time > $self->{end};
        $self->round($round);
    }

    $self->{took} = time - $begin;
}


# ---- a round ---------------------------------------------------------------

sub round {
    my ($self, $round) = @_;

    my $name = $round->{deployment};
    my $begin = time;

    $self->{number}++;
    $self->{dir} = File::Temp->newdir('iot-faults-XXXXXX', TMPDIR => 1);
    $self->{deployment} = Faults::Deployment->start($name);
    $self->{gateway} = Faults::Gateway->start($self->{deployment}->store);
    $self->{registries} = [ map { $self->{gateway}->registry("plant-$_") }
                            1 .. $REGISTRIES ];
    $self->{rude} = Faults::Rude->new(nginx => $self->{gateway}{nginx},
        journal => $self->journal($RUDE), number => $RUDE,
        registries => $self->{registries});

    $self->start_clients;

    my @bad = $self->tried(sub { $self->faults(@{$round->{faults}}) });

    $self->stop_clients;
    push @bad, $self->tried(sub { $self->check });
    push @bad, map { "nginx: $_" } $self->{gateway}->stop;

    $self->keep(@bad) if @bad;
    $self->{deployment}->stop;
    push @{$self->{violations}},
        map { "round $self->{number}, $name: $_" } @bad;

    $self->{say}->(sprintf 'round %d, %s: %d faults, %d violations, %.0f s',
        $self->{number}, $name, $self->{faults}, scalar @bad, time - $begin);
}


# what is wrong: what the code returns, or why it died

sub tried {
    my ($self, $code) = @_;

    my @bad = eval { $code->() };
    my $died = $@;

    # who interrupts is not a violation
    die $died if $self->{interrupted};

    chomp $died;
    return $died ne '' ? (@bad, "broken off: $died") : @bad;
}


sub faults {
    my ($self, @faults) = @_;

    my @bad;

    $self->{faults} = 0;
    push @bad, $self->recovered(time, 'start');

    for my $fault (@faults) {
        last if time > $self->{end};

        my $kind = $fault->{kind};
        my $since = $self->inject($kind, @{$fault->{dice}});

        $self->{faults}++;
        $self->{injected}{$kind}++;
        push @bad, $self->recovered($since, $kind);
        $self->{deployment}->steady;
        sleep 0.1 + 0.2 * $fault->{dice}[3];
    }

    return @bad;
}


sub inject {
    my ($self, $kind, @dice) = @_;

    my $method = $kind =~ tr/-/_/r;

    $self->event($kind);

    if ($kind =~ /^client-(\w+)/) {
        $self->{rude}->$1(@dice);
        return time;
    }

    return $self->{gateway}->$method(@dice)
        if Faults::Gateway->can($method);
    return $self->{deployment}->$method(@dice);
}


# until every client has had a change done that it asked for after the fault

sub recovered {
    my ($self, $since, $kind) = @_;

    my $recovered = wait_until(sub {
        min($self->beats) > $since;
    }, $RECOVERY);

    $self->event("$kind: over");

    return "no recovery: $kind" if !$recovered;

    push @{$self->{recovery}{$kind}}, max(map { $_ - $since } $self->beats);

    return ();
}


# ---- clients ---------------------------------------------------------------

sub journal { return "$_[0]{dir}/journal.$_[1]" }


# they tell by a file of times when the last change was done

sub start_clients {
    my ($self) = @_;

    my $beats = "$self->{dir}/beats";

    open my $file, '>', $beats or die "$beats: $!";
    print $file pack 'd*', (0) x $CLIENTS;
    close $file;

    for my $n (0 .. $CLIENTS - 1) {
        my $parent = $$;
        my $pid = fork() // die "fork: $!";

        if ($pid == 0) {
            $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);
            die_with_parent($parent, POSIX::SIGKILL());
            eval { $self->client($n) };
            print STDERR $@ if $@;
            POSIX::_exit($@ ? 1 : 0);
        }

        push @{$self->{clients}}, $pid;
    }
}


sub client {
    my ($self, $n) = @_;

    open my $beats, '+<', "$self->{dir}/beats" or die "beats: $!";

    my $client = Faults::Client->new(number => $n, seed => $self->{seed},
        nginx => $self->{gateway}{nginx}, journal => $self->journal($n),
        registries => $self->{registries}, large => $self->{large},
        rpc => 0.25);

    $client->run(sub { -e "$self->{dir}/stop" }, sub {
        sysseek $beats, 8 * $n, 0;
        syswrite $beats, pack 'd', $_[0];
    });
}


sub beats {
    my ($self) = @_;

    return unpack 'd*', Iot::Nginx::slurp("$self->{dir}/beats");
}


sub stop_clients {
    my ($self) = @_;

    open my $file, '>', "$self->{dir}/stop" or die "stop: $!";
    close $file;

    for my $pid (splice @{$self->{clients}}) {
        waitpid $pid, 0;
        push @{$self->{violations}}, "a client ended with status $?" if $?;
    }
}


sub event {
    my ($self, $text) = @_;

    open my $file, '>>', "$self->{dir}/events" or die "events: $!";
    printf $file "%.3f %s\n", time, $text;
}


# ---- afterwards ------------------------------------------------------------

sub check {
    my ($self) = @_;

    my @entries = Faults::Journal->read(map { $self->journal($_) }
                                        0 .. $RUDE);
    my $nginx = $self->{gateway}{nginx};

    $self->count(@entries);

    # nobody asks for anything now: what is in flight lands, or never will
    $self->{deployment}->steady;
    sleep 1;

    my $view = Faults::View->read($nginx, \@entries, @{$self->{registries}});

    # those of the runner are asked for by it, once and before all others
    for my $id (@{$self->{registries}}) {
        my ($create) = grep { $_->{method} eq 'CreateRegistry' }
                       values %{$view->{operations}{$id}};

        push @entries, { kind => 'create', client => 'runner', from => 0,
                         to => 0, sent => 1, status => 0, folder => 'plants',
                         created => $id };
    }

    return Faults::Check::violations(\@entries, $view,
        lossless => $self->{deployment}->lossless);
}


sub count {
    my ($self, @entries) = @_;

    for (grep { $_->{kind} ne 'wrong' } @entries) {
        my $change = $_->{kind} =~ /^(?:add|delete|create|update|remove)$/;

        $self->{told}{requests}++;
        $self->{told}{$_->{status} == 200 ? 'acknowledged'
            : Faults::Check::unknown($_) ? 'unknown'
            : Faults::Check::silent($_) ? 'unanswered'
            : 'refused'}++ if $change;
        $self->{told}{reads}++ if !$change;
    }
}


sub keep {
    my ($self, @bad) = @_;

    return if !$self->{keep};

    my $to = "$self->{keep}/$self->{seed}-$self->{number}";

    make_path($to);
    copy($_, $to) for glob "$self->{dir}/*";
    copy($self->{gateway}{nginx}->path('logs/error.log'), $to);
    copy("$_->{dir}/log", "$to/redis.$_->{port}")
        for $self->{deployment}->nodes;

    open my $file, '>', "$to/violations" or die "$to: $!";
    print $file map { "$_\n" } @bad;
    close $file;
}


sub report {
    my ($self) = @_;

    my $injected = $self->{injected};
    my $told = $self->{told};
    my $text = sprintf "seed %d, %d faults in %.0f s\n\n%-18s %6s  %s\n",
        $self->{seed}, sum0(values %$injected), $self->{took}, 'kind',
        'faults', 'recovery, s: median, most';

    for my $kind (sort keys %Faults::Plan::KINDS) {
        my @times = sort { $a <=> $b } @{$self->{recovery}{$kind} || []};

        $text .= sprintf "%-18s %6d  %s\n", $kind, $injected->{$kind} // 0,
            @times ? sprintf '%.2f %.2f', $times[@times / 2], $times[-1]
                   : '-';
    }

    $text .= sprintf "\n%d requests, %d of them reads; changes: %s\n"
        . "violations: %d\n", $told->{requests} // 0, $told->{reads} // 0,
        join(', ', map { ($told->{$_} // 0) . " $_" }
             qw(acknowledged refused unknown unanswered)),
        scalar $self->violations;

    return $text;
}

1;
