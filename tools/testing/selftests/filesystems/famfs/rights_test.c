// SPDX-License-Identifier: GPL-2.0
/* Who may do what: the server, who opens a file, who only reads it. */
#include <err.h>
#include <grp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <linux/capability.h>
#include <linux/io_uring.h>

#include "raw.h"
#include "test.h"

#define USER 1000
#define JAIL "/tmp/jail"
#define SEED 1

/* Two files on device 0, DAX_BIG, and one on device 1, DAX_SMALL. */
enum { FIRST, SECOND, SMALL };

static void init_files(struct raw *r)
{
	raw_init(r);
	raw_set_dev(r, 0, DEV_BIG);
	raw_set_dev(r, 1, DEV_SMALL);
	raw_set_file(r, FIRST, 0, 0, 4 * MB);
	raw_set_file(r, SECOND, 0, 8 * MB, 4 * MB);
	raw_set_file(r, SMALL, 1, 0, 4 * MB);
}

/* Is the device free? Asks by a mount of its own. */
static bool is_free(const char *dev)
{
	struct raw r;
	int ret;

	init_files(&r);
	raw_set_dev(&r, 0, strf("/dev/%s", dev));
	raw_start(&r, NULL);
	ret = raw_try_open(&r, FIRST, O_RDWR);
	if (raw_stop(&r))
		err(1, "umount");
	if (ret && ret != -EBUSY)
		errx(1, "%s: %s", dev, strerror(-ret));
	return !ret;
}

/* --- A connection that is not, or may not be, a famfs connection --- */

static void enter_user_namespace(const struct raw *r)
{
	if (unshare(CLONE_NEWUSER))
		err(2, "unshare");
}

#define NEW_FLAG (FUSE_INIT_EXT | FUSE_DAX_FMAP)
#define POOLS (RAW_USUAL | FUSE_DAX_FMAP_OLD)

static const struct {
	const char *name;
	int drop_at;
	void (*prepare)(const struct raw *r);
	bool offered;
	uint32_t minor;
	uint64_t init_flags;
} ordinary[] = {
	/* a setuid helper has mounted, the server can do nothing special */
	{ "no capability", RAW_DROP_START, NULL, false, 45, NEW_FLAG },
	/* a capability, but not in the namespace that the hardware belongs to */
	{ "in a user namespace", 0, enter_user_namespace, false, 45, NEW_FLAG },
	{ "dropped before the reply", FUSE_INIT, NULL, true, 45, NEW_FLAG },
	{ "not taken", 0, NULL, true, 45, FUSE_INIT_EXT },
	{ "not said that there are flags2", 0, NULL, true, 45, FUSE_DAX_FMAP },
	/*
	 * Servers that mean something else by the old flag: buffer pools of
	 * io_uring, in a reply that takes whatever was offered.
	 */
	{ "buffer pools", 0, NULL, true, 46, POOLS | FUSE_OVER_IO_URING },
	{ "buffer pools without io_uring", 0, NULL, true, 46, POOLS },
	{ "buffer pools of minor 45", 0, NULL, true, 45, POOLS | FUSE_OVER_IO_URING },
};

/* Files are files, and there are no devices. */
TEST(ordinary_connections)
{
	char buf[100];
	struct raw r;
	size_t i;
	int fd;

	BEGIN(DAX_BIG);
	if (access("/proc/self/ns/user", F_OK))
		SKIP(return, "no user namespaces");
	for (i = 0; i < ARRAY_SIZE(ordinary); i++) {
		printf("# %s\n", ordinary[i].name);
		init_files(&r);
		r.s->drop_at = ordinary[i].drop_at;
		r.s->init_flags = ordinary[i].init_flags;
		r.s->minor = ordinary[i].minor;
		raw_start(&r, ordinary[i].prepare);
		EXPECT_EQ(ordinary[i].offered, !!(r.s->kernel_flags & FUSE_DAX_FMAP));
		fd = raw_must_open(&r, FIRST, O_RDWR);
		EXPECT_FALSE(is_dax(fd));
		/* the server of the test has no WRITE, but it has READ */
		EXPECT_EQ(100, pread(fd, buf, 100, 0));
		EXPECT_LT(0, raw_count(&r, FUSE_READ));
		EXPECT_EQ(0, raw_count(&r, FUSE_GET_FMAP));
		EXPECT_EQ(0, raw_count(&r, FUSE_GET_DAXDEV));

		fd = dax_open(DAX_BIG, O_RDWR);
		EXPECT_EQ(-EOPNOTSUPP, raw_add_dev(&r, fd, 0));
		EXPECT_EQ(-EOPNOTSUPP, raw_add_dev(&r, -1, 64));
		EXPECT_TRUE(is_free(DAX_BIG));
		EXPECT_EQ(0, raw_stop(&r));
	}
	END();
}

