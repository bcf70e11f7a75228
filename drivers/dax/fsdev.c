// SPDX-License-Identifier: GPL-2.0
/* Copyright(c) 2026 Micron Technology, Inc. */
#include <linux/cleanup.h>
#include <linux/maple_tree.h>
#include <linux/memremap.h>
#include <linux/pagemap.h>
#include <linux/module.h>
#include <linux/device.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/dax.h>
#include <linux/uio.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/wait_bit.h>
#include "dax-private.h"
#include "bus.h"

/*
 * FS-DAX compatible devdax driver
 *
 * Unlike drivers/dax/device.c which pre-initializes compound folios based
 * on device alignment (via vmemmap_shift), this driver leaves folios
 * uninitialized similar to pmem, unless folio_size says otherwise. This allows
 * fs-dax filesystems to work without special handling for pre-initialized
 * folios.
 *
 * Key differences from device.c:
 * - pgmap type is MEMORY_DEVICE_FS_DAX (not MEMORY_DEVICE_GENERIC)
 * - vmemmap_shift is NOT set by default (folios remain order-0), and fs-dax
 *   dynamically creates compound folios as needed
 * - if vmemmap_shift is set, from folio_size in sysfs, fs-dax uses these folios
 *   as they are, and the file system knows by fs_dax_folio_order()
 * - No mmap support - a file system that holds the device, by fs_dax_get(),
 *   maps the pages through fs-dax/iomap. While none does, the character device
 *   can be read and written, by mkfs for example.
 *
 * The driver matches no device by type: it binds when its name is written to
 * new_id, and never by itself.
 */

/**
 * struct fsdev - a bound device
 * @size: bytes in all ranges, which do not change while the device is bound
 * @failed: ranges of the device, in pages, in which memory has failed since the
 *	device was bound; readers use RCU, so that an empty tree costs one load
 * @all_failed: a failure could not be recorded in @failed: nothing is trusted
 */
struct fsdev {
	u64 size;
	struct maple_tree failed;
	bool all_failed;
};

static struct fsdev *to_fsdev(struct dev_dax *dev_dax)
{
	return dev_get_drvdata(&dev_dax->dev);
}

/*
 * Clamp @nr_pages from @pgoff to what is in one range. Return: the pages, and
 * the physical address of the first in @phys; -ERANGE beyond the device.
 */
static noinline long fsdev_contiguous(struct dev_dax *dev_dax, pgoff_t pgoff,
				      long nr_pages, phys_addr_t *phys)
{
	*phys = dax_pgoff_to_phys(dev_dax, pgoff, PAGE_SIZE);
	if (*phys == (phys_addr_t)-1)
		return -ERANGE;

	for (int i = 0; i < dev_dax->nr_range; i++) {
		struct dev_dax_range *r = &dev_dax->ranges[i];
		pgoff_t end = r->pgoff + PHYS_PFN(range_len(&r->range));

		if (pgoff >= r->pgoff && pgoff < end)
			return min_t(u64, nr_pages, end - pgoff);
	}
	return -ERANGE;
}

/*
 * Clamp @nr_pages from @pgoff to what comes before the next failed page.
 * Return: the pages, -EHWPOISON if the first one has failed.
 */
static noinline long fsdev_healthy(struct fsdev *fsdev, pgoff_t pgoff,
				   long nr_pages)
{
	MA_STATE(mas, &fsdev->failed, pgoff, pgoff);

	if (READ_ONCE(fsdev->all_failed))
		return -EHWPOISON;
	guard(rcu)();
	if (!mas_find(&mas, pgoff + nr_pages - 1))
		return nr_pages;
	return mas.index > pgoff ? mas.index - pgoff : -EHWPOISON;
}

