// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: the file operations
 *
 * Data goes straight to and from the memory of the dax device, with the map
 * that the inode has cached. Nothing here sends a request to the server, with
 * two exceptions: open and close, and the first write to a setuid or setgid file
 * after its attributes have changed, for which the VFS asks the server to drop
 * the bits.
 *
 * Files have a fixed size and layout, which belongs to the server. So does the
 * time of the last modification: neither write(2) nor a store through a mapping
 * changes it.
 *
 * Lock order, as for every dax file system:
 *
 *   inode->i_rwsem			read: shared, write: exclusive
 *     mmap_lock
 *       sb_start_pagefault()		write faults on shared mappings
 *         mapping->invalidate_lock	faults: shared
 *
 * The map is used under one of i_rwsem and invalidate_lock and changed under
 * both, exclusively. A file whose bit FUSE_I_FAMFS_STALE is set may not be
 * accessed. It is set under invalidate_lock, so that no fault that uses the map
 * has missed it. Reads and writes use the map within dax_read_lock(), so
 * kill_dax() waits for those that have missed it.
 *
 * Most faults on what has been mapped before take no lock but that of the page
 * table: they use the entry in i_pages, not the map. AS_DAX_REVOKED, which is set
 * with the bit and before the file is unmapped, ends this. The other faults take
 * the locks above and those of fs/dax.c, and allocate nothing beyond what fs/dax.c
 * does: first accesses, PMDs in private writable mappings, private copies, whatever
 * userfaultfd watches, and faults that find no page table.
 */
#include "fuse_i.h"
#include "famfs.h"
#include "famfs_map.h"

#include <linux/dax.h>
#include <linux/fiemap.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/iomap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/splice.h>
#include <linux/uio.h>

#include "famfs_trace.h"

/* Access to a file fails while its map is stale, or if the inode is bad. */
static bool famfs_usable(struct inode *inode)
{
	return !(READ_ONCE(get_fuse_inode(inode)->state) &
		 (BIT(FUSE_I_FAMFS_STALE) | BIT(FUSE_I_BAD)));
}

static void famfs_assert_map_stable(struct inode *inode)
{
	lockdep_assert(lockdep_is_held(&inode->i_rwsem) ||
		       lockdep_is_held(&inode->i_mapping->invalidate_lock));
}

/* famfs user space looks for this name to know that the kernel has famfs. */
static int famfs_fuse_iomap_begin(struct inode *inode, loff_t pos,
				  loff_t length, unsigned int flags,
				  struct iomap *iomap, struct iomap *srcmap)
{
	const struct fuse_inode *fi = get_fuse_inode(inode);
	const struct famfs_map *map = fi->famfs_map;
	const struct famfs_dev *dev;
	struct famfs_range range;

	famfs_assert_map_stable(inode);
	if (unlikely(!famfs_usable(inode) || !map))
		return -EIO;
	if (unlikely(!famfs_map_resolve(map, pos, &range)))
		return -EIO;

	/* allocated, not new, not shared: faults need no action of ours */
	dev = range.dev;
	iomap->type = IOMAP_MAPPED;
	iomap->flags = 0;
	iomap->dax_dev = dev->dax_dev;
	iomap->addr = range.off;
	iomap->offset = range.pos;
	iomap->length = range.len;
	return 0;
}

static const struct iomap_ops famfs_iomap_ops = {
	.iomap_begin = famfs_fuse_iomap_begin,
};

/* The device may have died since iomap_begin, or while copying. */
static noinline ssize_t famfs_rw_error(const struct kiocb *iocb, ssize_t err)
{
	if (err == -ENXIO || !famfs_usable(file_inode(iocb->ki_filp)))
		return -EIO;
	return err;
}

/*
 * A read that crosses the end of the file ends there. The lock lasts from
 * iomap_begin to the last access: another file system may hold the device after
 * it was killed and bound again.
 */
static ssize_t famfs_rw(struct kiocb *iocb, struct iov_iter *iter)
{
	int id = dax_read_lock();
	ssize_t ret = dax_iomap_rw(iocb, iter, &famfs_iomap_ops);

	dax_read_unlock(id);
	return likely(ret >= 0) ? ret : famfs_rw_error(iocb, ret);
}

