// SPDX-License-Identifier: GPL-2.0
/* What the tests share, see util.h. */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../kselftest.h"
#include "server.h"
#include "util.h"

#define BUS "/sys/bus/dax"
#define CORRUPT_PFN "/sys/kernel/debug/hwpoison/corrupt-pfn"

unsigned long page_size;

static void __attribute__((constructor)) get_page_size(void)
{
	page_size = sysconf(_SC_PAGESIZE);
}

bool small_pages(void)
{
	static const char path[] = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size";

	return PAGE == 4 * KB && !access(path, R_OK) && read_number(path) == PMD;
}

double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

const char *strf(const char *fmt, ...)
{
	/* all in one page, so that after a fork() at most one page is copied */
	static char texts[8][256] __attribute__((aligned(2048)));
	static unsigned int last;
	char *text = texts[++last % ARRAY_SIZE(texts)];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(texts[0]), fmt, args);
	va_end(args);
	return text;
}

int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

const char *read_text(const char *path)
{
	static char text[64 * KB];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	while (fd >= 0 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += n;
	text[len] = 0;
	close(fd);
	return text;
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

bool rw_works(int fd, off_t off)
{
	static uint32_t value;
	uint32_t seen = 0;

	value++;
	return pwrite(fd, &value, sizeof(value), off) == sizeof(value) &&
	       pread(fd, &seen, sizeof(seen), off) == sizeof(seen) &&
	       seen == value;
}

bool is_dax(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx))
		err(1, "statx");
	return stx.stx_attributes & STATX_ATTR_DAX;
}

dev_t dev_of(const char *path)
{
	struct stat st;

	if (stat(path, &st))
		err(1, "%s", path);
	return st.st_rdev;
}

/* --- Processes --- */

#define CHILD_SECONDS 60

pid_t child_start(void)
{
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid)
		alarm(CHILD_SECONDS);
	return pid;
}

int child_wait(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		err(1, "waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

int child_kill(pid_t pid)
{
	kill(pid, SIGKILL);
	return child_wait(pid);
}

bool child_runs(pid_t pid)
{
	siginfo_t info = {};

	if (waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT))
		err(1, "waitid");
	return !info.si_pid;
}

bool child_ends(pid_t pid, double within)
{
	double end = seconds() + within;

	while (child_runs(pid) && seconds() < end)
		usleep(10000);
	return !child_runs(pid);
}

int child_within(pid_t pid, double within)
{
	return child_ends(pid, within) ? child_wait(pid) : -ETIMEDOUT;
}

pid_t child_shell(const char *script, const char *arg)
{
	pid_t pid = vfork();

	if (!pid) {
		/* exec would close them only after the parent has gone on */
		close_range(3, ~0U, 0);
		alarm(CHILD_SECONDS);
		execl("/bin/sh", "sh", "-c", script, "sh", arg, NULL);
		_exit(127);
	}
	return pid;
}

pid_t child_unbinds(const char *dev)
{
	return child_shell("echo $1 > " BUS "/drivers/fsdev_dax/unbind &&"
			   "echo $1 > " BUS "/drivers/fsdev_dax/remove_id", dev);
}

/* --- Threads --- */

volatile bool race_over;

void race(void *(*const *racers)(void *arg), int nr, unsigned int ms, const char *unbind)
{
	pthread_t threads[nr];
	int i;

	race_over = false;
	for (i = 0; i < nr; i++)
		if (pthread_create(&threads[i], NULL, racers[i], NULL))
			err(1, "pthread_create");
	usleep(ms * 1000);
	if (unbind && dax_unbind(unbind))
		err(1, "unbind");
	race_over = true;
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
}

/* --- Devices --- */

char dev_big[DAX_NAME_MAX] = "/dev/", dev_two[DAX_NAME_MAX] = "/dev/";
char dev_small[DAX_NAME_MAX] = "/dev/", dev_pmem[DAX_NAME_MAX] = "/dev/";
char dev_large[DAX_NAME_MAX] = "/dev/";

static const struct role {
	const char *name;
	char *path;
	uint64_t min, max;	/* size */
	int ranges;		/* 0: any number */
} roles[] = {
	{ "big", dev_big, GB, GB },
	{ "two", dev_two, 256 * MB, 256 * MB, 2 },
	{ "small", dev_small, 128 * MB, 128 * MB },
	{ "pmem", dev_pmem, 164 * MB, ~0ULL },
	{ "large", dev_large, 2 * GB, ~0ULL },
};

static void set_role(const char *role, const char *dev)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(roles) && strcmp(roles[i].name, role))
		i++;
	if (i == ARRAY_SIZE(roles) || !dev)
		errx(1, "FAMFS_TEST_DEVS: %s is not ROLE=DEVICE", role);
	snprintf(roles[i].path, DAX_NAME_MAX, "/dev/%s", dev);
	/* for layouts */
	setenv(role, roles[i].path, 1);
}

