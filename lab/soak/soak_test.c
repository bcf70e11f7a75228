// SPDX-License-Identifier: GPL-2.0
/*
 * Everything at once: files are used while servers, mounts, devices and memory
 * come and go.
 *
 * An arena is one or two devices and the mount on them. It has a keeper, which
 * mounts, disturbs what goes on, takes everything down in one of many ways, and
 * begins again; and workers, which use whatever is mounted at the moment. They
 * get errors all the time; what they do not get is an error that is not on the
 * list, data that is not theirs, or no answer.
 *
 * FAMFS_SOAK_SECONDS says for how long (20), FAMFS_SOAK_SEED which way. It goes on
 * until every operation of a worker has succeeded, and FAMFS_SOAK_OPENS files have
 * been opened, ten times as long at most, and fails if that is not enough.
 */
#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <linux/io_uring.h>

#include "raw.h"
#include "test.h"

#define CONNECTIONS "/sys/fs/fuse/connections"
#define CORRUPT_PFN "/sys/kernel/debug/hwpoison/corrupt-pfn"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_HWPOISON
#define MADV_HWPOISON 100
#endif

#define ARENAS 3
#define WORKERS 3		/* of an arena */
#define PROCS (ARENAS * (WORKERS + 1))
#define HANGS_AFTER 60		/* seconds without progress */
#define DRAIN_SECONDS 30	/* for the users of a mount to notice its end */

/* --- What they do, and what may come of it --- */

enum op {
	/* of workers, and up to WAIT what has to succeed at least once */
	OPEN, CLOSE, READ, WRITE, MMAP, READ_FAULT, WRITE_FAULT, PRIVATE_FAULT,
	DONTNEED, POPULATE, SLOT, STAT, READDIR, FSYNC, READ_TO_MAP,
	WRITE_FROM_MAP, FORK, PIN, WAIT, TRUNCATE, REGISTER, POISON,
	/* of keepers */
	BIND, MOUNT, FILL, VERIFY, RUN, DROP_CACHES, RESIZE, POISON_PFN,
	INVAL_INODE, INVAL_ENTRY, DELETE_ENTRY, STORE, RETRIEVE, PRUNE, RESEND,
	EPOCH, UMOUNT, DETACH, FORCE, ABORT, KILL, UNBIND, DRAIN, TO_DEVDAX,
	TO_RAM,
	NR_OPS
};

#define MAX_ERRS 8

/*
 * Errors that are right at one time or another. A mount or its server is gone
 * (ENOENT, ENOTCONN, ECONNABORTED); a request is lost with its connection, or a
 * file has lost its device, its layout or its memory (EIO).
 */
static const struct {
	const char *name;
	int errs[MAX_ERRS];
} ops[NR_OPS] = {
	[WAIT] = { "wait for a mount", { 0 } },
	/* the device is gone (ENODEV), a stale map is in use (EBUSY) */
	[OPEN] = { "open", { ENOENT, ENOTCONN, ECONNABORTED, EIO, ENODEV,
			     EBUSY } },
	/* FLUSH is a request */
	[CLOSE] = { "close", { ENOTCONN, ECONNABORTED, EIO } },
	[READ] = { "read", { EIO } },
	/* beyond the end of a file that has become shorter */
	[WRITE] = { "write", { EIO, ENOSPC } },
	[MMAP] = { "mmap", { 0 } },
	/* stands for SIGBUS */
	[READ_FAULT] = { "read fault", { EFAULT } },
	[WRITE_FAULT] = { "write fault", { EFAULT } },
	[PRIVATE_FAULT] = { "private fault", { EFAULT } },
	[DONTNEED] = { "MADV_DONTNEED", { 0 } },
	[POPULATE] = { "MADV_POPULATE_WRITE", { EFAULT, EHWPOISON } },
	[SLOT] = { "counter", { EIO, ENOSPC, EFAULT } },
	[STAT] = { "stat", { ENOENT, ENOTCONN, ECONNABORTED, EIO } },
	[READDIR] = { "readdir", { ENOENT, ENOTCONN, ECONNABORTED, EIO } },
	[FSYNC] = { "fsync", { EIO } },
	[READ_TO_MAP] = { "read into a mapping", { EIO, EFAULT } },
	[WRITE_FROM_MAP] = { "write from a mapping", { EIO, EFAULT, ENOSPC } },
	[TRUNCATE] = { "ftruncate", { EPERM, EIO } },
	[FORK] = { "fork", { EFAULT } },
	[PIN] = { "vmsplice", { EFAULT, EHWPOISON } },
	[REGISTER] = { "io_uring buffer", { EFAULT, EHWPOISON } },
	[POISON] = { "MADV_HWPOISON", { EFAULT, EHWPOISON, EBUSY, ENXIO } },
	[BIND] = { "bind", { 0 } },
	[MOUNT] = { "mount", { 0 } },
	[FILL] = { "fill", { 0 } },
	[VERIFY] = { "verify", { 0 } },
	[RUN] = { "round", { 0 } },
	[DROP_CACHES] = { "drop caches", { 0 } },
	[RESIZE] = { "change of a size", { 0 } },
	[POISON_PFN] = { "corrupt-pfn", { EBUSY, ENXIO, EHWPOISON } },
	[INVAL_INODE] = { "FUSE_NOTIFY_INVAL_INODE", { ENOENT } },
	[INVAL_ENTRY] = { "FUSE_NOTIFY_INVAL_ENTRY", { ENOENT } },
	[DELETE_ENTRY] = { "FUSE_NOTIFY_DELETE", { ENOENT } },
	/* a file that is memory has no cache */
	[STORE] = { "FUSE_NOTIFY_STORE", { EOPNOTSUPP, ENOENT } },
	[RETRIEVE] = { "FUSE_NOTIFY_RETRIEVE", { EOPNOTSUPP, ENOENT } },
	[PRUNE] = { "FUSE_NOTIFY_PRUNE", { 0 } },
	[RESEND] = { "FUSE_NOTIFY_RESEND", { 0 } },
	[EPOCH] = { "FUSE_NOTIFY_INC_EPOCH", { 0 } },
	[UMOUNT] = { "umount", { EBUSY } },
	[DETACH] = { "umount MNT_DETACH", { 0 } },
	[FORCE] = { "umount MNT_FORCE", { EBUSY } },
	[ABORT] = { "abort", { 0 } },
	[KILL] = { "kill of the server", { 0 } },
	[UNBIND] = { "unbind", { 0 } },
	[DRAIN] = { "wait for the last user", { 0 } },
	[TO_DEVDAX] = { "devdax mode", { 0 } },
	[TO_RAM] = { "system-ram mode", { 0 } },
};

/* --- State that all processes share --- */

