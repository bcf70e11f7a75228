#!/bin/sh
# Prints the lines of a guest's kernel log that report a bug; fails if there are
# none. The words are those that the tests themselves look for.
#
#   problems.sh LOG
. lab/scripts/base.sh
words=$linux/tools/testing/selftests/filesystems/famfs/problems.h
list=$(sed -n 's/^"\(.*\)",$/\1/p' $words)
[ -n "$list" ] || { echo "$words has no words"; exit 0; }
grep -nF "$list" "$1"
