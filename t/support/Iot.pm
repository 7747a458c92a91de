package Iot;

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# What the server tests share: a private Redis, certificates, requests and the
# configuration around them.  It stands beside t/lib, not in it, so that the
# same .t files run under the CPAN Test::Nginx::Socket and under ours.

use strict;
use warnings;

use Cwd qw(abs_path);
use Digest::SHA qw(sha1 sha256 sha256_hex);
use File::Path ();
use File::Temp;
use IO::Socket::INET;
use IO::Socket::UNIX;
use JSON::PP;
use MIME::Base64 qw(decode_base64 encode_base64);
use POSIX ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(sleep time);

use base 'Exporter';
our @EXPORT = qw(
    redis on_cluster clustered with_rights redis_address redis_start
    redis_stop create_registry
    create_registry_at
    certificate private_key json body add_certificate read_json
    http_config wait_until free_port
    der pem dated utc_time gateway answer converse transcript
    registry_tag put_certificate put_certificates registry_certificate
    snapshot
);

my $owner = $$;
my $dir = File::Temp->newdir('iot-test-XXXXXX', TMPDIR => 1);
my $redis_pid;
my $cluster;
my %cache;

# workers may run as another user; the socket and the directory let them in
chmod 0755, "$dir";


# ---- Redis ----------------------------------------------------------------

# One private server per test file, on a unix socket in its own directory.

sub redis_address { return "unix:$dir/redis.sock" }

sub redis_start {
    my (@options) = @_;

    return if $redis_pid || $cluster;

    $redis_pid = fork() // die "fork: $!";

    if ($redis_pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$dir/redis.log";
        open STDERR, '>&', \*STDOUT;
        exec 'redis-server', '--port', 0, '--unixsocket', "$dir/redis.sock",
            '--unixsocketperm', 777, '--dir', "$dir", '--save', '',
            '--daemonize', 'no', @options
            or POSIX::_exit(127);
    }

    keep($redis_pid);

    wait_until(sub { eval { redis('PING') eq 'PONG' } })
        or die "redis-server did not start, see $dir/redis.log";

    $ENV{TEST_NGINX_REDIS} = redis_address();
}

sub redis_stop {
    my ($signal) = @_;

    return unless $redis_pid;

    kill $signal || 'TERM', $redis_pid;
    waitpid $redis_pid, 0;
    undef $redis_pid;
    keep(0);
}

# A test that is killed leaves nothing behind either: a process of its own is
# told who our Redis is, and cleans up when we are gone.

my $keeper;

sub keep {
    my ($pid) = @_;

    $keeper ||= start_keeper();
    syswrite $keeper, "$pid\n";
}

sub start_keeper {
    pipe my $read, my $write or die "pipe: $!";

    my $pid = fork() // die "fork: $!";

    return $write if $pid;

    close $write;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    $SIG{$_} = 'IGNORE' for qw(HUP INT TERM);

    my $redis = 0;

    while (my $line = <$read>) {
        $redis = $line + 0;
    }

    kill 'KILL', $redis if $redis;
    File::Path::remove_tree("$dir");
    POSIX::_exit(0);
}

# From here on Redis is a cluster, an Iot::Cluster: what tests say to redis()
# goes to the master that has the key, what has no key to all of them.

sub on_cluster { ($cluster) = @_ }

sub clustered { return defined $cluster }

sub redis_cluster {
    my (@argv) = @_;

    return [ $cluster->keys($argv[1]) ] if $argv[0] eq 'KEYS';

    my $key = $argv[0] eq 'EVAL' ? $argv[3] : $argv[1];
    my @replies = map { $_->command(@argv) }
        $argv[0] =~ /^(?:FLUSHALL|INFO|CONFIG|CLIENT|SCRIPT)$/
            ? $cluster->masters : $cluster->owner($key);

    /^-[A-Z]/ and die "redis: $_\n" for @replies;

    return join '', @replies if @replies > 1;
    return $replies[0] eq 'nil' ? undef : $replies[0];
}

# The configuration, with a user who has the rights of README.md and no others.

