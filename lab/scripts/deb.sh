#!/bin/sh
# "make deb": linux-image and linux-headers packages of the series, in build/BASE/deb.
# Their configuration is that of a distribution and lab/config/deb.config.
#
#   deb.sh
#
# $FAMFS_CONFIG is the file with that configuration, by default the one in Debian's
# linux-config-BASE. $FLAVOUR is amd64 (the default) or another one in there, such as
# cloud-amd64.
set -eu
. lab/scripts/base.sh
obj=$linux/obj-deb out=$build/deb log=$build/deb.log
flavour=${FLAVOUR:-amd64} config=${FAMFS_CONFIG:-}
name=famfs-$flavour
[ -z "$config" ] || name=famfs

[ -z "$config" ] || [ -f "$config" ] || { echo "CONFIG=$config is not a file." >&2; exit 2; }
# Measured with a configuration that has next to no modules; the others are estimates.
case $name in
*cloud*) needed="7000 60" ;;
*) needed="25000 180" ;;
esac
[ -z "$config" ] || [ "$(grep -c '=m$' "$config")" -gt 100 ] || needed="2000 20"
# shellcheck disable=SC2086
[ -e $obj/vmlinux ] || lab/scripts/needs.sh $needed "packages ($name)"
lab/scripts/packages.sh bc bison ccache cpio debhelper dpkg-dev flex gcc git kmod libc6-dev \
	libdw-dev libelf-dev libssl-dev make openssl python3 rsync xz-utils
lab/scripts/source.sh
lab/scripts/series.sh compose

if [ -z "$config" ]; then
	lab/scripts/unpack.sh trixie-backports config-$BASE linux-config-$BASE || {
		echo "Take another configuration: make deb CONFIG=/boot/config-..." >&2
		exit 1
	}
	config=build/config-$flavour
	configs=build/debian/config-$BASE/usr/src/linux-config-$BASE
	xzcat "$configs/config.amd64_none_$flavour.xz" > "$config" 2> /dev/null || {
		echo "There is no flavour $flavour, only:" \
			"$(cd "$configs" && printf '%s\n' config.amd64_none_*.xz |
				sed 's/config.amd64_none_//; s/\.xz//' | tr '\n' ' ')" >&2
		exit 2
	}
fi

mkdir -p $obj $out
export KBUILD_BUILD_TIMESTAMP='1970-01-01' KBUILD_BUILD_USER=famfs KBUILD_BUILD_HOST=famfs
export KDEB_CHANGELOG_DIST=unstable KDEB_PKGVERSION=$version-1
kmake() {
	make -s -C $linux O=obj-deb CC='ccache gcc' HOSTCC='ccache gcc' LOCALVERSION="-$name" "$@"
}
# The last line about a symbol counts.
cat "$config" lab/config/deb.config > $obj/.config.new
kmake KCONFIG_CONFIG=.config.new olddefconfig > $log 2>&1 || { lab/scripts/explain.sh $log >&2; exit 1; }
sed '/^# the rest/,$d; /^#/d' lab/config/deb.config | grep -vxFf $obj/.config.new > $log &&
	{ echo "the configuration of the kernel refuses $(tr '\n' ' ' < $log)" >&2; exit 1; }
cmp -s $obj/.config.new $obj/.config || cp $obj/.config.new $obj/.config

: > $obj/.started
start=$(date +%s)
while sleep 60; do
	echo "  packages ($name): $(find $obj -name '*.o' -newer $obj/.started | wc -l) objects, $(($(date +%s) - start)) s"
done &
counter=$!
trap 'kill $counter 2> /dev/null' EXIT
# into the directory above the objects
rm -f $linux/linux-*.deb
kmake -j"$(nproc)" bindeb-pkg > $log 2>&1 || {
	echo "The packages do not build." >&2
	lab/scripts/explain.sh $log >&2
	exit 1
}
# linux-libc-dev, which it makes as well, would replace the one of the distribution
rm -f $out/*.deb $linux/linux-libc-dev_*.deb $linux/linux-upstream_*
mv $linux/linux-*.deb $out/
echo "built in $(($(date +%s) - start)) s:"
ls $out/*.deb
