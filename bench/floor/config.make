
# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause

cat << END                                                    >> $NGX_MAKEFILE

$NGX_OBJS/ngx_iot_scripts.inc:	$ngx_bench_src/store/embed.sh \\
	$ngx_bench_scripts $ngx_bench_parts
	sh $ngx_bench_src/store/embed.sh $ngx_bench_scripts > \$@.tmp
	mv -f \$@.tmp \$@

END
