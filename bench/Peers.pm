# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The same service in other stacks, as bench/run starts them, and the proof
# that a server does the work: see README.md.

package Peers;

use strict;
use warnings;

use Bench;
use Cwd qw(abs_path);
use Digest::SHA qw(sha1_hex);
use File::Basename qw(dirname);
use File::Path qw(make_path);
use IO::Socket::INET;
use JSON::PP;

my $peers = dirname(abs_path(__FILE__)) . '/peers';
my $certificates = '/iot-devices/v1/registries/bench/certificates';

my @peers = (
    { name => 'go', title => 'Go', start => \&start_go },
    { name => 'lua', title => 'nginx + Lua', start => \&start_lua },
    { name => 'node', title => 'Node', start => \&start_node },
);


# Those that can be started here; what stands in the way of others is printed.

sub start {
    my ($bench) = @_;
    my @started;

    for my $peer (@peers) {
        my $server = eval { $peer->{start}($bench) };

        if ($server) {
            push @started, { %$server, name => $peer->{name},
                             title => $peer->{title} };

        } else {
            print "$peer->{title} is skipped: ", $@ =~ s/^bench: //r;
        }
    }

    return @started;
}


sub run {
    my ($log, @command) = @_;
    my $status = Bench::wait_pid(Bench::start($command[0], $log, @command));

    die "bench: $command[0] failed, see $log\n" if $status;
}


# waits until the port answers, which it does not before there is Redis

sub up {
    my ($name, $pid, $port) = @_;

    Bench::wait_for($name, sub { Bench::answers($port) });

    return { port => $port, pid => $pid };
}


sub start_go {
    my ($bench) = @_;
    my $out = "$bench->{out}/go";
    my $port = Bench::free_port();

    make_path($out);

    local $ENV{GO111MODULE} = 'off';
    local $ENV{GOPATH} = '/usr/share/gocode';
    local $ENV{GOCACHE} = "$out/cache";

    run("$out/log", 'go', 'build', '-o', "$out/peer", "$peers/go/main.go");

    my $pid = Bench::start('go', "$bench->{run}/go.log", "$out/peer", $port,
                           $bench->{redis}{socket}, $peers);

    return up('go', $pid, $port);
}


# Debian's packages, unpacked rather than installed: they would be loaded by
# the nginx that is here.

my @lua = qw(libnginx-mod-http-lua libnginx-mod-http-ndk libluajit2-5.1-2
             lua-resty-core lua-resty-lrucache lua-nginx-redis lua-cjson);

sub unpack_lua {
    my ($out) = @_;

    return if -f "$out/usr/share/lua/5.1/nginx/redis.lua";

    make_path("$out/packages");
    run("$out/log", 'sh', '-c', 'cd "$1" && shift && apt-get download "$@"',
        'sh', "$out/packages", @lua);

    run("$out/log", 'dpkg-deb', '-x', $_, $out)
        for glob "$out/packages/*.deb";
}


sub start_lua {
    my ($bench) = @_;
    my $out = "$bench->{out}/lua";
    my ($add, $delete) = map { sha1_hex(Bench::read_file("$peers/$_.lua")) }
                             qw(add delete);

    unpack_lua($out);

    my ($library) = glob "$out/usr/lib/*-linux-gnu*";

    local $ENV{LD_LIBRARY_PATH} = $library;

    return $bench->start_nginx('lua', <<"MAIN", <<"HTTP");
load_module $out/usr/lib/nginx/modules/ndk_http_module.so;
load_module $out/usr/lib/nginx/modules/ngx_http_lua_module.so;
MAIN
    lua_package_path "$peers/lua/?.lua;$out/usr/share/lua/5.1/?.lua;;";
    lua_package_cpath "$library/lua/5.1/?.so;;";

    init_by_lua_block {
        peer = require 'peer'
        peer.init('$bench->{redis}{socket}', '$peers', '$add', '$delete')
    }

    server {
        listen 127.0.0.1:PORT;

        location / {
            content_by_lua_block {
                peer.handle()
            }
        }
    }
HTTP
}


sub start_node {
    my ($bench) = @_;
    my $out = "$bench->{out}/node";
    my $port = Bench::free_port();

    make_path($out);

    if (!-d "$out/node_modules/ioredis") {
        run("$out/log", 'cp', "$peers/node/package.json", $out);
        run("$out/log", 'npm', 'install', '--prefix', $out, '--no-audit',
            '--no-fund', '--ignore-scripts');
    }

    local $ENV{NODE_PATH} = "$out/node_modules";
    local $ENV{NODE_ENV} = 'production';

    my $pid = Bench::start('node', "$bench->{run}/node.log", 'node',
                           "$peers/node/main.js", $port,
                           $bench->{redis}{socket}, $peers);

    return up('node', $pid, $port);
}


