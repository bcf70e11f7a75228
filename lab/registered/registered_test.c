// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of famfs files that devices have, and everything that could take it away. The
 * same as pin_test, which has io_uring and more cases, with VFIO and RDMA.
 */
#include <sys/mount.h>

#include "device.h"
#include "raw.h"
#include "test.h"

#define SIZE (4 * MB)
/* g shares memory with f, so they cannot be open at the same time */
#define LAYOUT "dev 0 $small\nfile f 644 4M simple 0:16M:4M\nfile g 644 2M simple 0:18M:2M\n"
#define OFFSET (16 * MB)

FIXTURE(registered)
{
	struct server s;
	const struct device *device;
	int fd;
	uint8_t *p;
};

FIXTURE_VARIANT(registered)
{
	const struct device *device;
};

FIXTURE_VARIANT_ADD(registered, vfio) {
	&vfio_device
};

FIXTURE_VARIANT_ADD(registered, rdma) {
	&rdma_device
};

static void open_f(FIXTURE_DATA(registered) *self, int fd)
{
	self->fd = fd;
	self->p = map_rw(fd, SIZE, 0);
	fill_pattern(self->p, SIZE, 1, 0);
}

FIXTURE_SETUP(registered)
{
	BEGIN(DAX_SMALL);
	ASSERT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	server_start_f(&self->s, LAYOUT);
	open_f(self, self->s.fd);
	self->device = variant->device;
	self->device->open();
	ASSERT_EQ(0, self->device->give(self->p, SIZE));
}

FIXTURE_TEARDOWN(registered)
{
	self->device->close();
	EXPECT_EQ(0, server_stop_unpinned(&self->s));
	END();
}

/* The file is neither mapped nor open any more. */
static void let_it_go(FIXTURE_DATA(registered) *self)
{
	munmap(self->p, SIZE);
	close(self->fd);
}

/* Where a test copies to, one place after the other; each is COPIED bytes. */
#define PLACE(i) (MB + (i) * 64 * KB)

/* The device copies what is at 0 to a place. */
static void copy_to(FIXTURE_DATA(registered) *self, unsigned int place)
{
	self->device->copy(0, PLACE(place));
}

/* It has copied to so many places of what the file system shows as f, and no further. */
static bool has_copies(int fd, unsigned int n)
{
	uint8_t buf[COPIED];
	unsigned int i;

	for (i = 0; i < n; i++)
		if (pread(fd, buf, COPIED, PLACE(i)) != COPIED || check_pattern(buf, COPIED, 1, 0) != -1)
			return false;
	return has_pattern(fd, COPIED, 1, PLACE(n));
}

/* What nothing keeps mounted any more is unmounted, and mounted on a device that is bound. */
static void mount_again(struct __test_metadata *_metadata, FIXTURE_DATA(registered) *self)
{
	EXPECT_EQ(0, server_stop_unpinned(&self->s));
	ASSERT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	server_start_f(&self->s, LAYOUT);
}

/* Only the device is left, and keeps everything as it is. */
TEST_F(registered, outlives_the_descriptor)
{
	int fd;

	let_it_go(self);
	let_go(self->s.mnt);
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	EXPECT_EQ(-EBUSY, server_open(&self->s, "g", O_RDWR));
	write_text("/proc/sys/vm/drop_caches", "3");
	copy_to(self, 0);
	fd = server_must_open(&self->s, "f", O_RDWR);
	EXPECT_TRUE(has_copies(fd, 1));
	close(fd);
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	copy_to(self, 1);
	self->device->take_back();
	mount_again(_metadata, self);
	EXPECT_TRUE(has_copies(self->s.fd, 2));
}

/* What a process has registered ends with it, in the middle of a copy. */
TEST_F(registered, owner_dies)
{
	pid_t pid;

	self->device->take_back();
	self->device->close();
	pid = child_start();
	if (!pid) {
		self->device->open();
		if (self->device->give(self->p, SIZE))
			_exit(1);
		let_go(self->s.mnt);
		copy_to(self, 0);
		write_text("/tmp/copied", "");
		for (;;)
			copy_to(self, 1);
	}
	while (access("/tmp/copied", F_OK) && child_runs(pid))
		usleep(10000);
	unlink("/tmp/copied");
	let_it_go(self);
	let_go(self->s.mnt);
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	EXPECT_EQ(256 + SIGKILL, child_kill(pid));
	mount_again(_metadata, self);
	/* it may or may not have come to the second one */
	EXPECT_TRUE(has_copies(self->s.fd, 1) || has_copies(self->s.fd, 2));
	self->device->open();
}

/* The device needs neither server nor connection. */
TEST_F(registered, server_dies)
{
	let_it_go(self);
	server_kill(&self->s);
	copy_to(self, 0);
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	copy_to(self, 1);
	self->device->take_back();
	mount_again(_metadata, self);
	EXPECT_TRUE(has_copies(self->s.fd, 2));
}

