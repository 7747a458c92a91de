# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Directives: what is refused when nginx starts, with which words, and how the
# levels of the configuration inherit.
#
#     store      the inside of "iot_store main { }"
#     settings   goes into the location of iot_api
#     retention  seconds that the operation of the answer will be kept

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;
use JSON::PP;

plan tests => 245;

no_root_location();

redis_start();

our $Store = "iot_store main { server \$TEST_NGINX_REDIS; }\n";
our $Add = 'location /iot-devices/ { iot_api main; }';

# two locations of the API: what they inherit, and what they have of their own
sub two_locations {
    my ($own) = @_;

    return join '', map {
        "location /iot-devices/v1/registries/$_->[0]/ { iot_api main; $_->[1] }"
    } ([ 'heir', '' ], [ 'owner', $own ]);
}

sub to_both {
    my (%of) = @_;

    return [ map { add_certificate($_, certificate(%of, name => $_)) }
                 qw(heir owner) ];
}

sub created_by { return decode_json($_[0])->{createdBy} }

my $sanitizer = $ENV{ASAN_OPTIONS};

add_block_preprocessor(sub {
    my ($block) = @_;

    redis('FLUSHALL');
    create_registry($_) for qw(fleet heir owner);

    # an nginx that does not start leaves all its memory to the system
    $ENV{ASAN_OPTIONS} = $sanitizer
        . (defined $block->must_die ? ':detect_leaks=0' : '')
        if defined $sanitizer;

    my $settings = $block->settings // '';

    my %default = (
        config => "location /iot-devices/ { iot_api main; $settings }",
        http_config => (defined $block->store
            ? 'iot_store main {' . $block->store . '}' : $Store)
            . 'iot_caller alice;',
        response_body_filters => \&answer);

    if (defined $block->must_die) {
        $default{suppress_stderr} = '';

    } else {
        $default{request} = add_certificate('fleet', certificate());
    }

    for my $section (keys %default) {
        $block->set_value($section, $default{$section})
            unless defined $block->$section;
    }
});

add_response_body_check(sub {
    my ($block, $body, $request) = @_;

    return unless defined $block->retention;

    my ($key) = @{ redis('KEYS', '*:o:*') };
    my $seconds = sprintf '%.0f', redis('PTTL', $key) / 1000;

    redis('DEL', $key);

    is($seconds, ref $block->retention ? $block->retention->[$request]
                                       : $block->retention,
       $block->name . " - retention (req $request)");
});

run_tests();

__DATA__

=== a block without a server
--- store: timeout 1s;
--- must_die
--- error_log
no "server" directive in iot_store "main"



=== two servers
--- store: server 127.0.0.1; server 127.0.0.2;
--- must_die
--- error_log
"server" directive is duplicate



=== a port that is no number
--- store: server 127.0.0.1:redis;
--- must_die
--- error_log
invalid value "127.0.0.1:redis" in "server" directive, invalid port



=== a port that is none
--- store: server 127.0.0.1:65536;
--- must_die
--- error_log
invalid value "127.0.0.1:65536" in "server" directive, invalid port



