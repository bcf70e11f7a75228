// SPDX-License-Identifier: GPL-2.0
/*
 * Allocations that fail: in an open, wherever it allocates, in faults, when a
 * device binds, is registered, fails or unbinds, and in unmount.
 *
 * Most tests do one thing again and again, with the first allocation that it
 * makes failing, then the second, until it makes none that could fail. Whatever
 * comes of that, the next try without a failure has to work. Replies of the
 * server are consumed in its context, so there are two sides to look at.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/fuse.h>

#include "../../kselftest_harness.h"
#include "raw.h"
#include "util.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define DEBUGFS "/sys/kernel/debug/"
#define DROP_CACHES "/proc/sys/vm/drop_caches"
#define PRINTK "/proc/sys/kernel/printk"

/* More allocations than that in one operation: something runs in circles. */
#define TRIES_MAX 5000

/* As many allocations fail in a row. */
#define BURST "20"

/* vmalloc() says it like that, at length, if it gets no memory. */
#define EXPECTED "Call Trace"

/* --- Injection --- */

static bool can_inject(void)
{
	return !access("/proc/self/fail-nth", W_OK) &&
	       !access(DEBUGFS "failslab/times", W_OK) &&
	       !access(DEBUGFS "fail_page_alloc/times", W_OK);
}

static const char *const kinds[] = { "failslab", "fail_page_alloc" };

static void set_attr(const char *kind, const char *attr, const char *value)
{
	char path[64];
	int ret;

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, attr);
	ret = write_text(path, value);
	if (ret)
		errx(1, "%s: %s", path, strerror(-ret));
}

/* All allocations count, also those that may sleep, and fail in silence. */
static void prepare_injection(void)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		set_attr(kinds[i], "ignore-gfp-wait", "N");
		set_attr(kinds[i], "verbose", "0");
		set_attr(kinds[i], "task-filter", "Y");
		set_attr(kinds[i], "probability", "0");
		set_attr(kinds[i], "interval", "1");
	}
	set_attr("fail_page_alloc", "ignore-gfp-highmem", "N");
	set_attr("fail_page_alloc", "min-order", "0");
}

static int proc_open(pid_t pid, const char *attr)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, attr);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* The attribute of a process that says which of its allocations fails. */
static int nth_open(pid_t pid)
{
	return proc_open(pid, "fail-nth");
}

static void proc_set(int fd, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (write(fd, text, len) != len)
		err(1, "injection");
}

static void nth_arm(int fd, unsigned int n)
{
	proc_set(fd, n);
}

/* Return: true if an allocation has failed since nth_arm(). */
static bool nth_disarm(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		err(1, "fail-nth");
	nth_arm(fd, 0);
	return !atoi(text);
}

/* --- Which errors there were --- */

struct tally {
	unsigned int tries, good;
	unsigned int errors[512];
};

/* @ret: of the operation: negative errno, or not negative */
static void tally_add(struct tally *t, int ret)
{
	t->tries++;
	if (ret >= 0)
		t->good++;
	else if (-ret < (int)ARRAY_LEN(t->errors))
		t->errors[-ret]++;
}

static void tally_print(const struct tally *t, const char *what)
{
	size_t i;

	printf("# %s: %u allocations, %u of them not needed", what, t->tries,
	       t->good);
	for (i = 1; i < ARRAY_LEN(t->errors); i++)
		if (t->errors[i])
			printf(", %s %u", strerrorname_np(i), t->errors[i]);
	printf("\n");
}

/* --- Files --- */

/* One of each kind. */
enum { ONE, FORTY, INTERLEAVED, SPARE };

#define ONE_OFF (64 * MB)
#define ONE_LEN (4 * MB)
#define FORTY_OFF (72 * MB)
#define INTERLEAVED_OFF (80 * MB)
#define STRIPS 4
#define STRIP_LEN (256 * KB)

