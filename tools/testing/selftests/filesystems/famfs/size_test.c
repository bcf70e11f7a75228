// SPDX-License-Identifier: GPL-2.0
/* The size of a file is fixed: who tries to change it, and what comes of that. */
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <linux/falloc.h>
#include <linux/fs.h>

#include "raw.h"
#include "test.h"

#define SIZE (8 * MB - 100)
#define OTHER_SIZE (2 * MB)
#define SEED 1

/* The file, a second one, one on the same memory as the first, one for later. */
enum { FILE_0, OTHER, SAME, LATE };

FIXTURE(size)
{
	struct raw r;
	int fd, other;
	uint8_t *p;
	uint64_t changes;
};

FIXTURE_VARIANT(size)
{
	uint64_t init_flags;
};

FIXTURE_VARIANT_ADD(size, plain) { };
FIXTURE_VARIANT_ADD(size, atomic_o_trunc) { .init_flags = FUSE_ATOMIC_O_TRUNC };
/* a server that asks for what would make the kernel the owner of the size */
FIXTURE_VARIANT_ADD(size, all_caches) {
	.init_flags = FUSE_ATOMIC_O_TRUNC | FUSE_WRITEBACK_CACHE |
		      FUSE_AUTO_INVAL_DATA | FUSE_ASYNC_READ | FUSE_ASYNC_DIO |
		      FUSE_PASSTHROUGH | FUSE_DIRECT_IO_ALLOW_MMAP |
		      FUSE_HAS_INODE_DAX | FUSE_CACHE_SYMLINKS,
};
/* servers that say that they drop setuid bits, but see no write to do it */
FIXTURE_VARIANT_ADD(size, killpriv) { .init_flags = FUSE_HANDLE_KILLPRIV };
FIXTURE_VARIANT_ADD(size, killpriv_v2) { .init_flags = FUSE_HANDLE_KILLPRIV_V2 };

/* What arrives at the server of attempts to change a file. */
static uint64_t changes(const struct raw *r)
{
	return raw_count(r, FUSE_SETATTR) + raw_count(r, FUSE_OPEN) +
	       raw_count(r, FUSE_CREATE) + raw_count(r, FUSE_FALLOCATE) +
	       raw_count(r, FUSE_COPY_FILE_RANGE) +
	       raw_count(r, FUSE_COPY_FILE_RANGE_64) +
	       raw_count(r, FUSE_WRITE) + raw_count(r, FUSE_READ);
}

FIXTURE_SETUP(size)
{
	struct raw *r = &self->r;

	BEGIN(DAX_BIG);
	raw_init(r);
	r->s->init_flags |= variant->init_flags;
	r->s->attr_valid = 0;
	raw_set_dev(r, 0, DEV_BIG);
	raw_set_file(r, FILE_0, 0, 2 * MB, SIZE);
	raw_set_file(r, SAME, 0, 2 * MB, SIZE);
	raw_set_file(r, OTHER, 0, 64 * MB, OTHER_SIZE);
	raw_start(r, NULL);
	self->fd = raw_must_open(r, FILE_0, O_RDWR);
	self->other = raw_must_open(r, OTHER, O_RDWR);
	self->p = map_rw(self->fd, 8 * MB, 0);
	fill_pattern(self->p, SIZE, SEED, 0);
	self->changes = changes(r);
}

FIXTURE_TEARDOWN(size)
{
	EXPECT_EQ(0, raw_stop(&self->r));
	END();
}

/* The file is what it was: its size, content, mapping. */
static bool intact(FIXTURE_DATA(size) *self)
{
	struct stat st;

	return !fstat(self->fd, &st) && st.st_size == SIZE &&
	       try_read(self->p, NULL) && try_write(self->p + SIZE - 1, NULL) &&
	       check_pattern(self->p, SIZE, SEED, 0) < 0 &&
	       has_pattern(self->fd, 50, SEED, SIZE - 50);
}

