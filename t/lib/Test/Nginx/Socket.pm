# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Runs declarative tests of nginx: a small independent implementation of the
# language of the CPAN module of this name, for machines that lack it.  See
# t/lib/README.md.  A block's life: preprocessors, nginx.conf, nginx started,
# its requests (repeat_each times) and the checks of their answers and logs,
# nginx stopped.

package Test::Nginx::Socket;

use strict;
use warnings;

use Digest::MD5 ();
use Digest::SHA ();
use List::Util qw(shuffle);
use Test::More ();
use Time::HiRes qw(time sleep);

use Test::Nginx::Socket::Client;
use Test::Nginx::Socket::Peer;
use Test::Nginx::Socket::Server;
use Test::Nginx::Socket::Spec;

# nginx logs a request when it is through with it, which may be a little
# after its last byte has been sent

use constant LOG_PATIENCE => 0.5;

our @EXPORT = qw(
    run_tests blocks bail_out is_str
    repeat_each timeout workers worker_connections log_level server_name
    no_shuffle no_long_string no_diff no_root_location check_accum_error_log
    master_on master_off master_process_enabled use_hup
    env_to_nginx config_preamble
    add_block_preprocessor add_cleanup_handler add_test_cleanup_handler
    add_response_body_check
    server_root html_dir server_addr server_port server_port_for_client
);

my %setting = (
    repeat_each => 1,
    timeout => $ENV{TEST_NGINX_TIMEOUT} || 3,
    workers => 1,
    worker_connections => 64,
    log_level => $ENV{TEST_NGINX_LOG_LEVEL} || 'debug',
    server_name => 'localhost',
    server_addr => '127.0.0.1',
    config_preamble => '',
    master => ($ENV{TEST_NGINX_MASTER_PROCESS} || 'off') eq 'on',
    no_shuffle => $ENV{TEST_NGINX_NO_SHUFFLE},
);

my (@preprocessors, @cleanups, @block_cleanups, @body_checks, @env);
my ($server, $client_port, $spec, $peer, %rand_port, $inherited, $cleaned);
my $owner = $$;
my $tb = Test::More->builder;


# --- what a test file calls --------------------------------------------------

sub import {
    my ($class, @args) = @_;
    my $caller = caller;
    no strict 'refs';

    strict->import;
    warnings->import;

    if (@args && $args[0] eq '-Base') {
        shift @args;
        push @{"${caller}::ISA"}, $class;
    }

    *{"${caller}::$_"} = \&{$_} for @EXPORT;
    Test::More->export_to_level(1, 'Test::More');

    _setup();
    Test::More::plan(@args) if @args;
}


# getters, and setters when given a value

for my $name (qw(repeat_each timeout workers worker_connections log_level
                 server_name server_addr config_preamble))
{
    no strict 'refs';
    *{$name} = sub {
        $setting{$name} = $_[0] if @_;
        return $setting{$name};
    };
}

# switches

for my $name (qw(no_shuffle no_long_string no_diff no_root_location
                 check_accum_error_log))
{
    no strict 'refs';
    *{$name} = sub { $setting{$name} = 1 };
}

sub master_on { $setting{master} = 1 }
sub master_off { $setting{master} = 0 }
sub master_process_enabled { return $setting{master} }

# nginx is always restarted
sub use_hup { }

sub add_block_preprocessor { push @preprocessors, $_[0] }
sub add_cleanup_handler { push @cleanups, $_[0] }
sub add_test_cleanup_handler { push @block_cleanups, $_[0] }
sub add_response_body_check { push @body_checks, $_[0] }
sub env_to_nginx { push @env, @_ }

sub server_root { return $server->{root} }
sub html_dir { return "$server->{root}/html" }
sub server_port { return $server->{port} }
sub server_port_for_client { return $client_port }


sub blocks {
    $spec ||= [Test::Nginx::Socket::Spec::choose(_parse_data())];
    return @$spec;
}


sub bail_out {
    my ($message) = @_;

    _cleanup();
    Test::More::BAIL_OUT($message);
}


