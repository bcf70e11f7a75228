#!/bin/sh
# Makes the configuration of a kernel: allnoconfig plus fragments.
#
#   configure.sh TREE OBJ "FRAGMENT..." [MAKE-ARGUMENT...]
#
# OBJ is a directory in TREE, FRAGMENT may be "-". Fails if Kconfig does not take a
# line of a fragment; the last line about a symbol counts. An equal .config is left as
# it is, so that nothing is built again.
set -eu
tree=$1 obj=$2 fragments=$3
shift 3
mkdir -p "$tree/$obj"
# shellcheck disable=SC2086
cat $fragments > "$tree/$obj/fragment"
cd "$tree"
make -s O="$obj" "$@" KCONFIG_ALLCONFIG=fragment KCONFIG_CONFIG=.config.new allnoconfig \
	> "$obj/config.log" 2>&1 || { tail "$obj/config.log" >&2; exit 1; }
cd "$obj"
awk '
/^CONFIG_[A-Z0-9_]*=/ { split($0, f, "="); symbol = f[1] }
/^# CONFIG_[A-Z0-9_]* is not set$/ { symbol = $2 }
symbol != "" { if (FILENAME == "fragment") want[symbol] = $0; else have[symbol] = $0; symbol = "" }
END {
	for (s in want)
		if (s in have ? want[s] != have[s] : want[s] !~ /^#/) {
			print "the configuration of the kernel refuses " want[s]
			bad = 1
		}
	exit bad
}' fragment .config.new >&2
cmp -s .config.new .config || cp .config.new .config
