// SPDX-License-Identifier: GPL-2.0
/* Mappings of 1 GiB: one fault maps it all, and it can be taken apart again. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "util.h"

#define NR_PMD (GB / PMD)

FIXTURE(giant)
{
	struct server s;
	int fd;
	uint8_t *p;	/* the whole file */
};

/* All of the device is one file, once that its start is aligned. */
static const char layout[] = "dev 0 /dev/" DAX_BIG "\n"
	"file f 644 1G simple 0:0:1G\n";
/* The same memory in other pieces. */
static const char pieces[] = "dev 0 /dev/" DAX_BIG "\n"
	"file f 644 1G interleave 2M 1G 0:512M:512M 0:0:512M\n";

static long faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt + ru.ru_majflt;
}

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
		if (((volatile const uint8_t *)p)[i * PMD + i] !=
		    pattern(seed, i))
			return i;
	return -1;
}

/* Can the kernel write there? A store would end the process. */
static bool writable(struct server *s, uint8_t *p)
{
	int fd = server_open(s, "f", O_RDONLY);
	/* the byte that is there already */
	bool ok = pread(fd, p, 1, 0) == 1;

	close(fd);
	return ok;
}

static bool start(struct server *s, const char *text, int *fd)
{
	server_start(s, text, NULL);
	*fd = server_open(s, "f", O_RDWR);
	return *fd >= 0;
}

FIXTURE_SETUP(giant)
{
	long before;

	/* forgets failed pages */
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_DISABLED));
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_FAMFS));
	if (dax_pfn(DAX_BIG, 0) % (GB / PAGE))
		SKIP(return, "the device is not aligned to 1 GiB");
	ASSERT_TRUE(start(&self->s, layout, &self->fd));
	self->p = mmap(NULL, GB, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
		       0);
	ASSERT_NE(MAP_FAILED, self->p);
	/* the kernel has chosen an address that allows it */
	EXPECT_EQ(0, (uintptr_t)self->p % GB);
	before = faults();
	fill(self->p, 1);
	EXPECT_EQ(1, faults() - before);
}

FIXTURE_TEARDOWN(giant)
{
	munmap(self->p, GB);
	close(self->fd);
	EXPECT_EQ(0, server_stop(&self->s));
	EXPECT_EQ(0, log_problems());
}

TEST_F(giant, read_and_write)
{
	uint8_t c;
	size_t i;

	for (i = 0; i < NR_PMD; i++) {
		ASSERT_EQ(1, pread(self->fd, &c, 1, i * PMD + i));
		ASSERT_EQ(pattern(1, i), c);
		c = pattern(2, i);
		ASSERT_EQ(1, pwrite(self->fd, &c, 1, i * PMD + i));
	}
	EXPECT_EQ(-1, check(self->p, 2));
}

TEST_F(giant, mapped_again)
{
	long before;
	int i;

	for (i = 0; i < 3; i++) {
		munmap(self->p, GB);
		self->p = mmap(NULL, GB, PROT_READ | PROT_WRITE, MAP_SHARED,
			       self->fd, 0);
		ASSERT_NE(MAP_FAILED, self->p);
		before = faults();
		EXPECT_EQ(-1, check(self->p, 1));
		EXPECT_EQ(1, faults() - before);
		/* what has been read can be written without another fault */
		fill(self->p, 1);
		EXPECT_EQ(1, faults() - before);
	}
}

/* Where the address does not allow 1 GiB, smaller pages map the same memory. */
TEST_F(giant, other_addresses)
{
	uint8_t *pmd, *pte;
	size_t i;

	pmd = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0, GB,
		     PMD);
	pte = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0, GB,
		     PAGE);
	ASSERT_TRUE(pmd && pte);
	EXPECT_EQ(-1, check(pmd, 1));
	EXPECT_EQ(-1, check(pte, 1));
	fill(pte, 3);
	EXPECT_EQ(-1, check(pmd, 3));
	EXPECT_EQ(-1, check(self->p, 3));
	munmap(pte, GB);
	/* and so does a part of the file */
	pte = map_at(PMD, PROT_READ, MAP_SHARED, self->fd, 6 * PMD, PMD, 0);
	ASSERT_NE(NULL, pte);
	for (i = 0; i < PMD; i += PAGE)
		ASSERT_EQ(self->p[6 * PMD + i], pte[i]);
	munmap(pte, PMD);
	munmap(pmd, GB);
}

