// SPDX-License-Identifier: GPL-2.0
/*
 * What tools/famfs offers to servers: builders that refuse what the kernel
 * refuses, the flag in the reply to INIT, devices by descriptor and by name.
 */
#define FUSE_USE_VERSION 312
#include <err.h>
#include <fuse3/fuse_lowlevel.h>
#include <sys/mount.h>

#include "famfs_fuse.h"
#include "layout.h"
#include "raw.h"
#include "test.h"

#define CASE_PAGE (4 * KB)
#include "../../../../../fs/fuse/famfs_map_cases.h"

/* --- Builders --- */

/* Can the builders make this reply? They get neither lengths nor counts wrong. */
static bool expressible(const struct famfs_case *c)
{
	unsigned int i, k, at = 0;

	if (c->h.file_type || c->h.reserved || c->h.fmap_version != 1 ||
	    c->h.ext_type > INTER || c->h.fmap_size || c->h.reserved1 ||
	    c->cut || c->add || c->h.nextents > c->nitems)
		return false;
	for (i = 0; i < c->h.nextents; i++) {
		unsigned int nstrips = 1;

		if (c->h.ext_type == INTER) {
			nstrips = c->items[at].a;
			if (c->items[at++].d)
				return false;
		}
		if (nstrips > c->nitems - at)
			return false;
		for (k = 0; k < nstrips; k++)
			if (c->items[at++].b)
				return false;
	}
	return at == c->nitems;
}

/* The map of a case that can be expressed, not finished. */
static struct famfs_map *build(const struct famfs_case *c)
{
	struct famfs_map *map = c->h.ext_type == INTER ?
				famfs_map_interleaved(c->h.file_size) :
				famfs_map_simple(c->h.file_size);
	const struct famfs_case_item *item = c->items;
	unsigned int i, nstrips;

	for (i = 0; i < c->h.nextents; i++) {
		nstrips = 1;
		if (c->h.ext_type == INTER) {
			nstrips = item->a;
			famfs_map_extent(map, item->b, item->c);
			item++;
		}
		for (; nstrips; nstrips--, item++)
			famfs_map_range(map, item->a, item->c, item->d);
	}
	return map;
}

static int finish_and_free(struct famfs_map *map, const uint64_t *sizes)
{
	int err = famfs_map_finish(map, sizes);

	famfs_map_free(map);
	return err;
}

/* Is a finished map what the case is, with its length in the header? */
static bool is_case(const struct famfs_map *map, const struct famfs_case *c)
{
	struct fuse_famfs_fmap_header *h;
	uint8_t buf[4096];
	size_t len = famfs_case_build(c, buf);
	const void *bytes;
	uint32_t got;

	bytes = famfs_map_bytes(map, &got);
	h = (void *)buf;
	h->fmap_size = len;
	return got == len && !memcmp(bytes, buf, len);
}

TEST(builders_refuse_bad_cases)
{
	static const uint64_t sizes[FAMFS_MAX_DEVS] = { CASE_DEV_SIZE };
	unsigned int i, good = 0, bad = 0;

	if (PAGE != CASE_PAGE)
		SKIP(return, "the cases have other pages");
	for (i = 0; i < ARRAY_SIZE(famfs_cases); i++) {
		const struct famfs_case *c = &famfs_cases[i];
		struct famfs_map *map;

		if (!expressible(c))
			continue;
		map = build(c);
		EXPECT_EQ(-c->err, famfs_map_finish(map, sizes))
			TH_LOG("%s", c->name);
		EXPECT_TRUE(c->err || is_case(map, c))
			TH_LOG("%s", c->name);
		famfs_map_free(map);
		/* without the size of the device, only the kernel finds these */
		EXPECT_EQ(c->needs_dev ? 0 : -c->err, finish_and_free(build(c), NULL))
			TH_LOG("%s", c->name);
		good += !c->err;
		bad += !!c->err;
	}
	printf("# %u good cases, %u bad ones\n", good, bad);
	EXPECT_LE(16, good);
	EXPECT_LE(50, bad);
}

