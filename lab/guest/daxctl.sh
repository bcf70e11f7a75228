#!/bin/sh
# Takes a device through the modes that daxctl knows. Prints KTAP.
#
#   daxctl.sh hmem|pmem|cxl
#
# The device is soft-reserved memory, a namespace that ndctl makes of pmem, or a region
# that cxl makes of volatile memory behind CXL.
. /tests/dax.sh
kind=$1
PATH=/usr/bin:/usr/sbin:$PATH
number=0 status=0

result() { # STATUS NAME
	number=$((number + 1))
	if [ "$1" = 0 ]; then
		echo "ok $number $kind: $2"
		return
	fi
	sed 's/^/# /' /tmp/out
	echo "not ok $number $kind: $2"
	status=1
}
works() { # NAME COMMAND...
	local name=$1
	shift
	"$@" > /tmp/out 2>&1
	result $? "$name"
}
refused() { # NAME MESSAGE COMMAND...: fails, says so, and leaves the mode as it is
	local name=$1 message=$2 before
	shift 2
	before=$(mode)
	! "$@" > /tmp/out 2>&1 && grep -qF -- "$message" /tmp/out && is "$before"
	result $? "$name is refused"
}

# The member of the first object that daxctl, ndctl or cxl prints
member() { # NAME
	sed -n "s/^ *\"$1\":\"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}$/\1/p" | head -n 1
}
mode() { daxctl list -d "$dev" | member mode; }
# daxctl and sysfs agree
is() { # MODE
	[ "$(mode)" = "$1" ] && [ "$(dax_mode "$dev")" = "$1" ] && return
	echo "daxctl: mode $(mode); the driver is that of mode $(dax_mode "$dev")" >> /tmp/out
	return 1
}
reconfigure() { # MODE [OPTION...]
	local mode=$1
	shift
	daxctl reconfigure-device --mode="$mode" "$@" "$dev" && is "$mode"
}
disabled() { [ "$(daxctl list -i -d "$dev" | member state)" = disabled ]; }

# ---- a famfs on the device: read(2) and write(2) of the device need famfs mode, too
write_it() { dd if=/tmp/pattern of="/dev/$dev" bs=64k conv=notrunc; }
kept() { head -c 4194304 "/dev/$dev" | cmp - /tmp/pattern; }
mounted() {
	modprobe fuse
	printf 'dev 0 /dev/%s\nfile simple 644 16M simple 0:8M:16M\nfile small 644 5000 simple 0:24M:8K\n' \
		"$dev" > /tmp/layout
	serve /mnt/famfs simple > /dev/null 2>&1 &&
		demo /tmp/stats /mnt/famfs/simple /mnt/famfs/small
}


