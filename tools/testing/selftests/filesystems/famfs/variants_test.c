// SPDX-License-Identifier: GPL-2.0
/*
 * Servers of different age: those in use, which know the old flag and neither
 * fmap_size nor registration by descriptor, and the newest ones. Servers that mean
 * something else by the old flag are in rights_test.
 */
#include "raw.h"
#include "test.h"

/*
 * On one device, on all of them, interleaved over all of them. LONG has a map that is
 * too long for servers in use, and shares memory with EXTENTS, which gives way once it
 * is closed.
 */
enum { ONE, EXTENTS, INTERLEAVED, LONG };

#define NR_DEVS 3
#define NR_EXTENTS 120UL
#define EXTENT (2 * PAGE)
#define EXTENTS_OFF (64 * MB)
#define NR_LONG 2000UL
#define STRIP MB
#define STRIPS_OFF (32 * MB)

static void place_extent(unsigned int nr, struct fuse_famfs_simple_ext *ext)
{
	ext->se_devindex = nr % NR_DEVS;
	ext->se_offset = EXTENTS_OFF + nr / NR_DEVS * EXTENT;
}

static const char *const devs[NR_DEVS] = { DEV_BIG, DEV_TWO, DEV_SMALL };

/* Servers in use only have device 0, and say 0 whatever they are asked for. */
static void set_devs(struct raw *r)
{
	struct fuse_daxdev_out out = {};
	unsigned int i;

	for (i = 0; i < NR_DEVS; i++) {
		strcpy(out.name, devs[i]);
		raw_set_reply(&r->s->devs[i], 0, &out, sizeof(out));
	}
}

/* Write all of the file and read it in both ways. Return: what is wrong. */
static const char *use(const struct raw *r, unsigned int file, int fd)
{
	size_t size = r->s->files[file].size;
	void *p = map_rw(fd, size, 0);
	const char *why = NULL;

	if (!is_dax(fd))
		why = "not dax";
	else if (!write_pattern(fd, size, file, 0))
		why = "write";
	else if (check_pattern(p, size, file, 0) >= 0)
		why = "wrong data in the mapping";
	fill_pattern(p, size, file + 10, 0);
	if (!why && !has_pattern(fd, size, file + 10, 0))
		why = "wrong data";
	munmap(p, size);
	return why;
}

FIXTURE(servers)
{
	struct raw r;
};

FIXTURE_VARIANT(servers)
{
	uint32_t minor;
	uint64_t flags;
	bool newest;	/* sets fmap_size, registers the devices by descriptor */
};

FIXTURE_VARIANT_ADD(servers, in_use) {
	45, FUSE_DAX_FMAP_OLD
};

FIXTURE_VARIANT_ADD(servers, in_use_and_pushes_devices) {
	45, FUSE_DAX_FMAP_OLD, true
};

FIXTURE_VARIANT_ADD(servers, newest) {
	45, FUSE_DAX_FMAP, true
};

/* no minor version says anything about the new flag */
FIXTURE_VARIANT_ADD(servers, newest_46) {
	46, FUSE_DAX_FMAP, true
};

FIXTURE_VARIANT_ADD(servers, both_flags) {
	45, FUSE_DAX_FMAP | FUSE_DAX_FMAP_OLD
};

FIXTURE_SETUP(servers)
{
	struct raw *r = &self->r;
	unsigned int i;

	BEGIN(DAX_BIG, DAX_TWO, DAX_SMALL);
	raw_init(r);
	r->s->minor = variant->minor;
	r->s->init_flags = RAW_USUAL | variant->flags;
	r->s->fmap_size = variant->newest;
	for (i = 0; i < RAW_FILES; i++)
		r->s->files[i].open_flags = FOPEN_PARALLEL_DIRECT_WRITES;
	set_devs(r);
	raw_set_file(r, ONE, 0, 2 * MB, 4 * MB);
	raw_set_extents(r, EXTENTS, NR_EXTENTS, EXTENT, place_extent);
	raw_set_strips(r, INTERLEAVED, NR_DEVS, NR_DEVS, STRIPS_OFF, STRIP, 64 * KB);
	raw_set_extents(r, LONG, NR_LONG, EXTENT, place_extent);
	raw_start(r, NULL);
	/* a server may register a device twice */
	for (i = 0; i < 2 * NR_DEVS && variant->newest; i++) {
		int fd = open(devs[i / 2], O_RDWR);

		EXPECT_EQ(0, raw_add_dev(r, fd, i / 2));
		close(fd);
	}
}

