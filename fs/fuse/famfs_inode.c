// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: the map and the inode
 *
 * Every regular file of a famfs connection is dax memory from the moment its
 * inode exists. Opening it for the first time fetches the map, which then stays
 * until the inode is evicted, another file claims its memory while the file is
 * not open, or the map becomes stale: because the server reports another size
 * or retires the map, or because a device has been removed. Access to a stale
 * file fails until an open has fetched a fresh map.
 *
 * The map pointer changes only under the inode lock and the invalidate lock,
 * both held exclusively, and only while the file has no page mapped.
 */
#include "fuse_i.h"
#include "famfs.h"
#include "famfs_map.h"

#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "famfs_trace.h"

/* The size that a first request asks for; nearly all maps are shorter. */
#define FAMFS_FMAP_FIRST	SZ_32K

/* The count of open descriptors while a file without any loses its map */
#define FAMFS_OPENS_BLOCKED	INT_MIN

/* Instead of an errno: the server has retired the map that was fetched */
#define FAMFS_RETIRED		1

static bool famfs_inode_has_map(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	/* may be set right after this, but is never cleared for an old map */
	if (test_bit(FUSE_I_FAMFS_STALE, &fi->state))
		return false;
	smp_rmb(); /* pairs with famfs_attach_locked() */
	return READ_ONCE(fi->famfs_map);
}

/**
 * famfs_inode_set_stale() - make every access fail until the next open
 * @inode: a regular file on a famfs connection
 *
 * Nothing of the file is mapped afterwards, and no fault that uses the map has
 * missed the bit. Reads and writes that have are within dax_read_lock().
 *
 * Context: process context, with the invalidate lock held exclusively.
 */
void famfs_inode_set_stale(struct inode *inode)
{
	rwsem_assert_held_write(&inode->i_mapping->invalidate_lock);
	/* who sees the bit may take the pages away, so this comes first */
	mapping_set_dax_revoked(inode->i_mapping);
	set_bit(FUSE_I_FAMFS_STALE, &get_fuse_inode(inode)->state);
	unmap_mapping_pages(inode->i_mapping, 0, 0, false);
	trace_famfs_map_stale(inode);
}

/* Return: the length of the reply in bytes, or an error. */
static ssize_t famfs_request_map(struct fuse_mount *fm, u64 nodeid, void *buf,
				 u32 size)
{
	struct fuse_getxattr_in in = { .size = size };
	FUSE_ARGS(args);
	ssize_t len;

	args.opcode = FUSE_GET_FMAP;
	args.nodeid = nodeid;
	args.in_numargs = 1;
	args.in_args[0].size = sizeof(in);
	args.in_args[0].value = &in;
	args.out_argvar = true;
	args.out_numargs = 1;
	args.out_args[0].size = size;
	args.out_args[0].value = buf;

	len = fuse_simple_request(fm, &args);
	return len == -ENOSYS ? -EOPNOTSUPP : len;
}

/*
 * A map that is longer than the request asks for is announced with a header
 * alone, and requested once more. Its memory is allocated only then.
 */
static struct famfs_map *famfs_fetch_map(struct fuse_mount *fm, u64 nodeid)
{
	u32 size = FAMFS_FMAP_FIRST, announced;
	void *buf __free(kvfree) = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	ssize_t len;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	len = famfs_request_map(fm, nodeid, buf, size);
	if (len < 0)
		return ERR_PTR(len);

	announced = famfs_map_announced(buf, len);
	if (announced > FAMFS_FMAP_MAX)
		return ERR_PTR(-E2BIG);
	if (announced > size) {
		kvfree(buf);
		buf = kvmalloc(announced, GFP_KERNEL_ACCOUNT);
		if (!buf)
			return ERR_PTR(-ENOMEM);
		len = famfs_request_map(fm, nodeid, buf, announced);
		if (len < 0)
			return ERR_PTR(len);
	}
	return famfs_map_parse(buf, len, FAMFS_MAX_DEVS);
}

/*
 * Detach the map, if there is one. Does not wait, because locks are held: fails
 * if pages are pinned for DMA, or while a failure is being handled.
 */
static int famfs_detach_locked(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct famfs_map *map = fi->famfs_map;

	rwsem_assert_held_write(&inode->i_rwsem);
	rwsem_assert_held_write(&inode->i_mapping->invalidate_lock);

	if (!map)
		return 0;
	if (dax_break_layout_inode(inode, NULL) ||
	    !famfs_map_try_unlink(fuse_conn_famfs(get_fuse_conn(inode)), map))
		return -EBUSY;
	WRITE_ONCE(fi->famfs_map, NULL);
	famfs_map_free(map);
	return 0;
}

/* The size is that of the map. Attribute replies in flight are older. */
static void famfs_inode_set_size(struct inode *inode, loff_t size)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	guard(spinlock)(&fi->lock);
	if (i_size_read(inode) == size)
		return;
	fi->attr_version = atomic64_inc_return(&get_fuse_conn(inode)->attr_version);
	i_size_write(inode, size);
	/* the old size may be newer than the map: ask the server again */
	fuse_invalidate_attr_mask(inode, STATX_SIZE);
}

