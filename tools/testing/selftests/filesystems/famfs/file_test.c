// SPDX-License-Identifier: GPL-2.0
/* Files: read, write and map them, whatever they lie on. */
#include <sys/sendfile.h>
#include <linux/fuse.h>
#include <linux/stat.h>

#include "test.h"

#define MAX_DEVS 2
#define MAX_STRIPS 8

/* A strip is where a part of the file lies; an extent has one or more. */
struct strip {
	int dev;
	uint64_t off, len;
};

FIXTURE(file)
{
	struct server s;
	char layout[512];
};

FIXTURE_VARIANT(file)
{
	const char *devs[MAX_DEVS];
	uint64_t size;
	uint64_t chunk;		/* 0: simple extents */
	struct strip strips[MAX_STRIPS];
	/* faults that it takes to touch all of it, 0 if that varies */
	long faults;
};

FIXTURE_VARIANT_ADD(file, one_extent) {
	.devs = { DAX_BIG }, .size = 8 * MB,
	.strips = { { 0, 10 * MB, 8 * MB } }, .faults = 4,
};
FIXTURE_VARIANT_ADD(file, three_extents) {
	.devs = { DAX_BIG }, .size = 12 * MB,
	.strips = { { 0, 64 * MB, 4 * MB }, { 0, 32 * MB, 2 * MB },
		    { 0, 96 * MB, 6 * MB } }, .faults = 6,
};
FIXTURE_VARIANT_ADD(file, many_lengths) {
	.devs = { DAX_BIG }, .size = 4 * MB,
	.strips = { { 0, MB, 4 * KB }, { 0, 2 * MB, 64 * KB },
		    { 0, 3 * MB, 12 * KB }, { 0, 4 * MB, 2 * MB },
		    { 0, 8 * MB, 4 * MB } },
};
FIXTURE_VARIANT_ADD(file, page_aligned) {
	.devs = { DAX_BIG }, .size = 6 * MB - 5,
	.strips = { { 0, MB + 4 * KB, 6 * MB } }, .faults = 6 * MB / AROUND,
};
FIXTURE_VARIANT_ADD(file, small) {
	.devs = { DAX_BIG }, .size = 5000,
	.strips = { { 0, 12 * KB, 8 * KB } }, .faults = 1,
};
FIXTURE_VARIANT_ADD(file, end_within_a_folio) {
	.devs = { DAX_BIG }, .size = 7 * MB,
	.strips = { { 0, 40 * MB, 8 * MB } },
};
FIXTURE_VARIANT_ADD(file, interleaved) {
	.devs = { DAX_BIG }, .size = 24 * MB, .chunk = 2 * MB,
	.strips = { { 0, 256 * MB, 6 * MB }, { 0, 288 * MB, 6 * MB },
		    { 0, 320 * MB, 6 * MB }, { 0, 352 * MB, 6 * MB } },
	.faults = 12,
};
FIXTURE_VARIANT_ADD(file, interleaved_3_by_64k) {
	.devs = { DAX_BIG }, .size = 4 * MB + 100, .chunk = 64 * KB,
	.strips = { { 0, 256 * MB, 2 * MB }, { 0, 288 * MB, 2 * MB },
		    { 0, 320 * MB, 2 * MB } },
};
FIXTURE_VARIANT_ADD(file, interleaved_2_by_12k) {
	.devs = { DAX_BIG }, .size = MB, .chunk = 12 * KB,
	.strips = { { 0, 256 * MB, MB }, { 0, 288 * MB, MB } },
};
FIXTURE_VARIANT_ADD(file, two_devices) {
	.devs = { DAX_BIG, DAX_SMALL }, .size = 8 * MB,
	.strips = { { 1, 2 * MB, 4 * MB }, { 0, 2 * MB, 4 * MB } }, .faults = 4,
};
FIXTURE_VARIANT_ADD(file, interleaved_over_devices) {
	.devs = { DAX_BIG, DAX_SMALL }, .size = 16 * MB, .chunk = 2 * MB,
	.strips = { { 0, 0, 8 * MB }, { 1, 64 * MB, 8 * MB } }, .faults = 8,
};
/* DAX_TWO has its second range from 128 MiB on */
FIXTURE_VARIANT_ADD(file, across_two_ranges) {
	.devs = { DAX_TWO }, .size = 8 * MB,
	.strips = { { 0, 124 * MB, 8 * MB } }, .faults = 4,
};
FIXTURE_VARIANT_ADD(file, pmem) {
	.devs = { DAX_PMEM }, .size = 8 * MB,
	.strips = { { 0, 2 * MB, 8 * MB } }, .faults = 4,
};

