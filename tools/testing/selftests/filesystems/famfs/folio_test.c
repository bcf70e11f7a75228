// SPDX-License-Identifier: GPL-2.0
/*
 * Devices whose folios are made when they are bound (folio_size): which files fit,
 * mappings of any kind, failed memory, and switching between the kinds.
 */
#include "test.h"

static size_t folio_size(const char *dev)
{
	return read_number(strf("/sys/bus/dax/devices/%s/folio_size", dev));
}

/* For all tests: whatever happens, the device is as the others expect it. */
static void end_folios(struct __test_metadata *_metadata, const char *dev)
{
	EXPECT_EQ(0, dax_set_folios(dev, PAGE));
}

TEST(attribute)
{
	BEGIN(DAX_SMALL);
	EXPECT_EQ(PAGE, folio_size(DAX_SMALL));
	EXPECT_EQ(-EBUSY, dax_write(DAX_SMALL, "folio_size", "2097152"));
	ASSERT_EQ(0, dax_unbind(DAX_SMALL));
	EXPECT_EQ(-EINVAL, dax_write(DAX_SMALL, "folio_size", "0"));
	EXPECT_EQ(-EINVAL, dax_write(DAX_SMALL, "folio_size", "8192"));
	EXPECT_EQ(-EINVAL, dax_write(DAX_SMALL, "folio_size", "2M"));
	EXPECT_EQ(PAGE, folio_size(DAX_SMALL));
	EXPECT_EQ(0, dax_write(DAX_SMALL, "folio_size", "2097152"));
	EXPECT_EQ(PMD, folio_size(DAX_SMALL));
	/* other drivers do not mind */
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_DEVDAX));
	EXPECT_EQ(0, dax_write(DAX_SMALL, "folio_size", "4096"));
	EXPECT_EQ(0, dax_write(DAX_SMALL, "folio_size", "2097152"));
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	EXPECT_EQ(-EBUSY, dax_write(DAX_SMALL, "folio_size", "4096"));
	end_folios(_metadata, DAX_SMALL);
	EXPECT_EQ(PAGE, folio_size(DAX_SMALL));
	END();
}

/* The second range begins 128 MiB after the first one ends: never at 1 GiB. */
TEST(ranges_are_not_aligned)
{
	BEGIN(DAX_TWO, DAX_BIG);
	if (not_giant(DAX_BIG))
		SKIP(return, "%s", not_giant(DAX_BIG));
	EXPECT_NE(0, dax_set_folios(DAX_TWO, GB));
	EXPECT_EQ(DAX_DISABLED, dax_get_mode(DAX_TWO));
	EXPECT_LE(1, log_lines("not made of folios of 1073741824 bytes"));
	end_folios(_metadata, DAX_TWO);
	END();
}

/* --- Which files fit --- */

static const struct fit {
	const char *map;
	int ret;
} fits[] = {
	{ "4M simple 0:0:4M" },
	{ "3M simple 0:0:4M" },
	{ "4M simple 0:2M:2M 0:0:2M" },
	{ "8M simple 0:0:2M 0:4M:4M 1:0:2M" },
	{ "8M interleave 2M 8M 0:0:4M 1:0:4M" },
	{ "7M interleave 4M 8M 0:0:4M 0:4M:4M" },
	{ "4M simple 0:1M:4M", -EINVAL },
	{ "3M simple 0:0:3M", -EINVAL },
	{ "4M simple 0:0:1M 0:2M:3M", -EINVAL },
	{ "4M simple 0:0:2M 0:3M:2M", -EINVAL },
	{ "8M interleave 1M 8M 0:0:4M 1:0:4M", -EINVAL },
	{ "8M interleave 2M 8M 0:1M:4M 1:0:4M", -EINVAL },
	/* device 2 has folios of a page */
	{ "4M simple 2:1M:4M" },
	{ "4M simple 0:0:2M 2:0:2M", -EINVAL },
	{ "4M simple 2:0:2M 0:0:2M", -EINVAL },
};

