#!/bin/sh
# Fails unless the tree is Linux 7.0, which the series is for.
#
#   version.sh TREE
set -u
[ -e "$1/Makefile" ] && [ -e "$1/Kbuild" ] || { echo "$1 is no kernel tree" >&2; exit 1; }
version=$(awk '$2 == "=" && ($1 == "VERSION" || $1 == "PATCHLEVEL") { v[$1] = $3 }
	END { print v["VERSION"] "." v["PATCHLEVEL"] }' "$1/Makefile")
[ "$version" = 7.0 ] && exit 0
echo "$1 is Linux $version; the series is for 7.0" >&2
exit 1
