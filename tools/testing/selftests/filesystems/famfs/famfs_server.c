// SPDX-License-Identifier: GPL-2.0
/*
 * A small famfs server on stock libfuse 3, for tests and demonstration.
 *
 *   famfs_server [-n] LAYOUT MOUNTPOINT STATS
 *
 * LAYOUT describes the tree, see layout.h; SIGHUP reads it again. STATS is a
 * file of 64-bit counters: requests received, by opcode. -n answers OPEN with
 * ENOSYS, so that there is no further OPEN.
 *
 * libfuse knows neither FUSE_GET_FMAP nor FUSE_GET_DAXDEV. The server has a
 * receive loop of its own, answers these two and passes everything else on. The
 * INIT flag gets into the reply in the custom write function of the session.
 */
#define FUSE_USE_VERSION 314
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse_lowlevel.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "layout.h"
#include "server.h"

/* seconds for which the kernel may cache names and attributes */
#define CACHE_SECONDS 3600.0

static struct layout *layout;
static const char *layout_path;
static volatile uint64_t *stats;
static volatile sig_atomic_t reload;
static uint64_t init_unique;
static bool no_open;

static struct layout_node *node_of(fuse_ino_t ino)
{
	return ino >= 1 && ino <= layout->nr_nodes ? &layout->nodes[ino - 1] :
						     NULL;
}

static void fill_stat(const struct layout_node *node, fuse_ino_t ino,
		      struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_ino = ino;
	st->st_mode = node->mode;
	st->st_nlink = S_ISDIR(node->mode) ? 2 : 1;
	st->st_size = node->size;
	st->st_blocks = node->size / 512;
	st->st_blksize = 4096;
}

static void srv_init(void *data, struct fuse_conn_info *conn)
{
	conn->want |= conn->capable & FUSE_CAP_ATOMIC_O_TRUNC;
}

static void srv_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = {
		.attr_timeout = CACHE_SECONDS,
		.entry_timeout = CACHE_SECONDS,
	};
	int i = layout_lookup(layout, parent - 1, name);

	if (i < 0) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	e.ino = i + 1;
	fill_stat(&layout->nodes[i], e.ino, &e.attr);
	fuse_reply_entry(req, &e);
}

static void srv_getattr(fuse_req_t req, fuse_ino_t ino,
			struct fuse_file_info *fi)
{
	struct layout_node *node = node_of(ino);
	struct stat st;

	if (!node) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_stat(node, ino, &st);
	fuse_reply_attr(req, &st, CACHE_SECONDS);
}

static void srv_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	if (no_open) {
		fuse_reply_err(req, ENOSYS);
		return;
	}
	/* what servers reply that were once passthrough examples */
	fi->keep_cache = 1;
	if (fi->flags & O_DIRECT)
		fi->direct_io = 1;
	fuse_reply_open(req, fi);
}

static void srv_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			struct fuse_file_info *fi)
{
	char *buf = calloc(1, size);
	size_t used = 0;
	unsigned int i;

	for (i = off; buf && i < layout->nr_nodes; i++) {
		const struct layout_node *node = &layout->nodes[i];
		struct stat st;
		size_t len;

		if (!i || node->parent != ino - 1)
			continue;
		fill_stat(node, i + 1, &st);
		len = fuse_add_direntry(req, buf + used, size - used,
					node->name, &st, i + 1);
		if (len > size - used)
			break;
		used += len;
	}
	fuse_reply_buf(req, buf, used);
	free(buf);
}

static const struct fuse_lowlevel_ops ops = {
	.init = srv_init,
	.lookup = srv_lookup,
	.getattr = srv_getattr,
	.open = srv_open,
	.readdir = srv_readdir,
};

static ssize_t io_read(int fd, void *buf, size_t len, void *data)
{
	return read(fd, buf, len);
}

/* libfuse writes the header and the body of a reply as separate vectors. */
static ssize_t io_writev(int fd, struct iovec *iov, int count, void *data)
{
	const struct fuse_out_header *oh = iov[0].iov_base;
	struct fuse_init_out out = {};
	struct iovec init[2];

	if (!init_unique || oh->unique != init_unique || count != 2)
		return writev(fd, iov, count);

	memcpy(&out, iov[1].iov_base, iov[1].iov_len < sizeof(out) ?
				      iov[1].iov_len : sizeof(out));
	out.flags |= FUSE_INIT_EXT;
	out.flags2 |= FUSE_DAX_FMAP >> 32;
	init[0] = iov[0];
	init[1] = (struct iovec){ &out, sizeof(out) };
	((struct fuse_out_header *)init[0].iov_base)->len =
		sizeof(*oh) + sizeof(out);
	init_unique = 0;
	return writev(fd, init, 2);
}

