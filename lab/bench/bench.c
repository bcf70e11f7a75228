// SPDX-License-Identifier: GPL-2.0
/*
 * Measures one file system, in nanoseconds per operation. With QEMU's -icount
 * the clock of the guest counts instructions, so that is what they are then.
 *
 *   bench mmap NAME FILE       2 MiB faults of a file that was never mapped
 *   bench giant NAME FILE      1 GiB at an address that allows to map it at once
 *   bench order NAME FILE      the same of a file of which 4 KiB were accessed before
 *   bench below NAME FILE      2 MiB faults of what has been mapped with 1 GiB
 *   bench small NAME FILE      4 KiB faults
 *   bench fresh NAME FILE      the same of a file that was never mapped
 *   bench rw NAME FILE         pread and pwrite
 *   bench open NAME FILE       open and close of a file whose map is cached
 *   bench upcall NAME FILE     the same, where the server is asked each time
 *   bench first NAME FILE...   open of files that were never opened
 *   bench stat DIR...          look up every file in the directories
 *   bench touch DIR...         open and close them, too
 *   bench bind NAME DEV DRIVER unbind a device and bind it again
 *   bench register NAME [FILE] register 2 MiB, of anonymous memory without FILE
 *   bench fill NAME FILE       make an entry for each 2 MiB, and print nothing
 *   bench unmount NAME DIR     unmount it
 *   bench delay NAME DIR       the same, to see how late interrupts are meanwhile
 *   bench threads NAME FILE FILE   re-faults of two threads or processes
 *   bench first-threads NAME FILE FILE   first faults, of files of 1792 and 512 MiB
 *
 * The files are 64 MiB or longer; all accesses are spread over the whole file.
 * Prints lines of "row, name, value", separated by tabs.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "server.h"
#include "util.h"

#define NR_PMD 32UL		/* 2 MiB faults of a pass */
#define SMALL (16 * MB)		/* mapped by the 4 KiB rows */

