// SPDX-License-Identifier: GPL-2.0
/* QEMU's "edu" device, which has a DMA engine and a buffer of 4 KiB. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#include "device.h"
#include "util.h"

#define IOVA 0x1000000UL
/* registers in BAR 0, and its memory as DMA knows it */
#define EDU_SRC 0x80
#define EDU_DST 0x88
#define EDU_COUNT 0x90
#define EDU_COMMAND 0x98
#define EDU_START 1
#define EDU_TO_RAM 2
#define EDU_BUFFER 0x40000

static int container = -1, group = -1, device = -1;
static size_t size;
static uint64_t bar;

static void set(unsigned int reg, uint32_t value)
{
	need(pwrite(device, &value, 4, bar + reg) == 4, "write to a register");
}

/* Let the device copy between its memory and @iova. */
static void dma(uint64_t iova, bool to_ram)
{
	uint32_t command = EDU_START | (to_ram ? EDU_TO_RAM : 0);
	int tries = 1000;

	set(EDU_SRC, to_ram ? EDU_BUFFER : iova);
	set(EDU_DST, to_ram ? iova : EDU_BUFFER);
	set(EDU_COUNT, COPIED);
	set(EDU_COMMAND, command);
	/* it takes a tenth of a second */
	do {
		usleep(10000);
		need(pread(device, &command, 4, bar + EDU_COMMAND) == 4, "read of a register");
	} while ((command & EDU_START) && --tries);
	if (!tries)
		errx(1, "the device does not finish");
}

/* Return: its PCI address. */
static const char *find_edu(void)
{
	DIR *dir = opendir("/sys/bus/pci/devices");
	struct dirent *d;

	while (dir && (d = readdir(dir)))
		if (!strcmp(read_text(strf("/sys/bus/pci/devices/%s/vendor", d->d_name)),
			    "0x1234\n") &&
		    !strcmp(read_text(strf("/sys/bus/pci/devices/%s/device", d->d_name)),
			    "0x11e8\n"))
			return strdup(d->d_name);
	errx(1, "QEMU was started without an edu device");
}

static void enable(const char *name)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	uint16_t cmd;

	device = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, name);
	need(device >= 0, name);
	region.index = VFIO_PCI_CONFIG_REGION_INDEX;
	need(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region), "configuration space");
	need(pread(device, &cmd, 2, region.offset + PCI_COMMAND) == 2, "PCI_COMMAND");
	cmd |= PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	need(pwrite(device, &cmd, 2, region.offset + PCI_COMMAND) == 2, "PCI_COMMAND");
	region.argsz = sizeof(region);
	region.index = VFIO_PCI_BAR0_REGION_INDEX;
	need(!ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &region), "BAR 0");
	bar = region.offset;
}

static void vfio_open(void)
{
	const char *name = find_edu();
	char path[64] = "/dev/vfio/", link[256];
	ssize_t n;

	/* once is enough, and the second time it is EEXIST */
	write_text("/sys/bus/pci/drivers/vfio-pci/new_id", "1234 11e8");
	n = readlink(strf("/sys/bus/pci/devices/%s/iommu_group", name), link, sizeof(link) - 1);
	need(n > 0, "there is no IOMMU");
	link[n] = 0;
	strcat(path, strrchr(link, '/') + 1);
	group = open(path, O_RDWR | O_CLOEXEC);
	need(group >= 0, path);
	container = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC);
	need(container >= 0, "/dev/vfio/vfio");
	need(!ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), "VFIO_GROUP_SET_CONTAINER");
	need(!ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "VFIO_SET_IOMMU");
	enable(name);
}

static int vfio_give(void *p, size_t len)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.vaddr = (uintptr_t)p,
		.iova = IOVA,
		.size = len,
	};

	size = len;
	return ioctl(container, VFIO_IOMMU_MAP_DMA, &map) ? -errno : 0;
}

static void vfio_copy(size_t from, size_t to)
{
	dma(IOVA + from, false);
	dma(IOVA + to, true);
}

static void vfio_take_back(void)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = IOVA,
		.size = size,
	};

	need(!ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap), "VFIO_IOMMU_UNMAP_DMA");
	if (unmap.size != size)
		errx(1, "VFIO_IOMMU_UNMAP_DMA: only %#zx bytes", (size_t)unmap.size);
}

static void vfio_close(void)
{
	close(device);
	close(group);
	close(container);
}

const struct device vfio_device = {
	.open = vfio_open,
	.give = vfio_give,
	.copy = vfio_copy,
	.take_back = vfio_take_back,
	.close = vfio_close,
};
