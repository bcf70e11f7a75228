// SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
/*
 * What a famfs server needs besides libfuse. See famfs_fuse.h.
 *
 * libfuse passes on neither the INIT flag nor the two requests of famfs, and not
 * every distribution builds it with custom I/O. So the loop here receives each
 * request and answers these two by itself. Only for INIT, a pipe takes the
 * place of the connection, and gets libfuse's reply, to which the flag is
 * added.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#ifndef FUSE_USE_VERSION
#define FUSE_USE_VERSION 312
#endif
#include <errno.h>
#include <fcntl.h>
#include <fuse3/fuse_lowlevel.h>
#include <inttypes.h>
#include <linux/fuse.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "famfs_fuse.h"

/* The bit of older kernels, which has got another meaning with minor 46. */
#define OLD_INIT_FLAG (1ULL << 43)
#define OLD_INIT_MINOR 45

/* --- Maps --- */

/* What follows the header. */
union famfs_item {
	struct fuse_famfs_simple_ext range;
	struct fuse_famfs_iext extent;
};

#define MAX_ITEMS ((FAMFS_FMAP_MAX - sizeof(struct fuse_famfs_fmap_header)) / \
		   sizeof(union famfs_item))

/**
 * struct famfs_map - the map of a file, in the making or finished
 * @err: 0, or why it cannot be finished
 * @finished: it is what the kernel takes, and does not change any more
 * @nitems: items that there are
 * @room: items that there is memory for
 * @extent: index of the interleaved extent that ranges are added to
 * @devs: the devices that it names, one bit for each
 * @reply: the header, and @room items after it
 */
struct famfs_map {
	int err;
	bool finished;
	uint32_t nitems;
	uint32_t room;
	uint32_t extent;
	uint64_t devs;
	struct fuse_famfs_fmap_header *reply;
};

static union famfs_item *map_items(const struct famfs_map *map)
{
	return (union famfs_item *)(map->reply + 1);
}

static struct famfs_map *map_new(uint64_t file_size, uint32_t type)
{
	struct famfs_map *map = calloc(1, sizeof(*map));

	if (!map)
		return NULL;
	map->reply = calloc(1, sizeof(*map->reply));
	if (!map->reply) {
		free(map);
		return NULL;
	}
	map->reply->fmap_version = FAMFS_FMAP_VERSION;
	map->reply->ext_type = type;
	map->reply->file_size = file_size;
	return map;
}

/**
 * famfs_map_simple() - begin a map that is a list of ranges
 * @file_size: size of the file in bytes
 *
 * The ranges are added with famfs_map_range(), in the order of the file.
 * Together they are at least as long as the file.
 *
 * Return: the map, or NULL without memory. All functions take NULL for a map,
 * so that only the result of famfs_map_finish() has to be looked at.
 */
struct famfs_map *famfs_map_simple(uint64_t file_size)
{
	return map_new(file_size, FUSE_FAMFS_EXT_SIMPLE);
}

/**
 * famfs_map_interleaved() - begin a map that is interleaved
 * @file_size: size of the file in bytes
 *
 * Consists of one or more extents in the order of the file, each of which is
 * begun with famfs_map_extent().
 *
 * Return: the map, or NULL without memory; see famfs_map_simple().
 */
struct famfs_map *famfs_map_interleaved(uint64_t file_size)
{
	return map_new(file_size, FUSE_FAMFS_EXT_INTERLEAVE);
}

static bool map_grow(struct famfs_map *map)
{
	uint32_t room = map->room ? 2 * map->room : 4;
	void *reply;

	if (map->nitems < map->room)
		return true;
	if (room > MAX_ITEMS)
		room = MAX_ITEMS;
	if (map->nitems == room) {
		map->err = -E2BIG;
		return false;
	}
	reply = realloc(map->reply, sizeof(*map->reply) +
				    room * sizeof(union famfs_item));
	if (!reply) {
		map->err = -ENOMEM;
		return false;
	}
	map->reply = reply;
	map->room = room;
	return true;
}

/* Return: a zeroed item, or NULL if the map is not to be finished. */
static union famfs_item *map_append(struct famfs_map *map)
{
	union famfs_item *item;

	if (!map || map->err == -E2BIG || map->err == -ENOMEM)
		return NULL;
	if (map->finished)
		map->err = -EINVAL;
	if (!map_grow(map))
		return NULL;
	item = map_items(map) + map->nitems++;
	memset(item, 0, sizeof(*item));
	return item;
}

