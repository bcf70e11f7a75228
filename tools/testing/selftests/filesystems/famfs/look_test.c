// SPDX-License-Identifier: GPL-2.0
/*
 * What an administrator sees: where a file lies, the devices of a connection,
 * the log, the trace events.
 */
#include <sys/ioctl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>

#include "raw.h"
#include "test.h"

#define TRACING "/sys/kernel/tracing"

/* On one device, and on two. */
enum { ONE, BOTH };

#define SIZE (4 * MB)

FIXTURE(look)
{
	struct raw r;
};

FIXTURE_SETUP(look)
{
	struct fuse_famfs_simple_ext both[] = {
		{ .se_devindex = 0, .se_offset = 32 * MB, .se_len = 2 * MB },
		{ .se_devindex = 1, .se_offset = 6 * MB, .se_len = 2 * MB },
	};

	BEGIN(DAX_BIG, DAX_SMALL);
	raw_init(&self->r);
	raw_set_dev(&self->r, 0, DEV_BIG);
	raw_set_dev(&self->r, 1, DEV_SMALL);
	raw_set_file(&self->r, ONE, 0, 8 * MB, SIZE);
	raw_set_map(&self->r, BOTH, SIZE - 5, FUSE_FAMFS_EXT_SIMPLE, 2, both, sizeof(both));
	raw_start(&self->r, NULL);
	log_lines("");
}

FIXTURE_TEARDOWN(look)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	dax_rebind(DAX_BIG);
	END();
}

static const char *devices(const struct raw *r)
{
	return read_text(connection_file(r->mnt, "devices"));
}

/* The line of a device. @more: state and failures. */
static const char *line(unsigned int index, const char *dev, int files, const char *more)
{
	return strf("%u %s %ju %d %s\n", index, dev, (uintmax_t)dax_size(dev), files, more);
}

/* Return: number of extents, or -errno. */
static int fiemap(int fd, uint64_t start, uint64_t len, struct fiemap_extent *ext,
		  unsigned int n)
{
	struct {
		struct fiemap head;
		struct fiemap_extent ext[4];
	} map = {
		.head = {
			.fm_start = start,
			.fm_length = len,
			.fm_extent_count = n,
		},
	};

	if (ioctl(fd, FS_IOC_FIEMAP, &map))
		return -errno;
	memcpy(ext, map.ext, n * sizeof(*ext));
	return map.head.fm_mapped_extents;
}

TEST_F(look, fiemap)
{
	struct fiemap_extent ext[4];
	int fd = raw_must_open(&self->r, BOTH, O_RDONLY);

	ASSERT_EQ(2, fiemap(fd, 0, UINT64_MAX, ext, 4));
	EXPECT_EQ(0, ext[0].fe_logical);
	EXPECT_EQ(32 * MB, ext[0].fe_physical);
	EXPECT_EQ(2 * MB, ext[0].fe_length);
	EXPECT_EQ(0, ext[0].fe_flags);
	EXPECT_EQ(2 * MB, ext[1].fe_logical);
	EXPECT_EQ(6 * MB, ext[1].fe_physical);
	EXPECT_EQ(2 * MB, ext[1].fe_length);
	EXPECT_EQ(FIEMAP_EXTENT_LAST, ext[1].fe_flags);

	/* counted only, a part, and beyond the end */
	EXPECT_EQ(2, fiemap(fd, 0, UINT64_MAX, ext, 0));
	EXPECT_EQ(1, fiemap(fd, 3 * MB, 1, ext, 4));
	EXPECT_EQ(0, fiemap(fd, SIZE, MB, ext, 4));

	EXPECT_EQ(0, raw_inval_inode(&self->r, BOTH, 0, 0));
	EXPECT_EQ(-EIO, fiemap(fd, 0, UINT64_MAX, ext, 4));
}

