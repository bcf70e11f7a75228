// SPDX-License-Identifier: GPL-2.0
/* The character device of a dax device, across the drivers that bind to it. */
#include <limits.h>
#include <sys/sysmacros.h>

#include "test.h"

#define LEN (8 * MB)
/* the second range of DAX_TWO begins here */
#define SEAM (128 * MB)
/* seconds for which some children work, longer than those of child_start() */
#define BUSY_SECONDS 280

#define FSDEV "/sys/bus/dax/drivers/fsdev_dax"

/* The device of the test, in devdax mode when it begins. */
static const char *dev;
static char path[32];		/* the node of devtmpfs */
static char node[32];		/* another inode of the same device */
static char layout[128];	/* of a file of LEN, "f", at its beginning */

FIXTURE(binding)
{
};

FIXTURE_VARIANT(binding)
{
	const char *dev;
	bool dynamic;	/* else its region can go away and come back */
};

FIXTURE_VARIANT_ADD(binding, dynamic) { .dev = DAX_BIG, .dynamic = true };
FIXTURE_VARIANT_ADD(binding, two_ranges) { .dev = DAX_TWO, .dynamic = true };
FIXTURE_VARIANT_ADD(binding, pmem) { .dev = DAX_PMEM };

static void use_device(struct __test_metadata *_metadata, const char *name)
{
	dev = name;
	snprintf(path, sizeof(path), "/dev/%s", dev);
	snprintf(node, sizeof(node), "/tmp/node.%d", getpid());
	snprintf(layout, sizeof(layout), "dev 0 %s\nfile f 644 8M simple 0:0:8M\n", path);
	ASSERT_EQ(0, dax_set_mode(dev, DAX_DEVDAX));
	unlink(node);
	ASSERT_EQ(0, mknod(node, S_IFCHR | 0600, dev_of(path)));
}

FIXTURE_SETUP(binding)
{
	BEGIN(variant->dev);
	use_device(_metadata, variant->dev);
}

FIXTURE_TEARDOWN(binding)
{
	unlink(node);
	EXPECT_EQ(0, dax_set_mode(dev, DAX_DEVDAX));
	END();
}

static void *map_fd(int fd)
{
	return map_file(fd, LEN, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static long try_mmap(int fd)
{
	return (long)mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, 0);
}

/* Return: a descriptor, in any case. */
static int open_node(struct __test_metadata *_metadata, const char *name)
{
	int fd = open(name, O_RDWR | O_CLOEXEC);

	EXPECT_LE(0, fd)
		TH_LOG("%s: %m", name);
	return fd;
}

/* Neither the descriptor nor, in devdax mode, its mapping can be used. */
static void dead(struct __test_metadata *_metadata, enum dax_mode mode, int fd, char *p)
{
	char c = 0;

	if (mode == DAX_DEVDAX) {
		EXPECT_FALSE(try_read(p, NULL));
		EXPECT_FALSE(try_write(p, NULL));
		EXPECT_FALSE(try_write(p + LEN - PAGE, NULL));
		EXPECT_ERRNO(ENXIO, try_mmap(fd));
		return;
	}
	EXPECT_ERRNO(ENXIO, pread(fd, &c, 1, 0));
	EXPECT_ERRNO(ENXIO, pwrite(fd, &c, 1, 0));
	EXPECT_ERRNO(ENXIO, lseek(fd, 0, SEEK_END));
	EXPECT_ERRNO(ENODEV, try_mmap(fd));
}

/* The node can be opened and used as is right in that mode. */
static void works(struct __test_metadata *_metadata, enum dax_mode mode, const char *name)
{
	int fd = open_node(_metadata, name);
	char c, *p;

	if (mode == DAX_DEVDAX) {
		p = map_fd(fd);
		EXPECT_TRUE(try_write(p + LEN - 1, NULL));
		EXPECT_ERRNO(EINVAL, read(fd, &c, 1));
		munmap(p, LEN);
	} else {
		EXPECT_EQ(1, pread(fd, &c, 1, LEN));
		EXPECT_EQ(1, pwrite(fd, &c, 1, LEN));
		EXPECT_ERRNO(ENODEV, try_mmap(fd));
	}
	close(fd);
}

/*
 * What was opened and mapped in one mode does not come back to life, neither in
 * another mode nor when the same driver binds again, which is another binding.
 */
TEST_F(binding, dead_for_good)
{
	static const struct {
		enum dax_mode mode, other;
	} cases[] = {
		{ DAX_DEVDAX, DAX_FAMFS }, { DAX_DEVDAX, DAX_DISABLED },
		{ DAX_FAMFS, DAX_DEVDAX }, { DAX_FAMFS, DAX_DISABLED },
	};
	char c, *p = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		enum dax_mode mode = cases[i].mode, other = cases[i].other;
		int fd;

		ASSERT_EQ(0, dax_set_mode(dev, mode));
		fd = open_node(_metadata, path);
		if (mode == DAX_DEVDAX) {
			p = map_fd(fd);
			ASSERT_TRUE(try_write(p, NULL));
		} else {
			ASSERT_EQ(1, pread(fd, &c, 1, 0));
		}
		ASSERT_EQ(0, dax_set_mode(dev, other));
		dead(_metadata, mode, fd, p);
		if (other != DAX_DISABLED)
			works(_metadata, other, path);
		ASSERT_EQ(0, dax_set_mode(dev, mode));
		dead(_metadata, mode, fd, p);
		works(_metadata, mode, path);
		dead(_metadata, mode, fd, p);
		if (mode == DAX_DEVDAX)
			munmap(p, LEN);
		close(fd);
		works(_metadata, mode, path);
	}
}