TEST(files)
{
	char text[4096] = "dev 0 $small\ndev 1 $two\ndev 2 $big\n";
	struct server s;
	size_t i;

	BEGIN(DAX_SMALL, DAX_TWO, DAX_BIG);
	ASSERT_EQ(0, dax_set_folios(DAX_SMALL, PMD));
	ASSERT_EQ(0, dax_set_folios(DAX_TWO, PMD));
	for (i = 0; i < ARRAY_SIZE(fits); i++)
		sprintf(text + strlen(text), "file f%zu 644 %s\n", i, fits[i].map);
	server_start(&s, text, NULL);
	for (i = 0; i < ARRAY_SIZE(fits); i++) {
		int fd = server_open(&s, strf("f%zu", i), O_RDWR);

		if (fits[i].ret) {
			EXPECT_EQ(fits[i].ret, fd)
				TH_LOG("%s", fits[i].map);
			continue;
		}
		ASSERT_LE(0, fd)
			TH_LOG("%s: %d", fits[i].map, fd);
		EXPECT_TRUE(rw_works(fd, MB));
		/* the files are laid out over each other: the old one gives way */
		close(fd);
	}
	/* one line for each device, no matter how many files it was */
	EXPECT_EQ(2, log_lines("refuses files that are not made of its folios"));
	EXPECT_EQ(0, server_stop(&s));
	end_folios(_metadata, DAX_SMALL);
	end_folios(_metadata, DAX_TWO);
	END();
}

/* --- Mappings --- */

/* The end of the file is in the middle of a folio. */
#define SIZE (31 * MB)

FIXTURE(folio)
{
	struct server s;
	int fd;
};

FIXTURE_VARIANT(folio)
{
	const char *dev;
	const char *layout;
};

FIXTURE_VARIANT_ADD(folio, small) {
	DAX_SMALL, "dev 0 $small\nfile f 644 31M simple 0:0:32M\n"
};

FIXTURE_VARIANT_ADD(folio, pmem) {
	DAX_PMEM, "dev 0 $pmem\nfile f 644 31M simple 0:0:32M\n"
};

FIXTURE_VARIANT_ADD(folio, interleaved) {
	DAX_TWO, "dev 0 $two\nfile f 644 31M interleave 4M 32M 0:0:16M 0:112M:16M\n"
};

static void open_it(struct __test_metadata *_metadata,
		    FIXTURE_DATA(folio) *self,
		    const FIXTURE_VARIANT(folio) *variant, size_t size)
{
	ASSERT_EQ(0, dax_set_folios(variant->dev, size));
	server_start(&self->s, variant->layout, NULL);
	self->fd = server_must_open(&self->s, "f", O_RDWR);
}

static void close_it(struct __test_metadata *_metadata,
		     FIXTURE_DATA(folio) *self)
{
	close(self->fd);
	EXPECT_EQ(0, server_stop(&self->s));
}

FIXTURE_SETUP(folio)
{
	BEGIN(variant->dev);
	open_it(_metadata, self, variant, PMD);
}

FIXTURE_TEARDOWN(folio)
{
	close_it(_metadata, self);
	end_folios(_metadata, variant->dev);
	END();
}

/* A mapping that cannot use PMDs does not keep another one from them. */
TEST_F(folio, pages_then_pmds)
{
	uint8_t *odd = map_rw(self->fd, SIZE, PAGE);
	uint8_t *even = map_rw(self->fd, SIZE, 0);
	long before = faults();
	size_t i;

	for (i = 0; i < SIZE; i += PAGE)
		odd[i] = pattern(1, i);
	if (small_pages())
		EXPECT_GE(SIZE / AROUND + 3 * SIZE / PMD, faults() - before);
	before = faults();
	for (i = 0; i < SIZE; i += PAGE)
		ASSERT_EQ(pattern(1, i), even[i]);
	/* 15 PMDs, and 1 MiB in pages, for which there is no page table yet */
	if (small_pages())
		EXPECT_GE(15 + MB / AROUND + 1, faults() - before);
	EXPECT_EQ(0, msync(odd, SIZE, MS_SYNC));
	munmap(even, SIZE);
	EXPECT_EQ(pattern(1, PMD), odd[PMD]);
	munmap(odd, SIZE);
}

