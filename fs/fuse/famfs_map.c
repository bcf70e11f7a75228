// SPDX-License-Identifier: GPL-2.0
/*
 * famfs: the map of a file, from bytes to extents
 *
 * See famfs_map.h for what this is, include/uapi/linux/fuse.h for the format of
 * the bytes and Documentation/filesystems/famfs.rst for what they mean.
 *
 * Maps can have hundreds of thousands of extents, so they are compact. In
 * memory, a map consists of
 *
 *	struct famfs_map
 *	u64 strips[nstrips]
 *	struct famfs_claim claims[nclaims]
 *	u64 lens[nstrips]			interleaved
 *	struct famfs_seg segs[nextents]		interleaved
 *	u64 pos[nextents + 1]			not even
 *	u32 guides[]				not even, several extents
 *	u32 order[nstrips]			several strips
 *
 * which is 12 bytes for each extent of an even map, and at most 28 bytes for
 * other simple extents.
 */
#include <linux/bitops.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <kunit/visibility.h>
#include "famfs_map.h"

static_assert(sizeof(struct fuse_famfs_fmap_header) == 32);
static_assert(sizeof(struct fuse_famfs_simple_ext) == 24);
static_assert(sizeof(struct fuse_famfs_iext) ==
	      sizeof(struct fuse_famfs_simple_ext));
static_assert(sizeof(struct fuse_daxdev_out) == 280);
/* The index of a claim is kept in the bits where a strip offset is zero */
static_assert(FAMFS_MAP_MAX_DEVS <= PAGE_SIZE);

/* everything after the header comes in items of one size */
#define ITEM_SIZE sizeof(struct fuse_famfs_simple_ext)

/* A power of two, and longer than any extent: a chunk that never ends */
#define NO_CHUNK_SHIFT 63

/**
 * struct famfs_seg - the strips of an interleaved extent
 * @chunk: size of a chunk in bytes
 * @inv: 2^(64 + @inv_shift) / @nstrips, rounded up
 * @first: index of the first strip
 * @nstrips: number of strips
 * @chunk_shift: log2 of @chunk, 0 if it is not a power of two
 * @inv_shift: see @inv
 */
struct famfs_seg {
	u64 chunk;
	u64 inv;
	u32 first;
	u32 nstrips;
	u8 chunk_shift;
	u8 inv_shift;
};

/**
 * struct famfs_parse - state of reading one reply
 * @pos: next item
 * @items: number of items left
 * @nr_devs: valid device indices are below this
 * @devs: the devices seen so far, one bit for each
 * @nstrips: strips seen so far
 * @end: end of the extents seen so far, in bytes of the file
 */
struct famfs_parse {
	const void *pos;
	size_t items;
	unsigned int nr_devs;
	u64 devs;
	u32 nstrips;
	u64 end;
};

DEFINE_FREE(famfs_map, struct famfs_map *, if (!IS_ERR_OR_NULL(_T)) famfs_map_free(_T))

static u64 *famfs_map_lens(const struct famfs_map *map)
{
	return (u64 *)(famfs_map_claims(map) + map->nclaims);
}

static struct famfs_seg *famfs_map_segs(const struct famfs_map *map)
{
	return (struct famfs_seg *)map->pos - map->nextents;
}

/*
 * The file is divided into pieces of equal length, 1 to 2 per extent on
 * average. A guide is the first extent of a piece, and one more guide is the
 * last extent of all.
 */
static u32 *famfs_map_guides(const struct famfs_map *map)
{
	return (u32 *)(map->pos + map->nextents + 1);
}

static size_t famfs_nr_guides(const struct famfs_map *map)
{
	if (map->kind == FAMFS_MAP_EVEN || map->nextents == 1)
		return 0;
	return ((map->end - 1) >> map->shift) + 2;
}

/* The strips of each claim, in device order. */
static u32 *famfs_map_order(const struct famfs_map *map)
{
	if (map->kind == FAMFS_MAP_EVEN)
		return (u32 *)(famfs_map_claims(map) + map->nclaims);
	return famfs_map_guides(map) + famfs_nr_guides(map);
}

/**
 * famfs_map_bytes() - how much memory a map takes
 * @map: the map, or its head with the numbers filled in
 *
 * Context: any.
 * Return: the size of the map in bytes.
 */
