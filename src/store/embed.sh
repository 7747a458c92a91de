#!/bin/sh

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# embed.sh FILE.lua ...: each file as a C string on standard output
#
#     static const u_char  ngx_iot_script_FILE_source[] = "...";
#
# sizeof() counts one byte more than the file has, the closing NUL.  A line
# "-- include PATH" is replaced by that file, relative to the one it stands in.

set -eu

echo "/* made by src/store/embed.sh: edit the .lua files instead */"

for file
do
    name=$(basename "$file" .lua)

    # in two steps, so that a file that cannot be read stops it
    text=$(awk -v folder="$(dirname "$file")" '
        /^-- include / {
            path = folder "/" $3
            while ((got = (getline line < path)) > 0) print line
            if (got < 0) { print path ": cannot read" > "/dev/stderr"; exit 1 }
            next
        }
        { print }' "$file")

    printf '\nstatic const u_char  ngx_iot_script_%s_source[] =\n' "$name"

    # "?" is escaped because of C's trigraphs
    printf '%s\n' "$text" \
        | sed -e 's/[\\"?]/\\&/g' -e 's/	/\\t/g' -e 's/.*/    "&\\n"/'

    printf '    "";\n'
done
