#!/bin/sh
# "make run": shows famfs in a guest, or runs a command there.
#
#   run.sh [COMMAND]
set -u
. lab/scripts/base.sh
demo='sh /tests/demo.sh'
if [ -n "${1:-}" ]; then
	exec lab/scripts/guest.sh -t 600 $build/plain/bzImage "$1"
elif [ -t 0 ] && [ -t 1 ]; then
	exec lab/scripts/guest.sh -i $build/plain/bzImage "$demo
echo; echo 'A shell in the guest; the files are in /mnt/famfs. \"exit\" ends it.'
cd /mnt/famfs/demo && sh"
fi
exec lab/scripts/guest.sh $build/plain/bzImage "$demo"
