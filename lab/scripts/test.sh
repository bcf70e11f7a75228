#!/bin/sh
# Runs the tests in a guest with the debug kernel and counts the results.
#
#   test.sh [PROGRAM[:TEST]]
#
# Fails if a test fails, if the guest dies, if a test is skipped that is not
# listed below, or if the kernel's log has a report of a bug, even when every test
# has passed. The last line has the counts.
set -u

# These have nothing to test: pmem is not in a node that it could become memory of,
# its region has one device whose layout the namespace fixes, and the layout of the
# others would be lost with their region.
expected_skips='device.pmem.unbind_to_ram_and_back
binding.pmem.layout_is_busy
binding.pmem.delete_against_users
binding.pmem.node_without_device
binding.dynamic.removal_against_users
binding.two_ranges.removal_against_users
binding.dynamic.removal_waits_alone
binding.two_ranges.removal_waits_alone'
. lab/scripts/base.sh
ktap=$build/test.ktap
export CONSOLE=$build/test-console.log

# 4 GiB are for the devices, and pmem becomes the static one; FAMFS_SOAK_SECONDS and FAMFS_SOAK_SEED are for soak_test
soak=
for v in FAMFS_SOAK_SECONDS FAMFS_SOAK_SEED; do
	eval "value=\${$v:-}"
	[ -z "$value" ] || soak="$soak $v=$value"
done
: > $ktap
lab/scripts/guest.sh -m 6 -t $((3000 + ${FAMFS_SOAK_SECONDS:-0} * 2)) -a "memmap=256M!1G" $build/debug/bzImage \
	"$soak sh /tests/run-tests.sh ${1:+'$1'}" > $ktap 2>&1 &
guest=$!
tail -n +1 -f --pid=$guest $ktap | awk '
	/^ *not ok/ || /^# [A-Za-z_ -]+: [0-9]+, and/ || /^# [a-z_]+$/ || / took / || /^# [a-z_0-9]+\.[a-z0-9]+: / { print; fflush() }
	/^ok / && ++n % 50 == 0 { print "  " n " passed"; fflush() }'
wait $guest
status=$?

# A result counts unless it sums up the results below it.
counts=$(awk '
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
	END { print pass + 0, fail + 0, skip + 0 }' $ktap)
set -- $counts
passed=$1 failed=$2 skipped=$3

unexpected=$(sed -n 's/^ *ok [0-9]* *\(- \)\{0,1\}\(.*\) # SKIP.*/\2/p; s/^1\.\.0 # SKIP /a program: /p' $ktap |
	grep -vxF "$expected_skips")
if [ -n "$unexpected" ]; then
	echo "skipped, but not expected to be:"
	echo "$unexpected"
	failed=$((failed + 1))
fi
problems=$(lab/scripts/problems.sh $CONSOLE)
if [ -n "$problems" ]; then
	echo "the kernel's log ($CONSOLE) reports:"
	echo "$problems" | head -n 20
	failed=$((failed + 1))
fi
if [ "$status" -ge 124 ]; then
	echo "the guest did not finish ($status); see $ktap and $CONSOLE"
	tail -n 5 $ktap
	failed=$((failed + 1))
elif [ "$status" != 0 ] && [ "$failed" = 0 ]; then
	echo "a test program failed without a result; see $ktap"
	failed=1
fi
[ "$passed" -gt 0 ] || failed=$((failed + 1))
grep -h '^not ok\|^ *not ok' $ktap | head -n 40
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
