#!/bin/sh
# "make run-deb": boots the kernel of the packages in build/BASE/deb, with the modules in
# there, and shows famfs.
#
#   run-deb.sh
set -eu
. lab/scripts/base.sh
deb=$(ls $build/deb/linux-image-*.deb 2> /dev/null) || { echo "There is no package. Run make deb first." >&2; exit 1; }
# modprobe prints absolute paths
# initramfs.sh has a directory "root" of its own there
root=$PWD/$build/run-deb/package extra=$build/run-deb/extra
lab/scripts/packages.sh busybox-static cpio gcc kmod libc6-dev libfuse3-dev make pkg-config \
	qemu-system-x86 xz-utils
rm -rf $build/run-deb
mkdir -p $root $extra/lib/modules
dpkg-deb -x "$deb" $root
release=$(cd $root/boot && ls vmlinuz-*)
release=${release#vmlinuz-}
echo "$deb: Linux $release, $(find $root -name '*.ko*' | wc -l) modules"

lab/scripts/programs.sh deb > $build/programs.log 2>&1 || {
	echo "The programs for the guest do not build." >&2
	lab/scripts/explain.sh $build/programs.log >&2
	exit 1
}
# The modules that famfs needs, and those that they need, as busybox can load them
export BUILD=$build/run-deb
mkdir -p $BUILD/selftests
cp $build/selftests/famfs_server $build/selftests/demo $BUILD/selftests/
depmod -b $root "$release"
modprobe -d $root -S "$release" -D -a dax_hmem device_dax kmem fsdev_dax fuse |
	sed -n 's/^insmod \([^ ]*\).*/\1/p' | sort -u > $BUILD/modules
while read -r m; do
	to=$extra/${m#"$root/"}
	mkdir -p "${to%/*}"
	cp "$m" "$to"
	case $to in *.xz) xz -d "$to" ;; esac
done < $BUILD/modules
cp $root/lib/modules/"$release"/modules.builtin* $root/lib/modules/"$release"/modules.order \
	$extra/lib/modules/"$release"/
depmod -b $extra "$release"
lab/scripts/initramfs.sh $extra

export CONSOLE=$BUILD/console.log
lab/scripts/guest.sh -t 900 $root/boot/vmlinuz-"$release" "sh /tests/deb.sh $release"
! lab/scripts/problems.sh $CONSOLE
