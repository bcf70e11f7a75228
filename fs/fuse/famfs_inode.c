// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: the map and the inode
 *
 * Every regular file of a famfs connection is dax memory from the moment its
 * inode exists. Opening it for the first time fetches the map, which then stays
 * until the inode is evicted or the map becomes stale: because the server
 * reports another size, or because a device has been removed. Access to a stale
 * file fails until an open has fetched a fresh map.
 *
 * The map pointer changes only under the inode lock and the invalidate lock,
 * both held exclusively, and only while the file has no page mapped.
 */
#include "fuse_i.h"
#include "famfs.h"
#include "famfs_map.h"

#include <linux/backing-dev.h>
#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/mm.h>
#include <linux/slab.h>

/**
 * famfs_init_offer() - offer famfs to the process that reads FUSE_INIT
 * @fm: the mount
 * @args: the FUSE_INIT request
 *
 * Runs when the request is about to be copied to user space, so that it is the
 * server's capability that counts, not that of who called mount(2). Transports
 * other than /dev/fuse do not come here. Files have to be below a directory:
 * the root exists before the server has answered.
 *
 * Context: process context of the server.
 */
void famfs_init_offer(struct fuse_mount *fm, struct fuse_args *args)
{
	struct fuse_init_in *in = (void *)args->in_args[0].value;

	if (fm->sb->s_bdev || !S_ISDIR(d_inode(fm->sb->s_root)->i_mode))
		return;
	if (ns_capable_noaudit(&init_user_ns, CAP_SYS_RAWIO))
		in->flags2 |= FUSE_DAX_FMAP >> 32;
}

/**
 * famfs_init_reply() - make the connection a famfs connection
 * @fm: the mount
 * @args: the FUSE_INIT request with its reply
 *
 * Runs while the server writes the reply, for the same reason. A server that
 * takes the flag without having been offered it, or has lost the capability in
 * the meantime, gets an ordinary connection.
 *
 * Context: process context of the server, may sleep.
 * Return: 0, or -ENOMEM.
 */
int famfs_init_reply(struct fuse_mount *fm, struct fuse_args *args)
{
	const struct fuse_init_in *in = args->in_args[0].value;
	const struct fuse_init_out *out = args->out_args[0].value;

	if (!(in->flags2 & out->flags2 & (FUSE_DAX_FMAP >> 32)) ||
	    !(out->flags & FUSE_INIT_EXT))
		return 0;
	if (!capable(CAP_SYS_RAWIO))
		return 0;
	fm->fc->famfs = famfs_conn_alloc();
	if (!fm->fc->famfs)
		return -ENOMEM;
	/* nothing is ever dirty, see dax_insert_entry() */
	fm->sb->s_bdi->capabilities &= ~BDI_CAP_WRITEBACK;
	return 0;
}

static bool famfs_inode_has_map(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	/* a map that has just become stale is as good as one that will */
	return READ_ONCE(fi->famfs_map) &&
	       !test_bit(FUSE_I_FAMFS_STALE, &fi->state);
}

static int famfs_fmap_reply(struct fuse_mount *fm, struct fuse_args *args)
{
	return capable(CAP_SYS_RAWIO) ? 0 : -EPERM;
}

static struct famfs_map *famfs_fetch_map(struct fuse_mount *fm, u64 nodeid)
{
	void *buf __free(kvfree) = kvmalloc(FAMFS_FMAP_MAX, GFP_KERNEL);
	FUSE_ARGS(args);
	ssize_t len;

	if (!buf)
		return ERR_PTR(-ENOMEM);
	args.opcode = FUSE_GET_FMAP;
	args.nodeid = nodeid;
	args.reply = famfs_fmap_reply;
	args.out_argvar = true;
	args.out_numargs = 1;
	args.out_args[0].size = FAMFS_FMAP_MAX;
	args.out_args[0].value = buf;

	len = fuse_simple_request(fm, &args);
	if (len == -ENOSYS)
		return ERR_PTR(-EOPNOTSUPP);
	if (len < 0)
		return ERR_PTR(len);
	return famfs_map_parse(buf, len, FAMFS_MAX_DEVS);
}