static long fsdev_dax_direct_access(struct dax_device *dax_dev, pgoff_t pgoff,
		long nr_pages, enum dax_access_mode mode, void **kaddr,
		unsigned long *pfn)
{
	struct dev_dax *dev_dax = dax_get_private(dax_dev);
	struct fsdev *fsdev;
	phys_addr_t phys;

	/* kill_dax() clears it, and waits for us to return, at any time */
	if (!dev_dax)
		return -ENXIO;
	fsdev = to_fsdev(dev_dax);

	/* as bytes, they have to fit; almost always they are all in one range */
	nr_pages = min(nr_pages, INT_MAX);
	phys = dax_pgoff_to_phys(dev_dax, pgoff, PFN_PHYS(nr_pages));
	if (unlikely(phys == (phys_addr_t)-1)) {
		nr_pages = fsdev_contiguous(dev_dax, pgoff, nr_pages, &phys);
		if (nr_pages <= 0)
			return nr_pages;
	}

	if (unlikely(!mtree_empty(&fsdev->failed) ||
		     READ_ONCE(fsdev->all_failed))) {
		nr_pages = fsdev_healthy(fsdev, pgoff, nr_pages);
		/* this driver cannot repair memory: the write fails too */
		if (nr_pages == -EHWPOISON && mode == DAX_RECOVERY_WRITE)
			return -EIO;
		if (nr_pages < 0)
			return nr_pages;
	}

	if (kaddr)
		*kaddr = __va(phys);

	if (pfn)
		*pfn = PHYS_PFN(phys);

	return nr_pages;
}

static int fsdev_dax_zero_page_range(struct dax_device *dax_dev,
			pgoff_t pgoff, size_t nr_pages)
{
	while (nr_pages) {
		void *kaddr;
		long n;

		n = fsdev_dax_direct_access(dax_dev, pgoff, nr_pages,
					    DAX_ACCESS, &kaddr, NULL);
		if (n <= 0)
			return n ? n : -ERANGE;
		memset(kaddr, 0, n << PAGE_SHIFT);
		dax_flush(dax_dev, kaddr, n << PAGE_SHIFT);
		pgoff += n;
		nr_pages -= n;
	}
	return 0;
}

static const struct dax_operations dev_dax_ops = {
	.direct_access = fsdev_dax_direct_access,
	.zero_page_range = fsdev_dax_zero_page_range,
};

static void fsdev_kill(void *dev_dax)
{
	kill_dev_dax(dev_dax);
}

static void fsdev_clear_ops(void *data)
{
	struct dev_dax *dev_dax = data;

	dax_write_cache(dev_dax->dax_dev, false);
	dax_set_ops(dev_dax->dax_dev, NULL);
}

/* Memory may fail until the page map is gone. */
static void fsdev_forget_failures(void *data)
{
	struct fsdev *fsdev = data;

	mtree_destroy(&fsdev->failed);
}

/*
 * Page map operations for FS-DAX mode
 * Similar to fsdax_pagemap_ops in drivers/nvdimm/pmem.c
 *
 * Note: folio_free callback is not needed for MEMORY_DEVICE_FS_DAX.
 * The core mm code in free_zone_device_folio() handles the wake_up_var()
 * directly for this memory type.
 */
static u64 fsdev_pfn_to_offset(struct dev_dax *dev_dax, unsigned long pfn)
{
	phys_addr_t phys = PFN_PHYS(pfn);
	u64 offset = 0;

	for (int i = 0; i < dev_dax->nr_range; i++) {
		struct range *range = &dev_dax->ranges[i].range;

		if (phys >= range->start && phys <= range->end)
			return offset + (phys - range->start);
		offset += range_len(range);
	}
	return -1ULL;
}

/*
 * The failed pages are recorded first, so that nothing can map or read them
 * again after the holder has dealt with the processes that do.
 */
