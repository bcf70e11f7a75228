#!/bin/sh
# Fails, and lists what there is, if no test has this name.
#
#   tests.sh [-b] [PROGRAM[:TEST]]
#
# Names are patterns. TEST is looked at with -b, when the programs are built.
set -u
. lab/scripts/base.sh
built=
[ "${1:-}" != -b ] || { built=1; shift; }
[ -n "${1:-}" ] || exit 0
program=${1%%:*} test=
[ "$program" = "$1" ] || test=${1#*:}

programs() {
	echo kunit
	for dir in tools/testing/selftests/filesystems/famfs lab/soak; do
		ls "$dir" "$linux/$dir" 2> /dev/null | sed -n 's/_test\.c$/_test/p'
	done | sort -u
}
matches() { # PATTERN: of the lines of the input
	found=
	while read -r name; do
		# shellcheck disable=SC2254
		case $name in $1) found="$found $name" ;; esac
	done
	echo "$found"
}

found=$(programs | matches "$program")
if [ -z "$found" ]; then
	echo "There is no test program \"$program\". These are known:" >&2
	programs | sed 's/^/  /' >&2
	exit 2
fi
[ -n "$built" ] && [ -n "$test" ] || exit 0

tests() {
	for p in $found; do
		[ ! -x "$build/selftests/$p" ] ||
			"$build/selftests/$p" -l 2>&1 | awk '!/^(#|-|global *$)/ && NF { print $NF }'
	done | sort -u
}
[ -z "$(tests | matches "$test")" ] || exit 0
echo "$program has no test \"$test\". It has these:" >&2
tests | sed 's/^/  /' >&2
exit 2