static ssize_t famfs_read_locked(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	if (!famfs_usable(inode))
		return -EIO;
	if (iocb->ki_pos >= i_size_read(inode))
		return 0;
	return famfs_rw(iocb, to);
}

static ssize_t famfs_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	if (!iov_iter_count(to))
		return 0;
	if (!(iocb->ki_flags & IOCB_NOWAIT))
		inode_lock_shared(inode);
	else if (!inode_trylock_shared(inode))
		return -EAGAIN;
	ret = famfs_read_locked(iocb, to);
	inode_unlock_shared(inode);
	return ret;
}

/*
 * Drop setuid and setgid before a write by somebody who may not keep them. A file
 * that has neither is not looked at further: to ask the server for
 * security.capability on every write would defeat the purpose. The same goes for
 * a file that keeps its bits, once the server has said that it has none.
 */
static int famfs_remove_privs(struct kiocb *iocb)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	struct fuse_inode *fi = get_fuse_inode(inode);
	u64 version = READ_ONCE(fi->attr_version);
	int err;

	if (likely(!(inode->i_mode & (S_ISUID | S_ISGID))))
		return 0;
	if (fi->famfs_no_caps == version &&
	    !setattr_should_drop_suidgid(file_mnt_idmap(iocb->ki_filp), inode))
		return 0;
	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	err = file_remove_privs(iocb->ki_filp);
	/* if the attributes have changed meanwhile, this version is over */
	if (!err)
		fi->famfs_no_caps = version;
	return err;
}

/*
 * The file cannot grow: it ends as a block device does, and what crosses its end
 * is cut off. Returning 0 would make callers retry forever.
 */
static ssize_t famfs_write_checks(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	loff_t size = i_size_read(inode);
	ssize_t ret;

	if (!famfs_usable(inode))
		return -EIO;
	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		return ret;
	if (iocb->ki_pos >= size)
		return -ENOSPC;
	iov_iter_truncate(from, size - iocb->ki_pos);
	return famfs_remove_privs(iocb) ?: 1;
}

static ssize_t famfs_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	if (!(iocb->ki_flags & IOCB_NOWAIT))
		inode_lock(inode);
	else if (!inode_trylock(inode))
		return -EAGAIN;
	ret = famfs_write_checks(iocb, from);
	if (ret > 0)
		ret = famfs_rw(iocb, from);
	inode_unlock(inode);
	if (ret > 0)
		ret = generic_write_sync(iocb, ret);
	return ret;
}

/*
 * Where the driver has made the folios of the memory, the entry is one of them: a
 * smaller fault maps a part of it, a larger one is done in parts.
 */
static vm_fault_t famfs_folio_fault(struct vm_fault *vmf, unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	const struct famfs_map *map = get_fuse_inode(inode)->famfs_map;
	vm_fault_t ret = 0;

	/* no entry without a map: the next map may need others */
	if (!map || !famfs_usable(inode))
		return VM_FAULT_SIGBUS;
	if (map->folio_order) {
		if (order > map->folio_order)
			return VM_FAULT_FALLBACK;
		ret = dax_iomap_prepare(vmf, map->folio_order,
					&famfs_iomap_ops) ?:
		      dax_map_fault(vmf, order);
	}
	return ret ?: dax_iomap_fault(vmf, order, NULL, NULL, &famfs_iomap_ops);
}

/* Smaller faults came first, and their entries are in the way of one of 1 GiB. */
static vm_fault_t famfs_merge_fault(struct vm_fault *vmf)
{
	struct address_space *mapping = vmf->vma->vm_file->f_mapping;
	vm_fault_t ret = VM_FAULT_FALLBACK;

	filemap_invalidate_lock(mapping);
	if (dax_iomap_merge(vmf, &famfs_iomap_ops))
		ret = famfs_folio_fault(vmf, PUD_ORDER);
	filemap_invalidate_unlock(mapping);
	return ret;
}