/* Forty extents on two devices, in no order. */
static void set_forty(struct raw *r)
{
	struct {
		struct fuse_famfs_fmap_header h;
		struct fuse_famfs_simple_ext ext[40];
	} map = {
		.h.fmap_version = FAMFS_FMAP_VERSION,
		.h.nextents = 40,
		.h.file_size = 80 * PAGE,
	};
	unsigned int i;

	for (i = 0; i < 40; i++) {
		map.ext[i].se_devindex = i % 2;
		map.ext[i].se_offset = FORTY_OFF + (i * 7 % 40) * 3 * PAGE;
		map.ext[i].se_len = 2 * PAGE;
	}
	r->s->files[FORTY].size = map.h.file_size;
	raw_set_reply(&r->s->files[FORTY].fmap, 0, &map, sizeof(map));
}

static void set_interleaved(struct raw *r)
{
	struct {
		struct fuse_famfs_fmap_header h;
		struct fuse_famfs_iext iext;
		struct fuse_famfs_simple_ext ext[STRIPS];
	} map = {
		.h.fmap_version = FAMFS_FMAP_VERSION,
		.h.ext_type = FUSE_FAMFS_EXT_INTERLEAVE,
		.h.nextents = 1,
		.h.file_size = STRIPS * STRIP_LEN,
		.iext.ie_nstrips = STRIPS,
		.iext.ie_chunk_size = 16 * PAGE,
		.iext.ie_nbytes = STRIPS * STRIP_LEN,
	};
	unsigned int i;

	for (i = 0; i < STRIPS; i++) {
		map.ext[i].se_devindex = i % 2;
		map.ext[i].se_offset = INTERLEAVED_OFF + i * STRIP_LEN;
		map.ext[i].se_len = STRIP_LEN;
	}
	r->s->files[INTERLEAVED].size = map.h.file_size;
	raw_set_reply(&r->s->files[INTERLEAVED].fmap, 0, &map, sizeof(map));
}

/* On two devices. The server is not asked what the kernel does not need. */
static void init_files(struct raw *r)
{
	raw_init(r);
	raw_set_dev(r, 0, "/dev/" DAX_TWO);
	raw_set_dev(r, 1, "/dev/" DAX_SMALL);
	raw_set_file(r, ONE, 0, ONE_OFF, ONE_LEN);
	set_forty(r);
	set_interleaved(r);
}

static void set_modes(void)
{
	if (dax_set_mode(DAX_TWO, DAX_FAMFS) ||
	    dax_set_mode(DAX_SMALL, DAX_FAMFS))
		errx(1, "a device does not bind");
}

static uint8_t buffer[ONE_LEN];

/* Write the pattern that good_data() looks for. */
static void write_data(void)
{
	struct raw r;
	unsigned int i;

	init_files(&r);
	raw_start(&r, NULL);
	for (i = ONE; i <= INTERLEAVED; i++) {
		ssize_t size = r.s->files[i].size;
		int fd = raw_open(&r, i, O_RDWR);

		fill_pattern(buffer, size, i, 0);
		if (fd < 0 || pwrite(fd, buffer, size, 0) != size)
			errx(1, "file %u can not be written", i);
		close(fd);
	}
	if (raw_stop(&r))
		errx(1, "umount");
}

/* Is everything there, by read(2), and the beginning also by a mapping? */
static bool good_data(const struct raw *r, unsigned int i, int fd)
{
	ssize_t size = r->s->files[i].size;
	bool ok;
	char *p;

	memset(buffer, 0, size);
	if (pread(fd, buffer, size, 0) != size ||
	    check_pattern(buffer, size, i, 0) >= 0)
		return false;
	p = map_file(fd, size, PROT_READ, MAP_SHARED);
	ok = p && try_read(p, NULL) && check_pattern(p, PAGE, i, 0) < 0;
	if (p)
		munmap(p, size);
	return ok;
}

/* Open a file without any failure, and look at it. Return: what is wrong. */
static const char *works(const struct raw *r, unsigned int i)
{
	int fd = raw_open(r, i, O_RDWR);
	bool ok;

	if (fd < 0)
		return strerror(-fd);
	ok = good_data(r, i, fd);
	close(fd);
	return ok ? NULL : "wrong data";
}

/* --- Open --- */

enum side { OPENER, SERVER };

FIXTURE(open)
{
	unsigned int ends;
};

FIXTURE_VARIANT(open)
{
	unsigned int file;
	enum side side;
};