static const char *name;
/* counters of the server, if BENCH_STATS names its file */
static const volatile uint64_t *stats;
static uint64_t upcalls;

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static uint64_t now(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

/* What this thread has executed: for operations that also wait. */
static uint64_t executed(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

static uint64_t requests(void)
{
	return stats ? server_stats_sum(stats) : 0;
}

static void map_stats(const char *path)
{
	int fd;

	if (!path)
		return;
	fd = open(path, O_RDONLY);
	stats = mmap(NULL, SERVER_NR_STATS * sizeof(*stats), PROT_READ,
		     MAP_SHARED, fd, 0);
	if (stats == MAP_FAILED)
		err(1, "%s", path);
}

static void row(const char *what, uint64_t ns, uint64_t n)
{
	printf("%s\t%s\t%.1f\n", what, name, (double)ns / n);
	fflush(stdout);
}

static int open_file(const char *path, int flags, size_t *size)
{
	struct stat st;
	int fd = open(path, flags);

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	/* a character device has no size */
	*size = S_ISREG(st.st_mode) ? (size_t)st.st_size : 64 * MB;
	if (*size < 64 * MB)
		errx(1, "%s: less than 64 MiB", path);
	upcalls = requests();
	return fd;
}

static void close_file(int fd, const char *rows)
{
	if (stats)
		printf("upcalls: %s\t%s\t%" PRIu64 "\n", rows, name,
		       requests() - upcalls);
	close(fd);
}

/* Map from @off, at an address that is @skew above a multiple of 2 MiB. */
static volatile uint8_t *map(int fd, off_t off, size_t len, size_t skew)
{
	return map_at(len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, off, PMD, skew);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/*
 * Few operations make a row here, so that one that was interrupted by a timer
 * would be seen: those that took more than twice the median do not count.
 */
static void row_uninterrupted(const char *what, uint64_t *ns, unsigned int n)
{
	uint64_t sum = 0;
	unsigned int i;

	qsort(ns, n, sizeof(*ns), compare);
	for (i = 0; i < n && ns[i] <= 2 * ns[n / 2]; i++)
		sum += ns[i];
	row(what, sum, i);
}

/* What reading the clock adds to the time of one operation. */
static uint64_t clock_cost(void)
{
	uint64_t t, min = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < 100; i++) {
		t = now();
		t = now() - t;
		if (t < min)
			min = t;
	}
	return min;
}

static void fault_huge(volatile uint8_t *p, size_t step, bool write,
		       uint64_t *ns)
{
	uint64_t cost = clock_cost();
	unsigned int i;

	for (i = 0; i < NR_PMD; i++) {
		uint64_t t = now();

		if (write)
			*(volatile uint64_t *)(p + i * step) = i;
		else
			(void)*(volatile uint64_t *)(p + i * step);
		ns[i] = now() - t - cost;
	}
}

static void rows_mmap(const char *path)
{
	uint64_t ns[8 * NR_PMD];
	unsigned int pass;
	size_t size, step;
	volatile uint8_t *p;
	int fd = open_file(path, O_RDWR, &size);

	/* not so far apart that each needs a page table of its own */
	step = size / NR_PMD & ~(PMD - 1);
	if (step > 128 * MB)
		step = 128 * MB;
	p = map(fd, 0, size, 0);
	fault_huge(p, step, true, ns);
	row_uninterrupted("first write fault 2 MiB", ns, NR_PMD);

	for (pass = 0; pass < 8; pass++) {
		munmap((void *)p, size);
		p = map(fd, 0, size, 0);
		fault_huge(p, step, false, ns + pass * NR_PMD);
	}
	row_uninterrupted("read re-fault 2 MiB", ns, 8 * NR_PMD);
	munmap((void *)p, size);
	close_file(fd, "2 MiB faults");
}

/* One fault for 1 GiB, or many: all of them are counted. */
static void touch_giant(const char *what, int fd, bool write)
{
	volatile uint8_t *p = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, GB, 0);
	uint64_t t = now();
	size_t i;

	for (i = 0; i < GB; i += PMD) {
		if (write)
			p[i] = i;
		else
			(void)p[i];
	}
	row(what, now() - t, 1);
	munmap((void *)p, GB);
}

static void rows_giant(const char *path)
{
	size_t size;
	int fd = open_file(path, O_RDWR, &size);

	touch_giant("first write of 1 GiB", fd, true);
	touch_giant("read of 1 GiB again", fd, false);
	close_file(fd, "1 GiB faults");
}

/* The first access could decide how all others map the file. */
static void rows_order(const char *path)
{
	volatile uint8_t *p;
	size_t size;
	int fd = open_file(path, O_RDWR, &size);

	p = map(fd, 0, PMD, PAGE);
	(void)*p;
	munmap((void *)p, PMD);
	touch_giant("read of 1 GiB after one 4 KiB access", fd, false);
	touch_giant("read of 1 GiB after that", fd, false);
	close_file(fd, "1 GiB after 4 KiB");
}

/*
 * At an address that allows 2 MiB, but not 1 GiB. The first row has what a program
 * pays that reads a word of each 2 MiB, the second one all faults for them.
 */
static void rows_below(const char *path)
{
	static const char * const names[] = {
		"read re-fault 2 MiB of a 1 GiB entry",
		"read of 2 MiB of a 1 GiB entry every 64 KiB",
	};
	const size_t steps[] = { PMD, AROUND };
	size_t i, off, size;
	uint64_t ns[NR_PMD], cost = clock_cost(), t;
	volatile uint8_t *p;
	unsigned int k;
	int fd = open_file(path, O_RDWR, &size);

	for (k = 0; k < 2; k++) {
		p = map_at(NR_PMD * PMD, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, GB, PMD);
		for (i = 0; i < NR_PMD; i++) {
			t = now();
			for (off = 0; off < PMD; off += steps[k])
				(void)p[i * PMD + off];
			ns[i] = now() - t - cost;
		}
		row_uninterrupted(names[k], ns, NR_PMD);
		munmap((void *)p, NR_PMD * PMD);
	}
	close_file(fd, "2 MiB of 1 GiB");
}

/* With 2 MiB: where the file could be mapped with 1 GiB, the address does not allow it. */
static void fill(const char *path)
{
	volatile uint8_t *p;
	size_t off, size;
	int fd = open_file(path, O_RDWR, &size);

	p = map_at(size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, GB, PMD);
	for (off = 0; off < size; off += PMD)
		p[off] = 1;
	munmap((void *)p, size);
	close(fd);
}

enum order { SEQUENTIAL, RANDOM, SPARSE };

static unsigned int nr_touch(enum order order)
{
	return SMALL / PAGE / (order == SPARSE ? 16 : 1);
}

/*
 * Touch every page of the mapping once, in order or in an order of no sense, or
 * only one in 16, so that nothing mapped around it is of use.
 */
static uint64_t touch(volatile uint8_t *p, bool write, enum order order)
{
	const unsigned int n = nr_touch(order);
	unsigned int i, page;
	uint64_t t = now();

	for (i = 0; i < n; i++) {
		page = order == SPARSE ? i * 16 + i % 16 : i;
		/* an odd factor visits every page */
		if (order == RANDOM)
			page = i * 2654435761U % n;
		if (write)
			p[page * PAGE] = i;
		else
			(void)p[page * PAGE];
	}
	return now() - t;
}

static void rows_small(const char *path)
{
	static const struct {
		const char *name;
		bool write;
		enum order order;
	} kinds[] = {
		{ "read fault 4 KiB", false, SEQUENTIAL },
		{ "read fault 4 KiB random", false, RANDOM },
		{ "read fault 4 KiB sparse", false, SPARSE },
		{ "write fault 4 KiB", true, SEQUENTIAL },
		{ "write fault 4 KiB random", true, RANDOM },
		{ "write fault 4 KiB sparse", true, SPARSE },
	};
	uint64_t t, unmap = 0;
	volatile uint8_t *p;
	size_t size;
	unsigned int k, n, pages = 0;
	int fd = open_file(path, O_RDWR, &size);

	for (k = 0; k < sizeof(kinds) / sizeof(*kinds); k++) {
		p = map(fd, 0, SMALL, PAGE);
		n = nr_touch(kinds[k].order);
		row(kinds[k].name, touch(p, kinds[k].write, kinds[k].order), n);
		t = now();
		munmap((void *)p, SMALL);
		if (kinds[k].order != SPARSE) {
			unmap += now() - t;
			pages += n;
		}
	}
	row("unmap per 4 KiB page", unmap, pages);
	close_file(fd, "4 KiB faults");
}

/* An unaligned mapping comes first, and one that would allow 2 MiB after it. */
static void rows_fresh(const char *path)
{
	static const char * const names[] = {
		"first read fault 4 KiB", "first read fault 4 KiB sparse",
	};
	static const enum order orders[] = { SEQUENTIAL, SPARSE };
	uint64_t ns[NR_PMD], cost = clock_cost(), t;
	volatile uint8_t *p;
	unsigned int k;
	size_t size;
	int fd = open_file(path, O_RDWR, &size);

	for (k = 0; k < 2; k++) {
		p = map(fd, k * SMALL, SMALL, PAGE);
		row(names[k], touch(p, false, orders[k]), nr_touch(orders[k]));
		munmap((void *)p, SMALL);
	}
	p = map(fd, 0, 2 * SMALL, 0);
	for (k = 0; k < 2 * SMALL / PMD; k++) {
		t = now();
		(void)p[k * PMD];
		ns[k] = now() - t - cost;
	}
	row_uninterrupted("read fault 2 MiB after 4 KiB faults", ns,
			  2 * SMALL / PMD);
	munmap((void *)p, 2 * SMALL);
	close_file(fd, "first 4 KiB faults");
}

static void row_rw(const char *what, int fd, size_t size, size_t len,
		   unsigned int n, bool write)
{
	size_t step = size / n & ~(len >= PAGE ? PAGE - 1 : 0);
	char *buf = malloc(len);
	unsigned int i;
	uint64_t t;

	memset(buf, 1, len);
	t = now();
	for (i = 0; i < n; i++) {
		ssize_t ret = write ? pwrite(fd, buf, len, i * step) :
				      pread(fd, buf, len, i * step);

		if (ret != (ssize_t)len)
			err(1, "%s: %s", name, what);
	}
	row(what, now() - t, n);
	free(buf);
}

static void rows_rw(const char *path)
{
	size_t size;
	int fd = open_file(path, O_RDWR, &size);

	row_rw("pread 1 byte", fd, size, 1, 4000, false);
	row_rw("pwrite 1 byte", fd, size, 1, 4000, true);
	row_rw("pread 4 KiB", fd, size, PAGE, 2000, false);
	row_rw("pwrite 4 KiB", fd, size, PAGE, 2000, true);
	row_rw("pread 2 MiB", fd, size, PMD, 16, false);
	row_rw("pwrite 2 MiB", fd, size, PMD, 16, true);
	close_file(fd, "pread and pwrite");
}

static void rows_open(const char *path, const char *what)
{
	uint64_t ns[500], t, cost = clock_cost();
	const unsigned int n = sizeof(ns) / sizeof(*ns);
	unsigned int i;

	close(open(path, O_RDONLY));
	upcalls = requests();
	for (i = 0; i < n; i++) {
		int fd;

		t = now();
		fd = open(path, O_RDONLY);
		if (fd < 0)
			err(1, "%s", path);
		close(fd);
		ns[i] = now() - t - cost;
	}
	row_uninterrupted(what, ns, n);
	close_file(-1, what);
}

/* The names are looked up before, so that only the open counts. */
static void rows_first(int n, char **paths)
{
	struct stat st;
	uint64_t t, sum = 0;
	int i, fd;

	for (i = 0; i < n; i++) {
		if (stat(paths[i], &st))
			err(1, "%s", paths[i]);
		t = now();
		fd = open(paths[i], O_RDONLY);
		sum += now() - t;
		if (fd < 0)
			err(1, "%s", paths[i]);
		close(fd);
	}
	row("first open", sum, n);
}

static void touch_dir(const char *path, bool open_them)
{
	DIR *d = opendir(path);
	struct dirent *e;
	struct stat st;
	int fd;

	if (!d)
		err(1, "%s", path);
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(d), e->d_name, &st, 0))
			err(1, "%s", e->d_name);
		if (!open_them)
			continue;
		fd = openat(dirfd(d), e->d_name, O_RDONLY);
		if (fd < 0)
			err(1, "%s", e->d_name);
		close(fd);
	}
	closedir(d);
}

