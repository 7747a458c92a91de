#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# How the Redis client gets to its server: users and passwords, databases,
# TLS.  Needs what t/redis_client.t needs, and openssl.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/redis-module/lib";

use Errno;
use POSIX ();
use RedisLab;
use Socket qw(:DEFAULT IPPROTO_TCP TCP_KEEPIDLE);
use Test::More;
use Time::HiRes qw(sleep time);

my $SLOW = $RedisLab::SLOW;

# the first pause after a denial lasts 5 to 10 seconds
my $DENIED_MIN = 5;
my $DENIED = 10 + 5 * $SLOW;

my $SECRET = 'a Secret~\\"of 29 bytes, quoted';

my (%tests, @names, @nginxes);


sub test {
    my ($name, $code) = @_;
    push @names, $name;
    $tests{$name} = $code;
}

# an nginx with a store "main" at that server, and /redis for it
sub nginx {
    my ($server, $directives, %part) = @_;

    my $nginx = RedisLab::Nginx->new(
        http => "iot_store main { server $server; timeout " . 500 * $SLOW
            . 'ms; connect_timeout ' . 500 * $SLOW . "ms; $directives }",
        server => 'location /redis { redis_test main; }',
        %part
    );

    push @nginxes, $nginx;
    return $nginx->start;
}

sub redis { RedisLab::Redis->new(@_)->start }
sub address { "127.0.0.1:$_[0]{port}" }

sub get { $_[0]->get("/redis?cmd=$_[1]") }
sub is_up { get($_[0], 'PING') eq "REPLIED +PONG\n" }

sub up {
    my ($nginx, $patience) = @_;
    return wait_for(sub { is_up($nginx) }, $patience);
}

sub logged {
    my ($nginx, $pattern) = @_;
    return wait_for(sub { $nginx->log =~ $pattern });
}

# nothing is available, for one reason that is told once
sub refused {
    my ($nginx, $pattern, $name) = @_;

    ok logged($nginx, $pattern), $name or diag $nginx->log;
    is get($nginx, 'SET+a+b'), "UNAVAILABLE\n", 'unavailable';
    sleep 1;
    is $nginx->log_count(qr/\[error\]/), 1, 'logged once'
        or diag $nginx->log;
    stop_nginx($nginx);
}

sub stop_nginx {
    my ($nginx) = @_;
    is $nginx->quit, 0, 'nginx exits in good order';
    is join('', $nginx->complaints), '', 'nothing bad in its log';
}

my $files = 0;

sub file {
    my ($text, $mode) = @_;
    my $name = lab_dir() . '/file' . ++$files;
    rewrite($name, $text);
    chmod defined $mode ? $mode : 0600, $name;
    return $name;
}

sub rewrite {
    my ($name, $text) = @_;
    open my $fh, '>', $name or die "$name: $!";
    print $fh $text;
    close $fh;
}


# certificates: authorities "ca" and "other", with subjects of "ca" and one
# of "other"

sub openssl {
    my (@argv) = @_;
    system("cd " . lab_dir() . " && openssl @argv >>openssl.log 2>&1") == 0
        or die "openssl @argv: " . slurp(lab_dir() . '/openssl.log');
}

my $NEW_KEY = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes';
my $serial = 0;

sub authority {
    my ($name) = @_;
    openssl("req -x509 $NEW_KEY -keyout $name.key -out $name.pem -days 2"
        . " -subj /CN=$name");
}

sub certificate {
    my ($name, $authority, $names, $days) = @_;
    my $ext = file("subjectAltName = $names\n");
    $days = 2 if !defined $days;
    $serial++;

    openssl("req $NEW_KEY -keyout $name.key -out $name.csr -subj /CN=$name");
    openssl("x509 -req -in $name.csr -CA $authority.pem -CAkey $authority.key"
        . " -set_serial $serial -days $days -extfile $ext -out $name.pem");
}

my $certificates = 0;

