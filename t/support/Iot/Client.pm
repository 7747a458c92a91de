package Iot::Client;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A gateway for clients that others have made, and programs in their languages
# that use it.  What such a program tells in TAP are tests of the test here.
#
#     my $lab = Iot::Client->start;      http => TEXT, workers => N
#
#     $lab->tls, $lab->h2c, $lab->rest   host:port of each; endpoints are at
#                                        gw.example:8443 by that in the clear
#     $lab->ca                           PEM file of who signed for localhost
#     $lab->run(NAME, ENVIRONMENT, COMMAND ...)
#     $lab->stop
#
# A program finds in its environment IOT_CERTIFICATE, a certificate's file that
# it can make others of, IOT_REDIS, the socket of Redis, IOT_PID of nginx, and
# what ENVIRONMENT, a hash, has.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Temp;
use Iot;
use Iot::Authority;
use Iot::Child qw(die_with_parent);
use Iot::Nginx;
use POSIX ();
use Test::More;

# seconds that a program may take
my $LIMIT = 300;

my $root = abs_path(dirname(__FILE__) . '/../../..');


sub start {
    my ($class, %of) = @_;

    redis_start();

    my $self = bless {
        dir => File::Temp->newdir('iot-client-XXXXXX', TMPDIR => 1),
        authority => Iot::Authority->new('clients'),
        map { $_ => free_port() } qw(tls h2c),
    }, $class;

    my $server = $self->{authority}->certificate('localhost',
        names => 'DNS:localhost,IP:127.0.0.1');

    open my $file, '>', "$self->{dir}/device.pem" or die "device.pem: $!\n";
    print $file certificate(name => 'device');
    close $file;

    $self->{nginx} = Iot::Nginx->start(
        http => http_config($of{http}), workers => $of{workers},
        server => services() . <<"_EOC_");
    }

    server {
        listen 127.0.0.1:$self->{tls} ssl http2;
        ssl_certificate $server.pem;
        ssl_certificate_key $server.key;
        @{[ services() ]}
    }

    server {
        listen 127.0.0.1:$self->{h2c} http2;
        @{[ services('iot_endpoints gw.example:8443;') ]}
_EOC_

    return $self;
}


# more is for the location of iot_grpc; limits are those of conf/nginx.conf

sub services {
    my ($more) = @_;

    $more //= '';

    return <<"_EOC_";
        keepalive_requests 1000000;
        client_max_body_size 512k;
        client_body_buffer_size 16k;

        location /iot-devices/ {
            iot_api main;
        }

        location /operations/ {
            iot_operations main;
        }

        location /endpoints {
            iot_endpoints;
        }

        location /yandex.cloud. {
            iot_grpc main;
            $more
        }
_EOC_
}


sub tls { return "localhost:$_[0]{tls}" }
sub h2c { return "127.0.0.1:$_[0]{h2c}" }
sub rest { return '127.0.0.1:' . $_[0]{nginx}->port }
sub ca { return $_[0]{authority}->file }
sub nginx { return $_[0]{nginx} }
sub dir { return "$_[0]{dir}" }


# the messages of proto/ for Python; '' or what went wrong

sub python_messages {
    my ($self) = @_;

    my @files = map { s{^\Q$root\E/proto/}{}r }
                map { glob "$root/proto/$_" }
                    qw(*.proto google/*/*.proto yandex/cloud/*/*.proto
                       yandex/cloud/*/*/*.proto yandex/cloud/*/*/*/*.proto);

    mkdir "$self->{dir}/python" or die "mkdir: $!\n";

    return system('protoc', '-I', "$root/proto",
                  "--python_out=$self->{dir}/python", @files)
           ? 'protoc failed' : '';
}


# a test in Python, in t/clients/

sub python {
    my ($self, $name, $script, %environment) = @_;

    $environment{PYTHONPATH} = "$self->{dir}/python";
    $environment{PYTHONDONTWRITEBYTECODE} = 1;

    $self->run($name, \%environment, '/usr/bin/python3',
               "$root/t/clients/$script");
}


sub run {
    my ($self, $name, $environment, @command) = @_;

    my $parent = $$;
    my ($plan, $tests) = (0, 0);
    my $pid = open my $out, '-|';

    die "fork: $!\n" if !defined $pid;

    if ($pid == 0) {
        die_with_parent($parent);
        alarm $LIMIT;

        %ENV = (%ENV, IOT_REDIS => redis_address() =~ s/^unix://r,
                IOT_CERTIFICATE => "$self->{dir}/device.pem",
                IOT_PID => $self->{nginx}->pid, %$environment);

        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    while (my $line = <$out>) {
        chomp $line;

        if ($line =~ /^(not )?ok \d+ - (.*)/) {
            ok(!$1, "$name: $2");
            $tests++;

        } elsif ($line =~ /^1\.\.(\d+)$/) {
            $plan = $1;

        } else {
            diag("$name: $line");
        }
    }

    close $out;

    # a "not ok" was counted above
    ok($tests && $plan == $tests && ($? == 0 || $? >> 8 == 1),
       "$name: $tests tests, to the end");
}


sub stop { return $_[0]{nginx}->stop }

1;