TEST_F(folio, pmds_then_pages)
{
	uint8_t *even = map_rw(self->fd, SIZE, 0);
	uint8_t *odd = map_rw(self->fd, SIZE, PAGE);

	fill_pattern(even, SIZE, 2, 0);
	EXPECT_EQ(-1, check_pattern(odd, SIZE, 2, 0));
	EXPECT_TRUE(has_pattern(self->fd, SIZE, 2, 0));
	/* a part of a PMD goes, and comes back */
	EXPECT_EQ(0, madvise(even + 5 * PAGE, 7 * PAGE, MADV_DONTNEED));
	EXPECT_EQ(0, mprotect(even + 4 * MB, MB, PROT_READ));
	EXPECT_EQ(-1, check_pattern(even, SIZE, 2, 0));
	EXPECT_ERRNO(EFAULT, pread(self->fd, even + 4 * MB, 1, 0));
	EXPECT_EQ(1, pread(self->fd, even + 5 * MB, 1, 5 * MB));
	munmap(even, SIZE);
	munmap(odd, SIZE);
}

/* The folio goes on beyond the end of the file, the file does not. */
TEST_F(folio, end_of_file)
{
	uint8_t *p = map_rw(self->fd, SIZE + MB, 0);

	EXPECT_TRUE(try_write(p + SIZE - 1, NULL));
	EXPECT_FALSE(try_read(p + SIZE, NULL));
	EXPECT_FALSE(try_write(p + SIZE + MB - 1, NULL));
	munmap(p, SIZE + MB);
}