FIXTURE_VARIANT_ADD(open, one_extent) { ONE, OPENER };
FIXTURE_VARIANT_ADD(open, forty_extents) { FORTY, OPENER };
FIXTURE_VARIANT_ADD(open, interleaved) { INTERLEAVED, OPENER };
FIXTURE_VARIANT_ADD(open, one_extent_server) { ONE, SERVER };
FIXTURE_VARIANT_ADD(open, forty_extents_server) { FORTY, SERVER };
FIXTURE_VARIANT_ADD(open, interleaved_server) { INTERLEAVED, SERVER };

FIXTURE_SETUP(open)
{
	log_problems();
	if (!can_inject())
		SKIP(return, "no fault injection");
	prepare_injection();
	set_modes();
	write_data();
}

FIXTURE_TEARDOWN(open)
{
	EXPECT_EQ(0, log_problems());
}

/*
 * The server's side may also fail to copy a request or a reply, of which the
 * other side learns that it has failed, not why.
 */
static bool open_may_say(enum side side, int error)
{
	return error == ENOMEM || (side == SERVER && error == EIO);
}

/* The first open on a new mount. Return: false if nothing has failed. */
static bool first_open(struct __test_metadata *_metadata,
		       const FIXTURE_VARIANT(open) *variant, unsigned int n,
		       struct tally *t)
{
	struct raw r;
	int nth, fd;
	bool hit;

	init_files(&r);
	raw_start(&r, NULL);
	nth = nth_open(variant->side == OPENER ? getpid() : r.pid);

	nth_arm(nth, n);
	fd = raw_open(&r, variant->file, O_RDWR);
	hit = nth_disarm(nth);

	tally_add(t, fd);
	if (fd >= 0) {
		EXPECT_TRUE(good_data(&r, variant->file, fd));
		close(fd);
	} else {
		EXPECT_TRUE(hit && open_may_say(variant->side, -fd)) {
			TH_LOG("allocation %u: %s", n, strerror(-fd));
		}
	}
	EXPECT_EQ(NULL, works(&r, variant->file)) {
		TH_LOG("allocation %u", n);
	}
	close(nth);
	EXPECT_EQ(0, raw_stop(&r));
	return hit;
}

TEST_F(open, first)
{
	struct tally t = {};
	unsigned int n = 1;

	while (first_open(_metadata, variant, n, &t) && n < TRIES_MAX)
		n++;
	EXPECT_LT(n, TRIES_MAX);
	/* at least what the open itself has to have */
	EXPECT_LT(variant->side == OPENER ? 5 : 0, t.errors[ENOMEM]);
	tally_print(&t, "first open");
}

/* The connection has the devices, and names and attributes are not cached. */
TEST_F(open, another)
{
	struct tally t = {};
	unsigned int n = 0;
	struct raw r;
	bool hit;
	int nth;

	init_files(&r);
	r.s->entry_valid = 0;
	raw_start(&r, NULL);
	ASSERT_EQ(NULL, works(&r, SPARE - 1));
	nth = nth_open(variant->side == OPENER ? getpid() : r.pid);
	do {
		int fd;

		raw_renew(&r, variant->file);
		nth_arm(nth, ++n);
		fd = raw_open(&r, variant->file, O_RDWR);
		hit = nth_disarm(nth);
		tally_add(&t, fd);
		EXPECT_TRUE(fd >= 0 ||
			    (hit && open_may_say(variant->side, -fd))) {
			TH_LOG("allocation %u: %s", n, strerror(-fd));
		}
		if (fd >= 0)
			close(fd);
		EXPECT_EQ(NULL, works(&r, variant->file));
	} while (hit && n < TRIES_MAX);
	EXPECT_LT(n, TRIES_MAX);
	close(nth);
	EXPECT_EQ(0, raw_stop(&r));
	tally_print(&t, "another open");
}

/* --- Several failures in a row --- */

/*
 * What can fall back to another allocation fails only if that fails too. A
 * process for which every page is refused would never get past its next page
 * fault, so the failures end after a while.
 */
static void burst_arm(const char *kind, int victim, unsigned int space)
{
	char text[16];

	snprintf(text, sizeof(text), "%u", space);
	set_attr(kind, "space", text);
	set_attr(kind, "times", BURST);
	set_attr(kind, "probability", "100");
	proc_set(victim, 1);
}