sub is_str {
    my ($got, $expected, $name) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return $tb->like($got, $expected, $name) if ref $expected;

    if ($setting{no_long_string} || !defined $got || !defined $expected
        || length($got) + length($expected) < 800)
    {
        return $tb->is_eq($got, $expected, $name);
    }

    $tb->ok($got eq $expected, $name) and return 1;

    ($got ^ $expected) =~ /\A\0*/;
    my $at = $+[0];
    my $from = $at > 40 ? $at - 40 : 0;

    $tb->diag(sprintf "  lengths %d and %d, first difference at byte %d\n"
                      . "       got: ...%s...\n  expected: ...%s...",
              length $got, length $expected, $at,
              substr($got, $from, 120), substr($expected, $from, 120));
    return 0;
}


sub run_tests {
    my @blocks = blocks();

    Test::Nginx::Socket::Spec::prepare($_) for @blocks;
    @blocks = shuffle(@blocks) if !$setting{no_shuffle};

    for my $signal (qw(HUP INT TERM PIPE)) {
        $SIG{$signal} = \&_on_signal;
    }

    # who stops prove means us, too
    Test::Nginx::Socket::Server::die_with_parent(getppid)
        if $ENV{HARNESS_ACTIVE};

    _run_block($_) for @blocks;
}


# --- set up and clean up -----------------------------------------------------

sub _setup {
    return if $server;

    my $random = $ENV{TEST_NGINX_RANDOMIZE};
    my $port = $random ? undef
               : $ENV{TEST_NGINX_SERVER_PORT} || $ENV{TEST_NGINX_PORT};
    my $root = $random ? undef : $ENV{TEST_NGINX_SERVROOT};

    if (defined $root && $root !~ m{^/}) {
        require Cwd;
        $root = Cwd::getcwd() . "/$root";
    }

    $port = Test::Nginx::Socket::Server::free_port() if !$port;
    $server = Test::Nginx::Socket::Server->new(root => $root, port => $port);
    $client_port = !$random && $ENV{TEST_NGINX_CLIENT_PORT} || $port;

    $ENV{TEST_NGINX_PORT} = $port if $random || !$ENV{TEST_NGINX_PORT};
    $ENV{TEST_NGINX_SERVER_PORT} = $port;
    $ENV{TEST_NGINX_SERVER_ROOT} = $server->{root};
}


sub _parse_data {
    my $line = 0;

    open my $fh, '<', $0 or die "cannot read $0: $!\n";
    while (<$fh>) {
        $line = $. if !$line && /^__(?:DATA|END)__\r?$/;
    }
    close $fh;

    die "$0 has no __DATA__\n" if !$line;

    local $/;
    no warnings 'once';
    return Test::Nginx::Socket::Spec::parse(scalar(<main::DATA>), $0, $line);
}


# Everything that we or the test file have started goes, once, whatever the
# way out; a child of the test file that exits is none of our concern.

sub _cleanup {
    return if $$ != $owner || $cleaned++;

    $peer->stop if $peer;
    $server->stop if $server;

    for my $handler (@cleanups) {
        eval { $handler->(); 1 } or warn "# cleanup handler: $@";
    }

    return if !$server;

    if ($ENV{TEST_NGINX_KEEP} && !$tb->is_passing && $server->{private}) {
        $tb->diag("server root kept: $server->{root}");

    } else {
        $server->remove;
    }
}


# PIPE is among the signals: who reads our TAP has gone.

sub _on_signal {
    my ($signal) = @_;

    $SIG{PIPE} = 'IGNORE';
    _cleanup();

    $SIG{$signal} = 'DEFAULT';
    kill $signal, $$;
}


END {
    my $status = $?;
    _cleanup();
    $? = $status;
}


sub _bail {
    my ($block, $message) = @_;

    bail_out($block->name . " - $message");
}


# --- one block ---------------------------------------------------------------

sub _run_block {
    my ($block) = @_;

    $_->($block) for @preprocessors;
    $block->{name} = "$0 " . $block->{name};
    %rand_port = ();

    return if _skipped($block);

    my $failed = grep { !$_ } $tb->summary;

    if (defined $block->must_die) {
        _run_must_die($block, $_) for 0 .. $setting{repeat_each} - 1;

    } else {
        _run_normal($block);
    }

    if (grep({ !$_ } $tb->summary) > $failed) {
        $tb->diag("the block is at $block->{file} line $block->{line}");
    }

    $_->($block) for @block_cleanups;
}


