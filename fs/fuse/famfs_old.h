/* SPDX-License-Identifier: GPL-2.0 */
/*
 * famfs: the INIT flag of existing servers
 *
 * Before famfs had a bit of its own, servers used bit 43, which now has another
 * meaning: buffer pools of io_uring, from minor 46 on. A server that replies
 * with an older minor version and without io_uring cannot mean these.
 */
#ifndef _FS_FUSE_FAMFS_OLD_H
#define _FS_FUSE_FAMFS_OLD_H

#include <linux/fuse.h>
#include <linux/types.h>

/* Offer the old bit to every server that the new one is offered to. */
static inline void famfs_old_init_offer(struct fuse_init_in *in)
{
	in->flags2 |= FUSE_DAX_FMAP_OLD >> 32;
}

/* Treat the old bit as the new one if the server may mean famfs by it. */
static inline void famfs_old_init_reply(const struct fuse_init_in *in,
					struct fuse_init_out *out)
{
	u64 flags = out->flags | (u64)out->flags2 << 32;

	if (!(in->flags2 & (FUSE_DAX_FMAP >> 32)))
		return;
	if (out->minor > 45 || flags & FUSE_OVER_IO_URING)
		return;
	if ((flags & FUSE_INIT_EXT) && (flags & FUSE_DAX_FMAP_OLD))
		out->flags2 |= FUSE_DAX_FMAP >> 32;
}

#endif
