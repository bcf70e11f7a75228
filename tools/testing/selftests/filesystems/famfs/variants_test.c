// SPDX-License-Identifier: GPL-2.0
/*
 * Servers of different age: those in use, which know the old flag and neither
 * fmap_size nor registration by descriptor, the newest ones, and servers that
 * mean something else by the old flag.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <linux/fuse.h>
#include <linux/stat.h>

#include "../../kselftest_harness.h"
#include "raw.h"
#include "util.h"

#define SEED 1

/* On one device, on all of them, interleaved over all of them, for later. */
enum { ONE, EXTENTS, INTERLEAVED, LATE };

#define NR_DEVS 3
#define NR_EXTENTS 120UL
#define EXTENT (2 * PAGE)
#define EXTENTS_OFF (16 * MB)
#define STRIP MB
#define STRIPS_OFF (32 * MB)

/* Where the map of a file is too long for servers in use. */
#define LONG_OFF (64 * MB)
#define NR_LONG 2000UL

FIXTURE(server)
{
	struct raw r;
};

FIXTURE_VARIANT(server)
{
	uint32_t minor;
	uint64_t init_flags;
	bool newest;	/* sets fmap_size, registers the devices by descriptor */
	bool plain;	/* does not serve famfs */
};

/* What servers in use ask for besides. */
#define USUAL (FUSE_INIT_EXT | FUSE_ATOMIC_O_TRUNC | FUSE_AUTO_INVAL_DATA | \
	       FUSE_DO_READDIRPLUS | FUSE_FLOCK_LOCKS | FUSE_MAX_PAGES)

FIXTURE_VARIANT_ADD(server, old) {
	.minor = 45, .init_flags = USUAL | FUSE_DAX_FMAP_OLD,
};
FIXTURE_VARIANT_ADD(server, new) {
	.minor = 45, .init_flags = USUAL | FUSE_DAX_FMAP_OLD, .newest = true,
};
FIXTURE_VARIANT_ADD(server, new62) {
	.minor = 45, .init_flags = USUAL | FUSE_DAX_FMAP, .newest = true,
};
/* no minor version says anything about the new flag */
FIXTURE_VARIANT_ADD(server, new62_of_minor_46) {
	.minor = 46, .init_flags = USUAL | FUSE_DAX_FMAP, .newest = true,
};
FIXTURE_VARIANT_ADD(server, both_flags) {
	.minor = 45, .init_flags = USUAL | FUSE_DAX_FMAP | FUSE_DAX_FMAP_OLD,
};
/* buffer pools of io_uring, in a reply that takes whatever was offered */
FIXTURE_VARIANT_ADD(server, plain) {
	.minor = 46, .plain = true,
	.init_flags = USUAL | FUSE_OVER_IO_URING | FUSE_DAX_FMAP_OLD,
};
FIXTURE_VARIANT_ADD(server, plain_without_io_uring) {
	.minor = 46, .init_flags = USUAL | FUSE_DAX_FMAP_OLD, .plain = true,
};
FIXTURE_VARIANT_ADD(server, plain_of_minor_45) {
	.minor = 45, .plain = true,
	.init_flags = USUAL | FUSE_OVER_IO_URING | FUSE_DAX_FMAP_OLD,
};

static void set_extents(struct raw *r, unsigned int file, uint64_t off,
			unsigned int n)
{
	struct fuse_famfs_simple_ext *ext = calloc(n, sizeof(*ext));
	unsigned int i;

	for (i = 0; i < n; i++) {
		ext[i].se_devindex = i % NR_DEVS;
		ext[i].se_offset = off + i / NR_DEVS * EXTENT;
		ext[i].se_len = EXTENT;
	}
	raw_set_map(r, file, n * EXTENT, FUSE_FAMFS_EXT_SIMPLE, n, ext,
		    n * sizeof(*ext));
	free(ext);
}

static void set_interleaved(struct raw *r)
{
	struct {
		struct fuse_famfs_iext iext;
		struct fuse_famfs_simple_ext ext[NR_DEVS];
	} map = {
		.iext.ie_nstrips = NR_DEVS,
		.iext.ie_chunk_size = 64 * KB,
		.iext.ie_nbytes = NR_DEVS * STRIP,
	};
	unsigned int i;

	for (i = 0; i < NR_DEVS; i++) {
		map.ext[i].se_devindex = i;
		map.ext[i].se_offset = STRIPS_OFF;
		map.ext[i].se_len = STRIP;
	}
	raw_set_map(r, INTERLEAVED, map.iext.ie_nbytes,
		    FUSE_FAMFS_EXT_INTERLEAVE, 1, &map, sizeof(map));
}

/* Servers in use only have device 0, and say 0 whatever they are asked for. */
static void set_devs(struct raw *r, bool newest)
{
	const char *const devs[NR_DEVS] = { DEV_BIG, DEV_TWO, DEV_SMALL };
	struct fuse_daxdev_out out = {};
	unsigned int i;

	for (i = 0; i < NR_DEVS; i++) {
		strcpy(out.name, devs[i]);
		raw_set_reply(&r->s->devs[i], 0, &out, sizeof(out));
		if (newest)
			r->s->push[i] = devs[i];
	}
}