sub _skipped {
    my ($block) = @_;
    my $name = $block->name;

    if (defined(my $todo = $block->todo)) {
        my ($n, $why) = $todo =~ /^\s*(\d+)\s*:\s*(.*?)\s*$/s
            or _bail($block, 'bad todo section');

        $tb->todo_skip("$name - $why") for 1 .. $n * $setting{repeat_each};
        return 1;
    }

    if (defined(my $skip = $block->skip_nginx)) {
        my ($n, $op, $version) =
            $skip =~ /^\s*(\d+)\s*:\s*([<>]=?)\s*(\d[\d.]*)\s*$/
            or _bail($block, 'bad skip_nginx section');

        return _skip($n, "$name - nginx version $op $version")
            if _nginx_is($op, $version);
    }

    if (defined(my $skip = $block->skip_eval)) {
        my ($n, $code) = $skip =~ /^\s*(\d+)\s*:\s*(.*)/s
            or _bail($block, 'bad skip_eval section');

        return _skip($n, "$name - skip_eval")
            if Test::Nginx::Socket::Spec::_eval($code, $block->{file},
                                                $block->{line});
    }

    return 0;
}


sub _skip {
    my ($n, $why) = @_;

    $tb->skip($why) for 1 .. $n * $setting{repeat_each};
    return 1;
}


sub _nginx_is {
    my ($op, $wanted) = @_;
    my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';
    my ($have) = `$binary -v 2>&1` =~ m{nginx/(\d[\d.]*)};
    my ($h, $w) = map { sprintf '%03d' x 4, (split(/\./), (0) x 4)[0 .. 3] }
                      $have || 0, $wanted;

    return $op eq '<' ? $h lt $w : $op eq '<=' ? $h le $w
           : $op eq '>' ? $h gt $w : $h ge $w;
}


sub _run_normal {
    my ($block) = @_;
    my @requests = _requests($block);

    _reset_root($block);

    if (!$server->start) {
        $tb->diag($server->complaint);
        _bail($block, "cannot start nginx: $server->{command}");
    }

    if (defined(my $init = $block->init)) {
        eval { Test::Nginx::Socket::Spec::_eval($init, $block->{file},
                                                $block->{line}); 1 }
            or _bail($block, "init failed: $@");
    }

    my %log_pos;

    for my $repeat (0 .. $setting{repeat_each} - 1) {
        _start_peer($block);
        _run_requests($block, $repeat, \%log_pos, @requests);
        _check_peer($block);
    }

    my $problem = $server->stop || _crashed_worker();
    $tb->ok(0, $block->name . " - $problem") if $problem;

    _check_shutdown($block, $log_pos{error});
    _keep_log();
}


# a master starts a new worker in place of a crashed one, and exits with 0

sub _crashed_worker {
    return '' if !$setting{master};

    my $log = _read_from($server->log_file('error'), 0);
    my $process = qr/(?:worker|cache manager) process/;

    return $log =~ /($process \d+ exited on signal \d+)/ ? $1 : '';
}


sub _run_must_die {
    my ($block, $repeat) = @_;
    my $name = $block->name;
    my $code = $block->must_die;

    _reset_root($block);

    my $started = $server->start;
    $server->stop if $started;

    print STDERR $server->complaint
        if !$started && !defined $block->suppress_stderr;

    if (length $code) {
        $tb->is_eq($started ? 0 : $server->{status} >> 8, $code =~ s/\s//gr,
                   "$name - die with the expected exit code");

    } else {
        $tb->ok(!$started, "$name - die as expected");
    }

    return if $started;

    my %log_pos;

    _check_logs({ block => $block, name => $name, tag => " (req $repeat)",
                  repeat => $repeat, pos => \%log_pos }, 'error');
    _check_shutdown($block, $log_pos{error})
        if $repeat == $setting{repeat_each} - 1;
    _keep_log();
}


# TEST_NGINX_ERROR_LOG: a file that gathers the error logs of all blocks

sub _keep_log {
    my $path = $ENV{TEST_NGINX_ERROR_LOG} or return;

    open my $fh, '>>', $path or die "cannot write $path: $!\n";
    print $fh _read_from($server->log_file('error'), 0);
    close $fh;
}


# --- configuration -----------------------------------------------------------

