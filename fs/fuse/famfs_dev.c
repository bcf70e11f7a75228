// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: how a connection gets its devices
 *
 * The server says which device an index refers to. It registers an open
 * descriptor before a map names the index, or it is asked with FUSE_GET_DAXDEV
 * and replies with a path.
 *
 * The path is looked up within the server's write to /dev/fuse, so that its
 * root, mounts and credentials apply. A look-up can block indefinitely: it may
 * need a directory that the opener of a file has locked, or lead to a file
 * system that hangs. So it is done after the request has ended, when neither an
 * abort nor an unmount waits for it. The opener waits for the result until it
 * is killed or the connection is aborted. Only the server thread that named the
 * path is left waiting.
 */
#include "fuse_i.h"
#include "famfs.h"
#include "famfs_map.h"

#include <linux/cleanup.h>
#include <linux/completion.h>
#include <linux/dax.h>
#include <linux/file.h>
#include <linux/interval_tree.h>
#include <linux/namei.h>
#include <linux/refcount.h>

#include "famfs_trace.h"

/**
 * struct famfs_query - a FUSE_GET_DAXDEV request and what comes after it
 * @args: the request
 * @out: the reply
 * @conn: the connection
 * @index: index of the device
 * @refs: one for the opener, one for the server while it looks up the device
 * @entry: in &famfs_conn->queries while the server looks up the device
 * @task: the server thread that looks it up
 * @done: completed with @err set; both under &famfs_conn->spin
 * @err: the result of the look-up
 */
struct famfs_query {
	struct fuse_args args;
	struct fuse_daxdev_out out;
	struct famfs_conn *conn;
	u32 index;
	refcount_t refs;
	struct list_head entry;
	struct task_struct *task;
	struct completion done;
	int err;
};

static void famfs_query_put(struct famfs_query *query)
{
	if (refcount_dec_and_test(&query->refs))
		kfree(query);
}

/**
 * famfs_dev_get() - the device of an index
 * @conn: the connection
 * @index: below FAMFS_MAX_DEVS
 *
 * Context: any.
 * Return: the device, or NULL.
 */
struct famfs_dev *famfs_dev_get(struct famfs_conn *conn, u32 index)
{
	/* pairs with smp_store_release() in famfs_dev_publish() */
	return smp_load_acquire(&conn->devs[index]);
}

/* Registering the same device again is not an error. */
static int famfs_dev_again(struct famfs_dev *dev, struct dax_device *dax_dev)
{
	if (dev->dax_dev != dax_dev)
		return -EEXIST;
	guard(mutex)(&dev->conn->lock);
	return dev->gone ? -ENODEV : 0;
}

/* Publish a device, unless the file system has since been unmounted. */
static int famfs_dev_publish(struct famfs_dev *dev)
{
	struct famfs_conn *conn = dev->conn;

	guard(spinlock)(&conn->spin);
	if (conn->closed)
		return -ENOTCONN;
	/* pairs with smp_load_acquire() in famfs_dev_get() */
	smp_store_release(&conn->devs[dev->index], dev);
	return 0;
}

static int famfs_dev_add_locked(struct famfs_conn *conn, u32 index,
				struct dax_device *dax_dev)
{
	struct famfs_dev *dev __free(kfree) = NULL;
	int err;

	lockdep_assert_held(&conn->add_mutex);
	/* checked again when the device is published */
	if (READ_ONCE(conn->closed))
		return -ENOTCONN;
	if (conn->devs[index])
		return famfs_dev_again(conn->devs[index], dax_dev);
	dev = kzalloc_obj(*dev, GFP_KERNEL_ACCOUNT);
	if (!dev)
		return -ENOMEM;
	dev->dax_dev = dax_dev;
	dev->conn = conn;
	dev->index = index;
	dev->claims = RB_ROOT_CACHED;
	err = fs_dax_get(dax_dev, dev, &famfs_holder_ops);
	if (err)
		return err;
	dev->nr_pages = fs_dax_size(dax_dev) >> PAGE_SHIFT;
	dev->folio_order = fs_dax_folio_order(dax_dev);
	err = famfs_dev_publish(dev);
	if (err) {
		fs_put_dax(dax_dev, dev);
		return err;
	}
	trace_famfs_dev_hold(dev, 0, dev->nr_pages << PAGE_SHIFT);
	famfs_dev_info(dev, "held");
	retain_and_null_ptr(dev);
	return 0;
}

