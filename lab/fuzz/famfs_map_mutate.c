// SPDX-License-Identifier: GPL-2.0
/*
 * Mutations of a reply to FUSE_GET_FMAP
 *
 * Bytes changed at random hardly ever make a map. What is made here is one most
 * of the time: a field or an item changes, then the rest is adapted to it, and
 * then, sometimes, one more thing breaks.
 */
#include <stdlib.h>
#include <string.h>
#include <linux/fs.h>
#include <linux/fuse.h>
#include <linux/types.h>
#include "rnd.h"

typedef unsigned __int128 u128;

#define MAX_ITEMS ((FAMFS_FMAP_MAX - sizeof(struct fuse_famfs_fmap_header)) / \
		   sizeof(union item))
#define NR_DEVS 64
/* more strips than this are laid out anew instead of searched for overlaps */
#define MANY_STRIPS 64
#define MAX_POS ((u64)INT64_MAX)

union item {
	struct fuse_famfs_simple_ext strip;
	struct fuse_famfs_iext ext;
};

/**
 * struct reply - the reply that is being changed
 * @h: its header
 * @items: what follows
 * @n: number of items, at least 1
 * @max: items that there may be
 * @strips: those of the items that are strips
 * @nstrips: number of strips
 */
struct reply {
	struct fuse_famfs_fmap_header h;
	union item items[MAX_ITEMS];
	u32 n;
	u32 max;
	struct fuse_famfs_simple_ext *strips[MAX_ITEMS];
	u32 nstrips;
};

size_t LLVMFuzzerMutate(u8 *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max,
			       unsigned int seed);

static bool one_in(u32 n)
{
	return !rnd(n);
}

/* From 1 to @max, small ones more often. */
static u64 rnd_small(u64 max)
{
	u64 val = 1 + rnd(1ULL << rnd(64));

	return val <= max ? val : 1 + rnd(one_in(4) ? max : min_t(u64, max, 4));
}

/* A number that is likely to be a limit of something. */
static u64 rnd_edge(void)
{
	u64 val = 1ULL << rnd(64);

	switch (rnd(6)) {
	case 0:
		return val - 1;
	case 1:
		return val + 1;
	case 2:
		return -val;
	case 3:
		return -(val * PAGE_SIZE);
	case 4:
		return rnd(~0ULL);
	default:
		return val;
	}
}

static u64 rnd_len(void)
{
	switch (rnd(8)) {
	case 0:
		return PAGE_SIZE << rnd(50);
	case 1:
		return PAGE_SIZE * rnd_small(1ULL << 50);
	case 2:
		return PAGE_SIZE * rnd_small(1ULL << 32);
	case 3:
		return PAGE_SIZE * 512 * rnd_small(64);
	case 4:
		return PAGE_SIZE;
	default:
		return PAGE_SIZE * rnd_small(64);
	}
}

static u64 rnd_off(void)
{
	switch (rnd(6)) {
	case 0:
		return PAGE_SIZE << rnd(51);
	case 1:
		return PAGE_SIZE * rnd(1ULL << 51);
	case 2:
		return PAGE_SIZE * rnd(1ULL << 32);
	default:
		return PAGE_SIZE * rnd(256);
	}
}

static u32 rnd_chunk(void)
{
	u64 top = (1ULL << 32) / PAGE_SIZE;

	switch (rnd(4)) {
	case 0:
		return PAGE_SIZE << rnd(32 - PAGE_SHIFT);
	case 1:
		return PAGE_SIZE * (1 + rnd(top - 1));
	default:
		return PAGE_SIZE * rnd_small(top - 1);
	}
}

static u32 rnd_dev(void)
{
	return one_in(2) ? 0 : rnd(one_in(2) ? 3 : NR_DEVS);
}

/* Repair: make a map of what there is */