VISIBLE_IF_KUNIT size_t famfs_map_bytes(const struct famfs_map *map)
{
	size_t size = struct_size(map, strips, map->nstrips) +
		      map->nclaims * sizeof(struct famfs_claim);

	if (map->kind == FAMFS_MAP_INTERLEAVED)
		size += map->nextents * sizeof(struct famfs_seg) +
			map->nstrips * sizeof(u64);
	if (map->kind != FAMFS_MAP_EVEN)
		size += (map->nextents + 1) * sizeof(u64) +
			famfs_nr_guides(map) * sizeof(u32);
	if (map->nstrips > 1)
		size += map->nstrips * sizeof(u32);
	return size;
}
EXPORT_SYMBOL_IF_KUNIT(famfs_map_bytes);

/* First, the whole reply is checked, and what a map needs is counted. */

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
static u64 famfs_check_strip(struct famfs_parse *p)
{
	const struct fuse_famfs_simple_ext *ext = famfs_next_item(p);
	u64 end;

	if (!ext || ext->reserved || ext->se_devindex >= p->nr_devs)
		return 0;
	if (!ext->se_len || !IS_ALIGNED(ext->se_offset | ext->se_len, PAGE_SIZE))
		return 0;
	if (check_add_overflow(ext->se_offset, ext->se_len, &end))
		return 0;

	p->devs |= BIT_ULL(ext->se_devindex);
	p->nstrips++;
	return ext->se_len;
}

/* Return: the bytes of the file that the extent covers, or 0. */
static u64 famfs_check_interleave(struct famfs_parse *p)
{
	const struct fuse_famfs_iext *ext = famfs_next_item(p);
	u64 chunk, full, rest;
	u32 i;

	if (!ext || ext->reserved)
		return 0;
	if (!ext->ie_nstrips || ext->ie_nstrips > p->items)
		return 0;
	if (!ext->ie_chunk_size || !IS_ALIGNED(ext->ie_chunk_size, PAGE_SIZE))
		return 0;

	/* whole rows, and the remainder for the first strips */
	chunk = ext->ie_chunk_size;
	full = div64_u64_rem(ext->ie_nbytes, chunk * ext->ie_nstrips, &rest) *
	       chunk;
	for (i = 0; i < ext->ie_nstrips; i++) {
		u64 part = min(rest, chunk);
		u64 len = famfs_check_strip(p);

		if (!len || len < full + part)
			return 0;
		rest -= part;
	}
	return ext->ie_nbytes;
}

static bool famfs_check_extents(struct famfs_parse *p,
				const struct fuse_famfs_fmap_header *h)
{
	u32 i;

	for (i = 0; i < h->nextents; i++) {
		u64 len;

		if (h->ext_type == FUSE_FAMFS_EXT_SIMPLE)
			len = famfs_check_strip(p);
		else
			len = famfs_check_interleave(p);
		/* only the last one may end within a page */
		if (!len || !IS_ALIGNED(p->end, PAGE_SIZE))
			return false;
		if (check_add_overflow(p->end, len, &p->end) ||
		    p->end > MAX_LFS_FILESIZE)
			return false;
	}
	return !p->items && p->end >= h->file_size;
}

static int famfs_check_header(const struct fuse_famfs_fmap_header *h,
			      size_t len)
{
	if (len < sizeof(*h))
		return -EINVAL;
	if (len > FAMFS_FMAP_MAX)
		return -E2BIG;
	/* nothing else can be said about a reply of an unknown kind */
	if (h->fmap_version != FAMFS_FMAP_VERSION ||
	    h->file_type > FUSE_FAMFS_FILE_LOG ||
	    h->ext_type > FUSE_FAMFS_EXT_INTERLEAVE)
		return -EOPNOTSUPP;
	if (h->reserved || h->reserved1)
		return -EINVAL;
	if (h->fmap_size && h->fmap_size != len)
		return -EINVAL;
	if ((len - sizeof(*h)) % ITEM_SIZE)
		return -EINVAL;
	if (!h->file_size || h->file_size > MAX_LFS_FILESIZE)
		return -EINVAL;
	if (!h->nextents)
		return -EINVAL;
	return 0;
}

/* Then the map is filled in. Only strips that overlap are still found wrong. */

