#!/bin/sh
# Runs the tests in guests with the debug kernel and counts the results.
#
#   test.sh [PROGRAM[:TEST]]
#
# All tests run in two guests at a time, each with a part of the programs. Fails if a
# test fails, if a guest dies, if a test is skipped that is not listed below, or if
# the kernel's log has a report of a bug, even when every test has passed. The last
# line has the counts.
set -u
. lab/scripts/base.sh

# Tests that have nothing to test in the guest, one on a line.
expected_skips=
# About half of the time; the other guest has what is not listed.
first='alloc_test device_test file_test giant_test size_test'
soak=
for v in FAMFS_TEST_FOLIO FAMFS_SOAK_SECONDS FAMFS_SOAK_SEED FAMFS_SOAK_OPENS; do
	eval "value=\${$v:-}"
	[ -z "$value" ] || soak="$soak $v=$value"
done
# it may last ten times as long
soak_seconds=${FAMFS_SOAK_SECONDS:-20}

# 4 GiB are for the devices, and pmem becomes the static one.
guest() { # NUMBER ARGUMENTS: of run-tests.sh; results are in test-NUMBER.*
	CONSOLE=$build/test-$1.log lab/scripts/guest.sh -m 6 -t $((3000 + soak_seconds * 12)) \
		-a "memmap=256M!1G" $build/debug/bzImage "$soak sh /tests/run-tests.sh $2" \
		> $build/test-$1.ktap 2>&1
	echo $? > $build/test-$1.status
}
# mawk reads blocks otherwise
at_once=
case $(awk -W version 2>&1 < /dev/null) in mawk*) at_once='-W interactive' ;; esac
follow() { # NUMBER
	tail -n +1 -f --pid=$! $build/test-$1.ktap | awk $at_once '
	/^ *not ok/ || /^# [A-Za-z_ -]+: [0-9]+, and/ || / took / || /^# [a-z_0-9]+\.[a-z0-9]+: / { print; fflush() }
	/^ok / && ++n % 50 == 0 { print "  " n " passed"; fflush() }'
}

rm -f $build/test-*
if [ -n "${1:-}" ]; then
	guests=1
	: > $build/test-1.ktap
	guest 1 "'$1'" &
	follow 1
else
	guests='1 2'
	: > $build/test-1.ktap
	: > $build/test-2.ktap
	guest 1 "-o $first" &
	follow 1 &
	guest 2 "-x $first" &
	follow 2
fi
wait

# A result counts unless it sums up the results below it.
counts=$(cat $build/test-*.ktap | awk '
	/^ *# Subtest: / { sub(/^ *# Subtest: /, ""); parent[$0] = 1; next }
	/^ *(not )?ok [0-9]+ / {
		bad = /^ *not ok/
		name = $0
		sub(/^ *(not )?ok [0-9]+ (- )?/, "", name)
		if (name in parent) next
		if (name ~ /# SKIP/) skip++
		else if (bad) fail++
		else pass++
	}
	END { print pass + 0, fail + 0, skip + 0 }')
set -- $counts
passed=$1 failed=$2 skipped=$3

unexpected=$(sed -n 's/^ *ok [0-9]* *\(- \)\{0,1\}\(.*\) # SKIP.*/\2/p; s/^1\.\.0 # SKIP /a program: /p' $build/test-*.ktap |
	grep -vxF "$expected_skips")
if [ -n "$unexpected" ]; then
	echo "skipped, but not expected to be:"
	echo "$unexpected"
	failed=$((failed + 1))
fi
for n in $guests; do
	status=$(cat $build/test-$n.status)
	problems=$(lab/scripts/problems.sh $build/test-$n.log)
	if [ -n "$problems" ]; then
		echo "the kernel's log ($build/test-$n.log) reports:"
		echo "$problems" | head -n 20
		failed=$((failed + 1))
	fi
	if [ "$status" -ge 124 ]; then
		echo "guest $n did not finish ($status); see $build/test-$n.ktap and $build/test-$n.log"
		tail -n 5 $build/test-$n.ktap
		failed=$((failed + 1))
	elif [ "$status" != 0 ] && [ "$failed" = 0 ]; then
		echo "a test program failed without a result; see $build/test-$n.ktap"
		failed=1
	fi
done
[ "$passed" -gt 0 ] || failed=$((failed + 1))
grep -h '^not ok\|^ *not ok' $build/test-*.ktap | head -n 40
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
