// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of files that devices keep: buffers that are registered with io_uring have
 * long-term pins, which outlive mappings and descriptors.
 */
#include <err.h>
#include <liburing.h>
#include <sys/mount.h>

#include "raw.h"
#include "test.h"

#define SIZE (4 * MB)
/* g shares memory with f, so they cannot be open at the same time */
#define FILES "file f 644 4M simple 0:16M:4M\nfile g 644 2M simple 0:18M:2M\n"

FIXTURE(pin)
{
	struct server s;
	struct io_uring ring;
	int fd;
	int tmp;	/* of another file system */
	uint8_t *p;
};

FIXTURE_VARIANT(pin)
{
	const char *dev;
	const char *layout;
	int skew;	/* of the mapping, in pages: 1, and it has no PMDs */
};

FIXTURE_VARIANT_ADD(pin, pmds) {
	DAX_SMALL, "dev 0 $small\n" FILES, 0
};

FIXTURE_VARIANT_ADD(pin, pages) {
	DAX_SMALL, "dev 0 $small\n" FILES, 1
};

FIXTURE_VARIANT_ADD(pin, pmem) {
	DAX_PMEM, "dev 0 $pmem\n" FILES, 0
};

FIXTURE_VARIANT_ADD(pin, interleaved) {
	DAX_TWO, "dev 0 $two\nfile f 644 4M interleave 2M 4M 0:16M:2M 0:144M:2M\n"
		 "file g 644 2M simple 0:144M:2M\n", 0
};

FIXTURE_SETUP(pin)
{
	BEGIN(variant->dev);
	server_start_f(&self->s, variant->layout);
	self->fd = self->s.fd;
	self->p = map_rw(self->fd, SIZE, variant->skew * PAGE);
	fill_pattern(self->p, SIZE, 1, 0);
	self->tmp = memfd_create("tmp", 0);
	ASSERT_LE(0, self->tmp);
	ASSERT_EQ(0, ftruncate(self->tmp, SIZE));
	ASSERT_EQ(0, io_uring_queue_init(4, &self->ring, 0));
}

FIXTURE_TEARDOWN(pin)
{
	io_uring_queue_exit(&self->ring);
	EXPECT_EQ(0, server_stop_unpinned(&self->s));
	END();
}

static int pin_buffer(struct io_uring *ring, void *p, size_t len)
{
	struct iovec iov = { p, len };

	return io_uring_register_buffers(ring, &iov, 1);
}

/*
 * Let the kernel copy between the registered buffer, at @p, and as much of @fd,
 * whether @p is still mapped or not. Return: bytes or -errno.
 */
static int transfer(struct io_uring *ring, bool to_fd, int fd, void *p, size_t len,
		    off_t off)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct io_uring_cqe *cqe;
	int ret;

	if (to_fd)
		io_uring_prep_write_fixed(sqe, fd, p, len, off, 0);
	else
		io_uring_prep_read_fixed(sqe, fd, p, len, off, 0);
	ret = io_uring_submit_and_wait(ring, 1);
	if (ret != 1)
		return ret < 0 ? ret : -EIO;
	ret = io_uring_wait_cqe(ring, &cqe);
	if (ret)
		return ret;
	ret = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return ret;
}

/* The buffer covers the whole file. Transfers work in both directions. */
static void buffer_works(struct __test_metadata *_metadata, FIXTURE_DATA(pin) *self,
			 unsigned int has, unsigned int gets)
{
	ASSERT_EQ(SIZE, transfer(&self->ring, true, self->tmp, self->p, SIZE, 0));
	EXPECT_TRUE(has_pattern(self->tmp, SIZE, has, 0));
	ASSERT_TRUE(write_pattern(self->tmp, SIZE, gets, 0));
	ASSERT_EQ(SIZE, transfer(&self->ring, false, self->tmp, self->p, SIZE, 0));
}

/* The file is neither mapped nor open any more. */
static void let_it_go(FIXTURE_DATA(pin) *self)
{
	munmap(self->p, SIZE);
	close(self->fd);
}

/* A counter of /proc/vmstat. */
static long vmstat(const char *name)
{
	char found[64];
	long value;
	FILE *f;

	/* or some of it is still with the CPUs */
	write_text("/proc/sys/vm/stat_refresh", "1");
	f = fopen("/proc/vmstat", "r");
	while (f && fscanf(f, "%63s %ld", found, &value) == 2)
		if (!strcmp(found, name)) {
			fclose(f);
			return value;
		}
	errx(1, "/proc/vmstat has no %s", name);
}

