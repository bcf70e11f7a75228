#!/bin/sh
# Boots a kernel in QEMU and runs a command in it.
#
#   guest.sh [-i] [-s CPUS] [-m GIB] [-r GIB] [-f FILE] [-t SECONDS] [-a CMDLINE] [-q QEMU-OPTION]... KERNEL COMMAND
#
# The memory above 2 GiB (or -r) becomes a dax device. With -f it is FILE, which guests
# can share. The directory $FAMFS_SHARE of the host, if any, is /mnt/share in the guest.
# With $KVM it runs on KVM; QEMU emulates otherwise.
#
# Prints what the command prints and returns its status, 124 if the time is
# over, 125 if the guest died, 126 if QEMU did not get the memory. The kernel's
# log is in build/BASE/console.log (or $CONSOLE). With -i the command has the terminal.
# $QEMU is the emulator, with options.
set -u
. lab/scripts/base.sh
cpus=2 gib=4 own=2 seconds=300 append= interactive= qemu= shared=
while getopts is:m:r:f:t:a:q: o; do
	case $o in
	i) interactive=1 ;;
	s) cpus=$OPTARG ;;
	m) gib=$OPTARG ;;
	r) own=$OPTARG ;;
	f) shared=$OPTARG ;;
	t) seconds=$OPTARG ;;
	a) append=$OPTARG ;;
	q) qemu="$qemu $OPTARG" ;;
	*) exit 2 ;;
	esac
done
shift $((OPTIND - 1))
kernel=$1 command=$2
console=${CONSOLE:-$build/console.log}

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/root"
printf '%s\n' "$command" > "$tmp/root/cmd"
[ -z "$interactive" ] || : > "$tmp/root/interactive"
{
	cat "$build/initramfs.cpio"
	(cd "$tmp/root" && find . -mindepth 1 | cpio -o -H newc --quiet)
} > "$tmp/initrd"

# The first 2 GiB are below 4 GiB, the rest is above. Soft-reserved memory becomes a dax
# device. A relocated kernel could land in it.
append="console=ttyS0 panic=-1 nokaslr memhp_default_state=offline \
memmap=$((gib - own))G%$((own + 2))G-1+0xefffffff quiet loglevel=7 $append"
# identify_cpu() clears the features of the boot CPU and detects them again. KASAN takes an
# interrupt meanwhile for a wild access, because page tables seem to have four levels.
case $kernel in */debug/*) append="no5lvl $append" ;; esac

memory="-object memory-backend-ram,id=ram,size=${gib}G -numa node,memdev=ram"
[ -z "$shared" ] || memory="-object memory-backend-ram,id=ram,size=${own}G -numa node,memdev=ram \
-object memory-backend-file,id=shared,share=on,mem-path=$shared,size=$((gib - own))G -numa node,memdev=shared"

# Not by default: /dev/kvm may exist and hang an ordinary guest.
accel=tcg
if [ -n "${KVM:-}" ]; then
	[ -c /dev/kvm ] && [ -r /dev/kvm ] && [ -w /dev/kvm ] || {
		echo "KVM=1 needs /dev/kvm, which is missing here or not yours to use." >&2
		exit 2
	}
	accel=kvm
fi

# shellcheck disable=SC2086
set -- ${QEMU:-qemu-system-x86_64} -M q35 -accel $accel -cpu max -smp "$cpus" -m "${gib}G" $memory \
	-kernel "$kernel" -initrd "$tmp/initrd" -append "$append" \
	-nodefaults -display none -no-reboot \
	-serial "file:$console" $qemu
if [ -n "${FAMFS_SHARE:-}" ]; then
	[ -d "$FAMFS_SHARE" ] || { echo "SHARE=$FAMFS_SHARE is not a directory." >&2; exit 2; }
	# QEMU wants a comma twice.
	set -- "$@" -device virtio-9p-pci,fsdev=share,mount_tag=share \
		-fsdev "local,id=share,security_model=none,path=$(printf '%s\n' "$FAMFS_SHARE" | sed 's/,/,,/g')"
fi

no_memory() { # WHY
	echo "There is not enough memory for a guest of $gib GiB: $1." >&2
	echo "$(awk '/^MemAvailable/ { printf "%.1f", $2 / 1048576 }' /proc/meminfo) GiB are available;" \
		"a limit (ulimit -v, a control group) may allow less." >&2
	exit 126
}

if [ -n "$interactive" ]; then
	old=$(stty -g)
	stty raw -echo
	"$@" -chardev stdio,id=tty,signal=off -serial chardev:tty
	status=$?
	stty "$old"
	exit $status
fi

start=$(date +%s)
{
	timeout -k 5 "$seconds" "$@" -serial stdio < /dev/null 2> "$tmp/qemu"
	echo $? > "$tmp/qemu-status"
} | sed -u -e 's/\r//g' -e "/^guest-exit: /{s///;w $tmp/status" -e 'd}'
if [ -s "$tmp/status" ]; then
	exit "$(cat "$tmp/status")"
fi
case $(cat "$tmp/qemu-status") in
0) why="no status from the guest" status=125 ;;
124 | 137)
	# 137 before its time: by the kernel, which needs the memory
	[ $(($(date +%s) - start)) -ge "$seconds" ] || no_memory "QEMU has been killed"
	why="the guest has not finished within $seconds s" status=124 ;;
*)
	! grep -q 'Cannot allocate memory' "$tmp/qemu" || no_memory "$(head -n 1 "$tmp/qemu")"
	cat "$tmp/qemu" >&2
	why="QEMU has failed" status=125 ;;
esac
echo "guest.sh: $why; the end of $console:" >&2
tail -n 60 "$console" >&2
exit $status
