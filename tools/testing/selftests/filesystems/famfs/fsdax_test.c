// SPDX-License-Identifier: GPL-2.0
/*
 * What mm and fs/dax.c owe every DAX file system, tested with famfs: a mapping
 * that others zap while its memory goes away, and failed pages in huge mappings.
 */
#include <err.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "test.h"

#define SIZE (64 * MB)

FIXTURE(fsdax)
{
	struct server s;
	uint8_t *p;	/* the file, mapped by PMDs */
};

static void mount_it(struct __test_metadata *_metadata, FIXTURE_DATA(fsdax) *self)
{
	/* forgets failed pages */
	ASSERT_EQ(0, dax_rebind(DAX_SMALL));
	server_start_f(&self->s, "dev 0 $small\nfile f 644 64M simple 0:0:64M\n");
	self->p = map_rw(self->s.fd, SIZE, 0);
	touch_range(self->p, 0, SIZE, PMD, true);
}

FIXTURE_SETUP(fsdax)
{
	BEGIN(DAX_SMALL);
	mount_it(_metadata, self);
}

FIXTURE_TEARDOWN(fsdax)
{
	EXPECT_EQ(0, server_stop(&self->s));
	END();
}

/* A store by the kernel, which fails where one of ours would get SIGBUS. */
static void touch(int zero, uint8_t *p)
{
	if (read(zero, p, 1) != 1 && errno != EFAULT)
		err(1, "read");
}

/* Map every @racing_step bytes of so many, and zap them again. */
static uint8_t *volatile racing;
static size_t racing_len, racing_step;

static void *zap(void *arg)
{
	int zero = open("/dev/zero", O_RDONLY);
	size_t i;

	while (!race_over) {
		for (i = 0; i < racing_len; i += racing_step)
			touch(zero, racing + i);
		madvise(racing, racing_len, MADV_DONTNEED);
	}
	close(zero);
	return NULL;
}

/*
 * A huge entry that is being split is in use although nothing is mapped there. So
 * is a page while its page table has gone, but not its TLB entry. The kernel's log
 * has a warning if the page was taken apart meanwhile.
 */
TEST_F(fsdax, zap_and_unbind)
{
	const struct {
		size_t len, off, align, at, racing_len, step;
	} cases[] = {
		/* the only one in its table, whose lock all of them share */
		{ PMD, 0, GB, 0, PAGE, PAGE },
		/* the offset in the file differs: mapped by PTEs */
		{ SIZE - PAGE, PAGE, PMD, 2 * PMD, PMD, AROUND },
	};
	static void *(*const racers[])(void *) = { zap };
	uint8_t *p;
	int i;

	for (i = 0; i < 16; i++) {
		racing_len = cases[i / 8].racing_len;
		racing_step = cases[i / 8].step;
		p = map_at(cases[i / 8].len, PROT_READ | PROT_WRITE, MAP_SHARED, self->s.fd,
			   cases[i / 8].off, cases[i / 8].align, 0);
		racing = p + cases[i / 8].at;
		race(racers, 1, 20 + i % 8, DAX_SMALL);
		EXPECT_FALSE(try_read(p, NULL));
		EXPECT_EQ(0, server_stop(&self->s));
		mount_it(_metadata, self);
	}
}

/* --- A page table comes and goes where a PMD could be --- */

static void *guard(void *arg)
{
	while (!race_over) {
		madvise(racing + 5 * PAGE, PAGE, MADV_GUARD_INSTALL);
		madvise(racing + 5 * PAGE, PAGE, MADV_GUARD_REMOVE);
	}
	return NULL;
}

static void *load(void *arg)
{
	while (!race_over)
		(void)*(volatile uint8_t *)racing;
	return NULL;
}

static void *store(void *arg)
{
	while (!race_over)
		*(volatile uint8_t *)(racing + PAGE) = 1;
	return NULL;
}

/*
 * Faults of a page and of 2 MiB at the same place, while the table that one of them
 * needs, and the other must not find, is made by a guard page or a copy and freed
 * when it is empty.
 */
