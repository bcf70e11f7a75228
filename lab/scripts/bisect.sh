#!/bin/sh
# Every commit of the series builds, or every topic on nothing but what it needs;
# with the options on and off.
#
#   bisect.sh commits|topics
#   bisect.sh apply	the topics, without building them
set -u
. lab/scripts/base.sh
tree=$build/base
[ -e $tree/Makefile ] || git -C $linux worktree add -q --detach ../base base || exit 1
kmake() { make -s -C $tree O="$obj" CC='ccache gcc' HOSTCC='ccache gcc' "$@"; }

build() { # on|off
	obj=obj-$1
	mkdir -p "$tree/$obj"
	cat lab/config/base.config lab/config/$BASE.config lab/config/registered.config \
		lab/config/peers.config > "$tree/$obj/fragment"
	[ "$1" = on ] || cat >> "$tree/$obj/fragment" <<END
# CONFIG_DEV_DAX_FSDEV is not set
# CONFIG_FUSE_FAMFS_DAX is not set
# CONFIG_FS_DAX_PUD is not set
END
	kmake KCONFIG_ALLCONFIG=fragment allnoconfig > $build/bisect.log 2>&1 &&
		kmake -j"$(nproc)" drivers/dax/ drivers/nvdimm/ drivers/vfio/ fs/fuse/ \
			fs/proc/ fs/dax.o fs/xfs/xfs_file.o mm/ arch/x86/mm/ \
			>> $build/bisect.log 2>&1 && return
	tail -n 20 $build/bisect.log
	echo "$(git -C $tree log -1 --format='%h %s') does not build with the options $1"
	return 1
}

commits() {
	for c in $(git -C $linux rev-list --reverse base..series); do
		git -C $linux diff --quiet "$c^" "$c" && continue # begins a topic
		git -C $tree checkout -q "$c" || exit 1
		build on || status=1
		build off || status=1
	done
	[ $status = 0 ] && echo "every commit builds, with its options on and off"
}

# The cover letter names the topics that are needed.
topics() {
	lab/scripts/series.sh export || exit 1
	for t in $(sed 's,/.*,,' "series/$BASE" | uniq); do
		git -C $tree checkout -q --detach base || exit 1
		needs=$(sed -n 's/^Prerequisites: //p' "series/$t/cover-letter")
		[ "$needs" != none ] || needs=
		for n in $needs $t; do
			# shellcheck disable=SC2046
			git -C $tree am -q $(find "$PWD/build/series/$BASE/$n" -name '*.patch' ! -name '0000-*' | sort) || {
				git -C $tree am --abort
				echo "the topic $t does not apply on: ${needs:-nothing}"
				status=1
				continue 2
			}
		done
		if build on && build off; then
			echo "the topic $t is good on: ${needs:-nothing}"
		else
			status=1
		fi
	done
}

apply() {
	build() { :; }
	topics
	# the last one has needed all
	[ "$(git -C $tree rev-parse 'HEAD^{tree}')" = "$(git -C $linux rev-parse 'series^{tree}')" ] || {
		echo "the mails do not make the tree of $linux"
		status=1
	}
}

status=0
"$1"
git -C $tree checkout -q --detach base
exit $status