/* Return: true if there was a failure. */
static bool burst_disarm(const char *kind, int victim)
{
	char path[64];

	proc_set(victim, 0);
	set_attr(kind, "probability", "0");
	snprintf(path, sizeof(path), DEBUGFS "%s/times", kind);
	return read_number(path) < (unsigned int)atoi(BURST);
}

/* A first open, with failures from the moment when @space bytes are used up. */
static bool burst_open(struct __test_metadata *_metadata,
		       const FIXTURE_VARIANT(open) *variant, const char *kind,
		       unsigned int space, struct tally *t)
{
	int fd, victim;
	struct raw r;
	bool hit;

	init_files(&r);
	raw_start(&r, NULL);
	victim = proc_open(variant->side == OPENER ? getpid() : r.pid,
			   "make-it-fail");
	burst_arm(kind, victim, space);
	fd = raw_open(&r, variant->file, O_RDWR);
	hit = burst_disarm(kind, victim);
	close(victim);
	tally_add(t, fd);
	EXPECT_TRUE(fd >= 0 || (hit && open_may_say(variant->side, -fd))) {
		TH_LOG("%s, %u bytes: %s", kind, space, strerror(-fd));
	}
	if (fd >= 0)
		close(fd);
	EXPECT_EQ(NULL, works(&r, variant->file)) {
		TH_LOG("%s, %u bytes", kind, space);
	}
	EXPECT_EQ(0, raw_stop(&r));
	return hit;
}

static void bursts(struct __test_metadata *_metadata,
		   const FIXTURE_VARIANT(open) *variant, const char *kind,
		   unsigned int step)
{
	struct tally t = {};
	unsigned int space = 0;

	/* who looks at the console should not be alarmed */
	write_text(PRINTK, "4");
	while (burst_open(_metadata, variant, kind, space, &t) &&
	       t.tries < TRIES_MAX)
		space += step;
	write_text(PRINTK, "7");
	EXPECT_LT(t.tries, TRIES_MAX);
	if (variant->side == OPENER)
		EXPECT_LT(0, t.errors[ENOMEM]);
	tally_print(&t, kind);
	EXPECT_EQ(0, log_problems_but(EXPECTED));
}

TEST_F(open, slab_in_a_row)
{
	bursts(_metadata, variant, "failslab", 128);
}

TEST_F(open, pages_in_a_row)
{
	/* here the budget is in pages */
	bursts(_metadata, variant, "fail_page_alloc", 1);
}

/* --- Everything else --- */

FIXTURE(alloc)
{
	struct raw r;
	bool started;
	int nth;	/* of this process */
};

FIXTURE_SETUP(alloc)
{
	log_problems();
	if (!can_inject())
		SKIP(return, "no fault injection");
	prepare_injection();
	set_modes();
	write_data();
	self->nth = nth_open(getpid());
}

FIXTURE_TEARDOWN(alloc)
{
	if (self->started)
		EXPECT_EQ(0, raw_stop(&self->r));
	EXPECT_EQ(0, log_problems());
}

static void start(FIXTURE_DATA(alloc) *self)
{
	init_files(&self->r);
	raw_start(&self->r, NULL);
	self->started = true;
}

static int stop(FIXTURE_DATA(alloc) *self)
{
	self->started = false;
	return raw_stop(&self->r);
}

static unsigned int init_nth;

static void arm_server(const struct raw *r)
{
	int fd = nth_open(getpid());

	/* opened for the server, which keeps it: it has no other use for it */
	nth_arm(fd, init_nth);
}

/* A mount whose FUSE_INIT may fail in the server. Return: false if it can't. */
static bool mount_once(struct __test_metadata *_metadata,
		       FIXTURE_DATA(alloc) *self, struct tally *t)
{
	struct raw *r = &self->r;
	int ret, nth;
	bool hit;

	init_files(r);
	ret = raw_try_start(r, arm_server);
	self->started = true;
	nth = nth_open(r->pid);
	hit = nth_disarm(nth);
	close(nth);
	tally_add(t, ret);
	if (ret) {
		EXPECT_TRUE(hit);
		EXPECT_EQ(-ECONNREFUSED, ret);
		/* nothing but to mount again */
		EXPECT_EQ(-ECONNREFUSED, raw_open(r, ONE, O_RDWR));
	} else {
		EXPECT_EQ(NULL, works(r, ONE));
		EXPECT_EQ(1, raw_count(r, FUSE_GET_FMAP));
	}
	EXPECT_EQ(0, stop(self));
	return hit;
}