=== a broken IPv6 address
--- store: server [::1;
--- must_die
--- error_log
invalid value "[::1" in "server" directive



=== a unix socket without a path
--- store: server unix:;
--- must_die
--- error_log
invalid value "unix:" in "server" directive



=== an empty address
--- store: server "";
--- must_die
--- error_log
invalid value "" in "server" directive



=== a server without an address
--- store: server;
--- must_die
--- error_log
invalid number of arguments in "server" directive



=== a server with two addresses
--- store: server 127.0.0.1 127.0.0.2;
--- must_die
--- error_log
more than one address in "server" directive with "topology single" in



=== timeout of zero
--- store: server 127.0.0.1; timeout 0;
--- must_die
--- error_log
invalid value "0" in "timeout" directive, expected a time, not zero



=== timeout that is no time
--- store: server 127.0.0.1; timeout soon;
--- must_die
--- error_log
invalid value "soon" in "timeout" directive, expected a time



=== timeout below zero
--- store: server 127.0.0.1; timeout -1s;
--- must_die
--- error_log
invalid value "-1s" in "timeout" directive



=== timeout twice
--- store: server 127.0.0.1; timeout 1s; timeout 2s;
--- must_die
--- error_log
"timeout" directive is duplicate



=== connect_timeout of zero
--- store: server 127.0.0.1; connect_timeout 0;
--- must_die
--- error_log
invalid value "0" in "connect_timeout" directive, expected a time, not zero



=== connect_timeout that is no time
--- store: server 127.0.0.1; connect_timeout soon;
--- must_die
--- error_log
invalid value "soon" in "connect_timeout" directive, expected a time



=== connect_timeout below zero
--- store: server 127.0.0.1; connect_timeout -1s;
--- must_die
--- error_log
invalid value "-1s" in "connect_timeout" directive



=== connect_timeout twice
--- store
server 127.0.0.1; connect_timeout 1s; connect_timeout 2s;
--- must_die
--- error_log
"connect_timeout" directive is duplicate



=== a queue of zero
--- store: server 127.0.0.1; queue 0;
--- must_die
--- error_log
invalid value "0" in "queue" directive, expected a number, not zero



=== a queue that is no number
--- store: server 127.0.0.1; queue long;
--- must_die
--- error_log
invalid value "long" in "queue" directive, expected a number



=== a queue below zero
--- store: server 127.0.0.1; queue -1;
--- must_die
--- error_log
invalid value "-1" in "queue" directive



=== queue twice
--- store: server 127.0.0.1; queue 1; queue 2;
--- must_die
--- error_log
"queue" directive is duplicate



=== key_prefix with braces, which would move the shards
--- store: server 127.0.0.1; key_prefix "a{b}";
--- must_die
--- error_log
invalid value "a{b}" in "key_prefix" directive, expected printable ASCII



=== key_prefix with a space
--- store: server 127.0.0.1; key_prefix "a b";
--- must_die
--- error_log
invalid value "a b" in "key_prefix" directive



=== key_prefix beyond ASCII
--- store: server 127.0.0.1; key_prefix "é";
--- must_die
--- error_log
in "key_prefix" directive, expected printable ASCII



=== key_prefix of 65 bytes
--- store
server 127.0.0.1;
key_prefix ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp;
--- must_die
--- error_log
in "key_prefix" directive, expected at most 64 bytes



=== key_prefix twice
--- store: server 127.0.0.1; key_prefix a:; key_prefix b:;
--- must_die
--- error_log
"key_prefix" directive is duplicate



=== what a block does not know
--- store: server 127.0.0.1; shards cluster;
--- must_die
--- error_log
unknown directive "shards" in "iot_store" block



=== a store without a name
--- http_config: iot_store "" { server 127.0.0.1; }
--- must_die
--- error_log
empty name in "iot_store" directive



=== a store without a block
--- http_config: iot_store main;
--- must_die
--- error_log
directive "iot_store" has no opening "{"



=== two stores of one name
--- http_config
iot_store main { server 127.0.0.1; }
iot_store main { server 127.0.0.2; }
--- must_die
--- error_log
duplicate iot_store "main"



=== two stores of one name, one of them outside http
--- main_config: iot_store main { server 127.0.0.1; }
--- must_die
--- error_log
duplicate iot_store "main"



=== a store inside a server
--- config: iot_store other { server 127.0.0.1; }
--- must_die
--- error_log
"iot_store" directive is not allowed here



=== iot_api with a store that is nowhere
--- config: location / { iot_api nowhere; }
--- must_die
--- error_log
unknown iot_store "nowhere" in "iot_api" directive



=== iot_operations with a store that is nowhere
--- config: location / { iot_operations nowhere; }
--- must_die
--- error_log
unknown iot_store "nowhere" in "iot_operations" directive



=== names of stores are told apart by case
--- config: location / { iot_api Main; }
--- must_die
--- error_log
unknown iot_store "Main" in "iot_api" directive



=== iot_api without a store
--- config: location / { iot_api; }
--- must_die
--- error_log
invalid number of arguments in "iot_api" directive



=== iot_api with two stores
--- config: location / { iot_api main other; }
--- must_die
--- error_log
invalid number of arguments in "iot_api" directive



=== iot_api twice in a location
--- config: location / { iot_api main; iot_api main; }
--- must_die
--- error_log
"iot_api" directive is duplicate



=== iot_api outside a location
--- config: iot_api main;
--- must_die
--- error_log
"iot_api" directive is not allowed here



=== iot_operations without a store
--- config: location / { iot_operations; }
--- must_die
--- error_log
invalid number of arguments in "iot_operations" directive



=== iot_operations with two stores
--- config: location / { iot_operations main other; }
--- must_die
--- error_log
invalid number of arguments in "iot_operations" directive



=== iot_operations twice in a location
--- config
location / { iot_operations main; iot_operations main; }
--- must_die
--- error_log
"iot_operations" directive is duplicate



=== iot_operations outside a location
--- config: iot_operations main;
--- must_die
--- error_log
"iot_operations" directive is not allowed here



=== two services in one location
--- config: location / { iot_api main; iot_operations main; }
--- must_die
--- error_log
"iot_operations" directive is in a location with another service



=== iot_caller without a value
--- settings: iot_caller;
--- must_die
--- error_log
invalid number of arguments in "iot_caller" directive



=== iot_caller twice
--- settings: iot_caller $remote_user; iot_caller $remote_user;
--- must_die
--- error_log
"iot_caller" directive is duplicate



=== iot_caller with an unknown variable
--- settings: iot_caller $no_such;
--- must_die
--- error_log
unknown "no_such" variable



=== iot_access without a value
--- settings: iot_access;
--- must_die
--- error_log
invalid number of arguments in "iot_access" directive



=== iot_access twice
--- settings: iot_access 1; iot_access 1;
--- must_die
--- error_log
"iot_access" directive is duplicate



=== iot_access with an unknown variable
--- settings: iot_access $no_such;
--- must_die
--- error_log
unknown "no_such" variable



=== iot_registries knows two words
--- settings: iot_registries all;
--- must_die
--- error_log
"iot_registries" directive expects "known" or "open"



=== iot_registries twice
--- settings: iot_registries open; iot_registries open;
--- must_die
--- error_log
"iot_registries" directive is duplicate



=== iot_registries with two values
--- settings: iot_registries known open;
--- must_die
--- error_log
invalid number of arguments in "iot_registries" directive



=== no retention
--- settings: iot_operation_retention 0;
--- must_die
--- error_log
"iot_operation_retention" must be at least 1s and at most 100y



=== a retention that is no time
--- settings: iot_operation_retention long;
--- must_die
--- error_log
"iot_operation_retention" directive invalid value



=== a retention below a second
--- settings: iot_operation_retention 500ms;
--- must_die
--- error_log
"iot_operation_retention" directive invalid value



=== a retention below zero
--- settings: iot_operation_retention -1d;
--- must_die
--- error_log
"iot_operation_retention" directive invalid value



=== operations that live shorter than idempotency keys
--- settings: iot_operation_retention 23h;
--- must_die
--- error_log
"iot_operation_retention" (82800s) must not be below "iot_idempotency_retention" (86400s)



=== no retention of idempotency keys
--- settings: iot_idempotency_retention 0;
--- must_die
--- error_log
"iot_idempotency_retention" must be at least 1s



=== a retention of idempotency keys that is no time
--- settings: iot_idempotency_retention long;
--- must_die
--- error_log
"iot_idempotency_retention" directive invalid value



=== retention of idempotency keys twice
--- settings
iot_idempotency_retention 1h;
iot_idempotency_retention 2h;
--- must_die
--- error_log
"iot_idempotency_retention" directive is duplicate



=== retention twice
--- settings
iot_operation_retention 1d;
iot_operation_retention 2d;
--- must_die
--- error_log
"iot_operation_retention" directive is duplicate



=== RSA keys below what can be
--- settings: iot_certificate_min_rsa_bits 511;
--- must_die
--- error_log
"iot_certificate_min_rsa_bits" directive expects a number from 512 to 16384



=== RSA keys above what can be
--- settings: iot_certificate_min_rsa_bits 16385;
--- must_die
--- error_log
"iot_certificate_min_rsa_bits" directive expects a number from 512 to 16384



=== RSA bits that are no number
--- settings: iot_certificate_min_rsa_bits many;
--- must_die
--- error_log
"iot_certificate_min_rsa_bits" directive invalid number



=== RSA bits twice
--- settings
iot_certificate_min_rsa_bits 2048;
iot_certificate_min_rsa_bits 3072;
--- must_die
--- error_log
"iot_certificate_min_rsa_bits" directive is duplicate



=== operations for more than a lifetime
--- settings: iot_operation_retention 101y;
--- must_die
--- error_log
"iot_operation_retention" must be at least 1s and at most 100y



=== certificates of no size
--- settings: iot_certificate_max_size 0;
--- must_die
--- error_log
"iot_certificate_max_size" must be at least 1 and at most 128k



=== iot_certificate_limit that is no number
--- settings: iot_certificate_limit many;
--- must_die
--- error_log
"iot_certificate_limit" directive invalid number



=== iot_certificate_limit twice
--- settings
iot_certificate_limit 1;
iot_certificate_limit 2;
--- must_die
--- error_log
"iot_certificate_limit" directive is duplicate



=== iot_certificate_limit outside http
--- main_config: iot_certificate_limit 1;
--- must_die
--- error_log
"iot_certificate_limit" directive is not allowed here



=== iot_certificate_max_size above its bound
--- settings: iot_certificate_max_size 129k;
--- must_die
--- error_log
"iot_certificate_max_size" must be at least 1 and at most 128k



=== a size that is none
--- settings: iot_certificate_max_size big;
--- must_die
--- error_log
"iot_certificate_max_size" directive invalid value



=== size twice
--- settings
iot_certificate_max_size 1k;
iot_certificate_max_size 2k;
--- must_die
--- error_log
"iot_certificate_max_size" directive is duplicate



=== accept what nobody knows
--- settings: iot_certificate_accept revoked;
--- must_die
--- error_log
"iot_certificate_accept" directive expects "none", or some of "expired", "not_yet_valid"



=== accept none and something
--- settings: iot_certificate_accept none expired;
--- must_die
--- error_log
"none" in "iot_certificate_accept" excludes the other parameters



=== accept something and none
--- settings: iot_certificate_accept weak_key none;
--- must_die
--- error_log
"none" in "iot_certificate_accept" excludes the other parameters



=== accept without a value
--- settings: iot_certificate_accept;
--- must_die
--- error_log
invalid number of arguments in "iot_certificate_accept" directive



=== iot_caller outside http
--- main_config: iot_caller a;
--- must_die
--- error_log
"iot_caller" directive is not allowed here



=== iot_access outside http
--- main_config: iot_access 1;
--- must_die
--- error_log
"iot_access" directive is not allowed here



=== iot_registries outside http
--- main_config: iot_registries open;
--- must_die
--- error_log
"iot_registries" directive is not allowed here



=== iot_operation_retention outside http
--- main_config: iot_operation_retention 1d;
--- must_die
--- error_log
"iot_operation_retention" directive is not allowed here



=== iot_certificate_min_rsa_bits outside http
--- main_config: iot_certificate_min_rsa_bits 2048;
--- must_die
--- error_log
"iot_certificate_min_rsa_bits" directive is not allowed here



=== iot_idempotency_retention outside http
--- main_config: iot_idempotency_retention 1h;
--- must_die
--- error_log
"iot_idempotency_retention" directive is not allowed here



=== iot_certificate_max_size outside http
--- main_config: iot_certificate_max_size 1k;
--- must_die
--- error_log
"iot_certificate_max_size" directive is not allowed here



=== iot_certificate_accept outside http
--- main_config: iot_certificate_accept expired;
--- must_die
--- error_log
"iot_certificate_accept" directive is not allowed here



=== every directive of a store
--- store
    server           $TEST_NGINX_REDIS;
    connect_timeout  500ms;
    timeout          3s;
    queue            10;
    key_prefix       some.where/else:;
--- init: ::create_registry('fleet', '-p', 'some.where/else:');
--- response_body
added to fleet



=== values at their bounds
--- settings
    iot_registries                open;
    iot_operation_retention       1s;
    iot_idempotency_retention     1s;
    iot_certificate_min_rsa_bits  16384;
    iot_certificate_max_size      128k;
    iot_certificate_limit         1;
    iot_certificate_accept        expired not_yet_valid weak_key;
--- response_body
added to fleet



=== the lower bound of RSA keys
--- settings: iot_certificate_min_rsa_bits 512;
--- response_body
added to fleet



=== a store in a file of its own
--- store
    include ../html/store.conf;
--- user_files eval
[ [ 'store.conf' => "server $ENV{TEST_NGINX_REDIS};\n" ] ]
--- response_body
added to fleet



=== a store outside http
--- main_config eval: $::Store
--- http_config: iot_caller alice;
--- response_body
added to fleet



=== a store after everything that uses it
--- http_config: iot_caller alice;
--- post_main_config eval: $::Store
--- response_body
added to fleet



=== a store that nobody uses may be anywhere
--- http_config eval
"$::Store iot_store other { server 127.0.0.1:1; } iot_caller alice;"
--- response_body
added to fleet
--- no_error_log
[error]



=== two stores, each location has its own
--- http_config eval
"$::Store iot_store other { server \$TEST_NGINX_REDIS; key_prefix other:; }"
. 'iot_caller alice;'
--- config
    location /iot-devices/v1/registries/heir/ {
        iot_api main;
    }

    location /iot-devices/v1/registries/owner/ {
        iot_api other;
    }
--- request eval: ::to_both()
--- error_code eval: [ 200, 404 ]
--- response_body eval
[ "added to heir\n",
  "5 REGISTRY_NOT_FOUND\n"
  . "resource yandex.cloud.iot.devices.v1.Registry owner\n" ]



=== a store that is down is no reason not to start
--- store: server 127.0.0.1:1;
--- error_code: 503
--- response_body
14 STORE_UNAVAILABLE
retry 1s



=== nor is a socket that is not there
--- store: server unix:/nowhere/redis.sock;
--- error_code: 503
--- response_body
14 STORE_UNAVAILABLE
retry 1s



=== a location without a caller is worth a warning
--- http_config eval: $::Store
--- error_code: 401
--- response_body
16 CALLER_REQUIRED
--- error_log
a gateway location has no "iot_caller": every request to it will be refused



=== with one there is none
--- response_body
added to fleet
--- no_error_log
iot_caller



=== known is the default of iot_registries
--- request eval: ::add_certificate('unknown', ::certificate())
--- error_code: 404
--- response_body
5 REGISTRY_NOT_FOUND
resource yandex.cloud.iot.devices.v1.Registry unknown



=== 30 days are the default of iot_operation_retention
--- retention: 2592000



=== iot_caller: from http
--- config eval: ::two_locations('iot_caller location;')
--- request eval: ::to_both()
--- error_code eval: [ 200, 200 ]
--- response_body_filters eval: \&::created_by
--- response_body eval: [ 'alice', 'location' ]



=== iot_caller: from the server
--- config eval: 'iot_caller server;' . ::two_locations('iot_caller location;')
--- request eval: ::to_both()
--- error_code eval: [ 200, 200 ]
--- response_body_filters eval: \&::created_by
--- response_body eval: [ 'server', 'location' ]



=== iot_access: from http
--- http_config eval: "$::Store iot_caller alice; iot_access 0;"
--- config eval: ::two_locations('iot_access 1;')
--- request eval: ::to_both()
--- error_code eval: [ 403, 200 ]



=== iot_access: from the server
--- http_config eval: "$::Store iot_caller alice; iot_access 0;"
--- config eval: 'iot_access 1;' . ::two_locations('iot_access 0;')
--- request eval: ::to_both()
--- error_code eval: [ 200, 403 ]



=== iot_registries: from http
--- http_config eval: "$::Store iot_caller alice; iot_registries open;"
--- config eval: ::two_locations('iot_registries known;')
--- init: ::redis('FLUSHALL');
--- request eval: ::to_both()
--- error_code eval: [ 200, 404 ]



=== iot_registries: from the server
--- http_config eval: "$::Store iot_caller alice; iot_registries open;"
--- config eval: 'iot_registries known;' . ::two_locations('iot_registries open;')
--- init: ::redis('FLUSHALL');
--- request eval: ::to_both()
--- error_code eval: [ 404, 200 ]



=== iot_operation_retention: from http
--- http_config eval: "$::Store iot_caller alice; iot_operation_retention 1h; iot_idempotency_retention 1h;"
--- config eval: ::two_locations('iot_operation_retention 2h;')
--- request eval: ::to_both()
--- error_code eval: [ 200, 200 ]
--- retention eval: [ 3600, 7200 ]



=== iot_operation_retention: from the server
--- http_config eval: "$::Store iot_caller alice; iot_operation_retention 1h; iot_idempotency_retention 1h;"
--- config eval
'iot_operation_retention 3h;' . ::two_locations('iot_operation_retention 2h;')
--- request eval: ::to_both()
--- error_code eval: [ 200, 200 ]
--- retention eval: [ 10800, 7200 ]



=== iot_certificate_min_rsa_bits: from http
--- http_config eval
"$::Store iot_caller alice; iot_certificate_min_rsa_bits 1024;"
--- config eval: ::two_locations('iot_certificate_min_rsa_bits 2048;')
--- request eval: ::to_both(key => 'rsa:1024')
--- error_code eval: [ 200, 400 ]
--- response_body eval
[ "added to heir\n", "3 CERTIFICATE_WEAK_KEY\nfield certificate_data\n" ]



=== iot_certificate_min_rsa_bits: from the server
--- http_config eval
"$::Store iot_caller alice; iot_certificate_min_rsa_bits 1024;"
--- config eval
'iot_certificate_min_rsa_bits 2048;'
. ::two_locations('iot_certificate_min_rsa_bits 1024;')
--- request eval: ::to_both(key => 'rsa:1024')
--- error_code eval: [ 400, 200 ]



=== iot_certificate_max_size: from http
--- http_config eval: "$::Store iot_caller alice; iot_certificate_max_size 2k;"
--- config eval: ::two_locations('iot_certificate_max_size 100;')
--- request eval: ::to_both()
--- error_code eval: [ 200, 400 ]
--- response_body eval
[ "added to heir\n", "3 CERTIFICATE_TOO_LARGE\nfield certificate_data\n" ]



=== iot_certificate_max_size: from the server
--- http_config eval: "$::Store iot_caller alice; iot_certificate_max_size 2k;"
--- config eval
'iot_certificate_max_size 100;'
. ::two_locations('iot_certificate_max_size 2k;')
--- request eval: ::to_both()
--- error_code eval: [ 400, 200 ]



=== iot_certificate_accept: from http
--- http_config eval
"$::Store iot_caller alice; iot_certificate_accept weak_key;"
--- config eval: ::two_locations('iot_certificate_accept none;')
--- request eval: ::to_both(key => 'rsa:1024')
--- error_code eval: [ 200, 400 ]



=== iot_certificate_accept: a level does not add to the one above
--- http_config eval
"$::Store iot_caller alice; iot_certificate_accept weak_key;"
--- config eval
'iot_certificate_accept expired;'
. ::two_locations('iot_certificate_accept weak_key expired;')
--- request eval: ::to_both(key => 'rsa:1024')
--- error_code eval: [ 400, 200 ]