/**
 * famfs_map_extent() - begin the next extent of an interleaved map
 * @map: from famfs_map_interleaved()
 * @chunk: length of a chunk in bytes, a multiple of the page size below 4 GiB
 * @nbytes: bytes of the file that the extent covers; a multiple of the page
 *	size unless it is the last extent
 *
 * Chunk number c of the extent is in strip c modulo the number of strips. The
 * strips are added with famfs_map_range().
 */
void famfs_map_extent(struct famfs_map *map, uint64_t chunk, uint64_t nbytes)
{
	union famfs_item *item = map_append(map);

	if (!item)
		return;
	if (map->reply->ext_type != FUSE_FAMFS_EXT_INTERLEAVE ||
	    chunk > UINT32_MAX)
		map->err = -EINVAL;
	item->extent.ie_chunk_size = chunk;
	item->extent.ie_nbytes = nbytes;
	map->extent = map->nitems - 1;
	map->reply->nextents++;
}

/**
 * famfs_map_range() - add a range of a device to a map
 * @map: the map
 * @dev: index of the device
 * @off: offset into the device in bytes, a multiple of the page size
 * @len: length in bytes, a multiple of the page size
 *
 * The range is the next part of the file, or, in an interleaved map, the next
 * strip of the extent that was begun last. No two ranges of a map may overlap.
 */
void famfs_map_range(struct famfs_map *map, unsigned int dev, uint64_t off,
		     uint64_t len)
{
	union famfs_item *item = map_append(map);

	if (!item)
		return;
	item->range.se_devindex = dev;
	item->range.se_offset = off;
	item->range.se_len = len;
	if (map->reply->ext_type == FUSE_FAMFS_EXT_SIMPLE)
		map->reply->nextents++;
	else if (map->reply->nextents)
		map_items(map)[map->extent].extent.ie_nstrips++;
	else
		map->err = -EINVAL;
}

static bool unaligned(uint64_t n)
{
	return n % sysconf(_SC_PAGESIZE);
}

/* Return: its length, or 0 if it is not valid. */
static uint64_t check_range(struct famfs_map *map,
			    const struct fuse_famfs_simple_ext *range,
			    const uint64_t *sizes)
{
	uint64_t off = range->se_offset, len = range->se_len;

	if (range->se_devindex >= FAMFS_MAX_DEVS)
		return 0;
	if (unaligned(off | len) || off + len < off)
		return 0;
	if (sizes && sizes[range->se_devindex] &&
	    off + len > sizes[range->se_devindex])
		return 0;
	map->devs |= 1ULL << range->se_devindex;
	return len;
}

/* Return: the bytes that it covers, or 0 if it is not valid. */
static uint64_t check_extent(struct famfs_map *map,
			     const union famfs_item *item, const uint64_t *sizes)
{
	const struct fuse_famfs_iext *ext = &item->extent;
	uint64_t chunk = ext->ie_chunk_size;
	uint64_t row = chunk * ext->ie_nstrips;
	uint32_t i;

	if (!row || unaligned(chunk))
		return 0;
	for (i = 0; i < ext->ie_nstrips; i++) {
		uint64_t len = check_range(map, &item[1 + i].range, sizes);
		uint64_t rest = ext->ie_nbytes % row;
		uint64_t need = ext->ie_nbytes / row * chunk;

		/* the last row: whole chunks, a part of one, nothing */
		rest = rest > i * chunk ? rest - i * chunk : 0;
		need += rest < chunk ? rest : chunk;
		if (!len || len < need)
			return 0;
	}
	return ext->ie_nbytes;
}

static bool check_items(struct famfs_map *map, const uint64_t *sizes)
{
	const union famfs_item *item = map_items(map);
	uint64_t len, end = 0;
	uint32_t i;

	map->devs = 0;
	for (i = 0; i < map->reply->nextents; i++) {
		if (map->reply->ext_type == FUSE_FAMFS_EXT_SIMPLE) {
			len = check_range(map, &item->range, sizes);
		} else {
			len = check_extent(map, item, sizes);
			item += item->extent.ie_nstrips;
		}
		item++;
		/* only the last one may end within a page */
		if (!len || unaligned(end))
			return false;
		if (end + len < end || end + len > INT64_MAX)
			return false;
		end += len;
	}
	return end >= map->reply->file_size;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct fuse_famfs_simple_ext *x = a, *y = b;

	if (x->se_devindex != y->se_devindex)
		return x->se_devindex < y->se_devindex ? -1 : 1;
	return x->se_offset < y->se_offset ? -1 : x->se_offset > y->se_offset;
}

