// SPDX-License-Identifier: GPL-2.0
/* Memory that goes away under its files: unbind, removal, failure. */
#include <sched.h>
#include <sys/mount.h>

#include "test.h"

#define LEN (8 * MB)
/* the second range of DAX_TWO begins at 128 MiB */
#define OFF (124 * MB)

/* The device of the test, and a mount of it. */
static const char *dev;
static struct server server;
static char layout[256];
static int fd;		/* a file of LEN at OFF */
static int other;	/* its neighbour */

/* Bind, mount, open. */
static void start(struct __test_metadata *_metadata)
{
	ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	server_start_f(&server, layout);
	fd = server.fd;
	other = server_must_open(&server, "other", O_RDWR);
}

static void stop(struct __test_metadata *_metadata)
{
	EXPECT_EQ(0, server_stop(&server));
}

/* The device is gone and comes back: everything works as on the first day. */
static void works_again(struct __test_metadata *_metadata)
{
	void *p;

	stop(_metadata);
	start(_metadata);
	p = map_rw(fd, LEN, 0);
	fill_pattern(p, LEN, 9, 0);
	EXPECT_EQ(-1, check_pattern(p, LEN, 9, 0));
	munmap(p, LEN);
}

FIXTURE(device)
{
};

FIXTURE_VARIANT(device)
{
	const char *dev;
	bool dynamic;	/* in a node that it can become memory of */
};

FIXTURE_VARIANT_ADD(device, dynamic) { .dev = DAX_BIG, .dynamic = true };
FIXTURE_VARIANT_ADD(device, two_ranges) { .dev = DAX_TWO, .dynamic = true };
FIXTURE_VARIANT_ADD(device, pmem) { .dev = DAX_PMEM };

FIXTURE_SETUP(device)
{
	BEGIN(variant->dev);
	dev = variant->dev;
	/* forgets failed pages */
	ASSERT_EQ(0, dax_rebind(dev));
	snprintf(layout, sizeof(layout), "dev 0 /dev/%s\nfile f 644 8M simple 0:124M:8M\n"
		 "file other 644 8M simple 0:140M:8M\nfile new 644 2M simple 0:160M:2M\n", dev);
	start(_metadata);
}

FIXTURE_TEARDOWN(device)
{
	stop(_metadata);
	END();
}

