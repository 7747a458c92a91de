
/*
 * Copyright (C) ngx_http_iot_module authors
 * SPDX-License-Identifier: BSD-2-Clause
 */


#include "unit.h"
#include "ngx_iot_json.h"


/*
 * What a request body may look like.  Every text is read with two fields,
 * certificate_data and registry_id, from memory of exactly its size.
 */


static ngx_str_t               certificate_data, registry_id;

static const ngx_iot_field_t   fields[] = {
    { ngx_string("certificate_data"), ngx_string("certificateData"), 0,
      &certificate_data, NGX_IOT_FIELD_STRING },
    { ngx_string("registry_id"), ngx_string("registryId"), 0, &registry_id,
      NGX_IOT_FIELD_STRING }
};


typedef struct {
    const char  *what;
    ngx_str_t    text;
    ngx_str_t    value;         /* of certificate_data; NULL: not set */
} json_value_t;


typedef struct {
    const char  *what;
    ngx_str_t    text;
    const char  *field;
} json_mismatch_t;


typedef struct {
    const char  *what;
    ngx_str_t    text;
    ngx_uint_t   valid;
} json_verdict_t;


#define C  "{\"certificateData\":"


/* proto3 JSON: https://protobuf.dev/programming-guides/json/ */

static const json_value_t  values[] = {

    { "an empty text is {}", ngx_null_string, ngx_null_string },
    { "an empty object", ngx_string("{}"), ngx_null_string },
    { "the name in lowerCamelCase",
      ngx_string("{\"certificateData\":\"pem\"}"), ngx_string("pem") },
    { "the name as in the proto",
      ngx_string("{\"certificate_data\":\"pem\"}"), ngx_string("pem") },
    { "whitespace of every kind",
      ngx_string(" \t\r\n{ \t\r\n\"certificateData\" \t\r\n: \t\r\n\"pem\" "
                 "\t\r\n} \t\r\n"),
      ngx_string("pem") },
    { "an empty string is set", ngx_string(C "\"\"}"), ngx_string("") },
    { "null is not set", ngx_string(C "null}"), ngx_null_string },

    /* names are compared as they are after decoding, and wholly */

    { "a name with escapes",
      ngx_string("{\"certificate\\u0044at\\u0061\":\"pem\"}"),
      ngx_string("pem") },
    { "a name in capitals",
      ngx_string("{\"CERTIFICATE_DATA\":\"pem\"}"), ngx_null_string },
    { "a mix of both spellings",
      ngx_string("{\"certificate_Data\":\"pem\"}"), ngx_null_string },
    { "a prefix of a name",
      ngx_string("{\"certificateDat\":\"pem\"}"), ngx_null_string },
    { "a name and more",
      ngx_string("{\"certificateDatas\":\"pem\"}"), ngx_null_string },
    { "a name and NUL",
      ngx_string("{\"certificateData\\u0000\":\"pem\"}"), ngx_null_string },
    { "an empty name", ngx_string("{\"\":\"pem\"}"), ngx_null_string },

    /* duplicates: the last one wins */

    { "twice the same name",
      ngx_string(C "\"a\",\"certificateData\":\"b\"}"), ngx_string("b") },
    { "both spellings, the proto's last",
      ngx_string(C "\"a\",\"certificate_data\":\"b\"}"), ngx_string("b") },
    { "both spellings, the proto's first",
      ngx_string("{\"certificate_data\":\"a\",\"certificateData\":\"b\"}"),
      ngx_string("b") },
    { "null last",
      ngx_string(C "\"a\",\"certificateData\":null}"), ngx_null_string },
    { "null last, the other spelling",
      ngx_string(C "\"a\",\"certificate_data\":null}"), ngx_null_string },
    { "null first",
      ngx_string(C "null,\"certificateData\":\"b\"}"), ngx_string("b") },
    { "the empty string last",
      ngx_string(C "\"a\",\"certificateData\":\"\"}"), ngx_string("") },
    { "escapes in both, of different lengths",
      ngx_string(C "\"longer\\n\",\"certificateData\":\"\\t\"}"),
      ngx_string("\t") },

    /* unknown fields are skipped, whatever is in them */

    { "unknown fields of each type",
      ngx_string("{\"a\":\"s\",\"b\":1,\"c\":-1.5e+3,\"d\":true,\"e\":false,"
                 "\"f\":null,\"g\":{},\"h\":[]," "\"certificateData\":\"pem\","
                 "\"i\":[1,\"s\",{\"j\":[null]}]}"),
      ngx_string("pem") },
    { "the name inside an unknown object",
      ngx_string("{\"a\":{\"certificateData\":\"no\"}}"), ngx_null_string },
    { "the name inside an unknown object, with another type",
      ngx_string("{\"a\":{\"certificateData\":1}}"), ngx_null_string },
    { "the name inside an unknown array",
      ngx_string("{\"a\":[{\"certificateData\":\"no\"}]}"), ngx_null_string },
    { "the name before and inside an unknown object",
      ngx_string(C "\"yes\",\"a\":{\"certificateData\":\"no\",\"b\":[1]}}"),
      ngx_string("yes") },
    { "the name as a value",
      ngx_string("{\"a\":\"certificateData\",\"b\":\"no\"}"),
      ngx_null_string },
    { "a value after an unknown object",
      ngx_string("{\"a\":{\"b\":{}},\"certificateData\":\"yes\"}"),
      ngx_string("yes") },
    { "an integer that fits no type",
      ngx_string("{\"a\":1234567890123456789012345678901234567890}"),
      ngx_null_string },
    { "a number that fits no double",
      ngx_string("{\"a\":-1.5E+999999,\"b\":1e-999999}"), ngx_null_string },

    /* strings */

    { "every escape",
      ngx_string(C "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\\u00e9\\u20ac\"}"),
      ngx_string("\"\\/\b\f\n\r\tA\xc3\xa9\xe2\x82\xac") },
    { "hex digits of either case",
      ngx_string(C "\"\\u00Fe\\u00fE\"}"), ngx_string("\xc3\xbe\xc3\xbe") },
    { "an escaped NUL",
      ngx_string(C "\"a\\u0000b\"}"), ngx_string("a\0b") },
    { "nothing but a NUL", ngx_string(C "\"\\u0000\"}"), ngx_string("\0") },
    { "delete", ngx_string(C "\"\x7f\"}"), ngx_string("\x7f") },
    { "escaped backslashes before the end",
      ngx_string(C "\"\\\\\\\\\"}"), ngx_string("\\\\") },
    { "a PEM",
      ngx_string(C "\"-----BEGIN CERTIFICATE-----\\nMIIB\\r\\n"
                 "-----END CERTIFICATE-----\\n\"}"),
      ngx_string("-----BEGIN CERTIFICATE-----\nMIIB\r\n"
                 "-----END CERTIFICATE-----\n") },

    /* UTF-8, as it is and in escapes: the first and the last of each length */

    { "2 bytes", ngx_string(C "\"\xc2\x80\xdf\xbf\"}"),
      ngx_string("\xc2\x80\xdf\xbf") },
    { "3 bytes", ngx_string(C "\"\xe0\xa0\x80\xef\xbf\xbf\"}"),
      ngx_string("\xe0\xa0\x80\xef\xbf\xbf") },
    { "4 bytes", ngx_string(C "\"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}"),
      ngx_string("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") },
    { "around the surrogates", ngx_string(C "\"\xed\x9f\xbf\xee\x80\x80\"}"),
      ngx_string("\xed\x9f\xbf\xee\x80\x80") },
    { "the same in escapes", ngx_string(C "\"\\uD7FF\\uE000\"}"),
      ngx_string("\xed\x9f\xbf\xee\x80\x80") },
    { "noncharacters", ngx_string(C "\"\\uFFFE\\uFFFF\"}"),
      ngx_string("\xef\xbf\xbe\xef\xbf\xbf") },
    { "the first pair of surrogates", ngx_string(C "\"\\uD800\\uDC00\"}"),
      ngx_string("\xf0\x90\x80\x80") },
    { "the last pair of surrogates", ngx_string(C "\"\\udbff\\udfff\"}"),
      ngx_string("\xf4\x8f\xbf\xbf") },
    { "a smile between letters", ngx_string(C "\"a\\uD83D\\uDE00b\"}"),
      ngx_string("a\xf0\x9f\x98\x80""b") },
    { "two pairs", ngx_string(C "\"\\uD83D\\uDE00\\uD83D\\uDE01\"}"),
      ngx_string("\xf0\x9f\x98\x80\xf0\x9f\x98\x81") },
    { "a pair after an escaped backslash",
      ngx_string(C "\"\\\\\\uD83D\\uDE00\"}"),
      ngx_string("\\\xf0\x9f\x98\x80") },
    { "what looks like a surrogate after an escaped backslash",
      ngx_string(C "\"\\\\uD800\"}"), ngx_string("\\uD800") },
    { "the same after two of them",
      ngx_string(C "\"\\\\\\\\uD800\"}"), ngx_string("\\\\uD800") },
    { "what looks like a surrogate after an escaped quotation mark",
      ngx_string(C "\"\\\"uD800\"}"), ngx_string("\"uD800") },
    { "\\u as text", ngx_string(C "\"\\\\u\"}"), ngx_string("\\u") }
};


