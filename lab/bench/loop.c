// SPDX-License-Identifier: GPL-2.0
/*
 * Does one thing until it is killed, for lab/scripts/profile.sh.
 *
 *   loop open|pread|pwrite|refault|fault FILE	FILE has 64 MiB
 *   loop bind|unbind DEVICE			of fsdev_dax
 *
 * What is of interest begins with a call of getppid() and ends with one of getuid().
 * Each round has it once. "fault" ends when all of the file has an entry.
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
#define FSDEV "/sys/bus/dax/drivers/fsdev_dax/"

/* In a round: before what is measured, that, and after it. */
struct loop {
	const char *name;
	void (*before)(size_t i);
	void (*op)(size_t i);
	void (*after)(size_t i);
};

static const char *path;
static int fd, bind_fd, unbind_fd;
static volatile char *p;

static void nothing(size_t i)
{
}

static void open_it(size_t i)
{
	close(open(path, O_RDWR));
}

static void pread_it(size_t i)
{
	char byte;

	pread(fd, &byte, 1, 4096);
}

static void pwrite_it(size_t i)
{
	pwrite(fd, "", 1, 4096);
}

static void unmap_it(size_t i)
{
	if (!i)
		madvise((void *)p, SIZE, MADV_DONTNEED);
}

static void read_it(size_t i)
{
	(void)p[i];
}

static void write_it(size_t i)
{
	p[i] = 1;
}

static void bind_it(size_t i)
{
	if (write(bind_fd, path, strlen(path)) < 0)
		err(1, "bind");
}

static void unbind_it(size_t i)
{
	if (write(unbind_fd, path, strlen(path)) < 0)
		err(1, "unbind");
}

static const struct loop loops[] = {
	{ "open", nothing, open_it, nothing },
	{ "pread", nothing, pread_it, nothing },
	{ "pwrite", nothing, pwrite_it, nothing },
	{ "refault", unmap_it, read_it, nothing },
	{ "fault", nothing, write_it, nothing },
	{ "bind", unbind_it, bind_it, nothing },
	{ "unbind", nothing, unbind_it, bind_it },
};

static void prepare(const char *name)
{
	size_t i;

	bind_fd = open(FSDEV "bind", O_WRONLY);
	unbind_fd = open(FSDEV "unbind", O_WRONLY);
	if (strstr(name, "bind"))
		return;
	fd = open(path, O_RDWR);
	if (fd < 0)
		err(1, "%s", path);
	p = mmap((void *)(1UL << 32), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
	for (i = 0; i < SIZE && strcmp(name, "fault"); i += PMD)
		p[i] = 1;
}

int main(int argc, char **argv)
{
	const struct loop *l = loops, *end = loops + sizeof(loops) / sizeof(*loops);
	size_t i;

	while (argc == 3 && l < end && strcmp(l->name, argv[1]))
		l++;
	if (argc != 3 || l == end)
		errx(2, "see the head of loop.c");
	path = argv[2];
	prepare(l->name);
	puts("loop");
	fflush(stdout);
	for (i = 0;; i = (i + PMD) % SIZE) {
		l->before(i);
		syscall(SYS_getppid);
		l->op(i);
		syscall(SYS_getuid);
		l->after(i);
		if (l->op == write_it && i + PMD == SIZE)
			return 0;
	}
}
