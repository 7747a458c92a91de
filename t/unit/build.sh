#!/bin/sh

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# t/unit/build.sh NGINX_SRC OBJS_DIR OUT_DIR [CC] [FLAG ...]
#
# Builds every t/unit/*_test.c and *_driver.c into OUT_DIR, each with the pure
# part of the module and the real objects of nginx's core: no event loop, no
# HTTP.
#
#   NGINX_SRC   nginx's full source
#   OBJS_DIR    a configured build directory, for ngx_auto_config.h
#   SAN         the sanitizer flags; SAN= builds without, for valgrind

set -eu

if [ $# -lt 3 ]; then
    echo "usage: $0 NGINX_SRC OBJS_DIR OUT_DIR [CC] [FLAG ...]" >&2
    exit 2
fi

nginx=$1; objs=$2; out=$3; cc=${4:-cc}
shift 3; [ $# -eq 0 ] || shift

root=$(cd "$(dirname "$0")/../.." && pwd)

# what nginx's own core does, and ngx_pool_t's handlers under clang
quirks="-fno-sanitize=nonnull-attribute,alignment,pointer-overflow"

if "$cc" --version | grep -q clang; then
    quirks="$quirks -fno-sanitize=function"
fi

san=${SAN-"-fsanitize=address,undefined -fno-sanitize-recover=undefined
    $quirks"}

flags="-g -O1 -fno-omit-frame-pointer -DNGX_DEBUG_PALLOC=1 $san $*"
warnings="-W -Wall -Wextra -Wpointer-arith -Wno-unused-parameter -Werror"
include="-I$nginx/src/core -I$nginx/src/event -I$nginx/src/event/modules
    -I$nginx/src/os/unix -I$objs -I$root/src -I$root/src/domain
    -I$root/src/store -I$root/src/api -I$root/src/redis -I$root/t/unit
    -I$out/pure"

mkdir -p "$out/core" "$out/pure"


# nginx's core, once for the same compiler and flags

names="core/ngx_palloc core/ngx_string core/ngx_array core/ngx_list
    core/ngx_buf core/ngx_queue core/ngx_rbtree core/ngx_hash core/ngx_parse
    core/ngx_times core/ngx_crc32 core/ngx_murmurhash core/ngx_md5
    core/ngx_sha1
    core/ngx_log os/unix/ngx_alloc os/unix/ngx_errno os/unix/ngx_time
    os/unix/ngx_thread_id"

stamp=$(echo "$cc $flags $nginx $objs" $names)

if [ "$(cat "$out/core/stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -f "$out"/core/*

    for name in $names; do
        $cc $flags $include -c "$nginx/src/$name.c" \
            -o "$out/core/${name##*/}.o"
    done

    ar rcs "$out/core/libcore.a" "$out"/core/*.o
    echo "$stamp" > "$out/core/stamp"
fi


# the pure part of the module

rm -f "$out"/pure/*

if [ -f "$root/src/store/embed.sh" ]; then
    sh "$root/src/store/embed.sh" "$root"/src/store/*.lua \
        > "$out/pure/ngx_iot_scripts.inc"
fi

for source in "$root"/src/domain/*.c "$root"/src/store/*.c \
    "$root"/src/api/*.c "$root/src/redis/ngx_iot_resp.c" \
    "$root/src/redis/ngx_iot_slots.c"
do
    [ -f "$source" ] || continue
    name=${source##*/}
    $cc $flags $warnings $include -c "$source" -o "$out/pure/${name%.c}.o"
done

ar rcs "$out/pure/libpure.a" "$out"/pure/*.o

for name in unit nginx_stubs; do
    $cc $flags $warnings $include -c "$root/t/unit/$name.c" \
        -o "$out/pure/$name.o"
done

support="$out/pure/unit.o $out/pure/nginx_stubs.o -Wl,--wrap=ngx_alloc"
libs="$out/core/libcore.a -Wl,--as-needed -lcrypto -lyajl -lhiredis"


# the tests, and what t/unit/*_oracle drive

for source in "$root"/t/unit/*_test.c "$root"/t/unit/*_driver.c; do
    [ -f "$source" ] || continue
    name=${source##*/}
    $cc $flags $warnings $include "$source" $support \
        "$out/pure/libpure.a" $libs -o "$out/${name%.c}"
done


# the floor: all of the pure part has to link with nothing but the core

echo 'int main(void) { return 0; }' > "$out/pure/floor.c"

$cc $flags "$out/pure/floor.c" $support \
    -Wl,--whole-archive "$out/pure/libpure.a" -Wl,--no-whole-archive \
    $libs -o "$out/pure/floor"