sub _reset_root {
    my ($block) = @_;
    my %part = map { $_ => scalar $block->$_ }
                   qw(config http_config main_config post_main_config);

    # a block without a configuration has that of the block run before
    if (!defined $part{config}) {
        _bail($block, 'no config section, and none before to take over')
            if !$inherited;
        $part{$_} = defined $part{$_} ? $part{$_} : $inherited->{$_}
            for keys %part;
    }

    $inherited = { %part };

    for (values %part) {
        $_ = _expand($block, defined $_ ? $_ : '');
    }

    $part{config} = $setting{config_preamble} . $part{config};

    for my $name (qw(log_level server_name)) {
        my $own = $block->$name;
        $part{$name} = defined $own ? $own =~ s/\A\s+|\s+\z//gr
                                    : $setting{$name};
    }

    my $config = $server->config(
        %part, env => \@env,
        master => $setting{master} ? 'on' : 'off',
        root_location => !$setting{no_root_location},
        workers => $setting{workers},
        worker_connections => $setting{worker_connections});

    $server->reset_root($config, _user_files($block));

    if (defined(my $code = $block->post_setup_server_root)) {
        Test::Nginx::Socket::Spec::_eval($code, $block->{file},
                                         $block->{line});
    }
}


sub _expand {
    my ($block, $text) = @_;

    $text =~ s{\$(TEST_NGINX_(\w+))}{
        my ($name, $short) = ($1, $2);

        $short =~ /^RAND_PORT_(\d+)$/
            ? $rand_port{$1} ||= Test::Nginx::Socket::Server::free_port()
            : defined $ENV{$name}
              ? $ENV{$name}
              : _bail($block, "No environment $name defined.\n");
    }gex;

    return $text;
}


sub _user_files {
    my ($block) = @_;
    my $files = $block->user_files;

    return if !defined $files;
    return @$files if ref $files;

    my (undef, @parts) = split /^>>>[ \t]+(\S+)(?:[ \t]+(\S+))?[ \t]*\n/m,
                               $files;
    my @files;

    while (my ($name, $stamp, $content) = splice @parts, 0, 3) {
        push @files, [$name, defined $content ? $content : '', $stamp];
    }

    return @files;
}


# --- requests ----------------------------------------------------------------

# The exchanges of a block: each one is one connection, and has the packets to
# send and for each response to expect whether it answers a HEAD.

sub _requests {
    my ($block) = @_;
    my $raw = $block->raw_request;
    my $pipelined = $block->pipelined_requests;

    if (defined $raw) {
        my @packets = map { { value => $_ } } ref $raw ? @$raw : $raw;
        return { packets => \@packets,
                 heads => [scalar($packets[0]{value} =~ /\AHEAD /)] };
    }

    if (defined $pipelined) {
        my $last = $#$pipelined;
        my @built = map { _build($block, $pipelined->[$_], $_,
                                 $_ < $last ? 'keep-alive' : 'close') }
                        0 .. $last;
        my $bytes = join '', map { $_->{value} }
                             map { @{ $_->{packets} } } @built;

        return { packets => [{ value => $bytes }],
                 heads => [map { $_->{head} } @built] };
    }

    my $request = $block->request;
    my @specs = ref $request eq 'ARRAY' ? @$request : $request;

    return map {
        my $built = _build($block, $specs[$_], $_, 'close');
        +{ packets => $built->{packets}, heads => [$built->{head}] };
    } 0 .. $#specs;
}


