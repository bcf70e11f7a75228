// SPDX-License-Identifier: GPL-2.0
/*
 * A device, assigned by VFIO, that works on memory of a famfs file.
 *
 *   vfio DEVICE GROUP FILE MOUNTPOINT
 *
 * DEVICE is the PCI address of QEMU's "edu" device, which has a DMA engine and
 * a buffer of 4 KiB. FILE is 4 MiB long. It is unmapped and closed before the
 * device starts; from then on, only the DMA mapping keeps the file system
 * mounted.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>

#define SIZE (4UL << 20)
#define PAGE 4096
#define IOVA 0x1000000UL
/* registers in BAR 0, and its memory as DMA knows it */
#define EDU_SRC 0x80
#define EDU_DST 0x88
#define EDU_COUNT 0x90
#define EDU_COMMAND 0x98
#define EDU_START 1
#define EDU_TO_RAM 2
#define EDU_BUFFER 0x40000
/* QEMU 7.2 refuses to copy all of its memory at once */
#define LEN 2048

static int device;
static uint64_t bar;

static void need(int ok, const char *what)
{
	if (!ok)
		err(1, "%s", what);
}

static void set(unsigned int reg, uint32_t value)
{
	need(pwrite(device, &value, 4, bar + reg) == 4, "write to a register");
}

/* Let the device copy LEN bytes between its memory and @iova. */
static void dma(uint64_t iova, int to_ram)
{
	uint32_t command = EDU_START | (to_ram ? EDU_TO_RAM : 0);
	int tries = 1000;

	set(EDU_SRC, to_ram ? EDU_BUFFER : iova);
	set(EDU_DST, to_ram ? iova : EDU_BUFFER);
	set(EDU_COUNT, LEN);
	set(EDU_COMMAND, command);
	/* it takes a tenth of a second */
	do {
		usleep(10000);
		need(pread(device, &command, 4, bar + EDU_COMMAND) == 4, "read of a register");
	} while ((command & EDU_START) && --tries);
	if (!tries)
		errx(1, "the device does not finish");
}

static void open_device(const char *name, const char *group_path, int *container)
{
	struct vfio_region_info region = { .argsz = sizeof(region) };
	int group = open(group_path, O_RDWR);
	uint16_t cmd;

	need(group >= 0, group_path);
	*container = open("/dev/vfio/vfio", O_RDWR);
	need(*container >= 0, "/dev/vfio/vfio");
	need(!ioctl(group, VFIO_GROUP_SET_CONTAINER, container), "VFIO_GROUP_SET_CONTAINER");
	need(!ioctl(*container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), "VFIO_SET_IOMMU");
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

static void map_dma(int container, const char *file)
{
	struct vfio_iommu_type1_dma_map map = {
		.argsz = sizeof(map),
		.flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		.iova = IOVA,
		.size = SIZE,
	};
	int fd = open(file, O_RDWR);
	uint8_t *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	size_t i;

	need(p != MAP_FAILED, file);
	for (i = 0; i < SIZE; i++)
		p[i] = i * 7 + (i >> 12) * 13;
	map.vaddr = (uintptr_t)p;
	need(!ioctl(container, VFIO_IOMMU_MAP_DMA, &map), "VFIO_IOMMU_MAP_DMA");
	munmap(p, SIZE);
	close(fd);
}

/* Does page @to of the file begin with what page @from had? */
static int copied(const char *file, unsigned int from, unsigned int to)
{
	uint8_t page[LEN];
	int fd = open(file, O_RDONLY);
	size_t i;

	need(pread(fd, page, LEN, (off_t)to * PAGE) == LEN, file);
	close(fd);
	for (i = 0; i < LEN; i++)
		if (page[i] != (uint8_t)(i * 7 + from * 13))
			return 0;
	return 1;
}

int main(int argc, char **argv)
{
	struct vfio_iommu_type1_dma_unmap unmap = {
		.argsz = sizeof(unmap),
		.iova = IOVA,
		.size = SIZE,
	};
	int container, i;

	if (argc != 5)
		errx(2, "usage: vfio DEVICE GROUP FILE MOUNTPOINT");
	open_device(argv[1], argv[2], &container);
	map_dma(container, argv[3]);
	if (!umount(argv[4]) || errno != EBUSY)
		errx(1, "the file system does not stay mounted");
	dma(IOVA + 5 * PAGE, 0);
	dma(IOVA + 700 * PAGE, 1);
	if (!copied(argv[3], 5, 700))
		errx(1, "the file does not have what the device has copied");
	if (!umount(argv[4]) || errno != EBUSY)
		errx(1, "the file system does not stay mounted after another open");
	need(!ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap), "VFIO_IOMMU_UNMAP_DMA");
	for (i = 0; i < 100 && umount(argv[4]); i++)
		usleep(100000);
	if (i == 100)
		errx(1, "the pins do not end");
	return 0;
}