/* As many extents as there is room for, and one more. */
#define MOST ((FAMFS_FMAP_MAX - sizeof(struct fuse_famfs_fmap_header)) / \
	      sizeof(struct fuse_famfs_simple_ext))

TEST(builders_know_the_longest_map)
{
	struct famfs_map *map = famfs_map_simple(MOST * PAGE);
	uint32_t i, len;

	for (i = 0; i < MOST; i++)
		famfs_map_range(map, 0, i * PAGE, PAGE);
	EXPECT_EQ(0, famfs_map_finish(map, NULL));
	famfs_map_bytes(map, &len);
	EXPECT_EQ(sizeof(struct fuse_famfs_fmap_header) +
		  MOST * sizeof(struct fuse_famfs_simple_ext), len);
	famfs_map_free(map);

	map = famfs_map_simple(MOST * PAGE);
	for (i = 0; i < MOST + 2; i++)
		famfs_map_range(map, 0, i * PAGE, PAGE);
	EXPECT_EQ(-E2BIG, finish_and_free(map, NULL));
}

/* What no reply can say, and calls in the wrong order. */
TEST(builders_refuse_misuse)
{
	struct famfs_map *map = famfs_map_interleaved(PAGE);

	famfs_map_extent(map, (1ULL << 32) + PAGE, PAGE);
	famfs_map_range(map, 0, 0, PAGE);
	EXPECT_EQ(-EINVAL, finish_and_free(map, NULL));

	map = famfs_map_interleaved(PAGE);
	famfs_map_range(map, 0, 0, PAGE);
	famfs_map_extent(map, PAGE, PAGE);
	famfs_map_range(map, 0, PAGE, PAGE);
	EXPECT_EQ(-EINVAL, finish_and_free(map, NULL));

	map = famfs_map_simple(PAGE);
	famfs_map_extent(map, PAGE, PAGE);
	famfs_map_range(map, 0, 0, PAGE);
	EXPECT_EQ(-EINVAL, finish_and_free(map, NULL));

	map = famfs_map_simple(PAGE);
	famfs_map_range(map, 0, 0, PAGE);
	EXPECT_EQ(0, famfs_map_finish(map, NULL));
	famfs_map_range(map, 0, PAGE, PAGE);
	EXPECT_EQ(-EINVAL, finish_and_free(map, NULL));

	EXPECT_EQ(-ENOMEM, famfs_map_finish(NULL, NULL));
}

/* --- Random maps: the kernel says the same --- */

#define RANDOM_MAPS 200

static uint64_t below(uint64_t n)
{
	return random() % n;
}

/* Mostly pages, sometimes something else. */
static uint64_t random_bytes(uint64_t pages)
{
	static const uint64_t odd[] = {
		0, 1, 512, P + 512, 1ULL << 30, (1ULL << 30) - P, 1ULL << 40,
		1ULL << 63, (1ULL << 63) - P, ~0ULL, TOP,
	};

	if (!below(24))
		return odd[below(ARRAY_SIZE(odd))];
	return below(pages) * P;
}

static void random_strip(struct famfs_case *c)
{
	struct famfs_case_item *item = &c->items[c->nitems++];

	item->a = below(2);
	if (!below(32))
		item->a = 63 + below(2);
	item->b = 0;
	item->c = random_bytes(32);
	item->d = P + random_bytes(3);
}

