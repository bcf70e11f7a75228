// SPDX-License-Identifier: GPL-2.0
/* Mappings of 1 GiB: one fault maps it all, and it can be taken apart again. */
#include <err.h>
#include <sys/uio.h>

#include "test.h"

#define NR_PMD (GB / PMD)

FIXTURE(giant)
{
	struct server s;
	uint8_t *p;	/* the whole file */
};

/* All of the device is one file, once that its start is aligned. */
static const char layout[] = "dev 0 $big\n"
	"file f 644 1G simple 0:0:1G\n";
/* The same memory in other pieces. */
static const char pieces[] = "dev 0 $big\n"
	"file f 644 1G interleave 2M 1G 0:512M:512M 0:0:512M\n";

/* A byte in every 2 MiB, so that it does not take for ever. */
static void fill(uint8_t *p, unsigned int seed)
{
	size_t i;

	for (i = 0; i < NR_PMD; i++)
		((volatile uint8_t *)p)[i * PMD + i] = pattern(seed, i);
}

static int check(const uint8_t *p, unsigned int seed)
{
	size_t i;

	for (i = 0; i < NR_PMD; i++)
		if (((volatile const uint8_t *)p)[i * PMD + i] != pattern(seed, i))
			return i;
	return -1;
}

/* Can the kernel read there? */
static bool readable(const uint8_t *p)
{
	int pipes[2];
	bool ok;

	if (pipe(pipes))
		return false;
	ok = write(pipes[1], p, 1) == 1;
	close(pipes[0]);
	close(pipes[1]);
	return ok;
}

/* At an address that the kernel chooses. */
static void map_it(FIXTURE_DATA(giant) *self, int prot)
{
	self->p = mmap(NULL, GB, prot, MAP_SHARED, self->s.fd, 0);
	if (self->p == MAP_FAILED)
		err(1, "mmap");
}

/* A new mount, where @text is the layout, with nothing mapped before. */
static void mount_again(struct __test_metadata *_metadata,
			FIXTURE_DATA(giant) *self, const char *text)
{
	ASSERT_EQ(0, server_stop(&self->s));
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_FAMFS));
	server_start_f(&self->s, text);
	map_it(self, PROT_READ | PROT_WRITE);
}

FIXTURE_SETUP(giant)
{
	long before;

	BEGIN(DAX_BIG);
	if (not_giant(DAX_BIG))
		SKIP(return, "%s", not_giant(DAX_BIG));
	/* forgets failed pages */
	ASSERT_EQ(0, dax_rebind(DAX_BIG));
	server_start_f(&self->s, layout);
	map_it(self, PROT_READ | PROT_WRITE);
	/* the kernel has chosen an address that allows it */
	EXPECT_EQ(0, (uintptr_t)self->p % GB);
	before = faults();
	fill(self->p, 1);
	EXPECT_EQ(1, faults() - before);
}

FIXTURE_TEARDOWN(giant)
{
	EXPECT_EQ(0, server_stop(&self->s));
	END();
}

TEST_F(giant, read_and_write)
{
	long before;
	uint8_t c;
	size_t i;

	for (i = 0; i < NR_PMD; i++) {
		ASSERT_EQ(1, pread(self->s.fd, &c, 1, i * PMD + i));
		ASSERT_EQ(pattern(1, i), c);
		c = pattern(2, i);
		ASSERT_EQ(1, pwrite(self->s.fd, &c, 1, i * PMD + i));
	}
	EXPECT_EQ(-1, check(self->p, 2));

	/* and mapped again */
	for (i = 0; i < 3; i++) {
		munmap(self->p, GB);
		map_it(self, PROT_READ | PROT_WRITE);
		before = faults();
		EXPECT_EQ(-1, check(self->p, 2));
		EXPECT_EQ(1, faults() - before);
		/* what has been read can be written without another fault */
		fill(self->p, 2);
		EXPECT_EQ(1, faults() - before);
	}
}

/* Map the file where the address does not allow 1 GiB. */
static uint8_t *map_skewed(FIXTURE_DATA(giant) *self, size_t skew)
{
	return map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, self->s.fd, 0, GB, skew);
}

