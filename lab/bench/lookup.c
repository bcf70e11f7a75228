// SPDX-License-Identifier: GPL-2.0
/*
 * The cost of finding the extent of a byte: the map of famfs, which is the kernel's
 * source compiled for user space, beside the kernel's red-black tree with a
 * node per extent.
 *
 *	lookup KIND EXTENTS LOOKUPS
 *
 * KIND is none (only the loop), even, uneven or tree. The offsets are random, but
 * the same for all kinds. Prints ns per look-up and bytes of memory per extent.
 */
#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/rbtree.h>
#include <linux/sort.h>
#include "famfs_map.h"
#include "rnd.h"

#define EXTENT	(2ULL << 20)

/* what the headers of the fuzzer leave to the program */
unsigned int fuzz_fail_alloc;

void sort_r_nonatomic(void *base, size_t num, size_t size, cmp_r_func_t cmp,
		      swap_r_func_t swap, const void *priv)
{
	qsort_r(base, num, size, (int (*)(const void *, const void *, void *))cmp,
		(void *)priv);
}

struct node {
	struct rb_node rb;
	uint64_t pos, len, off, dev;
};

static struct famfs_map *map;
static struct rb_root tree = RB_ROOT;
static uint64_t size;
static size_t memory;

/* Extents of 2 MiB, or by turns of 2 MiB and 4 KiB less or more. */
static uint64_t length(const char *kind, size_t i)
{
	if (strcmp(kind, "uneven"))
		return EXTENT;
	return i % 2 ? EXTENT - 4096 : EXTENT + 4096;
}

static void make_map(const char *kind, size_t nr)
{
	size_t bytes = sizeof(struct fuse_famfs_fmap_header) +
		       nr * sizeof(struct fuse_famfs_simple_ext);
	struct fuse_famfs_fmap_header *h = calloc(1, bytes);
	struct fuse_famfs_simple_ext *se = (void *)(h + 1);
	struct mallinfo2 before, after;
	size_t i;

	h->fmap_version = FAMFS_FMAP_VERSION;
	h->ext_type = FUSE_FAMFS_EXT_SIMPLE;
	h->nextents = nr;
	h->fmap_size = bytes;
	for (i = 0; i < nr; i++) {
		se[i].se_len = length(kind, i);
		/* the second half of the memory first */
		se[i].se_offset = ((i + nr / 2) % nr) * (EXTENT + 4096);
		size += se[i].se_len;
	}
	h->file_size = size;
	before = mallinfo2();
	map = famfs_map_parse(h, bytes, FAMFS_MAP_MAX_DEVS);
	after = mallinfo2();
	memory = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
	if (!map || (uintptr_t)map > -4096UL) {
		fprintf(stderr, "lookup: the map is refused: %ld\n", (long)map);
		exit(1);
	}
	free(h);
}

static void make_tree(size_t nr)
{
	struct rb_node *parent = NULL, **link;
	size_t i;

	memory = nr * sizeof(struct node);

	for (i = 0; i < nr; i++) {
		struct node *n = calloc(1, sizeof(*n));

		n->pos = size;
		n->len = EXTENT;
		n->off = ((i + nr / 2) % nr) * (EXTENT + 4096);
		size += EXTENT;
		/* ascending: always to the right */
		for (link = &tree.rb_node, parent = NULL; *link; link = &(*link)->rb_right)
			parent = *link;
		rb_link_node(&n->rb, parent, link);
		rb_insert_color(&n->rb, &tree);
	}
}

static uint64_t find_in_tree(uint64_t pos)
{
	struct rb_node *rb = tree.rb_node;

	while (rb) {
		struct node *n = rb_entry(rb, struct node, rb);

		if (pos < n->pos)
			rb = rb->rb_left;
		else if (pos >= n->pos + n->len)
			rb = rb->rb_right;
		else
			return n->off + pos - n->pos;
	}
	return 0;
}

static uint64_t find(char kind, uint64_t pos)
{
	struct famfs_range range;

	switch (kind) {
	case 'e':
	case 'u':
		famfs_map_resolve(map, pos, &range);
		return range.off;
	case 't':
		return find_in_tree(pos);
	default:
		return pos;
	}
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e9 + ts.tv_nsec;
}

int main(int argc, char **argv)
{
	uint64_t sum = 0;
	size_t nr, i, lookups;
	double start;
	char kind;

	if (argc != 4)
		return 2;
	mallopt(M_MMAP_THRESHOLD, 1 << 20);
	kind = *argv[1];
	nr = strtoul(argv[2], NULL, 0);
	lookups = strtoul(argv[3], NULL, 0);
	if (kind == 't')
		make_tree(nr);
	else if (kind == 'n')
		size = nr * EXTENT;
	else
		make_map(argv[1], nr);
	rnd_state = 88172645463325252ULL;
	start = now();
	for (i = 0; i < lookups; i++) {
		sum += find(kind, rnd(size));
	}
	/* the sum keeps the compiler from leaving the look-ups out */
	printf("%s\t%zu\t%.1f\t%.1f\t%llx\n", argv[1], nr,
	       lookups ? (now() - start) / lookups : 0, (double)memory / nr,
	       (unsigned long long)sum & 0xffff);
	return 0;
}