TEST_F(pin, transfers)
{
	uint8_t *q = map_rw(self->fd, SIZE, PAGE);

	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	buffer_works(_metadata, self, 1, 2);
	EXPECT_EQ(-1, check_pattern(q, SIZE, 2, 0));
	/* what is stored through any mapping afterwards is in the buffer */
	fill_pattern(q, SIZE, 3, 0);
	buffer_works(_metadata, self, 3, 4);
	EXPECT_TRUE(has_pattern(self->fd, SIZE, 4, 0));
	/* and from one file to the same, and to others of this file system */
	EXPECT_EQ(MB, transfer(&self->ring, true, self->fd, self->p + MB, MB, 3 * MB));
	EXPECT_EQ(0, memcmp(q + MB, q + 3 * MB, MB));
}

/* The first pin takes the slow path of GUP, the later ones the fast path. */
TEST_F(pin, counted)
{
	long acquired, released;
	int i;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pin_buffer(&self->ring, self->p + i * PAGE, SIZE - MB));
		ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	}
	acquired = vmstat("nr_foll_pin_acquired");
	released = vmstat("nr_foll_pin_released");
	EXPECT_EQ(acquired, released);
	EXPECT_LE(1, acquired);
}

TEST_F(pin, rights)
{
	int fd = server_must_open(&self->s, "f", O_RDONLY);
	void *p = map_file(fd, SIZE, PROT_READ, MAP_SHARED);

	/* a registered buffer is one that may be written */
	EXPECT_EQ(-EFAULT, pin_buffer(&self->ring, p, SIZE));
	munmap(p, SIZE);
	p = map_file(self->fd, SIZE, PROT_READ, MAP_SHARED);
	EXPECT_EQ(-EFAULT, pin_buffer(&self->ring, p, SIZE));
	munmap(p, SIZE);
}

