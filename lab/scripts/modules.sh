#!/bin/sh
# "make modules": what can be a module is one, and is loaded in every order.
set -eu
. lab/scripts/base.sh
export BUILD=$build/modules
rm -rf $BUILD/selftests
mkdir -p $BUILD/selftests
for f in famfs_server device_test file_test giant_test setup.sh; do
	cp $build/selftests/$f $BUILD/selftests/
done
find $linux/obj-modules -name '*.ko' -exec cp {} $BUILD/selftests/ \;
lab/scripts/initramfs.sh
boot() { # ARGUMENT... of guest.sh
	lab/scripts/guest.sh "$@"
	if lab/scripts/problems.sh $BUILD/console.log; then exit 1; fi
}
boot -t 600 $BUILD/bzImage 'sh /tests/modules.sh'
# A CPU without pages of 1 GiB
boot -t 100 -q '-cpu max,-pdpe1gb' $BUILD/bzImage '. /tests/dax.sh
insmod /tests/dax_hmem.ko && dev=$(ls $DAX/devices) && dax_disable $dev || exit 1
if (echo 1073741824 > $DAX/devices/$dev/align) 2> /dev/null; then
	echo "not ok 1 alignment of 1 GiB is refused"
	exit 1
fi
echo 2097152 > $DAX/devices/$dev/align && echo "ok 1 alignment of 1 GiB is refused"'