/* ... and nobody has asked the server to change it, nor will. */
static bool unasked(FIXTURE_DATA(size) *self)
{
	return changes(&self->r) == self->changes && intact(self);
}

TEST_F(size, truncate)
{
	const off_t sizes[] = {
		0, 1, PAGE, SIZE - 1, SIZE, SIZE + 1, 8 * MB, GB,
	};
	static const int flags[] = {
		O_RDWR | O_TRUNC, O_WRONLY | O_TRUNC, O_RDONLY | O_TRUNC,
		O_RDWR | O_TRUNC | O_APPEND, O_RDWR | O_TRUNC | O_DIRECT,
		O_RDWR | O_TRUNC | O_CREAT,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		EXPECT_ERRNO(EPERM, ftruncate(self->fd, sizes[i]));
		EXPECT_ERRNO(EPERM, truncate(raw_path(&self->r, FILE_0), sizes[i]));
	}
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		EXPECT_EQ(-EPERM, raw_open(&self->r, FILE_0, flags[i]));
	/* a file whose map has not been fetched yet */
	EXPECT_EQ(-EPERM, raw_open(&self->r, SAME, O_RDWR | O_TRUNC));
	EXPECT_TRUE(unasked(self));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_FMAP));
}

TEST_F(size, fallocate)
{
	static const int modes[] = {
		0, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, FALLOC_FL_ZERO_RANGE,
		FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_UNSHARE_RANGE,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		EXPECT_ERRNO(EOPNOTSUPP, fallocate(self->fd, modes[i], 0, 2 * MB));
		EXPECT_ERRNO(EOPNOTSUPP, fallocate(self->fd, modes[i], 8 * MB, PAGE));
	}
	EXPECT_ERRNO(EOPNOTSUPP, madvise(self->p, PAGE, MADV_REMOVE));
	EXPECT_TRUE(unasked(self));
}

#define COPY(in, out, out_off) \
	copy_file_range(in, &(off_t){ 0 }, out, &(off_t){ out_off }, PAGE, 0)

TEST_F(size, copy_range)
{
	struct file_clone_range range = {
		.src_fd = self->other, .src_length = PAGE,
	};
	int mem = memfd_create("mem", MFD_CLOEXEC);

	ASSERT_EQ(0, ftruncate(mem, MB));
	EXPECT_ERRNO(EOPNOTSUPP, COPY(self->other, self->fd, 0));
	EXPECT_ERRNO(EOPNOTSUPP, COPY(self->fd, self->other, 0));
	EXPECT_ERRNO(EOPNOTSUPP, COPY(self->fd, self->fd, MB));
	EXPECT_ERRNO(EOPNOTSUPP, COPY(self->fd, self->fd, SIZE));
	/* between file systems nobody gets as far as that */
	EXPECT_ERRNO(EXDEV, COPY(mem, self->fd, 0));
	EXPECT_ERRNO(EXDEV, COPY(self->fd, mem, 0));
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, FICLONE, self->other));
	EXPECT_ERRNO(EOPNOTSUPP, ioctl(self->fd, FICLONERANGE, &range));
	EXPECT_TRUE(unasked(self));
}