struct progress {
	pid_t pid;
	enum op op;
	time_t since;
	uint64_t since_us;	/* the same, for the sums */
};

#define FILES 8

/*
 * A counter that one worker has in one file. An increment that has failed may
 * have happened, so there are two values that are right. @epoch: that of the
 * content in which they are.
 */
struct slot {
	unsigned int epoch;
	uint64_t a, b;
};

/* Written by the keeper, but for @slots */
struct arena {
	char mnt[32];
	/* until the last trace of it has been removed */
	bool mounted;
	/* number of the mount; workers give up what they have of others */
	unsigned int round;
	/* the devices are unbound at the end of the round: memory may fail */
	bool may_fail;
	/* the content was written anew so many times; 0: there is none */
	unsigned int epoch;
	struct slot slots[FILES][WORKERS];
};

static struct shared {
	bool stop;
	unsigned int bad;
	uint64_t good[NR_OPS], failed[NR_OPS], us[NR_OPS];
	struct progress progress[PROCS];
	struct arena arenas[ARENAS];
} *shared;

/* --- Processes --- */

/* of this process */
static struct progress *me;
static uint64_t rng;

static uint64_t roll(uint64_t below)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (rng >> 11) % below;
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static void add(uint64_t *count, uint64_t n)
{
	__atomic_fetch_add(count, n, __ATOMIC_RELAXED);
}

/* What this process does from now on; that is how the watchdog sees it move. */
static void begin(enum op op)
{
	uint64_t us = now_us();

	if (me->since_us)
		add(&shared->us[me->op], us - me->since_us);
	me->since_us = us;
	__atomic_store_n(&me->op, op, __ATOMIC_RELAXED);
	__atomic_store_n(&me->since, us / 1000000, __ATOMIC_RELEASE);
}

static bool stopping(void)
{
	return __atomic_load_n(&shared->stop, __ATOMIC_ACQUIRE);
}

__attribute__((format(printf, 1, 2)))
static void complain(const char *format, ...)
{
	char text[256];
	va_list args;

	/* who looks at it has seen enough */
	if (__atomic_fetch_add(&shared->bad, 1, __ATOMIC_RELAXED) > 20)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	dprintf(STDOUT_FILENO, "# pid %d: %s\n", getpid(), text);
}

/* Count it. @ret: negative errno, or not negative. Return: @ret. */
static int done(enum op op, int ret)
{
	int i;

	add(ret < 0 ? &shared->failed[op] : &shared->good[op], 1);
	if (ret >= 0)
		return ret;
	for (i = 0; i < MAX_ERRS && ops[op].errs[i]; i++)
		if (ops[op].errs[i] == -ret)
			return ret;
	complain("%s: %s", ops[op].name, strerror(-ret));
	return ret;
}

/* The same for what returns -1, with errno, if it fails. */
static int done_call(enum op op, long ret)
{
	return done(op, ret < 0 ? -errno : 0);
}

/* --- Files --- */

/* The counters of the workers are in one page, which has no pattern. */
#define SLOT_OFF (3 * PAGE)
#define MAX_RANGES 4
#define FILE_MAX (8 * MB)

/* The second device of an arena that has one is the first one again. */
struct file {
	uint64_t size;
	uint64_t chunk;		/* 0: not interleaved */
	struct {
		unsigned int dev;
		uint64_t off, len;
	} ranges[MAX_RANGES];
};

/* Folios of 2 MiB: any size, but whole ones. */
static const struct file folio_files[FILES] = {
	{ 4 * MB + 5, 0, { { 0, 16 * MB, 6 * MB } } },
	{ 4 * MB, 0, { { 0, 24 * MB, 2 * MB }, { 1, 28 * MB, 2 * MB } } },
	{ 64 * KB, 0, { { 0, 32 * MB, 2 * MB } } },
	{ 4 * MB, 2 * MB, { { 0, 36 * MB, 2 * MB }, { 1, 40 * MB, 2 * MB } } },
	{ 4 * MB, 0, { { 0, 126 * MB, 4 * MB } } },
	{ 2 * MB, 0, { { 1, 48 * MB, 2 * MB } } },
	{ 4 * MB, 2 * MB, { { 0, 52 * MB, 2 * MB }, { 1, 60 * MB, 2 * MB } } },
	{ 100 * KB + 1, 0, { { 1, 68 * MB, 2 * MB } } },
};

/* The first ones are those of the server that has only these. */
static const struct file page_files[FILES] = {
	{ 4 * MB + 5, 0, { { 0, 16 * MB, 4 * MB + 4 * KB } } },
	{ 2 * MB, 0, { { 0, 24 * MB, MB }, { 1, 28 * MB, MB } } },
	{ 64 * KB, 0, { { 0, 32 * MB + 12 * KB, 64 * KB } } },
	{ 2 * MB, 64 * KB, { { 0, 36 * MB, MB }, { 1, 40 * MB, MB } } },
	/* across the end of the first range of DAX_TWO */
	{ 2 * MB, 0, { { 0, 127 * MB, 2 * MB } } },
	{ 2 * MB, 0, { { 1, 48 * MB, 2 * MB } } },
	/* huge pages in turn on each device */
	{ 4 * MB, 2 * MB, { { 0, 52 * MB, 2 * MB }, { 1, 60 * MB, 2 * MB } } },
	{ 100 * KB + 1, 0, { { 1, 68 * MB, 104 * KB } } },
};

static const struct file *files = page_files;

/* The devices of an arena. The second one may be missing. */
static const char *const devices[ARENAS][2] = {
	{ DAX_PMEM, DAX_SMALL },
	{ DAX_TWO },
	{ DAX_BIG },
};

static unsigned int seed_of(const struct arena *a, unsigned int file)
{
	return (a - shared->arenas) * FILES + file + 1;
}

static bool has_device(const char *dev)
{
	return *dev && !access(strf("/sys/bus/dax/devices/%s", dev), F_OK);
}

static bool is_usable(unsigned int arena)
{
	const char *const *devs = devices[arena];

	return has_device(devs[0]) && (!devs[1] || has_device(devs[1]));
}

/* Is what was read at @off right? */
static bool right(const struct arena *a, unsigned int file, const void *buf,
		  size_t len, uint64_t off)
{
	size_t at, n;

	for (at = 0; at < len; at += n) {
		n = PAGE - (off + at) % PAGE;
		if (n > len - at)
			n = len - at;
		if ((off + at) / PAGE == SLOT_OFF / PAGE)
			continue;
		if (check_pattern(buf + at, n, seed_of(a, file), off + at) >= 0)
			return false;
	}
	return true;
}

