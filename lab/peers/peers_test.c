// SPDX-License-Identifier: GPL-2.0
/*
 * The other users of fs/dax.c: ext4 and xfs, whose blocks come and go. What xfstests'
 * tests of DAX look at (generic/413, 462 and 605 to 608), and what the series changes:
 * entries of 2 MiB, re-faults without locks, and waiting for pages that are in use.
 */
#include <err.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

#include "test.h"

#define DIR "/mnt/peer"
#define OTHER "/mnt/other"
#define SIZE (8 * MB)

FIXTURE(peers)
{
	int fd;		/* of a new file, SIZE long, of which nothing is allocated */
	uint8_t *p;	/* mapped where 2 MiB can be */
	uint8_t *odd;	/* and where they cannot */
};

FIXTURE_VARIANT(peers)
{
	const char *fs, *dev, *other_fs, *other_dev;
	bool clones;
};

FIXTURE_VARIANT_ADD(peers, ext4)
{
	.fs = "ext4", .dev = "/dev/pmem0", .other_fs = "xfs", .other_dev = "/dev/pmem1",
};

FIXTURE_VARIANT_ADD(peers, xfs)
{
	.fs = "xfs", .dev = "/dev/pmem1", .other_fs = "ext4", .other_dev = "/dev/pmem0",
	.clones = true,
};

/* <sys/mount.h> and <linux/fs.h> exclude each other. */
#define MNT_DETACH 2

static void mount_at(const char *dir, const char *dev, const char *fs, const char *options)
{
	mkdir(dir, 0755);
	if (syscall(SYS_mount, dev, dir, fs, 0, options))
		err(1, "mount %s %s", dev, options);
}

static void umount_at(const char *dir)
{
	if (syscall(SYS_umount2, dir, 0))
		err(1, "umount %s", dir);
}

static void mount_again(const char *dev, const char *fs, const char *options)
{
	let_go(DIR);
	umount_at(DIR);
	mount_at(DIR, dev, fs, options);
}

static int open_at(const char *dir, const char *name, int flags)
{
	int fd = open(strf("%s/%s", dir, name), O_CREAT | O_RDWR | flags, 0644);

	if (fd < 0)
		err(1, "%s/%s", dir, name);
	return fd;
}

/* The file system may forget inodes that are not open. */
static void drop_caches(void)
{
	sync();
	if (write_text("/proc/sys/vm/drop_caches", "3"))
		errx(1, "drop_caches");
}

FIXTURE_SETUP(peers)
{
	BEGIN();
	/* of a test that has died */
	syscall(SYS_umount2, DIR, MNT_DETACH);
	syscall(SYS_umount2, OTHER, MNT_DETACH);
	mount_at(DIR, variant->dev, variant->fs, "dax=always");
	mount_at(OTHER, variant->other_dev, variant->other_fs, "dax=never");
	unlink(DIR "/f");
	self->fd = open_at(DIR, "f", 0);
	ASSERT_TRUE(is_dax(self->fd));
	ASSERT_EQ(0, ftruncate(self->fd, SIZE));
	self->p = map_rw(self->fd, SIZE, 0);
	self->odd = map_rw(self->fd, SIZE, PAGE);
}

FIXTURE_TEARDOWN(peers)
{
	let_go(DIR);
	let_go(OTHER);
	unlink(DIR "/f");
	umount_at(DIR);
	umount_at(OTHER);
	END();
}

/* --- Data --- */

/* From and to a mapping, with a file that is in the page cache, and with the same file. */
TEST_F(peers, read_and_write_mapped_memory)
{
	static const size_t offs[] = { 0, 4096, 12 * 4096 };
	static const size_t lens[] = { 4096, 65536, PMD };
	uint8_t *from, *to;
	int i, j, k, fd;

	for (i = 0; i < 4; i++) {
		fd = open_at(i & 2 ? DIR : OTHER, i & 2 ? "f" : "g", i & 1 ? O_DIRECT : 0);
		EXPECT_EQ(i >> 1, is_dax(fd));
		for (j = 0; j < 9; j++) {
			from = self->p + offs[j / 3];
			to = self->p + 2 * PMD + offs[j / 3];
			fill_pattern(from, lens[j % 3], 9 * i + j, 0);
			ASSERT_EQ(lens[j % 3], pwrite(fd, from, lens[j % 3], 3 * PMD));
			ASSERT_EQ(lens[j % 3], pread(fd, to, lens[j % 3], 3 * PMD));
			for (k = 0; k < 2; k++)
				EXPECT_EQ(-1, check_pattern((k ? self->odd : self->p) + (to - self->p),
							    lens[j % 3], 9 * i + j, 0));
		}
		close(fd);
	}
}

