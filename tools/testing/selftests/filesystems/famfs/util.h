/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests share: dax devices, the server, memory that may be gone, the
 * kernel's log.
 *
 * Functions end the program with a message if they cannot do their work, which
 * the harness reports as a failure of the test.
 */
#ifndef UTIL_H
#define UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The devices, by role. The environment variable FAMFS_TEST_DEVS says which
 * ones the tests may use; they change modes, overwrite the content and inject
 * memory failures:
 *
 *   FAMFS_TEST_DEVS=big=dax1.0,two=dax1.1,small=dax1.2,pmem=dax0.0,large=dax1.3
 *
 * Without the variable all tests are skipped, without a role those that need
 * it. setup.sh makes such devices in a virtual machine and prints the line.
 * FAMFS_TEST_FOLIO is the size of the folios of devices in famfs mode, a page
 * without it, for tests whose files fit that.
 *
 * big:   1 GiB, aligned to 1 GiB in physical memory for giant_test
 * two:   256 MiB in two ranges of the same size
 * small: 128 MiB
 * pmem:  164 MiB or more of a static device
 * large: 2 GiB or more
 *
 * DEV_* is the path, such as "/dev/dax1.0", and DAX_* the name, such as
 * "dax1.0". Both are constant addresses, good for static tables. In the layout
 * of a server the paths are $big, $two, $small, $pmem and $large.
 */
#define DAX_NAME_MAX 32
extern char dev_big[DAX_NAME_MAX], dev_two[DAX_NAME_MAX];
extern char dev_small[DAX_NAME_MAX], dev_pmem[DAX_NAME_MAX];
extern char dev_large[DAX_NAME_MAX];

#define DEV_BIG dev_big
#define DEV_TWO dev_two
#define DEV_SMALL dev_small
#define DEV_PMEM dev_pmem
#define DEV_LARGE dev_large
#define DAX_BIG (dev_big + 5)
#define DAX_TWO (dev_two + 5)
#define DAX_SMALL (dev_small + 5)
#define DAX_PMEM (dev_pmem + 5)
#define DAX_LARGE (dev_large + 5)

/* What BEGIN() does. Return: NULL, or why the devices do not suit the tests. */
const char *begin_test(const char *const *devs, size_t nr);
/* Report a skip of the whole program and end it, without FAMFS_TEST_DEVS. */
void require_test_devs(void);

extern unsigned long page_size;
#define PAGE page_size
#define KB (1UL << 10)
#define MB (1UL << 20)
#define GB (1UL << 30)
#define PMD (2 * MB)
/* What a fault maps that cannot map 2 MiB: an aligned range of the file. */
#define AROUND (64 * KB)
/* Numbers of faults and pages are those of 4 KiB and 2 MiB. */
bool small_pages(void);

/* Seconds since some moment. */
double seconds(void);

/* Print a short text, such as a path. The last eight of them are good. */
const char *strf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Write @text to the file. Return: 0 or -errno. */
int write_text(const char *path, const char *text);
/* What a file has that is not long, until the next call. "" if it cannot be read. */
const char *read_text(const char *path);
/* Return: the number in the file; ends the program if there is none. */
unsigned long long read_number(const char *path);
/* Can a value be written to the file and read back? */
bool rw_works(int fd, off_t off);
/* Does statx() say that the file is memory? */
bool is_dax(int fd);
/* The number of the device that this is a node of. */
dev_t dev_of(const char *path);

/* --- Processes --- */

/* fork(). The child is gone after 60 s at the latest. */
pid_t child_start(void);
/* Wait for it. Return: its exit status, or 256 + the signal that ended it. */
int child_wait(pid_t pid);
/* Kill it and wait for it. */
int child_kill(pid_t pid);
bool child_runs(pid_t pid);
/* Does it end within so many seconds? */
bool child_ends(pid_t pid, double within);
/* The same, and wait for it. Return: as child_wait(), or -ETIMEDOUT. */
int child_within(pid_t pid, double within);
/*
 * Run @script in a shell, with @arg as $1, which has neither our descriptors
 * nor our mappings from the moment when this returns.
 */
pid_t child_shell(const char *script, const char *arg);
/* Unbind a device that is in famfs mode. */
pid_t child_unbinds(const char *dev);

/* --- Threads --- */

/*
 * Run so many threads for @ms, until race_over, and unbind a device under them,
 * if it is not NULL.
 */
void race(void *(*const *racers)(void *arg), int nr, unsigned int ms, const char *unbind);
extern volatile bool race_over;

/* --- Devices --- */

enum dax_mode { DAX_DISABLED, DAX_DEVDAX, DAX_FAMFS, DAX_RAM };

enum dax_mode dax_get_mode(const char *dev);
/* As "daxctl reconfigure-device" does it. Return: 0 or -errno. */
int dax_set_mode(const char *dev, enum dax_mode mode);
/* Famfs mode, with folios of other bytes than FAMFS_TEST_FOLIO. Return: 0 or -errno. */
int dax_set_folios(const char *dev, size_t size);
/* FAMFS_TEST_FOLIO, or a page. */
size_t test_folio(void);
/* Unbind without choosing another mode. Return: 0 or -errno. */
int dax_unbind(const char *dev);
/* Famfs mode again: pages that have failed are forgotten. Return: 0 or -errno. */
int dax_rebind(const char *dev);
/* Write to an attribute. Return: 0 or -errno. */
int dax_write(const char *dev, const char *attr, const char *text);
/* In bytes. */
uint64_t dax_size(const char *dev);
/* Offset of a page of a device to its page frame number. */
uint64_t dax_pfn(const char *dev, uint64_t off);
/* Open the node. Return: a descriptor. */
int dax_open(const char *dev, int flags);

