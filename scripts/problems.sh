#!/bin/sh
# Prints the lines of a guest's kernel log that report a bug; fails if there are
# none.
#
#   problems.sh LOG
exec grep -nE 'WARNING:|BUG:|Oops|KASAN|UBSAN|possible (recursive|circular)|INFO: task|INFO: .* lock|suspicious RCU|rcu: .*stall|general protection|Call Trace|refcount_t:|unreferenced object' "$1"