/* An inode that is open gets the driver of the moment, as any other does. */
TEST_F(binding, open_follows_the_driver)
{
	const char *const names[] = { path, node };
	/* by hand, as documented: writing to new_id binds */
	static const char *const steps[] = {
		"device_dax/unbind", "device_dax/remove_id", "fsdev_dax/new_id",
		"fsdev_dax/unbind", "fsdev_dax/remove_id", "device_dax/new_id",
	};
	int i, j;

	for (i = 0; i < (int)ARRAY_SIZE(steps); i++) {
		EXPECT_EQ(0, write_text(strf("/sys/bus/dax/drivers/%s", steps[i]), dev))
			TH_LOG("step %d", i);
	}
	EXPECT_EQ(DAX_DEVDAX, dax_get_mode(dev));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, dax_set_mode(dev, DAX_DEVDAX));
		for (j = 0; j < 2; j++) {
			works(_metadata, DAX_DEVDAX, names[j]);
			open_node(_metadata, names[j]);
		}
		ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
		for (j = 0; j < 2; j++) {
			works(_metadata, DAX_FAMFS, names[j]);
			open_node(_metadata, names[j]);
		}
		ASSERT_EQ(0, dax_set_mode(dev, DAX_DISABLED));
		for (j = 0; j < 2; j++)
			EXPECT_ERRNO(ENXIO, open(names[j], O_RDWR));
	}
	if (variant->dynamic) {
		ASSERT_EQ(0, dax_set_mode(dev, DAX_RAM));
		EXPECT_ERRNO(ENXIO, open(path, O_RDWR));
	}
}

/* read(2) and write(2), over the seam between two ranges and at the end. */
TEST_F(binding, read_and_write)
{
	const off_t size = dax_size(dev), seam = SEAM - MB + 5;
	char buf[8], c = 0, *p;
	int fd;

	ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	fd = open(path, O_RDWR);
	EXPECT_EQ(size, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, read(fd, &c, 1));
	EXPECT_ERRNO(ENOSPC, write(fd, &c, 1));
	EXPECT_ERRNO(ENOSPC, pwrite(fd, &c, 1, size + MB));
	EXPECT_EQ(0, pread(fd, &c, 1, size + MB));
	EXPECT_EQ(0, pwrite(fd, &c, 0, size));
	EXPECT_ERRNO(EINVAL, lseek(fd, size + 1, SEEK_SET));

	EXPECT_TRUE(write_pattern(fd, 2 * MB, 1, seam));
	fill_pattern(buf, 8, 1, size - 7);
	EXPECT_EQ(7, pwrite(fd, buf, 8, size - 7));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_TRUE(has_pattern(fd, 2 * MB, 1, seam));
	memset(buf, 0, 8);
	EXPECT_EQ(7, pread(fd, buf, 8, size - 7));
	EXPECT_EQ(-1, check_pattern(buf, 7, 1, size - 7));
	close(fd);

	/* devdax mode finds the same at the same place */
	ASSERT_EQ(0, dax_set_mode(dev, DAX_DEVDAX));
	fd = open(path, O_RDWR);
	p = map_at(LEN, PROT_READ, MAP_SHARED, fd, SEAM - LEN / 2, PMD, 0);
	EXPECT_EQ(-1, check_pattern(p + LEN / 2 - MB + 5, 2 * MB, 1, seam));
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
	ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	fd = open(path, O_RDWR);
	fill_pattern(buf, good, 2, 0);
	EXPECT_EQ((ssize_t)good, pwrite(fd, buf, 2 * MB, 0));
	EXPECT_ERRNO(EFAULT, pwrite(fd, buf + good, PAGE, 0));
	memset(buf, 0, good);
	EXPECT_EQ((ssize_t)good, pread(fd, buf, 2 * MB, 0));
	EXPECT_EQ(-1, check_pattern(buf, good, 2, 0));
	EXPECT_ERRNO(EFAULT, pread(fd, buf + good, PAGE, 0));
}

