#!/bin/sh
# "make peers": ext4 and xfs with DAX, in the debug kernel. See lab/peers/peers_test.c.
#
#   peers.sh
set -eu
. lab/scripts/base.sh
export BUILD=$build/peers
extra=$BUILD/extra tests=$linux/tools/testing/selftests/filesystems/famfs

lab/scripts/packages.sh e2fsprogs xfsprogs
rm -rf $BUILD/selftests $extra
mkdir -p $BUILD/selftests $extra/tests
lab/scripts/cc.sh -o $BUILD/selftests/peers_test lab/peers/peers_test.c $tests/util.c
# The parts that are not zero, as NAME.OFFSET: the memory of a new guest is
make_fs() { # NAME MIB COMMAND...
	img=$BUILD/$1.img part=$extra/tests/$1 size=$2 i=0
	truncate -s 0 "$img"
	truncate -s "$2M" "$img"
	shift 2
	"$@" "$img"
	while [ $i -lt "$size" ]; do
		dd if="$img" of="$part.$i" bs=1M skip=$i count=1 status=none
		! cmp -s -n 1048576 "$part.$i" /dev/zero || rm "$part.$i"
		i=$((i + 1))
	done
	rm "$img"
}
# files begin at 2 MiB, so that they can be mapped with that
make_fs ext4 192 /sbin/mkfs.ext4 -q -b 4096 -E stride=512,stripe_width=512
make_fs xfs 320 /sbin/mkfs.xfs -q -m reflink=1 -d agcount=2,su=2m,sw=1 -l size=64m,su=4k
lab/scripts/initramfs.sh $extra
rm -rf $extra
lab/scripts/ktap.sh -t 1500 -a 'memmap=192M!768M memmap=320M!960M' build/$BASE/debug/bzImage \
	"sh /tests/peers.sh"
