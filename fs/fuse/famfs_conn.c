// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: the connection, and which file lies where on its devices
 *
 * A connection becomes a famfs connection while the server writes its reply to
 * FUSE_INIT. It acquires devices as maps name them, see famfs_dev.c, and
 * releases all of them at unmount.
 *
 * Every device has a tree of the claims that maps have on it. The tree keeps
 * two files from using the same memory, and leads to the files when memory
 * fails or goes away.
 *
 * These notifications use a linked map without a reference to its inode, since
 * dropping such a reference could be the final iput() during unmount. They
 * count as users of the map instead, and eviction waits until there are none.
 */
#include "fuse_i.h"
#include "fuse_dev_i.h"
#include "famfs.h"
#include "famfs_map.h"
#include "famfs_old.h"

#include <linux/capability.h>
#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/interval_tree.h>
#include <linux/kdev_t.h>
#include <linux/mm.h>
#include <linux/ratelimit.h>
#include <linux/rwsem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>

#define CREATE_TRACE_POINTS
#include "famfs_trace.h"

static struct famfs_claim *to_claim(struct interval_tree_node *node)
{
	return container_of(node, struct famfs_claim, node);
}

/**
 * famfs_server_capable() - may a server make a connection use dax devices?
 * @file: /dev/fuse, as the server opened it
 *
 * Both the opener of @file and the current task need CAP_SYS_RAWIO. A
 * privileged program that relays bytes for an unprivileged opener must not lend
 * it the capability, and a server that dropped the capability must not keep
 * using it.
 *
 * Context: any process context of the server.
 */
bool famfs_server_capable(const struct file *file)
{
	/* do not audit: most servers neither have nor need it */
	return ns_capable_noaudit(&init_user_ns, CAP_SYS_RAWIO) &&
	       file_ns_capable(file, &init_user_ns, CAP_SYS_RAWIO);
}

static struct famfs_conn *famfs_conn_alloc(struct fuse_conn *fc)
{
	struct famfs_conn *conn = kzalloc_obj(*conn, GFP_KERNEL_ACCOUNT);

	if (!conn)
		return NULL;
	conn->fc = fc;
	mutex_init(&conn->lock);
	init_waitqueue_head(&conn->wait);
	mutex_init(&conn->add_mutex);
	spin_lock_init(&conn->spin);
	INIT_LIST_HEAD(&conn->queries);
	return conn;
}

/**
 * famfs_conn_abort() - end all waits for device look-ups
 * @fc: a connection of any kind that is being aborted
 *
 * Context: process context, does not sleep.
 */
void famfs_conn_abort(struct fuse_conn *fc)
{
	struct famfs_conn *conn = fuse_conn_famfs(fc);

	if (conn)
		famfs_query_abort_all(conn);
}

/**
 * famfs_conn_close() - release the devices of a connection
 * @fc: a connection of any kind, whose last inode has been evicted
 *
 * For unmount. The server may keep the connection as long as it likes, but gets
 * no more devices.
 *
 * Context: process context, may sleep: waits for running notifications.
 */
void famfs_conn_close(struct fuse_conn *fc)
{
	struct famfs_conn *conn = fuse_conn_famfs(fc);
	u32 i;

	if (!conn)
		return;
	scoped_guard(spinlock, &conn->spin) {
		if (conn->closed)
			return;
		/* famfs_dev_add_locked() releases what is being added */
		WRITE_ONCE(conn->closed, true);
	}
	for (i = 0; i < FAMFS_MAX_DEVS; i++)
		if (conn->devs[i])
			fs_put_dax(conn->devs[i]->dax_dev, conn->devs[i]);
}

/**
 * famfs_conn_free() - free the famfs part of a connection
 * @fc: a connection of any kind that nothing refers to any more
 *
 * Context: process context, may sleep.
 */
void famfs_conn_free(struct fuse_conn *fc)
{
	struct famfs_conn *conn = fuse_conn_famfs(fc);
	u32 i;

	if (!conn)
		return;
	famfs_conn_close(fc);
	for (i = 0; i < FAMFS_MAX_DEVS; i++)
		kfree(conn->devs[i]);
	mutex_destroy(&conn->add_mutex);
	mutex_destroy(&conn->lock);
	kfree_rcu(conn, rcu);
}

/*
 * Files have to be below a directory: the root exists before the server has
 * answered.
 */
