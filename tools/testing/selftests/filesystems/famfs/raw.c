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
#include <sys/ioctl.h>
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
#define HEADERS (64 * KB)	/* more than the headers of any request */

/* Room for replies: a little more than is allowed. */
#define FMAP_ROOM (FAMFS_FMAP_MAX + 64 * KB)
#define DEV_ROOM (4 * KB)

/* What the server and the test share. */
struct shared {
	struct raw_state s;
	uint8_t fmaps[RAW_FILES][FMAP_ROOM];
	uint8_t devs[RAW_DEVS][DEV_ROOM];
};

/* Node ids: the root is 1, a file has 16 * serial + 2 + its number. */
#define NODE_STEP 16
#define NODE_FIRST 2

/* Take a capability from the calling process, or lay it aside. */
static void set_rawio(bool effective, bool permitted)
{
	const uint32_t rawio = 1U << CAP_SYS_RAWIO;
	struct __user_cap_header_struct h = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct d[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &h, d))
		err(2, "capget");
	d[0].effective = (d[0].effective & ~rawio) | (effective ? rawio : 0);
	d[0].permitted = (d[0].permitted & ~rawio) | (permitted ? rawio : 0);
	if (syscall(SYS_capset, &h, d))
		err(2, "capset");
}

void drop_rawio(void)
{
	set_rawio(false, false);
}

