// SPDX-License-Identifier: GPL-2.0
/* What the tests share, see util.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"
#include "util.h"

#define BUS "/sys/bus/dax"

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

unsigned long long read_number(const char *path)
{
	unsigned long long n;
	FILE *f = fopen(path, "re");

	if (!f || fscanf(f, "%lli", (long long *)&n) != 1)
		err(1, "%s", path);
	fclose(f);
	return n;
}

static const char *const drivers[] = {
	[DAX_DEVDAX] = "device_dax",
	[DAX_FAMFS] = "fsdev_dax",
	[DAX_RAM] = "kmem",
};

enum dax_mode dax_get_mode(const char *dev)
{
	char path[128], link[256];
	ssize_t n;
	int i;

	snprintf(path, sizeof(path), BUS "/devices/%s/driver", dev);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return DAX_DISABLED;
	link[n] = 0;
	for (i = DAX_DEVDAX; i <= DAX_RAM; i++)
		if (!strcmp(basename(link), drivers[i]))
			return i;
	errx(1, "%s: driver %s?", dev, link);
}

static int driver_write(enum dax_mode mode, const char *attr, const char *dev)
{
	char path[128];

	snprintf(path, sizeof(path), BUS "/drivers/%s/%s", drivers[mode], attr);
	return write_text(path, dev);
}

int dax_unbind(const char *dev)
{
	enum dax_mode mode = dax_get_mode(dev);
	int ret;

	if (mode == DAX_DISABLED)
		return 0;
	ret = driver_write(mode, "unbind", dev);
	if (!ret)
		driver_write(mode, "remove_id", dev);
	return ret;
}

int dax_set_mode(const char *dev, enum dax_mode mode)
{
	int ret;

	if (dax_get_mode(dev) == mode)
		return 0;
	ret = dax_unbind(dev);
	if (ret || mode == DAX_DISABLED)
		return ret;
	ret = driver_write(mode, "new_id", dev);
	if (ret)
		return ret;
	if (dax_get_mode(dev) != mode)
		ret = driver_write(mode, "bind", dev);
	if (!ret && dax_get_mode(dev) != mode)
		ret = -ENXIO;
	return ret;
}

uint64_t dax_pfn(const char *dev, uint64_t off)
{
	char path[128];
	int i;

	for (i = 0; i < 16; i++) {
		uint64_t start, end, at;

		snprintf(path, sizeof(path), BUS "/devices/%s/mapping%d/start", dev, i);
		if (access(path, F_OK))
			break;
		start = read_number(path);
		snprintf(path, sizeof(path), BUS "/devices/%s/mapping%d/end", dev, i);
		end = read_number(path);
		snprintf(path, sizeof(path), BUS "/devices/%s/mapping%d/page_offset",
			 dev, i);
		at = read_number(path) * PAGE;
		if (off >= at && off - at <= end - start)
			return (start + off - at) / PAGE;
	}
	errx(1, "%s has no offset %#jx", dev, (uintmax_t)off);
}

int dax_poison(const char *dev, uint64_t off)
{
	char pfn[32];

	snprintf(pfn, sizeof(pfn), "%#jx", (uintmax_t)dax_pfn(dev, off));
	return write_text("/sys/kernel/debug/hwpoison/corrupt-pfn", pfn);
}

static void write_layout(const struct server *s, const char *layout)
{
	FILE *f = fopen(s->layout, "we");

	if (!f || fputs(layout, f) < 0 || fclose(f))
		err(1, "%s", s->layout);
}

static bool is_mounted(const char *mnt)
{
	struct stat st, up;
	char path[64];

	snprintf(path, sizeof(path), "%s/..", mnt);
	return !stat(mnt, &st) && !stat(path, &up) && st.st_dev != up.st_dev;
}

static void wait_mounted(struct server *s)
{
	int i, status;

	for (i = 0; i < 1000; i++) {
		if (is_mounted(s->mnt))
			return;
		if (waitpid(s->pid, &status, WNOHANG) == s->pid)
			errx(1, "the server ended with status %#x", status);
		usleep(10000);
	}
	errx(1, "the server does not mount");
}

static void map_stats(struct server *s)
{
	int fd = open(s->stats_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, SERVER_NR_STATS * sizeof(uint64_t)))
		err(1, "%s", s->stats_path);
	s->stats = mmap(NULL, SERVER_NR_STATS * sizeof(uint64_t), PROT_READ,
			MAP_SHARED, fd, 0);
	if (s->stats == MAP_FAILED)
		err(1, "mmap");
	close(fd);
}

void server_start(struct server *s, const char *layout, const char *flags)
{
	strcpy(s->mnt, "/tmp/famfs.XXXXXX");
	if (!mkdtemp(s->mnt))
		err(1, "mkdtemp");
	snprintf(s->layout, sizeof(s->layout), "%s.layout", s->mnt);
	snprintf(s->stats_path, sizeof(s->stats_path), "%s.stats", s->mnt);
	write_layout(s, layout);
	map_stats(s);

	s->pid = fork();
	if (s->pid < 0)
		err(1, "fork");
	if (!s->pid) {
		setsid();
		if (flags)
			execlp("famfs_server", "famfs_server", flags, s->layout,
			       s->mnt, s->stats_path, NULL);
		else
			execlp("famfs_server", "famfs_server", s->layout,
			       s->mnt, s->stats_path, NULL);
		err(2, "famfs_server");
	}
	wait_mounted(s);
}

static void wait_end(struct server *s)
{
	int i;

	for (i = 0; i < 1000; i++) {
		if (waitpid(s->pid, NULL, WNOHANG) == s->pid) {
			s->pid = 0;
			return;
		}
		usleep(10000);
	}
	errx(1, "the server does not end");
}

void server_kill(struct server *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	wait_end(s);
}

int server_stop(struct server *s)
{
	if (umount2(s->mnt, 0))
		return -errno;
	if (s->pid)
		wait_end(s);
	rmdir(s->mnt);
	unlink(s->layout);
	unlink(s->stats_path);
	munmap((void *)s->stats, SERVER_NR_STATS * sizeof(uint64_t));
	return 0;
}

void server_reload(struct server *s, const char *layout)
{
	write_layout(s, layout);
	kill(s->pid, SIGHUP);
	/* the signal interrupts the wait for a request */
	usleep(100000);
}