static void check(const struct arena *a, unsigned int file, const void *buf,
		  size_t len, uint64_t off)
{
	if (!right(a, file, buf, len, off))
		complain("%s: wrong data in arena %u, file %u, %#jx + %#zx",
			 ops[me->op].name, (unsigned int)(a - shared->arenas),
			 file, (uintmax_t)off, len);
}

/* --- Memory that may go away at any time --- */

static sigjmp_buf bus_jmp;
static volatile sig_atomic_t bus_expected;

/* A failure elsewhere in a mapping is reported at any time, and ignored. */
static void on_bus(int sig, siginfo_t *info, void *context)
{
	if (!bus_expected)
		return;
	bus_expected = 0;
	siglongjmp(bus_jmp, 1);
}

static void catch_bus(void)
{
	struct sigaction bus = {
		.sa_sigaction = on_bus,
		.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART,
	};

	sigaction(SIGBUS, &bus, NULL);
}

/* Return: 0, or -EFAULT if there was a SIGBUS. */
static int copy(void *to, const void *from, size_t len)
{
	if (sigsetjmp(bus_jmp, 0))
		return -EFAULT;
	bus_expected = 1;
	__asm__ volatile("" : : : "memory");
	memcpy(to, from, len);
	__asm__ volatile("" : : : "memory");
	bus_expected = 0;
	return 0;
}

/* --- Workers --- */

#define MAX_IO (32 * KB)
#define HANDLES 4

/* An open file, and a mapping of it. */
struct handle {
	int fd;			/* -1: none */
	unsigned int file;
	unsigned int round;
	char *map;		/* NULL: none */
	size_t len;
	bool private;
};

static struct worker {
	struct arena *a;
	unsigned int nr;
	struct handle handles[HANDLES];
	struct handle *h;	/* what the next operation is about */
	int ring;		/* io_uring, or -1 */
	char buf[MAX_IO];
} w;

static void close_handle(struct handle *h)
{
	if (h->map)
		munmap(h->map, h->len);
	h->map = NULL;
	if (h->fd < 0)
		return;
	begin(CLOSE);
	done_call(CLOSE, close(h->fd));
	h->fd = -1;
}

static unsigned int round_of(const struct arena *a)
{
	return __atomic_load_n(&a->round, __ATOMIC_ACQUIRE);
}

static void map_handle(struct handle *h)
{
	size_t skew = roll(2) * PAGE;

	h->private = !roll(4);
	h->len = files[h->file].size;
	begin(MMAP);
	h->map = map_at(h->len, PROT_READ | PROT_WRITE, h->private ? MAP_PRIVATE : MAP_SHARED,
			h->fd, 0, PMD, skew);
	done(MMAP, 0);
}

static void do_open(enum op op)
{
	struct handle *h = w.h;

	close_handle(h);
	h->round = round_of(w.a);
	h->file = roll(FILES);
	begin(op);
	h->fd = open(strf("%s/f%u", w.a->mnt, h->file),
		     O_RDWR | O_CLOEXEC | (roll(4) ? 0 : O_DIRECT));
	done_call(op, h->fd);
	if (h->fd >= 0 && roll(4))
		map_handle(h);
}

/* Somewhere in the file, which may have become shorter in the meantime. */
static uint64_t somewhere(const struct handle *h, size_t *len)
{
	uint64_t size = files[h->file].size;
	uint64_t off = roll(size);

	*len = 1 + roll(MAX_IO);
	if (*len > size - off)
		*len = size - off;
	return off;
}

/* ... and not in the page of the counters. */
static uint64_t somewhere_else(const struct handle *h, size_t *len)
{
	uint64_t off;

	do
		off = somewhere(h, len);
	while (off < SLOT_OFF + PAGE && off + *len > SLOT_OFF);
	return off;
}

static void do_read(enum op op)
{
	size_t len;
	uint64_t off = somewhere(w.h, &len);
	ssize_t n = pread(w.h->fd, w.buf, len, off);

	if (!done_call(op, n))
		check(w.a, w.h->file, w.buf, n, off);
}

static void do_write(enum op op)
{
	size_t len;
	uint64_t off = somewhere_else(w.h, &len);
	ssize_t n;

	fill_pattern(w.buf, len, seed_of(w.a, w.h->file), off);
	n = pwrite(w.h->fd, w.buf, len, off);
	done_call(op, n);
	if (!n)
		complain("write: nothing written");
}

/* --- Through mappings. What is private is checked for being private. --- */

static void do_read_fault(enum op op)
{
	size_t len;
	uint64_t off = somewhere(w.h, &len);

	if (len > PAGE)
		len = PAGE;
	if (!done(op, copy(w.buf, w.h->map + off, len)))
		check(w.a, w.h->file, w.buf, len, off);
}

static void do_write_fault(enum op op)
{
	size_t len;
	uint64_t off = somewhere_else(w.h, &len);

	if (w.h->private)
		return;
	if (len > PAGE)
		len = PAGE;
	fill_pattern(w.buf, len, seed_of(w.a, w.h->file), off);
	done(op, copy(w.h->map + off, w.buf, len));
}

static void do_private_fault(enum op op)
{
	uint64_t off = roll(w.h->len) / PAGE * PAGE;
	char mine[16], seen[16];
	int ret;

	if (!w.h->private)
		return;
	memset(mine, 0x5a, sizeof(mine));
	ret = copy(w.h->map + off, mine, sizeof(mine));
	if (!ret)
		ret = copy(seen, w.h->map + off, sizeof(seen));
	done(op, ret);
	if (!ret && memcmp(mine, seen, sizeof(mine)))
		complain("private fault: the copy has changed");
	/* the page is that of the file again */
	madvise(w.h->map + off, PAGE, MADV_DONTNEED);
}

static void do_dontneed(enum op op)
{
	done_call(op, madvise(w.h->map, w.h->len, MADV_DONTNEED));
}

static void do_populate(enum op op)
{
	if (!w.h->private)
		done_call(op, madvise(w.h->map, w.h->len, MADV_POPULATE_WRITE));
}

/* Data that goes from a file to the same place in it changes nothing. */
static void do_to_itself(enum op op)
{
	size_t len;
	uint64_t off = somewhere_else(w.h, &len);
	char *at = w.h->map + off;

	if (!w.h->private)
		done_call(op, op == WRITE_FROM_MAP ? pwrite(w.h->fd, at, len, off) :
						     pread(w.h->fd, at, len, off));
}

/* The child has the mappings, too, and gives them up. */
static void do_fork(enum op op)
{
	int status;
	pid_t pid;

	/* takes long */
	if (roll(10))
		return;
	pid = child_start();
	if (!pid)
		_exit(-copy(w.buf, w.h->map, 1));
	status = child_wait(pid);
	if (status > 255)
		complain("fork: status %d", status);
	else
		done(op, -status);
}

