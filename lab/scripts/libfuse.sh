#!/bin/sh
# "make libfuse": tools/famfs with the libfuse of Debian sid; all other targets use
# the libfuse of this system.
set -eu
. lab/scripts/base.sh
tests=$linux/tools/testing/selftests/filesystems/famfs
sid=$PWD/build/debian/libfuse
lib=$sid/usr/lib/x86_64-linux-gnu
headers=$PWD/$build/headers/include
# its libfuse needs its libc
lab/scripts/unpack.sh sid libfuse libfuse3-dev libc6-dev
echo "libfuse $(sed -n 's/^Version: //p' $lib/pkgconfig/fuse3.pc)"

demo=$build/selftests/demo
export BUILD=$build/libfuse
rm -rf $BUILD/selftests
mkdir -p $BUILD/selftests
for p in famfs_server server_test; do
	make -s -C $tests OUTPUT="$PWD/$BUILD/selftests" LDFLAGS="-static -pthread -B$lib/ -L$lib" \
		KHDR_INCLUDES="-isystem $headers -isystem $sid/usr/include -isystem $sid/usr/include/x86_64-linux-gnu" \
		"$PWD/$BUILD/selftests/$p"
done > $BUILD/programs.log 2>&1 || {
	echo "The programs do not build with the libfuse of sid." >&2
	lab/scripts/explain.sh $BUILD/programs.log >&2
	exit 1
}
cp $demo $tests/setup.sh $BUILD/selftests/
lab/scripts/initramfs.sh
export CONSOLE=$BUILD/console.log
guest() { # ARGUMENTS: of guest.sh
	lab/scripts/guest.sh "$@" && ! lab/scripts/problems.sh $CONSOLE
}
kernel=${BUILD%/*}/plain/bzImage
guest $kernel 'sh /tests/demo.sh' || exit 1
guest -m 6 -t 1200 -a 'memmap=256M!1G' $kernel 'sh /tests/run-tests.sh server_test' || exit 1
