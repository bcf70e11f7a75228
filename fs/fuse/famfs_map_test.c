// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of famfs_map.c: what is a map, and where does it lead
 *
 * There are no devices here: they remain indices, as in a map that has just
 * been parsed.
 */
#include <kunit/resource.h>
#include <kunit/test.h>
#include <linux/fuse.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include "famfs_map.h"

#define CASE_PAGE PAGE_SIZE
#include "famfs_map_cases.h"

#define HEADER_SIZE sizeof(struct fuse_famfs_fmap_header)
#define ITEM_SIZE sizeof(struct famfs_case_item)
/* items of the longest reply */
#define MAX_ITEMS ((FAMFS_FMAP_MAX - HEADER_SIZE) / ITEM_SIZE)

KUNIT_DEFINE_ACTION_WRAPPER(free_buf_action, kvfree, const void *);
KUNIT_DEFINE_ACTION_WRAPPER(free_map_action, famfs_map_free,
			    struct famfs_map *);

/* Exactly as long as the reply, so that KASAN sees an access beyond it. */
static void *alloc_buf(struct kunit *test, size_t len)
{
	void *buf = kvzalloc(len ?: 1, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, buf);
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_buf_action,
							   buf));
	return buf;
}

static struct famfs_map *parse_buf(struct kunit *test, const void *buf,
				   size_t len)
{
	struct famfs_map *map = famfs_map_parse(buf, len, FAMFS_MAP_MAX_DEVS);

	KUNIT_ASSERT_FALSE(test, IS_ERR(map));
	KUNIT_ASSERT_EQ(test, 0, kunit_add_action_or_reset(test, free_map_action,
							   map));
	return map;
}

/* Return: the error, or 0 if it is a map after all. */
static int parse_error(const void *buf, size_t len, unsigned int nr_devs)
{
	struct famfs_map *map = famfs_map_parse(buf, len, nr_devs);

	if (IS_ERR(map))
		return PTR_ERR(map);
	famfs_map_free(map);
	return 0;
}

static struct famfs_map *parse_items(struct kunit *test,
				     const struct fuse_famfs_fmap_header *h,
				     u32 nitems,
				     const struct famfs_case_item *items)
{
	size_t len = HEADER_SIZE + nitems * ITEM_SIZE;
	void *buf = alloc_buf(test, len);

	memcpy(buf, h, HEADER_SIZE);
	memcpy(buf + HEADER_SIZE, items, nitems * ITEM_SIZE);
	return parse_buf(test, buf, len);
}

