// SPDX-License-Identifier: GPL-2.0
/*
 * Does one thing until it is killed, for lab/scripts/profile.sh.
 *
 *   loop open|pread|pwrite|refault|fault|giant|unmap FILE
 *   loop unmount FILE				which is at the top of its mount
 *   loop bind|unbind DEVICE			of fsdev_dax
 *
 * What is of interest begins with a call of getppid() and ends with one of getuid().
 * Each round has it once. "fault" ends when all of the file has an entry, and "unmount"
 * after one round. "giant" needs a file of 1 GiB, which can be mapped at once; the others
 * map it so that this is not possible.
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE 4096UL
#define PMD (2UL << 20)
#define PUD (1UL << 30)
#define SMALL (16UL << 20)	/* unmapped at once */
#define FSDEV "/sys/bus/dax/drivers/fsdev_dax/"

/* In a round: before what is measured, that, and after it. */
struct loop {
	const char *name;
	void (*before)(size_t i);
	void (*op)(size_t i);
	void (*after)(size_t i);
};

static char *path;
static int fd, bind_fd, unbind_fd;
static size_t size;
static volatile char *p;

static void nothing(size_t i)
{
}

static void map_all(unsigned long address)
{
	p = mmap((void *)address, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
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

static void drop_it(size_t i)
{
	if (!i)
		madvise((void *)p, size, MADV_DONTNEED);
}

static void read_it(size_t i)
{
	(void)p[i];
}

static void write_it(size_t i)
{
	p[i] = 1;
}

static void map_giant(size_t i)
{
	munmap((void *)p, size);
	map_all(4 * PUD);
}

static void read_giant(size_t i)
{
	(void)*p;
}

/* An address that does not allow 2 MiB. */
static void map_small(size_t i)
{
	volatile char *q;
	size_t off;

	q = mmap((void *)(4 * PUD + PAGE), SMALL, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	if (q == MAP_FAILED)
		err(1, "mmap");
	for (off = 0; off < SMALL; off += PAGE)
		(void)q[off];
	p = q;
}

static void unmap_small(size_t i)
{
	munmap((void *)p, SMALL);
}

static void close_all(size_t i)
{
	munmap((void *)p, size);
	close(fd);
}

static void unmount_it(size_t i)
{
	if (umount(dirname(path)))
		err(1, "%s", path);
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
	{ "refault", drop_it, read_it, nothing },
	{ "fault", nothing, write_it, nothing },
	{ "giant", map_giant, read_giant, nothing },
	{ "unmap", map_small, unmap_small, nothing },
	{ "unmount", close_all, unmount_it, nothing },
	{ "bind", unbind_it, bind_it, nothing },
	{ "unbind", nothing, unbind_it, bind_it },
};

static void prepare(const struct loop *l)
{
	struct stat st;
	size_t i;

	bind_fd = open(FSDEV "bind", O_WRONLY);
	unbind_fd = open(FSDEV "unbind", O_WRONLY);
	if (strstr(l->name, "bind"))
		return;
	fd = open(path, O_RDWR);
	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", path);
	size = st.st_size;
	map_all(4 * PUD + (l->op == read_giant ? 0 : PMD));
	for (i = 0; i < size && l->op != write_it; i += PMD)
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
	prepare(l);
	puts("loop");
	fflush(stdout);
	for (i = 0;; i = i + PMD < size ? i + PMD : 0) {
		l->before(i);
		syscall(SYS_getppid);
		l->op(i);
		syscall(SYS_getuid);
		l->after(i);
		if ((l->op == write_it && i + PMD == size) || l->op == unmount_it)
			return 0;
	}
}
