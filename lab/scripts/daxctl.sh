#!/bin/sh
# "make daxctl": the daxctl, ndctl and cxl of Debian sid in guests.
#
#   daxctl.sh [-b] [hmem|pmem|cxl|ndctl]...	by default all but ndctl
#
# ndctl is the unit tests of ndctl for dax, with the test modules of tools/testing/nvdimm.
#
# With -b on the kernel without the series, which is built first.
# What needs packages that cannot be had is skipped, by name. With ALL=1 that is a
# failure. The packages are a system of their own in the guest, beside our static programs.
set -eu
. lab/scripts/base.sh
selftests=$build/selftests obj=obj-daxctl
export BUILD=$build/daxctl
qemu=build/debian/qemu/usr
ndctl=build/debian/ndctl-build

# The tests of ndctl's suite "dax" that use devdax. Its others are about file systems on
# pmem or the device mapper, or need cxl_test.
ndctl_tests='daxdev-errors.sh multi-dax.sh sub-section.sh device-dax revoke_devmem daxctl-devices.sh'
ndctl_programs='dax-dev daxdev-errors device-dax revoke_devmem'

kmake() { make -s -C $linux O=$obj CC='ccache gcc' HOSTCC='ccache gcc' "$@"; }

# A program of another Debian, with its own libraries
emulator() {
	echo "$qemu/lib64/ld-linux-x86-64.so.2 --library-path $qemu/lib/x86_64-linux-gnu
		$qemu/bin/qemu-system-x86_64 -L $qemu/share/qemu -L $qemu/share/seabios"
}

image() { # NAME: of the packages in build/debian
	extra=$BUILD/extra
	rm -rf $BUILD/selftests $extra
	mkdir -p $BUILD/selftests $extra
	cp $selftests/famfs_server $selftests/demo $BUILD/selftests/
	cp -a build/debian/$1/usr $extra/
	rm -rf $extra/usr/share/doc $extra/usr/share/man $extra/usr/share/locale \
		$extra/usr/lib/x86_64-linux-gnu/gconv
	ln -s usr/lib $extra/lib
	ln -s usr/lib64 $extra/lib64
	kmake INSTALL_MOD_PATH="$PWD/$extra/usr" INSTALL_MOD_STRIP=1 modules_install
}

guest() { # NAME ARGUMENT... of guest.sh
	name=$1
	shift
	CONSOLE=$BUILD/$name.log lab/scripts/guest.sh "$@" 2>&1 | tee $BUILD/$name.ktap
	grep -q '^1\.\.[0-9]' $BUILD/$name.ktap ||
		echo "not ok 0 $name: the guest has not finished" | tee -a $BUILD/$name.ktap
	! lab/scripts/problems.sh $BUILD/$name.log > $BUILD/problems || {
		head -n 20 $BUILD/problems
		echo "not ok 0 $name: reports in the kernel's log" | tee -a $BUILD/$name.ktap
	}
}
skip() { # NAME
	echo "ok 1 $1 # SKIP" | tee $BUILD/$1.ktap
}

modes() { # KIND ARGUMENT... of guest.sh
	lab/scripts/unpack.sh sid tools daxctl ndctl cxl || {
		skip $1
		return
	}
	image tools
	lab/scripts/initramfs.sh $extra
	kind=$1
	shift
	guest $kind -t 1800 "$@" $BUILD/bzImage "sh /tests/daxctl.sh $kind"
}
cxl() {
	lab/scripts/unpack.sh sid qemu qemu-system-x86 || {
		skip cxl
		return
	}
	export QEMU_MODULE_DIR=$PWD/$qemu/lib/x86_64-linux-gnu/qemu
	QEMU=$(emulator)
	export QEMU
	modes cxl -q "-M cxl=on -M cxl-fmw.0.targets.0=cxl.0,cxl-fmw.0.size=4G
		-object memory-backend-ram,id=cxl-mem,size=1G
		-device pxb-cxl,bus_nr=12,bus=pcie.0,id=cxl.0
		-device cxl-rp,port=0,bus=cxl.0,id=rp0,chassis=0,slot=2
		-device cxl-type3,bus=rp0,volatile-memdev=cxl-mem,id=cxl-vmem0"
	unset QEMU
}

