#!/bin/sh
# Every commit of the series builds, with its options on and off.
set -u
linux=build/linux tree=build/base
[ -e $tree/Makefile ] || git -C $linux worktree add -q --detach ../base base || exit 1
kmake() { make -s -C $tree O="$obj" CC='ccache gcc' HOSTCC='ccache gcc' "$@"; }

build() { # on|off
	obj=obj-$1
	mkdir -p "$tree/$obj"
	cat config/plain.config > "$tree/$obj/fragment"
	[ "$1" = on ] || cat >> "$tree/$obj/fragment" <<END
# CONFIG_DEV_DAX_FSDEV is not set
# CONFIG_FUSE_FAMFS_DAX is not set
# CONFIG_FS_DAX_PUD is not set
END
	kmake KCONFIG_ALLCONFIG=fragment allnoconfig > build/bisect.log 2>&1 &&
		kmake -j"$(nproc)" drivers/dax/ drivers/nvdimm/ fs/fuse/ fs/dax.o \
			mm/ arch/x86/mm/ \
			>> build/bisect.log 2>&1 && return
	tail -n 20 build/bisect.log
	echo "$(git -C $tree log -1 --format='%h %s') does not build with the options $1"
	return 1
}

status=0
for c in $(git -C $linux rev-list --reverse base..series); do
	git -C $tree checkout -q "$c" || exit 1
	build on || status=1
	build off || status=1
done
git -C $tree checkout -q base
[ $status = 0 ] && echo "every commit builds, with its options on and off"
exit $status
