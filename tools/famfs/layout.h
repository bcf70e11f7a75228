/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * The tree that famfs_server serves, as a text file describes it. The format of
 * that is in famfs_server(8).
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "famfs_fuse.h"

struct layout_node {
	char *name;		/* last component */
	uint64_t parent;	/* inode number of the directory */
	/* of a directory: all that is in it lies between these inode numbers */
	uint64_t first, last;
	mode_t mode;		/* with S_IFMT */
	uint64_t size;		/* bytes */
	struct famfs_map *map;	/* finished; NULL for a directory */
};

/* Inode number 1 is the root, and nodes[0]. */
struct layout {
	struct layout_node *nodes;
	uint64_t nr_nodes;
	char *devs[FAMFS_MAX_DEVS];
	uint64_t sizes[FAMFS_MAX_DEVS];	/* bytes, 0: not known */
};

/* Exits with a message if the layout is not valid. */
struct layout *layout_read(const char *path);
void layout_free(struct layout *l);
/* Return: NULL if there is none with that inode number. */
struct layout_node *layout_node(const struct layout *l, uint64_t ino);
/* Return: the inode number, or 0. */
uint64_t layout_lookup(const struct layout *l, uint64_t parent, const char *name);

/* What tree_ops serve. */
extern struct layout *tree;
extern const struct fuse_lowlevel_ops tree_ops;

#endif