sub _build {
    my ($block, $spec, $index, $connection) = @_;
    my $more = $block->more_headers;

    if (ref $more) {
        $more = $more->[$index];
        _bail($block, "more_headers lacks data for request $index")
            if !defined $more;
    }

    return eval { Test::Nginx::Socket::Client::build(
                      $spec, $connection, defined $more ? $more : '') }
           || _bail($block, $@ =~ s/\n\z//r);
}


sub _run_requests {
    my ($block, $repeat, $log_pos, @exchanges) = @_;
    my $index = 0;
    my $total = 0;
    $total += @{ $_->{heads} } for @exchanges;

    for my $exchange (@exchanges) {
        my ($bytes, $timed_out) = _exchange($block, $exchange);
        my $heads = $exchange->{heads};

        $tb->ok(0, 'ERROR: client socket timed out - ' . $block->name)
            if $timed_out && !defined $block->abort;

        for my $i (0 .. $#$heads) {
            my $t = { block => $block, name => $block->name,
                      repeat => $repeat, tag => " (req $repeat)",
                      index => $index++, total => $total, pos => $log_pos };

            my @logs = 'error';

            if (!defined $block->ignore_response) {
                my $quiet = $timed_out || $i < $#$heads;

                $bytes = _response($t, $bytes, $heads->[$i], $quiet);
                _check_response($t);
                push @logs, 'access';
            }

            if (defined(my $wait = $block->wait)) {
                sleep _seconds($block, $wait);
            }

            _check_logs($t, @logs);
        }
    }
}


sub _exchange {
    my ($block, $exchange) = @_;
    my $addr = $block->server_addr_for_client;
    my $timeout = $block->timeout;
    my $delay = $block->raw_request_middle_delay;
    my $shutdown = $block->shutdown;
    my @result = eval {
        Test::Nginx::Socket::Client::exchange(
            packets => $exchange->{packets},
            host => defined $addr ? $addr =~ s/\s//gr : $setting{server_addr},
            port => $client_port,
            timeout => _seconds($block, defined $timeout
                                        ? $timeout : $setting{timeout}),
            delay => defined $delay ? _seconds($block, $delay) : 0,
            shutdown => defined $shutdown
                        ? ($shutdown =~ /(\d)/ ? $1 : 1) : undef);
    };

    return @result if @result;

    $tb->ok(0, $block->name . " - $@");
    return ('', 0);
}


sub _seconds {
    my ($block, $value) = @_;

    $value =~ /^\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s)?\s*$/
        or _bail($block, "\"$value\" is no time");

    return $2 && $2 eq 'ms' ? $1 / 1000 : $1;
}


# _response($t, $bytes, $head, $quiet): the first response of the bytes goes
# to $t->{res}, what follows is returned.

sub _response {
    my ($t, $bytes, $head, $quiet) = @_;

    if (defined $t->{block}->http09) {
        $t->{res} = { code => 200, raw => '', headers => {}, body => $bytes };
        return '';
    }

    my $res = Test::Nginx::Socket::Client::parse($bytes, $head);

    if (defined $res->{error}) {
        $tb->ok(0, "$t->{name} - $res->{error}");
        %$res = (code => '', raw => '', headers => {}, body => '',
                 rest => $res->{rest});
    }

    warn "# $t->{name}: $res->{warning}\n" if $res->{warning} && !$quiet;
    warn "# $t->{name}: ", length $res->{rest},
         " unexpected bytes after the response\n"
        if length $res->{rest} && !$quiet;

    $t->{res} = $res;
    return $res->{rest};
}


# --- checks of a response ----------------------------------------------------

# What a section expects of the request at hand: with several requests an
# element of an array.

sub _expected {
    my ($t, $section) = @_;
    my $value = $t->{block}->$section;

    return $value->[$t->{index}] if ref $value eq 'ARRAY';

    _bail($t->{block}, 'You asked for many requests, the expected results '
                       . 'should be arrays as well.')
        if defined $value && $t->{total} > 1;

    return $value;
}


sub _has { return defined $_[0]{block}{values}{$_[1]} }


sub _check_response {
    my ($t) = @_;

    _check_code($t);

    if (defined(my $re = _expected($t, 'raw_response_headers_like'))) {
        $tb->like($t->{res}{raw}, qr/$re/s, "$t->{name} - raw resp headers "
                                            . 'like');
    }

    if (defined(my $re = _expected($t, 'raw_response_headers_unlike'))) {
        $tb->unlike($t->{res}{raw}, qr/$re/s,
                    "$t->{name} - raw resp headers unlike");
    }

    _check_headers($t);
    _check_body($t);
}


sub _check_code {
    my ($t) = @_;
    my $name = "$t->{name} - status code ok";

    if (defined(my $re = _expected($t, 'error_code_like'))) {
        $tb->like($t->{res}{code}, qr/$re/ms, $name);

    } else {
        $tb->is_eq($t->{res}{code},
                   _has($t, 'error_code') ? _expected($t, 'error_code') : 200,
                   $name);
    }
}