TEST_F(folio, private)
{
	uint8_t *p, *q;

	/* the first access of all is one to copy a page */
	p = map_file(self->fd, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	ASSERT_TRUE(write_pattern(self->fd, SIZE, 3, 0));
	p[3 * PAGE] ^= 1;
	p[SIZE - 1] ^= 1;
	q = map_rw(self->fd, SIZE, 0);
	EXPECT_EQ(-1, check_pattern(q, SIZE, 3, 0));
	EXPECT_EQ(pattern(3, 3 * PAGE) ^ 1, p[3 * PAGE]);
	EXPECT_EQ(pattern(3, PMD + 3), p[PMD + 3]);
	EXPECT_EQ(3 * PAGE, check_pattern(p, SIZE, 3, 0));
	munmap(p, SIZE);
	munmap(q, SIZE);
}

TEST_F(folio, fork)
{
	uint8_t *p = map_rw(self->fd, SIZE, 0);
	uint8_t *odd = map_rw(self->fd, SIZE, PAGE);
	pid_t pid;

	fill_pattern(p, SIZE, 4, 0);
	EXPECT_EQ(-1, check_pattern(odd, SIZE, 4, 0));
	pid = child_start();
	if (!pid) {
		if (check_pattern(p, SIZE, 4, 0) != -1 ||
		    check_pattern(odd, SIZE, 4, 0) != -1)
			_exit(1);
		fill_pattern(odd, SIZE, 5, 0);
		_exit(0);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, check_pattern(p, SIZE, 5, 0));
	munmap(p, SIZE);
	munmap(odd, SIZE);
}

/* One page is lost, and 2 MiB at once can no longer be mapped there. */
TEST_F(folio, failure_of_what_is_mapped)
{
	uint8_t *p = map_rw(self->fd, SIZE, 0);
	const size_t bad = 2 * MB + 5 * PAGE;
	struct fault f;

	if (!can_poison())
		SKIP(return, "no hwpoison injection");
	ASSERT_TRUE(write_pattern(self->fd, SIZE, 6, 0));
	EXPECT_EQ(-1, check_pattern(p, SIZE, 6, 0));
	note_faults(&f);
	ASSERT_EQ(0, dax_poison(variant->dev, bad));
	EXPECT_FALSE(try_read(p + bad, NULL));
	EXPECT_EQ(-1, check_pattern(p, bad, 6, 0));
	EXPECT_EQ(-1, check_pattern(p + bad + PAGE, SIZE - bad - PAGE, 6,
				    bad + PAGE));
	EXPECT_FALSE(rw_works(self->fd, bad));
	EXPECT_TRUE(rw_works(self->fd, bad + PAGE));
	munmap(p, SIZE);
}

/* The same, if nobody had mapped it before. */
TEST_F(folio, failure_of_what_is_not_mapped)
{
	const size_t bad = 2 * MB + 5 * PAGE;
	uint8_t *p, *odd, *copy;
	struct fault f;

	if (!can_poison())
		SKIP(return, "no hwpoison injection");
	ASSERT_TRUE(write_pattern(self->fd, SIZE, 7, 0));
	ASSERT_EQ(0, dax_poison(variant->dev, bad));
	p = map_rw(self->fd, SIZE, 0);
	odd = map_rw(self->fd, SIZE, PAGE);
	copy = map_file(self->fd, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EXPECT_FALSE(try_read(odd + bad, &f));
	EXPECT_EQ(BUS_MCEERR_AR, f.code);
	EXPECT_FALSE(try_read(p + bad, &f));
	EXPECT_EQ(BUS_MCEERR_AR, f.code);
	EXPECT_FALSE(try_write(copy + bad, NULL));
	EXPECT_TRUE(try_write(copy + bad + PAGE, NULL));
	EXPECT_EQ(-1, check_pattern(p, bad, 7, 0));
	EXPECT_EQ(-1, check_pattern(odd, bad, 7, 0));
	EXPECT_EQ(-1, check_pattern(p + bad + PAGE, SIZE - bad - PAGE, 7,
				    bad + PAGE));
	/* the first page of a folio is one like any other */
	note_faults(&f);
	ASSERT_EQ(0, dax_poison(variant->dev, 0));
	EXPECT_FALSE(try_read(p, NULL));
	EXPECT_EQ(pattern(7, PAGE), p[PAGE]);
	munmap(p, SIZE);
	munmap(odd, SIZE);
	munmap(copy, SIZE);
}

/* The content is that of the device, whatever its folios are. */
TEST_F(folio, switch_kinds)
{
	const size_t sizes[] = { PAGE, PMD, PAGE };
	uint8_t *p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		p = map_rw(self->fd, SIZE, i % 2 ? 0 : PAGE);
		if (i)
			EXPECT_EQ(-1, check_pattern(p, SIZE, i - 1, 0));
		fill_pattern(p, SIZE, i, 0);
		munmap(p, SIZE);
		close_it(_metadata, self);
		open_it(_metadata, self, variant, sizes[i]);
	}
	EXPECT_TRUE(has_pattern(self->fd, SIZE, i - 1, 0));
}

/* Other drivers find the pages as they expect them. */
TEST_F(folio, other_modes)
{
	uint8_t *p = map_rw(self->fd, SIZE, 0);
	uint8_t *odd = map_rw(self->fd, SIZE, PAGE);

	fill_pattern(p, SIZE, 8, 0);
	EXPECT_EQ(-1, check_pattern(odd, SIZE, 8, 0));
	/* in use */
	ASSERT_EQ(0, dax_unbind(variant->dev));
	EXPECT_FALSE(try_read(p, NULL));
	EXPECT_FALSE(try_read(odd, NULL));
	munmap(p, SIZE);
	munmap(odd, SIZE);
	ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_DEVDAX));
	if (variant->dev == DAX_SMALL) {
		ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_RAM));
		ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_DISABLED));
	}
	close_it(_metadata, self);
	open_it(_metadata, self, variant, PMD);
}

