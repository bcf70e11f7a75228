// SPDX-License-Identifier: GPL-2.0
/*
 * Does one thing until it is killed, for lab/scripts/profile.sh.
 *
 *   loop open|pread|pwrite|refault FILE
 *
 * FILE has 64 MiB. Each round ends with a call of getppid(), which marks it.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SIZE (64UL << 20)
#define PMD (2UL << 20)

int main(int argc, char **argv)
{
	const char *what = argc == 3 ? argv[1] : "";
	volatile char *p;
	char byte;
	size_t i;
	int fd;

	if (strcmp(what, "open") && strcmp(what, "pread") && strcmp(what, "pwrite") &&
	    strcmp(what, "refault"))
		errx(2, "usage: loop open|pread|pwrite|refault FILE");
	fd = open(argv[2], O_RDWR);
	if (fd < 0)
		err(1, "%s", argv[2]);
	p = mmap((void *)(1UL << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < SIZE; i += PMD)
		p[i] = 1;
	puts("loop");
	fflush(stdout);
	for (i = 0;; i = (i + PMD) % SIZE) {
		if (!strcmp(what, "open"))
			close(open(argv[2], O_RDWR));
		else if (!strcmp(what, "pread"))
			pread(fd, &byte, 1, 4096);
		else if (!strcmp(what, "pwrite"))
			pwrite(fd, &byte, 1, 4096);
		else {
			if (!i)
				madvise((void *)p, SIZE, MADV_DONTNEED);
			byte = p[i];
		}
		syscall(SYS_getppid);
	}
}