/* Why a device cannot be mapped with 1 GiB, or NULL. */
const char *not_giant(const char *dev);

/* Can memory failures be injected? */
bool can_poison(void);
/* Let a page of the device fail. Return: 0 or -errno. */
int dax_poison(const char *dev, uint64_t off);

/* --- famfs_server: a mount with its server in a process of its own --- */

struct server {
	pid_t pid;
	char mnt[32];
	char layout[48];
	char stats_path[48];
	const volatile uint64_t *stats;
	int fd;		/* of server_start_f() */
};

/* @flags: an option of famfs_server, e.g. "-n", or NULL */
void server_start(struct server *s, const char *layout, const char *flags);
/* The same without flags, and open the file "f" for reading and writing. */
void server_start_f(struct server *s, const char *layout);
/* Close and unmap all that this process has open and mapped below a mount. */
void let_go(const char *mnt);
/*
 * Let go, unmount, wait for the server. Return: 0 or -errno of the unmount, 0 if
 * it does not run.
 */
int server_stop(struct server *s);
/*
 * The same, and open(2) for reading and writing, where that is EBUSY until the kernel
 * notices that pins have ended.
 */
int server_stop_unpinned(struct server *s);
int open_unpinned(const char *path);
#define UNPIN_SECONDS 10
/* The files below a mount that pins alone keep, one on each line, or "". */
const char *kept(const char *mnt);
/* Does the kernel notice that it keeps none any more? */
bool let_loose(const char *mnt);
/* Wait until the device can be read, that is, until no mount holds it. @fd: of dax_open() */
bool dax_gets_free(int fd);
void server_kill(struct server *s);
/* Replace the layout of a running server. */
void server_reload(struct server *s, const char *layout);
/* Requests so far: all of them, or those of an opcode. */
uint64_t server_requests(const struct server *s);
uint64_t server_count(const struct server *s, int opcode);
/* Open a file below the mount. Return: descriptor or -errno. */
int server_open(const struct server *s, const char *name, int flags);
/* The same, but it has to be possible. */
int server_must_open(const struct server *s, const char *name, int flags);

/* The number of the connection of a mount. */
unsigned int connection_of(const char *mnt);
/* The path of a file in its directory, in the control file system. */
const char *connection_file(const char *mnt, const char *name);

/* Unmount what is left of any server. Return: the number of mounts. */
int detach_all(void);

/* --- Memory --- */

/* Map at an address that is @align plus @skew. */
void *map_at(size_t len, int prot, int flags, int fd, off_t off, size_t align,
	     size_t skew);
void *map_file(int fd, size_t len, int prot, int flags);
/* Shared, for reading and writing: with PMDs, or with pages if @skew is PAGE. */
void *map_rw(int fd, size_t len, size_t skew);

/* Pin the page at @p: put it into a pipe. Return: 0 or -errno. */
int pin(int pipes[2], void *p);
/* End that. @page, if it is not NULL, gets what the page has. */
void unpin(int pipes[2], void *page);

/*
 * Register for write protection by userfaultfd that the kernel resolves itself.
 * Return: the descriptor, or -1 if the kernel does not have that; errno is EINVAL
 * if it does, but not for such memory.
 */
int uffd_open(void *p, size_t len);
/* Protect, or resolve the protection. Return: 0 or -1. */
int uffd_protect(int uffd, void *p, size_t len, bool protect);

/* Page faults of this process so far. */
long faults(void);
/*
 * Read a byte of each @step bytes from @off up to @end, or write it, as pattern 1
 * has it. Return: the faults that it took.
 */
long touch_range(uint8_t *p, size_t off, size_t end, size_t step, bool write);

/* What a SIGBUS said. */
struct fault {
	int signo;	/* 0: none */
	int code;	/* si_code */
	void *addr;
	int lsb;	/* the size of what has failed */
};

/* From now on, until something is tried, a SIGBUS is just noted. */
void note_faults(struct fault *f);

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
/* The same for what is at @off of a file, with one write(2) or read(2). */
bool write_pattern(int fd, size_t len, unsigned int seed, off_t off);
bool has_pattern(int fd, size_t len, unsigned int seed, off_t off);

/* --- The kernel's log --- */

/* Begin to watch it. BEGIN() does. */
void log_mark(void);
/*
 * Return: the number of reports of a bug since log_mark() or the last call,
 * which are printed. A line counts if it has one of the words in problems.h.
 * Messages that were lost count, and so does a new flag in tainted.
 */
int log_problems(void);
/*
 * Return: lines of the kernel with @text, of any severity, since the last call of
 * this or log_problems(). "" is in all lines. With "!" before it, the lines
 * without @text.
 */
int log_lines(const char *text);

#endif
