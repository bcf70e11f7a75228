#!/bin/bash
# Runs unit tests of ndctl, whose results are 0, 77 for a skip, or a failure. Prints
# KTAP. The test modules of tools/testing/nvdimm are those that modprobe finds.
#
#   ndctl.sh TEST...
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export NDCTL=/usr/bin/ndctl DAXCTL=/usr/bin/daxctl CXL=/usr/bin/cxl
export TEST_PATH=/ndctl DATA_PATH=/ndctl
mkdir -p /root /var/log /tmp/work
cd /tmp/work || exit 1 # which has O_DIRECT, unlike the initramfs
# The tests look for a trace in the log of a system that has systemd.
printf '#!/bin/sh\nexec dmesg\n' > /usr/bin/journalctl
chmod +x /usr/bin/journalctl
# Nothing loads modules for devices here, and tests unload them.
modules() { modprobe -a nfit nd_pmem nd_e820 nd_btt dax_pmem device_dax kmem; }
modules
# The NVDIMM of QEMU has no labels yet; one namespace is for daxctl-devices.sh.
{
	ndctl disable-region -b ACPI.NFIT all
	ndctl init-labels -f -b ACPI.NFIT all
	ndctl enable-region -b ACPI.NFIT all
	ndctl create-namespace -b ACPI.NFIT -m fsdax -s 4G
} > /tmp/namespace 2>&1 || sed 's/^/# /' /tmp/namespace

number=0 status=0
for name; do
	number=$((number + 1))
	modules
	timeout 1800 "/ndctl/$name" > /tmp/out 2> /tmp/err
	case $? in
	0) echo "ok $number $name" ;;
	77)
		sed 's/^/# /' /tmp/out /tmp/err | tail -n 3
		echo "ok $number $name # SKIP"
		;;
	*)
		grep -hv '^lib' /tmp/out /tmp/err | tail -n 40 | sed 's/^/# /'
		echo "not ok $number $name"
		status=1
		;;
	esac
done
echo "1..$number"
exit $status