static bool famfs_conn_possible(struct fuse_conn *fc)
{
	struct super_block *sb;

	/* pins the superblock, and there is only one so far */
	guard(rwsem_read)(&fc->killsb);
	if (list_empty(&fc->mounts))
		return false;
	sb = list_first_entry(&fc->mounts, struct fuse_mount, fc_entry)->sb;
	return !sb->s_bdev && S_ISDIR(d_inode(sb->s_root)->i_mode);
}

/**
 * famfs_init_offer() - offer famfs to the process that reads FUSE_INIT
 * @file: /dev/fuse, as that process opened it
 * @fc: the connection
 * @args: the FUSE_INIT request
 *
 * Runs when the request is about to be copied to user space, so that it is the
 * server's capability that counts, not that of the caller of mount(2).
 * Transports other than /dev/fuse do not get here.
 *
 * Context: process context of the server, may sleep.
 */
void famfs_init_offer(const struct file *file, struct fuse_conn *fc,
		      struct fuse_args *args)
{
	struct fuse_init_in *in = (void *)args->in_args[0].value;

	if (famfs_server_capable(file) && famfs_conn_possible(fc)) {
		in->flags2 |= FAMFS_INIT_FLAGS2;
		famfs_old_init_offer(in);
	}
}

static bool famfs_init_taken(const struct fuse_init_in *in,
			     const struct fuse_init_out *out)
{
	/* process_init_reply() ignores the flags of such replies */
	if (out->major != FUSE_KERNEL_VERSION || out->minor < 6)
		return false;
	if (!(out->flags & FUSE_INIT_EXT))
		return false;
	return in->flags2 & out->flags2 & FAMFS_INIT_FLAGS2;
}

/*
 * A server that takes the flag without having been offered it, or that has
 * since lost the capability, gets an ordinary connection.
 */
static int famfs_init_reply(const struct file *file, struct fuse_conn *fc,
			    const struct fuse_args *args)
{
	struct famfs_conn *conn;

	famfs_old_init_reply(args->in_args[0].value, args->out_args[0].value);
	if (!famfs_init_taken(args->in_args[0].value, args->out_args[0].value))
		return 0;
	if (!famfs_server_capable(file))
		return 0;
	/* famfs_conn_close() relies on the connection having one superblock */
	if (WARN_ON_ONCE(fc->auto_submounts))
		return 0;
	conn = famfs_conn_alloc(fc);
	if (!conn)
		return -ENOMEM;
	/* pairs with smp_load_acquire() in fuse_conn_famfs() */
	smp_store_release(&fc->famfs, conn);
	return 0;
}

/**
 * famfs_reply() - look at a reply that a server has written to /dev/fuse
 * @file: /dev/fuse, as the server opened it
 * @fc: the connection
 * @req: a request whose reply, without an error, has been copied in
 * @query: set if a device has to be looked up after the request has ended; the
 *	caller then calls famfs_query_finish()
 *
 * Runs within the server's write, and hence with its credentials. FR_LOCKED
 * keeps an abort from ending the request during this, so nothing here waits for
 * user space. The arguments of requests other than the three below may be gone:
 * copying pages of the reply can unlock the request.
 *
 * Context: process context of the server.
 * Return: 0, or an error that replaces the result of the request: -EPERM if the
 * server lacks CAP_SYS_RAWIO, -ENOMEM, or what famfs_query_reply() returns.
 */
int famfs_reply(const struct file *file, struct fuse_conn *fc,
		struct fuse_req *req, struct famfs_query **query)
{
	switch (req->in.h.opcode) {
	case FUSE_INIT:
		return famfs_init_reply(file, fc, req->args);
	case FUSE_GET_FMAP:
		return famfs_server_capable(file) ? 0 : -EPERM;
	case FUSE_GET_DAXDEV:
		return famfs_query_reply(file, req->args, query);
	default:
		return 0;
	}
}

static void famfs_map_unuse(struct famfs_conn *conn, struct famfs_map *map)
{
	scoped_guard(mutex, &conn->lock)
		WRITE_ONCE(map->users, map->users - 1);
	wake_up_all(&conn->wait);
}

/*
 * Wait conditions are read without the lock, which cannot be taken while going
 * to sleep. Taking it here orders what follows after what was done under the
 * lock before the condition became true.
 */
