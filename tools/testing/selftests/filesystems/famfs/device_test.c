// SPDX-License-Identifier: GPL-2.0
/* Memory that goes away under its files: unbind, removal, failure. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <linux/fuse.h>

#include "../../kselftest_harness.h"
#include "util.h"

#ifndef BUS_MCEERR_AR
#define BUS_MCEERR_AR 4
#define BUS_MCEERR_AO 5
#endif

#define LEN (8 * MB)
/* the second range of DAX_TWO begins at 128 MiB */
#define OFF (124 * MB)

FIXTURE(device)
{
	struct server s;
	char layout[256];
	int fd;		/* a file of LEN at OFF */
	int other;	/* its neighbour */
};

FIXTURE_VARIANT(device)
{
	const char *dev;
	bool ram;	/* can become system-ram */
};

FIXTURE_VARIANT_ADD(device, dynamic) { .dev = DAX_BIG, .ram = true };
FIXTURE_VARIANT_ADD(device, two_ranges) { .dev = DAX_TWO, .ram = true };
FIXTURE_VARIANT_ADD(device, pmem) { .dev = DAX_PMEM };

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_DISABLED));
	ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_FAMFS));
	snprintf(self->layout, sizeof(self->layout),
		 "dev 0 /dev/%s\nfile f 644 8M simple 0:124M:8M\n"
		 "file other 644 8M simple 0:140M:8M\n"
		 "file new 644 2M simple 0:160M:2M\n", variant->dev);
	server_start(&self->s, self->layout, NULL);
	self->fd = server_open(&self->s, "f", O_RDWR);
	self->other = server_open(&self->s, "other", O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->other);
}

FIXTURE_TEARDOWN(device)
{
	close(self->fd);
	close(self->other);
	EXPECT_EQ(0, server_stop(&self->s));
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

/* The device is gone and comes back: everything works as on the first day. */
static void mount_again(struct __test_metadata *_metadata,
			FIXTURE_DATA(device) *self,
			const FIXTURE_VARIANT(device) *variant)
{
	ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_FAMFS));
	server_start(&self->s, self->layout, NULL);
	self->fd = server_open(&self->s, "f", O_RDWR);
	self->other = server_open(&self->s, "other", O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_LE(0, self->other);
}

static void works_again(struct __test_metadata *_metadata,
			FIXTURE_DATA(device) *self,
			const FIXTURE_VARIANT(device) *variant)
{
	void *p;

	close(self->fd);
	close(self->other);
	ASSERT_EQ(0, server_stop(&self->s));
	mount_again(_metadata, self, variant);
	p = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	fill_pattern(p, LEN, 9, 0);
	EXPECT_EQ(-1, check_pattern(p, LEN, 9, 0));
	munmap(p, LEN);
}

TEST_F(device, unbind_mapped)
{
	struct fault f;
	char *pmd, *pte, *priv, c = 0;
	double start;

	pmd = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	pte = map_at(LEN, PROT_READ | PROT_WRITE, MAP_SHARED, self->other, 0,
		     PMD, PAGE);
	priv = map_file(self->other, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	ASSERT_TRUE(pmd && pte && priv);
	fill_pattern(pmd, LEN, 1, 0);
	fill_pattern(pte, LEN, 2, 0);
	priv[0] = 'a';
	priv[PAGE]++;

	start = now();
	ASSERT_EQ(0, dax_unbind(variant->dev));
	EXPECT_GT(10, now() - start);

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
	EXPECT_EQ(-1, pread(self->fd, &c, 1, 0));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(self->fd, &c, 1, LEN - 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-ENODEV, server_open(&self->s, "new", O_RDONLY));

	/* the old mount does not get in the way of the memory */
	ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_FAMFS));
	EXPECT_FALSE(try_read(pmd, NULL));
	EXPECT_EQ(-1, pread(self->fd, &c, 1, 0));
	EXPECT_EQ(0, munmap(pmd, LEN));
	EXPECT_EQ(0, munmap(pte, LEN));
	EXPECT_EQ(0, munmap(priv, LEN));
	works_again(_metadata, self, variant);
}

