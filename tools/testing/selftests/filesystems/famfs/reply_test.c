// SPDX-License-Identifier: GPL-2.0
/* Replies of the server, right and wrong: what becomes of the open. */
#include <err.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

#include "raw.h"
#include "test.h"

#define CASE_PAGE (4 * KB)
#include "../../../../../fs/fuse/famfs_map_cases.h"

#define NODES "/tmp/nodes"

/* Of the kernel, but for the one about a device that is held. */
#define QUIET "!): held"

/*
 * The file of the case, one that is opened anew after every case, and one that
 * is open all the time. The latter two lie where no case does.
 */
enum { CASE, HEALTHY, OPEN };

FIXTURE(reply)
{
	struct raw r;
	int fd;
	uint8_t *p;
};

static void chdir_root(const struct raw *r)
{
	if (chdir("/"))
		err(2, "/");
}

FIXTURE_SETUP(reply)
{
	BEGIN(DAX_BIG, DAX_SMALL);
	raw_init(&self->r);
	self->r.s->entry_valid = 0;
	raw_set_dev(&self->r, 0, DEV_BIG);
	raw_set_file(&self->r, HEALTHY, 0, 512 * MB, 2 * MB);
	raw_set_file(&self->r, OPEN, 0, 514 * MB, 2 * MB);
	raw_start(&self->r, chdir_root);
	self->fd = -1;
	/* about changing modes */
	log_lines("");
}

FIXTURE_TEARDOWN(reply)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	EXPECT_EQ(0, log_lines(QUIET));
	END();
}

static void hold_open(FIXTURE_DATA(reply) *self)
{
	self->fd = raw_must_open(&self->r, OPEN, O_RDWR);
	self->p = map_rw(self->fd, 2 * MB, 0);
	fill_pattern(self->p, 2 * MB, 1, 0);
}

/* The same, and the file of the case lies on device 1. */
static void use_device(FIXTURE_DATA(reply) *self)
{
	hold_open(self);
	raw_set_file(&self->r, CASE, 1, 2 * MB, 2 * MB);
}

/* Nothing but the file of the case has suffered. */
static const char *sick(FIXTURE_DATA(reply) *self)
{
	int fd;

	if (log_lines(QUIET))
		return "the kernel has something to say";
	raw_renew(&self->r, HEALTHY);
	fd = raw_open(&self->r, HEALTHY, O_RDWR);
	if (!rw_works(fd, MB))
		return "another file cannot be opened, read and written";
	close(fd);
	if (!rw_works(self->fd, MB))
		return "the open file cannot be read and written";
	if (check_pattern(self->p, MB, 1, 0) >= 0)
		return "the content of the open file has changed";
	return NULL;
}

/* Every byte of the file of a good case can be reached in both ways. */
static bool usable(int fd, uint64_t size)
{
	uint8_t *p = map_rw(fd, size, 0);
	bool ok = write_pattern(fd, size, 2, 0) &&
		  check_pattern(p, size, 2, 0) < 0;

	fill_pattern(p, size, 3, 0);
	ok = ok && has_pattern(fd, size, 3, 0);
	munmap(p, size);
	return ok;
}

/* Open the file of a case. Return: what is wrong, or NULL. */
static const char *try_open(FIXTURE_DATA(reply) *self, int want)
{
	int fd, got;
	bool ok;

	raw_renew(&self->r, CASE);
	fd = raw_open(&self->r, CASE, O_RDWR);
	got = fd < 0 ? -fd : 0;
	ok = fd < 0 || want || usable(fd, self->r.s->files[CASE].size);
	if (fd >= 0)
		close(fd);
	if (got != want)
		return strf("open says %d, not %d", got, want);
	return ok ? NULL : "the file cannot be used";
}

static const char *outcome(FIXTURE_DATA(reply) *self, int want, const char *name)
{
	const char *why = try_open(self, want) ?: sick(self);

	return why ? strf("%s: %s", name, why) : "ok";
}

/* The file of the case opens like that, and nothing else has suffered. */
#define EXPECT_OPEN(want, name) EXPECT_STREQ("ok", outcome(self, want, name))

static void set_case(FIXTURE_DATA(reply) *self, const struct famfs_case *c)
{
	uint8_t buf[4096];
	size_t len = famfs_case_build(c, buf);

	raw_set_reply(&self->r.s->files[CASE].fmap, 0, buf, len);
	/* what the server says of the size before the file is opened */
	self->r.s->files[CASE].size = c->err ? PAGE : c->h.file_size;
}