TEST_F(giant, taken_apart)
{
	ASSERT_EQ(0, munmap(self->p + 3 * PMD + PAGE, PAGE));
	EXPECT_EQ(pattern(1, 5), self->p[5 * PMD + 5]);
	ASSERT_EQ(0, mprotect(self->p + 7 * PMD, PMD, PROT_READ));
	EXPECT_FALSE(writable(&self->s, self->p + 7 * PMD));
	EXPECT_EQ(pattern(1, 7), self->p[7 * PMD + 7]);
	ASSERT_EQ(0, mprotect(self->p + 7 * PMD, PMD, PROT_READ | PROT_WRITE));
	EXPECT_EQ(-1, check(self->p, 1));
	ASSERT_EQ(0, madvise(self->p + 4 * PMD, GB - 4 * PMD, MADV_DONTNEED));
	EXPECT_EQ(-1, check(self->p, 1));
	ASSERT_EQ(0, mprotect(self->p, 3 * PMD, PROT_READ));
	EXPECT_FALSE(writable(&self->s, self->p));
	EXPECT_TRUE(writable(&self->s, self->p + 4 * PMD));
}

TEST_F(giant, whole_protection)
{
	ASSERT_EQ(0, mprotect(self->p, GB, PROT_READ));
	EXPECT_FALSE(writable(&self->s, self->p));
	EXPECT_EQ(-1, check(self->p, 1));
	ASSERT_EQ(0, mprotect(self->p, GB, PROT_READ | PROT_WRITE));
	fill(self->p, 4);
	EXPECT_EQ(-1, check(self->p, 4));
}

TEST_F(giant, private_mapping)
{
	uint8_t *priv = mmap(NULL, GB, PROT_READ | PROT_WRITE, MAP_PRIVATE,
			     self->fd, 0);

	ASSERT_NE(MAP_FAILED, priv);
	EXPECT_EQ(-1, check(priv, 1));
	priv[2 * PMD + 2] ^= 1;
	priv[9 * PMD + PAGE]++;
	EXPECT_EQ(pattern(1, 2) ^ 1, priv[2 * PMD + 2]);
	EXPECT_EQ(-1, check(self->p, 1));
	munmap(priv, GB);
}

TEST_F(giant, fork)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		status = check(self->p, 1) != -1;
		fill(self->p, 5);
		munmap(self->p + PMD, PMD);
		_exit(status);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(-1, check(self->p, 5));
}

static volatile sig_atomic_t told;

static void on_bus(int sig)
{
	told = 1;
}

/* Only what a failed page needs is taken from the others. */
TEST_F(giant, memory_failure)
{
	const size_t bad = 100 * MB + 7 * PAGE;
	char pfn[32], c;
	size_t i;

	snprintf(pfn, sizeof(pfn), "%#jx", (uintmax_t)dax_pfn(DAX_BIG, bad));
	/* whoever maps the page is told at once */
	signal(SIGBUS, on_bus);
	if (write_text("/sys/kernel/debug/hwpoison/corrupt-pfn", pfn))
		SKIP(return, "no hwpoison injection");
	EXPECT_TRUE(told);
	EXPECT_FALSE(try_read(self->p + bad, NULL));
	EXPECT_EQ(-1, pread(self->fd, &c, 1, bad));
	EXPECT_EQ(EIO, errno);
	for (i = 0; i < NR_PMD; i++)
		if (i != bad / PMD)
			ASSERT_EQ(pattern(1, i), self->p[i * PMD + i]);
	EXPECT_TRUE(try_write(self->p + bad + PAGE, NULL));
	EXPECT_TRUE(try_write(self->p + bad - PAGE, NULL));
	EXPECT_EQ(1, pread(self->fd, &c, 1, bad + PAGE));
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
	munmap(self->p, GB);
	close(self->fd);
	ASSERT_EQ(0, server_stop(&self->s));
	ASSERT_TRUE(start(&self->s, layout, &self->fd));
	self->p = mmap(NULL, GB, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
		       0);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 6);
	EXPECT_EQ(-1, check(self->p, 6));
}

/* The pages are single pages again when the file is gone. */
TEST_F(giant, other_layout)
{
	munmap(self->p, GB);
	close(self->fd);
	ASSERT_EQ(0, server_stop(&self->s));
	ASSERT_TRUE(start(&self->s, pieces, &self->fd));
	self->p = mmap(NULL, GB, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
		       0);
	ASSERT_NE(MAP_FAILED, self->p);
	fill(self->p, 7);
	EXPECT_EQ(-1, check(self->p, 7));
}

TEST_HARNESS_MAIN