TEST_F(size, write_at_the_end)
{
	static const off_t beyond[] = { SIZE, SIZE + 1, 8 * MB, GB, 1L << 60 };
	char buf[256];
	struct iovec iov[2] = { { buf, 70 }, { buf + 70, 70 } };
	size_t i;

	/* the tail of the last page is not part of the file, but it is there */
	memset(self->p + SIZE, 0x5a, 100);
	memset(buf, 0, sizeof(buf));
	fill_pattern(buf, 100, SEED, SIZE - 100);
	EXPECT_EQ(100, pwrite(self->fd, buf, 100, SIZE - 100));
	EXPECT_EQ(100, pwrite(self->fd, buf, 101, SIZE - 100));
	EXPECT_EQ(100, pwrite(self->fd, buf, 256, SIZE - 100));
	EXPECT_EQ(100, pwritev(self->fd, iov, 2, SIZE - 100));
	EXPECT_EQ(1, pwrite(self->fd, buf + 99, 2, SIZE - 1));
	for (i = 0; i < ARRAY_SIZE(beyond); i++) {
		EXPECT_ERRNO(ENOSPC, pwrite(self->fd, buf, 1, beyond[i]));
		EXPECT_EQ(0, pwrite(self->fd, buf, 0, beyond[i]));
		EXPECT_EQ(0, pread(self->fd, buf + 100, 1, beyond[i]));
	}
	/* who writes on and on gets there */
	ASSERT_EQ(SIZE - 100, lseek(self->fd, SIZE - 100, SEEK_SET));
	EXPECT_EQ(60, write(self->fd, buf, 60));
	EXPECT_EQ(40, write(self->fd, buf + 60, 60));
	EXPECT_ERRNO(ENOSPC, write(self->fd, buf, 60));
	EXPECT_EQ(0x5a, self->p[SIZE]);
	EXPECT_EQ(0x5a, self->p[SIZE + 99]);
	EXPECT_TRUE(intact(self));
}

TEST_F(size, append)
{
	struct iovec iov = { "x", 1 };
	int fd = raw_must_open(&self->r, FILE_0, O_RDWR | O_APPEND);

	EXPECT_ERRNO(ENOSPC, write(fd, "x", 1));
	EXPECT_ERRNO(ENOSPC, pwrite(fd, "x", 1, 0));
	EXPECT_EQ(0, write(fd, "x", 0));
	EXPECT_ERRNO(ENOSPC, pwritev2(self->fd, &iov, 1, 0, RWF_APPEND));
	EXPECT_TRUE(intact(self));
}

TEST_F(size, limit_of_the_process)
{
	struct rlimit old, lim;
	char buf[256];

	signal(SIGXFSZ, SIG_IGN);
	ASSERT_EQ(0, getrlimit(RLIMIT_FSIZE, &old));
	lim = old;
	lim.rlim_cur = MB;
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &lim));
	fill_pattern(buf, 256, SEED, MB - 100);
	EXPECT_EQ(100, pwrite(self->fd, buf, 100, MB - 100));
	EXPECT_EQ(100, pwrite(self->fd, buf, 256, MB - 100));
	EXPECT_ERRNO(EFBIG, pwrite(self->fd, buf, 1, MB));
	EXPECT_ERRNO(EFBIG, pwrite(self->fd, buf, 1, SIZE - 1));
	/* reading and mapping have no limit */
	EXPECT_EQ(1, pread(self->fd, buf, 1, SIZE - 1));
	EXPECT_TRUE(try_write(self->p + SIZE - 1, NULL));
	ASSERT_EQ(0, setrlimit(RLIMIT_FSIZE, &old));
	EXPECT_TRUE(intact(self));
}

/* Write a byte as a user who is nobody special. Return: 0 or errno. */
static int write_as_user(int fd)
{
	uint8_t byte = pattern(SEED, 5);
	pid_t pid = child_start();

	if (!pid) {
		if (setgid(1000) || setuid(1000))
			_exit(ECHILD);
		_exit(pwrite(fd, &byte, 1, 5) == 1 ? 0 : errno);
	}
	return child_wait(pid);
}

static mode_t mode_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_mode & 07777;
}

TEST_F(size, setuid_bit)
{
	uint8_t byte = pattern(SEED, 5);

	self->r.s->files[FILE_0].mode = S_IFREG | 06777;
	ASSERT_EQ(06777, mode_of(self->fd));
	/* root may keep it, and a store through a mapping is not noticed */
	EXPECT_EQ(1, pwrite(self->fd, &byte, 1, 5));
	self->p[5] = byte;
	EXPECT_EQ(06777, mode_of(self->fd));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_SETATTR));

	EXPECT_EQ(0, write_as_user(self->fd));
	EXPECT_EQ(0777, mode_of(self->fd));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_SETATTR));
	EXPECT_EQ(0, write_as_user(self->fd));
	EXPECT_EQ(1, raw_count(&self->r, FUSE_SETATTR));
	EXPECT_TRUE(intact(self));
}

