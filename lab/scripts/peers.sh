#!/bin/sh
# "make peers": ext4 and xfs with DAX, in the debug kernel. See lab/peers/peers_test.c.
#
#   peers.sh
set -eu
. lab/scripts/base.sh
export BUILD=$build/peers
extra=$BUILD/extra tests=$linux/tools/testing/selftests/filesystems/famfs

lab/scripts/packages.sh e2fsprogs gzip xfsprogs
rm -rf $BUILD/selftests $extra
mkdir -p $BUILD/selftests $extra/tests
gcc -static -pthread -O2 -g -Wall -D_GNU_SOURCE= -I $tests -isystem $build/headers/include \
	-o $BUILD/selftests/peers_test lab/peers/peers_test.c $tests/util.c
make_fs() { # NAME SIZE COMMAND...
	img=$BUILD/$1.img name=$1
	rm -f "$img"
	truncate -s "$2" "$img"
	shift 2
	"$@" "$img"
	gzip -n -1 -c "$img" > "$extra/tests/$name.gz"
	rm "$img"
}
# files begin at 2 MiB, so that they can be mapped with that
make_fs ext4 192M /sbin/mkfs.ext4 -q -b 4096 -E stride=512,stripe_width=512
make_fs xfs 320M /sbin/mkfs.xfs -q -m reflink=1 -d agcount=2,su=2m,sw=1 -l size=64m,su=4k
lab/scripts/initramfs.sh $extra
rm -rf $extra
lab/scripts/ktap.sh -t 900 -a 'memmap=192M!768M memmap=320M!960M' build/$BASE/debug/bzImage \
	"sh /tests/peers.sh"