/*
 * Good ones and bad ones. A map is checked before any device in it is asked for,
 * so those that are bad without a look at the device come first.
 */
TEST_F(reply, maps)
{
	const struct famfs_case *c;
	unsigned int i, n = 0, good = 0;

	if (PAGE != CASE_PAGE)
		SKIP(return, "the cases have other pages");
	for (c = famfs_cases; c < famfs_cases + ARRAY_SIZE(famfs_cases); c++) {
		if (!c->err || c->needs_dev)
			continue;
		set_case(self, c);
		EXPECT_EQ(NULL, try_open(self, c->err))
			TH_LOG("%s", c->name);
		n++;
	}
	EXPECT_EQ(0, raw_count(&self->r, FUSE_GET_DAXDEV));
	/* every open that has failed is released, which it does not wait for */
	EXPECT_EQ(n, raw_count(&self->r, FUSE_OPEN));
	for (i = 0; i < 10000 && raw_count(&self->r, FUSE_RELEASE) < n; i++)
		usleep(1000);
	EXPECT_EQ(n, raw_count(&self->r, FUSE_RELEASE));
	EXPECT_EQ(n, raw_count(&self->r, FUSE_GET_FMAP));

	hold_open(self);
	for (c = famfs_cases; c < famfs_cases + ARRAY_SIZE(famfs_cases); c++) {
		set_case(self, c);
		EXPECT_OPEN(c->err, c->name);
		good += !c->err;
	}
	EXPECT_LT(10, good);
	EXPECT_LT(70, ARRAY_SIZE(famfs_cases) - good);
	EXPECT_EQ(1, raw_count(&self->r, FUSE_GET_DAXDEV));
}

/* As many extents as there is room for, and one more. */
#define MOST ((FAMFS_FMAP_MAX - sizeof(struct fuse_famfs_fmap_header)) / \
	      sizeof(struct fuse_famfs_simple_ext))

/* They may not overlap, so most of them end beyond the device. */
static void place_one_by_one(unsigned int nr, struct fuse_famfs_simple_ext *ext)
{
	ext->se_offset = (uint64_t)nr * PAGE;
}

TEST_F(reply, longest_map)
{
	uint64_t before;

	hold_open(self);
	before = raw_count(&self->r, FUSE_GET_FMAP);
	self->r.s->fmap_size = true;
	/*
	 * Two requests have read it to its end: the device is too small. One more is for
	 * the file that is opened to see whether others have suffered.
	 */
	raw_set_extents(&self->r, CASE, MOST, PAGE, place_one_by_one);
	EXPECT_OPEN(EINVAL, "longest");
	EXPECT_EQ(before + 3, raw_count(&self->r, FUSE_GET_FMAP));
	raw_set_extents(&self->r, CASE, MOST + 1, PAGE, place_one_by_one);
	EXPECT_OPEN(E2BIG, "too long");
	EXPECT_EQ(before + 5, raw_count(&self->r, FUSE_GET_FMAP));
}

/* Of a map of one extent: what the header says of the length, and what is sent. */
static const struct size_case {
	const char *name;
	int err;
	uint32_t fmap_size, len;
	unsigned int requests;
} size_cases[] = {
	{ "not said", 0, 0, 56, 1 },
	{ "header of what would have fit", EINVAL, 56, 32, 1 },
	{ "header again and again", EINVAL, 8 * MB, 32, 2 },
	{ "more than a header, again and again", EINVAL, 8 * MB, 56, 1 },
	{ "header of the longest map", EINVAL, FAMFS_FMAP_MAX, 32, 2 },
	{ "header of a map that is too long", E2BIG, FAMFS_FMAP_MAX + 1, 32, 1 },
	{ "header of 4 GiB", E2BIG, ~0U, 32, 1 },
};

TEST_F(reply, length_of_a_map)
{
	volatile struct raw_reply *reply = &self->r.s->files[CASE].fmap;
	uint64_t before;
	unsigned int i;

	hold_open(self);
	raw_set_file(&self->r, CASE, 0, 0, 2 * MB);
	for (i = 0; i < ARRAY_SIZE(size_cases); i++) {
		const struct size_case *c = &size_cases[i];

		((struct fuse_famfs_fmap_header *)reply->data)->fmap_size =
			c->fmap_size;
		reply->len = c->len;
		before = raw_count(&self->r, FUSE_GET_FMAP);
		EXPECT_EQ(NULL, try_open(self, c->err))
			TH_LOG("case %s", c->name);
		EXPECT_EQ(c->requests, raw_count(&self->r, FUSE_GET_FMAP) - before);
		EXPECT_EQ(NULL, sick(self));
	}
}

