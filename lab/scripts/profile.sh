#!/bin/sh
# "make profile": what the kernel executes for one operation, function by function.
#
#   profile.sh open|pread|pwrite|refault [OPTION of famfs_server]
#
# QEMU executes one instruction at a time and logs it for a second, while
# lab/bench/loop.c does the operation again and again.
set -eu
. lab/scripts/base.sh
unset KVM
kernel=$PWD/$build/plain/bzImage map=$linux/obj-plain/System.map server=$build/selftests/famfs_server
export BUILD=$PWD/build/$BASE/profile
lab/scripts/packages.sh python3
rm -rf "$BUILD/selftests"
mkdir -p "$BUILD/selftests"
cp $server "$BUILD/selftests/"
gcc -static -O2 -Wall -Wno-unused-result -o "$BUILD/selftests/loop" lab/bench/loop.c
lab/scripts/initramfs.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
CONSOLE=$BUILD/console.log lab/scripts/guest.sh -s 1 -t 240 -a norandmaps \
	-q "-icount shift=0,sleep=off -cpu max,-rdrand,-rdseed -singlestep -D $tmp/log
		-monitor unix:$tmp/monitor,server=on,wait=off" "$kernel" '. /tests/dax.sh
		dax_set_mode dax0.0 famfs
		printf "dev 0 /dev/dax0.0\nfile one 644 64M simple 0:64M:64M\n" > /tmp/layout
		serve /mnt/famfs one '"${2:-}"' && loop '"$1"' /mnt/famfs/one' > "$tmp/out" 2>&1 &
until grep -q '^loop' "$tmp/out" 2> /dev/null; do
	kill -0 $! 2> /dev/null || { cat "$tmp/out" >&2; exit 1; }
	sleep 1
done
python3 - "$tmp/monitor" <<END
import socket, sys, time
monitor = socket.socket(socket.AF_UNIX)
monitor.connect(sys.argv[1])
for command in "log exec,nochain", "log none", "quit":
    time.sleep(1)
    monitor.send(command.encode() + b"\n")
time.sleep(1)
END
wait || :
python3 lab/bench/profile.py "$tmp/log" $map