static void case_desc(const struct famfs_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(case, famfs_cases, case_desc);

static void famfs_map_parse_test(struct kunit *test)
{
	const struct famfs_case *c = test->param_value;
	u8 *tmp = alloc_buf(test, 512);
	size_t len = famfs_case_build(c, tmp);
	u8 *buf = alloc_buf(test, len);
	struct famfs_map *map;

	memcpy(buf, tmp, len);
	if (c->err && !c->needs_dev) {
		KUNIT_EXPECT_EQ(test, -c->err,
				parse_error(buf, len, FAMFS_MAP_MAX_DEVS));
		return;
	}
	map = parse_buf(test, buf, len);
	KUNIT_EXPECT_EQ(test, map->size, c->h.file_size);
}

/* Fewer devices than a map can use at most. */
static void famfs_map_devs_test(struct kunit *test)
{
	struct {
		struct fuse_famfs_fmap_header h;
		struct famfs_case_item item;
	} reply = { H(SIMPLE, 1, PAGE_SIZE), { 5, 0, 0, PAGE_SIZE } };

	KUNIT_EXPECT_EQ(test, -EINVAL, parse_error(&reply, sizeof(reply), 0));
	KUNIT_EXPECT_EQ(test, -EINVAL, parse_error(&reply, sizeof(reply), 5));
	KUNIT_EXPECT_EQ(test, 0, parse_error(&reply, sizeof(reply), 6));
}

/**
 * struct announce_case - a reply, and what it announces
 * @name: what is special
 * @version: fmap_version
 * @size: fmap_size
 * @len: length of the reply
 * @want: what it announces
 */
struct announce_case {
	const char *name;
	u16 version;
	u32 size;
	size_t len;
	u32 want;
};

static const struct announce_case announce_cases[] = {
	{ "an extent", 1, 56, HEADER_SIZE, 56 },
	{ "the maximum", 1, FAMFS_FMAP_MAX, HEADER_SIZE, FAMFS_FMAP_MAX },
	{ "more than the maximum", 1, U32_MAX, HEADER_SIZE, U32_MAX },
	{ "less than an extent", 1, 33, HEADER_SIZE, 33 },
	{ "nothing", 1, 0, HEADER_SIZE, 0 },
	{ "itself", 1, 32, HEADER_SIZE, 0 },
	{ "less than itself", 1, 31, HEADER_SIZE, 0 },
	{ "version 0", 0, 56, HEADER_SIZE, 0 },
	{ "version 2", 2, 56, HEADER_SIZE, 0 },
	{ "complete", 1, 56, 56, 0 },
	{ "cut", 1, 80, 56, 0 },
	{ "a byte after the header", 1, 56, HEADER_SIZE + 1, 0 },
	{ "half a header", 1, 56, HEADER_SIZE / 2, 0 },
	{ "empty", 1, 56, 0, 0 },
};

KUNIT_ARRAY_PARAM_DESC(announce, announce_cases, name);

static void famfs_map_announced_test(struct kunit *test)
{
	const struct announce_case *c = test->param_value;
	struct fuse_famfs_fmap_header h = {
		.fmap_version = c->version,
		.nextents = 1,
		.fmap_size = c->size,
		.file_size = PAGE_SIZE,
	};
	void *buf = alloc_buf(test, c->len);

	memcpy(buf, &h, min(c->len, HEADER_SIZE));
	KUNIT_EXPECT_EQ(test, famfs_map_announced(buf, c->len), c->want);
}

/**
 * struct vector - an offset into a file and where it lies
 * @off: offset into the file
 * @dev: index of the device
 * @dev_off: offset into the device
 * @len: bytes that follow contiguously
 */
struct vector {
	u64 off;
	u32 dev;
	u64 dev_off;
	u64 len;
};

/**
 * struct vectors - a map and some vectors
 * @name: what is special
 * @h: the header
 * @nitems: items that follow
 * @items: the items
 * @v: vectors, up to the first one of length 0
 */
struct vectors {
	const char *name;
	struct fuse_famfs_fmap_header h;
	u32 nitems;
	struct famfs_case_item items[CASE_MAX_ITEMS];
	struct vector v[10];
};

/* 1 MiB if pages are 4 KiB */
#define M (256 * P)
#define EXT(dev, off, len) { dev, 0, off, len }
#define IEXT(n, chunk, bytes) { n, chunk, bytes, 0 }

static const struct vectors all_vectors[] = {
	{ "one extent", H(SIMPLE, 1, 8 * M), 1, { EXT(3, 16 * M, 8 * M) },
	  { { 0, 3, 16 * M, 8 * M }, { 1, 3, 16 * M + 1, 8 * M - 1 },
	    { 8 * M - 1, 3, 24 * M - 1, 1 } } },
	{ "one extent, longer than the file", H(SIMPLE, 1, M - 1), 1,
	  { EXT(0, 0, 3 * M) },
	  { { 0, 0, 0, 3 * M }, { M - 2, 0, M - 2, 2 * M + 2 } } },
	{ "extents of one length", H(SIMPLE, 4, 8 * M), 4,
	  { EXT(0, 8 * M, 2 * M), EXT(1, 0, 2 * M),
	    EXT(0, 2 * M, 2 * M), EXT(2, 64 * M, 2 * M) },
	  { { 0, 0, 8 * M, 2 * M }, { 2 * M - 1, 0, 10 * M - 1, 1 },
	    { 2 * M, 1, 0, 2 * M }, { 3 * M, 1, M, M },
	    { 4 * M, 0, 2 * M, 2 * M }, { 6 * M, 2, 64 * M, 2 * M },
	    { 8 * M - 1, 2, 66 * M - 1, 1 } } },
	{ "extents of a page", H(SIMPLE, 3, 2 * P + 1), 3,
	  { EXT(2, P, P), EXT(0, 0, P), EXT(2, 0, P) },
	  { { 0, 2, P, P }, { P, 0, 0, P }, { 2 * P, 2, 0, P } } },
	{ "many extents of a device", H(SIMPLE, 8, 8 * P), 8,
	  { EXT(0, 14 * P, P), EXT(0, 0, P), EXT(0, 4 * P, P),
	    EXT(0, 12 * P, P), EXT(0, 2 * P, P), EXT(0, 6 * P, P),
	    EXT(0, 8 * P, P), EXT(0, 10 * P, P) },
	  { { 0, 0, 14 * P, P }, { P, 0, 0, P }, { 7 * P, 0, 10 * P, P } } },
	{ "extents of one length, the last is shorter", H(SIMPLE, 3, 5 * M), 3,
	  { EXT(0, 0, 2 * M), EXT(0, 8 * M, 2 * M), EXT(1, M, M) },
	  { { 2 * M - 1, 0, 2 * M - 1, 1 }, { 2 * M, 0, 8 * M, 2 * M },
	    { 4 * M, 1, M, M }, { 5 * M - 1, 1, 2 * M - 1, 1 } } },
	{ "extents of one length, the last is longer", H(SIMPLE, 2, 5 * M), 2,
	  { EXT(0, 0, 2 * M), EXT(0, 8 * M, 3 * M) },
	  { { 0, 0, 0, 2 * M }, { 2 * M, 0, 8 * M, 3 * M },
	    { 5 * M - 1, 0, 11 * M - 1, 1 } } },
	{ "extents of three pages, the last is shorter", H(SIMPLE, 3, 7 * M), 3,
	  { EXT(0, 0, 3 * M), EXT(1, 0, 3 * M), EXT(2, 0, M) },
	  { { 3 * M - 1, 0, 3 * M - 1, 1 }, { 3 * M, 1, 0, 3 * M },
	    { 6 * M - 1, 1, 3 * M - 1, 1 }, { 6 * M, 2, 0, M } } },
	{ "extents of many lengths", H(SIMPLE, 5, 16 * M), 5,
	  { EXT(0, 0, M), EXT(1, 0, 2 * M), EXT(2, 0, 4 * M),
	    EXT(3, 0, M), EXT(4, 0, 8 * M) },
	  { { 0, 0, 0, M }, { M, 1, 0, 2 * M },
	    { 3 * M - 1, 1, 2 * M - 1, 1 }, { 3 * M, 2, 0, 4 * M },
	    { 7 * M, 3, 0, M }, { 8 * M, 4, 0, 8 * M },
	    { 16 * M - 1, 4, 8 * M - 1, 1 } } },
	{ "shorter extents in the middle", H(SIMPLE, 4, 10 * M), 4,
	  { EXT(0, 0, 4 * M), EXT(1, 0, M), EXT(2, 0, M), EXT(3, 0, 4 * M) },
	  { { 4 * M, 1, 0, M }, { 5 * M, 2, 0, M },
	    { 6 * M, 3, 0, 4 * M }, { 10 * M - 1, 3, 4 * M - 1, 1 } } },
	{ "shorter extents at the end", H(SIMPLE, 4, 16 * M), 4,
	  { EXT(0, 0, 13 * M), EXT(1, 0, M), EXT(2, 0, M), EXT(3, 0, M) },
	  { { 13 * M - 1, 0, 13 * M - 1, 1 }, { 13 * M, 1, 0, M },
	    { 14 * M, 2, 0, M }, { 15 * M, 3, 0, M },
	    { 16 * M - 1, 3, M - 1, 1 } } },
	/* the example in Documentation/filesystems/famfs.rst */
	{ "four strips of 2 MiB chunks", H(INTER, 1, 24 * M), 5,
	  { IEXT(4, 2 * M, 24 * M), EXT(0, 0, 6 * M), EXT(1, 0, 6 * M),
	    EXT(2, 0, 6 * M), EXT(3, 0, 6 * M) },
	  { { 0, 0, 0, 2 * M }, { 4 * M, 2, 0, 2 * M },
	    { 15 * M, 3, 3 * M, M }, { 8 * M, 0, 2 * M, 2 * M },
	    { 24 * M - 1, 3, 6 * M - 1, 1 } } },
	{ "three strips", H(INTER, 1, 10 * M), 4,
	  { IEXT(3, M, 10 * M), EXT(0, 8 * M, 4 * M), EXT(1, 0, 3 * M),
	    EXT(2, 0, 3 * M) },
	  { { M, 1, 0, M }, { 2 * M, 2, 0, M }, { 3 * M, 0, 9 * M, M },
	    { 8 * M + 5, 2, 2 * M + 5, M - 5 }, { 9 * M, 0, 11 * M, M } } },
	{ "one strip", H(INTER, 1, 5 * M), 2,
	  { IEXT(1, M, 5 * M), EXT(1, M, 8 * M) },
	  { { 0, 1, M, 5 * M }, { 5 * M - 1, 1, 6 * M - 1, 1 } } },
	{ "strips of one device, falling", H(INTER, 1, 4 * M), 3,
	  { IEXT(2, M, 4 * M), EXT(0, 2 * M, 2 * M), EXT(0, 0, 2 * M) },
	  { { 0, 0, 2 * M, M }, { M, 0, 0, M }, { 2 * M, 0, 3 * M, M },
	    { 3 * M, 0, M, M } } },
	{ "chunks of 3 MiB", H(INTER, 1, 12 * M), 3,
	  { IEXT(2, 3 * M, 12 * M), EXT(0, 0, 6 * M), EXT(1, 0, 6 * M) },
	  { { 0, 0, 0, 3 * M }, { 3 * M, 1, 0, 3 * M },
	    { 7 * M, 0, 4 * M, 2 * M }, { 9 * M - 1, 0, 6 * M - 1, 1 },
	    { 9 * M, 1, 3 * M, 3 * M } } },
	/* a range ends with a page, and not with its chunk */
	{ "interleaved, ends within a page", H(INTER, 1, M + 1), 3,
	  { IEXT(2, M, M + 1), EXT(0, 0, M), EXT(1, 0, M) },
	  { { M - 1, 0, M - 1, 1 }, { M, 1, 0, P } } },
	{ "two interleaved extents", H(INTER, 2, 6 * M), 6,
	  { IEXT(2, M, 4 * M), EXT(0, 0, 2 * M), EXT(1, 0, 2 * M),
	    IEXT(2, M, 2 * M), EXT(2, 0, M), EXT(3, 0, M) },
	  { { 3 * M, 1, M, M }, { 4 * M, 2, 0, M }, { 5 * M, 3, 0, M } } },
	{ "interleaved extents of one strip and two", H(INTER, 2, 3 * M), 5,
	  { IEXT(1, P, M), EXT(0, 0, M), IEXT(2, M, 2 * M), EXT(0, 4 * M, M),
	    EXT(0, 2 * M, M) },
	  { { 0, 0, 0, M }, { M, 0, 4 * M, M }, { 2 * M, 0, 2 * M, M } } },
};

KUNIT_ARRAY_PARAM_DESC(vectors, all_vectors, name);

static struct famfs_map *vectors_map(struct kunit *test)
{
	const struct vectors *v = test->param_value;

	return parse_items(test, &v->h, v->nitems, v->items);
}

static u32 range_dev(const struct famfs_range *r)
{
	return (unsigned long)r->dev;
}

/* The part of the range that starts at @off. */
static bool resolve_rest(const struct famfs_map *map, u64 off,
			 struct famfs_range *r)
{
	if (!famfs_map_resolve(map, off, r) || off < r->pos ||
	    off - r->pos >= r->len)
		return false;
	r->off += off - r->pos;
	r->len -= off - r->pos;
	r->pos = off;
	return true;
}

/* Offset to device. */
static void famfs_map_resolve_test(struct kunit *test)
{
	const struct vectors *v = test->param_value;
	struct famfs_map *map = vectors_map(test);
	const struct vector *vec;
	struct famfs_range r;

	for (vec = v->v; vec->len; vec++) {
		KUNIT_EXPECT_TRUE(test, resolve_rest(map, vec->off, &r));
		KUNIT_EXPECT_EQ(test, range_dev(&r), vec->dev);
		KUNIT_EXPECT_EQ(test, r.off, vec->dev_off);
		KUNIT_EXPECT_EQ(test, r.len, vec->len);
	}
	KUNIT_EXPECT_FALSE(test, famfs_map_resolve(map, map->size, &r));
	KUNIT_EXPECT_FALSE(test, famfs_map_resolve(map, U64_MAX, &r));
}

static const struct famfs_claim *claim_of(const struct famfs_map *map, u32 dev)
{
	const struct famfs_claim *claim;

	famfs_map_for_each_claim(map, claim)
		if (claim->devindex == dev)
			return claim;
	return NULL;
}

/* Does the page at @off of the file lead to a device, and from there back? */
static bool there_and_back(const struct famfs_map *map, u64 off)
{
	const struct famfs_claim *claim;
	struct famfs_range r, back;
	unsigned long page;

	if (!resolve_rest(map, off, &r))
		return false;
	claim = claim_of(map, range_dev(&r));
	page = r.off >> PAGE_SHIFT;
	return claim && famfs_claim_find(claim, page, page, &back) &&
	       back.dev == r.dev && back.off == r.off && back.pos == off &&
	       back.len == PAGE_SIZE;
}

/* Device to offset: every page of the file, there and back. */
static void famfs_claim_find_test(struct kunit *test)
{
	struct famfs_map *map = vectors_map(test);
	u64 off;

	for (off = 0; off < map->size; off += PAGE_SIZE)
		if (!there_and_back(map, off))
			KUNIT_FAIL_AND_ABORT(test, "page %llu", off >> PAGE_SHIFT);
}

/*
 * Everything on a device, from low to high: each range leads back to where it
 * comes from, and together they are as long as the file.
 */
static void famfs_claim_find_all_test(struct kunit *test)
{
	struct famfs_map *map = vectors_map(test);
	struct famfs_claim *claim;
	struct famfs_range r, back;
	u64 sum = 0;

	famfs_map_for_each_claim(map, claim) {
		unsigned long first = 0;

		while (famfs_claim_find(claim, first, ULONG_MAX, &r)) {
			KUNIT_ASSERT_GE(test, r.off >> PAGE_SHIFT, first);
			KUNIT_ASSERT_TRUE(test, resolve_rest(map, r.pos, &back));
			KUNIT_ASSERT_PTR_EQ(test, back.dev, r.dev);
			KUNIT_ASSERT_EQ(test, back.off, r.off);
			KUNIT_ASSERT_GE(test, back.len, r.len);
			first = (r.off + r.len) >> PAGE_SHIFT;
			sum += r.len;
		}
	}
	KUNIT_EXPECT_EQ(test, sum, round_up(map->size, PAGE_SIZE));
}

/* the file covers two of the four pages */
static const struct vectors longer = {
	.h = H(SIMPLE, 1, P + 1), .nitems = 1, .items = { EXT(0, P, 4 * P) },
};

/* the file ends in the first extent, the second is above it on the device */
static const struct vectors after_end = {
	.h = H(SIMPLE, 3, P), .nitems = 3,
	.items = { EXT(0, 8 * P, P), EXT(0, 0, P), EXT(0, 2 * P, 2 * P) },
};

/* the extent covers three pages, the file one of them */
static const struct vectors inter = {
	.h = H(INTER, 1, P), .nitems = 3,
	.items = { IEXT(2, P, 3 * P), EXT(0, 0, 4 * P), EXT(1, 0, 4 * P) },
};

/* the end of the first extent is not the end of the file */
static const struct vectors two = {
	.h = H(INTER, 2, 2 * P), .nitems = 4,
	.items = { IEXT(1, P, P), EXT(0, 0, 4 * P), IEXT(1, P, P), EXT(1, 0, P) },
};

/* chunks of two pages of a file of seven */
static const struct vectors chunks = {
	.h = H(INTER, 1, 7 * P), .nitems = 3,
	.items = { IEXT(2, 2 * P, 7 * P), EXT(0, 8 * P, 8 * P),
		   EXT(0, 16 * P, 8 * P) },
};

/* more rows than 64 bits can count the bytes of */
static const struct vectors long_strips = {
	.h = H(INTER, 1, 2 * P), .nitems = 3,
	.items = { IEXT(2, P, 2 * P), EXT(0, P, 1ULL << 63),
		   EXT(1, 0, (1ULL << 63) + P) },
};

#undef EXT
#undef IEXT

/**
 * struct find_case - pages of a device and what is in them
 * @name: what is special
 * @v: the map
 * @dev: index of the device
 * @first: first page
 * @last: last page
 * @pos: first page of the file that is in them
 * @off: where it is, in pages
 * @len: how many pages; 0 if there is none
 */
struct find_case {
	const char *name;
	const struct vectors *v;
	u32 dev;
	unsigned long first;
	unsigned long last;
	u64 pos;
	u64 off;
	u64 len;
};

static const struct find_case find_cases[] = {
	{ "before the extent", &longer, 0, 0, 0 },
	{ "first page", &longer, 0, 1, 1, 0, 1, 1 },
	{ "all pages", &longer, 0, 0, ULONG_MAX, 0, 1, 2 },
	{ "last page with a byte", &longer, 0, 2, 4, 1, 2, 1 },
	{ "first page without a byte", &longer, 0, 3, 3 },
	{ "pages without a byte", &longer, 0, 3, ULONG_MAX },
	{ "after the extent", &longer, 0, 5, 6 },
	{ "last before first", &longer, 0, 2, 1 },
	{ "the last page there can be", &longer, 0, ULONG_MAX, ULONG_MAX },
	{ "extents after the end of the file", &after_end, 0, 0, 9, 0, 8, 1 },
	{ "only extents after the end", &after_end, 0, 0, 7 },
	{ "between two extents", &after_end, 0, 1, 1 },
	{ "strip longer than the file", &inter, 0, 0, 3, 0, 0, 1 },
	{ "second page of the strip", &inter, 0, 1, 3 },
	{ "strip without a byte", &inter, 1, 0, 3 },
	{ "strip longer than the extent", &two, 0, 0, 3, 0, 0, 1 },
	{ "strip beyond the extent", &two, 0, 1, 3 },
	{ "strip of the second extent", &two, 1, 0, 3, 1, 0, 1 },
	{ "a chunk", &chunks, 0, 0, ULONG_MAX, 0, 8, 2 },
	{ "half a chunk", &chunks, 0, 9, 20, 1, 9, 1 },
	{ "the other half", &chunks, 0, 0, 8, 0, 8, 1 },
	{ "second chunk", &chunks, 0, 10, 20, 4, 10, 2 },
	{ "chunk of the next strip", &chunks, 0, 12, 20, 2, 16, 2 },
	{ "chunk that the file ends in", &chunks, 0, 18, 20, 6, 18, 1 },
	{ "row that the extent does not have", &chunks, 0, 20, 23 },
	{ "first row of many", &long_strips, 0, 0, 5, 0, 1, 1 },
	{ "second row of many", &long_strips, 0, 2, ULONG_MAX },
	{ "a row whose offset into the file overflows", &long_strips, 1,
	  1UL << (63 - PAGE_SHIFT), ULONG_MAX },
};

KUNIT_ARRAY_PARAM_DESC(find, find_cases, name);

static void famfs_claim_find_part_test(struct kunit *test)
{
	const struct find_case *c = test->param_value;
	struct famfs_map *map = parse_items(test, &c->v->h, c->v->nitems,
					    c->v->items);
	const struct famfs_claim *claim = claim_of(map, c->dev);
	struct famfs_range r;

	KUNIT_ASSERT_NOT_NULL(test, claim);
	KUNIT_ASSERT_EQ(test, famfs_claim_find(claim, c->first, c->last, &r),
			!!c->len);
	if (!c->len)
		return;
	KUNIT_EXPECT_EQ(test, range_dev(&r), c->dev);
	KUNIT_EXPECT_EQ(test, r.pos, c->pos * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, r.off, c->off * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, r.len, c->len * PAGE_SIZE);
}

/* The bounds of a claim are in the order of the device, not of the file. */
static void famfs_claim_bounds_test(struct kunit *test)
{
	static const struct famfs_case_item items[] = {
		{ 63, 0, 7 * P, P }, { 2, 0, 40 * P, 2 * P }, { 63, 0, P, 2 * P },
		{ 2, 0, 0, 3 * P },
	};
	static const struct fuse_famfs_fmap_header h = H(SIMPLE, 4, P);
	struct famfs_map *map = parse_items(test, &h, ARRAY_SIZE(items), items);
	const struct famfs_claim *claim = famfs_map_claims(map);

	KUNIT_ASSERT_EQ(test, map->nclaims, 2);
	KUNIT_EXPECT_PTR_EQ(test, claim->map, map);
	KUNIT_EXPECT_EQ(test, claim->devindex, 2);
	KUNIT_EXPECT_EQ(test, claim->node.start, 0);
	KUNIT_EXPECT_EQ(test, claim->node.last, 41);
	claim++;
	KUNIT_EXPECT_PTR_EQ(test, claim->map, map);
	KUNIT_EXPECT_EQ(test, claim->devindex, 63);
	KUNIT_EXPECT_EQ(test, claim->node.start, 1);
	KUNIT_EXPECT_EQ(test, claim->node.last, 7);
}

/**
 * struct overlap_case - what two maps use of a device, in pages
 * @name: what is special
 * @a: first page and number of pages of each extent of one map
 * @b: the same of the other map
 * @overlap: do they have a page in common?
 */
struct overlap_case {
	const char *name;
	u32 a[8][2];
	u32 b[8][2];
	bool overlap;
};

static const struct overlap_case overlap_cases[] = {
	{ "the same page", { { 0, 1 } }, { { 0, 1 } }, true },
	{ "below", { { 0, 4 } }, { { 4, 1 } }, false },
	{ "above", { { 4, 4 } }, { { 2, 2 } }, false },
	{ "first page in common", { { 4, 4 } }, { { 2, 3 } }, true },
	{ "last page in common", { { 4, 4 } }, { { 7, 3 } }, true },
	{ "within", { { 4, 4 } }, { { 5, 1 } }, true },
	{ "around", { { 4, 1 } }, { { 0, 9 } }, true },
	{ "in a hole", { { 0, 2 }, { 4, 2 } }, { { 2, 2 } }, false },
	{ "in a hole and a page more", { { 0, 2 }, { 4, 2 } }, { { 2, 3 } },
	  true },
	{ "alternating", { { 0, 1 }, { 2, 1 }, { 4, 1 }, { 6, 1 } },
	  { { 1, 1 }, { 3, 1 }, { 5, 1 }, { 7, 1 } }, false },
	{ "alternating, in falling order",
	  { { 6, 1 }, { 4, 1 }, { 2, 1 }, { 0, 1 } },
	  { { 7, 1 }, { 5, 1 }, { 3, 1 }, { 1, 1 } }, false },
	{ "alternating, last page in common",
	  { { 0, 1 }, { 2, 1 }, { 4, 1 }, { 6, 1 } },
	  { { 1, 1 }, { 3, 1 }, { 5, 1 }, { 6, 2 } }, true },
	{ "one in the middle of many", { { 3, 1 }, { 30, 1 } },
	  { { 1, 2 }, { 4, 1 }, { 6, 1 }, { 8, 1 }, { 10, 1 }, { 12, 1 },
	    { 14, 1 }, { 29, 2 } }, true },
	{ "none in the middle of many", { { 3, 1 }, { 30, 1 } },
	  { { 1, 2 }, { 4, 1 }, { 6, 1 }, { 8, 1 }, { 10, 1 }, { 12, 1 },
	    { 14, 1 }, { 29, 1 } }, false },
};

KUNIT_ARRAY_PARAM_DESC(overlap, overlap_cases, name);

static const struct famfs_claim *overlap_claim(struct kunit *test,
					       const u32 (*ext)[2])
{
	struct fuse_famfs_fmap_header h = H(SIMPLE, 0, PAGE_SIZE);
	struct famfs_case_item items[8] = {};
	u32 i;

	for (i = 0; i < 8 && ext[i][1]; i++) {
		items[i].c = ext[i][0] * PAGE_SIZE;
		items[i].d = ext[i][1] * PAGE_SIZE;
	}
	h.nextents = i;
	return famfs_map_claims(parse_items(test, &h, i, items));
}

static void famfs_claim_overlaps_test(struct kunit *test)
{
	const struct overlap_case *c = test->param_value;
	const struct famfs_claim *a = overlap_claim(test, c->a);
	const struct famfs_claim *b = overlap_claim(test, c->b);

	KUNIT_EXPECT_EQ(test, famfs_claim_overlaps(a, b), c->overlap);
	KUNIT_EXPECT_EQ(test, famfs_claim_overlaps(b, a), c->overlap);
}

/**
 * struct long_case - a map of many extents
 * @name: what is special
 * @n: number of items
 * @falling: the extents go from high to low, so that there is something to sort
 * @lens: length in pages of the extents, in turn
 * @nlens: number of different lengths; 0: it is one interleaved extent
 * @bytes: memory for each item, at most, rounded up
 */
struct long_case {
	const char *name;
	u32 n;
	bool falling;
	u32 lens[4];
	u32 nlens;
	u32 bytes;
};

/* Only two are really long: with KASAN, and without KVM, they take a while. */
static const struct long_case long_cases[] = {
	{ "65535, even", 65535, false, { 512 }, 1, 13 },
	{ "65536, even, falling", 65536, true, { 1 }, 1, 13 },
	{ "65537, of one length", 65537, false, { 3 }, 1, 29 },
	{ "65538, uneven, falling", 65538, true, { 1, 5, 2, 999 }, 4, 29 },
	{ "65537, interleaved, falling", 65537, true, {}, 0, 21 },
	{ "524288, even", 524288, false, { 512 }, 1, 13 },
	{ "maximum, uneven", MAX_ITEMS, false, { 7, 1 }, 2, 29 },
};

KUNIT_ARRAY_PARAM_DESC(long, long_cases, name);

#define LONG_DEVS 3

/* Where extent number @i is, in units of the room for one. */
static u64 long_place(const struct long_case *c, u32 i)
{
	return c->falling ? c->n - i : i;
}

static void fill_simple(const struct long_case *c,
			struct fuse_famfs_fmap_header *h,
			struct famfs_case_item *items)
{
	u32 i;

	h->nextents = c->n;
	for (i = 0; i < c->n; i++) {
		items[i].a = i % LONG_DEVS;
		items[i].c = long_place(c, i) * 1000 * PAGE_SIZE;
		items[i].d = c->lens[i % c->nlens] * PAGE_SIZE;
		h->file_size += items[i].d;
	}
}

/* Two chunks of each strip. */
static void fill_interleave(const struct long_case *c,
			    struct fuse_famfs_fmap_header *h,
			    struct famfs_case_item *items)
{
	u32 i;

	h->ext_type = FUSE_FAMFS_EXT_INTERLEAVE;
	h->nextents = 1;
	h->file_size = (c->n - 1) * 2 * PAGE_SIZE;
	items[0].a = c->n - 1;
	items[0].b = PAGE_SIZE;
	items[0].c = h->file_size;
	for (i = 1; i < c->n; i++) {
		items[i].a = i % LONG_DEVS;
		items[i].c = long_place(c, i) * 2 * PAGE_SIZE;
		items[i].d = 2 * PAGE_SIZE;
	}
}

/**
 * struct aligned_case - a map, and whether it consists of units of 16 pages
 * @name: what is special
 * @h: header
 * @nitems: number of items
 * @items: the items; offsets and lengths are in pages
 * @aligned: the result
 */
struct aligned_case {
	const char *name;
	struct fuse_famfs_fmap_header h;
	u32 nitems;
	struct famfs_case_item items[4];
	bool aligned;
};

#define UNIT 16
static const struct aligned_case aligned_cases[] = {
	{ "one extent", H(SIMPLE, 1, 1), 1, { { 0, 0, 32, 32 } }, true },
	{ "two", H(SIMPLE, 2, 1), 2,
	  { { 0, 0, 32, 16 }, { 0, 0, 0, 16 } }, true },
	{ "uneven", H(SIMPLE, 3, 1), 3,
	  { { 0, 0, 64, 16 }, { 1, 0, 0, 32 }, { 0, 0, 16, 16 } }, true },
	{ "interleaved", H(INTER, 1, 1), 3,
	  { { 2, 16, 64 }, { 0, 0, 16, 32 }, { 1, 0, 0, 32 } }, true },
	{ "place", H(SIMPLE, 1, 1), 1, { { 0, 0, 8, 32 } } },
	{ "end", H(SIMPLE, 1, 1), 1, { { 0, 0, 32, 33 } } },
	{ "length of even extents", H(SIMPLE, 2, 1), 2,
	  { { 0, 0, 32, 8 }, { 0, 0, 0, 8 } } },
	{ "place of the second extent", H(SIMPLE, 2, 1), 2,
	  { { 0, 0, 32, 16 }, { 0, 0, 1, 16 } } },
	{ "length of the first extent", H(SIMPLE, 3, 1), 3,
	  { { 0, 0, 64, 8 }, { 1, 0, 0, 32 }, { 0, 0, 16, 24 } } },
	{ "chunk", H(INTER, 1, 1), 3,
	  { { 2, 8, 64 }, { 0, 0, 16, 32 }, { 1, 0, 0, 32 } } },
	{ "strip", H(INTER, 1, 1), 3,
	  { { 2, 16, 64 }, { 0, 0, 16, 32 }, { 1, 0, 24, 32 } } },
	{ "bytes of an interleaved extent", H(INTER, 1, 1), 3,
	  { { 2, 16, 60 }, { 0, 0, 16, 32 }, { 1, 0, 0, 32 } } },
};

static void aligned_desc(const struct aligned_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(aligned, aligned_cases, aligned_desc);

static void famfs_map_aligned_test(struct kunit *test)
{
	const struct aligned_case *c = test->param_value;
	struct famfs_case_item items[4];
	struct famfs_map *map;
	u32 i;

	memcpy(items, c->items, sizeof(items));
	for (i = 0; i < c->nitems; i++) {
		if (!i && c->h.ext_type == FUSE_FAMFS_EXT_INTERLEAVE)
			items[i].b *= PAGE_SIZE;
		items[i].c *= PAGE_SIZE;
		items[i].d *= PAGE_SIZE;
	}
	map = parse_items(test, &c->h, c->nitems, items);
	KUNIT_EXPECT_EQ(test, c->aligned,
			famfs_map_aligned(map, UNIT * PAGE_SIZE));
	KUNIT_EXPECT_TRUE(test, famfs_map_aligned(map, PAGE_SIZE));
}

/* Is range number @i of the file where it has to be? */
static bool long_range_right(const struct long_case *c,
			     const struct famfs_case_item *items, u32 i,
			     const struct famfs_range *r)
{
	const struct famfs_case_item *item = &items[i];
	u64 row = 0;

	if (!c->nlens) {
		item = &items[1 + i % (c->n - 1)];
		row = i / (c->n - 1);
	}
	return range_dev(r) == item->a && r->off == item->c + row * PAGE_SIZE;
}

/* Counts of more than 16 bits: everything is found, both ways. */
static void famfs_map_long_test(struct kunit *test)
{
	const struct long_case *c = test->param_value;
	size_t len = HEADER_SIZE + c->n * ITEM_SIZE;
	struct fuse_famfs_fmap_header *h = alloc_buf(test, len);
	struct famfs_case_item *items = (void *)(h + 1);
	struct famfs_map *map;
	struct famfs_range r;
	u64 off;
	u32 i;

	h->fmap_version = FAMFS_FMAP_VERSION;
	h->fmap_size = len;
	if (c->nlens)
		fill_simple(c, h, items);
	else
		fill_interleave(c, h, items);
	map = parse_buf(test, h, len);
	KUNIT_EXPECT_EQ(test, map->nclaims, LONG_DEVS);
	KUNIT_EXPECT_LE(test, famfs_map_bytes(map), c->n * c->bytes);

	for (off = 0, i = 0; off < map->size; off += r.len, i++) {
		if (!famfs_map_resolve(map, off, &r) || r.pos != off ||
		    !long_range_right(c, items, i, &r))
			KUNIT_FAIL_AND_ABORT(test, "range %u", i);
		if (i % 64 == 0 && !there_and_back(map, off + r.len - PAGE_SIZE))
			KUNIT_FAIL_AND_ABORT(test, "end of range %u", i);
	}
	KUNIT_EXPECT_EQ(test, i, c->nlens ? c->n : 2 * (c->n - 1));
}

/*
 * Many strips, as long as they can be. With this number of strips, a reciprocal
 * of 64 bits is not exact enough for the last rows.
 */
static void famfs_map_last_rows_test(struct kunit *test)
{
	const u32 n = 40015;
	const u64 rows = (1ULL << (63 - PAGE_SHIFT)) / n;
	size_t len = HEADER_SIZE + (n + 1) * ITEM_SIZE;
	struct fuse_famfs_fmap_header *h = alloc_buf(test, len);
	struct famfs_case_item *items = (void *)(h + 1);
	struct famfs_map *map;
	struct famfs_range r;
	u64 chunk;
	u32 i;

	*h = (struct fuse_famfs_fmap_header)H(INTER, 1, rows * n * PAGE_SIZE);
	items[0] = (struct famfs_case_item){ n, PAGE_SIZE, h->file_size, 0 };
	for (i = 0; i < n; i++)
		items[1 + i] = (struct famfs_case_item){
			0, 0, i * rows * PAGE_SIZE, rows * PAGE_SIZE
		};
	map = parse_buf(test, h, len);
	/* the last row, and the last chunk of the row before it */
	for (chunk = rows * n - n - 1; chunk < rows * n; chunk++) {
		u64 row = div64_u64(chunk, n);
		u64 strip = chunk - row * n;

		if (!famfs_map_resolve(map, chunk * PAGE_SIZE, &r) ||
		    r.pos != chunk * PAGE_SIZE || r.len != PAGE_SIZE ||
		    r.off != (strip * rows + row) * PAGE_SIZE)
			KUNIT_FAIL_AND_ABORT(test, "strip %llu", strip);
	}
}

/* A byte or an item more than the longest reply. */
static void famfs_map_too_long_test(struct kunit *test)
{
	size_t len = HEADER_SIZE + (MAX_ITEMS + 1) * ITEM_SIZE;
	struct fuse_famfs_fmap_header *h = alloc_buf(test, len);
	static const struct long_case c = {
		.n = MAX_ITEMS + 1, .lens = { 1 }, .nlens = 1,
	};

	KUNIT_ASSERT_GT(test, len, FAMFS_FMAP_MAX);
	h->fmap_version = FAMFS_FMAP_VERSION;
	fill_simple(&c, h, (void *)(h + 1));
	KUNIT_EXPECT_EQ(test, -E2BIG, parse_error(h, len, FAMFS_MAP_MAX_DEVS));
	KUNIT_EXPECT_EQ(test, -E2BIG, parse_error(h, FAMFS_FMAP_MAX + 1,
						  FAMFS_MAP_MAX_DEVS));
}

/* With one extent, which is what most files have: kmalloc-128. */
static void famfs_map_small_test(struct kunit *test)
{
	struct famfs_map *map = parse_items(test, &longer.h, longer.nitems,
					    longer.items);

	KUNIT_EXPECT_EQ(test, map->nextents, 1);
	KUNIT_EXPECT_LE(test, famfs_map_bytes(map), 128);
}

#define EXPECT_MEMBER(test, type, member, offset, size) do {		\
	KUNIT_EXPECT_EQ(test, offsetof(type, member), offset);		\
	KUNIT_EXPECT_EQ(test, sizeof_field(type, member), size);	\
} while (0)

/* What the structures in include/uapi/linux/fuse.h look like on the wire. */
static void famfs_abi_test(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, FUSE_GET_FMAP, 54);
	KUNIT_EXPECT_EQ(test, FUSE_GET_DAXDEV, 55);
	KUNIT_EXPECT_EQ(test, FUSE_DAX_FMAP, 1ULL << 62);
	KUNIT_EXPECT_EQ(test, FAMFS_FMAP_VERSION, 1);
	KUNIT_EXPECT_EQ(test, FAMFS_FMAP_MAX, 16 << 20);
	KUNIT_EXPECT_EQ(test, FUSE_FAMFS_FILE_REG, 0);
	KUNIT_EXPECT_EQ(test, FUSE_FAMFS_FILE_SUPERBLOCK, 1);
	KUNIT_EXPECT_EQ(test, FUSE_FAMFS_FILE_LOG, 2);
	KUNIT_EXPECT_EQ(test, FUSE_FAMFS_EXT_SIMPLE, 0);
	KUNIT_EXPECT_EQ(test, FUSE_FAMFS_EXT_INTERLEAVE, 1);
}

