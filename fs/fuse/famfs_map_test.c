// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of famfs_map.c: what is a map, and where does it lead
 *
 * Included by famfs_map.c, so that nothing has to be exported for it.
 */
#include <kunit/test.h>

#define CASE_PAGE PAGE_SIZE
#include "famfs_map_cases.h"

#define TEST_DEVS 64

static void famfs_case_desc(const struct famfs_case *c, char *desc)
{
	strscpy(desc, c->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(famfs_case, famfs_cases, famfs_case_desc);

static void famfs_map_parse_test(struct kunit *test)
{
	const struct famfs_case *c = test->param_value;
	/* exactly as long as the reply, so that KASAN sees a read beyond it */
	u8 *tmp = kunit_kzalloc(test, 512, GFP_KERNEL);
	size_t len = famfs_case_build(c, tmp);
	u8 *buf = kunit_kzalloc(test, len ?: 1, GFP_KERNEL);
	struct famfs_map *map;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memcpy(buf, tmp, len);
	map = famfs_map_parse(buf, len, TEST_DEVS);
	if (c->err && !c->needs_dev) {
		KUNIT_EXPECT_EQ(test, PTR_ERR(map), -c->err);
		return;
	}
	KUNIT_ASSERT_FALSE(test, IS_ERR(map));
	KUNIT_EXPECT_EQ(test, map->size, c->h.file_size);
	famfs_map_free(map);
}

/**
 * struct famfs_vector - an offset into a file and where it lies
 * @off: offset into the file
 * @dev: index of the device
 * @dev_off: offset into the device
 * @len: bytes that follow contiguously
 */
struct famfs_vector {
	u64 off;
	u32 dev;
	u64 dev_off;
	u64 len;
};

/**
 * struct famfs_vectors - a map and some vectors
 * @name: what is special
 * @h: the header
 * @nitems: items that follow
 * @items: the items
 * @v: vectors, up to the first one of length 0
 */
struct famfs_vectors {
	const char *name;
	struct fuse_famfs_fmap_header h;
	u32 nitems;
	struct famfs_case_item items[CASE_MAX_ITEMS];
	struct famfs_vector v[10];
};

#define MIB (1ULL << 20)
#define EXT(dev, off, len) { dev, 0, off, len }
#define IEXT(n, chunk, bytes) { n, chunk, bytes, 0 }

static const struct famfs_vectors famfs_vectors[] = {
	{ "one extent", H(SIMPLE, 1, 8 * MIB), 1, { EXT(3, 16 * MIB, 8 * MIB) },
	  { { 0, 3, 16 * MIB, 8 * MIB }, { 1, 3, 16 * MIB + 1, 8 * MIB - 1 },
	    { 8 * MIB - 1, 3, 24 * MIB - 1, 1 } } },
	{ "extents of one length", H(SIMPLE, 4, 8 * MIB), 4,
	  { EXT(0, 8 * MIB, 2 * MIB), EXT(1, 0, 2 * MIB),
	    EXT(0, 2 * MIB, 2 * MIB), EXT(2, 64 * MIB, 2 * MIB) },
	  { { 0, 0, 8 * MIB, 2 * MIB }, { 2 * MIB - 1, 0, 10 * MIB - 1, 1 },
	    { 2 * MIB, 1, 0, 2 * MIB }, { 3 * MIB, 1, MIB, MIB },
	    { 4 * MIB, 0, 2 * MIB, 2 * MIB }, { 6 * MIB, 2, 64 * MIB, 2 * MIB },
	    { 8 * MIB - 1, 2, 66 * MIB - 1, 1 } } },
	{ "the last extent is shorter", H(SIMPLE, 3, 7 * MIB), 3,
	  { EXT(0, 0, 3 * MIB), EXT(1, 0, 3 * MIB), EXT(2, 0, MIB) },
	  { { 3 * MIB - 1, 0, 3 * MIB - 1, 1 }, { 3 * MIB, 1, 0, 3 * MIB },
	    { 6 * MIB - 1, 1, 3 * MIB - 1, 1 }, { 6 * MIB, 2, 0, MIB } } },
	{ "extents of many lengths", H(SIMPLE, 5, 16 * MIB), 5,
	  { EXT(0, 0, MIB), EXT(1, 0, 2 * MIB), EXT(2, 0, 4 * MIB),
	    EXT(3, 0, MIB), EXT(4, 0, 8 * MIB) },
	  { { 0, 0, 0, MIB }, { MIB, 1, 0, 2 * MIB },
	    { 3 * MIB - 1, 1, 2 * MIB - 1, 1 }, { 3 * MIB, 2, 0, 4 * MIB },
	    { 7 * MIB, 3, 0, MIB }, { 8 * MIB, 4, 0, 8 * MIB },
	    { 16 * MIB - 1, 4, 8 * MIB - 1, 1 } } },
	{ "shorter extents in the middle", H(SIMPLE, 4, 10 * MIB), 4,
	  { EXT(0, 0, 4 * MIB), EXT(1, 0, MIB), EXT(2, 0, MIB),
	    EXT(3, 0, 4 * MIB) },
	  { { 4 * MIB, 1, 0, MIB }, { 5 * MIB, 2, 0, MIB },
	    { 6 * MIB, 3, 0, 4 * MIB }, { 10 * MIB - 1, 3, 4 * MIB - 1, 1 } } },
	/* the example in Documentation/filesystems/famfs.rst */
	{ "four strips of 2 MiB chunks", H(INTER, 1, 24 * MIB), 5,
	  { IEXT(4, 2 * MIB, 24 * MIB), EXT(0, 0, 6 * MIB),
	    EXT(1, 0, 6 * MIB), EXT(2, 0, 6 * MIB), EXT(3, 0, 6 * MIB) },
	  { { 0, 0, 0, 2 * MIB }, { 4 * MIB, 2, 0, 2 * MIB },
	    { 15 * MIB, 3, 3 * MIB, MIB }, { 8 * MIB, 0, 2 * MIB, 2 * MIB },
	    { 24 * MIB - 1, 3, 6 * MIB - 1, 1 } } },
	{ "three strips", H(INTER, 1, 10 * MIB), 4,
	  { IEXT(3, MIB, 10 * MIB), EXT(0, 8 * MIB, 4 * MIB),
	    EXT(1, 0, 3 * MIB), EXT(2, 0, 3 * MIB) },
	  { { MIB, 1, 0, MIB }, { 2 * MIB, 2, 0, MIB },
	    { 3 * MIB, 0, 9 * MIB, MIB }, { 8 * MIB + 5, 2, 2 * MIB + 5,
	      MIB - 5 }, { 9 * MIB, 0, 11 * MIB, MIB } } },
	{ "chunks of 3 MiB", H(INTER, 1, 12 * MIB), 3,
	  { IEXT(2, 3 * MIB, 12 * MIB), EXT(0, 0, 6 * MIB),
	    EXT(1, 0, 6 * MIB) },
	  { { 0, 0, 0, 3 * MIB }, { 3 * MIB, 1, 0, 3 * MIB },
	    { 7 * MIB, 0, 4 * MIB, 2 * MIB }, { 9 * MIB - 1, 0, 6 * MIB - 1, 1 },
	    { 9 * MIB, 1, 3 * MIB, 3 * MIB } } },
	/* a range ends with a page, and not with its chunk */
	{ "interleaved, ends within a page", H(INTER, 1, MIB + 1), 3,
	  { IEXT(2, MIB, MIB + 1), EXT(0, 0, MIB), EXT(1, 0, MIB) },
	  { { MIB - 1, 0, MIB - 1, 1 }, { MIB, 1, 0, PAGE_SIZE } } },
	{ "two interleaved extents", H(INTER, 2, 6 * MIB), 6,
	  { IEXT(2, MIB, 4 * MIB), EXT(0, 0, 2 * MIB), EXT(1, 0, 2 * MIB),
	    IEXT(2, MIB, 2 * MIB), EXT(2, 0, MIB), EXT(3, 0, MIB) },
	  { { 3 * MIB, 1, MIB, MIB }, { 4 * MIB, 2, 0, MIB },
	    { 5 * MIB, 3, 0, MIB } } },
};

static void famfs_vectors_desc(const struct famfs_vectors *v, char *desc)
{
	strscpy(desc, v->name, KUNIT_PARAM_DESC_SIZE);
}

KUNIT_ARRAY_PARAM(famfs_vectors, famfs_vectors, famfs_vectors_desc);

static struct famfs_map *famfs_vectors_map(struct kunit *test,
					   const struct famfs_vectors *v)
{
	size_t len = sizeof(v->h) + v->nitems * sizeof(v->items[0]);
	u8 *buf = kunit_kzalloc(test, len, GFP_KERNEL);
	struct famfs_map *map;

	KUNIT_ASSERT_NOT_NULL(test, buf);
	memcpy(buf, &v->h, sizeof(v->h));
	memcpy(buf + sizeof(v->h), v->items, len - sizeof(v->h));
	map = famfs_map_parse(buf, len, TEST_DEVS);
	KUNIT_ASSERT_FALSE(test, IS_ERR(map));
	return map;
}

/* The part of the range that starts at @off. */
static bool famfs_resolve_rest(struct kunit *test, const struct famfs_map *map,
			       u64 off, struct famfs_range *r)
{
	if (!famfs_map_resolve(map, off, r))
		return false;
	KUNIT_ASSERT_LE(test, r->pos, off);
	KUNIT_ASSERT_LT(test, off - r->pos, r->len);
	r->off += off - r->pos;
	r->len -= off - r->pos;
	return true;
}

/* Offset to device. The devices are still indices here. */
static void famfs_map_resolve_test(struct kunit *test)
{
	const struct famfs_vectors *v = test->param_value;
	struct famfs_map *map = famfs_vectors_map(test, v);
	const struct famfs_vector *vec;
	struct famfs_range r;

	for (vec = v->v; vec->len; vec++) {
		KUNIT_EXPECT_TRUE(test, famfs_resolve_rest(test, map, vec->off,
							&r));
		KUNIT_EXPECT_EQ(test, (unsigned long)r.dev, vec->dev);
		KUNIT_EXPECT_EQ(test, r.off, vec->dev_off);
		KUNIT_EXPECT_EQ(test, r.len, vec->len);
	}
	KUNIT_EXPECT_FALSE(test, famfs_map_resolve(map, map->size, &r));
	KUNIT_EXPECT_FALSE(test, famfs_map_resolve(map, U64_MAX, &r));
	famfs_map_free(map);
}

static struct famfs_strip *famfs_strip_at(struct famfs_map *map, u32 dev,
					  unsigned long page)
{
	struct famfs_strip *strip;

	famfs_map_for_each_strip(map, strip)
		if (strip->devindex == dev && page >= strip->node.start &&
		    page <= strip->node.last)
			return strip;
	return NULL;
}

/* Device to offset: every page of the file, there and back. */
static void famfs_map_locate_test(struct kunit *test)
{
	struct famfs_map *map = famfs_vectors_map(test, test->param_value);
	struct famfs_range r;
	u64 off, back;

	for (off = 0; off < map->size; off += PAGE_SIZE) {
		struct famfs_strip *strip;

		KUNIT_ASSERT_TRUE(test, famfs_resolve_rest(test, map, off, &r));
		strip = famfs_strip_at(map, (unsigned long)r.dev,
				       r.off >> PAGE_SHIFT);
		KUNIT_ASSERT_NOT_NULL(test, strip);
		KUNIT_ASSERT_TRUE(test, famfs_map_locate(map, strip,
					r.off >> PAGE_SHIFT, &back));
		KUNIT_ASSERT_EQ(test, back, off);
	}
	famfs_map_free(map);
}

/* Pages of a strip that no byte of the file is in: memory may fail there. */
static void famfs_map_locate_nothing_test(struct kunit *test)
{
	static const struct famfs_vectors simple = {
		.h = H(SIMPLE, 1, PAGE_SIZE + 1), .nitems = 1,
		.items = { EXT(0, 0, 4 * PAGE_SIZE) },
	};
	/* the extent covers three pages, the file one of them */
	static const struct famfs_vectors inter = {
		.h = H(INTER, 1, PAGE_SIZE), .nitems = 3,
		.items = { IEXT(2, PAGE_SIZE, 3 * PAGE_SIZE),
			   EXT(0, 0, 4 * PAGE_SIZE), EXT(1, 0, 4 * PAGE_SIZE) },
	};
	/* the end of the first extent is not the end of the file */
	static const struct famfs_vectors two = {
		.h = H(INTER, 2, 2 * PAGE_SIZE), .nitems = 4,
		.items = { IEXT(1, PAGE_SIZE, PAGE_SIZE),
			   EXT(0, 0, 4 * PAGE_SIZE),
			   IEXT(1, PAGE_SIZE, PAGE_SIZE),
			   EXT(1, 0, PAGE_SIZE) },
	};
	static const struct {
		const struct famfs_vectors *v;
		u32 strip;
		unsigned long page;
		bool found;
	} pages[] = {
		{ &simple, 0, 1, true }, { &simple, 0, 2, false },
		{ &simple, 0, 3, false }, { &inter, 0, 0, true },
		{ &inter, 0, 1, false }, { &inter, 1, 0, false },
		{ &inter, 1, 1, false }, { &two, 0, 0, true },
		{ &two, 0, 1, false }, { &two, 1, 0, true },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		struct famfs_map *map = famfs_vectors_map(test, pages[i].v);
		u64 off;

		KUNIT_EXPECT_EQ(test, famfs_map_locate(map,
				famfs_map_strips(map) + pages[i].strip,
				pages[i].page, &off), pages[i].found);
		famfs_map_free(map);
	}
}

/* The longest reply there can be: it is taken, and the search finds its way. */
static void famfs_map_longest_test(struct kunit *test)
{
	u32 n = (FAMFS_FMAP_MAX - sizeof(struct fuse_famfs_fmap_header)) /
		ITEM_SIZE;
	size_t len = sizeof(struct fuse_famfs_fmap_header) + n * ITEM_SIZE;
	size_t longer = len + ITEM_SIZE;
	struct fuse_famfs_fmap_header *h;
	struct fuse_famfs_simple_ext *ext;
	struct famfs_map *map;
	struct famfs_range r;
	u64 pos = 0;
	u32 i;

	h = kunit_kzalloc(test, longer, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, h);
	h->fmap_version = FAMFS_FMAP_VERSION;
	h->nextents = n;
	ext = (void *)(h + 1);
	for (i = 0; i < n; i++) {
		/* many behind one guide, and many guides for one */
		ext[i].se_offset = (u64)(n - i) * 1000 * PAGE_SIZE;
		ext[i].se_len = (i % 100 ? 1 + i % 7 : 999) * PAGE_SIZE;
		h->file_size += ext[i].se_len;
	}
	map = famfs_map_parse(h, len, TEST_DEVS);
	KUNIT_ASSERT_FALSE(test, IS_ERR(map));
	for (i = 0; i < n; i++) {
		KUNIT_ASSERT_TRUE(test, famfs_resolve_rest(test, map, pos, &r));
		KUNIT_ASSERT_EQ(test, r.off, ext[i].se_offset);
		KUNIT_ASSERT_EQ(test, r.len, ext[i].se_len);
		pos += r.len;
	}
	famfs_map_free(map);

	KUNIT_EXPECT_EQ(test, PTR_ERR(famfs_map_parse(h, FAMFS_FMAP_MAX + 1,
						      TEST_DEVS)), -EINVAL);
	/* right but for its length */
	ext[n].se_len = PAGE_SIZE;
	h->nextents = n + 1;
	KUNIT_EXPECT_EQ(test, PTR_ERR(famfs_map_parse(h, longer, TEST_DEVS)),
			-EINVAL);
}

/* What the structures in include/uapi/linux/fuse.h look like on the wire. */
static void famfs_abi_test(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, FUSE_GET_FMAP, 54);
	KUNIT_EXPECT_EQ(test, FUSE_GET_DAXDEV, 55);
	KUNIT_EXPECT_EQ(test, FUSE_DAX_FMAP, 1ULL << 43);
	KUNIT_EXPECT_EQ(test, FAMFS_FMAP_MAX, 32768);
	KUNIT_EXPECT_EQ(test, sizeof(struct fuse_famfs_fmap_header), 32);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_famfs_fmap_header,
				       fmap_version), 2);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_famfs_fmap_header,
				       ext_type), 4);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_famfs_fmap_header,
				       nextents), 8);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_famfs_fmap_header,
				       file_size), 16);
	KUNIT_EXPECT_EQ(test, sizeof(struct fuse_famfs_simple_ext), 24);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_famfs_simple_ext,
				       se_offset), 8);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_famfs_simple_ext,
				       se_len), 16);
	KUNIT_EXPECT_EQ(test, sizeof(struct fuse_famfs_iext), 24);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_famfs_iext,
				       ie_chunk_size), 4);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_famfs_iext, ie_nbytes), 8);
	KUNIT_EXPECT_EQ(test, sizeof(struct fuse_daxdev_out), 280);
	KUNIT_EXPECT_EQ(test, offsetof(struct fuse_daxdev_out, name), 24);
	/* two cache lines for a file of one extent, see the performance goals */
	KUNIT_EXPECT_LE(test, struct_size_t(struct famfs_map, segs, 1) +
			      sizeof(struct famfs_strip), 128);
}

static struct kunit_case famfs_map_test_cases[] = {
	KUNIT_CASE_PARAM(famfs_map_parse_test, famfs_case_gen_params),
	KUNIT_CASE_PARAM(famfs_map_resolve_test, famfs_vectors_gen_params),
	KUNIT_CASE_PARAM(famfs_map_locate_test, famfs_vectors_gen_params),
	KUNIT_CASE(famfs_map_locate_nothing_test),
	KUNIT_CASE(famfs_map_longest_test),
	KUNIT_CASE(famfs_abi_test),
	{}
};

static struct kunit_suite famfs_map_test_suite = {
	.name = "famfs_map",
	.test_cases = famfs_map_test_cases,
};

kunit_test_suite(famfs_map_test_suite);