static void repair_strip(struct reply *r, struct fuse_famfs_simple_ext *s)
{
	s->reserved = 0;
	s->se_devindex %= NR_DEVS;
	s->se_offset -= s->se_offset % PAGE_SIZE;
	s->se_len -= s->se_len % PAGE_SIZE;
	if (!s->se_len)
		s->se_len = rnd_len();
	if (s->se_offset + s->se_len <= s->se_offset)
		s->se_offset = one_in(2) ? rnd_off() / 2 : -s->se_len - PAGE_SIZE;
	if (s->se_offset + s->se_len <= s->se_offset)
		s->se_len = PAGE_SIZE;
	r->strips[r->nstrips++] = s;
}

/* How many bytes of the file do the strips hold? */
static u64 capacity(const struct fuse_famfs_iext *ext, const union item *strips,
		    u64 limit)
{
	u128 min = limit;
	u32 i;

	for (i = 0; i < ext->ie_nstrips; i++) {
		u64 chunk = ext->ie_chunk_size, len = strips[i].strip.se_len;
		u128 cap = ((u128)(len / chunk) * ext->ie_nstrips + i) * chunk +
			   len % chunk;

		if (cap < min)
			min = cap;
	}
	return min;
}

static void repair_nbytes(struct fuse_famfs_iext *ext, union item *strips,
			  u64 limit, bool last)
{
	u64 cap = capacity(ext, strips, limit);

	/* the first strip has the first byte */
	if (!cap) {
		strips[0].strip.se_len = PAGE_SIZE;
		cap = capacity(ext, strips, limit);
	}
	if (!ext->ie_nbytes || ext->ie_nbytes > cap)
		ext->ie_nbytes = one_in(4) ? 1 + rnd(cap) : cap;
	if (!last)
		ext->ie_nbytes -= ext->ie_nbytes % PAGE_SIZE;
	if (!ext->ie_nbytes)
		ext->ie_nbytes = min_t(u64, PAGE_SIZE, cap);
}

static u64 repair_simple(struct reply *r)
{
	u64 end = 0;
	u32 i;

	for (i = 0; i < r->n; i++) {
		struct fuse_famfs_simple_ext *s = &r->items[i].strip;

		repair_strip(r, s);
		if (s->se_len > MAX_POS - end)
			s->se_len = PAGE_SIZE * (1 + rnd(16));
		end += s->se_len;
	}
	r->h.nextents = r->n;
	return end;
}

/* An extent that has room for its strips, if need be at the cost of the next. */
static void repair_iext(struct reply *r, u32 pos, bool last)
{
	struct fuse_famfs_iext *ext = &r->items[pos].ext;
	u32 left = r->n - pos - 1;

	ext->reserved = 0;
	if (last || ext->ie_nstrips > left)
		ext->ie_nstrips = left;
	if (!ext->ie_nstrips)
		ext->ie_nstrips = 1;
	/* no item may be left alone */
	if (left - ext->ie_nstrips == 1)
		ext->ie_nstrips++;
	ext->ie_chunk_size -= ext->ie_chunk_size % PAGE_SIZE;
	if (!ext->ie_chunk_size)
		ext->ie_chunk_size = rnd_chunk();
}

static u64 repair_interleave(struct reply *r)
{
	u32 pos = 0, nr = 0;
	u64 end = 0;

	if (r->n < 2)
		r->items[r->n++] = r->items[0];
	while (pos < r->n) {
		struct fuse_famfs_iext *ext = &r->items[pos++].ext;
		u32 i;

		repair_iext(r, pos - 1, ++nr == r->h.nextents);
		for (i = 0; i < ext->ie_nstrips; i++)
			repair_strip(r, &r->items[pos + i].strip);
		repair_nbytes(ext, &r->items[pos], MAX_POS - end,
			      pos + i == r->n);
		end += ext->ie_nbytes;
		pos += ext->ie_nstrips;
	}
	r->h.nextents = nr;
	return end;
}

static bool overlaps(const struct fuse_famfs_simple_ext *a,
		     const struct fuse_famfs_simple_ext *b)
{
	return a->se_devindex == b->se_devindex &&
	       a->se_offset < b->se_offset + b->se_len &&
	       b->se_offset < a->se_offset + a->se_len;
}