static int nr_strips(const FIXTURE_VARIANT(file) *v)
{
	int n = 0;

	while (n < MAX_STRIPS && v->strips[n].len)
		n++;
	return n;
}

static void print_layout(const FIXTURE_VARIANT(file) *v, char *text)
{
	char *p = text;
	int i;

	for (i = 0; i < MAX_DEVS && v->devs[i]; i++)
		p += sprintf(p, "dev %d /dev/%s\n", i, v->devs[i]);
	p += sprintf(p, "file f 644 %ju ", (uintmax_t)v->size);
	if (v->chunk)
		p += sprintf(p, "interleave %ju %ju", (uintmax_t)v->chunk, (uintmax_t)v->size);
	else
		p += sprintf(p, "simple");
	for (i = 0; i < nr_strips(v); i++)
		p += sprintf(p, " %d:%ju:%ju", v->strips[i].dev,
			     (uintmax_t)v->strips[i].off,
			     (uintmax_t)v->strips[i].len);
	/* one that is not opened before the server dies */
	p += sprintf(p, "\nfile other 644 2M simple 0:110M:2M\n");
}

/* Where is this byte? Worked out one by one, without a look at the kernel. */
static void place(const FIXTURE_VARIANT(file) *v, uint64_t pos, int *dev, uint64_t *off)
{
	int n = nr_strips(v), i;

	if (v->chunk) {
		uint64_t c = pos / v->chunk;

		i = c % n;
		*off = v->strips[i].off + c / n * v->chunk + pos % v->chunk;
	} else {
		for (i = 0; pos >= v->strips[i].len; i++)
			pos -= v->strips[i].len;
		*off = v->strips[i].off + pos;
	}
	*dev = v->strips[i].dev;
}

/* Do parts of the map end within a page? */
static bool needs_small_pages(const FIXTURE_VARIANT(file) *v)
{
	uint64_t all = v->chunk;
	int i;

	for (i = 0; i < nr_strips(v); i++)
		all |= v->strips[i].off | v->strips[i].len;
	return all % PAGE;
}

FIXTURE_SETUP(file)
{
	BEGIN(variant->devs[0], variant->devs[1]);
	if (needs_small_pages(variant))
		SKIP(return, "pages are too large for this map");
	print_layout(variant, self->layout);
	server_start_f(&self->s, self->layout);
}

FIXTURE_TEARDOWN(file)
{
	EXPECT_EQ(0, server_stop(&self->s));
	END();
}

/*
 * Every byte lies where the map says: seen through the raw device, and written
 * there.
 */
TEST_F(file, lies_where_the_map_says)
{
	uint8_t *raw[MAX_DEVS];
	uint64_t pos, off;
	int i, fd, dev;

	ASSERT_TRUE(write_pattern(self->s.fd, variant->size, 1, 0));
	ASSERT_EQ(0, server_stop(&self->s));

	for (i = 0; i < MAX_DEVS && variant->devs[i]; i++) {
		ASSERT_EQ(0, dax_set_mode(variant->devs[i], DAX_DEVDAX));
		fd = dax_open(variant->devs[i], O_RDWR);
		raw[i] = map_rw(fd, dax_size(variant->devs[i]), 0);
		close(fd);
	}
	for (pos = 0; pos < variant->size; pos++) {
		place(variant, pos, &dev, &off);
		if (raw[dev][off] != pattern(1, pos))
			break;
		raw[dev][off] = pattern(2, pos);
	}
	EXPECT_EQ(variant->size, pos);

	for (i = 0; i < MAX_DEVS && variant->devs[i]; i++)
		ASSERT_EQ(0, dax_set_mode(variant->devs[i], DAX_FAMFS));
	server_start_f(&self->s, self->layout);
	EXPECT_TRUE(has_pattern(self->s.fd, variant->size, 2, 0));
}