# Status and body of an answer.

sub ask {
    my ($server, $method, $path, $body, $token) = @_;
    my $link = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Timeout => 10,
                                     PeerPort => $server->{port})
        or die "bench: $server->{name} is not there\n";

    $body = '' if !defined $body;
    $token = 'bench' if !defined $token;

    print $link "$method $path HTTP/1.0\r\nHost: bench\r\n",
        "Authorization: Bearer $token\r\n",
        'Content-Length: ', length $body, "\r\n\r\n", $body;

    my $answer = do { local $/; <$link> };
    my ($head, $text) = split /\r\n\r\n/, $answer, 2;

    return $head =~ m{^HTTP/1\.\d (\d+)} ? $1 : 0, $text;
}


# The bytes that differ from one answer to the next, as many zeros.

sub shape {
    my ($text) = @_;

    $text =~ s/"(id|\w+At|nextPageToken)":"\K[^"]*/'0' x length $&/ge;
    $text =~ s/("nextPageToken":")[^"]*/$1/;

    return $text;
}


sub certificate {
    my ($bench, $name, @key) = @_;
    my $file = "$bench->{run}/$name";

    run("$file.log", 'openssl', 'req', '-x509', '-nodes', '-newkey', @key,
        '-subj', '/CN=bench', '-days', 1, '-keyout', "$file.key",
        '-out', "$file.pem");

    return encode_json({ certificateData => Bench::read_file("$file.pem") });
}


# Proves that a server does what is timed, and answers what the gateway, the
# first of them, answers: dies when it does not.

sub prove {
    my ($bench, @servers) = @_;
    my $good = certificate($bench, 'good', 'rsa:2048');
    my $weak = certificate($bench, 'weak', 'rsa:1024');
    my @first;

    for my $server (@servers) {
        my @answers = prove_server($bench, $server, $good, $weak);

        @first = @answers if !@first;

        for my $i (0 .. $#first) {
            die "bench: $server->{name} answers\n$answers[$i]\nand not\n",
                "$first[$i]\n" if shape($answers[$i]) ne shape($first[$i]);
        }
    }
}


sub prove_server {
    my ($bench, $server, $good, $weak) = @_;
    my $pem = decode_json($good)->{certificateData};

    $bench->redis('FLUSHALL SYNC');

    my $expect = sub {
        my ($status, @request) = @_;
        my ($got, $text) = ask($server, @request);

        die "bench: $server->{name}: $request[0] $request[1]: $got, not ",
            "$status: $text\n" if $got != $status;

        return $text;
    };

    $expect->(401, 'POST', $certificates, $good, 'other');
    $expect->(400, 'POST', $certificates, '{"certificateData":');
    $expect->(400, 'POST', $certificates, $weak);
    $expect->(400, 'POST', $certificates,
              encode_json({ certificateData => $pem =~ s/\nM/\nN/r }));
    $expect->(400, 'POST', $certificates,
              encode_json({ certificateData => $pem . $pem }));

    die "bench: $server->{name} stored what it refused\n"
        if $bench->redis('DBSIZE') != 0;

    my $added = $expect->(200, 'POST', $certificates, $good);

    die "bench: $server->{name} stored nothing\n"
        if $bench->redis('DBSIZE') < 4;

    $expect->(409, 'POST', $certificates, $good);
    $expect->(409, 'POST', $certificates =~ s/bench/other/r, $good);

    my $operation = decode_json($added);
    my $polled = $expect->(200, 'GET', "/operations/$operation->{id}");

    die "bench: $server->{name} answered\n$added\nand when asked again\n",
        "$polled\n" if $polled ne $added;

    my $listed = $expect->(200, 'GET', "$certificates?pageSize=1");
    my $path = "$certificates/$operation->{response}{fingerprint}";

    $expect->(404, 'DELETE', $path =~ s/bench/other/r);

    my $deleted = $expect->(200, 'DELETE', $path);

    $expect->(404, 'DELETE', $path);

    my $empty = $expect->(200, 'GET', "$certificates?pageSize=1");

    die "bench: $server->{name} deleted nothing: $empty\n"
        if $empty =~ /fingerprint/;

    return $added, $listed, $deleted;
}


1;