/* a value of another type is an error that names the field */

static const json_mismatch_t  mismatches[] = {

    { "an integer", ngx_string(C "1}"), "certificate_data" },
    { "zero", ngx_string(C "0}"), "certificate_data" },
    { "a fraction", ngx_string(C "-1.5}"), "certificate_data" },
    { "a number that fits no type", ngx_string(C "1e999999}"),
      "certificate_data" },
    { "true", ngx_string(C "true}"), "certificate_data" },
    { "false", ngx_string(C "false}"), "certificate_data" },
    { "an empty object", ngx_string(C "{}}"), "certificate_data" },
    { "an object", ngx_string(C "{\"a\":\"b\"}}"), "certificate_data" },
    { "an empty array", ngx_string(C "[]}"), "certificate_data" },
    { "an array of strings", ngx_string(C "[\"pem\"]}"), "certificate_data" },
    { "an array of null", ngx_string(C "[null]}"), "certificate_data" },

    { "the field is named as in the proto",
      ngx_string("{\"certificate_data\":1}"), "certificate_data" },
    { "the second field", ngx_string("{\"registryId\":1}"), "registry_id" },
    { "both fields: the first in the text is named",
      ngx_string("{\"registryId\":1,\"certificateData\":2}"), "registry_id" },
    { "a right one before it",
      ngx_string(C "\"a\",\"certificateData\":1}"), "certificate_data" },
    { "a right one after it",
      ngx_string(C "1,\"certificateData\":\"a\"}"), "certificate_data" },
    { "null after it",
      ngx_string(C "1,\"certificate_data\":null}"), "certificate_data" },
    { "the name again inside",
      ngx_string(C "{\"registryId\":1}}"), "certificate_data" }
};


/* the verdicts of a strict parser; what is valid has an object at its root */