/* --- A counter in the file: no write is lost, whichever way it takes --- */

static int slot_io(uint64_t *value, bool write)
{
	const size_t len = sizeof(*value);
	uint64_t at = SLOT_OFF + w.nr * len;
	ssize_t n;

	if (w.h->map && !w.h->private && roll(2))
		return write ? copy(w.h->map + at, value, len) :
			       copy(value, w.h->map + at, len);
	n = write ? pwrite(w.h->fd, value, len, at) :
		    pread(w.h->fd, value, len, at);
	return n == (ssize_t)len ? 0 : n < 0 ? -errno : -EIO;
}

/*
 * If the keeper starts a new epoch in the middle of this, whatever was seen or
 * written belongs to the old one.
 */
static void do_slot(enum op op)
{
	struct slot *s = &w.a->slots[w.h->file][w.nr];
	unsigned int epoch = __atomic_load_n(&w.a->epoch, __ATOMIC_ACQUIRE);
	uint64_t value;
	int ret;

	if (s->epoch != epoch)
		*s = (struct slot){ .epoch = epoch };
	ret = slot_io(&value, false);
	if (done(op, ret) || __atomic_load_n(&w.a->epoch, __ATOMIC_ACQUIRE) != epoch)
		return;
	if (value != s->a && value != s->b)
		complain("counter in file %u is %ju, not %ju or %ju", w.h->file,
			 (uintmax_t)value, (uintmax_t)s->a, (uintmax_t)s->b);
	s->a = value;
	s->b = value + 1;
	if (!done(op, slot_io(&s->b, true)))
		s->a = s->b;
}

/* --- Metadata --- */

static void do_stat(enum op op)
{
	struct statx stx;

	done_call(op, statx(AT_FDCWD, strf("%s/f%u", w.a->mnt, (unsigned int)roll(FILES)),
			    roll(2) ? AT_STATX_FORCE_SYNC : 0, STATX_BASIC_STATS, &stx));
}

static void do_readdir(enum op op)
{
	DIR *dir = opendir(w.a->mnt);

	if (done(op, dir ? 0 : -errno))
		return;
	while (readdir(dir))
		;
	closedir(dir);
}

static void do_fsync(enum op op)
{
	done_call(op, w.h->map && roll(2) ? msync(w.h->map, w.h->len, MS_SYNC) : fsync(w.h->fd));
}

static void do_truncate(enum op op)
{
	done_call(op, ftruncate(w.h->fd, roll(MB)));
}

/* --- Pins --- */

static void do_pin(enum op op)
{
	uint64_t off = roll(w.h->len) / PAGE * PAGE;
	int pipes[2];

	if (w.h->private || off + PAGE > w.h->len)
		return;
	if (!done(op, pin(pipes, w.h->map + off))) {
		/* the page stays what it is, whatever happens to its device */
		usleep(roll(10) ? roll(2000) : roll(200000));
		if (read(pipes[0], w.buf, PAGE) == (ssize_t)PAGE)
			check(w.a, w.h->file, w.buf, PAGE, off);
	}
	unpin(pipes, NULL);
}

static void do_register(enum op op)
{
	struct iovec iov = { w.h->map, w.h->len };

	if (w.ring < 0 || w.h->private)
		return;
	if (done_call(op, syscall(SYS_io_uring_register, w.ring, IORING_REGISTER_BUFFERS,
				  &iov, 1)))
		return;
	/* from then on, the pins alone keep the file */
	if (!roll(3))
		close_handle(w.h);
	begin(op);
	usleep(roll(10) ? roll(2000) : roll(200000));
	if (syscall(SYS_io_uring_register, w.ring, IORING_UNREGISTER_BUFFERS, NULL, 0))
		complain("%s: %s", ops[op].name, strerror(errno));
}

/* --- Failing memory --- */

static void do_poison(enum op op)
{
	uint64_t off = roll(w.h->len) / PAGE * PAGE;

	/* the copy in a private mapping is nobody's business */
	if (w.h->private || !w.a->may_fail || roll(20))
		return;
	done_call(op, madvise(w.h->map + off, PAGE, MADV_HWPOISON));
}

/* Operations by what they need; what is there twice is more frequent. */
static const struct {
	enum op op;
	void (*f)(enum op op);
	enum { ANYTIME, WITH_FILE, WITH_MAP } needs;
} work[] = {
	{ OPEN, do_open, ANYTIME },
	{ OPEN, do_open, ANYTIME },
	{ STAT, do_stat, ANYTIME },
	{ READDIR, do_readdir, ANYTIME },
	{ READ, do_read, WITH_FILE },
	{ READ, do_read, WITH_FILE },
	{ WRITE, do_write, WITH_FILE },
	{ SLOT, do_slot, WITH_FILE },
	{ SLOT, do_slot, WITH_FILE },
	{ FSYNC, do_fsync, WITH_FILE },
	{ TRUNCATE, do_truncate, WITH_FILE },
	{ READ_FAULT, do_read_fault, WITH_MAP },
	{ READ_FAULT, do_read_fault, WITH_MAP },
	{ WRITE_FAULT, do_write_fault, WITH_MAP },
	{ WRITE_FAULT, do_write_fault, WITH_MAP },
	{ PRIVATE_FAULT, do_private_fault, WITH_MAP },
	{ DONTNEED, do_dontneed, WITH_MAP },
	{ POPULATE, do_populate, WITH_MAP },
	{ READ_TO_MAP, do_to_itself, WITH_MAP },
	{ WRITE_FROM_MAP, do_to_itself, WITH_MAP },
	{ FORK, do_fork, WITH_MAP },
	{ PIN, do_pin, WITH_MAP },
	{ REGISTER, do_register, WITH_MAP },
	{ POISON, do_poison, WITH_MAP },
};

/* Let the keeper have the processor. What is still open can be used. */
static void wait_for_mount(void)
{
	if (__atomic_load_n(&w.a->mounted, __ATOMIC_ACQUIRE) || (w.h->fd >= 0 && roll(4)))
		return;
	close_handle(w.h);
	begin(WAIT);
	usleep(30000);
	done(WAIT, 0);
}

static void work_once(void)
{
	size_t i = roll(ARRAY_SIZE(work));

	w.h = &w.handles[roll(HANDLES)];
	wait_for_mount();
	/* half of what is of an old mount goes on for a while */
	if (w.h->fd >= 0 && w.h->round != round_of(w.a) && roll(2))
		close_handle(w.h);
	if ((work[i].needs >= WITH_FILE && w.h->fd < 0) ||
	    (work[i].needs == WITH_MAP && !w.h->map))
		i = 0;
	begin(work[i].op);
	work[i].f(work[i].op);
}

