/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Devices that are given memory of a process, and copy from one place in it to
 * another. Functions end the program with a message if they cannot do their work.
 */
#ifndef DEVICE_H
#define DEVICE_H

#include <err.h>
#include <stddef.h>

/* As much as is copied at once: half of the memory that QEMU's "edu" device has. */
#define COPIED 2048

struct device {
	void (*open)(void);
	/* Let the device have this memory. Return: 0 or -errno. */
	int (*give)(void *p, size_t len);
	/* Both are offsets into the memory, which need not be mapped any more. */
	void (*copy)(size_t from, size_t to);
	void (*take_back)(void);
	/* The device may still have memory. */
	void (*close)(void);
};

/* "edu", assigned by VFIO: its DMA goes through the IOMMU. */
extern const struct device vfio_device;
/* rxe0, with a queue pair that is connected to itself. */
extern const struct device rdma_device;

/* What sets errno has been successful. */
static inline void need(int ok, const char *what)
{
	if (!ok)
		err(1, "%s", what);
}

#endif