static const json_verdict_t  verdicts[] = {

    /* the whole text is one object */

    { "nothing but a space", ngx_string(" "), 0 },
    { "nothing but whitespace", ngx_string(" \t\r\n"), 0 },
    { "null", ngx_string("null"), 0 },
    { "true", ngx_string("true"), 0 },
    { "a number", ngx_string("1"), 0 },
    { "a string", ngx_string("\"certificateData\""), 0 },
    { "an array", ngx_string("[]"), 0 },
    { "an array of objects", ngx_string("[{}]"), 0 },
    { "a NUL", ngx_string("\0"), 0 },
    { "a byte order mark", ngx_string("\xef\xbb\xbf{}"), 0 },
    { "a byte order mark alone", ngx_string("\xef\xbb\xbf"), 0 },
    { "half a byte order mark", ngx_string("\xef\xbb{}"), 0 },
    { "UTF-16", ngx_string("\xff\xfe{\0}\0"), 0 },
    { "UTF-16 without a mark", ngx_string("{\0}\0"), 0 },

    /* nothing follows it */

    { "whitespace after the object", ngx_string("{} \t\r\n"), 1 },
    { "a NUL after the object", ngx_string("{}\0"), 0 },
    { "a letter after the object", ngx_string("{}x"), 0 },
    { "a brace after the object", ngx_string("{}}"), 0 },
    { "a bracket after the object", ngx_string("{}]"), 0 },
    { "a comma after the object", ngx_string("{},"), 0 },
    { "a colon after the object", ngx_string("{}:"), 0 },
    { "a hash sign after the object", ngx_string("{}#"), 0 },
    { "an object after the object", ngx_string("{}{}"), 0 },
    { "an object on the next line", ngx_string("{}\n{}"), 0 },
    { "an array after the object", ngx_string("{}[]"), 0 },
    { "a string after the object", ngx_string("{}\"a\""), 0 },
    { "a string without end after the object", ngx_string("{}\"a"), 0 },
    { "a quotation mark after the object", ngx_string("{} \""), 0 },
    { "half an escape after the object", ngx_string("{}\"\\u12"), 0 },
    { "a number after the object", ngx_string("{}1"), 0 },
    { "a minus after the object", ngx_string("{}-"), 0 },
    { "null after the object", ngx_string("{}null"), 0 },
    { "the beginning of null after the object", ngx_string("{}n"), 0 },
    { "the beginning of true after the object", ngx_string("{}tr"), 0 },
    { "a comment after the object", ngx_string("{}/**/"), 0 },
    { "half a comment after the object", ngx_string("{}/"), 0 },

    /* whitespace */

    { "vertical tab before the object", ngx_string("\v{}"), 0 },
    { "vertical tab in the object", ngx_string("{\v}"), 0 },
    { "form feed in the object", ngx_string("{\f}"), 0 },
    { "form feed after the object", ngx_string("{}\f"), 0 },
    { "NUL in the object", ngx_string("{\0}"), 0 },
    { "no-break space", ngx_string("{\xc2\xa0}"), 0 },
    { "U+2060", ngx_string("{\xe2\x81\xa0}"), 0 },

    /* objects */

    { "no end", ngx_string("{"), 0 },
    { "no beginning", ngx_string("}"), 0 },
    { "ended as an array", ngx_string("{]"), 0 },
    { "ended as an array, with a pair", ngx_string("{\"a\":1]"), 0 },
    { "a name alone", ngx_string("{\"a\"}"), 0 },
    { "a name with a comma", ngx_string("{\"a\",1}"), 0 },
    { "no value", ngx_string("{\"a\":}"), 0 },
    { "no value before a comma", ngx_string("{\"a\":,\"b\":1}"), 0 },
    { "no name", ngx_string("{:1}"), 0 },
    { "no name without quotation marks", ngx_string("{a:1}"), 0 },
    { "a name in single quotation marks", ngx_string("{'a':1}"), 0 },
    { "a number for a name", ngx_string("{1:1}"), 0 },
    { "null for a name", ngx_string("{null:1}"), 0 },
    { "an array for a name", ngx_string("{[]:1}"), 0 },
    { "an object for a name", ngx_string("{{}:1}"), 0 },
    { "two colons", ngx_string("{\"a\"::1}"), 0 },
    { "two values", ngx_string("{\"a\":1 2}"), 0 },
    { "two values with colons", ngx_string("{\"a\":1:2}"), 0 },
    { "no comma", ngx_string("{\"a\":1 \"b\":2}"), 0 },
    { "a comma at the end", ngx_string("{\"a\":1,}"), 0 },
    { "a comma at the beginning", ngx_string("{,\"a\":1}"), 0 },
    { "a comma alone", ngx_string("{,}"), 0 },
    { "two commas", ngx_string("{\"a\":1,,\"b\":2}"), 0 },
    { "a semicolon", ngx_string("{\"a\":1;\"b\":2}"), 0 },
    { "an object in an object", ngx_string("{\"a\":{\"a\":{}}}"), 1 },
    { "not all closed", ngx_string("{\"a\":{\"a\":{}}"), 0 },
    { "the same unknown name twice", ngx_string("{\"a\":1,\"a\":2}"), 1 },
    { "a comment", ngx_string("{/**/}"), 0 },
    { "a comment to the end of line", ngx_string("{//\n}"), 0 },

    /* arrays */

    { "an empty array", ngx_string("{\"a\":[]}"), 1 },
    { "elements of each type",
      ngx_string("{\"a\":[1,\"s\",true,false,null,{},[]]}"), 1 },
    { "whitespace in an array", ngx_string("{\"a\":[ 1 , 2 ]}"), 1 },
    { "an array without end", ngx_string("{\"a\":["), 0 },
    { "an array ended as an object", ngx_string("{\"a\":[}"), 0 },
    { "an array ended as the object", ngx_string("{\"a\":[1}"), 0 },
    { "a comma at the end of an array", ngx_string("{\"a\":[1,]}"), 0 },
    { "a comma at its beginning", ngx_string("{\"a\":[,1]}"), 0 },
    { "a comma alone in an array", ngx_string("{\"a\":[,]}"), 0 },
    { "two commas in an array", ngx_string("{\"a\":[1,,2]}"), 0 },
    { "no comma in an array", ngx_string("{\"a\":[1 2]}"), 0 },
    { "a colon in an array", ngx_string("{\"a\":[1:2]}"), 0 },
    { "a pair in an array", ngx_string("{\"a\":[\"a\":1]}"), 0 },

    /* numbers */

    { "zero", ngx_string("{\"a\":0}"), 1 },
    { "minus zero", ngx_string("{\"a\":-0}"), 1 },
    { "an integer", ngx_string("{\"a\":1234567890}"), 1 },
    { "a fraction", ngx_string("{\"a\":0.5}"), 1 },
    { "an exponent", ngx_string("{\"a\":1e2}"), 1 },
    { "an exponent with signs", ngx_string("{\"a\":[1E+2,1e-2]}"), 1 },
    { "all of them", ngx_string("{\"a\":-12.34E+056}"), 1 },
    { "a zero before digits", ngx_string("{\"a\":01}"), 0 },
    { "a zero before digits, negative", ngx_string("{\"a\":-01}"), 0 },
    { "two zeros", ngx_string("{\"a\":00}"), 0 },
    { "two zeros and a fraction", ngx_string("{\"a\":00.5}"), 0 },
    { "a minus alone", ngx_string("{\"a\":-}"), 0 },
    { "two minuses", ngx_string("{\"a\":--1}"), 0 },
    { "a minus and a space", ngx_string("{\"a\":- 1}"), 0 },
    { "a plus", ngx_string("{\"a\":+1}"), 0 },
    { "a point at the beginning", ngx_string("{\"a\":.5}"), 0 },
    { "a minus and a point", ngx_string("{\"a\":-.5}"), 0 },
    { "a point at the end", ngx_string("{\"a\":1.}"), 0 },
    { "a point before an exponent", ngx_string("{\"a\":1.e2}"), 0 },
    { "two points", ngx_string("{\"a\":1.2.3}"), 0 },
    { "an exponent without digits", ngx_string("{\"a\":1e}"), 0 },
    { "a sign without digits", ngx_string("{\"a\":1e+}"), 0 },
    { "an exponent alone", ngx_string("{\"a\":e2}"), 0 },
    { "an exponent with a fraction", ngx_string("{\"a\":1e2.5}"), 0 },
    { "hexadecimal", ngx_string("{\"a\":0x1F}"), 0 },
    { "letters after a number", ngx_string("{\"a\":1a}"), 0 },
    { "an underscore", ngx_string("{\"a\":1_000}"), 0 },
    { "a comma in a number", ngx_string("{\"a\":1,000}"), 0 },
    { "NaN", ngx_string("{\"a\":NaN}"), 0 },
    { "Infinity", ngx_string("{\"a\":Infinity}"), 0 },
    { "minus Infinity", ngx_string("{\"a\":-Infinity}"), 0 },
    { "inf", ngx_string("{\"a\":inf}"), 0 },
    { "a digit of another script", ngx_string("{\"a\":\xef\xbc\x91}"), 0 },
    { "an end inside a number", ngx_string("{\"a\":12"), 0 },

    /* true, false, null */

    { "the three words", ngx_string("{\"a\":[true,false,null]}"), 1 },
    { "True", ngx_string("{\"a\":True}"), 0 },
    { "NULL", ngx_string("{\"a\":NULL}"), 0 },
    { "tru", ngx_string("{\"a\":tru}"), 0 },
    { "fals", ngx_string("{\"a\":fals}"), 0 },
    { "nul", ngx_string("{\"a\":nul}"), 0 },
    { "truee", ngx_string("{\"a\":truee}"), 0 },
    { "nullnull", ngx_string("{\"a\":nullnull}"), 0 },
    { "undefined", ngx_string("{\"a\":undefined}"), 0 },
    { "a word and a NUL", ngx_string("{\"a\":null\0}"), 0 },

    /* strings */

    { "a string without end", ngx_string("{\"a\":\"b}"), 0 },
    { "a name without end", ngx_string("{\"a:1}"), 0 },
    { "a string that escapes its end", ngx_string("{\"a\":\"b\\\"}"), 0 },
    { "a string in single quotation marks", ngx_string("{\"a\":'b'}"), 0 },
    { "text without quotation marks", ngx_string("{\"a\":b}"), 0 },
    { "two strings", ngx_string("{\"a\":\"b\" \"c\"}"), 0 },
    { "NUL in a string", ngx_string("{\"a\":\"b\0c\"}"), 0 },
    { "tab in a string", ngx_string("{\"a\":\"b\tc\"}"), 0 },
    { "line feed in a string", ngx_string("{\"a\":\"b\nc\"}"), 0 },
    { "carriage return in a string", ngx_string("{\"a\":\"b\rc\"}"), 0 },
    { "vertical tab in a string", ngx_string("{\"a\":\"b\vc\"}"), 0 },
    { "U+001F in a string", ngx_string("{\"a\":\"b\037c\"}"), 0 },
    { "line feed in a name", ngx_string("{\"a\n\":\"b\"}"), 0 },
    { "an escaped control byte", ngx_string("{\"a\":\"\\\n\"}"), 0 },
    { "an escaped apostrophe", ngx_string("{\"a\":\"\\'\"}"), 0 },
    { "an escaped zero", ngx_string("{\"a\":\"\\0\"}"), 0 },
    { "an escaped letter", ngx_string("{\"a\":\"\\a\"}"), 0 },
    { "an escaped v", ngx_string("{\"a\":\"\\v\"}"), 0 },
    { "a capital U", ngx_string("{\"a\":\"\\U0041\"}"), 0 },
    { "a capital N", ngx_string("{\"a\":\"\\N\"}"), 0 },
    { "\\x", ngx_string("{\"a\":\"\\x41\"}"), 0 },
    { "an escaped character of 2 bytes", ngx_string("{\"a\":\"\\\xc3\xa9\"}"),
      0 },
    { "no hex digits", ngx_string("{\"a\":\"\\u\"}"), 0 },
    { "1 hex digit", ngx_string("{\"a\":\"\\u0\"}"), 0 },
    { "3 hex digits", ngx_string("{\"a\":\"\\u004\"}"), 0 },
    { "no hex digit at the end", ngx_string("{\"a\":\"\\u004g\"}"), 0 },
    { "a sign among hex digits", ngx_string("{\"a\":\"\\u+041\"}"), 0 },
    { "a space among hex digits", ngx_string("{\"a\":\"\\u 041\"}"), 0 },
    { "a backslash outside of strings", ngx_string("{\\\"a\":1}"), 0 },
    { "an escape outside of strings", ngx_string("{\"a\":\\u0031}"), 0 },
    { "the end after a backslash", ngx_string("{\"a\":\"\\"), 0 },
    { "the end after \\u", ngx_string("{\"a\":\"\\u"), 0 },
    { "the end after 3 hex digits", ngx_string("{\"a\":\"\\uD80"), 0 },

    /* surrogates, in values, in names and in unknown places */

    { "a pair", ngx_string("{\"\\uD83D\\uDE00\":\"\\uD83D\\uDE00\"}"), 1 },
    { "the first high one alone", ngx_string(C "\"\\uD800\"}"), 0 },
    { "the last high one alone", ngx_string(C "\"\\uDBFF\"}"), 0 },
    { "the first low one alone", ngx_string(C "\"\\uDC00\"}"), 0 },
    { "the last low one alone", ngx_string(C "\"\\uDFFF\"}"), 0 },
    { "in lower case", ngx_string(C "\"\\ud800\"}"), 0 },
    { "a high one before text", ngx_string(C "\"\\uD800abcdefghijk\"}"), 0 },
    { "a high one before an escape", ngx_string(C "\"\\uD800\\n\"}"), 0 },
    { "a high one before a character",
      ngx_string(C "\"\\uD800\\u0041\"}"), 0 },
    { "a high one before what follows the low ones",
      ngx_string(C "\"\\uD800\\uE000\"}"), 0 },
    { "two high ones", ngx_string(C "\"\\uD800\\uD800\"}"), 0 },
    { "two low ones", ngx_string(C "\"\\uDC00\\uDC00\"}"), 0 },
    { "two high ones and a low one",
      ngx_string(C "\"\\uD800\\uD800\\uDC00\"}"), 0 },
    { "a pair and a low one", ngx_string(C "\"\\uD800\\uDC00\\uDC00\"}"), 0 },
    { "a low one before a high one", ngx_string(C "\"\\uDC00\\uD800\"}"), 0 },
    { "a pair with something between",
      ngx_string(C "\"\\uD800 \\uDC00\"}"), 0 },
    { "a high one before an escaped backslash",
      ngx_string(C "\"\\uD800\\\\uDC00\"}"), 0 },
    { "a high one after an escaped backslash, escaped itself",
      ngx_string(C "\"\\\\\\uD800\"}"), 0 },
    { "a high one before half an escape", ngx_string(C "\"\\uD800\\uDC0\"}"),
      0 },
    { "a high one before a capital U",
      ngx_string(C "\"\\uD800\\UDC00\"}"), 0 },
    { "a pair across two strings",
      ngx_string("{\"a\":[\"\\uD800\",\"\\uDC00\"]}"), 0 },
    { "in a name", ngx_string("{\"\\uD800\":1}"), 0 },
    { "in an unknown value", ngx_string("{\"a\":\"\\uDFFF\"}"), 0 },
    { "deep in an unknown value", ngx_string("{\"a\":[{\"b\":\"\\uDFFF\"}]}"),
      0 },
    { "at the end of the text", ngx_string("{\"a\":\"\\uD800"), 0 },
    { "before the beginning of another at the end",
      ngx_string("{\"a\":\"\\uD800\\uDC0"), 0 },

    /* UTF-8: RFC 3629, section 4 */

    { "UTF-8 in a name", ngx_string("{\"\xd0\xba\":1}"), 1 },
    { "a byte that continues nothing", ngx_string(C "\"\x80\"}"), 0 },
    { "the last such byte", ngx_string(C "\"\xbf\"}"), 0 },
    { "Latin 1", ngx_string(C "\"\xe9t\xe9\"}"), 0 },
    { "the byte C0", ngx_string(C "\"\xc0\x80\"}"), 0 },
    { "the byte C1", ngx_string(C "\"\xc1\xbf\"}"), 0 },
    { "the byte F5", ngx_string(C "\"\xf5\x80\x80\x80\"}"), 0 },
    { "the byte F8", ngx_string(C "\"\xf8\x88\x80\x80\x80\"}"), 0 },
    { "the byte FC", ngx_string(C "\"\xfc\x84\x80\x80\x80\x80\"}"), 0 },
    { "the byte FE", ngx_string(C "\"\xfe\"}"), 0 },
    { "the byte FF", ngx_string(C "\"\xff\"}"), 0 },
    { "an overlong quotation mark", ngx_string(C "\"\xc0\xa2\"}"), 0 },
    { "overlong, 3 bytes", ngx_string(C "\"\xe0\x9f\xbf\"}"), 0 },
    { "overlong, 4 bytes", ngx_string(C "\"\xf0\x8f\xbf\xbf\"}"), 0 },
    { "the first encoded surrogate", ngx_string(C "\"\xed\xa0\x80\"}"), 0 },
    { "the last encoded surrogate", ngx_string(C "\"\xed\xbf\xbf\"}"), 0 },
    { "an encoded pair of surrogates",
      ngx_string(C "\"\xed\xa0\xbd\xed\xb8\x80\"}"), 0 },
    { "past U+10FFFF", ngx_string(C "\"\xf4\x90\x80\x80\"}"), 0 },
    { "1 of 2 bytes", ngx_string(C "\"\xc3\"}"), 0 },
    { "1 of 3 bytes", ngx_string(C "\"\xe2\"}"), 0 },
    { "2 of 3 bytes", ngx_string(C "\"\xe2\x82\"}"), 0 },
    { "3 of 4 bytes", ngx_string(C "\"\xf0\x9f\x98\"}"), 0 },
    { "1 of 2 bytes, then a whole character",
      ngx_string(C "\"\xc3\xc3\xa9\"}"), 0 },
    { "2 of 3 bytes at the end of the text", ngx_string(C "\"\xe2\x82"), 0 },
    { "in a name", ngx_string("{\"\xff\":1}"), 0 },
    { "in an unknown value", ngx_string("{\"a\":\"\xff\"}"), 0 },
    { "outside of strings", ngx_string("{\"a\":1\xff}"), 0 },
    { "outside of strings, well-formed", ngx_string("{\"a\":\xc3\xa9}"), 0 }
};


