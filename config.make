
# Copyright (C) ngx_http_iot_module authors
# SPDX-License-Identifier: BSD-2-Clause


# The scripts of the store as C strings.  Every object of the module depends
# on the made file, see ngx_module_deps in config.

ngx_iot_scripts=`echo $ngx_iot_scripts`
ngx_iot_script_parts=`echo $ngx_iot_script_parts`
ngx_iot_embed=$ngx_iot_src/store/embed.sh

cat << END                                                    >> $NGX_MAKEFILE

$NGX_OBJS/ngx_iot_scripts.inc:	$ngx_iot_embed $ngx_iot_scripts \\
		$ngx_iot_script_parts
	sh $ngx_iot_embed $ngx_iot_scripts > \$@.tmp
	mv -f \$@.tmp \$@

END


# the list of exported names is an input of the link

if test -n "$ngx_iot_export"; then

    cat << END                                                >> $NGX_MAKEFILE

$NGX_OBJS/ngx_http_iot_module$ngx_modext:	$ngx_iot_src/ngx_http_iot_module.map

END

fi
