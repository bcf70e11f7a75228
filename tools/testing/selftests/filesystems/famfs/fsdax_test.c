// SPDX-License-Identifier: GPL-2.0
/*
 * What mm and fs/dax.c owe every DAX file system, tested with famfs: a mapping
 * that others zap while its memory goes away, and failed pages in huge mappings.
 */
#include <err.h>
#include <linux/udmabuf.h>
#include <sys/ioctl.h>

#include "test.h"

#define SIZE (64 * MB)

FIXTURE(fsdax)
{
	struct server s;
	uint8_t *p;	/* the file, mapped by PMDs */
};

static void mount_it(struct __test_metadata *_metadata, FIXTURE_DATA(fsdax) *self)
{
	size_t i;

	/* forgets failed pages */
	ASSERT_EQ(0, dax_rebind(DAX_SMALL));
	server_start_f(&self->s, "dev 0 $small\nfile f 644 64M simple 0:0:64M\n");
	self->p = map_rw(self->s.fd, SIZE, 0);
	for (i = 0; i < SIZE; i += PMD)
		self->p[i] = pattern(1, i);
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