static void famfs_abi_layout_test(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, sizeof(struct fuse_famfs_fmap_header), 32);
	EXPECT_MEMBER(test, struct fuse_famfs_fmap_header, file_type, 0, 1);
	EXPECT_MEMBER(test, struct fuse_famfs_fmap_header, reserved, 1, 1);
	EXPECT_MEMBER(test, struct fuse_famfs_fmap_header, fmap_version, 2, 2);
	EXPECT_MEMBER(test, struct fuse_famfs_fmap_header, ext_type, 4, 4);
	EXPECT_MEMBER(test, struct fuse_famfs_fmap_header, nextents, 8, 4);
	EXPECT_MEMBER(test, struct fuse_famfs_fmap_header, fmap_size, 12, 4);
	EXPECT_MEMBER(test, struct fuse_famfs_fmap_header, file_size, 16, 8);
	EXPECT_MEMBER(test, struct fuse_famfs_fmap_header, reserved1, 24, 8);

	KUNIT_EXPECT_EQ(test, sizeof(struct fuse_famfs_simple_ext), 24);
	EXPECT_MEMBER(test, struct fuse_famfs_simple_ext, se_devindex, 0, 4);
	EXPECT_MEMBER(test, struct fuse_famfs_simple_ext, reserved, 4, 4);
	EXPECT_MEMBER(test, struct fuse_famfs_simple_ext, se_offset, 8, 8);
	EXPECT_MEMBER(test, struct fuse_famfs_simple_ext, se_len, 16, 8);

	KUNIT_EXPECT_EQ(test, sizeof(struct fuse_famfs_iext), 24);
	EXPECT_MEMBER(test, struct fuse_famfs_iext, ie_nstrips, 0, 4);
	EXPECT_MEMBER(test, struct fuse_famfs_iext, ie_chunk_size, 4, 4);
	EXPECT_MEMBER(test, struct fuse_famfs_iext, ie_nbytes, 8, 8);
	EXPECT_MEMBER(test, struct fuse_famfs_iext, reserved, 16, 8);

	KUNIT_EXPECT_EQ(test, sizeof(struct fuse_daxdev_out), 280);
	EXPECT_MEMBER(test, struct fuse_daxdev_out, index, 0, 2);
	EXPECT_MEMBER(test, struct fuse_daxdev_out, name, 24, 256);
}

