#!/bin/sh
# "make registered": memory of famfs files that devices have, by VFIO and RDMA. See
# lab/guest/registered.sh.
#
#   registered.sh
set -eu
. lab/scripts/base.sh
export BUILD=$build/registered
extra=$BUILD/extra selftests=$build/selftests
tests=$linux/tools/testing/selftests/filesystems/famfs

lab/scripts/packages.sh libibverbs-dev
lab/scripts/unpack.sh bookworm rdma coreutils ibverbs-providers iproute2 perftest
rm -rf $BUILD/selftests $extra
mkdir -p $BUILD/selftests $extra/rdma
cp $selftests/famfs_server $selftests/setup.sh $BUILD/selftests/
# rxe is linked in: a static program cannot load it
lab/scripts/cc.sh -DRDMA_STATIC_PROVIDERS=rxe -I lab/registered -o $BUILD/selftests/registered_test \
	lab/registered/*.c $tests/util.c $tests/raw.c \
	-libverbs -lrxe-rdmav34 -libverbs -lnl-route-3 -lnl-3
# the example in famfs.rst
awk '/^\.\. code-block:: c$/ { c = 1; next } c && /^[^\t]/ { c = 0 } c { sub(/^\t/, ""); print }' \
	Documentation/filesystems/famfs.rst > $BUILD/fill.c
gcc -static -O2 -Wall -o $BUILD/selftests/fill $BUILD/fill.c -luring
for d in bin etc lib lib64 sbin usr; do
	cp -a build/debian/rdma/$d $extra/rdma/
done
rm -rf $extra/rdma/usr/share
lab/scripts/initramfs.sh $extra
rm -rf $extra
# This IOMMU does not remap interrupts. With several CPUs the guest may hang at boot.
lab/scripts/ktap.sh -t 600 -s 1 -q '-device intel-iommu -device edu' \
	-a 'intel_iommu=on vfio_iommu_type1.allow_unsafe_interrupts=1' \
	build/$BASE/debug/bzImage "sh /tests/registered.sh"
