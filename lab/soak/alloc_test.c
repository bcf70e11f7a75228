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
#include <err.h>
#include <sys/mount.h>

#include "raw.h"
#include "test.h"

#define DEBUGFS "/sys/kernel/debug/"
#define PRINTK "/proc/sys/kernel/printk"

/* More allocations than that in one operation: something runs in circles. */
#define TRIES_MAX 5000

/* As many allocations fail in a row. */
#define BURST 20

/* A failed vmalloc() prints a stack trace. Nothing else may be reported. */
#define EXPECT_TRACES_ONLY() do { \
	int traces_ = log_lines("Call Trace"); \
									\
	EXPECT_EQ(traces_, log_problems()); \
} while (0)

/* --- Injection --- */

static const char *const kinds[] = { "failslab", "fail_page_alloc" };

static void set_attr(const char *kind, const char *attr, const char *value)
{
	int ret = write_text(strf(DEBUGFS "%s/%s", kind, attr), value);

	if (ret)
		errx(1, "%s/%s: %s", kind, attr, strerror(-ret));
}

/*
 * All allocations count, also those that may sleep, and fail in silence. Return:
 * false if the kernel cannot do that.
 */
static bool prepare_injection(void)
{
	size_t i;

	if (access("/proc/self/fail-nth", W_OK) ||
	    access(DEBUGFS "failslab/times", W_OK) ||
	    access(DEBUGFS "fail_page_alloc/times", W_OK))
		return false;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		set_attr(kinds[i], "ignore-gfp-wait", "N");
		set_attr(kinds[i], "verbose", "0");
		set_attr(kinds[i], "task-filter", "Y");
		set_attr(kinds[i], "probability", "0");
		set_attr(kinds[i], "interval", "1");
	}
	set_attr("fail_page_alloc", "ignore-gfp-highmem", "N");
	set_attr("fail_page_alloc", "min-order", "0");
	return true;
}

/* An attribute of a process, such as fail-nth: which of its allocations fails. */
static int proc_open(pid_t pid, const char *attr)
{
	int fd = open(strf("/proc/%d/%s", pid, attr), O_RDWR | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", attr);
	return fd;
}

static void proc_set(int fd, unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (write(fd, text, len) != len)
		err(1, "injection");
}

/* Return: true if an allocation has failed since it was set. */
static bool nth_disarm(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		err(1, "fail-nth");
	proc_set(fd, 0);
	return !atoi(text);
}

/* --- One try after the other --- */

/* @n: which allocation fails; @hit: it was reached */
struct tries {
	unsigned int n, good, enomem;
	bool hit;
};

/* Is there another try? The last one is the first without a failure. */
static bool another_try(struct tries *t)
{
	if (t->n && !t->hit)
		return false;
	if (t->n == TRIES_MAX)
		errx(1, "there is no end to the allocations");
	t->n++;
	return true;
}

/* @ret: of the operation: negative errno, or not negative. Return: @ret */
static int count_try(struct tries *t, int ret, bool hit)
{
	t->hit = hit;
	t->good += ret >= 0;
	t->enomem += ret == -ENOMEM;
	return ret;
}

/* Run @op with allocation t->n of the process behind @nth failing. */
#define TRY(t, nth, op) ({ \
	int ret_; \
									\
	proc_set(nth, (t)->n); \
	ret_ = (op); \
	count_try(t, ret_, nth_disarm(nth)); \
})

/* Nothing fails but for want of memory. */
#define EXPECT_ENOMEM(t, ret) do { \
	EXPECT_TRUE(!(ret) || ((t)->hit && (ret) == -ENOMEM)) { \
		TH_LOG("allocation %u: %s", (t)->n, strerror(-(ret))); \
	} \
} while (0)

static void print_tries(const struct tries *t, const char *what)
{
	printf("# %s: %u allocations, %u of them not needed, %u times ENOMEM\n", what, t->n,
	       t->good, t->enomem);
}

/* --- Files --- */

/* One of each kind. */
enum { ONE, FORTY, INTERLEAVED };

#define ONE_OFF (64 * MB)
#define ONE_LEN (4 * MB)
#define FORTY_OFF (72 * MB)
#define INTERLEAVED_OFF (80 * MB)
#define STRIPS 4
#define STRIP_LEN (64 * PAGE)

/* Forty extents on two devices, in no order. */
static void place_forty(unsigned int nr, struct fuse_famfs_simple_ext *ext)
{
	ext->se_devindex = nr % 2;
	ext->se_offset = FORTY_OFF + (nr * 7 % 40) * 3 * PAGE;
}