/* Where the address does not allow 1 GiB, smaller pages map the same memory. */
TEST_F(giant, other_addresses)
{
	uint8_t *pmd = map_skewed(self, PMD);
	uint8_t *pte = map_skewed(self, PAGE);
	size_t i;

	EXPECT_EQ(-1, check(pmd, 1));
	EXPECT_EQ(-1, check(pte, 1));
	fill(pte, 3);
	EXPECT_EQ(-1, check(pmd, 3));
	EXPECT_EQ(-1, check(self->p, 3));
	/* and so does a part of the file */
	pte = map_at(PMD, PROT_READ, MAP_SHARED, self->s.fd, 6 * PMD, PMD, 0);
	for (i = 0; i < PMD; i += PAGE)
		ASSERT_EQ(self->p[6 * PMD + i], pte[i]);
}

/* Return: what a line of smaps says about the mapping at @p, in KiB, or -1. */
static long smaps(const void *p, const char *what)
{
	const char *text = strstr(read_text("/proc/self/smaps"), strf("%lx-", (long)p));

	text = text ? strstr(text, what) : NULL;
	return text ? atol(text + strlen(what)) : -1;
}

/* They do that with 2 MiB at a time, however large the entry is. */
TEST_F(giant, parts)
{
	uint8_t *pmd = map_skewed(self, PMD);
	long before = faults();
	pid_t pid;

	EXPECT_EQ(-1, check(pmd, 1));
	fill(pmd, 2);
	EXPECT_EQ(NR_PMD, faults() - before);
	EXPECT_EQ(-1, check(self->p, 2));
	EXPECT_EQ(GB / KB, smaps(pmd, "Rss:"));
	EXPECT_EQ(GB / KB, smaps(pmd, "Referenced:"));

	/* each is taken apart, protected and unmapped for itself */
	ASSERT_EQ(0, munmap(pmd + 3 * PMD + PAGE, PAGE));
	ASSERT_EQ(0, mprotect(pmd + 7 * PMD, PAGE, PROT_READ));
	ASSERT_EQ(0, madvise(pmd + 9 * PMD, 4 * PMD, MADV_DONTNEED));
	EXPECT_EQ(-1, check(pmd, 2));
	pid = child_start();
	if (!pid)
		_exit(check(pmd, 2) != -1 || check(self->p, 2) != -1);
	EXPECT_EQ(0, child_wait(pid));
	ASSERT_EQ(0, munmap(pmd, GB / 2));
	munmap(self->p, GB);
	map_it(self, PROT_READ | PROT_WRITE);
	before = faults();
	EXPECT_EQ(-1, check(self->p, 2));
	EXPECT_EQ(1, faults() - before);
	EXPECT_EQ(0, dax_unbind(DAX_BIG));
	EXPECT_FALSE(try_read(pmd + GB - 1, NULL));
}

/* A private mapping has them as well, until it is written to. */
TEST_F(giant, private_parts)
{
	uint8_t *p = map_at(GB, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->s.fd, 0, GB, PMD);
	long before = faults();

	EXPECT_EQ(-1, check(p, 1));
	EXPECT_EQ(NR_PMD, faults() - before);
	p[3 * PMD + 3]++;
	EXPECT_EQ(3, check(p, 1));
	EXPECT_EQ(-1, check(self->p, 1));
	munmap(p, GB);
}

/* The first access to the file does not decide how it is mapped later. */
TEST_F(giant, small_access_first)
{
	uint8_t *pte, *pmd;
	int pipes[2];
	long before;

	munmap(self->p, GB);
	mount_again(_metadata, self, layout);
	pte = map_skewed(self, PAGE);
	pmd = map_skewed(self, PMD);
	pte[GB / 2] = 5;
	pmd[0] = 6;

	/* a page in use keeps its entry, unless 1 GiB is one folio, and its content */
	ASSERT_EQ(0, pin(pipes, pte + GB / 2));
	before = faults();
	EXPECT_EQ(6, self->p[0]);
	EXPECT_EQ(5, self->p[GB / 2]);
	EXPECT_EQ(test_folio() == GB ? 1 : 2, faults() - before);
	unpin(pipes, NULL);

	munmap(self->p, GB);
	map_it(self, PROT_READ | PROT_WRITE);
	before = faults();
	fill(self->p, 3);
	EXPECT_EQ(5, self->p[GB / 2]);
	EXPECT_EQ(1, faults() - before);
	EXPECT_EQ(-1, check(pte, 3));
	EXPECT_EQ(-1, check(pmd, 3));
}

/* Nor does it if the file has no 1 GiB in one piece. */
TEST_F(giant, small_access_first_in_pieces)
{
	long before;
	uint8_t *p;

	munmap(self->p, GB);
	mount_again(_metadata, self, pieces);
	fill(self->p, 3);
	p = map_skewed(self, 0);
	before = faults();
	EXPECT_EQ(-1, check(p, 3));
	fill(self->p, 4);
	/* what was mapped there stayed mapped */
	EXPECT_EQ(NR_PMD, faults() - before);
}

