#!/bin/sh
# Makes build/initramfs.cpio: busybox, our scripts, and the static programs and
# what else is in build/selftests.
set -eu
build=${BUILD:-build}
root=$build/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/tests"
cp /bin/busybox "$root/bin/"
cp guest/init "$root/init"
cp guest/*.sh "$root/tests/"
cp "$build"/selftests/* "$root/tests/"
(cd "$root" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet) \
	> "$build/initramfs.cpio"
