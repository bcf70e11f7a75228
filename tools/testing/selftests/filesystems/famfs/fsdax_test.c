// SPDX-License-Identifier: GPL-2.0
/*
 * What mm and fs/dax.c owe every DAX file system, tested with famfs: a mapping
 * that others zap while its memory goes away, failed pages in huge mappings, and
 * huge mappings that are only looked at.
 */
#include <err.h>
#include <linux/udmabuf.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include "test.h"

#define SIZE (64 * MB)

FIXTURE(fsdax)
{
	struct server s;
	int fd;
	uint8_t *p;	/* the file, mapped by PMDs */
};

static const char layout[] = "dev 0 $small\n"
	"file f 644 64M simple 0:0:64M\n";

static void mount_it(struct __test_metadata *_metadata,
		     FIXTURE_DATA(fsdax) *self)
{
	size_t i;

	/* forgets failed pages */
	ASSERT_EQ(0, dax_rebind(DAX_SMALL));
	server_start(&self->s, layout, NULL);
	self->fd = server_must_open(&self->s, "f", O_RDWR);
	self->p = map_rw(self->fd, SIZE, 0);
	for (i = 0; i < SIZE; i += PMD)
		self->p[i] = pattern(1, i);
}

static void unmount_it(struct __test_metadata *_metadata,
		       FIXTURE_DATA(fsdax) *self)
{
	munmap(self->p, SIZE);
	close(self->fd);
	EXPECT_EQ(0, server_stop(&self->s));
}

FIXTURE_SETUP(fsdax)
{
	BEGIN(DAX_SMALL);
	mount_it(_metadata, self);
}

FIXTURE_TEARDOWN(fsdax)
{
	unmount_it(_metadata, self);
	END();
}

/* What a thread does until it is told to end. */
static volatile int over;
static uint8_t *volatile racing;

/* A store by the kernel, which fails where one of ours would get SIGBUS. */
static void touch(int zero, uint8_t *p)
{
	if (read(zero, p, 1) != 1 && errno != EFAULT)
		err(1, "read");
}

/* Map every @step bytes of so many, and zap them again. */
static size_t racing_len, racing_step;

static void *zap(void *arg)
{
	int zero = open("/dev/zero", O_RDONLY);
	size_t i;

	while (!over) {
		for (i = 0; i < racing_len; i += racing_step)
			touch(zero, racing + i);
		madvise(racing, racing_len, MADV_DONTNEED);
	}
	close(zero);
	return NULL;
}

/* Race at @at of a mapping of @len bytes at @p. */
static void race_with_unbind(struct __test_metadata *_metadata,
			     FIXTURE_DATA(fsdax) *self, uint8_t *p, size_t len,
			     size_t at, unsigned int ms)
{
	pthread_t thread;

	ASSERT_NE(NULL, p);
	racing = p + at;
	over = 0;
	ASSERT_EQ(0, pthread_create(&thread, NULL, zap, NULL));
	usleep(ms * 1000);
	EXPECT_EQ(0, dax_unbind(DAX_SMALL));
	over = 1;
	pthread_join(thread, NULL);
	EXPECT_FALSE(try_read(p, NULL));
	munmap(p, len);
	unmount_it(_metadata, self);
	mount_it(_metadata, self);
}

/*
 * A huge entry that is being split is in use although nothing is mapped there.
 * The kernel's log has a warning if the page was taken apart meanwhile.
 */
TEST_F(fsdax, split_and_unbind)
{
	uint8_t *p;
	int round;

	racing_len = racing_step = PAGE;
	for (round = 0; round < 8; round++) {
		/* the only one in its table, whose lock all of them share */
		p = map_at(PMD, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd,
			   0, GB, 0);
		race_with_unbind(_metadata, self, p, PMD, 0, 20 + round);
	}
}

/* So is a page while its page table has gone, but not its TLB entry. */
TEST_F(fsdax, reclaim_and_unbind)
{
	uint8_t *p;
	int round;

	racing_len = PMD;
	racing_step = AROUND;
	for (round = 0; round < 8; round++) {
		/* the offset in the file differs: mapped by PTEs */
		p = map_at(SIZE - PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
			   self->fd, PAGE, PMD, 0);
		race_with_unbind(_metadata, self, p, SIZE - PAGE, 2 * PMD,
				 20 + round);
	}
}