TEST_F(alloc, init_in_the_server)
{
	struct tally t = {};

	for (init_nth = 1; init_nth < TRIES_MAX; init_nth++)
		if (!mount_once(_metadata, self, &t))
			break;
	EXPECT_LT(init_nth, TRIES_MAX);
	EXPECT_LT(0, t.errors[ECONNREFUSED]);
	tally_print(&t, "init");
	start(self);
	EXPECT_EQ(NULL, works(&self->r, INTERLEAVED));
}

/* Return: 0 or -errno. */
static int register_device(const struct raw *r, int fd, uint32_t index)
{
	struct fuse_daxdev_map map = { .fd = fd, .index = index };

	return ioctl(r->fd, FUSE_DEV_IOC_DAXDEV_OPEN, &map) ? -errno : 0;
}

TEST_F(alloc, device_by_descriptor)
{
	int ret, fd = open("/dev/" DAX_TWO, O_RDWR | O_CLOEXEC);
	struct tally t = {};
	unsigned int n = 0;
	bool hit;

	ASSERT_LE(0, fd);
	start(self);
	do {
		nth_arm(self->nth, ++n);
		ret = register_device(&self->r, fd, 0);
		hit = nth_disarm(self->nth);
		tally_add(&t, ret);
		EXPECT_TRUE(!ret || (hit && ret == -ENOMEM)) {
			TH_LOG("allocation %u: %s", n, strerror(-ret));
		}
		/* what has failed holds nothing, what has not holds it */
		EXPECT_EQ(ret ? 0 : -EEXIST,
			  register_device(&self->r, fd, 0));
		EXPECT_EQ(NULL, works(&self->r, ONE));
		ASSERT_EQ(0, stop(self));
		start(self);
	} while (hit && n < TRIES_MAX);
	EXPECT_LT(n, TRIES_MAX);
	EXPECT_LT(0, t.errors[ENOMEM]);
	tally_print(&t, "FUSE_DEV_IOC_DAXDEV_OPEN");
	close(fd);
}

/* Without inodes in the cache the file has no page mapped by anybody. */
static void forget_pages(void)
{
	if (write_text(DROP_CACHES, "2"))
		err(1, DROP_CACHES);
}

struct access_case {
	const char *name;
	size_t skew;	/* PAGE: no huge pages */
	int flags;
	bool write;
	int advice;	/* populate by madvise() instead, or 0 */
};

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

static const struct access_case access_cases[] = {
	{ "PMD read", 0, MAP_SHARED, false },
	{ "PMD write", 0, MAP_SHARED, true },
	{ "PTE read", PAGE, MAP_SHARED, false },
	{ "PTE write", PAGE, MAP_SHARED, true },
	{ "private read", PAGE, MAP_PRIVATE, false },
	{ "private write", PAGE, MAP_PRIVATE, true },
	{ "private PMD write", 0, MAP_PRIVATE, true },
	{ "populate PMD", 0, MAP_SHARED, true, MADV_POPULATE_WRITE },
	{ "populate PTE", PAGE, MAP_SHARED, false, MADV_POPULATE_READ },
};

/* Return: 0 or -errno, -EFAULT for a SIGBUS. */
static int access_once(const struct access_case *c, char *p)
{
	if (c->advice)
		return madvise(p, ONE_LEN, c->advice) ? -errno : 0;
	if (c->write)
		return try_write(p + PAGE, NULL) ? 0 : -EFAULT;
	return try_read(p + PAGE, NULL) ? 0 : -EFAULT;
}

