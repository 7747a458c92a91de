#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A master that sentinels know, with real sentinels and real failovers, and
# with sentinels that only look like some.  Needs what t/redis_client.t needs,
# and openssl.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/redis-module/lib", "$FindBin::Bin/support";

use Iot::Authority;
use Iot::Sentinels;
use RedisLab;
use Test::More;
use Time::HiRes qw(sleep time);

my $SLOW = $RedisLab::SLOW;

# down-after, votes and the new master's election
my $FAILOVER = 30 * $SLOW;

my (%tests, @names, $lab);


sub test {
    my ($name, $code) = @_;
    push @names, $name;
    $tests{$name} = $code;
}

# an nginx with a store "main" behind those sentinels, and /redis for it
sub nginx {
    my ($sentinels, $directives, %part) = @_;

    return RedisLab::Nginx->new(
        http => 'iot_store main { topology sentinel '
            . ($part{master} // 'iot') . "; server @$sentinels; "
            . 'timeout ' . 1000 * $SLOW . "ms; $directives }",
        server => 'location /redis { redis_test main; }', %part)->start;
}

# one lab for all tests that leave it as it was
sub lab {
    return $lab ||= Iot::Sentinels->start(replicas => 2, sentinels => 3);
}

sub end_lab {
    my ($lab) = @_;
    $_->stop('KILL') for running($lab->redises, $lab->sentinels);
}

sub running { grep { $_->{pid} } @_ }

sub get { $_[0]->get("/redis?cmd=$_[1]") }
sub is_up { get($_[0], 'PING') eq "REPLIED +PONG\n" }
sub up { my ($nginx, $patience) = @_;
         wait_for(sub { is_up($nginx) }, $patience) }
sub logged { my ($nginx, $pattern) = @_;
             wait_for(sub { $nginx->log =~ $pattern }) }

sub stop_nginx {
    my ($nginx) = @_;
    is $nginx->quit, 0, 'nginx exits in good order';
    is join('', $nginx->complaints), '', 'nothing bad in its log';
}

# who listens to that sentinel
sub listeners {
    my ($sentinel) = @_;
    my $list = $sentinel->command('CLIENT', 'LIST');
    return grep { /name=ngx-iot-\d+ .* sub=1 / } split /\n/, $list;
}

# the descriptors of the one worker
sub descriptors {
    my ($nginx) = @_;
    my ($worker) = $nginx->workers;
    return scalar(() = glob "/proc/$worker/fd/*");
}


test 'discovery' => sub {
    my $lab = lab();
    my $nginx = nginx([ $lab->sentinel_addresses ], '');
    ok up($nginx), 'works';

    my $master = $lab->master;
    is get($nginx, 'SET+where+master'), "REPLIED +OK\n", 'writes';
    is $master->command('GET', 'where'), 'master', 'to the master';
    is scalar($master->links), 1, 'one link to it';
    is scalar(map { $_->links } $lab->replicas), 0, 'none to the replicas';
    ok wait_for(sub { 1 == map { listeners($_) } $lab->sentinels }),
        'one sentinel is listened to';
    is scalar(map { $_->links } $lab->sentinels), 1, 'and no link is left';

    my $fds = descriptors($nginx);
    ok $nginx->reload, 'reload' for 1 .. 3;
    ok up($nginx), 'works after that';
    ok wait_for(sub { 1 == map { listeners($_) } $lab->sentinels }),
        'one sentinel is listened to';
    is descriptors($nginx), $fds, 'as many descriptors as before';

    stop_nginx($nginx);
    ok wait_for(sub { 0 == map { $_->links } $lab->sentinels, $lab->redises }),
        'no links are left';
};


test 'dead and silent sentinels' => sub {
    my $lab = lab();
    my ($first, @others) = $lab->sentinels;
    my ($address, @rest) = $lab->sentinel_addresses;
    my $dead = '127.0.0.1:' . free_port();

    my $nginx = nginx([ $dead, $address ], '');
    ok up($nginx), 'the first is dead';
    ok logged($nginx, qr/\[warn\].*connect\(\) failed \(111.*"\Q$dead\E"/),
        'said so';
    is $nginx->log_count(qr/\[error\]/), 0, 'which is no error';
    ok $nginx->reload, 'reload';
    ok up($nginx), 'works';
    stop_nginx($nginx);

    $first->signal('STOP');
    $nginx = nginx([ $address, @rest ], '');
    ok up($nginx), 'the first is silent';
    ok logged($nginx, qr/\[warn\].*"\Q$address\E"/), 'said so';
    $first->signal('CONT');
    stop_nginx($nginx);
};


test 'nobody knows the master' => sub {
    my $lab = lab();
    my $nginx = nginx([ $lab->sentinel_addresses ], '', master => 'other');

    ok logged($nginx, qr/sentinel does not know the master "other"/),
        'each sentinel is told of';
    ok logged($nginx, qr/\[error\].*no sentinel of iot_store "main" names/),
        'then the failure';
    is get($nginx, 'SET+a+b'), "UNAVAILABLE\n", 'unavailable';
    sleep 1;
    is $nginx->log_count(qr/sentinel does not know/), 3, 'logged once each';
    is $nginx->log_count(qr/\[error\]/), 1, 'logged once';

    $nginx->write_conf(http => $nginx->{http}
        =~ s/sentinel other/sentinel iot/r);
    ok $nginx->reload, 'reload with the right name';
    ok up($nginx), 'works';
    stop_nginx($nginx);
};


test 'a Redis that is no sentinel' => sub {
    my $lab = lab();
    my $nginx = nginx([ '127.0.0.1:' . $lab->master->{port} ], '');
    ok logged($nginx, qr/redis is not in "sentinel" mode, .* "standalone"/),
        'is told of';
    is get($nginx, 'SET+a+b'), "UNAVAILABLE\n", 'unavailable';
    stop_nginx($nginx);
};


test 'failover' => sub {
    my $lab = lab();
    my $nginx = nginx([ $lab->sentinel_addresses ], '');
    ok up($nginx), 'works';
    get($nginx, 'SET+before+1');

    my $fds = descriptors($nginx);

    # the sentinels' own wish
    my $old = $lab->master;
    ok wait_for(sub { $old->command('WAIT', 2, 1000) == 2 }), 'in step';
    my $said = ($lab->sentinels)[0]->command('SENTINEL', 'FAILOVER', 'iot');
    is $said, 'OK', 'failover is wanted';
    my $new = $lab->failed_over($old);
    ok $new, 'another master';

    ok wait_for(sub { get($nginx, 'SET+where+2') eq "REPLIED +OK\n"
                      && $new->command('GET', 'where') eq '2' }),
        'writes go there';
    is get($nginx, 'GET+before'), "REPLIED \$1\n", 'with what was before';
    ok logged($nginx, qr/\[notice\].*the master "iot" of iot_store "main" h/),
        'said so';
    ok wait_for(sub { !$old->links }), 'no link to the old one';
    ok $lab->in_step, 'the old one is a replica';

    # the master dies
    my $start = time;
    $new->stop('KILL');
    my $third = $lab->failed_over($new);
    ok $third, 'the third master';
    ok up($nginx, $FAILOVER), 'works again';
    diag sprintf 'kill -9 of the master: available again after %.1f s',
        time - $start;
    is get($nginx, 'GET+where'), "REPLIED \$2\n", 'with what was before';

    $new->start;
    ok $lab->in_step, 'the dead one comes back as a replica';
    is descriptors($nginx), $fds, 'as many descriptors as before';
    stop_nginx($nginx);
};


test 'sentinels that were learned' => sub {
    my $lab = lab();
    my ($first, @others) = $lab->sentinels;
    my ($address) = $lab->sentinel_addresses;

    my $nginx = nginx([ $address ], '');
    ok up($nginx), 'works';
    ok wait_for(sub { listeners($first) }), 'one sentinel is known';

    $first->stop('KILL');
    ok wait_for(sub { 1 == map { listeners($_) } @others }, 30),
        'another is listened to when that is gone';

    my $old = $lab->master;
    is $others[0]->command('SENTINEL', 'FAILOVER', 'iot'), 'OK', 'failover';
    my $new = $lab->failed_over($old);
    ok $new, 'another master';
    ok wait_for(sub { get($nginx, 'SET+learned+1') eq "REPLIED +OK\n"
                      && $new->command('GET', 'learned') }), 'is found';
    stop_nginx($nginx);

    $first->start;
    ok wait_for(sub { $lab->master == $new && $lab->in_step }, 60),
        'all is as it was';
};


test 'a stale sentinel' => sub {
    my $lab = lab();
    my $nginx = nginx([ $lab->sentinel_addresses ], '');
    ok up($nginx), 'works';

    # for the sentinels it stays the master
    my $master = $lab->master;
    my ($other) = $lab->replicas;
    $master->command('REPLICAOF', '127.0.0.1', $other->{port});

    ok wait_for(sub { get($nginx, 'SET+a+b') eq "UNAVAILABLE\n" }),
        'who is not the master is not written to';
    ok logged($nginx, qr/redis is not a "master", its role is "/), 'said so';

    my $before = ($lab->sentinels)[0]->info('total_connections_received');
    sleep 2;
    cmp_ok +($lab->sentinels)[0]->info('total_connections_received') - $before,
        '<', 20, 'the sentinel is not asked too often';

    $master->command('REPLICAOF', 'NO', 'ONE');
    ok up($nginx), 'works when they are right again';
    ok $lab->in_step, 'all is as it was';
    stop_nginx($nginx);
};


test 'users, passwords and TLS' => sub {
    end_lab($lab) if $lab;
    undef $lab;

    my $ca = Iot::Authority->new('ca');
    my $secured = Iot::Sentinels->start(tls => $ca->certificate('redis'),
        ca => $ca->file, sentinel_tls => 1, user => 'iot', password => 'one',
        sentinel_user => 'gateway', sentinel_password => 'Secret2');

    # what README.md says that a gateway needs of a sentinel
    for my $sentinel ($secured->sentinels) {
        is $sentinel->command('ACL', 'SETUSER', 'reader', 'on', '>Secret3',
            rights()), 'OK', 'the least rights';
    }

    my %file = map { $_ => file($_) } qw(one Secret2 Secret3 wrong);

    my $store = "username iot; password_file $file{one}; ssl on; "
        . 'ssl_trusted_certificate ' . $ca->file . ';';

    my $nginx = nginx([ $secured->sentinel_addresses ],
        "$store sentinel_username reader; "
        . "sentinel_password_file $file{Secret3};");
    ok up($nginx), 'works';
    ok wait_for(sub { 1 == map { listeners($_) } $secured->sentinels }),
        'one sentinel is listened to';
    is $nginx->log_count(qr/\[(warn|error)\]/), 0, 'nothing is refused'
        or diag $nginx->log;

    my $old = $secured->master;
    $old->stop('KILL');
    ok $secured->failed_over($old), 'the master dies';
    ok up($nginx, $FAILOVER), 'works again';
    stop_nginx($nginx);

    $nginx = nginx([ $secured->sentinel_addresses ],
        "$store sentinel_username reader; "
        . "sentinel_password_file $file{wrong};");
    ok logged($nginx, qr/redis refused HELLO "WRONGPASS /), 'a wrong password';
    is get($nginx, 'SET+a+b'), "UNAVAILABLE\n", 'unavailable';
    file('wrong', 'Secret3');
    ok $nginx->reload, 'the right one';
    ok up($nginx), 'is read again';
    unlike $nginx->log, qr/Secret/, 'and not logged';
    stop_nginx($nginx);

    $nginx = nginx([ $secured->sentinel_addresses ],
        "$store sentinel_ssl off; sentinel_username reader; "
        . "sentinel_password_file $file{Secret3};");
    ok logged($nginx, qr/no sentinel of iot_store "main" names/),
        'TLS is wanted';
    stop_nginx($nginx);

    my $other = Iot::Authority->new('other');
    $nginx = nginx([ $secured->sentinel_addresses ],
        ($store =~ s/ca\.pem/other.pem/r) . "sentinel_username reader; "
        . "sentinel_password_file $file{Secret3};");
    ok logged($nginx, qr/SSL certificate verify error/),
        'a certificate of somebody else';
    stop_nginx($nginx);

    end_lab($secured);
};

sub rights {
    my ($line) = RedisLab::slurp("$FindBin::Bin/../README.md")
        =~ /^user iot-sentinel on >PASSWORD (.*)$/m;
    return split ' ', $line // die 'no ACL line for sentinels in README.md';
}

my %files;

sub file {
    my ($name, $text) = @_;
    my $path = lab_dir() . "/password-$name";
    open my $fh, '>', $path or die "$path: $!";
    print $fh $text // $name, "\n";
    close $fh;
    chmod 0600, $path;
    return $path;
}


# a sentinel that says what the code says to GET-MASTER-ADDR-BY-NAME; after
# that, for each line in its file, that line as a reply of its own
sub fake {
    my ($address, $after) = @_;

    return RedisLab::Fake->new(sub {
        my ($socket) = @_;
        my $subscribed = 0;

        while (my @argv = RedisLab::Fake::read_command($socket)) {
            if ($argv[0] eq 'HELLO') {
                say_all($socket, "*2\r\n", bulk('mode', 'sentinel'));
            } elsif ($argv[0] eq 'SUBSCRIBE') {
                say_all($socket, "*3\r\n", bulk(@argv), ":1\r\n");
                say_all($socket, $after->()) if $after;
            } elsif ($argv[0] eq 'PING') {
                say_all($socket, "*2\r\n", bulk('pong', ''));
            } elsif ($argv[1] eq 'SENTINELS') {
                say_all($socket, "*0\r\n");
            } else {
                say_all($socket, $address->());
            }
        }
    });
}

sub bulk { RedisLab::Fake::bulk(@_) }
sub say_all { RedisLab::Fake::say_all(@_) }
sub named { my ($host, $port) = @_; "*2\r\n" . join '', bulk($host, $port) }


test 'a hint' => sub {
    my ($one, $two) = map { RedisLab::Redis->new->start } 1, 2;
    my $file = lab_dir() . '/hint';
    my $now = sub { -e $file ? $two : $one };

    my $fake = fake(sub { named('127.0.0.1', $now->()->{port}) }, sub {
        return () if -e $file;
        wait_for(sub { -e $file }) or die 'no hint';
        return "*3\r\n", bulk('message', '+switch-master',
                              'iot 127.0.0.1 1 127.0.0.1 2');
    });

    my $nginx = nginx([ "127.0.0.1:$fake->{port}" ], '');
    ok wait_for(sub { $one->links }), 'the master of the beginning';
    ok up($nginx), 'works';
    my $before = $fake->connections;

    open my $fh, '>', $file;
    close $fh;
    ok wait_for(sub { $two->links && !$one->links }),
        'without a request, and though the old one lives, it is followed';
    is $fake->connections, $before + 1, 'the sentinel was asked once more';
    is get($nginx, 'SET+a+b'), "REPLIED +OK\n", 'works';
    stop_nginx($nginx);

    $fake->stop;
    $_->stop for $one, $two;
};


test 'a master with a host name' => sub {
    my $redis = RedisLab::Redis->new->start;
    my $dns = RedisLab::Dns->new('127.0.0.1');
    my $fake = fake(sub { named('redis.test', $redis->{port}) });

    my $nginx = nginx([ "127.0.0.1:$fake->{port}" ], '');
    ok logged($nginx, qr/named the master by a host name, and there is no "r/),
        'without a resolver it is not found';
    stop_nginx($nginx);

    $nginx = nginx([ "127.0.0.1:$fake->{port}" ],
        "resolver 127.0.0.1:$dns->{port} ipv6=off;");
    ok up($nginx), 'with one it is';
    stop_nginx($nginx);

    $nginx = nginx([ "sentinel.test:$fake->{port}" ],
        "resolver 127.0.0.1:$dns->{port} ipv6=off;");
    ok up($nginx), 'and so are sentinels with host names';
    stop_nginx($nginx);

    $fake->stop;
    $redis->stop;
};


# Both names are asked for when the master moves from one to the other; a
# question that nobody answers is asked again, unless it is of no interest.

test 'a master with a host name that moves while it is looked up' => sub {
    my $redis = RedisLab::Redis->new->start;
    my $dns = RedisLab::Dns->new(undef);
    my $file = lab_dir() . '/moves';

    my $fake = fake(sub {
        named(-e $file ? 'two.test' : 'one.test', $redis->{port});
    }, sub {
        return () if -e $file;
        wait_for(sub { -e $file }) or die 'no hint';
        return "*3\r\n", bulk('message', '+switch-master',
                              'iot one.test 1 two.test 2');
    });

    my $nginx = nginx([ "127.0.0.1:$fake->{port}" ],
        "resolver 127.0.0.1:$dns->{port} ipv6=off; resolver_timeout 60s;");
    ok wait_for(sub { $dns->queries('one.test') }), 'it is looked up';

    open my $fh, '>', $file;
    close $fh;
    ok wait_for(sub { $dns->queries('two.test') }), 'and so is the next one';

    $dns->says_of('two.test', '127.0.0.1');
    ok up($nginx, 30), 'which is told when it is asked for once more';
    is $dns->queries('two.test'), 2, 'as it was';
    is $dns->queries('one.test'), 1, 'and the first one was not';
    stop_nginx($nginx);

    $fake->stop;
    $redis->stop;
};


# They know each other by names, which need a resolver as any other.

test 'sentinels that announce names' => sub {
    my $lab = Iot::Sentinels->start(replicas => 0, sentinels => 2,
        settings => [ 'sentinel resolve-hostnames yes',
                      'sentinel announce-hostnames yes',
                      'sentinel announce-ip localhost' ]);
    my ($first, $other) = $lab->sentinels;
    my ($address) = $lab->sentinel_addresses;
    my $dns = RedisLab::Dns->new('127.0.0.1');
    my $told = qr/\[warn\].*told of another one at "localhost", which can not/;

    my $nginx = nginx([ $address ], '');
    ok up($nginx), 'works';
    ok logged($nginx, $told), 'without a resolver one is left out';
    my $before = $first->info('total_connections_received');
    $lab->master->command('CLIENT', 'KILL', 'TYPE', 'normal');
    ok up($nginx), 'works again';
    ok wait_for(sub { $first->info('total_connections_received') > $before
                      && listeners($first) }), 'it is told once more';
    is $nginx->log_count($told), 1, 'but logged once';
    stop_nginx($nginx);

    $nginx = nginx([ $address ], "resolver 127.0.0.1:$dns->{port} ipv6=off;");
    ok up($nginx), 'works with a resolver';
    ok wait_for(sub { listeners($first) }), 'nobody knows of the other one';
    is $dns->queries, 0, 'nor asks where it is';

    $first->stop('KILL');
    ok wait_for(sub { listeners($other) }), 'until it is needed';
    is $dns->queries, 1, 'it is looked up';
    $lab->master->command('CLIENT', 'KILL', 'TYPE', 'normal');
    ok up($nginx), 'who was learned tells of the master';
    unlike $nginx->log, $told, 'nothing is left out';

    $first->start;
    $other->stop('KILL');
    ok wait_for(sub { listeners($first) }), 'and back';
    stop_nginx($nginx);
    end_lab($lab);
};


my @answers = (
    'an error' => "-ERR (weird)\r\n",
    'a number' => ":1\r\n",
    'too little' => "*1\r\n\$1\r\na\r\n",
    'no host' => named('', 1),
    'no port' => named('127.0.0.1', 'x'),
    'too large a port' => named('127.0.0.1', 65536),
    'too long a host' => named('x' x 256, 1),
    'no host for a log' => named("a\nb", 1),
    'numbers' => "*2\r\n:1\r\n:2\r\n",
    'nothing' => '',
    'no protocol' => "HTTP/1.1 400 Bad Request\r\n\r\n",
);

test 'sentinels that are not worth the name' => sub {
    my $n = 0;

    while (my ($what, $answer) = splice @answers, 0, 2) {
        my $fake = fake(sub { $answer });
        my $nginx = nginx([ "127.0.0.1:$fake->{port}" ], '');

        ok logged($nginx, qr/no sentinel of iot_store "main" names/), $what
            or diag $nginx->log;
        is get($nginx, 'SET+a+b'), "UNAVAILABLE\n", 'unavailable';
        stop_nginx($nginx);
        $fake->stop;
    }

    my $redis = RedisLab::Redis->new->start;
    my $fake = fake(sub { named('127.0.0.1', $redis->{port}) },
                    sub { "+what\r\n" });
    my $nginx = nginx([ "127.0.0.1:$fake->{port}" ], '');
    ok logged($nginx, qr/redis sent an unexpected reply, looking for a/),
        'one that says something else';
    ok up($nginx), 'does no harm';
    stop_nginx($nginx);
    $fake->stop;
    $redis->stop;
};


for my $name (@names) {
    next if @ARGV && !grep { $name =~ /$_/ } @ARGV;
    subtest $name => $tests{$name};
}

done_testing();