/* The first access to a part of the file by anybody: the map is needed. */
static vm_fault_t famfs_map_fault(struct vm_fault *vmf, unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	bool write = (vmf->flags & FAULT_FLAG_WRITE) &&
		     (vmf->vma->vm_flags & VM_SHARED);
	vm_fault_t ret;
	bool merge;

	if (write)
		sb_start_pagefault(inode->i_sb);
	filemap_invalidate_lock_shared(inode->i_mapping);
	ret = famfs_folio_fault(vmf, order);
	merge = ret == VM_FAULT_FALLBACK && order == PUD_ORDER &&
		dax_iomap_can_merge(vmf, &famfs_iomap_ops);
	filemap_invalidate_unlock_shared(inode->i_mapping);
	if (merge)
		ret = famfs_merge_fault(vmf);
	if (write)
		sb_end_pagefault(inode->i_sb);
	return ret;
}

static vm_fault_t famfs_huge_fault(struct vm_fault *vmf, unsigned int order)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	vm_fault_t ret = 0;

	if (famfs_usable(inode))
		ret = dax_map_fault(vmf, order);
	if (!ret)
		ret = famfs_map_fault(vmf, order);
	trace_famfs_fault(inode, vmf, order, ret);
	return ret;
}

static vm_fault_t famfs_fault(struct vm_fault *vmf)
{
	return famfs_huge_fault(vmf, 0);
}

static vm_fault_t famfs_map_pages(struct vm_fault *vmf, pgoff_t start,
				  pgoff_t end)
{
	struct inode *inode = file_inode(vmf->vma->vm_file);
	vm_fault_t ret;

	if (!famfs_usable(inode))
		return 0;
	ret = dax_map_pages(vmf, start, end);
	if (ret)
		trace_famfs_fault(inode, vmf, 0, ret);
	return ret;
}

/*
 * There is no page_mkwrite, since the first write to a page needs no action: a
 * read fault on a mapping that may be written makes it writable.
 */
static const struct vm_operations_struct famfs_vm_ops = {
	.fault		= famfs_fault,
	.huge_fault	= famfs_huge_fault,
	.map_pages	= famfs_map_pages,
};

/* MAP_SYNC promises that a store reaches the memory without an fsync. */
static bool famfs_sync_supported(struct vm_area_desc *desc,
				 struct inode *inode)
{
	const struct famfs_map *map = get_fuse_inode(inode)->famfs_map;
	struct famfs_claim *claim;

	famfs_assert_map_stable(inode);
	if (!map)
		return false;
	famfs_map_for_each_claim(map, claim)
		if (!daxdev_mapping_supported(desc, inode, claim->dev->dax_dev))
			return false;
	return true;
}

static int famfs_mmap_prepare(struct vm_area_desc *desc)
{
	struct inode *inode = file_inode(desc->file);
	bool supported;

	if (unlikely(vma_flags_test(&desc->vma_flags, VMA_SYNC_BIT))) {
		filemap_invalidate_lock_shared(inode->i_mapping);
		supported = famfs_sync_supported(desc, inode);
		filemap_invalidate_unlock_shared(inode->i_mapping);
		if (!supported)
			return -EOPNOTSUPP;
	}
	desc->vm_ops = &famfs_vm_ops;
	vma_desc_set_flags(desc, VMA_HUGEPAGE_BIT);
	return 0;
}

/*
 * Truncation of a file that exists is refused before the server hears of it:
 * with FUSE_ATOMIC_O_TRUNC it would happen there, as a part of the open. A file
 * that this open has created by FUSE_MKNOD comes here as well.
 */
static int famfs_open(struct inode *inode, struct file *file)
{
	struct fuse_file *ff;
	int err;

	if (fuse_is_bad(inode))
		return -EIO;
	if ((file->f_flags & O_TRUNC) && !(file->f_mode & FMODE_CREATED))
		return -EPERM;
	err = generic_file_open(inode, file);
	if (err)
		return err;
	err = fuse_do_open(get_fuse_mount(inode), get_node_id(inode), file,
			   false);
	if (err)
		return err;

	ff = file->private_data;
	err = fuse_finish_open(inode, file);
	/* a task that was killed does not wait for the server once more */
	if (err)
		fuse_file_release(inode, ff, file->f_flags, NULL, false);
	return err;
}