/* Pages that have failed, and only they, cannot be read or written. */
TEST_F(binding, failed_page)
{
	const off_t bad = SEAM - 2 * PAGE;
	char buf[4 * PAGE];
	int fd;

	if (!can_poison())
		SKIP(return, "memory failures cannot be injected");
	ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	fd = open(path, O_RDWR);
	/* of memory that no file system has, nobody can be told */
	EXPECT_EQ(-EBUSY, dax_poison(dev, bad));
	EXPECT_ERRNO(EIO, pread(fd, buf, 1, bad + 1));
	EXPECT_ERRNO(EIO, pwrite(fd, buf, 1, bad + PAGE - 1));
	EXPECT_EQ(PAGE + 3, pread(fd, buf, 4 * PAGE, bad - PAGE - 3));
	EXPECT_EQ(PAGE + 3, pwrite(fd, buf, 4 * PAGE, bad - PAGE - 3));
	EXPECT_EQ(3 * PAGE, pread(fd, buf, 3 * PAGE, bad + PAGE));
}

/* While a file system holds the device it is busy. */
TEST_F(binding, held)
{
	struct server s;
	char c = 0;
	int fd;

	ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	fd = open(path, O_RDWR);
	server_start(&s, layout, NULL);
	EXPECT_EQ(1, pwrite(fd, "x", 1, 0));
	s.fd = server_must_open(&s, "f", O_RDWR);
	EXPECT_EQ(1, pread(s.fd, &c, 1, 0));
	EXPECT_EQ('x', c);
	EXPECT_ERRNO(EBUSY, pread(fd, &c, 1, 0));
	EXPECT_ERRNO(EBUSY, pwrite(fd, &c, 1, 0));
	EXPECT_EQ(1, pwrite(s.fd, "y", 1, 0));
	ASSERT_EQ(0, server_stop(&s));
	EXPECT_EQ(1, pread(fd, &c, 1, 0));
	EXPECT_EQ('y', c);
}

/* Read or write without end. The child ends with 1 if an answer is wrong. */
static pid_t child_copies(bool write)
{
	size_t len = 4 * MB;
	pid_t pid = child_start();
	ssize_t n;
	char *buf;
	int fd;

	if (pid)
		return pid;
	alarm(BUSY_SECONDS);
	buf = malloc(len);
	memset(buf, 1, len);
	fd = open(path, O_RDWR);
	for (;;) {
		n = write ? pwrite(fd, buf, len, LEN) : pread(fd, buf, len, 0);
		if (n <= 0 && errno != EBUSY)
			_exit(1);
	}
}

/*
 * Whoever reads and writes keeps neither a file system from the device nor another
 * driver, and can be killed.
 */
TEST_F(binding, taken_and_unbound_under_copies)
{
	struct server s;
	pid_t pids[2];
	int i;

	ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	for (i = 0; i < 2; i++)
		pids[i] = child_copies(i);
	for (i = 0; i < 10; i++) {
		server_start_f(&s, layout);
		EXPECT_EQ(0, server_stop(&s));
	}
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(256 + SIGKILL, child_kill(pids[i]));
		pids[i] = child_copies(i);
	}
	usleep(300000);
	ASSERT_EQ(0, dax_set_mode(dev, DAX_DEVDAX));
	for (i = 0; i < 2; i++)
		EXPECT_EQ(1, child_wait(pids[i]));
}