/* read(2) cannot store to a read-only mapping, with or without blocks. */
TEST_F(peers, read_only_destination)
{
	int fd = open(DIR "/f", O_RDONLY), zero = open("/dev/zero", O_RDONLY);
	uint8_t *p = map_file(fd, SIZE, PROT_READ, MAP_SHARED);

	EXPECT_ERRNO(EACCES, (intptr_t)mmap(NULL, SIZE, PROT_WRITE, MAP_SHARED, fd, 0));
	EXPECT_ERRNO(EFAULT, read(zero, p, PAGE));
	self->p[PAGE] = 1;
	EXPECT_ERRNO(EFAULT, read(zero, p + PAGE, PAGE));
	EXPECT_EQ(1, p[PAGE]);
	EXPECT_EQ(0, p[0]);
}

/* Writes fill holes, and punching makes them, for all mappings. */
TEST_F(peers, holes)
{
	size_t i;

	for (i = 0; i < SIZE; i += PAGE) {
		ASSERT_EQ(0, self->p[i]);
		ASSERT_EQ(0, self->odd[i + PAGE - 1]);
	}
	self->p[PMD + PAGE] = 1;
	self->odd[PMD + 2 * PAGE] = 2;
	EXPECT_EQ(1, self->odd[PMD + PAGE]);
	EXPECT_EQ(2, self->p[PMD + 2 * PAGE]);
	ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			       PMD + PAGE, PAGE));
	EXPECT_EQ(0, self->p[PMD + PAGE]);
	EXPECT_EQ(0, self->odd[PMD + PAGE]);
	EXPECT_EQ(2, self->p[PMD + 2 * PAGE]);
	ASSERT_EQ(0, ftruncate(self->fd, PMD + PAGE + 1));
	EXPECT_FALSE(try_read(self->p + PMD + 2 * PAGE, NULL));
	EXPECT_FALSE(try_read(self->odd + 2 * PMD, NULL));
	self->p[PMD + PAGE + 1] = 3;
	ASSERT_EQ(0, ftruncate(self->fd, SIZE));
	for (i = PMD; i < SIZE; i += PAGE / 2) {
		ASSERT_EQ(0, self->p[i + 1]);
		ASSERT_EQ(0, self->odd[i]);
	}
}

/* What has been written back faults at the next write, which makes it dirty again. */
TEST_F(peers, dirty_again)
{
	uint8_t *p;
	long before;
	int i, j;

	ASSERT_TRUE(write_pattern(self->fd, SIZE, 1, 0));
	/* some of it by 2 MiB, as the blocks allow */
	EXPECT_GT(SIZE / AROUND, touch_range(self->p, 0, SIZE, PAGE, false));
	for (i = 0; i < 2; i++) {
		p = i ? self->odd : self->p;
		p[PMD] = 1;
		for (j = 0; j < 3; j++) {
			ASSERT_EQ(0, j ? fsync(self->fd) : msync(p, SIZE, MS_SYNC));
			before = faults();
			EXPECT_EQ(0, touch_range(p, PMD, PMD + 1, 1, false));
			p[PMD] = j;
			p[PMD + 1] = j;
			EXPECT_EQ(1, faults() - before);
		}
	}
}

/* Mappings that have gone come back with what is there then. */
TEST_F(peers, mapped_again)
{
	int i;

	ASSERT_TRUE(write_pattern(self->fd, SIZE, 1, 0));
	for (i = 0; i < 16; i++) {
		EXPECT_EQ(-1, check_pattern(self->odd, SIZE, 1 + i, 0));
		EXPECT_EQ(-1, check_pattern(self->p, SIZE, 1 + i, 0));
		madvise(i & 1 ? self->p : self->odd, SIZE, MADV_DONTNEED);
		switch (i % 4) {
		case 0:
			/* other blocks */
			ASSERT_EQ(0, ftruncate(self->fd, 0));
			break;
		case 1:
			ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_ZERO_RANGE, PAGE, 3 * PMD));
			break;
		case 2:
			ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_COLLAPSE_RANGE, 0, PMD));
			break;
		}
		ASSERT_TRUE(write_pattern(self->fd, SIZE, 2 + i, 0));
	}
}