/* Move strip number @i behind all others on its device. */
static void move_to_end(struct reply *r, u32 i)
{
	struct fuse_famfs_simple_ext *s = r->strips[i];
	u64 end = 0;
	u32 j;

	for (j = 0; j < r->nstrips; j++) {
		const struct fuse_famfs_simple_ext *t = r->strips[j];

		if (j != i && t->se_devindex == s->se_devindex)
			end = max_t(u64, end, t->se_offset + t->se_len);
	}
	if (end + s->se_len > end)
		s->se_offset = end;
	else
		s->se_devindex = rnd(NR_DEVS);
}

static void repair_overlaps(struct reply *r)
{
	u32 i, j;

	for (i = 0; i < r->nstrips; i++)
		for (j = 0; j < i; j++)
			if (overlaps(r->strips[i], r->strips[j])) {
				move_to_end(r, i);
				break;
			}
}

/* One strip behind the other on each device, from below or from above. */
static void lay_out(struct reply *r)
{
	u64 used[NR_DEVS] = {}, gap = one_in(2) ? PAGE_SIZE * rnd(4) : 0;
	bool down = one_in(2);
	u32 i;

	for (i = 0; i < r->nstrips; i++) {
		struct fuse_famfs_simple_ext *s =
			r->strips[down ? r->nstrips - 1 - i : i];
		u64 *end = &used[s->se_devindex];

		if (*end + s->se_len <= *end)
			continue;
		s->se_offset = *end;
		*end += s->se_len;
		if (*end + gap >= *end)
			*end += gap;
	}
}

static size_t reply_size(const struct reply *r)
{
	return sizeof(r->h) + r->n * sizeof(*r->items);
}

static void repair(struct reply *r)
{
	struct fuse_famfs_fmap_header *h = &r->h;
	u64 end;

	h->file_type %= 3;
	h->fmap_version = FAMFS_FMAP_VERSION;
	h->ext_type %= 2;
	h->reserved = 0;
	h->reserved1 = 0;
	r->nstrips = 0;
	if (h->ext_type == FUSE_FAMFS_EXT_SIMPLE)
		end = repair_simple(r);
	else
		end = repair_interleave(r);
	if (!h->file_size || h->file_size > end)
		h->file_size = one_in(4) ? 1 + rnd(end) : end;
	if (r->nstrips > MANY_STRIPS)
		lay_out(r);
	else
		repair_overlaps(r);
	h->fmap_size = one_in(2) ? 0 : reply_size(r);
}

/* Make a reply out of nothing; repair() is needed after that. */

static void fill_simple(struct reply *r)
{
	u64 len = one_in(2) ? rnd_len() : 0;
	u32 i;

	if (len && one_in(2))
		len = PAGE_SIZE << rnd(one_in(2) ? 4 : 40);
	for (i = 0; i < r->n; i++)
		r->items[i].strip = (struct fuse_famfs_simple_ext) {
			rnd_dev(), 0, rnd_off(), len ?: rnd_len()
		};
	if (len && one_in(2))
		r->items[r->n - 1].strip.se_len = PAGE_SIZE * rnd_small(len / PAGE_SIZE);
}

static void fill_interleave(struct reply *r)
{
	u32 nstrips = rnd_small(r->n), pos = 0;

	fill_simple(r);
	while (pos < r->n) {
		r->items[pos].ext = (struct fuse_famfs_iext) {
			nstrips, rnd_chunk(), 0, 0
		};
		pos += 1 + nstrips;
		if (one_in(4))
			nstrips = rnd_small(r->n);
	}
}

static void generate(struct reply *r)
{
	memset(&r->h, 0, sizeof(r->h));
	if (r->max > MANY_STRIPS || one_in(8))
		r->n = 1 + rnd(r->max);
	else
		r->n = rnd_small(min(r->max, 12U));
	r->h.ext_type = rnd(2);
	if (r->h.ext_type == FUSE_FAMFS_EXT_SIMPLE)
		fill_simple(r);
	else
		fill_interleave(r);
}

/* Change something */

static union item *any_item(struct reply *r)
{
	return &r->items[rnd(r->n)];
}

