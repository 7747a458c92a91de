# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# Which certificates are accepted and why others are not: one PEM block with
# one X.509 certificate in DER, a key of an accepted kind, and a validity that
# includes now; and the directives that change this.  Every refusal names the
# field certificate_data, and leaves no trace in Redis.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

plan tests => 420;

no_long_string();

gateway(settings => 'iot_registries open;');
redis_start();

our $pem = certificate();
our $another = certificate(name => 'another');
our $base64 = $pem =~ s/-----.*-----\n//gr;

sub block {
    my ($label, $content) = @_;

    return "-----BEGIN $label-----\n$content-----END $label-----\n";
}

# certificates by the kind of their key; RSA keys take long to make

our %of = map { $_ => certificate(key => $_) }
    qw(rsa:512 rsa:1024 rsa:2048 ec:P-256 ec:P-384 ec:P-521 ec:secp256k1
       ec:secp224r1 ed25519 ed448);
$of{'rsa-pss'} = certificate(key => 'rsa-pss');

# $pem with its DER changed

sub with {
    my ($from, $to) = @_;

    my $der = der($pem);
    (my $changed = $der) =~ s/\Q$from\E/$to/ or die 'not in the DER';

    return pem($changed);
}

# OIDs: id-ecPublicKey, and prime256v1 with the key's bit string behind it

our $ec_key = pack 'H*', '06072a8648ce3d0201';
our $p256 = pack 'H*', '06082a8648ce3d030107';
our $point = pack 'H*', '03420004';

# validity

our $day = 86400;
our $now = time;
our $expired = dated($pem, map { utc_time($_) } $now - 9 * $day, $now - $day);
our $later = dated($pem, map { utc_time($_) } $now + $day, $now + 9 * $day);
our $never = dated($pem, map { utc_time($_) } $now + $day, $now - $day);

# What is not to be found anywhere: lines from the middle of a real key.

our $key = private_key(key => 'rsa:2048');
our @secret = (split /\n/, $key)[1, 2, 12];

sub silent {
    my ($text) = @_;

    return 'it tells' if grep { index($text, $_) >= 0 } @secret;
    return answer($text);
}

run_tests();

__DATA__

=== TEST 1: keys that are accepted
--- bodies eval
[map { ::body($::of{$_}) } qw(rsa:2048 rsa-pss ec:P-256 ec:P-384 ec:P-521
                            ed25519 ed448)]
--- response_body
added to fleet