/* The devices of a file system that is mounted nowhere stay held. */
TEST_F(registered, forced_and_lazy_unmount)
{
	char byte;
	int fd;

	let_it_go(self);
	let_go(self->s.mnt);
	EXPECT_ERRNO(EBUSY, umount2(self->s.mnt, MNT_FORCE));
	copy_to(self, 0);
	ASSERT_EQ(0, umount2(self->s.mnt, MNT_DETACH));
	fd = dax_open(DAX_SMALL, O_RDWR);
	EXPECT_ERRNO(EBUSY, read(fd, &byte, 1));
	copy_to(self, 1);
	self->device->take_back();
	EXPECT_TRUE(dax_gets_free(fd));
	EXPECT_EQ(0, child_within(self->s.pid, 20));
	self->s.pid = 0;
	server_start_f(&self->s, LAYOUT);
	EXPECT_TRUE(has_copies(self->s.fd, 2));
}

/* The device and both processes have the same memory. */
TEST_F(registered, fork)
{
	pid_t pid = child_start();

	if (!pid) {
		memset(self->p + PLACE(0), 0x5a, COPIED);
		memset(self->p + PLACE(1), 0x5a, COPIED);
		pause();
	}
	EXPECT_FALSE(child_ends(pid, 1));
	EXPECT_EQ(0x5a, self->p[PLACE(1)]);
	copy_to(self, 0);
	EXPECT_EQ(-1, check_pattern(self->p + PLACE(0), COPIED, 1, 0));
	self->device->copy(PLACE(1), PLACE(2));
	EXPECT_EQ(0x5a, self->p[PLACE(2)]);
	child_kill(pid);
	copy_to(self, 1);
	EXPECT_EQ(-1, check_pattern(self->p + PLACE(1), COPIED, 1, 0));
}

/* Memory is not taken from under the device. */
TEST_F(registered, unbind)
{
	pid_t pid = child_unbinds(DAX_SMALL);

	EXPECT_FALSE(child_ends(pid, 2));
	EXPECT_EQ(1, log_lines("waiting for pages of inode"));
	EXPECT_FALSE(try_read(self->p, NULL));
	copy_to(self, 0);
	let_it_go(self);
	EXPECT_FALSE(child_ends(pid, 2));
	copy_to(self, 1);
	self->device->take_back();
	EXPECT_EQ(0, child_within(pid, 20));
	mount_again(_metadata, self);
	EXPECT_TRUE(has_copies(self->s.fd, 2));
}

TEST_F(registered, unbind_is_killed)
{
	pid_t pid = child_unbinds(DAX_SMALL);

	EXPECT_FALSE(child_ends(pid, 1));
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, child_within(pid, 5));
	copy_to(self, 0);
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	pid = child_unbinds(DAX_SMALL);
	EXPECT_FALSE(child_ends(pid, 1));
	copy_to(self, 1);
	self->device->take_back();
	EXPECT_EQ(0, child_within(pid, 20));
	mount_again(_metadata, self);
	EXPECT_TRUE(has_copies(self->s.fd, 2));
}

/* A page fails: the device has the others, and the failed one is not given to anybody. */
TEST_F(registered, memory_failure)
{
	char byte;

	if (!can_poison())
		SKIP(return, "no injection of memory failure");
	munmap(self->p, SIZE);
	ASSERT_EQ(0, dax_poison(DAX_SMALL, OFFSET + 2 * MB));
	EXPECT_ERRNO(EIO, pread(self->fd, &byte, 1, 2 * MB));
	copy_to(self, 0);
	EXPECT_TRUE(has_copies(self->fd, 1));
	self->device->take_back();
	EXPECT_ERRNO(EIO, pread(self->fd, &byte, 1, 2 * MB));
	EXPECT_TRUE(has_copies(self->fd, 1));
	close(self->fd);
	EXPECT_EQ(0, server_stop_unpinned(&self->s));
	ASSERT_EQ(0, dax_rebind(DAX_SMALL));
	server_start_f(&self->s, LAYOUT);
	EXPECT_TRUE(rw_works(self->s.fd, 2 * MB));
}

/* FUSE_NOTIFY_INVAL_INODE: the next open would get another map. */
TEST_F(registered, retired_map)
{
	struct raw r;
	int fd;

	self->device->take_back();
	let_it_go(self);
	ASSERT_EQ(0, server_stop_unpinned(&self->s));
	raw_init(&r);
	raw_set_dev(&r, 0, DEV_SMALL);
	raw_set_file(&r, 0, 0, OFFSET, SIZE);
	raw_start(&r, NULL);
	open_f(self, raw_must_open(&r, 0, O_RDWR));
	ASSERT_EQ(0, self->device->give(self->p, SIZE));
	raw_set_file(&r, 0, 0, 2 * OFFSET, SIZE);
	EXPECT_EQ(0, raw_inval_inode(&r, 0, 0, 0));
	EXPECT_FALSE(try_read(self->p, NULL));
	EXPECT_EQ(-EBUSY, raw_try_open(&r, 0, O_RDWR));
	copy_to(self, 0);
	let_it_go(self);
	EXPECT_EQ(-EBUSY, raw_try_open(&r, 0, O_RDWR));
	EXPECT_ERRNO(EBUSY, umount2(r.mnt, 0));
	copy_to(self, 1);
	self->device->take_back();
	fd = open_unpinned(raw_path(&r, 0));
	ASSERT_LE(0, fd);
	EXPECT_FALSE(has_copies(fd, 1));
	EXPECT_TRUE(let_loose(r.mnt));
	EXPECT_EQ(0, raw_stop(&r));
	server_start_f(&self->s, LAYOUT);
	EXPECT_TRUE(has_copies(self->s.fd, 2));
}

FAMFS_TEST_MAIN
