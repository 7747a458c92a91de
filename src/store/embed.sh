#!/bin/sh

# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

# embed.sh FILE.lua ...: each file as a C string on standard output
#
#     static const u_char  ngx_iot_script_FILE_source[] = "...";
#
# sizeof() counts one byte more than the file has, the closing NUL.

set -eu

echo "/* made by src/store/embed.sh: edit the .lua files instead */"

for file
do
    name=$(basename "$file" .lua)

    # a shell reports a missing file inside a redirection better than awk
    exec < "$file"

    printf '\nstatic const u_char  ngx_iot_script_%s_source[] =\n' "$name"

    # "?" is escaped because of C's trigraphs
    sed -e 's/[\\"?]/\\&/g' -e 's/	/\\t/g' -e 's/.*/    "&\\n"/'

    printf '    "";\n'
done