#define MESSAGE                                                               \
    " {\"certificate_data\" : \"-----BEGIN\\r\\n\xd0\xba\\u0041\\uD83D"       \
    "\\uDE00\\\\\", \"a\":[1,-2.5e+10,true,{\"b\":null}],\"registryId\""      \
    ":\"are1\"}"


static void test_values(void);
static void test_mismatches(void);
static void test_verdicts(void);
static void test_fields(void);
static void test_messages(void);
static void test_slices(void);
static void test_depth(void);
static void test_truncation(void);
static void test_sizes(void);
static void test_no_memory(void);
static void test_texts(void);
static void test_text_types(void);
static void test_map(void);
static void test_list(void);
static void test_entries_no_memory(void);

static ngx_int_t read_text(const void *data, size_t len);
static ngx_str_t nested(ngx_uint_t depth, const char *begin, const char *end);
static ngx_str_t repeated(const char *before, const char *what, ngx_uint_t n,
    const char *after);


static ngx_pool_t       *pool;
static ngx_str_t         body;
static ngx_iot_error_t   err;


int
main(void)
{
    test_values();
    test_mismatches();
    test_verdicts();
    test_fields();
    test_messages();
    test_slices();
    test_depth();
    test_truncation();
    test_sizes();
    test_no_memory();
    test_texts();
    test_text_types();
    test_map();
    test_list();
    test_entries_no_memory();

    return unit_done();
}


