/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _FUZZ_LINUX_SLAB_H
#define _FUZZ_LINUX_SLAB_H

#include <stdlib.h>
#include <linux/cleanup.h>
#include <linux/types.h>

#define GFP_KERNEL_ACCOUNT GFP_KERNEL

/* The allocation with this number from now on fails; 0: none does. */
extern unsigned int fuzz_fail_alloc;

static inline bool fuzz_alloc_fails(void)
{
	return fuzz_fail_alloc && !--fuzz_fail_alloc;
}

static inline void *kvzalloc(size_t size, gfp_t gfp)
{
	return fuzz_alloc_fails() ? NULL : calloc(1, size);
}

static inline void kvfree(const void *p)
{
	free((void *)p);
}

#endif