uint64_t server_count(const struct server *s, int opcode)
{
	return s->stats[opcode];
}

uint64_t server_requests(const struct server *s)
{
	return server_stats_sum(s->stats);
}

int server_open(const struct server *s, const char *name, int flags)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", s->mnt, name);
	fd = open(path, flags | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

long faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt + ru.ru_majflt;
}

void *map_at(size_t len, int prot, int flags, int fd, off_t off, size_t align,
	     size_t skew)
{
	size_t room = len + 2 * align + skew;
	uintptr_t start;
	void *p;

	p = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		err(1, "mmap");
	start = ((uintptr_t)p + align - 1) / align * align + skew;
	munmap(p, room);
	p = mmap((void *)start, len, prot, flags | MAP_FIXED_NOREPLACE, fd, off);
	return p == MAP_FAILED ? NULL : p;
}

void *map_file(int fd, size_t len, int prot, int flags)
{
	return map_at(len, prot, flags, fd, 0, PMD, 0);
}

int uffd_open(void *p, size_t len)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_WP_ASYNC,
	};
	struct uffdio_register reg = {
		.range = { (uintptr_t)p, len },
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	int uffd = syscall(__NR_userfaultfd, O_CLOEXEC);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg)) {
		close(uffd);
		return -1;
	}
	return uffd;
}

int uffd_protect(int uffd, void *p, size_t len, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = { (uintptr_t)p, len },
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &wp);
}

static sigjmp_buf bus_jmp;
static struct fault *bus_fault;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	bus_fault->signo = sig;
	bus_fault->code = info->si_code;
	bus_fault->addr = info->si_addr;
	siglongjmp(bus_jmp, 1);
}

static bool try_access(volatile uint8_t *p, bool write, struct fault *f)
{
	struct sigaction old, bus = {
		.sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO,
	};
	struct fault dummy;

	bus_fault = f ? f : &dummy;
	*bus_fault = (struct fault){};
	sigaction(SIGBUS, &bus, &old);
	if (!sigsetjmp(bus_jmp, 1)) {
		if (write)
			*p = *p;
		else
			(void)*p;
	}
	sigaction(SIGBUS, &old, NULL);
	return !bus_fault->signo;
}

bool try_read(const volatile void *p, struct fault *f)
{
	return try_access((volatile uint8_t *)p, false, f);
}

bool try_write(volatile void *p, struct fault *f)
{
	return try_access(p, true, f);
}

void fill_pattern(void *p, size_t len, unsigned int seed, uint64_t off)
{
	uint8_t *b = p;
	size_t i;

	for (i = 0; i < len; i++)
		b[i] = pattern(seed, off + i);
}

ssize_t check_pattern(const void *p, size_t len, unsigned int seed, uint64_t off)
{
	const uint8_t *b = p;
	size_t i;

	for (i = 0; i < len; i++)
		if (b[i] != pattern(seed, off + i))
			return i;
	return -1;
}

int log_problems_but(const char *word)
{
	static const char *const bad[] = {
		"WARNING:", "BUG:", "Oops", "KASAN", "UBSAN", "possible recursive",
		"possible circular", "INFO: task", "stall", "Call Trace",
	};
	static int fd = -1;
	char line[8192];
	int found = 0;
	ssize_t n;
	size_t i;

	if (fd < 0) {
		fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			err(1, "/dev/kmsg");
		lseek(fd, 0, SEEK_END);
		return 0;
	}
	while ((n = read(fd, line, sizeof(line) - 1)) > 0) {
		line[n] = 0;
		if (word && strstr(line, word))
			continue;
		for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			if (strstr(line, bad[i])) {
				fprintf(stderr, "# kernel: %s", line);
				found++;
			}
	}
	return found;
}

int log_problems(void)
{
	return log_problems_but(NULL);
}

int find_leaks(void)
{
	static const char leaks[] = "/sys/kernel/debug/kmemleak";
	char line[256];
	int found = 0;
	FILE *f;

	/* what is found only once may be in a register, or too young */
	if (write_text(leaks, "scan"))
		return -1;
	sleep(6);
	write_text(leaks, "scan");
	f = fopen(leaks, "re");
	if (!f)
		err(1, "%s", leaks);
	while (fgets(line, sizeof(line), f)) {
		printf("# kernel: %s", line);
		found += !!strstr(line, "unreferenced object");
	}
	fclose(f);
	return found;
}