static void
test_values(void)
{
    ngx_int_t            rc;
    ngx_uint_t           i;
    const json_value_t  *c;

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        c = &values[i];

        rc = read_text(c->text.data, c->text.len);

        if (!unit_is_int(rc, NGX_OK, "%s: read", c->what)) {
            continue;
        }

        if (c->value.data == NULL) {
            unit_ok(certificate_data.data == NULL && certificate_data.len == 0,
                    "%s: not set", c->what);
            continue;
        }

        unit_ok(certificate_data.data != NULL, "%s: set", c->what);
        unit_is_mem(&certificate_data, c->value.data, c->value.len,
                    "%s: the value", c->what);
    }
}


static void
test_mismatches(void)
{
    u_char                  message[64];
    ngx_uint_t              i;
    const json_mismatch_t  *c;

    for (i = 0; i < sizeof(mismatches) / sizeof(mismatches[0]); i++) {
        c = &mismatches[i];

        unit_is_int(read_text(c->text.data, c->text.len), NGX_DECLINED,
                    "not a string, %s: refused", c->what);
        unit_is_int(err.reason, NGX_IOT_REASON_INVALID_FIELD,
                    "not a string, %s: the reason", c->what);
        unit_is_str(&err.field, c->field,
                    "not a string, %s: the field", c->what);

        ngx_sprintf(message, "\"%s\" must be a string%Z", c->field);
        unit_is_str(&err.message, (char *) message,
                    "not a string, %s: the message", c->what);
    }
}