# ---- devices: $dev, and $region, where others can be made
hmem_device() {
	modprobe -a dax_hmem device_dax kmem || return 1
	dev=$(daxctl list | member chardev)
	region=${dev#dax} region=${region%.*}
	[ -n "$dev" ]
}
pmem_device() {
	modprobe -a nd_pmem nd_e820 dax_pmem device_dax kmem || return 1
	ns=$(ndctl list -N -i | member dev)
	ndctl create-namespace -f -e "$ns" -m devdax > /tmp/ns || return 1
	dev=$(member chardev < /tmp/ns) region=
	[ -n "$dev" ] && is devdax
}
cxl_device() {
	modprobe -a cxl_acpi cxl_pci cxl_port cxl_mem dax_cxl device_dax kmem || return 1
	local i=0
	until [ -n "$(cxl list -M | member memdev)" ] || [ $i -gt 100 ]; do
		usleep 100000
		i=$((i + 1))
	done
	cxl create-region -t ram -d decoder0.0 -m "$(cxl list -M | member memdev)" > /tmp/region || return 1
	cat /tmp/region
	dev=$(cd /sys/bus/dax/devices && for d in *; do
		case $(readlink -f "$d") in */"$(member region < /tmp/region)"/*) echo "$d" ;; esac
	done)
	region=${dev#dax} region=${region%.*}
	[ -n "$dev" ]
}
not_famfs() { [ "$(mode)" = devdax ] || [ "$(mode)" = system-ram ]; }

works "daxctl is version 85 or newer" [ "$(daxctl --version)" -ge 85 ]
works "the device" "${kind}_device"
[ -n "${dev:-}" ] || exit 1
yes 'famfs keeps this' | head -c 4194304 > /tmp/pattern

# ---- what daxctl-reconfigure-device(1) says
works "it does not come up in famfs mode" not_famfs
works "-> devdax" reconfigure devdax -f
works "devdax -> famfs" reconfigure famfs
works "the module has been loaded" [ -d /sys/module/fsdev_dax ]
works "the device can be written" write_it
works "famfs -> famfs" reconfigure famfs
works "famfs -> devdax" reconfigure devdax
works "devdax -> famfs, again" reconfigure famfs
works "the data has survived" kept
works "famfs -> famfs, with --force" reconfigure famfs --force
works "famfs -> devdax, again" reconfigure devdax
works "devdax -> system-ram" reconfigure system-ram
refused "system-ram -> famfs" "is in system-ram mode; must be in devdax mode" reconfigure famfs
refused "system-ram -> famfs, with --force" "is in system-ram mode; must be in devdax mode" \
	reconfigure famfs --force
refused "system-ram -> devdax, with memory online" "Device or resource busy" reconfigure devdax
works "system-ram -> devdax, with --force" reconfigure devdax --force
works "devdax -> famfs, after system-ram" reconfigure famfs
works "famfs -> system-ram, without --no-online" reconfigure system-ram
works "offline-memory" daxctl offline-memory "$dev"
works "system-ram -> devdax, with memory offline" reconfigure devdax
works "devdax -> system-ram, with --no-online" reconfigure system-ram --no-online
refused "system-ram -> famfs, with memory offline" "is in system-ram mode" reconfigure famfs
works "system-ram -> devdax, never online" reconfigure devdax
works "disable-device in devdax mode" daxctl disable-device "$dev"
works "list -i shows it as disabled" disabled
works "disabled -> famfs" reconfigure famfs
works "disable-device in famfs mode" daxctl disable-device "$dev"
works "list -i shows that as disabled" disabled
works "enable-device" daxctl enable-device "$dev"
works "that is devdax mode" is devdax
works "devdax -> famfs, after all that" reconfigure famfs

# ---- errors
refused "an unknown mode" "Invalid argument" daxctl reconfigure-device --mode=nonsense "$dev"
refused "--no-online for famfs" "--no-online is incompatible with --mode=famfs" \
	daxctl reconfigure-device --mode=famfs --no-online "$dev"
refused "offline-memory in famfs mode" "memory operations are not applicable" \
	daxctl offline-memory "$dev"
refused "online-memory in famfs mode" "memory operations are not applicable" \
	daxctl online-memory "$dev"
nothing() { daxctl reconfigure-device --mode=famfs dax99.9 2>&1 | grep -qx 'reconfigured 0 devices'; }
works "no device of that name" nothing

# ---- a file system on it
works "famfs on it: written by mmap, read by read(2)" mounted
[ ! -e /mnt/famfs/simple ] || exec 3< /mnt/famfs/simple
works "mounted famfs -> devdax" reconfigure devdax
stale() { ! head -c 1 <&3 > /dev/null; }
works "its files cannot be read any more" stale
exec 3<&-
works "unmount" umount /mnt/famfs
works "devdax -> famfs, after the mount" reconfigure famfs
works "famfs on it, again" mounted
works "unmount, again" umount /mnt/famfs

# ---- devices of a region, which has room; a namespace has one, as large as itself
if [ -n "$region" ]; then
	first=$dev
	refused "resize a device in famfs mode" "failed to set size" \
		daxctl reconfigure-device -s 512M "$dev"
	works "disable it" daxctl disable-device "$dev"
	works "make it smaller" daxctl reconfigure-device -s 512M "$dev"
	works "make another one" daxctl create-device -r "$region" -s 256M
	both() { [ "$(daxctl list -D -r "$region" | grep -c '"mode":"famfs"')" = 2 ]; }
	works "all of the region -> famfs" daxctl reconfigure-device --mode=famfs -r "$region" all
	works "both are in famfs mode" both
	dev=dax$region.1
	refused "destroy a device in famfs mode" "is active, specify --force" \
		daxctl destroy-device "$dev"
	works "destroy it, with --force" daxctl destroy-device --force "$dev"
	gone() { ! daxctl list -i | grep -q "\"$dev\""; }
	works "it is gone" gone
	dev=$first
	works "the first one is in famfs mode" is famfs
else
	works "disable-namespace in famfs mode" ndctl disable-namespace "$ns"
	gone() { [ ! -e /sys/bus/dax/devices/"$dev" ]; }
	works "the device is gone" gone
	works "enable-namespace" ndctl enable-namespace "$ns"
	works "it comes back in devdax mode" is devdax
	works "devdax -> famfs, after that" reconfigure famfs
	works "destroy-namespace in famfs mode" ndctl destroy-namespace -f "$ns"
	works "that device is gone, too" gone
fi
echo "1..$number"
exit $status
