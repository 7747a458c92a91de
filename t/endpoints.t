#!/usr/bin/perl

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# ApiEndpointService over REST: where clients find the services, told to
# anybody, without a store.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/support";

use File::Temp;
use Iot;
use Iot::Nginx;
use JSON::PP;
use Test::More;

my @IDS = qw(endpoint iam operation iot-devices iotbroker iot-data
             resource-manager);

my $dir = File::Temp->newdir('iot-endpoints-XXXXXX', TMPDIR => 1);
my $tls = free_port();
my $few = free_port();

write_file('server.pem', certificate(name => 'gateway'));
write_file('server.key', private_key(name => 'gateway'));

# the store is nowhere: nobody asks it
$ENV{TEST_NGINX_REDIS} = "unix:$dir/none.sock";

my $nginx = Iot::Nginx->start(
    http => http_config(<<'_EOC_'),
    log_format iot '$iot_method $iot_caller $iot_code';

    # asked by nobody
    iot_access 0;
_EOC_
    server => <<"_EOC_",
        access_log logs/access.log iot;

        location /endpoints {
            iot_endpoints;
        }

        location /fixed/ {
            rewrite ^/fixed(/.*)\$ \$1 break;
            iot_endpoints gw.example:8443;
        }

        location /named/ {
            rewrite ^/named(/.*)\$ \$1 break;
            iot_endpoints \$arg_name;
        }

        location /api/ {
            rewrite ^/api(/.*)\$ \$1 break;
            iot_api main;
        }

        location /nobody/ {
            iot_endpoints;
            deny all;
        }

    }

    server {
        listen 127.0.0.1:$few;

        location / {
            iot_endpoints few.example:1;

            limit_except POST {
                deny 192.0.2.1;
            }

            if (\$arg_if) {
                set \$x 1;
            }
        }
    }

    server {
        listen 127.0.0.1:$tls ssl http2;
        ssl_certificate $dir/server.pem;
        ssl_certificate_key $dir/server.key;

        location /endpoints {
            iot_endpoints;
        }
_EOC_
);


listed();
one();
addresses();
refusals();
configurations();

is($nginx->stop, '', 'nginx stops, and its log has nothing to complain of');

done_testing();


# ---- what is tested -------------------------------------------------------

sub listed {
    my $answer = get('/endpoints', Authorization => '');

    is($answer->{status}, 200, 'a list for nobody');
    is_deeply($answer->{json}, { endpoints =>
        [ map { { id => $_, address => 'localhost:80' } } @IDS ] },
        'all that clients look for');
    is($answer->{headers}{'content-type'}, 'application/json', 'JSON');
    like($answer->{headers}{'x-request-id'}, qr/^[0-9a-f]{32}$/,
         'x-request-id');

    is_deeply(get('/endpoints/?pageSize=1&pageToken=x')->{json},
              $answer->{json}, 'there is one page');

    my $socket = $nginx->send_request('HEAD', '/endpoints');
    my $head = do { local $/; <$socket> };

    like($head, qr/^Content-Length: @{[ length $answer->{body} ]}\r\n/m,
         'HEAD');
}


sub one {
    is_deeply(get("/endpoints/$_", Authorization => '')->{json},
              { id => $_, address => 'localhost:80' }, "one: $_")
        for @IDS;

    is_deeply(get('/endpoints/iam/')->{json},
              { id => 'iam', address => 'localhost:80' }, 'a slash after it');

    is(get('/endpoints/iam', Authorization => 'Bearer alice')->{status}, 200,
       'somebody may ask as well');
}


# as the client wrote it, with a port in any case

sub addresses {
    my %addresses = (
        'gw.example' => 'gw.example:80',
        'GW.example:8080' => 'GW.example:8080',
        '192.0.2.1' => '192.0.2.1:80',
        '[2001:db8::1]' => '[2001:db8::1]:80',
        '[2001:db8::1]:8443' => '[2001:db8::1]:8443',
    );

    for my $host (sort keys %addresses) {
        is(address(get('/endpoints', Host => $host)), $addresses{$host},
           "Host: $host");
    }

    my $socket = $nginx->connection;
    print $socket "GET /endpoints/iam HTTP/1.0\r\n\r\n";
    my $old = Iot::Nginx::read_answer($socket);

    is(decode_json($old->{body})->{address}, '127.0.0.1:' . $nginx->port,
       'HTTP/1.0 without a Host: the address of the connection');

    is(address(get('/fixed/endpoints')), 'gw.example:8443', 'a fixed address');
    is(address(get('/named/endpoints?name=a.example')), 'a.example:80',
       'an address by a variable');
    is(address(get('/named/endpoints', Host => 'b.example:1')), 'b.example:1',
       'an empty one: that of the client');
    is(curl("http://127.0.0.1:$few/endpoints/iam?if=1"), 'few.example:1',
       'inside an "if"');
    is(curl("http://127.0.0.1:$few/endpoints/iam"), 'few.example:1',
       'inside a "limit_except"');

    for my $version ('--http2', '--http1.1') {
        is(curl($version, "https://localhost:$tls/endpoints/iam"),
           "localhost:$tls", "TLS, $version: the port that was dialled");
        is(curl($version, '-H', 'Host: gw.example',
                "https://localhost:$tls/endpoints/iam"),
           'gw.example:443', "TLS, $version: without a port");
    }
}