/* Errors are passed on, and the next open asks again. */
static void error_replies(struct __test_metadata *_metadata,
			  FIXTURE_DATA(reply) *self,
			  volatile struct raw_reply *reply, int opcode)
{
	static const int errors[] = {
		ENOSYS, EIO, ENOENT, EPERM, EACCES, ENODEV, EINVAL, ENOMEM,
		EBUSY, EAGAIN, ESTALE, ETIMEDOUT, 511,
	};
	uint64_t before;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(errors); i++) {
		reply->error = errors[i];
		EXPECT_OPEN(errors[i] == ENOSYS ? EOPNOTSUPP : errors[i], strerror(errors[i]));
	}
	reply->error = 0;
	before = raw_count(&self->r, opcode);
	EXPECT_EQ(NULL, try_open(self, 0));
	EXPECT_EQ(before + 1, raw_count(&self->r, opcode));
}

TEST_F(reply, error_for_a_map)
{
	hold_open(self);
	raw_set_file(&self->r, CASE, 0, 0, PAGE);
	error_replies(_metadata, self, &self->r.s->files[CASE].fmap, FUSE_GET_FMAP);
}

/* Two files on the same memory: the second one is refused, wherever they meet. */
TEST_F(reply, memory_of_another_file)
{
	const struct {
		const char *name;
		int err;
		uint64_t off, len;
	} cases[] = {
		{ "the same", EBUSY, 514 * MB, 2 * MB },
		{ "its first page", EBUSY, 514 * MB, PAGE },
		{ "its last page", EBUSY, 516 * MB - PAGE, PAGE },
		{ "across its end", EBUSY, 515 * MB, 4 * MB },
		{ "around it", EBUSY, 513 * MB, 4 * MB },
		{ "right behind it", 0, 516 * MB, MB },
	};
	static const struct fuse_famfs_simple_ext ext[] = {
		{ 0, 0, 520 * MB, 4 * MB }, { 0, 0, 515 * MB, 4 * MB },
	};
	unsigned int i;

	hold_open(self);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		raw_set_file(&self->r, CASE, 0, cases[i].off, cases[i].len);
		EXPECT_OPEN(cases[i].err, cases[i].name);
	}
	raw_set_map(&self->r, CASE, 8 * MB, FUSE_FAMFS_EXT_SIMPLE, 2, ext, sizeof(ext));
	EXPECT_OPEN(EBUSY, "second extent");
	raw_set_strips(&self->r, CASE, 2, 1, 513 * MB, MB, MB);
	EXPECT_OPEN(EBUSY, "second strip");
}

#define FULL sizeof(struct fuse_daxdev_out)
#define UNNAMED 1
#define CHARS(n) (UNNAMED + (n))

/* Replies about device 1, which are bad without a look at the device. */
static const struct format_case {
	const char *name;
	int err;
	size_t len;
	struct fuse_daxdev_out out;
	unsigned int fill;	/* UNNAMED, CHARS(of the name), or 0: DEV_SMALL */
	int write_err;		/* what the server's write says */
} format_cases[] = {
	{ "empty reply", EINVAL, 0, {} },
	{ "one byte", EINVAL, 1, { 1 } },
	{ "header without a name", EINVAL, 24, { 1 } },
	{ "cut behind the name", EINVAL, 40, { 1 } },
	{ "cut by a byte", EINVAL, FULL - 1, { 1 } },
	{ "one byte too much", EIO, FULL + 1, { 1 }, .write_err = EINVAL },
	{ "twice", EIO, 2 * FULL, { 1 }, .write_err = EINVAL },
	{ "index of another device", EINVAL, FULL, { 2 } },
	{ "index 64", EINVAL, FULL, { 64 } },
	{ "index 257", EINVAL, FULL, { 257 } },
	{ "index 65535", EINVAL, FULL, { 65535 } },
	{ "reserved", EINVAL, FULL, { 1, .reserved = 1 } },
	{ "reserved2", EINVAL, FULL, { 1, .reserved2 = 1 } },
	{ "reserved3", EINVAL, FULL, { 1, .reserved3 = 1 } },
	{ "reserved4", EINVAL, FULL, { 1, .reserved4 = 1ULL << 63 } },
	{ "no name", EINVAL, FULL, { 1 }, UNNAMED },
	{ "name without an end", EINVAL, FULL, { 1 }, CHARS(256) },
	{ "longest name", ENOENT, FULL, { 1 }, CHARS(255) },
};