/* Bytes of struct pages that have been allocated. */
static uint64_t memmap_bytes(void)
{
	FILE *f = fopen("/proc/vmstat", "r");
	unsigned long long n;
	char key[64];

	while (f && fscanf(f, "%63s %llu", key, &n) == 2)
		if (!strcmp(key, "nr_memmap_pages")) {
			fclose(f);
			return n * PAGE;
		}
	errx(1, "/proc/vmstat: nr_memmap_pages?");
}

static uint64_t timed_write(const char *path, const char *text)
{
	uint64_t t = executed();

	if (write_text(path, text))
		errx(1, "%s", path);
	return executed() - t;
}

/*
 * The least of three: after much else has been done, the first one may take several
 * times as many instructions.
 */
static void rows_bind(const char *dev, const char *driver)
{
	const char *unbind = strf("/sys/bus/dax/drivers/%s/unbind", driver);
	const char *bind = strf("/sys/bus/dax/drivers/%s/bind", driver);
	uint64_t size = dax_size(dev), before, t, off = UINT64_MAX, on = UINT64_MAX;
	unsigned int i;

	for (i = 0; i < 3; i++) {
		t = timed_write(unbind, dev);
		if (t < off)
			off = t;
		before = memmap_bytes();
		t = timed_write(bind, dev);
		if (t < on)
			on = t;
	}
	row("unbind per GiB", off * GB, size);
	row("bind per GiB", on * GB, size);
	/* what is bytes of MiB is MiB of TiB */
	row("struct pages in MiB per TiB", memmap_bytes() - before, size / MB);
}

