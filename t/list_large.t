#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A registry of 100,000 certificates: its list comes whole and in order, over
# every protocol, in bounded memory and while others are served; and when it
# cannot come whole, no client takes it for a short one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use File::Temp;
use Iot;
use Iot::Nginx;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

# a sanitizer and valgrind make everything slower: a tenth will do, of larger
# ones, since a list that fits into the sockets' buffers waits for nobody
my $instrumented = $ENV{ASAN_OPTIONS} || $ENV{TEST_NGINX_USE_VALGRIND};
my $count = $instrumented ? 10_000 : 100_000;

# bytes of a certificate's DER
my $size = $instrumented ? 2400 : 120;

# how much more memory a worker may take for lists, in kilobytes
my $memory = 20_000;

my $dir = File::Temp->newdir('iot-list-XXXXXX', TMPDIR => 1);
my $tls = free_port();
my $plain = free_port();
my $list = '/iot-devices/v1/registries/fleet/certificates';

$SIG{PIPE} = 'IGNORE';

redis_start();
create_registry('fleet');

my @fingerprints = put_certificates('fleet', $count, size => $size);
my $expected = '{"certificates":[' . join(',', map { element($_) }
                                              0 .. $count - 1) . ']}';

write_file('server.pem', certificate(name => 'gateway'));
write_file('server.key', private_key(name => 'gateway'));

my $locations = <<'_EOC_';
    send_timeout 2s;
    keepalive_requests 1000000;

    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }

    location /zip/ {
        gzip on;
        gzip_types *;
        rewrite ^/zip(/.*)$ $1 break;
        iot_api main;
    }

    location /slow/ {
        limit_rate 600k;
        gzip on;
        gzip_types *;
        rewrite ^/slow(/.*)$ $1 break;
        iot_api main;
    }
_EOC_

