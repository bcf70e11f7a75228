#!/bin/sh
# Makes the dax devices for the tests and prints FAMFS_TEST_DEVS, see setup.sh
# of the selftests. Without pmem there is no static device.
. /tests/dax.sh

hmem=$(for d in $DAX/devices/*; do
	readlink -f "$d"
done | sed -n 's,.*/hmem\.[0-9]*/,,p' | head -n 1)
ns=$(cd /sys/bus/nd/devices && ls -d namespace*.0 2> /dev/null | head -n 1)
exec sh /tests/setup.sh "$hmem" $ns
