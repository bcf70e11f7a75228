/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A FUSE server without a library, which says what a test wants it to say.
 *
 * It has a process of its own and shares the state below with the test, which
 * may change any of it at any time. The test process opens /dev/fuse and mounts,
 * as a setuid helper does, and keeps the descriptor for notifications and
 * ioctls.
 *
 * The server inherits the mappings of the test process: start all servers
 * before mapping anything.
 *
 * Functions that cannot do their work end the program with a message.
 */
#ifndef RAW_H
#define RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <linux/fuse.h>

#include "server.h"

#define RAW_FILES 4
#define RAW_DEVS 64
#define RAW_OPCODES SERVER_NR_STATS
#define RAW_STRIPS 4

/* What servers in use ask for besides famfs. */
#define RAW_USUAL (FUSE_INIT_EXT | FUSE_ATOMIC_O_TRUNC | FUSE_AUTO_INVAL_DATA | \
		   FUSE_DO_READDIRPLUS | FUSE_FLOCK_LOCKS | FUSE_MAX_PAGES)

/* Reply to a request: an error, or bytes. */
struct raw_reply {
	int error;		/* errno or 0 */
	uint32_t len, room;
	uint8_t *data;
};

/* A file, "f0" to "f3" in the root of the mount. */
struct raw_file {
	uint64_t size;
	uint64_t mtime;
	uint32_t mode;
	uint32_t uid, gid;
	/* FOPEN_* in the reply; if there are any, FOPEN_DIRECT_IO to O_DIRECT */
	uint32_t open_flags;
	uint32_t serial;	/* part of the node id */
	bool hidden;		/* not there until it is created */
	struct raw_reply fmap;
};

/* When does the server give up CAP_SYS_RAWIO? Else: when it gets that opcode. */
#define RAW_DROP_NEVER 0
#define RAW_DROP_START RAW_OPCODES

struct raw_state {
	/* of the reply to FUSE_INIT */
	uint32_t minor;
	uint64_t init_flags;
	/* S_IFREG: the root is a file */
	uint32_t root_type;
	/* two requests for devices are answered when both are there */
	bool pair_daxdevs;
	/*
	 * Set fmap_size in all maps, and reply with the header alone if the map
	 * is longer than the kernel asks for. Else maps are sent as they are.
	 */
	bool fmap_size;
	/* FUSE_CREATE and FUSE_MKNOD show a hidden file */
	bool can_create, can_mknod;
	/* of every FUSE_LOOKUP, or 0 */
	int lookup_error;
	/* wait with the reply to FUSE_GET_FMAP until it is false */
	bool hold_fmap;
	/* /dev/fuse is opened without CAP_SYS_RAWIO */
	bool weak;
	/* after this opcode, serve through a clone that is opened like that */
	int weak_at;
	/* seconds */
	uint64_t entry_valid, attr_valid;
	int drop_at;
	struct raw_file files[RAW_FILES];
	struct raw_reply devs[RAW_DEVS];

	/* set by the server: what the kernel offers and asks */
	uint64_t kernel_flags;
	/* longest map that fits, of the last FUSE_GET_FMAP; 0: it did not say */
	uint32_t fmap_fits;
	uint64_t counts[RAW_OPCODES];
	/* errno of the last write of a reply to this opcode, or 0 */
	int write_err[RAW_OPCODES];
};

struct raw {
	pid_t pid;
	int fd;			/* /dev/fuse */
	char mnt[32];
	volatile struct raw_state *s;
};

/* Make the state: famfs, all caches for an hour, empty files, no devices. */
void raw_init(struct raw *r);
/* Mount and serve. @prepare, or NULL: runs in the server's process before. */
void raw_start(struct raw *r, void (*prepare)(const struct raw *r));
/* The same, but FUSE_INIT may fail. Return: 0 or -errno of the first look. */
int raw_try_start(struct raw *r, void (*prepare)(const struct raw *r));
/*
 * Let go, unmount, wait for the server, free the state. Return: 0 or -errno, 0 if
 * it does not run.
 */
int raw_stop(struct raw *r);
/* Free the state only. */
void raw_free(struct raw *r);

/* Device @index has this name. */
void raw_set_dev(struct raw *r, unsigned int index, const char *name);
/* Set a reply. @data is NULL: keep the bytes. */
void raw_set_reply(volatile struct raw_reply *reply, int error, const void *data,
		   size_t len);
/* File number @i is one extent of device @dev. */
void raw_set_file(struct raw *r, unsigned int i, unsigned int dev, uint64_t off,
		  uint64_t len);
/* ... or @n extents of type @type, which are @len bytes altogether. */
void raw_set_map(struct raw *r, unsigned int i, uint64_t size, uint32_t type,
		 uint32_t n, const void *extents, size_t len);
/* ... or @n extents of @len bytes, each where @place says: device and offset. */
void raw_set_extents(struct raw *r, unsigned int i, unsigned int n, uint64_t len,
		     void (*place)(unsigned int nr, struct fuse_famfs_simple_ext *ext));
/*
 * ... or interleaved over @n strips of @len bytes, one behind the other from @off
 * on, and each on the next one of @devs devices.
 */
void raw_set_strips(struct raw *r, unsigned int i, unsigned int n,
		    unsigned int devs, uint64_t off, uint64_t len, uint64_t chunk);
/*
 * The name is that of another inode from now on. Takes effect with the next
 * look-up: for connections that do not cache names.
 */
void raw_renew(struct raw *r, unsigned int i);
uint64_t raw_node(const struct raw *r, unsigned int i);

const char *raw_path(const struct raw *r, unsigned int i);
/* Open a file. Return: descriptor or -errno. */
int raw_open(const struct raw *r, unsigned int i, int flags);
/* The same, but it has to be possible. */
int raw_must_open(const struct raw *r, unsigned int i, int flags);
/* Open and close a file. Return: 0 or -errno. */
int raw_try_open(const struct raw *r, unsigned int i, int flags);
/* FUSE_DEV_IOC_DAXDEV_OPEN. Return: 0 or -errno. */
int raw_add_dev(const struct raw *r, int fd, uint64_t index);
uint64_t raw_count(const struct raw *r, int opcode);
/* Requests so far, of all kinds. */
uint64_t raw_requests(const struct raw *r);
/* Send a notification: FUSE_NOTIFY_* and its body. Return: 0 or -errno. */
int raw_notify(const struct raw *r, int code, const void *body, size_t len);
/* The one that retires the map, or just the attributes if @off is negative. */
int raw_inval_inode(const struct raw *r, unsigned int i, int64_t off, int64_t len);

/* Open /dev/fuse without CAP_SYS_RAWIO. */
int raw_open_weak(void);
/* Take CAP_SYS_RAWIO from the calling process. */
void drop_rawio(void);

#endif