sub _check_headers {
    my ($t) = @_;
    my $like = !_has($t, 'response_headers');
    my $lines = _expected($t, $like ? 'response_headers_like'
                                    : 'response_headers');

    return if !defined $lines;

    for (split /\r?\n/, $lines) {
        if (/^\s*!\s*(\S+)\s*$/) {
            $tb->unlike($t->{res}{raw}, qr/^\s*\Q$1\E\s*:/mi, "$t->{name} - "
                        . ($like ? "header $1 like ok" : "header $1 not "
                                   . 'present in the raw headers'));

        } elsif (/^\s*([^:\s]+)\s*:\s*(.*?)\s*$/) {
            my ($name, $value) = ($1, $2);
            my $got = join ', ', @{ $t->{res}{headers}{lc $name} || [] };

            if ($like) {
                $tb->like($got, qr/^$value$/,
                          "$t->{name} - header $name like ok");

            } else {
                $tb->is_eq($got, $value, "$t->{name} - header $name ok");
            }

        } elsif (/\S/) {
            _bail($t->{block}, "bad line in response_headers: $_");
        }
    }
}


sub _check_body {
    my ($t) = @_;
    my $body = _filter_body($t);
    my $where = "(repeated req $t->{repeat}, req $t->{index})";
    my $shown = $body =~ s/\s+/ /gr =~ s/\A | \z//gr;

    $shown = substr($shown, 0, 200) . '...' if length $shown > 200;

    if (_has($t, 'response_body')) {
        my $expected = _expected($t, 'response_body');

        is_str($body, $expected, "$t->{name} - response_body - "
               . (ref $expected ? 'like' : 'response is expected')
               . " $where");

    } elsif (_has($t, 'response_body_like')) {
        my $re = _expected($t, 'response_body_like');

        $tb->like($body, qr/$re/s, "$t->{name} - response_body_like - "
                                   . "response is expected ($shown)");

    } elsif (_has($t, 'response_body_unlike')) {
        my $re = _expected($t, 'response_body_unlike');

        $tb->unlike($body, qr/$re/s, "$t->{name} - response_body_unlike - "
                                     . "response is expected ($shown)");
    }

    $_->($t->{block}, $body, $t->{index}, $t->{repeat}, 0) for @body_checks;
}


my %body_filters = (
    uc => sub { uc $_[0] },
    lc => sub { lc $_[0] },
    ucfirst => sub { ucfirst $_[0] },
    lcfirst => sub { lcfirst $_[0] },
    length => sub { length $_[0] },
    md5_hex => sub { Digest::MD5::md5_hex($_[0]) },
    sha1_hex => sub { Digest::SHA::sha1_hex($_[0]) },
);


# one list for all requests, or an array of one list each

sub _filter_body {
    my ($t) = @_;
    my $filters = $t->{block}->response_body_filters;
    my $body = $t->{res}{body};

    return $body if !defined $filters;

    $filters = [split ' ', $filters] if !ref $filters;
    $filters = [$filters] if ref $filters eq 'CODE';
    $filters = $filters->[$t->{index}] if ref $filters->[0] eq 'ARRAY';

    for my $filter (@$filters) {
        my $code = ref $filter ? $filter : $body_filters{$filter}
                   || _bail($t->{block}, "no response body filter $filter");
        $body = $code->($body);
    }

    return $body;
}


# --- checks of the logs ------------------------------------------------------

# Of the error log a request is given what has been written since the checks
# before, or since nginx was started; of the access log everything.

sub _check_logs {
    my ($t, @logs) = @_;
    my $block = $t->{block};

    for my $log (@logs) {
        my @wanted = _patterns($block, "${log}_log");
        my $grep = $log eq 'error' ? _grep_spec($t) : undef;
        my $pos = $setting{check_accum_error_log} || $log eq 'access'
                  ? 0 : $t->{pos}{$log} || 0;
        my $path = $server->log_file($log);
        my $deadline = time + LOG_PATIENCE;
        my $text;

        while (1) {
            $text = _read_from($path, $pos);
            last if time >= $deadline
                    || !grep({ !_find($text, $_) } @wanted)
                       && (!$grep || _grep($text, $grep) eq $grep->{out});
            sleep 0.003;
        }

        $t->{pos}{$log} = $pos + length $text;

        $tb->is_eq(_grep($text, $grep), $grep->{out},
                   "$t->{name} - grep_error_log_out$t->{tag}") if $grep;

        _check_text($t, $log, $text, "${log}_log");
    }
}