my $nginx = Iot::Nginx->start(
    http => http_config(),
    server => <<"_EOC_",
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

my @protocols = (
    { name => 'HTTP/1.1', url => $http, options => ['--http1.1'] },
    { name => 'HTTP/1.0', url => $http, options => ['--http1.0'] },
    { name => 'HTTP/2', url => "http://127.0.0.1:$plain",
      options => ['--http2-prior-knowledge'] },
    { name => 'HTTP/1.1 over TLS', url => "https://127.0.0.1:$tls",
      options => ['-k', '--http1.1'] },
    { name => 'HTTP/2 over TLS', url => "https://127.0.0.1:$tls",
      options => ['-k', '--http2'] },
);

# the worker has made its connections
is($nginx->request('GET', "$list?pageSize=1")->{status}, 200, 'a short list');

my $peak = peak();

whole($_) for @protocols;
in_pages();
compressed();
at_a_limited_rate($_) for @protocols;
at_a_limited_rate($protocols[0], '--compressed');
others_meanwhile($_) for @protocols[0, 2];
clients_stop(@protocols);
client_leaves($_) for @protocols;
breaks_off($_) for @protocols;
store_killed(@protocols);

SKIP: {
    skip 'memory is not what it is with a sanitizer', 1 if $instrumented;

    my $grown = peak() - $peak;

    cmp_ok($grown, '<', $memory, "memory of the worker grew by $grown kB");
}

is(scalar $nginx->workers, 1, 'one worker, the first one');
is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# ---- what is tested -------------------------------------------------------

sub whole {
    my ($protocol) = @_;

    my $got = fetch($protocol, $list);

    is($got->{exit}, 0, "$protocol->{name}: curl is content");
    is($got->{status}, 200, "$protocol->{name}: 200");
    is_whole($got->{body}, "$protocol->{name}: the whole list, in order");
}


sub in_pages {
    my ($token, @seen) = '';

    for (1 .. 1 + $count / 1000) {
        my $got = fetch($protocols[0], "$list?pageSize=1000&pageToken=$token");

        push @seen, $got->{body} =~ /"fingerprint":"(\w+)"/g;
        ($token) = $got->{body} =~ /"nextPageToken":"([\w-]+)"/ or last;
    }

    ok("@seen" eq "@fingerprints", 'in pages of 1000: all, in order');
}


sub compressed {
    my $got = fetch($protocols[0], "/zip$list", '--compressed');

    is($got->{exit}, 0, 'gzip: curl is content');
    is_whole($got->{body}, 'gzip: the whole list, in order');
}


# limit_rate delays writes by a timer of its own

sub at_a_limited_rate {
    my ($protocol, @options) = @_;

    my $name = "$protocol->{name}, limit_rate @options";
    my $page = $instrumented ? 250 : 1000;
    my $got = fetch($protocol, "/slow$list?pageSize=$page", @options);

    is($got->{exit}, 0, "$name: curl is content");
    is(scalar(() = $got->{body} =~ /"fingerprint"/g), $page,
       "$name: all of it");
}


# A client that reads when it likes to has a list that has not ended; others
# are answered, and the list is whole at the end.

sub others_meanwhile {
    my ($protocol) = @_;

    my $slow = begin($protocol, $list, '--limit-rate', '300K');

    ok(wait_until(sub { size($slow) }), "$protocol->{name}: a slow client");

    for my $n (1 .. 20) {
        my $get = $nginx->request('GET', "$list/$fingerprints[-$n]");
        is($get->{status}, 200, "$protocol->{name}: another request");
    }

    my $whole = fetch($protocol, $list);
    is_whole($whole->{body}, "$protocol->{name}: another list");

    ok(!ended($slow), "$protocol->{name}: the slow one has not ended yet");

    cancel($slow);
}


sub clients_stop {
    ok(wait_until(sub { connections() == 0 }), 'no clients');

    my @clients = map { begin($_, $list, '--limit-rate', '300K') } @_;

    ok(wait_until(sub { !grep { !size($_) } @clients }), 'clients begin');
    kill 'STOP', map { $_->{pid} } @clients;

    is(connections(), scalar @clients, 'they are connected');
    ok(wait_until(sub { connections() == 0 }, 20),
       'send_timeout closes who does not read');

    cancel($_) for @clients;
    is_served($_) for @_;
}


sub client_leaves {
    my ($protocol) = @_;

    for my $bytes (1, 100_000, 3_000_000) {
        my $client = begin($protocol, $list);

        wait_until(sub { size($client) >= $bytes || ended($client) });
        cancel($client);
    }

    is_served($protocol);
}


# a record that this gateway does not know, far behind

sub breaks_off {
    my ($protocol) = @_;
    my $name = $protocol->{name};

    my $half = $count / 2;
    my $key = registry_tag('fleet') . ":c:fleet:$fingerprints[$half]";
    my $before = log_lines('an answer broke off in the middle');

    redis('SETRANGE', $key, 0, "\2");
    my $got = fetch($protocol, $list);
    redis('SETRANGE', $key, 0, "\1");

    is_cut($protocol, $got, "a newer record");
    # HTTP/2 may drop what was not sent when it resets the stream
    my $seen = () = $got->{body} =~ /"fingerprint"/g;

    cmp_ok($seen, $name =~ /^HTTP\/2/ ? '<=' : '==', $half,
           "$name, a newer record: what came before it is there");
    cmp_ok(log_lines('an answer broke off in the middle'), '>', $before,
           "$name, a newer record: it is logged");
    is_served($protocol);
}


sub store_killed {
    my $before = log_lines('an answer broke off in the middle');
    my @clients = map { begin($_, $list, '--limit-rate', '2M') } @_;

    ok(wait_until(sub { !grep { !size($_) } @clients }), 'clients begin');

    redis_stop('KILL');

    is_cut($_, finish(shift @clients), 'Redis killed') for @_;

    is(log_lines('an answer broke off in the middle'), $before + @_,
       'Redis killed: each of them is logged');

    redis_start();
    create_registry('fleet');
    put_certificates('fleet', 1000);

    ok(wait_until(sub {
        $nginx->request('GET', "$list?pageSize=1")->{status} == 200
    }, 20), 'Redis is back');

    is_served($_) for @_;
}


# ---- what is expected -----------------------------------------------------

# number n of the list, as put_certificates() makes it

sub element {
    my ($n) = @_;

    my $at = 1790000000000 + $n;
    my $pem = pem(pack "A$size", "$n ");

    return sprintf '{"registryId":"fleet","fingerprint":"%s",'
        . '"certificateData":"%s","createdAt":"%s.%03dZ"}',
        $fingerprints[$n], $pem =~ s/\n/\\n/gr,
        POSIX::strftime('%FT%T', gmtime int $at / 1000), $at % 1000;
}


sub is_whole {
    my ($body, $name) = @_;

    # not is(): no one wants to read the difference
    ok($body eq $expected, $name);
}


# the status has gone out before: only the end of the answer can tell

sub is_cut {
    my ($protocol, $got, $why) = @_;
    my $name = "$protocol->{name}, $why";

    is($got->{status}, 200, "$name: it had begun");
    unlike(substr($got->{body}, -100), qr/\]/, "$name: no end of the list");
    ok($got->{body} eq substr($expected, 0, length $got->{body}),
       "$name: what came is the beginning of the list");

    # without chunks and a length the end of the connection is the end
    isnt($got->{exit}, 0, "$name: curl tells that it is not all")
        if $protocol->{name} ne 'HTTP/1.0';

    is($got->{exit}, 92, "$name: by a stream error")
        if $protocol->{name} =~ /^HTTP\/2/;
}