static int run_worker(unsigned int arena, unsigned int nr)
{
	struct io_uring_params params = {};
	int i;

	w.a = &shared->arenas[arena];
	w.nr = nr;
	w.ring = syscall(SYS_io_uring_setup, 4, &params);
	for (i = 0; i < HANDLES; i++)
		w.handles[i].fd = -1;
	catch_bus();
	while (!stopping())
		work_once();
	for (i = 0; i < HANDLES; i++)
		close_handle(&w.handles[i]);
	return 0;
}

/* --- Keepers: mounting --- */

/* What a keeper has mounted. */
static struct keeper {
	struct arena *a;
	unsigned int nr;		/* of the arena */
	const char *const *devs;
	unsigned int nr_devs;
	bool raw;
	struct server s;		/* !raw */
	struct raw r;			/* raw */
	unsigned int connection;
	uint64_t sizes[FILES];		/* what the server says now */
	char *content[FILES];
} k;

static const char *mnt(void)
{
	return k.raw ? k.r.mnt : k.s.mnt;
}

static unsigned int dev_index(unsigned int dev)
{
	return dev < k.nr_devs ? dev : 0;
}

static unsigned int nr_ranges(const struct file *f)
{
	unsigned int n = 0;

	while (n < MAX_RANGES && f->ranges[n].len)
		n++;
	return n;
}

/* How much of the file there is if every range is used to its end. */
static uint64_t capacity(const struct file *f)
{
	unsigned int i, n = nr_ranges(f);
	uint64_t sum = 0;

	for (i = 0; i < n; i++)
		sum += f->ranges[i].len;
	return sum;
}

static void layout_file(FILE *out, unsigned int i)
{
	const struct file *f = &files[i];
	unsigned int j;

	fprintf(out, "file f%u 644 %ju ", i, (uintmax_t)k.sizes[i]);
	if (f->chunk)
		fprintf(out, "interleave %ju %ju", (uintmax_t)f->chunk, (uintmax_t)capacity(f));
	else
		fprintf(out, "simple");
	for (j = 0; j < nr_ranges(f); j++)
		fprintf(out, " %u:%ju:%ju", dev_index(f->ranges[j].dev),
			(uintmax_t)f->ranges[j].off,
			(uintmax_t)f->ranges[j].len);
	fprintf(out, "\n");
}

/* For famfs_server; to be freed. */
static char *layout(void)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	unsigned int i;

	if (!out)
		err(1, "open_memstream");
	for (i = 0; i < k.nr_devs; i++)
		fprintf(out, "dev %u /dev/%s\n", i, k.devs[i]);
	for (i = 0; i < FILES; i++)
		layout_file(out, i);
	fclose(out);
	return text;
}

static void raw_add_file(unsigned int i)
{
	const struct file *f = &files[i];
	struct fuse_famfs_iext iext = { nr_ranges(f), f->chunk, capacity(f) };
	struct fuse_famfs_simple_ext ext[MAX_RANGES + 1] = {};
	unsigned int j, n = nr_ranges(f), at = 0;

	if (f->chunk)
		memcpy(&ext[at++], &iext, sizeof(iext));
	for (j = 0; j < n; j++, at++) {
		ext[at].se_devindex = dev_index(f->ranges[j].dev);
		ext[at].se_offset = f->ranges[j].off;
		ext[at].se_len = f->ranges[j].len;
	}
	raw_set_map(&k.r, i, k.sizes[i],
		    f->chunk ? FUSE_FAMFS_EXT_INTERLEAVE : FUSE_FAMFS_EXT_SIMPLE,
		    f->chunk ? 1 : n, ext, at * sizeof(ext[0]));
}

static void start_raw(void)
{
	unsigned int i;

	raw_init(&k.r);
	if (roll(2))
		k.r.s->entry_valid = 0;
	if (roll(2))
		k.r.s->attr_valid = 0;
	for (i = 0; i < k.nr_devs; i++)
		raw_set_dev(&k.r, i, strf("/dev/%s", k.devs[i]));
	for (i = 0; i < RAW_FILES; i++)
		raw_add_file(i);
	raw_start(&k.r, NULL);
}

static void start_server(void)
{
	char *text = layout();

	server_start(&k.s, text, roll(4) ? NULL : "-n");
	free(text);
}

static void mount_it(void)
{
	struct stat st;
	unsigned int i;

	begin(MOUNT);
	for (i = 0; i < FILES; i++)
		k.sizes[i] = files[i].size;
	k.raw = roll(2);
	if (k.raw)
		start_raw();
	else
		start_server();
	if (stat(mnt(), &st))
		err(1, "%s", mnt());
	k.connection = minor(st.st_dev);
	done(MOUNT, 0);
}

static unsigned int nr_files(void)
{
	return k.raw ? RAW_FILES : FILES;
}

/* Also waits until the mount before has given back the devices. */
static int open_file(unsigned int i)
{
	time_t start = seconds();
	int fd;

	while ((fd = open(strf("%s/f%u", mnt(), i), O_RDWR | O_CLOEXEC)) < 0 && errno == EBUSY) {
		if (seconds() - start > DRAIN_SECONDS)
			errx(1, "%s: the devices are not given back", mnt());
		usleep(50000);
	}
	if (fd < 0)
		err(1, "%s/f%u", mnt(), i);
	return fd;
}

static char *seen;	/* as large as any file */

/* What is in a new file: the pattern, and zeroes where the counters are. */
static void make_content(unsigned int i)
{
	k.content[i] = realloc(k.content[i], files[i].size);
	if (!k.content[i])
		err(1, "malloc");
	fill_pattern(k.content[i], files[i].size, seed_of(k.a, i), 0);
	memset(k.content[i] + SLOT_OFF, 0, PAGE);
}

static void fill_file(unsigned int i)
{
	ssize_t size = files[i].size;
	int fd = open_file(i);

	if (pwrite(fd, k.content[i], size, 0) != size)
		err(1, "file %u cannot be written", i);
	close(fd);
}

static void verify_file(unsigned int i)
{
	ssize_t size = files[i].size;
	int fd = open_file(i);

	if (pread(fd, seen, size, 0) != size)
		err(1, "file %u cannot be read", i);
	memset(seen + SLOT_OFF, 0, PAGE);
	if (memcmp(seen, k.content[i], size))
		complain("arena %u, file %u has lost its content", k.nr, i);
	close(fd);
}

/* Lies on every device of an arena. */
#define EVERYWHERE 1

/*
 * The memory has got another content, or not all the files have one: write it.
 * The epoch changes when the mount before cannot see it any more, and this one
 * cannot be seen yet.
 */