sub with_rights {
    my ($http) = @_;

    return $http if $cluster;

    my $readme = abs_path(__FILE__) =~ s{t/support/Iot\.pm\z}{README.md}r;
    my ($rights) = slurp($readme) =~ /^user iot (.*)$/m or die 'no rights';

    redis('ACL', 'SETUSER', 'iot', 'reset',
        split ' ', $rights =~ s/>\S+/>secret/r);

    open my $file, '>', "$dir/password" or die "password: $!";
    print $file "secret\n";
    close $file;
    chmod 0644, "$dir/password";

    return $http
        =~ s/(?=server )/username iot; password_file $dir\/password; /r;
}

# One command, binary safe; dies with the text of an error reply.

sub redis {
    my (@argv) = @_;

    return redis_cluster(@argv) if $cluster;

    my $socket = IO::Socket::UNIX->new(Peer => "$dir/redis.sock")
        or die "redis: $!";

    print $socket '*' . @argv . "\r\n",
        map { '$' . length($_) . "\r\n$_\r\n" } @argv;

    return redis_reply($socket);
}

sub redis_reply {
    my ($socket) = @_;

    my $line = <$socket> // die "redis: connection closed";
    $line =~ s/\r\n\z//;

    my $type = substr $line, 0, 1, '';

    die "redis: $line\n" if $type eq '-';
    return $line if $type eq '+' or $type eq ':';
    return undef if $line < 0;

    if ($type eq '$') {
        read $socket, my $bulk, $line + 2;
        return substr $bulk, 0, $line;
    }

    return [ map { redis_reply($socket) } 1 .. $line ];
}

# with the command that users have; where: options of redis-cli

sub create_registry {
    return $cluster->create_registry(@_) if $cluster;

    create_registry_at("-s $dir/redis.sock", @_);
}

sub create_registry_at {
    my ($where, $id, @options) = @_;

    my $command = abs_path(__FILE__) =~ s{t/support/Iot\.pm\z}{}r
        . 'conf/create-registry';

    system("$command @options $id -- $where > /dev/null") == 0
        or die "$command $id failed";
}

# The shard of a registry, of which all its keys carry the tag: CRC-16 (XMODEM)
# of the id modulo 1024; of a fingerprint its first ten bits.

my @digits = (0 .. 9, 'a' .. 'v');

sub tag { return "{$digits[$_[0] >> 5]$digits[$_[0] & 31]}" }

sub registry_tag {
    my ($id) = @_;

    my $crc = 0;

    for my $byte (unpack 'C*', $id) {
        $crc ^= $byte << 8;
        $crc = ($crc << 1 ^ ($crc & 0x8000 ? 0x1021 : 0)) & 0xffff for 1 .. 8;
    }

    return tag($crc % 1024);
}

# A certificate straight into Redis, as an add leaves it there, but for the
# operation.  at: createdAt, ms; format, encoding and operation of the record.

sub put_certificate {
    my ($registry, $pem, %of) = @_;

    my $der = der($pem);
    my $usual = pem($der);
    my $tag = registry_tag($registry);
    my $sha256 = sha256($der);
    my $hex = unpack 'H*', $sha256;

    %of = (at => 1790000000123, format => 1,
           operation => '7e1k8627grr1081g8186',
           encoding => $pem eq $usual ? 1 : "$pem\n" eq $usual ? 2 : 0, %of);

    redis('SET', "$tag:c:$registry:$hex",
        pack('C Q> a20 a20 C a*', $of{format}, $of{at}, $of{operation},
             sha1($der), $of{encoding}, $of{encoding} ? $der : $pem));
    redis('ZADD', "$tag:z:$registry", 0,
        substr(pack('Q>', $of{at}), 2) . $sha256);
    redis('HSETNX', "$tag:h:$registry", sha1($der), $sha256);
    redis('SET', tag(unpack('n', $sha256) >> 6) . ":x:$hex",
        "\1$registry\x1f$of{operation}");

    return $hex;
}

# The records and the list of very many, not their aliases and claims: from =>
# number of the first, size => bytes of each DER, which are no certificates.
# Returns their fingerprints, in the order of the list.