TEST_F(look, devices)
{
	struct raw plain;
	const char *want;
	unsigned long end;

	EXPECT_STREQ("", devices(&self->r));
	raw_must_open(&self->r, ONE, O_RDONLY);
	EXPECT_STREQ(line(0, DAX_BIG, 1, "held"), devices(&self->r));
	raw_must_open(&self->r, BOTH, O_RDONLY);
	EXPECT_STREQ(strf("%s%s", line(0, DAX_BIG, 2, "held"),
			  line(1, DAX_SMALL, 1, "held")), devices(&self->r));
	if (can_poison()) {
		ASSERT_EQ(0, dax_poison(DAX_BIG, 2 * MB));
		ASSERT_EQ(0, dax_poison(DAX_BIG, 2 * MB + PAGE));
		ASSERT_EQ(0, dax_poison(DAX_BIG, dax_size(DAX_BIG) - PAGE));
		end = dax_size(DAX_BIG) - 1;
		want = line(0, DAX_BIG, 2,
			    strf("held 0x200000-%#lx %#lx-%#lx",
				 2 * MB + 2 * PAGE - 1, end + 1 - PAGE, end));
		EXPECT_EQ(0, strncmp(want, devices(&self->r), strlen(want)))
			TH_LOG("%s", devices(&self->r));
	}
	ASSERT_EQ(0, dax_unbind(DAX_BIG));
	EXPECT_NE(NULL, strstr(devices(&self->r), " 0 gone\n"));

	/* a connection that is not famfs */
	raw_init(&plain);
	plain.s->init_flags = RAW_USUAL;
	raw_start(&plain, NULL);
	EXPECT_EQ(0, access(connection_file(plain.mnt, "devices"), R_OK));
	EXPECT_STREQ("", devices(&plain));
	EXPECT_EQ(0, raw_stop(&plain));
}

TEST_F(look, log)
{
	int fd = raw_must_open(&self->r, BOTH, O_RDONLY);

	EXPECT_EQ(2, log_lines("): held"));
	close(fd);
	EXPECT_EQ(0, raw_try_open(&self->r, BOTH, O_RDONLY));
	if (can_poison()) {
		ASSERT_EQ(0, dax_poison(DAX_BIG, 2 * MB));
		EXPECT_EQ(1, log_lines(strf("device 0 (%s): memory has failed from 0x200000 to",
					    DAX_BIG)));
	}
	ASSERT_EQ(0, dax_unbind(DAX_BIG));
	EXPECT_EQ(1, log_lines(strf("device 0 (%s): gone", DAX_BIG)));
}

/* Return: the number of lines of the trace with @text. */
static int traced(const char *text)
{
	const char *p = read_text(TRACING "/trace");
	int n = 0;

	while ((p = strstr(p, text))) {
		n++;
		p++;
	}
	return n;
}

TEST_F(look, events)
{
	struct fault f;
	int fd;
	char *p;

	if (access(TRACING "/events/famfs/enable", W_OK))
		SKIP(return, "no trace events");
	ASSERT_EQ(0, write_text(TRACING "/trace", ""));
	ASSERT_EQ(0, write_text(TRACING "/events/famfs/enable", "1"));
	fd = raw_must_open(&self->r, ONE, O_RDWR);
	p = map_rw(fd, SIZE, 0);
	p[0] = p[2 * MB] = 1;
	EXPECT_EQ(0, raw_inval_inode(&self->r, ONE, 0, 0));
	EXPECT_FALSE(try_read(p, &f));
	munmap(p, SIZE);
	close(fd);
	if (can_poison())
		ASSERT_EQ(0, dax_poison(DAX_BIG, 2 * MB));
	ASSERT_EQ(0, dax_unbind(DAX_BIG));
	ASSERT_EQ(0, write_text(TRACING "/events/famfs/enable", "0"));

	EXPECT_EQ(1, traced(strf("famfs_dev_hold: dev 0:%u index 0 %s offset 0x0",
				 connection_of(self->r.mnt), DAX_BIG)));
	EXPECT_EQ(1, traced("famfs_map_attach: dev 0:"));
	EXPECT_EQ(1, traced("size 4194304 even extents 1 strips 1 devices 1"));
	EXPECT_LE(1, traced("pgoff 0x0 order 9 "));
	EXPECT_EQ(1, traced("pgoff 0x200 order 9 "));
	EXPECT_EQ(2, traced("NOPAGE"));
	EXPECT_EQ(1, traced("famfs_map_retire: "));
	/* for that, and when the device goes */
	EXPECT_EQ(2, traced("famfs_map_stale: "));
	EXPECT_LE(1, traced("SIGBUS"));
	EXPECT_EQ(can_poison(), traced("famfs_dev_failure: "));
	EXPECT_EQ(1, traced("famfs_dev_gone: "));
}

FAMFS_TEST_MAIN