static int fsdev_pagemap_memory_failure(struct dev_pagemap *pgmap,
		unsigned long pfn, unsigned long nr_pages, int mf_flags)
{
	struct dev_dax *dev_dax = pgmap->owner;
	struct fsdev *fsdev = to_fsdev(dev_dax);
	u64 offset = fsdev_pfn_to_offset(dev_dax, pfn);
	u64 len = PFN_PHYS(nr_pages);

	/* a static page map has more than the data */
	if (offset == -1ULL)
		return -EOPNOTSUPP;

	if (mtree_store_range(&fsdev->failed, PHYS_PFN(offset),
			      PHYS_PFN(offset + len) - 1, xa_mk_value(1),
			      GFP_KERNEL))
		WRITE_ONCE(fsdev->all_failed, true);
	return dax_holder_notify_failure(dev_dax->dax_dev, offset,
					 len, mf_flags);
}

static const struct dev_pagemap_ops fsdev_pagemap_ops = {
	.memory_failure		= fsdev_pagemap_memory_failure,
};

/* Most pages have never been part of a file: leave their struct pages alone. */
static bool fsdev_folio_clean(struct dev_dax *dev_dax, struct folio *folio)
{
	return folio_order(folio) == dev_dax->folio_order &&
	       !folio_ref_count(folio) && !folio->mapping && !folio->share;
}

static void fsdev_drain_folio(struct dev_dax *dev_dax, struct folio *folio,
			      bool *told)
{
	if (fsdev_folio_clean(dev_dax, folio))
		return;
	if (folio_ref_count(folio) && !*told) {
		dev_info(&dev_dax->dev, "waiting for pages that are in use\n");
		*told = true;
	}
	wait_var_event(&folio->page, dax_page_is_idle(&folio->page));
	dax_folio_reset_order(folio);
}

/*
 * The holder has unmapped its pages and waited for DMA by the time kill_dax()
 * returns. Make sure before the pages are freed: memory is never pulled from
 * under DMA, whatever the file system did. And leave clean folios, as they
 * were.
 */
static void fsdev_clear_folio_state(void *data)
{
	struct dev_dax *dev_dax = data;
	bool told = false;

	for (int i = 0; i < dev_dax->nr_range; i++) {
		struct range *range = &dev_dax->ranges[i].range;
		unsigned long pfn = PHYS_PFN(range->start);
		unsigned long end_pfn = PHYS_PFN(range->end) + 1;

		while (pfn < end_pfn) {
			struct folio *folio = pfn_folio(pfn);
			unsigned long next = pfn + folio_nr_pages(folio);

			fsdev_drain_folio(dev_dax, folio, &told);
			pfn = next;
			cond_resched();
		}
	}
}

/* What read(2) and write(2) copy at a time, between two looks at the device. */
#define FSDEV_COPY_SIZE SZ_64K

/*
 * Copy between @buf and the device, as far as that goes in one piece.
 * Return: the bytes, 0 at the end of the device, or an errno.
 */
static ssize_t fsdev_copy_alive(struct dev_dax *dev_dax, loff_t pos, void *buf,
				size_t len, bool write)
{
	struct dax_device *dax_dev = dev_dax->dax_dev;
	u64 size = to_fsdev(dev_dax)->size;
	size_t off = offset_in_page(pos);
	pgoff_t pgoff = pos >> PAGE_SHIFT;
	struct kvec kvec = { .iov_base = buf };
	struct iov_iter iter;
	void *kaddr;
	long n;

	if (pos >= size)
		return 0;
	len = min_t(u64, len, size - pos);
	n = dax_direct_access(dax_dev, pgoff, PFN_UP(off + len), DAX_ACCESS,
			      &kaddr, NULL);
	if (n < 0)
		return dax_mem2blk_err(n);
	kvec.iov_len = min(len, PFN_PHYS(n) - off);
	iov_iter_kvec(&iter, write ? ITER_SOURCE : ITER_DEST, &kvec, 1,
		      kvec.iov_len);
	if (write)
		n = dax_copy_from_iter(dax_dev, pgoff, kaddr + off,
				       kvec.iov_len, &iter);
	else
		n = dax_copy_to_iter(dax_dev, pgoff, kaddr + off, kvec.iov_len,
				     &iter);
	/* nothing was copied: the memory failed without a report so far */
	return n ? n : -EIO;
}