static void fill(void)
{
	unsigned int i;

	begin(FILL);
	close(open_file(EVERYWHERE));
	__atomic_add_fetch(&k.a->epoch, 1, __ATOMIC_SEQ_CST);
	for (i = 0; i < nr_files(); i++)
		fill_file(i);
	done(FILL, 0);
}

static void verify(void)
{
	unsigned int i = roll(nr_files());

	begin(VERIFY);
	verify_file(i);
	/* of the rest, that the device is there */
	for (i = 0; i < nr_files(); i++)
		close(open_file(i));
	done(VERIFY, 0);
}

/* --- Keepers: disturbances --- */

static void resize(void)
{
	unsigned int i = roll(nr_files());
	char *text;

	k.sizes[i] = k.sizes[i] == files[i].size ? files[i].size / 2 + 100 :
						   files[i].size;
	if (k.raw) {
		raw_add_file(i);
	} else {
		text = layout();
		server_reload(&k.s, text);
		free(text);
	}
}

/* A page anywhere in the files, mapped or not. */
static void poison_pfn(void)
{
	const struct file *f = &files[roll(nr_files())];
	unsigned int i = roll(nr_ranges(f));
	uint64_t off = f->ranges[i].off + roll(f->ranges[i].len);

	if (!k.a->may_fail || access(CORRUPT_PFN, W_OK))
		return;
	begin(POISON_PFN);
	done(POISON_PFN, dax_poison(k.devs[dev_index(f->ranges[i].dev)], off));
}

/* Send what is said by @code, about one of the files. Return: 0 or -errno. */
static int notify(int code)
{
	unsigned int i = roll(RAW_FILES);
	uint64_t node = raw_node(&k.r, i);
	union {
		struct fuse_notify_inval_inode_out inode;
		struct {
			struct fuse_notify_inval_entry_out out;
			char name[3];
		} entry;
		struct {
			struct fuse_notify_delete_out out;
			char name[3];
		} del;
		struct {
			struct fuse_notify_store_out out;
			char data[256];
		} store;
		struct fuse_notify_retrieve_out retrieve;
		struct {
			struct fuse_notify_prune_out out;
			uint64_t nodes[RAW_FILES];
		} prune;
	} body = {};
	size_t len = 0;

	switch (code) {
	case FUSE_NOTIFY_INVAL_INODE:
		return raw_inval_inode(&k.r, i, 0, roll(2) ? -1 : 0);
	case FUSE_NOTIFY_INVAL_ENTRY:
		body.entry.out.parent = FUSE_ROOT_ID;
		body.entry.out.namelen = 2;
		body.entry.out.flags = roll(2) ? FUSE_EXPIRE_ONLY : 0;
		sprintf(body.entry.name, "f%u", i);
		len = sizeof(body.entry.out) + sizeof(body.entry.name);
		break;
	case FUSE_NOTIFY_DELETE:
		body.del.out.parent = FUSE_ROOT_ID;
		body.del.out.child = node;
		body.del.out.namelen = 2;
		sprintf(body.del.name, "f%u", i);
		len = sizeof(body.del.out) + sizeof(body.del.name);
		break;
	case FUSE_NOTIFY_STORE:
		body.store.out.nodeid = node;
		body.store.out.size = sizeof(body.store.data);
		len = sizeof(body.store);
		break;
	case FUSE_NOTIFY_RETRIEVE:
		body.retrieve.notify_unique = 1;
		body.retrieve.nodeid = node;
		body.retrieve.size = 4096;
		len = sizeof(body.retrieve);
		break;
	case FUSE_NOTIFY_PRUNE:
		body.prune.out.count = RAW_FILES;
		for (i = 0; i < RAW_FILES; i++)
			body.prune.nodes[i] = raw_node(&k.r, i);
		len = sizeof(body.prune);
		break;
	}
	return raw_notify(&k.r, code, &body, len);
}

static void disturb(void)
{
	/* the first ones are for every server */
	static const struct {
		enum op op;
		int code;
	} ways[] = {
		{ RESIZE }, { DROP_CACHES }, { POISON_PFN },
		{ INVAL_INODE, FUSE_NOTIFY_INVAL_INODE },
		{ INVAL_ENTRY, FUSE_NOTIFY_INVAL_ENTRY },
		{ DELETE_ENTRY, FUSE_NOTIFY_DELETE }, { STORE, FUSE_NOTIFY_STORE },
		{ RETRIEVE, FUSE_NOTIFY_RETRIEVE }, { PRUNE, FUSE_NOTIFY_PRUNE },
		{ RESEND, FUSE_NOTIFY_RESEND }, { EPOCH, FUSE_NOTIFY_INC_EPOCH },
	};
	unsigned int i = roll(k.raw ? ARRAY_SIZE(ways) : 3);
	int ret = 0;

	if (ways[i].op == POISON_PFN) {
		poison_pfn();
		return;
	}
	begin(ways[i].op);
	if (ways[i].op == RESIZE)
		resize();
	else if (ways[i].op == DROP_CACHES)
		ret = write_text("/proc/sys/vm/drop_caches", "2");
	else
		ret = notify(ways[i].code);
	done(ways[i].op, ret);
}

/* --- Keepers: the end of a mount --- */

static void unmount(enum op op)
{
	int flags = op == DETACH ? MNT_DETACH : op == FORCE ? MNT_FORCE : 0;

	begin(op);
	done_call(op, umount2(mnt(), flags));
}

static void abort_it(enum op op)
{
	begin(op);
	done(op, write_text(strf(CONNECTIONS "/%u/abort", k.connection), "1"));
}

/* The keeper has the device of a raw server open, too. */
static void kill_server(enum op op)
{
	begin(op);
	if (k.raw) {
		kill(k.r.pid, SIGKILL);
		usleep(roll(100000));
		close(k.r.fd);
		k.r.fd = -1;
	} else {
		server_kill(&k.s);
	}
	done(op, 0);
}

static void unbind(void)
{
	unsigned int i;

	for (i = 0; i < k.nr_devs; i++) {
		begin(UNBIND);
		done(UNBIND, dax_unbind(k.devs[i]));
	}
}

/* In a process of its own: the rest goes on. */
static pid_t meanwhile(void (*what)(void))
{
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid)
		return pid;
	/* not to be the one that keeps a connection alive */
	close_range(3, ~0U, 0);
	rng ^= getpid();
	what();
	_exit(0);
}

static void unbind_soon(void)
{
	usleep(roll(20000));
	unbind();
}

static void poison_some(void)
{
	int i;

	for (i = 0; i < 8; i++)
		poison_pfn();
}

