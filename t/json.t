# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause
#
# The body of a request as JSON, by the rules of proto3 JSON: what is read,
# what is refused and how the refusal names the place.  Each line of a section
# "bodies" is a body of its own; all of a block are answered the same.

use FindBin;
use lib "$FindBin::Bin/support";

use Test::Nginx::Socket;
use Iot;

plan tests => 638;

no_long_string();

gateway(settings => 'iot_registries open;');
redis_start();

# what follows "certificateData": in a body, and a body with it
our $pem = certificate();
our $value = json($pem);

sub nested {
    my ($levels, $open, $close) = @_;

    return $open x $levels . $close x $levels;
}

run_tests();

__DATA__

=== TEST 1: the name of a field in camelCase
--- bodies eval
::body($::pem)
--- response_body
added to fleet



=== TEST 2: and in snake_case, as in the proto
--- bodies eval
qq({"certificate_data":$::value})
--- response_body
added to fleet



=== TEST 3: names are exact
--- bodies
{"CertificateData":"x"}
{"certificatedata":"x"}
{"certificateData ":"x"}
{"certificate-data":"x"}
{"certificateData\u0000":"x"}
{"certificateDat":"x"}
--- error_code: 400
--- response_body
3 CERTIFICATE_REQUIRED
field certificate_data
--- dbsize: 0



=== TEST 4: a name may have escapes
--- bodies eval
qq({"\\u0063ertificate\\u005fdata":$::value})
--- response_body
added to fleet



=== TEST 5: fields that are not known are ignored, whatever their value
--- bodies eval
qq({"a":null,"b":[true,false,{"certificateData":1}],"c":{"d":{"e":"f"}},)
    . qq("":0,"certificateData":$::value,"z":-1.5e-3})
--- response_body
added to fleet



=== TEST 6: among them numbers that no type holds
--- bodies eval
qq({"a":) . '9' x 400 . qq(,"b":1e999999999,"c":-0.0e-99999,)
    . qq("d":123456789012345678901234567890.5,"certificateData":$::value})
--- response_body
added to fleet



=== TEST 7: white space around every token
--- bodies eval
[qq( \t\r\n{ \n"certificateData"\t:\r\n $::value , "a" : [ 1 , 2 ] } \r\n\t )]
--- response_body
added to fleet



=== TEST 8: the last of duplicates wins
--- bodies eval
qq({"certificateData":"x","certificateData":$::value})
--- response_body
added to fleet



=== TEST 9: also when they are spelled differently
--- bodies eval
qq({"certificateData":"x","certificate_data":$::value})
--- response_body
added to fleet



=== TEST 10: in either order
--- bodies eval
[qq({"certificateData":$::value,"certificate_data":"x"}),
 qq({"certificate_data":$::value,"certificateData":"x"}),
 qq({"certificateData":$::value,"certificateData":"x"})]
--- error_code: 400
--- response_body
3 CERTIFICATE_NO_PEM
field certificate_data
--- dbsize: 0



=== TEST 11: null is unset, also after a value
--- bodies eval
['{"certificateData":null}', '{"certificate_data":null}',
 qq({"certificateData":$::value,"certificateData":null}),
 qq({"certificateData":$::value,"certificate_data":null})]
--- error_code: 400
--- response_body
3 CERTIFICATE_REQUIRED
field certificate_data
--- dbsize: 0



=== TEST 12: a value after null is set
--- bodies eval
qq({"certificateData":null,"certificateData":$::value,"registryId":null})
--- response_body
added to fleet



=== TEST 13: an empty string is what is not there
--- bodies
{"certificateData":""}
{}
{"a":1}
--- error_code: 400
--- response_body
3 CERTIFICATE_REQUIRED
field certificate_data
--- dbsize: 0



=== TEST 14: an empty body is an empty object
--- bodies eval
['']
--- error_code: 400
--- response_body
3 CERTIFICATE_REQUIRED
field certificate_data
--- dbsize: 0



=== TEST 15: white space alone is not JSON
--- bodies eval
[' ', "\n", "\t \r\n"]
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 16: a value that is not a string
--- bodies
{"certificateData":0}
{"certificateData":-1.5e3}
{"certificateData":true}
{"certificateData":false}
{"certificateData":[]}
{"certificateData":["x"]}
{"certificateData":{}}
{"certificateData":{"certificateData":"x"}}
{"certificate_data":1}
--- error_code: 400
--- response_body
3 INVALID_FIELD
field certificate_data
--- dbsize: 0



=== TEST 17: even when a good one follows, or went before
--- bodies eval
[qq({"certificateData":1,"certificateData":$::value}),
 qq({"certificateData":$::value,"certificate_data":1})]
--- error_code: 400
--- response_body
3 INVALID_FIELD
field certificate_data
--- dbsize: 0



=== TEST 18: the field of the path must be a string in the body too
--- bodies eval
[qq({"registryId":1,"certificateData":$::value}),
 qq({"registry_id":{},"certificateData":$::value}),
 '{"registryId":true,"certificateData":1}']
--- error_code: 400
--- response_body
3 INVALID_FIELD
field registry_id
--- dbsize: 0



=== TEST 19: a field of a message inside is not ours
--- bodies eval
qq({"a":{"certificateData":1,"registryId":2},"certificateData":$::value})
--- response_body
added to fleet



