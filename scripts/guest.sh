#!/bin/sh
# Boots a kernel in QEMU and runs a command in it.
#
#   guest.sh [-i] [-s CPUS] [-m GIB] [-t SECONDS] [-a CMDLINE] [-q QEMU-OPTION]... KERNEL COMMAND
#
# Prints what the command prints and returns its status, 124 if the time is
# over, 125 if the guest died. The kernel's log is in build/console.log (or
# $CONSOLE). With -i the command has the terminal.
set -u
build=${BUILD:-build}
cpus=2 gib=4 seconds=300 append= interactive= qemu=
while getopts is:m:t:a:q: o; do
	case $o in
	i) interactive=1 ;;
	s) cpus=$OPTARG ;;
	m) gib=$OPTARG ;;
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

# The guest has 2 GiB for itself. Soft-reserved memory above 4 GiB becomes a dax device. A relocated kernel
# could land in it.
append="console=ttyS0 panic=-1 nokaslr memhp_default_state=offline \
memmap=$((gib - 2))G%4G-1+0xefffffff quiet loglevel=7 $append"

# /dev/kvm may exist and hang an ordinary guest, so QEMU always emulates.
# shellcheck disable=SC2086
set -- qemu-system-x86_64 -M q35 -accel tcg -cpu max -smp "$cpus" -m "${gib}G" \
	-object memory-backend-ram,id=ram,size=${gib}G -numa node,memdev=ram \
	-kernel "$kernel" -initrd "$tmp/initrd" -append "$append" \
	-nodefaults -display none -no-reboot \
	-serial "file:$console" $qemu

if [ -n "$interactive" ]; then
	old=$(stty -g)
	stty raw -echo
	"$@" -chardev stdio,id=tty,signal=off -serial chardev:tty
	stty "$old"
	exit 0
fi

timeout -k 5 "$seconds" "$@" -serial stdio < /dev/null 2> "$tmp/qemu" |
	tr -d '\r' | awk -v file="$tmp/status" '
	/^guest-exit: / { print $2 > file; next }
	{ print; fflush() }'
if [ -s "$tmp/status" ]; then
	exit "$(cat "$tmp/status")"
fi
cat "$tmp/qemu" >&2
echo "guest.sh: no status from the guest; the end of $console:" >&2
tail -n 60 "$console" >&2
exit 125
