#!/bin/bash
# Runs unit tests of ndctl, whose results are 0, 77 for a skip, or a failure. Prints
# KTAP. The test modules of tools/testing/nvdimm are those that modprobe finds.
#
#   ndctl.sh TEST...
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export NDCTL=/usr/bin/ndctl DAXCTL=/usr/bin/daxctl CXL=/usr/bin/cxl
export TEST_PATH=/ndctl DATA_PATH=/ndctl
mkdir -p /root /var/log /run/udev /work
cd /work || exit 1
# The tests look for a trace in the log of a system that has systemd.
printf '#!/bin/sh\nexec dmesg\n' > /usr/bin/journalctl
chmod +x /usr/bin/journalctl
modprobe -a nfit nd_pmem nd_e820 nd_btt dax_pmem device_dax kmem

number=0 status=0
for name; do
	number=$((number + 1))
	timeout 1800 "/ndctl/$name" > /tmp/log 2>&1
	case $? in
	0) echo "ok $number $name" ;;
	77)
		sed 's/^/# /' /tmp/log | tail -n 3
		echo "ok $number $name # SKIP"
		;;
	*)
		sed 's/^/# /' /tmp/log | tail -n 40
		echo "not ok $number $name"
		status=1
		;;
	esac
done
echo "1..$number"
exit $status
