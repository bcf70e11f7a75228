// SPDX-License-Identifier: GPL-2.0
/* A FUSE server without a library, see raw.h. */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/capability.h>

#include "raw.h"
#include "util.h"

#define HOUR 3600
#define MAX_WRITE (128 * KB)

/* Node ids: the root is 1, a file has 16 * serial + 2 + its number. */
#define NODE_STEP 16
#define NODE_FIRST 2

void drop_rawio(void)
{
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &h, d))
		err(2, "capget");
	d[0].effective &= ~(1U << CAP_SYS_RAWIO);
	d[0].permitted &= ~(1U << CAP_SYS_RAWIO);
	if (syscall(SYS_capset, &h, d))
		err(2, "capset");
}

static void answer(const struct raw *r, const struct fuse_in_header *ih,
		   int error, const volatile void *body, size_t len)
{
	struct fuse_out_header oh = {
		.len = sizeof(oh) + (error ? 0 : len),
		.error = -error,
		.unique = ih->unique,
	};
	struct iovec iov[2] = {
		{ &oh, sizeof(oh) }, { (void *)body, oh.len - sizeof(oh) },
	};
	int ret = writev(r->fd, iov, 2) < 0 ? errno : 0;

	if (ih->opcode < RAW_OPCODES)
		r->s->write_err[ih->opcode] = ret;
}

static void answer_init(const struct raw *r, const struct fuse_in_header *ih)
{
	const struct fuse_init_in *in = (const void *)(ih + 1);
	struct fuse_init_out out = {
		.major = FUSE_KERNEL_VERSION,
		.minor = r->s->minor,
		.max_readahead = in->max_readahead,
		.flags = r->s->init_flags,
		.flags2 = r->s->init_flags >> 32,
		.max_write = MAX_WRITE,
		.time_gran = 1,
	};

	r->s->kernel_flags = in->flags | (uint64_t)in->flags2 << 32;
	answer(r, ih, 0, &out, sizeof(out));
}

/* Return: the number of the file, or -1. */
static int file_of(uint64_t nodeid)
{
	unsigned int i = nodeid % NODE_STEP - NODE_FIRST;

	return i < RAW_FILES ? (int)i : -1;
}

uint64_t raw_node(const struct raw *r, unsigned int i)
{
	return (uint64_t)r->s->files[i].serial * NODE_STEP + NODE_FIRST + i;
}

static void fill_attr(const struct raw *r, uint64_t nodeid,
		      struct fuse_attr *attr)
{
	const volatile struct raw_file *f;

	*attr = (struct fuse_attr){
		.ino = nodeid, .mode = S_IFDIR | 0755, .nlink = 2,
		.blksize = PAGE,
	};
	if (nodeid == FUSE_ROOT_ID) {
		attr->mode = r->s->root_type | 0755;
		return;
	}
	f = &r->s->files[file_of(nodeid)];
	attr->mode = f->mode;
	attr->nlink = 1;
	attr->size = f->size;
	attr->blocks = f->size / 512;
	attr->uid = f->uid;
	attr->gid = f->gid;
	attr->atime = attr->mtime = attr->ctime = f->mtime;
}

static void answer_lookup(const struct raw *r, const struct fuse_in_header *ih)
{
	const char *name = (const char *)(ih + 1);
	unsigned int i = name[0] == 'f' ? name[1] - '0' : RAW_FILES;
	struct fuse_entry_out out = {
		.entry_valid = r->s->entry_valid,
		.attr_valid = r->s->attr_valid,
	};

	if (i >= RAW_FILES || name[2]) {
		answer(r, ih, ENOENT, NULL, 0);
		return;
	}
	out.nodeid = raw_node(r, i);
	fill_attr(r, out.nodeid, &out.attr);
	answer(r, ih, 0, &out, sizeof(out));
}

static void answer_attr(const struct raw *r, const struct fuse_in_header *ih)
{
	struct fuse_attr_out out = { .attr_valid = r->s->attr_valid };

	fill_attr(r, ih->nodeid, &out.attr);
	answer(r, ih, 0, &out, sizeof(out));
}

static void answer_setattr(const struct raw *r, const struct fuse_in_header *ih)
{
	const struct fuse_setattr_in *in = (const void *)(ih + 1);

	if (file_of(ih->nodeid) < 0 || in->valid & FATTR_SIZE) {
		answer(r, ih, EINVAL, NULL, 0);
		return;
	}
	if (in->valid & FATTR_MODE)
		r->s->files[file_of(ih->nodeid)].mode = in->mode;
	answer_attr(r, ih);
}