TEST_F(giant, protected_and_taken_apart)
{
	ASSERT_EQ(0, mprotect(self->p, GB, PROT_READ));
	EXPECT_ERRNO(EFAULT, pread(self->s.fd, self->p, 1, 0));
	EXPECT_EQ(-1, check(self->p, 1));
	ASSERT_EQ(0, mprotect(self->p, GB, PROT_READ | PROT_WRITE));
	fill(self->p, 4);
	EXPECT_EQ(-1, check(self->p, 4));

	munmap(self->p, GB);
	map_it(self, PROT_READ | PROT_WRITE);
	EXPECT_EQ(-1, check(self->p, 4));
	ASSERT_EQ(0, munmap(self->p + 3 * PMD + PAGE, PAGE));
	EXPECT_EQ(pattern(4, 5), self->p[5 * PMD + 5]);
	ASSERT_EQ(0, mprotect(self->p + 7 * PMD, PMD, PROT_READ));
	EXPECT_ERRNO(EFAULT, pread(self->s.fd, self->p + 7 * PMD, 1, 0));
	EXPECT_EQ(pattern(4, 7), self->p[7 * PMD + 7]);
	ASSERT_EQ(0, mprotect(self->p + 7 * PMD, PMD, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, check(self->p, 4));
	ASSERT_EQ(0, madvise(self->p + 4 * PMD, GB - 4 * PMD, MADV_DONTNEED));
	EXPECT_EQ(-1, check(self->p, 4));
	ASSERT_EQ(0, mprotect(self->p, 3 * PMD, PROT_READ));
	EXPECT_ERRNO(EFAULT, pread(self->s.fd, self->p, 1, 0));
	EXPECT_EQ(1, pread(self->s.fd, self->p + 4 * PMD, 1, 0));
}

/* Readers get 1 GiB as well, and so do files that can only be read. */
TEST_F(giant, read_only)
{
	int fd = server_must_open(&self->s, "f", O_RDONLY);
	long before = faults();
	uint8_t *p;

	p = mmap(NULL, GB, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, p);
	EXPECT_EQ(-1, check(p, 1));
	EXPECT_EQ(1, faults() - before);
	EXPECT_ERRNO(EFAULT, pread(fd, p, 1, 0));
}

/* Such an entry must not be taken for a table of PMDs. */
TEST_F(giant, no_access)
{
	uint8_t c;
	int mem;

	ASSERT_EQ(0, mprotect(self->p, GB, PROT_NONE));
	EXPECT_FALSE(readable(self->p + PMD));
	ASSERT_EQ(0, mprotect(self->p, GB, PROT_READ));
	EXPECT_EQ(-1, check(self->p, 1));
	ASSERT_EQ(0, mprotect(self->p, GB, PROT_NONE));
	munmap(self->p, GB);

	/* a debugger looks into it nevertheless, and maps it there */
	map_it(self, PROT_NONE);
	mem = open("/proc/self/mem", O_RDONLY);
	EXPECT_EQ(1, pread(mem, &c, 1, (uintptr_t)self->p + 3 * PMD + 3));
	EXPECT_EQ(pattern(1, 3), c);
	close(mem);
	EXPECT_FALSE(readable(self->p + 3 * PMD));
	ASSERT_EQ(0, mprotect(self->p, GB, PROT_READ));
	EXPECT_EQ(-1, check(self->p, 1));
	munmap(self->p, GB);

	map_it(self, PROT_READ | PROT_WRITE);
	EXPECT_EQ(-1, check(self->p, 1));
}

/* Space for @len that is @skew above a multiple of 1 GiB, and not mapped. */
static uint8_t *space(size_t len, size_t skew)
{
	uint8_t *p = map_at(len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, GB, skew);

	munmap(p, len);
	return p;
}

TEST_F(giant, moved)
{
	/* the last ones are where it cannot be mapped as a whole */
	const size_t skew[] = { 0, PMD, PAGE };
	long before = faults();
	uint8_t *p;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(skew); i++) {
		p = space(GB, skew[i]);
		ASSERT_EQ(p, mremap(self->p, GB, GB, MREMAP_MAYMOVE | MREMAP_FIXED, p));
		self->p = p;
		EXPECT_EQ(-1, check(self->p, 1));
		if (i)
			continue;
		/* its mapping has moved with it */
		fill(self->p, 1);
		EXPECT_EQ(0, faults() - before);
	}
}