static void famfs_conn_sync(struct famfs_conn *conn)
{
	guard(mutex)(&conn->lock);
}

/**
 * famfs_dev_info() - one line in the log about a device
 * @dev: the device
 * @what: what has happened to it
 *
 * Context: any.
 */
void famfs_dev_info(const struct famfs_dev *dev, const char *what)
{
	/* all devices of a mount, at once */
	static DEFINE_RATELIMIT_STATE(rs, DEFAULT_RATELIMIT_INTERVAL,
				      FAMFS_MAX_DEVS);
	dev_t fs = dev->conn->fc->dev;

	if (__ratelimit(&rs))
		pr_info("famfs %u:%u: device %u (%s): %s\n", MAJOR(fs),
			MINOR(fs), dev->index, fs_dax_name(dev->dax_dev), what);
}

/*
 * Find the first part of a file within the pages @first to @last of @dev, and
 * mark its map as used. A map that is being evicted is skipped: nothing maps
 * the file.
 */
static struct famfs_map *famfs_dev_use_part(struct famfs_dev *dev,
					    unsigned long first,
					    unsigned long last,
					    struct famfs_range *part)
{
	struct interval_tree_node *node;
	struct famfs_map *map = NULL;
	struct famfs_range r;

	guard(mutex)(&dev->conn->lock);
	for (node = interval_tree_iter_first(&dev->claims, first, last); node;
	     node = interval_tree_iter_next(node, first, last)) {
		struct famfs_claim *claim = to_claim(node);

		if (claim->map->dying ||
		    !famfs_claim_find(claim, first, last, &r))
			continue;
		if (map && r.off > part->off)
			continue;
		map = claim->map;
		*part = r;
	}
	if (map)
		map->users++;
	return map;
}

/*
 * Kill the processes that map the failed pages, at the addresses of these
 * pages. The driver has recorded the pages and refuses access to them from now
 * on; everything else on the device keeps working.
 */
static int famfs_dev_memory_failure(struct famfs_dev *dev, unsigned long first,
				    unsigned long last, int mf_flags)
{
	struct famfs_range part;
	struct famfs_map *map;
	int err = 0;

	trace_famfs_dev_failure(dev, (u64)first << PAGE_SHIFT,
				(u64)(last - first + 1) << PAGE_SHIFT);
	pr_err_ratelimited("famfs %u:%u: device %u (%s): memory has failed from %#llx to %#llx\n",
			   MAJOR(dev->conn->fc->dev), MINOR(dev->conn->fc->dev),
			   dev->index, fs_dax_name(dev->dax_dev),
			   (u64)first << PAGE_SHIFT,
			   ((u64)last << PAGE_SHIFT) + PAGE_SIZE - 1);
	while (first <= last &&
	       (map = famfs_dev_use_part(dev, first, last, &part))) {
		int ret = mf_dax_kill_procs(map->inode->i_mapping,
					    part.pos >> PAGE_SHIFT,
					    part.len >> PAGE_SHIFT, mf_flags);

		err = err ?: ret;
		famfs_map_unuse(dev->conn, map);
		first = (part.off + part.len) >> PAGE_SHIFT;
	}
	return err;
}

static void famfs_claim_erase_locked(struct famfs_claim *claim)
{
	struct famfs_conn *conn = claim->dev->conn;

	lockdep_assert_held(&conn->lock);
	if (RB_EMPTY_NODE(&claim->node.rb))
		return;
	interval_tree_remove(&claim->node, &claim->dev->claims);
	claim->dev->nr_claims--;
	RB_CLEAR_NODE(&claim->node.rb);
}

/*
 * A device that is being taken away. @killable: give up on a fatal signal.
 * @reported: the log says that this waits.
 */
struct famfs_revocation {
	struct famfs_dev *dev;
	bool killable;
	bool reported;
};

/* One message per attempt, however many pages and files there are. */
static void famfs_report_wait(struct famfs_revocation *rev,
			      const struct inode *inode)
{
	char what[64];

	if (rev->reported)
		return;
	/* the users are unknown, but the inode number leads to the file */
	snprintf(what, sizeof(what),
		 "waiting for pages of inode %llu that are in use",
		 (unsigned long long)inode->i_ino);
	famfs_dev_info(rev->dev, what);
	rev->reported = true;
}