TEST_F(device, unbind_mapped)
{
	struct fault f;
	char *pmd, *pte, *priv, c = 0;
	double begin;

	pmd = map_rw(fd, LEN, 0);
	pte = map_rw(other, LEN, PAGE);
	priv = map_file(other, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	fill_pattern(pmd, LEN, 1, 0);
	fill_pattern(pte, LEN, 2, 0);
	priv[0] = 'a';
	priv[PAGE]++;

	begin = seconds();
	ASSERT_EQ(0, dax_unbind(dev));
	EXPECT_GT(10, seconds() - begin);

	EXPECT_FALSE(try_read(pmd, &f));
	EXPECT_EQ(BUS_ADRERR, f.code);
	EXPECT_EQ(pmd, f.addr);
	EXPECT_FALSE(try_write(pmd + LEN - 1, NULL));
	EXPECT_FALSE(try_read(pte + 5 * PAGE, NULL));
	EXPECT_FALSE(try_write(pte, NULL));
	/* what was copied is the process's own */
	EXPECT_TRUE(try_read(priv, NULL));
	EXPECT_EQ('a', priv[0]);
	EXPECT_FALSE(try_read(priv + 8 * PAGE, NULL));
	EXPECT_ERRNO(EIO, pread(fd, &c, 1, 0));
	EXPECT_ERRNO(EIO, pwrite(fd, &c, 1, LEN - 1));
	EXPECT_EQ(-ENODEV, server_open(&server, "new", O_RDONLY));

	/* the old mount does not get in the way of the memory */
	ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	EXPECT_FALSE(try_read(pmd, NULL));
	EXPECT_EQ(-1, pread(fd, &c, 1, 0));
	/* and the memory has kept what was written */
	stop(_metadata);
	start(_metadata);
	EXPECT_TRUE(has_pattern(fd, LEN, 1, 0));
	works_again(_metadata);
}

/* The memory becomes RAM and comes back, while an old mapping is around. */
TEST_F(device, unbind_to_another_mode_and_back)
{
	char *p = map_rw(fd, LEN, 0);
	int i;

	fill_pattern(p, LEN, 5, 0);
	for (i = 0; i < 2; i++) {
		if (variant->dynamic) {
			ASSERT_EQ(0, dax_set_mode(dev, DAX_RAM));
			EXPECT_FALSE(try_read(p, NULL));
		}
		ASSERT_EQ(0, dax_set_mode(dev, DAX_DEVDAX));
		ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
		EXPECT_FALSE(try_read(p + PAGE, NULL));
	}
	works_again(_metadata);
}

/* Each child works until the device is gone, and says with 0 that it is. */
static pid_t child_reads(int file)
{
	static char buf[64 * KB];
	pid_t pid = child_start();
	size_t off = 0;

	if (pid)
		return pid;
	while (pread(file, buf, sizeof(buf), off) == sizeof(buf))
		off = (off + sizeof(buf)) % LEN;
	_exit(errno != EIO);
}

static pid_t child_faults(int file, size_t skew, bool write)
{
	volatile char *p;
	pid_t pid = child_start();
	size_t off = 0;

	if (pid)
		return pid;
	p = map_rw(file, LEN, skew);
	while (write ? try_write(p + off, NULL) : try_read(p + off, NULL)) {
		off = (off + 17 * PAGE) % LEN;
		if (off < 17 * PAGE)
			madvise((void *)p, LEN, MADV_DONTNEED);
	}
	_exit(0);
}

TEST_F(device, unbind_busy)
{
	pid_t pids[6];
	double begin;
	int i;

	pids[0] = child_reads(fd);
	pids[1] = child_reads(other);
	pids[2] = child_faults(fd, 0, true);
	pids[3] = child_faults(fd, PAGE, false);
	pids[4] = child_faults(other, 0, false);
	pids[5] = child_faults(other, PAGE, true);
	usleep(500000);
	begin = seconds();
	EXPECT_EQ(0, dax_unbind(dev));
	EXPECT_GT(20, seconds() - begin);
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(0, child_wait(pids[i]))
			TH_LOG("child %d", i);
	}
	works_again(_metadata);
}

/* While pages are pinned the unbind waits, and then it completes. */
TEST_F(device, unbind_pinned)
{
	const size_t skew[] = { 0, PAGE };	/* PMDs, pages */
	char buf[PAGE], *p;
	int pipes[2];
	pid_t pid;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(skew); i++) {
		p = map_rw(fd, LEN, skew[i]);
		fill_pattern(p, LEN, 4, 0);
		ASSERT_EQ(0, pin(pipes, p + 3 * MB));

		pid = child_unbinds(dev);
		usleep(1500000);
		ASSERT_TRUE(child_runs(pid));
		/* the mapping is gone already, the memory is not */
		EXPECT_FALSE(try_read(p, NULL));
		unpin(pipes, buf);
		EXPECT_EQ(-1, check_pattern(buf, PAGE, 4, 3 * MB));
		EXPECT_EQ(0, child_wait(pid));
		EXPECT_EQ(DAX_DISABLED, dax_get_mode(dev));
		works_again(_metadata);
	}
}

/* The last reference on a file goes away during and after the removal. */
TEST_F(device, unbind_and_close)
{
	int i;
	pid_t pid;
	char *p;

	for (i = 0; i < 5; i++) {
		p = map_rw(fd, LEN, 0);
		fill_pattern(p, LEN, 6, 0);
		pid = child_unbinds(dev);
		usleep(i * 3000);
		munmap(p, LEN);
		stop(_metadata);
		EXPECT_EQ(0, child_wait(pid));
		start(_metadata);
	}
}

static void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

/* Nothing else runs on this CPU, until it is killed. */
static pid_t child_hogs(int cpu)
{
	struct sched_param param = { .sched_priority = 1 };
	pid_t pid = child_start();

	if (pid)
		return pid;
	pin_to_cpu(cpu);
	sched_setscheduler(0, SCHED_FIFO, &param);
	for (;;)
		;
}

static pid_t child_unmounts(void)
{
	pid_t pid = child_start();

	if (pid)
		return pid;
	close_range(3, ~0U, 0);
	pin_to_cpu(0);
	_exit(umount2(server.mnt, 0) ? errno : 0);
}

