#!/bin/sh
# Makes the dax devices that the tests expect, see util.h of the selftests.
. /tests/dax.sh

dax_disable dax1.0 || exit 1
dax_resize dax1.0 $((1 << 30)) || exit 1
[ "$(dax_create dax1.0 $((128 << 20)))" = dax1.1 ] || exit 1
[ "$(dax_create dax1.0 $((128 << 20)))" = dax1.2 ] || exit 1
# dax1.2 is in the way, so this makes a second range
dax_resize dax1.1 $((256 << 20)) || exit 1

# pmem: a namespace in devdax mode makes a static device
nd=/sys/bus/nd
ns=$(cd $nd/devices && ls -d namespace*.0 2>/dev/null | head -n 1)
if [ -n "$ns" ]; then
	region=$(basename "$(readlink -f $nd/devices/$ns/..)")
	echo "$ns" > $nd/drivers/nd_pmem/unbind 2>/dev/null
	seed=$(cat $nd/devices/$region/dax_seed)
	echo 2097152 > $nd/devices/$seed/align
	echo "$(cat /proc/sys/kernel/random/uuid)" > $nd/devices/$seed/uuid
	echo pmem > $nd/devices/$seed/mode
	echo "$ns" > $nd/devices/$seed/namespace
	echo "$seed" > $nd/drivers/dax_pmem/bind || exit 1
fi
for d in /sys/bus/dax/devices/*; do
	d=$(basename "$d")
	dax_set_mode "$d" devdax || exit 1
	echo "# $d: $(($(cat /sys/bus/dax/devices/$d/size) >> 20)) MiB," \
		"$(ls -d /sys/bus/dax/devices/$d/mapping[0-9]* | wc -l) range(s), $(dax_mode "$d")"
done
