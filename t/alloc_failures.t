#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# No memory: each allocation that a request makes in the worker fails once, one
# after the other, until the request meets none that has not failed yet: an
# allocation is known by the stack of its caller.  The worker lives,
# leaks nothing, answers 500 or 503 or not at all, and never takes what it
# could not look at for something wrong in the request; a mutation can be
# repeated.  Only builds that link t/alloc/fault.c can be told to fail.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use File::Temp;
use IO::Select;
use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;

$| = 1;

# see iot_fault_t
my $FRAMES = 24;
my $WORDS = 3 + $FRAMES + 1 + 4096;

my $binary = $ENV{TEST_NGINX_BINARY} || 'nginx';

plan skip_all => 'only a build with t/alloc/fault.c can lack memory'
    unless -x $binary && Iot::Nginx::slurp($binary) =~ /IOT_ALLOC_FAULT/;

my $control = File::Temp->new(TEMPLATE => 'iot-fault-XXXXXX', TMPDIR => 1);
chmod 0666, "$control";
syswrite $control, pack 'Q<*', (0) x $WORDS;
$ENV{IOT_ALLOC_FAULT} = "$control";

my $certificates = '/iot-devices/v1/registries/fleet/certificates';
my $registries = '/iot-devices/v1/registries';
my $few = "$registries/few/certificates";
my $template = der(certificate());
my $serial = 0;
my %sites;
my @symbols;

redis_start();
create_registry('fleet');
create_registry('few');

my $nginx = gateway_with('');

requests();
bodies_in_files();
backend();

diag(scalar(keys %sites) . ' sites of allocations failed');
cmp_ok(scalar keys %sites, '>', 200, 'hundreds of sites were reached');

is(join('', grep { !/\(12: Cannot allocate memory\)|OpenSSL (?:had|failed)/ }
           split /^/, $nginx->stop), '', 'nginx ends cleanly');

done_testing();


sub requests {
    my $known = fresh();
    my $pem = pem($known);

    # a link that lacks memory is closed: what reads much of a reply would
    # take long to go through
    is($nginx->request(POST => $few, body($_))->{status}, 200,
       'a certificate for the others to meet') for $pem, pem(fresh());

    mutation('AddCertificate', sub { (POST => $certificates, add()) });
    mutation('AddCertificate under a key',
             sub { (POST => $certificates, add(), key()) });
    repeated('AddCertificate of one that exists', 409,
             sub { (POST => $few, body($pem)) });
    repeated('AddCertificate with a body that is not JSON', 400,
             sub { (POST => $certificates, '{"certificateData": nothing}') });
    repeated('AddCertificate of something else', 400,
             sub { (POST => $certificates, body('not a PEM')) });

    repeated('ListCertificates', 200, sub { (GET => $few) });
    repeated('ListCertificates in pages', 200,
             sub { (GET => "$few?pageSize=1") });
    repeated('GetCertificate', 200,
             sub { (GET => "$few/" . fingerprint($known)) });
    repeated('ListOperations', 200,
             sub { (GET => "$registries/few/operations") });

    my $operation = decode_json($nginx->request(POST => $certificates, add())
                                ->{body})->{id};

    repeated('OperationService.Get', 200,
             sub { (GET => "/operations/$operation") });
    repeated('OperationService.Cancel', 200,
             sub { (GET => "/operations/$operation:cancel") });

    mutation('DeleteCertificate', sub {
        my $der = fresh();

        $nginx->request(POST => $certificates, body(pem($der)));
        return (DELETE => "$certificates/" . fingerprint($der));
    }, 404);

    mutation('Create', sub {
        (POST => $registries, json({ folderId => 'f', name => name(),
                                     labels => { a => 'b' },
                                     certificates => [
                                         { certificateData => pem(fresh()) }
                                     ] }))
    });

    my $id = new_registry();

    mutation('Update', sub {
        (PATCH => "$registries/$id",
         json({ name => name(), description => 'x', updateMask =>
                'name,description', labels => {} }))
    });

    repeated('Get', 200, sub { (GET => "$registries/$id") });
    repeated('List', 200, sub { (GET => "$registries?folderId=f") });
    mutation('Disable', sub { (POST => "$registries/$id:disable") });
    mutation('Enable', sub { (POST => "$registries/$id:enable") });
    mutation('Delete', sub { (DELETE => "$registries/" . new_registry()) },
             404);
    mutation('Import', sub {
        (POST => "$certificates:import",
         json([ map { { certificate_data => pem(fresh()) } } 1 .. 3 ]))
    });

    repeated('a path that is none', 404, sub { (GET => '/iot-devices/v9') });
    repeated('nobody', 401,
             sub { (GET => $certificates, undef, Authorization => '') });
    repeated('iot_status', 200, sub { (GET => '/status') });
}


