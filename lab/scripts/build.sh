#!/bin/sh
# Everything that a guest needs: bzImage and initramfs.cpio in build/BASE.
#
#   build.sh plain|debug|modules|trace|daxctl
#
# Says what is needed before it starts, and shows how far it is; the log is in
# build/BASE/PROFILE.log.
set -eu
. lab/scripts/base.sh
profile=$1
# measured with an empty ccache on two CPUs: objects, minutes, MiB in build/
case $profile in
plain) total=1370 minutes="10 to 20" disk=350 ;;
debug) total=1560 minutes="10 to 20" disk=600 ;;
modules) total=1280 minutes="8 to 15" disk=300 ;;
trace) total=1650 minutes="15 to 25" disk=1500 ;;
daxctl) total=1500 minutes="10 to 20" disk=400 ;;
*) echo "PROFILE is plain, debug, modules, trace or daxctl" >&2; exit 2 ;;
esac
config="lab/config/base.config lab/config/$BASE.config"
case $profile in
trace) config="$config lab/config/plain.config lab/config/trace.config" ;;
daxctl) config="$config lab/config/modules.config lab/config/daxctl.config" ;;
debug) config="$config lab/config/debug.config lab/config/registered.config lab/config/peers.config" ;;
*) config="$config lab/config/$profile.config" ;;
esac
obj=$linux/obj-$profile
[ -e $obj/vmlinux ] || lab/scripts/needs.sh $disk "$minutes" "the kernel ($profile)"

lab/scripts/packages.sh bc bison busybox-static ccache cpio flex gcc git libc6-dev \
	libelf-dev libfuse3-dev libssl-dev liburing-dev make pkg-config qemu-system-x86 rsync xz-utils
lab/scripts/source.sh
lab/scripts/series.sh compose

out=$build/$profile
log=$build/$profile.log
mkdir -p "$obj" "$out"
export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=famfs KBUILD_BUILD_HOST=famfs
# obj is below the tree, so that all paths in the commands are relative, and
# another clone finds the same results in the cache
kmake() { make -s -C $linux O="obj-$profile" CC='ccache gcc' HOSTCC='ccache gcc' "$@"; }

lab/scripts/configure.sh $linux obj-$profile "$config" CC='ccache gcc' HOSTCC='ccache gcc'

# Counts objects until killed: all of them if the kernel has never been built,
# those that are built again otherwise, of which nobody knows how many there are.
progress() {
	what="-newer $obj/.started" of="built again"
	[ -e "$obj/vmlinux" ] || what= of="of about $total"
	while sleep 10; do
		# shellcheck disable=SC2086
		n=$(find "$obj" -name '*.o' $what | wc -l)
		echo "  kernel ($profile): $n objects $of, $(($(date +%s) - start)) s"
	done
}
: > "$obj/.started"
start=$(date +%s)
progress &
counter=$!
trap 'kill $counter 2>/dev/null' EXIT
targets=bzImage
case $profile in
modules | daxctl) targets='bzImage modules' ;;
trace) targets='bzImage scripts_gdb' ;;
esac
# shellcheck disable=SC2086
kmake -j"$(nproc)" $targets > "$log" 2>&1 || {
	echo "The kernel does not build." >&2
	lab/scripts/explain.sh "$log" >&2
	exit 1
}
kill $counter 2>/dev/null
trap - EXIT
if ! cmp -s "$obj/arch/x86/boot/bzImage" "$out/bzImage"; then
	cp "$obj/arch/x86/boot/bzImage" "$out/bzImage"
	echo "$out/bzImage: built in $(($(date +%s) - start)) s"
fi

log=$build/programs.log
lab/scripts/programs.sh $profile > $log 2>&1 && exit 0
echo "The programs for the guest do not build." >&2
lab/scripts/explain.sh $log >&2
exit 1
