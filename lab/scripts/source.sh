#!/bin/sh
# Gets the source of the base into build/BASE/linux, as a git repository with
# one commit, tagged "base". Does nothing if it is there.
#
# Taken from, in this order: $KERNEL_SRC, build/cache, the Debian package from
# the mirror that apt is configured with.
set -eu
. lab/scripts/base.sh
. lab/scripts/apt.sh
cache=build/cache archives=build/cache/apt/trixie-backports/archives
log=$build/source.log
[ -e $linux/.git/famfs-complete ] && exit 0
package=linux-source-$BASE
tried=

# What trixie-backports had once and has no longer
case $BASE in
7.0) old_package=linux-source-7.0_7.0.13-1~bpo13+1_all.deb
	old_sum=9de21058e4237f2533f044ec67af0b5edc3d879db2f3c8f2a396a33467154274 ;;
*) old_package= ;;
esac

# A log, because one cause can have thousands of messages.
logged() { # COMMAND...
	("$@") > $log 2>&1 && return
	lab/scripts/explain.sh $log >&2
	exit 1
}

copy() { # TREE
	tar c -C "$1" --exclude=./.git . | tar x -C $linux || return 1
	# Another build has left its results there.
	[ ! -e $linux/.config ] && [ ! -e $linux/include/config ] || make -s -C $linux mrproper
}

from_tree() {
	[ -n "${KERNEL_SRC:-}" ] || return 1
	lab/scripts/version.sh "$KERNEL_SRC" || exit 1
	echo "copying $KERNEL_SRC"
	logged copy "$KERNEL_SRC"
}

extract() { # FILE
	case $1 in
	*.deb) dpkg-deb --fsys-tarfile "$1" |
		tar xO --wildcards './usr/src/linux-source-*.tar.xz' |
		tar xJ -C $linux --strip-components=1 ;;
	*) tar xJf "$1" -C $linux --strip-components=1 ;;
	esac
}

unpack() { # FILE
	echo "unpacking $1"
	logged extract "$1"
}

from_cache() {
	newest=$(ls -v $cache/"$package"_*.deb $cache/linux-"$BASE"[.-]*.tar.xz 2> /dev/null | tail -n 1)
	[ -s "$newest" ] || return 1
	unpack "$newest"
}

# What the series is not for yet.
say_newer() { # MIRROR
	newest=$(with_suite trixie-backports "$1" apt-cache search --names-only '^linux-source-[0-9.]*$' |
		sed 's/ .*//' | sort -V | tail -n 1)
	[ "$newest" = "$package" ] ||
		[ "$(printf '%s\n' "$newest" "$package" | sort -V | tail -n 1)" = "$package" ] ||
		echo "trixie-backports has $newest, too; this is the series for Linux $BASE"
}

# The newest version that the index names.
from_index() { # MIRROR
	tried="$tried
  $package in trixie-backports of $1"
	with_suite trixie-backports "$1" apt-get -q update > /dev/null || return 1
	say_newer "$1"
	rm -f $archives/"$package"_*.deb
	with_suite trixie-backports "$1" apt-get -q download "$package" > /dev/null || return 1
	mv $archives/"$package"_*.deb $cache/
}

# A version that the index names no longer.
from_pool() { # MIRROR
	for f in $old_package; do
		tried="$tried
  $f in the pool of $1"
		/usr/lib/apt/apt-helper download-file "$1/pool/main/l/linux/$f" "$cache/$f" \
			"SHA256:$old_sum" > $cache/fetch.log 2>&1 && return
		rm -f "$cache/$f"
	done
	return 1
}

from_mirror() {
	echo "looking for $package"
	for uri in $(mirrors); do
		from_index "${uri%/}" || from_pool "${uri%/}" || continue
		from_cache
		return
	done
	return 1
}

mkdir -p $cache
rm -rf $linux
mkdir -p $linux
if ! { from_tree || from_cache || from_mirror; }; then
	cat >&2 <<END
No source of Linux $BASE could be had. Tried:$tried
Without a network, get one of these files elsewhere and put it into $cache/:
  linux-$version.tar.xz, from kernel.org
  ${package}_${version}-1~bpo13+1_all.deb, from pool/main/l/linux/ of a Debian mirror
or use a tree that you have: make run BASE=$BASE KERNEL_SRC=/path/to/linux-$version
END
	exit 1
fi
import() {
	cd $linux &&
		# Debian's tree ignores everything outside of debian/
		sed -i '/^# Debian packaging: ignore everything/,$d' .gitignore &&
		git init -q -b main . &&
		echo '/obj-*' >> .git/info/exclude &&
		git config user.name 'famfs for Linux' &&
		git config user.email famfs@localhost.localdomain &&
		git config gc.auto 0 &&
		git add -A -f &&
		git commit -q -m "Linux $BASE" &&
		git tag base &&
		touch .git/famfs-complete
}
echo "importing the tree into git"
logged import
