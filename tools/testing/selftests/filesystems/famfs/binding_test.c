// SPDX-License-Identifier: GPL-2.0
/* The character device of a dax device, across the drivers that bind to it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../kselftest_harness.h"
#include "util.h"

#define LEN (8 * MB)
/* the second range of DAX_TWO begins here */
#define SEAM (128 * MB)

FIXTURE(binding)
{
	const char *dev;
	char path[32];		/* the node of devtmpfs */
	char node[32];		/* another inode of the same device */
	uint64_t size;
};

FIXTURE_VARIANT(binding)
{
	const char *dev;
	bool dynamic;
};

FIXTURE_VARIANT_ADD(binding, dynamic) { .dev = DAX_BIG, .dynamic = true };
FIXTURE_VARIANT_ADD(binding, two_ranges) { .dev = DAX_TWO, .dynamic = true };
FIXTURE_VARIANT_ADD(binding, pmem) { .dev = DAX_PMEM };

FIXTURE_SETUP(binding)
{
	char size[64];
	struct stat st;

	BEGIN(variant->dev, DAX_BIG);
	self->dev = variant->dev;
	snprintf(self->path, sizeof(self->path), "/dev/%s", self->dev);
	snprintf(self->node, sizeof(self->node), "/tmp/node.%d", getpid());
	snprintf(size, sizeof(size), "/sys/bus/dax/devices/%s/size", self->dev);
	self->size = read_number(size);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	ASSERT_EQ(0, stat(self->path, &st));
	ASSERT_EQ(0, mknod(self->node, S_IFCHR | 0600, st.st_rdev));
}

FIXTURE_TEARDOWN(binding)
{
	unlink(self->node);
	EXPECT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	END();
}

static void *map_fd(int fd)
{
	return map_file(fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
}

/* The mapping and its descriptor cannot be used. */
static void devdax_dead(struct __test_metadata *_metadata, int fd, char *p)
{
	EXPECT_FALSE(try_read(p, NULL));
	EXPECT_FALSE(try_write(p, NULL));
	EXPECT_FALSE(try_write(p + LEN - PAGE, NULL));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENXIO, errno);
}

static void famfs_dead(struct __test_metadata *_metadata, int fd)
{
	char c = 0;

	EXPECT_EQ(-1, pread(fd, &c, 1, 0));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, pwrite(fd, &c, 1, 0));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(ENXIO, errno);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
}

static void devdax_works(struct __test_metadata *_metadata, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char c, *p;

	ASSERT_LE(0, fd) {
		TH_LOG("%s: %m", path);
	}
	p = map_fd(fd);
	ASSERT_NE(NULL, p);
	EXPECT_TRUE(try_write(p + LEN - 1, NULL));
	EXPECT_EQ(-1, read(fd, &c, 1));
	EXPECT_EQ(EINVAL, errno);
	munmap(p, LEN);
	close(fd);
}

static void famfs_works(struct __test_metadata *_metadata, const char *path)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char c;

	ASSERT_LE(0, fd) {
		TH_LOG("%s: %m", path);
	}
	EXPECT_EQ(1, pread(fd, &c, 1, LEN));
	EXPECT_EQ(1, pwrite(fd, &c, 1, LEN));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0));
	EXPECT_EQ(ENODEV, errno);
	close(fd);
}

/* What was opened and mapped in devdax mode does not come back to life. */
TEST_F(binding, devdax_across_famfs)
{
	int fd = open(self->path, O_RDWR);
	char *p = map_fd(fd);

	ASSERT_NE(NULL, p);
	ASSERT_TRUE(try_write(p, NULL));
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	devdax_dead(_metadata, fd, p);
	famfs_works(_metadata, self->path);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	devdax_dead(_metadata, fd, p);
	devdax_works(_metadata, self->path);
	devdax_dead(_metadata, fd, p);
	munmap(p, LEN);
	close(fd);
	devdax_works(_metadata, self->path);
}

