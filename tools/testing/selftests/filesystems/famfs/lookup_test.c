// SPDX-License-Identifier: GPL-2.0
/* How a connection gets its devices, and that nothing waits for a look-up. */
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

#include "raw.h"
#include "test.h"

/* Two files on device 0, and a second mount whose server can hang. */
FIXTURE(lookup) {
	struct raw r, hung;
};

FIXTURE_SETUP(lookup)
{
	BEGIN(DAX_BIG, DAX_SMALL);
	raw_init(&self->hung);
	raw_start(&self->hung, NULL);
	raw_init(&self->r);
	raw_set_dev(&self->r, 0, DEV_BIG);
	raw_set_file(&self->r, 0, 0, 0, 4 * MB);
	raw_set_file(&self->r, 1, 0, 8 * MB, 4 * MB);
	raw_start(&self->r, NULL);
}

FIXTURE_TEARDOWN(lookup)
{
	/* while the look-up still hangs, in some tests */
	EXPECT_EQ(0, raw_stop(&self->r));
	kill(self->hung.pid, SIGCONT);
	EXPECT_EQ(0, raw_stop(&self->hung));
	END();
}

/* Device 0 is below the mount of @at, as @name. */
static void set_dev_below(struct raw *r, const struct raw *at, const char *name)
{
	raw_set_dev(r, 0, strf("%s/%s", at->mnt, name));
}

/* The path of device 0 is looked up by then. */
static pid_t open_in_child(const struct raw *r, int flags)
{
	pid_t pid = child_start();

	if (!pid)
		_exit(-raw_try_open(r, 0, flags));
	while (!raw_count(r, FUSE_GET_DAXDEV) && child_runs(pid))
		usleep(1000);
	usleep(200000);
	return pid;
}

/* The path is where nothing answers. */
static pid_t open_and_hang(FIXTURE_DATA(lookup) *self, const char *name)
{
	set_dev_below(&self->r, &self->hung, name);
	kill(self->hung.pid, SIGSTOP);
	return open_in_child(&self->r, O_RDWR);
}

TEST_F(lookup, opener_is_killed)
{
	pid_t pid = open_and_hang(self, "x");

	ASSERT_TRUE(child_runs(pid));
	kill(pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, child_within(pid, 5));

	/* the connection goes on once its server does */
	kill(self->hung.pid, SIGCONT);
	raw_set_dev(&self->r, 0, DEV_BIG);
	EXPECT_EQ(0, raw_try_open(&self->r, 1, O_RDWR));
}

TEST_F(lookup, forced_unmount)
{
	pid_t pid = open_and_hang(self, "x");
	int busy;

	ASSERT_TRUE(child_runs(pid));
	/* busy, unless the opener is gone before that is looked at */
	busy = umount2(self->r.mnt, MNT_FORCE);
	EXPECT_EQ(ENOTCONN, child_within(pid, 5));
	/* while the look-up still hangs */
	if (busy)
		EXPECT_EQ(0, umount2(self->r.mnt, 0));
	EXPECT_TRUE(child_runs(self->r.pid));
	kill(self->r.pid, SIGKILL);
	EXPECT_TRUE(child_ends(self->r.pid, 5));
	EXPECT_EQ(-EINVAL, raw_stop(&self->r));
}

TEST_F(lookup, server_is_killed)
{
	pid_t pid = open_and_hang(self, "x");

	kill(self->r.pid, SIGKILL);
	EXPECT_TRUE(child_ends(self->r.pid, 5));
	EXPECT_LT(0, child_within(pid, 5));
}

/* Some time after the opener is gone, the device arrives. */
TEST_F(lookup, device_arrives_late)
{
	EXPECT_EQ(256 + SIGKILL, child_kill(open_and_hang(self, "f0")));
	kill(self->hung.pid, SIGCONT);
	/* on a mount without devices, though */
	EXPECT_EQ(-EACCES, raw_try_open(&self->r, 0, O_RDWR));
}

/* The opener has the lock of the directory below which the path is. */
TEST_F(lookup, path_below_locked_directory)
{
	pid_t pid;

	self->r.s->can_create = true;
	self->r.s->files[0].hidden = true;
	self->r.s->entry_valid = 0;
	set_dev_below(&self->r, &self->r, "x");
	pid = open_in_child(&self->r, O_RDWR | O_CREAT);
	EXPECT_EQ(EDEADLK, child_within(pid, 5));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_CREATE));

	raw_set_dev(&self->r, 0, DEV_BIG);
	EXPECT_EQ(0, raw_try_open(&self->r, 0, O_RDWR));
}

/* The error of another file system is not one of this server. */
TEST_F(lookup, path_where_nothing_is_implemented)
{
	int fd;

	self->r.s->files[1].hidden = true;
	self->r.s->can_create = true;
	self->r.s->can_mknod = true;
	self->hung.s->lookup_error = ENOSYS;
	set_dev_below(&self->r, &self->hung, "x");
	EXPECT_EQ(-EIO, raw_open(&self->r, 1, O_RDWR | O_CREAT));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_MKNOD));

	/* the server can still create files */
	raw_set_dev(&self->r, 0, DEV_BIG);
	fd = raw_must_open(&self->r, 1, O_RDWR | O_CREAT);
	EXPECT_TRUE(rw_works(fd, 0));
}

