// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzz target for fs/fuse/famfs_map.c, with a model of what it has to do
 *
 * An input is a reply to FUSE_GET_FMAP. The model reads the same bytes by
 * itself, in the most naive way, and decides whether they are a map and where
 * every byte of the file lies. It shares no code and no structure with the code
 * under test; anything on which the two differ is a failure.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/minmax.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include "famfs_map.h"
#include "rnd.h"

typedef unsigned __int128 u128;

#define HEADER_SIZE 32
#define ITEM_SIZE 24
#define MAX_REPLY (16 << 20)
#define MAX_ITEMS ((MAX_REPLY - HEADER_SIZE) / ITEM_SIZE)
#define MAX_FILE ((u64)INT64_MAX)
#define NR_DEVS 64

/* Extents that are looked at in most runs; all of them in every 64th. */
#define SOME_EXTENTS 16

unsigned int fuzz_fail_alloc;

/* Part of extent number @extent. */
struct model_strip {
	u64 dev;
	u64 off;
	u64 len;
	u32 extent;
};

/* @bytes of the file from @start on lie in @nstrips strips from @first on. */
struct model_extent {
	u64 start;
	u64 bytes;
	u64 chunk;
	u32 first;
	u32 nstrips;
};

struct model {
	u64 size;
	u64 end;
	u32 nextents;
	u32 nstrips;
	struct model_extent extents[MAX_ITEMS];
	struct model_strip strips[MAX_ITEMS];
};

/* Strip number @strip has the byte at @off of its device. */
struct model_place {
	u32 strip;
	u64 off;
	u64 len;
};

/* The bytes of a reply that are not read yet. */
struct reader {
	const u8 *pos;
	size_t left;
};

/* What is random here must depend on nothing but the input. */
static void rnd_seed(const u8 *buf, size_t len)
{
	rnd_state = len;
	while (len) {
		size_t n = len < 8 ? len : 8;
		u64 word = 0;

		memcpy(&word, buf, n);
		rnd_state = (rnd_state ^ word) * 0xff51afd7ed558ccdULL;
		rnd_state ^= rnd_state >> 32;
		buf += n;
		len -= n;
	}
	rnd_state |= 1;
}

