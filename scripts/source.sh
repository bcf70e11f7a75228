#!/bin/sh
# Gets the source of Linux 7.0 into build/linux, as a git repository with one
# commit, tagged "base". Does nothing if it is there.
#
# Taken from, in this order: $KERNEL_SRC, build/cache, the Debian package from
# the mirror that apt is configured with, kernel.org.
set -eu
build=build cache=build/cache
linux=$build/linux
log=$build/source.log
[ -e $linux/.git/famfs-complete ] && exit 0

debs='linux-source-7.0_7.0.13-1~bpo13+1_all.deb
linux-source-7.0_7.0.13-1_all.deb
linux-source-7.0_7.0.12-2~bpo13+1_all.deb'
deb_sum=9de21058e4237f2533f044ec67af0b5edc3d879db2f3c8f2a396a33467154274
tarball=linux-7.0.13.tar.xz
tried=

# A log, because one cause can have thousands of messages.
logged() { # COMMAND...
	("$@") > $log 2>&1 && return
	scripts/explain.sh $log >&2
	exit 1
}

copy() { # TREE
	tar c -C "$1" --exclude=./.git . | tar x -C $linux || return 1
	# Another build has left its results there.
	[ ! -e $linux/.config ] && [ ! -e $linux/include/config ] || make -s -C $linux mrproper
}

from_tree() {
	[ -n "${KERNEL_SRC:-}" ] || return 1
	scripts/version.sh "$KERNEL_SRC" || exit 1
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
	for f in $debs $tarball; do
		[ -s "$cache/$f" ] || continue
		unpack "$cache/$f"
		return
	done
	return 1
}

fetch() { # URI FILE [SUM]
	tried="$tried
  $1"
	/usr/lib/apt/apt-helper download-file "$1" "$cache/$2" ${3:+SHA256:$3} \
		> $cache/fetch.log 2>&1 && return
	rm -f "$cache/$2"
	return 1
}

from_mirror() {
	for uri in $(apt-get indextargets --format '$(REPO_URI)' | sort -u); do
		for f in $debs; do
			sum=
			[ "$f" != "${debs%%
*}" ] || sum=$deb_sum
			echo "looking for $f"
			fetch "${uri%/}/pool/main/l/linux/$f" "$f" $sum || continue
			unpack "$cache/$f"
			return
		done
	done
	return 1
}

from_kernel_org() {
	fetch "https://cdn.kernel.org/pub/linux/kernel/v7.x/$tarball" $tarball &&
		unpack $cache/$tarball
}

mkdir -p $cache
rm -rf $linux
mkdir -p $linux
if ! { from_tree || from_cache || from_mirror || from_kernel_org; }; then
	cat >&2 <<EOF
No source of Linux 7.0.13 could be had. Tried:$tried
Without a network, get one of these files elsewhere and put it into $cache/:
  $tarball, from https://cdn.kernel.org/pub/linux/kernel/v7.x/
  ${debs%%
*}, from pool/main/l/linux/ of a Debian mirror
or use a tree that you have: make run KERNEL_SRC=/path/to/linux-7.0.13
EOF
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
		git commit -q -m 'Linux 7.0' &&
		git tag base &&
		touch .git/famfs-complete
}
echo "importing the tree into git"
logged import
