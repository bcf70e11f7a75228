#!/bin/sh
# Measures famfs beside its peers, all in one boot. Prints "row, file system,
# value", separated by tabs; "#" starts a comment.
#
#   bench.sh icount [FILES]	all rows, and FILES more files for what grows
#   bench.sh wall		a few rows and the threads, by the wall clock
#   bench.sh long		a file of half a million extents beside one of one extent
. /tests/dax.sh
kind=$1 files=${2:-0}
# the same run at another moment, with respect to what happens periodically
sleep ${BENCH_SLEEP:-0}
M=1048576

start() { # LAYOUT DIR STATS FLAGS
	mkdir -p $2
	setsid famfs_server $4 $1 $2 $3 > /dev/null 2>&1 &
	until [ -e $2/one ]; do usleep 100000; done # until it answers
}

each() { # WHAT NAME:PATH...
	local what=$1 f stats
	shift
	for f; do
		stats=
		case $f in
		*:/mnt/noopen/*) stats=/tmp/stats.noopen ;;
		*:/mnt/famfs/*) stats=/tmp/stats ;;
		esac
		${stats:+env BENCH_STATS=$stats} bench $what ${f%:*} ${f#*:} || exit 1
	done
}

hmem=$(ls $DAX/devices | head -n 1)
dax_disable "$hmem" || exit 1
if [ $kind = long ]; then
	. /tests/long.sh
	exit
fi
dax_resize "$hmem" $((10240 * M)) || exit 1
giant=$(dax_create "$hmem" $((1024 * M)) $((1024 * M))) || exit 1
noopen=$(dax_create "$hmem" $((256 * M))) || exit 1
raw=$(dax_create "$hmem" $((256 * M))) || exit 1
dax_set_mode "$hmem" famfs && dax_set_mode "$noopen" famfs &&
	dax_set_mode "$raw" devdax && dax_set_mode "$giant" devdax || exit 1

{
	echo "dev 0 /dev/$hmem"
	echo "file one 644 64M simple 0:0:64M"
	echo "file other 644 64M simple 0:64M:64M"
	echo "file e32 644 64M simple $(seq 0 31 | awk '{ printf "0:%dM:2M ", 128 + $1 * 11 % 32 * 2 }')"
	echo "file i2 644 64M interleave 2M 64M $(seq 0 1 | awk '{ printf "0:%dM:32M ", 192 + $1 * 32 }')"
	echo "file i4 644 64M interleave 2M 64M $(seq 0 3 | awk '{ printf "0:%dM:16M ", 256 + $1 * 16 }')"
	echo "file i8 644 64M interleave 2M 64M $(seq 0 7 | awk '{ printf "0:%dM:8M ", 320 + $1 * 8 }')"
	echo "file fresh 644 64M simple 0:896M:64M"
	echo "file e1000 644 2000M simple $(seq 0 999 | awk '{ printf "0:%dM:2M ", 1024 + $1 * 617 % 1000 * 2 }')"
	# lengths that differ
	echo "file u1000 644 3000M simple $(seq 0 999 | awk '{ printf "0:%dM:%dM ", 3072 + $1 * 617 % 1000 * 4, 2 + $1 % 2 * 2 }')"
	# one extent, but as long as the others with many; not aligned to 1 GiB
	echo "file big 644 2000M simple 0:7170M:2000M"
	echo "file giant 644 1G simple 0:9216M:1G"
	seq 0 99 | awk '{
		printf "file f%d 644 4K simple 0:%dK:4K\n", $1, 393216 + $1 * 4
		printf "file g%d 644 4K simple 0:%dK:4K\n", $1, 397312 + $1 * 4
	}'
	[ "$files" = 0 ] || seq 0 $((files / 100 - 1)) | awk '
		{ printf "dir d%d\n", $1; n = NR }
		END {
			for (i = 0; i < n * 100; i++)
				printf "file d%d/f%d 644 4K simple 0:%dK:4K\n", i / 100, i % 100, 425984 + i * 4
		}'
} > /tmp/layout
{
	echo "dev 0 /dev/$noopen"
	echo "file one 644 64M simple 0:0:64M"
} > /tmp/layout.noopen

start /tmp/layout /mnt/famfs /tmp/stats
start /tmp/layout.noopen /mnt/noopen /tmp/stats.noopen -n
mkdir -p /mnt/ext4 /mnt/tmpfs /mnt/huge
zcat /tests/ext4.gz > /dev/pmem0 && mount -t ext4 -o dax=always /dev/pmem0 /mnt/ext4 || exit 1
mount -t tmpfs -o huge=never tmpfs /mnt/tmpfs
mount -t tmpfs -o huge=always tmpfs /mnt/huge
for d in ext4 tmpfs huge; do
	dd if=/dev/zero of=/mnt/$d/one bs=$((2 * M)) count=32 2> /dev/null || exit 1
done
sync

mount_made() { # DEVICE BYTES SIZE: a file of SIZE on folios of BYTES, as /mnt/made/one
	dax_set_folio $1 $2 && dax_set_mode $1 famfs || return 1
	printf 'dev 0 /dev/%s\nfile one 644 %s simple 0:0:%s\n' $1 $3 $3 > /tmp/layout.made
	start /tmp/layout.made /mnt/made /tmp/stats.made
	: < /mnt/made/one
}
made() { # NAME BYTES: what depends on who makes the folios
	if [ $2 -le $((2 * M)) ]; then
		mount_made $raw $2 256M || return 1
		bench mmap $1 /mnt/made/one > /tmp/mmap || return 1
		[ $1 = famfs ] || cat /tmp/mmap
		[ $1 = famfs ] || bench small $1 /mnt/made/one
		bench unmount $1 /mnt/made 32 || return 1
	fi
	mount_made $giant $2 1G || return 1
	bench giant $1 /mnt/made/one > /tmp/giant || return 1
	[ $1 = famfs ] || cat /tmp/giant
	case $2 in
	$((2 * M))) umount /mnt/made ;;
	*) bench unmount $1 /mnt/made 1 ;;
	esac || return 1
	bench bind $1 $giant fsdev_dax
}

peers="ext4:/mnt/ext4/one tmpfs:/mnt/tmpfs/one tmpfs-huge:/mnt/huge/one"
famfs="famfs:/mnt/famfs/one"
if [ $kind = wall ]; then
	each mmap devdax:/dev/$raw $peers $famfs | grep -v '	tmpfs	'
	each small $peers $famfs
	each rw $peers $famfs
	cp /mnt/tmpfs/one /mnt/tmpfs/other
	cp /mnt/ext4/one /mnt/ext4/other
	for f in famfs tmpfs ext4; do
		bench threads $f /mnt/$f/one /mnt/$f/other
	done
	exit
fi

for f in big e32 e1000 u1000 i2 i4 i8; do
	famfs="$famfs famfs-$f:/mnt/famfs/$f"
done
# what is measured is the access: the maps are fetched before
for f in $famfs; do : < ${f#*:}; done
each mmap devdax:/dev/$raw $peers $famfs | grep -v '	tmpfs	'
each small $peers $famfs
for d in ext4 huge; do
	dd if=/dev/zero of=/mnt/$d/fresh bs=$((2 * M)) count=32 2> /dev/null || exit 1
done
: < /mnt/famfs/fresh
each fresh ext4:/mnt/ext4/fresh tmpfs-huge:/mnt/huge/fresh famfs:/mnt/famfs/fresh
each rw $peers $famfs
each giant devdax:/dev/$giant famfs:/mnt/famfs/giant famfs-big:/mnt/famfs/big
each open $peers famfs:/mnt/noopen/one
each upcall famfs:/mnt/famfs/one
bench first famfs /mnt/famfs/f*
bench bind devdax $giant device_dax && made famfs 4096 && made famfs-2m $((2 * M)) &&
	made famfs-1g $((1024 * M)) || exit 1
[ $files != 0 ] || exit 0

again() { # FILES: the same again, with so many files in the caches
	each small famfs-$1:/mnt/famfs/one
	each rw famfs-$1:/mnt/famfs/one
	each upcall famfs-$1:/mnt/famfs/one
}
again 100

slab() { # -> bytes
	awk '/^Slab:/ { print $2 * 1024 }' /proc/meminfo
}
bench stat /mnt/famfs/d*
before=$(slab)
bench touch /mnt/famfs/d*
printf 'memory per cached file\tfamfs\t%d\n' $((($(slab) - before + files / 2) / files))
again $files
bench first famfs-$files /mnt/famfs/g*
