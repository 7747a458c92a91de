# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What bench/run and bench/profile share: a private Redis, the servers that
# are compared, requests for them, and how CPU time is read.  Everything is
# under one folder, listens on loopback only and ends with the program.

package Bench;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX qw(WNOHANG _exit);
use Time::HiRes qw(sleep time);

our $root = abs_path(dirname(abs_path(__FILE__)) . '/..');
our $bench = "$root/bench";

my $registry = 'bench';
my $caller = 'bench';
my $nginx = '/usr/sbin/nginx';
my $path = "/iot-devices/v1/registries/$registry/certificates";

# the programs that this one started and that are to end with it
my %children;

my $owner = $$;


sub new {
    my ($class, %options) = @_;
    my $self = bless { out => "$root/build/bench", %options }, $class;

    $self->{run} ||= "$self->{out}/run";

    remove_tree($self->{run});
    make_path($self->{run});

    return $self;
}


sub build {
    my ($self, @flags) = @_;

    system("$bench/build", $self->{out}, @flags) == 0
        or die "bench: the build failed\n";
}


# COUNT requests with certificates whose key is rsa or p256, made once

sub requests {
    my ($self, $key, $count) = @_;

    return $self->made("$key-$count.requests", "$key $count $path");
}


# the same as messages of gRPC

sub messages {
    my ($self, $count) = @_;

    return $self->made("rsa-$count.messages", "-g rsa $count $registry");
}


sub made {
    my ($self, $name, $arguments) = @_;
    my $file = "$self->{out}/$name";

    if (!-f $file || -M $file > -M "$self->{out}/certificates") {
        system("$self->{out}/certificates $arguments > $file.new") == 0
            or die "bench: no certificates\n";
        rename "$file.new", $file or die "bench: $file: $!\n";
    }

    return $file;
}


# COUNT requests for the first page of a list, of 100 certificates

sub list_requests {
    my ($self, $count) = @_;
    my $file = "$self->{run}/list.requests";
    my $request = "GET $path?pageSize=100 HTTP/1.1\r\nHost: bench\r\n"
                  . "Authorization: Bearer bench\r\n\r\n";

    open my $out, '>:raw', $file or die "bench: $file: $!\n";
    print $out pack('L/a*', $request) x $count;
    close $out or die "bench: $file: $!\n";

    return $file;
}


sub start {
    my ($name, $log, @command) = @_;

    my $pid = fork;
    die "bench: fork: $!\n" if !defined $pid;

    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $log or _exit(127);
        open STDERR, '>&', \*STDOUT;
        exec @command or _exit(127);
    }

    $children{$pid} = $name;

    return $pid;
}


# the exit status of a program that ends by itself

sub wait_pid {
    my ($pid) = @_;

    waitpid $pid, 0;
    delete $children{$pid};

    return $?;
}


sub stop {
    my ($pid, $signal) = @_;

    delete $children{$pid};
    kill $signal || 'TERM', $pid;
    waitpid $pid, 0;
}


END {
    if ($$ == $owner) {
        my $status = $?;
        stop($_) for keys %children;
        $? = $status;
    }
}

$SIG{$_} = sub { exit 1 } for qw(HUP INT TERM);


# waits until the condition holds

sub wait_for {
    my ($what, $condition) = @_;
    my $end = time + 10;

    until ($condition->()) {
        die "bench: $what does not come up\n" if time > $end;

        for my $pid (keys %children) {
            die "bench: $children{$pid} ended\n"
                if waitpid($pid, WNOHANG) == $pid && delete $children{$pid};
        }

        sleep 0.02;
    }
}


sub free_port {
    my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 1)
        or die "bench: no port: $!\n";

    return $socket->sockport;
}


# Redis without any persistence, on a socket of the file system

sub start_redis {
    my ($self) = @_;
    my $dir = "$self->{run}/redis";
    my $socket = "$dir/socket";

    make_path($dir);

    $self->{redis} = { socket => $socket };
    $self->{redis}{pid} = start('redis-server', "$dir/log", 'redis-server',
        '--port', 0, '--unixsocket', $socket, '--dir', $dir,
        '--save', '', '--appendonly', 'no');

    wait_for('redis-server', sub {
        $self->{redis}{link} = IO::Socket::UNIX->new(Peer => $socket);
    });
}


# an inline command; the reply as text

sub redis {
    my ($self, $command) = @_;
    my $link = $self->{redis}{link};

    print $link "$command\r\n";

    my $line = readline $link;
    die "bench: Redis: $command: $line" if $line =~ /^-/;

    return $line =~ s/^[:+]|\r\n//gr if $line !~ /^\$(\d+)/;

    read $link, my $text, $1 + 2;

    return $text;
}


