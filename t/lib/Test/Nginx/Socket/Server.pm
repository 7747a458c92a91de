# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# The nginx under test: its server root, its nginx.conf, its process.  nginx
# runs in the foreground as our own child, so that it can be waited for and
# its exit status, a sanitizer's verdict for instance, is seen.

package Test::Nginx::Socket::Server;

use strict;
use warnings;

use File::Path qw(make_path remove_tree);
use File::Temp ();
use IO::Socket::INET;
use POSIX qw(:sys_wait_h mktime);
use Time::HiRes qw(time sleep);

use constant POLL => 0.002;

# inherited by nginx and, as nginx clears its environment, kept by it

my @kept_env = qw(
    LD_PRELOAD LD_LIBRARY_PATH DYLD_INSERT_LIBRARIES DYLD_FORCE_FLAT_NAMESPACE
    ASAN_OPTIONS UBSAN_OPTIONS LSAN_OPTIONS TSAN_OPTIONS ASAN_SYMBOLIZER_PATH
    LLVM_PROFILE_FILE GCOV_PREFIX GCOV_PREFIX_STRIP
    MOCKEAGAIN MOCKEAGAIN_VERBOSE MOCKEAGAIN_WRITE_TIMEOUT_PATTERN
    MOCKNOEAGAIN MOCKNOEAGAIN_VERBOSE
);


sub new {
    my ($class, %args) = @_;
    my $self = bless { %args }, $class;

    if (!defined $self->{root}) {
        # workers may run as somebody else than we do
        $self->{private} = $self->{root} =
            File::Temp::tempdir('test-nginx-XXXXXX', TMPDIR => 1);
        chmod 0755, $self->{root};

    } elsif (-e $self->{root} && !_ours($self->{root})) {
        die "$self->{root} exists and is no server root of this harness\n";
    }

    return $self;
}


# The root is emptied for each block: never do that to a stray directory.

sub _ours {
    my ($dir) = @_;
    my @entries = grep { !m{/\.\.?$} } glob "\Q$dir\E/{*,.*}";

    return -d $dir && (!@entries || -d "$dir/conf" || -d "$dir/logs");
}


# Below the range the kernel takes the ports of outgoing connections from:
# the port is free between two blocks, and nobody else is to get it then.

sub free_port {
    for (1 .. 1000) {
        my $port = 10240 + int rand 22000;

        return $port if IO::Socket::INET->new(LocalAddr => '0.0.0.0',
                                              LocalPort => $port,
                                              Proto => 'tcp', Listen => 1);
    }

    die "no free port\n";
}


sub pid { return $_[0]{pid} }
sub log_file { return "$_[0]{root}/logs/$_[1].log" }


# reset_root($config, @files): a new root with the configuration; the files
# are [name, content, touch stamp].

sub reset_root {
    my ($self, $config, @files) = @_;
    my $root = $self->{root};

    make_path($root);
    remove_tree($root, { keep_root => 1 });
    make_path(map { "$root/$_" } qw(conf html logs));

    _write("$root/conf/nginx.conf", $config);
    _write("$root/html/index.html",
           '<html><head><title>It works!</title></head>'
           . "<body>It works!</body></html>\n");

    for my $file (@files) {
        my ($name, $content, $stamp) = @$file;
        my $path = "$root/html/$name";

        make_path($path =~ s{/[^/]*\z}{}r);
        _write($path, $content);
        _touch($path, $stamp) if defined $stamp;
    }
}


sub _write {
    my ($path, $content) = @_;

    open my $fh, '>:raw', $path or die "cannot write $path: $!\n";
    print $fh $content;
    close $fh or die "cannot write $path: $!\n";
}


# the stamps of touch -t: [[CC]YY]MMDDhhmm[.ss]

