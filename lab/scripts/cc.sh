#!/bin/sh
# Compiles a static test program that uses what the selftests share, with the headers of
# the kernel.
#
#   cc.sh ARGUMENT...	of gcc
set -eu
. lab/scripts/base.sh
exec gcc -static -pthread -O2 -g -Wall -D_GNU_SOURCE= \
	-I $linux/tools/testing/selftests/filesystems/famfs \
	-isystem "build/$BASE/headers/include" "$@"