TEST_F(device, content_survives)
{
	char *p = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);

	ASSERT_NE(NULL, p);
	fill_pattern(p, LEN, 3, 0);
	ASSERT_EQ(0, dax_unbind(variant->dev));
	munmap(p, LEN);
	close(self->fd);
	close(self->other);
	ASSERT_EQ(0, server_stop(&self->s));
	mount_again(_metadata, self, variant);
	p = map_file(self->fd, LEN, PROT_READ, MAP_SHARED);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(-1, check_pattern(p, LEN, 3, 0));
	munmap(p, LEN);
}

/* Each child works until the device is gone, and says with 0 that it is. */
static pid_t child_reads(int fd)
{
	static char buf[64 * KB];
	pid_t pid = fork();
	size_t off = 0;

	if (pid)
		return pid;
	alarm(60);
	while (pread(fd, buf, sizeof(buf), off) == sizeof(buf))
		off = (off + sizeof(buf)) % LEN;
	_exit(errno != EIO);
}

static pid_t child_faults(int fd, size_t skew, bool write)
{
	volatile char *p;
	pid_t pid = fork();
	size_t off = 0;

	if (pid)
		return pid;
	alarm(60);
	p = map_at(LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, PMD, skew);
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
	double start;
	int i, status;

	pids[0] = child_reads(self->fd);
	pids[1] = child_reads(self->other);
	pids[2] = child_faults(self->fd, 0, true);
	pids[3] = child_faults(self->fd, PAGE, false);
	pids[4] = child_faults(self->other, 0, false);
	pids[5] = child_faults(self->other, PAGE, true);
	usleep(500000);
	start = now();
	EXPECT_EQ(0, dax_unbind(variant->dev));
	EXPECT_GT(20, now() - start);
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_EQ(0, status) {
			TH_LOG("child %d", i);
		}
	}
	works_again(_metadata, self, variant);
}

/*
 * Runs @script in a shell, which has neither our files nor our mappings, from
 * the moment when this returns.
 */
static pid_t child_shell(const char *script, const char *arg)
{
	pid_t pid = vfork();

	if (!pid) {
		/* exec would close them only after the parent has gone on */
		close_range(3, ~0U, 0);
		alarm(60);
		execl("/bin/sh", "sh", "-c", script, "sh", arg, NULL);
		_exit(127);
	}
	return pid;
}

static pid_t child_unbinds(const char *dev)
{
	return child_shell("echo $1 > /sys/bus/dax/drivers/fsdev_dax/unbind &&"
			   "echo $1 > /sys/bus/dax/drivers/fsdev_dax/remove_id",
			   dev);
}

/* While pages are pinned the unbind waits, and then it completes. */
static void unbind_pinned(struct __test_metadata *_metadata,
			  FIXTURE_DATA(device) *self,
			  const FIXTURE_VARIANT(device) *variant, size_t skew)
{
	struct iovec iov;
	char buf[PAGE];
	int pipes[2], status;
	pid_t pid;
	char *p;

	ASSERT_EQ(0, pipe(pipes));
	p = map_at(LEN, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0, PMD,
		   skew);
	ASSERT_NE(NULL, p);
	fill_pattern(p, LEN, 4, 0);
	/* the pipe has the pages themselves */
	iov = (struct iovec){ p + 3 * MB, PAGE };
	ASSERT_EQ(PAGE, vmsplice(pipes[1], &iov, 1, 0));

	pid = child_unbinds(variant->dev);
	usleep(1500000);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	/* the mapping is gone already, the memory is not */
	EXPECT_FALSE(try_read(p, NULL));
	ASSERT_EQ(PAGE, read(pipes[0], buf, PAGE));
	EXPECT_EQ(-1, check_pattern(buf, PAGE, 4, 3 * MB));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(DAX_DISABLED, dax_get_mode(variant->dev));
	munmap(p, LEN);
	close(pipes[0]);
	close(pipes[1]);
	works_again(_metadata, self, variant);
}