static void skip_program(const char *why)
{
	printf("TAP version 13\n1..0 # SKIP %s\n", why);
	exit(KSFT_SKIP);
}

void require_test_devs(void)
{
	const char *env = getenv("FAMFS_TEST_DEVS");
	char *text, *word;

	if (!env)
		skip_program("FAMFS_TEST_DEVS does not say which devices may be used");
	if (geteuid())
		skip_program("not root");
	text = strdup(env);
	while ((word = strsep(&text, ", \t\n"))) {
		const char *role = strsep(&word, "=");

		if (*role)
			set_role(role, word);
	}
}

static int nr_ranges(const char *dev)
{
	int n = 0;

	while (!access(strf(BUS "/devices/%s/mapping%d", dev, n), F_OK))
		n++;
	return n;
}

/* Return: why the device does not suit its role, or NULL. */
static const char *unsuitable(const struct role *role)
{
	const char *dev = role->path + 5;

	if (!*dev)
		return strf("no device is the %s one", role->name);
	if (access(strf(BUS "/devices/%s", dev), F_OK))
		return strf("%s does not exist", dev);
	if (dax_size(dev) < role->min || dax_size(dev) > role->max)
		return strf("%s has not the size of the %s one", dev, role->name);
	if (role->ranges && nr_ranges(dev) != role->ranges)
		return strf("%s has not %d ranges", dev, role->ranges);
	if (test_folio() == PAGE)
		return NULL;
	if (access(strf(BUS "/devices/%s/folio_size", dev), F_OK))
		return "the kernel has no folio_size";
	if (!small_pages())
		return "2 MiB is not the size of a PMD";
	return test_folio() == GB ? not_giant(dev) : NULL;
}

/* The position in the kernel's log, and what was found so far. */
static struct {
	int fd;			/* 0: log_mark() was not called */
	int problems;
	unsigned long long tainted;
} klog;

const char *begin_test(const char *const *devs, size_t nr)
{
	const char *why = NULL;
	size_t i, j;

	if (access(BUS "/drivers/fsdev_dax", F_OK))
		return "no driver fsdev_dax";
	/* of a test that has ended with a message */
	if (!klog.fd)
		detach_all();
	for (i = 0; i < nr; i++)
		for (j = 0; j < ARRAY_SIZE(roles) && !why; j++)
			if (devs[i] == roles[j].path + 5)
				why = unsuitable(&roles[j]);
	for (i = 0; i < nr && !why; i++)
		if (devs[i] && dax_set_mode(devs[i], DAX_FAMFS))
			errx(1, "%s does not get into famfs mode", devs[i]);
	/* a test that needs more devices than its fixture does comes here again */
	if (!klog.fd)
		log_mark();
	return why;
}

static const char *const drivers[] = {
	[DAX_DEVDAX] = "device_dax",
	[DAX_FAMFS] = "fsdev_dax",
	[DAX_RAM] = "kmem",
};

