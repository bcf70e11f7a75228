// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* The FUSE operations of a tree that the kernel may cache for an hour. */
#define FUSE_USE_VERSION 312
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdlib.h>

#include "layout.h"

#define CACHE_SECONDS 3600.0

struct layout *tree;

static void fill_stat(uint64_t ino, struct stat *st)
{
	const struct layout_node *node = layout_node(tree, ino);

	*st = (struct stat){
		.st_ino = ino,
		.st_mode = node->mode,
		.st_nlink = S_ISDIR(node->mode) ? 2 : 1,
		.st_size = node->size,
		.st_blocks = node->size / 512,
		.st_blksize = 4096,
	};
}

static void tree_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {
		.ino = layout_lookup(tree, parent, name),
		.attr_timeout = CACHE_SECONDS,
		.entry_timeout = CACHE_SECONDS,
	};

	if (!e.ino) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_stat(e.ino, &e.attr);
	fuse_reply_entry(req, &e);
}

static void tree_getattr(fuse_req_t req, fuse_ino_t ino,
			 struct fuse_file_info *fi)
{
	struct stat st;

	if (!layout_node(tree, ino)) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_stat(ino, &st);
	fuse_reply_attr(req, &st, CACHE_SECONDS);
}

static void tree_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	fuse_reply_open(req, fi);
}

/* The offset behind an entry is its inode number. */
static void tree_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			 struct fuse_file_info *fi)
{
	const struct layout_node *node;
	char *buf = calloc(1, size);
	size_t len, used = 0;
	struct stat st;

	while (buf && (node = layout_node(tree, ++off))) {
		if (off == FUSE_ROOT_ID || node->parent != ino)
			continue;
		fill_stat(off, &st);
		len = fuse_add_direntry(req, buf + used, size - used, node->name,
					&st, off);
		if (len > size - used)
			break;
		used += len;
	}
	fuse_reply_buf(req, buf, used);
	free(buf);
}

const struct fuse_lowlevel_ops tree_ops = {
	.lookup = tree_lookup,
	.getattr = tree_getattr,
	.open = tree_open,
	.readdir = tree_readdir,
};
