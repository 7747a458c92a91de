package Faults::Gateway;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The nginx of a round, and what can happen to it.
#
#     my $gateway = Faults::Gateway->start(STORE directives);
#
#     $gateway->{nginx}               an Iot::Nginx
#     $gateway->registry(NAME)        creates one; its id
#     $gateway->worker_kill(DICE), ->reload, ->quit
#     $gateway->stop                  what there is to complain of

use strict;
use warnings;

use Iot qw(free_port http_config json wait_until);
use Iot::Nginx;
use JSON::PP;
use Time::HiRes qw(sleep time);

my $WORKERS = 2;


sub start {
    my ($class, $store) = @_;

    my $port = free_port();
    my $nginx = Iot::Nginx->start(workers => $WORKERS,
        main => 'worker_shutdown_timeout 10s;',
        http => http_config() =~ s/server [^;]*;/
            $store timeout 1s; connect_timeout 500ms;/rx,
        server => <<'_EOC_' . <<"_EOC_");
    keepalive_requests 1000000;
    keepalive_timeout 10m;
    client_body_buffer_size 512k;

    location /iot-devices/ {
        iot_api main;
    }

    location /later/ {
        rewrite ^/later(/.*)$ $1 break;
        iot_api main;
        iot_completion backend;
    }

    location /import/ {
        rewrite ^/import(/.*)$ $1 break;
        client_max_body_size 10m;
        iot_api main;
        iot_import on;
    }

    location /operations/ {
        iot_operations main;
    }

    location /backend/ {
        rewrite ^/backend(/.*)$ $1 break;
        iot_complete main;
    }
    }

    server {
_EOC_
        listen 127.0.0.1:$port http2;
        client_body_buffer_size 512k;
        keepalive_requests 1000000;

        location / {
            iot_grpc main;
        }
_EOC_

    $nginx->{rpc_port} = $port;

    return bless { nginx => $nginx, killed => {} }, $class;
}


sub registry {
    my ($self, $name) = @_;

    my $answer;

    wait_until(sub {
        $answer = $self->{nginx}->request('POST',
            '/iot-devices/v1/registries',
            json({ folderId => 'plants', name => $name }));
        return $answer->{status} == 200;
    }, 30) or die "no registry: $answer->{status} $answer->{body}\n";

    return decode_json($answer->{body})->{metadata}{registryId};
}


sub worker_kill {
    my ($self, @dice) = @_;

    my $nginx = $self->{nginx};
    my @workers = sort { $a <=> $b } $nginx->workers;
    my $pid = $workers[$dice[0] * @workers];

    $self->{killed}{$pid} = 1;
    kill 'KILL', $pid;

    wait_until(sub {
        my @now = $nginx->workers;
        @now == $WORKERS && !grep { $_ == $pid } @now;
    }, $Iot::Nginx::PATIENCE) or die "no new worker\n";

    return time;
}


# the next fault meets one generation of workers

sub reload {
    my ($self) = @_;

    $self->{nginx}->reload or die "nginx did not reload\n";

    my $since = time;

    wait_until(sub { $self->{nginx}->workers == $WORKERS },
               $Iot::Nginx::PATIENCE) or die "old workers do not leave\n";

    return $since;
}


sub quit {
    my ($self, @dice) = @_;

    my $said = $self->{nginx}->stop;

    die "$said\n" if $said =~ /did not stop|ended with status/;

    sleep 0.3 * $dice[0];
    $self->{nginx}->launch;

    return time;
}


# only workers that were killed may have died

sub stop {
    my ($self) = @_;

    my $said = $self->{nginx}->stop;

    return grep { !/worker process (\d+) exited on signal 9$/
                  || !$self->{killed}{$1} } split /\n/, $said;
}

1;
