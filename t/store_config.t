# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# What nginx refuses in an iot_store block about users, passwords, databases,
# TLS and names.  What t/redis_client.t has of the other directives is not
# repeated.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

use File::Temp;

plan tests => repeat_each() * 2 * blocks();

our $dir = File::Temp->newdir('iot-test-XXXXXX', TMPDIR => 1);
chmod 0755, "$dir";


sub file {
    my ($name, $text, $mode) = @_;

    open my $out, '>', "$dir/$name" or die "$dir/$name: $!";
    print $out $text;
    close $out;
    chmod $mode // 0600, "$dir/$name";
}

file('password', "secret\n");
file('open', "secret\n", 0644);
file('empty', '');
file('no-line', "\nsecret\n");
file('max', 'x' x 512 . "\r\n");
file('long', 'x' x 513);
file('cert.pem', certificate());
file('key.pem', private_key());
file('other.pem', private_key(name => 'other'));
file('text', 'no certificate');

add_block_preprocessor(sub {
    my ($block) = @_;

    my $store = $block->store =~ s/DIR/$dir/gr;

    my $server = $block->server // '127.0.0.1:1';

    $block->set_value(http_config =>
        "iot_store main { server $server; $store }");
    $block->set_value(config => 'location /up { return 204; }');
    $block->set_value(request => 'GET /up') unless defined $block->must_die;
    $block->set_value(error_code => 204) unless defined $block->must_die;
});

no_long_string();
log_level('warn');
run_tests();

__DATA__

=== TEST 1: user, password and database
--- store
username me; password_file DIR/password; database 15;
--- no_error_log
[warn]



=== TEST 2: a password alone
--- store
password_file DIR/password;
--- no_error_log
[warn]



=== TEST 3: database 0
--- store
database 0;
--- no_error_log
[warn]



=== TEST 4: the longest password
--- store
password_file DIR/max;
--- no_error_log
[warn]



=== TEST 5: a password file that everyone can read
--- store
password_file DIR/open;
--- error_log eval
qr/\[warn\].*password file "\S+\/open" is readable by everyone/



=== TEST 6: a user without a password
--- store
username me;
--- must_die
--- error_log eval
qr/\[emerg\].*"username" without "password_file" in iot_store "main" in/
--- suppress_stderr



=== TEST 7: an empty user
--- store
username ""; password_file DIR/password;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "" in "username" directive, expected/
--- suppress_stderr



=== TEST 8: two users
--- store
username a; username b;
--- must_die
--- error_log eval
qr/\[emerg\].*"username" directive is duplicate/
--- suppress_stderr



=== TEST 9: two passwords
--- store
password_file DIR/password; password_file DIR/password;
--- must_die
--- error_log eval
qr/\[emerg\].*"password_file" directive is duplicate/
--- suppress_stderr