=== TEST 20: a message is an object
--- bodies
[]
[{"certificateData":"x"}]
"certificateData"
0
-1
true
false
null
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 21: what is no JSON
--- bodies
{
}
{"a"}
{"a":}
{"a":1,}
{,"a":1}
{"a" 1}
{"a":1 "b":2}
{a:1}
{'a':1}
{"a":'b'}
{"a":01}
{"a":+1}
{"a":.5}
{"a":1.}
{"a":1e}
{"a":0x1}
{"a":NaN}
{"a":Infinity}
{"a":True}
{"a":undefined}
{"a":tru}
{"a":[1,]}
{"a":[1}
{"a":{]
{"a":"b
{"a":1}/*c*/
{/*c*/"a":1}
{"a":1}//
certificateData=x
-----BEGIN CERTIFICATE-----
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 22: JSON that was cut off anywhere
--- bodies eval
my $body = ::body($::pem);
[map { substr $body, 0, $_ }
 1, 2, 5, 17, 18, 19, 20, 100, length($body) - 2, length($body) - 1]
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 23: anything after the object
--- bodies eval
[map { ::body($::pem) . $_ }
 '{}', '}', ']', ',', 'x', '""', '"', '0', 'null', "\n{", "\0", "\n\0\n"]
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 24: a byte order mark, and other white space than JSON's
--- bodies eval
[map { $_ . ::body($::pem) }
 "\xef\xbb\xbf", "\xff\xfe", "\0", "\x0b", "\x0c", "\xc2\xa0", "\xe2\x80\xa8"]
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 25: UTF-16
--- bodies eval
[::body($::pem) =~ s/(.)/$1\0/gsr, ::body($::pem) =~ s/(.)/\0$1/gsr]
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 26: control characters in a string
--- bodies eval
[map { qq({"certificateData":"$_"}) } map { chr } 0 .. 31]
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 27: escapes that JSON has not
--- bodies
{"a":"\x41"}
{"a":"\'"}
{"a":"\0"}
{"a":"\u"}
{"a":"\u12"}
{"a":"\u123g"}
{"a":"\U0041"}
{"a":"\"}
{"a":"\\\"}
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 28: lone surrogates, also in fields that are not known and in names
--- bodies
{"certificateData":"\ud800"}
{"certificateData":"\udbffx"}
{"certificateData":"\udc00"}
{"certificateData":"\udfff"}
{"certificateData":"\ud800\ud800"}
{"certificateData":"\udc00\ud800"}
{"certificateData":"\ud800\n\udc00"}
{"certificateData":"\ud800\\udc00"}
{"certificateData":"\ud83d\udd11\ud83d"}
{"certificateData":"\uD800"}
{"a":"\ud800"}
{"a":["\udc00"]}
{"\ud800":1}
{"a":{"\udfff":1}}
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 29: what only looks like one is text
--- bodies eval
my $text = $::value =~ s/\A"//r;
[qq({"certificateData":"\\\\ud800\\n$text})]
--- response_body_filters eval
sub { $_[0] =~ /"certificateData":"(\\\\ud800\\n)-----BEGIN/ ? $1 : $_[0] }
--- response_body chomp
\\ud800\n



=== TEST 30: invalid UTF-8, also in fields that are not known and in names
Overlong forms, surrogates, beyond U+10FFFF, cut off, stray continuations.
--- bodies eval
my @wrong = map { pack 'H*', $_ } qw(80 bf c0af c1bf e080af e09fbf f08080af
    f08fbfbf eda080 edafbf edb080 edbfbf f4908080 f5808080 f8888080 fc8480808080
    fe ff c2 e28a f09f94 c220 e28220 f09f9420 e9 a0);
[map({ qq({"certificateData":"$_"}) } @wrong),
 map({ (qq({"a":"$_"}), qq({"$_":1})) } "\x80", "\xff", "\xed\xa0\x80", "\xc2")]
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 31: an object of 100 levels
--- bodies eval
[qq({"a":) . ::nested(99, '[', ']') . qq(,"certificateData":$::value})]
--- response_body
added to fleet



=== TEST 32: of objects too
--- bodies eval
[qq({"a":) . '{"a":' x 98 . '{}' . '}' x 98 . qq(,"certificateData":$::value})]
--- response_body
added to fleet



=== TEST 33: more are refused
--- bodies eval
[qq({"a":) . ::nested(100, '[', ']') . qq(,"certificateData":$::value}),
 qq({"a":) . '{"a":' x 99 . '{}' . '}' x 99 . qq(,"certificateData":$::value}),
 qq({"a":) . '[' x 30000]
--- error_code: 400
--- response_body
3 INVALID_JSON
field body
--- dbsize: 0



=== TEST 34: levels that have been left do not count
--- bodies eval
[qq({"a":[)
 . CORE::join(',', (::nested(98, '[', ']')) x 20)
 . qq(],"certificateData":$::value})]
--- response_body
added to fleet



=== TEST 35: no answer quotes the body
--- bodies
{"certificateData":1234567}
{"marker":7} marker
marker
{"certificateData":"marker"}
{"marker":"\ud800"}
{"marker":"
--- error_code: 400
--- response_body_filters eval
sub { $_[0] =~ /marker|1234567|"code":[^3]/ ? $_[0] : 'silent' }
--- response_body chomp
silent
--- dbsize: 0



=== TEST 36: the JSON is judged before the registry and the certificate
--- request
POST /iot-devices/v1/registries/bad.id/certificates
{"certificateData":
--- error_code: 400
--- response_body
3 INVALID_JSON
field body



=== TEST 37: fields before the certificate
--- request
POST /iot-devices/v1/registries/bad.id/certificates
{"certificateData":"no certificate"}
--- error_code: 400
--- response_body
3 INVALID_FIELD
field registry_id