FIXTURE_TEARDOWN(servers)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	END();
}

TEST_F(servers, files)
{
	const struct raw *r = &self->r;
	unsigned int i, last = variant->newest ? LONG : INTERLEAVED;

	for (i = 0; i < 2 * (last + 1); i++) {
		int fd = raw_must_open(r, i / 2, O_RDWR | (i % 2 ? O_DIRECT : 0));

		EXPECT_EQ(NULL, use(r, i / 2, fd))
			TH_LOG("file %u", i / 2);
		close(fd);
		/* one for each file, since all of these maps fit */
		if (i / 2 < LONG)
			EXPECT_EQ(i / 2 + 1, raw_count(r, FUSE_GET_FMAP));
	}
	/* the kernel is told how long this one is, and asks again */
	if (variant->newest) {
		EXPECT_LE(r->s->files[LONG].fmap.len, r->s->fmap_fits);
		EXPECT_LE(raw_count(r, FUSE_GET_FMAP), LONG + 2);
	}
	EXPECT_EQ(variant->newest ? 0 : NR_DEVS, raw_count(r, FUSE_GET_DAXDEV));
	EXPECT_EQ(0, raw_count(r, FUSE_READ));
	EXPECT_EQ(0, raw_count(r, FUSE_WRITE));
	/* all offers go to all servers that may have one of them */
	EXPECT_NE(0, r->s->kernel_flags & FUSE_DAX_FMAP);
	EXPECT_NE(0, r->s->kernel_flags & FUSE_DAX_FMAP_OLD);
}

/*
 * An interleaved file that the server has unrolled into as many extents as user
 * space emits at most, all of one length.
 */
#define NR_EQUAL FUSE_FAMFS_MAX_EXTENTS
#define NR_STRIPS 4

static void place_equal(unsigned int nr, struct fuse_famfs_simple_ext *ext)
{
	ext->se_offset = (nr % NR_STRIPS * (NR_EQUAL / NR_STRIPS) + nr / NR_STRIPS) * PAGE;
}

/* The first bytes of some pages, by one way and the other. */
static bool spots_work(int fd, uint8_t *p)
{
	uint64_t at, off;
	uint32_t seen;
	int i;

	for (i = 0; i < 2; i++)
		for (at = 0; at < NR_EQUAL; at += at < 16 ? 1 : NR_EQUAL / 64 - 1) {
			off = at * PAGE + 8 * (at % 256);
			seen = at * 3;
			if (!i && pwrite(fd, &seen, sizeof(seen), off) != sizeof(seen))
				return false;
			if (i && memcmp(&seen, p + off, sizeof(seen)))
				return false;
		}
	return true;
}

TEST(equal_extents)
{
	const uint64_t size = NR_EQUAL * PAGE;
	struct raw r;
	uint8_t *p;
	int fd;

	BEGIN(DAX_LARGE);
	if (dax_size(DAX_LARGE) < size)
		SKIP(return, "the device is too small for as many pages");
	raw_init(&r);
	r.s->fmap_size = true;
	raw_set_dev(&r, 0, DEV_LARGE);
	raw_set_extents(&r, ONE, NR_EQUAL, PAGE, place_equal);
	raw_start(&r, NULL);
	fd = raw_must_open(&r, ONE, O_RDWR);
	/* a header, and all of it */
	EXPECT_EQ(2, raw_count(&r, FUSE_GET_FMAP));
	p = map_rw(fd, size, 0);
	EXPECT_TRUE(spots_work(fd, p));
	EXPECT_EQ(0, raw_stop(&r));
	END();
}

FAMFS_TEST_MAIN