/* Return: log2 of the length of the extents, or 0 if the map is not even. */
static u8 famfs_even_shift(const struct fuse_famfs_fmap_header *h)
{
	const struct fuse_famfs_simple_ext *ext = (const void *)(h + 1);
	u32 i, last = h->nextents - 1;

	if (h->ext_type != FUSE_FAMFS_EXT_SIMPLE)
		return 0;
	if (!last)
		return NO_CHUNK_SHIFT;
	if (!is_power_of_2(ext->se_len) || ext[last].se_len > ext->se_len)
		return 0;
	for (i = 1; i < last; i++)
		if (ext[i].se_len != ext->se_len)
			return 0;
	return ilog2(ext->se_len);
}

static u8 famfs_guide_shift(u64 end, u32 nextents)
{
	u8 shift = PAGE_SHIFT;

	while ((end - 1) >> shift >= 2ULL * nextents)
		shift++;
	return shift;
}

static struct famfs_map *famfs_map_alloc(const struct famfs_parse *p,
					 const struct fuse_famfs_fmap_header *h)
{
	struct famfs_map *map, head = {
		.size = h->file_size,
		.end = round_up(p->end, PAGE_SIZE),
		.nextents = h->nextents,
		.nstrips = p->nstrips,
		.nclaims = hweight64(p->devs),
		.shift = famfs_even_shift(h),
	};

	if (h->ext_type == FUSE_FAMFS_EXT_INTERLEAVE)
		head.kind = FAMFS_MAP_INTERLEAVED;
	else if (!head.shift)
		head.kind = FAMFS_MAP_UNEVEN;
	if (!head.shift)
		head.shift = famfs_guide_shift(head.end, head.nextents);

	map = kvzalloc(famfs_map_bytes(&head), GFP_KERNEL_ACCOUNT);
	if (!map)
		return NULL;
	*map = head;
	if (map->kind == FAMFS_MAP_UNEVEN)
		map->pos = (u64 *)(famfs_map_claims(map) + map->nclaims);
	else if (map->kind == FAMFS_MAP_INTERLEAVED)
		map->pos = famfs_map_lens(map) + map->nstrips +
			   map->nextents * sizeof(struct famfs_seg) / sizeof(u64);
	return map;
}

static void famfs_fill_claims(struct famfs_map *map, u64 devs)
{
	struct famfs_claim *claim;

	famfs_map_for_each_claim(map, claim) {
		claim->map = map;
		claim->devindex = __ffs64(devs);
		devs &= devs - 1;
	}
}

static u64 famfs_fill_strip(struct famfs_map *map, struct famfs_parse *p)
{
	const struct fuse_famfs_simple_ext *ext = famfs_next_item(p);
	u32 index = hweight64(p->devs & (BIT_ULL(ext->se_devindex) - 1));

	famfs_map_claims(map)[index].nr++;
	map->strips[p->nstrips++] = ext->se_offset | index;
	return ext->se_len;
}

/* See famfs_resolve_interleaved(). */
static void famfs_set_reciprocal(struct famfs_seg *seg)
{
	/* 2^inv_shift < nstrips, so that inv fits */
	seg->inv_shift = ilog2(seg->nstrips - 1);
	seg->inv = mul_u64_u64_div_u64(1ULL << 63, 2ULL << seg->inv_shift,
				       seg->nstrips) + 1;
}

static u64 famfs_fill_seg(struct famfs_map *map, struct famfs_seg *seg,
			  struct famfs_parse *p)
{
	const struct fuse_famfs_iext *ext = famfs_next_item(p);
	u64 *lens = famfs_map_lens(map);
	u32 i;

	seg->first = p->nstrips;
	seg->nstrips = ext->ie_nstrips;
	seg->chunk = ext->ie_chunk_size;
	if (seg->nstrips > 1)
		famfs_set_reciprocal(seg);
	else
		seg->chunk = 1ULL << NO_CHUNK_SHIFT;
	if (is_power_of_2(seg->chunk))
		seg->chunk_shift = ilog2(seg->chunk);

	for (i = seg->first; i < seg->first + seg->nstrips; i++)
		lens[i] = famfs_fill_strip(map, p);
	return ext->ie_nbytes;
}