sub cert {
    my ($name) = @_;

    if (!$certificates++) {
        authority('ca');
        authority('other');
        certificate('server', 'ca', 'DNS:redis.example.com,IP:127.0.0.1');
        certificate('expired', 'ca', 'DNS:redis.example.com', -1);
        certificate('stranger', 'other', 'DNS:redis.example.com');
        certificate('client', 'ca', 'DNS:gateway.example.com');
    }

    return lab_dir() . "/$name";
}

sub tls_redis {
    my ($cert, @options) = @_;
    return RedisLab::Redis->new->tls(cert($cert), '--tls-ca-cert-file',
        cert('ca') . '.pem', @options)->start;
}

sub tls_nginx {
    my ($redis, $directives, %part) = @_;
    return nginx("127.0.0.1:$redis->{tls_port}",
        'ssl on; ssl_trusted_certificate ' . cert('ca') . ".pem; $directives",
        %part);
}

my $NAME = 'ssl_name redis.example.com;';


test 'password' => sub {
    my $redis = redis();
    $redis->command('CONFIG', 'SET', 'requirepass', $SECRET);
    $redis->{password} = $SECRET;

    my $file = file("$SECRET\r\nwhat else\n");
    my $nginx = nginx(address($redis), "password_file $file;");
    ok up($nginx), 'works';
    is get($nginx, 'ACL+WHOAMI'), "REPLIED \$default\n", 'as the default user';
    is scalar($redis->links), 1, 'the link has its name';

    SKIP: {
        skip 'memory of another layout', 2 if $ENV{ASAN_OPTIONS} || $SLOW > 1;
        my ($worker) = $nginx->workers;
        cmp_ok in_memory($worker, $SECRET), '>', 0, 'the worker has it';
        is in_memory($worker, "\r\n$SECRET\r\n"), 0,
            'but what was sent is not in memory any more';
    }

    stop_nginx($nginx);

    $nginx = nginx(address($redis), '');
    refused($nginx, qr/redis refused HELLO "NOAUTH /, 'none given');

    $nginx = nginx(address($redis), 'password_file ' . file('Wrong1') . ';');
    ok logged($nginx, qr/redis refused HELLO "WRONGPASS /), 'a wrong one';
    my $before = $redis->info('total_connections_received');
    sleep 3;
    is $redis->info('total_connections_received') - $before, 1,
        'it is not tried again soon';
    $redis->command('CONFIG', 'SET', 'requirepass', 'Wrong1');
    $redis->{password} = 'Wrong1';
    ok up($nginx, $DENIED), 'but later';
    is $nginx->log_count(qr/\[error\]/), 1, 'logged once';
    unlike $nginx->log, qr/Wrong1/, 'without it';
    stop_nginx($nginx);
};

sub in_memory {
    my ($pid, $text) = @_;
    my $found = 0;
    open my $memory, '<:raw', "/proc/$pid/mem" or die "memory: $!";

    for my $line (split /\n/, slurp("/proc/$pid/maps")) {
        my ($from, $to) = $line =~ /^(\w+)-(\w+) rw/ or next;
        ($from, $to) = map { unpack 'Q>', pack 'H*', sprintf '%016s', $_ }
            $from, $to;
        sysseek $memory, $from, 0;
        sysread $memory, my $bytes, $to - $from or next;
        $found += () = $bytes =~ /\Q$text\E/g;
    }

    return $found;
}


test 'password that no server knows what to do with' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis), 'password_file ' . file('x') . ';');
    ok up($nginx), 'a server without one takes any';
    stop_nginx($nginx);

    my $fake = RedisLab::Fake->new(sub {
        my ($socket) = @_;
        my @argv = RedisLab::Fake::read_command($socket);
        RedisLab::Fake::say_all($socket, "-ERR unknown command `$argv[0]`, "
            . "with args beginning with: `@argv[1 .. 4]`\r\n");
        RedisLab::Fake::read_command($socket);
    });
    $nginx = nginx("127.0.0.1:$fake->{port}",
        'username me; password_file ' . file('Hunter2') . ';');
    ok logged($nginx, qr/redis refused HELLO "ERR unknown command"/),
        'an old server, which repeats it';
    unlike $nginx->log, qr/Hunter2/, 'is not repeated';
    stop_nginx($nginx);
    $fake->stop;

    $fake = RedisLab::Fake->new(sub {
        my ($socket) = @_;
        my @argv = RedisLab::Fake::read_command($socket);
        RedisLab::Fake::say_all($socket, "-WRONGPASS as $argv[4] is\r\n");
        RedisLab::Fake::read_command($socket);
    });
    $nginx = nginx("127.0.0.1:$fake->{port}",
        'password_file ' . file('Hunter2') . ';');
    ok logged($nginx, qr/redis refused HELLO "\(the text has the password\)"/),
        'nor is any other message that has it';
    unlike $nginx->log, qr/Hunter2/, 'it is not in the log';
    stop_nginx($nginx);
    $fake->stop;
};


