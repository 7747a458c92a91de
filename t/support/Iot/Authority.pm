package Iot::Authority;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# An authority for the TLS of Redis:
#
#     my $ca = Iot::Authority->new('ca');
#
#     $ca->file                       its certificate, PEM
#     $ca->certificate(NAME, names => 'DNS:a.example.com,IP:127.0.0.1',
#                      days => 2)     the path without .pem and .key; the names
#                                     are by default 127.0.0.1 and localhost,
#                                     with days => -1 it has expired

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);

use lib dirname(abs_path(__FILE__)) . '/../../redis-module/lib';
use RedisLab ();

my @KEY = ('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes');


sub new {
    my ($class, $name) = @_;

    my $path = RedisLab::lab_dir() . "/$name";
    my $self = bless { path => $path, serial => 0 }, $class;

    openssl('req', '-x509', @KEY, '-subj', "/CN=$name", '-days', 2,
            '-keyout', "$path.key", '-out', "$path.pem");

    return $self;
}


sub file { return "$_[0]{path}.pem" }


sub certificate {
    my ($self, $name, %of) = @_;

    my $path = "$self->{path}-$name";
    my $names = $of{names} // 'IP:127.0.0.1,DNS:localhost';

    open my $file, '>', "$path.ext" or die "$path.ext: $!";
    print $file "subjectAltName = $names\n";
    close $file;

    openssl('req', @KEY, '-subj', "/CN=$name", '-keyout', "$path.key",
            '-out', "$path.csr");
    openssl('x509', '-req', '-in', "$path.csr", '-CA', "$self->{path}.pem",
            '-CAkey', "$self->{path}.key", '-set_serial', ++$self->{serial},
            '-days', $of{days} // 2, '-extfile', "$path.ext",
            '-out', "$path.pem");

    return $path;
}


sub openssl {
    my (@command) = @_;

    my $log = RedisLab::lab_dir() . '/openssl.log';
    my $pid = RedisLab::spawn($log, 'openssl', @command);

    RedisLab::reap($pid) == 0
        or die "openssl @command: " . RedisLab::slurp($log);
}

1;
