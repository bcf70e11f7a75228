#!/bin/sh
# Instructions per operation, famfs beside its peers, in one boot.
#
#   bench.sh all	all rows, a chart, and a few rows by the wall clock
#   bench.sh gate	fails if famfs is more than 3 % above lab/bench/BASE.csv
#   bench.sh baseline	makes that file
#   bench.sh fio	fio on one CPU and on two, by the wall clock
#   bench.sh long	a file of nearly a TiB, and binding, with the kernel of "make modules"
#
# With -icount the guest's clock advances by one nanosecond per instruction.
# What else could differ from run to run is fixed: random numbers, the time of
# day and the layout of address spaces. Results are in build/BASE/bench.
set -eu
. lab/scripts/base.sh
unset KVM # only the emulator counts instructions
out=$build/bench
lab/scripts/packages.sh e2fsprogs gnuplot-nox gzip
mkdir -p $out
rm -f $out/gate*

# ext4 that aligns to 2 MiB where it can
img=$out/ext4.img
rm -f $img
truncate -s 192M $img
/sbin/mkfs.ext4 -q -b 4096 -U 00000000-0000-4000-8000-000000000000 \
	-E stride=512,stripe_width=512,lazy_itable_init=0,lazy_journal_init=0,hash_seed=00000000-0000-4000-8000-000000000000 $img
gzip -n -1 -c $img > $build/selftests/ext4.gz
rm $img
tests=$linux/tools/testing/selftests/filesystems/famfs
lab/scripts/cc.sh -o $build/selftests/bench lab/bench/bench.c $tests/util.c
cp lab/bench/bench.sh lab/bench/long.sh $build/selftests/
extra=
case $1 in
long)
	extra=$out/long
	mkdir -p $extra/tests
	find $linux/obj-modules -name '*.ko' -exec cp {} $extra/tests/ \;
	;;
fio)
	lab/scripts/unpack.sh bookworm fio fio
	extra=$out/fio
	rm -rf $extra
	lab/scripts/rootfs.sh fio $extra/apps
	# only tools that come with fio need it
	rm -rf $extra/apps/usr/lib/python3*
	;;
esac
lab/scripts/initramfs.sh $extra
rm $build/selftests/ext4.gz

# The guest prints all rows at the end: how long that takes depends on the host.
run() { # NAME CPUS QEMU-OPTIONS KIND [FILES]
	name=$1 cpus=$2 qemu=$3
	shift 3
	CONSOLE=$out/$name.log lab/scripts/guest.sh -s $cpus -m 14 -t 1200 \
		-a "memmap=256M!1G norandmaps" -q "$qemu" $build/plain/bzImage \
		"BENCH_SLEEP=${moment:-0} sh /tests/bench.sh $* > /tmp/rows; s=\$?; cat /tmp/rows; exit \$s" \
		> $out/$name.tsv && return
	grep -v '	' $out/$name.tsv >&2
	exit 1
}
icount='-icount shift=0,sleep=off -cpu max,-rdrand,-rdseed -rtc base=2026-01-01,clock=vm'
table() { # WHAT FILE...
	what=$1
	shift
	awk -F '\t' -v what=$what -f lab/bench/table.awk "$@"
}

# seconds that a run starts later, see lab/bench/bench.sh
moments='0 1.7 3.1 4.4 6.3'
case $1 in
gate)
	# a value counts if it is too high at all of them
	for moment in $moments; do
		run gate-$moment 1 "$icount" icount 0
		table csv $out/gate-*.tsv > $out/gate.csv
		! awk -f lab/bench/compare.awk lab/bench/$BASE.csv $out/gate.csv || exit 0
	done
	exit 1
	;;
baseline)
	for moment in $moments; do
		run gate-$moment 1 "$icount" icount 0
	done
	table median $out/gate-*.tsv > lab/bench/$BASE.csv
	;;
long)
	# Memory that is never touched is a hole in this file.
	trap 'rm -f $out/long.memory' EXIT
	truncate -s 958G $out/long.memory
	CONSOLE=$out/long.log lab/scripts/guest.sh -s 1 -m 966 -r 8 -f $out/long.memory -t 1200 \
		-a norandmaps -q "$icount" $build/modules/bzImage "for m in fuse fsdev_dax dax_hmem; do
			insmod /tests/\$m.ko || exit; done
			sh /tests/bench.sh long" > $out/long.tsv || { cat $out/long.tsv >&2; exit 1; }
	table all $out/long.tsv
	;;
fio)
	for cpus in 1 2; do
		run fio-$cpus $cpus "" fio $cpus
		printf '\n%d CPU, MiB per second of all jobs:\n\n' $cpus
		table all $out/fio-$cpus.tsv
	done | tee $out/fio.md
	;;
all)
	run bench 1 "$icount" icount 100000
	table csv $out/bench.tsv > $out/bench.csv
	gnuplot -e "csv='$out/bench.csv'; svg='$out/bench.svg'" lab/bench/chart.gp
	{
		echo "Instructions per operation; in parentheses, famfs / peer:"
		echo
		table peers $out/bench.tsv
		echo
		echo "How it grows: one extent in a file of 64 MiB and of 2000 MiB (big), 32"
		echo "extents, 1000 of one length (e) and of two (u), interleaved 2, 4 and 8"
		echo "ways, and 100 and 100000 cached files:"
		echo
		table growth $out/bench.tsv
	} | tee $out/bench.md
	run wall 2 "" wall
	run threads 1 "" threads
	{
		echo
		echo "Nanoseconds on this machine's emulated CPUs, by the wall clock:"
		echo
		table all $out/wall.tsv
		echo
		echo "The threads again, in a guest with one CPU:"
		echo
		table all $out/threads.tsv
	} | tee -a $out/bench.md
	echo
	echo "$out/bench.csv, $out/bench.svg, $out/bench.md"
	;;
esac