TEST_F(binding, famfs_across_devdax)
{
	char c;
	int fd;

	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = open(self->path, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(1, pread(fd, &c, 1, 0));
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	famfs_dead(_metadata, fd);
	devdax_works(_metadata, self->path);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	famfs_dead(_metadata, fd);
	famfs_works(_metadata, self->path);
	close(fd);
	famfs_works(_metadata, self->path);
}

/* The same driver again is another binding. */
TEST_F(binding, devdax_again)
{
	int fd = open(self->path, O_RDWR);
	char *p = map_fd(fd);

	ASSERT_NE(NULL, p);
	ASSERT_TRUE(try_write(p, NULL));
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DISABLED));
	devdax_dead(_metadata, fd, p);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	devdax_dead(_metadata, fd, p);
	devdax_works(_metadata, self->path);
	munmap(p, LEN);
	close(fd);
	devdax_works(_metadata, self->path);
}

TEST_F(binding, famfs_again)
{
	int fd;

	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = open(self->path, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DISABLED));
	famfs_dead(_metadata, fd);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	famfs_dead(_metadata, fd);
	famfs_works(_metadata, self->path);
	close(fd);
}

/* An inode that is open gets the driver of the moment, as any other does. */
TEST_F(binding, open_follows_the_driver)
{
	int fds[2][4], i, n = 0;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
		devdax_works(_metadata, self->path);
		devdax_works(_metadata, self->node);
		fds[i][n] = open(self->path, O_RDWR);
		fds[i][n + 1] = open(self->node, O_RDWR);
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
		famfs_works(_metadata, self->path);
		famfs_works(_metadata, self->node);
		fds[i][n + 2] = open(self->path, O_RDWR);
		fds[i][n + 3] = open(self->node, O_RDWR);
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DISABLED));
		EXPECT_EQ(-1, open(self->path, O_RDWR));
		EXPECT_EQ(ENXIO, errno);
		EXPECT_EQ(-1, open(self->node, O_RDWR));
		EXPECT_EQ(ENXIO, errno);
	}
	if (variant->dynamic) {
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_RAM));
		EXPECT_EQ(-1, open(self->path, O_RDWR));
		EXPECT_EQ(ENXIO, errno);
	}
	for (i = 0; i < 8; i++)
		close(fds[i / 4][i % 4]);
}

/* read(2) and write(2), over the seam between two ranges and at the end. */
TEST_F(binding, read_and_write)
{
	char *buf = malloc(2 * MB), *p, c = 0;
	int fd;

	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = open(self->path, O_RDWR);
	ASSERT_LE(0, fd);

	EXPECT_EQ((off_t)self->size, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, read(fd, &c, 1));
	EXPECT_EQ(-1, write(fd, &c, 1));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(-1, pwrite(fd, &c, 1, self->size + MB));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, pread(fd, &c, 1, self->size + MB));
	EXPECT_EQ(0, pwrite(fd, &c, 0, self->size));
	EXPECT_EQ(-1, lseek(fd, self->size + 1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);

	fill_pattern(buf, 2 * MB, 1, 0);
	EXPECT_EQ(2 * MB, pwrite(fd, buf, 2 * MB, SEAM - MB + 5));
	EXPECT_EQ(7, pwrite(fd, buf, 2 * MB, self->size - 7));
	EXPECT_EQ(0, fsync(fd));
	memset(buf, 0, 2 * MB);
	EXPECT_EQ(2 * MB, pread(fd, buf, 2 * MB, SEAM - MB + 5));
	EXPECT_EQ(-1, check_pattern(buf, 2 * MB, 1, 0));
	memset(buf, 0, 2 * MB);
	EXPECT_EQ(7, pread(fd, buf, 2 * MB, self->size - 7));
	EXPECT_EQ(-1, check_pattern(buf, 7, 1, 0));
	close(fd);

	/* devdax mode finds the same at the same place */
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	fd = open(self->path, O_RDWR);
	p = map_at(LEN, PROT_READ, MAP_SHARED, fd, SEAM - LEN / 2, PMD, 0);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(-1, check_pattern(p + LEN / 2 - MB + 5, 2 * MB, 1, 0));
	munmap(p, LEN);
	close(fd);
	free(buf);
}

