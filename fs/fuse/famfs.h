/* SPDX-License-Identifier: GPL-2.0 */
/*
 * famfs: what its parts need of each other
 *
 * famfs_map.c	the map of a file: bytes to extents, offset to device
 * famfs_dev.c	the devices of a connection, and which file lies where on them
 * famfs_inode.c	the map and the inode: fetch, attach, size, eviction
 * famfs_file.c	the file operations
 */
#ifndef _FS_FUSE_FAMFS_H
#define _FS_FUSE_FAMFS_H

#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/wait.h>

struct dax_device;
struct famfs_map;
struct file;
struct fuse_args;
struct fuse_conn;
struct fuse_mount;
struct inode;

/* Devices of one connection: indices are below this */
#define FAMFS_MAX_DEVS		64

/**
 * struct famfs_dev - a dax device that a connection holds
 * @dax_dev: the device, held exclusively by fs_dax_get() with this as holder
 * @conn: the connection that holds it
 * @nr_pages: size of the device in pages
 * @gone: the device is being or has been removed: takes no more files. Under
 *	@conn->lock
 * @extents: strips of the attached maps that lie on this device, as an interval
 *	tree of device pages; no two of them overlap. Under @conn->lock
 *
 * Lives as long as the connection. Maps point to it.
 */
struct famfs_dev {
	struct dax_device *dax_dev;
	struct famfs_conn *conn;
	u64 nr_pages;
	bool gone;
	struct rb_root_cached extents;
};

/**
 * struct famfs_conn - famfs part of a connection
 * @lock: protects the trees of all devices, and of every map that is linked
 *	into them: users and dying. Taken alone, for short
 * @wait: woken when a map loses its last user or leaves the trees
 * @add_mutex: serialises adding devices. Memory failure does not need it
 * @closed: unmounted: takes no more devices. Under @add_mutex
 * @devs: the devices by index, or NULL. Set under @add_mutex with release
 *	semantics, never changed again
 */
struct famfs_conn {
	spinlock_t lock;
	wait_queue_head_t wait;
	struct mutex add_mutex;
	bool closed;
	struct famfs_dev *devs[FAMFS_MAX_DEVS];
};

/* famfs_dev.c */
struct famfs_conn *famfs_conn_alloc(void);
void famfs_conn_close(struct famfs_conn *conn);
void famfs_conn_free(struct famfs_conn *conn);
int famfs_dev_open_fd(struct fuse_conn *fc, int fd, u32 index);
int famfs_map_get_devs(struct fuse_mount *fm, struct famfs_map *map);
int famfs_map_link(struct famfs_conn *conn, struct famfs_map *map);
bool famfs_map_try_unlink(struct famfs_conn *conn, struct famfs_map *map);
void famfs_map_retire(struct famfs_conn *conn, struct famfs_map *map);

/* famfs_inode.c */
void famfs_init_offer(struct fuse_mount *fm, struct fuse_args *args);
int famfs_init_reply(struct fuse_mount *fm, struct fuse_args *args);
int famfs_inode_open(struct inode *inode);
void famfs_inode_check_size(struct inode *inode, loff_t old, loff_t new);
void famfs_inode_evict_begin(struct inode *inode);
void famfs_inode_evict_end(struct inode *inode);

/* famfs_file.c */
int famfs_file_open(struct inode *inode, struct file *file);
void famfs_file_init_inode(struct inode *inode);

#endif
