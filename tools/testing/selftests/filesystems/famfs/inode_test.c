// SPDX-License-Identifier: GPL-2.0
/* The map of a file: retired, given up to another file, lost with a device. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include <linux/fuse.h>

#include "../../kselftest_harness.h"
#include "raw.h"
#include "util.h"

/*
 * FIRST and OTHER overlap on device 0, APART does not. BOTH has a part on each of
 * two devices.
 */
enum { FIRST, OTHER, APART, BOTH };

FIXTURE(inode) {
	struct raw r;
};

FIXTURE_SETUP(inode)
{
	struct fuse_famfs_simple_ext both[] = {
		{ .se_devindex = 0, .se_offset = 32 * MB, .se_len = 2 * MB },
		{ .se_devindex = 1, .se_offset = 0, .se_len = 2 * MB },
	};

	BEGIN(DAX_BIG, DAX_SMALL);
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_FAMFS));
	ASSERT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	raw_init(&self->r);
	raw_set_dev(&self->r, 0, DEV_BIG);
	raw_set_dev(&self->r, 1, DEV_SMALL);
	raw_set_file(&self->r, FIRST, 0, 0, 4 * MB);
	raw_set_file(&self->r, OTHER, 0, 2 * MB, 4 * MB);
	raw_set_file(&self->r, APART, 0, 16 * MB, 4 * MB);
	raw_set_map(&self->r, BOTH, 4 * MB, FUSE_FAMFS_EXT_SIMPLE, 2, both,
		    sizeof(both));
}

FIXTURE_TEARDOWN(inode)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	END();
}

static int inval_inode(const struct raw *r, unsigned int i, int64_t off)
{
	struct fuse_notify_inval_inode_out out = {
		.ino = raw_node(r, i),
		.off = off,
	};

	return raw_notify(r, FUSE_NOTIFY_INVAL_INODE, &out, sizeof(out));
}

/* --- FUSE_NOTIFY_INVAL_INODE retires the map --- */

TEST_F(inode, retired)
{
	struct fault f;
	char *p, byte;
	int fd, again;

	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, FIRST, O_RDWR);
	ASSERT_GE(fd, 0);
	p = map_file(fd, 4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	memset(p, 'a', 4 * MB);

	ASSERT_EQ(0, inval_inode(&self->r, FIRST, 0));
	EXPECT_FALSE(try_read(p, &f));
	EXPECT_EQ(SIGBUS, f.signo);
	EXPECT_EQ(-1, pread(fd, &byte, 1, 0));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, pwrite(fd, "b", 1, 0));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(-1, fsync(fd));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(1, raw_count(&self->r, FUSE_GET_FMAP));

	/* the file is elsewhere now */
	raw_set_file(&self->r, FIRST, 0, 64 * MB, 4 * MB);
	again = raw_open(&self->r, FIRST, O_RDWR);
	ASSERT_GE(again, 0);
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_EQ(1, pwrite(again, "c", 1, 0));
	EXPECT_TRUE(try_read(p, &f));
	EXPECT_EQ('c', *(volatile char *)p);
	EXPECT_EQ(0, munmap(p, 4 * MB));
	EXPECT_EQ(0, close(again));
	EXPECT_EQ(0, close(fd));
}

TEST_F(inode, attributes_only)
{
	struct fault f;
	char *p;
	int fd;

	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, FIRST, O_RDWR);
	ASSERT_GE(fd, 0);
	p = map_file(fd, 4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	*p = 1;
	ASSERT_EQ(0, inval_inode(&self->r, FIRST, -1));
	EXPECT_TRUE(try_read(p, &f));
	EXPECT_TRUE(rw_works(fd, 0));
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_EQ(0, munmap(p, 4 * MB));
	EXPECT_EQ(0, close(fd));
}

TEST_F(inode, retired_again_and_again)
{
	unsigned int i;

	raw_start(&self->r, NULL);
	for (i = 1; i <= 20; i++) {
		EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
		EXPECT_EQ(i, raw_count(&self->r, FUSE_GET_FMAP));
		EXPECT_EQ(0, inval_inode(&self->r, FIRST, 4096 * i));
		EXPECT_EQ(0, inval_inode(&self->r, FIRST, 0));
	}
}

/* The map that is on its way is the old one. */
TEST_F(inode, retired_while_fetched)
{
	pid_t pid;

	self->r.s->hold_fmap = true;
	raw_start(&self->r, NULL);
	pid = child_start();
	if (!pid)
		_exit(-raw_try_open(&self->r, FIRST, O_RDWR));
	while (!raw_count(&self->r, FUSE_GET_FMAP))
		usleep(1000);
	EXPECT_EQ(0, inval_inode(&self->r, FIRST, 0));
	self->r.s->hold_fmap = false;
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_FMAP));
}

/* --- A map that is only cached gives way --- */