/* A buffer that is only there in part gives a short count, and then an error. */
TEST_F(binding, bad_buffer)
{
	char *buf = mmap(NULL, 2 * MB, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t good = MB + PAGE;
	int fd;

	ASSERT_NE(MAP_FAILED, buf);
	munmap(buf + good, 2 * MB - good);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = open(self->path, O_RDWR);
	ASSERT_LE(0, fd);
	fill_pattern(buf, good, 2, 0);
	EXPECT_EQ((ssize_t)good, pwrite(fd, buf, 2 * MB, 0));
	EXPECT_EQ(-1, pwrite(fd, buf + good, PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
	memset(buf, 0, good);
	EXPECT_EQ((ssize_t)good, pread(fd, buf, 2 * MB, 0));
	EXPECT_EQ(-1, check_pattern(buf, good, 2, 0));
	EXPECT_EQ(-1, pread(fd, buf + good, PAGE, 0));
	EXPECT_EQ(EFAULT, errno);
	munmap(buf, good);
	close(fd);
}

/* Pages that have failed, and only they, cannot be read or written. */
TEST_F(binding, failed_page)
{
	char *buf = malloc(4 * PAGE);
	const off_t bad = SEAM - 2 * PAGE;
	int fd;

	if (!can_poison())
		SKIP(return, "memory failures cannot be injected");
	ASSERT_NE(NULL, buf);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = open(self->path, O_RDWR);
	ASSERT_LE(0, fd);
	/* of memory that no file system has, nobody can be told */
	EXPECT_EQ(-EBUSY, dax_poison(self->dev, bad));
	EXPECT_EQ(-1, pread(fd, buf, 1, bad + 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(fd, buf, 1, bad + PAGE - 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(PAGE + 3, pread(fd, buf, 4 * PAGE, bad - PAGE - 3));
	EXPECT_EQ(PAGE + 3, pwrite(fd, buf, 4 * PAGE, bad - PAGE - 3));
	EXPECT_EQ(3 * PAGE, pread(fd, buf, 3 * PAGE, bad + PAGE));
	free(buf);
	close(fd);
}

/* While a file system holds the device it is busy. */
TEST_F(binding, held)
{
	struct server s;
	char layout[128], c = 0;
	int fd, file;

	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	fd = open(self->path, O_RDWR);
	ASSERT_LE(0, fd);
	snprintf(layout, sizeof(layout),
		 "dev 0 %s\nfile f 644 2M simple 0:0:2M\n", self->path);
	server_start(&s, layout, NULL);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	file = server_open(&s, "f", O_RDWR);
	ASSERT_LE(0, file);
	EXPECT_EQ(1, pread(file, &c, 1, 0));
	EXPECT_EQ('x', c);
	EXPECT_EQ(-1, pread(fd, &c, 1, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(-1, pwrite(fd, &c, 1, 0));
	EXPECT_EQ(EBUSY, errno);
	EXPECT_EQ(1, pwrite(file, "y", 1, 0));
	close(file);
	ASSERT_EQ(0, server_stop(&s));
	EXPECT_EQ(1, pread(fd, &c, 1, 0));
	EXPECT_EQ('y', c);
	close(fd);
}

/* Read and write without end. The child ends with 1 if an answer is wrong. */
static pid_t child_copies(const char *path, bool write)
{
	size_t len = 4 * MB;
	pid_t pid = fork();
	ssize_t n;
	char *buf;
	int fd;

	if (pid)
		return pid;
	alarm(280);
	buf = malloc(len);
	memset(buf, 1, len);
	fd = open(path, O_RDWR);
	for (;;) {
		n = write ? pwrite(fd, buf, len, LEN) : pread(fd, buf, len, 0);
		if (n <= 0 && errno != EBUSY)
			_exit(1);
	}
}

/* Whoever reads and writes does not keep a file system from the device. */
TEST_F(binding, taken_under_copies)
{
	struct server s;
	char layout[128];
	int file, i, status;
	pid_t pids[2];

	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	snprintf(layout, sizeof(layout),
		 "dev 0 %s\nfile f 644 8M simple 0:8M:8M\n", self->path);
	for (i = 0; i < 2; i++)
		pids[i] = child_copies(self->path, i);
	for (i = 0; i < 10; i++) {
		server_start(&s, layout, NULL);
		file = server_open(&s, "f", O_RDWR);
		EXPECT_LE(0, file);
		close(file);
		EXPECT_EQ(0, server_stop(&s));
	}
	for (i = 0; i < 2; i++) {
		kill(pids[i], SIGKILL);
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

/* A write that runs can be killed, and does not keep the driver either. */
TEST_F(binding, unbound_under_copies)
{
	int i, status;
	pid_t pids[2];

	for (i = 0; i < 2; i++)
		pids[i] = 0;
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	for (i = 0; i < 2; i++)
		pids[i] = child_copies(self->path, i);
	usleep(300000);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DEVDAX));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_TRUE(WIFEXITED(status));
	}
}

/* Of the driver of the region: "dax0.0" of the nd bus, "hmem.1". */
static bool region_driver(const char *dev, char *driver, char *name, size_t len)
{
	char path[128], real[256];
	char *slash;

	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/..", dev);
	if (!realpath(path, real))
		return false;
	slash = strrchr(real, '/');
	snprintf(name, len, "%s", slash + 1);
	strcat(real, "/driver");
	return realpath(real, driver);
}

static int driver_attr(const char *driver, const char *attr, const char *text)
{
	char path[PATH_MAX + 32];

	snprintf(path, sizeof(path), "%s/%s", driver, attr);
	return write_text(path, text);
}

/*
 * The device goes away and is there again: the region of a static device, as by
 * "ndctl disable-namespace", else its driver.
 */
static int take_away(const char *dev, bool dynamic)
{
	char driver[PATH_MAX], name[64];
	int err;

	if (dynamic)
		return dax_unbind(dev);
	if (!region_driver(dev, driver, name, sizeof(name)))
		return -ENODEV;
	err = driver_attr(driver, "unbind", name);
	/* by which it would be bound as soon as it is there again */
	driver_attr("/sys/bus/dax/drivers/fsdev_dax", "remove_id", dev);
	return err ? err : driver_attr(driver, "bind", name);
}

static bool wait_for(pid_t pid, int seconds)
{
	int i, status = -1;

	for (i = 0; i < seconds * 100; i++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return !status;
		usleep(10000);
	}
	return false;
}

/* A file system that comes when the device goes does not keep it unseen. */
TEST_F(binding, taken_while_going)
{
	struct server s;
	char layout[128], c, *p;
	int file, i;
	pid_t pid;

	snprintf(layout, sizeof(layout),
		 "dev 0 %s\nfile f 644 8M simple 0:0:8M\n", self->path);
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
		server_start(&s, layout, NULL);
		pid = fork();
		if (!pid) {
			usleep(i * 500);
			_exit(-take_away(self->dev, variant->dynamic));
		}
		file = server_open(&s, "f", O_RDWR);
		p = file < 0 ? NULL : map_fd(file);
		if (p)
			try_write(p, NULL);
		EXPECT_TRUE(wait_for(pid, 30));
		ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
		if (file >= 0) {
			EXPECT_EQ(-1, pread(file, &c, 1, 0));
			EXPECT_EQ(EIO, errno);
			close(file);
		}
		if (p) {
			EXPECT_FALSE(try_read(p, NULL));
			munmap(p, LEN);
		}
		EXPECT_EQ(0, server_stop(&s));
	}
}

/* Neither size, alignment nor ranges of a device change under a driver. */
TEST_F(binding, layout_is_busy)
{
	static const enum dax_mode modes[] = { DAX_DEVDAX, DAX_FAMFS };
	char path[64], range[64];
	uint64_t pfn = dax_pfn(self->dev, 0);
	size_t i;

	if (!variant->dynamic)
		SKIP(return, "fixed by the namespace");
	snprintf(range, sizeof(range), "%jx-%jx", (uintmax_t)(pfn * PAGE),
		 (uintmax_t)(pfn * PAGE + 2 * MB - 1));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, dax_set_mode(self->dev, modes[i]));
		snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/mapping",
			 self->dev);
		EXPECT_EQ(-EBUSY, write_text(path, range));
		snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/size",
			 self->dev);
		EXPECT_EQ(-EBUSY, write_text(path, "0"));
		snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/align",
			 self->dev);
		EXPECT_EQ(-EBUSY, write_text(path, "4096"));
	}
	/* without a driver it is the range that is wrong */
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_DISABLED));
	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/mapping", self->dev);
	EXPECT_EQ(-ENOMEM, write_text(path, range));
}

