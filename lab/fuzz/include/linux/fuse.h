/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_FUSE_H
#define _FUZZ_LINUX_FUSE_H

/* the one of the tree, not the one of the system */
#include <uapi/linux/fuse.h>

#endif
