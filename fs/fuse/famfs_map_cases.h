/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Good and bad replies to FUSE_GET_FMAP, with the expected results.
 *
 * Included by the KUnit test of the parser and by the selftest whose server
 * sends them. Both define CASE_PAGE, the page size in bytes.
 */
#ifndef _FS_FUSE_FAMFS_MAP_CASES_H
#define _FS_FUSE_FAMFS_MAP_CASES_H

#define CASE_MAX_ITEMS 8

/**
 * struct famfs_case_item - what follows the header, one item
 * @a: se_devindex or ie_nstrips
 * @b: reserved or ie_chunk_size
 * @c: se_offset or ie_nbytes
 * @d: se_len or reserved
 */
struct famfs_case_item {
	uint32_t a;
	uint32_t b;
	uint64_t c;
	uint64_t d;
};

/**
 * struct famfs_case - one reply
 * @name: what is special about it
 * @err: 0, or the positive errno of the open
 * @h: the header
 * @nitems: items that follow
 * @items: the items
 * @cut: bytes to cut off at the end
 * @add: bytes (zeroes) to add at the end
 * @needs_dev: only the size of the device shows that it is bad
 */
struct famfs_case {
	const char *name;
	int err;
	struct fuse_famfs_fmap_header h;
	unsigned int nitems;
	struct famfs_case_item items[CASE_MAX_ITEMS];
	unsigned int cut;
	unsigned int add;
	int needs_dev;
};

#define CASE_DEV_SIZE (1ULL << 30)

#define P ((uint64_t)CASE_PAGE)
#define TOP (~0ULL - P + 1)
#define H(type, n, size) { .fmap_version = 1, .ext_type = type, .nextents = n, \
			   .file_size = size }
#define SIMPLE FUSE_FAMFS_EXT_SIMPLE
#define INTER FUSE_FAMFS_EXT_INTERLEAVE
#define EXT(dev, off, len) { dev, 0, off, len }
#define IEXT(n, chunk, bytes) { n, chunk, bytes, 0 }