TEST_F(device, unbind_pinned_pmd)
{
	unbind_pinned(_metadata, self, variant, 0);
}

TEST_F(device, unbind_pinned_pte)
{
	unbind_pinned(_metadata, self, variant, PAGE);
}

/* Who pins the pages is killed: that ends the pins, and the unbind. */
TEST_F(device, unbind_pinned_by_the_dead)
{
	struct iovec iov;
	int pipes[2], status;
	pid_t pinner, pid;
	char *p;

	pinner = fork();
	if (!pinner) {
		if (pipe(pipes))
			_exit(1);
		p = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
		p[0] = 1;
		iov = (struct iovec){ p, PAGE };
		if (vmsplice(pipes[1], &iov, 1, 0) != (ssize_t)PAGE)
			_exit(1);
		usleep(1000000);
		/* faults, while the unbind waits, do not block */
		for (;;)
			try_read(p + MB, NULL);
	}
	usleep(300000);
	pid = child_unbinds(variant->dev);
	usleep(1500000);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	kill(pinner, SIGKILL);
	ASSERT_EQ(pinner, waitpid(pinner, &status, 0));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	works_again(_metadata, self, variant);
}

/* The memory becomes RAM and comes back, while an old mapping is around. */
TEST_F(device, unbind_to_ram_and_back)
{
	char *p;
	int i;

	if (!variant->ram)
		SKIP(return, "not in a node");
	p = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	fill_pattern(p, LEN, 5, 0);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_RAM));
		EXPECT_FALSE(try_read(p, NULL));
		ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_DEVDAX));
		ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_FAMFS));
		EXPECT_FALSE(try_read(p + PAGE, NULL));
	}
	munmap(p, LEN);
	works_again(_metadata, self, variant);
}

/* The last reference on a file goes away during and after the removal. */
TEST_F(device, unbind_and_close)
{
	int i, status;
	pid_t pid;
	char *p;

	for (i = 0; i < 5; i++) {
		p = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
		ASSERT_NE(NULL, p);
		fill_pattern(p, LEN, 6, 0);
		pid = child_unbinds(variant->dev);
		usleep(i * 3000);
		munmap(p, LEN);
		close(self->fd);
		close(self->other);
		EXPECT_EQ(0, server_stop(&self->s));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_FAMFS));
		server_start(&self->s, self->layout, NULL);
		self->fd = server_open(&self->s, "f", O_RDWR);
		self->other = server_open(&self->s, "other", O_RDWR);
		ASSERT_LE(0, self->fd);
		ASSERT_LE(0, self->other);
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
	pid_t pid = fork();

	if (pid)
		return pid;
	alarm(60);
	pin_to_cpu(cpu);
	sched_setscheduler(0, SCHED_FIFO, &param);
	for (;;)
		;
}

static pid_t child_unmounts(const struct server *s)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	close_range(3, ~0U, 0);
	pin_to_cpu(0);
	_exit(umount2(s->mnt, 0) ? errno : 0);
}

static pid_t child_unbinds_on(int cpu, const char *dev)
{
	pid_t pid;

	pin_to_cpu(cpu);
	pid = child_unbinds(dev);
	pin_to_cpu(0);
	return pid;
}

/*
 * Removal and unmount at the same time, and a page that both have to wait for.
 * The unmount must not finish under the notification of the removal, which can
 * not go on when the page is free, since its CPU is busy.
 */
