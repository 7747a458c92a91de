#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The audit trail: the log format that conf/nginx.conf ships writes one line of
# JSON for every request, whoever refused it, which leads to the operation and
# to the answer that the client has.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256_hex);
use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;

redis_start();
create_registry('fleet');

# as it is shipped

my ($format) = slurp("$FindBin::Bin/../conf/nginx.conf")
    =~ /^( +log_format  iot .*?;\n)/ms;

my $read = 0;

my @members = qw(time request_id address caller request method registry_id
                 fingerprint operation_id status code request_time store_time);

my $nginx = Iot::Nginx->start(
    http => http_config($format),
    server => <<'_EOC_');
        access_log logs/audit.log iot;
        client_max_body_size 64k;

        location /iot-devices/ {
            iot_api main;
            iot_import on;

            location /iot-devices/v1/registries/denied/ {
                iot_api main;
                iot_access 0;
            }
        }

        location /operations/ {
            iot_operations main;
        }

        location /limited/ {
            deny all;
            iot_api main;
        }
_EOC_

my $pem = certificate();
my $sha256 = sha256_hex(der($pem));
my $body = json({ certificateData => $pem });
my $path = '/iot-devices/v1/registries/fleet/certificates';
my $add = 'RegistryService.AddCertificate';

# what is sent, and what the line has to say: status, code, method, caller

for (['an add', [POST => $path, $body], 200, 'OK', $add, 'alice'],
     ['another caller', [POST => $path, $body, Authorization => 'Bearer bob'],
      409, 'ALREADY_EXISTS', $add, 'bob'],
     ['nobody', [POST => $path, $body, Authorization => 'x'], 401,
      'UNAUTHENTICATED', $add, ''],
     ['no access', [POST => $path =~ s/fleet/denied/r, $body], 403,
      'PERMISSION_DENIED', $add, 'alice'],
     ['nginx says no', [GET => '/limited/'], 403, 'PERMISSION_DENIED', '',
      'alice'],
     ['no route', [GET => '/iot-devices/v2'], 404, 'NOT_FOUND', '', 'alice'],
     ['no location', [GET => '/'], 404, '', '', 'alice'],
     ['another verb', [PUT => $path], 405, 'UNIMPLEMENTED', '', 'alice'],
     ['no JSON', [POST => $path, '{'], 400, 'INVALID_ARGUMENT', $add,
      'alice'],
     ['too large', [POST => $path, ' ' x 70_000], 413, 'INVALID_ARGUMENT',
      $add, 'alice'],
     ['a host that is none', [GET => $path, undef, Host => ' '], 400,
      'INVALID_ARGUMENT', 'RegistryService.ListCertificates', 'alice'],
     ['a list', [GET => $path], 200, 'OK', 'RegistryService.ListCertificates',
      'alice'],
     ['a certificate', [GET => "$path/$sha256"], 200, 'OK',
      'RegistryService.GetCertificate', 'alice'],
     ['none', [GET => "$path/" . '0' x 64], 404, 'NOT_FOUND',
      'RegistryService.GetCertificate', 'alice'],
     ['an import', [POST => "$path:import", '[]'], 200, 'OK',
      'RegistryService.ImportCertificates', 'alice'],
     ['a delete', [DELETE => "$path/$sha256"], 200, 'OK',
      'RegistryService.DeleteCertificate', 'alice'],
     ['quotation marks and controls', [GET => "$path/\"\\%22%0a%00"], 400,
      'INVALID_ARGUMENT', '', ''],
     ['a path that would break a line',
      [GET => '/iot-devices/"},{"caller":"mallory%0a\\'], 404, 'NOT_FOUND',
      '', 'alice'])
{
    my ($what, $request, $status, $code, $method, $caller) = @$_;

    my $got = $nginx->request(@$request);
    my $line = line();

    is(join(',', map { $_->[0] } @{ $line->{pairs} }), join(',', @members),
       "$what: a line with all members");

    my %said = map { @$_ } @{ $line->{pairs} };

    is("$said{status} $said{code} $said{method} $said{caller}",
       "$status $code $method $caller", "$what: what the line says");
    is($said{request_id}, $got->{headers}{'x-request-id'},
       "$what: the request id that the client has")
        if defined $got->{headers}{'x-request-id'};
    is($said{registry_id}, $request->[1] =~ /denied/ ? 'denied' : 'fleet',
       "$what: registry") if $method;

    if ($what =~ /^an add|^a delete/) {
        is($said{fingerprint}, $sha256, "$what: fingerprint");
        is($said{operation_id}, decode_json($got->{body})->{id},
           "$what: the operation that it made");

        my $operation = decode_json($nginx->request('GET',
            "/operations/$said{operation_id}")->{body});
        line();

        is($operation->{createdBy}, $said{caller}, "$what: whose it is");
        is($operation->{metadata}{fingerprint}, $said{fingerprint},
           "$what: what it is about");
    }
}

is($nginx->stop, '', 'nginx stops');

done_testing();


# ---- helpers --------------------------------------------------------------

# the next line of the log, which comes a little after the answer: its members
# in their order

sub line {
    my @lines;

    $read++;

    wait_until(sub {
        @lines = split /^/, slurp($nginx->path('logs/audit.log'));
        return @lines >= $read && $lines[-1] =~ /\n\z/;
    });

    is(scalar @lines, $read, 'a line for the request');

    my $value = eval { decode_json($lines[-1]) } || {};

    # no value has a member's name, a colon and a quotation mark unescaped
    return { pairs => [ map { [ $_, $value->{$_} ] }
                            $lines[-1] =~ /(?<=[{,])"(\w+)":"/g ] };
}


sub slurp {
    my ($name) = @_;

    local $/;
    open my $file, '<:raw', $name or return '';
    return scalar(<$file>) // '';
}