static void change_size(struct reply *r)
{
	u64 *size = &r->h.file_size;

	switch (rnd(6)) {
	case 0:
		*size = 0;
		break;
	case 1:
		*size = rnd_edge();
		break;
	case 2:
		*size += 1 - rnd(3);
		break;
	case 3:
		*size += PAGE_SIZE - PAGE_SIZE * rnd(3);
		break;
	case 4:
		*size = 1 + rnd(*size);
		break;
	default:
		*size = ~0ULL;
		break;
	}
}

static void change_header(struct reply *r)
{
	switch (rnd(12)) {
	case 0:
		r->h.file_type = rnd(one_in(2) ? 4 : 256);
		break;
	case 1:
		r->h.reserved = 1 << rnd(8);
		break;
	case 2:
		r->h.fmap_version = rnd_edge();
		break;
	case 3:
		r->h.ext_type = one_in(4) ? rnd_edge() : rnd(3);
		break;
	case 4:
		r->h.nextents = rnd_edge();
		break;
	case 5:
		r->h.nextents += 1 - rnd(3);
		break;
	case 6:
		r->h.fmap_size = one_in(2) ? rnd_edge() :
				 reply_size(r) + 1 - rnd(3);
		break;
	case 7:
		r->h.reserved1 = 1ULL << rnd(64);
		break;
	default:
		change_size(r);
		break;
	}
}

static u64 nudge(u64 val)
{
	switch (rnd(4)) {
	case 0:
		return val + 1 - rnd(3);
	case 1:
		return val + PAGE_SIZE * (1 - rnd(3));
	case 2:
		return val ^ 1ULL << rnd(64);
	default:
		return rnd_edge();
	}
}

/* Put a strip close to another one, with or without an overlap. */
static void change_neighbour(struct reply *r)
{
	struct fuse_famfs_simple_ext *a = &any_item(r)->strip;
	const struct fuse_famfs_simple_ext *b = &any_item(r)->strip;

	a->se_devindex = b->se_devindex;
	if (one_in(2))
		a->se_offset = b->se_offset + b->se_len;
	else
		a->se_offset = b->se_offset - a->se_len;
	a->se_offset += PAGE_SIZE * (1 - rnd(3));
}

static void change_strip(struct reply *r)
{
	struct fuse_famfs_simple_ext *s = &any_item(r)->strip;

	switch (rnd(8)) {
	case 0:
		s->se_devindex = rnd_dev();
		break;
	case 1:
		s->se_devindex = one_in(2) ? NR_DEVS : rnd_edge();
		break;
	case 2:
		s->reserved = 1U << rnd(32);
		break;
	case 3:
		s->se_offset = rnd_off();
		break;
	case 4:
		s->se_offset = nudge(s->se_offset);
		break;
	case 5:
		s->se_len = rnd_len();
		break;
	case 6:
		s->se_len = nudge(s->se_len);
		break;
	default:
		change_neighbour(r);
		break;
	}
}

/* The first item is an extent for sure, the others may be a strip. */
static void change_iext(struct reply *r)
{
	struct fuse_famfs_iext *ext = one_in(2) ? &r->items[0].ext :
						  &any_item(r)->ext;

	switch (rnd(8)) {
	case 0:
		ext->ie_nstrips = rnd_small(r->n);
		break;
	case 1:
		ext->ie_nstrips += 1 - rnd(3);
		break;
	case 2:
		ext->ie_nstrips = rnd_edge();
		break;
	case 3:
		ext->ie_chunk_size = rnd_chunk();
		break;
	case 4:
		ext->ie_chunk_size = nudge(ext->ie_chunk_size);
		break;
	case 5:
		ext->ie_nbytes = 0;
		break;
	case 6:
		ext->ie_nbytes = nudge(ext->ie_nbytes);
		break;
	default:
		ext->reserved = 1ULL << rnd(64);
		break;
	}
}

