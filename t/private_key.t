#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A private key that is sent by mistake, by every way that a certificate can
# come in, to a gateway that logs all it can: no part of it is in a log at any
# level, in Redis, in an answer, or in a file that stays.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use File::Find;
use Iot;
use Iot::Grpc qw(proto);
use Iot::H2;
use Iot::Nginx;
use MIME::Base64 ();
use Test::More;

# as much of a key as a log line might repeat
my $PIECE = 16;

my $registries = '/iot-devices/v1/registries';
my $pem = certificate(name => 'device');
my %keys = (
    'EC' => private_key(name => 'device'),
    'RSA' => private_key(name => 'rsa', key => 'rsa:2048'),
    'Ed25519' => private_key(name => 'ed', key => 'ed25519'),
);

redis_start();
create_registry('fleet shop');

my $nginx = Iot::Nginx->start(listen => 'http2', main => <<'_EOC_',
error_log logs/debug.log debug;
_EOC_
    http => http_config() . <<'_EOC_', server => locations());
    log_format all '$request $uri $args $http_authorization $iot_caller '
                   '$iot_method $iot_registry_id $iot_folder_id '
                   '$iot_operation_id '
                   '$iot_fingerprint $iot_code $sent_http_grpc_message';
_EOC_

my $rest = Iot::Nginx->start(main => <<'_EOC_',
error_log logs/debug.log debug;
_EOC_
    http => http_config() . <<'_EOC_', server => locations());
    log_format all '$request $uri $args $http_authorization $iot_caller '
                   '$iot_method $iot_registry_id $iot_folder_id '
                   '$iot_operation_id '
                   '$iot_fingerprint $iot_code';
_EOC_

for my $kind (sort keys %keys) {
    my $key = $keys{$kind};

    over_rest($kind, $key);
    over_grpc($kind, $key);
}

is($_->stop, '', 'nginx ends cleanly') for $nginx, $rest;

for my $kind (sort keys %keys) {
    my @found = grep { holds($keys{$kind}, Iot::Nginx::slurp($_)) } files();

    is("@found", '', "$kind: in no log, of any level, and in no file");
    ok(!holds($keys{$kind}, in_redis()), "$kind: not in Redis");
}

cmp_ok(length join('', map { Iot::Nginx::slurp($_) } grep { /debug/ } files()),
       '>', 100_000, 'the logs are those of the level debug');

done_testing();


sub locations {
    return <<'_EOC_';
    access_log logs/calls.log all;
    client_body_buffer_size 1k;
    iot_import on;

    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }

    location /yandex.cloud. {
        iot_grpc main;
    }
_EOC_
}


sub over_rest {
    my ($kind, $key) = @_;

    my $certificates = "$registries/fleet/certificates";
    my $element = { certificateData => "$pem$key" };

    my @requests = (
        [ 'alone', POST => $certificates, body($key) ],
        [ 'behind its certificate', POST => $certificates, body("$pem$key") ],
        [ 'on one line', POST => $certificates, body($key =~ s/\n//gr) ],
        [ 'in a body that is too large', POST => $certificates,
          body($key . 'x' x 500_000) ],
        [ 'as it is', POST => $certificates, $key ],
        [ 'in JSON that is none', POST => $certificates,
          '{"certificateData": "' . $key =~ s/\n/\\n/gr . '"' ],
        [ 'in another field', POST => $certificates,
          json({ certificateData => 'x', registryId => $key }) ],
        [ 'with another type', POST => $certificates,
          json({ certificateData => [ $key ] }) ],
        [ 'in Create', POST => $registries,
          json({ folderId => 'shop', name => 'new',
                 certificates => [ $element ] }) ],
        [ 'as a name', POST => $registries,
          json({ folderId => 'shop', name => $key }) ],
        [ 'as a folder', POST => $registries,
          json({ folderId => $key, name => 'new' }) ],
        [ 'as a password', POST => $registries,
          json({ folderId => 'shop', name => 'other', password => $key }) ],
        [ 'as a label', POST => $registries,
          json({ folderId => 'shop', name => 'third',
                 labels => { key => $key } }) ],
        [ 'in Update', PATCH => "$registries/fleet",
          json({ name => $key, updateMask => 'name' }) ],
        [ 'in an import', POST => "$certificates:import",
          json([ { certificate_data => "$pem$key" },
                 { certificate_data => $key } ]) ],
    );

    for my $request (@requests) {
        my ($how, @what) = @$request;
        my $answer = $rest->request(@what);

        isnt($answer->{status}, 0, "$kind, $how: answered");
        ok(!holds($key, $answer->{body} . join '', %{ $answer->{headers} }),
           "$kind, $how: the answer does not repeat it");
    }
}


sub over_grpc {
    my ($kind, $key) = @_;

    my $h2 = Iot::H2->new($nginx->port);

    my @calls = (
        [ 'alone', AddCertificate => proto(1 => 'fleet', 2 => $key) ],
        [ 'behind its certificate',
          AddCertificate => proto(1 => 'fleet', 2 => "$pem$key") ],
        [ 'as a registry', AddCertificate => proto(1 => $key, 2 => $pem) ],
        [ 'in a message that is none', AddCertificate => $key ],
        [ 'as a fingerprint', DeleteCertificate => proto(1 => 'fleet', 2 => $key) ],
        [ 'as a folder', Create => proto(1 => $key, 2 => 'new') ],
        [ 'as a name', Create => proto(1 => 'shop', 2 => $key) ],
    );

    for my $call (@calls) {
        my ($how, $method, $message) = @$call;
        my $answer = Iot::Grpc->call($h2, $method, $message);

        isnt($answer->{status}, 0, "$kind, gRPC, $how: answered");
        ok(!holds($key, join '', $answer->{data}, %{ $answer->{headers} },
                                 %{ $answer->{trailers} }),
           "$kind, gRPC, $how: the answer does not repeat it");
    }
}


# whether a text has any sixteen characters of the key's body, as they are or
# in base64

sub holds {
    my ($key, $text) = @_;

    my ($body) = $key =~ /-----\n(.*?)\n-----END/s;
    my @decoded = map { MIME::Base64::decode_base64($_) }
                      $text =~ m{([A-Za-z0-9+/]{40,})}g;

    # what all keys of a kind begin with is no secret
    $body =~ s/\n//g;
    $body = substr $body, 48;

    for my $at (0 .. length($body) - $PIECE) {
        my $piece = substr $body, $at, $PIECE;

        return 1 if grep { index($_, $piece) >= 0 } $text, @decoded;
    }

    return 0;
}


sub files {
    my @files;

    find({ no_chdir => 1, wanted => sub { push @files, $_ if -f } },
         map { "$_->{root}" } $nginx, $rest);

    return @files;
}


# all keys with all that they hold

sub in_redis {
    my $script = <<'_EOC_';
        local all = {}
        for _, key in ipairs(redis.call('KEYS', '*')) do
            all[#all + 1] = key
            all[#all + 1] = redis.call('DUMP', key)
            local kind = redis.call('TYPE', key).ok
            if kind == 'string' then
                all[#all + 1] = redis.call('GET', key)
            elseif kind == 'hash' then
                for _, v in ipairs(redis.call('HGETALL', key)) do
                    all[#all + 1] = v
                end
            end
        end
        return table.concat(all, ' ')
_EOC_

    return redis('EVAL', $script, 0);
}
