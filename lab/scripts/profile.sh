#!/bin/sh
# "make profile": what the kernel executes for one operation, function by function.
#
#   profile.sh open|pread|pwrite|refault|fault|giant|unmap|unmount|bind|unbind [OPTION of famfs_server]
#
# QEMU executes one instruction at a time and logs it for some seconds, while
# lab/bench/loop.c does the operation again and again. $FOLIO, in bytes, is that of the
# device, of 64 MiB. A fault is the first one: each mount has 32 of them. "giant" is a
# fault of 1 GiB that has been mapped before, "unmap" is of 4096 pages, and "unmount" of a
# file with 128 entries of 2 MiB.
set -eu
. lab/scripts/base.sh
unset KVM
what=$1 option=${2:-}
kernel=$PWD/$build/plain/bzImage map=$linux/obj-plain/System.map server=$build/selftests/famfs_server
export BUILD=$PWD/build/$BASE/profile
lab/scripts/packages.sh python3
rm -rf "$BUILD/selftests"
mkdir -p "$BUILD/selftests"
cp $server "$BUILD/selftests/"
gcc -static -O2 -Wall -Wno-unused-result -o "$BUILD/selftests/loop" lab/bench/loop.c
lab/scripts/initramfs.sh
mount="serve /mnt/famfs one $option" mib=64
case $what in
bind | unbind) seconds=10 loop="loop $what dax0.0" ;;
unmount)
	mib=256 seconds=30
	loop="while $mount && loop unmount /mnt/famfs/one; do :; done" ;;
giant) mib=1024 seconds=1 loop="$mount && loop giant /mnt/famfs/one" ;;
unmap) seconds=10 loop="$mount && loop unmap /mnt/famfs/one" ;;
fault) seconds=20 loop="while $mount && loop fault /mnt/famfs/one; do umount /mnt/famfs; done" ;;
*) seconds=1 loop="$mount && loop $what /mnt/famfs/one" ;;
esac

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
CONSOLE=$BUILD/console.log lab/scripts/guest.sh -s 1 -t 240 -a norandmaps \
	-q "-icount shift=0,sleep=off -cpu max,-rdrand,-rdseed -singlestep -D $tmp/log
		-monitor unix:$tmp/monitor,server=on,wait=off" "$kernel" ". /tests/dax.sh
		dax_disable dax0.0 && dax_resize dax0.0 $((mib << 20)) &&
			dax_set_folio dax0.0 ${FOLIO:-4096} && dax_set_mode dax0.0 famfs || exit
		printf 'dev 0 /dev/dax0.0\\nfile one 644 ${mib}M simple 0:0:${mib}M\\n' > /tmp/layout
		$loop" > "$tmp/out" 2>&1 &
until grep -q '^loop' "$tmp/out" 2> /dev/null; do
	kill -0 $! 2> /dev/null || { cat "$tmp/out" >&2; exit 1; }
	sleep 1
done
python3 - "$tmp/monitor" $seconds <<END
import socket, sys, time
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])
for command, seconds in (b"log exec,nochain", int(sys.argv[2])), (b"log none", 1), (b"quit", 1):
    monitor.send(command + b"\n")
    time.sleep(seconds)
END
wait || :
python3 lab/bench/profile.py "$tmp/log" $map
