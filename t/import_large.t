#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# 50,000 certificates in one import: in bounded memory and while others are
# served; for clients that do not read, or leave, and when Redis dies in the
# middle; over every protocol.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use Digest::SHA qw(sha256_hex);
use File::Temp;
use IO::Select;
use IO::Socket::INET;
use Iot;
use Iot::Nginx;
use POSIX ();
use Socket qw(SOL_SOCKET SO_RCVBUF);
use Test::More;
use Time::HiRes qw(sleep);

# a sanitizer and valgrind make everything slower
my $instrumented = $ENV{ASAN_OPTIONS} || $ENV{TEST_NGINX_USE_VALGRIND};
my $count = $instrumented ? 5_000 : 50_000;
my $few = $count / 10;

# how much more memory a worker may take for imports, in kilobytes
my $memory = 16_000;

my $dir = File::Temp->newdir('iot-import-XXXXXX', TMPDIR => 1);
my $tls = free_port();
my $plain = free_port();
my $small = free_port();
my $path = '/iot-devices/v1/registries/fleet/certificates';

$SIG{PIPE} = 'IGNORE';

my @redis = ('--appendonly', 'yes', '--slowlog-log-slower-than', 0,
             '--slowlog-max-len', 1_000_000);

redis_start(@redis);

write_file('server.pem', certificate(name => 'gateway'));
write_file('server.key', private_key(name => 'gateway'));

my ($body, @fingerprints) = make_body($count);

write_file('body', $body);
write_file('few', (make_body($few))[0]);

my $locations = <<'_EOC_';
    client_max_body_size 200m;
    keepalive_requests 1000000;

    location /iot-devices/ {
        iot_api main;
        iot_import on;
    }
_EOC_

my $nginx = Iot::Nginx->start(
    http => http_config(),
    server => <<"_EOC_",
        $locations
    }

    server {
        listen 127.0.0.1:$small sndbuf=8k;
        $locations
    }

    server {
        listen 127.0.0.1:$plain http2;
        $locations
    }

    server {
        listen 127.0.0.1:$tls ssl http2;
        ssl_certificate $dir/server.pem;
        ssl_certificate_key $dir/server.key;
        $locations
_EOC_
);

my $http = 'http://127.0.0.1:' . $nginx->port;

# the worker has made its connections, and all that it needs for one import
begin();
imports($http, 'few', [], $few);

my $peak = peak();

all_at_once();
malformed_at_the_end();
a_client_that_does_not_read();
clients_that_leave();
redis_dies();
over_protocols();

SKIP: {
    skip 'memory is not what it is with a sanitizer', 1 if $instrumented;

    my $grown = peak() - $peak;

    cmp_ok($grown, '<', $memory, "memory of the worker grew by $grown kB");
}

is(scalar $nginx->workers, 1, 'one worker, the first one');
quits_after_it();

done_testing();


# ---- what is tested -------------------------------------------------------

# Another request has its answer from the store before the body was looked
# through, and others have theirs between the batches.

sub all_at_once {
    begin();

    my $half = length($body) - 1;
    my $import = connection($nginx->port);
    my $other = connection($nginx->port);
    my ($worker) = $nginx->workers;

    print $import head(length $body), substr $body, 0, $half;

    # all of it was received when only the last byte is missing

    ok(wait_until(sub { body_file_size($worker) >= $half - 200_000 }, 60),
       'the body goes to a file');

    redis('SLOWLOG', 'RESET');

    kill 'STOP', $worker;
    ok(wait_until(sub { is_stopped($worker) }), 'the worker is stopped');
    print $import substr $body, $half;
    get($other, $fingerprints[0]);
    kill 'CONT', $worker;

    is(Iot::Nginx::read_answer($other)->{status}, 404,
       'another request is answered');

    my $got = '';
    my $asked = 0;

    while (sysread $import, $got, 65536, length $got) {

        if ($asked < 10) {
            get($other, $fingerprints[0]);
            Iot::Nginx::read_answer($other);
            $asked++;
        }
    }

    my ($head, $answer, $whole) = chunks($got);

    like($head, qr{^HTTP/1\.1 200 }, 'the import is answered');
    is($whole, 1, 'the answer is whole');
    is_imported($answer, $count, 'all of them');

    # the calls of scripts in their order; those that read have two keys, and
    # an import's call without certificates has eight

    my @keys = map { $_->[3][2] } grep { $_->[3][0] eq 'EVALSHA' }
               reverse @{ redis('SLOWLOG', 'GET', -1) };
    my $order = join ' ', @keys;

    like($order, qr/^[1-4] 8 /, 'another was served before the body was read');
    like($order, qr/ 108 [1-4] .* 108 [1-4] .* 108 [1-4] .* 108/,
         'others were served between the batches');
    cmp_ok(scalar(grep { $_ > 108 } @keys), '==', 0, 'no batch has more');
}


