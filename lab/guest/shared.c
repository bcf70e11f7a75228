// SPDX-License-Identifier: GPL-2.0
/*
 * What one host of "make demo-shared" does with files that another one uses.
 *
 *   shared fill FILE SEED      write all of it, print its hash
 *   shared sum FILE            print the hash of what is there
 *   shared append LOG TEXT     add a record
 *   shared stream LOG COUNT    add that many records; 0: until killed
 *   shared get LOG N SECONDS   print record N, wait for it that long
 *   shared print LOG           print all records
 *   shared follow LOG N TEXT SECONDS
 *                              read from record N on, up to one that is TEXT or
 *                              until none comes for so long; print how many
 *                              the log has then
 *   shared hold FILE FIFO      map it, say so, wait for a line from FIFO, and
 *                              say what became of the mapping
 *
 * Files are used through mappings only. Exits 1 if what was expected does not
 * come, 3 if a record is torn.
 *
 * A log has one writer. The flag of a record has a cache line of its own and is
 * written last, so that a record with a flag is complete. Two hosts need not
 * have coherent caches: the writer calls msync(2), which writes its caches back,
 * and the reader drops what it has cached, see invalidate().
 */
#include <emmintrin.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fnv.h"

#define LINE 64

struct record {
	uint64_t number;
	uint64_t sum;		/* of text */
	char text[176];
	/* number + 1; 0 where nothing has been written */
	_Alignas(LINE) uint64_t flag;
};

