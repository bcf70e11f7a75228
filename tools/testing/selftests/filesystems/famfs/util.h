/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests share: dax devices, the server, memory that may be gone.
 *
 * Functions that can not do their work end the program with a message, which
 * the harness reports as a failure of the test.
 *
 * The tests find the devices below; guest/devices.sh of the project, or whoever
 * runs the tests elsewhere, makes them.
 */
#ifndef UTIL_H
#define UTIL_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DAX_BIG "dax1.0"	/* 1 GiB */
#define DAX_TWO "dax1.1"	/* 256 MiB in two ranges of the same size */
#define DAX_SMALL "dax1.2"	/* 128 MiB */
#define DAX_PMEM "dax0.0"	/* a static device: pmem, more than 128 MiB */

/* For kselftest_harness.h, included before: an emulated CPU takes its time. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 300

#define PAGE 4096UL
#define KB (1UL << 10)
#define MB (1UL << 20)
#define GB (1UL << 30)
#define PMD (2 * MB)
/* What a fault maps that can not map 2 MiB: an aligned range of the file. */
#define AROUND (64 * KB)

enum dax_mode { DAX_DISABLED, DAX_DEVDAX, DAX_FAMFS, DAX_RAM };

/* Write @text to the file. Return: 0 or -errno. */
int write_text(const char *path, const char *text);
/* Return: the number in the file; ends the program if there is none. */
unsigned long long read_number(const char *path);

enum dax_mode dax_get_mode(const char *dev);
/* As "daxctl reconfigure-device" does it. Return: 0 or -errno. */
int dax_set_mode(const char *dev, enum dax_mode mode);
/* Unbind without choosing another mode. Return: 0 or -errno. */
int dax_unbind(const char *dev);
/* Offset of a page of a device to its page frame number. */
uint64_t dax_pfn(const char *dev, uint64_t off);

/* Let a page of the device fail. Return: 0 or -errno. */
int dax_poison(const char *dev, uint64_t off);

/* A mount with its server in a process of its own. */
struct server {
	pid_t pid;
	char mnt[32];
	char layout[48];
	char stats_path[48];
	const volatile uint64_t *stats;
};

/* @flags: options of famfs_server, e.g. "-n", or NULL */
void server_start(struct server *s, const char *layout, const char *flags);
/* Unmount and wait for the server. Return: 0 or -errno of the unmount. */
int server_stop(struct server *s);
void server_kill(struct server *s);
/* Replace the layout of a running server. */
void server_reload(struct server *s, const char *layout);
/* Requests so far: all of them, or those of an opcode. */
uint64_t server_requests(const struct server *s);
uint64_t server_count(const struct server *s, int opcode);
/* Open a file below the mount. Return: descriptor or -errno. */
int server_open(const struct server *s, const char *name, int flags);

/* Map at an address that is @align plus @skew. Return: NULL on failure. */
void *map_at(size_t len, int prot, int flags, int fd, off_t off, size_t align,
	     size_t skew);
void *map_file(int fd, size_t len, int prot, int flags);

/*
 * Register for write protection by userfaultfd that the kernel resolves itself.
 * Return: the descriptor, or -1 if the kernel can not do that.
 */
int uffd_open(void *p, size_t len);
/* Protect, or resolve the protection. Return: 0 or -1. */
int uffd_protect(int uffd, void *p, size_t len, bool protect);

/* Page faults of this process so far. */
long faults(void);

/* What a SIGBUS said. */
struct fault {
	int signo;	/* 0: none */
	int code;	/* si_code */
	void *addr;
};

/* Access one byte. Return: true if that was possible, else @f says why not. */
bool try_read(const volatile void *p, struct fault *f);
bool try_write(volatile void *p, struct fault *f);

/* The byte that pattern @seed has at @off. */
static inline uint8_t pattern(unsigned int seed, uint64_t off)
{
	uint64_t x = (off + 1) * 0x9e3779b97f4a7c15ULL + seed * 0xff51afd7ed558ccdULL;

	return (x >> 56) ^ (x >> 24);
}

void fill_pattern(void *p, size_t len, unsigned int seed, uint64_t off);
/* Return: offset of the first difference, or -1. */
ssize_t check_pattern(const void *p, size_t len, unsigned int seed, uint64_t off);

/* Lines of the kernel's log that report a bug, since the last call. */
int log_problems(void);
/* The same, but lines with @word, if that is not NULL, do not count. */
int log_problems_but(const char *word);
/* Print what kmemleak finds. Return: the number of objects, -1 without it. */
int find_leaks(void);

#endif
