#!/bin/sh
# Fails unless the tree is of the base that the series is for.
#
#   version.sh TREE
set -u
. lab/scripts/base.sh
[ -e "$1/Makefile" ] && [ -e "$1/Kbuild" ] || { echo "$1 is no kernel tree" >&2; exit 1; }
found=$(awk '$2 == "=" && ($1 == "VERSION" || $1 == "PATCHLEVEL") { v[$1] = $3 }
	END { print v["VERSION"] "." v["PATCHLEVEL"] }' "$1/Makefile")
[ "$found" = "$BASE" ] && exit 0
echo "$1 is Linux $found; the series is for $BASE" >&2
exit 1