TEST_F(giant, part_moved)
{
	uint8_t *p = space(PMD, 0);

	ASSERT_EQ(p, mremap(self->p + 3 * PMD, PMD, PMD, MREMAP_MAYMOVE | MREMAP_FIXED, p));
	EXPECT_EQ(pattern(1, 3), p[3]);
	EXPECT_EQ(pattern(1, 2), self->p[2 * PMD + 2]);
	EXPECT_EQ(pattern(1, 4), self->p[4 * PMD + 4]);
	ASSERT_EQ(self->p, mremap(self->p, 3 * PMD, PMD, 0));
	EXPECT_EQ(pattern(1, 0), self->p[0]);
}

/* Does the kernel know them at all? */
static bool has_guards(void)
{
	void *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool has = !madvise(p, PAGE, MADV_GUARD_INSTALL);

	munmap(p, PAGE);
	return has;
}

/* Page tables with guard regions are copied at fork, around 1 GiB as well. */
TEST_F(giant, guards)
{
	uint8_t *p = space(2 * GB, 0);
	int status;
	pid_t pid;

	if (!has_guards())
		SKIP(return, "no guard regions");
	/* the second half is beyond the end of the file */
	ASSERT_EQ(p, mmap(p, 2 * GB, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_FIXED, self->s.fd, 0));
	ASSERT_EQ(-1, check(p, 1));
	ASSERT_EQ(0, madvise(p + GB, PAGE, MADV_GUARD_INSTALL));
	pid = child_start();
	if (!pid) {
		status = check(p, 1) != -1;
		fill(p, 5);
		_exit(status || readable(p + GB));
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, check(p, 5));

	/* and inside of it */
	ASSERT_EQ(0, madvise(self->p + 9 * PMD + PAGE, PAGE, MADV_GUARD_INSTALL));
	EXPECT_FALSE(readable(self->p + 9 * PMD + PAGE));
	EXPECT_EQ(-1, check(self->p, 5));
	ASSERT_EQ(0, madvise(self->p, GB, MADV_GUARD_REMOVE));
	EXPECT_TRUE(readable(self->p + 9 * PMD + PAGE));
	EXPECT_EQ(-1, check(self->p, 5));
}

/* Write protection by userfaultfd is for any mapping, if nobody is asked. */
TEST_F(giant, userfaultfd)
{
	int uffd = uffd_open(self->p, GB);

	if (uffd < 0)
		SKIP(return, "no asynchronous write protection");
	/* its end resolves what was never protected */
	close(uffd);
	EXPECT_EQ(-1, check(self->p, 1));

	uffd = uffd_open(self->p, GB);
	/* nothing is protected, and all of it is resolved */
	EXPECT_EQ(0, uffd_protect(uffd, self->p, GB, false));
	EXPECT_EQ(0, uffd_protect(uffd, self->p, PMD, true));
	fill(self->p, 6);
	EXPECT_EQ(-1, check(self->p, 6));
	close(uffd);
	fill(self->p, 7);
	EXPECT_EQ(-1, check(self->p, 7));
}

/* Whatever looks at page tables reports it, and it is still mapped as a whole. */
TEST_F(giant, looked_at)
{
	const uint64_t at = 5 * PMD + 7 * PAGE;
	uint64_t entries[3] = {};
	unsigned char vec[64] = {};
	long before;
	size_t i;
	int fd;

	EXPECT_EQ(GB / KB, smaps(self->p, "Rss:"));
	EXPECT_EQ(GB / KB, smaps(self->p, "Pss:"));
	EXPECT_EQ(GB / KB, smaps(self->p, "Referenced:"));
	EXPECT_EQ(GB / KB, smaps(self->p, "Private_Dirty:"));
	read_text("/proc/self/smaps_rollup");
	read_text("/proc/self/numa_maps");

	fd = open("/proc/self/pagemap", O_RDONLY);
	ASSERT_EQ(sizeof(entries), pread(fd, entries, sizeof(entries),
					 ((uintptr_t)self->p + at) / PAGE * 8));
	close(fd);
	for (i = 0; i < ARRAY_SIZE(entries); i++) {
		/* present, of a file, mapped once */
		EXPECT_EQ(1, entries[i] >> 63);
		EXPECT_EQ(1, entries[i] >> 61 & 1);
		EXPECT_EQ(1, entries[i] >> 56 & 1);
		EXPECT_EQ(dax_pfn(DAX_BIG, at) + i, entries[i] & ((1UL << 55) - 1));
	}
	EXPECT_EQ(0, mincore(self->p + 3 * PMD, sizeof(vec) * PAGE, vec));
	for (i = 0; i < sizeof(vec); i++)
		EXPECT_EQ(1, vec[i]);

	before = faults();
	fill(self->p, 1);
	EXPECT_EQ(0, faults() - before);
}