sub bodies_in_files {
    mutation('AddCertificate in a spilled body',
             sub { (POST => "/spilled$certificates", add()) });
}


sub backend {
    my $path = "/backend$certificates";

    mutation('AddCertificate for a backend', sub { (POST => $path, add()) });

    mutation(':finish', sub {
        my $id = decode_json($nginx->request(POST => $path, add())->{body})
                 ->{id};

        return (POST => "/complete/operations/$id:finish", '{}');
    });
}


# fails the allocations of a request, one in each, until it meets only such as
# have failed before; it has the status that it should whenever it had memory

sub repeated {
    my ($name, $expected, $request) = @_;

    each_allocation($name, $expected, $request, sub { });
}


# the same for what changes the store: who repeats a request that was not
# answered with 200 gets there, or is told that it was done

sub mutation {
    my ($name, $request, $done) = @_;

    $done //= 409;

    each_allocation($name, 200, $request, sub {
        my @request = @_;

        my $again;

        wait_until(sub {
            $again = $nginx->request(@request)->{status};
            $again != 503
        }, 10);

        return if $again == 200 || $again == $done;
        return "repeating it is answered with $again";
    });
}


sub each_allocation {
    my ($name, $expected, $request, $after) = @_;

    my (@wrong, %answers);
    my $failed = 0;
    my $answer;

    for (my $n = 1; @wrong < 3; ) {

        # without a failure: what there is
        (my $came, $answer) = with_memory_for(1 << 40, $request);

        if ($answer->{status} != $expected) {
            push @wrong, "with memory $answer->{status} $answer->{body}\n";
            last;
        }

        my @sites = @{ $came->{sites} };
        my ($i) = grep { !$sites{$sites[$_]} } 0 .. $#sites;

        last unless defined $i;

        ($came, $answer, my @request) = with_memory_for($i + 1, $request);

        # the order may be another one now and then
        $sites{$_} = 1 for ($came->{injected} ? $came->{sites}[-1] : ());

        last if ++$n > 2000;
        next unless $came->{injected};

        $failed++;
        $answers{$answer->{status}}++;

        my $wrong = $answer->{hangs} ? 'no end within 5 s'
                                     : judge($answer, $expected);

        $wrong //= $after->(@request) if $answer->{status} != 200;

        push @wrong, "$wrong\n" . stack($came) if $wrong;
    }

    is(join('', @wrong), '', "$name: $failed allocations that no other one "
       . 'had before, ' . join(', ',
           map { "$answers{$_} x " . ($_ || 'no answer') }
               sort keys %answers));
}


# the request, with memory for the allocations before the N-th

sub with_memory_for {
    my ($n, $request) = @_;

    # a link that lacked memory is made anew; lists have one of their own
    wait_until(sub {
        2 == grep { $nginx->request(GET => $_)->{status} == 200 }
                  $few, '/iot-devices/v1/registries/few'
    }, 10) or die "the store does not come back\n";

    my @request = $request->();

    control($n);
    my $answer = ask(@request);
    my $came = control();
    control(0);

    return ($came, $answer, @request);
}


