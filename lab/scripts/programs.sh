#!/bin/sh
# Our own programs, static, with the headers of the kernel; and the initramfs.
#
#   programs.sh PROFILE
set -eu
. lab/scripts/base.sh
tests=$linux/tools/testing/selftests/filesystems/famfs
mkdir -p $build/selftests
make -s -C $linux O="obj-$1" CC='ccache gcc' HOSTCC='ccache gcc' \
	headers_install INSTALL_HDR_PATH="$PWD/$build/headers"
make -s -C $tests OUTPUT="$PWD/$build/selftests" LDFLAGS='-static -pthread' \
	KHDR_INCLUDES="-isystem $PWD/$build/headers/include" all
cp $tests/setup.sh $tests/folios.sh $build/selftests/
lab/soak/build.sh
for p in demo shared; do
	[ $build/selftests/$p -nt lab/guest/$p.c ] && [ $build/selftests/$p -nt lab/guest/fnv.h ] ||
		gcc -static -O2 -Wall -I $tests -o $build/selftests/$p lab/guest/$p.c
done
lab/scripts/initramfs.sh