TEST_F(file, map_shared)
{
	void *p = map_rw(self->s.fd, variant->size, 0);
	/* at once: small_pages() has faults of its own */
	long taken = touch_range(p, 0, variant->size, PAGE, true);

	if (variant->faults && small_pages())
		EXPECT_EQ(variant->faults, taken);
	fill_pattern(p, variant->size, 2, 0);
	EXPECT_TRUE(has_pattern(self->s.fd, variant->size, 2, 0));
	ASSERT_TRUE(write_pattern(self->s.fd, variant->size, 3, 0));
	taken = faults();
	EXPECT_EQ(-1, check_pattern(p, variant->size, 3, 0));
	/* nothing had to be mapped again */
	EXPECT_GT(4, faults() - taken);
	EXPECT_EQ(0, msync(p, variant->size, MS_SYNC));
	EXPECT_EQ(0, fsync(self->s.fd));
	EXPECT_EQ(0, fdatasync(self->s.fd));
}

/* Mapped at an address that rules out PMDs, read first and written then. */
TEST_F(file, map_pages)
{
	uint8_t *p, *q;
	size_t i;

	ASSERT_TRUE(write_pattern(self->s.fd, variant->size, 3, 0));
	p = map_rw(self->s.fd, variant->size, PAGE);
	EXPECT_EQ(-1, check_pattern(p, variant->size, 3, 0));
	/* what a read fault has mapped shows what is written afterwards */
	ASSERT_TRUE(write_pattern(self->s.fd, variant->size, 4, 0));
	EXPECT_EQ(-1, check_pattern(p, variant->size, 4, 0));
	for (i = 0; i < variant->size; i += PAGE)
		p[i] = pattern(5, i);
	/* another mapping, with PMDs, sees the same, and the other way round */
	q = map_rw(self->s.fd, variant->size, 0);
	for (i = 0; i < variant->size; i += PAGE) {
		ASSERT_EQ(pattern(5, i), q[i]);
		if (i + 1 < variant->size)
			ASSERT_EQ(pattern(4, i + 1), q[i + 1]);
		q[i] = pattern(6, i);
		ASSERT_EQ(pattern(6, i), p[i]);
	}
	fill_pattern(p, variant->size, 7, 0);
	EXPECT_TRUE(has_pattern(self->s.fd, variant->size, 7, 0));
}