TEST_F(reply, format_of_a_device)
{
	unsigned int i;

	use_device(self);
	for (i = 0; i < ARRAY_SIZE(format_cases); i++) {
		const struct format_case *c = &format_cases[i];
		struct fuse_daxdev_out out[2] = { c->out };

		if (c->fill)
			memset(out[0].name, 'x', c->fill - UNNAMED);
		else
			strcpy(out[0].name, DEV_SMALL);
		out[1] = out[0];
		raw_set_reply(&self->r.s->devs[1], 0, out, c->len);
		EXPECT_OPEN(c->err, c->name);
		EXPECT_EQ(c->write_err, self->r.s->write_err[FUSE_GET_DAXDEV]);
	}
	/* none of them has used up the index */
	raw_set_dev(&self->r, 1, DEV_SMALL);
	EXPECT_OPEN(0, "good");
}

TEST_F(reply, error_for_a_device)
{
	use_device(self);
	raw_set_dev(&self->r, 1, DEV_SMALL);
	error_replies(_metadata, self, &self->r.s->devs[1], FUSE_GET_DAXDEV);
}

/* Names that are right in form, but not in what they name. */
static const struct path_case {
	const char *name;
	int err;
	const char *path;
} path_cases[] = {
	{ "not there", ENOENT, "/dev/dax99.99" },
	{ "relative and not there", ENOENT, "dev/none" },
	{ "below a device", ENOTDIR, NODES "/link/x" },
	{ "link to nowhere", ENOENT, NODES "/dangling" },
	{ "links in a loop", ELOOP, NODES "/loop" },
	{ "root directory", ENODEV, "/" },
	{ "directory", ENODEV, NODES "/dir" },
	{ "regular file", ENODEV, NODES "/file" },
	{ "fifo", ENODEV, NODES "/fifo" },
	{ "block device", ENODEV, NODES "/block" },
	{ "block device with the number of a dax device", ENODEV,
	  NODES "/dax-block" },
	{ "no driver for the major number", ENODEV, NODES "/no-major" },
	{ "no dax device with the number", ENODEV, NODES "/no-minor" },
	{ "/dev/null", ENODEV, "/dev/null" },
	{ "/dev/kmsg", ENODEV, "/dev/kmsg" },
	{ "/dev/fuse", ENODEV, "/dev/fuse" },
	{ "device on a nodev mount", EACCES, NODES "/nodev/device" },
	{ "file of proc, which has no devices", EACCES, "/proc/self/maps" },
	{ "device of index 0", EBUSY, DEV_BIG },
};

static void make_nodes(void)
{
	dev_t dev = dev_of(DEV_SMALL);

	if (mkdir(NODES, 0755) || mkdir(NODES "/dir", 0755) || mkdir(NODES "/nodev", 0755) ||
	    mount("nodes", NODES "/nodev", "tmpfs", MS_NODEV, "") ||
	    mknod(NODES "/nodev/device", S_IFCHR | 0600, dev) ||
	    mknod(NODES "/file", S_IFREG | 0600, 0) ||
	    mknod(NODES "/fifo", S_IFIFO | 0600, 0) ||
	    mknod(NODES "/block", S_IFBLK | 0600, makedev(7, 0)) ||
	    mknod(NODES "/dax-block", S_IFBLK | 0600, dev) ||
	    mknod(NODES "/no-major", S_IFCHR | 0600, makedev(511, 3)) ||
	    mknod(NODES "/no-minor", S_IFCHR | 0600, makedev(major(dev), 999)) ||
	    symlink("none", NODES "/dangling") ||
	    symlink("loop", NODES "/loop") ||
	    symlink(DEV_SMALL, NODES "/link"))
		err(1, NODES);
}

TEST_F(reply, name_of_a_device)
{
	unsigned int i;

	make_nodes();
	use_device(self);
	for (i = 0; i < ARRAY_SIZE(path_cases); i++) {
		const struct path_case *c = &path_cases[i];

		raw_set_dev(&self->r, 1, c->path);
		EXPECT_OPEN(c->err, c->name);
	}
	/* by a link */
	raw_set_dev(&self->r, 1, NODES "/link");
	EXPECT_EQ(NULL, try_open(self, 0));
	umount(NODES "/nodev");
	EXPECT_EQ(0, system("rm -rf " NODES));
}

/* Index 0 in the reply is what servers say that know no other one. */
TEST_F(reply, index_0_means_the_one_asked_for)
{
	struct fuse_daxdev_out out = {};

	use_device(self);
	strcpy(out.name, DEV_SMALL);
	raw_set_reply(&self->r.s->devs[1], 0, &out, sizeof(out));
	EXPECT_OPEN(0, "good");
}

