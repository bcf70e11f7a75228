#!/bin/sh
# "make lookup": the cost of finding the extent of a byte, in user space on this
# machine: instructions (callgrind), time, and memory for each extent.
set -eu
. lab/scripts/base.sh
out=$build/bench
lab/scripts/packages.sh gcc libc6-dev valgrind
mkdir -p $out
gcc -O2 -std=gnu11 -D_GNU_SOURCE -Wall -DPAGE_SHIFT=12 -Ilab/fuzz -Ilab/fuzz/include -I$linux/fs/fuse \
	-I$linux/tools/include -idirafter $linux/include -o $out/lookup \
	lab/bench/lookup.c $linux/fs/fuse/famfs_map.c $linux/tools/lib/rbtree.c

instructions() { # KIND EXTENTS LOOKUPS
	valgrind --tool=callgrind --callgrind-out-file=/dev/null $out/lookup "$@" 2>&1 |
		sed -n 's/.*Collected : //p'
}
per_lookup() { # KIND EXTENTS
	echo $((($(instructions "$1" "$2" 100000) - $(instructions "$1" "$2" 0) + 50000) / 100000))
}
echo "extents  kind    instructions      ns  bytes per extent"
for extents in 1 1000 524288; do
	loop=$(per_lookup none $extents)
	$out/lookup none $extents 2000000 > $out/lookup.none
	for kind in even uneven tree; do
		$out/lookup $kind $extents 2000000 | awk -v loop="$(cut -f 3 $out/lookup.none)" \
			-v n=$(($(per_lookup $kind $extents) - loop)) \
			'{ printf "%7d  %-6s  %12d  %6.1f  %16.1f\n", $2, $1, n, $3 - loop, $4 }'
	done
done