TEST_F(fsdax, page_or_pmd)
{
	static void *(*const racers[])(void *) = { zap, guard, load, load, store };
	static const int flags[] = { MAP_SHARED, MAP_PRIVATE };
	size_t i;

	racing_len = racing_step = PMD;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		racing = map_at(PMD, PROT_READ | PROT_WRITE, flags[i], self->s.fd, 0, GB, 0);
		race(racers, ARRAY_SIZE(racers), 2000, NULL);
		EXPECT_TRUE(try_write(racing, NULL));
		munmap(racing, PMD);
	}
}

/*
 * Return: how often locks of the kind that a first fault needs were taken since the
 * last call, those of the page cache's tree and the one against truncation, by
 * anybody. -1 if the kernel does not count.
 */
static long locks_taken(void)
{
	static const char * const names[] = { "&xa->xa_lock", "mapping.invalidate_lock" };
	FILE *f = fopen("/proc/lock_stat", "r");
	char line[512], *columns;
	long sum = 0, n;

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		/* a class; places in the code have no colon */
		columns = strrchr(line, ':');
		if (columns && (strstr(line, names[0]) || strstr(line, names[1])) &&
		    sscanf(columns + 1, "%*s %*s %*s %*s %*s %*s %*s %ld", &n) == 1)
			sum += n;
	}
	fclose(f);
	if (write_text("/proc/lock_stat", "0"))
		errx(1, "lock_stat");
	return sum;
}

/* What has an entry is mapped again without a lock of the file. */
TEST_F(fsdax, refaults_take_no_locks)
{
	const int passes = 16;
	size_t skew, step, tables;
	uint8_t *p;
	int pass;

	if (locks_taken() < 0)
		SKIP(return, "no lock_stat");
	/* to see that they are counted */
	EXPECT_EQ(0, server_stop(&self->s));
	mount_it(_metadata, self);
	EXPECT_LE(2 * SIZE / PMD, locks_taken());

	for (skew = 0; skew <= PAGE; skew += PAGE) {
		step = skew ? AROUND : PMD;
		/* a fault of a page that finds no table takes the long way */
		tables = skew ? SIZE / PMD + 1 : 0;
		locks_taken();
		for (pass = 0; pass < passes; pass++) {
			p = map_rw(self->s.fd, SIZE, skew);
			touch_range(p, 0, SIZE, step, true);
			munmap(p, SIZE);
		}
		/* others in the system may have taken a few */
		EXPECT_GT(4 * passes * tables + SIZE / PMD, locks_taken());
	}
}

/* A file that is memory has nothing in the page cache, and nothing evicted from it. */
TEST_F(fsdax, cachestat)
{
	uint64_t range[2] = {}, stat[5] = { 1, 1, 1, 1, 1 };
	int ret = syscall(__NR_cachestat, self->s.fd, range, stat, 0);
	size_t i;

	if (ret && errno == ENOSYS)
		SKIP(return, "no cachestat()");
	ASSERT_EQ(0, ret);
	for (i = 0; i < ARRAY_SIZE(stat); i++)
		EXPECT_EQ(0, stat[i]);
}

/* One page is lost, not the mapping that it is in. */
TEST_F(fsdax, memory_failure)
{
	const size_t bad = 3 * PMD + 5 * PAGE;
	struct fault f;

	if (!can_poison())
		SKIP(return, "no hwpoison injection");
	note_faults(&f);
	ASSERT_EQ(0, dax_poison(DAX_SMALL, bad));
	EXPECT_EQ(SIGBUS, f.signo);
	EXPECT_EQ(self->p + bad, f.addr);
	EXPECT_EQ(PAGE, 1UL << f.lsb);
	/* the log names the page, and not the huge one that it is in */
	EXPECT_LE(1, log_lines(strf("%#jx: Sending SIGBUS",
				    (uintmax_t)dax_pfn(DAX_SMALL, bad))));

	EXPECT_FALSE(try_read(self->p + bad, NULL));
	EXPECT_TRUE(try_write(self->p + bad + PAGE, NULL));
	EXPECT_EQ(pattern(1, 3 * PMD), self->p[3 * PMD]);
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
	mem = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, create.memfd, 0);
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
