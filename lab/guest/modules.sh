#!/bin/sh
# Loads the drivers in every order: fsdev never binds unless it is asked to, and
# can be unloaded under a mounted file system. Prints KTAP.
. /tests/dax.sh
n=0 status=0
result() { # STATUS NAME
	n=$((n + 1))
	[ "$1" = 0 ] && { echo "ok $n $2"; return; }
	echo "not ok $n $2"
	status=1
}
load() {
	for m; do insmod /tests/$m.ko || return 1; done
}
unload() {
	for m; do rmmod $m || return 1; done
}
device() { ls $DAX/devices 2> /dev/null | head -n 1; }

in_order() { # MODULES... -> the only device becomes RAM, as without fsdev
	load "$@" || return 1
	[ "$(dax_mode $(device))" = system-ram ] ||
		{ echo "# $(device): $(dax_mode $(device))"; return 1; }
	# and fsdev can have it when it is asked to
	dax_set_mode $(device) famfs && dax_set_mode $(device) devdax &&
		dax_disable $(device) || return 1
	unload dax_hmem fsdev_dax device_dax kmem
}
for order in "fsdev_dax device_dax kmem dax_hmem" "fsdev_dax dax_hmem kmem device_dax" \
	"kmem fsdev_dax device_dax dax_hmem" "device_dax kmem dax_hmem fsdev_dax" \
	"dax_hmem fsdev_dax device_dax kmem" "dax_hmem device_dax fsdev_dax kmem"; do
	in_order $order || { result 1 "order: $order"; exit 1; }
	result 0 "order: $order"
done

alone() { # nobody else is there to take the device
	load dax_hmem fsdev_dax || return 1
	[ "$(dax_mode $(device))" = disabled ] || return 1
	unload fsdev_dax
}
alone
result $? "fsdev alone does not bind"
! grep -q 'alias=' /tests/fsdev_dax.ko
result $? "no event loads fsdev"
load device_dax

mount_it() {
	load fsdev_dax && dax_set_mode $(device) famfs || return 1
	echo "dev 0 /dev/$(device)
file f 644 4M simple 0:0:4M" > /tmp/layout
	serve /mnt/famfs f > /dev/null 2>&1 || return 1
	echo something 1<> /mnt/famfs/f # which does not truncate
	[ "$(head -n 1 /mnt/famfs/f)" = something ]
}
load fuse && mount_it
result $? "mount with modules"
exec 3< /mnt/famfs/f
rmmod fsdev_dax
result $? "unload fsdev under a mounted file system"
! head -c 1 <&3 > /dev/null 2>&1
result $? "read fails afterwards"
exec 3<&-
umount /mnt/famfs
result $? "unmount"
mount_it
result $? "load, mount again, and find the content"
umount /mnt/famfs
within 5 rmmod fuse 2> /dev/null
[ ! -d /sys/module/fuse ]
result $? "unload fuse"

memmap() { # -> KiB of struct pages
	awk '$1 == "nr_memmap_pages" { print $2 * 4 }' /proc/vmstat
}
struct_pages() { # BYTES: of a folio -> KiB of struct pages for each GiB
	local before
	dax_set_folio $(device) $1 || return 1
	before=$(memmap)
	dax_set_mode $(device) famfs || return 1
	echo $((($(memmap) - before) / ($(cat $DAX/devices/$(device)/size) >> 30)))
}
four=$(struct_pages 4096) two=$(struct_pages 2097152) one=$(struct_pages 1073741824)
echo "# struct pages of a GiB: $four KiB; $two KiB in folios of 2 MiB, $one KiB in folios of 1 GiB"
[ "$four" = 16384 ] && [ "$two" = 4096 ] && [ "$one" = 8 ]
result $? "pre-built folios share struct pages"
dax_set_folio $(device) 4096
with_folios() { # BYTES PROGRAM OPTION...
	local bytes=$1
	shift
	env "$devs" FAMFS_TEST_FOLIO=$bytes "$@" > /tmp/folio &&
		grep -q '^# Totals: pass:[1-9].* fail:0 .* skip:0 ' /tmp/folio
	result $? "and serve ${1##*/}"
	grep '^not ok\|# SKIP\|^# Totals' /tmp/folio | sed 's/^/# /'
}
load fuse kmem && devs=$(sh /tests/setup.sh $(device))
result $? "more devices"
with_folios 2097152 /tests/device_test -V pmem -t unbind_mapped -t unbind_to_another_mode_and_back \
	-t unbind_pinned -t memory_failure -t memory_failure_unmapped
with_folios 2097152 /tests/file_test -V pmem -V many_lengths -V page_aligned -V small \
	-V interleaved_2_by_12k -V interleaved_3_by_64k -t map_shared -t map_private \
	-t part_of_a_mapping -t statx_and_ends -t first_access
with_folios 1073741824 /tests/giant_test -t small_access_first -t protected_and_taken_apart \
	-t memory_failure
rmmod fuse kmem
unload fsdev_dax dax_hmem device_dax
result $? "unload the rest"
exit $status