static int famfs_wait_idle(struct famfs_revocation *rev,
			   const struct inode *inode, struct page *page)
{
	famfs_report_wait(rev, inode);
	if (rev->killable)
		return wait_var_event_killable(page, dax_page_is_idle(page)) ?
		       -EINTR : 0;
	wait_var_event(page, dax_page_is_idle(page));
	return 0;
}

/*
 * Wait until nothing uses the pages in a range of a file, and take them out of
 * its mapping. No lock is held: the task that has to release a pin may be
 * waiting for that lock, and may not be killable.
 */
static int famfs_break_range(struct famfs_revocation *rev, struct inode *inode,
			     loff_t start, loff_t end)
{
	struct address_space *mapping = inode->i_mapping;
	struct page *page;

	while ((page = dax_layout_busy_page_range(mapping, start, end)))
		if (famfs_wait_idle(rev, inode, page))
			return -EINTR;
	dax_delete_mapping_range(mapping, start, end);
	cond_resched();
	return 0;
}

/*
 * Take the memory of a device away from a file. Every access that starts after
 * the bit has been set fails. No fault that uses the map has missed it; reads and
 * writes that have are within dax_read_lock(), for which kill_dax() waits.
 *
 * The pages of other devices stay with the file, and pins on them are not waited
 * for: these devices may be in the middle of their own removal.
 */
static int famfs_claim_revoke(struct famfs_revocation *rev,
			      struct famfs_claim *claim)
{
	struct famfs_map *map = claim->map;
	struct inode *inode = map->inode;
	unsigned long index = 0;
	struct famfs_range part;
	int err = 0;

	filemap_invalidate_lock(inode->i_mapping);
	famfs_inode_set_stale(inode);
	filemap_invalidate_unlock(inode->i_mapping);

	if (map->nclaims == 1)
		return famfs_break_range(rev, inode, 0, LLONG_MAX);
	/* only where something has been accessed */
	while (!err && xa_find(&inode->i_mapping->i_pages, &index, ULONG_MAX,
			       XA_PRESENT) &&
	       famfs_map_resolve(map, (u64)index << PAGE_SHIFT, &part)) {
		if (part.dev == claim->dev)
			err = famfs_break_range(rev, inode, part.pos,
						part.pos + part.len - 1);
		else if (rev->killable && fatal_signal_pending(current))
			err = -EINTR;
		else
			cond_resched();
		index = PHYS_PFN(part.pos + part.len);
	}
	return err;
}

/* Pick a claim on @dev whose inode is not being evicted, and pin its map. */
static struct famfs_claim *famfs_dev_use_claim(struct famfs_dev *dev)
{
	struct interval_tree_node *node;

	guard(mutex)(&dev->conn->lock);
	for (node = interval_tree_iter_first(&dev->claims, 0, ULONG_MAX); node;
	     node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		struct famfs_map *map = to_claim(node)->map;

		if (!map->dying) {
			map->users++;
			return to_claim(node);
		}
	}
	return NULL;
}

static void famfs_claim_give_up(struct famfs_claim *claim)
{
	struct famfs_conn *conn = claim->dev->conn;

	guard(mutex)(&conn->lock);
	famfs_claim_erase_locked(claim);
	WRITE_ONCE(conn->unlinks, conn->unlinks + 1);
}

/*
 * Take the memory of a device away from all files, one by one. The device
 * takes no new files from now on. Return: 0, or, if @killable, -EINTR on a
 * fatal signal. Some files may then still have their memory.
 */
static int famfs_dev_revoke(struct famfs_dev *dev, bool killable)
{
	struct famfs_revocation rev = { .dev = dev, .killable = killable };
	struct famfs_conn *conn = dev->conn;
	struct famfs_claim *claim;
	int err = 0;

	scoped_guard(mutex, &conn->lock)
		dev->gone = true;

	while (!err && (claim = famfs_dev_use_claim(dev))) {
		struct famfs_map *map = claim->map;

		err = famfs_claim_revoke(&rev, claim);
		if (!err)
			famfs_claim_give_up(claim);
		famfs_map_unuse(conn, map);
	}
	if (err)
		return err;

	/* the remaining maps are being evicted */
	if (!killable)
		wait_event(conn->wait, RB_EMPTY_ROOT(&dev->claims.rb_root));
	else if (wait_event_killable(conn->wait,
				     RB_EMPTY_ROOT(&dev->claims.rb_root)))
		return -EINTR;
	famfs_conn_sync(conn);
	return 0;
}