/* The way into famfs mode and back, step by step as the documentation has it. */
TEST_F(binding, documented_way)
{
	static const char drivers[] = "/sys/bus/dax/drivers/";
	static const char *const steps[][2] = {
		{ "device_dax/unbind", "device_dax/remove_id" },
		{ "fsdev_dax/new_id", NULL },
		{ "fsdev_dax/unbind", "fsdev_dax/remove_id" },
		{ "device_dax/new_id", NULL },
	};
	char path[64];
	int round, i, j;

	for (round = 0; round < 2; round++)
		for (i = 0; i < 4; i++) {
			for (j = 0; j < 2 && steps[i][j]; j++) {
				snprintf(path, sizeof(path), "%s%s", drivers,
					 steps[i][j]);
				EXPECT_EQ(0, write_text(path, self->dev)) {
					TH_LOG("%s", path);
				}
			}
			if (i == 1)
				EXPECT_EQ(DAX_FAMFS, dax_get_mode(self->dev));
		}
	EXPECT_EQ(DAX_DEVDAX, dax_get_mode(self->dev));
}

/* Opens, maps, reads and writes whatever is there, until it is killed. */
static pid_t child_uses(const char *path)
{
	static char buf[64 * KB];
	pid_t pid = fork();
	int fd;
	char *p;

	if (pid)
		return pid;
	alarm(280);
	for (;;) {
		fd = open(path, O_RDWR);
		if (fd < 0)
			continue;
		p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED) {
			try_write(p, NULL);
			try_read(p + LEN - 1, NULL);
		}
		pread(fd, buf, sizeof(buf), 0);
		pwrite(fd, buf, sizeof(buf), LEN);
		lseek(fd, 0, SEEK_END);
		if (p != MAP_FAILED) {
			try_write(p + 1, NULL);
			munmap(p, LEN);
		}
		close(fd);
	}
}

