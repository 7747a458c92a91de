package Iot::Nginx;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# An nginx that a test starts, signals and stops itself, in a directory and on
# a port of its own, and a small HTTP/1.1 client that can stop half-way.

use strict;
use warnings;

use File::Path qw(make_path);
use File::Temp;
use Iot qw(free_port wait_until);
use Iot::Child qw(die_with_parent);
use IO::Select;
use IO::Socket::INET;
use POSIX qw(WNOHANG);
use Time::HiRes qw(sleep time);

# a sanitizer or valgrind makes everything slower, never wrong
our $PATIENCE = $ENV{TEST_NGINX_USE_VALGRIND} ? 120 : 30;

my %running;


# start(http => TEXT, server => TEXT, main => TEXT, workers => N,
# listen => TEXT after the port, connections => N).  Dies when nginx does not
# start.

sub start {
    my ($class, %of) = @_;

    my $self = bless {
        root => File::Temp->newdir('iot-nginx-XXXXXX', TMPDIR => 1),
        port => free_port(),
        workers => $of{workers} || 1,
    }, $class;

    chmod 0755, "$self->{root}";
    make_path("$self->{root}/conf", "$self->{root}/logs");

    $self->configure(%of);

    return $self->launch;
}


# also after stop(), where and as it was

sub launch {
    my ($self) = @_;

    my $parent = $$;

    delete @$self{qw(exited status)};

    $self->{pid} = fork() // die "fork: $!";

    if ($self->{pid} == 0) {
        die_with_parent($parent);
        $self->run;
    }

    $running{$self->{pid}} = $$;

    wait_until(sub {
        $self->exited || slurp($self->path('logs/nginx.pid')) =~ /\d/
            && $self->workers == $self->{workers}
    }, $PATIENCE) or die "nginx did not start\n";

    die "nginx did not start: " . slurp($self->path('logs/stderr.log'))
        if $self->{exited};

    return $self;
}


sub run {
    my ($self) = @_;

    # a shell's background job inherits SIGQUIT ignored
    $SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT PIPE TERM CHLD);

    open STDIN, '<', '/dev/null';
    open STDOUT, '>', $self->path('logs/stderr.log');
    open STDERR, '>&', \*STDOUT;

    exec $self->command or POSIX::_exit(127);
}


sub command {
    my ($self) = @_;

    my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';
    my @command = -x $binary ? $binary : split ' ', $binary;

    if (my $options = $ENV{TEST_NGINX_USE_VALGRIND}) {
        $options = '--leak-check=full' if $options =~ /^\d+$/;
        unshift @command, 'valgrind', '-q', split ' ', $options;
    }

    return (@command, '-e', $self->path('logs/error.log'),
            '-p', "$self->{root}/", '-c', $self->path('conf/nginx.conf'));
}


# writes nginx.conf anew, for a reload