/* The root is there before the server has answered, and cannot be changed. */
TEST(root_is_a_file)
{
	struct raw r;
	char buf[100];
	int fd;

	BEGIN();
	init_files(&r);
	r.s->root_type = S_IFREG;
	raw_start(&r, NULL);
	EXPECT_EQ(0, r.s->kernel_flags & FUSE_DAX_FMAP);
	fd = open(r.mnt, O_RDONLY | O_CLOEXEC);
	ASSERT_LE(0, fd);
	EXPECT_FALSE(is_dax(fd));
	EXPECT_EQ(0, pread(fd, buf, 100, 0));
	EXPECT_EQ(0, raw_count(&r, FUSE_GET_FMAP));
	EXPECT_EQ(0, raw_stop(&r));
	END();
}

/* --- A famfs connection --- */

FIXTURE(rights)
{
	struct raw r;
};

FIXTURE_SETUP(rights)
{
	BEGIN(DAX_BIG, DAX_SMALL);
	init_files(&self->r);
}

FIXTURE_TEARDOWN(rights)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	END();
}

/* Without the capability there is nothing new, but what is there goes on. */
TEST_F(rights, dropped_before_a_map_or_a_device)
{
	int fd;

	raw_start(&self->r, NULL);
	EXPECT_NE(0, self->r.s->kernel_flags & FUSE_DAX_FMAP);
	fd = raw_must_open(&self->r, FIRST, O_RDWR);
	self->r.s->drop_at = FUSE_GET_DAXDEV;
	EXPECT_EQ(-EPERM, raw_try_open(&self->r, SMALL, O_RDWR));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_DAXDEV));
	EXPECT_TRUE(is_free(DAX_SMALL));

	self->r.s->drop_at = FUSE_GET_FMAP;
	EXPECT_EQ(-EPERM, raw_try_open(&self->r, SECOND, O_RDWR));
	EXPECT_EQ(-EPERM, raw_try_open(&self->r, SECOND, O_RDONLY));
	EXPECT_EQ(-EPERM, raw_try_open(&self->r, SMALL, O_RDWR));
	EXPECT_EQ(5, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_DAXDEV));
	EXPECT_TRUE(rw_works(fd, MB));
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
}

/* Malformed replies say nothing to who may not reply at all. */
TEST_F(rights, capability_before_format)
{
	self->r.s->files[FIRST].fmap.len = 0;
	self->r.s->drop_at = FUSE_GET_FMAP;
	raw_start(&self->r, NULL);
	EXPECT_EQ(-EPERM, raw_try_open(&self->r, FIRST, O_RDWR));
	/* an error is an error, whoever sends it */
	self->r.s->files[FIRST].fmap.error = ENOENT;
	EXPECT_EQ(-ENOENT, raw_try_open(&self->r, FIRST, O_RDWR));
}

/* --- Devices by descriptor --- */

TEST_F(rights, device_by_descriptor)
{
	int fd = dax_open(DAX_BIG, O_RDWR), small = dax_open(DAX_SMALL, O_RDWR);

	raw_start(&self->r, NULL);
	EXPECT_EQ(0, raw_add_dev(&self->r, fd, 0));
	EXPECT_EQ(-EEXIST, raw_add_dev(&self->r, small, 0));
	/* a server may do it again whenever it looks up a file */
	EXPECT_EQ(0, raw_add_dev(&self->r, fd, 0));
	EXPECT_EQ(-EBUSY, raw_add_dev(&self->r, fd, 1));
	EXPECT_EQ(0, raw_add_dev(&self->r, small, 63));
	/* the descriptor is not what holds it */
	close(fd);
	close(small);
	EXPECT_FALSE(is_free(DAX_BIG));
	EXPECT_FALSE(is_free(DAX_SMALL));
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_GET_DAXDEV));

	/* a device that has gone away does not come back */
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_DEVDAX));
	EXPECT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	small = dax_open(DAX_SMALL, O_RDWR);
	EXPECT_EQ(-ENODEV, raw_add_dev(&self->r, small, 63));
}

