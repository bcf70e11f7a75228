// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: the map of a file, from bytes to extents
 *
 * See famfs_map.h for what this is, include/uapi/linux/fuse.h for the format of
 * the bytes and Documentation/filesystems/famfs.rst for what they mean.
 */
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "famfs_map.h"

static_assert(sizeof(struct fuse_famfs_fmap_header) == 32);
static_assert(sizeof(struct fuse_famfs_simple_ext) == 24);
static_assert(sizeof(struct fuse_famfs_iext) ==
	      sizeof(struct fuse_famfs_simple_ext));
static_assert(sizeof(struct fuse_daxdev_out) == 280);

/* everything behind the header comes in items of one size */
#define ITEM_SIZE sizeof(struct fuse_famfs_simple_ext)

DEFINE_FREE(famfs_map, struct famfs_map *, if (!IS_ERR_OR_NULL(_T)) famfs_map_free(_T))

/**
 * struct famfs_parse - state of parsing one reply
 * @pos: next item
 * @items: items that are left
 * @strip: where the next strip goes
 * @strips: strips that are left
 * @nr_devs: valid device indices are below this
 */
struct famfs_parse {
	const void *pos;
	size_t items;
	struct famfs_strip *strip;
	size_t strips;
	unsigned int nr_devs;
};

static const void *famfs_next_item(struct famfs_parse *p)
{
	const void *item = p->pos;

	if (!p->items)
		return NULL;
	p->items--;
	p->pos += ITEM_SIZE;
	return item;
}

/* Return: the length of the strip in bytes, or 0 if it is not valid. */
static u64 famfs_parse_strip(struct famfs_parse *p, struct famfs_map *map)
{
	const struct fuse_famfs_simple_ext *ext = famfs_next_item(p);
	struct famfs_strip *strip = p->strip;
	u64 end;

	if (!ext || !p->strips)
		return 0;
	if (ext->reserved || ext->se_devindex >= p->nr_devs)
		return 0;
	if (!ext->se_len || !IS_ALIGNED(ext->se_offset | ext->se_len, PAGE_SIZE))
		return 0;
	if (check_add_overflow(ext->se_offset, ext->se_len, &end))
		return 0;

	strip->map = map;
	strip->devindex = ext->se_devindex;
	strip->node.start = ext->se_offset >> PAGE_SHIFT;
	strip->node.last = (end >> PAGE_SHIFT) - 1;
	p->strip++;
	p->strips--;
	return ext->se_len;
}

/* Return: the bytes of the file that the extent covers, or 0. */
static u64 famfs_parse_simple(struct famfs_parse *p, struct famfs_map *map,
			      struct famfs_seg *seg)
{
	seg->nstrips = 1;
	return famfs_parse_strip(p, map);
}

/* How much of strip number @i do @nbytes in chunks over @nstrips fill? */
static u64 famfs_strip_fill(u64 nbytes, u64 chunk, u32 nstrips, u32 i)
{
	u64 row = chunk * nstrips;
	u64 rest, full = div64_u64_rem(nbytes, row, &rest) * chunk;

	if (rest <= i * chunk)
		return full;
	return full + min(rest - i * chunk, chunk);
}

static u64 famfs_parse_interleave(struct famfs_parse *p, struct famfs_map *map,
				  struct famfs_seg *seg)
{
	const struct fuse_famfs_iext *ext = famfs_next_item(p);
	u32 i;

	if (!ext || ext->reserved)
		return 0;
	if (!ext->ie_nstrips || ext->ie_nstrips > p->items)
		return 0;
	if (!ext->ie_chunk_size || !IS_ALIGNED(ext->ie_chunk_size, PAGE_SIZE))
		return 0;

	seg->nstrips = ext->ie_nstrips;
	seg->inv_nstrips = div_u64(U64_MAX, ext->ie_nstrips) + 1;
	seg->chunk_pages = ext->ie_chunk_size >> PAGE_SHIFT;
	if (is_power_of_2(ext->ie_chunk_size))
		seg->chunk_shift = ilog2(ext->ie_chunk_size);

	for (i = 0; i < ext->ie_nstrips; i++) {
		u64 len = famfs_parse_strip(p, map);

		if (!len || famfs_strip_fill(ext->ie_nbytes, ext->ie_chunk_size,
					     ext->ie_nstrips, i) > len)
			return 0;
	}
	return ext->ie_nbytes;
}

/* Turn the items into segments that follow each other. */
static bool famfs_parse_segs(struct famfs_parse *p, struct famfs_map *map,
			     u32 ext_type)
{
	u64 pos = 0;
	u16 i;

	for (i = 0; i < map->nsegs; i++) {
		struct famfs_seg *seg = &map->segs[i];
		u64 len;

		seg->first = map->nstrips - p->strips;
		if (ext_type == FUSE_FAMFS_EXT_SIMPLE)
			len = famfs_parse_simple(p, map, seg);
		else
			len = famfs_parse_interleave(p, map, seg);
		if (!len || !IS_ALIGNED(pos, PAGE_SIZE))
			return false;

		seg->start = pos;
		if (check_add_overflow(pos, len, &pos) || pos > MAX_LFS_FILESIZE)
			return false;
		/* only the last one may end within a page, which is all there */
		seg->end = round_up(pos, PAGE_SIZE);
	}
	return !p->items && !p->strips && pos >= map->size;
}

