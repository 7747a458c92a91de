#!/bin/sh

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# t/fuzz/build.sh NGINX_SRC OBJS_DIR OUT_DIR [FLAG ...]
#
# Builds every t/fuzz/*_fuzzer.c into OUT_DIR with libFuzzer, ASan and UBSan,
# and makes OUT_DIR/corpus/NAME for each.  Files of t/fuzz/corpus/NAME, if
# there are any, are copied there.  Then
#
#     OUT_DIR/x509_fuzzer -max_total_time=60 OUT_DIR/corpus/x509
#
# SAN=undefined leaves ASan out, and with it the memory that it watches: some
# times as fast, for long runs after one with both.

set -eu

if [ $# -lt 3 ]; then
    echo "usage: $0 NGINX_SRC OBJS_DIR OUT_DIR [FLAG ...]" >&2
    exit 2
fi

nginx=$1; objs=$2; out=$3; cc=${CC:-clang}
shift 3

root=$(cd "$(dirname "$0")/../.." && pwd)

# what nginx's own core does, and ngx_pool_t's handlers
quirks="-fno-sanitize=nonnull-attribute,alignment,pointer-overflow,function"

# with the default every ngx_palloc() is memory of its own, which ASan watches
checks=${SAN-address,undefined}

case $checks in
    *address*)  palloc=-DNGX_DEBUG_PALLOC=1 ;;
    *)          palloc= ;;
esac

flags="-g -O1 -fno-omit-frame-pointer $palloc
    -fno-sanitize-recover=undefined $*"
warnings="-W -Wall -Wextra -Wpointer-arith -Wno-unused-parameter -Werror"
include="-I$nginx/src/core -I$nginx/src/event -I$nginx/src/event/modules
    -I$nginx/src/os/unix -I$objs -I$root/src -I$root/src/domain
    -I$root/src/store -I$root/src/api -I$root/src/redis -I$root/t/unit
    -I$root/t/fuzz -I$out/objs"

# everything but the fuzzers themselves has no main() of libFuzzer
san="-fsanitize=fuzzer-no-link${checks:+,$checks} $quirks"

mkdir -p "$out/objs"
rm -f "$out"/objs/*

for name in core/ngx_palloc core/ngx_string core/ngx_array core/ngx_list \
    core/ngx_buf core/ngx_queue core/ngx_rbtree core/ngx_hash core/ngx_parse \
    core/ngx_times core/ngx_crc32 core/ngx_murmurhash core/ngx_md5 \
    core/ngx_sha1 core/ngx_inet core/ngx_log os/unix/ngx_alloc \
    os/unix/ngx_errno os/unix/ngx_time os/unix/ngx_thread_id
do
    $cc $flags $san $include -c "$nginx/src/$name.c" \
        -o "$out/objs/${name##*/}.o"
done

if [ -f "$root/src/store/embed.sh" ]; then
    sh "$root/src/store/embed.sh" "$root"/src/store/*.lua \
        > "$out/objs/ngx_iot_scripts.inc"
fi

for source in "$root"/src/domain/*.c "$root"/src/store/*.c \
    "$root"/src/api/*.c "$root/src/redis/ngx_iot_resp.c" \
    "$root/src/redis/ngx_iot_slots.c" \
    "$root/src/redis/ngx_iot_redis_sentinel_list.c" \
    "$root/t/unit/nginx_stubs.c" "$root"/t/fuzz/*.c
do
    [ -f "$source" ] || continue

    case $source in *_fuzzer.c) continue ;; esac

    name=${source##*/}
    $cc $flags $san $warnings $include -c "$source" \
        -o "$out/objs/${name%.c}.o"
done

# what protobuf_fuzzer compares with; its code is not ours to check

protoc-c -I "$root/t/fuzz" --c_out="$out/objs" \
    "$root/t/fuzz/fuzz_message.proto"
$cc $flags $san $include -c "$out/objs/fuzz_message.pb-c.c" \
    -o "$out/objs/fuzz_message.o"

ar rcs "$out/objs/libpure.a" "$out"/objs/*.o


for source in "$root"/t/fuzz/*_fuzzer.c; do
    name=${source##*/}; name=${name%_fuzzer.c}

    $cc $flags -fsanitize=fuzzer${checks:+,$checks} $quirks $warnings \
        $include "$source" "$out/objs/libpure.a" \
        -Wl,--as-needed -lcrypto -lyajl -lhiredis -lprotobuf-c \
        -o "$out/${name}_fuzzer"

    mkdir -p "$out/corpus/$name"

    if [ -d "$root/t/fuzz/corpus/$name" ]; then
        cp "$root/t/fuzz/corpus/$name"/* "$out/corpus/$name/"
    fi
done


# seeds for x509 and pem: a small certificate of each kind

seed() {
    name=$1; shift
    [ ! -f "$out/corpus/pem/$name" ] || return 0

    # what this OpenSSL cannot make is left out
    if openssl req -x509 -nodes -days 36500 -subj "/CN=localhost" \
        -keyout "$out/objs/key" -out "$out/objs/pem" "$@" 2>/dev/null
    then
        cp "$out/objs/pem" "$out/corpus/pem/$name"
        openssl x509 -in "$out/objs/pem" -outform DER \
            -out "$out/corpus/x509/$name"
    fi
}

if [ -d "$out/corpus/x509" ] && [ -d "$out/corpus/pem" ]; then
    seed rsa512 -newkey rsa:512 -sha1
    seed rsa2048 -newkey rsa:2048
    seed pss -newkey rsa-pss -pkeyopt rsa_keygen_bits:1024
    seed pss_params -newkey rsa-pss -pkeyopt rsa_keygen_bits:1024 \
        -pkeyopt rsa_pss_keygen_md:sha256 \
        -pkeyopt rsa_pss_keygen_mgf1_md:sha256
    seed p256 -newkey ec -pkeyopt ec_paramgen_curve:P-256
    seed p256_explicit -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
        -pkeyopt ec_param_enc:explicit
    seed p384 -newkey ec -pkeyopt ec_paramgen_curve:P-384
    seed p521 -newkey ec -pkeyopt ec_paramgen_curve:P-521
    seed secp256k1 -newkey ec -pkeyopt ec_paramgen_curve:secp256k1
    seed ed25519 -newkey ed25519
    seed ed448 -newkey ed448
    seed san -newkey ed25519 -addext "subjectAltName=DNS:a,IP:::1"

    [ ! -f "$out/objs/key" ] \
        || cat "$out/corpus/pem/p256" "$out/objs/key" > "$out/corpus/pem/key"
    cat "$out/corpus/pem/p256" "$out/corpus/pem/ed25519" \
        > "$out/corpus/pem/two"
    sed 's/$/\r/' "$out/corpus/pem/ed25519" > "$out/corpus/pem/crlf"
fi