/* A page fault that gets no memory is taken again, so it can't fail. */
static bool fault_once(struct __test_metadata *_metadata,
		       FIXTURE_DATA(alloc) *self, const struct access_case *c,
		       unsigned int n, struct tally *t)
{
	int ret, fd = raw_open(&self->r, ONE, O_RDWR);
	bool hit;
	char *p;

	ASSERT_LE(0, fd);
	p = map_at(ONE_LEN, PROT_READ | PROT_WRITE, c->flags, fd, 0, PMD,
		   c->skew);
	ASSERT_NE(NULL, p);
	nth_arm(self->nth, n);
	ret = access_once(c, p);
	hit = nth_disarm(self->nth);
	tally_add(t, ret);
	EXPECT_TRUE(!ret || (c->advice && hit && ret == -ENOMEM)) {
		TH_LOG("%s, allocation %u: %s", c->name, n, strerror(-ret));
	}
	EXPECT_EQ(0, access_once(c, p));
	EXPECT_EQ(-1, check_pattern(p, ONE_LEN, ONE, 0));
	munmap(p, ONE_LEN);
	close(fd);
	forget_pages();
	return hit;
}

TEST_F(alloc, faults)
{
	size_t i;

	start(self);
	for (i = 0; i < ARRAY_LEN(access_cases); i++) {
		const struct access_case *c = &access_cases[i];
		uint64_t maps = raw_count(&self->r, FUSE_GET_FMAP);
		struct tally t = {};
		unsigned int n = 1;

		while (fault_once(_metadata, self, c, n, &t) && n < TRIES_MAX)
			n++;
		EXPECT_LT(n, TRIES_MAX);
		EXPECT_LT(1, n);
		/* they were first faults */
		EXPECT_EQ(maps + n, raw_count(&self->r, FUSE_GET_FMAP));
		tally_print(&t, c->name);
	}
}

/* Return: 0 or -errno. */
static int map_and_unmap(int fd)
{
	char *p = mmap(NULL, ONE_LEN, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return -errno;
	return munmap(p, ONE_LEN) ? -errno : 0;
}

static int read_some(int fd)
{
	ssize_t n = pread(fd, buffer, ONE_LEN, 0);

	return n < 0 ? -errno : n != ONE_LEN;
}

static int write_some(int fd)
{
	ssize_t n = pwrite(fd, buffer, ONE_LEN, 0);

	return n < 0 ? -errno : n != ONE_LEN;
}

TEST_F(alloc, mmap_read_and_write)
{
	static int (*const calls[])(int fd) = {
		map_and_unmap, read_some, write_some,
	};
	static const char *const names[] = { "mmap", "read", "write" };
	size_t i;
	int fd;

	start(self);
	fd = raw_open(&self->r, ONE, O_RDWR);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_LEN(calls); i++) {
		struct tally t = {};
		unsigned int n = 0;
		bool hit;

		do {
			int ret;

			/* what is copied after fork() is not of interest */
			fill_pattern(buffer, ONE_LEN, ONE, 0);
			nth_arm(self->nth, ++n);
			ret = calls[i](fd);
			hit = nth_disarm(self->nth);
			tally_add(&t, ret);
			EXPECT_TRUE(!ret || (hit && ret == -ENOMEM)) {
				TH_LOG("%s: %d", names[i], ret);
			}
			EXPECT_EQ(0, calls[i](fd));
		} while (hit && n < TRIES_MAX);
		EXPECT_LT(n, TRIES_MAX);
		tally_print(&t, names[i]);
	}
	EXPECT_TRUE(good_data(&self->r, ONE, fd));
	close(fd);
}

TEST_F(alloc, unmount)
{
	struct tally t = {};
	unsigned int n = 0;
	bool hit;

	do {
		int ret;

		start(self);
		EXPECT_EQ(NULL, works(&self->r, FORTY));
		nth_arm(self->nth, ++n);
		ret = umount2(self->r.mnt, 0) ? -errno : 0;
		hit = nth_disarm(self->nth);
		tally_add(&t, ret);
		EXPECT_TRUE(!ret || (hit && ret == -ENOMEM));
		if (ret) {
			EXPECT_EQ(NULL, works(&self->r, FORTY));
			EXPECT_EQ(0, umount2(self->r.mnt, 0));
		}
		/* what it cleans up is unmounted already */
		EXPECT_EQ(-EINVAL, stop(self));
	} while (hit && n < TRIES_MAX);
	EXPECT_LT(n, TRIES_MAX);
	EXPECT_LT(1, n);
	tally_print(&t, "umount");
}

