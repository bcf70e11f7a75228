# Rows of a file of 954 GiB in extents of 2 MiB, in no order, and of a file of 2 GiB in one extent
# on the same device. Sourced by bench.sh. That many struct pages fit into the guest since
# folios of 2 MiB are built in advance.
#
# Before, what binding takes with this kernel, which shares most struct pages of such folios
# (CONFIG_NO_PAGE_MAPCOUNT): of the first GiB of the device, by drivers and sizes of folios.
bound() { # NAME DRIVER MODE
	dax_set_mode $hmem $3 && bench bind $1 $hmem $2 && dax_disable $hmem
}
attr=$DAX/devices/$hmem
all=$(cat $attr/size) align=$(cat $attr/align)
dax_resize $hmem $((1024 * M)) && insmod /tests/device_dax.ko && dax_disable $hmem || exit 1
for d in devdax-2m:$((2 * M)) devdax-1g:$((1024 * M)); do
	echo ${d#*:} > $attr/align && bound ${d%:*} device_dax devdax || exit 1
done
echo $align > $attr/align || exit 1
for f in famfs-4k:4096 famfs-2m:$((2 * M)) famfs-1g:$((1024 * M)); do
	dax_set_folio $hmem ${f#*:} && bound ${f%:*} fsdev_dax famfs || exit 1
done
dax_resize $hmem $all || exit 1

extents=$((954 * 512))
used() { # -> bytes of the kernel in slabs and vmalloc()
	awk '/^(Slab|VmallocUsed):/ { sum += $2 } END { print sum * 1024 }' /proc/meminfo
}
dax_set_folio $hmem $((2 * M)) && dax_set_mode $hmem famfs || exit 1
{
	echo "dev 0 /dev/$hmem"
	echo "file one 644 2G simple 0:0:4G"
	echo "file many 644 954G simple $(awk -v n=$extents 'BEGIN {
		for (i = 0; i < n; i++)
			printf "0:%dM:2M ", 4096 + i * 100003 % n * 2
	}')"
} > /tmp/layout
start /tmp/layout /mnt/famfs /tmp/stats
for f in one many; do
	stat /mnt/famfs/$f > /dev/null
	before=$(used)
	bench first famfs-$f /mnt/famfs/$f
	after=$(used)
	[ $f = one ] || awk -v b=$((after - before)) -v n=$extents -v f=famfs-$f \
		'BEGIN { printf "map memory per extent\t%s\t%.1f\n", f, b / n }'
done
files="famfs-one:/mnt/famfs/one famfs-many:/mnt/famfs/many"
each mmap $files
each small $files
each rw $files