/* One way to end it, or several of them. */
static void end_mount(void)
{
	static const struct {
		enum op op;
		void (*f)(enum op op);
	} ways[] = {
		{ UMOUNT, unmount }, { DETACH, unmount }, { FORCE, unmount },
		{ ABORT, abort_it }, { KILL, kill_server },
	};
	unsigned int i = roll(ARRAY_SIZE(ways));
	pid_t pids[2] = {};

	if (k.a->may_fail && roll(2))
		pids[0] = meanwhile(poison_some);
	if (k.a->may_fail && roll(2))
		pids[1] = meanwhile(unbind_soon);
	ways[i].f(ways[i].op);
	if (roll(2))
		usleep(roll(300000));
	if ((pids[0] && child_wait(pids[0])) || (pids[1] && child_wait(pids[1])))
		errx(1, "a child has failed");
}

/* Whatever has been left of it, nothing is in the end. */
static void clean_up(void)
{
	begin(DETACH);
	while (!umount2(mnt(), MNT_DETACH))
		;
	if (!k.raw) {
		server_kill(&k.s);
		unlink(k.s.layout);
		unlink(k.s.stats_path);
		munmap((void *)k.s.stats, 64 * sizeof(uint64_t));
		rmdir(k.s.mnt);
		return;
	}
	kill(k.r.pid, SIGKILL);
	if (k.r.fd >= 0)
		close(k.r.fd);
	waitpid(k.r.pid, NULL, 0);
	raw_free(&k.r);
	rmdir(k.r.mnt);
}

/* --- Keepers: the devices --- */

/*
 * Another keeper who writes new_id of device_dax makes that driver bind to
 * every device that has none at that moment: begin again.
 */
static void set_mode(enum op op, const char *dev, enum dax_mode mode)
{
	int i, ret;

	begin(op);
	for (i = 0; i < 20; i++) {
		ret = dax_set_mode(dev, mode);
		if (ret != -EBUSY && ret != -ENODEV)
			break;
	}
	if (done(op, ret))
		errx(1, "%s does not bind", dev);
}

/* Return: true if the content is lost. */
static bool change_modes(void)
{
	bool lost = false;
	unsigned int i;

	for (i = 0; i < k.nr_devs; i++) {
		if (roll(2))
			set_mode(TO_DEVDAX, k.devs[i], DAX_DEVDAX);
		/* not in a node */
		if (roll(3) || !strcmp(k.devs[i], DAX_PMEM))
			continue;
		set_mode(TO_RAM, k.devs[i], DAX_RAM);
		lost = true;
	}
	return lost;
}

static void bind_all(void)
{
	unsigned int i;

	for (i = 0; i < k.nr_devs; i++)
		set_mode(BIND, k.devs[i], DAX_FAMFS);
}

/* --- Keepers: round by round --- */

static void publish(void)
{
	memcpy(k.a->mnt, mnt(), sizeof(k.a->mnt));
	__atomic_add_fetch(&k.a->round, 1, __ATOMIC_SEQ_CST);
	__atomic_store_n(&k.a->mounted, true, __ATOMIC_RELEASE);
}

/*
 * @complete: which files have our content: a raw server shows only some of
 * them, so filling through it is not enough for the next one.
 */
static void start_round(unsigned int *complete)
{
	bind_all();
	mount_it();
	if (*complete < nr_files()) {
		fill();
		*complete = nr_files();
	} else {
		verify();
	}
	/* to bind a large device takes its time */
	k.a->may_fail = !roll(strcmp(k.devs[0], DAX_BIG) ? 2 : 5);
	publish();
}

static void run_round(void)
{
	int i, n = 1 + roll(15);

	begin(RUN);
	for (i = 0; i < n && !stopping(); i++) {
		usleep(roll(200000));
		disturb();
	}
	done(RUN, 0);
}

static void end_round(unsigned int *complete)
{
	bool last = stopping();

	end_mount();
	if (k.a->may_fail || last || !roll(3))
		unbind();
	clean_up();
	__atomic_store_n(&k.a->mounted, false, __ATOMIC_RELEASE);
	if (dax_get_mode(k.devs[0]) == DAX_DISABLED && !last && change_modes())
		*complete = 0;
}

static void prepare_keeper(unsigned int arena)
{
	unsigned int i;

	k.a = &shared->arenas[arena];
	k.nr = arena;
	k.devs = devices[arena];
	k.nr_devs = k.devs[1] ? 2 : 1;
	for (i = 0; i < FILES; i++)
		make_content(i);
	seen = realloc(seen, FILE_MAX);
	if (!seen)
		err(1, "malloc");
}

static int run_keeper(unsigned int arena)
{
	unsigned int complete = 0;

	prepare_keeper(arena);
	do {
		start_round(&complete);
		run_round();
		end_round(&complete);
	} while (!stopping());
	return 0;
}

/* --- The test: start everybody, look whether they move, and stop them --- */

FIXTURE(soak)
{
	unsigned int seconds;
	uint64_t opens;
	uint64_t seed;
	unsigned int nr_procs;
	bool mounted;	/* fusectl, by us */
};

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s && *s ? strtoull(s, NULL, 0) : otherwise;
}

FIXTURE_SETUP(soak)
{
	BEGIN();
	/* is mounted already on most systems */
	self->mounted = !mount("none", CONNECTIONS, "fusectl", 0, "");
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, shared);
	self->seconds = setting("FAMFS_SOAK_SECONDS", 20);
	self->opens = setting("FAMFS_SOAK_OPENS", 0);
	self->seed = setting("FAMFS_SOAK_SEED", time(NULL) ^ getpid());
	if (getenv("FAMFS_TEST_FOLIO"))
		files = folio_files;
	printf("# seed %ju, %u s, %ju opens\n", (uintmax_t)self->seed, self->seconds,
	       (uintmax_t)self->opens);
	fflush(stdout);
}

FIXTURE_TEARDOWN(soak)
{
	if (self->mounted)
		EXPECT_EQ(0, umount(CONNECTIONS));
	END();
}

static void begin_process(FIXTURE_DATA(soak) *self, unsigned int i)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* anything but 0, and far from that of the others */
	rng = (self->seed * PROCS + i) * 0x9e3779b97f4a7c15ULL | 1;
	me = &shared->progress[i];
	begin(RUN);
}

static void start_process(FIXTURE_DATA(soak) *self, unsigned int arena, unsigned int nr)
{
	unsigned int i = self->nr_procs++;
	pid_t pid;

	/* the watchdog may look before the process does anything */
	shared->progress[i].since = seconds();
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		begin_process(self, i);
		_exit(nr == WORKERS ? run_keeper(arena) : run_worker(arena, nr));
	}
	shared->progress[i].pid = pid;
}

static void start_all(FIXTURE_DATA(soak) *self)
{
	unsigned int arena, nr;

	for (arena = 0; arena < ARENAS; arena++) {
		if (!is_usable(arena)) {
			printf("# no devices for arena %u\n", arena);
			continue;
		}
		for (nr = 0; nr <= WORKERS; nr++)
			start_process(self, arena, nr);
	}
}

