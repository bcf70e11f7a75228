#!/bin/sh
# Installs the Debian packages that are missing, or says how to.
#
#   packages.sh PACKAGE...
set -u
missing=
for p in "$@"; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed' ||
		missing="$missing $p"
done
[ -n "$missing" ] || exit 0
cmd="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" != 0 ]; then
	echo "These packages are missing. As root, run:" >&2
	echo "  apt-get update && $cmd" >&2
	exit 1
fi
echo "installing:$missing"
mkdir -p build
{ apt-get update && DEBIAN_FRONTEND=noninteractive $cmd; } > build/packages.log 2>&1 && exit 0
tail -n 20 build/packages.log >&2
echo "could not install; the whole log is in build/packages.log" >&2
exit 1
