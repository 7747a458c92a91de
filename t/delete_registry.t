#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Registries: Delete.  What goes at once and what later, what others may do
# meanwhile, and who goes on when a worker dies.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/support";

use Digest::SHA qw(sha256_hex);
use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);

redis_start('--slowlog-log-slower-than', 0, '--slowlog-max-len', 20000);

my $gateway = <<'_EOC_';
    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_

my $nginx = Iot::Nginx->start(http => with_rights(http_config()),
                              server => $gateway, workers => 2);

my $R = '/iot-devices/v1/registries';
my $TYPE = 'type.googleapis.com/yandex.cloud.iot.devices.v1.';
my $JOBS = '{00}:j';
my $uuid = 0;


sub key { return sprintf '7f6f1f3c-0a0b-4c0d-8e0f-%012d', ++$uuid }

sub call {
    my ($method, $uri, $body, %header) = @_;

    my $answer = $nginx->request($method, $uri, $body, %header);
    my $value = eval { decode_json($answer->{body}) } // {};

    return { %$value, status_code => $answer->{status},
             text => $answer->{body} };
}

sub refused {
    my ($answer) = @_;

    my %said = map { $_->{'@type'} =~ s/.*\.//r => $_ }
        @{ $answer->{details} || [] };

    return join ' ', grep { defined }
        $answer->{status_code}, $answer->{code}, $said{ErrorInfo}{reason};
}

sub create {
    my ($name) = @_;

    return call('POST', $R, qq({"folderId":"f1","name":"$name"}))
        ->{metadata}{registryId} // die;
}

sub add {
    my ($registry, $name) = @_;

    return call('POST', "$R/$registry/certificates",
                body(certificate(name => $name)));
}

# keys that are not operations and the like
sub left { return join ' ', sort grep { !/\}:[oyia]:/ } @{ redis('KEYS', '*') } }

sub finished {
    my ($operation) = @_;

    my $poll;

    wait_until(sub {
        $poll = call('GET', "/operations/$operation");
        $poll->{done} || !defined $poll->{done};
    }, $Iot::Nginx::PATIENCE);

    return $poll;
}


# ---- a registry without certificates, and with some

my $one = create('one');
my $deleted = call('DELETE', "$R/$one");