static volatile siginfo_t told;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	told = *info;
}

/* One page is lost, not the mapping that it is in. */
TEST_F(fsdax, memory_failure)
{
	const struct sigaction sa = {
		.sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO,
	};
	const size_t bad = 3 * PMD + 5 * PAGE;
	char text[64];

	if (!can_poison())
		SKIP(return, "no hwpoison injection");
	ASSERT_EQ(0, sigaction(SIGBUS, &sa, NULL));
	ASSERT_EQ(0, dax_poison(DAX_SMALL, bad));
	EXPECT_EQ(SIGBUS, told.si_signo);
	EXPECT_EQ(self->p + bad, told.si_addr);
	EXPECT_EQ(PAGE, 1UL << told.si_addr_lsb);
	/* the log names the page, and not the huge one that it is in */
	snprintf(text, sizeof(text), "%#jx: Sending SIGBUS",
		 (uintmax_t)dax_pfn(DAX_SMALL, bad));
	EXPECT_LE(1, log_lines(text));
	signal(SIGBUS, SIG_DFL);

	EXPECT_FALSE(try_read(self->p + bad, NULL));
	EXPECT_TRUE(try_write(self->p + bad + PAGE, NULL));
	EXPECT_EQ(pattern(1, 3 * PMD), self->p[3 * PMD]);
}

/* --- Mappings of 1 GiB --- */

FIXTURE(giant)
{
	struct server s;
	int fd;
	uint8_t *p;
};

FIXTURE_SETUP(giant)
{
	long before;

	BEGIN(DAX_BIG);
	if (not_giant(DAX_BIG))
		SKIP(return, "%s", not_giant(DAX_BIG));
	server_start(&self->s, "dev 0 $big\nfile f 644 1G simple 0:0:1G\n",
		     NULL);
	self->fd = server_must_open(&self->s, "f", O_RDWR);
	self->p = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0,
			 GB, 0);
	ASSERT_NE(NULL, self->p);
	before = faults();
	self->p[0] = 1;
	self->p[GB - 1] = 1;
	ASSERT_EQ(1, faults() - before);
}

/* Whatever has looked at it: it is still mapped as a whole. */
FIXTURE_TEARDOWN(giant)
{
	long before = faults();

	self->p[PMD] = 1;
	EXPECT_EQ(0, faults() - before);
	munmap(self->p, GB);
	close(self->fd);
	EXPECT_EQ(0, server_stop(&self->s));
	END();
}

/* Return: what a line of smaps says about the mapping at @p, in KiB, or -1. */
static long smaps(const void *p, const char *what)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	bool here = false;
	char line[512];
	long kb = -1;

	while (f && kb < 0 && fgets(line, sizeof(line), f)) {
		unsigned long start, end;

		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start == (unsigned long)p;
		else if (here && !strncmp(line, what, strlen(what)))
			kb = atol(line + strlen(what));
	}
	if (f)
		fclose(f);
	return kb;
}

TEST_F(giant, smaps)
{
	EXPECT_EQ(GB / KB, smaps(self->p, "Rss:"));
	EXPECT_EQ(GB / KB, smaps(self->p, "Pss:"));
	EXPECT_EQ(GB / KB, smaps(self->p, "Referenced:"));
	EXPECT_EQ(GB / KB, smaps(self->p, "Private_Dirty:"));
}

TEST_F(giant, pagemap)
{
	const uint64_t at = 5 * PMD + 7 * PAGE;
	uint64_t entries[3] = {};
	int fd, i;

	fd = open("/proc/self/pagemap", O_RDONLY);
	ASSERT_EQ(sizeof(entries),
		  pread(fd, entries, sizeof(entries),
			((uintptr_t)self->p + at) / PAGE * 8));
	close(fd);
	for (i = 0; i < 3; i++) {
		/* present, of a file, mapped once */
		EXPECT_EQ(1, entries[i] >> 63);
		EXPECT_EQ(1, entries[i] >> 61 & 1);
		EXPECT_EQ(1, entries[i] >> 56 & 1);
		EXPECT_EQ(dax_pfn(DAX_BIG, at) + i,
			  entries[i] & ((1UL << 55) - 1));
	}
}