/* On the other CPU. */
static pid_t child_unbinds_there(void)
{
	pid_t pid;

	pin_to_cpu(1);
	pid = child_unbinds(dev);
	pin_to_cpu(0);
	return pid;
}

/*
 * Removal and unmount at the same time, and a page that both have to wait for.
 * The unmount must not finish under the notification of the removal, which can
 * not go on when the page is free, since its CPU is busy. If the removal is first,
 * its notification uses the file, and the eviction waits until it does not; else
 * the notification waits for the eviction, and the end of the hold for it.
 */
TEST_F(device, unbind_and_unmount)
{
	pid_t (*const start_it[])(void) = { child_unbinds_there, child_unmounts };
	int first, pipes[2];
	pid_t pids[2], hog;
	char *p;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "one CPU");
	for (first = 0; first < 2; first++) {
		p = map_rw(fd, LEN, 0);
		fill_pattern(p, PAGE, 4, 0);
		ASSERT_EQ(0, pin(pipes, p));
		munmap(p, LEN);
		close(fd);
		close(other);

		pids[first] = start_it[first]();
		usleep(500000);
		pids[!first] = start_it[!first]();
		usleep(500000);
		ASSERT_TRUE(child_runs(pids[0]) && child_runs(pids[1]));

		hog = child_hogs(1);
		usleep(100000);
		unpin(pipes, NULL);
		usleep(300000);
		EXPECT_TRUE(child_runs(pids[1]))
			TH_LOG("unmounted under the notification");
		EXPECT_EQ(256 + SIGKILL, child_kill(hog));
		EXPECT_EQ(0, child_wait(pids[0]));
		EXPECT_EQ(0, child_wait(pids[1]));

		/* for the teardown */
		child_wait(server.pid);
		start(_metadata);
	}
}

/* Everything of the file but one page can be used. */
static void only_page_failed(struct __test_metadata *_metadata, char *p, size_t bad)
{
	struct fault f;
	char buf[2 * PAGE];
	size_t off;

	EXPECT_FALSE(try_read(p + bad + 100, &f));
	EXPECT_EQ(BUS_MCEERR_AR, f.code);
	EXPECT_EQ(p + bad, (char *)((uintptr_t)f.addr & ~(PAGE - 1)));
	EXPECT_FALSE(try_write(p + bad, NULL));
	for (off = 0; off < LEN; off += PAGE)
		if (off != bad)
			ASSERT_EQ(pattern(7, off), (uint8_t)p[off]);
	EXPECT_ERRNO(EIO, pread(fd, buf, 1, bad));
	EXPECT_ERRNO(EIO, pwrite(fd, buf, 1, bad + PAGE - 1));
	/* up to it, and from behind it */
	EXPECT_EQ(PAGE, pread(fd, buf, 2 * PAGE, bad - PAGE));
	EXPECT_EQ(2 * PAGE, pread(fd, buf, 2 * PAGE, bad + PAGE));
	EXPECT_EQ(2 * PAGE, pwrite(fd, buf, 2 * PAGE, bad + PAGE));
	EXPECT_EQ(2 * PAGE, pread(other, buf, 2 * PAGE, 0));
}

TEST_F(device, memory_failure)
{
	const struct {
		size_t skew, bad;
	} cases[] = {
		{ PAGE, MB + 3 * PAGE },
		{ 0, 3 * MB + 7 * PAGE },
		/* the first page of a folio */
		{ 0, 4 * MB },
		/* in the second range of DAX_TWO: offsets count over all ranges */
		{ 0, 5 * MB },
	};
	struct fault f;
	char *p, *q;
	size_t i;
	int new;

	if (!can_poison())
		SKIP(return, "no injection of memory failure");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		const size_t bad = cases[i].bad;

		p = map_rw(fd, LEN, cases[i].skew);
		q = map_rw(other, LEN, 0);
		fill_pattern(p, LEN, 7, 0);
		fill_pattern(q, LEN, 8, 0);
		note_faults(&f);
		ASSERT_EQ(0, dax_poison(dev, OFF + bad));
		EXPECT_EQ(SIGBUS, f.signo);
		EXPECT_LE(BUS_MCEERR_AR, f.code);
		EXPECT_EQ(p + bad, (char *)f.addr);

		only_page_failed(_metadata, p, bad);
		EXPECT_EQ(-1, check_pattern(q, LEN, 8, 0));
		new = server_open(&server, "new", O_RDWR);
		EXPECT_EQ(1, pwrite(new, "x", 1, 0));
		close(new);
		/* a new mapping finds the same */
		munmap(p, LEN);
		p = map_rw(fd, LEN, 0);
		EXPECT_FALSE(try_read(p + bad, NULL));
		EXPECT_TRUE(try_write(p + bad + PAGE, NULL));
		EXPECT_TRUE(try_write(p + (bad + 4 * MB) % LEN, NULL));
		/* the record goes with the binding */
		ASSERT_EQ(0, dax_unbind(dev));
		works_again(_metadata);
	}
}