/* Who must not wait is only refused where the server would be asked. */
TEST_F(size, nowait)
{
	uint8_t byte = pattern(SEED, 5);
	struct iovec iov = { &byte, 1 };

	EXPECT_EQ(1, preadv2(self->fd, &iov, 1, 5, RWF_NOWAIT));
	EXPECT_EQ(1, pwritev2(self->fd, &iov, 1, 5, RWF_NOWAIT));
	self->r.s->files[FILE_0].mode = S_IFREG | 06777;
	ASSERT_EQ(06777, mode_of(self->fd));
	EXPECT_EQ(1, preadv2(self->fd, &iov, 1, 5, RWF_NOWAIT));
	EXPECT_ERRNO(EAGAIN, pwritev2(self->fd, &iov, 1, 5, RWF_NOWAIT));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_SETATTR));
	EXPECT_TRUE(intact(self));
}

/* Times belong to the server, too. */
TEST_F(size, mtime_stays)
{
	uint8_t byte = pattern(SEED, 5);
	struct stat before, after;

	self->r.s->attr_valid = 3600;
	ASSERT_EQ(0, fstat(self->fd, &before));
	EXPECT_EQ(1000000000, before.st_mtime);
	EXPECT_EQ(1, pwrite(self->fd, &byte, 1, 5));
	EXPECT_TRUE(try_write(self->p, NULL));
	EXPECT_EQ(0, fsync(self->fd));
	ASSERT_EQ(0, fstat(self->fd, &after));
	EXPECT_EQ(0, memcmp(&before.st_mtim, &after.st_mtim, sizeof(before.st_mtim)));
	EXPECT_EQ(0, memcmp(&before.st_ctim, &after.st_ctim, sizeof(before.st_ctim)));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_SETATTR));
}

/* No access, in whatever way; and nobody else has noticed. */
static bool is_stale(FIXTURE_DATA(size) *self)
{
	struct fault rd, wr;
	char byte;

	return !try_read(self->p, &rd) && rd.code == BUS_ADRERR &&
	       !try_write(self->p + MB, &wr) && wr.code == BUS_ADRERR &&
	       pread(self->fd, &byte, 1, 0) < 0 && errno == EIO &&
	       pread(self->fd, &byte, 1, GB) < 0 && errno == EIO &&
	       pwrite(self->fd, &byte, 1, 0) < 0 && errno == EIO &&
	       pwrite(self->fd, &byte, 1, GB) < 0 && errno == EIO &&
	       fsync(self->fd) < 0 && errno == EIO &&
	       rw_works(self->other, MB);
}

TEST_F(size, server_says_another_size)
{
	const off_t sizes[] = {
		SIZE + 1, SIZE - 1, 8 * MB, SIZE - PAGE, PAGE, 1, 16 * MB,
	};
	struct stat st;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		self->r.s->files[FILE_0].size = sizes[i];
		/* until it has been heard of, nothing happens */
		EXPECT_TRUE(try_write(self->p, NULL));
		EXPECT_EQ(0, stat(raw_path(&self->r, FILE_0), &st));
		EXPECT_EQ(sizes[i], st.st_size);
		EXPECT_TRUE(is_stale(self))
			TH_LOG("size %jd", (intmax_t)sizes[i]);

		raw_set_file(&self->r, FILE_0, 0, 2 * MB, sizes[i]);
		ASSERT_EQ(0, raw_try_open(&self->r, FILE_0, O_RDONLY));
		/* those who have had it open go on */
		EXPECT_EQ(sizes[i], lseek(self->fd, 0, SEEK_END));
		EXPECT_EQ(pattern(SEED, 0), self->p[0]);
		EXPECT_TRUE(try_write(self->p + sizes[i] % (8 * MB) / 2, NULL));
		EXPECT_ERRNO(ENOSPC, pwrite(self->fd, "x", 1, sizes[i]));
	}
	EXPECT_EQ(2 + ARRAY_SIZE(sizes), raw_count(&self->r, FUSE_GET_FMAP));
}