/*
 * Hold @dax_dev under @index. Return: 0, also if it is already held under that
 * index, -EEXIST if the index belongs to another device, -ENOTCONN after
 * unmount, -EINTR, -ENOMEM, or what fs_dax_get() returns.
 */
static int famfs_dev_add(struct famfs_conn *conn, u32 index,
			 struct dax_device *dax_dev)
{
	int err = mutex_lock_killable(&conn->add_mutex);

	if (err)
		return err;
	err = famfs_dev_add_locked(conn, index, dax_dev);
	mutex_unlock(&conn->add_mutex);
	return err;
}

/* May the server open the device that @path leads to? */
static int famfs_path_permission(const struct path *path)
{
	if (path->mnt->mnt_flags & MNT_NODEV ||
	    path->mnt->mnt_sb->s_iflags & SB_I_NODEV)
		return -EACCES;
	return inode_permission(mnt_idmap(path->mnt),
				d_backing_inode(path->dentry),
				MAY_READ | MAY_WRITE);
}

static int famfs_dev_add_path(struct famfs_conn *conn, u32 index,
			      const char *name)
{
	struct dax_device *dax_dev = NULL;
	struct inode *inode;
	struct path path;
	int err;

	err = kern_path(name, LOOKUP_FOLLOW, &path);
	if (err)
		return err;
	err = famfs_path_permission(&path);
	inode = d_backing_inode(path.dentry);
	if (!err && S_ISCHR(inode->i_mode))
		dax_dev = dax_dev_get(inode->i_rdev);
	path_put(&path);
	if (err)
		return err;
	if (!dax_dev)
		return -ENODEV;
	err = famfs_dev_add(conn, index, dax_dev);
	put_dax(dax_dev);
	return err;
}

static int famfs_dev_add_fd(struct famfs_conn *conn, u32 index, int fd)
{
	struct dax_device *dax_dev;
	int err;

	CLASS(fd, f)(fd);
	if (fd_empty(f))
		return -EBADF;
	if ((fd_file(f)->f_mode & (FMODE_READ | FMODE_WRITE)) !=
	    (FMODE_READ | FMODE_WRITE))
		return -EACCES;
	dax_dev = dax_dev_get_file(fd_file(f));
	if (!dax_dev)
		return -ENODEV;
	err = famfs_dev_add(conn, index, dax_dev);
	put_dax(dax_dev);
	return err;
}

/**
 * famfs_dev_ioctl_open() - FUSE_DEV_IOC_DAXDEV_OPEN: register a dax device
 * @file: /dev/fuse, as the server opened it
 * @fc: the connection
 * @argp: the argument of the ioctl
 *
 * Context: process context of the server, may sleep.
 * Return: 0, also if the index already belongs to this device, -EFAULT, -EINVAL
 * for unknown flags or an index out of range, -EOPNOTSUPP if the connection is
 * not famfs (or not yet: FUSE_INIT has to be answered) or the device is not in
 * famfs mode, -EPERM without CAP_SYS_RAWIO, -EBADF, -EACCES if the descriptor
 * is not open for reading and writing, -EEXIST if the index belongs to another
 * device, -ENODEV if the descriptor is not a dax device, or the device has no
 * driver or is gone, -EBUSY if it is held, -ENOTCONN after unmount, -EINTR,
 * -ENOMEM.
 */
long famfs_dev_ioctl_open(const struct file *file, struct fuse_conn *fc,
			  struct fuse_daxdev_map __user *argp)
{
	struct fuse_daxdev_map map;
	struct famfs_conn *conn;