static void
test_verdicts(void)
{
    ngx_int_t              rc;
    ngx_uint_t             i;
    const json_verdict_t  *c;

    for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
        c = &verdicts[i];

        rc = read_text(c->text.data, c->text.len);

        if (c->valid) {
            unit_is_int(rc, NGX_OK, "valid: %s", c->what);
            continue;
        }

        unit_ok(rc == NGX_DECLINED && err.reason == NGX_IOT_REASON_INVALID_JSON
                && err.field.len == 4
                && ngx_memcmp(err.field.data, "body", 4) == 0
                && err.message.len != 0,
                "not valid: %s", c->what);
    }
}


static void
test_fields(void)
{
    static const u_char  both[] = "{\"registryId\":\"r\",\"a\":\"x\","
                                  "\"certificateData\":\"c\"}";

    unit_is_int(read_text(both, sizeof(both) - 1), NGX_OK, "two fields");
    unit_is_str(&certificate_data, "c", "two fields: the one");
    unit_is_str(&registry_id, "r", "two fields: the other");

    unit_is_int(ngx_iot_json_read(pool, &body, NULL, 0, &err), NGX_OK,
                "no field is wanted");

    unit_is_int(read_text(NULL, 0), NGX_OK, "an empty text");
    unit_ok(certificate_data.data == NULL && registry_id.data == NULL,
            "values of the text before are gone");
}


static void
test_messages(void)
{
    static const u_char  both[] = "{\"certificateData\":1,\"a\":}";
    static const u_char  utf8[] = "{\"a\":\"\xff\"}";
    static const u_char  lone[] = "{\"a\":\"\\uD800\"}";
    static const u_char  root[] = "[]";

    (void) read_text(both, sizeof(both) - 1);
    unit_is_str(&err.message, "the body is not valid JSON",
                "an error of syntax comes before one of a field");
    unit_is_int(err.reason, NGX_IOT_REASON_INVALID_JSON,
                "and has its own reason");

    (void) read_text(utf8, sizeof(utf8) - 1);
    unit_is_str(&err.message, "the body is not valid UTF-8", "not UTF-8");

    (void) read_text(lone, sizeof(lone) - 1);
    unit_is_str(&err.message, "the body has a lone surrogate",
                "a lone surrogate");

    (void) read_text(root, sizeof(root) - 1);
    unit_is_str(&err.message, "the body must be a JSON object",
                "not an object");
}


/* what needs no decoding is not copied */
static void
test_slices(void)
{
    static const u_char  text[] = "{\"certificateData\":\"plain\","
                                  "\"registryId\":\"a\\tb\",\"c\":\"\\n\\n\"}";

    (void) read_text(text, sizeof(text) - 1);

    unit_ok(certificate_data.data == body.data + 20,
            "a value without escapes is a slice of the text");
    unit_ok(registry_id.data < body.data
            || registry_id.data >= body.data + body.len,
            "a value with escapes is not");
    unit_is_str(&registry_id, "a\tb",
                "it is not lost when the next one is decoded");
}


static void
test_depth(void)
{
    ngx_int_t    rc;
    ngx_str_t    text;
    ngx_uint_t   i;

    static const struct {
        ngx_uint_t   depth;
        ngx_int_t    rc;
    } depths[] = {
        { NGX_IOT_JSON_DEPTH_MAX - 1, NGX_OK },
        { NGX_IOT_JSON_DEPTH_MAX, NGX_OK },
        { NGX_IOT_JSON_DEPTH_MAX + 1, NGX_DECLINED },
        { 100000, NGX_DECLINED }
    };

    for (i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
        text = nested(depths[i].depth, "{\"a\":", "}");
        rc = read_text(text.data, text.len);
        unit_is_int(rc, depths[i].rc, "%lu objects",
                    (unsigned long) depths[i].depth);

        if (rc == NGX_DECLINED) {
            unit_is_str(&err.message, "the body is nested too deeply",
                        "%lu objects: the message",
                        (unsigned long) depths[i].depth);
        }

        /* the root is an object, so there is one array less */

        text = nested(depths[i].depth, "[", "]");
        rc = read_text(text.data, text.len);
        unit_is_int(rc, depths[i].rc, "%lu objects and arrays",
                    (unsigned long) depths[i].depth);
    }

    text = repeated("{\"a\":[", "[],{},", 10000, "1]}");
    unit_is_int(read_text(text.data, text.len), NGX_OK,
                "depth is not the number of objects and arrays");

    text = repeated("", "[", 1000000, "");
    unit_is_int(read_text(text.data, text.len), NGX_DECLINED,
                "a million brackets");

    text = repeated("{\"a\":", "[", 1000000, "");
    unit_is_int(read_text(text.data, text.len), NGX_DECLINED,
                "a million brackets in an object");
}


static void
test_truncation(void)
{
    size_t      len;
    ngx_uint_t  accepted;

    unit_is_int(read_text(MESSAGE, sizeof(MESSAGE) - 1), NGX_OK,
                "a message of every kind of value");
    unit_is_str(&certificate_data,
                "-----BEGIN\r\n\xd0\xba""A\xf0\x9f\x98\x80\\",
                "its first field");
    unit_is_str(&registry_id, "are1", "its second field");

    accepted = 0;

    for (len = 1; len < sizeof(MESSAGE) - 1; len++) {
        if (read_text(MESSAGE, len) != NGX_DECLINED) {
            accepted++;
        }
    }

    unit_is_int(accepted, 0, "no shorter message is accepted");
}


/* long strings and long tails, around the sizes at which buffers grow */
static void
test_sizes(void)
{
    ngx_str_t   text;
    ngx_int_t   step;
    ngx_uint_t  n, size, wrong;

    wrong = 0;

    for (size = 1024; size <= 262144; size *= 2) {
        for (step = -2; step <= 2; step++) {
            n = size + step;

            text = repeated(C "\"\\n", "x", n - 1, "\"}");

            if (read_text(text.data, text.len) != NGX_OK
                || certificate_data.len != n)
            {
                wrong++;
            }

            text = repeated(C "\"", "\\n", n, "\"}");

            if (read_text(text.data, text.len) != NGX_OK
                || certificate_data.len != n)
            {
                wrong++;
            }

            /* a token that the end cuts off is kept in a second buffer */

            text = repeated(C "\"\\nx\",\"a\":", "1", n, "");

            if (read_text(text.data, text.len) != NGX_DECLINED) {
                wrong++;
            }

            text = repeated(C "\"\\n", "x", n, "\",\"a\":1234567890");

            if (read_text(text.data, text.len) != NGX_DECLINED) {
                wrong++;
            }
        }
    }

    unit_is_int(wrong, 0, "strings and tails of 1k to 256k");

    text = repeated("{", "\"a\\n\":\"b\\n\",", 100000, "\"c\":1}");
    unit_is_int(read_text(text.data, text.len), NGX_OK,
                "a hundred thousand fields");
}