/*
 * The bit is cleared before the map is linked. From then on, a notification
 * about one of its devices sets the bit again; an earlier one makes the link
 * fail. The size is set, and compared with reports from the server, under the
 * invalidate lock.
 */
static int famfs_attach_locked(struct inode *inode, struct famfs_map *map,
			       struct famfs_conflict *conflict)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	int err;

	/* the map that goes, if there is one, is stale */
	mapping_set_dax_revoked(inode->i_mapping);
	err = famfs_detach_locked(inode);
	if (err)
		return err;
	map->inode = inode;
	/* after the old entries have gone: pairs with dax_map_pages() */
	smp_mb__before_atomic();
	mapping_clear_dax_revoked(inode->i_mapping);
	smp_mb__before_atomic(); /* pairs with famfs_inode_has_map() */
	clear_bit(FUSE_I_FAMFS_STALE, &fi->state);
	err = famfs_map_link(fuse_conn_famfs(get_fuse_conn(inode)), map,
			     conflict);
	if (err) {
		famfs_inode_set_stale(inode);
		return err;
	}
	famfs_inode_set_size(inode, map->size);
	WRITE_ONCE(fi->famfs_map, map);
	trace_famfs_map_attach(inode, map);
	return 0;
}

/*
 * Of racing opens, one attaches its map and the others free theirs. Return: 0
 * if the inode now has a map, FAMFS_RETIRED if the server has retired the one
 * that was fetched, -EINTR on a fatal signal, or another errno.
 */
static int famfs_attach(struct inode *inode, struct famfs_map *map, u32 retired,
			struct famfs_conflict *conflict)
{
	int err = inode_lock_killable(inode);

	if (err)
		return err;
	filemap_invalidate_lock(inode->i_mapping);
	if (famfs_inode_has_map(inode))
		famfs_map_free(map);
	else if (get_fuse_inode(inode)->famfs_retired != retired)
		err = FAMFS_RETIRED;
	else
		err = famfs_attach_locked(inode, map, conflict);
	filemap_invalidate_unlock(inode->i_mapping);
	inode_unlock(inode);
	return err;
}

/*
 * Detach the map of a file that is neither open nor mapped, because another
 * file claims its memory. Return: 0, -EBUSY if the file is open, or if its
 * pages are pinned, -EINTR on a fatal signal.
 */
static int famfs_inode_give_way(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	int err;

	/* the lock of an open file can be held indefinitely */
	if (atomic_read(&fi->famfs_opens))
		return -EBUSY;
	err = inode_lock_killable(inode);
	if (err)
		return err;
	if (atomic_cmpxchg(&fi->famfs_opens, 0, FAMFS_OPENS_BLOCKED)) {
		inode_unlock(inode);
		return -EBUSY;
	}
	filemap_invalidate_lock(inode->i_mapping);
	err = famfs_detach_locked(inode);
	filemap_invalidate_unlock(inode->i_mapping);
	atomic_set(&fi->famfs_opens, 0);
	inode_unlock(inode);
	return err;
}

/* Return: 0 if it is worth trying to link the map again. */
static int famfs_resolve_conflict(struct famfs_conn *conn,
				  struct famfs_conflict *conflict)
{
	int err;

	if (conflict->inode) {
		err = famfs_inode_give_way(conflict->inode);
		iput(conflict->inode);
	} else {
		err = famfs_map_wait_unlink(conn, conflict);
	}
	if (!err && fatal_signal_pending(current))
		err = -EINTR;
	return err;
}

/* Attach a map that has been fetched, or free it. */
static int famfs_attach_or_free(struct inode *inode, struct famfs_map *map,
				u32 retired)
{
	struct famfs_conn *conn = fuse_conn_famfs(get_fuse_conn(inode));
	int err;

	do {
		struct famfs_conflict conflict = {};

		err = famfs_attach(inode, map, retired, &conflict);
		if (err != -EBUSY || !conflict.found)
			break;
		err = famfs_resolve_conflict(conn, &conflict);
	} while (!err);
	if (err)
		famfs_map_free(map);
	return err;
}

static int famfs_inode_get_map(struct inode *inode)
{
	struct fuse_mount *fm = get_fuse_mount(inode);
	u32 retired = READ_ONCE(get_fuse_inode(inode)->famfs_retired);
	struct famfs_map *map;
	int err;

	map = famfs_fetch_map(fm, get_node_id(inode));
	if (IS_ERR(map))
		return PTR_ERR(map);
	err = famfs_map_get_devs(fm, map);
	if (err) {
		famfs_map_free(map);
		return err;
	}
	return famfs_attach_or_free(inode, map, retired);
}

/* Count an open descriptor, which keeps the map from being taken. */
static int famfs_inode_count_open(struct inode *inode)
{
	while (!atomic_inc_unless_negative(&get_fuse_inode(inode)->famfs_opens)) {
		/* wait for famfs_inode_give_way() */
		int err = inode_lock_killable(inode);

		if (err)
			return err;
		inode_unlock(inode);
	}
	return 0;
}