static void famfs_fill_extents(struct famfs_map *map, struct famfs_parse *p)
{
	u64 pos = 0;
	u32 i;

	for (i = 0; i < map->nextents; i++) {
		if (map->pos)
			map->pos[i] = pos;
		if (map->kind == FAMFS_MAP_INTERLEAVED)
			pos += famfs_fill_seg(map, famfs_map_segs(map) + i, p);
		else
			pos += famfs_fill_strip(map, p);
	}
	if (map->pos)
		map->pos[i] = map->end;
}

static void famfs_fill_guides(struct famfs_map *map)
{
	u32 *guides = famfs_map_guides(map);
	size_t i, last = famfs_nr_guides(map) - 1;
	u32 extent = 0;

	for (i = 0; i < last; i++) {
		while (map->pos[extent + 1] <= (u64)i << map->shift)
			extent++;
		guides[i] = extent;
	}
	guides[last] = map->nextents - 1;
}

static void famfs_fill_order(struct famfs_map *map)
{
	struct famfs_claim *claims = famfs_map_claims(map), *claim;
	u32 *order = famfs_map_order(map);
	u32 i, first = 0;

	famfs_map_for_each_claim(map, claim) {
		claim->first = first;
		first += claim->nr;
		claim->nr = 0;
	}
	for (i = 0; i < map->nstrips; i++) {
		claim = &claims[map->strips[i] & ~PAGE_MASK];
		order[claim->first + claim->nr++] = i;
	}
}

static u64 famfs_extent_pos(const struct famfs_map *map, u32 i)
{
	return map->pos ? map->pos[i] : (u64)i << map->shift;
}

static u64 famfs_extent_end(const struct famfs_map *map, u32 i)
{
	return i + 1 < map->nextents ? famfs_extent_pos(map, i + 1) : map->end;
}

static u64 famfs_strip_off(const struct famfs_map *map, u32 i)
{
	return map->strips[i] & PAGE_MASK;
}

static u64 famfs_strip_len(const struct famfs_map *map, u32 i)
{
	if (map->kind == FAMFS_MAP_INTERLEAVED)
		return famfs_map_lens(map)[i];
	return famfs_extent_end(map, i) - famfs_extent_pos(map, i);
}

/* The index of strip number @k in device order. */
static u32 famfs_claim_strip(const struct famfs_claim *claim, u32 k)
{
	const struct famfs_map *map = claim->map;

	return map->nstrips > 1 ? famfs_map_order(map)[claim->first + k] : 0;
}

static u64 famfs_claim_start(const struct famfs_claim *claim, u32 k)
{
	return famfs_strip_off(claim->map, famfs_claim_strip(claim, k));
}

static u64 famfs_claim_end(const struct famfs_claim *claim, u32 k)
{
	u32 i = famfs_claim_strip(claim, k);

	return famfs_strip_off(claim->map, i) + famfs_strip_len(claim->map, i);
}

static int famfs_cmp_strips(const void *a, const void *b, const void *strips)
{
	u64 x = ((const u64 *)strips)[*(const u32 *)a];
	u64 y = ((const u64 *)strips)[*(const u32 *)b];

	return cmp_int(x, y);
}

/* Files are often laid out from low to high, with nothing to sort. */
static void famfs_sort_claim(struct famfs_claim *claim)
{
	const struct famfs_map *map = claim->map;
	u32 k;

	for (k = 1; k < claim->nr; k++)
		if (famfs_claim_start(claim, k - 1) > famfs_claim_start(claim, k))
			break;
	if (k < claim->nr)
		sort_r_nonatomic(famfs_map_order(map) + claim->first, claim->nr,
				 sizeof(u32), famfs_cmp_strips, NULL,
				 map->strips);
}

/* Return: false if two strips overlap. */
static bool famfs_close_claim(struct famfs_claim *claim)
{
	u32 k;

	famfs_sort_claim(claim);
	for (k = 1; k < claim->nr; k++)
		if (famfs_claim_end(claim, k - 1) > famfs_claim_start(claim, k))
			return false;
	claim->node.start = famfs_claim_start(claim, 0) >> PAGE_SHIFT;
	claim->node.last = (famfs_claim_end(claim, claim->nr - 1) - 1) >>
			   PAGE_SHIFT;
	return true;
}

