/* SPDX-License-Identifier: GPL-2.0 */
/*
 * famfs: interfaces between its parts, and to the rest of fuse
 *
 * famfs_map.c	the map of a file: bytes to extents, offset to device
 * famfs_conn.c	the connection: INIT, where files lie, memory failure
 * famfs_dev.c	how a connection gets its devices
 * famfs_inode.c	the map of an inode: fetch, attach, retire, evict
 * famfs_pin.c	files that outlive their descriptors because of pins
 * famfs_file.c	the file operations
 * famfs_trace.h	trace events
 */
#ifndef _FS_FUSE_FAMFS_H
#define _FS_FUSE_FAMFS_H

#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>

struct dax_device;
struct famfs_conn;
struct famfs_map;
struct famfs_query;
struct fiemap_extent_info;
struct file;
struct fuse_args;
struct fuse_conn;
struct fuse_daxdev_map;
struct fuse_mount;
struct fuse_req;
struct inode;
struct seq_file;

#ifdef CONFIG_FUSE_FAMFS_DAX

/* FUSE_DAX_FMAP in flags2 of FUSE_INIT */
#define FAMFS_INIT_FLAGS2	((u32)(FUSE_DAX_FMAP >> 32))

/* Devices of one connection: indices are below this */
#define FAMFS_MAX_DEVS		64

/**
 * struct famfs_dev - a dax device that a connection holds
 * @dax_dev: the device, held exclusively by fs_dax_get() with this as holder
 * @conn: the connection that holds it
 * @nr_pages: size of the device in pages
 * @folio_order: what fs_dax_folio_order() returned
 * @misaligned: the log has a line about a map that does not fit @folio_order
 * @index: the index that the server knows it by
 * @gone: the device is being or has been removed, and takes no more files.
 *	Under @conn->lock
 * @claims: the claims of the attached maps on this device, as an interval tree
 *	of device pages. No page is in two claims, although their bounds may
 *	overlap. Under @conn->lock
 * @nr_claims: how many there are: one for each file. Under @conn->lock
 *
 * Lives as long as the connection. Maps point to it.
 */
struct famfs_dev {
	struct dax_device *dax_dev;
	struct famfs_conn *conn;
	u64 nr_pages;
	u8 folio_order;
	bool misaligned;
	u32 index;
	bool gone;
	struct rb_root_cached claims;
	unsigned long nr_claims;
};

/**
 * struct famfs_conn - famfs part of a connection
 * @fc: the connection
 * @lock: protects the trees of all devices, and users and dying of every map
 *	that is linked into them. Leaf lock; nothing is allocated under it,
 *	since inodes are evicted in reclaim. Held briefly, except while a map
 *	is compared with others that have very many extents
 * @wait: woken when a map loses its last user or leaves the trees
 * @unlinks: number of maps that have left the trees. Under @lock
 * @add_mutex: serialises adding devices, and is held while the dax core waits
 *	for a device. Neither memory failure nor unmount needs it
 * @spin: protects @closed, @queries and @aborted. Leaf lock, held only briefly
 * @closed: unmounted: takes no more devices
 * @devs: the devices by index, or NULL. Set under @add_mutex and @spin, with
 *	release semantics, and never changed again
 * @queries: queries whose reply is being looked up by the server
 * @aborted: takes no more queries
 * @rcu: RCU path walks look at @queries
 */
struct famfs_conn {
	struct fuse_conn *fc;
	struct mutex lock;
	wait_queue_head_t wait;
	unsigned int unlinks;
	struct mutex add_mutex;
	spinlock_t spin;
	bool closed;
	bool aborted;
	struct list_head queries;
	struct famfs_dev *devs[FAMFS_MAX_DEVS];
	struct rcu_head rcu;
};

/**
 * struct famfs_conflict - why a map cannot be linked
 * @found: another file uses part of the memory
 * @inode: the file that uses the memory, with a reference, or NULL if it is
 *	being evicted
 * @unlinks: &famfs_conn->unlinks at that moment, for famfs_map_wait_unlink()
 */
struct famfs_conflict {
	bool found;
	struct inode *inode;
	unsigned int unlinks;
};

/* famfs_conn.c */
bool famfs_server_capable(const struct file *file);
void famfs_init_offer(const struct file *file, struct fuse_conn *fc,
		      struct fuse_args *args);