enum dax_mode dax_get_mode(const char *dev)
{
	char link[256];
	ssize_t n;
	int i;

	n = readlink(strf(BUS "/devices/%s/driver", dev), link, sizeof(link) - 1);
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
	return write_text(strf(BUS "/drivers/%s/%s", drivers[mode], attr), dev);
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

static int driver_bind(enum dax_mode mode, const char *dev)
{
	int ret;

	ret = driver_write(mode, "new_id", dev);
	if (ret)
		return ret;
	if (dax_get_mode(dev) != mode)
		ret = driver_write(mode, "bind", dev);
	if (!ret && dax_get_mode(dev) != mode)
		ret = -ENXIO;
	return ret;
}

int dax_set_folios(const char *dev, size_t size)
{
	return dax_unbind(dev) ?:
	       dax_write(dev, "folio_size", strf("%zu", size)) ?:
	       driver_bind(DAX_FAMFS, dev);
}

size_t test_folio(void)
{
	const char *env = getenv("FAMFS_TEST_FOLIO");

	return env ? strtoul(env, NULL, 0) : PAGE;
}

/* What an earlier test left in folio_size does not count. */
static int set_famfs_mode(const char *dev)
{
	const char *path = strf(BUS "/devices/%s/folio_size", dev);
	size_t size = test_folio();

	if (size != PAGE || !access(path, F_OK)) {
		if (dax_get_mode(dev) == DAX_FAMFS && read_number(path) == size)
			return 0;
		return dax_set_folios(dev, size);
	}
	if (dax_get_mode(dev) == DAX_FAMFS)
		return 0;
	return dax_unbind(dev) ?: driver_bind(DAX_FAMFS, dev);
}

int dax_set_mode(const char *dev, enum dax_mode mode)
{
	if (mode == DAX_FAMFS)
		return set_famfs_mode(dev);
	if (dax_get_mode(dev) == mode)
		return 0;
	return dax_unbind(dev) ?:
	       mode == DAX_DISABLED ? 0 : driver_bind(mode, dev);
}

int dax_rebind(const char *dev)
{
	return dax_unbind(dev) ?: dax_set_mode(dev, DAX_FAMFS);
}

int dax_write(const char *dev, const char *attr, const char *text)
{
	return write_text(strf(BUS "/devices/%s/%s", dev, attr), text);
}

uint64_t dax_size(const char *dev)
{
	return read_number(strf(BUS "/devices/%s/size", dev));
}

int dax_open(const char *dev, int flags)
{
	int fd = open(strf("/dev/%s", dev), flags | O_CLOEXEC);

	if (fd < 0)
		err(1, "%s", dev);
	return fd;
}

uint64_t dax_pfn(const char *dev, uint64_t off)
{
	int i, n = nr_ranges(dev);

	for (i = 0; i < n; i++) {
		const char *range = strf(BUS "/devices/%s/mapping%d", dev, i);
		uint64_t start = read_number(strf("%s/start", range));
		uint64_t end = read_number(strf("%s/end", range));
		uint64_t at = read_number(strf("%s/page_offset", range)) * PAGE;

		if (off >= at && off - at <= end - start)
			return (start + off - at) / PAGE;
	}
	errx(1, "%s has no offset %#jx", dev, (uintmax_t)off);
}

/* Only x86 has a flag for it. */
const char *not_giant(const char *dev)
{
	if (system("grep -qw pdpe1gb /proc/cpuinfo"))
		return "the CPU has no pages of 1 GiB";
	if (dax_pfn(dev, 0) % (GB / PAGE))
		return "the device is not aligned to 1 GiB";
	return NULL;
}

bool can_poison(void)
{
	return !access(CORRUPT_PFN, W_OK);
}

int dax_poison(const char *dev, uint64_t off)
{
	char pfn[32];

	snprintf(pfn, sizeof(pfn), "%#jx", (uintmax_t)dax_pfn(dev, off));
	return write_text(CORRUPT_PFN, pfn);
}

/* --- The server --- */

static void write_layout(const struct server *s, const char *layout)
{
	if (write_text(s->layout, layout))
		err(1, "%s", s->layout);
}

static bool is_mounted(const char *mnt)
{
	struct stat st, up;

	return !stat(mnt, &st) && !stat(strf("%s/..", mnt), &up) &&
	       st.st_dev != up.st_dev;
}

static void wait_mounted(struct server *s)
{
	double end = seconds() + 10;

	while (!is_mounted(s->mnt)) {
		if (!child_runs(s->pid))
			errx(1, "the server ended with status %d", child_wait(s->pid));
		if (seconds() > end)
			errx(1, "the server does not mount");
		usleep(10000);
	}
}

static void map_stats(struct server *s)
{
	int fd = open(s->stats_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || ftruncate(fd, SERVER_NR_STATS * sizeof(uint64_t)))
		err(1, "%s", s->stats_path);
	s->stats = mmap(NULL, SERVER_NR_STATS * sizeof(uint64_t), PROT_READ, MAP_SHARED, fd, 0);
	if (s->stats == MAP_FAILED)
		err(1, "mmap");
	close(fd);
}

/* It is in the directory of this program. */
static void exec_server(struct server *s, const char *flags)
{
	char *argv[] = { "famfs_server", (char *)flags, s->layout, s->mnt, s->stats_path, NULL };
	char self[256] = "";
	const char *path;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		err(2, "/proc/self/exe");
	path = strf("%s/famfs_server", dirname(self));
	if (!flags)
		argv[1] = argv[0];
	execv(path, flags ? argv : argv + 1);
	err(2, "%s", path);
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
		exec_server(s, flags);
	}
	wait_mounted(s);
}