sub put_certificates {
    my ($registry, $count, %of) = @_;

    my $tag = registry_tag($registry);
    my $from = $of{from} // 0;
    my $size = $of{size} // 300;
    my @fingerprints;

    my $socket = $cluster ? undef
        : IO::Socket::UNIX->new(Peer => "$dir/redis.sock")
        || die "redis: $!";

    for (my $i = 0; $i < $count; $i += 500) {
        my (@records, @members);

        for my $n ($from + $i .. $from + ($i + 500 < $count ? $i + 500
                                                            : $count) - 1) {
            my $at = 1790000000000 + $n;
            my $sha256 = sha256("$registry $n");
            my $hex = unpack 'H*', $sha256;

            push @fingerprints, $hex;
            push @records, "$tag:c:$registry:$hex",
                pack 'C Q> a20 a20 C a*', 1, $at, '7e1k8627grr1081g8186',
                substr($sha256, 0, 20), 1, pack "A$size", "$n ";
            push @members, 0, substr(pack('Q>', $at), 2) . $sha256;
        }

        for my $argv ([ 'MSET', @records ],
                      [ 'ZADD', "$tag:z:$registry", @members ]) {
            redis(@$argv), next if $cluster;
            print $socket '*' . @$argv . "\r\n",
                map { '$' . length($_) . "\r\n$_\r\n" } @$argv;
        }

        next if $cluster;
        $socket->flush;
        redis_reply($socket) for 1 .. 2;
    }

    return @fingerprints;
}

# RegistryCertificate as the gateway has to write it, byte for byte

sub registry_certificate {
    my ($registry, $pem, $at) = @_;

    $at //= 1790000000123;

    return sprintf '{"registryId":"%s","fingerprint":"%s",'
        . '"certificateData":%s,"createdAt":"%s.%03dZ"}',
        $registry, sha256_hex(der($pem)),
        JSON::PP->new->allow_nonref->encode($pem),
        POSIX::strftime('%FT%T', gmtime $at / 1000), $at % 1000;
}

# how many keys there are, but for the fences that refusals leave on a cluster

sub size {
    return redis('DBSIZE') if !clustered();
    return scalar grep { !/\}:a:/ } @{ redis('KEYS', '*') };
}

# all that Redis holds, but for operations

sub snapshot {
    return join '', map { "$_ " . unpack('H*', redis('DUMP', $_)) . "\n" }
        sort grep { !/\}:[oy]:/ } @{ redis('KEYS', '*') };
}

# ---- certificates ---------------------------------------------------------

# A self-signed certificate in PEM.  key: "rsa:2048" (default), "ec:P-256",
# "ed25519" …; days; extra: further arguments of openssl req.  The same
# arguments give the same certificate within one test file.

sub certificate {
    my (%of) = (key => 'ec:P-256', name => 'localhost', days => 365, @_);

    return make(\%of)->{certificate};
}

sub private_key {
    my (%of) = (key => 'ec:P-256', name => 'localhost', days => 365, @_);

    return make(\%of)->{key};
}

sub make {
    my ($of) = @_;

    my $id = join ' ', map { "$_=" . (ref $of->{$_} ? "@{$of->{$_}}"
                                                    : $of->{$_}) }
        sort keys %$of;

    return $cache{$id} if $cache{$id};

    my @key = $of->{key} =~ /^rsa:(\d+)/ ? ('-newkey', "rsa:$1")
        : $of->{key} =~ /^ec:(.+)/
            ? ('-newkey', 'ec', '-pkeyopt', "ec_paramgen_curve:$1")
        : ('-newkey', $of->{key});

    my $name = "$dir/" . keys %cache;

    my @command = ('openssl', 'req', '-x509', '-nodes', @key, '-subj',
        "/CN=$of->{name}", '-days', $of->{days}, '-keyout', "$name.key",
        '-out', "$name.pem", @{ $of->{extra} || [] });

    my $pid = fork() // die "fork: $!";

    if ($pid == 0) {
        open STDOUT, '>', "$name.log";
        open STDERR, '>&', \*STDOUT;
        exec @command or POSIX::_exit(127);
    }

    waitpid $pid, 0;
    die "openssl req failed, see $name.log" if $?;

    return $cache{$id} = { certificate => slurp("$name.pem"),
                           key => slurp("$name.key") };
}

# The signature of a certificate is not looked at: trust is by registration.
# So a test may change what it likes in the DER.