/* Every way to end up on the own connection. */
TEST_F(lookup, path_through_own_mount)
{
	static const char *const names[] = { ".", "f1", "f2/x", "../x/y" };
	char link[] = "/tmp/link.XXXXXX", below[32];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(names); i++) {
		set_dev_below(&self->r, &self->r, names[i]);
		TH_LOG("%s", names[i]);
		EXPECT_EQ(-EDEADLK, raw_try_open(&self->r, 0, O_RDWR));
	}
	ASSERT_NE(NULL, mkdtemp(link));
	ASSERT_EQ(0, mount(self->r.mnt, link, NULL, MS_BIND, NULL));
	snprintf(below, sizeof(below), "%s/f1", link);
	raw_set_dev(&self->r, 0, below);
	EXPECT_EQ(-EDEADLK, raw_try_open(&self->r, 0, O_RDWR));
	EXPECT_EQ(0, umount2(link, MNT_DETACH));
	rmdir(link);

	raw_set_dev(&self->r, 0, DEV_BIG);
	EXPECT_EQ(0, raw_try_open(&self->r, 0, O_RDWR));
}

/*
 * mount(2) waits for the reply to INIT, and is killed while the server reads the
 * request: the arguments stay until the server is done with them.
 */
TEST(mount_is_killed)
{
	char dir[] = "/tmp/mnt.XXXXXX", opts[64], buf[FUSE_MIN_READ_BUFFER];
	pid_t mounter, killer;
	int i, fd;

	BEGIN(DAX_BIG);
	ASSERT_NE(NULL, mkdtemp(dir));
	for (i = 0; i < 40; i++) {
		fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
		ASSERT_EQ(0, ioctl(fd, FUSE_DEV_IOC_SYNC_INIT));
		snprintf(opts, sizeof(opts), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
		mounter = child_start();
		if (!mounter)
			_exit(mount("killed", dir, "fuse", 0, opts) ? 1 : 0);
		ASSERT_EQ(1, poll(&(struct pollfd){ fd, POLLIN }, 1, 5000));
		killer = child_start();
		if (!killer) {
			usleep(i * 50);
			_exit(kill(mounter, SIGKILL));
		}
		/* the request, or an error after or during the abort */
		if (read(fd, buf, sizeof(buf)) < 0)
			EXPECT_TRUE(errno == ENODEV || errno == ECONNABORTED);
		EXPECT_EQ(256 + SIGKILL, child_wait(mounter));
		EXPECT_EQ(0, child_wait(killer));
		close(fd);
	}
	rmdir(dir);
	END();
}

/* --- Whoever opened /dev/fuse needs the capability, too --- */

TEST(opened_without_capability)
{
	static const struct {
		bool from_the_start;
		int weak_at;	/* opcode; after its reply the server uses a weak clone */
		int want;
		int fmaps, daxdevs;
	} cases[] = {
		/* somebody else has opened it for a server with the capability */
		{ true, 0, 0, 0, 0 },
		{ false, FUSE_OPEN, -EPERM, 1, 0 },
		{ false, FUSE_GET_FMAP, -EPERM, 1, 1 },
	};
	struct raw r;
	size_t i;

	BEGIN(DAX_BIG);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		raw_init(&r);
		raw_set_dev(&r, 0, DEV_BIG);
		raw_set_file(&r, 0, 0, 0, 4 * MB);
		r.s->weak = cases[i].from_the_start;
		r.s->weak_at = cases[i].weak_at;
		raw_start(&r, NULL);
		EXPECT_EQ(r.s->weak, !(r.s->kernel_flags & FUSE_DAX_FMAP));
		/* with io_uring the old bit offers something else since 7.46 */
		if (!(r.s->kernel_flags & FUSE_OVER_IO_URING))
			EXPECT_EQ(r.s->weak, !(r.s->kernel_flags & FUSE_DAX_FMAP_OLD));
		EXPECT_EQ(cases[i].want, raw_try_open(&r, 0, O_RDWR));
		EXPECT_EQ(cases[i].fmaps, raw_count(&r, FUSE_GET_FMAP));
		EXPECT_EQ(cases[i].daxdevs, raw_count(&r, FUSE_GET_DAXDEV));
		EXPECT_EQ(0, raw_stop(&r));
	}
	END();
}

TEST_F(lookup, registered_through_a_weak_clone)
{
	int dev = dax_open(DAX_BIG, O_RDWR), strong = self->r.fd;

	self->r.fd = raw_open_weak();
	ASSERT_EQ(0, ioctl(self->r.fd, FUSE_DEV_IOC_CLONE, &strong));
	EXPECT_EQ(-EPERM, raw_add_dev(&self->r, dev, 0));
	close(self->r.fd);
	self->r.fd = strong;
	EXPECT_EQ(0, raw_add_dev(&self->r, dev, 0));
}

FAMFS_TEST_MAIN