static int famfs_dev_remove(struct famfs_dev *dev)
{
	trace_famfs_dev_gone(dev, 0, dev->nr_pages << PAGE_SHIFT);
	famfs_dev_revoke(dev, false);
	famfs_dev_info(dev, "gone");
	return 0;
}

/*
 * Eviction waits for a map that is in use here. Allocations must not enter
 * inode reclaim, which could then wait for this very task.
 */
static int famfs_notify_failure(struct dax_device *dax_dev, u64 offset,
				u64 len, int mf_flags)
{
	struct famfs_dev *dev = dax_holder(dax_dev);
	unsigned int nofs = memalloc_nofs_save();
	int ret;

	if (mf_flags & MF_MEM_PRE_REMOVE)
		ret = famfs_dev_remove(dev);
	else
		ret = famfs_dev_memory_failure(dev, offset >> PAGE_SHIFT,
					       (offset + len - 1) >> PAGE_SHIFT,
					       mf_flags);
	memalloc_nofs_restore(nofs);
	return ret;
}

static int famfs_revoke(struct dax_device *dax_dev)
{
	unsigned int nofs = memalloc_nofs_save();
	int err = famfs_dev_revoke(dax_holder(dax_dev), true);

	memalloc_nofs_restore(nofs);
	return err;
}

/** famfs_holder_ops - how the dax core tells a connection about its devices */
const struct dax_holder_operations famfs_holder_ops = {
	.notify_failure = famfs_notify_failure,
	.revoke = famfs_revoke,
};

/*
 * Return: 0, -EBUSY if a file uses memory that @claim wants (@conflict is then
 * filled in), or -EINTR on a fatal signal.
 */
static int famfs_claim_check(struct famfs_claim *claim,
			     struct famfs_conflict *conflict)
{
	unsigned long first = claim->node.start, last = claim->node.last;
	struct rb_root_cached *claims = &claim->dev->claims;
	struct interval_tree_node *node;

	for (node = interval_tree_iter_first(claims, first, last); node;
	     node = interval_tree_iter_next(node, first, last)) {
		struct famfs_claim *other = to_claim(node);

		cond_resched();
		if (fatal_signal_pending(current))
			return -EINTR;
		if (!famfs_claim_overlaps(claim, other))
			continue;
		conflict->found = true;
		conflict->inode = igrab(other->map->inode);
		conflict->unlinks = claim->dev->conn->unlinks;
		return -EBUSY;
	}
	return 0;
}

static void famfs_map_erase_locked(struct famfs_map *map)
{
	struct famfs_claim *claim;

	famfs_map_for_each_claim(map, claim)
		famfs_claim_erase_locked(claim);
}

/**
 * famfs_map_link() - claim the memory of a map
 * @conn: the connection
 * @map: a map that has its devices
 * @conflict: filled in if the result is -EBUSY
 *
 * Context: process context, may sleep.
 * Return: 0, -EBUSY if another file uses part of the memory, -ENODEV if one of
 * the devices is gone, -EINTR on a fatal signal.
 */
int famfs_map_link(struct famfs_conn *conn, struct famfs_map *map,
		   struct famfs_conflict *conflict)
{
	struct famfs_claim *claim;
	int err = 0;

	guard(mutex)(&conn->lock);
	famfs_map_for_each_claim(map, claim) {
		err = claim->dev->gone ? -ENODEV :
					 famfs_claim_check(claim, conflict);
		if (err)
			break;
		interval_tree_insert(&claim->node, &claim->dev->claims);
		claim->dev->nr_claims++;
	}
	if (err)
		famfs_map_erase_locked(map);
	return err;
}

/**
 * famfs_map_wait_unlink() - wait until a map that was in the way may be gone
 * @conn: the connection
 * @conflict: what famfs_map_link() has filled in
 *
 * Context: process context, may sleep.
 * Return: 0, or -EINTR on a fatal signal.
 */
int famfs_map_wait_unlink(struct famfs_conn *conn,
			  const struct famfs_conflict *conflict)
{
	if (wait_event_killable(conn->wait, READ_ONCE(conn->unlinks) !=
					    conflict->unlinks))
		return -EINTR;
	return 0;
}