static void
test_no_memory(void)
{
    ngx_int_t   rc;
    ngx_str_t   text;
    ngx_uint_t  n;

    static const u_char  mismatch[] = "{\"registryId\":1}";

    pool = unit_pool();
    text = unit_copy(pool, MESSAGE, sizeof(MESSAGE) - 1);

    for (n = 1; n < 100; n++) {
        unit_fail_alloc(n);
        rc = ngx_iot_json_read(pool, &text, fields, 2, &err);

        if (!unit_alloc_failed()) {
            break;
        }

        unit_is_int(rc, NGX_ERROR, "allocation %lu fails", (unsigned long) n);
    }

    unit_fail_alloc(0);

    unit_is_int(rc, NGX_OK, "no allocation fails");
    unit_ok(n > 2, "both the parser and the value need memory");

    text = unit_copy(pool, mismatch, sizeof(mismatch) - 1);

    unit_fail_alloc(2);
    rc = ngx_iot_json_read(pool, &text, fields, 2, &err);
    unit_ok(unit_alloc_failed(), "no memory for a message");
    unit_fail_alloc(0);

    unit_is_int(rc, NGX_DECLINED, "without a message it is an error as well");
    unit_is_str(&err.field, "registry_id", "and names the field");
}


/* objects and arrays are taken as they stand in the text */
static void
test_texts(void)
{
    ngx_str_t   object, array;
    ngx_uint_t  i;

    const ngx_iot_field_t  texts[] = {
        { ngx_string("log_options"), ngx_string("logOptions"), 0, &object,
          NGX_IOT_FIELD_MESSAGE },
        { ngx_string("certificates"), ngx_string("certificates"), 0, &array,
          NGX_IOT_FIELD_LIST }
    };

    static const struct {
        ngx_str_t    text;
        const char  *object;
        const char  *array;
    } cases[] = {
        { ngx_string("{}"), NULL, NULL },
        { ngx_string("{\"logOptions\":{},\"certificates\":[]}"), "{}", "[]" },
        { ngx_string(" { \"log_options\" : { \"a\" :\n[ 1 , {} ] } ,"
                     " \"b\":2}"),
          "{ \"a\" :\n[ 1 , {} ] }", NULL },
        { ngx_string("{\"certificates\":[[],{\"a\":\"]}\\n\"},[[]]],"
                     "\"logOptions\":{\"}\":\"\\u007d\"}}"),
          "{\"}\":\"\\u007d\"}", "[[],{\"a\":\"]}\\n\"},[[]]]" },
        { ngx_string("{\"logOptions\":{\"a\":1},\"log_options\":{\"b\":1}}"),
          "{\"b\":1}", NULL },
        { ngx_string("{\"logOptions\":{\"a\":1},\"log_options\":null,"
                     "\"certificates\":null}"),
          NULL, NULL },
        { ngx_string("{\"x\":{\"logOptions\":{}},\"y\":[[]]}"), NULL, NULL },
        { ngx_string("{\"logOptions\":{\"certificates\":[1],"
                     "\"logOptions\":{}}}"),
          "{\"certificates\":[1],\"logOptions\":{}}", NULL }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pool = unit_pool();
        body = unit_copy(pool, cases[i].text.data, cases[i].text.len);

        unit_is_int(ngx_iot_json_read(pool, &body, texts, 2, &err), NGX_OK,
                    "objects and arrays as text: %s", cases[i].text.data);

        if (cases[i].object) {
            unit_is_str(&object, cases[i].object, "... the object");

        } else {
            unit_ok(object.data == NULL, "... no object");
        }

        if (cases[i].array) {
            unit_is_str(&array, cases[i].array, "... the array");

        } else {
            unit_ok(array.data == NULL, "... no array");
        }
    }
}


