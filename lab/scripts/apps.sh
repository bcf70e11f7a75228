#!/bin/sh
# "make apps": other people's programs on famfs, from Debian 12. lab/guest/apps.sh says
# which, and what is checked.
#
#   apps.sh [-x] [PROGRAM]...	as there
#
# Fails if the packages cannot be had.
set -eu
. lab/scripts/base.sh
kernel=$build/plain/bzImage selftests=$build/selftests
export BUILD=$build/apps
extra=$BUILD/extra
apps=$extra/apps

packages='coreutils dash fio git libpmem1 libpmemobj1 lmdb-utils pmdk-tools python3-lmdb sqlite3 stress-ng'
root=apps
case " $* " in
*" trace "*)
	kernel=$build/trace/bzImage
	root=trace
	packages="$packages linux-perf trace-cmd" ;;
esac
# shellcheck disable=SC2086
lab/scripts/unpack.sh bookworm $root $packages

rm -rf $BUILD/selftests $extra
mkdir -p $BUILD/selftests $apps/tests
cp $selftests/famfs_server $BUILD/selftests/
lab/scripts/rootfs.sh $root $apps
cp lab/guest/apps_*.py $apps/tests/
gcc -shared -fPIC -O2 -Wall -o $apps/tests/fixed.so lab/guest/fixed.c
lab/scripts/initramfs.sh $extra
rm -rf $extra
lab/scripts/ktap.sh -t 1800 $kernel "sh /tests/apps.sh $*"