/*
 * The reply to a chmod may be where the other size is heard of first. When it is
 * the old one again, only a fresh map heals the file.
 */
TEST_F(size, server_says_another_size_to_chmod)
{
	struct stat st;

	self->r.s->files[FILE_0].size = PAGE;
	EXPECT_EQ(0, fchmod(self->fd, 0600));
	EXPECT_TRUE(is_stale(self));
	self->r.s->files[FILE_0].size = SIZE;
	EXPECT_EQ(0, fstat(self->fd, &st));
	EXPECT_TRUE(is_stale(self));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_FMAP));
	ASSERT_EQ(0, raw_try_open(&self->r, FILE_0, O_RDONLY));
	EXPECT_EQ(3, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_TRUE(intact(self));
}

/* The attributes say one size and the map another: that of the map counts. */
TEST_F(size, map_says_another_size)
{
	static const off_t sizes[] = { MB, 3 * MB };
	struct stat st;
	char byte;
	size_t i;
	int fd;

	self->r.s->attr_valid = 3600;
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		raw_set_file(&self->r, LATE, 0, 128 * MB, 2 * MB);
		self->r.s->files[LATE].size = sizes[i];
		fd = raw_must_open(&self->r, LATE, O_RDWR);
		EXPECT_EQ(2 * MB, lseek(fd, 0, SEEK_END));
		EXPECT_EQ(1, pread(fd, &byte, 1, 2 * MB - 1));
		EXPECT_EQ(0, pread(fd, &byte, 1, 2 * MB));
		/* until the attributes are asked for again, which nothing delays */
		EXPECT_EQ(0, fstat(fd, &st));
		EXPECT_ERRNO(EIO, pread(fd, &byte, 1, 0));
		close(fd);
	}
}

/* The server says that the file is a directory: nothing works with the inode. */
TEST_F(size, server_says_another_type)
{
	struct stat st;
	uint8_t *q, byte;

	self->r.s->files[FILE_0].mode = S_IFDIR | 0755;
	EXPECT_ERRNO(EIO, fstat(self->fd, &st));
	self->r.s->files[FILE_0].mode = S_IFREG | 0644;
	EXPECT_ERRNO(EIO, pread(self->fd, &byte, 1, 0));
	EXPECT_ERRNO(EIO, pwrite(self->fd, &byte, 1, 0));
	EXPECT_ERRNO(EIO, fsync(self->fd));
	/* not by name, which would be looked up anew */
	EXPECT_ERRNO(EIO, open(strf("/proc/self/fd/%d", self->fd), O_RDWR));
	q = map_rw(self->fd, MB, 0);
	EXPECT_FALSE(try_read(q, NULL));
	EXPECT_FALSE(try_write(q, NULL));
	EXPECT_TRUE(rw_works(self->other, 0));
}

/* No fresh map can be had: the open fails, and the next one tries again. */
TEST_F(size, no_fresh_map)
{
	volatile struct raw_reply *reply = &self->r.s->files[FILE_0].fmap;
	struct stat st;

	self->r.s->files[FILE_0].size = 0;
	EXPECT_EQ(0, fstat(self->fd, &st));
	EXPECT_TRUE(is_stale(self));
	reply->error = ENOENT;
	EXPECT_EQ(-ENOENT, raw_open(&self->r, FILE_0, O_RDWR));
	EXPECT_TRUE(is_stale(self));
	reply->error = 0;
	reply->len--;
	EXPECT_EQ(-EINVAL, raw_open(&self->r, FILE_0, O_RDWR));
	EXPECT_TRUE(is_stale(self));
	/* onto the memory of another file */
	raw_set_file(&self->r, FILE_0, 0, 60 * MB, 8 * MB);
	EXPECT_EQ(-EBUSY, raw_open(&self->r, FILE_0, O_RDWR));
	EXPECT_TRUE(is_stale(self));

	raw_set_file(&self->r, FILE_0, 0, 2 * MB, SIZE);
	ASSERT_EQ(0, raw_try_open(&self->r, FILE_0, O_RDWR));
	EXPECT_TRUE(intact(self));
}

