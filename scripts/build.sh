#!/bin/sh
# Everything that a guest needs: build/PROFILE/bzImage and build/initramfs.cpio.
#
#   build.sh plain|debug|modules
#
# Long steps show the objects built so far; the log is in build/PROFILE.log.
set -eu
profile=$1
case $profile in
plain) config=config/plain.config ;;
debug | modules) config="config/plain.config config/$profile.config" ;;
*) echo "PROFILE is plain, debug or modules" >&2; exit 2 ;;
esac

scripts/packages.sh bc bison busybox-static ccache cpio flex gcc git libc6-dev \
	libelf-dev libfuse3-dev libssl-dev make pkg-config qemu-system-x86 rsync xz-utils
scripts/source.sh
scripts/series.sh compose

linux=build/linux
obj=$linux/obj-$profile
out=build/$profile
log=build/$profile.log
mkdir -p "$obj" "$out"
export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=famfs KBUILD_BUILD_HOST=famfs
# obj is below the tree, so that all paths in the commands are relative, and
# another clone finds the same results in the cache
kmake() { make -s -C $linux O="obj-$profile" CC='ccache gcc' HOSTCC='ccache gcc' "$@"; }

# shellcheck disable=SC2086
cat $config > "$obj/fragment"
kmake KCONFIG_ALLCONFIG=fragment KCONFIG_CONFIG=.config.new allnoconfig > "$log" 2>&1 ||
	{ tail "$log" >&2; exit 1; }
cmp -s "$obj/.config.new" "$obj/.config" || cp "$obj/.config.new" "$obj/.config"
# the last word on a symbol counts
for want in $(awk -F= '/^CONFIG_/ { v[$1] = $0 } END { for (s in v) print v[s] }' "$obj/fragment"); do
	grep -qx "$want" "$obj/.config" || {
		echo "the kernel's configuration refuses $want" >&2
		exit 1
	}
done

progress() { # counts objects until killed
	start=$(date +%s)
	while sleep 10; do
		n=$(find "$obj" -name '*.o' -newer "$obj/.started" | wc -l)
		echo "  kernel ($profile): $n objects, $(($(date +%s) - start)) s"
	done
}
: > "$obj/.started"
progress &
counter=$!
trap 'kill $counter 2>/dev/null' EXIT
start=$(date +%s)
modules=
[ $profile != modules ] || modules=modules
kmake -j"$(nproc)" bzImage $modules >> "$log" 2>&1 || {
	grep -n 'error\|Error' "$log" | head -n 20 >&2
	echo "the kernel does not build; the whole log is in $log" >&2
	exit 1
}
kill $counter 2>/dev/null
trap - EXIT
if ! cmp -s "$obj/arch/x86/boot/bzImage" "$out/bzImage"; then
	cp "$obj/arch/x86/boot/bzImage" "$out/bzImage"
	echo "$out/bzImage: built in $(($(date +%s) - start)) s"
fi

# our own programs, static, with the headers of this kernel
kmake headers_install INSTALL_HDR_PATH=../../headers >> "$log" 2>&1
tests=tools/testing/selftests/filesystems/famfs
mkdir -p build/selftests
make -s -C $linux/$tests OUTPUT="$PWD/build/selftests" LDFLAGS='-static -pthread' \
	KHDR_INCLUDES="-isystem $PWD/build/headers/include" all >> "$log" 2>&1 ||
	{ tail "$log" >&2; exit 1; }
cp $linux/$tests/setup.sh build/selftests/
soak/build.sh
[ build/selftests/demo -nt guest/demo.c ] ||
	gcc -static -O2 -Wall -I $linux/$tests -o build/selftests/demo guest/demo.c
scripts/initramfs.sh
