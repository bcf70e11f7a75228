#!/bin/sh
# Runs peers_test on new file systems.
for fs in ext4 xfs; do
	case $fs in ext4) dev=/dev/pmem0 ;; xfs) dev=/dev/pmem1 ;; esac
	for part in /tests/$fs.*; do
		dd if=$part of=$dev bs=1M seek=${part##*.} 2> /dev/null ||
			{ echo "not ok 1 $fs on $dev"; exit 1; }
	done
done
exec /tests/peers_test