static void answer_open(const struct raw *r, const struct fuse_in_header *ih)
{
	struct fuse_open_out out = {};

	if (file_of(ih->nodeid) >= 0)
		out.open_flags = r->s->files[file_of(ih->nodeid)].open_flags;
	answer(r, ih, 0, &out, sizeof(out));
}

static void answer_statfs(const struct raw *r, const struct fuse_in_header *ih)
{
	struct fuse_statfs_out out = { .st = { .bsize = PAGE, .namelen = 255 } };

	answer(r, ih, 0, &out, sizeof(out));
}

/* Of an ordinary file: zeroes. */
static void answer_read(const struct raw *r, const struct fuse_in_header *ih)
{
	static const char zeroes[MAX_WRITE];
	const struct fuse_read_in *in = (const void *)(ih + 1);

	answer(r, ih, 0, zeroes, in->size < MAX_WRITE ? in->size : MAX_WRITE);
}

static void answer_with(const struct raw *r, const struct fuse_in_header *ih,
			const volatile struct raw_reply *reply)
{
	answer(r, ih, reply->error, reply->data, reply->len);
}

/* With @pair_daxdevs the first request waits for the second one. */
static void answer_daxdev(const struct raw *r, const struct fuse_in_header *ih)
{
	static struct fuse_in_header first;
	static bool paired;

	if (r->s->pair_daxdevs && !paired) {
		if (!first.unique) {
			first = *ih;
			return;
		}
		paired = true;
		answer_with(r, &first, &r->s->devs[first.nodeid % RAW_DEVS]);
	}
	answer_with(r, ih, &r->s->devs[ih->nodeid % RAW_DEVS]);
}

static void serve_one(const struct raw *r, const struct fuse_in_header *ih)
{
	switch (ih->opcode) {
	case FUSE_INIT:
		return answer_init(r, ih);
	case FUSE_LOOKUP:
		return answer_lookup(r, ih);
	case FUSE_GETATTR:
		return answer_attr(r, ih);
	case FUSE_SETATTR:
		return answer_setattr(r, ih);
	case FUSE_OPEN:
	case FUSE_OPENDIR:
		return answer_open(r, ih);
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_READDIR:
		return answer(r, ih, 0, NULL, 0);
	case FUSE_READ:
		return answer_read(r, ih);
	case FUSE_STATFS:
		return answer_statfs(r, ih);
	case FUSE_GET_FMAP:
		return answer_with(r, ih, &r->s->files[file_of(ih->nodeid)].fmap);
	case FUSE_GET_DAXDEV:
		return answer_daxdev(r, ih);
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return;
	default:
		answer(r, ih, ENOSYS, NULL, 0);
	}
}

static void serve(const struct raw *r)
{
	static _Alignas(8) uint8_t buf[MAX_WRITE + PAGE];
	const struct fuse_in_header *ih = (const void *)buf;

	if (r->s->drop_at == RAW_DROP_START)
		drop_rawio();
	for (;;) {
		ssize_t n = read(r->fd, buf, sizeof(buf) - 1);

		if (n < 0 && errno == ENODEV)
			return;
		if (n < (ssize_t)sizeof(*ih))
			continue;
		buf[n] = 0;
		if (ih->opcode < RAW_OPCODES)
			r->s->counts[ih->opcode]++;
		if (r->s->drop_at && r->s->drop_at == (int)ih->opcode)
			drop_rawio();
		serve_one(r, ih);
	}
}