sub malformed_at_the_end {
    begin();
    write_file('bad', substr($body, 0, -1) . ",{\"a\":\"\xff\"}]");

    my $got = fetch($http, 'bad');

    is($got->{status}, 400, 'malformed at the end: 400');
    is(redis('DBSIZE'), 1, 'malformed at the end: nothing is written');
    unlink "$dir/bad";
}


# its answer fills the sockets, then the import waits; all goes on when it is
# read

sub a_client_that_does_not_read {
    begin();

    my $import = connection($small, 4096);

    print $import head(length $body), $body;

    ok(settles(), 'a client that does not read: the import waits');
    cmp_ok(imported(), '<', $count, 'in the middle, at ' . imported());

    is($nginx->request('GET', "$path/$fingerprints[-1]")->{status}, 404,
       'others are served');

    my ($head, $answer, $whole) = chunks(do { local $/; <$import> });

    is($whole, 1, 'when it reads the import goes on');
    is_imported($answer, $count, 'to the end');
}


sub clients_that_leave {
    begin();

    # while the body is received, and while it is looked through

    for my $bytes (length($body) / 2, length $body) {
        my $import = connection($nginx->port);

        print $import head(length $body), substr $body, 0, $bytes;
        close $import;
    }

    ok(wait_until(sub { connections() == 0 }, 60), 'clients that leave');
    is($nginx->request('GET', "$path?pageSize=1")->{status}, 200, 'are gone');

    # while it is written

    begin();

    my $import = connection($small, 4096);

    print $import head(length $body), $body;
    ok(settles(), 'the import waits for a client');
    close $import;

    ok(wait_until(sub { connections() == 0 }, 60), 'that leaves');

    my $n = imported();

    cmp_ok($n, '<', $count, "the import has ended in the middle, at $n");
    is(no_files(), '', 'no file of a body is left');

    my $answer = imports($http, 'body', [], $count);

    is($answer->{existing} + $answer->{imported}, $count,
       'the same import again completes it');
    cmp_ok($answer->{existing}, '>=', $n, 'what was there is reported');
    is(imported(), $count, 'all are there');
}


sub redis_dies {
    begin();

    my $before = log_lines('an answer broke off in the middle');
    my $import = connection($small, 4096);

    print $import head(length $body), $body;
    ok(settles(), 'the import waits');

    redis_stop('KILL');

    my ($head, $answer, $whole) = chunks(do { local $/; <$import> });

    like($head, qr{^HTTP/1\.1 200 }, 'Redis dies: it had begun');
    is($whole, 0, 'Redis dies: the answer has no end');
    unlike($answer, qr/counts/, 'Redis dies: nor any counts');
    is(log_lines('an answer broke off in the middle'), $before + 1,
       'Redis dies: it is logged');
    is(no_files(), '', 'Redis dies: no file of a body is left');

    redis_start(@redis);
    ok(wait_until(sub {
        $nginx->request('GET', "$path?pageSize=1")->{status} == 200
    }, 20), 'Redis is back');

    my $again = imports($http, 'body', [], $count);

    is($again->{existing} + $again->{imported}, $count,
       'the same import again completes it');
    cmp_ok($again->{existing}, '>', 0, 'what was acknowledged was kept');
    is(imported(), $count, 'all are there');
}


