/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * What a famfs server needs besides libfuse.
 *
 * A famfs server is an ordinary server on the low-level API of libfuse, 3.12 or
 * newer, which answers two requests more: what ranges of dax devices a file is,
 * and what device an index stands for. libfuse knows neither of them. To make a
 * server a famfs server,
 *
 * - copy this file and famfs_fuse.c, and compile them with the <linux/fuse.h>
 *   of a kernel that has famfs ("make headers_install" puts it into
 *   usr/include):
 *
 *	cc -I LINUX/usr/include server.c famfs_fuse.c -lfuse3
 *
 * - make a map for every file, when the server starts or when it is asked for;
 * - call famfs_session_loop() where fuse_session_loop() was called.
 *
 * famfs_server.c is an example. Documentation/filesystems/famfs.rst describes
 * what goes over the wire, and what a server may and may not do.
 *
 * The license is that of <linux/fuse.h>, so that whoever can use that can use
 * this.
 */
#ifndef FAMFS_FUSE_H
#define FAMFS_FUSE_H

#include <stdint.h>

/* Device indices are below this. */
#define FAMFS_MAX_DEVS 64

struct fuse_session;
struct famfs_map;

/**
 * struct famfs_ops - what famfs_session_loop() asks of a server
 * @map: the finished map of a regular file, or NULL if it has none, with which
 *	the open fails with EINVAL. It has to stay until @request or @map is
 *	called again.
 * @dev: the path of a device, or NULL if there is none with this index. An open
 *	that needs the device fails with ENODEV then, unless it has been
 *	registered with famfs_register().
 * @request: called with the opcode of each request before the request is
 *	handled, for example to count them. Can be NULL.
 */
struct famfs_ops {
	const struct famfs_map *(*map)(void *userdata, uint64_t ino);
	const char *(*dev)(void *userdata, unsigned int index);
	void (*request)(void *userdata, unsigned int opcode);
};

int famfs_session_loop(struct fuse_session *se, const struct famfs_ops *ops,
		       void *userdata);
int famfs_register(struct fuse_session *se, unsigned int index, int fd);
uint64_t famfs_dev_size(const char *path);

struct famfs_map *famfs_map_simple(uint64_t file_size);
struct famfs_map *famfs_map_interleaved(uint64_t file_size);
void famfs_map_extent(struct famfs_map *map, uint64_t chunk, uint64_t nbytes);
void famfs_map_range(struct famfs_map *map, unsigned int dev, uint64_t off,
		     uint64_t len);
int famfs_map_finish(struct famfs_map *map,
		     const uint64_t sizes[FAMFS_MAX_DEVS]);
const void *famfs_map_bytes(const struct famfs_map *map, uint32_t *len);
void famfs_map_free(struct famfs_map *map);

#endif
