# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Processes for t/redis_*.t: nginx, Redis, and servers that only look
# like Redis. All of them are children of the test, have their files in one
# temporary directory, listen on ports that were free, and are gone with it.

package RedisLab;

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA;
use Exporter qw(import);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use IO::Socket::IP;
use POSIX qw(WNOHANG);
use Socket ();
use Time::HiRes qw(sleep time);

use lib dirname(abs_path(__FILE__)) . '/../../support';
use Iot::Child qw(die_with_parent);

our @EXPORT = qw(lab_dir free_port wait_for slurp http_start http_send
    http_finish http_get);

# how much slower than usual nginx is
our $SLOW = $ENV{TEST_NGINX_USE_VALGRIND} ? 5 : 1;

# patience: how long something may take that takes no time on an idle machine
our $PATIENCE = $ENV{TEST_NGINX_PATIENCE} || 20 * $SLOW;

my $dir = tempdir('ngx-iot-redis-XXXXXX', TMPDIR => 1,
    CLEANUP => !$ENV{TEST_NGINX_KEEP});
my $owner = $$;
my %children;

sub lab_dir { $dir }

# Not one of those that the kernel gives to clients: such a port may be taken
# by a connection before a server listens on it, nor is the one 10000 above,
# where a server of a cluster has its bus.  None is given twice.
my %given;

sub free_port {
    for (1 .. 1000) {
        my $port = 11000 + int rand 11000;
        my $socket = IO::Socket::INET->new(Listen => 1, ReuseAddr => 1,
            LocalAddr => '127.0.0.1', LocalPort => $port);
        return $port if $socket && !$given{$port}++;
    }

    die "no free port: $!";
}

# polls; true as soon as the condition is
sub wait_for {
    my ($condition, $patience) = @_;
    my $end = time + ($patience || $PATIENCE);

    while (1) {
        my $value = eval { $condition->() };
        return $value if $value;
        return 0 if time > $end;
        sleep 0.01;
    }
}

sub slurp {
    my ($file) = @_;
    open my $fh, '<', $file or return '';
    local $/;
    my $text = <$fh>;
    return defined $text ? $text : '';
}

# a child that ends with its parent, and for which nobody waits
sub fork_child {
    my $parent = $$;

    $SIG{CHLD} = 'IGNORE';

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    die_with_parent($parent, POSIX::SIGKILL()) if !$pid;
    return $pid;
}

sub spawn {
    my ($output, @command) = @_;
    my $code = ref $command[0] eq 'CODE' ? $command[0] : undef;
    my $parent = $$;

    my $pid = fork;
    die "fork: $!" if !defined $pid;

    if (!$pid) {
        # nginx has workers to stop; a Redis may be stopped by a signal
        die_with_parent($parent, $code || $command[0] eq 'redis-server'
            ? POSIX::SIGKILL() : POSIX::SIGTERM());

        $SIG{$_} = 'DEFAULT' for qw(QUIT INT TERM HUP CHLD PIPE);
        open STDIN, '<', '/dev/null';
        open STDOUT, '>>', $output;
        open STDERR, '>&', \*STDOUT;

        if ($code) {
            eval { $code->() };
            print STDERR $@ if $@;
            POSIX::_exit(0);
        }

        exec @command or POSIX::_exit(127);
    }

    $children{$pid} = 1;
    return $pid;
}

# the exit status, or undef if it is still running
sub reap {
    my ($pid, $patience) = @_;
    my $end = time + (defined $patience ? $patience : $PATIENCE);

    while (1) {
        if (waitpid($pid, WNOHANG) == $pid) {
            delete $children{$pid};
            return $?;
        }

        return undef if time > $end;
        sleep 0.01;
    }
}

sub finish {
    my ($pid, $signal) = @_;
    return if !$children{$pid};

    $signal ||= 'TERM';

    kill $signal => $pid;
    kill CONT => $pid if $signal ne 'KILL';
    return if defined reap($pid, 5);

    kill KILL => $pid;
    reap($pid);
}

# all that are still there
sub stop_all { finish($_, 'KILL') for keys %children }

END {
    if ($$ == $owner) {
        my $status = $?;
        stop_all();
        $? = $status;
    }
}


# HTTP: one request on one connection

sub http_start {
    my ($port, $uri) = @_;

    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port")
        or die "connect to nginx: $!";
    http_send($socket, $uri);
    return $socket;
}

sub http_send {
    my ($socket, $uri) = @_;
    $socket->syswrite("GET $uri HTTP/1.1\r\nHost: localhost\r\n"
        . "Connection: close\r\n\r\n");
}