# bytes that came to Redis and left it

sub redis_bytes {
    my ($self) = @_;
    my $info = $self->redis('INFO stats');

    return map { $info =~ /^total_net_${_}_bytes:(\d+)/m } qw(input output);
}


# The servers that are compared.  Each is a hash with a name, a port and the
# pid whose CPU time counts, and answers the same requests in the same bytes.

sub start_gateway {
    my ($self) = @_;
    my $import = $self->{import} ? 'iot_import on; client_max_body_size 0;'
                                 : '';

    my $grpc = free_port();
    my $server = $self->start_nginx('gateway',
        $self->store_conf('gateway', 'ngx_http_iot_module.so'), <<"END");
    map \$http_authorization \$bench_caller {
        "Bearer bench"  $caller;
    }

    iot_caller \$bench_caller;
    iot_registries open;

    server {
        listen 127.0.0.1:PORT;

        location /iot-devices/ {
            iot_api main;
            $import
        }

        location /operations/ {
            iot_operations main;
        }
    }

    server {
        listen 127.0.0.1:$grpc http2;

        location / {
            iot_grpc main;
        }
    }
END
    $server->{grpc} = { %$server, port => $grpc };

    return $server;
}


sub start_floor {
    my ($self) = @_;

    my $server = $self->start_nginx('floor',
        $self->store_conf('floor', 'ngx_http_bench_floor_module.so'),
        <<"END");
    server {
        listen 127.0.0.1:PORT;

        location /iot-devices/ {
            bench_floor_add main $registry $caller;
        }

        location /operations/ {
            bench_floor_get main $registry $caller;
        }
    }
END
    $server->{title} = 'floor';

    return $server;
}


sub store_conf {
    my ($self, $name, $so) = @_;
    my $store = $self->{store} || "server unix:$self->{redis}{socket};";

    return <<"END";
load_module $self->{out}/$name/$so;

iot_store main {
    $store
}
END
}


# main and http: what its configuration has at these levels

sub start_nginx {
    my ($self, $name, $main, $http) = @_;
    my $dir = "$self->{run}/$name";
    my $port = free_port();
    my $user = $> == 0 ? 'user root;' : '';

    $http =~ s/PORT/$port/;
    make_path("$dir/temp");

    # the limits of bodies as in conf/nginx.conf

    open my $conf, '>', "$dir/nginx.conf" or die "bench: $dir: $!\n";
    print $conf <<"END";
$main

$user
daemon off;
worker_processes 1;
error_log $dir/error.log warn;
pid $dir/nginx.pid;

events {
    worker_connections 2048;
}

http {
    access_log off;

    client_body_temp_path temp/body;
    proxy_temp_path temp/proxy;
    fastcgi_temp_path temp/fastcgi;
    uwsgi_temp_path temp/uwsgi;
    scgi_temp_path temp/scgi;

    client_max_body_size 128k;
    client_header_buffer_size  4k;
    client_body_buffer_size 128k;
    keepalive_requests 1000000;

$http
}
END
    close $conf or die "bench: $dir: $!\n";

    my $pid = start($name, "$dir/log", $nginx, '-p', "$dir/",
                    '-e', "$dir/error.log", '-c', "$dir/nginx.conf");

    my $server = { name => $name, port => $port, master => $pid };

    wait_for($name, sub {
        $server->{pid} = read_file("/proc/$pid/task/$pid/children")
            =~ /^(\d+) $/ ? $1 : return 0;

        return answers($port);
    });

    return $server;
}


# whether it has its link to Redis: any answer is good that is not 503

sub answers {
    my ($port) = @_;
    my $link = IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                                     PeerPort => $port) or return 0;

    print $link "GET /operations/00000000000000000000 HTTP/1.0\r\n",
                "Authorization: Bearer bench\r\n\r\n";

    return (readline $link || '503') !~ /503/;
}


# Sends requests; what load says of them, as a hash.

sub load {
    my ($self, $server, %load) = @_;
    my @options = $load{operations} ? ('-o', $load{operations}) : ();

    push @options, '-d', $load{deletes} if $load{deletes};
    push @options, '-g', $load{rpc} if $load{rpc};

    open my $out, '-|', "$self->{out}/load", @options, $server->{port},
        $load{connections}, $load{count}, $load{requests}
        or die "bench: load: $!\n";

    my %said = split ' ', readline($out) || '';

    close $out or die "bench: load failed against $server->{name}\n";

    return \%said;
}


# The same, and CPU time of server and Redis, microseconds per request.