TEST_F(giant, mincore_and_numa_maps)
{
	unsigned char vec[64] = {};
	char buf[4096];
	size_t i;
	int fd;

	fd = open("/proc/self/numa_maps", O_RDONLY);
	EXPECT_EQ(0, mincore(self->p + 3 * PMD, sizeof(vec) * PAGE, vec));
	for (i = 0; i < sizeof(vec); i++)
		EXPECT_EQ(1, vec[i]);
	while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

/*
 * A debugger looks at memory that its process may not access. Raw devdax of this
 * alignment has no smaller pages to map instead.
 */
TEST(devdax_no_access)
{
	uint8_t *p;
	int fd, mem;
	char c;

	BEGIN(DAX_BIG);
	if (not_giant(DAX_BIG))
		SKIP(return, "%s", not_giant(DAX_BIG));
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_DISABLED));
	ASSERT_EQ(0, dax_write(DAX_BIG, "align", "1073741824"));
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_DEVDAX));

	fd = dax_open(DAX_BIG, O_RDWR);
	p = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, GB, 0);
	ASSERT_NE(NULL, p);
	p[PMD] = 7;
	mem = open("/proc/self/mem", O_RDONLY);
	ASSERT_EQ(0, mprotect(p, GB, PROT_NONE));
	EXPECT_EQ(1, pread(mem, &c, 1, (uintptr_t)p + PMD));
	EXPECT_EQ(7, c);
	ASSERT_EQ(0, mprotect(p, GB, PROT_READ | PROT_WRITE));
	EXPECT_TRUE(try_write(p + PMD, NULL));
	ASSERT_EQ(0, mprotect(p, GB, PROT_NONE));
	munmap(p, GB);
	close(mem);
	close(fd);

	EXPECT_EQ(0, dax_set_mode(DAX_BIG, DAX_DISABLED));
	EXPECT_EQ(0, dax_write(DAX_BIG, "align", "2097152"));
	END();
}

/* --- Mappings of PFNs --- */

/* Return: 0, or the line of what has failed; 255 without the facility. */
static int access_protected_pfns(void)
{
	struct udmabuf_create create = { .size = 4 * PAGE };
	int dev = open("/dev/udmabuf", O_RDWR);
	int uffd, buf;
	uint8_t *p, *mem;

	create.memfd = memfd_create("pfns", MFD_ALLOW_SEALING);
	if (dev < 0 || (int)create.memfd < 0)
		return 255;
	if (ftruncate(create.memfd, create.size) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		return __LINE__;
	mem = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED,
		   create.memfd, 0);
	mem[PAGE] = 42;
	buf = ioctl(dev, UDMABUF_CREATE, &create);
	if (buf < 0)
		return __LINE__;
	p = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, buf, 0);
	if (p == MAP_FAILED)
		return __LINE__;
	uffd = uffd_open(p, create.size);
	/* Linux 7.3 does not let userfaultfd watch such mappings */
	if (uffd < 0)
		return errno == EINVAL ? 0 : 255;
	if (uffd_protect(uffd, p, create.size, true))
		return __LINE__;
	if (p[PAGE] != 42)
		return __LINE__;
	p[2 * PAGE] = 43;
	p[PAGE] = 44;
	if (mem[PAGE] != 44 || mem[2 * PAGE] != 43)
		return __LINE__;
	return 0;
}

/*
 * Protecting leaves markers where nothing is mapped yet. It needs no file system:
 * udmabuf has a fault handler that inserts PFNs.
 */
TEST(protected_pfns)
{
	int status;
	pid_t pid;

	BEGIN();
	pid = child_start();
	if (!pid) {
		alarm(20);
		_exit(access_protected_pfns());
	}
	status = child_wait(pid);
	if (status == 255)
		SKIP(return, "no udmabuf, or no asynchronous write protection");
	/* SIGALRM: it has faulted for ever */
	EXPECT_EQ(0, status);
	END();
}

FAMFS_TEST_MAIN
