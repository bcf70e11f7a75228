#!/bin/sh
# W=1 and sparse: our files give no warning, the files that we touch none that
# the base does not give. checkpatch --strict on every mail of the series.
set -u
linux=build/linux
scripts/packages.sh sparse perl || exit 1
git_files() { git -C $linux diff --name-only base series -- '*.c'; }
objects=$(git_files | grep -v '^tools/' | grep -v '_test\.c$' | sed 's/\.c$/.o/')
kmake() { make -s -C $linux O=obj-check CC='ccache gcc' HOSTCC='ccache gcc' "$@"; }
config() {
	mkdir -p $linux/obj-check
	cat config/plain.config > $linux/obj-check/fragment
	kmake KCONFIG_ALLCONFIG=fragment allnoconfig > /dev/null
}
warnings() { # FILE: what the compiler and sparse say, without line numbers
	grep -E '(warning|error):' "$1" | sed 's/^\.\.\///; s/:[0-9]*:[0-9]*:/:/' | sort -u
}

status=0
config
echo "W=1 and C=1 on the series"
# shellcheck disable=SC2086
rm -f $(for o in $objects; do echo $linux/obj-check/$o; done)
kmake -j"$(nproc)" W=1 C=1 CHECK='sparse' $objects > build/check-series.log 2>&1 || {
	tail -n 20 build/check-series.log
	exit 1
}
git -C $linux checkout -q base || exit 1
trap 'git -C $linux checkout -q series' EXIT
config
old=$(for o in $objects; do [ -e $linux/${o%.o}.c ] && echo $o; done)
echo "W=1 and C=1 on the base"
rm -f $(for o in $old; do echo $linux/obj-check/$o; done)
kmake -j"$(nproc)" W=1 C=1 CHECK='sparse' $old > build/check-base.log 2>&1
git -C $linux checkout -q series
trap - EXIT

warnings build/check-series.log > build/check-series.txt
warnings build/check-base.log > build/check-base.txt
if comm -23 build/check-series.txt build/check-base.txt | grep .; then
	echo "these warnings are new"
	status=1
fi

echo "checkpatch --strict"
scripts/series.sh export > /dev/null
for mail in build/series/*.patch; do
	case $mail in */0000-*) continue ;; esac
	(cd $linux && scripts/checkpatch.pl --strict --quiet --no-summary \
		--ignore FILE_PATH_CHANGES,EMAIL_SUBJECT,BAD_SIGN_OFF,FROM_SIGN_OFF_MISMATCH \
		"../../$mail") || status=1
done
exit $status