	if (copy_from_user(&map, argp, sizeof(map)))
		return -EFAULT;
	if (map.flags)
		return -EINVAL;
	conn = fuse_conn_famfs(fc);
	if (!conn)
		return -EOPNOTSUPP;
	if (!famfs_server_capable(file))
		return -EPERM;
	if (map.daxdev_index >= FAMFS_MAX_DEVS)
		return -EINVAL;
	return famfs_dev_add_fd(conn, map.daxdev_index, map.fd);
}

static bool famfs_query_valid(const struct famfs_query *query)
{
	const struct fuse_daxdev_out *out = &query->out;

	/* a short reply gets this far */
	if (query->args.out_args[0].size != sizeof(*out))
		return false;
	if (out->index && out->index != query->index)
		return false;
	if (out->reserved || out->reserved2 || out->reserved3 || out->reserved4)
		return false;
	return out->name[0] && strnlen(out->name, DAXDEV_NAME_MAX) <
				       DAXDEV_NAME_MAX;
}

/**
 * famfs_query_reply() - look at the reply to FUSE_GET_DAXDEV
 * @file: /dev/fuse, as the server opened it
 * @args: the request with its reply
 * @query: set on success; the caller ends the request, then calls
 *	famfs_query_finish()
 *
 * Context: process context of the server, does not sleep.
 * Return: 0, -EPERM if the server lacks CAP_SYS_RAWIO, -EINVAL if the reply is
 * malformed, -ENOTCONN after an abort.
 */
int famfs_query_reply(const struct file *file, struct fuse_args *args,
		      struct famfs_query **query)
{
	struct famfs_query *q = container_of(args, struct famfs_query, args);
	struct famfs_conn *conn = q->conn;

	if (!famfs_server_capable(file))
		return -EPERM;
	if (!famfs_query_valid(q))
		return -EINVAL;
	guard(spinlock)(&conn->spin);
	if (conn->aborted)
		return -ENOTCONN;
	refcount_inc(&q->refs);
	q->task = current;
	list_add(&q->entry, &conn->queries);
	*query = q;
	return 0;
}

static void famfs_query_done_locked(struct famfs_query *query, int err)
{
	lockdep_assert_held(&query->conn->spin);
	if (completion_done(&query->done))
		return;
	query->err = err;
	complete_all(&query->done);
}

/**
 * famfs_query_finish() - look up the device that a reply names
 * @query: what famfs_query_reply() has set, or NULL
 *
 * Only the calling server thread waits for this.
 *
 * Context: process context of the server, may sleep indefinitely.
 */
void famfs_query_finish(struct famfs_query *query)
{
	struct famfs_conn *conn;
	int err;

	if (!query)
		return;
	conn = query->conn;
	err = famfs_dev_add_path(conn, query->index, query->out.name);
	/*
	 * Codes that are internal to the kernel, and what the server of another
	 * file system returns for what it does not implement, must not pass for
	 * replies of this server.
	 */
	if (err <= -512 || err == -ENOSYS)
		err = -EIO;
	scoped_guard(spinlock, &conn->spin) {
		list_del(&query->entry);
		famfs_query_done_locked(query, err);
	}
	famfs_query_put(query);
}

/**
 * famfs_query_abort_all() - end the waits for devices
 * @conn: the connection, which is being aborted
 *
 * Context: any process context.
 */
void famfs_query_abort_all(struct famfs_conn *conn)
{
	struct famfs_query *query;

	guard(spinlock)(&conn->spin);
	conn->aborted = true;
	list_for_each_entry(query, &conn->queries, entry)
		famfs_query_done_locked(query, -ENOTCONN);
}

/**
 * famfs_query_is_current() - is the current task looking up a device?
 * @conn: the connection that wants the device, or NULL
 *
 * A path that leads through the connection itself would make the server wait
 * for its own answer. Every step of a path checks permission, even in RCU mode,
 * and is refused there.
 *
 * Context: any.
 */
bool famfs_query_is_current(struct famfs_conn *conn)
{
	struct famfs_query *query;

	if (!conn || list_empty_careful(&conn->queries))
		return false;
	guard(spinlock)(&conn->spin);
	list_for_each_entry(query, &conn->queries, entry)
		if (query->task == current)
			return true;
	return false;
}