void raw_init(struct raw *r)
{
	int i;

	r->s = mmap(NULL, sizeof(*r->s), PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (r->s == MAP_FAILED)
		err(1, "mmap");
	r->s->minor = 45;
	r->s->init_flags = FUSE_INIT_EXT | FUSE_DAX_FMAP | FUSE_BIG_WRITES;
	r->s->root_type = S_IFDIR;
	r->s->entry_valid = HOUR;
	r->s->attr_valid = HOUR;
	for (i = 0; i < RAW_FILES; i++) {
		r->s->files[i].mode = S_IFREG | 0644;
		r->s->files[i].mtime = 1000000000;
	}
	for (i = 0; i < RAW_DEVS; i++)
		r->s->devs[i].error = ENODEV;
}

static void mount_fuse(struct raw *r)
{
	char opts[128];

	strcpy(r->mnt, "/tmp/raw.XXXXXX");
	if (r->s->root_type == S_IFDIR) {
		if (!mkdtemp(r->mnt))
			err(1, "mkdtemp");
	} else {
		int fd = mkstemp(r->mnt);

		if (fd < 0)
			err(1, "mkstemp");
		close(fd);
	}
	r->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (r->fd < 0)
		err(1, "/dev/fuse");
	snprintf(opts, sizeof(opts),
		 "fd=%d,rootmode=%o,user_id=0,group_id=0,allow_other,default_permissions",
		 r->fd, r->s->root_type);
	if (mount("famfs", r->mnt, "fuse", MS_NODEV, opts))
		err(1, "mount %s", r->mnt);
}

/* The server may not hold what the test is going to unmount. */
static void close_others(int keep)
{
	if (keep > 3)
		syscall(SYS_close_range, 3, keep - 1, 0);
	syscall(SYS_close_range, keep + 1, ~0U, 0);
}

int raw_try_start(struct raw *r, void (*prepare)(const struct raw *r))
{
	struct stat st;

	mount_fuse(r);
	r->pid = fork();
	if (r->pid < 0)
		err(1, "fork");
	if (!r->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_others(r->fd);
		if (prepare)
			prepare(r);
		serve(r);
		_exit(0);
	}
	/* waits for the reply to FUSE_INIT */
	return stat(r->mnt, &st) ? -errno : 0;
}

void raw_start(struct raw *r, void (*prepare)(const struct raw *r))
{
	int ret = raw_try_start(r, prepare);

	if (ret)
		errx(1, "%s: %s", r->mnt, strerror(-ret));
}

int raw_stop(struct raw *r)
{
	int ret = umount2(r->mnt, 0) ? -errno : 0;

	/* whatever has gone wrong, let the next test have the devices */
	if (ret)
		umount2(r->mnt, MNT_DETACH);
	if (ret)
		kill(r->pid, SIGKILL);
	close(r->fd);
	waitpid(r->pid, NULL, 0);
	remove(r->mnt);
	munmap((void *)r->s, sizeof(*r->s));
	return ret;
}

void raw_set_reply(volatile struct raw_reply *reply, int error, const void *data,
		   size_t len)
{
	if (len > RAW_REPLY_MAX)
		errx(1, "a reply of %zu bytes", len);
	if (data)
		memcpy((void *)reply->data, data, len);
	reply->len = len;
	reply->error = error;
}

void raw_set_dev(struct raw *r, unsigned int index, const char *name)
{
	struct fuse_daxdev_out out = { .index = index };

	strncpy(out.name, name, sizeof(out.name) - 1);
	raw_set_reply(&r->s->devs[index], 0, &out, sizeof(out));
}

void raw_set_file(struct raw *r, unsigned int i, unsigned int dev, uint64_t off,
		  uint64_t len)
{
	struct {
		struct fuse_famfs_fmap_header h;
		struct fuse_famfs_simple_ext ext;
	} map = {
		.h.fmap_version = FAMFS_FMAP_VERSION,
		.h.nextents = 1,
		.h.file_size = len,
		.ext.se_devindex = dev,
		.ext.se_offset = off,
		.ext.se_len = (len + PAGE - 1) / PAGE * PAGE,
	};

	r->s->files[i].size = len;
	raw_set_reply(&r->s->files[i].fmap, 0, &map, sizeof(map));
}

void raw_renew(struct raw *r, unsigned int i)
{
	r->s->files[i].serial++;
}

int raw_open(const struct raw *r, unsigned int i, int flags)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/f%u", r->mnt, i);
	fd = open(path, flags | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

uint64_t raw_count(const struct raw *r, int opcode)
{
	return r->s->counts[opcode];
}

uint64_t raw_requests(const struct raw *r)
{
	uint64_t sum = 0;
	int i;

	for (i = 0; i < RAW_OPCODES; i++)
		sum += r->s->counts[i];
	return sum;
}

int raw_notify(const struct raw *r, int code, const void *body, size_t len)
{
	struct fuse_out_header oh = { .len = sizeof(oh) + len, .error = code };
	struct iovec iov[2] = { { &oh, sizeof(oh) }, { (void *)body, len } };

	return writev(r->fd, iov, 2) < 0 ? -errno : 0;
}
