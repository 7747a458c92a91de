package Iot;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What the server tests share: a private Redis, certificates, requests and the
# configuration around them.  It stands beside t/lib, not in it, so that the
# same .t files run under the CPAN Test::Nginx::Socket and under ours.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use POSIX ();
use Time::HiRes qw(sleep time);

use base 'Exporter';
our @EXPORT = qw(
    redis redis_address redis_start redis_stop create_registry
    certificate private_key json body add_certificate read_json
    http_config wait_until free_port
);

my $owner = $$;
my $dir = File::Temp->newdir('iot-test-XXXXXX', TMPDIR => 1);
my $redis_pid;
my %cache;

# workers may run as another user; the socket and the directory let them in
chmod 0755, "$dir";


# ---- Redis ----------------------------------------------------------------

# One private server per test file, on a unix socket in its own directory.

sub redis_address { return "unix:$dir/redis.sock" }

sub redis_start {
    my (@options) = @_;

    return if $redis_pid;

    $redis_pid = fork() // die "fork: $!";

    if ($redis_pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/redis.log";
        open STDERR, '>&', \*STDOUT;
        exec 'redis-server', '--port', 0, '--unixsocket', "$dir/redis.sock",
            '--unixsocketperm', 777, '--dir', "$dir", '--save', '',
            '--daemonize', 'no', @options
            or POSIX::_exit(127);
    }

    wait_until(sub { eval { redis('PING') eq 'PONG' } })
        or die "redis-server did not start, see $dir/redis.log";

    $ENV{TEST_NGINX_REDIS} = redis_address();
}

sub redis_stop {
    my ($signal) = @_;

    return unless $redis_pid;

    kill $signal || 'TERM', $redis_pid;
    waitpid $redis_pid, 0;
    undef $redis_pid;
}

# One command, binary safe; dies with the text of an error reply.

sub redis {
    my (@argv) = @_;

    my $socket = IO::Socket::UNIX->new(Peer => "$dir/redis.sock")
        or die "redis: $!";

    print $socket '*' . @argv . "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @argv;

    return redis_reply($socket);
}

sub redis_reply {
    my ($socket) = @_;

    my $line = <$socket> // die "redis: connection closed";
    $line =~ s/\r\n\z//;

    my $type = substr $line, 0, 1, '';

    die "redis: $line\n" if $type eq '-';
    return $line if $type eq '+' or $type eq ':';
    return undef if $line < 0;

    if ($type eq '$') {
        read $socket, my $bulk, $line + 2;
        return substr $bulk, 0, $line;
    }

    return [ map { redis_reply($socket) } 1 .. $line ];
}

# with the command that users have

sub create_registry {
    my ($id, @options) = @_;

    my $command = abs_path(__FILE__) =~ s{t/support/Iot\.pm\z}{}r
        . 'conf/create-registry';

    system("$command @options $id -- -s $dir/redis.sock > /dev/null") == 0
        or die "$command $id failed";
}

# ---- certificates ---------------------------------------------------------

# A self-signed certificate in PEM.  key: "rsa:2048" (default), "ec:P-256",
# "ed25519" …; days; extra: further arguments of openssl req.  The same
# arguments give the same certificate within one test file.

sub certificate {
    my (%of) = (key => 'ec:P-256', name => 'localhost', days => 365, @_);

    return make(\%of)->{certificate};
}

sub private_key {
    my (%of) = (key => 'ec:P-256', name => 'localhost', days => 365, @_);

    return make(\%of)->{key};
}

sub make {
    my ($of) = @_;

    my $id = join ' ', map { "$_=" . (ref $of->{$_} ? "@{$of->{$_}}"
                                                    : $of->{$_}) }
        sort keys %$of;

    return $cache{$id} if $cache{$id};

    my @key = $of->{key} =~ /^rsa:(\d+)/ ? ('-newkey', "rsa:$1")
        : $of->{key} =~ /^ec:(.+)/
            ? ('-newkey', 'ec', '-pkeyopt', "ec_paramgen_curve:$1")
        : ('-newkey', $of->{key});

    my $name = "$dir/" . keys %cache;

    my @command = ('openssl', 'req', '-x509', '-nodes', @key, '-subj',
        "/CN=$of->{name}", '-days', $of->{days}, '-keyout', "$name.key",
        '-out', "$name.pem", @{ $of->{extra} || [] });

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$name.log";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    die "openssl req failed, see $name.log" if $?;

    return $cache{$id} = { certificate => slurp("$name.pem"),
                           key => slurp("$name.key") };
}

sub slurp {
    my ($name) = @_;

    local $/;
    open my $file, '<:raw', $name or die "$name: $!";
    return scalar <$file>;
}

# ---- requests -------------------------------------------------------------

sub json { return JSON::PP->new->canonical->encode($_[0]) }

sub body { return json({ certificateData => $_[0] }) }

# a request section: add_certificate('fleet', $pem)

sub add_certificate {
    my ($registry, $pem) = @_;

    return "POST /iot-devices/v1/registries/$registry/certificates\n"
        . body($pem);
}

# for response_body_filters: JSON with sorted keys, one member a line, so that
# an expectation in a test reads well

sub read_json {
    my ($text) = @_;

    my $value = eval { decode_json($text) };
    return "not JSON: $text" unless defined $value;

    return JSON::PP->new->canonical->pretty->indent_length(2)
        ->space_before(0)->encode($value);
}

# ---- nginx ----------------------------------------------------------------

# http_config of a gateway whose callers are their bearer tokens; more goes
# into the http block after it

sub http_config {
    my ($more) = @_;

    return <<'_EOC_' . ($more // '');
    iot_store main {
        server $TEST_NGINX_REDIS;
    }

    map $http_authorization $token {
        default "";
        "Bearer alice" alice;
        "Bearer bob" bob;
    }

    iot_caller $token;
_EOC_
}

# ---- waiting --------------------------------------------------------------

# polls until the condition holds; false when it did not within the seconds

sub wait_until {
    my ($condition, $seconds) = @_;

    my $deadline = time() + ($seconds // 10);

    while (time() < $deadline) {
        return 1 if $condition->();
        sleep 0.01;
    }

    return 0;
}

sub free_port {
    my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1',
        LocalPort => 0) or die "no free port: $!";

    return $socket->sockport;
}

END {
    # a child of fork() runs this too
    if ($$ == $owner) {
        my $status = $?;
        redis_stop();
        $? = $status;
    }
}

1;