sub over_protocols {
    for (['HTTP/1.0', $http, '--http1.0'],
         ['HTTP/1.1, chunked', $http, '--http1.1', '-H',
          'Transfer-Encoding: chunked'],
         ['HTTP/1.1, 100-continue', $http, '-H', 'Expect: 100-continue'],
         ['HTTP/2', "http://127.0.0.1:$plain", '--http2-prior-knowledge'],
         ['HTTP/2, no length', "http://127.0.0.1:$plain",
          '--http2-prior-knowledge', '-H', 'Content-Length:'],
         ['HTTP/1.1 over TLS', "https://127.0.0.1:$tls", '-k', '--http1.1'],
         ['HTTP/2 over TLS', "https://127.0.0.1:$tls", '-k', '--http2'])
    {
        my ($name, $url, @options) = @$_;

        begin();

        my $answer = imports($url, 'few', \@options, $few, $name);

        is($answer->{imported}, $few, "$name: all are imported");
    }

    is(no_files(), '', 'no file of a body is left');
}


# a worker that is told to end waits for an import

sub quits_after_it {
    begin();

    my $import = connection($nginx->port);
    my ($worker) = $nginx->workers;

    print $import head(length $body), $body;
    ok(wait_until(sub { body_file_size($worker) >= length($body) - 200_000 },
                  60), 'the body is there');

    $nginx->signal('QUIT');

    my ($head, $answer, $whole) = chunks(do { local $/; <$import> });

    is($whole, 1, 'a worker that was told to end: the answer is whole');
    is_imported($answer, $count, 'and all is imported');
    is($nginx->stop, '', 'nginx stops, and its log has nothing to complain '
                         . 'of');
}


# ---- what is imported -----------------------------------------------------

# An export of n certificates, in lines as yc writes them, and what it has to
# be answered with.  The signature of a certificate is not looked at, so its
# last bytes may be a number.

sub make_body {
    my ($n) = @_;

    my $der = substr der(certificate()), 0, -4;
    my (@entries, @fingerprints);

    for my $i (1 .. $n) {
        my $one = $der . pack 'N', $i;
        my $fingerprint = sha256_hex($one);

        push @fingerprints, $fingerprint;
        push @entries, sprintf <<'_EOC_', $fingerprint,
  {
    "registry_id": "fleet",
    "fingerprint": "%s",
    "certificate_data": "%s",
    "created_at": "2020-01-01T%02d:%02d:%02d.123456789Z",
    "padding": "%s"
  }
_EOC_
            pem($one) =~ s/\n/\\n/gr, $i / 3600, $i / 60 % 60, $i % 60,
            '*' x 800;
    }

    return ("[\n" . join(",\n", @entries) . ']', @fingerprints);
}


sub begin {
    redis('FLUSHALL');
    create_registry('fleet');
}


sub imported { return redis('ZCARD', registry_tag('fleet') . ':z:fleet') }


# waits until the number of certificates has grown, and does not any more

sub settles {
    my $same = 0;
    my $n = 0;

    return wait_until(sub {
        my $now = imported();

        $same = $now && $now == $n ? $same + 1 : 0;
        $n = $now;
        sleep 0.05;

        return $same == 20;
    }, 120);
}


sub is_imported {
    my ($answer, $n, $name) = @_;

    my $rows = join ',', map {
        "{\"index\":$_,\"fingerprint\":\"$fingerprints[$_]\","
        . '"result":"IMPORTED"}'
    } 0 .. $n - 1;

    # not is(): no one wants to read the difference
    $answer =~ s/"operationId":"\w{20}",//;

    ok($answer eq "{\"registryId\":\"fleet\",\"rows\":[$rows],\"counts\":"
                  . "{\"entries\":$n,\"imported\":$n,\"existing\":0,"
                  . '"refused":0}}', "$name: rows and counts");
    is(imported(), $n, "$name: in Redis");
}


# ---- clients --------------------------------------------------------------

sub connection {
    my ($port, $buffer) = @_;

    my $socket = IO::Socket::INET->new(Proto => 'tcp') or die "socket: $!";

    setsockopt $socket, SOL_SOCKET, SO_RCVBUF, $buffer if $buffer;
    connect $socket, Socket::pack_sockaddr_in($port,
        Socket::inet_aton('127.0.0.1')) or die "connect: $!";
    $socket->autoflush(1);

    return $socket;
}