/* A reply that can be expressed. */
static void random_case(struct famfs_case *c)
{
	struct famfs_case_item *item;
	uint64_t sum = 0;
	unsigned int k;

	c->h.ext_type = below(2);
	c->nitems = 0;
	for (c->h.nextents = 0; c->h.nextents < 1 + below(2); c->h.nextents++) {
		if (c->h.ext_type == SIMPLE) {
			random_strip(c);
			sum += c->items[c->nitems - 1].d;
			continue;
		}
		item = &c->items[c->nitems++];
		item->a = below(16) ? 1 + below(3) : 0;
		item->b = below(16) ? (1 + below(2)) * P : random_bytes(4);
		item->c = P + random_bytes(4);
		item->d = 0;
		for (k = 0; k < item->a; k++)
			random_strip(c);
		sum += item->c;
	}
	c->h.file_size = below(8) ? sum - below(2) * below(P) : random_bytes(16);
}

/* What an open says of the bytes of a case: 0 or -errno. */
static int ask_kernel(struct raw *r, const struct famfs_case *c)
{
	uint8_t buf[4096];
	size_t len = famfs_case_build(c, buf);

	raw_set_reply(&r->s->files[0].fmap, 0, buf, len);
	r->s->files[0].size = c->h.file_size <= INT64_MAX ? c->h.file_size : P;
	raw_renew(r, 0);
	return raw_try_open(r, 0, O_RDWR);
}

TEST(kernel_says_what_the_builders_say)
{
	struct famfs_case c = { .h = { .fmap_version = FAMFS_FMAP_VERSION } };
	uint64_t sizes[FAMFS_MAX_DEVS] = {};
	unsigned int i, good = 0;
	struct raw r;

	BEGIN(DAX_BIG, DAX_SMALL);
	if (PAGE != CASE_PAGE)
		SKIP(return, "the cases have other pages");
	sizes[0] = famfs_dev_size(DEV_BIG);
	sizes[1] = famfs_dev_size(DEV_SMALL);
	EXPECT_EQ(dax_size(DAX_BIG), sizes[0]);
	EXPECT_EQ(dax_size(DAX_SMALL), sizes[1]);
	raw_init(&r);
	r.s->entry_valid = 0;
	/* no other device is named by a good map */
	raw_set_dev(&r, 0, DEV_BIG);
	raw_set_dev(&r, 1, DEV_SMALL);
	raw_start(&r, NULL);
	srandom(1);
	for (i = 0; i < RANDOM_MAPS; i++) {
		int err, want;

		random_case(&c);
		ASSERT_TRUE(expressible(&c));
		want = finish_and_free(build(&c), sizes);
		err = ask_kernel(&r, &c);
		/* there is no device 63, which a map may name */
		if (!want && err == -ENODEV)
			continue;
		good += !want;
		EXPECT_EQ(want, err) {
			TH_LOG("map %u: type %u, %u extents, %u items, %#jx bytes",
			       i, c.h.ext_type, c.h.nextents, c.nitems,
			       (uintmax_t)c.h.file_size);
		}
	}
	printf("# %u of %u maps are good\n", good, RANDOM_MAPS);
	EXPECT_LT(RANDOM_MAPS / 10, good);
	EXPECT_GT(RANDOM_MAPS * 9 / 10, good);
	EXPECT_EQ(0, raw_stop(&r));
	END();
}

/* --- The loop, in famfs_server --- */

/*
 * Devices go by descriptor, with the first map that names them. Where that fails, the
 * opener gets the error, and the next open tries again.
 */
TEST(devices_by_name_as_fallback)
{
	struct server s;
	int fd;

	BEGIN(DAX_BIG, DAX_SMALL);
	ASSERT_EQ(0, dax_set_mode(DAX_SMALL, DAX_DEVDAX));
	server_start(&s, "dev 0 $big\ndev 1 $small\n"
		     "file f 644 4M simple 0:0:2M 1:0:2M\n"
		     "file g 644 2M simple 2:0:2M\n", NULL);
	EXPECT_EQ(-EOPNOTSUPP, server_open(&s, "f", O_RDWR));
	EXPECT_EQ(1, server_count(&s, FUSE_GET_DAXDEV));
	ASSERT_EQ(0, dax_set_mode(DAX_SMALL, DAX_FAMFS));
	fd = server_must_open(&s, "f", O_RDWR);
	EXPECT_TRUE(rw_works(fd, 2 * MB));
	EXPECT_EQ(1, server_count(&s, FUSE_GET_DAXDEV));
	/* the layout has no device 2 */
	EXPECT_EQ(-ENODEV, server_open(&s, "g", O_RDWR));
	EXPECT_EQ(2, server_count(&s, FUSE_GET_DAXDEV));
	EXPECT_EQ(0, server_stop(&s));
	END();
}