/* So do those who have more in mind than to look. */
TEST_F(giant, advice_and_locks)
{
	EXPECT_EQ(0, write_text("/proc/self/clear_refs", "1"));
	EXPECT_EQ(-1, check(self->p, 1));
	EXPECT_EQ(0, mlock(self->p, GB));
	EXPECT_EQ(0, munlock(self->p, GB));
	EXPECT_EQ(0, madvise(self->p, GB, MADV_POPULATE_WRITE));
	madvise(self->p, GB, MADV_COLD);
	madvise(self->p + PMD, PMD, MADV_PAGEOUT);
	EXPECT_EQ(-1, check(self->p, 1));
}

/* What one thread of the race does until it is told to end. */
static volatile int refused;
static uint8_t *volatile racing;

#define GUARDED 5	/* its 2 MiB are not always readable */

static void *race_touch(void *arg)
{
	size_t i = 0;

	while (!race_over) {
		i = (i + 1) % NR_PMD;
		if (!readable(racing + i * PMD) && i != GUARDED)
			refused++;
	}
	return NULL;
}

static uint8_t *race_parts;

/* The same by 2 MiB. */
static void *race_part(void *arg)
{
	size_t i = 0;

	while (!race_over) {
		i = (i + 1) % NR_PMD;
		if (!readable(race_parts + i * PMD))
			refused++;
		if (!i)
			madvise(race_parts, GB, MADV_DONTNEED);
	}
	return NULL;
}

static void *race_zap(void *arg)
{
	while (!race_over) {
		madvise(racing + 2 * PMD, PAGE, MADV_DONTNEED);
		madvise(racing, GB, MADV_DONTNEED);
	}
	return NULL;
}

/* As a debugger looks at it: page by page. */
static void *race_remote(void *arg)
{
	char buf[64];
	struct iovec to = { buf, sizeof(buf) };
	struct iovec from = { NULL, sizeof(buf) };

	while (!race_over) {
		from.iov_base = racing + 7 * PMD;
		process_vm_readv(getpid(), &to, 1, &from, 1, 0);
	}
	return NULL;
}

static void *race_guard(void *arg)
{
	while (!race_over) {
		madvise(racing + GUARDED * PMD, PAGE, MADV_GUARD_INSTALL);
		madvise(racing + GUARDED * PMD, PAGE, MADV_GUARD_REMOVE);
	}
	return NULL;
}

/*
 * No reference may be lost: the device would stay in use. A mapping that once
 * had a table of PMDs keeps it, so there are many of them.
 */
TEST_F(giant, race)
{
	static void *(* const racers[])(void *) = {
		race_touch, race_zap, race_remote, race_guard,
	};
	double end = seconds() + 20;
	int round;

	refused = 0;
	for (round = 0; seconds() < end; round++) {
		racing = self->p;
		/* without guard regions there will be no such table */
		race(racers, 4 - round % 2, 50, NULL);
		munmap(self->p, GB);
		map_it(self, PROT_READ | PROT_WRITE);
	}
	EXPECT_EQ(0, refused);
	EXPECT_EQ(-1, check(self->p, 1));
	/* waits for pages that are in use */
	EXPECT_EQ(0, dax_unbind(DAX_BIG));
}

/* Those who want 1 GiB, and delete what is in the way of it, against the others. */
static FIXTURE_DATA(giant) *race_self;

static void *race_merge(void *arg)
{
	while (!race_over) {
		uint8_t *p = mmap(NULL, GB, PROT_READ, MAP_SHARED, race_self->s.fd, 0);

		if (!readable(p + 3 * PMD))
			refused++;
		munmap(p, GB);
	}
	return NULL;
}

static uint8_t *race_small;

static void *race_pages(void *arg)
{
	size_t i = 0;

	while (!race_over) {
		i = (i + 5) % NR_PMD;
		if (!readable(race_small + i * PMD))
			refused++;
	}
	return NULL;
}

