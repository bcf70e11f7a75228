/* SPDX-License-Identifier: GPL-2.0 */
/*
 * famfs: the map of a file, from bytes to extents
 *
 * The map is made from the reply of an untrusted server, which is checked once,
 * here. What comes out is immutable and complete: every byte of the file is in
 * exactly one place, and resolving an offset can not fail below the end of the
 * file. Nothing in these two files takes a lock, sends a message or knows fuse,
 * so that KUnit and a fuzzer in user space can run them as they are.
 */
#ifndef _FS_FUSE_FAMFS_MAP_H
#define _FS_FUSE_FAMFS_MAP_H

#include <linux/types.h>
#include <linux/interval_tree.h>

struct famfs_map;

/**
 * struct famfs_strip - a contiguous range of a device
 * @node: first and last page of the range on the device (@node.start and
 *	@node.last); the rest belongs to the tree of the device, see famfs_dev.c
 * @map: the map that this is part of
 * @devindex: index of the device, as long as @dev is not set
 * @dev: the device; set by the owner of the map before it is used
 *
 * One cache line. A simple extent is one strip, an interleaved one has several.
 */
struct famfs_strip {
	struct interval_tree_node node;
	struct famfs_map *map;
	union {
		unsigned long devindex;
		void *dev;
	};
};

/**
 * struct famfs_seg - a range of the file that one extent covers
 * @start: first byte of the range in the file
 * @end: first byte behind it, a multiple of the page size
 * @inv_nstrips: 2^64 / @nstrips, rounded up
 * @first: index of the first strip
 * @nstrips: number of strips; 1 means that the range is contiguous
 * @chunk_pages: size of a chunk in pages
 * @chunk_shift: log2 of the size of a chunk in bytes, 0 if it is no power of 2
 */
struct famfs_seg {
	u64 start;
	u64 end;
	u64 inv_nstrips;
	u16 first;
	u16 nstrips;
	u32 chunk_pages:24;
	u32 chunk_shift:8;
};

/**
 * struct famfs_map - where a file lies
 * @owner: whose map this is; not used here
 * @size: size of the file in bytes
 * @nsegs: number of segments, at least 1
 * @nstrips: number of strips, at least 1
 * @guide_shift: log2 of the bytes of the file that one guide is for
 * @users: not used here, see famfs_dev.c
 * @dying: not used here, see famfs_dev.c
 * @segs: the segments, in the order of the file and without gaps; the strips
 *	follow, see famfs_map_strips(), and, if there are several segments, the
 *	guides, see famfs_map_guides()
 *
 * With one extent the whole map is two cache lines.
 */
struct famfs_map {
	void *owner;
	u64 size;
	u16 nsegs;
	u16 nstrips;
	u16 users;
	u8 guide_shift;
	bool dying;
	struct famfs_seg segs[] __counted_by(nsegs);
};

/**
 * struct famfs_range - bytes that are contiguous in the file and on a device
 * @dev: the device, as set in the strip
 * @pos: offset into the file of the first byte
 * @off: offset into the device of the first byte
 * @len: number of bytes, a multiple of the page size: may go beyond the end of
 *	the file, if the extent does
 */
struct famfs_range {
	void *dev;
	u64 pos;
	u64 off;
	u64 len;
};

static inline struct famfs_strip *famfs_map_strips(const struct famfs_map *map)
{
	return (struct famfs_strip *)(map->segs + map->nsegs);
}

#define famfs_map_for_each_strip(map, strip) \
	for (strip = famfs_map_strips(map); \
	     strip < famfs_map_strips(map) + (map)->nstrips; strip++)

struct famfs_map *famfs_map_parse(const void *buf, size_t len,
				  unsigned int nr_devs);
void famfs_map_free(struct famfs_map *map);
bool famfs_map_resolve(const struct famfs_map *map, u64 off,
		       struct famfs_range *range);
bool famfs_map_locate(const struct famfs_map *map,
		      const struct famfs_strip *strip, unsigned long page,
		      u64 *off);

#endif