TEST_F(peers, private_mapping)
{
	uint8_t *p = map_file(self->fd, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	pid_t pid;

	self->p[0] = 1;
	self->p[PMD] = 1;
	EXPECT_EQ(1, p[PMD]);
	p[0] = 2;
	pid = child_start();
	if (!pid) {
		p[PMD] = 3;
		_exit(p[0] != 2 || self->p[0] != 1);
	}
	EXPECT_EQ(0, child_wait(pid));
	EXPECT_EQ(1, self->odd[0]);
	EXPECT_EQ(1, p[PMD]);
	self->odd[0] = 4;
	self->odd[PMD] = 4;
	EXPECT_EQ(2, p[0]);
	EXPECT_EQ(4, p[PMD]);
}

/* Maps what is a clone of self->fd; the one that is written gets other blocks. */
static void share_blocks(struct __test_metadata *_metadata, FIXTURE_DATA(peers) *self,
			 int fd, uint8_t *mine, size_t misaligned)
{
	uint8_t *p;

	/* write(2) must not find pages mapped that it replaces, see lab/README.md */
	ASSERT_EQ(0, madvise(self->p, SIZE, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(self->odd, SIZE, MADV_DONTNEED));
	ASSERT_TRUE(write_pattern(self->fd, SIZE, 1, 0));
	ASSERT_EQ(0, ioctl(fd, FICLONE, self->fd));
	p = map_rw(fd, SIZE, misaligned);
	/* both have mapped all of it for reading */
	EXPECT_EQ(0, memcmp(p, mine, SIZE));
	mine[PAGE] = ~pattern(1, PAGE);
	mine[2 * PMD] = ~pattern(1, 2 * PMD);
	p[PMD] = ~pattern(1, PMD);
	ASSERT_EQ(0, fsync(fd));
	ASSERT_EQ(0, fsync(self->fd));
	EXPECT_EQ(pattern(1, PAGE), p[PAGE]);
	EXPECT_EQ(pattern(1, PMD), mine[PMD]);
	EXPECT_EQ(pattern(1, 2 * PMD), p[2 * PMD]);
	EXPECT_EQ(-1, check_pattern(p + 2 * PAGE, PMD - 2 * PAGE, 1, 2 * PAGE));
	EXPECT_EQ(-1, check_pattern(p + 3 * PMD, PMD, 1, 3 * PMD));
	munmap(p, SIZE);
	ASSERT_EQ(0, ftruncate(fd, 0));
	EXPECT_EQ(-1, check_pattern(mine + 2 * PAGE, PMD - 2 * PAGE, 1, 2 * PAGE));
	EXPECT_EQ(-1, check_pattern(mine + 3 * PMD, PMD, 1, 3 * PMD));
}

/* Where either of them could map 2 MiB, and where it cannot. */
TEST_F(peers, shared_blocks)
{
	int i, fd;

	for (i = 0; i < 4; i++) {
		unlink(DIR "/clone");
		fd = open_at(DIR, "clone", 0);
		if (variant->clones)
			share_blocks(_metadata, self, fd, i & 1 ? self->odd : self->p, i & 2 ? PAGE : 0);
		else
			EXPECT_ERRNO(EOPNOTSUPP, ioctl(fd, FICLONE, self->fd));
		/* the inode goes, and its entries with it */
		close(fd);
		unlink(DIR "/clone");
	}
}

/* --- Everything against a copy in memory --- */

static void random_range(unsigned int *seed, off_t size, off_t *off, size_t *len)
{
	*len = rand_r(seed) % 4 ? rand_r(seed) % (3 * PAGE) + 1 : rand_r(seed) % PMD + 1;
	*off = rand_r(seed) % SIZE;
	if (rand_r(seed) % 2)
		*off -= *off % PAGE;
	if (*off + *len > size)
		*len = *off < size ? size - *off : 0;
}

TEST_F(peers, random_operations)
{
	uint8_t *copy = calloc(1, SIZE), *buf = malloc(SIZE), *p;
	unsigned int seed = 1;
	off_t size = SIZE, off;
	int i, op;
	size_t len;

	for (i = 0; i < 3000; i++) {
		op = rand_r(&seed) % 13;
		p = rand_r(&seed) % 2 ? self->p : self->odd;
		random_range(&seed, op < 2 ? SIZE : size, &off, &len);
		switch (op) {
		case 0:
		case 1:
			fill_pattern(copy + off, len, i, off);
			ASSERT_EQ(len, pwrite(self->fd, copy + off, len, off));
			size = off + len > size ? off + len : size;
			break;
		case 2:
		case 3:
			fill_pattern(copy + off, len, i, off);
			memcpy(p + off, copy + off, len);
			break;
		case 4:
			ASSERT_EQ(len, pread(self->fd, buf, len, off));
			ASSERT_EQ(0, memcmp(buf, copy + off, len));
			break;
		case 5:
		case 6:
			ASSERT_EQ(0, memcmp(p + off, copy + off, len));
			break;
		case 7:
			size = rand_r(&seed) % 4 ? SIZE - rand_r(&seed) % PMD : off;
			memset(copy + size, 0, SIZE - size);
			ASSERT_EQ(0, ftruncate(self->fd, size));
			break;
		case 8:
		case 9:
			if (!len)
				break;
			memset(copy + off, 0, len);
			ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_KEEP_SIZE |
					       (op == 8 ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE),
					       off, len));
			break;
		case 10:
			off -= off % PAGE;
			len = PMD;
			if (off + len >= size)
				break;
			memmove(copy + off, copy + off + len, size - off - len);
			memset(copy + size - len, 0, len);
			ASSERT_EQ(0, fallocate(self->fd, FALLOC_FL_COLLAPSE_RANGE, off, len));
			size -= len;
			break;
		case 11:
			ASSERT_EQ(0, msync(p + off - off % PAGE, len, MS_SYNC));
			break;
		case 12:
			madvise(p + off - off % PAGE, len, MADV_DONTNEED);
			break;
		}
	}
	ASSERT_EQ(0, memcmp(self->p, copy, size));
	mount_again(variant->dev, variant->fs, "dax=always");
	self->fd = open_at(DIR, "f", 0);
	ASSERT_EQ(size, pread(self->fd, buf, SIZE, 0));
	EXPECT_EQ(0, memcmp(buf, copy, size));
}

