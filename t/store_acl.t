# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# The ACL line of README.md suffices: each of the store's commands, with the
# scripts known to Redis and sent whole, as a user who has no other right.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

use Digest::SHA qw(sha1_hex);
use File::Temp;

plan tests => repeat_each() * 32;


# what README.md says, with a password of our own

sub rights {
    open my $in, '<', "$FindBin::Bin/../README.md" or die "README.md: $!";
    my ($line) = grep { /^user iot / } <$in>;

    return split ' ', $line =~ s/^user iot //r =~ s/>\S+/>secret/r;
}

our $password = File::Temp->new;
print $password "secret\n";
$password->flush;

add_block_preprocessor(sub {
    my ($block) = @_;

    my $prefix = $block->prefix // '';
    my @rights = map { s/^~/~$prefix/r } rights();

    redis('ACL', 'SETUSER', 'iot', 'reset', @rights);
    redis('SCRIPT', 'FLUSH');

    $block->set_value(http_config => http_config() =~
        s/(?=server )/username iot; password_file $password; /r
        =~ s/(?=server )/$prefix eq '' ? '' : "key_prefix $prefix; "/er);
});

gateway(registries => ['fleet']);

# an add that waits, the list of what waits, its end; a delete that does not

sub backend {
    return <<'_EOC_';
    location /iot-devices/ {
        iot_api main;
        iot_completion backend;
    }

    location /operations {
        iot_complete main;
        iot_completion_redelivery 1s;
    }

    location /cancel/ {
        rewrite ^/cancel(/.*)$ $1 break;
        iot_operations main;
    }
_EOC_
}

redis_start();

our $pem = certificate();
our $path = '/iot-devices/v1/registries/fleet/certificates';
our $named = "$path/" . sha1_hex(der($pem));

# more operations than are kept, so that a later add has some to remove

sub expired_operations {
    my @members = map { sprintf '7e%018d', $_ } 1 .. 3;

    return [ map { [ 'ZADD', '{7e}:y:fleet', 0, $_ ] } @members ];
}

no_long_string();
log_level('info');
run_tests();

__DATA__

=== TEST 1: a certificate is added, and old operations are forgotten
--- before eval: main::expired_operations()
--- request eval: main::add_certificate('fleet', $main::pem)
--- response_body
added to fleet
--- after
ZCARD {7e}:y:fleet
--- says
1
--- no_error_log
[error]



=== TEST 2: it is not added twice
--- request eval
[ map { main::add_certificate('fleet', $main::pem) } 1, 2 ]
--- response_body_filters
--- error_code eval: [ 200, 409 ]
--- no_error_log
[error]



=== TEST 3: an operation is looked for
--- request
GET /operations/7e000000000000000000
--- error_code: 404
--- response_body
5 OPERATION_NOT_FOUND
resource yandex.cloud.operation.Operation 7e000000000000000000
--- no_error_log
[error]



=== TEST 4: with a prefix
--- prefix: iot:
--- before
HSET iot:{7e}:r:fleet v 1 s 2
--- request eval: main::add_certificate('fleet', $main::pem)
--- response_body
added to fleet
--- no_error_log
[error]



=== TEST 5: what else may be sent, and what may not
--- request
GET /up
--- after eval
[ map { [ 'ACL', 'DRYRUN', 'iot', @$_ ] }
    [ 'PING' ], [ 'SELECT', 1 ], [ 'EVAL', 'return 1', 0 ],
    [ 'SET', 'x', 1 ], [ 'KEYS', '*' ], [ 'FLUSHALL' ] ]
--- says eval
join '', map { "$_\n" } 'OK', 'OK', 'OK',
    "This user has no permissions to access the 'x' key",
    map { "This user has no permissions to run the '$_' command" }
        'keys', 'flushall'



=== TEST 6: a certificate is listed, read, and deleted by its SHA-1
--- request eval
[ main::add_certificate('fleet', $main::pem),
  "GET $main::path", "GET $main::named",
  'GET /iot-devices/v1/registries/fleet/operations', "DELETE $main::named" ]
--- response_body_filters
--- error_code eval: [ (200) x 5 ]
--- no_error_log
[error]



=== TEST 7: an operation that waits for a backend
--- config eval: main::backend()
--- request eval
[ main::add_certificate('fleet', $main::pem), 'GET /operations' ]
--- response_body_filters eval
sub {
    my ($text) = @_;

    my ($id) = $text =~ /"id":"(\w+)"/ or return $text;

    return 'waits' if $text !~ /^\{"operations"/;

    # its event comes again

    my $event = sub { main::redis('XRANGE', '{7e}:e', '-', '+')->[0][0] };
    my $first = $event->();

    main::wait_until(sub { $event->() ne $first }, 20) or return 'not again';

    my ($ends) = main::converse(map { "POST $_ HTTP/1.0\r\nHost: a\r\n"
        . "Authorization: Bearer alice\r\nContent-Length: 2\r\n\r\n{}" }
        "/operations/$id:finish") =~ /"found":"(\w+)"/;

    my $delete = main::converse("DELETE $main::named HTTP/1.0\r\nHost: a\r\n"
        . "Authorization: Bearer alice\r\n\r\n");

    ($id) = $delete =~ /"id":"(\w+)"/ or return $delete;

    my $cancel = main::converse("GET /cancel/operations/$id:cancel HTTP/1.0\r\n"
        . "Host: a\r\nAuthorization: Bearer alice\r\n\r\n");

    return "$ends, " . ($cancel =~ /"code":1,/ ? 'cancelled' : $cancel);
}
--- error_code eval: [ 200, 200 ]
--- response_body eval: [ 'waits', 'PENDING, cancelled' ]
--- no_error_log
[error]
