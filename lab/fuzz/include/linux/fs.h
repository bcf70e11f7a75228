/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_FS_H
#define _FUZZ_LINUX_FS_H

#include <limits.h>
#include <linux/align.h>
#include <linux/kernel.h>
#include <linux/types.h>

#ifndef PAGE_SHIFT
#define PAGE_SHIFT 12
#endif
#define PAGE_SIZE (1UL << PAGE_SHIFT)
#define PAGE_MASK (~(PAGE_SIZE - 1))

#define U64_MAX UINT64_MAX
#define MAX_LFS_FILESIZE LLONG_MAX

#endif