sub _touch {
    my ($path, $stamp) = @_;

    $stamp =~ /^(\d\d)?(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d\d))?$/
        or die "bad time stamp \"$stamp\" of $path\n";

    # with one pair before the month it is the year, not the century
    my ($year, $mon, $day, $hour, $min, $sec) =
        (defined $2 ? $1 * 100 + $2 - 1900 : $1, $3, $4, $5, $6, $7 || 0);

    $year = (localtime)[5] if !defined $year;
    $year += 100 if $year < 69;

    my $time = mktime($sec, $min, $hour, $day, $mon - 1, $year, 0, 0, -1);
    utime $time, $time, $path;
}


# config(%parts): the text of nginx.conf

sub config {
    my ($self, %p) = @_;
    my $root = $self->{root};
    my $temp = join '', map { "    ${_}_temp_path $root/${_}_temp;\n" }
                            qw(client_body proxy fastcgi scgi uwsgi);
    my $env = join '', map { "env $_;\n" } @kept_env,
                       map { /[\s;'"{}]/ ? "'$_'" : $_ } @{ $p{env} };
    my $load = join '', map { "load_module $_;\n" }
                            split ' ', $ENV{TEST_NGINX_LOAD_MODULES} || '';
    my $location = $p{root_location}
        ? "location / { root $root/html; index index.html index.htm; }" : '';
    my $postpone = $ENV{TEST_NGINX_POSTPONE_OUTPUT}
        ? "postpone_output $ENV{TEST_NGINX_POSTPONE_OUTPUT};" : '';
    my $use = $ENV{TEST_NGINX_EVENT_TYPE}
        ? "use $ENV{TEST_NGINX_EVENT_TYPE};" : '';
    my $user = $ENV{TEST_NGINX_WORKER_USER} || ($> == 0 ? 'root' : '');
    $user = "user $user;" if length $user;

    return <<"_EOC_";
worker_processes $p{workers};
daemon off;
master_process $p{master};
error_log $root/logs/error.log $p{log_level};
pid $root/logs/nginx.pid;
$env
$load
$p{main_config}

http {
    access_log $root/logs/access.log;
$temp
    default_type text/plain;
    keepalive_timeout 68s;
    $postpone

$p{http_config}

    server {
        listen $self->{port};
        server_name '$p{server_name}';
        client_max_body_size 30M;
        $location

$p{config}

    }
}

$p{post_main_config}

events {
    accept_mutex off;
    worker_connections $p{worker_connections};
    $use
}
$user
_EOC_
}


# start(): true when nginx is ready, false when it has exited; $self->{status}
# is its wait status then.  nginx writes its pid file after it has bound and
# listens, so a file with our child's pid tells more than a connection would,
# which could reach a stranger's port, and leaves no trace in the logs.

sub start {
    my ($self) = @_;
    my $root = $self->{root};
    my $deadline = time + ($ENV{TEST_NGINX_START_TIMEOUT} || 20);
    my @command = (_command(), '-e', "$root/logs/error.log",
                   '-p', "$root/", '-c', "$root/conf/nginx.conf");

    $self->{command} = "@command";
    $self->{status} = undef;

    # no signal may hit the child while it still has our handlers
    my $all = POSIX::SigSet->new;
    my $old = POSIX::SigSet->new;
    $all->fillset;
    POSIX::sigprocmask(POSIX::SIG_BLOCK(), $all, $old);

    my $parent = $$;
    my $pid = fork;
    _exec($parent, $old, "$root/logs/stderr.log", @command)
        if defined $pid && $pid == 0;

    $self->{pid} = $pid;
    POSIX::sigprocmask(POSIX::SIG_SETMASK(), $old);
    die "fork: $!\n" if !defined $pid;

    until (_read("$root/logs/nginx.pid") =~ /^$pid\s/) {
        return 0 if $self->_reap;

        if (time >= $deadline) {
            $self->stop;
            return 0;
        }

        sleep POLL;
    }

    return 1;
}


sub _command {
    my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';
    my @command = -x $binary ? $binary : split ' ', $binary;

    if (my $options = $ENV{TEST_NGINX_USE_VALGRIND}) {
        $options = '--tool=memcheck --leak-check=full'
            if $options =~ /^\d+$/;
        unshift @command, 'valgrind', '-q', split(' ', $options),
                -f 'valgrind.suppress'
                    ? '--suppressions=valgrind.suppress' : ();
    }

    return @command;
}


# In the child.  A shell's background job inherits SIGQUIT ignored, so all
# dispositions are reset.  nginx moves its stderr onto the error log once it
# runs; stdout is not for TAP's reader either.

sub _exec {
    my ($parent, $mask, $stderr, @command) = @_;

    $SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT PIPE ALRM TERM CHLD USR1 USR2);
    die_with_parent($parent);

    open STDIN, '<', '/dev/null';
    open STDERR, '>>', $stderr;
    open STDOUT, '>&', \*STDERR;

    $ENV{LD_PRELOAD} = $ENV{TEST_NGINX_LD_PRELOAD}
        if $ENV{TEST_NGINX_LD_PRELOAD};

    POSIX::sigprocmask(POSIX::SIG_SETMASK(), $mask);

    no warnings 'exec';
    exec { $command[0] } @command;

    print STDERR "cannot execute $command[0]: $!\n";
    POSIX::_exit(127);
}


# prctl(PR_SET_PDEATHSIG), where its number is known: even a SIGKILL of the
# test then leaves no nginx.

sub die_with_parent {
    my ($parent) = @_;
    my ($os, $machine) = (POSIX::uname())[0, 4];
    my $prctl = { x86_64 => 157, aarch64 => 167 }->{$machine};

    return if $os ne 'Linux' || !$prctl;

    syscall $prctl, 1, POSIX::SIGTERM(), 0, 0, 0;
    POSIX::_exit(127) if getppid() != $parent;
}


# stop(): QUIT, then TERM, then KILL.  Returns what there is to complain of.

sub stop {
    my ($self) = @_;
    my $patience = $ENV{TEST_NGINX_STOP_TIMEOUT} || 5;
    my $problem = '';

    return '' if !$self->{pid};

    for my $signal ($ENV{TEST_NGINX_FAST_SHUTDOWN} ? () : 'QUIT',
                    'TERM', 'KILL')
    {
        last if $self->_reap;

        kill $signal, $self->{pid};
        my $deadline = time + $patience;

        until ($self->_reap) {
            last if time >= $deadline && $signal ne 'KILL';
            sleep POLL;
        }

        last if !$self->{pid};

        $problem = "nginx did not stop on SIG$signal";
        warn "# $problem within $patience s\n";
    }

    # whoever is stubborn with QUIT only may have a connection to wait for
    $problem = '' if $problem !~ /SIGTERM/;

    return $problem || _verdict($self->{status});
}


sub _verdict {
    my ($status) = @_;

    return '' if $status == 0;
    return 'nginx was killed by signal ' . ($status & 127) if $status & 127;
    return 'nginx exited with code ' . ($status >> 8);
}


sub _reap {
    my ($self) = @_;

    return 1 if !$self->{pid};

    my $got = waitpid $self->{pid}, WNOHANG;
    return 0 if $got == 0;

    $self->{status} = $got > 0 ? $? : 0;
    $self->{pid} = undef;

    return 1;
}


# what nginx has told of a failed start

sub complaint {
    my ($self) = @_;
    my $stderr = _read("$self->{root}/logs/stderr.log");

    return $stderr =~ /\S/ ? $stderr : _read($self->log_file('error'));
}


sub _read {
    my ($path) = @_;

    open my $fh, '<:raw', $path or return '';
    local $/;

    return scalar(<$fh>) // '';
}


# remove(): the end of a private root

sub remove {
    my ($self) = @_;

    remove_tree($self->{private}) if $self->{private};
    $self->{private} = undef;
}


1;