/* --- Blocks that go while they are in use --- */

static uint8_t *maps[2];
static int file, ones;

static unsigned int some(unsigned int *seed)
{
	return rand_r(seed) % (SIZE / PAGE) * PAGE;
}

/* The kernel stores: EFAULT beyond the end. */
static void *store(void *arg)
{
	/* two threads do this */
	unsigned int seed = (uintptr_t)&seed;

	while (!race_over)
		if (pread(ones, maps[rand_r(&seed) % 2] + some(&seed), 1, 0) != 1 && errno != EFAULT)
			err(1, "store");
	return NULL;
}

static void *load(void *arg)
{
	static uint8_t buf[PMD];
	unsigned int seed = 2;

	while (!race_over) {
		if (pwrite(ones, maps[rand_r(&seed) % 2] + some(&seed), 1, 1) != 1 &&
		    errno != EFAULT)
			err(1, "load");
		if (pread(file, buf, sizeof(buf), some(&seed)) < 0)
			err(1, "read");
	}
	return NULL;
}

static void *cut(void *arg)
{
	unsigned int seed = 3;

	while (!race_over) {
		if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, some(&seed),
			      rand_r(&seed) % PMD + 1))
			err(1, "fallocate");
		if (ftruncate(file, rand_r(&seed) % 4 ? SIZE : some(&seed)))
			err(1, "ftruncate");
	}
	return NULL;
}

static void *forget(void *arg)
{
	unsigned int seed = 4;

	while (!race_over) {
		if (madvise(maps[0] + some(&seed) % (SIZE / 2), SIZE / 2, MADV_DONTNEED) ||
		    madvise(maps[1], SIZE, MADV_DONTNEED))
			err(1, "madvise");
		if (!(rand_r(&seed) % 8) && fdatasync(file))
			err(1, "fdatasync");
	}
	return NULL;
}

TEST_F(peers, race)
{
	static void *(*const racers[])(void *) = { store, store, load, cut, forget };
	size_t i;

	maps[0] = self->p;
	maps[1] = self->odd;
	file = self->fd;
	ones = memfd_create("ones", 0);
	ASSERT_EQ(1, pwrite(ones, "\1", 1, 0));
	race(racers, ARRAY_SIZE(racers), 5000, NULL);
	ASSERT_EQ(0, ftruncate(self->fd, SIZE));
	for (i = 0; i < SIZE && self->p[i] == (i % PAGE ? 0 : self->p[i] & 1); i++)
		;
	EXPECT_EQ(SIZE, i);
	EXPECT_EQ(0, memcmp(self->p, self->odd, SIZE));
}

