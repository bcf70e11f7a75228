#!/bin/sh
# Makes build/BASE/initramfs.cpio: busybox, our scripts, and the static programs and
# what else is in build/BASE/selftests.
#
#   initramfs.sh [DIR]...	and what is in these
set -eu
. lab/scripts/base.sh
root=$build/root
rm -rf "$root"
mkdir -p "$root/bin" "$root/tests"
cp /bin/busybox "$root/bin/"
cp lab/guest/init "$root/init"
cp lab/guest/*.sh "$root/tests/"
cp "$build"/selftests/* "$root/tests/"
for dir in "$root" "$@"; do
	(cd "$dir" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --quiet)
done > "$build/initramfs.cpio"