is($deleted->{text}, qq({"id":"$deleted->{id}",)
    . qq("description":"Delete device registry",)
    . qq("createdAt":"$deleted->{createdAt}","createdBy":"alice",)
    . qq("modifiedAt":"$deleted->{createdAt}","done":true,"metadata":)
    . qq({"\@type":"${TYPE}DeleteRegistryMetadata","registryId":"$one"},)
    . '"response":{"@type":"type.googleapis.com/google.protobuf.Empty"}}',
    'the Operation, field by field');
is(call('GET', "/operations/$deleted->{id}")->{text}, $deleted->{text},
    'the operation is the same when it is read again');
is(left(), '', 'nothing is left of it');
is(refused(call('GET', "$R/$one")), '404 5 REGISTRY_NOT_FOUND', 'Get');
is(refused(call('DELETE', "$R/$one")), '404 5 REGISTRY_NOT_FOUND',
    'a second Delete');
is(left(), '', 'which leaves no job');
is(refused(call('DELETE', "$R/a.b")), '400 3 INVALID_FIELD', 'a bad id');

my $two = create('two');
my $other = create('other');

add($two, $_) for 1 .. 3;
add($other, 4);

$deleted = call('DELETE', "$R/$two");

is($deleted->{done}, JSON::PP::true, 'with three certificates: at once');
unlike(left(), qr/$two/, 'all that it had is gone');
is(scalar(grep { /:x:/ } @{ redis('KEYS', '*') }), 1,
    'and the claims, but for that of another');
is(add($other, 1)->{done}, JSON::PP::true, 'its certificates are free');
is(create('two') =~ /^\w{20}$/, 1, 'and its name');
is(refused(call('GET', "$R/$two/operations")), '404 5 REGISTRY_NOT_FOUND',
    'its operations are not listed');

my ($added) = map { s/.*://r } grep { /:o:/ && redis('HGET', $_, 'r') eq $two
    && redis('HGET', $_, 'k') == 1 } @{ redis('KEYS', '*') };

is(call('GET', "/operations/$added")->{response}{registryId}, $two,
    'but can be read');


# ---- Idempotency-Key

my $keyed = create('keyed');
my %key = ('Idempotency-Key' => key());
my $first = call('DELETE', "$R/$keyed", undef, %key);

is(call('DELETE', "$R/$keyed", undef, %key)->{text}, $first->{text},
    'the same key, the same answer');
is(redis('EXISTS', $JOBS), 0, 'no job is left by that');


# ---- a registry that was made by hand, and one in its folder

create_registry('by-hand', '');
is(call('DELETE', "$R/by-hand")->{done}, JSON::PP::true, 'made by hand');


# ---- while the backend has something to finish

{
    my $backend = Iot::Nginx->start(http => http_config(), server =>
        $gateway =~ s/iot_api main;/iot_api main; iot_completion backend;/r);
    my $used = create('used');
    my $pending = decode_json($backend->request('POST',
        "$R/$used/certificates", body(certificate(name => 'used')))->{body});

    is(refused(call('DELETE', "$R/$used")), '400 9 REGISTRY_IN_USE',
        'an add waits for the backend');
    is(redis('EXISTS', $JOBS), 0, 'no job is left');
    is(call('GET', "$R/$used")->{status}, 'ACTIVE', 'the registry stays');

    call('POST', "/operations/$pending->{id}:cancel", '');
    is(call('DELETE', "$R/$used")->{done}, JSON::PP::true,
        'when the add was cancelled it is deleted');
    unlike(left(), qr/$used/, 'wholly');

    # it shares the store, and would take jobs as well
    is($backend->stop, '', 'it stops');
}


# ---- while it is being deleted

redis('FLUSHALL');

my $big = create('big');
my $tag = registry_tag($big);

put_certificates($big, 1000);
add($big, $_) for 1 .. 2;

$deleted = call('DELETE', "$R/$big");

is($deleted->{done}, JSON::PP::false, 'a thousand: not at once');
ok(!exists $deleted->{response}, 'without a response');

my $poll = finished($deleted->{id});

is($poll->{done}, JSON::PP::true, 'but soon');
cmp_ok($poll->{modifiedAt}, 'ge', $poll->{createdAt}, 'modifiedAt');
is(wait_until(sub { left() eq '' }, 10), 1, 'nothing is left');
is(redis('TTL', "$tag:o:$deleted->{id}") > 0, 1, 'the operation will expire');


# ---- broken off at each step: what a dead worker leaves is taken up

sub stopped {
    my ($name, $certificates, $owner) = @_;

    my $id = create($name);
    my $tag = registry_tag($id);

    put_certificates($id, $certificates, size => 10) if $certificates;

    my @digits = (0 .. 9, 'a' .. 'v');
    my $operation = $tag =~ s/[{}]//gr
        . join('', map { $digits[int(time * 1000) >> 5 * (8 - $_) & 31] }
                       0 .. 8) . '000000000';

    redis('ZADD', $JOBS, 1, "$id\x1f$operation");

    return ($id, $tag, $operation);
}

sub mark {
    my ($id, $tag, $operation) = @_;

    redis('HSET', "$tag:r:$id", 's', 3, 'x', $operation, 'e', 1000000);
    redis('HSET', "$tag:o:$operation", 'v', 1, 'k', 5, 'r', $id, 'f', '',
          'b', 'alice', 'c', int(time * 1000), 'd', 0);
}

my ($id, $operation);

($id, $tag, $operation) = stopped('unmarked', 0);

is(wait_until(sub { redis('ZSCORE', $JOBS, "$id\x1f$operation") > 1 }, 30), 1,
    'a job whose mark may be on its way is put off');
is(call('GET', "$R/$id")->{status}, 'ACTIVE', 'the registry stays');
redis('DEL', $JOBS);

($id, $tag, $operation) = stopped('marked', 450);
mark($id, $tag, $operation);

is(refused(call('GET', "$R/$id")), '404 5 REGISTRY_NOT_FOUND',
    'DELETING: not shown');
is(refused(add($id, 9)), '404 5 REGISTRY_NOT_FOUND', 'takes nothing');
is(refused(call('POST', "$R/$id:enable")), '404 5 REGISTRY_NOT_FOUND',
    'is not enabled');
unlike(call('GET', "$R?folderId=f1")->{text}, qr/$id/, 'is not listed');
is(refused(call('GET', "$R:getByName?folderId=f1&registryName=marked")),
    '404 5 REGISTRY_NOT_FOUND', 'has no name');
is(create('marked') =~ /^\w{20}$/, 1, 'which others can take');

is(finished($operation)->{done}, JSON::PP::true,
    'a delete that was broken off comes to its end');
is(wait_until(sub { !redis('EXISTS', $JOBS) }, 10), 1, 'its job is gone');
unlike(left(), qr/$id/, 'the registry too');
is(call('GET', "$R:getByName?folderId=f1&registryName=marked")->{name},
    'marked', 'the name is still the other\'s');


# ---- certificates of a registry that is being deleted are free

($id, $tag, $operation) = stopped('held', 0);

my $held = add($id, 'held');
my $taker = create('taker');

redis('DEL', $JOBS);
mark($id, $tag, $operation);

is(add($taker, 'held')->{done}, JSON::PP::true,
    'a certificate of it can be added elsewhere');

redis('ZADD', $JOBS, 1, "$id\x1f$operation");

is(finished($operation)->{done}, JSON::PP::true, 'then it is deleted');
is(scalar @{ call('GET', "$R/$taker/certificates")->{certificates} }, 1,
    'the other keeps it');
is(refused(add($other = create('another'), 'held')), '409 6 CERTIFICATE_EXISTS',
    'and its claim');


# ---- a claim that cannot be given back keeps its certificate

{
    ($id, $tag, $operation) = stopped('kept', 0);
    redis('DEL', $JOBS);
    add($id, 'kept');

    my $sha256 = sha256_hex(der(certificate(name => 'kept')));
    my ($claim) = grep { /:x:$sha256$/ } @{ redis('KEYS', '*') };
    my $value = redis('GET', $claim);

    redis('DEL', $claim);
    redis('LPUSH', $claim, 'no claim');
    mark($id, $tag, $operation);
    redis('ZADD', $JOBS, 1, "$id\x1f$operation");

    ok(wait_until(sub { $nginx->error_log =~ /release_claims/ }, 30),
        'a claim that cannot be given back');
    is(redis('EXISTS', "$tag:c:$id:$sha256"), 1,
        'keeps the record that tells of it');

    redis('DEL', $claim);
    redis('SET', $claim, $value);
    redis('ZADD', $JOBS, 1, "$id\x1f$operation");

    is(finished($operation)->{done}, JSON::PP::true, 'until it can');
    unlike(left(), qr/$id|$sha256/, 'then nothing is left');
}


# ---- adds against a delete

for my $round (1 .. 5) {
    my $race = create("race $round" =~ s/ //gr);
    my @names = map { "race $round $_" } 1 .. 6;
    my @sockets = map { $nginx->send_request('POST', "$R/$race/certificates",
        body(certificate(name => $_))) } @names;

    push @sockets, $nginx->send_request('DELETE', "$R/$race");

    my @answers = map { Iot::Nginx::read_answer($_) } @sockets;
    my $gone = decode_json($answers[-1]{body});

    is($answers[-1]{status}, 200, "round $round: deleted");
    is(scalar(grep { $_->{status} != 200 && $_->{status} != 404 } @answers),
        0, 'adds came before it or after it');
    is(finished($gone->{id})->{done}, JSON::PP::true, 'it is done');
    is(wait_until(sub { left() !~ /$race/ }, 10), 1, 'nothing of it is left');
    is(scalar(grep { add($taker, $_)->{status_code} != 200 } @names), 0,
        'all are free');
}


# ---- a worker dies in the midst of 100,000

redis('FLUSHALL');

$big = create('huge');
$tag = registry_tag($big);
my $count = clustered() ? 5_000 : 100_000;

put_certificates($big, $count, size => 100);

if (!clustered()) {
    redis('CONFIG', 'RESETSTAT');
    redis('SLOWLOG', 'RESET');
}

$deleted = call('DELETE', "$R/$big");

is($deleted->{done}, JSON::PP::false, "$count certificates");
is(wait_until(sub { redis('ZCARD', "$tag:z:$big") < $count * 0.95 }, 30), 1,
    'they go');

kill 'KILL', $nginx->workers;

is(wait_until(sub { $nginx->workers == 2 }, 30), 1, 'the workers were killed');

my $rest = redis('ZCARD', "$tag:z:$big");

cmp_ok($rest, '>', 0, "$rest certificates were left");

# the lease of the dead is over
redis('ZADD', $JOBS, 1, "$big\x1f$deleted->{id}");

is(finished($deleted->{id})->{done}, JSON::PP::true, 'others go on');
is(wait_until(sub { left() eq '' }, 10), 1, 'nothing is left');

if (!clustered()) {
    my @slow = sort { $b <=> $a } map { $_->[2] }
        grep { $_->[3][0] =~ /^EVAL/i } @{ redis('SLOWLOG', 'GET', 20000) };
    my $stats = redis('INFO', 'commandstats');
    my ($calls) = $stats =~ /cmdstat_evalsha:calls=(\d+)/;

    diag("longest script: $slow[0] us, $calls calls");

    cmp_ok($calls, '>', 900, 'in batches of at most 200');
}


like($nginx->stop =~ s/^[^\n]*(?:release_claims|a task failed)[^\n]*\n//gmr,
    qr/\A(?:[^\n]* exited on signal 9\n){2}\z/,
    'nginx stops, and has nothing else to complain of');

done_testing();