static void start(FIXTURE_DATA(server) *self,
		  const FIXTURE_VARIANT(server) *variant)
{
	struct raw *r = &self->r;
	unsigned int i;

	raw_init(r);
	r->s->minor = variant->minor;
	r->s->init_flags = variant->init_flags;
	r->s->fmap_size = variant->newest;
	r->s->create_error = EOPNOTSUPP;
	for (i = 0; i < RAW_FILES; i++)
		r->s->files[i].open_flags = FOPEN_PARALLEL_DIRECT_WRITES;
	set_devs(r, variant->newest);
	raw_set_file(r, ONE, 0, 2 * MB, 4 * MB);
	set_extents(r, EXTENTS, EXTENTS_OFF, NR_EXTENTS);
	set_interleaved(r);
	raw_start(r, NULL);
}

FIXTURE_SETUP(server)
{
	BEGIN(DAX_BIG, DAX_TWO, DAX_SMALL);
	start(self, variant);
}

FIXTURE_TEARDOWN(server)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	END();
}

static bool is_dax(int fd)
{
	struct statx stx;

	return !statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx) &&
	       stx.stx_attributes & STATX_ATTR_DAX;
}

/* Write all of the file and read it in both ways. Return: what is wrong. */
static const char *use(const struct raw *r, unsigned int file, int fd)
{
	size_t size = r->s->files[file].size;
	void *buf = malloc(size);
	void *p = map_rw(fd, size);
	const char *why = NULL;

	if (!p || !is_dax(fd))
		why = "not dax";
	fill_pattern(buf, size, SEED + file, 0);
	if (!why && !write_all(fd, buf, size, 0))
		why = "write";
	if (!why && check_pattern(p, size, SEED + file, 0) >= 0)
		why = "wrong data in the mapping";
	if (!why) {
		fill_pattern(p, size, SEED, 7);
		if (!read_all(fd, buf, size, 0))
			why = "read";
		else if (check_pattern(buf, size, SEED, 7) >= 0)
			why = "wrong data";
	}
	if (p)
		munmap(p, size);
	free(buf);
	return why;
}

TEST_F(server, files)
{
	const struct raw *r = &self->r;
	unsigned int i, j;

	for (i = ONE; i <= INTERLEAVED; i++) {
		int fd = raw_open(r, i, O_RDWR);

		ASSERT_LE(0, fd);
		if (variant->plain) {
			EXPECT_FALSE(is_dax(fd));
		} else {
			EXPECT_EQ(NULL, use(r, i, fd)) {
				TH_LOG("file %u", i);
			}
		}
		close(fd);
	}
	/* one for each file, since all of these maps fit */
	EXPECT_EQ(variant->plain ? 0 : 3, raw_count(r, FUSE_GET_FMAP));
	EXPECT_EQ(variant->plain || variant->newest ? 0 : NR_DEVS,
		  raw_count(r, FUSE_GET_DAXDEV));
	for (i = 0; i < NR_DEVS && variant->newest; i++)
		for (j = 0; j < 2; j++)
			EXPECT_EQ(0, r->s->pushed[i][j]);
	EXPECT_EQ(0, raw_count(r, FUSE_READ));
	EXPECT_EQ(0, raw_count(r, FUSE_WRITE));
}

/* All offers go to all servers that may have one of them. */
TEST_F(server, offer)
{
	EXPECT_NE(0, self->r.s->kernel_flags & FUSE_DAX_FMAP);
	EXPECT_NE(0, self->r.s->kernel_flags & FUSE_DAX_FMAP_OLD);
}

/* What tools do with files, and with what the server does not have. */
TEST_F(server, calls)
{
	static const int flags[] = {
		O_RDONLY, O_RDWR, O_RDWR | O_DIRECT, O_RDWR | O_SYNC,
	};
	char path[64];
	size_t i;
	int fd;

	if (variant->plain)
		return;
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		fd = raw_open(&self->r, ONE, flags[i]);
		ASSERT_LE(0, fd);
		EXPECT_TRUE(is_dax(fd));
		EXPECT_EQ(flags[i] != O_RDONLY, rw_works(fd, 3));
		EXPECT_EQ(0, fsync(fd));
		EXPECT_EQ(0, close(fd));
	}
	EXPECT_EQ(-EPERM, raw_open(&self->r, ONE, O_RDWR | O_TRUNC));
	snprintf(path, sizeof(path), "%s/f%d", self->r.mnt, ONE);
	EXPECT_ERRNO(EPERM, truncate(path, 0));
	snprintf(path, sizeof(path), "%s/new", self->r.mnt);
	EXPECT_ERRNO(EOPNOTSUPP, open(path, O_RDWR | O_CREAT, 0644));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_FSYNC));
}