/* On two devices. The server is not asked what the kernel does not need. */
static void init_files(struct raw *r)
{
	raw_init(r);
	raw_set_dev(r, 0, DEV_TWO);
	raw_set_dev(r, 1, DEV_SMALL);
	raw_set_file(r, ONE, 0, ONE_OFF, ONE_LEN);
	raw_set_extents(r, FORTY, 40, 2 * PAGE, place_forty);
	raw_set_strips(r, INTERLEAVED, STRIPS, 2, INTERLEAVED_OFF, STRIP_LEN, 16 * PAGE);
}

/* Write the pattern that good_data() looks for. */
static void write_data(void)
{
	struct raw r;
	unsigned int i;

	init_files(&r);
	raw_start(&r, NULL);
	for (i = ONE; i <= INTERLEAVED; i++) {
		int fd = raw_open(&r, i, O_RDWR);

		if (!write_pattern(fd, r.s->files[i].size, i, 0))
			errx(1, "file %u cannot be written", i);
	}
	if (raw_stop(&r))
		errx(1, "umount");
}

/* Is everything there, by read(2), and the beginning also by a mapping? */
static bool good_data(const struct raw *r, unsigned int i, int fd)
{
	size_t size = r->s->files[i].size;
	char *p = map_file(fd, size, PROT_READ, MAP_SHARED);
	bool ok = has_pattern(fd, size, i, 0) && try_read(p, NULL) &&
		  check_pattern(p, PAGE, i, 0) < 0;

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
	BEGIN(DAX_TWO, DAX_SMALL);
	if (!prepare_injection())
		SKIP(return, "no fault injection");
	write_data();
}

FIXTURE_TEARDOWN(open)
{
	END();
}

/*
 * An open that was tried, and one that is not disturbed. The server's side may
 * also fail to copy a request or a reply, of which the other side learns that it
 * has failed, not why.
 */
static void expect_open(struct __test_metadata *_metadata,
			const FIXTURE_VARIANT(open) *variant,
			const struct tries *t, const struct raw *r, int fd)
{
	if (fd >= 0) {
		EXPECT_TRUE(good_data(r, variant->file, fd));
		close(fd);
	} else {
		EXPECT_TRUE(t->hit && (fd == -ENOMEM ||
				       (variant->side == SERVER && fd == -EIO)))
			TH_LOG("failure %u: %s", t->n, strerror(-fd));
	}
	EXPECT_EQ(NULL, works(r, variant->file))
		TH_LOG("failure %u", t->n);
}

/* A new mount. Return: the attribute of the process in which allocations fail. */
static int start_open(const FIXTURE_VARIANT(open) *variant, struct raw *r, const char *attr)
{
	init_files(r);
	raw_start(r, NULL);
	return proc_open(variant->side == OPENER ? getpid() : r->pid, attr);
}

/* The first open on a new mount. */
TEST_F(open, first)
{
	struct tries t = {};

	while (another_try(&t)) {
		struct raw r;
		int nth = start_open(variant, &r, "fail-nth");
		int fd = TRY(&t, nth, raw_open(&r, variant->file, O_RDWR));

		close(nth);
		expect_open(_metadata, variant, &t, &r, fd);
		EXPECT_EQ(0, raw_stop(&r));
	}
	/* at least what the open itself has to have */
	EXPECT_LT(variant->side == OPENER ? 5 : 0, t.enomem);
	print_tries(&t, "first open");
}

/*
 * A first open, with failures from the moment when @space bytes are used up. What
 * can fall back to another allocation fails only if that fails too. A process for
 * which every page is refused would never get past its next page fault, so the
 * failures end after a while.
 */
static void burst_open(struct __test_metadata *_metadata,
		       const FIXTURE_VARIANT(open) *variant, const char *kind,
		       unsigned int space, struct tries *t)
{
	struct raw r;
	int fd, victim = start_open(variant, &r, "make-it-fail");

	set_attr(kind, "space", strf("%u", space));
	set_attr(kind, "times", strf("%u", BURST));
	set_attr(kind, "probability", "100");
	proc_set(victim, 1);
	fd = raw_open(&r, variant->file, O_RDWR);
	proc_set(victim, 0);
	set_attr(kind, "probability", "0");
	count_try(t, fd, read_number(strf(DEBUGFS "%s/times", kind)) < BURST);
	close(victim);
	expect_open(_metadata, variant, t, &r, fd);
	EXPECT_EQ(0, raw_stop(&r));
}