void server_start_f(struct server *s, const char *layout)
{
	server_start(s, layout, NULL);
	s->fd = server_must_open(s, "f", O_RDWR);
}

static void wait_end(struct server *s)
{
	if (child_within(s->pid, 10) == -ETIMEDOUT)
		errx(1, "the server does not end");
	s->pid = 0;
}

void server_kill(struct server *s)
{
	if (!s->pid)
		return;
	kill(s->pid, SIGKILL);
	wait_end(s);
}

static bool is_below(const char *path, const char *mnt)
{
	const size_t len = strlen(mnt);

	return !strncmp(path, mnt, len) && (!path[len] || path[len] == '/');
}

void let_go(const char *mnt)
{
	const char *line = read_text("/proc/self/maps");
	DIR *fds = opendir("/proc/self/fd");
	unsigned long start, end;
	struct dirent *d;
	char path[256];

	while (fds && (d = readdir(fds))) {
		ssize_t n = readlinkat(dirfd(fds), d->d_name, path, sizeof(path) - 1);

		path[n < 0 ? 0 : n] = 0;
		if (is_below(path, mnt))
			close(atoi(d->d_name));
	}
	if (fds)
		closedir(fds);
	for (; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %255s", &start, &end, path) == 3 &&
		    is_below(path, mnt))
			munmap((void *)start, end - start);
}

int server_stop(struct server *s)
{
	if (!*s->mnt)
		return 0;
	let_go(s->mnt);
	if (umount2(s->mnt, 0))
		return -errno;
	if (s->pid)
		wait_end(s);
	rmdir(s->mnt);
	unlink(s->layout);
	unlink(s->stats_path);
	munmap((void *)s->stats, SERVER_NR_STATS * sizeof(uint64_t));
	*s->mnt = 0;
	return 0;
}

int server_stop_unpinned(struct server *s)
{
	double end = seconds() + UNPIN_SECONDS;
	int ret;

	while ((ret = server_stop(s)) == -EBUSY && seconds() < end)
		usleep(50000);
	return ret;
}