static void change_lens(struct reply *r)
{
	u64 len = one_in(2) ? rnd_len() : r->items[0].strip.se_len;
	u32 i;

	if (one_in(4))
		len = PAGE_SIZE << rnd(20);

	for (i = 0; i < r->n; i++)
		r->items[i].strip.se_len = len;
	if (one_in(4))
		any_item(r)->strip.se_len = rnd_len();
	else if (one_in(2))
		r->items[r->n - 1].strip.se_len = rnd_len();
}

static void insert_items(struct reply *r)
{
	u32 room = r->max - r->n, at = rnd(r->n + 1), from, n;

	if (!room)
		return;
	n = rnd_small(min(room, r->n));
	from = rnd(r->n - n + 1);
	memmove(&r->items[at + n], &r->items[at],
		(r->n - at) * sizeof(*r->items));
	memmove(&r->items[at], &r->items[from], n * sizeof(*r->items));
	r->n += n;
	if (one_in(2))
		r->h.nextents += n;
}

static void remove_items(struct reply *r)
{
	u32 at = rnd(r->n), n = rnd_small(r->n - at);

	if (n == r->n)
		return;
	memmove(&r->items[at], &r->items[at + n],
		(r->n - at - n) * sizeof(*r->items));
	r->n -= n;
	if (one_in(2))
		r->h.nextents -= n;
}

static void swap_items(struct reply *r)
{
	union item *a = any_item(r), *b = any_item(r), tmp = *a;

	*a = *b;
	*b = tmp;
}

static void change(struct reply *r)
{
	switch (rnd(16)) {
	case 0 ... 1:
		change_header(r);
		break;
	case 2:
		change_size(r);
		break;
	case 3 ... 5:
		change_strip(r);
		break;
	case 6 ... 8:
		change_iext(r);
		break;
	case 9:
		change_lens(r);
		break;
	case 10 ... 11:
		insert_items(r);
		break;
	case 12 ... 13:
		remove_items(r);
		break;
	case 14:
		swap_items(r);
		break;
	default:
		r->h.ext_type ^= 1;
		break;
	}
}

/* False: there is nothing that could be called a map. */
static bool load(struct reply *r, const u8 *data, size_t size)
{
	if (size < sizeof(r->h) + sizeof(*r->items))
		return false;
	r->n = min_t(size_t, (size - sizeof(r->h)) / sizeof(*r->items), r->max);
	memcpy(&r->h, data, sizeof(r->h));
	memcpy(r->items, data + sizeof(r->h), r->n * sizeof(*r->items));
	return true;
}

static size_t store(const struct reply *r, u8 *data, size_t max)
{
	size_t size = reply_size(r);

	memcpy(data, &r->h, sizeof(r->h));
	memcpy(data + sizeof(r->h), r->items, r->n * sizeof(*r->items));
	if (one_in(64))
		return one_in(2) ? size - 1 - rnd(sizeof(*r->items)) : rnd(size);
	if (one_in(64))
		return sizeof(r->h);
	if (one_in(64) && size < max) {
		data[size] = 0;
		return size + 1;
	}
	return size;
}

/* Long replies are slow and find little; what is cut off does not matter. */
static u32 rnd_max_items(void)
{
	if (one_in(1024))
		return MAX_ITEMS;
	if (one_in(64))
		return 1024;
	return one_in(8) ? MANY_STRIPS : 16;
}

size_t LLVMFuzzerCustomMutator(u8 *data, size_t size, size_t max,
			       unsigned int seed)
{
	static struct reply r;

	rnd_state = (seed + 1) * 0x9e3779b97f4a7c15ULL;
	/* room for an extent and a strip, which is what repair() may need */
	if (max < sizeof(r.h) + 2 * sizeof(*r.items) ||
	    (size < 512 && one_in(8)))
		return LLVMFuzzerMutate(data, size, max);
	r.max = min_t(size_t, (max - sizeof(r.h)) / sizeof(*r.items),
		      rnd_max_items());
	if (one_in(r.max > MANY_STRIPS ? 4 : 32) || !load(&r, data, size))
		generate(&r);
	else
		do
			change(&r);
		while (one_in(2));
	if (!one_in(16))
		repair(&r);
	if (one_in(4))
		change(&r);
	return store(&r, data, max);
}
