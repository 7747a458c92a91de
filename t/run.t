#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# make run: the shipped configuration works as it is, over REST and over gRPC.
# It runs in a copy, so that the data of the checkout's own stays as it is.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::Bin/support";

use IO::Socket::INET;
use Iot;
use Iot::Child qw(die_with_parent);
use Iot::Grpc;
use Iot::H2;
use POSIX ();
use Test::More;

my $SERVICES = '/yandex.cloud.';
my $root = abs_path("$FindBin::Bin/..");
my $module = "$root/build/dynamic/ngx_http_iot_module.so";

plan(skip_all => 'no dynamic module: make build')
    if !-e $module || !$ENV{TEST_NGINX_LOAD_MODULES};

my $dir = copy();
my ($port, $grpc_port) = (free_port(), free_port());
my $pid = start();
my $status;

ok(wait_until(sub { output() =~ /Ctrl-C stops it/ || ended() }, 60)
   && !ended(), 'make run is up') or BAIL_OUT(output());

my ($token) = Iot::slurp("$dir/build/run/token") =~ /(\S+)/;
my $h2 = Iot::H2->new($grpc_port);
my $list = call('ListCertificates', proto(1 => 'demo'));

is(status($list), "ok\n", 'gRPC: a list');
is(scalar @{ unproto(substr $list->{data}, 5)->{1} }, 1,
   'gRPC: the certificate that went in over REST');

is(status(call('AddCertificate', proto(1 => 'demo', 3 => certificate()))),
   "ok\n", 'gRPC: an add');
is(status(call('AddCertificate', proto(1 => 'other', 3 => certificate()))),
   "5 REGISTRY_NOT_FOUND\nresource yandex.cloud.iot.devices.v1.Registry "
   . "other\n", 'gRPC: an unknown registry');
is(status(call('AddCertificate', proto(1 => 'demo', 3 => 'x' x 100_000))),
   "3 CERTIFICATE_TOO_LARGE\nfield certificate_data\n",
   'gRPC: what is longer than the buffer and shorter than a body may be');
is(status(call('AddCertificate', proto(1 => 'demo', 3 => 'x' x 200_000))),
   "8 REQUEST_TOO_LARGE\n", 'gRPC: what is longer than that');
is(status(call('ListCertificates', proto(1 => 'demo'),
               authorization => undef)),
   "16 CALLER_REQUIRED\n", 'gRPC: without a token');
is(status(call("${SERVICES}iam.v1.IamTokenService/Create", '')),
   "12 RPC_NOT_FOUND\n", 'gRPC: a service that is not there');
is(status(call('/grpc.health.v1.Health/Check', '')),
   "12 RPC_NOT_FOUND\n", 'gRPC: outside of its location');
is(status(call("${SERVICES}endpoint.ApiEndpointService/List", '',
               authorization => undef)), "ok\n", 'gRPC: the endpoints');

# more than nginx's own limits of a connection
is(scalar(grep { status(call('ListCertificates', proto(1 => 'demo')))
                 ne "ok\n" } 1 .. 1100), 0, 'gRPC: 1,100 calls, none lost');
is($h2->{goaway}, undef, 'gRPC: on one connection');

kill 'TERM', $pid;

ok(wait_until(\&ended, 30), 'it stops');
is($status, 0, '... with 0');
like(output(), qr/^stopped;/m, '... and says so');
is(IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $grpc_port),
   undef, '... with its nginx');

done_testing();


# conf/ with a module that is built, and whose needs are met

sub copy {
    my $copy = tempdir(CLEANUP => 1);

    mkdir "$copy/$_" for '.ci', 'build', 'build/dynamic';

    system('cp', '-R', "$root/conf", $copy) == 0 or die 'cp';
    symlink $module, "$copy/build/dynamic/ngx_http_iot_module.so" or die $!;
    symlink '/bin/true', "$copy/.ci/$_" or die $!
        for 'deps', 'build-dynamic';

    return $copy;
}


sub start {
    my $parent = $$;
    my $child = fork() // die "fork: $!";

    return $child if $child;

    die_with_parent($parent);

    open STDIN, '<', '/dev/null';
    open STDOUT, '>', "$dir/output";
    open STDERR, '>&', \*STDOUT;

    @ENV{qw(PORT GRPC_PORT)} = ($port, $grpc_port);

    exec "$dir/conf/run" or POSIX::_exit(127);
}


sub ended {
    return 1 if defined $status;
    return 0 if waitpid($pid, POSIX::WNOHANG()) != $pid;

    $status = $?;
    return 1;
}


sub output { return -e "$dir/output" ? Iot::slurp("$dir/output") : '' }


sub call {
    my ($method, $proto, @given) = @_;

    @given = (authorization => "Bearer $token") unless @given;

    return Iot::Grpc->call($h2, $method, $proto, @given);
}


END {
    my $was = $?;

    if ($pid && !ended()) {
        kill 'TERM', $pid;
        wait_until(\&ended, 30);
    }

    $? = $was;
}