/* All ranges, without what is between them. Return: their number. */
static uint32_t copy_ranges(const struct famfs_map *map,
			    struct fuse_famfs_simple_ext *ranges)
{
	const union famfs_item *items = map_items(map);
	uint32_t i, n = 0, strips = 0;

	for (i = 0; i < map->nitems; i++) {
		if (map->reply->ext_type == FUSE_FAMFS_EXT_INTERLEAVE &&
		    !strips) {
			strips = items[i].extent.ie_nstrips;
			continue;
		}
		ranges[n++] = items[i].range;
		if (strips)
			strips--;
	}
	return n;
}

static int check_overlaps(const struct famfs_map *map)
{
	struct fuse_famfs_simple_ext *ranges;
	uint32_t i, n;
	int err = 0;

	ranges = malloc(map->nitems * sizeof(*ranges));
	if (!ranges)
		return -ENOMEM;
	n = copy_ranges(map, ranges);
	qsort(ranges, n, sizeof(*ranges), compare_ranges);
	for (i = 1; i < n; i++)
		if (ranges[i - 1].se_devindex == ranges[i].se_devindex &&
		    ranges[i - 1].se_offset + ranges[i - 1].se_len >
		    ranges[i].se_offset)
			err = -EINVAL;
	free(ranges);
	return err;
}

/**
 * famfs_map_finish() - check a map
 * @map: the map
 * @sizes: sizes of the devices in bytes, or 0 where that is not known; or NULL
 *
 * A map that passes is one that the kernel takes, on the host with these
 * devices. What remains for the open of the file to find is a device that is
 * not there or is too small, and another open file on the same memory.
 *
 * Return: 0, or what the open would fail with: -EINVAL if the size of the file
 * is 0 or larger than a file can be, if there is no extent, or one without
 * strips, if a range, a chunk or an extent is empty or not aligned to pages, if
 * ranges overlap, if one is on a device with an index of 64 or more or ends
 * beyond its device, if strips are shorter than their extent needs, or if all
 * extents are shorter than the file; -E2BIG if the map is longer than
 * FAMFS_FMAP_MAX. Also -EINVAL if functions were called that are not for such a
 * map, and -ENOMEM.
 */
int famfs_map_finish(struct famfs_map *map, const uint64_t sizes[FAMFS_MAX_DEVS])
{
	int err;

	if (!map)
		return -ENOMEM;
	if (map->err)
		return map->err;
	/* with no extents, the file is longer than these */
	if (!map->reply->file_size || !check_items(map, sizes))
		return -EINVAL;
	err = check_overlaps(map);
	if (err)
		return err;
	map->reply->fmap_size = sizeof(*map->reply) +
				map->nitems * sizeof(union famfs_item);
	map->finished = true;
	return 0;
}

/**
 * famfs_map_bytes() - what the kernel gets of a map
 * @map: a map that is finished
 * @len: set to the length in bytes
 *
 * For servers that send replies without famfs_session_loop().
 *
 * Return: the reply to FUSE_GET_FMAP.
 */
const void *famfs_map_bytes(const struct famfs_map *map, uint32_t *len)
{
	*len = map->reply->fmap_size;
	return map->reply;
}

/**
 * famfs_map_free() - free a map
 * @map: the map, or NULL
 */
void famfs_map_free(struct famfs_map *map)
{
	if (!map)
		return;
	free(map->reply);
	free(map);
}

/* --- Devices --- */

/**
 * famfs_register() - tell the kernel by a descriptor what device an index is
 * @se: a session whose connection is a famfs connection: FUSE_INIT has been
 *	answered
 * @index: the index, below FAMFS_MAX_DEVS
 * @fd: the device, open for reading and writing; can be closed afterwards
 *
 * famfs_session_loop() does this by itself with the path of a device, before it
 * sends the first map that names it. A server calls this if it has no path, or
 * to hold the device from now on; at the first look-up, for example.
 *
 * Return: 0, also if the index is that of the same device already; -ENOTTY if
 * the kernel has famfs, but not this; -EPERM without CAP_SYS_RAWIO; -EINVAL if
 * @index is out of range; -EBADF or -EACCES if @fd is not open like that;
 * -EEXIST if the index is that of another device; -ENODEV if @fd is no dax
 * device, or has no driver; -EOPNOTSUPP if the device is not in famfs mode, or
 * the connection is no famfs connection; -EBUSY if somebody else holds the
 * device; -ENOTCONN after unmount.
 */