/* The fresh map may be of other memory: old mappings show that. */
TEST_F(size, fresh_map_elsewhere)
{
	struct stat st;
	int fd;

	self->r.s->files[FILE_0].size = 4 * MB;
	EXPECT_EQ(0, fstat(self->fd, &st));
	raw_set_file(&self->r, FILE_0, 0, 128 * MB, 4 * MB);
	fd = raw_must_open(&self->r, FILE_0, O_RDWR);
	fill_pattern(self->p, 4 * MB, SEED + 1, 0);
	EXPECT_FALSE(try_read(self->p + 4 * MB, NULL));
	close(fd);

	/* what the file was is free, and has kept its content */
	fd = raw_must_open(&self->r, SAME, O_RDWR);
	EXPECT_TRUE(rw_works(fd, MB));
	munmap(self->p, 8 * MB);
	self->p = map_file(fd, 8 * MB, PROT_READ, MAP_SHARED);
	EXPECT_EQ(-1, check_pattern(self->p, MB, SEED, 0));
	EXPECT_EQ(-1, check_pattern(self->p + MB + 4, SIZE - MB - 4, SEED, MB + 4));
}

/* With data, whichever they are, the map is retired: the next open fetches. */
TEST_F(size, notify_inval_inode)
{
	const struct {
		int64_t off, len;
	} ranges[] = {
		{ 0, 0 }, { 0, -1 }, { 0, PAGE }, { 2 * MB, 2 * MB },
		{ PAGE, 0 }, { SIZE, PAGE },
	};
	size_t i;

	/* these are the attributes alone, which unmaps nothing */
	touch_range(self->p, 0, SIZE, PAGE, false);
	EXPECT_EQ(0, raw_inval_inode(&self->r, FILE_0, -1, 0));
	/* otherwise one for each PMD */
	EXPECT_GT(4, touch_range(self->p, 0, SIZE, PAGE, false));
	EXPECT_TRUE(intact(self));
	EXPECT_EQ(0, raw_try_open(&self->r, FILE_0, O_RDWR));

	for (i = 0; i < ARRAY_SIZE(ranges); i++) {
		touch_range(self->p, 0, SIZE, PAGE, false);
		EXPECT_EQ(0, raw_inval_inode(&self->r, FILE_0, ranges[i].off, ranges[i].len));
		EXPECT_TRUE(is_stale(self))
			TH_LOG("offset %jd", (intmax_t)ranges[i].off);
		/* a map that is retired already */
		EXPECT_EQ(0, raw_inval_inode(&self->r, FILE_0, 0, 0));
		EXPECT_EQ(2 + i, raw_count(&self->r, FUSE_GET_FMAP));
		ASSERT_EQ(0, raw_try_open(&self->r, FILE_0, O_RDONLY));
		EXPECT_EQ(3 + i, raw_count(&self->r, FUSE_GET_FMAP));
		EXPECT_TRUE(intact(self));
	}
}

TEST_F(size, notify_store_and_retrieve)
{
	struct fuse_notify_retrieve_out get = {
		.notify_unique = 1,
		.nodeid = raw_node(&self->r, FILE_0),
		.size = PAGE,
	};
	struct {
		struct fuse_notify_store_out out;
		char data[4096];
	} store = {
		.out.nodeid = get.nodeid,
		.out.size = sizeof(store.data),
	};

	EXPECT_EQ(-EOPNOTSUPP, raw_notify(&self->r, FUSE_NOTIFY_STORE, &store, sizeof(store)));
	/* this one would make the file longer */
	store.out.offset = SIZE;
	EXPECT_EQ(-EOPNOTSUPP, raw_notify(&self->r, FUSE_NOTIFY_STORE, &store, sizeof(store)));
	EXPECT_EQ(-EOPNOTSUPP, raw_notify(&self->r, FUSE_NOTIFY_RETRIEVE, &get, sizeof(get)));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_NOTIFY_REPLY));
	EXPECT_TRUE(intact(self));
}