TEST_F(rights, what_registers_no_device)
{
	static const struct {
		const char *path;
		int flags, err;
	} cases[] = {
		{ DEV_BIG, O_PATH, EBADF },
		{ DEV_BIG, O_RDONLY, EACCES },
		{ DEV_BIG, O_WRONLY, EACCES },
		{ DEV_TWO, O_RDWR, EOPNOTSUPP },
		{ "/dev/null", O_RDWR, ENODEV },
		{ "/dev/fuse", O_RDWR, ENODEV },
		{ "/tmp", O_RDONLY | O_DIRECTORY, EACCES },
		{ "/tmp", O_RDWR | O_TMPFILE, ENODEV },
	};
	static const uint32_t bad[] = { 1, 1U << 31, ~0U };
	static const uint64_t indices[] = {
		64, 65, 1U << 31, ~0U, 1ULL << 32, 1ULL << 63, ~0ULL,
	};
	struct fuse_daxdev_map map = { .fd = dax_open(DAX_BIG, O_RDWR) };
	int pipes[2];
	size_t i;

	BEGIN(DAX_TWO);
	ASSERT_EQ(0, dax_set_mode(DAX_TWO, DAX_DEVDAX));
	raw_start(&self->r, NULL);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = open(cases[i].path, cases[i].flags | O_CLOEXEC, 0600);

		ASSERT_LE(0, fd);
		EXPECT_EQ(-cases[i].err, raw_add_dev(&self->r, fd, 0))
			TH_LOG("%s", cases[i].path);
		close(fd);
	}
	ASSERT_EQ(0, pipe(pipes));
	EXPECT_EQ(-EACCES, raw_add_dev(&self->r, pipes[0], 0));
	EXPECT_EQ(-EBADF, raw_add_dev(&self->r, -1, 0));
	EXPECT_EQ(-EBADF, raw_add_dev(&self->r, 9999, 0));

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		map.flags = bad[i];
		EXPECT_ERRNO(EINVAL, ioctl(self->r.fd, FUSE_DEV_IOC_DAXDEV_OPEN, &map));
	}
	for (i = 0; i < ARRAY_SIZE(indices); i++)
		EXPECT_EQ(-EINVAL, raw_add_dev(&self->r, map.fd, indices[i]));
	EXPECT_ERRNO(EFAULT, ioctl(self->r.fd, FUSE_DEV_IOC_DAXDEV_OPEN, NULL));
	EXPECT_EQ(0, raw_add_dev(&self->r, map.fd, 0));
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
}

TEST_F(rights, descriptor_without_capability)
{
	int fd = dax_open(DAX_BIG, O_RDWR);
	pid_t pid;

	raw_start(&self->r, NULL);
	pid = child_start();
	if (!pid) {
		drop_rawio();
		_exit(-raw_add_dev(&self->r, fd, 0));
	}
	EXPECT_EQ(EPERM, child_wait(pid));
	EXPECT_TRUE(is_free(DAX_BIG));
}

/* A server that stays after the unmount neither keeps nor gets devices. */
TEST_F(rights, after_unmount)
{
	int fd = dax_open(DAX_SMALL, O_RDWR);

	raw_start(&self->r, NULL);
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
	EXPECT_FALSE(is_free(DAX_BIG));
	ASSERT_EQ(0, umount2(self->r.mnt, 0));
	waitpid(self->r.pid, NULL, 0);
	EXPECT_TRUE(is_free(DAX_BIG));
	EXPECT_EQ(-ENOTCONN, raw_add_dev(&self->r, fd, 0));
	EXPECT_TRUE(is_free(DAX_SMALL));
	EXPECT_EQ(-EINVAL, raw_stop(&self->r));
}

/* --- Replies by io_uring --- */

/* Submit one command without arguments. Return: its result. */
static int uring_cmd(int fd, uint32_t op)
{
	struct io_uring_params p = { .flags = IORING_SETUP_SQE128 };
	int ring = syscall(SYS_io_uring_setup, 1, &p);
	/* this array comes last */
	size_t len = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
	struct io_uring_sqe *sqe;
	uint8_t *q;
	int ret;

	if (ring < 0)
		err(1, "io_uring_setup");
	q = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, p.sq_entries * 128, PROT_READ | PROT_WRITE, MAP_SHARED,
		   ring, IORING_OFF_SQES);
	if (q == MAP_FAILED || sqe == MAP_FAILED)
		err(1, "mmap");
	memset(sqe, 0, 128);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	*(uint32_t *)(q + p.sq_off.array) = 0;
	*(volatile uint32_t *)(q + p.sq_off.tail) = 1;
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		err(1, "io_uring_enter");
	ret = ((struct io_uring_cqe *)(q + p.cq_off.cqes))->res;
	close(ring);
	return ret;
}