# an answer, or none, but not silence: no timeout has to end the request

sub ask {
    my $socket = $nginx->send_request(@_);
    my $answer = Iot::Nginx::read_answer($socket, 5);

    # bytes after the answer, or its end
    $answer->{hangs} = !IO::Select->new($socket)->can_read(5);

    return $answer;
}


# what is wrong with an answer to a request that lacked memory

sub judge {
    my ($answer, $expected) = @_;

    my $status = $answer->{status};

    return undef if grep { $status == $_ } 0, 500, 503, 504, $expected;
    return "answered with $status $answer->{body}";
}


# control(N): the N-th allocation from now on fails; 0: none does.  Without an
# argument: what came of it.

sub control {
    my ($n) = @_;

    open my $file, '+<:raw', "$control" or die "$control: $!";

    if (defined $n) {
        # the worker looks at the countdown: it comes last
        sysseek $file, 8, 0;
        syswrite $file, pack 'Q<*', (0) x ($WORDS - 1) if $n;
        sysseek $file, 0, 0;
        syswrite $file, pack 'Q<', $n;
        return;
    }

    sysread $file, my $bytes, 8 * $WORDS;

    my (undef, $injected, $nframes, @rest) = unpack 'Q<*', $bytes;
    my @frames = splice @rest, 0, $FRAMES;
    my $nsites = shift @rest;

    return { injected => $injected, frames => [ @frames[0 .. $nframes - 1] ],
             sites => [ @rest[0 .. $nsites - 1] ] };
}


# the names of the functions on a stack

sub stack {
    my ($came) = @_;

    @symbols = map { /^([0-9a-f]+) [tTwW] (\S+)/ ? [ hex $1, $2 ] : () }
               `nm -n $binary` unless @symbols;

    my @functions;

    for my $frame (@{ $came->{frames} }) {
        my ($low, $high) = (0, $#symbols);

        while ($low < $high) {
            my $middle = int(($low + $high + 1) / 2);

            if ($symbols[$middle][0] <= $frame) {
                $low = $middle;
            } else {
                $high = $middle - 1;
            }
        }

        push @functions, $symbols[$low][1];
    }

    return join '', map { "    $_\n" }
                    grep { defined && !/fault|wrap/ } @functions[0 .. 14];
}


sub fresh {
    my $der = $template;

    # the serial number is the first INTEGER of at least eight bytes
    $serial++;
    $der =~ s/(\x02[\x08-\x14]).{8}/$1 . "\x11" . pack('N', $$) . pack('xn', $serial)/es
        or die "no serial number";

    return $der;
}


sub fingerprint { require Digest::SHA; return Digest::SHA::sha256_hex($_[0]) }
sub add { return body(pem(fresh())) }
sub name { return 'r' . $$ . '-' . ++$serial }


sub key {
    return ('Idempotency-Key' => sprintf '%08x-0000-4000-8000-%012x', $$,
            ++$serial);
}


sub new_registry {
    my $answer = $nginx->request(POST => $registries,
                                 json({ folderId => 'f', name => name() }));

    return decode_json($answer->{body})->{metadata}{registryId};
}


sub gateway_with {
    my $redis = redis_address();

    return Iot::Nginx->start(http => <<"_EOC_", server => <<'_EOS_');
    iot_store main {
        server $redis;
    }
    iot_caller \$http_authorization;
_EOC_
    keepalive_timeout 0;

    location /iot-devices/ {
        iot_api main;
        iot_import on;
    }

    location /spilled/ {
        client_body_in_file_only clean;
        rewrite ^/spilled(/.*) $1 break;
        iot_api main;
    }

    location /backend/ {
        rewrite ^/backend(/.*) $1 break;
        iot_api main;
        iot_completion backend;
    }

    location /complete/ {
        rewrite ^/complete(/.*) $1 break;
        iot_complete main;
    }

    location /operations/ {
        iot_operations main;
    }

    location /status {
        iot_status main;
    }
_EOS_
}