/* A map that does not fit the first request is announced, and then sent. */
TEST(long_map)
{
	enum { EXTENTS = 2000 };
	static char layout[EXTENTS * 24 + 100];
	char *p = layout;
	struct server s;
	int i;

	BEGIN(DAX_BIG);
	p += sprintf(p, "dev 0 $big\nfile f 644 %luK simple", EXTENTS * PAGE / KB);
	for (i = 0; i < EXTENTS; i++)
		p += sprintf(p, " 0:%lu:%lu", 2 * i * PAGE, PAGE);
	strcpy(p, "\n");
	server_start_f(&s, layout);
	EXPECT_EQ(2, server_count(&s, FUSE_GET_FMAP));
	EXPECT_TRUE(rw_works(s.fd, (EXTENTS - 1) * PAGE));
	EXPECT_EQ(0, server_stop(&s));
	END();
}

/* A signal ends the server and the mount. */
TEST(signal_unmounts)
{
	struct server s;
	struct stat st, up;

	BEGIN(DAX_BIG);
	server_start(&s, "dev 0 $big\nfile f 644 2M simple 0:0:2M\n", NULL);
	EXPECT_EQ(0, kill(s.pid, SIGTERM));
	EXPECT_EQ(0, child_wait(s.pid));
	EXPECT_EQ(0, stat(s.mnt, &st));
	EXPECT_EQ(0, stat("/tmp", &up));
	EXPECT_EQ(up.st_dev, st.st_dev);
	END();
}

/* --- The loop, before kernels that offer and know less --- */

/*
 * What the loop calls is wrapped by the linker: it sees another FUSE_INIT than the
 * kernel has sent, and no FUSE_DEV_IOC_DAXDEV_OPEN. All else is real.
 */
static struct {
	uint64_t hide;		/* flags of FUSE_INIT that are not seen */
	uint32_t minor;		/* the minor version that is seen, or 0 */
	bool on;
} older;

/* Shared with the server. */
static volatile struct seen {
	uint64_t reply_flags;	/* of FUSE_INIT */
	unsigned int daxdevs;	/* requests FUSE_GET_DAXDEV */
} *seen;

int __real_fuse_session_receive_buf(struct fuse_session *se, struct fuse_buf *buf);
int __wrap_fuse_session_receive_buf(struct fuse_session *se, struct fuse_buf *buf);
ssize_t __real_write(int fd, const void *buf, size_t len);
ssize_t __wrap_write(int fd, const void *buf, size_t len);
int __real_ioctl(int fd, unsigned long cmd, void *arg);
int __wrap_ioctl(int fd, unsigned long cmd, void *arg);

int __wrap_fuse_session_receive_buf(struct fuse_session *se, struct fuse_buf *buf)
{
	int ret = __real_fuse_session_receive_buf(se, buf);
	struct fuse_in_header *ih = buf->mem;
	struct fuse_init_in *in = (void *)(ih + 1);

	if (ret <= 0 || ih->opcode != FUSE_INIT)
		return ret;
	in->flags2 &= ~(older.hide >> 32);
	if (older.minor)
		in->minor = older.minor;
	return ret;
}

/* The loop itself writes nothing but the reply to FUSE_INIT. */
ssize_t __wrap_write(int fd, const void *buf, size_t len)
{
	const struct fuse_out_header *oh = buf;
	const struct fuse_init_out *out = (const void *)(oh + 1);

	if (older.on)
		seen->reply_flags = out->flags | (uint64_t)out->flags2 << 32;
	return __real_write(fd, buf, len);
}