/* Pinned pages of a private mapping are copies, and do not keep the file. */
TEST_F(pin, private_mapping)
{
	uint8_t *p = map_file(self->fd, MB, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	EXPECT_EQ(1, p[0] == pattern(1, 0));
	ASSERT_EQ(0, pin_buffer(&self->ring, p, MB));
	ASSERT_TRUE(write_pattern(self->tmp, MB, 2, 0));
	ASSERT_EQ(MB, transfer(&self->ring, false, self->tmp, p, MB, 0));
	EXPECT_EQ(-1, check_pattern(p, MB, 2, 0));
	EXPECT_EQ(-1, check_pattern(self->p, SIZE, 1, 0));
	munmap(p, MB);
	let_it_go(self);
	EXPECT_STREQ("", kept(self->s.mnt));
}

/* A child's pages are those of the parent, whoever writes first. */
TEST_F(pin, fork)
{
	pid_t pid;

	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	pid = child_start();
	if (!pid) {
		fill_pattern(self->p, SIZE, 2, 0);
		_exit(0);
	}
	ASSERT_EQ(0, child_wait(pid));
	buffer_works(_metadata, self, 2, 3);
	EXPECT_EQ(-1, check_pattern(self->p, SIZE, 3, 0));
}

/* Pins keep the inode and the mount, without a mapping or a descriptor. */
TEST_F(pin, outlive_the_descriptor)
{
	int fd;

	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	let_it_go(self);
	EXPECT_STREQ("/f\n", kept(self->s.mnt));
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	write_text("/proc/sys/vm/drop_caches", "3");
	buffer_works(_metadata, self, 1, 2);

	/* opened and closed again, the pins are still seen */
	fd = server_must_open(&self->s, "f", O_RDWR);
	EXPECT_TRUE(has_pattern(fd, SIZE, 2, 0));
	close(fd);
	usleep(2500000);
	EXPECT_STREQ("/f\n", kept(self->s.mnt));
	buffer_works(_metadata, self, 2, 3);
	EXPECT_EQ(-EBUSY, server_stop(&self->s));

	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	EXPECT_EQ(0, server_stop_unpinned(&self->s));
	server_start_f(&self->s, variant->layout);
	EXPECT_TRUE(has_pattern(self->s.fd, SIZE, 3, 0));
}

/* The same for pins of a part: where they are does not matter. */
TEST_F(pin, one_page)
{
	static const off_t offs[] = { 0, MB + 4096, SIZE - 4096 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(offs); i++) {
		self->fd = server_must_open(&self->s, "f", O_RDWR);
		self->p = map_rw(self->fd, SIZE, variant->skew * PAGE);
		ASSERT_EQ(0, pin_buffer(&self->ring, self->p + offs[i], 1));
		let_it_go(self);
		let_go(self->s.mnt);
		EXPECT_EQ(-EBUSY, server_stop(&self->s));
		ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
		EXPECT_EQ(0, server_stop_unpinned(&self->s));
		server_start_f(&self->s, variant->layout);
	}
}

/* The memory is not given to another file. */
TEST_F(pin, other_file)
{
	int fd;

	ASSERT_EQ(0, pin_buffer(&self->ring, self->p + SIZE - PAGE, PAGE));
	let_it_go(self);
	let_go(self->s.mnt);
	EXPECT_EQ(-EBUSY, server_open(&self->s, "g", O_RDWR));
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	fd = open_unpinned(strf("%s/g", self->s.mnt));
	ASSERT_LE(0, fd);
	EXPECT_TRUE(rw_works(fd, MB));
}

/* Nor does the file get another map. */
TEST_F(pin, stale_map)
{
	char layout[256];
	struct statx st;
	int fd;

	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	snprintf(layout, sizeof(layout), "%s", variant->layout);
	memcpy(strstr(layout, "4M"), "2M", 2);
	server_reload(&self->s, layout);
	/* asks the server for the size */
	EXPECT_EQ(0, statx(self->fd, "", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, STATX_SIZE, &st));
	EXPECT_EQ(2 * MB, st.stx_size);
	EXPECT_EQ(-EBUSY, server_open(&self->s, "f", O_RDWR));
	EXPECT_FALSE(try_read(self->p, NULL));
	buffer_works(_metadata, self, 1, 2);
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	fd = open_unpinned(strf("%s/f", self->s.mnt));
	ASSERT_LE(0, fd);
	EXPECT_TRUE(has_pattern(fd, 2 * MB, 2, 0));
}

/* A server of the raw protocol, which has f and g as files 0 and 1. */
static void start_raw(struct raw *r, const char *dev)
{
	raw_init(r);
	raw_set_dev(r, 0, strf("/dev/%s", dev));
	raw_set_file(r, 0, 0, 16 * MB, SIZE);
	raw_set_file(r, 1, 0, 18 * MB, 2 * MB);
	raw_start(r, NULL);
}

/* The same if the server retires the map: the next open would get another one. */
TEST_F(pin, retired_map)
{
	struct raw r;
	char byte;
	int fd;

	let_it_go(self);
	ASSERT_EQ(0, server_stop(&self->s));
	start_raw(&r, variant->dev);
	self->fd = raw_must_open(&r, 0, O_RDWR);
	self->p = map_rw(self->fd, SIZE, variant->skew * PAGE);
	fill_pattern(self->p, SIZE, 1, 0);
	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	raw_set_file(&r, 0, 0, 24 * MB, SIZE);
	EXPECT_EQ(0, raw_inval_inode(&r, 0, 0, 0));
	EXPECT_FALSE(try_read(self->p, NULL));
	EXPECT_ERRNO(EIO, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(-EBUSY, raw_try_open(&r, 0, O_RDWR));
	EXPECT_EQ(-EBUSY, raw_try_open(&r, 1, O_RDWR));
	buffer_works(_metadata, self, 1, 2);
	let_it_go(self);
	EXPECT_EQ(-EBUSY, raw_try_open(&r, 1, O_RDWR));
	EXPECT_STREQ("/f0\n", kept(r.mnt));
	EXPECT_ERRNO(EBUSY, umount2(r.mnt, 0));
	buffer_works(_metadata, self, 2, 3);

	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	EXPECT_TRUE(let_loose(r.mnt));
	fd = raw_must_open(&r, 0, O_RDWR);
	EXPECT_FALSE(has_pattern(fd, SIZE, 3, 0));
	fd = raw_must_open(&r, 1, O_RDWR);
	EXPECT_TRUE(rw_works(fd, MB));
	EXPECT_EQ(0, raw_stop(&r));
}

/* Memory is never taken from under a pin. */
TEST_F(pin, unbind)
{
	pid_t pid;

	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	/* a device cannot be deleted without that */
	if (variant->dev != DAX_PMEM)
		EXPECT_EQ(-EBUSY, write_text(strf("/sys/bus/dax/devices/%s/../dax_region/delete",
						  variant->dev), variant->dev));
	pid = child_unbinds(variant->dev);
	EXPECT_FALSE(child_ends(pid, 2));
	EXPECT_EQ(1, log_lines("waiting for pages of inode"));
	EXPECT_FALSE(try_read(self->p, NULL));
	buffer_works(_metadata, self, 1, 2);
	let_it_go(self);
	EXPECT_FALSE(child_ends(pid, 2));
	buffer_works(_metadata, self, 2, 3);
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	EXPECT_EQ(0, child_within(pid, 20));
}

/* The wait can be given up, and taken up again. */
TEST_F(pin, unbind_is_killed)
{
	pid_t pid;
	int i;

	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	for (i = 0; i < 3; i++) {
		pid = child_unbinds(variant->dev);
		EXPECT_FALSE(child_ends(pid, 1));
		kill(pid, SIGKILL);
		EXPECT_EQ(256 + SIGKILL, child_within(pid, 5));
		EXPECT_EQ(DAX_FAMFS, dax_get_mode(variant->dev));
		EXPECT_FALSE(try_read(self->p, NULL));
		buffer_works(_metadata, self, 1 + i, 2 + i);
	}
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	pid = child_unbinds(variant->dev);
	EXPECT_FALSE(child_ends(pid, 1));
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	EXPECT_EQ(0, child_within(pid, 20));
	EXPECT_EQ(DAX_DISABLED, dax_get_mode(variant->dev));
}

/* A file system that is mounted nowhere keeps its device until the pins end. */
TEST_F(pin, lazy_unmount)
{
	char byte;
	int fd;

	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	let_it_go(self);
	let_go(self->s.mnt);
	ASSERT_EQ(0, umount2(self->s.mnt, MNT_DETACH));
	fd = dax_open(variant->dev, O_RDWR);
	EXPECT_ERRNO(EBUSY, read(fd, &byte, 1));
	buffer_works(_metadata, self, 1, 2);
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	EXPECT_TRUE(dax_gets_free(fd));
	close(fd);
	EXPECT_EQ(0, child_within(self->s.pid, 20));
	self->s.pid = 0;
	server_start_f(&self->s, variant->layout);
	EXPECT_TRUE(has_pattern(self->s.fd, SIZE, 2, 0));
}

/* Neither server nor connection is needed for what is pinned. */
TEST_F(pin, server_dies)
{
	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	let_it_go(self);
	server_kill(&self->s);
	buffer_works(_metadata, self, 1, 2);
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	buffer_works(_metadata, self, 2, 3);
}

/* The pins of a process that is killed end. */
TEST_F(pin, owner_dies)
{
	pid_t pid = child_start();
	double end = seconds() + 60;

	if (!pid) {
		struct io_uring ring;

		if (io_uring_queue_init(4, &ring, 0) ||
		    pin_buffer(&ring, self->p, SIZE))
			_exit(1);
		let_go(self->s.mnt);
		write_text("/tmp/pinned", "");
		pause();
	}
	while (access("/tmp/pinned", F_OK) && seconds() < end)
		usleep(10000);
	unlink("/tmp/pinned");
	let_it_go(self);
	let_go(self->s.mnt);
	EXPECT_EQ(-EBUSY, server_stop(&self->s));
	child_kill(pid);
	EXPECT_EQ(0, server_stop_unpinned(&self->s));
}

/* A page that fails while it is pinned stays failed afterwards. */
TEST_F(pin, memory_failure)
{
	struct fault f;
	char byte;

	if (!can_poison())
		SKIP(return, "no injection of memory failure");
	ASSERT_EQ(0, pin_buffer(&self->ring, self->p, SIZE));
	/* it is reported to those who have it mapped, and in the log */
	note_faults(&f);
	ASSERT_EQ(0, dax_poison(variant->dev, 16 * MB));
	EXPECT_EQ(SIGBUS, f.signo);
	EXPECT_EQ(self->p, f.addr);
	EXPECT_EQ(1, log_lines("memory has failed"));
	munmap(self->p, SIZE);
	EXPECT_ERRNO(EIO, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(1, pread(self->fd, &byte, 1, PAGE));
	ASSERT_EQ(0, io_uring_unregister_buffers(&self->ring));
	EXPECT_ERRNO(EIO, pread(self->fd, &byte, 1, 0));
	EXPECT_EQ(1, pread(self->fd, &byte, 1, PAGE));
	let_it_go(self);
	EXPECT_EQ(0, server_stop_unpinned(&self->s));
	ASSERT_EQ(0, dax_rebind(variant->dev));
	server_start_f(&self->s, variant->layout);
	EXPECT_TRUE(rw_works(self->s.fd, 0));
}

/* Pins that come and go while others open, map and close the file. */
static const char *race_path;
static const struct raw *race_server;

static void *race_pins(void *arg)
{
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, 0))
		return "io_uring_queue_init";
	while (!race_over) {
		int fd = open(race_path, O_RDWR);
		bool pinned;
		void *p;

		if (fd < 0)
			continue;
		/* map_rw() chooses an address that another thread may take */
		p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		pinned = !pin_buffer(&ring, p + MB, MB);
		munmap(p, SIZE);
		close(fd);
		if (pinned)
			io_uring_unregister_buffers(&ring);
	}
	io_uring_queue_exit(&ring);
	return NULL;
}

static void *race_opens(void *arg)
{
	while (!race_over) {
		int fd = open(race_path, O_RDWR);
		uint8_t *p;

		if (fd < 0)
			continue;
		p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		try_write(p + MB, NULL);
		munmap(p, SIZE);
		close(fd);
	}
	return NULL;
}

static void *race_retires(void *arg)
{
	while (!race_over) {
		raw_inval_inode(race_server, 0, 0, 0);
		usleep(2000);
	}
	return NULL;
}

/*
 * The last racer retires the map while its pages are being pinned and others open the
 * file.
 */
TEST_F(pin, race)
{
	void *(*const racers[])(void *arg) = {
		race_pins, race_pins, race_opens, race_retires
	};
	struct raw r;
	int fd;

	let_it_go(self);
	ASSERT_EQ(0, server_stop(&self->s));
	start_raw(&r, variant->dev);
	race_server = &r;
	race_path = strdup(raw_path(&r, 0));
	race(racers, 3, 3000, NULL);
	race(racers, 4, 3000, NULL);
	fd = open_unpinned(race_path);
	ASSERT_LE(0, fd);
	EXPECT_TRUE(rw_works(fd, MB));
	close(fd);
	race(racers, 3, 2000, variant->dev);
	EXPECT_TRUE(let_loose(r.mnt));
	EXPECT_EQ(0, raw_stop(&r));
}

/* A mapping of 1 GiB, of folios that are made as needed and in advance. */
TEST(giant)
{
	static const char layout[] = "dev 0 $big\nfile f 644 1G simple 0:0:1G\n";
	struct io_uring ring;
	struct server s;
	uint8_t *p;
	int i, tmp;

	BEGIN(DAX_BIG);
	if (not_giant(DAX_BIG))
		SKIP(return, "%s", not_giant(DAX_BIG));
	tmp = memfd_create("tmp", 0);
	ASSERT_EQ(0, io_uring_queue_init(4, &ring, 0));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, dax_set_folios(DAX_BIG, i ? GB : PAGE));
		server_start_f(&s, layout);
		p = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, s.fd, 0, GB, 0);
		fill_pattern(p + 512 * MB, MB, i, 0);
		ASSERT_EQ(0, pin_buffer(&ring, p, GB));
		munmap(p, GB);
		close(s.fd);
		EXPECT_EQ(-EBUSY, server_stop(&s));
		ASSERT_EQ(MB, transfer(&ring, true, tmp, p + 512 * MB, MB, 0));
		EXPECT_TRUE(has_pattern(tmp, MB, i, 0));
		ASSERT_TRUE(write_pattern(tmp, MB, i + 2, 512 * MB));
		ASSERT_EQ(MB, transfer(&ring, false, tmp, p + 512 * MB, MB, 512 * MB));
		ASSERT_EQ(0, io_uring_unregister_buffers(&ring));
		s.fd = server_must_open(&s, "f", O_RDWR);
		EXPECT_TRUE(has_pattern(s.fd, MB, i + 2, 512 * MB));
		close(s.fd);
		EXPECT_EQ(0, server_stop_unpinned(&s));
	}
	io_uring_queue_exit(&ring);
	close(tmp);
	ASSERT_EQ(0, dax_set_folios(DAX_BIG, PAGE));
	END();
}

FAMFS_TEST_MAIN