sub der {
    my ($pem) = @_;

    my ($base64) = $pem =~ /-----BEGIN CERTIFICATE-----(.*?)-----END/s;
    return decode_base64($base64);
}

sub pem {
    my ($der) = @_;

    return "-----BEGIN CERTIFICATE-----\n"
        . encode_base64($der) =~ s/\n//gr =~ s/(.{1,64})/$1\n/gr
        . "-----END CERTIFICATE-----\n";
}

# the certificate with another validity; times as utc_time() gives them

sub dated {
    my ($pem, @times) = @_;

    return pem(der($pem) =~ s/\x17\x0d\K\d{12}Z/shift @times/ger);
}

sub utc_time { return POSIX::strftime('%y%m%d%H%M%SZ', gmtime(shift)) }

sub slurp {
    my ($name) = @_;

    local $/;
    open my $file, '<:raw', $name or die "$name: $!";
    return scalar <$file>;
}

# ---- requests -------------------------------------------------------------

sub json { return JSON::PP->new->canonical->encode($_[0]) }

my %sent;

sub body {
    $sent{$_[0]} = 1;
    return json({ certificateData => $_[0] });
}

# a request section: add_certificate('fleet', $pem)

sub add_certificate {
    my ($registry, $pem) = @_;

    return "POST /iot-devices/v1/registries/$registry/certificates\n"
        . body($pem);
}

# for response_body_filters: JSON with sorted keys, one member a line, so that
# an expectation in a test reads well

sub read_json {
    my ($text) = @_;

    my $value = eval { decode_json($text) };
    return "not JSON: $text" unless defined $value;

    return JSON::PP->new->canonical->pretty->indent_length(2)
        ->space_before(0)->encode($value);
}

# For response_body_filters: the answer in short.  An Operation becomes
#
#     added to fleet
#
# when it is done, its certificateData is a text that body() has sent, and its
# fingerprint is that text's, or "deleted from fleet"; an error becomes
#
#     3 INVALID_FIELD
#     field certificate_data
#
# code and reason, and what the details say.  Whatever is not in the contract's
# form stays as it came.

sub answer {
    my ($text) = @_;

    return $text if $text eq '';

    my $value = eval { JSON::PP->new->decode($text) };

    return "not JSON: $text" if ref $value ne 'HASH';
    return $value->{code} ? refusal($value, $text) : operation($value, $text);
}

