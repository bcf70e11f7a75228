// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: the devices of a connection, and which file lies where on them
 *
 * A connection takes hold of a device when a map names it for the first time,
 * and gives all of them back at unmount. The server says which device is behind
 * an index, by a path, which is looked up while the server writes its reply and
 * hence with its root, mounts and credentials, or by an open descriptor.
 *
 * Every device has a tree of the strips that lie on it. It keeps two files from
 * using the same memory, and finds the files when memory fails or goes away.
 *
 * A map that is linked into the trees is used by these notifications without a
 * reference on its inode, which might be the last one while the file system is
 * being unmounted. Instead they count as users of the map, and eviction waits
 * until there are none.
 */
#include "fuse_i.h"
#include "famfs.h"
#include "famfs_map.h"

#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/file.h>
#include <linux/interval_tree.h>
#include <linux/mm.h>
#include <linux/namei.h>

/* The strip that a node of the tree of a device is part of. */
static struct famfs_strip *to_strip(struct interval_tree_node *node)
{
	return container_of(node, struct famfs_strip, node);
}

static struct famfs_dev *famfs_dev_get(struct famfs_conn *conn, u32 index)
{
	/* pairs with smp_store_release() in famfs_dev_add() */
	return smp_load_acquire(&conn->devs[index]);
}

/**
 * famfs_conn_alloc() - make the famfs part of a connection
 *
 * Context: process context, may sleep.
 * Return: it, without devices, or NULL.
 */
struct famfs_conn *famfs_conn_alloc(void)
{
	struct famfs_conn *conn = kzalloc_obj(*conn, GFP_KERNEL_ACCOUNT);

	if (!conn)
		return NULL;
	spin_lock_init(&conn->lock);
	init_waitqueue_head(&conn->wait);
	mutex_init(&conn->add_mutex);
	return conn;
}

/**
 * famfs_conn_close() - give back the devices
 * @conn: the famfs part of a connection, or NULL
 *
 * For unmount, after the last inode has been evicted. The server may keep the
 * connection as long as it likes, but gets no device any more.
 *
 * Context: process context, may sleep: waits for running notifications.
 */
void famfs_conn_close(struct famfs_conn *conn)
{
	u32 i;

	if (!conn)
		return;
	guard(mutex)(&conn->add_mutex);
	if (conn->closed)
		return;
	conn->closed = true;
	for (i = 0; i < FAMFS_MAX_DEVS; i++)
		if (conn->devs[i])
			fs_put_dax(conn->devs[i]->dax_dev, conn->devs[i]);
}

/**
 * famfs_conn_free() - free the famfs part of a connection
 * @conn: it, or NULL; closed, if it ever had a device
 *
 * Context: process context, may sleep.
 */
void famfs_conn_free(struct famfs_conn *conn)
{
	u32 i;

	if (!conn)
		return;
	famfs_conn_close(conn);
	for (i = 0; i < FAMFS_MAX_DEVS; i++)
		kfree(conn->devs[i]);
	mutex_destroy(&conn->add_mutex);
	kfree(conn);
}

/*
 * The next strip on @dev that touches the pages @first to @last, with its map
 * marked as used. A map that is being evicted is passed over: nobody maps the
 * file.
 */
static struct famfs_strip *famfs_dev_use_strip(struct famfs_dev *dev,
					       unsigned long first,
					       unsigned long last)
{
	struct interval_tree_node *node;

	guard(spinlock)(&dev->conn->lock);
	for (node = interval_tree_iter_first(&dev->extents, first, last); node;
	     node = interval_tree_iter_next(node, first, last)) {
		struct famfs_map *map = to_strip(node)->map;

		if (!map->dying) {
			map->users++;
			return to_strip(node);
		}
	}
	return NULL;
}

static void famfs_map_unuse(struct famfs_conn *conn, struct famfs_map *map)
{
	scoped_guard(spinlock, &conn->lock)
		map->users--;
	wake_up_all(&conn->wait);
}

/*
 * Kill whoever maps the failed pages, at the address of these pages. The driver
 * has recorded the pages and lets nobody access them from now on; everything
 * else on the device goes on working.
 */