test 'user' => sub {
    my $redis = redis();
    my @rights = qw(on >pass1 ~{a* resetchannels -@all +hello +ping +acl|whoami
        +set +get +incrby +evalsha +eval +script|load);
    $redis->command('ACL', 'SETUSER', 'gateway', @rights);

    my $nginx = nginx(address($redis),
        'username gateway; password_file ' . file('pass1') . ';');
    ok up($nginx), 'works';
    is get($nginx, 'ACL+WHOAMI'), "REPLIED \$gateway\n", 'as that user';
    is $nginx->get('/redis?cmd={a}+1&script=add&keys=1'), "REPLIED :1\n",
        'a script';
    is get($nginx, 'GET+b'), "UNAVAILABLE\n", 'a key that is not allowed';
    is get($nginx, 'DEL+{a}'), "UNAVAILABLE\n", 'a command that is not';
    is $nginx->log_count(qr/redis refused a command: "NOPERM /), 1,
        'logged once';
    sleep 1;

    is $redis->command('ACL', 'DELUSER', 'gateway'), 1, 'the user is deleted';
    ok logged($nginx, qr/redis refused HELLO "WRONGPASS /), 'and refused then';
    is get($nginx, 'GET+{a}'), "UNAVAILABLE\n", 'unavailable';
    $redis->command('ACL', 'SETUSER', 'gateway', @rights);
    ok wait_for(sub { get($nginx, 'GET+{a}') eq "REPLIED \$1\n" }, $DENIED),
        'it recovers when the user is there again';
    is $nginx->log_count(qr/redis is available again/), 1, 'logged';
    stop_nginx($nginx);

    $redis->command('ACL', 'SETUSER', 'gateway', '-script|load');
    $nginx = nginx(address($redis),
        'username gateway; password_file ' . file('pass1') . ';');
    refused($nginx, qr/redis refused a script "NOPERM .*script\|load/,
        'a right is missing');
};


test 'password that changes' => sub {
    my $redis = redis();
    $redis->command('ACL', 'SETUSER', 'gateway', qw(on >old ~* +@all));

    my $file = file("old\n");
    my $nginx = nginx(address($redis),
        "username gateway; password_file $file;");
    ok up($nginx), 'works';

    $redis->command('ACL', 'SETUSER', 'gateway', '>new');
    rewrite($file, "new\n");
    ok $nginx->reload, 'reload, with both passwords valid';
    $redis->command('ACL', 'SETUSER', 'gateway', '<old');
    is get($nginx, 'ACL+WHOAMI'), "REPLIED \$gateway\n", 'works on';

    $redis->command('CLIENT', 'KILL', 'USER', 'gateway');
    ok up($nginx), 'and with a new link, when the old one is invalid';

    unlink $file;
    kill HUP => $nginx->{pid};
    ok logged($nginx, qr/\[emerg\].*open\(\) "\Q$file\E" failed/),
        'a reload without the file fails';
    is get($nginx, 'PING'), "REPLIED +PONG\n", 'what was goes on';
    is $nginx->quit, 0, 'nginx exits in good order';
};


test 'database' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis), 'database 3;');
    ok up($nginx), 'works';
    is get($nginx, 'SET+a+b'), "REPLIED +OK\n", 'a key is set';
    like $redis->info('db3'), qr/^keys=1,/, 'where it should be';
    is $redis->info('db0'), undef, 'and nowhere else';

    $redis->command('CLIENT', 'KILL', 'TYPE', 'normal');
    ok wait_for(sub { get($nginx, 'GET+a') eq "REPLIED \$b\n" }),
        'the same on the next link';
    stop_nginx($nginx);

    $nginx = nginx(address($redis), 'database 16;');
    refused($nginx, qr/redis refused the database "ERR DB index /,
        'one that is not there');
};