static struct famfs_query *famfs_query_alloc(struct famfs_conn *conn, u32 index)
{
	struct famfs_query *query = kzalloc_obj(*query, GFP_KERNEL_ACCOUNT);

	if (!query)
		return NULL;
	query->conn = conn;
	query->index = index;
	refcount_set(&query->refs, 1);
	init_completion(&query->done);
	query->args.opcode = FUSE_GET_DAXDEV;
	query->args.nodeid = index;
	query->args.out_argvar = true;
	query->args.out_numargs = 1;
	query->args.out_args[0].size = sizeof(query->out);
	query->args.out_args[0].value = &query->out;
	return query;
}

static int famfs_dev_ask(struct fuse_mount *fm, u32 index)
{
	struct famfs_query *query =
		famfs_query_alloc(fuse_conn_famfs(fm->fc), index);
	ssize_t ret;

	if (!query)
		return -ENOMEM;
	ret = fuse_simple_request(fm, &query->args);
	if (ret >= 0) {
		ret = wait_for_completion_killable(&query->done);
		ret = ret ? -EINTR : query->err;
	} else if (ret == -ENOSYS) {
		ret = -EOPNOTSUPP;
	}
	famfs_query_put(query);
	return ret;
}

/*
 * Where the driver has made the folios, a file consists of whole ones, all of one
 * size. Return: 0 or -EINVAL.
 */
static int famfs_map_check_folios(struct famfs_map *map)
{
	struct famfs_claim *claim = famfs_map_claims(map);
	struct famfs_dev *dev = claim->dev;
	bool aligned = true;

	map->folio_order = dev->folio_order;
	famfs_map_for_each_claim(map, claim) {
		aligned &= claim->dev->folio_order == map->folio_order;
		if (claim->dev->folio_order)
			dev = claim->dev;
	}
	if (aligned && (!map->folio_order ||
			famfs_map_aligned(map, PAGE_SIZE << map->folio_order)))
		return 0;
	if (!xchg(&dev->misaligned, true))
		famfs_dev_info(dev, "refuses files that are not made of its folios");
	return -EINVAL;
}

/**
 * famfs_map_get_devs() - replace the device indices of a map with the devices
 * @fm: the mount
 * @map: a new map
 *
 * Asks the server for every device that the connection does not hold yet.
 *
 * Context: process context, may sleep, holds no lock of an inode on this
 * connection other than that of the directory in which a file is created.
 * Return: 0, -EINVAL if an extent ends beyond its device or is not made of the
 * folios of its device, or the reply about a device is malformed, -EIO if that
 * reply is longer than the format allows, -EPERM if the server lacks
 * CAP_SYS_RAWIO, -EOPNOTSUPP if it does not know the request or the device is
 * not in famfs mode, -ENODEV if the name is not that of a dax device, or the
 * device has no driver or is gone, -EACCES if the server may not open it or it
 * is on a mount with nodev, -EDEADLK if the name leads through this
 * connection, -EEXIST if the server has since named another device, -EBUSY if
 * the device is already held, -ENOTCONN or -ECONNABORTED after an abort,
 * -EINTR (also if a signal interrupted the server while it acquired the
 * device), -ENOMEM, another error from looking up the name, or the server's.
 */
int famfs_map_get_devs(struct fuse_mount *fm, struct famfs_map *map)
{
	struct famfs_conn *conn = fuse_conn_famfs(fm->fc);
	struct famfs_claim *claim;

	famfs_map_for_each_claim(map, claim) {
		u32 index = claim->devindex;
		struct famfs_dev *dev = famfs_dev_get(conn, index);

		if (!dev) {
			int err = famfs_dev_ask(fm, index);

			if (err)
				return err;
			dev = famfs_dev_get(conn, index);
		}
		if (claim->node.last >= dev->nr_pages)
			return -EINVAL;
		claim->dev = dev;
		RB_CLEAR_NODE(&claim->node.rb);
	}
	return famfs_map_check_folios(map);
}
