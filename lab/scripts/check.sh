#!/bin/sh
# W=1 and sparse: our files give no warning, the files that we touch none that
# the base does not give. The tests that messages name exist. checkpatch --strict on
# every mail of the series.
set -u
. lab/scripts/base.sh
base=$build/base
lab/scripts/packages.sh sparse perl || exit 1

# prints what the compiler and sparse say, without line numbers
warnings() { # TREE OBJECTS
	tree=$1
	shift
	kmake() { make -s -C $tree O=obj-check CC='ccache gcc' HOSTCC='ccache gcc' "$@"; }
	mkdir -p $tree/obj-check
	cat lab/config/base.config lab/config/$BASE.config lab/config/plain.config \
		lab/config/registered.config lab/config/peers.config > $tree/obj-check/fragment
	kmake KCONFIG_ALLCONFIG=fragment allnoconfig > /dev/null 2>&1
	for o in "$@"; do rm -f "$tree/obj-check/$o"; done
	kmake -j"$(nproc)" W=1 C=1 CHECK=sparse "$@" > $build/check.log 2>&1 || {
		tail -n 20 $build/check.log >&2
		echo "does not build; the whole log is in $build/check.log" >&2
		exit 1
	}
	grep -E '(warning|error):' $build/check.log |
		sed 's/^\.\.\///; s/:[0-9]*:[0-9]*:/:/' | sort -u
}

[ -e $base/Makefile ] || git -C $linux worktree add -q --detach ../base base || exit 1
changed=$(git -C $linux diff --name-only base series -- '*.c' |
	grep -v '^tools/' | grep -v '_test\.c$')
new= old=
for c in $changed; do
	new="$new ${c%.c}.o"
	[ ! -e "$base/$c" ] || old="$old ${c%.c}.o"
done
status=0
echo "W=1 and sparse"
# shellcheck disable=SC2086
warnings $linux $new > $build/check-series.txt || exit 1
# shellcheck disable=SC2086
warnings $base $old > $build/check-base.txt || exit 1
if comm -23 $build/check-series.txt $build/check-base.txt | grep .; then
	echo "these warnings are new"
	status=1
fi

# PROGRAM:TEST in the message of a patch
tests=tools/testing/selftests/filesystems/famfs
echo "tests that messages name"
for p in $(cat "series/$BASE"); do
	for t in $(sed '/^---$/q' "series/$p" | grep -oE '[a-z]+_test:[a-z0-9_]+'); do
		grep -qsE "^TEST(_F)?\((\w+, )?${t#*:}\)" "$tests/${t%%:*}.c" || {
			echo "series/$p: there is no test $t"
			status=1
		}
	done
done

lab/scripts/series.sh export > /dev/null || exit 1
top=$PWD
for mail in build/series/$BASE/*/*.patch; do
	case $mail in */0000-*) continue ;; esac
	(cd $linux && scripts/checkpatch.pl --strict --quiet --no-summary \
		--ignore FILE_PATH_CHANGES,BAD_SIGN_OFF,FROM_SIGN_OFF_MISMATCH \
		"$top/$mail")
done > $build/checkpatch.txt 2> /dev/null
for kind in ERROR WARNING CHECK; do
	echo "checkpatch --strict: $(grep -c "^$kind:" $build/checkpatch.txt) of kind $kind"
done
if grep -A 2 '^ERROR:' $build/checkpatch.txt; then
	status=1
fi
exit $status
