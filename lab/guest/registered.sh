#!/bin/sh
# Memory of famfs files that devices have: registered_test, the example in famfs.rst, and
# perftest over rxe. Prints KTAP.
. /tests/dax.sh
root=/rdma dir=/mnt/famfs
number=0 status=0
check() { # NAME COMMAND...
	local name=$1
	shift
	number=$((number + 1))
	"$@" > /tmp/out 2>&1 && { echo "ok $number $name"; return; }
	tail -n 30 /tmp/out | sed 's/^/#   /'
	echo "not ok $number $name"
	status=1
}
run() { chroot $root /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin "$@"; }
# ---- io_uring
example() {
	head -c 1048576 /dev/urandom > /tmp/data && fill $dir/two < /tmp/data &&
		cmp -n 1048576 /tmp/data $dir/two
}

# ---- RDMA
prepare_rdma() {
	ip link set lo up && ip addr add 10.0.0.1/24 dev dummy0 && ip link set dummy0 up &&
		run rdma link add rxe0 type rxe netdev dummy0 && ls /sys/class/infiniband &&
		gid=$(grep -il ffff:0a00:0001 /sys/class/infiniband/rxe0/ports/1/gids/* | sed 's,.*/,,') &&
		[ -n "$gid" ]
}
# Both sides have 64 KiB to send from, and behind that 64 KiB to receive into
perftest() { # OPTION...
	run ib_write_bw -d rxe0 -x "$gid" -s 65536 -F "$@"
}
rdma_write() {
	perftest -n 50 --mmap=$dir/two > /tmp/receiver 2>&1 &
	sleep 1
	perftest -n 50 --mmap=$dir/one 10.0.0.1 && wait $! || { cat /tmp/receiver; return 1; }
	cmp -n 65536 $dir/one $dir/two 0 65536
}
# A memory region lasts until the process that registered it exits.
rdma_unbind() {
	perftest -D 60 --mmap=$dir/two > /tmp/receiver 2>&1 &
	sleep 1
	perftest -D 60 --mmap=$dir/one 10.0.0.1 > /tmp/sender 2>&1 &
	within 30 eval '[ "$(run rdma resource show mr | grep -c mrn)" -ge 2 ]'
	echo "$dev" > /sys/bus/dax/drivers/fsdev_dax/unbind &
	unbinder=$!
	within 10 eval 'dmesg | tail -n 5 | grep -q "waiting for pages of inode"'
	dmesg | tail -n 5
	[ "$(pidof ib_write_bw | wc -w)" = 2 ] && kill -0 $unbinder &&
		dmesg | tail -n 5 | grep -q 'waiting for pages of inode' || return 1
	killall ib_write_bw
	wait $unbinder && [ "$(dax_mode "$dev")" = disabled ]
}

devs=$(sh /tests/devices.sh) && export "$devs"
dev=$(echo "$devs" | sed 's/.*small=\([^,]*\).*/\1/')
for d in dev proc sys tmp; do
	mkdir -p $root/$d
	mount --rbind /$d $root/$d
done
check "rdma: make a device" prepare_rdma
/tests/registered_test || status=1
dax_set_mode "$dev" famfs || { echo "not ok 1 $dev: famfs mode"; exit 1; }
cat > /tmp/layout <<END
dev 0 /dev/$dev
file one 644 4M simple 0:0:4M
file two 644 4M simple 0:4M:4M
END
serve $dir one || { echo "not ok 1 mount"; exit 1; }
check "io_uring: the example in famfs.rst" example
mkdir -p $root$dir
mount --bind $dir $root$dir
check "rdma: ib_write_bw from one file to another" rdma_write
check "rdma: unbinding waits for the memory region" rdma_unbind
check "unmount" eval 'umount $root$dir && umount $dir'
echo "1..$number"
exit $status
