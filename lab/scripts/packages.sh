#!/bin/sh
# Installs the Debian packages that are missing, or says how to.
#
#   packages.sh PACKAGE...
set -u
if ! command -v apt-get > /dev/null; then
	echo "This is not Debian. What these packages have there has to be installed: $*" >&2
	exit 0
fi
missing=
for p in "$@"; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null | grep -q '^install ok installed' ||
		missing="$missing $p"
done
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ]; then
	echo "These packages are missing. As root, run:" >&2
	echo "  apt-get update && apt-get install -y --no-install-recommends$missing" >&2
	exit 1
fi
echo "installing:$missing"
mkdir -p build
log=build/packages.log
# shellcheck disable=SC2086
install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing; }
# Packages that apt has downloaded before need no network.
{ install || { apt-get update && install; }; } > $log 2>&1 && exit 0
if grep -qE 'No space left|enough free space' $log; then
	lab/scripts/explain.sh $log >&2
else
	grep '^E: ' $log | tail -n 5 >&2
	cat >&2 <<EOF
The packages cannot be installed; the whole log is in $log.
Without a network: on another Debian of this release, run
  apt-get update && apt-get install --download-only --no-install-recommends$missing
copy its /var/cache/apt/archives/*.deb to the same place here, and try again.
EOF
fi
exit 1