sub operation {
    my ($value, $text) = @_;

    my $form = 'type.googleapis.com/yandex.cloud.iot.devices.v1.';
    my $metadata = $value->{metadata} || {};

    return "deleted from $metadata->{registryId}\n"
        if ($metadata->{'@type'} // '')
               eq "${form}DeleteRegistryCertificateMetadata"
            && $value->{done}
            && json($value->{response})
               eq '{"@type":"type.googleapis.com/google.protobuf.Empty"}';

    my $certificate = $value->{response} || {};
    my $pem = $certificate->{certificateData} // '';

    return "not the operation that was asked for: $text"
        unless $value->{done} && $sent{$pem}
            && $certificate->{fingerprint} eq sha256_hex(der($pem));

    return "added to $certificate->{registryId}\n";
}

sub refusal {
    my ($value, $text) = @_;

    my %said = map { ($_->{'@type'} // '') =~ s/.*\.//r => $_ }
        @{ $value->{details} || [] };
    my $error = $said{ErrorInfo};
    my $bad = $said{BadRequest};
    my $resource = $said{ResourceInfo};
    my $type = sub {
        return '@type' => "type.googleapis.com/google.rpc.$_[0]";
    };

    my @details = (
        { $type->('RequestInfo'), requestId => $said{RequestInfo}{requestId} },
        { $type->('ErrorInfo'), reason => $error->{reason},
          domain => 'ngx_http_iot_module',
          $error->{metadata} ? (metadata => $error->{metadata}) : () });
    my @lines = "$value->{code} " . ($error->{reason} // '');

    if ($bad) {
        my $field = $bad->{fieldViolations}[0]{field};

        push @lines, "field $field";
        push @details, { $type->('BadRequest'), fieldViolations => [
            { field => $field, description => $value->{message} } ] };
    }

    if ($resource) {
        push @lines, "resource $resource->{resourceType} "
            . $resource->{resourceName};
        push @details, { $type->('ResourceInfo'),
                         resourceType => $resource->{resourceType},
                         resourceName => $resource->{resourceName} };
    }

    if (my $quota = $said{QuotaFailure}) {
        my $subject = $quota->{violations}[0]{subject};

        push @lines, "quota $subject";
        push @details, { $type->('QuotaFailure'), violations => [
            { subject => $subject, description => $value->{message} } ] };
    }

    if ($said{RetryInfo}) {
        push @lines, "retry $said{RetryInfo}{retryDelay}";
        push @details, { $type->('RetryInfo'), retryDelay => '1s' };
    }

    my $metadata = $error->{metadata} || {};
    push @lines, map { "metadata $_ $metadata->{$_}" } sort keys %$metadata;

    my $form = { code => $value->{code}, message => $value->{message},
                 details => \@details };

    return "not in the contract's form: $text"
        unless json($form) eq json($value) && length $value->{message}
            && $said{RequestInfo}{requestId} =~ /\A[0-9a-f]{32}\z/;

    return join '', map { "$_\n" } @lines;
}

# ---- conversations --------------------------------------------------------

# For what the sections of a request cannot say.  Sends the strings one after
# the other, waits until the answer so far matches where a pattern stands
# between them, reads until the server closes, and returns all that it said.

sub converse {
    my (@steps) = @_;

    my $socket = IO::Socket::INET->new(Proto => 'tcp',
        PeerAddr => '127.0.0.1', PeerPort => main::server_port_for_client(),
        Timeout => 5) or die "nginx: $!";
    my $got = '';

    # each string is a packet
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;

    local $SIG{ALRM} = sub { die "timeout, after: $got\n" };
    local $SIG{PIPE} = 'IGNORE';
    alarm 5;

    eval {
        for my $step (@steps) {

            if (ref $step) {
                until ($got =~ $step) {
                    sysread $socket, $got, 65536, length $got
                        or die "closed, after: $got\n";
                }

            } else {
                print $socket $step;
                $socket->flush;
                sleep 0.001;
            }
        }

        1 while sysread $socket, $got, 65536, length $got;
    };

    alarm 0;

    return $@ ? "$@" : $got;
}

# The responses of a conversation in short: status, and answer() if it is JSON,
# whose request id has to be that of the header.

sub transcript {
    my ($bytes) = @_;

    my $text = '';

    while ($bytes =~ s{\AHTTP/1\.1 (\d+)[^\r]*\r\n((?:[^\r]+\r\n)*)\r\n}{}) {
        my ($status, $headers) = ($1, $2);
        my ($length) = $headers =~ /^Content-Length: (\d+)\r$/mi;
        my $json = $headers =~ m{^Content-Type: application/json\r$}mi;
        my $body = substr $bytes, 0, $length // 0, '';
        my ($id) = $headers =~ /^x-request-id: (\S+)\r$/m;

        $text .= "$status\n" . ($json ? answer($body) : '');
        $text .= "x-request-id: $id\n"
            if $body =~ /"requestId":"(.*?)"/ && $1 ne $id;
    }

    return $text . $bytes;
}

# ---- nginx ----------------------------------------------------------------

# What the blocks of a file leave out, and sections of our own for them:
#
#     settings  directives for the location of the API, in place of the
#               file's own
#     before    commands for Redis before the requests, one a line, or an
#               array of arrays of words
#     after     commands after each response; what Redis says, a line each, is
#     says      this
#     bodies    one body a line, or an array of them, each of them posted to
#               registry "fleet" and answered as the block says
#     talk      steps of converse(), in place of a request; the transcript() is
#     heard     this
#     dbsize    how many keys Redis has after each response
#     files     how many files nginx keeps of the bodies
#
# Callers are alice unless more_headers has an Authorization.  Each block
# begins with the registries that it is given and nothing else in Redis.

sub gateway {
    my (%of) = (registries => [], @_);

    main->can('add_block_preprocessor')->(sub {
        my ($block) = @_;

        redis('FLUSHALL');
        create_registry($_) for @{ $of{registries} };

        run_commands($block->before // '');
        complete($block, $of{settings} // '');
    });

    main::add_response_body_check(sub {
        my ($block) = @_;

        if (defined $block->talk) {
            main::is(transcript(converse(@{ $block->talk })), $block->heard,
                $block->name . ' - conversation');
        }

        if (defined $block->after) {
            main::is(run_commands($block->after), $block->says,
                $block->name . ' - Redis says');
        }

        if (defined $block->dbsize) {
            my $size = size();

            # there a claim is given back a little after the answer
            wait_until(sub { ($size = size()) == $block->dbsize }, 2)
                if clustered();
            main::is($size, $block->dbsize,
                $block->name . ' - keys in Redis');
        }

        # nginx is through with a request a little after its answer

        if (defined $block->files) {
            my $pattern = main::server_root() . '/client_body_temp/*';
            my @files;

            wait_until(sub { (@files = glob $pattern) == $block->files }, 2);
            main::is(scalar @files, $block->files,
                $block->name . ' - files of bodies');
        }
    });
}

sub run_commands {
    my ($commands) = @_;

    my @commands = ref $commands ? @$commands
        : map { [split] } split /\n/, $commands;

    return join '', map { (redis(@$_) // 'nil') . "\n" } @commands;
}

sub complete {
    my ($block, $settings) = @_;

    $settings = $block->settings // $settings;

    complete_with($block, http_config => http_config());
    complete_with($block, response_body_filters => \&answer);
    complete_with($block, config => <<"_EOC_");
    location /iot-devices/ {
        iot_api main;
        $settings
    }

    location /operations/ {
        iot_operations main;
    }

    location = /up {
        return 200;
    }
_EOC_

    complete_with($block, request => 'GET /up') if defined $block->talk;
    post_bodies($block) if defined $block->bodies;

    my $more = $block->more_headers // '';
    my @lines = map { /^Authorization:/mi ? $_
                                          : "Authorization: Bearer alice\n$_" }
        ref $more ? @$more : $more;

    $block->set_value('more_headers', ref $more ? \@lines : $lines[0]);
}

sub complete_with {
    my ($block, $section, $value) = @_;

    $block->set_value($section, $value) unless defined $block->$section;
}

# With a Content-Length of the test's own a body is sent as it is.

sub post_bodies {
    my ($block) = @_;

    my $bodies = $block->bodies;
    my @bodies = ref $bodies ? @$bodies : split /\n/, $bodies;

    my $uri = '/iot-devices/v1/registries/fleet/certificates';

    $block->set_value(request => [ map { "POST $uri\n$_" } @bodies ]);
    $block->set_value(more_headers =>
        [ map { 'Content-Length: ' . length } @bodies ]);

    for my $section (qw(error_code response_body)) {
        my $value = $block->$section;

        $block->set_value($section => [ ($value) x @bodies ])
            if defined $value && !ref $value;
    }
}

# http_config of a gateway whose callers are their bearer tokens; more goes
# into the http block after it

sub http_config {
    my ($more) = @_;

    my $server = $cluster
        ? join ' ', 'topology cluster; server', $cluster->addresses
        : 'server $TEST_NGINX_REDIS';

    return <<"_EOC_" . <<'_EOC_' . ($more // '');
    iot_store main {
        $server;
    }
_EOC_

    map $http_authorization $token {
        default "";
        "Bearer alice" alice;
        "Bearer bob" bob;
    }

    iot_caller $token;
_EOC_
}

# ---- waiting --------------------------------------------------------------

# polls until the condition holds; false when it did not within the seconds

sub wait_until {
    my ($condition, $seconds) = @_;

    my $deadline = time() + ($seconds // 10);

    while (time() < $deadline) {
        return 1 if $condition->();
        sleep 0.01;
    }

    return 0;
}

my %given;

sub free_port {
    for (1 .. 1000) {
        my $port = 22000 + int rand 10000;
        my $socket = IO::Socket::INET->new(Listen => 1, ReuseAddr => 1,
            LocalAddr => '127.0.0.1', LocalPort => $port);
        return $port if $socket && !$given{$port}++;
    }

    die "no free port: $!";
}

END {
    # a child of fork() runs this too
    if ($$ == $owner) {
        my $status = $?;
        redis_stop();
        $? = $status;
    }
}

1;
