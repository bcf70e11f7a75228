#!/bin/sh
# What "make run" shows: a dax device becomes a file system.
. /tests/dax.sh
dev=dax0.0
say() { printf '\n== %s\n' "$*"; }

echo "Linux $(uname -r), $(nproc) CPUs"
say "The device"
before=$(dax_mode $dev)
dax_set_mode $dev famfs || exit 1
printf '/dev/%s, %d MiB: mode %s -> %s\n' $dev \
	$(($(cat /sys/bus/dax/devices/$dev/size) >> 20)) "$before" "$(dax_mode $dev)"

cat > /tmp/layout <<END
dev 0 /dev/$dev
dir demo 755
file demo/simple 644 16M simple 0:10M:16M
file demo/three 644 12M simple 0:64M:4M 0:32M:2M 0:96M:6M
file demo/small 644 5000 simple 0:128M:8K
file demo/interleaved 644 24M interleave 2M 24M 0:256M:6M 0:288M:6M 0:320M:6M 0:352M:6M
END
serve /mnt/famfs demo || exit 1

say "The files, as DEVICE:OFFSET:LENGTH (interleaved: CHUNK BYTES STRIPS...)"
sed -n 's/^file \(demo\/[^ ]*\) [0-7]* \([^ ]*\) /\1\t\2\t/p' /tmp/layout

say "Write through a mapping, read with read(2)"
demo /tmp/stats /mnt/famfs/demo/simple /mnt/famfs/demo/three \
	/mnt/famfs/demo/small /mnt/famfs/demo/interleaved || exit 1