TEST_F(open, failures_in_a_row)
{
	/* the budget is in bytes, and in pages */
	static const unsigned int steps[] = { 128, 1 };
	size_t i;

	/* who looks at the console should not be alarmed */
	write_text(PRINTK, "4");
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct tries t = {};

		while (another_try(&t))
			burst_open(_metadata, variant, kinds[i], (t.n - 1) * steps[i], &t);
		if (variant->side == OPENER)
			EXPECT_LT(0, t.enomem);
		print_tries(&t, kinds[i]);
	}
	write_text(PRINTK, "7");
	EXPECT_TRACES_ONLY();
}

/* --- Everything else --- */

FIXTURE(alloc)
{
	struct raw r;
	int nth;	/* of this process */
};

FIXTURE_SETUP(alloc)
{
	BEGIN(DAX_TWO, DAX_SMALL);
	if (!prepare_injection())
		SKIP(return, "no fault injection");
	write_data();
	self->nth = proc_open(getpid(), "fail-nth");
}

FIXTURE_TEARDOWN(alloc)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	END();
}

static void start(FIXTURE_DATA(alloc) *self)
{
	init_files(&self->r);
	raw_start(&self->r, NULL);
}

static unsigned int init_nth;

static void arm_server(const struct raw *r)
{
	int fd = proc_open(getpid(), "fail-nth");

	/* opened for the server, which keeps it: it has no other use for it */
	proc_set(fd, init_nth);
}

/* A mount whose FUSE_INIT may fail in the server. */
static void mount_once(struct __test_metadata *_metadata,
		       FIXTURE_DATA(alloc) *self, struct tries *t)
{
	struct raw *r = &self->r;
	int ret, nth;

	init_files(r);
	init_nth = t->n;
	ret = raw_try_start(r, arm_server);
	nth = proc_open(r->pid, "fail-nth");
	count_try(t, ret, nth_disarm(nth));
	close(nth);
	if (ret) {
		EXPECT_TRUE(t->hit);
		/* since Linux 7.3 what has waited for FUSE_INIT gets EIO */
		EXPECT_TRUE(ret == -ECONNREFUSED || ret == -EIO);
		/* nothing but to mount again */
		EXPECT_EQ(-ECONNREFUSED, raw_open(r, ONE, O_RDWR));
	} else {
		EXPECT_EQ(NULL, works(r, ONE));
		EXPECT_EQ(1, raw_count(r, FUSE_GET_FMAP));
	}
	EXPECT_EQ(0, raw_stop(r));
}

TEST_F(alloc, init_in_the_server)
{
	struct tries t = {};

	while (another_try(&t))
		mount_once(_metadata, self, &t);
	EXPECT_LT(t.good, t.n);
	print_tries(&t, "init");
	start(self);
	EXPECT_EQ(NULL, works(&self->r, INTERLEAVED));
}

TEST_F(alloc, device_by_descriptor)
{
	int ret, fd = dax_open(DAX_TWO, O_RDWR);
	struct tries t = {};

	start(self);
	while (another_try(&t)) {
		ret = TRY(&t, self->nth, raw_add_dev(&self->r, fd, 0));
		EXPECT_ENOMEM(&t, ret);
		/* what has failed holds nothing and can be done again */
		EXPECT_EQ(0, raw_add_dev(&self->r, fd, 0));
		EXPECT_EQ(NULL, works(&self->r, ONE));
		ASSERT_EQ(0, raw_stop(&self->r));
		start(self);
	}
	EXPECT_LT(0, t.enomem);
	print_tries(&t, "FUSE_DEV_IOC_DAXDEV_OPEN");
}

static const struct access_case {
	const char *name;
	bool pte;	/* no huge pages */
	int flags;
	bool write;
	int advice;	/* populate by madvise() instead, or 0 */
} access_cases[] = {
	{ "PMD read", false, MAP_SHARED, false },
	{ "PMD write", false, MAP_SHARED, true },
	{ "PTE read", true, MAP_SHARED, false },
	{ "PTE write", true, MAP_SHARED, true },
	{ "private read", true, MAP_PRIVATE, false },
	{ "private write", true, MAP_PRIVATE, true },
	{ "private PMD write", false, MAP_PRIVATE, true },
	{ "populate PMD", false, MAP_SHARED, true, MADV_POPULATE_WRITE },
	{ "populate PTE", true, MAP_SHARED, false, MADV_POPULATE_READ },
};