/* A pass over the longest reply takes a few milliseconds. */
static bool famfs_map_fill(struct famfs_map *map, struct famfs_parse *p)
{
	struct famfs_claim *claim;

	famfs_fill_claims(map, p->devs);
	famfs_fill_extents(map, p);
	cond_resched();
	if (famfs_nr_guides(map))
		famfs_fill_guides(map);
	cond_resched();
	if (map->nstrips > 1)
		famfs_fill_order(map);
	famfs_map_for_each_claim(map, claim) {
		cond_resched();
		if (!famfs_close_claim(claim))
			return false;
	}
	return true;
}

/**
 * famfs_map_announced() - does a reply announce a longer one?
 * @buf: a reply to FUSE_GET_FMAP
 * @len: its length in bytes
 *
 * A server whose reply does not fit sends the header alone, with the length of
 * the whole. That length is not checked here: it is what the server has sent.
 *
 * Context: any.
 * Return: the length in bytes that the server announces, or 0 if the reply is
 * for famfs_map_parse().
 */
u32 famfs_map_announced(const void *buf, size_t len)
{
	const struct fuse_famfs_fmap_header *h = buf;

	if (len != sizeof(*h) || h->fmap_version != FAMFS_FMAP_VERSION)
		return 0;
	return h->fmap_size > sizeof(*h) ? h->fmap_size : 0;
}
EXPORT_SYMBOL_IF_KUNIT(famfs_map_announced);

/**
 * famfs_map_parse() - make a map from a reply to FUSE_GET_FMAP
 * @buf: the reply: struct fuse_famfs_fmap_header and what follows it
 * @len: its length in bytes
 * @nr_devs: device indices have to be below this; at most FAMFS_MAP_MAX_DEVS
 *
 * Only one thing is left for the caller to check: that the claims end within
 * their devices.
 *
 * The time is linear in the length of the reply, times its logarithm if the
 * extents are not in device order.
 *
 * Context: process context, allocates with GFP_KERNEL and reschedules.
 * Return: the map, to be freed with famfs_map_free(), or an error pointer:
 * -E2BIG if the reply is longer than FAMFS_FMAP_MAX, -EOPNOTSUPP for an unknown
 * version, file type or extent type, -EINVAL for anything else that breaks the
 * format, -ENOMEM.
 */
struct famfs_map *famfs_map_parse(const void *buf, size_t len,
				  unsigned int nr_devs)
{
	const struct fuse_famfs_fmap_header *h = buf;
	struct famfs_map *map __free(famfs_map) = NULL;
	struct famfs_parse p = {
		.nr_devs = min(nr_devs, FAMFS_MAP_MAX_DEVS),
	};
	int err;

	err = famfs_check_header(h, len);
	if (err)
		return ERR_PTR(err);
	p.pos = h + 1;
	p.items = (len - sizeof(*h)) / ITEM_SIZE;
	if (!famfs_check_extents(&p, h))
		return ERR_PTR(-EINVAL);

	map = famfs_map_alloc(&p, h);
	if (!map)
		return ERR_PTR(-ENOMEM);
	p.pos = h + 1;
	p.items = (len - sizeof(*h)) / ITEM_SIZE;
	p.nstrips = 0;
	if (!famfs_map_fill(map, &p))
		return ERR_PTR(-EINVAL);
	return no_free_ptr(map);
}
EXPORT_SYMBOL_IF_KUNIT(famfs_map_parse);

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
EXPORT_SYMBOL_IF_KUNIT(famfs_map_free);

/**
 * famfs_map_aligned() - does a map consist of units of one size?
 * @map: the map
 * @size: a power of two, at least the page size, in bytes
 *
 * Context: any. The time is linear in the number of strips.
 * Return: true if every extent starts and ends at a multiple of @size in the
 * file, every strip starts at one on its device, and every chunk is one.
 */
bool famfs_map_aligned(const struct famfs_map *map, u64 size)
{
	u64 bits = map->end;
	u32 i;

	for (i = 0; i < map->nstrips; i++)
		bits |= map->strips[i] & PAGE_MASK;
	if (map->kind == FAMFS_MAP_EVEN) {
		if (map->nextents > 1)
			bits |= BIT_ULL(map->shift);
		return IS_ALIGNED(bits, size);
	}
	for (i = 0; i < map->nextents; i++) {
		bits |= map->pos[i];
		if (map->kind == FAMFS_MAP_INTERLEAVED)
			bits |= famfs_map_segs(map)[i].chunk;
	}
	return IS_ALIGNED(bits, size);
}
EXPORT_SYMBOL_IF_KUNIT(famfs_map_aligned);

