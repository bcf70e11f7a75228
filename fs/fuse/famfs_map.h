/* SPDX-License-Identifier: GPL-2.0 */
/*
 * famfs: the map of a file, from bytes to extents
 *
 * The map is made from the reply of an untrusted server, which is checked once,
 * here. The result is complete and, apart from what the owner keeps in it, does
 * not change: every byte of the file is in exactly one place, and resolving an
 * offset below the end of the file cannot fail. Nothing in these two files
 * takes a lock, sends a message or knows fuse, so that KUnit and a user-space
 * fuzzer can run them as they are.
 */
#ifndef _FS_FUSE_FAMFS_MAP_H
#define _FS_FUSE_FAMFS_MAP_H

#include <linux/interval_tree.h>
#include <linux/types.h>

struct famfs_dev;
struct famfs_map;
struct inode;

/* Maximum number of devices that a map can use */
#define FAMFS_MAP_MAX_DEVS	64U

/**
 * enum famfs_map_kind - how to find the extent that a byte is in
 * @FAMFS_MAP_EVEN: simple extents of one length, a power of two, of which the
 *	last may be shorter; or a single one of any length
 * @FAMFS_MAP_UNEVEN: other simple extents
 * @FAMFS_MAP_INTERLEAVED: interleaved extents
 */
enum famfs_map_kind {
	FAMFS_MAP_EVEN,
	FAMFS_MAP_UNEVEN,
	FAMFS_MAP_INTERLEAVED,
};

/**
 * struct famfs_claim - what a map uses of one device
 * @node: first and last page of the device (@node.start and @node.last) that
 *	any strip of the map uses. These are bounds: other files may use pages
 *	between them. The rest belongs to the tree of the device, see
 *	famfs_conn.c
 * @map: the map that this is part of
 * @devindex: index of the device, as parsed
 * @dev: the device; the owner of the map replaces @devindex with it before the
 *	first call of famfs_map_resolve() or famfs_claim_find()
 * @first: start of its part of the order array of the map
 * @nr: number of strips on the device, at least 1
 */
struct famfs_claim {
	struct interval_tree_node node;
	struct famfs_map *map;
	union {
		unsigned long devindex;
		struct famfs_dev *dev;
	};
	u32 first;
	u32 nr;
};

/**
 * struct famfs_map - where a file lies
 * @inode: the file, set by the owner of the map
 * @size: size of the file in bytes
 * @end: end of the last extent, rounded up to a page: at least @size
 * @pos: offset into the file of each extent, then @end; not in an even map
 * @users: number of notifications that use the map. For famfs_conn.c, under its
 *	lock
 * @nextents: number of extents, at least 1
 * @nstrips: number of strips, at least 1; a simple extent is one strip
 * @nclaims: number of claims, at least 1
 * @kind: enum famfs_map_kind
 * @folio_order: order of the folios of its devices, 0 if fs/dax.c makes them;
 *	set by the owner of the map
 * @shift: log2 of the length of the extents of an even map, otherwise of the
 *	number of bytes of the file that one guide is for
 * @dying: the file is being evicted. For famfs_conn.c, under its lock
 * @strips: for each strip its offset into the device, a multiple of the page
 *	size, plus the index of its claim
 *
 * The claims follow, and then what the kind of the map requires, see
 * famfs_map.c. With one extent, the whole map is two cache lines.
 */
struct famfs_map {
	struct inode *inode;
	u64 size;
	u64 end;
	u64 *pos;
	u32 users;
	u32 nextents;
	u32 nstrips;
	u8 nclaims;
	u8 kind : 2;
	u8 folio_order : 6;
	u8 shift;
	bool dying;
	u64 strips[] __counted_by(nstrips);
};

/**
 * struct famfs_range - bytes that are contiguous in the file and on a device
 * @dev: the device, as set in the claim
 * @pos: offset into the file of the first byte
 * @off: offset into the device of the first byte
 * @len: number of bytes, a multiple of the page size: may go beyond the end of
 *	the file
 */
struct famfs_range {
	struct famfs_dev *dev;
	u64 pos;
	u64 off;
	u64 len;
};

/* The claims of a map, by device index. */
static inline struct famfs_claim *famfs_map_claims(const struct famfs_map *map)
{
	return (struct famfs_claim *)(map->strips + map->nstrips);
}

#define famfs_map_for_each_claim(map, claim) \
	for (claim = famfs_map_claims(map); \
	     claim < famfs_map_claims(map) + (map)->nclaims; claim++)

u32 famfs_map_announced(const void *buf, size_t len);
struct famfs_map *famfs_map_parse(const void *buf, size_t len,
				  unsigned int nr_devs);
void famfs_map_free(struct famfs_map *map);
bool famfs_map_aligned(const struct famfs_map *map, u64 size);
bool famfs_map_resolve(const struct famfs_map *map, u64 off,
		       struct famfs_range *range);
bool famfs_claim_overlaps(const struct famfs_claim *a,
			  const struct famfs_claim *b);
bool famfs_claim_find(const struct famfs_claim *claim, unsigned long first,
		      unsigned long last, struct famfs_range *range);

#if IS_ENABLED(CONFIG_KUNIT)
size_t famfs_map_bytes(const struct famfs_map *map);
#endif

#endif