static int famfs_release(struct inode *inode, struct file *file)
{
	famfs_pin_release(file);
	famfs_inode_release(inode);
	return fuse_release(inode, file);
}

/* There is nothing to write back: only the FLUSH request remains. */
static int famfs_flush(struct file *file, fl_owner_t id)
{
	if (get_fuse_conn(file_inode(file))->no_flush)
		return fuse_is_bad(file_inode(file)) ? -EIO : 0;
	return fuse_flush(file, id);
}

/* Write CPU caches back for a range of the file, at most for 2 MiB of an extent. */
static long famfs_flush_part(const struct famfs_map *map, u64 pos, u64 end)
{
	struct famfs_range part;
	pgoff_t pgoff;
	void *kaddr;
	long nr;

	if (!famfs_map_resolve(map, pos, &part))
		return -EIO;
	end = min3(end, part.pos + part.len, pos + SZ_2M);
	pgoff = (part.off + pos - part.pos) >> PAGE_SHIFT;
	nr = dax_direct_access(part.dev->dax_dev, pgoff,
			       (end - pos) >> PAGE_SHIFT, DAX_ACCESS, &kaddr,
			       NULL);
	if (nr <= 0)
		return -EIO;
	/* does nothing where the device does not ask for it */
	dax_flush(part.dev->dax_dev, kaddr, nr << PAGE_SHIFT);
	return nr;
}

/*
 * Write CPU caches back for the pages of one entry that are in the range. A page
 * that cannot be written back does not keep the others from it.
 */
static int famfs_flush_entry(struct inode *inode, pgoff_t first, pgoff_t last)
{
	const struct famfs_map *map = get_fuse_inode(inode)->famfs_map;
	u64 end = (u64)(last + 1) << PAGE_SHIFT;
	int err = 0;

	while (first <= last) {
		int id = dax_read_lock();
		long nr = famfs_flush_part(map, (u64)first << PAGE_SHIFT, end);

		dax_read_unlock(id);
		if (nr < 0) {
			err = nr;
			nr = 1;
		}
		first += nr;
		cond_resched();
	}
	return err;
}

/*
 * write(2) does not leave anything in the CPU caches. A store through a mapping
 * does, and may have done so for every page that this host has had mapped, that
 * is, for every entry of i_pages.
 */
static int famfs_fsync_locked(struct inode *inode, loff_t start, loff_t end)
{
	const struct fuse_inode *fi = get_fuse_inode(inode);
	struct xarray *xa = &inode->i_mapping->i_pages;
	unsigned long index = start >> PAGE_SHIFT, last;
	int err = 0;

	if (!famfs_usable(inode) || !fi->famfs_map)
		return -EIO;
	end = min(end, i_size_read(inode) - 1);
	last = end >> PAGE_SHIFT;
	while (start <= end && xa_find(xa, &index, last, XA_PRESENT)) {
		unsigned long nr = 1UL << xa_get_order(xa, index);
		pgoff_t next = round_down(index, nr) + nr;
		int ret = famfs_flush_entry(inode, index, min(next - 1, last));

		err = err ?: ret;
		index = next;
		if (fatal_signal_pending(current))
			return -EINTR;
	}
	return err;
}

static int famfs_fsync(struct file *file, loff_t start, loff_t end,
		       int datasync)
{
	struct inode *inode = file_inode(file);
	int err;

	inode_lock_shared(inode);
	err = famfs_fsync_locked(inode, start, end);
	inode_unlock_shared(inode);
	return err;
}

static long famfs_fallocate(struct file *file, int mode, loff_t offset,
			    loff_t length)
{
	return -EOPNOTSUPP;
}

/* Without this, copying within the mount would be left to the server. */
static ssize_t famfs_copy_file_range(struct file *in, loff_t pos_in,
				     struct file *out, loff_t pos_out,
				     size_t len, unsigned int flags)
{
	return -EOPNOTSUPP;
}

