// SPDX-License-Identifier: GPL-2.0
/*
 * The map of a file: retired while it is fetched, given up to another file, lost
 * with a device. What a map that is retired means for its file is in size_test.
 */
#include "raw.h"
#include "test.h"

/*
 * FIRST and OTHER overlap on device 0, APART does not. BOTH has a part on each of
 * two devices.
 */
enum { FIRST, OTHER, APART, BOTH };

#define SIZE (4 * MB)
#define APART_OFF (16 * MB)

FIXTURE(inode) {
	struct raw r;
};

static void start(struct raw *r)
{
	raw_init(r);
	raw_set_dev(r, 0, DEV_BIG);
	raw_set_dev(r, 1, DEV_SMALL);
	raw_set_file(r, FIRST, 0, 0, SIZE);
	raw_set_file(r, OTHER, 0, 2 * MB, SIZE);
	raw_set_file(r, APART, 0, APART_OFF, SIZE);
	raw_set_strips(r, BOTH, 2, 2, 32 * MB, 2 * MB, 2 * MB);
	raw_start(r, NULL);
}

FIXTURE_SETUP(inode)
{
	BEGIN(DAX_BIG, DAX_SMALL);
	start(&self->r);
}

FIXTURE_TEARDOWN(inode)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	END();
}

/* Open a file and map it, with pages and not with PMDs if @skew is PAGE. */
static char *open_and_map(const struct raw *r, unsigned int i, size_t skew, int *fd)
{
	*fd = raw_must_open(r, i, O_RDWR);
	return map_rw(*fd, SIZE, skew);
}

/* The map that is on its way is the old one. */
TEST_F(inode, retired_while_fetched)
{
	pid_t pid;

	self->r.s->hold_fmap = true;
	pid = child_start();
	if (!pid)
		_exit(-raw_try_open(&self->r, FIRST, O_RDWR));
	while (!raw_count(&self->r, FUSE_GET_FMAP) && child_runs(pid))
		usleep(1000);
	EXPECT_EQ(0, raw_inval_inode(&self->r, FIRST, 0, 0));
	self->r.s->hold_fmap = false;
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_FMAP));
}

/* --- A map that is only cached gives way --- */

TEST_F(inode, cached_gives_way)
{
	int fd = raw_open(&self->r, FIRST, O_RDWR);

	EXPECT_TRUE(rw_works(fd, 2 * MB));
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, OTHER, O_RDWR));
	EXPECT_EQ(0, raw_try_open(&self->r, APART, O_RDWR));
	EXPECT_EQ(0, close(fd));
	/* until then it is there for whoever opens the file again */
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
	EXPECT_EQ(3, raw_count(&self->r, FUSE_GET_FMAP));

	fd = raw_open(&self->r, OTHER, O_RDWR);
	EXPECT_TRUE(rw_works(fd, 0));
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, FIRST, O_RDWR));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
	/* this one was not in the way of anything */
	EXPECT_EQ(0, raw_try_open(&self->r, APART, O_RDWR));
	EXPECT_EQ(1 + 2 + 1 + 2, raw_count(&self->r, FUSE_GET_FMAP));

	/* nor is one that is not cached any more */
	EXPECT_EQ(0, write_text("/proc/sys/vm/drop_caches", "2"));
	EXPECT_EQ(0, raw_try_open(&self->r, OTHER, O_RDWR));
}

TEST_F(inode, mapped_or_pinned_does_not_give_way)
{
	int fd, pipes[2];
	char *p = open_and_map(&self->r, FIRST, 0, &fd);

	EXPECT_EQ(0, close(fd));
	p[2 * MB] = 7;
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, OTHER, O_RDWR));
	EXPECT_TRUE(try_read(p + 2 * MB, NULL));
	ASSERT_EQ(0, pin(pipes, p));
	EXPECT_EQ(0, munmap(p, SIZE));
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, OTHER, O_RDWR));
	unpin(pipes, NULL);
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
 * Pages on each of two devices are pinned, and both are unbound. Neither waits for
 * the pages of the other.
 */
TEST_F(inode, pins_on_two_devices)
{
	int fd, on_big[2], also_on_big[2], on_small[2];
	char *p = open_and_map(&self->r, BOTH, PAGE, &fd);
	char *q = open_and_map(&self->r, FIRST, PAGE, &fd);
	pid_t big, small;

	p[0] = p[2 * MB] = q[0] = 1;
	ASSERT_EQ(0, pin(on_big, p));
	ASSERT_EQ(0, pin(also_on_big, q));
	ASSERT_EQ(0, pin(on_small, p + 2 * MB));
	log_lines("");

	big = child_unbinds(DAX_BIG);
	small = child_unbinds(DAX_SMALL);
	EXPECT_FALSE(child_ends(big, 1));
	EXPECT_FALSE(child_ends(small, 1));
	unpin(on_small, NULL);
	EXPECT_EQ(0, child_within(small, 10));
	EXPECT_TRUE(child_runs(big));
	/* the first of two files; then the other is waited for */
	unpin(also_on_big, NULL);
	EXPECT_FALSE(child_ends(big, 1));
	unpin(on_big, NULL);
	EXPECT_EQ(0, child_within(big, 10));
	/* one message per device, not per file */
	EXPECT_EQ(2, log_lines("in use"));
}