/*
 * Samples of a timer interrupt, the most frequent that perf has. One that comes late
 * was held up: by code with interrupts off, or by another interrupt.
 */
#define SAMPLE_NS 10000
#define SAMPLES_SIZE (4 * MB)

struct sampler {
	int fd;
	struct perf_event_mmap_page *page;
};

static void sampler_start(struct sampler *s)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr), .type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK, .sample_period = SAMPLE_NS,
		.sample_type = PERF_SAMPLE_TIME, .use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};

	/* a sample each 10 us is not too much */
	if (write_text("/proc/sys/kernel/perf_cpu_time_max_percent", "0"))
		errx(1, "perf_cpu_time_max_percent");
	/* of the only CPU, also while nothing runs */
	s->fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
	if (s->fd < 0)
		err(1, "perf_event_open");
	s->page = mmap(NULL, PAGE + SAMPLES_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
	if (s->page == MAP_FAILED)
		err(1, "perf");
}

/*
 * Return: the longest delay of a sample. Shorter ones than the time between two samples
 * are as good as none, and differ from run to run: they count as that time.
 */
static uint64_t sampler_stop(struct sampler *s)
{
	const uint8_t *data = (uint8_t *)s->page + PAGE;
	uint64_t at, time, last = 0, max = 0;
	const struct perf_event_header *h;
	unsigned int n = 0;

	close(s->fd);
	for (at = 0; at < s->page->data_head; at += h->size, last = time) {
		h = (const void *)(data + at);
		if (h->type != PERF_RECORD_SAMPLE)
			errx(1, "perf lost samples");
		memcpy(&time, h + 1, sizeof(time));
		if (n++ && time - last > max)
			max = time - last;
	}
	if (n < 10 || s->page->data_head > SAMPLES_SIZE)
		errx(1, "%u samples", n);
	munmap(s->page, PAGE + SAMPLES_SIZE);
	return max > 2 * SAMPLE_NS ? max - SAMPLE_NS : SAMPLE_NS;
}