static int famfs_dev_memory_failure(struct famfs_dev *dev, unsigned long first,
				    unsigned long last, int mf_flags)
{
	struct famfs_strip *strip;
	int err = 0;

	while (first <= last &&
	       (strip = famfs_dev_use_strip(dev, first, last))) {
		struct famfs_map *map = strip->map;
		struct inode *inode = map->owner;
		unsigned long page = max(first, strip->node.start);
		unsigned long end = min(last, strip->node.last);
		u64 off;

		for (; page <= end; page++) {
			int ret;

			if (!famfs_map_locate(map, strip, page, &off))
				continue;
			ret = mf_dax_kill_procs(inode->i_mapping,
						off >> PAGE_SHIFT, 1, mf_flags);
			err = err ?: ret;
		}
		famfs_map_unuse(dev->conn, map);
		first = end + 1;
	}
	return err;
}

static void famfs_wait_pins(struct inode *inode)
{
	if (dax_layout_busy_page(inode->i_mapping))
		pr_info("famfs: waiting for pages of inode %llu that are in use\n",
			get_node_id(inode));
	dax_break_layout_final(inode);
}

/*
 * Take the memory away from a file. Setting the bit makes every new access
 * fail. Faults that have not seen it hold the invalidate lock; reads and writes
 * that have not are within dax_read_lock(), for which kill_dax() waits.
 *
 * The wait for pins is made without any lock: somebody who waits for such a
 * lock, and can not be killed, may be the one that has to release the pins.
 */
static void famfs_inode_revoke(struct inode *inode)
{
	set_bit(FUSE_I_FAMFS_STALE, &get_fuse_inode(inode)->state);
	filemap_invalidate_lock(inode->i_mapping);
	filemap_invalidate_unlock(inode->i_mapping);
	famfs_wait_pins(inode);
}

/* Take the strips of @map out of the tree of @dev, or of all devices. */
static void famfs_map_erase_locked(struct famfs_map *map, struct famfs_dev *dev)
{
	struct famfs_strip *strip;

	famfs_map_for_each_strip(map, strip) {
		struct famfs_dev *d = strip->dev;

		lockdep_assert_held(&d->conn->lock);
		if ((dev && d != dev) || RB_EMPTY_NODE(&strip->node.rb))
			continue;
		interval_tree_remove(&strip->node, &d->extents);
		RB_CLEAR_NODE(&strip->node.rb);
	}
}

/* Is there nothing left on the device, apart from what is being evicted? */
static bool famfs_dev_empty(struct famfs_dev *dev)
{
	guard(spinlock)(&dev->conn->lock);
	return RB_EMPTY_ROOT(&dev->extents.rb_root);
}

static int famfs_dev_remove(struct famfs_dev *dev)
{
	struct famfs_conn *conn = dev->conn;
	struct famfs_strip *strip;

	scoped_guard(spinlock, &conn->lock)
		dev->gone = true;

	while ((strip = famfs_dev_use_strip(dev, 0, ULONG_MAX))) {
		struct famfs_map *map = strip->map;

		famfs_inode_revoke(map->owner);
		scoped_guard(spinlock, &conn->lock)
			famfs_map_erase_locked(map, dev);
		famfs_map_unuse(conn, map);
	}
	/* eviction gives up the pages of the rest */
	wait_event(conn->wait, famfs_dev_empty(dev));
	return 0;
}

static int famfs_notify_failure(struct dax_device *dax_dev, u64 offset,
				u64 len, int mf_flags)
{
	struct famfs_dev *dev = dax_holder(dax_dev);

	if (mf_flags & MF_MEM_PRE_REMOVE)
		return famfs_dev_remove(dev);
	return famfs_dev_memory_failure(dev, offset >> PAGE_SHIFT,
					(offset + len - 1) >> PAGE_SHIFT,
					mf_flags);
}

static const struct dax_holder_operations famfs_holder_ops = {
	.notify_failure = famfs_notify_failure,
};

/*
 * Hold @dax_dev as number @index. Return: 0, -EEXIST if the index is taken,
 * -ENOTCONN after unmount, or what fs_dax_get() returns.
 */
static int famfs_dev_add(struct famfs_conn *conn, u32 index,
			 struct dax_device *dax_dev)
{
	struct famfs_dev *dev __free(kfree) =
		kzalloc_obj(*dev, GFP_KERNEL_ACCOUNT);
	int err;

	if (!dev)
		return -ENOMEM;
	dev->dax_dev = dax_dev;
	dev->conn = conn;
	dev->extents = RB_ROOT_CACHED;