sub measure {
    my ($self, $server, %load) = @_;
    my $redis = $self->{redis}{pid};

    my @before = (cpu($server->{pid}), cpu($redis), $self->redis_bytes);
    my $said = $self->load($server, %load);

    # what the end of the connections costs is in both
    sleep 0.1;

    my @after = (cpu($server->{pid}), cpu($redis), $self->redis_bytes);
    my @each = map { ($after[$_] - $before[$_]) / $load{count} } 0 .. 3;

    @$said{qw(cpu redis_cpu redis_in redis_out)} = @each;

    return $said;
}


# The same, and the system calls of the worker per request, as a hash with the
# total: counted by the kernel, or else by strace, which slows the worker down
# and so makes it find more ready at once; empty where there is neither.
# COUNT=strace in the environment asks for strace.

my @calls = qw(epoll_wait recvfrom recv read readv write writev sendto sendmsg
               ioctl setsockopt epoll_ctl getpid getrandom
               clock_gettime gettimeofday);

sub call_counter {
    return 'perf' if ($ENV{COUNT} || 'perf') eq 'perf'
        && system('perf stat -e raw_syscalls:sys_enter true'
                  . ' > /dev/null 2>&1') == 0;

    return system('strace -V > /dev/null 2>&1') == 0 ? 'strace' : '';
}


sub count_calls {
    my ($self, $server, %load) = @_;
    my $counter = call_counter();
    my $log = "$self->{run}/calls";

    my @command = $counter eq 'perf'
        ? ('perf', 'stat', '-x,', '-o', $log, '-p', $server->{pid},
           '-e', join ',', 'raw_syscalls:sys_enter',
           map { "syscalls:sys_enter_$_" } grep {
               -d "/sys/kernel/tracing/events/syscalls/sys_enter_$_" } @calls)
        : ('strace', '-f', '-c', '-o', $log, '-p', $server->{pid});

    return {} if !$counter;

    my $pid = start($command[0], "$log.log", @command);
    sleep 1;

    $self->load($server, %load);
    stop($pid, 'INT');

    my %count;

    for (split /\n/, read_file($log)) {
        if ($counter eq 'perf') {
            /^(\d+),.*?sys_enter_?(\w*),/ and $count{ $2 || 'total' } = $1;

        } else {
            my @field = split;
            next if @field < 5 || $field[3] !~ /^\d+$/;
            $count{ $field[-1] } = $field[3];
        }
    }

    return { map { $_ => $count{$_} / $load{count} } keys %count };
}


# The same as text.

sub calls {
    my ($self, @load) = @_;

    return calls_text($self->count_calls(@load));
}


# the medians of several counts

sub calls_text {
    my (@rounds) = @_;
    my %each;

    for my $name (map { keys %$_ } @rounds) {
        $each{$name} = median(map { $_->{$name} || 0 } @rounds);
    }

    return '' if !%each;

    my $total = delete $each{total};

    return sprintf '%7.2f  %s (%s)', $total,
        join(', ', map { sprintf '%s %.2f', $_, $each{$_} }
             sort { $each{$b} <=> $each{$a} }
             grep { $each{$_} >= 0.005 } keys %each), call_counter();
}


# CPU time of all threads of a process, microseconds: as the scheduler counts
# it, or else in ticks of 10 ms.

sub cpu {
    my ($pid) = @_;
    my $sum = 0;

    for my $task (glob "/proc/$pid/task/*") {
        if (-r "$task/schedstat") {
            $sum += (split ' ', read_file("$task/schedstat"))[0] / 1e3;

        } else {
            my $stat = read_file("$task/stat") =~ s/.*\)//r;
            my ($user, $system) = (split ' ', $stat)[11, 12];

            $sum += ($user + $system) * 1e6 / POSIX::sysconf(
                                                  POSIX::_SC_CLK_TCK());
        }
    }

    return $sum;
}


# what it was measured on, in words

sub machine {
    my ($model) = read_file('/proc/cpuinfo') =~ /^model name\s*: (.*)/m;
    my ($memory) = read_file('/proc/meminfo') =~ /^MemTotal:\s+(\d+)/;
    my ($system) = read_file('/etc/os-release') =~ /^PRETTY_NAME="(.*)"/m;
    my $cores = () = read_file('/proc/cpuinfo') =~ /^processor\s*:/mg;

    return sprintf '%d cores of %s, %.0f GB, %s', $cores,
        $model || 'an unknown model', $memory / 1e6, $system || $^O;
}


sub median {
    my @sorted = sort { $a <=> $b } @_;

    return ($sorted[$#sorted / 2] + $sorted[@sorted / 2]) / 2;
}


sub read_file {
    my ($file) = @_;

    open my $in, '<', $file or return '';
    local $/;

    my $text = <$in>;

    return defined $text ? $text : '';
}


1;