int __wrap_ioctl(int fd, unsigned long cmd, void *arg)
{
	if (!older.on || cmd != FUSE_DEV_IOC_DAXDEV_OPEN)
		return __real_ioctl(fd, cmd, arg);
	errno = ENOTTY;
	return -1;
}

static const struct famfs_map *map_of(void *userdata, uint64_t ino)
{
	return layout_node(tree, ino)->map;
}

static const char *dev_of_index(void *userdata, unsigned int index)
{
	return tree->devs[index];
}

static void count_request(void *userdata, unsigned int opcode)
{
	if (opcode == FUSE_GET_DAXDEV)
		seen->daxdevs++;
}

static const struct famfs_ops ops = {
	.map = map_of,
	.dev = dev_of_index,
	.request = count_request,
};

/* Ends with what famfs_session_loop() returns as the exit status. */
static void serve(const char *layout, const char *mnt)
{
	char *argv[] = { "server_test" };
	struct fuse_args args = FUSE_ARGS_INIT(1, argv);
	struct fuse_session *se;
	int ret;

	tree = layout_read(layout);
	se = fuse_session_new(&args, &tree_ops, sizeof(tree_ops), NULL);
	if (!se || fuse_session_mount(se, mnt))
		errx(2, "mount");
	older.on = true;
	ret = famfs_session_loop(se, &ops, NULL);
	older.on = false;
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	_exit(-ret);
}

#define BOTH_FLAGS (FUSE_DAX_FMAP | FUSE_DAX_FMAP_OLD)

TEST(init_flag)
{
	static const struct {
		uint64_t hide;
		uint32_t minor;
		uint64_t takes;		/* the flag that it takes, or 0: it gives up */
	} cases[] = {
		{ 0, 0, FUSE_DAX_FMAP },
		{ FUSE_DAX_FMAP_OLD, 0, FUSE_DAX_FMAP },
		{ FUSE_DAX_FMAP, 45, FUSE_DAX_FMAP_OLD },
		/* the old flag has another meaning then */
		{ FUSE_DAX_FMAP, 46, 0 },
		{ BOTH_FLAGS, 45, 0 },
	};
	char mnt[] = "/tmp/famfs.XXXXXX", layout[48];
	size_t i;
	pid_t pid;

	BEGIN(DAX_BIG);
	ASSERT_NE(NULL, mkdtemp(mnt));
	snprintf(layout, sizeof(layout), "%s.layout", mnt);
	ASSERT_EQ(0, write_text(layout, "dev 0 $big\nfile f 644 2M simple 0:0:2M\n"));
	seen = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, seen);
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		int tries, fd = -1;

		older.hide = cases[i].hide;
		older.minor = cases[i].minor;
		*seen = (struct seen){};
		pid = child_start();
		if (!pid)
			serve(layout, mnt);
		if (!cases[i].takes) {
			EXPECT_EQ(EOPNOTSUPP, child_wait(pid));
			EXPECT_EQ(0, seen->reply_flags);
			continue;
		}
		for (tries = 0; tries < 1000 && fd < 0; tries++) {
			fd = open(strf("%s/f", mnt), O_RDWR | O_CLOEXEC);
			usleep(10000);
		}
		ASSERT_LE(0, fd);
		EXPECT_EQ(cases[i].takes, seen->reply_flags & BOTH_FLAGS);
		EXPECT_TRUE(is_dax(fd));
		EXPECT_TRUE(rw_works(fd, MB));
		/* no device has been registered */
		EXPECT_EQ(1, seen->daxdevs);
		close(fd);
		EXPECT_EQ(0, umount2(mnt, 0));
		child_kill(pid);
	}
	unlink(layout);
	rmdir(mnt);
	END();
}

FAMFS_TEST_MAIN