/* Of the driver of the region: "dax0.0" of the nd bus, "hmem.1". */
static bool region_driver(char *driver, char *name, size_t len)
{
	char real[PATH_MAX];

	if (!realpath(strf("/sys/bus/dax/devices/%s/..", dev), real))
		return false;
	snprintf(name, len, "%s", strrchr(real, '/') + 1);
	return realpath(strf("%s/driver", real), driver);
}

/*
 * The device goes away and is there again: the region of a static device, as by
 * "ndctl disable-namespace", else its driver.
 */
static int take_away(bool dynamic)
{
	char driver[PATH_MAX], name[64];
	int err;

	if (dynamic)
		return dax_unbind(dev);
	if (!region_driver(driver, name, sizeof(name)))
		return -ENODEV;
	err = write_text(strf("%s/unbind", driver), name);
	/* by which it would be bound as soon as it is there again */
	write_text(FSDEV "/remove_id", dev);
	return err ?: write_text(strf("%s/bind", driver), name);
}

/* A file system that comes when the device goes does not keep it unseen. */
TEST_F(binding, taken_while_going)
{
	struct server s;
	int file, i;
	pid_t pid;
	char c, *p;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
		server_start(&s, layout, NULL);
		pid = child_start();
		if (!pid) {
			usleep(i * 500);
			_exit(-take_away(variant->dynamic));
		}
		file = server_open(&s, "f", O_RDWR);
		p = file < 0 ? NULL : map_fd(file);
		if (p)
			try_write(p, NULL);
		EXPECT_EQ(0, child_wait(pid));
		ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
		if (p) {
			EXPECT_ERRNO(EIO, pread(file, &c, 1, 0));
			EXPECT_FALSE(try_read(p, NULL));
		}
		EXPECT_EQ(0, server_stop(&s));
	}
}

/* Opens, maps, reads and writes whatever is there, until it is killed. */
static pid_t child_uses(const char *name)
{
	static char buf[64 * KB];
	pid_t pid = child_start();
	int fd;
	char *p;

	if (pid)
		return pid;
	alarm(BUSY_SECONDS);
	for (;;) {
		fd = open(name, O_RDWR);
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

static pid_t users[NR_USERS];

static void start_users(const char *name)
{
	int i;

	for (i = 0; i < NR_USERS; i++)
		users[i] = child_uses(i % 2 ? name : node);
}

static void stop_users(struct __test_metadata *_metadata)
{
	int i;

	for (i = 0; i < NR_USERS; i++)
		EXPECT_EQ(256 + SIGKILL, child_kill(users[i]));
}

TEST_F(binding, modes_against_users)
{
	static const enum dax_mode modes[] = { DAX_FAMFS, DAX_DEVDAX, DAX_DISABLED,
		DAX_DEVDAX, DAX_DISABLED, DAX_FAMFS };
	int i;

	start_users(path);
	for (i = 0; i < 18; i++) {
		EXPECT_EQ(0, dax_set_mode(dev, modes[i % 6]));
		usleep(20000);
	}
	stop_users(_metadata);
}

/* The whole region goes away: "ndctl disable-namespace". */
TEST(removal_against_users)
{
	int i;

	BEGIN(DAX_PMEM);
	use_device(_metadata, DAX_PMEM);
	start_users(path);
	for (i = 0; i < 8; i++) {
		ASSERT_EQ(0, dax_set_mode(dev, i % 2 ? DAX_DEVDAX : DAX_FAMFS));
		usleep(20000);
		EXPECT_EQ(0, take_away(false));
	}
	stop_users(_metadata);
	unlink(node);
	END();
}

/* Neither size, alignment nor ranges of a device change under a driver. */
TEST(layout_is_busy)
{
	const char *const devs[] = { DAX_BIG, DAX_TWO };
	size_t i;

	BEGIN(DAX_BIG, DAX_TWO);
	for (i = 0; i < ARRAY_SIZE(devs); i++) {
		const uint64_t start = dax_pfn(devs[i], 0) * PAGE;
		enum dax_mode mode;
		char range[64];

		snprintf(range, sizeof(range), "%jx-%jx", (uintmax_t)start,
			 (uintmax_t)(start + 2 * MB - 1));
		for (mode = DAX_DEVDAX; mode <= DAX_FAMFS; mode++) {
			ASSERT_EQ(0, dax_set_mode(devs[i], mode));
			EXPECT_EQ(-EBUSY, dax_write(devs[i], "mapping", range));
			EXPECT_EQ(-EBUSY, dax_write(devs[i], "size", "0"));
			EXPECT_EQ(-EBUSY, dax_write(devs[i], "align", "4096"));
		}
		/* without a driver it is the range that is wrong */
		ASSERT_EQ(0, dax_set_mode(devs[i], DAX_DISABLED));
		EXPECT_EQ(-ENOMEM, dax_write(devs[i], "mapping", range));
	}
	END();
}

/* Make a device of 16 MiB in the region. Its name is @new. */
static int make_device(char new[24])
{
	int err = dax_write(DAX_BIG, "../dax_region/create", "1");

	if (err)
		return err;
	if (sscanf(read_text(strf("/sys/bus/dax/devices/%s/../dax_region/create", DAX_BIG)),
		   "%23s", new) != 1)
		return -ENODEV;
	return dax_write(new, "size", "16777216");
}

static int delete_device(const char *new)
{
	return dax_set_mode(new, DAX_DISABLED) ?:
	       dax_write(new, "size", "0") ?:
	       dax_write(DAX_BIG, "../dax_region/delete", new);
}

/* A device is made and deleted again under its users. */
TEST(delete_against_users)
{
	char new[24];
	int i;

	BEGIN(DAX_BIG);
	use_device(_metadata, DAX_BIG);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, make_device(new));
		start_users(strf("/dev/%s", new));
		EXPECT_EQ(0, dax_set_mode(new, i % 2 ? DAX_DEVDAX : DAX_FAMFS));
		usleep(100000);
		EXPECT_EQ(0, delete_device(new));
		stop_users(_metadata);
	}
	unlink(node);
	END();
}