/* Return: 0 or -errno, -EFAULT for a SIGBUS. */
static int access_once(const struct access_case *c, char *p)
{
	if (c->advice)
		return madvise(p, ONE_LEN, c->advice) ? -errno : 0;
	return (c->write ? try_write(p + PAGE, NULL) : try_read(p + PAGE, NULL)) ? 0 : -EFAULT;
}

/* A page fault that gets no memory is taken again, so it cannot fail. */
static void fault_once(struct __test_metadata *_metadata,
		       FIXTURE_DATA(alloc) *self, const struct access_case *c,
		       struct tries *t)
{
	int ret, fd = raw_must_open(&self->r, ONE, O_RDWR);
	char *p = map_at(ONE_LEN, PROT_READ | PROT_WRITE, c->flags, fd, 0, PMD,
			 c->pte ? PAGE : 0);

	ret = TRY(t, self->nth, access_once(c, p));
	EXPECT_TRUE(!ret || (c->advice && t->hit && ret == -ENOMEM))
		TH_LOG("%s, allocation %u: %s", c->name, t->n, strerror(-ret));
	EXPECT_EQ(0, access_once(c, p));
	EXPECT_EQ(-1, check_pattern(p, ONE_LEN, ONE, 0));
	munmap(p, ONE_LEN);
	close(fd);
	/* without its map the file has no entries: the next access is a first one */
	EXPECT_EQ(0, raw_inval_inode(&self->r, ONE, 0, 0));
}

TEST_F(alloc, faults)
{
	size_t i;

	start(self);
	for (i = 0; i < ARRAY_SIZE(access_cases); i++) {
		const struct access_case *c = &access_cases[i];
		uint64_t maps = raw_count(&self->r, FUSE_GET_FMAP);
		struct tries t = {};

		while (another_try(&t))
			fault_once(_metadata, self, c, &t);
		EXPECT_LT(1, t.n);
		/* they were first faults */
		EXPECT_EQ(maps + t.n, raw_count(&self->r, FUSE_GET_FMAP));
		print_tries(&t, c->name);
	}
}

/* Not allocated when an allocation may fail. */
static uint8_t buffer[ONE_LEN];

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
	static const struct {
		const char *name;
		int (*call)(int fd);
	} calls[] = {
		{ "mmap", map_and_unmap }, { "read", read_some },
		{ "write", write_some },
	};
	size_t i;
	int fd;

	start(self);
	fd = raw_must_open(&self->r, ONE, O_RDWR);
	for (i = 0; i < ARRAY_SIZE(calls); i++) {
		struct tries t = {};

		while (another_try(&t)) {
			int ret;

			/* what is copied after fork() is not of interest */
			fill_pattern(buffer, ONE_LEN, ONE, 0);
			ret = TRY(&t, self->nth, calls[i].call(fd));
			EXPECT_ENOMEM(&t, ret);
			EXPECT_EQ(0, calls[i].call(fd));
		}
		print_tries(&t, calls[i].name);
	}
	EXPECT_TRUE(good_data(&self->r, ONE, fd));
}

TEST_F(alloc, unmount)
{
	struct tries t = {};

	while (another_try(&t)) {
		int ret;

		start(self);
		EXPECT_EQ(NULL, works(&self->r, FORTY));
		ret = TRY(&t, self->nth, umount2(self->r.mnt, 0) ? -errno : 0);
		EXPECT_ENOMEM(&t, ret);
		if (ret) {
			EXPECT_EQ(NULL, works(&self->r, FORTY));
			EXPECT_EQ(0, umount2(self->r.mnt, 0));
		}
		/* what it cleans up is unmounted already */
		EXPECT_EQ(-EINVAL, raw_stop(&self->r));
	}
	EXPECT_LT(1, t.n);
	print_tries(&t, "umount");
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
	BEGIN(variant->dev);
	if (!prepare_injection())
		SKIP(return, "no fault injection");
	ASSERT_EQ(0, dax_rebind(variant->dev));
	self->nth = proc_open(getpid(), "fail-nth");
}

FIXTURE_TEARDOWN(device)
{
	END();
}

/* Addresses of the functions, and of what comes behind the second one. */
static bool find_functions(const char *first, const char *second,
			   unsigned long *start, unsigned long *end)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long addr, at = 0;
	char name[512];

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
 * Leave it out. Return: false if the kernel cannot do that.
 */
static bool spare_hotplug(bool on)
{
	unsigned long start = 0, end = 0;
	size_t i;

	if (access(DEBUGFS "failslab/reject-start", W_OK))
		return false;
	if (on && !find_functions("add_pages", "arch_add_memory", &start, &end))
		return false;
	for (i = 0; i < ARRAY_SIZE(kinds); i++) {
		set_attr(kinds[i], "reject-start", strf("%#lx", start));
		set_attr(kinds[i], "reject-end", strf("%#lx", end));
	}
	return true;
}