=== TEST 10: a password file that is not there
--- store
password_file DIR/none;
--- must_die
--- error_log eval
qr/\[emerg\].*open\(\) "\S+\/none" failed \(2: No such file/
--- suppress_stderr



=== TEST 11: a password file that is none
--- store
password_file DIR;
--- must_die
--- error_log eval
qr/\[emerg\].*read\(\) "\S+" failed \(21: Is a directory/
--- suppress_stderr



=== TEST 12: an empty password file
--- store
password_file DIR/empty;
--- must_die
--- error_log eval
qr/\[emerg\].*no password in the first line of "\S+\/empty"/
--- suppress_stderr



=== TEST 13: an empty first line
--- store
password_file DIR/no-line;
--- must_die
--- error_log eval
qr/\[emerg\].*no password in the first line of "\S+\/no-line"/
--- suppress_stderr



=== TEST 14: too long a password
--- store
password_file DIR/long;
--- must_die
--- error_log eval
qr/\[emerg\].*too long password in "\S+\/long", expected at most 512 bytes/
--- suppress_stderr



=== TEST 15: a database that is no number
--- store
database x;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "x" in "database" directive, expected a number/
--- suppress_stderr



=== TEST 16: a negative database
--- store
database -1;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "-1" in "database" directive, expected a number/
--- suppress_stderr



=== TEST 17: two databases
--- store
database 0; database 0;
--- must_die
--- error_log eval
qr/\[emerg\].*"database" directive is duplicate/
--- suppress_stderr



=== TEST 18: TLS
--- store
ssl on; ssl_trusted_certificate DIR/cert.pem;
--- no_error_log
[warn]



=== TEST 19: TLS with everything
--- store
ssl on; ssl_verify on; ssl_name redis; ssl_trusted_certificate DIR/cert.pem;
ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;
--- no_error_log
[warn]



=== TEST 20: TLS with anybody
--- store
ssl on; ssl_verify off;
--- no_error_log
[warn]



=== TEST 21: TLS switched off
--- store
ssl off; ssl_verify on; ssl_name redis; ssl_trusted_certificate DIR/cert.pem;
--- no_error_log
[warn]



=== TEST 22: TLS without a certificate to trust
--- store
ssl on;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl on" without "ssl_trusted_certificate" or "ssl_verify/
--- suppress_stderr



=== TEST 23: TLS that is neither on nor off
--- store
ssl yes;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "yes" in "ssl" directive, expected "on" or "off"/
--- suppress_stderr



=== TEST 24: TLS twice
--- store
ssl on; ssl off;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl" directive is duplicate/
--- suppress_stderr



=== TEST 25: ssl_trusted_certificate without TLS
--- store
ssl_trusted_certificate DIR/cert.pem;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl_trusted_certificate" without "ssl on" in iot_store/
--- suppress_stderr



=== TEST 26: ssl_name without TLS
--- store
ssl_name x;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl_name" without "ssl on" in iot_store "main" in/
--- suppress_stderr



=== TEST 27: ssl_verify without TLS
--- store
ssl_verify off;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl_verify" without "ssl on" in iot_store "main" in/
--- suppress_stderr



=== TEST 28: ssl_certificate without TLS
--- store
ssl_certificate DIR/cert.pem;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl_certificate" without "ssl on" in iot_store "main" in/
--- suppress_stderr



=== TEST 29: ssl_certificate_key without TLS
--- store
ssl_certificate_key DIR/key.pem;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl_certificate_key" without "ssl on" in iot_store "main" in/
--- suppress_stderr



=== TEST 30: a certificate without its key
--- store
ssl on; ssl_trusted_certificate DIR/cert.pem; ssl_certificate DIR/cert.pem;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl_certificate" without "ssl_certificate_key" in/
--- suppress_stderr



=== TEST 31: a key without its certificate
--- store
ssl on; ssl_trusted_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl_certificate_key" without "ssl_certificate" in/
--- suppress_stderr



=== TEST 32: a key of another certificate
--- store
ssl on; ssl_trusted_certificate DIR/cert.pem;
ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/other.pem;
--- must_die
--- error_log eval
qr/\[emerg\].*SSL_CTX_use_PrivateKey\("\S+\/other.pem"\) failed/
--- suppress_stderr



=== TEST 33: trusted certificates that are not there
--- store
ssl on; ssl_trusted_certificate DIR/none;
--- must_die
--- error_log eval
qr/\[emerg\].*"\S+\/none"/
--- suppress_stderr



=== TEST 34: trusted certificates that are none
--- store
ssl on; ssl_trusted_certificate DIR/text;
--- must_die
--- error_log eval
qr/\[emerg\].*"\S+\/text"/
--- suppress_stderr



=== TEST 35: a certificate that is none
--- store
ssl on; ssl_trusted_certificate DIR/cert.pem;
ssl_certificate DIR/text; ssl_certificate_key DIR/key.pem;
--- must_die
--- error_log eval
qr/\[emerg\].*cannot load certificate "\S+\/text"/
--- suppress_stderr



=== TEST 36: a name that nobody knows
--- server: no.such.host.invalid
--- store

--- must_die
--- error_log eval
qr/\[emerg\].*"no.such.host.invalid" in "server" directive, host not found in/
--- suppress_stderr



=== TEST 37: a name that a resolver may know
--- server: no.such.host.invalid
--- store
resolver 127.0.0.1:1 valid=1s ipv6=off; resolver_timeout 1s;
--- error_log eval
qr/\[warn\].*"no.such.host.invalid" in "server" directive, host not found in/



=== TEST 38: a resolver that is not needed
--- store
resolver 127.0.0.1:1;
--- no_error_log
[warn]



=== TEST 39: a resolver that is none
--- store
resolver 127.0.0.1:1 valid=x;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid parameter: valid=x/
--- suppress_stderr



=== TEST 40: a resolver without an address
--- store
resolver;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid number of arguments in "resolver" directive/
--- suppress_stderr



=== TEST 41: two resolvers
--- store
resolver 127.0.0.1; resolver 127.0.0.1;
--- must_die
--- error_log eval
qr/\[emerg\].*"resolver" directive is duplicate/
--- suppress_stderr



=== TEST 42: no time for the resolver
--- store
resolver_timeout 0;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "0" in "resolver_timeout" directive, expected a/
--- suppress_stderr



=== TEST 43: one server, said to be so, with one connection
--- store
topology single; connections 1;
--- no_error_log
[warn]



=== TEST 44: several servers that are one
--- server: 127.0.0.1:1 127.0.0.1:2
--- store
topology single;
--- must_die
--- error_log eval
qr/\[emerg\].*more than one address in "server" directive with "topology si/
--- suppress_stderr



=== TEST 45: another topology
--- store
topology ring;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "ring" in "topology" directive, expected "single/
--- suppress_stderr



=== TEST 46: two topologies
--- store
topology single; topology single;
--- must_die
--- error_log eval
qr/\[emerg\].*"topology" directive is duplicate/
--- suppress_stderr



=== TEST 47: a topology with too much
--- store
topology single one;
--- must_die
--- error_log eval
qr/\[emerg\].*"topology" directive has too many parameters/
--- suppress_stderr



=== TEST 48: too many connections
--- store
connections 17;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "17" in "connections" directive, expected a number, not zero, at most 16/
--- suppress_stderr



=== TEST 49: no connections
--- store
connections 0;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "0" in "connections" directive, expected a number/
--- suppress_stderr



=== TEST 50: sentinels
--- server: 127.0.0.1:1 127.0.0.1:2 [::1]
--- store
topology sentinel iot;
--- no_error_log
[warn]



=== TEST 51: sentinels with users and TLS
--- server: 127.0.0.1:1 127.0.0.1:2 [::1]
--- store
topology sentinel iot; ssl on; ssl_trusted_certificate DIR/cert.pem;
sentinel_username me; sentinel_password_file DIR/password; sentinel_ssl on;
--- no_error_log
[warn]



=== TEST 52: sentinels with TLS alone
--- server: 127.0.0.1:1 127.0.0.1:2 [::1]
--- store
topology sentinel iot; sentinel_ssl on; ssl_trusted_certificate DIR/cert.pem;
--- no_error_log
[warn]



=== TEST 53: sentinels for nobody
--- server: 127.0.0.1:1 127.0.0.1:2 [::1]
--- store
topology sentinel;
--- must_die
--- error_log eval
qr/\[emerg\].*"topology" directive lacks the name that sentinels have for/
--- suppress_stderr



=== TEST 54: sentinels for an empty name
--- server: 127.0.0.1:1 127.0.0.1:2 [::1]
--- store
topology sentinel "";
--- must_die
--- error_log eval
qr/\[emerg\].*"topology" directive lacks the name that sentinels have for/
--- suppress_stderr



=== TEST 55: sentinels for two
--- server: 127.0.0.1:1 127.0.0.1:2 [::1]
--- store
topology sentinel a b;
--- must_die
--- error_log eval
qr/\[emerg\].*"topology" directive has too many parameters/
--- suppress_stderr



=== TEST 56: a user of sentinels without a password
--- store
topology sentinel iot; sentinel_username me;
--- must_die
--- error_log eval
qr/\[emerg\].*"sentinel_username" without "sentinel_password_file" in/
--- suppress_stderr



=== TEST 57: a user of sentinels without sentinels
--- store
sentinel_username me; sentinel_password_file DIR/password;
--- must_die
--- error_log eval
qr/\[emerg\].*"sentinel_username" without "topology sentinel" in iot_store/
--- suppress_stderr



=== TEST 58: a password of sentinels without sentinels
--- store
topology cluster; sentinel_password_file DIR/password;
--- must_die
--- error_log eval
qr/\[emerg\].*"sentinel_password_file" without "topology sentinel" in iot_s/
--- suppress_stderr



=== TEST 59: TLS of sentinels without sentinels
--- store
sentinel_ssl off;
--- must_die
--- error_log eval
qr/\[emerg\].*"sentinel_ssl" without "topology sentinel" in iot_store/
--- suppress_stderr



=== TEST 60: TLS of sentinels without a certificate to trust
--- store
topology sentinel iot; sentinel_ssl on;
--- must_die
--- error_log eval
qr/\[emerg\].*"ssl on" without "ssl_trusted_certificate" or "ssl_verify/
--- suppress_stderr



=== TEST 61: a sentinel with TLS and no name
--- server: unix:/tmp/sentinel
--- store
topology sentinel iot; sentinel_ssl on; ssl_name redis;
ssl_trusted_certificate DIR/cert.pem;
--- must_die
--- error_log eval
qr/\[emerg\].*no name to verify for "unix:\S+" in iot_store "main", a unix/
--- suppress_stderr



=== TEST 62: a sentinel on a unix socket
--- server: unix:/tmp/sentinel
--- store
topology sentinel iot; ssl on; sentinel_ssl off;
ssl_trusted_certificate DIR/cert.pem;
--- no_error_log
[warn]



=== TEST 63: a database in a cluster
--- store
topology cluster; database 0;
--- must_die
--- error_log eval
qr/\[emerg\].*"database" with "topology cluster" in iot_store "main", a/
--- suppress_stderr



=== TEST 64: a unix socket in a cluster
--- server: 127.0.0.1:1 unix:/tmp/x
--- store
topology cluster;
--- must_die
--- error_log eval
qr/\[emerg\].*"unix:\S+" in "server" directive with "topology cluster"/
--- suppress_stderr



=== TEST 65: replicas
--- store
replicas 2;
--- no_error_log
[warn]



=== TEST 66: too many replicas
--- store
replicas 17;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "17" in "replicas" directive, expected 0 to 16/
--- suppress_stderr



=== TEST 67: replicas that are no number
--- store
replicas x;
--- must_die
--- error_log eval
qr/\[emerg\].*invalid value "x" in "replicas" directive, expected 0 to 16/
--- suppress_stderr



=== TEST 68: replicas twice
--- store
replicas 1; replicas 1;
--- must_die
--- error_log eval
qr/\[emerg\].*"replicas" directive is duplicate/
--- suppress_stderr