/* Longer than what the kernel expects: it is told so, and asks again. */
TEST_F(server, long_map)
{
	int fd;

	if (!variant->newest)
		return;
	set_extents(&self->r, LATE, LONG_OFF, NR_LONG);
	fd = raw_open(&self->r, LATE, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_LE(self->r.s->files[LATE].fmap.len, self->r.s->fmap_fits);
	EXPECT_LE(raw_count(&self->r, FUSE_GET_FMAP), 2);
	EXPECT_EQ(NULL, use(&self->r, LATE, fd));
	close(fd);
	/* it is not fetched again */
	EXPECT_EQ(0, raw_try_open(&self->r, LATE, O_RDONLY));
	EXPECT_LE(raw_count(&self->r, FUSE_GET_FMAP), 2);
}

/* As mkfs and fsck do it: mount, reach the beginning, unmount, again. */
TEST_F(server, mount_after_mount)
{
	uint8_t *buf = malloc(2 * MB);
	int fd, i;

	if (variant->plain)
		return;
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, raw_stop(&self->r));
		start(self, variant);
		raw_set_file(&self->r, LATE, 0, 2 * MB, 2 * MB);
		fd = raw_open(&self->r, LATE, O_RDWR);
		ASSERT_LE(0, fd);
		if (i) {
			ASSERT_TRUE(read_all(fd, buf, 2 * MB, 0));
			EXPECT_EQ(-1, check_pattern(buf, 2 * MB, i, 0));
		}
		fill_pattern(buf, 2 * MB, i + 1, 0);
		EXPECT_TRUE(write_all(fd, buf, 2 * MB, 0));
		close(fd);
	}
	free(buf);
}

/*
 * An interleaved file that the server has unrolled into as many extents as user
 * space emits at most, all of one length.
 */
#define NR_EQUAL FUSE_FAMFS_MAX_EXTENTS
#define NR_STRIPS 4

static void set_equal(struct raw *r)
{
	struct fuse_famfs_simple_ext *ext = calloc(NR_EQUAL, sizeof(*ext));
	unsigned int i;

	for (i = 0; i < NR_EQUAL; i++) {
		ext[i].se_offset = (i % NR_STRIPS * (NR_EQUAL / NR_STRIPS) +
				    i / NR_STRIPS) * PAGE;
		ext[i].se_len = PAGE;
	}
	raw_set_map(r, ONE, NR_EQUAL * PAGE, FUSE_FAMFS_EXT_SIMPLE, NR_EQUAL,
		    ext, NR_EQUAL * sizeof(*ext));
	free(ext);
}

/* The first bytes of some pages, by one way and the other. */
static bool spots_work(int fd, uint8_t *p)
{
	uint64_t at, off;
	uint32_t seen;

	for (at = 0; at < NR_EQUAL; at += at < 16 ? 1 : NR_EQUAL / 64 - 1) {
		off = at * PAGE + 8 * (at % 256);
		seen = at * 3;
		if (pwrite(fd, &seen, sizeof(seen), off) != sizeof(seen))
			return false;
	}
	for (at = 0; at < NR_EQUAL; at += at < 16 ? 1 : NR_EQUAL / 64 - 1) {
		off = at * PAGE + 8 * (at % 256);
		memcpy(&seen, p + off, sizeof(seen));
		if (seen != at * 3)
			return false;
	}
	return true;
}

TEST(equal_extents)
{
	const uint64_t size = NR_EQUAL * PAGE;
	struct raw r;
	double begin;
	uint8_t *p;
	long kb;
	int fd;

	BEGIN(DAX_LARGE);
	if (dax_size(DAX_LARGE) < size)
		SKIP(return, "the device is too small for as many pages");
	raw_init(&r);
	r.s->fmap_size = true;
	raw_set_dev(&r, 0, DEV_LARGE);
	raw_set_file(&r, LATE, 0, 0, PAGE);
	set_equal(&r);
	raw_start(&r, NULL);
	/* the device is there afterwards */
	ASSERT_EQ(0, raw_try_open(&r, LATE, O_RDONLY));
	ASSERT_EQ(0, write_text("/proc/sys/vm/drop_caches", "3"));

	kb = meminfo_kb("MemFree");
	begin = seconds();
	fd = raw_open(&r, ONE, O_RDWR);
	printf("# %u equal extents: open took %.3f s, %.1f bytes an extent\n",
	       NR_EQUAL, seconds() - begin,
	       (kb - meminfo_kb("MemFree")) * 1024.0 / NR_EQUAL);
	ASSERT_LE(0, fd);
	EXPECT_EQ(3, raw_count(&r, FUSE_GET_FMAP));
	p = map_rw(fd, size);
	EXPECT_TRUE(spots_work(fd, p));
	munmap(p, size);
	close(fd);
	EXPECT_EQ(0, raw_stop(&r));
	END();
}

FAMFS_TEST_MAIN