static void __noreturn __printf(1, 2) fail(const char *fmt, ...)
{
	va_list args;

	fputs("famfs_map_fuzz: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

void sort_r_nonatomic(void *base, size_t num, size_t size, cmp_r_func_t cmp,
		      swap_r_func_t swap, const void *priv)
{
	if (swap)
		fail("a function to swap");
	qsort_r(base, num, size, (int (*)(const void *, const void *, void *))cmp,
		(void *)priv);
}

/* Model: what is a map? */

static u64 read_uint(struct reader *r, size_t size)
{
	u64 val = 0;

	memcpy(&val, r->pos, size);
	r->pos += size;
	r->left -= size;
	return val;
}

static bool page_multiple(u64 val)
{
	return val % PAGE_SIZE == 0;
}

static bool model_read_strip(struct reader *r, struct model *m)
{
	struct model_strip *s = &m->strips[m->nstrips];
	u64 reserved;

	if (r->left < ITEM_SIZE)
		return false;
	s->dev = read_uint(r, 4);
	reserved = read_uint(r, 4);
	s->off = read_uint(r, 8);
	s->len = read_uint(r, 8);
	s->extent = m->nextents;
	m->nstrips++;
	return !reserved && s->dev < NR_DEVS && s->len &&
	       page_multiple(s->off) && page_multiple(s->len) &&
	       (u128)s->off + s->len <= UINT64_MAX;
}

static bool model_read_simple(struct reader *r, struct model *m,
			      struct model_extent *e)
{
	e->nstrips = 1;
	if (!model_read_strip(r, m))
		return false;
	e->bytes = m->strips[e->first].len;
	return true;
}

/* The last chunks of the extent, one per strip, have to end within the strip. */
static bool model_strips_hold(const struct model *m,
			      const struct model_extent *e)
{
	u64 last = (e->bytes - 1) / e->chunk;
	u64 c = last >= e->nstrips ? last - e->nstrips + 1 : 0;

	for (; c <= last; c++) {
		const struct model_strip *s = &m->strips[e->first + c % e->nstrips];
		u64 fill = c < last ? e->chunk : e->bytes - last * e->chunk;

		if ((u128)(c / e->nstrips) * e->chunk + fill > s->len)
			return false;
	}
	return true;
}

static bool model_read_interleave(struct reader *r, struct model *m,
				  struct model_extent *e)
{
	u64 reserved;
	u32 i;

	if (r->left < ITEM_SIZE)
		return false;
	e->nstrips = read_uint(r, 4);
	e->chunk = read_uint(r, 4);
	e->bytes = read_uint(r, 8);
	reserved = read_uint(r, 8);
	if (!e->nstrips || !e->chunk || !e->bytes || reserved ||
	    !page_multiple(e->chunk))
		return false;
	for (i = 0; i < e->nstrips; i++)
		if (!model_read_strip(r, m))
			return false;
	return model_strips_hold(m, e);
}

static bool model_read_extents(struct reader *r, struct model *m, u32 nextents,
			       bool interleave)
{
	u128 end = 0;

	for (m->nextents = 0; m->nextents < nextents; m->nextents++) {
		struct model_extent *e = &m->extents[m->nextents];

		e->start = end;
		e->first = m->nstrips;
		if (interleave ? !model_read_interleave(r, m, e) :
				 !model_read_simple(r, m, e))
			return false;
		/* pages of the file do not consist of two extents */
		if (!page_multiple(end))
			return false;
		end += e->bytes;
		/* a position in a file is a loff_t */
		if (end > MAX_FILE)
			return false;
	}
	m->end = end;
	return !r->left;
}

static bool overlap(const struct model_strip *a, const struct model_strip *b)
{
	return a->dev == b->dev && a->off < b->off + b->len &&
	       b->off < a->off + a->len;
}

static int cmp_strips(const void *x, const void *y)
{
	const struct model_strip *a = x, *b = y;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->off < b->off ? -1 : a->off > b->off;
}

/* The strips in the order of the devices. */
static const struct model_strip *sorted_strips(const struct model *m)
{
	static struct model_strip sorted[MAX_ITEMS];

	memcpy(sorted, m->strips, m->nstrips * sizeof(*sorted));
	qsort(sorted, m->nstrips, sizeof(*sorted), cmp_strips);
	return sorted;
}

/* Too many to compare each with each: only with the one that ends last. */
static bool model_disjoint_many(const struct model *m)
{
	const struct model_strip *sorted = sorted_strips(m), *top = sorted;
	u32 i;

	for (i = 1; i < m->nstrips; i++) {
		if (overlap(top, &sorted[i]))
			return false;
		if (sorted[i].dev != top->dev ||
		    sorted[i].off + sorted[i].len > top->off + top->len)
			top = &sorted[i];
	}
	return true;
}

static bool model_disjoint(const struct model *m)
{
	u32 i, j;

	if (m->nstrips > 64)
		return model_disjoint_many(m);
	for (i = 0; i < m->nstrips; i++)
		for (j = 0; j < i; j++)
			if (overlap(&m->strips[i], &m->strips[j]))
				return false;
	return true;
}

/*
 * Nothing can be said about the rest of a reply of an unknown kind, so that this
 * comes before all other errors, except that there must be a header.
 */
static int model_read(const u8 *buf, size_t len, struct model *m)
{
	struct reader r = { buf, len };
	u64 file_type, version, ext_type, nextents, fmap_size, reserved;

	m->nstrips = 0;
	if (len < HEADER_SIZE)
		return -EINVAL;
	if (len > MAX_REPLY)
		return -E2BIG;
	file_type = read_uint(&r, 1);
	reserved = read_uint(&r, 1);
	version = read_uint(&r, 2);
	ext_type = read_uint(&r, 4);
	nextents = read_uint(&r, 4);
	fmap_size = read_uint(&r, 4);
	m->size = read_uint(&r, 8);
	reserved |= read_uint(&r, 8);

	if (version != 1 || file_type > 2 || ext_type > 1)
		return -EOPNOTSUPP;
	if (reserved || !nextents || !m->size || m->size > MAX_FILE)
		return -EINVAL;
	if (fmap_size && fmap_size != len)
		return -EINVAL;
	if (!model_read_extents(&r, m, nextents, ext_type == 1))
		return -EINVAL;
	if (m->end < m->size || !model_disjoint(m))
		return -EINVAL;
	return 0;
}

/* How long is the map of which the reply is the header alone? 0: it is not. */
static u32 model_announced(const u8 *buf, size_t len)
{
	u16 version;
	u32 size;

	if (len != HEADER_SIZE)
		return 0;
	memcpy(&version, buf + 2, sizeof(version));
	memcpy(&size, buf + 12, sizeof(size));
	return version == 1 && size > HEADER_SIZE ? size : 0;
}

/* Model: where does it lead? */

/* The end of an extent in the file, with all of its last page. */
static u64 extent_end(const struct model_extent *e)
{
	u64 end = e->start + e->bytes;

	return page_multiple(end) ? end : end + PAGE_SIZE - end % PAGE_SIZE;
}

static const struct model_extent *extent_at(const struct model *m, u64 off)
{
	u32 lo = 0, hi = m->nextents;

	while (hi - lo > 1) {
		u32 mid = lo + (hi - lo) / 2;

		if (m->extents[mid].start > off)
			hi = mid;
		else
			lo = mid;
	}
	return &m->extents[lo];
}

/*
 * Chunks, and extents of one strip, are the units in which a file is laid out:
 * two that happen to be neighbours in the file and on the device are still two.
 */
static struct model_place model_resolve(const struct model *m, u64 off)
{
	const struct model_extent *e = extent_at(m, off);
	u64 rel = off - e->start, left = extent_end(e) - off;
	u64 c, in;

	if (e->nstrips == 1)
		return (struct model_place) {
			e->first, m->strips[e->first].off + rel, left
		};
	c = rel / e->chunk;
	in = rel % e->chunk;
	return (struct model_place) {
		.strip = e->first + c % e->nstrips,
		.off = m->strips[e->first + c % e->nstrips].off +
		       c / e->nstrips * e->chunk + in,
		.len = left < e->chunk - in ? left : e->chunk - in,
	};
}

/* Which byte of the file is at @rel of strip @i? False: none. */
static bool model_locate(const struct model *m, u32 i, u64 rel, u64 *off)
{
	const struct model_extent *e = &m->extents[m->strips[i].extent];
	u128 pos = rel;

	if (e->nstrips > 1)
		pos = ((u128)(rel / e->chunk) * e->nstrips + i - e->first) *
		      e->chunk + rel % e->chunk;
	if (pos >= e->bytes || e->start + pos >= m->size)
		return false;
	*off = e->start + pos;
	return true;
}

static u64 min3(u64 a, u64 b, u64 c)
{
	u64 min = a < b ? a : b;

	return min < c ? min : c;
}

/*
 * What is on a device from page @first to @last? Within a strip, the file goes
 * up, so that where it has no byte it has none from there on.
 */
static bool model_find(const struct model *m, u64 dev, u64 first, u64 last,
		       struct famfs_range *range)
{
	bool found = false;
	u32 i;

	for (i = 0; i < m->nstrips && first <= last; i++) {
		const struct model_strip *s = &m->strips[i];
		u64 page = s->off / PAGE_SIZE, end = page + s->len / PAGE_SIZE;
		u64 pos, left;

		if (s->dev != dev || page > last || end <= first)
			continue;
		if (page < first)
			page = first;
		if (found && page * PAGE_SIZE > range->off)
			continue;
		if (!model_locate(m, i, page * PAGE_SIZE - s->off, &pos))
			continue;
		found = true;
		left = m->size - pos;
		left += -left % PAGE_SIZE;
		range->pos = pos;
		range->off = page * PAGE_SIZE;
		range->len = min3(left, model_resolve(m, pos).len,
				  (last < end ? last + 1 - page : end - page) *
				  PAGE_SIZE);
	}
	return found;
}

/* Comparison of a map and the model */

static struct famfs_claim *claim_of(const struct famfs_map *map, u64 dev)
{
	struct famfs_claim *claim;

	famfs_map_for_each_claim(map, claim)
		if (claim->devindex == dev)
			return claim;
	fail("device %" PRIu64 " has no claim", dev);
}

/* The part of the range that starts at @off. */
static bool resolve_rest(const struct famfs_map *map, u64 off,
			 struct famfs_range *r)
{
	if (!famfs_map_resolve(map, off, r))
		return false;
	if (off < r->pos || off - r->pos >= r->len)
		fail("%#" PRIx64 ": not in %#" PRIx64 " + %#" PRIx64, off,
		     r->pos, r->len);
	r->off += off - r->pos;
	r->len -= off - r->pos;
	return true;
}

/* The devices are still their indices. */
static u64 range_dev(const struct famfs_range *r)
{
	return (unsigned long)r->dev;
}

static void check_offset(const struct model *m, const struct famfs_map *map,
			 u64 off)
{
	bool found, want = off < m->size;
	const struct model_strip *s;
	struct famfs_range r, back;
	struct model_place p;
	u64 page;

	found = resolve_rest(map, off, &r);
	if (found != want)
		fail("%#" PRIx64 ": resolved %d, size %#" PRIx64, off, found,
		     m->size);
	if (!want)
		return;
	p = model_resolve(m, off);
	s = &m->strips[p.strip];
	if (range_dev(&r) != s->dev || r.off != p.off || r.len != p.len)
		fail("%#" PRIx64 ": device %" PRIu64 " + %#" PRIx64 " for %#"
		     PRIx64 ", not %" PRIu64 " + %#" PRIx64 " for %#" PRIx64,
		     off, range_dev(&r), r.off, r.len, s->dev, p.off, p.len);
	if (!r.len || r.off < s->off || r.off + r.len > s->off + s->len)
		fail("%#" PRIx64 ": leaves its strip", off);
	page = r.off / PAGE_SIZE;
	if (!famfs_claim_find(claim_of(map, s->dev), page, page, &back) ||
	    back.pos != off - off % PAGE_SIZE || back.off != page * PAGE_SIZE ||
	    back.len != PAGE_SIZE || back.dev != r.dev)
		fail("%#" PRIx64 ": page %#" PRIx64 " found at %#" PRIx64, off,
		     page, back.pos);
}

static void check_around(const struct model *m, const struct famfs_map *map,
			 u64 off)
{
	check_offset(m, map, off - 1);
	check_offset(m, map, off);
	check_offset(m, map, off + 1);
}

/* Page number @nr of strip number @i; not only such with a byte of the file. */
static void check_page(const struct model *m, const struct famfs_map *map,
		       u32 i, u64 nr)
{
	const struct model_strip *s = &m->strips[i];
	u64 page = s->off / PAGE_SIZE + nr, off = 0;
	struct famfs_range r = {};
	bool found, want;

	want = model_locate(m, i, nr * PAGE_SIZE, &off);
	found = famfs_claim_find(claim_of(map, s->dev), page, page, &r);
	if (found != want || (want && r.pos != off))
		fail("strip %u page %#" PRIx64 ": found %d at %#" PRIx64
		     ", not %d at %#" PRIx64, i, nr, found, r.pos, want, off);
	if (want)
		check_offset(m, map, off);
}

static void check_pages(const struct model *m, const struct famfs_claim *claim,
			u64 first, u64 last)
{
	struct famfs_range r = {}, w = {};
	bool found = famfs_claim_find(claim, first, last, &r);
	bool want = model_find(m, claim->devindex, first, last, &w);

	if (found != want)
		fail("pages %#" PRIx64 " to %#" PRIx64 ": found %d", first, last,
		     found);
	if (found && (r.pos != w.pos || r.off != w.off || r.len != w.len ||
		      range_dev(&r) != claim->devindex))
		fail("pages %#" PRIx64 " to %#" PRIx64 ": %#" PRIx64 " at %#"
		     PRIx64 " for %#" PRIx64 ", not %#" PRIx64 " at %#" PRIx64
		     " for %#" PRIx64, first, last, r.pos, r.off, r.len, w.pos,
		     w.off, w.len);
}

/* Pages around the bounds of a strip of the claim, or anywhere. */
static void check_some_pages(const struct model *m, const struct famfs_map *map)
{
	const struct model_strip *s = &m->strips[rnd(m->nstrips)];
	const struct famfs_claim *claim = claim_of(map, s->dev);
	u64 first = s->off / PAGE_SIZE, last = first + s->len / PAGE_SIZE - 1;

	check_pages(m, claim, first, last);
	check_pages(m, claim, last + 1, ~0ULL);
	check_pages(m, claim, 0, first ? first - 1 : 0);
	check_pages(m, claim, first + rnd(last - first + 1), last + rnd(16));
	first -= first ? rnd(first < 16 ? first : 16) : 0;
	check_pages(m, claim, first, first + rnd(64));
	check_pages(m, claim, rnd(last), rnd(~0ULL) >> rnd(64));
	check_pages(m, claim, rnd(~0ULL) >> rnd(64), rnd(~0ULL) >> rnd(64));
}

/* All of a device: every page of the file is found once. */
static void check_all_pages(const struct model *m, const struct famfs_map *map)
{
	struct famfs_claim *claim;
	u64 sum = 0, steps = 0;

	famfs_map_for_each_claim(map, claim) {
		u64 first = 0;
		struct famfs_range r;

		while (famfs_claim_find(claim, first, ~0ULL, &r)) {
			if (r.off / PAGE_SIZE < first || !r.len)
				fail("page %#" PRIx64 ": found below", first);
			if (++steps > 4096)
				return;
			first = (r.off + r.len) / PAGE_SIZE;
			sum += r.len;
		}
	}
	if (sum != m->size + -m->size % PAGE_SIZE)
		fail("%#" PRIx64 " bytes found", sum);
}

static void check_strip(const struct model *m, const struct famfs_map *map,
			u32 i)
{
	const struct model_strip *s = &m->strips[i];
	u64 pages = s->len / PAGE_SIZE;

	check_page(m, map, i, 0);
	check_page(m, map, i, pages - 1);
	check_page(m, map, i, rnd(pages));
	check_page(m, map, i, rnd(pages >> rnd(40)));
}

static void check_extent(const struct model *m, const struct famfs_map *map,
			 const struct model_extent *e)
{
	u64 chunks, last, c, i;

	check_around(m, map, e->start);
	check_around(m, map, e->start + e->bytes);
	check_around(m, map, e->start + rnd(e->bytes) / PAGE_SIZE * PAGE_SIZE);
	check_offset(m, map, e->start + rnd(e->bytes));
	check_strip(m, map, e->first);
	if (e->nstrips == 1)
		return;

	last = (e->bytes - 1) / e->chunk;
	chunks = last + 1;
	c = rnd(chunks);
	check_around(m, map, e->start + e->chunk);
	check_around(m, map, e->start + e->nstrips * e->chunk);
	check_around(m, map, e->start + c * e->chunk);
	/* a multiple of the strips is where rounding would tell */
	check_around(m, map, e->start + c / e->nstrips * e->nstrips * e->chunk);
	check_around(m, map, e->start + last * e->chunk);
	check_around(m, map, e->start +
			     last / e->nstrips * e->nstrips * e->chunk);
	for (i = 0; i < 4 && i < e->nstrips; i++)
		check_strip(m, map, e->first + rnd(e->nstrips));
}

static void check_some_extents(const struct model *m,
			       const struct famfs_map *map)
{
	u32 i;

	if (m->nextents <= SOME_EXTENTS || !rnd(64)) {
		for (i = 0; i < m->nextents; i++)
			check_extent(m, map, &m->extents[i]);
		return;
	}
	check_extent(m, map, &m->extents[m->nextents - 1]);
	for (i = 1; i < SOME_EXTENTS; i++)
		check_extent(m, map, &m->extents[rnd(m->nextents)]);
}

/* Go from the start to the end of the file, by the lengths that come back. */
static void check_walk(const struct model *m, const struct famfs_map *map,
		       u32 steps)
{
	struct famfs_range r;
	u64 off = 0;

	while (steps-- && off < m->size) {
		check_offset(m, map, off);
		if (!resolve_rest(map, off, &r))
			fail("%#" PRIx64 ": resolved once, but not again", off);
		off += r.len;
		check_offset(m, map, off - 1);
	}
}

static void check_bytes(const struct model *m, const struct famfs_map *map)
{
	u64 off;

	for (off = 0; off <= m->size; off++)
		check_offset(m, map, off);
}

static void check_bounds(const struct model *m, const struct famfs_map *map)
{
	check_around(m, map, m->size);
	check_around(m, map, PAGE_SIZE);
	check_around(m, map, m->end);
	check_offset(m, map, m->size + rnd(-m->size));
	check_offset(m, map, 1ULL << 63);
	check_offset(m, map, UINT64_MAX);
	check_offset(m, map, rnd(m->size));
	check_offset(m, map, rnd(m->size) >> rnd(64));
}

/* There is one claim for each device, from its first to its last page. */
static void check_claims(const struct model *m, const struct famfs_map *map)
{
	u64 first[NR_DEVS], last[NR_DEVS] = {}, nr[NR_DEVS] = {}, sum = 0;
	struct famfs_claim *claim;
	u32 i;

	memset(first, 0xff, sizeof(first));
	for (i = 0; i < m->nstrips; i++) {
		const struct model_strip *s = &m->strips[i];
		u64 end = (s->off + s->len) / PAGE_SIZE - 1;

		nr[s->dev]++;
		if (s->off / PAGE_SIZE < first[s->dev])
			first[s->dev] = s->off / PAGE_SIZE;
		if (end > last[s->dev])
			last[s->dev] = end;
	}
	famfs_map_for_each_claim(map, claim) {
		u64 dev = claim->devindex;

		if (claim->map != map || dev >= NR_DEVS || !nr[dev] ||
		    claim->nr != nr[dev] || claim->node.start != first[dev] ||
		    claim->node.last != last[dev])
			fail("claim on device %" PRIu64 " differs", dev);
		sum += nr[dev];
		nr[dev] = 0;
	}
	if (map->nstrips != m->nstrips || sum != m->nstrips)
		fail("%u strips, not %u", map->nstrips, m->nstrips);
}

static void check_map(const struct model *m, struct famfs_map *map)
{
	u32 i;

	if (map->size != m->size || map->nextents != m->nextents)
		fail("size %#" PRIx64 ", %u extents", map->size, map->nextents);
	check_claims(m, map);
	check_bounds(m, map);
	check_some_extents(m, map);
	check_walk(m, map, rnd(64) ? 16 : 1024);
	for (i = 0; i < 2; i++)
		check_some_pages(m, map);
	check_all_pages(m, map);
	if (m->size <= 4 * PAGE_SIZE && !rnd(1024))
		check_bytes(m, map);
}

/* Two maps */

static struct {
	u8 header[HEADER_SIZE];
	struct {
		u32 dev;
		u32 reserved;
		u64 off;
		u64 len;
	} ext[MAX_ITEMS];
} other;

/*
 * Use what the map leaves free between two of its strips, or a part of it, or
 * more.
 */
static u32 fill_holes(const struct model *m)
{
	const struct model_strip *s = sorted_strips(m);
	u32 i, n = 0, often = 1 + rnd(8);
	bool clash = rnd(2);

	for (i = 0; i < m->nstrips; i++) {
		u64 off = s[i].off + s[i].len, end = off + PAGE_SIZE * rnd(4);

		if (rnd(often) || end < off)
			continue;
		if (i + 1 < m->nstrips && s[i + 1].dev == s[i].dev)
			end = s[i + 1].off;
		if (end > off && !rnd(4))
			end -= (end - off) / 2 / PAGE_SIZE * PAGE_SIZE;
		if (clash && !rnd(4)) {
			if (rnd(2))
				off -= PAGE_SIZE;
			else
				end += PAGE_SIZE;
		}
		if (end <= off)
			continue;
		other.ext[n].dev = s[i].dev;
		other.ext[n].off = off;
		other.ext[n++].len = end - off;
	}
	return n;
}

/* Return: the length of the reply, which has no more than a chance to be one. */
static size_t make_other(const struct model *m)
{
	u16 version = 1;
	u64 size = 0;
	u32 i, n = fill_holes(m);

	for (i = 0; i < n; i++)
		size += other.ext[i].len;
	for (i = 0; i < n && rnd(2); i++) {
		u32 j = rnd(n), k = rnd(n);

		swap(other.ext[j], other.ext[k]);
	}
	memset(other.header, 0, HEADER_SIZE);
	memcpy(other.header + 2, &version, sizeof(version));
	memcpy(other.header + 8, &n, sizeof(n));
	memcpy(other.header + 16, &size, sizeof(size));
	return HEADER_SIZE + n * ITEM_SIZE;
}

static bool model_overlaps(const struct model *a, const struct model *b, u64 dev)
{
	u32 i, j;

	for (i = 0; i < a->nstrips; i++)
		for (j = 0; j < b->nstrips; j++)
			if (a->strips[i].dev == dev &&
			    overlap(&a->strips[i], &b->strips[j]))
				return true;
	return false;
}

static void check_two(const struct model *m, const struct famfs_map *map,
		      const struct model *m2, const struct famfs_map *map2)
{
	struct famfs_claim *a, *b;

	famfs_map_for_each_claim(map, a)
		famfs_map_for_each_claim(map2, b) {
			bool want;

			if (a->devindex != b->devindex)
				continue;
			want = model_overlaps(m, m2, a->devindex);
			if (famfs_claim_overlaps(a, b) != want ||
			    famfs_claim_overlaps(b, a) != want)
				fail("overlap on device %lu is not %d",
				     a->devindex, want);
		}
}

static void check_other(const struct model *m, const struct famfs_map *map)
{
	static struct model m2;
	size_t len;
	struct famfs_map *map2;

	if (m->nstrips > 4096)
		return;
	len = make_other(m);
	if (model_read((u8 *)&other, len, &m2))
		return;
	map2 = famfs_map_parse(&other, len, NR_DEVS);
	if (IS_ERR(map2))
		fail("error %ld of another map", PTR_ERR(map2));
	check_two(m, map, &m2, map2);
	check_two(m, map, m, map);
	famfs_map_free(map2);
}

static int map_err(struct famfs_map *map)
{
	return IS_ERR(map) ? PTR_ERR(map) : 0;
}

/* Without memory: an error, whatever is in the reply, and nothing leaks. */
static void check_no_memory(const u8 *buf, size_t len, int want)
{
	unsigned int nr;

	for (nr = 1; nr <= 2; nr++) {
		struct famfs_map *map;
		bool failed;
		int err;

		fuzz_fail_alloc = nr;
		map = famfs_map_parse(buf, len, NR_DEVS);
		failed = !fuzz_fail_alloc;
		fuzz_fail_alloc = 0;
		err = map_err(map);
		if (err != (failed ? -ENOMEM : want))
			fail("error %d without memory", err);
		if (!err)
			famfs_map_free(map);
	}
}

int LLVMFuzzerTestOneInput(const u8 *buf, size_t len);

int LLVMFuzzerTestOneInput(const u8 *buf, size_t len)
{
	static struct model m;
	int want = model_read(buf, len, &m);
	struct famfs_map *map = famfs_map_parse(buf, len, NR_DEVS);

	if (!map || map_err(map) != want)
		fail("error %d, not %d", map_err(map), want);
	if (famfs_map_announced(buf, len) != model_announced(buf, len))
		fail("%u bytes announced", famfs_map_announced(buf, len));
	rnd_seed(buf, len);
	if (!rnd(16))
		check_no_memory(buf, len, want);
	if (!want) {
		check_map(&m, map);
		check_other(&m, map);
		famfs_map_free(map);
	}
	return 0;
}
