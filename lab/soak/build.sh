#!/bin/sh
# Builds $build/selftests/soak_test and alloc_test, after build.sh has installed the
# headers.
set -eu
. lab/scripts/base.sh
tests=$linux/tools/testing/selftests/filesystems/famfs
for t in soak_test alloc_test; do
	out=$build/selftests/$t new=
	for f in lab/soak/$t.c $tests/util.c $tests/util.h $tests/raw.c $tests/raw.h \
		$tests/problems.h $tests/server.h $tests/test.h; do
		[ $out -nt $f ] || new=1
	done
	[ -z "$new" ] || lab/scripts/cc.sh -o $out lab/soak/$t.c $tests/util.c $tests/raw.c
done