/*
 * The same, while no file system holds the device. Nothing in here waits for
 * user space, because fs_dax_get() and kill_dax() wait for it.
 */
static ssize_t fsdev_copy(struct file *file, loff_t pos, void *buf, size_t len,
			  bool write)
{
	struct dev_dax *dev_dax = dax_file_dev(file);
	ssize_t n;
	int id;

	guard(rwsem_read)(&dev_dax->hold_rwsem);
	id = dax_read_lock();
	if (!dax_file_alive(file))
		n = -ENXIO;
	else if (dax_holder(dev_dax->dax_dev))
		n = -EBUSY;
	else
		n = fsdev_copy_alive(dev_dax, pos, buf, len, write);
	dax_read_unlock(id);
	return n;
}

/* One round by way of @buf. Return: as fsdev_copy(), or -EFAULT. */
static ssize_t fsdev_read_some(struct kiocb *iocb, struct iov_iter *to,
			       void *buf)
{
	size_t len = min(iov_iter_count(to), FSDEV_COPY_SIZE);
	ssize_t n;

	n = fsdev_copy(iocb->ki_filp, iocb->ki_pos, buf, len, false);
	if (n <= 0)
		return n;
	n = copy_to_iter(buf, n, to);
	return n ? n : -EFAULT;
}

static ssize_t fsdev_write_some(struct kiocb *iocb, struct iov_iter *from,
				void *buf)
{
	size_t len = min(iov_iter_count(from), FSDEV_COPY_SIZE);
	ssize_t n;

	len = copy_from_iter(buf, len, from);
	if (!len)
		return -EFAULT;
	n = fsdev_copy(iocb->ki_filp, iocb->ki_pos, buf, len, true);
	iov_iter_revert(from, len - max(n, 0));
	return n ? n : -ENOSPC;
}

static ssize_t fsdev_rw(struct kiocb *iocb, struct iov_iter *iter,
			ssize_t (*some)(struct kiocb *, struct iov_iter *,
					void *))
{
	void *buf __free(kvfree) = NULL;
	ssize_t done = 0, n = 0;

	if (!iov_iter_count(iter))
		return 0;
	buf = kvmalloc(min(iov_iter_count(iter), FSDEV_COPY_SIZE), GFP_KERNEL);
	if (!buf)
		return -ENOMEM;

	while (iov_iter_count(iter)) {
		n = fatal_signal_pending(current) ? -EINTR :
						    some(iocb, iter, buf);
		if (n <= 0)
			break;
		iocb->ki_pos += n;
		done += n;
		cond_resched();
	}
	return done ? done : n;
}

static ssize_t fsdev_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	return fsdev_rw(iocb, to, fsdev_read_some);
}

static ssize_t fsdev_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	return fsdev_rw(iocb, from, fsdev_write_some);
}

static loff_t fsdev_llseek(struct file *file, loff_t offset, int whence)
{
	u64 size = 0;
	int id;

	id = dax_read_lock();
	if (dax_file_alive(file))
		size = to_fsdev(dax_file_dev(file))->size;
	dax_read_unlock(id);
	if (!size)
		return -ENXIO;
	return fixed_size_llseek(file, offset, whence, size);
}

static const struct file_operations fsdev_fops = {
	.owner = THIS_MODULE,
	.llseek = fsdev_llseek,
	.read_iter = fsdev_read_iter,
	.write_iter = fsdev_write_iter,
	.fsync = noop_fsync,	/* the write has done it */
	.release = dax_file_release,
};

/*
 * The page map is always the driver's own. A static device comes with one that
 * every binding shares: what this driver sets in it would outlive the binding,
 * and what another driver has left in it (vmemmap_shift) would apply here.
 */
static struct dev_pagemap *fsdev_acquire_pgmap(struct dev_dax *dev_dax)
{
	struct device *dev = &dev_dax->dev;
	struct dev_pagemap *pgmap;
	size_t pgmap_size;

