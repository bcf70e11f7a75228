#!/bin/sh
# "make modules": what can be a module is one, and is loaded in every order.
set -eu
. lab/scripts/base.sh
export BUILD=$build/modules
rm -rf $BUILD/selftests
mkdir -p $BUILD/selftests
cp $build/selftests/famfs_server $build/selftests/folio_test $build/selftests/setup.sh $BUILD/selftests/
find $linux/obj-modules -name '*.ko' -exec cp {} $BUILD/selftests/ \;
lab/scripts/initramfs.sh
lab/scripts/guest.sh -t 400 $BUILD/bzImage 'sh /tests/modules.sh'
! lab/scripts/problems.sh $BUILD/console.log