	guard(mutex)(&conn->add_mutex);
	if (conn->closed)
		return -ENOTCONN;
	if (conn->devs[index])
		return -EEXIST;
	err = fs_dax_get(dax_dev, dev, &famfs_holder_ops);
	if (err)
		return err;
	dev->nr_pages = fs_dax_size(dax_dev) >> PAGE_SHIFT;
	/* pairs with smp_load_acquire() in famfs_dev_get() */
	smp_store_release(&conn->devs[index], no_free_ptr(dev));
	return 0;
}

static int famfs_dev_add_inode(struct famfs_conn *conn, u32 index,
			       struct inode *inode)
{
	struct dax_device *dax_dev;
	int err;

	if (!S_ISCHR(inode->i_mode))
		return -ENODEV;
	dax_dev = dax_dev_find(inode->i_rdev);
	if (!dax_dev)
		return -ENODEV;
	err = famfs_dev_add(conn, index, dax_dev);
	put_dax(dax_dev);
	return err;
}

static int famfs_dev_add_path(struct famfs_conn *conn, u32 index,
			      const char *name)
{
	struct inode *inode;
	struct path path;
	int err;

	err = kern_path(name, LOOKUP_FOLLOW, &path);
	if (err)
		return err;
	inode = d_backing_inode(path.dentry);
	if (path.mnt->mnt_flags & MNT_NODEV ||
	    path.mnt->mnt_sb->s_iflags & SB_I_NODEV)
		err = -EACCES;
	else
		err = inode_permission(mnt_idmap(path.mnt), inode,
				       MAY_READ | MAY_WRITE);
	if (!err)
		err = famfs_dev_add_inode(conn, index, inode);
	path_put(&path);
	return err;
}

/**
 * famfs_dev_open_fd() - register an open dax device under an index
 * @fc: the connection
 * @fd: descriptor of the device, open for reading and writing
 * @index: the index
 *
 * Context: process context of the server, may sleep.
 * Return: 0, -EOPNOTSUPP if the connection is not famfs (or not yet: FUSE_INIT
 * has to be answered) or the device is not in famfs mode, -EPERM without
 * CAP_SYS_RAWIO, -EINVAL for an index out of range, -EBADF, -EACCES if @fd is
 * not open for reading and writing, -EEXIST if the index is taken, -ENODEV if
 * @fd is no dax device or has no driver, -EBUSY if it is held, -ENOTCONN after
 * unmount, -EINTR, -ENOMEM.
 */
int famfs_dev_open_fd(struct fuse_conn *fc, int fd, u32 index)
{
	struct famfs_conn *conn = fuse_conn_famfs(fc);

	if (!conn)
		return -EOPNOTSUPP;
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (index >= FAMFS_MAX_DEVS)
		return -EINVAL;

	CLASS(fd, f)(fd);
	if (fd_empty(f))
		return -EBADF;
	if ((fd_file(f)->f_mode & (FMODE_READ | FMODE_WRITE)) !=
	    (FMODE_READ | FMODE_WRITE))
		return -EACCES;
	return famfs_dev_add_inode(conn, index, file_inode(fd_file(f)));
}

/**
 * struct famfs_daxdev_args - a FUSE_GET_DAXDEV request
 * @args: the request
 * @index: index of the device
 * @out: the reply
 */
struct famfs_daxdev_args {
	struct fuse_args args;
	u32 index;
	struct fuse_daxdev_out out;
};

static bool famfs_daxdev_valid(const struct famfs_daxdev_args *da)
{
	const struct fuse_daxdev_out *out = &da->out;

	/* a short reply is let through to here */
	if (da->args.out_args[0].size != sizeof(*out))
		return false;
	if (out->index && out->index != da->index)
		return false;
	if (out->reserved || out->reserved2 || out->reserved3 || out->reserved4)
		return false;
	return out->name[0] && strnlen(out->name, DAXDEV_NAME_MAX) <
				       DAXDEV_NAME_MAX;
}

/* Runs while the server writes the reply: its rights and its paths count. */
static int famfs_daxdev_reply(struct fuse_mount *fm, struct fuse_args *args)
{
	struct famfs_daxdev_args *da =
		container_of(args, struct famfs_daxdev_args, args);
	int err;

	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	if (!famfs_daxdev_valid(da))
		return -EINVAL;
	err = famfs_dev_add_path(fuse_conn_famfs(fm->fc), da->index,
				 da->out.name);
	/* another open has asked for the same device and was faster */
	if (err == -EEXIST)
		err = 0;
	/* the numbers that only make sense within the kernel */
	return err <= -512 ? -EIO : err;
}

