#!/bin/sh
# Measures famfs beside its peers, all in one boot. Prints "row, file system,
# value", separated by tabs; "#" starts a comment.
#
#   bench.sh icount [FILES]	all rows, and FILES more files for what grows
#   bench.sh wall		a few rows and the threads, by the wall clock
#   bench.sh threads		the threads only, for a guest with one CPU
#   bench.sh fio JOBS		fio, by the wall clock
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

mount_made() { # DEVICE SIZE: a file of SIZE as /mnt/made/one
	dax_set_mode $1 famfs || return 1
	printf 'dev 0 /dev/%s\nfile one 644 %s simple 0:0:%s\n' $1 $2 $2 > /tmp/layout.made
	start /tmp/layout.made /mnt/made /tmp/stats.made
	: < /mnt/made/one
}
unless_famfs() { # NAME COMMAND...: what has been measured for famfs without an option
	local name=$1
	shift
	"$@" > /tmp/unless || return 1
	[ $name = famfs ] || cat /tmp/unless
}
mapped_giant() { # NAME: orders of access, with mappings of 1 GiB; unmount with one such entry
	local what
	bench below $1 /mnt/made/one && umount /mnt/made && mount_made $giant 1G &&
		bench order $1 /mnt/made/one && umount /mnt/made || return 1
	for what in unmount delay; do
		mount_made $giant 1G && bench giant $1 /mnt/made/one > /dev/null &&
			bench $what $1 /mnt/made > /tmp/$what || return 1
		sed 's/unmount/unmount of 1 GiB/' /tmp/$what
	done
}
made() { # NAME BYTES: what depends on who makes the folios
	if [ $2 -le $((2 * M)) ]; then
		dax_set_folio $raw $2 && mount_made $raw 256M &&
			unless_famfs $1 bench mmap $1 /mnt/made/one &&
			unless_famfs $1 bench small $1 /mnt/made/one && umount /mnt/made || return 1
	fi
	dax_set_folio $giant $2 && mount_made $giant 1G &&
		unless_famfs $1 bench giant $1 /mnt/made/one || return 1
	# folios of 2 MiB cannot be mapped with 1 GiB
	case $2 in
	$((2 * M))) umount /mnt/made ;;
	*) mapped_giant $1 ;;
	esac || return 1
	bench bind $1 $giant fsdev_dax
}
# Unmount has a cost of its own. What it adds for each entry is the difference of two.
few=32 many=1024
unmounts() { # NAME BYTES
	# no more memory than that: a device of which all is bound takes long
	dax_set_folio $hmem $2 && dax_resize $hmem $((2 * many * M)) || return 1
	for n in $few $many; do
		mount_made $hmem $((2 * n))M && bench fill $1 /mnt/made/one &&
			bench unmount $1 /mnt/made || return 1
	done > /tmp/unmount
	awk -F '\t' -v few=$few -v many=$many 'NR == 1 { base = $3; next } {
		each = ($3 - base) / (many - few)
		printf "unmount per 2 MiB entry\t%s\t%.1f\n", $2, each
		printf "unmount without entries\t%s\t%.1f\n", $2, base - few * each
	}' /tmp/unmount
	mount_made $hmem $((2 * many))M && bench fill $1 /mnt/made/one && bench delay $1 /mnt/made
}
# First faults are of files of a new mount. Their memory has been touched before, so that the
# machine has it.
first_threads() { # NAME BYTES
	dax_set_folio $hmem $2 && dax_resize $hmem $((2304 * M)) && dax_set_mode $hmem famfs || return 1
	{
		echo "dev 0 /dev/$hmem"
		echo "file one 644 1792M simple 0:0:1792M"
		echo "file other 644 512M simple 0:1792M:512M"
	} > /tmp/layout.made
	start /tmp/layout.made /mnt/made /tmp/stats.made
	bench fill $1 /mnt/made/one && bench fill $1 /mnt/made/other && umount /mnt/made || return 1
	start /tmp/layout.made /mnt/made /tmp/stats.made
	bench first-threads $1 /mnt/made/one /mnt/made/other && umount /mnt/made
}

peers="ext4:/mnt/ext4/one tmpfs:/mnt/tmpfs/one tmpfs-huge:/mnt/huge/one"
famfs="famfs:/mnt/famfs/one"
# MiB per second of $files jobs for three seconds each, on 64 MiB. A job that fails is left
# out: raw devdax has neither pread nor pwrite.
fio_row() { # ENGINE BYTES PATTERN NAME:FILE
	chroot /apps /usr/bin/fio --minimal --name=job --thread --group_reporting --numjobs=$files \
		--ioengine=$1 --bs=$2 --rw=$3 --filename=${4#*:} --size=64M --time_based --runtime=3 \
		--norandommap --randseed=1 --fallocate=none --allow_file_create=0 \
		--overwrite=1 2> /dev/null |
		awk -F ';' -v row="$1 $3 $2" -v name=${4%%:*} '$5 == 0 && $7 + $48 {
			printf "%s\t%s\t%.1f\n", row, name, ($7 + $48) / 1024 }'
}
if [ $kind = fio ]; then
	for d in dev proc sys tmp mnt; do
		mkdir -p /apps/$d && mount --rbind /$d /apps/$d || exit 1
	done
	for engine in mmap psync; do
		for access in "4k randread" "4k randwrite" "2m read" "2m write"; do
			for f in devdax:/dev/$raw $peers $famfs; do
				fio_row $engine $access $f
			done
		done
	done
	exit
fi
if [ $kind != icount ]; then
	if [ $kind = wall ]; then
		each mmap devdax:/dev/$raw $peers $famfs | grep -v '	tmpfs	'
		each small $peers $famfs
		each rw $peers $famfs
	fi
	for d in huge ext4; do
		dd if=/dev/zero of=/mnt/$d/other bs=$((2 * M)) count=32 2> /dev/null || exit 1
	done
	bench threads ext4 /mnt/ext4/one /mnt/ext4/other
	bench threads tmpfs-huge /mnt/huge/one /mnt/huge/other
	bench threads famfs /mnt/famfs/one /mnt/famfs/other
	umount /mnt/famfs && first_threads famfs 4096 && first_threads famfs-2m $((2 * M))
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
for f in devdax:/dev/$raw anon: anon-huge: $peers famfs:/mnt/famfs/one; do
	bench register ${f%%:*} ${f#*:} || exit 1
done
bench bind devdax $giant device_dax && made famfs 4096 && made famfs-2m $((2 * M)) &&
	made famfs-1g $((1024 * M)) || exit 1

again() { # FILES: the same again, with so many files in the caches
	each small famfs-$1:/mnt/famfs/one
	each rw famfs-$1:/mnt/famfs/one
	each upcall famfs-$1:/mnt/famfs/one
}

slab() { # -> bytes
	awk '/^Slab:/ { print $2 * 1024 }' /proc/meminfo
}

if [ $files != 0 ]; then
	again 100
	bench stat /mnt/famfs/d*
	before=$(slab)
	bench touch /mnt/famfs/d*
	printf 'memory per cached file\tfamfs\t%d\n' $((($(slab) - before + files / 2) / files))
	again $files
	bench first famfs-$files /mnt/famfs/g*
fi
# the device of all the files above
umount /mnt/famfs && unmounts famfs 4096 && unmounts famfs-2m $((2 * M))