/*
 * A page is in a pipe, for as long as its reader likes. The server removes the file
 * and does not wait for that, but nobody else gets the memory.
 */
TEST_F(inode, removed_while_in_use)
{
	const struct {
		struct fuse_notify_delete_out out;
		char name[3];
	} del = {
		{ .parent = FUSE_ROOT_ID, .child = raw_node(&self->r, FIRST), .namelen = 2 },
		"f0",
	};
	int fd, pipes[2];
	char *p = open_and_map(&self->r, FIRST, PAGE, &fd);
	pid_t pid;

	*p = 1;
	ASSERT_EQ(0, pin(pipes, p));
	munmap(p, SIZE);
	close(fd);
	pid = child_start();
	if (!pid)
		_exit(-raw_notify(&self->r, FUSE_NOTIFY_DELETE, &del,
				  sizeof(del.out) + sizeof(del.name)));
	EXPECT_EQ(0, child_within(pid, 10));
	raw_set_file(&self->r, OTHER, 0, 0, SIZE);
	EXPECT_EQ(-EBUSY, raw_try_open(&self->r, OTHER, O_RDWR));
	unpin(pipes, NULL);
	EXPECT_EQ(0, raw_try_open(&self->r, OTHER, O_RDWR));
}

/* Fetch the map again and again. Return: 0, or 1 if an access is in error. */
static int retire_for_a_while(const struct raw *r)
{
	double end = seconds() + 1;

	while (seconds() < end) {
		int fd = raw_open(r, APART, O_RDWR);
		char byte;

		if (fd >= 0 && pread(fd, &byte, 1, 0) < 0 && errno != EIO)
			return 1;
		if (fd >= 0)
			close(fd);
		raw_inval_inode(r, APART, 0, 0);
	}
	return 0;
}

/* Opens that fetch the map race with an unbind: it comes to an end. */
TEST_F(inode, opens_race_with_unbind)
{
	unsigned int i;

	for (i = 0; i < 5; i++) {
		pid_t opener = child_start(), unbinder;

		if (!opener)
			_exit(retire_for_a_while(&self->r));
		usleep(200000 + 7777 * i);
		unbinder = child_unbinds(DAX_BIG);
		EXPECT_EQ(0, child_within(unbinder, 10));
		EXPECT_EQ(0, child_wait(opener));
		EXPECT_EQ(0, raw_stop(&self->r));
		ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_FAMFS));
		start(&self->r);
	}
}

/* --- What is local, and what is not --- */

TEST_F(inode, fsync_follows_the_range)
{
	int fd;
	char *p = open_and_map(&self->r, APART, PAGE, &fd);

	if (!can_poison())
		SKIP(return, "memory failures cannot be injected");
	EXPECT_EQ(0, fsync(fd));
	p[0] = 1;
	p[1 * MB] = 1;
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, msync(p, SIZE, MS_SYNC));

	/* a page that this host has not had mapped does not matter */
	ASSERT_EQ(0, dax_poison(DAX_BIG, APART_OFF + 3 * MB));
	EXPECT_EQ(0, fsync(fd));
	/* one that it has had mapped does, within the range only */
	p[512 * KB] = 1;
	ASSERT_EQ(0, munmap(p, SIZE));
	ASSERT_EQ(0, dax_poison(DAX_BIG, APART_OFF + 512 * KB));
	EXPECT_ERRNO(EIO, fsync(fd));
	p = map_at(SIZE, PROT_READ, MAP_SHARED, fd, 0, PMD, PAGE);
	EXPECT_EQ(0, msync(p + 1 * MB, 3 * MB, MS_SYNC));
	EXPECT_EQ(0, msync(p, 256 * KB, MS_SYNC));
	EXPECT_ERRNO(EIO, msync(p, 1 * MB, MS_SYNC));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_FSYNC));

	/* the next binding forgets the failures */
	EXPECT_EQ(0, raw_stop(&self->r));
	EXPECT_EQ(0, dax_set_mode(DAX_BIG, DAX_DEVDAX));
}

TEST_F(inode, setuid_asks_once)
{
	uint64_t requests;
	int fd, i;

	self->r.s->files[FIRST].mode = S_IFREG | S_ISUID | 0755;
	fd = raw_open(&self->r, FIRST, O_RDWR);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	requests = raw_requests(&self->r);
	for (i = 0; i < 100; i++)
		EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	EXPECT_EQ(requests, raw_requests(&self->r));

	/* attributes that are reported end that */
	ASSERT_EQ(0, raw_inval_inode(&self->r, FIRST, -1, 0));
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	EXPECT_LT(requests, raw_requests(&self->r));
	requests = raw_requests(&self->r);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	EXPECT_EQ(requests, raw_requests(&self->r));
}

TEST_F(inode, created_by_mknod)
{
	int fd;

	self->r.s->can_mknod = true;
	self->r.s->files[FIRST].hidden = true;
	self->r.s->entry_valid = 0;
	fd = raw_open(&self->r, FIRST, O_RDWR | O_CREAT | O_TRUNC);
	EXPECT_TRUE(rw_works(fd, 0));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_MKNOD));
	EXPECT_EQ(0, close(fd));
	/* now it exists */
	EXPECT_EQ(-EPERM, raw_open(&self->r, FIRST, O_RDWR | O_CREAT | O_TRUNC));
}

FAMFS_TEST_MAIN
