#!/bin/sh
# Runs peers_test on new file systems.
for fs in ext4 xfs; do
	case $fs in ext4) dev=/dev/pmem0 ;; xfs) dev=/dev/pmem1 ;; esac
	zcat /tests/$fs.gz > $dev || { echo "not ok 1 $fs on $dev"; exit 1; }
done
exec /tests/peers_test