static void unbind_and_unmount(struct __test_metadata *_metadata,
			       FIXTURE_DATA(device) *self,
			       const FIXTURE_VARIANT(device) *variant,
			       bool unbind_first)
{
	pid_t unbinder, unmounter, hog;
	struct iovec iov;
	int pipes[2], status;
	char buf[PAGE], *p;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "one CPU");
	ASSERT_EQ(0, pipe(pipes));
	p = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	fill_pattern(p, PAGE, 4, 0);
	iov = (struct iovec){ p, PAGE };
	ASSERT_EQ(PAGE, vmsplice(pipes[1], &iov, 1, 0));
	munmap(p, LEN);
	close(self->fd);
	close(self->other);

	if (unbind_first) {
		unbinder = child_unbinds_on(1, variant->dev);
		usleep(500000);
	}
	unmounter = child_unmounts(&self->s);
	usleep(500000);
	if (!unbind_first) {
		unbinder = child_unbinds_on(1, variant->dev);
		usleep(500000);
	}
	ASSERT_EQ(0, waitpid(unmounter, &status, WNOHANG));
	ASSERT_EQ(0, waitpid(unbinder, &status, WNOHANG));

	hog = child_hogs(1);
	usleep(100000);
	ASSERT_EQ(PAGE, read(pipes[0], buf, PAGE));
	usleep(300000);
	EXPECT_EQ(0, waitpid(unmounter, &status, WNOHANG)) {
		TH_LOG("unmounted under the notification");
		unmounter = 0;
	}
	kill(hog, SIGKILL);
	waitpid(hog, &status, 0);
	ASSERT_EQ(unbinder, waitpid(unbinder, &status, 0));
	EXPECT_EQ(0, status);
	if (unmounter) {
		ASSERT_EQ(unmounter, waitpid(unmounter, &status, 0));
		EXPECT_EQ(0, status);
	}
	close(pipes[0]);
	close(pipes[1]);

	/* for the teardown */
	waitpid(self->s.pid, NULL, 0);
	mount_again(_metadata, self, variant);
}

/* The notification uses the file, and the eviction waits until it does not. */
TEST_F(device, unbind_and_unmount)
{
	unbind_and_unmount(_metadata, self, variant, true);
}

/* The notification waits for the eviction; the end of the hold, for it. */
TEST_F(device, unmount_and_unbind)
{
	unbind_and_unmount(_metadata, self, variant, false);
}

static volatile struct fault async;

static void on_async_bus(int sig, siginfo_t *info, void *context)
{
	async.code = info->si_code;
	async.addr = info->si_addr;
	async.signo = sig;
}

static void expect_async(void)
{
	struct sigaction bus = {
		.sa_sigaction = on_async_bus,
		.sa_flags = SA_SIGINFO,
	};

	async.signo = 0;
	sigaction(SIGBUS, &bus, NULL);
}

/* Everything of the file but one page can be used. */
static void only_page_failed(struct __test_metadata *_metadata,
			     FIXTURE_DATA(device) *self, char *p, size_t bad)
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
	EXPECT_EQ(-1, pread(self->fd, buf, 1, bad));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(self->fd, buf, 1, bad + PAGE - 1));
	EXPECT_EQ(EIO, errno);
	/* up to it, and from behind it */
	EXPECT_EQ(PAGE, pread(self->fd, buf, 2 * PAGE, bad - PAGE));
	EXPECT_EQ(2 * PAGE, pread(self->fd, buf, 2 * PAGE, bad + PAGE));
	EXPECT_EQ(2 * PAGE, pwrite(self->fd, buf, 2 * PAGE, bad + PAGE));
	EXPECT_EQ(2 * PAGE, pread(self->other, buf, 2 * PAGE, 0));
}

