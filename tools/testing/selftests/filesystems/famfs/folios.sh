#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Run tests again on devices with pre-built folios: the programs whose files fit such
# devices.
#
#   folios.sh [PROGRAM [OPTION...]]
#
# Does nothing for other programs, or if FAMFS_TEST_FOLIO is set: the first run had such
# devices then.
cd "$(dirname "$0")" || exit 1
[ -z "${FAMFS_TEST_FOLIO:-}" ] || {
	[ $# = 0 ] || exit 0
	echo "1..0 # SKIP FAMFS_TEST_FOLIO is set"
	exit 4
}
programs=${1:-device_test file_test fsdax_test giant_test inode_test pin_test size_test}
[ $# = 0 ] || shift
status=4
for program in $programs; do
	folio=2097152
	case $program in
	device_test | fsdax_test | inode_test | pin_test | size_test) without= ;;
	# files with smaller pieces
	file_test) without="-V many_lengths -V page_aligned -V small -V interleaved_2_by_12k
			-V interleaved_3_by_64k -F around" ;;
	# files with smaller pieces, and tests that take long
	giant_test) without="-T small_access_first_in_pieces -T race -T race_to_merge
			-T race_and_unbind" folio=1073741824 ;;
	*) exit 0 ;;
	esac
	# not built if its libraries are missing
	[ -x "./$program" ] || continue
	# shellcheck disable=SC2086
	FAMFS_TEST_FOLIO=$folio "./$program" $without "$@"
	case $? in
	0) [ $status = 1 ] || status=0 ;;
	4) ;;
	*) status=1 ;;
	esac
done
exit $status