/**
 * famfs_inode_open() - open a file, and make sure that it has a map
 * @inode: a regular file on a famfs connection
 *
 * Context: process context, may sleep, holds no lock of the inode.
 * Return: 0, and the caller then has to call famfs_inode_release(); -EINVAL for
 * a map that breaks the format or extends beyond its device, -E2BIG for one
 * that is longer than FAMFS_FMAP_MAX or than requested, -EOPNOTSUPP if the
 * server does not know the request, or for an unknown version or type, -EPERM
 * if the server lacks CAP_SYS_RAWIO, -EBUSY if another file that is open or
 * mapped uses part of the memory, or if pages of a file that gave way or of the
 * stale map are pinned, -EAGAIN if the server retired the map twice while it
 * was being fetched, -ENODEV if a device is gone, -EINTR, -ENOMEM, what
 * famfs_map_get_devs() returns, or the server's error.
 */
int famfs_inode_open(struct inode *inode)
{
	int err = famfs_inode_count_open(inode);

	if (err)
		return err;
	if (famfs_inode_has_map(inode))
		return 0;
	err = famfs_inode_get_map(inode);
	/* retired while it was being fetched: fetch the new one */
	if (err == FAMFS_RETIRED)
		err = famfs_inode_get_map(inode);
	if (err)
		famfs_inode_release(inode);
	return err == FAMFS_RETIRED ? -EAGAIN : err;
}

/**
 * famfs_inode_release() - an open descriptor is gone
 * @inode: what famfs_inode_open() has succeeded for
 *
 * Context: any.
 */
void famfs_inode_release(struct inode *inode)
{
	atomic_dec(&get_fuse_inode(inode)->famfs_opens);
}

/**
 * famfs_inode_check_size() - the server has reported the size of a file
 * @inode: a regular file on a famfs connection
 * @old: size of the inode so far, in bytes
 * @new: size that was reported, and has been set
 *
 * A file cannot change its size under its map. If they differ, the map is
 * stale. Nothing is truncated: that would take away pages that are in use. The
 * map is checked under the lock, since one may be attached at this very moment.
 *
 * Context: process context, may sleep, may hold the inode lock.
 */
void famfs_inode_check_size(struct inode *inode, loff_t old, loff_t new)
{
	struct famfs_map *map;

	if (old == new)
		return;
	filemap_invalidate_lock(inode->i_mapping);
	map = get_fuse_inode(inode)->famfs_map;
	if (map && map->size != i_size_read(inode))
		famfs_inode_set_stale(inode);
	filemap_invalidate_unlock(inode->i_mapping);
}

/**
 * famfs_inode_retire() - the server has retired the map of a file
 * @inode: a regular file on a famfs connection
 *
 * No mapping stays, and open descriptors are of no use until the file is opened
 * again. Reads and writes that have begun, and DMA to pinned pages, go on; the
 * file keeps its claim on the memory until they are done. A map that is being
 * fetched may be the old one, and is not attached.
 *
 * Context: process context, may sleep, holds no lock of the inode.
 */
void famfs_inode_retire(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	trace_famfs_map_retire(inode);
	filemap_invalidate_lock(inode->i_mapping);
	WRITE_ONCE(fi->famfs_retired, fi->famfs_retired + 1);
	famfs_inode_set_stale(inode);
	filemap_invalidate_unlock(inode->i_mapping);
}

/**
 * famfs_inode_drop() - does an inode go away with its last reference?
 * @inode: an inode of any type and connection
 *
 * FUSE evicts inodes as soon as they are unused. A file that has had pages
 * mapped stays, even if it has been removed: eviction waits for pages that are
 * in use, and would do so in reclaim or in a server thread. It goes when
 * another file claims its memory, or at unmount. Staying also lets fsync tell
 * what this host may have stored.
 *
 * Context: any, with the lock of the inode held.
 * Return: whether the inode is to be evicted.
 */
int famfs_inode_drop(struct inode *inode)
{
	if (fuse_is_famfs(inode) && !mapping_empty(&inode->i_data))
		return 0;
	return inode_just_drop(inode);
}

/**
 * famfs_inode_evict_begin() - before the pages of an inode are given up
 * @inode: an inode that is being evicted, of any type and connection
 *
 * Context: process context, may sleep: waits for notifications that use it.
 */
void famfs_inode_evict_begin(struct inode *inode)
{
	struct famfs_map *map = get_fuse_inode(inode)->famfs_map;

	if (map)
		famfs_map_retire(fuse_conn_famfs(get_fuse_conn(inode)), map);
}

/**
 * famfs_inode_evict_end() - after the pages of an inode have been given up
 * @inode: what famfs_inode_evict_begin() was called for
 *
 * Context: process context, may sleep.
 */
void famfs_inode_evict_end(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct famfs_map *map = fi->famfs_map;

	if (!map)
		return;
	fi->famfs_map = NULL;
	/* it is retired, so nothing uses it */
	famfs_map_try_unlink(fuse_conn_famfs(get_fuse_conn(inode)), map);
	famfs_map_free(map);
}