/* A page that the kernel uses is not given back. */
TEST_F(peers, pinned_page)
{
	uint8_t page[PAGE];
	int i, pipes[2];
	pid_t pid;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, ftruncate(self->fd, SIZE));
		ASSERT_TRUE(write_pattern(self->fd, SIZE, i, 0));
		ASSERT_EQ(0, pin(pipes, (i & 1 ? self->odd : self->p) + PMD + PAGE));
		pid = child_start();
		if (!pid)
			_exit(i & 2 ? ftruncate(self->fd, 0) :
			      fallocate(self->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					PMD, PMD));
		EXPECT_FALSE(child_ends(pid, 1));
		unpin(pipes, page);
		EXPECT_EQ(-1, check_pattern(page, PAGE, i, PMD + PAGE));
		EXPECT_TRUE(child_ends(pid, 20));
		EXPECT_EQ(0, child_wait(pid));
	}
}

/* --- Files that are memory, and files that are not --- */

static struct fsxattr attr_of(int fd)
{
	struct fsxattr attr;

	if (ioctl(fd, FS_IOC_FSGETXATTR, &attr))
		err(1, "FS_IOC_FSGETXATTR");
	return attr;
}

static bool flag(int fd)
{
	return attr_of(fd).fsx_xflags & FS_XFLAG_DAX;
}

static int set_flag(int fd, bool on)
{
	struct fsxattr attr = attr_of(fd);

	attr.fsx_xflags = on ? attr.fsx_xflags | FS_XFLAG_DAX : attr.fsx_xflags & ~FS_XFLAG_DAX;
	return ioctl(fd, FS_IOC_FSSETXATTR, &attr);
}

/* It takes effect when the inode is read again, and the content is the same. */
TEST_F(peers, flag_of_a_file)
{
	int i, fd;

	mount_again(variant->dev, variant->fs, "dax=inode");
	unlink(DIR "/a");
	for (i = 0; i < 4; i++) {
		fd = open_at(DIR, "a", 0);
		EXPECT_EQ(i & 1, is_dax(fd));
		if (i)
			EXPECT_TRUE(has_pattern(fd, PMD, i - 1, 0));
		ASSERT_EQ(0, set_flag(fd, !(i & 1)));
		EXPECT_EQ(!(i & 1), flag(fd));
		EXPECT_EQ(i & 1, is_dax(fd));
		ASSERT_TRUE(write_pattern(fd, PMD, i, 0));
		close(fd);
		drop_caches();
	}
	fd = open_at(DIR, "a", 0);
	EXPECT_FALSE(is_dax(fd));
	ASSERT_EQ(0, set_flag(fd, true));
	mount_again(variant->dev, variant->fs, "dax=never");
	EXPECT_FALSE(is_dax(open_at(DIR, "a", 0)));
	mount_again(variant->dev, variant->fs, "dax=always");
	fd = open_at(DIR, "a", 0);
	EXPECT_TRUE(is_dax(fd));
	ASSERT_EQ(0, set_flag(fd, false));
	close(fd);
	drop_caches();
	EXPECT_TRUE(is_dax(open_at(DIR, "a", 0)));
	unlink(DIR "/a");
}

/* What is made in a directory is as the directory is then. */
TEST_F(peers, flag_of_a_directory)
{
	int fd;

	mount_again(variant->dev, variant->fs, "dax=inode");
	ASSERT_EQ(0, mkdir(DIR "/d", 0755));
	ASSERT_EQ(0, mkdir(DIR "/d/before", 0755));
	fd = open(DIR "/d", O_RDONLY);
	ASSERT_EQ(0, set_flag(fd, true));
	ASSERT_EQ(0, mkdir(DIR "/d/in", 0755));
	EXPECT_FALSE(is_dax(open_at(DIR, "d/before/a", 0)));
	EXPECT_TRUE(is_dax(open_at(DIR, "d/in/a", 0)));
	EXPECT_TRUE(is_dax(open_at(DIR, "d/a", 0)));
	close(open_at(DIR, "b", 0));
	ASSERT_EQ(0, rename(DIR "/b", DIR "/d/b"));
	ASSERT_EQ(0, set_flag(fd, false));
	let_go(DIR);
	drop_caches();
	EXPECT_FALSE(is_dax(open_at(DIR, "d/b", 0)));
	EXPECT_FALSE(is_dax(open_at(DIR, "d/c", 0)));
	EXPECT_TRUE(is_dax(open_at(DIR, "d/a", 0)));
	EXPECT_TRUE(is_dax(open_at(DIR, "d/in/c", 0)));
	let_go(DIR);
	EXPECT_EQ(0, child_wait(child_shell("rm -r \"$1\"", DIR "/d")));
}

TEST_HARNESS_MAIN