TEST_F(giant, race_to_merge)
{
	static void *(* const racers[])(void *) = {
		race_part, race_pages, race_merge, race_merge,
	};
	int round;

	race_self = self;
	refused = 0;
	for (round = 0; round < 8; round++) {
		munmap(self->p, GB);
		mount_again(_metadata, self, layout);
		race_parts = map_skewed(self, PMD);
		race_small = map_skewed(self, PAGE);
		race(racers, 4, 40 + 20 * round, NULL);
		EXPECT_EQ(0, refused);
		fill(self->p, round);
		EXPECT_EQ(-1, check(race_parts, round));
	}
	race(racers, 4, 100, DAX_BIG);
	EXPECT_FALSE(try_read(race_parts, NULL));
	EXPECT_FALSE(try_read(self->p, NULL));
}

/* What is just being unmapped by others is in use, too. */
TEST_F(giant, race_and_unbind)
{
	static void *(* const racers[])(void *) = {
		race_touch, race_zap, race_zap, race_part,
	};
	int round;

	for (round = 0; round < 8; round++) {
		racing = self->p;
		race_parts = map_skewed(self, PMD);
		race(racers, 4, 20 + round, DAX_BIG);
		EXPECT_FALSE(try_read(self->p, NULL));
		mount_again(_metadata, self, layout);
	}
	fill(self->p, 8);
	EXPECT_EQ(-1, check(self->p, 8));
}

TEST_F(giant, private_mapping)
{
	uint8_t *priv = mmap(NULL, GB, PROT_READ | PROT_WRITE, MAP_PRIVATE, self->s.fd, 0);

	ASSERT_NE(MAP_FAILED, priv);
	EXPECT_EQ(-1, check(priv, 1));
	priv[2 * PMD + 2] ^= 1;
	priv[9 * PMD + PAGE]++;
	EXPECT_EQ(pattern(1, 2) ^ 1, priv[2 * PMD + 2]);
	EXPECT_EQ(-1, check(self->p, 1));
}

TEST_F(giant, fork)
{
	pid_t pid = child_start();
	int status;

	if (!pid) {
		status = check(self->p, 1) != -1;
		fill(self->p, 5);
		munmap(self->p + PMD, PMD);
		_exit(status);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(-1, check(self->p, 5));
}

/* Only what a failed page needs is taken from the others. */
TEST_F(giant, memory_failure)
{
	const size_t bad = 100 * MB + 7 * PAGE;
	struct fault f;
	char c;
	size_t i;

	if (!can_poison())
		SKIP(return, "no injection of memory failure");
	/* whoever maps the page is told at once */
	note_faults(&f);
	ASSERT_EQ(0, dax_poison(DAX_BIG, bad));
	EXPECT_EQ(SIGBUS, f.signo);
	EXPECT_EQ(self->p + bad, f.addr);
	EXPECT_EQ(PAGE, 1UL << f.lsb);
	EXPECT_LE(1, log_lines(strf("%#jx: Sending SIGBUS",
				    (uintmax_t)dax_pfn(DAX_BIG, bad))));
	EXPECT_FALSE(try_read(self->p + bad, NULL));
	EXPECT_ERRNO(EIO, pread(self->s.fd, &c, 1, bad));
	for (i = 0; i < NR_PMD; i++)
		if (i != bad / PMD)
			ASSERT_EQ(pattern(1, i), self->p[i * PMD + i]);
	EXPECT_TRUE(try_write(self->p + bad + PAGE, NULL));
	EXPECT_TRUE(try_write(self->p + bad - PAGE, NULL));
	EXPECT_EQ(1, pread(self->s.fd, &c, 1, bad + PAGE));
}

TEST_F(giant, unbind)
{
	struct fault f;

	ASSERT_EQ(0, dax_unbind(DAX_BIG));
	EXPECT_FALSE(try_read(self->p, &f));
	EXPECT_FALSE(try_write(self->p + GB - 1, &f));
	/* the memory can be used for something else, and come back */
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_RAM));
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_FAMFS));
	EXPECT_FALSE(try_read(self->p, &f));
	mount_again(_metadata, self, layout);
	fill(self->p, 6);
	EXPECT_EQ(-1, check(self->p, 6));
	/* folios that were not pre-built are split again when the file is gone */
	if (test_folio() == GB)
		return;
	mount_again(_metadata, self, pieces);
	fill(self->p, 7);
	EXPECT_EQ(-1, check(self->p, 7));
}

FAMFS_TEST_MAIN
