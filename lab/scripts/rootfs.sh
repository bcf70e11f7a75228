#!/bin/sh
# Copies what unpack.sh has unpacked to DIR: a system of its own for a guest, without
# what no program in it opens.
#
#   rootfs.sh NAME DIR
set -eu
mkdir -p "$2"
for d in bin lib lib64 usr; do
	cp -a build/debian/"$1"/$d "$2"/
done
rm -rf "$2"/usr/share "$2"/usr/sbin "$2"/usr/lib/x86_64-linux-gnu/gconv \
	"$2"/usr/lib/x86_64-linux-gnu/perl* "$2"/usr/lib/python3*/lib2to3