int famfs_register(struct fuse_session *se, unsigned int index, int fd)
{
	struct fuse_daxdev_map map = { .fd = fd, .daxdev_index = index };

	if (ioctl(fuse_session_fd(se), FUSE_DEV_IOC_DAXDEV_OPEN, &map))
		return -errno;
	return 0;
}

/**
 * famfs_dev_size() - find out how large a device is
 * @path: path of the device
 *
 * Return: the size in bytes, or 0 if it is not known.
 */
uint64_t famfs_dev_size(const char *path)
{
	uint64_t size = 0;
	struct stat st;
	char name[64];
	FILE *f;

	if (stat(path, &st) || !S_ISCHR(st.st_mode))
		return 0;
	snprintf(name, sizeof(name), "/sys/dev/char/%u:%u/size",
		 major(st.st_rdev), minor(st.st_rdev));
	f = fopen(name, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &size) != 1)
		size = 0;
	fclose(f);
	return size;
}

/* --- Requests --- */

/**
 * struct famfs_loop - state of famfs_session_loop()
 * @se: the session
 * @fd: its connection
 * @ops: the server's operations
 * @userdata: and what they get
 * @devs: the devices that are registered, one bit for each
 */
struct famfs_loop {
	struct fuse_session *se;
	int fd;
	const struct famfs_ops *ops;
	void *userdata;
	uint64_t devs;
};

static void reply(struct famfs_loop *loop, const struct fuse_in_header *ih,
		  int error, const void *body, size_t len)
{
	struct fuse_out_header oh = {
		.len = sizeof(oh) + len,
		.error = error,
		.unique = ih->unique,
	};
	struct iovec iov[2] = {
		{ &oh, sizeof(oh) }, { (void *)body, len },
	};

	/* ENOENT: the one who asked has been killed */
	if (writev(loop->fd, iov, 2) < 0 && errno != ENOENT)
		fuse_log(FUSE_LOG_ERR, "famfs: reply to opcode %u: %s\n",
			 ih->opcode, strerror(errno));
}

/*
 * A device that cannot be registered is asked for by FUSE_GET_DAXDEV, and
 * whoever opens the file gets the error.
 */
static void register_devs(struct famfs_loop *loop, uint64_t devs)
{
	for (devs &= ~loop->devs; devs; devs &= devs - 1) {
		unsigned int i = __builtin_ctzll(devs);
		const char *path = loop->ops->dev(loop->userdata, i);
		int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

		if (fd < 0)
			continue;
		if (!famfs_register(loop->se, i, fd))
			loop->devs |= 1ULL << i;
		close(fd);
	}
}

static void reply_map(struct famfs_loop *loop, const struct fuse_in_header *ih)
{
	const struct fuse_getxattr_in *in = (const void *)(ih + 1);
	const struct famfs_map *map = loop->ops->map(loop->userdata, ih->nodeid);
	const void *bytes;
	uint32_t len;

	if (!map || !map->finished) {
		reply(loop, ih, -EINVAL, NULL, 0);
		return;
	}
	register_devs(loop, map->devs);
	bytes = famfs_map_bytes(map, &len);
	/* the header alone makes the kernel ask again, for all of it */
	if (ih->len >= sizeof(*ih) + sizeof(*in) && in->size < len)
		len = sizeof(*map->reply);
	reply(loop, ih, 0, bytes, len);
}

static void reply_dev(struct famfs_loop *loop, const struct fuse_in_header *ih)
{
	struct fuse_daxdev_out out = { .index = ih->nodeid };
	const char *path = NULL;

	if (ih->nodeid < FAMFS_MAX_DEVS)
		path = loop->ops->dev(loop->userdata, ih->nodeid);
	if (!path || strlen(path) >= sizeof(out.name)) {
		reply(loop, ih, path ? -ENAMETOOLONG : -ENODEV, NULL, 0);
		return;
	}
	strcpy(out.name, path);
	reply(loop, ih, 0, &out, sizeof(out));
}

/* Return: the flag to take, or 0 if this is no famfs connection. */
static uint64_t init_flag(const struct fuse_in_header *ih)
{
	const struct fuse_init_in *in = (const void *)(ih + 1);
	uint64_t offer;

	if (ih->len < sizeof(*ih) + sizeof(*in) || !(in->flags & FUSE_INIT_EXT))
		return 0;
	offer = (uint64_t)in->flags2 << 32;
	if (offer & FUSE_DAX_FMAP)
		return FUSE_DAX_FMAP;
	return in->minor <= OLD_INIT_MINOR ? offer & OLD_INIT_FLAG : 0;
}