/* A relative name is relative to the directory of the server. */
TEST_F(reply, relative_name)
{
	ASSERT_EQ(0, chdir("/tmp"));
	use_device(self);
	raw_set_dev(&self->r, 1, DEV_SMALL + 1);
	EXPECT_OPEN(0, "good");
}

/* The last index there is, and the last device that there is room for. */
TEST_F(reply, index_63)
{
	hold_open(self);
	raw_set_file(&self->r, CASE, 63, 2 * MB, 2 * MB);
	raw_set_dev(&self->r, 63, DEV_SMALL);
	EXPECT_OPEN(0, "good");
}

/* A device in each mode. Its node is there in all of them. */
TEST_F(reply, mode_of_a_device)
{
	static const struct {
		const char *name;
		enum dax_mode mode;
		int err;
	} cases[] = {
		{ "devdax", DAX_DEVDAX, EOPNOTSUPP },
		{ "system-ram", DAX_RAM, EOPNOTSUPP },
		{ "no driver", DAX_DISABLED, ENODEV },
		{ "famfs", DAX_FAMFS, 0 },
	};
	unsigned int i;

	BEGIN(DAX_TWO);
	use_device(self);
	raw_set_dev(&self->r, 1, DEV_TWO);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		ASSERT_EQ(0, dax_set_mode(DAX_TWO, cases[i].mode));
		/* what the kernel says about changing modes is not of interest here */
		log_lines("");
		EXPECT_OPEN(cases[i].err, cases[i].name);
	}
}

/* One device, two mounts, or two indices of one mount. */
TEST_F(reply, device_that_is_held)
{
	struct raw other;
	int fd;

	raw_init(&other);
	other.s->entry_valid = 0;
	raw_set_dev(&other, 0, DEV_SMALL);
	raw_set_file(&other, CASE, 0, 0, 2 * MB);
	raw_start(&other, NULL);
	fd = raw_must_open(&other, CASE, O_RDWR);

	use_device(self);
	raw_set_dev(&self->r, 1, DEV_SMALL);
	EXPECT_OPEN(EBUSY, "another mount");
	close(fd);
	/* it is the mount that holds the device, not the open file */
	EXPECT_EQ(NULL, try_open(self, EBUSY));
	ASSERT_EQ(0, raw_stop(&other));
	EXPECT_OPEN(0, "given back");

	raw_set_dev(&self->r, 2, DEV_SMALL);
	raw_set_file(&self->r, CASE, 2, 0, 2 * MB);
	EXPECT_OPEN(EBUSY, "another index");
}

/*
 * Files on a device that nobody has asked for yet, opened at the same time: the
 * server is asked by several of them, and only one of its replies adds it.
 */
TEST_F(reply, opens_that_race)
{
	int round, i;

	for (round = 0; round < 10; round++) {
		pid_t pids[RAW_FILES];
		struct raw r;

		raw_init(&r);
		raw_set_dev(&r, 0, DEV_SMALL);
		r.s->pair_daxdevs = true;
		for (i = 0; i < RAW_FILES; i++)
			raw_set_file(&r, i, 0, i * 2 * MB, 2 * MB);
		raw_start(&r, chdir_root);
		for (i = 0; i < RAW_FILES; i++) {
			pids[i] = child_start();
			if (!pids[i])
				_exit(raw_open(&r, i, O_RDWR) < 0);
		}
		for (i = 0; i < RAW_FILES; i++)
			EXPECT_EQ(0, child_wait(pids[i]));
		EXPECT_LE(2, raw_count(&r, FUSE_GET_DAXDEV));
		EXPECT_EQ(0, raw_stop(&r));
	}
}

/* The second of two devices is bad: the first one remains and can be used. */
TEST_F(reply, second_device_is_bad)
{
	raw_set_strips(&self->r, CASE, 2, 2, 0, 2 * MB, 2 * MB);
	raw_set_dev(&self->r, 1, "/dev/null");
	EXPECT_EQ(NULL, try_open(self, ENODEV));
	hold_open(self);
	EXPECT_EQ(NULL, sick(self));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_DAXDEV));
	raw_set_dev(&self->r, 1, DEV_SMALL);
	EXPECT_EQ(NULL, try_open(self, 0));
	EXPECT_EQ(3, raw_count(&self->r, FUSE_GET_DAXDEV));
}

FAMFS_TEST_MAIN
