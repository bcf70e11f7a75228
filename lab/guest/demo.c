// SPDX-License-Identifier: GPL-2.0
/*
 * What "make run" shows: writes files of a famfs mount through mmap, reads them
 * back with read(2), and counts what that took.
 *
 *   demo STATS FILE...
 *
 * STATS is the file of counters of famfs_server. Exits 1 if the data differ or
 * if the server has received a request meanwhile.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fnv.h"
#include "server.h"

#define MAX_FILES 16

static long page_faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt + ru.ru_majflt;
}

static uint64_t write_mapping(int fd, size_t size, unsigned int seed)
{
	uint64_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint64_t h;
	size_t i;

	if (p == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < size / sizeof(*p); i++)
		p[i] = (i + 1) * 0x9e3779b97f4a7c15 ^ seed;
	h = fnv(FNV_START, p, size);
	munmap(p, size);
	return h;
}

static uint64_t read_back(int fd, size_t size, void *buf, size_t chunk,
			  uint64_t *reads)
{
	uint64_t h = FNV_START;
	size_t off = 0;

	while (off < size) {
		ssize_t n = pread(fd, buf, chunk, off);

		if (n <= 0)
			err(1, "pread");
		h = fnv(h, buf, n);
		off += n;
		(*reads)++;
	}
	return h;
}

int main(int argc, char **argv)
{
	size_t chunk = 1 << 20, total = 0;
	const volatile uint64_t *stats;
	uint64_t reads = 0, before;
	int fds[MAX_FILES], i, bad = 0;
	long faults;
	void *buf;

	if (argc < 3 || argc - 2 > MAX_FILES)
		errx(2, "usage: demo STATS FILE...");
	i = open(argv[1], O_RDONLY);
	stats = mmap(NULL, SERVER_NR_STATS * sizeof(*stats), PROT_READ,
		     MAP_SHARED, i, 0);
	if (stats == MAP_FAILED)
		err(2, "%s", argv[1]);
	buf = malloc(chunk);
	memset(buf, 1, chunk);
	for (i = 0; i < argc - 2; i++) {
		fds[i] = open(argv[i + 2], O_RDWR);
		if (fds[i] < 0)
			err(1, "%s", argv[i + 2]);
	}

	printf("%-26s %12s  %-16s  %-16s\n", "file", "bytes",
	       "written (mmap)", "read (read(2))");
	before = server_stats_sum(stats);
	faults = page_faults();
	for (i = 0; i < argc - 2; i++) {
		struct stat st;
		uint64_t w, r;

		if (fstat(fds[i], &st))
			err(1, "fstat");
		w = write_mapping(fds[i], st.st_size, i);
		r = read_back(fds[i], st.st_size, buf, chunk, &reads);
		printf("%-26s %12jd  %016" PRIx64 "  %016" PRIx64 "  %s\n",
		       argv[i + 2], (intmax_t)st.st_size, w, r,
		       w == r ? "match" : "DIFFER");
		bad |= w != r;
		total += st.st_size;
	}
	printf("\n%zu bytes written and read back: %ld page faults, %" PRIu64
	       " reads, %" PRIu64 " requests to the server meanwhile\n",
	       total, page_faults() - faults, reads, server_stats_sum(stats) - before);
	return bad || server_stats_sum(stats) != before;
}
