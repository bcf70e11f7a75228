#!/bin/sh
# Says what a build needs, and fails if the disk has less.
#
#   needs.sh MIB MINUTES WHAT
set -u
. lab/scripts/base.sh
mib=$1
[ -e $linux/.git/famfs-complete ] || mib=$((mib + 2800)) # the source and its git
free=$(df -m --output=avail . | tail -n 1 | tr -d ' ')
gib() { awk "BEGIN { printf \"%.1f GiB\", $1 / 1024 }"; }
memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
echo "$3 for the first time: about $2 minutes on two CPUs;" \
	"disk: $(gib $mib) ($(gib "$free") are free);" \
	"memory: 6 GiB ($(gib "$memory") are available)"
[ "$free" -ge $mib ] && exit 0
echo "There is not enough room on the disk: $(gib $mib) are needed in $PWD/build, $(gib "$free") are free." >&2
exit 1
