// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/* Exports the files that a text file describes. See famfs_server(8). */
#define FUSE_USE_VERSION 312
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "famfs_fuse.h"
#include "layout.h"

/* counters in the file of statistics */
#define NR_STATS 64

static const char *layout_path;
static volatile uint64_t *stats;
static volatile sig_atomic_t reload;

static const struct famfs_map *server_map(void *userdata, uint64_t ino)
{
	const struct layout_node *node = layout_node(tree, ino);

	return node ? node->map : NULL;
}

static const char *server_dev(void *userdata, unsigned int index)
{
	return tree->devs[index];
}

static void server_request(void *userdata, unsigned int opcode)
{
	if (stats && opcode < NR_STATS)
		stats[opcode]++;
	if (reload) {
		reload = 0;
		layout_free(tree);
		tree = layout_read(layout_path);
	}
}

static const struct famfs_ops famfs_ops = {
	.map = server_map,
	.dev = server_dev,
	.request = server_request,
};

static void server_no_open(fuse_req_t req, fuse_ino_t ino,
			   struct fuse_file_info *fi)
{
	fuse_reply_err(req, ENOSYS);
}

static void on_hup(int sig)
{
	reload = 1;
}

static void map_stats(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0 || ftruncate(fd, NR_STATS * sizeof(*stats)))
		err(2, "%s", path);
	stats = mmap(NULL, NR_STATS * sizeof(*stats), PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd, 0);
	if (stats == MAP_FAILED)
		err(2, "mmap %s", path);
	close(fd);
}

static int serve(const struct fuse_lowlevel_ops *ops, const char *mountpoint)
{
	char *opts[] = { "famfs_server",
			 "-oallow_other,default_permissions,fsname=famfs" };
	struct fuse_args args = FUSE_ARGS_INIT(2, opts);
	struct fuse_session *se = fuse_session_new(&args, ops, sizeof(*ops), NULL);
	int ret;

	if (!se || fuse_set_signal_handlers(se) ||
	    fuse_session_mount(se, mountpoint))
		errx(2, "cannot mount %s", mountpoint);
	ret = famfs_session_loop(se, &famfs_ops, NULL);
	fuse_session_unmount(se);
	fuse_session_destroy(se);
	if (ret)
		errx(1, "%s: %s", mountpoint, strerror(-ret));
	return 0;
}

int main(int argc, char **argv)
{
	struct sigaction hup = { .sa_handler = on_hup };
	struct fuse_lowlevel_ops ops = tree_ops;
	bool no_open = argc > 1 && !strcmp(argv[1], "-n");

	argv += no_open;
	argc -= no_open;
	if (no_open)
		ops.open = server_no_open;
	if (argc != 3 && argc != 4)
		errx(2, "usage: famfs_server [-n] LAYOUT MOUNTPOINT [STATS]");
	layout_path = argv[1];
	tree = layout_read(layout_path);
	if (argc == 4)
		map_stats(argv[3]);
	sigaction(SIGHUP, &hup, NULL);
	return serve(&ops, argv[2]);
}