static const struct fuse_custom_io io = {
	.read = io_read,
	.writev = io_writev,
};

static void reply(int fd, const struct fuse_in_header *ih, int error,
		  const void *body, size_t len)
{
	struct fuse_out_header oh = {
		.len = sizeof(oh) + len,
		.error = -error,
		.unique = ih->unique,
	};
	struct iovec iov[2] = {
		{ &oh, sizeof(oh) }, { (void *)body, len },
	};

	if (writev(fd, iov, 2) < 0 && errno != ENOENT)
		warn("reply to opcode %u", ih->opcode);
}

static void reply_fmap(int fd, const struct fuse_in_header *ih)
{
	const struct fuse_getxattr_in *in = (const void *)(ih + 1);
	struct layout_node *node = node_of(ih->nodeid);
	struct fuse_famfs_fmap_header *h;

	if (!node || !node->fmap) {
		reply(fd, ih, EINVAL, NULL, 0);
		return;
	}
	h = node->fmap;
	h->fmap_size = node->fmap_len;
	/* the header alone makes the kernel ask again, for all of it */
	if (ih->len >= sizeof(*ih) + sizeof(*in) && in->size < node->fmap_len)
		reply(fd, ih, 0, h, sizeof(*h));
	else
		reply(fd, ih, 0, h, node->fmap_len);
}

static void reply_daxdev(int fd, const struct fuse_in_header *ih)
{
	struct fuse_daxdev_out out = { .index = ih->nodeid };

	if (ih->nodeid >= LAYOUT_MAX_DEVS || !layout->devs[ih->nodeid]) {
		reply(fd, ih, ENODEV, NULL, 0);
		return;
	}
	strncpy(out.name, layout->devs[ih->nodeid], sizeof(out.name) - 1);
	reply(fd, ih, 0, &out, sizeof(out));
}

static void serve(struct fuse_session *se, int fd)
{
	struct fuse_buf buf = {};

	while (!fuse_session_exited(se)) {
		const struct fuse_in_header *ih;
		int n = fuse_session_receive_buf(se, &buf);

		if (reload) {
			reload = 0;
			layout = layout_read(layout_path);
		}
		if (n == -EINTR)
			continue;
		if (n <= 0)
			break;
		ih = buf.mem;
		if (ih->opcode < SERVER_NR_STATS)
			stats[ih->opcode]++;
		if (ih->opcode == FUSE_INIT)
			init_unique = ih->unique;
		if (ih->opcode == FUSE_GET_FMAP)
			reply_fmap(fd, ih);
		else if (ih->opcode == FUSE_GET_DAXDEV)
			reply_daxdev(fd, ih);
		else
			fuse_session_process_buf(se, &buf);
	}
	free(buf.mem);
}

static void on_hup(int sig)
{
	reload = 1;
}

static void map_stats(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, SERVER_NR_STATS * sizeof(*stats)))
		err(2, "%s", path);
	stats = mmap(NULL, SERVER_NR_STATS * sizeof(*stats),
		     PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (stats == MAP_FAILED)
		err(2, "mmap");
	close(fd);
}

int main(int argc, char **argv)
{
	struct sigaction hup = { .sa_handler = on_hup };
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_session *se;
	char opts[128];
	int fd, c;

	while ((c = getopt(argc, argv, "n")) != -1) {
		if (c != 'n')
			return 2;
		no_open = true;
	}
	if (argc - optind != 3)
		errx(2, "usage: famfs_server [-n] LAYOUT MOUNTPOINT STATS");
	layout_path = argv[optind];
	layout = layout_read(layout_path);
	map_stats(argv[optind + 2]);
	sigaction(SIGHUP, &hup, NULL);

	fuse_opt_add_arg(&args, "famfs_server");
	se = fuse_session_new(&args, &ops, sizeof(ops), NULL);
	if (!se)
		errx(2, "fuse_session_new");
	fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		err(2, "/dev/fuse");
	snprintf(opts, sizeof(opts),
		 "fd=%d,rootmode=40000,user_id=0,group_id=0,allow_other,default_permissions",
		 fd);
	if (mount("famfs", argv[optind + 1], "fuse", MS_NOSUID | MS_NODEV, opts))
		err(2, "mount %s", argv[optind + 1]);
	if (fuse_session_custom_io(se, &io, fd))
		errx(2, "fuse_session_custom_io");
	serve(se, fd);
	fuse_session_destroy(se);
	return 0;
}