static int open_attr(const char *attr)
{
	int fd = open(strf("/sys/bus/dax/drivers/fsdev_dax/%s", attr), O_WRONLY | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", attr);
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
	raw_init(r);
	raw_set_dev(r, 0, strf("/dev/%s", dev));
	raw_set_file(r, ONE, 0, ONE_OFF, ONE_LEN);
	raw_start(r, NULL);
	return raw_open(r, ONE, O_RDWR);
}

static const char *device_works(const char *dev)
{
	const char *why = NULL;
	struct raw r;
	int fd = start_on(&r, dev);

	if (!write_pattern(fd, ONE_LEN, ONE, 0))
		why = "cannot be written";
	else if (!good_data(&r, ONE, fd))
		why = "wrong data";
	return raw_stop(&r) ? "umount" : why;
}

TEST_F(device, bind)
{
	int bind = open_attr("bind"), unbind = open_attr("unbind");
	struct tries t = {};

	if (!spare_hotplug(true))
		SKIP(return, "no CONFIG_FAULT_INJECTION_STACKTRACE_FILTER");
	while (another_try(&t)) {
		int ret;

		ASSERT_EQ(0, write_attr(unbind, variant->dev));
		ret = TRY(&t, self->nth, write_attr(bind, variant->dev));
		/* a region that cannot be allocated counts as busy */
		EXPECT_TRUE(!ret || (t.hit && (ret == -ENOMEM || ret == -EBUSY)))
			TH_LOG("allocation %u: %s", t.n, strerror(-ret));
		EXPECT_EQ(ret ? DAX_DISABLED : DAX_FAMFS, dax_get_mode(variant->dev));
		if (ret)
			ASSERT_EQ(0, write_attr(bind, variant->dev));
		if (t.n % 16 == 1)
			EXPECT_EQ(NULL, device_works(variant->dev));
	}
	EXPECT_LT(5, t.enomem);
	print_tries(&t, "bind");
	spare_hotplug(false);
	EXPECT_EQ(NULL, device_works(variant->dev));
}

/* An unbind cannot fail. */
TEST_F(device, unbind)
{
	int bind = open_attr("bind"), unbind = open_attr("unbind");
	struct tries t = {};

	while (another_try(&t)) {
		int ret = TRY(&t, self->nth, write_attr(unbind, variant->dev));

		/* before the driver core has begun */
		EXPECT_ENOMEM(&t, ret);
		EXPECT_EQ(ret ? DAX_FAMFS : DAX_DISABLED, dax_get_mode(variant->dev));
		if (!ret)
			ASSERT_EQ(0, write_attr(bind, variant->dev));
		EXPECT_EQ(NULL, device_works(variant->dev));
	}
	print_tries(&t, "unbind");
}

/* A failure that says it was dealt with may not be forgotten. */
static void fail_page(struct __test_metadata *_metadata,
		      FIXTURE_DATA(device) *self, const char *dev, int hwpoison,
		      struct tries *t)
{
	const char *pfn;
	struct raw r;
	int ret, fd = start_on(&r, dev);

	EXPECT_EQ(0, write_some(fd));
	pfn = strf("%#jx", (uintmax_t)dax_pfn(dev, ONE_OFF + PAGE));
	ret = TRY(t, self->nth, write_attr(hwpoison, pfn));
	EXPECT_ENOMEM(t, ret);
	if (!ret)
		EXPECT_ERRNO(EIO, pread(fd, buffer, 1, PAGE));
	EXPECT_EQ(0, raw_stop(&r));
}

/* Also when there is no memory to record the failure in. */
TEST_F(device, memory_failure)
{
	int hwpoison = open(DEBUGFS "hwpoison/corrupt-pfn", O_WRONLY);
	struct tries t = {};

	if (!can_poison())
		SKIP(return, "no injection of memory failure");
	ASSERT_LE(0, hwpoison);
	while (another_try(&t)) {
		fail_page(_metadata, self, variant->dev, hwpoison, &t);
		/* the record goes with the binding */
		ASSERT_EQ(0, dax_rebind(variant->dev));
	}
	EXPECT_LT(1, t.n);
	print_tries(&t, "memory failure");
	EXPECT_EQ(NULL, device_works(variant->dev));
}

FAMFS_TEST_MAIN