/* Who replies by a ring is not asked for rights: no ring for famfs. */
TEST_F(rights, no_ring)
{
	static const char enable[] = "/sys/module/fuse/parameters/enable_uring";
	struct raw other;
	int ret, ordinary;

	if (access(enable, F_OK))
		SKIP(return, "no io_uring in fuse");
	ASSERT_EQ(0, write_text(enable, "Y"));
	self->r.s->init_flags |= FUSE_OVER_IO_URING;
	raw_start(&self->r, NULL);
	ret = uring_cmd(self->r.fd, FUSE_IO_URING_CMD_REGISTER);

	/*
	 * Elsewhere it is only the arguments that are wrong, or, since Linux
	 * 7.3, the flag that the server has not taken. (A server that takes it
	 * would have to have its ring before any request.)
	 */
	init_files(&other);
	other.s->init_flags = FUSE_INIT_EXT;
	raw_start(&other, NULL);
	ordinary = uring_cmd(other.fd, FUSE_IO_URING_CMD_REGISTER);
	EXPECT_EQ(0, raw_stop(&other));
	EXPECT_EQ(0, write_text(enable, "N"));
	EXPECT_EQ(-EOPNOTSUPP, ret);
	EXPECT_TRUE(ordinary == -EINVAL || ordinary == -EOPNOTSUPP);
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
}

/* --- Whose names are they? --- */

/*
 * Where nothing has the name of DAX_BIG, where DAX_SMALL has it, and where DAX_BIG
 * has another one.
 */
static enum { NO_DEV, WRONG_DEV, JAILED } place;

static void go_there(void)
{
	dev_t big = dev_of(DEV_BIG), small = dev_of(DEV_SMALL);

	if (place == JAILED) {
		mkdir(JAIL, 0755);
		if (chroot(JAIL) || chdir("/") ||
		    (mknod("/device", S_IFCHR | 0600, big) && errno != EEXIST))
			err(2, JAIL);
		return;
	}
	/* a /dev that nobody else sees */
	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", "/dev", "tmpfs", 0, NULL))
		err(2, "mount namespace");
	if (place == WRONG_DEV && mknod(DEV_BIG, S_IFCHR | 0600, small))
		err(2, "mknod");
}

static void serve_there(const struct raw *r)
{
	go_there();
	/* a server that has the mount in its own namespace would never see it end */
	if (place != JAILED && umount2(r->mnt, MNT_DETACH))
		err(2, "umount");
}

static int open_there(const struct raw *r)
{
	int root = open(r->mnt, O_PATH | O_DIRECTORY);
	pid_t pid = child_start();

	if (!pid) {
		go_there();
		_exit(openat(root, "f0", O_RDWR) < 0 ? errno : 0);
	}
	close(root);
	return child_wait(pid);
}

TEST_F(rights, name_is_resolved_as_by_the_server)
{
	static const struct {
		const char *name;
		int want;
		bool big, small;	/* is taken */
	} cases[] = {
		[NO_DEV] = { DEV_BIG, -ENOENT },
		[WRONG_DEV] = { DEV_BIG, .small = true },
		[JAILED] = { "/device", .big = true },
	};

	for (place = NO_DEV; place <= JAILED; place++) {
		/* and not as by who opens */
		raw_start(&self->r, NULL);
		EXPECT_EQ(0, open_there(&self->r));
		EXPECT_FALSE(is_free(DAX_BIG));
		EXPECT_TRUE(is_free(DAX_SMALL));
		EXPECT_EQ(0, raw_stop(&self->r));

		init_files(&self->r);
		raw_set_dev(&self->r, 0, cases[place].name);
		raw_start(&self->r, serve_there);
		EXPECT_EQ(cases[place].want, raw_try_open(&self->r, FIRST, O_RDWR))
			TH_LOG("case %d", place);
		EXPECT_EQ(!cases[place].big, is_free(DAX_BIG));
		EXPECT_EQ(!cases[place].small, is_free(DAX_SMALL));
		EXPECT_EQ(0, raw_stop(&self->r));
		init_files(&self->r);
	}
	unlink(JAIL "/device");
	rmdir(JAIL);
}

/* Nobody special, but for the one capability. */
static void become_rawio_user(const struct raw *r)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3] = {
		{ .effective = 1U << CAP_SYS_RAWIO,
		  .permitted = 1U << CAP_SYS_RAWIO },
	};

	if (prctl(PR_SET_KEEPCAPS, 1) || setgroups(0, NULL) || setgid(USER) ||
	    setuid(USER) || syscall(SYS_capset, &h, d))
		err(2, "capabilities");
}