# the status and the body; (0, '') if there was none in time
sub http_finish {
    my ($socket, $patience) = @_;
    my $select = IO::Select->new($socket);
    my $end = time + ($patience || $PATIENCE);
    my $text = '';

    while (time < $end && $select->can_read($end - time)) {
        my $n = sysread $socket, $text, 65536, length $text;

        if (!$n) {
            return ($1, $2) if $text =~ m{^HTTP/1\.1 (\d+).*?\r\n\r\n(.*)}s;
            last;
        }
    }

    return (0, '');
}

sub http_get {
    my ($status, $body) = http_finish(http_start(@_));
    return $status == 200 ? $body : "status $status";
}


package RedisLab::Redis;

use Time::HiRes qw(sleep);

my $count = 0;

sub new {
    my ($class, @options) = @_;
    my $name = 'redis' . ++$count;
    my $self = bless {
        host => '127.0.0.1',
        port => RedisLab::free_port(),
        dir => RedisLab::lab_dir() . "/$name",
        options => \@options
    }, $class;

    $self->{unix} = "$self->{dir}/socket";
    File::Path::make_path($self->{dir});
    return $self;
}

# a port for TLS beside the one that commands of the test use
sub tls {
    my ($self, $cert, @options) = @_;

    $self->{tls_port} = RedisLab::free_port();
    push @{$self->{options}}, '--tls-port', $self->{tls_port},
        '--tls-cert-file', "$cert.pem", '--tls-key-file', "$cert.key",
        '--tls-auth-clients', 'no', @options;
    return $self;
}

sub start {
    my ($self, @options) = @_;
    my $host = $self->{host};

    $self->{pid} = RedisLab::spawn("$self->{dir}/log", 'redis-server',
        $self->{config} ? $self->{config} : (),
        '--port', $self->{port}, '--bind', $host,
        '--unixsocket', $self->{unix}, '--dir', $self->{dir},
        '--save', '', '--daemonize', 'no', @{$self->{options}}, @options);

    RedisLab::wait_for(sub { defined $self->command('PING') })
        or die "redis does not start: " . RedisLab::slurp("$self->{dir}/log");
    return $self;
}

sub signal { kill $_[1], $_[0]{pid} }

sub stop {
    my ($self, $signal) = @_;
    RedisLab::finish(delete $self->{pid}, $signal || 'KILL')
        if $self->{pid};
}

# one command on a connection of its own, with the password $self->{password}
# if there is one; undef: none was answered
sub command {
    my ($self, @argv) = @_;
    my $socket = IO::Socket::IP->new(PeerHost => $self->{host},
        PeerPort => $self->{port}) or return undef;

    if (defined $self->{password}) {
        write_command($socket, 'AUTH', $self->{password});
        read_reply($socket);
    }

    write_command($socket, @argv);
    return read_reply($socket);
}