	if (static_dev_dax(dev_dax)) {
		if (dev_dax->nr_range > 1) {
			dev_warn(dev,
				 "static pgmap / multi-range device conflict\n");
			return ERR_PTR(-EINVAL);
		}

		pgmap = devm_kmemdup(dev, dev_dax->pgmap, sizeof(*pgmap),
				     GFP_KERNEL);
		if (!pgmap)
			return ERR_PTR(-ENOMEM);

		return pgmap;
	}

	if (dev_dax->pgmap) {
		dev_warn(dev, "dynamic-dax with pre-populated page map\n");
		return ERR_PTR(-EINVAL);
	}

	pgmap_size = struct_size(pgmap, ranges, dev_dax->nr_range - 1);
	pgmap = devm_kzalloc(dev, pgmap_size, GFP_KERNEL);
	if (!pgmap)
		return ERR_PTR(-ENOMEM);

	pgmap->nr_range = dev_dax->nr_range;
	for (int i = 0; i < dev_dax->nr_range; i++)
		pgmap->ranges[i] = dev_dax->ranges[i].range;

	return pgmap;
}

static bool fsdev_range_aligned(const struct range *range, u64 size)
{
	return IS_ALIGNED(range->start | range_len(range), size);
}

/* Folios are made from the start of each range. */
static int fsdev_check_folios(struct dev_dax *dev_dax, struct dev_pagemap *pgmap)
{
	u64 size = PAGE_SIZE << dev_dax->folio_order;
	bool aligned = true;

	for (int i = 0; i < dev_dax->nr_range; i++)
		aligned &= fsdev_range_aligned(&dev_dax->ranges[i].range, size);
	/*
	 * That of a static device may begin before its data, in RAM that it
	 * has folios of, or in what the altmap keeps out of the folios.
	 */
	for (int i = 0; i < pgmap->nr_range && !pgmap_altmap(pgmap); i++)
		aligned &= fsdev_range_aligned(&pgmap->ranges[i], size);
	if (aligned)
		return 0;
	dev_warn(&dev_dax->dev, "not made of folios of %llu bytes\n", size);
	return -EINVAL;
}

static struct fsdev *fsdev_alloc(struct dev_dax *dev_dax)
{
	struct device *dev = &dev_dax->dev;
	struct fsdev *fsdev;
	int rc;

	fsdev = devm_kzalloc(dev, sizeof(*fsdev), GFP_KERNEL);
	if (!fsdev)
		return ERR_PTR(-ENOMEM);
	for (int i = 0; i < dev_dax->nr_range; i++)
		fsdev->size += range_len(&dev_dax->ranges[i].range);
	mt_init_flags(&fsdev->failed, MT_FLAGS_USE_RCU);
	rc = devm_add_action_or_reset(dev, fsdev_forget_failures, fsdev);
	if (rc)
		return ERR_PTR(rc);
	return fsdev;
}

