// SPDX-License-Identifier: GPL-2.0
/* How a connection gets its devices, and that nothing waits for a look-up. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fuse.h>

#include "../../kselftest_harness.h"
#include "raw.h"
#include "util.h"

/* One file on device 0, and a second mount whose server can hang. */
FIXTURE(lookup) {
	struct raw r, hung;
};

FIXTURE_SETUP(lookup)
{
	BEGIN(DAX_BIG, DAX_SMALL);
	ASSERT_EQ(0, dax_set_mode(DAX_BIG, DAX_FAMFS));
	ASSERT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	raw_init(&self->hung);
	raw_start(&self->hung, NULL);
	raw_init(&self->r);
	raw_set_dev(&self->r, 0, DEV_BIG);
	raw_set_file(&self->r, 0, 0, 0, 4 * MB);
	raw_set_file(&self->r, 1, 0, 8 * MB, 4 * MB);
}

FIXTURE_TEARDOWN(lookup)
{
	kill(self->hung.pid, SIGCONT);
	EXPECT_EQ(0, raw_stop(&self->hung));
	END();
}

/* Device 0 is below the mount of @at, as @name. */
static void set_dev_below(struct raw *r, const struct raw *at, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/%s", at->mnt, name);
	raw_set_dev(r, 0, path);
}

/* Device 0 is where nothing answers. */
static void hang_lookups(FIXTURE_DATA(lookup) *self)
{
	set_dev_below(&self->r, &self->hung, "x");
	kill(self->hung.pid, SIGSTOP);
	raw_start(&self->r, NULL);
}

static pid_t open_in_child(const struct raw *r, int flags)
{
	pid_t pid = child_start();

	if (!pid)
		_exit(-raw_try_open(r, 0, flags));
	while (!raw_count(r, FUSE_GET_DAXDEV) && child_runs(pid))
		usleep(1000);
	/* the reply has been written, and the path is being looked up */
	usleep(200000);
	return pid;
}

TEST_F(lookup, opener_is_killed)
{
	pid_t pid;

	hang_lookups(self);
	pid = open_in_child(&self->r, O_RDWR);
	ASSERT_TRUE(child_runs(pid));
	kill(pid, SIGKILL);
	EXPECT_TRUE(child_ends(pid, 5));
	EXPECT_EQ(256 + SIGKILL, child_wait(pid));

	/* the connection goes on once its server does */
	kill(self->hung.pid, SIGCONT);
	raw_set_dev(&self->r, 0, DEV_BIG);
	EXPECT_EQ(0, raw_try_open(&self->r, 1, O_RDWR));
	EXPECT_EQ(0, raw_stop(&self->r));
}

TEST_F(lookup, forced_unmount)
{
	pid_t pid;

	hang_lookups(self);
	pid = open_in_child(&self->r, O_RDWR);
	ASSERT_TRUE(child_runs(pid));
	umount2(self->r.mnt, MNT_FORCE);
	EXPECT_TRUE(child_ends(pid, 5));
	EXPECT_EQ(ENOTCONN, child_wait(pid));
	/* while the look-up still hangs */
	EXPECT_EQ(0, umount2(self->r.mnt, 0));
	EXPECT_TRUE(child_runs(self->r.pid));
	kill(self->r.pid, SIGKILL);
	EXPECT_TRUE(child_ends(self->r.pid, 5));
	EXPECT_EQ(-EINVAL, raw_stop(&self->r));
}

TEST_F(lookup, server_is_killed)
{
	pid_t pid;

	hang_lookups(self);
	pid = open_in_child(&self->r, O_RDWR);
	kill(self->r.pid, SIGKILL);
	EXPECT_TRUE(child_ends(self->r.pid, 5));
	EXPECT_TRUE(child_ends(pid, 5));
	EXPECT_NE(0, child_wait(pid));
	EXPECT_EQ(0, raw_stop(&self->r));
}

/* Some time after the opener is gone, the device arrives. */
TEST_F(lookup, device_arrives_late)
{
	pid_t pid;

	set_dev_below(&self->r, &self->hung, "f0");
	kill(self->hung.pid, SIGSTOP);
	raw_start(&self->r, NULL);
	pid = open_in_child(&self->r, O_RDWR);
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, child_wait(pid));
	kill(self->hung.pid, SIGCONT);
	/* it is a regular file, though */
	EXPECT_EQ(-ENODEV, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(0, raw_stop(&self->r));
}