sub write_command {
    my ($socket, @argv) = @_;
    $socket->print('*' . @argv . "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @argv);
    $socket->flush;
}

sub read_reply {
    my ($socket) = @_;
    my $line = <$socket>;
    return undef if !defined $line;

    my ($type, $rest) = $line =~ /^(.)(.*)\r\n$/ or return undef;

    return $rest if $type =~ /[+:]/;
    return "-$rest" if $type eq '-';
    return 'nil' if $rest < 0;

    if ($type eq '$') {
        read $socket, my $data, $rest + 2;
        return substr $data, 0, $rest;
    }

    return [map { read_reply($socket) } 1 .. $rest];
}

sub info {
    my ($self, $field) = @_;
    my $info = $self->command('INFO', 'everything');
    return $info =~ /^\Q$field\E:([^\r]*)/m ? $1 : undef;
}

# the connections of nginx workers
sub links {
    my ($self) = @_;
    my $list = $self->command('CLIENT', 'LIST');
    return grep { /name=ngx-iot-\d+ / } split /\n/, $list;
}


# A server that answers the greeting as Redis does and then does as it is told.
# Its code is called for each connection, with the socket and its number: one
# after another, or with concurrent => 1 each in a process of its own.

package RedisLab::Fake;

use IO::Socket::INET;

sub new {
    my ($class, $code, %how) = @_;
    my $self = bless { port => RedisLab::free_port() }, $class;

    my $listen = IO::Socket::INET->new(Listen => 16, ReuseAddr => 1,
        LocalAddr => "127.0.0.1:$self->{port}") or die "listen: $!";

    $self->{log} = RedisLab::lab_dir() . "/fake$self->{port}";

    $self->{pid} = RedisLab::spawn($self->{log}, sub {
        $SIG{PIPE} = 'IGNORE';
        $| = 1;

        for (my $n = 1; my $socket = $listen->accept; $n++) {
            print "connection $n\n";
            next if $how{concurrent} && RedisLab::fork_child();

            eval { $code->($socket, $n) };
            print "connection $n ended $@\n";
            close $socket;

            # the next connection is the parent's
            last if $how{concurrent};
        }
    });

    close $listen;
    return $self;
}

sub connections {
    my ($self) = @_;
    my $log = RedisLab::slurp($self->{log});
    return scalar(() = $log =~ /^connection \d+$/mg);
}

sub stop { RedisLab::finish($_[0]{pid}, 'KILL') }

# the arguments of the next command, none at the end
sub read_command {
    my ($socket) = @_;
    my $reply = RedisLab::Redis::read_reply($socket);
    return ref $reply ? @$reply : ();
}

sub sha1_hex { Digest::SHA::sha1_hex(@_) }
sub bulk { map { '$' . length($_) . "\r\n$_\r\n" } @_ }

# answers HELLO and every SCRIPT LOAD, the latter with that reply if there is
# one; returns the first other command
sub greet {
    my ($socket, $loaded) = @_;

    while (my @argv = read_command($socket)) {

        if ($argv[0] eq 'HELLO') {
            say_all($socket, "*4\r\n", bulk('mode', 'standalone'),
                bulk('role', 'master'));

        } elsif ($argv[0] eq 'SCRIPT') {
            say_all($socket, $loaded || bulk(sha1_hex($argv[2])));

        } else {
            return @argv;
        }
    }

    return ();
}

# the same, but nothing more is read
sub greet_only {
    my ($socket) = @_;
    local $SIG{ALRM} = sub { die "no more\n" };
    eval {
        Time::HiRes::ualarm(100_000);
        greet($socket);
    };
    Time::HiRes::ualarm(0);
}

sub say_all {
    my ($socket, @text) = @_;
    my $text = join '', @text;

    while (length $text) {
        my $n = syswrite $socket, $text;
        die "gone\n" if !defined $n;
        substr $text, 0, $n, '';
    }
}


# A name server: all names stand for the addresses that it was told last, but
# for names of which it was told apart; for none of them with '', and with
# undef it says nothing.  It counts questions, of all names or of one.

package RedisLab::Dns;

use IO::Socket::INET;

sub new {
    my ($class, @addresses) = @_;
    my $self = bless { port => RedisLab::free_port() }, $class;

    my $socket = IO::Socket::INET->new(Proto => 'udp',
        LocalAddr => "127.0.0.1:$self->{port}") or die "dns: $!";

    $self->{file} = RedisLab::lab_dir() . "/dns$self->{port}";
    $self->says(@addresses);

    $self->{pid} = RedisLab::spawn("$self->{file}.log", sub {
        $| = 1;

        while (my $peer = $socket->recv(my $query, 512)) {
            my $name = name($query);
            print "query $name\n";
            my ($file) = grep { -e } "$self->{file}.$name", $self->{file};
            my $told = RedisLab::slurp($file);
            next if $told eq 'nothing';
            $socket->send(reply($query, split ' ', $told), 0, $peer);
        }
    });

    return $self;
}

sub says {
    my ($self, @addresses) = @_;
    write_file($self->{file}, @addresses);
}

sub says_of {
    my ($self, $name, @addresses) = @_;
    write_file("$self->{file}.$name", @addresses);
}

sub write_file {
    my ($file, @addresses) = @_;
    open my $fh, '>', "$file.new" or die "dns: $!";
    print $fh defined $addresses[0] ? "@addresses" : 'nothing';
    close $fh;
    rename "$file.new", $file;
}

sub queries {
    my ($self, $name) = @_;
    $name = defined $name ? quotemeta $name : '.*';
    return scalar(() = RedisLab::slurp("$self->{file}.log")
                       =~ /^query $name$/mg);
}

# that is asked for
sub name {
    my ($query) = @_;
    my ($name) = substr($query, 12) =~ /^([^\0]*)/;
    return join '.', unpack '(C/a)*', $name;
}

# of IPv4 addresses; the question is repeated, answers name it by its place
sub reply {
    my ($query, @addresses) = @_;
    my ($question) = substr($query, 12) =~ /^([^\0]*\0.{4})/s;

    return substr($query, 0, 2)
        . pack('n5', @addresses ? 0x8180 : 0x8183, 1, scalar @addresses, 0, 0)
        . $question
        . join '', map { pack 'n3Nn/a', 0xc00c, 1, 1, 0,
            Socket::inet_aton($_) } @addresses;
}


package RedisLab::Nginx;

use Time::HiRes qw(sleep);

my $servers = 0;

sub binary { $ENV{TEST_NGINX_BINARY} || 'nginx' }

sub valgrind {
    my $options = $ENV{TEST_NGINX_USE_VALGRIND} or return ();
    return ('valgrind', '-q', $options eq '1' ? () : split ' ', $options);
}

# parts of the configuration: main, http, server; workers
sub new {
    my ($class, %part) = @_;
    my $name = 'nginx' . ++$servers;
    my $self = bless {
        port => RedisLab::free_port(),
        dir => RedisLab::lab_dir() . "/$name",
        workers => 1,
        level => 'info',
        main => '', http => '', server => '',
        %part
    }, $class;

    File::Path::make_path("$self->{dir}/logs");
    $self->{conf} = "$self->{dir}/nginx.conf";
    $self->{log} = "$self->{dir}/error.log";
    $self->write_conf;
    return $self;
}

sub write_conf {
    my ($self, %part) = @_;
    %$self = (%$self, %part);

    my $load = $ENV{TEST_NGINX_REDIS_MODULE}
        ? "load_module $ENV{TEST_NGINX_REDIS_MODULE};" : '';
    my $user = $> == 0 ? 'user root;' : '';
    my $use = $ENV{TEST_NGINX_EVENT_TYPE}
        ? "use $ENV{TEST_NGINX_EVENT_TYPE};" : '';
    my $temp = join "\n    ", map { "${_}_temp_path $self->{dir}/$_;" }
        qw(client_body proxy fastcgi uwsgi scgi);

    open my $fh, '>', $self->{conf} or die "$self->{conf}: $!";
    print $fh <<"CONF";
$load
$user
daemon off;
worker_processes $self->{workers};
pid $self->{dir}/pid;
error_log $self->{log} $self->{level};

$self->{main}

events {
    worker_connections 1024;
    $use
}

http {
    access_log off;
    $temp

    $self->{http}

    server {
        listen 127.0.0.1:$self->{port};

        $self->{server}

        location = /ping {
            return 200 "pong\\n";
        }
    }
}
CONF
    close $fh;
}

# what nginx -t says
sub test {
    my ($self) = @_;
    my $binary = binary();
    return scalar `$binary -t -e $self->{log} -c $self->{conf} 2>&1`;
}

sub start {
    my ($self) = @_;

    $self->{pid} = RedisLab::spawn("$self->{dir}/out", valgrind(), binary(),
        '-e', $self->{log}, '-p', "$self->{dir}/", '-c', $self->{conf});

    RedisLab::wait_for(sub { $self->ping })
        or die "nginx does not start: " . RedisLab::slurp($self->{log});
    return $self;
}

sub get { RedisLab::http_get($_[0]{port}, $_[1]) }
sub ping { $_[0]->get('/ping') eq "pong\n" }
sub begin { RedisLab::http_start($_[0]{port}, $_[1]) }

# all that came before it was handled, if there is one worker
sub settle { $_[0]->ping && $_[0]->ping }

sub log { RedisLab::slurp($_[0]{log}) }

sub log_count {
    my ($self, $pattern) = @_;
    return scalar(() = $self->log =~ /$pattern/mg);
}

sub workers {
    my ($self) = @_;
    my $pid = $self->{pid};
    return split ' ', RedisLab::slurp("/proc/$pid/task/$pid/children");
}

sub rss {
    my ($self) = @_;
    my ($worker) = $self->workers;
    return RedisLab::slurp("/proc/$worker/status") =~ /^VmRSS:\s+(\d+)/m
        ? $1 : 0;
}

# returns when the old workers are gone
sub reload {
    my ($self) = @_;
    my %old = map { $_ => 1 } $self->workers;

    kill HUP => $self->{pid};

    return RedisLab::wait_for(sub {
        my @now = $self->workers;
        return @now == $self->{workers} && !grep { $old{$_} } @now;
    });
}

# the exit status; undef: it did not exit in time
sub quit {
    my ($self, $patience) = @_;
    kill QUIT => $self->{pid};
    return RedisLab::reap($self->{pid}, $patience);
}

# what should not be in a log, ever
sub complaints {
    my ($self) = @_;
    return grep { /\[(alert|crit|emerg)\]|Sanitizer|runtime error/ }
        split /^/, $self->log . RedisLab::slurp("$self->{dir}/out");
}


1;