static int famfs_cmp_strips(const void *a, const void *b, const void *priv)
{
	const struct famfs_strip *strips = priv;
	const struct famfs_strip *x = strips + *(const u16 *)a;
	const struct famfs_strip *y = strips + *(const u16 *)b;

	if (x->devindex != y->devindex)
		return x->devindex < y->devindex ? -1 : 1;
	if (x->node.start != y->node.start)
		return x->node.start < y->node.start ? -1 : 1;
	return 0;
}

/* Return: 0, -EINVAL if two strips share memory, -ENOMEM. */
static int famfs_check_overlap(const struct famfs_map *map)
{
	const struct famfs_strip *strips = famfs_map_strips(map);
	u16 *order __free(kfree) = NULL;
	u16 i;

	if (map->nstrips == 1)
		return 0;
	order = kmalloc_array(map->nstrips, sizeof(*order), GFP_KERNEL);
	if (!order)
		return -ENOMEM;
	for (i = 0; i < map->nstrips; i++)
		order[i] = i;
	sort_r(order, map->nstrips, sizeof(*order), famfs_cmp_strips, NULL,
	       strips);
	for (i = 1; i < map->nstrips; i++) {
		const struct famfs_strip *a = &strips[order[i - 1]];
		const struct famfs_strip *b = &strips[order[i]];

		if (a->devindex == b->devindex && a->node.last >= b->node.start)
			return -EINVAL;
	}
	return 0;
}

/*
 * The file in pieces of equal length, 1 to 2 for each segment on average: a
 * guide is the first segment of a piece, and one more is the last of them all.
 */
static u16 *famfs_map_guides(const struct famfs_map *map)
{
	return (u16 *)(famfs_map_strips(map) + map->nstrips);
}

static size_t famfs_max_guides(u16 nsegs)
{
	return nsegs > 1 ? 2 * nsegs + 1 : 0;
}

static void famfs_set_guides(struct famfs_map *map)
{
	u64 last = map->segs[map->nsegs - 1].end - 1;
	u16 *guides = famfs_map_guides(map);
	u16 seg = 0;
	u64 i;

	if (map->nsegs == 1)
		return;
	map->guide_shift = PAGE_SHIFT;
	while (last >> map->guide_shift >= 2 * map->nsegs)
		map->guide_shift++;
	for (i = 0; i <= last >> map->guide_shift; i++) {
		while (map->segs[seg].end <= i << map->guide_shift)
			seg++;
		guides[i] = seg;
	}
	guides[i] = map->nsegs - 1;
}

static int famfs_check_header(const struct fuse_famfs_fmap_header *h,
			      size_t items)
{
	if (h->fmap_version != FAMFS_FMAP_VERSION ||
	    h->file_type > FUSE_FAMFS_FILE_LOG ||
	    h->ext_type > FUSE_FAMFS_EXT_INTERLEAVE)
		return -EOPNOTSUPP;
	if (h->reserved || h->reserved0 || h->reserved1)
		return -EINVAL;
	if (!h->file_size || h->file_size > MAX_LFS_FILESIZE)
		return -EINVAL;
	if (!h->nextents || h->nextents > items)
		return -EINVAL;
	return 0;
}

/**
 * famfs_map_parse() - make a map from a reply to FUSE_GET_FMAP
 * @buf: the reply: struct fuse_famfs_fmap_header and what follows it
 * @len: its length in bytes
 * @nr_devs: device indices have to be below this
 *
 * Of what the format allows, only one thing is left to the caller to check:
 * that the strips end within their devices.
 *
 * Context: process context, allocates with GFP_KERNEL.
 * Return: the map, to be freed with famfs_map_free(), or an error pointer:
 * -EOPNOTSUPP for a version, file type or extent type that is not known,
 * -EINVAL for anything else that breaks the format, -ENOMEM.
 */
struct famfs_map *famfs_map_parse(const void *buf, size_t len,
				  unsigned int nr_devs)
{
	const struct fuse_famfs_fmap_header *h = buf;
	struct famfs_map *map __free(famfs_map) = NULL;
	struct famfs_parse p = { .nr_devs = nr_devs };
	size_t nstrips;
	int err;

	if (len < sizeof(*h) || len > FAMFS_FMAP_MAX)
		return ERR_PTR(-EINVAL);
	p.pos = h + 1;
	p.items = (len - sizeof(*h)) / ITEM_SIZE;
	err = famfs_check_header(h, p.items);
	if (err)
		return ERR_PTR(err);
	nstrips = p.items;
	if (h->ext_type == FUSE_FAMFS_EXT_INTERLEAVE)
		nstrips -= h->nextents;
	if (!nstrips || (len - sizeof(*h)) % ITEM_SIZE)
		return ERR_PTR(-EINVAL);

	map = kvzalloc(struct_size(map, segs, h->nextents) +
		       nstrips * sizeof(struct famfs_strip) +
		       famfs_max_guides(h->nextents) * sizeof(u16),
		       GFP_KERNEL_ACCOUNT);
	if (!map)
		return ERR_PTR(-ENOMEM);
	map->size = h->file_size;
	map->nsegs = h->nextents;
	map->nstrips = nstrips;
	p.strip = famfs_map_strips(map);
	p.strips = nstrips;

	if (!famfs_parse_segs(&p, map, h->ext_type))
		return ERR_PTR(-EINVAL);
	err = famfs_check_overlap(map);
	if (err)
		return ERR_PTR(err);
	famfs_set_guides(map);
	return no_free_ptr(map);
}

