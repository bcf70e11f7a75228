#!/bin/sh
# "make modules": what can be a module is one, and is loaded in every order.
set -eu
export BUILD=build/modules
rm -rf $BUILD/selftests
mkdir -p $BUILD/selftests
cp build/selftests/famfs_server $BUILD/selftests/
find build/linux/obj-modules -name '*.ko' -exec cp {} $BUILD/selftests/ \;
scripts/initramfs.sh
scripts/guest.sh -t 120 $BUILD/bzImage 'sh /tests/modules.sh'
! scripts/problems.sh $BUILD/console.log