static void print_file(const char *dir, const char *name)
{
	const char *line = read_text(strf("/proc/%s/%s", dir, name));
	int len;

	for (; *line; line += len) {
		len = strcspn(line, "\n") + 1;
		printf("#   %.*s\n", len - 1, line);
		if (!line[len - 1])
			break;
	}
}

static bool sleeps_uninterruptibly(const char *pid)
{
	char state = 0;

	sscanf(read_text(strf("/proc/%s/stat", pid)), "%*d (%*[^)]) %c", &state);
	return state == 'D';
}

static bool is_ours(FIXTURE_DATA(soak) *self, pid_t pid)
{
	unsigned int i;

	for (i = 0; i < self->nr_procs; i++)
		if (shared->progress[i].pid == pid)
			return true;
	return false;
}

/* Ours, and whoever else waits in the kernel. */
static void print_stacks(FIXTURE_DATA(soak) *self)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;

	while (proc && (d = readdir(proc))) {
		if (!isdigit(d->d_name[0]))
			continue;
		if (!is_ours(self, atoi(d->d_name)) && !sleeps_uninterruptibly(d->d_name))
			continue;
		printf("# process %s:\n", d->d_name);
		print_file(d->d_name, "comm");
		print_file(d->d_name, "stack");
	}
	if (proc)
		closedir(proc);
}

/* Return: true if somebody has not come any further for too long. */
static bool find_hung(FIXTURE_DATA(soak) *self)
{
	bool hung = false;
	unsigned int i;

	for (i = 0; i < self->nr_procs; i++) {
		struct progress *p = &shared->progress[i];
		time_t since = __atomic_load_n(&p->since, __ATOMIC_ACQUIRE);

		if (!p->pid || seconds() - since < HANGS_AFTER)
			continue;
		printf("# pid %d hangs in %s since %ju s\n", p->pid,
		       ops[p->op].name, (uintmax_t)(seconds() - since));
		hung = true;
	}
	if (hung)
		print_stacks(self);
	return hung;
}

/* Return: how many have ended, without success. */
static unsigned int reap(FIXTURE_DATA(soak) *self, unsigned int *left)
{
	unsigned int i, failed = 0;
	int status;

	*left = 0;
	for (i = 0; i < self->nr_procs; i++) {
		struct progress *p = &shared->progress[i];

		if (!p->pid)
			continue;
		if (waitpid(p->pid, &status, WNOHANG) != p->pid) {
			++*left;
			continue;
		}
		if (status) {
			printf("# pid %d has ended in %s with status %#x\n",
			       p->pid, ops[p->op].name, status);
			failed++;
		}
		p->pid = 0;
	}
	return failed;
}

/* Something is wrong already: give those that hang ten seconds to be gone. */
static void kill_all(FIXTURE_DATA(soak) *self)
{
	unsigned int i, left = 1;

	for (i = 0; i < self->nr_procs; i++)
		if (shared->progress[i].pid)
			kill(shared->progress[i].pid, SIGKILL);
	for (i = 0; i < 100 && left; i++) {
		usleep(100000);
		reap(self, &left);
	}
}

#define READ_COUNT(op) __atomic_load_n(&shared->good[op], __ATOMIC_RELAXED)

/* Does it have to succeed at least once? The others need luck, or are refused. */
static bool must_succeed(enum op op)
{
	return op < WAIT || op == BIND || op == MOUNT || op == FILL;
}

/* Has it lasted long enough, and been of use? */
static bool is_over(FIXTURE_DATA(soak) *self, double time)
{
	bool enough = READ_COUNT(OPEN) >= self->opens;
	int i;

	for (i = 0; i < NR_OPS; i++)
		enough &= READ_COUNT(i) || !must_succeed(i);
	return time >= self->seconds && (enough || time >= 10.0 * self->seconds);
}

/* Until it is over and all have ended. Return: true if all is well. */
static bool watch(FIXTURE_DATA(soak) *self)
{
	double start = seconds();
	unsigned int left, failed;

	for (;;) {
		failed = reap(self, &left);
		if (!left && !failed)
			return true;
		if (failed || find_hung(self)) {
			kill_all(self);
			return false;
		}
		if (is_over(self, seconds() - start) || shared->bad > 20)
			__atomic_store_n(&shared->stop, true, __ATOMIC_RELEASE);
		usleep(200000);
	}
}

/* Return: how many operations should have succeeded, and never have. */
static int print_counts(void)
{
	int i, missing = 0;

	for (i = 0; i < NR_OPS; i++) {
		uint64_t good = shared->good[i], failed = shared->failed[i];

		if (good || failed)
			printf("# %s: %ju, and %ju refused, in %ju s\n", ops[i].name,
			       (uintmax_t)good, (uintmax_t)failed,
			       (uintmax_t)shared->us[i] / 1000000);
		if (good || !must_succeed(i))
			continue;
		printf("# %s has never succeeded\n", ops[i].name);
		missing++;
	}
	return missing;
}

/* --- Afterwards --- */

/* A new mount, on which everything works; then nobody needs the devices. */
static void works_again(struct __test_metadata *_metadata, unsigned int arena)
{
	unsigned int i;

	prepare_keeper(arena);
	for (i = 0; i < k.nr_devs; i++)
		ASSERT_EQ(0, dax_set_mode(k.devs[i], DAX_FAMFS));
	for (i = 0; i < FILES; i++)
		k.sizes[i] = files[i].size;
	k.raw = false;
	start_server();
	for (i = 0; i < FILES; i++)
		fill_file(i);
	for (i = 0; i < FILES; i++)
		verify_file(i);
	EXPECT_EQ(0, server_stop(&k.s));
	for (i = 0; i < k.nr_devs; i++)
		EXPECT_EQ(0, dax_unbind(k.devs[i]));
}

/* The harness would end it after some minutes. */
TEST_F_TIMEOUT(soak, everything_at_once, 1000000)
{
	unsigned int arena;
	bool ok;

	start_all(self);
	ASSERT_LT(0, self->nr_procs);
	ok = watch(self);
	EXPECT_EQ(0, print_counts());
	EXPECT_LE(self->opens, shared->good[OPEN]);
	EXPECT_EQ(0, shared->bad);
	EXPECT_EQ(0, detach_all());
	ASSERT_TRUE(ok);
	me = &shared->progress[0];
	for (arena = 0; arena < ARENAS; arena++)
		if (is_usable(arena))
			works_again(_metadata, arena);
	EXPECT_EQ(0, shared->bad);
}

FAMFS_TEST_MAIN