sub refusals {
    my $unknown = get('/endpoints/compute', Authorization => '');

    is($unknown->{status}, 404, 'an unknown id');
    is(answer($unknown->{body}), "5 ENDPOINT_NOT_FOUND\n"
       . "resource yandex.cloud.endpoint.ApiEndpoint compute\n",
       'an unknown id: code and details');

    is(code(get('/endpoints/iam/x', Authorization => '')),
       '404 5 ROUTE_NOT_FOUND', 'no such path');
    is(code(get('/endpoints/iam:x', Authorization => '')),
       '404 5 ROUTE_NOT_FOUND', 'no such verb');

    my $post = $nginx->request('POST', '/endpoints', '{}');

    is(code($post), '405 12 METHOD_NOT_ALLOWED', 'POST');
    is($post->{headers}{allow}, 'GET, HEAD', 'POST: Allow');

    is(code(get('/nobody/endpoints')), '403 7 ACCESS_DENIED',
       'nginx itself may refuse');
    is(code(get('/api/endpoints')), '404 5 ROUTE_NOT_FOUND',
       'no endpoints in the location of another service');
    is(code(get('/api/endpoints', Authorization => '')),
       '401 16 CALLER_REQUIRED', 'which wants a caller');

    wait_until(sub { log_text() =~ /ApiEndpointService.Get - NOT_FOUND$/m });
    like(log_text(), qr/^ApiEndpointService.List - OK$/m, 'the log: List');
    like(log_text(), qr/^ApiEndpointService.Get - NOT_FOUND$/m,
         'the log: Get of an unknown id');
}


sub configurations {
    my %refused = (
        'iot_endpoints; iot_endpoints;' => qr/"iot_endpoints" directive is dup/,
        'iot_api main; iot_endpoints;'
            => qr/"iot_endpoints" directive is in a location with another/,
        'iot_endpoints; iot_api main;'
            => qr/"iot_api" directive is in a location with another service/,
        'iot_grpc main; iot_endpoints a; iot_endpoints b;'
            => qr/"iot_endpoints" directive is duplicate/,
        'iot_endpoints a b;' => qr/invalid number of arguments in "iot_end/,
        'iot_endpoints $nowhere;' => qr/unknown "nowhere" variable/,
    );

    for my $directives (sort keys %refused) {
        my $started = eval {
            Iot::Nginx->start(http => http_config(),
                              server => "location / { $directives }");
        };

        ok(!$started, "refused: $directives");
        like($@, $refused{$directives}, "refused: $directives says why");
    }

    my $quiet = Iot::Nginx->start(server => 'location / { iot_endpoints; }');

    unlike($quiet->error_log, qr/iot_caller/, 'no caller, no warning');
    is($quiet->stop, '', 'no store, no caller: stops');
}


# ---- requests -------------------------------------------------------------

sub get {
    my ($uri, %header) = @_;

    my $answer = $nginx->request('GET', $uri, undef, %header);

    $answer->{json} = eval { decode_json($answer->{body}) };

    return $answer;
}


# of all of them

sub address {
    my ($answer) = @_;

    my %seen = map { $_->{address} => 1 } @{ $answer->{json}{endpoints} };

    return join ' ', sort keys %seen;
}


sub code {
    my ($answer) = @_;

    return "$answer->{status} " . (split /\n/, answer($answer->{body}))[0];
}


sub curl {
    my (@options) = @_;

    open my $out, '-|', 'curl', '-sk', '--max-time', 20, '--resolve',
        "localhost:$tls:127.0.0.1", @options or die "curl: $!\n";
    local $/;

    return decode_json(scalar <$out>)->{address};
}


sub log_text { return Iot::Nginx::slurp($nginx->path('logs/access.log')) }


sub write_file {
    my ($name, $text) = @_;

    open my $file, '>', "$dir/$name" or die "$name: $!\n";
    print $file $text;
    close $file;
}
