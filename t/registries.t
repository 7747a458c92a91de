#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Registries: Create, Get, GetByName, List, Update, Enable and Disable.  What
# is answered and refused, what Redis holds, and what lost steps leave.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/support";

use Digest::SHA qw(sha256 sha256_hex);
use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;
use Time::HiRes qw(time);

redis_start();

my $gateway = <<'_EOC_';
    access_log logs/access.log iot;

    location /iot-devices/ {
        iot_api main;
    }

    location /operations/ {
        iot_operations main;
    }
_EOC_

my $http = http_config(<<'_EOC_');
    log_format iot '$iot_method $iot_folder_id $iot_registry_id $iot_code';

    map $iot_caller:$iot_method:$iot_folder_id $allowed {
        volatile;
        default 1;
        "~^bob:RegistryService.(Create|List|GetByName):(?!bobs)" 0;
    }

    iot_access $allowed;
_EOC_

my $nginx = Iot::Nginx->start(http => with_rights($http), server => $gateway, workers => 2);

my $R = '/iot-devices/v1/registries';
my $TYPE = 'type.googleapis.com/yandex.cloud.iot.devices.v1.';
my $uuid = 0;


sub key { return sprintf '7f6f1f3c-0a0b-4c0d-8e0f-%012d', ++$uuid }

# the answer decoded, with its status

sub call {
    my ($method, $uri, $body, %header) = @_;

    $body = encode_json($body) if ref $body;

    my $answer = $nginx->request($method, $uri, $body, %header);
    my $value = eval { decode_json($answer->{body}) } // {};

    return { %$value, status_code => $answer->{status},
             text => $answer->{body}, headers => $answer->{headers} };
}

# an error in short: code, reason, field

