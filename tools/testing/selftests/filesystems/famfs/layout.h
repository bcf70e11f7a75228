/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tree that the test server serves, described by a plain-text file.
 *
 * One item a line, '#' starts a comment, numbers take the suffixes K, M and G:
 *
 *   dev INDEX PATH
 *   dir NAME MODE
 *   file NAME MODE SIZE simple DEV:OFFSET:LENGTH...
 *   file NAME MODE SIZE interleave CHUNK NBYTES DEV:OFFSET:LENGTH...
 *
 * PATH may be $NAME, and is that variable of the environment then.
 * Several interleaved extents of one file are separated by '+'. NAME is a path
 * below the mount; the directory above it comes first.
 */
#ifndef LAYOUT_H
#define LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/fuse.h>

#define LAYOUT_MAX_DEVS 64

struct layout_node {
	char *name;		/* last component */
	unsigned int parent;	/* number of the directory */
	/* of a directory: all that is in it lies between these numbers */
	unsigned int first, last;
	mode_t mode;		/* with S_IFMT */
	uint64_t size;		/* bytes */
	void *fmap;		/* reply to FUSE_GET_FMAP, NULL for a directory */
	size_t fmap_len;
};

/* Node number n is inode n + 1: number 0 is the root. */
struct layout {
	struct layout_node *nodes;
	unsigned int nr_nodes;
	char *devs[LAYOUT_MAX_DEVS];
};

/* Exits with a message if the layout is not valid. */
struct layout *layout_read(const char *path);
/* Return: the number of a node, or -1. */
int layout_lookup(const struct layout *l, unsigned int parent, const char *name);

#endif
