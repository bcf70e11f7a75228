// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: files whose pages have long-term pins
 *
 * The pages of a file never move, so the owner of a pin may keep it for as long
 * as it likes, and longer than it has the file open or mapped. The inode must
 * not be evicted meanwhile: its map is what keeps other files from using the
 * memory, and eviction would wait for the pins, in the task that unmounts.
 *
 * Therefore, when a descriptor is released while pages are pinned and the file
 * is not mapped, a hold stays behind: a path, which keeps the inode and the
 * mount. umount(2) fails with -EBUSY, as it does while the file is open. There
 * is no notification when a pin ends, so a work item checks the holds every
 * second.
 *
 * A new pin needs a mapping, and thus an open file. When that is released,
 * famfs_pin_release() is called again.
 */
#include "fuse_i.h"
#include "famfs.h"

#include <linux/cleanup.h>
#include <linux/dax.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/path.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

/*
 * A file that is kept. @pos: no page before this offset, in bytes, was pinned
 * when it was looked at last.
 */
struct famfs_hold {
	struct list_head list;
	struct path path;
	loff_t pos;
};

static DEFINE_MUTEX(famfs_pin_mutex);
static LIST_HEAD(famfs_holds);	/* under the mutex */

static void famfs_pin_check_all(struct work_struct *work);
static DECLARE_DELAYED_WORK(famfs_pin_work, famfs_pin_check_all);

static void famfs_pin_check_later(void)
{
	queue_delayed_work(system_dfl_wq, &famfs_pin_work, HZ);
}

/*
 * Look for a page in use in the 1 GiB after the first entry at or after *@pos.
 * Return: 1, with the offset of its folio in *@pos; 0, with the offset where
 * to continue in *@pos; -ENOENT if there is no entry at or after *@pos.
 */
static int famfs_find_pinned(struct address_space *mapping, loff_t *pos)
{
	unsigned long index = *pos >> PAGE_SHIFT;
	struct page *page;
	int id;

	if (!xa_find(&mapping->i_pages, &index, ULONG_MAX, XA_PRESENT))
		return -ENOENT;
	*pos = max(*pos, (loff_t)index << PAGE_SHIFT);
	/* kill_dax() waits for this before the struct pages are freed */
	id = dax_read_lock();
	page = dax_layout_busy_page_range(mapping, *pos, *pos + SZ_1G - 1);
	if (page)
		*pos = max(*pos, folio_pos(page_folio(page)));
	else
		*pos += SZ_1G;
	dax_read_unlock(id);
	return !!page;
}

/*
 * Mapped pages have references, too. There is no need to tell them from pins:
 * a mapping keeps the file open, and the release looks at all pages again.
 *
 * Return: whether a page at or after *@pos is in use while the file is not
 * mapped. If so, *@pos is the offset of its folio.
 */
static bool famfs_inode_pinned(struct inode *inode, loff_t *pos)
{
	int found = 0;

	while (!found && !mapping_mapped(inode->i_mapping)) {
		found = famfs_find_pinned(inode->i_mapping, pos);
		cond_resched();
	}
	return found > 0;
}

static void famfs_pin_check_all(struct work_struct *work)
{
	struct famfs_hold *hold, *next;
	LIST_HEAD(ended);

	scoped_guard(mutex, &famfs_pin_mutex) {
		list_for_each_entry_safe(hold, next, &famfs_holds, list) {
			struct inode *inode = d_inode(hold->path.dentry);

			if (famfs_inode_pinned(inode, &hold->pos))
				continue;
			get_fuse_inode(inode)->famfs_hold = NULL;
			list_move(&hold->list, &ended);
		}
		if (!list_empty(&famfs_holds))
			famfs_pin_check_later();
	}
	list_for_each_entry_safe(hold, next, &ended, list) {
		path_put(&hold->path);
		kfree(hold);
	}
}

static void famfs_hold_add(struct file *file, loff_t pos)
{
	/*
	 * Must not fail: without a hold, the task that unmounts would wait for
	 * the pins. Must not evict inodes in reclaim either, since that may
	 * wait for the pages of other files.
	 */
	struct famfs_hold *hold = kmalloc_obj(*hold, GFP_NOFS | __GFP_NOFAIL);

	lockdep_assert_held(&famfs_pin_mutex);
	hold->path = file->f_path;
	path_get(&hold->path);
	hold->pos = pos;
	list_add(&hold->list, &famfs_holds);
	get_fuse_inode(file_inode(file))->famfs_hold = hold;
	famfs_pin_check_later();
}

/**
 * famfs_pin_release() - keep the inode if a file is closed with pages pinned
 * @file: a regular file on a famfs connection that is being released
 *
 * Costs a test of a bit, unless the file has ever had long-term pins.
 *
 * Context: process context, may sleep.
 */
void famfs_pin_release(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct famfs_hold *hold;
	loff_t pos = 0;
	bool pinned;

	if (likely(!mapping_longterm_pinned(inode->i_mapping)))
		return;
	/* may take long, so not under the mutex */
	pinned = famfs_inode_pinned(inode, &pos);
	guard(mutex)(&famfs_pin_mutex);
	hold = get_fuse_inode(inode)->famfs_hold;
	if (hold)
		hold->pos = 0;
	else if (pinned)
		famfs_hold_add(file, pos);
}

/**
 * famfs_pin_show() - list the files that are kept because of pins
 * @m: the seq_file to print to
 * @fc: a connection of any kind
 *
 * Prints one line for each file, with its path from the root of the file
 * system.
 *
 * Context: process context, may sleep.
 */
void famfs_pin_show(struct seq_file *m, struct fuse_conn *fc)
{
	struct famfs_hold *hold;

	guard(mutex)(&famfs_pin_mutex);
	list_for_each_entry(hold, &famfs_holds, list) {
		if (get_fuse_conn(d_inode(hold->path.dentry)) != fc)
			continue;
		seq_dentry(m, hold->path.dentry, "\n\\");
		seq_putc(m, '\n');
	}
}

/**
 * famfs_pin_exit() - wait for the work item to finish
 *
 * Called when the module is unloaded. A hold keeps its superblock active, and
 * thus the module loaded, so no hold is left.
 *
 * Context: process context, may sleep.
 */
void famfs_pin_exit(void)
{
	cancel_delayed_work_sync(&famfs_pin_work);
}
