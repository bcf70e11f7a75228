#!/bin/sh
# Unpacks packages of a Debian suite, with all that they depend on, to build/debian/NAME,
# or the upstream source of one. Nothing is installed.
#
#   unpack.sh SUITE NAME PACKAGE...
#   unpack.sh -s SUITE NAME PACKAGE
#
# Does nothing if they are there, and needs no network if they have been downloaded
# before. Fails with one line if they cannot be had.
set -eu
. lab/scripts/apt.sh
what=packages
[ "$1" != -s ] || { what=source; shift; }
suite=$1 name=$2
shift 2
root=build/debian/$name
debs=$PWD/build/cache/apt/$suite/$name
[ "$(cat "$root/.complete" 2> /dev/null)" != "$suite $*" ] || exit 0

# For apt, nothing is installed, so that it takes every dependency from the suite.
get_packages() { # MIRROR PACKAGE...
	mirror=$1
	shift
	mkdir -p "$debs/partial"
	: > "$debs/status"
	with_suite "$suite" "$mirror" apt-get -qq -y --no-install-recommends --download-only \
		-o Debug::NoLocking=1 -o Dir::State::Status="$debs/status" \
		-o Dir::Cache::Archives="$debs" install "$@" > /dev/null &&
		with_suite "$suite" "$mirror" apt-get -qq -o Debug::NoLocking=1 \
			-o Dir::Cache::Archives="$debs" autoclean > /dev/null
}
get_source() { # MIRROR PACKAGE
	with_suite "$suite" "$1" apt-get -qq --download-only --tar-only source "$2" > /dev/null &&
		mkdir -p "$debs" && mv build/cache/apt/"$suite"/archives/"$2"_*.orig.tar.* "$debs/"
}
update() { with_suite "$suite" "$1" apt-get -qq update > /dev/null; }
get() { # PACKAGE...
	for uri in $(mirrors); do
		get_$what "$uri" "$@" || { update "$uri" && get_$what "$uri" "$@"; } || continue
		return
	done
	echo "$* cannot be had from $suite" >&2
	return 1
}

unpack_packages() {
	for deb in "$debs"/*.deb; do
		dpkg-deb -x "$deb" "$root"
	done
}
unpack_source() { tar xf "$(ls -v "$debs"/*.orig.tar.* | tail -n 1)" -C "$root" --strip-components=1; }

ls "$debs"/*.orig.tar.* > /dev/null 2>&1 || get "$@"
rm -rf "$root"
mkdir -p "$root"
unpack_$what
echo "$suite $*" > "$root/.complete"