# Nothing is answered before all of it has come.

test 'greeting in one go' => sub {
    my $redis = redis();
    my $nginx = nginx(address($redis), '');

    ok up($nginx), 'a link';
    my ($scripts) = $redis->info('cmdstat_script|load') =~ /^calls=(\d+)/;
    cmp_ok $scripts, '>', 1, "needs $scripts scripts";
    stop_nginx($nginx);

    my $fake = RedisLab::Fake->new(sub {
        my ($socket) = @_;
        my @greeting = map { [ RedisLab::Fake::read_command($socket) ] }
                           1 .. 2 + $scripts;

        print "@{$greeting[0]}[0 .. 5], $greeting[1][0]\n";
        RedisLab::Fake::say_all($socket, "*4\r\n",
            RedisLab::Fake::bulk(qw(mode standalone role master)), "+OK\r\n",
            map { RedisLab::Fake::bulk(RedisLab::Fake::sha1_hex($_->[2])) }
                @greeting[2 .. $#greeting]);
        RedisLab::Fake::say_all($socket, "+PONG\r\n")
            while RedisLab::Fake::read_command($socket);
    });
    $nginx = nginx("127.0.0.1:$fake->{port}",
        'username me; database 3; password_file ' . file('Hunter2') . ';');

    ok up($nginx), 'HELLO, SELECT and all scripts come without an answer';
    like slurp($fake->{log}),
        qr/^HELLO 2 AUTH me Hunter2 SETNAME, SELECT$/m, 'in this order';
    is $fake->connections, 1, 'on one connection';
    stop_nginx($nginx);
    $fake->stop;
};


test 'TLS' => sub {
    my $redis = tls_redis('server');
    my $nginx = tls_nginx($redis, $NAME);

    ok up($nginx), 'works';
    is get($nginx, 'SET+big&fill=5000000'), "REPLIED +OK\n", 'a big request';
    is get($nginx, 'GET+big&large=1'), "REPLIED \$5000000 bytes\n", 'a big reply';
    is $nginx->get('/redis?cmd=INCR+m&copies=3000'),
        join('', map { "REPLIED :$_\n" } 1 .. 3000), 'many commands';
    is scalar($redis->links), 2, 'on one link, a large reply on another';

    is get($nginx, 'SET+big&fill=3000000&copies=10'), "REPLIED +OK\n" x 10,
        'more than the socket takes';

    $redis->signal('STOP');
    my @sockets = map { $nginx->begin('/redis?cmd=ECHO&large=1&fill=4000000') }
        1 .. 4;
    $nginx->settle;
    my $small = $nginx->begin('/redis?cmd=SET+late+x&large=1');
    $nginx->settle;
    close $small;
    $nginx->settle;
    $redis->signal('CONT');

    is scalar(grep { (http_finish($_))[1] eq "REPLIED \$4000000 bytes\n" }
        @sockets), 4, 'big ones that had to wait';
    is $redis->command('GET', 'late'), 'nil',
        'the one that was cancelled before it was written is not executed';
    sleep 1;

    # the server dies with commands half sent

    $redis->signal('STOP');
    my $sent = $nginx->begin('/redis?cmd=INCR+n');
    $nginx->settle;
    my @unsent = map { $nginx->begin('/redis?cmd=SET+n&fill=8000000') } 1 .. 2;
    $nginx->settle;
    $redis->stop('KILL');
    is((http_finish($sent))[1], "LOST\n", 'what was sent is lost');
    is((http_finish($_))[1], "UNAVAILABLE\n", 'what was not is not')
        for @unsent;

    $redis->start;
    ok up($nginx), 'it recovers';
    ok $nginx->reload, 'reload';
    ok up($nginx), 'and works';
    stop_nginx($nginx);
    is scalar($redis->links), 0, 'no link is left';
};


test 'TLS, whom to trust' => sub {
    my $redis = tls_redis('server');

    my $nginx = tls_nginx($redis, '');
    ok up($nginx), 'the name is the server\'s by default, here an address';
    stop_nginx($nginx);

    my $before = $redis->info('cmdstat_hello');

    $nginx = tls_nginx($redis, 'ssl_name ::1;');
    refused($nginx, qr/redis SSL certificate does not match "::1"/,
        'another address');

    $nginx = tls_nginx($redis, 'ssl_name other.example.com; password_file '
        . file('Hunter2') . ';');
    refused($nginx,
        qr/redis SSL certificate does not match "other\.example\.com"/,
        'another name');
    is $redis->info('cmdstat_hello'), $before, 'no password has left';

    $nginx = nginx("127.0.0.1:$redis->{tls_port}", "ssl on; $NAME"
        . ' ssl_trusted_certificate ' . cert('other') . '.pem;');
    refused($nginx, qr/redis SSL certificate verify error: \(\d+:/,
        'an authority that is not trusted');

    $nginx = nginx("127.0.0.1:$redis->{tls_port}",
        'ssl on; ssl_verify off;');
    ok up($nginx), 'anybody, where that is wanted';
    stop_nginx($nginx);

    $redis = tls_redis('stranger');
    $nginx = tls_nginx($redis, $NAME);
    refused($nginx, qr/redis SSL certificate verify error: \(\d+:/,
        'a certificate of an authority that is not trusted');
    is $redis->info('cmdstat_hello'), undef, 'nothing has left';

    $redis = tls_redis('expired');
    $nginx = tls_nginx($redis, $NAME);
    refused($nginx,
        qr/redis SSL certificate verify error: \(10:certificate has expired\)/,
        'an expired one');
    is $redis->info('cmdstat_hello'), undef, 'nothing has left';
};


test 'TLS, certificate of the client' => sub {
    my $redis = tls_redis('server', '--tls-auth-clients', 'yes');

    my $nginx = tls_nginx($redis, "$NAME ssl_certificate " . cert('client')
        . '.pem; ssl_certificate_key ' . cert('client') . '.key;');
    ok up($nginx), 'works';
    stop_nginx($nginx);

    # the server's alert comes after the handshake, or is overtaken by a reset

    $nginx = tls_nginx($redis, $NAME);
    ok logged($nginx, qr/\[error\].*(?:certificate required|reset by peer)/),
        'missing';
    is get($nginx, 'PING'), "UNAVAILABLE\n", 'unavailable';
    sleep 1;
    cmp_ok $nginx->log_count(qr/\[error\]/), '<=', 10, 'in few messages';
    stop_nginx($nginx);
};


test 'TLS, the wrong port' => sub {
    my $redis = tls_redis('server');

    my $nginx = nginx(address($redis),
        'ssl on; ssl_trusted_certificate ' . cert('ca') . '.pem;');
    refused($nginx, qr/SSL handshake timed out|SSL_do_handshake\(\) failed/,
        'TLS to a plain-text port');

    $nginx = nginx("127.0.0.1:$redis->{tls_port}", '');
    refused($nginx, qr/sent an invalid reply|redis closed|reset by peer/,
        'plain text to a port for TLS');

    my $fake = RedisLab::Fake->new(sub {
        my ($socket) = @_;
        sysread $socket, my $hello, 65536;
        RedisLab::Fake::say_all($socket, "HTTP/1.1 400 Bad\r\n\r\n");
    });
    $nginx = nginx("127.0.0.1:$fake->{port}", 'ssl on; ssl_verify off;');
    refused($nginx, qr/SSL_do_handshake\(\) failed \(SSL: .*version number\) /,
        'TLS to another kind of server');
    $fake->stop;

    $fake = RedisLab::Fake->new(sub { sleep 100 });
    $nginx = nginx("127.0.0.1:$fake->{port}", 'ssl on; ssl_verify off;');
    ok logged($nginx, qr/SSL handshake timed out \(110/), 'to nobody';
    is get($nginx, 'PING'), "UNAVAILABLE\n", 'unavailable';
    is $nginx->quit, 0, 'nginx exits in the middle of it';
    is join('', $nginx->complaints), '', 'nothing bad in its log';
    $fake->stop;
};


test 'TLS over a unix socket' => sub {
    my $nginx = RedisLab::Nginx->new(http => 'iot_store a { '
        . 'server unix:/tmp/x; ssl on; ssl_trusted_certificate '
        . cert('ca') . '.pem; }');
    like $nginx->test, qr/no name to verify for "unix:\S+" in iot_store "a"/,
        'has no name of its own';
};


test 'name that moves' => sub {
    my $redis = redis();
    my $other = RedisLab::Redis->new;
    $other->{host} = '127.0.0.2';
    $other->{port} = $redis->{port};
    $other->start;
    $redis->command('SET', 'who', 'first');
    $other->command('SET', 'who', 'second');

    my $who = sub { get($_[0], 'GET+who') };
    my $dns = RedisLab::Dns->new('127.0.0.1');
    my $nginx = nginx("redis.example.com:$redis->{port}",
        "resolver 127.0.0.1:$dns->{port} ipv6=off; resolver_timeout 1s;");

    ok up($nginx), 'works, though the name was not known before';
    is $who->($nginx), "REPLIED \$first\n", 'where it is';
    like $nginx->log, qr/server: "127\.0\.0\.1:$redis->{port}"/, 'logged';
    is $dns->queries, 1, 'one question';
    sleep 1.1;

    $dns->says('127.0.0.2');
    is $who->($nginx), "REPLIED \$first\n", 'the link stays';
    $redis->stop;
    ok wait_for(sub { $who->($nginx) eq "REPLIED \$second\n" }),
        'a new one goes to where the name has moved';
    is $nginx->log_count(qr/\[error\]/), 1, 'only the loss is logged'
        or diag $nginx->log;
    sleep 1.1;

    $dns->says('');
    $other->command('CLIENT', 'KILL', 'TYPE', 'normal');
    ok logged($nginx, qr/name of redis could not be resolved \(Host not fo/),
        'the name is gone';
    ok up($nginx), 'the address that was is used';
    sleep 1.1;

    $dns->says(undef);
    $other->command('CLIENT', 'KILL', 'TYPE', 'normal');
    ok logged($nginx, qr/could not be resolved \(Operation timed out\)/),
        'the name server is gone';
    ok up($nginx), 'the same';
    is $nginx->log_count(qr/could not be resolved/), 2, 'logged once each';

    $dns->says('127.0.0.3', '127.0.0.2', '127.0.0.4');
    sleep 1.1;
    $other->command('CLIENT', 'KILL', 'TYPE', 'normal');
    ok wait_for(sub { $who->($nginx) eq "REPLIED \$second\n" }),
        'one of several addresses';
    ok $nginx->reload, 'reload';
    ok up($nginx), 'works';
    stop_nginx($nginx);

    $dns->says(undef);
    $nginx = nginx("redis.example.com:$redis->{port}",
        "resolver 127.0.0.1:$dns->{port} ipv6=off; resolver_timeout 500ms;");
    is get($nginx, 'PING'), "UNAVAILABLE\n", 'no address at all';
    sleep 2;
    is $nginx->log_count(qr/\[error\]/), 1, 'logged once'
        or diag $nginx->log;
    $dns->says('127.0.0.2');
    ok up($nginx), 'works as soon as there is one';
    stop_nginx($nginx);

    $dns->says(undef);
    $nginx = nginx("redis.example.com:$redis->{port}",
        "resolver 127.0.0.1:$dns->{port} ipv6=off;");
    my $request = $nginx->begin('/redis?cmd=PING');
    $nginx->settle;
    is $nginx->quit, 0, 'nginx exits while it asks';
    is((http_finish($request))[1], "UNAVAILABLE\n", 'requests are answered');
    is join('', $nginx->complaints), '', 'nothing bad in its log';
};


# What the kernel was told, of the worker's own socket.

test 'options of the socket' => sub {
    my ($PIDFD_OPEN, $PIDFD_GETFD, $USER_TIMEOUT) = (434, 438, 18);

    my $redis = redis();
    my $nginx = nginx(address($redis), '');
    ok up($nginx), 'a link';

    my ($worker) = $nginx->workers;
    my $pidfd = syscall $PIDFD_OPEN, 0 + $worker, 0;

    SKIP: {
        skip 'no pidfd_open()', 4 if $pidfd < 0;
        my ($socket) = grep { defined } map {
            my $fd = syscall $PIDFD_GETFD, $pidfd, 0 + $_, 0;
            skip "pidfd_getfd(): $!", 4 if $fd < 0 && !$!{EBADF};
            leads_to($fd, $redis->{port});
        } map { m{/(\d+)$} } glob "/proc/$worker/fd/*";

        ok $socket, 'its socket';
        my $option = sub { unpack 'i', getsockopt($socket, $_[0], $_[1]) };

        is $option->(IPPROTO_TCP, $USER_TIMEOUT), 2 * 500 * $SLOW,
            'TCP_USER_TIMEOUT is twice the timeout, ms';
        cmp_ok $option->(SOL_SOCKET, SO_KEEPALIVE), '>', 0, 'SO_KEEPALIVE';
        is $option->(IPPROTO_TCP, TCP_KEEPIDLE), 30, 'TCP_KEEPIDLE, s';
    }

    POSIX::close($pidfd) if $pidfd >= 0;
    stop_nginx($nginx);
};

# the socket of that descriptor, when it is one to that port

sub leads_to {
    my ($fd, $port) = @_;

    open my $socket, '+<&=', $fd or return;
    my $peer = getpeername $socket or return;

    return length $peer == 16 && (sockaddr_in($peer))[0] == $port ? $socket
                                                                 : undef;
}


test 'idle link' => sub {
    my ($redis, $other) = (redis(), redis());
    my $nginx = nginx(address($redis), '');
    my $stopped = nginx(address($other), '');

    ok up($nginx) && up($stopped), 'two links';
    $redis->command('CONFIG', 'RESETSTAT');
    $other->signal('STOP');
    sleep 25;
    is $redis->info('cmdstat_ping'), undef, 'nothing happens for a while';
    is $stopped->log_count(qr/\[error\]/), 0, 'nobody is missed';
    sleep 6;
    ok wait_for(sub { $redis->info('cmdstat_ping') }), 'then there is a PING';
    like $redis->info('cmdstat_ping'), qr/^calls=1,/, 'one';
    is scalar($redis->links), 1, 'on the link that was';
    ok logged($stopped, qr/redis did not reply in time, 1 commands lost/),
        'a server that stands still is noticed';
    is get($stopped, 'PING'), "UNAVAILABLE\n", 'before a request notices it';

    $other->signal('CONT');
    stop_nginx($_) for $nginx, $stopped;
};


my $probe = RedisLab::Nginx->new(http => 'iot_store a { server 127.0.0.1; }',
    server => 'location / { redis_test a; }');

if ($probe->test !~ /successful/) {
    plan skip_all => 'no nginx with t/redis-module: ' . $probe->test;
}

if (system('redis-server --version >/dev/null 2>&1') != 0) {
    plan skip_all => 'no redis-server';
}

for my $name (@ARGV ? @ARGV : @names) {
    subtest $name => $tests{$name} || sub { fail "no such test" };
    RedisLab::stop_all();
}

unlike join('', map { $_->log } @nginxes), qr/open socket #\d+ left/,
    'no socket was left open';
unlike join('', map { $_->log } @nginxes), qr/\Q$SECRET\E/,
    'no password is in any log';

done_testing;