static int fsdev_dax_probe(struct dev_dax *dev_dax)
{
	struct dax_device *dax_dev = dev_dax->dax_dev;
	struct device *dev = &dev_dax->dev;
	struct dev_pagemap *pgmap;
	struct fsdev *fsdev;
	void *addr;
	int rc, i;

	fsdev = fsdev_alloc(dev_dax);
	if (IS_ERR(fsdev))
		return PTR_ERR(fsdev);
	dev_set_drvdata(dev, fsdev);

	pgmap = fsdev_acquire_pgmap(dev_dax);
	if (IS_ERR(pgmap))
		return PTR_ERR(pgmap);

	for (i = 0; i < dev_dax->nr_range; i++) {
		struct range *range = &dev_dax->ranges[i].range;

		if (!devm_request_mem_region(dev, range->start,
					range_len(range), dev_name(dev))) {
			dev_warn(dev, "mapping%d: %#llx-%#llx could not reserve range\n",
				 i, range->start, range->end);
			return -EBUSY;
		}
	}

	/*
	 * Use MEMORY_DEVICE_FS_DAX, by default without setting vmemmap_shift,
	 * leaving folios at order-0. Unlike device.c (MEMORY_DEVICE_GENERIC),
	 * this lets fs-dax dynamically build compound folios as needed, similar
	 * to pmem behavior.
	 */
	rc = fsdev_check_folios(dev_dax, pgmap);
	if (rc)
		return rc;
	pgmap->vmemmap_shift = dev_dax->folio_order;
	pgmap->type = MEMORY_DEVICE_FS_DAX;
	pgmap->ops = &fsdev_pagemap_ops;
	pgmap->owner = dev_dax;

	addr = devm_memremap_pages(dev, pgmap);
	if (IS_ERR(addr))
		return PTR_ERR(addr);

	rc = devm_add_action_or_reset(dev, fsdev_clear_folio_state, dev_dax);
	if (rc)
		return rc;

	/* Set the dax operations for fs-dax access path */
	rc = dax_set_ops(dax_dev, &dev_dax_ops);
	if (rc)
		return rc;

	/* stores through a mapping are in the CPU's caches until fsync */
	dax_write_cache(dax_dev, true);
	rc = devm_add_action_or_reset(dev, fsdev_clear_ops, dev_dax);
	if (rc)
		return rc;

	run_dax(dax_dev);
	return devm_add_action_or_reset(dev, fsdev_kill, dev_dax);
}

/*
 * The unbind of the driver core cannot fail, so a task that waits there for
 * pages in use cannot be killed. This one waits beforehand, with the driver
 * still bound. suppress_bind_attrs removes both attributes of the core, hence
 * bind is here, too. The device lock is not held during the wait, because
 * binding another device by new_id may take it. If somebody else unbinds or
 * rebinds the device meanwhile, then at worst it takes no new holder until it
 * is bound again.
 */
static ssize_t unbind_store(struct device_driver *drv, const char *buf,
			    size_t count)
{
	struct device *dev __free(put_device) =
		bus_find_device_by_name(drv->bus, NULL, buf);
	int rc;

	if (!dev || READ_ONCE(dev->driver) != drv)
		return -ENODEV;
	rc = dax_revoke(to_dev_dax(dev)->dax_dev);
	if (rc)
		return rc;
	if (READ_ONCE(dev->driver) == drv)
		device_release_driver(dev);
	return count;
}

static ssize_t bind_store(struct device_driver *drv, const char *buf,
			  size_t count)
{
	struct device *dev __free(put_device) =
		bus_find_device_by_name(drv->bus, NULL, buf);
	int rc;

	if (!dev || !drv->bus->match(dev, drv))
		return -ENODEV;
	rc = device_driver_attach(drv, dev);
	return rc ? rc : count;
}

/* unbinding removes attributes of the device in a write to one of the driver */
static struct driver_attribute driver_attr_unbind =
	__ATTR_IGNORE_LOCKDEP(unbind, 0200, NULL, unbind_store);
static struct driver_attribute driver_attr_bind =
	__ATTR_IGNORE_LOCKDEP(bind, 0200, NULL, bind_store);

static struct attribute *fsdev_attrs[] = {
	&driver_attr_unbind.attr,
	&driver_attr_bind.attr,
	NULL,
};
ATTRIBUTE_GROUPS(fsdev);

static struct dax_device_driver fsdev_dax_driver = {
	.drv = {
		.suppress_bind_attrs = true,
		.groups = fsdev_groups,
	},
	.probe = fsdev_dax_probe,
	.type = DAXDRV_FSDEV_TYPE,
	.fops = &fsdev_fops,
};

static int __init dax_init(void)
{
	return dax_driver_register(&fsdev_dax_driver);
}

static void __exit dax_exit(void)
{
	dax_driver_unregister(&fsdev_dax_driver);
}

MODULE_AUTHOR("John Groves");
MODULE_DESCRIPTION("FS-DAX Device: fs-dax compatible devdax driver");
MODULE_LICENSE("GPL");
module_init(dax_init);
module_exit(dax_exit);