sub head {
    my ($length) = @_;

    return "POST $path:import HTTP/1.1\r\nHost: localhost\r\n"
        . "Authorization: Bearer alice\r\nConnection: close\r\n"
        . "Content-Length: $length\r\n\r\n";
}


sub get {
    my ($socket, $fingerprint) = @_;

    print $socket "GET $path/$fingerprint HTTP/1.1\r\nHost: localhost\r\n"
        . "Authorization: Bearer alice\r\n\r\n";
}


# head, body, and whether the last chunk came

sub chunks {
    my ($bytes) = @_;

    my ($head, $rest) = split /\r\n\r\n/, $bytes, 2;
    my $body = '';
    my $pos = 0;

    while (substr($rest, $pos, 20) =~ /^([0-9a-f]+)\r\n/i && hex $1) {
        my $size = hex $1;

        $pos += length($1) + 2;
        $body .= substr $rest, $pos, $size;
        $pos += $size + 2;
    }

    return ($head, $body,
            $pos <= length $rest && substr($rest, $pos) eq "0\r\n\r\n" ? 1
                                                                       : 0);
}


# posts a file with curl

sub fetch {
    my ($url, $name, @options) = @_;

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$dir/status";
        open STDERR, '>', "$dir/error";
        exec 'curl', '-sS', '--max-time', 300, '-H', 'Expect:', @options,
            '-H', 'Authorization: Bearer alice', '--data-binary',
            "\@$dir/$name", '-o', "$dir/answer", '-w', '%{http_code}',
            "$url$path:import"
            or POSIX::_exit(127);
    }

    waitpid $pid, 0;

    return { exit => $? >> 8, status => slurp("$dir/status"),
             body => slurp("$dir/answer") };
}


# the counts of an import that went well

sub imports {
    my ($url, $name, $options, $n, $what) = @_;

    $what //= $name;

    my $got = fetch($url, $name, @$options);
    my $rows = () = $got->{body} =~ /"index":\d+,"fingerprint":"\w{64}",/g;
    my %counts = $got->{body} =~ /"counts":\{(.*)\}\}\z/
                 ? $1 =~ /"(\w+)":(\d+)/g : (existing => -1, imported => -1);

    is("$got->{exit} $got->{status}", '0 200', "$what: 200, and whole");
    is($rows, $n, "$what: a row for each");

    return \%counts;
}


# ---- the worker -----------------------------------------------------------

sub is_stopped {
    return slurp("/proc/$_[0]/status") =~ /^State:\s+T/m;
}


# of the file, already unlinked, to which a body is written

sub body_file_size {
    my ($pid) = @_;

    for my $fd (glob "/proc/$pid/fd/*") {
        return -s $fd if (readlink($fd) // '') =~ m{/client_body/};
    }

    return 0;
}


sub no_files { return join ' ', glob $nginx->path('client_body/*') }


# in kilobytes, since it began

sub peak {
    my ($pid) = $nginx->workers;

    return slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m ? $1 : 0;
}


# how many clients are connected to it

sub connections {
    my ($pid) = $nginx->workers;
    my %port = map { sprintf('%04X', $_) => 1 } $nginx->port, $plain, $tls,
                                                $small;
    my %socket = map { (readlink($_) // '') =~ /^socket:\[(\d+)\]/ ? ($1, 1)
                                                                  : () }
                     glob "/proc/$pid/fd/*";

    # state 01 is ESTABLISHED, 08 CLOSE_WAIT: the client has closed
    return scalar grep { /^\s*\d+: \w+:(\w{4}) \S+ (?:01|08)/ && $port{$1}
                             && $socket{(split)[9]} }
        split /\n/, slurp('/proc/net/tcp');
}


# how many lines of the error log say so

sub log_lines {
    my ($text) = @_;

    return scalar(() = $nginx->error_log =~ /\Q$text\E/g);
}


sub write_file {
    my ($name, $content) = @_;

    open my $file, '>:raw', "$dir/$name" or die "$name: $!";
    print $file $content;
    close $file or die "$name: $!";
}


sub slurp {
    my ($name) = @_;

    local $/;
    open my $file, '<:raw', $name or return '';
    return scalar(<$file>) // '';
}