=== TEST 2: text before and after the block, CRLF, CR, a missing last newline
--- bodies eval
[map { ::body($_->(::certificate(name => "$_"))) }
 sub { "Bag Attributes\n    friendlyName: x\n$_[0]the end" },
 sub { $_[0] =~ s/\n/\r\n/gr }, sub { $_[0] =~ s/\n/\r/gr },
 sub { $_[0] =~ s/\n\z//r }, sub { "\n\n$_[0]\n\n" },
 sub { $_[0] =~ s/(?<=-----)\n/ \t\n/gr }]
--- response_body
added to fleet



=== TEST 3: base64 in lines of any length, with blanks
--- bodies eval
[map { ::body($_->(::certificate(name => "$_"))) }
 sub { $_[0] =~ s/(?<=\w)\n(?=\w)//gr }, sub { $_[0] =~ s/^(\w)/ \t$1/gmr },
 sub { $_[0] =~ s/^(\S{32})/$1\n/gmr }, sub { $_[0] =~ s/^(\w{7})/$1 \n /gmr }]
--- response_body
added to fleet



=== TEST 4: blocks of other kinds are text
--- bodies eval
[::body(::block('X509 CRL', "MIIB\n") . $::pem
        . ::block('DH PARAMETERS', "MIIB\n"))]
--- response_body
added to fleet



=== TEST 5: a signature is not verified: trust is by registration
--- bodies eval
[::body(::pem(::der($::pem) =~ s/.\z/\xff/sr))]
--- response_body
added to fleet



=== TEST 6: no certificate
--- bodies
{}
{"certificateData":""}
{"certificateData":null}
--- error_code: 400
--- response_body
3 CERTIFICATE_REQUIRED
field certificate_data
--- dbsize: 0



=== TEST 7: no PEM
--- bodies eval
[map { ::body($_) } ' ', "\n", 'certificate', $::base64,
 ::der($::pem) =~ s/\W//gr,
 ::block('PUBLIC KEY', $::base64), ::block('CERTIFICATE REQUEST', $::base64),
 ::block('PKCS7', $::base64), ::block('X509 CRL', $::base64)]
--- error_code: 400
--- response_body
3 CERTIFICATE_NO_PEM
field certificate_data
--- dbsize: 0



=== TEST 8: certificates in a wrapping of their own are no certificates here
--- bodies eval
[map { ::body($_) } ::block('TRUSTED CERTIFICATE', $::base64),
 ::block('X509 CERTIFICATE', $::base64),
 $::pem . ::block('TRUSTED CERTIFICATE', $::base64)]
--- error_code: 400
--- response_body
3 CERTIFICATE_NO_PEM
field certificate_data
--- dbsize: 0



=== TEST 9: several: a chain is more than the device's own certificate
--- bodies eval
[map { ::body($_) } $::pem . $::another, $::pem . $::pem,
 "$::pem$::another$::pem", $::pem . ::block('CERTIFICATE', "MIIB\n")]
--- error_code: 400
--- response_body
3 CERTIFICATE_SEVERAL_PEM
field certificate_data
--- dbsize: 0



=== TEST 10: a block that is not whole
No end, no beginning, the end of another, without line breaks, empty.
--- bodies eval
[map { ::body($_) }
 $::pem =~ s/-----END.*//sr,
 $::pem =~ s/-----BEGIN.*\n//r,
 $::pem =~ s/END CERT/END TRUSTED CERT/r,
 $::pem =~ s/-----\n\z/----\n/r,
 $::pem =~ s/\n//gr,
 $::pem =~ s/\n/ /gr,
 $::pem =~ s/(END CERTIFICATE-----)/$1 x/r,
 ::block('CERTIFICATE', ''), ::block('CERTIFICATE', "\n \n")]
--- error_code: 400
--- response_body
3 CERTIFICATE_BAD_PEM
field certificate_data
--- dbsize: 0



=== TEST 11: what is inside is not base64
--- bodies eval
[map { ::body($_) }
 $::pem =~ s/(?<=-----\nM)./*/r, $::pem =~ s/(?<=-----\nM)./-/r,
 $::pem =~ s/(?<=-----\nM)./\0/r, $::pem =~ s/(?<=-----\nM)./\xc3\xa9/r,
 $::pem =~ s/(?<=-----\nM)./=/r, $::pem =~ s/(?=-----END)/=\n/r,
 $::pem =~ s/(?=-----END)/A\n/r, $::pem =~ s/(?<=-----\n)/Comment: x\n\n/r]
--- error_code: 400
--- response_body
3 CERTIFICATE_BAD_BASE64
field certificate_data
--- dbsize: 0



=== TEST 12: what is inside is not one certificate in DER
--- bodies eval
my $der = ::der($::pem);
[map { ::body(::pem($_)) } "\0", "\x30\x00", 'certificate', substr($der, 0, -1),
 substr($der, 1), substr($der, 0, 100), "\x30\x80$der\0\0",
 $der =~ s/\A\x30\x82/\x31\x82/r, $der =~ s/\x02\x01\x02/\x02\x01\x03/r,
 $der =~ s/\x17\x0d\d\d/\x17\x0d99/r =~ s/\x17\x0d99\d\d/\x17\x0d9913/r]
--- error_code: 400
--- response_body
3 CERTIFICATE_BAD_DER
field certificate_data
--- dbsize: 0



=== TEST 13: bytes after it
--- bodies eval
my $der = ::der($::pem);
[map { ::body(::pem($der . $_)) } "\0", "\n", $der]
--- error_code: 400
--- response_body
3 CERTIFICATE_TRAILING_BYTES
field certificate_data
--- dbsize: 0



=== TEST 14: a key of a kind, or on a curve, that is not known
--- bodies eval
[map { ::body($_) } ::with($::ec_key, pack 'H*', '06072a8648ce3d0202'),
 ::with($::p256, pack 'H*', '06082a8648ce3d03017f')]
--- error_code: 400
--- response_body
3 CERTIFICATE_UNSUPPORTED_KEY
field certificate_data
--- dbsize: 0



=== TEST 15: with weak_key neither
--- settings
iot_registries open;
iot_certificate_accept weak_key;
--- bodies eval
[map { ::body($_) } ::with($::ec_key, pack 'H*', '06072a8648ce3d0202'),
 ::with($::p256, pack 'H*', '06082a8648ce3d03017f')]
--- error_code: 400
--- response_body
3 CERTIFICATE_UNSUPPORTED_KEY
field certificate_data
--- dbsize: 0



=== TEST 16: a key that is broken, with weak_key too
Its point is off the curve, is no point, has unused bits.
--- settings
iot_registries open;
iot_certificate_accept weak_key;
--- bodies eval
[map { ::body($_) }
 ::with("$::p256$::point", "$::p256$::point" ^ "\0" x 13 . "\1"),
 ::pem(::der($::pem) =~ s/\Q$::p256$::point\E.{32}\K(.)/chr(ord($1) ^ 1)/esr),
 ::pem(::der($::pem) =~ s/\Q$::p256\E\x03\x42\K\0(\x04.{63})./\x01$1\0/sr)]
--- error_code: 400
--- response_body
3 CERTIFICATE_BAD_KEY
field certificate_data
--- dbsize: 0



=== TEST 17: RSA below 2048 bits, and curves that are not on the list
--- bodies eval
[map { ::body($::of{$_}) } qw(rsa:512 rsa:1024 ec:secp256k1 ec:secp224r1)]
--- error_code: 400
--- response_body
3 CERTIFICATE_WEAK_KEY
field certificate_data
--- dbsize: 0



=== TEST 18: iot_certificate_accept weak_key lifts both
--- settings
iot_registries open;
iot_certificate_accept weak_key;
--- bodies eval
[map { ::body($::of{$_}) } qw(rsa:512 rsa:1024 ec:secp256k1 ec:secp224r1)]
--- response_body
added to fleet



=== TEST 19: iot_certificate_min_rsa_bits: what is below
--- settings
iot_registries open;
iot_certificate_min_rsa_bits 2049;
--- bodies eval
[map { ::body($::of{$_}) } qw(rsa:2048 rsa-pss)]
--- error_code: 400
--- response_body
3 CERTIFICATE_WEAK_KEY
field certificate_data
--- dbsize: 0



=== TEST 20: what has as many
--- settings
iot_registries open;
iot_certificate_min_rsa_bits 1024;
--- bodies eval
[map { ::body($::of{$_}) } qw(rsa:1024 rsa:2048)]
--- response_body
added to fleet



=== TEST 21: it says nothing of curves
--- settings
iot_registries open;
iot_certificate_min_rsa_bits 512;
--- bodies eval
[::body($::of{'ec:secp256k1'})]
--- error_code: 400
--- response_body
3 CERTIFICATE_WEAK_KEY
field certificate_data



=== TEST 22: and is lifted by weak_key
--- settings
iot_registries open;
iot_certificate_min_rsa_bits 4096;
iot_certificate_accept weak_key;
--- bodies eval
[::body($::of{'rsa:512'})]
--- response_body
added to fleet



=== TEST 23: expired
--- bodies eval
[::body($::expired), ::body(::dated($::pem, '700101000000Z', '700101000001Z'))]
--- error_code: 400
--- response_body
3 CERTIFICATE_EXPIRED
field certificate_data
--- dbsize: 0



=== TEST 24: not yet valid
--- bodies eval
[::body($::later)]
--- error_code: 400
--- response_body
3 CERTIFICATE_NOT_YET_VALID
field certificate_data
--- dbsize: 0



=== TEST 25: just valid
--- bodies eval
[::body(::dated($::pem, map { ::utc_time($_) } $::now - 60, $::now + 60)),
 ::body(::dated($::pem, '500101000000Z', '491231235959Z'))]
--- response_body
added to fleet



=== TEST 26: an end before the beginning is never valid
--- settings
iot_registries open;
iot_certificate_accept not_yet_valid;
--- bodies eval
[::body($::never), ::body($::expired)]
--- error_code: 400
--- response_body
3 CERTIFICATE_EXPIRED
field certificate_data
--- dbsize: 0



=== TEST 27: each word of iot_certificate_accept lifts its own
--- settings
iot_registries open;
iot_certificate_accept expired weak_key;
--- bodies eval
[::body($::never), ::body($::later)]
--- error_code: 400
--- response_body
3 CERTIFICATE_NOT_YET_VALID
field certificate_data
--- dbsize: 0



=== TEST 28: expired
--- settings
iot_registries open;
iot_certificate_accept expired;
--- bodies eval
[::body($::expired)]
--- response_body
added to fleet



=== TEST 29: not_yet_valid
--- settings
iot_registries open;
iot_certificate_accept not_yet_valid;
--- bodies eval
[::body($::later)]
--- response_body
added to fleet



=== TEST 30: neither of them is weak_key
--- settings
iot_registries open;
iot_certificate_accept expired not_yet_valid;
--- bodies eval
[::body($::of{'rsa:1024'}), ::body($::of{'ec:secp256k1'})]
--- error_code: 400
--- response_body
3 CERTIFICATE_WEAK_KEY
field certificate_data



=== TEST 31: all of them together
--- settings
iot_registries open;
iot_certificate_accept weak_key not_yet_valid expired;
--- bodies eval
[::body($::never), ::body($::of{'rsa:512'}),
 ::body(::dated($::of{'ec:secp224r1'}, '700101000000Z', '700101000001Z'))]
--- response_body
added to fleet



=== TEST 32: none, where the server accepts all
--- http_config eval
::http_config('iot_certificate_accept weak_key not_yet_valid expired;')
--- settings
iot_registries open;
iot_certificate_accept none;
--- bodies eval
[::body($::expired)]
--- error_code: 400
--- response_body
3 CERTIFICATE_EXPIRED
field certificate_data



=== TEST 33: and the other way round
--- http_config eval
::http_config('iot_certificate_accept weak_key not_yet_valid expired;')
--- bodies eval
[::body($::expired), ::body($::later), ::body($::of{'rsa:512'})]
--- response_body
added to fleet



=== TEST 34: of several faults the key's is told before the validity's
--- bodies eval
[::body(::dated($::of{'rsa:1024'}, '700101000000Z', '700101000001Z'))]
--- error_code: 400
--- response_body
3 CERTIFICATE_WEAK_KEY
field certificate_data



=== TEST 35: iot_certificate_max_size: as long as the text, and a byte longer
--- settings eval
'iot_registries open; iot_certificate_max_size ' . length($::pem) . ';'
--- bodies eval
[::body($::pem), ::body($::another =~ s/\n\z//r)]
--- response_body
added to fleet



=== TEST 36: a byte shorter; text around the block counts
--- settings eval
'iot_registries open; iot_certificate_max_size ' . length($::pem) . ';'
--- bodies eval
[::body("$::pem\n"), ::body("x\n" . $::pem =~ s/\n\z//r), ::body('x' x 900)]
--- error_code: 400
--- response_body
3 CERTIFICATE_TOO_LARGE
field certificate_data
--- dbsize: 0



=== TEST 37: it is 64k by default
--- bodies eval
[::body($::pem . 'x' x (65536 - length $::pem))]
--- response_body
added to fleet



=== TEST 38: and not a byte more
--- bodies eval
[::body($::pem . 'x' x (65537 - length $::pem))]
--- error_code: 400
--- response_body
3 CERTIFICATE_TOO_LARGE
field certificate_data
--- dbsize: 0



=== TEST 39: it is measured in what the JSON says, not in how it is written
--- settings eval
'iot_registries open; iot_certificate_max_size ' . length($::pem) . ';'
--- bodies eval
::body($::pem);

['{"certificateData":"'
 . $::pem =~ s/(.)/sprintf '\u%04x', ord $1/gesr . '"}']
--- response_body
added to fleet



=== TEST 40: a private key of any kind
--- bodies eval
[map { ::body(::block($_, $::base64)) }
 'PRIVATE KEY', 'RSA PRIVATE KEY', 'EC PRIVATE KEY', 'DSA PRIVATE KEY',
 'ENCRYPTED PRIVATE KEY', 'OPENSSH PRIVATE KEY', 'ED25519 PRIVATE KEY',
 'ANY PRIVATE KEY', 'SSH2 ENCRYPTED PRIVATE KEY', 'PGP PRIVATE KEY BLOCK']
--- error_code: 400
--- response_body
3 PRIVATE_KEY_IN_BODY
field certificate_data
--- dbsize: 0



=== TEST 41: before a certificate, after it, and before every other fault
--- bodies eval
[map { ::body($_) } $::key . $::pem, $::pem . $::key, "$::pem$::key$::another",
 "$::pem$::pem$::key", "$::expired$::key", $::key . 'x' x 70000]
--- error_code: 400
--- response_body
3 PRIVATE_KEY_IN_BODY
field certificate_data
--- dbsize: 0



=== TEST 42: damaged, in other layouts, its end alone
--- bodies eval
[map { ::body($_) } $::key =~ s/\n/\r\n/gr, $::key =~ s/\n//gr, lc $::key,
 $::key =~ s/^/  > /gmr, $::key =~ s/-----END.*//sr,
 $::key =~ s/-----BEGIN.*//r, $::key =~ s/-----/---- /gr,
 $::key =~ s/PRIVATE KEY/PRIVATE  KEY/gr, $::pem =~ s/\n/\n$::key/r]
--- error_code: 400
--- response_body
3 PRIVATE_KEY_IN_BODY
field certificate_data
--- dbsize: 0



=== TEST 43: it is in no log, and the answer does not repeat it
Of the error log not even at the level debug, at which this file runs.
--- http_config eval
::http_config('log_format all "$request $uri $iot_caller $iot_method '
    . '$iot_registry_id $iot_operation_id $iot_fingerprint $iot_code";')
--- settings
iot_registries open;
access_log logs/access.log all;
--- bodies eval
[map { ::body($_) } $::key . $::pem, "$::key-----", "x$::key" . 'x' x 70000]
--- error_code: 400
--- response_body_filters eval
\&::silent
--- response_body
3 PRIVATE_KEY_IN_BODY
field certificate_data
--- no_error_log eval
[@::secret, 'PRIVATE']
--- no_access_log eval
[@::secret, 'PRIVATE']
--- dbsize: 0



=== TEST 44: nor in a file that nginx keeps
--- settings
iot_registries open;
client_body_buffer_size 1k;
--- bodies eval
[::body($::key . $::pem)]
--- error_code: 400
--- response_body
3 PRIVATE_KEY_IN_BODY
field certificate_data
--- files: 0
