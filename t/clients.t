#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# gRPC with Debian's grpcio, over TLS and in the clear; what Terraform's
# resource calls; and REST and gRPC side by side.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Iot;
use Iot::Client;
use Test::More;

for my $module (qw(grpc google.protobuf)) {
    plan(skip_all => "Debian's python3-grpcio or python3-protobuf is missing")
        if system("/usr/bin/python3 -c 'import $module' 2> /dev/null");
}

plan(skip_all => "Debian's protobuf-compiler is missing")
    if system('protoc --version > /dev/null 2>&1');

my $lab = Iot::Client->start(workers => 2, http => <<'_EOC_');
    map $iot_caller:$iot_registry_id:$iot_folder_id $allowed {
        volatile;
        "~^bob:." 0;
        default 1;
    }

    iot_access $allowed;
_EOC_

is($lab->python_messages, '', 'protoc knows what to do with proto/');

my %tls = (IOT_GRPC => $lab->tls, IOT_CA => $lab->ca, IOT_WORLD => 1,
           IOT_ENDPOINT => $lab->tls);
my %h2c = (IOT_GRPC => $lab->h2c, IOT_WORLD => 2,
           IOT_ENDPOINT => 'gw.example:8443');

$lab->python('grpcio over TLS', 'python_grpc.py', %tls);
$lab->python('grpcio in the clear', 'python_grpc.py', %h2c);
$lab->python('Terraform', 'terraform.py', %tls, IOT_WORLD => 3);
$lab->python('REST and gRPC', 'parity.py', %h2c, IOT_REST => $lab->rest);

is($lab->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();