/* --- Devices --- */

FIXTURE(device)
{
	int nth;
};

FIXTURE_VARIANT(device)
{
	const char *dev;
};

FIXTURE_VARIANT_ADD(device, dynamic) { DAX_SMALL };
FIXTURE_VARIANT_ADD(device, two_ranges) { DAX_TWO };
FIXTURE_VARIANT_ADD(device, pmem) { DAX_PMEM };

FIXTURE_SETUP(device)
{
	log_problems();
	if (!can_inject())
		SKIP(return, "no fault injection");
	prepare_injection();
	ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_DISABLED));
	ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_FAMFS));
	self->nth = nth_open(getpid());
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, log_problems());
}

/* Addresses of the functions, and of what comes behind the second one. */
static bool find_functions(const char *first, const char *second,
			   unsigned long *start, unsigned long *end)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long addr, at = 0;
	char name[512];

	*start = *end = 0;
	while (f && fscanf(f, "%lx %*c %511s%*[^\n]", &addr, name) == 2) {
		if (!strcmp(name, first))
			*start = addr;
		if (!strcmp(name, second))
			at = addr;
		else if (at && !*end && addr > at)
			*end = addr;
	}
	if (f)
		fclose(f);
	return *start && *start < at && *end - *start < 64 * KB;
}

/*
 * Memory hotplug believes that it always gets memory for the memory map, warns
 * if it does not, and leaves the sections behind that it had added before.
 * Leave it out. Return: false if the kernel can not do that.
 */
static bool spare_hotplug(bool on)
{
	unsigned long start = 0, end = 0;
	char text[32];
	size_t i;

	if (access(DEBUGFS "failslab/reject-start", W_OK))
		return false;
	if (on && !find_functions("add_pages", "arch_add_memory", &start, &end))
		return false;
	for (i = 0; i < ARRAY_LEN(kinds); i++) {
		snprintf(text, sizeof(text), "%#lx", start);
		set_attr(kinds[i], "reject-start", text);
		snprintf(text, sizeof(text), "%#lx", end);
		set_attr(kinds[i], "reject-end", text);
	}
	return true;
}

static int open_attr(const char *attr)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/dax/drivers/fsdev_dax/%s", attr);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "%s", path);
	return fd;
}

/* Return: 0 or -errno. */
static int write_attr(int fd, const char *dev)
{
	return write(fd, dev, strlen(dev)) < 0 ? -errno : 0;
}

/* Mount with one file on the device, and open it. Return: as raw_open(). */
static int start_on(struct raw *r, const char *dev)
{
	char path[32];

	snprintf(path, sizeof(path), "/dev/%s", dev);
	raw_init(r);
	raw_set_dev(r, 0, path);
	raw_set_file(r, ONE, 0, ONE_OFF, ONE_LEN);
	raw_start(r, NULL);
	return raw_open(r, ONE, O_RDWR);
}

static const char *device_works(const char *dev)
{
	const char *why;
	struct raw r;
	int fd = start_on(&r, dev);

	fill_pattern(buffer, ONE_LEN, ONE, 0);
	if (fd < 0 || write_some(fd))
		why = "can not be written";
	else
		why = good_data(&r, ONE, fd) ? NULL : "wrong data";
	close(fd);
	return raw_stop(&r) ? "umount" : why;
}

/* A region that can not be allocated counts as busy. */
static bool bind_may_say(int error)
{
	return error == ENOMEM || error == EBUSY;
}

TEST_F(device, bind)
{
	int bind = open_attr("bind"), unbind = open_attr("unbind");
	struct tally t = {};
	unsigned int n = 0;
	bool hit;

	if (!spare_hotplug(true))
		SKIP(return, "no CONFIG_FAULT_INJECTION_STACKTRACE_FILTER");
	do {
		int ret;

		ASSERT_EQ(0, write_attr(unbind, variant->dev));
		nth_arm(self->nth, ++n);
		ret = write_attr(bind, variant->dev);
		hit = nth_disarm(self->nth);
		tally_add(&t, ret);
		EXPECT_TRUE(!ret || (hit && bind_may_say(-ret))) {
			TH_LOG("allocation %u: %s", n, strerror(-ret));
		}
		EXPECT_EQ(ret ? DAX_DISABLED : DAX_FAMFS,
			  dax_get_mode(variant->dev));
		if (ret)
			ASSERT_EQ(0, write_attr(bind, variant->dev));
		if (n % 16 == 1)
			EXPECT_EQ(NULL, device_works(variant->dev));
	} while (hit && n < TRIES_MAX);
	EXPECT_LT(n, TRIES_MAX);
	EXPECT_LT(5, t.errors[ENOMEM]);
	tally_print(&t, "bind");
	spare_hotplug(false);
	EXPECT_EQ(NULL, device_works(variant->dev));
	close(bind);
	close(unbind);
}