/*
 * Detach a stale map. Never waits, since the locks are held: if pages are
 * pinned for DMA, or a failure is being handled, the open fails.
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
	    !famfs_map_try_unlink(get_fuse_conn(inode)->famfs, map))
		return -EBUSY;
	WRITE_ONCE(fi->famfs_map, NULL);
	famfs_map_free(map);
	return 0;
}

/* The size of the file is that of its map; replies on their way are too old. */
static void famfs_inode_set_size(struct inode *inode, loff_t size)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	guard(spinlock)(&fi->lock);
	if (i_size_read(inode) == size)
		return;
	fi->attr_version = atomic64_inc_return(&get_fuse_conn(inode)->attr_version);
	i_size_write(inode, size);
}

static int famfs_attach_locked(struct inode *inode, struct famfs_map *map)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	int err;

	err = famfs_detach_locked(inode);
	if (err)
		return err;
	map->owner = inode;
	err = famfs_map_link(get_fuse_conn(inode)->famfs, map);
	if (err)
		return err;
	famfs_inode_set_size(inode, map->size);
	clear_bit(FUSE_I_FAMFS_STALE, &fi->state);
	WRITE_ONCE(fi->famfs_map, map);
	return 0;
}

/*
 * Of opens that race, one attaches its map and the others free theirs. Return:
 * 0 if the inode has a map now.
 */
static int famfs_attach(struct inode *inode, struct famfs_map *map)
{
	int err = 0;

	inode_lock(inode);
	filemap_invalidate_lock(inode->i_mapping);
	if (famfs_inode_has_map(inode))
		famfs_map_free(map);
	else
		err = famfs_attach_locked(inode, map);
	filemap_invalidate_unlock(inode->i_mapping);
	inode_unlock(inode);
	if (err)
		famfs_map_free(map);
	return err;
}

/**
 * famfs_inode_open() - make sure that a file has a map
 * @inode: a regular file on a famfs connection
 *
 * Context: process context, may sleep, holds no lock of the inode.
 * Return: 0, -EINVAL for a map that breaks the format or leaves its device,
 * -EOPNOTSUPP if the server does not know the request, or for a version or type
 * that is not known, -EPERM if the server lacks CAP_SYS_RAWIO, -EBUSY if
 * another file uses a part of the memory, or if a stale map is still in use
 * (pinned pages), -ENODEV if a device is gone, -EIO if the reply is longer than
 * the format allows, -EINTR, -ENOMEM, what famfs_map_get_devs() returns, or the
 * server's error.
 */
int famfs_inode_open(struct inode *inode)
{
	struct fuse_mount *fm = get_fuse_mount(inode);
	struct famfs_map *map;
	int err;

	if (famfs_inode_has_map(inode))
		return 0;
	map = famfs_fetch_map(fm, get_node_id(inode));
	if (IS_ERR(map))
		return PTR_ERR(map);
	err = famfs_map_get_devs(fm, map);
	if (err) {
		famfs_map_free(map);
		return err;
	}
	return famfs_attach(inode, map);
}

/**
 * famfs_inode_check_size() - the server has reported the size of a file
 * @inode: a regular file on a famfs connection
 * @old: size of the inode so far, in bytes
 * @new: size that was reported, and has been set
 *
 * A file can not change its size under its map. If the sizes differ, the map is
 * stale. Nothing is truncated: that would take pages away that are in use.
 *
 * Context: process context, may sleep, may hold the inode lock.
 */
void famfs_inode_check_size(struct inode *inode, loff_t old, loff_t new)
{
	struct fuse_inode *fi = get_fuse_inode(inode);

	if (old == new || !READ_ONCE(fi->famfs_map))
		return;
	set_bit(FUSE_I_FAMFS_STALE, &fi->state);
	/* faults that have not seen the bit hold the lock */
	filemap_invalidate_lock(inode->i_mapping);
	unmap_mapping_pages(inode->i_mapping, 0, 0, false);
	filemap_invalidate_unlock(inode->i_mapping);
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
		famfs_map_retire(get_fuse_conn(inode)->famfs, map);
}

/**
 * famfs_inode_evict_end() - after the pages of an inode have been given up
 * @inode: what famfs_inode_evict_begin() was called for
 *
 * Context: process context.
 */
void famfs_inode_evict_end(struct inode *inode)
{
	struct fuse_inode *fi = get_fuse_inode(inode);
	struct famfs_map *map = fi->famfs_map;

	if (!map)
		return;
	fi->famfs_map = NULL;
	/* it is retired, so nobody uses it */
	famfs_map_try_unlink(get_fuse_conn(inode)->famfs, map);
	famfs_map_free(map);
}