const char *kept(const char *mnt)
{
	return read_text(connection_file(mnt, "pinned"));
}

bool let_loose(const char *mnt)
{
	double end = seconds() + UNPIN_SECONDS;

	while (*kept(mnt) && seconds() < end)
		usleep(50000);
	return !*kept(mnt);
}

bool dax_gets_free(int fd)
{
	double end = seconds() + UNPIN_SECONDS;
	char byte;

	while (pread(fd, &byte, 1, 0) != 1 && seconds() < end)
		usleep(50000);
	return pread(fd, &byte, 1, 0) == 1;
}

int open_unpinned(const char *path)
{
	double end = seconds() + UNPIN_SECONDS;
	int fd;

	while ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0 && errno == EBUSY && seconds() < end)
		usleep(50000);
	return fd < 0 ? -errno : fd;
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
	int fd = open(strf("%s/%s", s->mnt, name), flags | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : fd;
}

int server_must_open(const struct server *s, const char *name, int flags)
{
	int fd = server_open(s, name, flags);

	if (fd < 0)
		errx(1, "%s: %s", name, strerror(-fd));
	return fd;
}

unsigned int connection_of(const char *mnt)
{
	struct stat st;

	if (stat(mnt, &st))
		err(1, "%s", mnt);
	return minor(st.st_dev);
}

const char *connection_file(const char *mnt, const char *name)
{
	static const char dir[] = "/sys/fs/fuse/connections";

	/* EBUSY if that has been done */
	mount("fusectl", dir, "fusectl", 0, NULL);
	return strf("%s/%u/%s", dir, connection_of(mnt), name);
}

int detach_all(void)
{
	char line[512], dir[64];
	FILE *f = fopen("/proc/mounts", "re");
	int found = 0;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "famfs %63s fuse", dir) != 1 || strncmp(dir, "/tmp/", 5))
			continue;
		umount2(dir, MNT_DETACH);
		found++;
	}
	if (f)
		fclose(f);
	return found;
}

/* --- Memory --- */

long faults(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return ru.ru_minflt + ru.ru_majflt;
}

long touch_range(uint8_t *p, size_t off, size_t end, size_t step, bool write)
{
	volatile uint8_t *v = p;
	long before = faults();

	for (; off < end; off += step) {
		if (write)
			v[off] = pattern(1, off);
		else
			(void)v[off];
	}
	return faults() - before;
}

void *map_at(size_t len, int prot, int flags, int fd, off_t off, size_t align, size_t skew)
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
	if (p == MAP_FAILED)
		err(1, "mmap");
	return p;
}

void *map_file(int fd, size_t len, int prot, int flags)
{
	return map_at(len, prot, flags, fd, 0, PMD, 0);
}

void *map_rw(int fd, size_t len, size_t skew)
{
	return map_at(len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0, PMD, skew);
}

int pin(int pipes[2], void *p)
{
	struct iovec iov = { p, PAGE };

	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		err(1, "pipe");
	return vmsplice(pipes[1], &iov, 1, 0) == (ssize_t)PAGE ? 0 : -errno;
}

void unpin(int pipes[2], void *page)
{
	char buf[PAGE];

	/* children may have the pipe, too */
	if (read(pipes[0], page ?: buf, PAGE) < 0 && errno != EAGAIN)
		err(1, "pipe");
	close(pipes[0]);
	close(pipes[1]);
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
	int error = 0;

	if (uffd < 0)
		return -1;
	if (ioctl(uffd, UFFDIO_API, &api))
		error = ENOSYS;
	else if (ioctl(uffd, UFFDIO_REGISTER, &reg))
		error = errno;
	if (!error)
		return uffd;
	close(uffd);
	errno = error;
	return -1;
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
static bool bus_returns;	/* to bus_jmp */
static struct fault *bus_fault;

static void on_bus(int sig, siginfo_t *info, void *context)
{
	bus_fault->signo = sig;
	bus_fault->code = info->si_code;
	bus_fault->addr = info->si_addr;
	bus_fault->lsb = info->si_addr_lsb;
	if (bus_returns)
		siglongjmp(bus_jmp, 1);
}

void note_faults(struct fault *f)
{
	struct sigaction bus = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO };

	bus_fault = f;
	*f = (struct fault){};
	bus_returns = false;
	sigaction(SIGBUS, &bus, NULL);
}