static const struct famfs_case famfs_cases[] = {
	/* good */
	{ "one page", 0, H(SIMPLE, 1, P), 1, { EXT(0, 0, P) } },
	{ "one byte", 0, H(SIMPLE, 1, 1), 1, { EXT(0, 0, P) } },
	{ "extent longer than the file", 0, H(SIMPLE, 1, P), 1,
	  { EXT(0, P, 64 * P) } },
	{ "extent after the end of the file", 0, H(SIMPLE, 2, P), 2,
	  { EXT(0, P, P), EXT(0, 4 * P, P) } },
	{ "superblock", 0, { .file_type = FUSE_FAMFS_FILE_SUPERBLOCK,
	  .fmap_version = 1, .nextents = 1, .file_size = P }, 1,
	  { EXT(0, 0, P) } },
	{ "log", 0, { .file_type = FUSE_FAMFS_FILE_LOG, .fmap_version = 1,
	  .nextents = 1, .file_size = P }, 1, { EXT(0, 0, P) } },
	{ "adjacent extents", 0, H(SIMPLE, 2, 2 * P), 2,
	  { EXT(0, P, P), EXT(0, 2 * P, P) } },
	{ "extents in falling order", 0, H(SIMPLE, 2, 2 * P), 2,
	  { EXT(0, 2 * P, P), EXT(0, P, P) } },
	{ "up to the end of the device", 0, H(SIMPLE, 1, P), 1,
	  { EXT(0, CASE_DEV_SIZE - P, P) } },
	{ "extents of one length", 0, H(SIMPLE, 3, 5 * P), 3,
	  { EXT(0, 0, 2 * P), EXT(0, 4 * P, 2 * P), EXT(0, 8 * P, P) } },
	{ "length of the reply in the header", 0, { .fmap_version = 1,
	  .nextents = 1, .fmap_size = 56, .file_size = P }, 1,
	  { EXT(0, 0, P) } },
	{ "interleave, one strip", 0, H(INTER, 1, 2 * P), 2,
	  { IEXT(1, P, 2 * P), EXT(0, 0, 2 * P) } },
	{ "interleave, two strips", 0, H(INTER, 1, 4 * P), 3,
	  { IEXT(2, P, 4 * P), EXT(0, 0, 2 * P), EXT(0, 8 * P, 2 * P) } },
	{ "interleave, chunk of three pages", 0, H(INTER, 1, 12 * P), 3,
	  { IEXT(2, 3 * P, 12 * P), EXT(0, 0, 6 * P), EXT(0, 8 * P, 6 * P) } },
	{ "interleave, chunk larger than the file", 0, H(INTER, 1, P), 3,
	  { IEXT(2, 64 * P, P), EXT(0, 0, P), EXT(0, 8 * P, P) } },
	{ "interleave, ends within a page", 0, H(INTER, 1, P + 1), 3,
	  { IEXT(2, P, P + 1), EXT(0, 0, P), EXT(0, 8 * P, P) } },
	{ "interleave, strip longer than its part", 0, H(INTER, 1, 2 * P), 3,
	  { IEXT(2, P, 2 * P), EXT(0, 0, 8 * P), EXT(0, 8 * P, P) } },
	{ "interleave, uneven strips", 0, H(INTER, 1, 3 * P), 3,
	  { IEXT(2, P, 3 * P), EXT(0, 0, 2 * P), EXT(0, 8 * P, P) } },
	{ "two interleaved extents", 0, H(INTER, 2, 3 * P), 5,
	  { IEXT(2, P, 2 * P), EXT(0, 0, P), EXT(0, 8 * P, P),
	    IEXT(1, P, P), EXT(0, 16 * P, P) } },

	/* length of the reply */
	{ "empty reply", EINVAL, H(SIMPLE, 1, P), 0, {}, .cut = 32 },
	{ "one byte of a header", EINVAL, H(SIMPLE, 1, P), 0, {}, .cut = 31 },
	{ "header without its last byte", EINVAL, H(SIMPLE, 1, P), 0, {},
	  .cut = 1 },
	{ "header only", EINVAL, H(SIMPLE, 1, P), 0 },
	{ "last extent cut by a byte", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, 0, P) }, .cut = 1 },
	{ "last extent is half", EINVAL, H(SIMPLE, 2, P), 2,
	  { EXT(0, 0, P), EXT(0, P, P) }, .cut = 12 },
	{ "one byte too much", EINVAL, H(SIMPLE, 1, P), 1, { EXT(0, 0, P) },
	  .add = 1 },
	{ "one zero extent too much", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, 0, P) }, .add = 24 },
	/* the zeroes overlap nothing */
	{ "one zero extent too much, elsewhere", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, P, P) }, .add = 24 },
	{ "strip cut by a byte", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P, P), EXT(0, 0, P) }, .cut = 1 },

	/* header */
	{ "version 0", EOPNOTSUPP, { .nextents = 1, .file_size = P }, 1,
	  { EXT(0, 0, P) } },
	{ "version 2", EOPNOTSUPP, { .fmap_version = 2, .nextents = 1,
	  .file_size = P }, 1, { EXT(0, 0, P) } },
	{ "version 65535", EOPNOTSUPP, { .fmap_version = 65535, .nextents = 1,
	  .file_size = P }, 1, { EXT(0, 0, P) } },
	{ "file type 3", EOPNOTSUPP, { .file_type = 3, .fmap_version = 1,
	  .nextents = 1, .file_size = P }, 1, { EXT(0, 0, P) } },
	{ "file type 255", EOPNOTSUPP, { .file_type = 255, .fmap_version = 1,
	  .nextents = 1, .file_size = P }, 1, { EXT(0, 0, P) } },
	{ "extent type 2", EOPNOTSUPP, H(2, 1, P), 1, { EXT(0, 0, P) } },
	{ "extent type -1", EOPNOTSUPP, H(~0U, 1, P), 1, { EXT(0, 0, P) } },
	{ "reserved byte", EINVAL, { .reserved = 1, .fmap_version = 1,
	  .nextents = 1, .file_size = P }, 1, { EXT(0, 0, P) } },
	{ "header of an unknown version only", EOPNOTSUPP,
	  { .fmap_version = 2, .nextents = 1, .fmap_size = 4096,
	    .file_size = P }, 0 },
	{ "length in the header is 1", EINVAL, { .fmap_version = 1,
	  .nextents = 1, .fmap_size = 1, .file_size = P }, 1,
	  { EXT(0, 0, P) } },
	{ "length in the header is that of the header", EINVAL,
	  { .fmap_version = 1, .nextents = 1, .fmap_size = 32,
	    .file_size = P }, 1, { EXT(0, 0, P) } },
	{ "length in the header is one less", EINVAL, { .fmap_version = 1,
	  .nextents = 1, .fmap_size = 55, .file_size = P }, 1,
	  { EXT(0, 0, P) } },
	{ "length in the header is one more", EINVAL, { .fmap_version = 1,
	  .nextents = 1, .fmap_size = 57, .file_size = P }, 1,
	  { EXT(0, 0, P) } },
	{ "header only, with its own length", EINVAL, { .fmap_version = 1,
	  .nextents = 1, .fmap_size = 32, .file_size = P }, 0 },
	{ "reserved long", EINVAL, { .fmap_version = 1, .nextents = 1,
	  .file_size = P, .reserved1 = 1ULL << 63 }, 1, { EXT(0, 0, P) } },
	{ "size 0", EINVAL, H(SIMPLE, 1, 0), 1, { EXT(0, 0, P) } },
	{ "size above what a file can have", EINVAL, H(SIMPLE, 1, 1ULL << 63),
	  1, { EXT(0, 0, 1ULL << 63) } },
	{ "size -1", EINVAL, H(SIMPLE, 1, ~0ULL), 1, { EXT(0, 0, P) } },
	{ "no extents", EINVAL, H(SIMPLE, 0, P), 1, { EXT(0, 0, P) } },
	{ "one extent more than there are", EINVAL, H(SIMPLE, 2, P), 1,
	  { EXT(0, 0, P) } },
	{ "one extent less than there are", EINVAL, H(SIMPLE, 1, P), 2,
	  { EXT(0, 0, P), EXT(0, P, P) } },
	{ "one extent less than there are, elsewhere", EINVAL, H(SIMPLE, 1, P),
	  2, { EXT(0, 8 * P, P), EXT(0, 16 * P, P) } },
	{ "as many extents as fit no reply", EINVAL, H(SIMPLE, 699050, P), 1,
	  { EXT(0, 0, P) } },
	{ "2^16 extents more than there are", EINVAL, H(SIMPLE, 65537, P), 1,
	  { EXT(0, 0, P) } },
	{ "2^32-1 extents", EINVAL, H(SIMPLE, ~0U, P), 1, { EXT(0, 0, P) } },
	{ "2^31 extents", EINVAL, H(SIMPLE, 1U << 31, P), 1, { EXT(0, 0, P) } },

	/* simple extents */
	{ "extent with reserved bits", EINVAL, H(SIMPLE, 1, P), 1,
	  { { 0, 1, 0, P } } },
	{ "extent of length 0", EINVAL, H(SIMPLE, 1, P), 1, { EXT(0, 0, 0) } },
	{ "second extent of length 0", EINVAL, H(SIMPLE, 2, P), 2,
	  { EXT(0, 0, P), EXT(0, P, 0) } },
	{ "length not aligned", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, 0, P + 1) } },
	{ "length half a page", EINVAL, H(SIMPLE, 1, 1), 1,
	  { EXT(0, 0, P / 2) } },
	{ "offset not aligned", EINVAL, H(SIMPLE, 1, P), 1, { EXT(0, 1, P) } },
	{ "offset at a sector", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, 512, P) } },
	{ "extents too short by a byte", EINVAL, H(SIMPLE, 2, 2 * P + 1), 2,
	  { EXT(0, 0, P), EXT(0, P, P) } },
	{ "extents too short by far", EINVAL, H(SIMPLE, 1, 1ULL << 40), 1,
	  { EXT(0, 0, P) } },
	{ "offset + length overflows", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, TOP, 2 * P) } },
	{ "offset + length is 2^64", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, TOP, P) } },
	{ "length of nearly 2^64", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, 0, TOP) } },
	{ "sum of lengths overflows", EINVAL, H(SIMPLE, 3, P), 3,
	  { EXT(0, 0, 1ULL << 63), EXT(1, 0, 1ULL << 63), EXT(2, 0, P) } },
	{ "length of nearly 2^64 after another", EINVAL, H(SIMPLE, 2, P), 2,
	  { EXT(0, 0, 2 * P), EXT(1, 0, TOP) } },
	{ "beyond the device by a page", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, CASE_DEV_SIZE, P) }, .needs_dev = 1 },
	{ "crosses the end of the device", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, CASE_DEV_SIZE - P, 2 * P) }, .needs_dev = 1 },
	{ "far beyond the device", EINVAL, H(SIMPLE, 1, P), 1,
	  { EXT(0, 1ULL << 60, P) }, .needs_dev = 1 },
	{ "second extent beyond the device", EINVAL, H(SIMPLE, 2, 2 * P), 2,
	  { EXT(0, 0, P), EXT(0, CASE_DEV_SIZE, P) }, .needs_dev = 1 },
	{ "device 64", EINVAL, H(SIMPLE, 1, P), 1, { EXT(64, 0, P) } },
	{ "device 2^31", EINVAL, H(SIMPLE, 1, P), 1, { EXT(1U << 31, 0, P) } },
	{ "device -1", EINVAL, H(SIMPLE, 1, P), 1, { EXT(~0U, 0, P) } },
	{ "the same extent twice", EINVAL, H(SIMPLE, 2, 2 * P), 2,
	  { EXT(0, P, P), EXT(0, P, P) } },
	{ "overlap of a page", EINVAL, H(SIMPLE, 2, 4 * P), 2,
	  { EXT(0, 0, 2 * P), EXT(0, P, 2 * P) } },
	{ "overlap with a later extent", EINVAL, H(SIMPLE, 3, 3 * P), 3,
	  { EXT(0, 0, 4 * P), EXT(0, 8 * P, P), EXT(0, 2 * P, P) } },
	{ "overlap, with another device between", EINVAL, H(SIMPLE, 3, 3 * P),
	  3, { EXT(0, 0, 4 * P), EXT(1, P, P), EXT(0, 2 * P, P) } },
	{ "overlap after the end of the file", EINVAL, H(SIMPLE, 2, P), 2,
	  { EXT(0, 0, P), EXT(0, 0, P) } },

	/* interleaved extents */
	{ "chunk of 0", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, 0, P), EXT(0, 0, P) } },
	{ "chunk not aligned", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P + 512, P), EXT(0, 0, P) } },
	{ "chunk smaller than a page", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, 512, P), EXT(0, 0, P) } },
	{ "chunk of 2^32-1", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, ~0U, P), EXT(0, 0, P) } },
	{ "no strips", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(0, P, P), EXT(0, 0, P) } },
	{ "no strips, and none follow", EINVAL, H(INTER, 1, P), 1,
	  { IEXT(0, P, P) } },
	{ "interleaved extent alone", EINVAL, H(INTER, 1, P), 1,
	  { IEXT(1, P, P) } },
	{ "one strip more than there are", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(2, P, P), EXT(0, 0, P) } },
	{ "one strip less than there are", EINVAL, H(INTER, 1, P), 3,
	  { IEXT(1, P, P), EXT(0, 0, P), EXT(0, P, P) } },
	{ "2^16 strips more than there are", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(65537, P, P), EXT(0, 0, P) } },
	{ "2^32-1 strips", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(~0U, P, P), EXT(0, 0, P) } },
	{ "strips taken from the next extent", EINVAL, H(INTER, 2, 2 * P), 4,
	  { IEXT(2, P, 2 * P), EXT(0, 0, P), IEXT(1, P, P),
	    EXT(0, 8 * P, P) } },
	{ "no room for the second extent", EINVAL, H(INTER, 2, 2 * P), 3,
	  { IEXT(2, P, 2 * P), EXT(0, 0, P), EXT(0, 8 * P, P) } },
	{ "interleaved extent with reserved bits", EINVAL, H(INTER, 1, P), 2,
	  { { 1, CASE_PAGE, P, 1 }, EXT(0, 0, P) } },
	{ "strip with reserved bits", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P, P), { 0, 1, 0, P } } },
	{ "covers 0 bytes", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P, 0), EXT(0, 0, P) } },
	{ "second extent covers 0 bytes", EINVAL, H(INTER, 2, P), 4,
	  { IEXT(1, P, P), EXT(0, 0, P), IEXT(1, P, 0), EXT(0, 8 * P, P) } },
	{ "more than the only strip holds", EINVAL, H(INTER, 1, 2 * P), 2,
	  { IEXT(1, P, 2 * P), EXT(0, 0, P) } },
	{ "more than the first strip holds", EINVAL, H(INTER, 1, 3 * P), 3,
	  { IEXT(2, P, 3 * P), EXT(0, 0, P), EXT(0, 8 * P, 2 * P) } },
	{ "more than the second strip holds", EINVAL, H(INTER, 1, 4 * P), 3,
	  { IEXT(2, P, 4 * P), EXT(0, 0, 2 * P), EXT(0, 8 * P, P) } },
	{ "more than the strips hold, by a byte", EINVAL,
	  H(INTER, 1, 2 * P + 1), 3,
	  { IEXT(2, P, 2 * P + 1), EXT(0, 0, P), EXT(0, 8 * P, P) } },
	{ "covers 2^64-1 bytes", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P, ~0ULL), EXT(0, 0, P) } },
	{ "covers less than the file", EINVAL, H(INTER, 1, 3 * P), 3,
	  { IEXT(2, P, 2 * P), EXT(0, 0, P), EXT(0, 8 * P, P) } },
	{ "ends within a page, but not the file", EINVAL, H(INTER, 2, 2 * P), 4,
	  { IEXT(1, P, P + 1), EXT(0, 0, 2 * P), IEXT(1, P, P),
	    EXT(0, 8 * P, P) } },
	{ "strip of length 0", EINVAL, H(INTER, 1, P), 3,
	  { IEXT(2, P, P), EXT(0, 0, P), EXT(0, 8 * P, 0) } },
	{ "strip offset not aligned", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P, P), EXT(0, 1, P) } },
	{ "strip length not aligned", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P, P), EXT(0, 0, P + 8) } },
	{ "strip offset + length overflows", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P, P), EXT(0, TOP, 2 * P) } },
	{ "strip on device 64", EINVAL, H(INTER, 1, P), 2,
	  { IEXT(1, P, P), EXT(64, 0, P) } },
	{ "strip beyond the device", EINVAL, H(INTER, 1, 2 * P), 3,
	  { IEXT(2, P, 2 * P), EXT(0, 0, P), EXT(0, CASE_DEV_SIZE, P) },
	  .needs_dev = 1 },
	{ "as long as a file can be", EINVAL, H(INTER, 1, ~0ULL >> 1), 2,
	  { IEXT(1, P, ~0ULL >> 1), EXT(0, 0, 1ULL << 63) }, .needs_dev = 1 },
	{ "two strips on the same memory", EINVAL, H(INTER, 1, 2 * P), 3,
	  { IEXT(2, P, 2 * P), EXT(0, 0, P), EXT(0, 0, P) } },
	{ "strips that overlap by a page", EINVAL, H(INTER, 1, 4 * P), 3,
	  { IEXT(2, P, 4 * P), EXT(0, 0, 2 * P), EXT(0, P, 2 * P) } },
	{ "strips of two extents overlap", EINVAL, H(INTER, 2, 2 * P), 4,
	  { IEXT(1, P, P), EXT(0, P, P), IEXT(1, P, P), EXT(0, P, P) } },
	{ "simple extents called interleaved", EINVAL, H(INTER, 1, P), 2,
	  { EXT(0, 0, P), EXT(0, P, P) } },
};

#undef EXT
#undef IEXT

/* Build the reply of a case. Return: its length. */
static size_t famfs_case_build(const struct famfs_case *c, void *buf)
{
	size_t len = sizeof(c->h) + c->nitems * sizeof(c->items[0]);

	memcpy(buf, &c->h, sizeof(c->h));
	memcpy((char *)buf + sizeof(c->h), c->items,
	       c->nitems * sizeof(c->items[0]));
	memset((char *)buf + len, 0, c->add);
	return len - c->cut + c->add;
}

#endif