static void memory_failure(struct __test_metadata *_metadata,
			   FIXTURE_DATA(device) *self,
			   const FIXTURE_VARIANT(device) *variant, size_t skew,
			   size_t bad)
{
	char *p, *q;
	int fd;

	p = map_at(LEN, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0, PMD,
		   skew);
	q = map_file(self->other, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_TRUE(p && q);
	fill_pattern(p, LEN, 7, 0);
	fill_pattern(q, LEN, 8, 0);
	expect_async();
	ASSERT_EQ(0, dax_poison(variant->dev, OFF + bad));
	EXPECT_EQ(SIGBUS, async.signo);
	EXPECT_LE(BUS_MCEERR_AR, async.code);
	EXPECT_EQ(p + bad, (char *)async.addr);

	only_page_failed(_metadata, self, p, bad);
	EXPECT_EQ(-1, check_pattern(q, LEN, 8, 0));
	fd = server_open(&self->s, "new", O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	close(fd);
	/* a new mapping finds the same */
	munmap(p, LEN);
	p = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	EXPECT_FALSE(try_read(p + bad, NULL));
	EXPECT_TRUE(try_write(p + bad + PAGE, NULL));
	EXPECT_TRUE(try_write(p + (bad + 4 * MB) % LEN, NULL));
	munmap(p, LEN);
	munmap(q, LEN);
	/* the record goes with the binding */
	ASSERT_EQ(0, dax_unbind(variant->dev));
	works_again(_metadata, self, variant);
}

TEST_F(device, memory_failure_pte)
{
	memory_failure(_metadata, self, variant, PAGE, MB + 3 * PAGE);
}

TEST_F(device, memory_failure_pmd)
{
	memory_failure(_metadata, self, variant, 0, 3 * MB + 7 * PAGE);
}

/* In the second range of DAX_TWO: offsets count over all ranges. */
TEST_F(device, memory_failure_behind)
{
	memory_failure(_metadata, self, variant, 0, 5 * MB);
}

TEST_F(device, memory_failure_unmapped)
{
	char buf[8];

	expect_async();
	ASSERT_EQ(0, dax_poison(variant->dev, OFF + MB));
	EXPECT_EQ(0, async.signo);
	EXPECT_EQ(-1, pread(self->fd, buf, 8, MB));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(8, pread(self->fd, buf, 8, MB + PAGE));
	/* of no file at all */
	ASSERT_EQ(0, dax_poison(variant->dev, 64 * MB));
	EXPECT_EQ(8, pread(self->fd, buf, 8, MB + PAGE));
	ASSERT_EQ(0, dax_unbind(variant->dev));
	works_again(_metadata, self, variant);
}

/* Failures while the file system is being unmounted. */
TEST_F(device, memory_failure_and_unmount)
{
	char pfn[32], *p;
	int i, status;
	pid_t pid;

	for (i = 0; i < 5; i++) {
		p = map_file(self->fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
		ASSERT_NE(NULL, p);
		/* not where memory has failed in the last round */
		fill_pattern(p + i * 100 * PAGE, PAGE, 7, 0);
		munmap(p, LEN);
		snprintf(pfn, sizeof(pfn), "%ju", (uintmax_t)
			 dax_pfn(variant->dev, OFF + i * 100 * PAGE));
		pid = child_shell("i=0; while [ $i -lt 100 ]; do "
				  "echo $(($1 + i)) > /sys/kernel/debug/hwpoison/corrupt-pfn;"
				  "i=$((i + 1)); done; exit 0", pfn);
		close(self->fd);
		close(self->other);
		EXPECT_EQ(0, server_stop(&self->s));
		server_start(&self->s, self->layout, NULL);
		self->fd = server_open(&self->s, "f", O_RDWR);
		self->other = server_open(&self->s, "other", O_RDWR);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
	}
	ASSERT_EQ(0, dax_unbind(variant->dev));
	works_again(_metadata, self, variant);
}

/*
 * Failures while the device is being unbound. They are recorded until its page
 * map is gone, and nothing of that may be left: kmemleak sees it.
 */
TEST_F(device, memory_failure_and_unbind)
{
	char pfn[32];
	int i, status;
	pid_t pid;

	snprintf(pfn, sizeof(pfn), "%ju",
		 (uintmax_t)dax_pfn(variant->dev, OFF + LEN));
	for (i = 0; i < 20; i++) {
		pid = child_shell("i=0; while [ $i -lt 100 ]; do "
				  "echo $(($1 + i * 7)) > /sys/kernel/debug/hwpoison/corrupt-pfn;"
				  "i=$((i + 1)); done 2> /dev/null; exit 0", pfn);
		usleep(i * 2000);
		ASSERT_EQ(0, dax_unbind(variant->dev));
		/* pages of a device that is being bound can not fail yet */
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		EXPECT_EQ(0, status);
		ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_FAMFS));
	}
	works_again(_metadata, self, variant);
}

TEST_HARNESS_MAIN