sub _check_shutdown {
    my ($block, $pos) = @_;
    my $text = _read_from($server->log_file('error'), $pos || 0);

    _check_text({ block => $block, name => $block->name, tag => '' },
                'error', $text, 'shutdown_error_log');
}


# patterns of the section must be found, those of "no_SECTION" must not

sub _check_text {
    my ($t, $log, $text, $section) = @_;

    for my $pattern (_patterns($t->{block}, $section)) {
        my $ok = _find($text, $pattern);

        $tb->ok($ok, "$t->{name} - pattern \"$pattern\" "
                     . ($ok ? 'matches' : 'should match')
                     . " a line in $log.log$t->{tag}");
    }

    for my $pattern (_patterns($t->{block}, "no_$section")) {
        my @found = _find($text, $pattern);

        if (!@found) {
            $tb->ok(1, "$t->{name} - pattern \"$pattern\" does not match "
                       . "a line in $log.log$t->{tag}");
        }

        $tb->ok(0, "$t->{name} - pattern \"$pattern\" should not match any "
                   . "line in $log.log but matches line \"$_\"$t->{tag}")
            for @found;
    }
}


sub _patterns {
    my ($block, $section) = @_;
    my $value = $block->$section;

    return if !defined $value;
    return @$value if ref $value eq 'ARRAY';
    return $value if ref $value;
    return grep { length } split /\n/, $value;
}


sub _find {
    my ($text, $pattern) = @_;

    # most patterns are in no line, and a debug log has many
    return if !ref $pattern && index($text, $pattern) < 0;

    return grep { ref $pattern ? $_ =~ $pattern : index($_, $pattern) >= 0 }
                split /\n/, $text;
}


sub _grep_spec {
    my ($t) = @_;
    my $pattern = $t->{block}->grep_error_log;
    my $out = $t->{block}->grep_error_log_out;

    return if !defined $pattern;
    _bail($t->{block}, 'No --- grep_error_log_out defined but '
                       . '--- grep_error_log is defined') if !defined $out;

    # arrays are for the repeats
    ($pattern, $out) = map { ref $_ eq 'ARRAY' ? $_->[$t->{repeat}] : $_ }
                           $pattern, $out;

    return { re => ref $pattern ? $pattern : qr/\Q$pattern\E/,
             out => defined $out ? $out : '' };
}


sub _grep {
    my ($text, $grep) = @_;
    my $out = '';

    $out .= substr($text, $-[0], $+[0] - $-[0]) . "\n"
        while $text =~ /$grep->{re}/g;

    return $out;
}


# complete lines only: the rest of a line is for the next look

sub _read_from {
    my ($path, $pos) = @_;

    open my $fh, '<:raw', $path or return '';
    seek $fh, $pos, 0;
    local $/;
    my $text = <$fh>;

    return defined $text && $text =~ /\A(.*\n)/s ? $1 : '';
}


# --- the TCP peer ------------------------------------------------------------

sub _start_peer {
    my ($block) = @_;
    my $listen = $block->tcp_listen;
    my $reply = $block->tcp_reply;
    my $query = $block->tcp_query;
    my $len = $block->tcp_query_len;
    my $delay = $block->tcp_reply_delay;
    my $shutdown = $block->tcp_shutdown;

    return if !defined $listen;
    _bail($block, 'no --- tcp_reply specified but --- tcp_listen is '
                  . 'specified') if !defined $reply;

    $len = length $query if !defined $len && defined $query && !ref $query;

    $peer = Test::Nginx::Socket::Peer->start(
        listen => _expand($block, $listen) =~ s/\s//gr, reply => $reply,
        query_len => $len, shutdown => $shutdown,
        reply_delay => defined $delay ? _seconds($block, $delay) : 0,
        no_close => defined $block->tcp_no_close);
}


sub _check_peer {
    my ($block) = @_;
    my $expected = $block->tcp_query;
    my $len = $block->tcp_query_len;

    return if !$peer;

    my $query = defined $expected || defined $len ? $peer->query : '';

    is_str($query, $expected, $block->name . ' - tcp_query ok')
        if defined $expected;
    $tb->is_eq(length $query, $len =~ s/\s//gr,
               $block->name . ' - TCP query length ok') if defined $len;

    $peer->stop;
    $peer = undef;
}


1;