struct mapping {
	void *p;
	size_t len;
	int fd;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static struct mapping map(const char *path, bool write)
{
	struct mapping m;
	struct stat st;

	m.fd = open(path, write ? O_RDWR : O_RDONLY);
	if (m.fd < 0 || fstat(m.fd, &st))
		err(1, "%s", path);
	m.len = st.st_size;
	m.p = mmap(NULL, m.len, write ? PROT_READ | PROT_WRITE : PROT_READ,
		   MAP_SHARED, m.fd, 0);
	if (m.p == MAP_FAILED)
		err(1, "mmap %s", path);
	return m;
}

/* Writer: what is stored so far reaches the memory before anything later does. */
static void write_back(const void *p, size_t len)
{
	uintptr_t page = sysconf(_SC_PAGESIZE);
	uintptr_t start = (uintptr_t)p & -page;

	if (msync((void *)start, (uintptr_t)p + len - start, MS_SYNC))
		err(1, "msync");
}

/*
 * Reader: the next loads come from the memory. A dirty line would be written
 * back and destroy what the other host has written, so this is only for lines
 * that this host does not write.
 */
static void invalidate(const void *p, size_t len)
{
	const char *line = (const char *)((uintptr_t)p & -(uintptr_t)LINE);

	for (; line < (const char *)p + len; line += LINE)
		_mm_clflush(line);
	_mm_mfence();
}

static bool is_written(const struct record *r, uint64_t n)
{
	invalidate(&r->flag, sizeof(r->flag));
	return __atomic_load_n(&r->flag, __ATOMIC_ACQUIRE) == n + 1;
}

/* Return: record @n, or NULL if it does not come before @deadline. */
static const struct record *get(const struct mapping *m, uint64_t n,
				double deadline)
{
	const struct record *r = (const struct record *)m->p + n;

	if (n >= m->len / sizeof(*r))
		errx(1, "the log is full");
	while (!is_written(r, n)) {
		if (now() >= deadline)
			return NULL;
		usleep(1000);
	}
	invalidate(r, offsetof(struct record, flag));
	if (r->number != n || r->sum != fnv(FNV_START, r->text, sizeof(r->text)))
		errx(3, "record %" PRIu64 " has a flag, but is not complete", n);
	return r;
}

static uint64_t end_of(const struct mapping *m)
{
	uint64_t n = 0;

	while (get(m, n, 0))
		n++;
	return n;
}

static void append(const struct mapping *m, uint64_t n, const char *text)
{
	struct record *r = (struct record *)m->p + n;

	if (n >= m->len / sizeof(*r))
		errx(1, "the log is full");
	r->number = n;
	memset(r->text, 0, sizeof(r->text));
	snprintf(r->text, sizeof(r->text), "%s", text);
	r->sum = fnv(FNV_START, r->text, sizeof(r->text));
	write_back(r, offsetof(struct record, flag));
	__atomic_store_n(&r->flag, n + 1, __ATOMIC_RELEASE);
	write_back(&r->flag, sizeof(r->flag));
}

static void stream(const struct mapping *m, uint64_t count)
{
	uint64_t n = end_of(m), end = n + count;
	char text[64];

	for (; !count || n < end; n++) {
		snprintf(text, sizeof(text), "record %" PRIu64, n);
		append(m, n, text);
	}
}

/* Return: 0, or 1 if @text has not come. */
static int follow(const struct mapping *m, uint64_t n, const char *text,
		  double seconds)
{
	const struct record *r;
	bool found = false;

	while (!found && (r = get(m, n, now() + seconds))) {
		found = !strcmp(r->text, text);
		n++;
	}
	printf("%" PRIu64 "\n", n);
	return !found;
}

static void fill(const struct mapping *m, uint64_t seed)
{
	uint8_t *p = m->p;
	size_t i;

	for (i = 0; i < m->len; i++)
		p[i] = (i + seed) * 0x9e3779b97f4a7c15 >> 56;
	write_back(m->p, m->len);
	printf("%016" PRIx64 "\n", fnv(FNV_START, m->p, m->len));
}

static sigjmp_buf fault;

static void on_sigbus(int sig)
{
	siglongjmp(fault, 1);
}

static void hold(const struct mapping *m, const char *fifo)
{
	const volatile char *p = m->p;
	char c = *p;
	int fd;

	signal(SIGBUS, on_sigbus);
	printf("mapped\n");
	fflush(stdout);
	fd = open(fifo, O_RDONLY);
	if (fd < 0 || read(fd, &c, 1) != 1)
		err(1, "%s", fifo);
	if (sigsetjmp(fault, 1)) {
		printf("SIGBUS, ");
	} else {
		c = *p;
		printf("no signal, ");
	}
	if (pread(m->fd, &c, 1, 0) == 1)
		printf("no error\n");
	else
		printf("%s\n", errno == EIO ? "EIO" : strerror(errno));
}

static void print(const struct mapping *m)
{
	const struct record *r;
	uint64_t n = 0;

	while ((r = get(m, n++, 0)))
		puts(r->text);
}

int main(int argc, char **argv)
{
	const char *verb = argc > 2 ? argv[1] : "";
	const struct record *r;
	struct mapping m;

	if (argc == 4 && !strcmp(verb, "fill")) {
		m = map(argv[2], true);
		fill(&m, strtoull(argv[3], NULL, 0));
	} else if (argc == 3 && !strcmp(verb, "sum")) {
		m = map(argv[2], false);
		invalidate(m.p, m.len);
		printf("%016" PRIx64 "\n", fnv(FNV_START, m.p, m.len));
	} else if (argc == 4 && !strcmp(verb, "append")) {
		m = map(argv[2], true);
		append(&m, end_of(&m), argv[3]);
	} else if (argc == 4 && !strcmp(verb, "stream")) {
		m = map(argv[2], true);
		stream(&m, strtoull(argv[3], NULL, 0));
	} else if (argc == 5 && !strcmp(verb, "get")) {
		m = map(argv[2], false);
		r = get(&m, strtoull(argv[3], NULL, 0), now() + atof(argv[4]));
		if (!r)
			return 1;
		puts(r->text);
	} else if (argc == 3 && !strcmp(verb, "print")) {
		m = map(argv[2], false);
		print(&m);
	} else if (argc == 6 && !strcmp(verb, "follow")) {
		m = map(argv[2], false);
		return follow(&m, strtoull(argv[3], NULL, 0), argv[4],
			      atof(argv[5]));
	} else if (argc == 4 && !strcmp(verb, "hold")) {
		m = map(argv[2], false);
		hold(&m, argv[3]);
	} else {
		errx(2, "the usage is at the top of shared.c");
	}
	return 0;
}