sub is_served {
    my ($protocol) = @_;

    is(fetch($protocol, "$list?pageSize=150")->{exit}, 0,
       "$protocol->{name}: the next one is served");
}


# ---- clients --------------------------------------------------------------

my $number;

sub begin {
    my ($protocol, $path, @options) = @_;

    my $file = "$dir/" . ++$number;

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$file.status";
        open STDERR, '>', "$file.error";
        exec 'curl', '-sS', '-N', '--max-time', 100, @{ $protocol->{options} },
            '-H', 'Authorization: Bearer alice', '-o', "$file.body",
            '-w', '%{http_code}', @options, "$protocol->{url}$path"
            or POSIX::_exit(127);
    }

    return { pid => $pid, file => "$file.body", status_file => "$file.status" };
}


sub size { return -s $_[0]{file} // 0 }


sub ended {
    my ($client) = @_;

    if (!defined $client->{exit}
        && waitpid($client->{pid}, POSIX::WNOHANG()) > 0)
    {
        $client->{exit} = $? >> 8;
    }

    return defined $client->{exit} ? 1 : 0;
}


sub finish {
    my ($client) = @_;

    wait_until(sub { ended($client) }, 100) or cancel($client);

    my $got = { exit => $client->{exit}, body => slurp($client->{file}),
                status => slurp($client->{status_file}) };

    unlink $client->{file};

    return $got;
}


sub cancel {
    my ($client) = @_;

    return if ended($client);

    kill 'KILL', $client->{pid};
    waitpid $client->{pid}, 0;
    $client->{exit} = -1;
    unlink $client->{file};
}


sub fetch { return finish(begin(@_)) }


# ---- the worker -----------------------------------------------------------

# in kilobytes, since it began

sub peak {
    my ($pid) = $nginx->workers;

    return slurp("/proc/$pid/status") =~ /^VmHWM:\s+(\d+)/m ? $1 : 0;
}


# how many clients are connected to it

sub connections {
    my ($pid) = $nginx->workers;
    my %port = map { sprintf('%04X', $_) => 1 } $nginx->port, $plain, $tls;
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