TEST_F(device, memory_failure_unmapped)
{
	const size_t skew[] = { 0, PAGE };	/* PMDs, pages */
	struct fault f;
	char buf[8], *p;
	size_t i;

	if (!can_poison())
		SKIP(return, "no injection of memory failure");
	note_faults(&f);
	ASSERT_EQ(0, dax_poison(dev, OFF + MB));
	EXPECT_EQ(0, f.signo);
	EXPECT_ERRNO(EIO, pread(fd, buf, 8, MB));
	EXPECT_EQ(8, pread(fd, buf, 8, MB + PAGE));
	/* mapped afterwards */
	for (i = 0; i < ARRAY_SIZE(skew); i++) {
		p = map_rw(fd, LEN, skew[i]);
		EXPECT_FALSE(try_read(p + MB, &f));
		EXPECT_EQ(BUS_MCEERR_AR, f.code);
		EXPECT_TRUE(try_write(p + MB + PAGE, NULL));
		/* that has not mapped it with its neighbours */
		EXPECT_FALSE(try_read(p + MB, NULL));
	}
	p = map_file(fd, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	EXPECT_FALSE(try_write(p + MB, NULL));
	EXPECT_TRUE(try_write(p + MB + PAGE, NULL));
	/* of no file at all */
	ASSERT_EQ(0, dax_poison(dev, 64 * MB));
	EXPECT_EQ(8, pread(fd, buf, 8, MB + PAGE));
	ASSERT_EQ(0, dax_unbind(dev));
	works_again(_metadata);
}

/* Let 100 pages fail, each @step behind the one before. */
static pid_t child_poisons(uint64_t off, int step)
{
	char script[256];

	snprintf(script, sizeof(script), "i=0; while [ $i -lt 100 ]; do "
		 "echo $(($1 + i * %d)) > /sys/kernel/debug/hwpoison/corrupt-pfn;"
		 "i=$((i + 1)); done 2> /dev/null; exit 0", step);
	return child_shell(script, strf("%ju", (uintmax_t)dax_pfn(dev, off)));
}

/* Failures while the file system is being unmounted. */
TEST_F(device, memory_failure_and_unmount)
{
	pid_t pid;
	char *p;
	int i;

	if (!can_poison())
		SKIP(return, "no injection of memory failure");
	for (i = 0; i < 5; i++) {
		p = map_rw(fd, LEN, 0);
		/* not where memory has failed in the last round */
		fill_pattern(p + i * 100 * PAGE, PAGE, 7, 0);
		munmap(p, LEN);
		pid = child_poisons(OFF + i * 100 * PAGE, 1);
		stop(_metadata);
		start(_metadata);
		EXPECT_EQ(0, child_wait(pid));
		/* all rounds together say more than the log holds */
		EXPECT_EQ(0, log_problems());
	}
	ASSERT_EQ(0, dax_unbind(dev));
	works_again(_metadata);
}

/*
 * Failures while the device is being unbound. They are recorded until its page
 * map is gone, and nothing of that may be left: kmemleak sees it.
 */
TEST_F(device, memory_failure_and_unbind)
{
	pid_t pid;
	int i;

	if (!can_poison())
		SKIP(return, "no injection of memory failure");
	for (i = 0; i < 20; i++) {
		pid = child_poisons(OFF + LEN, 7);
		usleep(i * 2000);
		ASSERT_EQ(0, dax_unbind(dev));
		/* pages of a device that is being bound cannot fail yet */
		EXPECT_EQ(0, child_wait(pid));
		EXPECT_EQ(0, log_problems());
		ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	}
	works_again(_metadata);
}

FAMFS_TEST_MAIN