/* The opener has the lock of the directory below which the path is. */
TEST_F(lookup, path_below_locked_directory)
{
	pid_t pid;

	self->r.s->can_create = true;
	self->r.s->files[0].hidden = true;
	self->r.s->entry_valid = 0;
	raw_start(&self->r, NULL);
	set_dev_below(&self->r, &self->r, "x");
	pid = open_in_child(&self->r, O_RDWR | O_CREAT);
	EXPECT_TRUE(child_ends(pid, 5));
	EXPECT_EQ(EDEADLK, child_wait(pid));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_CREATE));

	raw_set_dev(&self->r, 0, DEV_BIG);
	EXPECT_EQ(0, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(0, raw_stop(&self->r));
}

/* Every way to end up on the own connection. */
TEST_F(lookup, path_through_own_mount)
{
	static const char *const names[] = { "", ".", "f1", "f2/x", "../x/y" };
	char link[] = "/tmp/link.XXXXXX";
	unsigned int i;

	raw_start(&self->r, NULL);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		set_dev_below(&self->r, &self->r, names[i]);
		TH_LOG("%s", names[i]);
		EXPECT_EQ(-EDEADLK, raw_try_open(&self->r, 0, O_RDWR));
	}
	ASSERT_NE(NULL, mkdtemp(link));
	ASSERT_EQ(0, mount(self->r.mnt, link, NULL, MS_BIND, NULL));
	raw_set_dev(&self->r, 0, link);
	EXPECT_EQ(-EDEADLK, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(0, umount2(link, MNT_DETACH));
	rmdir(link);

	raw_set_dev(&self->r, 0, DEV_BIG);
	EXPECT_EQ(0, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(0, raw_stop(&self->r));
}

TEST_F(lookup, registered_twice)
{
	int big = dax_open(DAX_BIG, O_RDWR), small = dax_open(DAX_SMALL, O_RDWR);
	int null = open("/dev/null", O_RDWR);

	raw_start(&self->r, NULL);
	EXPECT_EQ(0, raw_add_dev(&self->r, big, 0));
	EXPECT_EQ(0, raw_add_dev(&self->r, big, 0));
	EXPECT_EQ(-EEXIST, raw_add_dev(&self->r, small, 0));
	EXPECT_EQ(-EBUSY, raw_add_dev(&self->r, big, 1));
	EXPECT_EQ(-ENODEV, raw_add_dev(&self->r, null, 1));
	EXPECT_EQ(-ENODEV, raw_add_dev(&self->r, self->r.fd, 1));
	EXPECT_EQ(0, raw_add_dev(&self->r, small, 1));
	EXPECT_EQ(0, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_GET_DAXDEV));
	close(big);
	close(small);
	close(null);

	/* a device that has gone away does not come back */
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_DEVDAX));
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	small = dax_open(DAX_SMALL, O_RDWR);
	EXPECT_EQ(-ENODEV, raw_add_dev(&self->r, small, 1));
	close(small);
	EXPECT_EQ(0, raw_stop(&self->r));
}

/* --- Whoever opened /dev/fuse needs the capability, too --- */

TEST_F(lookup, descriptor_of_a_deputy)
{
	self->r.s->weak = true;
	raw_start(&self->r, NULL);
	EXPECT_EQ(0, self->r.s->kernel_flags &
		     (FUSE_DAX_FMAP | FUSE_DAX_FMAP_OLD));
	EXPECT_EQ(0, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_EQ(0, raw_stop(&self->r));
}

TEST_F(lookup, replies_through_a_weak_clone)
{
	self->r.s->weak_at = FUSE_OPEN;
	raw_start(&self->r, NULL);
	EXPECT_EQ(-EPERM, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_GET_DAXDEV));
	EXPECT_EQ(0, raw_stop(&self->r));
}

TEST_F(lookup, device_through_a_weak_clone)
{
	self->r.s->weak_at = FUSE_GET_FMAP;
	raw_start(&self->r, NULL);
	EXPECT_EQ(-EPERM, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_GET_DAXDEV));
	EXPECT_EQ(0, raw_stop(&self->r));
}

TEST_F(lookup, registered_through_a_weak_clone)
{
	int dev = dax_open(DAX_BIG, O_RDWR), strong;

	raw_start(&self->r, NULL);
	strong = self->r.fd;
	self->r.fd = raw_open_weak();
	ASSERT_EQ(0, ioctl(self->r.fd, FUSE_DEV_IOC_CLONE, &strong));
	EXPECT_EQ(-EPERM, raw_add_dev(&self->r, dev, 0));
	close(self->r.fd);
	self->r.fd = strong;
	EXPECT_EQ(0, raw_add_dev(&self->r, dev, 0));
	close(dev);
	EXPECT_EQ(0, raw_stop(&self->r));
}

FAMFS_TEST_MAIN