/**
 * famfs_map_free() - free a map
 * @map: the map, or NULL
 *
 * Context: process context, may sleep.
 */
void famfs_map_free(struct famfs_map *map)
{
	kvfree(map);
}

static const struct famfs_seg *famfs_find_seg(const struct famfs_map *map,
					      u64 off)
{
	const u16 *guide;
	u32 lo, hi;

	if (map->nsegs == 1)
		return map->segs;

	guide = famfs_map_guides(map) + (off >> map->guide_shift);
	lo = guide[0];
	hi = guide[1];
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (off >= map->segs[mid].end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return &map->segs[lo];
}

static void famfs_resolve_chunk(const struct famfs_map *map,
				const struct famfs_seg *seg, u64 rel,
				struct famfs_range *range)
{
	u64 chunk = (u64)seg->chunk_pages << PAGE_SHIFT;
	const struct famfs_strip *strip;
	u64 nr, row, start;

	if (likely(seg->chunk_shift))
		nr = rel >> seg->chunk_shift;
	else
		nr = div64_u64(rel, chunk);
	start = nr * chunk;
	/* exact: nr is below 2^51 and nstrips below 2^11 */
	row = mul_u64_u64_shr(nr, seg->inv_nstrips, 64);
	strip = famfs_map_strips(map) + seg->first + (nr - row * seg->nstrips);

	range->dev = strip->dev;
	range->pos = seg->start + start;
	range->off = ((u64)strip->node.start << PAGE_SHIFT) + row * chunk;
	range->len = min(chunk, seg->end - seg->start - start);
}

/**
 * famfs_map_resolve() - find where a byte of the file is
 * @map: the map
 * @off: offset into the file in bytes
 * @range: filled with the range of the file around @off that is contiguous: a
 *	simple extent, or a chunk
 *
 * Context: any. Takes no lock and writes nothing but @range. The time does not
 * depend on the number of extents if these are of similar length, and is
 * logarithmic otherwise.
 * Return: false if @off is at or beyond the end of the file.
 */
bool famfs_map_resolve(const struct famfs_map *map, u64 off,
		       struct famfs_range *range)
{
	const struct famfs_strip *strip;
	const struct famfs_seg *seg;

	if (unlikely(off >= map->size))
		return false;

	seg = famfs_find_seg(map, off);
	if (seg->nstrips > 1) {
		famfs_resolve_chunk(map, seg, off - seg->start, range);
		return true;
	}
	strip = famfs_map_strips(map) + seg->first;
	range->dev = strip->dev;
	range->pos = seg->start;
	range->off = (u64)strip->node.start << PAGE_SHIFT;
	range->len = seg->end - seg->start;
	return true;
}

/* The segment that strip number @i is part of: the last one to start there. */
static const struct famfs_seg *famfs_seg_of_strip(const struct famfs_map *map,
						  u32 i)
{
	u32 lo = 0, hi = map->nsegs - 1;

	while (lo < hi) {
		u32 mid = (lo + hi + 1) / 2;

		if (map->segs[mid].first > i)
			hi = mid - 1;
		else
			lo = mid;
	}
	return &map->segs[lo];
}

/**
 * famfs_map_locate() - find which byte of the file is in a page of a strip
 * @map: the map
 * @strip: one of its strips
 * @page: a page of the device within the strip
 * @off: set to the offset into the file of the first byte in the page
 *
 * The inverse of famfs_map_resolve().
 *
 * Context: any; takes no lock.
 * Return: false if the page holds no byte of the file.
 */
bool famfs_map_locate(const struct famfs_map *map,
		      const struct famfs_strip *strip, unsigned long page,
		      u64 *off)
{
	u32 i = strip - famfs_map_strips(map);
	const struct famfs_seg *seg = famfs_seg_of_strip(map, i);
	u64 rel = page - strip->node.start;

	if (seg->nstrips > 1) {
		u64 in, row = div64_u64_rem(rel, seg->chunk_pages, &in);

		rel = (row * seg->nstrips + i - seg->first) * seg->chunk_pages +
		      in;
	}
	*off = seg->start + (rel << PAGE_SHIFT);
	return *off < seg->end && *off < map->size;
}

#ifdef CONFIG_FUSE_FAMFS_KUNIT_TEST
#include "famfs_map_test.c"
#endif