/* In one number: what an entry adds to it is known from two mounts. */
static void row_unmount(const char *dir)
{
	uint64_t t = executed();

	if (umount(dir))
		err(1, "%s", dir);
	row("unmount", executed() - t, 1);
}

/* Samples are no part of what unmount costs, so that this is another run. */
static void row_delay(const char *dir)
{
	struct sampler s;

	sampler_start(&s);
	if (umount(dir))
		err(1, "%s", dir);
	row("longest interrupt delay of unmount", sampler_stop(&s), 1);
}

/*
 * Buffers of io_uring are pinned for as long as they are registered. The memory has been
 * touched before, so that this is all that there is to do. File systems that may have to
 * take a page away refuse it.
 */
static void rows_register(const char *path)
{
	static struct io_uring_params params;
	struct iovec iov = { .iov_len = PMD };
	uint64_t ns[64], t, cost = clock_cost();
	const unsigned int n = sizeof(ns) / sizeof(*ns);
	int ring = syscall(SYS_io_uring_setup, 1, &params), ret = 0, fd = -1;
	unsigned int i;
	size_t size;

	if (path)
		fd = open_file(path, O_RDWR, &size);
	iov.iov_base = map_at(PMD, PROT_READ | PROT_WRITE,
			      path ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS, fd, 0, PMD, 0);
	if (!path)
		madvise(iov.iov_base, PMD, strstr(name, "huge") ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	memset(iov.iov_base, 1, PMD);
	/* once before: what is done only for the first pin of a file does not count */
	for (i = 0; i <= n; i++) {
		t = now();
		ret = syscall(SYS_io_uring_register, ring, IORING_REGISTER_BUFFERS, &iov, 1);
		if (!ret)
			ret = syscall(SYS_io_uring_register, ring, IORING_UNREGISTER_BUFFERS, NULL, 0);
		if (i)
			ns[i - 1] = now() - t - cost;
		if (ret && errno != EOPNOTSUPP)
			err(1, "%s: io_uring_register", name);
	}
	row_uninterrupted(ret ? "refused registration of 2 MiB" : "register and unregister 2 MiB", ns, n);
}

/*
 * Threads and processes. Times are those of the wall clock, and the machine does other
 * things as well, so that what counts is the median of many passes. With two CPUs, they
 * are those during which the other has done something, too: it has not been waiting for
 * a CPU. If a pass took four times as long as another, this one has.
 */
#define MAX_PASSES 2048
#define FOR_NS 1000000000ULL	/* no pass begins later */

struct faulter {
	const struct test *test;
	int fd;
	off_t off;
	volatile unsigned int done;	/* passes, and calls of munmap() */
	uint64_t min;		/* of all passes */
	unsigned int nr;	/* passes that count */
	uint64_t ns[MAX_PASSES];
};

/* shared by all of them */
struct team {
	int missing;
	bool at_once;
	struct faulter f[2];
};

static struct team *team;

struct test {
	const char *name;
	size_t len;		/* mapped by a pass */
	uint64_t (*pass)(volatile uint8_t *p);
	unsigned int nr;	/* faults of a pass, or pages */
	unsigned int passes;
	bool first;		/* each pass has a part of its own */
};

static uint64_t pass_small(volatile uint8_t *p)
{
	return touch(p, false, RANDOM);
}

static uint64_t pass_huge(volatile uint8_t *p)
{
	uint64_t t = now();
	unsigned int i;

	for (i = 0; i < NR_PMD; i++)
		(void)p[i * PMD];
	return now() - t;
}

#define NR_FIRST 8

static uint64_t pass_first(volatile uint8_t *p)
{
	uint64_t t = now();
	unsigned int i;

	for (i = 0; i < NR_FIRST; i++)
		p[i * PMD] = 1;
	return now() - t;
}

/* The scheduler may leave two of them on one CPU for longer than they run. */
static void own_cpu(unsigned int i)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(i % sysconf(_SC_NPROCESSORS_ONLN), &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "sched_setaffinity");
}