sub refused {
    my ($answer) = @_;

    my %said = map { $_->{'@type'} =~ s/.*\.//r => $_ }
        @{ $answer->{details} || [] };

    return join ' ', grep { defined }
        $answer->{status_code}, $answer->{code}, $said{ErrorInfo}{reason},
        ($said{BadRequest} || {})->{fieldViolations}[0]{field},
        ($said{ResourceInfo} || {})->{resourceName};
}

sub create {
    my ($body, %header) = @_;

    $body = { folderId => 'f1', %$body } if ref $body;

    return call('POST', $R, $body, %header);
}

sub id { return $_[0]{metadata}{registryId} // '' }

# the body of an answer that comes in parts

sub chunked {
    my ($uri) = @_;

    my $socket = $nginx->send_request('GET', $uri);
    my $answer = do { local $/; <$socket> };
    my $body = '';

    $answer =~ s/.*?\r\n\r\n//s;

    while ($answer =~ s/\A([0-9a-f]+)\r\n//) {
        my $size = hex $1 or return $body;

        $body .= substr $answer, 0, $size + 2, '';
        substr($body, -2) = '';
    }

    return "not whole: $body";
}

sub names {
    my ($answer) = @_;

    return join ' ', map { $_->{name} // '-' } @{ $answer->{registries} };
}

# the id of an operation of that age, s

sub operation_id {
    my ($registry, $age) = @_;

    my @digits = (0 .. 9, 'a' .. 'v');
    my $ms = int((time - $age) * 1000);
    my $id = join '', map { $digits[$ms >> 5 * (8 - $_) & 31] } 0 .. 8;

    return registry_tag($registry) =~ s/[{}]//gr . $id . '000000000';
}

# the key of the claim on a certificate

sub registry_claim {
    my ($pem) = @_;

    my @digits = (0 .. 9, 'a' .. 'v');
    my $sha256 = sha256(der($pem));
    my $shard = unpack('n', $sha256) >> 6;

    return "{$digits[$shard >> 5]$digits[$shard & 31]}:x:"
        . unpack 'H*', $sha256;
}

# tags of the folder and of the registry, as the schema has them
my $folder = registry_tag('f1');


# ---- Create: the Operation, Get and the operation read again

my $answer = create('{"folderId":"f1","name":"one","description":"d\n",'
    . '"labels":{"b":"1","a":""},"logOptions":{ "x" : 1e3 },"x":[]}'
    =~ s/\n/\\n/r);
my $one = id($answer);

is($answer->{status_code}, 200, 'Create');
like($one, qr/^[0-9a-v]{20}$/, 'the registry has an id');
like($answer->{createdAt}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/,
    'a time');

my $registry = qq({"id":"$one","folderId":"f1","createdAt":)
    . qq("$answer->{createdAt}","name":"one","description":"d\\n",)
    . qq("labels":{"a":"","b":"1"},"status":"ACTIVE",)
    . qq("logOptions":{ "x" : 1e3 }});

is($answer->{text}, qq({"id":"$answer->{id}",)
    . qq("description":"Create device registry",)
    . qq("createdAt":"$answer->{createdAt}","createdBy":"alice",)
    . qq("modifiedAt":"$answer->{createdAt}","done":true,"metadata":)
    . qq({"\@type":"${TYPE}CreateRegistryMetadata","registryId":"$one"},)
    . qq("response":{"\@type":"${TYPE}Registry",) . substr($registry, 1) . '}',
    'its Operation, field by field');

is(call('GET', "/operations/$answer->{id}")->{text}, $answer->{text},
    'the operation is the same when it is read again');
is(call('GET', "$R/$one")->{text}, $registry, 'Get');
is(call('GET', "$R/$one/")->{text}, $registry, 'Get with a trailing slash');
is(call('GET', "$R:getByName?folderId=f1&registryName=one")->{text},
    $registry, 'GetByName');
is(call('GET', "$R:getByName?folder_id=f1&registry_name=one")->{text},
    $registry, 'GetByName, names as in the proto');
is(call('GET', "$R?folderId=f1")->{text}, qq({"registries":[$registry]}),
    'List');

my ($token) = $answer->{id} =~ /^(..)/;
is(registry_tag($one), "{$token}", 'the operation is in the shard of its '
    . 'registry');


# ---- what is refused

my @refused = (
    [ 'no folder', 'POST', $R, '{"name":"x"}', '400 3 INVALID_FIELD folder_id' ],
    [ 'no body', 'POST', $R, '', '400 3 INVALID_FIELD folder_id' ],
    [ 'a bad folder', 'POST', $R, '{"folderId":"a b"}',
      '400 3 INVALID_FIELD folder_id' ],
    [ 'a folder that is a number', 'POST', $R, '{"folderId":1}',
      '400 3 INVALID_FIELD folder_id' ],
    [ 'a bad name', 'POST', $R, '{"folderId":"f1","name":"a b"}',
      '400 3 INVALID_FIELD name' ],
    [ 'a long name', 'POST', $R, { folderId => 'f1', name => 'a' x 51 },
      '400 3 INVALID_FIELD name' ],
    [ 'a long description', 'POST', $R,
      { folderId => 'f1', description => 'a' x 257 },
      '400 3 INVALID_FIELD description' ],
    [ 'a bad label', 'POST', $R, '{"folderId":"f1","labels":{"A":""}}',
      '400 3 INVALID_FIELD labels' ],
    [ 'a label that is no string', 'POST', $R,
      '{"folderId":"f1","labels":{"a":null}}', '400 3 INVALID_FIELD labels' ],
    [ 'log options that are no object', 'POST', $R,
      '{"folderId":"f1","logOptions":[]}', '400 3 INVALID_FIELD log_options' ],
    [ 'a password', 'POST', $R, '{"folderId":"f1","password":"p"}',
      '400 3 INVALID_FIELD password' ],
    [ 'no JSON', 'POST', $R, '{', '400 3 INVALID_JSON body' ],
    [ 'a key that is none', 'POST', $R, '{"folderId":"f1"}',
      '400 3 INVALID_FIELD idempotency_key', 'Idempotency-Key' => 'x' ],
    [ 'a name that is taken', 'POST', $R, '{"folderId":"f1","name":"one"}',
      '409 6 REGISTRY_NAME_EXISTS one' ],

    [ 'Get of none', 'GET', "$R/none", undef,
      '404 5 REGISTRY_NOT_FOUND none' ],
    [ 'Get with a bad id', 'GET', "$R/a.b", undef,
      '400 3 INVALID_FIELD registry_id' ],
    [ 'GetByName without a folder', 'GET', "$R:getByName?registryName=one",
      undef, '400 3 INVALID_FIELD folder_id' ],
    [ 'GetByName without a name', 'GET', "$R:getByName?folderId=f1", undef,
      '400 3 INVALID_FIELD registry_name' ],
    [ 'GetByName with a bad name', 'GET',
      "$R:getByName?folderId=f1&registryName=a%20b", undef,
      '400 3 INVALID_FIELD registry_name' ],
    [ 'GetByName of none', 'GET', "$R:getByName?folderId=f1&registryName=no",
      undef, '404 5 REGISTRY_NOT_FOUND no' ],
    [ 'GetByName in another folder', 'GET',
      "$R:getByName?folderId=f2&registryName=one", undef,
      '404 5 REGISTRY_NOT_FOUND one' ],
    [ 'List without a folder', 'GET', $R, undef,
      '400 3 INVALID_FIELD folder_id' ],
    [ 'List with a bad size', 'GET', "$R?folderId=f1&pageSize=1001", undef,
      '400 3 INVALID_FIELD page_size' ],
    [ 'List with a bad token', 'GET', "$R?folderId=f1&pageToken=abcd", undef,
      '400 3 INVALID_FIELD page_token' ],

    [ 'Update of none', 'PATCH', "$R/none", '{}',
      '404 5 REGISTRY_NOT_FOUND none' ],
    [ 'Update of none, without a name', 'PATCH', "$R/none",
      '{"updateMask":"labels"}', '404 5 REGISTRY_NOT_FOUND none' ],
    [ 'Update with a bad id', 'PATCH', "$R/a.b", '{}',
      '400 3 INVALID_FIELD registry_id' ],
    [ 'a body that is too large', 'PATCH', "$R/$one", { x => 'a' x 66000 },
      '413 3 REQUEST_TOO_LARGE body' ],
    [ 'an unknown path', 'PATCH', "$R/$one", '{"updateMask":"name,id"}',
      '400 3 INVALID_FIELD update_mask' ],
    [ 'an unknown path in the query', 'PATCH', "$R/$one?update_mask=id",
      '{}', '400 3 INVALID_FIELD update_mask' ],
    [ 'a mask that is no string', 'PATCH', "$R/$one",
      '{"updateMask":{"paths":["name"]}}',
      '400 3 INVALID_FIELD update_mask' ],
    [ 'an Update with a bad name', 'PATCH', "$R/$one", '{"name":"."}',
      '400 3 INVALID_FIELD name' ],

    [ 'Enable of none', 'POST', "$R/none:enable", '',
      '404 5 REGISTRY_NOT_FOUND none' ],
    [ 'Disable of none', 'POST', "$R/none:disable", '',
      '404 5 REGISTRY_NOT_FOUND none' ],
    [ 'another verb', 'POST', "$R/$one:enabled", '',
      "404 5 ROUTE_NOT_FOUND $R/$one:enabled" ],
    [ 'GET of a verb', 'GET', "$R/$one:enable", undef,
      '405 12 METHOD_NOT_ALLOWED' ],
    [ 'PUT', 'PUT', "$R/$one", '', '405 12 METHOD_NOT_ALLOWED' ],
);

my $before = snapshot();

for my $case (@refused) {
    my ($what, $method, $uri, $body, $expected, %header) = @$case;

    is(refused(call($method, $uri, $body, %header)), $expected, $what);
}

is(snapshot(), $before, 'what was refused has left nothing');
is(call('PUT', "$R/$one", '')->{headers}{allow}, 'GET, HEAD, DELETE, PATCH',
    'Allow of a registry');
is(call('PUT', $R, '')->{headers}{allow}, 'GET, HEAD, POST',
    'Allow of registries');


# ---- names

is(create({ name => 'one', folderId => 'f2' })->{status_code}, 200,
    'a name is taken in its folder only');

my @unnamed = map { id(create({})) } 1 .. 2;

is(scalar(grep { /^\w{20}$/ } @unnamed), 2, 'registries without a name');
is(redis('HLEN', "$folder:n:f1"), 1, 'they claim none');


# ---- Update

my $updated = call('PATCH', "$R/$one",
    '{"updateMask":"description,labels","description":"new","name":"no"}');

is($updated->{description}, 'Update device registry', 'Update');
is($updated->{response}{name}, 'one', 'what the mask does not name stays');
is($updated->{response}{description}, 'new', 'what it names is set');
ok(!exists $updated->{response}{labels}, 'and cleared when it was not sent');
is($updated->{response}{createdAt}, $answer->{createdAt},
    'createdAt is that of the registry');
is($updated->{metadata}{'@type'}, "${TYPE}UpdateRegistryMetadata",
    'its metadata');
is(call('GET', "/operations/$updated->{id}")->{text}, $updated->{text},
    'the operation is the same when it is read again');

my $masked = call('PATCH', "$R/$one?updateMask=log_options",
    '{"name":"no","logOptions":{"y":[]}}');

is($masked->{response}{name} . encode_json($masked->{response}{logOptions}),
    'one{"y":[]}', 'a mask in the query');

$masked = call('PATCH', "$R/$one?updateMask=name",
    '{"updateMask":"description","name":"no"}');

is($masked->{response}{name}, 'one', 'a mask in the body wins');

my $renamed = call('PATCH', "$R/$one",
    '{"update_mask":"name","name":"uno"}');

is($renamed->{response}{name}, 'uno', 'a rename');
is(refused(call('GET', "$R:getByName?folderId=f1&registryName=one")),
    '404 5 REGISTRY_NOT_FOUND one', 'the old name is nobody\'s');
is(call('GET', "$R:getByName?folderId=f1&registryName=uno")->{id}, $one,
    'the new one is found');

is(wait_until(sub { !defined redis('HGET', "$folder:n:f1", 'one') }), 1,
    'and its claim is given back');

my $two = id(create({ name => 'one' }));

isnt($two, '', 'the old name can be given to another');
is(refused(call('PATCH', "$R/$one", '{"updateMask":"name","name":"one"}')),
    '409 6 REGISTRY_NAME_EXISTS one', 'and not be taken back then');
is(call('GET', "$R/$one")->{name}, 'uno', 'which changes nothing');
is(call('PATCH', "$R/$one", '{"updateMask":"name","name":"uno"}')
    ->{response}{name}, 'uno', 'a rename to the name that it has');

my $cleared = call('PATCH', "$R/$one", '{}');

is(join(' ', sort keys %{ $cleared->{response} }),
    '@type createdAt folderId id status', 'without a mask all is replaced');
is(refused(call('GET', "$R:getByName?folderId=f1&registryName=uno")),
    '404 5 REGISTRY_NOT_FOUND uno', 'the name too');
is(call('PATCH', "$R/$two", '{"updateMask":"name","name":"uno"}')
    ->{response}{name}, 'uno', 'and can be given to another');


# ---- Enable and Disable

my $disabled = call('POST', "$R/$two:disable", '');

is($disabled->{description} . ' ' . $disabled->{response}{status},
    'Disable device registry DISABLED', 'Disable');
is($disabled->{metadata}{'@type'}, "${TYPE}DisableRegistryMetadata",
    'its metadata');
is(call('GET', "$R/$two")->{status}, 'DISABLED', 'Get shows it');
is(call('GET', "$R:getByName?folderId=f1&registryName=uno")->{status},
    'DISABLED', 'GetByName shows it');
is(call('POST', "$R/$two:disable")->{response}{status}, 'DISABLED',
    'a second Disable is as good as the first');
is(refused(call('POST', "$R/$two/certificates", body(certificate()))),
    '400 9 REGISTRY_DISABLED', 'it takes no certificates');
is(call('PATCH', "$R/$two", '{"updateMask":"description","description":"x"}')
    ->{response}{status}, 'DISABLED', 'it can be updated');

my $enabled = call('POST', "$R/$two:enable");

is($enabled->{description} . ' ' . $enabled->{response}{status},
    'Enable device registry ACTIVE', 'Enable');
is($enabled->{metadata}{'@type'}, "${TYPE}EnableRegistryMetadata",
    'its metadata');
is(call('POST', "$R/$two/certificates", body(certificate()))->{done}, JSON::PP::true,
    'it takes certificates again');


# ---- operations

my $operations = call('GET', "$R/$two/operations")->{operations};

# of operations of one millisecond the random part of the id decides

is(join(', ', sort map { $_->{description} =~ s/ .*//r } @$operations),
    'Add, Create, Disable, Disable, Enable, Update, Update',
    'ListOperations has them all');
is(join(' ', sort map { $_->{response}{status} // '-' } @$operations),
    '- ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE ACTIVE',
    'they answer the registry as it is now');


# ---- Idempotency-Key

my $key = key();
my %keyed = ('Idempotency-Key' => $key);

my $first = create({ name => 'keyed', labels => { a => '1', b => '2' } },
                   %keyed);
my $again = create('{"labels":{"b":"2","a":"1"},"name":"keyed",'
                   . '"folder_id":"f1"}', %keyed);

is($again->{text}, $first->{text}, 'Create: the same key, the same answer');
is(refused(create({ name => 'other' }, %keyed)),
    '400 3 IDEMPOTENCY_KEY_REUSED idempotency_key', 'with another request');
is(create({ folderId => 'f2', name => 'keyed' }, %keyed)->{status_code}, 200,
    'in another folder it is another key');
isnt(id(create({ name => 'bobs' }, %keyed, Authorization => 'Bearer alice2')),
    id($first), 'for another caller too');

my $keyed = id($first);

%keyed = ('Idempotency-Key' => key());
$first = create('{"folderId":"f1","logOptions":{"minLevel":"WARN",'
                . '"disabled":true}}', %keyed);
$again = create('{"folderId":"f1","logOptions":{ "disabled" : true,'
                . ' "min_level" : 4 }}', %keyed);

is($again->{text}, $first->{text},
    'Create: the same log options in other words');
is(refused(create('{"folderId":"f1","logOptions":{"disabled":true}}', %keyed)),
    '400 3 IDEMPOTENCY_KEY_REUSED idempotency_key', 'other log options');
is(refused(create('{"folderId":"f1"}', %keyed)),
    '400 3 IDEMPOTENCY_KEY_REUSED idempotency_key', 'no log options');

%keyed = ('Idempotency-Key' => key());
$first = call('PATCH', "$R/$keyed", '{"updateMask":"logOptions",'
              . '"logOptions":{"disabled":false}}', %keyed);
$again = call('PATCH', "$R/$keyed", '{"updateMask":"logOptions",'
              . '"logOptions":{ }}', %keyed);

is($again->{id}, $first->{id}, 'Update: the same log options in other words');
is(refused(call('PATCH', "$R/$keyed", '{"updateMask":"logOptions"}', %keyed)),
    '400 3 IDEMPOTENCY_KEY_REUSED idempotency_key',
    'none are not the same as empty ones');

%keyed = ('Idempotency-Key' => key());
$first = call('PATCH', "$R/$keyed", '{"updateMask":"name","name":"k2"}', %keyed);
$again = call('PATCH', "$R/$keyed", '{"updateMask":"name","name":"k2"}', %keyed);

is($again->{id}, $first->{id}, 'Update: the same key, the same operation');

call('PATCH', "$R/$keyed", '{"updateMask":"name","name":"k3"}');
$again = call('PATCH', "$R/$keyed", '{"updateMask":"name","name":"k2"}', %keyed);

is($again->{id}, $first->{id}, 'also when it has another name since');
is(create({ name => 'k2' })->{status_code}, 200,
    'and its old name is not claimed by that');

is(call('PATCH', "$R/$keyed", '{"updateMask":"name","name":"k2"}',
        %keyed)->{id}, $first->{id}, 'nor does it matter who has that now');
is(refused(call('PATCH', "$R/$keyed",
                '{"name":"k2","description":"another"}', %keyed)),
    '400 3 IDEMPOTENCY_KEY_REUSED idempotency_key',
    'another request is told so, though the name is taken');

%keyed = ('Idempotency-Key' => key());
is(refused(call('PATCH', "$R/$keyed", '{"updateMask":"name","name":"k2"}',
                %keyed)),
    '409 6 REGISTRY_NAME_EXISTS k2', 'under a new key the name is taken');
%keyed = ('Idempotency-Key' => key());
$first = call('POST', "$R/$keyed:disable", '', %keyed);
call('POST', "$R/$keyed:enable", '', 'Idempotency-Key' => key());
$again = call('POST', "$R/$keyed:disable", '', %keyed);

is($again->{id}, $first->{id}, 'Disable: the same key, the same operation');
is(call('GET', "$R/$keyed")->{status}, 'ACTIVE', 'which is done once');


# ---- Create with certificates

my @pems = map { certificate(name => "with $_") } 1 .. 5;
my $taken = certificate(name => 'taken');

sub with {
    my (@certificates) = @_;

    return { name => 'with',
             certificates => [ map { { certificateData => $_ } }
                               @certificates ] };
}

call('POST', "$R/$two/certificates", body($taken));

my @bad = (
    [ 'no list', { certificates => {} }, '400 3 INVALID_FIELD certificates' ],
    [ 'no object', { certificates => [ {}, 'x' ] },
      '400 3 INVALID_FIELD certificates[1]' ],
    [ 'no string', { certificates => [ { certificateData => 1 } ] },
      '400 3 INVALID_FIELD certificates[0].certificate_data' ],
    [ 'no certificate', with($pems[0], $pems[1], ''),
      '400 3 CERTIFICATE_REQUIRED certificates[2].certificate_data' ],
    [ 'not even PEM', with('x'),
      '400 3 CERTIFICATE_NO_PEM certificates[0].certificate_data' ],
    [ 'a private key', with($pems[0], private_key()),
      '400 3 PRIVATE_KEY_IN_BODY certificates[1].certificate_data' ],
    [ 'one twice', with(@pems[0, 1, 0]),
      '400 3 INVALID_FIELD certificates[2].certificate_data' ],
    [ 'one of another registry', with(@pems[0, 1, 2], $taken),
      '409 6 CERTIFICATE_EXISTS certificates[3].certificate_data '
      . sha256_hex(der($taken)) ],
    [ '101 of them', with(('x') x 101), '400 3 INVALID_FIELD certificates' ],
);

$before = snapshot() =~ s/^\S+\}:a:.*\n//gmr;

is(refused(create($_->[1])), $_->[2], "certificates: $_->[0]") for @bad;

# but for the fences, which expire

is(wait_until(sub { snapshot() =~ s/^\S+\}:a:.*\n//gmr eq $before }, 5), 1,
    'all or nothing: nothing is left');

my $with = create(with(@pems));

is($with->{response}{name}, 'with', 'Create with certificates');
is(join('', map { $_->{certificateData} } sort {
       $a->{fingerprint} cmp $b->{fingerprint} } @{
       call('GET', "$R/" . id($with) . '/certificates')->{certificates} }),
   join('', sort { sha256_hex(der($a)) cmp sha256_hex(der($b)) } @pems),
   'they are in it, byte for byte');
is(refused(call('POST', "$R/$two/certificates", body($pems[4]))),
    '409 6 CERTIFICATE_EXISTS ' . sha256_hex(der($pems[4])),
    'and in no other');
is(refused(call('POST', "$R/" . id($with) . '/certificates', body($pems[4]))),
    '409 6 CERTIFICATE_EXISTS ' . sha256_hex(der($pems[4])),
    'not even twice');
is(call('DELETE', "$R/" . id($with) . '/certificates/'
    . sha256_hex(der($pems[4])))->{done}, JSON::PP::true, 'one is deleted');
is(call('POST', "$R/$two/certificates", body($pems[4]))->{done},
    JSON::PP::true, 'and free then');

%keyed = ('Idempotency-Key' => key());

my @many = map { certificate(name => "many $_") } 1 .. 100;
my $hundred = { name => 'hundred', certificates =>
                [ map { { certificateData => $_ } } @many ] };

$first = create($hundred, %keyed);

is($first->{done}, JSON::PP::true, 'a hundred');
is(create($hundred, %keyed)->{text}, $first->{text}, 'again: the same');
is(scalar @{ call('GET', "$R/" . id($first) . '/certificates')
    ->{certificates} }, 100, 'all are there');

# broken off after some were claimed: a retry goes on, another takes over

my $gone = 'gone';
my $broken = operation_id($gone, 60);

redis('SET', registry_claim($_), "\1$gone\x1f$broken")
    for map { certificate(name => "broken $_") } 1 .. 3;

my $after = create({ name => 'after', certificates =>
    [ map { { certificateData => certificate(name => "broken $_") } }
      1 .. 3 ] });

is($after->{done}, JSON::PP::true, 'claims of a dead Create are taken over');
is(redis('EXISTS', registry_tag($gone) . ":a:$broken"), 1,
    'after it was fenced');

# two at the same certificates, and adds

for my $round (1 .. 5) {
    my @own = map { certificate(name => "round $round $_") } 1 .. 4;
    my @sockets = map { $nginx->send_request('POST', $R, encode_json({
        folderId => 'f1', certificates => [ map { { certificateData => $_ } }
            $_ & 1 ? @own : reverse @own ] })) } 1 .. 4;

    push @sockets, map { $nginx->send_request('POST', "$R/$two/certificates",
                                              body($_)) } @own;

    my @answers = map { Iot::Nginx::read_answer($_) } @sockets;

    is(scalar(grep { $_->{status} !~ /^(?:200|409)$/ } @answers), 0,
        "round $round: answered");

    my %owners;

    for my $key (@{ redis('KEYS', '*:c:*') }) {
        $owners{$1}++ if $key =~ /:([0-9a-f]{64})$/;
    }

    is(scalar(grep { ($owners{sha256_hex(der($_))} // 0) > 1 } @own), 0,
        'none has two owners');
}


# ---- List: pages

# of registries that were made in one millisecond the ids decide

my @names = map { $_->[0] } sort { $a->[1] cmp $b->[1] } map {
    my $made = create({ folderId => 'many', name => $_ });
    [ $_, $made->{createdAt} . id($made) ];
} map { sprintf 'r%03d', $_ } 1 .. 230;

is(names(call('GET', "$R?folderId=many")), "@names[0 .. 99]",
    'List: a hundred, oldest first');

my ($list, @pages) = ({ nextPageToken => '' });

while (defined $list->{nextPageToken}) {
    $list = call('GET', "$R?folderId=many&pageSize=57&pageToken="
                 . $list->{nextPageToken});
    push @pages, names($list);
}

is("@pages", "@names", 'List: pages');
is(join(' ', map { scalar split ' ' } @pages), '57 57 57 57 2',
    'of the size that was asked for');
is(names(decode_json(chunked("$R?folderId=many&pageSize=1000"))), "@names",
    'List: more than one part');
is(call('GET', "$R?folderId=nothing")->{text}, '{"registries":[]}',
    'List of a folder that nobody knows');

my $page = call('GET', "$R?folderId=many&pageSize=10")->{nextPageToken};

is(refused(call('GET', "$R?folderId=f1&pageToken=$page")),
    '400 3 INVALID_FIELD page_token', 'a token of another folder');


# ---- access

is(refused(call('GET', "$R?folderId=f1", undef, Authorization => 'Bearer bob')),
    '403 7 ACCESS_DENIED', 'List in a folder of others');
is(refused(create({}, Authorization => 'Bearer bob')),
    '403 7 ACCESS_DENIED', 'Create in a folder of others');
is(refused(create({ name => '.' }, Authorization => 'Bearer bob')),
    '403 7 ACCESS_DENIED', 'also when more is wrong');
is(refused(call('GET', "$R:getByName?folderId=f1&registryName=uno", undef,
                Authorization => 'Bearer bob')),
    '404 5 REGISTRY_NOT_FOUND uno', 'GetByName in a folder of others');
is(create({ folderId => 'bobs' }, Authorization => 'Bearer bob')
    ->{status_code}, 200, 'Create in his own');
is(call('GET', "$R?folderId=bobs", undef, Authorization => 'Bearer bob')
    ->{status_code}, 200, 'List of his own');


# ---- what lost steps leave

# a claim as claim_name.lua leaves it

sub claim {
    my ($name, $registry, $age) = @_;

    my $operation = operation_id($registry, $age);

    redis('HSET', "$folder:n:f1", $name, "\1$registry\x1f$operation");
    redis('ZADD', "$folder:g:f1", 0,
        substr(pack('Q>', (time - $age) * 1000), 2) . $registry);

    return $operation;
}

claim('young', 'gone', 1);

is(refused(create({ name => 'young' })), '409 10 REGISTRY_NAME_BUSY',
    'a young claim without its registry is respected');

my $old = claim('old', 'gone', 60);

is(create({ name => 'old' })->{status_code}, 200, 'an old one is taken over');
is(redis('EXISTS', registry_tag('gone') . ":a:$old"), 1,
    'its operation is fenced');

my $abroad = create({ folderId => 'f9', name => 'abroad' });

claim('abroad', id($abroad), 60);

is(create({ name => 'abroad' })->{status_code}, 200,
    'also of a registry that has the name in another folder');

claim('theirs', 'gone', 60);

is(call('PATCH', "$R/$two", '{"updateMask":"name","name":"theirs"}')
    ->{response}{name}, 'theirs', 'by a rename too');

# the same ids, by an Idempotency-Key, when only the claim came to be: the
# record of another Create is what the first step leaves

%keyed = ('Idempotency-Key' => key());
$first = create({ name => 'half' }, %keyed);

my $tag = registry_tag(id($first));

redis('DEL', "$tag:r:" . id($first), "$tag:y:" . id($first),
      "$tag:o:$first->{id}");

$again = create({ name => 'half' }, %keyed);

is("$again->{id} " . id($again), "$first->{id} " . id($first),
    'a Create that was broken off goes on with the same ids');
is($again->{text}, $first->{text}, 'and has the same answer');
is(call('GET', "$R/" . id($first))->{name}, 'half', 'the registry is there');

# fenced meanwhile: nothing is stored, nothing stays claimed

%keyed = ('Idempotency-Key' => key());
$first = create({ name => 'fenced' }, %keyed);
$tag = registry_tag(id($first));

redis('DEL', "$tag:r:" . id($first), "$tag:y:" . id($first),
      "$tag:o:$first->{id}");
redis('SET', "$tag:a:$first->{id}", '');

is(refused(create({ name => 'fenced' }, %keyed)), '409 10 REGISTRY_NAME_BUSY',
    'a Create whose claim was taken over');

$again = create({ name => 'fenced' }, %keyed);

is($again->{status_code}, 200, 'it has left nothing in the way');
isnt($again->{id}, $first->{id}, 'not even its ids');

# the list

my $places = redis('ZCARD', "$folder:g:f1");

claim('', 'gone', 30);
claim('', 'long-gone', 7200);
redis('ZADD', "$folder:g:f1", 0,
    substr(pack('Q>', (time - 7200) * 1000), 2) . $one);

my @there = map { $_->{id} } @{ call('GET', "$R?folderId=f1")->{registries} };

is(scalar(grep { /gone/ } @there), 0, 'List passes over what is not there');
is(scalar(grep { $_ eq $one } @there), 1, 'and over places of another time');
is(redis('ZCARD', "$folder:g:f1"), $places + 1,
    'old places without a registry are removed');


# ---- records that make no sense

$tag = registry_tag('odd');

redis('HSET', "$tag:r:odd", 'v', 2, 's', 2, 'c', 1);
is(refused(call('GET', "$R/odd")), '503 14 STORE_NEWER_FORMAT', 'a newer one');
is(refused(call('POST', "$R/odd:enable")), '503 14 STORE_NEWER_FORMAT',
    'is not changed');

redis('HSET', "$tag:r:odd", 'v', 1, 'l', "\5a");
is(refused(call('GET', "$R/odd")), '500 13 INTERNAL_ERROR', 'broken labels');

redis('HSET', "$tag:r:odd", 'l', '', 's', 3);
is(refused(call('GET', "$R/odd")), '404 5 REGISTRY_NOT_FOUND odd',
    'a registry that is being deleted');
is(refused(call('PATCH', "$R/odd", '{}')), '404 5 REGISTRY_NOT_FOUND odd',
    'is not updated');

create_registry('by-hand', '');
is(call('GET', "$R/by-hand")->{status}, 'ACTIVE', 'a registry made by hand');


# ---- open registries

my $open = Iot::Nginx->start(http => $http, server => $gateway
    =~ s/iot_api main;/iot_api main; iot_registries open;/r);

is($open->request('GET', "$R/anything")->{status}, 404,
    'iot_registries open: a registry without a record is not shown');
is($open->request('POST', "$R/anything:disable", '')->{status}, 404,
    'nor disabled');


# ---- races: two creates of one name, renames to one name

for my $round (1 .. 10) {
    my @sockets = map { $nginx->send_request('POST', $R,
        qq({"folderId":"race","name":"n$round","description":"$_"})) } 1 .. 8;
    my @codes = sort map { Iot::Nginx::read_answer($_)->{status} } @sockets;

    my $found = call('GET', "$R?folderId=race&pageSize=1000");
    my @same = grep { $_->{name} eq "n$round" } @{ $found->{registries} };

    is(scalar @same, 1, "round $round: one registry has the name");
    is(join(' ', @codes), '200 ' . join(' ', (409) x 7),
        'one request was answered so');
}

my @racers = map { id(create({ folderId => 'race' })) } 1 .. 6;
my @sockets = map { $nginx->send_request('PATCH', "$R/$_",
    '{"updateMask":"name","name":"goal"}') } @racers;
my @codes = sort map { Iot::Nginx::read_answer($_)->{status} } @sockets;

is(join(' ', @codes), '200 ' . join(' ', (409) x 5), 'six renames to one name');
is(scalar(grep { (call('GET', "$R/$_")->{name} // '') eq 'goal' } @racers), 1,
    'one registry has it');

my $same_key = key();

@sockets = map { $nginx->send_request('POST', $R,
    '{"folderId":"race","name":"same"}', 'Idempotency-Key' => $same_key) }
    1 .. 8;

my @bodies = map { Iot::Nginx::read_answer($_)->{body} } @sockets;

is(scalar(grep { $_ ne $bodies[0] } @bodies), 0,
    'eight requests with one key: one answer');
like($bodies[0], qr/"status":"ACTIVE"/, 'which is the registry');


# ---- passwords, which no registry has

is(call('GET', "$R/$one/passwords")->{text}, '{"passwords":[]}',
    'ListPasswords is empty');
is(refused(call('GET', "$R/nowhere/passwords")),
    '404 5 REGISTRY_NOT_FOUND nowhere', 'ListPasswords of no registry');
is(refused(call('GET', "$R/a.b/passwords")),
    '400 3 INVALID_FIELD registry_id', 'ListPasswords of no id');
is($open->request('GET', "$R/nowhere/passwords")->{body}, '{"passwords":[]}',
    'ListPasswords with iot_registries open');

for my $request ([ 'POST', "$R/$one/passwords", '{"password":"long enough"}' ],
                 [ 'DELETE', "$R/$one/passwords/p1" ],
                 [ 'POST', "$R/nowhere/passwords", '{broken' ]) {
    is(refused(call(@$request)), '501 12 PASSWORDS_NOT_SERVED',
        "@$request[0, 1] is not served");
}

is(refused(call('POST', "$R/$one/passwords", '{}', Authorization => '')),
    '401 16 CALLER_REQUIRED', 'AddPassword wants a caller all the same');
is(refused(call('DELETE', "$R/$one/passwords")), '405 12 METHOD_NOT_ALLOWED',
    'passwords are not deleted together');
unlike($nginx->error_log, qr/long enough/, 'a password is not logged');


# ---- the log

my $log = Iot::Nginx::slurp($nginx->path('logs/access.log'));

like($log, qr/^RegistryService\.Create f1 $one OK$/m, 'log: Create');
like($log, qr/^RegistryService\.Get f1 $one OK$/m, 'log: Get');
like($log, qr/^RegistryService\.List many - OK$/m, 'log: List');
like($log, qr/^RegistryService\.GetByName f1 $one OK$/m, 'log: GetByName');
like($log, qr/^RegistryService\.List f1 - PERMISSION_DENIED$/m,
    'log: refused');
like($log, qr/^RegistryService\.AddPassword - $one UNIMPLEMENTED$/m,
    'log: AddPassword');
like($log, qr/^OperationService\.Get f1 $one OK$/m, 'log: an operation');

is($open->stop, '', 'nginx stops');
is($nginx->stop, '', 'the other too');

done_testing();