static const struct file_operations famfs_file_operations = {
	.llseek		= generic_file_llseek,
	.read_iter	= famfs_read_iter,
	.write_iter	= famfs_write_iter,
	.mmap_prepare	= famfs_mmap_prepare,
	.open		= famfs_open,
	.flush		= famfs_flush,
	.release	= famfs_release,
	.fsync		= famfs_fsync,
	.lock		= fuse_file_lock,
	.get_unmapped_area = thp_get_unmapped_area,
	.flock		= fuse_file_flock,
	.splice_read	= copy_splice_read,
	.splice_write	= iter_file_splice_write,
	.unlocked_ioctl	= fuse_file_ioctl,
	.compat_ioctl	= fuse_file_compat_ioctl,
	.poll		= fuse_file_poll,
	.fallocate	= famfs_fallocate,
	.copy_file_range = famfs_copy_file_range,
	.setlease	= generic_setlease,
	.fop_flags	= FOP_MMAP_SYNC | FOP_BUFFER_RASYNC |
			  FOP_BUFFER_WASYNC,
};

static const struct address_space_operations famfs_aops = {
	.dirty_folio	= noop_dirty_folio,
};

/* A file can have very many chunks, and FIEMAP looks at each. */
static int famfs_report_begin(struct inode *inode, loff_t pos, loff_t length,
			      unsigned int flags, struct iomap *iomap,
			      struct iomap *srcmap)
{
	cond_resched();
	if (fatal_signal_pending(current))
		return -EINTR;
	return famfs_fuse_iomap_begin(inode, pos, length, flags, iomap, srcmap);
}

static const struct iomap_ops famfs_report_ops = {
	.iomap_begin = famfs_report_begin,
};

/**
 * famfs_fiemap() - where the parts of a file lie
 * @inode: a regular file on a connection of any kind
 * @info: the request of FS_IOC_FIEMAP
 * @start: offset of the first byte, in bytes
 * @len: number of bytes
 *
 * Physical offsets are offsets into the dax device. The format has no place for the
 * device itself; a map that uses several devices is not told apart.
 *
 * Context: process context, may sleep.
 * Return: 0, -EOPNOTSUPP if @inode is not a file of famfs, -EIO if the map is
 * stale, -EINTR on a fatal signal, or what iomap_fiemap() returns.
 */
int famfs_fiemap(struct inode *inode, struct fiemap_extent_info *info,
		 u64 start, u64 len)
{
	u64 size;
	int err;

	if (!fuse_is_famfs(inode))
		return -EOPNOTSUPP;
	inode_lock_shared(inode);
	size = i_size_read(inode);
	/* nothing lies beyond the end */
	if (start >= size)
		err = fiemap_prep(inode, info, start, &len, 0);
	else
		err = iomap_fiemap(inode, info, start, min(len, size - start),
				   &famfs_report_ops);
	inode_unlock_shared(inode);
	return err;
}

/**
 * famfs_file_open() - the part of an open that follows the server's reply
 * @inode: a regular file on a famfs connection
 * @file: the file, opened by FUSE_OPEN or FUSE_CREATE
 *
 * On success, the release of @file is due.
 *
 * Context: process context, may sleep.
 * Return: what famfs_inode_open() returns.
 */
int famfs_file_open(struct inode *inode, struct file *file)
{
	/* O_DIRECT is what happens anyway */
	file->f_mode |= FMODE_CAN_ODIRECT | FMODE_NOWAIT;
	return famfs_inode_open(inode);
}

/**
 * famfs_file_init_inode() - make an inode a file of famfs
 * @inode: a new regular inode on a famfs connection, not visible yet
 *
 * Context: any.
 */
void famfs_file_init_inode(struct inode *inode)
{
	inode->i_fop = &famfs_file_operations;
	inode->i_data.a_ops = &famfs_aops;
	inode->i_flags |= S_DAX;
	/* a file keeps its pages while they are in use, see famfs_pin.c */
	mapping_set_longterm_pinnable(&inode->i_data);
}