void famfs_conn_abort(struct fuse_conn *fc);
void famfs_conn_close(struct fuse_conn *fc);
void famfs_conn_free(struct fuse_conn *fc);
int famfs_reply(const struct file *file, struct fuse_conn *fc,
		struct fuse_req *req, struct famfs_query **query);
int famfs_map_link(struct famfs_conn *conn, struct famfs_map *map,
		   struct famfs_conflict *conflict);
int famfs_map_wait_unlink(struct famfs_conn *conn,
			  const struct famfs_conflict *conflict);
bool famfs_map_try_unlink(struct famfs_conn *conn, struct famfs_map *map);
void famfs_map_retire(struct famfs_conn *conn, struct famfs_map *map);
void famfs_dev_info(const struct famfs_dev *dev, const char *what);
void famfs_conn_show(struct seq_file *m, struct fuse_conn *fc);
extern const struct dax_holder_operations famfs_holder_ops;

/* famfs_dev.c */
struct famfs_dev *famfs_dev_get(struct famfs_conn *conn, u32 index);
long famfs_dev_ioctl_open(const struct file *file, struct fuse_conn *fc,
			  struct fuse_daxdev_map __user *argp);
int famfs_query_reply(const struct file *file, struct fuse_args *args,
		      struct famfs_query **query);
void famfs_query_finish(struct famfs_query *query);
void famfs_query_abort_all(struct famfs_conn *conn);
bool famfs_query_is_current(struct famfs_conn *conn);
int famfs_map_get_devs(struct fuse_mount *fm, struct famfs_map *map);

/* famfs_inode.c */
int famfs_inode_open(struct inode *inode);
void famfs_inode_release(struct inode *inode);
void famfs_inode_check_size(struct inode *inode, loff_t old, loff_t new);
void famfs_inode_retire(struct inode *inode);
void famfs_inode_set_stale(struct inode *inode);
int famfs_inode_drop(struct inode *inode);
void famfs_inode_evict_begin(struct inode *inode);
void famfs_inode_evict_end(struct inode *inode);

/* famfs_pin.c */
void famfs_pin_release(struct file *file);
void famfs_pin_show(struct seq_file *m, struct fuse_conn *fc);
void famfs_pin_exit(void);

/* famfs_file.c */
int famfs_file_open(struct inode *inode, struct file *file);
void famfs_file_init_inode(struct inode *inode);
int famfs_fiemap(struct inode *inode, struct fiemap_extent_info *info,
		 u64 start, u64 len);

#else /* CONFIG_FUSE_FAMFS_DAX */

static inline void famfs_init_offer(const struct file *file,
				    struct fuse_conn *fc,
				    struct fuse_args *args)
{
}

static inline int famfs_reply(const struct file *file, struct fuse_conn *fc,
			      struct fuse_req *req, struct famfs_query **query)
{
	return 0;
}

static inline void famfs_conn_abort(struct fuse_conn *fc)
{
}

static inline void famfs_conn_close(struct fuse_conn *fc)
{
}

static inline void famfs_conn_free(struct fuse_conn *fc)
{
}

static inline void famfs_conn_show(struct seq_file *m, struct fuse_conn *fc)
{
}

static inline long famfs_dev_ioctl_open(const struct file *file,
					struct fuse_conn *fc,
					struct fuse_daxdev_map __user *argp)
{
	return -ENOTTY;
}

static inline void famfs_query_finish(struct famfs_query *query)
{
}

static inline bool famfs_query_is_current(struct famfs_conn *conn)
{
	return false;
}

static inline void famfs_inode_check_size(struct inode *inode, loff_t old,
					  loff_t new)
{
}

static inline void famfs_inode_retire(struct inode *inode)
{
}

static inline int famfs_inode_drop(struct inode *inode)
{
	return inode_just_drop(inode);
}

static inline void famfs_inode_evict_begin(struct inode *inode)
{
}

static inline void famfs_inode_evict_end(struct inode *inode)
{
}

static inline void famfs_pin_show(struct seq_file *m, struct fuse_conn *fc)
{
}

static inline void famfs_pin_exit(void)
{
}

static inline int famfs_file_open(struct inode *inode, struct file *file)
{
	return 0;
}

static inline void famfs_file_init_inode(struct inode *inode)
{
}

#define famfs_fiemap	NULL

#endif /* CONFIG_FUSE_FAMFS_DAX */
#endif