/**
 * famfs_map_try_unlink() - give up the memory of a map
 * @conn: the connection
 * @map: a linked map that has no page left in the mapping of the inode
 *
 * Context: process context, may sleep.
 * Return: false, with nothing changed, if a notification is using the map.
 */
bool famfs_map_try_unlink(struct famfs_conn *conn, struct famfs_map *map)
{
	scoped_guard(mutex, &conn->lock) {
		if (map->users)
			return false;
		famfs_map_erase_locked(map);
		WRITE_ONCE(conn->unlinks, conn->unlinks + 1);
	}
	wake_up_all(&conn->wait);
	return true;
}

/**
 * famfs_map_retire() - stop notifications from using a map
 * @conn: the connection
 * @map: a linked map, whose inode is being evicted
 *
 * Context: process context, may sleep: waits for the notifications that use the
 * map, which may wait for DMA.
 */
void famfs_map_retire(struct famfs_conn *conn, struct famfs_map *map)
{
	scoped_guard(mutex, &conn->lock)
		map->dying = true;
	wait_event(conn->wait, !READ_ONCE(map->users));
	famfs_conn_sync(conn);
}

/* Ranges of a device that are printed, and calls of the driver to find them */
#define FAMFS_SHOW_RANGES	16
#define FAMFS_SHOW_CALLS	4096

static void famfs_show_range(struct seq_file *m, u64 first, u64 end)
{
	seq_printf(m, " %#llx-%#llx", first << PAGE_SHIFT,
		   (end << PAGE_SHIFT) - 1);
}

/*
 * Print the ranges whose memory has failed, in bytes. The driver is asked, which
 * also knows of failures before the mount.
 */
static void famfs_dev_show_failed(struct seq_file *m, struct famfs_dev *dev)
{
	unsigned int calls, ranges = 0;
	u64 pgoff = 0, start = 0;
	bool failed = false;

	for (calls = 0; pgoff < dev->nr_pages && calls < FAMFS_SHOW_CALLS &&
			ranges < FAMFS_SHOW_RANGES; calls++) {
		int id = dax_read_lock();
		long nr = dax_direct_access(dev->dax_dev, pgoff,
					    dev->nr_pages - pgoff, DAX_ACCESS,
					    NULL, NULL);

		dax_read_unlock(id);
		if (nr <= 0 && nr != -EHWPOISON)
			return;
		if (nr < 0 && !failed)
			start = pgoff;
		if (nr > 0 && failed) {
			famfs_show_range(m, start, pgoff);
			ranges++;
		}
		failed = nr < 0;
		pgoff += failed ? 1 : nr;
		cond_resched();
	}
	if (failed)
		famfs_show_range(m, start, pgoff);
	if (pgoff < dev->nr_pages)
		seq_puts(m, " ...");
}

static void famfs_dev_show(struct seq_file *m, struct famfs_dev *dev)
{
	unsigned long files;
	bool gone;

	scoped_guard(mutex, &dev->conn->lock) {
		files = dev->nr_claims;
		gone = dev->gone;
	}
	seq_printf(m, "%u %s %llu %lu %s", dev->index,
		   fs_dax_name(dev->dax_dev),
		   (unsigned long long)dev->nr_pages << PAGE_SHIFT, files,
		   gone ? "gone" : "held");
	if (!gone)
		famfs_dev_show_failed(m, dev);
	seq_putc(m, '\n');
}

/**
 * famfs_conn_show() - list the devices that a connection holds
 * @m: where to
 * @fc: a connection of any kind
 *
 * One line for each: index, name, size in bytes, number of files that have a map
 * with memory of it, "held" or "gone", and the ranges that have failed, in bytes.
 *
 * Context: process context, may sleep.
 */
void famfs_conn_show(struct seq_file *m, struct fuse_conn *fc)
{
	struct famfs_conn *conn = fuse_conn_famfs(fc);
	u32 i;

	if (!conn)
		return;
	/* keeps famfs_conn_close() from giving the devices back */
	guard(rwsem_read)(&fc->killsb);
	if (list_empty(&fc->mounts))
		return;
	for (i = 0; i < FAMFS_MAX_DEVS; i++) {
		struct famfs_dev *dev = famfs_dev_get(conn, i);

		if (dev)
			famfs_dev_show(m, dev);
	}
}