#define NR_USERS 4

static void start_users(FIXTURE_DATA(binding) *self, pid_t *pids)
{
	int i;

	for (i = 0; i < NR_USERS; i++)
		pids[i] = child_uses(i % 2 ? self->path : self->node);
}

static void stop_users(struct __test_metadata *_metadata, pid_t *pids)
{
	int i, status;

	for (i = 0; i < NR_USERS; i++) {
		kill(pids[i], SIGKILL);
		ASSERT_EQ(pids[i], waitpid(pids[i], &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
}

TEST_F(binding, modes_against_users)
{
	static const enum dax_mode modes[] = { DAX_FAMFS, DAX_DEVDAX, DAX_DISABLED,
		DAX_DEVDAX, DAX_DISABLED, DAX_FAMFS };
	pid_t pids[NR_USERS];
	int i;

	start_users(self, pids);
	for (i = 0; i < 18; i++) {
		EXPECT_EQ(0, dax_set_mode(self->dev, modes[i % 6]));
		usleep(20000);
	}
	stop_users(_metadata, pids);
}

/* The whole region goes away: "ndctl disable-namespace". */
TEST_F(binding, removal_against_users)
{
	pid_t pids[NR_USERS];
	int i;

	if (variant->dynamic)
		SKIP(return, "would lose its layout");
	start_users(self, pids);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, dax_set_mode(self->dev, i % 2 ? DAX_DEVDAX :
							    DAX_FAMFS));
		usleep(20000);
		EXPECT_EQ(0, take_away(self->dev, false));
	}
	stop_users(_metadata, pids);
}

/* Make a device of 16 MiB in the region of @dev. Its name is @new. */
static int make_device(const char *dev, char *new, size_t len)
{
	char path[64];
	ssize_t n;
	int fd, err;

	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/../dax_region/create",
		 dev);
	err = write_text(path, "1");
	if (err)
		return err;
	fd = open(path, O_RDONLY);
	n = read(fd, new, len - 1);
	close(fd);
	if (n <= 0)
		return -ENODEV;
	new[n] = 0;
	new[strcspn(new, "\n")] = 0;
	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/size", new);
	return write_text(path, "16777216");
}

static int delete_device(const char *dev, const char *new)
{
	char path[64];
	int err;

	err = dax_set_mode(new, DAX_DISABLED);
	if (err)
		return err;
	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/size", new);
	err = write_text(path, "0");
	if (err)
		return err;
	snprintf(path, sizeof(path), "/sys/bus/dax/devices/%s/../dax_region/delete",
		 dev);
	return write_text(path, new);
}