/* An open file outlives its name. */
TEST_F(size, notify_that_the_name_is_gone)
{
	const struct {
		struct fuse_notify_prune_out out;
		uint64_t node;
	} prune = { .out.count = 1, .node = raw_node(&self->r, FILE_0) };
	const struct {
		struct fuse_notify_inval_entry_out out;
		char name[3];
	} inval = { { .parent = FUSE_ROOT_ID, .namelen = 2 }, "f0" };
	const struct {
		struct fuse_notify_delete_out out;
		char name[3];
	} del = { { .parent = FUSE_ROOT_ID, .child = prune.node, .namelen = 2 }, "f0" };
	int fd;

	touch_range(self->p, 0, SIZE, PAGE, false);
	EXPECT_EQ(0, raw_notify(&self->r, FUSE_NOTIFY_PRUNE, &prune, sizeof(prune)));
	EXPECT_TRUE(intact(self));
	EXPECT_EQ(0, raw_notify(&self->r, FUSE_NOTIFY_INVAL_ENTRY, &inval,
				sizeof(inval.out) + sizeof(inval.name)));
	EXPECT_TRUE(intact(self));
	/* by name it is the same file, with the map that it has */
	fd = raw_must_open(&self->r, FILE_0, O_RDWR);
	EXPECT_EQ(0, raw_notify(&self->r, FUSE_NOTIFY_DELETE, &del,
				sizeof(del.out) + sizeof(del.name)));
	EXPECT_TRUE(intact(self));
	EXPECT_TRUE(rw_works(self->other, 0));
	close(fd);
	ASSERT_EQ(0, raw_try_open(&self->r, FILE_0, O_RDWR));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_TRUE(intact(self));
}

/* What the reply to an open says about caching is of no interest. */
TEST_F(size, flags_in_the_reply_to_open)
{
	static const uint32_t flags[] = {
		0, FOPEN_DIRECT_IO, FOPEN_KEEP_CACHE,
		FOPEN_PARALLEL_DIRECT_WRITES, FOPEN_PASSTHROUGH, FOPEN_NOFLUSH,
		FOPEN_CACHE_DIR, FOPEN_DIRECT_IO | FOPEN_PARALLEL_DIRECT_WRITES,
		FOPEN_DIRECT_IO | FOPEN_KEEP_CACHE | FOPEN_PASSTHROUGH |
		FOPEN_PARALLEL_DIRECT_WRITES | FOPEN_NOFLUSH,
	};
	int fds[ARRAY_SIZE(flags)];
	size_t i;

	/* open together: elsewhere, some of them exclude each other */
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		self->r.s->files[FILE_0].open_flags = flags[i];
		fds[i] = raw_must_open(&self->r, FILE_0, O_RDWR);
	}
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		uint8_t *q = map_rw(fds[i], SIZE, 0);
		uint8_t byte;

		self->p[i] = 100 + i;
		EXPECT_EQ(1, pread(fds[i], &byte, 1, i));
		EXPECT_EQ(100 + i, byte);
		byte = pattern(SEED, i);
		EXPECT_EQ(1, pwrite(fds[i], &byte, 1, i));
		EXPECT_EQ(byte, q[i]);
		EXPECT_ERRNO(ENOSPC, pwrite(fds[i], &byte, 1, SIZE));
		EXPECT_TRUE(is_dax(fds[i]));
	}
	EXPECT_EQ(0, raw_count(&self->r, FUSE_READ));
	EXPECT_EQ(0, raw_count(&self->r, FUSE_WRITE));
	EXPECT_EQ(2, raw_count(&self->r, FUSE_GET_FMAP));
	EXPECT_TRUE(intact(self));
}

FAMFS_TEST_MAIN
