// SPDX-License-Identifier: GPL-2.0
/*
 * For programs that make files of their own (LD_PRELOAD): a file that the program
 * would create is $FIXED_FILE, if that is not empty. Setting the size of a file,
 * or allocating it, succeeds if the file is that long.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int fixed_open(const char *name, int dir, const char *path, int flags, mode_t mode)
{
	int (*next)(int, const char *, int, ...) = dlsym(RTLD_NEXT, name);
	const char *file = getenv("FIXED_FILE");

	if (file && *file && (flags & O_CREAT) && faccessat(dir, path, F_OK, 0)) {
		path = file;
		flags &= ~(O_CREAT | O_EXCL | O_TRUNC);
	}
	return next(dir, path, flags, mode);
}

#define OPEN(name, real, dir, ...)						\
int name(__VA_ARGS__ const char *path, int flags, ...)				\
{										\
	mode_t mode = 0;							\
	va_list ap;								\
										\
	if (flags & (O_CREAT | __O_TMPFILE)) {					\
		va_start(ap, flags);						\
		mode = va_arg(ap, int);						\
		va_end(ap);							\
	}									\
	return fixed_open(real, dir, path, flags, mode);			\
}
#define COMMA ,
OPEN(open, "openat", AT_FDCWD)
OPEN(open64, "openat64", AT_FDCWD)
OPEN(openat, "openat", dir, int dir COMMA)
OPEN(openat64, "openat64", dir, int dir COMMA)

/* 1 if the file is as long, 0 if it is not, -1 if there is an error */
static int has_size(int fd, off_t size)
{
	struct stat st;

	if (fstat(fd, &st))
		return -1;
	return S_ISREG(st.st_mode) && getenv("FIXED_FILE") && size <= st.st_size;
}

int ftruncate(int fd, off_t size)
{
	int (*next)(int, off_t) = dlsym(RTLD_NEXT, "ftruncate");

	return has_size(fd, size) == 1 ? 0 : next(fd, size);
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
	int (*next)(int, int, off_t, off_t) = dlsym(RTLD_NEXT, "fallocate");

	return !mode && has_size(fd, offset + len) == 1 ? 0 : next(fd, mode, offset, len);
}

int posix_fallocate(int fd, off_t offset, off_t len)
{
	int (*next)(int, off_t, off_t) = dlsym(RTLD_NEXT, "posix_fallocate");

	return has_size(fd, offset + len) == 1 ? 0 : next(fd, offset, len);
}

int ftruncate64(int fd, off_t size) __attribute__((alias("ftruncate")));
int fallocate64(int fd, int mode, off_t offset, off_t len) __attribute__((alias("fallocate")));
int posix_fallocate64(int fd, off_t offset, off_t len) __attribute__((alias("posix_fallocate")));