static int famfs_dev_ask(struct fuse_mount *fm, u32 index)
{
	struct famfs_daxdev_args da = {
		.index = index,
		.args = {
			.opcode = FUSE_GET_DAXDEV,
			.nodeid = index,
			.reply = famfs_daxdev_reply,
			.out_argvar = true,
			.out_numargs = 1,
		},
	};
	ssize_t ret;

	da.args.out_args[0].size = sizeof(da.out);
	da.args.out_args[0].value = &da.out;
	ret = fuse_simple_request(fm, &da.args);
	if (ret == -ENOSYS)
		return -EOPNOTSUPP;
	return ret < 0 ? ret : 0;
}

/**
 * famfs_map_get_devs() - replace the device indices of a map by the devices
 * @fm: the mount
 * @map: a new map
 *
 * Asks the server for every device that the connection does not hold yet.
 *
 * Context: process context, may sleep, holds no lock.
 * Return: 0, -EINVAL if a strip ends beyond its device or the reply about a
 * device is malformed, -EIO if that reply is longer than the format allows,
 * -EPERM if the server lacks CAP_SYS_RAWIO, -EOPNOTSUPP if it does not know the
 * request or the device is not in famfs mode, -ENODEV if the name is that of no
 * dax device or of one without a driver, -EACCES if the server may not open it
 * or the mount it is on has no devices, -EBUSY if the device is held already,
 * -ENOTCONN after an abort, -EINTR, -ENOMEM, another error from looking up the
 * name, or the server's.
 */
int famfs_map_get_devs(struct fuse_mount *fm, struct famfs_map *map)
{
	struct famfs_conn *conn = fuse_conn_famfs(fm->fc);
	struct famfs_strip *strip;

	famfs_map_for_each_strip(map, strip) {
		u32 index = strip->devindex;
		struct famfs_dev *dev = famfs_dev_get(conn, index);
		int err;

		if (!dev) {
			err = famfs_dev_ask(fm, index);
			if (err)
				return err;
			dev = famfs_dev_get(conn, index);
			if (!dev)
				return -EIO;
		}
		if (strip->node.last >= dev->nr_pages)
			return -EINVAL;
		strip->dev = dev;
		RB_CLEAR_NODE(&strip->node.rb);
	}
	return 0;
}

/**
 * famfs_map_link() - claim the memory of a map
 * @conn: the connection
 * @map: a map that has its devices
 *
 * Context: any.
 * Return: 0, -EBUSY if another file uses a part of the memory, -ENODEV if one
 * of the devices is gone.
 */
int famfs_map_link(struct famfs_conn *conn, struct famfs_map *map)
{
	struct famfs_strip *strip;
	int err = 0;

	guard(spinlock)(&conn->lock);
	famfs_map_for_each_strip(map, strip) {
		struct famfs_dev *dev = strip->dev;

		if (dev->gone)
			err = -ENODEV;
		else if (interval_tree_iter_first(&dev->extents,
						  strip->node.start,
						  strip->node.last))
			err = -EBUSY;
		if (err)
			break;
		interval_tree_insert(&strip->node, &dev->extents);
	}
	if (err)
		famfs_map_erase_locked(map, NULL);
	return err;
}

/**
 * famfs_map_try_unlink() - give up the memory of a map
 * @conn: the connection
 * @map: a linked map, of which no page is in the mapping of the inode any more
 *
 * Context: any.
 * Return: false, and nothing is changed, if a notification is using the map.
 */
bool famfs_map_try_unlink(struct famfs_conn *conn, struct famfs_map *map)
{
	scoped_guard(spinlock, &conn->lock) {
		if (map->users)
			return false;
		famfs_map_erase_locked(map, NULL);
	}
	wake_up_all(&conn->wait);
	return true;
}

static bool famfs_map_unused(struct famfs_conn *conn, struct famfs_map *map)
{
	guard(spinlock)(&conn->lock);
	return !map->users;
}

/**
 * famfs_map_retire() - keep notifications from using a map any more
 * @conn: the connection
 * @map: a linked map, whose inode is being evicted
 *
 * Context: process context, may sleep: waits for those that use it now, and
 * these may wait for DMA.
 */
void famfs_map_retire(struct famfs_conn *conn, struct famfs_map *map)
{
	scoped_guard(spinlock, &conn->lock)
		map->dying = true;
	wait_event(conn->wait, famfs_map_unused(conn, map));
}