static void *fault_thread(void *arg)
{
	struct faulter *f = arg, *other = &team->f[f == team->f];
	const struct test *test = f->test;
	/* page tables of its own */
	void *address = (void *)((1UL << 40) + (f - team->f) * GB);
	uint64_t end;
	unsigned int i, done;

	own_cpu(f - team->f);
	/* what sleeps until the other is there comes back late */
	__atomic_sub_fetch(&team->missing, 1, __ATOMIC_RELEASE);
	while (__atomic_load_n(&team->missing, __ATOMIC_ACQUIRE))
		sched_yield();
	end = now() + FOR_NS;
	for (i = 0; i < test->passes && now() < end; i++) {
		off_t off = f->off + (test->first ? i * test->len : 0);
		volatile uint8_t *p = mmap(address, test->len, PROT_READ | PROT_WRITE,
					   MAP_SHARED | MAP_FIXED, f->fd, off);

		if (p == MAP_FAILED)
			err(1, "mmap");
		done = other->done;
		f->ns[f->nr] = test->pass(p);
		if (f->ns[f->nr] < f->min)
			f->min = f->ns[f->nr];
		f->nr += !team->at_once || other->done != done;
		f->done++;
		munmap((void *)p, test->len);
		f->done++;
	}
	return NULL;
}

enum team_kind { THREADS, PROCESSES };

static void run_team(enum team_kind kind, int nr)
{
	pthread_t thread[2];
	int i;

	for (i = 0; i < nr; i++) {
		if (kind == THREADS) {
			pthread_create(&thread[i], NULL, fault_thread, &team->f[i]);
		} else if (!fork()) {
			fault_thread(&team->f[i]);
			_exit(0);
		}
	}
	for (i = 0; i < nr; i++) {
		if (kind == THREADS)
			pthread_join(thread[i], NULL);
		else
			wait(NULL);
	}
}

static uint64_t median(struct faulter *f)
{
	unsigned int n = 0;

	qsort(f->ns, f->nr, sizeof(*f->ns), compare);
	while (n < f->nr && f->ns[n] < 4 * f->min)
		n++;
	return n ? f->ns[n / 2] : 0;
}