static void
test_text_types(void)
{
    ngx_str_t   object, array;
    ngx_uint_t  i;

    const ngx_iot_field_t  texts[] = {
        { ngx_string("labels"), ngx_string("labels"), 0, &object,
          NGX_IOT_FIELD_MESSAGE },
        { ngx_string("list"), ngx_string("list"), 0, &array,
          NGX_IOT_FIELD_LIST }
    };

    static const struct {
        ngx_str_t    text;
        const char  *message;
    } cases[] = {
        { ngx_string("{\"labels\":[]}"), "\"labels\" must be an object" },
        { ngx_string("{\"labels\":\"a\"}"), "\"labels\" must be an object" },
        { ngx_string("{\"labels\":1}"), "\"labels\" must be an object" },
        { ngx_string("{\"labels\":true,\"labels\":{}}"),
          "\"labels\" must be an object" },
        { ngx_string("{\"labels\":{},\"labels\":[{}]}"),
          "\"labels\" must be an object" },
        { ngx_string("{\"list\":{},\"labels\":1}"),
          "\"list\" must be an array" },
        { ngx_string("{\"list\":\"[]\"}"), "\"list\" must be an array" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pool = unit_pool();
        body = unit_copy(pool, cases[i].text.data, cases[i].text.len);

        unit_is_int(ngx_iot_json_read(pool, &body, texts, 2, &err),
                    NGX_DECLINED, "another type: %s", cases[i].text.data);
        unit_is_str(&err.message, cases[i].message, "... the message");
        unit_is_int(err.reason, NGX_IOT_REASON_INVALID_FIELD,
                    "... the reason");
    }
}


#define MAP_MAX  3

static void
test_map(void)
{
    ngx_int_t     rc;
    ngx_uint_t    i, k, n;
    ngx_keyval_t  pairs[MAP_MAX];

    static const ngx_str_t  name = ngx_string("labels");

    static const struct {
        ngx_str_t    text;
        ngx_int_t    n;                 /* -1: refused with the message */
        const char  *pairs[2 * MAP_MAX];
        const char  *message;
    } cases[] = {
        { ngx_string("{}"), 0, { NULL }, NULL },
        { ngx_string("{\"a\":\"b\"}"), 1, { "a", "b" }, NULL },
        { ngx_string("{ \"\" : \"\" , \"b\":\"\\n\"}"), 2,
          { "", "", "b", "\n" }, NULL },
        { ngx_string("{\"a\":\"1\",\"b\":\"2\",\"\\u0061\":\"3\"}"), 2,
          { "a", "3", "b", "2" }, NULL },
        { ngx_string("{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"a\":\"4\"}"),
          3, { "a", "4", "b", "2", "c", "3" }, NULL },
        { ngx_string("{\"a\":\"1\",\"b\":\"2\",\"c\":\"3\",\"d\":\"4\"}"),
          -1, { NULL }, "\"labels\" has more than 3 entries" },
        { ngx_string("{\"a\":1}"), -1, { NULL },
          "each value of \"labels\" must be a string" },
        { ngx_string("{\"a\":null}"), -1, { NULL },
          "each value of \"labels\" must be a string" },
        { ngx_string("{\"a\":{\"b\":\"c\"}}"), -1, { NULL },
          "each value of \"labels\" must be a string" },
        { ngx_string("{\"a\":[\"b\"]}"), -1, { NULL },
          "each value of \"labels\" must be a string" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pool = unit_pool();
        body = unit_copy(pool, cases[i].text.data, cases[i].text.len);
        n = MAP_MAX;

        rc = ngx_iot_json_read_map(pool, &body, &name, pairs, &n, &err);

        if (cases[i].n < 0) {
            unit_is_int(rc, NGX_DECLINED, "not a map: %s", cases[i].text.data);
            unit_is_str(&err.message, cases[i].message, "... the message");
            unit_is_str(&err.field, "labels", "... the field");
            continue;
        }

        unit_is_int(rc, NGX_OK, "a map: %s", cases[i].text.data);
        unit_is_int(n, cases[i].n, "... its pairs");

        for (k = 0; k < n; k++) {
            unit_is_str(&pairs[k].key, cases[i].pairs[2 * k], "... a key");
            unit_is_str(&pairs[k].value, cases[i].pairs[2 * k + 1],
                        "... its value");
        }
    }
}


static void
test_list(void)
{
    ngx_int_t   rc;
    ngx_str_t   elements[3];
    ngx_uint_t  i, k, n;

    static const ngx_str_t  name = ngx_string("certificates");

    static const struct {
        ngx_str_t    text;
        ngx_int_t    n;                 /* -1: refused with the message */
        const char  *elements[3];
        const char  *message;
        const char  *field;
    } cases[] = {
        { ngx_string("[]"), 0, { NULL }, NULL, NULL },
        { ngx_string("[{}]"), 1, { "{}" }, NULL, NULL },
        { ngx_string("[ {\"a\":[{}]} , { } ,{\"b\":\"]\"}]"), 3,
          { "{\"a\":[{}]}", "{ }", "{\"b\":\"]\"}" }, NULL, NULL },
        { ngx_string("[{},{},{},{}]"), -1, { NULL },
          "\"certificates\" has more than 3 entries", "certificates" },
        { ngx_string("[{},null]"), -1, { NULL },
          "\"certificates[1]\" must be an object", "certificates[1]" },
        { ngx_string("[\"pem\"]"), -1, { NULL },
          "\"certificates[0]\" must be an object", "certificates[0]" },
        { ngx_string("[{},{},[{}]]"), -1, { NULL },
          "\"certificates[2]\" must be an object", "certificates[2]" },
        { ngx_string("[1]"), -1, { NULL },
          "\"certificates[0]\" must be an object", "certificates[0]" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pool = unit_pool();
        body = unit_copy(pool, cases[i].text.data, cases[i].text.len);
        n = 3;

        rc = ngx_iot_json_read_list(pool, &body, &name, elements, &n, &err);

        if (cases[i].n < 0) {
            unit_is_int(rc, NGX_DECLINED, "not such a list: %s",
                        cases[i].text.data);
            unit_is_str(&err.message, cases[i].message, "... the message");
            unit_is_str(&err.field, cases[i].field, "... the field");
            continue;
        }

        unit_is_int(rc, NGX_OK, "a list: %s", cases[i].text.data);
        unit_is_int(n, cases[i].n, "... its elements");

        for (k = 0; k < n; k++) {
            unit_is_str(&elements[k], cases[i].elements[k], "... an element");
        }
    }
}


static void
test_entries_no_memory(void)
{
    ngx_str_t     text, element;
    ngx_uint_t    n;
    ngx_keyval_t  pair;

    static const ngx_str_t  name = ngx_string("a");

    pool = unit_pool();

    text = unit_str(pool, "{\"\\n\":\"\\n\"}");

    for (n = 1; n < 4; n++) {
        ngx_uint_t  max = 1;

        unit_fail_alloc(n);
        unit_is_int(ngx_iot_json_read_map(pool, &text, &name, &pair, &max,
                                          &err),
                    NGX_ERROR, "a map, allocation %lu fails",
                    (unsigned long) n);
        unit_ok(unit_alloc_failed(), "... it does");
    }

    unit_fail_alloc(0);

    text = unit_str(pool, "[1]");
    n = 1;

    unit_fail_alloc(2);
    unit_is_int(ngx_iot_json_read_list(pool, &text, &name, &element, &n, &err),
                NGX_ERROR, "a list, no memory for the name of an element");
    unit_fail_alloc(0);
}


/* the pool, the text and what was read are there until the next call */
static ngx_int_t
read_text(const void *data, size_t len)
{
    pool = unit_pool();
    body = unit_copy(pool, data, len);

    ngx_memzero(&err, sizeof(ngx_iot_error_t));

    return ngx_iot_json_read(pool, &body, fields, 2, &err);
}


/* {"a": begin … 1 … end }, of that depth with the object around it */
static ngx_str_t
nested(ngx_uint_t depth, const char *begin, const char *end)
{
    u_char            *p;
    ngx_str_t          text;
    ngx_uint_t         i;
    static u_char      buf[1024 * 1024];
    static const char  root[] = "{\"a\":";

    p = ngx_cpymem(buf, root, sizeof(root) - 1);

    for (i = 1; i < depth; i++) {
        p = ngx_cpymem(p, begin, ngx_strlen(begin));
    }

    *p++ = '1';

    for (i = 1; i < depth; i++) {
        p = ngx_cpymem(p, end, ngx_strlen(end));
    }

    *p++ = '}';

    text.len = p - buf;
    text.data = buf;

    return text;
}


static ngx_str_t
repeated(const char *before, const char *what, ngx_uint_t n, const char *after)
{
    u_char         *p;
    ngx_str_t       text;
    static u_char   buf[2 * 1024 * 1024];

    p = ngx_cpymem(buf, before, ngx_strlen(before));

    while (n--) {
        p = ngx_cpymem(p, what, ngx_strlen(what));
    }

    p = ngx_cpymem(p, after, ngx_strlen(after));

    text.len = p - buf;
    text.data = buf;

    return text;
}
