#!/bin/sh
# Runs the tests: the results of KUnit, which ran at boot, and every *_test.
#
#   run-tests.sh [PROGRAM[:TEST]]	PROGRAM may be a pattern, or "kunit"
#   run-tests.sh -o PROGRAM...	only these, of all that there are
#   run-tests.sh -x PROGRAM...	all others
mode= want='*' filter=
case ${1:-} in
-o | -x) mode=$1; shift ;;
?*) want=${1%%:*}
	[ "$want" = "$1" ] || filter="-t ${1#*:}" ;;
esac
named=" $* "
status=0

wanted() { # PROGRAM
	case $mode in
	-o) case $named in *" $1 "*) return 0 ;; esac; return 1 ;;
	-x) case $named in *" $1 "*) return 1 ;; esac; return 0 ;;
	esac
	# shellcheck disable=SC2254
	case $1 in $want) return 0 ;; esac
	return 1
}

if wanted kunit; then
	echo "# kunit: famfs_map"
	cat /sys/kernel/debug/kunit/famfs_map/results || status=1
fi
devs=$(sh /tests/devices.sh) || exit 1
echo "# $devs"
export "$devs"
for t in /tests/*_test; do
	name=$(basename "$t")
	wanted "$name" || continue
	start=$(cut -d. -f1 /proc/uptime)
	echo "# $name"
	# shellcheck disable=SC2086
	"$t" $filter || status=1
	# once more, with folios that are built when the device is bound
	# shellcheck disable=SC2086
	if [ "$name" = soak_test ]; then
		[ -n "${FAMFS_TEST_FOLIO:-}" ] || FAMFS_TEST_FOLIO=2097152 "$t" $filter || status=1
	elif [ -e /tests/folios.sh ]; then
		sh /tests/folios.sh "$name" $filter || status=1
	fi
	echo "# $name took $(($(cut -d. -f1 /proc/uptime) - start)) s"
done
leaks=/sys/kernel/debug/kmemleak
if [ -e $leaks ]; then
	case $want in '*' | alloc_test | soak_test) scan=1 ;; esac
fi
if [ -n "${scan:-}" ]; then
	# what is only found once may be in a register
	echo scan > $leaks
	sleep 6
	echo scan > $leaks
	if [ -s $leaks ] && [ -n "$(cat $leaks)" ]; then
		echo "not ok 1 kmemleak"
		cat $leaks
		status=1
	else
		echo "ok 1 kmemleak"
	fi
fi
exit $status
