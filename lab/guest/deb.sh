#!/bin/sh
# What "make run-deb" shows: the kernel of a package, its modules, and famfs with them.
#
#   deb.sh RELEASE
[ "$(uname -r)" = "$1" ] || { echo "Linux $(uname -r) is not $1"; exit 1; }
for m in dax_hmem device_dax kmem fsdev_dax fuse; do
	modprobe $m || { echo "modprobe $m failed"; exit 1; }
done
printf 'modules:'
for m in $(cut -d ' ' -f 1 /proc/modules | sort); do
	printf ' %s' "$m"
done
echo
sh /tests/demo.sh