static bool try_access(volatile uint8_t *p, bool write, struct fault *f)
{
	struct fault dummy;

	note_faults(f ?: &dummy);
	bus_returns = true;
	if (!sigsetjmp(bus_jmp, 1)) {
		if (write)
			*p = *p;
		else
			(void)*p;
	}
	signal(SIGBUS, SIG_DFL);
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

bool write_pattern(int fd, size_t len, unsigned int seed, off_t off)
{
	void *buf = malloc(len);
	bool ok;

	if (!buf)
		err(1, "malloc");
	fill_pattern(buf, len, seed, off);
	ok = pwrite(fd, buf, len, off) == (ssize_t)len;
	free(buf);
	return ok;
}

bool has_pattern(int fd, size_t len, unsigned int seed, off_t off)
{
	void *buf = calloc(1, len);
	bool ok;

	if (!buf)
		err(1, "malloc");
	ok = pread(fd, buf, len, off) == (ssize_t)len &&
	     check_pattern(buf, len, seed, off) < 0;
	free(buf);
	return ok;
}

/* --- The kernel's log --- */

#define TAINTED "/proc/sys/kernel/tainted"

void log_mark(void)
{
	if (klog.fd)
		close(klog.fd);
	klog.fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (klog.fd < 0)
		err(1, "/dev/kmsg");
	lseek(klog.fd, 0, SEEK_END);
	klog.problems = 0;
	klog.tainted = read_number(TAINTED);
}

static bool is_problem(const char *line)
{
	static const char *const words[] = {
#include "problems.h"
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (strstr(line, words[i]))
			return true;
	return false;
}

/*
 * A line begins with facility * 8 + severity, and facility 0 is the kernel. An
 * emulated machine complains about its clocks and timers.
 */
static bool is_of_kernel(const char *line)
{
	return atoi(line) < 8 && !strstr(line, "clocksource") &&
	       !strstr(line, "hrtimer: interrupt took");
}

/* Print and count a problem. Return: is it a line of the kernel with @text? */
static bool log_line(const char *line, const char *text)
{
	bool problem = is_problem(line);
	bool wanted = false;

	if (text && is_of_kernel(line))
		wanted = *text == '!' ? !strstr(line, text + 1) :
					!!strstr(line, text);

	klog.problems += problem;
	if (problem || wanted)
		printf("# kernel: %s", line);
	return wanted;
}

int log_lines(const char *text)
{
	char line[8192];
	int found = 0;
	ssize_t n;

	if (!klog.fd)
		errx(1, "log_mark() has not been called");
	for (;;) {
		n = read(klog.fd, line, sizeof(line) - 1);
		if (n < 0 && errno == EAGAIN)
			return found;
		if (n >= 0) {
			line[n] = 0;
			found += log_line(line, text);
		} else if (errno == EPIPE) {
			printf("# kernel: messages were lost\n");
			klog.problems++;
		} else {
			err(1, "/dev/kmsg");
		}
	}
}

int log_problems(void)
{
	unsigned long long before = klog.tainted;
	int found;

	log_lines(NULL);
	klog.tainted = read_number(TAINTED);
	if (klog.tainted & ~before) {
		printf("# kernel: tainted was %#llx and is %#llx\n", before, klog.tainted);
		klog.problems++;
	}
	found = klog.problems;
	klog.problems = 0;
	return found;
}