/* A node can outlive its device, and is looked at by what drops caches. */
TEST(node_without_device)
{
	char new[24];
	int fd;

	BEGIN(DAX_BIG);
	ASSERT_EQ(0, make_device(new));
	ASSERT_EQ(0, dax_set_mode(new, DAX_DEVDAX));
	snprintf(node, sizeof(node), "/tmp/node.%d", getpid());
	ASSERT_EQ(0, mknod(node, S_IFCHR | 0600, dev_of(strf("/dev/%s", new))));
	works(_metadata, DAX_DEVDAX, node);
	fd = open(node, O_RDWR);
	EXPECT_EQ(0, delete_device(new));
	EXPECT_ERRNO(ENXIO, open(node, O_RDWR));
	close(fd);
	EXPECT_ERRNO(ENXIO, open(node, O_RDWR));
	usleep(200000);	/* after a grace period */
	EXPECT_EQ(0, write_text("/proc/sys/vm/drop_caches", "1"));
	EXPECT_EQ(0, unlink(node));
	END();
}

/*
 * A removal that waits for a page of a file does not stop other devices, whose
 * attributes take the same lock.
 */
TEST(removal_waits_alone)
{
	char driver[PATH_MAX], name[64];
	pid_t remover, reader;
	struct server s;
	int pipes[2];
	char *p;

	BEGIN(DAX_PMEM, DAX_BIG);
	use_device(_metadata, DAX_PMEM);
	ASSERT_TRUE(region_driver(driver, name, sizeof(name)));
	ASSERT_EQ(0, dax_set_mode(dev, DAX_FAMFS));
	server_start_f(&s, layout);
	p = map_fd(s.fd);
	p[0] = 1;
	ASSERT_EQ(0, pin(pipes, p));

	remover = child_start();
	if (!remover)
		_exit(-write_text(strf("%s/unbind", driver), name));
	usleep(500000);
	ASSERT_TRUE(child_runs(remover));
	reader = child_start();
	if (!reader)
		_exit(!dax_pfn(DAX_BIG, 0));
	EXPECT_EQ(0, child_within(reader, 5));
	EXPECT_TRUE(child_runs(remover));

	unpin(pipes, NULL);
	EXPECT_EQ(0, child_wait(remover));
	EXPECT_EQ(0, server_stop(&s));
	write_text(FSDEV "/remove_id", dev);
	EXPECT_EQ(0, write_text(strf("%s/bind", driver), name));
	unlink(node);
	END();
}

FAMFS_TEST_MAIN