sub configure {
    my ($self, %of) = @_;

    my $root = "$self->{root}";
    my ($main, $http, $server) = map { expand($of{$_} // '') }
                                     qw(main http server);
    my $listen = $of{listen} // '';
    my $connections = $of{connections} || 512;
    my $user = $> == 0 ? 'user root;' : '';

    my $load = join '', map { "load_module $_;\n" }
                            split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '';

    my $env = join '', map { "env $_;\n" } qw(ASAN_OPTIONS UBSAN_OPTIONS
                  LSAN_OPTIONS LD_PRELOAD LLVM_PROFILE_FILE GCOV_PREFIX
                  IOT_ALLOC_FAULT);

    my $temp = join '', map { "${_}_temp_path $root/$_;\n" }
                            qw(client_body proxy fastcgi scgi uwsgi);

    open my $file, '>', "$root/conf/nginx.conf" or die "nginx.conf: $!";
    print $file <<"_EOC_";
$load
$env
$user
daemon off;
worker_processes $self->{workers};
error_log logs/error.log info;
pid logs/nginx.pid;
$main

events {
    accept_mutex off;
    worker_connections $connections;
}

http {
    access_log off;
    default_type text/plain;
    $temp
    $http

    server {
        listen 127.0.0.1:$self->{port} $listen;
        server_name localhost;
        $server
    }
}
_EOC_
    close $file;
}


sub expand {
    my ($text) = @_;

    $text =~ s/\$(TEST_NGINX_\w+)/$ENV{$1} \/\/ die "no $1"/ge;

    return $text;
}


sub port { return $_[0]{port} }
sub pid { return $_[0]{pid} }
sub path { return "$_[0]{root}/$_[1]" }
sub error_log { return slurp($_[0]->path('logs/error.log')) }


# pids of the worker processes, old ones that still end as well

sub workers {
    my ($self) = @_;

    my $children = slurp("/proc/$self->{pid}/task/$self->{pid}/children");

    # valgrind's processes keep its name; a master has no other children

    return grep { slurp("/proc/$_/cmdline") =~ /^nginx: worker|valgrind/ }
           split ' ', $children;
}

# in kilobytes, of all workers

sub memory {
    my ($self) = @_;

    my $sum = 0;

    for my $pid ($self->workers) {
        $sum += $1 if slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m;
    }

    return $sum;
}


sub signal {
    my ($self, $name) = @_;

    kill $name, $self->{pid};
}


# returns when a new generation of workers has taken over; old workers may
# still be there, with what they have in flight

sub reload {
    my ($self) = @_;

    my %old = map { $_ => 1 } $self->workers;

    $self->signal('HUP');

    return wait_until(sub {
        $self->{workers} == grep { !$old{$_} } $self->workers
    }, $PATIENCE);
}


# QUIT; returns what there is to complain of, '' when all is well

sub stop {
    my ($self, $signal) = @_;

    return '' unless $self->{pid};

    $self->signal($signal || 'QUIT');

    if (!wait_until(sub { $self->exited }, $PATIENCE)) {
        kill 'KILL', $self->workers, $self->{pid};
        waitpid $self->{pid}, 0;
        delete $running{$self->{pid}};
        $self->{pid} = 0;
        return 'nginx did not stop';
    }

    $self->{pid} = 0;

    return "nginx ended with status $self->{status}" if $self->{status};
    return join '', $self->complaints;
}


# what no run may leave in the error log

sub complaints {
    my ($self) = @_;

    return grep { /\[(?:alert|crit|emerg)\]|open socket|exited on signal/ }
           map { "$_\n" } split /\n/, $self->error_log;
}


sub exited {
    my ($self) = @_;

    return 1 if $self->{exited};
    return 0 if waitpid($self->{pid}, WNOHANG) == 0;

    $self->{status} = $?;
    $self->{exited} = 1;
    delete $running{$self->{pid}};

    return 1;
}


# ---- requests -------------------------------------------------------------

# request(METHOD, URI, BODY, HEADER => VALUE, ...): the answer, on a connection
# of its own.  The caller is alice unless Authorization says otherwise.

sub request {
    my ($self, @request) = @_;

    return read_answer($self->send_request(@request));
}


# a connection on which the request was sent, its answer not read

sub send_request {
    my ($self, @request) = @_;

    my $socket = $self->connection;

    print $socket text(@request);

    return $socket;
}


sub connection {
    my ($self) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
        PeerPort => $self->{port}) or die "connect: $!";

    $socket->autoflush(1);

    return $socket;
}


# the bytes of a request

sub text {
    my ($method, $uri, $body, %header) = @_;

    %header = (Host => 'localhost', Authorization => 'Bearer alice',
               Connection => 'close', %header);

    $header{'Content-Length'} //= length $body if defined $body;

    return "$method $uri HTTP/1.1\r\n"
        . join('', map { "$_: $header{$_}\r\n" } sort keys %header)
        . "\r\n" . ($body // '');
}


# reads one answer: { status, headers, body }; status 0: there was none, or not
# a whole one.  Keep-alive connections may be read again.

sub read_answer {
    my ($socket, $seconds) = @_;

    my $deadline = time() + ($seconds // $PATIENCE);
    my $bytes = ${*$socket}{iot_rest} // '';
    my $none = { status => 0, headers => {}, body => '' };

    my $more = sub {
        my $left = $deadline - time();

        return 0 if $left <= 0 || !IO::Select->new($socket)->can_read($left);
        return sysread $socket, $bytes, 65536, length $bytes;
    };

    while ($bytes !~ /\r\n\r\n/) {
        $more->() or return $none;
    }

    my ($head, $body) = split /\r\n\r\n/, $bytes, 2;
    my ($status_line, @lines) = split /\r\n/, $head;
    my %header = map { /^([^:]+):\s*(.*)/ ? (lc $1, $2) : () } @lines;

    my ($status) = $status_line =~ m{^HTTP/1\.[01] (\d+)} or return $none;
    my $length = $header{'content-length'} // 0;

    while (length $body < $length) {
        $bytes = $body;
        $more->() or return $none;
        $body = $bytes;
    }

    ${*$socket}{iot_rest} = substr $body, $length;

    return { status => $status, headers => \%header,
             body => substr($body, 0, $length) };
}


sub slurp {
    my ($name) = @_;

    local $/;
    open my $file, '<:raw', $name or return '';
    return scalar(<$file>) // '';
}


END {
    my $status = $?;

    # a child of fork() runs this too
    for my $pid (grep { $running{$_} == $$ } keys %running) {
        kill 'QUIT', $pid;

        if (!wait_until(sub { waitpid($pid, WNOHANG) != 0 }, 10)) {
            kill 'TERM', $pid;
            waitpid $pid, 0;
        }
    }

    $? = $status;
}

1;