TEST_F(inode, cached_gives_way)
{
	int fd;

	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, FIRST, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(rw_works(fd, 2 * MB));
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, OTHER, O_RDWR));
	EXPECT_EQ(0, raw_try_open(&self->r, APART, O_RDWR));
	EXPECT_EQ(0, close(fd));

	fd = raw_open(&self->r, OTHER, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(rw_works(fd, 0));
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, FIRST, O_RDWR));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
	/* this one was not in the way of anything */
	EXPECT_EQ(0, raw_try_open(&self->r, APART, O_RDWR));
	EXPECT_EQ(1 + 2 + 1 + 2, raw_count(&self->r, FUSE_GET_FMAP));
}

TEST_F(inode, mapped_does_not_give_way)
{
	struct fault f;
	char *p;
	int fd;

	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, FIRST, O_RDWR);
	ASSERT_GE(fd, 0);
	p = map_file(fd, 4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(0, close(fd));
	p[2 * MB] = 7;
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, OTHER, O_RDWR));
	EXPECT_TRUE(try_read(p + 2 * MB, &f));
	EXPECT_EQ(0, munmap(p, 4 * MB));
	EXPECT_EQ(0, raw_try_open(&self->r, OTHER, O_RDWR));
}

/* Pin a page: put it into a pipe. Return: the read end, or -1. */
static int pin(void *p, int *other)
{
	struct iovec iov = { p, 1 };
	int fds[2];

	if (pipe(fds))
		return -1;
	if (vmsplice(fds[1], &iov, 1, 0) != 1) {
		close(fds[0]);
		close(fds[1]);
		return -1;
	}
	*other = fds[1];
	return fds[0];
}

TEST_F(inode, pinned_does_not_give_way)
{
	int fd, in, out;
	char *p;

	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, FIRST, O_RDWR);
	ASSERT_GE(fd, 0);
	p = map_file(fd, 4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(0, close(fd));
	*p = 1;
	out = pin(p, &in);
	ASSERT_GE(out, 0);
	EXPECT_EQ(0, munmap(p, 4 * MB));
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, OTHER, O_RDWR));
	close(out);
	close(in);
	EXPECT_EQ(0, raw_try_open(&self->r, OTHER, O_RDWR));
}

/* Of an open that succeeds, nobody takes the map away. Return: 0 or 1. */
static int open_for_a_while(const struct raw *r, unsigned int i)
{
	double end = seconds() + 4;

	while (seconds() < end) {
		int fd = raw_open(r, i, O_RDWR);
		char byte;

		if (fd == -EBUSY)
			continue;
		if (fd < 0 || pread(fd, &byte, 1, 3 * MB) != 1)
			return 1;
		close(fd);
	}
	return 0;
}

TEST_F(inode, opens_race_for_memory)
{
	pid_t pids[4];
	unsigned int i;

	raw_start(&self->r, NULL);
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = child_start();
		if (!pids[i])
			_exit(open_for_a_while(&self->r, i % 2));
	}
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(0, child_wait(pids[i]));
	EXPECT_GT(raw_count(&self->r, FUSE_GET_FMAP), 10);
}

/* --- Removal of one of two devices --- */

/*
 * A page on each device is pinned, and both are unbound. Neither waits for the
 * pages of the other.
 */
TEST_F(inode, pins_on_two_devices)
{
	int fd, in[2], out[2];
	pid_t pid[2];
	char *p;

	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, BOTH, O_RDWR);
	ASSERT_GE(fd, 0);
	p = map_file(fd, 4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED);
	ASSERT_NE(NULL, p);
	p[0] = p[2 * MB] = 1;
	out[0] = pin(p, &in[0]);
	out[1] = pin(p + 2 * MB, &in[1]);
	ASSERT_GE(out[0], 0);
	ASSERT_GE(out[1], 0);
	log_lines();

	pid[0] = child_unbinds(DAX_BIG);
	pid[1] = child_unbinds(DAX_SMALL);
	EXPECT_FALSE(child_ends(pid[0], 1));
	EXPECT_FALSE(child_ends(pid[1], 1));
	/* one message per device */
	EXPECT_EQ(2, log_lines());
	close(out[1]);
	close(in[1]);
	EXPECT_TRUE(child_ends(pid[1], 10));
	EXPECT_TRUE(child_runs(pid[0]));
	close(out[0]);
	close(in[0]);
	EXPECT_TRUE(child_ends(pid[0], 10));
	EXPECT_EQ(0, child_wait(pid[0]));
	EXPECT_EQ(0, child_wait(pid[1]));
	EXPECT_EQ(0, munmap(p, 4 * MB));
	EXPECT_EQ(0, close(fd));
}

/* However many pages are pinned, the log has one message. */
TEST_F(inode, many_pins)
{
	int fd, in[16], out[16], i;
	pid_t pid;
	char *p;

	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, FIRST, O_RDWR);
	ASSERT_GE(fd, 0);
	p = map_at(4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, PMD, PAGE);
	ASSERT_NE(NULL, p);
	for (i = 0; i < 16; i++) {
		p[i * 64 * KB] = 1;
		out[i] = pin(p + i * 64 * KB, &in[i]);
		ASSERT_GE(out[i], 0);
	}
	log_lines();
	pid = child_unbinds(DAX_BIG);
	EXPECT_FALSE(child_ends(pid, 0.5));
	for (i = 0; i < 16; i++) {
		close(out[i]);
		close(in[i]);
	}
	EXPECT_TRUE(child_ends(pid, 10));
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(1, log_lines());
	EXPECT_EQ(0, munmap(p, 4 * MB));
	EXPECT_EQ(0, close(fd));
}

