#!/bin/sh
# Runs a guest whose output is KTAP, and counts the results. Fails as well if the guest
# does not finish, or if the kernel's log has a report.
#
#   ktap.sh ARGUMENT...		of guest.sh
#
# Everything is in $BUILD.
set -u
. lab/scripts/base.sh
ktap=$build/ktap
{
	CONSOLE=$build/console.log lab/scripts/guest.sh "$@"
	echo $? > $build/status
} | tee $ktap
[ "$(cat $build/status)" -lt 124 ] && grep -q '^1\.\.[0-9]' $ktap || echo "not ok 0 the guest has not finished" | tee -a $ktap
! lab/scripts/problems.sh $build/console.log > $build/problems || {
	head -n 20 $build/problems
	echo "not ok 0 reports in the kernel's log" | tee -a $ktap
}
failed=$(grep -c '^not ok ' $ktap)
skipped=$(grep -c '^ok .* # SKIP' $ktap)
passed=$(($(grep -c '^ok ' $ktap) - skipped))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ] && [ "$skipped" = 0 ] && [ "$passed" -gt 0 ]