/* An unbind can not fail. */
TEST_F(device, unbind)
{
	int bind = open_attr("bind"), unbind = open_attr("unbind");
	struct tally t = {};
	unsigned int n = 0;
	bool hit;

	do {
		int ret;

		nth_arm(self->nth, ++n);
		ret = write_attr(unbind, variant->dev);
		hit = nth_disarm(self->nth);
		tally_add(&t, ret);
		/* before the driver core has begun */
		EXPECT_TRUE(!ret || (hit && ret == -ENOMEM));
		EXPECT_EQ(ret ? DAX_FAMFS : DAX_DISABLED,
			  dax_get_mode(variant->dev));
		if (!ret)
			ASSERT_EQ(0, write_attr(bind, variant->dev));
		EXPECT_EQ(NULL, device_works(variant->dev));
	} while (hit && n < TRIES_MAX);
	EXPECT_LT(n, TRIES_MAX);
	tally_print(&t, "unbind");
	close(bind);
	close(unbind);
}

/* A failure that says it was dealt with may not be forgotten. */
static bool fail_page(struct __test_metadata *_metadata,
		      FIXTURE_DATA(device) *self, const char *dev, int hwpoison,
		      unsigned int n, struct tally *t)
{
	char pfn[32];
	struct raw r;
	int ret, fd = start_on(&r, dev);
	bool hit;

	EXPECT_EQ(0, write_some(fd));
	snprintf(pfn, sizeof(pfn), "%#jx",
		 (uintmax_t)dax_pfn(dev, ONE_OFF + PAGE));

	nth_arm(self->nth, n);
	ret = write_attr(hwpoison, pfn);
	hit = nth_disarm(self->nth);
	tally_add(t, ret);
	EXPECT_TRUE(!ret || (hit && ret == -ENOMEM)) {
		TH_LOG("allocation %u: %s", n, strerror(-ret));
	}
	if (!ret) {
		EXPECT_EQ(-1, pread(fd, buffer, 1, PAGE));
		EXPECT_EQ(EIO, errno);
	}
	close(fd);
	EXPECT_EQ(0, raw_stop(&r));
	return hit;
}

/* Also when there is no memory to record the failure in. */
TEST_F(device, memory_failure)
{
	int hwpoison = open(DEBUGFS "hwpoison/corrupt-pfn", O_WRONLY);
	struct tally t = {};
	unsigned int n = 0;
	bool hit;

	if (hwpoison < 0)
		SKIP(return, "no injection of memory failure");
	do {
		hit = fail_page(_metadata, self, variant->dev, hwpoison, ++n,
				&t);
		/* the record goes with the binding */
		ASSERT_EQ(0, dax_unbind(variant->dev));
		ASSERT_EQ(0, dax_set_mode(variant->dev, DAX_FAMFS));
	} while (hit && n < TRIES_MAX);
	EXPECT_LT(n, TRIES_MAX);
	EXPECT_LT(1, n);
	tally_print(&t, "memory failure");
	EXPECT_EQ(NULL, device_works(variant->dev));
	close(hwpoison);
}

/* --- What is left behind by all of that: tests run in this order --- */

FIXTURE(leaks)
{
};

FIXTURE_SETUP(leaks)
{
}

FIXTURE_TEARDOWN(leaks)
{
}

TEST_F(leaks, none)
{
	int found = find_leaks();

	if (found < 0)
		SKIP(return, "no kmemleak");
	EXPECT_EQ(0, found);
}

TEST_HARNESS_MAIN
