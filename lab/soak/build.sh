#!/bin/sh
# Builds $build/selftests/soak_test, after build.sh has installed the headers.
set -eu
. lab/scripts/base.sh
tests=$linux/tools/testing/selftests/filesystems/famfs
out=$build/selftests/soak_test
for f in lab/soak/soak_test.c $tests/util.c $tests/util.h $tests/raw.c $tests/raw.h \
	$tests/problems.h $tests/server.h $tests/test.h; do
	[ $out -nt $f ] || new=1
done
[ -n "${new:-}" ] || exit 0
gcc -static -pthread -O2 -g -Wall -D_GNU_SOURCE= -I $tests \
	-isystem $build/headers/include -o $out lab/soak/soak_test.c $tests/util.c $tests/raw.c
