// SPDX-License-Identifier: GPL-2.0
/*
 * Measures one file system, in nanoseconds per operation. With QEMU's -icount
 * the clock of the guest counts instructions, so that is what they are then.
 *
 *   bench mmap NAME FILE       2 MiB faults of a file that was never mapped
 *   bench giant NAME FILE      1 GiB at an address that allows to map it at once
 *   bench small NAME FILE      4 KiB faults
 *   bench fresh NAME FILE      the same of a file that was never mapped
 *   bench rw NAME FILE         pread and pwrite
 *   bench open NAME FILE       open and close of a file whose map is cached
 *   bench upcall NAME FILE     the same, where the server is asked each time
 *   bench first NAME FILE...   open of files that were never opened
 *   bench stat DIR...          look up every file in the directories
 *   bench touch DIR...         open and close them, too
 *   bench bind NAME DEV DRIVER unbind a device and bind it again
 *   bench unmount NAME DIR N   unmount what has N entries, of 2 MiB or 1 GiB
 *   bench threads FILE [FILE]  two threads that fault on one file, or on two
 *
 * The files are 64 MiB or longer; all accesses are spread over the whole file.
 * Prints lines of "row, name, value", separated by tabs.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
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
static void rows_giant(const char *path)
{
	const char * const names[] = {
		"first write of 1 GiB", "read of 1 GiB again",
	};
	size_t i, size;
	unsigned int pass;
	volatile uint8_t *p;
	uint64_t t;
	int fd = open_file(path, O_RDWR, &size);

	for (pass = 0; pass < 2; pass++) {
		p = map_at(GB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, GB, 0);
		t = now();
		for (i = 0; i < GB; i += PMD) {
			if (pass)
				(void)p[i];
			else
				p[i] = i;
		}
		row(names[pass], now() - t, 1);
		munmap((void *)p, GB);
	}
	close_file(fd, "1 GiB faults");
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

static void rows_bind(const char *dev, const char *driver)
{
	const char *path = strf("/sys/bus/dax/drivers/%s/unbind", driver);
	uint64_t size = dax_size(dev), before;

	row("unbind per GiB", timed_write(path, dev) * GB, size);
	before = memmap_bytes();
	path = strf("/sys/bus/dax/drivers/%s/bind", driver);
	row("bind per GiB", timed_write(path, dev) * GB, size);
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

/* Return: the longest delay of a sample. */
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
	return max > SAMPLE_NS ? max - SAMPLE_NS : 0;
}

/* @n entries are all that there is below @dir. */
static void rows_unmount(const char *dir, unsigned int n)
{
	struct sampler s;
	uint64_t t;

	sampler_start(&s);
	t = executed();
	if (umount(dir))
		err(1, "%s", dir);
	t = executed() - t;
	row(n > 1 ? "unmount per 2 MiB entry" : "unmount of 1 GiB", t, n);
	row(n > 1 ? "its longest interrupt delay" : "its longest interrupt delay (1 GiB)",
	    sampler_stop(&s), 1);
}

static pthread_barrier_t barrier;

struct faulter {
	pthread_t thread;
	int fd;
	uint64_t ns;
};

static void *fault_thread(void *arg)
{
	const unsigned int passes = 20;
	struct faulter *f = arg;
	unsigned int i;

	pthread_barrier_wait(&barrier);
	for (i = 0; i < passes; i++) {
		volatile uint8_t *p = mmap(NULL, SMALL, PROT_READ, MAP_SHARED,
					   f->fd, 0);

		if (p == MAP_FAILED)
			err(1, "mmap");
		f->ns += touch(p, false, RANDOM) / passes;
		munmap((void *)p, SMALL);
	}
	return NULL;
}

static void row_threads(const char *what, int nr, int nfiles, char **paths)
{
	struct faulter f[2] = {};
	uint64_t sum = 0;
	size_t size;
	int i;

	pthread_barrier_init(&barrier, NULL, nr);
	for (i = 0; i < nr; i++) {
		f[i].fd = open_file(paths[i % nfiles], O_RDONLY, &size);
		pthread_create(&f[i].thread, NULL, fault_thread, &f[i]);
	}
	for (i = 0; i < nr; i++) {
		pthread_join(f[i].thread, NULL);
		sum += f[i].ns;
		close(f[i].fd);
	}
	row(what, sum / nr, SMALL / PAGE);
}

/* Wall clock, for one thread alone and for two: the ratio is what counts. */
static void rows_threads(int n, char **paths)
{
	row_threads("read fault one thread", 1, 1, paths);
	row_threads("read fault two threads on one file", 2, 1, paths);
	if (n > 1)
		row_threads("read fault two threads on two files", 2, 2, paths);
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
	if (argc < 4)
		errx(2, "see the head of bench.c");
	name = argv[2];
	map_stats(getenv("BENCH_STATS"));
	if (!strcmp(what, "mmap"))
		rows_mmap(argv[3]);
	else if (!strcmp(what, "giant"))
		rows_giant(argv[3]);
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
		rows_unmount(argv[3], argc > 4 ? atoi(argv[4]) : 1);
	else if (!strcmp(what, "first"))
		rows_first(argc - 3, argv + 3);
	else if (!strcmp(what, "threads"))
		rows_threads(argc - 3, argv + 3);
	else
		errx(2, "what is %s?", what);
	return 0;
}