/* A pin of one page keeps its folio, and so the device. */
TEST_F(folio, pin)
{
	uint8_t *p = map_rw(self->fd, SIZE, PAGE);
	uint8_t page[PAGE];
	int pipes[2];
	pid_t pid;

	fill_pattern(p, SIZE, 9, 0);
	ASSERT_EQ(0, pin(pipes, p + 3 * MB));
	munmap(p, SIZE);
	pid = child_unbinds(variant->dev);
	EXPECT_FALSE(child_ends(pid, 1));
	unpin(pipes, page);
	EXPECT_EQ(-1, check_pattern(page, PAGE, 9, 3 * MB));
	EXPECT_TRUE(child_ends(pid, 20));
	EXPECT_EQ(0, child_wait(pid));
}

/* --- 1 GiB --- */

static const char giant_layout[] = "dev 0 $big\nfile f 644 1G simple 0:0:1G\n";

TEST(giant)
{
	uint8_t *odd, *p;
	struct server s;
	long before;
	int fd;

	BEGIN(DAX_BIG);
	if (not_giant(DAX_BIG))
		SKIP(return, "%s", not_giant(DAX_BIG));
	ASSERT_EQ(0, dax_set_folios(DAX_BIG, GB));
	server_start(&s, giant_layout, NULL);
	fd = server_must_open(&s, "f", O_RDWR);
	/* the first access is by pages, and by one that can have PMDs */
	odd = map_rw(fd, GB - PMD, PAGE);
	before = faults();
	odd[0] = 1;
	odd[GB / 2] = 2;
	EXPECT_EQ(2, faults() - before);
	p = map_rw(fd, 4 * PMD, 0);
	before = faults();
	/* one fault for each 2 MiB */
	p[PMD] = 3;
	p[PMD + PAGE] = 4;
	p[2 * PMD - 1] = 5;
	EXPECT_EQ(1, faults() - before);
	munmap(p, 4 * PMD);
	/* and yet the next one gets 1 GiB */
	p = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, GB, 0);
	ASSERT_NE(NULL, p);
	before = faults();
	EXPECT_EQ(1, p[0]);
	EXPECT_EQ(3, p[PMD]);
	EXPECT_EQ(2, p[GB / 2]);
	p[GB - 1] = 4;
	EXPECT_EQ(1, faults() - before);
	EXPECT_EQ(0, mprotect(p + PMD, PAGE, PROT_READ));
	EXPECT_TRUE(try_write(p + PMD + PAGE, NULL));
	EXPECT_ERRNO(EFAULT, pread(fd, p + PMD, 1, 0));
	munmap(odd, GB - PMD);
	munmap(p, GB);
	close(fd);
	EXPECT_EQ(0, server_stop(&s));
	end_folios(_metadata, DAX_BIG);
	END();
}

TEST(giant_failure)
{
	const size_t bad = GB / 2 + 3 * PAGE;
	struct server s;
	uint8_t *p;
	int fd;

	BEGIN(DAX_BIG);
	if (not_giant(DAX_BIG) || !can_poison())
		SKIP(return, "no mappings of 1 GiB, or no hwpoison injection");
	ASSERT_EQ(0, dax_set_folios(DAX_BIG, GB));
	server_start(&s, giant_layout, NULL);
	fd = server_must_open(&s, "f", O_RDWR);
	ASSERT_EQ(0, dax_poison(DAX_BIG, bad));
	p = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, GB, 0);
	EXPECT_FALSE(try_write(p + bad, NULL));
	EXPECT_TRUE(try_write(p + bad + PAGE, NULL));
	EXPECT_TRUE(try_write(p, NULL));
	EXPECT_TRUE(try_write(p + GB - 1, NULL));
	munmap(p, GB);
	close(fd);
	EXPECT_EQ(0, server_stop(&s));
	end_folios(_metadata, DAX_BIG);
	END();
}

FAMFS_TEST_MAIN