/* A device is made and deleted again under its users. */
TEST_F(binding, delete_against_users)
{
	pid_t pids[NR_USERS];
	char new[24];
	int i;

	if (!variant->dynamic)
		SKIP(return, "the region has one device");
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, make_device(self->dev, new, sizeof(new)));
		snprintf(self->path, sizeof(self->path), "/dev/%s", new);
		start_users(self, pids);
		EXPECT_EQ(0, dax_set_mode(new, i % 2 ? DAX_DEVDAX : DAX_FAMFS));
		usleep(100000);
		EXPECT_EQ(0, delete_device(self->dev, new));
		stop_users(_metadata, pids);
	}
}

/* A node can outlive its device, and is looked at by what drops caches. */
TEST_F(binding, node_without_device)
{
	char new[24], path[32], node[40];
	struct stat st;
	int fd;

	if (!variant->dynamic)
		SKIP(return, "the region has one device");
	ASSERT_EQ(0, make_device(self->dev, new, sizeof(new)));
	ASSERT_EQ(0, dax_set_mode(new, DAX_DEVDAX));
	snprintf(path, sizeof(path), "/dev/%s", new);
	snprintf(node, sizeof(node), "%s.old", self->node);
	ASSERT_EQ(0, stat(path, &st));
	ASSERT_EQ(0, mknod(node, S_IFCHR | 0600, st.st_rdev));
	devdax_works(_metadata, node);
	fd = open(node, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, delete_device(self->dev, new));
	EXPECT_EQ(-1, open(node, O_RDWR));
	EXPECT_EQ(ENXIO, errno);
	close(fd);
	EXPECT_EQ(-1, open(node, O_RDWR));
	EXPECT_EQ(ENXIO, errno);
	usleep(200000);	/* after a grace period */
	EXPECT_EQ(0, write_text("/proc/sys/vm/drop_caches", "1"));
	EXPECT_EQ(0, unlink(node));
}

/*
 * A removal that waits for a page of a file does not stop other devices, whose
 * attributes take the same lock.
 */
TEST_F(binding, removal_waits_alone)
{
	char driver[PATH_MAX], name[64], start[64], layout[128], buf[PAGE];
	int pipes[2], file, i, status;
	pid_t remover, reader;
	struct iovec iov;
	struct server s;
	char *p;

	if (variant->dynamic)
		SKIP(return, "would lose its layout");
	ASSERT_TRUE(region_driver(self->dev, driver, name, sizeof(name)));
	snprintf(start, sizeof(start), "/sys/bus/dax/devices/%s/mapping0/start",
		 DAX_BIG);
	ASSERT_EQ(0, dax_set_mode(self->dev, DAX_FAMFS));
	snprintf(layout, sizeof(layout),
		 "dev 0 %s\nfile f 644 8M simple 0:0:8M\n", self->path);
	server_start(&s, layout, NULL);
	file = server_open(&s, "f", O_RDWR);
	ASSERT_LE(0, file);
	p = map_fd(file);
	ASSERT_NE(NULL, p);
	p[0] = 1;
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	iov = (struct iovec){ p, PAGE };
	ASSERT_EQ(PAGE, vmsplice(pipes[1], &iov, 1, 0));

	remover = fork();
	if (!remover)
		_exit(driver_attr(driver, "unbind", name) != 0);
	usleep(500000);
	ASSERT_EQ(0, waitpid(remover, &status, WNOHANG));
	reader = fork();
	if (!reader) {
		alarm(60);
		read_number(start);
		_exit(0);
	}
	for (i = 0; i < 100 && waitpid(reader, &status, WNOHANG) == 0; i++)
		usleep(50000);
	EXPECT_GT(100, i);
	EXPECT_EQ(0, waitpid(remover, &status, WNOHANG));

	EXPECT_EQ(PAGE, read(pipes[0], buf, PAGE));
	ASSERT_EQ(remover, waitpid(remover, &status, 0));
	EXPECT_EQ(0, status);
	if (i == 100)
		waitpid(reader, &status, 0);
	munmap(p, LEN);
	close(file);
	close(pipes[0]);
	close(pipes[1]);
	EXPECT_EQ(0, server_stop(&s));
	driver_attr("/sys/bus/dax/drivers/fsdev_dax", "remove_id", self->dev);
	EXPECT_EQ(0, driver_attr(driver, "bind", name));
}

FAMFS_TEST_MAIN