/*
 * Let libfuse handle a request while its connection leads to the pipe, and back
 * to
 * @conn afterwards.
 */
static int process_into(struct famfs_loop *loop, const struct fuse_buf *buf,
			int pipe, int conn)
{
	if (dup3(pipe, loop->fd, O_CLOEXEC) < 0)
		return -errno;
	fuse_session_process_buf(loop->se, buf);
	if (dup3(conn, loop->fd, O_CLOEXEC) < 0)
		return -errno;
	return 0;
}

/* Let libfuse handle a request. Return: the length of its reply, or -errno. */
static ssize_t process_and_read(struct famfs_loop *loop,
				const struct fuse_buf *buf, void *out,
				size_t size)
{
	int conn, pipes[2];
	ssize_t ret;

	/* libfuse replies before it returns, or not at all */
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	conn = fcntl(loop->fd, F_DUPFD_CLOEXEC, 0);
	ret = conn < 0 ? -errno : process_into(loop, buf, pipes[1], conn);
	if (!ret) {
		ret = read(pipes[0], out, size);
		if (ret < 0)
			ret = -errno;
	}
	if (conn >= 0)
		close(conn);
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

static int process_init(struct famfs_loop *loop, const struct fuse_buf *buf)
{
	struct {
		struct fuse_out_header oh;
		struct fuse_init_out body;
		char more[256];
	} out = {};
	uint64_t flag = init_flag(buf->mem);
	ssize_t len;

	if (!flag)
		return -EOPNOTSUPP;
	len = process_and_read(loop, buf, &out, sizeof(out));
	if (len < (ssize_t)sizeof(out.oh))
		return len < 0 ? len : -EPROTO;
	if (!out.oh.error) {
		out.body.flags |= FUSE_INIT_EXT;
		out.body.flags2 |= flag >> 32;
		if (len < (ssize_t)(sizeof(out.oh) + sizeof(out.body)))
			len = sizeof(out.oh) + sizeof(out.body);
		out.oh.len = len;
	}
	if (write(loop->fd, &out, len) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

static int process(struct famfs_loop *loop, const struct fuse_buf *buf)
{
	const struct fuse_in_header *ih = buf->mem;

	/* in a pipe: data to be written, nothing that is for us */
	if (buf->flags & FUSE_BUF_IS_FD) {
		fuse_session_process_buf(loop->se, buf);
		return 0;
	}
	if (loop->ops->request)
		loop->ops->request(loop->userdata, ih->opcode);
	if (ih->opcode == FUSE_INIT)
		return process_init(loop, buf);
	if (ih->opcode == FUSE_GET_FMAP)
		reply_map(loop, ih);
	else if (ih->opcode == FUSE_GET_DAXDEV)
		reply_dev(loop, ih);
	else
		fuse_session_process_buf(loop->se, buf);
	return 0;
}

/**
 * famfs_session_loop() - serve a famfs mount, instead of fuse_session_loop()
 * @se: a session that has been mounted with fuse_session_mount()
 * @ops: the server's operations
 * @userdata: passed to them
 *
 * One thread serves all requests. Use it from the first request on, which is
 * FUSE_INIT.
 *
 * Before a map is sent, the devices in it are opened and registered by
 * descriptor. Where that is not possible, the kernel asks for the path of the
 * device by FUSE_GET_DAXDEV, and opens it itself.
 *
 * Return: 0 after an unmount, a signal that fuse_set_signal_handlers() handles,
 * or fuse_session_exit(); -EOPNOTSUPP if the kernel does not offer famfs: it is
 * not configured, or the process or the one that has opened /dev/fuse lacks
 * CAP_SYS_RAWIO; or another error from receiving a request or from answering
 * INIT.
 */
int famfs_session_loop(struct fuse_session *se, const struct famfs_ops *ops,
		       void *userdata)
{
	struct famfs_loop loop = {
		.se = se,
		.fd = fuse_session_fd(se),
		.ops = ops,
		.userdata = userdata,
	};
	struct fuse_buf buf = {};
	int err = 0;

	while (!err && !fuse_session_exited(se)) {
		err = fuse_session_receive_buf(se, &buf);
		if (err == -EINTR)
			err = 0;
		else if (!err)
			break;
		else if (err > 0)
			err = process(&loop, &buf);
	}
	free(buf.mem);
	return err;
}