static struct kunit_case famfs_map_test_cases[] = {
	KUNIT_CASE_PARAM(famfs_map_parse_test, case_gen_params),
	KUNIT_CASE(famfs_map_devs_test),
	KUNIT_CASE_PARAM(famfs_map_announced_test, announce_gen_params),
	KUNIT_CASE_PARAM(famfs_map_resolve_test, vectors_gen_params),
	KUNIT_CASE_PARAM(famfs_claim_find_test, vectors_gen_params),
	KUNIT_CASE_PARAM(famfs_claim_find_all_test, vectors_gen_params),
	KUNIT_CASE_PARAM(famfs_claim_find_part_test, find_gen_params),
	KUNIT_CASE(famfs_claim_bounds_test),
	KUNIT_CASE_PARAM(famfs_claim_overlaps_test, overlap_gen_params),
	KUNIT_CASE_PARAM_ATTR(famfs_map_long_test, long_gen_params,
			      { .speed = KUNIT_SPEED_SLOW }),
	KUNIT_CASE_PARAM(famfs_map_aligned_test, aligned_gen_params),
	KUNIT_CASE(famfs_map_last_rows_test),
	KUNIT_CASE(famfs_map_too_long_test),
	KUNIT_CASE(famfs_map_small_test),
	KUNIT_CASE(famfs_abi_test),
	KUNIT_CASE(famfs_abi_layout_test),
	{}
};

static struct kunit_suite famfs_map_test_suite = {
	.name = "famfs_map",
	.test_cases = famfs_map_test_cases,
};

kunit_test_suite(famfs_map_test_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_DESCRIPTION("KUnit tests of famfs maps");
MODULE_LICENSE("GPL");