TEST_F(rights, server_needs_access_to_the_device)
{
	raw_start(&self->r, become_rawio_user);
	EXPECT_NE(0, self->r.s->kernel_flags & FUSE_DAX_FMAP);
	ASSERT_EQ(0, chmod(DEV_BIG, 0600));
	EXPECT_EQ(-EACCES, raw_try_open(&self->r, FIRST, O_RDWR));
	ASSERT_EQ(0, chmod(DEV_BIG, 0644));
	EXPECT_EQ(-EACCES, raw_try_open(&self->r, FIRST, O_RDONLY));
	EXPECT_TRUE(is_free(DAX_BIG));
	ASSERT_EQ(0, chmod(DEV_BIG, 0666));
	EXPECT_EQ(0, raw_try_open(&self->r, FIRST, O_RDWR));
	ASSERT_EQ(0, chmod(DEV_BIG, 0600));
}

/* --- Who opens --- */

/* Return: 0 or -errno, of a user who is nobody special. */
static int user_opens(const struct raw *r, int flags)
{
	pid_t pid = child_start();

	if (!pid) {
		if (setgroups(0, NULL) || setgid(USER) || setuid(USER))
			_exit(EINVAL);
		_exit(-raw_try_open(r, FIRST, flags));
	}
	return -child_wait(pid);
}

/* The first of all opens is that of a user: all rights come from the server. */
TEST_F(rights, user_opens_first)
{
	volatile struct raw_file *f = &self->r.s->files[FIRST];

	self->r.s->attr_valid = 0;
	f->mode = S_IFREG | 0666;
	raw_start(&self->r, NULL);
	EXPECT_EQ(0, user_opens(&self->r, O_RDWR));
	EXPECT_FALSE(is_free(DAX_BIG));
	/* but for the mode of the file, now that the map is there */
	f->mode = S_IFREG | 0644;
	EXPECT_EQ(0, user_opens(&self->r, O_RDONLY));
	EXPECT_EQ(-EACCES, user_opens(&self->r, O_WRONLY));
	EXPECT_EQ(-EACCES, user_opens(&self->r, O_RDWR));
	f->uid = USER;
	EXPECT_EQ(0, user_opens(&self->r, O_RDWR));
	f->mode = S_IFREG | 0066;
	EXPECT_EQ(-EACCES, user_opens(&self->r, O_RDONLY));
}

/* A mapping that cannot be made. Return: -1, with errno. */
static int no_map(int fd, int prot, int flags)
{
	return mmap(NULL, MB, prot, flags, fd, 0) == MAP_FAILED ? -1 : 0;
}

TEST_F(rights, reader_cannot_write)
{
	const size_t skew[] = { 0, PAGE };	/* PMDs, pages */
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	uint8_t *p, *q;
	size_t i;
	int fd;

	raw_start(&self->r, NULL);
	fd = raw_must_open(&self->r, FIRST, O_RDWR);
	p = map_rw(fd, 4 * MB, 0);
	fill_pattern(p, 4 * MB, SEED, 0);
	close(fd);

	fd = raw_must_open(&self->r, FIRST, O_RDONLY);
	EXPECT_ERRNO(EBADF, pwrite(fd, "x", 1, 0));
	EXPECT_ERRNO(EACCES, no_map(fd, PROT_WRITE, MAP_SHARED));
	EXPECT_ERRNO(EACCES, no_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED));
	EXPECT_ERRNO(EACCES, no_map(fd, PROT_READ | PROT_WRITE, MAP_SHARED_VALIDATE | MAP_SYNC));

	/* nor make a mapping writable */
	for (i = 0; i < ARRAY_SIZE(skew); i++) {
		q = map_at(4 * MB, PROT_READ, MAP_SHARED, fd, 0, PMD, skew[i]);
		EXPECT_EQ(-1, check_pattern(q, 4 * MB, SEED, 0));
		EXPECT_ERRNO(EACCES, mprotect(q, 4 * MB, PROT_READ | PROT_WRITE));
		EXPECT_ERRNO(EACCES, mprotect(q, PAGE, PROT_WRITE));
		/* nor through the back door */
		EXPECT_ERRNO(EIO, pwrite(mem, "x", 1, (uintptr_t)q));
		EXPECT_TRUE(try_read(q, NULL));
		munmap(q, 4 * MB);
	}
	/* nothing has been written */
	EXPECT_EQ(-1, check_pattern(p, 4 * MB, SEED, 0));
}

FAMFS_TEST_MAIN