/* @used: how much of each file has been accessed by tests of first faults */
static void row_team(const struct test *test, enum team_kind kind, int nr, int nfiles,
		     char **paths, off_t *used)
{
	static const char * const names[] = { "threads", "processes" };
	uint64_t sum = 0, one;
	bool whole = true;
	size_t size;
	int i;

	team->missing = nr;
	team->at_once = nr > 1 && sysconf(_SC_NPROCESSORS_ONLN) > 1;
	for (i = 0; i < nr; i++) {
		struct faulter *f = &team->f[i];

		*f = (struct faulter){ .test = test, .min = UINT64_MAX };
		f->fd = open_file(paths[i % nfiles], O_RDWR, &size);
		f->off = used[i % nfiles];
		if (test->first)
			used[i % nfiles] += test->passes * test->len;
	}
	run_team(kind, nr);
	for (i = 0; i < nr; i++) {
		one = median(&team->f[i]);
		whole &= one != 0;
		sum += one;
		close(team->f[i].fd);
	}
	/* not if they were never there at once */
	if (!whole)
		return;
	row(nr == 1 ? strf("%s, one thread", test->name) :
	    strf("%s, two %s, %s", test->name, names[kind], nfiles == 1 ? "one file" : "two files"),
	    sum / nr, test->nr);
}

static void rows_team(const struct test *test, char **paths)
{
	off_t used[2] = {};
	enum team_kind kind;
	int nfiles;

	row_team(test, THREADS, 1, 1, paths, used);
	for (kind = THREADS; kind <= PROCESSES; kind++)
		for (nfiles = 1; nfiles <= 2; nfiles++)
			row_team(test, kind, 2, nfiles, paths, used);
}

static void rows_threads(char **paths, bool first)
{
	const struct test small = {
		.name = "read fault 4 KiB", .pass = pass_small,
		.len = SMALL, .nr = SMALL / PAGE, .passes = MAX_PASSES,
	}, huge = {
		.name = "read re-fault 2 MiB", .pass = pass_huge,
		.len = NR_PMD * PMD, .nr = NR_PMD, .passes = MAX_PASSES,
	}, fresh = {
		.name = "first write fault 2 MiB", .pass = pass_first,
		.len = NR_FIRST * PMD, .nr = NR_FIRST, .passes = 16, .first = true,
	};

	team = mmap(NULL, sizeof(*team), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (team == MAP_FAILED)
		err(1, "mmap");
	if (first) {
		rows_team(&fresh, paths);
		return;
	}
	rows_team(&small, paths);
	rows_team(&huge, paths);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int i;

	if (argc < 3)
		errx(2, "see the head of bench.c");
	if (!strcmp(what, "stat") || !strcmp(what, "touch")) {
		for (i = 2; i < argc; i++)
			touch_dir(argv[i], *what == 't');
		return 0;
	}
	name = argv[2];
	map_stats(getenv("BENCH_STATS"));
	if (!strcmp(what, "register")) {
		rows_register(argv[3]);
		return 0;
	}
	if (argc < 4)
		errx(2, "see the head of bench.c");
	if (!strcmp(what, "mmap"))
		rows_mmap(argv[3]);
	else if (!strcmp(what, "giant"))
		rows_giant(argv[3]);
	else if (!strcmp(what, "order"))
		rows_order(argv[3]);
	else if (!strcmp(what, "below"))
		rows_below(argv[3]);
	else if (!strcmp(what, "small"))
		rows_small(argv[3]);
	else if (!strcmp(what, "fresh"))
		rows_fresh(argv[3]);
	else if (!strcmp(what, "rw"))
		rows_rw(argv[3]);
	else if (!strcmp(what, "open"))
		rows_open(argv[3], "open + close");
	else if (!strcmp(what, "upcall"))
		rows_open(argv[3], "open + close with upcalls");
	else if (!strcmp(what, "bind"))
		rows_bind(argv[3], argv[4]);
	else if (!strcmp(what, "unmount"))
		row_unmount(argv[3]);
	else if (!strcmp(what, "delay"))
		row_delay(argv[3]);
	else if (!strcmp(what, "first"))
		rows_first(argc - 3, argv + 3);
	else if (!strcmp(what, "fill"))
		fill(argv[3]);
	else if (argc > 4 && !strcmp(what, "threads"))
		rows_threads(argv + 3, false);
	else if (argc > 4 && !strcmp(what, "first-threads"))
		rows_threads(argv + 3, true);
	else
		errx(2, "what is %s?", what);
	return 0;
}
