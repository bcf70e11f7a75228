#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes the dax devices that the tests need, and prints the line of the
# environment that lets the tests use them. For virtual machines: what the
# devices had in them is lost.
#
#   setup.sh DEVICE [NAMESPACE]
#
# DEVICE is a dynamic device of 1408 MiB or more, such as dax0.0 of memory that
# was reserved with efi_fake_mem= or memmap=SIZE%OFFSET-1+0xefffffff. It becomes
# smaller, and two devices are made in what that leaves, and a third one if it
# leaves 2 GiB more. NAMESPACE is one of pmem, of 168 MiB or more, such as
# namespace0.0 of memmap=SIZE!OFFSET. It becomes a static device.
#
#   export $(./setup.sh dax0.0 namespace0.0)
set -eu
dax=/sys/bus/dax nd=/sys/bus/nd
[ $# -gt 0 ] || { sed -n '4,/^set/s/^# \{0,1\}//p' "$0"; exit 2; }
big=$1 ns=${2:-}

disable() { # DEVICE
	drv=$(basename "$(readlink $dax/devices/"$1"/driver)" || true)
	[ -n "$drv" ] || return 0
	echo "$1" > $dax/drivers/"$drv"/unbind
	echo "$1" > $dax/drivers/"$drv"/remove_id 2> /dev/null || true
}

create() { # BYTES -> name of a new device in the region of $big
	echo 1 > "$region/create"
	new=$(cat "$region/create")
	echo "$1" > $dax/devices/"$new"/size
	echo "$new"
}

disable "$big"
region=$(readlink -f $dax/devices/"$big"/..)/dax_region
echo $((1 << 30)) > $dax/devices/"$big"/size
two=$(create $((128 << 20)))
small=$(create $((128 << 20)))
# small is in the way, so this makes a second range
echo $((256 << 20)) > $dax/devices/"$two"/size
devs="big=$big,two=$two,small=$small"
if [ "$(cat "$region/available_size")" -ge $((2 << 30)) ]; then
	devs="$devs,large=$(create $((2 << 30)))"
fi

if [ -n "$ns" ]; then
	before=$(ls $dax/devices)
	parent=$(readlink -f $nd/devices/"$ns"/..)
	echo "$ns" > $nd/drivers/nd_pmem/unbind 2> /dev/null || true
	seed=$(cat "$parent/dax_seed")
	echo $((2 << 20)) > "$parent/$seed/align"
	cat /proc/sys/kernel/random/uuid > "$parent/$seed/uuid"
	echo pmem > "$parent/$seed/mode"
	echo "$ns" > "$parent/$seed/namespace"
	echo "$seed" > $nd/drivers/dax_pmem/bind
	for new in $(ls $dax/devices); do
		case " $(echo $before) " in
		*" $new "*) ;;
		*) devs="$devs,pmem=$new" ;;
		esac
	done
fi
echo "FAMFS_TEST_DEVS=$devs"
