#!/bin/sh
# "make shell": a shell in a guest; with DEBUG=1 in one that gdb and ftrace can look into.
set -u
. lab/scripts/base.sh
[ -t 0 ] && [ -t 1 ] || { echo "make shell needs a terminal; make run CMD='...' does not" >&2; exit 2; }
if [ -z "${DEBUG:-}" ]; then
	echo "A shell in the guest; \"exit\" ends it. The functions of /tests/dax.sh are there."
	exec lab/scripts/guest.sh -i $build/plain/bzImage 'ENV=/tests/dax.sh sh'
fi
lab/scripts/packages.sh gdb || exit
cat <<EOF
A shell in the guest; "exit" ends it. The functions of /tests/dax.sh are there.
  gdb, in another terminal:
    gdb -iex 'set auto-load safe-path $PWD/$linux' $linux/obj-trace/vmlinux -ex 'target remote :1234'
    (gdb) hbreak famfs_fuse_iomap_begin
  ftrace, in the guest:
    cd /sys/kernel/tracing; echo 'famfs_*' > set_ftrace_filter; echo function > current_tracer; cat trace
EOF
exec lab/scripts/guest.sh -i -q -s $build/trace/bzImage 'ENV=/tests/dax.sh sh'