/* Unmap or protect a part of a mapping that has PMDs, and access it again. */
TEST_F(file, part_of_a_mapping)
{
	const size_t last = (variant->size - 1) / PAGE * PAGE;
	uint8_t *p = map_rw(self->s.fd, variant->size, 0);
	uint8_t *q = map_rw(self->s.fd, variant->size, PAGE);

	fill_pattern(p, variant->size, 2, 0);
	EXPECT_EQ(-1, check_pattern(q, variant->size, 2, 0));
	ASSERT_EQ(0, madvise(p, PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, mprotect(p + last, PAGE, PROT_READ));
	EXPECT_EQ(-1, check_pattern(p, variant->size, 2, 0));
	EXPECT_ERRNO(EFAULT, pread(self->s.fd, p + last, 1, last));
	EXPECT_EQ(1, pread(self->s.fd, p + last - 1, 1, last - 1));
	EXPECT_EQ(-1, check_pattern(q, variant->size, 2, 0));
}

/* What it protects where nothing is mapped, waits for the page. */
TEST_F(file, userfaultfd)
{
	size_t i, len = (variant->size + PAGE - 1) & ~(PAGE - 1);
	uint8_t *p = map_rw(self->s.fd, variant->size, 0);
	int uffd;

	uffd = uffd_open(p, len);
	if (uffd < 0)
		SKIP(return, "no asynchronous write protection");
	ASSERT_EQ(0, uffd_protect(uffd, p, len, true));
	for (i = 0; i < variant->size; i += 2 * PAGE)
		ASSERT_TRUE(try_read(p + i, NULL));
	for (i = 0; i < variant->size; i += PAGE)
		ASSERT_TRUE(try_write(p + i, NULL));
	fill_pattern(p, variant->size, 10, 0);
	ASSERT_EQ(0, uffd_protect(uffd, p, len, true));
	ASSERT_EQ(0, madvise(p, len, MADV_DONTNEED));
	EXPECT_EQ(-1, check_pattern(p, variant->size, 10, 0));
	close(uffd);
	fill_pattern(p, variant->size, 11, 0);
	EXPECT_EQ(-1, check_pattern(p, variant->size, 11, 0));
}

TEST_F(file, map_private)
{
	uint8_t *p;

	ASSERT_TRUE(write_pattern(self->s.fd, variant->size, 8, 0));
	p = map_file(self->s.fd, variant->size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EXPECT_EQ(-1, check_pattern(p, variant->size, 8, 0));
	fill_pattern(p, variant->size, 9, 0);
	EXPECT_EQ(-1, check_pattern(p, variant->size, 9, 0));
	EXPECT_TRUE(has_pattern(self->s.fd, variant->size, 8, 0));
}

/* What this file system is for: nothing here asks the server. */
TEST_F(file, no_upcalls)
{
	uint64_t before = server_requests(&self->s);
	char buf[100] = "x";
	uint8_t *p;
	size_t i;

	p = map_rw(self->s.fd, variant->size, 0);
	for (i = 0; i < variant->size; i += 16 * PAGE) {
		p[i]++;
		ASSERT_EQ(1, pwrite(self->s.fd, buf, 1, i));
		ASSERT_EQ(1, pread(self->s.fd, buf, 1, i));
	}
	EXPECT_EQ(0, msync(p, variant->size, MS_SYNC));
	EXPECT_EQ(0, msync(p, variant->size, MS_ASYNC));
	EXPECT_EQ(0, madvise(p, variant->size, MADV_DONTNEED));
	EXPECT_TRUE(try_read(p, NULL));
	munmap(p, variant->size);
	p = map_file(self->s.fd, variant->size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	p[0]++;
	EXPECT_EQ(0, fsync(self->s.fd));
	EXPECT_EQ(0, lseek(self->s.fd, 0, SEEK_DATA));
	EXPECT_EQ(variant->size, lseek(self->s.fd, 0, SEEK_HOLE));
	EXPECT_EQ(variant->size, lseek(self->s.fd, 0, SEEK_END));
	EXPECT_EQ(0, pread(self->s.fd, buf, 1, variant->size));
	EXPECT_ERRNO(ENOSPC, pwrite(self->s.fd, buf, 1, variant->size));
	EXPECT_EQ(before, server_requests(&self->s));
	EXPECT_EQ(1, server_count(&self->s, FUSE_GET_FMAP));
	EXPECT_EQ(0, server_count(&self->s, FUSE_READ));
	EXPECT_EQ(0, server_count(&self->s, FUSE_WRITE));
	EXPECT_EQ(0, server_count(&self->s, FUSE_FSYNC));
	EXPECT_EQ(0, server_count(&self->s, FUSE_LSEEK));
}

TEST_F(file, statx_and_ends)
{
	struct statx stx;
	char buf[64];
	void *p;
	size_t room = (variant->size + PAGE - 1) / PAGE * PAGE;
	int i;

	ASSERT_EQ(0, statx(self->s.fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	EXPECT_EQ(variant->size, stx.stx_size);
	EXPECT_NE(0, stx.stx_attributes & STATX_ATTR_DAX);
	EXPECT_NE(0, stx.stx_attributes_mask & STATX_ATTR_DAX);

	EXPECT_EQ(10, pread(self->s.fd, buf, 64, variant->size - 10));
	EXPECT_EQ(0, pread(self->s.fd, buf, 64, variant->size));
	EXPECT_EQ(0, pread(self->s.fd, buf, 64, variant->size + GB));
	/* the mapping has room for 2 MiB where the file ends, so the size has to count */
	p = map_rw(self->s.fd, room + PMD, 0);
	for (i = 0; i < 2; i++) {
		EXPECT_TRUE(try_read(p + variant->size - 1, NULL));
		EXPECT_TRUE(try_write(p + room - 1, NULL));
		EXPECT_FALSE(try_read(p + room, NULL));
		EXPECT_FALSE(try_write(p + room + PAGE, NULL));
		/* once more with entries, but without page tables */
		ASSERT_EQ(0, madvise(p, room + PMD, MADV_DONTNEED));
	}
}

TEST_F(file, sendfile_and_splice)
{
	size_t len = variant->size < 256 * KB ? variant->size : 256 * KB;
	int out = memfd_create("out", MFD_CLOEXEC), pipes[2];
	char buf[100], *p = map_rw(self->s.fd, len, 0);
	off_t off = 0;

	fill_pattern(p, len, 13, 0);
	while ((size_t)off < len)
		ASSERT_LT(0, sendfile(out, self->s.fd, &off, len - off));
	EXPECT_TRUE(has_pattern(out, len, 13, 0));

	ASSERT_EQ(0, pipe(pipes));
	off = 0;
	ASSERT_EQ(100, splice(self->s.fd, &off, pipes[1], NULL, 100, 0));
	ASSERT_EQ(100, read(pipes[0], buf, 100));
	EXPECT_EQ(-1, check_pattern(buf, 100, 13, 0));
	fill_pattern(buf, 100, 14, 0);
	ASSERT_EQ(100, write(pipes[1], buf, 100));
	off = 1000;
	ASSERT_EQ(100, splice(pipes[0], NULL, self->s.fd, &off, 100, 0));
	EXPECT_EQ(-1, check_pattern(p + 1000, 100, 14, 0));
}

/* Opened in every way; what the server replies to the open changes nothing. */
TEST_F(file, open_flags)
{
	static const int flags[] = {
		O_RDONLY, O_RDWR, O_RDWR | O_DIRECT, O_RDWR | O_SYNC,
		O_RDWR | O_DSYNC, O_RDWR | O_NONBLOCK, O_RDWR | O_DIRECT | O_SYNC,
	};
	uint64_t before = server_count(&self->s, FUSE_GET_FMAP);
	char buf[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		int fd = server_open(&self->s, "f", flags[i]);

		ASSERT_LE(0, fd);
		/* no alignment is asked for, not even with O_DIRECT */
		if (flags[i] != O_RDONLY) {
			EXPECT_EQ(7, pwrite(fd, "content", 7, 13));
			EXPECT_EQ(3, pwrite(fd, "content", 7, variant->size - 3));
			EXPECT_ERRNO(ENOSPC, pwrite(fd, "content", 7, variant->size + MB));
		}
		EXPECT_EQ(7, pread(fd, buf + 1, 7, 13));
		EXPECT_EQ(0, memcmp(buf + 1, "content", i ? 7 : 0));
		close(fd);
	}
	EXPECT_EQ(before, server_count(&self->s, FUSE_GET_FMAP));
}

TEST_F(file, server_dies)
{
	uint8_t *p = map_rw(self->s.fd, variant->size, 0);

	fill_pattern(p, PAGE, 15, 0);
	server_kill(&self->s);
	EXPECT_EQ(-1, check_pattern(p, PAGE, 15, 0));
	EXPECT_TRUE(try_write(p + variant->size - 1, NULL));
	EXPECT_TRUE(has_pattern(self->s.fd, 64, 15, 0));
	EXPECT_TRUE(write_pattern(self->s.fd, 64, 16, 100));
	EXPECT_EQ(-1, check_pattern(p + 100, 64, 16, 100));
	EXPECT_EQ(0, fsync(self->s.fd));
	EXPECT_EQ(0, msync(p, PAGE, MS_SYNC));
	EXPECT_EQ(-ENOTCONN, server_open(&self->s, "other", O_RDONLY));
	/* a mapping of an open file can still be made */
	munmap(p, variant->size);
	p = map_file(self->s.fd, variant->size, PROT_READ, MAP_SHARED);
	EXPECT_EQ(-1, check_pattern(p, 64, 15, 0));

	ASSERT_EQ(0, server_stop(&self->s));
	server_start_f(&self->s, self->layout);
	EXPECT_TRUE(has_pattern(self->s.fd, 64, 15, 0));
}

/*
 * How a file was accessed first does not matter to those who come later: they map
 * 2 MiB at once where the layout allows it.
 */
#define FIRST_SIZE (8 * MB)

/* What read faults have mapped shows what is written afterwards, without more faults. */
static void write_under(struct __test_metadata *_metadata, int fd, const uint8_t *p)
{
	long before;

	ASSERT_TRUE(write_pattern(fd, FIRST_SIZE, 2, 0));
	before = faults();
	EXPECT_EQ(-1, check_pattern(p, FIRST_SIZE, 2, 0));
	EXPECT_GT(4, faults() - before);
	ASSERT_TRUE(write_pattern(fd, FIRST_SIZE, 1, 0));
}

TEST(first_access)
{
	const struct {
		int flags, advice;
		bool write;
		size_t skew;
	} cases[] = {
		{ MAP_SHARED, 0, false, PAGE },
		{ MAP_SHARED, 0, true, PAGE },
		{ MAP_SHARED, MADV_RANDOM, false, PAGE },
		{ MAP_SHARED, MADV_NOHUGEPAGE, false, 0 },
		{ MAP_PRIVATE, 0, false, PAGE },
		{ MAP_PRIVATE, 0, true, 0 },
	};
	struct server s;
	uint8_t *p, *q;
	size_t i;
	int j;

	BEGIN(DAX_BIG);
	if (!small_pages())
		SKIP(return, "pages are not those of the map");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		server_start_f(&s, "dev 0 $big\nfile f 644 8M simple 0:4M:4M 0:16M:4M\n");
		ASSERT_TRUE(write_pattern(s.fd, FIRST_SIZE, 1, 0));
		p = map_at(FIRST_SIZE, PROT_READ | PROT_WRITE, cases[i].flags, s.fd, 0, PMD,
			   cases[i].skew);
		if (cases[i].advice)
			ASSERT_EQ(0, madvise(p, FIRST_SIZE, cases[i].advice));
		touch_range(p, 0, FIRST_SIZE, 5 * PAGE, cases[i].write);

		for (j = 0; j < 2; j++) {
			q = map_rw(s.fd, FIRST_SIZE, 0);
			EXPECT_EQ(FIRST_SIZE / PMD, touch_range(q, 0, FIRST_SIZE, PAGE, j))
				TH_LOG("case %zu", i);
			EXPECT_EQ(-1, check_pattern(q, FIRST_SIZE, 1, 0));
			if (!j)
				write_under(_metadata, s.fd, q);
			munmap(q, FIRST_SIZE);
		}
		EXPECT_EQ(-1, check_pattern(p, FIRST_SIZE, 1, 0));
		EXPECT_EQ(0, server_stop(&s));
	}
	END();
}

/*
 * A fault maps the pages around it: no further than the mapping, the page table
 * and the file reach, and the first one no further than the extent. The files have
 * extents of 20, 5 and 40 pages, and end in page 60.
 */
#define AROUND_PAGES 61UL
#define AROUND_SIZE (60 * PAGE + 100)

FIXTURE(around)
{
	struct server s;
};

FIXTURE_VARIANT(around)
{
	bool write;
	int flags;
};

FIXTURE_VARIANT_ADD(around, read) { .write = false, .flags = MAP_SHARED };
FIXTURE_VARIANT_ADD(around, write) { .write = true, .flags = MAP_SHARED };
FIXTURE_VARIANT_ADD(around, read_private) { .write = false, .flags = MAP_PRIVATE };

FIXTURE_SETUP(around)
{
	BEGIN(DAX_SMALL);
	if (!small_pages())
		SKIP(return, "pages are not those of the map");
	/* 60 pages and 100 bytes */
	server_start_f(&self->s, "dev 0 $small\n"
		       "file f 644 245860 simple 0:1M:80K 0:2M:20K 0:3M:160K\n"
		       "file g 644 245860 simple 0:1M:80K 0:2M:20K 0:3M:160K\n"
		       "file huge 644 4M simple 0:4M:4M\n");
	ASSERT_TRUE(write_pattern(self->s.fd, AROUND_SIZE, 1, 0));
}

FIXTURE_TEARDOWN(around)
{
	EXPECT_EQ(0, server_stop(&self->s));
	END();
}

/* Which of the @n pages at @p are mapped, as a mask. */
static uint64_t mapped(const void *p, unsigned int n)
{
	uint64_t entry, mask = 0;
	unsigned int i;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	for (i = 0; i < n; i++) {
		off_t at = ((uintptr_t)p / PAGE + i) * sizeof(entry);

		if (pread(fd, &entry, sizeof(entry), at) != sizeof(entry))
			abort();
		mask |= (entry >> 63) << i;
	}
	close(fd);
	return mask;
}

/* Pages from @first up to @end as a mask. */
static uint64_t pages(unsigned int first, unsigned int end)
{
	return first < end ? (~0ULL >> (64 - (end - first))) << first : 0;
}

/* The pages that the first fault on page @i maps. */
static uint64_t around(unsigned int i)
{
	static const unsigned int ends[] = { 0, 20, 25, AROUND_PAGES };
	unsigned int e = 1;

	while (i >= ends[e])
		e++;
	return pages(ends[e - 1], ends[e]) &
	       pages(i / 16 * 16, i / 16 * 16 + 16);
}

static void touch_page(uint8_t *p, unsigned int i, bool write)
{
	touch_range(p, i * PAGE, i * PAGE + 1, PAGE, write);
}

/* Map @n pages from number @first on, @skew above what would allow PMDs. */
#define MAP_SOME(first, n, skew) \
	map_at((n) * PAGE, PROT_READ | PROT_WRITE, variant->flags, self->s.fd, (first) * PAGE, \
	       PMD, skew)

TEST_F(around, extent_and_file)
{
	unsigned int i;

	for (i = 0; i < AROUND_PAGES; i++) {
		uint8_t *p;

		/* takes the memory of the other file, which has no page mapped then */
		close(self->s.fd);
		self->s.fd = server_must_open(&self->s, i % 2 ? "f" : "g", O_RDWR);
		p = MAP_SOME(0, AROUND_PAGES, PAGE);
		touch_page(p, i, variant->write);
		EXPECT_EQ(around(i), mapped(p, AROUND_PAGES));
		ASSERT_EQ(-1, check_pattern(p, AROUND_SIZE, 1, 0));
		EXPECT_EQ(pages(0, AROUND_PAGES), mapped(p, AROUND_PAGES));
		munmap(p, AROUND_PAGES * PAGE);
	}
}

/*
 * Where pages have been mapped before, a fault maps them across extents. What a
 * read fault maps is aligned by address, in mappings that are a page off.
 */
static uint64_t around_before(unsigned int i, bool write)
{
	unsigned int first = write ? i / 16 * 16 : (i + 1) / 16 * 16 - 1;

	return pages(first, first + 16);
}

TEST_F(around, mapped_before)
{
	uint8_t *p = MAP_SOME(0, AROUND_PAGES, PAGE);
	uint8_t *q = MAP_SOME(0, AROUND_PAGES, PAGE);

	touch_range(p, 0, AROUND_PAGES * PAGE, PAGE, false);
	/* the first one finds no page table */
	touch_page(q, 60, variant->write);
	touch_page(q, 22, variant->write);
	EXPECT_EQ(around_before(22, variant->write) | pages(48, AROUND_PAGES),
		  mapped(q, AROUND_PAGES));
	EXPECT_EQ(-1, check_pattern(q, AROUND_SIZE, 1, 0));
}

TEST_F(around, mapping)
{
	uint8_t *p = MAP_SOME(3, 6, PAGE);

	touch_page(p, 0, false);
	EXPECT_EQ(pages(1, 7), mapped(p - PAGE, 8));
}

TEST_F(around, page_table)
{
	uint8_t *p = MAP_SOME(0, 16, PMD - 8 * PAGE);

	touch_page(p, 2, false);
	EXPECT_EQ(pages(0, 8), mapped(p, 16));
	touch_page(p, 8, false);
	EXPECT_EQ(pages(0, 16), mapped(p, 16));
}

TEST_F(around, madvise_random)
{
	uint8_t *p = MAP_SOME(0, AROUND_PAGES, PAGE);

	ASSERT_EQ(0, madvise(p, AROUND_PAGES * PAGE, MADV_RANDOM));
	touch_page(p, 9, variant->write);
	EXPECT_EQ(pages(9, 10), mapped(p, AROUND_PAGES));
}

/* Pages that were mapped around another are like all others. */
TEST_F(around, can_be_written)
{
	uint8_t *p = MAP_SOME(0, AROUND_PAGES, PAGE);
	bool shared = variant->flags == MAP_SHARED;

	touch_page(p, 4, variant->write);
	fill_pattern(p, AROUND_SIZE, 2, 0);
	EXPECT_EQ(-1, check_pattern(p, AROUND_SIZE, 2, 0));
	EXPECT_TRUE(has_pattern(self->s.fd, AROUND_SIZE, shared ? 2 : 1, 0));
}

/* What is mapped with 2 MiB elsewhere is mapped around, too. */
TEST_F(around, huge)
{
	int fd = server_must_open(&self->s, "huge", O_RDWR);
	uint8_t *a = map_rw(fd, 4 * MB, 0), *b;

	fill_pattern(a, 4 * MB, 1, 0);
	b = map_at(4 * MB, PROT_READ | PROT_WRITE, variant->flags, fd, 0, PMD, PAGE);
	/* the first one finds no page table */
	touch_page(b, 0, false);
	touch_page(b, 100, variant->write);
	EXPECT_EQ(around_before(20, variant->write), mapped(b + 80 * PAGE, 48));
	EXPECT_EQ(-1, check_pattern(b, 4 * MB, 1, 0));
	EXPECT_EQ(-1, check_pattern(a, 4 * MB, 1, 0));
}

/* OPEN answered with ENOSYS: opening an open file costs no request at all. */
TEST(no_open)
{
	struct server s;
	uint64_t before;
	int fd, i;

	BEGIN(DAX_BIG);
	server_start(&s, "dev 0 $big\nfile f 644 2M simple 0:0:2M\n", "-n");
	fd = server_must_open(&s, "f", O_RDWR);
	close(fd);
	before = server_requests(&s);
	for (i = 0; i < 100; i++) {
		fd = server_must_open(&s, "f", O_RDWR);
		EXPECT_EQ(1, pwrite(fd, "x", 1, i));
		close(fd);
	}
	EXPECT_EQ(before, server_requests(&s));
	EXPECT_EQ(1, server_count(&s, FUSE_OPEN));
	EXPECT_EQ(1, server_count(&s, FUSE_GET_FMAP));
	ASSERT_EQ(0, server_stop(&s));
	END();
}

FAMFS_TEST_MAIN
