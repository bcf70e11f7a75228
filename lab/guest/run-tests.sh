#!/bin/sh
# Runs the tests: the results of KUnit, which ran at boot, and every *_test.
#
#   run-tests.sh [PROGRAM[:TEST]]	PROGRAM may be a pattern, or "kunit"
want=${1:-*}
program=${want%%:*} filter=
[ "$program" = "$want" ] || filter="-t ${want#*:}"
status=0

case kunit in
$program)
	echo "# kunit: famfs_map"
	cat /sys/kernel/debug/kunit/famfs_map/results || status=1 ;;
esac
devs=$(sh /tests/devices.sh) || exit 1
echo "# $devs"
export "$devs"
for t in /tests/*_test; do
	case $(basename "$t") in
	$program)
		start=$(cut -d. -f1 /proc/uptime)
		echo "# $(basename "$t")"
		"$t" $filter || status=1
		echo "# $(basename "$t") took $(($(cut -d. -f1 /proc/uptime) - start)) s" ;;
	esac
done
leaks=/sys/kernel/debug/kmemleak
if [ "$want" = '*' ] && [ -e $leaks ]; then
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