int raw_open_weak(void)
{
	int fd;

	set_rawio(false, true);
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	set_rawio(true, true);
	return fd;
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
		.max_pages = MAX_WRITE / PAGE,
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

static void fill_attr(const struct raw *r, uint64_t nodeid, struct fuse_attr *attr)
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

/* The number of the file with this name, or RAW_FILES. */
static unsigned int file_named(const char *name)
{
	unsigned int i = name[0] == 'f' ? name[1] - '0' : RAW_FILES;

	return i < RAW_FILES && !name[2] ? i : RAW_FILES;
}

static void fill_entry(const struct raw *r, unsigned int i, struct fuse_entry_out *out)
{
	out->entry_valid = r->s->entry_valid;
	out->attr_valid = r->s->attr_valid;
	out->nodeid = raw_node(r, i);
	fill_attr(r, out->nodeid, &out->attr);
}

static void answer_lookup(const struct raw *r, const struct fuse_in_header *ih)
{
	unsigned int i = file_named((const char *)(ih + 1));
	struct fuse_entry_out out = {};

	if (r->s->lookup_error || i == RAW_FILES || r->s->files[i].hidden)
		return answer(r, ih, r->s->lookup_error ?: ENOENT, NULL, 0);
	fill_entry(r, i, &out);
	answer(r, ih, 0, &out, sizeof(out));
}

/* FUSE_CREATE replies with the entry and the open file, FUSE_MKNOD with half. */
static void answer_create(const struct raw *r, const struct fuse_in_header *ih)
{
	bool create = ih->opcode == FUSE_CREATE;
	struct {
		struct fuse_entry_out entry;
		struct fuse_open_out open;
	} out = {};
	unsigned int i = file_named((const char *)(ih + 1) +
				    (create ? sizeof(struct fuse_create_in) :
					      sizeof(struct fuse_mknod_in)));

	if (!(create ? r->s->can_create : r->s->can_mknod))
		return answer(r, ih, ENOSYS, NULL, 0);
	if (i == RAW_FILES || !r->s->files[i].hidden)
		return answer(r, ih, EEXIST, NULL, 0);
	r->s->files[i].hidden = false;
	fill_entry(r, i, &out.entry);
	answer(r, ih, 0, &out, create ? sizeof(out) : sizeof(out.entry));
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
	const struct fuse_open_in *in = (const void *)(ih + 1);
	struct fuse_open_out out = {};

	if (file_of(ih->nodeid) >= 0)
		out.open_flags = r->s->files[file_of(ih->nodeid)].open_flags;
	if (out.open_flags && in->flags & O_DIRECT)
		out.open_flags |= FOPEN_DIRECT_IO;
	answer(r, ih, 0, &out, sizeof(out));
}

static void answer_with(const struct raw *r, const struct fuse_in_header *ih,
			const volatile struct raw_reply *reply)
{
	answer(r, ih, reply->error, reply->data, reply->len);
}

/* Kernels that are older than the body of the request do not send it. */
static void answer_fmap(const struct raw *r, const struct fuse_in_header *ih)
{
	const struct fuse_getxattr_in *in = (const void *)(ih + 1);
	const volatile struct raw_reply *reply =
		&r->s->files[file_of(ih->nodeid)].fmap;
	struct fuse_famfs_fmap_header *h = (void *)reply->data;

	while (r->s->hold_fmap)
		usleep(1000);
	r->s->fmap_fits = ih->len < sizeof(*ih) + sizeof(*in) ? 0 : in->size;
	if (r->s->fmap_size && !reply->error && reply->len >= sizeof(*h)) {
		h->fmap_size = reply->len;
		if (r->s->fmap_fits && reply->len > r->s->fmap_fits)
			return answer(r, ih, 0, h, sizeof(*h));
	}
	answer_with(r, ih, reply);
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
	static const char zeroes[MAX_WRITE];
	const struct fuse_statfs_out statfs = { .st = { .bsize = PAGE, .namelen = 255 } };
	const struct fuse_read_in *in = (const void *)(ih + 1);

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
	case FUSE_READDIRPLUS:
		return answer(r, ih, 0, NULL, 0);
	case FUSE_CREATE:
	case FUSE_MKNOD:
		return answer_create(r, ih);
	case FUSE_READ:
		/* of an ordinary file */
		return answer(r, ih, 0, zeroes, in->size < MAX_WRITE ? in->size : MAX_WRITE);
	case FUSE_STATFS:
		return answer(r, ih, 0, &statfs, sizeof(statfs));
	case FUSE_GETXATTR:
		return answer(r, ih, ENODATA, NULL, 0);
	case FUSE_GET_FMAP:
		return answer_fmap(r, ih);
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

static void become_weak(const struct raw *r)
{
	int fd = raw_open_weak(), old = r->fd;

	if (fd < 0 || ioctl(fd, FUSE_DEV_IOC_CLONE, &old) || dup2(fd, old) < 0)
		err(2, "clone");
	close(fd);
}

static void serve(const struct raw *r)
{
	static _Alignas(8) uint8_t buf[MAX_WRITE + HEADERS];
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
		if (r->s->weak_at && r->s->weak_at == (int)ih->opcode)
			become_weak(r);
	}
}

void raw_init(struct raw *r)
{
	struct shared *shared;
	int i;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
	*r->mnt = 0;
	r->s = &shared->s;
	r->s->minor = 45;
	r->s->init_flags = FUSE_INIT_EXT | FUSE_DAX_FMAP | FUSE_BIG_WRITES;
	r->s->root_type = S_IFDIR;
	r->s->entry_valid = HOUR;
	r->s->attr_valid = HOUR;
	for (i = 0; i < RAW_FILES; i++) {
		r->s->files[i].mode = S_IFREG | 0644;
		r->s->files[i].mtime = 1000000000;
		r->s->files[i].fmap.data = shared->fmaps[i];
		r->s->files[i].fmap.room = FMAP_ROOM;
	}
	for (i = 0; i < RAW_DEVS; i++) {
		r->s->devs[i].error = ENODEV;
		r->s->devs[i].data = shared->devs[i];
		r->s->devs[i].room = DEV_ROOM;
	}
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
	r->fd = r->s->weak ? raw_open_weak() :
			     open("/dev/fuse", O_RDWR | O_CLOEXEC);
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
		close_range(3, keep - 1, 0);
	close_range(keep + 1, ~0U, 0);
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
	int ret;

	if (!*r->mnt)
		return 0;
	let_go(r->mnt);
	ret = umount2(r->mnt, 0) ? -errno : 0;
	/* whatever has gone wrong, let the next test have the devices */
	if (ret)
		umount2(r->mnt, MNT_DETACH);
	if (ret && !waitpid(r->pid, NULL, WNOHANG))
		kill(r->pid, SIGKILL);
	close(r->fd);
	waitpid(r->pid, NULL, 0);
	remove(r->mnt);
	*r->mnt = 0;
	raw_free(r);
	return ret;
}

void raw_free(struct raw *r)
{
	munmap((void *)r->s, sizeof(struct shared));
	r->s = NULL;
}

void raw_set_reply(volatile struct raw_reply *reply, int error, const void *data, size_t len)
{
	if (len > reply->room)
		errx(1, "a reply of %zu bytes", len);
	if (data)
		memcpy(reply->data, data, len);
	reply->len = len;
	reply->error = error;
}

void raw_set_dev(struct raw *r, unsigned int index, const char *name)
{
	struct fuse_daxdev_out out = { .index = index };

	strncpy(out.name, name, sizeof(out.name) - 1);
	raw_set_reply(&r->s->devs[index], 0, &out, sizeof(out));
}

void raw_set_map(struct raw *r, unsigned int i, uint64_t size, uint32_t type,
		 uint32_t n, const void *extents, size_t len)
{
	volatile struct raw_reply *reply = &r->s->files[i].fmap;
	struct fuse_famfs_fmap_header h = {
		.fmap_version = FAMFS_FMAP_VERSION,
		.ext_type = type,
		.nextents = n,
		.file_size = size,
	};

	r->s->files[i].size = size;
	raw_set_reply(reply, 0, NULL, sizeof(h) + len);
	memcpy(reply->data, &h, sizeof(h));
	memcpy(reply->data + sizeof(h), extents, len);
}

void raw_set_file(struct raw *r, unsigned int i, unsigned int dev, uint64_t off, uint64_t len)
{
	struct fuse_famfs_simple_ext ext = {
		.se_devindex = dev,
		.se_offset = off,
		.se_len = (len + test_folio() - 1) / test_folio() * test_folio(),
	};

	raw_set_map(r, i, len, FUSE_FAMFS_EXT_SIMPLE, 1, &ext, sizeof(ext));
}

void raw_set_extents(struct raw *r, unsigned int i, unsigned int n, uint64_t len,
		     void (*place)(unsigned int nr, struct fuse_famfs_simple_ext *ext))
{
	struct fuse_famfs_simple_ext *ext = calloc(n, sizeof(*ext));
	unsigned int nr;

	if (!ext)
		err(1, "calloc");
	for (nr = 0; nr < n; nr++) {
		place(nr, &ext[nr]);
		ext[nr].se_len = len;
	}
	raw_set_map(r, i, n * len, FUSE_FAMFS_EXT_SIMPLE, n, ext, n * sizeof(*ext));
	free(ext);
}

void raw_set_strips(struct raw *r, unsigned int i, unsigned int n,
		    unsigned int devs, uint64_t off, uint64_t len, uint64_t chunk)
{
	struct {
		struct fuse_famfs_iext iext;
		struct fuse_famfs_simple_ext ext[RAW_STRIPS];
	} map = {
		.iext = { .ie_nstrips = n, .ie_chunk_size = chunk,
			  .ie_nbytes = n * len },
	};
	unsigned int nr;

	for (nr = 0; nr < n; nr++) {
		map.ext[nr].se_devindex = nr % devs;
		map.ext[nr].se_offset = off + nr * len;
		map.ext[nr].se_len = len;
	}
	raw_set_map(r, i, n * len, FUSE_FAMFS_EXT_INTERLEAVE, 1, &map,
		    sizeof(map.iext) + n * sizeof(map.ext[0]));
}

void raw_renew(struct raw *r, unsigned int i)
{
	r->s->files[i].serial++;
}

const char *raw_path(const struct raw *r, unsigned int i)
{
	return strf("%s/f%u", r->mnt, i);
}

int raw_open(const struct raw *r, unsigned int i, int flags)
{
	int fd = open(raw_path(r, i), flags | O_CLOEXEC, 0644);

	return fd < 0 ? -errno : fd;
}

int raw_must_open(const struct raw *r, unsigned int i, int flags)
{
	int fd = raw_open(r, i, flags);

	if (fd < 0)
		errx(1, "%s: %s", raw_path(r, i), strerror(-fd));
	return fd;
}

int raw_try_open(const struct raw *r, unsigned int i, int flags)
{
	int fd = raw_open(r, i, flags);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

int raw_add_dev(const struct raw *r, int fd, uint64_t index)
{
	struct fuse_daxdev_map map = { .fd = fd, .daxdev_index = index };

	return ioctl(r->fd, FUSE_DEV_IOC_DAXDEV_OPEN, &map) ? -errno : 0;
}

uint64_t raw_count(const struct raw *r, int opcode)
{
	return r->s->counts[opcode];
}

uint64_t raw_requests(const struct raw *r)
{
	return server_stats_sum(r->s->counts);
}

int raw_notify(const struct raw *r, int code, const void *body, size_t len)
{
	struct fuse_out_header oh = { .len = sizeof(oh) + len, .error = code };
	struct iovec iov[2] = { { &oh, sizeof(oh) }, { (void *)body, len } };

	return writev(r->fd, iov, 2) < 0 ? -errno : 0;
}

int raw_inval_inode(const struct raw *r, unsigned int i, int64_t off, int64_t len)
{
	struct fuse_notify_inval_inode_out out = {
		.ino = raw_node(r, i), .off = off, .len = len,
	};

	return raw_notify(r, FUSE_NOTIFY_INVAL_INODE, &out, sizeof(out));
}