/* Opens that fetch the map race with an unbind: it comes to an end. */
TEST_F(inode, opens_race_with_unbind)
{
	unsigned int i;

	raw_start(&self->r, NULL);
	for (i = 0; i < 5; i++) {
		pid_t opener = child_start(), unbinder;

		if (!opener) {
			double end = seconds() + 1;

			while (seconds() < end) {
				int fd = raw_open(&self->r, APART, O_RDWR);
				char byte;

				if (fd >= 0 && pread(fd, &byte, 1, 0) < 0 &&
				    errno != EIO)
					_exit(1);
				if (fd >= 0)
					close(fd);
				inval_inode(&self->r, APART, 0);
			}
			_exit(0);
		}
		usleep(200000 + 7777 * i);
		unbinder = child_unbinds(DAX_BIG);
		EXPECT_TRUE(child_ends(unbinder, 10));
		EXPECT_EQ(0, child_wait(unbinder));
		EXPECT_EQ(0, child_wait(opener));
		EXPECT_EQ(0, raw_stop(&self->r));

		ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_FAMFS));
		raw_init(&self->r);
		raw_set_dev(&self->r, 0, DEV_BIG);
		raw_set_file(&self->r, APART, 0, 16 * MB, 4 * MB);
		raw_start(&self->r, NULL);
	}
}

/* --- What is local, and what is not --- */

TEST_F(inode, fsync_follows_the_range)
{
	char *p;
	int fd;

	if (!can_poison())
		SKIP(return, "memory failures cannot be injected");
	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, APART, O_RDWR);
	ASSERT_GE(fd, 0);
	p = map_at(4 * MB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, PMD, PAGE);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(0, fsync(fd));
	p[0] = 1;
	p[1 * MB] = 1;
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, msync(p, 4 * MB, MS_SYNC));

	/* a page that this host has not had mapped does not matter */
	ASSERT_EQ(0, dax_poison(DAX_BIG, 16 * MB + 3 * MB));
	EXPECT_EQ(0, fsync(fd));
	/* one that it has had mapped does, within the range only */
	p[512 * KB] = 1;
	ASSERT_EQ(0, munmap(p, 4 * MB));
	ASSERT_EQ(0, dax_poison(DAX_BIG, 16 * MB + 512 * KB));
	EXPECT_EQ(-1, fsync(fd));
	EXPECT_EQ(EIO, errno);
	p = map_at(4 * MB, PROT_READ, MAP_SHARED, fd, 0, PMD, PAGE);
	ASSERT_NE(NULL, p);
	EXPECT_EQ(0, msync(p + 1 * MB, 3 * MB, MS_SYNC));
	EXPECT_EQ(0, msync(p, 256 * KB, MS_SYNC));
	EXPECT_EQ(-1, msync(p, 1 * MB, MS_SYNC));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(0, munmap(p, 4 * MB));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_FSYNC));
	EXPECT_EQ(0, close(fd));

	/* the next binding forgets the failures */
	EXPECT_EQ(0, raw_stop(&self->r));
	EXPECT_EQ(0, dax_set_mode(DAX_BIG, DAX_DEVDAX));
	raw_init(&self->r);
	raw_start(&self->r, NULL);
}

TEST_F(inode, setuid_asks_once)
{
	uint64_t requests;
	int fd, i;

	self->r.s->files[FIRST].mode = S_IFREG | S_ISUID | 0755;
	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, FIRST, O_RDWR);
	ASSERT_GE(fd, 0);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	requests = raw_requests(&self->r);
	for (i = 0; i < 100; i++)
		EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	EXPECT_EQ(requests, raw_requests(&self->r));

	/* attributes that are reported end that */
	ASSERT_EQ(0, inval_inode(&self->r, FIRST, -1));
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	EXPECT_LT(requests, raw_requests(&self->r));
	requests = raw_requests(&self->r);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	EXPECT_EQ(requests, raw_requests(&self->r));
	EXPECT_EQ(0, close(fd));
}

TEST_F(inode, created_by_mknod)
{
	char path[64];
	int fd;

	self->r.s->can_mknod = true;
	self->r.s->files[FIRST].hidden = true;
	self->r.s->entry_valid = 0;
	raw_start(&self->r, NULL);
	fd = raw_open(&self->r, FIRST, O_RDWR | O_CREAT | O_TRUNC);
	ASSERT_GE(fd, 0);
	EXPECT_TRUE(rw_works(fd, 0));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_MKNOD));
	EXPECT_EQ(0, close(fd));
	/* now it exists */
	snprintf(path, sizeof(path), "%s/f%d", self->r.mnt, FIRST);
	EXPECT_EQ(-1, open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	EXPECT_EQ(EPERM, errno);
}

FAMFS_TEST_MAIN