# The source of the tests, of the newest version that there is
ndctl_source() {
	[ -e build/debian/ndctl-source/.complete ] ||
		lab/scripts/unpack.sh -s sid ndctl-source ndctl ||
		lab/scripts/unpack.sh -s trixie ndctl-source ndctl
}
build_ndctl() {
	[ -e $ndctl/build.ninja ] || CC='ccache gcc' meson setup $ndctl build/debian/ndctl-source \
		-Ddocs=disabled -Dlibtracefs=disabled -Dsystemd=disabled -Dkeyutils=disabled \
		-Dtest=enabled -Ddestructive=enabled
	for p in $ndctl_programs; do
		ninja -C $ndctl test/$p
	done
}
ndctl_image() {
	image tests
	nvdimm_modules INSTALL_MOD_PATH="$PWD/$extra/usr" INSTALL_MOD_STRIP=1 modules_install
	mkdir $extra/ndctl $extra/bin
	cp build/debian/ndctl-source/test/common build/debian/ndctl-source/test/*.sh $extra/ndctl/
	for p in $ndctl_programs; do
		cp $ndctl/test/$p $extra/ndctl/
	done
	ln -s ../usr/bin/bash $extra/bin/bash
	lab/scripts/initramfs.sh $extra
}
# modpost fails on a symbol that is missing or defined twice
nvdimm_modules() { # MAKE-ARGUMENT...
	kmake M=tools/testing/nvdimm MO="$PWD/$BUILD/nvdimm/tools/testing/nvdimm" "$@"
}
ndctl() {
	ndctl_source && lab/scripts/unpack.sh sid tests daxctl ndctl cxl bash coreutils \
		diffutils e2fsprogs findutils gawk grep jq kmod libc-bin mount sed util-linux || {
		skip ndctl
		return
	}
	lab/scripts/packages.sh meson libkmod-dev libudev-dev uuid-dev libjson-c-dev libiniparser-dev
	{ build_ndctl && nvdimm_modules modules; } > $BUILD/ndctl-build.log 2>&1 || {
		lab/scripts/explain.sh $BUILD/ndctl-build.log
		return 1
	}
	# of version 85 and newer
	[ ! -e build/debian/ndctl-source/test/daxctl-famfs.sh ] || ndctl_tests="$ndctl_tests daxctl-famfs.sh"
	ndctl_image
	# device-dax has a limit of time, which an emulator that has to share a CPU exceeds:
	# the clock counts instructions instead
	guest ndctl -s 1 -t 7200 -m 10 -a 'memmap=4G%8G-0xefffffff+12' \
		-q '-icount shift=0,sleep=off -M nvdimm=on -m 10G,slots=2,maxmem=32G
		-object memory-backend-ram,id=nv,size=6G
		-device nvdimm,memdev=nv,label-size=256K' \
		$BUILD/bzImage "/tests/ndctl.sh $ndctl_tests"
}

base_kernel() {
	git -C $linux worktree add -q -f ../linux-base base 2> /dev/null || :
	linux=build/$BASE/linux-base BUILD=$build/daxctl-base
	mkdir -p $BUILD
	cat lab/config/base.config lab/config/$BASE.config lab/config/modules.config \
		lab/config/daxctl.config | grep -vE 'FAMFS|FS_DAX_PUD' |
		lab/scripts/configure.sh $linux $obj - CC='ccache gcc' HOSTCC='ccache gcc'
	kmake -j"$(nproc)" bzImage modules > $BUILD/kernel.log 2>&1 || {
		lab/scripts/explain.sh $BUILD/kernel.log
		exit 1
	}
	cp $linux/$obj/arch/x86/boot/bzImage $BUILD/
}

lab/scripts/packages.sh kmod
[ "${1:-}" != -b ] || { shift; base_kernel; }
mkdir -p $BUILD
rm -f $BUILD/*.ktap
for what in ${*:-hmem pmem cxl}; do
	case $what in
	hmem) modes hmem ;;
	pmem) modes pmem -m 6 -a 'memmap=2G%6G-0xefffffff+12' ;;
	cxl) cxl ;;
	ndctl) ndctl ;;
	*) echo "daxctl.sh: $what?" >&2; exit 2 ;;
	esac
done

count() { cat $BUILD/*.ktap | grep -c "$1" || :; }
skipped=$(count '^ok .* # SKIP')
passed=$(($(count '^ok ') - skipped))
failed=$(count '^not ok ')
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ] && { [ -z "${ALL:-}" ] || [ "$skipped" = 0 ]; }