static u32 famfs_find_extent(const struct famfs_map *map, u64 off)
{
	const u32 *guide;
	u32 lo, hi;

	guide = famfs_map_guides(map) + (off >> map->shift);
	lo = guide[0];
	hi = guide[1];
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (off >= map->pos[mid + 1])
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void famfs_set_range(const struct famfs_map *map, u32 i,
			    struct famfs_range *range)
{
	u64 strip = map->strips[i];

	range->dev = famfs_map_claims(map)[strip & ~PAGE_MASK].dev;
	range->off = strip & PAGE_MASK;
}

static bool famfs_resolve_even(const struct famfs_map *map, u64 off,
			       struct famfs_range *range)
{
	u32 i = off >> map->shift;

	famfs_set_range(map, i, range);
	range->pos = (u64)i << map->shift;
	range->len = min(1ULL << map->shift, map->end - range->pos);
	return true;
}

/* These two are not inlined, so that the simplest case saves no registers. */
static noinline bool famfs_resolve_uneven(const struct famfs_map *map, u64 off,
					  struct famfs_range *range)
{
	u32 i = famfs_find_extent(map, off);

	famfs_set_range(map, i, range);
	range->pos = map->pos[i];
	range->len = map->pos[i + 1] - map->pos[i];
	return true;
}

static noinline bool famfs_resolve_interleaved(const struct famfs_map *map,
					       u64 off,
					       struct famfs_range *range)
{
	u32 i = map->nextents > 1 ? famfs_find_extent(map, off) : 0;
	const struct famfs_seg *seg = famfs_map_segs(map) + i;
	u64 start = map->pos[i], nr, row;

	if (likely(seg->chunk_shift))
		nr = (off - start) >> seg->chunk_shift;
	else
		nr = div64_u64(off - start, seg->chunk);
	/* exact, since nr is below 2^51: the error of inv is up to nstrips */
	row = mul_u64_u64_shr(nr, seg->inv, 64) >> seg->inv_shift;
	start += nr * seg->chunk;

	famfs_set_range(map, seg->first + (nr - row * seg->nstrips), range);
	range->pos = start;
	range->off += row * seg->chunk;
	range->len = min(seg->chunk, map->pos[i + 1] - start);
	return true;
}

/**
 * famfs_map_resolve() - find where a byte of the file is
 * @map: the map
 * @off: offset into the file in bytes
 * @range: filled with the contiguous range of the file around @off: a simple
 *	extent, or a chunk
 *
 * Context: any. Takes no lock and writes nothing but @range. The time does not
 * depend on the number of extents if they are of similar length, and is
 * logarithmic otherwise.
 * Return: false if @off is at or beyond the end of the file.
 */
bool famfs_map_resolve(const struct famfs_map *map, u64 off,
		       struct famfs_range *range)
{
	if (unlikely(off >= map->size))
		return false;
	if (likely(map->kind == FAMFS_MAP_EVEN))
		return famfs_resolve_even(map, off, range);
	if (map->kind == FAMFS_MAP_UNEVEN)
		return famfs_resolve_uneven(map, off, range);
	return famfs_resolve_interleaved(map, off, range);
}
EXPORT_SYMBOL_IF_KUNIT(famfs_map_resolve);

/*
 * Return: the number of the first strip on the device, from @k on, that ends
 * after @off, or the number of strips. Logarithmic in the strips passed over.
 */
static u32 famfs_claim_seek(const struct famfs_claim *claim, u32 k, u64 off)
{
	u32 lo = k, hi = k, step = 1;

	while (hi < claim->nr && famfs_claim_end(claim, hi) <= off) {
		lo = hi + 1;
		hi += step;
		step *= 2;
	}
	hi = min(hi, claim->nr);
	while (lo < hi) {
		u32 mid = (lo + hi) / 2;

		if (famfs_claim_end(claim, mid) <= off)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

/**
 * famfs_claim_overlaps() - do two maps have a page in common?
 * @a: what one map uses of a device
 * @b: what another map uses of the same device
 *
 * Leaps from a strip of one map to the next strip of the other. The cost is
 * one search, logarithmic in the strips that are passed over, each time that
 * the maps alternate on the device: once if they lie apart, and at most twice
 * the number of strips of the smaller claim.
 *
 * Context: any; takes no lock.
 * Return: true if they do.
 */
bool famfs_claim_overlaps(const struct famfs_claim *a,
			  const struct famfs_claim *b)
{
	u32 i = 0, j = 0;

	for (;;) {
		i = famfs_claim_seek(a, i, famfs_claim_start(b, j));
		if (i == a->nr)
			return false;
		if (famfs_claim_start(a, i) < famfs_claim_end(b, j))
			return true;
		/* the strip of b ends before that of a begins: try the next */
		swap(a, b);
		swap(i, j);
		i++;
	}
}
EXPORT_SYMBOL_IF_KUNIT(famfs_claim_overlaps);

/* The extent of strip @i: the last one whose first strip is not after it. */
static u32 famfs_extent_of_strip(const struct famfs_map *map, u32 i)
{
	const struct famfs_seg *segs;
	u32 lo = 0, hi = map->nextents - 1;

	if (map->kind != FAMFS_MAP_INTERLEAVED)
		return i;
	segs = famfs_map_segs(map);
	while (lo < hi) {
		u32 mid = (lo + hi + 1) / 2;

		if (segs[mid].first > i)
			hi = mid - 1;
		else
			lo = mid;
	}
	return lo;
}

/*
 * Convert an offset into strip @i to one into its extent @e. Return: the bytes
 * that follow within the chunk, or 0 if the offset is in a row that the extent
 * does not have.
 */
static u64 famfs_strip_to_extent(const struct famfs_map *map, u32 i, u32 e,
				 u64 *rel)
{
	const struct famfs_seg *seg = famfs_map_segs(map) + e;
	u64 len = map->pos[e + 1] - map->pos[e];
	u64 row, in;

	row = div64_u64_rem(*rel, seg->chunk, &in);
	if (row > div64_u64(len - 1, seg->chunk * seg->nstrips))
		return 0;
	*rel = (row * seg->nstrips + (i - seg->first)) * seg->chunk + in;
	return seg->chunk - in;
}

/* Find the part of strip @i from @rel on. Return: false if it has none. */
static bool famfs_strip_find(const struct famfs_map *map, u32 i, u64 rel,
			     struct famfs_range *range)
{
	u64 end, len = famfs_strip_len(map, i) - rel;
	u32 e = famfs_extent_of_strip(map, i);

	range->off = famfs_strip_off(map, i) + rel;
	if (map->kind == FAMFS_MAP_INTERLEAVED)
		len = min(len, famfs_strip_to_extent(map, i, e, &rel));
	range->pos = famfs_extent_pos(map, e) + rel;
	end = min(famfs_extent_end(map, e), round_up(map->size, PAGE_SIZE));
	if (!len || range->pos >= end)
		return false;
	range->len = min(len, end - range->pos);
	return true;
}

/**
 * famfs_claim_find() - find the part of a file that is in pages of a device
 * @claim: what the map of the file uses of the device
 * @first: first page of the device
 * @last: last page of the device
 * @range: filled with the part of the file that has the lowest offset into the
 *	device, from @first to @last; contiguous in the file, too, and hence at
 *	most a simple extent or a chunk. It starts below the end of the file,
 *	and ends at most with the page that contains this end
 *
 * The inverse of famfs_map_resolve().
 *
 * Context: any; takes no lock. The time is logarithmic in the number of strips,
 * plus those within the pages that hold no byte of the file.
 * Return: false if no byte of the file is in these pages.
 */
bool famfs_claim_find(const struct famfs_claim *claim, unsigned long first,
		      unsigned long last, struct famfs_range *range)
{
	const struct famfs_map *map = claim->map;
	u64 start, end;
	u32 k;

	if (first > claim->node.last || last < claim->node.start)
		return false;
	start = (u64)max(first, claim->node.start) << PAGE_SHIFT;
	end = ((u64)min(last, claim->node.last) + 1) << PAGE_SHIFT;
	range->dev = claim->dev;
	for (k = famfs_claim_seek(claim, 0, start);
	     k < claim->nr && famfs_claim_start(claim, k) < end; k++) {
		u32 i = famfs_claim_strip(claim, k);

		start = max(start, famfs_strip_off(map, i));
		if (start < end &&
		    famfs_strip_find(map, i, start - famfs_strip_off(map, i),
				     range)) {
			range->len = min(range->len, end - start);
			return true;
		}
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(famfs_claim_find);
