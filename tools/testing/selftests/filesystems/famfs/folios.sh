#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs tests again, on devices whose folios are made when they are bound: those that
# have files which fit such a device.
#
#   folios.sh [PROGRAM [OPTION...]]
#
# Does nothing for other programs, nor if FAMFS_TEST_FOLIO has made it the first run.
cd "$(dirname "$0")" || exit 1
[ -z "${FAMFS_TEST_FOLIO:-}" ] || exit 0
programs=${1:-device_test file_test fsdax_test giant_test inode_test pin_test size_test}
[ $# = 0 ] || shift
status=4
for program in $programs; do
	folio=2097152
	case $program in
	device_test | fsdax_test | inode_test | pin_test | size_test) without= ;;
	# what has smaller pieces
	file_test) without="-V many_lengths -V page_aligned -V small -V interleaved_2_by_12k
			-V interleaved_3_by_64k -F around" ;;
	# ... and what takes long
	giant_test) without="-T small_access_first_in_pieces -T race -T race_to_merge
			-T race_and_unbind" folio=1073741824 ;;
	*) exit 0 ;;
	esac
	# without its libraries it has not been built
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
